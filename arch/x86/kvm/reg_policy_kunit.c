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

/* The limits that are documented for userspace. */
#define MAX_USER_RULES	4096
#define MAX_MASKED	64

/*
 * The input for a list.  @present: the VM has the list.  @exempt: a bitmap of the
 * registers that each rule allows, from its first register on, or NULL.
 */
struct list_input {
	bool present;
	u8 default_action;
	u32 nr_rules;
	const struct kvm_x86_reg_rule *rules;
	const unsigned long *exempt;
};

struct policy_input {
	struct list_input lists[KVM_REG_NR_LISTS];
};

/*
 * A policy to check, its input, which the model uses, and the random numbers for the
 * registers and values to check.
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

const struct kvm_reg_kunit_control kvm_reg_kunit_controls[KVM_REG_NR_CONTROLS] = {
	[KVM_REG_CR0] = { KVM_X86_REG_RULE_CR, 0, 0xe005002f },
	[KVM_REG_CR4] = { KVM_X86_REG_RULE_CR, 4, ~0ULL },
	[KVM_REG_XCR0] = { KVM_X86_REG_RULE_XCR, 0, ~0ULL },
};

static struct kvm_reg_table *counting_alloc(u32 nr_rules, size_t bitmap_longs)
{
	struct kunit *test = kunit_get_current_test();
	struct kvm_reg_kunit *ctx = test->priv;
	struct kvm_reg_table *table;

	if (ctx->no_memory)
		return NULL;

	kunit_deactivate_static_stub(test, kvm_reg_table_alloc);
	table = kvm_reg_table_alloc(nr_rules, bitmap_longs);
	kunit_activate_static_stub(test, kvm_reg_table_alloc, counting_alloc);

	ctx->nr_tables += !!table;
	return table;
}

static void counting_put(struct kvm_reg_table *table)
{
	struct kunit *test = kunit_get_current_test();
	struct kvm_reg_kunit *ctx = test->priv;

	ctx->nr_tables -= table && refcount_read(&table->users) == 1;

	kunit_deactivate_static_stub(test, kvm_reg_table_put);
	kvm_reg_table_put(table);
	kunit_activate_static_stub(test, kvm_reg_table_put, counting_put);
}

/* Count the tables that a test allocates, in its priv, a struct kvm_reg_kunit. */
int kvm_reg_kunit_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct kvm_reg_kunit), GFP_KERNEL);
	if (!test->priv)
		return -ENOMEM;

	kunit_activate_static_stub(test, kvm_reg_table_alloc, counting_alloc);
	kunit_activate_static_stub(test, kvm_reg_table_put, counting_put);
	return 0;
}

/* A test must have freed all its tables at its end. */
void kvm_reg_kunit_exit(struct kunit *test)
{
	struct kvm_reg_kunit *ctx = test->priv;

	if (ctx)
		KUNIT_EXPECT_EQ_MSG(test, ctx->nr_tables, 0, "tables leaked");
}

/* Map userspace memory until the end of the test. */
u8 __user *kvm_reg_kunit_mmap(struct kunit *test, size_t size)
{
	unsigned long mem = kunit_vm_mmap(test, NULL, 0, size, PROT_READ | PROT_WRITE,
					  MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_FALSE(test, !mem || IS_ERR_VALUE(mem));
	return (u8 __user *)mem;
}

/*
 * Like KVM, look up an access only if the bit test does not allow it, and ask for the rule
 * that ignores what KVM does not know only if the access is allowed.
 */
static const struct kvm_x86_reg_rule *find(const struct kvm_reg_policy *policy, u32 index,
					   u8 access, u64 changed,
					   const struct kvm_reg_table **table)
{
	const struct kvm_x86_reg_rule *rule = NULL;

	if (!kvm_reg_policy_allows_plainly(policy, index, access))
		rule = kvm_reg_policy_find(policy, index, access, changed, table);
	if (rule)
		return rule;

	*table = policy->tables[KVM_REG_RULES];
	if (!*table)
		return NULL;

	return kvm_reg_table_find_unknown(*table, index, access, changed);
}

struct kvm_reg_decision kvm_reg_kunit_decide(const struct kvm_reg_policy *policy, u32 index,
					     u8 access, u64 changed)
{
	struct kvm_reg_decision decision = { .action = ALLOW };
	const struct kvm_x86_reg_rule *rule;
	const struct kvm_reg_table *table;

	rule = find(policy, index, access, changed, &table);
	if (!rule)
		return decision;

	decision.action = rule->action;
	decision.list = table == policy->tables[KVM_REG_RULES] ? KVM_REG_RULES :
								 KVM_REG_FILTER;
	decision.rule = rule - table->rules;
	if (decision.rule == table->nr_rules)
		decision.rule = -1;
	decision.value = rule->value;
	return decision;
}

/*
 * The model uses neither segments, runs nor windows, nor helpers of the policy.  It
 * walks the lists, with 64-bit registers and bitmaps of bytes.
 */
static bool model_covers(const struct kvm_x86_reg_rule *rule, u32 index, u8 access)
{
	u64 first = rule->first, nr = (u64)rule->last + 1 - first;

	return rule->space == KVM_X86_REG_RULE_MSR && (rule->access & access) &&
	       index >= first && index - first < nr;
}

/* Return the index of the rule that applies, the number of rules for the default. */
static u32 model_rule(const struct list_input *in, u32 index, u8 access, u64 changed)
{
	u32 i;

	for (i = 0; i < in->nr_rules; i++) {
		const struct kvm_x86_reg_rule *rule = &in->rules[i];

		if (model_covers(rule, index, access) &&
		    (!rule->mask || (rule->mask & changed)))
			break;
	}

	return i;
}

static int model_action(const struct list_input *in, u32 i, u32 index)
{
	u64 offset;

	if (i == in->nr_rules)
		return in->default_action;

	offset = (u64)index - in->rules[i].first;
	if (in->exempt && (((const u8 *)in->exempt)[offset / 8] >> (offset % 8)) & 1)
		return ALLOW;

	return in->rules[i].action;
}

/* Does KVM try the access? */
static bool model_performs(int action)
{
	return action == ALLOW || action == AUDIT || action == IGNORE_UNKNOWN;
}

struct model_decision {
	int action;
	int list;
	u32 rule;
};

static struct model_decision model(const struct policy_input *in, u32 index, u8 access,
				   u64 changed)
{
	struct model_decision decision = { ALLOW }, next;

	/* x2APIC MSRs are always allowed. */
	if (index >> 8 == 8)
		return decision;

	for (next.list = 0; next.list < KVM_REG_NR_LISTS; next.list++) {
		const struct list_input *list = &in->lists[next.list];

		next.rule = model_rule(list, index, access, changed);
		next.action = model_action(list, next.rule, index);
		if (next.action != ALLOW)
			decision = next;
		if (!model_performs(next.action))
			break;
	}

	return decision;
}

static bool same_decision(struct model_decision a, struct model_decision b)
{
	return a.action == b.action && a.list == b.list && a.rule == b.rule;
}

/* Does a mask decide whether the first rule that covers the register applies? */
static bool model_is_masked(const struct policy_input *in, u32 index)
{
	const struct list_input *rules = &in->lists[KVM_REG_RULES];
	u32 rule = model_rule(rules, index, WR, ~0ULL);

	return rule < rules->nr_rules && rules->rules[rule].mask;
}

/* Return the rule that refuses or audits a write to a control register, or NULL. */
static const struct kvm_x86_reg_rule *
model_control(const struct list_input *in, enum kvm_reg_control reg, u64 changed)
{
	const struct kvm_reg_kunit_control *control = &kvm_reg_kunit_controls[reg];
	const struct kvm_x86_reg_rule *rule;

	changed &= control->bits;
	for (rule = in->rules; rule < in->rules + in->nr_rules; rule++) {
		if (rule->space != control->space || rule->first != control->index)
			continue;

		if (rule->mask ? rule->mask & changed : changed)
			return rule->action == ALLOW ? NULL : rule;
	}

	return NULL;
}

static bool in_window(u32 index)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		if (index >= windows[i].first && index - windows[i].first < windows[i].nr)
			return true;

	return false;
}

static u32 nr_registers(const struct kvm_x86_reg_rule *rule)
{
	return rule->last - rule->first + 1;
}

static void fill_exempt(struct kvm_reg_table *table, const unsigned long *exempt)
{
	unsigned long *bitmap = table->bitmaps;
	u32 i;

	for (i = 0; i < table->nr_rules; i++) {
		table->exempt[i] = bitmap;
		bitmap_copy(bitmap, exempt, nr_registers(&table->rules[i]));
		bitmap += BITS_TO_LONGS(nr_registers(&table->rules[i]));
	}
}

/* Return a list's table, not compiled, or NULL. */
static struct kvm_reg_table *make_table(struct kunit *test, const struct list_input *in)
{
	struct kvm_reg_table *table;
	size_t longs = 0;
	u32 i;

	if (!in->present)
		return NULL;

	for (i = 0; in->exempt && i < in->nr_rules; i++)
		longs += BITS_TO_LONGS(nr_registers(&in->rules[i]));

	table = kvm_reg_table_alloc(in->nr_rules, longs);
	KUNIT_ASSERT_NOT_NULL(test, table);

	for (i = 0; i < in->nr_rules; i++)
		table->rules[i] = in->rules[i];

	table->rules[i].action = in->default_action;
	if (longs)
		fill_exempt(table, in->exempt);

	return table;
}

static struct kvm_reg_table *compile_list(struct kunit *test, const struct list_input *in)
{
	struct kvm_reg_table *table = make_table(test, in);

	if (table)
		KUNIT_ASSERT_EQ(test, kvm_reg_table_compile(table), 0);

	return table;
}

/* Return a policy that is the only user of its tables. */
static struct kvm_reg_policy *compile(struct kunit *test, const struct policy_input *in)
{
	struct kvm_reg_table *tables[] = {
		[KVM_REG_RULES] = compile_list(test, &in->lists[KVM_REG_RULES]),
		[KVM_REG_FILTER] = compile_list(test, &in->lists[KVM_REG_FILTER]),
	};
	struct kvm_reg_policy *policy = kvm_reg_policy_alloc(tables);

	kvm_reg_table_put(tables[KVM_REG_RULES]);
	kvm_reg_table_put(tables[KVM_REG_FILTER]);
	KUNIT_ASSERT_NOT_NULL(test, policy);
	return policy;
}

static void check_decision(struct policy_check *c, u32 index, u8 access, u64 changed,
			   struct model_decision want)
{
	struct kvm_reg_decision got = kvm_reg_kunit_decide(c->policy, index, access, changed);
	const struct list_input *list = &c->in->lists[want.list];

	KUNIT_ASSERT_EQ_MSG(c->test, got.action, want.action,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	if (got.action == ALLOW)
		return;

	KUNIT_ASSERT_EQ_MSG(c->test, got.list, want.list,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	KUNIT_ASSERT_EQ_MSG(c->test, got.rule, want.rule < list->nr_rules ? want.rule : -1,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	KUNIT_ASSERT_EQ(c->test, got.value,
			want.rule < list->nr_rules ? list->rules[want.rule].value : 0);
}

/* A bit may be set only if the access is allowed, and must be unless there is a mask. */
static void check_plain(struct policy_check *c, u32 index, u8 access,
			struct model_decision want, bool masked)
{
	bool plain = kvm_reg_policy_allows_plainly(c->policy, index, access);

	if (plain || (in_window(index) && !masked))
		KUNIT_ASSERT_EQ_MSG(c->test, plain,
				    want.action == ALLOW || want.action == IGNORE_UNKNOWN,
				    "access %u to 0x%x", access, index);
}

/* Reads change nothing: the decision must not depend on @changed. */
static void check_read(struct policy_check *c, u32 index, u64 changed)
{
	struct model_decision want = model(c->in, index, RD, 0);

	check_decision(c, index, RD, 0, want);
	check_decision(c, index, RD, changed, want);
	check_plain(c, index, RD, want, false);
}

static void check_write(struct policy_check *c, u32 index, const u64 *changed, int nr)
{
	struct model_decision want, unchanged = model(c->in, index, WR, 0);
	bool compares = kvm_reg_policy_compares(c->policy, index);
	bool masked = model_is_masked(c->in, index);
	int i;

	for (i = 0; i < nr; i++) {
		want = model(c->in, index, WR, changed[i]);
		check_decision(c, index, WR, changed[i], want);
		check_plain(c, index, WR, want, masked);
		if (!same_decision(want, unchanged))
			KUNIT_ASSERT_TRUE_MSG(c->test, compares, "write of 0x%x", index);
	}

	/* Without a mask, KVM must not have to read the register. */
	if (!masked)
		KUNIT_ASSERT_FALSE_MSG(c->test, compares, "write of 0x%x", index);
}

static u64 random_u64(struct rnd_state *rnd)
{
	u64 high = prandom_u32_state(rnd);

	return high << 32 | prandom_u32_state(rnd);
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

static void check_control(struct policy_check *c, enum kvm_reg_control reg, u64 changed)
{
	const struct kvm_reg_table *table = c->policy->tables[KVM_REG_RULES];
	const struct list_input *in = &c->in->lists[KVM_REG_RULES];
	const struct kvm_x86_reg_rule *got, *want;

	want = model_control(in, reg, changed);
	got = kvm_reg_table_find_control(table, reg, changed);
	KUNIT_ASSERT_EQ_MSG(c->test, got ? got - table->rules : -1,
			    want ? want - in->rules : -1,
			    "control register %d, changed 0x%llx", reg, changed);
}

/* Each guarded bit alone is not allowed to change, those that are not guarded are. */
static void check_guarded(struct policy_check *c, enum kvm_reg_control reg)
{
	u64 guarded = c->policy->guarded[reg], want = 0;
	int bit;

	for (bit = 0; bit < 64; bit++)
		if (model_control(&c->in->lists[KVM_REG_RULES], reg, BIT_ULL(bit)))
			want |= BIT_ULL(bit);

	KUNIT_ASSERT_EQ_MSG(c->test, guarded, want, "control register %d", reg);
}

/* A change of bits that are not guarded is allowed, whatever bits these are. */
static void check_unguarded(struct policy_check *c, enum kvm_reg_control reg)
{
	const struct list_input *in = &c->in->lists[KVM_REG_RULES];
	u64 unguarded = ~c->policy->guarded[reg] & random_u64(&c->rnd);

	KUNIT_ASSERT_NULL(c->test, model_control(in, reg, unguarded));
	check_control(c, reg, unguarded);
}

/* Without rules, nothing is guarded, and there is nothing to look up. */
static void check_controls(struct policy_check *c)
{
	enum kvm_reg_control reg;
	u64 mask;
	int i;

	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		check_guarded(c, reg);
		if (!c->policy->tables[KVM_REG_RULES])
			continue;

		check_control(c, reg, 0);
		check_control(c, reg, ~0ULL);
		check_control(c, reg, ~kvm_reg_kunit_controls[reg].bits);
		for (i = 0; i < 64; i++) {
			mask = random_mask(&c->rnd);
			check_control(c, reg, BIT_ULL(i));
			check_control(c, reg, mask);
			check_control(c, reg, ~mask);
			check_control(c, reg, random_u64(&c->rnd));
			check_unguarded(c, reg);
		}
	}
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
	/* Wrap on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
	check(c, index - 1);
	check(c, index);
	check(c, index + 1);
}

static void check_rule(struct policy_check *c, const struct kvm_x86_reg_rule *rule)
{
	u32 nr = rule->last - rule->first;

	check_around(c, rule->first);
	check_around(c, rule->last);
	check(c, rule->first + prandom_u32_state(&c->rnd) % (nr ?: 1));
}

/* Check all rules of a short list, and about MAX_RULES of a long one with its last. */
static void check_list(struct policy_check *c, const struct list_input *in)
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

	prandom_seed_state(&c.rnd, seed);
	for (i = 0; i < ARRAY_SIZE(interesting); i++)
		check_around(&c, interesting[i]);

	for (i = 0; i < KVM_REG_NR_LISTS; i++)
		check_list(&c, &in->lists[i]);

	for (i = 0; i < 32; i++)
		check(&c, prandom_u32_state(&c.rnd));

	check_controls(&c);
	kvm_reg_policy_free(c.policy);
}

static u32 random_register(struct rnd_state *rnd)
{
	u32 near = interesting[prandom_u32_state(rnd) % ARRAY_SIZE(interesting)];

	/* Mostly near an edge, so that rules touch, overlap and cross windows. */
	if (prandom_u32_state(rnd) % 8)
		return near + prandom_u32_state(rnd) % 256 - 128;

	return prandom_u32_state(rnd);
}

/* More than half of the rules allow, so that the filter decides as well. */
static u8 random_action(struct rnd_state *rnd)
{
	u32 action = prandom_u32_state(rnd) % (2 * NR_ACTIONS);

	return action < NR_ACTIONS ? action : ALLOW;
}

static struct kvm_x86_reg_rule random_rule(struct rnd_state *rnd)
{
	u32 nr = 1 + prandom_u32_state(rnd) % MAX_REGISTERS;
	u32 first = random_register(rnd);

	return (struct kvm_x86_reg_rule) {
		.first = first,
		.last = first + min(nr - 1, U32_MAX - first),
		.access = 1 + prandom_u32_state(rnd) % RW,
		.action = random_action(rnd),
		.value = random_u64(rnd),
	};
}

static struct kvm_x86_reg_rule random_control_rule(struct rnd_state *rnd)
{
	static const u8 actions[] = { ALLOW, ALLOW, DENY, GP, EXIT, AUDIT };
	const struct kvm_reg_kunit_control *control;

	control = &kvm_reg_kunit_controls[prandom_u32_state(rnd) % KVM_REG_NR_CONTROLS];
	return (struct kvm_x86_reg_rule) {
		.space = control->space,
		.first = control->index,
		.last = control->index,
		.access = WR,
		.action = actions[prandom_u32_state(rnd) % ARRAY_SIZE(actions)],
		.mask = random_mask(rnd),
	};
}

/* Random lists of rules, the bitmap of the filter, and the state of the generator. */
struct random_input {
	struct rnd_state rnd;
	unsigned long *exempt;
	struct kvm_x86_reg_rule rules[KVM_REG_NR_LISTS][MAX_RULES];
	struct policy_input in;
};

static struct random_input *random_input_alloc(struct kunit *test, u32 seed)
{
	struct random_input *random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, random);
	prandom_seed_state(&random->rnd, seed);
	random->exempt = kunit_kzalloc(test, MAX_REGISTERS / 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, random->exempt);
	prandom_bytes_state(&random->rnd, random->exempt, MAX_REGISTERS / 8);
	return random;
}

/*
 * All actions, a few rules that cover all MSRs, masks in most lists, and rules for control
 * registers in between.
 */
static void random_rules(struct random_input *random, u32 nr)
{
	struct kvm_x86_reg_rule *rules = random->rules[KVM_REG_RULES];
	struct rnd_state *rnd = &random->rnd;
	bool masked = prandom_u32_state(rnd) % 3;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (prandom_u32_state(rnd) % 4 == 0) {
			rules[i] = random_control_rule(rnd);
			continue;
		}

		rules[i] = random_rule(rnd);
		if (masked && rules[i].access == WR)
			rules[i].mask = random_mask(rnd);

		if (prandom_u32_state(rnd) % 16)
			continue;

		rules[i].first = 0;
		rules[i].last = U32_MAX;
	}

	random->in.lists[KVM_REG_RULES] = (struct list_input) {
		.present = true,
		.default_action = random_action(rnd),
		.nr_rules = nr,
		.rules = rules,
	};
}

/* Bitmaps instead of masks.  Some rules have no access. */
static void random_filter(struct random_input *random, u32 nr)
{
	struct kvm_x86_reg_rule *rules = random->rules[KVM_REG_FILTER];
	struct rnd_state *rnd = &random->rnd;
	u32 i;

	for (i = 0; i < nr; i++) {
		rules[i] = random_rule(rnd);
		rules[i].action = DENY;
		rules[i].access = prandom_u32_state(rnd) % (RW + 1);
	}

	random->in.lists[KVM_REG_FILTER] = (struct list_input) {
		.present = true,
		.default_action = prandom_u32_state(rnd) % 2 ? DENY : ALLOW,
		.nr_rules = nr,
		.rules = rules,
		.exempt = prandom_u32_state(rnd) % 4 ? random->exempt : NULL,
	};
}

/* Each fourth policy has only one list, in turn. */
static void random_policies_test(struct kunit *test)
{
	struct random_input *random = random_input_alloc(test, SEED);
	u32 round;

	for (round = 0; round < ROUNDS; round++) {
		random_rules(random, prandom_u32_state(&random->rnd) % (MAX_RULES + 1));
		random_filter(random, prandom_u32_state(&random->rnd) % (MAX_RULES + 1));
		if (round % 4 == 0)
			random->in.lists[round / 4 % 2] = (struct list_input) {};

		check_policy(test, &random->in, SEED + round);
	}
}

/* Check each register of each window, and the first after it. */
static void check_windows(struct kunit *test, const struct policy_input *in, u32 seed)
{
	struct policy_check c = { .test = test, .in = in, .policy = compile(test, in) };
	u32 i, offset;

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
	int list;

	random_rules(random, MAX_RULES / 2);
	random_filter(random, MAX_RULES / 2);
	check_windows(test, &random->in, SEED);

	for (list = 0; list < KVM_REG_NR_LISTS; list++) {
		one.lists[list] = random->in.lists[list];
		check_windows(test, &one, SEED + 1);
		one.lists[list] = (struct list_input) {};
	}
}

struct policy_case {
	const char *name;
	struct policy_input in;
};

#define LIST_FIELDS(_default, ...)						\
	.present = true,							\
	.default_action = _default,						\
	.nr_rules = ARRAY_SIZE(((const struct kvm_x86_reg_rule []) { __VA_ARGS__ })), \
	.rules = (const struct kvm_x86_reg_rule []) { __VA_ARGS__ }

#define LIST(...)	{ LIST_FIELDS(__VA_ARGS__) }

#define EMPTY_LIST(_default)	{ .present = true, .default_action = _default }

#define RULES(...)		{ .lists[KVM_REG_RULES] = LIST(__VA_ARGS__) }
#define FILTER(...)		{ .lists[KVM_REG_FILTER] = LIST(__VA_ARGS__) }

static const unsigned long every_other_register[BITS_TO_LONGS(128)] = {
	[0 ... BITS_TO_LONGS(128) - 1] = ~0UL / 3,
};

static const struct policy_case policy_cases[] = {
	{
		.name = "no lists",
	}, {
		.name = "empty lists, default allow",
		.in = { { EMPTY_LIST(ALLOW), EMPTY_LIST(ALLOW) } },
	}, {
		.name = "no rules, default deny",
		.in = { { EMPTY_LIST(DENY) } },
	}, {
		.name = "no rules, default audit",
		.in = { { EMPTY_LIST(AUDIT) } },
	}, {
		.name = "everything in one rule",
		.in = RULES(ALLOW, RULE(0, U32_MAX, RW, DENY)),
	}, {
		.name = "register 0",
		.in = RULES(ALLOW, RULE(0, 0, RW, DENY)),
	}, {
		.name = "register 2^32 - 1",
		.in = RULES(ALLOW, RULE(U32_MAX, U32_MAX, RW, DENY)),
	}, {
		.name = "up to 2^32 - 1",
		.in = RULES(ALLOW, RULE(0xffffd000, U32_MAX, RW, DENY)),
	}, {
		.name = "read and write apart",
		.in = RULES(ALLOW,
			    RULE(0x10, 0x1f, RD, DENY),
			    RULE(0x18, 0x27, WR, DENY)),
	}, {
		.name = "first of two that overlap wins",
		.in = RULES(DENY,
			    RULE(0x100, 0x1ff, RW, ALLOW),
			    RULE(0x180, 0x27f, RW, DENY)),
	}, {
		.name = "a hole inside a rule",
		.in = RULES(ALLOW,
			    RULE(0x150, 0x150, RW, ALLOW),
			    RULE(0x100, 0x1ff, RW, DENY)),
	}, {
		.name = "neighbours",
		.in = RULES(ALLOW,
			    RULE(0x1000, 0x1fff, RW, DENY),
			    RULE(0x2000, 0x2fff, RW, DENY)),
	}, {
		.name = "the same registers twice",
		.in = RULES(ALLOW,
			    RULE(0x1000, 0x1fff, RW, DENY),
			    RULE(0x1000, 0x1fff, RW, ALLOW)),
	}, {
		.name = "each action",
		.in = RULES(GP,
			    RULE(0x10, 0x1f, RW, ALLOW),
			    RULE(0x20, 0x2f, RD, DENY),
			    RULE(0x30, 0x3f, RW, EXIT),
			    RULE(0x40, 0x4f, RW, IGNORE, .value = 0x123456789abcdef0),
			    RULE(0xd0000000, 0xd0000000, RW, AUDIT)),
	}, {
		.name = "no rules, default ignore what is unknown",
		.in = { { EMPTY_LIST(IGNORE_UNKNOWN) } },
	}, {
		.name = "a filter under rules that ignore what is unknown",
		.in = { {
			LIST(IGNORE_UNKNOWN,
			     RULE(0x10, 0x1f, RW, IGNORE_UNKNOWN, .value = 0x10),
			     RULE(0x10, 0x2f, WR, IGNORE_UNKNOWN, .mask = 0xf),
			     RULE(0x20, 0x2f, RW, ALLOW)),
			LIST(ALLOW, RULE(0x18, 0x27, RW, DENY)),
		} },
	}, {
		.name = "writes that change the top bit",
		.in = RULES(ALLOW,
			    RULE(0x10, 0x1f, WR, GP, .mask = BIT_ULL(63))),
	}, {
		.name = "a bit that is allowed to change, the others not",
		.in = RULES(ALLOW,
			    RULE(0xc0000080, 0xc0000080, WR, GP,
				 .mask = ~BIT_ULL(0))),
	}, {
		.name = "masks that overlap",
		.in = RULES(DENY,
			    RULE(0x10, 0x1f, WR, GP, .mask = 0xf),
			    RULE(0x18, 0x27, WR, EXIT, .mask = 0x3c),
			    RULE(0, 0xffff, WR, IGNORE, .mask = 0xff),
			    RULE(0x18, 0x1f, RW, ALLOW)),
	}, {
		.name = "a mask after a rule without one",
		.in = RULES(ALLOW,
			    RULE(0x10, 0x1f, RW, ALLOW),
			    RULE(0x10, 0x1f, WR, GP, .mask = ~0ULL)),
	}, {
		.name = "masks that leave nothing, and one after them",
		.in = RULES(EXIT,
			    RULE(0x10, 0x1f, WR, GP, .mask = 0xffffffff),
			    RULE(0x10, 0x1f, WR, DENY, .mask = 0xffffffff00000000),
			    RULE(0x10, 0x1f, WR, IGNORE, .mask = ~0ULL)),
	}, {
		.name = "a filter that denies what no bitmap exempts",
		.in.lists[KVM_REG_FILTER] = {
			LIST_FIELDS(ALLOW,
				    RULE(0x1fc0, 0x203f, RW, DENY),
				    RULE(U32_MAX - 127, U32_MAX, WR, DENY)),
			.exempt = every_other_register,
		},
	}, {
		.name = "a filter under rules that allow and audit",
		.in = { {
			LIST(AUDIT, RULE(0x10, 0x2f, RW, ALLOW)),
			LIST(ALLOW, RULE(0x20, 0x3f, RW, DENY)),
		} },
	}, {
		.name = "a filter does not soften rules",
		.in = { {
			LIST(ALLOW, RULE(0x10, 0x1f, RW, GP),
			     RULE(0x20, 0x2f, RW, IGNORE)),
			LIST(DENY, RULE(0x10, 0x2f, RW, ALLOW)),
		} },
	}, {
		.name = "each control register, and no MSR of their numbers",
		.in = RULES(ALLOW,
			    CONTROL(CR, 0, 0, GP),
			    CONTROL(CR, 4, 4, EXIT),
			    CONTROL(XCR, 0, 0, AUDIT)),
	}, {
		.name = "MSRs of the control registers' numbers, but none of these",
		.in = RULES(ALLOW,
			    RULE(0, 0, WR, GP),
			    RULE(4, 4, WR, EXIT, .mask = 1)),
	}, {
		.name = "a control register among MSRs with the same action",
		.in = RULES(DENY,
			    RULE(0, 3, RW, ALLOW),
			    CONTROL(CR, 0, 0, DENY, .mask = 0x10000),
			    RULE(0, 0xffff, WR, GP, .mask = 0x10000),
			    CONTROL(CR, 4, 4, ALLOW)),
	}, {
		.name = "the default is for MSRs alone",
		.in = RULES(GP, CONTROL(CR, 4, 4, ALLOW, .mask = 1)),
	}, {
		.name = "bits of CR0 that no guest can change",
		.in = RULES(ALLOW, CONTROL(CR, 0, 0, GP, .mask = 0xffffffff1ffaffd0)),
	}, {
		.name = "CR0.ET before a rule for all bits",
		.in = RULES(ALLOW,
			    CONTROL(CR, 0, 0, ALLOW, .mask = 0x10),
			    CONTROL(CR, 0, 0, GP)),
	}, {
		.name = "a pinned bit",
		.in = RULES(ALLOW, CONTROL(CR, 4, 4, GP, .mask = BIT_ULL(20))),
	}, {
		.name = "bits that are allowed to change, all others not",
		.in = RULES(ALLOW,
			    CONTROL(CR, 4, 4, ALLOW, .mask = 0x680),
			    CONTROL(CR, 4, 4, GP)),
	}, {
		.name = "bits that are allowed to change after all are denied",
		.in = RULES(ALLOW,
			    CONTROL(CR, 4, 4, DENY),
			    CONTROL(CR, 4, 4, ALLOW, .mask = 0x680)),
	}, {
		.name = "masks of a control register that overlap",
		.in = RULES(ALLOW,
			    CONTROL(XCR, 0, 0, EXIT, .mask = 0x0f),
			    CONTROL(XCR, 0, 0, ALLOW, .mask = 0x3c),
			    CONTROL(XCR, 0, 0, AUDIT, .mask = 0xf0),
			    CONTROL(XCR, 0, 0, ALLOW, .mask = BIT_ULL(63)),
			    CONTROL(XCR, 0, 0, GP, .mask = ~0ULL)),
	}, {
		.name = "a filter beside rules for control registers",
		.in = { {
			LIST(ALLOW,
			     CONTROL(CR, 0, 0, GP),
			     CONTROL(CR, 4, 4, EXIT, .mask = 0x100000)),
			LIST(DENY, RULE(0, 0, WR, DENY)),
		} },
	}, {
		.name = "a filter alone guards no control register",
		.in = FILTER(DENY, RULE(0, 4, RW, DENY)),
	}, {
		.name = "a filter after a mask",
		.in = { {
			LIST(ALLOW, RULE(0x10, 0x1f, WR, GP, .mask = 1)),
			LIST(ALLOW, RULE(0x18, 0x27, WR, DENY)),
		} },
	},
};

KUNIT_ARRAY_PARAM_DESC(policy, policy_cases, name);

static void policy_test(struct kunit *test)
{
	const struct policy_case *param = test->param_value;

	check_policy(test, &param->in, SEED);
}

static u8 any_but_allow(u32 i)
{
	return ALLOW + 1 + i % (NR_ACTIONS - 1);
}

/* Rules for long lists, by their index. */
static struct kvm_x86_reg_rule disjoint_rule(u32 i)
{
	return (struct kvm_x86_reg_rule)RULE(i << 20, (i << 20) + 0xfff, RW, i % NR_ACTIONS,
					     .value = i);
}

static struct kvm_x86_reg_rule every_other_rule(u32 i)
{
	return (struct kvm_x86_reg_rule)RULE(2 * i, 2 * i, 1 + i % 3,
					     any_but_allow(i / 3), .value = i);
}

static struct kvm_x86_reg_rule identical_rule(u32 i)
{
	return (struct kvm_x86_reg_rule)RULE(0x100, 0x1ff, RW, any_but_allow(i), .value = i);
}

/* From the innermost to the outermost, around a register in a window. */
static struct kvm_x86_reg_rule nested_rule(u32 i)
{
	return (struct kvm_x86_reg_rule)RULE(0xc0001000 - i, 0xc0001000 + i, 1 + i % 3,
					     i % NR_ACTIONS, .value = i);
}

static struct kvm_x86_reg_rule masked(struct kvm_x86_reg_rule rule, u32 i)
{
	rule.access = WR;
	rule.mask = BIT_ULL(i % 64);
	return rule;
}

static struct kvm_x86_reg_rule masked_rule(u32 i)
{
	return masked(disjoint_rule(i), i);
}

static struct kvm_x86_reg_rule identical_masked_rule(u32 i)
{
	return masked(identical_rule(i), i);
}

static struct kvm_x86_reg_rule nested_masked_rule(u32 i)
{
	return masked(nested_rule(i), i);
}

/* From the outermost to the innermost, far from the windows. */
static struct kvm_x86_reg_rule narrowing_masked_rule(u32 i)
{
	return masked((struct kvm_x86_reg_rule)RULE(0x10000 + 4 * i, 0x90000 - 4 * i, WR,
						    GP), i);
}

/* The most rules that may cover a register, for each register in another combination. */
static struct kvm_x86_reg_rule staggered_masked_rule(u32 i)
{
	return masked((struct kvm_x86_reg_rule)RULE(8 * i, 8 * (i + MAX_MASKED) - 1, WR,
						    any_but_allow(i), .value = i), i);
}

/* The most rules that may cover a register start where as many others end. */
static struct kvm_x86_reg_rule stacked_masked_rule(u32 i)
{
	u32 first = i / MAX_MASKED * 0x100;

	return masked((struct kvm_x86_reg_rule)RULE(first, first + 0xff, WR, any_but_allow(i),
						    .value = i), i);
}

/* The most rules that may cover a register, less one, cover all; disjoint ones follow. */
static struct kvm_x86_reg_rule wide_masked_rule(u32 i)
{
	struct kvm_x86_reg_rule rule = RULE(0x1000 + 4 * i, 0x1002 + 4 * i, WR, any_but_allow(i),
					    .value = i);

	if (i < MAX_MASKED - 1) {
		rule.first = 0;
		rule.last = U32_MAX;
	}

	return masked(rule, i);
}

/* Masked rules, followed by rules without masks that cut them into pieces. */
static struct kvm_x86_reg_rule masked_then_plain_rule(u32 i)
{
	if (i >= MAX_MASKED)
		return (struct kvm_x86_reg_rule)RULE(0x1000 + 2 * i, 0x1000 + 2 * i, RW, GP,
						     .value = i);

	return masked((struct kvm_x86_reg_rule)RULE(0, 0x4000, WR, DENY, .value = i), i);
}

/* One masked rule more than may cover a register. */
static struct kvm_x86_reg_rule one_too_many_rule(u32 i)
{
	struct kvm_x86_reg_rule rule = identical_masked_rule(i);

	/* A rule without a mask before them makes no difference. */
	return i ? rule : (struct kvm_x86_reg_rule)RULE(0, U32_MAX, RW, GP);
}

static struct kvm_x86_reg_rule control_rule(enum kvm_reg_control reg, u32 i)
{
	static const u8 actions[] = { GP, ALLOW, EXIT, DENY, AUDIT };
	const struct kvm_reg_kunit_control *control = &kvm_reg_kunit_controls[reg];

	return (struct kvm_x86_reg_rule)RULE(control->index, control->index, WR,
					     actions[i % ARRAY_SIZE(actions)],
					     .space = control->space,
					     .mask = BIT_ULL(i % 64));
}

static struct kvm_x86_reg_rule cr0_rule(u32 i)
{
	return control_rule(KVM_REG_CR0, i);
}

static struct kvm_x86_reg_rule cr4_rule(u32 i)
{
	return control_rule(KVM_REG_CR4, i);
}

static struct kvm_x86_reg_rule xcr0_rule(u32 i)
{
	return control_rule(KVM_REG_XCR0, i);
}

/* The same without a mask: these count as well. */
static struct kvm_x86_reg_rule unmasked_cr4_rule(u32 i)
{
	struct kvm_x86_reg_rule rule = cr4_rule(i);

	rule.mask = 0;
	return rule;
}

/* All registers in turn, a masked MSR with the numbers of the others among them */
static struct kvm_x86_reg_rule mixed_rule(u32 i)
{
	if (i % 4 < KVM_REG_NR_CONTROLS)
		return control_rule(i % 4, i / 4);

	return masked((struct kvm_x86_reg_rule)RULE(0, 4, WR, any_but_allow(i), .value = i),
		      i / 4);
}

/* As many for each register as there may be, and one more for CR4 */
static struct kvm_x86_reg_rule one_control_too_many_rule(u32 i)
{
	return i ? mixed_rule(i - 1) : unmasked_cr4_rule(i);
}

struct long_case {
	const char *name;
	struct kvm_x86_reg_rule (*rule)(u32 i);
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
	{ "4096 masked, staggered", staggered_masked_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 masked, stacked", stacked_masked_rule, MAX_USER_RULES, SZ_512K },
	{ "4096 masked, wide before narrow", wide_masked_rule, MAX_USER_RULES, SZ_512K },
	{ "64 masked before 252 plain", masked_then_plain_rule, 316, SZ_512K },
	{ "64 masked before 4032 plain", masked_then_plain_rule, MAX_USER_RULES, SZ_512K },
	{ "64 identical and masked", identical_masked_rule, MAX_MASKED, SZ_512K },
	{ "64 nested and masked", nested_masked_rule, MAX_MASKED, SZ_512K },
	{ "64 narrowing and masked", narrowing_masked_rule, MAX_MASKED, SZ_512K },
	{ "65 identical and masked", identical_masked_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 nested and masked", nested_masked_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 narrowing and masked", narrowing_masked_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 masked after a plain one", one_too_many_rule, MAX_MASKED + 2, 0, -E2BIG },
	{ "64 for CR0", cr0_rule, MAX_MASKED, SZ_32K },
	{ "64 for CR4", cr4_rule, MAX_MASKED, SZ_32K },
	{ "64 for XCR0", xcr0_rule, MAX_MASKED, SZ_32K },
	{ "64 for CR4 without masks", unmasked_cr4_rule, MAX_MASKED, SZ_32K },
	{ "64 for each register", mixed_rule, 4 * MAX_MASKED, SZ_512K },
	{ "65 for CR0", cr0_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 for CR4", cr4_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 for XCR0", xcr0_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 for CR4 without masks", unmasked_cr4_rule, MAX_MASKED + 1, 0, -E2BIG },
	{ "65 for CR4, 64 for the others", one_control_too_many_rule, 4 * MAX_MASKED + 1, 0,
	  -E2BIG },
	{ "4096 for XCR0", xcr0_rule, MAX_USER_RULES, 0, -E2BIG },
	{ "4096 identical and masked", identical_masked_rule, MAX_USER_RULES, 0, -E2BIG },
	{ "4096 nested and masked", nested_masked_rule, MAX_USER_RULES, 0, -E2BIG },
	{ "4096 narrowing and masked", narrowing_masked_rule, MAX_USER_RULES, 0, -E2BIG },
};

KUNIT_ARRAY_PARAM_DESC(long, long_cases, name);

static const struct list_input deny_register_0 = LIST(ALLOW, RULE(0, 0, RW, DENY));

/* A long list has to match the model as well, and its memory is bounded. */
static void long_list_test(struct kunit *test)
{
	const struct long_case *param = test->param_value;
	struct kvm_x86_reg_rule *rules;
	struct policy_input in = {};
	struct kvm_reg_table *table;
	u32 i;

	rules = kunit_kcalloc(test, param->nr_rules, sizeof(*rules), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rules);
	for (i = 0; i < param->nr_rules; i++)
		rules[i] = param->rule(i);

	in.lists[KVM_REG_RULES] = (struct list_input) {
		.present = true,
		.nr_rules = param->nr_rules,
		.rules = rules,
	};
	table = make_table(test, &in.lists[KVM_REG_RULES]);
	KUNIT_EXPECT_EQ(test, kvm_reg_table_compile(table), param->err);
	if (!param->err)
		KUNIT_EXPECT_LE(test, table->size + sizeof(struct kvm_reg_policy),
				param->max_size);
	kvm_reg_table_put(table);
	if (param->err)
		return;

	/* Check with a filter as well, which does not count against the limits. */
	check_policy(test, &in, SEED);
	in.lists[KVM_REG_FILTER] = deny_register_0;
	check_policy(test, &in, SEED + 1);
}

/* A table lives as long as a policy uses it, and several policies may share it. */
static void tables_are_shared_test(struct kunit *test)
{
	struct kvm_reg_table *table = compile_list(test, &deny_register_0);
	struct kvm_reg_table *tables[KVM_REG_NR_LISTS] = { table };
	struct kvm_reg_policy *one = kvm_reg_policy_alloc(tables), *both;
	struct kvm_reg_kunit *ctx = test->priv;

	tables[1] = table;
	both = kvm_reg_policy_alloc(tables);
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, both);
	KUNIT_EXPECT_EQ(test, refcount_read(&table->users), 4);

	kvm_reg_table_put(table);
	kvm_reg_policy_free(one);
	KUNIT_EXPECT_EQ(test, ctx->nr_tables, 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&table->users), 2);
	KUNIT_EXPECT_EQ(test, kvm_reg_kunit_decide(both, 0, RD, 0).action, DENY);

	kvm_reg_policy_free(both);
	KUNIT_EXPECT_EQ(test, ctx->nr_tables, 0);
}

static int model_control_of(u32 space, u32 index)
{
	const struct kvm_reg_kunit_control *control;
	int reg;

	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		control = &kvm_reg_kunit_controls[reg];
		if (control->space == space && control->index == index)
			return reg;
	}

	return -1;
}

/* No other register is one that a rule can be for. */
static void control_test(struct kunit *test)
{
	static const u32 spaces[] = { 0, 1, 2, 3, 0x100, 0x101, U16_MAX };
	static const u32 numbers[] = { 0, 1, 2, 3, 4, 5, 8, 15, 0x104, U32_MAX };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(spaces); i++)
		for (j = 0; j < ARRAY_SIZE(numbers); j++)
			KUNIT_EXPECT_EQ_MSG(test, kvm_reg_control(spaces[i], numbers[j]),
					    model_control_of(spaces[i], numbers[j]),
					    "space %u, register %u", spaces[i], numbers[j]);
}

/* Rules for control registers add no segments to the search for MSRs. */
static void controls_cost_msrs_nothing_test(struct kunit *test)
{
	struct random_input *random = random_input_alloc(test, SEED + 2);
	struct kvm_x86_reg_rule *rules = random->rules[KVM_REG_RULES];
	struct list_input *in = &random->in.lists[KVM_REG_RULES];
	struct kvm_reg_table *table;
	u32 i;

	random_rules(random, 0);
	for (i = 0; i < MAX_RULES; i++)
		rules[i] = random_control_rule(&random->rnd);

	in->nr_rules = MAX_RULES;
	table = compile_list(test, in);
	KUNIT_EXPECT_EQ(test, table->nr_segments, 1);
	KUNIT_EXPECT_EQ(test, table->masked[0], KVM_REG_NONE);
	kvm_reg_table_put(table);
}

static void nothing_to_free_test(struct kunit *test)
{
	kvm_reg_policy_free(NULL);
	kvm_reg_table_put(NULL);
}

static struct kunit_case reg_policy_cases[] = {
	KUNIT_CASE_PARAM(policy_test, policy_gen_params),
	KUNIT_CASE(random_policies_test),
	KUNIT_CASE(whole_windows_test),
	KUNIT_CASE_PARAM(long_list_test, long_gen_params),
	KUNIT_CASE(control_test),
	KUNIT_CASE(controls_cost_msrs_nothing_test),
	KUNIT_CASE(tables_are_shared_test),
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
