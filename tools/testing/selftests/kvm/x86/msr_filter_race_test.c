// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_race_test - KVM_X86_SET_MSR_FILTER while vCPUs run
 *
 * When the ioctl returns, no vCPU makes an access that the new filter denies,
 * whether it reads or writes, whether KVM intercepts, emulates or passes through
 * the MSR, and whoever creates vCPUs, or fails to, at the same time.
 */
#include <pthread.h>

#include "kvm_test_harness.h"
#include "msr_test.h"

#define BURST		256

/*
 * To hardware, the guest's interrupt flag is nothing to the interrupts that make
 * vCPUs leave the guest.  Some emulators hold them back while it is clear: good to
 * see whether the ioctl really waits, but not to be overdone.
 */
static void guest_hammer(struct msr_tally *tally)
{
	int i;

	while (!READ_ONCE(msr_hammer.stop)) {
		asm volatile("cli");
		for (i = 0; i < BURST; i++)
			hammer_once(tally);
		asm volatile("sti; nop");
	}
	GUEST_DONE();
}

FIXTURE(msr_filter_race)
{
	struct kvm_vcpu *vcpus[MAX_HAMMERS];
	struct kvm_vm *vm;
};

FIXTURE_VARIANT(msr_filter_race)
{
	uint32_t msr;
	bool write;
	bool fep;
	bool gp;
	bool creations;
};

FIXTURE_VARIANT_ADD(msr_filter_race, read_passthrough)
{
	.msr = MSR_PASSTHROUGH,
};

FIXTURE_VARIANT_ADD(msr_filter_race, read_intercepted)
{
	.msr = MSR_INTERCEPTED,
};

FIXTURE_VARIANT_ADD(msr_filter_race, read_emulated)
{
	.msr = MSR_PASSTHROUGH, .fep = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, read_faults)
{
	.msr = MSR_PASSTHROUGH, .gp = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, write_passthrough)
{
	.msr = MSR_PASSTHROUGH, .write = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, write_intercepted)
{
	.msr = MSR_INTERCEPTED, .write = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, write_emulated)
{
	.msr = MSR_PASSTHROUGH, .write = true, .fep = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, write_faults)
{
	.msr = MSR_PASSTHROUGH, .write = true, .gp = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, read_among_creations)
{
	.msr = MSR_PASSTHROUGH, .creations = true,
};

FIXTURE_VARIANT_ADD(msr_filter_race, write_among_creations)
{
	.msr = MSR_PASSTHROUGH, .write = true, .creations = true,
};

FIXTURE_SETUP(msr_filter_race)
{
	uint64_t tallies = (uintptr_t)msr_hammer.tallies;
	int i;

	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	self->vm = vm_create_with_vcpus(MAX_HAMMERS, guest_hammer, self->vcpus);
	for (i = 0; i < MAX_HAMMERS; i++)
		vcpu_args_set(self->vcpus[i], 1, tallies + i * sizeof(struct msr_tally));

	msr_hammer.msr = variant->msr;
	msr_hammer.write = variant->write;
	msr_hammer.fep = variant->fep;
	sync_global_to_guest(self->vm, msr_hammer);
	if (!variant->gp)
		exit_on(self->vm, KVM_MSR_EXIT_REASON_FILTER);
}

FIXTURE_TEARDOWN(msr_filter_race)
{
	kvm_vm_free(self->vm);
}

/* vCPUs that are created while others run; each costs memory. */
#define MORE_VCPUS	16

struct creator {
	struct kvm_vm *vm;
	bool stop;
	int failed;
	int succeeded;
};

static void *create_vcpus(void *arg)
{
	struct creator *c = arg;
	unsigned long id = MAX_HAMMERS;
	int fd;

	while (!READ_ONCE(c->stop)) {
		/* Late, when all but making the vCPU known is done, and early. */
		fd = __vm_ioctl(c->vm, KVM_CREATE_VCPU, (void *)0ul);
		TEST_ASSERT(fd == -1 && errno == EEXIST, "returned %d, errno %d", fd, errno);
		fd = __vm_ioctl(c->vm, KVM_CREATE_VCPU, (void *)(unsigned long)INT_MAX);
		TEST_ASSERT(fd == -1 && errno == EINVAL, "returned %d, errno %d", fd, errno);
		c->failed += 2;

		if (c->succeeded < MORE_VCPUS) {
			fd = __vm_ioctl(c->vm, KVM_CREATE_VCPU, (void *)id++);
			TEST_ASSERT(fd >= 0, "KVM_CREATE_VCPU failed: %d", errno);
			close(fd);
			c->succeeded++;
		}
	}
	return NULL;
}

TEST_F(msr_filter_race, ioctl_is_synchronous)
{
	struct creator creator = { .vm = self->vm };
	pthread_t thread;
	int rounds;

	if (variant->creations)
		pthread_create(&thread, NULL, create_vcpus, &creator);

	rounds = hammer_while_filters_change(self->vcpus, MAX_HAMMERS, 500);

	WRITE_ONCE(creator.stop, true);
	if (variant->creations)
		pthread_join(thread, NULL);

	pr_info("# %d filters, %d vCPUs created, %d creations failed\n",
		rounds, creator.succeeded, creator.failed);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
