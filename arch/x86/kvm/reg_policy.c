// SPDX-License-Identifier: GPL-2.0
/*
 * Register policy: compile a list of ranges, look up the verdict for an access.
 */
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include <kunit/static_stub.h>

#include "reg_policy.h"

/*
 * A range cuts the space at its first register and behind its last one, and
 * one segment stands before the first cut.
 */
#define KVM_REG_MAX_SEGMENTS(nr_ranges)	(2 * (nr_ranges) + 1)

/* Segments name their range in 16 bits. */
#define KVM_REG_MAX_RANGES	U16_MAX

static const struct kvm_reg_window {
	u32 first;
	u32 nr;
	u32 slot;
} kvm_reg_windows[] = {
	{ KVM_REG_WINDOW_LOW, KVM_REG_WINDOW_LOW_NR, KVM_REG_SLOT_LOW },
	{ KVM_REG_WINDOW_HV, KVM_REG_WINDOW_HV_NR, KVM_REG_SLOT_HV },
	{ KVM_REG_WINDOW_KVM, KVM_REG_WINDOW_KVM_NR, KVM_REG_SLOT_KVM },
	{ KVM_REG_WINDOW_HIGH, KVM_REG_WINDOW_HIGH_NR, KVM_REG_SLOT_HIGH },
	{ KVM_REG_WINDOW_AMD, KVM_REG_WINDOW_AMD_NR, KVM_REG_SLOT_AMD },
};

/**
 * kvm_reg_policy_alloc - make room for a policy
 * @nr_ranges: The most ranges that will be added.
 * @nr_longs: Total length of their bitmaps.
 *
 * The memory is zeroed and charged to the memory cgroup of the caller.
 *
 * Return: an empty policy, or NULL.
 */
struct kvm_reg_policy *kvm_reg_policy_alloc(u32 nr_ranges, size_t nr_longs)
{
	size_t nr_segments, size, ranges, segments, bitmaps;
	struct kvm_reg_policy *policy;

	KUNIT_STATIC_STUB_REDIRECT(kvm_reg_policy_alloc, nr_ranges, nr_longs);

	if (nr_ranges >= KVM_REG_MAX_RANGES)
		return NULL;

	/* One more for the default, which only kvm_reg_policy_compile() adds. */
	nr_ranges++;
	nr_segments = KVM_REG_MAX_SEGMENTS(nr_ranges);
	bitmaps = sizeof(*policy);
	ranges = size_add(bitmaps, array_size(nr_longs, sizeof(*policy->bitmaps)));
	segments = size_add(ranges, array_size(nr_ranges, sizeof(*policy->ranges)));
	size = size_add(segments, array_size(nr_segments, sizeof(*policy->segments)));

	policy = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!policy)
		return NULL;

	policy->max_ranges = nr_ranges - 1;
	policy->bitmaps = (void *)policy + bitmaps;
	policy->ranges = (void *)policy + ranges;
	policy->segments = (void *)policy + segments;
	return policy;
}

void kvm_reg_policy_free(struct kvm_reg_policy *policy)
{
	KUNIT_STATIC_STUB_REDIRECT(kvm_reg_policy_free, policy);

	kvfree(policy);
}

/**
 * kvm_reg_policy_add - append a range to a policy that is not compiled yet
 * @policy: From kvm_reg_policy_alloc(), with room for one more range.
 * @range: The range; it applies where no range added earlier does.
 */
void kvm_reg_policy_add(struct kvm_reg_policy *policy, struct kvm_reg_range range)
{
	if (WARN_ON_ONCE(policy->nr_ranges >= policy->max_ranges))
		return;

	policy->ranges[policy->nr_ranges++] = range;
}

static bool kvm_reg_range_matches(const struct kvm_reg_range *range, u32 index,
				  enum kvm_reg_access access)
{
	return range->first <= index && index <= range->last &&
	       (range->access & access);
}

static enum kvm_reg_action kvm_reg_range_action(const struct kvm_reg_range *range,
						u32 index)
{
	u32 bit = index - range->first;

	if (range->bitmap) {
		bit = array_index_nospec(bit, range->last - range->first + 1);
		if (test_bit(bit, range->bitmap))
			return KVM_REG_ALLOW;
	}

	return range->action;
}

static u16 first_match(const struct kvm_reg_policy *policy, u32 index,
		       enum kvm_reg_access access)
{
	u16 i = 0;

	/* Ends at the default, which matches everything. */
	while (!kvm_reg_range_matches(&policy->ranges[i], index, access))
		i++;

	return i;
}

static int compare_segments(const void *a, const void *b)
{
	const struct kvm_reg_segment *l = a, *r = b;

	return l->first < r->first ? -1 : l->first > r->first;
}

static void add_cut(struct kvm_reg_policy *policy, u32 first)
{
	policy->segments[policy->nr_segments++].first = first;
}

/* Cut the space wherever a range starts or ends; duplicates stay empty. */
static void cut_segments(struct kvm_reg_policy *policy)
{
	u32 i;

	add_cut(policy, 0);
	for (i = 0; i < policy->nr_ranges; i++) {
		add_cut(policy, policy->ranges[i].first);
		if (policy->ranges[i].last != U32_MAX)
			add_cut(policy, policy->ranges[i].last + 1);
	}

	sort(policy->segments, policy->nr_segments, sizeof(*policy->segments),
	     compare_segments, NULL);
}

static bool same_source(const struct kvm_reg_segment *a,
			const struct kvm_reg_segment *b)
{
	return a->range[0] == b->range[0] && a->range[1] == b->range[1];
}

/* Give each segment its ranges; join it to the one before if nothing changes. */
static void fill_segments(struct kvm_reg_policy *policy)
{
	u32 i, n = 0;

	for (i = 0; i < policy->nr_segments; i++) {
		struct kvm_reg_segment *segment = &policy->segments[i];

		segment->range[0] = first_match(policy, segment->first, KVM_REG_READ);
		segment->range[1] = first_match(policy, segment->first, KVM_REG_WRITE);

		if (!n || !same_source(&policy->segments[n - 1], segment))
			policy->segments[n++] = *segment;
	}

	policy->nr_segments = n;
}

static u32 segment_last(const struct kvm_reg_policy *policy, u32 i)
{
	return i + 1 < policy->nr_segments ? policy->segments[i + 1].first - 1 : U32_MAX;
}

/* Copy the bits of the registers from @first to @last, which are in @window. */
static void copy_bits(unsigned long *allowed, const struct kvm_reg_window *window,
		      const struct kvm_reg_range *range, u32 first, u32 last)
{
	u32 dst = first - window->first + window->slot;
	u32 src = first - range->first;
	u32 nr = last - first + 1;

	u32 done, n;

	for (done = 0; done < nr; done += n) {
		n = min_t(u32, nr - done, BITS_PER_LONG);
		bitmap_write(allowed, bitmap_read(range->bitmap, src + done, n),
			     dst + done, n);
	}
}

static void fill_window(struct kvm_reg_policy *policy, int access,
			const struct kvm_reg_window *window, u32 i)
{
	const struct kvm_reg_segment *segment = &policy->segments[i];
	const struct kvm_reg_range *range = &policy->ranges[segment->range[access]];
	u32 first = max(segment->first, window->first);
	u32 last = min(segment_last(policy, i), window->first + window->nr - 1);

	if (first > last)
		return;

	if (range->action == KVM_REG_ALLOW)
		bitmap_set(policy->allowed[access],
			   first - window->first + window->slot, last - first + 1);
	else if (range->bitmap)
		copy_bits(policy->allowed[access], window, range, first, last);
}

/* The one action other than to allow, KVM_REG_ALLOW if there is none. */
static u8 only_other_action(const struct kvm_reg_policy *policy)
{
	u8 found = KVM_REG_ALLOW, action;
	u32 i;

	for (i = 0; i < policy->nr_ranges; i++) {
		action = policy->ranges[i].action;
		if (action == KVM_REG_ALLOW || action == found)
			continue;

		if (found != KVM_REG_ALLOW)
			return KVM_REG_MIXED;

		found = action;
	}

	return found;
}

static void fill_windows(struct kvm_reg_policy *policy)
{
	int access, w;
	u32 i;

	policy->window_action = only_other_action(policy);
	for (access = 0; access < KVM_REG_NR_ACCESS; access++)
		for (w = 0; w < ARRAY_SIZE(kvm_reg_windows); w++)
			for (i = 0; i < policy->nr_segments; i++)
				fill_window(policy, access, &kvm_reg_windows[w], i);
}

/**
 * kvm_reg_policy_compile - make a policy ready for look-ups
 * @policy: All its ranges have been added, and their bitmaps filled.
 * @default_action: What becomes of an access that no range matches.
 *
 * Cannot fail.  The policy must not change afterwards.
 */
void kvm_reg_policy_compile(struct kvm_reg_policy *policy,
			    enum kvm_reg_action default_action)
{
	policy->ranges[policy->nr_ranges++] = (struct kvm_reg_range) {
		.first = 0,
		.last = U32_MAX,
		.access = KVM_REG_ACCESS_MASK,
		.action = default_action,
	};

	cut_segments(policy);
	fill_segments(policy);
	fill_windows(policy);
}

static const struct kvm_reg_segment *
find_segment(const struct kvm_reg_policy *policy, u32 index)
{
	const struct kvm_reg_segment *base = policy->segments;
	u32 n = policy->nr_segments;

	while (n > 1) {
		u32 half = n / 2;

		base += base[half].first <= index ? half : 0;
		n -= half;
	}

	return base;
}

/**
 * __kvm_reg_policy_lookup - the verdict for one access, wherever the register
 * @policy: A compiled policy.
 * @index: The register.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 *
 * Takes a number of steps that grows with the logarithm of the ranges' number.
 *
 * Return: as kvm_reg_policy_lookup().
 */
enum kvm_reg_action __kvm_reg_policy_lookup(const struct kvm_reg_policy *policy,
					    u32 index, enum kvm_reg_access access)
{
	const struct kvm_reg_segment *segment = find_segment(policy, index);

	return kvm_reg_range_action(&policy->ranges[segment->range[access >> 1]],
				    index);
}
