// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_fault_test - KVM_X86_SET_REG_RULES when memory runs out
 *
 * Let each allocation fail that the ioctl makes, one after the other, or that one and
 * all that follow.  It returns ENOMEM, and the list before it stays in force; or,
 * where the allocation has a fallback, it succeeds, and the new one is in force.
 * Removing a list, and reading it, must succeed.
 *
 * Faults come from /proc/thread-self/fail-nth and make-it-fail, as for
 * msr_filter_fault_test.
 */
#include "fault_injection.h"
#include "kvm_test_harness.h"
#include "reg_rules.h"

/* Out of the way, but long to compile. */
#define NOWHERE		0x10000000

FIXTURE(reg_rules_fault)
{
	struct kvm_vcpu *vcpu;
	int fail_nth;
	int make_it_fail;
	int refused;
};

FIXTURE_VARIANT(reg_rules_fault)
{
	bool and_after;
};

FIXTURE_VARIANT_ADD(reg_rules_fault, nth) { .and_after = false };
FIXTURE_VARIANT_ADD(reg_rules_fault, nth_and_after) { .and_after = true };

FIXTURE_SETUP(reg_rules_fault)
{
	self->fail_nth = open(PROC "fail-nth", O_RDWR);
	self->make_it_fail = open(PROC "make-it-fail", O_WRONLY);
	if (self->fail_nth < 0 || self->make_it_fail < 0)
		SKIP(return, "needs CONFIG_FAULT_INJECTION and root");
	if (!set_knobs(variant->and_after ? "100" : "0"))
		SKIP(return, "needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, and debugfs");

	vm_create_with_one_vcpu(&self->vcpu, guest_main);
}

FIXTURE_TEARDOWN(reg_rules_fault)
{
	if (!self->vcpu)
		return;

	kvm_vm_free(self->vcpu->vm);
	set_knobs("0");
}

/* Make an ioctl with the n-th fault, if there is one; only a fault makes it fail. */
static int faulty_ioctl(struct _test_data_reg_rules_fault *self, bool and_after, int nth,
			unsigned long cmd, void *arg, bool *injected)
{
	int r, err;

	TEST_ASSERT(nth < MAX_FAULTS, "the faults do not end");
	write_number(self->make_it_fail, and_after);
	write_number(self->fail_nth, nth);
	r = ioctl(self->vcpu->vm->fd, cmd, arg);
	err = errno;
	*injected = !read_number(self->fail_nth);
	write_number(self->fail_nth, 0);
	write_number(self->make_it_fail, 0);

	self->refused += r < 0;
	TEST_ASSERT(r >= 0 || err == ENOMEM, "fault %d: errno %d", nth, err);
	TEST_ASSERT(r >= 0 || *injected, "no fault %d, but ENOMEM", nth);
	return r;
}

/* The value read tells which list is in force. */
static void fill_list(struct kvm_x86_reg_rule *rules, uint32_t nr, uint64_t value)
{
	uint32_t i;

	rules[0] = ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, value);
	for (i = 1; i < nr; i++)
		rules[i] = masked(NOWHERE + 2 * i, 1, KVM_X86_REG_RULE_GP);
}

static void set_with_faults(struct _test_data_reg_rules_fault *self, bool and_after,
			    uint32_t nr)
{
	static struct kvm_x86_reg_rule old[MAX_RULES], new[MAX_RULES];
	struct kvm_x86_reg_rules head = rules_head(new, nr, KVM_X86_REG_RULE_ALLOW);
	bool injected = true;
	int nth, r;

	fill_list(old, nr, 1);
	fill_list(new, nr, 2);
	for (nth = 1; injected; nth++) {
		set_rules(self->vcpu->vm, old, nr, KVM_X86_REG_RULE_ALLOW);
		r = faulty_ioctl(self, and_after, nth, KVM_X86_SET_REG_RULES, &head,
				 &injected);
		expect_read(self->vcpu, MSR_PASSTHROUGH, r ? 1 : 2);
	}

	pr_info("# %d faults, %d of them fatal to the ioctl\n", nth - 2, self->refused);
	TEST_ASSERT(nth > 2, "nothing was allocated");
	TEST_ASSERT(self->refused || !and_after, "no fault was fatal");
}

TEST_F(reg_rules_fault, small_list)
{
	set_with_faults(self, variant->and_after, 1);
}

TEST_F(reg_rules_fault, large_list)
{
	set_with_faults(self, variant->and_after, MAX_RULES);
}

/* Whoever removes a list may be short of memory: that must not fail. */
TEST_F(reg_rules_fault, removal)
{
	struct kvm_x86_reg_rules none = rules_head(NULL, 0, KVM_X86_REG_RULE_ALLOW);
	bool injected = true;
	int nth;

	for (nth = 1; injected; nth++) {
		set_rule(self->vcpu->vm, ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1));
		faulty_ioctl(self, variant->and_after, nth, KVM_X86_SET_REG_RULES, &none,
			     &injected);
		TEST_ASSERT(!self->refused, "fault %d made the removal fail", nth);
		expect_read(self->vcpu, MSR_PASSTHROUGH, 0);
	}
}

/* Nor must reading it, as whoever wants to save a policy may be. */
TEST_F(reg_rules_fault, get)
{
	struct kvm_x86_reg_rule got;
	struct kvm_x86_reg_rules head;
	bool injected = true;
	int nth;

	set_rule(self->vcpu->vm, ignore(MSR_PASSTHROUGH, MSR_PASSTHROUGH, 1));
	for (nth = 1; injected; nth++) {
		head = rules_head(&got, 1, 0);
		faulty_ioctl(self, variant->and_after, nth, KVM_X86_GET_REG_RULES, &head,
			     &injected);
		TEST_ASSERT(!self->refused, "fault %d made GET fail", nth);
		TEST_ASSERT_EQ(got.value, 1);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
