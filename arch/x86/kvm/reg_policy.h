/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register policy: which registers a guest may read and write.
 *
 * A list of rules is compiled into a table, which never changes afterwards.  A policy
 * is the tables of a VM's two lists.  Nothing here depends on a VM or a vCPU.
 */
#ifndef __KVM_X86_REG_POLICY_H
#define __KVM_X86_REG_POLICY_H

#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include <asm/kvm_reg_rules.h>

#define KVM_REG_RW		(KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE)
#define KVM_REG_NR_ACCESS	2	/* READ and WRITE, which are access >> 1 */

#define KVM_REG_MAX_RULES	4096	/* indices are u16 */
#define KVM_REG_NONE		U16_MAX
#define KVM_REG_MAX_MASKED	64	/* per register, to bound a look-up */

/* The control registers that rules may be for. */
enum kvm_reg_control { KVM_REG_CR0, KVM_REG_CR4, KVM_REG_XCR0, KVM_REG_NR_CONTROLS };

/* Always allowed: with APICv and x2AVIC, hardware accesses the APIC page instead. */
#define KVM_REG_X2APIC_FIRST	0x800
#define KVM_REG_X2APIC_LAST	0x8ff

/* The windows, in which KVM emulates MSRs or passes them through: a bit for each. */
#define KVM_REG_LOW		0x00000000	/* architectural */
#define KVM_REG_HIGH		0xc0000000	/* architectural, 64-bit */
#define KVM_REG_AMD		0xc0010000	/* AMD's implementation */
#define KVM_REG_HV		0x40000000	/* Hyper-V and Xen */
#define KVM_REG_KVM		0x4b564d00	/* KVM's own */
#define KVM_REG_ARCH_NR		0x2000		/* in each of the first three */
#define KVM_REG_HV_NR		0x0200
#define KVM_REG_KVM_NR		0x0100
#define KVM_REG_NR_BITS		(3 * KVM_REG_ARCH_NR + KVM_REG_HV_NR + KVM_REG_KVM_NR)

/*
 * The rules for the registers up to the next segment: for each access the first rule
 * without a mask, and the index in kvm_reg_table.masked of the rules with a mask,
 * KVM_REG_NONE if none of these comes before the first one without.
 */
struct kvm_reg_segment {
	u16 rule[KVM_REG_NR_ACCESS];
	u16 masked;
};

/* The rules for a control register.  A write that matches none is allowed. */
struct kvm_reg_control_rules {
	u64 guarded;			/* a write is allowed if it changes none of these */
	u16 nr_rules;
	u16 rules[KVM_REG_MAX_MASKED];
};

/* A list of rules, compiled: one allocation with all that it refers to. */
struct kvm_reg_table {
	refcount_t users;		/* policies and ioctls */
	size_t size;
	u32 flags;			/* KVM_X86_REG_RULES_* */
	bool needs_state;		/* KVM has to access registers itself */
	bool ignores_unknown;		/* there is such a rule, or default */
	u32 nr_rules;			/* without the default, which comes after them */
	u32 nr_segments;		/* at least one, the first starts at register 0 */
	u32 search_step;		/* the largest power of two <= nr_segments */
	u32 *first;			/* first register of each segment, sorted */
	struct kvm_reg_segment *segments;
	u16 *masked;			/* runs of rules, each ended by KVM_REG_NONE */
	unsigned long **exempt;		/* for the filter: what each range allows */
	unsigned long *bitmaps;		/* the bitmaps that @exempt points to */
	/* In the windows: the access is allowed, for any value that is written. */
	unsigned long allowed[KVM_REG_NR_ACCESS][BITS_TO_LONGS(KVM_REG_NR_BITS)];
	struct kvm_reg_control_rules controls[KVM_REG_NR_CONTROLS];
	struct kvm_x86_reg_rule rules[];
};

enum kvm_reg_list_id { KVM_REG_RULES, KVM_REG_FILTER, KVM_REG_NR_LISTS };

/*
 * @allowed is the intersection of the tables'.  Without a table, a list allows all.
 * @guarded is the rules', as the filter knows no control registers.
 */
struct kvm_reg_policy {
	u64 guarded[KVM_REG_NR_CONTROLS];
	unsigned long allowed[KVM_REG_NR_ACCESS][BITS_TO_LONGS(KVM_REG_NR_BITS)];
	struct kvm_reg_table *tables[KVM_REG_NR_LISTS];
};

struct kvm_reg_table *kvm_reg_table_alloc(u32 nr_rules, size_t bitmap_longs);
int kvm_reg_table_compile(struct kvm_reg_table *table);
void kvm_reg_table_put(struct kvm_reg_table *table);

struct kvm_reg_policy *kvm_reg_policy_alloc(struct kvm_reg_table *const *tables);
void kvm_reg_policy_free(struct kvm_reg_policy *policy);

bool kvm_reg_table_compares(const struct kvm_reg_table *table, u32 index);
const struct kvm_x86_reg_rule *kvm_reg_table_find(const struct kvm_reg_table *table,
						  u32 index, u32 access, u64 changed);
const struct kvm_x86_reg_rule *
kvm_reg_table_find_unknown(const struct kvm_reg_table *table, u32 index, u32 access,
			   u64 changed);
int kvm_reg_control(u32 space, u32 index);
const struct kvm_x86_reg_rule *
kvm_reg_table_find_control(const struct kvm_reg_table *table, enum kvm_reg_control reg,
			   u64 changed);

/* May a read return .value?  By IGNORE_UNKNOWN, only if KVM does not know the register. */
static inline bool kvm_reg_rule_has_value(const struct kvm_x86_reg_rule *rule)
{
	return rule->action == KVM_X86_REG_RULE_IGNORE ||
	       rule->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

/* Return a register's bit, -1 outside the windows.  The guest may choose @index. */
static __always_inline int kvm_reg_bit(u32 index)
{
	switch (index) {
	case KVM_REG_LOW ... KVM_REG_LOW + KVM_REG_ARCH_NR - 1:
		break;
	case KVM_REG_HIGH ... KVM_REG_HIGH + KVM_REG_ARCH_NR - 1:
		index += KVM_REG_ARCH_NR - KVM_REG_HIGH;
		break;
	case KVM_REG_AMD ... KVM_REG_AMD + KVM_REG_ARCH_NR - 1:
		index += 2 * KVM_REG_ARCH_NR - KVM_REG_AMD;
		break;
	case KVM_REG_HV ... KVM_REG_HV + KVM_REG_HV_NR - 1:
		index += 3 * KVM_REG_ARCH_NR - KVM_REG_HV;
		break;
	case KVM_REG_KVM ... KVM_REG_KVM + KVM_REG_KVM_NR - 1:
		index += 3 * KVM_REG_ARCH_NR + KVM_REG_HV_NR - KVM_REG_KVM;
		break;
	default:
		return -1;
	}

	return array_index_nospec(index, KVM_REG_NR_BITS);
}

/* Is the access allowed, for any value?  If false, a look-up has to decide. */
static __always_inline bool
kvm_reg_policy_allows_plainly(const struct kvm_reg_policy *policy, u32 index, u32 access)
{
	int bit = kvm_reg_bit(index);

	return bit >= 0 && test_bit(bit, policy->allowed[access >> 1]);
}

/* Does it matter which bits a write to the register changes? */
static inline bool kvm_reg_policy_compares(const struct kvm_reg_policy *policy, u32 index)
{
	const struct kvm_reg_table *rules = policy->tables[KVM_REG_RULES];

	return rules && rules->masked[0] != KVM_REG_NONE &&
	       kvm_reg_table_compares(rules, index);
}

/* Return the rule that decides, NULL to allow.  Check the filter for what rules allow. */
static __always_inline const struct kvm_x86_reg_rule *
kvm_reg_policy_find(const struct kvm_reg_policy *policy, u32 index, u32 access, u64 changed,
		    const struct kvm_reg_table **table)
{
	const struct kvm_reg_table *rules = policy->tables[KVM_REG_RULES];
	const struct kvm_reg_table *filter = policy->tables[KVM_REG_FILTER];
	const struct kvm_x86_reg_rule *rule = NULL, *range = NULL;

	if (rules)
		rule = kvm_reg_table_find(rules, index, access, changed);

	if (filter && (!rule || rule->action == KVM_X86_REG_RULE_AUDIT))
		range = kvm_reg_table_find(filter, index, access, 0);

	*table = range ? filter : rules;
	return range ?: rule;
}

#endif /* __KVM_X86_REG_POLICY_H */
