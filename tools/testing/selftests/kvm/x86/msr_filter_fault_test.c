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
#include "kvm_test_harness.h"
#include "msr_test.h"

/* Both are passed through to hardware, so that intercepts have to follow, too. */
#define MSR_OLD		MSR_KERNEL_GS_BASE
#define MSR_NEW		MSR_FS_BASE

static void expect_denied(struct kvm_vcpu *vcpu, uint32_t denied, uint32_t allowed)
{
	expect_gp(vcpu, denied);
	expect_read(vcpu, allowed, 0);
}

FIXTURE(msr_filter_fault)
{
	struct kvm_vcpu *vcpu;
	struct faults faults;
};

FIXTURE_VARIANT(msr_filter_fault)
{
	enum fault_mode mode;
};

FIXTURE_VARIANT_ADD(msr_filter_fault, nth) { NTH };
FIXTURE_VARIANT_ADD(msr_filter_fault, nth_and_after) { NTH_AND_AFTER };
FIXTURE_VARIANT_ADD(msr_filter_fault, random) { RANDOM };

FIXTURE_SETUP(msr_filter_fault)
{
	if (!open_faults(&self->faults, variant->mode))
		SKIP(return, "needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, root and debugfs");

	vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
}

FIXTURE_TEARDOWN(msr_filter_fault)
{
	close_faults(&self->faults);
	kvm_vm_free(self->vcpu->vm);
}

static struct kvm_msr_filter deny(uint32_t msr, int nr_full)
{
	struct kvm_msr_filter filter = deny_range(msr, 1, READ);
	int i;

	/* Full ones are out of the way, and make the filter as large as it gets. */
	for (i = 1; i <= nr_full; i++)
		filter.ranges[i] = deny_range(0x10000000 * i + 0x8000000, MAX_NMSRS,
					      READ).ranges[0];
	return filter;
}

static void set_filter_with_faults(struct kvm_vcpu *vcpu, struct faults *f, int nr_full)
{
	struct kvm_msr_filter old = deny(MSR_OLD, nr_full), new = deny(MSR_NEW, nr_full);

	while (next_fault(f)) {
		set_filter(vcpu->vm, old);
		if (faulty_ioctl(f, vcpu->vm->fd, KVM_X86_SET_MSR_FILTER, &new))
			expect_denied(vcpu, MSR_OLD, MSR_NEW);
		else
			expect_denied(vcpu, MSR_NEW, MSR_OLD);
	}

	TEST_ASSERT(f->injected, "nothing was allocated");
	TEST_ASSERT(f->refused || f->mode == NTH, "no fault was fatal");
}

TEST_F(msr_filter_fault, small_filter)
{
	set_filter_with_faults(self->vcpu, &self->faults, 0);
}

TEST_F(msr_filter_fault, full_filter)
{
	set_filter_with_faults(self->vcpu, &self->faults, KVM_MSR_FILTER_MAX_RANGES - 1);
}

/*
 * A creation that fails leaves no trace but its number, and the vCPU that is there
 * as it was; one that succeeds makes a vCPU that obeys.  The latter needs setting up
 * by the library, which does not survive failures: it is another vCPU.
 */
TEST_F(msr_filter_fault, vcpu_creation)
{
	struct kvm_vm *vm = self->vcpu->vm;
	struct faults *f = &self->faults;
	int r;

	set_filter(vm, deny(MSR_OLD, 0));
	while (next_fault(f)) {
		r = faulty_ioctl(f, vm->fd, KVM_CREATE_VCPU, (void *)(long)f->nth);
		if (r >= 0)
			close(r);
		expect_denied(self->vcpu, MSR_OLD, MSR_NEW);
	}

	TEST_ASSERT(f->refused, "no fault was fatal");
	expect_denied(vm_vcpu_add(vm, f->nth, msr_guest_main), MSR_OLD, MSR_NEW);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
