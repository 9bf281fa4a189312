// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_nested_test - KVM_X86_SET_REG_RULES and nested guests
 *
 * - The rules decide on an access from L2 that L1 does not intercept as on L1's, by
 *   each action; one that L1 intercepts goes to L1, and the rules do not see it.
 * - Rules reach an L2 that is running, without waiting for a nested entry.
 * - The rules hold for the MSR lists of VMX transitions: what they ignore or audit
 *   succeeds, anything else fails the entry or aborts the exit.
 */
#include "kvm_test_harness.h"
#include "reg_rules.h"

/* Masks of writes: NEW_VALUE changes the bit of the one, but not of the other. */
#define CHANGED_BIT	BIT_ULL(0)
#define KEPT_BIT	BIT_ULL(1)

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY		2000

/* What becomes of every access to either MSR, with a mask of those writes that match. */
static void set_both(struct kvm_vcpu *vcpu, int action, uint32_t flags, uint64_t mask)
{
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_INTERCEPTED, mask ? WRITE : READ | WRITE, action),
		rule(MSR_PASSTHROUGH, mask ? WRITE : READ | WRITE, action),
	};
	struct kvm_x86_reg_rules head = rules_head(rules, ARRAY_SIZE(rules),
						   KVM_X86_REG_RULE_ALLOW);

	rules[0].mask = mask;
	rules[1].mask = mask;
	head.flags = flags;
	set_head(vcpu->vm, head);
}

static void set_action(struct kvm_vcpu *vcpu, int action)
{
	set_both(vcpu, action, 0, 0);
}

static void set_case(struct kvm_vcpu *vcpu, const struct rule_case *c)
{
	exit_on(vcpu->vm, c->exits);
	set_both(vcpu, c->action, c->flags, 0);
}

/* What becomes of L2's reads and writes, by which actions. */
static void expect_each(struct kvm_vcpu *vcpu, int reads_by, const struct msr_result *reads,
			int writes_by, const struct msr_result *writes)
{
	int i;

	for (i = 0; i < NR_L2_ACCESSES; i++)
		expect_action(vcpu, l2_access[i], l2_access[i].write ? writes_by : reads_by,
			      l2_access[i].write ? writes : reads);
}

/* L1 is told of L2's access, and the rules are not asked. */
static void expect_uncounted_l1_exit(struct kvm_vcpu *vcpu, struct msr_access a)
{
	uint64_t before = read_hits(vcpu);

	expect_l1_exit(vcpu, a);
	TEST_ASSERT_EQ(read_hits(vcpu), before);
}

FIXTURE(reg_rules_nested)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
};

FIXTURE_VARIANT(reg_rules_nested)
{
	bool vmx;
};

FIXTURE_VARIANT_ADD(reg_rules_nested, svm) {};
FIXTURE_VARIANT_ADD(reg_rules_nested, vmx) { .vmx = true };

FIXTURE_SETUP(reg_rules_nested)
{
	if (!kvm_cpu_has(variant->vmx ? X86_FEATURE_VMX : X86_FEATURE_SVM))
		SKIP(return, "needs nested %s", variant->vmx ? "VMX" : "SVM");

	self->vcpu = create_nested_vcpu(variant->vmx, &self->bitmap);
}

FIXTURE_TEARDOWN(reg_rules_nested)
{
	kvm_vm_free(self->vcpu->vm);
}

/* Each access is the first that L2 makes after a rule has come while @level runs. */
static void expect_cases(struct kvm_vcpu *vcpu, int level)
{
	const struct rule_case *c;
	int i;

	for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
		for (i = 0; i < NR_L2_ACCESSES; i++) {
			remove_rules(vcpu->vm);
			expect_action(vcpu, l2_access[i], KVM_X86_REG_RULE_ALLOW, &msr_performed);
			go_to_level(vcpu, level);
			set_case(vcpu, c);
			expect_action(vcpu, l2_access[i], c->action, c->result);
		}
	}
}

TEST_F(reg_rules_nested, rules_for_l2)
{
	expect_cases(self->vcpu, 1);
}

TEST_F(reg_rules_nested, rules_reach_running_l2)
{
	expect_cases(self->vcpu, 2);
	TEST_ASSERT_EQ(guest_of(self->vcpu)->entries, 1);
}

/* Masks are for writes. */
TEST_F(reg_rules_nested, masked_write)
{
	set_both(self->vcpu, KVM_X86_REG_RULE_GP, 0, CHANGED_BIT);
	expect_each(self->vcpu, KVM_X86_REG_RULE_ALLOW, &msr_performed,
		    KVM_X86_REG_RULE_GP, &msr_faults);
	set_both(self->vcpu, KVM_X86_REG_RULE_IGNORE, 0, KEPT_BIT);
	expect_each(self->vcpu, KVM_X86_REG_RULE_ALLOW, &msr_performed,
		    KVM_X86_REG_RULE_ALLOW, &msr_performed);
}

/* What the write would change is unknown, hence it matches. */
TEST_F(reg_rules_nested, masked_write_to_what_cannot_be_read)
{
	struct msr_access a = { .level = 2, .msr = MSR_UNKNOWN_IN_WINDOW, .write = true };

	expect_action(self->vcpu, a, KVM_X86_REG_RULE_ALLOW, &msr_faults);
	set_rule(self->vcpu->vm, masked(a.msr, KEPT_BIT, KVM_X86_REG_RULE_IGNORE));
	expect_action(self->vcpu, a, KVM_X86_REG_RULE_IGNORE, &msr_ignored);
}

/* L1 does not intercept it, and KVM turns out not to know it. */
TEST_F(reg_rules_nested, what_kvm_does_not_know)
{
	struct msr_access a = { .level = 2, .msr = MSR_UNKNOWN_IN_WINDOW };
	struct kvm_vcpu *vcpu = self->vcpu;

	for (; a.level; a.level--) {
		a.write = false;
		remove_rules(vcpu->vm);
		expect_action(vcpu, a, KVM_X86_REG_RULE_ALLOW, &msr_faults);
		set_rule(vcpu->vm, rule(a.msr, READ | WRITE, KVM_X86_REG_RULE_IGNORE_UNKNOWN));
		expect_action(vcpu, a, KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_ignored);
		a.write = true;
		expect_action(vcpu, a, KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_ignored);
	}
}

TEST_F(reg_rules_nested, default_action)
{
	struct kvm_x86_reg_rule harmless = rule(MSR_HARMLESS, READ, KVM_X86_REG_RULE_ALLOW);

	set_rules(self->vcpu->vm, &harmless, 1, KVM_X86_REG_RULE_EXIT);
	expect_each(self->vcpu, KVM_X86_REG_RULE_EXIT, &msr_exits,
		    KVM_X86_REG_RULE_EXIT, &msr_exits);
}

/* What the rules let through is subject to the filter, whose decision counts. */
TEST_F(reg_rules_nested, audited_write_that_the_filter_denies)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 1, WRITE);

	filter.ranges[1] = deny_range(MSR_PASSTHROUGH, 1, WRITE).ranges[0];
	set_action(self->vcpu, KVM_X86_REG_RULE_AUDIT);
	set_filter(self->vcpu->vm, filter);
	expect_each(self->vcpu, KVM_X86_REG_RULE_AUDIT, &msr_performed,
		    KVM_X86_REG_RULE_DENY, &msr_faults);
}

/* L1 comes first, whatever the rules say of the access, and to L1's own. */
TEST_F(reg_rules_nested, access_that_l1_intercepts)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	const struct rule_case *c;
	int i;

	for (i = 0; i < NR_L2_ACCESSES; i++)
		set_l1_intercept(vcpu, self->bitmap, l2_access[i].msr, l2_access[i].write);

	for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
		set_case(vcpu, c);
		for (i = 0; i < NR_L2_ACCESSES; i++) {
			expect_uncounted_l1_exit(vcpu, l2_access[i]);
			expect_action(vcpu, by(1, l2_access[i]), c->action, c->result);
		}
	}
}

TEST_F(reg_rules_nested, access_that_l1_intercepts_in_part)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	set_l1_intercept(vcpu, self->bitmap, MSR_PASSTHROUGH, false);
	set_l1_intercept(vcpu, self->bitmap, MSR_INTERCEPTED, false);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	for (i = 0; i < NR_L2_ACCESSES; i++) {
		if (l2_access[i].write)
			expect_action(vcpu, l2_access[i], KVM_X86_REG_RULE_AUDIT, &msr_performed);
		else
			expect_uncounted_l1_exit(vcpu, l2_access[i]);
	}
}

/* Without a rule, a running L2 has the MSR to itself again. */
TEST_F(reg_rules_nested, removal_restores_passthrough)
{
	struct msr_access a = { .level = 2, .msr = MSR_PASSTHROUGH, .repeats = MANY };
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t before;

	go_to_level(vcpu, 2);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	expect_action(vcpu, a, KVM_X86_REG_RULE_AUDIT, &msr_performed);

	remove_rules(vcpu->vm);
	before = vcpu_get_stat(vcpu, exits);
	expect_action(vcpu, a, KVM_X86_REG_RULE_ALLOW, &msr_performed);
	TEST_ASSERT(vcpu_get_stat(vcpu, exits) - before < MANY,
		    "KVM intercepts reads that nobody asked to intercept");
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* What reaches L2 reaches L1, too, and stays with either of them. */
TEST_F(reg_rules_nested, rules_outlive_nested_transitions)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	go_to_level(vcpu, 2);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	for (i = 0; i < NR_L2_ACCESSES; i++) {
		expect_action(vcpu, by(2, l2_access[i]), KVM_X86_REG_RULE_AUDIT, &msr_performed);
		expect_action(vcpu, by(1, l2_access[i]), KVM_X86_REG_RULE_AUDIT, &msr_performed);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, NR_L2_ACCESSES);
}

/* Without the emulator, nothing would exit. */
static void expect_emulation(struct kvm_vcpu *vcpu, struct msr_access a)
{
	uint64_t before = vcpu_get_stat(vcpu, exits);

	TEST_ASSERT_EQ(a.msr, MSR_PASSTHROUGH);
	a.repeats = MANY;
	expect_action(vcpu, a, KVM_X86_REG_RULE_ALLOW, &msr_performed);
	TEST_ASSERT(vcpu_get_stat(vcpu, exits) - before > MANY, "L%d's %s is not emulated",
		    a.level, a.write ? "write" : "read");
}

static void expect_emulated_cases(struct kvm_vcpu *vcpu, int level)
{
	const struct rule_case *c;
	struct msr_access a;
	int i;

	for (i = 0; i < NR_L2_ACCESSES; i++) {
		a = by(level, l2_access[i]);
		a.fep = true;
		if (a.msr == MSR_PASSTHROUGH)
			expect_emulation(vcpu, a);
		for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
			set_case(vcpu, c);
			expect_action(vcpu, a, c->action, c->result);
		}
		remove_rules(vcpu->vm);
	}
}

TEST_F(reg_rules_nested, emulated_access_by_l1)
{
	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	expect_emulated_cases(self->vcpu, 1);
}

TEST_F(reg_rules_nested, emulated_access_by_l2)
{
	if (!l2_can_be_emulated(self->vcpu))
		SKIP(return, "needs kvm.force_emulation_prefix=1, and RDMSR emulated for L2");

	expect_emulated_cases(self->vcpu, 2);
}

/* Cases in which an access is not made at once: no list waits for userspace. */
static const struct rule_case refusals[] = {
	{ .action = KVM_X86_REG_RULE_DENY },
	{ .action = KVM_X86_REG_RULE_DENY, .exits = KVM_MSR_EXIT_REASON_FILTER },
	{ .action = KVM_X86_REG_RULE_GP },
	{ .action = KVM_X86_REG_RULE_EXIT },
	{ .action = KVM_X86_REG_RULE_EXIT, .flags = KVM_X86_REG_RULES_FAIL_CLOSED },
};

FIXTURE(reg_rules_vmx_abort)
{
};

FIXTURE_VARIANT(reg_rules_vmx_abort)
{
	enum msr_list list;
	uint32_t msr;
};

FIXTURE_VARIANT_ADD(reg_rules_vmx_abort, load) { EXIT_LOAD, MSR_PASSTHROUGH };
FIXTURE_VARIANT_ADD(reg_rules_vmx_abort, store) { EXIT_STORE, MSR_PASSTHROUGH };
/* KVM has hardware store the TSC, and only has to pass it on. */
FIXTURE_VARIANT_ADD(reg_rules_vmx_abort, store_tsc) { EXIT_STORE, MSR_IA32_TSC };

FIXTURE_SETUP(reg_rules_vmx_abort)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");
}

FIXTURE_TEARDOWN(reg_rules_vmx_abort)
{
}

/* The rules are set while L2 runs.  The exit aborts, and the VM with it. */
TEST_F(reg_rules_vmx_abort, each_refusal)
{
	struct vmx_msr_entry *entry;
	struct kvm_vcpu *vcpu;
	uint64_t before;
	int i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		vcpu = create_vcpu_with_lists();
		entry = fill_list(vcpu, variant->list, variant->msr);
		go_to_level(vcpu, 2);
		before = read_hits(vcpu);
		set_case(vcpu, &refusals[i]);
		if (variant->msr == MSR_IA32_TSC)
			set_rule(vcpu->vm, rule(variant->msr, READ, refusals[i].action));
		expect_aborted_exit(vcpu);
		TEST_ASSERT_EQ(entry->value, NEW_VALUE);
		expect_counted(vcpu, before, refusals[i].action, 1);
		kvm_vm_free(vcpu->vm);
	}
}

FIXTURE(reg_rules_vmx)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(reg_rules_vmx)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
	self->vm = self->vcpu->vm;
}

FIXTURE_TEARDOWN(reg_rules_vmx)
{
	kvm_vm_free(self->vm);
}

static void expect_entries_fail_by(struct kvm_vcpu *vcpu, int action)
{
	const uint32_t msrs[] = { MSR_PASSTHROUGH, MSR_INTERCEPTED };
	uint64_t before = read_hits(vcpu);
	int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		fill_list(vcpu, ENTRY_LOAD, msrs[i]);
		vcpu_set_msr(vcpu, msrs[i], OLD_VALUE);
		expect_failed_entry(vcpu);
		TEST_ASSERT_EQ(vcpu_get_msr(vcpu, msrs[i]), OLD_VALUE);
		expect_counted(vcpu, before, action, i + 1);
	}
}

/* Once the rules are gone, L1 can go on. */
TEST_F(reg_rules_vmx, refused_on_entry)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		set_case(self->vcpu, &refusals[i]);
		expect_entries_fail_by(self->vcpu, refusals[i].action);
	}

	remove_rules(self->vm);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_INTERCEPTED), NEW_VALUE);
}

/*
 * Go from one level to the other, with rules that are set at the last moment.  Returns
 * what the MSR that held OLD_VALUE holds there, or what was stored of it.
 */
static uint64_t use_list(struct kvm_vcpu *vcpu, enum msr_list list, uint32_t msr,
			 int action, uint64_t mask)
{
	struct vmx_msr_entry *entry;
	int from = list == ENTRY_LOAD ? 1 : 2;

	remove_rules(vcpu->vm);
	go_to_level(vcpu, 1);
	entry = fill_list(vcpu, list, msr);
	go_to_level(vcpu, from);
	vcpu_set_msr(vcpu, msr, OLD_VALUE);
	set_both(vcpu, action, 0, mask);
	go_to_level(vcpu, 3 - from);
	return list == EXIT_STORE ? entry->value : vcpu_get_msr(vcpu, msr);
}

static void expect_list(struct kvm_vcpu *vcpu, enum msr_list list, int action, uint64_t value)
{
	uint64_t before = read_hits(vcpu);

	TEST_ASSERT_EQ(use_list(vcpu, list, MSR_PASSTHROUGH, action, 0), value);
	expect_counted(vcpu, before, action, 1);
	TEST_ASSERT_EQ(use_list(vcpu, list, MSR_INTERCEPTED, action, 0), value);
	expect_counted(vcpu, before, action, 2);
}

TEST_F(reg_rules_vmx, load_on_entry)
{
	expect_list(self->vcpu, ENTRY_LOAD, KVM_X86_REG_RULE_IGNORE, OLD_VALUE);
	expect_list(self->vcpu, ENTRY_LOAD, KVM_X86_REG_RULE_AUDIT, NEW_VALUE);
}

TEST_F(reg_rules_vmx, load_on_exit)
{
	expect_list(self->vcpu, EXIT_LOAD, KVM_X86_REG_RULE_IGNORE, OLD_VALUE);
	expect_list(self->vcpu, EXIT_LOAD, KVM_X86_REG_RULE_AUDIT, NEW_VALUE);
}

TEST_F(reg_rules_vmx, store_on_exit)
{
	expect_list(self->vcpu, EXIT_STORE, KVM_X86_REG_RULE_IGNORE, IGNORED_VALUE);
	expect_list(self->vcpu, EXIT_STORE, KVM_X86_REG_RULE_AUDIT, OLD_VALUE);
}

static void ignore_unknown(struct kvm_vcpu *vcpu)
{
	set_default(vcpu->vm, KVM_X86_REG_RULE_IGNORE_UNKNOWN);
}

/* Each list works but for the entry that KVM does not know, which has no effect. */
TEST_F(reg_rules_vmx, lists_with_what_kvm_does_not_know)
{
	struct vmx_msr_entry *store = fill_list(self->vcpu, EXIT_STORE, MSR_UNKNOWN_IN_WINDOW);
	uint64_t before = read_hits(self->vcpu);

	fill_list(self->vcpu, ENTRY_LOAD, MSR_UNKNOWN_IN_WINDOW);
	expect_failed_entry(self->vcpu);
	fill_list(self->vcpu, EXIT_LOAD, MSR_UNKNOWN_IN_WINDOW);
	ignore_unknown(self->vcpu);
	go_to_level(self->vcpu, 2);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE_UNKNOWN, 1);

	set_rule(self->vm, rule(MSR_UNKNOWN_IN_WINDOW, READ | WRITE,
				KVM_X86_REG_RULE_IGNORE_UNKNOWN));
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(store->value, IGNORED_VALUE);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE_UNKNOWN, 3);
}

/* KVM knows the TSC: the rules make no difference. */
TEST_F(reg_rules_vmx, tsc_store_that_is_not_unknown)
{
	uint64_t before = read_hits(self->vcpu);

	expect_exact_tsc_store(self->vcpu, ignore_unknown);
	TEST_ASSERT_EQ(read_hits(self->vcpu), before);
}

/* A list's entry changes the bits by which it differs from the MSR. */
TEST_F(reg_rules_vmx, masked_on_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	TEST_ASSERT_EQ(use_list(vcpu, ENTRY_LOAD, MSR_PASSTHROUGH, KVM_X86_REG_RULE_GP, KEPT_BIT),
		       NEW_VALUE);
	TEST_ASSERT_EQ(use_list(vcpu, ENTRY_LOAD, MSR_INTERCEPTED, KVM_X86_REG_RULE_GP, KEPT_BIT),
		       NEW_VALUE);
	go_to_level(vcpu, 1);
	set_both(vcpu, KVM_X86_REG_RULE_GP, 0, CHANGED_BIT);
	expect_entries_fail_by(vcpu, KVM_X86_REG_RULE_GP);
}

TEST_F(reg_rules_vmx, ignored_tsc_store)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t before = read_hits(self->vcpu);

	go_to_level(self->vcpu, 2);
	set_rule(self->vm, rule(MSR_IA32_TSC, READ, KVM_X86_REG_RULE_IGNORE));
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(tsc->value, IGNORED_VALUE);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 1);
}

static void audit_tsc(struct kvm_vcpu *vcpu)
{
	set_rule(vcpu->vm, rule(MSR_IA32_TSC, READ, KVM_X86_REG_RULE_AUDIT));
}

/* The store, and L1's read after it. */
TEST_F(reg_rules_vmx, audited_tsc_store)
{
	uint64_t before = read_hits(self->vcpu);

	expect_exact_tsc_store(self->vcpu, audit_tsc);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 2);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
