/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What kvm-reg and the library that it preloads into a VMM tell each other. */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <linux/types.h>
#include <asm/kvm_reg_rules.h>

/* In the environment: the path of a file that holds a struct preload. */
#define PRELOAD_FILE	"KVM_REG_PRELOAD"

/*
 * The fourth argument of ioctl(), which has none, for KVM_CREATE_VM and what installs a
 * policy: says that the call comes from the preloaded library.  A seccomp filter kills who
 * makes it without.
 */
#define PRELOAD_TOKEN	0x6b766d2d72656721ULL	/* "kvm-reg!" */

/* What the file starts with */
#define PRELOAD_MAGIC	PRELOAD_TOKEN

/* Exit status: kvm-reg, not the VMM, has failed */
#define PRELOAD_FAILED	125

#define PRELOAD_MAX_MARK	256

/* Twice what KVM may have as vCPUs */
#define PRELOAD_MAX_THREADS	8192

/**
 * struct preload - a file that the processes of a VMM map, and kvm-reg does
 * @magic: PRELOAD_MAGIC: the path may be that of another file by now.
 * @policy: The policy's name, for messages.
 * @mark: Install the policy when stdout has shown this text; "": with the VM.
 * @list: The policy, but for its rules.
 * @installed: How many VMs have the policy.
 * @waiting: How many VMs have none, because stdout has not shown @mark.
 * @failed: The library has ended a process: it has said why.
 * @nr_threads: How many threads have run a vCPU; may be more than fit into @threads.
 * @threads: The IDs of those threads, by which kvm-reg finds what it has traced.
 * @rules: As many as @list has.
 */
struct preload {
	__u64 magic;
	char policy[PRELOAD_MAX_MARK];
	char mark[PRELOAD_MAX_MARK];
	struct kvm_x86_reg_rules list;
	__u32 installed;
	__u32 waiting;
	__u32 failed;
	__u32 nr_threads;
	__u32 threads[PRELOAD_MAX_THREADS];
	struct kvm_x86_reg_rule rules[];
};

#endif /* PRELOAD_H */
