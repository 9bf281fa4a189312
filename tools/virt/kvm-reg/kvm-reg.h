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

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * What commands exit with, but for exec and learn, see kvm-reg(1): "no" is an answer, e.g.
 * that policies differ.
 */
#define EXIT_YES	0
#define EXIT_NO		1
#define EXIT_TROUBLE	2

/* Each gets "kvm-reg" and its own name as argv[0], handles --help, and returns the exit status. */
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

/* "FILE:LINE" of a rule; "FILE: rule 3" if it has no line; "FILE" if @rule is no rule. */
void write_place(FILE *out, const char *path, const struct kvmreg_policy *policy, int rule);

/* A rule, or the default if @rule is no rule, on a line of its own */
void write_rule(FILE *out, const struct kvmreg_policy *policy, int rule);

/* "CR4", "XCR0" or "MSR 0xc0000080 (MSR_EFER)" */
void write_register(FILE *out, __u16 space, __u32 index);

/*
 * Make a file, or replace what is there: at once, when all is written, and with the same
 * mode.  Return 0, or EXIT_TROUBLE after a message, and the file is then as it was.
 * NULL is stdout, of which main() sees to errors.
 */
int write_file(const char *path, const char *text);

/* Usage on stdout if it was asked for, else on stderr.  Return the exit status. */
int print_usage(const char *usage, bool asked);

/* What is wrong, and usage, on stderr.  Return the exit status. */
__printf(2, 3) int wrong_usage(const char *usage, const char *format, ...);

static inline const struct kvm_x86_reg_rule *rules_of(const struct kvmreg_policy *policy)
{
	return (const void *)(uintptr_t)kvmreg_rules(policy)->rules;
}

/* Does the guest not go on, but get #GP, or have KVM exit? */
static inline bool is_refused(__u8 action)
{
	return action == KVM_X86_REG_RULE_DENY || action == KVM_X86_REG_RULE_GP ||
	       action == KVM_X86_REG_RULE_EXIT;
}

#endif /* KVM_REG_H */
