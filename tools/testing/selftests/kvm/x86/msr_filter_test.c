// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_test - KVM_X86_SET_MSR_FILTER: what is refused, and what holds
 *
 * - Each malformed filter gets its errno, and the filter before it stays.
 * - Ranges mean what they say.
 * - A denied access exits or faults, however KVM comes to execute it.
 */
#include "apic.h"
#include "kvm_test_harness.h"
#include "msr_test.h"

#define DENY		KVM_MSR_FILTER_DEFAULT_DENY

static uint8_t all_bits[] = { 0xff };

KVM_ONE_VCPU_TEST_SUITE(msr_filter);

KVM_ONE_VCPU_TEST(msr_filter, einval_filter_flag, msr_guest_main)
{
	struct kvm_msr_filter bad = deny_range(0, 1, READ);

	bad.flags = KVM_MSR_FILTER_VALID_MASK + 1;
	expect_refused_filter(vcpu, bad, EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter, einval_default_deny_without_ranges, msr_guest_main)
{
	expect_refused_filter(vcpu, (struct kvm_msr_filter) { .flags = DENY }, EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter, einval_range_flags, msr_guest_main)
{
	expect_refused_filter(vcpu, deny_range(0, 1, 0), EINVAL);
	expect_refused_filter(vcpu, deny_range(0, 1, READ | (WRITE << 1)), EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter, einval_too_many_msrs, msr_guest_main)
{
	expect_refused_filter(vcpu, deny_range(0, MAX_NMSRS + 1, READ), EINVAL);
	expect_refused_filter(vcpu, deny_range(0, UINT32_MAX, READ), EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter, einval_last_range, msr_guest_main)
{
	struct kvm_msr_filter bad = deny_range(0, MAX_NMSRS, READ);
	int i;

	for (i = 1; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		bad.ranges[i] = bad.ranges[0];

	bad.ranges[i - 1].flags = 0;
	expect_refused_filter(vcpu, bad, EINVAL);
}

KVM_ONE_VCPU_TEST(msr_filter, efault_bitmap, msr_guest_main)
{
	struct kvm_msr_filter bad = deny_range(0, 1, READ);

	bad.ranges[0].bitmap = NULL;
	expect_refused_filter(vcpu, bad, EFAULT);
}

KVM_ONE_VCPU_TEST(msr_filter, efault_filter, msr_guest_main)
{
	struct kvm_msr_filter *nowhere = NULL;
	int r = __vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, nowhere);

	TEST_ASSERT(r == -1 && errno == EFAULT, "returned %d, errno %d", r, errno);
}

KVM_ONE_VCPU_TEST(msr_filter, einval_exit_reason, msr_guest_main)
{
	int r = __vm_enable_cap(vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR,
				KVM_MSR_EXIT_REASON_VALID_MASK + 1);

	TEST_ASSERT(r == -1 && errno == EINVAL, "returned %d, errno %d", r, errno);
}

/* A range without MSRs is no range: nothing else in it is looked at. */
KVM_ONE_VCPU_TEST(msr_filter, empty_range_is_skipped, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(UINT32_MAX, 0, UINT32_MAX);

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = NULL;
	filter.ranges[1] = deny_range(MSR_INTERCEPTED, 1, READ).ranges[0];
	set_filter(vcpu->vm, filter);
	expect_exit(vcpu, MSR_INTERCEPTED);
}

KVM_ONE_VCPU_TEST(msr_filter, first_range_wins, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(MSR_PASSTHROUGH, 1, READ);

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[1] = filter.ranges[0];
	filter.ranges[1].bitmap = all_bits;
	set_filter(vcpu->vm, filter);
	expect_exit(vcpu, MSR_PASSTHROUGH);

	filter.ranges[0].bitmap = all_bits;
	filter.ranges[1].bitmap = msr_filter_no_bits;
	set_filter(vcpu->vm, filter);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
}

/* Bits are counted from the base, the lowest bit of the first byte first. */
KVM_ONE_VCPU_TEST(msr_filter, bitmap_is_per_msr, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(MSR_FS_BASE - 7, 16, READ);
	uint8_t bits[] = { 0x80, 0x02 };

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = bits;
	set_filter(vcpu->vm, filter);
	expect_read(vcpu, MSR_FS_BASE, 0);
	expect_exit(vcpu, MSR_GS_BASE);
	expect_read(vcpu, MSR_KERNEL_GS_BASE, 0);

	bits[0] = 0;
	bits[1] = 0x01;
	set_filter(vcpu->vm, filter);
	expect_exit(vcpu, MSR_FS_BASE);
	expect_read(vcpu, MSR_GS_BASE, 0);
	expect_exit(vcpu, MSR_KERNEL_GS_BASE);
}

KVM_ONE_VCPU_TEST(msr_filter, default_deny, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(MSR_FS_BASE, 1, READ | WRITE);

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	filter.flags = DENY;
	filter.ranges[0].bitmap = all_bits;
	set_filter(vcpu->vm, filter);

	expect_read(vcpu, MSR_FS_BASE, 0);
	expect_exit(vcpu, MSR_PASSTHROUGH);
	expect_exit(vcpu, 0);
	expect_exit(vcpu, UINT32_MAX);
}

KVM_ONE_VCPU_TEST(msr_filter, empty_filter_removes, msr_guest_main)
{
	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu->vm, deny_range(MSR_PASSTHROUGH, 1, READ));
	expect_exit(vcpu, MSR_PASSTHROUGH);
	remove_filter(vcpu->vm);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
}

/* x2APIC MSRs cannot be filtered; trying has no effect. */
KVM_ONE_VCPU_TEST(msr_filter, x2apic_is_exempt, msr_guest_main)
{
	struct kvm_msr_filter filter = deny_range(APIC_BASE_MSR, 0x100, READ | WRITE);

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	vcpu_set_msr(vcpu, MSR_IA32_APICBASE,
		     vcpu_get_msr(vcpu, MSR_IA32_APICBASE) | X2APIC_ENABLE);

	set_filter(vcpu->vm, filter);
	expect_read(vcpu, APIC_BASE_MSR + (APIC_TASKPRI >> 4), 0);
	filter.flags = DENY;
	set_filter(vcpu->vm, filter);
	expect_read(vcpu, APIC_BASE_MSR + (APIC_TASKPRI >> 4), 0);
}

/* Host accesses are not the guest's. */
KVM_ONE_VCPU_TEST(msr_filter, host_is_exempt, msr_guest_main)
{
	set_filter(vcpu->vm, deny_range(MSR_INTERCEPTED, 1, READ | WRITE));
	vcpu_set_msr(vcpu, MSR_INTERCEPTED, OLD_VALUE);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_INTERCEPTED), OLD_VALUE);
}

KVM_ONE_VCPU_TEST(msr_filter, reaches_a_vcpu_created_later, msr_guest_main)
{
	struct kvm_vcpu *later;

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu->vm, deny_range(MSR_PASSTHROUGH, 1, READ));
	later = vm_vcpu_add(vcpu->vm, 1, msr_guest_main);
	expect_exit(later, MSR_PASSTHROUGH);
	expect_exit(vcpu, MSR_PASSTHROUGH);
}

struct compat_filter {
	uint32_t flags;
	struct {
		uint32_t flags;
		uint32_t nmsrs;
		uint32_t base;
		uint32_t bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define SET_MSR_FILTER_COMPAT	_IOW(KVMIO, 0xc6, struct compat_filter)

TEST_F(msr_filter, ioctl_of_a_32_bit_caller)
{
	struct compat_filter *filter = map_last_page(PROT_READ | PROT_WRITE);
	struct kvm_vcpu *vcpu = self->vcpu;
	int fd = vcpu->vm->fd;

	if (!has_compat_syscalls())
		SKIP(return, "needs CONFIG_IA32_EMULATION");

	vcpu_arch_set_entry_point(vcpu, msr_guest_main);
	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);

	/* Any byte of the page that stays zero does for the bitmap. */
	filter->ranges[15].flags = READ;
	filter->ranges[15].base = MSR_PASSTHROUGH;
	filter->ranges[15].nmsrs = 1;
	filter->ranges[15].bitmap = (uintptr_t)filter + getpagesize() / 2;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), 0);
	expect_exit(vcpu, MSR_PASSTHROUGH);

	filter->ranges[15].bitmap = 0;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), -EFAULT);
	filter->ranges[15].flags = 0;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), -EINVAL);
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, NULL), -EFAULT);
	expect_exit(vcpu, MSR_PASSTHROUGH);

	/* Other vm ioctls are none of the filter's business. */
	TEST_ASSERT(compat_ioctl(fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_NR_VCPUS) > 0,
		    "KVM_CHECK_EXTENSION failed");
	TEST_ASSERT_EQ(compat_ioctl(fd, _IO(KVMIO, 0xff), NULL), -ENOTTY);

	memset(filter, 0, sizeof(*filter));
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), 0);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
}

/* Accesses, by the way in which KVM comes to execute the instruction. */
FIXTURE(msr_exit)
{
	struct kvm_vcpu *vcpu;
	struct msr_access read;
	struct msr_access write;
};

FIXTURE_VARIANT(msr_exit)
{
	uint32_t msr;
	bool fep;
};

FIXTURE_VARIANT_ADD(msr_exit, intercepted) { MSR_INTERCEPTED };
FIXTURE_VARIANT_ADD(msr_exit, passthrough) { MSR_PASSTHROUGH };
FIXTURE_VARIANT_ADD(msr_exit, intercepted_emulated) { MSR_INTERCEPTED, true };
FIXTURE_VARIANT_ADD(msr_exit, passthrough_emulated) { MSR_PASSTHROUGH, true };

FIXTURE_SETUP(msr_exit)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
	self->read = (struct msr_access) { .msr = variant->msr, .fep = variant->fep };
	self->write = (struct msr_access) { .msr = variant->msr, .fep = variant->fep,
					    .write = true, .value = NEW_VALUE };
}

FIXTURE_TEARDOWN(msr_exit)
{
	kvm_vm_free(self->vcpu->vm);
}

/* The filter alone decides; userspace's wish for exits only decides how. */
TEST_F(msr_exit, gp_without_exits)
{
	set_filter(self->vcpu->vm, deny_range(variant->msr, 1, READ | WRITE));
	expect_access(self->vcpu, self->read, &msr_faults);
	expect_access(self->vcpu, self->write, &msr_faults);

	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	expect_access(self->vcpu, self->read, &msr_faults);
	expect_access(self->vcpu, self->write, &msr_faults);
}

TEST_F(msr_exit, each_reply)
{
	const struct msr_result *results[] = { &msr_exits, &msr_refused, &msr_forgotten };
	int i;

	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu->vm, deny_range(variant->msr, 1, READ | WRITE));
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		expect_access(self->vcpu, self->read, results[i]);
		expect_access(self->vcpu, self->write, results[i]);
	}
}

TEST_F(msr_exit, read_and_write_apart)
{
	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu->vm, deny_range(variant->msr, 1, WRITE));
	expect_access(self->vcpu, self->read, &msr_performed);
	expect_access(self->vcpu, self->write, &msr_exits);

	set_filter(self->vcpu->vm, deny_range(variant->msr, 1, READ));
	expect_access(self->vcpu, self->read, &msr_exits);
	expect_access(self->vcpu, self->write, &msr_performed);
}

/* The other two reasons are not the filter's, but end in the same exits. */
TEST_F(msr_exit, unknown_and_invalid)
{
	struct msr_access unknown = { .msr = 0xdead, .fep = variant->fep };
	struct msr_access invalid = { .msr = MSR_IA32_CR_PAT, .write = true, .value = ~0ull,
				      .fep = variant->fep };
	struct msr_result unknown_exits = msr_exits, invalid_exits = msr_exits;

	unknown_exits.reason = KVM_MSR_EXIT_REASON_UNKNOWN;
	invalid_exits.reason = KVM_MSR_EXIT_REASON_INVAL;
	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	expect_access(self->vcpu, unknown, &unknown_exits);
	expect_access(self->vcpu, invalid, &invalid_exits);
	invalid_exits.reply = REFUSE;
	invalid_exits.vector = GP_VECTOR;
	expect_access(self->vcpu, invalid, &invalid_exits);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
