/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Run an unmodified VMM, and have a policy installed on each VM that it creates. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "kvm-reg.h"

struct preload;

struct launch {
	const struct kvmreg_policy *policy;
	const char *name;		/* of the policy, for messages */
	bool fail_closed;		/* the policy is, whether it says so or not */
	unsigned int install;		/* flags for kvmreg_install(), to try the policy out */
	const char *mark;		/* on stdout, before the policy is installed; or NULL */
	bool forks;			/* wait for what the VMM leaves in the background, too */
	char **command;			/* ends with NULL */
	/* Filled in: */
	bool is_filter;			/* the kernel has no rules: the policy is an MSR filter */
	pid_t pid;
	int pidfd;
	struct preload *preload;	/* what the library knows */
	/* How signals were, for the VMM, and which of them are kvm-reg's to handle: */
	sigset_t mask;
	void (*sigpipe)(int signal);
	sigset_t signals;
};

/*
 * launch_prepare() tries the policy out, prepares what launch_start() needs to start the VMM,
 * and has signals wait until that.  They return 0, or PRELOAD_FAILED after a message.
 * launch_end() waits for the VMM and returns the exit status for kvm-reg, see kvm-reg(1).
 */
int launch_prepare(struct launch *launch);
int launch_start(struct launch *launch);
int launch_end(struct launch *launch);

/* Print a message, return PRELOAD_FAILED. */
int launch_fail(const char *format, ...) __printf(1, 2);
int launch_usage(const char *usage);

#endif /* LAUNCH_H */
