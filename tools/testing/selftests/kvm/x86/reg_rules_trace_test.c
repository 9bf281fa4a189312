// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_trace_test - what there is to be seen of register rules
 *
 * - Statistics count what is not simply allowed, for each vCPU.
 * - The tracepoint kvm_reg_rule tells which rule made them.
 * - The file reg_policy in debugfs shows what is in force.
 */
#include "kvm_test_harness.h"
#include "reg_control.h"

/* Each vCPU has its own; how often SET is called does not matter. */
TEST(statistics_are_per_vcpu)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vm_create_with_vcpus(ARRAY_SIZE(vcpus), msr_guest_main, vcpus);
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_INTERCEPTED, READ, KVM_X86_REG_RULE_EXIT),
		rule(MSR_PASSTHROUGH, READ, KVM_X86_REG_RULE_AUDIT),
	};
	int i;

	for (i = 0; i < 5; i++) {
		set_rules(vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_GP);
		expect_exit(vcpus[0], MSR_INTERCEPTED);
		expect_read(vcpus[0], MSR_PASSTHROUGH, 0);
		expect_gp(vcpus[0], MSR_FS_BASE);
		expect_gp(vcpus[0], MSR_UNKNOWN);
	}

	TEST_ASSERT_EQ(read_hits(vcpus[0]), 20);
	TEST_ASSERT_EQ(read_hits(vcpus[1]), 0);

	expect_gp(vcpus[1], MSR_FS_BASE);
	TEST_ASSERT_EQ(read_hits(vcpus[1]), 1);
	kvm_vm_free(vm);
}

FIXTURE(tracepoint)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_VARIANT(tracepoint)
{
	bool fep;
};

FIXTURE_VARIANT_ADD(tracepoint, direct) { .fep = false };
FIXTURE_VARIANT_ADD(tracepoint, emulated) { .fep = true };

FIXTURE_SETUP(tracepoint)
{
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	self->vm = vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
}

FIXTURE_TEARDOWN(tracepoint)
{
	kvm_vm_free(self->vm);
}

static void set_traced_lists(struct kvm_vm *vm)
{
	struct kvm_msr_filter filter = {
		.ranges[2] = { WRITE, 1, MSR_GS_BASE, msr_filter_no_bits },
	};
	struct kvm_x86_reg_rule rules[] = {
		rule(MSR_INTERCEPTED, READ, KVM_X86_REG_RULE_AUDIT),
		rule(MSR_INTERCEPTED, WRITE, KVM_X86_REG_RULE_GP),
		ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 0x55),
		rule(MSR_FS_BASE, READ, KVM_X86_REG_RULE_DENY),
		rule(MSR_FS_BASE, WRITE, KVM_X86_REG_RULE_EXIT),
		rule(MSR_GS_BASE, READ | WRITE, KVM_X86_REG_RULE_ALLOW),
		rule(MSR_SYSCALL_MASK, READ | WRITE, KVM_X86_REG_RULE_IGNORE_UNKNOWN),
		rule(MSR_UNKNOWN, WRITE, KVM_X86_REG_RULE_IGNORE_UNKNOWN),
		rule(MSR_UNKNOWN_IN_WINDOW, READ, KVM_X86_REG_RULE_IGNORE_UNKNOWN),
	};

	set_filter(vm, filter);
	set_rules(vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_AUDIT);
}

/* An event for each decision, but not for what is plainly allowed. */
TEST_F(tracepoint, decisions)
{
	struct msr_access accesses[] = {
		{ MSR_INTERCEPTED },
		{ MSR_INTERCEPTED, .write = true, .value = 7 },
		{ MSR_PASSTHROUGH },
		{ MSR_PASSTHROUGH, .write = true, .value = ANSWER_VALUE },
		{ MSR_FS_BASE },
		{ MSR_FS_BASE, .write = true, .value = 0x33 },
		{ MSR_GS_BASE },
		{ MSR_GS_BASE, .write = true, .value = 0x44 },
		{ MSR_LSTAR },
		{ MSR_LSTAR, .write = true, .value = 0x66 },
		{ MSR_UNKNOWN },
		{ MSR_SYSCALL_MASK },
		{ MSR_UNKNOWN, .write = true, .value = 0x77 },
		{ MSR_UNKNOWN_IN_WINDOW },
	};
	int i;

	if (!start_trace("kvm_reg_rule"))
		SKIP(return, "needs root and tracefs at /sys/kernel/tracing");

	set_traced_lists(self->vm);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		accesses[i].fep = variant->fep;
		access_msr(self->vcpu, accesses[i], ANSWER);
	}

	expect_trace("kvm_reg_rule",
		     "vcpu 0 read msr 0x277 action audit value 0x0 by rule 0\n"
		     "vcpu 0 write msr 0x277 action gp value 0x7 by rule 1\n"
		     "vcpu 0 read msr 0xc0000102 action ignore value 0x55 by rule 2\n"
		     "vcpu 0 write msr 0xc0000102 action ignore value 0x123456789abcdef by rule 2\n"
		     "vcpu 0 read msr 0xc0000100 action deny value 0x0 by rule 3\n"
		     "vcpu 0 write msr 0xc0000100 action exit value 0x33 by rule 4\n"
		     "vcpu 0 write msr 0xc0000101 action deny value 0x44 by filter range 2\n"
		     "vcpu 0 read msr 0xc0000082 action audit value 0x0 by rule -1\n"
		     "vcpu 0 write msr 0xc0000082 action audit value 0x66 by rule -1\n"
		     "vcpu 0 read msr 0xdeadbee0 action audit value 0x0 by rule -1\n"
		     "vcpu 0 write msr 0xdeadbee0 action ignore-unknown value 0x77 by rule 7\n"
		     "vcpu 0 read msr 0xc0001fff action ignore-unknown value 0xfedcba9876543210 by rule 8\n");
}

TEST(traced_control_registers)
{
	struct kvm_vcpu *vcpu = create_write_vcpu();
	struct kvm_x86_reg_rule rules[] = {
		control_rule(MOV_CR0, X86_CR0_TS, KVM_X86_REG_RULE_GP),
		control_rule(MOV_CR4, X86_CR4_PGE, KVM_X86_REG_RULE_EXIT),
		control_rule(MOV_CR4, X86_CR4_TSD, KVM_X86_REG_RULE_AUDIT),
		control_rule(MOV_CR4, X86_CR4_DE, KVM_X86_REG_RULE_ALLOW),
		control_rule(XSETBV, XFEATURE_MASK_SSE, KVM_X86_REG_RULE_DENY),
	};
	bool xsetbv = kvm_cpu_has(X86_FEATURE_XSAVE) && is_forced_emulation_enabled;

	if (!start_trace("kvm_reg_rule"))
		SKIP(return, "needs root and tracefs at /sys/kernel/tracing");

	set_rules(vcpu->vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_ALLOW);
	set_control(vcpu, MOV_CR0, 0x80010031);
	set_control(vcpu, MOV_CR4, 0x40220);
	expect_write(vcpu, (struct reg_write) { MOV_CR0, false, X86_CR0_TS }, rules[0].action);
	expect_write(vcpu, (struct reg_write) { MOV_CR4, false, X86_CR4_PGE }, rules[1].action);
	expect_write(vcpu, (struct reg_write) { MOV_CR4, false, X86_CR4_TSD }, rules[2].action);
	expect_write(vcpu, (struct reg_write) { MOV_CR4, false, X86_CR4_DE }, rules[3].action);
	if (xsetbv)
		expect_write(vcpu, (struct reg_write) { XSETBV, true, XFEATURE_MASK_SSE },
			     rules[4].action);

	expect_trace("kvm_reg_rule", !xsetbv ?
		     "vcpu 0 write cr0 action gp value 0x80010039 by rule 0\n"
		     "vcpu 0 write cr4 action exit value 0x402a0 by rule 1\n"
		     "vcpu 0 write cr4 action audit value 0x402a4 by rule 2\n" :
		     "vcpu 0 write cr0 action gp value 0x80010039 by rule 0\n"
		     "vcpu 0 write cr4 action exit value 0x402a0 by rule 1\n"
		     "vcpu 0 write cr4 action audit value 0x402a4 by rule 2\n"
		     "vcpu 0 write xcr0 action deny value 0x3 by rule 4\n");
	kvm_vm_free(vcpu->vm);
}

static bool read_reg_policy(struct kvm_vm *vm, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/reg_policy", getpid(),
		 vm->fd);
	return read_file(path, buf, size);
}

/* The lists come first, then what they take. */
static void expect_reg_policy(struct kvm_vm *vm, const char *lists)
{
	char buf[1024], *rest = buf + strlen(lists);
	unsigned int bytes;

	TEST_ASSERT(read_reg_policy(vm, buf, sizeof(buf)), "reg_policy has gone");
	TEST_ASSERT(!strncmp(buf, lists, strlen(lists)), "reg_policy is\n%sbut not\n%s",
		    buf, lists);
	TEST_ASSERT(sscanf(rest, "bytes: %u\n", &bytes) == 1, "reg_policy ends in %s", rest);
	TEST_ASSERT(bytes > 0 && bytes < 32768, "%u bytes", bytes);
}

TEST(debugfs)
{
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges[1] = { READ, 3, MSR_FS_BASE, msr_filter_no_bits },
	};
	struct kvm_x86_reg_rule rules[] = {
		range_rule(0x8b, 0x8b, READ, KVM_X86_REG_RULE_EXIT),
		ignore(0xdeadbee0, UINT32_MAX, 0x5555),
		masked(0x277, 1ull << 63, KVM_X86_REG_RULE_ALLOW),
		range_rule(0, 0x7ff, READ, KVM_X86_REG_RULE_IGNORE_UNKNOWN),
		control_rule(MOV_CR0, 0, KVM_X86_REG_RULE_GP),
		control_rule(MOV_CR4, X86_CR4_SMEP, KVM_X86_REG_RULE_EXIT),
		control_rule(XSETBV, XFEATURE_MASK_SSE, KVM_X86_REG_RULE_AUDIT),
	};
	struct kvm_x86_reg_rules head = rules_head(rules, ARRAY_SIZE(rules),
						   KVM_X86_REG_RULE_AUDIT);
	struct kvm_vm *vm = vm_create_barebones();
	char buf[1024];

	if (!read_reg_policy(vm, buf, sizeof(buf)))
		SKIP(return, "needs root and debugfs at /sys/kernel/debug");
	TEST_ASSERT(!strcmp(buf, "none\n"), "without a policy: %s", buf);

	head.flags = KVM_X86_REG_RULES_FAIL_CLOSED;
	set_head(vm, head);
	expect_reg_policy(vm,
			  "rules: default audit, fail closed\n"
			  "0: 0x0000008b-0x0000008b r exit\n"
			  "1: 0xdeadbee0-0xffffffff rw ignore value 0x5555\n"
			  "2: 0x00000277-0x00000277 w allow mask 0x8000000000000000\n"
			  "3: 0x00000000-0x000007ff r ignore-unknown value 0xfedcba9876543210\n"
			  "4: cr0 w gp\n"
			  "5: cr4 w exit mask 0x100000\n"
			  "6: xcr0 w audit mask 0x2\n");

	set_filter(vm, filter);
	set_default(vm, KVM_X86_REG_RULE_GP);
	expect_reg_policy(vm, "rules: default gp\n"
				    "filter: default deny\n"
				    "1: 0xc0000100-0xc0000102 r deny bitmap\n");

	remove_filter(vm);
	remove_rules(vm);
	TEST_ASSERT(read_reg_policy(vm, buf, sizeof(buf)), "reg_policy has gone");
	TEST_ASSERT(!strcmp(buf, "none\n"), "after removal: %s", buf);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
