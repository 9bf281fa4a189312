/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_LINUX_VMALLOC_H
#define FUZZ_LINUX_VMALLOC_H

#include <linux/types.h>

#ifndef __GFP_ZERO
#define __GFP_ZERO	0x100u
#endif

void *__vmalloc(size_t size, gfp_t flags);

#endif
