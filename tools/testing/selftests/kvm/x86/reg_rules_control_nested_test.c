// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_control_nested_test - register rules for control registers of nested guests
 *
 * - The rules decide on a write by L2 that L1 does not intercept as on L1's; one that
 *   L1 intercepts goes to L1, and the rules do not see it.
 * - Rules reach an L2 that is running before SET returns, and hold for L1 when L2 has
 *   left; and no longer when they are removed.
 * - L2 reads the bits that L1 owns as L1 wants, whoever decided on its write.
 * - What VM-exit loads into L1's CR0 and CR4 is L1's write, compared with what they
 *   held at VM-entry: if it is refused, VM-entry fails, or VMX aborts if the rule has
 *   come later.
 * - What SMM makes of a nested guest does not change L1's registers.
 */
#include "kvm_test_harness.h"
#include "reg_control.h"
#include "svm_util.h"

static const struct reg_write writes[] = {
	{ MOV_CR0, false, X86_CR0_WP, true },
	{ MOV_CR0, false, X86_CR0_TS },
	{ MOV_CR0, false, X86_CR0_MP },
	{ LMSW, false, X86_CR0_TS },
	{ CLTS, false, X86_CR0_TS, true },
	{ MOV_CR4, false, X86_CR4_PGE },
	{ MOV_CR4, false, X86_CR4_TSD },
};

static const uint8_t actions[] = {
	KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_AUDIT, KVM_X86_REG_RULE_DENY,
	KVM_X86_REG_RULE_GP, KVM_X86_REG_RULE_EXIT,
};

#define VMXERR_INVALID_HOST_STATE	8

/* A level for write_guest: L2 hammers. */
#define HAMMER	3

/*
 * struct l1 - lives in guest memory
 * @owned_cr0, @owned_cr4: What L1 owns, and has set, of L2's registers.
 * @flip_cr0, @flip_cr4: What VM-exit changes in L1's registers.
 * @shadow_cr0: What L2 reads in the place of what L1 owns, if anything.
 * @l2_cr0: What L2 has read.
 * @exit_reason: Why L2 left last, if it was not at its own request, else 0.
 * @try_entry: With VMX, VM-entry may fail.
 * @entry_error: Why VM-entry failed then, else 0.
 */
static struct l1 {
	uint64_t owned_cr0, owned_cr4;
	uint64_t flip_cr0, flip_cr4;
	uint64_t shadow_cr0;
	uint64_t l2_cr0;
	uint64_t exit_reason;
	bool try_entry;
	uint64_t entry_error;
} l1;

static void l2_main(void)
{
	for (;;) {
		l1.l2_cr0 = get_cr0();
		guest_ready();
		if (READ_ONCE(write_guest.level) == 2)
			guest_write();
		else if (READ_ONCE(write_guest.level) == HAMMER)
			hammer_until_stopped();
		else
			leave_l2();
	}
}

static void prepare_vmx(void)
{
	vmwrite(GUEST_CR0, vmreadz(GUEST_CR0) | l1.owned_cr0);
	vmwrite(CR0_GUEST_HOST_MASK, l1.owned_cr0);
	vmwrite(CR4_GUEST_HOST_MASK, l1.owned_cr4);
	vmwrite(CR0_READ_SHADOW, l1.owned_cr0 ? l1.shadow_cr0 : vmreadz(GUEST_CR0));
	vmwrite(CR4_READ_SHADOW, vmreadz(GUEST_CR4));
	vmwrite(HOST_CR0, get_cr0() ^ l1.flip_cr0);
	vmwrite(HOST_CR4, get_cr4() ^ l1.flip_cr4);
}

static void prepare_svm(struct svm_test_data *svm)
{
	svm->vmcb->control.intercept_cr &= ~(BIT(INTERCEPT_CR0_WRITE) | BIT(INTERCEPT_CR4_WRITE));
	if (l1.owned_cr0)
		svm->vmcb->control.intercept_cr |= BIT(INTERCEPT_CR0_WRITE);
	if (l1.owned_cr4)
		svm->vmcb->control.intercept_cr |= BIT(INTERCEPT_CR4_WRITE);
}

static void l1_main(void *pages)
{
	set_up_l1(pages, l2_main);
	for (;;) {
		guest_ready();
		if (READ_ONCE(write_guest.level) == 1) {
			guest_write();
			continue;
		}

		if (msr_guest.vmx)
			prepare_vmx();
		else
			prepare_svm(pages);

		if (l1.try_entry) {
			l1.entry_error = vmresume() ? vmreadz(VM_INSTRUCTION_ERROR) : 0;
			continue;
		}

		l1.exit_reason = enter_l2(pages) ? 0 : msr_guest.exit_reason;
		if (!msr_guest.vmx)
			asm volatile("stgi" : : : "memory");
	}
}

static struct l1 *l1_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (uintptr_t)&l1);
}

static void go_to(struct kvm_vcpu *vcpu, int level)
{
	if (write_guest_of(vcpu)->level == level)
		return;

	write_guest_of(vcpu)->level = level;
	run_to_ready(vcpu);
}

FIXTURE(reg_rules_control_nested)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(reg_rules_control_nested)
{
	bool vmx;
};

FIXTURE_VARIANT_ADD(reg_rules_control_nested, svm) {};
FIXTURE_VARIANT_ADD(reg_rules_control_nested, vmx) { .vmx = true };

static struct kvm_vcpu *create_l1_vcpu(bool vmx)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;

	vcpu = create_l1(vmx, l1_main, &bitmap);
	vm_install_exception_handler(vcpu->vm, GP_VECTOR, guest_gp_handler);
	write_guest_of(vcpu)->level = 1;
	run_to_ready(vcpu);
	prepare_controls(vcpu);
	go_to(vcpu, 2);
	prepare_controls(vcpu);
	go_to(vcpu, 1);
	return vcpu;
}

FIXTURE_SETUP(reg_rules_control_nested)
{
	if (!kvm_cpu_has(variant->vmx ? X86_FEATURE_VMX : X86_FEATURE_SVM))
		SKIP(return, "needs nested %s", variant->vmx ? "VMX" : "SVM");

	self->vcpu = create_l1_vcpu(variant->vmx);
}

FIXTURE_TEARDOWN(reg_rules_control_nested)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* Each write is the first that L2 makes after a rule has come while @level runs. */
static void expect_actions(struct kvm_vcpu *vcpu, int level)
{
	const struct reg_write *w;
	int i;

	for (w = writes; w < writes + ARRAY_SIZE(writes); w++) {
		for (i = 0; i < ARRAY_SIZE(actions); i++) {
			remove_rules(vcpu->vm);
			go_to(vcpu, 2);
			expect_write(vcpu, *w, KVM_X86_REG_RULE_ALLOW);
			go_to(vcpu, level);
			set_rule(vcpu->vm, control_rule(w->insn, w->bit, actions[i]));
			go_to(vcpu, 2);
			expect_write(vcpu, *w, actions[i]);
		}
	}
}

TEST_F(reg_rules_control_nested, rules_for_l2)
{
	expect_actions(self->vcpu, 1);
}

TEST_F(reg_rules_control_nested, rules_reach_running_l2)
{
	expect_actions(self->vcpu, 2);
}

TEST_F(reg_rules_control_nested, set_is_synchronous)
{
	go_to(self->vcpu, 2);
	write_guest_of(self->vcpu)->level = HAMMER;
	expect_synchronous(self->vcpu, MOV_CR0, X86_CR0_TS);
	expect_synchronous(self->vcpu, MOV_CR0, X86_CR0_WP);
	expect_synchronous(self->vcpu, MOV_CR4, X86_CR4_PGE);
}

TEST_F(reg_rules_control_nested, rule_for_changed_bit)
{
	const struct reg_write *w;

	go_to(self->vcpu, 2);
	for (w = writes; w < writes + ARRAY_SIZE(writes); w++)
		expect_change_back_refused(self->vcpu, *w);
}

/* RSM enters L2 without looking at all of what L1 has set up. */
TEST_F(reg_rules_control_nested, rules_changed_in_smm)
{
	struct control_state before;
	const struct reg_write *w;

	if (!kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "needs SMM");

	set_up_smm(self->vcpu);
	go_to(self->vcpu, 2);
	for (w = writes; w < writes + ARRAY_SIZE(writes); w++) {
		remove_rules(self->vcpu->vm);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
		start_write(self->vcpu, *w);
		before = get_state(self->vcpu);
		run_to_smm(self->vcpu);
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		expect_unchanged(self->vcpu, &before);
	}
}

/* L1's intercepts are stale when L2 leaves. */
TEST_F(reg_rules_control_nested, rules_changed_while_l2_runs)
{
	const struct reg_write *w;

	for (w = writes; w < writes + ARRAY_SIZE(writes); w++) {
		go_to(self->vcpu, 1);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
		go_to(self->vcpu, 2);
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		go_to(self->vcpu, 1);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_GP);
		go_to(self->vcpu, 2);
		remove_rules(self->vcpu->vm);
		go_to(self->vcpu, 1);
		expect_write(self->vcpu, *w, KVM_X86_REG_RULE_ALLOW);
	}
}

TEST_F(reg_rules_control_nested, what_l1_intercepts)
{
	struct l1 *l1 = l1_of(self->vcpu);
	const struct reg_write *w;
	uint64_t hits;

	for (w = writes; w < writes + ARRAY_SIZE(writes); w++) {
		l1->owned_cr0 = w->insn == MOV_CR4 ? 0 : w->bit;
		l1->owned_cr4 = w->insn == MOV_CR4 ? w->bit : 0;
		l1->shadow_cr0 = w->clear ? ~0u : get_control(self->vcpu, MOV_CR0) & ~w->bit;
		set_rule(self->vcpu->vm, control_rule(w->insn, w->bit, KVM_X86_REG_RULE_GP));
		go_to(self->vcpu, 2);
		hits = read_hits(self->vcpu);
		write_guest_of(self->vcpu)->insn = w->insn;
		write_guest_of(self->vcpu)->value = get_control(self->vcpu, w->insn) ^ w->bit;
		if (variant->vmx && w->insn != MOV_CR4)
			write_guest_of(self->vcpu)->value = l1->l2_cr0 ^ w->bit;
		run_to_ready(self->vcpu);
		TEST_ASSERT(l1->exit_reason, "L2's write has not left to L1");
		TEST_ASSERT_EQ(read_hits(self->vcpu), hits);

		/* L2 waits, but in L1. */
		write_guest_of(self->vcpu)->level = 1;
		remove_rules(self->vcpu->vm);
	}
}

/* L1 owns WP, and lets L2 believe that it is clear. */
TEST_F(reg_rules_control_nested, l1_owns_other_bits)
{
	struct reg_write w = { MOV_CR0, false, X86_CR0_TS };
	struct l1 *l1 = l1_of(self->vcpu);
	struct control_state before;
	uint64_t cr0;
	int i;

	if (!variant->vmx)
		SKIP(return, "needs VMX, with SVM L1 owns registers");

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		remove_rules(self->vcpu->vm);
		go_to(self->vcpu, 1);
		l1->owned_cr0 = X86_CR0_WP;
		go_to(self->vcpu, 2);
		set_rule(self->vcpu->vm, control_rule(MOV_CR0, X86_CR0_TS, actions[i]));
		cr0 = start_write(self->vcpu, w);
		before = get_state(self->vcpu);
		write_guest_of(self->vcpu)->value = cr0 & ~X86_CR0_WP;
		if (actions[i] == KVM_X86_REG_RULE_EXIT)
			expect_write_exit(self->vcpu, w, &before, 0);

		run_to_ready(self->vcpu);
		if (actions[i] == KVM_X86_REG_RULE_GP || actions[i] == KVM_X86_REG_RULE_DENY)
			cr0 &= ~X86_CR0_TS;
		TEST_ASSERT_EQ(get_control(self->vcpu, MOV_CR0), cr0);
		TEST_ASSERT_EQ(l1->l2_cr0, cr0 & ~X86_CR0_WP);
	}
}

/* LMSW of L2 leaves what L1 owns. */
TEST_F(reg_rules_control_nested, l1_owns_other_bits_of_lmsw)
{
	struct reg_write w = { LMSW, false, X86_CR0_TS };
	struct l1 *l1 = l1_of(self->vcpu);
	uint64_t cr0;

	if (!variant->vmx)
		SKIP(return, "needs VMX, with SVM L1 owns registers");

	l1->owned_cr0 = X86_CR0_MP;
	go_to(self->vcpu, 2);
	set_rule(self->vcpu->vm, control_rule(MOV_CR0, X86_CR0_TS, KVM_X86_REG_RULE_AUDIT));
	cr0 = start_write(self->vcpu, w);
	write_guest_of(self->vcpu)->value = cr0 & ~X86_CR0_MP;
	expect_written(self->vcpu, w, cr0);
	TEST_ASSERT_EQ(l1->l2_cr0, cr0 & ~X86_CR0_MP);
}

/* Change L1's registers where KVM keeps them while L2 is interrupted by SMM. */
static void change_hsave(struct kvm_vcpu *vcpu, enum write_insn insn)
{
	uint64_t hsave = vcpu_get_msr(vcpu, MSR_VM_HSAVE_PA);
	struct vmcb *vmcb = addr_gpa2hva(vcpu->vm, hsave);

	if (insn == MOV_CR0)
		vmcb->save.cr0 ^= X86_CR0_WP;
	else
		vmcb->save.cr4 ^= X86_CR4_TSD;
}

static void expect_hsave_checked(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit)
{
	uint64_t before = get_control(vcpu, insn);

	set_up_smm(vcpu);
	go_to(vcpu, 2);
	write_guest_of(vcpu)->level = 1;
	run_to_smm(vcpu);
	change_hsave(vcpu, insn);
	run_to_ready(vcpu);
	TEST_ASSERT_EQ(get_control(vcpu, insn), before ^ bit);

	go_to(vcpu, 2);
	set_rule(vcpu->vm, control_rule(insn, bit, KVM_X86_REG_RULE_GP));
	run_to_smm(vcpu);
	change_hsave(vcpu, insn);
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_SHUTDOWN);
	TEST_ASSERT_EQ(get_control(vcpu, MOV_CR4), 0);
}

/* The host save area is memory of the guest. */
TEST_F(reg_rules_control_nested, host_save_area)
{
	if (variant->vmx || !kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "needs SVM and SMM");

	expect_hsave_checked(self->vcpu, MOV_CR4, X86_CR4_TSD);
	kvm_vm_free(self->vcpu->vm);
	self->vcpu = create_l1_vcpu(variant->vmx);
	expect_hsave_checked(self->vcpu, MOV_CR0, X86_CR0_WP);
}

/* Where KVM saves that SMM has interrupted L2. */
#define SMRAM_GUEST_FLAG	0xfed8

/* RSM would load L2's registers into L1, or what nobody has saved into L1's. */
TEST_F(reg_rules_control_nested, level_changed_by_smm)
{
	int level;

	if (variant->vmx || !kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "needs SVM and SMM");

	set_up_smm(self->vcpu);
	for (level = 2; level >= 1; level--) {
		go_to(self->vcpu, level);
		set_rule(self->vcpu->vm, control_rule(MOV_CR4, X86_CR4_TSD, KVM_X86_REG_RULE_GP));
		run_to_smm(self->vcpu);
		*(uint64_t *)addr_gpa2hva(self->vcpu->vm, SMRAM_GPA + SMRAM_GUEST_FLAG) ^= 1;
		vcpu_run(self->vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(self->vcpu, KVM_EXIT_SHUTDOWN);
		kvm_vm_free(self->vcpu->vm);
		self->vcpu = create_l1_vcpu(variant->vmx);
		set_up_smm(self->vcpu);
	}
}

/* What VM-exit changes of L1's registers. */
static void set_host_state(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit)
{
	go_to(vcpu, 1);
	l1_of(vcpu)->flip_cr0 = insn == MOV_CR0 ? bit : 0;
	l1_of(vcpu)->flip_cr4 = insn == MOV_CR4 ? bit : 0;
}

/* VM-entry and VM-exit ask. */
static void expect_allowed_exit(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit,
				int action)
{
	uint64_t before = get_control(vcpu, insn), hits = read_hits(vcpu);

	set_host_state(vcpu, insn, bit);
	set_rule(vcpu->vm, control_rule(insn, bit, action));
	go_to(vcpu, 2);
	go_to(vcpu, 1);
	TEST_ASSERT_EQ(get_control(vcpu, insn), before ^ bit);
	expect_counted(vcpu, hits, action, 2);
}

static void expect_refused_entry(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit,
				 int action)
{
	uint64_t before = get_control(vcpu, insn), hits = read_hits(vcpu);

	set_host_state(vcpu, insn, bit);
	set_rule(vcpu->vm, control_rule(insn, bit, action));
	l1_of(vcpu)->try_entry = true;
	go_to(vcpu, 2);
	TEST_ASSERT_EQ(l1_of(vcpu)->entry_error, VMXERR_INVALID_HOST_STATE);
	TEST_ASSERT_EQ(get_control(vcpu, insn), before);
	expect_counted(vcpu, hits, action, 1);
	l1_of(vcpu)->try_entry = false;
	write_guest_of(vcpu)->level = 1;
}

/* The rule comes while L2 runs. */
static void expect_abort(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit, int action)
{
	uint64_t before = get_control(vcpu, insn), hits = read_hits(vcpu);

	remove_rules(vcpu->vm);
	set_host_state(vcpu, insn, bit);
	go_to(vcpu, 2);
	set_rule(vcpu->vm, control_rule(insn, bit, action));
	write_guest_of(vcpu)->level = 1;
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_SHUTDOWN);
	TEST_ASSERT_EQ(get_control(vcpu, insn), before);
	expect_counted(vcpu, hits, action, 1);

	/* Userspace may resume the vCPU. */
	run_to_ready(vcpu);
}

static void expect_host_state(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit)
{
	const int refused[] = { KVM_X86_REG_RULE_EXIT, KVM_X86_REG_RULE_DENY, KVM_X86_REG_RULE_GP };
	int i;

	expect_allowed_exit(vcpu, insn, bit, KVM_X86_REG_RULE_ALLOW);
	expect_allowed_exit(vcpu, insn, bit, KVM_X86_REG_RULE_AUDIT);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		expect_refused_entry(vcpu, insn, bit, refused[i]);
		expect_abort(vcpu, insn, bit, refused[i]);
	}
}

TEST_F(reg_rules_control_nested, host_state)
{
	if (!variant->vmx)
		SKIP(return, "needs VMX, with SVM L1 has no say in what VM-exit loads");

	expect_host_state(self->vcpu, MOV_CR0, X86_CR0_WP);
	expect_host_state(self->vcpu, MOV_CR4, X86_CR4_TSD);
}

/* SMM's exit from L2 is not L1's, and does not change what L1's is compared with. */
TEST_F(reg_rules_control_nested, host_state_across_smm)
{
	uint64_t cr4 = get_control(self->vcpu, MOV_CR4);

	if (!variant->vmx || !kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "needs VMX and SMM");

	set_up_smm(self->vcpu);
	set_host_state(self->vcpu, MOV_CR4, X86_CR4_TSD);
	go_to(self->vcpu, 2);
	set_rule(self->vcpu->vm, control_rule(MOV_CR4, X86_CR4_TSD, KVM_X86_REG_RULE_GP));
	start_write(self->vcpu, (struct reg_write) { MOV_CR0 });
	run_to_smm(self->vcpu);
	run_to_ready(self->vcpu);
	write_guest_of(self->vcpu)->level = 1;
	vcpu_run(self->vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(self->vcpu, KVM_EXIT_SHUTDOWN);
	TEST_ASSERT_EQ(get_control(self->vcpu, MOV_CR4), cr4);
}

/* L1's registers are what its VM-exit loads, as VM-entry has checked. */
TEST_F(reg_rules_control_nested, restored_in_l2)
{
	struct kvm_x86_reg_rule rules[] = {
		control_rule(MOV_CR0, 0, KVM_X86_REG_RULE_GP),
		control_rule(MOV_CR4, 0, KVM_X86_REG_RULE_GP),
	};
	struct control_state before = get_state(self->vcpu);
	struct kvm_vm *vm = self->vcpu->vm;
	struct kvm_x86_state *state;

	if (!kvm_has_cap(KVM_CAP_NESTED_STATE))
		SKIP(return, "needs KVM_CAP_NESTED_STATE");

	go_to(self->vcpu, 2);
	vcpu_run_complete_io(self->vcpu);
	state = vcpu_save_state(self->vcpu);
	kvm_vm_release(vm);
	self->vcpu = vm_recreate_with_one_vcpu(vm);
	vcpu_load_state(self->vcpu, state);
	kvm_x86_state_cleanup(state);
	set_rules(vm, rules, 2, KVM_X86_REG_RULE_ALLOW);
	go_to(self->vcpu, 1);
	expect_state(self->vcpu, &before);
}

/* L1 and L2 have different values, but neither changes its own. */
TEST_F(reg_rules_control_nested, host_state_unchanged)
{
	struct kvm_x86_reg_rule rules[] = {
		control_rule(MOV_CR0, X86_CR0_WP, KVM_X86_REG_RULE_GP),
		control_rule(MOV_CR4, X86_CR4_TSD, KVM_X86_REG_RULE_GP),
	};
	struct control_state before = get_state(self->vcpu);

	go_to(self->vcpu, 2);
	set_control(self->vcpu, MOV_CR0, before.sregs.cr0 ^ X86_CR0_WP);
	set_control(self->vcpu, MOV_CR4, before.sregs.cr4 ^ X86_CR4_TSD);
	set_rules(self->vcpu->vm, rules, 2, KVM_X86_REG_RULE_ALLOW);
	go_to(self->vcpu, 1);
	expect_state(self->vcpu, &before);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
