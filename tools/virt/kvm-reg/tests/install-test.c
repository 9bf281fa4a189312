// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Installs policies on a kernel that is made up: the linker has the library call
 * __wrap_ioctl().  Output is TAP.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "../kvmreg.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define VM		3
#define MAX_RULES	4096

/* What a filter of the fallback has to allow: the library may refuse it otherwise. */
#define NEEDED		"allow w msr MSR_IA32_TSC_DEADLINE\n"

/* The kernel, and what is installed in it */
static struct kernel {
	int max_rules;			/* what KVM_CHECK_EXTENSION returns: 0 without rules */
	bool no_filter;
	unsigned long fails;		/* the ioctl that fails, with this error */
	int error;
	unsigned int sets, filters;	/* how many of either were installed */
	struct kvm_x86_reg_rules head;
	struct kvm_x86_reg_rule rules[MAX_RULES];
	struct kvm_msr_filter filter;
	bool allows[2][8];		/* which of the first MSRs it lets be read, written */
} kernel;

static int fail(int error)
{
	errno = error;
	return -1;
}

static int set_rules(const struct kvm_x86_reg_rules *head)
{
	if (!kernel.max_rules)
		return fail(ENOTTY);
	kernel.head = *head;
	memcpy(kernel.rules, (void *)(uintptr_t)head->rules,
	       head->nr_rules * sizeof(*kernel.rules));
	kernel.sets++;
	return 0;
}

static int get_rules(struct kvm_x86_reg_rules *head)
{
	const unsigned int room = head->nr_rules;
	const __u64 rules = head->rules;

	if (!kernel.max_rules)
		return fail(ENOTTY);
	*head = kernel.head;
	head->rules = rules;
	if (room < head->nr_rules)
		return fail(E2BIG);
	memcpy((void *)(uintptr_t)rules, kernel.rules, head->nr_rules * sizeof(*kernel.rules));
	return 0;
}

/* Old kernels compute the end of a range in 32 bits. */
static bool is_allowed(const struct kvm_msr_filter *filter, __u32 access, __u32 msr)
{
	const struct kvm_msr_filter_range *range;
	__u32 end, i;

	for (range = filter->ranges; range < filter->ranges + KVM_MSR_FILTER_MAX_RANGES; range++) {
		end = range->base + range->nmsrs;
		i = msr - range->base;
		if (range->flags & access && range->base <= msr && msr < end)
			return range->bitmap[i / 8] >> i % 8 & 1;
	}
	return !(filter->flags & KVM_MSR_FILTER_DEFAULT_DENY);
}

static int set_filter(const struct kvm_msr_filter *filter)
{
	unsigned int i;

	if (kernel.no_filter)
		return fail(ENOTTY);
	kernel.filter = *filter;
	for (i = 0; i < ARRAY_SIZE(kernel.allows[0]); i++) {
		kernel.allows[0][i] = is_allowed(filter, KVM_MSR_FILTER_READ, i);
		kernel.allows[1][i] = is_allowed(filter, KVM_MSR_FILTER_WRITE, i);
	}
	kernel.filters++;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);

	if (fd != VM)
		return fail(EBADF);
	if (request == kernel.fails)
		return fail(kernel.error);

	switch (request) {
	case KVM_CHECK_EXTENSION:
		if ((uintptr_t)argument == KVM_CAP_X86_REG_RULES)
			return kernel.max_rules;
		return !kernel.no_filter;
	case KVM_X86_SET_REG_RULES:
		return set_rules(argument);
	case KVM_X86_GET_REG_RULES:
		return get_rules(argument);
	case KVM_X86_SET_MSR_FILTER:
		return set_filter(argument);
	default:
		return fail(ENOTTY);
	}
}

static struct kvmreg_policy *parse(const char *text)
{
	struct kvmreg_policy *policy;
	struct kvmreg_error error;

	if (kvmreg_parse(text, strlen(text), "test", &policy, &error)) {
		printf("Bail out! %s\n", error.message);
		exit(1);
	}
	return policy;
}

/* What came of an installation */
static struct kvmreg_error error;

static int install(const char *text, unsigned int flags)
{
	struct kvmreg_policy *policy = parse(text);
	int err;

	memset(&error, 0, sizeof(error));
	err = kvmreg_install(VM, policy, flags, &error);
	kvmreg_free(policy);
	return err;
}

static bool says(const char *text)
{
	if (strstr(error.message, text))
		return true;
	printf("# the message is \"%s\"\n", error.message);
	return false;
}

static bool installs_rules(int max_rules)
{
	kernel.max_rules = max_rules;
	return install("default gp\nfail-closed\nallow r msr 5\nexit w cr4\n", 0) == 0 &&
	       kernel.sets == 1 && !kernel.filters && kernel.head.nr_rules == 2 &&
	       kernel.head.msr_default == KVM_X86_REG_RULE_GP &&
	       kernel.head.flags == KVM_X86_REG_RULES_FAIL_CLOSED &&
	       kernel.rules[0].first == 5 && kernel.rules[1].space == KVM_X86_REG_RULE_CR;
}

static bool installs_rules_of_few(void)
{
	return installs_rules(2);
}

static bool installs_rules_of_4096(void)
{
	return installs_rules(MAX_RULES);
}

static bool installs_rules_of_more(void)
{
	return installs_rules(2 * MAX_RULES);
}

static bool prefers_rules(void)
{
	kernel.max_rules = MAX_RULES;
	return install("deny rw msr 5\n", KVMREG_NO_FILTER) == 0 && kernel.sets == 1 &&
	       install("deny rw msr 5\n", 0) == 0 && kernel.sets == 2 && !kernel.filters;
}

static bool installs_filter(void)
{
	return install("default deny\nallow r msr 2\nallow rw msr 3\n" NEEDED, 0) ==
	       KVMREG_FILTER && !kernel.sets && kernel.filters == 1 &&
	       kernel.filter.flags == KVM_MSR_FILTER_DEFAULT_DENY && !kernel.allows[0][1] &&
	       kernel.allows[0][2] && !kernel.allows[1][2] && kernel.allows[0][3] &&
	       kernel.allows[1][3] && !kernel.allows[1][4];
}

static bool obeys_no_filter(void)
{
	return install("deny rw msr 5\n", KVMREG_NO_FILTER) == -EOPNOTSUPP && !kernel.filters &&
	       says("no register rules");
}

static bool refuses_unknown_flags(void)
{
	kernel.max_rules = MAX_RULES;
	return install("default allow", 1U << 30) == -EINVAL &&
	       install("default allow", 1U << 31 | 1) == -EINVAL &&
	       !kernel.sets && says("unknown flags 0x80000001");
}

static bool refuses_what_no_filter_does(void)
{
	return install("gp r msr 5\n", 0) == -EOPNOTSUPP && !kernel.filters &&
	       says("test:1: error: ") && says("gp r msr 0x5");
}

/* Denied reads of the last MSR would be allowed. */
static bool refuses_what_old_kernels_miss(void)
{
	return install("deny r msr 0xfffffff0-0xffffffff\n", 0) == -EOPNOTSUPP &&
	       !kernel.filters && says("0xffffffff") &&
	       install("deny r msr 0xfffffff0-0xfffffffe\n", 0) == KVMREG_FILTER &&
	       kernel.filters == 1;
}

static bool passes_on(unsigned long request, int number, int max_rules, const char *text)
{
	char reason[64];

	kernel.max_rules = max_rules;
	kernel.fails = request;
	kernel.error = number;
	snprintf(reason, sizeof(reason), "test: %s: %s", text, strerror(number));
	return install("deny r msr 5\n", 0) == -number && !kernel.sets && !kernel.filters &&
	       says(reason);
}

static bool passes_on_errors(void)
{
	static const int errors[] = { EINVAL, E2BIG, ENOMEM, EPERM, EFAULT, EBUSY, EINTR };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++)
		if (!passes_on(KVM_CHECK_EXTENSION, errors[i], 0, "KVM_CHECK_EXTENSION") ||
		    !passes_on(KVM_X86_SET_REG_RULES, errors[i], MAX_RULES,
			       "KVM_X86_SET_REG_RULES") ||
		    !passes_on(KVM_X86_SET_MSR_FILTER, errors[i], 0, "KVM_X86_SET_MSR_FILTER"))
			return false;
	return true;
}

static bool needs_filters(void)
{
	kernel.no_filter = true;
	return install("deny r msr 5\n", 0) == -ENOTTY && says("KVM_X86_SET_MSR_FILTER");
}

static bool takes_no_error(void)
{
	struct kvmreg_policy *policy = parse("gp r msr 5\n");
	const int err = kvmreg_install(VM, policy, 0, NULL);

	kvmreg_free(policy);
	return err == -EOPNOTSUPP && kvmreg_read(VM, &policy, NULL) == -ENOTTY;
}

/* As many rules as there may be come back. */
static bool reads(void)
{
	struct kvmreg_policy *policy = NULL;
	char *text = NULL, *back;
	unsigned int i;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool same;

	fputs("default exit\nfail-closed\n", out);
	for (i = 0; i < MAX_RULES; i++)
		fprintf(out, "ignore r msr 0x%x = 0x%x\n", 0x10000 + i, i + 1);
	fclose(out);

	kernel.max_rules = MAX_RULES;
	if (install(text, 0) || kvmreg_read(VM, &policy, &error))
		return says("nothing");
	back = kvmreg_format(policy);
	same = !strcmp(text, back);
	kvmreg_free(policy);
	free(back);
	free(text);
	return same;
}

static bool reads_nothing(void)
{
	struct kvmreg_policy *policy = NULL;
	bool empty;

	kernel.max_rules = MAX_RULES;
	if (kvmreg_read(VM, &policy, &error))
		return says("nothing");
	empty = !kvmreg_rules(policy)->nr_rules && !kvmreg_rules(policy)->msr_default;
	kvmreg_free(policy);
	return empty;
}

static bool cannot_read(void)
{
	struct kvmreg_policy *policy;

	if (kvmreg_read(VM, &policy, &error) != -ENOTTY || !says("KVM_X86_GET_REG_RULES: "))
		return false;

	/* Of a later kernel */
	kernel.max_rules = MAX_RULES;
	kernel.head.flags = 2;
	return kvmreg_read(VM, &policy, &error) == -EINVAL && says("VM: error: unknown flags 0x2");
}

static bool rejects(const struct kvm_x86_reg_rule *rule, const char *reason)
{
	struct kvmreg_policy *policy;

	kernel.head.nr_rules = 1;
	kernel.rules[0] = *rule;
	return kvmreg_read(VM, &policy, &error) == -EINVAL && says(reason);
}

/* Rules that no policy can have, of a later kernel */
static bool rejects_rules(void)
{
	const struct kvm_x86_reg_rule valid = { .access = KVM_X86_REG_RULE_READ };
	struct kvm_x86_reg_rule access = valid, action = valid, pad = valid, space = valid;

	access.access = 4;
	action.action = KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1;
	pad.pad = 1;
	space.space = KVM_X86_REG_RULE_XCR + 1;
	kernel.max_rules = MAX_RULES;
	return rejects(&access, "VM: error: rule 0: there is no such access") &&
	       rejects(&action, "VM: error: rule 0: there is no such action") &&
	       rejects(&pad, "VM: error: rule 0: pad is not zero") &&
	       rejects(&space, "VM: error: rule 0: rules cannot be for this register");
}

/* All that the kernel reads is in the filter's allocation; old ones read by 8 bytes. */
static bool allocates_bitmaps(void)
{
	struct kvm_msr_filter *filter;
	struct kvm_msr_filter_range *last;
	struct kvmreg_policy *policy;
	char text[1024] = "";
	unsigned int i;
	__u8 *end;
	bool fits;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "deny rw msr 0x%x, 0x%x\n", i << 16, (i << 16) + 12287);
	policy = parse(text);
	if (kvmreg_to_filter(policy, &filter, &error))
		return says("nothing");

	last = &filter->ranges[KVM_MSR_FILTER_MAX_RANGES - 1];
	end = last->bitmap + (last->nmsrs + 63) / 64 * 8;
	fits = last->nmsrs == 12288 &&
	       end <= (__u8 *)filter + malloc_usable_size(filter);
	free(filter);
	kvmreg_free(policy);
	return fits;
}

static const struct test {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "installs rules where a list has few",	installs_rules_of_few },
	{ "installs rules where a list has 4096",	installs_rules_of_4096 },
	{ "installs rules where a list has more",	installs_rules_of_more },
	{ "installs rules rather than a filter",	prefers_rules },
	{ "installs a filter without rules",		installs_filter },
	{ "installs no filter if told so",		obeys_no_filter },
	{ "refuses unknown flags",			refuses_unknown_flags },
	{ "refuses what no filter does",		refuses_what_no_filter_does },
	{ "refuses filters that old kernels miss",	refuses_what_old_kernels_miss },
	{ "passes on the errors of ioctls",		passes_on_errors },
	{ "fails without rules and filters",		needs_filters },
	{ "needs no place for a message",		takes_no_error },
	{ "reads as many rules as there may be",	reads },
	{ "reads that there are no rules",		reads_nothing },
	{ "says why it cannot read rules",		cannot_read },
	{ "reads no rules that it does not know",	rejects_rules },
	{ "allocates what the kernel reads",		allocates_bitmaps },
};

int main(void)
{
	unsigned int i, failed = 0;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		memset(&kernel, 0, sizeof(kernel));
		ok = tests[i].run();
		printf("%s %u - %s\n", ok ? "ok" : "not ok", i + 1, tests[i].name);
		failed += !ok;
	}
	return failed ? 1 : 0;
}
