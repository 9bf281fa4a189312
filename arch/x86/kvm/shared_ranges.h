/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __KVM_X86_SHARED_RANGES_H
#define __KVM_X86_SHARED_RANGES_H

#include <linux/kvm_host.h>

/* Charged with 192 KiB, if the guest shares so many: a Linux guest has some 60. */
#define KVM_MAX_SHARED_RANGES	4096

int kvm_vm_enable_shared_ranges(struct kvm *kvm, const struct kvm_enable_cap *cap);
int kvm_vm_ioctl_set_shared_ranges(struct kvm *kvm, void __user *argp);
int kvm_vm_ioctl_get_shared_ranges(struct kvm *kvm, void __user *argp);
void kvm_shared_ranges_destroy(struct kvm *kvm);

unsigned long kvm_record_map_gpa_range(struct kvm *kvm, gpa_t gpa, u64 npages,
				       u64 attributes);
void __kvm_record_map_gpa_range_exit(struct kvm_vcpu *vcpu, u64 ret);

/* For any hypercall that ends, as some ends are the same for all hypercalls. */
static inline void kvm_record_map_gpa_range_exit(struct kvm_vcpu *vcpu, u64 ret)
{
	if (vcpu->arch.map_gpa_range_exit.npages)
		__kvm_record_map_gpa_range_exit(vcpu, ret);
}

/* Userspace has to convert a VM's private memory: KVM must not answer in its place. */
static inline bool kvm_records_without_exit(struct kvm *kvm)
{
	return READ_ONCE(kvm->arch.shared_ranges) && !kvm_arch_has_private_mem(kvm);
}

#endif /* __KVM_X86_SHARED_RANGES_H */
