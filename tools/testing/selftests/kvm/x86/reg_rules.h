/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of register rules: the making of lists, and what becomes of accesses.
 */
#ifndef SELFTEST_KVM_REG_RULES_H
#define SELFTEST_KVM_REG_RULES_H

#include "kvm_util.h"
#include "msr_access.h"
#include "processor.h"
#include "test_util.h"

#define READ		KVM_X86_REG_RULE_READ
#define WRITE		KVM_X86_REG_RULE_WRITE
#define MAX_RULES	4096

/* There is no such MSR. */
#define MSR_UNKNOWN	0xdeadbee0

/* Values that all other MSRs take; what userspace answers is none of them. */
#define OLD_VALUE	0x0000060606060606ull
#define NEW_VALUE	0x0000040406060606ull

static inline void expect_read(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(!outcome.reason && !outcome.vector && outcome.value == value,
		    "read of 0x%x: reason %u, vector %u, value 0x%lx, not 0x%lx", msr,
		    outcome.reason, outcome.vector, outcome.value, value);
}

static inline void expect_exit(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(outcome.reason == KVM_MSR_EXIT_REASON_FILTER && !outcome.vector,
		    "read of 0x%x: reason %u, vector %u, but no exit", msr,
		    outcome.reason, outcome.vector);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
}

static inline void expect_gp(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(!outcome.reason && outcome.vector == GP_VECTOR,
		    "read of 0x%x: reason %u, vector %u, but no #GP", msr,
		    outcome.reason, outcome.vector);
}

static inline struct kvm_x86_reg_rule range_rule(uint32_t first, uint32_t last,
						 uint8_t access, uint8_t action)
{
	return (struct kvm_x86_reg_rule) {
		.space = KVM_X86_REG_RULE_MSR,
		.access = access,
		.action = action,
		.first = first,
		.last = last,
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

static inline void set_rules(struct kvm_vm *vm, const struct kvm_x86_reg_rule *rules,
			     uint32_t nr, uint32_t msr_default)
{
	struct kvm_x86_reg_rules head = rules_head(rules, nr, msr_default);

	vm_ioctl(vm, KVM_X86_SET_REG_RULES, &head);
}

/* What the rule does not match is allowed. */
static inline void set_rule(struct kvm_vm *vm, struct kvm_x86_reg_rule rule)
{
	set_rules(vm, &rule, 1, KVM_X86_REG_RULE_ALLOW);
}

static inline void remove_rules(struct kvm_vm *vm)
{
	set_rules(vm, NULL, 0, KVM_X86_REG_RULE_ALLOW);
}

static inline void exit_on(struct kvm_vm *vm, uint64_t reasons)
{
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

/* The filter denies one MSR. */
static inline void set_filter(struct kvm_vm *vm, uint32_t msr, uint32_t access)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = access, .nmsrs = 1, .base = msr, .bitmap = &no_bits },
	};

	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static inline void remove_filter(struct kvm_vm *vm)
{
	struct kvm_msr_filter none = {};

	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &none);
}

#endif /* SELFTEST_KVM_REG_RULES_H */
