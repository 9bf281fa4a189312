// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg explain: which rule decides on an access, and why? */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-reg.h"
#include "lib/internal.h"

static const char usage[] =
	"Usage: kvm-reg explain POLICY REGISTER r|w [OLD NEW]\n"
	"\n"
	"Say what KVM does when a guest reads or writes a register, and which rule decides.\n"
	"\n"
	"  REGISTER      msr:NAME, msr:NUMBER, cr0, cr4 or xcr0\n"
	"  OLD           what the register holds before a write; - if KVM cannot read it\n"
	"  NEW           what the guest writes\n"
	"\n"
	"Without OLD and NEW, all that a write may match is listed.\n"
	"\n"
	"Exit status: 0 if the guest goes on, or if it depends; 1 if the guest gets #GP or KVM\n"
	"exits; 2 for trouble.\n";

static const char *const meanings[] = {
	[KVM_X86_REG_RULE_ALLOW]	= "KVM handles the access",
	[KVM_X86_REG_RULE_DENY]		= "KVM injects #GP, or exits if the VMM has asked for that",
	[KVM_X86_REG_RULE_GP]		= "KVM injects #GP",
	[KVM_X86_REG_RULE_EXIT]		= "KVM exits to the VMM",
	[KVM_X86_REG_RULE_IGNORE]	= "KVM does not make the access",
	[KVM_X86_REG_RULE_AUDIT]	= "KVM handles the access, and records it",
	[KVM_X86_REG_RULE_IGNORE_UNKNOWN] =
		"KVM handles the access; if it does not know the MSR, it answers",
};

struct question {
	const char *path;
	struct kvmreg_policy *policy;
	struct kvmreg_access access;
	bool has_values;
};

static bool is_control(const struct question *q)
{
	return q->access.space != KVM_X86_REG_RULE_MSR;
}

static bool parse_register(const char *word, struct kvmreg_access *access)
{
	access->space = KVM_X86_REG_RULE_CR;
	if (!strcmp(word, "cr0"))
		return true;

	access->index = 4;
	if (!strcmp(word, "cr4"))
		return true;

	access->space = KVM_X86_REG_RULE_XCR;
	access->index = 0;
	if (!strcmp(word, "xcr0"))
		return true;

	access->space = KVM_X86_REG_RULE_MSR;
	return !strncmp(word, "msr:", 4) && kvmreg_find_msr(word + 4, &access->index);
}

static int wrong_register(const char *word)
{
	const char *name = strncmp(word, "msr:", 4) ? word : word + 4;
	const char *nearest = kvmreg_nearest(name);
	__u32 msr;

	if (kvmreg_find_msr(name, &msr))
		nearest = name;
	fprintf(stderr, "kvm-reg explain: %s is no register\n", word);
	if (nearest)
		fprintf(stderr, "Did you mean msr:%s?\n", nearest);
	return EXIT_TROUBLE;
}

static bool parse_value(const char *word, __u64 *value)
{
	if (kr_parse_number(word, value))
		return true;

	fprintf(stderr, "kvm-reg explain: %s is no number of 64 bits\n", word);
	return false;
}

/* "FILE:LINE: RULE" */
static void print_rule(const struct question *q, int rule)
{
	write_place(stdout, q->path, q->policy, rule);
	fputs(": ", stdout);
	write_rule(stdout, q->policy, rule);
}

static void print_x2apic(void)
{
	puts("The MSRs of the x2APIC, 0x800-0x8ff, are always allowed: with APICv and AVIC,\n"
	     "hardware accesses the APIC without KVM. Neither rules nor the default are for them,\n"
	     "\"all\" leaves them out, and KVM rejects rules for them that do not allow.");
}

static void print_default(const struct question *q)
{
	if (is_control(q) && q->access.access == KVM_X86_REG_RULE_READ) {
		puts("Guests may always read control registers.");
	} else if (is_control(q)) {
		puts("No rule matches: a write to a control register is then allowed.");
	} else {
		print_rule(q, KVMREG_DEFAULT);
		puts("No rule matches.");
	}
}

/* What a write changes of the bits that the rule is for */
static void print_changes(const struct question *q, const struct kvm_x86_reg_rule *rule)
{
	const __u64 changed = kvmreg_changed_bits(&q->access);
	const __u64 of_these = changed & rule->mask;

	if (!rule->mask)
		return;
	if (!is_control(q) && !q->access.readable)
		puts("KVM cannot read the MSR: rules with \"changing\" match every write.");
	else if (changed & ~(q->access.old ^ q->access.new_value))
		puts("Every write of this MSR counts as a change of all bits.");
	else
		printf("Of these bits, the write changes 0x%llx.\n", of_these);
}

/* What comes of the action */
static void print_effect(const struct question *q, const struct kvmreg_decision *decision)
{
	const bool may_exit = decision->action == KVM_X86_REG_RULE_EXIT ||
			      (decision->action == KVM_X86_REG_RULE_DENY && !is_control(q));
	const bool answers = decision->action == KVM_X86_REG_RULE_IGNORE ||
			     decision->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;

	if (may_exit && kvmreg_rules(q->policy)->flags & KVM_X86_REG_RULES_FAIL_CLOSED)
		puts("The policy is fail-closed: an exit that the VMM does not answer is #GP.");
	if (answers && q->access.access == KVM_X86_REG_RULE_READ)
		printf("The answer is 0x%llx.\n", decision->value);
}

static int explain_access(const struct question *q)
{
	const struct kvmreg_decision decision = kvmreg_evaluate(q->policy, &q->access);

	printf("%s: %s\n", kvmreg_action_name(decision.action), meanings[decision.action]);
	switch (decision.rule) {
	case KVMREG_X2APIC:
		print_x2apic();
		break;
	case KVMREG_NO_CHANGE:
		puts("The write changes no bit that a guest can change: no rule matches.");
		break;
	case KVMREG_DEFAULT:
		print_default(q);
		break;
	default:
		print_rule(q, decision.rule);
		if (q->access.access == KVM_X86_REG_RULE_WRITE)
			print_changes(q, &rules_of(q->policy)[decision.rule]);
	}
	print_effect(q, &decision);
	return is_refused(decision.action) ? EXIT_NO : EXIT_YES;
}

static bool matches(const struct question *q, const struct kvm_x86_reg_rule *rule)
{
	return rule->space == q->access.space && rule->access & q->access.access &&
	       rule->first <= q->access.index && q->access.index <= rule->last;
}

/* The rules that a write may match, up to the first that matches all. */
static int explain_writes(const struct question *q)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(q->policy);
	const struct kvm_x86_reg_rule *rule;
	unsigned int i;

	puts("It depends on what the write changes; the first that applies decides:");
	for (i = 0; i < list->nr_rules; i++) {
		rule = &rules_of(q->policy)[i];
		if (!matches(q, rule))
			continue;
		printf("%s: %s\n", kvmreg_action_name(rule->action), meanings[rule->action]);
		print_rule(q, i);
		if (!rule->mask)
			break;
	}
	if (i == list->nr_rules) {
		const __u8 action = is_control(q) ? KVM_X86_REG_RULE_ALLOW : list->msr_default;

		printf("%s: %s\n", kvmreg_action_name(action), meanings[action]);
		print_default(q);
	}
	if (is_control(q))
		puts("A write that changes no bit matches no rule, and is allowed.");
	return EXIT_YES;
}

/* Is there a rule for which it matters what the write changes? */
static bool depends_on_values(const struct question *q)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(q->policy);
	unsigned int i;

	if (q->access.access == KVM_X86_REG_RULE_READ)
		return false;

	for (i = 0; i < list->nr_rules; i++)
		if (matches(q, &rules_of(q->policy)[i]))
			return is_control(q) || rules_of(q->policy)[i].mask;
	return is_control(q);
}

static int explain(struct question *q)
{
	const bool x2apic = !is_control(q) && q->access.index >= 0x800 && q->access.index <= 0x8ff;

	if (!q->has_values && !x2apic && depends_on_values(q))
		return explain_writes(q);
	return explain_access(q);
}

static int parse_access(struct question *q, int argc, char **argv)
{
	struct kvmreg_access *access = &q->access;

	if (!parse_register(argv[1], access))
		return wrong_register(argv[1]);

	access->access = strcmp(argv[2], "w") ? KVM_X86_REG_RULE_READ : KVM_X86_REG_RULE_WRITE;
	if (access->access == KVM_X86_REG_RULE_READ && strcmp(argv[2], "r"))
		return wrong_usage(usage, "the access is neither r nor w");
	if (access->access == KVM_X86_REG_RULE_READ && argc > 3)
		return wrong_usage(usage, "OLD and NEW are for writes");

	if (argc == 3)
		return 0;

	q->has_values = true;
	access->readable = strcmp(argv[3], "-");
	if ((access->readable && !parse_value(argv[3], &access->old)) ||
	    !parse_value(argv[4], &access->new_value))
		return EXIT_TROUBLE;
	return 0;
}

int cmd_explain(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { } };
	struct question q = { };
	int option, status;

	/* "-" may be the policy, or OLD. */
	option = getopt_long(argc, argv, "+h", options, NULL);
	if (option != -1)
		return print_usage(usage, option == 'h');

	argc -= optind;
	argv += optind;
	if (argc < 3)
		return wrong_usage(usage, "POLICY, REGISTER and r or w are needed");
	if (argc == 4)
		return wrong_usage(usage, "NEW is missing");
	if (argc > 5)
		return wrong_usage(usage, "there are too many arguments");

	q.path = shown_path(argv[0]);
	status = parse_access(&q, argc, argv);
	if (status)
		return status;

	q.policy = load(argv[0]);
	if (!q.policy)
		return EXIT_TROUBLE;

	status = explain(&q);
	kvmreg_free(q.policy);
	return status;
}
