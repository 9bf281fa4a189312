/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the commands of kvm-reg share. */
#ifndef KVM_REG_H
#define KVM_REG_H

#include <stdbool.h>
#include <inttypes.h>
#include <stdio.h>

#include "kvmreg.h"

#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif

/*
 * What commands exit with, but for exec, learn and run, see kvm-reg(1): "no" is an answer,
 * e.g. that policies differ.
 */
#define EXIT_YES	0
#define EXIT_NO		1
#define EXIT_TROUBLE	2

/* Each gets its own name as argv[0], handles --help, and returns the exit status. */
int cmd_check(int argc, char **argv);
int cmd_compile(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_subset(int argc, char **argv);

/* The policy in a file; NULL after a message if it has none. */
struct kvmreg_policy *load(const char *path);

/* What a file is called in messages */
const char *shown_path(const char *path);

/* Usage on stdout if it was asked for, else on stderr.  Return the exit status. */
int print_usage(const char *usage, bool asked);

static inline const struct kvm_x86_reg_rule *rules_of(const struct kvmreg_policy *policy)
{
	return (const void *)(uintptr_t)kvmreg_rules(policy)->rules;
}

#endif /* KVM_REG_H */
