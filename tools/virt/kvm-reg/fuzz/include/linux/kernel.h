/* SPDX-License-Identifier: GPL-2.0 */
/* That of the tools lacks these. */
#ifndef FUZZ_LINUX_KERNEL_H
#define FUZZ_LINUX_KERNEL_H

#include_next <linux/kernel.h>

#define READ	0
#define WRITE	1

#endif
