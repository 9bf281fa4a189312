/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of who may access which MSR: a guest that makes one access at a time, in
 * L1 or in L2, what userspace sees of it, and what else such tests share.
 */
#ifndef SELFTEST_KVM_MSR_TEST_H
#define SELFTEST_KVM_MSR_TEST_H

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"
#include "vmx.h"

/* KVM always intercepts the first, passes the second through, and no test denies the third. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE
#define MSR_HARMLESS	MSR_IA32_APICBASE

/*
 * What an MSR holds before an access, what is written to it, and what userspace
 * answers to a read that exits.  All MSRs take the first two.
 */
#define OLD_VALUE	0x0000060606060606ull
#define NEW_VALUE	0x0000040406060607ull
#define ANSWER_VALUE	0x0123456789abcdefull

/*
 * struct msr_access - what the guest is to do, and what it saw
 * @msr: The MSR.
 * @write: WRMSR rather than RDMSR.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @level: Who is to do it: 2 for L2, else L1.
 * @repeats: How often to do it again.
 * @value: What to write, or what was read.
 * @vector: The exception that the instruction took, or 0.
 */
struct msr_access {
	uint32_t msr;
	bool write;
	bool fep;
	int level;
	uint32_t repeats;
	uint64_t value;
	uint8_t vector;
};

/*
 * What userspace makes of an exit:
 * @ANSWER: A read gets ANSWER_VALUE, a write is said to have been made.
 * @REFUSE: The guest gets a #GP.
 * @FORGET: The vCPU is run again, and the exit is left as it is.
 */
enum msr_reply { ANSWER, REFUSE, FORGET };

/*
 * struct msr_outcome - what became of an access
 * @reason: KVM_MSR_EXIT_REASON_* if it exited to userspace, else 0.
 * @error: What the exit's error started with.
 * @vector: The exception that the guest took, or 0.
 * @value: What the guest read, or what the exit said was written.
 * @l1_exit: The nested exit's reason if it exited to L1, else 0.
 * @l1_info: The nested exit's qualification, or EXITINFO1.
 */
struct msr_outcome {
	uint32_t reason;
	uint8_t error;
	uint8_t vector;
	uint64_t value;
	uint64_t l1_exit;
	uint64_t l1_info;
};

/*
 * struct msr_result - what is to become of an access
 * @name: For messages.
 * @reply: How userspace replies to an exit.
 * @reason, @error, @vector: See struct msr_outcome.
 * @read: What the guest reads, if it takes no exception.
 * @written: A write takes effect.
 */
struct msr_result {
	const char *name;
	enum msr_reply reply;
	uint32_t reason;
	uint8_t error;
	uint8_t vector;
	uint64_t read;
	bool written;
};

extern const struct msr_result msr_performed, msr_faults, msr_exits, msr_refused, msr_forgotten;

uint8_t guest_rdmsr(uint32_t msr, bool fep, uint64_t *value);
uint8_t guest_wrmsr(uint32_t msr, bool fep, uint64_t value);
void msr_guest_main(void);

struct msr_outcome access_msr(struct kvm_vcpu *vcpu, struct msr_access a,
			      enum msr_reply reply);
struct msr_outcome read_msr(struct kvm_vcpu *vcpu, uint32_t msr);
struct msr_outcome write_msr(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value);
void expect_next_access(struct kvm_vcpu *vcpu, struct msr_access a,
			const struct msr_result *r);
void expect_access(struct kvm_vcpu *vcpu, struct msr_access a, const struct msr_result *r);
void expect_read(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value);
void expect_exit(struct kvm_vcpu *vcpu, uint32_t msr);
void expect_gp(struct kvm_vcpu *vcpu, uint32_t msr);

/* MSR filters.  Bitmaps without a bit deny whatever they cover. */
#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

extern uint8_t msr_filter_no_bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

struct kvm_msr_filter deny_range(uint32_t base, uint32_t nmsrs, uint32_t flags);
void set_filter(struct kvm_vm *vm, struct kvm_msr_filter filter);
void remove_filter(struct kvm_vm *vm);
void exit_on(struct kvm_vm *vm, uint64_t reasons);
void expect_refused_filter(struct kvm_vcpu *vcpu, struct kvm_msr_filter bad, int err);

/* Nested guests. */
enum msr_list {
	ENTRY_LOAD,
	EXIT_LOAD,
	EXIT_STORE,
	NR_MSR_LISTS,
};

/*
 * struct msr_guest - lives in guest memory
 * @access: What to do next.
 * @vmx: L1 uses VMX rather than SVM.
 * @no_bitmap: L1 does not use an MSR bitmap.
 * @l2_main: Where L2 starts on every entry: VMX loses its registers in the library.
 * @entries: How often L1 entered L2.
 * @exit_reason: Why L2 left last, if it was not at its own request, else 0.
 * @exit_info: The exit qualification, or EXITINFO1.
 * @list_gpa, @list_count, @lists: The lists of VMX transitions; L1 uses those whose
 *	count is not 0.
 */
struct msr_guest {
	struct msr_access access;
	bool vmx;
	bool no_bitmap;
	void (*l2_main)(void);
	uint64_t entries;
	uint64_t exit_reason;
	uint64_t exit_info;
	uint64_t list_gpa[NR_MSR_LISTS];
	uint32_t list_count[NR_MSR_LISTS];
	struct vmx_msr_entry lists[NR_MSR_LISTS][2] __aligned(256);
};

extern struct msr_guest msr_guest;

/* L2's reads and writes of both MSRs. */
#define NR_L2_ACCESSES	4
extern const struct msr_access l2_access[NR_L2_ACCESSES];

static inline struct msr_access by(int level, struct msr_access a)
{
	a.level = level;
	return a;
}

void set_up_l1(void *pages, void (*l2_main)(void));
bool enter_l2(void *pages);
void leave_l2(void);

struct kvm_vcpu *create_l1(bool vmx, void (*l1_main)(void *pages), uint8_t **bitmap);
struct kvm_vcpu *create_nested_vcpu(bool vmx, uint8_t **bitmap);
struct kvm_vcpu *create_vcpu_with_lists(void);
struct msr_guest *guest_of(struct kvm_vcpu *vcpu);
void set_l1_intercept(struct kvm_vcpu *vcpu, uint8_t *bitmap, uint32_t msr, bool write);
void go_to_level(struct kvm_vcpu *vcpu, int level);
uint64_t read_at(struct kvm_vcpu *vcpu, int level, uint32_t msr);
void expect_l1_exit(struct kvm_vcpu *vcpu, struct msr_access a);
bool l2_can_be_emulated(struct kvm_vcpu *vcpu);
struct vmx_msr_entry *fill_list(struct kvm_vcpu *vcpu, enum msr_list list, uint32_t msr);
void expect_failed_entry(struct kvm_vcpu *vcpu);
void expect_aborted_exit(struct kvm_vcpu *vcpu);
void expect_exact_tsc_store(struct kvm_vcpu *vcpu, void (*set)(struct kvm_vcpu *vcpu));

/* vCPUs that access an MSR all the time, while its filter changes. */
#define MAX_HAMMERS	3

/*
 * struct msr_tally - a vCPU's accesses
 * @nr: How many began and ended in the same generation.
 * @violations: How many of them were made though denied.
 */
struct msr_tally {
	uint64_t nr;
	uint64_t violations;
} __aligned(64);

/*
 * struct msr_hammer - lives in guest memory, one copy for all vCPUs
 * @msr: The MSR to access.
 * @write: Write it, rather than read it.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @stop: No more accesses.
 * @generation: Odd from when a denying ioctl has returned to when the next is made.
 * @tallies: The vCPUs' own.
 */
struct msr_hammer {
	uint32_t msr;
	bool write;
	bool fep;
	bool stop;
	uint64_t generation;
	struct msr_tally tallies[MAX_HAMMERS];
};

extern struct msr_hammer msr_hammer;

void pin_to_cpu(int n);
void hammer_once(struct msr_tally *tally);
void *run_until_done(void *vcpu);
void wait_for_progress(uint64_t *counter, uint64_t steps);
int hammer_while_filters_change(struct kvm_vcpu **vcpus, int nr, int max_ms);

/* Allocations of the kernel that fail, for the thread that asks for it. */

/*
 * What fails:
 * @NTH: The n-th allocation.
 * @NTH_AND_AFTER: That one, and all that follow.
 * @RANDOM: One in ten.  That is how fallbacks fail half-way.
 */
enum fault_mode { NTH, NTH_AND_AFTER, RANDOM };

/*
 * struct faults - all the faults of an ioctl, one after the other
 * @mode: What fails.
 * @fail_nth, @make_it_fail: Files of the thread.
 * @nth: The present fault.
 * @injected: How many faults there were.
 * @refused: How many of them made the ioctl fail.
 */
struct faults {
	enum fault_mode mode;
	int fail_nth;
	int make_it_fail;
	int nth;
	int injected;
	int refused;
};

bool open_faults(struct faults *f, enum fault_mode mode);
void close_faults(struct faults *f);
bool next_fault(struct faults *f);
int faulty_ioctl(struct faults *f, int fd, unsigned long cmd, void *arg);

/* The rest has nothing to do with MSRs. */
#define CGROUP		"/sys/fs/cgroup"

bool read_file(const char *path, char *buf, size_t size);
bool write_file(const char *path, const char *text);
bool start_trace(const char *event);
void expect_trace(const char *event, const char *want);
int open_log(void);
int times_logged(int log, const char *text);
bool enter_cgroup(void);
void leave_cgroup(void);
void limit_cgroup(const char *bytes);
long charged_bytes(void);
long bytes_charged(int nr_vms, unsigned long cmd, void *arg);
int compat_ioctl(int fd, unsigned int request, void *arg);
bool has_compat_syscalls(void);
void *map_last_page(int prot);
void enable_tsc_deadline(struct kvm_vcpu *vcpu);

#endif /* SELFTEST_KVM_MSR_TEST_H */
