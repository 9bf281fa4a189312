// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A policy that allows what a guest was seen to access, as kvm-reg learn writes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-reg.h"
#include "tidy.h"

/* Comments start in this column. */
#define COMMENT	60

struct block {
	__u32 first;
	__u32 last;
	const char *name;
};

/* Parts of one block have the same name, and share a line, which stands where the first is. */
static const struct block blocks[] = {
	{ 0xc1, 0xc8, "performance counters" },
	{ 0x186, 0x18d, "performance event selectors" },
	{ 0x200, 0x20f, "MTRRs" },
	{ 0x250, 0x250, "MTRRs" },
	{ 0x258, 0x259, "MTRRs" },
	{ 0x268, 0x26f, "MTRRs" },
	{ 0x280, 0x29f, "machine check banks' thresholds" },
	{ 0x309, 0x30c, "fixed performance counters" },
	{ 0x400, 0x47f, "machine check banks" },
	{ 0x4c1, 0x4c8, "performance counters" },
	{ 0xc0010000, 0xc0010007, "AMD's performance counters" },
	{ 0xc0010200, 0xc001020b, "AMD's performance counters" },
};

static const struct block *find_block(__u32 msr)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		if (msr >= blocks[i].first && msr <= blocks[i].last)
			return &blocks[i];
	return NULL;
}

static bool same_block(__u32 a, __u32 b)
{
	const struct block *block_a = find_block(a), *block_b = find_block(b);

	return block_a && block_b && !strcmp(block_a->name, block_b->name);
}

static void count(struct tidy_rule *to, const struct tidy_rule *from)
{
	to->access |= from->access;
	to->filtered |= from->filtered;
	to->reads += from->reads;
	to->writes += from->writes;
}

/* What a rule allows already, or one that is for the same MSRs, only counts. */
static int add(struct tidy *tidy, const struct tidy_rule *new)
{
	struct tidy_rule *rule, *rules;

	for (rule = tidy->rules; rule < tidy->rules + tidy->nr; rule++) {
		const bool covers = rule->first <= new->first && rule->last >= new->last;
		const bool same = rule->first == new->first && rule->last == new->last;

		if (same || (covers && !(new->access & ~rule->access))) {
			count(rule, new);
			return 0;
		}
	}

	rules = reallocarray(tidy->rules, tidy->nr + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	rules[tidy->nr] = *new;
	tidy->rules = rules;
	tidy->nr++;
	return 0;
}

int tidy_add(struct tidy *tidy, __u32 msr, __u8 access, __u64 hits, bool filtered)
{
	const struct block *block = find_block(msr);
	const struct tidy_rule rule = {
		.first = block ? block->first : msr,
		.last = block ? block->last : msr,
		.access = access,
		.filtered = filtered,
		.reads = access & KVM_X86_REG_RULE_READ ? hits : 0,
		.writes = access & KVM_X86_REG_RULE_WRITE ? hits : 0,
	};

	return add(tidy, &rule);
}

/* The number in front of a word, 0 without one */
static __u64 number_before(const char *text, const char *word)
{
	const char *p = strstr(text, word);

	while (p && p > text && p[-1] >= '0' && p[-1] <= '9')
		p--;
	return p ? strtoull(p, NULL, 10) : 0;
}

/* What print_comment() has printed */
static int read_comment(struct tidy_rule *rule, const char *text, unsigned int line)
{
	char *comment;

	while (text && --line) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	comment = text ? strndup(text, strcspn(text, "\n")) : NULL;
	if (!comment)
		return -ENOMEM;

	rule->reads = number_before(comment, " read");
	rule->writes = number_before(comment, " write");
	rule->filtered = strstr(comment, "filter");
	free(comment);
	return 0;
}

int tidy_read(struct tidy *tidy, const struct kvmreg_policy *policy, const char *text)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(policy);
	const struct kvm_x86_reg_rule *rules = (void *)(uintptr_t)list->rules;
	unsigned int i, line, before = 0;

	for (i = 0; i < list->nr_rules; i++) {
		struct tidy_rule rule = {
			.first = rules[i].first,
			.last = rules[i].last,
			.access = rules[i].access,
		};

		line = kvmreg_rule_line(policy, i);
		/* All rules of a line share its counts. */
		if (line != before && read_comment(&rule, text, line))
			return -ENOMEM;
		before = line;
		if (add(tidy, &rule))
			return -ENOMEM;
	}
	return 0;
}

/* The MSR by which a rule is sorted */
static __u32 place(const struct tidy_rule *rule)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		if (same_block(rule->first, blocks[i].first))
			return blocks[i].first;
	return rule->first;
}

static int compare(const void *a, const void *b)
{
	const struct tidy_rule *x = a, *y = b;

	if (place(x) != place(y))
		return place(x) < place(y) ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->last < y->last ? -1 : x->last > y->last;
}

void tidy_finish(struct tidy *tidy)
{
	struct tidy_rule *last = tidy->rules, *rule, *end = tidy->rules + tidy->nr;

	if (!tidy->nr)
		return;

	qsort(tidy->rules, tidy->nr, sizeof(*tidy->rules), compare);
	for (rule = last + 1; rule < end; rule++) {
		if (rule->first - 1 == last->last && rule->access == last->access &&
		    !find_block(last->first) && !find_block(rule->first)) {
			last->last = rule->last;
			count(last, rule);
		} else {
			*++last = *rule;
		}
	}
	tidy->nr = last + 1 - tidy->rules;
}

/* "0x174-0x176"; returns the length */
static int print_range(FILE *out, __u32 first, __u32 last)
{
	if (first == last)
		return fprintf(out, "0x%x", first);
	return fprintf(out, "0x%x-0x%x", first, last);
}

/* "0x174-0x176,0x1a0" */
static int print_ranges(FILE *out, const struct tidy_rule *rule, const struct tidy_rule *end)
{
	int len = print_range(out, rule->first, rule->last);

	for (rule++; rule < end; rule++) {
		len += fprintf(out, ",");
		len += print_range(out, rule->first, rule->last);
	}
	return len;
}

/* "NAME-NAME", or nothing if they have none */
static int print_names(FILE *out, __u32 first, __u32 last)
{
	const char *name = kvmreg_name(first), *last_name = kvmreg_name(last);

	if (!name || !last_name)
		return 0;
	if (first == last)
		return fprintf(out, "%s", name);
	return fprintf(out, "%s-%s", name, last_name);
}

static const char *plural(__u64 nr)
{
	return nr == 1 ? "" : "s";
}

static void print_counts(FILE *out, const char *separator, const struct tidy_rule *rule)
{
	if (rule->reads) {
		fprintf(out, "%s%llu read%s", separator, rule->reads, plural(rule->reads));
		separator = ", ";
	}
	if (rule->writes) {
		fprintf(out, "%s%llu write%s", separator, rule->writes, plural(rule->writes));
		separator = ", ";
	}
	if (rule->filtered)
		fprintf(out, "%sdenied by the VMM's filter", separator);
	fputc('\n', out);
}

/* The rules up to @end, in one line: one rule, or all that the guest has of a block */
static void print_line(const struct tidy_rule *rule, const struct tidy_rule *end, FILE *out)
{
	static const char *const accesses[] = { "", "r", "w", "rw" };
	const struct block *block = find_block(rule->first);
	const struct tidy_rule *next;
	struct tidy_rule all = {};
	int len, names = 0;

	for (next = rule; next < end; next++)
		count(&all, next);
	len = fprintf(out, "allow %-2s msr ", accesses[all.access]);
	if (!block)
		names = print_names(out, rule->first, rule->last);
	len += names ?: print_ranges(out, rule, end);
	fprintf(out, "%*s#", len < COMMENT ? COMMENT - len : 1, "");
	if (block)
		fprintf(out, " %s", block->name);
	if (names) {
		fputc(' ', out);
		print_ranges(out, rule, end);
	}
	print_counts(out, block || names ? ": " : " ", &all);
}

void tidy_print(const struct tidy *tidy, FILE *out)
{
	const struct tidy_rule *rule = tidy->rules, *next, *end = tidy->rules + tidy->nr;

	for (; rule < end; rule = next) {
		for (next = rule + 1; next < end && same_block(rule->first, next->first);)
			next++;
		print_line(rule, next, out);
	}
}

static bool allows(const struct tidy *tidy, __u32 msr, __u8 access)
{
	const struct tidy_rule *rule;

	for (rule = tidy->rules; rule < tidy->rules + tidy->nr; rule++)
		if (msr >= rule->first && msr <= rule->last && rule->access & access)
			return true;
	return false;
}

/*
 * The writes in a range that are not allowed, as a list, with @separator before the next;
 * returns how many there are.
 */
static unsigned int print_refused(const struct tidy *tidy, __u32 first, __u32 last,
				  const char **separator, FILE *out)
{
	unsigned int nr = 0;
	__u32 msr, end;

	for (msr = first; msr <= last; msr = end + 1) {
		end = msr;
		if (allows(tidy, msr, KVM_X86_REG_RULE_WRITE))
			continue;
		while (end < last && !allows(tidy, end + 1, KVM_X86_REG_RULE_WRITE))
			end++;
		fputs(*separator, out);
		print_range(out, msr, end);
		*separator = ",";
		nr += end + 1 - msr;
	}
	return nr;
}

static bool seen(const struct tidy *tidy, __u32 first, __u32 last)
{
	const struct tidy_rule *rule;

	for (rule = tidy->rules; rule < tidy->rules + tidy->nr; rule++)
		if (rule->last >= first && rule->first <= last)
			return true;
	return false;
}

/*
 * KVM's MSRs are there for any guest that looks for them, with most VMMs; Hyper-V's, if
 * the VMM says so, and then this guest has used some.
 */
unsigned int tidy_print_warning(const struct tidy *tidy, FILE *out)
{
	const char *separator = "\n"
		"# This guest did not write these MSRs of its hypervisor.  One that does, e.g. another\n"
		"# kernel, does not expect #GP, and crashes.  To run that as well:\n"
		"#allow w msr ";
	unsigned int nr = 0;

	nr += print_refused(tidy, 0x11, 0x12, &separator, out);
	nr += print_refused(tidy, 0x4b564d00, 0x4b564d08, &separator, out);
	if (seen(tidy, 0x40000000, 0x40000105))
		nr += print_refused(tidy, 0x40000000, 0x40000105, &separator, out);
	if (nr)
		fputc('\n', out);
	return nr;
}

void tidy_free(struct tidy *tidy)
{
	free(tidy->rules);
	*tidy = (struct tidy) {};
}
