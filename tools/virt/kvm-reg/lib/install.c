// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies of VMs: install one, read it back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "internal.h"

#define TSC_DEADLINE	0x6e0

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

/*
 * They do not ask the filter about all writes of TSC_DEADLINE either: KVM may handle these
 * right after the VM-exit.
 */
static int check_deadline(const struct kvmreg_policy *policy, struct kvmreg_error *error)
{
	const struct kvmreg_access write = {
		.access = KVM_X86_REG_RULE_WRITE,
		.index = TSC_DEADLINE,
	};
	const struct kvmreg_decision decision = kvmreg_evaluate(policy, &write);

	if (decision.action == KVM_X86_REG_RULE_ALLOW)
		return 0;
	return kr_fail_rule(error, EOPNOTSUPP, policy, decision.rule,
			    "Put this first: allow w msr MSR_IA32_TSC_DEADLINE",
			    "%sno MSR filter of this kernel stops all writes to MSR_IA32_TSC_DEADLINE",
			    decision.rule < 0 ? "the default: " : "");
}

static int try_filter(int vm, const struct kvmreg_policy *policy, bool no_exits,
		      struct kvmreg_error *error)
{
	struct kvm_msr_filter *filter;
	int err;

	err = kr_to_filter(policy, no_exits, &filter, error);
	if (err)
		return err;

	err = check_deadline(policy, error);
	if (!err && !old_kernels_match(filter))
		err = kr_fail(error, EOPNOTSUPP,
			      "%s: error: no MSR filter of this kernel matches MSR 0xffffffff",
			      policy->name);
	else if (!err && ioctl(vm, KVM_X86_SET_MSR_FILTER, filter))
		err = kr_fail(error, errno, "%s: KVM_X86_SET_MSR_FILTER: %m", policy->name);
	free(filter);
	return err ?: KVMREG_FILTER;
}

/* Who has asked for no filter has to know why filters matter. */
static int install_filter(int vm, const struct kvmreg_policy *policy, bool no_exits,
			  struct kvmreg_error *error)
{
	const int err = try_filter(vm, policy, no_exits, error);
	size_t len;

	if (err == -EOPNOTSUPP && error) {
		len = strlen(error->message);
		snprintf(error->message + len, sizeof(error->message) - len,
			 "\nThis kernel has no register rules, only MSR filters.");
	}
	return err;
}

int kvmreg_install(int vm, const struct kvmreg_policy *policy, unsigned int flags,
		   struct kvmreg_error *error)
{
	int max_rules;

	if (flags & ~(KVMREG_NO_FILTER | KVMREG_NO_EXITS))
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
	return install_filter(vm, policy, flags & KVMREG_NO_EXITS, error);
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
