// SPDX-License-Identifier: GPL-2.0
/*
 * Register access: install a VM's register policy, and check accesses.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include "reg_access.h"
#include "trace.h"

/* The ABI, the policy and the vendors have the same values for an access. */
static_assert(KVM_X86_REG_RULE_READ == MSR_TYPE_R);
static_assert(KVM_X86_REG_RULE_WRITE == MSR_TYPE_W);
static_assert(KVM_X86_REG_RULE_READ == KVM_MSR_FILTER_READ);
static_assert(KVM_X86_REG_RULE_WRITE == KVM_MSR_FILTER_WRITE);

static struct kvm_reg_policy *locked_policy(struct kvm *kvm)
{
	return rcu_dereference_protected(kvm->arch.reg_policy,
					 lockdep_is_held(&kvm->lock));
}

static struct kvm_reg_table *locked_table(struct kvm *kvm, enum kvm_reg_list_id list)
{
	struct kvm_reg_policy *policy = locked_policy(kvm);

	return policy ? policy->tables[list] : NULL;
}

/*
 * Replace one of the VM's lists by @table, NULL for none.  The caller keeps its
 * reference.  A failure changes nothing.
 *
 * When this returns, no vCPU can make an access that the new policy traps:
 *
 * - A vCPU in KVM looks up the old policy in a section of kvm->srcu, which has ended.
 * - A vCPU in the guest has left it, because the request waits for that.  It recomputes
 *   its intercepts before it enters again, and in L2 also those of L2.
 * - A vCPU that is being created starts with the request pending.
 *
 * Without vCPUs, don't wait: created_vcpus is raised under kvm->lock before a vCPU can
 * read the policy, and lowered when it no longer can.
 */
int kvm_reg_table_install(struct kvm *kvm, enum kvm_reg_list_id list,
			  struct kvm_reg_table *table)
{
	struct kvm_reg_table *tables[KVM_REG_NR_LISTS];
	struct kvm_reg_policy *new = NULL, *old;
	bool has_vcpus;

	scoped_guard(mutex, &kvm->lock) {
		if (table && table->needs_state &&
		    (kvm->arch.has_protected_state || kvm_x86_call(has_hidden_regs)(kvm)))
			return -EINVAL;

		tables[KVM_REG_RULES] = locked_table(kvm, KVM_REG_RULES);
		tables[KVM_REG_FILTER] = locked_table(kvm, KVM_REG_FILTER);
		tables[list] = table;
		if (tables[KVM_REG_RULES] || tables[KVM_REG_FILTER]) {
			new = kvm_reg_policy_alloc(tables);
			if (!new)
				return -ENOMEM;
		}

		old = locked_policy(kvm);
		rcu_assign_pointer(kvm->arch.reg_policy, new);
		has_vcpus = kvm->created_vcpus;
	}

	if (has_vcpus && (old || new)) {
		kvm_make_all_cpus_request(kvm, KVM_REQ_RECALC_INTERCEPTS);
		synchronize_srcu_expedited(&kvm->srcu);
	}

	kvm_reg_policy_free(old);
	return 0;
}

/* Return an installed list, with a reference for the caller, or NULL. */
struct kvm_reg_table *kvm_reg_table_get(struct kvm *kvm, enum kvm_reg_list_id list)
{
	struct kvm_reg_table *table;

	guard(mutex)(&kvm->lock);

	table = locked_table(kvm, list);
	if (table)
		refcount_inc(&table->users);

	return table;
}

/* Does the policy require that KVM can access the registers of the VM? */
bool kvm_reg_policy_needs_state(struct kvm *kvm)
{
	struct kvm_reg_table *rules = locked_table(kvm, KVM_REG_RULES);

	return rules && rules->needs_state;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_reg_policy_needs_state);

/* Call only when the VM has neither vCPUs nor ioctls any more. */
void kvm_reg_policy_destroy(struct kvm *kvm)
{
	kvm_reg_policy_free(rcu_dereference_protected(kvm->arch.reg_policy, true));
}

/*
 * May hardware, or a fastpath, perform the access?  Does not require kvm->srcu, which is
 * not held e.g. while the vCPU is created.  If the policy changes, a request to recompute
 * intercepts is pending, or waits for the vCPU to handle its VM-exit.
 */
bool kvm_reg_may_passthrough(struct kvm_vcpu *vcpu, u32 index, u32 access)
{
	bool allowed;
	int idx;

	if (!rcu_access_pointer(vcpu->kvm->arch.reg_policy))
		return true;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	allowed = kvm_reg_allows_plainly(vcpu, index, access);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return allowed;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_reg_may_passthrough);

/*
 * Return the bits that a write changes.  Not all MSRs hold the value that is written.
 * Return all bits if KVM cannot read the MSR, or if its value after the write does not
 * depend on the write only.
 */
u64 kvm_reg_changed_bits(struct kvm_vcpu *vcpu, u32 index, u64 data)
{
	u64 old, changed;

	if (__kvm_get_msr(vcpu, index, &old, false))
		return ~0ULL;

	changed = old ^ data;
	switch (index) {
	case MSR_EFER:
		return changed & ~(u64)EFER_LMA;
	case MSR_TSC_AUX:
		return (u32)changed;
	case MSR_IA32_SYSENTER_EIP:
	case MSR_IA32_SYSENTER_ESP:
		return old ^ __canonical_address(data, max_host_virt_addr_bits());
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_DEADLINE:
	case MSR_IA32_PERFCTR0 ... MSR_IA32_PERFCTR0 + KVM_MAX_NR_INTEL_GP_COUNTERS - 1:
	case MSR_IA32_RTIT_OUTPUT_MASK:
	case HV_X64_MSR_STIMER0_CONFIG ... HV_X64_MSR_STIMER3_COUNT:
		return ~0ULL;
	default:
		return changed;
	}
}

static int result_of(struct kvm_vcpu *vcpu, const struct kvm_reg_table *table,
		     const struct kvm_x86_reg_rule *rule, u32 access, u64 *data)
{
	switch (rule->action) {
	case KVM_X86_REG_RULE_AUDIT:
		return KVM_MSR_RET_ALLOWED;
	case KVM_X86_REG_RULE_IGNORE:
	case KVM_X86_REG_RULE_IGNORE_UNKNOWN:
		if (access == KVM_X86_REG_RULE_READ)
			*data = rule->value;
		return 0;
	case KVM_X86_REG_RULE_DENY:
		if (table->exempt)
			return KVM_MSR_RET_FILTERED;
		if (!(vcpu->kvm->arch.user_space_msr_mask & KVM_MSR_EXIT_REASON_FILTER))
			return KVM_MSR_RET_GP;
		fallthrough;
	case KVM_X86_REG_RULE_EXIT:
		return table->flags & KVM_X86_REG_RULES_FAIL_CLOSED ?
		       KVM_MSR_RET_EXIT_ERROR : KVM_MSR_RET_EXIT;
	default:
		return KVM_MSR_RET_GP;
	}
}

/* Apply @rule of @table, count and trace the access, and return as kvm_reg_check(). */
int kvm_reg_decide(struct kvm_vcpu *vcpu, const struct kvm_reg_table *table,
		   const struct kvm_x86_reg_rule *rule, u32 index, u32 access, u64 *data)
{
	int r = result_of(vcpu, table, rule, access, data);

	++vcpu->stat.reg_policy_hits;
	if (trace_kvm_reg_rule_enabled())
		trace_kvm_reg_rule(vcpu->vcpu_id, index, access,
				   access == KVM_X86_REG_RULE_WRITE ? *data : rule->value,
				   table, rule);

	return r;
}

/*
 * Ask again about an access that @policy allows, after KVM has not known the MSR: return
 * true if the policy ignores it.  For a read, return the value in @data.
 */
bool kvm_reg_ignores_unknown(struct kvm_vcpu *vcpu, const struct kvm_reg_policy *policy,
			     u32 index, u32 access, u64 *data)
{
	const struct kvm_reg_table *rules = policy->tables[KVM_REG_RULES];
	const struct kvm_x86_reg_rule *rule;
	u64 changed = 0;

	if (!rules || !rules->ignores_unknown)
		return false;

	if (access == KVM_X86_REG_RULE_WRITE && kvm_reg_policy_compares(policy, index))
		changed = kvm_reg_changed_bits(vcpu, index, *data);

	rule = kvm_reg_table_find_unknown(rules, index, access, changed);
	return rule && !kvm_reg_decide(vcpu, rules, rule, index, access, data);
}
