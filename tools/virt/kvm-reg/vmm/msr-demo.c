// SPDX-License-Identifier: GPL-2.0
/*
 * What an MSR filter does, access by access.
 *
 * A guest makes the accesses of a table, twice, under one filter: first with
 * KVM_CAP_X86_USER_SPACE_MSR off, then with it on.  Each line says what the
 * guest got; each is compared with what the filter promises.
 */
#include <stdio.h>
#include <string.h>

#include "vmm.h"

#define EXIT_REASONS	(KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN)
#define READ_WRITE	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define ANY		(~0ULL)		/* in place of an expected value */

enum pass { FAULTING, EXITING, NR_PASSES };

/* What the VMM does about an access that the filter hands to it */
enum answer { REFUSE, ANSWER, DROP, FORWARD };

struct access {
	bool write;
	bool denied;
	__u32 index;
	const char *name;
	__u64 value;		/* of a write */
	__u64 expect[NR_PASSES];	/* of an allowed read */
	enum answer answer;
	__u64 answered;		/* by ANSWER */
};

#define RD(msr, msr_name, ...)	{ .index = msr, .name = msr_name, __VA_ARGS__ }
#define WR(msr, msr_name, data, ...) \
	{ .write = true, .index = msr, .name = msr_name, .value = data, __VA_ARGS__ }

static const struct access accesses[] = {
	/* Microcode: the guest may see the level, not load another. */
	RD(0x0000008b, "MSR_IA32_UCODE_REV", .expect = { ANY, ANY }),
	WR(0x00000079, "MSR_IA32_UCODE_WRITE", 0x1000, .denied = true, .answer = DROP),

	/* Topology: the VMM knows better than the host. */
	RD(0x000000ce, "MSR_PLATFORM_INFO", .expect = { 0x80000000, 0x80000000 }),
	RD(0x00000035, "MSR_CORE_THREAD_COUNT", .denied = true,
	   .answer = ANSWER, .answered = 0x30003),

	/* Read and write apart: the read shows that the write had no effect. */
	WR(0x00000277, "MSR_IA32_CR_PAT", 0x0606060606060606, .denied = true),
	RD(0x00000277, "MSR_IA32_CR_PAT",
	   .expect = { 0x0007040600070406, 0x0007040600070406 }),

	/* Not in the filter, hence allowed */
	WR(0xc0000080, "MSR_EFER", 0x1),
	RD(0xc0000080, "MSR_EFER", .expect = { 0x1, 0x1 }),
	WR(0xc0000103, "MSR_TSC_AUX", 0x1234),
	RD(0xc0000103, "MSR_TSC_AUX", .expect = { 0x1234, 0x1234 }),

	/* Hardware's own until the filter denies the write; reads stay there. */
	WR(0x00000174, "MSR_IA32_SYSENTER_CS", 0x10, .denied = true, .answer = FORWARD),
	RD(0x00000174, "MSR_IA32_SYSENTER_CS", .expect = { 0x0, 0x10 }),

	/* A range that ends exactly at 2^32 */
	RD(0xffffff00, "first of the last range", .denied = true),
	RD(0xffffffff, "last of all", .denied = true),
	WR(0xffffffff, "last of all", 0x1, .denied = true),
};

static __u8 deny[0x100 / 8];	/* a 0 bit denies */

#define DENY(access, first, count) \
	{ .flags = access, .base = first, .nmsrs = count, .bitmap = deny }

static const struct kvm_msr_filter filter = {
	.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
	.ranges = {
		DENY(KVM_MSR_FILTER_WRITE, 0x00000079, 1),
		DENY(KVM_MSR_FILTER_READ,  0x00000035, 1),
		DENY(KVM_MSR_FILTER_WRITE, 0x00000277, 1),
		DENY(KVM_MSR_FILTER_WRITE, 0x00000174, 1),
		DENY(READ_WRITE,           0xffffff00, 0x100),
	},
};

static const char usage[] =
	"Usage: msr-demo [--help]\n"
	"\n"
	"Show what KVM's MSR filter does: a guest makes a list of RDMSRs and WRMSRs\n"
	"under one filter, first with denied accesses faulting (#GP), then with denied\n"
	"accesses exiting to this program (KVM_CAP_X86_USER_SPACE_MSR).  One line per\n"
	"access: the MSR, what the filter says, what the guest got.\n"
	"\n"
	"Needs /dev/kvm and Linux 5.14 or later.  A kernel whose filter computes the end\n"
	"of a range in 32 bits fails the last three accesses of pass 2.\n"
	"\n"
	"Exit status: 0 all as the filter says, 1 some not, 2 could not run.\n";

/* What the filter promises for @a */
static struct vmm_outcome expected(const struct access *a, enum pass pass)
{
	struct vmm_outcome o = { 0 };

	if (a->denied && pass == EXITING) {
		o.exited = true;
		o.reason = KVM_MSR_EXIT_REASON_FILTER;
	}
	o.gp = a->denied && (pass == FAULTING || a->answer == REFUSE);
	if (!a->write && !o.gp)
		o.value = a->denied ? a->answered : a->expect[pass];
	return o;
}

static const char *reason_name(__u32 reason)
{
	switch (reason) {
	case KVM_MSR_EXIT_REASON_FILTER:
		return "filter";
	case KVM_MSR_EXIT_REASON_UNKNOWN:
		return "unknown MSR";
	}
	return "no known reason";
}

/* @o in words, such as "exit (filter), the VMM dropped it, guest: done" */
static void describe(const struct access *a, const struct vmm_outcome *o, char *s, size_t size)
{
	static const char * const deeds[] = {
		[REFUSE]	= "refused",
		[ANSWER]	= "answered",
		[DROP]		= "dropped it",
		[FORWARD]	= "wrote it",
	};
	enum answer answer = o->reason == KVM_MSR_EXIT_REASON_FILTER ? a->answer : REFUSE;
	char guest[64] = "any value";

	if (a->write || o->gp || o->value != ANY)
		vmm_describe(a->write, o, guest, sizeof(guest));
	if (!o->exited)
		snprintf(s, size, "%s", guest);
	else if (answer == ANSWER)
		snprintf(s, size, "exit (%s), the VMM answered 0x%llx, guest: %s",
			 reason_name(o->reason), a->answered, guest);
	else
		snprintf(s, size, "exit (%s), the VMM %s, guest: %s",
			 reason_name(o->reason), deeds[answer], guest);
}

/* The VMM's side of an exit: an MSR that the filter did not ask about is refused. */
static void answer_exit(struct vmm_vcpu *vcpu, const void *access)
{
	const struct access *a = access;
	struct kvm_run *run = vcpu->run;

	run->msr.error = run->msr.reason != KVM_MSR_EXIT_REASON_FILTER || a->answer == REFUSE;
	if (run->msr.error)
		return;
	if (a->answer == ANSWER)
		run->msr.data = a->answered;
	if (a->answer == FORWARD)
		vmm_set_msr(vcpu, run->msr.index, run->msr.data);
}

static bool same(const struct vmm_outcome *got, const struct vmm_outcome *want)
{
	return got->gp == want->gp && got->exited == want->exited &&
	       got->reason == want->reason &&
	       (got->value == want->value || want->value == ANY);
}

/* Make access @a, print its line, and return whether it was as expected. */
static bool show_access(struct vmm *vm, const struct access *a, enum pass pass)
{
	const struct vmm_access access = {
		.write = a->write,
		.index = a->index,
		.value = a->value,
	};
	const struct vmm_outcome want = expected(a, pass);
	struct vmm_outcome got;
	char text[128], wanted[128];

	printf("  %s 0x%08x  %-24s %-8s ", a->write ? "wrmsr" : "rdmsr", a->index, a->name,
	       a->denied ? "denied" : "allowed");
	got = vmm_make_access(vm, &access, answer_exit, a);
	describe(a, &got, text, sizeof(text));
	puts(text);
	if (same(&got, &want))
		return true;

	describe(a, &want, wanted, sizeof(wanted));
	printf("  ^^^^^ expected %s, got %s\n", wanted, text);
	return false;
}

/* Returns how many accesses were not as expected. */
static int run_pass(enum pass pass)
{
	static const char * const titles[] = {
		[FAULTING] = "pass 1: denied accesses fault",
		[EXITING] = "pass 2: denied accesses exit to the VMM",
	};
	struct vmm vm;
	int wrong = 0;
	size_t i;

	puts(titles[pass]);
	vmm_create_supported(&vm);
	vmm_set_msr_filter(&vm, &filter);
	if (pass == EXITING)
		vmm_set_msr_exits(&vm, EXIT_REASONS);

	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		wrong += !show_access(&vm, &accesses[i], pass);
	vmm_destroy(&vm);
	return wrong;
}

static void show_filter(void)
{
	const struct kvm_msr_filter_range *r;

	puts("filter: allow all but");
	for (r = filter.ranges; r->nmsrs; r++)
		printf("  %s %s 0x%08x-0x%08x\n",
		       r->flags & KVM_MSR_FILTER_READ ? "read" : "    ",
		       r->flags & KVM_MSR_FILTER_WRITE ? "write" : "     ",
		       r->base, r->base + (r->nmsrs - 1));
}

int main(int argc, char **argv)
{
	const int made = NR_PASSES * ARRAY_SIZE(accesses);
	int wrong;

	vmm_parse(argc, argv, usage, NULL, false);
	show_filter();
	wrong = run_pass(FAULTING);
	wrong += run_pass(EXITING);
	if (wrong)
		printf("%d accesses, %d not as the filter says\n", made, wrong);
	else
		printf("%d accesses, all as the filter says\n", made);
	return wrong != 0;
}
