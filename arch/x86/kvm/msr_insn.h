/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MSR instructions: recognise RDMSR and WRMSR without the emulator.
 */
#ifndef __KVM_X86_MSR_INSN_H
#define __KVM_X86_MSR_INSN_H

#include <linux/kvm_host.h>

unsigned long kvm_msr_insn_end(struct kvm_vcpu *vcpu);

#endif /* __KVM_X86_MSR_INSN_H */
