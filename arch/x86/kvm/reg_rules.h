/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register rules: KVM_X86_{SET,GET}_REG_RULES.
 */
#ifndef __KVM_X86_REG_RULES_H
#define __KVM_X86_REG_RULES_H

#include <linux/kvm_host.h>

/* The most rules that a list may hold, i.e. what KVM_CAP_X86_REG_RULES says. */
#define KVM_REG_RULES_MAX	4096

struct kvm_rule_list;

struct kvm_rule_list *kvm_reg_rules_list(const struct kvm_x86_reg_rules *head);

int kvm_vm_ioctl_set_reg_rules(struct kvm *kvm, void __user *argp);
int kvm_vm_ioctl_get_reg_rules(struct kvm *kvm, void __user *argp);

#endif /* __KVM_X86_REG_RULES_H */
