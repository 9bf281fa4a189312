// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_race_test - KVM_X86_SET_MSR_FILTER while vCPUs run
 *
 * When the ioctl returns, no vCPU makes an access that the new filter denies,
 * whether it reads or writes, whether KVM intercepts, emulates or passes through
 * the MSR, and whoever creates vCPUs, or fails to, at the same time.
 */
#include <asm/barrier.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "guest_msr.h"
#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define HAMMER_VCPUS	3
#define HAMMER_ROUNDS	200
#define HAMMER_MIN	10
#define HAMMER_MAX_MS	300
#define BURST		256

/*
 * struct tally - what a vCPU's accesses in odd generations came to
 * @denials: Denied, as they must be.
 * @violations: Made all the same.
 */
struct tally {
	uint64_t denials;
	uint64_t violations;
} __aligned(64);

/*
 * struct hammer - lives in guest memory, one copy for all vCPUs
 * @msr: The MSR to access.
 * @write: Write it, rather than read it.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @stop: No more accesses.
 * @generation: Odd from when a denying ioctl has returned to when the next is made.
 * @tallies: The vCPUs' own.
 */
static struct hammer {
	uint32_t msr;
	bool write;
	bool fep;
	bool stop;
	uint64_t generation;
	struct tally tallies[HAMMER_VCPUS];
} hammer;

/* Returns true if the MSR was read. */
static bool guest_read(void)
{
	uint64_t value;
	uint8_t vector = guest_rdmsr(hammer.msr, hammer.fep, &value);

	__GUEST_ASSERT(!vector || vector == GP_VECTOR, "RDMSR took exception %u", vector);
	return !vector && value != ANSWER_VALUE;
}

/* Returns true if the MSR was written.  Each vCPU has its own. */
static bool guest_write(void)
{
	/* With the lowest bit flipped, all values remain valid. */
	uint64_t before = rdmsr(hammer.msr);
	uint8_t vector = guest_wrmsr(hammer.msr, hammer.fep, before ^ 1);

	__GUEST_ASSERT(!vector || vector == GP_VECTOR, "WRMSR took exception %u", vector);
	return rdmsr(hammer.msr) != before;
}

/* Only what lies within one odd generation is judged: all of it was denied. */
static void guest_access(struct tally *tally)
{
	uint64_t before = READ_ONCE(hammer.generation);
	bool made;

	rmb();	/* RDMSR waits for no load, nor does a load for RDMSR. */
	made = hammer.write ? guest_write() : guest_read();
	rmb();	/* The same. */
	if (!(before & 1) || before != READ_ONCE(hammer.generation))
		return;

	if (made)
		WRITE_ONCE(tally->violations, tally->violations + 1);
	else
		WRITE_ONCE(tally->denials, tally->denials + 1);
}

/*
 * To hardware, the guest's interrupt flag is nothing to the interrupts that make
 * vCPUs leave the guest.  Some emulators hold them back while it is clear: good to
 * see whether the ioctl really waits, but not to be overdone.
 */
static void guest_hammer(struct tally *tally)
{
	int i;

	while (!READ_ONCE(hammer.stop)) {
		asm volatile("cli");
		for (i = 0; i < BURST; i++)
			guest_access(tally);
		asm volatile("sti; nop");
	}
	GUEST_DONE();
}

/* The n-th processor of those that this process may use. */
static void pin_to_cpu(int n)
{
	cpu_set_t allowed;
	int cpu;

	TEST_ASSERT(!sched_getaffinity(0, sizeof(allowed), &allowed),
		    "sched_getaffinity() failed: %d", errno);
	n %= CPU_COUNT(&allowed);
	for (cpu = 0; n || !CPU_ISSET(cpu, &allowed); cpu++)
		n -= CPU_ISSET(cpu, &allowed) ? 1 : 0;
	kvm_pin_this_task_to_pcpu(cpu);
}

/* Answer reads, and drop writes. */
static void *run_hammer(void *arg)
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

static uint64_t judged(struct tally *tally)
{
	return READ_ONCE(tally->denials) + READ_ONCE(tally->violations);
}

/* Until each vCPU has made an access that was judged, or is beyond hope. */
static void wait_for_accesses(struct hammer *h)
{
	uint64_t before[HAMMER_VCPUS];
	int i, tries;

	for (i = 0; i < HAMMER_VCPUS; i++)
		before[i] = judged(&h->tallies[i]);

	for (i = 0; i < HAMMER_VCPUS; i++) {
		for (tries = 0; judged(&h->tallies[i]) == before[i]; tries++) {
			TEST_ASSERT(tries < 100000, "vCPU %d makes no accesses", i);
			usleep(100);
		}
	}
}

/* Returns the number of times that the filter was set. */
static int swap_filters(struct kvm_vm *vm, struct hammer *h)
{
	static uint8_t no_bits;
	struct kvm_msr_filter deny = {
		.ranges = {
			{ .flags = h->write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ,
			  .base = h->msr, .nmsrs = 1, .bitmap = &no_bits },
		},
	};
	struct kvm_msr_filter none = {};
	struct timespec start, elapsed;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < HAMMER_ROUNDS; i++) {
		/* In an emulator, fewer rounds have to do. */
		elapsed = timespec_elapsed(start);
		if (i >= HAMMER_MIN && timespec_to_ns(elapsed) > HAMMER_MAX_MS * 1000000ll)
			break;

		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &deny);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		wait_for_accesses(h);
		__atomic_fetch_add(&h->generation, 1, __ATOMIC_SEQ_CST);
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &none);
		usleep(100);
	}

	return i;
}

FIXTURE(msr_filter_race)
{
	struct kvm_vcpu *vcpus[HAMMER_VCPUS];
	pthread_t threads[HAMMER_VCPUS];
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

static void create_hammers(struct _test_data_msr_filter_race *self)
{
	vm_vaddr_t tallies = (vm_vaddr_t)hammer.tallies;
	int i;

	self->vm = vm_create_with_vcpus(HAMMER_VCPUS, guest_hammer, self->vcpus);
	for (i = 0; i < HAMMER_VCPUS; i++)
		vcpu_args_set(self->vcpus[i], 1, tallies + i * sizeof(struct tally));
}

FIXTURE_SETUP(msr_filter_race)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_USER_SPACE_MSR));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	create_hammers(self);
	hammer.msr = variant->msr;
	hammer.write = variant->write;
	hammer.fep = variant->fep;
	sync_global_to_guest(self->vm, hammer);
	if (!variant->gp)
		vm_enable_cap(self->vm, KVM_CAP_X86_USER_SPACE_MSR,
			      KVM_MSR_EXIT_REASON_FILTER);
}

FIXTURE_TEARDOWN(msr_filter_race)
{
	if (self->vm)
		kvm_vm_free(self->vm);
}

static struct hammer *start_hammers(struct _test_data_msr_filter_race *self)
{
	int i;

	for (i = 0; i < HAMMER_VCPUS; i++)
		pthread_create(&self->threads[i], NULL, run_hammer, self->vcpus[i]);

	return addr_gva2hva(self->vm, (vm_vaddr_t)&hammer);
}

static void stop_hammers(struct _test_data_msr_filter_race *self, struct hammer *h)
{
	int i;

	WRITE_ONCE(h->stop, true);
	for (i = 0; i < HAMMER_VCPUS; i++)
		pthread_join(self->threads[i], NULL);

	for (i = 0; i < HAMMER_VCPUS; i++)
		TEST_ASSERT(!h->tallies[i].violations,
			    "vCPU %d made %lu accesses after they had been denied, %lu did not",
			    i, h->tallies[i].violations, h->tallies[i].denials);
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
	unsigned long id = HAMMER_VCPUS;
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
	struct hammer *h = start_hammers(self);
	pthread_t thread;
	int rounds;

	if (variant->creations)
		pthread_create(&thread, NULL, create_vcpus, &creator);

	rounds = swap_filters(self->vm, h);

	WRITE_ONCE(creator.stop, true);
	if (variant->creations)
		pthread_join(thread, NULL);
	stop_hammers(self, h);

	pr_info("# %d filters, %d vCPUs created, %d creations failed\n",
		rounds, creator.succeeded, creator.failed);
}

TEST_HARNESS_MAIN
