/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Register rules: which registers a guest may access, and what KVM does with an
 * access that it may not make.  See Documentation/virt/kvm/x86/reg-rules.rst.
 *
 * Included by <asm/kvm.h>.
 */
#ifndef _ASM_X86_KVM_REG_RULES_H
#define _ASM_X86_KVM_REG_RULES_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The same as in <linux/kvm.h>, for a file that includes only this header. */
#define KVMIO			0xAE

/* KVM_CHECK_EXTENSION: the most rules that a list may hold, 0 without support */
#define KVM_CAP_X86_REG_RULES	1000

/*
 * kvm_x86_reg_rule.space
 *
 * MSR		.first and .last are MSR indices
 * CR		control registers: .first and .last are both 0 (CR0), or both 4 (CR4)
 * XCR		extended control registers: .first and .last are both 0 (XCR0)
 *
 * Rules for CR and XCR are for writes that change the register, i.e. .access is
 * KVM_X86_REG_RULE_WRITE.  They cannot be ignored: neither IGNORE nor IGNORE_UNKNOWN.
 */
#define KVM_X86_REG_RULE_MSR	0
#define KVM_X86_REG_RULE_CR	1
#define KVM_X86_REG_RULE_XCR	2

/* kvm_x86_reg_rule.access: one of these, or both */
#define KVM_X86_REG_RULE_READ	1
#define KVM_X86_REG_RULE_WRITE	2

/*
 * kvm_x86_reg_rule.action and kvm_x86_reg_rules.msr_default
 *
 * ALLOW	KVM handles the access or passes it through to hardware
 * DENY		KVM exits to userspace if KVM_CAP_X86_USER_SPACE_MSR enabled
 *		KVM_MSR_EXIT_REASON_FILTER (MSRs only), otherwise it injects #GP
 * GP		KVM injects #GP
 * EXIT		KVM exits to userspace: KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, or for
 *		CR and XCR KVM_EXIT_X86_REG_WRITE
 * IGNORE	a read returns .value, a write does nothing
 * AUDIT	KVM allows the access, but always intercepts and traces it
 * IGNORE_UNKNOWN	as ALLOW; if KVM does not know the MSR, as IGNORE
 */
#define KVM_X86_REG_RULE_ALLOW	0
#define KVM_X86_REG_RULE_DENY	1
#define KVM_X86_REG_RULE_GP	2
#define KVM_X86_REG_RULE_EXIT	3
#define KVM_X86_REG_RULE_IGNORE	4
#define KVM_X86_REG_RULE_AUDIT	5
#define KVM_X86_REG_RULE_IGNORE_UNKNOWN 6

/**
 * struct kvm_x86_reg_rule - one rule of a list, of which the first match decides
 * @space: KVM_X86_REG_RULE_MSR, KVM_X86_REG_RULE_CR or KVM_X86_REG_RULE_XCR.
 * @access: Mask of KVM_X86_REG_RULE_READ and KVM_X86_REG_RULE_WRITE.
 * @action: KVM_X86_REG_RULE_ALLOW to KVM_X86_REG_RULE_IGNORE_UNKNOWN.
 * @pad: Zero.
 * @first: First register of the rule.
 * @last: Last register of the rule, inclusive, not less than @first.
 * @mask: If not zero, the rule matches only writes that change one of these
 *	bits, and writes to MSRs that KVM cannot read.  @access must then be
 *	KVM_X86_REG_RULE_WRITE.
 * @value: What a read returns if @action is KVM_X86_REG_RULE_IGNORE, or if it is
 *	KVM_X86_REG_RULE_IGNORE_UNKNOWN and KVM does not know the MSR.  Zero with any
 *	other action.
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

/* kvm_x86_reg_rules.flags: inject #GP if userspace does not answer an exit */
#define KVM_X86_REG_RULES_FAIL_CLOSED	1

/**
 * struct kvm_x86_reg_rules - a list of rules
 * @flags: KVM_X86_REG_RULES_FAIL_CLOSED, or 0.
 * @nr_rules: For SET, the number of rules.  For GET, the number of rules for which
 *	there is room on entry, and of installed rules on return.
 * @msr_default: Action for an MSR access that no rule matches.
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
