// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The MSR filter that does the same as a policy.  A filter has a default and 16 ranges of up
 * to 12288 MSRs, each with a bitmap for reads, for writes, or for both; the first range that
 * covers the MSR and has the access decides.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "internal.h"

#define MAX_RANGES	KVM_MSR_FILTER_MAX_RANGES
#define MAX_NMSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

#define R		KVM_X86_REG_RULE_READ
#define W		KVM_X86_REG_RULE_WRITE
#define RW		(R | W)

/* Neighbours of which the same accesses are denied */
struct run {
	__u32 first;
	__u32 last;
	__u8 denied;
};

/* Why there is no filter: the first rule that none can express. */
struct obstacle {
	bool no_exits;		/* no obstacle: GP, which is then what a filter denies by */
	bool found;
	bool default_action;
	unsigned int rule;
	const char *reason;
};

static const char *const reasons[NR_ACTIONS] = {
	[KVM_X86_REG_RULE_GP]		= "an MSR filter may exit instead of \"gp\"",
	[KVM_X86_REG_RULE_EXIT]		= "an MSR filter may inject #GP instead of \"exit\"",
	[KVM_X86_REG_RULE_IGNORE]	= "an MSR filter cannot answer accesses",
	[KVM_X86_REG_RULE_AUDIT]	= "an MSR filter cannot record accesses",
	[KVM_X86_REG_RULE_IGNORE_UNKNOWN] = "an MSR filter cannot answer accesses",
};

static void obstruct(struct obstacle *obstacle, int rule, const char *reason)
{
	if (rule < 0 && !obstacle->found)
		obstacle->default_action = true;
	else if (rule >= 0 && (!obstacle->found || obstacle->default_action ||
			       (unsigned int)rule < obstacle->rule))
		obstacle->default_action = false;
	else
		return;

	obstacle->found = true;
	obstacle->rule = rule;
	obstacle->reason = reason;
}

/* Does a filter that denies the access do the same? */
static bool is_denial(__u8 action, const struct obstacle *obstacle)
{
	return action == KVM_X86_REG_RULE_DENY ||
	       (action == KVM_X86_REG_RULE_GP && obstacle->no_exits);
}

/* Note a rule that decides on some access to a span.  Return true if that is denied. */
static bool note_rule(const struct kvmreg_policy *policy, const struct span *span, int rule,
		      struct obstacle *obstacle)
{
	const __u8 action = kr_decision(policy, span, rule).action;

	if (is_denial(action, obstacle))
		return true;
	if (reasons[action])
		obstruct(obstacle, rule, reasons[action]);
	return false;
}

/* Is what the span denies the same for all changes?  Return true if it is denied. */
static bool is_denied(const struct kvmreg_policy *policy, const struct span *span,
		      struct obstacle *obstacle)
{
	struct verdicts verdicts;
	unsigned int bit;
	bool denied;

	kr_verdicts(policy, span, &verdicts);
	denied = note_rule(policy, span, verdicts.all, obstacle);
	if (!verdicts.masked || !span->bits)
		return denied;

	/* The first rule with a mask decides on a change of all, and others on less. */
	if (note_rule(policy, span, verdicts.plain, obstacle) != denied)
		obstruct(obstacle, verdicts.all, "an MSR filter cannot look at what changes");
	for (bit = 0; bit < 64; bit++)
		if (span->bits >> bit & 1 &&
		    note_rule(policy, span, verdicts.bit[bit], obstacle) != denied)
			obstruct(obstacle, verdicts.all,
				 "an MSR filter cannot look at what changes");
	return denied;
}

static void check_control(const struct kvmreg_policy *policy, const struct span *span,
			  struct obstacle *obstacle)
{
	struct verdicts verdicts;
	unsigned int bit;

	kr_verdicts(policy, span, &verdicts);
	for (bit = 0; bit < 64; bit++)
		if (span->bits >> bit & 1 &&
		    kr_decision(policy, span, verdicts.bit[bit]).action != KVM_X86_REG_RULE_ALLOW)
			obstruct(obstacle, verdicts.bit[bit],
				 "an MSR filter is not for control registers");
}

/* Spans of reads come first, then the same of writes, then those of control registers. */
static unsigned int make_runs(const struct kvmreg_policy *policy, const struct span *spans,
			      unsigned int nr_spans, struct run *runs, struct obstacle *obstacle)
{
	unsigned int i, nr_msrs = 0, nr = 0;
	__u8 denied;

	while (spans[nr_msrs].access == R)
		nr_msrs++;

	for (i = 0; i < nr_msrs; i++) {
		denied = is_denied(policy, &spans[i], obstacle) ? R : 0;
		denied |= is_denied(policy, &spans[nr_msrs + i], obstacle) ? W : 0;
		if (nr && runs[nr - 1].denied == denied && is_x2apic(runs[nr - 1].first) ==
							   is_x2apic(spans[i].first))
			runs[nr - 1].last = spans[i].last;
		else
			runs[nr++] = (struct run) { spans[i].first, spans[i].last, denied };
	}
	for (i = 2 * nr_msrs; i < nr_spans; i++)
		check_control(policy, &spans[i], obstacle);
	return nr;
}

/*
 * Ranges that cover what is not as the filter's default.  Each is as long as it can be, and
 * starts at the first MSR that needs it: where the ranges before do not cover what they have
 * to.  There may be three at an MSR: for reads, for writes and for both.  One for both has
 * one bit for an MSR; where that has to differ for reads and writes, one of the others has
 * to be there as well, and comes first.
 */
struct cover {
	__u64 next;			/* the first MSR that is not done */
	__u64 end[RW + 1];		/* of the last range for these accesses */
	unsigned int nr;
	struct {
		__u8 access;
		__u32 base;
	} ranges[MAX_RANGES];
};

/* The accesses of a run that are not as the default.  Nothing filters the x2APIC. */
static __u8 exceptions(const struct run *run, __u8 by_default)
{
	return is_x2apic(run->first) ? 0 : run->denied ^ by_default;
}

static bool is_covered(const struct cover *cover, __u64 msr, __u8 wanted)
{
	const bool r = msr < cover->end[R], w = msr < cover->end[W], rw = msr < cover->end[RW];

	if (wanted == RW)
		return rw || (r && w);
	return wanted == R ? r || (rw && w) : w || (rw && r);
}

/* The next MSR after @msr, up to @last, at which a range ends */
static __u64 next_end(const struct cover *cover, __u64 msr, __u64 last)
{
	__u64 next = last + 1;
	__u8 access;

	for (access = R; access <= RW; access++)
		if (cover->end[access] > msr && cover->end[access] < next)
			next = cover->end[access];
	return next;
}

/* Go on to the first MSR that is not covered; return false if there is none. */
static bool advance(struct cover *cover, const struct run *runs, unsigned int nr,
		    __u8 by_default)
{
	const struct run *run;
	__u8 wanted;

	for (run = runs; run < runs + nr; run++) {
		wanted = exceptions(run, by_default);
		if (run->last < cover->next || !wanted)
			continue;
		if (cover->next < run->first)
			cover->next = run->first;
		while (cover->next <= run->last) {
			if (!is_covered(cover, cover->next, wanted))
				return true;
			cover->next = next_end(cover, cover->next, run->last);
		}
	}
	cover->next = 1ULL << 32;
	return false;
}

static struct cover extend(const struct cover *cover, __u8 access)
{
	struct cover new = *cover;

	new.end[access] = new.next + MAX_NMSRS;
	if (new.end[access] > 1ULL << 32)
		new.end[access] = 1ULL << 32;
	new.ranges[new.nr].access = access;
	new.ranges[new.nr++].base = new.next;
	return new;
}

/* Ranges that reach further are never worse.  Those that ended do not matter. */
static bool reaches(const struct cover *a, const struct cover *b)
{
	__u8 access;

	for (access = R; access <= RW; access++)
		if (a->end[access] < b->end[access] && b->end[access] > a->next)
			return false;
	return a->next >= b->next;
}

/* Add a cover to a set, unless another is as good; remove those that it is as good as. */
static void add_cover(struct cover *set, unsigned int *nr, const struct cover *new)
{
	unsigned int i, kept = 0;

	for (i = 0; i < *nr; i++)
		if (reaches(&set[i], new))
			return;

	for (i = 0; i < *nr; i++)
		if (!reaches(new, &set[i]))
			set[kept++] = set[i];
	set[kept++] = *new;
	*nr = kept;
}

/* Make the set of all covers with one range more.  Return true if @done covers everything. */
static bool extend_all(const struct cover *set, unsigned int nr, struct cover *longer,
		       unsigned int *longer_nr, const struct run *runs, unsigned int nr_runs,
		       __u8 by_default, struct cover *done)
{
	unsigned int i;
	__u8 access;

	*longer_nr = 0;
	for (i = 0; i < nr; i++) {
		for (access = R; access <= RW; access++) {
			if (set[i].end[access] > set[i].next)
				continue;
			*done = extend(&set[i], access);
			if (!advance(done, runs, nr_runs, by_default))
				return true;
			add_cover(longer, longer_nr, done);
		}
	}
	return false;
}

/*
 * Find the least ranges for what is not as the default.  Return 0; ENOMEM; or E2BIG, and in
 * @cover the ranges that get furthest.
 */
static int find_cover(const struct run *runs, unsigned int nr_runs, __u8 by_default,
		      struct cover *cover)
{
	struct cover *set = calloc(1, sizeof(*set)), *longer;
	unsigned int i, nr = 1, longer_nr;
	int err = -ENOMEM;
	bool done;

	if (!set)
		return -ENOMEM;

	done = !advance(set, runs, nr_runs, by_default);
	*cover = *set;
	while (!done && set->nr < MAX_RANGES) {
		longer = calloc(RW * nr, sizeof(*longer));
		if (!longer)
			goto out;
		done = extend_all(set, nr, longer, &longer_nr, runs, nr_runs, by_default, cover);
		free(set);
		set = longer;
		nr = longer_nr;
	}

	err = done ? 0 : -E2BIG;
	for (i = 0; !done && i < nr; i++)
		if (!i || set[i].next > cover->next)
			*cover = set[i];
out:
	free(set);
	return err;
}

/* How many MSRs from @base on have to be in a range?  The last is none that is as the default. */
static __u32 range_length(const struct run *runs, unsigned int nr, __u8 by_default,
			  __u32 base)
{
	const __u64 end = (__u64)base + MAX_NMSRS;
	const struct run *run;
	__u32 length = 1;

	for (run = runs; run < runs + nr && run->first < end; run++)
		if (run->last >= base && exceptions(run, by_default))
			length = (run->last < end ? run->last + 1ULL : end) - base;
	return length;
}

/* Does a range for just this access cover the MSR? */
static bool has_range(const struct kvm_msr_filter *filter, __u8 access, __u32 msr)
{
	const struct kvm_msr_filter_range *range;

	for (range = filter->ranges; range < filter->ranges + MAX_RANGES; range++)
		if (range->flags == access && msr - range->base < range->nmsrs)
			return true;
	return false;
}

static void fill_bitmap(struct kvm_msr_filter *filter, struct kvm_msr_filter_range *range,
			const struct run *run)
{
	__u32 i, msr;
	__u8 access;

	for (i = 0; i < range->nmsrs; i++) {
		msr = range->base + i;
		while (run->last < msr)
			run++;

		/* If reads and writes differ, the range is for what no range before it is for. */
		access = range->flags;
		if (access == RW)
			access = has_range(filter, R, msr) ? W : R;
		if (!(run->denied & access))
			range->bitmap[i / 8] |= 1 << i % 8;
	}
}

/* Ranges for both come last. */
static int compare_ranges(const void *a, const void *b)
{
	const struct kvm_msr_filter_range *x = a, *y = b;

	if (x->flags != y->flags && (x->flags == RW || y->flags == RW))
		return x->flags == RW ? 1 : -1;
	return x->base < y->base ? -1 : x->base > y->base;
}

/* The bitmaps are in the filter's allocation; kernels before 7.3 read them by 8 bytes. */
static struct kvm_msr_filter *make_filter(const struct cover *cover, const struct run *runs,
					  unsigned int nr, __u8 by_default)
{
	const size_t max_bitmaps = MAX_RANGES * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
	struct kvm_msr_filter *filter = calloc(1, sizeof(*filter) + max_bitmaps);
	struct kvm_msr_filter_range *range;
	unsigned int i;

	if (!filter)
		return NULL;

	filter->flags = by_default ? KVM_MSR_FILTER_DEFAULT_DENY : KVM_MSR_FILTER_DEFAULT_ALLOW;
	for (i = 0; i < cover->nr; i++) {
		range = &filter->ranges[i];
		range->flags = cover->ranges[i].access;
		range->base = cover->ranges[i].base;
		range->nmsrs = range_length(runs, nr, by_default, range->base);
	}
	/* The kernel rejects a filter that denies everything and has no range. */
	if (!cover->nr && by_default) {
		filter->ranges[0].flags = RW;
		filter->ranges[0].nmsrs = 1;
	}
	qsort(filter->ranges, cover->nr, sizeof(*range), compare_ranges);

	for (i = 0; i < MAX_RANGES && filter->ranges[i].nmsrs; i++) {
		range = &filter->ranges[i];
		range->bitmap = (__u8 *)(filter + 1) + i * KVM_MSR_FILTER_MAX_BITMAP_SIZE;
		fill_bitmap(filter, range, runs);
	}
	return filter;
}

/* Which MSRs do not fit?  Name the first ones, and the rule of the very first. */
static int fail_cover(struct kvmreg_error *error, const struct kvmreg_policy *policy,
		      const struct run *runs, unsigned int nr, __u8 by_default,
		      const struct cover *cover)
{
	struct kvmreg_access access = { .index = cover->next };
	unsigned int named = 0;
	__u64 more = 0;
	const struct run *run;
	char list[256] = "";
	__u32 first;
	size_t len;

	for (run = runs; run < runs + nr; run++) {
		if (run->last < cover->next || !exceptions(run, by_default))
			continue;
		first = run->first < cover->next ? cover->next : run->first;
		if (!named)
			access.access = exceptions(run, by_default) & R ?: W;
		if (named++ >= 8) {
			more += run->last - first + 1ULL;
			continue;
		}
		len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s0x%x", len ? ", " : "", first);
		len = strlen(list);
		if (run->last > first)
			snprintf(list + len, sizeof(list) - len, "-0x%x", run->last);
	}
	len = strlen(list);
	if (more)
		snprintf(list + len, sizeof(list) - len, " and %llu more", more);

	return kr_fail_rule(error, EOPNOTSUPP, policy, kvmreg_evaluate(policy, &access).rule,
			    "Register rules have no such limit.",
			    "an MSR filter has 16 ranges of 12288 MSRs, and these do not fit: %s",
			    list);
}

static int fail_obstacle(struct kvmreg_error *error, const struct kvmreg_policy *policy,
			 const struct obstacle *obstacle)
{
	const char *next = "\"deny\" is the same if the VMM enables no exits for the filter.";
	const __u8 action = obstacle->default_action ? policy->head.msr_default :
						policy->rules[obstacle->rule].action;

	if (action != KVM_X86_REG_RULE_GP || obstacle->reason != reasons[action])
		next = NULL;
	if (!obstacle->default_action)
		return kr_fail_rule(error, EOPNOTSUPP, policy, obstacle->rule, next, "%s",
				    obstacle->reason);
	return kr_fail_rule(error, EOPNOTSUPP, policy, KVMREG_DEFAULT, next, "the default: %s",
			    obstacle->reason);
}

/*
 * Make the filter.  Its default is what most MSRs get: the policy's, or that of a rule for all
 * others.  With the other, there would be no end of ranges.
 */
static int cover_runs(const struct kvmreg_policy *policy, const struct run *runs,
		      unsigned int nr, __u8 by_default, struct kvm_msr_filter **filter,
		      struct kvmreg_error *error)
{
	struct cover cover, other;
	int err;

	err = find_cover(runs, nr, by_default, &cover);
	if (err == -E2BIG) {
		err = find_cover(runs, nr, RW - by_default, &other);
		if (err == -E2BIG)
			return fail_cover(error, policy, runs, nr, by_default, &cover);
		cover = other;
		by_default = RW - by_default;
	}

	*filter = err ? NULL : make_filter(&cover, runs, nr, by_default);
	return *filter ? 0 : kr_fail(error, ENOMEM, "%s: error: out of memory", policy->name);
}

int kr_to_filter(const struct kvmreg_policy *policy, bool no_exits,
		 struct kvm_msr_filter **filter, struct kvmreg_error *error)
{
	struct obstacle obstacle = { .no_exits = no_exits };
	unsigned int i, nr_spans, nr;
	struct span *spans = NULL;
	struct run *runs = NULL;
	bool denies = false;
	int err;

	err = kr_spans(&policy, 1, &spans, &nr_spans);
	runs = err ? NULL : calloc(nr_spans, sizeof(*runs));
	if (!runs) {
		err = kr_fail(error, ENOMEM, "%s: error: out of memory", policy->name);
		goto out;
	}

	nr = make_runs(policy, spans, nr_spans, runs, &obstacle);
	for (i = 0; i < nr; i++)
		denies |= runs[i].denied;

	if (obstacle.found)
		err = fail_obstacle(error, policy, &obstacle);
	else if (denies && !no_exits && policy->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED)
		err = kr_fail_rule(error, EOPNOTSUPP, policy, KR_FAIL_CLOSED, NULL,
				   "an MSR filter is never \"fail-closed\"");
	else
		err = cover_runs(policy, runs, nr,
				 is_denial(policy->head.msr_default, &obstacle) ? RW : 0,
				 filter, error);
out:
	free(runs);
	free(spans);
	return err;
}

int kvmreg_to_filter(const struct kvmreg_policy *policy, struct kvm_msr_filter **filter,
		     struct kvmreg_error *error)
{
	return kr_to_filter(policy, false, filter, error);
}
