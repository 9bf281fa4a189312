// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What kvm-reg learn writes, of accesses that are made up: it allows these, and nothing
 * else but members of a block; it can be read, and is then written the same; and what is
 * added to it is allowed as well.  "tidy-test [SEED [ROUNDS]]"
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tidy.h"

#define HEAD "default gp\n\n"

/* MSRs in small ranges, so that there are neighbours; some are in blocks. */
static const struct {
	__u32 first;
	__u32 nr;
	bool block;
} ranges[] = {
	{ 0x10, 16, false }, { 0x1f8, 8, false }, { 0x200, 16, true }, { 0x210, 8, false },
	{ 0x268, 8, true }, { 0x270, 8, false }, { 0x4b564d00, 9, false },
	{ 0xc000007c, 16, false }, { 0xfffffff8, 8, false },
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NR_RANGES	ARRAY_SIZE(ranges)
#define NR_MSRS		16

/* How often each MSR is read and written: 0, for most */
struct hits {
	__u64 nr[NR_RANGES][NR_MSRS][2];
};

static void add_random(struct hits *hits, struct tidy *tidy)
{
	unsigned int i, range, msr, access, nr = rand() % 60;

	for (i = 0; i < nr; i++) {
		range = rand() % NR_RANGES;
		msr = rand() % ranges[range].nr;
		access = rand() % 2;
		hits->nr[range][msr][access] += 3;
		if (tidy_add(tidy, ranges[range].first + msr, access + 1, 3, false))
			errx(2, "out of memory");
	}
	tidy_finish(tidy);
}

static char *print(const struct tidy *tidy)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(HEAD, out);
	tidy_print(tidy, out);
	tidy_print_warning(tidy, out);
	fclose(out);
	return text;
}

static struct kvmreg_policy *parse(const char *text)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;

	if (kvmreg_parse(text, strlen(text), "tidy", &policy, &error))
		errx(1, "%s\n%s", error.message, text);
	return policy;
}

/* Of a block, each member is allowed if one is; the blocks of this test are MTRRs. */
static bool expected(const struct hits *hits, unsigned int range, unsigned int msr,
		     unsigned int access)
{
	bool touched = false, seen = false;
	unsigned int i, j;

	if (!ranges[range].block)
		return hits->nr[range][msr][access];

	for (i = 0; i < NR_RANGES; i++) {
		for (j = 0; j < NR_MSRS && ranges[i].block; j++) {
			touched |= i == range && (hits->nr[i][j][0] || hits->nr[i][j][1]);
			seen |= hits->nr[i][j][access];
		}
	}
	return touched && seen;
}

static void check(const struct hits *hits, const char *text)
{
	struct kvmreg_policy *policy = parse(text);
	unsigned int range, msr, access;
	bool allowed;

	for (range = 0; range < NR_RANGES; range++) {
		for (msr = 0; msr < ranges[range].nr; msr++) {
			for (access = 0; access < 2; access++) {
				const struct kvmreg_access a = {
					.access = access + 1,
					.index = ranges[range].first + msr,
				};

				allowed = kvmreg_evaluate(policy, &a).action ==
					  KVM_X86_REG_RULE_ALLOW;
				if (allowed != expected(hits, range, msr, access))
					errx(1, "MSR 0x%x, access %u: allowed %d\n%s",
					     a.index, a.access, allowed, text);
			}
		}
	}
	kvmreg_free(policy);
}

/* Hits are in the comments, and are not lost. */
static __u64 sum(const struct tidy *tidy)
{
	__u64 n = 0;
	size_t i;

	for (i = 0; i < tidy->nr; i++)
		n += tidy->rules[i].reads + tidy->rules[i].writes;
	return n;
}

static void one_round(void)
{
	struct tidy tidy = {}, again = {};
	struct kvmreg_policy *policy;
	struct hits hits = {};
	char *text, *text_again;

	add_random(&hits, &tidy);
	text = print(&tidy);
	check(&hits, text);

	policy = parse(text);
	if (tidy_read(&again, policy, text))
		errx(2, "out of memory");
	kvmreg_free(policy);
	tidy_finish(&again);
	text_again = print(&again);
	if (strcmp(text, text_again) || sum(&tidy) != sum(&again))
		errx(1, "written anew, this\n%sis\n%s", text, text_again);
	free(text_again);

	add_random(&hits, &again);
	text_again = print(&again);
	check(&hits, text_again);
	free(text_again);
	free(text);
	tidy_free(&tidy);
	tidy_free(&again);
}

/* A line for each MSR of a block: they share one, however long that is. */
static void check_long_line(void)
{
	const __u32 first = 0x400, last = 0x47f;	/* the banks of the machine check */
	struct kvmreg_access access = { .access = KVM_X86_REG_RULE_READ };
	struct kvmreg_policy *policy;
	struct tidy tidy = {};
	char *text, *tidied;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	fputs(HEAD, out);
	for (access.index = first; access.index <= last; access.index++)
		fprintf(out, "allow r msr 0x%x\n", access.index);
	fclose(out);

	policy = parse(text);
	if (tidy_read(&tidy, policy, text))
		errx(2, "out of memory");
	kvmreg_free(policy);
	tidy_finish(&tidy);
	tidied = print(&tidy);
	policy = parse(tidied);
	for (access.index = first; access.index <= last; access.index++)
		if (kvmreg_evaluate(policy, &access).action != KVM_X86_REG_RULE_ALLOW)
			errx(1, "MSR 0x%x is not allowed\n%s", access.index, tidied);
	kvmreg_free(policy);
	tidy_free(&tidy);
	free(tidied);
	free(text);
}

int main(int argc, char **argv)
{
	const int seed = argc > 1 ? atoi(argv[1]) : 1, rounds = argc > 2 ? atoi(argv[2]) : 2000;
	int i;

	srand(seed);
	for (i = 0; i < rounds; i++)
		one_round();
	printf("TAP version 13\n1..2\nok 1 - %d policies, seed %d\n", rounds, seed);
	fflush(stdout);
	check_long_line();
	puts("ok 2 - a long line");
	return 0;
}
