// SPDX-License-Identifier: GPL-2.0
/*
 * Register writes: check a guest's writes to control registers, and let userspace decide
 * on them with KVM_EXIT_X86_REG_WRITE.
 */
#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include <asm/fpu/xcr.h>

#include "reg_access.h"
#include "trace.h"

/* The ABI. */
#define OFFSET_IN_EXIT(field) \
	(offsetof(struct kvm_run, reg_write.field) - offsetof(struct kvm_run, reg_write))
static_assert(sizeof_field(struct kvm_run, reg_write) == 32);
static_assert(OFFSET_IN_EXIT(index) == 4);
static_assert(OFFSET_IN_EXIT(old) == 8);
static_assert(OFFSET_IN_EXIT(data) == 16);
static_assert(OFFSET_IN_EXIT(error) == 24);

/* Find and apply the rule, count and trace the write, and return KVM_REG_WRITE_*. */
int __kvm_reg_check_write(struct kvm_vcpu *vcpu, const struct kvm_reg_table *rules,
			  enum kvm_reg_control reg, u64 old, u64 data)
{
	const struct kvm_x86_reg_rule *rule;

	rule = kvm_reg_table_find_control(rules, reg, old ^ data);
	if (!rule)
		return KVM_REG_WRITE_ALLOWED;

	++vcpu->stat.reg_policy_hits;
	trace_kvm_reg_rule(vcpu->vcpu_id, rule->first, KVM_X86_REG_RULE_WRITE, data, rules,
			   rule);

	switch (rule->action) {
	case KVM_X86_REG_RULE_AUDIT:
		return KVM_REG_WRITE_ALLOWED;
	case KVM_X86_REG_RULE_EXIT:
		vcpu->arch.reg_write.reg = reg;
		vcpu->arch.reg_write.error = rules->flags & KVM_X86_REG_RULES_FAIL_CLOSED;
		vcpu->arch.reg_write.old = old;
		vcpu->arch.reg_write.data = data;
		return KVM_REG_WRITE_EXIT;
	default:
		return KVM_REG_WRITE_REFUSED;
	}
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(__kvm_reg_check_write);

/*
 * Does not require kvm->srcu.  If the policy changes, a request to recompute intercepts
 * is pending.
 */
u64 __kvm_reg_guarded_bits(struct kvm_vcpu *vcpu, enum kvm_reg_control reg)
{
	const struct kvm_reg_policy *policy;
	u64 guarded;
	int idx;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	policy = kvm_reg_policy(vcpu->kvm);
	guarded = policy ? policy->guarded[reg] : 0;
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return guarded;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(__kvm_reg_guarded_bits);

/* Ask userspace, and call @complete when it answers.  Return what KVM_RUN exits with. */
static int exit_to_userspace(struct kvm_vcpu *vcpu, int (*complete)(struct kvm_vcpu *vcpu))
{
	struct kvm_run *run = vcpu->run;
	u8 reg = vcpu->arch.reg_write.reg;

	memset(&run->reg_write, 0, sizeof(run->reg_write));
	run->exit_reason = KVM_EXIT_X86_REG_WRITE;
	run->reg_write.space = reg == KVM_REG_XCR0 ? KVM_X86_REG_RULE_XCR : KVM_X86_REG_RULE_CR;
	run->reg_write.index = reg == KVM_REG_CR4 ? 4 : 0;
	run->reg_write.old = vcpu->arch.reg_write.old;
	run->reg_write.data = vcpu->arch.reg_write.data;
	run->reg_write.error = vcpu->arch.reg_write.error;
	vcpu->arch.reg_write.guest_mode = is_guest_mode(vcpu);
	vcpu->arch.reg_write.linear_rip = kvm_get_linear_rip(vcpu);
	vcpu->arch.complete_userspace_io = complete;
	return 0;
}

static int write_control(struct kvm_vcpu *vcpu, enum kvm_reg_control reg, u64 data)
{
	/* 32-bit hosts have 32-bit registers. */
	if (reg != KVM_REG_XCR0 && data != (unsigned long)data)
		return 1;

	switch (reg) {
	case KVM_REG_CR0:
		return __kvm_set_cr0(vcpu, data);
	case KVM_REG_CR4:
		return __kvm_set_cr4(vcpu, data);
	default:
		return __kvm_set_xcr(vcpu, XCR_XFEATURE_ENABLED_MASK, data);
	}
}

/* Write for the guest, if @rules allow: return KVM_REG_WRITE_*. */
int kvm_reg_write_guarded(struct kvm_vcpu *vcpu, const struct kvm_reg_table *rules,
			  enum kvm_reg_control reg, u64 old, u64 data)
{
	return __kvm_reg_check_write(vcpu, rules, reg, old, data) ?:
	       write_control(vcpu, reg, data);
}

/* Is the vCPU no longer at the write, e.g. since INIT?  Then userspace's reply is void. */
static bool has_moved_on(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) != vcpu->arch.reg_write.guest_mode ||
	       !kvm_is_linear_rip(vcpu, vcpu->arch.reg_write.linear_rip);
}

/*
 * Write the value that userspace approved, unless it refused, or the value is invalid, or
 * lacks one of @bits.
 */
static int write_approved(struct kvm_vcpu *vcpu, u64 bits)
{
	u64 data = READ_ONCE(vcpu->run->reg_write.data);

	if (READ_ONCE(vcpu->run->reg_write.error) || (data & bits) != bits)
		return 1;

	return write_control(vcpu, vcpu->arch.reg_write.reg, data);
}

static int complete_intercepted(struct kvm_vcpu *vcpu)
{
	if (has_moved_on(vcpu))
		return 1;

	return kvm_complete_insn_gp(vcpu, write_approved(vcpu, 0));
}

int __kvm_reg_complete_write(struct kvm_vcpu *vcpu, int r)
{
	if (r == KVM_REG_WRITE_EXIT)
		return exit_to_userspace(vcpu, complete_intercepted);

	return kvm_complete_insn_gp(vcpu, r);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(__kvm_reg_complete_write);

static int complete_emulated(struct kvm_vcpu *vcpu)
{
	if (has_moved_on(vcpu))
		return 1;

	return kvm_complete_emulated_insn_gp(vcpu, write_approved(vcpu, 0));
}

/* Does the emulator have to exit to userspace, given the result of a write? */
bool kvm_reg_emulated_write_exits(struct kvm_vcpu *vcpu, int r)
{
	if (r != KVM_REG_WRITE_EXIT)
		return false;

	exit_to_userspace(vcpu, complete_emulated);
	return true;
}

/* A fault ends the delivery of an event through a task gate. */
static int refuse_task_switch(struct kvm_vcpu *vcpu)
{
	vcpu->arch.nmi_injected = false;
	kvm_clear_interrupt_queue(vcpu);
	kvm_inject_gp(vcpu, 0);
	return 1;
}

/* With CR0.TS set, the task switch is allowed when the guest makes it again. */
static int complete_task_switch(struct kvm_vcpu *vcpu)
{
	if (has_moved_on(vcpu) || !write_approved(vcpu, X86_CR0_TS))
		return 1;

	return refuse_task_switch(vcpu);
}

/*
 * May the guest switch tasks, which sets CR0.TS?  Call before anything of the switch is
 * done.  If false, @r is the result of the VM-exit's handler.
 */
bool kvm_reg_allows_task_switch(struct kvm_vcpu *vcpu, int *r)
{
	unsigned long cr0 = kvm_read_cr0(vcpu);

	switch (kvm_reg_check_write(vcpu, KVM_REG_CR0, cr0, cr0 | X86_CR0_TS)) {
	case KVM_REG_WRITE_ALLOWED:
		return true;
	case KVM_REG_WRITE_EXIT:
		*r = exit_to_userspace(vcpu, complete_task_switch);
		return false;
	default:
		*r = refuse_task_switch(vcpu);
		return false;
	}
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_reg_allows_task_switch);
