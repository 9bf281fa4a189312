/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzer's inputs say: a list of rules, a filter, and options. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "../tests/model.h"
#include "reg_policy.h"

#define HEADER_SIZE	5

/* What an input asks for beside its lists */
#define OPTION_WINDOWS	0x01	/* compare every register of every window */
#define OPTION_NO_MEM	0x02	/* let each of the allocations fail */
#define OPTION_BITMAPS	0x04	/* the filter has bitmaps */
#define OPTION_HUGE	0x10	/* first ask for more than there can be */
#define OPTION_NO_RULES	0x20	/* there is no list of rules */
#define OPTION_NO_FILTER 0x40	/* there is no filter */
#define OPTION_REPLACE	0x80	/* make policies of the one list or the other as well */

/* Made of the last input; all of a list is zero if there is none. */
extern struct model_list lists[KVM_REG_NR_LISTS];

/* All that follows from an input follows from it alone. */
uint32_t next_random(void);

/* An input has HEADER_SIZE bytes at least.  Free what the lists hold. */
void input_decode(const uint8_t *data, size_t size);
void input_free(void);
void input_print(void);

/* The length of a range's bitmap, in longs */
size_t range_longs(const struct kvm_x86_reg_rule *range);

#endif /* FUZZ_INPUT_H */
