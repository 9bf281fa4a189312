// SPDX-License-Identifier: GPL-2.0
/*
 * MSR filter: KVM_X86_SET_MSR_FILTER.  Each range is a rule that denies, with a bitmap
 * of the MSRs that it allows.
 */
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "reg_access.h"

/* The number of bits in the largest bitmap. */
#define MSR_FILTER_MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)

/* The ABI.  32-bit kernels have the layout of 32-bit callers. */
static_assert(sizeof(struct kvm_msr_filter_range) == (IS_ENABLED(CONFIG_64BIT) ? 24 : 16));
static_assert(sizeof(struct kvm_msr_filter) == (IS_ENABLED(CONFIG_64BIT) ? 392 : 260));

/* Make a rule of a range, and copy the range's bitmap. */
static int filter_add_range(struct kvm_x86_reg_rule *rule, unsigned long *bitmap,
			    const struct kvm_msr_filter_range *range)
{
	const void __user *from = (__force const void __user *)range->bitmap;

	if (!range->flags || range->flags & ~KVM_MSR_FILTER_RANGE_VALID_MASK)
		return -EINVAL;

	if (range->nmsrs > MSR_FILTER_MAX_NMSRS)
		return -EINVAL;

	/* A range may end at the last MSR, but not past it. */
	if ((u64)range->base + range->nmsrs > BIT_ULL(32))
		return -EINVAL;

	/* Read no more than the bytes that hold the range's bits. */
	if (copy_from_user(bitmap, from, BITS_TO_BYTES(range->nmsrs)))
		return -EFAULT;

	rule->first = range->base;
	rule->last = range->base + range->nmsrs - 1;
	rule->access = range->flags;
	rule->action = KVM_X86_REG_RULE_DENY;
	return 0;
}

/*
 * Copy a filter's bitmaps from userspace, check and compile its ranges, and return the
 * table.  Return NULL if the filter is empty, or EINVAL, EFAULT or ENOMEM as an ERR_PTR.
 * Each range is the rule of the same index.  Ranges without MSRs have no access.
 */
struct kvm_reg_table *kvm_msr_filter_table(const struct kvm_msr_filter *filter)
{
	bool default_deny = filter->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	struct kvm_reg_table *table;
	unsigned long *bitmap;
	size_t longs = 0;
	int i, r;

	if (filter->flags & ~KVM_MSR_FILTER_VALID_MASK)
		return ERR_PTR(-EINVAL);

	/* Clamp the sizes of ranges that are too long: they are rejected below. */
	for (i = 0; i < ARRAY_SIZE(filter->ranges); i++)
		longs += BITS_TO_LONGS(min_t(u32, filter->ranges[i].nmsrs,
					    MSR_FILTER_MAX_NMSRS));

	/* "No ranges" means "no filter", i.e. the filter denies nothing. */
	if (!longs)
		return default_deny ? ERR_PTR(-EINVAL) : NULL;

	table = kvm_reg_table_alloc(ARRAY_SIZE(filter->ranges), longs);
	if (!table)
		return ERR_PTR(-ENOMEM);

	bitmap = table->bitmaps;
	for (i = 0; i < ARRAY_SIZE(filter->ranges); i++) {
		if (!filter->ranges[i].nmsrs)
			continue;

		table->exempt[i] = bitmap;
		r = filter_add_range(&table->rules[i], bitmap, &filter->ranges[i]);
		if (r)
			goto err;

		bitmap += BITS_TO_LONGS(filter->ranges[i].nmsrs);
	}

	if (default_deny)
		table->rules[table->nr_rules].action = KVM_X86_REG_RULE_DENY;

	r = kvm_reg_table_compile(table);
	if (!r)
		return table;
err:
	kvm_reg_table_put(table);
	return ERR_PTR(r);
}

int kvm_vm_ioctl_set_msr_filter(struct kvm *kvm, struct kvm_msr_filter *filter)
{
	struct kvm_reg_table *table = kvm_msr_filter_table(filter);
	int r;

	if (IS_ERR(table))
		return PTR_ERR(table);

	r = kvm_reg_table_install(kvm, KVM_REG_FILTER, table);
	kvm_reg_table_put(table);
	return r;
}
