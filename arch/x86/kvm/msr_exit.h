/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MSR exits: hand MSR accesses that failed to userspace, and complete them.
 */
#ifndef __KVM_X86_MSR_EXIT_H
#define __KVM_X86_MSR_EXIT_H

#include <linux/kvm_host.h>

/**
 * enum kvm_insn_path - how KVM came to execute an instruction
 * @KVM_INSN_DIRECT: in the handler of the instruction's own VM exit.
 * @KVM_INSN_EMULATED: in the emulator.
 */
enum kvm_insn_path {
	KVM_INSN_DIRECT,
	KVM_INSN_EMULATED,
};

int kvm_msr_enable_exits(struct kvm *kvm, u64 reasons);
bool kvm_exit_on_rdmsr(struct kvm_vcpu *vcpu, u32 index, int ret,
		       enum kvm_insn_path path);
bool kvm_exit_on_wrmsr(struct kvm_vcpu *vcpu, u32 index, u64 data, int ret,
		       enum kvm_insn_path path);

#endif /* __KVM_X86_MSR_EXIT_H */
