// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg exec: lay a policy under an unmodified VMM. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm-reg.h"
#include "launch.h"
#include "preload.h"
#include "trace.h"

/* By the rules, list 0, not by the VMM's filter: DENY, GP and EXIT */
#define REFUSED		"action >= 1 && action <= 3"

/* As many kinds of refused accesses are shown at the end; all are counted. */
#define MAX_SHOWN	16

static const char usage[] =
	"Usage: kvm-reg exec [OPTION...] POLICY -- VMM [ARG...]\n"
	"\n"
	"Run a VMM, and have POLICY installed on each VM that it creates.\n"
	"\n"
	"  --after TEXT     install it when the VMM's stdout has shown TEXT, e.g. 'login:'\n"
	"  --allow-exits    take rules whose exits end a VMM that does not expect them\n"
	"  --fail-closed    exits that the VMM does not answer become #GP\n"
	"\n"
	"Exit status: the VMM's, 128+N if signal N ended it, 127 or 126 if it could not be\n"
	"executed, 125 if the policy was not installed.\n";

struct exec {
	struct kvmreg_policy *policy;
	struct launch launch;
	struct trace trace;
	bool counts;			/* the kernel counts what is refused */
	bool allow_exits;
};

/* Why a rule must not be under a VMM that does not know of it; or NULL */
static const char *why_not(__u8 action, __u16 space)
{
	if (action == KVM_X86_REG_RULE_EXIT && space == KVM_X86_REG_RULE_MSR)
		return "the VMM does not expect this exit; QEMU fails an assertion";
	if (action == KVM_X86_REG_RULE_EXIT)
		return "no VMM knows the exit KVM_EXIT_X86_REG_WRITE";
	if (action == KVM_X86_REG_RULE_DENY && space == KVM_X86_REG_RULE_MSR)
		return "this exits if the VMM has enabled exits for a filter of its own, and then\n"
		       "the VMM does not expect it; QEMU fails an assertion";
	return NULL;
}

/* The first rule, or KVMREG_DEFAULT, that decides on an access and must not; *@why is why. */
static int find_exit(const struct kvmreg_policy *policy, const unsigned int *unused, int nr_unused,
		     const char **why)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(policy);
	const struct kvm_x86_reg_rule *rules = rules_of(policy);
	unsigned int i;

	for (i = 0; i < list->nr_rules; i++) {
		if (nr_unused && *unused == i) {
			unused++;
			nr_unused--;
			continue;
		}
		*why = why_not(rules[i].action, rules[i].space);
		if (*why)
			return i;
	}
	*why = why_not(list->msr_default, KVM_X86_REG_RULE_MSR);
	return KVMREG_DEFAULT;
}

static int check_exits(const struct exec *exec)
{
	const struct kvmreg_policy *policy = exec->policy;
	unsigned int *unused = calloc(kvmreg_rules(policy)->nr_rules + 1, sizeof(*unused));
	const int nr_unused = unused ? kvmreg_unused_rules(policy, unused) : -1;
	const char *why;
	int rule;

	if (nr_unused < 0) {
		free(unused);
		return launch_fail("out of memory");
	}
	rule = find_exit(policy, unused, nr_unused, &why);
	free(unused);
	if (!why)
		return 0;

	write_place(stderr, exec->launch.name, policy, rule);
	fprintf(stderr, ": error: %s\n", why);
	write_rule(stderr, policy, rule);
	fputs("Use gp, which never exits, or --allow-exits if the VMM knows what to do.\n", stderr);
	return PRELOAD_FAILED;
}

/*
 * Count what is refused, and trace it until the first line has come: at once, not when half
 * of the buffer is full.
 */
static FILE *start_trace(struct exec *exec)
{
	struct trace *trace = &exec->trace;
	FILE *pipe = NULL;

	if (trace_start(trace, exec->launch.preload)) {
		exec->counts = trace_count(trace, KVM_X86_REG_RULE_MSR, 0, REFUSED, TRACE_FEW) &&
			       trace_count(trace, KVM_X86_REG_RULE_CR, 0, REFUSED, TRACE_FEW) &&
			       trace_count(trace, KVM_X86_REG_RULE_XCR, 0, REFUSED, TRACE_FEW);
		if (!exec->counts)
			fprintf(stderr, "kvm-reg: cannot count what is refused: %s\n", trace->why);
		if (trace_write(trace, "buffer_percent", "0") &&
		    trace_write(trace, TRACE_EVENT "/filter", "list == 0 && " REFUSED) &&
		    trace_write(trace, TRACE_EVENT "/enable", "1"))
			pipe = trace_open(trace, "trace_pipe");
	}
	if (!pipe)
		fprintf(stderr, "kvm-reg: cannot show what is refused: %s\n", trace->why);
	return pipe;
}

static void show_refused(const struct exec *exec, const struct trace_access *access)
{
	write_place(stderr, exec->launch.name, exec->policy, access->rule);
	fprintf(stderr, ": refused: vCPU %u ", access->vcpu);
	if (access->access == KVM_X86_REG_RULE_WRITE)
		fprintf(stderr, "writes 0x%llx to ", access->value);
	else
		fputs("reads ", stderr);
	write_register(stderr, access->space, access->index);
	fputc('\n', stderr);
	write_rule(stderr, exec->policy, access->rule);
}

/* Show the first access that is refused, if one is before the VMM ends. */
static void watch(struct exec *exec, FILE *pipe)
{
	struct pollfd fds[] = {
		{ .fd = exec->launch.pidfd, .events = POLLIN },
		{ .fd = fileno(pipe), .events = POLLIN },
	};
	struct trace_access access;
	bool shown = false;
	char line[512];

	fcntl(fds[1].fd, F_SETFL, O_NONBLOCK);
	while (!shown && !fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		while (!shown && fgets(line, sizeof(line), pipe)) {
			shown = trace_parse(&exec->trace, line, &access);
			if (shown)
				show_refused(exec, &access);
		}
		clearerr(pipe);
	}
	trace_write(&exec->trace, TRACE_EVENT "/enable", "0");
}

/* The most first */
static int compare(const void *a, const void *b)
{
	const struct trace_access *x = a, *y = b;

	return x->hits < y->hits ? 1 : x->hits == y->hits ? 0 : -1;
}

static void print_counts(struct exec *exec)
{
	struct trace_access *counts;
	const int nr = trace_counts(&exec->trace, &counts);
	__u64 sum = 0;
	int i;

	if (nr < 0) {
		fprintf(stderr, "kvm-reg: cannot count what was refused: %s\n", exec->trace.why);
		return;
	}

	for (i = 0; i < nr; i++)
		sum += counts[i].hits;
	fprintf(stderr, "kvm-reg: %s has refused %llu access%s\n", exec->launch.name, sum,
		sum == 1 ? "" : "es");
	if (nr)
		qsort(counts, nr, sizeof(*counts), compare);
	for (i = 0; i < nr && i < MAX_SHOWN; i++) {
		fprintf(stderr, "  %llu %s%s of ", counts[i].hits,
			counts[i].access == KVM_X86_REG_RULE_READ ? "read" : "write",
			counts[i].hits == 1 ? "" : "s");
		write_register(stderr, counts[i].space, counts[i].index);
		fputc('\n', stderr);
	}
	if (nr > MAX_SHOWN)
		fprintf(stderr, "  and %d more kinds\n", nr - MAX_SHOWN);
	free(counts);
}

static int run(struct exec *exec)
{
	FILE *pipe;
	int status;

	if (launch_prepare(&exec->launch))
		return PRELOAD_FAILED;
	pipe = start_trace(exec);
	status = launch_start(&exec->launch);
	if (pipe && !status)
		watch(exec, pipe);
	if (pipe)
		fclose(pipe);
	if (!status)
		status = launch_end(&exec->launch);
	if (exec->counts && exec->launch.preload->installed)
		print_counts(exec);
	trace_end(&exec->trace);
	return status;
}

int cmd_exec(int argc, char **argv)
{
	static const struct option options[] = {
		{ "after", required_argument, NULL, 'a' },
		{ "allow-exits", no_argument, NULL, 'e' },
		{ "fail-closed", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	struct exec exec = {};
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			exec.launch.mark = optarg;
			if (!*optarg)
				return launch_fail("--after needs a text that the guest shows");
			break;
		case 'e':
			exec.allow_exits = true;
			break;
		case 'f':
			exec.launch.fail_closed = true;
			break;
		case 'h':
			return print_usage(usage, true);
		default:
			return launch_usage(usage);
		}
	}
	if (argc - optind < 2)
		return launch_usage(usage);

	exec.launch.name = shown_path(argv[optind]);
	exec.launch.command = argv + optind + 1;
	exec.policy = load(argv[optind]);
	if (!exec.policy)
		return PRELOAD_FAILED;
	exec.launch.policy = exec.policy;
	exec.launch.install = KVMREG_NO_EXITS;	/* the library ends a VMM that enables them */
	status = exec.allow_exits ? 0 : check_exits(&exec);
	if (!status)
		status = run(&exec);
	kvmreg_free(exec.policy);
	return status;
}
