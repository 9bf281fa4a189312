/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest: flat 16-bit code, copied to GUEST_CODE with CS = SS = DS = 0.
 *
 * In:  ECX  the MSR
 *      EDX:EAX  the value to write, or, for a read, what remains if it faults
 *      ESI  how many accesses to make
 *      EDI  how many bytes the instruction has that a #GP is to skip
 * Out: EDX:EAX  the value read
 *      ESI  0
 *      GUEST_FAULTS  how many of the accesses took #GP
 *
 * Writes to control registers invert the bits of EBX in EAX before each, but CLTS: it
 * comes after a MOV of EAX to CR0.
 *
 * guest_share makes two hypercalls, KVM_HC_MAP_GPA_RANGE, in place of each access:
 *
 * In:  EBX  the guest physical address of the first page
 *      ECX  how many pages to share, and then to unshare
 *      EDI  0
 * Out: EDI  what the hypercalls returned, ORed
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

	/* On AMD, KVM writes VMMCALL in the place of VMCALL. */
	.macro	map_gpa_range attributes
	movl	$GUEST_MAP_GPA_RANGE, %eax
	movl	$\attributes, %edx
	vmcall
	orl	%eax, %edi
	.endm

	.macro	share_and_unshare
	map_gpa_range GUEST_SHARED
	map_gpa_range GUEST_PRIVATE
	.endm

	.section .rodata
	.globl guest_begin, guest_rdmsr, guest_wrmsr, guest_emulated_rdmsr
	.globl guest_emulated_wrmsr, guest_gp, guest_lost, guest_end
	.globl guest_mov_cr0, guest_mov_cr4, guest_clts, guest_xsetbv
	.globl guest_share
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
guest_mov_cr0:
	accesses "xorl %ebx, %eax; movl %eax, %cr0"
guest_mov_cr4:
	accesses "xorl %ebx, %eax; movl %eax, %cr4"
guest_clts:
	accesses "movl %eax, %cr0; clts"
guest_xsetbv:
	accesses "xorl %ebx, %eax; xsetbv"
guest_share:
	accesses share_and_unshare

/* Vector 13: skip the instruction.  SP points at the old IP. */
guest_gp:
	addw	%di, (%esp)
	incl	GUEST_FAULTS
	iretw

/* All other vectors */
guest_lost:
	outb	%al, $PORT_LOST

guest_end:

	.section .note.GNU-stack, "", @progbits
