/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of pin-control-registers: flat 16-bit code as that of guest.S, in its place.
 * It boots, is exploited, and starts another kernel, which is exploited as well.  The
 * VMM knows the order in which this writes control registers.
 *
 * EDI: which of CR4_PINNED the processor has, so that other bits are left alone.
 */
#include "vmm.h"
#include "pin-guest.h"

#define CPUID_7_EBX_SMEP	(1 << 7)
#define CPUID_7_EBX_SMAP	(1 << 20)
#define CPUID_7_ECX_UMIP	(1 << 2)

/* EDI: which of CR4_PINNED the processor has.  Changes EAX, EBX, ECX and EDX. */
	.macro	get_supported
	xorl	%edi, %edi
	movl	$7, %eax
	xorl	%ecx, %ecx
	cpuid
	testl	$CPUID_7_EBX_SMEP, %ebx
	jz	1f
	orl	$CR4_SMEP, %edi
1:	testl	$CPUID_7_EBX_SMAP, %ebx
	jz	1f
	orl	$CR4_SMAP, %edi
1:	testl	$CPUID_7_ECX_UMIP, %ecx
	jz	1f
	orl	$CR4_UMIP, %edi
1:
	.endm

/* Change the bits, those of CR4 as far as the processor has them. */
	.macro	change cr, bits
	movl	$(\bits), %eax
	.ifc	\cr, cr4
	movl	%edi, %ecx
	orl	$CR4_TSD, %ecx
	andl	%ecx, %eax
	.endif
	movl	%\cr, %ecx
	xorl	%ecx, %eax
	movl	%eax, %\cr
	outb	%al, $PORT_WROTE
	.endm

	.section .rodata
	.globl pin_guest_begin, pin_guest_end, pin_guest_start, pin_guest_gp
	.globl pin_guest_crashed
	.code16

pin_guest_begin:

pin_guest_start:
	get_supported
	change	cr0, CR0_WP
	change	cr4, CR4_PINNED
	outb	%al, $PORT_BOOTED

	change	cr0, CR0_WP
	change	cr4, CR4_UMIP
	change	cr4, CR4_SMEP
	change	cr4, CR4_SMAP
	change	cr4, CR4_PINNED | CR4_TSD

	change	cr0, CR0_AM
	change	cr4, CR4_TSD

	outb	%al, $PORT_KEXEC
	change	cr0, CR0_WP
	change	cr4, CR4_PINNED
	change	cr0, CR0_WP
	change	cr4, CR4_PINNED
	outb	%al, $PORT_BOOTED

	change	cr0, CR0_WP
	change	cr4, CR4_PINNED
	outb	%al, $PORT_END

/* Vector 13: skip the three bytes of MOV to CR.  SP points at the old IP. */
pin_guest_gp:
	addw	$3, (%esp)
	incl	GUEST_FAULTS
	iretw

/* All other vectors */
pin_guest_crashed:
	outb	%al, $PORT_CRASHED

pin_guest_end:

	.section .note.GNU-stack, "", @progbits
