// SPDX-License-Identifier: GPL-2.0
/* kvm-reg run: run a flat guest image in the small VMM, under a policy. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm-reg.h"
#include "vmm/vmm.h"

#define IMAGE		0x1000
#define MAX_IMAGE	(GUEST_SIZE - IMAGE)

/* A handler of 4 bytes for each vector, of which the guest may take its own instead */
#define STUBS		0x0600
#define NR_VECTORS	256
#define GP_VECTOR	13

#define PORT_CONSOLE	0xe9

#define RFLAGS_FIXED	0x2
#define CR0_PE		0x1
#define CR0_LMSW	0xe	/* what LMSW writes, but for PE, which it can only set */
#define CR0_TS		0x8

static const char usage[] =
	"Usage: kvm-reg run POLICY GUEST.bin\n"
	"\n"
	"Run a flat image in a small VMM, under a policy, and say on stderr what is refused.\n"
	"\n"
	"The image, of at most 60 KiB, is loaded to 0x1000 and started at its first byte, in real\n"
	"mode, with all segments at 0 and the stack below it. The VM has 64 KiB of memory and one\n"
	"vCPU with all that KVM supports. What the guest writes to port 0xe9 is shown on stdout.\n"
	"It ends by HLT, or by a write to port 0x10.\n"
	"\n"
	"All exits are answered with #GP: those that rules cause, by exit or deny, and those of\n"
	"MSRs that KVM does not know, or values that it does not take. Unless the guest has a\n"
	"handler of its own for #GP, it goes on after the instruction. Other exceptions end it.\n"
	"\n"
	"Exit status: 0 if the guest has ended, 1 if an exception has ended it, 2 for trouble.\n";

struct guest {
	const char *path;		/* of the policy */
	const struct kvmreg_policy *policy;
	struct vmm vm;
	struct vmm_vcpu *vcpu;
	struct kvm_regs regs;		/* at the last exit */
	struct kvm_sregs sregs;
	bool told;			/* why there will be a #GP */
	unsigned int refused;
};

/* An access, by the instruction that makes it */
struct insn {
	unsigned int length;
	struct kvmreg_access access;
};

static void load_image(struct vmm *vm, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		vmm_fail("%s: %s", path, strerror(errno));
	size = fread(vm->memory + IMAGE, 1, MAX_IMAGE, file);
	if (ferror(file))
		vmm_fail("%s: %s", path, strerror(errno));
	if (!size)
		vmm_fail("%s: there is no image in it", path);
	if (fgetc(file) != EOF)
		vmm_fail("%s: an image has at most %u bytes", path, MAX_IMAGE);
	fclose(file);
}

/* By where the guest is when it writes to the port, it says which exception it has. */
static void add_stubs(struct vmm *vm)
{
	static const unsigned char code[] = {
		0xe6, PORT_LOST,	/* outb %al, $PORT_LOST */
		0xcf,			/* iretw */
	};
	__u16 vector, ip;

	for (vector = 0; vector < NR_VECTORS; vector++) {
		ip = STUBS + vector * 4;
		memcpy(vm->memory + ip, code, sizeof(code));
		memcpy(vm->memory + GUEST_IVT + vector * 4, &ip, sizeof(ip));
	}
}

static void create(struct guest *guest, const char *image)
{
	struct kvm_regs regs = { .rip = IMAGE, .rsp = IMAGE, .rflags = RFLAGS_FIXED };
	struct kvmreg_error error;
	int err;

	vmm_create(&guest->vm);
	load_image(&guest->vm, image);
	add_stubs(&guest->vm);

	err = kvmreg_install(guest->vm.vm_fd, guest->policy, 0, &error);
	if (err < 0) {
		fprintf(stderr, "%s\n", error.message);
		exit(EXIT_TROUBLE);
	}
	if (err == KVMREG_FILTER)
		fputs("kvm-reg: this kernel has no register rules: the policy is an MSR filter\n",
		      stderr);
	vmm_set_msr_exits(&guest->vm, KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN |
			  KVM_MSR_EXIT_REASON_INVAL);

	guest->vcpu = vmm_add_vcpu(&guest->vm);
	vmm_set_supported_cpuid(&guest->vm, guest->vcpu);
	if (ioctl(guest->vcpu->fd, KVM_SET_REGS, &regs))
		vmm_fail("KVM_SET_REGS: %s", strerror(errno));
}

/* What the register holds, if KVM can read it */
static void read_old(struct guest *guest, struct kvmreg_access *access)
{
	const struct vmm_controls controls = vmm_get_controls(guest->vcpu);
	union {
		struct kvm_msrs list;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs;

	memset(&msrs, 0, sizeof(msrs));
	msrs.list.nmsrs = 1;
	msrs.list.entries[0].index = access->index;
	access->readable = true;
	if (access->space == KVM_X86_REG_RULE_MSR) {
		access->readable = ioctl(guest->vcpu->fd, KVM_GET_MSRS, &msrs) == 1;
		access->old = msrs.list.entries[0].data;
	} else if (access->space == KVM_X86_REG_RULE_XCR) {
		access->old = controls.xcr0;
	} else {
		access->old = access->index ? controls.cr4 : controls.cr0;
	}
}

static __u64 gpr(const struct kvm_regs *regs, unsigned int number)
{
	const __u64 values[] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp, regs->rsi,
		regs->rdi,
	};

	return values[number];
}

/* One of the instructions that the rules are about, without prefixes; false if it is another */
static bool decode(struct guest *guest, const unsigned char *code, struct insn *insn)
{
	const struct kvm_regs *regs = &guest->regs;
	struct kvmreg_access *access = &insn->access;

	if (code[0] != 0x0f)
		return false;

	*insn = (struct insn) { .length = 2, .access.access = KVM_X86_REG_RULE_WRITE };
	access->index = regs->rcx;
	access->new_value = regs->rdx << 32 | (__u32)regs->rax;
	if (code[1] == 0x32) {					/* RDMSR */
		access->access = KVM_X86_REG_RULE_READ;
		return true;
	}
	if (code[1] == 0x30) {					/* WRMSR */
		read_old(guest, access);
		return true;
	}
	if (code[1] == 0x01 && code[2] == 0xd1) {		/* XSETBV */
		access->space = KVM_X86_REG_RULE_XCR;
		read_old(guest, access);
		insn->length = 3;
		return true;
	}

	access->space = KVM_X86_REG_RULE_CR;
	access->index = 0;
	if (code[1] == 0x22)					/* MOV to a control register */
		access->index = code[2] >> 3 & 7;
	read_old(guest, access);
	if (code[1] == 0x06) {					/* CLTS */
		access->new_value = access->old & ~(__u64)CR0_TS;
		return true;
	}
	insn->length = 3;
	access->new_value = (__u32)gpr(regs, code[2] & 7);
	if (code[1] == 0x22)
		return true;
	access->new_value &= CR0_LMSW | CR0_PE;
	access->new_value |= access->old & ~(__u64)CR0_LMSW;
	return code[1] == 0x01 && (code[2] & 0xf8) == 0xf0;	/* LMSW of a register */
}

static void print_access(const struct kvmreg_access *access, unsigned int address)
{
	fprintf(stderr, ": the guest, at 0x%x, ", address);
	if (access->access == KVM_X86_REG_RULE_READ)
		fputs("reads ", stderr);
	else
		fprintf(stderr, "writes 0x%llx to ", (unsigned long long)access->new_value);
	write_register(stderr, access->space, access->index);
	fputc('\n', stderr);
}

/* An access was refused: by a rule, or by KVM or the processor, which rules cannot prevent */
static void tell(struct guest *guest, const struct kvmreg_access *access, unsigned int address,
		 const char *how)
{
	const struct kvmreg_decision decision = kvmreg_evaluate(guest->policy, access);
	const bool by_rules = is_refused(decision.action);

	if (by_rules)
		write_place(stderr, guest->path, guest->policy, decision.rule);
	else
		fputs("kvm-reg", stderr);
	fprintf(stderr, ": %s", how);
	print_access(access, address);
	if (by_rules)
		write_rule(stderr, guest->policy, decision.rule);
	else
		fputs("The policy allows it.\n", stderr);
	guest->refused++;
}

static void answer_msr(struct guest *guest)
{
	struct kvm_run *run = guest->vcpu->run;
	const bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;
	struct kvmreg_access access = {
		.space = KVM_X86_REG_RULE_MSR,
		.access = write ? KVM_X86_REG_RULE_WRITE : KVM_X86_REG_RULE_READ,
		.index = run->msr.index,
		.new_value = run->msr.data,
	};

	if (write)
		read_old(guest, &access);
	tell(guest, &access, guest->sregs.cs.base + guest->regs.rip,
	     run->msr.reason == KVM_MSR_EXIT_REASON_UNKNOWN ? "#GP, as KVM does not know the MSR" :
	     run->msr.reason == KVM_MSR_EXIT_REASON_INVAL ? "#GP, as KVM does not take it" :
	     "exit, answered with #GP");
	run->msr.error = 1;
	guest->told = true;
}

static void answer_reg_write(struct guest *guest)
{
	struct vmm_reg_write *exit = vmm_reg_write(guest->vcpu);
	const struct kvmreg_access access = {
		.space = exit->space,
		.access = KVM_X86_REG_RULE_WRITE,
		.index = exit->index,
		.readable = true,
		.old = exit->old,
		.new_value = exit->data,
	};

	tell(guest, &access, guest->sregs.cs.base + guest->regs.rip, "exit, answered with #GP");
	exit->error = 1;
	guest->told = true;
}

/*
 * The guest has no handler of its own, and is in real mode: the address of the instruction is
 * on its stack.  Return false if it cannot go on.
 */
static bool skip_exception(struct guest *guest, unsigned int vector)
{
	const __u64 frame = guest->sregs.ss.base + (__u16)guest->regs.rsp;
	unsigned char *memory = guest->vm.memory;
	struct insn insn;
	__u64 address;
	__u16 at[2];		/* IP, CS */

	if (frame > GUEST_SIZE - sizeof(at))
		vmm_fail("the guest's stack is at 0x%llx, outside its memory", frame);
	memcpy(at, memory + frame, sizeof(at));
	address = at[1] * 16 + at[0];
	if (vector != GP_VECTOR || address > GUEST_SIZE - 3 ||
	    !decode(guest, memory + address, &insn)) {
		fprintf(stderr, "kvm-reg: the guest, at 0x%llx, has no handler for exception %u\n",
			address, vector);
		return false;
	}

	if (!guest->told)
		tell(guest, &insn.access, address, "#GP");
	guest->told = false;
	at[0] += insn.length;
	memcpy(memory + frame, at, sizeof(at));
	return true;
}

/* Return whether the guest goes on. */
static bool do_io(struct guest *guest, int *status)
{
	struct kvm_run *run = guest->vcpu->run;
	const __u64 stub = guest->regs.rip - STUBS;

	if (run->io.port == PORT_CONSOLE && run->io.direction == KVM_EXIT_IO_OUT) {
		fwrite((char *)run + run->io.data_offset, run->io.size, run->io.count, stdout);
		fflush(stdout);
		return true;
	}
	if (run->io.port == PORT_DONE)
		return false;

	*status = EXIT_NO;
	if (run->io.port != PORT_LOST || stub >= NR_VECTORS * 4) {
		fprintf(stderr, "kvm-reg: the guest, at 0x%llx, uses port 0x%x: there is none\n",
			guest->sregs.cs.base + guest->regs.rip, run->io.port);
		return false;
	}
	if (!skip_exception(guest, stub / 4))
		return false;
	*status = EXIT_YES;
	return true;
}

static bool answer(struct guest *guest, int *status)
{
	struct kvm_run *run = guest->vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		answer_msr(guest);
		return true;
	case KVM_EXIT_X86_REG_WRITE:
		answer_reg_write(guest);
		return true;
	case KVM_EXIT_IO:
		return do_io(guest, status);
	case KVM_EXIT_HLT:
		return false;
	case KVM_EXIT_SHUTDOWN:
		fputs("kvm-reg: the guest has ended by a triple fault\n", stderr);
		*status = EXIT_NO;
		return false;
	default:
		vmm_fail("KVM_RUN: unexpected exit reason %u, see KVM_EXIT_* in linux/kvm.h",
			 run->exit_reason);
	}
}

static int run(struct guest *guest)
{
	int status = EXIT_YES;

	do {
		while (ioctl(guest->vcpu->fd, KVM_RUN, 0) < 0)
			if (errno != EINTR)
				vmm_fail("KVM_RUN: %s", strerror(errno));
		if (ioctl(guest->vcpu->fd, KVM_GET_REGS, &guest->regs) ||
		    ioctl(guest->vcpu->fd, KVM_GET_SREGS, &guest->sregs))
			vmm_fail("KVM_GET_REGS: %s", strerror(errno));
	} while (answer(guest, &status));

	fprintf(stderr, "kvm-reg: %u access%s refused\n", guest->refused,
		guest->refused == 1 ? " was" : "es were");
	return status;
}

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { } };
	struct kvmreg_policy *policy;
	struct guest guest = { };
	int option, status;

	option = getopt_long(argc, argv, "h", options, NULL);
	if (option != -1)
		return print_usage(usage, option == 'h');
	if (optind + 2 != argc)
		return wrong_usage(usage, "POLICY and GUEST.bin are needed, and no more");

	policy = load(argv[optind]);
	if (!policy)
		return EXIT_TROUBLE;

	guest.path = shown_path(argv[optind]);
	guest.policy = policy;
	create(&guest, argv[optind + 1]);
	status = run(&guest);
	vmm_destroy(&guest.vm);
	kvmreg_free(policy);
	return status;
}
