// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_nested_test - KVM_X86_SET_REG_RULES and nested guests
 *
 * - An access from L2 that L1 does not intercept is judged as L1's is, by each
 *   action; one that L1 intercepts goes to L1, and the rules do not see it.
 * - Rules reach an L2 that is running, without waiting for a nested entry.
 * - The MSR lists of VMX transitions are judged: what the rules ignore or audit
 *   succeeds, anything else fails the entry or aborts the exit.
 */
#include "kvm_test_harness.h"
#include "nested_msr.h"
#include "rule_counts.h"

/* KVM does not know it, and cannot read it. */
#define MSR_UNKNOWN	0xc0001fff

/* What a read that is ignored returns. */
#define IGNORED		0x5a5a00005a5a0000ull

/* Masks of writes: NEW changes the bit of the one, but not of the other. */
#define CHANGED_BIT	BIT_ULL(0)
#define KEPT_BIT	BIT_ULL(1)

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY		2000

/*
 * struct result - what is to become of an access
 * @name: For messages.
 * @reason: See struct outcome.
 * @vector: See struct outcome.
 * @read: What the guest reads, if it takes no exception.
 * @written: A write takes effect.
 */
struct result {
	const char *name;
	uint32_t reason;
	uint8_t vector;
	uint64_t read;
	bool written;
};

static const struct result performed = {
	.name = "performed",
	.read = OLD,
	.written = true,
};

static const struct result ignored = {
	.name = "ignored",
	.read = IGNORED,
};

static const struct result faults = {
	.name = "a fault",
	.vector = GP_VECTOR,
};

static const struct result exits = {
	.name = "userspace's to answer",
	.reason = KVM_MSR_EXIT_REASON_FILTER,
	.read = ANSWER_VALUE,
};

static const struct result exits_and_faults = {
	.name = "userspace's to answer, and failed until then",
	.reason = KVM_MSR_EXIT_REASON_FILTER,
	.vector = GP_VECTOR,
};

/* Since @before, @times accesses were decided on by @action; ALLOW is not counted. */
static void expect_counted(struct kvm_vcpu *vcpu, uint64_t before, int action,
			   uint64_t times)
{
	uint64_t want = action == KVM_X86_REG_RULE_ALLOW ? 0 : times;
	uint64_t hits = read_hits(vcpu) - before;

	TEST_ASSERT(hits == want, HITS " rose by %lu, not by %lu", hits, want);
}

/* The access leads to @result by the rules' @action, as often as it is made. */
static void expect(struct kvm_vcpu *vcpu, struct access a, int action,
		   const struct result *r)
{
	uint64_t before;
	struct outcome o;

	go_to_level(vcpu, a.level);
	vcpu_set_msr(vcpu, a.msr, OLD);
	before = read_hits(vcpu);
	o = access_msr(vcpu, a);

	check_outcome(o.reason == r->reason && o.vector == r->vector, r->name, &a, &o);
	check_outcome(!o.l1_exit, "kept from L1", &a, &o);
	if (a.write && r->reason)
		check_outcome(o.value == a.value, "told to userspace", &a, &o);
	if (!a.write && !r->vector)
		check_outcome(o.value == r->read, r->name, &a, &o);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr), a.write && r->written ? a.value : OLD);
	expect_counted(vcpu, before, action, a.repeats + 1);
}

static void expect_all(struct kvm_vcpu *vcpu, int action, const struct result *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect(vcpu, l2_access[i], action, r);
}

static void expect_all_emulated(struct kvm_vcpu *vcpu, int level, int action,
				const struct result *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect(vcpu, emulated(by(level, l2_access[i])), action, r);
}

/* L1 is told of L2's access, and the rules are not asked. */
static void expect_uncounted_l1_exit(struct kvm_vcpu *vcpu, struct access a)
{
	uint64_t before = read_hits(vcpu);

	expect_l1_exit(vcpu, a);
	expect_counted(vcpu, before, KVM_X86_REG_RULE_ALLOW, 0);
}

static struct kvm_x86_reg_rule rule(uint32_t msr, int action)
{
	return (struct kvm_x86_reg_rule) {
		.space = KVM_X86_REG_RULE_MSR,
		.access = KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE,
		.action = action,
		.first = msr,
		.last = msr,
		.value = action == KVM_X86_REG_RULE_IGNORE ? IGNORED : 0,
	};
}

static struct kvm_x86_reg_rule masked(struct kvm_x86_reg_rule r, uint64_t mask)
{
	r.mask = mask;
	r.access = KVM_X86_REG_RULE_WRITE;
	return r;
}

static void set_rule(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rule r)
{
	struct kvm_x86_reg_rules head = { .nr_rules = 1, .rules = (uintptr_t)&r };

	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &head);
}

/* What becomes of every access to either MSR, with a mask of those writes that match. */
static void set_rules(struct kvm_vcpu *vcpu, int action, uint32_t flags, uint64_t mask)
{
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_INTERCEPTED, action),
		rule(MSR_PASSTHROUGH, action),
	};
	struct kvm_x86_reg_rules head = {
		.flags = flags,
		.nr_rules = ARRAY_SIZE(rules),
		.rules = (uintptr_t)rules,
	};

	if (mask) {
		rules[0] = masked(rules[0], mask);
		rules[1] = masked(rules[1], mask);
	}
	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &head);
}

static void set_action(struct kvm_vcpu *vcpu, int action)
{
	set_rules(vcpu, action, 0, 0);
}

static void remove_rules(struct kvm_vcpu *vcpu)
{
	struct kvm_x86_reg_rules none = {};

	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &none);
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
	if (variant->vmx && !kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");
	if (!variant->vmx && !kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "needs nested SVM");

	self->vcpu = create_vcpu(variant->vmx, &self->bitmap);
}

FIXTURE_TEARDOWN(reg_rules_nested)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

TEST_F(reg_rules_nested, denied_access_faults)
{
	set_action(self->vcpu, KVM_X86_REG_RULE_DENY);
	expect_all(self->vcpu, KVM_X86_REG_RULE_DENY, &faults);
}

TEST_F(reg_rules_nested, denied_access_exits_if_enabled)
{
	exit_on_denials(self->vcpu);
	set_action(self->vcpu, KVM_X86_REG_RULE_DENY);
	expect_all(self->vcpu, KVM_X86_REG_RULE_DENY, &exits);
}

TEST_F(reg_rules_nested, gp_faults_though_exits_are_enabled)
{
	exit_on_denials(self->vcpu);
	set_action(self->vcpu, KVM_X86_REG_RULE_GP);
	expect_all(self->vcpu, KVM_X86_REG_RULE_GP, &faults);
}

TEST_F(reg_rules_nested, exit_needs_no_capability)
{
	set_action(self->vcpu, KVM_X86_REG_RULE_EXIT);
	expect_all(self->vcpu, KVM_X86_REG_RULE_EXIT, &exits);
}

/* Nobody clears the error that the exit starts with. */
TEST_F(reg_rules_nested, exit_fails_closed)
{
	set_rules(self->vcpu, KVM_X86_REG_RULE_EXIT, KVM_X86_REG_RULES_FAIL_CLOSED, 0);
	expect_all(self->vcpu, KVM_X86_REG_RULE_EXIT, &exits_and_faults);
}

TEST_F(reg_rules_nested, ignored_access)
{
	set_action(self->vcpu, KVM_X86_REG_RULE_IGNORE);
	expect_all(self->vcpu, KVM_X86_REG_RULE_IGNORE, &ignored);
}

TEST_F(reg_rules_nested, audited_access_is_performed)
{
	set_action(self->vcpu, KVM_X86_REG_RULE_AUDIT);
	expect_all(self->vcpu, KVM_X86_REG_RULE_AUDIT, &performed);
}

TEST_F(reg_rules_nested, allowed_access_is_performed)
{
	set_action(self->vcpu, KVM_X86_REG_RULE_ALLOW);
	expect_all(self->vcpu, KVM_X86_REG_RULE_ALLOW, &performed);
}

/* Masks are for writes. */
TEST_F(reg_rules_nested, masked_write_that_matches)
{
	int i;

	set_rules(self->vcpu, KVM_X86_REG_RULE_GP, 0, CHANGED_BIT);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		if (l2_access[i].write)
			expect(self->vcpu, l2_access[i], KVM_X86_REG_RULE_GP, &faults);
		else
			expect(self->vcpu, l2_access[i], KVM_X86_REG_RULE_ALLOW, &performed);
	}
}

TEST_F(reg_rules_nested, masked_write_that_does_not_match)
{
	set_rules(self->vcpu, KVM_X86_REG_RULE_IGNORE, 0, KEPT_BIT);
	expect_all(self->vcpu, KVM_X86_REG_RULE_ALLOW, &performed);
}

/* What the write would change is unknown, hence it matches. */
TEST_F(reg_rules_nested, masked_write_to_what_cannot_be_read)
{
	struct access a = { .level = 2, .msr = MSR_UNKNOWN, .write = true };
	struct outcome outcome = access_msr(self->vcpu, a);

	check_outcome(outcome.vector == GP_VECTOR && !outcome.l1_exit, "unknown to KVM",
		      &a, &outcome);

	set_rule(self->vcpu, masked(rule(MSR_UNKNOWN, KVM_X86_REG_RULE_IGNORE), KEPT_BIT));
	outcome = access_msr(self->vcpu, a);
	check_outcome(!outcome.vector && !outcome.reason && !outcome.l1_exit, "ignored",
		      &a, &outcome);
}

TEST_F(reg_rules_nested, default_action)
{
	struct kvm_x86_reg_rule harmless = rule(MSR_HARMLESS, KVM_X86_REG_RULE_ALLOW);
	struct kvm_x86_reg_rules head = {
		.nr_rules = 1,
		.msr_default = KVM_X86_REG_RULE_EXIT,
		.rules = (uintptr_t)&harmless,
	};

	vm_ioctl(self->vcpu->vm, KVM_X86_SET_REG_RULES, &head);
	expect_all(self->vcpu, KVM_X86_REG_RULE_EXIT, &exits);
}

/* What the rules let through is subject to the filter, whose verdict counts. */
TEST_F(reg_rules_nested, audited_write_that_the_filter_denies)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges = {
			{ KVM_MSR_FILTER_WRITE, 1, MSR_INTERCEPTED, &no_bits },
			{ KVM_MSR_FILTER_WRITE, 1, MSR_PASSTHROUGH, &no_bits },
		},
	};
	int i;

	set_action(self->vcpu, KVM_X86_REG_RULE_AUDIT);
	vm_ioctl(self->vcpu->vm, KVM_X86_SET_MSR_FILTER, &filter);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		if (l2_access[i].write)
			expect(self->vcpu, l2_access[i], KVM_X86_REG_RULE_DENY, &faults);
		else
			expect(self->vcpu, l2_access[i], KVM_X86_REG_RULE_AUDIT, &performed);
	}
}

/* L1 comes first, whatever the rules say of the access, and to L1's own. */
static void expect_l1_first(struct kvm_vcpu *vcpu, int action, const struct result *r)
{
	int i;

	set_action(vcpu, action);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_uncounted_l1_exit(vcpu, l2_access[i]);
		expect(vcpu, by(1, l2_access[i]), action, r);
	}
}

TEST_F(reg_rules_nested, access_that_l1_intercepts)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		set_l1_intercept(self->bitmap, variant->vmx, l2_access[i].msr,
				 l2_access[i].write);

	expect_l1_first(self->vcpu, KVM_X86_REG_RULE_DENY, &faults);
	expect_l1_first(self->vcpu, KVM_X86_REG_RULE_GP, &faults);
	expect_l1_first(self->vcpu, KVM_X86_REG_RULE_EXIT, &exits);
	expect_l1_first(self->vcpu, KVM_X86_REG_RULE_IGNORE, &ignored);
	expect_l1_first(self->vcpu, KVM_X86_REG_RULE_AUDIT, &performed);
}

TEST_F(reg_rules_nested, access_that_l1_intercepts_in_part)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	set_l1_intercept(self->bitmap, variant->vmx, MSR_PASSTHROUGH, false);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_INTERCEPTED, false);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		if (l2_access[i].write)
			expect(vcpu, l2_access[i], KVM_X86_REG_RULE_AUDIT, &performed);
		else
			expect_uncounted_l1_exit(vcpu, l2_access[i]);
	}
}

/* Each action is new to an L2 that is running, and each access its first. */
TEST_F(reg_rules_nested, rules_reach_running_l2)
{
	static const struct {
		int action;
		const struct result *result;
	} cases[] = {
		{ KVM_X86_REG_RULE_DENY, &faults },
		{ KVM_X86_REG_RULE_GP, &faults },
		{ KVM_X86_REG_RULE_EXIT, &exits },
		{ KVM_X86_REG_RULE_IGNORE, &ignored },
		{ KVM_X86_REG_RULE_AUDIT, &performed },
	};
	struct kvm_vcpu *vcpu = self->vcpu;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < ARRAY_SIZE(l2_access); j++) {
			remove_rules(vcpu);
			expect(vcpu, l2_access[j], KVM_X86_REG_RULE_ALLOW, &performed);
			set_action(vcpu, cases[i].action);
			expect(vcpu, l2_access[j], cases[i].action, cases[i].result);
		}
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* Without a rule, a running L2 has the MSR to itself again. */
TEST_F(reg_rules_nested, removal_restores_passthrough)
{
	struct access a = { .level = 2, .msr = MSR_PASSTHROUGH, .repeats = MANY };
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t before;

	go_to_level(vcpu, 2);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	expect(vcpu, a, KVM_X86_REG_RULE_AUDIT, &performed);

	remove_rules(vcpu);
	before = read_stat(vcpu, "exits");
	expect(vcpu, a, KVM_X86_REG_RULE_ALLOW, &performed);
	TEST_ASSERT(read_stat(vcpu, "exits") - before < MANY,
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
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect(vcpu, by(2, l2_access[i]), KVM_X86_REG_RULE_AUDIT, &performed);
		expect(vcpu, by(1, l2_access[i]), KVM_X86_REG_RULE_AUDIT, &performed);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, ARRAY_SIZE(l2_access));
}

/* Without the emulator, nothing would exit. */
static void expect_emulation(struct kvm_vcpu *vcpu, struct access a)
{
	uint64_t before = read_stat(vcpu, "exits");

	TEST_ASSERT_EQ(a.msr, MSR_PASSTHROUGH);
	a.repeats = MANY;
	expect(vcpu, emulated(a), KVM_X86_REG_RULE_ALLOW, &performed);
	TEST_ASSERT(read_stat(vcpu, "exits") - before > MANY, "L%d's %s is not emulated",
		    a.level, a.write ? "write" : "read");
}

static void expect_emulated_accesses_are_judged(struct kvm_vcpu *vcpu, int level)
{
	expect_emulation(vcpu, by(level, l2_access[0]));
	expect_emulation(vcpu, by(level, l2_access[1]));

	expect_all_emulated(vcpu, level, KVM_X86_REG_RULE_ALLOW, &performed);
	set_action(vcpu, KVM_X86_REG_RULE_GP);
	expect_all_emulated(vcpu, level, KVM_X86_REG_RULE_GP, &faults);
	set_action(vcpu, KVM_X86_REG_RULE_EXIT);
	expect_all_emulated(vcpu, level, KVM_X86_REG_RULE_EXIT, &exits);
	set_action(vcpu, KVM_X86_REG_RULE_IGNORE);
	expect_all_emulated(vcpu, level, KVM_X86_REG_RULE_IGNORE, &ignored);
	set_action(vcpu, KVM_X86_REG_RULE_AUDIT);
	expect_all_emulated(vcpu, level, KVM_X86_REG_RULE_AUDIT, &performed);
}

TEST_F(reg_rules_nested, emulated_access_by_l1)
{
	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	expect_emulated_accesses_are_judged(self->vcpu, 1);
}

TEST_F(reg_rules_nested, emulated_access_by_l2)
{
	struct access probe = { .level = 2, .msr = MSR_HARMLESS, .fep = true };

	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");
	if (access_msr(self->vcpu, probe).vector == UD_VECTOR)
		SKIP(return, "KVM does not emulate RDMSR for L2");

	expect_emulated_accesses_are_judged(self->vcpu, 2);
}

FIXTURE(reg_rules_vmx_refused)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(reg_rules_vmx_refused)
{
	int action;
	uint32_t flags;
	bool exits;
};

FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, deny) { .action = KVM_X86_REG_RULE_DENY };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, deny_and_exit) {
	.action = KVM_X86_REG_RULE_DENY,
	.exits = true,
};

FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, gp) { .action = KVM_X86_REG_RULE_GP };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, exit) { .action = KVM_X86_REG_RULE_EXIT };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, exit_fail_closed) {
	.action = KVM_X86_REG_RULE_EXIT,
	.flags = KVM_X86_REG_RULES_FAIL_CLOSED,
};

FIXTURE_SETUP(reg_rules_vmx_refused)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
	if (variant->exits)
		exit_on_denials(self->vcpu);
}

FIXTURE_TEARDOWN(reg_rules_vmx_refused)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

static void expect_entry_fails_by(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	uint64_t before = read_hits(vcpu);

	fill_list(vcpu, ENTRY_LOAD, msr);
	vcpu_set_msr(vcpu, msr, OLD);
	expect_failed_entry(vcpu);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, msr), OLD);
	expect_counted(vcpu, before, action, 1);
}

/* Once the rules are gone, L1 can go on. */
TEST_F(reg_rules_vmx_refused, fails_the_entry)
{
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_entry_fails_by(self->vcpu, MSR_PASSTHROUGH, variant->action);
	expect_entry_fails_by(self->vcpu, MSR_INTERCEPTED, variant->action);

	remove_rules(self->vcpu);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_INTERCEPTED), NEW);
}

/* The rules are set while L2 runs. */
TEST_F(reg_rules_vmx_refused, load_aborts_the_exit)
{
	uint64_t before = read_hits(self->vcpu);

	fill_list(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_aborted_exit(self->vcpu);
	expect_counted(self->vcpu, before, variant->action, 1);
}

TEST_F(reg_rules_vmx_refused, store_aborts_the_exit)
{
	struct vmx_msr_entry *entry = fill_list(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH);
	uint64_t before = read_hits(self->vcpu);

	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(entry->value, NEW);
	expect_counted(self->vcpu, before, variant->action, 1);
}

/* KVM has hardware store the TSC, and only has to pass it on. */
TEST_F(reg_rules_vmx_refused, tsc_store_aborts_the_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t before = read_hits(self->vcpu);

	go_to_level(self->vcpu, 2);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, variant->action));
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(tsc->value, NEW);
	expect_counted(self->vcpu, before, variant->action, 1);
}

FIXTURE(reg_rules_vmx)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(reg_rules_vmx)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
}

FIXTURE_TEARDOWN(reg_rules_vmx)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* Go from L1 to L2; returns what the MSR that held OLD holds there. */
static uint64_t load_on_entry(struct kvm_vcpu *vcpu, uint32_t msr)
{
	go_to_level(vcpu, 1);
	fill_list(vcpu, ENTRY_LOAD, msr);
	vcpu_set_msr(vcpu, msr, OLD);
	go_to_level(vcpu, 2);
	return vcpu_get_msr(vcpu, msr);
}

TEST_F(reg_rules_vmx, ignored_on_entry)
{
	uint64_t before = read_hits(self->vcpu);

	set_action(self->vcpu, KVM_X86_REG_RULE_IGNORE);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_PASSTHROUGH), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 1);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_INTERCEPTED), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_on_entry)
{
	uint64_t before = read_hits(self->vcpu);

	set_action(self->vcpu, KVM_X86_REG_RULE_AUDIT);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_PASSTHROUGH), NEW);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 1);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_INTERCEPTED), NEW);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 2);
}

/* A list's entry changes the bits by which it differs from the MSR. */
TEST_F(reg_rules_vmx, masked_on_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	set_rules(vcpu, KVM_X86_REG_RULE_GP, 0, KEPT_BIT);
	TEST_ASSERT_EQ(load_on_entry(vcpu, MSR_PASSTHROUGH), NEW);
	TEST_ASSERT_EQ(load_on_entry(vcpu, MSR_INTERCEPTED), NEW);

	go_to_level(vcpu, 1);
	set_rules(vcpu, KVM_X86_REG_RULE_GP, 0, CHANGED_BIT);
	expect_entry_fails_by(vcpu, MSR_PASSTHROUGH, KVM_X86_REG_RULE_GP);
	expect_entry_fails_by(vcpu, MSR_INTERCEPTED, KVM_X86_REG_RULE_GP);
}

/* Go from L2 to L1; returns what the MSR that held OLD holds there. */
static uint64_t load_on_exit(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	fill_list(vcpu, EXIT_LOAD, msr);
	remove_rules(vcpu);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, msr, OLD);
	set_action(vcpu, action);
	go_to_level(vcpu, 1);
	return vcpu_get_msr(vcpu, msr);
}

TEST_F(reg_rules_vmx, ignored_load_on_exit)
{
	uint64_t before = read_hits(self->vcpu);

	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_RULE_IGNORE), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 1);
	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_RULE_IGNORE), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_load_on_exit)
{
	uint64_t before = read_hits(self->vcpu);

	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_RULE_AUDIT), NEW);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 1);
	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_RULE_AUDIT), NEW);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 2);
}

/* Go from L2 to L1; returns what was stored of the MSR that holds OLD. */
static uint64_t store_on_exit(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	struct vmx_msr_entry *entry = fill_list(vcpu, EXIT_STORE, msr);

	remove_rules(vcpu);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, msr, OLD);
	set_action(vcpu, action);
	go_to_level(vcpu, 1);
	return entry->value;
}

TEST_F(reg_rules_vmx, ignored_store_on_exit)
{
	uint64_t before = read_hits(self->vcpu);

	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_RULE_IGNORE),
		       IGNORED);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 1);
	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_RULE_IGNORE),
		       IGNORED);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_store_on_exit)
{
	uint64_t before = read_hits(self->vcpu);

	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_RULE_AUDIT), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 1);
	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_RULE_AUDIT), OLD);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_AUDIT, 2);
}

TEST_F(reg_rules_vmx, ignored_tsc_store_on_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t before = read_hits(self->vcpu);

	go_to_level(self->vcpu, 2);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, KVM_X86_REG_RULE_IGNORE));
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(tsc->value, IGNORED);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_IGNORE, 1);
}

TEST_F(reg_rules_vmx, audited_tsc_store_on_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t counts = read_hits(self->vcpu);
	uint64_t before, after, offset = 0;

	/* Emulated hardware may add the offset to what it stores, real one does not. */
	vcpu_device_attr_set(self->vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
	before = read_at(self->vcpu, 2, MSR_IA32_TSC);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, KVM_X86_REG_RULE_AUDIT));
	go_to_level(self->vcpu, 1);
	expect_counted(self->vcpu, counts, KVM_X86_REG_RULE_AUDIT, 1);

	remove_rules(self->vcpu);
	after = read_at(self->vcpu, 1, MSR_IA32_TSC);
	TEST_ASSERT(before < tsc->value && tsc->value < after,
		    "stored 0x%lx, not between 0x%lx and 0x%lx", tsc->value, before, after);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_REG_RULES));

	return test_harness_run(argc, argv);
}
