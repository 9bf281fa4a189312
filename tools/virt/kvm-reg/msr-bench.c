// SPDX-License-Identifier: GPL-2.0
/*
 * What MSR accesses and MSR filters cost.
 *
 * Under "qemu -accel tcg,thread=single -icount shift=0,sleep=off -smp 1", where
 * CLOCK_MONOTONIC advances by one nanosecond per instruction, the results are
 * instructions of guest and host kernel together.  Elsewhere, nanoseconds.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm.h"

#define READ_WRITE	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define FULL_BITMAP	0x600		/* bytes, the most that a range may have */
#define SMALL_RANGE	64		/* MSRs */
#define FULL_RANGE	(FULL_BITMAP * 8)

/* Ranges that no measured MSR is in: from here, one every FULL_RANGE */
#define ELSEWHERE	0x00010000

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
 * srcutree.exp_holdoff (25 us) wait for ticks.
 */
#define PAUSE_NS		1000000

#define WARM_UP_ACCESSES	500
#define WARM_UP_INSTALLS	2

#define PLATFORM_INFO		0x000000ce
#define SYSENTER_CS		0x00000174
#define CR_PAT			0x00000277
#define HV_VP_INDEX		0x40000002
#define KVM_WALL_CLOCK		0x4b564d00
#define EFER			0xc0000080
#define HWCR			0xc0010015

#define PLATFORM_INFO_VALUE	0x80000000
#define CR_PAT_VALUE		0x0007040600070406ULL

/* What the VMM answers to a read, unlike anything KVM would */
#define ANSWER			0x0123456789abcdefULL

/* What a filter has to say on the measured MSR */
enum verdict { SILENT, ALLOWS, DENIES };

/* What becomes of an access */
enum fate { EMULATED, PASSED_THROUGH, FAULTS, EXITS };

struct variant {
	const char *name;
	int nr_ranges;
	enum verdict last;	/* of the last range; the others are elsewhere */
	enum fate fate;
};

enum {
	NO_FILTER, RANGE_1, RANGES_4, RANGES_16, RANGES_16_HIT, DENIED_GP, DENIED_EXIT,
	NR_VARIANTS
};

static const struct variant variants[NR_VARIANTS] = {
	[NO_FILTER]	= { "no-filter", 0, SILENT, EMULATED },
	[RANGE_1]	= { "1-range", 1, SILENT, EMULATED },
	[RANGES_4]	= { "4-ranges", 4, SILENT, EMULATED },
	[RANGES_16]	= { "16-ranges", 16, SILENT, EMULATED },
	[RANGES_16_HIT]	= { "16-ranges-last-allows", 16, ALLOWS, EMULATED },
	[DENIED_GP]	= { "denied-gp", 1, DENIES, FAULTS },
	[DENIED_EXIT]	= { "denied-exit", 1, DENIES, EXITS },
};

#define ALL	((1 << NR_VARIANTS) - 1)
#define FEW	(1 << NO_FILTER | 1 << RANGES_16)

/* An MSR access to measure, under each of @variants */
struct target {
	bool write;
	bool passed_through;	/* by hardware, unless denied */
	bool hyperv;		/* KVM has the MSR for Hyper-V guests only */
	__u32 index;
	__u64 value;		/* to write, or that a read returns */
	unsigned int variants;
};

static const struct target targets[] = {
	{ .index = PLATFORM_INFO, .value = PLATFORM_INFO_VALUE, .variants = ALL },
	{ .index = CR_PAT, .value = CR_PAT_VALUE, .write = true, .variants = ALL },
	{ .index = HV_VP_INDEX, .hyperv = true, .variants = FEW },
	{ .index = KVM_WALL_CLOCK, .variants = FEW },
	{ .index = EFER, .variants = FEW },
	{ .index = HWCR, .variants = FEW },
	{ .index = SYSENTER_CS, .passed_through = true, .variants = FEW },
};

/* Installing a filter, into a VM with this many idle vCPUs */
struct install {
	const char *name;
	bool replace;
	bool pause;		/* give SRCU a rest before each */
	int nr_vcpus;
};

static const struct install installs[] = {
	{ "first-filter-0-vcpus", false, false, 0 },
	{ "first-filter-0-vcpus-after-pause", false, true, 0 },
	{ "first-filter-1-vcpu", false, false, 1 },
	{ "replace-filter-0-vcpus", true, false, 0 },
	{ "replace-filter-1-vcpu", true, false, 1 },
	{ "replace-filter-4-vcpus", true, false, 4 },
	{ "replace-filter-0-vcpus-after-pause", true, true, 0 },
	{ "replace-filter-1-vcpu-after-pause", true, true, 1 },
	{ "replace-filter-4-vcpus-after-pause", true, true, 4 },
};

/* What is installed */
struct shape {
	const char *name;
	int nr_ranges;
	__u32 nmsrs;		/* in each range */
};

static const struct shape shapes[] = {
	{ "1-range", 1, SMALL_RANGE },
	{ "16-full-ranges", KVM_MSR_FILTER_MAX_RANGES, FULL_RANGE },
};

static unsigned int nr_accesses = DEFAULT_ACCESSES;
static unsigned int nr_installs = DEFAULT_INSTALLS;
static bool list_only;

static __u8 allow_bits[FULL_BITMAP];	/* all ones, by main() */
static __u8 deny_bits[FULL_BITMAP];

static const char usage[] =
	"Usage: msr-bench [OPTION]... [NAME]...\n"
	"\n"
	"Print what MSR accesses by a guest, and MSR filters, cost: NAME<TAB>COST, a line\n"
	"each.  A NAME may be a shell pattern, such as 'rdmsr-*'; without any, all run.\n"
	"\n"
	"  --list          print the names only\n"
	"  --accesses=N    accesses in a batch, by default 500\n"
	"  --installs=N    filter installations to average over, by default 100\n"
	"  --help          print this\n"
	"\n"
	"COST is nanoseconds of CLOCK_MONOTONIC.  It is instructions, repeatable to\n"
	"0.1 %, in a machine run by\n"
	"  qemu-system-x86_64 -M q35 -cpu EPYC,+svm,+npt,-xsavec -smp 1\n"
	"    -accel tcg,thread=single -icount shift=0,sleep=off ...\n"
	"\n"
	"An access includes its part of the guest's loop (two instructions), VM exit and\n"
	"entry.  Its cost is that of the cheapest of 40 batches, less a batch of one, so\n"
	"that neither timer ticks nor the start of a batch count.  Each batch is checked:\n"
	"its value, its faults, its exits.  The cost of a filter is the mean of all; the\n"
	"filters follow each other at once, or -after-pause, each after 1 ms without.\n"
	"Needs /dev/kvm and Linux 5.14 or later.\n"
	"\n"
	"Exit status: 0, or 2 if something could not be measured as it is named.\n";

static __u64 now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t))
		vmm_fail("clock_gettime: no CLOCK_MONOTONIC: see dmesg for the clock source");
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void print_cost(const char *name, __u64 total, __u64 count)
{
	printf("%s\t%llu\n", name, (total + count / 2) / count);
	fflush(stdout);
}

/* @nr ranges that are elsewhere; the last says @last on @index. */
static void make_filter(struct kvm_msr_filter *filter, int nr, __u32 nmsrs, __u32 index,
			enum verdict last)
{
	int i;

	*filter = (struct kvm_msr_filter) { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	for (i = 0; i < nr; i++) {
		filter->ranges[i] = (struct kvm_msr_filter_range) {
			.flags = READ_WRITE,
			.nmsrs = nmsrs,
			.base = ELSEWHERE + i * FULL_RANGE,
			.bitmap = allow_bits,
		};
	}
	if (last == SILENT)
		return;
	filter->ranges[nr - 1].base = index & ~(SMALL_RANGE - 1);
	filter->ranges[nr - 1].bitmap = last == DENIES ? deny_bits : allow_bits;
}

/* Run the guest to its end and return how often it exited to userspace. */
static unsigned int run_accesses(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int exits = 0;

	while (vmm_run(vcpu)) {
		run->msr.error = 0;
		if (run->exit_reason == KVM_EXIT_X86_RDMSR)
			run->msr.data = ANSWER;
		exits++;
	}
	return exits;
}

static void check_count(const char *name, const char *what, __u64 got, __u64 want)
{
	if (got != want)
		vmm_fail("%s: %llu %s, not %llu: KVM does not do what the name says",
			 name, got, what, want);
}

/* Did the guest's last accesses end as @fate says? */
static void check_guest(struct vmm *vm, const char *name, const struct vmm_access *a,
			__u64 value, enum fate fate)
{
	struct vmm_vcpu *vcpu = &vm->vcpus[0];

	check_count(name, "accesses missing", vmm_left(vcpu), 0);
	check_count(name, "#GPs", vmm_faults(vm), fate == FAULTS ? a->times : 0);
	if (a->write || fate == FAULTS)
		return;
	check_count(name, "read", vmm_value(vcpu), fate == EXITS ? ANSWER : value);
}

/* Interrupts make VM-exits as well, but few; hardware's own accesses make none. */
static void check_vm_exits(const char *name, __u64 exits, __u32 times, enum fate fate)
{
	const __u64 least = fate == PASSED_THROUGH ? 0 : times;
	const __u64 most = least + times / 4 + 10;

	if (exits < least || exits > most)
		vmm_fail("%s: %llu VM-exits, not %llu to %llu: KVM does not do what the name says",
			 name, exits, least, most);
}

/* Make @times accesses, check what became of them, and return what they cost. */
static __u64 time_accesses(struct vmm *vm, const char *name, const struct target *t,
			   enum fate fate, __u32 times)
{
	const struct vmm_access access = {
		.write = t->write,
		.index = t->index,
		.value = t->write ? t->value : ~t->value,
		.times = times,
	};
	struct vmm_vcpu *vcpu = &vm->vcpus[0];
	unsigned int exits;
	__u64 start, cost, vm_exits;

	vmm_start(vm, vcpu, &access);
	vm_exits = vmm_exits(vcpu);
	start = now();
	exits = run_accesses(vcpu);
	cost = now() - start;

	check_vm_exits(name, vmm_exits(vcpu) - vm_exits, times, fate);
	check_count(name, "exits to userspace", exits, fate == EXITS ? times : 0);
	check_guest(vm, name, &access, t->value, fate);
	return cost;
}

/* The least that @times accesses cost, of many tries */
static __u64 least_cost(struct vmm *vm, const char *name, const struct target *t,
			enum fate fate, __u32 times)
{
	__u64 cost, least = ~0ULL;
	int i;

	for (i = 0; i < NR_BATCHES; i++) {
		cost = time_accesses(vm, name, t, fate, times);
		if (cost < least)
			least = cost;
	}
	return least;
}

static void measure_access(const char *name, const struct target *t, const struct variant *v)
{
	const enum fate fate = t->passed_through && v->fate == EMULATED ? PASSED_THROUGH : v->fate;
	const __u32 times = nr_accesses * (fate == PASSED_THROUGH ? PASSED_THROUGH_FACTOR : 1);
	struct kvm_msr_filter filter;
	struct vmm_vcpu *vcpu;
	struct vmm vm;
	__u64 one, all;

	vmm_create(&vm);
	vcpu = vmm_add_vcpu(&vm);
	if (t->hyperv)
		vmm_set_hyperv_cpuid(vcpu);
	if (v->nr_ranges) {
		make_filter(&filter, v->nr_ranges, SMALL_RANGE, t->index, v->last);
		vmm_set_msr_filter(&vm, &filter);
	}
	if (v->fate == EXITS)
		vmm_set_msr_exits(&vm, KVM_MSR_EXIT_REASON_FILTER);

	time_accesses(&vm, name, t, fate, WARM_UP_ACCESSES);
	one = least_cost(&vm, name, t, fate, 1);
	all = least_cost(&vm, name, t, fate, times + 1);
	if (all < one)
		vmm_fail("%s: lost in noise: use more --accesses", name);
	print_cost(name, all - one, times);
	vmm_destroy(&vm);
}

/* The only MSR that the filters of struct install deny, read as it is */
static const struct target denied = { .index = PLATFORM_INFO, .value = PLATFORM_INFO_VALUE };

static __u64 time_filter(struct vmm *vm, const struct install *in,
			 const struct kvm_msr_filter *filter)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	__u64 start;

	if (in->pause)
		nanosleep(&pause, NULL);
	start = now();
	vmm_set_msr_filter(vm, filter);
	return now() - start;
}

/* A VM whose vCPUs have run, and stay in userspace from then on */
static void create_idle(struct vmm *vm, const char *name, int nr_vcpus)
{
	const struct vmm_access access = { .index = PLATFORM_INFO, .times = 1 };
	int i;

	vmm_create(vm);
	for (i = 0; i < nr_vcpus; i++) {
		struct vmm_vcpu *vcpu = vmm_add_vcpu(vm);

		vmm_start(vm, vcpu, &access);
		run_accesses(vcpu);
		check_count(name, "read", vmm_value(vcpu), PLATFORM_INFO_VALUE);
	}
}

/* Does the filter that was installed last hold? */
static void check_filter(struct vmm *vm, const char *name)
{
	if (!vm->nr_vcpus)
		vmm_add_vcpu(vm);
	time_accesses(vm, name, &denied, FAULTS, 1);
}

static __u64 time_first(const char *name, const struct install *in,
			const struct kvm_msr_filter *filter)
{
	struct vmm vm;
	__u64 cost;

	create_idle(&vm, name, in->nr_vcpus);
	cost = time_filter(&vm, in, filter);
	check_filter(&vm, name);
	vmm_destroy(&vm);
	return cost;
}

/* A new VM for each */
static __u64 time_firsts(const char *name, const struct install *in,
			 const struct kvm_msr_filter *filter)
{
	__u64 cost = 0;
	unsigned int i;

	for (i = 0; i < WARM_UP_INSTALLS; i++)
		time_first(name, in, filter);
	for (i = 0; i < nr_installs; i++)
		cost += time_first(name, in, filter);
	return cost;
}

static __u64 time_replaces(const char *name, const struct install *in,
			   const struct kvm_msr_filter *filter)
{
	struct vmm vm;
	__u64 cost = 0;
	unsigned int i;

	create_idle(&vm, name, in->nr_vcpus);
	for (i = 0; i < WARM_UP_INSTALLS; i++)
		time_filter(&vm, in, filter);
	for (i = 0; i < nr_installs; i++)
		cost += time_filter(&vm, in, filter);
	check_filter(&vm, name);
	vmm_destroy(&vm);
	return cost;
}

static void measure_install(const char *name, const struct install *in, const struct shape *s)
{
	struct kvm_msr_filter filter;
	__u64 cost;

	make_filter(&filter, s->nr_ranges, s->nmsrs, denied.index, DENIES);
	if (in->replace)
		cost = time_replaces(name, in, &filter);
	else
		cost = time_firsts(name, in, &filter);
	print_cost(name, cost, nr_installs);
}

/* Is measurement @name to be made?  Count it if asked for; with --list, print it. */
static bool selected(const char *name, char **patterns, int *chosen)
{
	bool wanted = !*patterns;

	for (; *patterns && !wanted; patterns++)
		wanted = !fnmatch(*patterns, name, 0);
	if (!wanted)
		return false;

	++*chosen;
	if (list_only)
		puts(name);
	return !list_only;
}

static void measure_target(const struct target *t, char **patterns, int *chosen)
{
	char name[64];
	int v;

	for (v = 0; v < NR_VARIANTS; v++) {
		if (!(t->variants & 1 << v))
			continue;
		snprintf(name, sizeof(name), "%s-0x%x-%s", t->write ? "wrmsr" : "rdmsr",
			 t->index, variants[v].name);
		if (selected(name, patterns, chosen))
			measure_access(name, t, &variants[v]);
	}
}

static void measure_installs(const struct install *in, char **patterns, int *chosen)
{
	char name[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		snprintf(name, sizeof(name), "%s-%s", in->name, shapes[i].name);
		if (selected(name, patterns, chosen))
			measure_install(name, in, &shapes[i]);
	}
}

/* Make the measurements that @patterns name, and return how many they are. */
static int measure(char **patterns)
{
	int chosen = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(targets); i++)
		measure_target(&targets[i], patterns, &chosen);
	for (i = 0; i < ARRAY_SIZE(installs); i++)
		measure_installs(&installs[i], patterns, &chosen);
	return chosen;
}

static unsigned int parse_count(const char *arg)
{
	const char *digits = strchr(arg, '=') + 1;
	unsigned long n;
	char *end;

	n = strtoul(digits, &end, 10);
	if (end == digits || *end || n < 1 || n > 10000000)
		vmm_fail("%s: give a number from 1 to 10000000", arg);
	return n;
}

static void parse_option(const char *arg)
{
	if (!strcmp(arg, "--help")) {
		fputs(usage, stdout);
		exit(0);
	}
	if (!strcmp(arg, "--list"))
		list_only = true;
	else if (!strncmp(arg, "--accesses=", strlen("--accesses=")))
		nr_accesses = parse_count(arg);
	else if (!strncmp(arg, "--installs=", strlen("--installs=")))
		nr_installs = parse_count(arg);
	else
		vmm_fail("unknown option %s: try --help", arg);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++)
		parse_option(argv[i]);
	memset(allow_bits, 0xff, sizeof(allow_bits));

	if (!measure(argv + i))
		vmm_fail("no measurement is named so: try --list");
	return 0;
}
