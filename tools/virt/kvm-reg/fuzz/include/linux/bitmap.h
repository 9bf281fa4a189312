/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own: that of its tools lacks bitmap_set(), _read() and _write(). */
#ifndef _TOOLS_LINUX_BITMAP_H
#define _TOOLS_LINUX_BITMAP_H	/* the name that the tools' find.h asks for */

#include <stdlib.h>
#include <linux/kernel.h>

#define __assign_bit(nr, addr, value) \
	((value) ? __set_bit(nr, addr) : __clear_bit(nr, addr))

#include "kernel/bitmap.h"

#endif
