/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Shared ranges: which pages a guest shares with its host, by KVM_HC_MAP_GPA_RANGE.
 * See Documentation/virt/kvm/x86/shared-ranges.rst.
 *
 * Included by <asm/kvm.h>.
 */
#ifndef _ASM_X86_KVM_SHARED_RANGES_H
#define _ASM_X86_KVM_SHARED_RANGES_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The same as in <linux/kvm.h>, for a file that includes only this header. */
#define KVMIO			0xAE

/*
 * KVM_CHECK_EXTENSION: the most ranges that a VM's list may be allowed, 0 without support
 * KVM_ENABLE_CAP on a VM: args[0] is the bound of this VM's list, from 1 to that
 */
#define KVM_CAP_X86_SHARED_RANGES	1001

/**
 * struct kvm_x86_shared_range - pages that the guest shares with the host
 * @gpa: guest physical address of the first byte, a multiple of 4096
 * @size: in bytes, a multiple of 4096, not 0; @gpa + @size is at most 2^52
 */
struct kvm_x86_shared_range {
	__u64 gpa;
	__u64 size;
};

/*
 * kvm_x86_shared_ranges.flags
 *
 * INCOMPLETE	the guest shared more ranges than the list holds, or there was no memory
 *		for them: KVM has dropped the list, and records nothing until it is set
 */
#define KVM_X86_SHARED_RANGES_INCOMPLETE	1

/**
 * struct kvm_x86_shared_ranges - the list of the pages that a guest shares
 * @flags: KVM_X86_SHARED_RANGES_INCOMPLETE or 0
 * @nr_ranges: SET: the number of ranges; GET: in, how many there is room for, and out,
 *	       how many there are
 * @ranges: user pointer to that many struct kvm_x86_shared_range, by ascending address
 * @generation: GET: out, differs whenever the list does; SET: 0
 * @reserved: 0
 *
 * Both ioctls fail with
 *
 * EINVAL	the capability is not enabled; @reserved is not 0
 * EFAULT	a pointer is bad
 * ENOMEM	there is no memory
 *
 * SET, which replaces the list, also with
 *
 * EINVAL	a range is empty, not aligned, or ends past 2^52, or does not begin at or
 *		after the end of the one before; unknown @flags; @generation is not 0;
 *		INCOMPLETE with @nr_ranges other than 0
 * E2BIG	@nr_ranges is more than the VM's bound
 *
 * and changes nothing then.  It joins ranges that touch.  GET also fails with
 *
 * E2BIG	there are more ranges than there is room for: @nr_ranges is how many, and
 *		@flags and @generation are as after success
 */
struct kvm_x86_shared_ranges {
	__u32 flags;
	__u32 nr_ranges;
	__u64 ranges;
	__u64 generation;
	__u64 reserved[5];
};

#define KVM_X86_SET_SHARED_RANGES _IOW(KVMIO,  0xf2, struct kvm_x86_shared_ranges)
#define KVM_X86_GET_SHARED_RANGES _IOWR(KVMIO, 0xf3, struct kvm_x86_shared_ranges)

#endif /* _ASM_X86_KVM_SHARED_RANGES_H */
