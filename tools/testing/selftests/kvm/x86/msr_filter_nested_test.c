// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_nested_test - KVM_X86_SET_MSR_FILTER and nested guests
 *
 * - An access from L2 that L1 does not intercept is judged as L1's is; one that
 *   L1 intercepts goes to L1, whatever the filter says.
 * - A filter reaches an L2 that is running, without waiting for a nested entry,
 *   and an L2 that is restored into another VM.
 * - The MSR lists of VMX transitions are judged: a denied MSR fails the entry, or
 *   aborts the exit.
 *
 * For filters that change while L2 does not leave the guest at all, see
 * msr_filter_nested_race_test.
 */
#include "kvm_test_harness.h"
#include "nested_msr.h"

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY_READS	2000

/* The access is the next thing that the guest does. */
static void expect_denied_now(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome;

	vcpu_set_msr(vcpu, a.msr, OLD);
	outcome = access_msr(vcpu, a);
	check_outcome(outcome.reason == KVM_MSR_EXIT_REASON_FILTER, "denied",
		      &a, &outcome);
	check_outcome(!outcome.l1_exit && !outcome.vector, "completed", &a, &outcome);
	check_outcome(outcome.value == (a.write ? NEW : ANSWER_VALUE), "answered",
		      &a, &outcome);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr), OLD);
}

static void expect_denied(struct kvm_vcpu *vcpu, struct access a)
{
	go_to_level(vcpu, a.level);
	expect_denied_now(vcpu, a);
}

static void expect_fault(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome;

	go_to_level(vcpu, a.level);
	vcpu_set_msr(vcpu, a.msr, OLD);
	outcome = access_msr(vcpu, a);
	check_outcome(outcome.vector == GP_VECTOR, "a fault", &a, &outcome);
	check_outcome(!outcome.reason && !outcome.l1_exit, "the guest's own",
		      &a, &outcome);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr), OLD);
}

static void expect_allowed(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome;

	go_to_level(vcpu, a.level);
	vcpu_set_msr(vcpu, a.msr, OLD);
	outcome = access_msr(vcpu, a);
	check_outcome(!outcome.reason && !outcome.l1_exit && !outcome.vector, "allowed",
		      &a, &outcome);
	check_outcome(a.write || outcome.value == OLD, "done", &a, &outcome);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr), a.write ? NEW : OLD);
}

/* Neither MSR may be accessed, in the ways that @flags say. */
static void deny(struct kvm_vcpu *vcpu, uint32_t flags)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges = {
			{ flags, 1, MSR_INTERCEPTED, &no_bits },
			{ flags, 1, MSR_PASSTHROUGH, &no_bits },
		},
	};

	vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void deny_only(struct kvm_vcpu *vcpu, uint32_t msr, uint32_t flags)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges = { { flags, 1, msr, &no_bits } },
	};

	vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static void remove_filter(struct kvm_vcpu *vcpu)
{
	struct kvm_msr_filter none = {};

	vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &none);
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
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (variant->vmx && !kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");
	if (!variant->vmx && !kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "needs nested SVM");

	self->vcpu = create_vcpu(variant->vmx, &self->bitmap);
	guest_of(self->vcpu)->no_bitmap = variant->no_bitmap;
}

FIXTURE_TEARDOWN(msr_filter_nested)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

TEST_F(msr_filter_nested, denied_access_exits)
{
	int i;

	exit_on_denials(self->vcpu);
	deny(self->vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect_denied(self->vcpu, l2_access[i]);
}

TEST_F(msr_filter_nested, denied_access_faults_in_l2)
{
	int i;

	deny(self->vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect_fault(self->vcpu, l2_access[i]);
}

/* L1 comes first, although the filter denies the access, and denies it to L1. */
TEST_F(msr_filter_nested, denied_access_that_l1_intercepts)
{
	int i;

	if (variant->no_bitmap)
		SKIP(return, "L1 intercepts nothing");

	set_l1_intercept(self->bitmap, variant->vmx, MSR_PASSTHROUGH, false);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_PASSTHROUGH, true);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_INTERCEPTED, false);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_INTERCEPTED, true);
	exit_on_denials(self->vcpu);
	deny(self->vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_l1_exit(self->vcpu, l2_access[i]);
		expect_denied(self->vcpu, by(1, l2_access[i]));
	}
}

TEST_F(msr_filter_nested, denied_access_that_is_emulated)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	struct access probe = { .level = 2, .msr = MSR_HARMLESS, .fep = true };
	int i;

	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");
	if (access_msr(vcpu, probe).vector == UD_VECTOR)
		SKIP(return, "KVM does not emulate RDMSR for L2");

	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect_allowed(vcpu, emulated(l2_access[i]));
	deny(vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect_fault(vcpu, emulated(l2_access[i]));
	exit_on_denials(vcpu);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		expect_denied(vcpu, emulated(l2_access[i]));
}

TEST_F(msr_filter_nested, read_and_write_apart)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	exit_on_denials(vcpu);
	deny(vcpu, READ);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		(l2_access[i].write ? expect_allowed : expect_denied)(vcpu, l2_access[i]);

	go_to_level(vcpu, 1);
	deny(vcpu, WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++)
		(l2_access[i].write ? expect_denied : expect_allowed)(vcpu, l2_access[i]);
}

/* Each kind of access is the first that L2 makes after the filter has changed. */
TEST_F(msr_filter_nested, filter_reaches_running_l2)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	exit_on_denials(vcpu);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		remove_filter(vcpu);
		expect_allowed(vcpu, l2_access[i]);
		deny(vcpu, READ | WRITE);
		expect_denied(vcpu, l2_access[i]);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* What reaches L2 reaches L1, too, and stays with either of them. */
TEST_F(msr_filter_nested, filter_outlives_nested_transitions)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	exit_on_denials(vcpu);
	go_to_level(vcpu, 2);
	deny(vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_denied(vcpu, by(2, l2_access[i]));
		expect_denied(vcpu, by(1, l2_access[i]));
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, ARRAY_SIZE(l2_access));

	remove_filter(vcpu);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_allowed(vcpu, by(2, l2_access[i]));
		expect_allowed(vcpu, by(1, l2_access[i]));
	}
}

static uint64_t exits_of(struct kvm_vcpu *vcpu)
{
	int fd = vcpu_get_stats_fd(vcpu), i;
	struct kvm_stats_desc *all, *desc;
	struct kvm_stats_header header;
	uint64_t exits = 0;

	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(all, i, &header);
		if (!strcmp(desc->name, "exits"))
			read_stat_data(fd, &header, desc, &exits, 1);
	}
	TEST_ASSERT(exits, "KVM does not count exits");

	free(all);
	close(fd);
	return exits;
}

/* Without a filter, a running L2 has the MSR to itself again. */
TEST_F(msr_filter_nested, removal_restores_passthrough)
{
	struct access a = { .level = 2, .msr = MSR_PASSTHROUGH, .repeats = MANY_READS };
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t before;

	deny(vcpu, READ | WRITE);
	expect_fault(vcpu, a);

	remove_filter(vcpu);
	before = exits_of(vcpu);
	expect_allowed(vcpu, a);
	TEST_ASSERT(exits_of(vcpu) - before < MANY_READS,
		    "KVM intercepts reads that nobody asked to intercept");
}

enum when {
	BEFORE_VCPU,
	BEFORE_STATE,
	AFTER_STATE,
};

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
	exit_on_denials(&none);
	if (when == BEFORE_VCPU)
		deny(&none, READ | WRITE);
	*vcpu = vm_vcpu_recreate(vm, 0);
	if (when == BEFORE_STATE)
		deny(*vcpu, READ | WRITE);
	vcpu_load_state(*vcpu, state);
	if (when == AFTER_STATE)
		deny(*vcpu, READ | WRITE);
	kvm_x86_state_cleanup(state);
}

/* L2's first access in the new VM is denied, and so are those that follow. */
static void expect_restored_l2_is_denied(struct kvm_vcpu **vcpu, enum when when)
{
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		filter_restored_vm(vcpu, when);
		expect_denied_now(*vcpu, l2_access[i]);
		expect_denied(*vcpu, by(1, l2_access[i]));
		expect_denied(*vcpu, by(2, l2_access[i]));
	}
}

TEST_F(msr_filter_nested, restore_after_filter)
{
	expect_restored_l2_is_denied(&self->vcpu, BEFORE_VCPU);
}

TEST_F(msr_filter_nested, restore_into_filtered_vcpu)
{
	expect_restored_l2_is_denied(&self->vcpu, BEFORE_STATE);
}

TEST_F(msr_filter_nested, filter_after_restore)
{
	expect_restored_l2_is_denied(&self->vcpu, AFTER_STATE);
}

FIXTURE(msr_filter_vmx)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(msr_filter_vmx)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
}

FIXTURE_TEARDOWN(msr_filter_vmx)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* Without an MSR bitmap, L1 intercepts every access. */
TEST_F(msr_filter_vmx, without_bitmap_l1_comes_first)
{
	int i;

	guest_of(self->vcpu)->no_bitmap = true;
	exit_on_denials(self->vcpu);
	deny(self->vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_l1_exit(self->vcpu, l2_access[i]);
		expect_denied(self->vcpu, by(1, l2_access[i]));
	}
}

TEST_F(msr_filter_vmx, denied_msr_fails_the_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	exit_on_denials(vcpu);
	deny(vcpu, WRITE);

	fill_list(self->vcpu, ENTRY_LOAD, MSR_PASSTHROUGH);
	expect_failed_entry(vcpu);
	fill_list(self->vcpu, ENTRY_LOAD, MSR_INTERCEPTED);
	expect_failed_entry(vcpu);

	/* Neither was loaded, and once it is allowed, L1 can go on. */
	TEST_ASSERT(vcpu_get_msr(vcpu, MSR_PASSTHROUGH) != NEW, "the MSR was loaded");
	remove_filter(vcpu);
	TEST_ASSERT_EQ(read_at(vcpu, 2, MSR_INTERCEPTED), NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_entry)
{
	deny(self->vcpu, READ);
	fill_list(self->vcpu, ENTRY_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_PASSTHROUGH), NEW);
	remove_filter(self->vcpu);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_PASSTHROUGH), NEW);
}

/* In the two tests that follow, the filter is set while L2 runs. */
TEST_F(msr_filter_vmx, denied_msr_to_load_aborts_the_exit)
{
	exit_on_denials(self->vcpu);
	fill_list(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	deny(self->vcpu, WRITE);
	expect_aborted_exit(self->vcpu);
}

TEST_F(msr_filter_vmx, denied_msr_to_store_aborts_the_exit)
{
	exit_on_denials(self->vcpu);
	fill_list(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	deny(self->vcpu, READ);
	expect_aborted_exit(self->vcpu);
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
	fill_list(vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, MSR_PASSTHROUGH, OLD);
	deny(vcpu, WRITE);

	vcpu_ioctl(vcpu, KVM_SMI, NULL);
	read_at(vcpu, 2, MSR_HARMLESS);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_PASSTHROUGH), OLD);
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
	vm_enable_cap(vcpu->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	fill_list(vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, MSR_PASSTHROUGH, OLD);
	deny(vcpu, WRITE);

	vcpu_nested_state_set(vcpu, &no_vmx);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, MSR_PASSTHROUGH), OLD);
	vcpu_events_get(vcpu, &events);
	TEST_ASSERT(!events.triple_fault.pending, "the exit was aborted");
}

/* KVM has hardware store the TSC, and only has to pass it on. */
TEST_F(msr_filter_vmx, denied_tsc_to_store_aborts_the_exit)
{
	struct vmx_msr_entry *tsc;

	exit_on_denials(self->vcpu);
	tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	go_to_level(self->vcpu, 2);
	deny_only(self->vcpu, MSR_IA32_TSC, READ);
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(tsc->value, NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_exit)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	fill_list(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, MSR_PASSTHROUGH, OLD);
	deny(vcpu, READ);
	go_to_level(vcpu, 1);
	remove_filter(vcpu);
	TEST_ASSERT_EQ(read_at(vcpu, 1, MSR_PASSTHROUGH), NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_stored_on_exit)
{
	struct vmx_msr_entry *entry = fill_list(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH);

	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	deny(self->vcpu, WRITE);
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(entry->value, OLD);
}

TEST_F(msr_filter_vmx, stored_tsc_is_exact)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t before, after, offset = 0;

	/* Emulated hardware may add the offset to what it stores, real one does not. */
	vcpu_device_attr_set(self->vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
	go_to_level(self->vcpu, 2);
	deny_only(self->vcpu, MSR_IA32_TSC, WRITE);
	before = read_at(self->vcpu, 2, MSR_IA32_TSC);
	after = read_at(self->vcpu, 1, MSR_IA32_TSC);
	TEST_ASSERT(before < tsc->value && tsc->value < after,
		    "stored 0x%lx, not between 0x%lx and 0x%lx", tsc->value, before, after);
}

TEST_HARNESS_MAIN
