/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register access: a register policy at work in a VM.
 */
#ifndef __KVM_X86_REG_ACCESS_H
#define __KVM_X86_REG_ACCESS_H

#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include "reg_policy.h"

int kvm_rule_list_install(struct kvm *kvm, enum kvm_reg_layer_id layer,
			  struct kvm_rule_list *list);
struct kvm_rule_list *kvm_rule_list_get(struct kvm *kvm, enum kvm_reg_layer_id layer);
void kvm_reg_policy_destroy(struct kvm *kvm);

bool kvm_msr_may_passthrough(struct kvm_vcpu *vcpu, u32 index,
			     enum kvm_reg_access access);

void kvm_msr_note_verdict(struct kvm_vcpu *vcpu, enum kvm_reg_access access, u32 index,
			  u64 value, struct kvm_reg_verdict verdict);

bool __kvm_msr_read_is_decided(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			       u32 index, u64 *data, int *ret);
bool __kvm_msr_write_is_decided(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
				u32 index, u64 data, int *ret);

/* Tearing down a vCPU in guest mode loads MSRs, too, with no one to race. */
static inline const struct kvm_reg_policy *kvm_reg_policy(struct kvm *kvm)
{
	return srcu_dereference_check(kvm->arch.reg_policy, &kvm->srcu,
				      !refcount_read(&kvm->users_count));
}

/* Is an access plainly KVM's to handle?  See kvm_reg_policy_allows_slot(). */
static __always_inline bool kvm_reg_policy_allows(const struct kvm_reg_policy *policy,
						  u32 index, enum kvm_reg_access access)
{
	long slot = kvm_reg_slot(index);

	if (slot < 0)
		return kvm_reg_policy_allows_elsewhere(policy, index, access);

	return kvm_reg_policy_allows_slot(policy, slot, access);
}

/**
 * kvm_msr_is_allowed - is a guest's access to an MSR plainly KVM's to handle?
 * @vcpu: The vCPU; kvm->srcu is held, or @vcpu is being destroyed with its VM.
 * @index: The MSR.
 * @access: KVM_REG_READ or KVM_REG_WRITE.
 *
 * Return: false if the policy has, or may have, anything else to say.
 */
static inline bool kvm_msr_is_allowed(struct kvm_vcpu *vcpu, u32 index,
				      enum kvm_reg_access access)
{
	const struct kvm_reg_policy *policy = kvm_reg_policy(vcpu->kvm);

	return !policy || kvm_reg_policy_allows(policy, index, access);
}

/**
 * kvm_msr_read_is_decided - does the policy decide a guest's read of an MSR?
 * @vcpu: The vCPU; kvm->srcu is held, or @vcpu is being destroyed with its VM.
 * @index: The MSR.
 * @data: Set to what the guest reads, if the policy says so.
 * @ret: If it decides, set to 0 if @data was set, else KVM_MSR_RET_*.
 *
 * Return: false if the read is KVM's to perform.
 */
static __always_inline bool kvm_msr_read_is_decided(struct kvm_vcpu *vcpu, u32 index,
						    u64 *data, int *ret)
{
	const struct kvm_reg_policy *policy = kvm_reg_policy(vcpu->kvm);

	if (!policy || kvm_reg_policy_allows(policy, index, KVM_REG_READ))
		return false;

	return __kvm_msr_read_is_decided(vcpu, policy, index, data, ret);
}

/**
 * kvm_msr_write_is_decided - does the policy decide a guest's write to an MSR?
 * @vcpu: The vCPU; kvm->srcu is held, or @vcpu is being destroyed with its VM.
 * @index: The MSR.
 * @data: What the guest writes.
 * @ret: If it decides, set to 0 if the write is dropped, else KVM_MSR_RET_*.
 *
 * Return: false if the write is KVM's to perform.
 */
static __always_inline bool kvm_msr_write_is_decided(struct kvm_vcpu *vcpu, u32 index,
						     u64 data, int *ret)
{
	const struct kvm_reg_policy *policy = kvm_reg_policy(vcpu->kvm);

	if (!policy || kvm_reg_policy_allows(policy, index, KVM_REG_WRITE))
		return false;

	return __kvm_msr_write_is_decided(vcpu, policy, index, data, ret);
}

#endif /* __KVM_X86_REG_ACCESS_H */
