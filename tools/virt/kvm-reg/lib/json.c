// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies from JSON and as JSON: kvm-reg(5). */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "internal.h"

/* A policy, its rules, a rule, its bits */
#define MAX_DEPTH	5

struct reader {
	struct kvmreg_policy *policy;
	struct kvmreg_error *error;
	size_t rule;			/* that is read, SIZE_MAX before the first */
	struct json_object *object;	/* that is this rule */
};

/* A policy comes from anyone: it does not get to write to the terminal. */
static void make_printable(char *text, char kept)
{
	for (; *text; text++)
		if (*text != kept && (*text < ' ' || *text > '~'))
			*text = '?';
}

static const char *shown(struct json_object *object);

/* Mark what snprintf() has cut, as it needs @needed characters. */
static void mark_cut(char *text, size_t size, int needed)
{
	if (needed >= (int)size)
		memcpy(text + size - 4, "...", 4);
}

/* Fail because of a member of the policy or of the rule.  @next may be NULL. */
static __printf(4, 5) int wrong(struct reader *reader, const char *key, const char *next,
				const char *format, ...)
{
	char where[32] = "", name[32], reason[256], rule[256] = "";
	va_list args;

	snprintf(name, sizeof(name), "%s", key);
	va_start(args, format);
	mark_cut(reason, sizeof(reason), vsnprintf(reason, sizeof(reason), format, args));
	va_end(args);
	make_printable(name, 0);
	make_printable(reason, '\n');
	/* json-c does not know where things are: show the rule instead. */
	if (reader->rule != SIZE_MAX) {
		snprintf(where, sizeof(where), "rules[%zu]%s", reader->rule, *key ? "." : "");
		mark_cut(rule, sizeof(rule),
			 snprintf(rule, sizeof(rule), "\n%s", shown(reader->object)));
		make_printable(rule, '\n');
	}
	return kr_fail(reader->error, EINVAL, "%s: error: %s%s: %s%s%s%s", reader->policy->name,
		       where, name, reason, rule, next ? "\n" : "", next ?: "");
}

/* What is in the file, in a line, with the escapes that JSON needs */
static const char *shown(struct json_object *object)
{
	return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
}

/* "Did you mean ...?", or NULL */
static const char *hint(char text[80], const char *nearest)
{
	if (!nearest)
		return NULL;
	snprintf(text, 80, "Did you mean %s?", nearest);
	return text;
}

/* A string; "", which is none of the language, for all else, also for one with a 0 in it */
static const char *string_of(struct json_object *object)
{
	const char *text;

	if (!json_object_is_type(object, json_type_string))
		return "";
	text = json_object_get_string(object);
	return strlen(text) == (size_t)json_object_get_string_len(object) ? text : "";
}

/*
 * A number, or a string with one.  Larger numbers have to be strings: readers of JSON, of
 * which json-c is one, round or clamp them without a word.
 */
static bool number_of(struct json_object *object, __u64 *number)
{
	long long value;

	if (!json_object_is_type(object, json_type_int))
		return kr_parse_number(string_of(object), number);

	value = json_object_get_int64(object);
	*number = value;
	return value >= 0 && value < INT64_MAX;
}

static int read_action(struct reader *reader, const char *key, struct json_object *object,
		       __u8 *action)
{
	char text[80];

	if (kr_find_action(string_of(object), action))
		return 0;

	return wrong(reader, key, hint(text, kr_nearest_action(string_of(object))),
		     "%s is no action", shown(object));
}

static int read_access(struct reader *reader, const char *key, struct json_object *object,
		       struct kvm_x86_reg_rule *rule)
{
	for (rule->access = 3; rule->access; rule->access--)
		if (!strcmp(string_of(object), kr_access_names[rule->access]))
			return 0;

	return wrong(reader, key, NULL, "%s is none of \"r\", \"w\" and \"rw\"", shown(object));
}

static int read_register(struct reader *reader, const char *key, struct json_object *object,
			 struct kvm_x86_reg_rule *rule)
{
	if (kr_find_register(string_of(object), &rule->space, &rule->first)) {
		rule->last = rule->first;
		return 0;
	}
	return wrong(reader, key, NULL, "%s is none of \"msr\", \"cr0\", \"cr4\" and \"xcr0\"",
		     shown(object));
}

static int read_msr(struct reader *reader, const char *key, struct json_object *object,
		    __u32 *msr)
{
	__u64 number;
	char text[80];

	if (number_of(object, &number) && number <= UINT32_MAX) {
		*msr = number;
		return 0;
	}
	if (kvmreg_find_msr(string_of(object), msr))
		return 0;
	return wrong(reader, key, hint(text, kvmreg_nearest(string_of(object))), "%s is no MSR",
		     shown(object));
}

/* A number or a name, or an array of these */
static int read_bits(struct reader *reader, const char *key, struct json_object *object,
		     struct kvm_x86_reg_rule *rule)
{
	__u64 bits;
	char text[80];
	size_t i;
	int err;

	if (json_object_is_type(object, json_type_array)) {
		for (i = 0; i < json_object_array_length(object); i++) {
			err = read_bits(reader, key, json_object_array_get_idx(object, i), rule);
			if (err)
				return err;
		}
		/* Without bits, the rule would match every write. */
		return rule->mask ? 0 : wrong(reader, key, NULL, "no bit is set");
	}

	if (!number_of(object, &bits) &&
	    !kr_find_bits(rule->space, rule->first, string_of(object), &bits))
		return wrong(reader, key, hint(text, kr_nearest_bits(rule->space, rule->first,
								     string_of(object))),
			     "%s is neither a number nor a bit of the register", shown(object));
	if (!bits)
		return wrong(reader, key, NULL, "no bit is set");
	rule->mask |= bits;
	return 0;
}

static int read_value(struct reader *reader, const char *key, struct json_object *object,
		      struct kvm_x86_reg_rule *rule)
{
	__u64 value;

	if (!number_of(object, &value))
		return wrong(reader, key, NULL, "%s is no number of 64 bits", shown(object));
	/* As in kvm-reg(5): an action that takes no value does not take 0 either. */
	rule->value = has_value(rule->action) ? value : 1;
	return 0;
}

static const char *const rule_keys[] = {
	"action", "access", "register", "first", "last", "changing", "value",
};

static const char *const policy_keys[] = { "default", "fail-closed", "rules" };

static int check_keys(struct reader *reader, struct json_object *object,
		      const char *const *keys, size_t nr)
{
	char text[80];
	size_t i;

	json_object_object_foreach(object, key, value) {
		(void)value;
		for (i = 0; i < nr; i++)
			if (!strcmp(key, keys[i]))
				break;
		if (i == nr)
			return wrong(reader, key, hint(text, kr_nearest_of(key, keys, nr)),
				     "there is no such member");
	}
	return 0;
}

/* A member that has to be there */
static int get(struct reader *reader, struct json_object *object, const char *key,
	       struct json_object **member)
{
	return json_object_object_get_ex(object, key, member) ? 0 :
	       wrong(reader, key, NULL, "is missing");
}

static int read_range(struct reader *reader, struct json_object *object,
		      struct kvm_x86_reg_rule *rule)
{
	struct json_object *first = NULL, *last;
	int err;

	if (rule->space != KVM_X86_REG_RULE_MSR) {
		if (json_object_object_get_ex(object, "first", NULL) ||
		    json_object_object_get_ex(object, "last", NULL))
			return wrong(reader, "", NULL, "\"first\" and \"last\" are for MSRs alone");
		return 0;
	}

	err = get(reader, object, "first", &first) ?:
	      read_msr(reader, "first", first, &rule->first);
	rule->last = rule->first;
	if (!err && json_object_object_get_ex(object, "last", &last))
		err = read_msr(reader, "last", last, &rule->last);
	return err;
}

/* Members are read in this order, whatever theirs is: bits depend on the register. */
static int read_members(struct reader *reader, struct json_object *object,
			struct kvm_x86_reg_rule *rule)
{
	struct json_object *member = NULL;
	int err;

	err = get(reader, object, "action", &member) ?:
	      read_action(reader, "action", member, &rule->action) ?:
	      get(reader, object, "access", &member) ?:
	      read_access(reader, "access", member, rule) ?:
	      get(reader, object, "register", &member) ?:
	      read_register(reader, "register", member, rule) ?:
	      read_range(reader, object, rule);
	if (!err && json_object_object_get_ex(object, "changing", &member))
		err = read_bits(reader, "changing", member, rule);
	if (!err && json_object_object_get_ex(object, "value", &member))
		err = read_value(reader, "value", member, rule);
	return err;
}

static int out_of_memory(struct reader *reader)
{
	return kr_fail(reader->error, ENOMEM, "%s: error: out of memory", reader->policy->name);
}

static int read_rule(struct reader *reader, struct json_object *object)
{
	static const char *const parts[NR_PARTS] = {
		[PART_ACTION] = "action", [PART_ACCESS] = "access", [PART_REGISTERS] = "first",
		[PART_MASK] = "changing", [PART_VALUE] = "value",
	};
	struct kvm_x86_reg_rule rule = { };
	struct fault fault;
	int err;

	if (!json_object_is_type(object, json_type_object))
		return wrong(reader, "", NULL, "%s is no object", shown(object));

	err = check_keys(reader, object, rule_keys, ARRAY_SIZE(rule_keys));
	err = err ?: read_members(reader, object, &rule);
	if (err)
		return err;

	if (kr_check_rule(&rule, &fault))
		return wrong(reader, parts[fault.part], fault.next_in_json ?: fault.next, "%s",
			     fault.reason);

	err = kr_policy_add(reader->policy, &rule, 0);
	if (err == -E2BIG) {
		wrong(reader, "", KR_JOIN_RULES, "a policy has at most %u rules", MAX_RULES);
		return err;
	}
	return err ? out_of_memory(reader) : 0;
}

static int read_policy(struct reader *reader, struct json_object *object)
{
	struct json_object *member;
	__u8 action;
	size_t nr, i;
	int err;

	if (!json_object_is_type(object, json_type_object))
		return kr_fail(reader->error, EINVAL, "%s: error: the policy is no object",
			       reader->policy->name);

	err = check_keys(reader, object, policy_keys, ARRAY_SIZE(policy_keys));
	if (err)
		return err;

	if (json_object_object_get_ex(object, "default", &member)) {
		err = read_action(reader, "default", member, &action);
		if (err)
			return err;
		reader->policy->head.msr_default = action;
	}

	if (json_object_object_get_ex(object, "fail-closed", &member)) {
		if (!json_object_is_type(member, json_type_boolean))
			return wrong(reader, "fail-closed", NULL, "%s is neither true nor false",
				     shown(member));
		if (json_object_get_boolean(member))
			reader->policy->head.flags |= KVM_X86_REG_RULES_FAIL_CLOSED;
	}

	if (json_object_object_get_ex(object, "rules", &member)) {
		if (!json_object_is_type(member, json_type_array))
			return wrong(reader, "rules", NULL, "%s is no array", shown(member));
		nr = json_object_array_length(member);
		for (i = 0; i < nr; i++) {
			reader->rule = i;
			reader->object = json_object_array_get_idx(member, i);
			err = read_rule(reader, reader->object);
			if (err)
				return err;
		}
	}
	return kr_finish(reader->policy, reader->error);
}

/* Point to a character. */
static int fail_syntax(struct reader *reader, const char *at, const char *text, size_t size,
		       const char *why)
{
	const char *p, *newline;
	struct line line = { reader->policy->name, 1, text, NULL };
	struct token token;

	/* What is missing is missing where the text ends, not on the next line. */
	while (at == text + size && at > text && strchr(" \t\r\n", at[-1])) {
		at--;
		size--;
	}
	token = (struct token) { at, 1 };

	for (p = text; p < at; p++) {
		if (*p == '\n') {
			line.number++;
			line.start = p + 1;
		}
	}
	newline = memchr(line.start, '\n', text + size - line.start);
	line.end = newline ?: text + size;
	return kr_fail_at(reader->error, EINVAL, &line, &token, NULL, "this is no JSON: %s",
			  why);
}

static int read_text(struct reader *reader, const char *text, size_t size)
{
	const char *nul = memchr(text, 0, size), *at;
	enum json_tokener_error why;
	struct json_tokener *tokener;
	struct json_object *object;
	int err;

	/* json-c takes it for the end, and does not read on. */
	if (nul)
		return fail_syntax(reader, nul, text, size, "unexpected character");

	tokener = json_tokener_new_ex(MAX_DEPTH);
	if (!tokener)
		return out_of_memory(reader);

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, size);
	why = json_tokener_get_error(tokener);
	/* Where json-c has stopped */
	at = text + json_tokener_get_parse_end(tokener);
	if (why == json_tokener_success)
		err = read_policy(reader, object);
	else
		err = fail_syntax(reader, at, text, size, why == json_tokener_continue ?
				  "it ends too early" : json_tokener_error_desc(why));
	json_object_put(object);
	json_tokener_free(tokener);
	return err;
}

int kvmreg_parse_json(const char *text, size_t size, const char *name,
		      struct kvmreg_policy **policy, struct kvmreg_error *error)
{
	struct reader reader = { .error = error, .rule = SIZE_MAX };
	int err;

	if (size > INT_MAX)
		return kr_fail(error, EINVAL, "%s: error: larger than any policy", name);

	reader.policy = kr_policy_new(name);
	if (!reader.policy)
		return kr_fail(error, ENOMEM, "%s: error: out of memory", name);

	err = read_text(&reader, text, size);
	if (err) {
		kvmreg_free(reader.policy);
		return err;
	}
	*policy = reader.policy;
	return 0;
}

/* Add a member; the object owns it.  Return false if out of memory. */
static bool add(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && !json_object_object_add(object, key, value))
		return true;

	json_object_put(value);
	return false;
}

static struct json_object *hex(__u64 number)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%llx", number);
	return json_object_new_string(text);
}

static struct json_object *write_rule(const struct kvm_x86_reg_rule *rule)
{
	const char *name = kr_register_name(rule->space, rule->first);
	struct json_object *object = json_object_new_object();
	bool ok;

	if (!object)
		return NULL;

	ok = add(object, "action", json_object_new_string(kvmreg_action_name(rule->action))) &&
	     add(object, "access", json_object_new_string(kr_access_names[rule->access])) &&
	     add(object, "register", json_object_new_string(name));
	if (ok && rule->space == KVM_X86_REG_RULE_MSR)
		ok = add(object, "first", hex(rule->first)) && add(object, "last", hex(rule->last));
	if (ok && rule->mask)
		ok = add(object, "changing", hex(rule->mask));
	if (ok && rule->value)
		ok = add(object, "value", hex(rule->value));
	if (ok)
		return object;

	json_object_put(object);
	return NULL;
}

static struct json_object *write_rules(const struct kvmreg_policy *policy)
{
	struct json_object *array = json_object_new_array(), *rule;
	unsigned int i;

	for (i = 0; array && i < policy->head.nr_rules; i++) {
		rule = write_rule(&policy->rules[i]);
		if (!rule || json_object_array_add(array, rule)) {
			json_object_put(rule);
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

char *kvmreg_format_json(const struct kvmreg_policy *policy)
{
	const bool fail_closed = policy->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED;
	const char *by_default = kvmreg_action_name(policy->head.msr_default);
	struct json_object *object = json_object_new_object();
	const char *json = NULL;
	char *text = NULL;

	if (!object)
		return NULL;

	if (add(object, "default", json_object_new_string(by_default)) &&
	    add(object, "fail-closed", json_object_new_boolean(fail_closed)) &&
	    add(object, "rules", write_rules(policy)))
		json = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED);
	if (json && asprintf(&text, "%s\n", json) < 0)
		text = NULL;
	json_object_put(object);
	return text;
}
