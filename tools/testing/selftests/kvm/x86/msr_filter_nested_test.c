// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_nested_test - KVM_X86_SET_MSR_FILTER and nested guests
 *
 * - The filter decides on an access from L2 that L1 does not intercept as on L1's;
 *   one that L1 intercepts goes to L1, whatever the filter says.
 * - A filter reaches an L2 that is running, without waiting for a nested entry,
 *   and an L2 that is restored into another VM.
 * - The filter holds for the MSR lists of VMX transitions: a denied MSR fails the
 *   entry, or aborts the exit.
 *
 * For filters that change while L2 does not leave the guest at all, see
 * msr_filter_nested_race_test.
 */
#include "kvm_test_harness.h"
#include "msr_test.h"

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY_READS	2000

/* What becomes of accesses to both MSRs, by one level, maybe emulated. */
static void expect_at(struct kvm_vcpu *vcpu, int level, bool fep,
		      const struct msr_result *reads, const struct msr_result *writes)
{
	struct msr_access a;
	int i;

	for (i = 0; i < NR_L2_ACCESSES; i++) {
		a = by(level, l2_access[i]);
		a.fep = fep;
		expect_access(vcpu, a, a.write ? writes : reads);
	}
}

/* Neither MSR may be accessed, in the ways that @flags say. */
static void deny(struct kvm_vcpu *vcpu, uint32_t flags)
{
	struct kvm_msr_filter filter = deny_range(MSR_INTERCEPTED, 1, flags);

	filter.ranges[1] = deny_range(MSR_PASSTHROUGH, 1, flags).ranges[0];
	set_filter(vcpu->vm, filter);
}

static void deny_and_exit(struct kvm_vcpu *vcpu, uint32_t flags)
{
	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	deny(vcpu, flags);
}

FIXTURE(msr_filter_nested)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
};

FIXTURE_VARIANT(msr_filter_nested)
{
	bool vmx;
	bool no_bitmap;
};

FIXTURE_VARIANT_ADD(msr_filter_nested, svm) {};
/* Then, SVM intercepts no MSR for L1's sake; VMX, all of them: see below. */
FIXTURE_VARIANT_ADD(msr_filter_nested, svm_without_bitmap) { .no_bitmap = true };
FIXTURE_VARIANT_ADD(msr_filter_nested, vmx) { .vmx = true };

FIXTURE_SETUP(msr_filter_nested)
{
	if (!kvm_cpu_has(variant->vmx ? X86_FEATURE_VMX : X86_FEATURE_SVM))
		SKIP(return, "needs nested %s", variant->vmx ? "VMX" : "SVM");

	self->vcpu = create_nested_vcpu(variant->vmx, &self->bitmap);
	guest_of(self->vcpu)->no_bitmap = variant->no_bitmap;
}

FIXTURE_TEARDOWN(msr_filter_nested)
{
	kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_filter_nested, denied_access)
{
	deny(self->vcpu, READ | WRITE);
	expect_at(self->vcpu, 2, false, &msr_faults, &msr_faults);
	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	expect_at(self->vcpu, 2, false, &msr_exits, &msr_exits);
}

/* L1 comes first, although the filter denies the access, and denies it to L1. */
static void expect_l1_first(struct kvm_vcpu *vcpu)
{
	int i;

	deny_and_exit(vcpu, READ | WRITE);
	for (i = 0; i < NR_L2_ACCESSES; i++) {
		expect_l1_exit(vcpu, l2_access[i]);
		expect_access(vcpu, by(1, l2_access[i]), &msr_exits);
	}
}

TEST_F(msr_filter_nested, denied_access_that_l1_intercepts)
{
	int i;

	if (variant->no_bitmap)
		SKIP(return, "L1 intercepts nothing");

	for (i = 0; i < NR_L2_ACCESSES; i++)
		set_l1_intercept(self->vcpu, self->bitmap, l2_access[i].msr,
				 l2_access[i].write);
	expect_l1_first(self->vcpu);
}

TEST_F(msr_filter_nested, denied_access_that_is_emulated)
{
	if (!l2_can_be_emulated(self->vcpu))
		SKIP(return, "needs kvm.force_emulation_prefix=1, and RDMSR emulated for L2");

	expect_at(self->vcpu, 2, true, &msr_performed, &msr_performed);
	deny(self->vcpu, READ | WRITE);
	expect_at(self->vcpu, 2, true, &msr_faults, &msr_faults);
	exit_on(self->vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	expect_at(self->vcpu, 2, true, &msr_exits, &msr_exits);
}

TEST_F(msr_filter_nested, read_and_write_apart)
{
	deny_and_exit(self->vcpu, READ);
	expect_at(self->vcpu, 2, false, &msr_exits, &msr_performed);
	go_to_level(self->vcpu, 1);
	deny(self->vcpu, WRITE);
	expect_at(self->vcpu, 2, false, &msr_performed, &msr_exits);
}

/* Each kind of access is the first that L2 makes after the filter has changed. */
TEST_F(msr_filter_nested, filter_reaches_running_l2)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	for (i = 0; i < NR_L2_ACCESSES; i++) {
		remove_filter(vcpu->vm);
		expect_access(vcpu, l2_access[i], &msr_performed);
		deny_and_exit(vcpu, READ | WRITE);
		expect_access(vcpu, l2_access[i], &msr_exits);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* What reaches L2 reaches L1, too, and stays with either of them. */
TEST_F(msr_filter_nested, filter_outlives_nested_transitions)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	go_to_level(vcpu, 2);
	deny_and_exit(vcpu, READ | WRITE);
	for (i = 0; i < NR_L2_ACCESSES; i++) {
		expect_access(vcpu, by(2, l2_access[i]), &msr_exits);
		expect_access(vcpu, by(1, l2_access[i]), &msr_exits);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, NR_L2_ACCESSES);

	remove_filter(vcpu->vm);
	for (i = 0; i < NR_L2_ACCESSES; i++) {
		expect_access(vcpu, by(2, l2_access[i]), &msr_performed);
		expect_access(vcpu, by(1, l2_access[i]), &msr_performed);
	}
}

/* Without a filter, a running L2 has the MSR to itself again. */
TEST_F(msr_filter_nested, removal_restores_passthrough)
{
	struct msr_access a = { .level = 2, .msr = MSR_PASSTHROUGH, .repeats = MANY_READS };
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t before;

	deny(vcpu, READ | WRITE);
	expect_access(vcpu, a, &msr_faults);

	remove_filter(vcpu->vm);
	before = vcpu_get_stat(vcpu, exits);
	expect_access(vcpu, a, &msr_performed);
	TEST_ASSERT(vcpu_get_stat(vcpu, exits) - before < MANY_READS,
		    "KVM intercepts reads that nobody asked to intercept");
}

/* L2 is restored into another VM, in which the filter is set at some time. */
enum when { BEFORE_VCPU, BEFORE_STATE, AFTER_STATE, NR_TIMES };

static void filter_restored_vm(struct kvm_vcpu **vcpu, enum when when)
{
	struct kvm_vm *vm = (*vcpu)->vm;
	struct kvm_vcpu none = { .vm = vm };
	struct kvm_x86_state *state;

	go_to_level(*vcpu, 2);
	state = vcpu_save_state(*vcpu);
	TEST_ASSERT(state->nested.flags & KVM_STATE_NESTED_GUEST_MODE, "not in L2");

	kvm_vm_release(vm);
	kvm_vm_restart(vm);
	if (when == BEFORE_VCPU)
		deny_and_exit(&none, READ | WRITE);
	*vcpu = vm_vcpu_recreate(vm, 0);
	if (when == BEFORE_STATE)
		deny_and_exit(*vcpu, READ | WRITE);
	vcpu_load_state(*vcpu, state);
	if (when == AFTER_STATE)
		deny_and_exit(*vcpu, READ | WRITE);
	kvm_x86_state_cleanup(state);
}

/* L2's first access in the new VM is denied, and so are those that follow. */
TEST_F(msr_filter_nested, restored_l2)
{
	int i, when;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	for (when = BEFORE_VCPU; when < NR_TIMES; when++) {
		for (i = 0; i < NR_L2_ACCESSES; i++) {
			filter_restored_vm(&self->vcpu, when);
			expect_next_access(self->vcpu, l2_access[i], &msr_exits);
			expect_access(self->vcpu, by(1, l2_access[i]), &msr_exits);
			expect_access(self->vcpu, by(2, l2_access[i]), &msr_exits);
		}
	}
}

FIXTURE(msr_filter_vmx)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(msr_filter_vmx)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
	self->vm = self->vcpu->vm;
}

FIXTURE_TEARDOWN(msr_filter_vmx)
{
	kvm_vm_free(self->vm);
}

/* Without an MSR bitmap, L1 intercepts every access. */
TEST_F(msr_filter_vmx, without_bitmap_l1_comes_first)
{
	guest_of(self->vcpu)->no_bitmap = true;
	expect_l1_first(self->vcpu);
}

TEST_F(msr_filter_vmx, denied_msr_fails_the_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	deny_and_exit(vcpu, WRITE);
	fill_list(vcpu, ENTRY_LOAD, MSR_PASSTHROUGH);
	expect_failed_entry(vcpu);
	fill_list(vcpu, ENTRY_LOAD, MSR_INTERCEPTED);
	expect_failed_entry(vcpu);

	/* Neither was loaded, and once it is allowed, L1 can go on. */
	TEST_ASSERT(vcpu_get_msr(vcpu, MSR_PASSTHROUGH) != NEW_VALUE, "the MSR was loaded");
	remove_filter(self->vm);
	TEST_ASSERT_EQ(read_at(vcpu, 2, MSR_INTERCEPTED), NEW_VALUE);
}

/* Have L2 run with the list; then deny the access. */
static struct vmx_msr_entry *deny_in_l2(struct kvm_vcpu *vcpu, enum msr_list list,
					uint32_t msr, uint32_t flags)
{
	struct vmx_msr_entry *entry = fill_list(vcpu, list, msr);

	go_to_level(vcpu, 2);
	if (msr != MSR_IA32_TSC)
		vcpu_set_msr(vcpu, msr, OLD_VALUE);
	set_filter(vcpu->vm, deny_range(msr, 1, flags));
	return entry;
}

TEST_F(msr_filter_vmx, denied_msr_to_load_aborts_the_exit)
{
	exit_on(self->vm, KVM_MSR_EXIT_REASON_FILTER);
	deny_in_l2(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH, WRITE);
	expect_aborted_exit(self->vcpu);
}

TEST_F(msr_filter_vmx, denied_msr_to_store_aborts_the_exit)
{
	exit_on(self->vm, KVM_MSR_EXIT_REASON_FILTER);
	deny_in_l2(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH, READ);
	expect_aborted_exit(self->vcpu);
}

/* KVM has hardware store the TSC, and only has to pass it on. */
TEST_F(msr_filter_vmx, denied_tsc_to_store_aborts_the_exit)
{
	struct vmx_msr_entry *tsc;

	exit_on(self->vm, KVM_MSR_EXIT_REASON_FILTER);
	tsc = deny_in_l2(self->vcpu, EXIT_STORE, MSR_IA32_TSC, READ);
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(tsc->value, NEW_VALUE);
}

#define SMRAM_GPA	0x1000000
#define SMRAM_PAGES	16
#define SMRAM_SLOT	(BIT(16) | 1)	/* of the address space for SMM */

/* Have an SMI do nothing but return. */
static void set_up_smm(struct kvm_vcpu *vcpu)
{
	static const uint8_t rsm[] = { 0x0f, 0xaa };
	struct kvm_vm *vm = vcpu->vm;
	uint8_t *smram;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA, SMRAM_SLOT,
				    SMRAM_PAGES, 0);
	TEST_ASSERT_EQ(vm_phy_pages_alloc(vm, SMRAM_PAGES, SMRAM_GPA, SMRAM_SLOT), SMRAM_GPA);
	smram = addr_gpa2hva(vm, SMRAM_GPA);
	memset(smram, 0, SMRAM_PAGES * getpagesize());
	memcpy(smram + 0x8000, rsm, sizeof(rsm));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
}

/* An SMI, which the guest can send itself, is no way to have a denied MSR loaded. */
TEST_F(msr_filter_vmx, smi_loads_nothing)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	set_up_smm(vcpu);
	deny_in_l2(vcpu, EXIT_LOAD, MSR_PASSTHROUGH, WRITE);

	vcpu_ioctl(vcpu, KVM_SMI, NULL);
	read_at(vcpu, 2, MSR_HARMLESS);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_PASSTHROUGH), OLD_VALUE);
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* Userspace has the vCPU leave L2, which is no VM-exit: nothing is loaded or aborted. */
TEST_F(msr_filter_vmx, forced_exit_loads_nothing)
{
	struct kvm_nested_state no_vmx = {
		.format = KVM_STATE_NESTED_FORMAT_VMX,
		.size = sizeof(no_vmx),
		.hdr.vmx = { .vmxon_pa = -1ull, .vmcs12_pa = -1ull },
	};
	struct kvm_vcpu *vcpu = self->vcpu;
	struct kvm_vcpu_events events;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_TRIPLE_FAULT_EVENT));
	vm_enable_cap(self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	deny_in_l2(vcpu, EXIT_LOAD, MSR_PASSTHROUGH, WRITE);

	vcpu_nested_state_set(vcpu, &no_vmx);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_PASSTHROUGH), OLD_VALUE);
	vcpu_events_get(vcpu, &events);
	TEST_ASSERT(!events.triple_fault.pending, "the exit was aborted");
}

/* The other kind of access is denied in what follows. */
TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_entry)
{
	deny(self->vcpu, READ);
	fill_list(self->vcpu, ENTRY_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_PASSTHROUGH), NEW_VALUE);
	remove_filter(self->vm);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_PASSTHROUGH), NEW_VALUE);
}

TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_exit)
{
	deny_in_l2(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH, READ);
	go_to_level(self->vcpu, 1);
	remove_filter(self->vm);
	TEST_ASSERT_EQ(read_at(self->vcpu, 1, MSR_PASSTHROUGH), NEW_VALUE);
}

TEST_F(msr_filter_vmx, allowed_msr_is_stored_on_exit)
{
	struct vmx_msr_entry *entry;

	entry = deny_in_l2(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH, WRITE);
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(entry->value, OLD_VALUE);
}

static void deny_tsc_writes(struct kvm_vcpu *vcpu)
{
	set_filter(vcpu->vm, deny_range(MSR_IA32_TSC, 1, WRITE));
}

TEST_F(msr_filter_vmx, stored_tsc_is_exact)
{
	expect_exact_tsc_store(self->vcpu, deny_tsc_writes);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
