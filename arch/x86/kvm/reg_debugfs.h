/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register debugfs: show the policy that is in force for a VM.
 */
#ifndef __KVM_X86_REG_DEBUGFS_H
#define __KVM_X86_REG_DEBUGFS_H

#include <linux/kvm_host.h>

void kvm_reg_policy_create_debugfs(struct kvm *kvm);

#endif /* __KVM_X86_REG_DEBUGFS_H */
