// SPDX-License-Identifier: GPL-2.0
/*
 * A default-deny policy: a guest that may access three MSRs and no other.
 *
 * set_policy(), save_policy() and restore_policy() know no more of this program
 * than the VM's file descriptor: copy them.  The reference,
 * Documentation/virt/kvm/x86/reg-rules.rst, shows them as they are here.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm.h"

#define MSR_IA32_TSC	0x00000010
#define MSR_IA32_CR_PAT	0x00000277
#define MSR_EFER	0xc0000080
#define MSR_UNKNOWN	0x00000690	/* MSR_CORE_PERF_LIMIT_REASONS, which KVM does not have */

#define READ		KVM_X86_REG_RULE_READ
#define WRITE		KVM_X86_REG_RULE_WRITE
#define ALLOW(msr, how) \
	{ .access = how, .action = KVM_X86_REG_RULE_ALLOW, .first = msr, .last = msr }

static const struct kvm_x86_reg_rule rules[] = {
	ALLOW(MSR_IA32_TSC, READ),
	ALLOW(MSR_IA32_CR_PAT, READ | WRITE),
	ALLOW(MSR_EFER, READ | WRITE),
};

/* What the rules do not allow raises #GP in the guest. */
static void set_policy(int vm)
{
	const int nr_rules = sizeof(rules) / sizeof(rules[0]);
	struct kvm_x86_reg_rules policy = {
		.nr_rules = nr_rules,
		.msr_default = KVM_X86_REG_RULE_GP,
		.rules = (unsigned long)rules,
	};

	if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_REG_RULES) < nr_rules)
		errx(2, "KVM_CAP_X86_REG_RULES: not in this kernel");
	if (ioctl(vm, KVM_X86_SET_REG_RULES, &policy))
		err(2, "KVM_X86_SET_REG_RULES");
}

struct saved_policy {
	struct kvm_x86_reg_rules head;
	struct kvm_x86_reg_rule rules[];
};

/* Returns the policy of the VM, to be freed by the caller. */
static struct saved_policy *save_policy(int vm)
{
	struct kvm_x86_reg_rules head = {};
	struct saved_policy *saved;

	/* Without room for the rules, this fails and returns their number. */
	if (ioctl(vm, KVM_X86_GET_REG_RULES, &head) && errno != E2BIG)
		err(2, "KVM_X86_GET_REG_RULES");

	saved = (struct saved_policy *)calloc(1, sizeof(*saved) +
					      head.nr_rules * sizeof(saved->rules[0]));
	if (!saved)
		err(2, "calloc");

	saved->head.nr_rules = head.nr_rules;
	saved->head.rules = (unsigned long)saved->rules;
	if (ioctl(vm, KVM_X86_GET_REG_RULES, &saved->head))
		err(2, "KVM_X86_GET_REG_RULES");
	return saved;
}

/* The policy may come from another process, or another machine. */
static void restore_policy(int vm, struct saved_policy *saved)
{
	saved->head.rules = (unsigned long)saved->rules;
	if (ioctl(vm, KVM_X86_SET_REG_RULES, &saved->head))
		err(2, "KVM_X86_SET_REG_RULES");
}

#define ANY		(~0ULL)		/* in place of an expected value */

enum fate { ALLOWED, REFUSED, IGNORED };

struct access {
	bool write;
	enum fate fate;
	__u32 index;
	const char *name;
	__u64 value;		/* of a write; expected of a read */
};

static const struct access accesses[] = {
	{ false, ALLOWED, MSR_IA32_TSC, "MSR_IA32_TSC", ANY },
	{ true, REFUSED, MSR_IA32_TSC, "MSR_IA32_TSC", 0 },
	{ true, ALLOWED, MSR_IA32_CR_PAT, "MSR_IA32_CR_PAT", 0x0606060606060606 },
	{ false, ALLOWED, MSR_IA32_CR_PAT, "MSR_IA32_CR_PAT", 0x0606060606060606 },
	{ true, ALLOWED, MSR_EFER, "MSR_EFER", 0x1 },
	{ false, ALLOWED, MSR_EFER, "MSR_EFER", 0x1 },

	/* Without a policy, KVM would answer this one ... */
	{ false, REFUSED, 0x0000008b, "MSR_IA32_UCODE_REV", 0 },
	/* ... and leave these to the hardware. */
	{ true, REFUSED, 0x00000174, "MSR_IA32_SYSENTER_CS", 0x10 },
	{ false, REFUSED, 0x00000174, "MSR_IA32_SYSENTER_CS", 0 },
};

static const char usage[] =
	"Usage: default-deny [--help]\n"
	"\n"
	"Show what KVM's register rules do: a VM's guest may access three MSRs, and gets\n"
	"#GP for any other.  The VM's policy is then read back and given to a second VM,\n"
	"whose guest makes the same accesses.  A third VM reads an MSR that KVM does not know,\n"
	"without a policy, and then with one that ignores what KVM does not know.  The module\n"
	"parameter ignore_msrs has to be off.\n"
	"\n"
	"Needs /dev/kvm and a kernel with KVM_CAP_X86_REG_RULES.\n"
	"\n"
	"Exit status: 0 all as the policy says, 1 some not, 2 could not run.\n";

/* Make access @a, print its line, and return whether it was as expected. */
static bool show_access(struct vmm *vm, const struct access *a)
{
	const struct vmm_access access = {
		.write = a->write,
		.index = a->index,
		.value = a->value,
	};
	static const char * const fates[] = {
		[ALLOWED]	= "allowed",
		[REFUSED]	= "refused",
		[IGNORED]	= "ignored",
	};
	const struct vmm_outcome o = vmm_make_access(vm, &access, NULL, NULL);
	const bool refused = a->fate == REFUSED;
	char text[64];

	vmm_describe(a->write, &o, text, sizeof(text));
	printf("  %s 0x%08x  %-20s  %-7s  %s\n", a->write ? "wrmsr" : "rdmsr", a->index,
	       a->name, fates[a->fate], text);
	if (o.gp == refused &&
	    (o.gp || a->write || a->value == ANY || a->value == o.value))
		return true;

	puts("  ^^^^^ not as the policy says");
	return false;
}

/* Returns how many accesses were not as expected. */
static int run_guest(struct vmm *vm)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		wrong += !show_access(vm, &accesses[i]);
	return wrong;
}

/* For one VM, what the module parameter ignore_msrs does for all */
static void ignore_unknown(int vm)
{
	struct kvm_x86_reg_rules policy = {
		.msr_default = KVM_X86_REG_RULE_IGNORE_UNKNOWN,
	};

	if (ioctl(vm, KVM_X86_SET_REG_RULES, &policy))
		err(2, "KVM_X86_SET_REG_RULES");
}

/* Returns how many accesses were not as expected. */
static int run_unknown(struct vmm *vm)
{
	const struct access fails = { false, REFUSED, MSR_UNKNOWN, "unknown to KVM", 0 };
	const struct access ignored = { false, IGNORED, MSR_UNKNOWN, "unknown to KVM", 0 };
	int wrong = !show_access(vm, &fails);

	ignore_unknown(vm->vm_fd);
	return wrong + !show_access(vm, &ignored);
}

static void show_policy(const struct saved_policy *policy)
{
	__u32 i;

	printf("policy: #GP for all but\n");
	for (i = 0; i < policy->head.nr_rules; i++)
		printf("  %-4s %-5s 0x%08x\n",
		       policy->rules[i].access & READ ? "read" : "",
		       policy->rules[i].access & WRITE ? "write" : "",
		       policy->rules[i].first);
}

static bool is_same(const struct saved_policy *a, const struct saved_policy *b)
{
	return a->head.flags == b->head.flags &&
	       a->head.msr_default == b->head.msr_default &&
	       a->head.nr_rules == b->head.nr_rules &&
	       !memcmp(a->rules, b->rules, a->head.nr_rules * sizeof(a->rules[0]));
}

int main(int argc, char **argv)
{
	const int made = 2 * ARRAY_SIZE(accesses) + 2;
	struct saved_policy *saved, *restored;
	struct vmm first, second, third;
	int wrong;

	vmm_parse(argc, argv, usage, NULL, false);
	vmm_create_supported(&first);
	set_policy(first.vm_fd);
	saved = save_policy(first.vm_fd);
	show_policy(saved);
	puts("first VM:");
	wrong = run_guest(&first);

	vmm_create_supported(&second);
	restore_policy(second.vm_fd, saved);
	restored = save_policy(second.vm_fd);
	puts("second VM, with the policy of the first:");
	wrong += run_guest(&second);

	if (!is_same(saved, restored)) {
		puts("the policies of the VMs differ");
		wrong++;
	}

	vmm_create_supported(&third);
	puts("third VM, without a policy, and then with one that ignores unknown MSRs:");
	wrong += run_unknown(&third);
	if (wrong)
		printf("%d accesses, %d not as the policy says\n", made, wrong);
	else
		printf("%d accesses, all as the policy says\n", made);

	free(saved);
	free(restored);
	vmm_destroy(&first);
	vmm_destroy(&second);
	vmm_destroy(&third);
	return wrong != 0;
}
