/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own: that of its tools lacks size_add(). */
#include "kernel/overflow.h"
