// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_nested_race_test - KVM_X86_SET_MSR_FILTER while L2 runs
 *
 * When the ioctl returns, no L2 makes an access that the new filter denies,
 * whether it stays in the guest meanwhile or is being entered by L1.
 */
#include "kvm_test_harness.h"
#include "msr_test.h"

/* After how many reads L2 returns to L1; 0 for never. */
static int reads_per_entry;

static void l2_main(void)
{
	int reads;

	/* Some emulators never interrupt a guest that has interrupts disabled. */
	asm volatile("sti");

	for (reads = 0; !READ_ONCE(msr_hammer.stop); reads++) {
		if (!reads_per_entry || reads < reads_per_entry)
			hammer_once(&msr_hammer.tallies[0]);
		else
			leave_l2();
	}
	GUEST_DONE();
}

/* L1's MSR bitmap is all zeroes: it intercepts nothing. */
static void l1_main(void *pages)
{
	set_up_l1(pages, l2_main);
	for (;;)
		GUEST_ASSERT(enter_l2(pages));
}

FIXTURE(msr_filter_nested_race)
{
	struct kvm_vcpu *vcpu;
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
	uint8_t *bitmap;

	if (!kvm_cpu_has(variant->vmx ? X86_FEATURE_VMX : X86_FEATURE_SVM))
		SKIP(return, "needs nested %s", variant->vmx ? "VMX" : "SVM");

	self->vcpu = create_l1(variant->vmx, l1_main, &bitmap);
	reads_per_entry = variant->reads_per_entry;
	sync_global_to_guest(self->vcpu->vm, reads_per_entry);
	msr_hammer.msr = MSR_PASSTHROUGH;
	sync_global_to_guest(self->vcpu->vm, msr_hammer);
}

FIXTURE_TEARDOWN(msr_filter_nested_race)
{
	kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_filter_nested_race, ioctl_is_synchronous)
{
	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	pr_info("# %d filters\n", hammer_while_filters_change(&self->vcpu, 1, 5000));
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
