// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Policies as text, and the words of the language. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* More bits than this, such as all but some, are easier to read as a number. */
#define MAX_BIT_NAMES	8

static const char *const action_names[NR_ACTIONS] = {
	[KVM_X86_REG_RULE_ALLOW]		= "allow",
	[KVM_X86_REG_RULE_DENY]			= "deny",
	[KVM_X86_REG_RULE_GP]			= "gp",
	[KVM_X86_REG_RULE_EXIT]			= "exit",
	[KVM_X86_REG_RULE_IGNORE]		= "ignore",
	[KVM_X86_REG_RULE_AUDIT]		= "audit",
	[KVM_X86_REG_RULE_IGNORE_UNKNOWN]	= "ignore-unknown",
};

const char *const kr_access_names[4] = {
	[KVM_X86_REG_RULE_READ]		= "r",
	[KVM_X86_REG_RULE_WRITE]	= "w",
	[KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE] = "rw",
};

const char *kvmreg_action_name(unsigned int action)
{
	return action < NR_ACTIONS ? action_names[action] : NULL;
}

bool kr_find_action(const char *word, __u8 *action)
{
	for (*action = 0; *action < NR_ACTIONS; ++*action)
		if (!strcmp(word, action_names[*action]))
			return true;
	return false;
}

const char *kr_nearest_action(const char *word)
{
	return kr_nearest_of(word, action_names, NR_ACTIONS);
}

static const struct {
	const char *name;
	__u16 space;
	__u32 index;
} registers[] = {
	{ "msr",  KVM_X86_REG_RULE_MSR, 0 },
	{ "cr0",  KVM_X86_REG_RULE_CR, 0 },
	{ "cr4",  KVM_X86_REG_RULE_CR, 4 },
	{ "xcr0", KVM_X86_REG_RULE_XCR, 0 },
};

const char *kr_register_name(__u16 space, __u32 index)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(registers); i++)
		if (space == registers[i].space &&
		    (space == KVM_X86_REG_RULE_MSR || index == registers[i].index))
			return registers[i].name;
	return NULL;
}

bool kr_find_register(const char *word, __u16 *space, __u32 *index)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (!strcmp(word, registers[i].name)) {
			*space = registers[i].space;
			*index = registers[i].index;
			return true;
		}
	}
	return false;
}

static void print_msrs(FILE *out, __u32 first, __u32 last)
{
	const char *name = kvmreg_name(first);

	if (first == 0 && last == UINT32_MAX)
		fputs(" all", out);
	else if (first != last)
		fprintf(out, " 0x%x-0x%x", first, last);
	else if (name)
		fprintf(out, " %s", name);
	else
		fprintf(out, " 0x%x", first);
}

static void print_bits(FILE *out, const struct kvm_x86_reg_rule *rule)
{
	__u64 left = rule->mask, bit;
	char separator = ' ';

	fputs(" changing", out);
	if (__builtin_popcountll(left) > MAX_BIT_NAMES) {
		fprintf(out, " 0x%llx", left);
		return;
	}
	for (; left; left &= ~bit) {
		bit = left & -left;
		if (!kr_bit_name(rule->space, rule->first, bit)) {
			fprintf(out, "%c0x%llx", separator, left);
			break;
		}
		fprintf(out, "%c%s", separator, kr_bit_name(rule->space, rule->first, bit));
		separator = '|';
	}
}

static void print_rule(FILE *out, const struct kvm_x86_reg_rule *rule, __u32 last)
{
	fprintf(out, "%s %s %s", action_names[rule->action], kr_access_names[rule->access],
		kr_register_name(rule->space, rule->first));
	if (rule->space == KVM_X86_REG_RULE_MSR)
		print_msrs(out, rule->first, last);
	if (rule->mask)
		print_bits(out, rule);
	if (rule->value)
		fprintf(out, " = 0x%llx", rule->value);
}

/* Is this what "all" makes of an action other than allow? */
static bool is_all(const struct kvm_x86_reg_rule *rule, unsigned int nr)
{
	struct kvm_x86_reg_rule rest = *rule;

	if (nr < 2 || rule->space != KVM_X86_REG_RULE_MSR || rule->first ||
	    rule->last != X2APIC_FIRST - 1 || rule->action == KVM_X86_REG_RULE_ALLOW)
		return false;

	rest.first = X2APIC_LAST + 1;
	rest.last = UINT32_MAX;
	return !memcmp(&rest, rule + 1, sizeof(rest));
}

static void print_policy(FILE *out, const struct kvmreg_policy *policy)
{
	const struct kvm_x86_reg_rule *rule;
	unsigned int i = 0;
	bool all;

	fprintf(out, "default %s\n", action_names[policy->head.msr_default]);
	if (policy->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED)
		fputs("fail-closed\n", out);

	while (i < policy->head.nr_rules) {
		rule = &policy->rules[i];
		all = is_all(rule, policy->head.nr_rules - i);
		print_rule(out, rule, all ? UINT32_MAX : rule->last);
		fputc('\n', out);
		i += all ? 2 : 1;
	}
}

/* Return what was printed, NULL if memory ran out. */
static char *finish(FILE *out, char **text)
{
	const bool failed = ferror(out);

	if (!fclose(out) && !failed)
		return *text;

	free(*text);
	return NULL;
}

char *kvmreg_format(const struct kvmreg_policy *policy)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;

	print_policy(out, policy);
	return finish(out, &text);
}

char *kvmreg_format_rule(const struct kvm_x86_reg_rule *rule)
{
	char *text = NULL;
	struct fault fault;
	size_t size;
	FILE *out;

	if (kr_check_rule(rule, &fault)) {
		errno = EINVAL;
		return NULL;
	}

	out = open_memstream(&text, &size);
	if (!out)
		return NULL;

	print_rule(out, rule, rule->last);
	return finish(out, &text);
}
