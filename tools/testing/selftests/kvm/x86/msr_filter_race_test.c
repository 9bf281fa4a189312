// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_race_test - KVM_X86_SET_MSR_FILTER while vCPUs run
 *
 * When the ioctl returns, no vCPU makes an access that the new filter denies,
 * whether KVM intercepts, emulates or passes through the MSR.
 */
#include <pthread.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

/* One that KVM always intercepts, and one that it passes through to hardware. */
#define MSR_INTERCEPTED	MSR_IA32_CR_PAT
#define MSR_PASSTHROUGH	MSR_KERNEL_GS_BASE

/* Userspace's answer to a denied read, which hardware does not give. */
#define ANSWER		0x0123456789abcdefull

#define HAMMER_VCPUS	3
#define HAMMER_ROUNDS	200

/* Lives in guest memory, one copy for all vCPUs. */
static struct hammer {
	uint32_t msr;
	bool fep;
	bool stop;
	/* Odd from when a denying ioctl has returned to when the next is made. */
	uint64_t generation;
	/* Reads in an odd generation: denied as they must be, or made all the same. */
	uint64_t denials;
	uint64_t violations;
} hammer;

static void guest_hammer(void)
{
	uint64_t value;
	uint8_t vector;

	/* Some emulators never interrupt a guest that has interrupts disabled. */
	asm volatile("sti");

	while (!READ_ONCE(hammer.stop)) {
		uint64_t before = READ_ONCE(hammer.generation);

		vector = hammer.fep ? rdmsr_safe_fep(hammer.msr, &value) :
				      rdmsr_safe(hammer.msr, &value);
		__GUEST_ASSERT(!vector, "RDMSR took exception %u", vector);
		if (!(before & 1) || before != READ_ONCE(hammer.generation))
			continue;

		__atomic_fetch_add(value == ANSWER ? &hammer.denials : &hammer.violations,
				   1, __ATOMIC_SEQ_CST);
	}
	GUEST_DONE();
}

static void *run_hammer(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_X86_RDMSR)
			break;
		vcpu->run->msr.data = ANSWER;
	}

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_DONE);
	return NULL;
}

/* Until the guest has read the MSR, or is beyond hope. */
static void wait_for_reads(struct hammer *h)
{
	uint64_t before = READ_ONCE(h->denials) + READ_ONCE(h->violations);
	int i;

	for (i = 0; i < 10000; i++) {
		usleep(100);
		if (READ_ONCE(h->denials) + READ_ONCE(h->violations) >= before + HAMMER_VCPUS)
			return;
	}

	TEST_FAIL("the vCPUs do not read");
}

static void swap_filters(struct kvm_vm *vm, struct hammer *h)
{
	static uint8_t no_bits;
	struct kvm_msr_filter deny = {
		.ranges = {
			{ .flags = KVM_MSR_FILTER_READ, .base = h->msr, .nmsrs = 1,
			  .bitmap = &no_bits },
		},
	};
	struct kvm_msr_filter none = {};
	int i;

	for (i = 0; i < HAMMER_ROUNDS; i++) {
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &deny);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		wait_for_reads(h);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &none);
		usleep(100);
	}
}

FIXTURE(msr_filter_race)
{
	struct kvm_vcpu *vcpus[HAMMER_VCPUS];
	struct kvm_vm *vm;
};

FIXTURE_VARIANT(msr_filter_race)
{
	uint32_t msr;
	bool fep;
};

FIXTURE_VARIANT_ADD(msr_filter_race, passthrough) { .msr = MSR_PASSTHROUGH };
FIXTURE_VARIANT_ADD(msr_filter_race, intercepted) { .msr = MSR_INTERCEPTED };
FIXTURE_VARIANT_ADD(msr_filter_race, emulated) { .msr = MSR_PASSTHROUGH, .fep = true };

FIXTURE_SETUP(msr_filter_race)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	self->vm = vm_create_with_vcpus(HAMMER_VCPUS, guest_hammer, self->vcpus);
	hammer.msr = variant->msr;
	hammer.fep = variant->fep;
	sync_global_to_guest(self->vm, hammer);
}

FIXTURE_TEARDOWN(msr_filter_race)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

TEST_F(msr_filter_race, ioctl_is_synchronous)
{
	struct hammer *h = addr_gva2hva(self->vm, (vm_vaddr_t)&hammer);
	pthread_t threads[HAMMER_VCPUS];
	int i;

	vm_enable_cap(self->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
	for (i = 0; i < HAMMER_VCPUS; i++)
		pthread_create(&threads[i], NULL, run_hammer, self->vcpus[i]);

	swap_filters(self->vm, h);
	WRITE_ONCE(h->stop, true);

	for (i = 0; i < HAMMER_VCPUS; i++)
		pthread_join(threads[i], NULL);

	TEST_ASSERT(!h->violations, "%lu reads were made after they had been denied",
		    h->violations);
}

TEST_HARNESS_MAIN
