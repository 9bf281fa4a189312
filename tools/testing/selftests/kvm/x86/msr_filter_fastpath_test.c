// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_fastpath_test - KVM_X86_SET_MSR_FILTER and MSR_IA32_TSC_DEADLINE
 *
 * The write that arms the timer obeys the filter, although KVM handles it early if it
 * can: in Linux 6.12 on Intel with the VMX preemption timer, in Linux 7.3 on Intel and
 * on AMD with nRIP save.
 */
#include "kvm_test_harness.h"
#include "msr_test.h"

KVM_ONE_VCPU_TEST_SUITE(msr_filter_fastpath);

KVM_ONE_VCPU_TEST(msr_filter_fastpath, tsc_deadline, msr_guest_main)
{
	struct msr_access arm = { .msr = MSR_IA32_TSC_DEADLINE, .write = true,
				  .value = ~0ull >> 1 };

	/* Allowed, it is armed: otherwise there is nothing to see below. */
	enable_tsc_deadline(vcpu);
	expect_access(vcpu, arm, &msr_performed);

	set_filter(vcpu->vm, deny_range(MSR_IA32_TSC_DEADLINE, 1, WRITE));
	expect_access(vcpu, arm, &msr_faults);
	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	expect_access(vcpu, arm, &msr_exits);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
