// SPDX-License-Identifier: GPL-2.0
/*
 * MSR instructions: recognise RDMSR and WRMSR without the emulator.
 */
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "kvm_cache_regs.h"
#include "msr_insn.h"
#include "x86.h"

#define OPCODE_ESCAPE	0x0f
#define OPCODE_WRMSR	0x30
#define OPCODE_RDMSR	0x32

/**
 * kvm_msr_insn_end - where the instruction behind a RDMSR or WRMSR starts
 * @vcpu: The vCPU, whose RIP is at an instruction that it has just executed;
 *	kvm->srcu is held.
 *
 * Does not sleep, i.e. does without memory that is not there at the moment.
 *
 * Return: the address as RIP has it; 0 if the instruction is another one, has a
 * prefix, or cannot be read as data: the emulator knows.
 */
unsigned long kvm_msr_insn_end(struct kvm_vcpu *vcpu)
{
	unsigned long end = kvm_rip_read(vcpu) + 2;
	struct x86_exception exception;
	u8 insn[2];
	int r;

	/* Its PDPTRs may have to be read first. */
	if (is_pae_paging(vcpu))
		return 0;

	pagefault_disable();
	r = kvm_read_guest_virt(vcpu, kvm_get_linear_rip(vcpu), insn, sizeof(insn),
				&exception);
	pagefault_enable();
	if (r)
		return 0;

	if (insn[0] != OPCODE_ESCAPE ||
	    (insn[1] != OPCODE_WRMSR && insn[1] != OPCODE_RDMSR))
		return 0;

	return is_64_bit_mode(vcpu) ? end : (u32)end;
}
EXPORT_SYMBOL_GPL(kvm_msr_insn_end);
