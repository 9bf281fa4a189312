/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Have the kernel's memory allocations fail, for the thread that asks for it.
 */
#ifndef SELFTEST_KVM_FAULT_INJECTION_H
#define SELFTEST_KVM_FAULT_INJECTION_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "test_util.h"
#include "text_file.h"

#define PROC		"/proc/thread-self/"
#define DEBUGFS		"/sys/kernel/debug/"

/* More than any system call here allocates; a bound for a broken counter. */
#define MAX_FAULTS	1000
/* Returns false if the kernel has no such knobs, or they must not be turned. */
/*
 * What may fail: whatever allocates, be it allowed to wait or not.  Beyond what
 * fail-nth asks for, it does with the probability given, in percent, but only in
 * threads that make-it-fail is set for.
 */
static inline bool set_knobs(const char *probability)
{
	const char * const knobs[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "failslab/task-filter", "Y" },
		{ "failslab/interval", "1" },
		{ "failslab/times", "-1" },
		{ "failslab/probability", probability },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_page_alloc/task-filter", "Y" },
		{ "fail_page_alloc/interval", "1" },
		{ "fail_page_alloc/times", "-1" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/probability", probability },
	};
	char path[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s", knobs[i][0]);
		if (access(path, W_OK))
			return false;
		TEST_ASSERT(write_file(path, knobs[i][1]), "cannot write %s to %s: %d",
			    knobs[i][1], path, errno);
	}

	return true;
}

static inline void write_number(int fd, int number)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%d", number);
	TEST_ASSERT(pwrite(fd, buf, strlen(buf), 0) == strlen(buf),
		    "cannot write %d: %d", number, errno);
}

static inline int read_number(int fd)
{
	char buf[16] = {};

	TEST_ASSERT(pread(fd, buf, sizeof(buf) - 1, 0) > 0, "pread() failed: %d", errno);
	return atoi(buf);
}

#endif /* SELFTEST_KVM_FAULT_INJECTION_H */
