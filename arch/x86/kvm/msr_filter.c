// SPDX-License-Identifier: GPL-2.0
/*
 * MSR filter: KVM_X86_SET_MSR_FILTER as a front-end of the register policy.
 */
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "lapic.h"
#include "msr_filter.h"
#include "reg_access.h"

/* The bitmap of the largest range, in bits. */
#define MSR_FILTER_MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)

/* The ranges that userspace gives, and the one that exempts the x2APIC. */
#define MSR_FILTER_MAX_RANGES	(KVM_MSR_FILTER_MAX_RANGES + 1)

/* The ABI; 32-bit kernels have the layout of 32-bit callers. */
static_assert(sizeof(struct kvm_msr_filter_range) == (IS_ENABLED(CONFIG_64BIT) ? 24 : 16));
static_assert(sizeof(struct kvm_msr_filter) == (IS_ENABLED(CONFIG_64BIT) ? 392 : 260));

static bool filter_is_empty(const struct kvm_msr_filter *filter)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(filter->ranges); i++)
		if (filter->ranges[i].nmsrs)
			return false;

	return true;
}

static int check_filter(const struct kvm_msr_filter *filter)
{
	if (filter->flags & ~KVM_MSR_FILTER_VALID_MASK)
		return -EINVAL;

	/* "No ranges" means "no filter", and hence leaves nothing to deny. */
	if ((filter->flags & KVM_MSR_FILTER_DEFAULT_DENY) && filter_is_empty(filter))
		return -EINVAL;

	return 0;
}

static int filter_check_range(const struct kvm_msr_filter_range *range)
{
	if (!range->flags || range->flags & ~KVM_MSR_FILTER_RANGE_VALID_MASK)
		return -EINVAL;

	if (range->nmsrs > MSR_FILTER_MAX_NMSRS)
		return -EINVAL;

	/* A range may end at the last MSR, but not beyond. */
	if ((u64)range->base + range->nmsrs > BIT_ULL(32))
		return -EINVAL;

	return 0;
}

static int filter_copy_bitmap(unsigned long *bitmap,
			      const struct kvm_msr_filter_range *range)
{
	const void __user *from = (__force const void __user *)range->bitmap;

	/* Not a byte more than userspace needs to own. */
	if (copy_from_user(bitmap, from, BITS_TO_BYTES(range->nmsrs)))
		return -EFAULT;

	return 0;
}

/* Returns the length of the range's bitmap in longs, or a negative errno. */
static int filter_add_range(struct kvm_rule_list *list, unsigned long *bitmap,
			    const struct kvm_msr_filter *filter, int i)
{
	const struct kvm_msr_filter_range *range = &filter->ranges[i];
	int r;

	if (!range->nmsrs)
		return 0;

	r = filter_check_range(range);
	if (!r)
		r = filter_copy_bitmap(bitmap, range);
	if (r)
		return r;

	kvm_rule_list_add(list, (struct kvm_reg_rule) {
		.first = range->base,
		.last = range->base + range->nmsrs - 1,
		.access = range->flags,
		.action = KVM_REG_DENY,
		.number = i,
		.bitmap = bitmap,
	});
	return BITS_TO_LONGS(range->nmsrs);
}

static int filter_add_ranges(struct kvm_rule_list *list,
			     const struct kvm_msr_filter *filter)
{
	unsigned long *bitmap = list->bitmaps;
	int i, r;

	for (i = 0; i < ARRAY_SIZE(filter->ranges); i++) {
		r = filter_add_range(list, bitmap, filter, i);
		if (r < 0)
			return r;

		bitmap += r;
	}

	return 0;
}

/* Room for the bitmaps that can be used; those of bad ranges never are. */
static size_t filter_longs(const struct kvm_msr_filter *filter)
{
	size_t longs = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(filter->ranges); i++)
		longs += BITS_TO_LONGS(min_t(u32, filter->ranges[i].nmsrs,
					    MSR_FILTER_MAX_NMSRS));

	return longs;
}

/*
 * x2APIC MSRs cannot be filtered: with APICv and x2AVIC hardware accesses the
 * APIC page in their stead.
 */
static void exempt_x2apic(struct kvm_rule_list *list)
{
	kvm_rule_list_add(list, (struct kvm_reg_rule) {
		.first = APIC_BASE_MSR,
		.last = APIC_BASE_MSR + 0xff,
		.access = KVM_REG_ACCESS_MASK,
		.action = KVM_REG_ALLOW,
		.number = KVM_REG_NO_NUMBER,
	});
}

/**
 * kvm_msr_filter_list - turn a filter into a list of rules
 * @filter: The filter; its bitmaps are still userspace's.
 *
 * Return: the list; NULL if the filter is empty, i.e. does not filter; or
 * an ERR_PTR: EINVAL, EFAULT or ENOMEM.
 */
struct kvm_rule_list *kvm_msr_filter_list(const struct kvm_msr_filter *filter)
{
	struct kvm_rule_list *list;
	int r;

	r = check_filter(filter);
	if (r)
		return ERR_PTR(r);

	if (filter_is_empty(filter))
		return NULL;

	list = kvm_rule_list_alloc(MSR_FILTER_MAX_RANGES, filter_longs(filter));
	if (!list)
		return ERR_PTR(-ENOMEM);

	exempt_x2apic(list);
	r = filter_add_ranges(list, filter);
	if (r) {
		kvm_rule_list_put(list);
		return ERR_PTR(r);
	}

	kvm_rule_list_finish(list, filter->flags & KVM_MSR_FILTER_DEFAULT_DENY ?
				  KVM_REG_DENY : KVM_REG_ALLOW);
	return list;
}

static int set_msr_filter(struct kvm *kvm, const struct kvm_msr_filter *filter)
{
	struct kvm_rule_list *list = kvm_msr_filter_list(filter);
	int r;

	if (IS_ERR(list))
		return PTR_ERR(list);

	r = kvm_rule_list_install(kvm, KVM_REG_LAYER_FILTER, list);
	kvm_rule_list_put(list);
	return r;
}

int kvm_vm_ioctl_set_msr_filter(struct kvm *kvm, void __user *argp)
{
	struct kvm_msr_filter filter;

	if (copy_from_user(&filter, argp, sizeof(filter)))
		return -EFAULT;

	return set_msr_filter(kvm, &filter);
}

#ifdef CONFIG_KVM_COMPAT
/* The filter as 32-bit userspace lays it out. */
struct compat_kvm_msr_filter_range {
	__u32 flags;
	__u32 nmsrs;
	__u32 base;
	compat_uptr_t bitmap;
};

struct compat_kvm_msr_filter {
	__u32 flags;
	struct compat_kvm_msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

static_assert(sizeof(struct compat_kvm_msr_filter_range) == 16);
static_assert(sizeof(struct compat_kvm_msr_filter) == 260);

#define KVM_X86_SET_MSR_FILTER_COMPAT _IOW(KVMIO, 0xc6, struct compat_kvm_msr_filter)

static int compat_set_msr_filter(struct kvm *kvm, void __user *argp)
{
	struct compat_kvm_msr_filter compat;
	struct kvm_msr_filter filter;
	int i;

	if (copy_from_user(&compat, argp, sizeof(compat)))
		return -EFAULT;

	filter.flags = compat.flags;
	for (i = 0; i < ARRAY_SIZE(filter.ranges); i++)
		filter.ranges[i] = (struct kvm_msr_filter_range) {
			.flags = compat.ranges[i].flags,
			.nmsrs = compat.ranges[i].nmsrs,
			.base = compat.ranges[i].base,
			.bitmap = (__force __u8 *)compat_ptr(compat.ranges[i].bitmap),
		};

	return set_msr_filter(kvm, &filter);
}

/**
 * kvm_msr_filter_compat_ioctl - KVM_X86_SET_MSR_FILTER for 32-bit callers
 * @kvm: The VM.
 * @ioctl: The ioctl's number.
 * @argp: Its argument.
 *
 * Return: as KVM_X86_SET_MSR_FILTER; -ENOTTY for any other ioctl.
 */
int kvm_msr_filter_compat_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	if (ioctl == KVM_X86_SET_MSR_FILTER_COMPAT)
		return compat_set_msr_filter(kvm, argp);

	return -ENOTTY;
}
#endif /* CONFIG_KVM_COMPAT */
