// SPDX-License-Identifier: GPL-2.0
/*
 * Random policies: what libkvmreg says of them, against a model that shares no code with it.
 * Output is TAP.
 *
 *	property [--policies N] [--seed N]
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "../kvmreg.h"
#include "model.h"
#include "random.h"

struct subject {
	struct kvm_x86_reg_rule rules[MAX_LIST];
	struct kvm_x86_reg_rules head;
	struct model_list list;
	struct kvmreg_policy *policy;
};

static void bail(const char *what, const struct kvmreg_error *error)
{
	printf("Bail out! %s%s%s\n", what, error ? ": " : "", error ? error->message : "");
	exit(1);
}

static void make_subject(struct subject *s, unsigned int nr_actions)
{
	struct kvmreg_error error;

	memset(s, 0, sizeof(*s));
	s->head.nr_rules = random_rules(s->rules, nr_actions);
	s->head.rules = (uintptr_t)s->rules;
	s->head.msr_default = below(nr_actions);
	s->head.flags = chance(8) ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
	s->list.nr = s->head.nr_rules;
	s->list.rules = s->rules;
	s->list.default_action = s->head.msr_default;
	if (kvmreg_from_rules(&s->head, "random", &s->policy, &error))
		bail("a valid list is rejected", &error);
}

static void show(const struct kvmreg_policy *policy)
{
	char *text = kvmreg_format(policy), *line;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("#   %s\n", line);
	free(text);
}

/* A register that the policy's rules say something of, or any */
static __u32 aimed_msr(const struct subject *s)
{
	const struct kvm_x86_reg_rule *rule;

	if (!s->list.nr || chance(3))
		return random_msr();
	rule = &s->rules[below(s->list.nr)];
	return (chance(2) ? rule->first : rule->last) + (chance(4) ? below(3) - 1 : 0);
}

static bool evaluates_msr(const struct subject *s)
{
	struct kvmreg_access access = {
		.space = KVM_X86_REG_RULE_MSR,
		.access = chance(2) ? RD : WR,
		.index = aimed_msr(s),
		.readable = !chance(8),
		.old = random64(),
	};
	struct model_list lists[MODEL_NR_LISTS] = { [MODEL_RULES] = s->list };
	struct kvmreg_decision decision;
	struct model_decision expected;
	__u64 changed = 0;
	int rule;

	access.new_value = access.old ^ (chance(4) ? 0 : random_bits());
	if (access.access == WR)
		changed = model_changed(access.index, access.readable, access.old,
					access.new_value);

	expected = model_decide(lists, access.index, access.access, changed);
	rule = expected.rule == s->list.nr ? KVMREG_DEFAULT : (int)expected.rule;
	if (is_x2apic(access.index))
		rule = KVMREG_X2APIC;

	decision = kvmreg_evaluate(s->policy, &access);
	if (decision.action == expected.action && decision.rule == rule &&
	    decision.value == (rule < 0 ? 0 : s->rules[rule].value))
		return true;

	printf("# msr 0x%x, access %u, changes 0x%llx: action %u by %d, not %u by %d\n",
	       access.index, access.access, changed, decision.action,
	       decision.rule, expected.action, rule);
	return false;
}

static bool evaluates_control(const struct subject *s)
{
	const enum model_control control = below(MODEL_NR_CONTROLS);
	struct kvmreg_access access = {
		.space = model_controls[control].space,
		.access = WR,
		.index = model_controls[control].index,
		.readable = true,
		.old = random64(),
	};
	const __u64 change = chance(4) ? 1ULL << below(64) : random_bits();
	struct kvmreg_decision decision;
	unsigned int action, number;
	int rule;

	access.new_value = access.old ^ change;
	action = model_decide_control(&s->list, control, change);
	number = model_find_control(&s->list, control, change);
	rule = number == s->list.nr ? KVMREG_DEFAULT : (int)number;
	if (!(change & model_controls[control].bits))
		rule = KVMREG_NO_CHANGE;

	decision = kvmreg_evaluate(s->policy, &access);
	if (decision.action == action && decision.rule == rule)
		return true;

	printf("# control %u changes 0x%llx: action %u by %d, not %u by %d\n", control,
	       change, decision.action, decision.rule, action, rule);
	return false;
}

static bool check_evaluate(void)
{
	struct subject s;
	bool ok = true;
	int i;

	make_subject(&s, NR_ACTIONS);
	for (i = 0; ok && i < 40; i++)
		ok = chance(4) ? evaluates_control(&s) : evaluates_msr(&s);
	if (!ok)
		show(s.policy);
	kvmreg_free(s.policy);
	return ok;
}

/* Are the rules the same, to the bit? */
static bool is_same(const struct kvmreg_policy *policy, const struct subject *s)
{
	const struct kvm_x86_reg_rules *rules = kvmreg_rules(policy);

	return rules->flags == s->head.flags && rules->msr_default == s->head.msr_default &&
	       rules->nr_rules == s->head.nr_rules &&
	       (!rules->nr_rules || !memcmp((void *)(uintptr_t)rules->rules, s->rules,
					    rules->nr_rules * sizeof(s->rules[0])));
}

static bool comes_back(const struct subject *s, __typeof__(kvmreg_format) *format,
		       __typeof__(kvmreg_parse) *parse)
{
	char *text = format(s->policy);
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	bool ok;

	if (parse(text, strlen(text), "formatted", &policy, &error)) {
		printf("# %s\n", error.message);
		show(s->policy);
		free(text);
		return false;
	}

	ok = is_same(policy, s);
	if (!ok) {
		puts("# came back as");
		show(policy);
		puts("# from");
		show(s->policy);
	}
	kvmreg_free(policy);
	free(text);
	return ok;
}

static bool check_text(void)
{
	struct subject s;
	bool ok;

	make_subject(&s, NR_ACTIONS);
	ok = comes_back(&s, kvmreg_format, kvmreg_parse);
	kvmreg_free(s.policy);
	return ok;
}

static bool check_json(void)
{
	struct subject s;
	bool ok;

	make_subject(&s, NR_ACTIONS);
	ok = comes_back(&s, kvmreg_format_json, kvmreg_parse_json);
	kvmreg_free(s.policy);
	return ok;
}

static bool says(const char *json, size_t size, const char *message)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;

	return kvmreg_parse_json(json, size, "test", &policy, NULL) == -EINVAL &&
	       kvmreg_parse_json(json, size, "test", &policy, &error) == -EINVAL &&
	       !strcmp(error.message, message);
}

/* What kvmreg_load() takes for text, or does not read to its end */
static bool check_no_object(void)
{
	return says("[]", 2, "test: error: the policy is no object") &&
	       says(" 5 ", 3, "test: error: the policy is no object") &&
	       says("null ", 5, "test: error: the policy is no object") &&
	       says("{}", INT_MAX + 1UL, "test: error: larger than any policy") &&
	       says("", 0, "test:1:1: error: this is no JSON: it ends too early\n\n^");
}

/* What the kernel would reject, by the words of kvm/x86/reg-rules.rst */
static bool is_valid(const struct kvm_x86_reg_rule *r)
{
	const bool msr = r->space == KVM_X86_REG_RULE_MSR;
	const bool cr = r->space == KVM_X86_REG_RULE_CR && (r->first == 0 || r->first == 4);
	const bool xcr = r->space == KVM_X86_REG_RULE_XCR && r->first == 0;

	if (r->pad || r->access < 1 || r->access > 3 || r->action >= NR_ACTIONS)
		return false;
	if (r->first > r->last || (r->mask && r->access != WR))
		return false;
	if (r->value && !model_has_value(r->action))
		return false;
	if (!msr)
		return (cr || xcr) && r->first == r->last && r->access == WR &&
		       !model_has_value(r->action);
	return r->action == KVM_X86_REG_RULE_ALLOW || r->last < X2APIC_FIRST ||
	       r->first > X2APIC_LAST;
}

static void spoil(struct kvm_x86_reg_rule *rule)
{
	switch (below(9)) {
	case 0:
		rule->space = below(5);
		break;
	case 1:
		rule->access = below(6);
		break;
	case 2:
		rule->action = below(10);
		break;
	case 3:
		rule->pad = below(2);
		break;
	case 4:
		rule->first = random_msr();
		break;
	case 5:
		rule->last = random_msr();
		break;
	case 6:
		rule->mask = below(2);
		break;
	case 7:
		rule->value = below(2);
		break;
	default:
		rule->first = X2APIC_FIRST - 1;
		rule->last = X2APIC_FIRST;
		break;
	}
}

/* What the kernel would reject has no text. */
static bool has_text_if_valid(const struct kvm_x86_reg_rule *rule)
{
	char *text = kvmreg_format_rule(rule);
	const bool as_expected = is_valid(rule) ? !!text : !text && errno == EINVAL;

	if (!as_expected)
		printf("# \"%s\" for %svalid rule\n", text ? text : "",
		       is_valid(rule) ? "a " : "an in");
	free(text);
	return as_expected;
}

/* Rules that the kernel rejects, and only those */
static bool check_reject(void)
{
	struct kvm_x86_reg_rule rules[MAX_LIST];
	struct kvm_x86_reg_rules head = { .rules = (uintptr_t)rules };
	struct kvmreg_policy *policy = NULL;
	struct kvmreg_error error;
	bool valid = true;
	unsigned int i;
	int err;

	head.nr_rules = random_rules(rules, NR_ACTIONS);
	if (head.nr_rules)
		spoil(&rules[below(head.nr_rules)]);
	head.flags = below(chance(8) ? 4 : 2);
	head.msr_default = below(chance(8) ? NR_ACTIONS + 2 : NR_ACTIONS);
	head.pad = (__u32)chance(16) << below(32);
	head.reserved[below(ARRAY_SIZE(head.reserved))] = (__u64)chance(16) << below(64);
	valid = head.flags < 2 && head.msr_default < NR_ACTIONS && !head.pad;
	for (i = 0; i < ARRAY_SIZE(head.reserved); i++)
		valid &= !head.reserved[i];
	for (i = 0; i < head.nr_rules; i++) {
		if (!has_text_if_valid(&rules[i]))
			return false;
		valid &= is_valid(&rules[i]);
	}

	err = kvmreg_from_rules(&head, "spoiled", &policy, &error);
	kvmreg_free(policy);
	if (err == (valid ? 0 : -EINVAL))
		return true;

	printf("# %d for a %svalid list: %s\n", err, valid ? "" : "in", err ? error.message : "");
	return false;
}

/* So many rules for a register that some lists are rejected for that */
static bool check_limits(void)
{
	static struct kvm_x86_reg_rule rules[MAX_RULES + 1];
	struct kvm_x86_reg_rules head = { .rules = (uintptr_t)rules };
	struct model_list list = { .rules = rules };
	struct kvmreg_policy *policy = NULL;
	struct kvmreg_error error;
	unsigned int i;
	int err, expected;

	head.nr_rules = chance(16) ? MAX_RULES + below(2) : 100 + below(150);
	list.nr = head.nr_rules;
	for (i = 0; i < head.nr_rules; i++) {
		rules[i] = random_control_rule();
		if (chance(chance(2) ? 3 : 100))
			continue;
		rules[i] = (struct kvm_x86_reg_rule) {
			.access = WR, .mask = below(2), .first = below(400),
		};
		rules[i].last = rules[i].first + below(200);
	}
	expected = head.nr_rules > MAX_RULES || model_overlaps(&list) || model_crowds(&list) ?
		   -E2BIG : 0;

	err = kvmreg_from_rules(&head, "crowded", &policy, &error);
	kvmreg_free(policy);
	if (err != expected)
		printf("# %d, not %d for %u rules\n", err, expected, head.nr_rules);
	return err == expected;
}

/* Are all accesses to the MSR decided as a filter could: by ALLOW or DENY, whatever changes? */
static bool is_plain(const struct subject *s, __u32 msr, unsigned int access, bool *denies)
{
	struct model_list lists[MODEL_NR_LISTS] = { [MODEL_RULES] = s->list };
	unsigned int action = model_decide(lists, msr, access, ~0ULL).action, subset, i;
	__u64 changed;

	if (action > KVM_X86_REG_RULE_DENY)
		return false;
	*denies |= action == KVM_X86_REG_RULE_DENY;
	if (access == RD || model_changed(msr, true, 0, 1) == ~0ULL)
		return true;

	for (subset = 0; subset < 2 << ARRAY_SIZE(bit_pool); subset++) {
		changed = subset >> ARRAY_SIZE(bit_pool) ? 1ULL << 5 : 0;
		for (i = 0; i < ARRAY_SIZE(bit_pool); i++)
			changed |= (__u64)(subset >> i & 1) << bit_pool[i];
		changed = model_changed(msr, true, 0, changed);
		if (model_decide(lists, msr, access, changed).action != action)
			return false;
	}
	return true;
}

static bool is_expressible(const struct subject *s)
{
	bool denies = false;
	enum model_control control;
	unsigned int i, j, access;
	__u32 msr;

	for (control = 0; control < MODEL_NR_CONTROLS; control++)
		if (model_guarded(&s->list, control))
			return false;

	for (access = RD; access <= WR; access++) {
		for (i = 0; i < s->list.nr; i++) {
			for (j = 0; j < 6; j++) {
				msr = (j < 3 ? s->rules[i].first : s->rules[i].last) + j % 3 - 1;
				if (s->rules[i].space == KVM_X86_REG_RULE_MSR &&
				    !is_plain(s, msr, access, &denies))
					return false;
			}
		}
		for (i = 0; i < ARRAY_SIZE(corners); i++)
			if (!is_plain(s, corners[i], access, &denies))
				return false;
	}
	return !(denies && s->head.flags);
}

/* The filter as lists for the model: ranges deny, their bits allow. */
static void model_filter(const struct kvm_msr_filter *filter, struct model_list *list,
			 struct kvm_x86_reg_rule *rules, const unsigned char **bits)
{
	const struct kvm_msr_filter_range *range;
	unsigned int i;

	*list = (struct model_list) {
		.default_action = filter->flags & KVM_MSR_FILTER_DEFAULT_DENY ?
				  KVM_X86_REG_RULE_DENY : KVM_X86_REG_RULE_ALLOW,
		.rules = rules,
		.bits = bits,
	};
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->ranges[i];
		if (!range->nmsrs)
			continue;
		bits[list->nr] = range->bitmap;
		rules[list->nr++] = (struct kvm_x86_reg_rule) {
			.access = range->flags,
			.action = KVM_X86_REG_RULE_DENY,
			.first = range->base,
			.last = range->base + range->nmsrs - 1,
		};
	}
}

/* Would the kernel take it? */
static bool is_valid_filter(const struct kvm_msr_filter *filter)
{
	const struct kvm_msr_filter_range *range;
	unsigned int i, nr = 0;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->ranges[i];
		nr += !!range->nmsrs;
		if (range->nmsrs > KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 ||
		    (__u64)range->base + range->nmsrs > 1ULL << 32 ||
		    (range->nmsrs && (range->flags < 1 || range->flags > 3)))
			return false;
	}
	return nr || filter->flags == KVM_MSR_FILTER_DEFAULT_ALLOW;
}

static bool filters_alike(const struct subject *s, const struct kvm_msr_filter *filter)
{
	struct model_list by_rules[MODEL_NR_LISTS] = { [MODEL_RULES] = s->list };
	struct kvm_x86_reg_rule rules[KVM_MSR_FILTER_MAX_RANGES];
	const unsigned char *bits[KVM_MSR_FILTER_MAX_RANGES];
	struct model_list by_filter[MODEL_NR_LISTS] = { };
	unsigned int i, access;
	__u64 changed;
	__u32 msr;

	model_filter(filter, &by_filter[MODEL_FILTER], rules, bits);
	for (i = 0; i < 400; i++) {
		msr = i < ARRAY_SIZE(corners) ? corners[i] : aimed_msr(s);
		if (by_filter[MODEL_FILTER].nr && chance(4))
			msr = rules[below(by_filter[MODEL_FILTER].nr)].last + below(3) - 1;
		for (access = RD; access <= WR; access++) {
			changed = model_changed(msr, true, 0, 0);
			if (model_decide(by_rules, msr, access, changed).action ==
			    model_decide(by_filter, msr, access, 0).action)
				continue;
			printf("# msr 0x%x, access %u: the filter differs\n", msr, access);
			return false;
		}
	}
	return true;
}

static unsigned int filters, refusals, misfits;

static bool check_filter(void)
{
	const bool any_action = chance(8);
	struct kvm_msr_filter *filter = NULL;
	struct kvmreg_error error;
	struct subject s;
	bool ok;
	int err;

	make_subject(&s, any_action ? NR_ACTIONS : KVM_X86_REG_RULE_DENY + 1);
	err = kvmreg_to_filter(s.policy, &filter, &error);
	if (!err) {
		filters++;
		ok = is_valid_filter(filter) && filters_alike(&s, filter) && is_expressible(&s);
	} else if (strstr(error.message, "do not fit")) {
		misfits++;
		ok = is_expressible(&s);
	} else {
		refusals++;
		ok = !is_expressible(&s);
	}
	if (!ok) {
		printf("# %d: %s\n", err, err ? error.message : "");
		show(s.policy);
	}
	free(filter);
	kvmreg_free(s.policy);
	return ok;
}

/*
 * The least number of ranges for exceptions at these MSRs, by trying all: each range starts
 * at an exception, for reads, writes or both.  One for both must not cover an MSR where
 * reads and writes differ, unless one of the others does, too.
 */
struct least {
	unsigned int nr;
	__u32 msrs[6];
	unsigned int wanted[6];		/* RD, WR or both */
	__u32 base[6];
	unsigned int access[6];
};

static bool covers(const struct least *l, unsigned int nr, unsigned int msr)
{
	bool has[4] = { };
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (l->msrs[msr] - l->base[i] < KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)
			has[l->access[i]] = true;
	if (l->wanted[msr] == (RD | WR))
		return has[RD | WR] || (has[RD] && has[WR]);
	return has[l->wanted[msr]] || (has[RD | WR] && (has[RD] || has[WR]));
}

static bool try_ranges(struct least *l, unsigned int nr, unsigned int left)
{
	unsigned int i;
	bool all = true;

	if (!left) {
		for (i = 0; i < l->nr; i++)
			all &= covers(l, nr, i);
		return all;
	}
	for (i = 0; i < l->nr; i++) {
		l->base[nr] = l->msrs[i];
		for (l->access[nr] = RD; l->access[nr] <= (RD | WR); l->access[nr]++)
			if (try_ranges(l, nr + 1, left - 1))
				return true;
	}
	return false;
}

/* Is the number of ranges the least? */
static bool check_least(void)
{
	static const __u32 steps[] = { 0x10, 0x1000, 0x2fff, 0x3000, 0x3001 };
	struct kvm_x86_reg_rule rules[6] = { };
	struct kvm_x86_reg_rules head = { .rules = (uintptr_t)rules };
	struct least l = { .nr = 1 + below(5) };
	unsigned int i, least = 0, nr = 0;
	struct kvm_msr_filter *filter;
	struct kvmreg_policy *policy;
	__u32 msr = 0x10000;

	head.nr_rules = l.nr;
	for (i = 0; i < l.nr; i++) {
		l.msrs[i] = msr;
		l.wanted[i] = 1 + below(3);
		rules[i].access = l.wanted[i];
		rules[i].action = KVM_X86_REG_RULE_DENY;
		rules[i].first = msr;
		rules[i].last = msr;
		msr += steps[below(ARRAY_SIZE(steps))];
	}
	while (!try_ranges(&l, 0, least))
		least++;

	if (kvmreg_from_rules(&head, "few", &policy, NULL) ||
	    kvmreg_to_filter(policy, &filter, NULL))
		bail("a few rules make no filter", NULL);
	while (nr < KVM_MSR_FILTER_MAX_RANGES && filter->ranges[nr].nmsrs)
		nr++;
	if (nr != least) {
		printf("# %u ranges, where %u do\n", nr, least);
		show(policy);
	}
	free(filter);
	kvmreg_free(policy);
	return nr == least;
}

/* Compare two policies by trying accesses. */
struct pair {
	struct subject a, b;
	bool subset;
	bool ok;
	unsigned int nr;
	struct kvmreg_difference found[256];
};

/* What a subject does, as far as it matters when comparing: an action, and an answer */
static unsigned int decide(const struct subject *s, __u16 space, __u32 index,
			   unsigned int access, __u64 changed, __u64 *value)
{
	struct model_list lists[MODEL_NR_LISTS] = { [MODEL_RULES] = s->list };
	enum model_control control;
	struct model_decision d;

	*value = 0;
	if (space != KVM_X86_REG_RULE_MSR) {
		control = space == KVM_X86_REG_RULE_XCR ? MODEL_XCR0 :
			  index ? MODEL_CR4 : MODEL_CR0;
		return model_decide_control(&s->list, control, changed);
	}

	d = model_decide(lists, index, access, changed);
	if (access == RD && !is_x2apic(index) && d.rule < s->list.nr && model_has_value(d.action))
		*value = s->rules[d.rule].value;
	return d.action;
}

static bool goes_on(unsigned int action)
{
	return action == KVM_X86_REG_RULE_ALLOW || action == KVM_X86_REG_RULE_AUDIT ||
	       action == KVM_X86_REG_RULE_IGNORE || action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

static bool is_different(const struct pair *pair, __u16 space, __u32 index,
			 unsigned int access, __u64 changed)
{
	__u64 value_a, value_b;
	unsigned int a = decide(&pair->a, space, index, access, changed, &value_a);
	unsigned int b = decide(&pair->b, space, index, access, changed, &value_b);

	if (pair->subset)
		return goes_on(a) && !goes_on(b);
	return a != b || value_a != value_b;
}

static __u64 change_of(const struct kvmreg_difference *d, __u32 index)
{
	const __u64 all = d->space == KVM_X86_REG_RULE_MSR ?
			     model_changed(index, true, 0, ~0ULL) : ~0ULL;

	switch (d->when) {
	case KVMREG_CHANGES:
		return d->mask & all;
	case KVMREG_CHANGES_NOTHING:
		return 0;
	case KVMREG_UNREADABLE:
		return ~0ULL;
	default:
		/* Any will do, also what every write counts as. */
		return d->space == KVM_X86_REG_RULE_MSR ? model_changed(index, true, 0, 0) : 1;
	}
}

static int note(const struct kvmreg_difference *d, void *data)
{
	struct pair *pair = data;
	const __u32 msrs[] = { d->first, d->last, d->first + (d->last - d->first) / 2 };
	__u64 value;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		const __u64 change = change_of(d, msrs[i]);

		if (is_different(pair, d->space, msrs[i], d->access, change) &&
		    decide(&pair->a, d->space, msrs[i], d->access, change, &value) == d->a.action &&
		    decide(&pair->b, d->space, msrs[i], d->access, change, &value) == d->b.action)
			continue;
		printf("# space %u, 0x%x, access %u, changes 0x%llx: no difference\n", d->space,
		       msrs[i], d->access, change);
		pair->ok = false;
	}
	if (pair->nr < ARRAY_SIZE(pair->found))
		pair->found[pair->nr++] = *d;
	return 0;
}

static bool is_noted(const struct pair *pair, __u16 space, __u32 index, unsigned int access)
{
	const struct kvmreg_difference *d;

	for (d = pair->found; d < pair->found + pair->nr; d++)
		if (d->space == space && d->access == access && d->first <= index &&
		    index <= d->last)
			return true;
	return false;
}

/* Try all that may change of the pool of bits and of another one, and all at once. */
static bool finds_all(const struct pair *pair, __u16 space, __u32 index)
{
	unsigned int access, subset, i, subsets = 2 << ARRAY_SIZE(bit_pool);
	__u64 changed;

	for (access = space == KVM_X86_REG_RULE_MSR ? RD : WR; access <= WR; access++) {
		for (subset = 0; subset <= subsets; subset++) {
			changed = subset >> ARRAY_SIZE(bit_pool) ? 1ULL << 16 : 0;
			for (i = 0; i < ARRAY_SIZE(bit_pool); i++)
				changed |= (__u64)(subset >> i & 1) << bit_pool[i];
			if (space == KVM_X86_REG_RULE_MSR)
				changed = model_changed(index, subset < subsets, 0, changed);
			if (is_different(pair, space, index, access, changed) &&
			    !is_noted(pair, space, index, access)) {
				printf("# space %u, 0x%x, access %u, changes 0x%llx: not found\n",
				       space, index, access, changed);
				return false;
			}
		}
	}
	return true;
}

static unsigned int compared, equal;

static bool check_compare(bool subset)
{
	static struct pair pair;
	int calls, i;

	memset(&pair, 0, sizeof(pair));
	pair.subset = subset;
	pair.ok = true;
	make_subject(&pair.a, NR_ACTIONS);
	make_subject(&pair.b, NR_ACTIONS);
	/* Often, policies that differ a little */
	if (chance(2)) {
		kvmreg_free(pair.b.policy);
		pair.b = pair.a;
		pair.b.list.rules = pair.b.rules;
		pair.b.head.rules = (uintptr_t)pair.b.rules;
		if (pair.b.list.nr && chance(2))
			pair.b.rules[below(pair.b.list.nr)].action = KVM_X86_REG_RULE_ALLOW;
		for (i = 0; i < (int)pair.b.list.nr; i++)
			if (!pair.b.rules[i].action)
				pair.b.rules[i].value = 0;
		if (kvmreg_from_rules(&pair.b.head, "b", &pair.b.policy, NULL))
			bail("a valid list is rejected", NULL);
	}

	calls = (subset ? kvmreg_subset : kvmreg_diff)(pair.a.policy, pair.b.policy, note, &pair);
	compared++;
	equal += !calls;
	pair.ok &= calls >= 0;
	/* If there are more than there is room for, some may be missed here. */
	for (i = 0; pair.ok && calls <= (int)ARRAY_SIZE(pair.found) && i < 60; i++)
		pair.ok = finds_all(&pair, KVM_X86_REG_RULE_MSR,
				    aimed_msr(chance(2) ? &pair.a : &pair.b));
	if (pair.ok)
		pair.ok = finds_all(&pair, KVM_X86_REG_RULE_CR, 0) &&
			  finds_all(&pair, KVM_X86_REG_RULE_CR, 4) &&
			  finds_all(&pair, KVM_X86_REG_RULE_XCR, 0);
	if (!pair.ok) {
		show(pair.a.policy);
		puts("# and");
		show(pair.b.policy);
	}
	kvmreg_free(pair.a.policy);
	kvmreg_free(pair.b.policy);
	return pair.ok;
}

static bool check_diff(void)
{
	return check_compare(false);
}

static bool check_subset(void)
{
	return check_compare(true);
}

/* A rule that decides on nothing can go; one that does cannot, for some access. */
static bool check_unused(void)
{
	unsigned int unused[MAX_LIST], i;
	struct kvmreg_policy *policy = NULL;
	struct subject s;
	int nr;

	make_subject(&s, NR_ACTIONS);
	nr = kvmreg_unused_rules(s.policy, unused);
	for (i = nr; i-- > 0;) {
		memmove(&s.rules[unused[i]], &s.rules[unused[i] + 1],
			(s.head.nr_rules - unused[i] - 1) * sizeof(s.rules[0]));
		s.head.nr_rules--;
	}
	if (nr < 0 || kvmreg_from_rules(&s.head, "rest", &policy, NULL))
		bail("rules that are left make no policy", NULL);

	i = 0;
	nr = kvmreg_diff(s.policy, policy, note, &(struct pair) { .ok = true });
	if (nr) {
		puts("# without rules that decide on nothing, this decides differently:");
		show(s.policy);
	} else {
		i = kvmreg_unused_rules(policy, unused);
		if (i)
			puts("# without unused rules, others are");
	}
	kvmreg_free(policy);
	kvmreg_free(s.policy);
	return !nr && !i;
}

/* The library's allocations, but not those of the C library and of json-c: see --wrap. */
static int allocations_left = -1;

static bool may_allocate(void)
{
	return allocations_left < 0 || allocations_left-- > 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return may_allocate() ? __real_calloc(nr, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
	return may_allocate() ? __real_strdup(text) : NULL;
}

static int ignore_difference(const struct kvmreg_difference *d, void *data)
{
	(void)d;
	(void)data;
	return 0;
}

static char *memory_text, *memory_json;

static int call(unsigned int which, const struct subject *s, struct kvmreg_error *error)
{
	struct kvm_msr_filter *filter = NULL;
	struct kvmreg_policy *policy = NULL;
	unsigned int unused[MAX_LIST];
	int err;

	switch (which) {
	case 0:
		err = kvmreg_parse(memory_text, strlen(memory_text), "text", &policy, error);
		break;
	case 1:
		err = kvmreg_parse_json(memory_json, strlen(memory_json), "JSON", &policy, error);
		break;
	case 2:
		err = kvmreg_from_rules(&s->head, "rules", &policy, error);
		break;
	case 3:
		err = kvmreg_to_filter(s->policy, &filter, error);
		err = err == -EOPNOTSUPP ? 0 : err;
		break;
	case 4:
		err = kvmreg_unused_rules(s->policy, unused);
		break;
	default:
		err = kvmreg_diff(s->policy, s->policy, ignore_difference, NULL);
		break;
	}
	kvmreg_free(policy);
	free(filter);
	return err < 0 ? err : 0;
}

/* Whichever allocation fails, so does the call, and says so. */
static bool check_memory(void)
{
	struct kvmreg_error error;
	unsigned int which;
	struct subject s;
	int n, err;

	make_subject(&s, chance(2) ? NR_ACTIONS : KVM_X86_REG_RULE_DENY + 1);
	memory_text = kvmreg_format(s.policy);
	memory_json = kvmreg_format_json(s.policy);
	for (which = 0; which < 6; which++) {
		for (n = 0, err = -ENOMEM; err == -ENOMEM && n < 1000; n++) {
			error.message[0] = 0;
			allocations_left = n;
			err = call(which, &s, &error);
			allocations_left = -1;
			if (err == -ENOMEM && which < 4 && !strstr(error.message, "memory"))
				break;
		}
		if (err) {
			printf("# call %u, allocation %d: %d, %s\n", which, n, err, error.message);
			break;
		}
	}
	free(memory_text);
	free(memory_json);
	kvmreg_free(s.policy);
	return which == 6;
}

static const struct test {
	const char *name;
	bool (*check)(void);
	unsigned int one_in;
} tests[] = {
	{ "evaluates as the model",			check_evaluate, 1 },
	{ "comes back from text",			check_text, 1 },
	{ "comes back from JSON",			check_json, 1 },
	{ "rejects JSON that is no object",		check_no_object, 10000 },
	{ "rejects what the kernel rejects",		check_reject, 1 },
	{ "has the kernel's limits",			check_limits, 10 },
	{ "filters as the model of the filter",		check_filter, 1 },
	{ "makes the least ranges",			check_least, 2 },
	{ "finds all differences, and no others",	check_diff, 4 },
	{ "finds all that is not allowed, and nothing else", check_subset, 4 },
	{ "finds the rules that decide on nothing",	check_unused, 4 },
	{ "fails if memory runs out",			check_memory, 20 },
};

static bool run(const struct test *test, unsigned int policies)
{
	unsigned int i, nr = (policies + test->one_in - 1) / test->one_in;
	__u64 seed;

	for (i = 0; i < nr; i++) {
		seed = state;
		if (!test->check()) {
			printf("# --seed 0x%llx is one that fails\n", seed);
			printf("not ok %zu - %s\n", test - tests + 1, test->name);
			return false;
		}
	}
	printf("ok %zu - %s # %u policies\n", test - tests + 1, test->name, nr);
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "policies", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ }
	};
	unsigned int policies = 10000, i, failed = 0;
	__u64 seed = 1;
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			policies = strtoul(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}

	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		state = seed;
		failed += !run(&tests[i], policies);
	}
	printf("# seed 0x%llx; %u filters, %u policies that none can express, %u that do not fit\n",
	       seed, filters, refusals, misfits);
	printf("# %u pairs compared, %u without a difference\n", compared, equal);
	return failed ? 1 : 0;
}
