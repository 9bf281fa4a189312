// SPDX-License-Identifier: GPL-2.0
/*
 * For tests of who may access which MSR, see msr_test.h.
 */
#include <asm/barrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "apic.h"
#include "msr_test.h"
#include "svm_util.h"

const struct msr_result msr_performed = {
	.name = "performed", .read = OLD_VALUE, .written = true,
};

const struct msr_result msr_faults = {
	.name = "a fault", .vector = GP_VECTOR,
};

const struct msr_result msr_exits = {
	.name = "answered by userspace", .reason = KVM_MSR_EXIT_REASON_FILTER,
	.read = ANSWER_VALUE,
};

const struct msr_result msr_refused = {
	.name = "refused by userspace", .reply = REFUSE,
	.reason = KVM_MSR_EXIT_REASON_FILTER, .vector = GP_VECTOR,
};

/* Who forgets to reply lets the access pass; a read returns 0. */
const struct msr_result msr_forgotten = {
	.name = "forgotten by userspace", .reply = FORGET,
	.reason = KVM_MSR_EXIT_REASON_FILTER,
};

struct msr_guest msr_guest;

static uint64_t l2_stack[512];
static uint8_t svm_bitmap[2 * PAGE_SIZE] __aligned(PAGE_SIZE);

/* With @fep, KVM emulates the instruction.  Returns the exception, or 0. */
uint8_t guest_rdmsr(uint32_t msr, bool fep, uint64_t *value)
{
	return fep ? rdmsr_safe_fep(msr, value) : rdmsr_safe(msr, value);
}

uint8_t guest_wrmsr(uint32_t msr, bool fep, uint64_t value)
{
	uint32_t low = value, high = value >> 32;

	if (fep)
		return kvm_asm_safe_fep("wrmsr", "a"(low), "d"(high), "c"(msr));

	return wrmsr_safe(msr, value);
}

static void make_access(struct msr_access *a)
{
	uint32_t i;

	for (i = 0; i <= a->repeats; i++)
		a->vector = a->write ? guest_wrmsr(a->msr, a->fep, a->value) :
				       guest_rdmsr(a->msr, a->fep, &a->value);
	GUEST_SYNC(0);
}

void msr_guest_main(void)
{
	for (;;)
		make_access(&msr_guest.access);
}

struct msr_guest *guest_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (uintptr_t)&msr_guest);
}

static int level_of(struct kvm_vcpu *vcpu)
{
	return vcpu->run->flags & KVM_RUN_X86_GUEST_MODE ? 2 : 1;
}

static void reply_to_exit(struct kvm_vcpu *vcpu, const struct msr_access *a,
			  enum msr_reply reply, struct msr_outcome *outcome)
{
	struct kvm_run *run = vcpu->run;
	int i;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, a->write ? KVM_EXIT_X86_WRMSR :
						     KVM_EXIT_X86_RDMSR);
	TEST_ASSERT_EQ(level_of(vcpu), a->level == 2 ? 2 : 1);
	TEST_ASSERT_EQ(run->msr.index, a->msr);
	for (i = 0; i < sizeof(run->msr.pad); i++)
		TEST_ASSERT_EQ(run->msr.pad[i], 0);

	outcome->reason = run->msr.reason;
	outcome->error = run->msr.error;
	outcome->value = run->msr.data;
	if (!a->write)
		TEST_ASSERT_EQ(run->msr.data, 0);
	if (reply == FORGET)
		return;

	run->msr.error = reply == REFUSE;
	if (!a->write)
		run->msr.data = ANSWER_VALUE;
}

/* Let the guest make an access, and reply to the exit if there is one. */
struct msr_outcome access_msr(struct kvm_vcpu *vcpu, struct msr_access a,
			      enum msr_reply reply)
{
	struct msr_guest *guest = guest_of(vcpu);
	struct msr_outcome outcome = {};
	struct ucall uc;

	guest->access = a;
	guest->exit_reason = 0;
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		reply_to_exit(vcpu, &a, reply, &outcome);
		vcpu_run(vcpu);
	}

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);

	outcome.l1_exit = guest->exit_reason;
	outcome.l1_info = guest->exit_info;
	outcome.vector = guest->access.vector;
	if (!a.write)
		outcome.value = guest->access.value;
	return outcome;
}

struct msr_outcome read_msr(struct kvm_vcpu *vcpu, uint32_t msr)
{
	return access_msr(vcpu, (struct msr_access) { .msr = msr }, ANSWER);
}

struct msr_outcome write_msr(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return access_msr(vcpu, (struct msr_access) { .msr = msr, .write = true,
						      .value = value }, ANSWER);
}

static void check_outcome(bool ok, const char *what, const struct msr_access *a,
			  const struct msr_outcome *o)
{
	TEST_ASSERT(ok, "L%d's %s%s of 0x%x is not %s: %s %u, %s %u, %s 0x%lx, %s %u, %s 0x%lx",
		    a->level == 2 ? 2 : 1, a->fep ? "emulated " : "",
		    a->write ? "write" : "read", a->msr, what, "exit reason", o->reason,
		    "error", o->error, "nested exit", o->l1_exit, "vector", o->vector,
		    "value", o->value);
}

/* The access is the next thing that the guest does.  The MSR holds OLD_VALUE. */
void expect_next_access(struct kvm_vcpu *vcpu, struct msr_access a,
			const struct msr_result *r)
{
	bool known = _vcpu_set_msr(vcpu, a.msr, OLD_VALUE) == 1;
	struct msr_outcome o = access_msr(vcpu, a, r->reply);

	check_outcome(o.reason == r->reason && o.error == r->error && o.vector == r->vector,
		      r->name, &a, &o);
	check_outcome(!o.l1_exit, "kept from L1", &a, &o);
	if (a.write && r->reason)
		check_outcome(o.value == a.value, "told to userspace", &a, &o);
	if (!a.write && !r->vector)
		check_outcome(o.value == r->read, r->name, &a, &o);
	if (known)
		TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr),
			       a.write && r->written ? a.value : OLD_VALUE);
}

void expect_access(struct kvm_vcpu *vcpu, struct msr_access a, const struct msr_result *r)
{
	if (a.level)
		go_to_level(vcpu, a.level);
	expect_next_access(vcpu, a, r);
}

void expect_read(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct msr_access a = { .msr = msr };
	struct msr_outcome o = read_msr(vcpu, msr);

	check_outcome(!o.reason && !o.vector && o.value == value, "performed", &a, &o);
}

void expect_exit(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct msr_access a = { .msr = msr };
	struct msr_outcome o = read_msr(vcpu, msr);

	check_outcome(o.reason == KVM_MSR_EXIT_REASON_FILTER && !o.vector &&
		      o.value == ANSWER_VALUE, "answered by userspace", &a, &o);
}

void expect_gp(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct msr_access a = { .msr = msr };
	struct msr_outcome o = read_msr(vcpu, msr);

	check_outcome(!o.reason && o.vector == GP_VECTOR, "a fault", &a, &o);
}

uint8_t msr_filter_no_bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

struct kvm_msr_filter deny_range(uint32_t base, uint32_t nmsrs, uint32_t flags)
{
	return (struct kvm_msr_filter) {
		.ranges[0] = { .flags = flags, .base = base, .nmsrs = nmsrs,
			       .bitmap = msr_filter_no_bits },
	};
}

void set_filter(struct kvm_vm *vm, struct kvm_msr_filter filter)
{
	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

void remove_filter(struct kvm_vm *vm)
{
	set_filter(vm, (struct kvm_msr_filter) {});
}

void exit_on(struct kvm_vm *vm, uint64_t reasons)
{
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

/* A bad filter must be refused with @err, and leave the one before in force. */
void expect_refused_filter(struct kvm_vcpu *vcpu, struct kvm_msr_filter bad, int err)
{
	int r;

	exit_on(vcpu->vm, KVM_MSR_EXIT_REASON_FILTER);
	set_filter(vcpu->vm, deny_range(MSR_INTERCEPTED, 1, READ));

	r = __vm_ioctl(vcpu->vm, KVM_X86_SET_MSR_FILTER, &bad);
	TEST_ASSERT(r == -1 && errno == err, "returned %d, errno %d, not errno %d",
		    r, errno, err);
	expect_exit(vcpu, MSR_INTERCEPTED);
	expect_read(vcpu, MSR_PASSTHROUGH, 0);
}

const struct msr_access l2_access[NR_L2_ACCESSES] = {
	{ .level = 2, .msr = MSR_PASSTHROUGH },
	{ .level = 2, .msr = MSR_PASSTHROUGH, .write = true, .value = NEW_VALUE },
	{ .level = 2, .msr = MSR_INTERCEPTED },
	{ .level = 2, .msr = MSR_INTERCEPTED, .write = true, .value = NEW_VALUE },
};

/* Have L1 ready to enter L2. */
void set_up_l1(void *pages, void (*l2_main)(void))
{
	msr_guest.l2_main = l2_main;
	if (!msr_guest.vmx) {
		generic_svm_setup(pages, l2_main);
		return;
	}

	GUEST_ASSERT(prepare_for_vmx_operation(pages));
	GUEST_ASSERT(load_vmcs(pages));
	prepare_vmcs(pages, l2_main);
}

static bool enter_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->save.rip = (uint64_t)msr_guest.l2_main;
	vmcb->save.rsp = (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)];
	if (msr_guest.no_bitmap)
		vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_MSR_PROT);
	else
		vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	run_guest(vmcb, svm->vmcb_gpa);

	msr_guest.exit_reason = vmcb->control.exit_code;
	msr_guest.exit_info = vmcb->control.exit_info_1;
	return msr_guest.exit_reason == SVM_EXIT_VMMCALL;
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

static void use_msr_lists(const struct msr_guest *g)
{
	vmwrite(VM_ENTRY_MSR_LOAD_ADDR, g->list_gpa[ENTRY_LOAD]);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, g->list_count[ENTRY_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_ADDR, g->list_gpa[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, g->list_count[EXIT_LOAD]);
	vmwrite(VM_EXIT_MSR_STORE_ADDR, g->list_gpa[EXIT_STORE]);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, g->list_count[EXIT_STORE]);
}

static bool enter_vmx(void)
{
	GUEST_ASSERT(!vmwrite(GUEST_RIP, (uint64_t)msr_guest.l2_main));
	GUEST_ASSERT(!vmwrite(GUEST_RSP, (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)]));
	use_vmx_bitmap(!msr_guest.no_bitmap);
	use_msr_lists(&msr_guest);

	/* Until L2 has been launched, it cannot be resumed. */
	GUEST_ASSERT(!vmresume() || !vmlaunch());

	msr_guest.exit_reason = vmreadz(VM_EXIT_REASON);
	msr_guest.exit_info = vmreadz(EXIT_QUALIFICATION);
	return msr_guest.exit_reason == EXIT_REASON_VMCALL;
}

/* Returns true if L2 asked to leave. */
bool enter_l2(void *pages)
{
	msr_guest.entries++;
	return msr_guest.vmx ? enter_vmx() : enter_svm(pages);
}

void leave_l2(void)
{
	if (msr_guest.vmx)
		asm volatile("vmcall" ::: "memory");
	else
		asm volatile("vmmcall" ::: "memory");
}

static void msr_l2_main(void)
{
	for (;;) {
		if (READ_ONCE(msr_guest.access.level) == 2)
			make_access(&msr_guest.access);
		else
			leave_l2();
	}
}

static void msr_l1_main(void *pages)
{
	set_up_l1(pages, msr_l2_main);
	for (;;) {
		if (READ_ONCE(msr_guest.access.level) == 1)
			make_access(&msr_guest.access);
		else if (enter_l2(pages))
			msr_guest.exit_reason = 0;
		else
			GUEST_SYNC(0);
	}
}

/* L1's bitmap, of which no bit is set.  The library allocates half of SVM's. */
static uint8_t *alloc_svm(struct kvm_vm *vm, uint64_t *pages)
{
	struct svm_test_data *svm = vcpu_alloc_svm(vm, pages);

	svm->msr = svm_bitmap;
	svm->msr_hva = addr_gva2hva(vm, (uintptr_t)svm_bitmap);
	svm->msr_gpa = addr_gva2gpa(vm, (uintptr_t)svm_bitmap);
	return svm->msr_hva;
}

struct kvm_vcpu *create_l1(bool vmx, void (*l1_main)(void *pages), uint8_t **bitmap)
{
	struct kvm_vcpu *vcpu;
	uint64_t pages;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, l1_main);

	*bitmap = vmx ? vcpu_alloc_vmx(vm, &pages)->msr_hva : alloc_svm(vm, &pages);
	vcpu_args_set(vcpu, 1, pages);
	guest_of(vcpu)->vmx = vmx;
	return vcpu;
}

struct kvm_vcpu *create_nested_vcpu(bool vmx, uint8_t **bitmap)
{
	struct kvm_vcpu *vcpu = create_l1(vmx, msr_l1_main, bitmap);

	/* Setting up takes MSR accesses that the tests do not allow. */
	read_at(vcpu, 1, MSR_HARMLESS);
	return vcpu;
}

/* With VMX, and L1 knows where its MSR lists are. */
struct kvm_vcpu *create_vcpu_with_lists(void)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
	int i;

	vcpu = create_nested_vcpu(true, &bitmap);
	for (i = 0; i < NR_MSR_LISTS; i++)
		guest_of(vcpu)->list_gpa[i] =
			addr_gva2gpa(vcpu->vm, (uintptr_t)msr_guest.lists[i]);
	return vcpu;
}

/* Have L1 intercept accesses to an MSR below 0xc0002000. */
void set_l1_intercept(struct kvm_vcpu *vcpu, uint8_t *bitmap, uint32_t msr, bool write)
{
	bool vmx = guest_of(vcpu)->vmx;
	uint32_t bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bitmap += vmx ? 1024 : 2048;

	if (vmx)
		bitmap[bit / 8 + write * 2048] |= 1 << bit % 8;
	else
		bitmap[bit / 4] |= 1 << (bit % 4 * 2 + write);
}

uint64_t read_at(struct kvm_vcpu *vcpu, int level, uint32_t msr)
{
	struct msr_access a = { .level = level, .msr = msr };
	struct msr_outcome o = access_msr(vcpu, a, ANSWER);

	check_outcome(!o.reason && !o.l1_exit && !o.vector, "allowed", &a, &o);
	return o.value;
}

void go_to_level(struct kvm_vcpu *vcpu, int level)
{
	if (level_of(vcpu) != level)
		read_at(vcpu, level, MSR_HARMLESS);
	TEST_ASSERT_EQ(level_of(vcpu), level);
}

/* L1 is told of L2's access. */
void expect_l1_exit(struct kvm_vcpu *vcpu, struct msr_access a)
{
	bool vmx = guest_of(vcpu)->vmx;
	uint64_t vmx_exit = a.write ? EXIT_REASON_MSR_WRITE : EXIT_REASON_MSR_READ;
	struct msr_outcome o = access_msr(vcpu, a, ANSWER);

	check_outcome(!o.reason && o.l1_exit == (vmx ? vmx_exit : SVM_EXIT_MSR),
		      "L1's to handle", &a, &o);
	check_outcome(vmx || o.l1_info == a.write, "told apart", &a, &o);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
}

/* KVM with SVM does not emulate RDMSR for L2 on all machines. */
bool l2_can_be_emulated(struct kvm_vcpu *vcpu)
{
	struct msr_access probe = { .level = 2, .msr = MSR_HARMLESS, .fep = true };

	return kvm_is_forced_emulation_enabled() &&
	       access_msr(vcpu, probe, ANSWER).vector != UD_VECTOR;
}

/* An MSR that no test denies comes first: the second decides. */
struct vmx_msr_entry *fill_list(struct kvm_vcpu *vcpu, enum msr_list list, uint32_t msr)
{
	struct msr_guest *guest = guest_of(vcpu);
	struct vmx_msr_entry *entries = guest->lists[list];

	entries[0] = (struct vmx_msr_entry) { .index = MSR_IA32_SYSENTER_CS };
	entries[1] = (struct vmx_msr_entry) { .index = msr, .value = NEW_VALUE };
	guest->list_count[list] = 2;
	return &entries[1];
}

/* The second entry of the list is the culprit. */
void expect_failed_entry(struct kvm_vcpu *vcpu)
{
	struct msr_access a = { .level = 2, .msr = MSR_HARMLESS };
	struct msr_outcome o = access_msr(vcpu, a, ANSWER);

	TEST_ASSERT_EQ(o.l1_exit, EXIT_REASON_MSR_LOAD_FAIL | VMX_EXIT_REASONS_FAILED_VMENTRY);
	TEST_ASSERT_EQ(o.l1_info, 2);
	TEST_ASSERT_EQ(o.reason, 0);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
}

/* Go from L2 to L1, by an exit that KVM cannot complete. */
void expect_aborted_exit(struct kvm_vcpu *vcpu)
{
	guest_of(vcpu)->access = (struct msr_access) { .level = 1, .msr = MSR_HARMLESS };
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_SHUTDOWN);
}

/* The TSC that a nested exit stores is L1's at that time, after @set was called in L2. */
void expect_exact_tsc_store(struct kvm_vcpu *vcpu, void (*set)(struct kvm_vcpu *vcpu))
{
	struct vmx_msr_entry *tsc = fill_list(vcpu, EXIT_STORE, MSR_IA32_TSC);
	uint64_t before, after, offset = 0;

	/* Emulated hardware may add the offset to what it stores, real one does not. */
	vcpu_device_attr_set(vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
	before = read_at(vcpu, 2, MSR_IA32_TSC);
	set(vcpu);
	go_to_level(vcpu, 1);
	after = read_at(vcpu, 1, MSR_IA32_TSC);
	TEST_ASSERT(before < tsc->value && tsc->value < after,
		    "stored 0x%lx, not between 0x%lx and 0x%lx", tsc->value, before, after);
}

struct msr_hammer msr_hammer;

/* Returns true if the MSR was read. */
static bool hammer_read(void)
{
	uint64_t value;
	uint8_t vector = guest_rdmsr(msr_hammer.msr, msr_hammer.fep, &value);

	__GUEST_ASSERT(!vector || vector == GP_VECTOR, "RDMSR took exception %u", vector);
	return !vector && value != ANSWER_VALUE;
}

/* Returns true if the MSR was written.  Each vCPU has its own. */
static bool hammer_write(void)
{
	/* With the lowest bit flipped, all values remain valid. */
	uint64_t before = rdmsr(msr_hammer.msr);
	uint8_t vector = guest_wrmsr(msr_hammer.msr, msr_hammer.fep, before ^ 1);

	__GUEST_ASSERT(!vector || vector == GP_VECTOR, "WRMSR took exception %u", vector);
	return rdmsr(msr_hammer.msr) != before;
}

/* Only what lies within one generation counts; in an odd one, it was denied. */
void hammer_once(struct msr_tally *tally)
{
	uint64_t before = READ_ONCE(msr_hammer.generation);
	bool made;

	rmb();	/* RDMSR waits for no load, nor does a load for RDMSR. */
	made = msr_hammer.write ? hammer_write() : hammer_read();
	rmb();	/* The same. */
	if (before != READ_ONCE(msr_hammer.generation))
		return;

	if (before & 1 && made)
		WRITE_ONCE(tally->violations, tally->violations + 1);
	WRITE_ONCE(tally->nr, tally->nr + 1);
}

/* The n-th processor of those that this process may use. */
void pin_to_cpu(int n)
{
	cpu_set_t allowed;
	int cpu;

	TEST_ASSERT(!sched_getaffinity(0, sizeof(allowed), &allowed),
		    "sched_getaffinity() failed: %d", errno);
	n %= CPU_COUNT(&allowed);
	for (cpu = 0; n || !CPU_ISSET(cpu, &allowed); cpu++)
		n -= CPU_ISSET(cpu, &allowed) ? 1 : 0;
	CPU_ZERO(&allowed);
	CPU_SET(cpu, &allowed);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(allowed), &allowed),
		    "sched_setaffinity() failed: %d", errno);
}

/* A thread that runs a vCPU; it answers reads, and drops writes. */
void *run_until_done(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	pin_to_cpu(vcpu->id);
	do {
		vcpu_run(vcpu);
		vcpu->run->msr.data = ANSWER_VALUE;
	} while (vcpu->run->exit_reason == KVM_EXIT_X86_RDMSR ||
		 vcpu->run->exit_reason == KVM_EXIT_X86_WRMSR);

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_DONE);
	return NULL;
}

/* Until the guest has counted on by so many steps, or is beyond hope. */
void wait_for_progress(uint64_t *counter, uint64_t steps)
{
	uint64_t start = READ_ONCE(*counter);
	int tries;

	for (tries = 0; READ_ONCE(*counter) - start < steps; tries++) {
		TEST_ASSERT(tries < 100000, "a vCPU makes no progress");
		usleep(100);
	}
}

#define HAMMER_ROUNDS		200
#define HAMMER_MIN_ROUNDS	20

/* The first access that is counted may be one of the generation before. */
static void wait_for_hammers(struct msr_hammer *h, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		wait_for_progress(&h->tallies[i].nr, 2);
}

/* Returns the number of times that the filter was set. */
static int swap_filters(struct kvm_vm *vm, struct msr_hammer *h, int nr, int max_ms)
{
	struct kvm_msr_filter deny = deny_range(h->msr, 1, h->write ? WRITE : READ);
	struct timespec start, elapsed;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < HAMMER_ROUNDS; i++) {
		/* In an emulator, fewer rounds have to do. */
		elapsed = timespec_elapsed(start);
		if (i >= HAMMER_MIN_ROUNDS && timespec_to_ns(elapsed) > max_ms * 1000000ll)
			break;

		/* The guest has to be entered while the MSR is passed through. */
		wait_for_hammers(h, nr);
		set_filter(vm, deny);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		wait_for_hammers(h, nr);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		remove_filter(vm);
	}

	return i;
}

/* About @max_ms long, by hundreds of filters.  Returns how many there were. */
int hammer_while_filters_change(struct kvm_vcpu **vcpus, int nr, int max_ms)
{
	struct msr_hammer *h = addr_gva2hva(vcpus[0]->vm, (uintptr_t)&msr_hammer);
	pthread_t threads[MAX_HAMMERS];
	int i, rounds;

	for (i = 0; i < nr; i++)
		pthread_create(&threads[i], NULL, run_until_done, vcpus[i]);
	rounds = swap_filters(vcpus[0]->vm, h, nr, max_ms);
	WRITE_ONCE(h->stop, true);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);

	for (i = 0; i < nr; i++)
		TEST_ASSERT(!h->tallies[i].violations,
			    "vCPU %d: %lu of %lu accesses were made though denied", i,
			    h->tallies[i].violations, h->tallies[i].nr);
	return rounds;
}

#define PROC		"/proc/thread-self/"
#define DEBUGFS		"/sys/kernel/debug/"

/* More than any system call here allocates; a bound for a broken counter. */
#define MAX_FAULTS	1000
#define RANDOM_ROUNDS	300

/*
 * What may fail: whatever allocates, be it allowed to wait or not.  Beyond what
 * fail-nth asks for, it does with the probability given, in percent, but only in
 * threads that make-it-fail is set for.  Returns false if the kernel has no such
 * knobs, or they must not be turned.
 */
static bool set_knobs(const char *probability)
{
	const char * const knobs[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "failslab/task-filter", "Y" },
		{ "failslab/interval", "1" },
		{ "failslab/times", "-1" },
		{ "failslab/probability", probability },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_page_alloc/task-filter", "Y" },
		{ "fail_page_alloc/interval", "1" },
		{ "fail_page_alloc/times", "-1" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/probability", probability },
	};
	char path[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s", knobs[i][0]);
		if (access(path, W_OK))
			return false;
		TEST_ASSERT(write_file(path, knobs[i][1]), "cannot write %s to %s: %d",
			    knobs[i][1], path, errno);
	}

	return true;
}

/* Returns false without CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, root or debugfs. */
bool open_faults(struct faults *f, enum fault_mode mode)
{
	const char * const probabilities[] = { "0", "100", "10" };

	*f = (struct faults) { .mode = mode };
	f->fail_nth = open(PROC "fail-nth", O_RDWR);
	f->make_it_fail = open(PROC "make-it-fail", O_WRONLY);
	return f->fail_nth >= 0 && f->make_it_fail >= 0 && set_knobs(probabilities[mode]);
}

void close_faults(struct faults *f)
{
	set_knobs("0");
	pr_info("# %d faults, %d of them fatal to the ioctl\n", f->injected, f->refused);
}

/* Until a round without faults, which is the last. */
bool next_fault(struct faults *f)
{
	TEST_ASSERT(f->nth < MAX_FAULTS, "the faults do not end");
	return f->injected == f->nth++;
}

static void write_number(int fd, int number)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%d", number);
	TEST_ASSERT(pwrite(fd, buf, strlen(buf), 0) == strlen(buf),
		    "cannot write %d: %d", number, errno);
}

static int read_number(int fd)
{
	char buf[16] = {};

	TEST_ASSERT(pread(fd, buf, sizeof(buf) - 1, 0) > 0, "pread() failed: %d", errno);
	return atoi(buf);
}

/* Make an ioctl with the present fault; it succeeds, or fails because of the fault. */
int faulty_ioctl(struct faults *f, int fd, unsigned long cmd, void *arg)
{
	bool injected = f->nth < RANDOM_ROUNDS;
	bool more = f->mode == NTH_AND_AFTER || (f->mode == RANDOM && injected);
	int r, err;

	write_number(f->make_it_fail, more);
	if (f->mode != RANDOM)
		write_number(f->fail_nth, f->nth);
	r = ioctl(fd, cmd, arg);
	err = errno;
	if (f->mode != RANDOM)
		injected = !read_number(f->fail_nth);
	write_number(f->fail_nth, 0);
	write_number(f->make_it_fail, 0);

	f->injected += injected;
	f->refused += r < 0;
	TEST_ASSERT(r >= 0 || err == ENOMEM, "fault %d: errno %d", f->nth, err);
	TEST_ASSERT(r >= 0 || injected, "no fault %d, but ENOMEM", f->nth);
	return r;
}

/* Returns false if there is no such file, or it must not be read. */
bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;

	n = read(fd, buf, size - 1);
	TEST_ASSERT(n >= 0, "cannot read %s: %d", path, errno);
	buf[n] = 0;
	close(fd);
	return true;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool ok;

	if (fd < 0)
		return false;

	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

/* A trace of its own, of this process alone. */
#define TRACE	"/sys/kernel/tracing/instances/kvm_msr_test"

static bool enable_event(const char *event, const char *enable)
{
	char path[128];

	snprintf(path, sizeof(path), TRACE "/events/kvm/%s/enable", event);
	return write_file(path, enable);
}

/* Returns false without root, or tracefs at /sys/kernel/tracing. */
bool start_trace(const char *event)
{
	char pid[16];

	mkdir(TRACE, 0755);
	snprintf(pid, sizeof(pid), "%d", getpid());
	return write_file(TRACE "/trace", "") && write_file(TRACE "/set_event_pid", pid) &&
	       enable_event(event, "1");
}

/* Copies what was traced, an event to a line, less the event's name and what is before. */
static void stop_trace(const char *event, char *events, size_t size)
{
	char buf[8192], name[64], *line, *text, *next;

	enable_event(event, "0");
	TEST_ASSERT(read_file(TRACE "/trace", buf, sizeof(buf)), "the trace has gone");
	rmdir(TRACE);

	snprintf(name, sizeof(name), "%s: ", event);
	events[0] = 0;
	for (line = buf; *line; line = next) {
		next = strchrnul(line, '\n');
		next += *next == '\n';
		text = strstr(line, name);
		if (line[0] != '#' && text && text < next)
			snprintf(events + strlen(events), size - strlen(events), "%.*s",
				 (int)(next - text - strlen(name)), text + strlen(name));
	}
}

/* Stop the trace; these lines were traced. */
void expect_trace(const char *event, const char *want)
{
	char events[2048];

	stop_trace(event, events, sizeof(events));
	TEST_ASSERT(!strcmp(events, want), "traced was\n%s, not\n%s", events, want);
}

/* The kernel's log from now on, or a negative number if it must not be read. */
int open_log(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	return log >= 0 && lseek(log, 0, SEEK_END) < 0 ? -1 : log;
}

/* How many messages with @text there were since the log was opened, or last read. */
int times_logged(int log, const char *text)
{
	char record[1024];
	int times = 0;
	ssize_t size;

	/* EPIPE: the next record has been overwritten. */
	while ((size = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[size > 0 ? size : 0] = 0;
		times += !!strstr(record, text);
	}
	return times;
}

#define CGROUP_TEST	CGROUP "/kvm_msr_test"

void leave_cgroup(void)
{
	write_file(CGROUP "/cgroup.procs", "0");
	rmdir(CGROUP_TEST);
}

/* A memory cgroup for the test, to see what is charged to it. */
bool enter_cgroup(void)
{
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CGROUP_TEST, 0755);
	if (write_file(CGROUP_TEST "/cgroup.procs", "0") &&
	    !access(CGROUP_TEST "/memory.current", R_OK))
		return true;

	leave_cgroup();
	return false;
}

long charged_bytes(void)
{
	char buf[32];

	TEST_ASSERT(read_file(CGROUP_TEST "/memory.current", buf, sizeof(buf)) && *buf,
		    "cannot read memory.current: %d", errno);
	return atol(buf);
}

/* What may be charged to the test, or "max". */
void limit_cgroup(const char *bytes)
{
	TEST_ASSERT(write_file(CGROUP_TEST "/memory.max", bytes),
		    "cannot write %s to memory.max: %d", bytes, errno);
}

/* What a VM's ioctl is charged.  Charges go by batches: share them among many VMs. */
long bytes_charged(int nr_vms, unsigned long cmd, void *arg)
{
	struct kvm_vm *vms[nr_vms];
	long before, charged;
	int i;

	for (i = 0; i < nr_vms; i++)
		vms[i] = vm_create_barebones();

	before = charged_bytes();
	for (i = 0; i < nr_vms; i++)
		TEST_ASSERT(!ioctl(vms[i]->fd, cmd, arg), "ioctl() failed: %d", errno);
	charged = charged_bytes() - before;

	for (i = 0; i < nr_vms; i++)
		kvm_vm_free(vms[i]);
	return charged / nr_vms;
}

#define SYSCALL_IA32_IOCTL	54

/* An ioctl as 32-bit userspace makes it; the registers hold 32 bits each. */
int compat_ioctl(int fd, unsigned int request, void *arg)
{
	int r;

	asm volatile("int $0x80" : "=a"(r)
		     : "a"(SYSCALL_IA32_IOCTL), "b"(fd), "c"(request), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* Where 32-bit system calls are compiled out or disabled, int $0x80 is fatal. */
bool has_compat_syscalls(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		compat_ioctl(-1, 0, NULL);
		_exit(0);
	}

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status);
}

/* A page that 32-bit userspace can have, too, and that is followed by nothing. */
void *map_last_page(int prot)
{
	int size = getpagesize();
	uint8_t *mem = mmap(NULL, 2 * size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() failed: %d", errno);
	munmap(mem + size, size);
	return mem;
}

/* Have the local APIC take writes of MSR_IA32_TSC_DEADLINE. */
void enable_tsc_deadline(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_state apic;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_TSC_DEADLINE_TIMER));
	vcpu_set_cpuid_feature(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	*(uint32_t *)&apic.regs[APIC_SPIV] |= APIC_SPIV_APIC_ENABLED;
	*(uint32_t *)&apic.regs[APIC_LVTT] = APIC_LVT_TIMER_TSCDEADLINE | 0xee;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &apic);
}
