// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg learn: write the policy that a guest needs. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "kvm-reg.h"
#include "launch.h"
#include "preload.h"
#include "tidy.h"
#include "trace.h"

static const char usage[] =
	"Usage: kvm-reg learn -o POLICY [--add] -- VMM [ARG...]\n"
	"\n"
	"Run a VMM, record which MSRs its guest reads and writes, and write a policy that\n"
	"allows that, and refuses all else with #GP.\n"
	"\n"
	"  -o, --output POLICY  the file to write\n"
	"  --add                add to what POLICY allows, e.g. for another guest or workload\n"
	"\n"
	"The policy is written when the VMM ends, and what it leaves in the background; SIGINT\n"
	"ends the wait for the latter.\n"
	"\n"
	"Needs root, for tracefs, and a kernel with CONFIG_HIST_TRIGGERS.\n"
	"\n"
	"Exit status: the VMM's, 128+N if signal N ended it, 127 or 126 if it could not be\n"
	"executed, 125 if no policy was written.\n";

/* By the rules, list 0, AUDIT; by the VMM's own filter, list 1, DENY */
#define AUDITED	"action == 5"
#define DENIED	"action == 1"

struct learn {
	const char *path;
	bool created;			/* there was no such file */
	char *command;			/* of the VMM, as a comment */
	/* With --add: what is in the file */
	char *text;
	size_t size;
	struct kvmreg_policy *policy;
	struct launch launch;
	struct trace trace;
	struct trace_access *counts;
	int nr_counts;
};

/* A line that starts with "#" */
static char *describe_command(char **argv)
{
	char *text = NULL, *p;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs("#  ", out);
	for (; *argv; argv++)
		fprintf(out, strpbrk(*argv, " \t\n") ? " '%s'" : " %s", *argv);
	if (fclose(out))
		return NULL;
	for (p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	return text;
}

/* With --add: what is in the file, which is text */
static int read_policy(struct learn *learn, int fd, off_t end)
{
	struct kvmreg_error error;
	ssize_t size;

	learn->text = calloc(1, end + 1);
	size = learn->text ? read(fd, learn->text, end) : -1;
	if (size < 0)
		return launch_fail("%s: %m", learn->path);
	learn->size = size;
	if (learn->text[strspn(learn->text, " \t\r\n")] == '{')
		return launch_fail("%s is JSON: kvm-reg compile --to text makes it text, which\n"
				   "learn can add to", learn->path);
	if (!kvmreg_parse(learn->text, size, learn->path, &learn->policy, &error))
		return 0;
	fprintf(stderr, "%s\n", error.message);
	return PRELOAD_FAILED;
}

/* Before the guest runs for an hour: find out whether the file can be written. */
static int open_policy(struct learn *learn, bool add)
{
	struct stat st;
	int fd, status = 0;

	fd = open(learn->path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0666);
	learn->created = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(learn->path, O_RDWR | O_CLOEXEC | O_CREAT, 0666);
	if (fd < 0 || fstat(fd, &st))
		return launch_fail("%s: %m", learn->path);
	if (add && st.st_size)
		status = read_policy(learn, fd, st.st_size);
	close(fd);
	return status;
}

/* Have KVM count all accesses, those to the x2APIC excepted: rules always allow these. */
static int run(struct learn *learn)
{
	const struct kvm_x86_reg_rules audit = { .msr_default = KVM_X86_REG_RULE_AUDIT };
	struct trace *trace = &learn->trace;
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	int status;

	if (kvmreg_from_rules(&audit, "audit", &policy, &error))
		return launch_fail("%s", error.message);
	learn->launch.policy = policy;
	learn->launch.name = "the policy that audits";
	learn->launch.install = KVMREG_NO_FILTER;
	learn->launch.forks = true;

	status = launch_prepare(&learn->launch);
	if (!status && (!trace_start(trace, learn->launch.preload) ||
			!trace_count(trace, KVM_X86_REG_RULE_MSR, 0, AUDITED, TRACE_MANY) ||
			!trace_count(trace, KVM_X86_REG_RULE_MSR, 1, DENIED, TRACE_FEW)))
		status = launch_fail("%s\nTo learn, kvm-reg needs root and CONFIG_HIST_TRIGGERS.",
				     trace->why);
	if (!status)
		status = launch_start(&learn->launch);
	if (!status) {
		fprintf(stderr, "kvm-reg: recording until the VMM ends, when %s is written\n",
			learn->path);
		status = launch_end(&learn->launch);
		learn->nr_counts = trace_counts(trace, &learn->counts);
		if (learn->nr_counts < 0)
			status = launch_fail("%s", trace->why);
	}
	trace_end(trace);
	kvmreg_free(policy);
	return status;
}

#define TITLE	"# What kvm-reg learn has seen guests access; all else gets #GP.  It ran:\n"
#define DEFAULT	"default gp\n\n"

/* Is the file as kvm-reg learn has written it?  Then take it over, with its counts. */
static int read_own(struct learn *learn, struct tidy *tidy, bool *own)
{
	char *rules = strstr(learn->text, DEFAULT), *again = NULL;
	size_t size;
	FILE *out;

	*own = false;
	if (strncmp(learn->text, TITLE, strlen(TITLE)) || !rules)
		return 0;

	out = open_memstream(&again, &size);
	if (!out || tidy_read(tidy, learn->policy, learn->text))
		return -ENOMEM;
	tidy_finish(tidy);
	tidy_print(tidy, out);
	tidy_print_warning(tidy, out);
	if (fclose(out))
		return -ENOMEM;

	*own = !strcmp(rules + strlen(DEFAULT), again);
	if (*own)
		*rules = 0;
	else
		tidy_free(tidy);
	free(again);
	return 0;
}

/* Will a rule at the end of the file make a difference?  If not, say so where that matters. */
static bool is_missing(struct learn *learn, const struct trace_access *count)
{
	/* A write that changes nothing: no rule with a mask matches. */
	const struct kvmreg_access access = {
		.access = count->access,
		.index = count->index,
		.readable = true,
	};
	const struct kvmreg_decision decision = kvmreg_evaluate(learn->policy, &access);

	if (!is_refused(decision.action))
		return false;
	if (decision.rule < 0)
		return true;

	fprintf(stderr, "%s:%u: warning: the guest has %s MSR 0x%x, which this line refuses\n",
		learn->path, kvmreg_rule_line(learn->policy, decision.rule),
		count->access == KVM_X86_REG_RULE_READ ? "read" : "written", count->index);
	return false;
}

static int add_counts(struct learn *learn, struct tidy *tidy, bool missing_only)
{
	const struct trace_access *count;

	for (count = learn->counts; count < learn->counts + learn->nr_counts; count++) {
		if (missing_only && !is_missing(learn, count))
			continue;
		if (tidy_add(tidy, count->index, count->access, count->hits, count->list))
			return -ENOMEM;
	}
	tidy_finish(tidy);
	return 0;
}

static void print_start(struct learn *learn, FILE *out, bool own)
{
	if (!learn->text) {
		fprintf(out, TITLE "%s\n" DEFAULT, learn->command);
	} else if (own) {
		fputs(learn->text, out);
		if (!strstr(learn->text, learn->command))
			fprintf(out, "%s\n", learn->command);
		fputs(DEFAULT, out);
	} else {
		fputs(learn->text, out);
		if (learn->size && learn->text[learn->size - 1] != '\n')
			fputc('\n', out);
		fprintf(out, "\n# What kvm-reg learn has seen besides, of:\n%s\n", learn->command);
	}
}

/* The text, to be freed; NULL if memory ran out.  It is empty if nothing is to be changed. */
static char *make_text(struct learn *learn, unsigned int *warnings)
{
	struct tidy tidy = {};
	char *text = NULL;
	bool own = false;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out || (learn->text && read_own(learn, &tidy, &own)) ||
	    add_counts(learn, &tidy, learn->text && !own))
		return NULL;

	if (!learn->text || own || tidy.nr)
		print_start(learn, out, own);
	tidy_print(&tidy, out);
	if (!learn->text || own)
		*warnings = tidy_print_warning(&tidy, out);
	tidy_free(&tidy);
	return fclose(out) ? NULL : text;
}

static __u64 sum_hits(const struct learn *learn)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < learn->nr_counts; i++)
		sum += learn->counts[i].hits;
	return sum;
}

/*
 * A file that somebody has edited stays as it is: rules that allow more are added at its
 * end, where they matter to what only the default refuses.
 */
static int write_policy(struct learn *learn)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	unsigned int warnings = 0;
	char *text = make_text(learn, &warnings);
	const size_t size = text ? strlen(text) : 0;

	if (!text)
		return launch_fail("out of memory");
	if (!size) {
		fprintf(stderr, "kvm-reg: %s is unchanged\n", learn->path);
		free(text);
		return 0;
	}
	if (kvmreg_parse(text, size, learn->path, &policy, &error))
		return launch_fail("%s", error.message);
	if (write_file(learn->path, text))
		return PRELOAD_FAILED;

	fprintf(stderr, "kvm-reg: %s has %u rules; the guest has made %llu accesses\n",
		learn->path, kvmreg_rules(policy)->nr_rules, sum_hits(learn));
	if (warnings)
		fprintf(stderr, "kvm-reg: warning: its last lines name %u MSRs of other guests\n",
			warnings);
	kvmreg_free(policy);
	free(text);
	return 0;
}

/* Do not leave the file that was only created. */
static void remove_empty(struct learn *learn)
{
	struct stat st;

	if (learn->created && !stat(learn->path, &st) && !st.st_size)
		unlink(learn->path);
}

static int learn_policy(struct learn *learn)
{
	const int status = run(learn);

	if (status == PRELOAD_FAILED)
		return status;
	if (!learn->nr_counts)
		return launch_fail("%s is not written: the guest has accessed no MSR", learn->path);
	return write_policy(learn) ? PRELOAD_FAILED : status;
}

int cmd_learn(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "add", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	struct learn learn = {};
	bool add = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			learn.path = optarg;
			break;
		case 'a':
			add = true;
			break;
		case 'h':
			return print_usage(usage, true);
		default:
			return launch_usage(usage);
		}
	}
	if (!learn.path || optind == argc)
		return launch_usage(usage);

	learn.launch.command = argv + optind;
	learn.command = describe_command(learn.launch.command);
	if (!learn.command)
		return launch_fail("out of memory");
	status = open_policy(&learn, add);
	if (!status)
		status = learn_policy(&learn);
	if (status == PRELOAD_FAILED)
		remove_empty(&learn);
	kvmreg_free(learn.policy);
	free(learn.command);
	free(learn.counts);
	free(learn.text);
	return status;
}
