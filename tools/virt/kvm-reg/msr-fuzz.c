// SPDX-License-Identifier: GPL-2.0
/*
 * Random MSR filters, and random accesses by a guest under each: what KVM makes
 * of them, in a form that two kernels' can be compared in.
 *
 * What happens follows from the seed alone.  Where the series closes a weakness,
 * the outcome has to be the one that is known for the kernel, and the output says
 * just that it was; all else has to be the same on both kernels.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz-round.h"
#include "vmm.h"

#define PAGE		4096
#define TSC_DEADLINE	0x6e0
#define CPUID_1_ECX_VMX	(1u << 5)
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
	"Set random MSR filters and have a guest make random accesses under each.  One\n"
	"line per round, tab-separated:\n"
	"\n"
	"  round, hash of all that was seen, accesses, a count for each weakness of the\n"
	"  unpatched filter that was met, outcomes that were not as they had to be\n"
	"\n"
	"The lines are the same on the patched and on the unpatched kernel, unless they\n"
	"differ in more than these weaknesses.\n"
	"\n"
	"  --seed=N        what the rounds follow from, by default 0\n"
	"  --rounds=N      by default 100\n"
	"  --round=N       just this round (and those before it in its VM), in words:\n"
	"                  what was done, what was seen, what was expected\n"
	"  --kernel=NAME   base or patched: whose outcomes to expect, by default patched\n"
	"  --retries=N     how often to start a VM anew whose guest was lost, by default 0\n"
	"  --list          print the weaknesses, and where they can be met\n"
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
	__u64 reasons;
	bool has_filter;
	struct fuzz_filter installed;
};

/* What a round comes to */
struct tally {
	unsigned int round;
	__u64 hash;
	unsigned int accesses;
	unsigned int weaknesses[NR_WEAKNESSES];
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

/* Each bitmap has a page with an unmapped one behind it; the last is the filter's. */
#define FILTER_SLOT	KVM_MSR_FILTER_MAX_RANGES

static unsigned char *pages;

static unsigned char *page_of(int slot)
{
	return pages + slot * 2 * PAGE;
}

/* Below 4 GiB, for the 32-bit ioctl */
static void map_pages(void)
{
	const int nr = FILTER_SLOT + 1;
	int i;

	pages = mmap(NULL, nr * 2 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (pages == MAP_FAILED)
		vmm_fail("mmap: no memory below 2 GiB");
	for (i = 0; i < nr; i++)
		if (mprotect(page_of(i) + PAGE, PAGE, PROT_NONE))
			vmm_fail("mprotect: %s", strerror(errno));
}

/* Put @size bytes into a page, as far as they are in it, and return their address. */
static void *place(int slot, enum fuzz_place where, unsigned int offset,
		   const void *bytes, unsigned int size)
{
	unsigned char *page = page_of(slot), *end = page + PAGE;

	switch (where) {
	case ROOMY:
		return memcpy(page + offset, bytes, size);
	case AT_END:
		return memcpy(end - size, bytes, size);
	case CUT_OFF:
		if (size > 1)
			memcpy(end - size + 1, bytes, size - 1);
		return end - size + 1;
	default:
		return end;
	}
}

/* As 32-bit programs have it */
struct compat_range {
	__u32 flags;
	__u32 nmsrs;
	__u32 base;
	__u32 bitmap;
};

struct compat_filter {
	__u32 flags;
	struct compat_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define KVM_X86_SET_MSR_FILTER_COMPAT	_IOW(KVMIO, 0xc6, struct compat_filter)
#define COMPAT_NR_IOCTL			54

/* The system call of 32-bit programs; returns 0 or an errno. */
static int compat_ioctl(int fd, unsigned int request, void *arg)
{
	long r;

	asm volatile("int $0x80"
		     : "=a" (r)
		     : "a" (COMPAT_NR_IOCTL), "b" (fd), "c" (request), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return -(int)r;
}

static int set_compat(int fd, const struct fuzz_filter *filter, const struct kvm_msr_filter *abi)
{
	struct compat_filter compat = { .flags = abi->flags };
	void *arg;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		compat.ranges[i] = (struct compat_range) {
			.flags = abi->ranges[i].flags,
			.nmsrs = abi->ranges[i].nmsrs,
			.base = abi->ranges[i].base,
			.bitmap = (unsigned long)abi->ranges[i].bitmap,
		};
	arg = place(FILTER_SLOT, filter->place, 0, &compat, sizeof(compat));
	return compat_ioctl(fd, KVM_X86_SET_MSR_FILTER_COMPAT, arg);
}

static int set_native(int fd, const struct fuzz_filter *filter, const struct kvm_msr_filter *abi)
{
	void *arg = place(FILTER_SLOT, filter->place, 0, abi, sizeof(*abi));

	return ioctl(fd, KVM_X86_SET_MSR_FILTER, arg) ? errno : 0;
}

/* Returns 0 or an errno. */
static int set_filter(int fd, const struct fuzz_filter *filter)
{
	struct kvm_msr_filter abi = filter->abi;
	const struct fuzz_bitmap *b;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		b = &filter->bitmaps[i];
		abi.ranges[i].bitmap = place(i, b->place, b->offset, b->bytes, b->size);
	}
	return filter->compat ? set_compat(fd, filter, &abi) : set_native(fd, filter, &abi);
}

static const char *place_name(enum fuzz_place where)
{
	static const char * const names[] = {
		[ROOMY]		= "",
		[AT_END]	= ", at the end of a page",
		[CUT_OFF]	= ", cut off by the end of a page",
		[NOWHERE]	= ", in no page",
	};

	return names[where];
}

static void describe_filter(const struct fuzz_filter *filter, char *s, size_t size)
{
	const struct kvm_msr_filter_range *range;
	FILE *f = fmemopen(s, size, "w");
	int i;

	fprintf(f, "%s filter flags 0x%x%s", filter->compat ? "32-bit" : "64-bit",
		filter->abi.flags, place_name(filter->place));
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		if (range->nmsrs)
			fprintf(f, "; range %d flags 0x%x base 0x%x nmsrs 0x%x bitmap %02x%02x..%s",
				i, range->flags, range->base, range->nmsrs,
				filter->bitmaps[i].bytes[0], filter->bitmaps[i].bytes[1],
				place_name(filter->bitmaps[i].place));
	}
	fclose(f);
}

static void describe_errno(int error, char *s, size_t size)
{
	snprintf(s, size, "%s", error ? strerrorname_np(error) : "set");
}

static void try_filter(struct lane *lane, const struct fuzz_filter *filter, struct tally *t)
{
	char done[4096], seen[32], expected[32];
	int r;

	describe_filter(filter, done, sizeof(done));
	describe_errno(fuzz_set_errno(filter, kernel), expected, sizeof(expected));
	r = set_filter(lane->vm.vm_fd, filter);
	describe_errno(r, seen, sizeof(seen));
	note(t, done, seen, expected, fuzz_set_weakness(filter), false);
}

/*
 * Where one kernel takes the filter and the other does not, both get one that
 * both take, so that they go on under the same.
 */
static void do_filter(struct lane *lane, struct fuzz_filter *filter, struct tally *t)
{
	bool set = !fuzz_set_errno(filter, FUZZ_PATCHED);

	try_filter(lane, filter, t);
	if (set != !fuzz_set_errno(filter, FUZZ_BASE)) {
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
	if (!(reasons & ~valid))
		lane->reasons = reasons;
}

static void describe_access(const struct fuzz_access *a, __u64 reasons, char *s, size_t size)
{
	static const char * const answers[] = {
		[REFUSE]	= "refuse",
		[PERFORM]	= "perform",
		[LEAVE]		= "leave",
	};
	char value[24] = "";

	if (a->write)
		snprintf(value, sizeof(value), " 0x%llx", a->value);
	snprintf(s, size, "%s%s 0x%08x%s, exits 0x%llx %s", a->emulated ? "emulated " : "",
		 a->write ? "wrmsr" : "rdmsr", a->index, value, reasons, answers[a->answer]);
}

static void describe_outcome(const struct fuzz_access *a, const struct fuzz_outcome *o,
			     char *s, size_t size)
{
	char exit[64] = "";

	if (o->exited)
		snprintf(exit, sizeof(exit), "exit %s 0x%llx, ",
			 o->reason == KVM_MSR_EXIT_REASON_FILTER ? "filter" :
			 o->reason == KVM_MSR_EXIT_REASON_UNKNOWN ? "unknown" :
			 o->reason == KVM_MSR_EXIT_REASON_INVAL ? "invalid" : "for no reason",
			 o->data);
	if (o->gp)
		snprintf(s, size, "%s#GP", exit);
	else if (a->write)
		snprintf(s, size, "%sdone", exit);
	else if (a->masked && !o->exited)
		snprintf(s, size, "some value");
	else
		snprintf(s, size, "%svalue 0x%llx", exit, o->value);
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
	if (run->msr.error)
		vmm_fail("KVM_RUN: an exit with error %u", run->msr.error);
	if (a->answer == REFUSE)
		run->msr.error = 1;
	else if (a->answer == PERFORM && !write)
		run->msr.data = a->answered;
}

/* Is the guest where it has to be, with one access made? */
static void check_guest(struct lane *lane, const struct fuzz_access *a)
{
	struct kvm_regs regs;

	if (ioctl(lane->vcpu->fd, KVM_GET_REGS, &regs))
		vmm_fail("KVM_GET_REGS: %s", strerror(errno));
	if (regs.rsi || regs.rcx != a->index || regs.rsp != GUEST_STACK ||
	    vmm_faults(&lane->vm) > 1)
		vmm_fail("KVM_RUN: the guest is lost: RSI 0x%llx, RCX 0x%llx, RSP 0x%llx, %u #GPs",
			 regs.rsi, regs.rcx, regs.rsp, vmm_faults(&lane->vm));
}

static struct fuzz_outcome make_access(struct lane *lane, const struct fuzz_access *a)
{
	const struct vmm_access access = {
		.write = a->write,
		.emulated = a->emulated,
		.index = a->index,
		.value = a->value,
		.times = 1,
	};
	struct fuzz_outcome o = { 0 };

	vmm_start(&lane->vm, lane->vcpu, &access);
	while (vmm_run(lane->vcpu))
		answer_exit(lane->vcpu->run, a, &o);

	check_guest(lane, a);
	o.gp = vmm_faults(&lane->vm);
	if (!a->write && !o.gp)
		o.value = vmm_value(lane->vcpu);
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
	o = make_access(lane, a);
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

static void print_tally(const struct tally *t)
{
	int i;

	printf("%u\t%016llx\t%u", t->round, t->hash, t->accesses);
	for (i = 0; i < NR_WEAKNESSES; i++)
		printf("\t%u", t->weaknesses[i]);
	printf("\t%u\n", t->unexpected);
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
	for (i = 0; i < FUZZ_ACCESSES; i++)
		do_access(lane, &round.accesses[i], &t);

	if (only_round == EVERY_ROUND)
		print_tally(&t);
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

static void create_lane(struct lane *lane, unsigned int group)
{
	struct fuzz_vm input;

	fuzz_make_vm(&input, seed, group);
	lane->vmx = has_vmx();
	vmm_create(&lane->vm);
	if (input.irqchip)
		vmm_create_irqchip(&lane->vm);
	lane->vcpu = vmm_add_vcpu(&lane->vm);
	if (input.cpuid == SUPPORTED_CPUID)
		vmm_set_supported_cpuid(&lane->vm, lane->vcpu);
	else if (input.cpuid == HYPERV_CPUID)
		vmm_set_hyperv_cpuid(lane->vcpu);
	if (input.x2apic)
		enable_x2apic(lane->vcpu);
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

static int run_all(void)
{
	const unsigned int groups = (nr_rounds + FUZZ_GROUP - 1) / FUZZ_GROUP;
	unsigned int i, last;
	int status = 0;

	if (only_round != EVERY_ROUND)
		return do_group(only_round / FUZZ_GROUP, only_round);

	for (i = 0; i < groups; i++) {
		last = i * FUZZ_GROUP + FUZZ_GROUP - 1;
		status |= do_group(i, last < nr_rounds ? last : nr_rounds - 1);
	}
	return status;
}

static void print_weaknesses(void)
{
	const struct fuzz_weakness_info *w;

	for (w = fuzz_weaknesses; w < fuzz_weaknesses + NR_WEAKNESSES; w++)
		printf("%s\t%s\t%s\n", w->name, w->vmx_only ? "vmx" : "any", w->what);
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
			print_weaknesses();
			return 0;
		}
		parse(argv[i]);
	}
	map_pages();
	return run_all();
}
