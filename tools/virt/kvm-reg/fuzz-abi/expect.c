// SPDX-License-Identifier: GPL-2.0
/* What each kernel is to make of msr-fuzz's filters, rules and accesses. */
#include <errno.h>
#include <string.h>

#include "msr-fuzz.h"

/* KVM has no MSR from here on: where a range may be that ends at 2^32. */
#define NO_MSRS_FROM	((__u32)(SPACE - FUZZ_NMSRS))

#define TO(first, last)	((2u << (last)) - (1u << (first)))

const struct fuzz_case_info fuzz_cases[NR_CASES] = {
	[ENDS_AT_2_32]		= { "range-ends-at-2^32", "never matches; now it does" },
	[RANGE_WRAPS]		= { "range-wraps", "is accepted, and never matches; now EINVAL" },
	[BITMAP_OVER_READ]	= { "bitmap-over-read",
				    "EFAULT unless its last 8 bytes are all there; now 0" },
	[DEADLINE_FASTPATH]	= { "tsc-deadline-fastpath",
				    "a denied WRMSR arms the timer; now it is denied" },
	[CASE_ALLOW]		= { "rule-allow", "as without rules" },
	[CASE_DENY_GP]		= { "rule-deny-gp", "#GP, as no exit is enabled" },
	[CASE_DENY_EXIT]	= { "rule-deny-exit", "an exit, as it is enabled" },
	[CASE_GP]		= { "rule-gp", "#GP" },
	[CASE_EXIT]		= { "rule-exit", "an exit" },
	[CASE_IGNORE]		= { "rule-ignore", "the value is read, the write dropped" },
	[CASE_AUDIT]		= { "rule-audit", "as without rules, but counted" },
	[CASE_UNKNOWN]		= { "rule-unknown", "ignored, as KVM does not know the MSR" },
	[CASE_NOT_UNKNOWN]	= { "rule-not-unknown", "as without rules, as KVM knows the MSR" },
	[CASE_FILTER_DENIES]	= { "filter-behind-rules", "denied, though the rules allow it" },
	[CASE_FAIL_CLOSED]	= { "fail-closed", "#GP for an exit that is not answered" },
	[CASE_MASK_MATCHES]	= { "mask-matches", "the write changes what the rule is about" },
	[CASE_MASK_SPARES]	= { "mask-spares", "the write does not" },
	[CASE_MASK_UNREADABLE]	= { "mask-unreadable", "the rule matches what cannot be read" },
	[CASE_CONTROL_ALLOW]	= { "control-allow", "as without rules" },
	[CASE_CONTROL_SPARES]	= { "control-spares", "no rule is about what the write changes" },
	[CASE_CONTROL_REFUSE]	= { "control-refuse", "#GP" },
	[CASE_CONTROL_EXIT]	= { "control-exit", "an exit" },
	[CASE_CONTROL_AUDIT]	= { "control-audit", "as without rules, but counted" },
	[CASE_CONTROL_REPLACED]	= { "control-replaced", "userspace has another value written" },
	[CASE_CONTROL_FAIL_CLOSED] = { "control-fail-closed",
				       "#GP for an exit that is not answered" },
	[CASE_CONTROL_INVALID]	= { "control-invalid", "#GP for what the rules allow" },
	[CASE_SET_REFUSED]	= { "rules-refused", "the list before stays in force" },
	[CASE_MASKS_OVERLAP]	= { "masks-overlap",
				    "E2BIG: too many rules with a mask for an MSR" },
	[CASE_CONTROLS_CROWD]	= { "controls-crowd",
				    "E2BIG: too many rules for a control register" },
	[CASE_GET_TOO_SMALL]	= { "get-too-small", "E2BIG, and how many there are" },
	[CASE_GET_REFUSED]	= { "get-refused", "EINVAL or EFAULT" },
};

const struct fuzz_error_info fuzz_errors[NR_ERRORS] = {
	[LIST_UNREADABLE]	= { "list-unreadable", EFAULT, TO(LIST_MALFORMED, MASKS_OVERLAP) },
	[LIST_MALFORMED]	= { "list-malformed", EINVAL, TO(TOO_MANY_RULES, MASKS_OVERLAP) },
	[TOO_MANY_RULES]	= { "too-many-rules", E2BIG, TO(RULES_UNREADABLE, MASKS_OVERLAP) },
	[RULES_UNREADABLE]	= { "rules-unreadable", EFAULT, TO(RULE_MALFORMED, MASKS_OVERLAP) },
	[RULE_MALFORMED]	= { "rule-malformed", EINVAL, TO(RULE_MALFORMED, MASKS_OVERLAP) },
	[MASKS_OVERLAP]		= { "masks-overlap", E2BIG, 0 },

	[GET_UNREADABLE]	= { "get-unreadable", EFAULT, TO(GET_MALFORMED, GET_UNWRITABLE) },
	[GET_MALFORMED]		= { "get-malformed", EINVAL, TO(GET_TOO_SMALL, GET_UNWRITABLE) },
	[GET_TOO_SMALL]		= { "get-too-small", E2BIG, TO(GET_UNWRITABLE, GET_UNWRITABLE) },
	[GET_UNWRITABLE]	= { "get-unwritable", EFAULT, 0 },

	[FILTER_UNREADABLE]	= { "filter-unreadable", EFAULT,
				    TO(FILTER_MALFORMED, BITMAP_UNREADABLE) },
	[FILTER_MALFORMED]	= { "filter-malformed", EINVAL,
				    TO(FILTER_EMPTY, BITMAP_UNREADABLE) },
	[FILTER_EMPTY]		= { "filter-empty", EINVAL, 0 },
	[RANGE_MALFORMED]	= { "range-malformed", EINVAL,
				    TO(RANGE_MALFORMED, BITMAP_UNREADABLE) },
	[BITMAP_UNREADABLE]	= { "bitmap-unreadable", EFAULT,
				    TO(RANGE_MALFORMED, BITMAP_UNREADABLE) },
};

int fuzz_errno(struct fuzz_errors errors)
{
	return errors.first == NO_ERROR ? 0 : fuzz_errors[errors.first].error;
}

static const struct kvm_x86_reg_rules zero;

/* KVM checks for @error next. */
static void check(struct fuzz_errors *errors, enum fuzz_error error, bool met)
{
	if (met && errors->first == NO_ERROR)
		errors->first = error;
	else if (met)
		errors->later |= 1u << error;
}

static bool is_mapped(enum fuzz_place place)
{
	return place == ROOMY || place == AT_END;
}

static bool is_control(const struct kvm_x86_reg_rule *r)
{
	enum model_control control;

	for (control = 0; control < MODEL_NR_CONTROLS; control++)
		if (r->space == model_controls[control].space &&
		    r->first == model_controls[control].index && r->last == r->first)
			return true;
	return false;
}

bool fuzz_is_malformed(const struct kvm_x86_reg_rule *r)
{
	if (r->pad || r->first > r->last)
		return true;
	if (r->space != KVM_X86_REG_RULE_MSR)
		return !is_control(r) || r->access != WR || r->action >= NR_ACTIONS ||
		       model_has_value(r->action) || r->value;
	if (r->access < 1 || r->access > (RD | WR) || r->action >= NR_ACTIONS)
		return true;
	if (r->mask && r->access != WR)
		return true;
	if (r->value && !model_has_value(r->action))
		return true;
	return r->action != KVM_X86_REG_RULE_ALLOW &&
	       r->first <= X2APIC_LAST && r->last >= X2APIC_FIRST;
}

__u32 fuzz_nr_rules(const struct fuzz_rules *rules)
{
	return rules->head.nr_rules < MAX_RULES ? rules->head.nr_rules : MAX_RULES;
}

struct model_list fuzz_list(const struct fuzz_rules *rules)
{
	return (struct model_list) {
		.nr = fuzz_nr_rules(rules),
		.default_action = rules->head.msr_default,
		.rules = rules->rules,
	};
}

struct fuzz_errors fuzz_rules_errors(const struct fuzz_rules *rules)
{
	const struct kvm_x86_reg_rules *head = &rules->head;
	const struct model_list list = fuzz_list(rules);
	struct fuzz_errors errors = { .first = NO_ERROR };
	__u32 i;

	check(&errors, LIST_UNREADABLE, !is_mapped(rules->place));
	check(&errors, LIST_MALFORMED, head->flags > KVM_X86_REG_RULES_FAIL_CLOSED ||
	      head->msr_default >= NR_ACTIONS || head->pad ||
	      memcmp(head->reserved, zero.reserved, sizeof(zero.reserved)));
	check(&errors, TOO_MANY_RULES, head->nr_rules > MAX_RULES);
	/* All are read before the first is checked. */
	check(&errors, RULES_UNREADABLE, head->nr_rules && !is_mapped(rules->rules_place));
	for (i = 0; i < list.nr; i++)
		check(&errors, RULE_MALFORMED, fuzz_is_malformed(&rules->rules[i]));
	check(&errors, MASKS_OVERLAP, model_overlaps(&list) || model_crowds(&list));
	return errors;
}

static __u32 nr_installed(const struct fuzz_rules *installed)
{
	return installed ? installed->head.nr_rules : 0;
}

__u32 fuzz_get_capacity(const struct fuzz_get *get, const struct fuzz_rules *installed)
{
	const __u32 nr = nr_installed(installed);

	return get->spare < 0 && nr < (__u32)-get->spare ? 0 : nr + get->spare;
}

struct fuzz_errors fuzz_get_errors(const struct fuzz_get *get, const struct fuzz_rules *installed)
{
	const __u32 nr = nr_installed(installed);
	struct fuzz_errors errors = { .first = NO_ERROR };

	check(&errors, GET_UNREADABLE, !is_mapped(get->place));
	check(&errors, GET_MALFORMED, get->head.pad ||
	      memcmp(get->head.reserved, zero.reserved, sizeof(zero.reserved)));
	check(&errors, GET_TOO_SMALL, fuzz_get_capacity(get, installed) < nr);
	check(&errors, GET_UNWRITABLE, nr && !is_mapped(get->rules_place));
	return errors;
}

/* The unpatched kernel takes ranges that wrap, and reads bitmaps in whole longs. */
struct fuzz_errors fuzz_filter_errors(const struct fuzz_filter *filter, enum fuzz_kernel kernel)
{
	const struct kvm_msr_filter *abi = &filter->abi;
	struct fuzz_errors errors = { .first = NO_ERROR };
	const struct kvm_msr_filter_range *range;
	const struct fuzz_bitmap *bitmap;
	unsigned int bytes, over;
	bool empty = true;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		empty &= !abi->ranges[i].nmsrs;
	check(&errors, FILTER_UNREADABLE, !is_mapped(filter->place));
	check(&errors, FILTER_MALFORMED, abi->flags & ~KVM_MSR_FILTER_DEFAULT_DENY);
	check(&errors, FILTER_EMPTY, empty && abi->flags & KVM_MSR_FILTER_DEFAULT_DENY);

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &abi->ranges[i];
		bitmap = &filter->bitmaps[i];
		bytes = (range->nmsrs + 7ULL) / 8;
		over = kernel == FUZZ_BASE ? -bytes % 8 : 0;
		if (!range->nmsrs)
			continue;
		check(&errors, RANGE_MALFORMED, !range->flags || range->flags & ~(RD | WR) ||
		      range->nmsrs > FUZZ_NMSRS ||
		      (kernel != FUZZ_BASE && (__u64)range->base + range->nmsrs > SPACE));
		check(&errors, BITMAP_UNREADABLE, !is_mapped(bitmap->place) ||
		      (bitmap->place == AT_END && over));
	}
	return errors;
}

enum fuzz_case fuzz_set_weakness(const struct fuzz_filter *filter)
{
	const struct fuzz_errors errors = fuzz_filter_errors(filter, FUZZ_PATCHED);

	if (fuzz_errno(errors) == fuzz_errno(fuzz_filter_errors(filter, FUZZ_BASE)))
		return NO_WEAKNESS;
	return errors.first == RANGE_MALFORMED ? RANGE_WRAPS : BITMAP_OVER_READ;
}

struct model_decision fuzz_decide(const struct fuzz_rules *rules, const struct fuzz_filter *filter,
				  const struct fuzz_access *access, __u64 changed,
				  enum fuzz_kernel kernel)
{
	struct model_list lists[MODEL_NR_LISTS] = { };
	const struct kvm_msr_filter_range *range;
	const unsigned char *bits[MAX_RANGES];
	struct kvm_x86_reg_rule ranges[MAX_RANGES];
	int i;

	if (rules)
		lists[MODEL_RULES] = fuzz_list(rules);
	for (i = 0; filter && i < MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		bits[i] = filter->bitmaps[i].bytes;
		ranges[i] = (struct kvm_x86_reg_rule) {
			.first = range->base,
			.last = range->base + range->nmsrs - 1,
			.access = range->nmsrs ? range->flags : 0,
			.action = KVM_X86_REG_RULE_DENY,
		};
		/* On the unpatched kernel, a range that ends at 2^32 never matches. */
		if (range->base + range->nmsrs == 0 && kernel == FUZZ_BASE)
			ranges[i].access = 0;
	}
	if (filter)
		lists[MODEL_FILTER] = (struct model_list) {
			.nr = MAX_RANGES,
			.default_action = filter->abi.flags & KVM_MSR_FILTER_DEFAULT_DENY ?
					  KVM_X86_REG_RULE_DENY : KVM_X86_REG_RULE_ALLOW,
			.rules = ranges,
			.bits = bits,
		};
	return model_decide(lists, access->index, access->write ? WR : RD, changed);
}

bool fuzz_denies(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 enum fuzz_kernel kernel)
{
	return fuzz_decide(NULL, filter, access, 0, kernel).action == KVM_X86_REG_RULE_DENY;
}

static bool takes_fastpath(const struct fuzz_access *access, bool vmx)
{
	return vmx && access->write && access->index == TSC_DEADLINE && !access->emulated;
}

enum fuzz_case fuzz_access_weakness(const struct fuzz_filter *filter,
				    const struct fuzz_access *access, bool vmx)
{
	const bool denied = fuzz_denies(filter, access, FUZZ_PATCHED);

	if (denied != fuzz_denies(filter, access, FUZZ_BASE))
		return ENDS_AT_2_32;
	if (denied && takes_fastpath(access, vmx))
		return DEADLINE_FASTPATH;
	return NO_WEAKNESS;
}

/* What an access comes to that fails; an exit, if there is one, starts with @error. */
static struct vmm_outcome fail_access(const struct fuzz_access *a, bool exits, __u32 reason,
				      bool error)
{
	struct vmm_outcome o = { .gp = true };

	if (!exits)
		return o;

	o.exited = true;
	o.error = error;
	o.gp = a->answer == REFUSE || (a->answer == LEAVE && error);
	o.reason = reason;
	o.data = a->write ? a->value : 0;
	if (!a->write && a->answer == PERFORM)
		o.value = a->answered;
	return o;
}

bool fuzz_expect(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 __u64 reasons, enum fuzz_kernel kernel, bool vmx, struct vmm_outcome *o)
{
	const bool denied = fuzz_denies(filter, access, kernel);
	const __u32 reason = denied ? KVM_MSR_EXIT_REASON_FILTER : KVM_MSR_EXIT_REASON_UNKNOWN;

	if (!denied && access->index < NO_MSRS_FROM)
		return false;

	if (denied && takes_fastpath(access, vmx) && kernel == FUZZ_BASE)
		*o = (struct vmm_outcome) { };
	else
		*o = fail_access(access, reasons & reason, reason, false);
	return true;
}

struct vmm_outcome fuzz_expect_decision(const struct fuzz_rules *rules,
					const struct model_decision *decision,
					const struct fuzz_access *access, __u64 reasons)
{
	const __u32 reason = KVM_MSR_EXIT_REASON_FILTER;
	const bool error = decision->list == MODEL_RULES &&
			   rules->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED;
	struct vmm_outcome ignored = { };

	switch (decision->action) {
	case KVM_X86_REG_RULE_IGNORE:
	case KVM_X86_REG_RULE_IGNORE_UNKNOWN:
		if (!access->write && decision->rule < rules->head.nr_rules)
			ignored.value = rules->rules[decision->rule].value;
		return ignored;
	case KVM_X86_REG_RULE_EXIT:
		return fail_access(access, true, reason, error);
	case KVM_X86_REG_RULE_DENY:
		return fail_access(access, reasons & reason, reason, error);
	default:
		return fail_access(access, false, reason, error);
	}
}
