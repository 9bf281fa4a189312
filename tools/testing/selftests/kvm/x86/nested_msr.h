/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest whose L1 and L2 make one MSR access at a time, by SVM or VMX, and what
 * userspace sees of it.
 */
#ifndef SELFTEST_KVM_NESTED_MSR_H
#define SELFTEST_KVM_NESTED_MSR_H

#include <asm/vmx.h>

#include "guest_msr.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"
#include "vmx.h"

/* Intercepted by KVM, never judged by what is tested. */
#define MSR_HARMLESS	MSR_IA32_APICBASE

/* What either MSR holds before an access, and what is written. */
#define OLD		0x0606ull
#define NEW		0x0407ull

/*
 * struct access - what the guest is to do, and what it saw
 * @level: Who is to do it: 1 for L1, 2 for L2.
 * @msr: The MSR.
 * @write: WRMSR rather than RDMSR.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @repeats: How often to do it again.
 * @value: What to write, or what was read.
 * @vector: The exception that the instruction took, or 0.
 */
struct access {
	int level;
	uint32_t msr;
	bool write;
	bool fep;
	uint32_t repeats;
	uint64_t value;
	uint8_t vector;
};

enum msr_list {
	ENTRY_LOAD,
	EXIT_LOAD,
	EXIT_STORE,
	NR_MSR_LISTS,
};

/* The lists of VMX transitions: L1 uses those whose count is not 0. */
struct msr_lists {
	struct vmx_msr_entry entries[NR_MSR_LISTS][2];
	uint64_t gpa[NR_MSR_LISTS];
	uint32_t count[NR_MSR_LISTS];
};

/*
 * struct guest - lives in guest memory
 * @access: What to do next.
 * @vmx: L1 uses VMX rather than SVM.
 * @no_bitmap: L1 does not use an MSR bitmap.
 * @entries: How often L1 entered L2.
 * @exit_reason: Why L2 left last, if it was not at its own request, else 0.
 * @exit_info: The exit qualification, or EXITINFO1.
 * @lists: Aligned so as not to cross a page.
 */
static struct guest {
	struct access access;
	bool vmx;
	bool no_bitmap;
	uint64_t entries;
	uint64_t exit_reason;
	uint64_t exit_info;
	struct msr_lists lists __aligned(256);
} guest;

static uint64_t l2_stack[512];

static inline void make_access(struct access *a)
{
	uint32_t i;

	for (i = 0; i <= a->repeats; i++)
		a->vector = a->write ? guest_wrmsr(a->msr, a->fep, a->value) :
				       guest_rdmsr(a->msr, a->fep, &a->value);
}

/* L1 starts L2 here on every entry: VMX loses its registers in the library. */
static inline void l2_main(void)
{
	for (;;) {
		if (READ_ONCE(guest.access.level) == 2) {
			make_access(&guest.access);
			GUEST_SYNC(0);
		} else if (guest.vmx) {
			asm volatile("vmcall" ::: "memory");
		} else {
			asm volatile("vmmcall" ::: "memory");
		}
	}
}

static inline void set_up_vmx(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_main, NULL);
}

static inline void use_vmx_bitmap(bool use)
{
	uint32_t controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL);

	if (use)
		controls |= CPU_BASED_USE_MSR_BITMAPS;
	else
		controls &= ~CPU_BASED_USE_MSR_BITMAPS;
	GUEST_ASSERT(!vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls));
}

/* Enters L2; returns true if L2 asked to leave. */
static inline bool enter_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->save.rip = (uint64_t)l2_main;
	vmcb->save.rsp = (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)];
	if (guest.no_bitmap)
		vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_MSR_PROT);
	else
		vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	run_guest(vmcb, svm->vmcb_gpa);

	guest.exit_reason = vmcb->control.exit_code;
	guest.exit_info = vmcb->control.exit_info_1;
	return guest.exit_reason == SVM_EXIT_VMMCALL;
}

static inline void write_msr_lists(const struct msr_lists *l)
{
	vmwrite(VM_ENTRY_MSR_LOAD_ADDR, l->gpa[ENTRY_LOAD]);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, l->count[ENTRY_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_ADDR, l->gpa[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, l->count[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_STORE_ADDR, l->gpa[EXIT_STORE]);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, l->count[EXIT_STORE]);
}

static inline bool enter_vmx(void)
{
	vmwrite(GUEST_RIP, (uint64_t)l2_main);
	vmwrite(GUEST_RSP, (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)]);
	use_vmx_bitmap(!guest.no_bitmap);
	write_msr_lists(&guest.lists);

	/* Until L2 has been launched, it cannot be resumed. */
	GUEST_ASSERT(!vmresume() || !vmlaunch());

	guest.exit_reason = vmreadz(VM_EXIT_REASON);
	guest.exit_info = vmreadz(EXIT_QUALIFICATION);
	return guest.exit_reason == EXIT_REASON_VMCALL;
}

static inline void l1_main(void *pages)
{
	if (guest.vmx)
		set_up_vmx(pages);
	else
		generic_svm_setup(pages, l2_main, NULL);

	for (;;) {
		if (READ_ONCE(guest.access.level) == 1) {
			make_access(&guest.access);
		} else {
			guest.entries++;
			if (guest.vmx ? enter_vmx() : enter_svm(pages)) {
				guest.exit_reason = 0;
				continue;
			}
		}
		GUEST_SYNC(0);
	}
}

/*
 * struct outcome - what became of an access
 * @reason: KVM_MSR_EXIT_REASON_* if it exited to userspace, else 0.
 * @l1_exit: The nested exit's reason if it exited to L1, else 0.
 * @l1_info: The nested exit's qualification, or EXITINFO1.
 * @vector: The exception that the guest took, or 0.
 * @value: What the guest read, or what the exit said was written.
 */
struct outcome {
	uint32_t reason;
	uint64_t l1_exit;
	uint64_t l1_info;
	uint8_t vector;
	uint64_t value;
};

static inline struct guest *guest_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest);
}

static inline int level_of(struct kvm_vcpu *vcpu)
{
	return vcpu->run->flags & KVM_RUN_X86_GUEST_MODE ? 2 : 1;
}

/* Whether the access failed is left as KVM has it. */
static inline void answer_exit(struct kvm_vcpu *vcpu, const struct access *a,
			       struct outcome *outcome)
{
	struct kvm_run *run = vcpu->run;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, a->write ? KVM_EXIT_X86_WRMSR :
						     KVM_EXIT_X86_RDMSR);
	TEST_ASSERT_EQ(level_of(vcpu), a->level);
	TEST_ASSERT_EQ(run->msr.index, a->msr);

	outcome->reason = run->msr.reason;
	outcome->value = run->msr.data;
	if (!a->write)
		run->msr.data = ANSWER_VALUE;
}

/* Let L1 or L2 make an access; answer an exit with ANSWER_VALUE. */
static inline struct outcome access_msr(struct kvm_vcpu *vcpu, struct access a)
{
	struct guest *g = guest_of(vcpu);
	struct outcome outcome = {};
	struct ucall uc;

	g->access = a;
	g->exit_reason = 0;
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		answer_exit(vcpu, &a, &outcome);
		vcpu_run(vcpu);
	}

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);

	outcome.l1_exit = g->exit_reason;
	outcome.l1_info = g->exit_info;
	outcome.vector = g->access.vector;
	if (!a.write)
		outcome.value = g->access.value;
	return outcome;
}

static inline void check_outcome(bool ok, const char *what, const struct access *a,
				 const struct outcome *o)
{
	TEST_ASSERT(ok, "L%d's %s%s of 0x%x is not %s: %s %u, %s 0x%lx, %s %u, %s 0x%lx",
		    a->level, a->fep ? "emulated " : "", a->write ? "write" : "read",
		    a->msr, what, "exit reason", o->reason, "nested exit", o->l1_exit,
		    "vector", o->vector, "value", o->value);
}

static inline uint64_t read_at(struct kvm_vcpu *vcpu, int level, uint32_t msr)
{
	struct access a = { .level = level, .msr = msr };
	struct outcome outcome = access_msr(vcpu, a);

	check_outcome(!outcome.reason && !outcome.l1_exit && !outcome.vector, "allowed",
		      &a, &outcome);
	return outcome.value;
}

static inline void go_to_level(struct kvm_vcpu *vcpu, int level)
{
	if (level_of(vcpu) != level)
		read_at(vcpu, level, MSR_HARMLESS);
	TEST_ASSERT_EQ(level_of(vcpu), level);
}

static inline uint64_t l1_exit_for(struct kvm_vcpu *vcpu, bool write)
{
	if (!guest_of(vcpu)->vmx)
		return SVM_EXIT_MSR;

	return write ? EXIT_REASON_MSR_WRITE : EXIT_REASON_MSR_READ;
}

/* L1 is told of L2's access. */
static inline void expect_l1_exit(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome = access_msr(vcpu, a);

	check_outcome(!outcome.reason && outcome.l1_exit == l1_exit_for(vcpu, a.write),
		      "L1's to handle", &a, &outcome);
	check_outcome(guest_of(vcpu)->vmx || outcome.l1_info == a.write,
		      "told apart", &a, &outcome);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
}

static inline void exit_on_denials(struct kvm_vcpu *vcpu)
{
	vm_enable_cap(vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
}

static const struct access l2_access[] = {
	{ .level = 2, .msr = MSR_PASSTHROUGH },
	{ .level = 2, .msr = MSR_PASSTHROUGH, .write = true, .value = NEW },
	{ .level = 2, .msr = MSR_INTERCEPTED },
	{ .level = 2, .msr = MSR_INTERCEPTED, .write = true, .value = NEW },
};

static inline struct access by(int level, struct access a)
{
	a.level = level;
	return a;
}

static inline struct access emulated(struct access a)
{
	a.fep = true;
	return a;
}

/* L1's bitmap, of which no bit is set.  The library allocates half of SVM's. */
static inline uint8_t *alloc_svm(struct kvm_vm *vm, vm_vaddr_t *pages)
{
	struct svm_test_data *svm = vcpu_alloc_svm(vm, pages);
	vm_vaddr_t bitmap = vm_vaddr_alloc_pages(vm, 2);

	svm->msr = (void *)bitmap;
	svm->msr_hva = addr_gva2hva(vm, bitmap);
	svm->msr_gpa = addr_gva2gpa(vm, bitmap);
	memset(svm->msr_hva, 0, 2 * getpagesize());
	return svm->msr_hva;
}

static inline struct kvm_vcpu *create_vcpu(bool vmx, uint8_t **bitmap)
{
	struct kvm_vcpu *vcpu;
	vm_vaddr_t pages;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, l1_main);

	*bitmap = vmx ? vcpu_alloc_vmx(vm, &pages)->msr_hva : alloc_svm(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
	guest_of(vcpu)->vmx = vmx;

	/* Setting up takes MSR accesses that the tests do not allow. */
	read_at(vcpu, 1, MSR_HARMLESS);
	return vcpu;
}

/* Have L1 intercept accesses to an MSR below 0xc0002000. */
static inline void set_l1_intercept(uint8_t *bitmap, bool vmx, uint32_t msr, bool write)
{
	uint32_t bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bitmap += vmx ? 1024 : 2048;

	if (vmx)
		bitmap[bit / 8 + write * 2048] |= 1 << bit % 8;
	else
		bitmap[bit / 4] |= 1 << (bit % 4 * 2 + write);
}

/* A vCPU whose L1 knows where its MSR lists are. */
static inline struct kvm_vcpu *create_vcpu_with_lists(void)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
	int i;

	vcpu = create_vcpu(true, &bitmap);
	for (i = 0; i < NR_MSR_LISTS; i++)
		guest_of(vcpu)->lists.gpa[i] =
			addr_gva2gpa(vcpu->vm, (vm_vaddr_t)guest.lists.entries[i]);
	return vcpu;
}

/* An MSR that nothing is said about comes first: the second is judged. */
static inline struct vmx_msr_entry *fill_list(struct kvm_vcpu *vcpu, enum msr_list list,
					      uint32_t msr)
{
	struct msr_lists *lists = &guest_of(vcpu)->lists;
	struct vmx_msr_entry *entries = lists->entries[list];

	entries[0] = (struct vmx_msr_entry) { .index = MSR_IA32_SYSENTER_CS };
	entries[1] = (struct vmx_msr_entry) { .index = msr, .value = NEW };
	lists->count[list] = 2;
	return &entries[1];
}

/* The second entry of the list is the culprit. */
static inline void expect_failed_entry(struct kvm_vcpu *vcpu)
{
	struct access a = { .level = 2, .msr = MSR_HARMLESS };
	struct outcome outcome = access_msr(vcpu, a);

	TEST_ASSERT_EQ(outcome.l1_exit,
		       EXIT_REASON_MSR_LOAD_FAIL | VMX_EXIT_REASONS_FAILED_VMENTRY);
	TEST_ASSERT_EQ(outcome.l1_info, 2);
	TEST_ASSERT_EQ(outcome.reason, 0);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
}

/* Go from L2 to L1, by an exit that KVM cannot complete. */
static inline void expect_aborted_exit(struct kvm_vcpu *vcpu)
{
	guest_of(vcpu)->access = (struct access) { .level = 1, .msr = MSR_HARMLESS };
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_SHUTDOWN);
}

#endif /* SELFTEST_KVM_NESTED_MSR_H */
