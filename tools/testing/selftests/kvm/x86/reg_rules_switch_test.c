// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_switch_test - KVM_X86_SET_REG_RULES and what RSM and task switches load
 *
 * - RSM restores CR0 and CR4 as they were before the SMI, whatever is guarded.  If a
 *   change is not allowed, the vCPU shuts down.
 * - A task switch that may not set CR0.TS takes a #GP with the old task as it was.
 *   Userspace may approve or refuse one that exits.
 */
#include "kvm_test_harness.h"
#include "reg_control.h"

/* Where KVM saves registers with long mode. */
#define SMRAM_CR4	0xff48
#define SMRAM_CR0	0xff58

FIXTURE(rsm)
{
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(rsm)
{
	enum write_insn insn;	/* stands for the register */
	uint64_t bit;
	int smram;
};

FIXTURE_VARIANT_ADD(rsm, cr0) { .bit = X86_CR0_WP, .insn = MOV_CR0, .smram = SMRAM_CR0 };
FIXTURE_VARIANT_ADD(rsm, cr4) { .bit = X86_CR4_TSD, .insn = MOV_CR4, .smram = SMRAM_CR4 };

FIXTURE_SETUP(rsm)
{
	if (!kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "needs SMM");

	self->vcpu = create_write_vcpu();
	set_up_smm(self->vcpu);
}

FIXTURE_TEARDOWN(rsm)
{
	if (self->vcpu)
		kvm_vm_free(self->vcpu->vm);
}

/* Run into SMM.  Behind RSM, the guest writes the other register, without a change. */
static void start_and_run_to_smm(struct kvm_vcpu *vcpu, enum write_insn insn)
{
	start_write(vcpu, (struct reg_write) { .insn = insn == MOV_CR0 ? MOV_CR4 : MOV_CR0 });
	run_to_smm(vcpu);
}

static void set_action(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit, int action)
{
	set_rule(vcpu->vm, control_rule(insn, bit, action));
}

/* As the guest's SMI handler could. */
static void change_saved(struct kvm_vcpu *vcpu, int smram, uint64_t bit)
{
	uint64_t *saved = addr_gpa2hva(vcpu->vm, SMRAM_GPA + smram);

	*saved ^= bit;
}

/* SMM has other values than the guest. */
TEST_F(rsm, restores_what_is_guarded)
{
	uint64_t before = get_control(self->vcpu, variant->insn);

	set_action(self->vcpu, variant->insn, 0, KVM_X86_REG_RULE_GP);
	start_and_run_to_smm(self->vcpu, variant->insn);
	TEST_ASSERT(get_control(self->vcpu, variant->insn) != before, "SMM changes nothing");
	run_to_ready(self->vcpu);
	TEST_ASSERT_EQ(get_control(self->vcpu, variant->insn), before);
}

TEST_F(rsm, refused)
{
	const int actions[] = { KVM_X86_REG_RULE_GP, KVM_X86_REG_RULE_DENY, KVM_X86_REG_RULE_EXIT };
	struct kvm_vcpu_events events;
	struct kvm_regs regs;
	uint64_t hits;
	int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		hits = read_hits(self->vcpu);

		set_action(self->vcpu, variant->insn, variant->bit, actions[i]);
		start_and_run_to_smm(self->vcpu, variant->insn);
		change_saved(self->vcpu, variant->smram, variant->bit);
		vcpu_run(self->vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(self->vcpu, KVM_EXIT_SHUTDOWN);
		expect_counted(self->vcpu, hits, actions[i], 1);

		/* Nothing is loaded: still in SMM. */
		vcpu_events_get(self->vcpu, &events);
		TEST_ASSERT(events.smi.smm, "RSM has left SMM");

		/* Allowed, it can be made. */
		remove_rules(self->vcpu->vm);
		vcpu_regs_get(self->vcpu, &regs);
		regs.rip = SMI_HANDLER + RSM;
		vcpu_regs_set(self->vcpu, &regs);
		run_to_ready(self->vcpu);
	}
}

/* KVM does not know what a vCPU held that userspace has put into SMM. */
TEST_F(rsm, restored_in_smm)
{
	struct kvm_vcpu_events events;

	set_action(self->vcpu, variant->insn, variant->bit, KVM_X86_REG_RULE_GP);
	start_and_run_to_smm(self->vcpu, variant->insn);
	vcpu_events_get(self->vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = 0;
	vcpu_events_set(self->vcpu, &events);
	events.smi.smm = 1;
	vcpu_events_set(self->vcpu, &events);
	vcpu_run(self->vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(self->vcpu, KVM_EXIT_SHUTDOWN);
}

TEST_F(rsm, allowed)
{
	const int actions[] = { KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_AUDIT };
	uint64_t before, hits;
	int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		before = get_control(self->vcpu, variant->insn);
		hits = read_hits(self->vcpu);
		set_action(self->vcpu, variant->insn, variant->bit, actions[i]);
		start_and_run_to_smm(self->vcpu, variant->insn);
		change_saved(self->vcpu, variant->smram, variant->bit);
		run_to_ready(self->vcpu);
		TEST_ASSERT_EQ(get_control(self->vcpu, variant->insn), before ^ variant->bit);
		expect_counted(self->vcpu, hits, actions[i], 1);
	}
}

/*
 * Task switches are for 32-bit protected mode.  All of it is in one page: the descriptor
 * tables, two tasks, and the code of both and of the handler of #GP.
 */
#define PAGE_GPA	0x2000000
#define PAGE_SLOT	2
#define GDT		0x000
#define TSS1		0x080
#define TSS2		0x100
#define IDT		0x200	/* up to vector 0x30 */
#define CODE_JMP	0x400
#define CODE_INT	0x440
#define CODE_NEW_TASK	0x480
#define CODE_GP		0x4c0
#define STACK		0x800

#define CS32		0x08
#define DS32		0x10
#define TR1		0x18
#define TR2		0x20
#define TASK_GATE	0x30

#define PORT_NEW_TASK	0x82
#define PORT_GP		0x83

static const uint8_t code_jmp[] = {
	0xe6, READY_PORT,			/* out %al, $READY_PORT */
	0xea, 0, 0, 0, 0, TR2, 0,		/* ljmp $TR2, $0 */
};

static const uint8_t code_int[] = {
	0xe6, READY_PORT,			/* out %al, $READY_PORT */
	0xcd, TASK_GATE,			/* int $TASK_GATE */
};

static const uint8_t code_new_task[] = { 0xe6, PORT_NEW_TASK };
static const uint8_t code_gp[] = { 0xe6, PORT_GP };

struct tss32 {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt, iomap;
};

FIXTURE(task_switch)
{
	struct kvm_vcpu *vcpu;
	uint8_t *page;
};

FIXTURE_VARIANT(task_switch)
{
	uint32_t code;
	bool interrupt;		/* in the place of the instruction */
};

FIXTURE_VARIANT_ADD(task_switch, jmp) { .code = CODE_JMP };
FIXTURE_VARIANT_ADD(task_switch, task_gate) { .code = CODE_INT };
FIXTURE_VARIANT_ADD(task_switch, interrupt) { .code = CODE_INT, .interrupt = true };

static uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t type)
{
	return (limit & 0xffff) | (base & 0xffffffull) << 16 | (uint64_t)type << 40 |
	       (uint64_t)(base >> 24) << 56;
}

static void set_flat(struct kvm_segment *s, uint16_t selector, uint8_t type)
{
	*s = (struct kvm_segment) {
		.selector = selector, .limit = 0xffffffff, .type = type, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
}

static void fill_page(uint8_t *page)
{
	uint64_t *gdt = (void *)(page + GDT), *idt = (void *)(page + IDT);
	struct tss32 *tss = (void *)(page + TSS2);

	memset(page, 0, getpagesize());
	gdt[CS32 / 8] = 0x00cf9b000000ffff;
	gdt[DS32 / 8] = 0x00cf93000000ffff;
	gdt[TR1 / 8] = descriptor(PAGE_GPA + TSS1, sizeof(*tss) - 1, 0x8b);
	gdt[TR2 / 8] = descriptor(PAGE_GPA + TSS2, sizeof(*tss) - 1, 0x89);
	idt[GP_VECTOR] = (uint64_t)CS32 << 16 | 0x8e0000000000 |
			 ((PAGE_GPA + CODE_GP) & 0xffff) |
			 (uint64_t)((PAGE_GPA + CODE_GP) >> 16) << 48;
	idt[TASK_GATE] = (uint64_t)TR2 << 16 | 0x850000000000;
	*tss = (struct tss32) {
		.eip = PAGE_GPA + CODE_NEW_TASK, .eflags = 2, .esp = PAGE_GPA + STACK,
		.es = DS32, .cs = CS32, .ss = DS32, .ds = DS32, .fs = DS32, .gs = DS32,
	};
	memcpy(page + CODE_JMP, code_jmp, sizeof(code_jmp));
	memcpy(page + CODE_INT, code_int, sizeof(code_int));
	memcpy(page + CODE_NEW_TASK, code_new_task, sizeof(code_new_task));
	memcpy(page + CODE_GP, code_gp, sizeof(code_gp));
}

static void inject_interrupt(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.interrupt.injected = 1;
	events.interrupt.nr = TASK_GATE;
	vcpu_events_set(vcpu, &events);
}

/* The next instruction of the guest switches tasks, or the interrupt before it. */
static void start_task(struct kvm_vcpu *vcpu, uint8_t *page, uint32_t code, bool interrupt)
{
	struct kvm_regs regs = {
		.rip = PAGE_GPA + code,
		.rsp = PAGE_GPA + STACK,
		.rflags = X86_EFLAGS_FIXED | (interrupt ? BIT(9) : 0),
	};
	struct kvm_sregs s;

	fill_page(page);
	vcpu_sregs_get(vcpu, &s);
	set_flat(&s.cs, CS32, 11);
	set_flat(&s.ds, DS32, 3);
	s.es = s.ds;
	s.ss = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.tr = (struct kvm_segment) {
		.base = PAGE_GPA + TSS1, .limit = sizeof(struct tss32) - 1, .selector = TR1,
		.type = 11, .present = 1,
	};
	s.ldt = (struct kvm_segment) { .unusable = 1 };
	s.gdt = (struct kvm_dtable) { .base = PAGE_GPA + GDT, .limit = TR2 + 7 };
	s.idt = (struct kvm_dtable) { .base = PAGE_GPA + IDT, .limit = TASK_GATE * 8 + 7 };
	s.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	s.cr3 = 0;
	s.cr4 = 0;
	s.efer = 0;
	vcpu_sregs_set(vcpu, &s);
	vcpu_regs_set(vcpu, &regs);
	run_to_ready(vcpu);
	if (interrupt)
		inject_interrupt(vcpu);
}

static struct kvm_sregs get_sregs(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs s;

	vcpu_sregs_get(vcpu, &s);
	return s;
}

static void expect_new_task(struct kvm_vcpu *vcpu)
{
	run_to_port(vcpu, PORT_NEW_TASK);
	TEST_ASSERT_EQ(get_sregs(vcpu).tr.selector, TR2);
	TEST_ASSERT_EQ(!!(get_sregs(vcpu).cr0 & X86_CR0_TS), 1);
}

/* The old task is as it was, and its instruction is the one that faulted. */
static void expect_old_task(struct kvm_vcpu *vcpu, uint8_t *page, uint32_t code)
{
	struct tss32 zero = {};
	struct kvm_regs regs;
	uint32_t *stack;

	run_to_port(vcpu, PORT_GP);
	TEST_ASSERT_EQ(get_sregs(vcpu).tr.selector, TR1);
	TEST_ASSERT_EQ(get_sregs(vcpu).cr0 & X86_CR0_TS, 0);
	TEST_ASSERT(!memcmp(page + TSS1, &zero, sizeof(zero)), "the old task was saved");
	vcpu_regs_get(vcpu, &regs);
	stack = (void *)(page + regs.rsp - PAGE_GPA);
	TEST_ASSERT_EQ(stack[0], 0);
	TEST_ASSERT_EQ(stack[1], PAGE_GPA + code + 2);
}

static void expect_task_exit(struct kvm_vcpu *vcpu)
{
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_X86_REG_WRITE);
	TEST_ASSERT_EQ(vcpu->run->reg_write.space, KVM_X86_REG_RULE_CR);
	TEST_ASSERT_EQ(vcpu->run->reg_write.index, 0);
	TEST_ASSERT_EQ(vcpu->run->reg_write.old, get_sregs(vcpu).cr0);
	TEST_ASSERT_EQ(vcpu->run->reg_write.data, get_sregs(vcpu).cr0 | X86_CR0_TS);
	TEST_ASSERT_EQ(get_sregs(vcpu).tr.selector, TR1);
}

/* KVM does not see a switch that hardware makes, nor CR0.TS if it intercepts CR0. */
static bool intercepts_task_switch(struct kvm_vcpu *vcpu, uint8_t *page, uint32_t code)
{
	set_rule(vcpu->vm, control_rule(MOV_CR0, X86_CR0_MP, KVM_X86_REG_RULE_AUDIT));
	start_task(vcpu, page, code, false);
	run_to_port(vcpu, PORT_NEW_TASK);
	remove_rules(vcpu->vm);
	return get_sregs(vcpu).cr0 & X86_CR0_TS;
}

FIXTURE_SETUP(task_switch)
{
	struct kvm_vm *vm;

	self->vcpu = create_write_vcpu();
	vm = self->vcpu->vm;
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, PAGE_GPA, PAGE_SLOT, 1, 0);
	vm_phy_pages_alloc(vm, 1, PAGE_GPA, PAGE_SLOT);
	self->page = addr_gpa2hva(vm, PAGE_GPA);

	if (!intercepts_task_switch(self->vcpu, self->page, variant->code))
		SKIP(return, "needs hardware that intercepts task switches, unlike QEMU 7.2");
}

FIXTURE_TEARDOWN(task_switch)
{
	kvm_vm_free(self->vcpu->vm);
}

static void set_ts_rule(struct kvm_vcpu *vcpu, int action, uint32_t flags)
{
	struct kvm_x86_reg_rule rule = control_rule(MOV_CR0, X86_CR0_TS, action);
	struct kvm_x86_reg_rules head = rules_head(&rule, 1, KVM_X86_REG_RULE_ALLOW);

	head.flags = flags;
	set_head(vcpu->vm, head);
}

TEST_F(task_switch, refused)
{
	uint64_t hits = read_hits(self->vcpu);

	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_GP, 0);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	expect_old_task(self->vcpu, self->page, variant->code);
	expect_counted(self->vcpu, hits, KVM_X86_REG_RULE_GP, 1);
}

TEST_F(task_switch, allowed)
{
	const int actions[] = { KVM_X86_REG_RULE_ALLOW, KVM_X86_REG_RULE_AUDIT };
	uint64_t hits;
	int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		hits = read_hits(self->vcpu);
		set_ts_rule(self->vcpu, actions[i], 0);
		start_task(self->vcpu, self->page, variant->code, variant->interrupt);
		expect_new_task(self->vcpu);
		expect_counted(self->vcpu, hits, actions[i], 1);
	}
}

/* CR0.TS is set already. */
TEST_F(task_switch, unchanged)
{
	struct kvm_sregs s;

	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_GP, 0);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	s = get_sregs(self->vcpu);
	s.cr0 |= X86_CR0_TS;
	vcpu_sregs_set(self->vcpu, &s);
	expect_new_task(self->vcpu);
}

TEST_F(task_switch, approved_by_userspace)
{
	uint64_t hits = read_hits(self->vcpu);

	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_EXIT, 0);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	expect_task_exit(self->vcpu);
	TEST_ASSERT_EQ(self->vcpu->run->reg_write.error, 0);
	expect_new_task(self->vcpu);
	expect_counted(self->vcpu, hits, KVM_X86_REG_RULE_EXIT, 1);
}

TEST_F(task_switch, refused_by_userspace)
{
	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_EXIT, 0);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	expect_task_exit(self->vcpu);
	self->vcpu->run->reg_write.error = 1;
	expect_old_task(self->vcpu, self->page, variant->code);
}

TEST_F(task_switch, fails_closed)
{
	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_EXIT, KVM_X86_REG_RULES_FAIL_CLOSED);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	expect_task_exit(self->vcpu);
	TEST_ASSERT_EQ(self->vcpu->run->reg_write.error, 1);
	expect_old_task(self->vcpu, self->page, variant->code);
}

/* There is no task switch that leaves CR0.TS clear. */
TEST_F(task_switch, changed_by_userspace)
{
	set_ts_rule(self->vcpu, KVM_X86_REG_RULE_EXIT, 0);
	start_task(self->vcpu, self->page, variant->code, variant->interrupt);
	expect_task_exit(self->vcpu);
	self->vcpu->run->reg_write.data &= ~X86_CR0_TS;
	expect_old_task(self->vcpu, self->page, variant->code);
}

/* An event that does not get through the task gate is not delivered again. */
static void expect_lost_event(struct kvm_vcpu *vcpu, uint8_t *page, bool nmi)
{
	uint64_t *idt = (void *)(page + IDT);
	struct kvm_vcpu_events events;

	set_ts_rule(vcpu, KVM_X86_REG_RULE_EXIT, 0);
	start_task(vcpu, page, CODE_INT, !nmi);
	if (nmi) {
		idt[2] = idt[TASK_GATE];
		vcpu_events_get(vcpu, &events);
		events.flags = 0;
		events.nmi.injected = 1;
		vcpu_events_set(vcpu, &events);
	}

	/* Saved here, it would be delivered again. */
	expect_task_exit(vcpu);
	vcpu_events_get(vcpu, &events);
	TEST_ASSERT_EQ(events.nmi.injected, nmi);
	TEST_ASSERT_EQ(events.interrupt.injected, !nmi);

	vcpu->run->reg_write.error = 1;
	vcpu_run_complete_io(vcpu);
	vcpu_events_get(vcpu, &events);
	TEST_ASSERT_EQ(events.nmi.injected, 0);
	TEST_ASSERT_EQ(events.interrupt.injected, 0);
	expect_old_task(vcpu, page, CODE_INT);
}

TEST_F(task_switch, refused_event)
{
	if (!variant->interrupt)
		SKIP(return, "is for events");

	expect_lost_event(self->vcpu, self->page, false);
	expect_lost_event(self->vcpu, self->page, true);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
