/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register fastpath: MSR accesses that need no more than the policy.
 */
#ifndef __KVM_X86_REG_FASTPATH_H
#define __KVM_X86_REG_FASTPATH_H

#include <linux/irqflags.h>
#include <linux/kvm_host.h>

#include "kvm_cache_regs.h"
#include "reg_policy.h"

fastpath_t __kvm_msr_fastpath(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			      long slot, enum kvm_reg_access access,
			      bool (*find_next_rip)(struct kvm_vcpu *vcpu));

/**
 * kvm_msr_fastpath - serve RDMSR or WRMSR right behind its VM-Exit, if possible
 * @vcpu: The vCPU, in L1, with interrupts disabled.
 * @access: KVM_REG_READ for RDMSR, KVM_REG_WRITE for WRMSR.
 * @find_next_rip: NULL if it is known where the next instruction starts; else finds
 *	out, without sleeping, and returns whether it could.
 *
 * Only for architectural MSRs: what is elsewhere takes longer to find, which would
 * be done twice if it is allowed.
 *
 * Return: EXIT_FASTPATH_NONE if it takes more than the policy: nothing has been
 * done, traced or counted.
 */
static __always_inline fastpath_t
kvm_msr_fastpath(struct kvm_vcpu *vcpu, enum kvm_reg_access access,
		 bool (*find_next_rip)(struct kvm_vcpu *vcpu))
{
	const struct kvm_reg_policy *policy;
	u32 index = kvm_rcx_read(vcpu);
	long slot;

	/*
	 * kvm->srcu is not held, but whoever replaces the policy waits, by
	 * KVM_REQ_REG_POLICY, until all vCPUs that are not OUTSIDE_GUEST_MODE have
	 * interrupts enabled.
	 */
	policy = rcu_dereference_check(vcpu->kvm->arch.reg_policy, irqs_disabled() &&
				       vcpu->mode != OUTSIDE_GUEST_MODE);
	if (!policy)
		return EXIT_FASTPATH_NONE;

	slot = kvm_reg_arch_slot(index);
	if (slot < 0 || kvm_reg_policy_allows_slot(policy, slot, access))
		return EXIT_FASTPATH_NONE;

	return __kvm_msr_fastpath(vcpu, policy, slot, access, find_next_rip);
}

#endif /* __KVM_X86_REG_FASTPATH_H */
