/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel that sets CR0.WP and, of CR4.UMIP, CR4.SMEP and CR4.SMAP, those that its
 * processor has, says on the first serial port that it has booted, and then tries to clear
 * each, as an exploit would.  Started by "qemu-system-x86_64 -kernel", as multiboot is:
 * in flat 32-bit code, without paging.  Ends with a reset.
 */
#include "pin.h"

#define MULTIBOOT_MAGIC	0x1badb002
#define MULTIBOOT_FLAGS	0
#define COM1		0x3f8
#define COM1_STATUS	(COM1 + 5)
#define COM1_EMPTY	0x20
#define KEYBOARD	0x64
#define KEYBOARD_RESET	0xfe
#define CODE_SELECTOR	0x08
#define DATA_SELECTOR	0x10
#define GP_VECTOR	13
#define INTERRUPT_GATE	0x8e00

	.macro	print text
	.pushsection .rodata
9:	.asciz	"\text"
	.popsection
	movl	$9b, %esi
	call	puts
	.endm

/* Clear a bit, if it is one of those in SUPPORTED, and say what came of it. */
	.macro	try name, cr, bit, supported
	print	"test kernel: \name "
	movl	$(\bit), %ebx
	testl	\supported, %ebx
	jz	1f
	movl	%\cr, %eax
	xorl	%ebx, %eax
	movl	$0, faults
	movl	%eax, %\cr
	movl	%\cr, %eax
	call	report
	jmp	2f
1:	print	"is not in this processor\r\n"
2:
	.endm

	.section .multiboot, "a"
	.balign	4
	.long	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.text
	.code32
	.globl	_start
_start:
	movl	$stack, %esp
	lgdt	gdt_pointer
	ljmp	$CODE_SELECTOR, $1f
1:	movl	$DATA_SELECTOR, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$gp, %eax
	movw	%ax, gp_gate
	shrl	$16, %eax
	movw	%ax, gp_gate + 6
	lidt	idt_pointer

	get_supported
	movl	%cr0, %eax
	orl	$CR0_WP, %eax
	movl	%eax, %cr0
	movl	%cr4, %eax
	orl	%edi, %eax
	movl	%eax, %cr4
	print	"test kernel: booted\r\n"

	try	CR0.WP, cr0, CR0_WP, %ebx
	try	CR4.UMIP, cr4, CR4_UMIP, %edi
	try	CR4.SMEP, cr4, CR4_SMEP, %edi
	try	CR4.SMAP, cr4, CR4_SMAP, %edi

	movb	$KEYBOARD_RESET, %al
	outb	%al, $KEYBOARD
1:	hlt
	jmp	1b

/* EAX: the register that the bit in EBX was to be cleared in */
report:
	cmpl	$0, faults
	jz	1f
	testl	%ebx, %eax
	jz	2f
	print	"is still set, after #GP\r\n"
	ret
1:	testl	%ebx, %eax
	jnz	2f
	print	"is cleared\r\n"
	ret
2:	print	"is WRONG\r\n"
	ret

/* Skip the three bytes of MOV to CR.  The error code is on top of the old EIP. */
gp:
	addl	$4, %esp
	addl	$3, (%esp)
	incl	faults
	iret

puts:
	movw	$COM1_STATUS, %dx
	inb	%dx, %al
	testb	$COM1_EMPTY, %al
	jz	puts
	lodsb
	testb	%al, %al
	jz	1f
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	puts
1:	ret

	.data
	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* CODE_SELECTOR: all of 4 GiB */
	.quad	0x00cf93000000ffff	/* DATA_SELECTOR: the same */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
	.balign	8
idt:
	.fill	GP_VECTOR, 8, 0
gp_gate:
	.word	0, CODE_SELECTOR, INTERRUPT_GATE, 0
idt_pointer:
	.word	. - idt - 1
	.long	idt

	.bss
	.balign	8
faults:
	.long	0
	.skip	4096
stack:

	.section .note.GNU-stack, "", @progbits
