/* SPDX-License-Identifier: GPL-2.0 */
/* Random numbers that follow from a seed, and what they are used for. */
#ifndef FUZZ_RANDOM_H
#define FUZZ_RANDOM_H

#include <stdbool.h>
#include <linux/types.h>

/* A stream of its own for each thing of each number */
void seed_random(unsigned long long seed, unsigned int what, unsigned int number);

__u64 random64(void);
__u32 below(__u32 n);
/* True once in @n times */
bool one_in(__u32 n);

#define pick(array)	((array)[below(ARRAY_SIZE(array))])

/*
 * Registers worth a try: MSRs that KVM has, those of them that keep what is written,
 * and where something begins or ends
 */
__u32 known_msr(void);
__u32 kept_msr(void);
__u32 edge(void);

/* Values worth a try */
__u64 any_value(void);

#endif /* FUZZ_RANDOM_H */
