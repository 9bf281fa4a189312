// SPDX-License-Identifier: GPL-2.0
/*
 * shared_ranges_fault_test - shared ranges when memory runs out
 *
 * Let each allocation fail that a system call makes, one after the other, or that one
 * and all that follow.  An ioctl returns ENOMEM, and the list is as before; or, where
 * the allocation has a fallback, it succeeds.  A guest does not see that there was no
 * memory to record what it shares: the list is dropped.  To drop a list, or to begin a
 * new one, takes no memory.
 *
 * Faults come from /proc/thread-self/fail-nth and make-it-fail, as for
 * msr_filter_fault_test.  Another test has a memory cgroup that is full, instead.
 */
#include <sys/mman.h>

#include "kvm_test_harness.h"
#include "shared_ranges.h"

/* Enough to fail half-way. */
#define NR_RANGES	100

FIXTURE(shared_ranges_fault)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct faults faults;
};

FIXTURE_VARIANT(shared_ranges_fault)
{
	enum fault_mode mode;
};

FIXTURE_VARIANT_ADD(shared_ranges_fault, nth) { NTH };
FIXTURE_VARIANT_ADD(shared_ranges_fault, nth_and_after) { NTH_AND_AFTER };

FIXTURE_SETUP(shared_ranges_fault)
{
	if (!open_faults(&self->faults, variant->mode))
		SKIP(return, "needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, root and debugfs");

	self->vm = vm_create_with_one_vcpu(&self->vcpu, map_guest_main);
	enable_shared_ranges(self->vm, MAX_RANGES);
}

FIXTURE_TEARDOWN(shared_ranges_fault)
{
	close_faults(&self->faults);
	kvm_vm_free(self->vm);
}

TEST_F(shared_ranges_fault, enable)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_SHARED_RANGES, .args = { 1 } };
	struct kvm_x86_shared_ranges head = {};
	struct faults *f = &self->faults;
	struct kvm_vm *vm;

	while (next_fault(f)) {
		vm = vm_create_barebones();
		if (faulty_ioctl(f, vm->fd, KVM_ENABLE_CAP, &cap)) {
			expect_errno(vm, KVM_X86_GET_SHARED_RANGES, &head, EINVAL);
			enable_shared_ranges(vm, 1);
		}
		expect_none(vm);
		kvm_vm_free(vm);
	}
	TEST_ASSERT(f->refused, "no fault was fatal");
}

TEST_F(shared_ranges_fault, set)
{
	struct kvm_x86_shared_range new[NR_RANGES], old = range(0, 1);
	struct kvm_x86_shared_ranges head = ranges_head(new, NR_RANGES);
	struct faults *f = &self->faults;
	uint64_t generation;

	fill_every_second(new, NR_RANGES);
	while (next_fault(f)) {
		set_ranges(self->vm, &old, 1);
		generation = generation_of(self->vm);
		if (!faulty_ioctl(f, self->vm->fd, KVM_X86_SET_SHARED_RANGES, &head)) {
			expect_list(self->vm, new, NR_RANGES);
			continue;
		}
		expect_range(self->vm, 0, 1);
		TEST_ASSERT_EQ(generation_of(self->vm), generation);
	}
	/* Each range has one. */
	TEST_ASSERT(f->injected >= NR_RANGES, "%d faults", f->injected);
	TEST_ASSERT(f->refused, "no fault was fatal");
}

/* Whoever drops a list may be short of memory: that must not fail. */
static void set_none(struct kvm_vm *vm, struct faults *f, uint32_t flags)
{
	struct kvm_x86_shared_ranges none = { .flags = flags };
	struct kvm_x86_shared_range old = range(0, 1);

	while (next_fault(f)) {
		set_ranges(vm, &old, 1);
		faulty_ioctl(f, vm->fd, KVM_X86_SET_SHARED_RANGES, &none);
		TEST_ASSERT(!f->refused, "fault %d made it fail", f->nth);
		TEST_ASSERT_EQ(get_head(vm).nr_ranges, 0);
		TEST_ASSERT_EQ(get_head(vm).flags, flags);
	}
}

TEST_F(shared_ranges_fault, set_none)
{
	set_none(self->vm, &self->faults, 0);
}

TEST_F(shared_ranges_fault, set_incomplete)
{
	set_none(self->vm, &self->faults, KVM_X86_SHARED_RANGES_INCOMPLETE);
}

/* A snapshot of few ranges, and of as many as there may be. */
static void get_with_faults(struct kvm_vm *vm, struct faults *f, uint32_t nr)
{
	struct kvm_x86_shared_range want[MAX_RANGES], got[MAX_RANGES];
	struct kvm_x86_shared_ranges head;
	uint64_t generation;

	fill_every_second(want, nr);
	set_ranges(vm, want, nr);
	generation = generation_of(vm);
	while (next_fault(f)) {
		head = ranges_head(got, nr);
		memset(got, 0, sizeof(got));
		if (!faulty_ioctl(f, vm->fd, KVM_X86_GET_SHARED_RANGES, &head))
			TEST_ASSERT(same_ranges(got, want, nr), "GET returns other ranges");
		expect_list(vm, want, nr);
		TEST_ASSERT_EQ(generation_of(vm), generation);
	}
	TEST_ASSERT(f->injected, "nothing was allocated");
	TEST_ASSERT(f->refused || f->mode == NTH, "no fault was fatal");
}

TEST_F(shared_ranges_fault, get_few)
{
	get_with_faults(self->vm, &self->faults, 1);
}

TEST_F(shared_ranges_fault, get_max)
{
	get_with_faults(self->vm, &self->faults, MAX_RANGES);
}

/* To ask how many there are takes no memory. */
TEST_F(shared_ranges_fault, get_count)
{
	struct kvm_x86_shared_ranges head = {};
	struct faults *f = &self->faults;

	while (next_fault(f)) {
		faulty_ioctl(f, self->vm->fd, KVM_X86_GET_SHARED_RANGES, &head);
		TEST_ASSERT(!f->refused, "fault %d made GET fail", f->nth);
	}
}

/* The guest makes a call, which succeeds, with the present fault. */
static void call_with_fault(struct kvm_vcpu *vcpu, struct faults *f, uint64_t gfn,
			    uint64_t attributes)
{
	struct ucall uc;

	prepare_call(vcpu, gfn * PAGE_SIZE, 1, attributes);
	faulty_ioctl(f, vcpu->fd, KVM_RUN, NULL);
	TEST_ASSERT(!f->refused, "fault %d made KVM_RUN fail", f->nth);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT_EQ(batch_of(vcpu)->calls[0].ret, 0);
}

static void map_with_faults(struct kvm_vcpu *vcpu, struct faults *f, uint64_t gfn,
			    uint64_t attributes, const struct kvm_x86_shared_range *want,
			    uint32_t nr)
{
	struct kvm_x86_shared_range old = range(16, 3);
	int incomplete = 0;

	/* What else the guest needs memory for, it has by then. */
	share_pages(vcpu, 1, 1);
	while (next_fault(f)) {
		set_ranges(vcpu->vm, &old, 1);
		call_with_fault(vcpu, f, gfn, attributes);
		if (!is_incomplete(vcpu->vm)) {
			expect_list(vcpu->vm, want, nr);
			continue;
		}
		expect_incomplete(vcpu->vm);
		incomplete++;
	}
	TEST_ASSERT(incomplete, "no fault made the list incomplete");
}

TEST_F(shared_ranges_fault, share)
{
	struct kvm_x86_shared_range want[] = { range(16, 3), range(20, 1) };

	map_with_faults(self->vcpu, &self->faults, 20, SHARED, want, 2);
}

TEST_F(shared_ranges_fault, split)
{
	struct kvm_x86_shared_range want[] = { range(16, 1), range(18, 1) };

	map_with_faults(self->vcpu, &self->faults, 17, PRIVATE, want, 2);
}

/* What needs no more ranges needs no memory. */
TEST_F(shared_ranges_fault, grow)
{
	struct kvm_x86_shared_range old = range(16, 3);
	struct faults *f = &self->faults;

	share_pages(self->vcpu, 1, 1);
	while (next_fault(f)) {
		set_ranges(self->vm, &old, 1);
		call_with_fault(self->vcpu, f, 19, SHARED);
		expect_range(self->vm, 16, 4);
	}
}

/* So many that a list for each of them would fill any batch of charges. */
#define NR_VMS	32

FIXTURE(full_cgroup)
{
	struct kvm_vm *vms[NR_VMS];
	struct kvm_vcpu *vcpu;
};

/* A process that takes a page fault in a full cgroup is killed: have the pages before. */
static void populate_memory(void)
{
	uint8_t stack[512 * 1024];

	memset(stack, 0, sizeof(stack));
	TEST_ASSERT(!mlockall(MCL_CURRENT), "mlockall() failed, errno %d", errno);
}

FIXTURE_SETUP(full_cgroup)
{
	int i;

	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);

	self->vms[0] = vm_create_with_one_vcpu(&self->vcpu, map_guest_main);
	for (i = 1; i < NR_VMS; i++)
		self->vms[i] = vm_create_barebones();
	for (i = 0; i < NR_VMS; i++)
		enable_shared_ranges(self->vms[i], MAX_RANGES);

	/* Nor does the guest need more than it has by then. */
	share_every_second(self->vcpu, 0, MAX_CALLS);
	set_ranges(self->vms[0], NULL, 0);
	populate_memory();
}

FIXTURE_TEARDOWN(full_cgroup)
{
	int i;

	for (i = 0; i < NR_VMS && self->vms[i]; i++)
		kvm_vm_free(self->vms[i]);
	leave_cgroup();
}

/* Leave no memory for as many ranges as there may be.  A SET that fails changes nothing. */
static void fill_cgroup(struct kvm_vm **vms)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES], old = range(0, 1);
	struct kvm_x86_shared_ranges head = ranges_head(ranges, MAX_RANGES);
	char limit[32];
	int i, r;

	fill_every_second(ranges, MAX_RANGES);
	snprintf(limit, sizeof(limit), "%ld", charged_bytes() + 64 * 1024);
	limit_cgroup(limit);
	for (i = 1; i < NR_VMS; i++) {
		set_ranges(vms[i], &old, 1);
		r = __vm_ioctl(vms[i], KVM_X86_SET_SHARED_RANGES, &head);
		if (r)
			break;
	}
	TEST_ASSERT(i < NR_VMS, "there was memory for %d lists", i);
	TEST_ASSERT(r == -1 && errno == ENOMEM, "returned %d, errno %d", r, errno);
	expect_range(vms[i], 0, 1);
}

TEST_F_TIMEOUT(full_cgroup, share, 120)
{
	struct kvm_x86_shared_range want[] = { range(0, 1), range(2, 1) };
	struct kvm_vm *vm = self->vms[0];

	fill_cgroup(self->vms);

	/* The guest goes on. */
	share_every_second(self->vcpu, 0, MAX_RANGES);
	expect_incomplete(vm);

	/* Now there is memory again, if not for all. */
	set_ranges(vm, NULL, 0);
	share_every_second(self->vcpu, 0, 2);
	expect_list(vm, want, 2);
	limit_cgroup("max");
	share_every_second(self->vcpu, 0, MAX_RANGES);
	TEST_ASSERT_EQ(get_head(vm).nr_ranges, MAX_RANGES);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SHARED_RANGES));
	return test_harness_run(argc, argv);
}
