/* SPDX-License-Identifier: GPL-2.0 */
/* The tools have min() and max() here. */
#include <linux/kernel.h>
