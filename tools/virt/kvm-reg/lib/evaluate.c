// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What the kernel decides on an access. */
#include "internal.h"

/* KVM does not compare what these hold: the value after a write depends on more than that. */
#define EVERY_WRITE	0

/* See "Masks" in kvm/x86/reg-rules.rst. */
const struct msr_bits kr_special_msrs[] = {
	{ 0x10, 0x10, EVERY_WRITE },			/* MSR_IA32_TSC */
	{ 0xc1, 0xc8, EVERY_WRITE },			/* MSR_IA32_PERFCTR0 and on */
	{ 0x561, 0x561, EVERY_WRITE },			/* MSR_IA32_RTIT_OUTPUT_MASK */
	{ 0x6e0, 0x6e0, EVERY_WRITE },			/* MSR_IA32_TSC_DEADLINE */
	{ 0x400000b0, 0x400000b7, EVERY_WRITE },	/* HV_X64_MSR_STIMER0_CONFIG and on */
	{ 0xc0000080, 0xc0000080, ~(1ULL << 10) },	/* MSR_EFER: LMA */
	{ 0xc0000103, 0xc0000103, UINT32_MAX },		/* MSR_TSC_AUX */
};

const unsigned int kr_nr_special_msrs = ARRAY_SIZE(kr_special_msrs);

/* CR0.ET is always set, reserved bits of CR0 never are. */
__u64 kr_control_bits(__u16 space, __u32 index)
{
	return space == KVM_X86_REG_RULE_CR && !index ? 0xe005002f : ~0ULL;
}

__u64 kvmreg_changed_bits(const struct kvmreg_access *access)
{
	const __u64 changed = access->old ^ access->new_value;
	const struct msr_bits *special;

	if (access->space != KVM_X86_REG_RULE_MSR)
		return changed & kr_control_bits(access->space, access->index);

	if (!access->readable)
		return ~0ULL;

	for (special = kr_special_msrs; special < kr_special_msrs + kr_nr_special_msrs; special++)
		if (special->first <= access->index && access->index <= special->last)
			return special->bits == EVERY_WRITE ? ~0ULL : changed & special->bits;
	return changed;
}

static struct kvmreg_decision decide(const struct kvmreg_policy *policy,
				     const struct kvmreg_access *access, __u64 changed,
				     __u8 otherwise)
{
	struct kvmreg_decision decision = { .action = otherwise, .rule = KVMREG_DEFAULT };
	const struct kvm_x86_reg_rule *rule;
	unsigned int i;

	for (i = 0; i < policy->head.nr_rules; i++) {
		rule = &policy->rules[i];
		if (rule->space != access->space || !(rule->access & access->access) ||
		    access->index < rule->first || rule->last < access->index ||
		    (rule->mask && !(rule->mask & changed)))
			continue;

		decision.action = rule->action;
		decision.rule = i;
		decision.value = rule->value;
		break;
	}
	return decision;
}

struct kvmreg_decision kvmreg_evaluate(const struct kvmreg_policy *policy,
				       const struct kvmreg_access *access)
{
	const bool write = access->access == KVM_X86_REG_RULE_WRITE;
	const __u64 changed = write ? kvmreg_changed_bits(access) : 0;

	if (access->space == KVM_X86_REG_RULE_MSR) {
		if (is_x2apic(access->index))
			return (struct kvmreg_decision) { .rule = KVMREG_X2APIC };
		return decide(policy, access, changed, policy->head.msr_default);
	}

	if (write && !changed)
		return (struct kvmreg_decision) { .rule = KVMREG_NO_CHANGE };
	return decide(policy, access, changed, KVM_X86_REG_RULE_ALLOW);
}
