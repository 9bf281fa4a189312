// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_control_test - KVM_X86_SET_REG_RULES for control registers
 *
 * - Each action decides on each instruction that writes CR0, CR4 or XCR0, also if KVM
 *   emulates it.  A write that changes no bit of the rule's mask is not affected.
 * - A refused write changes nothing; userspace may approve, change or refuse one that
 *   exits, and an approved one gets all checks.
 * - A vCPU that is saved with an exit pending makes the write again, or has made it.
 * - What a rule guards remains so when other bits, EFER or CPUID change, and is the
 *   guest's again when the rule goes.
 * - When SET has returned, a running vCPU can no longer make a write that is refused.
 * - What userspace writes is not affected, nor is INIT.
 */
#include "kvm_test_harness.h"
#include "reg_control.h"

/* Bits that the guest itself does not need. */
static const struct reg_write writes[] = {
	{ MOV_CR0, false, X86_CR0_WP, true },
	{ MOV_CR0, false, X86_CR0_WP },
	{ MOV_CR0, false, X86_CR0_TS },
	{ MOV_CR0, false, X86_CR0_TS, true },
	{ MOV_CR0, false, X86_CR0_MP },
	{ MOV_CR0, false, X86_CR0_AM, true },
	{ LMSW, false, X86_CR0_TS },
	{ LMSW, false, X86_CR0_MP, true },
	{ CLTS, false, X86_CR0_TS, true },
	{ MOV_CR4, false, X86_CR4_PGE },
	{ MOV_CR4, false, X86_CR4_TSD, true },
	{ MOV_CR4, false, X86_CR4_UMIP, true },
	{ MOV_CR4, false, X86_CR4_SMEP, true },
	{ XSETBV, false, XFEATURE_MASK_SSE },
	{ XSETBV, false, XFEATURE_MASK_SSE, true },

	{ MOV_CR0, true, X86_CR0_WP, true },
	{ MOV_CR0, true, X86_CR0_TS },
	{ LMSW, true, X86_CR0_TS },
	{ CLTS, true, X86_CR0_TS, true },
	{ MOV_CR4, true, X86_CR4_PGE },
	{ MOV_CR4, true, X86_CR4_SMEP, true },
	{ XSETBV, true, XFEATURE_MASK_SSE },
};

static const uint8_t actions[] = {
	KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_AUDIT, KVM_X86_REG_RULE_DENY,
	KVM_X86_REG_RULE_GP, KVM_X86_REG_RULE_EXIT,
};

/* A rule for another bit of the same register. */
static uint64_t other_bit(struct reg_write w)
{
	switch (w.insn) {
	case MOV_CR4:
		return X86_CR4_DE;
	case XSETBV:
		return XFEATURE_MASK_YMM;
	default:
		return X86_CR0_NE;
	}
}

/* QEMU 7.2 does not: KVM is not told of the new value. */
static bool intercepts_xsetbv(struct kvm_vcpu *vcpu)
{
	struct reg_write w = { XSETBV, false, XFEATURE_MASK_SSE };
	uint64_t value = start_write(vcpu, w);

	run_to_ready(vcpu);
	return get_control(vcpu, w.insn) == value;
}

static bool can_make(struct reg_write w, bool xsetbv)
{
	if (w.fep && !is_forced_emulation_enabled)
		return false;

	if (w.insn == MOV_CR4 && w.bit == X86_CR4_UMIP)
		return kvm_cpu_has(X86_FEATURE_UMIP);

	if (w.insn == MOV_CR4 && w.bit == X86_CR4_SMEP)
		return kvm_cpu_has(X86_FEATURE_SMEP);

	return w.insn != XSETBV || (kvm_cpu_has(X86_FEATURE_XSAVE) && (w.fep || xsetbv));
}

FIXTURE(reg_rules_control)
{
	struct kvm_vcpu *vcpu;
	bool xsetbv;
	struct reg_write writes[ARRAY_SIZE(writes)];
	int nr;
};

FIXTURE_SETUP(reg_rules_control)
{
	int i;

	self->vcpu = create_write_vcpu();
	self->xsetbv = kvm_cpu_has(X86_FEATURE_XSAVE) && intercepts_xsetbv(self->vcpu);
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		if (can_make(writes[i], self->xsetbv))
			self->writes[self->nr++] = writes[i];
	}
}

FIXTURE_TEARDOWN(reg_rules_control)
{
	kvm_vm_free(self->vcpu->vm);
}

TEST_F(reg_rules_control, refused)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_GP);
		remove_rules(self->vcpu->vm);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
	}
}

TEST_F(reg_rules_control, actions)
{
	struct reg_write *w;
	int i;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		for (i = 0; i < ARRAY_SIZE(actions); i++) {
			set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, actions[i]));
			expect_write(self->vcpu, *w, actions[i]);
			set_rule(self->vcpu->vm, control_rule(w->insn, 0, actions[i]));
			expect_write(self->vcpu, *w, actions[i]);
		}
	}
}

/* DENY exits for MSRs only. */
TEST_F(reg_rules_control, deny_with_msr_exits)
{
	struct reg_write *w;

	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_VALID_MASK);
	for (w = self->writes; w < self->writes + self->nr; w++) {
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_DENY));
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_DENY);
	}
}

TEST_F(reg_rules_control, other_bits_are_allowed)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		set_rule(self->vcpu->vm,
			 control_rule(w->insn, ~w->bit, KVM_X86_REG_RULE_GP));
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
	}
}

TEST_F(reg_rules_control, first_match_decides)
{
	struct kvm_x86_reg_rule rules[3];
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		rules[0] = control_rule(w->insn, other_bit(*w), KVM_X86_REG_RULE_EXIT);
		rules[1] = control_rule(w->insn, w->bit, KVM_X86_REG_RULE_ALLOW);
		rules[2] = control_rule(w->insn, 0, KVM_X86_REG_RULE_GP);
		set_rules(self->vcpu->vm, rules, 3, KVM_X86_REG_RULE_ALLOW);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
		rules[1].action = KVM_X86_REG_RULE_GP;
		rules[2].action = KVM_X86_REG_RULE_ALLOW;
		set_rules(self->vcpu->vm, rules, 3, KVM_X86_REG_RULE_ALLOW);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_GP);
	}
}

/* Neither the default nor an MSR's rule is for a control register. */
TEST_F(reg_rules_control, not_an_msr)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		set_rules(self->vcpu->vm,
			  &(struct kvm_x86_reg_rule) { .first = 0, .last = 4, .access = WRITE,
						       .action = KVM_X86_REG_RULE_GP },
			  1, KVM_X86_REG_RULE_DENY);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
	}
}

static void expect_reply(struct kvm_vcpu *vcpu, struct reg_write w, uint32_t flags,
			 enum msr_reply reply)
{
	struct kvm_x86_reg_rule rule = control_rule(w.insn, w.bit, KVM_X86_REG_RULE_EXIT);
	struct kvm_x86_reg_rules head = rules_head(&rule, 1, KVM_X86_REG_RULE_ALLOW);
	uint64_t value = start_write(vcpu, w);
	struct control_state before = get_state(vcpu);

	head.flags = flags;
	set_head(vcpu->vm, head);
	expect_write_exit(vcpu, w, &before, !!flags);
	if (reply != FORGET)
		vcpu->run->reg_write.error = reply == REFUSE;
	if (vcpu->run->reg_write.error)
		expect_unchanged(vcpu, &before);
	else
		expect_written(vcpu, w, value);
}

TEST_F(reg_rules_control, refused_by_userspace)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++)
		expect_reply(self->vcpu, *w, 0, REFUSE);
}

TEST_F(reg_rules_control, fails_closed)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++)
		expect_reply(self->vcpu, *w, KVM_X86_REG_RULES_FAIL_CLOSED, FORGET);
}

TEST_F(reg_rules_control, approved)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		expect_reply(self->vcpu, *w, 0, FORGET);
		expect_reply(self->vcpu, *w, KVM_X86_REG_RULES_FAIL_CLOSED, ANSWER);
	}
}

/*
 * Run up to the exit of a write, by a rule for its bit.  Return what it writes, and in
 * @before what the vCPU holds meanwhile.
 */
static uint64_t run_to_write_exit(struct kvm_vcpu *vcpu, struct reg_write w,
				  struct control_state *before)
{
	uint64_t value;

	set_rule(vcpu->vm, control_rule(w.insn, w.bit, KVM_X86_REG_RULE_EXIT));
	value = start_write(vcpu, w);
	*before = get_state(vcpu);
	expect_write_exit(vcpu, w, before, 0);
	return value;
}

/* Userspace changes what is written. */
TEST_F(reg_rules_control, changed_by_userspace)
{
	struct control_state before;
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		value = run_to_write_exit(self->vcpu, *w, &before);
		self->vcpu->run->reg_write.data = value ^ w->bit;
		expect_written(self->vcpu, *w, value ^ w->bit);
	}
}

/* An approved write gets all checks. */
TEST_F(reg_rules_control, invalid_value_from_userspace)
{
	struct control_state before;
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		run_to_write_exit(self->vcpu, *w, &before);
		self->vcpu->run->reg_write.data = BIT_ULL(62);
		expect_unchanged(self->vcpu, &before);
	}
}

/* What userspace says about the register is not asked for. */
TEST_F(reg_rules_control, scribbled_exit)
{
	struct control_state before;
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		value = run_to_write_exit(self->vcpu, *w, &before);
		self->vcpu->run->reg_write.space = -1;
		self->vcpu->run->reg_write.index = -1;
		self->vcpu->run->reg_write.old = -1;
		expect_written(self->vcpu, *w, value);
	}
}

/* The rule is gone when userspace approves. */
TEST_F(reg_rules_control, rules_removed_before_reply)
{
	struct control_state before;
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		value = run_to_write_exit(self->vcpu, *w, &before);
		remove_rules(self->vcpu->vm);
		expect_written(self->vcpu, *w, value);
	}
}

/* Userspace has the vCPU go on elsewhere: there is nothing to approve any more. */
TEST_F(reg_rules_control, moved_on_before_reply)
{
	struct control_state before;
	struct kvm_regs regs, start;
	struct reg_write *w;

	vcpu_regs_get(self->vcpu, &start);
	start.rip = (uintptr_t)write_guest_main;
	for (w = self->writes; w < self->writes + self->nr; w++) {
		run_to_write_exit(self->vcpu, *w, &before);
		vcpu_regs_set(self->vcpu, &start);
		vcpu_run_complete_io(self->vcpu);
		expect_state(self->vcpu, &before);
		vcpu_regs_get(self->vcpu, &regs);
		TEST_ASSERT_EQ(regs.rip, start.rip);
		run_to_ready(self->vcpu);
	}
}

/* Move the vCPU to another VM, with the guest's memory. */
static struct kvm_vcpu *move_vcpu(struct kvm_vcpu *vcpu)
{
	struct control_state state = get_state(vcpu);
	struct kvm_vm *vm = vcpu->vm;
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	vcpu_events_get(vcpu, &events);
	kvm_vm_release(vm);
	vcpu = vm_recreate_with_one_vcpu(vm);
	vcpu_init_cpuid(vcpu, kvm_get_supported_cpuid());
	vcpu_sregs_set(vcpu, &state.sregs);
	vcpu_xcrs_set(vcpu, &state.xcrs);
	vcpu_regs_set(vcpu, &regs);
	vcpu_events_set(vcpu, &events);
	return vcpu;
}

/* The vCPU is saved while its exit waits, and makes the write where it is restored. */
TEST_F(reg_rules_control, saved_with_pending_exit)
{
	struct kvm_x86_reg_rule rule;
	struct control_state before;
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		/* Emulation restarts behind the prefix: with an instruction that exits. */
		rule = control_rule(w->insn, w->bit, KVM_X86_REG_RULE_EXIT);
		if (w->insn == XSETBV && !self->xsetbv)
			continue;

		value = run_to_write_exit(self->vcpu, *w, &before);
		self->vcpu = move_vcpu(self->vcpu);
		set_rule(self->vcpu->vm, rule);
		expect_write_exit(self->vcpu, *w, &before, 0);
		expect_written(self->vcpu, *w, value);
	}
}

/* The write is made before the vCPU is saved, and not again. */
TEST_F(reg_rules_control, saved_after_completion)
{
	struct kvm_x86_reg_rule rule;
	struct control_state before;
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		rule = control_rule(w->insn, w->bit, KVM_X86_REG_RULE_EXIT);
		value = run_to_write_exit(self->vcpu, *w, &before);
		vcpu_run_complete_io(self->vcpu);
		TEST_ASSERT_EQ(get_control(self->vcpu, w->insn), value);
		self->vcpu = move_vcpu(self->vcpu);
		set_rule(self->vcpu->vm, rule);
		expect_written(self->vcpu, *w, value);
	}
}

/* Other writes make KVM recompute what it intercepts. */
TEST_F(reg_rules_control, recalculation)
{
	struct reg_write cr0 = { MOV_CR0, false, X86_CR0_AM }, cr4 = { MOV_CR4, false, X86_CR4_DE };
	uint64_t efer = kvm_cpu_has(X86_FEATURE_SVM) ? EFER_SVME : EFER_SCE;
	struct control_state s;
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		if (w->bit != cr0.bit)
			expect_write(self->vcpu, cr0, KVM_X86_REG_RULE_ALLOW);
		expect_write(self->vcpu, cr4, KVM_X86_REG_RULE_ALLOW);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_GP);

		s = get_state(self->vcpu);
		s.sregs.efer ^= efer;
		vcpu_sregs_set(self->vcpu, &s.sregs);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_GP);
	}
}

/* The vCPU model comes after the rules, and with it what the guest may own. */
TEST(cpuid_after_rules)
{
	const struct reg_write guest_owned[] = {
		{ MOV_CR0, false, X86_CR0_WP, true },
		{ MOV_CR0, false, X86_CR0_TS },
		{ MOV_CR4, false, X86_CR4_PGE },
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	for (i = 0; i < ARRAY_SIZE(guest_owned); i++) {
		vm = vm_create_with_one_vcpu(&vcpu, write_guest_main);
		vm_install_exception_handler(vm, GP_VECTOR, guest_gp_handler);
		set_rule(vm, control_rule(guest_owned[i].insn, guest_owned[i].bit,
					  KVM_X86_REG_RULE_GP));
		vcpu_set_cpuid(vcpu);
		run_to_ready(vcpu);
		prepare_controls(vcpu);
		expect_write(vcpu, guest_owned[i], KVM_X86_REG_RULE_GP);
		kvm_vm_free(vm);
	}
}

TEST_F(reg_rules_control, rule_for_changed_bit)
{
	struct reg_write *w;

	for (w = self->writes; w < self->writes + self->nr; w++)
		expect_change_back_refused(self->vcpu, *w);
}

static void expect_read_controls(struct kvm_vcpu *vcpu)
{
	TEST_ASSERT_EQ(write_guest_of(vcpu)->cr0, get_control(vcpu, MOV_CR0));
	TEST_ASSERT_EQ(write_guest_of(vcpu)->cr4, get_control(vcpu, MOV_CR4));
}

/* The guest reads what it has written, whoever owns the bit. */
TEST_F(reg_rules_control, bits_keep_their_values)
{
	struct reg_write *w;
	uint64_t value;

	for (w = self->writes; w < self->writes + self->nr; w++) {
		value = start_write(self->vcpu, *w);
		expect_written(self->vcpu, *w, value);
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		expect_written(self->vcpu, *w, value);
		expect_read_controls(self->vcpu);
		remove_rules(self->vcpu->vm);
		expect_written(self->vcpu, *w, value);
		expect_read_controls(self->vcpu);
	}
}

static void hammer_main(void)
{
	for (;;) {
		hammer_until_stopped();
		guest_ready();
	}
}

TEST(set_is_synchronous)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, hammer_main);

	vm_install_exception_handler(vm, GP_VECTOR, guest_gp_handler);
	expect_synchronous(vcpu, MOV_CR0, X86_CR0_TS);
	expect_synchronous(vcpu, MOV_CR0, X86_CR0_WP);
	expect_synchronous(vcpu, MOV_CR4, X86_CR4_PGE);
	kvm_vm_free(vm);
}

/* SET_SREGS and SET_XCRS. */
TEST_F(reg_rules_control, userspace_is_not_judged)
{
	struct reg_write *w;
	uint64_t hits = read_hits(self->vcpu);

	for (w = self->writes; w < self->writes + self->nr; w++) {
		set_rule(self->vcpu->vm, control_rule(w->insn, 0, KVM_X86_REG_RULE_GP));
		start_write(self->vcpu, *w);
		w->clear = !w->clear;
		start_write(self->vcpu, *w);
		w->clear = !w->clear;
	}
	TEST_ASSERT_EQ(read_hits(self->vcpu), hits);
}

static void send_init(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.latched_init = 1;
	vcpu_events_set(vcpu, &events);
}

/* Nothing of what INIT clears is the guest's doing. */
TEST_F(reg_rules_control, init_is_not_judged)
{
	struct kvm_x86_reg_rule rules[] = {
		control_rule(MOV_CR0, 0, KVM_X86_REG_RULE_GP),
		control_rule(MOV_CR4, 0, KVM_X86_REG_RULE_GP),
	};
	uint64_t hits = read_hits(self->vcpu);

	set_rules(self->vcpu->vm, rules, 2, KVM_X86_REG_RULE_ALLOW);
	send_init(self->vcpu);
	/* There is no memory at the reset vector. */
	__vcpu_run(self->vcpu);
	TEST_ASSERT_EQ(get_control(self->vcpu, MOV_CR4), 0);
	TEST_ASSERT_EQ(get_control(self->vcpu, MOV_CR0) & X86_CR0_PG, 0);
	TEST_ASSERT_EQ(read_hits(self->vcpu), hits);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
