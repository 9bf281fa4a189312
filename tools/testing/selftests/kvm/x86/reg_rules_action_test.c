// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_action_test - KVM_X86_SET_REG_RULES: what becomes of an access
 *
 * - Each action, for reads and writes, for MSRs that KVM intercepts, passes through
 *   and does not know, by the instruction itself and by KVM's emulator.
 * - Exits that fail closed; masked rules; the MSR filter below the rules.
 * - What KVM does not know is ignored, whatever exits are enabled and whatever the
 *   module parameters ignore_msrs and report_ignored_msrs say; nothing else is.
 * - Every decision but to plainly allow is counted, once.
 */
#include "kvm_test_harness.h"
#include "reg_rules.h"

/* The last two have no value to compare with. */
#define NR_MSRS		4
#define NR_KNOWN_MSRS	2

static const uint32_t msrs[NR_MSRS] = {
	MSR_INTERCEPTED, MSR_PASSTHROUGH, MSR_UNKNOWN, MSR_UNKNOWN_IN_WINDOW,
};

static bool is_unknown(uint32_t msr)
{
	return msr == MSR_UNKNOWN || msr == MSR_UNKNOWN_IN_WINDOW;
}

/* Tests in either way in which KVM comes to execute the instruction. */
FIXTURE(action)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool fep;
};

FIXTURE_VARIANT(action)
{
	bool fep;
};

FIXTURE_VARIANT_ADD(action, direct) { .fep = false };
FIXTURE_VARIANT_ADD(action, emulated) { .fep = true };

FIXTURE_SETUP(action)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	self->vm = vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
	self->fep = variant->fep;
}

FIXTURE_TEARDOWN(action)
{
	kvm_vm_free(self->vm);
}

static struct msr_access reading(uint32_t msr, bool fep)
{
	return (struct msr_access) { .msr = msr, .fep = fep };
}

static struct msr_access writing(uint32_t msr, bool fep, uint64_t value)
{
	return (struct msr_access) { .msr = msr, .fep = fep, .write = true, .value = value };
}

/* A read and a write.  An access that is allowed is KVM's to handle. */
static void expect(struct _test_data_action *self, uint32_t msr, int action,
		   const struct msr_result *result)
{
	/* If it is ignored, it may be a value that the MSR does not take. */
	uint64_t value = action == KVM_X86_REG_RULE_IGNORE ? ~0ull : NEW_VALUE;

	if (is_unknown(msr) && result == &msr_performed)
		result = action == KVM_X86_REG_RULE_IGNORE_UNKNOWN ? &msr_ignored :
								     &msr_faults;
	expect_action(self->vcpu, reading(msr, self->fep), action, result);
	expect_action(self->vcpu, writing(msr, self->fep, value), action, result);
}

/* The default is another one, so that it is the rule that counts. */
static void set_action(struct kvm_vm *vm, uint32_t msr, uint8_t action, uint32_t flags)
{
	uint8_t other = action == KVM_X86_REG_RULE_EXIT ? KVM_X86_REG_RULE_GP :
							  KVM_X86_REG_RULE_EXIT;
	struct kvm_x86_reg_rule r = rule(msr, READ | WRITE, action);
	struct kvm_x86_reg_rules head = rules_head(&r, 1, other);

	head.flags = flags;
	set_head(vm, head);
}

TEST_F(action, by_rule)
{
	const struct rule_case *c;
	int i;

	for (i = 0; i < NR_MSRS; i++) {
		for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
			exit_on(self->vm, c->exits);
			set_action(self->vm, msrs[i], c->action, c->flags);
			expect(self, msrs[i], c->action, c->result);
		}
		exit_on(self->vm, 0);
		remove_rules(self->vm);
		expect(self, msrs[i], KVM_X86_REG_RULE_ALLOW, &msr_performed);
	}
}

/* The default is the last rule; a read that it ignores returns 0. */
TEST_F(action, by_default)
{
	const struct msr_result reads_zero = { .name = "ignored" };
	const struct msr_result *result;
	const struct rule_case *c;
	int i;

	for (i = 0; i < NR_MSRS; i++) {
		for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
			exit_on(self->vm, c->exits);
			set_head(self->vm, (struct kvm_x86_reg_rules) {
				.flags = c->flags, .msr_default = c->action,
			});
			result = c->result;
			if (result == &msr_ignored ||
			    (c->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN &&
			     is_unknown(msrs[i])))
				result = &reads_zero;
			expect(self, msrs[i], c->action, result);
		}
	}
}

/* What KVM makes of an access that it was let to handle is as ever, and fails open. */
TEST_F(action, unknown_exits)
{
	struct msr_result unknown = msr_exits;

	unknown.reason = KVM_MSR_EXIT_REASON_UNKNOWN;
	exit_on(self->vm, KVM_MSR_EXIT_REASON_UNKNOWN);
	set_action(self->vm, MSR_UNKNOWN, KVM_X86_REG_RULE_AUDIT, 0);
	expect(self, MSR_UNKNOWN, KVM_X86_REG_RULE_AUDIT, &unknown);

	unknown.reply = FORGET;
	unknown.read = 0;
	set_action(self->vm, MSR_UNKNOWN, KVM_X86_REG_RULE_ALLOW,
		   KVM_X86_REG_RULES_FAIL_CLOSED);
	expect(self, MSR_UNKNOWN, KVM_X86_REG_RULE_ALLOW, &unknown);
}

/* KVM knows the MSR, and refuses the value: that is not ignored. */
TEST_F(action, value_that_kvm_refuses)
{
	struct msr_access a = writing(MSR_INTERCEPTED, self->fep, ~0ull);
	struct msr_result invalid = msr_refused;

	set_action(self->vm, MSR_INTERCEPTED, KVM_X86_REG_RULE_IGNORE_UNKNOWN, 0);
	expect_action(self->vcpu, a, KVM_X86_REG_RULE_ALLOW, &msr_faults);

	invalid.reason = KVM_MSR_EXIT_REASON_INVAL;
	exit_on(self->vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	expect_action(self->vcpu, a, KVM_X86_REG_RULE_ALLOW, &invalid);
}

/* Each access has its own rule.  A write to what cannot be read matches any mask. */
TEST_F(action, unknown_read_or_write)
{
	uint32_t msr[] = { MSR_UNKNOWN, MSR_UNKNOWN_IN_WINDOW };
	int i;

	for (i = 0; i < ARRAY_SIZE(msr); i++) {
		set_rule(self->vm, rule(msr[i], READ, KVM_X86_REG_RULE_IGNORE_UNKNOWN));
		expect_action(self->vcpu, reading(msr[i], self->fep),
			      KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_ignored);
		expect_action(self->vcpu, writing(msr[i], self->fep, NEW_VALUE),
			      KVM_X86_REG_RULE_ALLOW, &msr_faults);

		set_rule(self->vm, masked(msr[i], BIT_ULL(63), KVM_X86_REG_RULE_IGNORE_UNKNOWN));
		expect_action(self->vcpu, reading(msr[i], self->fep),
			      KVM_X86_REG_RULE_ALLOW, &msr_faults);
		expect_action(self->vcpu, writing(msr[i], self->fep, 0),
			      KVM_X86_REG_RULE_IGNORE_UNKNOWN, &msr_ignored);
	}
}

/* What the host cannot access without rules, it cannot access with them. */
TEST_F(action, unknown_to_the_host)
{
	uint64_t before = read_hits(self->vcpu);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { { .nmsrs = 1 }, { .index = MSR_UNKNOWN_IN_WINDOW } };

	set_action(self->vm, MSR_UNKNOWN_IN_WINDOW, KVM_X86_REG_RULE_IGNORE_UNKNOWN, 0);
	TEST_ASSERT_EQ(_vcpu_set_msr(self->vcpu, MSR_UNKNOWN_IN_WINDOW, OLD_VALUE), 0);
	TEST_ASSERT_EQ(__vcpu_ioctl(self->vcpu, KVM_GET_MSRS, &one.head), 0);
	TEST_ASSERT_EQ(read_hits(self->vcpu), before);
}

#define PARAMETERS	"/sys/module/kvm/parameters/"

/* What was said in the kernel's log about the MSR since @log was opened? */
static bool was_logged(int log)
{
	char number[16];

	snprintf(number, sizeof(number), "0x%x", MSR_UNKNOWN);
	return times_logged(log, number);
}

/* A read and a write by the guest succeed, and the read returns @value. */
static void expect_ignored(struct _test_data_action *self, uint64_t value)
{
	struct msr_outcome o = access_msr(self->vcpu, reading(MSR_UNKNOWN, self->fep), ANSWER);

	TEST_ASSERT(!o.reason && !o.vector && o.value == value,
		    "reason %u, vector %u, value 0x%lx", o.reason, o.vector, o.value);
	o = access_msr(self->vcpu, writing(MSR_UNKNOWN, self->fep, NEW_VALUE), ANSWER);
	TEST_ASSERT(!o.reason && !o.vector, "reason %u, vector %u", o.reason, o.vector);
}

FIXTURE(parameters)
{
	char ignore[2], report[2];
	int log;
};

FIXTURE_SETUP(parameters)
{
	self->log = open_log();
	if (self->log < 0 ||
	    !read_file(PARAMETERS "ignore_msrs", self->ignore, sizeof(self->ignore)) ||
	    !read_file(PARAMETERS "report_ignored_msrs", self->report, sizeof(self->report)) ||
	    !write_file(PARAMETERS "ignore_msrs", self->ignore))
		SKIP(return, "needs root, /dev/kmsg and kvm's module parameters");
}

/* In the parent, for a failed assertion ends the child. */
FIXTURE_TEARDOWN_PARENT(parameters)
{
	write_file(PARAMETERS "ignore_msrs", self->ignore);
	write_file(PARAMETERS "report_ignored_msrs", self->report);
}

/* The parameters ignore and report what the rules allow, but not what these ignore. */
TEST_F(parameters, rules_come_first)
{
	static const char * const values[] = { "N", "Y" };
	struct _test_data_action vm = {};
	int ignore, report;

	vm.vm = vm_create_with_one_vcpu(&vm.vcpu, msr_guest_main);
	for (ignore = 0; ignore < 2; ignore++) {
		for (report = 0; report < 2; report++) {
			write_file(PARAMETERS "ignore_msrs", values[ignore]);
			write_file(PARAMETERS "report_ignored_msrs", values[report]);

			set_action(vm.vm, MSR_UNKNOWN, KVM_X86_REG_RULE_IGNORE_UNKNOWN, 0);
			expect_ignored(&vm, IGNORED_VALUE);
			TEST_ASSERT(!was_logged(self->log), "the log tells of it");
			if (!ignore)
				continue;

			set_action(vm.vm, MSR_UNKNOWN, KVM_X86_REG_RULE_ALLOW, 0);
			expect_ignored(&vm, 0);
			TEST_ASSERT_EQ(was_logged(self->log), report);
		}
	}
	kvm_vm_free(vm.vm);
}

/* The write that arms the timer has a path of its own with VMX. */
TEST_F(action, tsc_deadline)
{
	struct msr_access arm = writing(MSR_IA32_TSC_DEADLINE, self->fep, ~0ull >> 1);
	const struct rule_case *c;

	enable_tsc_deadline(self->vcpu);
	for (c = rule_cases; c < rule_cases + ARRAY_SIZE(rule_cases); c++) {
		exit_on(self->vm, c->exits);
		set_action(self->vm, MSR_IA32_TSC_DEADLINE, c->action, c->flags);
		expect_action(self->vcpu, arm, c->action, c->result);
	}
}

/* Bits that both MSRs take, whatever the others: one that is set, and two that are not. */
#define BIT_A	BIT_ULL(1)
#define BIT_B	BIT_ULL(32)
#define BIT_C	BIT_ULL(8)

/*
 * struct mask_case - what becomes of a write
 * @changes: The bits in which it differs from OLD_VALUE.
 * @action: Of the rule that matches.
 * @result: Of the write.
 */
struct mask_case {
	uint64_t changes;
	int action;
	const struct msr_result *result;
};

static void expect_masks(struct _test_data_action *self, uint32_t msr,
			 const struct mask_case *cases, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		expect_action(self->vcpu, writing(msr, self->fep, OLD_VALUE ^ cases[i].changes),
			      cases[i].action, cases[i].result);
}

TEST_F(action, mask_is_of_changed_bits)
{
	const struct mask_case cases[] = {
		{ BIT_A, KVM_X86_REG_RULE_IGNORE, &msr_ignored },
		{ BIT_B, KVM_X86_REG_RULE_IGNORE, &msr_ignored },
		{ BIT_A | BIT_B | BIT_C, KVM_X86_REG_RULE_IGNORE, &msr_ignored },
		{ 0, KVM_X86_REG_RULE_ALLOW, &msr_performed },
		{ BIT_C, KVM_X86_REG_RULE_ALLOW, &msr_performed },
	};
	int i;

	for (i = 0; i < NR_KNOWN_MSRS; i++) {
		set_rule(self->vm, masked(msrs[i], BIT_A | BIT_B, KVM_X86_REG_RULE_IGNORE));
		expect_masks(self, msrs[i], cases, ARRAY_SIZE(cases));
	}
}

/* Rules with masks in a row: the first that tests a bit which changes. */
TEST_F(action, first_mask_that_matches_wins)
{
	const struct mask_case cases[] = {
		{ BIT_A, KVM_X86_REG_RULE_IGNORE, &msr_ignored },
		{ BIT_A | BIT_B | BIT_C, KVM_X86_REG_RULE_IGNORE, &msr_ignored },
		{ BIT_B | BIT_C, KVM_X86_REG_RULE_GP, &msr_faults },
		{ BIT_C, KVM_X86_REG_RULE_EXIT, &msr_exits },
		{ 0, KVM_X86_REG_RULE_AUDIT, &msr_performed },
	};
	int i;

	for (i = 0; i < NR_KNOWN_MSRS; i++) {
		struct kvm_x86_reg_rule rules[] = {
			masked(msrs[i], BIT_A, KVM_X86_REG_RULE_IGNORE),
			masked(msrs[i], BIT_A | BIT_B, KVM_X86_REG_RULE_GP),
			masked(msrs[i], BIT_B | BIT_C, KVM_X86_REG_RULE_EXIT),
			rule(msrs[i], WRITE, KVM_X86_REG_RULE_AUDIT),
		};

		set_rules(self->vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_ALLOW);
		expect_masks(self, msrs[i], cases, ARRAY_SIZE(cases));
	}
}

static void write_and_expect(struct _test_data_action *self, uint32_t msr, uint64_t value,
			     uint64_t held)
{
	struct msr_outcome o = access_msr(self->vcpu, writing(msr, self->fep, value), ANSWER);

	TEST_ASSERT(!o.reason && !o.vector, "reason %u, vector %u", o.reason, o.vector);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, msr), held);
}

/* While no rule was in force, the guest may have written without KVM. */
TEST_F(action, mask_after_passthrough)
{
	int i;

	for (i = 0; i < NR_KNOWN_MSRS; i++) {
		vcpu_set_msr(self->vcpu, msrs[i], OLD_VALUE);
		write_and_expect(self, msrs[i], OLD_VALUE ^ BIT_A, OLD_VALUE ^ BIT_A);
		set_rule(self->vm, masked(msrs[i], BIT_A, KVM_X86_REG_RULE_IGNORE));
		write_and_expect(self, msrs[i], OLD_VALUE ^ BIT_A ^ BIT_B,
				 OLD_VALUE ^ BIT_A ^ BIT_B);
		write_and_expect(self, msrs[i], OLD_VALUE ^ BIT_B, OLD_VALUE ^ BIT_A ^ BIT_B);
		remove_rules(self->vm);
		write_and_expect(self, msrs[i], OLD_VALUE ^ BIT_B, OLD_VALUE ^ BIT_B);
	}
}

/* EFER.LMA follows from paging, whatever is written. */
TEST_F(action, mask_of_lma)
{
	uint64_t efer = vcpu_get_msr(self->vcpu, MSR_EFER), before = read_hits(self->vcpu);

	TEST_ASSERT(efer & EFER_LMA, "not in long mode");
	set_rule(self->vm, masked(MSR_EFER, EFER_LMA, KVM_X86_REG_RULE_GP));
	write_and_expect(self, MSR_EFER, efer & ~EFER_LMA, efer);
	expect_counted(self->vcpu, before, KVM_X86_REG_RULE_ALLOW, 1);
}

/* What cannot be read may change in any way: what is unknown, or for writing only. */
TEST_F(action, mask_of_what_cannot_be_read)
{
	const uint32_t unreadable[] = { MSR_UNKNOWN, MSR_IA32_PRED_CMD };
	const uint64_t values[] = { 0, ~0ull };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(unreadable); i++) {
		set_rule(self->vm, masked(unreadable[i], BIT_A, KVM_X86_REG_RULE_IGNORE));
		for (j = 0; j < ARRAY_SIZE(values); j++)
			expect_action(self->vcpu, writing(unreadable[i], self->fep, values[j]),
				      KVM_X86_REG_RULE_IGNORE, &msr_ignored);
	}
}

/* What the two lists make of an access together, with the filter's exits enabled. */
static void expect_layers(struct _test_data_action *self, uint32_t msr, int action,
			  bool filtered)
{
	const struct msr_result * const results[] = {
		[KVM_X86_REG_RULE_ALLOW] = &msr_performed,
		[KVM_X86_REG_RULE_DENY] = &msr_exits,
		[KVM_X86_REG_RULE_GP] = &msr_faults,
		[KVM_X86_REG_RULE_EXIT] = &msr_exits,
		[KVM_X86_REG_RULE_IGNORE] = &msr_ignored,
		[KVM_X86_REG_RULE_AUDIT] = &msr_performed,
		[KVM_X86_REG_RULE_IGNORE_UNKNOWN] = &msr_performed,
	};

	if (filtered && results[action] == &msr_performed)
		action = KVM_X86_REG_RULE_DENY;
	expect(self, msr, action, results[action]);
}

/* From each state to the next, the one list before the other, and the other way. */
TEST_F(action, layers)
{
	struct kvm_msr_filter filter;
	int action, i, order, filtered;

	exit_on(self->vm, KVM_MSR_EXIT_REASON_FILTER);
	for (i = 0; i < NR_MSRS; i++) {
		for (action = 0; action <= KVM_X86_REG_RULE_IGNORE_UNKNOWN; action++) {
			for (order = 0; order < 4; order++) {
				filtered = order & 1;
				filter = deny_range(filtered ? msrs[i] : MSR_FS_BASE, 1,
						    READ | WRITE);
				if (order & 2)
					set_filter(self->vm, filter);
				set_action(self->vm, msrs[i], action, 0);
				if (!(order & 2))
					set_filter(self->vm, filter);
				expect_layers(self, msrs[i], action, filtered);
			}
		}
	}
}

/* Whoever sets or removes one list keeps the other. */
TEST_F(action, layers_are_apart)
{
	struct kvm_x86_reg_rules no_room = {};
	int i;

	for (i = 0; i < NR_MSRS; i++) {
		set_action(self->vm, msrs[i], KVM_X86_REG_RULE_EXIT, 0);
		set_filter(self->vm, deny_range(MSR_FS_BASE, 1, READ));
		set_filter(self->vm, deny_range(msrs[i], 1, READ | WRITE));
		expect(self, msrs[i], KVM_X86_REG_RULE_EXIT, &msr_exits);
		set_action(self->vm, msrs[i], KVM_X86_REG_RULE_ALLOW, 0);
		expect(self, msrs[i], KVM_X86_REG_RULE_DENY, &msr_faults);
		remove_rules(self->vm);
		expect(self, msrs[i], KVM_X86_REG_RULE_DENY, &msr_faults);
		vm_ioctl(self->vm, KVM_X86_GET_REG_RULES, &no_room);

		set_action(self->vm, msrs[i], KVM_X86_REG_RULE_IGNORE, 0);
		remove_filter(self->vm);
		expect(self, msrs[i], KVM_X86_REG_RULE_IGNORE, &msr_ignored);
		remove_rules(self->vm);
		expect(self, msrs[i], KVM_X86_REG_RULE_ALLOW, &msr_performed);
	}
}

/* The filter's callers expect that its exits fail open, whatever the rules ask for. */
TEST_F(action, filter_fails_open)
{
	int i;

	exit_on(self->vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	for (i = 0; i < NR_MSRS; i++) {
		set_filter(self->vm, deny_range(msrs[i], 1, READ | WRITE));
		set_action(self->vm, msrs[i], KVM_X86_REG_RULE_ALLOW,
			   KVM_X86_REG_RULES_FAIL_CLOSED);
		expect(self, msrs[i], KVM_X86_REG_RULE_DENY, &msr_forgotten);
		set_action(self->vm, msrs[i], KVM_X86_REG_RULE_AUDIT,
			   KVM_X86_REG_RULES_FAIL_CLOSED);
		expect(self, msrs[i], KVM_X86_REG_RULE_DENY, &msr_forgotten);
	}
}

/* Registers that hold another value than what is written. */
FIXTURE(adjusted)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(adjusted)
{
	uint32_t msr;
	uint64_t values[4];
};

/* KVM makes them canonical; SVM cuts them to 32 bits after that. */
FIXTURE_VARIANT_ADD(adjusted, sysenter_eip)
{
	.msr = MSR_IA32_SYSENTER_EIP,
	.values = { 1, BIT_ULL(40), BIT_ULL(47), BIT_ULL(63) },
};

FIXTURE_VARIANT_ADD(adjusted, sysenter_esp)
{
	.msr = MSR_IA32_SYSENTER_ESP,
	.values = { BIT_ULL(31), BIT_ULL(32), BIT_ULL(46), BIT_ULL(47) },
};

/* AMD's has 32 bits, Intel's refuses the others. */
FIXTURE_VARIANT_ADD(adjusted, tsc_aux)
{
	.msr = MSR_TSC_AUX,
	.values = { 1, BIT_ULL(31), BIT_ULL(40), BIT_ULL(63) },
};

FIXTURE_SETUP(adjusted)
{
	vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
}

FIXTURE_TEARDOWN(adjusted)
{
	kvm_vm_free(self->vcpu->vm);
}

/*
 * The mask is compared with what the register will hold.  KVM does not ask the vCPU
 * how many bits an address has, but the processor.
 */
static uint64_t value_compared(uint32_t msr, uint64_t value)
{
	int bits = kvm_cpu_has(X86_FEATURE_LA57) ? 57 : 48;

	if (msr == MSR_TSC_AUX)
		return (uint32_t)value;

	return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static bool can_be_written(uint32_t msr, uint64_t value)
{
	return msr != MSR_TSC_AUX || !host_cpu_is_intel || !(value >> 32);
}

static void expect_masked(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value, uint64_t mask,
			  bool matches)
{
	uint64_t before = read_hits(vcpu);
	struct msr_outcome o;

	set_rule(vcpu->vm, masked(msr, mask, KVM_X86_REG_RULE_GP));
	o = write_msr(vcpu, msr, value);
	TEST_ASSERT(!o.reason && o.vector == (matches ? GP_VECTOR : 0),
		    "0x%lx to 0x%x, mask 0x%lx: reason %u, vector %u", value, msr, mask,
		    o.reason, o.vector);
	expect_counted(vcpu, before, KVM_X86_REG_RULE_GP, matches);
}

/* Each bit that is compared decides, and no other. */
TEST_F(adjusted, mask_is_of_what_is_held)
{
	uint64_t value, compared;
	int i, bit;

	for (i = 0; i < ARRAY_SIZE(variant->values); i++) {
		value = variant->values[i];
		if (!can_be_written(variant->msr, value))
			continue;

		compared = value_compared(variant->msr, value);
		for (bit = 0; bit < 64; bit += bit < 30 || bit > 48 ? 5 : 1) {
			vcpu_set_msr(self->vcpu, variant->msr, 0);
			expect_masked(self->vcpu, variant->msr, value, BIT_ULL(bit),
				      compared & BIT_ULL(bit));
		}
	}
}

/* The register then holds what was compared; on AMD's, 32 bits of it. */
TEST_F(adjusted, what_is_compared_is_held)
{
	uint64_t value, held;
	int i;

	for (i = 0; i < ARRAY_SIZE(variant->values); i++) {
		value = variant->values[i];
		if (!can_be_written(variant->msr, value))
			continue;

		TEST_ASSERT_EQ(_vcpu_set_msr(self->vcpu, variant->msr, value), 1);
		held = value_compared(variant->msr, value);
		TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, variant->msr),
			       host_cpu_is_amd ? (uint32_t)held : held);
	}
}

/* Whoever writes back what it reads changes nothing. */
TEST_F(adjusted, what_is_held_can_be_written)
{
	uint64_t value = variant->msr == MSR_TSC_AUX ? 0x12345678 :
			 host_cpu_is_intel ? 0xffffffff81001000 : 0x81001000;

	vcpu_set_msr(self->vcpu, variant->msr, value);
	value = read_msr(self->vcpu, variant->msr).value;
	expect_masked(self->vcpu, variant->msr, value, ~0ull, false);
	expect_masked(self->vcpu, variant->msr, value ^ 0x10, ~0ull, true);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
