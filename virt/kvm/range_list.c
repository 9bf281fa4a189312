// SPDX-License-Identifier: GPL-2.0
/*
 * A bounded list of ranges.
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kvm_range_list.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <kunit/static_stub.h>

/*
 * Ranges don't overlap, which makes their order total: a plain red-black tree finds
 * the first range that overlaps another one, and ranges can grow and shrink in place,
 * as they cannot in an interval tree.  A range takes 40 bytes whatever its neighbors
 * are, unlike in the nodes of a maple tree: the bound is one of memory, too.
 */
struct kvm_range_node {
	struct rb_node rb;
	struct kvm_range range;
};

static struct kmem_cache *range_node_cache;

static struct kvm_range_node *to_node(const struct rb_node *rb)
{
	return rb_entry_safe(rb, struct kvm_range_node, rb);
}

int __init kvm_range_list_module_init(void)
{
	range_node_cache = KMEM_CACHE(kvm_range_node, SLAB_ACCOUNT);
	return range_node_cache ? 0 : -ENOMEM;
}

void __exit kvm_range_list_module_exit(void)
{
	kmem_cache_destroy(range_node_cache);
}

void kvm_range_list_init(struct kvm_range_list *list, u32 max_ranges)
{
	*list = (struct kvm_range_list) { .max_ranges = max_ranges };
}

void kvm_range_list_clear(struct kvm_range_list *list)
{
	struct kvm_range_node *node, *next;

	rbtree_postorder_for_each_entry_safe(node, next, &list->ranges, rb)
		kmem_cache_free(range_node_cache, node);

	if (list->spare)
		kmem_cache_free(range_node_cache, list->spare);

	kvm_range_list_init(list, list->max_ranges);
}

/* A guest can cause this.  Fail, rather than have a process killed for it. */
struct kvm_range_node *kvm_range_node_alloc(void)
{
	KUNIT_STATIC_STUB_REDIRECT(kvm_range_node_alloc);

	return kmem_cache_alloc(range_node_cache,
				GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

/* Drivers share a page, unshare it, and share the next one: keep one node for that. */
static struct kvm_range_node *take_node(struct kvm_range_list *list)
{
	struct kvm_range_node *node = list->spare;

	list->spare = NULL;
	return node ?: kvm_range_node_alloc();
}

static void put_node(struct kvm_range_list *list, struct kvm_range_node *node)
{
	if (list->spare)
		kmem_cache_free(range_node_cache, node);
	else
		list->spare = node;
}

static bool starts_before(struct rb_node *a, const struct rb_node *b)
{
	return to_node(a)->range.first < to_node(b)->range.first;
}

/* Zero for a range that overlaps the key. */
static int compare_range(const void *key, const struct rb_node *rb)
{
	const struct kvm_range *a = key, *b = &to_node(rb)->range;

	return a->last < b->first ? -1 : a->first > b->last;
}

static int insert_range(struct kvm_range_list *list, u64 first, u64 last)
{
	struct kvm_range_node *node;

	if (list->nr_ranges >= list->max_ranges)
		return -ENOSPC;

	node = take_node(list);
	if (!node)
		return -ENOMEM;

	node->range = (struct kvm_range) { first, last };
	rb_add(&node->rb, &list->ranges, starts_before);
	list->nr_ranges++;
	return 1;
}

static void erase_range(struct kvm_range_list *list, struct kvm_range_node *node)
{
	rb_erase(&node->rb, &list->ranges);
	put_node(list, node);
	list->nr_ranges--;
}

int kvm_range_list_add(struct kvm_range_list *list, u64 first, u64 last)
{
	/* Ranges that touch become one. */
	const struct kvm_range near = {
		.first = first - (first > 0),
		.last = last + (last < U64_MAX),
	};
	struct kvm_range_node *node, *next;

	node = to_node(rb_find_first(&near, &list->ranges, compare_range));
	if (!node)
		return insert_range(list, first, last);

	if (node->range.first <= first && node->range.last >= last)
		return 0;

	node->range.first = min(node->range.first, first);
	node->range.last = max(node->range.last, last);
	while ((next = to_node(rb_next(&node->rb))) && next->range.first <= near.last) {
		node->range.last = max(node->range.last, next->range.last);
		erase_range(list, next);
	}
	return 1;
}

int kvm_range_list_remove(struct kvm_range_list *list, u64 first, u64 last)
{
	const struct kvm_range key = { first, last };
	struct kvm_range_node *node, *next;
	int r;

	node = to_node(rb_find_first(&key, &list->ranges, compare_range));
	if (!node)
		return 0;

	if (node->range.first < first && node->range.last > last) {
		r = insert_range(list, last + 1, node->range.last);
		if (r > 0)
			node->range.last = first - 1;
		return r;
	}

	for (; node && node->range.first <= last; node = next) {
		next = to_node(rb_next(&node->rb));
		if (node->range.first < first)
			node->range.last = first - 1;
		else if (node->range.last > last)
			node->range.first = last + 1;
		else
			erase_range(list, node);
	}
	return 1;
}

void kvm_range_list_snapshot(const struct kvm_range_list *list, struct kvm_range *to, u32 nr)
{
	struct rb_node *rb;

	for (rb = rb_first(&list->ranges); rb && nr; rb = rb_next(rb), nr--)
		*to++ = to_node(rb)->range;
}
