/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of what a list of rules and a filter decide, for both fuzzers: it walks them
 * for each access, and shares no code with the kernel.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <linux/types.h>
#include <asm/kvm_reg_rules.h>

#define RD		KVM_X86_REG_RULE_READ
#define WR		KVM_X86_REG_RULE_WRITE
#define NR_ACTIONS	(KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1)

/* The most rules in a list, with a mask for one MSR or for one control register, and ranges */
#define MAX_RULES	4096
#define MAX_MASKED	64
#define MAX_RANGES	16

#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

enum { MODEL_RULES, MODEL_FILTER, MODEL_NR_LISTS };

/* The control registers that rules can be for */
enum model_control { MODEL_CR0, MODEL_CR4, MODEL_XCR0, MODEL_NR_CONTROLS };

extern const struct model_control_info {
	unsigned int space;
	__u32 index;
	__u64 bits;			/* that count if they change */
} model_controls[MODEL_NR_CONTROLS];

/* All zero, it allows everything.  The ranges of a filter are rules that deny. */
struct model_list {
	unsigned int nr;
	unsigned int default_action;
	const struct kvm_x86_reg_rule *rules;
	const unsigned char *const *bits;	/* what each range allows; NULL: nothing */
};

/* @rule is the number of the rule in the list, the list's nr for its default. */
struct model_decision {
	unsigned int action;
	unsigned int list;
	unsigned int rule;
};

/* The first rule for the register and access from @rule on, whatever its mask */
unsigned int model_next(const struct model_list *list, unsigned int rule, __u32 index,
			unsigned int access);
/* The first rule that matches an access, which changes these bits if it is a write */
unsigned int model_find(const struct model_list *list, __u32 index, unsigned int access,
			__u64 changed);
struct model_decision model_decide(const struct model_list *lists, __u32 index,
				   unsigned int access, __u64 changed);

/* Does a mask decide on writes of the register, unless a rule without one comes first? */
bool model_compares(const struct model_list *rules, __u32 index);
/* Are there more rules with a mask for an MSR than there may be? */
bool model_overlaps(const struct model_list *rules);

/* The first rule that matches a write that changes these bits; the list's nr if none does */
unsigned int model_find_control(const struct model_list *rules, enum model_control control,
				__u64 changed);
/* The action for such a write, ALLOW if no rule matches */
unsigned int model_decide_control(const struct model_list *rules, enum model_control control,
				  __u64 changed);
/* The bits of which a change alone is not plainly allowed */
__u64 model_guarded(const struct model_list *rules, enum model_control control);
/* Are there more rules for a control register than there may be? */
bool model_crowds(const struct model_list *rules);

/* Does an access take place, as far as this action goes, if KVM knows the register? */
static inline bool model_performs(unsigned int action)
{
	return action == KVM_X86_REG_RULE_ALLOW || action == KVM_X86_REG_RULE_AUDIT ||
	       action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

/* Is there a value for reads? */
static inline bool model_has_value(unsigned int action)
{
	return action == KVM_X86_REG_RULE_IGNORE ||
	       action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

static inline bool is_x2apic(__u32 index)
{
	return index >= X2APIC_FIRST && index <= X2APIC_LAST;
}

#endif /* MODEL_H */
