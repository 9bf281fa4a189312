/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Register policy: what the KUnit tests of the engine and of its front-ends share.
 */
#ifndef __KVM_X86_REG_POLICY_KUNIT_H
#define __KVM_X86_REG_POLICY_KUNIT_H

#include <linux/types.h>

struct kunit;

/**
 * struct kvm_reg_kunit - one test's surroundings, in &struct kunit.priv
 * @nr_lists: Lists of rules allocated and not freed.
 * @no_memory: Whether there is no memory for lists.
 * @user: Userspace memory, if the suite has mapped some.
 */
struct kvm_reg_kunit {
	int nr_lists;
	bool no_memory;
	u8 __user *user;
};

int kvm_reg_kunit_init(struct kunit *test);
void kvm_reg_kunit_exit(struct kunit *test);
u8 __user *kvm_reg_kunit_mmap(struct kunit *test, size_t size);

#endif /* __KVM_X86_REG_POLICY_KUNIT_H */
