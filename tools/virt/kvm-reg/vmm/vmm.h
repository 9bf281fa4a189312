/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small VMM on raw KVM ioctls: one slot of memory and real-mode vCPUs that
 * do nothing but access registers, and share memory.  Every function that fails says which call
 * failed, why and what to do about it, and ends the program with VMM_FAILED.
 */
#ifndef VMM_H
#define VMM_H

/* Guest memory, all of it in the first 64 KiB; guest.S uses these as well. */
#define GUEST_IVT	0x0000	/* the real-mode interrupt vectors */
#define GUEST_FAULTS	0x0600	/* u32: how many #GPs the guest has taken */
#define GUEST_CODE	0x1000	/* where the code of guest.S is copied to */
#define GUEST_STACK	0x8000	/* grows down */
#define GUEST_SIZE	0x10000

/* What the guest writes to, to say how a run ended */
#define PORT_DONE	0x10	/* all accesses were made */
#define PORT_LOST	0x11	/* an exception other than #GP came up */

/* KVM_HC_MAP_GPA_RANGE and its attributes, for guest.S: <linux/kvm_para.h> is C. */
#define GUEST_MAP_GPA_RANGE	12
#define GUEST_SHARED		0x00
#define GUEST_PRIVATE		0x10

#ifndef __ASSEMBLER__

#include <err.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/kvm.h>
#include <asm/kvm_reg_rules.h>
#include <asm/kvm_shared_ranges.h>

#define __noreturn	__attribute__((noreturn))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit status: the program could not do its work at all */
#define VMM_FAILED	2

#define VMM_MAX_VCPUS	4

struct vmm_vcpu {
	int fd;
	int stats_fd;
	const char *stat;	/* the counter that was read last, and where it is */
	size_t stat_offset;
	struct kvm_run *run;
};

struct vmm {
	int kvm_fd;
	int vm_fd;
	size_t run_size;
	bool irqchip;
	unsigned char *memory;
	int nr_vcpus;
	struct vmm_vcpu vcpus[VMM_MAX_VCPUS];
};

/* What writes a control register; VMM_CLTS is a MOV to CR0, and then a CLTS */
enum vmm_control { VMM_NONE, VMM_MOV_CR0, VMM_MOV_CR4, VMM_CLTS, VMM_XSETBV };

struct vmm_controls {
	__u64 cr0;
	__u64 cr4;
	__u64 xcr0;		/* only if CR4 has OSXSAVE, otherwise 0 */
};

/* kvm_run.reg_write, for a <linux/kvm.h> that does not know it */
#ifndef KVM_EXIT_X86_REG_WRITE
#define KVM_EXIT_X86_REG_WRITE	100
#endif

struct vmm_reg_write {
	__u32 space;
	__u32 index;
	__u64 old;
	__u64 data;
	__u8 error;
	__u8 pad[7];
};

/* Accesses the guest is told to make */
struct vmm_access {
	enum vmm_control control;	/* instead of an MSR */
	__u32 toggle;		/* bits that each of several writes to it inverts, but CLTS */
	bool write;
	bool emulated;		/* by KVM, with kvm.force_emulation_prefix=1 */
	__u32 index;
	__u64 value;		/* of a write */
	__u32 times;		/* 0 as well as 1 is once */
};

/* What became of an access */
struct vmm_outcome {
	bool exited;
	bool error;		/* the exit arrived as failed */
	bool gp;
	__u32 reason;		/* of the exit */
	__u64 data;		/* that the exit showed */
	__u64 value;		/* read */
};

/* Answers an exit that waits in vcpu->run */
typedef void vmm_answer(struct vmm_vcpu *vcpu, const void *arg);

/* "--NAME=", to be followed by a number, or "--NAME", which stands for 1 */
struct vmm_option {
	const char *name;
	unsigned long long *value;
};

void vmm_create(struct vmm *vm);
/* With a vCPU that has all that KVM supports */
void vmm_create_supported(struct vmm *vm);
void vmm_destroy(struct vmm *vm);
struct vmm_vcpu *vmm_add_vcpu(struct vmm *vm);

/* KVM's own APICs, for the vCPUs that are added later */
void vmm_create_irqchip(struct vmm *vm);

/* All that KVM_GET_SUPPORTED_CPUID reports, and with an irqchip the TSC deadline */
void vmm_set_supported_cpuid(struct vmm *vm, struct vmm_vcpu *vcpu);
/* Just enough for KVM to offer its Hyper-V MSRs */
void vmm_set_hyperv_cpuid(struct vmm_vcpu *vcpu);

void vmm_set_msr(struct vmm_vcpu *vcpu, __u32 index, __u64 value);
void vmm_set_controls(struct vmm_vcpu *vcpu, const struct vmm_controls *controls);
struct vmm_controls vmm_get_controls(struct vmm_vcpu *vcpu);
struct vmm_reg_write *vmm_reg_write(struct vmm_vcpu *vcpu);
void vmm_set_msr_filter(struct vmm *vm, const struct kvm_msr_filter *filter);
/* KVM_CAP_X86_USER_SPACE_MSR with KVM_MSR_EXIT_REASON_* in @reasons */
void vmm_set_msr_exits(struct vmm *vm, __u32 reasons);

/* KVM_CAP_X86_REG_RULES: the most rules in a list; 0 if KVM has none */
__u32 vmm_max_reg_rules(void);
void vmm_set_reg_rules(struct vmm *vm, const struct kvm_x86_reg_rules *rules);
/* As KVM_X86_GET_REG_RULES: @rules says how many there is room for, and where. */
void vmm_get_reg_rules(struct vmm *vm, struct kvm_x86_reg_rules *rules);

/* KVM_CAP_EXIT_HYPERCALL for KVM_HC_MAP_GPA_RANGE */
void vmm_set_share_exits(struct vmm *vm);

/* KVM_CAP_X86_SHARED_RANGES: the most ranges in a list; 0 if KVM has none */
__u32 vmm_max_shared_ranges(void);
void vmm_enable_shared_ranges(struct vmm *vm, __u32 max_ranges);
void vmm_set_shared_ranges(struct vmm *vm, const struct kvm_x86_shared_ranges *ranges);
/* As KVM_X86_GET_SHARED_RANGES: @ranges says how many there is room for, and where. */
void vmm_get_shared_ranges(struct vmm *vm, struct kvm_x86_shared_ranges *ranges);

/* Put other code in place of guest.S, with its handlers of #GP and of all else. */
void vmm_load(struct vmm *vm, const unsigned char *begin, const unsigned char *end,
	      const unsigned char *gp, const unsigned char *lost);

/* Point the guest at @access and clear its count of faults. */
void vmm_start(struct vmm *vm, struct vmm_vcpu *vcpu, const struct vmm_access *access);

/* Have the guest share the page at @gpa and unshare it, @times times. */
void vmm_start_sharing(struct vmm_vcpu *vcpu, __u32 gpa, __u32 times);

/*
 * Run up to the next exit.  False: all accesses are made.  True: the exit is
 * KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, KVM_EXIT_X86_REG_WRITE or KVM_EXIT_HYPERCALL
 * and waits in vcpu->run for an answer.  Anything else is an error.
 */
bool vmm_run(struct vmm_vcpu *vcpu);

/*
 * All of it for one access to an MSR by the first vCPU: @answer is called with @arg for
 * an exit; if it is NULL, an exit is an error.
 */
struct vmm_outcome vmm_make_access(struct vmm *vm, const struct vmm_access *access,
				   vmm_answer *answer, const void *arg);
/* What the guest got: "#GP", "done" or "value 0x..." */
void vmm_describe(bool write, const struct vmm_outcome *o, char *s, size_t size);

__u32 vmm_faults(const struct vmm *vm);
__u64 vmm_value(struct vmm_vcpu *vcpu);		/* EDX:EAX */
__u32 vmm_left(struct vmm_vcpu *vcpu);		/* accesses not made yet */
__u32 vmm_results(struct vmm_vcpu *vcpu);	/* of the hypercalls, ORed */
/* A counter, by its name: "exits" are the VM-exits since creation */
__u64 vmm_stat(struct vmm_vcpu *vcpu, const char *name);

/*
 * Parse the command line up to the first NAME, which is returned, and is an error unless
 * @names is set.  @options, NULL for none, ends with an entry that is all zero; --help
 * prints @usage.
 */
char **vmm_parse(int argc, char **argv, const char *usage, const struct vmm_option *options,
		 bool names);

/* Print "PROGRAM: MESSAGE" and exit. */
#define vmm_fail(...)	errx(VMM_FAILED, __VA_ARGS__)

/* The labels of guest.S */
extern const unsigned char guest_begin[], guest_end[];
extern const unsigned char guest_rdmsr[], guest_wrmsr[], guest_gp[], guest_lost[];
extern const unsigned char guest_emulated_rdmsr[], guest_emulated_wrmsr[];
extern const unsigned char guest_mov_cr0[], guest_mov_cr4[], guest_clts[], guest_xsetbv[];
extern const unsigned char guest_share[];

#endif /* !__ASSEMBLER__ */
#endif /* VMM_H */
