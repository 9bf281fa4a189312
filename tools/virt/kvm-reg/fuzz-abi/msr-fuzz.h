/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of msr-fuzz share.  What a round does, and what each kernel is to make
 * of it, follows from the seed and the round's number.
 */
#ifndef MSR_FUZZ_H
#define MSR_FUZZ_H

#include <stdbool.h>
#include <linux/kvm.h>

#include "../tests/model.h"
#include "../vmm/vmm.h"

#define FUZZ_ACCESSES	20		/* in a round */
#define FUZZ_WRITES	10		/* of control registers, in a round */
#define FUZZ_GROUP	16		/* rounds that share a VM */

/* The longest bitmap that a range may have, in bytes and in MSRs */
#define FUZZ_BITMAP	KVM_MSR_FILTER_MAX_BITMAP_SIZE
#define FUZZ_NMSRS	(FUZZ_BITMAP * 8)

#define SPACE		(1ULL << 32)	/* registers that there are */
#define TSC_DEADLINE	0x6e0

enum fuzz_kernel { FUZZ_PATCHED, FUZZ_BASE };

/* Every other group is with rules, and not for the unpatched kernel. */
static inline bool fuzz_has_rules(unsigned int group)
{
	return group % 2;
}

/* What is to be met in some round */
enum fuzz_case {
	/* Weaknesses of the unpatched filter that the series closes and a guest can see */
	ENDS_AT_2_32,
	RANGE_WRAPS,
	BITMAP_OVER_READ,
	DEADLINE_FASTPATH,
	/* What rules can come to */
	CASE_ALLOW,
	CASE_DENY_GP,
	CASE_DENY_EXIT,
	CASE_GP,
	CASE_EXIT,
	CASE_IGNORE,
	CASE_AUDIT,
	CASE_UNKNOWN,
	CASE_NOT_UNKNOWN,
	CASE_FILTER_DENIES,
	CASE_FAIL_CLOSED,
	CASE_MASK_MATCHES,
	CASE_MASK_SPARES,
	CASE_MASK_UNREADABLE,
	CASE_CONTROL_ALLOW,
	CASE_CONTROL_SPARES,
	CASE_CONTROL_REFUSE,
	CASE_CONTROL_EXIT,
	CASE_CONTROL_AUDIT,
	CASE_CONTROL_REPLACED,
	CASE_CONTROL_FAIL_CLOSED,
	CASE_CONTROL_INVALID,
	CASE_SET_REFUSED,
	CASE_MASKS_OVERLAP,
	CASE_CONTROLS_CROWD,
	CASE_GET_TOO_SMALL,
	CASE_GET_REFUSED,
	NR_CASES,
	NO_WEAKNESS = NR_CASES,
};

extern const struct fuzz_case_info {
	const char *name;
	const char *what;
} fuzz_cases[NR_CASES];

/* Why an ioctl fails, for each ioctl in the order in which KVM checks */
enum fuzz_error {
	LIST_UNREADABLE,
	LIST_MALFORMED,
	TOO_MANY_RULES,
	RULES_UNREADABLE,
	RULE_MALFORMED,
	MASKS_OVERLAP,

	GET_UNREADABLE,
	GET_MALFORMED,
	GET_TOO_SMALL,
	GET_UNWRITABLE,

	FILTER_UNREADABLE,
	FILTER_MALFORMED,
	FILTER_EMPTY,
	RANGE_MALFORMED,		/* these two range by range */
	BITMAP_UNREADABLE,

	NR_ERRORS,
	NO_ERROR = NR_ERRORS,
};

/* Of two errors at once, the first counts: each pair is a case as well. */
extern const struct fuzz_error_info {
	const char *name;
	int error;			/* the errno */
	unsigned int later;		/* a bit for each that can come after it */
} fuzz_errors[NR_ERRORS];

/* All errors of an ioctl */
struct fuzz_errors {
	enum fuzz_error first;
	unsigned int later;		/* a bit for each that comes after the first */
};

/* Where something that KVM is to read stands, in a page before an unmapped one */
enum fuzz_place {
	ROOMY,		/* with room after it */
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

/* A filter; fuzz_set_filter() sets the pointers in @abi. */
struct fuzz_filter {
	struct kvm_msr_filter abi;
	enum fuzz_place place;		/* of the structure itself */
	bool compat;			/* by the 32-bit ioctl */
	struct fuzz_bitmap bitmaps[KVM_MSR_FILTER_MAX_RANGES];
};

/* A list of rules; fuzz_set_rules() sets the pointer in @head. */
struct fuzz_rules {
	struct kvm_x86_reg_rules head;
	enum fuzz_place place;		/* of the head */
	enum fuzz_place rules_place;	/* of the rules */
	bool compat;			/* by a 32-bit program */
	struct kvm_x86_reg_rule rules[MAX_RULES];
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

/* What writes a control register; XSETBV also an extended one that KVM does not have */
enum fuzz_insn { MOV_CR0, LMSW, CLTS, MOV_CR4, XSETBV, NR_INSNS };

struct fuzz_write {
	enum fuzz_insn insn;
	bool emulated;
	__u32 index;			/* of XSETBV */
	__u64 toggle;			/* what to change in what the register holds */
	enum fuzz_answer answer;
	__u64 replace;			/* by PERFORM, what to change in what is written */

	/* Filled in by fuzz_aim_write(); @control is MODEL_NR_CONTROLS for none of them */
	enum model_control control;
	__u64 old;
	__u64 value;			/* in the guest's registers */
	__u64 data;			/* that the control register is to hold */
};

/* What became of one */
struct fuzz_written {
	bool exited;
	struct vmm_reg_write exit;
	bool gp;
	struct vmm_controls after;
	__u32 read_cr0;			/* by the guest */
	__u32 read_cr4;
};

/* How a VM is made, for a group of rounds */
struct fuzz_vm {
	bool irqchip;
	bool x2apic;
	enum { SUPPORTED_CPUID, HYPERV_CPUID, NO_CPUID } cpuid;
};

struct fuzz_round {
	__u64 reasons;			/* of KVM_CAP_X86_USER_SPACE_MSR */
	struct fuzz_filter filter;
	bool has_rules;			/* as the VM */
	struct fuzz_rules rules;
	struct fuzz_get get;
	struct fuzz_access accesses[FUZZ_ACCESSES];
	struct fuzz_write writes[FUZZ_WRITES];
};

/*
 * fuzz-random.c: random numbers, a stream of its own for each thing of each number, and
 * what is worth a try: MSRs that KVM has, those of them that keep what is written, where
 * something begins or ends, and values
 */
void seed_random(unsigned long long seed, unsigned int what, unsigned int number);
__u64 random64(void);
__u32 below(__u32 n);
bool one_in(__u32 n);		/* true once in @n times */
#define pick(array)	((array)[below(ARRAY_SIZE(array))])
__u32 known_msr(void);
__u32 kept_msr(void);
__u32 edge(void);
__u64 any_value(void);

/* fuzz-lists.c: make filters and rules up, and registers at their edges, or in them */
void fuzz_make_filter(struct fuzz_filter *filter);
void fuzz_make_rules(struct fuzz_rules *rules);
void fuzz_make_get(struct fuzz_get *get);
__u32 fuzz_near_range(struct fuzz_filter *filter);
__u32 fuzz_near_rule(const struct fuzz_rules *rules);
/* The same filter without what the kernels disagree on: no range wraps, all is ROOMY. */
void fuzz_repair(struct fuzz_filter *filter);

/* fuzz-round.c: make the rest up */
void fuzz_make_vm(struct fuzz_vm *vm, unsigned long long seed, unsigned int group);
void fuzz_make_round(struct fuzz_round *round, unsigned long long seed, unsigned int number);
/* The accesses and writes, for the filter and the rules that are in the round */
void fuzz_make_accesses(struct fuzz_round *round);

/*
 * fuzz-vm.c: make a VM, and have its guest access MSRs.  The twin is a VM like another, but
 * without a policy: what an MSR holds, if it can be read; and what comes of an access, and
 * whether KVM does not know the MSR.
 */
bool fuzz_has_vmx(void);
void fuzz_create_vm(struct vmm *vm, const struct fuzz_vm *input);
struct vmm_outcome fuzz_make_access(struct vmm *vm, const struct fuzz_access *a);
bool fuzz_read_msr(struct vmm *twin, __u32 index, __u64 *value);
/* What a write of @value changes in an MSR that holds @old: "Masks" in the reference */
__u64 fuzz_compare(bool amd_guest, __u32 index, __u64 old, __u64 value);
bool fuzz_is_unknown(struct vmm *twin, const struct fuzz_access *a, __u64 reasons,
		     struct vmm_outcome *o);

/*
 * fuzz-control.c: writes to control registers.  fuzz_aim_write() is to be called with what
 * the registers hold, and with the bits of CR0 that rules guard.
 */
__u64 fuzz_control_bits(enum model_control control);	/* that are worth a try */
void fuzz_make_write(struct fuzz_write *w);
void fuzz_aim_write(struct fuzz_write *w, struct vmm_controls now, __u64 guarded_cr0, bool vmx);
void fuzz_load_guest(struct vmm *vm);	/* once */
struct fuzz_written fuzz_write(struct vmm *vm, const struct fuzz_write *w);
/* What comes of it if rules decide on @action.  What is to be written, the twin writes. */
struct fuzz_written fuzz_expect_write(struct vmm *twin, const struct fuzz_write *w,
				      unsigned int action, bool fail_closed);
void describe_write(const struct fuzz_write *w, char *s, size_t size);
void describe_written(const struct fuzz_written *o, char *s, size_t size);

/* fuzz-expect.c: what KVM is to make of it */
bool fuzz_is_malformed(const struct kvm_x86_reg_rule *rule);
/* How many rules there are, whatever the head says */
__u32 fuzz_nr_rules(const struct fuzz_rules *rules);
struct fuzz_errors fuzz_rules_errors(const struct fuzz_rules *rules);
struct fuzz_errors fuzz_filter_errors(const struct fuzz_filter *filter, enum fuzz_kernel kernel);
/* If @installed is in force, NULL for none */
struct fuzz_errors fuzz_get_errors(const struct fuzz_get *get, const struct fuzz_rules *installed);
__u32 fuzz_get_capacity(const struct fuzz_get *get, const struct fuzz_rules *installed);
int fuzz_errno(struct fuzz_errors errors);	/* 0 without any */

/* Where the kernels differ, if they do */
enum fuzz_case fuzz_set_weakness(const struct fuzz_filter *filter);
enum fuzz_case fuzz_access_weakness(const struct fuzz_filter *filter,
				    const struct fuzz_access *access, bool vmx);

/* What the rules and the filter, which may be NULL, decide */
struct model_list fuzz_list(const struct fuzz_rules *rules);
struct model_decision fuzz_decide(const struct fuzz_rules *rules, const struct fuzz_filter *filter,
				  const struct fuzz_access *access, __u64 changed,
				  enum fuzz_kernel kernel);
bool fuzz_denies(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 enum fuzz_kernel kernel);

/*
 * Is the outcome of an access under a filter known from the input alone?  If so, fill it
 * in; if not, KVM handles the MSR, or says that it does not know it.
 */
bool fuzz_expect(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 __u64 reasons, enum fuzz_kernel kernel, bool vmx, struct vmm_outcome *o);
/* What becomes of an access by a decision that is not to perform it */
struct vmm_outcome fuzz_expect_decision(const struct fuzz_rules *rules,
					const struct model_decision *decision,
					const struct fuzz_access *access, __u64 reasons);

/* fuzz-ioctl.c: call KVM.  To be called once, first: */
void fuzz_map_pages(void);
/* Each returns 0 or an errno. */
int fuzz_set_filter(int vm_fd, const struct fuzz_filter *filter);
int fuzz_set_rules(int vm_fd, const struct fuzz_rules *rules);
/*
 * @wrong says what of the list that is read is not as it was @installed, or what was
 * written that had not to be; it is NULL if all is well.
 */
int fuzz_get_rules(int vm_fd, const struct fuzz_get *get, const struct fuzz_rules *installed,
		   const char **wrong);

/* fuzz-describe.c: what is done and seen, in words: for people, and to be compared */
#define DESCRIPTION_SIZE	(MAX_RULES * 128)	/* of the longest, a list of rules */

void describe_filter(const struct fuzz_filter *filter, char *s, size_t size);
void describe_rules(const struct fuzz_rules *rules, char *s, size_t size);
void describe_get(const struct fuzz_get *get, const struct fuzz_rules *installed, char *s,
		  size_t size);
void describe_access(const struct fuzz_access *a, __u64 reasons, char *s, size_t size);
void describe_outcome(const struct fuzz_access *a, const struct vmm_outcome *o, char *s,
		      size_t size);

#endif /* MSR_FUZZ_H */
