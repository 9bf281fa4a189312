// SPDX-License-Identifier: GPL-2.0
/*
 * Register rules: KVM_X86_{SET,GET}_REG_RULES.
 */
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "reg_access.h"

static_assert(sizeof(struct kvm_x86_reg_rule) == 32);
static_assert(offsetof(struct kvm_x86_reg_rule, access) == 2);
static_assert(offsetof(struct kvm_x86_reg_rule, action) == 3);
static_assert(offsetof(struct kvm_x86_reg_rule, first) == 8);
static_assert(offsetof(struct kvm_x86_reg_rule, last) == 12);
static_assert(offsetof(struct kvm_x86_reg_rule, mask) == 16);
static_assert(offsetof(struct kvm_x86_reg_rule, value) == 24);
static_assert(sizeof(struct kvm_x86_reg_rules) == 64);
static_assert(offsetof(struct kvm_x86_reg_rules, nr_rules) == 4);
static_assert(offsetof(struct kvm_x86_reg_rules, msr_default) == 8);
static_assert(offsetof(struct kvm_x86_reg_rules, rules) == 16);
static_assert(offsetof(struct kvm_x86_reg_rules, reserved) == 24);

static int check_head(const struct kvm_x86_reg_rules *head)
{
	if (head->flags & ~KVM_X86_REG_RULES_FAIL_CLOSED)
		return -EINVAL;

	if (head->msr_default > KVM_X86_REG_RULE_IGNORE_UNKNOWN)
		return -EINVAL;

	if (head->pad || memchr_inv(head->reserved, 0, sizeof(head->reserved)))
		return -EINVAL;

	return head->nr_rules > KVM_REG_MAX_RULES ? -E2BIG : 0;
}

/* Only for writes to one register each, which KVM cannot ignore. */
static int check_control(const struct kvm_x86_reg_rule *rule)
{
	if (kvm_reg_control(rule->space, rule->first) < 0 || rule->last != rule->first)
		return -EINVAL;

	if (rule->access != KVM_X86_REG_RULE_WRITE || kvm_reg_rule_has_value(rule))
		return -EINVAL;

	return 0;
}

static int check_rule(const struct kvm_x86_reg_rule *rule)
{
	if (rule->pad || !rule->access || rule->access & ~KVM_REG_RW)
		return -EINVAL;

	if (rule->action > KVM_X86_REG_RULE_IGNORE_UNKNOWN || rule->first > rule->last)
		return -EINVAL;

	if (rule->mask && rule->access != KVM_X86_REG_RULE_WRITE)
		return -EINVAL;

	if (rule->value && !kvm_reg_rule_has_value(rule))
		return -EINVAL;

	if (rule->space != KVM_X86_REG_RULE_MSR)
		return check_control(rule);

	/* x2APIC MSRs are always allowed.  Reject other actions, do not fail open. */
	if (rule->action != KVM_X86_REG_RULE_ALLOW &&
	    rule->first <= KVM_REG_X2APIC_LAST && rule->last >= KVM_REG_X2APIC_FIRST)
		return -EINVAL;

	return 0;
}

/*
 * KVM has to emulate audited accesses, and to read what a masked write changes.  It has
 * to see writes to control registers before they are made.
 */
static void note_action(struct kvm_reg_table *table, const struct kvm_x86_reg_rule *rule)
{
	table->needs_state |= rule->action == KVM_X86_REG_RULE_AUDIT || rule->mask ||
			      rule->space != KVM_X86_REG_RULE_MSR;
	table->ignores_unknown |= rule->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

/*
 * Copy a list's rules from userspace, check and compile them, and return the table.
 * Return NULL if the list is empty and allows everything, i.e. does nothing, or EINVAL,
 * E2BIG, EFAULT or ENOMEM as an ERR_PTR.
 */
struct kvm_reg_table *kvm_reg_rules_table(const struct kvm_x86_reg_rules *head)
{
	struct kvm_reg_table *table;
	struct kvm_x86_reg_rule *rule;
	int r;

	r = check_head(head);
	if (r)
		return ERR_PTR(r);

	if (!head->nr_rules && head->msr_default == KVM_X86_REG_RULE_ALLOW)
		return NULL;

	table = kvm_reg_table_alloc(head->nr_rules, 0);
	if (!table)
		return ERR_PTR(-ENOMEM);

	if (copy_from_user(table->rules, u64_to_user_ptr(head->rules),
			   array_size(head->nr_rules, sizeof(*rule)))) {
		r = -EFAULT;
		goto err;
	}

	table->flags = head->flags;
	table->rules[table->nr_rules].action = head->msr_default;
	note_action(table, &table->rules[table->nr_rules]);
	for (rule = table->rules; rule < table->rules + table->nr_rules; rule++) {
		r = check_rule(rule);
		if (r)
			goto err;

		note_action(table, rule);
	}

	r = kvm_reg_table_compile(table);
	if (!r)
		return table;
err:
	kvm_reg_table_put(table);
	return ERR_PTR(r);
}

int kvm_vm_ioctl_set_reg_rules(struct kvm *kvm, void __user *argp)
{
	struct kvm_x86_reg_rules head;
	struct kvm_reg_table *table;
	int r;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;

	table = kvm_reg_rules_table(&head);
	if (IS_ERR(table))
		return PTR_ERR(table);

	r = kvm_reg_table_install(kvm, KVM_REG_RULES, table);
	kvm_reg_table_put(table);
	return r;
}

static int get_rules(const struct kvm_reg_table *table, struct kvm_x86_reg_rules __user *to)
{
	struct kvm_x86_reg_rules head;
	u32 capacity;

	if (copy_from_user(&head, to, sizeof(head)))
		return -EFAULT;

	if (head.pad || memchr_inv(head.reserved, 0, sizeof(head.reserved)))
		return -EINVAL;

	capacity = head.nr_rules;
	head.nr_rules = table ? table->nr_rules : 0;
	head.flags = table ? table->flags : 0;
	head.msr_default = table ? table->rules[table->nr_rules].action :
				   KVM_X86_REG_RULE_ALLOW;

	if (table && capacity >= table->nr_rules &&
	    copy_to_user(u64_to_user_ptr(head.rules), table->rules,
			 array_size(table->nr_rules, sizeof(table->rules[0]))))
		return -EFAULT;

	if (copy_to_user(to, &head, sizeof(head)))
		return -EFAULT;

	/* @head has the count, for userspace to make room and try again. */
	return capacity < head.nr_rules ? -E2BIG : 0;
}

int kvm_vm_ioctl_get_reg_rules(struct kvm *kvm, void __user *argp)
{
	struct kvm_reg_table *table = kvm_reg_table_get(kvm, KVM_REG_RULES);
	int r = get_rules(table, argp);

	kvm_reg_table_put(table);
	return r;
}
