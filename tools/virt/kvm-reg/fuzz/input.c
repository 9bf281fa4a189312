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
 *			all, or with MOST_REPEATS, to MAX_RULES
 *
 *	u8  what	access in bits 0-1 (for a rule, none means both), enum fill or the
 *			control register in bits 2-4, RECORD_*
 *	u8  action
 *	u32 first
 *	u32 last	exchanged with first if it is the lesser
 *	u16 seed	of the filter's bitmap, or of the rule's value
 *	u64 mask	if it is a rule that applies to writes, and then to no reads
 *
 * As KVM's front-ends do it, only rules have masks and all actions, and only filters
 * have bitmaps, for each range, but for the one without a range.  A rule for a control
 * register has the action, unless that is to ignore, and the mask of its record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

#define RECORD_SIZE	20

/* It is of the filter, not of the rules. */
#define RECORD_FILTER	0x40
/* It is a rule for a control register. */
#define RECORD_CONTROL	0x20

/* Long lists take long: let them be few. */
#define USUAL_RULES	300
#define MOST_REPEATS	0xff

/* Larger than any window, so that a bitmap can reach across one at both ends */
#define MAX_BITMAP	0x4000

/* What the bits of a bitmap are */
enum fill { ALL_CLEAR, ALL_SET, ONE_SET, ONE_CLEAR, RANDOM };

struct model_list lists[KVM_REG_NR_LISTS];

static struct kvm_x86_reg_rule rules[MAX_RULES], ranges[MAX_RANGES];
static unsigned char *bits[MAX_RANGES];
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

size_t range_longs(const struct kvm_x86_reg_rule *range)
{
	return (range->last - range->first + 64ULL) / 64;
}

static unsigned char *make_bits(const struct kvm_x86_reg_rule *r, enum fill fill, uint16_t seed)
{
	const uint32_t bytes = range_longs(r) * 8, bit = seed % (r->last - r->first + 1);
	unsigned char *to = malloc(bytes);
	uint32_t i;

	if (!to)
		abort();

	memset(to, fill == ALL_SET || fill == ONE_CLEAR ? 0xff : 0, bytes);
	if (fill == ONE_SET || fill == ONE_CLEAR)
		to[bit / 8] ^= 1 << bit % 8;
	seed_random(seed + 1);
	for (i = 0; fill >= RANDOM && i < bytes; i++)
		to[i] = next_random() >> 11;
	return to;
}

static struct kvm_x86_reg_rule decode(const uint8_t *data, uint32_t shift)
{
	const uint32_t a = get_be(data + 2, 4) + shift, b = get_be(data + 6, 4) + shift;

	return (struct kvm_x86_reg_rule) {
		.first = a < b ? a : b,
		.last = a < b ? b : a,
		.access = data[0] & 3,
		.action = data[1] % NR_ACTIONS,
	};
}

static void add_range(const uint8_t *data)
{
	struct model_list *filter = &lists[KVM_REG_FILTER];
	struct kvm_x86_reg_rule *r = &ranges[filter->nr];

	*r = decode(data, 0);
	r->action = KVM_X86_REG_RULE_DENY;
	if (filter->bits) {
		if (r->last - r->first >= MAX_BITMAP)
			r->last = r->first + MAX_BITMAP - 1;
		bits[filter->nr] = make_bits(r, data[0] >> 2 & 7, get_be(data + 10, 2));
	}
	filter->nr++;
}

static uint64_t rotate(uint64_t mask, unsigned int bits)
{
	return bits % 64 ? mask << bits % 64 | mask >> (64 - bits % 64) : mask;
}

static struct kvm_x86_reg_rule decode_control(const uint8_t *data, unsigned int repeat)
{
	const unsigned int action = data[1] % NR_ACTIONS;
	const struct model_control_info *control;

	control = &model_controls[(data[0] >> 2 & 7) % MODEL_NR_CONTROLS];
	return (struct kvm_x86_reg_rule) {
		.space = control->space,
		.first = control->index,
		.last = control->index,
		.access = WR,
		.action = model_has_value(action) ? KVM_X86_REG_RULE_ALLOW : action,
		.mask = rotate(get_be(data + 12, 8), repeat),
	};
}

static void add_rule(const uint8_t *data, unsigned int repeat, uint32_t shift)
{
	const uint64_t mask = rotate(get_be(data + 12, 8), repeat);
	struct kvm_x86_reg_rule *r = &rules[lists[KVM_REG_RULES].nr++];

	if (data[0] & RECORD_CONTROL) {
		*r = decode_control(data, repeat);
		return;
	}

	*r = decode(data, repeat * shift);
	r->value = get_be(data + 10, 2) * 0x9e3779b97f4a7c15;
	r->access = r->access ?: RD | WR;
	if (r->access & WR && mask) {
		r->access = WR;
		r->mask = mask;
	}
}

static void decode_lists(const uint8_t *data, size_t size)
{
	const bool most = data[3] == MOST_REPEATS;
	const unsigned int max = most ? MAX_RULES : USUAL_RULES;
	const unsigned int repeats = most ? MAX_RULES : data[3];
	const uint32_t shift = 1u << data[4] % 32;
	unsigned int i;
	size_t at;

	for (i = 0; i <= repeats; i++) {
		for (at = HEADER_SIZE; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
			if (!(data[at] & RECORD_FILTER) && lists[KVM_REG_RULES].nr < max)
				add_rule(data + at, i, shift);
			else if (data[at] & RECORD_FILTER && !i &&
				 lists[KVM_REG_FILTER].nr < MAX_RANGES)
				add_range(data + at);
		}
	}
}

void input_free(void)
{
	unsigned int i;

	for (i = 0; i < MAX_RANGES; i++) {
		free(bits[i]);
		bits[i] = NULL;
	}
}

void input_decode(const uint8_t *data, size_t size)
{
	uint32_t hash = 0;
	size_t i;

	lists[KVM_REG_RULES] = (struct model_list) {
		.rules = rules,
		.default_action = data[1] % NR_ACTIONS,
	};
	lists[KVM_REG_FILTER] = (struct model_list) {
		.rules = ranges,
		.bits = data[0] & OPTION_BITMAPS ? (const unsigned char *const *)bits : NULL,
		.default_action = data[2] % 2 ? KVM_X86_REG_RULE_DENY : KVM_X86_REG_RULE_ALLOW,
	};
	decode_lists(data, size);
	if (data[0] & OPTION_NO_RULES)
		lists[KVM_REG_RULES] = (struct model_list) { };
	if (data[0] & OPTION_NO_FILTER)
		lists[KVM_REG_FILTER] = (struct model_list) { };

	for (i = 0; i < size; i++)
		hash = hash * 31 + data[i];
	seed_random(hash);
}

static void print_list(const char *name, unsigned int which)
{
	const struct model_list *list = &lists[which];
	const struct kvm_x86_reg_rule *r;
	unsigned int i;

	fprintf(stderr, "  %s: %u, default action %u%s\n", name, list->nr,
		list->default_action, list->rules ? "" : ", absent");
	for (i = 0; i < list->nr; i++) {
		r = &list->rules[i];
		fprintf(stderr, "  %u: %s0x%08x-0x%08x %s%s action %u mask 0x%llx%s\n", i,
			r->space == KVM_X86_REG_RULE_CR ? "CR " :
			r->space == KVM_X86_REG_RULE_XCR ? "XCR " : "",
			r->first, r->last, r->access & RD ? "r" : "",
			r->access & WR ? "w" : "", r->action,
			(unsigned long long)r->mask, list->bits ? ", but for a bitmap's" : "");
	}
}

void input_print(void)
{
	print_list("rules", KVM_REG_RULES);
	print_list("filter", KVM_REG_FILTER);
}
