// SPDX-License-Identifier: GPL-2.0
/* Prints how fast this machine's TSC runs, in kHz. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct reading {
	uint64_t tsc;
	int64_t ns;
};

/* The best of several: nothing may come between the two clocks. */
static struct reading read_both(void)
{
	struct reading best = {}, now;
	uint64_t before, took, least = UINT64_MAX;
	struct timespec ts;
	int i;

	for (i = 0; i < 100; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC, &ts);
		took = __rdtsc() - before;
		now.tsc = before + took / 2;
		now.ns = ts.tv_sec * 1000000000ll + ts.tv_nsec;
		if (took < least) {
			least = took;
			best = now;
		}
	}
	return best;
}

int main(void)
{
	struct reading start = read_both(), end;

	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	end = read_both();
	printf("%.0f\n", (end.tsc - start.tsc) * 1e6 / (end.ns - start.ns));
	return 0;
}
