/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __KVM_X86_REG_RULES_MODEL_H
#define __KVM_X86_REG_RULES_MODEL_H

/*
 * The rules as documented: a walk from the first to the last, for tests to compare with what
 * is compiled.  It shares no code with that, and is C for userspace, too, so that KUnit and
 * the tests of tools/virt/kvm-reg ask the same model.
 */
#include <linux/types.h>

#include <asm/kvm_reg_rules.h>

/* No rule applies, but the default does; for MSRs of the x2APIC, not even that. */
#define REG_RULES_MODEL_DEFAULT		(-1)
#define REG_RULES_MODEL_X2APIC		(-2)

/* Return the number of the rule for an access to an MSR. */
static inline int reg_rules_model_msr(const struct kvm_x86_reg_rule *rules, __u32 nr,
				      __u64 index, __u32 access, __u64 changed)
{
	__u32 i;

	if (index >> 8 == 8)
		return REG_RULES_MODEL_X2APIC;

	for (i = 0; i < nr; i++) {
		const struct kvm_x86_reg_rule *rule = &rules[i];

		if (rule->space || !(rule->access & access) || index < rule->first ||
		    index > rule->last)
			continue;

		if (access == KVM_X86_REG_RULE_READ || !rule->mask || (rule->mask & changed))
			return i;
	}

	return REG_RULES_MODEL_DEFAULT;
}

/* Return the number of the rule for a write to a control register, of which a guest has @bits. */
static inline int reg_rules_model_control(const struct kvm_x86_reg_rule *rules, __u32 nr,
					  __u32 space, __u32 index, __u64 bits, __u64 changed)
{
	__u64 mask;
	__u32 i;

	for (i = 0; i < nr; i++) {
		if (rules[i].space != space || rules[i].last != index)
			continue;

		mask = rules[i].mask ? rules[i].mask : ~0ULL;
		if (mask & changed & bits)
			return i;
	}

	return REG_RULES_MODEL_DEFAULT;
}

#endif
