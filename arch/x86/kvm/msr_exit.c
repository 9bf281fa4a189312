// SPDX-License-Identifier: GPL-2.0
/*
 * MSR exits: hand MSR accesses that failed to userspace, and complete them.
 */
#include <linux/kvm_host.h>

#include "kvm_cache_regs.h"
#include "msr_exit.h"
#include "x86.h"

/* KVM_CAP_X86_USER_SPACE_MSR: the reasons for which MSR accesses exit. */
int kvm_msr_enable_exits(struct kvm *kvm, u64 reasons)
{
	if (reasons & ~(u64)KVM_MSR_EXIT_REASON_VALID_MASK)
		return -EINVAL;

	WRITE_ONCE(kvm->arch.user_space_msr_mask, reasons);
	return 0;
}

static u32 msr_exit_reason(int ret)
{
	switch (ret) {
	case KVM_MSR_RET_FILTERED:
	case KVM_MSR_RET_EXIT:
		return KVM_MSR_EXIT_REASON_FILTER;
	case KVM_MSR_RET_UNSUPPORTED:
		return KVM_MSR_EXIT_REASON_UNKNOWN;
	default:
		return KVM_MSR_EXIT_REASON_INVAL;
	}
}

static void take_rdmsr_result(struct kvm_vcpu *vcpu)
{
	u64 data = vcpu->run->msr.data;

	if (vcpu->run->msr.error)
		return;

	kvm_rax_write(vcpu, lower_32_bits(data));
	kvm_rdx_write(vcpu, upper_32_bits(data));
}

static int complete_direct(struct kvm_vcpu *vcpu)
{
	return kvm_x86_call(complete_emulated_msr)(vcpu, vcpu->run->msr.error);
}

static int complete_direct_rdmsr(struct kvm_vcpu *vcpu)
{
	take_rdmsr_result(vcpu);
	return complete_direct(vcpu);
}

static int complete_emulated(struct kvm_vcpu *vcpu)
{
	return complete_emulated_insn_gp(vcpu, vcpu->run->msr.error);
}

static int complete_emulated_rdmsr(struct kvm_vcpu *vcpu)
{
	take_rdmsr_result(vcpu);
	return complete_emulated(vcpu);
}

static bool failure_exits(struct kvm_vcpu *vcpu, int ret)
{
	switch (ret) {
	case KVM_MSR_RET_GP:
		return false;
	case KVM_MSR_RET_EXIT:
		return true;
	default:
		return READ_ONCE(vcpu->kvm->arch.user_space_msr_mask) &
		       msr_exit_reason(ret);
	}
}

static bool exit_on_msr(struct kvm_vcpu *vcpu, u32 exit_reason, u32 index, u64 data,
			int ret, int (*complete)(struct kvm_vcpu *vcpu))
{
	struct kvm_run *run = vcpu->run;
	bool error = ret > 0 && (ret & KVM_MSR_RET_EXIT_ERROR);

	/* Not of a negative errno, which is a failure like others. */
	if (error)
		ret &= ~KVM_MSR_RET_EXIT_ERROR;

	if (!failure_exits(vcpu, ret))
		return false;

	run->exit_reason = exit_reason;
	run->msr = (typeof(run->msr)) {
		.error = error,
		.reason = msr_exit_reason(ret),
		.index = index,
		.data = data,
	};
	vcpu->arch.complete_userspace_io = complete;
	return true;
}

/**
 * kvm_exit_on_rdmsr - let userspace answer a RDMSR that failed
 * @vcpu: The vCPU.
 * @index: The MSR.
 * @ret: Why it failed: KVM_MSR_RET_* or 1.
 * @path: Decides how the instruction is completed on re-entry.
 *
 * Return: true if the vCPU is set up to exit; false if userspace did not ask
 * for such exits, and the guest is to get a #GP.
 */
bool kvm_exit_on_rdmsr(struct kvm_vcpu *vcpu, u32 index, int ret,
		       enum kvm_insn_path path)
{
	return exit_on_msr(vcpu, KVM_EXIT_X86_RDMSR, index, 0, ret,
			   path == KVM_INSN_EMULATED ? complete_emulated_rdmsr :
						       complete_direct_rdmsr);
}

/**
 * kvm_exit_on_wrmsr - let userspace handle a WRMSR that failed
 * @vcpu: The vCPU.
 * @index: The MSR.
 * @data: What the guest tried to write.
 * @ret: Why it failed: KVM_MSR_RET_* or 1.
 * @path: Decides how the instruction is completed on re-entry.
 *
 * Return: as kvm_exit_on_rdmsr().
 */
bool kvm_exit_on_wrmsr(struct kvm_vcpu *vcpu, u32 index, u64 data, int ret,
		       enum kvm_insn_path path)
{
	return exit_on_msr(vcpu, KVM_EXIT_X86_WRMSR, index, data, ret,
			   path == KVM_INSN_EMULATED ? complete_emulated : complete_direct);
}
