/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MSR filter: KVM_X86_SET_MSR_FILTER as a front-end of the register policy.
 */
#ifndef __KVM_X86_MSR_FILTER_H
#define __KVM_X86_MSR_FILTER_H

#include <linux/kvm_host.h>

struct kvm_rule_list;

struct kvm_rule_list *kvm_msr_filter_list(const struct kvm_msr_filter *filter);

int kvm_vm_ioctl_set_msr_filter(struct kvm *kvm, void __user *argp);
int kvm_msr_filter_compat_ioctl(struct kvm *kvm, unsigned int ioctl,
				void __user *argp);

#endif /* __KVM_X86_MSR_FILTER_H */
