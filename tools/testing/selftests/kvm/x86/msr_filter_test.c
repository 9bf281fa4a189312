// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_test - KVM_X86_SET_MSR_FILTER: what is refused, and what holds
 *
 * - Each malformed filter gets its errno, and the filter before it stays.
 * - Ranges mean what they say, up to and including MSR 2^32 - 1.
 * - A denied access exits or faults, however KVM comes to execute it.
 * - The filter's memory is charged to the caller.
 *
 * For vCPUs that run while the filter is set, see msr_filter_race_test, and for those
 * that come and go, msr_filter_lifetime_test.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apic.h"
#include "compat_ioctl.h"
#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "memcg.h"
#include "msr_access.h"
#include "processor.h"
#include "test_util.h"

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define DENY		KVM_MSR_FILTER_DEFAULT_DENY
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

/* All zeroes: denies whatever it covers. */
static uint8_t no_bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

/* Exits for the filter's sake, or for the capability's, never start out as failed. */
static struct outcome access_open(struct kvm_vcpu *vcpu, struct access a, enum reply reply)
{
	struct outcome outcome = access_msr(vcpu, a, reply);

	TEST_ASSERT_EQ(outcome.error, 0);
	return outcome;
}

static struct outcome read_open(struct kvm_vcpu *vcpu, uint32_t msr)
{
	return access_open(vcpu, (struct access) { .msr = msr }, ANSWER);
}

static struct outcome write_open(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return access_open(vcpu, (struct access) { .msr = msr, .write = true,
						   .value = value }, ANSWER);
}

static struct kvm_msr_filter deny_range(uint32_t base, uint32_t nmsrs, uint32_t flags)
{
	return (struct kvm_msr_filter) {
		.ranges = {
			{ .flags = flags, .base = base, .nmsrs = nmsrs, .bitmap = no_bits },
		},
	};
}

static void set_filter(struct kvm_vcpu *vcpu, struct kvm_msr_filter filter)
{
	vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void exit_on(struct kvm_vcpu *vcpu, uint64_t reasons)
{
	vm_enable_cap(vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

static void expect_denied(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_open(vcpu, msr);

	TEST_ASSERT(outcome.reason == KVM_MSR_EXIT_REASON_FILTER,
		    "read of 0x%x: no exit for the filter's sake, but reason %u, vector %u",
		    msr, outcome.reason, outcome.vector);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
}

static void expect_allowed(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_open(vcpu, msr);

	TEST_ASSERT(!outcome.reason && !outcome.vector,
		    "read of 0x%x: reason %u, vector %u", msr, outcome.reason,
		    outcome.vector);
}

/* A bad filter must be refused with @err, and leave the good one in force. */
static void expect_refused(struct kvm_vcpu *vcpu, struct kvm_msr_filter bad, int err)
{
	int r;

	exit_on(vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu, deny_range(MSR_INTERCEPTED, 1, READ));

	r = __vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &bad);
	TEST_ASSERT(r == -1 && errno == err, "returned %d, errno %d, not errno %d",
		    r, errno, err);
	expect_denied(vcpu, MSR_INTERCEPTED);
	expect_allowed(vcpu, MSR_PASSTHROUGH);
}

FIXTURE(msr_filter)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(msr_filter)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	vm_create_with_one_vcpu(&self->vcpu, guest_main);
}

FIXTURE_TEARDOWN(msr_filter)
{
	kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_filter, einval_filter_flag)
{
	struct kvm_msr_filter bad = deny_range(0, 1, READ);

	bad.flags = KVM_MSR_FILTER_VALID_MASK + 1;
	expect_refused(self->vcpu, bad, EINVAL);
}

TEST_F(msr_filter, einval_default_deny_without_ranges)
{
	expect_refused(self->vcpu, (struct kvm_msr_filter) { .flags = DENY }, EINVAL);
}

TEST_F(msr_filter, einval_no_range_flag)
{
	expect_refused(self->vcpu, deny_range(0, 1, 0), EINVAL);
}

TEST_F(msr_filter, einval_range_flag)
{
	expect_refused(self->vcpu, deny_range(0, 1, READ | (WRITE << 1)), EINVAL);
}

TEST_F(msr_filter, einval_too_many_msrs)
{
	expect_refused(self->vcpu, deny_range(0, MAX_NMSRS + 1, READ), EINVAL);
	expect_refused(self->vcpu, deny_range(0, UINT32_MAX, READ), EINVAL);
}

TEST_F(msr_filter, einval_beyond_2_to_the_32)
{
	expect_refused(self->vcpu, deny_range(UINT32_MAX, 2, READ), EINVAL);
	expect_refused(self->vcpu, deny_range(-MAX_NMSRS + 1u, MAX_NMSRS, READ), EINVAL);
}

TEST_F(msr_filter, einval_last_range)
{
	struct kvm_msr_filter bad = deny_range(0, MAX_NMSRS, READ);
	int i;

	for (i = 1; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		bad.ranges[i] = bad.ranges[0];

	bad.ranges[i - 1].flags = 0;
	expect_refused(self->vcpu, bad, EINVAL);
}

TEST_F(msr_filter, efault_bitmap)
{
	struct kvm_msr_filter bad = deny_range(0, 1, READ);

	bad.ranges[0].bitmap = NULL;
	expect_refused(self->vcpu, bad, EFAULT);
}

TEST_F(msr_filter, efault_filter)
{
	struct kvm_msr_filter *nowhere = NULL;
	int r = __vm_ioctl(self->vcpu->vm, KVM_X86_SET_MSR_FILTER, nowhere);

	TEST_ASSERT(r == -1 && errno == EFAULT, "returned %d, errno %d", r, errno);
}

/* A range without MSRs is no range: nothing else in it is looked at. */
TEST_F(msr_filter, empty_range_is_skipped)
{
	struct kvm_msr_filter filter = deny_range(UINT32_MAX, 0, UINT32_MAX);

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = NULL;
	filter.ranges[1] = deny_range(MSR_INTERCEPTED, 1, READ).ranges[0];
	set_filter(self->vcpu, filter);
	expect_denied(self->vcpu, MSR_INTERCEPTED);
}

/* A bitmap may be a single byte, the last one that userspace owns. */
TEST_F(msr_filter, bitmap_ends_with_its_page)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 8, READ);
	uint8_t *mem = mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() failed: %d", errno);
	munmap(mem + getpagesize(), getpagesize());

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = mem + getpagesize() - 1;
	set_filter(self->vcpu, filter);
	expect_denied(self->vcpu, MSR_INTERCEPTED);

	/* One MSR more takes one byte more, which is not there. */
	filter.ranges[0].nmsrs = 9;
	expect_refused(self->vcpu, filter, EFAULT);
}

TEST_F(msr_filter, range_ends_at_2_to_the_32)
{
	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);

	set_filter(self->vcpu, deny_range(UINT32_MAX, 1, READ));
	expect_denied(self->vcpu, UINT32_MAX);
	TEST_ASSERT_EQ(read_open(self->vcpu, UINT32_MAX - 1).vector, GP_VECTOR);

	set_filter(self->vcpu, deny_range(-MAX_NMSRS, MAX_NMSRS, READ));
	expect_denied(self->vcpu, UINT32_MAX);
	expect_denied(self->vcpu, -MAX_NMSRS);
	TEST_ASSERT_EQ(read_open(self->vcpu, -MAX_NMSRS - 1u).vector, GP_VECTOR);
}

TEST_F(msr_filter, first_range_wins)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 1, READ);
	uint8_t all_bits = 0xff;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[1] = filter.ranges[0];
	filter.ranges[1].bitmap = &all_bits;
	set_filter(self->vcpu, filter);
	expect_denied(self->vcpu, MSR_INTERCEPTED);

	filter.ranges[0].bitmap = &all_bits;
	filter.ranges[1].bitmap = no_bits;
	set_filter(self->vcpu, filter);
	expect_allowed(self->vcpu, MSR_INTERCEPTED);
}

/* Bits are counted from the base, the lowest bit of the first byte first. */
TEST_F(msr_filter, bitmap_is_per_msr)
{
	struct kvm_msr_filter filter = deny_range(MSR_FS_BASE - 7, 16, READ);
	uint8_t bits[] = { 0x80, 0x02 };

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	filter.ranges[0].bitmap = bits;
	set_filter(self->vcpu, filter);
	expect_allowed(self->vcpu, MSR_FS_BASE);
	expect_denied(self->vcpu, MSR_GS_BASE);
	expect_allowed(self->vcpu, MSR_KERNEL_GS_BASE);

	bits[0] = 0;
	bits[1] = 0x01;
	set_filter(self->vcpu, filter);
	expect_denied(self->vcpu, MSR_FS_BASE);
	expect_allowed(self->vcpu, MSR_GS_BASE);
	expect_denied(self->vcpu, MSR_KERNEL_GS_BASE);
}

TEST_F(msr_filter, read_and_write_apart)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t pat;

	exit_on(vcpu, KVM_MSR_EXIT_REASON_FILTER);
	pat = read_open(vcpu, MSR_IA32_CR_PAT).value;

	set_filter(vcpu, deny_range(MSR_IA32_CR_PAT, 1, WRITE));
	expect_allowed(vcpu, MSR_IA32_CR_PAT);
	TEST_ASSERT_EQ(write_open(vcpu, MSR_IA32_CR_PAT, 0).reason,
		       KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_CR_PAT), pat);

	set_filter(vcpu, deny_range(MSR_IA32_CR_PAT, 1, READ));
	expect_denied(vcpu, MSR_IA32_CR_PAT);
	TEST_ASSERT_EQ(write_open(vcpu, MSR_IA32_CR_PAT, 0).reason, 0);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_CR_PAT), 0);
}

TEST_F(msr_filter, default_deny)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 1, READ | WRITE);
	uint8_t all_bits = 0xff;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	filter.flags = DENY;
	filter.ranges[0].bitmap = &all_bits;
	set_filter(self->vcpu, filter);

	expect_allowed(self->vcpu, MSR_INTERCEPTED);
	expect_denied(self->vcpu, MSR_PASSTHROUGH);
	expect_denied(self->vcpu, 0);
	expect_denied(self->vcpu, UINT32_MAX);
}

TEST_F(msr_filter, empty_filter_removes)
{
	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ));
	expect_denied(self->vcpu, MSR_PASSTHROUGH);
	set_filter(self->vcpu, (struct kvm_msr_filter) {});
	expect_allowed(self->vcpu, MSR_PASSTHROUGH);
}

/* x2APIC MSRs cannot be filtered; trying has no effect. */
TEST_F(msr_filter, x2apic_is_exempt)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	struct kvm_msr_filter filter = deny_range(APIC_BASE_MSR, 0x100, READ | WRITE);

	exit_on(vcpu, KVM_MSR_EXIT_REASON_FILTER);
	vcpu_set_msr(vcpu, MSR_IA32_APICBASE,
		     vcpu_get_msr(vcpu, MSR_IA32_APICBASE) | X2APIC_ENABLE);

	set_filter(vcpu, filter);
	expect_allowed(vcpu, APIC_BASE_MSR + (APIC_LVR >> 4));
	filter.flags = DENY;
	set_filter(vcpu, filter);
	expect_allowed(vcpu, APIC_BASE_MSR + (APIC_LVR >> 4));
}

/* Host accesses are not the guest's. */
TEST_F(msr_filter, host_is_exempt)
{
	set_filter(self->vcpu, deny_range(MSR_INTERCEPTED, 1, READ | WRITE));
	vcpu_set_msr(self->vcpu, MSR_INTERCEPTED, 0x0606060606060606ull);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_INTERCEPTED), 0x0606060606060606ull);
}

TEST_F(msr_filter, reaches_a_vcpu_created_later)
{
	struct kvm_vcpu *later;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ));
	later = vm_vcpu_add(self->vcpu->vm, 1, guest_main);
	expect_denied(later, MSR_PASSTHROUGH);
	expect_denied(self->vcpu, MSR_PASSTHROUGH);
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
	struct compat_filter *filter = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = self->vcpu->vm->fd;

	TEST_ASSERT(filter != MAP_FAILED, "mmap() failed: %d", errno);
	if (!has_compat_syscalls())
		SKIP(return, "needs CONFIG_IA32_EMULATION");

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);

	/* Any byte of the page that stays zero does for the bitmap. */
	filter->ranges[15].flags = READ;
	filter->ranges[15].base = MSR_PASSTHROUGH;
	filter->ranges[15].nmsrs = 1;
	filter->ranges[15].bitmap = (uintptr_t)filter + getpagesize() - 1;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), 0);
	expect_denied(self->vcpu, MSR_PASSTHROUGH);

	filter->ranges[15].bitmap = 0;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), -EFAULT);
	filter->ranges[15].flags = 0;
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), -EINVAL);
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, NULL), -EFAULT);
	expect_denied(self->vcpu, MSR_PASSTHROUGH);

	/* Other vm ioctls are none of the filter's business. */
	TEST_ASSERT(compat_ioctl(fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_NR_VCPUS) > 0,
		    "KVM_CHECK_EXTENSION failed");
	TEST_ASSERT_EQ(compat_ioctl(fd, _IO(KVMIO, 0xff), NULL), -ENOTTY);

	memset(filter, 0, sizeof(*filter));
	TEST_ASSERT_EQ(compat_ioctl(fd, SET_MSR_FILTER_COMPAT, filter), 0);
	expect_allowed(self->vcpu, MSR_PASSTHROUGH);
}

TEST_F(msr_filter, einval_exit_reason)
{
	int r = __vm_enable_cap(self->vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR,
				KVM_MSR_EXIT_REASON_VALID_MASK + 1);

	TEST_ASSERT(r == -1 && errno == EINVAL, "returned %d, errno %d", r, errno);
}

/* The policy alone decides; userspace's wish for exits only decides how. */
TEST_F(msr_filter, gp_without_exits)
{
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ | WRITE));
	TEST_ASSERT_EQ(read_open(self->vcpu, MSR_PASSTHROUGH).vector, GP_VECTOR);
	TEST_ASSERT_EQ(write_open(self->vcpu, MSR_PASSTHROUGH, 0).vector, GP_VECTOR);

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(read_open(self->vcpu, MSR_PASSTHROUGH).vector, GP_VECTOR);
}

/* Denied accesses, by the way in which KVM comes to execute the instruction. */
FIXTURE(msr_exit)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(msr_exit)
{
	bool fep;
};

FIXTURE_VARIANT_ADD(msr_exit, direct) { .fep = false };
FIXTURE_VARIANT_ADD(msr_exit, emulated) { .fep = true };

FIXTURE_SETUP(msr_exit)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	vm_create_with_one_vcpu(&self->vcpu, guest_main);
}

FIXTURE_TEARDOWN(msr_exit)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_exit, read_is_answered)
{
	struct access a = { .msr = MSR_PASSTHROUGH, .fep = variant->fep };
	struct outcome outcome;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ));

	outcome = access_open(self->vcpu, a, ANSWER);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(outcome.vector, 0);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
}

TEST_F(msr_exit, read_is_refused)
{
	struct access a = { .msr = MSR_PASSTHROUGH, .fep = variant->fep };
	struct outcome outcome;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ));

	outcome = access_open(self->vcpu, a, REFUSE);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(outcome.vector, GP_VECTOR);
}

TEST_F(msr_exit, write_is_answered)
{
	struct access a = { .msr = MSR_PASSTHROUGH, .write = true, .value = 0x1234567890,
			    .fep = variant->fep };
	struct outcome outcome;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, WRITE));

	outcome = access_open(self->vcpu, a, ANSWER);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(outcome.vector, 0);
	TEST_ASSERT_EQ(outcome.value, 0x1234567890);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_PASSTHROUGH), 0);

	outcome = access_open(self->vcpu, a, REFUSE);
	TEST_ASSERT_EQ(outcome.vector, GP_VECTOR);
}

/* The other two reasons are not the filter's, but end in the same exits. */
TEST_F(msr_exit, unknown_and_invalid)
{
	struct access unknown = { .msr = 0xdead, .fep = variant->fep };
	struct access invalid = { .msr = MSR_IA32_CR_PAT, .write = true, .value = ~0ull,
				  .fep = variant->fep };

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(access_open(self->vcpu, unknown, ANSWER).reason,
		       KVM_MSR_EXIT_REASON_UNKNOWN);
	TEST_ASSERT_EQ(access_open(self->vcpu, unknown, ANSWER).value, ANSWER_VALUE);
	TEST_ASSERT_EQ(access_open(self->vcpu, invalid, ANSWER).reason,
		       KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(access_open(self->vcpu, invalid, REFUSE).vector, GP_VECTOR);
}

/* The write that arms the timer takes a shorter way where hardware has a timer. */
TEST_F(msr_exit, tsc_deadline)
{
	struct access a = { .msr = MSR_IA32_TSC_DEADLINE, .write = true,
			    .value = ~0ull >> 1, .fep = variant->fep };
	struct kvm_vcpu *vcpu = self->vcpu;
	struct kvm_lapic_state apic;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_TSC_DEADLINE_TIMER));
	vcpu_set_cpuid_feature(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	*(uint32_t *)&apic.regs[APIC_SPIV] |= APIC_SPIV_APIC_ENABLED;
	*(uint32_t *)&apic.regs[APIC_LVTT] = (2 << 17) | 0xee;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &apic);

	/* Allowed, it is armed: else there is nothing to see below. */
	TEST_ASSERT_EQ(access_open(vcpu, a, ANSWER).reason, 0);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), a.value);
	vcpu_set_msr(vcpu, MSR_IA32_TSC_DEADLINE, 0);

	exit_on(vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu, deny_range(MSR_IA32_TSC_DEADLINE, 1, WRITE));
	TEST_ASSERT_EQ(access_open(vcpu, a, ANSWER).reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);

	exit_on(vcpu, 0);
	TEST_ASSERT_EQ(access_open(vcpu, a, ANSWER).vector, GP_VECTOR);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);
}

#define CHARGED_VMS	64

TEST(memory_is_charged)
{
	struct kvm_msr_filter filter = deny_range(0, MAX_NMSRS, READ);
	struct kvm_vm *vms[CHARGED_VMS];
	long before, charged;
	int i;

	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);

	for (i = 1; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter.ranges[i] = filter.ranges[0];

	for (i = 0; i < CHARGED_VMS; i++)
		vms[i] = vm_create_barebones();

	before = charged_bytes();
	for (i = 0; i < CHARGED_VMS; i++)
		vm_ioctl(vms[i], KVM_X86_SET_MSR_FILTER, &filter);
	charged = charged_bytes() - before;

	for (i = 0; i < CHARGED_VMS; i++)
		kvm_vm_free(vms[i]);
	leave_cgroup();

	/* Charges go by batches: leave them half of the bitmaps' size. */
	TEST_ASSERT(charged > CHARGED_VMS * (long)sizeof(no_bits) * 16 / 2,
		    "%d full filters were charged %ld bytes", CHARGED_VMS, charged);
}

TEST_HARNESS_MAIN
