// SPDX-License-Identifier: GPL-2.0
/*
 * Register policy: compile lists of rules, and look up the rule for an access.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include <asm/processor-flags.h>

#include <kunit/static_stub.h>

#include "reg_policy.h"

/* A segment starts at register 0, at the start of each rule and after its end. */
#define MAX_SEGMENTS(nr_rules)	(2 * (nr_rules) + 1)

/*
 * kvm_reg_table.masked holds the rules with a mask, in runs.  A run starts with those
 * for one register, which fill at most half of it.  Rules that start at later registers
 * are added until the run is full.
 */
#define MAX_RUN			(2 * KVM_REG_MAX_MASKED)
#define MAX_RUNS(nr_rules)	((nr_rules) / KVM_REG_MAX_MASKED + 1)

static_assert(KVM_X86_REG_RULE_READ >> 1 == READ);
static_assert(KVM_X86_REG_RULE_WRITE >> 1 == WRITE);
static_assert(MAX_RUNS(KVM_REG_MAX_RULES) * (MAX_RUN + 1) < KVM_REG_NONE);

/* A register at which a rule starts to apply, or no longer applies. */
struct edge {
	u32 at;
	u16 rule;
	bool starts;
};

/*
 * A pass over all registers, from edge to edge.  Holds the rules for the current one:
 * those with a mask, those without, and the first of the latter for each access.
 */
struct sweep {
	unsigned long masked[BITS_TO_LONGS(KVM_REG_MAX_RULES)];
	unsigned long plain[KVM_REG_NR_ACCESS][BITS_TO_LONGS(KVM_REG_MAX_RULES + 1)];
	u32 first[KVM_REG_NR_ACCESS];
	u32 nr_masked;
	u32 run;
	u32 run_len;
	u32 nr_edges;
	struct edge edges[];
};

static const struct window {
	u32 first;
	u32 last;
} windows[] = {
	{ KVM_REG_LOW, KVM_REG_LOW + KVM_REG_ARCH_NR - 1 },
	{ KVM_REG_HIGH, KVM_REG_HIGH + KVM_REG_ARCH_NR - 1 },
	{ KVM_REG_AMD, KVM_REG_AMD + KVM_REG_ARCH_NR - 1 },
	{ KVM_REG_HV, KVM_REG_HV + KVM_REG_HV_NR - 1 },
	{ KVM_REG_KVM, KVM_REG_KVM + KVM_REG_KVM_NR - 1 },
};

/* Add @nr elements of @elem bytes to @size, and return the offset of the first. */
static size_t reserve(size_t *size, size_t nr, size_t elem)
{
	size_t start = *size;

	*size = size_add(start, array_size(nr, elem));
	return start;
}

/*
 * Return a table for @nr_rules rules, all zero, and a default that allows.  For the
 * filter, it also has @bitmap_longs of bitmaps.  The caller owns it and is charged for
 * its memory.  Return NULL if there is no memory.
 */
struct kvm_reg_table *kvm_reg_table_alloc(u32 nr_rules, size_t bitmap_longs)
{
	size_t size, first, segments, exempt, bitmaps, masked;
	size_t nr_masked = MAX_RUNS(nr_rules) * (MAX_RUN + 1);
	struct kvm_reg_table *table;

	KUNIT_STATIC_STUB_REDIRECT(kvm_reg_table_alloc, nr_rules, bitmap_longs);

	if (WARN_ON_ONCE(nr_rules > KVM_REG_MAX_RULES))
		return NULL;

	/* Place the fields with the strictest alignment first. */
	size = struct_size(table, rules, nr_rules + 1);
	exempt = reserve(&size, bitmap_longs ? nr_rules + 1 : 0, sizeof(*table->exempt));
	bitmaps = reserve(&size, bitmap_longs, sizeof(long));
	first = reserve(&size, MAX_SEGMENTS(nr_rules), sizeof(*table->first));
	segments = reserve(&size, MAX_SEGMENTS(nr_rules), sizeof(*table->segments));
	masked = reserve(&size, nr_masked, sizeof(*table->masked));

	table = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;

	refcount_set(&table->users, 1);
	table->size = size;
	table->nr_rules = nr_rules;
	table->first = (void *)table + first;
	table->segments = (void *)table + segments;
	table->masked = memset((void *)table + masked, 0xff,
			       nr_masked * sizeof(*table->masked));
	if (bitmap_longs) {
		table->exempt = (void *)table + exempt;
		table->bitmaps = (void *)table + bitmaps;
	}

	table->rules[nr_rules].access = KVM_REG_RW;
	table->rules[nr_rules].last = U32_MAX;
	return table;
}

void kvm_reg_table_put(struct kvm_reg_table *table)
{
	KUNIT_STATIC_STUB_REDIRECT(kvm_reg_table_put, table);

	if (table && refcount_dec_and_test(&table->users))
		kvfree(table);
}

/* At one register, end rules before others start, so that the count stays exact. */
static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;

	return x->starts - y->starts;
}

static struct sweep *sweep_alloc(const struct kvm_reg_table *table)
{
	const struct kvm_x86_reg_rule *rule;
	struct sweep *sweep;
	u32 i;

	sweep = kvzalloc(struct_size(sweep, edges, 2 * table->nr_rules + 1),
			 GFP_KERNEL_ACCOUNT);
	if (!sweep)
		return NULL;

	sweep->first[READ] = table->nr_rules;
	sweep->first[WRITE] = table->nr_rules;

	/* Include the default, but not the ranges of the filter that are not in use. */
	for (i = 0; i <= table->nr_rules; i++) {
		rule = &table->rules[i];
		if (!rule->access || rule->space != KVM_X86_REG_RULE_MSR)
			continue;

		sweep->edges[sweep->nr_edges++] = (struct edge) { rule->first, i, true };
		if (rule->last == U32_MAX)
			continue;

		sweep->edges[sweep->nr_edges++] = (struct edge) { rule->last + 1, i, false };
	}

	sort(sweep->edges, sweep->nr_edges, sizeof(struct edge), compare_edges, NULL);
	return sweep;
}

/* Add @rule to the run.  If that is full, start one with all masked rules that apply. */
static void extend_run(struct kvm_reg_table *table, struct sweep *sweep, u32 rule)
{
	if (sweep->run_len < MAX_RUN) {
		table->masked[sweep->run + sweep->run_len++] = rule;
		return;
	}

	sweep->run += sweep->run_len + 1;
	sweep->run_len = 0;
	for_each_set_bit(rule, sweep->masked, table->nr_rules)
		table->masked[sweep->run + sweep->run_len++] = rule;
}

static int cross_edge(struct kvm_reg_table *table, struct sweep *sweep,
		      const struct edge *edge)
{
	const struct kvm_x86_reg_rule *rule = &table->rules[edge->rule];
	int a;

	if (rule->mask) {
		__change_bit(edge->rule, sweep->masked);
		sweep->nr_masked += edge->starts ? 1 : -1;
		if (sweep->nr_masked > KVM_REG_MAX_MASKED)
			return -E2BIG;
		if (edge->starts)
			extend_run(table, sweep, edge->rule);
		return 0;
	}

	for (a = 0; a < KVM_REG_NR_ACCESS; a++) {
		if (!(rule->access & BIT(a)))
			continue;

		__change_bit(edge->rule, sweep->plain[a]);
		if (edge->starts)
			sweep->first[a] = min_t(u32, sweep->first[a], edge->rule);
		else if (sweep->first[a] == edge->rule)
			sweep->first[a] = find_next_bit(sweep->plain[a],
							table->nr_rules + 1, edge->rule);
	}

	return 0;
}

static void add_segment(struct kvm_reg_table *table, const struct sweep *sweep, u32 first)
{
	struct kvm_reg_segment *segment = &table->segments[table->nr_segments];

	table->first[table->nr_segments++] = first;
	segment->rule[READ] = sweep->first[READ];
	segment->rule[WRITE] = sweep->first[WRITE];
	segment->masked = KVM_REG_NONE;
	if (sweep->nr_masked &&
	    find_first_bit(sweep->masked, table->nr_rules) < sweep->first[WRITE])
		segment->masked = sweep->run;
}

static void copy_bits(unsigned long *to, u32 to_bit, const unsigned long *from,
		      u32 from_bit, u32 nr)
{
	u32 done, n;

	for (done = 0; done < nr; done += n) {
		n = min_t(u32, nr - done, BITS_PER_LONG);
		bitmap_write(to, bitmap_read(from, from_bit + done, n), to_bit + done, n);
	}
}

/* IGNORE_UNKNOWN makes a difference only after KVM has not known the register. */
static bool allows(const struct kvm_x86_reg_rule *rule)
{
	return rule->action == KVM_X86_REG_RULE_ALLOW ||
	       rule->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

/* Set the bits of a segment's registers from @first to @last, which are in one window. */
static void set_allowed(struct kvm_reg_table *table, const struct kvm_reg_segment *segment,
			u32 first, u32 last)
{
	u32 bit = kvm_reg_bit(first), nr = last - first + 1, rule;
	int a;

	for (a = 0; a < KVM_REG_NR_ACCESS; a++) {
		rule = segment->rule[a];
		if (a == WRITE && segment->masked != KVM_REG_NONE)
			continue;

		if (allows(&table->rules[rule]))
			bitmap_set(table->allowed[a], bit, nr);
		else if (table->exempt && table->exempt[rule])
			copy_bits(table->allowed[a], bit, table->exempt[rule],
				  first - table->rules[rule].first, nr);
	}
}

static void fill_allowed(struct kvm_reg_table *table)
{
	u32 i, first, last, end;
	const struct window *w;
	int a;

	for (i = 0; i < table->nr_segments; i++) {
		end = i + 1 < table->nr_segments ? table->first[i + 1] - 1 : U32_MAX;
		for (w = windows; w < windows + ARRAY_SIZE(windows); w++) {
			first = max(table->first[i], w->first);
			last = min(end, w->last);
			if (first <= last)
				set_allowed(table, &table->segments[i], first, last);
		}
	}

	for (a = 0; a < KVM_REG_NR_ACCESS; a++)
		bitmap_set(table->allowed[a], kvm_reg_bit(KVM_REG_X2APIC_FIRST),
			   KVM_REG_X2APIC_LAST - KVM_REG_X2APIC_FIRST + 1);
}

/* Return the control register, -1 if no rule can be for it. */
int kvm_reg_control(u32 space, u32 index)
{
	if (space == KVM_X86_REG_RULE_CR && index == 0)
		return KVM_REG_CR0;

	if (space == KVM_X86_REG_RULE_CR && index == 4)
		return KVM_REG_CR4;

	return space == KVM_X86_REG_RULE_XCR && index == 0 ? KVM_REG_XCR0 : -1;
}

/* The bits that a guest can change.  CR0.ET is always set, reserved bits never are. */
static const u64 control_bits[KVM_REG_NR_CONTROLS] = {
	[KVM_REG_CR0] = X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_NE |
			X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG,
	[KVM_REG_CR4] = ~0ULL,
	[KVM_REG_XCR0] = ~0ULL,
};

static u64 control_mask(const struct kvm_x86_reg_rule *rule)
{
	return rule->mask ?: ~0ULL;
}

/* Bits that an earlier rule allows to change are not guarded: the first match decides. */
static int fill_control(struct kvm_reg_table *table, enum kvm_reg_control reg)
{
	struct kvm_reg_control_rules *control = &table->controls[reg];
	const struct kvm_x86_reg_rule *rule;
	u64 left = control_bits[reg];
	u32 i;

	for (i = 0; i < table->nr_rules; i++) {
		rule = &table->rules[i];
		if (kvm_reg_control(rule->space, rule->first) != reg)
			continue;

		if (control->nr_rules == KVM_REG_MAX_MASKED)
			return -E2BIG;

		control->rules[control->nr_rules++] = i;
		if (allows(rule))
			left &= ~control_mask(rule);
		else
			control->guarded |= left & control_mask(rule);
	}

	return 0;
}

/*
 * Compile the rules, the default and the bitmaps that the caller filled in.  Return
 * -ENOMEM, or -E2BIG if more than KVM_REG_MAX_MASKED masked rules cover one MSR, or as
 * many rules are for one control register.
 */
int kvm_reg_table_compile(struct kvm_reg_table *table)
{
	enum kvm_reg_control reg;
	struct sweep *sweep;
	u32 i = 0, first;
	int r;

	for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++) {
		r = fill_control(table, reg);
		if (r)
			return r;
	}

	sweep = sweep_alloc(table);
	if (!sweep)
		return -ENOMEM;

	/* The default starts at register 0, i.e. there is an edge. */
	while (!r && i < sweep->nr_edges) {
		first = sweep->edges[i].at;
		do {
			r = cross_edge(table, sweep, &sweep->edges[i++]);
		} while (!r && i < sweep->nr_edges && sweep->edges[i].at == first);

		add_segment(table, sweep, first);
		cond_resched();
	}

	kvfree(sweep);
	if (r)
		return r;

	table->search_step = rounddown_pow_of_two(table->nr_segments);
	fill_allowed(table);
	return 0;
}

/* Return a policy, which takes a reference to each of @tables that is not NULL, or NULL. */
struct kvm_reg_policy *kvm_reg_policy_alloc(struct kvm_reg_table *const *tables)
{
	struct kvm_reg_policy *policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	enum kvm_reg_control reg;
	int i, a;

	if (!policy)
		return NULL;

	memset(policy->allowed, 0xff, sizeof(policy->allowed));
	for (i = 0; i < KVM_REG_NR_LISTS; i++) {
		if (!tables[i])
			continue;

		refcount_inc(&tables[i]->users);
		policy->tables[i] = tables[i];
		for (reg = 0; reg < KVM_REG_NR_CONTROLS; reg++)
			policy->guarded[reg] |= tables[i]->controls[reg].guarded;
		for (a = 0; a < KVM_REG_NR_ACCESS; a++)
			bitmap_and(policy->allowed[a], policy->allowed[a],
				   tables[i]->allowed[a], KVM_REG_NR_BITS);
	}

	return policy;
}

void kvm_reg_policy_free(struct kvm_reg_policy *policy)
{
	int i;

	if (!policy)
		return;

	for (i = 0; i < KVM_REG_NR_LISTS; i++)
		kvm_reg_table_put(policy->tables[i]);

	kfree(policy);
}

/*
 * Return the last segment that starts at or before @index.  The binary search takes the
 * same steps for each register: the first leaves a power of two of segments to search.
 */
static __always_inline const struct kvm_reg_segment *
find_segment(const struct kvm_reg_table *table, u32 index)
{
	u32 step = table->search_step, i = table->nr_segments - step;

	if (table->first[i] > index)
		i = 0;

	while (step >>= 1)
		i += table->first[i + step] <= index ? step : 0;

	return &table->segments[i];
}

/* Does a mask decide on writes to a register, i.e. do the bits that change matter? */
bool kvm_reg_table_compares(const struct kvm_reg_table *table, u32 index)
{
	return find_segment(table, index)->masked != KVM_REG_NONE;
}

/* Return @rule, or the first in the run @masked that comes before it and matches. */
static u32 find_masked(const struct kvm_reg_table *table, const u16 *masked, u32 rule,
		       u32 index, u64 changed)
{
	const struct kvm_x86_reg_rule *r;

	for (; *masked != KVM_REG_NONE; masked++) {
		r = &table->rules[*masked];
		if (*masked < rule && r->mask & changed &&
		    r->first <= index && index <= r->last)
			rule = *masked;
	}

	return rule;
}

/* Does a range of the filter allow the register?  The default has no bitmap. */
static bool is_exempt(const struct kvm_reg_table *table, u32 rule, u32 index)
{
	const struct kvm_x86_reg_rule *r = &table->rules[rule];
	const unsigned long *bitmap = table->exempt[rule];

	return bitmap && test_bit(array_index_nospec(index - r->first,
						     r->last - r->first + 1), bitmap);
}

/* Return the index of the first rule that matches, or of the default. */
static __always_inline u32 find_rule(const struct kvm_reg_table *table, u32 index,
				     u32 access, u64 changed)
{
	const struct kvm_reg_segment *segment = find_segment(table, index);
	u32 rule = segment->rule[access >> 1];

	if (access == KVM_X86_REG_RULE_WRITE && segment->masked != KVM_REG_NONE)
		rule = find_masked(table, &table->masked[segment->masked], rule, index,
				   changed);

	return rule;
}

/* Return the first rule that matches, or the default; NULL if it allows the access. */
const struct kvm_x86_reg_rule *kvm_reg_table_find(const struct kvm_reg_table *table,
						  u32 index, u32 access, u64 changed)
{
	u32 rule = find_rule(table, index, access, changed);

	if (allows(&table->rules[rule]) ||
	    (table->exempt && is_exempt(table, rule, index)))
		return NULL;

	return &table->rules[rule];
}

/* Return the rule that ignores an access if KVM does not know the register, or NULL. */
const struct kvm_x86_reg_rule *
kvm_reg_table_find_unknown(const struct kvm_reg_table *table, u32 index, u32 access,
			   u64 changed)
{
	u32 rule = find_rule(table, index, access, changed);

	/* No rule is for x2APIC MSRs, nor is the default. */
	if (table->rules[rule].action != KVM_X86_REG_RULE_IGNORE_UNKNOWN ||
	    (index >= KVM_REG_X2APIC_FIRST && index <= KVM_REG_X2APIC_LAST))
		return NULL;

	return &table->rules[rule];
}

/* Return the first rule that a write matches, NULL if that allows it, or if none does. */
const struct kvm_x86_reg_rule *
kvm_reg_table_find_control(const struct kvm_reg_table *table, enum kvm_reg_control reg,
			   u64 changed)
{
	const struct kvm_reg_control_rules *control = &table->controls[reg];
	const struct kvm_x86_reg_rule *rule;
	u32 i;

	for (i = 0; i < control->nr_rules; i++) {
		rule = &table->rules[control->rules[i]];
		if (changed & control_bits[reg] & control_mask(rule))
			return allows(rule) ? NULL : rule;
	}

	return NULL;
}
