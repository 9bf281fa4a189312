/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest for "kvm-reg run", as flat 16-bit code to be loaded to 0x1000: makes accesses, first
 * without a handler of #GP, then with one that counts, and shows on port 0xe9 what it got.
 */
#include "../vmm/vmm.h"

#define PORT_CONSOLE	0xe9

	.macro	show text
	movw	$1f, %si
	call	print
	jmp	2f
1:	.asciz	"\text\n"
2:
	.endm

	.code16
	.globl	_start
_start:
	show	"started"
	movl	$0x35, %ecx		/* an exit, or denied */
	rdmsr
	movl	$0x690, %ecx		/* unknown to KVM */
	rdmsr
	movl	$0xc0000080, %ecx	/* EFER, which can be read in any case */
	rdmsr
	xorl	$1, %eax		/* SCE */
	wrmsr
	movl	$0x277, %ecx		/* PAT, with a type that is reserved */
	movl	$2, %eax
	wrmsr
	movl	%cr4, %eax
	xorl	$4, %eax		/* TSD */
	movl	%eax, %cr4
	movl	%cr0, %eax
	xorl	$0x40000, %eax		/* AM */
	movl	%eax, %cr0

	movw	$handler, GUEST_IVT + 13 * 4
	movl	$0x35, %ecx
	rdmsr
	xorb	%al, %al
	cmpw	$1, faults
	jne	1f
	show	"#GP for the guest's own handler"
1:
	movl	$0x277, %ecx		/* PAT */
	rdmsr
	cmpw	$1, faults
	jne	1f
	show	"no #GP for PAT"
1:
	movl	$0x8b, %ecx		/* what the policy answers */
	rdmsr
	cmpl	$0x1234, %eax
	jne	1f
	show	"0x8b has the policy's value"
1:
	hlt

/* Skip an RDMSR */
handler:
	incw	faults
	pushw	%bp
	movw	%sp, %bp
	addw	$2, 2(%bp)
	popw	%bp
	iretw

print:
	lodsb
	testb	%al, %al
	jz	1f
	outb	%al, $PORT_CONSOLE
	jmp	print
1:	ret

faults:
	.word	0
