// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg show: the policies of running VMs, from debugfs. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm-reg.h"
#include "lib/internal.h"

#define DEBUGFS "/sys/kernel/debug/kvm"

static const char usage[] =
	"Usage: kvm-reg show [PID]\n"
	"\n"
	"Print the policies of running VMs, or of those of a process, as kvm-reg check reads\n"
	"them.  What else there is to know, such as the VMM's own filter, is in comments.\n"
	"Needs root, for debugfs.\n"
	"\n"
	"Exit status: 0; 1 if there is no VM; 2 if the policies cannot be read.\n";

static __printf(1, 2) int fail(const char *format, ...)
{
	va_list args;

	fputs("kvm-reg: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_TROUBLE;
}

/* What a file reg_policy says */
struct shown {
	bool has_rules;
	struct kvm_x86_reg_rules list;
	struct kvm_x86_reg_rule *rules;
	FILE *filter;		/* as comments */
	bool has_filter;
	unsigned long bytes;
};

/* "0x00000035-0x00000035 r ignore" or "cr4 w exit", then " mask 0x1" and " value 0x1" */
static bool parse_rule(const char *line, struct kvm_x86_reg_rule *rule)
{
	char access[4], word[16];
	const char *rest;
	unsigned long long value;

	*rule = (struct kvm_x86_reg_rule) {};
	if (sscanf(line, "0x%x-0x%x %3s %15s", &rule->first, &rule->last, access, word) == 4) {
		rule->space = KVM_X86_REG_RULE_MSR;
	} else if (sscanf(line, "xcr%u %3s %15s", &rule->first, access, word) == 3) {
		rule->space = KVM_X86_REG_RULE_XCR;
		rule->last = rule->first;
	} else if (sscanf(line, "cr%u %3s %15s", &rule->first, access, word) == 3) {
		rule->space = KVM_X86_REG_RULE_CR;
		rule->last = rule->first;
	} else {
		return false;
	}

	if (!kr_find_action(word, &rule->action))
		return false;
	rule->access = (strchr(access, 'r') ? KVM_X86_REG_RULE_READ : 0) |
		       (strchr(access, 'w') ? KVM_X86_REG_RULE_WRITE : 0);
	rest = strstr(line, " mask ");
	if (rest && sscanf(rest, " mask %llx", &value) == 1)
		rule->mask = value;
	rest = strstr(line, " value ");
	if (rest && sscanf(rest, " value %llx", &value) == 1)
		rule->value = value;
	return true;
}

static int add_rule(struct shown *shown, const struct kvm_x86_reg_rule *rule)
{
	struct kvm_x86_reg_rule *rules;

	rules = reallocarray(shown->rules, shown->list.nr_rules + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;

	rules[shown->list.nr_rules++] = *rule;
	shown->rules = rules;
	shown->list.rules = (uintptr_t)rules;
	return 0;
}

/* Of a range of the filter, the kernel does not say which MSRs the bitmap allows. */
static void add_range(struct shown *shown, const struct kvm_x86_reg_rule *range)
{
	static const char *const accesses[] = { "", "reads", "writes", "reads and writes" };
	const char *name = kvmreg_name(range->first);

	fprintf(shown->filter, "#   %s, by a bitmap, %s of 0x%x", kvmreg_action_name(range->action),
		accesses[range->access], range->first);
	if (range->last != range->first)
		fprintf(shown->filter, "-0x%x", range->last);
	fprintf(shown->filter, name ? " (%s)\n" : "\n", name);
}

/* 0, or a negative errno: EINVAL if this is not what kernels are known to print */
static int parse_line(struct shown *shown, const char *line)
{
	struct kvm_x86_reg_rule rule;
	unsigned int number;
	char word[16];
	__u8 action;
	int start = 0;

	if (sscanf(line, "rules: default %15[^,\n]", word) == 1 && kr_find_action(word, &action)) {
		shown->has_rules = true;
		shown->list.msr_default = action;
		if (strstr(line, ", fail closed"))
			shown->list.flags = KVM_X86_REG_RULES_FAIL_CLOSED;
	} else if (sscanf(line, "filter: default %15s", word) == 1) {
		shown->has_filter = true;
		fprintf(shown->filter, "# What is allowed, the MSR filter may deny; default %s\n",
			word);
	} else if (sscanf(line, "%u: %n", &number, &start) == 1 && start &&
		   parse_rule(line + start, &rule)) {
		if (!shown->has_filter)
			return add_rule(shown, &rule);
		add_range(shown, &rule);
	} else if (sscanf(line, "bytes: %lu", &shown->bytes) != 1 && strcmp(line, "none\n")) {
		return -EINVAL;
	}
	return 0;
}

/* "PID-FD", the directory of a VM; and the name of its process */
static void print_title(const char *vm, const struct shown *shown)
{
	char path[64], process[32] = "?";
	const int pid = atoi(vm), fd = atoi(strchr(vm, '-') + 1);
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	comm = fopen(path, "re");
	if (comm && fgets(process, sizeof(process), comm))
		process[strcspn(process, "\n")] = 0;
	if (comm)
		fclose(comm);

	printf("# VM %d of process %d, %s: ", fd, pid, process);
	if (shown->has_rules)
		printf("%u rules; %lu bytes\n", shown->list.nr_rules, shown->bytes);
	else
		puts("no rules");
}

static int print_vm(const char *vm, const struct shown *shown, const char *filter)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	char *text;

	print_title(vm, shown);
	if (shown->has_rules) {
		if (kvmreg_from_rules(&shown->list, vm, &policy, &error))
			return fail("%s", error.message);
		text = kvmreg_format(policy);
		kvmreg_free(policy);
		if (!text)
			return fail("out of memory");
		fputs(text, stdout);
		free(text);
	}
	fputs(filter, stdout);
	return 0;
}

static int read_policy(struct shown *shown, FILE *file, const char *path)
{
	char line[256];
	int r;

	while (fgets(line, sizeof(line), file)) {
		r = parse_line(shown, line);
		if (r)
			return fail("%s: %s: %s", path, strerror(-r), line);
	}
	return 0;
}

/* A VM may go at any time: that is no failure. */
static int show_vm(const char *vm)
{
	struct shown shown = {};
	char path[PATH_MAX], *filter = NULL;
	size_t size;
	FILE *file;
	int r;

	snprintf(path, sizeof(path), DEBUGFS "/%s/reg_policy", vm);
	file = fopen(path, "re");
	if (!file)
		return 0;

	shown.filter = open_memstream(&filter, &size);
	if (!shown.filter) {
		fclose(file);
		return fail("out of memory");
	}
	r = read_policy(&shown, file, path);
	fclose(file);
	fclose(shown.filter);
	if (!r)
		r = print_vm(vm, &shown, filter);
	free(shown.rules);
	free(filter);
	return r;
}

static bool is_vm(const struct dirent *entry, const char *pid)
{
	const size_t len = strspn(entry->d_name, "0123456789");

	return entry->d_name[len] == '-' &&
	       (!pid || (strlen(pid) == len && !memcmp(pid, entry->d_name, len)));
}

int cmd_show(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { } };
	struct dirent *entry;
	int nr = 0, r = 0, option;
	const char *pid;
	DIR *dir;

	option = getopt_long(argc, argv, "h", options, NULL);
	if (option != -1)
		return print_usage(usage, option == 'h');
	pid = argv[optind];
	if (pid && (argc > optind + 1 || pid[strspn(pid, "0123456789")])) {
		fail(argc > optind + 1 ? "there may be one PID" : "%s is no PID", pid);
		return print_usage(usage, false);
	}

	dir = opendir(DEBUGFS);
	if (!dir)
		return fail(DEBUGFS ": %s\n"
			    "kvm-reg show needs root, debugfs mounted on /sys/kernel/debug, and KVM.",
			    strerror(errno));
	if (access(DEBUGFS "/reg_policy_hits", F_OK))
		r = fail("this kernel has no register rules");
	while (!r && (entry = readdir(dir))) {
		if (!is_vm(entry, pid))
			continue;
		if (nr++)
			putchar('\n');
		r = show_vm(entry->d_name);
	}
	closedir(dir);
	if (r || nr)
		return r;
	fprintf(stderr, pid ? "kvm-reg: process %s has no VM\n" : "kvm-reg: there is no VM\n", pid);
	return EXIT_NO;
}
