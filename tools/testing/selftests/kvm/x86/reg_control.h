/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of register rules for control registers: a guest that makes one write at a
 * time, in L1 or in L2, and what userspace sees of it.
 */
#ifndef SELFTEST_KVM_REG_CONTROL_H
#define SELFTEST_KVM_REG_CONTROL_H

#include <pthread.h>

#include "reg_rules.h"

/* Instructions that write control registers. */
enum write_insn { MOV_CR0, LMSW, CLTS, MOV_CR4, XSETBV };

/*
 * struct reg_write - a write that changes one bit
 * @insn: By which instruction.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @bit: What it changes.
 * @clear: It clears the bit, rather than sets it.
 */
struct reg_write {
	enum write_insn insn;
	bool fep;
	uint64_t bit;
	bool clear;
};

/*
 * struct write_guest - lives in guest memory
 * @insn, @fep, @value: What to write next, see struct reg_write.
 * @level: Who is to do it: 2 for L2, else L1.
 * @vector: The exception that the instruction took, or 0.
 * @cr0, @cr4: What the guest read before that.
 */
struct write_guest {
	enum write_insn insn;
	bool fep;
	int level;
	uint64_t value;
	uint8_t vector;
	uint64_t cr0, cr4;
};

static struct write_guest write_guest;

/* What the guest is at when it waits for something to do.  Takes no stack, nor a register. */
#define READY_PORT	0x80

static inline void guest_ready(void)
{
	asm volatile("outb %%al, %0" : : "i"(READY_PORT), "a"(0) : "memory");
}

static inline uint8_t write_directly(uint64_t value)
{
	switch (write_guest.insn) {
	case MOV_CR0:
		return kvm_asm_safe("mov %[v], %%cr0", [v] "r"(value));
	case LMSW:
		return kvm_asm_safe("lmsw %w[v]", [v] "r"(value));
	case CLTS:
		return kvm_asm_safe("clts", "a"(0));
	case MOV_CR4:
		return kvm_asm_safe("mov %[v], %%cr4", [v] "r"(value));
	default:
		return kvm_asm_safe("xsetbv", "a"((uint32_t)value), "d"(value >> 32), "c"(0));
	}
}

static inline uint8_t write_emulated(uint64_t value)
{
	switch (write_guest.insn) {
	case MOV_CR0:
		return kvm_asm_safe_fep("mov %[v], %%cr0", [v] "r"(value));
	case LMSW:
		return kvm_asm_safe_fep("lmsw %w[v]", [v] "r"(value));
	case CLTS:
		return kvm_asm_safe_fep("clts", "a"(0));
	case MOV_CR4:
		return kvm_asm_safe_fep("mov %[v], %%cr4", [v] "r"(value));
	default:
		return kvm_asm_safe_fep("xsetbv", "a"((uint32_t)value), "d"(value >> 32), "c"(0));
	}
}

/* Must not use SSE registers: the guest may have set CR0.TS. */
static inline void guest_write(void)
{
	uint64_t value = write_guest.value;

	write_guest.cr0 = get_cr0();
	WRITE_ONCE(write_guest.cr4, get_cr4());
	write_guest.vector = write_guest.fep ? write_emulated(value) : write_directly(value);
}

static inline void write_guest_main(void)
{
	for (;;) {
		guest_ready();
		guest_write();
	}
}

static inline struct write_guest *write_guest_of(struct kvm_vcpu *vcpu)
{
	return addr_gva2hva(vcpu->vm, (uintptr_t)&write_guest);
}

static inline uint16_t space_of(enum write_insn insn)
{
	return insn == XSETBV ? KVM_X86_REG_RULE_XCR : KVM_X86_REG_RULE_CR;
}

static inline uint32_t index_of(enum write_insn insn)
{
	return insn == MOV_CR4 ? 4 : 0;
}

static inline struct kvm_x86_reg_rule control_rule(enum write_insn insn, uint64_t mask,
						   uint8_t action)
{
	struct kvm_x86_reg_rule r = rule(index_of(insn), WRITE, action);

	r.space = space_of(insn);
	r.mask = mask;
	return r;
}

/* Everything of the guest that a write may change. */
struct control_state {
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
};

static inline struct control_state get_state(struct kvm_vcpu *vcpu)
{
	struct control_state s = {};

	vcpu_sregs_get(vcpu, &s.sregs);
	vcpu_xcrs_get(vcpu, &s.xcrs);
	return s;
}

static inline uint64_t get_control(struct kvm_vcpu *vcpu, enum write_insn insn)
{
	struct control_state s = get_state(vcpu);

	if (insn == XSETBV)
		return s.xcrs.xcrs[0].value;

	return insn == MOV_CR4 ? s.sregs.cr4 : s.sregs.cr0;
}

static inline void set_control(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t value)
{
	struct control_state s = get_state(vcpu);

	if (insn == XSETBV) {
		s.xcrs.xcrs[0].value = value;
		vcpu_xcrs_set(vcpu, &s.xcrs);
		return;
	}

	if (insn == MOV_CR4)
		s.sregs.cr4 = value;
	else
		s.sregs.cr0 = value;
	vcpu_sregs_set(vcpu, &s.sregs);
}

static inline void run_to_port(struct kvm_vcpu *vcpu, uint16_t port)
{
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(vcpu->run->io.port, port);
}

/* The guest waits for something to do. */
static inline void run_to_ready(struct kvm_vcpu *vcpu)
{
	run_to_port(vcpu, READY_PORT);
}

/* With all that the instructions need enabled. */
static inline void prepare_controls(struct kvm_vcpu *vcpu)
{
	/* Every write sets it, but the library does not. */
	set_control(vcpu, MOV_CR0, get_control(vcpu, MOV_CR0) | X86_CR0_ET);

	if (!kvm_cpu_has(X86_FEATURE_XSAVE))
		return;

	set_control(vcpu, MOV_CR4, get_control(vcpu, MOV_CR4) | X86_CR4_OSXSAVE);
	set_control(vcpu, XSETBV, XFEATURE_MASK_FP);
}

/* What the library does for kvm_asm_safe(), but without SSE registers. */
static inline void guest_gp_handler(struct ex_regs *regs)
{
	WRITE_ONCE(regs->rip, regs->r11);
	WRITE_ONCE(regs->r9, GP_VECTOR);
}

static inline struct kvm_vcpu *create_write_vcpu(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, write_guest_main);

	vm_install_exception_handler(vm, GP_VECTOR, guest_gp_handler);
	run_to_ready(vcpu);
	prepare_controls(vcpu);
	return vcpu;
}

/*
 * Have the register hold what @w changes, and tell the guest to make the write.  Return
 * what the register is to hold afterwards.
 */
static inline uint64_t start_write(struct kvm_vcpu *vcpu, struct reg_write w)
{
	uint64_t old = get_control(vcpu, w.insn);

	old = w.clear ? old | w.bit : old & ~w.bit;
	set_control(vcpu, w.insn, old);
	TEST_ASSERT_EQ(get_control(vcpu, w.insn), old);

	write_guest_of(vcpu)->insn = w.insn;
	write_guest_of(vcpu)->fep = w.fep;
	write_guest_of(vcpu)->value = old ^ w.bit;
	return old ^ w.bit;
}

/* The guest has done as it was told. */
static inline void expect_written(struct kvm_vcpu *vcpu, struct reg_write w, uint64_t value)
{
	run_to_ready(vcpu);
	TEST_ASSERT_EQ(write_guest_of(vcpu)->vector, 0);
	TEST_ASSERT_EQ(get_control(vcpu, w.insn), value);
}

static inline void expect_state(struct kvm_vcpu *vcpu, const struct control_state *before)
{
	struct control_state now = get_state(vcpu);

	TEST_ASSERT_EQ(now.sregs.cr0, before->sregs.cr0);
	TEST_ASSERT_EQ(now.sregs.cr3, before->sregs.cr3);
	TEST_ASSERT_EQ(now.sregs.cr4, before->sregs.cr4);
	TEST_ASSERT_EQ(now.sregs.efer, before->sregs.efer);
	TEST_ASSERT_EQ(now.xcrs.xcrs[0].value, before->xcrs.xcrs[0].value);
}

/* The guest took a #GP, and is as it was. */
static inline void expect_unchanged(struct kvm_vcpu *vcpu, const struct control_state *before)
{
	run_to_ready(vcpu);
	TEST_ASSERT_EQ(write_guest_of(vcpu)->vector, GP_VECTOR);
	expect_state(vcpu, before);
}

/* The write exits, and is not made yet. */
static inline void expect_write_exit(struct kvm_vcpu *vcpu, struct reg_write w,
				     const struct control_state *before, uint8_t error)
{
	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_X86_REG_WRITE);
	TEST_ASSERT_EQ(vcpu->run->reg_write.space, space_of(w.insn));
	TEST_ASSERT_EQ(vcpu->run->reg_write.index, index_of(w.insn));
	TEST_ASSERT_EQ(vcpu->run->reg_write.old, get_control(vcpu, w.insn));
	TEST_ASSERT_EQ(vcpu->run->reg_write.data, get_control(vcpu, w.insn) ^ w.bit);
	TEST_ASSERT_EQ(vcpu->run->reg_write.error, error);
	expect_state(vcpu, before);
}

/* What becomes of the write, if @action decides on it, and userspace approves. */
static inline void expect_write(struct kvm_vcpu *vcpu, struct reg_write w, uint8_t action)
{
	uint64_t hits = read_hits(vcpu), value = start_write(vcpu, w);
	struct control_state before = get_state(vcpu);

	switch (action) {
	case KVM_X86_REG_RULE_DENY:
	case KVM_X86_REG_RULE_GP:
		expect_unchanged(vcpu, &before);
		break;
	case KVM_X86_REG_RULE_EXIT:
		expect_write_exit(vcpu, w, &before, 0);
		expect_written(vcpu, w, value);
		break;
	default:
		expect_written(vcpu, w, value);
	}

	expect_counted(vcpu, hits, action, 1);
}

/* System management mode, of which userspace sees when it begins. */
#define SMRAM_GPA	0x1000000
#define SMRAM_SIZE	0x10000
#define SMRAM_SLOT	((1 << 16) | 1)	/* of the memory that SMM sees */
#define SMI_HANDLER	0x8000
#define SMM_PORT	0x81
#define RSM		2		/* where it is in the handler */

static inline void set_up_smm(struct kvm_vcpu *vcpu)
{
	static const uint8_t handler[] = {
		0xe6, SMM_PORT,		/* out %al, $SMM_PORT */
		0x0f, 0xaa,		/* rsm */
	};
	struct kvm_vm *vm = vcpu->vm;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA, SMRAM_SLOT,
				    SMRAM_SIZE / getpagesize(), 0);
	vm_phy_pages_alloc(vm, SMRAM_SIZE / getpagesize(), SMRAM_GPA, SMRAM_SLOT);
	memcpy(addr_gpa2hva(vm, SMRAM_GPA + SMI_HANDLER), handler, sizeof(handler));
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
}

static inline void run_to_smm(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.pending = 1;
	vcpu_events_set(vcpu, &events);
	run_to_port(vcpu, SMM_PORT);
}

/* The guest changes a bit that it owns.  A rule that comes then sees the change back. */
static inline void expect_change_back_refused(struct kvm_vcpu *vcpu, struct reg_write w)
{
	struct control_state before;
	uint64_t value;

	remove_rules(vcpu->vm);
	value = start_write(vcpu, w);
	expect_written(vcpu, w, value);
	before = get_state(vcpu);
	set_rule(vcpu->vm, control_rule(w.insn, w.bit, KVM_X86_REG_RULE_GP));
	if (w.insn == CLTS)
		write_guest_of(vcpu)->insn = MOV_CR0;
	write_guest_of(vcpu)->value = value ^ w.bit;
	expect_unchanged(vcpu, &before);
	remove_rules(vcpu->vm);
}

/*
 * struct write_hammer - lives in guest memory: a vCPU that flips a bit all the time
 * @insn: MOV_CR0 or MOV_CR4.
 * @bit: The bit.
 * @stop: No more writes.
 * @generation: Odd from when a refusing SET has returned to when the next is made.
 * @nr: How many writes began and ended in the same generation.
 * @made: How many writes were made.
 * @violations: How many were made though refused.
 */
struct write_hammer {
	enum write_insn insn;
	uint64_t bit;
	bool stop;
	uint64_t generation;
	uint64_t nr;
	uint64_t made;
	uint64_t violations;
};

static struct write_hammer write_hammer;

static inline void hammer_write(void)
{
	uint64_t before = READ_ONCE(write_hammer.generation), value;
	uint8_t vector;

	if (write_hammer.insn == MOV_CR4) {
		value = get_cr4() ^ write_hammer.bit;
		vector = kvm_asm_safe("mov %[v], %%cr4", [v] "r"(value));
	} else {
		value = get_cr0() ^ write_hammer.bit;
		vector = kvm_asm_safe("mov %[v], %%cr0", [v] "r"(value));
	}

	if (!vector)
		WRITE_ONCE(write_hammer.made, write_hammer.made + 1);
	if (READ_ONCE(write_hammer.generation) != before)
		return;

	if ((before & 1) && !vector)
		WRITE_ONCE(write_hammer.violations, write_hammer.violations + 1);
	WRITE_ONCE(write_hammer.nr, write_hammer.nr + 1);
}

/* Emulated hardware may let the host interrupt only a guest that takes interrupts. */
static inline void hammer_until_stopped(void)
{
	asm volatile("sti");
	while (!READ_ONCE(write_hammer.stop))
		hammer_write();
	asm volatile("cli");
}

static inline void *run_hammer(void *vcpu)
{
	run_to_ready(vcpu);
	return NULL;
}

/* The guest is to hammer; refuse its writes again and again: none must get through. */
static inline void expect_synchronous(struct kvm_vcpu *vcpu, enum write_insn insn, uint64_t bit)
{
	struct write_hammer *h = addr_gva2hva(vcpu->vm, (uintptr_t)&write_hammer);
	pthread_t thread;
	int i;

	*h = (struct write_hammer) { .insn = insn, .bit = bit };
	pthread_create(&thread, NULL, run_hammer, vcpu);
	for (i = 0; i < 50; i++) {
		wait_for_progress(&h->made, 3);
		set_rule(vcpu->vm, control_rule(insn, bit, KVM_X86_REG_RULE_GP));
		WRITE_ONCE(h->generation, h->generation + 1);
		wait_for_progress(&h->nr, 3);
		WRITE_ONCE(h->generation, h->generation + 1);
		remove_rules(vcpu->vm);
	}
	WRITE_ONCE(h->stop, true);
	pthread_join(thread, NULL);
	TEST_ASSERT(!h->violations, "%lu of %lu writes were made though refused",
		    h->violations, h->nr);
}

#endif /* SELFTEST_KVM_REG_CONTROL_H */
