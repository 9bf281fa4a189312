/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest: flat 16-bit code, copied to GUEST_CODE with CS = SS = DS = 0.
 *
 * In:  ECX  the MSR
 *      EDX:EAX  the value to write, or, for a read, what remains if it faults
 *      ESI  how many accesses to make
 * Out: EDX:EAX  the value read
 *      ESI  0
 *      GUEST_FAULTS  how many of the accesses took #GP
 *
 * guest_emulated_* have KVM's emulator make the accesses: KVM takes the prefix
 * for itself if its parameter force_emulation_prefix is on, else it is a #UD.
 *
 * All jumps are relative, so that the code needs no relocation.
 */
#include "vmm.h"

	.macro	emulation_prefix
	ud2
	.ascii	"kvm"
	.endm

	.section .rodata
	.globl guest_begin, guest_rdmsr, guest_wrmsr, guest_emulated_rdmsr
	.globl guest_emulated_wrmsr, guest_gp, guest_lost, guest_end
	.code16

guest_begin:

guest_rdmsr:
	rdmsr
	decl	%esi
	jnz	guest_rdmsr
	outb	%al, $PORT_DONE

guest_wrmsr:
	wrmsr
	decl	%esi
	jnz	guest_wrmsr
	outb	%al, $PORT_DONE

guest_emulated_rdmsr:
	emulation_prefix
	rdmsr
	decl	%esi
	jnz	guest_emulated_rdmsr
	outb	%al, $PORT_DONE

guest_emulated_wrmsr:
	emulation_prefix
	wrmsr
	decl	%esi
	jnz	guest_emulated_wrmsr
	outb	%al, $PORT_DONE

/* Vector 13: skip the two bytes of RDMSR or WRMSR.  SP points at the old IP. */
guest_gp:
	addw	$2, (%esp)
	incl	GUEST_FAULTS
	iretw

/* All other vectors */
guest_lost:
	outb	%al, $PORT_LOST

guest_end:

	.section .note.GNU-stack, "", @progbits
