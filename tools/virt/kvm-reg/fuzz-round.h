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

#define FUZZ_ACCESSES	20		/* in a round */
#define FUZZ_GROUP	16		/* rounds that share a VM */

/* The longest bitmap that a range may have, in bytes and in MSRs */
#define FUZZ_BITMAP	KVM_MSR_FILTER_MAX_BITMAP_SIZE
#define FUZZ_NMSRS	(FUZZ_BITMAP * 8)

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
};

struct fuzz_round {
	unsigned long long seed;
	unsigned int number;
	__u64 reasons;			/* of KVM_CAP_X86_USER_SPACE_MSR */
	struct fuzz_filter filter;
	struct fuzz_access accesses[FUZZ_ACCESSES];
};

/* What became of an access */
struct fuzz_outcome {
	bool exited;
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

#endif /* FUZZ_ROUND_H */
