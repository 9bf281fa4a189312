// SPDX-License-Identifier: GPL-2.0
/*
 * shared_ranges_bound_test - shared ranges: what a guest can make of the list at most
 *
 * - Past its bound, the list is dropped, and says so until it is set.
 * - The log tells of it once, with the process's name.
 * - The tracepoint kvm_shared_range tells of each change, and statistics count them.
 * - The list's memory is charged to the process, and is no more than was promised;
 *   when the list is dropped, it is free.
 */
#include <sys/prctl.h>

#include "kvm_test_harness.h"
#include "shared_ranges.h"

/* Each test has a bound of its own. */
KVM_ONE_VCPU_TEST_SUITE(bound);

/* The guest does not see that it exceeds the bound. */
KVM_ONE_VCPU_TEST(bound, one_range_too_many, map_guest_main)
{
	struct kvm_x86_shared_range want[] = { range(1, 1), range(3, 1), range(5, 1) };

	enable_shared_ranges(vcpu->vm, 3);
	share_every_second(vcpu, 1, 3);
	expect_list(vcpu->vm, want, 3);
	share_pages(vcpu, 7, 1);
	expect_incomplete(vcpu->vm);
}

KVM_ONE_VCPU_TEST(bound, one_split_too_many, map_guest_main)
{
	enable_shared_ranges(vcpu->vm, 1);
	share_pages(vcpu, 1, 3);
	unshare_pages(vcpu, 2, 1);
	expect_incomplete(vcpu->vm);
}

KVM_ONE_VCPU_TEST(bound, one_exit_too_many, map_guest_main)
{
	enable_shared_ranges(vcpu->vm, 1);
	share_pages(vcpu, 1, 1);
	exit_on_map_gpa(vcpu->vm);
	prepare_call(vcpu, 3 * PAGE_SIZE, 1, SHARED);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_HYPERCALL);
	expect_range(vcpu->vm, 1, 1);
	run_batch(vcpu);
	TEST_ASSERT_EQ(batch_of(vcpu)->calls[0].ret, 0);
	expect_incomplete(vcpu->vm);
}

/* As many as there may be can still grow, shrink and be joined. */
KVM_ONE_VCPU_TEST(bound, at_the_bound, map_guest_main)
{
	struct kvm_x86_shared_range want[] = { range(1, 3), range(5, 4) };

	enable_shared_ranges(vcpu->vm, 3);
	share_every_second(vcpu, 1, 3);
	share_pages(vcpu, 5, 5);
	unshare_pages(vcpu, 9, 1);
	share_pages(vcpu, 2, 1);
	expect_list(vcpu->vm, want, 2);
	share_pages(vcpu, 10, 1);
	share_pages(vcpu, 0, 20);
	expect_range(vcpu->vm, 0, 20);
}

KVM_ONE_VCPU_TEST(bound, max_ranges, map_guest_main)
{
	struct kvm_x86_shared_range want[MAX_RANGES];

	enable_shared_ranges(vcpu->vm, MAX_RANGES);
	fill_every_second(want, MAX_RANGES);
	share_every_second(vcpu, 0, MAX_RANGES);
	expect_list(vcpu->vm, want, MAX_RANGES);
	share_pages(vcpu, 2 * MAX_RANGES, 1);
	expect_incomplete(vcpu->vm);
}

/* Whatever the guest does next, and however little it shares. */
KVM_ONE_VCPU_TEST(bound, incomplete_stays, map_guest_main)
{
	enable_shared_ranges(vcpu->vm, 1);
	share_every_second(vcpu, 1, 2);
	expect_incomplete(vcpu->vm);
	share_pages(vcpu, 1, 1);
	expect_incomplete(vcpu->vm);
	unshare_pages(vcpu, 0, UINT64_MAX);
	expect_incomplete(vcpu->vm);
	TEST_ASSERT_EQ(map_gpa(vcpu, 1, 1, SHARED), -KVM_EINVAL);
	expect_incomplete(vcpu->vm);
}

KVM_ONE_VCPU_TEST(bound, set_clears_incomplete, map_guest_main)
{
	struct kvm_x86_shared_range r = range(7, 1);

	enable_shared_ranges(vcpu->vm, 1);
	share_every_second(vcpu, 1, 2);
	set_ranges(vcpu->vm, NULL, 0);
	expect_none(vcpu->vm);
	share_pages(vcpu, 2, 2);
	expect_range(vcpu->vm, 2, 2);

	share_pages(vcpu, 5, 1);
	expect_incomplete(vcpu->vm);
	set_ranges(vcpu->vm, &r, 1);
	expect_range(vcpu->vm, 7, 1);
	share_pages(vcpu, 8, 1);
	expect_range(vcpu->vm, 7, 2);
}

/* A list that was incomplete is so in the VM that it is migrated to. */
KVM_ONE_VCPU_TEST(bound, set_incomplete, map_guest_main)
{
	enable_shared_ranges(vcpu->vm, MAX_RANGES);
	share_pages(vcpu, 1, 1);
	set_incomplete(vcpu->vm);
	expect_incomplete(vcpu->vm);
	share_pages(vcpu, 3, 1);
	unshare_pages(vcpu, 1, 1);
	expect_incomplete(vcpu->vm);
	set_ranges(vcpu->vm, NULL, 0);
	expect_none(vcpu->vm);
}

/* Exceed the bound.  Returns how often the log says so, in the process's name. */
static int times_reported(int log)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, map_guest_main);
	char text[128];
	int i, times = 0;

	prctl(PR_SET_NAME, "a vmm");
	snprintf(text, sizeof(text), "kvm: a vmm[%d]: the list of the guest's shared pages",
		 getpid());
	enable_shared_ranges(vm, 2);
	for (i = 0; i < 3; i++) {
		share_every_second(vcpu, 1, 3);
		expect_incomplete(vm);
		times += times_logged(log, text);
		TEST_ASSERT(!i || times < 2, "reported again");
		set_ranges(vm, NULL, 0);
	}
	kvm_vm_free(vm);
	return times;
}

TEST(reported_once)
{
	int log = open_log();

	if (log < 0)
		SKIP(return, "needs root and /dev/kmsg");

	/* Reports of all VMs are limited to some in five seconds. */
	if (times_reported(log))
		return;

	sleep(6);
	TEST_ASSERT_EQ(times_reported(log), 1);
}

TEST(not_reported_if_set)
{
	struct kvm_vm *vm = vm_create_barebones();
	int log = open_log();
	char pid[16];

	if (log < 0)
		SKIP(return, "needs root and /dev/kmsg");

	enable_shared_ranges(vm, 1);
	set_incomplete(vm);
	snprintf(pid, sizeof(pid), "[%d]: ", getpid());
	TEST_ASSERT_EQ(times_logged(log, pid), 0);
	kvm_vm_free(vm);
}

/* An event for each change by the guest, and for nothing else. */
TEST_F(bound, tracepoint)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	if (!start_trace("kvm_shared_range"))
		SKIP(return, "needs root and tracefs at /sys/kernel/tracing");

	vcpu_arch_set_entry_point(vcpu, map_guest_main);
	enable_shared_ranges(vcpu->vm, 2);
	share_pages(vcpu, 16, 3);
	share_pages(vcpu, 17, 1);
	share_pages(vcpu, GFN_END - 1, 2);
	unshare_pages(vcpu, 18, 8);
	unshare_pages(vcpu, 18, 8);
	TEST_ASSERT_EQ(map_gpa(vcpu, 1, 1, SHARED), -KVM_EINVAL);
	share_pages(vcpu, 0, 1);
	share_pages(vcpu, 2, 1);
	set_ranges(vcpu->vm, NULL, 0);
	share_pages(vcpu, 0, 3);
	exit_on_map_gpa(vcpu->vm);
	prepare_call(vcpu, PAGE_SIZE, 1, PRIVATE);
	vcpu_run(vcpu);
	run_batch(vcpu);

	expect_trace("kvm_shared_range",
		     "gpa 0x10000 pages 3 shared ranges 1\n"
		     "gpa 0xffffffffff000 pages 1 shared ranges 2\n"
		     "gpa 0x12000 pages 8 private ranges 2\n"
		     "gpa 0x0 pages 1 shared ranges 0 incomplete\n"
		     "gpa 0x0 pages 3 shared ranges 1\n"
		     "gpa 0x1000 pages 1 private ranges 2\n");
}

static uint64_t read_debugfs(struct kvm_vm *vm, const char *name)
{
	char path[128], buf[32];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), vm->fd, name);
	TEST_ASSERT(read_file(path, buf, sizeof(buf)), "cannot read %s: %d", path, errno);
	return strtoull(buf, NULL, 10);
}

static void expect_stats(struct kvm_vm *vm, uint64_t ranges, uint64_t changes)
{
	TEST_ASSERT_EQ(vm_get_stat(vm, shared_ranges), ranges);
	TEST_ASSERT_EQ(vm_get_stat(vm, shared_range_changes), changes);
	if (access("/sys/kernel/debug/kvm", R_OK))
		return;

	TEST_ASSERT_EQ(read_debugfs(vm, "shared_ranges"), ranges);
	TEST_ASSERT_EQ(read_debugfs(vm, "shared_range_changes"), changes);
}

KVM_ONE_VCPU_TEST(bound, statistics, map_guest_main)
{
	struct kvm_x86_shared_range ranges[] = { range(1, 1), range(3, 1), range(5, 1) };

	expect_stats(vcpu->vm, 0, 0);
	enable_shared_ranges(vcpu->vm, 3);
	expect_stats(vcpu->vm, 0, 0);
	share_every_second(vcpu, 1, 2);
	expect_stats(vcpu->vm, 2, 2);
	share_pages(vcpu, 1, 1);
	unshare_pages(vcpu, 2, 1);
	expect_stats(vcpu->vm, 2, 2);
	unshare_pages(vcpu, 3, 1);
	expect_stats(vcpu->vm, 1, 3);
	set_ranges(vcpu->vm, ranges, 3);
	expect_stats(vcpu->vm, 3, 4);
	share_pages(vcpu, 7, 1);
	expect_stats(vcpu->vm, 0, 5);
	share_pages(vcpu, 7, 1);
	expect_stats(vcpu->vm, 0, 5);
}

/*
 * Charges go by batches of 256 KiB for each processor: stay on one, and share them
 * among many VMs.
 */
#define CHARGE_BATCH	(256 * 1024)
#define NR_VMS		64
#define NR_GUESTS	8

/* KASAN's, or those of slab_debug=Z.  A range has 40 bytes. */
static bool has_red_zones(void)
{
	char buf[32];

	return read_file("/sys/kernel/slab/kvm_range_node/slab_size", buf, sizeof(buf)) &&
	       atoi(buf) > 40;
}

FIXTURE(memory)
{
	struct kvm_vm *vms[NR_VMS];
};

FIXTURE_SETUP(memory)
{
	if (has_red_zones())
		SKIP(return, "this kernel looks for memory errors, for which it allocates more");

	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);

	pin_to_cpu(0);
}

FIXTURE_TEARDOWN(memory)
{
	int i;

	for (i = 0; i < NR_VMS && self->vms[i]; i++)
		kvm_vm_free(self->vms[i]);
	leave_cgroup();
}

/* Give each VM a list as long as it may be. */
static void set_lists(struct kvm_vm **vms, int nr_vms, uint32_t bound)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES];
	int i;

	fill_every_second(ranges, bound);
	for (i = 0; i < nr_vms; i++) {
		enable_shared_ranges(vms[i], bound);
		set_ranges(vms[i], ranges, bound);
	}
}

/* What is left of a list that was dropped: some hundred bytes, and a batch. */
static void expect_freed(long before, int nr_vms)
{
	long left = (charged_bytes() - before) / nr_vms;

	TEST_ASSERT(left <= CHARGE_BATCH / nr_vms + 512,
		    "an incomplete list is charged %ld bytes", left);
}

static void expect_charged(struct kvm_vm **vms, uint32_t nr, long limit)
{
	long size = nr * sizeof(struct kvm_x86_shared_range), before, charged;
	int i;

	for (i = 0; i < NR_VMS; i++)
		vms[i] = vm_create_barebones();

	before = charged_bytes();
	set_lists(vms, NR_VMS, nr);
	charged = (charged_bytes() - before) / NR_VMS;
	pr_info("# %u ranges: %ld bytes\n", nr, charged);
	TEST_ASSERT(charged >= size - CHARGE_BATCH / NR_VMS && charged <= limit,
		    "%u ranges were charged %ld bytes", nr, charged);

	for (i = 0; i < NR_VMS; i++)
		set_incomplete(vms[i]);
	expect_freed(before, NR_VMS);
}

TEST_F_TIMEOUT(memory, of_a_linux_guest, 120)
{
	expect_charged(self->vms, 60, 16 * 1024);
}

TEST_F_TIMEOUT(memory, of_max_ranges, 120)
{
	expect_charged(self->vms, MAX_RANGES, MAX_RANGES * 64 + 16 * 1024);
}

/* A hypercall that goes past the bound frees the list at once. */
TEST_F_TIMEOUT(memory, freed_by_the_guest, 120)
{
	struct kvm_vcpu *vcpus[NR_GUESTS];
	long before;
	int i;

	for (i = 0; i < NR_GUESTS; i++) {
		self->vms[i] = vm_create_with_one_vcpu(&vcpus[i], map_guest_main);
		/* What the guest itself takes is charged by then. */
		TEST_ASSERT_EQ(map_gpa(vcpus[i], 0, 1, SHARED), -KVM_ENOSYS);
	}

	before = charged_bytes();
	set_lists(self->vms, NR_GUESTS, MAX_RANGES);
	for (i = 0; i < NR_GUESTS; i++) {
		share_pages(vcpus[i], 2 * MAX_RANGES, 1);
		expect_incomplete(self->vms[i]);
	}
	expect_freed(before, NR_GUESTS);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SHARED_RANGES));
	return test_harness_run(argc, argv);
}
