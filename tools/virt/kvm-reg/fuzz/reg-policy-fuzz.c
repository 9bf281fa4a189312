// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz the register policy: compile and look up, in userspace, against a model
 * that walks the list of ranges for each register.
 *
 * An input is a header and a record per range, numbers in big-endian order:
 *
 *	u8  options	OPTION_*
 *	u8  default action
 *	u8  repeats	how many more times the list of ranges follows itself,
 *	u8  shift	each time 2^(shift % 32) registers further up
 *
 *	u8  what	access in bits 0-1 (none means both), enum fill in bits
 *			2-4, RECORD_INSIDE
 *	u8  action
 *	u32 first
 *	u32 last	exchanged with first if it is the lesser
 *	u16 seed	of the bitmap
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "reg_policy.h"

#define HEADER_SIZE	4
#define RECORD_SIZE	12
#define MAX_RANGES	300

/* What an input asks for beside its list */
#define OPTION_WINDOWS	0x01	/* compare every register of every window */
#define OPTION_NO_MEM	0x02	/* let the allocation fail */
#define OPTION_SPARE	0x04	/* allocate more than the list takes */
#define OPTION_TOO_MANY	0x08	/* add a range for which there is no room */
#define OPTION_HUGE	0x10	/* first ask for more than there can be */

/* The bitmap is in the policy's own room for bitmaps, not elsewhere. */
#define RECORD_INSIDE	0x20

/* Larger than any window, so that a bitmap can reach across one at both ends */
#define MAX_BITMAP	0x4000

/*
 * The model takes steps in proportion to the number of ranges; for long lists
 * not all of them are probed, nor whole windows compared with it.
 */
#define PROBED_RANGES	40
#define SHORT_LIST	8
#define RANDOM_PROBES	64

/* The kernel's kvmalloc() gives no more than that. */
#define MAX_ALLOC	INT_MAX

/* What the bits of a bitmap are */
enum fill { NO_BITMAP, ALL_CLEAR, ALL_SET, ONE_SET, ONE_CLEAR, RANDOM };

/* A range as the model sees it */
struct model_range {
	uint64_t first;
	uint64_t last;
	unsigned int access;
	unsigned int action;
	uint8_t *bits;		/* NULL: none */
	size_t longs;		/* length of bits */
	bool inside;
};

static struct model_range list[MAX_RANGES];
static unsigned int nr_ranges;
static unsigned int default_action;

/* The windows, spelled out once more: first register, how many, first slot */
static const struct window {
	uint32_t first;
	uint32_t nr;
	uint32_t slot;
} windows[] = {
	{ 0x00000000, 0x2000, 0x0000 },
	{ 0x40000000, 0x0200, 0x2000 },
	{ 0x4b564d00, 0x0100, 0x2200 },
	{ 0xc0000000, 0x2000, 0x2300 },
	{ 0xc0010000, 0x2000, 0x4300 },
};

static const unsigned int accesses[] = { KVM_REG_READ, KVM_REG_WRITE };

static bool no_mem;
static size_t allocated;	/* size of the last allocation */
static int live;		/* allocations that are not freed */
static unsigned int warnings;

bool fuzz_warn(bool condition)
{
	warnings += condition;
	return condition;
}

void *kvzalloc(size_t size, gfp_t flags)
{
	void *p;

	if (no_mem || size > MAX_ALLOC)
		return NULL;

	p = calloc(1, size);
	if (!p)
		abort();
	allocated = size;
	live++;
	return p;
}

void kvfree(const void *p)
{
	live -= !!p;
	free((void *)p);
}

static void print_list(void)
{
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		fprintf(stderr, "  0x%08x-0x%08x %s%s action %u%s\n",
			(uint32_t)list[i].first, (uint32_t)list[i].last,
			list[i].access & KVM_REG_READ ? "r" : "",
			list[i].access & KVM_REG_WRITE ? "w" : "",
			list[i].action, list[i].bits ? ", but for a bitmap's" : "");
	fprintf(stderr, "  default action %u\n", default_action);
}

/* Print what is wrong, with the list, and end. */
#define fail(...) do {						\
	fprintf(stderr, "reg-policy-fuzz: " __VA_ARGS__);	\
	fprintf(stderr, "\n");					\
	print_list();						\
	abort();						\
} while (0)

#define check(condition, ...) do {	\
	if (!(condition))		\
		fail(__VA_ARGS__);	\
} while (0)

static uint32_t random_state;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void seed_random(uint32_t seed)
{
	random_state = seed * 2654435761u ?: 1;
}

static uint32_t get_be(const uint8_t *data, int bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | *data++;
	return value;
}

static void fill_bits(struct model_range *r, enum fill fill, uint16_t seed)
{
	const uint64_t nr = r->last - r->first + 1, bit = seed % nr;
	size_t i;

	memset(r->bits, fill == ALL_SET || fill == ONE_CLEAR ? 0xff : 0, r->longs * 8);
	if (fill == ONE_SET || fill == ONE_CLEAR)
		r->bits[bit / 8] ^= 1 << bit % 8;
	if (fill < RANDOM)
		return;

	seed_random(seed + 1);
	for (i = 0; i < r->longs * 8; i++)
		r->bits[i] = next_random() >> 11;
}

static void decode_range(struct model_range *r, const uint8_t *data, uint32_t shift)
{
	const enum fill fill = data[0] >> 2 & 7;
	const uint32_t a = get_be(data + 2, 4) + shift, b = get_be(data + 6, 4) + shift;

	*r = (struct model_range) {
		.first = a < b ? a : b,
		.last = a < b ? b : a,
		.access = data[0] & 3 ?: 3,
		.action = data[1] > KVM_REG_MAX_ACTION ? KVM_REG_MAX_ACTION : data[1],
		.inside = data[0] & RECORD_INSIDE,
	};
	if (fill == NO_BITMAP)
		return;

	if (r->last - r->first >= MAX_BITMAP)
		r->last = r->first + MAX_BITMAP - 1;
	r->longs = (r->last - r->first + 64) / 64;
	r->bits = malloc(r->longs * 8);
	if (!r->bits)
		abort();
	fill_bits(r, fill, get_be(data + 10, 2));
}

static void decode_list(const uint8_t *data, size_t size)
{
	const unsigned int repeats = data[2];
	const uint32_t shift = 1u << data[3] % 32;
	unsigned int i;
	size_t at;

	default_action = data[1] > KVM_REG_MAX_ACTION ? KVM_REG_MAX_ACTION : data[1];
	nr_ranges = 0;
	for (i = 0; i <= repeats; i++) {
		for (at = HEADER_SIZE; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
			if (nr_ranges == MAX_RANGES)
				return;
			decode_range(&list[nr_ranges++], data + at, i * shift);
		}
	}
}

static void free_list(void)
{
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		free(list[i].bits);
}

/* The model: the index of the range that applies, nr_ranges for the default */
static unsigned int model_source(uint64_t index, unsigned int access)
{
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		if (list[i].access & access && list[i].first <= index && index <= list[i].last)
			return i;
	return nr_ranges;
}

static unsigned int model(uint64_t index, unsigned int access)
{
	const unsigned int source = model_source(index, access);
	uint64_t bit;

	if (source == nr_ranges)
		return default_action;

	bit = index - list[source].first;
	if (list[source].bits && list[source].bits[bit / 8] >> bit % 8 & 1)
		return KVM_REG_ALLOW;
	return list[source].action;
}

static void check_access(const struct kvm_reg_policy *policy, uint32_t index,
			 unsigned int access)
{
	const unsigned int want = model(index, access);
	unsigned int got;

	got = kvm_reg_policy_lookup(policy, index, access);
	check(got == want, "access %u of 0x%08x: action %u, not %u", access, index, got, want);
	got = __kvm_reg_policy_lookup(policy, index, access);
	check(got == want, "access %u of 0x%08x: the search says action %u, not %u",
	      access, index, got, want);
}

static void check_register(const struct kvm_reg_policy *policy, uint32_t index)
{
	check_access(policy, index, KVM_REG_READ);
	check_access(policy, index, KVM_REG_WRITE);
}

/* Wraps on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
static void check_around(const struct kvm_reg_policy *policy, uint32_t index)
{
	check_register(policy, index - 1);
	check_register(policy, index);
	check_register(policy, index + 1);
}

static void check_range(const struct kvm_reg_policy *policy, const struct model_range *r)
{
	const uint64_t nr = r->last - r->first + 1;

	check_around(policy, r->first);
	check_around(policy, r->last);
	check_register(policy, r->first + next_random() % nr);
	if (r->bits)	/* where the bitmap's words meet */
		check_around(policy, r->first + next_random() % nr / 64 * 64);
}

static void check_verdicts(const struct kvm_reg_policy *policy)
{
	const unsigned int step = nr_ranges / PROBED_RANGES + 1;
	unsigned int i;

	for (i = next_random() % step; i < nr_ranges; i += step)
		check_range(policy, &list[i]);

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		check_around(policy, windows[i].first);
		check_around(policy, windows[i].first + windows[i].nr - 1);
	}

	check_around(policy, U32_MAX);
	for (i = 0; i < RANDOM_PROBES; i++)
		check_register(policy, next_random());
}

static void check_slot(const struct kvm_reg_policy *policy, uint32_t index, int slot)
{
	unsigned int i, action;
	bool allowed;

	check(kvm_reg_slot(index) == slot, "0x%08x has slot %d, not %d",
	      index, kvm_reg_slot(index), slot);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		allowed = policy->allowed[i][slot / 64] >> slot % 64 & 1;
		action = nr_ranges <= SHORT_LIST ? model(index, accesses[i]) :
			 __kvm_reg_policy_lookup(policy, index, accesses[i]);
		check(allowed == (action == KVM_REG_ALLOW),
		      "access %u of 0x%08x: action %u, but the window's bit is %d",
		      accesses[i], index, action, allowed);
		check(allowed || policy->window_action == KVM_REG_MIXED ||
		      policy->window_action == action,
		      "access %u of 0x%08x: action %u, but that of the windows is %u",
		      accesses[i], index, action, policy->window_action);
	}
}

static void check_windows(const struct kvm_reg_policy *policy)
{
	const struct window *w;
	uint32_t i;

	for (w = windows; w < windows + ARRAY_SIZE(windows); w++) {
		for (i = 0; i < w->nr; i++)
			check_slot(policy, w->first + i, w->slot + i);
		check(kvm_reg_slot(w->first + w->nr) < 0, "0x%08x has a slot",
		      w->first + w->nr);
	}
}

/* One other action than to allow must not cost a search. */
static void check_window_action(const struct kvm_reg_policy *policy)
{
	unsigned int other = default_action, i;

	for (i = 0; i < nr_ranges; i++) {
		if (list[i].action == KVM_REG_ALLOW || list[i].action == other)
			continue;
		if (other != KVM_REG_ALLOW)
			return;
		other = list[i].action;
	}
	check(policy->window_action == other, "the windows' action is %u, not %u",
	      policy->window_action, other);
}

static bool same_sources(const struct kvm_reg_segment *a, const struct kvm_reg_segment *b)
{
	return !memcmp(a->range, b->range, sizeof(a->range));
}

static void check_segment(const struct kvm_reg_policy *policy, unsigned int i)
{
	const struct kvm_reg_segment *s = &policy->segments[i];
	const bool is_last = i + 1 == policy->nr_segments;
	unsigned int j, source;

	check(is_last || s[0].first < s[1].first, "segments %u and %u begin at 0x%x and 0x%x",
	      i, i + 1, s[0].first, s[1].first);
	check(is_last || !same_sources(&s[0], &s[1]), "segments %u and %u are one", i, i + 1);
	for (j = 0; j < ARRAY_SIZE(accesses); j++) {
		source = model_source(s->first, accesses[j]);
		check(s->range[j] == source, "segment %u from 0x%x: access %u by range %u, not %u",
		      i, s->first, accesses[j], s->range[j], source);
		source = model_source(is_last ? U32_MAX : s[1].first - 1, accesses[j]);
		check(s->range[j] == source, "end of segment %u: access %u by range %u, not %u",
		      i, accesses[j], s->range[j], source);
	}
}

static void check_segments(const struct kvm_reg_policy *policy)
{
	unsigned int i;

	check(policy->nr_segments >= 1 && policy->nr_segments <= 2 * nr_ranges + 1,
	      "%u segments for %u ranges", policy->nr_segments, nr_ranges);
	check(!policy->segments[0].first, "the first segment begins at 0x%x",
	      policy->segments[0].first);
	for (i = 0; i < policy->nr_segments; i++)
		check_segment(policy, i);
}

/* An array must be in the policy's allocation, and overlap none before it. */
static size_t check_array(const struct kvm_reg_policy *policy, const char *name,
			  const void *array, size_t size, size_t behind)
{
	const size_t offset = (const char *)array - (const char *)policy;

	check(offset >= behind && offset <= allocated && size <= allocated - offset,
	      "%s: bytes %zu to %zu, of %zu to %zu", name, offset, offset + size,
	      behind, allocated);
	return offset + size;
}

static void check_room(const struct kvm_reg_policy *policy, size_t room, size_t longs)
{
	size_t behind = sizeof(*policy);

	check(policy->max_ranges == room, "room for %u ranges, not %zu",
	      policy->max_ranges, room);
	behind = check_array(policy, "bitmaps", policy->bitmaps, longs * sizeof(long), behind);
	behind = check_array(policy, "ranges", policy->ranges,
			     (room + 1) * sizeof(*policy->ranges), behind);
	check_array(policy, "segments", policy->segments,
		    policy->nr_segments * sizeof(*policy->segments), behind);
}

/* The engine's copy of a range's bitmap: exactly as long as it has to be */
static const unsigned long *engine_bitmap(const struct model_range *r, unsigned long **room)
{
	unsigned long *bitmap;

	if (!r->bits)
		return NULL;

	if (r->inside) {
		bitmap = *room;
		*room += r->longs;
	} else {
		bitmap = malloc(r->longs * sizeof(*bitmap));
		if (!bitmap)
			abort();
	}
	memcpy(bitmap, r->bits, r->longs * sizeof(*bitmap));
	return bitmap;
}

static void add_list(struct kvm_reg_policy *policy)
{
	unsigned long *room = policy->bitmaps;
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		kvm_reg_policy_add(policy, (struct kvm_reg_range) {
			.first = list[i].first,
			.last = list[i].last,
			.access = list[i].access,
			.action = list[i].action,
			.bitmap = engine_bitmap(&list[i], &room),
		});
}

/* What does not fit is refused with a warning, and changes nothing. */
static void add_too_many(struct kvm_reg_policy *policy)
{
	const struct kvm_reg_range range = { .last = U32_MAX, .access = 3, .action = 1 };

	while (policy->nr_ranges < policy->max_ranges)
		policy->ranges[policy->nr_ranges++] = range;
	warnings = 0;
	kvm_reg_policy_add(policy, range);
	check(warnings == 1, "a range too many: %u warnings", warnings);
	policy->nr_ranges = nr_ranges;
}

/* The list is the caller's: compiling only adds the default to it. */
static void check_list(const struct kvm_reg_policy *policy)
{
	const struct kvm_reg_range *r = policy->ranges;
	unsigned int i;

	check(policy->nr_ranges == nr_ranges + 1, "%u ranges", policy->nr_ranges);
	for (i = 0; i < nr_ranges; i++, r++)
		check(r->first == list[i].first && r->last == list[i].last &&
		      r->access == list[i].access && r->action == list[i].action &&
		      !r->bitmap == !list[i].bits &&
		      (!r->bitmap || !memcmp(r->bitmap, list[i].bits, list[i].longs * 8)),
		      "range %u has changed", i);
	check(!r->first && r->last == U32_MAX && r->access == KVM_REG_ACCESS_MASK &&
	      r->action == default_action && !r->bitmap, "the default is wrong");
}

static void free_policy(struct kvm_reg_policy *policy)
{
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		if (!list[i].inside)
			free((void *)policy->ranges[i].bitmap);
	kvm_reg_policy_free(policy);
	check(!live, "%d allocations are left", live);
}

static void check_refused(u32 ranges, size_t longs)
{
	struct kvm_reg_policy *policy = kvm_reg_policy_alloc(ranges, longs);

	check(!policy, "room for %u ranges and %zu longs", ranges, longs);
	check(!live, "%d allocations are left", live);
}

/* From what no kernel has to the numbers that wrap all sums */
static void check_huge(void)
{
	const unsigned int bits = next_random() % 36;

	check_refused(nr_ranges, SIZE_MAX >> bits);
	check_refused(nr_ranges, (SIZE_MAX >> bits) - next_random() % 0x10000);
	check_refused(nr_ranges, (SIZE_MAX >> 3) + next_random() % 0x10000);
	check_refused(U16_MAX + next_random() % 0x10000, 0);
	check_refused(U32_MAX - next_random() % 0x10000, 0);
}

static size_t longs_inside(void)
{
	size_t longs = 0;
	unsigned int i;

	for (i = 0; i < nr_ranges; i++)
		longs += list[i].inside ? list[i].longs : 0;
	return longs;
}

static void check_policy(struct kvm_reg_policy *policy, uint8_t options, size_t room,
			 size_t longs)
{
	add_list(policy);
	if (options & OPTION_TOO_MANY)
		add_too_many(policy);

	warnings = 0;
	kvm_reg_policy_compile(policy, default_action);
	check(!warnings, "%u warnings", warnings);
	check_list(policy);
	check_room(policy, room, longs);
	check_segments(policy);
	check_window_action(policy);
	check_verdicts(policy);
	if (options & OPTION_WINDOWS)
		check_windows(policy);
}

static void fuzz_list(uint8_t options)
{
	const size_t room = nr_ranges + (options & OPTION_SPARE ? next_random() % 16 : 0);
	const size_t longs = longs_inside() + (options & OPTION_SPARE ? next_random() % 64 : 0);
	struct kvm_reg_policy *policy;

	no_mem = options & OPTION_NO_MEM;
	if (no_mem) {
		check_refused(room, longs);
		return;
	}
	if (options & OPTION_HUGE)
		check_huge();

	policy = kvm_reg_policy_alloc(room, longs);
	check(policy, "no room for %zu ranges and %zu longs", room, longs);
	check_policy(policy, options, room, longs);
	free_policy(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t hash = 0;
	size_t i;

	if (size < HEADER_SIZE)
		return 0;

	decode_list(data, size);
	for (i = 0; i < size; i++)
		hash = hash * 31 + data[i];
	seed_random(hash);
	fuzz_list(data[0]);
	free_list();
	return 0;
}
