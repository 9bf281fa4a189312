/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register policy: which registers a guest may read and write.
 *
 * A policy is compiled once, from the list of ranges that a front-end has
 * copied and checked, and never changes afterwards.  Nothing here knows about
 * VMs or vCPUs: a verdict is a pure function of (policy, register, access).
 */
#ifndef __KVM_X86_REG_POLICY_H
#define __KVM_X86_REG_POLICY_H

#include <linux/bits.h>
#include <linux/bitmap.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/types.h>

/**
 * enum kvm_reg_access - kinds of access, as bits of a mask
 * @KVM_REG_READ: the guest reads the register, e.g. by RDMSR.
 * @KVM_REG_WRITE: the guest writes the register, e.g. by WRMSR.
 */
enum kvm_reg_access {
	KVM_REG_READ	= BIT(0),
	KVM_REG_WRITE	= BIT(1),
};

#define KVM_REG_ACCESS_MASK	(KVM_REG_READ | KVM_REG_WRITE)
#define KVM_REG_NR_ACCESS	2

/**
 * enum kvm_reg_action - what becomes of an access
 * @KVM_REG_ALLOW: KVM handles it, or lets hardware handle it.
 * @KVM_REG_DENY: it exits to userspace if userspace asked for such exits
 *	(KVM_MSR_EXIT_REASON_FILTER), else it takes a #GP.
 *
 * Compile and look-up carry any action up to KVM_REG_MAX_ACTION through
 * unchanged; KVM_REG_ALLOW is the only one that they know by name.
 */
enum kvm_reg_action {
	KVM_REG_ALLOW	= 0,
	KVM_REG_DENY	= 1,
};

#define KVM_REG_MAX_ACTION	(KVM_REG_MIXED - 1)

/* Stands for "more than one action" in &struct kvm_reg_policy.window_action. */
#define KVM_REG_MIXED		U8_MAX

/**
 * struct kvm_reg_range - one range of registers, as a front-end hands it over
 * @first: First register of the range.
 * @last: Last register of the range, inclusive, so that 2^32 - 1 can be named.
 * @access: Mask of &enum kvm_reg_access that the range applies to.
 * @action: &enum kvm_reg_action for the registers of the range.
 * @bitmap: If not NULL, one bit per register from @first on: set exempts the
 *	register from @action, it is allowed.  At most 2^32 - 1 registers.
 */
struct kvm_reg_range {
	u32 first;
	u32 last;
	u8 access;
	u8 action;
	const unsigned long *bitmap;
};

/*
 * The windows are where KVM emulates or passes through MSRs: the verdict for a
 * register in one of them takes a bit test.  The rest of the 32-bit space is
 * searched for.
 */
#define KVM_REG_WINDOW_LOW	0x00000000	/* architectural */
#define KVM_REG_WINDOW_HV	0x40000000	/* Hyper-V and Xen */
#define KVM_REG_WINDOW_KVM	0x4b564d00	/* KVM paravirtual */
#define KVM_REG_WINDOW_HIGH	0xc0000000	/* architectural, 64-bit */
#define KVM_REG_WINDOW_AMD	0xc0010000	/* AMD implementation */

#define KVM_REG_WINDOW_LOW_NR	0x2000
#define KVM_REG_WINDOW_HV_NR	0x0200
#define KVM_REG_WINDOW_KVM_NR	0x0100
#define KVM_REG_WINDOW_HIGH_NR	0x2000
#define KVM_REG_WINDOW_AMD_NR	0x2000

/* Slots: the windows one behind the other. */
#define KVM_REG_SLOT_LOW	0
#define KVM_REG_SLOT_HV		(KVM_REG_SLOT_LOW + KVM_REG_WINDOW_LOW_NR)
#define KVM_REG_SLOT_KVM	(KVM_REG_SLOT_HV + KVM_REG_WINDOW_HV_NR)
#define KVM_REG_SLOT_HIGH	(KVM_REG_SLOT_KVM + KVM_REG_WINDOW_KVM_NR)
#define KVM_REG_SLOT_AMD	(KVM_REG_SLOT_HIGH + KVM_REG_WINDOW_HIGH_NR)
#define KVM_REG_NR_SLOTS	(KVM_REG_SLOT_AMD + KVM_REG_WINDOW_AMD_NR)

/**
 * struct kvm_reg_segment - registers that share their verdicts' source
 * @first: First register; the segment ends where the next one starts.
 * @range: By access, the index in &struct kvm_reg_policy.ranges of the range
 *	that applies, which is the first one of the list to match.
 */
struct kvm_reg_segment {
	u32 first;
	u16 range[KVM_REG_NR_ACCESS];
};

static_assert(sizeof(struct kvm_reg_segment) == 8);

/**
 * struct kvm_reg_policy - a compiled policy
 * @allowed: By access, one bit per slot: set if the access is allowed.
 * @window_action: What a clear bit in @allowed stands for, if that is the same
 *	for all; else KVM_REG_MIXED.
 * @max_ranges: Number of entries that @ranges has room for, less the default.
 * @nr_ranges: Number of entries in @ranges.
 * @nr_segments: Number of entries in @segments, at least one.
 * @ranges: The ranges, in order of precedence.  The last one holds the default
 *	action and covers every register, so that each access has a source.
 * @segments: The 32-bit space, cut where the applicable range changes; sorted.
 * @bitmaps: Room for the bitmaps that @ranges refer to.
 *
 * A policy and all that it refers to is one allocation.
 */
struct kvm_reg_policy {
	unsigned long allowed[KVM_REG_NR_ACCESS][BITS_TO_LONGS(KVM_REG_NR_SLOTS)];
	u8 window_action;
	u32 max_ranges;
	u32 nr_ranges;
	u32 nr_segments;
	struct kvm_reg_range *ranges;
	struct kvm_reg_segment *segments;
	unsigned long *bitmaps;
};

struct kvm_reg_policy *kvm_reg_policy_alloc(u32 nr_ranges, size_t nr_longs);
void kvm_reg_policy_free(struct kvm_reg_policy *policy);
void kvm_reg_policy_add(struct kvm_reg_policy *policy, struct kvm_reg_range range);
void kvm_reg_policy_compile(struct kvm_reg_policy *policy,
			    enum kvm_reg_action default_action);

enum kvm_reg_action __kvm_reg_policy_lookup(const struct kvm_reg_policy *policy,
					    u32 index, enum kvm_reg_access access);

static inline int kvm_reg_slot(u32 index)
{
	switch (index) {
	case KVM_REG_WINDOW_LOW ... KVM_REG_WINDOW_LOW + KVM_REG_WINDOW_LOW_NR - 1:
		return index - KVM_REG_WINDOW_LOW + KVM_REG_SLOT_LOW;
	case KVM_REG_WINDOW_HV ... KVM_REG_WINDOW_HV + KVM_REG_WINDOW_HV_NR - 1:
		return index - KVM_REG_WINDOW_HV + KVM_REG_SLOT_HV;
	case KVM_REG_WINDOW_KVM ... KVM_REG_WINDOW_KVM + KVM_REG_WINDOW_KVM_NR - 1:
		return index - KVM_REG_WINDOW_KVM + KVM_REG_SLOT_KVM;
	case KVM_REG_WINDOW_HIGH ... KVM_REG_WINDOW_HIGH + KVM_REG_WINDOW_HIGH_NR - 1:
		return index - KVM_REG_WINDOW_HIGH + KVM_REG_SLOT_HIGH;
	case KVM_REG_WINDOW_AMD ... KVM_REG_WINDOW_AMD + KVM_REG_WINDOW_AMD_NR - 1:
		return index - KVM_REG_WINDOW_AMD + KVM_REG_SLOT_AMD;
	default:
		return -1;
	}
}

/**
 * kvm_reg_policy_lookup - the verdict for one access
 * @policy: A compiled policy.
 * @index: The register; chosen by the guest, hence never trusted as an index.
 * @access: KVM_REG_READ or KVM_REG_WRITE, not a mask of both.
 *
 * For a register in a window, the cost depends on neither the policy nor the
 * register if the access is allowed, or if the policy knows but one other action.
 *
 * Return: the action of the first range that matches, else the default.
 */
static inline enum kvm_reg_action
kvm_reg_policy_lookup(const struct kvm_reg_policy *policy, u32 index,
		      enum kvm_reg_access access)
{
	int slot = kvm_reg_slot(index);

	if (slot >= 0) {
		slot = array_index_nospec(slot, KVM_REG_NR_SLOTS);
		if (test_bit(slot, policy->allowed[access >> 1]))
			return KVM_REG_ALLOW;

		if (policy->window_action != KVM_REG_MIXED)
			return policy->window_action;
	}

	return __kvm_reg_policy_lookup(policy, index, access);
}

#endif /* __KVM_X86_REG_POLICY_H */
