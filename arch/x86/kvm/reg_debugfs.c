// SPDX-License-Identifier: GPL-2.0
/*
 * Register debugfs: show the policy that is in force for a VM.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/seq_file.h>

#include "reg_access.h"
#include "reg_debugfs.h"

static const char * const layer_names[KVM_REG_NR_LAYERS] = {
	[KVM_REG_LAYER_RULES]	= "rules",
	[KVM_REG_LAYER_FILTER]	= "filter",
};

static const char * const access_names[] = {
	[KVM_REG_READ]		= "r",
	[KVM_REG_WRITE]		= "w",
	[KVM_REG_ACCESS_MASK]	= "rw",
};

static const char * const action_names[KVM_REG_NR_ACTIONS] = {
	[KVM_REG_ALLOW]		= "allow",
	[KVM_REG_DENY]		= "deny",
	[KVM_REG_GP]		= "gp",
	[KVM_REG_EXIT]		= "exit",
	[KVM_REG_IGNORE]	= "ignore",
	[KVM_REG_AUDIT]		= "audit",
};

static void show_rule(struct seq_file *m, const struct kvm_reg_rule *rule)
{
	/* The x2APIC's, which userspace did not ask for. */
	if (rule->number == KVM_REG_NO_NUMBER)
		return;

	seq_printf(m, "%u: 0x%08x-0x%08x %s %s", rule->number, rule->first, rule->last,
		   access_names[rule->access], action_names[rule->action]);
	if (rule->mask)
		seq_printf(m, " mask 0x%llx", rule->mask);
	if (rule->action == KVM_REG_IGNORE)
		seq_printf(m, " value 0x%llx", rule->value);
	if (rule->bitmap)
		seq_puts(m, " bitmap");
	seq_putc(m, '\n');
}

static void show_list(struct seq_file *m, const struct kvm_rule_list *list,
		      const char *name)
{
	u32 i;

	if (!list)
		return;

	seq_printf(m, "%s: default %s%s\n", name,
		   action_names[list->rules[list->nr_rules].action],
		   list->fail_closed ? ", fail closed" : "");
	for (i = 0; i < list->nr_rules; i++)
		show_rule(m, &list->rules[i]);
}

static void show_memory(struct seq_file *m, const struct kvm_reg_policy *policy)
{
	size_t size = policy->size;
	int layer;

	for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++)
		size += policy->lists[layer] ? policy->lists[layer]->size : 0;

	seq_printf(m, "segments: %u\nbytes: %zu\n", policy->nr_segments, size);
}

static int reg_policy_show(struct seq_file *m, void *v)
{
	struct kvm *kvm = m->private;
	const struct kvm_reg_policy *policy;
	int layer;

	guard(mutex)(&kvm->lock);

	policy = rcu_dereference_protected(kvm->arch.reg_policy,
					   lockdep_is_held(&kvm->lock));
	if (!policy) {
		seq_puts(m, "none\n");
		return 0;
	}

	for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++)
		show_list(m, policy->lists[layer], layer_names[layer]);
	show_memory(m, policy);
	return 0;
}

static int reg_policy_open(struct inode *inode, struct file *file)
{
	struct kvm *kvm = inode->i_private;
	int r;

	if (!kvm_get_kvm_safe(kvm))
		return -ENOENT;

	r = single_open(file, reg_policy_show, kvm);
	if (r)
		kvm_put_kvm(kvm);

	return r;
}

static int reg_policy_release(struct inode *inode, struct file *file)
{
	kvm_put_kvm(inode->i_private);
	return single_release(inode, file);
}

static const struct file_operations reg_policy_fops = {
	.owner		= THIS_MODULE,
	.open		= reg_policy_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= reg_policy_release,
};

/**
 * kvm_reg_policy_create_debugfs - create the VM's file reg_policy
 * @kvm: The VM, whose debugfs folder exists and goes away with the file in it.
 */
void kvm_reg_policy_create_debugfs(struct kvm *kvm)
{
	debugfs_create_file("reg_policy", 0444, kvm->debugfs_dentry, kvm,
			    &reg_policy_fops);
}
