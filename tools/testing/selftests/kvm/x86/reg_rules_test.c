// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_test - KVM_X86_{SET,GET}_REG_RULES: what is refused, and what holds
 *
 * - Each malformed list gets its errno, and the list before it stays, to the byte.
 * - Lists mean what they say: the first rule that matches, else the default.
 * - What GET returns, SET takes, in another VM and from 32-bit callers, too.
 * - A policy's memory is charged to the caller, and bounded.
 *
 * For the actions, see reg_rules_action_test; for vCPUs that run while rules are
 * set, reg_rules_race_test; for when memory runs out, reg_rules_fault_test.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "apic.h"
#include "kvm_test_harness.h"
#include "reg_rules.h"

#define X2APIC_FIRST	APIC_BASE_MSR
#define X2APIC_LAST	(APIC_BASE_MSR + 0xff)

/* The most rules with a mask for one register. */
#define MAX_MASKED	64

/* A list that uses every field: what a list that is refused must leave in force. */
static const struct kvm_x86_reg_rule good_rules[] = {
	{ .access = READ, .action = KVM_X86_REG_RULE_EXIT, .first = MSR_INTERCEPTED,
	  .last = MSR_INTERCEPTED },
	{ .access = READ | WRITE, .action = KVM_X86_REG_RULE_IGNORE, .first = MSR_UNKNOWN,
	  .last = UINT32_MAX, .value = OLD_VALUE },
	{ .access = WRITE, .action = KVM_X86_REG_RULE_ALLOW, .first = 0, .last = UINT32_MAX,
	  .mask = ~0ull },
};

static struct kvm_x86_reg_rules good_head(void)
{
	struct kvm_x86_reg_rules head = rules_head(good_rules, ARRAY_SIZE(good_rules),
						   KVM_X86_REG_RULE_AUDIT);

	head.flags = KVM_X86_REG_RULES_FAIL_CLOSED;
	return head;
}

/* GET must return the list that @head was to SET, byte for byte. */
static void expect_list(struct kvm_vm *vm, struct kvm_x86_reg_rules head)
{
	const void *want = (void *)(uintptr_t)head.rules;
	size_t size = head.nr_rules * sizeof(struct kvm_x86_reg_rule);
	struct kvm_x86_reg_rule *got = calloc(MAX_RULES, sizeof(*got));
	struct kvm_x86_reg_rules got_head = rules_head(got, MAX_RULES, 0);

	TEST_ASSERT(got, "calloc() failed");
	vm_ioctl(vm, KVM_X86_GET_REG_RULES, &got_head);
	head.rules = (uintptr_t)got;
	TEST_ASSERT(!memcmp(&got_head, &head, sizeof(head)),
		    "GET: %u rules, flags 0x%x, default %u; SET: %u, 0x%x, %u",
		    got_head.nr_rules, got_head.flags, got_head.msr_default,
		    head.nr_rules, head.flags, head.msr_default);
	TEST_ASSERT(!size || !memcmp(got, want, size), "GET returns other rules than SET");
	free(got);
}

static void expect_good_list(struct kvm_vcpu *vcpu)
{
	expect_exit(vcpu, MSR_INTERCEPTED);
	expect_read(vcpu, MSR_UNKNOWN, OLD_VALUE);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
	expect_list(vcpu->vm, good_head());
}

static void set_good_list(struct kvm_vcpu *vcpu)
{
	set_head(vcpu->vm, good_head());
}

static void expect_errno(struct kvm_vm *vm, unsigned long cmd, void *arg, int err)
{
	int r = ioctl(vm->fd, cmd, arg);

	TEST_ASSERT(r == -1 && errno == err, "returned %d, errno %d, not errno %d",
		    r, errno, err);
}

/* A bad list must be refused with @err, and leave the good one in force. */
static void expect_refused(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rules bad, int err)
{
	set_good_list(vcpu);
	expect_errno(vcpu->vm, KVM_X86_SET_REG_RULES, &bad, err);
	expect_good_list(vcpu);
}

/* The bad rule comes last, so that much has been done by then. */
static void expect_rule_refused(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rule bad)
{
	struct kvm_x86_reg_rule rules[] = { ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1), bad };

	expect_refused(vcpu, rules_head(rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_GP), EINVAL);
}

/* A list of as many rules as there may be, or one more, of MSRs that do not exist. */
static struct kvm_x86_reg_rule *max_rules(void)
{
	struct kvm_x86_reg_rule *rules = calloc(MAX_RULES + 1, sizeof(*rules));
	int i;

	TEST_ASSERT(rules, "calloc() failed");
	for (i = 0; i <= MAX_RULES; i++)
		rules[i] = rule(NOWHERE + i, READ, KVM_X86_REG_RULE_GP);
	return rules;
}

KVM_ONE_VCPU_TEST_SUITE(reg_rules);

KVM_ONE_VCPU_TEST(reg_rules, einval_flags, msr_guest_main)
{
	struct kvm_x86_reg_rules bad = good_head();
	int bit;

	for (bit = 1; bit < 32; bit++) {
		bad.flags = 1u << bit;
		expect_refused(vcpu, bad, EINVAL);
	}
}

KVM_ONE_VCPU_TEST(reg_rules, einval_default, msr_guest_main)
{
	struct kvm_x86_reg_rules bad = good_head();

	bad.msr_default = KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1;
	expect_refused(vcpu, bad, EINVAL);
	bad.msr_default = 1u << 31;
	expect_refused(vcpu, bad, EINVAL);

	/* Nor does a list without rules do. */
	bad = rules_head(NULL, 0, KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1);
	expect_refused(vcpu, bad, EINVAL);
}

KVM_ONE_VCPU_TEST(reg_rules, einval_reserved, msr_guest_main)
{
	struct kvm_x86_reg_rules bad = good_head();
	int i;

	bad.pad = 1;
	expect_refused(vcpu, bad, EINVAL);
	bad.pad = 1u << 31;
	expect_refused(vcpu, bad, EINVAL);

	bad = rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW);
	for (i = 0; i < ARRAY_SIZE(bad.reserved); i++) {
		bad.reserved[i] = 1ull << (63 * (i % 2));
		expect_refused(vcpu, bad, EINVAL);
		bad.reserved[i] = 0;
	}
}

KVM_ONE_VCPU_TEST(reg_rules, einval_space, msr_guest_main)
{
	const uint16_t spaces[] = { KVM_X86_REG_RULE_XCR + 1, 1u << 15 };
	struct kvm_x86_reg_rule bad = rule(0, WRITE, KVM_X86_REG_RULE_GP);
	int i;

	for (i = 0; i < ARRAY_SIZE(spaces); i++) {
		bad.space = spaces[i];
		expect_rule_refused(vcpu, bad);
	}
}

static struct kvm_x86_reg_rule control_rule(uint16_t space, uint32_t index)
{
	struct kvm_x86_reg_rule r = rule(index, WRITE, KVM_X86_REG_RULE_GP);

	r.space = space;
	return r;
}

/* Registers that rules are for. */
#define NR_CONTROLS	3

static const struct {
	uint16_t space;
	uint32_t index;
} controls[NR_CONTROLS] = {
	{ KVM_X86_REG_RULE_CR, 0 },
	{ KVM_X86_REG_RULE_CR, 4 },
	{ KVM_X86_REG_RULE_XCR, 0 },
};

KVM_ONE_VCPU_TEST(reg_rules, einval_control_index, msr_guest_main)
{
	const uint32_t indices[] = { 1, 2, 3, 5, 8, 1u << 31, UINT32_MAX };
	struct kvm_x86_reg_rule bad;
	int i;

	for (i = 0; i < ARRAY_SIZE(indices); i++) {
		expect_rule_refused(vcpu, control_rule(KVM_X86_REG_RULE_CR, indices[i]));
		expect_rule_refused(vcpu, control_rule(KVM_X86_REG_RULE_XCR, indices[i]));
	}
	expect_rule_refused(vcpu, control_rule(KVM_X86_REG_RULE_XCR, 4));

	/* A rule is for one register. */
	for (i = 0; i < NR_CONTROLS; i++) {
		bad = control_rule(controls[i].space, controls[i].index);
		bad.last++;
		expect_rule_refused(vcpu, bad);
		bad.last = UINT32_MAX;
		expect_rule_refused(vcpu, bad);
	}
	bad = control_rule(KVM_X86_REG_RULE_CR, 0);
	bad.last = 4;
	expect_rule_refused(vcpu, bad);
}

KVM_ONE_VCPU_TEST(reg_rules, einval_control_access, msr_guest_main)
{
	struct kvm_x86_reg_rule bad;
	int i;

	for (i = 0; i < NR_CONTROLS; i++) {
		bad = control_rule(controls[i].space, controls[i].index);
		bad.access = READ;
		expect_rule_refused(vcpu, bad);
		bad.access = READ | WRITE;
		expect_rule_refused(vcpu, bad);
	}
}

KVM_ONE_VCPU_TEST(reg_rules, einval_control_action, msr_guest_main)
{
	struct kvm_x86_reg_rule bad;
	int i;

	for (i = 0; i < NR_CONTROLS; i++) {
		bad = control_rule(controls[i].space, controls[i].index);
		bad.action = KVM_X86_REG_RULE_IGNORE;
		expect_rule_refused(vcpu, bad);
		bad.action = KVM_X86_REG_RULE_IGNORE_UNKNOWN;
		expect_rule_refused(vcpu, bad);
		bad = control_rule(controls[i].space, controls[i].index);
		bad.value = 1;
		expect_rule_refused(vcpu, bad);
	}
}

KVM_ONE_VCPU_TEST(reg_rules, einval_access, msr_guest_main)
{
	expect_rule_refused(vcpu, rule(NOWHERE, 0, KVM_X86_REG_RULE_GP));
	expect_rule_refused(vcpu, rule(NOWHERE, 4, KVM_X86_REG_RULE_GP));
	expect_rule_refused(vcpu, rule(NOWHERE, READ | 0x80, KVM_X86_REG_RULE_GP));
}

KVM_ONE_VCPU_TEST(reg_rules, einval_action, msr_guest_main)
{
	expect_rule_refused(vcpu, rule(NOWHERE, READ, KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1));
	expect_rule_refused(vcpu, rule(NOWHERE, READ, 0x80));
}

KVM_ONE_VCPU_TEST(reg_rules, einval_rule_pad, msr_guest_main)
{
	struct kvm_x86_reg_rule bad = rule(NOWHERE, READ, KVM_X86_REG_RULE_GP);

	bad.pad = 1;
	expect_rule_refused(vcpu, bad);
	bad.pad = 1u << 31;
	expect_rule_refused(vcpu, bad);
}

KVM_ONE_VCPU_TEST(reg_rules, einval_first_after_last, msr_guest_main)
{
	expect_rule_refused(vcpu, range_rule(1, 0, READ, KVM_X86_REG_RULE_ALLOW));
	expect_rule_refused(vcpu, range_rule(UINT32_MAX, UINT32_MAX - 1, READ,
					     KVM_X86_REG_RULE_ALLOW));
}

/* A mask is for writes alone, and a value for what is ignored. */
KVM_ONE_VCPU_TEST(reg_rules, einval_mask_or_value, msr_guest_main)
{
	struct kvm_x86_reg_rule bad;
	int action, access;

	for (access = READ; access <= (READ | WRITE); access++) {
		bad = rule(NOWHERE, access, KVM_X86_REG_RULE_GP);
		bad.mask = 1ull << 63;
		if (access != WRITE)
			expect_rule_refused(vcpu, bad);
	}

	for (action = 0; action <= KVM_X86_REG_RULE_IGNORE_UNKNOWN; action++) {
		bad = rule(NOWHERE, READ, action);
		bad.value = 1ull << 63;
		if (action != KVM_X86_REG_RULE_IGNORE &&
		    action != KVM_X86_REG_RULE_IGNORE_UNKNOWN)
			expect_rule_refused(vcpu, bad);
	}
}

/* x2APIC MSRs cannot be filtered, and a rule that seems to is refused. */
KVM_ONE_VCPU_TEST(reg_rules, einval_x2apic, msr_guest_main)
{
	const uint32_t ranges[][2] = {
		{ X2APIC_FIRST, X2APIC_LAST },			/* exactly */
		{ X2APIC_FIRST - 1, X2APIC_FIRST },		/* the first */
		{ X2APIC_LAST, X2APIC_LAST + 1 },		/* the last */
		{ X2APIC_FIRST + 0x30, X2APIC_FIRST + 0x30 },	/* one */
		{ X2APIC_FIRST - 1, X2APIC_LAST + 1 },		/* more than all */
		{ 0, UINT32_MAX },
	};
	int action, i;

	for (action = KVM_X86_REG_RULE_DENY; action <= KVM_X86_REG_RULE_IGNORE_UNKNOWN; action++)
		for (i = 0; i < ARRAY_SIZE(ranges); i++)
			expect_rule_refused(vcpu, range_rule(ranges[i][0], ranges[i][1],
							     READ | WRITE, action));
}

/* The last of as many rules as there may be is looked at, too. */
KVM_ONE_VCPU_TEST(reg_rules, einval_last_rule, msr_guest_main)
{
	struct kvm_x86_reg_rule *rules = max_rules();

	rules[MAX_RULES - 1].access = 0;
	expect_refused(vcpu, rules_head(rules, MAX_RULES, KVM_X86_REG_RULE_GP), EINVAL);
	free(rules);
}

/* Too many is too many, whether the rules can be read or not. */
KVM_ONE_VCPU_TEST(reg_rules, e2big, msr_guest_main)
{
	struct kvm_x86_reg_rule *rules = max_rules();

	expect_refused(vcpu, rules_head(rules, MAX_RULES + 1, KVM_X86_REG_RULE_GP), E2BIG);
	expect_refused(vcpu, rules_head(NULL, UINT32_MAX, KVM_X86_REG_RULE_GP), E2BIG);
	free(rules);
}

/* One more rule with a mask than there may be for a register, in one way or another. */
static void expect_one_too_many(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rule *rules,
				uint32_t nr)
{
	expect_refused(vcpu, rules_head(rules, nr + 1, KVM_X86_REG_RULE_ALLOW), E2BIG);
	set_rules(vcpu->vm, rules, nr, KVM_X86_REG_RULE_ALLOW);
	expect_list(vcpu->vm, rules_head(rules, nr, KVM_X86_REG_RULE_ALLOW));
}

KVM_ONE_VCPU_TEST(reg_rules, e2big_masks, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[MAX_MASKED + 1];
	int i;

	for (i = 0; i <= MAX_MASKED; i++)
		rules[i] = masked(NOWHERE, 1ull << (i % 64), KVM_X86_REG_RULE_GP);
	expect_one_too_many(vcpu, rules, MAX_MASKED);

	/* Each around those before it. */
	for (i = 0; i <= MAX_MASKED; i++) {
		rules[i].first = NOWHERE - i;
		rules[i].last = NOWHERE + i;
	}
	expect_one_too_many(vcpu, rules, MAX_MASKED);

	/* Each within those before it, and the innermost is one register. */
	for (i = 0; i <= MAX_MASKED; i++) {
		rules[i].first = NOWHERE + i;
		rules[i].last = NOWHERE + 2 * MAX_MASKED - i;
	}
	expect_one_too_many(vcpu, rules, MAX_MASKED);
}

KVM_ONE_VCPU_TEST(reg_rules, e2big_control, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[MAX_MASKED + 1];
	int i, j;

	for (i = 0; i < NR_CONTROLS; i++) {
		for (j = 0; j <= MAX_MASKED; j++)
			rules[j] = control_rule(controls[i].space, controls[i].index);
		expect_one_too_many(vcpu, rules, MAX_MASKED);
	}
}

/* As many rules as there may be for each control register, between those for MSRs. */
KVM_ONE_VCPU_TEST(reg_rules, all_spaces, msr_guest_main)
{
	struct kvm_x86_reg_rule *rules = max_rules();
	int i, nr = 0;

	for (i = 0; i < MAX_MASKED * NR_CONTROLS; i++, nr += 2) {
		rules[nr] = control_rule(controls[i % NR_CONTROLS].space,
					 controls[i % NR_CONTROLS].index);
		rules[nr].mask = 1ull << (i % 64);
		rules[nr].action = i % 2 ? KVM_X86_REG_RULE_ALLOW : KVM_X86_REG_RULE_AUDIT;
	}
	rules[nr++] = rule(MSR_INTERCEPTED, READ, KVM_X86_REG_RULE_GP);
	set_rules(vcpu->vm, rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW);
	expect_list(vcpu->vm, rules_head(rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW));
	expect_gp(vcpu, MSR_INTERCEPTED);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
	free(rules);
}

/* It is the rules for one register that are limited, not those of the list. */
KVM_ONE_VCPU_TEST(reg_rules, many_masks, msr_guest_main)
{
	struct kvm_x86_reg_rule *rules = max_rules();
	int i;

	for (i = 0; i < MAX_RULES; i++) {
		rules[i] = masked(NOWHERE + 8 * i, 1ull << (i % 64), KVM_X86_REG_RULE_GP);
		rules[i].last += 8 * MAX_MASKED - 1;
	}
	set_rules(vcpu->vm, rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW);
	expect_list(vcpu->vm, rules_head(rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW));
	TEST_ASSERT_EQ(write_msr(vcpu, NOWHERE + 8 * MAX_RULES, 1).vector, GP_VECTOR);
	free(rules);
}

/* A filter cannot be refused for what the rules are. */
KVM_ONE_VCPU_TEST(reg_rules, filter_over_masks, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[MAX_MASKED + 252];
	int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		rules[i] = rule(NOWHERE + 2 * i, READ | WRITE, KVM_X86_REG_RULE_GP);
	for (i = 0; i < MAX_MASKED; i++) {
		rules[i] = masked(NOWHERE, 1ull << i, KVM_X86_REG_RULE_EXIT);
		rules[i].last += 2 * ARRAY_SIZE(rules);
	}
	set_rules(vcpu->vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_ALLOW);
	set_filter(vcpu->vm, deny_range(MSR_PASSTHROUGH, 1, READ));
	expect_gp(vcpu, MSR_PASSTHROUGH);
	expect_list(vcpu->vm, rules_head(rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_ALLOW));
}

KVM_ONE_VCPU_TEST(reg_rules, efault_head, msr_guest_main)
{
	set_good_list(vcpu);
	expect_errno(vcpu->vm, KVM_X86_SET_REG_RULES, NULL, EFAULT);
	expect_good_list(vcpu);
	expect_errno(vcpu->vm, KVM_X86_GET_REG_RULES, NULL, EFAULT);
	expect_good_list(vcpu);
}

/* Two rules of which the second one lacks its last byte. */
static struct kvm_x86_reg_rule *truncated_rules(uint8_t *page)
{
	struct kvm_x86_reg_rule rules[] = {
		ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1), rule(0, READ, KVM_X86_REG_RULE_GP),
	};
	uint8_t *at = page + getpagesize() - sizeof(rules) + 1;

	memcpy(at, rules, sizeof(rules) - 1);
	return (void *)at;
}

KVM_ONE_VCPU_TEST(reg_rules, efault_rules, msr_guest_main)
{
	struct kvm_x86_reg_rules bad = good_head();
	void *page = map_last_page(PROT_READ | PROT_WRITE);

	bad.rules = 0;
	expect_refused(vcpu, bad, EFAULT);
	bad.rules = 1ull << 63;
	expect_refused(vcpu, bad, EFAULT);
	bad = rules_head(truncated_rules(page), 2, KVM_X86_REG_RULE_GP);
	expect_refused(vcpu, bad, EFAULT);

	/* One rule is there, if unaligned. */
	bad.nr_rules = 1;
	set_head(vcpu->vm, bad);
	expect_read(vcpu, MSR_PASSTHROUGH, 1);
	expect_list(vcpu->vm, bad);
}

KVM_ONE_VCPU_TEST(reg_rules, get_efault, msr_guest_main)
{
	struct kvm_vm *vm = vcpu->vm;
	struct kvm_x86_reg_rules head = good_head(), *read_only = map_last_page(PROT_READ);
	uint8_t *page = map_last_page(PROT_READ | PROT_WRITE);

	set_good_list(vcpu);
	head.rules = 0;
	expect_errno(vm, KVM_X86_GET_REG_RULES, &head, EFAULT);

	head.rules = (uintptr_t)page + getpagesize() - sizeof(good_rules) + 1;
	expect_errno(vm, KVM_X86_GET_REG_RULES, &head, EFAULT);

	/* A head that can be read, but not be written to. */
	remove_rules(vm);
	expect_errno(vm, KVM_X86_GET_REG_RULES, read_only, EFAULT);

	set_good_list(vcpu);
	expect_good_list(vcpu);
}

KVM_ONE_VCPU_TEST(reg_rules, get_einval, msr_guest_main)
{
	struct kvm_vm *vm = vcpu->vm;
	struct kvm_x86_reg_rule room[MAX_RULES];
	struct kvm_x86_reg_rules head = rules_head(room, MAX_RULES, 0);
	int i;

	set_good_list(vcpu);
	head.pad = 1;
	expect_errno(vm, KVM_X86_GET_REG_RULES, &head, EINVAL);
	head.pad = 0;
	for (i = 0; i < ARRAY_SIZE(head.reserved); i++) {
		head.reserved[i] = 1ull << 63;
		expect_errno(vm, KVM_X86_GET_REG_RULES, &head, EINVAL);
		head.reserved[i] = 0;
	}

	/* What GET is to return is not looked at. */
	head.flags = UINT32_MAX;
	head.msr_default = UINT32_MAX;
	vm_ioctl(vm, KVM_X86_GET_REG_RULES, &head);
	expect_good_list(vcpu);
}

/* Too little room: say how much it takes, and do not use what there is. */
KVM_ONE_VCPU_TEST(reg_rules, get_e2big, msr_guest_main)
{
	const uint32_t nr = ARRAY_SIZE(good_rules);
	struct kvm_x86_reg_rule room[ARRAY_SIZE(good_rules)], untouched[ARRAY_SIZE(room)];
	struct kvm_x86_reg_rules want = good_head(), head;
	uint32_t capacity;

	memset(untouched, 0xa5, sizeof(untouched));
	memcpy(room, untouched, sizeof(room));
	want.rules = (uintptr_t)room;
	set_good_list(vcpu);
	for (capacity = 0; capacity < nr; capacity++) {
		head = rules_head(room, capacity, UINT32_MAX);
		expect_errno(vcpu->vm, KVM_X86_GET_REG_RULES, &head, E2BIG);
		TEST_ASSERT(!memcmp(&head, &want, sizeof(head)), "head is not as expected");
		TEST_ASSERT(!memcmp(room, untouched, sizeof(room)), "rules were copied");
	}

	head = rules_head(room, nr, 0);
	vm_ioctl(vcpu->vm, KVM_X86_GET_REG_RULES, &head);
	TEST_ASSERT(!memcmp(room, good_rules, sizeof(room)), "GET returns other rules");
	expect_good_list(vcpu);
}

/* The VM is its creator's: a child that inherits the descriptor cannot use it. */
KVM_ONE_VCPU_TEST(reg_rules, eio_in_another_process, msr_guest_main)
{
	struct kvm_x86_reg_rules head = good_head();
	int fd = vcpu->vm->fd, status;
	pid_t pid = fork();

	if (!pid) {
		if (!ioctl(fd, KVM_X86_SET_REG_RULES, &head) || errno != EIO)
			_exit(1);
		_exit(!ioctl(fd, KVM_X86_GET_REG_RULES, &head) || errno != EIO);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the child died");
	TEST_ASSERT_EQ(WEXITSTATUS(status), 0);
	expect_list(vcpu->vm, rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW));
}

KVM_ONE_VCPU_TEST(reg_rules, capability, msr_guest_main)
{
	TEST_ASSERT_EQ(kvm_check_cap(KVM_CAP_X86_REG_RULES), MAX_RULES);
	TEST_ASSERT_EQ(vm_check_cap(vcpu->vm, KVM_CAP_X86_REG_RULES), MAX_RULES);
}

KVM_ONE_VCPU_TEST(reg_rules, none_at_first, msr_guest_main)
{
	struct kvm_x86_reg_rules head = {};

	vm_ioctl(vcpu->vm, KVM_X86_GET_REG_RULES, &head);
	expect_list(vcpu->vm, rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW));
}

KVM_ONE_VCPU_TEST(reg_rules, empty_list_removes, msr_guest_main)
{
	set_good_list(vcpu);
	remove_rules(vcpu->vm);
	expect_list(vcpu->vm, rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW));
	expect_read(vcpu, MSR_INTERCEPTED,
		    vcpu_get_msr(vcpu, MSR_INTERCEPTED));
	expect_gp(vcpu, MSR_UNKNOWN);

	/* Once more does no harm. */
	remove_rules(vcpu->vm);
	expect_list(vcpu->vm, rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW));
}

/* Each default but ALLOW does something without a rule: see reg_rules_action_test. */
KVM_ONE_VCPU_TEST(reg_rules, empty_list_with_default, msr_guest_main)
{
	uint32_t action;

	for (action = KVM_X86_REG_RULE_DENY; action <= KVM_X86_REG_RULE_IGNORE_UNKNOWN; action++) {
		set_default(vcpu->vm, action);
		expect_list(vcpu->vm, rules_head(NULL, 0, action));
	}
}

/* Three registers, and nothing else. */
KVM_ONE_VCPU_TEST(reg_rules, default_deny, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_INTERCEPTED, READ, KVM_X86_REG_RULE_ALLOW),
		rule(MSR_PASSTHROUGH, READ | WRITE, KVM_X86_REG_RULE_ALLOW),
		rule(MSR_FS_BASE, WRITE, KVM_X86_REG_RULE_ALLOW),
	};

	set_rules(vcpu->vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_GP);
	expect_read(vcpu, MSR_INTERCEPTED, vcpu_get_msr(vcpu, MSR_INTERCEPTED));
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_INTERCEPTED, 0).vector, GP_VECTOR);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_PASSTHROUGH, OLD_VALUE).vector, 0);
	expect_read(vcpu, MSR_PASSTHROUGH, OLD_VALUE);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_FS_BASE, OLD_VALUE).vector, 0);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_FS_BASE), OLD_VALUE);
	expect_gp(vcpu, MSR_FS_BASE);
	expect_gp(vcpu, MSR_GS_BASE);
	expect_gp(vcpu, MSR_EFER);
}

/* The value read tells which rule matched. */
KVM_ONE_VCPU_TEST(reg_rules, first_match_wins, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[] = {
		ignore(NOWHERE + 4, NOWHERE + 5, 10),
		ignore(NOWHERE + 2, NOWHERE + 4, 11),	/* from below */
		ignore(NOWHERE + 5, NOWHERE + 7, 12),	/* from above */
		ignore(NOWHERE + 3, NOWHERE + 6, 13),	/* nothing is left */
		ignore(NOWHERE, NOWHERE + 9, 14),	/* around them all */
		ignore(X2APIC_LAST + 1, UINT32_MAX, 15),
	};
	const uint64_t values[] = { 14, 14, 11, 11, 10, 10, 12, 12, 14, 14 };
	int i;

	set_rules(vcpu->vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_GP);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		expect_read(vcpu, NOWHERE + i, values[i]);
	expect_read(vcpu, NOWHERE - 1, 15);
	expect_read(vcpu, NOWHERE + ARRAY_SIZE(values), 15);
	expect_read(vcpu, X2APIC_LAST + 1, 15);
	expect_read(vcpu, UINT32_MAX, 15);
	expect_gp(vcpu, X2APIC_FIRST - 1);
	expect_gp(vcpu, 0);
}

/* A rule for writes is not in the way of reads. */
KVM_ONE_VCPU_TEST(reg_rules, read_and_write_apart, msr_guest_main)
{
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_PASSTHROUGH, WRITE, KVM_X86_REG_RULE_GP),
		rule(MSR_PASSTHROUGH, READ, KVM_X86_REG_RULE_EXIT),
	};

	set_rules(vcpu->vm, rules, 1, KVM_X86_REG_RULE_ALLOW);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_PASSTHROUGH, 1).vector, GP_VECTOR);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);

	set_rules(vcpu->vm, rules, 2, KVM_X86_REG_RULE_ALLOW);
	TEST_ASSERT_EQ(write_msr(vcpu, MSR_PASSTHROUGH, 1).vector, GP_VECTOR);
	expect_exit(vcpu, MSR_PASSTHROUGH);
}

static void expect_max_rules(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rule *rules,
			     uint32_t base)
{
	const int samples[] = { 0, 1, (MSR_PASSTHROUGH & 0xfff) / 2, MAX_RULES / 2,
				MAX_RULES - 2, MAX_RULES - 1 };
	int i;

	for (i = 0; i < MAX_RULES; i++)
		rules[i] = ignore(base + 2 * i, base + 2 * i, 1000 + i);
	set_rules(vcpu->vm, rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW);
	expect_list(vcpu->vm, rules_head(rules, MAX_RULES, KVM_X86_REG_RULE_ALLOW));

	for (i = 0; i < ARRAY_SIZE(samples); i++)
		expect_read(vcpu, base + 2 * samples[i], 1000 + samples[i]);
	expect_gp(vcpu, base + 2 * MAX_RULES - 1);
	expect_read(vcpu, MSR_INTERCEPTED, vcpu_get_msr(vcpu, MSR_INTERCEPTED));
	expect_read(vcpu, MSR_GS_BASE, OLD_VALUE);
}

/*
 * As many as there may be, in the window that has most of the MSRs which are passed
 * through, and where there are no MSRs.
 */
KVM_ONE_VCPU_TEST(reg_rules, max_rules, msr_guest_main)
{
	struct kvm_x86_reg_rule *rules = max_rules();

	vcpu_set_msr(vcpu, MSR_GS_BASE, OLD_VALUE);
	expect_max_rules(vcpu, rules, 0xc0000000);
	expect_max_rules(vcpu, rules, NOWHERE);
	free(rules);
}

/* The default does not reach x2APIC MSRs, but their neighbours. */
KVM_ONE_VCPU_TEST(reg_rules, x2apic_is_exempt, msr_guest_main)
{
	const uint32_t tpr = X2APIC_FIRST + (APIC_TASKPRI >> 4);

	vcpu_set_msr(vcpu, MSR_IA32_APICBASE,
		     vcpu_get_msr(vcpu, MSR_IA32_APICBASE) | X2APIC_ENABLE);

	set_default(vcpu->vm, KVM_X86_REG_RULE_GP);
	TEST_ASSERT_EQ(write_msr(vcpu, tpr, 0x20).vector, 0);
	expect_read(vcpu, tpr, 0x20);
	expect_gp(vcpu, MSR_IA32_APICBASE);

	/* Those that are none, too: what there is not is not ignored. */
	set_default(vcpu->vm, KVM_X86_REG_RULE_IGNORE);
	expect_read(vcpu, X2APIC_FIRST - 1, 0);
	expect_gp(vcpu, X2APIC_FIRST);
	expect_read(vcpu, tpr, 0x20);
	expect_gp(vcpu, X2APIC_LAST);
	expect_read(vcpu, X2APIC_LAST + 1, 0);

	/* KVM knows all of them. */
	set_default(vcpu->vm, KVM_X86_REG_RULE_IGNORE_UNKNOWN);
	expect_read(vcpu, X2APIC_FIRST - 1, 0);
	expect_gp(vcpu, X2APIC_FIRST);
	expect_gp(vcpu, X2APIC_LAST);
	expect_read(vcpu, X2APIC_LAST + 1, 0);

	/* A rule that allows them may say so. */
	set_rule(vcpu->vm, range_rule(0, UINT32_MAX, READ | WRITE, KVM_X86_REG_RULE_ALLOW));
	expect_read(vcpu, tpr, 0x20);
}

/* Host accesses are not the guest's. */
KVM_ONE_VCPU_TEST(reg_rules, host_is_exempt, msr_guest_main)
{
	set_default(vcpu->vm, KVM_X86_REG_RULE_GP);
	vcpu_set_msr(vcpu, MSR_INTERCEPTED, OLD_VALUE);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_INTERCEPTED), OLD_VALUE);
}

KVM_ONE_VCPU_TEST(reg_rules, reaches_a_vcpu_created_later, msr_guest_main)
{
	struct kvm_vcpu *later;

	set_good_list(vcpu);
	set_rule(vcpu->vm, rule(MSR_PASSTHROUGH, READ, KVM_X86_REG_RULE_EXIT));
	later = vm_vcpu_add(vcpu->vm, 1, msr_guest_main);
	expect_exit(later, MSR_PASSTHROUGH);
	expect_exit(vcpu, MSR_PASSTHROUGH);
}

/* As a VMM migrates: ask for the number, then for the rules; set them in another VM. */
KVM_ONE_VCPU_TEST(reg_rules, save_and_restore, msr_guest_main)
{
	struct kvm_x86_reg_rules head = {};
	struct kvm_x86_reg_rule *rules;
	struct kvm_vcpu *restored;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&restored, msr_guest_main);

	set_good_list(vcpu);
	expect_errno(vcpu->vm, KVM_X86_GET_REG_RULES, &head, E2BIG);
	rules = calloc(head.nr_rules, sizeof(*rules));
	TEST_ASSERT(rules, "calloc() failed");
	head.rules = (uintptr_t)rules;
	vm_ioctl(vcpu->vm, KVM_X86_GET_REG_RULES, &head);

	set_head(vm, head);
	expect_good_list(restored);
	expect_list(vm, head);
	free(rules);
	kvm_vm_free(vm);
}

/* What a 32-bit caller has in memory is what a 64-bit one has. */
struct compat_memory {
	struct kvm_x86_reg_rules head;
	struct kvm_x86_reg_rule rules[ARRAY_SIZE(good_rules)];
};

TEST_F(reg_rules, ioctls_of_a_32_bit_caller)
{
	struct compat_memory *m = map_last_page(PROT_READ | PROT_WRITE);
	struct kvm_vcpu *vcpu = self->vcpu;
	int fd = vcpu->vm->fd;

	if (!has_compat_syscalls())
		SKIP(return, "needs CONFIG_IA32_EMULATION");

	vcpu_arch_set_entry_point(vcpu, msr_guest_main);
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_X86_REG_RULES),
		       MAX_RULES);

	m->head = good_head();
	m->head.rules = (uintptr_t)m->rules;
	memcpy(m->rules, good_rules, sizeof(good_rules));
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_SET_REG_RULES, m), 0);
	expect_good_list(vcpu);

	m->rules[1].pad = 1;
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_SET_REG_RULES, m), -EINVAL);
	m->head.rules = 0;
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_SET_REG_RULES, m), -EFAULT);
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_SET_REG_RULES, NULL), -EFAULT);
	expect_good_list(vcpu);

	memset(m, 0, sizeof(*m));
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_GET_REG_RULES, m), -E2BIG);
	TEST_ASSERT_EQ(m->head.nr_rules, ARRAY_SIZE(good_rules));
	m->head.rules = (uintptr_t)m->rules;
	TEST_ASSERT_EQ(compat_ioctl(fd, KVM_X86_GET_REG_RULES, m), 0);
	TEST_ASSERT(!memcmp(m->rules, good_rules, sizeof(good_rules)),
		    "GET returns other rules than SET");
	expect_list(vcpu->vm, m->head);
}

/* As many cuts through the register space as rules can make. */
static void fill_disjoint(struct kvm_x86_reg_rule *rules, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		rules[i] = ignore(NOWHERE + 2 * i, NOWHERE + 2 * i, i);
}

/* The same, and as many masked rules over each of them as there may be. */
static void fill_overlapping(struct kvm_x86_reg_rule *rules, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		rules[i] = masked(NOWHERE + 2 * i, 1ull << (i % 64), KVM_X86_REG_RULE_EXIT);
		rules[i].last += 2 * MAX_MASKED - 1;
	}
}

/* Masked rules for everything before those that cut it into pieces. */
static void fill_wide(struct kvm_x86_reg_rule *rules, uint32_t nr)
{
	uint32_t i;

	fill_overlapping(rules, nr);
	for (i = 0; i < nr; i++) {
		rules[i].last = rules[i].first;
		if (i >= MAX_MASKED - 1)
			continue;

		rules[i].first = X2APIC_LAST + 1;
		rules[i].last = UINT32_MAX;
	}
}

FIXTURE(reg_rules_memory)
{
	struct kvm_x86_reg_rule rules[MAX_RULES];
};

FIXTURE_VARIANT(reg_rules_memory)
{
	void (*fill)(struct kvm_x86_reg_rule *rules, uint32_t nr);
	uint32_t nr;
	long limit;
};

FIXTURE_VARIANT_ADD(reg_rules_memory, few_disjoint)
{
	.fill = fill_disjoint, .nr = 16, .limit = 32 * 1024,
};

FIXTURE_VARIANT_ADD(reg_rules_memory, few_overlapping)
{
	.fill = fill_overlapping, .nr = 16, .limit = 32 * 1024,
};

FIXTURE_VARIANT_ADD(reg_rules_memory, many_disjoint)
{
	.fill = fill_disjoint, .nr = MAX_RULES, .limit = 512 * 1024,
};

FIXTURE_VARIANT_ADD(reg_rules_memory, many_overlapping)
{
	.fill = fill_overlapping, .nr = MAX_RULES, .limit = 512 * 1024,
};

FIXTURE_VARIANT_ADD(reg_rules_memory, many_wide)
{
	.fill = fill_wide, .nr = MAX_RULES, .limit = 512 * 1024,
};

FIXTURE_SETUP(reg_rules_memory)
{
	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);
}

FIXTURE_TEARDOWN(reg_rules_memory)
{
	leave_cgroup();
}

/* Thousands of rules for many VMs take their time where KVM itself is emulated. */
TEST_F_TIMEOUT(reg_rules_memory, is_charged_and_bounded, 120)
{
	struct kvm_x86_reg_rules head;
	long charged;

	head = rules_head(self->rules, variant->nr, KVM_X86_REG_RULE_GP);
	variant->fill(self->rules, variant->nr);
	charged = bytes_charged(32, KVM_X86_SET_REG_RULES, &head);
	pr_info("# %u rules: %ld bytes\n", variant->nr, charged);

	/* At least the rules themselves. */
	TEST_ASSERT(charged >= variant->nr * (long)sizeof(*self->rules),
		    "%u rules were charged %ld bytes", variant->nr, charged);
	TEST_ASSERT(charged <= variant->limit, "%u rules were charged %ld bytes, more than %ld",
		    variant->nr, charged, variant->limit);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
