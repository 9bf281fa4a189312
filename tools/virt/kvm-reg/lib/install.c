// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies of VMs: install one, read it back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "internal.h"

/*
 * Kernels without register rules compute where a range ends in 32 bits: one that ends with
 * the last MSR never matches, and what it denies is allowed.
 */
static bool old_kernels_match(const struct kvm_msr_filter *filter)
{
	const struct kvm_msr_filter_range *range;

	for (range = filter->ranges; range < filter->ranges + KVM_MSR_FILTER_MAX_RANGES; range++)
		if (range->nmsrs && range->base + range->nmsrs == 0)
			return false;
	return true;
}

static int install_filter(int vm, const struct kvmreg_policy *policy, struct kvmreg_error *error)
{
	struct kvm_msr_filter *filter;
	int err;

	err = kvmreg_to_filter(policy, &filter, error);
	if (err)
		return err;

	if (!old_kernels_match(filter))
		err = kr_fail(error, EOPNOTSUPP,
			      "%s: error: no MSR filter of this kernel matches MSR 0xffffffff",
			      policy->name);
	else if (ioctl(vm, KVM_X86_SET_MSR_FILTER, filter))
		err = kr_fail(error, errno, "%s: KVM_X86_SET_MSR_FILTER: %m", policy->name);
	free(filter);
	return err ?: KVMREG_FILTER;
}

int kvmreg_install(int vm, const struct kvmreg_policy *policy, unsigned int flags,
		   struct kvmreg_error *error)
{
	int max_rules;

	if (flags & ~KVMREG_NO_FILTER)
		return kr_fail(error, EINVAL, "%s: unknown flags 0x%x", policy->name, flags);

	max_rules = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_REG_RULES);
	if (max_rules < 0)
		return kr_fail(error, errno, "%s: KVM_CHECK_EXTENSION: %m", policy->name);

	if (max_rules) {
		if (ioctl(vm, KVM_X86_SET_REG_RULES, &policy->head))
			return kr_fail(error, errno, "%s: KVM_X86_SET_REG_RULES: %m", policy->name);
		return 0;
	}

	if (flags & KVMREG_NO_FILTER)
		return kr_fail(error, EOPNOTSUPP, "%s: error: this kernel has no register rules",
			       policy->name);
	return install_filter(vm, policy, error);
}

int kvmreg_read(int vm, struct kvmreg_policy **policy, struct kvmreg_error *error)
{
	struct kvm_x86_reg_rule *rules = calloc(MAX_RULES, sizeof(*rules));
	struct kvm_x86_reg_rules head = { .nr_rules = MAX_RULES, .rules = (uintptr_t)rules };
	int err;

	if (!rules)
		return kr_fail(error, ENOMEM, "VM: out of memory");

	if (ioctl(vm, KVM_X86_GET_REG_RULES, &head))
		err = kr_fail(error, errno, "KVM_X86_GET_REG_RULES: %m");
	else
		err = kvmreg_from_rules(&head, "VM", policy, error);
	free(rules);
	return err;
}
