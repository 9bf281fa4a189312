// SPDX-License-Identifier: GPL-2.0
/*
 * MSR filter: what is refused and why, and what the compiled policy says.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>

#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include "msr_filter.h"
#include "reg_policy.h"

#define SEED		0x6d7372
#define ROUNDS		100
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)

/**
 * struct filter_test - one test's surroundings
 * @bitmaps: Userspace memory: a bitmap of the largest size for each range.
 * @policies: Policies allocated and not freed.
 * @fail: Whether allocations fail.
 */
struct filter_test {
	u8 __user *bitmaps;
	int policies;
	bool fail;
};

static struct kvm_reg_policy *counting_alloc(u32 nr_ranges, size_t nr_longs);

static void counting_free(struct kvm_reg_policy *policy)
{
	struct filter_test *ft = kunit_get_current_test()->priv;

	ft->policies -= !!policy;
	kvfree(policy);
}

static struct kvm_reg_policy *counting_alloc(u32 nr_ranges, size_t nr_longs)
{
	struct kunit *test = kunit_get_current_test();
	struct filter_test *ft = test->priv;
	struct kvm_reg_policy *policy;

	if (ft->fail)
		return NULL;

	kunit_deactivate_static_stub(test, kvm_reg_policy_alloc);
	policy = kvm_reg_policy_alloc(nr_ranges, nr_longs);
	kunit_activate_static_stub(test, kvm_reg_policy_alloc, counting_alloc);

	ft->policies += !!policy;
	return policy;
}

static int filter_test_init(struct kunit *test)
{
	size_t size = KVM_MSR_FILTER_MAX_RANGES * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
	struct filter_test *ft = kunit_kzalloc(test, sizeof(*ft), GFP_KERNEL);
	unsigned long mem;

	KUNIT_ASSERT_NOT_NULL(test, ft);
	test->priv = ft;

	mem = kunit_vm_mmap(test, NULL, 0, size, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, !mem || IS_ERR_VALUE(mem));
	ft->bitmaps = (u8 __user *)mem;

	kunit_activate_static_stub(test, kvm_reg_policy_alloc, counting_alloc);
	kunit_activate_static_stub(test, kvm_reg_policy_free, counting_free);
	return 0;
}

static void filter_test_exit(struct kunit *test)
{
	struct filter_test *ft = test->priv;

	if (ft)
		KUNIT_EXPECT_EQ_MSG(test, ft->policies, 0, "policies leaked");
}

static u8 __user *user_bitmap(struct kunit *test, int i)
{
	struct filter_test *ft = test->priv;

	return ft->bitmaps + i * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
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

static struct kvm_reg_policy *compile(struct kunit *test, struct kvm_msr_filter filter)
{
	struct kvm_reg_policy *policy = kvm_msr_filter_compile(&filter);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, policy);
	return policy;
}

static void expect_errno(struct kunit *test, struct kvm_msr_filter filter, int err)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR(kvm_msr_filter_compile(&filter)), err);
}

static void expect(struct kunit *test, const struct kvm_reg_policy *policy, u32 index,
		   enum kvm_reg_action action)
{
	KUNIT_EXPECT_EQ_MSG(test, kvm_reg_policy_lookup(policy, index, KVM_REG_READ),
			    action, "read of 0x%x", index);
	KUNIT_EXPECT_EQ_MSG(test, kvm_reg_policy_lookup(policy, index, KVM_REG_WRITE),
			    action, "write of 0x%x", index);
}

struct errno_case {
	const char *name;
	u32 filter_flags;
	u32 flags;
	u32 base;
	u32 nmsrs;
	int err;
};

#define RW (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

static const struct errno_case errno_cases[] = {
	{ "unknown filter flag", BIT(1), RW, 0, 1, -EINVAL },
	{ "last filter flag", BIT(31), RW, 0, 1, -EINVAL },
	{ "default deny without ranges", KVM_MSR_FILTER_DEFAULT_DENY, RW, 0, 0, -EINVAL },
	{ "no range flag", 0, 0, 0, 1, -EINVAL },
	{ "unknown range flag", 0, RW | BIT(2), 0, 1, -EINVAL },
	{ "one MSR too many", 0, RW, 0, MAX_NMSRS + 1, -EINVAL },
	{ "2^32 - 1 MSRs", 0, RW, 0, U32_MAX, -EINVAL },
	{ "ends one beyond 2^32", 0, RW, U32_MAX, 2, -EINVAL },
	{ "a full range ends one beyond 2^32", 0, RW, 0U - MAX_NMSRS + 1, MAX_NMSRS, -EINVAL },
	{ "wraps to a low MSR", 0, RW, 0xfffffff0, 0x1000, -EINVAL },
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

	/* Nothing copied for the good ranges before it may be left behind. */
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
	struct filter_test *ft = test->priv;
	struct kvm_msr_filter filter = {};

	filter.ranges[0] = deny(test, 0, 1);
	ft->fail = true;
	expect_errno(test, filter, -ENOMEM);
}

/* Ranges are checked and copied one by one, and the first error counts. */
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

/* A range without MSRs is no range, whatever else it says. */
static void empty_filter_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};

	filter.ranges[3] = deny(test, U32_MAX, 0);
	filter.ranges[3].flags = U32_MAX;
	filter.ranges[3].bitmap = NULL;
	KUNIT_EXPECT_NULL(test, kvm_msr_filter_compile(&filter));
}

/* A bitmap may end where userspace's memory does. */
static void last_byte_of_a_page_test(struct kunit *test)
{
	struct kvm_msr_filter filter = {};
	unsigned long mem;

	mem = kunit_vm_mmap(test, NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, !mem || IS_ERR_VALUE(mem));
	KUNIT_ASSERT_EQ(test, vm_munmap(mem + PAGE_SIZE, PAGE_SIZE), 0);

	filter.ranges[0] = deny(test, 0x10, 8);
	filter.ranges[0].bitmap = (u8 *)(mem + PAGE_SIZE - 1);
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

		expect(test, policy, U32_MAX, KVM_REG_DENY);
		expect(test, policy, 0U - nmsrs[i], KVM_REG_DENY);
		expect(test, policy, 0U - nmsrs[i] - 1, KVM_REG_ALLOW);
		expect(test, policy, 0, KVM_REG_ALLOW);
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
		expect(test, policy, index, KVM_REG_ALLOW);

	expect(test, policy, 0x7ff, KVM_REG_DENY);
	expect(test, policy, 0x900, KVM_REG_DENY);
	kvm_reg_policy_free(policy);
}

/* The filter's documentation put into code, to compare the policy with. */
static bool model_allows(const struct kvm_msr_filter *filter, u32 index, u32 access)
{
	int i;
	u8 byte;

	if (index >= 0x800 && index <= 0x8ff)
		return true;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		const struct kvm_msr_filter_range *r = &filter->ranges[i];
		u64 offset = (u64)index - r->base;

		if (!(r->flags & access) || index < r->base || offset >= r->nmsrs)
			continue;

		if (get_user(byte, (u8 __user *)r->bitmap + offset / 8))
			return false;

		return byte & BIT(offset % 8);
	}

	return !(filter->flags & KVM_MSR_FILTER_DEFAULT_DENY);
}

static void check_against_model(struct kunit *test, const struct kvm_msr_filter *filter,
				const struct kvm_reg_policy *policy, u32 index)
{
	u32 access;

	for (access = KVM_REG_READ; access <= KVM_REG_WRITE; access <<= 1)
		KUNIT_ASSERT_EQ_MSG(test,
				    kvm_reg_policy_lookup(policy, index, access) == KVM_REG_ALLOW,
				    model_allows(filter, index, access),
				    "access %u to 0x%x", access, index);
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
			.nmsrs = 1 + prandom_u32_state(rnd) % MAX_NMSRS,
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
			check_against_model(test, &filter, policy,
					    filter.ranges[i / 200].base +
					    prandom_u32_state(&rnd) % (MAX_NMSRS + 100) - 50);
		check_against_model(test, &filter, policy, 0);
		check_against_model(test, &filter, policy, U32_MAX);
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
	KUNIT_CASE(random_filters_test),
	{}
};

static struct kunit_suite msr_filter_suite = {
	.name = "kvm_msr_filter",
	.init = filter_test_init,
	.exit = filter_test_exit,
	.test_cases = msr_filter_cases,
};

kunit_test_suite(msr_filter_suite);
