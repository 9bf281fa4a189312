/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Register rules: which registers a guest may read and write, and what happens
 * if it may not.  See Documentation/virt/kvm/x86/reg-rules.rst.
 *
 * Included by <asm/kvm.h>.
 */
#ifndef _ASM_X86_KVM_REG_RULES_H
#define _ASM_X86_KVM_REG_RULES_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* KVM_CHECK_EXTENSION: the most rules that a list may hold; 0 without support. */
#define KVM_CAP_X86_REG_RULES	1000

/* kvm_x86_reg_rule.space */
#define KVM_X86_REG_RULE_MSR	0
#define KVM_X86_REG_RULE_CR	1
#define KVM_X86_REG_RULE_XCR	2

/* kvm_x86_reg_rule.access: one of them, or both */
#define KVM_X86_REG_RULE_READ	1
#define KVM_X86_REG_RULE_WRITE	2

/*
 * kvm_x86_reg_rule.action and kvm_x86_reg_rules.msr_default
 *
 * ALLOW	KVM or the hardware handles the access
 * DENY		exits if KVM_CAP_X86_USER_SPACE_MSR enabled exits with reason
 *		KVM_MSR_EXIT_REASON_FILTER, otherwise #GP
 * GP		#GP
 * EXIT		exits to userspace
 * IGNORE	a read returns .value, a write is dropped
 * AUDIT	allowed, but always intercepted and traced
 */
#define KVM_X86_REG_RULE_ALLOW	0
#define KVM_X86_REG_RULE_DENY	1
#define KVM_X86_REG_RULE_GP	2
#define KVM_X86_REG_RULE_EXIT	3
#define KVM_X86_REG_RULE_IGNORE	4
#define KVM_X86_REG_RULE_AUDIT	5

/**
 * struct kvm_x86_reg_rule - one rule of a list; the first that matches decides
 * @space: KVM_X86_REG_RULE_MSR; the other spaces are reserved.
 * @access: Mask of KVM_X86_REG_RULE_READ and KVM_X86_REG_RULE_WRITE.
 * @action: KVM_X86_REG_RULE_ALLOW to KVM_X86_REG_RULE_AUDIT.
 * @pad: Zero.
 * @first: First register of the rule.
 * @last: Last register of the rule, inclusive, not less than @first.
 * @mask: If not zero, the rule matches only writes that change one of these
 *	bits, and writes to registers that KVM cannot read; @access must be
 *	KVM_X86_REG_RULE_WRITE.
 * @value: What a read returns, with KVM_X86_REG_RULE_IGNORE; otherwise zero.
 */
struct kvm_x86_reg_rule {
	__u16 space;
	__u8 access;
	__u8 action;
	__u32 pad;
	__u32 first;
	__u32 last;
	__u64 mask;
	__u64 value;
};

/* kvm_x86_reg_rules.flags: an exit that userspace does not answer becomes #GP. */
#define KVM_X86_REG_RULES_FAIL_CLOSED	1

/**
 * struct kvm_x86_reg_rules - a list of rules
 * @flags: KVM_X86_REG_RULES_FAIL_CLOSED, or 0.
 * @nr_rules: SET: the number of rules.  GET: in, how many there is room for; out,
 *	how many are installed.
 * @msr_default: The action for an MSR access that no rule matches.
 * @pad: Zero.
 * @rules: Pointer to struct kvm_x86_reg_rule[].
 * @reserved: Zero.
 */
struct kvm_x86_reg_rules {
	__u32 flags;
	__u32 nr_rules;
	__u32 msr_default;
	__u32 pad;
	__u64 rules;
	__u64 reserved[5];
};

#define KVM_X86_SET_REG_RULES	_IOW(KVMIO, 0xf0, struct kvm_x86_reg_rules)
#define KVM_X86_GET_REG_RULES	_IOWR(KVMIO, 0xf1, struct kvm_x86_reg_rules)

#endif /* _ASM_X86_KVM_REG_RULES_H */
