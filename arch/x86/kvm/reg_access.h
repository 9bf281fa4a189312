/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register access: a register policy at work in a VM.
 */
#ifndef __KVM_X86_REG_ACCESS_H
#define __KVM_X86_REG_ACCESS_H

#include <linux/kvm_host.h>

#include "reg_policy.h"

void kvm_reg_policy_install(struct kvm *kvm, struct kvm_reg_policy *policy);
void kvm_reg_policy_destroy(struct kvm *kvm);

enum kvm_reg_action kvm_msr_action(struct kvm_vcpu *vcpu, u32 index,
				   enum kvm_reg_access access);
bool kvm_msr_denied(struct kvm_vcpu *vcpu, u32 index, enum kvm_reg_access access);
bool kvm_msr_may_passthrough(struct kvm_vcpu *vcpu, u32 index,
			     enum kvm_reg_access access);

#endif /* __KVM_X86_REG_ACCESS_H */
