/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of register rules: the making of lists, and what becomes of accesses.
 */
#ifndef SELFTEST_KVM_REG_RULES_H
#define SELFTEST_KVM_REG_RULES_H

#include "msr_test.h"

static_assert(READ == KVM_X86_REG_RULE_READ && WRITE == KVM_X86_REG_RULE_WRITE);

#define MAX_RULES	4096

/* There are no such MSRs.  The second is where an MSR could be, and L1's bitmap reaches. */
#define MSR_UNKNOWN		0xdeadbee0
#define MSR_UNKNOWN_IN_WINDOW	0xc0001fff

/* Where there are no MSRs, nor does the policy have a short answer. */
#define NOWHERE		0x10000000

/* What a read that is ignored returns. */
#define IGNORED_VALUE	(~ANSWER_VALUE)

static const struct msr_result msr_ignored = {
	.name = "ignored", .read = IGNORED_VALUE,
};

/* The exit that nobody replies to, of a list that asks for that. */
static const struct msr_result msr_fails_closed = {
	.name = "failed by an exit", .reply = FORGET,
	.reason = KVM_MSR_EXIT_REASON_FILTER, .error = 1, .vector = GP_VECTOR,
};

/*
 * struct rule_case - what a rule makes of an access
 * @action: The rule's.
 * @result: What is to become of the access.
 * @exits: For what reasons userspace enabled exits.
 * @flags: The list's.
 */
static const struct rule_case {
	uint8_t action;
	const struct msr_result *result;
	uint32_t exits;
	uint32_t flags;
} rule_cases[] = {
	{ KVM_X86_REG_RULE_ALLOW, &msr_performed },
	{ KVM_X86_REG_RULE_AUDIT, &msr_performed },

	/* It is for the exits that the filter has that userspace has to ask. */
	{ KVM_X86_REG_RULE_DENY, &msr_faults },
	{ KVM_X86_REG_RULE_DENY, &msr_faults,
	  KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL },
	{ KVM_X86_REG_RULE_DENY, &msr_exits, KVM_MSR_EXIT_REASON_FILTER },
	{ KVM_X86_REG_RULE_DENY, &msr_refused, KVM_MSR_EXIT_REASON_FILTER },
	{ KVM_X86_REG_RULE_DENY, &msr_forgotten, KVM_MSR_EXIT_REASON_FILTER },
	{ KVM_X86_REG_RULE_DENY, &msr_fails_closed, KVM_MSR_EXIT_REASON_FILTER,
	  KVM_X86_REG_RULES_FAIL_CLOSED },

	{ KVM_X86_REG_RULE_GP, &msr_faults },
	{ KVM_X86_REG_RULE_GP, &msr_faults, KVM_MSR_EXIT_REASON_VALID_MASK },

	{ KVM_X86_REG_RULE_EXIT, &msr_exits },
	{ KVM_X86_REG_RULE_EXIT, &msr_exits, KVM_MSR_EXIT_REASON_VALID_MASK },
	{ KVM_X86_REG_RULE_EXIT, &msr_refused },
	{ KVM_X86_REG_RULE_EXIT, &msr_forgotten },
	{ KVM_X86_REG_RULE_EXIT, &msr_fails_closed, 0, KVM_X86_REG_RULES_FAIL_CLOSED },

	{ KVM_X86_REG_RULE_IGNORE, &msr_ignored },
	{ KVM_X86_REG_RULE_IGNORE, &msr_ignored, KVM_MSR_EXIT_REASON_VALID_MASK },

	/* If KVM knows the MSR. */
	{ KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_performed },
	{ KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_performed, KVM_MSR_EXIT_REASON_VALID_MASK },
};

static inline struct kvm_x86_reg_rule range_rule(uint32_t first, uint32_t last,
						 uint8_t access, uint8_t action)
{
	return (struct kvm_x86_reg_rule) {
		.space = KVM_X86_REG_RULE_MSR,
		.access = access,
		.action = action,
		.first = first,
		.last = last,
		.value = action == KVM_X86_REG_RULE_IGNORE ||
			 action == KVM_X86_REG_RULE_IGNORE_UNKNOWN ? IGNORED_VALUE : 0,
	};
}

static inline struct kvm_x86_reg_rule rule(uint32_t msr, uint8_t access, uint8_t action)
{
	return range_rule(msr, msr, access, action);
}

static inline struct kvm_x86_reg_rule ignore(uint32_t first, uint32_t last, uint64_t value)
{
	struct kvm_x86_reg_rule r = range_rule(first, last, READ | WRITE,
					       KVM_X86_REG_RULE_IGNORE);

	r.value = value;
	return r;
}

static inline struct kvm_x86_reg_rule masked(uint32_t msr, uint64_t mask, uint8_t action)
{
	struct kvm_x86_reg_rule r = rule(msr, WRITE, action);

	r.mask = mask;
	return r;
}

static inline struct kvm_x86_reg_rules rules_head(const struct kvm_x86_reg_rule *rules,
						  uint32_t nr, uint32_t msr_default)
{
	return (struct kvm_x86_reg_rules) {
		.nr_rules = nr,
		.msr_default = msr_default,
		.rules = (uintptr_t)rules,
	};
}

static inline void set_head(struct kvm_vm *vm, struct kvm_x86_reg_rules head)
{
	vm_ioctl(vm, KVM_X86_SET_REG_RULES, &head);
}

static inline void set_rules(struct kvm_vm *vm, const struct kvm_x86_reg_rule *rules,
			     uint32_t nr, uint32_t msr_default)
{
	set_head(vm, rules_head(rules, nr, msr_default));
}

/* What the rule does not match is allowed. */
static inline void set_rule(struct kvm_vm *vm, struct kvm_x86_reg_rule rule)
{
	set_rules(vm, &rule, 1, KVM_X86_REG_RULE_ALLOW);
}

static inline void set_default(struct kvm_vm *vm, uint32_t action)
{
	set_rules(vm, NULL, 0, action);
}

static inline void remove_rules(struct kvm_vm *vm)
{
	set_default(vm, KVM_X86_REG_RULE_ALLOW);
}

/* How often the policy did not plainly allow an access. */
static inline uint64_t read_hits(struct kvm_vcpu *vcpu)
{
	return vcpu_get_stat(vcpu, reg_policy_hits);
}

/* Since @before, @times accesses were decided by @action; ALLOW is not counted. */
static inline void expect_counted(struct kvm_vcpu *vcpu, uint64_t before, int action,
				  uint64_t times)
{
	uint64_t want = action == KVM_X86_REG_RULE_ALLOW ? 0 : times;
	uint64_t hits = read_hits(vcpu) - before;

	TEST_ASSERT(hits == want, "reg_policy_hits rose by %lu, not by %lu", hits, want);
}

/* The access leads to @result by @action, and is counted as often as it is made. */
static inline void expect_action(struct kvm_vcpu *vcpu, struct msr_access a, int action,
				 const struct msr_result *result)
{
	uint64_t before = read_hits(vcpu);

	if (action == KVM_X86_REG_RULE_IGNORE_UNKNOWN && result->written)
		action = KVM_X86_REG_RULE_ALLOW;
	expect_access(vcpu, a, result);
	expect_counted(vcpu, before, action, a.repeats + 1);
}

#endif /* SELFTEST_KVM_REG_RULES_H */
