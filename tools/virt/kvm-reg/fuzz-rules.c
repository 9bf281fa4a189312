// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of msr-fuzz's rounds: make lists of them up, well and badly formed, and
 * say what KVM is to make of them.
 */
#include <errno.h>
#include <string.h>

#include "fuzz-random.h"
#include "fuzz-round.h"
#include "vmm.h"

#define READ_WRITE	(KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE)
#define NR_ACTIONS	(KVM_X86_REG_RULE_AUDIT + 1)
#define LAST_REGISTER	(~0u)

/* The most rules with a mask for one register */
#define MAX_MASKED	64

/* Where lists of masked rules are that are too many for a register, or just not */
#define OVERLAP_BASE	0xd0000000

const struct fuzz_case_info fuzz_cases[NR_CASES] = {
	[CASE_ALLOW]		= { "rule-allow", "as without rules" },
	[CASE_DENY_GP]		= { "rule-deny-gp", "#GP, as no exit is enabled" },
	[CASE_DENY_EXIT]	= { "rule-deny-exit", "an exit, as it is enabled" },
	[CASE_GP]		= { "rule-gp", "#GP" },
	[CASE_EXIT]		= { "rule-exit", "an exit" },
	[CASE_IGNORE]		= { "rule-ignore", "the value is read, the write dropped" },
	[CASE_AUDIT]		= { "rule-audit", "as without rules, but counted" },
	[CASE_FILTER_DENIES]	= { "filter-behind-rules", "denied, though the rules allow it" },
	[CASE_FAIL_CLOSED]	= { "fail-closed", "#GP for an exit that is not answered" },
	[CASE_MASK_MATCHES]	= { "mask-matches", "the write changes what the rule is about" },
	[CASE_MASK_SPARES]	= { "mask-spares", "the write does not" },
	[CASE_MASK_UNREADABLE]	= { "mask-unreadable", "the rule matches what cannot be read" },
	[CASE_SET_REFUSED]	= { "rules-refused", "the list before stays in force" },
	[CASE_MASKS_OVERLAP]	= { "masks-overlap", "E2BIG: too many rules with a mask for a register" },
	[CASE_GET_TOO_SMALL]	= { "get-too-small", "E2BIG, and how many there are" },
	[CASE_GET_REFUSED]	= { "get-refused", "EINVAL or EFAULT" },
};

static __u32 random_first(const struct kvm_x86_reg_rule *before)
{
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		return known_msr() - below(8);
	case 3:
		return edge() - below(64);
	case 4:
		return random64();
	case 5:
		return X2APIC_FIRST - 16 + below(0x120);
	default:
		return before->first + below(32);
	}
}

static __u32 random_length(void)
{
	switch (below(8)) {
	case 0:
	case 1:
		return 1;
	case 2:
		return 1 + below(0x3000);
	case 3:
		return one_in(4) ? random64() : 1;
	default:
		return 1 + below(64);
	}
}

static __u64 random_mask(void)
{
	switch (below(4)) {
	case 0:
		return random64() & random64();
	case 1:
		return ~0ULL >> below(64);
	default:
		return 1ULL << below(64);
	}
}

/* Where KVM would refuse the rule for the x2APIC, have it end before, or begin behind. */
static void avoid_x2apic(struct kvm_x86_reg_rule *rule)
{
	if (rule->action == KVM_X86_REG_RULE_ALLOW ||
	    rule->first > X2APIC_LAST || rule->last < X2APIC_FIRST)
		return;

	if (rule->first < X2APIC_FIRST)
		rule->last = X2APIC_FIRST - 1;
	else if (rule->last > X2APIC_LAST)
		rule->first = X2APIC_LAST + 1;
	else
		rule->action = KVM_X86_REG_RULE_ALLOW;
}

static void make_rule(struct kvm_x86_reg_rule *rule, bool masked,
		      const struct kvm_x86_reg_rule *before)
{
	const __u32 first = one_in(4) ? kept_msr() : random_first(before);
	const __u32 length = random_length();

	*rule = (struct kvm_x86_reg_rule) {
		.access = 1 + below(READ_WRITE),
		.action = one_in(6) ? KVM_X86_REG_RULE_ALLOW : below(NR_ACTIONS),
		.first = first,
		.last = length > LAST_REGISTER - first ? LAST_REGISTER : first + length - 1,
	};
	if (masked && one_in(3)) {
		rule->access = KVM_X86_REG_RULE_WRITE;
		rule->mask = random_mask();
	}
	avoid_x2apic(rule);
	if (rule->action == KVM_X86_REG_RULE_IGNORE)
		rule->value = any_value();
}

static __u32 random_count(void)
{
	if (one_in(12))
		return 0;
	if (one_in(60))
		return FUZZ_RULES - below(2);
	if (one_in(12))
		return 1 + below(300);
	return 1 + below(16);
}

static void make_list(struct fuzz_rules *rules)
{
	const __u32 nr = random_count();
	__u32 i;

	rules->head.nr_rules = nr;
	for (i = 0; i < nr; i++)
		make_rule(&rules->rules[i], true, &rules->rules[i ? i - 1 : 0]);
}

/* Each rule covers as many registers, from a few after the one before on. */
static void make_overlapping(struct fuzz_rules *rules)
{
	const __u32 step = below(4), nr = MAX_MASKED - 2 + below(one_in(4) ? 900 : 5);
	const __u32 length = step * (MAX_MASKED - 1 + below(3)) + 1;
	__u32 i;

	rules->head.nr_rules = nr;
	for (i = 0; i < nr; i++)
		rules->rules[i] = (struct kvm_x86_reg_rule) {
			.access = KVM_X86_REG_RULE_WRITE,
			.action = below(NR_ACTIONS),
			.first = OVERLAP_BASE + step * i,
			.last = OVERLAP_BASE + step * i + length - 1,
			.mask = 1ULL << i % 64,
		};
}

/* Change a byte to another. */
static void corrupt(void *bytes, unsigned int size)
{
	((unsigned char *)bytes)[below(size)] ^= 1 + below(255);
}

static void corrupt_head(struct kvm_x86_reg_rules *head)
{
	switch (below(5)) {
	case 0:
		corrupt(&head->flags, sizeof(head->flags));
		break;
	case 1:
		corrupt(&head->msr_default, sizeof(head->msr_default));
		break;
	case 2:
		corrupt(&head->pad, sizeof(head->pad));
		break;
	case 3:
		corrupt(head->reserved, sizeof(head->reserved));
		break;
	default:
		head->nr_rules = FUZZ_RULES + 1 + (one_in(2) ? 0 : random64() >> 33);
	}
}

/* Each thing that KVM checks, a byte of any, or all of them */
static void corrupt_rule(struct kvm_x86_reg_rule *rule)
{
	unsigned int i;

	switch (below(11)) {
	case 0:
		rule->space = 1 + below(2);
		break;
	case 1:
		rule->access = one_in(2) ? 0 : READ_WRITE + 1;
		break;
	case 2:
		rule->action = NR_ACTIONS;
		break;
	case 3:
		corrupt(&rule->pad, sizeof(rule->pad));
		break;
	case 4:
		rule->last = rule->first - 1;
		break;
	case 5:
		rule->access = one_in(2) ? KVM_X86_REG_RULE_READ : READ_WRITE;
		rule->mask = random_mask();
		break;
	case 8:
		rule->action = below(KVM_X86_REG_RULE_IGNORE);
		rule->value = any_value();
		break;
	case 6:
		rule->action = 1 + below(NR_ACTIONS - 1);
		rule->first = one_in(2) ? X2APIC_LAST : X2APIC_FIRST - below(3);
		rule->last = X2APIC_FIRST + below(0x200);
		break;
	case 7:
		for (i = 0; i < sizeof(*rule); i++)
			corrupt(rule, sizeof(*rule));
		break;
	default:
		corrupt(rule, sizeof(*rule));
	}
}

/* Now and then, what KVM is to refuse; but it may happen to be well-formed. */
static void malform(struct fuzz_rules *rules)
{
	const __u32 nr = rules->head.nr_rules;

	switch (below(8)) {
	case 0:
		rules->place = CUT_OFF + below(2);
		break;
	case 1:
		rules->rules_place = CUT_OFF + below(2);
		break;
	case 2:
	case 3:
		corrupt_head(&rules->head);
		break;
	default:
		if (nr && nr <= FUZZ_RULES)
			corrupt_rule(&rules->rules[one_in(2) ? below(nr) : nr - 1]);
	}
}

void fuzz_make_rules(struct fuzz_rules *rules)
{
	memset(rules, 0, sizeof(*rules));
	rules->compat = one_in(4);
	rules->place = one_in(8) ? AT_END : ROOMY;
	rules->rules_place = one_in(4) ? AT_END : ROOMY;
	rules->head.flags = one_in(3) ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
	rules->head.msr_default = one_in(2) ? KVM_X86_REG_RULE_ALLOW : below(NR_ACTIONS);
	if (one_in(24)) {
		make_overlapping(rules);
		return;
	}
	make_list(rules);
	if (one_in(3))
		malform(rules);
	if (one_in(16))
		malform(rules);
}

void fuzz_make_get(struct fuzz_get *get)
{
	*get = (struct fuzz_get) {
		.compat = one_in(4),
		.place = one_in(8) ? AT_END : ROOMY,
		.rules_place = one_in(3) ? AT_END : ROOMY,
		.spare = one_in(4) ? -1 - (int)below(16) : (int)below(3),
	};
	/* What KVM fills in, whatever was there before */
	get->head.flags = random64();
	get->head.msr_default = random64();
	if (one_in(16))
		corrupt(&get->head.pad, sizeof(get->head.pad));
	if (one_in(16))
		corrupt(get->head.reserved, sizeof(get->head.reserved));
	if (one_in(16))
		get->place = CUT_OFF + below(2);
	if (one_in(16))
		get->rules_place = CUT_OFF + below(2);
}

__u32 fuzz_near_rule(const struct fuzz_rules *rules)
{
	const struct kvm_x86_reg_rule *rule;

	/* More rules than there are may be claimed. */
	if (!rules->head.nr_rules || rules->head.nr_rules > FUZZ_RULES)
		return known_msr();

	rule = &rules->rules[below(rules->head.nr_rules)];
	switch (below(5)) {
	case 0:
		return rule->first - 1;
	case 1:
		return rule->first;
	case 2:
		return rule->last;
	case 3:
		return rule->last + 1;
	default:
		return rule->first + below(16);
	}
}

static bool has_bytes(const void *bytes, unsigned int size)
{
	const unsigned char *byte = bytes;

	while (size--)
		if (*byte++)
			return true;
	return false;
}

static int rule_errno(const struct kvm_x86_reg_rule *r)
{
	const bool spans_x2apic = r->first <= X2APIC_LAST && r->last >= X2APIC_FIRST;

	if (r->space != KVM_X86_REG_RULE_MSR || r->pad || r->first > r->last)
		return EINVAL;
	if (r->access < 1 || r->access > READ_WRITE || r->action >= NR_ACTIONS)
		return EINVAL;
	if (r->mask && r->access != KVM_X86_REG_RULE_WRITE)
		return EINVAL;
	if (r->value && r->action != KVM_X86_REG_RULE_IGNORE)
		return EINVAL;
	return spans_x2apic && r->action != KVM_X86_REG_RULE_ALLOW ? EINVAL : 0;
}

/* Are there more rules with a mask for a register than there may be? */
static bool masks_overlap(const struct fuzz_rules *rules)
{
	const struct kvm_x86_reg_rule *r = rules->rules;
	__u32 i, j, over;

	for (i = 0; i < rules->head.nr_rules; i++) {
		over = 0;
		for (j = 0; r[i].mask && j < rules->head.nr_rules; j++)
			over += r[j].mask && r[j].first <= r[i].first && r[i].first <= r[j].last;
		if (over > MAX_MASKED)
			return true;
	}
	return false;
}

int fuzz_rules_errno(const struct fuzz_rules *rules)
{
	const struct kvm_x86_reg_rules *head = &rules->head;
	__u32 i;
	int r;

	if (rules->place == CUT_OFF || rules->place == NOWHERE)
		return EFAULT;
	if (head->flags > KVM_X86_REG_RULES_FAIL_CLOSED || head->msr_default >= NR_ACTIONS)
		return EINVAL;
	if (head->pad || has_bytes(head->reserved, sizeof(head->reserved)))
		return EINVAL;
	if (head->nr_rules > FUZZ_RULES)
		return E2BIG;

	/* All are copied before the first is looked at. */
	if (head->nr_rules && (rules->rules_place == NOWHERE || rules->rules_place == CUT_OFF))
		return EFAULT;
	for (i = 0; i < head->nr_rules; i++) {
		r = rule_errno(&rules->rules[i]);
		if (r)
			return r;
	}
	return masks_overlap(rules) ? E2BIG : 0;
}

static __u32 nr_installed(const struct fuzz_rules *installed)
{
	return installed ? installed->head.nr_rules : 0;
}

__u32 fuzz_get_capacity(const struct fuzz_get *get, const struct fuzz_rules *installed)
{
	const __u32 nr = nr_installed(installed);

	return get->spare < 0 && nr < (__u32)-get->spare ? 0 : nr + get->spare;
}

int fuzz_get_errno(const struct fuzz_get *get, const struct fuzz_rules *installed)
{
	if (get->place == CUT_OFF || get->place == NOWHERE)
		return EFAULT;
	if (get->head.pad || has_bytes(get->head.reserved, sizeof(get->head.reserved)))
		return EINVAL;
	if (fuzz_get_capacity(get, installed) < nr_installed(installed))
		return E2BIG;
	if (nr_installed(installed) &&
	    (get->rules_place == CUT_OFF || get->rules_place == NOWHERE))
		return EFAULT;
	return 0;
}

static bool covers(const struct kvm_x86_reg_rule *rule, const struct fuzz_access *access)
{
	return rule->access & (access->write ? KVM_X86_REG_RULE_WRITE : KVM_X86_REG_RULE_READ) &&
	       rule->first <= access->index && access->index <= rule->last;
}

bool fuzz_compares(const struct fuzz_rules *rules, const struct fuzz_access *access)
{
	__u32 i;

	for (i = 0; access->write && i < nr_installed(rules); i++)
		if (rules->rules[i].mask && covers(&rules->rules[i], access))
			return true;
	return false;
}

static struct fuzz_verdict judge_by_rules(const struct fuzz_rules *rules,
					  const struct fuzz_access *access, __u64 changed)
{
	struct fuzz_verdict verdict = { .action = KVM_X86_REG_RULE_ALLOW };
	const struct kvm_x86_reg_rule *rule;
	__u32 i;

	for (i = 0; i < nr_installed(rules); i++) {
		rule = &rules->rules[i];
		if (!covers(rule, access))
			continue;
		if (access->write && rule->mask && !(rule->mask & changed))
			continue;
		verdict.action = rule->action;
		verdict.rule = rule;
		return verdict;
	}
	if (rules && (access->index < X2APIC_FIRST || access->index > X2APIC_LAST))
		verdict.action = rules->head.msr_default;
	return verdict;
}

struct fuzz_verdict fuzz_judge(const struct fuzz_rules *rules, const struct fuzz_filter *filter,
			       const struct fuzz_access *access, __u64 changed)
{
	struct fuzz_verdict verdict = judge_by_rules(rules, access, changed);

	if (verdict.action != KVM_X86_REG_RULE_ALLOW && verdict.action != KVM_X86_REG_RULE_AUDIT)
		return verdict;
	if (!fuzz_denies(filter, access, FUZZ_PATCHED))
		return verdict;
	return (struct fuzz_verdict) { .action = KVM_X86_REG_RULE_DENY, .by_filter = true };
}

void fuzz_rules_expect(const struct fuzz_rules *rules, const struct fuzz_verdict *verdict,
		       const struct fuzz_access *access, __u64 reasons, struct fuzz_outcome *o)
{
	const __u32 reason = KVM_MSR_EXIT_REASON_FILTER;
	const bool error = !verdict->by_filter &&
			   rules->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED;

	switch (verdict->action) {
	case KVM_X86_REG_RULE_IGNORE:
		*o = (struct fuzz_outcome) { 0 };
		if (!access->write && verdict->rule)
			o->value = verdict->rule->value;
		break;
	case KVM_X86_REG_RULE_EXIT:
		fuzz_fail_access(access, true, reason, error, o);
		break;
	case KVM_X86_REG_RULE_DENY:
		fuzz_fail_access(access, reasons & reason, reason, error, o);
		break;
	default:
		fuzz_fail_access(access, false, reason, error, o);
	}
}
