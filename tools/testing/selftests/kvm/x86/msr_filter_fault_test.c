// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_fault_test - KVM_X86_SET_MSR_FILTER when memory runs out
 *
 * Let each allocation fail that the ioctl makes, one after the other.  It returns
 * ENOMEM, and the filter before it stays in force; or, where the allocation has a
 * fallback, it succeeds, and the new one is in force.  The same for the creation
 * of a vCPU: the one that succeeds at last obeys the filter.
 *
 * Faults come from /proc/thread-self/fail-nth: the n-th allocation fails, of all
 * those that failslab and fail_page_alloc are asked about.  As many of them have a
 * fallback, from kmalloc() to vmalloc() for instance, two variants make more than
 * one fail, with make-it-fail and the probabilities in debugfs.
 */
#include <fcntl.h>
#include <unistd.h>

#include "fault_injection.h"
#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

#define RANDOM_ROUNDS	300

/* Both are passed through to hardware, so that intercepts have to follow, too. */
#define MSR_OLD		MSR_KERNEL_GS_BASE
#define MSR_NEW		MSR_FS_BASE

static uint8_t no_bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

/* Lives in guest memory: the MSR to read, and the exception that it took, or 0. */
static struct {
	uint32_t msr;
	uint8_t vector;
} guest_read;

static void guest_main(void)
{
	uint64_t value;

	for (;;) {
		guest_read.vector = rdmsr_safe(guest_read.msr, &value);
		GUEST_SYNC(0);
	}
}

static bool is_denied(struct kvm_vcpu *vcpu, uint32_t msr)
{
	typeof(guest_read) *guest = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest_read);
	struct ucall uc;

	guest->msr = msr;
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT(!guest->vector || guest->vector == GP_VECTOR,
		    "RDMSR took exception %u", guest->vector);
	return guest->vector;
}

static void expect_policy(struct kvm_vcpu *vcpu, uint32_t denied, uint32_t allowed, int nth)
{
	TEST_ASSERT(is_denied(vcpu, denied) && !is_denied(vcpu, allowed),
		    "after fault %d: 0x%x is not denied, or 0x%x is", nth, denied, allowed);
}

FIXTURE(msr_filter_fault)
{
	struct kvm_vcpu *vcpu;
	int fail_nth;
	int make_it_fail;
	int injected;
	int refused;
};

/*
 * What fails:
 * @NTH: The n-th allocation.
 * @NTH_AND_AFTER: That one, and all that follow.
 * @RANDOM: One in ten.  That is how fallbacks fail half-way.
 */
enum faults { NTH, NTH_AND_AFTER, RANDOM };

FIXTURE_VARIANT(msr_filter_fault)
{
	enum faults faults;
	const char *probability;
};

FIXTURE_VARIANT_ADD(msr_filter_fault, nth)
{
	.faults = NTH, .probability = "0",
};

FIXTURE_VARIANT_ADD(msr_filter_fault, nth_and_after)
{
	.faults = NTH_AND_AFTER, .probability = "100",
};

FIXTURE_VARIANT_ADD(msr_filter_fault, random)
{
	.faults = RANDOM, .probability = "10",
};

FIXTURE_SETUP(msr_filter_fault)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	self->fail_nth = open(PROC "fail-nth", O_RDWR);
	self->make_it_fail = open(PROC "make-it-fail", O_WRONLY);
	if (self->fail_nth < 0 || self->make_it_fail < 0)
		SKIP(return, "needs CONFIG_FAULT_INJECTION and root");
	if (!set_knobs(variant->probability))
		SKIP(return, "needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, and debugfs");

	vm_create_with_one_vcpu(&self->vcpu, guest_main);
}

FIXTURE_TEARDOWN(msr_filter_fault)
{
	if (!self->vcpu)
		return;

	kvm_vm_free(self->vcpu->vm);
	set_knobs("0");
}

/* The last round of random faults has none. */
static void arm_faults(struct _test_data_msr_filter_fault *self, enum faults faults, int nth)
{
	if (faults == NTH_AND_AFTER || (faults == RANDOM && nth < RANDOM_ROUNDS))
		write_number(self->make_it_fail, 1);
	if (faults != RANDOM)
		write_number(self->fail_nth, nth);
}

/* Returns whether there was an n-th fault, or a round of random ones. */
static bool disarm_faults(struct _test_data_msr_filter_fault *self, enum faults faults, int nth)
{
	int left = read_number(self->fail_nth);

	write_number(self->fail_nth, 0);
	write_number(self->make_it_fail, 0);
	return faults == RANDOM ? nth < RANDOM_ROUNDS : !left;
}

/* Make an ioctl with faults; it succeeds, or fails because of them. */
static int faulty_ioctl(struct _test_data_msr_filter_fault *self, enum faults faults, int nth,
			unsigned long cmd, void *arg, bool *injected)
{
	int fd = self->vcpu->vm->fd, r, err;

	TEST_ASSERT(nth < MAX_FAULTS, "the faults do not end");
	arm_faults(self, faults, nth);
	r = ioctl(fd, cmd, arg);
	err = errno;
	*injected = disarm_faults(self, faults, nth);

	self->injected += *injected;
	self->refused += r < 0;
	TEST_ASSERT(r >= 0 || err == ENOMEM, "fault %d: errno %d", nth, err);
	TEST_ASSERT(r >= 0 || *injected, "no fault %d, but ENOMEM", nth);
	return r;
}

static void print_sums(struct _test_data_msr_filter_fault *self)
{
	pr_info("# %d faults, %d of them fatal to the ioctl\n", self->injected, self->refused);
}

static struct kvm_msr_filter deny(uint32_t msr, int nr_full)
{
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ, .base = msr, .nmsrs = 1,
			       .bitmap = no_bits },
	};
	int i;

	/* Full ones are out of the way, and make the policy as large as it gets. */
	for (i = 1; i <= nr_full; i++)
		filter.ranges[i] = (struct kvm_msr_filter_range) {
			.flags = KVM_MSR_FILTER_READ, .base = 0x10000000 * i + 0x8000000,
			.nmsrs = MAX_NMSRS, .bitmap = no_bits,
		};

	return filter;
}

static void set_filter_with_faults(struct _test_data_msr_filter_fault *self,
				   enum faults faults, int nr_full)
{
	struct kvm_msr_filter old = deny(MSR_OLD, nr_full), new = deny(MSR_NEW, nr_full);
	bool injected = true;
	int nth, r;

	for (nth = 1; injected; nth++) {
		vm_ioctl(self->vcpu->vm, KVM_X86_SET_MSR_FILTER, &old);
		r = faulty_ioctl(self, faults, nth, KVM_X86_SET_MSR_FILTER, &new, &injected);
		expect_policy(self->vcpu, r ? MSR_OLD : MSR_NEW, r ? MSR_NEW : MSR_OLD, nth);
	}

	print_sums(self);
	TEST_ASSERT(self->injected, "nothing was allocated");
	TEST_ASSERT(self->refused || faults == NTH, "no fault was fatal");
	TEST_ASSERT(self->refused < nth - 1, "all faults were fatal");
}

TEST_F(msr_filter_fault, small_filter)
{
	set_filter_with_faults(self, variant->faults, 0);
}

TEST_F(msr_filter_fault, full_filter)
{
	set_filter_with_faults(self, variant->faults, KVM_MSR_FILTER_MAX_RANGES - 1);
}

/* Whoever removes a filter may be short of memory: that must not fail. */
TEST_F(msr_filter_fault, removal)
{
	struct kvm_msr_filter old = deny(MSR_OLD, 0), none = {};
	bool injected = true;
	int nth;

	for (nth = 1; injected; nth++) {
		vm_ioctl(self->vcpu->vm, KVM_X86_SET_MSR_FILTER, &old);
		faulty_ioctl(self, variant->faults, nth, KVM_X86_SET_MSR_FILTER, &none,
			     &injected);
		TEST_ASSERT(!is_denied(self->vcpu, MSR_OLD), "after fault %d", nth);
	}

	print_sums(self);
	TEST_ASSERT(!self->refused, "the removal failed");
}

/*
 * A creation that fails leaves no trace but its number, and the vCPU that is there
 * as it was; one that succeeds makes a vCPU that obeys.  The latter needs setting up
 * by the library, which does not survive failures: it is another vCPU.
 */
TEST_F(msr_filter_fault, vcpu_creation)
{
	struct kvm_msr_filter filter = deny(MSR_OLD, 0);
	struct kvm_vm *vm = self->vcpu->vm;
	bool injected = true;
	int nth, r;

	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
	for (nth = 1; injected; nth++) {
		r = faulty_ioctl(self, variant->faults, nth, KVM_CREATE_VCPU,
				 (void *)(long)nth, &injected);
		if (r >= 0)
			close(r);
		expect_policy(self->vcpu, MSR_OLD, MSR_NEW, nth);
	}

	print_sums(self);
	TEST_ASSERT(self->refused, "no fault was fatal");
	expect_policy(vm_vcpu_add(vm, nth, guest_main), MSR_OLD, MSR_NEW, nth);
}

TEST_HARNESS_MAIN
