// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_memory_test - KVM_X86_SET_MSR_FILTER and the memory of its bitmaps
 *
 * Of userspace's memory, no more is read than holds bits; the copy is charged to the
 * caller's memory cgroup.
 */
#include <sys/mman.h>

#include "kvm_test_harness.h"
#include "msr_test.h"

KVM_ONE_VCPU_TEST_SUITE(msr_filter_memory);

/* A bitmap may be a single byte, the last one that userspace owns. */
KVM_ONE_VCPU_TEST(msr_filter_memory, bitmap_ends_with_its_page, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 8, READ);
	uint8_t *page = map_last_page(PROT_READ | PROT_WRITE);

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = page + getpagesize() - 1;
	set_filter(vcpu->vm, filter);
	expect_exit(vcpu, MSR_INTERCEPTED);

	/* One MSR more takes one byte more, which is not there. */
	filter.ranges[0].nmsrs = 9;
	expect_refused_filter(vcpu, filter, EFAULT);
}

TEST(memory_is_charged)
{
	struct kvm_msr_filter filter = deny_range(0, MAX_NMSRS, READ);
	long charged;
	int i;

	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);

	for (i = 1; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter.ranges[i] = filter.ranges[0];
	charged = bytes_charged(64, KVM_X86_SET_MSR_FILTER, &filter);
	leave_cgroup();

	/* Charges go by batches: leave them half of the bitmaps' size. */
	TEST_ASSERT(charged > (long)sizeof(msr_filter_no_bits) * KVM_MSR_FILTER_MAX_RANGES / 2,
		    "a full filter was charged %ld bytes", charged);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
