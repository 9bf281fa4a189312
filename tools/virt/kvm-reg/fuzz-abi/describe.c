// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "msr-fuzz.h"

static const char *place_name(enum fuzz_place where)
{
	static const char * const names[] = {
		[ROOMY]		= "",
		[AT_END]	= ", at the end of a page",
		[CUT_OFF]	= ", cut off by the end of a page",
		[NOWHERE]	= ", in no page",
	};

	return names[where];
}

void describe_filter(const struct fuzz_filter *filter, char *s, size_t size)
{
	const struct kvm_msr_filter_range *range;
	FILE *f = fmemopen(s, size, "w");
	int i;

	fprintf(f, "%s filter flags 0x%x%s", filter->compat ? "32-bit" : "64-bit",
		filter->abi.flags, place_name(filter->place));
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		if (range->nmsrs)
			fprintf(f, "; range %d flags 0x%x base 0x%x nmsrs 0x%x bitmap %02x%02x..%s",
				i, range->flags, range->base, range->nmsrs,
				filter->bitmaps[i].bytes[0], filter->bitmaps[i].bytes[1],
				place_name(filter->bitmaps[i].place));
	}
	fclose(f);
}

void describe_access(const struct fuzz_access *a, __u64 reasons, char *s, size_t size)
{
	static const char * const answers[] = {
		[REFUSE]	= "refuse",
		[PERFORM]	= "perform",
		[LEAVE]		= "leave",
	};
	char value[24] = "";

	if (a->write)
		snprintf(value, sizeof(value), " 0x%llx", a->value);
	snprintf(s, size, "%s%s 0x%08x%s, exits 0x%llx %s", a->emulated ? "emulated " : "",
		 a->write ? "wrmsr" : "rdmsr", a->index, value, reasons, answers[a->answer]);
}

void describe_outcome(const struct fuzz_access *a, const struct vmm_outcome *o, char *s,
		      size_t size)
{
	char exit[64] = "", guest[64];

	if (o->exited)
		snprintf(exit, sizeof(exit), "exit %s%s 0x%llx, ",
			 o->error ? "failed, " : "",
			 o->reason == KVM_MSR_EXIT_REASON_FILTER ? "filter" :
			 o->reason == KVM_MSR_EXIT_REASON_UNKNOWN ? "unknown" :
			 o->reason == KVM_MSR_EXIT_REASON_INVAL ? "invalid" : "for no reason",
			 o->data);
	vmm_describe(a->write, o, guest, sizeof(guest));
	snprintf(s, size, "%s%s", exit, a->masked && !a->write && !o->gp && !o->exited ?
		 "some value" : guest);
}

void describe_rules(const struct fuzz_rules *rules, char *s, size_t size)
{
	const __u32 nr = fuzz_nr_rules(rules);
	FILE *f = fmemopen(s, size, "w");
	__u32 i;

	fprintf(f, "%s rules: %u%s, flags 0x%x default %u pad 0x%x%s", rules->compat ? "32-bit" :
		"64-bit", rules->head.nr_rules, place_name(rules->rules_place), rules->head.flags,
		rules->head.msr_default, rules->head.pad, place_name(rules->place));
	for (i = 0; i < nr; i++) {
		const struct kvm_x86_reg_rule *r = &rules->rules[i];

		fprintf(f, "; %u: 0x%x-0x%x access %u action %u mask 0x%llx value 0x%llx", i,
			r->first, r->last, r->access, r->action, r->mask, r->value);
		if (r->space || r->pad)
			fprintf(f, " space %u pad 0x%x", r->space, r->pad);
	}
	fclose(f);
}

void describe_get(const struct fuzz_get *get, const struct fuzz_rules *installed, char *s,
		  size_t size)
{
	snprintf(s, size, "%s rules read back, room for %u%s%s",
		 get->compat ? "32-bit" : "64-bit", fuzz_get_capacity(get, installed),
		 place_name(get->rules_place), place_name(get->place));
}
