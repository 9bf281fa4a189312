// SPDX-License-Identifier: GPL-2.0
/*
 * Register access: put a register policy in force for a VM, and judge its vCPUs'
 * accesses.
 */
#include <linux/cleanup.h>
#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include "reg_access.h"
#include "trace.h"
#include "x86.h"

/* One set of values names an access in the engine, to the vendors and in the ABI. */
static_assert((int)KVM_REG_READ == MSR_TYPE_R);
static_assert((int)KVM_REG_WRITE == MSR_TYPE_W);
static_assert((int)KVM_REG_READ == KVM_MSR_FILTER_READ);
static_assert((int)KVM_REG_WRITE == KVM_MSR_FILTER_WRITE);

/**
 * kvm_reg_policy_install - put a policy in force
 * @kvm: The VM.
 * @policy: The compiled policy, now owned by @kvm; NULL for none.
 *
 * When this returns, no vCPU can make an access that the new policy denies, be it
 * in L1 or in L2.
 *
 * - A vCPU outside of the guest that judged by the old policy did so in a
 *   section of kvm->srcu, and all of those have ended.
 * - A vCPU in the guest has left it, for KVM_REQ_REG_POLICY waits, and derives its
 *   intercepts anew before it enters again.
 * - A vCPU still being created starts out with the request pending, which covers
 *   intercepts that it derived from the old policy.
 *
 * While @kvm has no vCPUs there is nobody to wait for: created_vcpus is raised
 * under kvm->lock before a vCPU can read the policy, and lowered after it can.
 */
void kvm_reg_policy_install(struct kvm *kvm, struct kvm_reg_policy *policy)
{
	struct kvm_reg_policy *old;
	bool has_vcpus;

	scoped_guard(mutex, &kvm->lock) {
		old = rcu_replace_pointer(kvm->arch.reg_policy, policy,
					  lockdep_is_held(&kvm->lock));
		has_vcpus = kvm->created_vcpus;
	}

	if (has_vcpus) {
		kvm_make_all_cpus_request(kvm, KVM_REQ_REG_POLICY);
		synchronize_srcu_expedited(&kvm->srcu);
	}

	kvm_reg_policy_free(old);
}

/* The VM is going away: neither vCPUs nor ioctls are left. */
void kvm_reg_policy_destroy(struct kvm *kvm)
{
	kvm_reg_policy_free(rcu_dereference_protected(kvm->arch.reg_policy, true));
}

static __always_inline enum kvm_reg_action
msr_action(struct kvm_vcpu *vcpu, u32 index, enum kvm_reg_access access)
{
	struct kvm *kvm = vcpu->kvm;
	const struct kvm_reg_policy *policy;

	/* Tearing down a vCPU in guest mode loads MSRs, too, with no one to race. */
	policy = srcu_dereference_check(kvm->arch.reg_policy, &kvm->srcu,
					!refcount_read(&kvm->users_count));
	return policy ? kvm_reg_policy_lookup(policy, index, access) : KVM_REG_ALLOW;
}

/**
 * kvm_msr_action - what the policy says of a guest's access to an MSR
 * @vcpu: The vCPU; kvm->srcu is held, or @vcpu is being destroyed with its VM.
 * @index: The MSR.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 *
 * Return: the action; KVM_REG_ALLOW if the VM has no policy.
 */
enum kvm_reg_action kvm_msr_action(struct kvm_vcpu *vcpu, u32 index,
				   enum kvm_reg_access access)
{
	return msr_action(vcpu, index, access);
}

/**
 * kvm_msr_denied - judge a guest's access to an MSR, and trace the verdict
 * @vcpu: The vCPU; kvm->srcu is held, or @vcpu is being destroyed with its VM.
 * @index: The MSR.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 *
 * Return: true if KVM must not perform the access.
 */
bool kvm_msr_denied(struct kvm_vcpu *vcpu, u32 index, enum kvm_reg_access access)
{
	enum kvm_reg_action action = msr_action(vcpu, index, access);

	if (likely(action == KVM_REG_ALLOW))
		return false;

	trace_kvm_reg_rule(vcpu->vcpu_id, access, index, action);
	return true;
}

/**
 * kvm_msr_may_passthrough - may hardware perform an access without KVM?
 * @vcpu: The vCPU whose intercepts are being made.
 * @index: The MSR.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 *
 * Callable without kvm->srcu: while the vCPU is being created, from ioctls, and
 * on the way into the guest.  The verdict may be outdated on return, in which
 * case KVM_REQ_REG_POLICY is pending.
 *
 * Return: false if the policy asks for the access to be intercepted.
 */
bool kvm_msr_may_passthrough(struct kvm_vcpu *vcpu, u32 index,
			     enum kvm_reg_access access)
{
	enum kvm_reg_action action;
	int idx;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	action = msr_action(vcpu, index, access);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return action == KVM_REG_ALLOW;
}
EXPORT_SYMBOL_GPL(kvm_msr_may_passthrough);
