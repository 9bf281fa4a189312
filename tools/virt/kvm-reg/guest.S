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

	.macro	accesses access, emulated=0
1:
	.if	\emulated
	ud2
	.ascii	"kvm"
	.endif
	\access
	decl	%esi
	jnz	1b
	outb	%al, $PORT_DONE
	.endm

	.section .rodata
	.globl guest_begin, guest_rdmsr, guest_wrmsr, guest_emulated_rdmsr
	.globl guest_emulated_wrmsr, guest_gp, guest_lost, guest_end
	.code16

guest_begin:

guest_rdmsr:
	accesses rdmsr
guest_wrmsr:
	accesses wrmsr
guest_emulated_rdmsr:
	accesses rdmsr, emulated=1
guest_emulated_wrmsr:
	accesses wrmsr, emulated=1

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
