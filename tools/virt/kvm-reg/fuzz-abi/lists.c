// SPDX-License-Identifier: GPL-2.0
/* The filters and rules of msr-fuzz's rounds: make them up, well and badly formed. */
#include <string.h>

#include "msr-fuzz.h"

/* Where lists of masked rules are that are too many for a register, or just not */
#define OVERLAP_BASE	0xd0000000

static __u32 random_register(__u32 before)
{
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		return known_msr() - below(8);
	case 3:
		return X2APIC_FIRST - 16 + below(0x120);
	case 4:
		return edge() - below(64);
	case 5:
		return random64();
	default:
		return before + below(32);
	}
}

static __u32 random_length(__u32 most)
{
	switch (below(8)) {
	case 0:
	case 1:
		return 1;
	case 2:
		return one_in(2) ? FUZZ_NMSRS : 1 + below(FUZZ_NMSRS);
	case 3:
		return one_in(4) ? 1 + below(most) : 1;
	default:
		return 1 + below(64);
	}
}

static enum fuzz_place unreadable(void)
{
	return one_in(2) ? CUT_OFF : NOWHERE;
}

/* Change a byte to another. */
static void corrupt(void *bytes, unsigned int size)
{
	((unsigned char *)bytes)[below(size)] ^= 1 + below(255);
}

/* Two errors from @first to @last of which @a counts if both are there */
static void random_crossing(enum fuzz_error first, enum fuzz_error last, enum fuzz_error *a,
			    enum fuzz_error *b)
{
	do {
		*a = first + below(last - first + 1);
		*b = first + below(last - first + 1);
	} while (!(fuzz_errors[*a].later & 1u << *b));
}

static void make_range(struct fuzz_filter *filter, int i)
{
	struct kvm_msr_filter_range *range = &filter->abi.ranges[i];
	struct fuzz_bitmap *bitmap = &filter->bitmaps[i];
	const unsigned int kind = below(8);
	unsigned int byte;
	__u64 word;

	range->flags = 1 + below(RD | WR);
	range->nmsrs = random_length(FUZZ_NMSRS);
	range->base = random_register(i ? range[-1].base : 0);
	/* Which ranges end at 2^32, or after, is decided later. */
	if ((__u64)range->base + range->nmsrs >= SPACE)
		range->base = SPACE - 1 - below(64) - range->nmsrs;

	bitmap->offset = below(16);
	bitmap->size = (range->nmsrs + 7) / 8;
	for (byte = 0; byte < FUZZ_BITMAP; byte += sizeof(word)) {
		word = kind < 3 ? 0 : kind == 3 ? ~0ULL : random64();
		memcpy(bitmap->bytes + byte, &word, sizeof(word));
	}
}

static void make_ranges(struct fuzz_filter *filter, int wanted)
{
	int i, made = 0;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && made < wanted; i++) {
		if (one_in(8))
			continue;	/* an unused slot between others */
		make_range(filter, i);
		made++;
	}
}

/* The number of a range that is used, of any if none is */
static int some_range(const struct fuzz_filter *filter)
{
	int i, n = below(KVM_MSR_FILTER_MAX_RANGES);

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++, n++)
		if (filter->abi.ranges[n % KVM_MSR_FILTER_MAX_RANGES].nmsrs)
			break;
	return n % KVM_MSR_FILTER_MAX_RANGES;
}

/* A flag may happen to be a valid one. */
static void break_filter(struct fuzz_filter *filter, enum fuzz_error error, int i)
{
	struct kvm_msr_filter_range *range = &filter->abi.ranges[i];

	switch (error) {
	case FILTER_UNREADABLE:
		filter->place = unreadable();
		break;
	case FILTER_MALFORMED:
		filter->abi.flags |= 1u << below(32);
		break;
	case FILTER_EMPTY:
		memset(filter->abi.ranges, 0, sizeof(filter->abi.ranges));
		filter->abi.flags |= KVM_MSR_FILTER_DEFAULT_DENY;
		break;
	case BITMAP_UNREADABLE:
		filter->bitmaps[i].place = unreadable();
		break;
	default:
		if (one_in(4))
			range->flags = 0;
		else if (one_in(3))
			range->flags |= 1u << below(32);
		else if (one_in(2))
			range->nmsrs = FUZZ_NMSRS + 1 + (one_in(2) ? below(64) : random64() >> 36);
		else
			range->nmsrs = ~below(64);
	}
}

static void cross_filter(struct fuzz_filter *filter)
{
	int i = some_range(filter), j = some_range(filter);
	enum fuzz_error a, b;

	random_crossing(FILTER_UNREADABLE, BITMAP_UNREADABLE, &a, &b);
	break_filter(filter, a, i < j ? i : j);
	break_filter(filter, b, i < j ? j : i);
}

/* Ranges at the end of the space, and bitmaps at the end of the memory */
static void stretch(struct fuzz_filter *filter)
{
	const int i = some_range(filter);
	struct kvm_msr_filter_range *range = &filter->abi.ranges[i];

	if (!range->nmsrs)
		return;

	if (one_in(4))
		range->base = SPACE - range->nmsrs;
	else if (one_in(12))
		range->base = SPACE - range->nmsrs + 1 + below(range->nmsrs);
	if (one_in(4))
		filter->bitmaps[i].place = AT_END;
	if (one_in(8))
		filter->place = AT_END;
}

void fuzz_make_filter(struct fuzz_filter *filter)
{
	const bool crossed = one_in(6);

	memset(filter, 0, sizeof(*filter));
	filter->abi.flags = one_in(3) ? KVM_MSR_FILTER_DEFAULT_DENY :
					KVM_MSR_FILTER_DEFAULT_ALLOW;
	filter->compat = one_in(4);
	make_ranges(filter, crossed ? 4 + below(8) : one_in(10) ? 0 :
		    1 + below(one_in(4) ? 16 : 4));
	stretch(filter);
	if (crossed)
		cross_filter(filter);
	else if (one_in(6))
		break_filter(filter, FILTER_UNREADABLE + below(NR_ERRORS - FILTER_UNREADABLE),
			     some_range(filter));
}

void fuzz_repair(struct fuzz_filter *filter)
{
	struct kvm_msr_filter_range *range;
	int i;

	filter->place = ROOMY;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		if ((__u64)range->base + range->nmsrs > SPACE)
			range->nmsrs = SPACE - range->base;
		filter->bitmaps[i].place = ROOMY;
	}
}

static __u64 random_mask(void)
{
	switch (below(4)) {
	case 0:
		return random64() & random64();
	case 1:
		return ~0ULL >> below(64);
	default:
		return 1ULL << below(64);
	}
}

/* Where KVM would refuse the rule for the x2APIC, have it end before, or start after. */
static void avoid_x2apic(struct kvm_x86_reg_rule *rule)
{
	if (rule->action == KVM_X86_REG_RULE_ALLOW ||
	    rule->first > X2APIC_LAST || rule->last < X2APIC_FIRST)
		return;

	if (rule->first < X2APIC_FIRST)
		rule->last = X2APIC_FIRST - 1;
	else if (rule->last > X2APIC_LAST)
		rule->first = X2APIC_LAST + 1;
	else
		rule->action = KVM_X86_REG_RULE_ALLOW;
}

static void make_rule(struct kvm_x86_reg_rule *rule, __u32 before)
{
	const __u32 first = one_in(4) ? kept_msr() : random_register(before);
	const __u32 length = random_length(~0u);

	*rule = (struct kvm_x86_reg_rule) {
		.access = 1 + below(RD | WR),
		.action = one_in(6) ? KVM_X86_REG_RULE_ALLOW : below(NR_ACTIONS),
		.first = first,
		.last = length > ~first ? ~0u : first + length - 1,
	};
	if (one_in(3)) {
		rule->access = WR;
		rule->mask = random_mask();
	}
	avoid_x2apic(rule);
	if (model_has_value(rule->action))
		rule->value = any_value();
}

/* For one of @nr control registers, from @first on */
static void make_control_rule(struct kvm_x86_reg_rule *rule, enum model_control first,
			      unsigned int nr)
{
	static const __u8 actions[] = {
		KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_DENY,
		KVM_X86_REG_RULE_GP, KVM_X86_REG_RULE_EXIT, KVM_X86_REG_RULE_EXIT,
		KVM_X86_REG_RULE_AUDIT,
	};
	const enum model_control control = first + below(nr);

	*rule = (struct kvm_x86_reg_rule) {
		.space = model_controls[control].space,
		.access = WR,
		.action = pick(actions),
		.first = model_controls[control].index,
		.last = model_controls[control].index,
	};
	if (!one_in(4))
		rule->mask = one_in(4) ? random_mask() :
			     fuzz_control_bits(control) | fuzz_control_bits(control);
	if (rule->mask && one_in(6))
		rule->mask = ~rule->mask;
}

static __u32 random_count(void)
{
	if (one_in(12))
		return 0;
	if (one_in(60))
		return MAX_RULES - below(2);
	return 1 + below(one_in(12) ? 300 : 16);
}

static void make_list(struct fuzz_rules *rules, __u32 nr)
{
	__u32 i;

	rules->head.nr_rules = nr;
	for (i = 0; i < nr; i++) {
		/* In a long list, a third would be too many. */
		if (one_in(nr < 48 ? 3 : nr / 16))
			make_control_rule(&rules->rules[i], 0, MODEL_NR_CONTROLS);
		else
			make_rule(&rules->rules[i], i ? rules->rules[i - 1].first : 0);
	}
}

/*
 * Each rule covers as many registers, from a few after the one before on: too many for
 * one register if @sure, otherwise perhaps.
 */
static void make_overlapping(struct fuzz_rules *rules, bool sure)
{
	const __u32 step = below(4);
	const __u32 nr = sure ? MAX_MASKED + 1 + below(32) :
				MAX_MASKED - 2 + below(one_in(4) ? 900 : 5);
	const __u32 length = step * (MAX_MASKED + (sure ? 0 : below(3) - 1)) + 1;
	__u32 i;

	rules->head.nr_rules = nr;
	for (i = 0; i < nr; i++)
		rules->rules[i] = (struct kvm_x86_reg_rule) {
			.access = WR,
			.action = below(NR_ACTIONS),
			.first = OVERLAP_BASE + step * i,
			.last = OVERLAP_BASE + step * i + length - 1,
			.mask = 1ULL << i % 64,
		};
}

/* Rules for a control register: too many if @sure, otherwise perhaps; and for others */
static void make_crowded(struct fuzz_rules *rules, bool sure)
{
	const enum model_control control = below(MODEL_NR_CONTROLS);
	const __u32 nr = sure ? MAX_MASKED + 1 + below(8) : MAX_MASKED - 1 + below(3);
	__u32 i;

	make_list(rules, below(16));
	for (i = 0; i < nr; i++)
		make_control_rule(&rules->rules[rules->head.nr_rules++], control, 1);
}

static void corrupt_head(struct kvm_x86_reg_rules *head)
{
	__u32 *const fields[] = {
		&head->flags, &head->msr_default, &head->pad,
		(__u32 *)head->reserved + below(10),
	};

	corrupt(pick(fields), sizeof(__u32));
}

/* Another register, more of them, reads, and actions that only MSRs have */
static void corrupt_control(struct kvm_x86_reg_rule *rule)
{
	switch (below(5)) {
	case 0:
		rule->first = one_in(2) ? below(10) : random64();
		rule->last = rule->first;
		break;
	case 1:
		rule->last = one_in(2) ? 4 : random64();
		break;
	case 2:
		rule->access = below(4);
		rule->mask = 0;
		break;
	case 3:
		rule->action = KVM_X86_REG_RULE_IGNORE + below(3);
		break;
	default:
		rule->value = any_value();
	}
}

/* Each thing that KVM checks, a byte of any, or all of them */
static void corrupt_rule(struct kvm_x86_reg_rule *rule)
{
	unsigned int i;

	if (one_in(4)) {
		if (rule->space == KVM_X86_REG_RULE_MSR)
			make_control_rule(rule, 0, MODEL_NR_CONTROLS);
		corrupt_control(rule);
		return;
	}

	switch (below(11)) {
	case 0:
		rule->space = 1 + below(2);
		break;
	case 1:
		rule->access = one_in(2) ? 0 : (RD | WR) + 1;
		break;
	case 2:
		rule->action = NR_ACTIONS;
		break;
	case 3:
		corrupt(&rule->pad, sizeof(rule->pad));
		break;
	case 4:
		rule->last = rule->first - 1;
		break;
	case 5:
		rule->access = one_in(2) ? RD : RD | WR;
		rule->mask = random_mask();
		break;
	case 6:
		rule->action = 1 + below(NR_ACTIONS - 1);
		rule->first = one_in(2) ? X2APIC_LAST : X2APIC_FIRST - below(3);
		rule->last = X2APIC_FIRST + below(0x200);
		break;
	case 7:
		for (i = 0; i < sizeof(*rule); i++)
			corrupt(rule, sizeof(*rule));
		break;
	case 8:
		rule->action = below(KVM_X86_REG_RULE_IGNORE);
		rule->value = any_value();
		break;
	default:
		corrupt(rule, sizeof(*rule));
	}
}

static struct kvm_x86_reg_rule *some_rule(struct fuzz_rules *rules)
{
	const __u32 nr = fuzz_nr_rules(rules);

	return &rules->rules[one_in(4) && nr ? nr - 1 : below(nr ?: 1)];
}

/* What is corrupt may happen to be valid, of rules less often than not. */
static void break_rules(struct fuzz_rules *rules, enum fuzz_error error)
{
	struct kvm_x86_reg_rule *rule;

	switch (error) {
	case LIST_UNREADABLE:
		rules->place = unreadable();
		break;
	case LIST_MALFORMED:
		corrupt_head(&rules->head);
		break;
	case TOO_MANY_RULES:
		rules->head.nr_rules = MAX_RULES + 1 + (one_in(2) ? 0 : random64() >> 33);
		break;
	case RULES_UNREADABLE:
		rules->rules_place = unreadable();
		break;
	case MASKS_OVERLAP:
		if (one_in(2))
			make_overlapping(rules, true);
		else
			make_crowded(rules, true);
		break;
	default:
		rule = some_rule(rules);
		do {
			corrupt_rule(rule);
		} while (!fuzz_is_malformed(rule) && !one_in(4));
	}
}

/* The later error first, for a list that overlaps takes the place of the one before. */
static void cross_rules(struct fuzz_rules *rules)
{
	enum fuzz_error a, b;

	random_crossing(LIST_UNREADABLE, MASKS_OVERLAP, &a, &b);
	break_rules(rules, b);
	break_rules(rules, a);
}

void fuzz_make_rules(struct fuzz_rules *rules)
{
	const bool crossed = one_in(3);
	__u32 nr = random_count();

	memset(rules, 0, sizeof(*rules));
	rules->compat = one_in(4);
	rules->place = one_in(8) ? AT_END : ROOMY;
	rules->rules_place = one_in(4) ? AT_END : ROOMY;
	rules->head.flags = one_in(3) ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
	rules->head.msr_default = one_in(2) ? KVM_X86_REG_RULE_ALLOW : below(NR_ACTIONS);
	if (one_in(24)) {
		if (one_in(2))
			make_overlapping(rules, false);
		else
			make_crowded(rules, false);
		return;
	}
	if (crossed && nr < 4)		/* room for two malformed rules */
		nr += 4;
	make_list(rules, nr);
	if (crossed)
		cross_rules(rules);
	else if (one_in(4))
		break_rules(rules, one_in(2) ? RULE_MALFORMED : below(MASKS_OVERLAP));
}

static void break_get(struct fuzz_get *get, enum fuzz_error error)
{
	switch (error) {
	case GET_UNREADABLE:
		get->place = unreadable();
		break;
	case GET_MALFORMED:
		corrupt(one_in(2) ? &get->head.pad : (__u32 *)get->head.reserved + below(10),
			sizeof(__u32));
		break;
	case GET_TOO_SMALL:
		get->spare = -1 - (int)below(16);
		break;
	default:
		get->rules_place = unreadable();
	}
}

void fuzz_make_get(struct fuzz_get *get)
{
	enum fuzz_error a, b;

	*get = (struct fuzz_get) {
		.compat = one_in(4),
		.place = one_in(8) ? AT_END : ROOMY,
		.rules_place = one_in(3) ? AT_END : ROOMY,
		.spare = below(3),
		/* What KVM fills in, whatever was there before */
		.head.flags = random64(),
		.head.msr_default = random64(),
	};
	random_crossing(GET_UNREADABLE, GET_UNWRITABLE, &a, &b);
	if (one_in(2))
		return;

	break_get(get, a);
	if (one_in(2))
		break_get(get, b);
}

/* A register at the edges, or in between */
static __u32 near(__u32 first, __u32 last)
{
	const __u32 between = first == last ? first : first + below(last - first);
	const __u32 registers[] = { first - 1, first, last, last + 1, between };

	return pick(registers);
}

__u32 fuzz_near_range(struct fuzz_filter *filter)
{
	const struct kvm_msr_filter_range *range = &filter->abi.ranges[some_range(filter)];

	return range->nmsrs ? near(range->base, range->base + range->nmsrs - 1) : random64();
}

__u32 fuzz_near_rule(const struct fuzz_rules *rules)
{
	const __u32 nr = fuzz_nr_rules(rules);
	const struct kvm_x86_reg_rule *rule = &rules->rules[below(nr ?: 1)];

	return nr ? near(rule->first, rule->last) : known_msr();
}
