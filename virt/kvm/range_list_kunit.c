// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the bounded list of ranges, against a bitmap.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/find.h>
#include <linux/kvm_range_list.h>
#include <linux/prandom.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>

#define MAX_RANGES	8
#define ALL		U64_MAX

static struct kvm_range_list *list_of(struct kunit *test)
{
	return test->priv;
}

static void add(struct kunit *test, u64 first, u64 last, int expected)
{
	KUNIT_EXPECT_EQ_MSG(test, kvm_range_list_add(list_of(test), first, last), expected,
			    "adding %llu-%llu", first, last);
}

static void remove(struct kunit *test, u64 first, u64 last, int expected)
{
	KUNIT_EXPECT_EQ_MSG(test, kvm_range_list_remove(list_of(test), first, last), expected,
			    "removing %llu-%llu", first, last);
}

static void __expect_list(struct kunit *test, const struct kvm_range *expected, u32 nr)
{
	struct kvm_range found[MAX_RANGES] = {};
	u32 i;

	KUNIT_ASSERT_EQ(test, list_of(test)->nr_ranges, nr);
	kvm_range_list_snapshot(list_of(test), found, MAX_RANGES);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, found[i].first, expected[i].first, "range %u", i);
		KUNIT_EXPECT_EQ_MSG(test, found[i].last, expected[i].last, "range %u", i);
	}
	KUNIT_EXPECT_EQ(test, nr < MAX_RANGES ? found[nr].last : 0, 0);
}

/* expect_list(test, { first, last }, ...): all ranges of the list */
#define expect_list(test, ...)							\
do {										\
	static const struct kvm_range __expected[] = { __VA_ARGS__ };		\
										\
	__expect_list(test, __expected, ARRAY_SIZE(__expected));		\
} while (0)

static void starts_empty(struct kunit *test)
{
	remove(test, 0, ALL, 0);
	expect_list(test);
}

static void add_keeps_order(struct kunit *test)
{
	add(test, 50, 59, 1);
	add(test, 10, 10, 1);
	add(test, 90, 90, 1);
	add(test, 30, 39, 1);
	expect_list(test, { 10, 10 }, { 30, 39 }, { 50, 59 }, { 90, 90 });
}

static void add_what_is_there(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 10, 19, 0);
	add(test, 10, 10, 0);
	add(test, 19, 19, 0);
	add(test, 12, 15, 0);
	expect_list(test, { 10, 19 });
}

static void add_joins_what_touches(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 20, 29, 1);
	expect_list(test, { 10, 29 });
	add(test, 5, 9, 1);
	expect_list(test, { 5, 29 });
	add(test, 31, 31, 1);
	expect_list(test, { 5, 29 }, { 31, 31 });
	add(test, 30, 30, 1);
	expect_list(test, { 5, 31 });
}

static void add_joins_what_overlaps(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	add(test, 50, 59, 1);
	add(test, 15, 34, 1);
	expect_list(test, { 10, 39 }, { 50, 59 });
	add(test, 5, 70, 1);
	expect_list(test, { 5, 70 });
}

static void add_joins_up_to_the_last_it_touches(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	add(test, 51, 59, 1);
	add(test, 20, 49, 1);
	expect_list(test, { 10, 49 }, { 51, 59 });
}

static void remove_what_is_not_there(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	remove(test, 0, 9, 0);
	remove(test, 20, 29, 0);
	remove(test, 40, ALL, 0);
	expect_list(test, { 10, 19 }, { 30, 39 });
}

static void remove_shortens(struct kunit *test)
{
	add(test, 10, 19, 1);
	remove(test, 10, 10, 1);
	expect_list(test, { 11, 19 });
	remove(test, 19, 30, 1);
	expect_list(test, { 11, 18 });
	remove(test, 0, 12, 1);
	expect_list(test, { 13, 18 });
}

static void remove_splits(struct kunit *test)
{
	add(test, 10, 19, 1);
	remove(test, 11, 11, 1);
	expect_list(test, { 10, 10 }, { 12, 19 });
	remove(test, 14, 17, 1);
	expect_list(test, { 10, 10 }, { 12, 13 }, { 18, 19 });
}

static void remove_many(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	add(test, 50, 59, 1);
	add(test, 70, 79, 1);
	remove(test, 15, 72, 1);
	expect_list(test, { 10, 14 }, { 73, 79 });
	remove(test, 0, ALL, 1);
	expect_list(test);
}

static void lowest_and_highest(struct kunit *test)
{
	add(test, 0, 0, 1);
	add(test, ALL, ALL, 1);
	expect_list(test, { 0, 0 }, { ALL, ALL });
	add(test, 1, 1, 1);
	add(test, ALL - 1, ALL - 1, 1);
	expect_list(test, { 0, 1 }, { ALL - 1, ALL });
	add(test, 0, ALL, 1);
	expect_list(test, { 0, ALL });
	add(test, 0, ALL, 0);
	remove(test, 0, 0, 1);
	remove(test, ALL, ALL, 1);
	expect_list(test, { 1, ALL - 1 });
	remove(test, 0, ALL, 1);
	expect_list(test);
}

static void fill(struct kunit *test)
{
	u64 i;

	for (i = 0; i < MAX_RANGES; i++)
		add(test, 10 * i, 10 * i + 4, 1);
}

static void add_past_the_bound(struct kunit *test)
{
	fill(test);
	add(test, 80, 80, -ENOSPC);
	add(test, 6, 8, -ENOSPC);
	expect_list(test, { 0, 4 }, { 10, 14 }, { 20, 24 }, { 30, 34 }, { 40, 44 }, { 50, 54 },
		    { 60, 64 }, { 70, 74 });
}

static void split_past_the_bound(struct kunit *test)
{
	fill(test);
	remove(test, 1, 1, -ENOSPC);
	remove(test, 71, 73, -ENOSPC);
	expect_list(test, { 0, 4 }, { 10, 14 }, { 20, 24 }, { 30, 34 }, { 40, 44 }, { 50, 54 },
		    { 60, 64 }, { 70, 74 });
}

static void change_at_the_bound(struct kunit *test)
{
	fill(test);
	add(test, 0, 3, 0);
	add(test, 5, 5, 1);
	remove(test, 0, 0, 1);
	expect_list(test, { 1, 5 }, { 10, 14 }, { 20, 24 }, { 30, 34 }, { 40, 44 }, { 50, 54 },
		    { 60, 64 }, { 70, 74 });
	remove(test, 1, 5, 1);
	KUNIT_EXPECT_EQ(test, list_of(test)->nr_ranges, MAX_RANGES - 1);
	add(test, 80, 80, 1);
	add(test, 75, 79, 1);
	add(test, 90, 90, 1);
	add(test, 92, 92, -ENOSPC);
}

static struct kvm_range_node *no_memory(void)
{
	return NULL;
}

static void memory_runs_out(struct kunit *test)
{
	add(test, 10, 19, 1);

	kunit_activate_static_stub(test, kvm_range_node_alloc, no_memory);
	add(test, 30, 39, -ENOMEM);
	remove(test, 12, 13, -ENOMEM);
	expect_list(test, { 10, 19 });
	/* What takes no memory goes on. */
	add(test, 20, 29, 1);
	remove(test, 10, 10, 1);
	expect_list(test, { 11, 29 });

	kunit_deactivate_static_stub(test, kvm_range_node_alloc);
	add(test, 40, 49, 1);
	expect_list(test, { 11, 29 }, { 40, 49 });
}

/* One range that has gone makes room for another. */
static void spare_node(struct kunit *test)
{
	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	remove(test, 10, 19, 1);
	remove(test, 30, 39, 1);

	kunit_activate_static_stub(test, kvm_range_node_alloc, no_memory);
	add(test, 50, 59, 1);
	add(test, 70, 79, -ENOMEM);
	expect_list(test, { 50, 59 });

	/* Not past a new start. */
	kvm_range_list_clear(list_of(test));
	add(test, 50, 59, -ENOMEM);
	expect_list(test);
}

static void short_snapshot(struct kunit *test)
{
	struct kvm_range found[2] = {};

	add(test, 10, 19, 1);
	add(test, 30, 39, 1);
	kvm_range_list_snapshot(list_of(test), found, 1);
	KUNIT_EXPECT_EQ(test, found[0].last, 19);
	KUNIT_EXPECT_EQ(test, found[1].last, 0);
	kvm_range_list_snapshot(list_of(test), NULL, 0);
}

static void clear_keeps_the_bound(struct kunit *test)
{
	fill(test);
	kvm_range_list_clear(list_of(test));
	expect_list(test);
	fill(test);
	add(test, 80, 80, -ENOSPC);
}

/* A bitmap of some numbers, from the base on: the oracle. */
#define NR_BITS	256

struct window {
	const char *name;
	u64 base;
	u32 max_ranges;
};

static const struct window windows[] = {
	{ "lowest numbers",			0,			1000 },
	{ "highest numbers",			ALL - NR_BITS + 1,	1000 },
	{ "around 2^32",			BIT_ULL(32) - 128,	1000 },
	{ "at most 1 range",			4096,			1 },
	{ "at most 2 ranges",			4096,			2 },
	{ "at most 20 ranges",			4096,			20 },
	{ "no range",				4096,			0 },
};

KUNIT_ARRAY_PARAM_DESC(window, windows, name);

static u32 count_runs(const unsigned long *bits)
{
	unsigned int begin, end;
	u32 runs = 0;

	for_each_set_bitrange(begin, end, bits, NR_BITS)
		runs++;
	return runs;
}

static void compare_with_bitmap(struct kunit *test, u64 base, const unsigned long *bits)
{
	static struct kvm_range found[NR_BITS];
	unsigned int begin, end;
	u32 i = 0;

	KUNIT_ASSERT_EQ(test, list_of(test)->nr_ranges, count_runs(bits));
	kvm_range_list_snapshot(list_of(test), found, NR_BITS);
	for_each_set_bitrange(begin, end, bits, NR_BITS) {
		KUNIT_ASSERT_EQ(test, found[i].first, base + begin);
		KUNIT_ASSERT_EQ(test, found[i].last, base + end - 1);
		i++;
	}
}

static void random_runs(struct kunit *test)
{
	const struct window *window = test->param_value;
	DECLARE_BITMAP(bits, NR_BITS) = {};
	DECLARE_BITMAP(after, NR_BITS);
	struct rnd_state rnd;
	int i, expected;

	prandom_seed_state(&rnd, 20261128);
	kvm_range_list_init(list_of(test), window->max_ranges);
	for (i = 0; i < 20000; i++) {
		u32 first = prandom_u32_state(&rnd) % NR_BITS;
		u32 most = prandom_u32_state(&rnd) % 8 ? 6 : NR_BITS;
		u32 len = min(1 + prandom_u32_state(&rnd) % most, NR_BITS - first);
		bool adding = prandom_u32_state(&rnd) % 2;
		u64 from = window->base + first, to = from + len - 1;

		bitmap_copy(after, bits, NR_BITS);
		if (adding)
			bitmap_set(after, first, len);
		else
			bitmap_clear(after, first, len);

		if (bitmap_equal(bits, after, NR_BITS))
			expected = 0;
		else if (count_runs(after) > window->max_ranges)
			expected = -ENOSPC;
		else
			expected = 1;

		if (adding)
			add(test, from, to, expected);
		else
			remove(test, from, to, expected);

		if (expected == 1)
			bitmap_copy(bits, after, NR_BITS);
		compare_with_bitmap(test, window->base, bits);
	}
}

static int range_list_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct kvm_range_list), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	kvm_range_list_init(test->priv, MAX_RANGES);
	return 0;
}

static void range_list_exit(struct kunit *test)
{
	kvm_range_list_clear(test->priv);
}

static struct kunit_case range_list_cases[] = {
	KUNIT_CASE(starts_empty),
	KUNIT_CASE(add_keeps_order),
	KUNIT_CASE(add_what_is_there),
	KUNIT_CASE(add_joins_what_touches),
	KUNIT_CASE(add_joins_what_overlaps),
	KUNIT_CASE(add_joins_up_to_the_last_it_touches),
	KUNIT_CASE(remove_what_is_not_there),
	KUNIT_CASE(remove_shortens),
	KUNIT_CASE(remove_splits),
	KUNIT_CASE(remove_many),
	KUNIT_CASE(lowest_and_highest),
	KUNIT_CASE(add_past_the_bound),
	KUNIT_CASE(split_past_the_bound),
	KUNIT_CASE(change_at_the_bound),
	KUNIT_CASE(memory_runs_out),
	KUNIT_CASE(spare_node),
	KUNIT_CASE(short_snapshot),
	KUNIT_CASE(clear_keeps_the_bound),
	KUNIT_CASE_PARAM(random_runs, window_gen_params),
	{}
};

static struct kunit_suite range_list_suite = {
	.name = "kvm_range_list",
	.init = range_list_init,
	.exit = range_list_exit,
	.test_cases = range_list_cases,
};

kunit_test_suite(range_list_suite);
