/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest of pin-control-registers tells its VMM, by writing to a port */
#ifndef PIN_GUEST_H
#define PIN_GUEST_H

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
