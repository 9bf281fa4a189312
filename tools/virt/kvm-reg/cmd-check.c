// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg check: is a policy well-formed, and does each rule matter? */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kvm-reg.h"

static const char usage[] =
	"Usage: kvm-reg check [-q] POLICY...\n"
	"\n"
	"Say what is wrong with policies, and warn of rules that decide on no access, or have\n"
	"a value that answers none.\n"
	"\n"
	"  -q, --quiet   print errors only\n"
	"\n"
	"Exit status: 0 if all are well-formed, 1 if one is not, 2 for trouble.\n";

/* Print a line as it is written; return false if it cannot be read again, as from a pipe. */
static bool print_line(const char *path, unsigned int number)
{
	char *line = NULL, *p;
	size_t size = 0;
	struct stat st;
	FILE *file;
	bool found;

	if (!number || stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;

	do {
		found = getline(&line, &size, file) > 0;
	} while (found && --number);
	fclose(file);

	/* A policy comes from anyone: it does not get to write to the terminal. */
	for (p = line; found && *p && *p != '\n'; p++)
		fputc(*p == '\t' || (*p >= ' ' && *p <= '~') ? *p : '?', stderr);
	if (found)
		fputc('\n', stderr);
	free(line);
	return found;
}

/* A warning about a rule, or, if @part, about that part of its line. */
static void warn(const char *path, const struct kvmreg_policy *policy, unsigned int rule,
		 const char *reason, bool part)
{
	char *text = kvmreg_format_rule(&rules_of(policy)[rule]);

	write_place(stderr, path, policy, rule);
	fprintf(stderr, ": warning: %s%s", part ? "a part of " : "", reason);
	if (part)
		fprintf(stderr, ": %s", text ? text : "");
	fputc('\n', stderr);
	if (!print_line(path, kvmreg_rule_line(policy, rule)))
		write_rule(stderr, policy, rule);
	free(text);
}

/* A line may make several rules, which follow each other.  Return the number of the last. */
static unsigned int end_of_line(const struct kvmreg_policy *policy, unsigned int rule)
{
	const unsigned int nr = kvmreg_rules(policy)->nr_rules;
	const unsigned int line = kvmreg_rule_line(policy, rule);

	while (line && rule + 1 < nr && kvmreg_rule_line(policy, rule + 1) == line)
		rule++;
	return rule;
}

static void warn_unused(const char *path, const struct kvmreg_policy *policy)
{
	const char *reason = "this rule decides on no access";
	const unsigned int nr = kvmreg_rules(policy)->nr_rules;
	unsigned int *unused = calloc(nr + 1, sizeof(*unused)), rule, end;
	bool *is_unused = calloc(nr + 1, sizeof(*is_unused)), all;
	int i, found;

	found = unused && is_unused ? kvmreg_unused_rules(policy, unused) : -1;
	for (i = 0; i < found; i++)
		is_unused[unused[i]] = true;

	for (rule = 0; found > 0 && rule < nr; rule = end + 1) {
		end = end_of_line(policy, rule);
		all = !memchr(is_unused + rule, false, end + 1 - rule);
		if (all)
			warn(path, policy, rule, reason, false);
		for (; !all && rule <= end; rule++)
			if (is_unused[rule])
				warn(path, policy, rule, reason, true);
	}
	free(is_unused);
	free(unused);
}

static void warn_values(const char *path, const struct kvmreg_policy *policy)
{
	const unsigned int nr = kvmreg_rules(policy)->nr_rules;
	const struct kvm_x86_reg_rule *rules = rules_of(policy);
	unsigned int rule;

	for (rule = 0; rule < nr; rule = end_of_line(policy, rule) + 1)
		if (rules[rule].value && !(rules[rule].access & KVM_X86_REG_RULE_READ))
			warn(path, policy, rule,
			     "the value answers reads, and this rule matches none", false);
}

static int check(const char *path, bool quiet)
{
	const struct kvm_x86_reg_rules *list;
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	int err;

	err = kvmreg_load(path, &policy, &error);
	if (err) {
		fprintf(stderr, "%s\n", error.message);
		return err == -EINVAL || err == -E2BIG ? EXIT_NO : EXIT_TROUBLE;
	}

	path = shown_path(path);
	list = kvmreg_rules(policy);
	if (!quiet) {
		warn_unused(path, policy);
		warn_values(path, policy);
		printf("%s: %u rule%s, default %s%s\n", path, list->nr_rules,
		       list->nr_rules == 1 ? "" : "s", kvmreg_action_name(list->msr_default),
		       list->flags & KVM_X86_REG_RULES_FAIL_CLOSED ? ", fail-closed" : "");
	}
	kvmreg_free(policy);
	return EXIT_YES;
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option, status, worst = EXIT_YES;
	bool quiet = false;

	while ((option = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
		if (option != 'q')
			return print_usage(usage, option == 'h');
		quiet = true;
	}
	if (optind == argc)
		return print_usage(usage, false);

	for (; optind < argc; optind++) {
		status = check(argv[optind], quiet);
		worst = status > worst ? status : worst;
	}
	return worst;
}
