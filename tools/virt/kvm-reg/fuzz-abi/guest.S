/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's writes to control registers: 16-bit code beside guest.S, whose handlers
 * it shares.
 *
 * In:  EDX:EAX  the value to write; EAX for a MOV, AX for LMSW
 *      ECX  the extended control register
 *      EDI  how many bytes the instruction has that a #GP is to skip
 * Out: EBX, EBP  CR0 and CR4 as the guest reads them afterwards
 *
 * fuzz_emulated_* are KVM's emulator's to make, as guest_emulated_* are.
 */
#include "../vmm/vmm.h"

	.macro	write name, insn
	.globl	fuzz_\name, fuzz_emulated_\name
fuzz_emulated_\name:
	ud2
	.ascii	"kvm"
fuzz_\name:
	\insn
	movl	%cr0, %ebx
	movl	%cr4, %ebp
	outb	%al, $PORT_DONE
	.endm

	.section .rodata
	.globl fuzz_guest_begin, fuzz_guest_end
	.code16

fuzz_guest_begin:
	write	mov_cr0, "movl %eax, %cr0"
	write	lmsw, "lmsw %ax"
	write	clts, "clts"
	write	mov_cr4, "movl %eax, %cr4"
	write	xsetbv, "xsetbv"
fuzz_guest_end:

	.section .note.GNU-stack, "", @progbits
