// SPDX-License-Identifier: GPL-2.0
/*
 * Shared ranges: which pages a guest shares with its host, by KVM_HC_MAP_GPA_RANGE.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/kvm_host.h>
#include <linux/kvm_range_list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "shared_ranges.h"
#include "trace.h"
#include "x86.h"

static_assert(sizeof(struct kvm_x86_shared_range) == 16);
static_assert(offsetof(struct kvm_x86_shared_range, size) == 8);
static_assert(sizeof(struct kvm_x86_shared_ranges) == 64);
static_assert(offsetof(struct kvm_x86_shared_ranges, nr_ranges) == 4);
static_assert(offsetof(struct kvm_x86_shared_ranges, ranges) == 8);
static_assert(offsetof(struct kvm_x86_shared_ranges, generation) == 16);
static_assert(offsetof(struct kvm_x86_shared_ranges, reserved) == 24);

/* No x86 processor has more than 52 bits of physical address. */
#define GPA_END	BIT_ULL(52)

struct kvm_shared_ranges {
	u32 max_ranges;

	/* Protects what follows.  vCPUs take it: wait for memory, not for userspace. */
	struct mutex lock;
	struct kvm_range_list list;	/* of guest frame numbers; empty if incomplete */
	u64 generation;
	bool incomplete;
	bool reported;
};

int kvm_vm_enable_shared_ranges(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (!cap->args[0] || cap->args[0] > KVM_MAX_SHARED_RANGES ||
	    cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;

	struct kvm_shared_ranges *ranges __free(kfree) =
		kzalloc_obj(*ranges, GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return -ENOMEM;

	ranges->max_ranges = cap->args[0];
	mutex_init(&ranges->lock);
	kvm_range_list_init(&ranges->list, ranges->max_ranges);

	guard(mutex)(&kvm->lock);
	if (kvm->arch.shared_ranges)
		return -EBUSY;

	/* Pairs with the READ_ONCE() of running vCPUs. */
	smp_store_release(&kvm->arch.shared_ranges, no_free_ptr(ranges));
	return 0;
}

void kvm_shared_ranges_destroy(struct kvm *kvm)
{
	struct kvm_shared_ranges *ranges = kvm->arch.shared_ranges;

	if (!ranges)
		return;

	kvm_range_list_clear(&ranges->list);
	kfree(ranges);
}

static void note_change(struct kvm *kvm, struct kvm_shared_ranges *ranges)
{
	ranges->generation++;
	kvm->stat.shared_ranges = ranges->list.nr_ranges;
	kvm->stat.shared_range_changes++;
}

/* Return true if userspace has lost the list, and the log does not say so yet. */
static bool change_list(struct kvm *kvm, struct kvm_shared_ranges *ranges, gpa_t gpa,
			u64 npages, bool shared)
{
	gfn_t first = gpa_to_gfn(gpa), last = first + npages - 1;
	int r;

	guard(mutex)(&ranges->lock);
	if (ranges->incomplete)
		return false;

	if (shared)
		r = kvm_range_list_add(&ranges->list, first, last);
	else
		r = kvm_range_list_remove(&ranges->list, first, last);
	if (!r)
		return false;

	if (r < 0) {
		/* A list that lacks a page must not pass for one that has them all. */
		kvm_range_list_clear(&ranges->list);
		ranges->incomplete = true;
	}

	note_change(kvm, ranges);
	trace_kvm_shared_range(gpa, npages, shared, ranges->list.nr_ranges, ranges->incomplete);
	if (!ranges->incomplete || ranges->reported)
		return false;

	ranges->reported = true;
	return true;
}

static void record_map_gpa_range(struct kvm *kvm, gpa_t gpa, u64 npages, u64 attributes)
{
	struct kvm_shared_ranges *ranges = READ_ONCE(kvm->arch.shared_ranges);

	/* Pages past the last that x86 can have are in no list. */
	if (!ranges || gpa >= GPA_END)
		return;

	npages = min(npages, gpa_to_gfn(GPA_END - gpa));
	if (change_list(kvm, ranges, gpa, npages, !(attributes & KVM_MAP_GPA_RANGE_ENCRYPTED)))
		pr_warn_ratelimited("%s[%d]: the list of the guest's shared pages is incomplete: more than %u ranges, or no memory\n",
				    current->group_leader->comm, task_tgid_nr(current),
				    ranges->max_ranges);
}

/* KVM_HC_MAP_GPA_RANGE that userspace does not ask to see; the caller has checked the range. */
unsigned long kvm_record_map_gpa_range(struct kvm *kvm, gpa_t gpa, u64 npages, u64 attributes)
{
	/* Page size, which does not matter here, and bit 4; all else is reserved. */
	if (attributes & ~GENMASK_ULL(4, 0))
		return -KVM_EINVAL;

	record_map_gpa_range(kvm, gpa, npages, attributes);
	return 0;
}

/* Userspace has answered the exit.  Zero: it agrees with the guest. */
void __kvm_record_map_gpa_range_exit(struct kvm_vcpu *vcpu, u64 ret)
{
	if (!ret)
		record_map_gpa_range(vcpu->kvm, vcpu->arch.map_gpa_range_exit.gpa,
				     vcpu->arch.map_gpa_range_exit.npages,
				     vcpu->arch.map_gpa_range_exit.attributes);

	vcpu->arch.map_gpa_range_exit.npages = 0;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(__kvm_record_map_gpa_range_exit);

static int check_set(const struct kvm_shared_ranges *ranges,
		     const struct kvm_x86_shared_ranges *head)
{
	if (head->flags & ~KVM_X86_SHARED_RANGES_INCOMPLETE || head->generation ||
	    memchr_inv(head->reserved, 0, sizeof(head->reserved)))
		return -EINVAL;

	if (head->flags & KVM_X86_SHARED_RANGES_INCOMPLETE && head->nr_ranges)
		return -EINVAL;

	return head->nr_ranges > ranges->max_ranges ? -E2BIG : 0;
}

/* Fill an empty list with userspace's ranges. */
static int copy_ranges(struct kvm_range_list *list, const struct kvm_x86_shared_ranges *head)
{
	struct kvm_x86_shared_range __user *from = u64_to_user_ptr(head->ranges);
	struct kvm_x86_shared_range range;
	u64 end = 0;
	u32 i;
	int r;

	for (i = 0; i < head->nr_ranges; i++) {
		if (copy_from_user(&range, &from[i], sizeof(range)))
			return -EFAULT;

		if (!PAGE_ALIGNED(range.gpa | range.size) || !range.size ||
		    range.gpa < end || range.gpa > GPA_END || range.size > GPA_END - range.gpa)
			return -EINVAL;

		end = range.gpa + range.size;
		r = kvm_range_list_add(list, gpa_to_gfn(range.gpa), gpa_to_gfn(end) - 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int kvm_vm_ioctl_set_shared_ranges(struct kvm *kvm, void __user *argp)
{
	struct kvm_shared_ranges *ranges = READ_ONCE(kvm->arch.shared_ranges);
	struct kvm_x86_shared_ranges head;
	struct kvm_range_list list;
	int r;

	if (!ranges)
		return -EINVAL;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;

	r = check_set(ranges, &head);
	if (r)
		return r;

	kvm_range_list_init(&list, ranges->max_ranges);
	r = copy_ranges(&list, &head);
	if (!r) {
		guard(mutex)(&ranges->lock);
		swap(ranges->list, list);
		ranges->incomplete = head.flags & KVM_X86_SHARED_RANGES_INCOMPLETE;
		note_change(kvm, ranges);
	}
	kvm_range_list_clear(&list);
	return r;
}

static int copy_snapshot(const struct kvm_x86_shared_ranges *head, const struct kvm_range *ranges)
{
	struct kvm_x86_shared_range __user *to = u64_to_user_ptr(head->ranges);
	struct kvm_x86_shared_range range;
	u32 i;

	for (i = 0; i < head->nr_ranges; i++) {
		range.gpa = gfn_to_gpa(ranges[i].first);
		range.size = gfn_to_gpa(ranges[i].last + 1) - range.gpa;
		if (copy_to_user(&to[i], &range, sizeof(range)))
			return -EFAULT;
	}
	return 0;
}

int kvm_vm_ioctl_get_shared_ranges(struct kvm *kvm, void __user *argp)
{
	struct kvm_shared_ranges *ranges = READ_ONCE(kvm->arch.shared_ranges);
	struct kvm_range *snapshot __free(kvfree) = NULL;
	struct kvm_x86_shared_ranges head;
	u32 capacity;

	if (!ranges)
		return -EINVAL;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;

	if (memchr_inv(head.reserved, 0, sizeof(head.reserved)))
		return -EINVAL;

	capacity = min(head.nr_ranges, ranges->max_ranges);
	if (capacity) {
		snapshot = kvcalloc(capacity, sizeof(*snapshot), GFP_KERNEL_ACCOUNT);
		if (!snapshot)
			return -ENOMEM;
	}

	/* Userspace's memory may wait for userspace.  Don't touch it under the lock. */
	scoped_guard(mutex, &ranges->lock) {
		head.flags = ranges->incomplete ? KVM_X86_SHARED_RANGES_INCOMPLETE : 0;
		head.nr_ranges = ranges->list.nr_ranges;
		head.generation = ranges->generation;
		kvm_range_list_snapshot(&ranges->list, snapshot, capacity);
	}

	if (head.nr_ranges <= capacity && copy_snapshot(&head, snapshot))
		return -EFAULT;

	if (copy_to_user(argp, &head, sizeof(head)))
		return -EFAULT;

	/* @head has the count, for userspace to make room and try again. */
	return head.nr_ranges > capacity ? -E2BIG : 0;
}
