// SPDX-License-Identifier: GPL-2.0
/*
 * Register debugfs: show the installed policy of a VM.
 */
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/seq_file.h>

#include "reg_access.h"

static const char * const access_names[] = {
	[KVM_X86_REG_RULE_READ]		= "r",
	[KVM_X86_REG_RULE_WRITE]	= "w",
	[KVM_REG_RW]			= "rw",
};

static const char * const action_names[] = {
	[KVM_X86_REG_RULE_ALLOW]	= "allow",
	[KVM_X86_REG_RULE_DENY]		= "deny",
	[KVM_X86_REG_RULE_GP]		= "gp",
	[KVM_X86_REG_RULE_EXIT]		= "exit",
	[KVM_X86_REG_RULE_IGNORE]	= "ignore",
	[KVM_X86_REG_RULE_AUDIT]	= "audit",
	[KVM_X86_REG_RULE_IGNORE_UNKNOWN] = "ignore-unknown",
};

static void show_registers(struct seq_file *m, const struct kvm_x86_reg_rule *rule)
{
	switch (rule->space) {
	case KVM_X86_REG_RULE_CR:
		seq_printf(m, "cr%u", rule->first);
		break;
	case KVM_X86_REG_RULE_XCR:
		seq_printf(m, "xcr%u", rule->first);
		break;
	default:
		seq_printf(m, "0x%08x-0x%08x", rule->first, rule->last);
	}
}

static void show_table(struct seq_file *m, const char *name,
		       const struct kvm_reg_table *table)
{
	const struct kvm_x86_reg_rule *rule;
	u32 i;

	seq_printf(m, "%s: default %s%s\n", name,
		   action_names[table->rules[table->nr_rules].action],
		   table->flags & KVM_X86_REG_RULES_FAIL_CLOSED ? ", fail closed" : "");

	for (i = 0; i < table->nr_rules; i++) {
		rule = &table->rules[i];
		/* Skip ranges of the filter that are not in use. */
		if (!rule->access)
			continue;

		seq_printf(m, "%u: ", i);
		show_registers(m, rule);
		seq_printf(m, " %s %s", access_names[rule->access],
			   action_names[rule->action]);
		if (rule->mask)
			seq_printf(m, " mask 0x%llx", rule->mask);
		if (kvm_reg_rule_has_value(rule))
			seq_printf(m, " value 0x%llx", rule->value);
		seq_puts(m, table->exempt ? " bitmap\n" : "\n");
	}
}

static int reg_policy_show(struct seq_file *m, void *v)
{
	static const char * const names[KVM_REG_NR_LISTS] = {
		[KVM_REG_RULES]		= "rules",
		[KVM_REG_FILTER]	= "filter",
	};
	size_t bytes = sizeof(struct kvm_reg_policy);
	struct kvm_reg_table *table;
	bool none = true;
	int i;

	for (i = 0; i < KVM_REG_NR_LISTS; i++) {
		table = kvm_reg_table_get(m->private, i);
		if (!table)
			continue;

		show_table(m, names[i], table);
		bytes += table->size;
		none = false;
		kvm_reg_table_put(table);
	}

	if (none)
		seq_puts(m, "none\n");
	else
		seq_printf(m, "bytes: %zu\n", bytes);

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

/* KVM removes the file with the VM's directory. */
void kvm_reg_policy_create_debugfs(struct kvm *kvm)
{
	debugfs_create_file("reg_policy", 0444, kvm->debugfs_dentry, kvm,
			    &reg_policy_fops);
}
