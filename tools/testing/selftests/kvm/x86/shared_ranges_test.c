// SPDX-License-Identifier: GPL-2.0
/*
 * shared_ranges_test - KVM_CAP_X86_SHARED_RANGES: the list, and what the guest's calls do
 *
 * - Each malformed argument gets its errno, and changes nothing.
 * - What SET takes, GET returns, for 32-bit callers, too.
 * - What the guest shares by KVM_HC_MAP_GPA_RANGE is what GET returns; without the
 *   capability, the hypercall does what it always did.
 * - If userspace asked for an exit, it is recorded once userspace has agreed.
 * - The generation moves whenever the list changes, and only then.
 *
 * For lists that become too long, see shared_ranges_bound_test; for vCPUs that change
 * the list at the same time, shared_ranges_race_test; for when memory runs out,
 * shared_ranges_fault_test.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "kvm_test_harness.h"
#include "shared_ranges.h"
#include "svm_util.h"

/* Each test enables the capability at the time, and with the bound, that it wants. */
KVM_ONE_VCPU_TEST_SUITE(not_enabled);

KVM_ONE_VCPU_TEST(not_enabled, einval, map_guest_main)
{
	struct kvm_x86_shared_ranges head = {};

	expect_errno(vcpu->vm, KVM_X86_SET_SHARED_RANGES, &head, EINVAL);
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, EINVAL);
}

static void expect_not_enabled(struct kvm_vm *vm, struct kvm_enable_cap cap)
{
	struct kvm_x86_shared_ranges head = {};

	cap.cap = KVM_CAP_X86_SHARED_RANGES;
	expect_errno(vm, KVM_ENABLE_CAP, &cap, EINVAL);
	expect_errno(vm, KVM_X86_GET_SHARED_RANGES, &head, EINVAL);
}

KVM_ONE_VCPU_TEST(not_enabled, einval_bound, map_guest_main)
{
	const uint64_t bounds[] = { 0, MAX_RANGES + 1, BIT_ULL(32) | 1, UINT64_MAX };
	int i;

	for (i = 0; i < ARRAY_SIZE(bounds); i++)
		expect_not_enabled(vcpu->vm, (struct kvm_enable_cap) { .args = { bounds[i] } });
}

KVM_ONE_VCPU_TEST(not_enabled, einval_args_and_flags, map_guest_main)
{
	struct kvm_enable_cap cap = { .args = { 1 } };
	int i;

	for (i = 1; i < ARRAY_SIZE(cap.args); i++) {
		cap.args[i] = BIT_ULL(63);
		expect_not_enabled(vcpu->vm, cap);
		cap.args[i] = 0;
	}
	cap.flags = 1;
	expect_not_enabled(vcpu->vm, cap);
}

KVM_ONE_VCPU_TEST(not_enabled, ebusy, map_guest_main)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_SHARED_RANGES, .args = { 2 } };

	enable_shared_ranges(vcpu->vm, 1);
	share_pages(vcpu, 1, 1);
	expect_errno(vcpu->vm, KVM_ENABLE_CAP, &cap, EBUSY);

	/* The first bound holds. */
	expect_range(vcpu->vm, 1, 1);
	share_pages(vcpu, 3, 1);
	expect_incomplete(vcpu->vm);
}

KVM_ONE_VCPU_TEST(not_enabled, capability, map_guest_main)
{
	TEST_ASSERT_EQ(kvm_check_cap(KVM_CAP_X86_SHARED_RANGES), MAX_RANGES);
	TEST_ASSERT_EQ(vm_check_cap(vcpu->vm, KVM_CAP_X86_SHARED_RANGES), MAX_RANGES);
	enable_shared_ranges(vcpu->vm, 1);
	TEST_ASSERT_EQ(vm_check_cap(vcpu->vm, KVM_CAP_X86_SHARED_RANGES), MAX_RANGES);
}

/* The guest makes a call, and userspace is asked. */
static void run_to_exit(struct kvm_vcpu *vcpu, uint64_t gfn, uint64_t npages,
			uint64_t attributes)
{
	struct kvm_run *run = vcpu->run;

	prepare_call(vcpu, gfn * PAGE_SIZE, npages, attributes);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_HYPERCALL);
	TEST_ASSERT_EQ(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	TEST_ASSERT_EQ(run->hypercall.args[0], gfn * PAGE_SIZE);
	TEST_ASSERT_EQ(run->hypercall.args[1], npages);
	TEST_ASSERT_EQ(run->hypercall.args[2], attributes);
	TEST_ASSERT_EQ(run->hypercall.flags, KVM_EXIT_HYPERCALL_LONG_MODE);
}

/* That is what the guest's call returns. */
static void answer_exit(struct kvm_vcpu *vcpu, int64_t ret)
{
	vcpu->run->hypercall.ret = ret;
	run_batch(vcpu);
	TEST_ASSERT_EQ(batch_of(vcpu)->calls[0].ret, ret);
}

KVM_ONE_VCPU_TEST(not_enabled, hypercall, map_guest_main)
{
	TEST_ASSERT_EQ(map_gpa(vcpu, 0, 1, SHARED), -KVM_ENOSYS);
	TEST_ASSERT_EQ(map_gpa(vcpu, 1, 1, SHARED), -KVM_ENOSYS);
	TEST_ASSERT_EQ(map_gpa(vcpu, 0, 0, SHARED), -KVM_ENOSYS);

	exit_on_map_gpa(vcpu->vm);
	TEST_ASSERT_EQ(map_gpa(vcpu, 1, 1, SHARED), -KVM_EINVAL);
	run_to_exit(vcpu, 7, 2, SHARED);
	answer_exit(vcpu, 0);
	run_to_exit(vcpu, 7, 2, PRIVATE);
	answer_exit(vcpu, -EAGAIN);
}

/* At any time; what the guest shared before is not known. */
KVM_ONE_VCPU_TEST(not_enabled, enabled_after_run, map_guest_main)
{
	TEST_ASSERT_EQ(map_gpa(vcpu, 0, 1, SHARED), -KVM_ENOSYS);
	enable_shared_ranges(vcpu->vm, 1);
	expect_none(vcpu->vm);
	share_pages(vcpu, 3, 1);
	expect_range(vcpu->vm, 3, 1);
}

/* The list may be as long as any. */
FIXTURE(shared_ranges)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(shared_ranges)
{
	enable_shared_ranges(vm_create_with_one_vcpu(&self->vcpu, NULL), MAX_RANGES);
}

FIXTURE_TEARDOWN(shared_ranges)
{
	kvm_vm_free(self->vcpu->vm);
}

#define NR_GOOD	3

/* A list that has the first and the last page that there may be. */
static void make_good_ranges(struct kvm_x86_shared_range *ranges)
{
	ranges[0] = range(0, 1);
	ranges[1] = range(16, 32);
	ranges[2] = range(GFN_END - 256, 256);
}

/* The list is as it was, to the byte, and nobody touched it. */
static void expect_same_list(struct kvm_vm *vm, const struct range_list *before)
{
	struct range_list after;

	get_list(vm, &after);
	TEST_ASSERT_EQ(after.head.flags, before->head.flags);
	TEST_ASSERT_EQ(after.head.nr_ranges, before->head.nr_ranges);
	TEST_ASSERT_EQ(after.head.generation, before->head.generation);
	TEST_ASSERT(same_ranges(after.ranges, before->ranges, before->head.nr_ranges),
		    "the ranges have changed");
}

/* SET must fail with @err, and leave a good list, and an incomplete one. */
static void expect_refused(struct kvm_vm *vm, struct kvm_x86_shared_ranges bad, int err)
{
	struct kvm_x86_shared_range good[NR_GOOD];
	struct range_list before;

	set_incomplete(vm);
	get_list(vm, &before);
	expect_errno(vm, KVM_X86_SET_SHARED_RANGES, &bad, err);
	expect_same_list(vm, &before);

	make_good_ranges(good);
	set_ranges(vm, good, NR_GOOD);
	get_list(vm, &before);
	expect_errno(vm, KVM_X86_SET_SHARED_RANGES, &bad, err);
	expect_same_list(vm, &before);
}

/* The bad range comes last, so that much has been done by then. */
static void expect_range_refused(struct kvm_vm *vm, uint64_t gpa, uint64_t size)
{
	struct kvm_x86_shared_range ranges[] = { range(0, 1), range(4, 4), { gpa, size } };

	expect_refused(vm, ranges_head(ranges, 3), EINVAL);
	expect_refused(vm, ranges_head(&ranges[2], 1), EINVAL);
}

/* What is bad is where the range stands. */
static void expect_order_refused(struct kvm_vm *vm, uint64_t gfn, uint64_t npages)
{
	struct kvm_x86_shared_range ranges[] = { range(2, 1), range(16, 4), range(gfn, npages) };

	expect_refused(vm, ranges_head(ranges, 3), EINVAL);
	set_ranges(vm, &ranges[2], 1);
	expect_list(vm, &ranges[2], 1);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_flags, map_guest_main)
{
	int bit;

	for (bit = 1; bit < 32; bit++)
		expect_refused(vcpu->vm, (struct kvm_x86_shared_ranges) { .flags = 1u << bit },
			       EINVAL);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_reserved, map_guest_main)
{
	struct kvm_x86_shared_ranges bad = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(bad.reserved); i++) {
		bad.reserved[i] = BIT_ULL(63 * (i % 2));
		expect_refused(vcpu->vm, bad, EINVAL);
		bad.reserved[i] = 0;
	}
}

/* As in a head that comes from GET. */
KVM_ONE_VCPU_TEST(shared_ranges, einval_generation, map_guest_main)
{
	struct kvm_x86_shared_ranges bad = { .generation = 1 };

	expect_refused(vcpu->vm, bad, EINVAL);
	bad.generation = BIT_ULL(63);
	expect_refused(vcpu->vm, bad, EINVAL);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_incomplete_with_ranges, map_guest_main)
{
	struct kvm_x86_shared_range good = range(1, 1);
	struct kvm_x86_shared_ranges bad = ranges_head(&good, 1);

	bad.flags = KVM_X86_SHARED_RANGES_INCOMPLETE;
	expect_refused(vcpu->vm, bad, EINVAL);
	bad.nr_ranges = UINT32_MAX;
	expect_refused(vcpu->vm, bad, EINVAL);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_unaligned, map_guest_main)
{
	const uint64_t offsets[] = { 1, 0x800, PAGE_SIZE - 1 };
	int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		expect_range_refused(vcpu->vm, 16 * PAGE_SIZE + offsets[i], PAGE_SIZE);
		expect_range_refused(vcpu->vm, 16 * PAGE_SIZE, PAGE_SIZE + offsets[i]);
		expect_range_refused(vcpu->vm, 16 * PAGE_SIZE, offsets[i]);
		/* Aligned, but only together. */
		expect_range_refused(vcpu->vm, 16 * PAGE_SIZE + offsets[i],
				     PAGE_SIZE - offsets[i]);
	}
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_empty, map_guest_main)
{
	expect_range_refused(vcpu->vm, 16 * PAGE_SIZE, 0);
	expect_range_refused(vcpu->vm, GFN_END * PAGE_SIZE, 0);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_past_the_end, map_guest_main)
{
	const uint64_t end = GFN_END * PAGE_SIZE, top = -(uint64_t)PAGE_SIZE;

	expect_range_refused(vcpu->vm, end, PAGE_SIZE);
	expect_range_refused(vcpu->vm, end - PAGE_SIZE, 2 * PAGE_SIZE);
	expect_range_refused(vcpu->vm, 16 * PAGE_SIZE, end);
	expect_range_refused(vcpu->vm, BIT_ULL(63), PAGE_SIZE);

	/* The end wraps to 0, and to where a range could end. */
	expect_range_refused(vcpu->vm, top, PAGE_SIZE);
	expect_range_refused(vcpu->vm, top, 64 * PAGE_SIZE);
	expect_range_refused(vcpu->vm, 16 * PAGE_SIZE, top);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_unsorted, map_guest_main)
{
	expect_order_refused(vcpu->vm, 8, 1);
	expect_order_refused(vcpu->vm, 0, 1);
	/* They touch, but the wrong way round. */
	expect_order_refused(vcpu->vm, 12, 4);
}

KVM_ONE_VCPU_TEST(shared_ranges, einval_overlapping, map_guest_main)
{
	expect_order_refused(vcpu->vm, 16, 4);	/* the same */
	expect_order_refused(vcpu->vm, 19, 8);	/* its last page */
	expect_order_refused(vcpu->vm, 17, 1);	/* within */
	expect_order_refused(vcpu->vm, 8, 32);	/* around */
	expect_order_refused(vcpu->vm, 0, GFN_END);
}

/* The last of as many ranges as there may be is looked at, too. */
KVM_ONE_VCPU_TEST(shared_ranges, einval_last_range, map_guest_main)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES];

	fill_every_second(ranges, MAX_RANGES);
	ranges[MAX_RANGES - 1].size = 0;
	expect_refused(vcpu->vm, ranges_head(ranges, MAX_RANGES), EINVAL);
}

/* Too many is too many, whether the ranges can be read or joined, or not. */
KVM_ONE_VCPU_TEST(shared_ranges, e2big, map_guest_main)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES + 1];
	int i;

	for (i = 0; i <= MAX_RANGES; i++)
		ranges[i] = range(i, 1);
	expect_refused(vcpu->vm, ranges_head(ranges, MAX_RANGES + 1), E2BIG);
	expect_refused(vcpu->vm, ranges_head(NULL, MAX_RANGES + 1), E2BIG);
	expect_refused(vcpu->vm, ranges_head(NULL, UINT32_MAX), E2BIG);
}

KVM_ONE_VCPU_TEST(not_enabled, e2big_past_bound, map_guest_main)
{
	struct kvm_x86_shared_range ranges[NR_GOOD + 1];

	enable_shared_ranges(vcpu->vm, NR_GOOD);
	fill_every_second(ranges, NR_GOOD + 1);
	expect_refused(vcpu->vm, ranges_head(ranges, NR_GOOD + 1), E2BIG);
	set_ranges(vcpu->vm, ranges, NR_GOOD);
	expect_list(vcpu->vm, ranges, NR_GOOD);
}

KVM_ONE_VCPU_TEST(shared_ranges, efault_head, map_guest_main)
{
	uint8_t *page = map_last_page(PROT_READ | PROT_WRITE);
	void *truncated = page + getpagesize() - sizeof(struct kvm_x86_shared_ranges) + 1;

	expect_errno(vcpu->vm, KVM_X86_SET_SHARED_RANGES, NULL, EFAULT);
	expect_errno(vcpu->vm, KVM_X86_SET_SHARED_RANGES, truncated, EFAULT);
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, NULL, EFAULT);
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, truncated, EFAULT);
	expect_none(vcpu->vm);
}

/* Room for so many ranges, and a byte, before memory ends. */
static void *room_for(int nr)
{
	uint8_t *page = map_last_page(PROT_READ | PROT_WRITE);

	return page + getpagesize() - nr * sizeof(struct kvm_x86_shared_range) - 1;
}

KVM_ONE_VCPU_TEST(shared_ranges, efault_ranges, map_guest_main)
{
	struct kvm_x86_shared_range ranges[] = { range(8, 1), range(16, 1) };
	void *room = room_for(1);

	expect_refused(vcpu->vm, ranges_head(NULL, 1), EFAULT);
	expect_refused(vcpu->vm, ranges_head((void *)BIT(63), 1), EFAULT);
	expect_refused(vcpu->vm, ranges_head((void *)-sizeof(ranges[0]), 2), EFAULT);

	/* The second is not there, and the first is not aligned. */
	memcpy(room, ranges, sizeof(ranges[0]));
	expect_refused(vcpu->vm, ranges_head(room, 2), EFAULT);
	set_ranges(vcpu->vm, room, 1);
	expect_list(vcpu->vm, ranges, 1);

	/* The pointer to none is not looked at. */
	set_ranges(vcpu->vm, (void *)BIT(63), 0);
	expect_none(vcpu->vm);
}

static void set_good_list(struct kvm_vm *vm, struct kvm_x86_shared_range *good)
{
	make_good_ranges(good);
	set_ranges(vm, good, NR_GOOD);
}

KVM_ONE_VCPU_TEST(shared_ranges, get_einval, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD], room[NR_GOOD];
	struct kvm_x86_shared_ranges head = ranges_head(room, NR_GOOD);
	int i;

	set_good_list(vcpu->vm, good);
	for (i = 0; i < ARRAY_SIZE(head.reserved); i++) {
		head.reserved[i] = BIT_ULL(63 * (i % 2));
		expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, EINVAL);
		head.reserved[i] = 0;
	}

	/* What GET is to return is not looked at. */
	head.flags = UINT32_MAX;
	head.generation = UINT64_MAX;
	vm_ioctl(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head);
	TEST_ASSERT_EQ(head.flags, 0);
	TEST_ASSERT_EQ(head.generation, generation_of(vcpu->vm));
	TEST_ASSERT(same_ranges(room, good, NR_GOOD), "GET returns other ranges than SET");
}

/* Too little room: say how much it takes, and do not use what there is. */
KVM_ONE_VCPU_TEST(shared_ranges, get_e2big, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD], room[NR_GOOD], untouched[NR_GOOD];
	struct kvm_x86_shared_ranges want = ranges_head(room, NR_GOOD), head;
	uint32_t capacity;

	memset(untouched, 0xa5, sizeof(untouched));
	memcpy(room, untouched, sizeof(room));
	set_good_list(vcpu->vm, good);
	want.generation = generation_of(vcpu->vm);
	for (capacity = 0; capacity < NR_GOOD; capacity++) {
		head = ranges_head(room, capacity);
		head.flags = UINT32_MAX;
		expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, E2BIG);
		TEST_ASSERT(!memcmp(&head, &want, sizeof(head)), "head is not as expected");
		TEST_ASSERT(!memcmp(room, untouched, sizeof(room)), "ranges were copied");
	}

	head = ranges_head(room, NR_GOOD);
	vm_ioctl(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head);
	TEST_ASSERT(!memcmp(&head, &want, sizeof(head)), "head is not as expected");
	TEST_ASSERT(same_ranges(room, good, NR_GOOD), "GET returns other ranges than SET");
}

/* More room than there may be ranges: what is not needed stays as it is. */
KVM_ONE_VCPU_TEST(shared_ranges, get_with_much_room, map_guest_main)
{
	const uint32_t capacities[] = { NR_GOOD, NR_GOOD + 1, MAX_RANGES + 1, UINT32_MAX };
	struct kvm_x86_shared_range good[NR_GOOD];
	struct kvm_x86_shared_ranges head;
	uint8_t *room = room_for(NR_GOOD);
	int i;

	set_good_list(vcpu->vm, good);
	for (i = 0; i < ARRAY_SIZE(capacities); i++) {
		memset(room, 0xa5, sizeof(good) + 1);
		head = ranges_head((void *)room, capacities[i]);
		vm_ioctl(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head);
		TEST_ASSERT_EQ(head.nr_ranges, NR_GOOD);
		TEST_ASSERT(!memcmp(room, good, sizeof(good)), "GET returns other ranges");
		TEST_ASSERT_EQ(room[sizeof(good)], 0xa5);
	}
}

KVM_ONE_VCPU_TEST(shared_ranges, get_efault, map_guest_main)
{
	struct kvm_x86_shared_ranges *read_only = map_last_page(PROT_READ);
	struct kvm_x86_shared_ranges head, before;
	struct kvm_x86_shared_range good[NR_GOOD];

	/* A head that can be read, but not be written to. */
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, read_only, EFAULT);

	set_good_list(vcpu->vm, good);
	head = ranges_head(NULL, NR_GOOD);
	before = head;
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, EFAULT);
	head.ranges = BIT_ULL(63);
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, EFAULT);
	head.ranges = (uintptr_t)room_for(NR_GOOD - 1);
	expect_errno(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head, EFAULT);
	before.ranges = head.ranges;
	TEST_ASSERT(!memcmp(&head, &before, sizeof(head)), "the head was written to");

	/* None needs no pointer. */
	set_ranges(vcpu->vm, NULL, 0);
	head.ranges = 0;
	vm_ioctl(vcpu->vm, KVM_X86_GET_SHARED_RANGES, &head);
	TEST_ASSERT_EQ(head.nr_ranges, 0);
}

/* The VM is its creator's: a child that inherits the descriptor cannot use it. */
KVM_ONE_VCPU_TEST(shared_ranges, eio_in_another_process, map_guest_main)
{
	struct kvm_x86_shared_ranges head = { .flags = KVM_X86_SHARED_RANGES_INCOMPLETE };
	int fd = vcpu->vm->fd, status;
	pid_t pid = fork();

	if (!pid) {
		if (!ioctl(fd, KVM_X86_SET_SHARED_RANGES, &head) || errno != EIO)
			_exit(1);
		_exit(!ioctl(fd, KVM_X86_GET_SHARED_RANGES, &head) || errno != EIO);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the child died");
	TEST_ASSERT_EQ(WEXITSTATUS(status), 0);
	expect_none(vcpu->vm);
}

KVM_ONE_VCPU_TEST(shared_ranges, none_at_first, map_guest_main)
{
	expect_none(vcpu->vm);
}

KVM_ONE_VCPU_TEST(shared_ranges, set_replaces, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD];

	set_good_list(vcpu->vm, good);
	expect_list(vcpu->vm, good, NR_GOOD);
	set_ranges(vcpu->vm, &good[1], 1);
	expect_list(vcpu->vm, &good[1], 1);
	set_ranges(vcpu->vm, NULL, 0);
	expect_none(vcpu->vm);
	set_ranges(vcpu->vm, good, NR_GOOD);
	expect_list(vcpu->vm, good, NR_GOOD);
}

KVM_ONE_VCPU_TEST(shared_ranges, set_joins, map_guest_main)
{
	struct kvm_x86_shared_range ranges[] = {
		range(0, 1), range(1, 1), range(2, 6), range(9, 1), range(10, GFN_END - 10),
	};
	struct kvm_x86_shared_range joined[] = { range(0, 8), range(9, GFN_END - 9) };

	set_ranges(vcpu->vm, ranges, ARRAY_SIZE(ranges));
	expect_list(vcpu->vm, joined, ARRAY_SIZE(joined));
}

/* As a range, and for the guest to take from. */
KVM_ONE_VCPU_TEST(shared_ranges, set_everything, map_guest_main)
{
	struct kvm_x86_shared_range all = range(0, GFN_END);
	struct kvm_x86_shared_range rest[] = { range(0, 5), range(6, GFN_END - 6) };

	set_ranges(vcpu->vm, &all, 1);
	expect_range(vcpu->vm, 0, GFN_END);
	unshare_pages(vcpu, 5, 1);
	expect_list(vcpu->vm, rest, ARRAY_SIZE(rest));
}

KVM_ONE_VCPU_TEST(shared_ranges, set_max_ranges, map_guest_main)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES];

	fill_every_second(ranges, MAX_RANGES);
	set_ranges(vcpu->vm, ranges, MAX_RANGES);
	expect_list(vcpu->vm, ranges, MAX_RANGES);
}

/* What a 32-bit caller has in memory is what a 64-bit one has. */
struct compat_memory {
	struct kvm_x86_shared_ranges head;
	struct kvm_x86_shared_range ranges[NR_GOOD];
};

TEST_F(shared_ranges, ioctls_of_a_32_bit_caller)
{
	struct compat_memory *m = map_last_page(PROT_READ | PROT_WRITE);
	struct kvm_x86_shared_range good[NR_GOOD];
	struct kvm_vm *vm = self->vcpu->vm;

	if (!has_compat_syscalls())
		SKIP(return, "needs CONFIG_IA32_EMULATION");

	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_CHECK_EXTENSION,
				    (void *)KVM_CAP_X86_SHARED_RANGES), MAX_RANGES);
	make_good_ranges(good);
	memcpy(m->ranges, good, sizeof(good));
	m->head = ranges_head(m->ranges, NR_GOOD);
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_SET_SHARED_RANGES, m), 0);
	expect_list(vm, good, NR_GOOD);

	m->ranges[1].gpa++;
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_SET_SHARED_RANGES, m), -EINVAL);
	m->head.ranges = 0;
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_SET_SHARED_RANGES, m), -EFAULT);
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_SET_SHARED_RANGES, NULL), -EFAULT);
	expect_list(vm, good, NR_GOOD);

	memset(m, 0, sizeof(*m));
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_GET_SHARED_RANGES, m), -E2BIG);
	TEST_ASSERT_EQ(m->head.nr_ranges, NR_GOOD);
	m->head.ranges = (uintptr_t)m->ranges;
	TEST_ASSERT_EQ(compat_ioctl(vm->fd, KVM_X86_GET_SHARED_RANGES, m), 0);
	TEST_ASSERT(same_ranges(m->ranges, good, NR_GOOD), "GET returns other ranges than SET");
	TEST_ASSERT_EQ(m->head.generation, generation_of(vm));
}

/* The hypercall.  Arguments are what they always had to be. */
static void expect_call(struct kvm_vcpu *vcpu, uint64_t gpa, uint64_t npages, int64_t ret)
{
	struct range_list before;

	get_list(vcpu->vm, &before);
	TEST_ASSERT_EQ(map_gpa(vcpu, gpa, npages, SHARED), ret);
	TEST_ASSERT_EQ(map_gpa(vcpu, gpa, npages, PRIVATE), ret);
	expect_same_list(vcpu->vm, &before);
}

KVM_ONE_VCPU_TEST(shared_ranges, call_einval, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD];

	set_good_list(vcpu->vm, good);
	expect_call(vcpu, 1, 1, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE - 1, 1, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE, 0, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE, UINT64_MAX - 7, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE, UINT64_MAX, -KVM_EINVAL);
}

/* There are no such pages.  That is all right, but they are not in the list. */
KVM_ONE_VCPU_TEST(shared_ranges, call_past_the_end, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD];

	set_good_list(vcpu->vm, good);
	expect_call(vcpu, GFN_END * PAGE_SIZE, 1, 0);
	expect_call(vcpu, GFN_END * PAGE_SIZE, GFN_END, 0);
	expect_call(vcpu, BIT_ULL(63), 1, 0);
	expect_call(vcpu, -(uint64_t)PAGE_SIZE, UINT64_MAX / PAGE_SIZE, 0);
}

/* A call that begins with pages that there are is for these. */
KVM_ONE_VCPU_TEST(shared_ranges, call_across_the_end, map_guest_main)
{
	share_pages(vcpu, GFN_END - 1, 2);
	expect_range(vcpu->vm, GFN_END - 1, 1);
	share_pages(vcpu, GFN_END - 8, UINT64_MAX - GFN_END);
	expect_range(vcpu->vm, GFN_END - 8, 8);
	unshare_pages(vcpu, GFN_END - 4, UINT64_MAX / 2);
	expect_range(vcpu->vm, GFN_END - 8, 4);
	share_pages(vcpu, 0, UINT64_MAX);
	expect_range(vcpu->vm, 0, GFN_END);
	unshare_pages(vcpu, 0, UINT64_MAX);
	expect_none(vcpu->vm);
}

/* 32-bit code without paging, which needs no page tables, and may use the port. */
static uint32_t map_gpa_32_bit(struct kvm_vcpu *vcpu, int cpl, uint32_t gfn, uint32_t npages)
{
	const uint8_t code[] = {
		0x0f, 0x01, host_cpu_is_intel ? 0xc1 : 0xd9,	/* vmcall or vmmcall */
		0xe6, 0x80,					/* out %al, $0x80 */
	};
	const struct kvm_segment flat = {
		.limit = UINT32_MAX, .selector = 8 | cpl, .type = 3, .dpl = cpl,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
	uint64_t page = vm_phy_page_alloc(vcpu->vm, 0x100000, 0);
	uint64_t garbage = BIT_ULL(40);
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = page, .rflags = 0x3002, .rax = KVM_HC_MAP_GPA_RANGE,
		.rbx = garbage | gfn * PAGE_SIZE, .rcx = garbage | npages,
		.rdx = garbage | SHARED, .rsi = garbage,
	};

	memcpy(addr_gpa2hva(vcpu->vm, page), code, sizeof(code));
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 = X86_CR0_PE | X86_CR0_ET;
	sregs.cr4 = 0;
	sregs.efer = 0;
	sregs.cs = flat;
	sregs.cs.type = 11;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.fs = flat;
	sregs.gs = flat;
	sregs.ss = flat;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(vcpu->run->io.port, 0x80);
	vcpu_regs_get(vcpu, &regs);
	return regs.rax;
}

KVM_ONE_VCPU_TEST(shared_ranges, call_eperm, NULL)
{
	TEST_ASSERT_EQ(map_gpa_32_bit(vcpu, 3, 0xfffff, 1), (uint32_t)-KVM_EPERM);
	expect_none(vcpu->vm);
}

KVM_ONE_VCPU_TEST(shared_ranges, call_of_32_bit_guest, NULL)
{
	TEST_ASSERT_EQ(map_gpa_32_bit(vcpu, 0, 0xfffff, 1), 0);
	expect_range(vcpu->vm, 0xfffff, 1);
}

/* Each call changes the list to what is beside it. */
KVM_ONE_VCPU_TEST(shared_ranges, calls_join_and_split, map_guest_main)
{
	const struct {
		uint64_t attributes, gfn, npages;
		uint64_t want[3][2];
	} steps[] = {
		{ SHARED,  10, 10, { { 10, 10 } } },
		{ SHARED,  30, 10, { { 10, 10 }, { 30, 10 } } },
		{ SHARED,  50, 1,  { { 10, 10 }, { 30, 10 }, { 50, 1 } } },
		/* From either side, and from both. */
		{ SHARED,  20, 1,  { { 10, 11 }, { 30, 10 }, { 50, 1 } } },
		{ SHARED,  29, 1,  { { 10, 11 }, { 29, 11 }, { 50, 1 } } },
		{ SHARED,  21, 8,  { { 10, 30 }, { 50, 1 } } },
		/* The middle, the edges, across a gap, and where there is none. */
		{ PRIVATE, 20, 10, { { 10, 10 }, { 30, 10 }, { 50, 1 } } },
		{ PRIVATE, 10, 1,  { { 11, 9 }, { 30, 10 }, { 50, 1 } } },
		{ PRIVATE, 39, 5,  { { 11, 9 }, { 30, 9 }, { 50, 1 } } },
		{ PRIVATE, 15, 20, { { 11, 4 }, { 35, 4 }, { 50, 1 } } },
		{ PRIVATE, 40, 10, { { 11, 4 }, { 35, 4 }, { 50, 1 } } },
		/* What is shared in part, in pieces, and already. */
		{ SHARED,  13, 4,  { { 11, 6 }, { 35, 4 }, { 50, 1 } } },
		{ SHARED,  12, 30, { { 11, 31 }, { 50, 1 } } },
		{ SHARED,  11, 31, { { 11, 31 }, { 50, 1 } } },
		{ SHARED,  0,  60, { { 0, 60 } } },
		{ PRIVATE, 5,  20, { { 0, 5 }, { 25, 35 } } },
		{ PRIVATE, 0,  99, { } },
	};
	struct kvm_x86_shared_range want[3];
	int i, nr;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		for (nr = 0; nr < 3 && steps[i].want[nr][1]; nr++)
			want[nr] = range(steps[i].want[nr][0], steps[i].want[nr][1]);
		TEST_ASSERT_EQ(map_gpa(vcpu, steps[i].gfn * PAGE_SIZE, steps[i].npages,
				       steps[i].attributes), 0);
		expect_list(vcpu->vm, want, nr);
	}
}

/* Bits that mean nothing, as yet. */
KVM_ONE_VCPU_TEST(shared_ranges, call_einval_attributes, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD];
	uint64_t generation;
	int bit;

	set_good_list(vcpu->vm, good);
	generation = generation_of(vcpu->vm);
	for (bit = 5; bit < 64; bit++) {
		TEST_ASSERT_EQ(map_gpa(vcpu, 0, 99, SHARED | BIT_ULL(bit)), -KVM_EINVAL);
		TEST_ASSERT_EQ(map_gpa(vcpu, 0, 99, PRIVATE | BIT_ULL(bit)), -KVM_EINVAL);
	}
	expect_list(vcpu->vm, good, NR_GOOD);
	TEST_ASSERT_EQ(generation_of(vcpu->vm), generation);
}

/* Pages are counted in 4 KiB, whatever their size. */
KVM_ONE_VCPU_TEST(shared_ranges, call_ignores_page_size, map_guest_main)
{
	const uint64_t sizes[] = {
		KVM_MAP_GPA_RANGE_PAGE_SZ_4K, KVM_MAP_GPA_RANGE_PAGE_SZ_2M,
		KVM_MAP_GPA_RANGE_PAGE_SZ_1G, 15,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		TEST_ASSERT_EQ(map_gpa(vcpu, 5 * PAGE_SIZE, 3, SHARED | sizes[i]), 0);
		expect_range(vcpu->vm, 5, 3);
		TEST_ASSERT_EQ(map_gpa(vcpu, 5 * PAGE_SIZE, 3, PRIVATE | sizes[i]), 0);
		expect_none(vcpu->vm);
	}
}

/* With exits, userspace decides. */
KVM_ONE_VCPU_TEST(shared_ranges, exit_with_bad_arguments, map_guest_main)
{
	struct kvm_x86_shared_range good[NR_GOOD];

	exit_on_map_gpa(vcpu->vm);
	set_good_list(vcpu->vm, good);
	expect_call(vcpu, 1, 1, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE, 0, -KVM_EINVAL);
	expect_call(vcpu, 8 * PAGE_SIZE, UINT64_MAX, -KVM_EINVAL);
}

KVM_ONE_VCPU_TEST(shared_ranges, exit_refused, map_guest_main)
{
	const int64_t answers[] = { -EINVAL, -EAGAIN, 1, INT64_MIN, BIT_ULL(32) };
	int i;

	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 5, 2, SHARED);
	answer_exit(vcpu, 0);
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		run_to_exit(vcpu, 7, 1, SHARED);
		answer_exit(vcpu, answers[i]);
		expect_range(vcpu->vm, 5, 2);
		run_to_exit(vcpu, 5, 1, PRIVATE);
		answer_exit(vcpu, answers[i]);
		expect_range(vcpu->vm, 5, 2);
	}
}

/* The ends of other calls, which KVM answers, do not record what is left of an exit. */
KVM_ONE_VCPU_TEST(shared_ranges, exit_is_over, map_guest_main)
{
	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 7, 1, SHARED);
	answer_exit(vcpu, -EINVAL);
	vm_enable_cap(vcpu->vm, KVM_CAP_EXIT_HYPERCALL, 0);
	unshare_pages(vcpu, 9, 1);
	expect_none(vcpu->vm);

	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 7, 1, SHARED);
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, 7, 1);
	vm_enable_cap(vcpu->vm, KVM_CAP_EXIT_HYPERCALL, 0);
	unshare_pages(vcpu, 7, 1);
	expect_none(vcpu->vm);
}

KVM_ONE_VCPU_TEST(shared_ranges, exit_granted, map_guest_main)
{
	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 5, 2, SHARED | KVM_MAP_GPA_RANGE_PAGE_SZ_2M);
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, 5, 2);
	run_to_exit(vcpu, GFN_END - 1, 2, SHARED);
	answer_exit(vcpu, 0);
	run_to_exit(vcpu, 5, 2, PRIVATE);
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, GFN_END - 1, 1);
}

/* It is for userspace to refuse them, as it always was. */
KVM_ONE_VCPU_TEST(shared_ranges, exit_with_any_attributes, map_guest_main)
{
	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 5, 2, ~(uint64_t)PRIVATE);
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, 5, 2);
	run_to_exit(vcpu, 5, 1, ~0ull);
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, 6, 1);
}

/* Userspace agrees with what the guest asked for, whatever it makes of the page. */
KVM_ONE_VCPU_TEST(shared_ranges, exit_args_overwritten, map_guest_main)
{
	struct kvm_run *run = vcpu->run;

	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 5, 2, SHARED);
	memset(&run->hypercall, 0xa5, sizeof(run->hypercall));
	answer_exit(vcpu, 0);
	expect_range(vcpu->vm, 5, 2);
}

/* When the vCPU comes back, not before; it need not enter the guest for that. */
KVM_ONE_VCPU_TEST(shared_ranges, exit_recorded_on_return, map_guest_main)
{
	uint64_t generation;

	exit_on_map_gpa(vcpu->vm);
	run_to_exit(vcpu, 5, 2, SHARED);
	vcpu->run->hypercall.ret = 0;
	expect_none(vcpu->vm);

	vcpu_run_complete_io(vcpu);
	expect_range(vcpu->vm, 5, 2);
	generation = generation_of(vcpu->vm);

	/* Once. */
	run_batch(vcpu);
	TEST_ASSERT_EQ(batch_of(vcpu)->calls[0].ret, 0);
	TEST_ASSERT_EQ(generation_of(vcpu->vm), generation);
}

/*
 * Another VM goes on where the guest left this one for userspace, which never comes
 * back.  The old VM keeps its descriptor, which is returned.
 */
static int leave_for_another_vm(struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = (*vcpu)->vm;
	struct kvm_x86_state *state;
	int fd = vm->fd, copy;
	struct range_list list;

	/* Saving all of the state would complete the exit. */
	state = vcpu_save_state(*vcpu);
	exit_on_map_gpa(vm);
	run_to_exit(*vcpu, 5, 1, SHARED);
	vcpu_regs_get(*vcpu, &state->regs);
	get_list(vm, &list);

	copy = dup(fd);
	TEST_ASSERT(copy >= 0, "dup() failed: %d", errno);
	kvm_vm_release(vm);
	TEST_ASSERT(dup2(copy, fd) == fd && !close(copy), "dup2() failed: %d", errno);

	*vcpu = vm_recreate_with_one_vcpu(vm);
	vcpu_load_state(*vcpu, state);
	kvm_x86_state_cleanup(state);
	enable_shared_ranges(vm, MAX_RANGES);
	set_ranges(vm, list.ranges, list.head.nr_ranges);
	return fd;
}

/* The guest makes the call again, and the new VM records it; the old VM does not. */
static void expect_made_again(struct kvm_vcpu *vcpu, int old)
{
	struct kvm_x86_shared_range want[] = { range(1, 1), range(5, 1) };
	struct kvm_vm source = { .fd = old };

	TEST_ASSERT_EQ(batch_of(vcpu)->calls[0].ret, 0);
	expect_list(vcpu->vm, want, ARRAY_SIZE(want));
	expect_range(&source, 1, 1);
	close(old);
}

TEST_F(shared_ranges, exit_pending_when_migrated)
{
	uint64_t generation;
	int old;

	vcpu_arch_set_entry_point(self->vcpu, map_guest_main);
	share_pages(self->vcpu, 1, 1);
	old = leave_for_another_vm(&self->vcpu);
	generation = generation_of(self->vcpu->vm);
	run_batch(self->vcpu);
	expect_made_again(self->vcpu, old);
	TEST_ASSERT_EQ(generation_of(self->vcpu->vm), generation + 1);
}

TEST_F(shared_ranges, exit_pending_when_migrated_to_exits)
{
	int old;

	vcpu_arch_set_entry_point(self->vcpu, map_guest_main);
	share_pages(self->vcpu, 1, 1);
	old = leave_for_another_vm(&self->vcpu);
	exit_on_map_gpa(self->vcpu->vm);
	vcpu_run(self->vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(self->vcpu, KVM_EXIT_HYPERCALL);
	expect_range(self->vcpu->vm, 1, 1);
	answer_exit(self->vcpu, 0);
	expect_made_again(self->vcpu, old);
}

/* Userspace has to convert the memory: KVM does not answer in its place. */
TEST(vm_with_private_memory)
{
	const struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT, .type = KVM_X86_SW_PROTECTED_VM,
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM)))
		SKIP(return, "needs CONFIG_KVM_SW_PROTECTED_VM");

	vm = vm_create_shape_with_one_vcpu(shape, &vcpu, map_guest_main);
	TEST_ASSERT_EQ(map_gpa(vcpu, 0, 1, SHARED), -KVM_ENOSYS);
	enable_shared_ranges(vm, 1);
	TEST_ASSERT_EQ(map_gpa(vcpu, 0, 1, SHARED), -KVM_ENOSYS);
	expect_none(vm);

	exit_on_map_gpa(vm);
	run_to_exit(vcpu, 5, 2, SHARED);
	answer_exit(vcpu, 0);
	expect_range(vm, 5, 2);
	run_to_exit(vcpu, 5, 2, PRIVATE);
	answer_exit(vcpu, -EINVAL);
	expect_range(vm, 5, 2);
	run_to_exit(vcpu, 5, 2, PRIVATE);
	answer_exit(vcpu, 0);
	expect_none(vm);
	kvm_vm_free(vm);
}

/*
 * struct nested - lives in guest memory
 * @intercept: With SVM, L1 wants L2's hypercalls.
 * @l2_left: L2's hypercall made it leave to L1.
 * @l2_vector: The exception that L2's hypercall took, or 0.
 */
static struct nested {
	bool intercept;
	bool l2_left;
	uint8_t l2_vector;
} nested;

static uint8_t l2_make_call(const struct map_call *c)
{
	if (msr_guest.vmx)
		return kvm_asm_safe("vmcall", "a"(KVM_HC_MAP_GPA_RANGE), "b"(c->gpa),
				    "c"(c->npages), "d"(c->attributes), "S"(0));

	return kvm_asm_safe("vmmcall", "a"(KVM_HC_MAP_GPA_RANGE), "b"(c->gpa),
			    "c"(c->npages), "d"(c->attributes), "S"(0));
}

static void l2_main(void)
{
	nested.l2_vector = l2_make_call(map_batches[0].calls);
	GUEST_SYNC(0);
}

static void l1_main(void *pages)
{
	struct svm_test_data *svm = pages;

	set_up_l1(pages, l2_main);
	if (!msr_guest.vmx && !nested.intercept)
		svm->vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_VMMCALL);

	nested.l2_left = enter_l2(pages);
	GUEST_SYNC(0);

	guest_make_calls(map_batches);
	GUEST_SYNC(0);
}

FIXTURE(nested)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(nested)
{
	bool vmx;
	bool intercept;
};

FIXTURE_VARIANT_ADD(nested, vmx) { .vmx = true, .intercept = true };
FIXTURE_VARIANT_ADD(nested, svm_intercepted) { .intercept = true };
FIXTURE_VARIANT_ADD(nested, svm_not_intercepted) {};

FIXTURE_SETUP(nested)
{
	uint8_t *bitmap;

	if (!kvm_cpu_has(variant->vmx ? X86_FEATURE_VMX : X86_FEATURE_SVM))
		SKIP(return, "needs nested %s", variant->vmx ? "VMX" : "SVM");

	self->vcpu = create_l1(variant->vmx, l1_main, &bitmap);
	nested.intercept = variant->intercept;
	sync_global_to_guest(self->vcpu->vm, nested);
	enable_shared_ranges(self->vcpu->vm, MAX_RANGES);
}

FIXTURE_TEARDOWN(nested)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* L2's hypercalls are L1's business, or #UD. */
static void expect_kept_from_kvm(struct kvm_vcpu *vcpu, bool intercept)
{
	prepare_call(vcpu, 5 * PAGE_SIZE, 1, SHARED);
	run_batch(vcpu);
	sync_global_from_guest(vcpu->vm, nested);
	TEST_ASSERT_EQ(!!(vcpu->run->flags & KVM_RUN_X86_GUEST_MODE), !intercept);
	TEST_ASSERT_EQ(nested.l2_left, intercept);
	TEST_ASSERT_EQ(nested.l2_vector, intercept ? 0 : UD_VECTOR);
	TEST_ASSERT_EQ(generation_of(vcpu->vm), 0);
	expect_none(vcpu->vm);
}

TEST_F(nested, call_of_l2)
{
	expect_kept_from_kvm(self->vcpu, variant->intercept);
	if (!variant->intercept)
		return;

	/* L1's own is recorded. */
	run_batch(self->vcpu);
	expect_range(self->vcpu->vm, 5, 1);
}

TEST_F(nested, call_of_l2_with_exits)
{
	exit_on_map_gpa(self->vcpu->vm);
	expect_kept_from_kvm(self->vcpu, variant->intercept);
}

/* The generation. */
static void expect_moved(struct kvm_vm *vm, uint64_t *generation)
{
	uint64_t now = generation_of(vm);

	TEST_ASSERT(now > *generation, "generation is %lu, was %lu", now, *generation);
	*generation = now;
}

static void expect_rests(struct kvm_vm *vm, uint64_t generation)
{
	TEST_ASSERT_EQ(generation_of(vm), generation);
}

KVM_ONE_VCPU_TEST(not_enabled, generation_moves, map_guest_main)
{
	struct kvm_x86_shared_range r = range(5, 4);
	struct kvm_vm *vm = vcpu->vm;
	uint64_t generation;

	enable_shared_ranges(vm, 1);
	generation = generation_of(vm);
	share_pages(vcpu, 5, 4);
	expect_moved(vm, &generation);
	share_pages(vcpu, 8, 2);
	expect_moved(vm, &generation);
	unshare_pages(vcpu, 9, 1);
	expect_moved(vm, &generation);

	/* Who set the list has to take another look, whatever it was. */
	set_ranges(vm, &r, 1);
	expect_moved(vm, &generation);

	share_pages(vcpu, 11, 1);
	expect_incomplete(vm);
	expect_moved(vm, &generation);
	set_ranges(vm, NULL, 0);
	expect_moved(vm, &generation);
	set_incomplete(vm);
	expect_moved(vm, &generation);
}

KVM_ONE_VCPU_TEST(not_enabled, generation_rests, map_guest_main)
{
	struct kvm_vm *vm = vcpu->vm;
	uint64_t generation;

	enable_shared_ranges(vm, 1);
	share_pages(vcpu, 5, 4);
	generation = generation_of(vm);
	expect_rests(vm, generation);

	share_pages(vcpu, 5, 4);
	share_pages(vcpu, 6, 1);
	unshare_pages(vcpu, 9, 1);
	unshare_pages(vcpu, 0, 5);
	unshare_pages(vcpu, 9, UINT64_MAX / 2);
	expect_rests(vm, generation);

	/* Whatever comes while the list is incomplete. */
	share_pages(vcpu, 11, 1);
	expect_incomplete(vm);
	generation = generation_of(vm);
	share_pages(vcpu, 5, 1);
	unshare_pages(vcpu, 5, 4);
	expect_rests(vm, generation);
	expect_incomplete(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SHARED_RANGES));
	return test_harness_run(argc, argv);
}
