/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register policy: which registers a guest may read and write.
 *
 * A policy is compiled once, from the lists of rules that the front-ends have
 * copied and checked, and never changes afterwards.  Nothing here knows about
 * VMs or vCPUs: a verdict is a pure function of (policy, register, access,
 * changed bits).
 */
#ifndef __KVM_X86_REG_POLICY_H
#define __KVM_X86_REG_POLICY_H

#include <linux/bits.h>
#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
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
 * @KVM_REG_GP: it takes a #GP.
 * @KVM_REG_EXIT: it exits to userspace.
 * @KVM_REG_IGNORE: a read returns &struct kvm_reg_rule.value, a write is dropped.
 * @KVM_REG_AUDIT: KVM handles it, never hardware, and traces it.
 */
enum kvm_reg_action {
	KVM_REG_ALLOW	= 0,
	KVM_REG_DENY	= 1,
	KVM_REG_GP	= 2,
	KVM_REG_EXIT	= 3,
	KVM_REG_IGNORE	= 4,
	KVM_REG_AUDIT	= 5,
};

#define KVM_REG_NR_ACTIONS	6

/**
 * enum kvm_reg_layer_id - the lists that a policy is made of
 * @KVM_REG_LAYER_RULES: KVM_X86_SET_REG_RULES.
 * @KVM_REG_LAYER_FILTER: KVM_X86_SET_MSR_FILTER, asked for what the rules let
 *	through.
 */
enum kvm_reg_layer_id {
	KVM_REG_LAYER_RULES,
	KVM_REG_LAYER_FILTER,
	KVM_REG_NR_LAYERS,
};

/**
 * struct kvm_reg_rule - one rule, as a front-end hands it over
 * @first: First register of the rule.
 * @last: Last register of the rule, inclusive, so that 2^32 - 1 can be named.
 * @access: Mask of &enum kvm_reg_access that the rule applies to.
 * @action: &enum kvm_reg_action for what matches.
 * @mask: If not zero, the rule matches only those writes that change one of
 *	these bits.  Reads match in any case.
 * @number: The rule's number to userspace; KVM_REG_NO_NUMBER if it has none.
 * @value: What a read returns by KVM_REG_IGNORE.
 * @bitmap: If not NULL, one bit per register from @first on: set exempts the
 *	register from @action, it is allowed.  At most 2^32 - 1 registers.
 */
struct kvm_reg_rule {
	u32 first;
	u32 last;
	u8 access;
	u8 action;
	u16 number;
	u64 mask;
	u64 value;
	const unsigned long *bitmap;
};

/* Of a list's default, and of rules that a front-end adds by itself. */
#define KVM_REG_NO_NUMBER	U16_MAX

/*
 * The windows are where KVM emulates or passes through MSRs: the verdict for a
 * register in one of them takes a bit test if it is to allow the access.  The
 * rest of the 32-bit space is searched for.
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

/* Slots in blocks, each of them in one window. */
#define KVM_REG_BLOCK_NR	64
#define KVM_REG_NR_BLOCKS	(KVM_REG_NR_SLOTS / KVM_REG_BLOCK_NR)

/**
 * struct kvm_reg_source - where the verdicts for a segment's registers come from
 * @rule: By layer and access, one of
 *	- an index in the layer's list: the rule that applies, i.e. the first to
 *	  match;
 *	- KVM_REG_CHAIN plus an index in &struct kvm_reg_policy.chains: it depends
 *	  on the bits that a write changes;
 *	- KVM_REG_PLAIN: the layer has nothing to say: it allows the access, or the
 *	  layer before it decides in any case.
 */
struct kvm_reg_source {
	u16 rule[KVM_REG_NR_LAYERS][KVM_REG_NR_ACCESS];
};

static_assert(sizeof(struct kvm_reg_source) == 8);

#define KVM_REG_CHAIN	0x8000
#define KVM_REG_PLAIN	0xffff

/**
 * struct kvm_rule_list - a list of rules, first match wins
 * @users: How many own the list; it does not change once it has been compiled.
 * @size: Memory that it takes, in bytes.
 * @max_rules: How many rules there is room for, less the default.
 * @nr_rules: Number of rules, less the default.
 * @fail_closed: An exit to userspace that the list causes starts out as failed.
 * @rules: The rules, then one that holds the default action and matches all, so
 *	that each access has a source.
 * @bitmaps: Room for the bitmaps that @rules refer to.
 *
 * A list and all that it refers to is one allocation.
 */
struct kvm_rule_list {
	refcount_t users;
	size_t size;
	u32 max_rules;
	u32 nr_rules;
	bool fail_closed;
	unsigned long *bitmaps;
	struct kvm_reg_rule rules[];
};

/**
 * struct kvm_reg_policy - a compiled policy
 * @allowed: By access, one bit per slot: set if the access is allowed, whatever
 *	it changes, without a trace.
 * @block_start: By block of slots, the segment of its first register.
 * @block_cuts: By block of slots, one bit per further slot: set if a segment starts
 *	at its register.
 * @size: Memory that the policy takes, in bytes, less the lists'.
 * @nr_segments: The 32-bit space is cut into segments, where the sources of
 *	verdicts change; at least one.
 * @first: The first register of each segment, sorted.
 * @nr_leaves: A power of four, not less than the number of segments.
 * @tree: A complete binary tree over the segments, its root at 1, the children of
 *	i at 2 * i and 2 * i + 1: the last register to the left of each node.
 * @sources: The segments' sources.
 * @chains: Masked rules in order of precedence, up to the first that is not
 *	masked; NULL if no rule is.  At most 65 to a chain, as each must test a
 *	bit that none before it tests.
 * @rules: The rules by layer, the default at the end.
 * @nr_rules: Number of @rules by layer, less the default.
 * @lists: What holds @rules, owned together with other policies; NULL for a layer
 *	that allows everything.
 */
struct kvm_reg_policy {
	unsigned long allowed[KVM_REG_NR_ACCESS][BITS_TO_LONGS(KVM_REG_NR_SLOTS)];
	u64 block_cuts[KVM_REG_NR_BLOCKS];
	u16 block_start[KVM_REG_NR_BLOCKS];
	size_t size;
	u32 nr_segments;
	u32 nr_leaves;
	u32 *first;
	u32 *tree;
	struct kvm_reg_source *sources;
	u16 *chains;
	const struct kvm_reg_rule *rules[KVM_REG_NR_LAYERS];
	u32 nr_rules[KVM_REG_NR_LAYERS];
	struct kvm_rule_list *lists[KVM_REG_NR_LAYERS];
};

/**
 * struct kvm_reg_verdict - what a policy says of an access
 * @action: What becomes of it.
 * @layer: Whose rule said so.
 * @rule: The rule, the layer's default if none matched; NULL if all allowed it.
 */
struct kvm_reg_verdict {
	enum kvm_reg_action action;
	enum kvm_reg_layer_id layer;
	const struct kvm_reg_rule *rule;
};

struct kvm_rule_list *kvm_rule_list_alloc(u32 nr_rules, size_t nr_longs);
void kvm_rule_list_finish(struct kvm_rule_list *list, enum kvm_reg_action default_action);
void kvm_rule_list_put(struct kvm_rule_list *list);

struct kvm_reg_policy *kvm_reg_policy_compile(struct kvm_rule_list *rules,
					      struct kvm_rule_list *filter);
void kvm_reg_policy_free(struct kvm_reg_policy *policy);

bool kvm_reg_policy_allows_elsewhere(const struct kvm_reg_policy *policy, u32 index,
				     enum kvm_reg_access access);
bool kvm_reg_policy_compares(const struct kvm_reg_policy *policy, u32 index);
struct kvm_reg_verdict __kvm_reg_policy_lookup(const struct kvm_reg_policy *policy,
					       u32 index, long slot,
					       enum kvm_reg_access access, u64 changed);

/**
 * kvm_rule_list_new - append a rule, still to be filled in, to an unfinished list
 * @list: From kvm_rule_list_alloc(), with room for one more rule.
 *
 * Return: the rule, all zero; it applies where no rule added earlier does.
 */
static inline struct kvm_reg_rule *kvm_rule_list_new(struct kvm_rule_list *list)
{
	/* Without room, the default's place, which kvm_rule_list_finish() fills. */
	if (WARN_ON_ONCE(list->nr_rules >= list->max_rules))
		return &list->rules[list->max_rules];

	return &list->rules[list->nr_rules++];
}

/* The same for a rule that is at hand. */
static inline void kvm_rule_list_add(struct kvm_rule_list *list, struct kvm_reg_rule rule)
{
	*kvm_rule_list_new(list) = rule;
}

/*
 * The number of registers in each window is a power of two: an index that the
 * guest chose is kept inside by a mask, where the comparison is mispredicted.
 */
static __always_inline long kvm_reg_window_slot(u32 index, u32 first, u32 nr, u32 slot)
{
	u32 offset = index - first;

	if (offset >= nr)
		return -1;

	/* Or else the compiler knows that the mask does nothing. */
	OPTIMIZER_HIDE_VAR(offset);
	return slot + (offset & (nr - 1));
}

#define KVM_REG_WINDOW_SLOT(index, name)					\
	kvm_reg_window_slot(index, KVM_REG_WINDOW_##name,			\
			    KVM_REG_WINDOW_##name##_NR, KVM_REG_SLOT_##name)

/**
 * kvm_reg_arch_slot - the slot of an architectural register
 * @index: The register; may be the guest's choice.
 *
 * Return: -1 if no window of architectural registers has it.
 */
static __always_inline long kvm_reg_arch_slot(u32 index)
{
	long slot = KVM_REG_WINDOW_SLOT(index, LOW);

	if (slot < 0)
		slot = KVM_REG_WINDOW_SLOT(index, HIGH);
	if (slot < 0)
		slot = KVM_REG_WINDOW_SLOT(index, AMD);

	return slot;
}

/**
 * kvm_reg_slot - the slot of a register
 * @index: The register; may be the guest's choice.
 *
 * Return: -1 if no window has it.
 */
static __always_inline long kvm_reg_slot(u32 index)
{
	long slot = kvm_reg_arch_slot(index);

	if (slot < 0)
		slot = KVM_REG_WINDOW_SLOT(index, HV);
	if (slot < 0)
		slot = KVM_REG_WINDOW_SLOT(index, KVM);

	return slot;
}

/**
 * kvm_reg_policy_allows_slot - is an access allowed at the cost of a bit test?
 * @policy: A compiled policy.
 * @slot: The register's slot.
 * @access: KVM_REG_READ or KVM_REG_WRITE, not a mask of both.
 *
 * Return: true if the access is allowed, whatever it changes, without a trace;
 * false if it takes kvm_reg_policy_lookup() to know.
 */
static __always_inline bool
kvm_reg_policy_allows_slot(const struct kvm_reg_policy *policy, long slot,
			   enum kvm_reg_access access)
{
	return test_bit(slot, policy->allowed[access >> 1]);
}

/* The same by register; false outside of the windows. */
static __always_inline bool
kvm_reg_policy_allows_plainly(const struct kvm_reg_policy *policy, u32 index,
			      enum kvm_reg_access access)
{
	long slot = kvm_reg_slot(index);

	return slot >= 0 && kvm_reg_policy_allows_slot(policy, slot, access);
}

/**
 * kvm_reg_policy_lookup - the verdict for one access, wherever the register
 * @policy: A compiled policy.
 * @index: The register; chosen by the guest, hence never trusted as an index.
 * @access: KVM_REG_READ or KVM_REG_WRITE, not a mask of both.
 * @changed: The bits that a write changes, all of them if that is not known.
 *
 * The number of steps is fixed in the windows, elsewhere it grows with the logarithm
 * of the number of rules; where rules have masks, there are at most 65 more.
 *
 * Return: the verdict of the first layer that does not allow the access.
 */
static inline struct kvm_reg_verdict
kvm_reg_policy_lookup(const struct kvm_reg_policy *policy, u32 index,
		      enum kvm_reg_access access, u64 changed)
{
	return __kvm_reg_policy_lookup(policy, index, kvm_reg_slot(index), access, changed);
}

#endif /* __KVM_X86_REG_POLICY_H */
