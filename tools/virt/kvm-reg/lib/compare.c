// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where do policies decide differently?  Does one allow what another does not? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* For each bit, for no change, for a pair of bits or an MSR that cannot be read */
#define MAX_DIFFERENCES		66

struct comparison {
	const struct kvmreg_policy *a, *b;
	bool (*differ)(const struct kvmreg_difference *difference);
	kvmreg_differs *call;
	void *data;
	unsigned int nr;		/* that are found for the last span, or run of spans */
	struct kvmreg_difference found[MAX_DIFFERENCES];
	int calls;
	int stop;
};

static bool decide_differently(const struct kvmreg_difference *d)
{
	if (d->a.action != d->b.action)
		return true;
	return d->access == KVM_X86_REG_RULE_READ && has_value(d->a.action) &&
	       d->a.value != d->b.value;
}

static bool lets_go_on(__u8 action)
{
	return action != KVM_X86_REG_RULE_DENY && action != KVM_X86_REG_RULE_GP &&
	       action != KVM_X86_REG_RULE_EXIT;
}

static bool allows_more(const struct kvmreg_difference *d)
{
	return lets_go_on(d->a.action) && !lets_go_on(d->b.action);
}

/* Compare what two rules decide, and add that to @found if it differs. */
static bool compare_rules(struct comparison *c, const struct span *span, int rule_a, int rule_b,
			  enum kvmreg_when when, __u64 mask)
{
	struct kvmreg_difference *difference = &c->found[c->nr];

	memset(difference, 0, sizeof(*difference));
	difference->space = span->space;
	difference->access = span->access;
	difference->first = span->first;
	difference->last = span->last;
	difference->a = kr_decision(c->a, span, rule_a);
	difference->b = kr_decision(c->b, span, rule_b);
	difference->when = when;
	difference->mask = mask;
	if (!c->differ(difference))
		return false;

	c->nr++;
	return true;
}

/* Bits of which a change alone is decided by the same rules */
struct group {
	int a, b;
	__u64 mask;
	bool differs;
};

static unsigned int group_bits(const struct verdicts *a, const struct verdicts *b,
			       __u64 bits, struct group *groups)
{
	unsigned int bit, i, nr = 0;

	for (bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;

		for (i = 0; i < nr; i++)
			if (groups[i].a == a->bit[bit] && groups[i].b == b->bit[bit])
				break;
		if (i == nr)
			groups[nr++] = (struct group) { .a = a->bit[bit], .b = b->bit[bit] };
		groups[i].mask |= 1ULL << bit;
	}
	return nr;
}

/* The one that comes first in a list; the default is the last. */
static int first_of(int rule, int other)
{
	return (unsigned int)rule < (unsigned int)other ? rule : other;
}

/*
 * A write that changes several bits is decided by the first of the rules for each of them,
 * in either list.  Whatever it changes, two of its bits decide: the one with the first
 * rule in one list, and that in the other.
 */
static void compare_pairs(struct comparison *c, const struct span *span,
			  const struct group *groups, unsigned int nr)
{
	const struct group *x, *y;

	for (x = groups; x < groups + nr; x++)
		for (y = x + 1; y < groups + nr; y++)
			if (!x->differs && !y->differs &&
			    compare_rules(c, span, first_of(x->a, y->a), first_of(x->b, y->b),
					  KVMREG_CHANGES, x->mask | y->mask))
				return;
}

static void compare_changes(struct comparison *c, const struct span *span,
			    const struct verdicts *a, const struct verdicts *b)
{
	const bool control = span->space != KVM_X86_REG_RULE_MSR;
	struct group groups[64];
	unsigned int i, nr = group_bits(a, b, span->bits, groups);
	bool like_a_bit = control;

	/* Does it not matter what changes?  A control register has to change. */
	if (nr == 1 && (control || (groups[0].a == a->plain && groups[0].b == b->plain &&
				    groups[0].a == a->all && groups[0].b == b->all))) {
		compare_rules(c, span, groups[0].a, groups[0].b, KVMREG_ALWAYS, 0);
		return;
	}

	for (i = 0; i < nr; i++) {
		groups[i].differs = compare_rules(c, span, groups[i].a, groups[i].b,
						  KVMREG_CHANGES, groups[i].mask);
		like_a_bit |= groups[i].a == a->plain && groups[i].b == b->plain;
	}
	if (!like_a_bit)
		compare_rules(c, span, a->plain, b->plain, KVMREG_CHANGES_NOTHING, 0);

	compare_pairs(c, span, groups, nr);
	if (!c->nr && !control)
		compare_rules(c, span, a->all, b->all, KVMREG_UNREADABLE, 0);
}

static void compare_span(struct comparison *c, const struct span *span)
{
	struct verdicts a, b;

	c->nr = 0;
	kr_verdicts(c->a, span, &a);
	kr_verdicts(c->b, span, &b);
	if (!a.masked && !b.masked)
		compare_rules(c, span, a.plain, b.plain, KVMREG_ALWAYS, 0);
	else if (!span->bits)
		compare_rules(c, span, a.all, b.all, KVMREG_ALWAYS, 0);
	else
		compare_changes(c, span, &a, &b);
}

/* Does this tell the same of the span that comes next? */
static bool continues(const struct kvmreg_difference *d, const struct kvmreg_difference *next)
{
	return d->space == KVM_X86_REG_RULE_MSR && next->space == KVM_X86_REG_RULE_MSR &&
	       d->access == next->access && d->when == next->when && d->mask == next->mask &&
	       kr_same_decision(&d->a, &next->a) && kr_same_decision(&d->b, &next->b);
}

static void report(struct comparison *c, const struct kvmreg_difference *found, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr && !c->stop; i++) {
		c->calls++;
		c->stop = c->call(&found[i], c->data);
	}
}

/* Compare all spans.  Join what is found for neighbours, if it is the same. */
static void compare_spans(struct comparison *c, const struct span *spans, unsigned int nr)
{
	struct kvmreg_difference run[MAX_DIFFERENCES];
	unsigned int i, j, run_nr = 0;

	for (i = 0; i < nr && !c->stop; i++) {
		compare_span(c, &spans[i]);

		for (j = 0; j < run_nr && c->nr == run_nr; j++)
			if (!continues(&run[j], &c->found[j]))
				break;
		if (run_nr && j == run_nr) {
			for (j = 0; j < run_nr; j++)
				run[j].last = spans[i].last;
			continue;
		}

		report(c, run, run_nr);
		memcpy(run, c->found, c->nr * sizeof(*run));
		run_nr = c->nr;
	}
	report(c, run, run_nr);
}

static int compare(struct comparison *c)
{
	const struct kvmreg_policy *policies[] = { c->a, c->b };
	struct span *spans;
	unsigned int nr;

	if (kr_spans(policies, 2, &spans, &nr))
		return -ENOMEM;

	compare_spans(c, spans, nr);
	free(spans);
	return c->calls;
}

int kvmreg_diff(const struct kvmreg_policy *a, const struct kvmreg_policy *b,
		kvmreg_differs *differs, void *data)
{
	struct comparison c = {
		.a = a, .b = b, .differ = decide_differently, .call = differs, .data = data,
	};

	return compare(&c);
}

int kvmreg_subset(const struct kvmreg_policy *a, const struct kvmreg_policy *b,
		  kvmreg_differs *differs, void *data)
{
	struct comparison c = {
		.a = a, .b = b, .differ = allows_more, .call = differs, .data = data,
	};

	return compare(&c);
}

static void note_used(const struct verdicts *verdicts, const struct span *span, bool *used)
{
	unsigned int bit;

	/* KVM cannot read all MSRs; control registers are only compared. */
	if (verdicts->all >= 0 && span->space == KVM_X86_REG_RULE_MSR)
		used[verdicts->all] = true;
	if (verdicts->plain >= 0 && (span->bits || !verdicts->masked))
		used[verdicts->plain] = true;
	for (bit = 0; bit < 64; bit++)
		if (span->bits >> bit & 1 && verdicts->bit[bit] >= 0)
			used[verdicts->bit[bit]] = true;
}

int kvmreg_unused_rules(const struct kvmreg_policy *policy, unsigned int *rules)
{
	bool *used = calloc(policy->head.nr_rules + 1, sizeof(*used));
	struct verdicts verdicts;
	unsigned int i, nr;
	struct span *spans;
	int found = 0;

	if (!used || kr_spans(&policy, 1, &spans, &nr)) {
		free(used);
		return -ENOMEM;
	}

	for (i = 0; i < nr; i++) {
		kr_verdicts(policy, &spans[i], &verdicts);
		note_used(&verdicts, &spans[i], used);
	}
	for (i = 0; i < policy->head.nr_rules; i++)
		if (!used[i])
			rules[found++] = i;
	free(spans);
	free(used);
	return found;
}
