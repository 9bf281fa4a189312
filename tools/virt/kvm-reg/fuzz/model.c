// SPDX-License-Identifier: GPL-2.0
/*
 * An input is a header and a record per rule, numbers in big-endian order:
 *
 *	u8  options	OPTION_*
 *	u8  default action of the rules
 *	u8  default action of the filter
 *	u8  repeats	how many more times the list of rules, less the filter's, follows
 *			itself, each time with its masks rotated by one bit,
 *	u8  shift	and 2^(shift % 32) registers further up; up to USUAL_RULES in
 *			all, if there are not MANY_REPEATS
 *
 *	u8  what	access in bits 0-1 (for a rule, none means both), enum fill in
 *			bits 2-4, RECORD_*
 *	u8  action
 *	u32 first
 *	u32 last	exchanged with first if it is the lesser
 *	u16 seed	of the filter's bitmap, or of the rule's value
 *	u64 mask	if it is a rule that applies to writes, and then to no reads
 *
 * As KVM's front-ends do it, only rules have masks and all actions, and only filters
 * have bitmaps, for each range, but for the one without a range.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* It is of the filter, not of the rules. */
#define RECORD_FILTER	0x40

/* Long lists take long: let them be few. */
#define USUAL_RULES	300
#define MOST_REPEATS	0xff

/* What the bits of a bitmap are */
enum fill { ALL_CLEAR, ALL_SET, ONE_SET, ONE_CLEAR, RANDOM };

struct model_list lists[KVM_REG_NR_LISTS];

static uint32_t random_state;

uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void seed_random(uint32_t seed)
{
	random_state = seed * 2654435761u ?: 1;
}

static uint64_t get_be(const uint8_t *data, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *data++;
	return value;
}

static void fill_bits(struct model_rule *r, enum fill fill, uint16_t seed)
{
	const uint64_t nr = r->last - r->first + 1, bit = seed % nr;
	size_t i;

	memset(r->bits, fill == ALL_SET || fill == ONE_CLEAR ? 0xff : 0, r->longs * 8);
	if (fill == ONE_SET || fill == ONE_CLEAR)
		r->bits[bit / 8] ^= 1 << bit % 8;
	if (fill < RANDOM)
		return;

	seed_random(seed + 1);
	for (i = 0; i < r->longs * 8; i++)
		r->bits[i] = next_random() >> 11;
}

static struct model_rule decode_rule(const uint8_t *data, uint32_t shift)
{
	const uint32_t a = get_be(data + 2, 4) + shift, b = get_be(data + 6, 4) + shift;

	return (struct model_rule) {
		.first = a < b ? a : b,
		.last = a < b ? b : a,
		.access = data[0] & 3,
		.action = data[1] % NR_ACTIONS,
	};
}

static void add_filter(struct model_list *list, const uint8_t *data)
{
	const enum fill fill = data[0] >> 2 & 7;
	struct model_rule *r = &list->rules[list->nr];

	if (list->nr == MAX_FILTER)
		return;

	*r = decode_rule(data, 0);
	r->action = DENY;
	list->nr++;
	if (!list->bitmaps)
		return;

	if (r->last - r->first >= MAX_BITMAP)
		r->last = r->first + MAX_BITMAP - 1;
	r->longs = (r->last - r->first + 64) / 64;
	r->bits = malloc(r->longs * 8);
	if (!r->bits)
		abort();
	fill_bits(r, fill, get_be(data + 10, 2));
}

static void add_rule(struct model_list *list, const uint8_t *data, unsigned int repeat,
		     uint32_t shift)
{
	const uint64_t mask = get_be(data + 12, 8);
	struct model_rule *r = &list->rules[list->nr];

	*r = decode_rule(data, repeat * shift);
	r->value = get_be(data + 10, 2) * 0x9e3779b97f4a7c15;
	r->access = r->access ?: RD | WR;
	if (r->access & WR && mask) {
		r->access = WR;
		r->mask = repeat % 64 ? mask << repeat % 64 | mask >> (64 - repeat % 64) : mask;
	}
	list->nr++;
}

static void decode_lists(const uint8_t *data, size_t size)
{
	const unsigned int max = data[3] < MOST_REPEATS ? USUAL_RULES : MAX_RULES;
	const uint32_t shift = 1u << data[4] % 32;
	struct model_list *rules = &lists[KVM_REG_RULES];
	unsigned int i;
	size_t at;

	for (i = 0; i <= data[3]; i++) {
		for (at = HEADER_SIZE; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
			if (!(data[at] & RECORD_FILTER) && rules->nr < max)
				add_rule(rules, data + at, i, shift);
			else if (data[at] & RECORD_FILTER && !i)
				add_filter(&lists[KVM_REG_FILTER], data + at);
		}
	}
}

/* A list that is not there: nothing but the default, which allows. */
static void remove_list(struct model_list *list)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		free(list->rules[i].bits);
	list->present = false;
	list->nr = 0;
	list->default_action = ALLOW;
}

void model_free(void)
{
	remove_list(&lists[KVM_REG_RULES]);
	remove_list(&lists[KVM_REG_FILTER]);
}

void model_decode(const uint8_t *data, size_t size)
{
	struct model_list *rules = &lists[KVM_REG_RULES];
	struct model_list *filter = &lists[KVM_REG_FILTER];
	uint32_t hash = 0;
	size_t i;

	rules->present = true;
	rules->default_action = data[1] % NR_ACTIONS;
	filter->present = true;
	filter->bitmaps = data[0] & OPTION_BITMAPS;
	filter->default_action = data[2] % 2 ? DENY : ALLOW;
	decode_lists(data, size);
	if (data[0] & OPTION_NO_RULES)
		remove_list(rules);
	if (data[0] & OPTION_NO_FILTER)
		remove_list(filter);

	for (i = 0; i < size; i++)
		hash = hash * 31 + data[i];
	seed_random(hash);
}

static void print_list(const char *name, const struct model_list *list)
{
	const struct model_rule *r;

	fprintf(stderr, "  %s: %u, default action %u%s\n", name, list->nr,
		list->default_action, list->present ? "" : ", absent");
	for (r = list->rules; r < list->rules + list->nr; r++)
		fprintf(stderr, "  %u: 0x%08x-0x%08x %s%s action %u mask 0x%llx%s\n",
			(unsigned int)(r - list->rules), (uint32_t)r->first, (uint32_t)r->last,
			r->access & RD ? "r" : "",
			r->access & WR ? "w" : "", r->action,
			(unsigned long long)r->mask, r->bits ? ", but for a bitmap's" : "");
}

void model_print(void)
{
	print_list("rules", &lists[KVM_REG_RULES]);
	print_list("filter", &lists[KVM_REG_FILTER]);
}

unsigned int model_next(const struct model_list *list, unsigned int rule, uint64_t index,
			unsigned int access)
{
	const struct model_rule *r = &list->rules[rule];

	for (; rule < list->nr; rule++, r++)
		if (r->access & access && r->first <= index && index <= r->last)
			break;
	return rule;
}

/* The default has no mask. */
static uint64_t mask_of(const struct model_list *list, unsigned int rule)
{
	return rule < list->nr ? list->rules[rule].mask : 0;
}

static unsigned int action_of(const struct model_list *list, unsigned int rule, uint64_t index)
{
	const struct model_rule *r = &list->rules[rule];
	const uint64_t bit = index - r->first;

	if (rule == list->nr)
		return list->default_action;
	if (r->bits && r->bits[bit / 8] >> bit % 8 & 1)
		return ALLOW;
	return r->action;
}

static struct model_decision ask(unsigned int which, uint64_t index, unsigned int access,
				 uint64_t changed)
{
	const struct model_list *list = &lists[which];
	unsigned int rule = model_next(list, 0, index, access);

	while (mask_of(list, rule) && !(mask_of(list, rule) & changed))
		rule = model_next(list, rule + 1, index, access);
	return (struct model_decision) { action_of(list, rule, index), which, rule };
}

/* x2APIC MSRs, which nothing guards */
static bool is_x2apic(uint64_t index)
{
	return index >> 8 == 8;
}

struct model_decision model_decide(uint64_t index, unsigned int access, uint64_t changed)
{
	const struct model_decision rules = ask(KVM_REG_RULES, index, access, changed);
	const struct model_decision filter = ask(KVM_REG_FILTER, index, access, changed);
	const bool passes = rules.action == ALLOW || rules.action == AUDIT;

	if (is_x2apic(index))
		return (struct model_decision) { ALLOW, 0, 0 };
	return passes && filter.action == DENY ? filter : rules;
}

bool model_compares(uint64_t index)
{
	const struct model_list *rules = &lists[KVM_REG_RULES];

	return mask_of(rules, model_next(rules, 0, index, WR));
}

bool model_is_plain(uint64_t index, unsigned int access)
{
	if (!is_x2apic(index) && access == WR && model_compares(index))
		return false;
	return model_decide(index, access, 0).action == ALLOW;
}

/* Where a masked rule starts to apply, or no longer does */
struct end {
	uint64_t at;
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

bool model_overlaps(void)
{
	const struct model_list *rules = &lists[KVM_REG_RULES];
	static struct end ends[2 * MAX_RULES];
	unsigned int i, nr = 0;
	int over = 0, most = 0;

	for (i = 0; i < rules->nr; i++) {
		if (!rules->rules[i].mask)
			continue;
		ends[nr++] = (struct end) { rules->rules[i].first, 1 };
		ends[nr++] = (struct end) { rules->rules[i].last + 1, -1 };
	}
	qsort(ends, nr, sizeof(*ends), compare_ends);
	for (i = 0; i < nr; i++) {
		over += ends[i].step;
		most = over > most ? over : most;
	}
	return most > MAX_MASKED;
}
