// SPDX-License-Identifier: GPL-2.0
/*
 * Register access: RDMSR and WRMSRNS with an immediate, which few CPUs and no emulator
 * have, under a policy.  KVM's handlers are called for a vCPU that never runs.  If one
 * of them went on with an access that the policy does not allow, it would end in an
 * oops, as there is no vendor's vCPU.
 */
#include <kunit/test.h>

#include <linux/kvm_host.h>
#include <linux/srcu.h>

#include "reg_access.h"
#include "reg_policy_kunit.h"

#define OLD	0x11111111
#define ANSWER	0x22222222

static void destroy_policy(void *kvm)
{
	kvm_reg_policy_destroy(kvm);
}

static void destroy_srcu(void *srcu)
{
	cleanup_srcu_struct(srcu);
}

/* A policy of one rule, for MSR_IA32_TSC_DEADLINE. */
static struct kvm_reg_policy *create_policy(struct kunit *test, u8 action, u32 flags)
{
	struct kvm_reg_table *tables[KVM_REG_NR_LISTS] = {};
	struct kvm_reg_policy *policy = NULL;
	struct kvm_reg_table *table;

	table = kvm_reg_table_alloc(1, 0);
	KUNIT_ASSERT_NOT_NULL(test, table);
	table->flags = flags;
	table->rules[0] = (struct kvm_x86_reg_rule)
		RULE(MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, RW, action);
	tables[KVM_REG_RULES] = table;
	if (!kvm_reg_table_compile(table))
		policy = kvm_reg_policy_alloc(tables);
	kvm_reg_table_put(table);
	KUNIT_ASSERT_NOT_NULL(test, policy);
	return policy;
}

/* Userspace wants all exits that it can have, i.e. GP differs from a #GP for want of one. */
static struct kvm_vcpu *create_vcpu(struct kunit *test, u8 action, u32 flags)
{
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;

	kvm = kunit_kzalloc(test, max_t(size_t, sizeof(*kvm), kvm_x86_ops.vm_size), GFP_KERNEL);
	vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, kvm);
	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->run = kunit_kzalloc(test, sizeof(*vcpu->run), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->run);
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&kvm->srcu), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, destroy_srcu, &kvm->srcu), 0);

	rcu_assign_pointer(kvm->arch.reg_policy, create_policy(test, action, flags));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, destroy_policy, kvm), 0);
	kvm->arch.user_space_msr_mask = KVM_MSR_EXIT_REASON_VALID_MASK;
	vcpu->kvm = kvm;
	bitmap_fill(vcpu->arch.regs_avail, NR_VCPU_TOTAL_REGS);
	kvm_rbx_write_raw(vcpu, OLD);
	return vcpu;
}

static int rdmsr_imm(struct kvm_vcpu *vcpu)
{
	guard(srcu)(&vcpu->kvm->srcu);

	return kvm_emulate_rdmsr_imm(vcpu, MSR_IA32_TSC_DEADLINE, VCPU_REGS_RBX);
}

static int wrmsr_imm(struct kvm_vcpu *vcpu)
{
	guard(srcu)(&vcpu->kvm->srcu);

	return kvm_emulate_wrmsr_imm(vcpu, MSR_IA32_TSC_DEADLINE, VCPU_REGS_RBX);
}

/* Expect a #GP, once, and an unchanged register. */
static void expect_gp(struct kunit *test, struct kvm_vcpu *vcpu)
{
	KUNIT_EXPECT_TRUE(test, vcpu->arch.exception.pending);
	KUNIT_EXPECT_EQ(test, vcpu->arch.exception.vector, GP_VECTOR);
	KUNIT_EXPECT_EQ(test, kvm_rbx_read_raw(vcpu), OLD);
	KUNIT_EXPECT_EQ(test, vcpu->stat.reg_policy_hits, 1);
}

/* What a #GP takes is the vendor module's. */
static void require_vendor(struct kunit *test)
{
	if (!kvm_x86_ops.enable_virtualization_cpu)
		kunit_skip(test, "no vendor module is loaded");
}

static void gp_test(struct kunit *test)
{
	struct kvm_vcpu *vcpu;

	require_vendor(test);

	vcpu = create_vcpu(test, GP, 0);
	KUNIT_EXPECT_EQ(test, rdmsr_imm(vcpu), 1);
	expect_gp(test, vcpu);

	vcpu = create_vcpu(test, GP, 0);
	KUNIT_EXPECT_EQ(test, wrmsr_imm(vcpu), 1);
	expect_gp(test, vcpu);
}

static void expect_exit(struct kunit *test, struct kvm_vcpu *vcpu, u32 reason, u64 data,
			u8 error)
{
	KUNIT_EXPECT_FALSE(test, vcpu->arch.exception.pending);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, reason);
	KUNIT_EXPECT_EQ(test, vcpu->run->msr.reason, KVM_MSR_EXIT_REASON_FILTER);
	KUNIT_EXPECT_EQ(test, vcpu->run->msr.index, MSR_IA32_TSC_DEADLINE);
	KUNIT_EXPECT_EQ(test, vcpu->run->msr.data, data);
	KUNIT_EXPECT_EQ(test, vcpu->run->msr.error, error);
}

static void exit_test(struct kunit *test)
{
	struct kvm_vcpu *vcpu;

	vcpu = create_vcpu(test, EXIT, 0);
	KUNIT_EXPECT_EQ(test, rdmsr_imm(vcpu), 0);
	expect_exit(test, vcpu, KVM_EXIT_X86_RDMSR, 0, 0);
	KUNIT_EXPECT_EQ(test, wrmsr_imm(vcpu), 0);
	expect_exit(test, vcpu, KVM_EXIT_X86_WRMSR, OLD, 0);
	KUNIT_EXPECT_EQ(test, vcpu->stat.reg_policy_hits, 2);

	vcpu = create_vcpu(test, EXIT, KVM_X86_REG_RULES_FAIL_CLOSED);
	KUNIT_EXPECT_EQ(test, rdmsr_imm(vcpu), 0);
	expect_exit(test, vcpu, KVM_EXIT_X86_RDMSR, 0, 1);
}

/* Userspace refuses the read: its answer does not reach the register. */
static void refused_exit_test(struct kunit *test)
{
	struct kvm_vcpu *vcpu;

	require_vendor(test);

	vcpu = create_vcpu(test, EXIT, 0);
	KUNIT_ASSERT_EQ(test, rdmsr_imm(vcpu), 0);
	vcpu->run->msr.data = ANSWER;
	vcpu->run->msr.error = 1;
	KUNIT_EXPECT_EQ(test, vcpu->arch.complete_userspace_io(vcpu), 1);
	expect_gp(test, vcpu);
}

/* The fastpath holds no SRCU, and leaves alone what the policy does not allow. */
static void fastpath_test(struct kunit *test)
{
	static const u8 actions[] = { DENY, GP, EXIT, IGNORE, AUDIT };
	struct kvm_vcpu *vcpu;
	int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		vcpu = create_vcpu(test, actions[i], 0);
		KUNIT_EXPECT_EQ(test, handle_fastpath_wrmsr_imm(vcpu, MSR_IA32_TSC_DEADLINE,
								VCPU_REGS_RBX),
				EXIT_FASTPATH_NONE);
		KUNIT_EXPECT_FALSE(test, vcpu->arch.exception.pending);
		KUNIT_EXPECT_EQ(test, vcpu->stat.reg_policy_hits, 0);
	}
}

static struct kunit_case reg_access_cases[] = {
	KUNIT_CASE(gp_test),
	KUNIT_CASE(exit_test),
	KUNIT_CASE(refused_exit_test),
	KUNIT_CASE(fastpath_test),
	{}
};

static struct kunit_suite reg_access_suite = {
	.name = "kvm_reg_access",
	.test_cases = reg_access_cases,
};

kunit_test_suite(reg_access_suite);
