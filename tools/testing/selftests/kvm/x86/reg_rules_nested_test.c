// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_nested_test - KVM_X86_SET_REG_RULES and nested guests
 *
 * - An access from L2 that L1 does not intercept is judged as L1's is, by each
 *   action; one that L1 intercepts goes to L1, and the rules do not see it.
 * - Rules reach an L2 that is running, without waiting for a nested entry.
 * - The MSR lists of VMX transitions are judged: what the rules ignore or audit
 *   succeeds, anything else fails the entry or aborts the exit.
 */
#include <asm/vmx.h>

#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"
#include "vmx.h"

/* One that KVM always intercepts, and one that it passes through to hardware. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE

/* Intercepted by KVM, never judged here. */
#define MSR_HARMLESS	MSR_IA32_APICBASE

/* KVM does not know it, and cannot read it. */
#define MSR_UNKNOWN	0xc0001fff

/* What either MSR holds before an access, what is written, and what answers. */
#define OLD		0x0606ull
#define NEW		0x0407ull
#define IGNORED		0x5a5a00005a5a0000ull
#define ANSWER		0x0123456789abcdefull

/* Masks of writes: NEW changes the bit of the one, but not of the other. */
#define CHANGED_BIT	BIT_ULL(0)
#define KEPT_BIT	BIT_ULL(1)

/* More than the exits that interrupts of the host cause meanwhile. */
#define MANY		2000

#define NR_ACTIONS	(KVM_X86_REG_AUDIT + 1)

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
 * @entries: How often L1 entered L2.
 * @exit_reason: Why L2 left last, if it was not at its own request, else 0.
 * @exit_info: The exit qualification, or EXITINFO1.
 * @lists: Aligned so as not to cross a page.
 */
static struct guest {
	struct access access;
	bool vmx;
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
	GUEST_ASSERT(!vmwrite(CPU_BASED_VM_EXEC_CONTROL,
			      vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
			      CPU_BASED_USE_MSR_BITMAPS));
}

static void set_up_svm(struct svm_test_data *svm)
{
	generic_svm_setup(svm, l2_main, NULL);
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
}

/* Enters L2; returns true if L2 asked to leave. */
static bool enter_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->save.rip = (uint64_t)l2_main;
	vmcb->save.rsp = (uint64_t)&l2_stack[ARRAY_SIZE(l2_stack)];
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
		set_up_svm(pages);

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

/*
 * struct result - what is to become of an access
 * @name: For messages.
 * @reason: See struct outcome.
 * @vector: See struct outcome.
 * @read: What the guest reads, if it takes no exception.
 * @written: A write takes effect.
 */
struct result {
	const char *name;
	uint32_t reason;
	uint8_t vector;
	uint64_t read;
	bool written;
};

static const struct result performed = {
	.name = "performed",
	.read = OLD,
	.written = true,
};

static const struct result ignored = {
	.name = "ignored",
	.read = IGNORED,
};

static const struct result faults = {
	.name = "a fault",
	.vector = GP_VECTOR,
};

static const struct result exits = {
	.name = "userspace's to answer",
	.reason = KVM_MSR_EXIT_REASON_FILTER,
	.read = ANSWER,
};

static const struct result exits_and_faults = {
	.name = "userspace's to answer, and failed until then",
	.reason = KVM_MSR_EXIT_REASON_FILTER,
	.vector = GP_VECTOR,
};

static struct guest *guest_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest);
}

static int level_of(struct kvm_vcpu *vcpu)
{
	return vcpu->run->flags & KVM_RUN_X86_GUEST_MODE ? 2 : 1;
}

/* Whether the access failed is left as KVM has it. */
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

static uint64_t stat_of(struct kvm_vcpu *vcpu, const char *name)
{
	int fd = vcpu_get_stats_fd(vcpu), i;
	struct kvm_stats_desc *all, *desc;
	struct kvm_stats_header header;
	uint64_t value = 0;
	bool found = false;

	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(all, i, &header);
		if (strcmp(desc->name, name))
			continue;
		read_stat_data(fd, &header, desc, &value, 1);
		found = true;
	}
	TEST_ASSERT(found, "KVM has no statistic %s", name);

	free(all);
	close(fd);
	return value;
}

/* By action, how often the rules decided on it; they do not count ALLOW. */
struct counts {
	uint64_t of[NR_ACTIONS];
};

static const char * const counters[NR_ACTIONS] = {
	[KVM_X86_REG_DENY] = "reg_rule_deny",
	[KVM_X86_REG_GP] = "reg_rule_gp",
	[KVM_X86_REG_EXIT] = "reg_rule_exit",
	[KVM_X86_REG_IGNORE] = "reg_rule_ignore",
	[KVM_X86_REG_AUDIT] = "reg_rule_audit",
};

static struct counts counts_of(struct kvm_vcpu *vcpu)
{
	struct counts counts = {};
	int i;

	for (i = KVM_X86_REG_DENY; i < NR_ACTIONS; i++)
		counts.of[i] = stat_of(vcpu, counters[i]);
	return counts;
}

/* Since @before, @action was decided on @times times, and no other was. */
static void expect_counted(struct kvm_vcpu *vcpu, const struct counts *before,
			   int action, uint64_t times)
{
	struct counts after = counts_of(vcpu);
	int i;

	for (i = KVM_X86_REG_DENY; i < NR_ACTIONS; i++)
		TEST_ASSERT(after.of[i] - before->of[i] == (i == action ? times : 0),
			    "%s is 0x%lx, was 0x%lx", counters[i], after.of[i],
			    before->of[i]);
}

/* The access leads to @result by the rules' @action, as often as it is made. */
static void expect(struct kvm_vcpu *vcpu, struct access a, int action,
		   const struct result *r)
{
	struct counts before;
	struct outcome o;

	go_to_level(vcpu, a.level);
	vcpu_set_msr(vcpu, a.msr, OLD);
	before = counts_of(vcpu);
	o = access_msr(vcpu, a);

	check_outcome(o.reason == r->reason && o.vector == r->vector, r->name, &a, &o);
	check_outcome(!o.l1_exit, "kept from L1", &a, &o);
	if (a.write && r->reason)
		check_outcome(o.value == a.value, "told to userspace", &a, &o);
	if (!a.write && !r->vector)
		check_outcome(o.value == r->read, r->name, &a, &o);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, a.msr), a.write && r->written ? a.value : OLD);
	expect_counted(vcpu, &before, action, a.repeats + 1);
}

static const struct access accesses[] = {
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

static void expect_all(struct kvm_vcpu *vcpu, int action, const struct result *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		expect(vcpu, accesses[i], action, r);
}

static void expect_all_emulated(struct kvm_vcpu *vcpu, int level, int action,
				const struct result *r)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		expect(vcpu, emulated(by(level, accesses[i])), action, r);
}

static uint64_t l1_exit_for(struct kvm_vcpu *vcpu, bool write)
{
	if (!guest_of(vcpu)->vmx)
		return SVM_EXIT_MSR;

	return write ? EXIT_REASON_MSR_WRITE : EXIT_REASON_MSR_READ;
}

/* L1 is told of L2's access, and the rules are not asked. */
static void expect_l1_exit(struct kvm_vcpu *vcpu, struct access a)
{
	struct counts before = counts_of(vcpu);
	struct outcome outcome = access_msr(vcpu, a);

	check_outcome(!outcome.reason && outcome.l1_exit == l1_exit_for(vcpu, a.write),
		      "L1's to handle", &a, &outcome);
	check_outcome(guest_of(vcpu)->vmx || outcome.l1_info == a.write,
		      "told apart", &a, &outcome);
	TEST_ASSERT_EQ(level_of(vcpu), 1);
	expect_counted(vcpu, &before, KVM_X86_REG_ALLOW, 0);
}

static struct kvm_x86_reg_rule rule(uint32_t msr, int action)
{
	return (struct kvm_x86_reg_rule) {
		.space = KVM_X86_REG_MSR,
		.access = KVM_X86_REG_READ | KVM_X86_REG_WRITE,
		.action = action,
		.first = msr,
		.last = msr,
		.value = IGNORED,
	};
}

static struct kvm_x86_reg_rule masked(struct kvm_x86_reg_rule r, uint64_t mask)
{
	r.mask = mask;
	return r;
}

static void set_rule(struct kvm_vcpu *vcpu, struct kvm_x86_reg_rule r)
{
	struct kvm_x86_reg_rules head = { .nr_rules = 1, .rules = (uintptr_t)&r };

	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &head);
}

/* What becomes of every access to either MSR, unless its mask forbids. */
static void set_rules(struct kvm_vcpu *vcpu, int action, uint32_t flags, uint64_t mask)
{
	struct kvm_x86_reg_rule rules[] = {
		masked(rule(MSR_INTERCEPTED, action), mask),
		masked(rule(MSR_PASSTHROUGH, action), mask),
	};
	struct kvm_x86_reg_rules head = {
		.flags = flags,
		.nr_rules = ARRAY_SIZE(rules),
		.rules = (uintptr_t)rules,
	};

	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &head);
}

static void set_action(struct kvm_vcpu *vcpu, int action)
{
	set_rules(vcpu, action, 0, 0);
}

static void remove_rules(struct kvm_vcpu *vcpu)
{
	struct kvm_x86_reg_rules none = {};

	vm_ioctl(vcpu->vm, KVM_X86_SET_REG_RULES, &none);
}

static void exit_on_denials(struct kvm_vcpu *vcpu)
{
	vm_enable_cap(vcpu->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
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

	/* Setting up takes MSR accesses that the tests' rules do not allow. */
	read_at(vcpu, 1, MSR_HARMLESS);
	return vcpu;
}

/* Have L1 intercept accesses to an MSR below 0xc0002000. */
static void set_l1_intercept(uint8_t *bitmap, bool vmx, uint32_t msr, bool write)
{
	uint32_t bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bitmap += vmx ? 1024 : 2048;

	if (vmx)
		bitmap[bit / 8 + write * 2048] |= 1 << bit % 8;
	else
		bitmap[bit / 4] |= 1 << (bit % 4 * 2 + write);
}

FIXTURE(reg_rules_nested)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
};

FIXTURE_VARIANT(reg_rules_nested)
{
	bool vmx;
};

FIXTURE_VARIANT_ADD(reg_rules_nested, svm) {};
FIXTURE_VARIANT_ADD(reg_rules_nested, vmx) { .vmx = true };

FIXTURE_SETUP(reg_rules_nested)
{
	if (variant->vmx && !kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");
	if (!variant->vmx && !kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "needs nested SVM");

	self->vcpu = create_vcpu(variant->vmx, &self->bitmap);
}

FIXTURE_TEARDOWN(reg_rules_nested)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

TEST_F(reg_rules_nested, denied_access_faults)
{
	set_action(self->vcpu, KVM_X86_REG_DENY);
	expect_all(self->vcpu, KVM_X86_REG_DENY, &faults);
}

TEST_F(reg_rules_nested, denied_access_exits_if_enabled)
{
	exit_on_denials(self->vcpu);
	set_action(self->vcpu, KVM_X86_REG_DENY);
	expect_all(self->vcpu, KVM_X86_REG_DENY, &exits);
}

TEST_F(reg_rules_nested, gp_faults_though_exits_are_enabled)
{
	exit_on_denials(self->vcpu);
	set_action(self->vcpu, KVM_X86_REG_GP);
	expect_all(self->vcpu, KVM_X86_REG_GP, &faults);
}

TEST_F(reg_rules_nested, exit_needs_no_capability)
{
	set_action(self->vcpu, KVM_X86_REG_EXIT);
	expect_all(self->vcpu, KVM_X86_REG_EXIT, &exits);
}

/* Nobody clears the error that the exit starts with. */
TEST_F(reg_rules_nested, exit_fails_closed)
{
	set_rules(self->vcpu, KVM_X86_REG_EXIT, KVM_X86_REG_RULES_FAIL_CLOSED, 0);
	expect_all(self->vcpu, KVM_X86_REG_EXIT, &exits_and_faults);
}

TEST_F(reg_rules_nested, ignored_access)
{
	set_action(self->vcpu, KVM_X86_REG_IGNORE);
	expect_all(self->vcpu, KVM_X86_REG_IGNORE, &ignored);
}

TEST_F(reg_rules_nested, audited_access_is_performed)
{
	set_action(self->vcpu, KVM_X86_REG_AUDIT);
	expect_all(self->vcpu, KVM_X86_REG_AUDIT, &performed);
}

TEST_F(reg_rules_nested, allowed_access_is_performed)
{
	set_action(self->vcpu, KVM_X86_REG_ALLOW);
	expect_all(self->vcpu, KVM_X86_REG_ALLOW, &performed);
}

TEST_F(reg_rules_nested, masked_write_that_matches)
{
	set_rules(self->vcpu, KVM_X86_REG_GP, 0, CHANGED_BIT);
	expect_all(self->vcpu, KVM_X86_REG_GP, &faults);
}

/* Reads match whatever the mask is. */
TEST_F(reg_rules_nested, masked_write_that_does_not_match)
{
	int i;

	set_rules(self->vcpu, KVM_X86_REG_IGNORE, 0, KEPT_BIT);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (accesses[i].write)
			expect(self->vcpu, accesses[i], KVM_X86_REG_ALLOW, &performed);
		else
			expect(self->vcpu, accesses[i], KVM_X86_REG_IGNORE, &ignored);
	}
}

/* What the write would change is unknown, hence it matches. */
TEST_F(reg_rules_nested, masked_write_to_what_cannot_be_read)
{
	struct access a = { .level = 2, .msr = MSR_UNKNOWN, .write = true };
	struct outcome outcome = access_msr(self->vcpu, a);

	check_outcome(outcome.vector == GP_VECTOR && !outcome.l1_exit, "unknown to KVM",
		      &a, &outcome);

	set_rule(self->vcpu, masked(rule(MSR_UNKNOWN, KVM_X86_REG_IGNORE), KEPT_BIT));
	outcome = access_msr(self->vcpu, a);
	check_outcome(!outcome.vector && !outcome.reason && !outcome.l1_exit, "ignored",
		      &a, &outcome);
}

TEST_F(reg_rules_nested, default_action)
{
	struct kvm_x86_reg_rule harmless = rule(MSR_HARMLESS, KVM_X86_REG_ALLOW);
	struct kvm_x86_reg_rules head = {
		.nr_rules = 1,
		.msr_default = KVM_X86_REG_EXIT,
		.rules = (uintptr_t)&harmless,
	};

	vm_ioctl(self->vcpu->vm, KVM_X86_SET_REG_RULES, &head);
	expect_all(self->vcpu, KVM_X86_REG_EXIT, &exits);
}

/* What the rules let through is subject to the filter, whose verdict counts. */
TEST_F(reg_rules_nested, audited_write_that_the_filter_denies)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges = {
			{ KVM_MSR_FILTER_WRITE, 1, MSR_INTERCEPTED, &no_bits },
			{ KVM_MSR_FILTER_WRITE, 1, MSR_PASSTHROUGH, &no_bits },
		},
	};
	int i;

	set_action(self->vcpu, KVM_X86_REG_AUDIT);
	vm_ioctl(self->vcpu->vm, KVM_X86_SET_MSR_FILTER, &filter);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (accesses[i].write)
			expect(self->vcpu, accesses[i], KVM_X86_REG_DENY, &faults);
		else
			expect(self->vcpu, accesses[i], KVM_X86_REG_AUDIT, &performed);
	}
}

/* L1 comes first, whatever the rules say of the access, and to L1's own. */
static void expect_l1_first(struct kvm_vcpu *vcpu, int action, const struct result *r)
{
	int i;

	set_action(vcpu, action);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		expect_l1_exit(vcpu, accesses[i]);
		expect(vcpu, by(1, accesses[i]), action, r);
	}
}

TEST_F(reg_rules_nested, access_that_l1_intercepts)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		set_l1_intercept(self->bitmap, variant->vmx, accesses[i].msr,
				 accesses[i].write);

	expect_l1_first(self->vcpu, KVM_X86_REG_DENY, &faults);
	expect_l1_first(self->vcpu, KVM_X86_REG_GP, &faults);
	expect_l1_first(self->vcpu, KVM_X86_REG_EXIT, &exits);
	expect_l1_first(self->vcpu, KVM_X86_REG_IGNORE, &ignored);
	expect_l1_first(self->vcpu, KVM_X86_REG_AUDIT, &performed);
}

TEST_F(reg_rules_nested, access_that_l1_intercepts_in_part)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	set_l1_intercept(self->bitmap, variant->vmx, MSR_PASSTHROUGH, false);
	set_l1_intercept(self->bitmap, variant->vmx, MSR_INTERCEPTED, false);
	set_action(vcpu, KVM_X86_REG_AUDIT);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (accesses[i].write)
			expect(vcpu, accesses[i], KVM_X86_REG_AUDIT, &performed);
		else
			expect_l1_exit(vcpu, accesses[i]);
	}
}

/* Each action is new to an L2 that is running, and each access its first. */
TEST_F(reg_rules_nested, rules_reach_running_l2)
{
	static const struct {
		int action;
		const struct result *result;
	} cases[] = {
		{ KVM_X86_REG_DENY, &faults },
		{ KVM_X86_REG_GP, &faults },
		{ KVM_X86_REG_EXIT, &exits },
		{ KVM_X86_REG_IGNORE, &ignored },
		{ KVM_X86_REG_AUDIT, &performed },
	};
	struct kvm_vcpu *vcpu = self->vcpu;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < ARRAY_SIZE(accesses); j++) {
			remove_rules(vcpu);
			expect(vcpu, accesses[j], KVM_X86_REG_ALLOW, &performed);
			set_action(vcpu, cases[i].action);
			expect(vcpu, accesses[j], cases[i].action, cases[i].result);
		}
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* Without a rule, a running L2 has the MSR to itself again. */
TEST_F(reg_rules_nested, removal_restores_passthrough)
{
	struct access a = { .level = 2, .msr = MSR_PASSTHROUGH, .repeats = MANY };
	struct kvm_vcpu *vcpu = self->vcpu;
	uint64_t before;

	go_to_level(vcpu, 2);
	set_action(vcpu, KVM_X86_REG_AUDIT);
	expect(vcpu, a, KVM_X86_REG_AUDIT, &performed);

	remove_rules(vcpu);
	before = stat_of(vcpu, "exits");
	expect(vcpu, a, KVM_X86_REG_ALLOW, &performed);
	TEST_ASSERT(stat_of(vcpu, "exits") - before < MANY,
		    "KVM intercepts reads that nobody asked to intercept");
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, 1);
}

/* What reaches L2 reaches L1, too, and stays with either of them. */
TEST_F(reg_rules_nested, rules_outlive_nested_transitions)
{
	struct kvm_vcpu *vcpu = self->vcpu;
	int i;

	go_to_level(vcpu, 2);
	set_action(vcpu, KVM_X86_REG_AUDIT);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		expect(vcpu, by(2, accesses[i]), KVM_X86_REG_AUDIT, &performed);
		expect(vcpu, by(1, accesses[i]), KVM_X86_REG_AUDIT, &performed);
	}
	TEST_ASSERT_EQ(guest_of(vcpu)->entries, ARRAY_SIZE(accesses));
}

/* Without the emulator, nothing would exit. */
static void expect_emulation(struct kvm_vcpu *vcpu, struct access a)
{
	uint64_t before = stat_of(vcpu, "exits");

	TEST_ASSERT_EQ(a.msr, MSR_PASSTHROUGH);
	a.repeats = MANY;
	expect(vcpu, emulated(a), KVM_X86_REG_ALLOW, &performed);
	TEST_ASSERT(stat_of(vcpu, "exits") - before > MANY, "L%d's %s is not emulated",
		    a.level, a.write ? "write" : "read");
}

static void expect_emulated_accesses_are_judged(struct kvm_vcpu *vcpu, int level)
{
	expect_emulation(vcpu, by(level, accesses[0]));
	expect_emulation(vcpu, by(level, accesses[1]));

	expect_all_emulated(vcpu, level, KVM_X86_REG_ALLOW, &performed);
	set_action(vcpu, KVM_X86_REG_GP);
	expect_all_emulated(vcpu, level, KVM_X86_REG_GP, &faults);
	set_action(vcpu, KVM_X86_REG_EXIT);
	expect_all_emulated(vcpu, level, KVM_X86_REG_EXIT, &exits);
	set_action(vcpu, KVM_X86_REG_IGNORE);
	expect_all_emulated(vcpu, level, KVM_X86_REG_IGNORE, &ignored);
	set_action(vcpu, KVM_X86_REG_AUDIT);
	expect_all_emulated(vcpu, level, KVM_X86_REG_AUDIT, &performed);
}

TEST_F(reg_rules_nested, emulated_access_by_l1)
{
	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	expect_emulated_accesses_are_judged(self->vcpu, 1);
}

TEST_F(reg_rules_nested, emulated_access_by_l2)
{
	struct access probe = { .level = 2, .msr = MSR_HARMLESS, .fep = true };

	if (!kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");
	if (access_msr(self->vcpu, probe).vector == UD_VECTOR)
		SKIP(return, "KVM does not emulate RDMSR for L2");

	expect_emulated_accesses_are_judged(self->vcpu, 2);
}

/* A vCPU whose L1 knows where its MSR lists are. */
static struct kvm_vcpu *create_vcpu_with_lists(void)
{
	struct kvm_vcpu *vcpu;
	uint8_t *bitmap;
	int i;

	vcpu = create_vcpu(true, &bitmap);
	for (i = 0; i < NR_MSR_LISTS; i++)
		guest_of(vcpu)->lists.gpa[i] =
			addr_gva2gpa(vcpu->vm, (vm_vaddr_t)guest.lists.entries[i]);
	return vcpu;
}

/* An MSR that no rule is about comes first: the second is judged. */
static struct vmx_msr_entry *fill_list(struct kvm_vcpu *vcpu, enum msr_list list,
				       uint32_t msr)
{
	struct msr_lists *lists = &guest_of(vcpu)->lists;
	struct vmx_msr_entry *entries = lists->entries[list];

	entries[0] = (struct vmx_msr_entry) { .index = MSR_IA32_SYSENTER_CS };
	entries[1] = (struct vmx_msr_entry) { .index = msr, .value = NEW };
	lists->count[list] = 2;
	return &entries[1];
}

/* The second entry of the list is the culprit. */
static void expect_failed_entry(struct kvm_vcpu *vcpu)
{
	struct access a = { .level = 2, .msr = MSR_HARMLESS };
	struct outcome outcome = access_msr(vcpu, a);

	TEST_ASSERT_EQ(outcome.l1_exit,
		       EXIT_REASON_MSR_LOAD_FAIL | VMX_EXIT_REASONS_FAILED_VMENTRY);
	TEST_ASSERT_EQ(outcome.l1_info, 2);
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

FIXTURE(reg_rules_vmx_refused)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(reg_rules_vmx_refused)
{
	int action;
	uint32_t flags;
	bool exits;
};

FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, deny) { .action = KVM_X86_REG_DENY };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, deny_and_exit) {
	.action = KVM_X86_REG_DENY,
	.exits = true,
};

FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, gp) { .action = KVM_X86_REG_GP };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, exit) { .action = KVM_X86_REG_EXIT };
FIXTURE_VARIANT_ADD(reg_rules_vmx_refused, exit_fail_closed) {
	.action = KVM_X86_REG_EXIT,
	.flags = KVM_X86_REG_RULES_FAIL_CLOSED,
};

FIXTURE_SETUP(reg_rules_vmx_refused)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
	if (variant->exits)
		exit_on_denials(self->vcpu);
}

FIXTURE_TEARDOWN(reg_rules_vmx_refused)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

static void expect_entry_fails_by(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	struct counts before = counts_of(vcpu);

	fill_list(vcpu, ENTRY_LOAD, msr);
	vcpu_set_msr(vcpu, msr, OLD);
	expect_failed_entry(vcpu);
	TEST_ASSERT_EQ(vcpu_get_msr(vcpu, msr), OLD);
	expect_counted(vcpu, &before, action, 1);
}

/* Once the rules are gone, L1 can go on. */
TEST_F(reg_rules_vmx_refused, fails_the_entry)
{
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_entry_fails_by(self->vcpu, MSR_PASSTHROUGH, variant->action);
	expect_entry_fails_by(self->vcpu, MSR_INTERCEPTED, variant->action);

	remove_rules(self->vcpu);
	TEST_ASSERT_EQ(read_at(self->vcpu, 2, MSR_INTERCEPTED), NEW);
}

/* The rules are set while L2 runs. */
TEST_F(reg_rules_vmx_refused, load_aborts_the_exit)
{
	struct counts before = counts_of(self->vcpu);

	fill_list(self->vcpu, EXIT_LOAD, MSR_PASSTHROUGH);
	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_aborted_exit(self->vcpu);
	expect_counted(self->vcpu, &before, variant->action, 1);
}

TEST_F(reg_rules_vmx_refused, store_aborts_the_exit)
{
	struct vmx_msr_entry *entry = fill_list(self->vcpu, EXIT_STORE, MSR_PASSTHROUGH);
	struct counts before = counts_of(self->vcpu);

	go_to_level(self->vcpu, 2);
	vcpu_set_msr(self->vcpu, MSR_PASSTHROUGH, OLD);
	set_rules(self->vcpu, variant->action, variant->flags, 0);
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(entry->value, NEW);
	expect_counted(self->vcpu, &before, variant->action, 1);
}

/* KVM has hardware store the TSC, and only has to pass it on. */
TEST_F(reg_rules_vmx_refused, tsc_store_aborts_the_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	struct counts before = counts_of(self->vcpu);

	go_to_level(self->vcpu, 2);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, variant->action));
	expect_aborted_exit(self->vcpu);
	TEST_ASSERT_EQ(tsc->value, NEW);
	expect_counted(self->vcpu, &before, variant->action, 1);
}

FIXTURE(reg_rules_vmx)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(reg_rules_vmx)
{
	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "needs nested VMX");

	self->vcpu = create_vcpu_with_lists();
}

FIXTURE_TEARDOWN(reg_rules_vmx)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* Go from L1 to L2; returns what the MSR that held OLD holds there. */
static uint64_t load_on_entry(struct kvm_vcpu *vcpu, uint32_t msr)
{
	go_to_level(vcpu, 1);
	fill_list(vcpu, ENTRY_LOAD, msr);
	vcpu_set_msr(vcpu, msr, OLD);
	go_to_level(vcpu, 2);
	return vcpu_get_msr(vcpu, msr);
}

TEST_F(reg_rules_vmx, ignored_on_entry)
{
	struct counts before = counts_of(self->vcpu);

	set_action(self->vcpu, KVM_X86_REG_IGNORE);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_PASSTHROUGH), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 1);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_INTERCEPTED), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_on_entry)
{
	struct counts before = counts_of(self->vcpu);

	set_action(self->vcpu, KVM_X86_REG_AUDIT);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_PASSTHROUGH), NEW);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 1);
	TEST_ASSERT_EQ(load_on_entry(self->vcpu, MSR_INTERCEPTED), NEW);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 2);
}

/* A list's entry changes the bits by which it differs from the MSR. */
TEST_F(reg_rules_vmx, masked_on_entry)
{
	struct kvm_vcpu *vcpu = self->vcpu;

	set_rules(vcpu, KVM_X86_REG_GP, 0, KEPT_BIT);
	TEST_ASSERT_EQ(load_on_entry(vcpu, MSR_PASSTHROUGH), NEW);
	TEST_ASSERT_EQ(load_on_entry(vcpu, MSR_INTERCEPTED), NEW);

	go_to_level(vcpu, 1);
	set_rules(vcpu, KVM_X86_REG_GP, 0, CHANGED_BIT);
	expect_entry_fails_by(vcpu, MSR_PASSTHROUGH, KVM_X86_REG_GP);
	expect_entry_fails_by(vcpu, MSR_INTERCEPTED, KVM_X86_REG_GP);
}

/* Go from L2 to L1; returns what the MSR that held OLD holds there. */
static uint64_t load_on_exit(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	fill_list(vcpu, EXIT_LOAD, msr);
	remove_rules(vcpu);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, msr, OLD);
	set_action(vcpu, action);
	go_to_level(vcpu, 1);
	return vcpu_get_msr(vcpu, msr);
}

TEST_F(reg_rules_vmx, ignored_load_on_exit)
{
	struct counts before = counts_of(self->vcpu);

	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_IGNORE), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 1);
	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_IGNORE), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_load_on_exit)
{
	struct counts before = counts_of(self->vcpu);

	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_AUDIT), NEW);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 1);
	TEST_ASSERT_EQ(load_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_AUDIT), NEW);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 2);
}

/* Go from L2 to L1; returns what was stored of the MSR that holds OLD. */
static uint64_t store_on_exit(struct kvm_vcpu *vcpu, uint32_t msr, int action)
{
	struct vmx_msr_entry *entry = fill_list(vcpu, EXIT_STORE, msr);

	remove_rules(vcpu);
	go_to_level(vcpu, 2);
	vcpu_set_msr(vcpu, msr, OLD);
	set_action(vcpu, action);
	go_to_level(vcpu, 1);
	return entry->value;
}

TEST_F(reg_rules_vmx, ignored_store_on_exit)
{
	struct counts before = counts_of(self->vcpu);

	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_IGNORE),
		       IGNORED);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 1);
	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_IGNORE),
		       IGNORED);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 2);
}

TEST_F(reg_rules_vmx, audited_store_on_exit)
{
	struct counts before = counts_of(self->vcpu);

	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_PASSTHROUGH, KVM_X86_REG_AUDIT), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 1);
	TEST_ASSERT_EQ(store_on_exit(self->vcpu, MSR_INTERCEPTED, KVM_X86_REG_AUDIT), OLD);
	expect_counted(self->vcpu, &before, KVM_X86_REG_AUDIT, 2);
}

TEST_F(reg_rules_vmx, ignored_tsc_store_on_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	struct counts before = counts_of(self->vcpu);

	go_to_level(self->vcpu, 2);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, KVM_X86_REG_IGNORE));
	go_to_level(self->vcpu, 1);
	TEST_ASSERT_EQ(tsc->value, IGNORED);
	expect_counted(self->vcpu, &before, KVM_X86_REG_IGNORE, 1);
}

TEST_F(reg_rules_vmx, audited_tsc_store_on_exit)
{
	struct vmx_msr_entry *tsc = fill_list(self->vcpu, EXIT_STORE, MSR_IA32_TSC);
	struct counts counts = counts_of(self->vcpu);
	uint64_t before, after, offset = 0;

	/* Emulated hardware may add the offset to what it stores, real one does not. */
	vcpu_device_attr_set(self->vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
	before = read_at(self->vcpu, 2, MSR_IA32_TSC);
	set_rule(self->vcpu, rule(MSR_IA32_TSC, KVM_X86_REG_AUDIT));
	go_to_level(self->vcpu, 1);
	expect_counted(self->vcpu, &counts, KVM_X86_REG_AUDIT, 1);

	remove_rules(self->vcpu);
	after = read_at(self->vcpu, 1, MSR_IA32_TSC);
	TEST_ASSERT(before < tsc->value && tsc->value < after,
		    "stored 0x%lx, not between 0x%lx and 0x%lx", tsc->value, before, after);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_REG_RULES));

	return test_harness_run(argc, argv);
}
