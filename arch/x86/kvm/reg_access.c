// SPDX-License-Identifier: GPL-2.0
/*
 * Register access: put a register policy in force for a VM, and judge its vCPUs'
 * accesses.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "reg_access.h"
#include "trace.h"
#include "x86.h"

/* One set of values names an access in the engine, to the vendors and in the ABI. */
static_assert((int)KVM_REG_READ == MSR_TYPE_R);
static_assert((int)KVM_REG_WRITE == MSR_TYPE_W);
static_assert((int)KVM_REG_READ == KVM_MSR_FILTER_READ);
static_assert((int)KVM_REG_WRITE == KVM_MSR_FILTER_WRITE);

static struct kvm_reg_policy *locked_policy(struct kvm *kvm)
{
	return rcu_dereference_protected(kvm->arch.reg_policy,
					 lockdep_is_held(&kvm->lock));
}

/* The policy that has @list for @layer, and keeps the other layer; NULL for none. */
static struct kvm_reg_policy *compile_with(const struct kvm_reg_policy *old,
					   enum kvm_reg_layer_id layer,
					   struct kvm_rule_list *list)
{
	struct kvm_rule_list *lists[KVM_REG_NR_LAYERS] = {};

	if (old)
		memcpy(lists, old->lists, sizeof(lists));
	lists[layer] = list;
	if (!lists[KVM_REG_LAYER_RULES] && !lists[KVM_REG_LAYER_FILTER])
		return NULL;

	return kvm_reg_policy_compile(lists[KVM_REG_LAYER_RULES],
				      lists[KVM_REG_LAYER_FILTER]);
}

/**
 * kvm_rule_list_install - put a list of rules in force
 * @kvm: The VM.
 * @layer: Which of the VM's lists to replace.
 * @list: The list, finished; NULL for none.  The VM comes to own it in addition
 *	to the caller.
 *
 * When this returns, no vCPU can make an access that the new policy denies, be it
 * in L1 or in L2.
 *
 * - A vCPU outside of the guest that judged by the old policy did so in a
 *   section of kvm->srcu, and all of those have ended.
 * - A vCPU in the guest has left it, for KVM_REQ_REG_POLICY waits, and derives its
 *   intercepts anew before it enters again.
 * - A vCPU that has just left the guest, with interrupts still disabled, and judged
 *   by the old policy, has enabled interrupts: KVM_REQ_REG_POLICY waits for that.
 * - A vCPU still being created starts out with the request pending, which covers
 *   intercepts that it derived from the old policy.
 *
 * While @kvm has no vCPUs there is nobody to wait for: created_vcpus is raised
 * under kvm->lock before a vCPU can read the policy, and lowered after it can.
 *
 * Return: 0, or -ENOMEM or -E2BIG from kvm_reg_policy_compile(), in which case
 * nothing has changed.
 */
int kvm_rule_list_install(struct kvm *kvm, enum kvm_reg_layer_id layer,
			  struct kvm_rule_list *list)
{
	struct kvm_reg_policy *policy, *old;
	bool has_vcpus;

	scoped_guard(mutex, &kvm->lock) {
		old = locked_policy(kvm);
		policy = compile_with(old, layer, list);
		if (IS_ERR(policy))
			return PTR_ERR(policy);

		rcu_assign_pointer(kvm->arch.reg_policy, policy);
		has_vcpus = kvm->created_vcpus;
	}

	if (has_vcpus && (old || policy)) {
		kvm_make_all_cpus_request(kvm, KVM_REQ_REG_POLICY);
		synchronize_srcu_expedited(&kvm->srcu);
	}

	kvm_reg_policy_free(old);
	return 0;
}

/**
 * kvm_rule_list_get - get a list that is in force
 * @kvm: The VM.
 * @layer: Which list.
 *
 * Return: the list, to be given up with kvm_rule_list_put(); NULL for none.
 */
struct kvm_rule_list *kvm_rule_list_get(struct kvm *kvm, enum kvm_reg_layer_id layer)
{
	const struct kvm_reg_policy *policy;
	struct kvm_rule_list *list;

	guard(mutex)(&kvm->lock);

	policy = locked_policy(kvm);
	list = policy ? policy->lists[layer] : NULL;
	if (list)
		refcount_inc(&list->users);

	return list;
}

/* The VM is going away: neither vCPUs nor ioctls are left. */
void kvm_reg_policy_destroy(struct kvm *kvm)
{
	kvm_reg_policy_free(rcu_dereference_protected(kvm->arch.reg_policy, true));
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
	bool allowed;
	int idx;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	allowed = kvm_msr_is_allowed(vcpu, index, access);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return allowed;
}
EXPORT_SYMBOL_GPL(kvm_msr_may_passthrough);

static void count_verdict(struct kvm_vcpu *vcpu, enum kvm_reg_action action)
{
	switch (action) {
	case KVM_REG_ALLOW:
		break;
	case KVM_REG_DENY:
		++vcpu->stat.reg_rule_deny;
		break;
	case KVM_REG_GP:
		++vcpu->stat.reg_rule_gp;
		break;
	case KVM_REG_EXIT:
		++vcpu->stat.reg_rule_exit;
		break;
	case KVM_REG_IGNORE:
		++vcpu->stat.reg_rule_ignore;
		break;
	case KVM_REG_AUDIT:
		++vcpu->stat.reg_rule_audit;
		break;
	}
}

/**
 * kvm_msr_note_verdict - trace and count a verdict other than to plainly allow
 * @vcpu: The vCPU.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 * @index: The MSR.
 * @value: What is written, or what a read that is ignored returns; else 0.
 * @verdict: The verdict.
 */
void kvm_msr_note_verdict(struct kvm_vcpu *vcpu, enum kvm_reg_access access, u32 index,
			  u64 value, struct kvm_reg_verdict verdict)
{
	count_verdict(vcpu, verdict.action);
	trace_kvm_reg_rule(vcpu->vcpu_id, access, index, value, &verdict);
}

/* 0 if the access is to be ignored, else KVM_MSR_RET_*. */
static int verdict_ret(const struct kvm_reg_policy *policy, struct kvm_reg_verdict verdict)
{
	int exit_error = 0;

	if (verdict.layer == KVM_REG_LAYER_RULES &&
	    policy->lists[KVM_REG_LAYER_RULES]->fail_closed)
		exit_error = KVM_MSR_RET_EXIT_ERROR;

	switch (verdict.action) {
	case KVM_REG_IGNORE:
		return 0;
	case KVM_REG_EXIT:
		return KVM_MSR_RET_EXIT | exit_error;
	case KVM_REG_GP:
		return KVM_MSR_RET_GP;
	default:
		return KVM_MSR_RET_FILTERED | exit_error;
	}
}

static bool is_decided(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
		       enum kvm_reg_access access, u32 index, u64 value,
		       struct kvm_reg_verdict verdict, int *ret)
{
	if (verdict.action == KVM_REG_ALLOW)
		return false;

	kvm_msr_note_verdict(vcpu, access, index, value, verdict);
	if (verdict.action == KVM_REG_AUDIT)
		return false;

	*ret = verdict_ret(policy, verdict);
	return true;
}

/* See kvm_msr_read_is_decided(). */
bool __kvm_msr_read_is_decided(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			       u32 index, u64 *data, int *ret)
{
	struct kvm_reg_verdict verdict;
	u64 value = 0;

	verdict = kvm_reg_policy_lookup(policy, index, KVM_REG_READ, 0);
	if (verdict.action == KVM_REG_IGNORE)
		value = *data = verdict.rule->value;

	return is_decided(vcpu, policy, KVM_REG_READ, index, value, verdict, ret);
}

/* The bits that a write changes; all of them if KVM cannot know. */
static u64 changed_bits(struct kvm_vcpu *vcpu, u32 index, u64 data)
{
	u64 old;

	if (vcpu->arch.guest_state_protected ||
	    __kvm_get_msr(vcpu, index, &old, KVM_MSR_FROM_KVM))
		return ~0ULL;

	return old ^ data;
}

/* See kvm_msr_write_is_decided(). */
bool __kvm_msr_write_is_decided(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
				u32 index, u64 data, int *ret)
{
	struct kvm_reg_verdict verdict;
	u64 changed = 0;

	if (kvm_reg_policy_compares(policy, index))
		changed = changed_bits(vcpu, index, data);

	verdict = kvm_reg_policy_lookup(policy, index, KVM_REG_WRITE, changed);
	return is_decided(vcpu, policy, KVM_REG_WRITE, index, data, verdict, ret);
}
