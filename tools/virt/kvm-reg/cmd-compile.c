// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* kvm-reg compile: rules, an MSR filter, JSON, C or text of a policy. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "kvm-reg.h"

static const char usage[] =
	"Usage: kvm-reg compile --to rules|filter|json|c|text [-o FILE] POLICY\n"
	"\n"
	"Write what the kernel takes, or the policy in another form.\n"
	"\n"
	"  --to rules    list the rules, as KVM_X86_SET_REG_RULES takes them\n"
	"  --to filter   list the MSR filter that does the same, as KVM_X86_SET_MSR_FILTER\n"
	"                takes it; or say which rule none can express, or which MSRs do not fit\n"
	"  --to json     the policy as JSON\n"
	"  --to c        C and C++ that installs the rules\n"
	"  --to text     the policy in the language of kvm-reg(5), without comments\n"
	"  -o, --output FILE\n"
	"                write to FILE; it is left alone if there is an error\n"
	"\n"
	"Exit status: 0, 1 if no filter does the same, 2 for trouble.\n";

static const char *const actions[] = {
	[KVM_X86_REG_RULE_ALLOW]	= "ALLOW",
	[KVM_X86_REG_RULE_DENY]		= "DENY",
	[KVM_X86_REG_RULE_GP]		= "GP",
	[KVM_X86_REG_RULE_EXIT]		= "EXIT",
	[KVM_X86_REG_RULE_IGNORE]	= "IGNORE",
	[KVM_X86_REG_RULE_AUDIT]	= "AUDIT",
	[KVM_X86_REG_RULE_IGNORE_UNKNOWN] = "IGNORE_UNKNOWN",
};

static const char *const spaces[] = {
	[KVM_X86_REG_RULE_MSR]	= "MSR",
	[KVM_X86_REG_RULE_CR]	= "CR",
	[KVM_X86_REG_RULE_XCR]	= "XCR",
};

static const char *const accesses[] = {
	[KVM_X86_REG_RULE_READ]		= "READ",
	[KVM_X86_REG_RULE_WRITE]	= "WRITE",
	[KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE] = "READ|WRITE",
};

static void write_rules(FILE *out, const struct kvmreg_policy *policy)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(policy);
	const struct kvm_x86_reg_rule *rule = rules_of(policy);
	unsigned int i, line;

	fprintf(out, "flags %s\nnr_rules %u\nmsr_default %s\n",
		list->flags & KVM_X86_REG_RULES_FAIL_CLOSED ? "FAIL_CLOSED" : "0",
		list->nr_rules, actions[list->msr_default]);
	if (list->nr_rules)
		fprintf(out, "\n%-5s%-6s%-11s%-15s%-11s%-11s%-19s%-19s%s\n", "rule", "space",
			"access", "action", "first", "last", "mask", "value", "line");
	for (i = 0; i < list->nr_rules; i++, rule++) {
		fprintf(out, "%-5u%-6s%-11s%-15s0x%08x 0x%08x 0x%016llx 0x%016llx", i,
			spaces[rule->space], accesses[rule->access], actions[rule->action],
			rule->first, rule->last, rule->mask,
			rule->value);
		line = kvmreg_rule_line(policy, i);
		if (line)
			fprintf(out, " %u", line);
		fputc('\n', out);
	}
}

/* The MSRs of a range that it allows, or denies */
static void write_msrs(FILE *out, const struct kvm_msr_filter_range *range, bool allowed)
{
	const char *title = allowed ? "allows" : "denies";
	const char *separator = "";
	__u32 i, first;
	const char *name;

	fprintf(out, "\n  %s", title);
	for (i = 0; i < range->nmsrs; i++) {
		if ((range->bitmap[i / 8] >> i % 8 & 1) != allowed)
			continue;

		first = i;
		while (i + 1 < range->nmsrs &&
		       (range->bitmap[(i + 1) / 8] >> (i + 1) % 8 & 1) == allowed)
			i++;
		name = kvmreg_name(range->base + first);
		if (i > first)
			fprintf(out, "%s 0x%x-0x%x", separator, range->base + first,
				range->base + i);
		else if (name)
			fprintf(out, "%s %s", separator, name);
		else
			fprintf(out, "%s 0x%x", separator, range->base + first);
		separator = ",";
	}
	if (!*separator)
		fputs(" nothing", out);
}

static void write_ranges(FILE *out, const struct kvm_msr_filter *filter)
{
	const bool allow = !(filter->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	const struct kvm_msr_filter_range *range;
	unsigned int i;

	fprintf(out, "flags %s\n", allow ? "DEFAULT_ALLOW" : "DEFAULT_DENY");
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && filter->ranges[i].nmsrs; i++) {
		range = &filter->ranges[i];
		fprintf(out, "range %u: flags %s, base 0x%x, nmsrs %u", i, accesses[range->flags],
			range->base, range->nmsrs);
		write_msrs(out, range, !allow);
		fputc('\n', out);
	}
}

static int write_filter(FILE *out, const struct kvmreg_policy *policy)
{
	struct kvm_msr_filter *filter;
	struct kvmreg_error error;
	int err;

	err = kvmreg_to_filter(policy, &filter, &error);
	if (err) {
		fprintf(stderr, "%s\n", error.message);
		return err == -EOPNOTSUPP ? EXIT_NO : EXIT_TROUBLE;
	}

	write_ranges(out, filter);
	free(filter);
	return EXIT_YES;
}

static void write_c_rule(FILE *out, const struct kvm_x86_reg_rule *rule)
{
	const bool both = rule->access == (KVM_X86_REG_RULE_READ | KVM_X86_REG_RULE_WRITE);
	char *text = kvmreg_format_rule(rule);

	fprintf(out, "\t{\t/* %s */\n\t\t.space = KVM_X86_REG_RULE_%s,\n", text ? text : "",
		spaces[rule->space]);
	fprintf(out, "\t\t.access = %s%s,\n", both ? "KVM_X86_REG_RULE_READ | " : "",
		rule->access == KVM_X86_REG_RULE_READ ? "KVM_X86_REG_RULE_READ" :
							"KVM_X86_REG_RULE_WRITE");
	fprintf(out, "\t\t.action = KVM_X86_REG_RULE_%s,\n", actions[rule->action]);
	/* C++ warns of members that are left out. */
	fprintf(out, "\t\t.pad = 0,\n\t\t.first = 0x%x,\n\t\t.last = 0x%x,\n", rule->first,
		rule->last);
	fprintf(out, "\t\t.mask = 0x%llxULL,\n\t\t.value = 0x%llxULL,\n", rule->mask, rule->value);
	fputs("\t},\n", out);
	free(text);
}

static void write_c(FILE *out, const struct kvmreg_policy *policy)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(policy);
	unsigned int i;

	fputs("/*\n"
	      " * Made by kvm-reg compile --to c.  Where the compiler's <asm/kvm_reg_rules.h> is missing,\n"
	      " * pkg-config --cflags libkvmreg says where one is.\n"
	      " */\n"
	      "#include <string.h>\n"
	      "#include <sys/ioctl.h>\n"
	      "#include <asm/kvm_reg_rules.h>\n\n", out);
	if (list->nr_rules) {
		fputs("static const struct kvm_x86_reg_rule policy_rules[] = {\n", out);
		for (i = 0; i < list->nr_rules; i++)
			write_c_rule(out, &rules_of(policy)[i]);
		fputs("};\n\n", out);
	}
	fprintf(out, "/* Install the policy on a VM's file descriptor: 0, or -1 and errno. */\n"
		"static inline int set_policy(int vm)\n"
		"{\n"
		"\tstruct kvm_x86_reg_rules list;\n"
		"\n"
		"\tmemset(&list, 0, sizeof(list));\n"
		"\tlist.flags = %s;\n"
		"\tlist.msr_default = KVM_X86_REG_RULE_%s;\n",
		list->flags & KVM_X86_REG_RULES_FAIL_CLOSED ? "KVM_X86_REG_RULES_FAIL_CLOSED" : "0",
		actions[list->msr_default]);
	if (list->nr_rules)
		fprintf(out, "\tlist.nr_rules = %u;\n\tlist.rules = (unsigned long)policy_rules;\n",
			list->nr_rules);
	fputs("\treturn ioctl(vm, KVM_X86_SET_REG_RULES, &list);\n}\n", out);
}

static int write_text(FILE *out, char *text)
{
	if (!text) {
		fputs("kvm-reg: out of memory\n", stderr);
		return EXIT_TROUBLE;
	}
	fputs(text, out);
	free(text);
	return EXIT_YES;
}

static int write_form(FILE *out, const struct kvmreg_policy *policy, const char *form)
{
	if (!strcmp(form, "filter"))
		return write_filter(out, policy);
	if (!strcmp(form, "json"))
		return write_text(out, kvmreg_format_json(policy));
	if (!strcmp(form, "text"))
		return write_text(out, kvmreg_format(policy));

	if (!strcmp(form, "rules"))
		write_rules(out, policy);
	else
		write_c(out, policy);
	return EXIT_YES;
}

static bool is_form(const char *form)
{
	static const char *const forms[] = { "rules", "filter", "json", "c", "text" };
	size_t i;

	for (i = 0; form && i < ARRAY_SIZE(forms); i++)
		if (!strcmp(form, forms[i]))
			return true;
	return false;
}

/* Write to memory first: an error leaves the file as it is. */
static int compile(const struct kvmreg_policy *policy, const char *form, const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status = EXIT_TROUBLE;

	if (out) {
		status = write_form(out, policy, form);
		if (fclose(out))
			status = EXIT_TROUBLE;
	}
	if (status == EXIT_YES)
		status = write_file(path, text);
	free(text);
	return status;
}

int cmd_compile(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *form = NULL, *path = NULL;
	struct kvmreg_policy *policy;
	int option, status;

	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (option == 't')
			form = optarg;
		else if (option == 'o')
			path = optarg;
		else
			return print_usage(usage, option == 'h');
	}
	if (!form)
		return wrong_usage(usage, "--to is missing");
	if (!is_form(form))
		return wrong_usage(usage, "--to takes no %s", form);
	if (optind == argc)
		return wrong_usage(usage, "POLICY is missing");
	if (optind + 1 < argc)
		return wrong_usage(usage, "there may be one POLICY");

	policy = load(argv[optind]);
	if (!policy)
		return EXIT_TROUBLE;

	status = compile(policy, form, path);
	kvmreg_free(policy);
	return status;
}
