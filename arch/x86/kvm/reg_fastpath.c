// SPDX-License-Identifier: GPL-2.0
/*
 * Register fastpath: MSR accesses that need no more than the policy.
 *
 * What the policy ignores or answers with a #GP takes neither emulation nor
 * userspace, i.e. can be done right behind the VM-Exit, with interrupts disabled.
 */
#include <linux/kvm_host.h>
#include <linux/wordpart.h>

#include "reg_access.h"
#include "reg_fastpath.h"
#include "trace.h"
#include "x86.h"

static bool takes_gp(struct kvm_vcpu *vcpu, enum kvm_reg_action action)
{
	switch (action) {
	case KVM_REG_GP:
		return true;
	case KVM_REG_DENY:
		return !(READ_ONCE(vcpu->kvm->arch.user_space_msr_mask) &
			 KVM_MSR_EXIT_REASON_FILTER);
	default:
		return false;
	}
}

static fastpath_t inject_gp(struct kvm_vcpu *vcpu, enum kvm_reg_access access,
			    u32 index, u64 data)
{
	trace_kvm_msr(access == KVM_REG_WRITE, index, data, true);
	kvm_inject_gp(vcpu, 0);

	/* Events are injected by those who enter the guest from scratch. */
	return EXIT_FASTPATH_EXIT_HANDLED;
}

static fastpath_t ignore(struct kvm_vcpu *vcpu, enum kvm_reg_access access, u32 index,
			 u64 data)
{
	trace_kvm_msr(access == KVM_REG_WRITE, index, data, false);
	if (access == KVM_REG_READ) {
		kvm_rax_write(vcpu, lower_32_bits(data));
		kvm_rdx_write(vcpu, upper_32_bits(data));
	}

	if (!kvm_skip_emulated_instruction(vcpu))
		return EXIT_FASTPATH_EXIT_USERSPACE;

	return EXIT_FASTPATH_REENTER_GUEST;
}

static u64 accessed_data(struct kvm_vcpu *vcpu, enum kvm_reg_access access,
			 const struct kvm_reg_verdict *verdict)
{
	if (access == KVM_REG_WRITE)
		return kvm_read_edx_eax(vcpu);

	return verdict->action == KVM_REG_IGNORE ? verdict->rule->value : 0;
}

static fastpath_t serve_gp(struct kvm_vcpu *vcpu, enum kvm_reg_access access, u32 index,
			   struct kvm_reg_verdict verdict)
{
	u64 data = accessed_data(vcpu, access, &verdict);

	kvm_msr_note_verdict(vcpu, access, index, data, verdict);
	return inject_gp(vcpu, access, index, data);
}

static fastpath_t serve_ignore(struct kvm_vcpu *vcpu, enum kvm_reg_access access,
			       u32 index, struct kvm_reg_verdict verdict,
			       bool (*find_next_rip)(struct kvm_vcpu *vcpu))
{
	u64 data = accessed_data(vcpu, access, &verdict);
	fastpath_t ret = EXIT_FASTPATH_NONE;

	/* For guest memory, and for the PMU, which counts what is skipped. */
	kvm_vcpu_srcu_read_lock(vcpu);
	if (!find_next_rip || find_next_rip(vcpu)) {
		kvm_msr_note_verdict(vcpu, access, index, data, verdict);
		ret = ignore(vcpu, access, index, data);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return ret;
}

/* See kvm_msr_fastpath(); the policy has something to say on the access. */
fastpath_t __kvm_msr_fastpath(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			      long slot, enum kvm_reg_access access,
			      bool (*find_next_rip)(struct kvm_vcpu *vcpu))
{
	u32 index = kvm_rcx_read(vcpu);
	struct kvm_reg_verdict verdict;

	/* Reading what the MSR holds may take more than is possible here. */
	if (access == KVM_REG_WRITE && kvm_reg_policy_compares(policy, index))
		return EXIT_FASTPATH_NONE;

	verdict = __kvm_reg_policy_lookup(policy, index, slot, access, 0);
	if (takes_gp(vcpu, verdict.action))
		return serve_gp(vcpu, access, index, verdict);

	if (verdict.action == KVM_REG_IGNORE)
		return serve_ignore(vcpu, access, index, verdict, find_next_rip);

	return EXIT_FASTPATH_NONE;
}
EXPORT_SYMBOL_GPL(__kvm_msr_fastpath);
