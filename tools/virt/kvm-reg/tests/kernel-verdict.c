// SPDX-License-Identifier: GPL-2.0
/*
 * Generated policies: does the kernel decide as libkvmreg and KUnit's model say?  It is asked
 * beside the fuzzer's model, which knows filters, too.
 *
 * Policies and accesses are those of msr-fuzz.  Each policy is written as text and parsed
 * again, installed, and read back.  Then a guest accesses MSRs and control registers, and
 * gets what it is to get by the model's decision; its twin, without a policy, shows what
 * comes of an access that takes place.
 *
 * There are three kinds of policies, and each VM has those of one kind: what msr-fuzz makes
 * up; rules with masks for a few MSRs that keep what is written; and policies that an MSR
 * filter can express.  For the latter, a third VM has just the filter that libkvmreg makes
 * of them, and its guest has to get the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kvmreg.h"
#include "../fuzz-abi/msr-fuzz.h"
#include "../../../../arch/x86/kvm/reg_rules_model.h"

#define GROUP		32	/* policies that share VMs */
#define ACCESSES	6	/* for a policy */
#define WRITES		2	/* of control registers, for a policy */
#define FILE_ROUNDS	10	/* of all accesses of a round, for a policy of a file */
#define PROGRESS	512
#define MAX_REPORTS	10
#define TEXT_SIZE	512

/* Seconds after which a group, which takes a few, is lost */
#define GROUP_LIMIT	120

#define REASONS		(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)

enum kind { ANY, MASKED, FILTERED, NR_KINDS };

static unsigned long long nr_policies = 10000, seed = 1, retries = 50;

static const struct vmm_option options[] = {
	{ "--policies=", &nr_policies },
	{ "--seed=", &seed },
	{ "--retries=", &retries },
	{ }
};

static const char usage[] =
	"Usage: kernel-verdict [--policies=N] [--seed=N] [--retries=N]\n"
	"       kernel-verdict FILE...\n"
	"\n"
	"Install generated policies, or those of FILEs, and compare what a guest gets with what\n"
	"libkvmreg and the model say. Output is TAP.\n"
	"\n"
	"  --policies=N    by default 10000\n"
	"  --seed=N        what they follow from, by default 1\n"
	"  --retries=N     how often to start VMs anew whose guest was lost, by default 50\n"
	"\n"
	"Needs /dev/kvm, a kernel with register rules, and kvm.force_emulation_prefix=1.\n"
	"\n"
	"Exit status: 0, 1 if something was not as it had to be, 2 if it could not run.\n";

/* A group's VMs, and what is installed */
struct lane {
	enum kind kind;
	struct vmm vm;
	struct vmm twin;
	struct vmm filtered;		/* if FILTERED */
	bool vmx;
	bool amd_guest;
	__u64 reasons;

	const char *name;
	struct fuzz_round round;
	struct kvmreg_policy *policy;
	struct kvm_msr_filter *filter;
};

/* Of a group, and of all groups that could be run */
struct counts {
	unsigned long long policies;
	unsigned long long rules;
	unsigned long long filters;
	unsigned long long accesses;
	unsigned long long writes;
	unsigned long long by_action[NR_ACTIONS];
	unsigned long long by_default;
	unsigned long long by_mask;
	unsigned long long wrong;
};

static struct lane lane;
static struct counts counts;
static struct counts *total;		/* shared with the groups */
static FILE *output;			/* of a group */

static void report(const char *done, const char *what, const char *seen, const char *expected)
{
	char *text, *line, *end;

	if (counts.wrong++ + total->wrong >= MAX_REPORTS)
		return;

	fprintf(output, "# %s: %s: %s: %s, expected %s\n", lane.name, done, what, seen, expected);
	text = kvmreg_format(lane.policy);
	for (line = text; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		fprintf(output, "#   %.*s\n", (int)(end - line), line);
	}
	free(text);
}

static void compare(const char *done, const char *what, const char *seen, const char *expected)
{
	if (strcmp(seen, expected))
		report(done, what, seen, expected);
}

static void describe_decision(unsigned int action, int rule, __u64 value, char *s)
{
	snprintf(s, TEXT_SIZE, "%s by rule %d, value 0x%llx", kvmreg_action_name(action), rule,
		 value);
}

/* The library's number for the model's, which is @nr for none */
static int rule_number(unsigned int rule, unsigned int nr)
{
	return rule < nr ? (int)rule : KVMREG_DEFAULT;
}

/* What the library decides, against the model's rule, of @nr rules, and action */
static void compare_decision(const char *done, const struct kvmreg_access *access,
			     unsigned int action, int rule)
{
	const struct kvmreg_decision by_library = kvmreg_evaluate(lane.policy, access);
	const __u64 value = rule < 0 ? 0 : lane.round.rules.rules[rule].value;
	char seen[TEXT_SIZE], expected[TEXT_SIZE];

	describe_decision(by_library.action, by_library.rule, by_library.value, seen);
	describe_decision(action, rule, value, expected);
	compare(done, "the library decides", seen, expected);

	counts.by_action[action]++;
	counts.by_default += rule == KVMREG_DEFAULT;
	counts.by_mask += rule >= 0 && lane.round.rules.rules[rule].mask;
}

/* The number of the rule by KUnit's model, against that by the fuzzer's */
static void compare_models(const char *done, int kunit, int rule)
{
	char seen[TEXT_SIZE], expected[TEXT_SIZE];

	snprintf(seen, sizeof(seen), "rule %d", kunit);
	snprintf(expected, sizeof(expected), "rule %d", rule);
	compare(done, "KUnit's model says", seen, expected);
}

/* What the guest has access to, and what it holds, as far as that matters */
static struct kvmreg_access library_access(const struct fuzz_access *a,
					   const struct model_list *list)
{
	struct kvmreg_access access = {
		.space = KVM_X86_REG_RULE_MSR,
		.access = a->write ? KVM_X86_REG_RULE_WRITE : KVM_X86_REG_RULE_READ,
		.index = a->index,
		.new_value = a->value,
	};
	__u64 old;

	if (a->write && model_compares(list, a->index)) {
		access.readable = fuzz_read_msr(&lane.twin, a->index, &old);
		access.old = old;
	}
	return access;
}

/* What comes of an access by the model's decision */
static struct vmm_outcome expect(const struct fuzz_access *a,
				 const struct model_decision *decision, bool *performs)
{
	struct vmm_outcome o;

	*performs = model_performs(decision->action);
	if (decision->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN)
		*performs = !fuzz_is_unknown(&lane.twin, a, lane.reasons, &o);
	else if (*performs)
		o = fuzz_make_access(&lane.twin, a);
	return *performs ? o : fuzz_expect_decision(&lane.round.rules, decision, a, lane.reasons);
}

static void test_access(const struct fuzz_access *a)
{
	const struct model_list list = fuzz_list(&lane.round.rules);
	const struct kvmreg_access access = library_access(a, &list);
	char done[TEXT_SIZE], seen[TEXT_SIZE], expected[TEXT_SIZE];
	struct model_decision decision;
	struct fuzz_access shown = *a;
	struct vmm_outcome o, known;
	__u64 changed = ~0ULL;
	bool performs;
	int rule;

	if (access.readable)
		changed = fuzz_compare(lane.amd_guest, a->index, access.old, a->value);
	decision = fuzz_decide(&lane.round.rules, NULL, a, changed, FUZZ_PATCHED);
	describe_access(a, lane.reasons, done, sizeof(done));
	rule = is_x2apic(a->index) ? KVMREG_X2APIC : rule_number(decision.rule, list.nr);
	compare_decision(done, &access, decision.action, rule);
	compare_models(done, reg_rules_model_msr(list.rules, list.nr, a->index, access.access,
						 changed), rule);

	known = expect(a, &decision, &performs);
	shown.masked &= performs;
	describe_outcome(&shown, &known, expected, sizeof(expected));
	o = fuzz_make_access(&lane.vm, a);
	describe_outcome(&shown, &o, seen, sizeof(seen));
	compare(done, "with rules, the guest gets", seen, expected);
	if (lane.filter) {
		o = fuzz_make_access(&lane.filtered, a);
		describe_outcome(&shown, &o, seen, sizeof(seen));
		compare(done, "with the filter, the guest gets", seen, expected);
	}
	counts.accesses++;
}

/* What the library decides on a write to a control register.  Return the model's action. */
static unsigned int test_decision(const char *done, const struct fuzz_write *w)
{
	const struct model_list list = fuzz_list(&lane.round.rules);
	const __u64 changed = w->old ^ w->data;
	const struct kvmreg_access access = {
		.space = model_controls[w->control].space,
		.access = KVM_X86_REG_RULE_WRITE,
		.index = model_controls[w->control].index,
		.readable = true,
		.old = w->old,
		.new_value = w->data,
	};
	const unsigned int action = model_decide_control(&list, w->control, changed);
	const unsigned int first = model_find_control(&list, w->control, changed);
	const int rule = rule_number(first, list.nr);
	const __u64 bits = model_controls[w->control].bits;

	compare_decision(done, &access, action, changed & bits ? rule : KVMREG_NO_CHANGE);
	compare_models(done, reg_rules_model_control(list.rules, list.nr, access.space,
						     access.index, bits, changed), rule);
	return action;
}

/* The third VM's filter is not for control registers, nor are its policies. */
static void test_write(struct fuzz_write w)
{
	const bool fail_closed = lane.round.rules.head.flags & KVM_X86_REG_RULES_FAIL_CLOSED;
	const struct model_list list = fuzz_list(&lane.round.rules);
	char done[TEXT_SIZE], seen[TEXT_SIZE], expected[TEXT_SIZE];
	unsigned int action = KVM_X86_REG_RULE_ALLOW;
	struct fuzz_written o;

	fuzz_aim_write(&w, vmm_get_controls(&lane.vm.vcpus[0]), model_guarded(&list, MODEL_CR0),
		       lane.vmx);
	describe_write(&w, done, sizeof(done));
	if (w.control != MODEL_NR_CONTROLS)
		action = test_decision(done, &w);

	o = fuzz_expect_write(&lane.twin, &w, action, fail_closed);
	describe_written(&o, expected, sizeof(expected));
	o = fuzz_write(&lane.vm, &w);
	describe_written(&o, seen, sizeof(seen));
	compare(done, "with rules, the guest gets", seen, expected);
	counts.writes++;
}

/* Compare the rules with those that a policy has, or the kernel has. */
static void compare_rules(const struct kvmreg_policy *policy, __u32 flags, const char *what)
{
	const struct kvm_x86_reg_rules *head = kvmreg_rules(policy);
	const struct fuzz_rules *rules = &lane.round.rules;

	if (head->flags != flags || head->nr_rules != rules->head.nr_rules ||
	    head->msr_default != rules->head.msr_default ||
	    memcmp((void *)(uintptr_t)head->rules, rules->rules,
		   head->nr_rules * sizeof(*rules->rules)))
		report("the policy", what, "other rules", "the same");
}

/* The rules, as a policy that was written and parsed again */
static void make_policy(void)
{
	struct kvm_x86_reg_rules head = lane.round.rules.head;
	struct kvmreg_error error;
	char *text;

	head.rules = (uintptr_t)lane.round.rules.rules;
	if (kvmreg_from_rules(&head, lane.name, &lane.policy, &error))
		vmm_fail("kvmreg_from_rules: %s", error.message);
	text = kvmreg_format(lane.policy);
	kvmreg_free(lane.policy);
	if (!text || kvmreg_parse(text, strlen(text), lane.name, &lane.policy, &error))
		vmm_fail("kvmreg_parse: %s", text ? error.message : "out of memory");
	free(text);
}

static void install(void)
{
	const struct kvm_x86_reg_rules *head = &lane.round.rules.head;
	/* Without rules and with this default, there is no list, and so there are no flags. */
	const bool none = !head->nr_rules && head->msr_default == KVM_X86_REG_RULE_ALLOW;
	struct kvmreg_policy *installed;
	struct kvmreg_error error;

	compare_rules(lane.policy, head->flags, "written and parsed");
	if (kvmreg_install(lane.vm.vm_fd, lane.policy, KVMREG_NO_FILTER, &error))
		vmm_fail("kvmreg_install: %s", error.message);
	if (kvmreg_read(lane.vm.vm_fd, &installed, &error))
		vmm_fail("kvmreg_read: %s", error.message);
	compare_rules(installed, none ? 0 : head->flags, "read back");
	kvmreg_free(installed);
	if (lane.filter)
		vmm_set_msr_filter(&lane.filtered, lane.filter);

	lane.reasons = lane.round.reasons & REASONS;
	vmm_set_msr_exits(&lane.vm, lane.reasons);
	vmm_set_msr_exits(&lane.twin, lane.reasons);
	if (lane.filter)
		vmm_set_msr_exits(&lane.filtered, lane.reasons);
}

static void drop_policy(void)
{
	kvmreg_free(lane.policy);
	free(lane.filter);
	lane.policy = NULL;
	lane.filter = NULL;
}

/* MSRs that a guest of both VMs can write to, with the bits that are worth a try */
static const struct {
	__u32 index;
	__u64 bits;
} maskable[] = {
	{ 0x00000017, ~0ULL },		/* PLATFORM_ID, which cannot be written */
	{ 0x00000049, 1 },		/* PRED_CMD, which cannot be read */
	{ 0x00000200, ~0ULL },		/* the first MTRR */
	{ 0x00000277, 0x0707070707070707 },	/* PAT */
	{ 0x000002ff, 0xc07 },		/* MTRRdefType */
	{ 0x00000690, ~0ULL },		/* unknown to KVM */
	{ 0xc0000080, 0x5c01 },		/* EFER: SCE, LMA, NX, SVME, FFXSR */
	{ 0xc0000081, ~0ULL },		/* STAR */
	{ 0xc0000084, 0xffffffff },	/* SYSCALL_MASK */
};

static __u64 some_bits(__u64 bits)
{
	const __u64 few = bits & random64() & random64();

	return one_in(3) ? few : 1ULL << below(64) & bits ?: few & random64();
}

static void make_masked(struct fuzz_round *round)
{
	struct fuzz_rules *rules = &round->rules;
	unsigned int i, which;

	rules->head.nr_rules = 4 + below(40);
	for (i = 0; i < rules->head.nr_rules; i++) {
		which = below(ARRAY_SIZE(maskable));
		rules->rules[i] = (struct kvm_x86_reg_rule) {
			.access = WR,
			.action = below(NR_ACTIONS),
			.first = maskable[which].index,
			.last = maskable[which].index,
			.mask = some_bits(maskable[which].bits),
		};
		/* Few rules for all writes, after many with a mask */
		if (!rules->rules[i].mask && i < 20)
			rules->rules[i].mask = maskable[which].bits;
	}
	fuzz_make_accesses(round);
	for (i = 0; i < ACCESSES; i++) {
		which = below(ARRAY_SIZE(maskable));
		round->accesses[i].index = maskable[which].index;
		round->accesses[i].write = !one_in(8);
		round->accesses[i].masked = false;
		round->accesses[i].value = some_bits(maskable[which].bits);
	}
}

/* Leave what a filter may express: rules that allow or deny, half of the time close by. */
static void make_filtered(struct fuzz_round *round)
{
	struct fuzz_rules *rules = &round->rules;
	const bool close = one_in(2);
	struct kvm_x86_reg_rule *rule;
	__u32 i, nr = 0;

	for (i = 0; i < rules->head.nr_rules; i++) {
		rule = &rules->rules[i];
		if (rule->space != KVM_X86_REG_RULE_MSR)
			continue;
		rule->action = model_performs(rule->action) ? KVM_X86_REG_RULE_ALLOW :
							      KVM_X86_REG_RULE_DENY;
		rule->mask = 0;
		rule->value = 0;
		if (close) {
			rule->first = 0xc0000000 + below(0x8000);
			rule->last = rule->first + below(64);
		}
		rules->rules[nr++] = *rule;
	}
	rules->head.nr_rules = nr;
	rules->head.flags = 0;
	rules->head.msr_default = model_performs(rules->head.msr_default) ?
				  KVM_X86_REG_RULE_ALLOW : KVM_X86_REG_RULE_DENY;
	fuzz_make_accesses(round);
}

/* A policy that the kernel takes and, if there is a VM for it, a filter expresses */
static bool try_policy(unsigned int number, unsigned int attempt)
{
	struct fuzz_round *round = &lane.round;

	/* Of msr-fuzz's rounds, one that has rules */
	fuzz_make_round(round, seed + ((__u64)attempt << 32), 2 * FUZZ_GROUP * number + FUZZ_GROUP);
	if (fuzz_errno(fuzz_rules_errors(&round->rules)))
		return false;
	if (lane.kind == MASKED)
		make_masked(round);
	else if (lane.kind == FILTERED)
		make_filtered(round);
	make_policy();
	if (lane.kind != FILTERED || !kvmreg_to_filter(lane.policy, &lane.filter, NULL))
		return true;
	drop_policy();
	return false;
}

static void test_policy(unsigned int number)
{
	unsigned int i, attempt = 0;
	char name[32];

	snprintf(name, sizeof(name), "policy %u", number);
	lane.name = name;
	while (!try_policy(number, attempt))
		attempt++;
	install();
	for (i = 0; i < ACCESSES; i++)
		test_access(&lane.round.accesses[i]);
	for (i = 0; i < WRITES && !lane.filter; i++)
		test_write(lane.round.writes[i]);
	counts.policies++;
	counts.rules += lane.round.rules.head.nr_rules;
	counts.filters += !!lane.filter;
	drop_policy();
}

static void create_lane(const struct fuzz_vm *input, enum kind kind)
{
	lane.kind = kind;
	lane.vmx = fuzz_has_vmx();
	lane.amd_guest = !lane.vmx && input->cpuid == SUPPORTED_CPUID;
	fuzz_create_vm(&lane.vm, input);
	fuzz_create_vm(&lane.twin, input);
	if (kind == FILTERED)
		fuzz_create_vm(&lane.filtered, input);
}

static void run_group(unsigned int group, const char *unused)
{
	const unsigned int end = (group + 1) * GROUP;
	struct fuzz_vm input;
	unsigned int i;

	(void)unused;
	fuzz_make_vm(&input, seed, group);
	create_lane(&input, group % NR_KINDS);
	for (i = group * GROUP; i < end && i < nr_policies; i++)
		test_policy(i);
}

static void load_policy(const char *path)
{
	struct fuzz_rules *rules = &lane.round.rules;
	const struct kvm_x86_reg_rules *head;
	static char text[1 << 20];
	FILE *file = fopen(path, "r");
	struct kvmreg_error error;
	size_t size;

	if (!file)
		vmm_fail("%s: %s", path, strerror(errno));
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (kvmreg_parse(text, size, path, &lane.policy, &error))
		vmm_fail("%s", error.message);

	head = kvmreg_rules(lane.policy);
	rules->head = *head;
	memcpy(rules->rules, (void *)(uintptr_t)head->rules,
	       head->nr_rules * sizeof(*rules->rules));
}

/* All accesses of some rounds, near the rules of the file */
static void run_file(unsigned int number, const char *path)
{
	const struct fuzz_vm input = { .irqchip = true, .cpuid = SUPPORTED_CPUID };
	unsigned int i, round;

	(void)number;
	lane.name = path;
	fuzz_make_round(&lane.round, seed, FUZZ_GROUP);
	load_policy(path);
	create_lane(&input, kvmreg_to_filter(lane.policy, &lane.filter, NULL) ? ANY : FILTERED);
	install();
	for (round = 0; round < FILE_ROUNDS; round++) {
		fuzz_make_accesses(&lane.round);
		for (i = 0; i < FUZZ_ACCESSES; i++)
			test_access(&lane.round.accesses[i]);
		for (i = 0; i < FUZZ_WRITES && !lane.filter; i++)
			test_write(lane.round.writes[i]);
	}
	counts.rules = lane.round.rules.head.nr_rules;
	counts.filters = !!lane.filter;
}

typedef void group_function(unsigned int number, const char *path);

static void add_counts(void)
{
	unsigned long long *to = (unsigned long long *)total;
	const unsigned long long *from = (unsigned long long *)&counts;
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(*from); i++)
		to[i] += from[i];
}

/* In a process of its own: prints and counts everything, or nothing, if it fails */
static int try_group(group_function *run, unsigned int number, const char *path)
{
	const pid_t pid = fork();
	int status;
	size_t size;
	char *text;

	if (!pid) {
		output = open_memstream(&text, &size);
		alarm(GROUP_LIMIT);
		run(number, path);
		fclose(output);
		fwrite(text, 1, size, stdout);
		fflush(stdout);
		add_counts();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		vmm_fail("fork: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : VMM_FAILED;
}

/* An emulator may spoil a VM: start anew. */
static void do_group(group_function *run, unsigned int number, const char *path)
{
	while (try_group(run, number, path)) {
		if (!retries)
			vmm_fail("group %u of seed %llu cannot be run", number, seed);
		retries--;
		printf("# group %u once more\n", number);
		fflush(stdout);
	}
}

static void print_counts(void)
{
	unsigned int action;

	for (action = 0; action < NR_ACTIONS; action++)
		printf("# %s: %llu\n", kvmreg_action_name(action), total->by_action[action]);
	printf("# by default: %llu, by rules with a mask: %llu\n", total->by_default,
	       total->by_mask);
}

/* The end of a line */
static void print_accesses(void)
{
	printf("%llu accesses, %llu writes to control registers, %llu wrong\n", total->accesses,
	       total->writes, total->wrong);
	fflush(stdout);
}

static int test_generated(void)
{
	unsigned int group;

	printf("TAP version 13\n1..1\n");
	for (group = 0; (__u64)group * GROUP < nr_policies; group++) {
		do_group(run_group, group, NULL);
		if (total->policies % PROGRESS == 0 || total->policies == nr_policies)
			printf("# %llu policies, %llu wrong\n", total->policies, total->wrong);
		fflush(stdout);
	}
	print_counts();
	printf("%sok 1 - %llu policies with %llu rules, %llu of them as filters, too: ",
	       total->wrong ? "not " : "", total->policies, total->rules, total->filters);
	print_accesses();
	return total->wrong != 0;
}

static int test_files(char **paths)
{
	unsigned int number = 0;
	int status = 0;

	printf("TAP version 13\n");
	for (; *paths; paths++) {
		memset(total, 0, sizeof(*total));
		do_group(run_file, number, *paths);
		printf("%sok %u - %s: %llu rules%s: ", total->wrong ? "not " : "", ++number, *paths,
		       total->rules, total->filters ? ", and a filter" : "");
		print_accesses();
		status |= total->wrong != 0;
	}
	printf("1..%u\n", number);
	return status;
}

int main(int argc, char **argv)
{
	char **paths = vmm_parse(argc, argv, usage, options, true);

	if (!vmm_max_reg_rules()) {
		printf("1..0 # SKIP this kernel has no register rules\n");
		return 0;
	}
	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (total == MAP_FAILED)
		vmm_fail("mmap: %s", strerror(errno));
	return *paths ? test_files(paths) : test_generated();
}
