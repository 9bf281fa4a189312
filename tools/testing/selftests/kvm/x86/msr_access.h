/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that makes one MSR access at a time, and what userspace sees of it.
 */
#ifndef SELFTEST_KVM_MSR_ACCESS_H
#define SELFTEST_KVM_MSR_ACCESS_H

#include "guest_msr.h"
#include "kvm_util.h"
#include "test_util.h"

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

static inline void guest_main(void)
{
	struct access *a = &guest_access;

	for (;;) {
		a->vector = a->write ? guest_wrmsr(a->msr, a->fep, a->value) :
				       guest_rdmsr(a->msr, a->fep, &a->value);
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

#endif /* SELFTEST_KVM_MSR_ACCESS_H */
