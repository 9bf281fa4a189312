// SPDX-License-Identifier: GPL-2.0
/*
 * Random MSR filters and register rules, and random accesses by a guest under each:
 * what KVM makes of them.
 *
 * What happens follows from the seed alone.  Every other VM has filters only: two
 * kernels' outcomes are to be compared.  Where the series closes a weakness, the
 * outcome has to be the one that is known for the kernel, and the output says just
 * that it was; all else has to be the same on both kernels.
 *
 * The other VMs have rules as well, which the unpatched kernel does not know.  There,
 * a model says what becomes of each access.  Beside the VM stands its twin, without
 * rules and filters, whose guest makes only the accesses that the model lets through:
 * it shows what these come to, and what an MSR holds that is about to be written.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz-describe.h"
#include "fuzz-ioctl.h"
#include "fuzz-round.h"
#include "vmm.h"

#define TSC		0x10
#define COUNTER0	0xc1
#define COUNTER7	0xc8
#define SYSENTER_ESP	0x175
#define SYSENTER_EIP	0x176
#define PT_OUTPUT_MASK	0x561
#define TSC_DEADLINE	0x6e0
#define STIMER0_CONFIG	0x400000b0
#define STIMER3_COUNT	0x400000b7
#define EFER		0xc0000080
#define EFER_LMA	(1ULL << 10)
#define TSC_AUX		0xc0000103

#define CPUID_1_ECX_VMX		(1u << 5)
#define CPUID_7_ECX_LA57	(1u << 16)
#define APIC_X2APIC	0xc00	/* in APIC_BASE: enabled, as an x2APIC */

/* Seconds after which a group, which takes less than one, is lost */
#define GROUP_LIMIT	60

#define EVERY_ROUND	(~0ULL)

/* What this process was asked for */
static unsigned long long seed;
static unsigned long long nr_rounds = 100;
static unsigned long long only_round = EVERY_ROUND;
static unsigned long long retries;
static enum fuzz_kernel kernel = FUZZ_PATCHED;

static const struct setting {
	const char *name;
	unsigned long long *value;
} settings[] = {
	{ "--seed=", &seed },
	{ "--rounds=", &nr_rounds },
	{ "--round=", &only_round },
	{ "--retries=", &retries },
};

static const char usage[] =
	"Usage: msr-fuzz [OPTION]...\n"
	"\n"
	"Set random MSR filters and register rules, and have a guest make random accesses\n"
	"under each.  One line per round, tab-separated:\n"
	"\n"
	"  round, \"filter\" or \"rules\", hash of all that was seen, accesses, a count for each\n"
	"  weakness of the unpatched filter that was met, a count for each of the cases that\n"
	"  rules can come to, outcomes that were not as they had to be\n"
	"\n"
	"Of rounds without rules, the lines are the same on the patched and on the unpatched\n"
	"kernel, unless they differ in more than these weaknesses.  Rounds with rules are left\n"
	"out on the unpatched kernel.\n"
	"\n"
	"  --seed=N        what the rounds follow from, by default 0\n"
	"  --rounds=N      by default 100\n"
	"  --round=N       just this round (and those before it in its VM), in words:\n"
	"                  what was done, what was seen, what was expected\n"
	"  --kernel=NAME   base or patched: whose outcomes to expect, by default patched\n"
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
	struct vmm_vcpu *vcpu;
	bool vmx;
	bool amd_guest;			/* the vCPU is one of AMD's, by its CPUID */
	__u64 reasons;
	bool has_filter;
	struct fuzz_filter installed;

	bool with_rules;		/* all that follows is only then there */
	bool has_rules;
	struct fuzz_rules rules;
	struct vmm twin;
	struct vmm_vcpu *twin_vcpu;
	unsigned long long counted;	/* what the vCPU's statistics are to say */
};

/* What a round comes to */
struct tally {
	unsigned int round;
	__u64 hash;
	unsigned int accesses;
	unsigned int weaknesses[NR_WEAKNESSES];
	unsigned int cases[NR_CASES];
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
		 enum fuzz_weakness weakness, bool wrong)
{
	const char *name = weakness == NO_WEAKNESS ? "" : fuzz_weaknesses[weakness].name;

	wrong |= *expected && strcmp(seen, expected);
	t->unexpected += wrong;
	if (weakness != NO_WEAKNESS)
		t->weaknesses[weakness]++;
	add_to_hash(t, done);
	add_to_hash(t, *name ? name : seen);

	if (t->round != only_round)
		return;

	printf("%s: %s\t%s", done, seen, name);
	if (wrong)
		printf(" WRONG, expected: %s", *expected ? expected : "no denial");
	putchar('\n');
}

static void try_filter(struct lane *lane, const struct fuzz_filter *filter, struct tally *t)
{
	char done[4096], seen[32], expected[32];
	int r;

	describe_filter(filter, done, sizeof(done));
	describe_errno(fuzz_set_errno(filter, kernel), expected, sizeof(expected));
	r = fuzz_set_filter(lane->vm.vm_fd, filter);
	describe_errno(r, seen, sizeof(seen));
	note(t, done, seen, expected,
	     lane->with_rules ? NO_WEAKNESS : fuzz_set_weakness(filter), false);
}

/*
 * Where one kernel takes the filter and the other does not, both get one that
 * both take, so that they go on under the same.
 */
static void do_filter(struct lane *lane, struct fuzz_filter *filter, struct tally *t)
{
	bool set = !fuzz_set_errno(filter, FUZZ_PATCHED);

	try_filter(lane, filter, t);
	if (!lane->with_rules && set != !fuzz_set_errno(filter, FUZZ_BASE)) {
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
	char done[64], seen[32], expected[32];

	snprintf(done, sizeof(done), "exits for reasons 0x%llx", reasons);
	describe_errno(reasons & ~valid ? EINVAL : 0, expected, sizeof(expected));
	describe_errno(ioctl(lane->vm.vm_fd, KVM_ENABLE_CAP, &cap) ? errno : 0,
		       seen, sizeof(seen));
	note(t, done, seen, expected, NO_WEAKNESS, false);
	if (reasons & ~valid)
		return;

	lane->reasons = reasons;
	if (lane->with_rules)
		vmm_set_msr_exits(&lane->twin, reasons);
}

static void answer_exit(struct kvm_run *run, const struct fuzz_access *a,
			struct fuzz_outcome *o)
{
	const bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;

	if (o->exited || write != a->write || run->msr.index != a->index)
		vmm_fail("KVM_RUN: an exit for %s 0x%08x during %s 0x%08x",
			 write ? "wrmsr" : "rdmsr", run->msr.index,
			 a->write ? "wrmsr" : "rdmsr", a->index);

	o->exited = true;
	o->reason = run->msr.reason;
	o->data = run->msr.data;
	o->error = run->msr.error;
	if (a->answer == LEAVE)
		return;

	run->msr.error = a->answer == REFUSE;
	if (a->answer == PERFORM && !write)
		run->msr.data = a->answered;
}

/* Is the guest where it has to be, with one access made? */
static void check_guest(const struct vmm *vm, const struct vmm_vcpu *vcpu,
			const struct fuzz_access *a)
{
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		vmm_fail("KVM_GET_REGS: %s", strerror(errno));
	if (regs.rsi || regs.rcx != a->index || regs.rsp != GUEST_STACK ||
	    vmm_faults(vm) > 1)
		vmm_fail("KVM_RUN: the guest is lost: RSI 0x%llx, RCX 0x%llx, RSP 0x%llx, %u #GPs",
			 regs.rsi, regs.rcx, regs.rsp, vmm_faults(vm));
}

static struct fuzz_outcome make_access(struct vmm *vm, struct vmm_vcpu *vcpu,
				       const struct fuzz_access *a)
{
	const struct vmm_access access = {
		.write = a->write,
		.emulated = a->emulated,
		.index = a->index,
		.value = a->value,
		.times = 1,
	};
	struct fuzz_outcome o = { 0 };

	vmm_start(vm, vcpu, &access);
	while (vmm_run(vcpu))
		answer_exit(vcpu->run, a, &o);

	check_guest(vm, vcpu, a);
	o.gp = vmm_faults(vm);
	if (!a->write && !o.gp)
		o.value = vmm_value(vcpu);
	return o;
}

static void do_access(struct lane *lane, const struct fuzz_access *a, struct tally *t)
{
	const struct fuzz_filter *filter = lane->has_filter ? &lane->installed : NULL;
	const enum fuzz_weakness weakness = fuzz_access_weakness(filter, a, lane->vmx);
	char done[128], seen[128], expected[128] = "";
	struct fuzz_outcome known, o;
	bool wrong;

	if (fuzz_expect(filter, a, lane->reasons, kernel, lane->vmx, &known))
		describe_outcome(a, &known, expected, sizeof(expected));
	o = make_access(&lane->vm, lane->vcpu, a);
	describe_access(a, lane->reasons, done, sizeof(done));
	describe_outcome(a, &o, seen, sizeof(seen));
	wrong = o.exited && o.reason == KVM_MSR_EXIT_REASON_FILTER &&
		!fuzz_denies(filter, a, kernel);
	note(t, done, seen, expected, weakness, wrong);
	t->accesses++;

	/* One kernel has armed the timer, the other has not. */
	if (weakness == DEADLINE_FASTPATH)
		vmm_set_msr(lane->vcpu, TSC_DEADLINE, 0);
}

/* An MSR's value as a guest reads it that has no policy; false if it cannot be read. */
static bool read_twin(struct lane *lane, __u32 index, __u64 *value)
{
	const struct fuzz_access read = { .index = index, .answer = REFUSE };
	const struct fuzz_outcome o = make_access(&lane->twin, lane->twin_vcpu, &read);

	*value = o.value;
	return !o.exited && !o.gp;
}

/* As KVM makes an address canonical, for hosts that have 48 or 57 bits */
static __u64 canonical(__u64 address)
{
	unsigned int a, b, c = 0, d, shift;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	shift = c & CPUID_7_ECX_LA57 ? 64 - 57 : 64 - 48;
	return (__u64)((__s64)(address << shift) >> shift);
}

/* What a write of @value changes in an MSR that holds @old: "Masks" in the reference */
static __u64 compare(const struct lane *lane, __u32 index, __u64 old, __u64 value)
{
	switch (index) {
	case TSC:
	case TSC_DEADLINE:
	case COUNTER0 ... COUNTER7:
	case PT_OUTPUT_MASK:
	case STIMER0_CONFIG ... STIMER3_COUNT:
		return ~0ULL;
	case EFER:
		return (old ^ value) & ~EFER_LMA;
	case TSC_AUX:
		return (__u32)(old ^ value);
	case SYSENTER_ESP:
	case SYSENTER_EIP:
		return (old ^ canonical(value)) |
		       (lane->amd_guest ? old ^ (__u32)value : 0);
	default:
		return old ^ value;
	}
}

/* The bits that a write changes, as far as that matters; all of them if it is not known */
static __u64 changed_bits(struct lane *lane, const struct fuzz_rules *rules,
			  const struct fuzz_access *a, struct tally *t)
{
	__u64 old, changed = ~0ULL;
	const struct kvm_x86_reg_rule *rule;

	if (!fuzz_compares(rules, a))
		return changed;

	if (read_twin(lane, a->index, &old))
		changed = compare(lane, a->index, old, a->value);
	else
		t->cases[CASE_MASK_UNREADABLE]++;
	rule = fuzz_judge(rules, NULL, a, changed).rule;
	if (rule != fuzz_judge(rules, NULL, a, ~0ULL).rule)
		t->cases[CASE_MASK_SPARES]++;
	else if (rule && rule->mask)
		t->cases[CASE_MASK_MATCHES]++;
	return changed;
}

static void count_verdict(struct lane *lane, const struct fuzz_verdict *verdict,
			  const struct fuzz_outcome *o, struct tally *t)
{
	static const enum fuzz_case cases[] = {
		[KVM_X86_REG_RULE_ALLOW]	= CASE_ALLOW,
		[KVM_X86_REG_RULE_DENY]	= CASE_DENY_GP,
		[KVM_X86_REG_RULE_GP]	= CASE_GP,
		[KVM_X86_REG_RULE_EXIT]	= CASE_EXIT,
		[KVM_X86_REG_RULE_IGNORE]	= CASE_IGNORE,
		[KVM_X86_REG_RULE_AUDIT]	= CASE_AUDIT,
	};

	lane->counted += verdict->action != KVM_X86_REG_RULE_ALLOW;
	if (!lane->has_rules)
		return;

	if (verdict->by_filter)
		t->cases[CASE_FILTER_DENIES]++;
	else if (verdict->action == KVM_X86_REG_RULE_DENY && o->exited)
		t->cases[CASE_DENY_EXIT]++;
	else
		t->cases[cases[verdict->action]]++;
}

static bool performs(const struct fuzz_verdict *verdict)
{
	return verdict->action == KVM_X86_REG_RULE_ALLOW || verdict->action == KVM_X86_REG_RULE_AUDIT;
}

static void do_judged_access(struct lane *lane, const struct fuzz_access *a, struct tally *t)
{
	const struct fuzz_filter *filter = lane->has_filter ? &lane->installed : NULL;
	const struct fuzz_rules *rules = lane->has_rules ? &lane->rules : NULL;
	const __u64 changed = changed_bits(lane, rules, a, t);
	const struct fuzz_verdict verdict = fuzz_judge(rules, filter, a, changed);
	char done[128], seen[128], expected[128];
	struct fuzz_access shown = *a;
	struct fuzz_outcome known, o;

	shown.masked &= performs(&verdict);
	if (performs(&verdict))
		known = make_access(&lane->twin, lane->twin_vcpu, a);
	else
		fuzz_rules_expect(rules, &verdict, a, lane->reasons, &known);
	o = make_access(&lane->vm, lane->vcpu, a);

	describe_access(a, lane->reasons, done, sizeof(done));
	describe_outcome(&shown, &known, expected, sizeof(expected));
	describe_outcome(&shown, &o, seen, sizeof(seen));
	note(t, done, seen, expected, NO_WEAKNESS, false);
	count_verdict(lane, &verdict, &known, t);
	t->cases[CASE_FAIL_CLOSED] += known.error && a->answer == LEAVE;
	t->accesses++;
}

static void do_rules(struct lane *lane, const struct fuzz_rules *rules, struct tally *t)
{
	static char done[DESCRIPTION_SIZE];
	const int known = fuzz_rules_errno(rules);
	char seen[32], expected[32];

	describe_rules(rules, done, sizeof(done));
	describe_errno(known, expected, sizeof(expected));
	describe_errno(fuzz_set_rules(lane->vm.vm_fd, rules), seen, sizeof(seen));
	note(t, done, seen, expected, NO_WEAKNESS, false);
	if (known) {
		t->cases[known == E2BIG && rules->head.nr_rules <= FUZZ_RULES ?
			 CASE_MASKS_OVERLAP : CASE_SET_REFUSED]++;
		return;
	}

	lane->has_rules = rules->head.nr_rules || rules->head.msr_default != KVM_X86_REG_RULE_ALLOW;
	lane->rules = *rules;
}

static void do_get(struct lane *lane, const struct fuzz_get *get, struct tally *t)
{
	const struct fuzz_rules *rules = lane->has_rules ? &lane->rules : NULL;
	const int known = fuzz_get_errno(get, rules);
	char done[128], seen[64], expected[64];
	const char *wrong;
	int r;

	describe_get(get, rules, done, sizeof(done));
	describe_errno(known, expected, sizeof(expected));
	r = fuzz_get_rules(lane->vm.vm_fd, get, rules, &wrong);
	describe_errno(r, seen, sizeof(seen));
	if (wrong)
		snprintf(seen, sizeof(seen), "%s", wrong);
	note(t, done, seen, expected, NO_WEAKNESS, false);
	if (known)
		t->cases[known == E2BIG ? CASE_GET_TOO_SMALL : CASE_GET_REFUSED]++;
}

/* What the vCPU counts: an audited access is to be intercepted, whatever the MSR. */
static void check_counted(struct lane *lane, struct tally *t)
{
	char got[32], expected[32];

	snprintf(got, sizeof(got), "%llu", vmm_stat(lane->vcpu, "reg_policy_hits"));
	snprintf(expected, sizeof(expected), "%llu", lane->counted);
	note(t, "counted", got, expected, NO_WEAKNESS, false);
}

static void print_tally(const struct lane *lane, const struct tally *t)
{
	int i;

	printf("%u\t%s\t%016llx\t%u", t->round, lane->with_rules ? "rules" : "filter",
	       t->hash, t->accesses);
	for (i = 0; i < NR_WEAKNESSES; i++)
		printf("\t%u", t->weaknesses[i]);
	for (i = 0; i < NR_CASES; i++)
		printf("\t%u", t->cases[i]);
	printf("\t%u\n", t->unexpected);
}

static void run_rules_round(struct lane *lane, const struct fuzz_round *round, struct tally *t)
{
	int i;

	do_rules(lane, &round->rules, t);
	do_get(lane, &round->get, t);
	for (i = 0; i < FUZZ_ACCESSES; i++)
		do_judged_access(lane, &round->accesses[i], t);
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

	if (only_round == EVERY_ROUND)
		print_tally(lane, &t);
	else if (only_round != number)
		return 0;
	return t.unexpected;
}

static bool has_vmx(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	return c & CPUID_1_ECX_VMX;
}

static void enable_x2apic(struct vmm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		vmm_fail("KVM_GET_SREGS: %s", strerror(errno));
	sregs.apic_base |= APIC_X2APIC;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		vmm_fail("KVM_SET_SREGS: no x2APIC: %s", strerror(errno));
}

static struct vmm_vcpu *create_vm(struct vmm *vm, const struct fuzz_vm *input)
{
	struct vmm_vcpu *vcpu;

	vmm_create(vm);
	if (input->irqchip)
		vmm_create_irqchip(vm);
	vcpu = vmm_add_vcpu(vm);
	if (input->cpuid == SUPPORTED_CPUID)
		vmm_set_supported_cpuid(vm, vcpu);
	else if (input->cpuid == HYPERV_CPUID)
		vmm_set_hyperv_cpuid(vcpu);
	if (input->x2apic)
		enable_x2apic(vcpu);
	return vcpu;
}

static void create_lane(struct lane *lane, unsigned int group)
{
	struct fuzz_vm input;

	fuzz_make_vm(&input, seed, group);
	lane->vmx = has_vmx();
	lane->amd_guest = !lane->vmx && input.cpuid == SUPPORTED_CPUID;
	lane->vcpu = create_vm(&lane->vm, &input);
	lane->with_rules = input.has_rules;
	if (lane->with_rules)
		lane->twin_vcpu = create_vm(&lane->twin, &input);
}

/* In a process of its own: runs up to round @last; exits with 0 or 1. */
static void __noreturn run_group(unsigned int group, unsigned int last, int output)
{
	static struct lane lane;
	unsigned int i, unexpected = 0;

	alarm(GROUP_LIMIT);
	if (dup2(output, STDOUT_FILENO) < 0)
		vmm_fail("dup2: %s", strerror(errno));
	create_lane(&lane, group);
	for (i = group * FUZZ_GROUP; i <= last; i++)
		unexpected += run_round(&lane, i);
	exit(!!unexpected);
}

/* Read to the end of @fd; print it if @pid ended well.  Returns its exit status. */
static int finish_group(pid_t pid, int fd)
{
	static char text[1 << 20];
	size_t used = 0;
	ssize_t got;
	int status;

	while ((got = read(fd, text + used, sizeof(text) - used)) > 0)
		used += got;
	close(fd);
	if (waitpid(pid, &status, 0) != pid)
		vmm_fail("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return VMM_FAILED;

	fwrite(text, 1, used, stdout);
	fflush(stdout);
	return WEXITSTATUS(status);
}

static int try_group(unsigned int group, unsigned int last)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		vmm_fail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		vmm_fail("fork: %s", strerror(errno));
	if (!pid)
		run_group(group, last, fds[1]);

	close(fds[1]);
	return finish_group(pid, fds[0]);
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

/* The unpatched kernel has no rules. */
static bool is_possible(unsigned int group)
{
	struct fuzz_vm input;

	fuzz_make_vm(&input, seed, group);
	return kernel == FUZZ_PATCHED || !input.has_rules;
}

static int run_all(void)
{
	const unsigned int groups = (nr_rounds + FUZZ_GROUP - 1) / FUZZ_GROUP;
	unsigned int i, last;
	int status = 0;

	if (only_round != EVERY_ROUND)
		return is_possible(only_round / FUZZ_GROUP) ?
		       do_group(only_round / FUZZ_GROUP, only_round) : 0;

	for (i = 0; i < groups; i++) {
		last = i * FUZZ_GROUP + FUZZ_GROUP - 1;
		if (is_possible(i))
			status |= do_group(i, last < nr_rounds ? last : nr_rounds - 1);
	}
	return status;
}

static void print_list(void)
{
	const struct fuzz_weakness_info *w;
	const struct fuzz_case_info *c;

	for (w = fuzz_weaknesses; w < fuzz_weaknesses + NR_WEAKNESSES; w++)
		printf("%s\t%s\t%s\n", w->name, w->vmx_only ? "vmx" : "any", w->what);
	for (c = fuzz_cases; c < fuzz_cases + NR_CASES; c++)
		printf("%s\tany\t%s\n", c->name, c->what);
}

static unsigned long long to_number(const char *s)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 0);
	if (errno || end == s || *end)
		vmm_fail("not a number: %s", s);
	return n;
}

static void parse(const char *arg)
{
	const struct setting *s;

	for (s = settings; s < settings + ARRAY_SIZE(settings); s++) {
		if (!strncmp(arg, s->name, strlen(s->name))) {
			*s->value = to_number(arg + strlen(s->name));
			return;
		}
	}
	if (!strcmp(arg, "--kernel=base"))
		kernel = FUZZ_BASE;
	else if (strcmp(arg, "--kernel=patched"))
		vmm_fail("unknown argument %s: try --help", arg);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--list")) {
			print_list();
			return 0;
		}
		parse(argv[i]);
	}
	fuzz_map_pages();
	return run_all();
}
