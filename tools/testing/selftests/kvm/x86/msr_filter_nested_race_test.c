// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_nested_race_test - KVM_X86_SET_MSR_FILTER while L2 runs
 *
 * When the ioctl returns, no L2 makes an access that the new filter denies,
 * whether it stays in the guest meanwhile or is being entered by L1.
 */
#include <pthread.h>
#include <unistd.h>

#include "guest_msr.h"
#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"
#include "vmx.h"

#define HAMMER_ROUNDS	200

/*
 * struct hammer - lives in guest memory
 * @vmx: L1 uses VMX rather than SVM.
 * @reads_per_entry: After how many reads L2 returns to L1; 0 for never.
 * @stop: Set by userspace.
 * @generation: Odd from when a denying ioctl has returned to when the next is made.
 * @reads: Reads that began and ended in the same generation.
 * @violations: Those of an odd generation that were not denied.
 */
static struct hammer {
	bool vmx;
	int reads_per_entry;
	bool stop;
	uint64_t generation;
	uint64_t reads;
	uint64_t violations;
} hammer;

static uint64_t l2_stack[512];

static void read_once(struct hammer *h)
{
	uint64_t before = READ_ONCE(h->generation);
	uint64_t value;
	uint8_t vector = rdmsr_safe(MSR_PASSTHROUGH, &value);

	__GUEST_ASSERT(!vector, "RDMSR took exception %u", vector);
	if (before != READ_ONCE(h->generation))
		return;

	if (before & 1 && value != ANSWER_VALUE)
		WRITE_ONCE(h->violations, h->violations + 1);
	WRITE_ONCE(h->reads, h->reads + 1);
}

/* L1 starts L2 here on every entry: VMX loses its registers in the library. */
static void l2_main(void)
{
	int reads;

	/* Some emulators never interrupt a guest that has interrupts disabled. */
	asm volatile("sti");

	for (reads = 0; !READ_ONCE(hammer.stop); reads++) {
		if (!hammer.reads_per_entry || reads < hammer.reads_per_entry)
			read_once(&hammer);
		else if (hammer.vmx)
			asm volatile("vmcall" ::: "memory");
		else
			asm volatile("vmmcall" ::: "memory");
	}
	GUEST_DONE();
}

/* L1's MSR bitmap is all zeroes: it intercepts nothing. */
static void l1_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	generic_svm_setup(svm, l2_main, NULL);
	vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	for (;;) {
		vmcb->save.rip = (uint64_t)l2_main;
		vmcb->save.rsp = (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)];
		run_guest(vmcb, svm->vmcb_gpa);
		GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	}
}

static void l1_vmx(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_main, NULL);
	GUEST_ASSERT(!vmwrite(CPU_BASED_VM_EXEC_CONTROL,
			      vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
			      CPU_BASED_USE_MSR_BITMAPS));
	for (;;) {
		GUEST_ASSERT(!vmwrite(GUEST_RIP, (uint64_t)l2_main));
		GUEST_ASSERT(!vmwrite(GUEST_RSP,
				      (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)]));
		/* Until L2 has been launched, it cannot be resumed. */
		GUEST_ASSERT(!vmresume() || !vmlaunch());
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	}
}

static void l1_main(void *pages)
{
	if (hammer.vmx)
		l1_vmx(pages);
	else
		l1_svm(pages);
}

static void *run_hammer(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	for (;;) {
		vcpu_run(vcpu);
		TEST_ASSERT(vcpu->run->flags & KVM_RUN_X86_GUEST_MODE, "exit from L1: %s",
			    exit_reason_str(vcpu->run->exit_reason));
		if (vcpu->run->exit_reason != KVM_EXIT_X86_RDMSR)
			break;
		vcpu->run->msr.data = ANSWER_VALUE;
	}

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_DONE);
	return NULL;
}

/*
 * Until L2 has read the MSR in this generation, or is beyond hope.  The first
 * read to be counted may be one of the generation before.
 */
static void wait_for_reads(struct hammer *h)
{
	uint64_t before = READ_ONCE(h->reads);
	int i;

	for (i = 0; i < 10000; i++) {
		usleep(100);
		if (READ_ONCE(h->reads) >= before + 2)
			return;
	}

	TEST_FAIL("L2 does not read");
}

static void swap_filters(struct kvm_vm *vm, struct hammer *h)
{
	static uint8_t no_bits;
	struct kvm_msr_filter deny = {
		.ranges = {
			{ .flags = KVM_MSR_FILTER_READ, .base = MSR_PASSTHROUGH,
			  .nmsrs = 1, .bitmap = &no_bits },
		},
	};
	struct kvm_msr_filter none = {};
	int i;

	for (i = 0; i < HAMMER_ROUNDS; i++) {
		/* L2 has to be entered while the MSR is passed through. */
		wait_for_reads(h);
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &deny);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		wait_for_reads(h);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &none);
	}
}

FIXTURE(msr_filter_nested_race)
{
	struct kvm_vcpu *vcpu;
	struct hammer *hammer;
};

FIXTURE_VARIANT(msr_filter_nested_race)
{
	bool vmx;
	int reads_per_entry;
};

FIXTURE_VARIANT_ADD(msr_filter_nested_race, svm_running) {};
FIXTURE_VARIANT_ADD(msr_filter_nested_race, svm_entering) { .reads_per_entry = 1 };
FIXTURE_VARIANT_ADD(msr_filter_nested_race, vmx_running) { .vmx = true };
FIXTURE_VARIANT_ADD(msr_filter_nested_race, vmx_entering)
{
	.vmx = true,
	.reads_per_entry = 1,
};

FIXTURE_SETUP(msr_filter_nested_race)
{
	vm_vaddr_t pages;
	struct kvm_vm *vm;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (variant->vmx && !kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");
	if (!variant->vmx && !kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "needs nested SVM");

	vm = vm_create_with_one_vcpu(&self->vcpu, l1_main);
	if (variant->vmx)
		vcpu_alloc_vmx(vm, &pages);
	else
		vcpu_alloc_svm(vm, &pages);
	vcpu_args_set(self->vcpu, 1, pages);

	self->hammer = addr_gva2hva(vm, (vm_vaddr_t)&hammer);
	self->hammer->vmx = variant->vmx;
	self->hammer->reads_per_entry = variant->reads_per_entry;
}

FIXTURE_TEARDOWN(msr_filter_nested_race)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_filter_nested_race, ioctl_is_synchronous)
{
	struct hammer *h = self->hammer;
	pthread_t thread;

	vm_enable_cap(self->vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR,
		      KVM_MSR_EXIT_REASON_FILTER);
	pthread_create(&thread, NULL, run_hammer, self->vcpu);

	swap_filters(self->vcpu->vm, h);
	WRITE_ONCE(h->stop, true);
	pthread_join(thread, NULL);

	TEST_ASSERT(!h->violations, "%lu reads were made after they had been denied",
		    h->violations);
}

TEST_HARNESS_MAIN
