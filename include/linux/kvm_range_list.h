/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_KVM_RANGE_LIST_H
#define _LINUX_KVM_RANGE_LIST_H

#include <linux/rbtree_types.h>
#include <linux/types.h>

struct kvm_range_node;

/*
 * A sorted list of ranges of numbers, e.g. of guest frame numbers.  Ranges neither
 * overlap nor touch: the list is the shortest that describes its set of numbers.
 *
 * A guest may be the one who adds and removes ranges: a list never grows past its
 * bound.  Functions that fail leave it as it was.
 *
 * Callers serialize access to a list.  Functions that change it may sleep.
 */
struct kvm_range_list {
	struct rb_root ranges;
	struct kvm_range_node *spare;
	u32 nr_ranges;
	u32 max_ranges;
};

/* Both ends are part of the range, so that a range may hold the last number there is. */
struct kvm_range {
	u64 first;
	u64 last;
};

int kvm_range_list_module_init(void);
void kvm_range_list_module_exit(void);

void kvm_range_list_init(struct kvm_range_list *list, u32 max_ranges);
void kvm_range_list_clear(struct kvm_range_list *list);

/*
 * Return 1 if the list changed, 0 if it did not have to, -ENOSPC if the change would
 * take the list past its bound, and -ENOMEM.
 */
int kvm_range_list_add(struct kvm_range_list *list, u64 first, u64 last);
int kvm_range_list_remove(struct kvm_range_list *list, u64 first, u64 last);

/* Copy the first @nr ranges, or all if there are fewer. */
void kvm_range_list_snapshot(const struct kvm_range_list *list, struct kvm_range *to, u32 nr);

/* For KUnit, which makes it fail */
struct kvm_range_node *kvm_range_node_alloc(void);

#endif /* _LINUX_KVM_RANGE_LIST_H */
