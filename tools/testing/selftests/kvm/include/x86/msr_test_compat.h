/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the library of newer kernels has, for the tests of a guest's MSR accesses.
 */
#ifndef SELFTEST_KVM_MSR_TEST_COMPAT_H
#define SELFTEST_KVM_MSR_TEST_COMPAT_H

#include "kvm_util.h"
#include "svm_util.h"
#include "vmx.h"

/* The tests bring a stack for L2. */
#define prepare_vmcs(vmx, guest_rip)		prepare_vmcs(vmx, guest_rip, NULL)
#define generic_svm_setup(svm, guest_rip)	generic_svm_setup(svm, guest_rip, NULL)

#define vm_get_stat(vm, stat)			vm_get_stat(vm, #stat)
#define vcpu_get_stat(vcpu, stat)	__vcpu_get_stat(vcpu, #stat)

static inline uint64_t __vcpu_get_stat(struct kvm_vcpu *vcpu, const char *name)
{
	struct kvm_stats_desc *descs, *desc = NULL;
	int fd = vcpu_get_stats_fd(vcpu), i;
	struct kvm_stats_header header;
	uint64_t value = 0;
	bool found = false;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc && !found; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(fd, &header, desc, &value, 1);
	}
	TEST_ASSERT(found, "there is no statistic %s", name);
	TEST_ASSERT_EQ(desc->flags & KVM_STATS_TYPE_MASK, KVM_STATS_TYPE_CUMULATIVE);
	free(descs);
	close(fd);
	return value;
}

#endif /* SELFTEST_KVM_MSR_TEST_COMPAT_H */
