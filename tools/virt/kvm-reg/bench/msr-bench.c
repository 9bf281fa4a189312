// SPDX-License-Identifier: GPL-2.0
/*
 * What accesses to MSRs and control registers, and policies on them, cost.  What shared
 * memory costs is in range-bench.c.
 *
 * Under "qemu -accel tcg,thread=single -icount shift=0,sleep=off -smp 1", where
 * CLOCK_MONOTONIC advances by one nanosecond per instruction, the results are
 * instructions of guest and host kernel together.  Elsewhere, nanoseconds.
 */
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "../tests/model.h"
#include "../vmm/vmm.h"

#define FULL_BITMAP	0x600		/* bytes, the most that a range may have */
#define SMALL_RANGE	64		/* MSRs */
#define FULL_RANGE	(FULL_BITMAP * 8)

/* Ranges that no measured MSR is in: from here, one every FULL_RANGE */
#define RANGES_ELSEWHERE	0x00010000

/*
 * Rules that no measured MSR has: from here, one every 2^20 MSRs, i.e. all over
 * the 32-bit space, but in none of the windows in which KVM has MSRs.
 */
#define RULES_ELSEWHERE		0x00008000U
#define RULES_APART		0x00100000U

/*
 * A batch of accesses is short enough (2 million instructions) to fall between
 * two timer ticks at 250 Hz, and there are enough batches for many to do so.
 */
#define DEFAULT_ACCESSES	500
#define NR_BATCHES		40
#define DEFAULT_INSTALLS	100

/* An access that never leaves the guest is 1000 times cheaper than others. */
#define PASSED_THROUGH_FACTOR	100

/*
 * SRCU makes a lone grace period short, but those that follow each other within
 * srcutree.exp_holdoff (25 us) wait for ticks.  And a running vCPU has to run.
 */
#define PAUSE_NS		1000000

#define WARM_UP_ACCESSES	500
#define WARM_UP_INSTALLS	2

#define PLATFORM_INFO		0x000000ce
#define SYSENTER_CS		0x00000174
#define CR_PAT			0x00000277
#define UNKNOWN_TO_KVM		0x00020000
#define HV_VP_INDEX		0x40000002
#define KVM_WALL_CLOCK		0x4b564d00
#define EFER			0xc0000080
#define HWCR			0xc0010015

#define PLATFORM_INFO_VALUE	0x80000000
#define CR_PAT_VALUE		0x0007040600070406ULL

/* What the VMM answers to a read, or a rule does, unlike anything KVM would */
#define ANSWER			0x0123456789abcdefULL

#define CR0_TS			(1u << 3)
#define CR0_ET			(1u << 4)	/* always set */
#define CR0_WP			(1u << 16)
#define CR4_PGE			(1u << 7)
#define CR4_UMIP		(1u << 11)
#define CR4_OSXSAVE		(1u << 18)
#define CR4_SMEP		(1u << 20)
#define CR4_SMAP		(1u << 21)
#define XCR0_X87		(1u << 0)	/* always set */
#define XCR0_SSE		(1u << 1)
#define XCR0_YMM		(1u << 2)

#define POLICY_FILE		"/sys/kernel/debug/kvm/%d-%d/reg_policy"

/* What becomes of an access */
enum fate { EMULATED, PASSED_THROUGH, FAULTS, EXITS, IGNORED };

/* Single MSRs, none beside another */
static void make_apart(struct kvm_x86_reg_rule *rule, int i)
{
	rule->first = RULES_ELSEWHERE + i * RULES_APART;
	rule->last = rule->first;
}

/* Each around those before it */
static void make_nested(struct kvm_x86_reg_rule *rule, int i)
{
	rule->first = RULES_ELSEWHERE + RULES_APART - i;
	rule->last = RULES_ELSEWHERE + RULES_APART + i;
}

static void make_masked(struct kvm_x86_reg_rule *rule, int i)
{
	rule->access = WR;
	rule->mask = 1ULL << i % 64;
}

/* Masked, as many over each MSR as there may be, and no two over the same ones */
static void make_staggered(struct kvm_x86_reg_rule *rule, int i)
{
	make_masked(rule, i);
	rule->first = RULES_ELSEWHERE + 8 * i;
	rule->last = rule->first + 8 * MAX_MASKED - 1;
}

/* Masked, as many over everything as there may be, before those that cut them up */
static void make_wide(struct kvm_x86_reg_rule *rule, int i)
{
	make_apart(rule, i);
	make_masked(rule, i);
	if (i < MAX_MASKED - 1) {
		rule->first = RULES_ELSEWHERE;
		rule->last = ~0U;
	}
}

/* How many ranges or rules a policy has, and how the rules lie */
struct size {
	const char *name;
	bool rules;
	int nr;
	__u32 nmsrs;		/* in each range */
	void (*make)(struct kvm_x86_reg_rule *rule, int i);
};

enum {
	NO_POLICY, RANGE_1, RANGES_4, RANGES_16, FULL_RANGES_16,
	RULES_0, RULE_1, RULES_16, RULES_256, RULES_4096,
	RULES_NESTED, RULES_STAGGERED, RULES_WIDE,
	NR_SIZES
};

static const struct size sizes[NR_SIZES] = {
	[NO_POLICY]	 = { "no-policy", false, 0, 0, NULL },
	[RANGE_1]	 = { "1-range", false, 1, SMALL_RANGE, NULL },
	[RANGES_4]	 = { "4-ranges", false, 4, SMALL_RANGE, NULL },
	[RANGES_16]	 = { "16-ranges", false, 16, SMALL_RANGE, NULL },
	[FULL_RANGES_16] = { "16-full-ranges", false, KVM_MSR_FILTER_MAX_RANGES, FULL_RANGE, NULL },
	[RULES_0]	 = { "0-rules", true, 0, 0, NULL },
	[RULE_1]	 = { "1-rule", true, 1, 0, NULL },
	[RULES_16]	 = { "16-rules", true, 16, 0, NULL },
	[RULES_256]	 = { "256-rules", true, 256, 0, NULL },
	[RULES_4096]	 = { "4096-rules", true, MAX_RULES, 0, NULL },
	[RULES_NESTED]	 = { "4096-nested-rules", true, MAX_RULES, 0, make_nested },
	[RULES_STAGGERED] = { "4096-staggered-masked-rules", true, MAX_RULES, 0, make_staggered },
	[RULES_WIDE]	 = { "4096-wide-masked-rules", true, MAX_RULES, 0, make_wide },
};

#define SOME_RANGES	(1 << RANGE_1 | 1 << RANGES_4 | 1 << RANGES_16)
#define SOME_RULES	(1 << RULE_1 | 1 << RULES_16 | 1 << RULES_256 | 1 << RULES_4096)
#define ANY_RULES	(1 << RULES_0 | SOME_RULES)

/* What a policy has to say on the measured MSR, in its last range or rule */
struct effect {
	const char *name;
	int action;		/* of that rule */
	bool silent;		/* there is no such range; the default allows */
	bool denies;		/* that range */
	bool exits;		/* enable exits for what a filter denies */
	enum fate fate;
	unsigned int sizes;
};

static const struct effect effects[] = {
	{ "", .fate = EMULATED, .sizes = 1 << NO_POLICY },
	{ "allow-", KVM_X86_REG_RULE_ALLOW, .silent = true, .fate = EMULATED,
	  .sizes = SOME_RANGES | SOME_RULES },
	{ "allow-by-last-of-", .fate = EMULATED, .sizes = 1 << RANGES_16 },
	{ "gp-", KVM_X86_REG_RULE_GP, .denies = true, .fate = FAULTS,
	  .sizes = SOME_RANGES | ANY_RULES },
	{ "deny-", KVM_X86_REG_RULE_DENY, .fate = FAULTS, .sizes = ANY_RULES },
	{ "ignore-", KVM_X86_REG_RULE_IGNORE, .fate = IGNORED, .sizes = ANY_RULES },
	{ "audit-", KVM_X86_REG_RULE_AUDIT, .fate = EMULATED, .sizes = ANY_RULES },
	{ "ignore-unknown-", KVM_X86_REG_RULE_IGNORE_UNKNOWN, .fate = EMULATED,
	  .sizes = 1 << RULES_0 | 1 << RULE_1 | 1 << RULES_4096 },
	{ "exit-", KVM_X86_REG_RULE_EXIT, .denies = true, .exits = true, .fate = EXITS,
	  .sizes = SOME_RANGES | ANY_RULES },
};

/* An MSR access to measure */
struct target {
	bool write;
	bool allowed_only;	/* measure just what is allowed */
	bool passed_through;	/* by hardware, unless denied */
	bool unknown;		/* KVM has no such MSR */
	bool hyperv;		/* KVM has the MSR for Hyper-V guests only */
	__u32 index;
	__u64 value;		/* to write, or that a read returns */
};

static const struct target targets[] = {
	{ .index = PLATFORM_INFO, .value = PLATFORM_INFO_VALUE },
	{ .index = CR_PAT, .value = CR_PAT_VALUE, .write = true },
	{ .index = HV_VP_INDEX, .hyperv = true, .allowed_only = true },
	{ .index = KVM_WALL_CLOCK, .allowed_only = true },
	{ .index = EFER, .allowed_only = true },
	{ .index = HWCR, .allowed_only = true },
	{ .index = UNKNOWN_TO_KVM, .unknown = true, .allowed_only = true },
	{ .index = SYSENTER_CS, .passed_through = true, .allowed_only = true },
};

/*
 * Writes to a control register, to measure.  Without CR0.CD and CR0.NW, which a reset sets:
 * KVM hides them from AMD processors, and hence intercepts all accesses to CR0.
 */
struct control {
	const char *name;
	enum vmm_control insn;
	__u32 bit;		/* that changes, back and forth */
	struct vmm_controls before;
	__u16 space;		/* of a rule for the register */
	__u32 index;
};

static const struct control controls[] = {
	{ "mov-cr0-ts-", VMM_MOV_CR0, CR0_TS, { .cr0 = CR0_ET }, KVM_X86_REG_RULE_CR, 0 },
	{ "mov-cr0-clts-", VMM_CLTS, CR0_TS, { .cr0 = CR0_ET | CR0_TS }, KVM_X86_REG_RULE_CR, 0 },
	{ "mov-cr4-pge-", VMM_MOV_CR4, CR4_PGE, { .cr0 = CR0_ET }, KVM_X86_REG_RULE_CR, 4 },
	{ "xsetbv-sse-", VMM_XSETBV, XCR0_SSE, { CR0_ET, CR4_OSXSAVE, XCR0_X87 },
	  KVM_X86_REG_RULE_XCR, 0 },
};

/* What rules have to say on such writes */
struct verdict {
	const char *name;
	bool pins_others;	/* i.e. other bits of all control registers */
	enum fate fate;
};

static const struct verdict verdicts[] = {
	{ "no-policy", .fate = EMULATED },
	{ "allow-msr-rule", .fate = EMULATED },
	{ "allow-pinned-bits", .pins_others = true, .fate = EMULATED },
	{ "gp-pinned-bit", .fate = FAULTS },
	{ "exit-pinned-bit", .fate = EXITS },
};

/* Pauses make a difference to the unpatched kernel, hence to filters only. */
#define INSTALLED_AFTER_PAUSE	(1 << RANGE_1 | 1 << FULL_RANGES_16)
#define INSTALLED		(INSTALLED_AFTER_PAUSE | SOME_RULES)

/* Lists that take more to compile than rules apart: without vCPUs, that is all. */
#define INSTALLED_AT_FIRST	(INSTALLED | 1 << RULES_NESTED | 1 << RULES_STAGGERED | \
				 1 << RULES_WIDE)

/* Installing a policy, into a VM with idle vCPUs, or with one that runs */
struct install {
	const char *name;
	bool replace;
	bool pause;		/* before each */
	bool running;
	int nr_idle;
	unsigned int sizes;
};

static const struct install installs[] = {
	{ "install-0-vcpus-", .nr_idle = 0, .sizes = INSTALLED_AT_FIRST },
	{ "install-0-vcpus-after-pause-", .nr_idle = 0, .pause = true,
	  .sizes = INSTALLED_AFTER_PAUSE },
	{ "install-1-vcpu-", .nr_idle = 1, .sizes = INSTALLED },
	{ "install-4-vcpus-", .nr_idle = 4, .sizes = INSTALLED },
	{ "install-running-vcpu-", .running = true, .pause = true, .sizes = INSTALLED },
	{ "replace-0-vcpus-", true, .nr_idle = 0, .sizes = INSTALLED },
	{ "replace-1-vcpu-", true, .nr_idle = 1, .sizes = INSTALLED },
	{ "replace-4-vcpus-", true, .nr_idle = 4, .sizes = INSTALLED },
	{ "replace-0-vcpus-after-pause-", true, .nr_idle = 0, .pause = true,
	  .sizes = INSTALLED_AFTER_PAUSE },
	{ "replace-1-vcpu-after-pause-", true, .nr_idle = 1, .pause = true,
	  .sizes = INSTALLED_AFTER_PAUSE },
	{ "replace-4-vcpus-after-pause-", true, .nr_idle = 4, .pause = true,
	  .sizes = INSTALLED_AFTER_PAUSE },
	{ "replace-running-vcpu-", true, .running = true, .pause = true,
	  .sizes = INSTALLED },
};

unsigned long long nr_accesses = DEFAULT_ACCESSES;
static unsigned long long nr_installs = DEFAULT_INSTALLS;
static unsigned long long list_only;

static const struct vmm_option options[] = {
	{ "--list", &list_only },
	{ "--accesses=", &nr_accesses },
	{ "--installs=", &nr_installs },
	{ }
};

static char **patterns;		/* of what is to be measured; none: all */
static unsigned int nr_chosen;

static __u8 allow_bits[FULL_BITMAP];	/* all ones, by main() */
static __u8 deny_bits[FULL_BITMAP];
static struct kvm_x86_reg_rule rules[MAX_RULES];

/* The policy that was made last is the one or the other. */
static struct kvm_msr_filter filter;
static struct kvm_x86_reg_rules list;

static const char usage[] =
	"Usage: msr-bench [OPTION]... [NAME]...\n"
	"\n"
	"Print what register accesses by a guest, policies on them, and lists of the memory\n"
	"that it shares cost: NAME<TAB>COST, a line each.  A NAME may be a shell pattern, such as 'rdmsr-*'; without any, all\n"
	"run.  COST is '-' for what this kernel does not have.\n"
	"\n"
	"  --list          print the names only\n"
	"  --accesses=N    accesses in a batch, by default 500\n"
	"  --installs=N    how often to install a policy, by default 100\n"
	"  --help          print this\n"
	"\n"
	"COST is nanoseconds of CLOCK_MONOTONIC.  It is instructions, repeatable to\n"
	"0.1 %, on one processor in QEMU with\n"
	"  -accel tcg,thread=single -icount shift=0,sleep=off\n"
	"\n"
	"rdmsr-*, wrmsr-*: an access, with its part of the guest's loop (two\n"
	"instructions), VM exit and entry.  Its cost is that of the cheapest of 40 batches,\n"
	"less a batch of one, so that neither timer ticks nor the start of a batch count.\n"
	"Each batch is checked: its value, its faults, its exits.  The last rule is on the\n"
	"MSR, the others are single MSRs all over the 32-bit space, none beside another; if\n"
	"the last rule allows, the default is to exit.  0-rules: the default decides.\n"
	"nested: each around those before it; staggered, wide: with masks, as many over an\n"
	"MSR as there may be.\n"
	"Ranges allow if they do not have the MSR.  KVM does not know MSR 0x20000: where it\n"
	"is allowed, it is a #GP all the same; ignore-unknown ignores it, and allows others.\n"
	"\n"
	"mov-*, xsetbv-*: a write to a control register that changes one bit, back and forth,\n"
	"or, for clts, sets and clears it.  allow: with a rule on an MSR, or with rules that\n"
	"pin other bits of CR0, CR4 and XCR0; gp, exit: with a rule that pins the bit.  The\n"
	"VMM approves exits.  '-' also if an emulator does not intercept XSETBV.\n"
	"\n"
	"install-*, replace-*: setting a filter or a list of rules that refuses one MSR, in\n"
	"a new VM or in one with a policy of that size: the mean of all.  They follow each\n"
	"other at once, or -after-pause, each after 1 ms without.  vCPUs that have run are\n"
	"idle, but for a -running-vcpu: its guest reads an MSR in a loop, in a thread of\n"
	"its own.  Before each, it has the processor during a pause of 1 ms; with just one\n"
	"processor, the end of the pause takes it out of the guest.  What it runs while the\n"
	"installation waits, or has used up its turn, counts as well; hence the median.\n"
	"\n"
	"share-unshare-*: a pair of hypercalls, KVM_HC_MAP_GPA_RANGE, that share a page and\n"
	"unshare it: measured as accesses, half as many.  no-list: KVM refuses them; N-ranges:\n"
	"KVM records them in a list of N other single pages, amid which the page is; exit:\n"
	"they exit to userspace, which agrees at once; exit-N-ranges: KVM records them then.\n"
	"\n"
	"bytes-*: the memory of such a policy, in bytes, as debugfs says; *-shared-ranges: what\n"
	"the memory cgroup of a VMM is charged for such a list, the mean of 32 VMs.\n"
	"bytes-64-gib-bitmap is not measured: it has a bit for each page of 64 GiB.\n"
	"\n"
	"Needs /dev/kvm and Linux 5.14 or later, and for bytes-* to be root, debugfs, and cgroup\n"
	"v2 at /sys/fs/cgroup.\n"
	"\n"
	"Exit status: 0, or 2 if something could not be measured as it is named.\n";

__u64 now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t))
		vmm_fail("clock_gettime: no CLOCK_MONOTONIC: see dmesg for the clock source");
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void print_cost(const char *name, __u64 total, __u64 count)
{
	printf("%s\t%llu\n", name, (total + count / 2) / count);
	fflush(stdout);
}

/* Ranges that do not have the MSR, but for the last, if the effect takes one. */
static void make_filter(const struct size *size, __u32 index, const struct effect *effect)
{
	int i;

	filter = (struct kvm_msr_filter) { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	for (i = 0; i < size->nr; i++) {
		filter.ranges[i] = (struct kvm_msr_filter_range) {
			.flags = RD | WR,
			.nmsrs = size->nmsrs,
			.base = RANGES_ELSEWHERE + i * FULL_RANGE,
			.bitmap = allow_bits,
		};
	}
	if (effect->silent)
		return;
	filter.ranges[size->nr - 1].base = index & ~(SMALL_RANGE - 1);
	filter.ranges[size->nr - 1].bitmap = effect->denies ? deny_bits : allow_bits;
}

/* Rules that do not have the MSR, but for the last; if there is none, the default. */
static void make_rules(const struct size *size, __u32 index, const struct effect *effect)
{
	int i;

	for (i = 0; i < size->nr; i++) {
		rules[i] = (struct kvm_x86_reg_rule) {
			.access = RD | WR,
			.action = KVM_X86_REG_RULE_GP,
		};
		(size->make ?: make_apart)(&rules[i], i);
	}
	if (size->nr)
		rules[size->nr - 1] = (struct kvm_x86_reg_rule) {
			.access = RD | WR,
			.action = effect->action,
			.first = index,
			.last = index,
			.value = model_has_value(effect->action) ? ANSWER : 0,
		};

	list = (struct kvm_x86_reg_rules) {
		.nr_rules = size->nr,
		.rules = (unsigned long)rules,
	};
	if (!size->nr)
		list.msr_default = effect->action;
	else if (effect->action == KVM_X86_REG_RULE_ALLOW ||
		 effect->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN)
		list.msr_default = KVM_X86_REG_RULE_EXIT;
}

static void make_policy(const struct size *size, __u32 index, const struct effect *effect)
{
	if (size->rules)
		make_rules(size, index, effect);
	else
		make_filter(size, index, effect);
}

static void set_policy(struct vmm *vm, const struct size *size)
{
	if (size->rules)
		vmm_set_reg_rules(vm, &list);
	else
		vmm_set_msr_filter(vm, &filter);
}

/* Accesses to measure, and what is to become of them */
struct accesses {
	const char *name;
	const struct target *target;
	enum fate fate;
	__u64 answer;		/* of a read that KVM does not perform */
	const struct control *control;	/* instead of @target */
};

/* Approve, but let CR0.TS stay set: the MOV before the next CLTS must not exit as well. */
static void answer_write(struct vmm_vcpu *vcpu, const struct accesses *a)
{
	struct vmm_reg_write *write = vmm_reg_write(vcpu);

	if (a->control->insn == VMM_CLTS)
		write->data = write->old;
	write->error = 0;
}

/* Run the guest to its end and return how often it exited to userspace. */
static unsigned int run_accesses(struct vmm_vcpu *vcpu, const struct accesses *a)
{
	struct kvm_run *run = vcpu->run;
	unsigned int exits = 0;

	while (vmm_run(vcpu)) {
		exits++;
		if (run->exit_reason == KVM_EXIT_X86_REG_WRITE) {
			answer_write(vcpu, a);
			continue;
		}
		run->msr.error = 0;
		if (run->exit_reason == KVM_EXIT_X86_RDMSR)
			run->msr.data = ANSWER;
	}
	return exits;
}

void check_count(const char *name, const char *what, __u64 got, __u64 want)
{
	if (got != want)
		vmm_fail("%s: %llu %s, not %llu: KVM does not do what the name says",
			 name, got, what, want);
}

/*
 * Interrupts make VM-exits as well, but few; hardware's own accesses make none.  If CLTS
 * makes one, the MOV before it may.
 */
static void check_vm_exits(const struct accesses *a, __u64 exits, __u32 times)
{
	const __u64 least = a->fate == PASSED_THROUGH ? 0 : times;
	const bool twice = a->control && a->control->insn == VMM_CLTS;
	const __u64 most = least * (twice ? 2 : 1) + times / 4 + 10;

	if (exits < least || exits > most)
		vmm_fail("%s: %llu VM-exits, not %llu to %llu: KVM does not do what the name says",
			 a->name, exits, least, most);
}

/* Run, check what became of the accesses, but for values, and return what they cost. */
static __u64 time_run(struct vmm *vm, struct vmm_vcpu *vcpu, const struct accesses *a,
		      const struct vmm_access *access)
{
	const __u32 times = access->times;
	unsigned int exits;
	__u64 start, cost, vm_exits;

	vmm_start(vm, vcpu, access);
	vm_exits = vmm_stat(vcpu, "exits");
	start = now();
	exits = run_accesses(vcpu, a);
	cost = now() - start;

	check_vm_exits(a, vmm_stat(vcpu, "exits") - vm_exits, times);
	check_count(a->name, "exits to userspace", exits, a->fate == EXITS ? times : 0);
	check_count(a->name, "accesses missing", vmm_left(vcpu), 0);
	check_count(a->name, "#GPs", vmm_faults(vm), a->fate == FAULTS ? times : 0);
	return cost;
}

/* Make @times accesses, check what became of them, and return what they cost. */
static __u64 time_accesses(struct vmm *vm, struct vmm_vcpu *vcpu, const struct accesses *a,
			   __u32 times)
{
	const struct target *t = a->target;
	const bool performed = a->fate == EMULATED || a->fate == PASSED_THROUGH;
	const struct vmm_access access = {
		.write = t->write,
		.index = t->index,
		/* What is not performed would be a #GP. */
		.value = t->write && performed ? t->value : ~t->value,
		.times = times,
	};
	const __u64 cost = time_run(vm, vcpu, a, &access);

	if (!t->write && a->fate != FAULTS)
		check_count(a->name, "read", vmm_value(vcpu), performed ? t->value : a->answer);
	return cost;
}

static __u64 control_value(const struct control *c, const struct vmm_controls *values)
{
	switch (c->insn) {
	case VMM_MOV_CR4:
		return values->cr4;
	case VMM_XSETBV:
		return values->xcr0;
	default:
		return values->cr0;
	}
}

/*
 * Writes that change the bit back and forth; or, if they are refused, that would change
 * it; or CLTS, each with the bit set before.
 */
static struct vmm_access control_access(const struct accesses *a, __u32 times)
{
	const struct control *c = a->control;
	struct vmm_access access = {
		.control = c->insn,
		.value = control_value(c, &c->before),
		.times = times,
	};

	if (c->insn != VMM_CLTS && a->fate == FAULTS)
		access.value ^= c->bit;
	else if (c->insn != VMM_CLTS)
		access.toggle = c->bit;
	return access;
}

/* Does the bit differ from what it was before? */
static bool control_changes(const struct accesses *a, __u32 times)
{
	if (a->control->insn == VMM_CLTS)
		return a->fate == EMULATED || a->fate == PASSED_THROUGH;
	return a->fate != FAULTS && times % 2;
}

static __u64 control_now(struct vmm_vcpu *vcpu, const struct control *c)
{
	const struct vmm_controls controls = vmm_get_controls(vcpu);

	return control_value(c, &controls);
}

/* As time_accesses(), for control registers.  KVM cannot read what it does not see. */
static __u64 time_writes(struct vmm *vm, struct vmm_vcpu *vcpu, const struct accesses *a,
			 __u32 times)
{
	const struct control *c = a->control;
	const __u64 before = control_value(c, &c->before);
	const struct vmm_access access = control_access(a, times);
	__u64 cost;

	vmm_set_controls(vcpu, &c->before);
	cost = time_run(vm, vcpu, a, &access);
	if (c->insn != VMM_XSETBV || a->fate != PASSED_THROUGH)
		check_count(a->name, "in the register", control_now(vcpu, c),
			    control_changes(a, times) ? before ^ c->bit : before);
	return cost;
}

/* The least that @times of something cost, of many tries */
static __u64 least_cost(time_batch *batch, const void *arg, __u32 times)
{
	__u64 cost, least = ~0ULL;
	int i;

	for (i = 0; i < NR_BATCHES; i++) {
		cost = batch(arg, times);
		if (cost < least)
			least = cost;
	}
	return least;
}

void measure_batches(const char *name, time_batch *batch, const void *arg, __u32 times)
{
	__u64 one, all;

	batch(arg, WARM_UP_ACCESSES);
	one = least_cost(batch, arg, 1);
	all = least_cost(batch, arg, times + 1);
	if (all < one)
		vmm_fail("%s: lost in noise: use more --accesses", name);
	print_cost(name, all - one, times);
}

/* Accesses, and who makes them */
struct batch {
	struct vmm *vm;
	const struct accesses *accesses;
};

static __u64 time_access_batch(const void *arg, __u32 times)
{
	const struct batch *b = arg;
	const struct accesses *a = b->accesses;
	struct vmm_vcpu *vcpu = &b->vm->vcpus[0];

	return a->control ? time_writes(b->vm, vcpu, a, times) :
			    time_accesses(b->vm, vcpu, a, times);
}

static enum fate fate_of(const struct target *t, const struct effect *effect)
{
	if (effect->fate != EMULATED)
		return effect->fate;
	if (t->unknown)
		return effect->action == KVM_X86_REG_RULE_IGNORE_UNKNOWN ? IGNORED : FAULTS;
	return t->passed_through && effect->action != KVM_X86_REG_RULE_AUDIT ?
	       PASSED_THROUGH : EMULATED;
}

static void measure_accesses(struct vmm *vm, const struct accesses *a)
{
	const __u32 times = nr_accesses * (a->fate == PASSED_THROUGH ? PASSED_THROUGH_FACTOR : 1);
	const struct batch b = { vm, a };

	measure_batches(a->name, time_access_batch, &b, times);
}

static void measure_effect(const char *name, const struct target *t, const struct effect *effect,
			   const struct size *size)
{
	const struct accesses a = {
		.name = name,
		.target = t,
		.fate = fate_of(t, effect),
		/* The default ignores reads with 0. */
		.answer = model_has_value(effect->action) && !size->nr ? 0 : ANSWER,
	};
	struct vmm_vcpu *vcpu;
	struct vmm vm;

	vmm_create(&vm);
	vcpu = vmm_add_vcpu(&vm);
	if (t->hyperv)
		vmm_set_hyperv_cpuid(vcpu);
	make_policy(size, t->index, effect);
	if (size != &sizes[NO_POLICY])
		set_policy(&vm, size);
	if (effect->exits && !size->rules)
		vmm_set_msr_exits(&vm, KVM_MSR_EXIT_REASON_FILTER);
	measure_accesses(&vm, &a);
	vmm_destroy(&vm);
}

/* Append a rule to the list: on writes that change one of @bits, or if 0, on all */
static void add_rule(__u16 space, __u32 index, __u64 bits, __u8 action)
{
	rules[list.nr_rules++] = (struct kvm_x86_reg_rule) {
		.space = space,
		.access = WR,
		.action = action,
		.first = index,
		.last = index,
		.mask = bits,
	};
}

static void set_control_rules(struct vmm *vm, const struct control *c, const struct verdict *v)
{
	const __u8 action = v->fate == EXITS ? KVM_X86_REG_RULE_EXIT : KVM_X86_REG_RULE_GP;

	list = (struct kvm_x86_reg_rules) { .rules = (unsigned long)rules };
	if (v->pins_others) {
		add_rule(KVM_X86_REG_RULE_CR, 0, CR0_WP, action);
		add_rule(KVM_X86_REG_RULE_CR, 4, CR4_SMEP | CR4_SMAP | CR4_UMIP, action);
		add_rule(KVM_X86_REG_RULE_XCR, 0, XCR0_YMM, action);
	} else if (v->fate == EMULATED) {
		add_rule(KVM_X86_REG_RULE_MSR, CR_PAT, 0, action);
	} else {
		add_rule(c->space, c->index, c->bit, action);
	}
	vmm_set_reg_rules(vm, &list);
}

/* Does KVM, as it is now, see the writes? */
static bool control_exits(struct vmm *vm, const struct control *c)
{
	const struct accesses a = { .control = c };
	const struct vmm_access access = control_access(&a, WARM_UP_ACCESSES);
	struct vmm_vcpu *vcpu = &vm->vcpus[0];
	__u64 exits;

	vmm_set_controls(vcpu, &c->before);
	vmm_start(vm, vcpu, &access);
	exits = vmm_stat(vcpu, "exits");
	run_accesses(vcpu, &a);
	return vmm_stat(vcpu, "exits") - exits >= WARM_UP_ACCESSES;
}

static void measure_verdict(const char *name, const struct control *c, const struct verdict *v)
{
	struct accesses a = { .name = name, .control = c, .fate = v->fate };
	struct vmm vm;

	vmm_create_supported(&vm);
	/* XSETBV always exits, but in emulators that do not intercept it. */
	if (v->fate != EMULATED && c->insn == VMM_XSETBV && !control_exits(&vm, c)) {
		printf("%s\t-\n", name);
		vmm_destroy(&vm);
		return;
	}
	if (v != &verdicts[0])
		set_control_rules(&vm, c, v);
	if (v->fate == EMULATED && !control_exits(&vm, c))
		a.fate = PASSED_THROUGH;
	measure_accesses(&vm, &a);
	vmm_destroy(&vm);
}

/* What the policies of struct install refuse; read as it is */
static const struct target refused = { .index = PLATFORM_INFO, .value = PLATFORM_INFO_VALUE };
static const struct effect refuses = { .action = KVM_X86_REG_RULE_GP, .denies = true };

/* What a running vCPU reads, and all policies of struct install allow */
static const struct target looped = { .index = EFER };

/* Run until a policy forbids to. */
static void *run_loop(void *vcpu)
{
	if (!vmm_run(vcpu))
		vmm_fail("the vCPU that was to run has come to its end");
	return NULL;
}

/* A VM to install policies in, with its vCPUs */
struct host {
	struct vmm vm;
	const char *name;
	const struct install *in;
	pthread_t thread;
};

static void start_running(struct host *host)
{
	const struct vmm_access access = { .index = looped.index, .times = ~0U };
	struct vmm_vcpu *vcpu = vmm_add_vcpu(&host->vm);

	vmm_start(&host->vm, vcpu, &access);
	if (pthread_create(&host->thread, NULL, run_loop, vcpu))
		vmm_fail("pthread_create: no thread for a vCPU: free some memory");
}

static void stop_running(struct host *host)
{
	vmm_set_msr_exits(&host->vm, KVM_MSR_EXIT_REASON_FILTER);
	make_filter(&sizes[RANGE_1], looped.index, &refuses);
	vmm_set_msr_filter(&host->vm, &filter);
	pthread_join(host->thread, NULL);
}

static void host_create(struct host *host, const char *name, const struct install *in)
{
	const struct accesses a = { name, &refused, EMULATED, 0, NULL };
	int i;

	*host = (struct host) { .name = name, .in = in };
	vmm_create(&host->vm);
	/* vCPUs that have run, and stay in userspace from then on */
	for (i = 0; i < in->nr_idle; i++)
		time_accesses(&host->vm, vmm_add_vcpu(&host->vm), &a, 1);
	if (in->running)
		start_running(host);
}

/* Does the policy that was installed last hold?  An idle vCPU knows. */
static void host_destroy(struct host *host)
{
	const struct accesses a = { host->name, &refused, FAULTS, 0, NULL };
	struct vmm *vm = &host->vm;

	if (!host->in->nr_idle)
		vmm_add_vcpu(vm);
	time_accesses(vm, &vm->vcpus[vm->nr_vcpus - 1], &a, 1);
	if (host->in->running)
		stop_running(host);
	vmm_destroy(vm);
}

static void pause_install(struct host *host)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct vmm_vcpu *vcpu = &host->vm.vcpus[0];
	__u64 exits = host->in->running ? vmm_stat(vcpu, "exits") : 0;

	nanosleep(&pause, NULL);
	if (host->in->running && vmm_stat(vcpu, "exits") == exits)
		vmm_fail("%s: the vCPU does not run", host->name);
}

/*
 * Into a new VM each time, or again and again into one; the first few do not count.
 * What stops a running vCPU takes the place of a filter: it is made for each.
 */
static void time_installs(const char *name, const struct install *in, const struct size *size,
			  __u64 *costs)
{
	const unsigned int nr = WARM_UP_INSTALLS + nr_installs;
	struct host host;
	unsigned int i;
	__u64 start;

	for (i = 0; i < nr; i++) {
		if (!in->replace || !i)
			host_create(&host, name, in);
		make_policy(size, refused.index, &refuses);
		if (in->pause)
			pause_install(&host);
		start = now();
		set_policy(&host.vm, size);
		if (i >= WARM_UP_INSTALLS)
			costs[i - WARM_UP_INSTALLS] = now() - start;
		if (!in->replace || i == nr - 1)
			host_destroy(&host);
	}
}

static int compare_costs(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The mean, or if a few may be out of all proportion, the median */
static void print_costs(const char *name, __u64 *costs, bool median)
{
	__u64 total = 0;
	unsigned int i;

	qsort(costs, nr_installs, sizeof(*costs), compare_costs);
	for (i = 0; i < nr_installs; i++)
		total += costs[i];
	if (median)
		print_cost(name, costs[nr_installs / 2], 1);
	else
		print_cost(name, total, nr_installs);
}

static void measure_install(const char *name, const struct install *in, const struct size *size)
{
	__u64 *costs = calloc(nr_installs, sizeof(*costs));

	if (!costs)
		vmm_fail("%s: no memory for so many --installs", name);
	time_installs(name, in, size, costs);
	/* A vCPU's turn is 100 times longer, and may or may not come up in between. */
	print_costs(name, costs, in->running);
	free(costs);
}

/* The number after "bytes: " in the VM's file in debugfs */
static __u64 read_bytes(struct vmm *vm, const char *name)
{
	unsigned long long bytes;
	char path[64], line[128];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), POLICY_FILE, getpid(), vm->vm_fd);
	file = fopen(path, "r");
	if (!file)
		vmm_fail("%s: no %s: as root, mount -t debugfs debug /sys/kernel/debug",
			 name, path);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "bytes: %llu", &bytes) == 1;
	fclose(file);
	if (!found)
		vmm_fail("%s: %s: no line \"bytes: N\"", name, path);
	return bytes;
}

static void measure_bytes(const char *name, const struct size *size)
{
	struct kvm_x86_reg_rules in_force = {
		.nr_rules = MAX_RULES,
		.rules = (unsigned long)rules,
	};
	struct vmm vm;

	vmm_create(&vm);
	make_policy(size, refused.index, &refuses);
	set_policy(&vm, size);
	vmm_get_reg_rules(&vm, &in_force);
	check_count(name, "rules in force", in_force.nr_rules, size->rules ? size->nr : 0);
	print_cost(name, read_bytes(&vm, name), 1);
	vmm_destroy(&vm);
}

/* Is measurement @name asked for? */
static bool is_chosen(const char *name)
{
	char **pattern = patterns;

	while (*pattern && fnmatch(*pattern, name, 0))
		pattern++;
	return *pattern || pattern == patterns;
}

static bool kernel_has(enum needs needs)
{
	switch (needs) {
	case NEEDS_REG_RULES:
		return vmm_max_reg_rules() >= MAX_RULES;
	case NEEDS_SHARED_RANGES:
		return vmm_max_shared_ranges();
	case NEEDS_NOTHING:
		break;
	}
	return true;
}

bool is_to_measure(const char *name, enum needs needs)
{
	if (!is_chosen(name))
		return false;

	nr_chosen++;
	if (list_only)
		puts(name);
	else if (!kernel_has(needs))
		printf("%s\t-\n", name);
	else
		return true;
	return false;
}

/*
 * The next of the @wanted sizes after @size to measure, and the measurement's name; NULL
 * after the last.
 */
static const struct size *next_size(const struct size *size, unsigned int wanted,
				    const char *prefix, char name[64])
{
	for (size = size ? size + 1 : sizes; size < sizes + NR_SIZES; size++) {
		if (!(wanted & 1 << (size - sizes)))
			continue;
		snprintf(name, 64, "%s%s", prefix, size->name);
		/* The file in debugfs came with the rules, and shows filters as well. */
		if (is_to_measure(name, size->rules || !strcmp(prefix, "bytes-") ?
				  NEEDS_REG_RULES : NEEDS_NOTHING))
			return size;
	}
	return NULL;
}

static void measure_target(const struct target *t)
{
	const struct size *size = NULL;
	const struct effect *effect;
	char prefix[48], name[64];

	for (effect = effects; effect < effects + ARRAY_SIZE(effects); effect++) {
		if (t->allowed_only && effect->fate != EMULATED)
			continue;
		snprintf(prefix, sizeof(prefix), "%s-0x%x-%s", t->write ? "wrmsr" : "rdmsr",
			 t->index, effect->name);
		while ((size = next_size(size, effect->sizes, prefix, name)))
			measure_effect(name, t, effect, size);
	}
}

static void measure_installs(const struct install *in)
{
	const struct size *size = NULL;
	char name[64];

	while ((size = next_size(size, in->sizes, in->name, name)))
		measure_install(name, in, size);
}

static void measure_control(const struct control *c)
{
	const struct verdict *v;
	char name[64];

	for (v = verdicts; v < verdicts + ARRAY_SIZE(verdicts); v++) {
		snprintf(name, sizeof(name), "%s%s", c->name, v->name);
		if (is_to_measure(name, v != &verdicts[0] ? NEEDS_REG_RULES : NEEDS_NOTHING))
			measure_verdict(name, c, v);
	}
}

int main(int argc, char **argv)
{
	const struct size *size = NULL;
	char name[64];
	size_t i;

	patterns = vmm_parse(argc, argv, usage, options, true);
	if (!nr_accesses || !nr_installs)
		vmm_fail("--accesses and --installs: give a number from 1 on");
	memset(allow_bits, 0xff, sizeof(allow_bits));

	for (i = 0; i < ARRAY_SIZE(targets); i++)
		measure_target(&targets[i]);
	for (i = 0; i < ARRAY_SIZE(controls); i++)
		measure_control(&controls[i]);
	for (i = 0; i < ARRAY_SIZE(installs); i++)
		measure_installs(&installs[i]);
	measure_sharing();
	while ((size = next_size(size, INSTALLED_AT_FIRST, "bytes-", name)))
		measure_bytes(name, size);
	measure_shared_ranges();
	if (!nr_chosen)
		vmm_fail("no measurement is named so: try --list");
	return 0;
}
