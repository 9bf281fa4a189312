/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register policy: what the KUnit tests of the engine and of its front-ends share.
 */
#ifndef __KVM_X86_REG_POLICY_KUNIT_H
#define __KVM_X86_REG_POLICY_KUNIT_H

#include <linux/types.h>

#include "reg_policy.h"

#define RD		KVM_X86_REG_RULE_READ
#define WR		KVM_X86_REG_RULE_WRITE
#define RW		(RD | WR)

#define ALLOW		KVM_X86_REG_RULE_ALLOW
#define DENY		KVM_X86_REG_RULE_DENY
#define GP		KVM_X86_REG_RULE_GP
#define EXIT		KVM_X86_REG_RULE_EXIT
#define IGNORE		KVM_X86_REG_RULE_IGNORE
#define AUDIT		KVM_X86_REG_RULE_AUDIT
#define IGNORE_UNKNOWN	KVM_X86_REG_RULE_IGNORE_UNKNOWN
#define NR_ACTIONS	7

#define RULE(_first, _last, _access, _action, ...) \
	{ .first = _first, .last = _last, .access = _access, .action = _action, __VA_ARGS__ }

/* For writes to control registers */
#define CONTROL(_space, _first, _last, _action, ...) \
	RULE(_first, _last, WR, _action, .space = KVM_X86_REG_RULE_##_space, __VA_ARGS__)

struct kunit;

/* The state of a test, in kunit.priv. */
struct kvm_reg_kunit {
	int nr_tables;		/* allocated and not freed */
	bool no_memory;		/* for tables */
	u8 __user *user;	/* userspace memory, if the suite maps some */
};

/* What a policy decides.  @rule is the index in the list, -1 for the list's default. */
struct kvm_reg_decision {
	u8 action;
	u8 list;
	int rule;
	u64 value;
};

/* The control registers as documented, with the bits of which a change counts. */
struct kvm_reg_kunit_control {
	u16 space;
	u32 index;
	u64 bits;
};

extern const struct kvm_reg_kunit_control kvm_reg_kunit_controls[KVM_REG_NR_CONTROLS];

struct kvm_reg_decision kvm_reg_kunit_decide(const struct kvm_reg_policy *policy, u32 index,
					     u8 access, u64 changed);
int kvm_reg_kunit_init(struct kunit *test);
void kvm_reg_kunit_exit(struct kunit *test);
u8 __user *kvm_reg_kunit_mmap(struct kunit *test, size_t size);

#endif /* __KVM_X86_REG_POLICY_KUNIT_H */
