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
 *	u8  what	access in bits 0-1 (none means both), enum fill in bits
 *			2-4, RECORD_*
 *	u8  action
 *	u32 first
 *	u32 last	exchanged with first if it is the lesser
 *	u16 seed	of the filter's bitmap, or of the rule's value
 *	u64 mask	if it is a rule that applies to writes
 *
 * As KVM's front-ends do it, only rules have masks and all actions, and only filters
 * have bitmaps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* The bitmap is in the list's own room for bitmaps, not elsewhere. */
#define RECORD_INSIDE	0x20
/* It is of the filter, not of the rules. */
#define RECORD_FILTER	0x40

/* Long lists take long: let them be few. */
#define USUAL_RULES	300
#define MOST_REPEATS	0xff

/* What the bits of a bitmap are */
enum fill { NO_BITMAP, ALL_CLEAR, ALL_SET, ONE_SET, ONE_CLEAR, RANDOM };

struct model_list lists[KVM_REG_NR_LAYERS];

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
		.access = data[0] & 3 ?: 3,
		.action = data[1] % KVM_REG_NR_ACTIONS,
	};
}

static void add_filter(struct model_list *list, const uint8_t *data)
{
	const enum fill fill = data[0] >> 2 & 7;
	struct model_rule *r = &list->rules[list->nr];

	if (list->nr == MAX_FILTER)
		return;

	*r = decode_rule(data, 0);
	r->action = data[1] % 2 ? KVM_REG_DENY : KVM_REG_ALLOW;
	r->inside = data[0] & RECORD_INSIDE;
	list->nr++;
	if (fill == NO_BITMAP)
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
	if (r->access & KVM_REG_WRITE)
		r->mask = repeat % 64 ? mask << repeat % 64 | mask >> (64 - repeat % 64) : mask;
	list->nr++;
}

static void decode_lists(const uint8_t *data, size_t size)
{
	const unsigned int max = data[3] < MOST_REPEATS ? USUAL_RULES : MAX_RULES;
	const uint32_t shift = 1u << data[4] % 32;
	struct model_list *rules = &lists[KVM_REG_LAYER_RULES];
	unsigned int i;
	size_t at;

	for (i = 0; i <= data[3]; i++) {
		for (at = HEADER_SIZE; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
			if (!(data[at] & RECORD_FILTER) && rules->nr < max)
				add_rule(rules, data + at, i, shift);
			else if (data[at] & RECORD_FILTER && !i)
				add_filter(&lists[KVM_REG_LAYER_FILTER], data + at);
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
	list->default_action = KVM_REG_ALLOW;
}

void model_free(void)
{
	remove_list(&lists[KVM_REG_LAYER_RULES]);
	remove_list(&lists[KVM_REG_LAYER_FILTER]);
}

void model_decode(const uint8_t *data, size_t size)
{
	struct model_list *rules = &lists[KVM_REG_LAYER_RULES];
	struct model_list *filter = &lists[KVM_REG_LAYER_FILTER];
	uint32_t hash = 0;
	size_t i;

	rules->present = true;
	rules->default_action = data[1] % KVM_REG_NR_ACTIONS;
	filter->present = true;
	filter->default_action = data[2] % 2 ? KVM_REG_DENY : KVM_REG_ALLOW;
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
			r->access & KVM_REG_READ ? "r" : "",
			r->access & KVM_REG_WRITE ? "w" : "", r->action,
			(unsigned long long)r->mask, r->bits ? ", but for a bitmap's" : "");
}

void model_print(void)
{
	print_list("rules", &lists[KVM_REG_LAYER_RULES]);
	print_list("filter", &lists[KVM_REG_LAYER_FILTER]);
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
static uint64_t mask_of(const struct model_list *list, unsigned int rule, unsigned int access)
{
	return rule < list->nr && access == KVM_REG_WRITE ? list->rules[rule].mask : 0;
}

static unsigned int action_of(const struct model_list *list, unsigned int rule, uint64_t index)
{
	const struct model_rule *r = &list->rules[rule];
	const uint64_t bit = index - r->first;

	if (rule == list->nr)
		return list->default_action;
	if (r->bits && r->bits[bit / 8] >> bit % 8 & 1)
		return KVM_REG_ALLOW;
	return r->action;
}

static struct model_verdict ask(unsigned int layer, uint64_t index, unsigned int access,
				uint64_t changed)
{
	const struct model_list *list = &lists[layer];
	unsigned int rule = model_next(list, 0, index, access);

	while (mask_of(list, rule, access) && !(mask_of(list, rule, access) & changed))
		rule = model_next(list, rule + 1, index, access);
	return (struct model_verdict) { action_of(list, rule, index), layer, rule };
}

struct model_verdict model_verdict(uint64_t index, unsigned int access, uint64_t changed)
{
	const struct model_verdict rules = ask(KVM_REG_LAYER_RULES, index, access, changed);
	const struct model_verdict filter = ask(KVM_REG_LAYER_FILTER, index, access, changed);
	const bool passes = rules.action == KVM_REG_ALLOW || rules.action == KVM_REG_AUDIT;

	return passes && filter.action == KVM_REG_DENY ? filter : rules;
}

bool model_compares(uint64_t index)
{
	const struct model_list *rules = &lists[KVM_REG_LAYER_RULES];

	return mask_of(rules, model_next(rules, 0, index, KVM_REG_WRITE), KVM_REG_WRITE);
}

bool model_allows_all(unsigned int layer, uint64_t index, unsigned int access)
{
	const struct model_list *list = &lists[layer];
	const unsigned int rule = model_next(list, 0, index, access);

	if (mask_of(list, rule, access))
		return false;
	return (rule < list->nr ? list->rules[rule].action : list->default_action) ==
	       KVM_REG_ALLOW;
}

bool model_is_plain(uint64_t index, unsigned int access)
{
	return model_allows_all(KVM_REG_LAYER_RULES, index, access) &&
	       ask(KVM_REG_LAYER_FILTER, index, access, 0).action == KVM_REG_ALLOW;
}

unsigned int model_chain(uint64_t index, unsigned int *chain)
{
	const struct model_list *rules = &lists[KVM_REG_LAYER_RULES];
	unsigned int rule, nr = 0;
	uint64_t mask, rest = ~0ULL;

	for (rule = 0;; rule++) {
		rule = model_next(rules, rule, index, KVM_REG_WRITE);
		mask = mask_of(rules, rule, KVM_REG_WRITE);
		if (!mask || mask & rest)
			chain[nr++] = rule;
		if (!mask)
			return nr;
		rest &= ~mask;
	}
}

static int compare_registers(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

unsigned int model_chains(unsigned int max)
{
	const struct model_list *rules = &lists[KVM_REG_LAYER_RULES];
	static unsigned int chain[MAX_RULES + 1], last[MAX_RULES + 1];
	static uint64_t cuts[2 * MAX_RULES];
	unsigned int i, nr, nr_last = 0, total = 0;

	for (i = 0; i < rules->nr; i++) {
		cuts[2 * i] = rules->rules[i].first;
		cuts[2 * i + 1] = rules->rules[i].last + 1;
	}
	qsort(cuts, 2 * rules->nr, sizeof(*cuts), compare_registers);

	for (i = 0; i < 2 * rules->nr && total <= max; i++) {
		if (cuts[i] > U32_MAX || !model_compares(cuts[i]))
			continue;
		nr = model_chain(cuts[i], chain);
		if (nr == nr_last && !memcmp(chain, last, nr * sizeof(*chain)))
			continue;
		memcpy(last, chain, nr * sizeof(*chain));
		nr_last = nr;
		total += nr;
	}
	return total;
}
