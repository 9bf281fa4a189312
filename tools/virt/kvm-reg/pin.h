/* SPDX-License-Identifier: GPL-2.0 */
/* The bits that are pinned, for the VMMs and the guests of pin-*. */
#ifndef PIN_H
#define PIN_H

/* As in the processors' manuals */
#define CR0_WP		0x00010000
#define CR0_AM		0x00040000
#define CR4_TSD		0x00000004
#define CR4_UMIP	0x00000800
#define CR4_SMEP	0x00100000
#define CR4_SMAP	0x00200000

#define CR0_PINNED	CR0_WP
#define CR4_PINNED	(CR4_UMIP | CR4_SMEP | CR4_SMAP)

#ifdef __ASSEMBLER__

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

#endif /* __ASSEMBLER__ */
#endif /* PIN_H */
