// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_range_test - ranges of KVM_X86_SET_MSR_FILTER at the end of the MSR space
 *
 * A range may end at MSR 2^32 - 1, and then matches; one that goes further is refused.
 */
#include "kvm_test_harness.h"
#include "msr_test.h"

KVM_ONE_VCPU_TEST_SUITE(msr_filter_range);

KVM_ONE_VCPU_TEST(msr_filter_range, einval_past_the_last_msr, msr_guest_main)
{
	expect_refused_filter(vcpu, deny_range(UINT32_MAX, 2, READ), EINVAL);
	expect_refused_filter(vcpu, deny_range(-MAX_NMSRS + 1u, MAX_NMSRS, READ), EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter_range, up_to_the_last_msr, msr_guest_main)
{
	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);

	set_filter(vcpu->vm, deny_range(UINT32_MAX, 1, READ));
	expect_exit(vcpu, UINT32_MAX);
	expect_gp(vcpu, UINT32_MAX - 1);

	set_filter(vcpu->vm, deny_range(-MAX_NMSRS, MAX_NMSRS, READ));
	expect_exit(vcpu, UINT32_MAX);
	expect_exit(vcpu, -MAX_NMSRS);
	expect_gp(vcpu, -MAX_NMSRS - 1u);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
