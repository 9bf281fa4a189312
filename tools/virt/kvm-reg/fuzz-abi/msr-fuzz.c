// SPDX-License-Identifier: GPL-2.0
/*
 * Random MSR filters and register rules, and random accesses by a guest under each, to
 * MSRs and to control registers: what KVM makes of them.
 *
 * What happens follows from the seed alone.  Every other VM has filters only: two
 * kernels' outcomes are to be compared.  Where the series closes a weakness, the
 * outcome has to be the one that is known for the kernel, and the output says just
 * that it was; all else has to be the same on both kernels.
 *
 * The other VMs have rules as well, which the unpatched kernel does not know.  There,
 * a model says what becomes of each access.  Beside the VM stands its twin, without
 * rules and filters, whose guest makes only the accesses that the model lets through:
 * it shows what these come to, and what an MSR holds that is about to be written.  Both
 * VMs' control registers are to be the same after each write.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "msr-fuzz.h"

/* Seconds after which a group, which takes less than one, is lost */
#define GROUP_LIMIT	60

#define EVERY_ROUND	(~0ULL)

/* What this process was asked for */
static unsigned long long seed;
static unsigned long long nr_rounds = 100;
static unsigned long long only_round = EVERY_ROUND;
static unsigned long long retries;
static unsigned long long list_only;
static unsigned long long kernel;	/* enum fuzz_kernel */

static FILE *output;		/* of a group of rounds */

static const struct vmm_option options[] = {
	{ "--seed=", &seed },
	{ "--rounds=", &nr_rounds },
	{ "--round=", &only_round },
	{ "--retries=", &retries },
	{ "--base", &kernel },
	{ "--list", &list_only },
	{ }
};

static const char usage[] =
	"Usage: msr-fuzz [OPTION]...\n"
	"\n"
	"Set random MSR filters and register rules, and have a guest make random accesses\n"
	"under each.  One line per round, tab-separated:\n"
	"\n"
	"  round, \"filter\" or \"rules\", hash of all that was seen, accesses, a count for each\n"
	"  weakness of the unpatched filter that was met, for each of the cases that rules can\n"
	"  come to, and for each two errors that were met at once, and outcomes that were not\n"
	"  as they had to be\n"
	"\n"
	"Of rounds without rules, the lines are the same on the patched and on the unpatched\n"
	"kernel, unless they differ in more than these weaknesses.  Rounds with rules are left\n"
	"out on the unpatched kernel.\n"
	"\n"
	"  --seed=N        what the rounds follow from, by default 0\n"
	"  --rounds=N      by default 100\n"
	"  --round=N       just this round (and those before it in its VM), in words:\n"
	"                  what was done, what was seen, what was expected\n"
	"  --base          expect the unpatched kernel's outcomes\n"
	"  --retries=N     how often to start a VM anew whose guest was lost, by default 0\n"
	"  --list          print the weaknesses and the cases, and where they can be met\n"
	"  --help          print this\n"
	"\n"
	"Needs /dev/kvm, and kvm.force_emulation_prefix=1.\n"
	"\n"
	"Exit status: 0; 1 if an outcome was not as it had to be; 2 if a round could not\n"
	"be run.\n";

/* A group's VM, and what is in force in it */
struct lane {
	struct vmm vm;
	bool vmx;
	bool amd_guest;			/* the vCPU is one of AMD's, by its CPUID */
	__u64 reasons;
	bool has_filter;
	struct fuzz_filter installed;

	bool with_rules;		/* all that follows is only then there */
	bool has_rules;
	struct fuzz_rules rules;
	struct vmm twin;
	unsigned long long counted;	/* what the vCPU's statistics are to say */
};

/* What a round comes to */
struct tally {
	unsigned int round;
	__u64 hash;
	unsigned int accesses;
	unsigned int cases[NR_CASES];
	unsigned int crossings[NR_ERRORS][NR_ERRORS];	/* the first error, and a later one */
	unsigned int unexpected;
};

static void add_to_hash(struct tally *t, const char *s)
{
	for (; *s; s++)		/* FNV-1a */
		t->hash = (t->hash ^ (unsigned char)*s) * 0x100000001b3;
}

/*
 * Something was done; @expected is what had to be seen, empty if that is not
 * known.  With a weakness, only that it was met is compared between the kernels.
 */
static void note(struct tally *t, const char *done, const char *seen, const char *expected,
		 enum fuzz_case weakness, bool wrong)
{
	const char *name = weakness == NO_WEAKNESS ? "" : fuzz_cases[weakness].name;

	wrong |= *expected && strcmp(seen, expected);
	t->unexpected += wrong;
	if (weakness != NO_WEAKNESS)
		t->cases[weakness]++;
	add_to_hash(t, done);
	add_to_hash(t, *name ? name : seen);

	if (t->round != only_round)
		return;

	fprintf(output, "%s: %s\t%s", done, seen, name);
	if (wrong)
		fprintf(output, " WRONG, expected: %s", *expected ? expected : "no denial");
	fputc('\n', output);
}

/* Count each error that was met together with the first. */
static void count_crossings(struct tally *t, struct fuzz_errors errors)
{
	int i;

	for (i = 0; errors.first != NO_ERROR && i < NR_ERRORS; i++)
		t->crossings[errors.first][i] += errors.later >> i & 1;
}

/* An ioctl returned @r; @wrong, if not NULL, is what else was wrong with it. */
static void note_ioctl(struct tally *t, const char *done, int r, int known, const char *wrong,
		       enum fuzz_case weakness)
{
	const char *seen = r ? strerrorname_np(r) : "done";

	note(t, done, wrong ?: seen, known ? strerrorname_np(known) : "done", weakness, false);
}

static void try_filter(struct lane *lane, const struct fuzz_filter *filter, struct tally *t)
{
	const int known = fuzz_errno(fuzz_filter_errors(filter, kernel));
	char done[4096];

	describe_filter(filter, done, sizeof(done));
	note_ioctl(t, done, fuzz_set_filter(lane->vm.vm_fd, filter), known, NULL,
		   lane->with_rules ? NO_WEAKNESS : fuzz_set_weakness(filter));
	count_crossings(t, fuzz_filter_errors(filter, FUZZ_PATCHED));
}

/*
 * Where one kernel takes the filter and the other does not, both get one that
 * both take, so that they go on under the same.
 */
static void do_filter(struct lane *lane, struct fuzz_filter *filter, struct tally *t)
{
	const bool by_base = fuzz_filter_errors(filter, FUZZ_BASE).first == NO_ERROR;
	bool set = fuzz_filter_errors(filter, FUZZ_PATCHED).first == NO_ERROR;

	try_filter(lane, filter, t);
	if (!lane->with_rules && set != by_base) {
		fuzz_repair(filter);
		try_filter(lane, filter, t);
		set = true;
	}
	if (set) {
		lane->installed = *filter;
		lane->has_filter = true;
	}
}

static void do_reasons(struct lane *lane, __u64 reasons, struct tally *t)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = reasons,
	};
	const __u64 valid = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
			    KVM_MSR_EXIT_REASON_FILTER;
	const int known = reasons & ~valid ? EINVAL : 0;
	char done[64];

	snprintf(done, sizeof(done), "exits for reasons 0x%llx", reasons);
	note_ioctl(t, done, ioctl(lane->vm.vm_fd, KVM_ENABLE_CAP, &cap) ? errno : 0, known,
		   NULL, NO_WEAKNESS);
	if (known)
		return;

	lane->reasons = reasons;
	if (lane->with_rules)
		vmm_set_msr_exits(&lane->twin, reasons);
}

/* An access came to @o; @known, if not NULL, is what it had to come to. */
static void note_access(struct lane *lane, struct tally *t, const struct fuzz_access *a,
			const struct vmm_outcome *o, const struct vmm_outcome *known,
			enum fuzz_case weakness, bool wrong)
{
	char done[128], seen[128], expected[128] = "";

	describe_access(a, lane->reasons, done, sizeof(done));
	describe_outcome(a, o, seen, sizeof(seen));
	if (known)
		describe_outcome(a, known, expected, sizeof(expected));
	note(t, done, seen, expected, weakness, wrong);
	t->accesses++;
}

static void do_access(struct lane *lane, const struct fuzz_access *a, struct tally *t)
{
	const struct fuzz_filter *filter = lane->has_filter ? &lane->installed : NULL;
	const enum fuzz_case weakness = fuzz_access_weakness(filter, a, lane->vmx);
	const struct vmm_outcome o = fuzz_make_access(&lane->vm, a);
	const bool wrong = o.exited && o.reason == KVM_MSR_EXIT_REASON_FILTER &&
			   !fuzz_denies(filter, a, kernel);
	struct vmm_outcome known;
	bool is_known;

	is_known = fuzz_expect(filter, a, lane->reasons, kernel, lane->vmx, &known);
	note_access(lane, t, a, &o, is_known ? &known : NULL, weakness, wrong);

	/* One kernel has armed the timer, the other has not. */
	if (weakness == DEADLINE_FASTPATH)
		vmm_set_msr(&lane->vm.vcpus[0], TSC_DEADLINE, 0);
}

/* The bits that a write changes, as far as that matters; all of them if it is not known */
static __u64 changed_bits(struct lane *lane, const struct fuzz_rules *rules,
			  const struct fuzz_access *a, struct tally *t)
{
	const struct model_list list = rules ? fuzz_list(rules) : (struct model_list) { };
	__u64 old, changed = ~0ULL;
	unsigned int rule;

	if (!a->write || !model_compares(&list, a->index))
		return changed;

	if (fuzz_read_msr(&lane->twin, a->index, &old))
		changed = fuzz_compare(lane->amd_guest, a->index, old, a->value);
	else
		t->cases[CASE_MASK_UNREADABLE]++;
	rule = model_find(&list, a->index, WR, changed);
	if (rule != model_find(&list, a->index, WR, ~0ULL))
		t->cases[CASE_MASK_SPARES]++;
	else if (rule < list.nr && list.rules[rule].mask)
		t->cases[CASE_MASK_MATCHES]++;
	return changed;
}

static void count_decision(struct lane *lane, const struct model_decision *decision,
			   bool performs, const struct vmm_outcome *o, struct tally *t)
{
	static const enum fuzz_case cases[] = {
		[KVM_X86_REG_RULE_ALLOW]	= CASE_ALLOW,
		[KVM_X86_REG_RULE_DENY]	= CASE_DENY_GP,
		[KVM_X86_REG_RULE_GP]	= CASE_GP,
		[KVM_X86_REG_RULE_EXIT]	= CASE_EXIT,
		[KVM_X86_REG_RULE_IGNORE]	= CASE_IGNORE,
		[KVM_X86_REG_RULE_AUDIT]	= CASE_AUDIT,
		[KVM_X86_REG_RULE_IGNORE_UNKNOWN] = CASE_UNKNOWN,
	};

	lane->counted += !performs || decision->action == KVM_X86_REG_RULE_AUDIT;
	if (!lane->has_rules)
		return;

	if (decision->list == MODEL_FILTER)
		t->cases[CASE_FILTER_DENIES]++;
	else if (decision->action == KVM_X86_REG_RULE_DENY && o->exited)
		t->cases[CASE_DENY_EXIT]++;
	else if (decision->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN && performs)
		t->cases[CASE_NOT_UNKNOWN]++;
	else
		t->cases[cases[decision->action]]++;
}

static void do_ruled_access(struct lane *lane, const struct fuzz_access *a, struct tally *t)
{
	const struct fuzz_filter *filter = lane->has_filter ? &lane->installed : NULL;
	const struct fuzz_rules *rules = lane->has_rules ? &lane->rules : NULL;
	const __u64 changed = changed_bits(lane, rules, a, t);
	const struct model_decision decision = fuzz_decide(rules, filter, a, changed,
							   FUZZ_PATCHED);
	bool performs = model_performs(decision.action);
	struct fuzz_access shown = *a;
	struct vmm_outcome known, o;

	if (decision.action == KVM_X86_REG_RULE_IGNORE_UNKNOWN)
		performs = !fuzz_is_unknown(&lane->twin, a, lane->reasons, &known);
	else if (performs)
		known = fuzz_make_access(&lane->twin, a);
	if (!performs)
		known = fuzz_expect_decision(rules, &decision, a, lane->reasons);
	o = fuzz_make_access(&lane->vm, a);

	shown.masked &= performs;
	note_access(lane, t, &shown, &o, &known, NO_WEAKNESS, false);
	count_decision(lane, &decision, performs, &known, t);
	t->cases[CASE_FAIL_CLOSED] += known.error && a->answer == LEAVE;
}

static void count_write(const struct fuzz_write *w, const struct model_list *list,
			unsigned int action, const struct fuzz_written *o, struct tally *t)
{
	static const enum fuzz_case cases[] = {
		[KVM_X86_REG_RULE_ALLOW]	= CASE_CONTROL_ALLOW,
		[KVM_X86_REG_RULE_DENY]	= CASE_CONTROL_REFUSE,
		[KVM_X86_REG_RULE_GP]	= CASE_CONTROL_REFUSE,
		[KVM_X86_REG_RULE_EXIT]	= CASE_CONTROL_EXIT,
		[KVM_X86_REG_RULE_AUDIT]	= CASE_CONTROL_AUDIT,
	};
	const __u64 changed = w->old ^ w->data;

	if (model_find_control(list, w->control, changed) < list->nr)
		t->cases[cases[action]]++;
	else if (model_find_control(list, w->control, ~0ULL) < list->nr)
		t->cases[CASE_CONTROL_SPARES]++;
	t->cases[CASE_CONTROL_INVALID] += model_performs(action) && o->gp;
	t->cases[CASE_CONTROL_REPLACED] += o->exited && w->answer == PERFORM && w->replace;
	t->cases[CASE_CONTROL_FAIL_CLOSED] += o->exit.error && w->answer == LEAVE;
}

/* Filters do nothing to control registers: both kernels' outcomes are compared. */
static void do_write(struct lane *lane, struct fuzz_write w, struct tally *t)
{
	const struct fuzz_rules *rules = lane->has_rules ? &lane->rules : NULL;
	const struct model_list list = rules ? fuzz_list(rules) : (struct model_list) { };
	const bool fail_closed = rules && rules->head.flags & KVM_X86_REG_RULES_FAIL_CLOSED;
	unsigned int action = KVM_X86_REG_RULE_ALLOW;
	char done[128], seen[384], expected[384] = "";
	struct fuzz_written o, known;

	fuzz_aim_write(&w, vmm_get_controls(&lane->vm.vcpus[0]),
		       model_guarded(&list, MODEL_CR0), lane->vmx);
	if (w.control != MODEL_NR_CONTROLS)
		action = model_decide_control(&list, w.control, w.old ^ w.data);
	if (lane->with_rules) {
		known = fuzz_expect_write(&lane->twin, &w, action, fail_closed);
		describe_written(&known, expected, sizeof(expected));
	}
	o = fuzz_write(&lane->vm, &w);
	describe_write(&w, done, sizeof(done));
	describe_written(&o, seen, sizeof(seen));
	note(t, done, seen, expected, NO_WEAKNESS,
	     o.read_cr0 != o.after.cr0 || o.read_cr4 != o.after.cr4);
	t->accesses++;
	lane->counted += action != KVM_X86_REG_RULE_ALLOW;
	if (rules && w.control != MODEL_NR_CONTROLS)
		count_write(&w, &list, action, &known, t);
}

static void do_rules(struct lane *lane, const struct fuzz_rules *rules, struct tally *t)
{
	const struct model_list list = fuzz_list(rules);
	const struct fuzz_errors errors = fuzz_rules_errors(rules);
	static char done[DESCRIPTION_SIZE];

	describe_rules(rules, done, sizeof(done));
	note_ioctl(t, done, fuzz_set_rules(lane->vm.vm_fd, rules), fuzz_errno(errors), NULL,
		   NO_WEAKNESS);
	count_crossings(t, errors);
	if (errors.first != NO_ERROR) {
		if (errors.first != MASKS_OVERLAP)
			t->cases[CASE_SET_REFUSED]++;
		else if (model_crowds(&list))
			t->cases[CASE_CONTROLS_CROWD]++;
		else
			t->cases[CASE_MASKS_OVERLAP]++;
		return;
	}

	lane->has_rules = rules->head.nr_rules || rules->head.msr_default != KVM_X86_REG_RULE_ALLOW;
	lane->rules = *rules;
}

static void do_get(struct lane *lane, const struct fuzz_get *get, struct tally *t)
{
	const struct fuzz_rules *rules = lane->has_rules ? &lane->rules : NULL;
	const struct fuzz_errors errors = fuzz_get_errors(get, rules);
	const char *wrong;
	char done[128];
	int r;

	describe_get(get, rules, done, sizeof(done));
	r = fuzz_get_rules(lane->vm.vm_fd, get, rules, &wrong);
	note_ioctl(t, done, r, fuzz_errno(errors), wrong, NO_WEAKNESS);
	count_crossings(t, errors);
	if (errors.first == GET_TOO_SMALL)
		t->cases[CASE_GET_TOO_SMALL]++;
	else if (errors.first != NO_ERROR)
		t->cases[CASE_GET_REFUSED]++;
}

/* What the vCPU counts: an audited access is to be intercepted, whatever the MSR. */
static void check_counted(struct lane *lane, struct tally *t)
{
	char got[32], expected[32];

	snprintf(got, sizeof(got), "%llu", vmm_stat(&lane->vm.vcpus[0], "reg_policy_hits"));
	snprintf(expected, sizeof(expected), "%llu", lane->counted);
	note(t, "counted", got, expected, NO_WEAKNESS, false);
}

static void print_tally(const struct lane *lane, const struct tally *t)
{
	int i, j;

	fprintf(output, "%u\t%s\t%016llx\t%u", t->round,
		lane->with_rules ? "rules" : "filter", t->hash, t->accesses);
	for (i = 0; i < NR_CASES; i++)
		fprintf(output, "\t%u", t->cases[i]);
	for (i = 0; i < NR_ERRORS; i++)
		for (j = 0; j < NR_ERRORS; j++)
			if (fuzz_errors[i].later >> j & 1)
				fprintf(output, "\t%u", t->crossings[i][j]);
	fprintf(output, "\t%u\n", t->unexpected);
}

static void run_rules_round(struct lane *lane, const struct fuzz_round *round, struct tally *t)
{
	int i;

	do_rules(lane, &round->rules, t);
	do_get(lane, &round->get, t);
	for (i = 0; i < FUZZ_ACCESSES; i++)
		do_ruled_access(lane, &round->accesses[i], t);
	for (i = 0; i < FUZZ_WRITES; i++)
		do_write(lane, round->writes[i], t);
	check_counted(lane, t);
}

/* Returns how many outcomes were not as they had to be. */
static unsigned int run_round(struct lane *lane, unsigned int number)
{
	struct tally t = { .round = number, .hash = 0xcbf29ce484222325 };
	static struct fuzz_round round;
	int i;

	fuzz_make_round(&round, seed, number);
	do_reasons(lane, round.reasons, &t);
	do_filter(lane, &round.filter, &t);
	if (lane->with_rules)
		run_rules_round(lane, &round, &t);
	for (i = 0; i < FUZZ_ACCESSES && !lane->with_rules; i++)
		do_access(lane, &round.accesses[i], &t);
	for (i = 0; i < FUZZ_WRITES && !lane->with_rules; i++)
		do_write(lane, round.writes[i], &t);

	if (only_round == EVERY_ROUND)
		print_tally(lane, &t);
	else if (only_round != number)
		return 0;
	return t.unexpected;
}

static void create_lane(struct lane *lane, unsigned int group)
{
	struct fuzz_vm input;

	fuzz_make_vm(&input, seed, group);
	lane->vmx = fuzz_has_vmx();
	lane->amd_guest = !lane->vmx && input.cpuid == SUPPORTED_CPUID;
	fuzz_create_vm(&lane->vm, &input);
	lane->with_rules = fuzz_has_rules(group);
	if (lane->with_rules)
		fuzz_create_vm(&lane->twin, &input);
}

/* In a process of its own: runs up to round @last; prints all, or nothing, if it fails. */
static void __noreturn run_group(unsigned int group, unsigned int last)
{
	static struct lane lane;
	unsigned int i, unexpected = 0;
	size_t size;
	char *text;

	output = open_memstream(&text, &size);
	alarm(GROUP_LIMIT);
	create_lane(&lane, group);
	for (i = group * FUZZ_GROUP; i <= last; i++)
		unexpected += run_round(&lane, i);
	fclose(output);
	fwrite(text, 1, size, stdout);
	exit(!!unexpected);
}

static int try_group(unsigned int group, unsigned int last)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		run_group(group, last);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		vmm_fail("fork: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : VMM_FAILED;
}

/* A VM that an emulator has spoilt starts anew: nothing of it was printed. */
static int do_group(unsigned int group, unsigned int last)
{
	int status = try_group(group, last);

	while (status == VMM_FAILED && retries) {
		retries--;
		fprintf(stderr, "msr-fuzz: rounds %u to %u once more\n",
			group * FUZZ_GROUP, last);
		status = try_group(group, last);
	}
	if (status == VMM_FAILED)
		vmm_fail("rounds %u to %u of seed %llu cannot be run", group * FUZZ_GROUP,
			 last, seed);
	return status;
}

static int run_all(void)
{
	const bool all = only_round == EVERY_ROUND;
	const unsigned int end = all ? nr_rounds : only_round + 1;
	unsigned int group = all ? 0 : only_round / FUZZ_GROUP, last;
	int status = 0;

	for (; group * FUZZ_GROUP < end; group++) {
		last = group * FUZZ_GROUP + FUZZ_GROUP - 1;
		/* The unpatched kernel has no rules. */
		if (kernel == FUZZ_PATCHED || !fuzz_has_rules(group))
			status |= do_group(group, last < end ? last : end - 1);
	}
	return status;
}

static void print_list(void)
{
	const struct fuzz_case_info *c;
	int i, j;

	for (c = fuzz_cases; c < fuzz_cases + NR_CASES; c++)
		/* The fastpath is met on Intel alone. */
		printf("%s\t%s\t%s\n", c->name,
		       c == &fuzz_cases[DEADLINE_FASTPATH] ? "vmx" : "any", c->what);
	for (i = 0; i < NR_ERRORS; i++)
		for (j = 0; j < NR_ERRORS; j++)
			if (fuzz_errors[i].later >> j & 1)
				printf("%s+%s\tany\t%s, for the first of the two\n",
				       fuzz_errors[i].name, fuzz_errors[j].name,
				       strerrorname_np(fuzz_errors[i].error));
}

int main(int argc, char **argv)
{
	vmm_parse(argc, argv, usage, options, false);
	if (list_only) {
		print_list();
		return 0;
	}
	fuzz_map_pages();
	return run_all();
}
