/* SPDX-License-Identifier: GPL-2.0 */
/* The fuzzer's allocator, and the warnings that it counts */
#ifndef FUZZ_LINUX_SLAB_H
#define FUZZ_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL_ACCOUNT	GFP_KERNEL

void *kvzalloc(size_t size, gfp_t flags);
void *kzalloc(size_t size, gfp_t flags);
void kvfree(const void *p);
void kfree(const void *p);

bool fuzz_warn(bool condition);

#define WARN_ON_ONCE(condition)	fuzz_warn(condition)

#endif
