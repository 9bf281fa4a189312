// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Runs of registers for which policies decide alike, and what they decide. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

static const struct span controls[] = {
	{ KVM_X86_REG_RULE_CR, KVM_X86_REG_RULE_WRITE, 0, 0, 0 },
	{ KVM_X86_REG_RULE_CR, KVM_X86_REG_RULE_WRITE, 4, 4, 0 },
	{ KVM_X86_REG_RULE_XCR, KVM_X86_REG_RULE_WRITE, 0, 0, 0 },
};

static int compare_edges(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Where MSRs may start to differ from the one before, sorted; return how many. */
static unsigned int find_edges(const struct kvmreg_policy *const *policies,
			       unsigned int nr_policies, __u64 *edges)
{
	const struct kvm_x86_reg_rule *rule;
	unsigned int i, j, nr = 0, unique = 1;

	edges[nr++] = 0;
	edges[nr++] = X2APIC_FIRST;
	edges[nr++] = X2APIC_LAST + 1;
	for (i = 0; i < kr_nr_special_msrs; i++) {
		edges[nr++] = kr_special_msrs[i].first;
		edges[nr++] = kr_special_msrs[i].last + 1ULL;
	}
	for (i = 0; i < nr_policies; i++) {
		for (j = 0; j < policies[i]->head.nr_rules; j++) {
			rule = &policies[i]->rules[j];
			if (rule->space != KVM_X86_REG_RULE_MSR)
				continue;
			edges[nr++] = rule->first;
			edges[nr++] = rule->last + 1ULL;
		}
	}

	qsort(edges, nr, sizeof(*edges), compare_edges);
	for (i = 1; i < nr; i++)
		if (edges[i] != edges[unique - 1])
			edges[unique++] = edges[i];
	return unique;
}

static __u64 msr_bits(__u32 msr)
{
	unsigned int i;

	for (i = 0; i < kr_nr_special_msrs; i++)
		if (kr_special_msrs[i].first <= msr && msr <= kr_special_msrs[i].last)
			return kr_special_msrs[i].bits;
	return ~0ULL;
}

int kr_spans(const struct kvmreg_policy *const *policies, unsigned int nr_policies,
	     struct span **spans, unsigned int *nr)
{
	unsigned int i, nr_edges = 3 + 2 * kr_nr_special_msrs;
	__u8 access;
	__u64 *edges;

	for (i = 0; i < nr_policies; i++)
		nr_edges += 2 * policies[i]->head.nr_rules;

	edges = calloc(nr_edges, sizeof(*edges));
	*spans = calloc(2 * nr_edges + ARRAY_SIZE(controls), sizeof(**spans));
	if (!edges || !*spans) {
		free(edges);
		free(*spans);
		*spans = NULL;
		return -ENOMEM;
	}

	nr_edges = find_edges(policies, nr_policies, edges);
	*nr = 0;
	for (access = KVM_X86_REG_RULE_READ; access <= KVM_X86_REG_RULE_WRITE; access++) {
		for (i = 0; i < nr_edges && edges[i] <= UINT32_MAX; i++) {
			(*spans)[(*nr)++] = (struct span) {
				.space = KVM_X86_REG_RULE_MSR,
				.access = access,
				.first = edges[i],
				.last = i + 1 < nr_edges ? edges[i + 1] - 1 : UINT32_MAX,
				.bits = msr_bits(edges[i]),
			};
		}
	}
	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		(*spans)[*nr] = controls[i];
		(*spans)[(*nr)++].bits = kr_control_bits(controls[i].space, controls[i].first);
	}
	free(edges);
	return 0;
}

static void fill(struct verdicts *verdicts, int rule)
{
	unsigned int bit;

	verdicts->plain = rule;
	verdicts->all = rule;
	for (bit = 0; bit < 64; bit++)
		verdicts->bit[bit] = rule;
}

/* Put a rule with a mask where no rule is yet. */
static void fill_bits(struct verdicts *verdicts, __u64 mask, int rule)
{
	unsigned int bit;

	verdicts->masked = true;
	if (verdicts->all == KVMREG_DEFAULT)
		verdicts->all = rule;
	for (bit = 0; bit < 64; bit++)
		if (mask >> bit & 1 && verdicts->bit[bit] == KVMREG_DEFAULT)
			verdicts->bit[bit] = rule;
}

static void fill_rest(struct verdicts *verdicts, int rule)
{
	unsigned int bit;

	verdicts->plain = rule;
	if (verdicts->all == KVMREG_DEFAULT)
		verdicts->all = rule;
	for (bit = 0; bit < 64; bit++)
		if (verdicts->bit[bit] == KVMREG_DEFAULT)
			verdicts->bit[bit] = rule;
}

void kr_verdicts(const struct kvmreg_policy *policy, const struct span *span,
		 struct verdicts *verdicts)
{
	const bool control = span->space != KVM_X86_REG_RULE_MSR;
	const struct kvm_x86_reg_rule *rule;
	unsigned int i;

	verdicts->masked = false;
	fill(verdicts, KVMREG_DEFAULT);
	if (!control && is_x2apic(span->first)) {
		fill(verdicts, KVMREG_X2APIC);
		return;
	}

	for (i = 0; i < policy->head.nr_rules; i++) {
		rule = &policy->rules[i];
		if (rule->space != span->space || !(rule->access & span->access) ||
		    span->first < rule->first || rule->last < span->first)
			continue;

		if (!rule->mask) {
			fill_rest(verdicts, i);
			break;
		}
		fill_bits(verdicts, rule->mask, i);
	}

	if (control) {
		verdicts->masked = true;
		verdicts->plain = KVMREG_NO_CHANGE;
	}
}

struct kvmreg_decision kr_decision(const struct kvmreg_policy *policy, const struct span *span,
				   int rule)
{
	struct kvmreg_decision decision = { .rule = rule };

	if (rule >= 0) {
		decision.action = policy->rules[rule].action;
		decision.value = policy->rules[rule].value;
	} else if (rule == KVMREG_DEFAULT && span->space == KVM_X86_REG_RULE_MSR) {
		decision.action = policy->head.msr_default;
	}
	return decision;
}
