// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_fault_test - KVM_X86_SET_REG_RULES when memory runs out
 *
 * Let each allocation fail that the ioctl makes, one after the other, or that one and
 * all that follow.  It returns ENOMEM, and the list before it stays in force; or,
 * where the allocation has a fallback, it succeeds, and the new one is in force.
 * Removing a list, or a filter, and reading a list must succeed.
 *
 * Faults come from /proc/thread-self/fail-nth and make-it-fail, as for
 * msr_filter_fault_test.
 */
#include "kvm_test_harness.h"
#include "reg_rules.h"

FIXTURE(reg_rules_fault)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct faults faults;
};

FIXTURE_VARIANT(reg_rules_fault)
{
	enum fault_mode mode;
};

FIXTURE_VARIANT_ADD(reg_rules_fault, nth) { NTH };
FIXTURE_VARIANT_ADD(reg_rules_fault, nth_and_after) { NTH_AND_AFTER };

FIXTURE_SETUP(reg_rules_fault)
{
	if (!open_faults(&self->faults, variant->mode))
		SKIP(return, "needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, root and debugfs");

	self->vm = vm_create_with_one_vcpu(&self->vcpu, msr_guest_main);
}

FIXTURE_TEARDOWN(reg_rules_fault)
{
	close_faults(&self->faults);
	kvm_vm_free(self->vm);
}

/* The value read tells which list is in force. */
static void make_list(struct kvm_x86_reg_rule *rules, uint32_t nr, uint64_t value)
{
	uint32_t i;

	rules[0] = ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, value);
	for (i = 1; i < nr; i++)
		rules[i] = masked(NOWHERE + 2 * i, 1, KVM_X86_REG_RULE_GP);
}

static void set_with_faults(struct kvm_vcpu *vcpu, struct faults *f, uint32_t nr)
{
	static struct kvm_x86_reg_rule old[MAX_RULES], new[MAX_RULES];
	struct kvm_x86_reg_rules head = rules_head(new, nr, KVM_X86_REG_RULE_ALLOW);
	int r;

	make_list(old, nr, 1);
	make_list(new, nr, 2);
	while (next_fault(f)) {
		set_rules(vcpu->vm, old, nr, KVM_X86_REG_RULE_ALLOW);
		r = faulty_ioctl(f, vcpu->vm->fd, KVM_X86_SET_REG_RULES, &head);
		expect_read(vcpu, MSR_PASSTHROUGH, r ? 1 : 2);
	}

	TEST_ASSERT(f->injected, "nothing was allocated");
	TEST_ASSERT(f->refused || f->mode == NTH, "no fault was fatal");
}

TEST_F(reg_rules_fault, small_list)
{
	set_with_faults(self->vcpu, &self->faults, 1);
}

TEST_F(reg_rules_fault, large_list)
{
	set_with_faults(self->vcpu, &self->faults, MAX_RULES);
}

/* Whoever removes a list may be short of memory: that must not fail. */
TEST_F(reg_rules_fault, removal)
{
	struct kvm_x86_reg_rules none = rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW);
	struct faults *f = &self->faults;

	while (next_fault(f)) {
		set_rule(self->vm, ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1));
		faulty_ioctl(f, self->vm->fd, KVM_X86_SET_REG_RULES, &none);
		TEST_ASSERT(!f->refused, "fault %d made the removal fail", f->nth);
		expect_read(self->vcpu, MSR_PASSTHROUGH, 0);
	}
}

TEST_F(reg_rules_fault, removal_of_filter)
{
	struct kvm_msr_filter none = {};
	struct faults *f = &self->faults;

	while (next_fault(f)) {
		set_filter(self->vm, deny_range(MSR_PASSTHROUGH, 1, READ));
		faulty_ioctl(f, self->vm->fd, KVM_X86_SET_MSR_FILTER, &none);
		TEST_ASSERT(!f->refused, "fault %d made the removal fail", f->nth);
		expect_read(self->vcpu, MSR_PASSTHROUGH, 0);
	}
}

/* Nor must reading a list, as whoever wants to save it may be. */
TEST_F(reg_rules_fault, get)
{
	struct kvm_x86_reg_rules head;
	struct kvm_x86_reg_rule got;
	struct faults *f = &self->faults;

	set_rule(self->vm, ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1));
	while (next_fault(f)) {
		head = rules_head(&got, 1, 0);
		faulty_ioctl(f, self->vm->fd, KVM_X86_GET_REG_RULES, &head);
		TEST_ASSERT(!f->refused, "fault %d made GET fail", f->nth);
		TEST_ASSERT_EQ(got.value, 1);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
