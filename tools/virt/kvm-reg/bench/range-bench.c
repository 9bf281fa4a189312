// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs that a guest shares a page and unshares it, as it does for DMA if its
 * memory is encrypted, and what the host's list of the pages that it shares costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/kvm_para.h>

#include "bench.h"
#include "../vmm/vmm.h"

#define PAGE		4096ULL
#define MAX_RANGES	4096

/* Every second page is shared from here on.  It need not be memory. */
#define FIRST_GPA	0x40000000

#define NR_VMS		32	/* whose lists are charged: what is charged are pages */
#define BITMAP_OF	(64ULL << 30)

#define CGROUPS		"/sys/fs/cgroup"
#define CGROUP		CGROUPS "/msr-bench"

/* What becomes of the hypercalls */
struct sharing {
	const char *name;
	bool exits;		/* to userspace */
	bool listed;		/* in the list */
	__u32 nr_ranges;	/* in the list, besides the page that is shared and unshared */
};

static const struct sharing sharings[] = {
	{ "share-unshare-no-list", false, false, 0 },
	{ "share-unshare-0-ranges", false, true, 0 },
	{ "share-unshare-60-ranges", false, true, 60 },
	{ "share-unshare-1000-ranges", false, true, 1000 },
	{ "share-unshare-4000-ranges", false, true, 4000 },
	{ "share-unshare-4095-ranges", false, true, MAX_RANGES - 1 },
	{ "share-unshare-exit-no-list", true, false, 0 },
	{ "share-unshare-exit-0-ranges", true, true, 0 },
	{ "share-unshare-exit-4095-ranges", true, true, MAX_RANGES - 1 },
};

static const struct {
	const char *name;
	__u32 nr_ranges;
} lists[] = {
	{ "bytes-60-shared-ranges", 60 },
	{ "bytes-1000-shared-ranges", 1000 },
	{ "bytes-4096-shared-ranges", MAX_RANGES },
};

static struct kvm_x86_shared_range ranges[MAX_RANGES];	/* of the list that was set last */

/* Hypercalls to measure, and who makes them */
struct pairs {
	struct vmm *vm;
	const struct sharing *sharing;
	__u32 gpa;		/* of the page */
};

/* How many of so many ranges are before the page: neither half nor a power of two of them */
static __u32 nr_before(__u32 nr_ranges)
{
	return nr_ranges * 5 / 8;
}

/* Every second page, but for a gap in which the page touches no other range. */
static void set_list(struct vmm *vm, __u32 nr_ranges)
{
	const struct kvm_x86_shared_ranges list = {
		.nr_ranges = nr_ranges,
		.ranges = (unsigned long)ranges,
	};
	__u32 i;

	for (i = 0; i < nr_ranges; i++) {
		ranges[i].gpa = FIRST_GPA + (i + (i >= nr_before(nr_ranges))) * 2 * PAGE;
		ranges[i].size = PAGE;
	}
	vmm_enable_shared_ranges(vm, MAX_RANGES);
	vmm_set_shared_ranges(vm, &list);
}

/* Is the list as it was set?  Return its generation. */
static __u64 check_list(struct vmm *vm, const struct sharing *s)
{
	static struct kvm_x86_shared_range now[MAX_RANGES];
	struct kvm_x86_shared_ranges list = {
		.nr_ranges = MAX_RANGES,
		.ranges = (unsigned long)now,
	};

	if (!s->listed)
		return 0;
	vmm_get_shared_ranges(vm, &list);
	check_count(s->name, "flags", list.flags, 0);
	check_count(s->name, "ranges", list.nr_ranges, s->nr_ranges);
	if (memcmp(now, ranges, s->nr_ranges * sizeof(*now)))
		vmm_fail("%s: KVM keeps ranges that the guest does not share", s->name);
	return list.generation;
}

/* Run the guest to its end and return how often it exited to userspace. */
static unsigned int run_pairs(struct vmm_vcpu *vcpu, __u32 gpa)
{
	struct kvm_run *run = vcpu->run;
	unsigned int exits = 0;

	while (vmm_run(vcpu)) {
		exits++;
		if (run->exit_reason != KVM_EXIT_HYPERCALL || run->hypercall.args[0] != gpa)
			vmm_fail("KVM_RUN: exit %u for no hypercall of the guest's",
				 run->exit_reason);
		run->hypercall.ret = 0;
	}
	return exits;
}

static __u64 time_pairs(const void *arg, __u32 times)
{
	const struct pairs *p = arg;
	const struct sharing *s = p->sharing;
	struct vmm_vcpu *vcpu = &p->vm->vcpus[0];
	const bool handled = s->exits || s->listed;
	__u64 start, cost, vm_exits, generation;
	unsigned int exits;

	generation = check_list(p->vm, s);
	vm_exits = vmm_stat(vcpu, "exits");
	vmm_start_sharing(vcpu, p->gpa, times);
	start = now();
	exits = run_pairs(vcpu, p->gpa);
	cost = now() - start;

	vm_exits = vmm_stat(vcpu, "exits") - vm_exits;
	if (vm_exits < 2 * times)
		vmm_fail("%s: %llu VM-exits for %u hypercalls", s->name, vm_exits, 2 * times);
	check_count(s->name, "hypercalls to userspace", exits, s->exits ? 2 * times : 0);
	check_count(s->name, "accesses missing", vmm_left(vcpu), 0);
	check_count(s->name, "returned", vmm_results(vcpu), handled ? 0 : (__u32)-KVM_ENOSYS);
	check_count(s->name, "changes of the list", check_list(p->vm, s) - generation,
		    s->listed ? 2 * times : 0);
	return cost;
}

static void measure_pairs(const struct sharing *s)
{
	struct vmm vm;
	struct pairs p = {
		.vm = &vm,
		.sharing = s,
		.gpa = FIRST_GPA + nr_before(s->nr_ranges) * 2 * PAGE,
	};

	vmm_create(&vm);
	vmm_add_vcpu(&vm);
	if (s->exits)
		vmm_set_share_exits(&vm);
	if (s->listed)
		set_list(&vm, s->nr_ranges);
	measure_batches(s->name, time_pairs, &p, (nr_accesses + 1) / 2);
	vmm_destroy(&vm);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		vmm_fail("%s: %s: as root, mount -t cgroup2 cgroup " CGROUPS, path,
			 strerror(errno));
	close(fd);
}

static void enter_cgroup(void)
{
	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP, 0755);
	write_file(CGROUP "/cgroup.procs", "0");
}

static void leave_cgroup(void)
{
	write_file(CGROUPS "/cgroup.procs", "0");
}

/* What is charged to the cgroup, after everybody has left it */
static __u64 charged_bytes(void)
{
	unsigned long long bytes;
	FILE *file;

	/* The kernel charges more pages than it needs: the limit makes it return them. */
	write_file(CGROUP "/memory.high", "0");
	file = fopen(CGROUP "/memory.current", "re");
	if (!file || fscanf(file, "%llu", &bytes) != 1)
		vmm_fail(CGROUP "/memory.current: no number");
	fclose(file);
	return bytes;
}

static void measure_list(const char *name, __u32 nr_ranges)
{
	static struct vmm vms[NR_VMS];
	int i;

	for (i = 0; i < NR_VMS; i++)
		vmm_create(&vms[i]);
	/* Nothing but the lists is charged in between. */
	enter_cgroup();
	for (i = 0; i < NR_VMS; i++)
		set_list(&vms[i], nr_ranges);
	leave_cgroup();
	print_cost(name, charged_bytes(), NR_VMS);
	for (i = 0; i < NR_VMS; i++)
		vmm_destroy(&vms[i]);
	rmdir(CGROUP);
}

void measure_sharing(void)
{
	const struct sharing *s;

	for (s = sharings; s < sharings + ARRAY_SIZE(sharings); s++) {
		if (is_to_measure(s->name, s->listed ? NEEDS_SHARED_RANGES : NEEDS_NOTHING))
			measure_pairs(s);
	}
}

void measure_shared_ranges(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (is_to_measure(lists[i].name, NEEDS_SHARED_RANGES))
			measure_list(lists[i].name, lists[i].nr_ranges);
	}
	if (is_to_measure("bytes-64-gib-bitmap", NEEDS_NOTHING))
		print_cost("bytes-64-gib-bitmap", BITMAP_OF / PAGE / 8, 1);
}
