/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Run an unmodified VMM, and have a policy installed on each VM that it creates. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "kvm-reg.h"

struct preload;

struct launch {
	const struct kvmreg_policy *policy;	/* launch_prepare() may take another */
	const char *name;		/* of the policy, for messages */
	const char *mark;		/* on stdout, before the policy is installed; or NULL */
	bool forks;			/* wait for what the VMM leaves in the background, too */
	char **command;			/* ends with NULL */
	/* Filled in: */
	pid_t pid;
	int pidfd;
	struct preload *preload;	/* what the library knows */
};

/*
 * launch_prepare() tries the policy out and prepares what launch_start() needs to start the
 * VMM.  They return 0, or PRELOAD_FAILED after a message.  launch_end() waits for the VMM
 * and returns the exit status for kvm-reg, see kvm-reg(1).
 */
int launch_prepare(struct launch *launch);
int launch_start(struct launch *launch);
int launch_end(struct launch *launch);

/* Print a message, return PRELOAD_FAILED. */
int launch_fail(const char *format, ...) __printf(1, 2);

#endif /* LAUNCH_H */
