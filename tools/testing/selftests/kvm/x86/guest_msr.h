/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RDMSR and WRMSR by a guest, and the MSRs that most tests take.
 */
#ifndef SELFTEST_KVM_GUEST_MSR_H
#define SELFTEST_KVM_GUEST_MSR_H

#include "processor.h"

/* One that KVM always intercepts, and one that it passes through to hardware. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE

/* What userspace answers to a read that exits, unlike anything that KVM would. */
#define ANSWER_VALUE	0x0123456789abcdefull

/* With @fep, KVM emulates the instruction.  Returns the exception, or 0. */
static inline uint8_t guest_rdmsr(uint32_t msr, bool fep, uint64_t *value)
{
	return fep ? rdmsr_safe_fep(msr, value) : rdmsr_safe(msr, value);
}

static inline uint8_t guest_wrmsr(uint32_t msr, bool fep, uint64_t value)
{
	uint32_t low = value, high = value >> 32;

	if (fep)
		return kvm_asm_safe_fep("wrmsr", "a"(low), "d"(high), "c"(msr));

	return wrmsr_safe(msr, value);
}

#endif /* SELFTEST_KVM_GUEST_MSR_H */
