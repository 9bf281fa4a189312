/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memory cgroup for the test, to see what is charged to it.
 */
#ifndef SELFTEST_KVM_MEMCG_H
#define SELFTEST_KVM_MEMCG_H

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "test_util.h"
#include "text_file.h"

#define CGROUP		"/sys/fs/cgroup"
#define CGROUP_TEST	CGROUP "/kvm_msr_test"

static inline long charged_bytes(void)
{
	char buf[32];

	TEST_ASSERT(read_file(CGROUP_TEST "/memory.current", buf, sizeof(buf)) && *buf,
		    "cannot read memory.current: %d", errno);
	return atol(buf);
}

static inline void leave_cgroup(void)
{
	write_file(CGROUP "/cgroup.procs", "0");
	rmdir(CGROUP_TEST);
}

static inline bool enter_cgroup(void)
{
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP_TEST, 0755);
	if (write_file(CGROUP_TEST "/cgroup.procs", "0") &&
	    !access(CGROUP_TEST "/memory.current", R_OK))
		return true;

	leave_cgroup();
	return false;
}

#endif /* SELFTEST_KVM_MEMCG_H */
