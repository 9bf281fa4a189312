/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest of migrate-shared-ranges and its VMM know of each other */
#ifndef SHARE_GUEST_H
#define SHARE_GUEST_H

/* Memory after that of vmm.h: pages that the guest shares and unshares */
#define BUFFERS		GUEST_SIZE
#define NR_BUFFERS	240		/* up to the end of what real mode reaches */

/* The guest's own account, by which the host's list is judged */
#define GUEST_CALLS	0x0700	/* u32: calls that were answered with 0 */
#define GUEST_FIRST	0x0704	/* u16: the first buffer of a call that is being made ... */
#define GUEST_NR	0x0706	/* u16: ... and how many; 0 if there is none */
#define GUEST_RANDOM	0x0708	/* u32: chooses the next buffer */
#define GUEST_STATES	0x2000	/* for each buffer a byte, 1 if it is shared */

/* The guest asks here for its next command. */
#define PORT_COMMAND	0x30
#define PORT_REFUSED	0x31	/* a call was not answered with 0 */
#define PORT_CRASHED	0x32	/* an exception came up */

#define DO_NOTHING	0
#define DO_WORK		1	/* share or unshare buffers, one a call, some calls */
#define DO_LITTLE	2	/* the same, once */
#define DO_SHARE_HALF	3	/* each second buffer, the rest private */
#define DO_KEXEC	4	/* all private in one call, as a Linux that boots; then share few */

#ifndef __ASSEMBLER__
extern const unsigned char share_guest_begin[], share_guest_end[];
extern const unsigned char share_guest_start[], share_guest_lost[];
#endif

#endif /* SHARE_GUEST_H */
