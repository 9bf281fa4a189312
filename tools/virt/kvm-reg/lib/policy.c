// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A policy: make it, check it as the kernel will, free it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct kvmreg_policy *kr_policy_new(const char *name)
{
	struct kvmreg_policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;

	policy->name = strdup(name);
	if (!policy->name) {
		free(policy);
		return NULL;
	}
	return policy;
}

void kvmreg_free(struct kvmreg_policy *policy)
{
	if (!policy)
		return;

	free(policy->rules);
	free(policy->lines);
	free(policy->name);
	free(policy);
}

static int make_room(struct kvmreg_policy *policy)
{
	unsigned int room = policy->room ? 2 * policy->room : 64;
	struct kvm_x86_reg_rule *rules;
	unsigned int *lines;

	rules = realloc(policy->rules, room * sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	policy->rules = rules;
	policy->head.rules = (uintptr_t)rules;

	lines = realloc(policy->lines, room * sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	policy->lines = lines;
	policy->room = room;
	return 0;
}

int kr_policy_add(struct kvmreg_policy *policy, const struct kvm_x86_reg_rule *rule,
		  unsigned int line)
{
	const unsigned int nr = policy->head.nr_rules;

	if (nr == MAX_RULES)
		return -E2BIG;
	if (nr == policy->room && make_room(policy))
		return -ENOMEM;

	policy->rules[nr] = *rule;
	policy->lines[nr] = line;
	policy->head.nr_rules++;
	return 0;
}

static int wrong(struct fault *fault, enum part part, const char *reason, const char *next)
{
	*fault = (struct fault) { .part = part, .reason = reason, .next = next };
	return -EINVAL;
}

static int check_control(const struct kvm_x86_reg_rule *rule, struct fault *fault)
{
	if (!kr_register_name(rule->space, rule->first) || rule->last != rule->first)
		return wrong(fault, PART_REGISTERS, "rules cannot be for this register",
			     "Rules can be for msr, cr0, cr4 and xcr0.");

	if (rule->access != KVM_X86_REG_RULE_WRITE)
		return wrong(fault, PART_ACCESS,
			     "rules for control registers are for writes alone",
			     "Write w: a guest may always read them.");

	if (has_value(rule->action))
		return wrong(fault, PART_ACTION,
			     "KVM cannot ignore writes to control registers",
			     "Use exit: the VMM can then make another write of it, or none.");
	return 0;
}

int kr_check_rule(const struct kvm_x86_reg_rule *rule, struct fault *fault)
{
	const __u8 rw = KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE;

	if (!rule->access || rule->access & ~rw)
		return wrong(fault, PART_ACCESS, "there is no such access", NULL);

	if (rule->action >= NR_ACTIONS)
		return wrong(fault, PART_ACTION, "there is no such action", NULL);

	if (rule->pad)
		return wrong(fault, PART_REGISTERS, "pad is not zero", NULL);

	if (rule->first > rule->last)
		return wrong(fault, PART_REGISTERS, "the range ends before it starts",
			     "Write the smaller register first.");

	if (rule->mask && rule->access != KVM_X86_REG_RULE_WRITE)
		return wrong(fault, PART_MASK, "reads change no bits",
			     "Write w instead of r or rw, and a rule without \"changing\" for reads.");

	if (rule->value && !has_value(rule->action))
		return wrong(fault, PART_VALUE, "this action answers no reads",
			     "Leave out the value, or use ignore or ignore-unknown.");

	if (rule->space != KVM_X86_REG_RULE_MSR)
		return check_control(rule, fault);

	if (rule->action != KVM_X86_REG_RULE_ALLOW &&
	    rule->first <= X2APIC_LAST && rule->last >= X2APIC_FIRST) {
		wrong(fault, PART_REGISTERS, "KVM always allows the x2APIC's MSRs, 0x800-0x8ff",
		      "Leave them out of the range, or use \"all\", which does.");
		fault->next_in_json = "Leave them out: make two ranges, before and after them.";
		return -EINVAL;
	}
	return 0;
}

/* Where a masked rule starts to apply, or no longer does. */
struct end {
	__u64 at;
	int step;
};

static int compare_ends(const void *a, const void *b)
{
	const struct end *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	/* Of those that meet, the ones that end come first. */
	return x->step - y->step;
}

/* The first MSR with more masked rules than there may be, 2^32 if there is none. */
static int find_crowded(const struct kvmreg_policy *policy, __u64 *msr)
{
	struct end *ends = calloc(2 * policy->head.nr_rules + 1, sizeof(*ends));
	const struct kvm_x86_reg_rule *rule;
	unsigned int i, nr = 0;
	int masked = 0;

	*msr = 1ULL << 32;
	if (!ends)
		return -ENOMEM;

	for (i = 0; i < policy->head.nr_rules; i++) {
		rule = &policy->rules[i];
		if (!rule->mask || rule->space != KVM_X86_REG_RULE_MSR)
			continue;
		ends[nr++] = (struct end) { rule->first, 1 };
		ends[nr++] = (struct end) { rule->last + 1ULL, -1 };
	}
	qsort(ends, nr, sizeof(*ends), compare_ends);

	for (i = 0; i < nr; i++) {
		masked += ends[i].step;
		if (masked > MAX_MASKED) {
			*msr = ends[i].at;
			break;
		}
	}
	free(ends);
	return 0;
}

/* Of which there may be MAX_MASKED: rules for @msr with a mask, and for each control register */
static int crowd_of(const struct kvm_x86_reg_rule *rule, __u64 msr)
{
	switch (rule->space) {
	case KVM_X86_REG_RULE_MSR:
		return rule->mask && rule->first <= msr && msr <= rule->last ? 0 : -1;
	case KVM_X86_REG_RULE_CR:
		return rule->first ? 1 : 2;
	default:
		return 3;
	}
}

static int find_excess(const struct kvmreg_policy *policy, unsigned int *rule, const char **reason)
{
	unsigned int i, nr[4] = { };
	__u64 msr;
	int crowd, err;

	err = find_crowded(policy, &msr);
	if (err)
		return err;

	for (i = 0; i < policy->head.nr_rules; i++) {
		crowd = crowd_of(&policy->rules[i], msr);
		if (crowd < 0 || ++nr[crowd] <= MAX_MASKED)
			continue;
		*rule = i;
		*reason = crowd ? "more than 64 rules are for one control register" :
				  "more than 64 rules with \"changing\" are for one MSR";
		return -E2BIG;
	}
	return 0;
}

/* Check a policy as a whole. */
int kr_finish(struct kvmreg_policy *policy, struct kvmreg_error *error)
{
	const char *reason;
	unsigned int rule;
	int err;

	err = find_excess(policy, &rule, &reason);
	if (err == -E2BIG)
		return kr_fail_rule(error, E2BIG, policy, rule, "Join those with the same action.",
				 "%s", reason);
	return err ? kr_fail(error, ENOMEM, "%s: error: out of memory", policy->name) : 0;
}

static bool is_reserved_zero(const struct kvm_x86_reg_rules *head)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(head->reserved); i++)
		if (head->reserved[i])
			return false;
	return !head->pad;
}

static int add_rules(struct kvmreg_policy *policy, const struct kvm_x86_reg_rules *head,
		     struct kvmreg_error *error)
{
	const struct kvm_x86_reg_rule *rules = (void *)(uintptr_t)head->rules;
	struct fault fault;
	unsigned int i;
	int err;

	if (head->flags & ~KVM_X86_REG_RULES_FAIL_CLOSED)
		return kr_fail(error, EINVAL, "%s: error: unknown flags 0x%x", policy->name,
			    head->flags);
	if (!is_reserved_zero(head))
		return kr_fail(error, EINVAL, "%s: error: pad or reserved is not zero",
			    policy->name);
	if (head->msr_default >= NR_ACTIONS)
		return kr_fail(error, EINVAL, "%s: error: there is no action %u for the default",
			    policy->name, head->msr_default);
	if (head->nr_rules > MAX_RULES)
		return kr_fail(error, E2BIG, "%s: error: %u rules, there may be 4096",
			    policy->name, head->nr_rules);

	policy->head.flags = head->flags;
	policy->head.msr_default = head->msr_default;
	for (i = 0; i < head->nr_rules; i++) {
		if (kr_check_rule(&rules[i], &fault))
			return kr_fail(error, EINVAL, "%s: error: rule %u: %s%s%s", policy->name, i,
				    fault.reason, fault.next ? "\n" : "",
				    fault.next ? fault.next : "");
		err = kr_policy_add(policy, &rules[i], 0);
		if (err)
			return kr_fail(error, ENOMEM, "%s: out of memory", policy->name);
	}
	return kr_finish(policy, error);
}

int kvmreg_from_rules(const struct kvm_x86_reg_rules *rules, const char *name,
		      struct kvmreg_policy **policy, struct kvmreg_error *error)
{
	struct kvmreg_policy *new = kr_policy_new(name);
	int err;

	if (!new)
		return kr_fail(error, ENOMEM, "%s: out of memory", name);

	err = add_rules(new, rules, error);
	if (err) {
		kvmreg_free(new);
		return err;
	}
	*policy = new;
	return 0;
}

const struct kvm_x86_reg_rules *kvmreg_rules(const struct kvmreg_policy *policy)
{
	return &policy->head;
}

unsigned int kvmreg_rule_line(const struct kvmreg_policy *policy, unsigned int rule)
{
	return rule < policy->head.nr_rules ? policy->lines[rule] : 0;
}
