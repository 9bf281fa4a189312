/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of register rules: a guest that makes one MSR access at a time, the making
 * of lists, and what the kernel tells in files.
 */
#ifndef SELFTEST_KVM_REG_RULES_H
#define SELFTEST_KVM_REG_RULES_H

#include <fcntl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define READ		KVM_X86_REG_READ
#define WRITE		KVM_X86_REG_WRITE
#define MAX_RULES	4096

/* One that KVM always intercepts, one that it passes through, one that there is not. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE
#define MSR_UNKNOWN	0xdeadbee0

/* Values that both MSRs take; what userspace answers is none of them. */
#define OLD_VALUE	0x0000060606060606ull
#define NEW_VALUE	0x0000040406060606ull
#define ANSWER_VALUE	0x0123456789abcdefull

/*
 * struct access - what the guest is to do, and what it saw
 * @msr: The MSR.
 * @write: WRMSR rather than RDMSR.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @value: What to write, or what was read.
 * @vector: The exception that the instruction took, or 0.
 */
struct access {
	uint32_t msr;
	bool write;
	bool fep;
	uint64_t value;
	uint8_t vector;
};

/* Lives in guest memory. */
static struct access guest_access;

static inline uint8_t guest_wrmsr(const struct access *a)
{
	uint32_t low = a->value, high = a->value >> 32;
	uint64_t error_code;

	/* kvm_asm_safe_fep() omits the prefix. */
	if (a->fep)
		return kvm_asm_safe_ec_fep("wrmsr", error_code,
					   "a"(low), "d"(high), "c"(a->msr));

	return kvm_asm_safe("wrmsr", "a"(low), "d"(high), "c"(a->msr));
}

static inline uint8_t guest_rdmsr(struct access *a)
{
	if (a->fep)
		return rdmsr_safe_fep(a->msr, &a->value);

	return rdmsr_safe(a->msr, &a->value);
}

static inline void guest_main(void)
{
	struct access *a = &guest_access;

	for (;;) {
		a->vector = a->write ? guest_wrmsr(a) : guest_rdmsr(a);
		GUEST_SYNC(0);
	}
}

/*
 * What userspace makes of an exit:
 * @ANSWER: A read gets ANSWER_VALUE, a write is said to have been made.
 * @REFUSE: The guest gets a #GP.
 * @FORGET: The vCPU is run again, as if nothing had been.
 */
enum reply { ANSWER, REFUSE, FORGET };

/*
 * struct outcome - what became of an access
 * @reason: KVM_MSR_EXIT_REASON_* if it exited, else 0.
 * @error: What the exit's error started with.
 * @vector: The exception that the guest took, or 0.
 * @value: What the guest read, or what the exit said was written.
 */
struct outcome {
	uint32_t reason;
	uint8_t error;
	uint8_t vector;
	uint64_t value;
};

static inline void reply_to_exit(struct kvm_vcpu *vcpu, const struct access *a,
				 enum reply reply, struct outcome *outcome)
{
	struct kvm_run *run = vcpu->run;
	int i;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, a->write ? KVM_EXIT_X86_WRMSR :
						     KVM_EXIT_X86_RDMSR);
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
static inline struct outcome access_msr(struct kvm_vcpu *vcpu, struct access a,
					enum reply reply)
{
	struct access *guest = addr_gva2hva(vcpu->vm, (vm_vaddr_t)&guest_access);
	struct outcome outcome = {};
	struct ucall uc;

	*guest = a;
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason != KVM_EXIT_IO) {
		reply_to_exit(vcpu, &a, reply, &outcome);
		vcpu_run(vcpu);
	}

	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	outcome.vector = guest->vector;
	if (!a.write)
		outcome.value = guest->value;
	return outcome;
}

static inline struct outcome read_msr(struct kvm_vcpu *vcpu, uint32_t msr)
{
	return access_msr(vcpu, (struct access) { .msr = msr }, ANSWER);
}

static inline struct outcome write_msr(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return access_msr(vcpu, (struct access) { .msr = msr, .write = true,
						  .value = value }, ANSWER);
}

static inline void expect_read(struct kvm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(!outcome.reason && !outcome.vector && outcome.value == value,
		    "read of 0x%x: reason %u, vector %u, value 0x%lx, not 0x%lx", msr,
		    outcome.reason, outcome.vector, outcome.value, value);
}

static inline void expect_exit(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(outcome.reason == KVM_MSR_EXIT_REASON_FILTER && !outcome.vector,
		    "read of 0x%x: reason %u, vector %u, but no exit", msr,
		    outcome.reason, outcome.vector);
	TEST_ASSERT_EQ(outcome.value, ANSWER_VALUE);
}

static inline void expect_gp(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct outcome outcome = read_msr(vcpu, msr);

	TEST_ASSERT(!outcome.reason && outcome.vector == GP_VECTOR,
		    "read of 0x%x: reason %u, vector %u, but no #GP", msr,
		    outcome.reason, outcome.vector);
}

static inline struct kvm_x86_reg_rule range_rule(uint32_t first, uint32_t last,
						 uint8_t access, uint8_t action)
{
	return (struct kvm_x86_reg_rule) {
		.space = KVM_X86_REG_MSR,
		.access = access,
		.action = action,
		.first = first,
		.last = last,
	};
}

static inline struct kvm_x86_reg_rule rule(uint32_t msr, uint8_t access, uint8_t action)
{
	return range_rule(msr, msr, access, action);
}

static inline struct kvm_x86_reg_rule ignore(uint32_t first, uint32_t last, uint64_t value)
{
	struct kvm_x86_reg_rule r = range_rule(first, last, READ | WRITE,
					       KVM_X86_REG_IGNORE);

	r.value = value;
	return r;
}

static inline struct kvm_x86_reg_rule masked(uint32_t msr, uint64_t mask, uint8_t action)
{
	struct kvm_x86_reg_rule r = rule(msr, WRITE, action);

	r.mask = mask;
	return r;
}

static inline struct kvm_x86_reg_rules rules_head(const struct kvm_x86_reg_rule *rules,
						  uint32_t nr, uint32_t msr_default)
{
	return (struct kvm_x86_reg_rules) {
		.nr_rules = nr,
		.msr_default = msr_default,
		.rules = (uintptr_t)rules,
	};
}

static inline void set_rules(struct kvm_vm *vm, const struct kvm_x86_reg_rule *rules,
			     uint32_t nr, uint32_t msr_default)
{
	struct kvm_x86_reg_rules head = rules_head(rules, nr, msr_default);

	vm_ioctl(vm, KVM_X86_SET_REG_RULES, &head);
}

/* What the rule does not match is allowed. */
static inline void set_rule(struct kvm_vm *vm, struct kvm_x86_reg_rule rule)
{
	set_rules(vm, &rule, 1, KVM_X86_REG_ALLOW);
}

static inline void remove_rules(struct kvm_vm *vm)
{
	set_rules(vm, NULL, 0, KVM_X86_REG_ALLOW);
}

static inline void exit_on(struct kvm_vm *vm, uint64_t reasons)
{
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

/* The filter denies one MSR. */
static inline void set_filter(struct kvm_vm *vm, uint32_t msr, uint32_t access)
{
	static uint8_t no_bits;
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = access, .nmsrs = 1, .base = msr, .bitmap = &no_bits },
	};

	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static inline void remove_filter(struct kvm_vm *vm)
{
	struct kvm_msr_filter none = {};

	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &none);
}

#define NR_ACTIONS	(KVM_X86_REG_AUDIT + 1)

static const char * const counter_names[NR_ACTIONS] = {
	[KVM_X86_REG_DENY]	= "reg_rule_deny",
	[KVM_X86_REG_GP]	= "reg_rule_gp",
	[KVM_X86_REG_EXIT]	= "reg_rule_exit",
	[KVM_X86_REG_IGNORE]	= "reg_rule_ignore",
	[KVM_X86_REG_AUDIT]	= "reg_rule_audit",
};

/* A vCPU's statistics of verdicts; none are kept of what is plainly allowed. */
struct counts {
	uint64_t by_action[NR_ACTIONS];
};

static inline uint64_t read_counter(int fd, struct kvm_stats_header *header,
				    struct kvm_stats_desc *descs, const char *name)
{
	struct kvm_stats_desc *desc;
	uint64_t value;
	int i;

	for (i = 0; i < header->num_desc; i++) {
		desc = get_stats_descriptor(descs, i, header);
		if (strcmp(desc->name, name))
			continue;

		TEST_ASSERT_EQ(desc->flags & KVM_STATS_TYPE_MASK,
			       KVM_STATS_TYPE_CUMULATIVE);
		read_stat_data(fd, header, desc, &value, 1);
		return value;
	}

	TEST_FAIL("there is no statistic %s", name);
	return 0;
}

static inline struct counts read_counts(struct kvm_vcpu *vcpu)
{
	int fd = vcpu_get_stats_fd(vcpu), action;
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs;
	struct counts counts = {};

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (action = KVM_X86_REG_DENY; action < NR_ACTIONS; action++)
		counts.by_action[action] = read_counter(fd, &header, descs,
							counter_names[action]);
	free(descs);
	close(fd);
	return counts;
}

/* Returns false if there is no such file, or it must not be read. */
static inline bool read_file(const char *path, char *buf, size_t size)
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

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool ok;

	if (fd < 0)
		return false;

	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

#endif /* SELFTEST_KVM_REG_RULES_H */
