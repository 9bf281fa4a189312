// SPDX-License-Identifier: GPL-2.0
/*
 * Pin control registers: once a guest has booted, it keeps the protections that it has
 * set in CR0 and CR4, until it starts another kernel.
 *
 * pin() and decide() are the policy: copy them.  run_guest() is the loop around KVM_RUN
 * that they belong to.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm.h"
#include "pin-guest.h"

#define PIN(cr, bits)					\
	{						\
		.space = KVM_X86_REG_RULE_CR,		\
		.access = KVM_X86_REG_RULE_WRITE,	\
		.action = KVM_X86_REG_RULE_EXIT,	\
		.first = cr,				\
		.last = cr,				\
		.mask = bits,				\
	}

/*
 * Have KVM ask us before the guest changes one of the bits, and inject #GP if we do not
 * answer.  Writes that change none of them cost no exit.
 */
static void pin(int vm)
{
	static const struct kvm_x86_reg_rule rules[] = {
		PIN(0, CR0_PINNED),
		PIN(4, CR4_PINNED),
	};
	const int nr_rules = sizeof(rules) / sizeof(rules[0]);
	struct kvm_x86_reg_rules policy = {
		.flags = KVM_X86_REG_RULES_FAIL_CLOSED,
		.nr_rules = nr_rules,
		.msr_default = KVM_X86_REG_RULE_ALLOW,
		.rules = (unsigned long)rules,
	};

	if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_REG_RULES) < nr_rules)
		errx(2, "KVM_CAP_X86_REG_RULES: not in this kernel");
	if (ioctl(vm, KVM_X86_SET_REG_RULES, &policy))
		err(2, "KVM_X86_SET_REG_RULES");
}

/*
 * Answer KVM_EXIT_X86_REG_WRITE.  A guest may always set the bits, as a processor does
 * that comes up later.  It may clear them to start another kernel; a VMM that does not
 * trust the announcement would measure that kernel first.
 */
static void decide(struct vmm_reg_write *write, bool kexec)
{
	const __u64 pinned = write->index ? CR4_PINNED : CR0_PINNED;

	write->error = (write->old & ~write->data & pinned) && !kexec;
}

enum fate { ALLOWED, REFUSED };

/* A write that the guest tries, in the order of pin-guest.S */
struct write {
	const char *title;	/* of this one and those that follow, or NULL */
	__u32 cr;
	__u64 bits;		/* that it changes, of those that the processor has */
	enum fate fate;
	bool asked;		/* by an exit */
};

static const struct write writes[] = {
	{ "the guest boots:", 0, CR0_WP, ALLOWED, false },
	{ NULL, 4, CR4_PINNED, ALLOWED, false },

	{ "the bits are pinned, and the guest is exploited:", 0, CR0_WP, REFUSED, true },
	{ NULL, 4, CR4_UMIP, REFUSED, true },
	{ NULL, 4, CR4_SMEP, REFUSED, true },
	{ NULL, 4, CR4_SMAP, REFUSED, true },
	{ NULL, 4, CR4_PINNED | CR4_TSD, REFUSED, true },

	{ "it changes other bits:", 0, CR0_AM, ALLOWED, false },
	{ NULL, 4, CR4_TSD, ALLOWED, false },

	{ "it starts another kernel, which boots:", 0, CR0_WP, ALLOWED, true },
	{ NULL, 4, CR4_PINNED, ALLOWED, true },
	{ NULL, 0, CR0_WP, ALLOWED, true },
	{ NULL, 4, CR4_PINNED, ALLOWED, true },

	{ "the bits are pinned again, and the new kernel is exploited:",
	  0, CR0_WP, REFUSED, true },
	{ NULL, 4, CR4_PINNED, REFUSED, true },
};

static const char usage[] =
	"Usage: pin-control-registers [--help]\n"
	"\n"
	"Show what KVM's register rules do for control registers: a guest boots and sets\n"
	"CR0.WP and, of CR4.UMIP, CR4.SMEP and CR4.SMAP, those that its processor has.  From\n"
	"then on it gets #GP if it clears one, until it announces that it starts another\n"
	"kernel, and again when that has booted.\n"
	"\n"
	"Needs /dev/kvm and a kernel with KVM_CAP_X86_REG_RULES.\n"
	"\n"
	"Exit status: 0 all as the policy says, 1 some not, 2 could not run.\n";

struct demo {
	struct vmm vm;
	bool kexec;			/* the guest has announced another kernel */
	unsigned int made;		/* writes */
	unsigned int wrong;
	__u64 supported;		/* by the processor, of CR4_PINNED */
	/* as they were before the write that is next, and what came of it so far */
	struct vmm_controls before;
	__u32 faults;
	unsigned int exits;
};

/* Print "WORD NAME, NAME" for the bits that have a name; nothing without bits. */
static void print_bits(const char *word, __u32 cr, __u64 bits)
{
	static const struct {
		__u32 cr;
		__u32 bit;
		const char *name;
	} names[] = {
		{ 0, CR0_WP, "WP" },
		{ 0, CR0_AM, "AM" },
		{ 4, CR4_TSD, "TSD" },
		{ 4, CR4_UMIP, "UMIP" },
		{ 4, CR4_SMEP, "SMEP" },
		{ 4, CR4_SMAP, "SMAP" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].cr != cr || !(names[i].bit & bits))
			continue;
		printf("%s %s", word, names[i].name);
		word = ",";
	}
}

/* What CR @w->cr has to be after the write */
static __u64 expected(const struct write *w, __u64 old, __u64 bits)
{
	return w->fate == REFUSED ? old : old ^ bits;
}

/* Print the line of the write that the guest has made. */
static void show_write(struct demo *d)
{
	const struct vmm_controls now = vmm_get_controls(&d->vm.vcpus[0]);
	const struct write *w = &writes[d->made];
	const __u64 old = w->cr ? d->before.cr4 : d->before.cr0;
	const __u64 new = w->cr ? now.cr4 : now.cr0;
	const __u32 faults = vmm_faults(&d->vm) - d->faults;
	__u64 bits = w->bits;

	/* The first write to CR4 shows what the processor has. */
	if (d->made == 1)
		d->supported = new & CR4_PINNED;
	if (w->cr)
		bits &= d->supported | CR4_TSD;

	if (w->title)
		puts(w->title);
	printf("  CR%u 0x%08llx -> 0x%08llx ", w->cr, old, new);
	if (bits) {
		printf(" %s  %-4s  %s ", w->fate == REFUSED ? "refused" : "allowed",
		       faults ? "#GP" : "done", d->exits ? "asked" : "     ");
		print_bits(" clear", w->cr, bits & old);
		print_bits(bits & old ? ", set" : " set", w->cr, bits & ~old);
	} else {
		print_bits(" not in this processor:", w->cr, w->bits);
	}
	puts("");

	if (new != expected(w, old, bits) || faults != (bits && w->fate == REFUSED) ||
	    d->exits != (bits && w->asked)) {
		puts("  ^^^^^ not as the policy says");
		d->wrong++;
	}

	d->made++;
	d->before = now;
	d->faults += faults;
	d->exits = 0;
}

/* KVM performs the write when we run the guest again. */
static void handle_write(struct demo *d)
{
	struct vmm_reg_write *write = vmm_reg_write(&d->vm.vcpus[0]);
	const struct write *w = &writes[d->made];

	if (d->made == ARRAY_SIZE(writes) || write->space != KVM_X86_REG_RULE_CR ||
	    write->index != w->cr || !write->error ||
	    write->old != (w->cr ? d->before.cr4 : d->before.cr0) ||
	    (write->old ^ write->data) & ~w->bits)
		vmm_fail("KVM_EXIT_X86_REG_WRITE: space %u, CR%u 0x%llx -> 0x%llx, error %u",
			 write->space, write->index, write->old, write->data, write->error);
	decide(write, d->kexec);
	d->exits++;
}

/* Returns whether the guest goes on. */
static bool handle_port(struct demo *d, __u16 port)
{
	switch (port) {
	case PORT_WROTE:
		if (d->made == ARRAY_SIZE(writes))
			vmm_fail("the guest makes more than %zu writes", ARRAY_SIZE(writes));
		show_write(d);
		return true;
	case PORT_BOOTED:
		pin(d->vm.vm_fd);
		d->kexec = false;
		return true;
	case PORT_KEXEC:
		d->kexec = true;
		return true;
	case PORT_END:
		return false;
	case PORT_CRASHED:
		vmm_fail("the guest took an exception other than #GP");
	}
	vmm_fail("the guest uses port 0x%x: it runs wild", port);
}

static void run_guest(struct demo *d)
{
	struct vmm_vcpu *vcpu = &d->vm.vcpus[0];
	bool on = true;

	while (on) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR)
				err(2, "KVM_RUN");
			continue;
		}

		switch (vcpu->run->exit_reason) {
		case KVM_EXIT_IO:
			on = handle_port(d, vcpu->run->io.port);
			break;
		case KVM_EXIT_X86_REG_WRITE:
			handle_write(d);
			break;
		default:
			vmm_fail("KVM_RUN: unexpected exit reason %u, see linux/kvm.h",
				 vcpu->run->exit_reason);
		}
	}
}

static void start_guest(struct demo *d)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE + (pin_guest_start - pin_guest_begin),
		.rsp = GUEST_STACK,
		.rflags = 0x2,		/* which is always set */
	};

	if (ioctl(d->vm.vcpus[0].fd, KVM_SET_REGS, &regs))
		err(2, "KVM_SET_REGS");
	d->before = vmm_get_controls(&d->vm.vcpus[0]);
}

int main(int argc, char **argv)
{
	struct demo d = {};

	vmm_parse(argc, argv, usage, NULL, false);
	vmm_create_supported(&d.vm);
	vmm_load(&d.vm, pin_guest_begin, pin_guest_end, pin_guest_gp, pin_guest_crashed);
	start_guest(&d);
	run_guest(&d);

	if (d.made != ARRAY_SIZE(writes) || !d.supported)
		vmm_fail("the guest made %u writes of %zu, and has 0x%llx of CR4", d.made,
			 ARRAY_SIZE(writes), d.supported);
	if (d.wrong)
		printf("%u writes, %u not as the policy says\n", d.made, d.wrong);
	else
		printf("%u writes, all as the policy says\n", d.made);

	vmm_destroy(&d.vm);
	return d.wrong != 0;
}
