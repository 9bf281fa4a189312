/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A policy that allows what a guest was seen to access, as kvm-reg learn writes it.
 *
 * - An access that was not seen is not allowed.  The exception are the members of a block,
 *   e.g. the MTRRs: which of them a guest accesses depends on how much memory it has, how
 *   many counters are busy, or which error has come up, and KVM refuses those that the
 *   vCPU does not have.  Members of a block have one rule, for what was seen of any.
 * - Neighbours with the same accesses have one rule.
 */
#ifndef TIDY_H
#define TIDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kvmreg.h"

/* Registers with the same accesses: all MSRs of a block, or some that are not in one */
struct tidy_rule {
	__u32 first;
	__u32 last;
	__u8 access;
	bool filtered;		/* the VMM's own filter denies some of the accesses */
	__u64 reads;
	__u64 writes;
};

struct tidy {
	struct tidy_rule *rules;
	size_t nr;
};

/* Add @hits accesses of one kind.  ENOMEM. */
int tidy_add(struct tidy *tidy, __u32 msr, __u8 access, __u64 hits, bool filtered);

/* Add what a policy allows that tidy_print() has written, with its counts. */
int tidy_read(struct tidy *tidy, const struct kvmreg_policy *policy, const char *text);

/* Join neighbours. */
void tidy_finish(struct tidy *tidy);

/* Print the lines of all rules; and those that warn of MSRs that are not allowed. */
void tidy_print(const struct tidy *tidy, FILE *out);
unsigned int tidy_print_warning(const struct tidy *tidy, FILE *out);

void tidy_free(struct tidy *tidy);

#endif /* TIDY_H */
