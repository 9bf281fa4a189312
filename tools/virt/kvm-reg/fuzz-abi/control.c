// SPDX-License-Identifier: GPL-2.0
/* The writes of msr-fuzz's guests to control registers: make them up, make and judge them. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "msr-fuzz.h"

/* Where the code of fuzz-guest.S is copied to, above that of guest.S */
#define FUZZ_CODE	(GUEST_CODE + 0x1000)

#define RFLAGS_FIXED	0x2

#define CR0_PE		(1u << 0)
#define CR0_MP		(1u << 1)
#define CR0_TS		(1u << 3)
#define CR4_OSXSAVE	(1u << 18)

/* What LMSW can write, but for PE, which it can only set */
#define MSW_BITS	0xe

extern const unsigned char fuzz_guest_begin[], fuzz_guest_end[];
extern const unsigned char fuzz_mov_cr0[], fuzz_lmsw[], fuzz_clts[], fuzz_mov_cr4[];
extern const unsigned char fuzz_xsetbv[], fuzz_emulated_mov_cr0[], fuzz_emulated_lmsw[];
extern const unsigned char fuzz_emulated_clts[], fuzz_emulated_mov_cr4[];
extern const unsigned char fuzz_emulated_xsetbv[];

static const struct insn {
	const char *name;
	enum model_control control;
	unsigned int length;
	const unsigned char *entry;
	const unsigned char *emulated;
} insns[NR_INSNS] = {
	[MOV_CR0] = { "mov cr0", MODEL_CR0, 3, fuzz_mov_cr0, fuzz_emulated_mov_cr0 },
	[LMSW]	  = { "lmsw", MODEL_CR0, 3, fuzz_lmsw, fuzz_emulated_lmsw },
	[CLTS]	  = { "clts", MODEL_CR0, 2, fuzz_clts, fuzz_emulated_clts },
	[MOV_CR4] = { "mov cr4", MODEL_CR4, 3, fuzz_mov_cr4, fuzz_emulated_mov_cr4 },
	[XSETBV]  = { "xsetbv", MODEL_XCR0, 3, fuzz_xsetbv, fuzz_emulated_xsetbv },
};

/* A bit that is worth a try.  With CR0.PE, the guest would leave real mode. */
static unsigned int some_bit(enum model_control control)
{
	static const unsigned char cr0[] = { 1, 2, 3, 3, 3, 4, 5, 16, 16, 18, 29, 30, 31 };
	static const unsigned char cr4[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18,
					     20, 21, 22 };

	switch (control) {
	case MODEL_CR0:
		return one_in(8) ? 1 + below(31) : pick(cr0);
	case MODEL_CR4:
		return one_in(8) ? below(32) : pick(cr4);
	default:
		return one_in(8) ? below(64) : below(3);
	}
}

__u64 fuzz_control_bits(enum model_control control)
{
	__u64 bits = 1ULL << some_bit(control);

	while (one_in(3))
		bits |= 1ULL << some_bit(control);
	return bits;
}

void fuzz_make_write(struct fuzz_write *w)
{
	*w = (struct fuzz_write) {
		.insn = below(NR_INSNS),
		.emulated = one_in(3),
		.answer = below(3),
	};
	if (!one_in(12))
		w->toggle = fuzz_control_bits(insns[w->insn].control);
	if (w->insn == LMSW && !one_in(8))
		w->toggle = below(MSW_BITS + 1) & MSW_BITS;
	if (one_in(2))
		w->replace = fuzz_control_bits(insns[w->insn].control);
	/* No rule is for another register, nor is there one. */
	if (w->insn == XSETBV && one_in(8))
		w->index = 1;
	/* Registers of 64 bits, which an instruction in real mode cannot write in full */
	if (w->insn != XSETBV && one_in(16))
		w->replace |= 1ULL << (32 + below(32));
}

static __u64 *register_of(struct vmm_controls *controls, enum model_control control)
{
	return control == MODEL_CR0 ? &controls->cr0 :
	       control == MODEL_CR4 ? &controls->cr4 : &controls->xcr0;
}

void fuzz_aim_write(struct fuzz_write *w, struct vmm_controls now, __u64 guarded_cr0, bool vmx)
{
	/* XSETBV would be a #UD. */
	if (w->insn == XSETBV && !(now.cr4 & CR4_OSXSAVE)) {
		w->insn = MOV_CR4;
		w->index = 0;
		w->toggle = CR4_OSXSAVE;
		w->replace = (__u32)w->replace;
	}
	/* QEMU's AMD processor does not intercept it, and LMSW only by all writes to CR0. */
	if (!vmx && (w->insn == XSETBV ||
		     (w->insn == LMSW && !(guarded_cr0 & (CR0_TS | CR0_MP)))))
		w->emulated = true;

	w->control = insns[w->insn].control;
	w->old = *register_of(&now, w->control);
	w->value = w->old ^ w->toggle;
	w->data = w->value;
	if (w->insn == LMSW)
		w->data = (w->old & ~MSW_BITS) | (w->value & (MSW_BITS | CR0_PE));
	else if (w->insn == CLTS)
		w->data = w->old & ~CR0_TS;
	else if (w->insn == XSETBV && w->index)
		w->control = MODEL_NR_CONTROLS;
}

void fuzz_load_guest(struct vmm *vm)
{
	memcpy(vm->memory + FUZZ_CODE, fuzz_guest_begin, fuzz_guest_end - fuzz_guest_begin);
}

static void start(struct vmm *vm, const struct fuzz_write *w)
{
	const struct insn *insn = &insns[w->insn];
	const unsigned char *entry = w->emulated ? insn->emulated : insn->entry;
	struct kvm_regs regs = {
		.rip = FUZZ_CODE + (entry - fuzz_guest_begin),
		.rsp = GUEST_STACK,
		.rflags = RFLAGS_FIXED,
		.rax = (__u32)w->value,
		.rdx = w->value >> 32,
		.rcx = w->index,
		.rdi = insn->length,
	};

	memset(vm->memory + GUEST_FAULTS, 0, sizeof(__u32));
	if (ioctl(vm->vcpus[0].fd, KVM_SET_REGS, &regs))
		vmm_fail("KVM_SET_REGS: see dmesg");
}

static void answer(struct vmm_reg_write *exit, const struct fuzz_write *w)
{
	if (w->answer == LEAVE)
		return;

	exit->error = w->answer == REFUSE;
	if (w->answer == PERFORM)
		exit->data ^= w->replace;
}

struct fuzz_written fuzz_write(struct vmm *vm, const struct fuzz_write *w)
{
	struct vmm_vcpu *vcpu = &vm->vcpus[0];
	struct fuzz_written o = { };
	struct kvm_regs regs;

	start(vm, w);
	while (vmm_run(vcpu)) {
		if (o.exited || vcpu->run->exit_reason != KVM_EXIT_X86_REG_WRITE)
			vmm_fail("KVM_RUN: exit %u during %s", vcpu->run->exit_reason,
				 insns[w->insn].name);
		o.exited = true;
		o.exit = *vmm_reg_write(vcpu);
		answer(vmm_reg_write(vcpu), w);
	}
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		vmm_fail("KVM_GET_REGS: see dmesg");
	if (regs.rsp != GUEST_STACK || vmm_faults(vm) > 1)
		vmm_fail("KVM_RUN: the guest is lost: RSP 0x%llx, %u #GPs", regs.rsp,
			 vmm_faults(vm));
	o.gp = vmm_faults(vm);
	o.after = vmm_get_controls(vcpu);
	o.read_cr0 = regs.rbx;
	o.read_cr4 = regs.rbp;
	return o;
}

/* Have the twin write what userspace approves, in full; KVM itself is to refuse the rest. */
static void approve(struct vmm *twin, const struct fuzz_write *w, __u64 data,
		    struct fuzz_written *o)
{
	const struct fuzz_write same = {
		.insn = w->control == MODEL_CR0 ? MOV_CR0 :
			w->control == MODEL_CR4 ? MOV_CR4 : XSETBV,
		.emulated = true,
		.value = data,
	};
	struct fuzz_written performed;

	if (w->insn != XSETBV && data >> 32) {
		o->gp = true;
		return;
	}
	performed = fuzz_write(twin, &same);
	o->gp = performed.gp;
	o->after = performed.after;
	o->read_cr0 = performed.read_cr0;
	o->read_cr4 = performed.read_cr4;
}

struct fuzz_written fuzz_expect_write(struct vmm *twin, const struct fuzz_write *w,
				      unsigned int action, bool fail_closed)
{
	struct fuzz_written o = { .after = vmm_get_controls(&twin->vcpus[0]) };

	o.read_cr0 = o.after.cr0;
	o.read_cr4 = o.after.cr4;
	switch (action) {
	case KVM_X86_REG_RULE_ALLOW:
	case KVM_X86_REG_RULE_AUDIT:
		return fuzz_write(twin, w);
	case KVM_X86_REG_RULE_EXIT:
		o.exited = true;
		o.exit = (struct vmm_reg_write) {
			.space = model_controls[w->control].space,
			.index = model_controls[w->control].index,
			.old = w->old,
			.data = w->data,
			.error = fail_closed,
		};
		if (w->answer == PERFORM || (w->answer == LEAVE && !fail_closed))
			approve(twin, w, w->data ^ (w->answer == PERFORM ? w->replace : 0), &o);
		else
			o.gp = true;
		return o;
	default:
		o.gp = true;
		return o;
	}
}

void describe_write(const struct fuzz_write *w, char *s, size_t size)
{
	char replace[32] = "";

	if (w->answer == PERFORM && w->replace)
		snprintf(replace, sizeof(replace), " 0x%llx", w->data ^ w->replace);
	snprintf(s, size, "%s%s %u 0x%llx over 0x%llx, %s%s", w->emulated ? "emulated " : "",
		 insns[w->insn].name, w->index, w->value, w->old,
		 w->answer == REFUSE ? "refuse" : w->answer == PERFORM ? "perform" : "leave",
		 replace);
}

void describe_written(const struct fuzz_written *o, char *s, size_t size)
{
	char exit[128] = "", read[64] = "";
	unsigned int i, pad = 0;

	for (i = 0; i < sizeof(o->exit.pad); i++)
		pad |= o->exit.pad[i];
	if (o->exited)
		snprintf(exit, sizeof(exit), "exit %sspace %u register %u 0x%llx over 0x%llx%s, ",
			 o->exit.error ? "failed, " : "", o->exit.space, o->exit.index,
			 o->exit.data, o->exit.old, pad ? " with pad" : "");
	if (o->read_cr0 != o->after.cr0 || o->read_cr4 != o->after.cr4)
		snprintf(read, sizeof(read), ", but the guest reads cr0 0x%x cr4 0x%x",
			 o->read_cr0, o->read_cr4);
	snprintf(s, size, "%s%s, cr0 0x%llx cr4 0x%llx xcr0 0x%llx%s", exit,
		 o->gp ? "#GP" : "done", o->after.cr0, o->after.cr4, o->after.xcr0, read);
}
