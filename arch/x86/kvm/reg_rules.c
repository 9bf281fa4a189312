// SPDX-License-Identifier: GPL-2.0
/*
 * Register rules: KVM_X86_{SET,GET}_REG_RULES as a front-end of the register
 * policy.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "lapic.h"
#include "reg_access.h"
#include "reg_rules.h"

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

/* The engine speaks the ABI's language. */
static_assert(KVM_X86_REG_READ == (int)KVM_REG_READ);
static_assert(KVM_X86_REG_WRITE == (int)KVM_REG_WRITE);
static_assert(KVM_X86_REG_ALLOW == (int)KVM_REG_ALLOW);
static_assert(KVM_X86_REG_DENY == (int)KVM_REG_DENY);
static_assert(KVM_X86_REG_GP == (int)KVM_REG_GP);
static_assert(KVM_X86_REG_EXIT == (int)KVM_REG_EXIT);
static_assert(KVM_X86_REG_IGNORE == (int)KVM_REG_IGNORE);
static_assert(KVM_X86_REG_AUDIT == (int)KVM_REG_AUDIT);

#define X2APIC_FIRST	APIC_BASE_MSR
#define X2APIC_LAST	(APIC_BASE_MSR + 0xff)

/* The one that exempts the x2APIC comes before userspace's. */
#define NR_OWN_RULES	1

static int check_head(const struct kvm_x86_reg_rules *head)
{
	if (head->flags & ~KVM_X86_REG_RULES_FAIL_CLOSED)
		return -EINVAL;

	if (head->msr_default >= KVM_REG_NR_ACTIONS)
		return -EINVAL;

	if (head->pad || memchr_inv(head->reserved, 0, sizeof(head->reserved)))
		return -EINVAL;

	return head->nr_rules > KVM_REG_RULES_MAX ? -E2BIG : 0;
}

static int check_rule(const struct kvm_x86_reg_rule *rule)
{
	if (rule->space != KVM_X86_REG_MSR || rule->pad)
		return -EINVAL;

	if (!rule->access || rule->access & ~KVM_REG_ACCESS_MASK)
		return -EINVAL;

	if (rule->action >= KVM_REG_NR_ACTIONS || rule->first > rule->last)
		return -EINVAL;

	if (rule->mask && !(rule->access & KVM_REG_WRITE))
		return -EINVAL;

	/*
	 * x2APIC MSRs cannot be guarded: with APICv and x2AVIC hardware accesses
	 * the APIC page in their stead.  Say so, instead of failing open.
	 */
	if (rule->action != KVM_REG_ALLOW &&
	    rule->first <= X2APIC_LAST && rule->last >= X2APIC_FIRST)
		return -EINVAL;

	return 0;
}

static int add_rule(struct kvm_rule_list *list, const struct kvm_x86_reg_rule *rule,
		    u16 number)
{
	struct kvm_reg_rule *to;
	int r = check_rule(rule);

	if (r)
		return r;

	/* In place: building thousands of rules elsewhere, to be copied, takes longer. */
	to = kvm_rule_list_new(list);
	to->first = rule->first;
	to->last = rule->last;
	to->access = rule->access;
	to->action = rule->action;
	to->number = number;
	to->mask = rule->mask;
	to->value = rule->value;
	return 0;
}

/* Copies the rules and checks them. */
static int add_rules(struct kvm_rule_list *list, const struct kvm_x86_reg_rules *head)
{
	size_t size = array_size(head->nr_rules, sizeof(struct kvm_x86_reg_rule));
	struct kvm_x86_reg_rule *rules __free(kvfree) = NULL;
	u32 i;
	int r;

	if (!size)
		return 0;

	rules = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!rules)
		return -ENOMEM;

	if (copy_from_user(rules, u64_to_user_ptr(head->rules), size))
		return -EFAULT;

	for (i = 0; i < head->nr_rules; i++) {
		r = add_rule(list, &rules[i], i);
		if (r)
			return r;
	}

	return 0;
}

/* The default must not reach the x2APIC; userspace's rules may only allow it. */
static void exempt_x2apic(struct kvm_rule_list *list)
{
	kvm_rule_list_add(list, (struct kvm_reg_rule) {
		.first = X2APIC_FIRST,
		.last = X2APIC_LAST,
		.access = KVM_REG_ACCESS_MASK,
		.action = KVM_REG_ALLOW,
		.number = KVM_REG_NO_NUMBER,
	});
}

/**
 * kvm_reg_rules_list - check userspace's rules, and make a list of them
 * @head: The head; the rules are still userspace's.
 *
 * Return: the list; NULL if it is empty and allows everything, i.e. does
 * nothing; or an ERR_PTR: EINVAL, E2BIG, EFAULT or ENOMEM.
 */
struct kvm_rule_list *kvm_reg_rules_list(const struct kvm_x86_reg_rules *head)
{
	struct kvm_rule_list *list;
	int r;

	r = check_head(head);
	if (r)
		return ERR_PTR(r);

	if (!head->nr_rules && head->msr_default == KVM_X86_REG_ALLOW)
		return NULL;

	list = kvm_rule_list_alloc(NR_OWN_RULES + head->nr_rules, 0);
	if (!list)
		return ERR_PTR(-ENOMEM);

	exempt_x2apic(list);
	r = add_rules(list, head);
	if (r) {
		kvm_rule_list_put(list);
		return ERR_PTR(r);
	}

	list->fail_closed = head->flags & KVM_X86_REG_RULES_FAIL_CLOSED;
	kvm_rule_list_finish(list, head->msr_default);
	return list;
}

/*
 * KVM does not see the registers of a guest whose state is encrypted: it cannot
 * perform in hardware's stead what it audits, nor compare what is written.
 */
static bool needs_state(const struct kvm_rule_list *list)
{
	u32 i;

	/* The default, too. */
	for (i = 0; i <= list->nr_rules; i++)
		if (list->rules[i].action == KVM_REG_AUDIT || list->rules[i].mask)
			return true;

	return false;
}

static int install_rules(struct kvm *kvm, struct kvm_rule_list *list)
{
	if (list && kvm->arch.has_protected_state && needs_state(list))
		return -EINVAL;

	return kvm_rule_list_install(kvm, KVM_REG_LAYER_RULES, list);
}

int kvm_vm_ioctl_set_reg_rules(struct kvm *kvm, void __user *argp)
{
	struct kvm_x86_reg_rules head;
	struct kvm_rule_list *list;
	int r;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;

	list = kvm_reg_rules_list(&head);
	if (IS_ERR(list))
		return PTR_ERR(list);

	r = install_rules(kvm, list);
	kvm_rule_list_put(list);
	return r;
}

static u32 nr_user_rules(const struct kvm_rule_list *list)
{
	return list ? list->nr_rules - NR_OWN_RULES : 0;
}

static int copy_rules(struct kvm_x86_reg_rule __user *to, const struct kvm_rule_list *list)
{
	const struct kvm_reg_rule *from;
	struct kvm_x86_reg_rule rule;
	u32 i;

	for (i = 0; i < nr_user_rules(list); i++) {
		from = &list->rules[NR_OWN_RULES + i];
		rule = (struct kvm_x86_reg_rule) {
			.space = KVM_X86_REG_MSR,
			.access = from->access,
			.action = from->action,
			.first = from->first,
			.last = from->last,
			.mask = from->mask,
			.value = from->value,
		};

		if (copy_to_user(&to[i], &rule, sizeof(rule)))
			return -EFAULT;
	}

	return 0;
}

static int get_rules(const struct kvm_rule_list *list, void __user *argp)
{
	struct kvm_x86_reg_rules head;
	u32 capacity;
	int r = 0;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;

	if (head.pad || memchr_inv(head.reserved, 0, sizeof(head.reserved)))
		return -EINVAL;

	capacity = head.nr_rules;
	head.nr_rules = nr_user_rules(list);
	head.flags = list && list->fail_closed ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
	head.msr_default = list ? list->rules[list->nr_rules].action : KVM_X86_REG_ALLOW;
	if (capacity < head.nr_rules)
		r = -E2BIG;
	else
		r = copy_rules(u64_to_user_ptr(head.rules), list);
	if (r && r != -E2BIG)
		return r;

	/* The count is for the next try, if the room was too small. */
	return copy_to_user(argp, &head, sizeof(head)) ? -EFAULT : r;
}

int kvm_vm_ioctl_get_reg_rules(struct kvm *kvm, void __user *argp)
{
	struct kvm_rule_list *list = kvm_rule_list_get(kvm, KVM_REG_LAYER_RULES);
	int r = get_rules(list, argp);

	kvm_rule_list_put(list);
	return r;
}
