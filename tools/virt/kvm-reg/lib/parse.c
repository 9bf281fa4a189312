// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies from text: kvm-reg(5). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_WORD	64

struct parser {
	struct kvmreg_policy *policy;
	struct kvmreg_error *error;
	struct line line;
	const char *next;		/* what is not read yet of the line */
};

/* A line of the text that is a rule, as far as it is read. */
struct statement {
	struct kvm_x86_reg_rule rule;
	unsigned int first;		/* of the rules that it makes */
	struct token parts[NR_PARTS];
	const char *expected;		/* after what is read */
};

static bool is_word(char c, const char *more)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || (c && strchr(more, c));
}

/*
 * Read a word, which may contain the characters @more, or else a character.  At the end of
 * the line or before a comment, the token has the length 0.
 */
static struct token read_token(struct parser *parser, const char *more)
{
	const char *end = parser->line.end, *p = parser->next;
	struct token token;

	while (p < end && *p && strchr(" \t\r", *p))
		p++;

	/* A message that something is missing points to the end of what is there. */
	if (p == end || *p == '#')
		return (struct token) { parser->next, 0 };

	token.start = p;
	while (p < end && is_word(*p, more))
		p++;
	if (p == token.start)
		p++;

	token.len = p - token.start;
	parser->next = p;
	return token;
}

static bool is(const struct token *token, const char *text)
{
	return token->len == strlen(text) && !memcmp(token->start, text, token->len);
}

/* Read a token if it is this one. */
static bool accept(struct parser *parser, const char *text)
{
	const char *before = parser->next;
	struct token token = read_token(parser, "");

	if (is(&token, text))
		return true;

	parser->next = before;
	return false;
}

/* A copy that ends with 0 and can be printed.  If it is too long, it is no word after that. */
static const char *copy(const struct token *token, char word[MAX_WORD])
{
	const size_t len = token->len < MAX_WORD ? token->len : MAX_WORD - 4;
	size_t i;

	for (i = 0; i < len; i++)
		word[i] = token->start[i] >= ' ' && token->start[i] <= '~' ? token->start[i] : '?';
	word[len] = 0;
	if (len < token->len)
		memcpy(word + len, "...", 4);
	return word;
}

/* A character that is in no policy: where one starts, editors may have left a mark. */
static int unexpected_byte(struct parser *parser, const struct token *token,
			   const char *expected)
{
	const unsigned char byte = *token->start;
	const bool marks = parser->line.number == 1 && token->start == parser->line.start &&
			   (byte == 0xef || byte == 0xfe || byte == 0xff);

	return kr_fail_at(parser->error, EINVAL, &parser->line, token,
			  marks ? "Save the file as plain text, without a byte order mark." : NULL,
			  "byte 0x%02x is found where %s is expected", byte, expected);
}

/* Is it a decimal number, but for the 0 in front? */
static bool is_no_octal(const char *word)
{
	__u64 value;

	return *word == '0' && !word[strspn(word, "0123456789")] && !kr_parse_number(word, &value);
}

/* Fail because of what stands where @expected should; @nearest may be NULL. */
static int unexpected(struct parser *parser, const struct token *token, const char *expected,
		      const char *nearest)
{
	char next[2 * MAX_WORD] = "", word[MAX_WORD];

	if (!token->len)
		return kr_fail_at(parser->error, EINVAL, &parser->line, token, NULL,
				  "the line ends where %s is expected", expected);
	if (*token->start < ' ' || *token->start > '~')
		return unexpected_byte(parser, token, expected);

	copy(token, word);
	if (is_no_octal(word))
		snprintf(next, sizeof(next), "A number that starts with 0 is octal: write %s.",
			 word + strspn(word, "0"));
	else if (nearest)
		snprintf(next, sizeof(next), "Did you mean %s?", nearest);
	return kr_fail_at(parser->error, EINVAL, &parser->line, token, *next ? next : NULL,
			  "\"%s\" is found where %s is expected", word, expected);
}

static int expect_end(struct parser *parser, const char *expected)
{
	const struct token token = read_token(parser, "");

	return token.len ? unexpected(parser, &token, expected, NULL) : 0;
}

static int out_of_memory(struct parser *parser)
{
	return kr_fail(parser->error, ENOMEM, "%s: error: out of memory", parser->policy->name);
}

static int add_msrs(struct parser *parser, struct statement *s, __u32 first, __u32 last,
		    const struct token *token)
{
	struct fault fault;
	int err;

	s->rule.first = first;
	s->rule.last = last;
	s->parts[PART_REGISTERS] = *token;
	if (kr_check_rule(&s->rule, &fault))
		return kr_fail_at(parser->error, EINVAL, &parser->line, &s->parts[fault.part],
				  fault.next, "%s", fault.reason);

	err = kr_policy_add(parser->policy, &s->rule, parser->line.number);
	if (err == -E2BIG)
		return kr_fail_at(parser->error, E2BIG, &parser->line, token, KR_JOIN_RULES,
				  "a policy has at most %u rules", MAX_RULES);
	return err ? out_of_memory(parser) : 0;
}

static int parse_msr(struct parser *parser, struct token *token, __u32 *msr)
{
	char word[MAX_WORD];
	__u64 value;

	*token = read_token(parser, "");
	copy(token, word);
	if (kvmreg_find_msr(word, msr))
		return 0;

	if (kr_parse_number(word, &value))
		return kr_fail_at(parser->error, EINVAL, &parser->line, token, NULL,
				  "MSRs have numbers up to 0xffffffff");
	return unexpected(parser, token, "an MSR", kvmreg_nearest(word));
}

/* NAME or NUMBER, or two of them with a dash between */
static int parse_range(struct parser *parser, struct statement *s)
{
	struct token start, token;
	__u32 first, last;
	int err;

	err = parse_msr(parser, &start, &first);
	if (err)
		return err;

	token = start;
	last = first;
	s->expected = "\"-\", \",\", \"changing\", \"=\" or the end of the line";
	if (accept(parser, "-")) {
		s->expected = "\",\", \"changing\", \"=\" or the end of the line";
		err = parse_msr(parser, &token, &last);
		if (err)
			return err;
		token.len += token.start - start.start;
		token.start = start.start;
	}
	return add_msrs(parser, s, first, last, &token);
}

/* All MSRs, but not those of the x2APIC if the kernel would reject that */
static int add_all(struct parser *parser, struct statement *s, const struct token *token)
{
	int err;

	if (s->rule.action == KVM_X86_REG_RULE_ALLOW)
		return add_msrs(parser, s, 0, UINT32_MAX, token);

	err = add_msrs(parser, s, 0, X2APIC_FIRST - 1, token);
	return err ?: add_msrs(parser, s, X2APIC_LAST + 1, UINT32_MAX, token);
}

static int parse_msrs(struct parser *parser, struct statement *s)
{
	const char *before = parser->next;
	struct token token = read_token(parser, "");
	int err;

	if (is(&token, "all"))
		return add_all(parser, s, &token);

	parser->next = before;
	do {
		err = parse_range(parser, s);
	} while (!err && accept(parser, ","));
	return err;
}

static int parse_registers(struct parser *parser, struct statement *s)
{
	const struct token token = read_token(parser, "");
	char word[MAX_WORD], nearest[MAX_WORD + 4];
	__u32 index, msr;

	copy(&token, word);
	if (!kr_find_register(word, &s->rule.space, &index)) {
		snprintf(nearest, sizeof(nearest), "msr %s", word);
		return unexpected(parser, &token, "msr, cr0, cr4 or xcr0",
				  !strcmp(word, "all") || kvmreg_find_msr(word, &msr) ? nearest :
										  NULL);
	}

	s->first = parser->policy->head.nr_rules;
	if (s->rule.space == KVM_X86_REG_RULE_MSR)
		return parse_msrs(parser, s);
	return add_msrs(parser, s, index, index, &token);
}

/* Check the rules of the line again with the mask, or the value, and put it into them. */
static int complete(struct parser *parser, struct statement *s)
{
	struct fault fault;
	unsigned int i;

	if (kr_check_rule(&s->rule, &fault))
		return kr_fail_at(parser->error, EINVAL, &parser->line, &s->parts[fault.part],
				  fault.next, "%s", fault.reason);

	for (i = s->first; i < parser->policy->head.nr_rules; i++) {
		parser->policy->rules[i].mask = s->rule.mask;
		parser->policy->rules[i].value = s->rule.value;
	}
	return 0;
}

static int parse_bits(struct parser *parser, struct statement *s)
{
	struct token *token = &s->parts[PART_MASK];
	const struct kvm_x86_reg_rule *rule = &s->rule;
	char word[MAX_WORD];
	__u64 bits;

	do {
		*token = read_token(parser, "");
		copy(token, word);
		if (!kr_find_bits(rule->space, rule->first, word, &bits))
			return unexpected(parser, token, "a bit's name or a number",
					  kr_nearest_bits(rule->space, rule->first, word));
		if (!bits)
			return kr_fail_at(parser->error, EINVAL, &parser->line, token,
					  "Leave out \"changing\", and every write matches.",
					  "no bit is set in this");
		s->rule.mask |= bits;
	} while (accept(parser, "|"));
	return complete(parser, s);
}

static int parse_value(struct parser *parser, struct statement *s)
{
	struct token *token = &s->parts[PART_VALUE];
	char word[MAX_WORD];
	__u64 value;

	*token = read_token(parser, "");
	copy(token, word);
	if (!kr_parse_number(word, &value))
		return unexpected(parser, token, "a number of 64 bits", NULL);
	/* A value of 0 is like none, but an action that takes none does not take 0 either. */
	s->rule.value = has_value(s->rule.action) ? value : 1;
	return complete(parser, s);
}

/* ACTION ACCESS REGISTERS [changing BITS] [= VALUE] */
static int parse_rule(struct parser *parser, const struct token *action)
{
	static const char *const others[] = { "default", "fail-closed" };
	struct statement s = {
		.parts[PART_ACTION] = *action,
		.expected = "\"changing\", \"=\" or the end of the line",
	};
	char word[MAX_WORD];
	int err;

	copy(action, word);
	if (!kr_find_action(word, &s.rule.action))
		return unexpected(parser, action, "an action, \"default\" or \"fail-closed\"",
				  kr_nearest_action(word) ?:
				  kr_nearest_of(word, others, ARRAY_SIZE(others)));

	s.parts[PART_ACCESS] = read_token(parser, "");
	copy(&s.parts[PART_ACCESS], word);
	for (s.rule.access = 3; s.rule.access; s.rule.access--)
		if (!strcmp(word, kr_access_names[s.rule.access]))
			break;
	if (!s.rule.access)
		return unexpected(parser, &s.parts[PART_ACCESS], "r, w or rw", NULL);

	err = parse_registers(parser, &s);
	if (!err && accept(parser, "changing")) {
		err = parse_bits(parser, &s);
		s.expected = "\"|\", \"=\" or the end of the line";
	}
	if (!err && accept(parser, "=")) {
		err = parse_value(parser, &s);
		s.expected = "the end of the line";
	}
	return err ?: expect_end(parser, s.expected);
}

static int parse_default(struct parser *parser, const struct token *token)
{
	const struct token action = read_token(parser, "-");
	char word[MAX_WORD];
	__u8 found;

	if (parser->policy->default_line)
		return kr_fail_at(parser->error, EINVAL, &parser->line, token, NULL,
				  "line %u has a default already", parser->policy->default_line);

	copy(&action, word);
	if (!kr_find_action(word, &found))
		return unexpected(parser, &action, "an action", kr_nearest_action(word));

	parser->policy->default_line = parser->line.number;
	parser->policy->head.msr_default = found;
	return expect_end(parser, "the end of the line");
}

static int parse_fail_closed(struct parser *parser)
{
	parser->policy->fail_closed_line = parser->line.number;
	parser->policy->head.flags |= KVM_X86_REG_RULES_FAIL_CLOSED;
	return expect_end(parser, "the end of the line");
}

static int parse_line(struct parser *parser)
{
	const struct token token = read_token(parser, "-");

	if (!token.len)
		return 0;
	if (is(&token, "default"))
		return parse_default(parser, &token);
	if (is(&token, "fail-closed"))
		return parse_fail_closed(parser);
	return parse_rule(parser, &token);
}

/* As what is left of a file that could not be written, or of a pipe of which one end failed */
static bool is_empty(const struct parser *parser)
{
	return !parser->policy->head.nr_rules && !parser->policy->head.flags &&
	       !parser->policy->default_line;
}

static int parse(struct parser *parser, const char *text, size_t size)
{
	const char *end = text + size, *newline;
	int err;

	while (text < end) {
		newline = memchr(text, '\n', end - text);
		parser->line.number++;
		parser->line.start = text;
		parser->line.end = newline ?: end;
		parser->next = text;
		err = parse_line(parser);
		if (err)
			return err;
		text = newline ? newline + 1 : end;
	}
	if (is_empty(parser))
		return kr_fail(parser->error, EINVAL,
			       "%s: error: no line says anything, and all would be allowed\n"
			       "Write \"default allow\" if that is meant.", parser->policy->name);
	return kr_finish(parser->policy, parser->error);
}

int kvmreg_parse(const char *text, size_t size, const char *name,
		 struct kvmreg_policy **policy, struct kvmreg_error *error)
{
	struct parser parser = { .error = error, .line.file = name };
	int err;

	parser.policy = kr_policy_new(name);
	if (!parser.policy)
		return kr_fail(error, ENOMEM, "%s: error: out of memory", name);

	err = parse(&parser, text, size);
	if (err) {
		kvmreg_free(parser.policy);
		return err;
	}
	*policy = parser.policy;
	return 0;
}
