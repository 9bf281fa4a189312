// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg check: is a policy well-formed, and does each rule matter? */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "kvm-reg.h"

static const char usage[] =
	"Usage: kvm-reg check [-q] POLICY...\n"
	"\n"
	"Say what is wrong with policies, and warn of rules that decide on no access.\n"
	"\n"
	"  -q, --quiet   print errors only\n"
	"\n"
	"Exit status: 0 if all are well-formed, 1 if one is not, 2 for trouble.\n";

static void warn_unused(const char *path, const struct kvmreg_policy *policy)
{
	const unsigned int nr = kvmreg_rules(policy)->nr_rules;
	unsigned int *unused = calloc(nr + 1, sizeof(*unused)), line;
	char *text;
	int i, found;

	found = unused ? kvmreg_unused_rules(policy, unused) : -1;
	for (i = 0; i < found; i++) {
		line = kvmreg_rule_line(policy, unused[i]);
		text = kvmreg_format_rule(&rules_of(policy)[unused[i]]);
		if (line)
			fprintf(stderr, "%s:%u: ", path, line);
		else
			fprintf(stderr, "%s: rule %u: ", path, unused[i]);
		fprintf(stderr, "warning: this rule decides on no access\n%s\n", text ? text : "");
		free(text);
	}
	free(unused);
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
