// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg: policies of register rules, for KVM on x86. */
#include <stdlib.h>
#include <string.h>

#include "kvm-reg.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "check",   cmd_check,   "is a policy well-formed, and does each rule matter?" },
	{ "explain", cmd_explain, "which rule decides on an access, and why?" },
	{ "compile", cmd_compile, "rules, an MSR filter, JSON, C or text of a policy" },
	{ "diff",    cmd_diff,    "what do two policies decide differently?" },
	{ "subset",  cmd_subset,  "is every access that a policy allows allowed by another?" },
	{ "map",     cmd_map,     "a picture of the registers under a policy" },
	{ "exec",    cmd_exec,    "run an unmodified VMM under a policy" },
	{ "learn",   cmd_learn,   "run a VMM, and write the policy that its guest needs" },
	{ "run",     cmd_run,     "run a flat guest image in a small VMM under a policy" },
	{ "show",    cmd_show,    "the policies of running VMs" },
};

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: kvm-reg COMMAND [ARGUMENT...]\n"
	      "\n"
	      "Write, check, learn and install policies of register rules, for KVM on x86.\n"
	      "\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s%s\n", commands[i].name, commands[i].summary);
	fputs("\n"
	      "kvm-reg COMMAND --help says more, and kvm-reg(1). Policies are in kvm-reg(5).\n",
	      out);
}

int print_usage(const char *text, bool asked)
{
	fputs(text, asked ? stdout : stderr);
	return asked ? EXIT_YES : EXIT_TROUBLE;
}

const char *shown_path(const char *path)
{
	return strcmp(path, "-") ? path : "<stdin>";
}

struct kvmreg_policy *load(const char *path)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;

	if (!kvmreg_load(path, &policy, &error))
		return policy;

	fprintf(stderr, "%s\n", error.message);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		usage(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return EXIT_YES;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("kvm-reg " VERSION);
		return EXIT_YES;
	}

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);

	fprintf(stderr, "kvm-reg: there is no command \"%s\"; kvm-reg --help lists them\n",
		argv[1]);
	return EXIT_TROUBLE;
}
