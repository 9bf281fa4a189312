// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg: policies of register rules, for KVM on x86. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "kvm-reg.h"

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

/* "kvm-reg" and the command: what is said of wrong usage, also by getopt(), starts with it. */
static char name[32];

int print_usage(const char *text, bool asked)
{
	fputs(text, asked ? stdout : stderr);
	return asked ? EXIT_YES : EXIT_TROUBLE;
}

int wrong_usage(const char *text, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return print_usage(text, false);
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

static bool is_rule(const struct kvmreg_policy *policy, int rule)
{
	return rule >= 0 && (unsigned int)rule < kvmreg_rules(policy)->nr_rules;
}

void write_place(FILE *out, const char *path, const struct kvmreg_policy *policy, int rule)
{
	const unsigned int line = is_rule(policy, rule) ? kvmreg_rule_line(policy, rule) : 0;

	fputs(path, out);
	if (line)
		fprintf(out, ":%u", line);
	else if (is_rule(policy, rule))
		fprintf(out, ": rule %d", rule);
}

void write_rule(FILE *out, const struct kvmreg_policy *policy, int rule)
{
	char *text;

	if (!is_rule(policy, rule)) {
		fprintf(out, "default %s\n",
			kvmreg_action_name(kvmreg_rules(policy)->msr_default));
		return;
	}
	text = kvmreg_format_rule(&rules_of(policy)[rule]);
	fprintf(out, "%s\n", text ? text : "");
	free(text);
}

void write_register(FILE *out, __u16 space, __u32 index)
{
	if (space == KVM_X86_REG_RULE_CR)
		fprintf(out, "CR%u", index);
	else if (space == KVM_X86_REG_RULE_XCR)
		fprintf(out, "XCR%u", index);
	else if (kvmreg_name(index))
		fprintf(out, "MSR 0x%x (%s)", index, kvmreg_name(index));
	else
		fprintf(out, "MSR 0x%x", index);
}

/* Return 0 or a negative errno. */
static int write_all(FILE *file, const char *text)
{
	bool failed;

	if (!file)
		return -errno;
	failed = fputs(text, file) < 0;
	failed |= fclose(file) != 0;
	return failed ? -errno : 0;
}

static mode_t new_mode(void)
{
	const mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Write a file beside @path, and put it there.  @old is what is there, or NULL. */
static int write_new(const char *path, const char *text, const struct stat *old)
{
	int fd, err = 0;
	char *name;

	if (asprintf(&name, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(name);
		return err;
	}

	/* Only root can leave it to another owner. */
	if (old && fchown(fd, old->st_uid, old->st_gid) && errno != EPERM)
		err = -errno;
	if (fchmod(fd, old ? old->st_mode & 0777 : new_mode()))
		err = -errno;
	err = write_all(fdopen(fd, "w"), text) ?: err;
	if (!err && rename(name, path))
		err = -errno;
	if (err)
		unlink(name);
	free(name);
	return err;
}

/* A link stays one: what it points to is replaced, unless that is read-only. */
static int replace(const char *path, const char *text, const struct stat *old)
{
	char *target;
	int err;

	if (access(path, W_OK))
		return -errno;
	target = realpath(path, NULL);
	err = target ? write_new(target, text, old) : -errno;
	free(target);
	return err;
}

int write_file(const char *path, const char *text)
{
	struct stat old;
	int err;

	if (!path) {
		fputs(text, stdout);
		return 0;
	}

	if (!stat(path, &old) && S_ISREG(old.st_mode))
		err = replace(path, text, &old);
	else if (lstat(path, &old) && errno == ENOENT)
		err = write_new(path, text, NULL);
	else
		err = write_all(fopen(path, "we"), text);
	if (!err)
		return 0;

	fprintf(stderr, "%s: %s\n", path, strerror(-err));
	return EXIT_TROUBLE;
}

/* An answer that could not be written is none. */
static int finish(int status)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return status;

	fprintf(stderr, "<stdout>: %s\n", errno ? strerror(errno) : "write error");
	return EXIT_TROUBLE;
}

static int run(const struct command *command, int argc, char **argv)
{
	const bool status_of_vmm = command->run == cmd_exec || command->run == cmd_learn;
	int status;

	snprintf(name, sizeof(name), "kvm-reg %s", command->name);
	argv[0] = name;
	status = command->run(argc, argv);
	return status_of_vmm ? status : finish(status);
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
		return finish(EXIT_YES);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("kvm-reg " VERSION);
		return finish(EXIT_YES);
	}

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return run(&commands[i], argc - 1, argv + 1);

	fprintf(stderr, "kvm-reg: there is no command \"%s\"; kvm-reg --help lists them\n",
		argv[1]);
	return EXIT_TROUBLE;
}
