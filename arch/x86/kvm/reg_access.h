/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register access: install a VM's register policy, and check accesses.
 */
#ifndef __KVM_X86_REG_ACCESS_H
#define __KVM_X86_REG_ACCESS_H

#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include "reg_policy.h"
#include "x86.h"

int kvm_reg_table_install(struct kvm *kvm, enum kvm_reg_list_id list,
			  struct kvm_reg_table *table);
struct kvm_reg_table *kvm_reg_table_get(struct kvm *kvm, enum kvm_reg_list_id list);
bool kvm_reg_policy_needs_state(struct kvm *kvm);
void kvm_reg_policy_destroy(struct kvm *kvm);

bool kvm_reg_may_passthrough(struct kvm_vcpu *vcpu, u32 index, u32 access);
bool kvm_reg_ignores_unknown(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			     u32 index, u32 access, u64 *data);
u64 kvm_reg_changed_bits(struct kvm_vcpu *vcpu, u32 index, u64 data);
int kvm_reg_decide(struct kvm_vcpu *vcpu, const struct kvm_reg_table *table,
		   const struct kvm_x86_reg_rule *rule, u32 index, u32 access, u64 *data);

/*
 * The guest's writes to control registers: reg_write.c.  KVM_REG_WRITE_EXIT: userspace has
 * to decide, see kvm_reg_complete_write() and kvm_reg_emulated_write_exits().  A caller
 * that cannot exit has to refuse the write.
 */
enum { KVM_REG_WRITE_ALLOWED, KVM_REG_WRITE_REFUSED, KVM_REG_WRITE_EXIT };
int __kvm_reg_check_write(struct kvm_vcpu *vcpu, const struct kvm_reg_table *rules,
			  enum kvm_reg_control reg, u64 old, u64 data);
int kvm_reg_write_guarded(struct kvm_vcpu *vcpu, const struct kvm_reg_table *rules,
			  enum kvm_reg_control reg, u64 old, u64 data);
int __kvm_reg_complete_write(struct kvm_vcpu *vcpu, int r);
bool kvm_reg_emulated_write_exits(struct kvm_vcpu *vcpu, int r);
bool kvm_reg_allows_task_switch(struct kvm_vcpu *vcpu, int *r);
u64 __kvm_reg_guarded_bits(struct kvm_vcpu *vcpu, enum kvm_reg_control reg);

/* KVM_X86_SET_MSR_FILTER: msr_filter.c */
struct kvm_reg_table *kvm_msr_filter_table(const struct kvm_msr_filter *filter);
int kvm_vm_ioctl_set_msr_filter(struct kvm *kvm, struct kvm_msr_filter *filter);

/* KVM_X86_{SET,GET}_REG_RULES: reg_rules.c */
struct kvm_reg_table *kvm_reg_rules_table(const struct kvm_x86_reg_rules *head);
int kvm_vm_ioctl_set_reg_rules(struct kvm *kvm, void __user *argp);
int kvm_vm_ioctl_get_reg_rules(struct kvm *kvm, void __user *argp);

/* The file reg_policy in the VM's debugfs directory: reg_debugfs.c */
void kvm_reg_policy_create_debugfs(struct kvm *kvm);

static inline const struct kvm_reg_policy *kvm_reg_policy(struct kvm *kvm)
{
	return srcu_dereference(kvm->arch.reg_policy, &kvm->srcu);
}

/* Return the rules to check a write against, NULL if it changes no guarded bits. */
static __always_inline const struct kvm_reg_table *
kvm_reg_guard(struct kvm_vcpu *vcpu, enum kvm_reg_control reg, u64 old, u64 data)
{
	const struct kvm_reg_policy *policy = kvm_reg_policy(vcpu->kvm);

	if (likely(!policy || !((old ^ data) & policy->guarded[reg])))
		return NULL;

	return policy->tables[KVM_REG_RULES];
}

/* May the guest write the register?  Return KVM_REG_WRITE_*. */
static inline int kvm_reg_check_write(struct kvm_vcpu *vcpu, enum kvm_reg_control reg,
				      u64 old, u64 data)
{
	const struct kvm_reg_table *rules = kvm_reg_guard(vcpu, reg, old, data);

	return rules ? __kvm_reg_check_write(vcpu, rules, reg, old, data) :
		       KVM_REG_WRITE_ALLOWED;
}

/* Finish an intercepted instruction, given the result of its write. */
static __always_inline int kvm_reg_complete_write(struct kvm_vcpu *vcpu, int r)
{
	if (likely(r == KVM_REG_WRITE_ALLOWED))
		return kvm_skip_emulated_instruction(vcpu);

	return __kvm_reg_complete_write(vcpu, r);
}

/* Return the bits of a control register that the guest must not change on its own. */
static inline u64 kvm_reg_guarded_bits(struct kvm_vcpu *vcpu, enum kvm_reg_control reg)
{
	if (!rcu_access_pointer(vcpu->kvm->arch.reg_policy))
		return 0;

	return __kvm_reg_guarded_bits(vcpu, reg);
}

/* Is the access allowed, for any value?  A policy's answer outside the windows is no. */
static __always_inline bool kvm_reg_allows_plainly(struct kvm_vcpu *vcpu, u32 index,
						   u32 access)
{
	const struct kvm_reg_policy *policy = kvm_reg_policy(vcpu->kvm);

	return !policy || kvm_reg_policy_allows_plainly(policy, index, access);
}

/*
 * Return KVM_MSR_RET_ALLOWED if KVM has to handle the guest's access to an MSR.
 * Otherwise the policy handles it: return 0 if it succeeds, with the value of a read in
 * @data, or another KVM_MSR_RET_*.  For a write, @data is the value to write.
 */
static __always_inline int kvm_reg_check(struct kvm_vcpu *vcpu,
					 const struct kvm_reg_policy *policy,
					 u32 index, u32 access, u64 *data)
{
	const struct kvm_x86_reg_rule *rule;
	const struct kvm_reg_table *table;
	u64 changed = 0;

	if (!policy || kvm_reg_policy_allows_plainly(policy, index, access))
		return KVM_MSR_RET_ALLOWED;

	if (access == KVM_X86_REG_RULE_WRITE && kvm_reg_policy_compares(policy, index))
		changed = kvm_reg_changed_bits(vcpu, index, *data);

	rule = kvm_reg_policy_find(policy, index, access, changed, &table);
	if (!rule)
		return KVM_MSR_RET_ALLOWED;

	return kvm_reg_decide(vcpu, table, rule, index, access, data);
}

#endif /* __KVM_X86_REG_ACCESS_H */
