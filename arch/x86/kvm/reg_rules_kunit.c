// SPDX-License-Identifier: GPL-2.0
/*
 * Register rules: which lists are rejected and why, and what their tables decide.
 */
#include <kunit/test.h>

#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include "reg_access.h"
#include "reg_policy_kunit.h"
#include "reg_rules_model.h"

#define SEED		0x72756c
#define ROUNDS		100
#define MAX_RULES	4096	/* the ABI's limits */
#define MAX_CONTROLS	64
#define NR_GOOD		9
#define NR_RANDOM	24

/* Room for more rules than are allowed.  The page after it is unmapped. */
#define USER_SIZE	(PAGE_ALIGN((MAX_RULES + 1) * sizeof(struct kvm_x86_reg_rule)))

static int rules_test_init(struct kunit *test)
{
	int r = kvm_reg_kunit_init(test);
	struct kvm_reg_kunit *ctx;

	if (r)
		return r;

	ctx = test->priv;
	ctx->user = kvm_reg_kunit_mmap(test, USER_SIZE + PAGE_SIZE);
	return vm_munmap((unsigned long)ctx->user + USER_SIZE, PAGE_SIZE);
}

static struct kvm_x86_reg_rule __user *user_rules(struct kunit *test)
{
	struct kvm_reg_kunit *ctx = test->priv;

	return (struct kvm_x86_reg_rule __user *)ctx->user;
}

static void put_rule(struct kunit *test, u32 i, struct kvm_x86_reg_rule rule)
{
	KUNIT_ASSERT_EQ(test, copy_to_user(&user_rules(test)[i], &rule, sizeof(rule)), 0);
}

static struct kvm_x86_reg_rule good_rule(u32 i)
{
	return (struct kvm_x86_reg_rule) {
		.access = RW,
		.action = GP,
		.first = 0x1000 + 0x10 * i,
		.last = 0x1000 + 0x10 * i,
	};
}

/* Return a list of @nr good rules. */
static struct kvm_x86_reg_rules good_rules(struct kunit *test, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		put_rule(test, i, good_rule(i));

	return (struct kvm_x86_reg_rules) {
		.nr_rules = nr,
		.rules = (unsigned long)user_rules(test),
	};
}

static int err_of(struct kvm_x86_reg_rules head)
{
	struct kvm_reg_table *table = kvm_reg_rules_table(&head);

	if (!IS_ERR(table))
		kvm_reg_table_put(table);

	return PTR_ERR_OR_ZERO(table);
}

/* Return a policy that is the only user of the table. */
static struct kvm_reg_policy *compile(struct kunit *test, struct kvm_x86_reg_rules head)
{
	struct kvm_reg_table *table = kvm_reg_rules_table(&head);
	struct kvm_reg_table *tables[KVM_REG_NR_LISTS] = {};
	struct kvm_reg_policy *policy;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
	tables[KVM_REG_RULES] = table;
	policy = kvm_reg_policy_alloc(tables);
	kvm_reg_table_put(table);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, policy);
	return policy;
}

struct head_case {
	const char *name;
	struct kvm_x86_reg_rules head;	/* without its rules */
	int err;
};

static const struct head_case head_cases[] = {
	{ "unknown flag", { .flags = BIT(1) }, -EINVAL },
	{ "last flag", { .flags = BIT(31) }, -EINVAL },
	{ "unknown default", { .msr_default = IGNORE_UNKNOWN + 1 }, -EINVAL },
	{ "default beyond a byte", { .msr_default = 0x100 }, -EINVAL },
	{ "last default", { .msr_default = U32_MAX }, -EINVAL },
	{ "pad", { .pad = 1 }, -EINVAL },
	{ "pad's last bit", { .pad = BIT(31) }, -EINVAL },
	{ "reserved[0]", { .reserved = { [0] = 1 } }, -EINVAL },
	{ "reserved[1]", { .reserved = { [1] = BIT_ULL(8) } }, -EINVAL },
	{ "reserved[2]", { .reserved = { [2] = BIT_ULL(32) } }, -EINVAL },
	{ "reserved[3]", { .reserved = { [3] = BIT_ULL(55) } }, -EINVAL },
	{ "reserved[4]", { .reserved = { [4] = BIT_ULL(63) } }, -EINVAL },
	{ "a rule too many", { .nr_rules = MAX_RULES + 1 }, -E2BIG },
	{ "2^32 - 1 rules", { .nr_rules = U32_MAX }, -E2BIG },
};

KUNIT_ARRAY_PARAM_DESC(head, head_cases, name);

/* Test once without rules, and once with good ones. */
static void bad_head_test(struct kunit *test)
{
	const struct head_case *param = test->param_value;
	struct kvm_x86_reg_rules good = good_rules(test, NR_GOOD);
	struct kvm_x86_reg_rules head = param->head;

	KUNIT_EXPECT_EQ(test, err_of(good), 0);
	KUNIT_EXPECT_EQ(test, err_of(head), param->err);

	head.rules = good.rules;
	if (!head.nr_rules)
		head.nr_rules = NR_GOOD;
	KUNIT_EXPECT_EQ(test, err_of(head), param->err);
}

struct rule_case {
	const char *name;
	struct kvm_x86_reg_rule rule;
};

static const struct rule_case bad_rules[] = {
	{ "unknown space", RULE(0, 0, WR, GP, .space = 3) },
	{ "space beyond a byte", RULE(0, 0, RW, GP, .space = 0x100) },
	{ "control register's space beyond a byte", RULE(0, 0, WR, GP, .space = 0x101) },
	{ "last space", RULE(0, 0, WR, GP, .space = U16_MAX) },
	{ "no access", RULE(0, 0, 0, GP) },
	{ "unknown access", RULE(0, 0, RW | BIT(2), GP) },
	{ "last access", RULE(0, 0, RW | BIT(7), GP) },
	{ "unknown action", RULE(0, 0, RW, IGNORE_UNKNOWN + 1) },
	{ "last action", RULE(0, 0, RW, U8_MAX) },
	{ "pad", RULE(0, 0, RW, GP, .pad = 1) },
	{ "pad's last bit", RULE(0, 0, RW, GP, .pad = BIT(31)) },
	{ "first beyond last", RULE(1, 0, RW, GP) },
	{ "first beyond last at the end", RULE(U32_MAX, U32_MAX - 1, RW, GP) },
	{ "wraps", RULE(U32_MAX, 0, RW, GP) },
	{ "mask for reads and writes", RULE(0, 0, RW, GP, .mask = 1) },
	{ "mask for reads", RULE(0, 0, RD, GP, .mask = 1) },
	{ "mask's last bit for reads", RULE(0, 0, RD, GP, .mask = BIT_ULL(63)) },
	{ "value to allow", RULE(0, 0, RW, ALLOW, .value = 1) },
	{ "value to deny", RULE(0, 0, RW, DENY, .value = 1) },
	{ "value with GP", RULE(0, 0, RW, GP, .value = BIT_ULL(63)) },
	{ "value with an exit", RULE(0, 0, RW, EXIT, .value = 1) },
	{ "value to audit", RULE(0, 0, RW, AUDIT, .value = 1) },
	{ "x2APIC deny", RULE(0x830, 0x830, RW, DENY) },
	{ "x2APIC GP", RULE(0x830, 0x830, RW, GP) },
	{ "x2APIC exit", RULE(0x830, 0x830, RW, EXIT) },
	{ "x2APIC ignore", RULE(0x830, 0x830, RW, IGNORE) },
	{ "x2APIC audit", RULE(0x830, 0x830, RW, AUDIT) },
	{ "x2APIC ignore what is unknown", RULE(0x830, 0x830, RW, IGNORE_UNKNOWN) },
	{ "x2APIC reads", RULE(0x830, 0x830, RD, GP) },
	{ "x2APIC writes", RULE(0x830, 0x830, WR, GP) },
	{ "x2APIC first", RULE(0x800, 0x800, RW, GP) },
	{ "x2APIC last", RULE(0x8ff, 0x8ff, RW, GP) },
	{ "up to the x2APIC", RULE(0, 0x800, RW, GP) },
	{ "from the x2APIC on", RULE(0x8ff, 0x1fff, RW, GP) },
	{ "everything", RULE(0, U32_MAX, RW, GP) },
	{ "CR1", CONTROL(CR, 1, 1, GP) },
	{ "CR2", CONTROL(CR, 2, 2, GP) },
	{ "CR3", CONTROL(CR, 3, 3, GP) },
	{ "CR5", CONTROL(CR, 5, 5, GP) },
	{ "CR8", CONTROL(CR, 8, 8, GP) },
	{ "CR4 beyond a byte", CONTROL(CR, 0x104, 0x104, GP) },
	{ "last CR", CONTROL(CR, U32_MAX, U32_MAX, GP) },
	{ "XCR1", CONTROL(XCR, 1, 1, GP) },
	{ "XCR4", CONTROL(XCR, 4, 4, GP) },
	{ "last XCR", CONTROL(XCR, U32_MAX, U32_MAX, GP) },
	{ "CR1 to allow", CONTROL(CR, 1, 1, ALLOW) },
	{ "CR0 and CR1", CONTROL(CR, 0, 1, GP) },
	{ "CR0 to CR4", CONTROL(CR, 0, 4, GP) },
	{ "CR4 and CR5", CONTROL(CR, 4, 5, GP) },
	{ "CR4 before CR0", CONTROL(CR, 4, 0, GP) },
	{ "all CRs", CONTROL(CR, 0, U32_MAX, GP) },
	{ "XCR0 and XCR1", CONTROL(XCR, 0, 1, GP) },
	{ "all XCRs", CONTROL(XCR, 0, U32_MAX, GP) },
	{ "reads of CR0", RULE(0, 0, RD, GP, .space = KVM_X86_REG_RULE_CR) },
	{ "reads and writes of CR0", RULE(0, 0, RW, GP, .space = KVM_X86_REG_RULE_CR) },
	{ "reads of CR4", RULE(4, 4, RD, ALLOW, .space = KVM_X86_REG_RULE_CR) },
	{ "reads and writes of CR4", RULE(4, 4, RW, GP, .space = KVM_X86_REG_RULE_CR) },
	{ "reads of XCR0", RULE(0, 0, RD, GP, .space = KVM_X86_REG_RULE_XCR) },
	{ "reads and writes of XCR0", RULE(0, 0, RW, GP, .space = KVM_X86_REG_RULE_XCR) },
	{ "no access to CR0", RULE(0, 0, 0, GP, .space = KVM_X86_REG_RULE_CR) },
	{ "unknown access to CR0",
	  RULE(0, 0, WR | BIT(2), GP, .space = KVM_X86_REG_RULE_CR) },
	{ "CR0 ignore", CONTROL(CR, 0, 0, IGNORE) },
	{ "CR4 ignore", CONTROL(CR, 4, 4, IGNORE, .mask = 1) },
	{ "XCR0 ignore", CONTROL(XCR, 0, 0, IGNORE) },
	{ "CR0 ignore what is unknown", CONTROL(CR, 0, 0, IGNORE_UNKNOWN) },
	{ "CR4 ignore what is unknown", CONTROL(CR, 4, 4, IGNORE_UNKNOWN) },
	{ "XCR0 ignore what is unknown", CONTROL(XCR, 0, 0, IGNORE_UNKNOWN) },
	{ "CR0 ignore with a value", CONTROL(CR, 0, 0, IGNORE, .value = 1) },
	{ "unknown action for CR0", CONTROL(CR, 0, 0, IGNORE_UNKNOWN + 1) },
	{ "value for CR0", CONTROL(CR, 0, 0, ALLOW, .value = 1) },
	{ "value for CR4", CONTROL(CR, 4, 4, EXIT, .value = BIT_ULL(63)) },
	{ "value for XCR0", CONTROL(XCR, 0, 0, AUDIT, .value = 1) },
	{ "pad for CR4", CONTROL(CR, 4, 4, GP, .pad = 1) },
	{ "pad's last bit for XCR0", CONTROL(XCR, 0, 0, GP, .pad = BIT(31)) },
};

KUNIT_ARRAY_PARAM_DESC(bad_rule, bad_rules, name);

/* A bad rule is rejected as the first rule, in the middle and as the last. */
static void bad_rule_test(struct kunit *test)
{
	static const u32 places[] = { 0, NR_GOOD / 2, NR_GOOD - 1 };
	const struct rule_case *param = test->param_value;
	struct kvm_x86_reg_rules head = good_rules(test, NR_GOOD);
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		put_rule(test, places[i], param->rule);
		KUNIT_EXPECT_EQ_MSG(test, err_of(head), -EINVAL, "rule %u", places[i]);

		put_rule(test, places[i], good_rule(places[i]));
		KUNIT_EXPECT_EQ(test, err_of(head), 0);
	}
}

static const struct rule_case limit_rules[] = {
	{ "register 0", RULE(0, 0, RW, GP) },
	{ "register 2^32 - 1", RULE(U32_MAX, U32_MAX, RW, GP) },
	{ "all registers", RULE(0, U32_MAX, RW, ALLOW) },
	{ "all bits", RULE(0, 0, WR, GP, .mask = ~0ULL) },
	{ "value of all bits", RULE(0, 0, RW, IGNORE, .value = ~0ULL) },
	{ "value of what is unknown", RULE(0, 0, RW, IGNORE_UNKNOWN, .value = ~0ULL) },
	{ "last action", RULE(0, 0, RW, IGNORE_UNKNOWN) },
	{ "below the x2APIC", RULE(0, 0x7ff, RW, GP) },
	{ "above the x2APIC", RULE(0x900, U32_MAX, RW, GP) },
	{ "x2APIC allow", RULE(0x800, 0x8ff, RW, ALLOW) },
	{ "CR0 allow", CONTROL(CR, 0, 0, ALLOW) },
	{ "CR0 deny", CONTROL(CR, 0, 0, DENY) },
	{ "CR0 GP", CONTROL(CR, 0, 0, GP) },
	{ "CR0 exit", CONTROL(CR, 0, 0, EXIT) },
	{ "CR0 audit", CONTROL(CR, 0, 0, AUDIT) },
	{ "CR4 allow", CONTROL(CR, 4, 4, ALLOW) },
	{ "CR4 deny", CONTROL(CR, 4, 4, DENY) },
	{ "CR4 GP", CONTROL(CR, 4, 4, GP) },
	{ "CR4 exit", CONTROL(CR, 4, 4, EXIT) },
	{ "CR4 audit", CONTROL(CR, 4, 4, AUDIT) },
	{ "XCR0 allow", CONTROL(XCR, 0, 0, ALLOW) },
	{ "XCR0 deny", CONTROL(XCR, 0, 0, DENY) },
	{ "XCR0 GP", CONTROL(XCR, 0, 0, GP) },
	{ "XCR0 exit", CONTROL(XCR, 0, 0, EXIT) },
	{ "XCR0 audit", CONTROL(XCR, 0, 0, AUDIT) },
	{ "CR0's reserved bits", CONTROL(CR, 0, 0, GP, .mask = BIT_ULL(63)) },
	{ "CR4's last bit", CONTROL(CR, 4, 4, GP, .mask = BIT_ULL(63)) },
	{ "all bits of XCR0", CONTROL(XCR, 0, 0, GP, .mask = ~0ULL) },
};

KUNIT_ARRAY_PARAM_DESC(limit_rule, limit_rules, name);

static void limit_rule_test(struct kunit *test)
{
	const struct rule_case *param = test->param_value;
	struct kvm_x86_reg_rules head = good_rules(test, 1);

	put_rule(test, 0, param->rule);
	KUNIT_EXPECT_EQ(test, err_of(head), 0);
}

/* The address of the rules must be readable, unless there are none. */
static void bad_address_test(struct kunit *test)
{
	unsigned long end = (unsigned long)user_rules(test) + USER_SIZE;
	struct kvm_x86_reg_rules head = good_rules(test, 1);

	head.rules = 0;
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);
	head.rules = end;
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);
	head.rules = (unsigned long)&head;
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);
	head.rules = U64_MAX;
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);

	/* Without rules, the address is not read. */
	head.nr_rules = 0;
	KUNIT_EXPECT_EQ(test, err_of(head), 0);
	head.msr_default = DENY;
	KUNIT_EXPECT_EQ(test, err_of(head), 0);
}

/* The end of memory cuts the last rule off, at each of its bytes in turn. */
static void half_a_rule_test(struct kunit *test)
{
	u8 __user *end = (u8 __user *)user_rules(test) + USER_SIZE;
	size_t size = NR_GOOD * sizeof(struct kvm_x86_reg_rule), cut;
	struct kvm_x86_reg_rules head = { .nr_rules = NR_GOOD };
	struct kvm_x86_reg_rule rules[NR_GOOD];
	u32 i;

	for (i = 0; i < NR_GOOD; i++)
		rules[i] = good_rule(i);

	for (cut = 0; cut <= sizeof(rules[0]); cut++) {
		u8 __user *from = end - size + cut;

		KUNIT_ASSERT_EQ(test, copy_to_user(from, rules, size - cut), 0);
		head.rules = (unsigned long)from;
		KUNIT_EXPECT_EQ_MSG(test, err_of(head), cut ? -EFAULT : 0,
				    "%zu bytes missing", cut);
	}
}

static void no_memory_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, NR_GOOD);
	struct kvm_reg_kunit *ctx = test->priv;

	ctx->no_memory = true;
	KUNIT_EXPECT_EQ(test, err_of(head), -ENOMEM);

	/* A list that does nothing takes no memory. */
	head.nr_rules = 0;
	KUNIT_EXPECT_EQ(test, err_of(head), 0);
}

/* The list is checked first, then the count, then memory is allocated. */
static void errors_of_head_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, NR_GOOD);
	struct kvm_reg_kunit *ctx = test->priv;

	ctx->no_memory = true;
	head.rules = 0;
	head.nr_rules = MAX_RULES + 1;
	head.pad = 1;
	KUNIT_EXPECT_EQ(test, err_of(head), -EINVAL);

	head.pad = 0;
	KUNIT_EXPECT_EQ(test, err_of(head), -E2BIG);

	head.nr_rules = NR_GOOD;
	KUNIT_EXPECT_EQ(test, err_of(head), -ENOMEM);

	ctx->no_memory = false;
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);
}

/* Rules are checked after all have been copied. */
static void errors_of_rules_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, MAX_RULES);
	struct kvm_x86_reg_rule __user *last = user_rules(test) +
					       USER_SIZE / sizeof(*last) - 1;
	struct kvm_x86_reg_rule rule = good_rule(0);

	head.rules = (unsigned long)last;
	head.nr_rules = 2;
	KUNIT_ASSERT_EQ(test, copy_to_user(last, &rule, sizeof(rule)), 0);
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);

	rule.space = KVM_X86_REG_RULE_CR;
	KUNIT_ASSERT_EQ(test, copy_to_user(last, &rule, sizeof(rule)), 0);
	KUNIT_EXPECT_EQ(test, err_of(head), -EFAULT);

	head.nr_rules = 1;
	KUNIT_EXPECT_EQ(test, err_of(head), -EINVAL);
}

static void empty_list_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = {};
	struct kvm_reg_policy *policy;

	KUNIT_EXPECT_NULL(test, kvm_reg_rules_table(&head));

	/* An empty list that allows can cause no exit: the flag changes nothing. */
	head.flags = KVM_X86_REG_RULES_FAIL_CLOSED;
	KUNIT_EXPECT_NULL(test, kvm_reg_rules_table(&head));

	for (head.msr_default = 1; head.msr_default < NR_ACTIONS; head.msr_default++) {
		policy = compile(test, head);
		KUNIT_EXPECT_EQ(test, kvm_reg_kunit_decide(policy, 0, RD, 0).action,
				head.msr_default);
		kvm_reg_policy_free(policy);
	}
}

static void fail_closed_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, 1);
	struct kvm_reg_table *table;
	int closed;

	for (closed = 0; closed <= 1; closed++) {
		head.flags = closed ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
		table = kvm_reg_rules_table(&head);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
		KUNIT_EXPECT_EQ(test, table->flags, head.flags);
		kvm_reg_table_put(table);
	}
}

/* KVM has to access the registers for a mask, and for AUDIT. */
static void needs_state_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, NR_GOOD);
	struct kvm_x86_reg_rule rule = good_rule(0);
	struct kvm_reg_table *table;
	int i;

	for (i = 0; i < 4; i++) {
		rule.action = i == 1 ? AUDIT : GP;
		rule.access = WR;
		rule.mask = i == 2;
		put_rule(test, NR_GOOD - 1, rule);
		head.msr_default = i == 3 ? AUDIT : IGNORE_UNKNOWN;

		table = kvm_reg_rules_table(&head);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
		KUNIT_EXPECT_EQ(test, table->needs_state, i != 0);
		KUNIT_EXPECT_EQ(test, table->ignores_unknown, i != 3);
		kvm_reg_table_put(table);
	}
}

static struct kvm_x86_reg_rule control_rule(enum kvm_reg_control reg, u8 action)
{
	const struct kvm_reg_kunit_control *control = &kvm_reg_kunit_controls[reg];

	return (struct kvm_x86_reg_rule)
		RULE(control->index, control->index, WR, action, .space = control->space);
}

/* KVM has to see each write to a control register, even to allow it. */
static void controls_need_state_test(struct kunit *test)
{
	static const u8 actions[] = { ALLOW, DENY, GP, EXIT, AUDIT };
	struct kvm_x86_reg_rules head;
	struct kvm_reg_table *table;
	int reg, i;

	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		for (i = 0; i < ARRAY_SIZE(actions); i++) {
			head = good_rules(test, NR_GOOD);
			put_rule(test, i, control_rule(reg, actions[i]));

			table = kvm_reg_rules_table(&head);
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, table);
			KUNIT_EXPECT_TRUE(test, table->needs_state);
			KUNIT_EXPECT_FALSE(test, table->ignores_unknown);
			kvm_reg_table_put(table);
		}
	}
}

/* The limit is for each control register.  Malformed rules are found before. */
static void controls_limit_test(struct kunit *test)
{
	u32 i, nr = KVM_REG_NR_CONTROLS * MAX_CONTROLS;
	struct kvm_x86_reg_rules head = good_rules(test, nr + 2);
	int reg;

	for (i = 0; i < nr; i++)
		put_rule(test, i, control_rule(i % KVM_REG_NR_CONTROLS, GP));

	KUNIT_EXPECT_EQ(test, err_of(head), 0);
	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		put_rule(test, nr, control_rule(reg, ALLOW));
		KUNIT_EXPECT_EQ_MSG(test, err_of(head), -E2BIG, "control register %d", reg);
	}

	put_rule(test, nr + 1, control_rule(KVM_REG_CR0, IGNORE));
	KUNIT_EXPECT_EQ(test, err_of(head), -EINVAL);
}

/* All rules apply, including the last, and have their number. */
static void as_many_as_there_may_be_test(struct kunit *test)
{
	struct kvm_x86_reg_rules head = good_rules(test, MAX_RULES);
	struct kvm_reg_policy *policy;
	struct kvm_reg_decision decision;
	u32 i;

	KUNIT_EXPECT_EQ(test, KVM_REG_MAX_RULES, MAX_RULES);
	policy = compile(test, head);

	for (i = 0; i < MAX_RULES; i++) {
		decision = kvm_reg_kunit_decide(policy, good_rule(i).first, WR, 0);
		KUNIT_ASSERT_EQ(test, decision.action, GP);
		KUNIT_ASSERT_EQ(test, decision.rule, i);
	}

	decision = kvm_reg_kunit_decide(policy, good_rule(i).first, WR, 0);
	KUNIT_EXPECT_EQ(test, decision.action, ALLOW);
	kvm_reg_policy_free(policy);
}

struct random_rules {
	struct rnd_state rnd;
	struct kvm_x86_reg_rules head;
	struct kvm_x86_reg_rule rules[NR_RANDOM];
};

static u32 random_register(struct rnd_state *rnd)
{
	static const u32 near[] = { 0, 0x7f0, 0x8f0, 0x40000000, 0xc0000080, U32_MAX - 64 };

	if (prandom_u32_state(rnd) % 8 == 0)
		return prandom_u32_state(rnd);

	return near[prandom_u32_state(rnd) % ARRAY_SIZE(near)] + prandom_u32_state(rnd) % 64;
}

static u64 random_mask(struct rnd_state *rnd)
{
	u64 mask = prandom_u32_state(rnd);

	switch (prandom_u32_state(rnd) % 4) {
	case 0:
		return 0;
	case 1:
		return BIT_ULL(mask % 64);
	default:
		return mask << 32 | prandom_u32_state(rnd);
	}
}

static bool touches_x2apic(const struct kvm_x86_reg_rule *rule)
{
	return rule->first < 0x900 && rule->last >= 0x800;
}

static struct kvm_x86_reg_rule random_rule(struct rnd_state *rnd)
{
	struct kvm_x86_reg_rule rule = {
		.access = 1 + prandom_u32_state(rnd) % RW,
		.action = prandom_u32_state(rnd) % NR_ACTIONS,
		.first = random_register(rnd),
		.last = random_register(rnd),
		.value = prandom_u32_state(rnd) * 0x100000001ULL,
	};

	if (rule.first > rule.last)
		swap(rule.first, rule.last);
	if (rule.access == WR)
		rule.mask = random_mask(rnd);
	if (touches_x2apic(&rule))
		rule.action = ALLOW;
	if (rule.action != IGNORE && rule.action != IGNORE_UNKNOWN)
		rule.value = 0;

	return rule;
}

static struct kvm_x86_reg_rule random_control_rule(struct rnd_state *rnd)
{
	static const u8 actions[] = { ALLOW, ALLOW, DENY, GP, EXIT, AUDIT };
	u32 reg = prandom_u32_state(rnd) % KVM_REG_NR_CONTROLS;

	return (struct kvm_x86_reg_rule) {
		.space = kvm_reg_kunit_controls[reg].space,
		.first = kvm_reg_kunit_controls[reg].index,
		.last = kvm_reg_kunit_controls[reg].index,
		.access = WR,
		.action = actions[prandom_u32_state(rnd) % ARRAY_SIZE(actions)],
		.mask = random_mask(rnd),
	};
}

static void make_random_rules(struct kunit *test, struct random_rules *random)
{
	u32 i, nr = prandom_u32_state(&random->rnd) % (NR_RANDOM + 1);

	for (i = 0; i < nr; i++) {
		random->rules[i] = prandom_u32_state(&random->rnd) % 4 ?
				   random_rule(&random->rnd) :
				   random_control_rule(&random->rnd);
		put_rule(test, i, random->rules[i]);
	}

	random->head = (struct kvm_x86_reg_rules) {
		.nr_rules = nr,
		.msr_default = 1 + prandom_u32_state(&random->rnd) % (NR_ACTIONS - 1),
		.rules = (unsigned long)user_rules(test),
	};
}

static void check_access(struct kunit *test, const struct random_rules *random,
			 const struct kvm_reg_policy *policy, u32 index, u32 access,
			 u64 changed)
{
	struct kvm_reg_decision got = kvm_reg_kunit_decide(policy, index, access, changed);
	int number = reg_rules_model_msr(random->rules, random->head.nr_rules, index, access,
					 changed);
	u32 action = ALLOW;

	if (number == REG_RULES_MODEL_DEFAULT)
		action = random->head.msr_default;
	else if (number != REG_RULES_MODEL_X2APIC)
		action = random->rules[number].action;

	KUNIT_ASSERT_EQ_MSG(test, got.action, action, "access %u to 0x%x, changed 0x%llx",
			    access, index, changed);
	if (kvm_reg_policy_allows_plainly(policy, index, access))
		KUNIT_ASSERT_TRUE_MSG(test, action == ALLOW || action == IGNORE_UNKNOWN,
				      "access %u to 0x%x", access, index);
	if (action == ALLOW)
		return;

	KUNIT_ASSERT_EQ(test, got.list, KVM_REG_RULES);
	KUNIT_ASSERT_EQ_MSG(test, got.rule, number < 0 ? -1 : number,
			    "access %u to 0x%x, changed 0x%llx", access, index, changed);
	if (number >= 0)
		KUNIT_ASSERT_EQ(test, got.value, random->rules[number].value);
}

static void check(struct kunit *test, struct random_rules *random,
		  const struct kvm_reg_policy *policy, u32 index)
{
	check_access(test, random, policy, index, RD, 0);
	check_access(test, random, policy, index, WR, 0);
	check_access(test, random, policy, index, WR, ~0ULL);
	check_access(test, random, policy, index, WR,
		     random_mask(&random->rnd));
}

static void check_around(struct kunit *test, struct random_rules *random,
			 const struct kvm_reg_policy *policy, u32 index)
{
	check(test, random, policy, index - 1);
	check(test, random, policy, index);
	check(test, random, policy, index + 1);
}

static void check_control(struct kunit *test, const struct random_rules *random,
			  const struct kvm_reg_policy *policy, enum kvm_reg_control reg,
			  u64 changed)
{
	const struct kvm_reg_kunit_control *control = &kvm_reg_kunit_controls[reg];
	const struct kvm_reg_table *table = policy->tables[KVM_REG_RULES];
	const struct kvm_x86_reg_rule *got;
	int want;

	want = reg_rules_model_control(random->rules, random->head.nr_rules, control->space,
				       control->index, control->bits, changed);
	if (want >= 0 && random->rules[want].action == ALLOW)
		want = -1;
	if (want >= 0)
		KUNIT_ASSERT_TRUE(test, policy->guarded[reg] & changed);

	got = kvm_reg_table_find_control(table, reg, changed);
	KUNIT_ASSERT_EQ_MSG(test, got ? got - table->rules : -1, want,
			    "control register %d, changed 0x%llx", reg, changed);
}

static void check_controls(struct kunit *test, struct random_rules *random,
			   const struct kvm_reg_policy *policy)
{
	enum kvm_reg_control reg;
	int i;

	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		for (i = 0; i < 64; i++) {
			check_control(test, random, policy, reg, BIT_ULL(i));
			check_control(test, random, policy, reg, random_mask(&random->rnd));
		}
	}
}

static void random_rules_test(struct kunit *test)
{
	struct random_rules *random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);
	struct kvm_reg_policy *policy;
	u32 round, i;

	KUNIT_ASSERT_NOT_NULL(test, random);
	prandom_seed_state(&random->rnd, SEED);

	for (round = 0; round < ROUNDS; round++) {
		make_random_rules(test, random);
		policy = compile(test, random->head);

		for (i = 0; i < random->head.nr_rules; i++) {
			check_around(test, random, policy, random->rules[i].first);
			check_around(test, random, policy, random->rules[i].last);
		}

		for (i = 0; i < 100; i++)
			check(test, random, policy, random_register(&random->rnd));
		check_controls(test, random, policy);
		kvm_reg_policy_free(policy);
	}
}

/* The default does not apply to the x2APIC, but to the registers around it. */
static void x2apic_is_exempt_test(struct kunit *test)
{
	struct random_rules *random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);
	struct kvm_reg_policy *policy;
	u32 action, index;

	KUNIT_ASSERT_NOT_NULL(test, random);
	for (action = DENY; action < NR_ACTIONS; action++) {
		random->head.msr_default = action;
		policy = compile(test, random->head);

		for (index = 0x7f0; index < 0x910; index++)
			check(test, random, policy, index);

		KUNIT_EXPECT_TRUE(test, kvm_reg_policy_allows_plainly(policy, 0x800,
								      RD));
		KUNIT_EXPECT_TRUE(test, kvm_reg_policy_allows_plainly(policy, 0x8ff,
								      WR));
		kvm_reg_policy_free(policy);
	}
}

static struct kunit_case reg_rules_cases[] = {
	KUNIT_CASE_PARAM(bad_head_test, head_gen_params),
	KUNIT_CASE_PARAM(bad_rule_test, bad_rule_gen_params),
	KUNIT_CASE_PARAM(limit_rule_test, limit_rule_gen_params),
	KUNIT_CASE(bad_address_test),
	KUNIT_CASE(half_a_rule_test),
	KUNIT_CASE(no_memory_test),
	KUNIT_CASE(errors_of_head_test),
	KUNIT_CASE(errors_of_rules_test),
	KUNIT_CASE(empty_list_test),
	KUNIT_CASE(fail_closed_test),
	KUNIT_CASE(needs_state_test),
	KUNIT_CASE(controls_need_state_test),
	KUNIT_CASE(controls_limit_test),
	KUNIT_CASE(as_many_as_there_may_be_test),
	KUNIT_CASE(random_rules_test),
	KUNIT_CASE(x2apic_is_exempt_test),
	{}
};

static struct kunit_suite reg_rules_suite = {
	.name = "kvm_reg_rules",
	.init = rules_test_init,
	.exit = kvm_reg_kunit_exit,
	.test_cases = reg_rules_cases,
};

kunit_test_suite(reg_rules_suite);
