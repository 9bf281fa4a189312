/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * libkvmreg: policies of register rules, written by people, for KVM on x86.
 *
 * A policy is a list of rules, of which the first that matches an access decides, and a
 * default for MSRs that no rule matches. kvm-reg(5) is the language it is written in;
 * <asm/kvm_reg_rules.h> is what the kernel takes.
 *
 * Functions that can fail return 0 or a negative errno, and fill in a struct
 * kvmreg_error, which may be NULL, with a message for people. A policy is not changed
 * after it was made: threads may share it. The library keeps no state of its own.
 */
#ifndef KVMREG_H
#define KVMREG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/kvm_reg_rules.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvmreg_policy;

/**
 * struct kvmreg_error - what is wrong, and where
 * @line: From 1; 0 if it is not about a line.
 * @column: From 1, in bytes; 0 if it is not about a place in the line.
 * @message: "FILE:LINE:COLUMN: error: REASON", then, each on a line of its own, the line
 *	itself, a caret below its column, and, where there is one, a next step, such as
 *	the nearest name. JSON has no lines: it is the rule then. Ends without a newline.
 */
struct kvmreg_error {
	unsigned int line;
	unsigned int column;
	char message[1024];
};

/*
 * Make a policy from text (kvm-reg(5)), from JSON, or from what the kernel takes. @name
 * stands for the file in messages. EINVAL: it is malformed; E2BIG: it has more than 4096
 * rules, or 64 with a mask for one register; ENOMEM.
 */
int kvmreg_parse(const char *text, size_t size, const char *name,
		 struct kvmreg_policy **policy, struct kvmreg_error *error);
int kvmreg_parse_json(const char *text, size_t size, const char *name,
		      struct kvmreg_policy **policy, struct kvmreg_error *error);
int kvmreg_from_rules(const struct kvm_x86_reg_rules *rules, const char *name,
		      struct kvmreg_policy **policy, struct kvmreg_error *error);

/* Read a file, "-" for stdin: JSON if its first character is '{', else text. */
int kvmreg_load(const char *path, struct kvmreg_policy **policy, struct kvmreg_error *error);

void kvmreg_free(struct kvmreg_policy *policy);

/* As text or JSON that makes the same policy again; free() it. NULL if out of memory. */
char *kvmreg_format(const struct kvmreg_policy *policy);
char *kvmreg_format_json(const struct kvmreg_policy *policy);

/*
 * A rule as a line of text, without the newline; free() it.  NULL and errno if out of
 * memory, or EINVAL if the kernel would reject the rule.
 */
char *kvmreg_format_rule(const struct kvm_x86_reg_rule *rule);

/* The word for KVM_X86_REG_RULE_ALLOW to KVM_X86_REG_RULE_IGNORE_UNKNOWN, else NULL. */
const char *kvmreg_action_name(unsigned int action);

/* What the kernel takes: valid until the policy is freed. */
const struct kvm_x86_reg_rules *kvmreg_rules(const struct kvmreg_policy *policy);

/* The line that a rule of kvmreg_rules() was written in, 0 if it was not. */
unsigned int kvmreg_rule_line(const struct kvmreg_policy *policy, unsigned int rule);

/**
 * struct kvmreg_access - an access that a guest makes
 * @space: KVM_X86_REG_RULE_MSR, KVM_X86_REG_RULE_CR or KVM_X86_REG_RULE_XCR.
 * @access: KVM_X86_REG_RULE_READ or KVM_X86_REG_RULE_WRITE.
 * @index: The register.
 * @readable: @old is known. Masks match writes to MSRs that KVM cannot read.
 * @old: For a write, what the register holds.
 * @new_value: For a write, what is written; for MSR_IA32_SYSENTER_ESP and _EIP, what they
 *	would then hold, as KVM makes that canonical.
 */
struct kvmreg_access {
	__u16 space;
	__u8 access;
	__u32 index;
	bool readable;
	__u64 old;
	__u64 new_value;
};

#define KVMREG_DEFAULT	-1	/* no rule matches: the policy's default, or allowed (CR, XCR) */
#define KVMREG_X2APIC	-2	/* an MSR of the x2APIC, which KVM always allows */
#define KVMREG_NO_CHANGE -3	/* a write to a control register that changes no bit */

/**
 * struct kvmreg_decision - what the kernel does with an access
 * @action: KVM_X86_REG_RULE_ALLOW to KVM_X86_REG_RULE_IGNORE_UNKNOWN.
 * @rule: The number of the rule, from 0, or one of the above.
 * @value: What a read returns if it is ignored.
 */
struct kvmreg_decision {
	__u8 action;
	int rule;
	__u64 value;
};

struct kvmreg_decision kvmreg_evaluate(const struct kvmreg_policy *policy,
				       const struct kvmreg_access *access);

/* The bits that a write changes, as KVM compares them for rules with a mask */
__u64 kvmreg_changed_bits(const struct kvmreg_access *access);

/*
 * The numbers of the rules that decide on no access: rules before them do, or KVM asks no
 * rule.  @rules has room for all rules.  Return how many, or a negative errno.
 */
int kvmreg_unused_rules(const struct kvmreg_policy *policy, unsigned int *rules);

/*
 * Install a policy on a VM's file descriptor; replaces what is there.  On a kernel
 * without register rules, install it as an MSR filter if one does exactly the same, and
 * return KVMREG_FILTER: a filter that the VMM installs later then replaces it.  Otherwise
 * return EOPNOTSUPP, and say which rule no filter can express, or that it refuses writes to
 * MSR_IA32_TSC_DEADLINE, or anything to MSR 0xffffffff, which the filters of such kernels do
 * not stop.  Other errors are the ioctls', see kvm/x86/reg-rules.rst; the VM then has what it
 * had.
 */
#define KVMREG_NO_FILTER	1	/* @flags: never fall back to an MSR filter */
/*
 * @flags: the VM never enables exits for a filter, KVM_MSR_EXIT_REASON_FILTER.  A filter can
 * then express GP, as it does DENY, and FAIL_CLOSED.
 */
#define KVMREG_NO_EXITS		2

#define KVMREG_FILTER		1	/* returned: it is installed as an MSR filter */

int kvmreg_install(int vm, const struct kvmreg_policy *policy, unsigned int flags,
		   struct kvmreg_error *error);

/* What is installed on a VM. ENOTTY: the kernel has no register rules. */
int kvmreg_read(int vm, struct kvmreg_policy **policy, struct kvmreg_error *error);

/*
 * The MSR filter (struct kvm_msr_filter of <asm/kvm.h>) that does the same as a policy,
 * ranges merged; free() it. EOPNOTSUPP and the rule that it cannot express, or the MSRs
 * that do not fit.
 */
struct kvm_msr_filter;
int kvmreg_to_filter(const struct kvmreg_policy *policy, struct kvm_msr_filter **filter,
		     struct kvmreg_error *error);

/*
 * Compare what policies do: exactly, for all registers, values and changes.  Each calls
 * @differs, until that returns other than 0, for each run of registers, and access, that
 * policies decide about differently; and for kvmreg_subset(), that @a allows (ALLOW, AUDIT,
 * IGNORE, IGNORE_UNKNOWN: the guest goes on) and @b does not.  Return the number of calls,
 * or a negative errno.
 */
enum kvmreg_when {
	KVMREG_ALWAYS,		/* each such access, but writes that change no control register */
	KVMREG_CHANGES,		/* a write that changes just the bits in @mask */
	KVMREG_CHANGES_NOTHING,	/* a write that changes no bit */
	KVMREG_UNREADABLE,	/* a write to an MSR that KVM cannot read */
};

/**
 * struct kvmreg_difference - accesses that policies decide about differently
 * @space: KVM_X86_REG_RULE_MSR, KVM_X86_REG_RULE_CR or KVM_X86_REG_RULE_XCR.
 * @access: KVM_X86_REG_RULE_READ or KVM_X86_REG_RULE_WRITE.
 * @first: The first register.
 * @last: The last register, inclusive.
 * @a: What the one policy decides.
 * @b: What the other decides.
 * @when: Which of the accesses.
 * @mask: For KVMREG_CHANGES, the bits.
 */
struct kvmreg_difference {
	__u16 space;
	__u8 access;
	__u32 first;
	__u32 last;
	struct kvmreg_decision a, b;
	enum kvmreg_when when;
	__u64 mask;
};

typedef int kvmreg_differs(const struct kvmreg_difference *difference, void *data);

int kvmreg_diff(const struct kvmreg_policy *a, const struct kvmreg_policy *b,
		kvmreg_differs *differs, void *data);
int kvmreg_subset(const struct kvmreg_policy *a, const struct kvmreg_policy *b,
		  kvmreg_differs *differs, void *data);

/*
 * Names, from the kernel's msr-index.h. kvmreg_find_msr() takes a name, or a number in C's
 * notation. kvmreg_name() is NULL for an MSR without one; an MSR with several has the
 * first. kvmreg_nearest() is the name most like what was written, NULL if none is.
 */
bool kvmreg_find_msr(const char *name, __u32 *index);
const char *kvmreg_name(__u32 msr);
const char *kvmreg_nearest(const char *name);

#ifdef __cplusplus
}
#endif

#endif /* KVMREG_H */
