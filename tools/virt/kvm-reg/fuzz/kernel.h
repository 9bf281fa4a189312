/* SPDX-License-Identifier: GPL-2.0 */
/* What the engine needs of the kernel and its tools' headers lack; included first. */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <limits.h>
#include <stdlib.h>
#include <linux/kernel.h>
#include <linux/types.h>

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)

#ifndef is_signed_type
#define is_signed_type(type)	((type)(-1) < (__force type)1)
#endif

#define READ		0
#define WRITE		1

static inline void memset32(u32 *p, u32 value, size_t n)
{
	while (n--)
		*p++ = value;
}

#define _TOOLS_LINUX_BITMAP_H	/* <linux/bitmap.h> is the kernel's own. */
#define __assign_bit(nr, addr, value) \
	((value) ? __set_bit(nr, addr) : __clear_bit(nr, addr))

typedef void (*swap_r_func_t)(void *a, void *b, int size, const void *priv);
typedef void (*swap_func_t)(void *a, void *b, int size);
typedef int (*cmp_r_func_t)(const void *a, const void *b, const void *priv);
typedef int (*cmp_func_t)(const void *a, const void *b);

#define cond_resched()	do { } while (0)
#define DEFINE_FREE(name, type, free)
#define KUNIT_STATIC_STUB_REDIRECT(function, args...)	do { } while (0)

/* The fuzzer's allocator, and the warnings that it counts */
#define GFP_KERNEL_ACCOUNT	GFP_KERNEL
void *kvzalloc(size_t size, gfp_t flags);
void kvfree(const void *p);
#define kzalloc		kvzalloc
#define kfree		kvfree

extern unsigned int warnings;
#define WARN_ON_ONCE(condition)	((condition) ? ++warnings : 0)

#endif
