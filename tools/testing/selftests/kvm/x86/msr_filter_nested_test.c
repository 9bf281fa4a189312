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
#include <asm/vmx.h>

#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"
#include "vmx.h"

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE

/* One that KVM always intercepts, and one that it passes through to hardware. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE

/* Intercepted by KVM, never denied here. */
#define MSR_HARMLESS	MSR_IA32_APICBASE

/* What either MSR holds before an access, what is written, userspace's answer. */
#define OLD		0x0606ull
#define NEW		0x0407ull
#define ANSWER		0x0123456789abcdefull

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY_READS	2000

/*
 * struct access - what the guest is to do, and what it saw
 * @level: Who is to do it: 1 for L1, 2 for L2.
 * @msr: The MSR.
 * @write: WRMSR rather than RDMSR.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @repeats: How often to do it again.
 * @value: What to write, or what was read.
 * @vector: The exception that the instruction took, or 0.
 */
struct access {
	int level;
	uint32_t msr;
	bool write;
	bool fep;
	uint32_t repeats;
	uint64_t value;
	uint8_t vector;
};

enum msr_list {
	ENTRY_LOAD,
	EXIT_LOAD,
	EXIT_STORE,
	NR_MSR_LISTS,
};

/* The lists of VMX transitions: L1 uses those whose count is not 0. */
struct msr_lists {
	struct vmx_msr_entry entries[NR_MSR_LISTS][2];
	uint64_t gpa[NR_MSR_LISTS];
	uint32_t count[NR_MSR_LISTS];
};

/*
 * struct guest - lives in guest memory
 * @access: What to do next.
 * @vmx: L1 uses VMX rather than SVM.
 * @no_bitmap: L1 does not use an MSR bitmap.
 * @entries: How often L1 entered L2.
 * @exit_reason: Why L2 left last, if it was not at its own request, else 0.
 * @exit_info: The exit qualification, or EXITINFO1.
 * @lists: Aligned so as not to cross a page.
 */
static struct guest {
	struct access access;
	bool vmx;
	bool no_bitmap;
	uint64_t entries;
	uint64_t exit_reason;
	uint64_t exit_info;
	struct msr_lists lists __aligned(256);
} guest;

static uint64_t l2_stack[512];

static uint8_t guest_wrmsr(const struct access *a)
{
	uint32_t low = a->value, high = a->value >> 32;
	uint64_t error_code;

	/* kvm_asm_safe_fep() omits the prefix. */
	if (a->fep)
		return kvm_asm_safe_ec_fep("wrmsr", error_code,
					   "a"(low), "d"(high), "c"(a->msr));

	return wrmsr_safe(a->msr, a->value);
}

static uint8_t guest_rdmsr(struct access *a)
{
	if (a->fep)
		return rdmsr_safe_fep(a->msr, &a->value);

	return rdmsr_safe(a->msr, &a->value);
}

static void make_access(struct access *a)
{
	uint32_t i;

	for (i = 0; i <= a->repeats; i++)
		a->vector = a->write ? guest_wrmsr(a) : guest_rdmsr(a);
}

/* L1 starts L2 here on every entry: VMX loses its registers in the library. */
static void l2_main(void)
{
	for (;;) {
		if (READ_ONCE(guest.access.level) == 2) {
			make_access(&guest.access);
			GUEST_SYNC(0);
		} else if (guest.vmx) {
			asm volatile("vmcall" ::: "memory");
		} else {
			asm volatile("vmmcall" ::: "memory");
		}
	}
}

static void set_up_vmx(struct vmx_pages *vmx)
{
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_main, NULL);
}

static void use_vmx_bitmap(bool use)
{
	uint32_t controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL);

	if (use)
		controls |= CPU_BASED_USE_MSR_BITMAPS;
	else
		controls &= ~CPU_BASED_USE_MSR_BITMAPS;
	GUEST_ASSERT(!vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls));
}

/* Enters L2; returns true if L2 asked to leave. */
static bool enter_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->save.rip = (uint64_t)l2_main;
	vmcb->save.rsp = (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)];
	if (guest.no_bitmap)
		vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_MSR_PROT);
	else
		vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	run_guest(vmcb, svm->vmcb_gpa);

	guest.exit_reason = vmcb->control.exit_code;
	guest.exit_info = vmcb->control.exit_info_1;
	return guest.exit_reason == SVM_EXIT_VMMCALL;
}

static void write_msr_lists(const struct msr_lists *l)
{
	vmwrite(VM_ENTRY_MSR_LOAD_ADDR, l->gpa[ENTRY_LOAD]);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, l->count[ENTRY_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_ADDR, l->gpa[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, l->count[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_STORE_ADDR, l->gpa[EXIT_STORE]);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, l->count[EXIT_STORE]);
}

static bool enter_vmx(void)
{
	vmwrite(GUEST_RIP, (uint64_t)l2_main);
	vmwrite(GUEST_RSP, (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)]);
	use_vmx_bitmap(!guest.no_bitmap);
	write_msr_lists(&guest.lists);

	/* Until L2 has been launched, it cannot be resumed. */
	GUEST_ASSERT(!vmresume() || !vmlaunch());

	guest.exit_reason = vmreadz(VM_EXIT_REASON);
	guest.exit_info = vmreadz(EXIT_QUALIFICATION);
	return guest.exit_reason == EXIT_REASON_VMCALL;
}

static void l1_main(void *pages)
{
	if (guest.vmx)
		set_up_vmx(pages);
	else
		generic_svm_setup(pages, l2_main, NULL);

	for (;;) {
		if (READ_ONCE(guest.access.level) == 1) {
			make_access(&guest.access);
		} else {
			guest.entries++;
			if (guest.vmx ? enter_vmx() : enter_svm(pages)) {
				guest.exit_reason = 0;
				continue;
			}
		}
		GUEST_SYNC(0);
	}
}

/*
 * struct outcome - what became of an access
 * @reason: KVM_MSR_EXIT_REASON_* if it exited to userspace, else 0.
 * @l1_exit: The nested exit's reason if it exited to L1, else 0.
 * @l1_info: The nested exit's qualification, or EXITINFO1.
 * @vector: The exception that the guest took, or 0.
 * @value: What the guest read, or what the exit said was written.
 */
struct outcome {
	uint32_t reason;
	uint64_t l1_exit;
	uint64_t l1_info;
	uint8_t vector;
	uint64_t value;
};

static struct guest *guest_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest);
}

static int level_of(struct kvm_vcpu *vcpu)
{
	return vcpu->run->flags & KVM_RUN_X86_GUEST_MODE ? 2 : 1;
}

static void answer_exit(struct kvm_vcpu *vcpu, const struct access *a,
			struct outcome *outcome)
{
	struct kvm_run *run = vcpu->run;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, a->write ? KVM_EXIT_X86_WRMSR :
						     KVM_EXIT_X86_RDMSR);
	TEST_ASSERT_EQ(level_of(vcpu), a->level);
	TEST_ASSERT_EQ(run->msr.index, a->msr);

	outcome->reason = run->msr.reason;
	outcome->value = run->msr.data;
	if (!a->write)
		run->msr.data = ANSWER;
}

/* Let L1 or L2 make an access; answer an exit with ANSWER. */
static struct outcome access_msr(struct kvm_vcpu *vcpu, struct access a)
{
	struct guest *g = guest_of(vcpu);
	struct outcome outcome = {};
	struct ucall uc;

	g->access = a;
	g->exit_reason = 0;
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		answer_exit(vcpu, &a, &outcome);
		vcpu_run(vcpu);
	}

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);

	outcome.l1_exit = g->exit_reason;
	outcome.l1_info = g->exit_info;
	outcome.vector = g->access.vector;
	if (!a.write)
		outcome.value = g->access.value;
	return outcome;
}

static void check_outcome(bool ok, const char *what, const struct access *a,
			  const struct outcome *o)
{
	TEST_ASSERT(ok, "L%d's %s%s of 0x%x is not %s: %s %u, %s 0x%lx, %s %u, %s 0x%lx",
		    a->level, a->fep ? "emulated " : "", a->write ? "write" : "read",
		    a->msr, what, "exit reason", o->reason, "nested exit", o->l1_exit,
		    "vector", o->vector, "value", o->value);
}

static uint64_t read_at(struct kvm_vcpu *vcpu, int level, uint32_t msr)
{
	struct access a = { .level = level, .msr = msr };
	struct outcome outcome = access_msr(vcpu, a);

	check_outcome(!outcome.reason && !outcome.l1_exit && !outcome.vector, "allowed",
		      &a, &outcome);
	return outcome.value;
}

static void go_to_level(struct kvm_vcpu *vcpu, int level)
{
	if (level_of(vcpu) != level)
		read_at(vcpu, level, MSR_HARMLESS);
	TEST_ASSERT_EQ(level_of(vcpu), level);
}

/* The access is the next thing that the guest does. */
static void expect_denied_now(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome;

	vcpu_set_msr(vcpu, a.msr, OLD);
	outcome = access_msr(vcpu, a);
	check_outcome(outcome.reason == KVM_MSR_EXIT_REASON_FILTER, "denied",
		      &a, &outcome);
	check_outcome(!outcome.l1_exit && !outcome.vector, "completed", &a, &outcome);
	check_outcome(outcome.value == (a.write ? NEW : ANSWER), "answered",
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

static uint64_t l1_exit_for(struct kvm_vcpu *vcpu, bool write)
{
	if (!guest_of(vcpu)->vmx)
		return SVM_EXIT_MSR;

	return write ? EXIT_REASON_MSR_WRITE : EXIT_REASON_MSR_READ;
}

/* L1 is told of L2's access. */
static void expect_l1_exit(struct kvm_vcpu *vcpu, struct access a)
{
	struct outcome outcome = access_msr(vcpu, a);

	check_outcome(!outcome.reason && outcome.l1_exit == l1_exit_for(vcpu, a.write),
		      "L1's to handle", &a, &outcome);
	check_outcome(guest_of(vcpu)->vmx || outcome.l1_info == a.write,
		      "told apart", &a, &outcome);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
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

static void exit_on_denials(struct kvm_vcpu *vcpu)
{
	vm_enable_cap(vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
}

static const struct access l2_access[] = {
	{ .level = 2, .msr = MSR_PASSTHROUGH },
	{ .level = 2, .msr = MSR_PASSTHROUGH, .write = true, .value = NEW },
	{ .level = 2, .msr = MSR_INTERCEPTED },
	{ .level = 2, .msr = MSR_INTERCEPTED, .write = true, .value = NEW },
};

static struct access by(int level, struct access a)
{
	a.level = level;
	return a;
}

static struct access emulated(struct access a)
{
	a.fep = true;
	return a;
}

/* L1's bitmap, of which no bit is set.  The library allocates half of SVM's. */
static uint8_t *alloc_svm(struct kvm_vm *vm, vm_vaddr_t *pages)
{
	struct svm_test_data *svm = vcpu_alloc_svm(vm, pages);
	vm_vaddr_t bitmap = vm_vaddr_alloc_pages(vm, 2);

	svm->msr = (void *)bitmap;
	svm->msr_hva = addr_gva2hva(vm, bitmap);
	svm->msr_gpa = addr_gva2gpa(vm, bitmap);
	memset(svm->msr_hva, 0, 2 * getpagesize());
	return svm->msr_hva;
}

static struct kvm_vcpu *create_vcpu(bool vmx, uint8_t **bitmap)
{
	struct kvm_vcpu *vcpu;
	vm_vaddr_t pages;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, l1_main);

	*bitmap = vmx ? vcpu_alloc_vmx(vm, &pages)->msr_hva : alloc_svm(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
	guest_of(vcpu)->vmx = vmx;

	/* Setting up takes MSR accesses that the tests' filters deny. */
	read_at(vcpu, 1, MSR_HARMLESS);
	return vcpu;
}

/* Have L1 intercept reads and writes of an MSR below 0xc0002000. */
static void set_l1_intercept(uint8_t *bitmap, bool vmx, uint32_t msr)
{
	uint32_t bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bitmap += vmx ? 1024 : 2048;

	if (vmx) {
		bitmap[bit / 8] |= 1 << bit % 8;
		bitmap[bit / 8 + 2048] |= 1 << bit % 8;
	} else {
		bitmap[bit / 4] |= 3 << bit % 4 * 2;
	}
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

	set_l1_intercept(self->bitmap, variant->vmx, MSR_PASSTHROUGH);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_INTERCEPTED);
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
	struct guest *guest;
};

FIXTURE_SETUP(msr_filter_vmx)
{
	uint8_t *bitmap;
	int i;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu(true, &bitmap);
	self->guest = guest_of(self->vcpu);
	for (i = 0; i < NR_MSR_LISTS; i++)
		self->guest->lists.gpa[i] =
			addr_gva2gpa(self->vcpu->vm, (vm_vaddr_t)guest.lists.entries[i]);
}

FIXTURE_TEARDOWN(msr_filter_vmx)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* An MSR that KVM has nothing to say about comes first: the second is judged. */
static struct vmx_msr_entry *fill_list(struct guest *g, enum msr_list list, uint32_t msr)
{
	struct vmx_msr_entry *entries = g->lists.entries[list];

	entries[0] = (struct vmx_msr_entry) { .index = MSR_IA32_SYSENTER_CS };
	entries[1] = (struct vmx_msr_entry) { .index = msr, .value = NEW };
	g->lists.count[list] = 2;
	return &entries[1];
}

/* Without an MSR bitmap, L1 intercepts every access. */
TEST_F(msr_filter_vmx, without_bitmap_l1_comes_first)
{
	int i;

	self->guest->no_bitmap = true;
	exit_on_denials(self->vcpu);
	deny(self->vcpu, READ | WRITE);
	for (i = 0; i < ARRAY_SIZE(l2_access); i++) {
		expect_l1_exit(self->vcpu, l2_access[i]);
		expect_denied(self->vcpu, by(1, l2_access[i]));
	}
}

static void expect_failed_entry(struct kvm_vcpu *vcpu, uint32_t index)
{
	struct access a = { .level = 2, .msr = MSR_HARMLESS };
	struct outcome outcome = access_msr(vcpu, a);

	TEST_ASSERT_EQ(outcome.l1_exit,
		       EXIT_REASON_MSR_LOAD_FAIL | VMX_EXIT_REASONS_FAILED_VMENTRY);
	TEST_ASSERT_EQ(outcome.l1_info, index);
	TEST_ASSERT_EQ(outcome.reason, 0);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
}

/* Go from L2 to L1, by an exit that KVM cannot complete. */
static void expect_aborted_exit(struct kvm_vcpu *vcpu)
{
	guest_of(vcpu)->access = (struct access) { .level = 1, .msr = MSR_HARMLESS };
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_SHUTDOWN);
}

TEST_F(msr_filter_vmx, denied_msr_fails_the_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	exit_on_denials(vcpu);
	deny(vcpu, WRITE);

	fill_list(self->guest, ENTRY_LOAD, MSR_PASSTHROUGH);
	expect_failed_entry(vcpu, 2);
	fill_list(self->guest, ENTRY_LOAD, MSR_INTERCEPTED);
	expect_failed_entry(vcpu, 2);

	/* Neither was loaded, and once it is allowed, L1 can go on. */
	TEST_ASSERT(vcpu_get_msr(vcpu, MSR_PASSTHROUGH) != NEW, "the MSR was loaded");
	remove_filter(vcpu);
	TEST_ASSERT_EQ(read_at(vcpu, 2, MSR_INTERCEPTED), NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_entry)
{
	deny(self->vcpu, READ);
	fill_list(self->guest, ENTRY_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	TEST_ASSERT_EQ(vcpu_get_msr(self->vcpu, MSR_PASSTHROUGH), NEW);
	remove_filter(self->vcpu);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_PASSTHROUGH), NEW);
}

/* In the two tests that follow, the filter is set while L2 runs. */
TEST_F(msr_filter_vmx, denied_msr_to_load_aborts_the_exit)
{
	exit_on_denials(self->vcpu);
	fill_list(self->guest, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	deny(self->vcpu, WRITE);
	expect_aborted_exit(self->vcpu);
}

TEST_F(msr_filter_vmx, denied_msr_to_store_aborts_the_exit)
{
	exit_on_denials(self->vcpu);
	fill_list(self->guest, EXIT_STORE, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	deny(self->vcpu, READ);
	expect_aborted_exit(self->vcpu);
}

/* KVM has hardware store the TSC, and only has to pass it on. */
TEST_F(msr_filter_vmx, denied_tsc_to_store_aborts_the_exit)
{
	struct vmx_msr_entry *tsc;

	exit_on_denials(self->vcpu);
	tsc = fill_list(self->guest, EXIT_STORE, MSR_IA32_TSC);
	go_to_level(self->vcpu, 2);
	deny_only(self->vcpu, MSR_IA32_TSC, READ);
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(tsc->value, NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_loaded_on_exit)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	fill_list(self->guest, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, MSR_PASSTHROUGH, OLD);
	deny(vcpu, READ);
	go_to_level(vcpu, 1);
	remove_filter(vcpu);
	TEST_ASSERT_EQ(read_at(vcpu, 1, MSR_PASSTHROUGH), NEW);
}

TEST_F(msr_filter_vmx, allowed_msr_is_stored_on_exit)
{
	struct vmx_msr_entry *entry = fill_list(self->guest, EXIT_STORE, MSR_PASSTHROUGH);

	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	deny(self->vcpu, WRITE);
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(entry->value, OLD);
}

TEST_F(msr_filter_vmx, stored_tsc_is_exact)
{
	struct vmx_msr_entry *tsc = fill_list(self->guest, EXIT_STORE, MSR_IA32_TSC);
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
