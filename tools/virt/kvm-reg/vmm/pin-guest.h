/* SPDX-License-Identifier: GPL-2.0 */
/* What pin-control-registers and its guest agree on */
#ifndef PIN_GUEST_H
#define PIN_GUEST_H

/* As in the processors' manuals */
#define CR0_WP		0x00010000
#define CR0_AM		0x00040000
#define CR4_TSD		0x00000004
#define CR4_UMIP	0x00000800
#define CR4_SMEP	0x00100000
#define CR4_SMAP	0x00200000

#define CR0_PINNED	CR0_WP
#define CR4_PINNED	(CR4_UMIP | CR4_SMEP | CR4_SMAP)

/* What the guest tells its VMM, by writing to a port */
#define PORT_WROTE	0x20	/* it has tried to write a control register */
#define PORT_BOOTED	0x21	/* it has booted, and has set what its processor has */
#define PORT_KEXEC	0x22	/* it is about to start another kernel */
#define PORT_END	0x23	/* it has nothing more to do */
#define PORT_CRASHED	0x24	/* an exception other than #GP came up */

#ifndef __ASSEMBLER__
extern const unsigned char pin_guest_begin[], pin_guest_end[];
extern const unsigned char pin_guest_start[], pin_guest_gp[], pin_guest_crashed[];
#endif

#endif /* PIN_GUEST_H */
