// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg diff, kvm-reg subset: compare what two policies do. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-reg.h"
#include "lib/internal.h"

static const char diff_usage[] =
	"Usage: kvm-reg diff [-q] A B\n"
	"\n"
	"List the accesses that two policies decide differently, whatever their rules look like.\n"
	"\n"
	"  -q, --quiet   print nothing\n"
	"\n"
	"Exit status: 0 if there is none, 1 if there is one, 2 for trouble.\n";

static const char subset_usage[] =
	"Usage: kvm-reg subset [-q] A B\n"
	"\n"
	"Is every access that policy A allows allowed by B? If not, list those that are not.\n"
	"Allowed is what lets the guest go on: allow, audit, ignore and ignore-unknown. A guest\n"
	"that ran under A gets no new #GP and no new exit under B.\n"
	"\n"
	"  -q, --quiet   print nothing\n"
	"\n"
	"Exit status: 0 if it is, 1 if it is not, 2 for trouble.\n";

struct sides {
	const char *path_a, *path_b;
	struct kvmreg_policy *a, *b;
	bool quiet;
	struct kvmreg_difference *differences;
	size_t nr, room;
};

static void print_registers(const struct kvmreg_difference *d)
{
	const char *name = kvmreg_name(d->first);

	if (d->space == KVM_X86_REG_RULE_XCR)
		fputs("xcr0", stdout);
	else if (d->space == KVM_X86_REG_RULE_CR)
		printf("cr%u", d->first);
	else if (d->first != d->last)
		printf("msr 0x%x-0x%x", d->first, d->last);
	else if (name)
		printf("msr %s", name);
	else
		printf("msr 0x%x", d->first);
}

/* "gp (FILE:LINE)" */
static void print_decision(const char *path, const struct kvmreg_policy *policy,
			   const struct kvmreg_difference *difference,
			   const struct kvmreg_decision *decision)
{
	fputs(kvmreg_action_name(decision->action), stdout);
	if (decision->value && difference->access == KVM_X86_REG_RULE_READ)
		printf(" = 0x%llx", decision->value);

	fputs(" (", stdout);
	write_place(stdout, path, policy, decision->rule);
	if (decision->rule < 0)
		fputs(difference->space == KVM_X86_REG_RULE_MSR ? ": default" : ": no rule",
		      stdout);
	putchar(')');
}

static void print_difference(const struct sides *sides, const struct kvmreg_difference *d,
			     const char *access)
{
	print_registers(d);
	printf(" %s", access);
	if (d->when == KVMREG_CHANGES)
		printf(" changing just 0x%llx", d->mask);
	else if (d->when == KVMREG_CHANGES_NOTHING)
		fputs(" changing nothing", stdout);
	else if (d->when == KVMREG_UNREADABLE)
		fputs(" if KVM cannot read it", stdout);
	fputs(": ", stdout);
	print_decision(sides->path_a, sides->a, d, &d->a);
	fputs(", ", stdout);
	print_decision(sides->path_b, sides->b, d, &d->b);
	putchar('\n');
}

static int note_difference(const struct kvmreg_difference *difference, void *data)
{
	struct kvmreg_difference *grown;
	struct sides *sides = data;

	if (sides->quiet)
		return 1;

	if (sides->nr == sides->room) {
		sides->room = sides->room ? 2 * sides->room : 64;
		grown = realloc(sides->differences, sides->room * sizeof(*grown));
		if (!grown)
			return -1;
		sides->differences = grown;
	}
	sides->differences[sides->nr++] = *difference;
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct kvmreg_difference *x = a, *y = b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->access != y->access)
		return x->access - y->access;
	return x->mask < y->mask ? -1 : x->mask > y->mask;
}

/* Do two tell the same of reads and of writes? */
static bool is_pair(const struct kvmreg_difference *read, const struct kvmreg_difference *write)
{
	return read->access == KVM_X86_REG_RULE_READ && write->access == KVM_X86_REG_RULE_WRITE &&
	       read->space == write->space && read->first == write->first &&
	       read->last == write->last && write->when == KVMREG_ALWAYS &&
	       kr_same_decision(&read->a, &write->a) && kr_same_decision(&read->b, &write->b);
}

/* In the order of registers, reads and writes in a line if that is all the same */
static void print_differences(struct sides *sides)
{
	struct kvmreg_difference *d, *end = sides->differences + sides->nr;

	qsort(sides->differences, sides->nr, sizeof(*d), compare_places);
	for (d = sides->differences; d < end; d++) {
		if (d + 1 < end && is_pair(d, d + 1)) {
			print_difference(sides, d, "rw");
			d++;
		} else {
			print_difference(sides, d, d->access == KVM_X86_REG_RULE_READ ? "r" : "w");
		}
	}
}

static int compare_files(struct sides *sides, char **files, __typeof__(kvmreg_diff) *compare)
{
	int differences = -1;

	sides->path_a = shown_path(files[0]);
	sides->path_b = shown_path(files[1]);
	sides->a = load(files[0]);
	sides->b = load(files[1]);
	if (sides->a && sides->b) {
		differences = compare(sides->a, sides->b, note_difference, sides);
		if (!sides->quiet && differences > (int)sides->nr)
			differences = -1;
		if (differences < 0)
			fputs("kvm-reg: out of memory\n", stderr);
		else if (sides->nr)
			print_differences(sides);
	}
	free(sides->differences);
	kvmreg_free(sides->a);
	kvmreg_free(sides->b);
	if (differences < 0)
		return EXIT_TROUBLE;
	return differences ? EXIT_NO : EXIT_YES;
}

static int run(int argc, char **argv, const char *usage, __typeof__(kvmreg_diff) *compare)
{
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct sides sides = { };
	int option;

	while ((option = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
		if (option != 'q')
			return print_usage(usage, option == 'h');
		sides.quiet = true;
	}
	if (argc - optind != 2)
		return wrong_usage(usage, "two policies are needed, there %s %d",
				   argc - optind == 1 ? "is" : "are", argc - optind);

	if (!strcmp(argv[optind], "-") && !strcmp(argv[optind + 1], "-")) {
		fputs("kvm-reg: only one of the policies can be standard input\n", stderr);
		return EXIT_TROUBLE;
	}
	return compare_files(&sides, argv + optind, compare);
}

int cmd_diff(int argc, char **argv)
{
	return run(argc, argv, diff_usage, kvmreg_diff);
}

int cmd_subset(int argc, char **argv)
{
	return run(argc, argv, subset_usage, kvmreg_subset);
}
