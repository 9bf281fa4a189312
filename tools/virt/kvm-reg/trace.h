/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The tracepoint kvm_reg_rule, in an instance of tracefs, for the VMs of one VMM */
#ifndef TRACE_H
#define TRACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#define TRACE_EVENT "events/kvm/kvm_reg_rule"

struct preload;

struct trace {
	const struct preload *preload;	/* knows the VMM's threads */
	char dir[PATH_MAX];		/* "": there is none */
	char why[256];			/* what has failed */
};

/* These return false, or NULL, and fill in @why if they fail. */
bool trace_start(struct trace *trace, const struct preload *preload);
bool trace_write(struct trace *trace, const char *file, const char *text);
FILE *trace_open(struct trace *trace, const char *file);
void trace_end(struct trace *trace);

/* An access as the tracepoint shows it, or what all that are like it have in common */
struct trace_access {
	__u32 index;
	__u16 space;
	__u8 access;
	__u8 list;		/* 0: the rules, 1: the filter */
	/* From trace_parse(): */
	unsigned int vcpu;
	__u64 value;
	int rule;
	/* From trace_counts(): */
	__u64 hits;
};

/* Is the line one of the tracepoint's, and of a VM of the VMM? */
bool trace_parse(const struct trace *trace, const char *line, struct trace_access *access);

/*
 * Have the kernel count the accesses of a space that a list has decided on, and for which
 * @filter is true: of up to @room kinds, for all threads.  trace_counts() returns how many
 * kinds the VMM's VMs have made and puts these into *@counts, which the caller frees; or
 * -1, also if the kernel could not count all.
 */
#define TRACE_FEW	2048
#define TRACE_MANY	32768

bool trace_count(struct trace *trace, unsigned int space, unsigned int list,
		 const char *filter, unsigned int room);
int trace_counts(struct trace *trace, struct trace_access **counts);

#endif /* TRACE_H */
