// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "model.h"

const struct model_control_info model_controls[MODEL_NR_CONTROLS] = {
	/* PE, MP, EM, TS, NE; WP, AM; NW, CD, PG: neither ET nor what is reserved */
	[MODEL_CR0]	= { KVM_X86_REG_RULE_CR, 0, 0x2f | 0x50000 | 0xe0000000 },
	[MODEL_CR4]	= { KVM_X86_REG_RULE_CR, 4, ~0ULL },
	[MODEL_XCR0]	= { KVM_X86_REG_RULE_XCR, 0, ~0ULL },
};

unsigned int model_next(const struct model_list *list, unsigned int rule, __u32 index,
			unsigned int access)
{
	const struct kvm_x86_reg_rule *r;

	for (; rule < list->nr; rule++) {
		r = &list->rules[rule];
		if (r->space == KVM_X86_REG_RULE_MSR && r->access & access &&
		    r->first <= index && index <= r->last)
			break;
	}
	return rule;
}

unsigned int model_find(const struct model_list *list, __u32 index, unsigned int access,
			__u64 changed)
{
	unsigned int rule = model_next(list, 0, index, access);

	while (rule < list->nr && list->rules[rule].mask &&
	       !(list->rules[rule].mask & changed))
		rule = model_next(list, rule + 1, index, access);
	return rule;
}

static struct model_decision ask(const struct model_list *lists, unsigned int which,
				 __u32 index, unsigned int access, __u64 changed)
{
	const struct model_list *list = &lists[which];
	const unsigned int rule = model_find(list, index, access, changed);
	struct model_decision d = { list->default_action, which, rule };
	__u32 bit;

	if (rule == list->nr)
		return d;

	d.action = list->rules[rule].action;
	bit = index - list->rules[rule].first;
	if (list->bits && list->bits[rule] && list->bits[rule][bit / 8] >> bit % 8 & 1)
		d.action = KVM_X86_REG_RULE_ALLOW;
	return d;
}

struct model_decision model_decide(const struct model_list *lists, __u32 index,
				   unsigned int access, __u64 changed)
{
	const struct model_decision rules = ask(lists, MODEL_RULES, index, access, changed);
	const struct model_decision filter = ask(lists, MODEL_FILTER, index, access, changed);

	/* Nothing guards the x2APIC. */
	if (is_x2apic(index))
		return (struct model_decision) { KVM_X86_REG_RULE_ALLOW };
	return model_performs(rules.action) && !model_performs(filter.action) ? filter : rules;
}

bool model_compares(const struct model_list *rules, __u32 index)
{
	const unsigned int rule = model_next(rules, 0, index, WR);

	return rule < rules->nr && rules->rules[rule].mask;
}

/* Where a masked rule starts to apply, or no longer does */
struct end {
	__u64 at;
	int step;
};

static int compare_ends(const void *a, const void *b)
{
	const struct end *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	/* Of those that meet, the ones that end come first. */
	return x->step - y->step;
}

bool model_overlaps(const struct model_list *rules)
{
	static struct end ends[2 * MAX_RULES];
	const struct kvm_x86_reg_rule *r;
	unsigned int i, nr = 0;
	int over = 0, most = 0;

	for (i = 0; i < rules->nr; i++) {
		r = &rules->rules[i];
		if (!r->mask || r->space != KVM_X86_REG_RULE_MSR)
			continue;
		ends[nr++] = (struct end) { r->first, 1 };
		ends[nr++] = (struct end) { r->last + 1ULL, -1 };
	}
	qsort(ends, nr, sizeof(*ends), compare_ends);
	for (i = 0; i < nr; i++) {
		over += ends[i].step;
		most = over > most ? over : most;
	}
	return most > MAX_MASKED;
}

static bool is_for(const struct kvm_x86_reg_rule *rule, enum model_control control)
{
	return rule->space == model_controls[control].space &&
	       rule->first == model_controls[control].index;
}

unsigned int model_find_control(const struct model_list *rules, enum model_control control,
				__u64 changed)
{
	const struct kvm_x86_reg_rule *r;
	unsigned int rule;

	changed &= model_controls[control].bits;
	for (rule = 0; rule < rules->nr; rule++) {
		r = &rules->rules[rule];
		if (is_for(r, control) && (r->mask ? r->mask & changed : changed))
			break;
	}
	return rule;
}

unsigned int model_decide_control(const struct model_list *rules, enum model_control control,
				  __u64 changed)
{
	const unsigned int rule = model_find_control(rules, control, changed);

	return rule < rules->nr ? rules->rules[rule].action : KVM_X86_REG_RULE_ALLOW;
}

__u64 model_guarded(const struct model_list *rules, enum model_control control)
{
	__u64 guarded = 0;
	unsigned int bit;

	for (bit = 0; bit < 64; bit++)
		if (model_decide_control(rules, control, 1ULL << bit) != KVM_X86_REG_RULE_ALLOW)
			guarded |= 1ULL << bit;
	return guarded;
}

bool model_crowds(const struct model_list *rules)
{
	unsigned int i, nr[MODEL_NR_CONTROLS] = { };
	enum model_control control;
	bool crowded = false;

	for (i = 0; i < rules->nr; i++)
		for (control = 0; control < MODEL_NR_CONTROLS; control++)
			if (is_for(&rules->rules[i], control))
				crowded |= ++nr[control] > MAX_MASKED;
	return crowded;
}
