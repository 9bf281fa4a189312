/* SPDX-License-Identifier: GPL-2.0 */
/* The tools have min() and max() here, but no swap(). */
#ifndef FUZZ_LINUX_MINMAX_H
#define FUZZ_LINUX_MINMAX_H

#include <linux/kernel.h>

#define swap(a, b) do {			\
	typeof(a) __swapped = (a);	\
	(a) = (b);			\
	(b) = __swapped;		\
} while (0)

#endif
