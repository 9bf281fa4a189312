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
#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define DENY		KVM_MSR_FILTER_DEFAULT_DENY
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

/* One that KVM always intercepts, and one that it passes through to hardware. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE

#define ANSWER		0x0123456789abcdefull

/* All zeroes: denies whatever it covers. */
static uint8_t no_bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

/*
 * struct access - what the guest is to do, and what it saw
 * @msr: The MSR.
 * @write: WRMSR rather than RDMSR.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @value: What to write, or what was read.
 * @vector: The exception that the instruction took, or 0.
 */
struct access {
	uint32_t msr;
	bool write;
	bool fep;
	uint64_t value;
	uint8_t vector;
};

/* Lives in guest memory. */
static struct access guest_access;

static uint8_t guest_wrmsr(const struct access *a)
{
	uint32_t low = a->value, high = a->value >> 32;
	uint64_t error_code;

	/* kvm_asm_safe_fep() omits the prefix. */
	if (a->fep)
		return kvm_asm_safe_ec_fep("wrmsr", error_code,
					   "a"(low), "d"(high), "c"(a->msr));

	return kvm_asm_safe("wrmsr", "a"(low), "d"(high), "c"(a->msr));
}

static uint8_t guest_rdmsr(struct access *a)
{
	if (a->fep)
		return rdmsr_safe_fep(a->msr, &a->value);

	return rdmsr_safe(a->msr, &a->value);
}

static void guest_main(void)
{
	struct access *a = &guest_access;

	for (;;) {
		a->vector = a->write ? guest_wrmsr(a) : guest_rdmsr(a);
		GUEST_SYNC(0);
	}
}

/*
 * struct outcome - what became of an access
 * @reason: KVM_MSR_EXIT_REASON_* if it exited, else 0.
 * @vector: The exception that the guest took, or 0.
 * @value: What the guest read, or what the exit said was written.
 */
struct outcome {
	uint32_t reason;
	uint8_t vector;
	uint64_t value;
};

static void answer_exit(struct kvm_vcpu *vcpu, const struct access *a, uint8_t error,
			struct outcome *outcome)
{
	struct kvm_run *run = vcpu->run;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, a->write ? KVM_EXIT_X86_WRMSR :
						     KVM_EXIT_X86_RDMSR);
	TEST_ASSERT_EQ(run->msr.index, a->msr);
	TEST_ASSERT_EQ(run->msr.error, 0);
	TEST_ASSERT(!memcmp(run->msr.pad, no_bits, sizeof(run->msr.pad)),
		    "the exit's padding is not zero");

	outcome->reason = run->msr.reason;
	outcome->value = run->msr.data;
	run->msr.error = error;
	if (!a->write) {
		TEST_ASSERT_EQ(run->msr.data, 0);
		run->msr.data = ANSWER;
	}
}

/* Let the guest make an access; answer an exit with ANSWER, or with @error. */
static struct outcome access_msr(struct kvm_vcpu *vcpu, struct access a, uint8_t error)
{
	struct access *guest = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest_access);
	struct outcome outcome = {};
	struct ucall uc;

	*guest = a;
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		answer_exit(vcpu, &a, error, &outcome);
		vcpu_run(vcpu);
	}

	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	outcome.vector = guest->vector;
	if (!a.write)
		outcome.value = guest->value;
	return outcome;
}

static struct outcome read_msr(struct kvm_vcpu *vcpu, uint32_t msr)
{
	return access_msr(vcpu, (struct access) { .msr = msr }, 0);
}

static struct outcome write_msr(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return access_msr(vcpu, (struct access) { .msr = msr, .write = true,
						  .value = value }, 0);
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
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(outcome.reason == KVM_MSR_EXIT_REASON_FILTER,
		    "read of 0x%x: no exit for the filter's sake, but reason %u, vector %u",
		    msr, outcome.reason, outcome.vector);
	TEST_ASSERT_EQ(outcome.value, ANSWER);
}

static void expect_allowed(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_msr(vcpu, msr);

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
	TEST_ASSERT_EQ(read_msr(self->vcpu, UINT32_MAX - 1).vector, GP_VECTOR);

	set_filter(self->vcpu, deny_range(-MAX_NMSRS, MAX_NMSRS, READ));
	expect_denied(self->vcpu, UINT32_MAX);
	expect_denied(self->vcpu, -MAX_NMSRS);
	TEST_ASSERT_EQ(read_msr(self->vcpu, -MAX_NMSRS - 1u).vector, GP_VECTOR);
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
	pat = read_msr(vcpu, MSR_IA32_CR_PAT).value;

	set_filter(vcpu, deny_range(MSR_IA32_CR_PAT, 1, WRITE));
	expect_allowed(vcpu, MSR_IA32_CR_PAT);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_IA32_CR_PAT, 0).reason,
		       KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_CR_PAT), pat);

	set_filter(vcpu, deny_range(MSR_IA32_CR_PAT, 1, READ));
	expect_denied(vcpu, MSR_IA32_CR_PAT);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_IA32_CR_PAT, 0).reason, 0);
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

#define SYSCALL_IA32_IOCTL	54

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

/* An ioctl as 32-bit userspace makes it; the registers hold 32 bits each. */
static int compat_ioctl(int fd, unsigned int request, void *arg)
{
	int r;

	asm volatile("int $0x80" : "=a"(r)
		     : "a"(SYSCALL_IA32_IOCTL), "b"(fd), "c"(request), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* Where 32-bit system calls are compiled out or disabled, int $0x80 is fatal. */
static bool has_compat_syscalls(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		compat_ioctl(-1, 0, NULL);
		_exit(0);
	}

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status);
}

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
	TEST_ASSERT_EQ(read_msr(self->vcpu, MSR_PASSTHROUGH).vector, GP_VECTOR);
	TEST_ASSERT_EQ(write_msr(self->vcpu, MSR_PASSTHROUGH, 0).vector, GP_VECTOR);

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(read_msr(self->vcpu, MSR_PASSTHROUGH).vector, GP_VECTOR);
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

	outcome = access_msr(self->vcpu, a, 0);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(outcome.vector, 0);
	TEST_ASSERT_EQ(outcome.value, ANSWER);
}

TEST_F(msr_exit, read_is_refused)
{
	struct access a = { .msr = MSR_PASSTHROUGH, .fep = variant->fep };
	struct outcome outcome;

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(self->vcpu, deny_range(MSR_PASSTHROUGH, 1, READ));

	outcome = access_msr(self->vcpu, a, 1);
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

	outcome = access_msr(self->vcpu, a, 0);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(outcome.vector, 0);
	TEST_ASSERT_EQ(outcome.value, 0x1234567890);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_PASSTHROUGH), 0);

	outcome = access_msr(self->vcpu, a, 1);
	TEST_ASSERT_EQ(outcome.vector, GP_VECTOR);
}

/* The other two reasons are not the filter's, but end in the same exits. */
TEST_F(msr_exit, unknown_and_invalid)
{
	struct access unknown = { .msr = 0xdead, .fep = variant->fep };
	struct access invalid = { .msr = MSR_IA32_CR_PAT, .write = true, .value = ~0ull,
				  .fep = variant->fep };

	exit_on(self->vcpu, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(access_msr(self->vcpu, unknown, 0).reason,
		       KVM_MSR_EXIT_REASON_UNKNOWN);
	TEST_ASSERT_EQ(access_msr(self->vcpu, unknown, 0).value, ANSWER);
	TEST_ASSERT_EQ(access_msr(self->vcpu, invalid, 0).reason,
		       KVM_MSR_EXIT_REASON_INVAL);
	TEST_ASSERT_EQ(access_msr(self->vcpu, invalid, 1).vector, GP_VECTOR);
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
	TEST_ASSERT_EQ(access_msr(vcpu, a, 0).reason, 0);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), a.value);
	vcpu_set_msr(vcpu, MSR_IA32_TSC_DEADLINE, 0);

	exit_on(vcpu, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu, deny_range(MSR_IA32_TSC_DEADLINE, 1, WRITE));
	TEST_ASSERT_EQ(access_msr(vcpu, a, 0).reason, KVM_MSR_EXIT_REASON_FILTER);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);

	exit_on(vcpu, 0);
	TEST_ASSERT_EQ(access_msr(vcpu, a, 0).vector, GP_VECTOR);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_IA32_TSC_DEADLINE), 0);
}

#define CGROUP		"/sys/fs/cgroup"
#define CGROUP_TEST	CGROUP "/msr_filter_test"
#define CHARGED_VMS	64

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;

	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

static long charged_bytes(void)
{
	char buf[32] = {};
	int fd = open(CGROUP_TEST "/memory.current", O_RDONLY);

	TEST_ASSERT(fd >= 0 && read(fd, buf, sizeof(buf) - 1) > 0,
		    "cannot read memory.current: %d", errno);
	close(fd);
	return atol(buf);
}

static void leave_cgroup(void)
{
	write_file(CGROUP "/cgroup.procs", "0");
	rmdir(CGROUP_TEST);
}

static bool enter_cgroup(void)
{
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP_TEST, 0755);
	if (write_file(CGROUP_TEST "/cgroup.procs", "0") &&
	    !access(CGROUP_TEST "/memory.current", R_OK))
		return true;

	leave_cgroup();
	return false;
}

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
