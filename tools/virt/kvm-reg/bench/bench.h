/* SPDX-License-Identifier: GPL-2.0 */
/* What both files of msr-bench use to measure */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <linux/types.h>

extern unsigned long long nr_accesses;	/* in a batch */

/* What a kernel has to have for a measurement */
enum needs { NEEDS_NOTHING, NEEDS_REG_RULES, NEEDS_SHARED_RANGES };

/* Is @name asked for, and does this kernel have it?  If not, or with --list, print that. */
bool is_to_measure(const char *name, enum needs needs);

/* Nanoseconds or instructions, from any moment on */
__u64 now(void);
void print_cost(const char *name, __u64 total, __u64 count);
/* Fail unless @got, the number of @what, is @want. */
void check_count(const char *name, const char *what, __u64 got, __u64 want);

/* Do something @times times, check what became of it, and return what it cost. */
typedef __u64 time_batch(const void *arg, __u32 times);
/* Print what once costs: of many batches, the cheapest, less the cheapest batch of one */
void measure_batches(const char *name, time_batch *batch, const void *arg, __u32 times);

/* range-bench.c: the hypercalls that share memory, and the memory of the lists */
void measure_sharing(void);
void measure_shared_ranges(void);

#endif /* BENCH_H */
