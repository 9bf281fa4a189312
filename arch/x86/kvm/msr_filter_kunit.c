// SPDX-License-Identifier: GPL-2.0
/*
 * MSR filter: which filters are rejected and why, and what their tables decide.
 */
#include <kunit/test.h>

#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include "reg_access.h"
#include "reg_policy_kunit.h"

#define SEED		0x6d7372
#define ROUNDS		100
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)

/* Map a bitmap of the largest size for each range. */
static int filter_test_init(struct kunit *test)
{
	size_t size = KVM_MSR_FILTER_MAX_RANGES * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
	int r = kvm_reg_kunit_init(test);
	struct kvm_reg_kunit *ctx;

	if (r)
		return r;

	ctx = test->priv;
	ctx->user = kvm_reg_kunit_mmap(test, size);
	return 0;
}

static u8 __user *user_bitmap(struct kunit *test, int i)
{
	struct kvm_reg_kunit *ctx = test->priv;

	return ctx->user + i * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
}

static struct kvm_msr_filter_range deny(struct kunit *test, u32 base, u32 nmsrs)
{
	return (struct kvm_msr_filter_range) {
		.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
		.nmsrs = nmsrs,
		.base = base,
		.bitmap = (__force u8 *)user_bitmap(test, 0),
	};
}

/* Return a policy that is the only user of the filter's table. */
static struct kvm_reg_policy *compile(struct kunit *test, struct kvm_msr_filter filter)
{
	struct kvm_reg_table *table = kvm_msr_filter_table(&filter);
	struct kvm_reg_table *tables[] = { [KVM_REG_FILTER] = table };
	struct kvm_reg_policy *policy;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	policy = kvm_reg_policy_alloc(tables);
	kvm_reg_table_put(table);
	KUNIT_ASSERT_NOT_NULL(test, policy);
	return policy;
}

static void expect_errno(struct kunit *test, struct kvm_msr_filter filter, int err)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(kvm_msr_filter_table(&filter)), err);
}

static int action(const struct kvm_reg_policy *policy, u32 index, u32 access)
{
	return kvm_reg_kunit_decide(policy, index, access, 0).action;
}

static void expect(struct kunit *test, const struct kvm_reg_policy *policy, u32 index,
		   u8 want)
{
	KUNIT_EXPECT_EQ_MSG(test, action(policy, index, KVM_MSR_FILTER_READ), want,
			    "read of 0x%x", index);
	KUNIT_EXPECT_EQ_MSG(test, action(policy, index, KVM_MSR_FILTER_WRITE), want,
			    "write of 0x%x", index);
}

struct errno_case {
	const char *name;
	u32 filter_flags;
	u32 flags;
	u32 base;
	u32 nmsrs;
	int err;
};

#define BOTH (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

static const struct errno_case errno_cases[] = {
	{ "unknown filter flag", BIT(1), BOTH, 0, 1, -EINVAL },
	{ "last filter flag", BIT(31), BOTH, 0, 1, -EINVAL },
	{ "default deny without ranges", KVM_MSR_FILTER_DEFAULT_DENY, BOTH, 0, 0, -EINVAL },
	{ "no range flag", 0, 0, 0, 1, -EINVAL },
	{ "unknown range flag", 0, BOTH | BIT(2), 0, 1, -EINVAL },
	{ "one MSR too many", 0, BOTH, 0, MAX_NMSRS + 1, -EINVAL },
	{ "2^32 - 1 MSRs", 0, BOTH, 0, U32_MAX, -EINVAL },
	{ "ends one beyond 2^32", 0, BOTH, U32_MAX, 2, -EINVAL },
	{ "a full range ends one beyond 2^32", 0, BOTH, 0U - MAX_NMSRS + 1, MAX_NMSRS, -EINVAL },
	{ "wraps to a low MSR", 0, BOTH, 0xfffffff0, 0x1000, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(errno, errno_cases, name);

static void errno_test(struct kunit *test)
{
	const struct errno_case *param = test->param_value;
	struct kvm_msr_filter filter = { .flags = param->filter_flags };
	int i;

	filter.ranges[0] = deny(test, param->base, param->nmsrs);
	filter.ranges[0].flags = param->flags;
	expect_errno(test, filter, param->err);

	/* The table with the good ranges before it must be freed. */
	if (!param->nmsrs)
		return;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES - 1; i++)
		filter.ranges[i] = deny(test, i * MAX_NMSRS, MAX_NMSRS);
	filter.ranges[i] = deny(test, param->base, param->nmsrs);
	filter.ranges[i].flags = param->flags;
	expect_errno(test, filter, param->err);
}

static void bad_bitmap_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};

	filter.ranges[0] = deny(test, 0, 1);
	filter.ranges[1] = deny(test, 0, 1);
	filter.ranges[1].bitmap = NULL;
	expect_errno(test, filter, -EFAULT);
}

static void no_memory_test(struct kunit *test)
{
	struct kvm_reg_kunit *ctx = test->priv;
	struct kvm_msr_filter filter = {};

	filter.ranges[0] = deny(test, 0, 1);
	ctx->no_memory = true;
	expect_errno(test, filter, -ENOMEM);
}

/* Ranges are checked and copied one by one, and the first error is returned. */
static void first_error_wins_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};

	filter.ranges[0] = deny(test, 0, 1);
	filter.ranges[0].bitmap = NULL;
	filter.ranges[1] = deny(test, 0, MAX_NMSRS + 1);
	expect_errno(test, filter, -EFAULT);

	swap(filter.ranges[0], filter.ranges[1]);
	expect_errno(test, filter, -EINVAL);
}

/* A range without MSRs is skipped, and its other fields are not checked. */
static void empty_filter_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};

	filter.ranges[3] = deny(test, U32_MAX, 0);
	filter.ranges[3].flags = U32_MAX;
	filter.ranges[3].bitmap = NULL;
	KUNIT_EXPECT_NULL(test, kvm_msr_filter_table(&filter));
}

/* A bitmap may end at the end of userspace's memory. */
static void last_byte_of_a_page_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};
	u8 __user *mem = kvm_reg_kunit_mmap(test, 2 * PAGE_SIZE);
	unsigned long end = (unsigned long)mem + PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, vm_munmap(end, PAGE_SIZE), 0);

	filter.ranges[0] = deny(test, 0x10, 8);
	filter.ranges[0].bitmap = (u8 *)(end - 1);
	kvm_reg_policy_free(compile(test, filter));

	filter.ranges[0].nmsrs = 9;
	expect_errno(test, filter, -EFAULT);
}

static void ends_at_2_to_the_32_test(struct kunit *test)
{
	static const u32 nmsrs[] = { 1, 2, 64, 0x100, MAX_NMSRS };
	struct kvm_msr_filter filter = {};
	struct kvm_reg_policy *policy;
	int i;

	for (i = 0; i < ARRAY_SIZE(nmsrs); i++) {
		filter.ranges[0] = deny(test, 0U - nmsrs[i], nmsrs[i]);
		policy = compile(test, filter);

		expect(test, policy, U32_MAX, DENY);
		expect(test, policy, 0U - nmsrs[i], DENY);
		expect(test, policy, 0U - nmsrs[i] - 1, ALLOW);
		expect(test, policy, 0, ALLOW);
		kvm_reg_policy_free(policy);
	}
}

static void x2apic_is_exempt_test(struct kunit *test)
{
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	struct kvm_reg_policy *policy;
	u32 index;

	filter.ranges[0] = deny(test, 0, 0x2000);
	policy = compile(test, filter);

	for (index = 0x800; index <= 0x8ff; index++)
		expect(test, policy, index, ALLOW);

	expect(test, policy, 0x7ff, DENY);
	expect(test, policy, 0x900, DENY);
	kvm_reg_policy_free(policy);
}

static void expect_number(struct kunit *test, const struct kvm_reg_policy *policy,
			  u32 index, int number)
{
	struct kvm_reg_decision decision;

	decision = kvm_reg_kunit_decide(policy, index, KVM_MSR_FILTER_READ, 0);
	KUNIT_EXPECT_EQ(test, decision.action, DENY);
	KUNIT_EXPECT_EQ(test, decision.list, KVM_REG_FILTER);
	KUNIT_EXPECT_EQ_MSG(test, decision.rule, number, "read of 0x%x", index);
}

/* The number of a range counts empty ranges as well. */
static void numbers_test(struct kunit *test)
{
	static const int used[] = { 0, 2, 3, 9, KVM_MSR_FILTER_MAX_RANGES - 1 };
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	struct kvm_reg_policy *policy;
	int i;

	for (i = 0; i < ARRAY_SIZE(used); i++)
		filter.ranges[used[i]] = deny(test, i * 0x10000, MAX_NMSRS);
	policy = compile(test, filter);

	for (i = 0; i < ARRAY_SIZE(used); i++)
		expect_number(test, policy, i * 0x10000, used[i]);
	expect_number(test, policy, U32_MAX, -1);
	kvm_reg_policy_free(policy);
}

/* The filter's exits start with error 0, i.e. do not fail closed. */
static void fails_open_exits_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};
	struct kvm_reg_table *table;

	filter.ranges[0] = deny(test, 0, 1);
	table = kvm_msr_filter_table(&filter);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	KUNIT_EXPECT_FALSE(test, table->flags);
	kvm_reg_table_put(table);
}

/*
 * The filter as documented, to compare the policy with.  Return the number of the range
 * that denies the access, the number of ranges if the default denies it, and -1 if it
 * is allowed.
 */
static int model(const struct kvm_msr_filter *filter, u32 index, u32 access)
{
	int i;
	u8 byte;

	if (index >= 0x800 && index <= 0x8ff)
		return -1;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		const struct kvm_msr_filter_range *r = &filter->ranges[i];
		u64 offset = (u64)index - r->base;

		if (!(r->flags & access) || index < r->base || offset >= r->nmsrs)
			continue;

		if (get_user(byte, (u8 __user *)r->bitmap + offset / 8))
			return i;

		return byte & BIT(offset % 8) ? -1 : i;
	}

	return filter->flags & KVM_MSR_FILTER_DEFAULT_DENY ? i : -1;
}

static void check_access(struct kunit *test, const struct kvm_msr_filter *filter,
			 const struct kvm_reg_policy *policy, u32 index, u32 access)
{
	struct kvm_reg_decision got = kvm_reg_kunit_decide(policy, index, access, ~0ULL);
	int want = model(filter, index, access);

	KUNIT_ASSERT_EQ_MSG(test, got.action, want < 0 ? ALLOW : DENY,
			    "access %u to 0x%x", access, index);
	if (kvm_reg_policy_allows_plainly(policy, index, access))
		KUNIT_ASSERT_LT_MSG(test, want, 0, "access %u to 0x%x", access, index);
	if (want < 0)
		return;

	if (want == KVM_MSR_FILTER_MAX_RANGES)
		want = -1;
	KUNIT_ASSERT_EQ(test, got.list, KVM_REG_FILTER);
	KUNIT_ASSERT_EQ_MSG(test, got.rule, want, "access %u to 0x%x", access, index);
}

static void check(struct kunit *test, const struct kvm_msr_filter *filter,
		  const struct kvm_reg_policy *policy, u32 index)
{
	check_access(test, filter, policy, index, KVM_MSR_FILTER_READ);
	check_access(test, filter, policy, index, KVM_MSR_FILTER_WRITE);
}

/* A quarter of the ranges are empty. */
static u32 random_nmsrs(struct rnd_state *rnd)
{
	if (prandom_u32_state(rnd) % 4 == 0)
		return 0;

	return 1 + prandom_u32_state(rnd) % MAX_NMSRS;
}

static void random_filter(struct kunit *test, struct rnd_state *rnd,
			  struct kvm_msr_filter *filter)
{
	static const u32 bases[] = { 0, 0x700, 0x40000000, 0x4b564d00, 0xbffffff0,
				     0xc0000000, 0xc0010000, 0xffffc000 };
	int i;

	filter->flags = prandom_u32_state(rnd) % 2;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter->ranges[i] = (struct kvm_msr_filter_range) {
			.flags = 1 + prandom_u32_state(rnd) % 3,
			.nmsrs = random_nmsrs(rnd),
			.base = bases[prandom_u32_state(rnd) % ARRAY_SIZE(bases)] +
				prandom_u32_state(rnd) % 0x1000,
			.bitmap = (__force u8 *)user_bitmap(test, i),
		};
}

static void random_filters_test(struct kunit *test)
{
	size_t size = KVM_MSR_FILTER_MAX_RANGES * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
	u8 *bytes = kunit_kzalloc(test, size, GFP_KERNEL);
	struct kvm_msr_filter filter = {};
	struct kvm_reg_policy *policy;
	struct rnd_state rnd;
	u32 round, i;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	prandom_seed_state(&rnd, SEED);
	prandom_bytes_state(&rnd, bytes, size);
	KUNIT_ASSERT_EQ(test, copy_to_user(user_bitmap(test, 0), bytes, size), 0);

	for (round = 0; round < ROUNDS; round++) {
		random_filter(test, &rnd, &filter);
		policy = compile(test, filter);

		for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES * 200; i++)
			check(test, &filter, policy, filter.ranges[i / 200].base +
			      prandom_u32_state(&rnd) % (MAX_NMSRS + 100) - 50);
		check(test, &filter, policy, 0);
		check(test, &filter, policy, U32_MAX);
		kvm_reg_policy_free(policy);
	}
}

static struct kunit_case msr_filter_cases[] = {
	KUNIT_CASE_PARAM(errno_test, errno_gen_params),
	KUNIT_CASE(bad_bitmap_test),
	KUNIT_CASE(first_error_wins_test),
	KUNIT_CASE(no_memory_test),
	KUNIT_CASE(empty_filter_test),
	KUNIT_CASE(last_byte_of_a_page_test),
	KUNIT_CASE(ends_at_2_to_the_32_test),
	KUNIT_CASE(x2apic_is_exempt_test),
	KUNIT_CASE(numbers_test),
	KUNIT_CASE(fails_open_exits_test),
	KUNIT_CASE(random_filters_test),
	{}
};

static struct kunit_suite msr_filter_suite = {
	.name = "kvm_msr_filter",
	.init = filter_test_init,
	.exit = kvm_reg_kunit_exit,
	.test_cases = msr_filter_cases,
};

kunit_test_suite(msr_filter_suite);
