/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_LINUX_SORT_H
#define FUZZ_LINUX_SORT_H

typedef void (*swap_r_func_t)(void *a, void *b, int size, const void *priv);
typedef void (*swap_func_t)(void *a, void *b, int size);
typedef int (*cmp_r_func_t)(const void *a, const void *b, const void *priv);
typedef int (*cmp_func_t)(const void *a, const void *b);

#include "kernel/sort.h"

#endif
