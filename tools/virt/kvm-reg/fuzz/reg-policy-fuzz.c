// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz the register policy: compile and look up, in userspace, against a model
 * that walks the lists of rules for each access.  See input.c for the inputs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "input.h"

/*
 * The model takes steps in proportion to the number of rules; for long lists
 * not all of them are probed, nor whole windows compared with it.
 */
#define SHORT_LIST	8
#define LONG_LIST	300
#define PROBED_RULES	40
#define RANDOM_PROBES	64
#define CONTROL_PROBES	16
#define CHECKED_SEGMENTS 100

/* The kernel's kvmalloc() gives no more than that. */
#define MAX_ALLOC	INT_MAX

/* More than the fuzzer ever holds at once */
#define MAX_LIVE	16

/* What the documentation promises of the memory that a policy takes */
#define MAX_BYTES	(304 << 10)	/* with 48 for a filter, as its bitmaps are larger */
#define MAX_BYTES_SHORT	(32 << 10)	/* up to 16 rules and ranges, without bitmaps */
#define SHORT_POLICY	16

/* The most rules that a look-up has to go through for their masks */
#define MAX_RUN		(2 * MAX_MASKED)

/* The windows, spelled out once more: first register, how many, first bit */
static const struct window {
	uint32_t first;
	uint32_t nr;
	uint32_t bit;
} windows[] = {
	{ 0x00000000, 0x2000, 0x0000 },
	{ 0xc0000000, 0x2000, 0x2000 },
	{ 0xc0010000, 0x2000, 0x4000 },
	{ 0x40000000, 0x0200, 0x6000 },
	{ 0x4b564d00, 0x0100, 0x6200 },
};

static const unsigned int accesses[] = { RD, WR };

/* The engine's lists are the model's. */
static_assert(MODEL_RULES == KVM_REG_RULES && MODEL_FILTER == KVM_REG_FILTER &&
	      MODEL_NR_LISTS == KVM_REG_NR_LISTS);
/* So are its control registers. */
static_assert(MODEL_CR0 == KVM_REG_CR0 && MODEL_CR4 == KVM_REG_CR4 &&
	      MODEL_XCR0 == KVM_REG_XCR0 && MODEL_NR_CONTROLS == KVM_REG_NR_CONTROLS);

static struct {
	const void *p;
	size_t size;
} live[MAX_LIVE];

static unsigned int until_failure;	/* allocations up to the one to fail; 0: none fails */
unsigned int warnings;

/* Print what is wrong, with the lists, and end. */
#define fail(...) do {						\
	fprintf(stderr, "reg-policy-fuzz: " __VA_ARGS__);	\
	fprintf(stderr, "\n");					\
	input_print();						\
	abort();						\
} while (0)

#define check(condition, ...) do {	\
	if (!(condition))		\
		fail(__VA_ARGS__);	\
} while (0)

/* The entry for @p; NULL finds a free one. */
static unsigned int find_live(const void *p)
{
	unsigned int i;

	for (i = 0; i < MAX_LIVE; i++)
		if (live[i].p == p)
			return i;
	fail("%p is not allocated, or too much is", p);
}

void *kvzalloc(size_t size, gfp_t flags)
{
	unsigned int i;

	if (size > MAX_ALLOC || (until_failure && !--until_failure))
		return NULL;

	i = find_live(NULL);
	live[i].p = calloc(1, size);
	live[i].size = size;
	if (!live[i].p)
		abort();
	return (void *)live[i].p;
}

void kvfree(const void *p)
{
	if (!p)
		return;
	live[find_live(p)].p = NULL;
	free((void *)p);
}

static size_t live_bytes(void)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < MAX_LIVE; i++)
		bytes += live[i].p ? live[i].size : 0;
	return bytes;
}

static unsigned int nr_rules(void)
{
	return lists[KVM_REG_RULES].nr + lists[KVM_REG_FILTER].nr;
}

/* The bits that a write changes: none, all, one, some, those of a rule, those not */
static uint64_t random_changed(void)
{
	const struct model_list *rules = &lists[KVM_REG_RULES];
	const uint64_t some = (uint64_t)next_random() << 32 | next_random();
	const uint64_t mask = rules->nr ? rules->rules[next_random() % rules->nr].mask : 0;
	const uint64_t choices[] = { 0, ~0ULL, 1ULL << some % 64, some, mask, ~mask };

	return choices[next_random() % ARRAY_SIZE(choices)];
}

/*
 * As KVM does: a look-up takes place only for what is not allowed plainly, and another
 * only for what is allowed, if KVM turns out not to know it.
 */
static const struct kvm_x86_reg_rule *find(const struct kvm_reg_policy *policy, uint32_t index,
					   unsigned int access, uint64_t changed,
					   unsigned int *list)
{
	const struct kvm_reg_table *rules = policy->tables[KVM_REG_RULES], *table = NULL;
	const struct kvm_x86_reg_rule *rule = NULL;

	if (!kvm_reg_policy_allows_plainly(policy, index, access))
		rule = kvm_reg_policy_find(policy, index, access, changed, &table);
	*list = rule && table == policy->tables[KVM_REG_FILTER] ? KVM_REG_FILTER :
								  KVM_REG_RULES;
	if (rule || !rules)
		return rule;
	return kvm_reg_table_find_unknown(rules, index, access, changed);
}

static void check_decision(const struct kvm_reg_policy *policy, uint32_t index,
			   unsigned int access, uint64_t changed)
{
	const struct model_decision want = model_decide(lists, index, access, changed);
	const struct kvm_x86_reg_rule *got;
	unsigned int list = 0, action;

	got = find(policy, index, access, changed, &list);
	action = got ? got->action : KVM_X86_REG_RULE_ALLOW;
	check(action == want.action,
	      "access %u of 0x%08x changing 0x%llx: action %u, not %u", access, index,
	      (unsigned long long)changed, action, want.action);
	if (!got)
		return;
	check(list == want.list && got == &policy->tables[list]->rules[want.rule],
	      "access %u of 0x%08x changing 0x%llx: list %u rule %td, not list %u rule %u",
	      access, index, (unsigned long long)changed, list,
	      got - policy->tables[list]->rules, want.list, want.rule);
}

static bool in_window(uint32_t index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(windows); i++)
		if (index - windows[i].first < windows[i].nr)
			return true;
	return false;
}

/* Nothing to do before KVM handles the access */
static bool allows_plainly(unsigned int action)
{
	return action == KVM_X86_REG_RULE_ALLOW || action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

/* Is the access allowed without a look at a mask? */
static bool is_plain(uint32_t index, unsigned int access)
{
	if (!is_x2apic(index) && access == WR && model_compares(&lists[KVM_REG_RULES], index))
		return false;
	return allows_plainly(model_decide(lists, index, access, 0).action);
}

/* An allowed bit may be missing only where a mask had to be looked at. */
static void check_plain(const struct kvm_reg_policy *policy, uint32_t index,
			unsigned int access)
{
	const bool plain = kvm_reg_policy_allows_plainly(policy, index, access);
	const bool want = in_window(index) && is_plain(index, access);

	check(plain == want, "access %u of 0x%08x is%s allowed plainly", access, index,
	      plain ? "" : " not");
}

static void check_register(const struct kvm_reg_policy *policy, uint32_t index)
{
	const bool compares = model_compares(&lists[KVM_REG_RULES], index);
	const unsigned int changes = compares ? 5 : 1;
	unsigned int i;

	check(kvm_reg_policy_compares(policy, index) == compares,
	      "0x%08x: %s with the old value", index,
	      compares ? "does not compare" : "compares");
	check_decision(policy, index, RD, 0);
	check_decision(policy, index, RD, random_changed());
	check_decision(policy, index, WR, ~0ULL);
	for (i = 0; i < changes; i++)
		check_decision(policy, index, WR, random_changed());
	check_plain(policy, index, RD);
	check_plain(policy, index, WR);
}

/* Wraps on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
static void check_around(const struct kvm_reg_policy *policy, uint32_t index)
{
	check_register(policy, index - 1);
	check_register(policy, index);
	check_register(policy, index + 1);
}

static void check_rule(const struct kvm_reg_policy *policy, const struct kvm_x86_reg_rule *r,
		       bool has_bits)
{
	const uint64_t nr = r->last - r->first + 1ULL;

	check_around(policy, r->first);
	check_around(policy, r->last);
	check_register(policy, r->first + next_random() % nr);
	if (has_bits)	/* where the bitmap's words meet */
		check_around(policy, r->first + next_random() % nr / 64 * 64);
}

static void check_rules(const struct kvm_reg_policy *policy, const struct model_list *list)
{
	const unsigned int step = list->nr / (list->nr > LONG_LIST ? PROBED_RULES / 4 :
					      PROBED_RULES) + 1;
	unsigned int i;

	for (i = next_random() % step; i < list->nr; i += step)
		check_rule(policy, &list->rules[i], list->bits);
}

static void check_control(const struct kvm_reg_policy *policy, enum model_control control,
			  uint64_t changed)
{
	const unsigned int want = model_find_control(&lists[KVM_REG_RULES], control, changed);
	const struct kvm_reg_table *rules = policy->tables[KVM_REG_RULES];
	const struct kvm_x86_reg_rule *got;
	bool allowed;

	allowed = model_decide_control(&lists[KVM_REG_RULES], control, changed) ==
		  KVM_X86_REG_RULE_ALLOW;
	check(allowed || policy->guarded[control] & changed,
	      "control register %u: a write changing 0x%llx passes unseen", control,
	      (unsigned long long)changed);
	if (!rules)
		return;

	got = kvm_reg_table_find_control(rules, control, changed);
	check(got == (allowed ? NULL : &rules->rules[want]),
	      "control register %u changing 0x%llx: rule %td, not %u%s", control,
	      (unsigned long long)changed, got ? got - rules->rules : -1, want,
	      allowed ? ", which allows" : "");
}

/* A bit is guarded if a write that changes it alone is not plainly allowed. */
static void check_guarded(const struct kvm_reg_policy *policy, enum model_control control)
{
	const uint64_t guarded = model_guarded(&lists[KVM_REG_RULES], control);

	check(policy->guarded[control] == guarded,
	      "control register %u guards 0x%llx, not 0x%llx", control,
	      (unsigned long long)policy->guarded[control], (unsigned long long)guarded);
}

static void check_controls(const struct kvm_reg_policy *policy)
{
	const unsigned int probes = nr_rules() > LONG_LIST ? CONTROL_PROBES / 8 : CONTROL_PROBES;
	enum model_control control;
	unsigned int i;

	for (control = 0; control < MODEL_NR_CONTROLS; control++) {
		check_guarded(policy, control);
		for (i = 0; i < probes; i++) {
			check_control(policy, control, random_changed());
			check_control(policy, control, random_changed() & random_changed());
		}
	}
}

static void check_decisions(const struct kvm_reg_policy *policy)
{
	const unsigned int probes = nr_rules() > LONG_LIST ? RANDOM_PROBES / 8 : RANDOM_PROBES;
	unsigned int i;

	check_rules(policy, &lists[KVM_REG_RULES]);
	check_rules(policy, &lists[KVM_REG_FILTER]);
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		check_around(policy, windows[i].first);
		check_around(policy, windows[i].first + windows[i].nr - 1);
	}

	check_around(policy, U32_MAX);
	for (i = 0; i < probes; i++)
		check_register(policy, next_random());
	check_controls(policy);
}

/* As the look-up has it, which check_decision() compares with the model */
static bool lookup_allows(const struct kvm_reg_policy *policy, uint32_t index,
			  unsigned int access)
{
	const struct kvm_x86_reg_rule *rule;
	unsigned int list;

	if (access == WR && !is_x2apic(index) && kvm_reg_policy_compares(policy, index))
		return false;
	rule = find(policy, index, access, 0, &list);
	return !rule || allows_plainly(rule->action);
}

static void check_bit(const struct kvm_reg_policy *policy, uint32_t index, int nr)
{
	bool bit, allowed;
	unsigned int i;

	check(kvm_reg_bit(index) == nr, "0x%08x has bit %d, not %d", index,
	      kvm_reg_bit(index), nr);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		bit = policy->allowed[i][nr / 64] >> nr % 64 & 1;
		allowed = nr_rules() <= SHORT_LIST ? is_plain(index, accesses[i]) :
			  lookup_allows(policy, index, accesses[i]);
		check(bit == allowed, "access %u of 0x%08x: the window's bit is %d",
		      accesses[i], index, bit);
	}
}

static void check_windows(const struct kvm_reg_policy *policy)
{
	const struct window *w;
	uint32_t i;

	for (w = windows; w < windows + ARRAY_SIZE(windows); w++) {
		for (i = 0; i < w->nr; i++)
			check_bit(policy, w->first + i, w->bit + i);
		check(kvm_reg_bit(w->first + w->nr) < 0, "0x%08x has a bit", w->first + w->nr);
	}
}

/* Is the rule in the run, which has to end? */
static bool in_run(const struct kvm_reg_table *table, u16 run, unsigned int rule)
{
	unsigned int i;
	bool found = false;

	for (i = 0; table->masked[run + i] != KVM_REG_NONE; i++) {
		check(i < MAX_RUN, "the run at %u has more than %u rules", run, MAX_RUN);
		found |= table->masked[run + i] == rule;
	}
	return found;
}

/* The first rule without a mask, and all those with one that come before it */
static void check_sources(const struct kvm_reg_table *table, const struct model_list *list,
			  uint32_t index, const struct kvm_reg_segment *segment)
{
	unsigned int a, rule, access;
	bool masked = false;

	for (a = 0; a < ARRAY_SIZE(accesses); a++) {
		access = accesses[a];
		rule = model_next(list, 0, index, access);
		for (; rule < list->nr && list->rules[rule].mask;
		     rule = model_next(list, rule + 1, index, access)) {
			masked = true;
			check(segment->masked != KVM_REG_NONE &&
			      in_run(table, segment->masked, rule),
			      "0x%08x: rule %u is in no run", index, rule);
		}
		check(segment->rule[a] == rule, "access %u of 0x%08x: rule %u, not %u",
		      access, index, segment->rule[a], rule);
	}
	check(masked == (segment->masked != KVM_REG_NONE), "0x%08x: a run for nothing", index);
}

static void check_segments(const struct kvm_reg_table *table, const struct model_list *list)
{
	const unsigned int step = table->nr_segments / CHECKED_SEGMENTS + 1;
	unsigned int i, nr = 0;

	for (i = 0; i < list->nr; i++)
		nr += list->rules[i].space == KVM_X86_REG_RULE_MSR;
	check(table->nr_segments >= 1 && table->nr_segments <= 2 * nr + 1,
	      "%u segments for %u rules", table->nr_segments, nr);
	check(!table->first[0], "the first segment begins at 0x%x", table->first[0]);
	for (i = 1; i < table->nr_segments; i++)
		check(table->first[i - 1] < table->first[i],
		      "segments %u and %u begin at 0x%x and 0x%x", i - 1, i,
		      table->first[i - 1], table->first[i]);
	for (i = next_random() % step; i < table->nr_segments; i += step) {
		/* Both ends, as the model has them */
		check_sources(table, list, table->first[i], &table->segments[i]);
		check_sources(table, list, i + 1 < table->nr_segments ?
			      table->first[i + 1] - 1 : U32_MAX, &table->segments[i]);
	}
}

static struct kvm_reg_table *make_table(unsigned int which)
{
	const struct model_list *from = &lists[which];
	struct kvm_reg_table *table;
	unsigned long *bitmap;
	size_t longs = 0;
	unsigned int i;

	if (!from->rules)
		return NULL;

	for (i = 0; from->bits && i < from->nr; i++)
		longs += range_longs(&from->rules[i]);
	table = kvm_reg_table_alloc(from->nr, longs);
	check(table, "no room for %u rules and %zu longs", from->nr, longs);
	check(table->size == live[find_live(table)].size, "a table of %zu bytes", table->size);
	memcpy(table->rules, from->rules, from->nr * sizeof(*from->rules));
	table->rules[from->nr].action = from->default_action;
	bitmap = table->bitmaps;
	for (i = 0; from->bits && i < from->nr; i++) {
		longs = range_longs(&from->rules[i]);
		table->exempt[i] = memcpy(bitmap, from->bits[i], longs * sizeof(*bitmap));
		bitmap += longs;
	}
	return table;
}

/* Rules are their makers': compiling changes nothing in them. */
static void check_rules_kept(const struct kvm_reg_table *table, const struct model_list *from)
{
	const struct kvm_x86_reg_rule last = {
		.access = RD | WR,
		.action = from->default_action,
		.last = U32_MAX,
	};
	unsigned int i;

	check(table->nr_rules == from->nr, "%u rules, not %u", table->nr_rules, from->nr);
	check(!memcmp(table->rules, from->rules, from->nr * sizeof(*from->rules)),
	      "a rule has changed");
	check(!memcmp(&table->rules[from->nr], &last, sizeof(last)), "the default is wrong");
	for (i = 0; from->bits && i < from->nr; i++)
		check(!memcmp(table->exempt[i], from->bits[i], range_longs(&from->rules[i]) * 8),
		      "the bitmap of range %u has changed", i);
}

static void check_users(struct kvm_reg_table *const *mine, unsigned int users)
{
	unsigned int i;

	for (i = 0; i < KVM_REG_NR_LISTS; i++)
		check(!mine[i] || refcount_read(&mine[i]->users) == users,
		      "table %u has %u users, not %u", i, refcount_read(&mine[i]->users), users);
}

static void check_refused(u32 rules, size_t longs)
{
	const size_t before = live_bytes();

	check(!kvm_reg_table_alloc(rules, longs), "room for %u rules and %zu longs",
	      rules, longs);
	check(live_bytes() == before, "%zu bytes are left", live_bytes() - before);
}

/* From what no kernel has to the numbers that wrap all sums */
static void check_huge(void)
{
	const unsigned int bits = next_random() % 36;

	check_refused(nr_rules(), SIZE_MAX >> bits);
	check_refused(nr_rules(), (SIZE_MAX >> bits) - next_random() % 0x10000);
	check_refused(nr_rules(), (SIZE_MAX >> 3) + next_random() % 0x10000);
	warnings = 0;
	check_refused(MAX_RULES + 1 + next_random() % 0x10000, 0);
	check_refused(U32_MAX - next_random() % 0x10000, 0);
	check(warnings == 2, "too many rules: %u warnings", warnings);
	warnings = 0;
}

/* Each allocation may fail: that for compiling, and that of the policy. */
static void check_no_mem(struct kvm_reg_table *const *mine)
{
	const size_t before = live_bytes();
	struct kvm_reg_table *table;
	unsigned int i;

	for (i = 0; i < KVM_REG_NR_LISTS; i++) {
		until_failure = 1;
		check(!kvm_reg_policy_alloc(mine), "a policy without memory");
		check_users(mine, 1);

		table = make_table(i);
		if (!table)
			continue;
		until_failure = 1;
		check(kvm_reg_table_compile(table) == -ENOMEM, "compiled without memory");
		kvm_reg_table_put(table);
		check(live_bytes() == before, "%zd bytes are left", live_bytes() - before);
	}
	until_failure = 0;
}

static void check_bytes(struct kvm_reg_table *const *mine)
{
	size_t bytes = sizeof(struct kvm_reg_policy);
	unsigned int i;

	for (i = 0; i < KVM_REG_NR_LISTS; i++)
		bytes += mine[i] ? mine[i]->size : 0;
	check(bytes <= MAX_BYTES, "%zu bytes in all", bytes);
	check(lists[KVM_REG_FILTER].bits || nr_rules() > SHORT_POLICY ||
	      bytes <= MAX_BYTES_SHORT, "%zu bytes in all", bytes);
}

/* Policies that share a table, as while one replaces the other */
static void check_replace(struct kvm_reg_policy *policy, struct kvm_reg_table *const *mine)
{
	struct kvm_reg_table *rules[] = { [KVM_REG_FILTER] = NULL, [KVM_REG_RULES] = mine[0] };
	struct kvm_reg_table *filter[] = { [KVM_REG_FILTER] = mine[1] };
	struct kvm_reg_policy *a, *b;

	a = kvm_reg_policy_alloc(rules);
	b = kvm_reg_policy_alloc(filter);
	check(a && b, "no memory for policies of one list");
	check_users(mine, 3);
	kvm_reg_policy_free(a);
	kvm_reg_policy_free(b);
	kvm_reg_policy_free(NULL);
	check_decisions(policy);
}

static void fuzz_policy(struct kvm_reg_table *const *mine, uint8_t options)
{
	struct kvm_reg_policy *policy = kvm_reg_policy_alloc(mine);
	unsigned int i;

	check(policy, "no memory for a policy");
	check_users(mine, 2);
	for (i = 0; i < KVM_REG_NR_LISTS; i++) {
		if (!mine[i])
			continue;
		check_rules_kept(mine[i], &lists[i]);
		check_segments(mine[i], &lists[i]);
	}
	check_bytes(mine);
	check_decisions(policy);
	if (options & OPTION_WINDOWS)
		check_windows(policy);
	if (options & OPTION_REPLACE)
		check_replace(policy, mine);
	kvm_reg_policy_free(policy);
	check_users(mine, 1);
	if (options & OPTION_NO_MEM)
		check_no_mem(mine);
}

static void fuzz_lists(uint8_t options)
{
	struct kvm_reg_table *mine[KVM_REG_NR_LISTS];
	bool compiled = true;
	unsigned int i;
	int r, want;

	if (options & OPTION_HUGE)
		check_huge();

	for (i = 0; i < KVM_REG_NR_LISTS; i++) {
		mine[i] = make_table(i);
		if (!mine[i])
			continue;
		want = i == KVM_REG_RULES && (model_overlaps(&lists[KVM_REG_RULES]) ||
					      model_crowds(&lists[KVM_REG_RULES])) ?
		       -E2BIG : 0;
		r = kvm_reg_table_compile(mine[i]);
		check(r == want, "list %u compiles with %d, not %d", i, r, want);
		compiled &= !r;
	}
	if (compiled)
		fuzz_policy(mine, options);
	for (i = 0; i < KVM_REG_NR_LISTS; i++)
		kvm_reg_table_put(mine[i]);
	check(!live_bytes(), "%zu bytes are left", live_bytes());
	check(!warnings, "%u warnings", warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEADER_SIZE)
		return 0;

	input_decode(data, size);
	fuzz_lists(data[0]);
	input_free();
	return 0;
}
