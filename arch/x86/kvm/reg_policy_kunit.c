// SPDX-License-Identifier: GPL-2.0
/*
 * Register policy: look-ups against an independent brute-force model.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>

#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "reg_policy.h"
#include "reg_policy_kunit.h"

/* Fixed, so that a failure can be repeated. */
#define SEED		0x6b766d
#define ROUNDS		200
#define MAX_RULES	24
#define MAX_REGISTERS	12288

/* The most rules that userspace can install, and that a list can hold. */
#define MAX_USER_RULES	4096
#define MAX_LIST_RULES	0x3ffe

/**
 * struct layer_input - what a list is made from
 * @present: Whether there is a list at all.
 * @default_action: What becomes of an access that no rule matches.
 * @nr_rules: Number of @rules.
 * @rules: The rules, less their numbers.
 */
struct layer_input {
	bool present;
	u8 default_action;
	u32 nr_rules;
	const struct kvm_reg_rule *rules;
};

struct policy_input {
	struct layer_input layers[KVM_REG_NR_LAYERS];
};

/**
 * struct policy_check - a policy, and what it has been made from
 * @test: The test that checks it.
 * @in: What the model looks at.
 * @policy: What the engine has made of it.
 * @rnd: For which registers and values to try.
 */
struct policy_check {
	struct kunit *test;
	const struct policy_input *in;
	struct kvm_reg_policy *policy;
	struct rnd_state rnd;
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

static const struct {
	u32 first;
	u32 nr;
} windows[] = {
	{ 0, 0x2000 },
	{ 0x40000000, 0x200 },
	{ 0x4b564d00, 0x100 },
	{ 0xc0000000, 0x2000 },
	{ 0xc0010000, 0x2000 },
};

static const u64 masks[] = {
	BIT_ULL(0), BIT_ULL(1), BIT_ULL(31), BIT_ULL(32), BIT_ULL(63),
	0x3, 0xff, 0xff00000000000000, GENMASK_ULL(31, 0), ~0ULL,
};

static struct kvm_rule_list *counting_alloc(u32 nr_rules, size_t nr_longs)
{
	struct kunit *test = kunit_get_current_test();
	struct kvm_reg_kunit *ctx = test->priv;
	struct kvm_rule_list *list;

	if (ctx->no_memory)
		return NULL;

	kunit_deactivate_static_stub(test, kvm_rule_list_alloc);
	list = kvm_rule_list_alloc(nr_rules, nr_longs);
	kunit_activate_static_stub(test, kvm_rule_list_alloc, counting_alloc);

	ctx->nr_lists += !!list;
	return list;
}

static void counting_put(struct kvm_rule_list *list)
{
	struct kunit *test = kunit_get_current_test();
	struct kvm_reg_kunit *ctx = test->priv;

	ctx->nr_lists -= list && refcount_read(&list->users) == 1;

	kunit_deactivate_static_stub(test, kvm_rule_list_put);
	kvm_rule_list_put(list);
	kunit_activate_static_stub(test, kvm_rule_list_put, counting_put);
}

/**
 * kvm_reg_kunit_init - count the lists of rules that a test allocates
 * @test: The test; its priv will be a &struct kvm_reg_kunit.
 *
 * Return: 0 or a negative errno.
 */
int kvm_reg_kunit_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct kvm_reg_kunit), GFP_KERNEL);
	if (!test->priv)
		return -ENOMEM;

	kunit_activate_static_stub(test, kvm_rule_list_alloc, counting_alloc);
	kunit_activate_static_stub(test, kvm_rule_list_put, counting_put);
	return 0;
}

/* Whatever a test has allocated must be gone at its end. */
void kvm_reg_kunit_exit(struct kunit *test)
{
	struct kvm_reg_kunit *ctx = test->priv;

	if (ctx)
		KUNIT_EXPECT_EQ_MSG(test, ctx->nr_lists, 0, "lists leaked");
}

/* Maps userspace memory until the end of the test. */
u8 __user *kvm_reg_kunit_mmap(struct kunit *test, size_t size)
{
	unsigned long mem = kunit_vm_mmap(test, NULL, 0, size, PROT_READ | PROT_WRITE,
					  MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_FALSE(test, !mem || IS_ERR_VALUE(mem));
	return (u8 __user *)mem;
}

/*
 * The model knows neither segments, chains nor windows, nor the engine's helpers:
 * it goes through the lists, in 64 bits and byte by byte.
 */
static bool model_covers(const struct kvm_reg_rule *rule, u32 index, unsigned int access)
{
	u64 first = rule->first, nr = (u64)rule->last + 1 - first;

	return (rule->access & access) && index >= first && index - first < nr;
}

/* Returns the index of the rule that applies, the number of rules for the default. */
static u32 model_rule(const struct layer_input *in, u32 index, unsigned int access,
		      u64 changed)
{
	u32 i;

	for (i = 0; i < in->nr_rules; i++) {
		const struct kvm_reg_rule *rule = &in->rules[i];

		if (!model_covers(rule, index, access))
			continue;

		if (access == KVM_REG_READ || !rule->mask || (rule->mask & changed))
			break;
	}

	return i;
}

static int model_action(const struct layer_input *in, u32 i, u32 index)
{
	const struct kvm_reg_rule *rule = &in->rules[i];
	u64 offset;

	if (i == in->nr_rules)
		return in->default_action;

	offset = (u64)index - rule->first;
	if (rule->bitmap && (((const u8 *)rule->bitmap)[offset / 8] >> (offset % 8)) & 1)
		return KVM_REG_ALLOW;

	return rule->action;
}

struct model_verdict {
	int action;
	int layer;
	u32 rule;
};

static struct model_verdict model(const struct policy_input *in, u32 index,
				  unsigned int access, u64 changed)
{
	const struct layer_input *rules = &in->layers[KVM_REG_LAYER_RULES];
	const struct layer_input *filter = &in->layers[KVM_REG_LAYER_FILTER];
	struct model_verdict first, second;

	first.layer = KVM_REG_LAYER_RULES;
	first.rule = model_rule(rules, index, access, changed);
	first.action = model_action(rules, first.rule, index);
	if (first.action != KVM_REG_ALLOW && first.action != KVM_REG_AUDIT)
		return first;

	second.layer = KVM_REG_LAYER_FILTER;
	second.rule = model_rule(filter, index, access, changed);
	second.action = model_action(filter, second.rule, index);
	return second.action == KVM_REG_ALLOW ? first : second;
}

static bool same_verdict(struct model_verdict a, struct model_verdict b)
{
	return a.action == b.action && a.layer == b.layer && a.rule == b.rule;
}

/* Does a mask decide whether the first rule that covers the register applies? */
static bool model_is_masked(const struct policy_input *in, u32 index)
{
	const struct layer_input *rules = &in->layers[KVM_REG_LAYER_RULES];
	u32 rule = model_rule(rules, index, KVM_REG_WRITE, ~0ULL);

	return rule < rules->nr_rules && rules->rules[rule].mask;
}

static bool in_window(u32 index)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		if (index >= windows[i].first && index - windows[i].first < windows[i].nr)
			return true;

	return false;
}

/* The front-ends' numbers need not be the indices in the list. */
static u16 number_of(const struct layer_input *in, u32 i)
{
	return i < in->nr_rules ? 3 * i + 7 : KVM_REG_NO_NUMBER;
}

static struct kvm_rule_list *make_list(struct kunit *test, const struct layer_input *in)
{
	struct kvm_rule_list *list;
	u32 i;

	if (!in->present)
		return NULL;

	list = kvm_rule_list_alloc(in->nr_rules, 0);
	KUNIT_ASSERT_NOT_NULL(test, list);

	for (i = 0; i < in->nr_rules; i++) {
		struct kvm_reg_rule rule = in->rules[i];

		rule.number = number_of(in, i);
		kvm_rule_list_add(list, rule);
	}

	kvm_rule_list_finish(list, in->default_action);
	return list;
}

/* Returns the policy, sole owner of its lists, or an ERR_PTR. */
static struct kvm_reg_policy *compile(struct kunit *test, const struct policy_input *in)
{
	struct kvm_rule_list *rules = make_list(test, &in->layers[KVM_REG_LAYER_RULES]);
	struct kvm_rule_list *filter = make_list(test, &in->layers[KVM_REG_LAYER_FILTER]);
	struct kvm_reg_policy *policy = kvm_reg_policy_compile(rules, filter);

	kvm_rule_list_put(rules);
	kvm_rule_list_put(filter);
	return policy;
}

static void check_verdict(struct policy_check *c, u32 index, unsigned int access,
			  u64 changed, struct model_verdict want)
{
	struct kvm_reg_verdict got = kvm_reg_policy_lookup(c->policy, index, access, changed);
	const struct layer_input *layer = &c->in->layers[want.layer];

	KUNIT_ASSERT_EQ_MSG(c->test, got.action, want.action,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);

	/* What every layer allows need not be told by whom. */
	if (got.action == KVM_REG_ALLOW && !got.rule)
		return;

	KUNIT_ASSERT_NOT_NULL(c->test, got.rule);
	KUNIT_ASSERT_EQ_MSG(c->test, got.layer, want.layer,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	KUNIT_ASSERT_EQ_MSG(c->test, got.rule->number, number_of(layer, want.rule),
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	if (want.rule < layer->nr_rules)
		KUNIT_ASSERT_EQ(c->test, got.rule->value, layer->rules[want.rule].value);
}

/* A set bit must be right, and must not be missing where no mask is in the way. */
static void check_plain(struct policy_check *c, u32 index, unsigned int access,
			struct model_verdict want, bool masked)
{
	bool plain = kvm_reg_policy_allows_plainly(c->policy, index, access);

	if (plain || (in_window(index) && !masked))
		KUNIT_ASSERT_EQ_MSG(c->test, plain, want.action == KVM_REG_ALLOW,
				    "access %u to 0x%x", access, index);
}

/* Reads don't change anything, whatever is said. */
static void check_read(struct policy_check *c, u32 index, u64 changed)
{
	struct model_verdict want = model(c->in, index, KVM_REG_READ, 0);

	check_verdict(c, index, KVM_REG_READ, 0, want);
	check_verdict(c, index, KVM_REG_READ, changed, want);
	check_plain(c, index, KVM_REG_READ, want, false);
}

static void check_write(struct policy_check *c, u32 index, const u64 *changed, int nr)
{
	struct model_verdict want, unchanged = model(c->in, index, KVM_REG_WRITE, 0);
	bool compares = kvm_reg_policy_compares(c->policy, index);
	bool masked = model_is_masked(c->in, index);
	int i;

	for (i = 0; i < nr; i++) {
		want = model(c->in, index, KVM_REG_WRITE, changed[i]);
		check_verdict(c, index, KVM_REG_WRITE, changed[i], want);
		check_plain(c, index, KVM_REG_WRITE, want, masked);
		if (!same_verdict(want, unchanged))
			KUNIT_ASSERT_TRUE_MSG(c->test, compares, "write of 0x%x", index);
	}

	/* Not to be asked for nothing: the old value takes reading the register. */
	if (!masked)
		KUNIT_ASSERT_FALSE_MSG(c->test, compares, "write of 0x%x", index);
}

static u64 random_u64(struct rnd_state *rnd)
{
	u64 high = prandom_u32_state(rnd);

	return high << 32 | prandom_u32_state(rnd);
}

static void check(struct policy_check *c, u32 index)
{
	u64 mask = masks[prandom_u32_state(&c->rnd) % ARRAY_SIZE(masks)];
	u64 changed[] = {
		0, ~0ULL, mask, ~mask, random_u64(&c->rnd),
		BIT_ULL(prandom_u32_state(&c->rnd) % 64),
	};

	check_write(c, index, changed, ARRAY_SIZE(changed));
	check_read(c, index, mask);
}

static void check_around(struct policy_check *c, u32 index)
{
	/* Wraps on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
	check(c, index - 1);
	check(c, index);
	check(c, index + 1);
}

static void check_rule(struct policy_check *c, const struct kvm_reg_rule *rule)
{
	u32 nr = rule->last - rule->first;

	check_around(c, rule->first);
	check_around(c, rule->last);
	check(c, rule->first + prandom_u32_state(&c->rnd) % (nr ?: 1));
}

/* All rules of a short list, about MAX_RULES of a long one, with the last. */
static void check_layer(struct policy_check *c, const struct layer_input *in)
{
	u32 i, step = 1 + in->nr_rules / (MAX_RULES + 1);

	for (i = 0; i < in->nr_rules; i += step)
		check_rule(c, &in->rules[i]);

	if (in->nr_rules)
		check_rule(c, &in->rules[in->nr_rules - 1]);
}

static void check_policy(struct kunit *test, const struct policy_input *in, u32 seed)
{
	struct policy_check c = { .test = test, .in = in, .policy = compile(test, in) };
	u32 i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c.policy);
	prandom_seed_state(&c.rnd, seed);

	for (i = 0; i < ARRAY_SIZE(interesting); i++)
		check_around(&c, interesting[i]);

	for (i = 0; i < KVM_REG_NR_LAYERS; i++)
		check_layer(&c, &in->layers[i]);

	for (i = 0; i < 32; i++)
		check(&c, prandom_u32_state(&c.rnd));

	kvm_reg_policy_free(c.policy);
}

static u32 random_register(struct rnd_state *rnd)
{
	u32 near = interesting[prandom_u32_state(rnd) % ARRAY_SIZE(interesting)];

	/* Mostly near an edge, so that rules meet, overlap and cross windows. */
	if (prandom_u32_state(rnd) % 8)
		return near + prandom_u32_state(rnd) % 256 - 128;

	return prandom_u32_state(rnd);
}

/* Every other one is to allow, so that what comes behind counts as well. */
static u8 random_action(struct rnd_state *rnd)
{
	u32 action = prandom_u32_state(rnd) % (2 * KVM_REG_NR_ACTIONS);

	return action < KVM_REG_NR_ACTIONS ? action : KVM_REG_ALLOW;
}

static struct kvm_reg_rule random_rule(struct rnd_state *rnd)
{
	u32 nr = 1 + prandom_u32_state(rnd) % MAX_REGISTERS;
	u32 first = random_register(rnd);

	return (struct kvm_reg_rule) {
		.first = first,
		.last = first + min(nr - 1, U32_MAX - first),
		.access = 1 + prandom_u32_state(rnd) % KVM_REG_ACCESS_MASK,
		.action = random_action(rnd),
		.value = random_u64(rnd),
	};
}

static u64 random_mask(struct rnd_state *rnd)
{
	switch (prandom_u32_state(rnd) % 4) {
	case 0:
		return 0;
	case 1:
		return random_u64(rnd) & random_u64(rnd);
	default:
		return masks[prandom_u32_state(rnd) % ARRAY_SIZE(masks)];
	}
}

/**
 * struct random_input - random lists of rules
 * @rnd: What they are made by.
 * @bitmap: Of those of the filter's rules that have one.
 * @rules: Room for both layers' rules.
 * @in: The latest.
 */
struct random_input {
	struct rnd_state rnd;
	unsigned long *bitmap;
	struct kvm_reg_rule rules[KVM_REG_NR_LAYERS][MAX_RULES];
	struct policy_input in;
};

static struct random_input *random_input_alloc(struct kunit *test, u32 seed)
{
	struct random_input *random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, random);
	prandom_seed_state(&random->rnd, seed);
	random->bitmap = kunit_kzalloc(test, MAX_REGISTERS / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, random->bitmap);
	prandom_bytes_state(&random->rnd, random->bitmap, MAX_REGISTERS / 8);
	return random;
}

/* All actions, a few rules that cover everything, and in most lists masks. */
static void random_rules(struct random_input *random, u32 nr)
{
	struct kvm_reg_rule *rules = random->rules[KVM_REG_LAYER_RULES];
	struct rnd_state *rnd = &random->rnd;
	bool masked = prandom_u32_state(rnd) % 3;
	u32 i;

	for (i = 0; i < nr; i++) {
		rules[i] = random_rule(rnd);
		if (masked && (rules[i].access & KVM_REG_WRITE))
			rules[i].mask = random_mask(rnd);

		if (prandom_u32_state(rnd) % 16)
			continue;

		rules[i].first = 0;
		rules[i].last = U32_MAX;
	}

	random->in.layers[KVM_REG_LAYER_RULES] = (struct layer_input) {
		.present = true,
		.default_action = random_action(rnd),
		.nr_rules = nr,
		.rules = rules,
	};
}

/* Bitmaps in place of masks; AUDIT is not for the layer that is asked last. */
static void random_filter(struct random_input *random, u32 nr)
{
	struct kvm_reg_rule *rules = random->rules[KVM_REG_LAYER_FILTER];
	struct rnd_state *rnd = &random->rnd;
	u32 i;

	for (i = 0; i < nr; i++) {
		rules[i] = random_rule(rnd);
		rules[i].action %= KVM_REG_AUDIT;
		rules[i].bitmap = prandom_u32_state(rnd) % 4 ? random->bitmap : NULL;
	}

	random->in.layers[KVM_REG_LAYER_FILTER] = (struct layer_input) {
		.present = true,
		.default_action = prandom_u32_state(rnd) % 2,
		.nr_rules = nr,
		.rules = rules,
	};
}

/* In each fourth policy a layer is missing, in turn. */
static void random_policies_test(struct kunit *test)
{
	struct random_input *random = random_input_alloc(test, SEED);
	u32 round;

	for (round = 0; round < ROUNDS; round++) {
		random_rules(random, prandom_u32_state(&random->rnd) % (MAX_RULES + 1));
		random_filter(random, prandom_u32_state(&random->rnd) % (MAX_RULES + 1));
		if (round % 4 == 0)
			random->in.layers[round / 4 % 2] = (struct layer_input) {};

		check_policy(test, &random->in, SEED + round);
	}
}

/* Every register of every window, and the first behind it. */
static void check_windows(struct kunit *test, const struct policy_input *in, u32 seed)
{
	struct policy_check c = { .test = test, .in = in, .policy = compile(test, in) };
	u32 i, offset;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c.policy);
	prandom_seed_state(&c.rnd, seed);

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		for (offset = 0; offset <= windows[i].nr; offset++)
			check(&c, windows[i].first + offset);

	kvm_reg_policy_free(c.policy);
}

static void whole_windows_test(struct kunit *test)
{
	struct random_input *random = random_input_alloc(test, SEED + 1);
	struct policy_input one = {};
	int layer;

	random_rules(random, MAX_RULES / 2);
	random_filter(random, MAX_RULES / 2);
	check_windows(test, &random->in, SEED);

	for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++) {
		one.layers[layer] = random->in.layers[layer];
		check_windows(test, &one, SEED + 1);
		one.layers[layer] = (struct layer_input) {};
	}
}

struct policy_case {
	const char *name;
	struct policy_input in;
};

#define RW	KVM_REG_ACCESS_MASK

#define RULE(_first, _last, _access, _action, ...) \
	{ .first = _first, .last = _last, .access = _access, .action = _action, __VA_ARGS__ }

#define LIST(_default, ...) {							\
	.present = true,							\
	.default_action = _default,						\
	.nr_rules = ARRAY_SIZE(((const struct kvm_reg_rule []) { __VA_ARGS__ })), \
	.rules = (const struct kvm_reg_rule []) { __VA_ARGS__ },		\
}

#define EMPTY_LIST(_default)	{ .present = true, .default_action = _default }

#define RULES(...)		{ .layers[KVM_REG_LAYER_RULES] = LIST(__VA_ARGS__) }
#define FILTER(...)		{ .layers[KVM_REG_LAYER_FILTER] = LIST(__VA_ARGS__) }

static const unsigned long every_other_register[BITS_TO_LONGS(128)] = {
	[0 ... BITS_TO_LONGS(128) - 1] = ~0UL / 3,
};

static const struct policy_case policy_cases[] = {
	{
		.name = "no lists",
	}, {
		.name = "empty lists, default allow",
		.in = { { EMPTY_LIST(KVM_REG_ALLOW), EMPTY_LIST(KVM_REG_ALLOW) } },
	}, {
		.name = "no rules, default deny",
		.in = { { EMPTY_LIST(KVM_REG_DENY) } },
	}, {
		.name = "no rules, default audit",
		.in = { { EMPTY_LIST(KVM_REG_AUDIT) } },
	}, {
		.name = "everything in one rule",
		.in = RULES(KVM_REG_ALLOW, RULE(0, U32_MAX, RW, KVM_REG_DENY)),
	}, {
		.name = "register 0",
		.in = RULES(KVM_REG_ALLOW, RULE(0, 0, RW, KVM_REG_DENY)),
	}, {
		.name = "register 2^32 - 1",
		.in = RULES(KVM_REG_ALLOW, RULE(U32_MAX, U32_MAX, RW, KVM_REG_DENY)),
	}, {
		.name = "up to 2^32 - 1",
		.in = RULES(KVM_REG_ALLOW, RULE(0xffffd000, U32_MAX, RW, KVM_REG_DENY)),
	}, {
		.name = "read and write apart",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x10, 0x1f, KVM_REG_READ, KVM_REG_DENY),
			    RULE(0x18, 0x27, KVM_REG_WRITE, KVM_REG_DENY)),
	}, {
		.name = "first of two that overlap wins",
		.in = RULES(KVM_REG_DENY,
			    RULE(0x100, 0x1ff, RW, KVM_REG_ALLOW),
			    RULE(0x180, 0x27f, RW, KVM_REG_DENY)),
	}, {
		.name = "a hole inside a rule",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x150, 0x150, RW, KVM_REG_ALLOW),
			    RULE(0x100, 0x1ff, RW, KVM_REG_DENY)),
	}, {
		.name = "neighbours",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x1000, 0x1fff, RW, KVM_REG_DENY),
			    RULE(0x2000, 0x2fff, RW, KVM_REG_DENY)),
	}, {
		.name = "the same registers twice",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x1000, 0x1fff, RW, KVM_REG_DENY),
			    RULE(0x1000, 0x1fff, RW, KVM_REG_ALLOW)),
	}, {
		.name = "each action",
		.in = RULES(KVM_REG_GP,
			    RULE(0x10, 0x1f, RW, KVM_REG_ALLOW),
			    RULE(0x20, 0x2f, KVM_REG_READ, KVM_REG_DENY),
			    RULE(0x30, 0x3f, RW, KVM_REG_EXIT),
			    RULE(0x40, 0x4f, RW, KVM_REG_IGNORE, .value = 0x123456789abcdef0),
			    RULE(0xd0000000, 0xd0000000, RW, KVM_REG_AUDIT)),
	}, {
		.name = "writes that change the top bit",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x10, 0x1f, RW, KVM_REG_GP, .mask = BIT_ULL(63))),
	}, {
		.name = "a bit that is allowed to change, the others not",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0xc0000080, 0xc0000080, KVM_REG_WRITE, KVM_REG_GP,
				 .mask = ~BIT_ULL(0))),
	}, {
		.name = "masks that overlap",
		.in = RULES(KVM_REG_DENY,
			    RULE(0x10, 0x1f, RW, KVM_REG_GP, .mask = 0xf),
			    RULE(0x18, 0x27, KVM_REG_WRITE, KVM_REG_EXIT, .mask = 0x3c),
			    RULE(0, 0xffff, RW, KVM_REG_IGNORE, .mask = 0xff),
			    RULE(0x18, 0x1f, RW, KVM_REG_ALLOW)),
	}, {
		.name = "a mask behind a rule without one",
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x10, 0x1f, RW, KVM_REG_ALLOW),
			    RULE(0x10, 0x1f, RW, KVM_REG_GP, .mask = ~0ULL)),
	}, {
		.name = "masks that leave nothing, and one behind them",
		.in = RULES(KVM_REG_EXIT,
			    RULE(0x10, 0x1f, RW, KVM_REG_GP, .mask = 0xffffffff),
			    RULE(0x10, 0x1f, RW, KVM_REG_DENY, .mask = 0xffffffff00000000),
			    RULE(0x10, 0x1f, RW, KVM_REG_IGNORE, .mask = ~0ULL)),
	}, {
		.name = "a filter that denies what no bitmap exempts",
		.in = FILTER(KVM_REG_ALLOW,
			     RULE(0x1fc0, 0x203f, RW, KVM_REG_DENY,
				  .bitmap = every_other_register),
			     RULE(U32_MAX - 127, U32_MAX, KVM_REG_WRITE, KVM_REG_DENY,
				  .bitmap = every_other_register)),
	}, {
		.name = "a filter under rules that allow and audit",
		.in = { {
			LIST(KVM_REG_AUDIT, RULE(0x10, 0x2f, RW, KVM_REG_ALLOW)),
			LIST(KVM_REG_ALLOW, RULE(0x20, 0x3f, RW, KVM_REG_DENY)),
		} },
	}, {
		.name = "a filter does not soften rules",
		.in = { {
			LIST(KVM_REG_ALLOW, RULE(0x10, 0x1f, RW, KVM_REG_GP),
			     RULE(0x20, 0x2f, RW, KVM_REG_IGNORE)),
			LIST(KVM_REG_DENY, RULE(0x10, 0x2f, RW, KVM_REG_ALLOW)),
		} },
	}, {
		.name = "a filter behind a mask",
		.in = { {
			LIST(KVM_REG_ALLOW, RULE(0x10, 0x1f, RW, KVM_REG_GP, .mask = 1)),
			LIST(KVM_REG_ALLOW, RULE(0x18, 0x27, KVM_REG_WRITE, KVM_REG_DENY)),
		} },
	},
};

KUNIT_ARRAY_PARAM_DESC(policy, policy_cases, name);

static void policy_test(struct kunit *test)
{
	const struct policy_case *param = test->param_value;

	check_policy(test, &param->in, SEED);
}

/* Rules to fill long lists with: the one at an index. */
static struct kvm_reg_rule disjoint_rule(u32 i)
{
	return (struct kvm_reg_rule)RULE(i << 20, (i << 20) + 0xfff, RW, i % 6, .value = i);
}

static struct kvm_reg_rule every_other_rule(u32 i)
{
	return (struct kvm_reg_rule)RULE(2 * i, 2 * i, 1 + i % 3, 1 + i % 5, .value = i);
}

static struct kvm_reg_rule identical_rule(u32 i)
{
	return (struct kvm_reg_rule)RULE(0x100, 0x1ff, RW, 1 + i % 5, .value = i);
}

/* From the innermost to the outermost, around a place in a window. */
static struct kvm_reg_rule nested_rule(u32 i)
{
	return (struct kvm_reg_rule)RULE(0xc0001000 - i, 0xc0001000 + i, 1 + i % 3,
					 i % 6, .value = i);
}

static struct kvm_reg_rule masked_rule(u32 i)
{
	struct kvm_reg_rule rule = disjoint_rule(i);

	rule.mask = BIT_ULL(i % 64);
	return rule;
}

/* As many masks over each other as there are bits, wherever there are as many rules. */
static struct kvm_reg_rule nested_masked_rule(u32 i)
{
	struct kvm_reg_rule rule = nested_rule(i);

	rule.access = RW;
	rule.mask = BIT_ULL(i % 64);
	return rule;
}

static struct kvm_reg_rule identical_masked_rule(u32 i)
{
	struct kvm_reg_rule rule = identical_rule(i);

	rule.mask = BIT_ULL(i % 64);
	return rule;
}

struct long_case {
	const char *name;
	struct kvm_reg_rule (*rule)(u32 i);
	u32 nr_rules;
	size_t max_size;
	int err;
};

static const struct long_case long_cases[] = {
	{ "16 disjoint", disjoint_rule, 16, SZ_32K },
	{ "16 masked", masked_rule, 16, SZ_32K },
	{ "4096 disjoint", disjoint_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 at every other register", every_other_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 identical", identical_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 nested", nested_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 disjoint and masked", masked_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 identical and masked", identical_masked_rule, MAX_USER_RULES, SZ_512K },
	{ "250 nested and masked", nested_masked_rule, 250, SZ_512K },
	{ "300 nested and masked", nested_masked_rule, 300, 0, -E2BIG },
	{ "4096 nested and masked", nested_masked_rule, MAX_USER_RULES, 0, -E2BIG },
};

KUNIT_ARRAY_PARAM_DESC(long, long_cases, name);

static struct kvm_reg_rule *make_rules(struct kunit *test, const struct long_case *param)
{
	struct kvm_reg_rule *rules;
	u32 i;

	rules = kunit_kcalloc(test, param->nr_rules, sizeof(*rules), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rules);

	for (i = 0; i < param->nr_rules; i++)
		rules[i] = param->rule(i);

	return rules;
}

/* A long list is as right as a short one, and takes no more than a known amount. */
static void long_list_test(struct kunit *test)
{
	const struct long_case *param = test->param_value;
	struct policy_input in = { { {
		.present = true,
		.nr_rules = param->nr_rules,
		.rules = make_rules(test, param),
	} } };
	struct kvm_reg_policy *policy = compile(test, &in);

	if (param->err) {
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(policy), param->err);
		return;
	}

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, policy);
	KUNIT_EXPECT_LE(test, policy->size + policy->lists[KVM_REG_LAYER_RULES]->size,
			param->max_size);
	kvm_reg_policy_free(policy);
	check_policy(test, &in, SEED);
}

static struct kvm_rule_list *longest_list(struct kunit *test)
{
	struct kvm_rule_list *list = kvm_rule_list_alloc(MAX_LIST_RULES, 0);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, list);
	for (i = 0; i < MAX_LIST_RULES; i++)
		kvm_rule_list_add(list, (struct kvm_reg_rule) {
			.first = 4 * i,
			.last = 4 * i,
			.access = RW,
			.action = KVM_REG_AUDIT,
			.number = i,
		});

	kvm_rule_list_finish(list, KVM_REG_DENY);
	return list;
}

/* Two lists of the longest kind: the indices of rules and segments do not overflow. */
static void longest_lists_test(struct kunit *test)
{
	struct kvm_rule_list *list = longest_list(test);
	struct kvm_reg_policy *policy = kvm_reg_policy_compile(list, list);
	struct kvm_reg_verdict verdict;
	u32 i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, policy);
	for (i = 0; i <= 4 * MAX_LIST_RULES; i++) {
		bool ruled = i % 4 == 0 && i < 4 * MAX_LIST_RULES;

		verdict = kvm_reg_policy_lookup(policy, i, KVM_REG_WRITE, 0);
		KUNIT_ASSERT_EQ(test, verdict.action, ruled ? KVM_REG_AUDIT : KVM_REG_DENY);
		KUNIT_ASSERT_EQ(test, verdict.rule->number, ruled ? i / 4 : KVM_REG_NO_NUMBER);
	}

	kvm_reg_policy_free(policy);
	kvm_rule_list_put(list);
}

static void too_many_rules_test(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kvm_rule_list_alloc(MAX_LIST_RULES + 1, 0));
	KUNIT_EXPECT_NULL(test, kvm_rule_list_alloc(U16_MAX, 0));
	KUNIT_EXPECT_NULL(test, kvm_rule_list_alloc(U32_MAX, 0));
}

struct segments_case {
	const char *name;
	u32 nr_segments;
	struct policy_input in;
};

/* What no rule changes must not cost a segment. */
static const struct segments_case segments_cases[] = {
	{
		.name = "no lists",
		.nr_segments = 1,
	}, {
		.name = "allowed by different rules",
		.nr_segments = 1,
		.in = { {
			LIST(KVM_REG_ALLOW, RULE(0x10, 0x1f, RW, KVM_REG_ALLOW),
			     RULE(0x18, 0x27, KVM_REG_READ, KVM_REG_ALLOW)),
			LIST(KVM_REG_ALLOW, RULE(0x30, 0x3f, RW, KVM_REG_ALLOW)),
		} },
	}, {
		.name = "the same registers over and over",
		.nr_segments = 3,
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x100, 0x1ff, RW, KVM_REG_DENY),
			    RULE(0x100, 0x1ff, RW, KVM_REG_DENY),
			    RULE(0x100, 0x1ff, RW, KVM_REG_GP),
			    RULE(0x180, 0x18f, RW, KVM_REG_ALLOW)),
	}, {
		.name = "a mask whose bits another has tested",
		.nr_segments = 3,
		.in = RULES(KVM_REG_ALLOW,
			    RULE(0x100, 0x1ff, KVM_REG_WRITE, KVM_REG_DENY, .mask = 0xff),
			    RULE(0x140, 0x17f, KVM_REG_WRITE, KVM_REG_GP, .mask = 0x3)),
	},
};

KUNIT_ARRAY_PARAM_DESC(segments, segments_cases, name);

static void segments_test(struct kunit *test)
{
	const struct segments_case *param = test->param_value;
	struct kvm_reg_policy *policy = compile(test, &param->in);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, policy);
	KUNIT_EXPECT_EQ(test, policy->nr_segments, param->nr_segments);
	kvm_reg_policy_free(policy);
}

static const struct layer_input deny_register_0 =
	LIST(KVM_REG_ALLOW, RULE(0, 0, RW, KVM_REG_DENY));

/* A policy keeps its lists alive, and shares them with others. */
static void lists_are_shared_test(struct kunit *test)
{
	struct kvm_rule_list *list = make_list(test, &deny_register_0);
	struct kvm_reg_policy *one = kvm_reg_policy_compile(list, NULL);
	struct kvm_reg_policy *both = kvm_reg_policy_compile(list, list);
	struct kvm_reg_kunit *ctx = test->priv;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, one);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, both);
	KUNIT_EXPECT_EQ(test, refcount_read(&list->users), 4);

	kvm_rule_list_put(list);
	kvm_reg_policy_free(one);
	KUNIT_EXPECT_EQ(test, ctx->nr_lists, 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&list->users), 2);
	KUNIT_EXPECT_EQ(test, kvm_reg_policy_lookup(both, 0, KVM_REG_READ, 0).action,
			KVM_REG_DENY);

	kvm_reg_policy_free(both);
	KUNIT_EXPECT_EQ(test, ctx->nr_lists, 0);
}

/* If there is no policy, it owns no lists. */
static void failure_releases_lists_test(struct kunit *test)
{
	static const struct long_case too_masked = { "", nested_masked_rule, 300 };
	struct layer_input in = {
		.present = true,
		.nr_rules = too_masked.nr_rules,
		.rules = make_rules(test, &too_masked),
	};
	struct kvm_rule_list *list = make_list(test, &in);
	struct kvm_rule_list *filter = make_list(test, &deny_register_0);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(kvm_reg_policy_compile(list, filter)), -E2BIG);
	KUNIT_EXPECT_EQ(test, refcount_read(&list->users), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&filter->users), 1);

	kvm_rule_list_put(list);
	kvm_rule_list_put(filter);
}

static void nothing_to_free_test(struct kunit *test)
{
	kvm_reg_policy_free(NULL);
	kvm_rule_list_put(NULL);
}

static struct kunit_case reg_policy_cases[] = {
	KUNIT_CASE_PARAM(policy_test, policy_gen_params),
	KUNIT_CASE(random_policies_test),
	KUNIT_CASE(whole_windows_test),
	KUNIT_CASE_PARAM(long_list_test, long_gen_params),
	KUNIT_CASE(longest_lists_test),
	KUNIT_CASE(too_many_rules_test),
	KUNIT_CASE_PARAM(segments_test, segments_gen_params),
	KUNIT_CASE(lists_are_shared_test),
	KUNIT_CASE(failure_releases_lists_test),
	KUNIT_CASE(nothing_to_free_test),
	{}
};

static struct kunit_suite reg_policy_suite = {
	.name = "kvm_reg_policy",
	.init = kvm_reg_kunit_init,
	.exit = kvm_reg_kunit_exit,
	.test_cases = reg_policy_cases,
};

kunit_test_suite(reg_policy_suite);
