// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_action_test - KVM_X86_SET_REG_RULES: what becomes of an access
 *
 * - Each action, for reads and writes, for MSRs that KVM intercepts, passes through
 *   and does not know, by the instruction itself and by KVM's emulator.
 * - Exits that fail closed; masked rules; the MSR filter below the rules.
 * - Every verdict but to plainly allow is counted, once.
 */
#include "kvm_test_harness.h"
#include "reg_rules.h"
#include "rule_counts.h"

/* Let the guest make an access: it must be counted once, unless it is plainly allowed. */
static struct outcome access_judged(struct kvm_vcpu *vcpu, struct access a,
				    enum reply reply, int action)
{
	uint64_t before = read_hits(vcpu), hits;
	struct outcome outcome = access_msr(vcpu, a, reply);

	hits = read_hits(vcpu) - before;
	TEST_ASSERT(hits == (action != KVM_X86_REG_RULE_ALLOW),
		    HITS " rose by %lu, for an access to 0x%x", hits, a.msr);
	return outcome;
}

static struct access reading(uint32_t msr)
{
	return (struct access) { .msr = msr };
}

static struct access writing(uint32_t msr, uint64_t value)
{
	return (struct access) { .msr = msr, .write = true, .value = value };
}

static void expect_exited(struct outcome outcome, uint8_t vector)
{
	TEST_ASSERT(outcome.reason == KVM_MSR_EXIT_REASON_FILTER && outcome.vector == vector,
		    "reason %u, vector %u, not an exit and vector %u", outcome.reason,
		    outcome.vector, vector);
}

static void expect_faulted(struct outcome outcome)
{
	TEST_ASSERT(!outcome.reason && outcome.vector == GP_VECTOR,
		    "reason %u, vector %u, not a #GP", outcome.reason, outcome.vector);
}

static void expect_made(struct outcome outcome)
{
	TEST_ASSERT(!outcome.reason && !outcome.vector,
		    "reason %u, vector %u, neither was to be", outcome.reason, outcome.vector);
}

/*
 * struct subject - whose accesses to what are tested
 * @vcpu: The vCPU.
 * @vm: Its VM.
 * @read: A read of the MSR.
 * @write: A write of NEW_VALUE to it; at first, the MSR holds OLD_VALUE.
 */
struct subject {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct access read;
	struct access write;
};

static void create_subject(struct subject *s, uint32_t msr, bool fep)
{
	s->vm = vm_create_with_one_vcpu(&s->vcpu, guest_main);
	s->read = reading(msr);
	s->write = writing(msr, NEW_VALUE);
	s->read.fep = fep;
	s->write.fep = fep;
	if (msr != MSR_UNKNOWN)
		vcpu_set_msr(s->vcpu, msr, OLD_VALUE);
}

/* Tests of all MSRs, in either way in which KVM comes to execute the instruction. */
FIXTURE(action)
{
	struct subject s;
};

FIXTURE_VARIANT(action)
{
	uint32_t msr;
	bool fep;
};

FIXTURE_VARIANT_ADD(action, intercepted)
{
	.msr = MSR_INTERCEPTED,
};

FIXTURE_VARIANT_ADD(action, passthrough)
{
	.msr = MSR_PASSTHROUGH,
};

FIXTURE_VARIANT_ADD(action, unknown)
{
	.msr = MSR_UNKNOWN,
};

FIXTURE_VARIANT_ADD(action, intercepted_emulated)
{
	.msr = MSR_INTERCEPTED, .fep = true,
};

FIXTURE_VARIANT_ADD(action, passthrough_emulated)
{
	.msr = MSR_PASSTHROUGH, .fep = true,
};

FIXTURE_VARIANT_ADD(action, unknown_emulated)
{
	.msr = MSR_UNKNOWN, .fep = true,
};

FIXTURE_SETUP(action)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	create_subject(&self->s, variant->msr, variant->fep);
}

FIXTURE_TEARDOWN(action)
{
	if (self->s.vm)
		kvm_vm_free(self->s.vm);
}

/* Tests of what KVM does not know, in the same ways. */
FIXTURE(unknown)
{
	struct subject s;
};

FIXTURE_VARIANT(unknown)
{
	bool fep;
};

FIXTURE_VARIANT_ADD(unknown, direct) { .fep = false };
FIXTURE_VARIANT_ADD(unknown, emulated) { .fep = true };

FIXTURE_SETUP(unknown)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	create_subject(&self->s, MSR_UNKNOWN, variant->fep);
}

FIXTURE_TEARDOWN(unknown)
{
	if (self->s.vm)
		kvm_vm_free(self->s.vm);
}

/* Tests of masked rules, for what has a value to compare with. */
FIXTURE(mask)
{
	struct subject s;
};

FIXTURE_VARIANT(mask)
{
	uint32_t msr;
	bool fep;
};

FIXTURE_VARIANT_ADD(mask, intercepted)
{
	.msr = MSR_INTERCEPTED,
};

FIXTURE_VARIANT_ADD(mask, passthrough)
{
	.msr = MSR_PASSTHROUGH,
};

FIXTURE_VARIANT_ADD(mask, intercepted_emulated)
{
	.msr = MSR_INTERCEPTED, .fep = true,
};

FIXTURE_VARIANT_ADD(mask, passthrough_emulated)
{
	.msr = MSR_PASSTHROUGH, .fep = true,
};

FIXTURE_SETUP(mask)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	create_subject(&self->s, variant->msr, variant->fep);
}

FIXTURE_TEARDOWN(mask)
{
	if (self->s.vm)
		kvm_vm_free(self->s.vm);
}

/* What the MSR really holds. */
static void expect_value(struct subject *s, uint64_t value)
{
	if (s->read.msr != MSR_UNKNOWN)
		TEST_ASSERT_EQ(vcpu_get_msr(s->vcpu, s->read.msr), value);
}

/* What a read returns if it is ignored. */
#define IGNORED_VALUE	(~ANSWER_VALUE)

/* The default is another one, so that it is the rule that counts. */
static void set_action(struct subject *s, uint8_t action)
{
	struct kvm_x86_reg_rule r = rule(s->read.msr, READ | WRITE, action);
	uint32_t other = action == KVM_X86_REG_RULE_EXIT ? KVM_X86_REG_RULE_GP :
							   KVM_X86_REG_RULE_EXIT;

	if (action == KVM_X86_REG_RULE_IGNORE)
		r.value = IGNORED_VALUE;
	set_rules(s->vm, &r, 1, other);
}

/* An access that is allowed is KVM's to handle, as if there were no rules. */
static void expect_handled(struct subject *s, int action)
{
	struct outcome read = access_judged(s->vcpu, s->read, ANSWER, action);
	struct outcome write = access_judged(s->vcpu, s->write, ANSWER, action);

	if (s->read.msr == MSR_UNKNOWN) {
		expect_faulted(read);
		expect_faulted(write);
		return;
	}

	expect_made(read);
	expect_made(write);
	TEST_ASSERT_EQ(read.value, OLD_VALUE);
	expect_value(s, NEW_VALUE);
	vcpu_set_msr(s->vcpu, s->read.msr, OLD_VALUE);
}

TEST_F(action, allow)
{
	expect_handled(&self->s, KVM_X86_REG_RULE_ALLOW);
	set_action(&self->s, KVM_X86_REG_RULE_ALLOW);
	expect_handled(&self->s, KVM_X86_REG_RULE_ALLOW);
}

TEST_F(action, audit)
{
	set_action(&self->s, KVM_X86_REG_RULE_AUDIT);
	expect_handled(&self->s, KVM_X86_REG_RULE_AUDIT);
	remove_rules(self->s.vm);
	expect_handled(&self->s, KVM_X86_REG_RULE_ALLOW);
}

/* What KVM makes of an access that it was let to handle is as ever, too. */
TEST_F(unknown, audit)
{
	struct outcome outcome;

	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_UNKNOWN);
	set_action(&self->s, KVM_X86_REG_RULE_AUDIT);
	outcome = access_judged(self->s.vcpu, self->s.read, ANSWER, KVM_X86_REG_RULE_AUDIT);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
}

static void expect_gps(struct subject *s, int action)
{
	expect_faulted(access_judged(s->vcpu, s->read, ANSWER, action));
	expect_faulted(access_judged(s->vcpu, s->write, ANSWER, action));
	expect_value(s, OLD_VALUE);
}

static void expect_exits(struct subject *s, int action)
{
	struct outcome outcome;

	outcome = access_judged(s->vcpu, s->read, ANSWER, action);
	expect_exited(outcome, 0);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
	expect_exited(access_judged(s->vcpu, s->read, REFUSE, action), GP_VECTOR);

	outcome = access_judged(s->vcpu, s->write, ANSWER, action);
	expect_exited(outcome, 0);
	TEST_ASSERT_EQ(outcome.value, NEW_VALUE);
	expect_exited(access_judged(s->vcpu, s->write, REFUSE, action), GP_VECTOR);
	expect_value(s, OLD_VALUE);
}

/* It is for the exits that the filter has that userspace has to ask. */
TEST_F(action, deny)
{
	set_action(&self->s, KVM_X86_REG_RULE_DENY);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_FILTER);
	expect_exits(&self->s, KVM_X86_REG_RULE_DENY);
	exit_on(self->s.vm, 0);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
}

TEST_F(action, gp)
{
	set_action(&self->s, KVM_X86_REG_RULE_GP);
	expect_gps(&self->s, KVM_X86_REG_RULE_GP);
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	expect_gps(&self->s, KVM_X86_REG_RULE_GP);
}

TEST_F(action, exit)
{
	set_action(&self->s, KVM_X86_REG_RULE_EXIT);
	expect_exits(&self->s, KVM_X86_REG_RULE_EXIT);
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	expect_exits(&self->s, KVM_X86_REG_RULE_EXIT);
}

static void expect_ignored(struct subject *s)
{
	struct access write = s->write;
	struct outcome outcome;

	outcome = access_judged(s->vcpu, s->read, ANSWER, KVM_X86_REG_RULE_IGNORE);
	expect_made(outcome);
	TEST_ASSERT_EQ(outcome.value, IGNORED_VALUE);

	/* Not even a value that the MSR would not take makes a difference. */
	write.value = ~0ull;
	expect_made(access_judged(s->vcpu, write, ANSWER, KVM_X86_REG_RULE_IGNORE));
	expect_value(s, OLD_VALUE);
}

TEST_F(action, ignore)
{
	set_action(&self->s, KVM_X86_REG_RULE_IGNORE);
	expect_ignored(&self->s);
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	expect_ignored(&self->s);
}

/* The default is the last rule. */
TEST_F(action, by_default)
{
	set_rules(self->s.vm, NULL, 0, KVM_X86_REG_RULE_DENY);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
	set_rules(self->s.vm, NULL, 0, KVM_X86_REG_RULE_GP);
	expect_gps(&self->s, KVM_X86_REG_RULE_GP);
	set_rules(self->s.vm, NULL, 0, KVM_X86_REG_RULE_EXIT);
	expect_exits(&self->s, KVM_X86_REG_RULE_EXIT);
	set_rules(self->s.vm, NULL, 0, KVM_X86_REG_RULE_AUDIT);
	expect_handled(&self->s, KVM_X86_REG_RULE_AUDIT);
}

static void set_fail_closed(struct kvm_vm *vm, uint32_t msr, uint8_t action, uint32_t flags)
{
	struct kvm_x86_reg_rule r = rule(msr, READ | WRITE, action);
	struct kvm_x86_reg_rules head = rules_head(&r, 1, KVM_X86_REG_RULE_ALLOW);

	head.flags = flags;
	vm_ioctl(vm, KVM_X86_SET_REG_RULES, &head);
}

/* Who forgets to reply lets the access pass; a read returns 0. */
static void expect_fails_open(struct subject *s)
{
	struct outcome outcome = access_msr(s->vcpu, s->read, FORGET);

	expect_exited(outcome, 0);
	TEST_ASSERT_EQ(outcome.error, 0);
	TEST_ASSERT_EQ(outcome.value, 0);
	outcome = access_msr(s->vcpu, s->write, FORGET);
	expect_exited(outcome, 0);
	TEST_ASSERT_EQ(outcome.error, 0);
	expect_value(s, OLD_VALUE);
}

static void expect_fails_closed(struct subject *s)
{
	struct outcome outcome = access_msr(s->vcpu, s->read, FORGET);

	expect_exited(outcome, GP_VECTOR);
	TEST_ASSERT_EQ(outcome.error, 1);
	outcome = access_msr(s->vcpu, s->write, FORGET);
	expect_exited(outcome, GP_VECTOR);
	TEST_ASSERT_EQ(outcome.error, 1);

	/* Who replies decides, as ever. */
	outcome = access_msr(s->vcpu, s->read, ANSWER);
	expect_exited(outcome, 0);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
	expect_exited(access_msr(s->vcpu, s->write, ANSWER), 0);
	expect_value(s, OLD_VALUE);
}

TEST_F(action, fail_closed)
{
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_FILTER);
	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_EXIT, 0);
	expect_fails_open(&self->s);
	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_DENY, 0);
	expect_fails_open(&self->s);

	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_EXIT,
			KVM_X86_REG_RULES_FAIL_CLOSED);
	expect_fails_closed(&self->s);
	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_DENY,
			KVM_X86_REG_RULES_FAIL_CLOSED);
	expect_fails_closed(&self->s);
}

/* The filter's callers expect that, whatever the rules ask for. */
TEST_F(action, filter_fails_open)
{
	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	set_filter(self->s.vm, variant->msr, READ | WRITE);
	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_ALLOW,
			KVM_X86_REG_RULES_FAIL_CLOSED);
	expect_fails_open(&self->s);
	set_fail_closed(self->s.vm, variant->msr, KVM_X86_REG_RULE_AUDIT,
			KVM_X86_REG_RULES_FAIL_CLOSED);
	expect_fails_open(&self->s);
}

/* And so do those who ask for the exits of what KVM does not know. */
TEST_F(unknown, fails_open)
{
	struct outcome outcome;

	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_UNKNOWN);
	set_fail_closed(self->s.vm, MSR_UNKNOWN, KVM_X86_REG_RULE_ALLOW,
			KVM_X86_REG_RULES_FAIL_CLOSED);
	outcome = access_msr(self->s.vcpu, self->s.read, FORGET);
	TEST_ASSERT_EQ(outcome.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	TEST_ASSERT_EQ(outcome.error, 0);
	TEST_ASSERT_EQ(outcome.vector, 0);
}

/* Write @value; it must come to be what the MSR holds, or be dropped. */
static void expect_written(struct subject *s, uint64_t value)
{
	s->write.value = value;
	expect_made(access_judged(s->vcpu, s->write, ANSWER, KVM_X86_REG_RULE_ALLOW));
	expect_value(s, value);
}

static void expect_dropped(struct subject *s, uint64_t value)
{
	uint64_t before = vcpu_get_msr(s->vcpu, s->write.msr);

	s->write.value = value;
	expect_made(access_judged(s->vcpu, s->write, ANSWER, KVM_X86_REG_RULE_IGNORE));
	expect_value(s, before);
}

/* Bits that both MSRs take, whatever the others. */
#define BIT_A	BIT_ULL(1)
#define BIT_B	BIT_ULL(33)
#define BIT_C	BIT_ULL(9)

TEST_F(mask, changed_bits)
{
	set_rule(self->s.vm, masked(variant->msr, BIT_A | BIT_B, KVM_X86_REG_RULE_IGNORE));
	expect_dropped(&self->s, OLD_VALUE ^ BIT_A);
	expect_dropped(&self->s, OLD_VALUE ^ BIT_B);
	expect_dropped(&self->s, OLD_VALUE ^ BIT_A ^ BIT_B ^ BIT_C);
	expect_written(&self->s, OLD_VALUE);
	expect_written(&self->s, OLD_VALUE ^ BIT_C);

	/* It is the present value that counts, set or clear. */
	expect_dropped(&self->s, OLD_VALUE ^ BIT_A);
	vcpu_set_msr(self->s.vcpu, variant->msr, OLD_VALUE ^ BIT_A);
	expect_written(&self->s, OLD_VALUE ^ BIT_A ^ BIT_C);
	expect_dropped(&self->s, OLD_VALUE);
}

/* While no rule was in force, the guest may have written without KVM. */
TEST_F(mask, after_passthrough)
{
	expect_written(&self->s, OLD_VALUE ^ BIT_A);
	set_rule(self->s.vm, masked(variant->msr, BIT_A, KVM_X86_REG_RULE_IGNORE));
	expect_written(&self->s, OLD_VALUE ^ BIT_A ^ BIT_B);
	expect_dropped(&self->s, OLD_VALUE ^ BIT_B);

	remove_rules(self->s.vm);
	expect_written(&self->s, OLD_VALUE ^ BIT_B);
}

/* Rules with masks in a row: the first that tests a bit which changes. */
TEST_F(mask, first_match_wins)
{
	struct kvm_x86_reg_rule rules[] = {
		masked(variant->msr, BIT_A, KVM_X86_REG_RULE_IGNORE),
		masked(variant->msr, BIT_A | BIT_B, KVM_X86_REG_RULE_GP),
		masked(variant->msr, BIT_B | BIT_C, KVM_X86_REG_RULE_EXIT),
		rule(variant->msr, WRITE, KVM_X86_REG_RULE_AUDIT),
	};

	set_rules(self->s.vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_ALLOW);
	expect_dropped(&self->s, OLD_VALUE ^ BIT_A);
	expect_dropped(&self->s, OLD_VALUE ^ BIT_A ^ BIT_B ^ BIT_C);
	self->s.write.value = OLD_VALUE ^ BIT_B ^ BIT_C;
	expect_faulted(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_GP));
	self->s.write.value = OLD_VALUE ^ BIT_C;
	expect_exited(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_EXIT), 0);
	self->s.write.value = OLD_VALUE;
	expect_made(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_AUDIT));
	expect_value(&self->s, OLD_VALUE);
}

/*
 * Registers that hold another value than what is written: the mask is compared with
 * what they hold.  KVM does not ask the vCPU how many bits an address has, but the
 * processor.
 */
static uint64_t value_compared(uint32_t msr, uint64_t value)
{
	int bits = kvm_cpu_has(X86_FEATURE_LA57) ? 57 : 48;

	if (msr == MSR_TSC_AUX)
		return (uint32_t)value;

	return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

FIXTURE(adjusted)
{
	struct subject s;
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
	create_subject(&self->s, MSR_INTERCEPTED, false);
	self->s.write.msr = variant->msr;
}

FIXTURE_TEARDOWN(adjusted)
{
	kvm_vm_free(self->s.vm);
}

/* Each bit that is compared decides, and no other. */
TEST_F(adjusted, mask_is_of_what_is_held)
{
	struct subject *s = &self->s;
	uint64_t compared;
	int i, bit;

	for (i = 0; i < ARRAY_SIZE(variant->values); i++) {
		s->write.value = variant->values[i];
		if (variant->msr == MSR_TSC_AUX && host_cpu_is_intel && s->write.value >> 32)
			continue;

		compared = value_compared(variant->msr, s->write.value);
		for (bit = 0; bit < 64; bit += bit < 30 || bit > 48 ? 5 : 1) {
			set_rule(s->vm, masked(variant->msr, BIT_ULL(bit),
					       KVM_X86_REG_RULE_GP));
			if (compared & BIT_ULL(bit))
				expect_faulted(access_judged(s->vcpu, s->write, ANSWER,
							     KVM_X86_REG_RULE_GP));
			else
				expect_made(access_judged(s->vcpu, s->write, ANSWER,
							  KVM_X86_REG_RULE_ALLOW));
			vcpu_set_msr(s->vcpu, variant->msr, 0);
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
		if (variant->msr == MSR_TSC_AUX && host_cpu_is_intel && value >> 32)
			continue;

		TEST_ASSERT_EQ(_vcpu_set_msr(self->s.vcpu, variant->msr, value), 1);
		held = value_compared(variant->msr, value);
		if (host_cpu_is_amd)
			held = (uint32_t)held;
		TEST_ASSERT_EQ(vcpu_get_msr(self->s.vcpu, variant->msr), held);
	}
}

/* Whoever writes back what it reads changes nothing. */
TEST_F(adjusted, what_is_held_can_be_written)
{
	struct subject *s = &self->s;
	uint64_t value = variant->msr == MSR_TSC_AUX ? 0x12345678 :
			 host_cpu_is_intel ? 0xffffffff81001000 : 0x81001000;

	s->write.value = value;
	expect_made(access_msr(s->vcpu, s->write, ANSWER));
	s->write.value = access_msr(s->vcpu, reading(variant->msr), ANSWER).value;
	set_rule(s->vm, masked(variant->msr, ~0ull, KVM_X86_REG_RULE_GP));
	expect_made(access_judged(s->vcpu, s->write, ANSWER, KVM_X86_REG_RULE_ALLOW));
	s->write.value ^= 0x10;
	expect_faulted(access_judged(s->vcpu, s->write, ANSWER, KVM_X86_REG_RULE_GP));
}

/* EFER.LMA follows from paging, whatever is written. */
TEST_F(mask, lma_is_not_written)
{
	struct subject *s = &self->s;
	uint64_t efer = vcpu_get_msr(s->vcpu, MSR_EFER);

	TEST_ASSERT(efer & EFER_LMA, "not in long mode");
	set_rule(s->vm, masked(MSR_EFER, EFER_LMA, KVM_X86_REG_RULE_GP));
	s->write.msr = MSR_EFER;
	s->write.value = efer & ~EFER_LMA;
	expect_made(access_judged(s->vcpu, s->write, ANSWER, KVM_X86_REG_RULE_ALLOW));
	TEST_ASSERT_EQ(vcpu_get_msr(s->vcpu, MSR_EFER), efer);
}

/* What cannot be read may change in any way: MSRs that KVM does not know ... */
TEST_F(unknown, mask)
{
	set_rule(self->s.vm, masked(MSR_UNKNOWN, BIT_A, KVM_X86_REG_RULE_IGNORE));
	self->s.write.value = 0;
	expect_made(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_IGNORE));
	self->s.write.value = ~0ull;
	expect_made(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_IGNORE));
}

/* ... and those that are for writing only. */
TEST_F(unknown, mask_of_write_only_msr)
{
	self->s.write.msr = MSR_IA32_PRED_CMD;
	self->s.write.value = 0;
	set_rule(self->s.vm, masked(MSR_IA32_PRED_CMD, BIT_A, KVM_X86_REG_RULE_IGNORE));
	expect_made(access_judged(self->s.vcpu, self->s.write, ANSWER, KVM_X86_REG_RULE_IGNORE));
}

/*
 * What the two lists make of an access together:
 * @rules: The action of the rules.
 * @filtered: Whether the filter denies.
 * @action: What counts.
 */
static const struct layering {
	uint8_t rules;
	bool filtered;
	uint8_t action;
} layerings[] = {
	{ KVM_X86_REG_RULE_ALLOW, false, KVM_X86_REG_RULE_ALLOW },
	{ KVM_X86_REG_RULE_ALLOW, true, KVM_X86_REG_RULE_DENY },
	{ KVM_X86_REG_RULE_AUDIT, false, KVM_X86_REG_RULE_AUDIT },
	{ KVM_X86_REG_RULE_AUDIT, true, KVM_X86_REG_RULE_DENY },
	{ KVM_X86_REG_RULE_DENY, false, KVM_X86_REG_RULE_DENY },
	{ KVM_X86_REG_RULE_DENY, true, KVM_X86_REG_RULE_DENY },
	{ KVM_X86_REG_RULE_GP, false, KVM_X86_REG_RULE_GP },
	{ KVM_X86_REG_RULE_GP, true, KVM_X86_REG_RULE_GP },
	{ KVM_X86_REG_RULE_EXIT, false, KVM_X86_REG_RULE_EXIT },
	{ KVM_X86_REG_RULE_EXIT, true, KVM_X86_REG_RULE_EXIT },
	{ KVM_X86_REG_RULE_IGNORE, false, KVM_X86_REG_RULE_IGNORE },
	{ KVM_X86_REG_RULE_IGNORE, true, KVM_X86_REG_RULE_IGNORE },
};

static void expect_action(struct subject *s, int action)
{
	switch (action) {
	case KVM_X86_REG_RULE_DENY:
	case KVM_X86_REG_RULE_EXIT:
		expect_exits(s, action);
		break;
	case KVM_X86_REG_RULE_GP:
		expect_gps(s, action);
		break;
	case KVM_X86_REG_RULE_IGNORE:
		expect_ignored(s);
		break;
	default:
		expect_handled(s, action);
	}
}

static void set_layer(struct subject *s, const struct layering *l, bool filter)
{
	if (!filter)
		set_action(s, l->rules);
	else if (l->filtered)
		set_filter(s->vm, s->read.msr, READ | WRITE);
	else
		set_filter(s->vm, MSR_FS_BASE, READ | WRITE);
}

/* From each state to the next, the one list before the other, and the other way. */
TEST_F(action, layers)
{
	int order, i;

	exit_on(self->s.vm, KVM_MSR_EXIT_REASON_FILTER);
	for (order = 0; order < 2; order++) {
		for (i = 0; i < ARRAY_SIZE(layerings); i++) {
			set_layer(&self->s, &layerings[i], order);
			set_layer(&self->s, &layerings[i], !order);
			expect_action(&self->s, layerings[i].action);
		}
	}
}

/* Whoever sets or removes one list keeps the other. */
TEST_F(action, layers_are_apart)
{
	struct kvm_x86_reg_rules no_room = {};

	set_action(&self->s, KVM_X86_REG_RULE_EXIT);
	set_filter(self->s.vm, MSR_FS_BASE, READ);
	set_filter(self->s.vm, variant->msr, READ | WRITE);
	expect_exits(&self->s, KVM_X86_REG_RULE_EXIT);
	set_action(&self->s, KVM_X86_REG_RULE_ALLOW);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
	remove_rules(self->s.vm);
	expect_gps(&self->s, KVM_X86_REG_RULE_DENY);
	vm_ioctl(self->s.vm, KVM_X86_GET_REG_RULES, &no_room);

	set_action(&self->s, KVM_X86_REG_RULE_IGNORE);
	remove_filter(self->s.vm);
	expect_ignored(&self->s);
	remove_rules(self->s.vm);
	expect_handled(&self->s, KVM_X86_REG_RULE_ALLOW);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
