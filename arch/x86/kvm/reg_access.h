/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register access: a register policy at work in a VM.
 */
#ifndef __KVM_X86_REG_ACCESS_H
#define __KVM_X86_REG_ACCESS_H

#include <linux/kvm_host.h>

#include "reg_policy.h"

/**
 * enum kvm_insn_path - how KVM came to execute an instruction
 * @KVM_INSN_DIRECT: in the handler of the instruction's own VM exit.
 * @KVM_INSN_EMULATED: in the emulator.
 */
enum kvm_insn_path {
	KVM_INSN_DIRECT,
	KVM_INSN_EMULATED,
};

void kvm_reg_policy_install(struct kvm *kvm, struct kvm_reg_policy *policy);
void kvm_reg_policy_destroy(struct kvm *kvm);

enum kvm_reg_action kvm_msr_action(struct kvm_vcpu *vcpu, u32 index,
				   enum kvm_reg_access access);
bool kvm_msr_denied(struct kvm_vcpu *vcpu, u32 index, enum kvm_reg_access access);
bool kvm_msr_may_passthrough(struct kvm_vcpu *vcpu, u32 index,
			     enum kvm_reg_access access);

int kvm_msr_enable_exits(struct kvm *kvm, u64 reasons);
bool kvm_exit_on_rdmsr(struct kvm_vcpu *vcpu, u32 index, int ret,
		       enum kvm_insn_path path);
bool kvm_exit_on_wrmsr(struct kvm_vcpu *vcpu, u32 index, u64 data, int ret,
		       enum kvm_insn_path path);

#endif /* __KVM_X86_REG_ACCESS_H */
