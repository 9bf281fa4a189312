/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rounds of msr-fuzz: what a round does, and what each kernel is to make of
 * it.  All of it follows from the seed and the round's number; nothing here runs
 * a guest or calls KVM.
 */
#ifndef FUZZ_ROUND_H
#define FUZZ_ROUND_H

#include <stdbool.h>
#include <linux/kvm.h>
#include <asm/kvm_reg_rules.h>

#define FUZZ_ACCESSES	20		/* in a round */
#define FUZZ_GROUP	16		/* rounds that share a VM */

/* The longest bitmap that a range may have, in bytes and in MSRs */
#define FUZZ_BITMAP	KVM_MSR_FILTER_MAX_BITMAP_SIZE
#define FUZZ_NMSRS	(FUZZ_BITMAP * 8)

/* As many rules as KVM_CAP_X86_REG_RULES says */
#define FUZZ_RULES	4096

#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

/* For a guest to be told to write to: memory that it does not use otherwise */
#define FUZZ_SCRATCH	0xe000

enum fuzz_kernel { FUZZ_BASE, FUZZ_PATCHED, FUZZ_KERNELS };

/* Weaknesses of the unpatched filter that the series closes and a guest can see */
enum fuzz_weakness {
	ENDS_AT_2_32,
	RANGE_WRAPS,
	BITMAP_OVER_READ,
	DEADLINE_FASTPATH,
	NR_WEAKNESSES,
	NO_WEAKNESS = NR_WEAKNESSES,
};

extern const struct fuzz_weakness_info {
	const char *name;
	bool vmx_only;
	const char *what;
} fuzz_weaknesses[NR_WEAKNESSES];

/* What rules can come to, each to be met in some round */
enum fuzz_case {
	CASE_ALLOW,
	CASE_DENY_GP,
	CASE_DENY_EXIT,
	CASE_GP,
	CASE_EXIT,
	CASE_IGNORE,
	CASE_AUDIT,
	CASE_FILTER_DENIES,
	CASE_FAIL_CLOSED,
	CASE_MASK_MATCHES,
	CASE_MASK_SPARES,
	CASE_MASK_UNREADABLE,
	CASE_SET_REFUSED,
	CASE_MASKS_OVERLAP,
	CASE_GET_TOO_SMALL,
	CASE_GET_REFUSED,
	NR_CASES,
};

extern const struct fuzz_case_info {
	const char *name;
	const char *what;
} fuzz_cases[NR_CASES];

/* Where something that KVM is to read stands, in a page with an unmapped one behind */
enum fuzz_place {
	ROOMY,		/* with room behind it */
	AT_END,		/* ends where the page ends */
	CUT_OFF,	/* its last byte is in the unmapped page */
	NOWHERE,	/* in the unmapped page */
};

struct fuzz_bitmap {
	enum fuzz_place place;
	unsigned int offset;		/* in the page, if ROOMY */
	unsigned int size;		/* bytes that it takes, FUZZ_BITMAP at most */
	unsigned char bytes[FUZZ_BITMAP];
};

/* A filter; the pointers in @abi are set by who knows where the pages are. */
struct fuzz_filter {
	struct kvm_msr_filter abi;
	enum fuzz_place place;		/* of the structure itself */
	bool compat;			/* by the 32-bit ioctl */
	struct fuzz_bitmap bitmaps[KVM_MSR_FILTER_MAX_RANGES];
};

/* A list of rules; the pointer in @head is set by who knows where the pages are. */
struct fuzz_rules {
	struct kvm_x86_reg_rules head;
	enum fuzz_place place;		/* of the head */
	enum fuzz_place rules_place;	/* of the rules */
	bool compat;			/* by a 32-bit program */
	struct kvm_x86_reg_rule rules[FUZZ_RULES];
};

/* How to read a list back */
struct fuzz_get {
	struct kvm_x86_reg_rules head;
	enum fuzz_place place;
	enum fuzz_place rules_place;
	bool compat;
	int spare;			/* capacity, less the number of rules installed */
};

/* What userspace does about an exit */
enum fuzz_answer { REFUSE, PERFORM, LEAVE };

struct fuzz_access {
	bool write;
	bool emulated;			/* through the forced emulation prefix */
	bool masked;			/* a read's value depends on time */
	__u32 index;
	__u64 value;			/* of a write */
	enum fuzz_answer answer;
	__u64 answered;			/* by PERFORM, to a read */
};

/* How a VM is made, for a group of rounds */
struct fuzz_vm {
	bool irqchip;
	bool x2apic;
	enum { SUPPORTED_CPUID, HYPERV_CPUID, NO_CPUID } cpuid;
	bool has_rules;			/* not for the unpatched kernel */
};

struct fuzz_round {
	unsigned long long seed;
	unsigned int number;
	__u64 reasons;			/* of KVM_CAP_X86_USER_SPACE_MSR */
	struct fuzz_filter filter;
	bool has_rules;			/* as the VM */
	struct fuzz_rules rules;
	struct fuzz_get get;
	struct fuzz_access accesses[FUZZ_ACCESSES];
};

/* What became of an access */
struct fuzz_outcome {
	bool exited;
	bool error;			/* the exit started out as failed */
	bool gp;
	__u32 reason;			/* of the exit */
	__u64 data;			/* that the exit showed */
	__u64 value;			/* read */
};

void fuzz_make_vm(struct fuzz_vm *vm, unsigned long long seed, unsigned int group);
void fuzz_make_round(struct fuzz_round *round, unsigned long long seed, unsigned int number);

/* The same filter without what the kernels disagree on: no range wraps, all is ROOMY. */
void fuzz_repair(struct fuzz_filter *filter);

/* What KVM_X86_SET_MSR_FILTER is to return, 0 or an errno, and why it differs */
int fuzz_set_errno(const struct fuzz_filter *filter, enum fuzz_kernel kernel);
enum fuzz_weakness fuzz_set_weakness(const struct fuzz_filter *filter);

/* Does @filter, which may be NULL, deny the access? */
bool fuzz_denies(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 enum fuzz_kernel kernel);

/*
 * Is the outcome of an access known from the input alone?  If so, fill it in; if
 * not, KVM handles the MSR, or says that it does not know it.
 */
bool fuzz_expect(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 __u64 reasons, enum fuzz_kernel kernel, bool vmx, struct fuzz_outcome *o);
enum fuzz_weakness fuzz_access_weakness(const struct fuzz_filter *filter,
					const struct fuzz_access *access, bool vmx);

/* What an access comes to that fails; an exit, if there is one, starts with @error. */
void fuzz_fail_access(const struct fuzz_access *access, bool exits, __u32 reason, bool error,
		      struct fuzz_outcome *o);

/* Rules: see fuzz-rules.c */
void fuzz_make_rules(struct fuzz_rules *rules);
void fuzz_make_get(struct fuzz_get *get);
/* A register at the edges of a rule, or in it */
__u32 fuzz_near_rule(const struct fuzz_rules *rules);

/* What KVM_X86_SET_REG_RULES is to return, 0 or an errno */
int fuzz_rules_errno(const struct fuzz_rules *rules);
/* Likewise KVM_X86_GET_REG_RULES, if @installed is in force, NULL for none */
int fuzz_get_errno(const struct fuzz_get *get, const struct fuzz_rules *installed);
__u32 fuzz_get_capacity(const struct fuzz_get *get, const struct fuzz_rules *installed);

/* What the rules and the filter, which may be NULL, say of an access */
struct fuzz_verdict {
	unsigned int action;			/* KVM_X86_REG_* */
	bool by_filter;
	const struct kvm_x86_reg_rule *rule;	/* NULL: a default, or the filter */
};

/* Is there a rule for the access that compares the old value with the new? */
bool fuzz_compares(const struct fuzz_rules *rules, const struct fuzz_access *access);
struct fuzz_verdict fuzz_judge(const struct fuzz_rules *rules, const struct fuzz_filter *filter,
			       const struct fuzz_access *access, __u64 changed);
/* What becomes of an access by a verdict that is not to perform it */
void fuzz_rules_expect(const struct fuzz_rules *rules, const struct fuzz_verdict *verdict,
		       const struct fuzz_access *access, __u64 reasons, struct fuzz_outcome *o);

#endif /* FUZZ_ROUND_H */
