// SPDX-License-Identifier: GPL-2.0
/*
 * Register policy: look-ups against an independent brute-force model.
 */
#include <kunit/test.h>

#include <linux/limits.h>
#include <linux/prandom.h>

#include "reg_policy.h"

/* Fixed, so that a failure can be repeated. */
#define SEED		0x6b766d
#define ROUNDS		200
#define MAX_RANGES	40
#define MAX_REGISTERS	12288

struct policy_input {
	struct kvm_reg_range ranges[MAX_RANGES];
	u32 nr_ranges;
	u8 default_action;
};

static const u32 interesting[] = {
	0, 1, 0x7ff, 0x800, 0x8ff, 0x900, 0x1fff, 0x2000,
	0x3fffffff, 0x40000000, 0x400001ff, 0x40000200,
	0x4b564cff, 0x4b564d00, 0x4b564dff, 0x4b564e00,
	0x7fffffff, 0x80000000,
	0xbfffffff, 0xc0000000, 0xc0001fff, 0xc0002000,
	0xc000ffff, 0xc0010000, 0xc0011fff, 0xc0012000,
	U32_MAX - 1, U32_MAX,
};

/*
 * The model knows neither segments nor windows, nor the engine's helpers: it
 * goes through the list, in 64 bits and byte by byte.
 */
static int model(const struct policy_input *in, u32 index, unsigned int access)
{
	u32 i;

	for (i = 0; i < in->nr_ranges; i++) {
		const struct kvm_reg_range *r = &in->ranges[i];
		u64 offset = (u64)index - r->first;

		if (!(r->access & access) || index < r->first || index > r->last)
			continue;

		if (r->bitmap && (((const u8 *)r->bitmap)[offset / 8] >> (offset % 8)) & 1)
			return KVM_REG_ALLOW;

		return r->action;
	}

	return in->default_action;
}

static struct kvm_reg_policy *compile(struct kunit *test, const struct policy_input *in)
{
	struct kvm_reg_policy *policy = kvm_reg_policy_alloc(in->nr_ranges, 0);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, policy);

	for (i = 0; i < in->nr_ranges; i++)
		kvm_reg_policy_add(policy, in->ranges[i]);

	kvm_reg_policy_compile(policy, in->default_action);
	return policy;
}

static void check(struct kunit *test, const struct policy_input *in,
		  const struct kvm_reg_policy *policy, u32 index)
{
	int read = model(in, index, KVM_REG_READ), write = model(in, index, KVM_REG_WRITE);

	KUNIT_ASSERT_EQ_MSG(test, kvm_reg_policy_lookup(policy, index, KVM_REG_READ),
			    read, "read of 0x%x", index);
	KUNIT_ASSERT_EQ_MSG(test, kvm_reg_policy_lookup(policy, index, KVM_REG_WRITE),
			    write, "write of 0x%x", index);

	/* The search must agree with the windows. */
	KUNIT_ASSERT_EQ_MSG(test, __kvm_reg_policy_lookup(policy, index, KVM_REG_READ),
			    read, "search for read of 0x%x", index);
	KUNIT_ASSERT_EQ_MSG(test, __kvm_reg_policy_lookup(policy, index, KVM_REG_WRITE),
			    write, "search for write of 0x%x", index);
}

static void check_around(struct kunit *test, const struct policy_input *in,
			 const struct kvm_reg_policy *policy, u32 index)
{
	/* Wraps on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
	check(test, in, policy, index - 1);
	check(test, in, policy, index);
	check(test, in, policy, index + 1);
}

static void check_policy(struct kunit *test, const struct policy_input *in,
			 struct rnd_state *rnd)
{
	struct kvm_reg_policy *policy = compile(test, in);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(interesting); i++)
		check_around(test, in, policy, interesting[i]);

	for (i = 0; i < in->nr_ranges; i++) {
		u32 nr = in->ranges[i].last - in->ranges[i].first;

		check_around(test, in, policy, in->ranges[i].first);
		check_around(test, in, policy, in->ranges[i].last);
		check(test, in, policy, in->ranges[i].first + prandom_u32_state(rnd) % (nr ?: 1));
	}

	for (i = 0; i < 200; i++)
		check(test, in, policy, prandom_u32_state(rnd));

	kvm_reg_policy_free(policy);
}

static u32 random_register(struct rnd_state *rnd)
{
	u32 near = interesting[prandom_u32_state(rnd) % ARRAY_SIZE(interesting)];

	/* Mostly near an edge, so that ranges meet, overlap and wrap windows. */
	if (prandom_u32_state(rnd) % 8)
		return near + prandom_u32_state(rnd) % 256 - 128;

	return prandom_u32_state(rnd);
}

static unsigned long *random_bitmap(struct kunit *test, struct rnd_state *rnd)
{
	unsigned long *bitmap = kunit_kzalloc(test, MAX_REGISTERS / 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bitmap);
	prandom_bytes_state(rnd, bitmap, MAX_REGISTERS / 8);
	return bitmap;
}

static struct kvm_reg_range random_range(struct rnd_state *rnd, unsigned long *bitmap)
{
	u32 nr = 1 + prandom_u32_state(rnd) % MAX_REGISTERS;
	u32 first = random_register(rnd);

	return (struct kvm_reg_range) {
		.first = first,
		.last = first + min(nr - 1, U32_MAX - first),
		.access = 1 + prandom_u32_state(rnd) % KVM_REG_ACCESS_MASK,
		.action = prandom_u32_state(rnd) % 6,
		.bitmap = prandom_u32_state(rnd) % 2 ? bitmap : NULL,
	};
}

static void random_policies_test(struct kunit *test)
{
	struct policy_input *in = kunit_kzalloc(test, sizeof(*in), GFP_KERNEL);
	struct rnd_state rnd;
	unsigned long *bitmap;
	u32 round, i;

	KUNIT_ASSERT_NOT_NULL(test, in);
	prandom_seed_state(&rnd, SEED);
	bitmap = random_bitmap(test, &rnd);

	for (round = 0; round < ROUNDS; round++) {
		in->nr_ranges = prandom_u32_state(&rnd) % (MAX_RANGES + 1);
		in->default_action = prandom_u32_state(&rnd) % 3;
		for (i = 0; i < in->nr_ranges; i++)
			in->ranges[i] = random_range(&rnd, bitmap);

		check_policy(test, in, &rnd);
	}
}

/* Every register of every window, for a policy of many overlapping ranges. */
static void whole_windows_test(struct kunit *test)
{
	static const u32 first[] = { 0, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000 };
	struct policy_input *in = kunit_kzalloc(test, sizeof(*in), GFP_KERNEL);
	struct kvm_reg_policy *policy;
	struct rnd_state rnd;
	unsigned long *bitmap;
	u32 i, offset;

	KUNIT_ASSERT_NOT_NULL(test, in);
	prandom_seed_state(&rnd, SEED + 1);
	bitmap = random_bitmap(test, &rnd);

	for (in->nr_ranges = 0; in->nr_ranges < MAX_RANGES; in->nr_ranges++)
		in->ranges[in->nr_ranges] = random_range(&rnd, bitmap);

	policy = compile(test, in);
	for (i = 0; i < ARRAY_SIZE(first); i++)
		for (offset = 0; offset <= 0x2000; offset++)
			check(test, in, policy, first[i] + offset);

	kvm_reg_policy_free(policy);
}

struct policy_case {
	const char *name;
	struct policy_input in;
};

#define RANGE(_first, _last, _access, _action) \
	{ .first = _first, .last = _last, .access = _access, .action = _action }

static const struct policy_case policy_cases[] = {
	{
		.name = "no ranges, default allow",
	}, {
		.name = "no ranges, default deny",
		.in = { .default_action = KVM_REG_DENY },
	}, {
		.name = "everything in one range",
		.in = { { RANGE(0, U32_MAX, 3, KVM_REG_DENY) }, 1 },
	}, {
		.name = "register 0",
		.in = { { RANGE(0, 0, 3, KVM_REG_DENY) }, 1 },
	}, {
		.name = "register 2^32 - 1",
		.in = { { RANGE(U32_MAX, U32_MAX, 3, KVM_REG_DENY) }, 1 },
	}, {
		.name = "up to 2^32 - 1",
		.in = { { RANGE(0xffffd000, U32_MAX, 3, KVM_REG_DENY) }, 1 },
	}, {
		.name = "read and write apart",
		.in = { { RANGE(0x10, 0x1f, KVM_REG_READ, KVM_REG_DENY),
			  RANGE(0x18, 0x27, KVM_REG_WRITE, KVM_REG_DENY) }, 2 },
	}, {
		.name = "first of two that overlap wins",
		.in = { { RANGE(0x100, 0x1ff, 3, KVM_REG_ALLOW),
			  RANGE(0x180, 0x27f, 3, KVM_REG_DENY) }, 2, KVM_REG_DENY },
	}, {
		.name = "a hole inside a range",
		.in = { { RANGE(0x150, 0x150, 3, KVM_REG_ALLOW),
			  RANGE(0x100, 0x1ff, 3, KVM_REG_DENY) }, 2 },
	}, {
		.name = "neighbours",
		.in = { { RANGE(0x1000, 0x1fff, 3, KVM_REG_DENY),
			  RANGE(0x2000, 0x2fff, 3, KVM_REG_DENY) }, 2 },
	}, {
		.name = "the same range twice",
		.in = { { RANGE(0x1000, 0x1fff, 3, KVM_REG_DENY),
			  RANGE(0x1000, 0x1fff, 3, KVM_REG_ALLOW) }, 2 },
	}, {
		.name = "more verdicts than allow and deny",
		.in = { { RANGE(0x10, 0x1f, 3, 2), RANGE(0x20, 0x2f, 1, 3),
			  RANGE(0xd0000000, 0xd0000000, 3, KVM_REG_MAX_ACTION) },
			3, 4 },
	},
};

KUNIT_ARRAY_PARAM_DESC(policy, policy_cases, name);

static void policy_test(struct kunit *test)
{
	const struct policy_case *param = test->param_value;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, SEED + 2);
	check_policy(test, &param->in, &rnd);
}

/* What no range changes must not cost a segment. */
static void segments_are_merged_test(struct kunit *test)
{
	struct policy_input in = { .nr_ranges = MAX_RANGES };
	struct kvm_reg_policy *policy;
	u32 i;

	for (i = 0; i < MAX_RANGES; i++)
		in.ranges[i] = (struct kvm_reg_range)RANGE(0x100, 0x1ff, 3, KVM_REG_DENY);

	policy = compile(test, &in);
	KUNIT_EXPECT_EQ(test, policy->nr_segments, 3);
	kvm_reg_policy_free(policy);
}

static void too_many_ranges_test(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kvm_reg_policy_alloc(U16_MAX, 0));
	KUNIT_EXPECT_NULL(test, kvm_reg_policy_alloc(U32_MAX, 0));
}

static struct kunit_case reg_policy_cases[] = {
	KUNIT_CASE_PARAM(policy_test, policy_gen_params),
	KUNIT_CASE(random_policies_test),
	KUNIT_CASE(whole_windows_test),
	KUNIT_CASE(segments_are_merged_test),
	KUNIT_CASE(too_many_ranges_test),
	{}
};

static struct kunit_suite reg_policy_suite = {
	.name = "kvm_reg_policy",
	.test_cases = reg_policy_cases,
};

kunit_test_suite(reg_policy_suite);
