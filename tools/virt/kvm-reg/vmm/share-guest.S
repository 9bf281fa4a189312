/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of migrate-shared-ranges: flat 16-bit code as that of guest.S, in its place.
 * It shares buffers with its host and unshares them, as drivers do around DMA, and keeps
 * an account of its own of which are shared.
 */
#include "vmm.h"
#include "share-guest.h"

#define CALLS_AT_ONCE	64

	.section .rodata
	.globl share_guest_begin, share_guest_end, share_guest_start, share_guest_lost
	.code16

share_guest_begin:

/* Boot: all of memory is private. */
share_guest_start:
	cld
	xorl	%eax, %eax
	movw	%ax, %es
	movw	$GUEST_STATES, %di
	movw	$NR_BUFFERS, %cx
	rep stosb
	movl	%eax, GUEST_CALLS
	movl	%eax, GUEST_FIRST

next_command:
	inb	$PORT_COMMAND, %al
	cmpb	$DO_WORK, %al
	je	work
	cmpb	$DO_LITTLE, %al
	je	work
	cmpb	$DO_SHARE_HALF, %al
	je	share_half
	cmpb	$DO_KEXEC, %al
	je	kexec
	jmp	next_command

work:
	movw	$CALLS_AT_ONCE, %bp
1:	imull	$1103515245, GUEST_RANDOM, %eax
	addl	$12345, %eax
	movl	%eax, GUEST_RANDOM
	shrl	$16, %eax
	xorl	%edx, %edx
	movl	$NR_BUFFERS, %ecx
	divl	%ecx
	movl	%edx, %esi
	movl	$1, %ecx
	movb	GUEST_STATES(%si), %dl
	xorb	$1, %dl
	call	change

	/* Unsharing does not write to the buffer: the dirty log does not show it. */
	cmpb	$0, GUEST_STATES(%si)
	je	2f
	movw	%si, %ax
	shlw	$8, %ax
	addw	$(BUFFERS >> 4), %ax
	movw	%ax, %es
	movl	GUEST_CALLS, %eax
	movl	%eax, %es:0
2:	decw	%bp
	jnz	1b
	jmp	next_command

share_half:
	call	unshare_all
	movl	$1, %ecx
1:	movb	$1, %dl
	call	change
	addl	$2, %esi
	cmpl	$NR_BUFFERS, %esi
	jb	1b
	jmp	next_command

kexec:
	call	unshare_all
	movl	$3, %ecx
	movb	$1, %dl
	call	change
	jmp	next_command

/* Leaves 0 in ESI. */
unshare_all:
	xorl	%esi, %esi
	movl	$NR_BUFFERS, %ecx
	xorb	%dl, %dl

/*
 * ESI: the first buffer
 * ECX: how many
 * DL:  1 to share them, 0 to unshare them
 * Changes EAX, EBX, EDX, EDI and ES.
 */
change:
	movw	%si, GUEST_FIRST
	movw	%cx, GUEST_NR
	movw	%dx, %di

	movl	%esi, %ebx
	shll	$12, %ebx
	addl	$BUFFERS, %ebx
	xorb	$1, %dl
	movzbl	%dl, %edx
	shll	$4, %edx		/* GUEST_PRIVATE or GUEST_SHARED */
	movl	$GUEST_MAP_GPA_RANGE, %eax
	vmcall				/* on AMD, KVM writes VMMCALL in its place */
	testl	%eax, %eax
	jnz	refused

	movw	%ax, %es
	movw	%di, %ax
	leaw	GUEST_STATES(%si), %di
	pushw	%cx
	rep stosb
	popw	%cx
	movw	$0, GUEST_NR
	incl	GUEST_CALLS
	ret

refused:
	outb	%al, $PORT_REFUSED

/* All vectors */
share_guest_lost:
	outb	%al, $PORT_CRASHED

share_guest_end:

	.section .note.GNU-stack, "", @progbits
