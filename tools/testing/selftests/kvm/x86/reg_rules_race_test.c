// SPDX-License-Identifier: GPL-2.0
/*
 * reg_rules_race_test - KVM_X86_SET_REG_RULES while vCPUs run
 *
 * A list replaces another as a whole: a vCPU that has seen one rule of the new list
 * sees no rule of the old one again, there is no moment without a list, and when
 * the ioctl has returned, nobody sees the old list, be it that KVM intercepts,
 * emulates or passes through the MSRs, and whoever sets the MSR filter meanwhile.
 *
 * Until the ioctl returns, however, a vCPU may still read without KVM what the old
 * list allows, after it has read what only the new one does.
 */
#include <asm/barrier.h>
#include <pthread.h>
#include <time.h>

#include "kvm_test_harness.h"
#include "reg_rules.h"

#define NR_VCPUS	2
#define MAX_ROUNDS	400
#define MIN_ROUNDS	20
#define MAX_MS		500
#define BURST		64

/* The first MSR, the second, and the first again, to see either change first. */
#define NR_READS	3

/* What a read counts as that no list explains. */
#define NO_LIST		UINT64_MAX

/*
 * struct sighting - what a vCPU saw in a row
 * @finished: The latest list that had been set before.
 * @lists: The lists that were in force as the MSRs were read.
 * @started: The latest list that had been about to be set after.
 */
struct sighting {
	uint64_t finished;
	uint64_t lists[NR_READS];
	uint64_t started;
};

/*
 * struct tally - of a vCPU's sightings
 * @nr: How many were checked.
 * @nr_bad: How many of them must not be.
 * @bad: The latest of those.
 */
struct tally {
	uint64_t nr;
	uint64_t nr_bad;
	struct sighting bad;
} __aligned(64);

/*
 * struct watch - lives in guest memory, one copy for all vCPUs
 * @msrs: The two MSRs to read.
 * @allows_one: List n allows the read of @msrs[n % 2], and only that; else both read
 *	as n.
 * @max_pending: How many lists may be being set, for what is seen to be checked.
 * @fep: Have KVM emulate the instruction (forced emulation prefix).
 * @stop: No more reads.
 * @started: The number of the latest list that is about to be set.
 * @finished: The number of the latest list that has been set.
 * @tallies: The vCPUs' own.
 */
static struct watch {
	uint32_t msrs[2];
	bool allows_one;
	uint64_t max_pending;
	bool fep;
	bool stop;
	uint64_t started;
	uint64_t finished;
	struct tally tallies[NR_VCPUS];
} watch;

/*
 * The list that was in force, by what a read of @msrs[@i] came to: of lists that allow
 * one MSR, the first from @finished on that allows it, or does not.
 */
static uint64_t guest_read(int i, uint64_t finished)
{
	uint64_t value;
	uint8_t vector = guest_rdmsr(watch.msrs[i], watch.fep, &value);

	__GUEST_ASSERT(!vector || vector == GP_VECTOR, "RDMSR took exception %u", vector);
	if (watch.allows_one)
		return finished + ((finished + i + !!vector) % 2);

	return vector ? NO_LIST : value;
}

static struct sighting guest_see(void)
{
	struct sighting s;
	int i;

	s.finished = READ_ONCE(watch.finished);
	for (i = 0; i < NR_READS; i++) {
		rmb();	/* RDMSR waits for no load, nor does a load for RDMSR. */
		s.lists[i] = guest_read(i % 2, s.finished);
	}
	rmb();	/* The same. */
	s.started = READ_ONCE(watch.started);
	return s;
}

/* Time does not run backwards. */
static bool lists_ascend(const struct sighting *s)
{
	uint64_t latest = s->finished;
	int i;

	for (i = 0; i < NR_READS; i++) {
		if (s->lists[i] < latest)
			return false;
		latest = s->lists[i];
	}

	return latest <= s->started;
}

static void guest_check(struct tally *tally, const struct sighting *s)
{
	if (s->started - s->finished > watch.max_pending)
		return;

	if (!lists_ascend(s)) {
		tally->bad = *s;
		WRITE_ONCE(tally->nr_bad, tally->nr_bad + 1);
	}
	WRITE_ONCE(tally->nr, tally->nr + 1);
}

/*
 * Some emulators do not let interrupts make a vCPU leave the guest while the guest's
 * interrupt flag is clear: good to see whether the ioctl waits, but not for long.
 */
static void guest_watch(struct tally *tally)
{
	struct sighting s;
	int i;

	while (!READ_ONCE(watch.stop)) {
		asm volatile("cli");
		for (i = 0; i < BURST; i++) {
			s = guest_see();
			guest_check(tally, &s);
		}
		asm volatile("sti; nop");
	}
	GUEST_DONE();
}

/*
 * struct filterer - a thread that sets the MSR filter
 * @vm: The VM.
 * @stop: Ask it to end.
 * @count: How often it did.
 */
struct filterer {
	struct kvm_vm *vm;
	bool stop;
	int count;
};

/* Neither MSR is what it filters. */
static void *set_filters(void *arg)
{
	struct filterer *f = arg;

	while (!READ_ONCE(f->stop)) {
		set_filter(f->vm, deny_range(MSR_LSTAR, 1, READ | WRITE));
		remove_filter(f->vm);
		f->count += 2;
	}
	return NULL;
}

FIXTURE(reg_rules_race)
{
	struct kvm_vcpu *vcpus[NR_VCPUS];
	pthread_t threads[NR_VCPUS];
	struct kvm_vm *vm;
	struct watch *watch;
};

FIXTURE_VARIANT(reg_rules_race)
{
	uint32_t msrs[2];
	bool allows_one;
	uint64_t max_pending;
	bool fep;
	bool filters;
};

/* The values tell the lists apart, however many there are. */
FIXTURE_VARIANT_ADD(reg_rules_race, ignore_passthrough)
{
	.msrs = { MSR_PASSTHROUGH, MSR_FS_BASE }, .max_pending = UINT64_MAX,
};

FIXTURE_VARIANT_ADD(reg_rules_race, ignore_intercepted)
{
	.msrs = { MSR_UNKNOWN, MSR_INTERCEPTED }, .max_pending = UINT64_MAX,
};

FIXTURE_VARIANT_ADD(reg_rules_race, ignore_emulated)
{
	.msrs = { MSR_PASSTHROUGH, MSR_INTERCEPTED }, .max_pending = UINT64_MAX,
	.fep = true,
};

FIXTURE_VARIANT_ADD(reg_rules_race, ignore_among_filters)
{
	.msrs = { MSR_PASSTHROUGH, MSR_INTERCEPTED }, .max_pending = UINT64_MAX,
	.filters = true,
};

/* Of two lists it can be told which allowed a read, but not of more. */
FIXTURE_VARIANT_ADD(reg_rules_race, allow_intercepted)
{
	.msrs = { MSR_INTERCEPTED, MSR_EFER }, .allows_one = true, .max_pending = 1,
};

FIXTURE_VARIANT_ADD(reg_rules_race, allow_emulated)
{
	.msrs = { MSR_PASSTHROUGH, MSR_INTERCEPTED }, .allows_one = true,
	.max_pending = 1, .fep = true,
};

/* Hardware follows: only when a list has been set, the one before is gone. */
FIXTURE_VARIANT_ADD(reg_rules_race, allow_passthrough)
{
	.msrs = { MSR_PASSTHROUGH, MSR_FS_BASE }, .allows_one = true, .max_pending = 0,
};

FIXTURE_VARIANT_ADD(reg_rules_race, allow_among_filters)
{
	.msrs = { MSR_PASSTHROUGH, MSR_FS_BASE }, .allows_one = true, .max_pending = 0,
	.filters = true,
};

FIXTURE_SETUP(reg_rules_race)
{
	uint64_t tallies = (uintptr_t)watch.tallies;
	int i;

	if (variant->fep && !kvm_is_forced_emulation_enabled())
		SKIP(return, "needs kvm.force_emulation_prefix=1");

	self->vm = vm_create_with_vcpus(NR_VCPUS, guest_watch, self->vcpus);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_args_set(self->vcpus[i], 1, tallies + i * sizeof(struct tally));

	memcpy(watch.msrs, variant->msrs, sizeof(watch.msrs));
	watch.allows_one = variant->allows_one;
	watch.max_pending = variant->max_pending;
	watch.fep = variant->fep;
	sync_global_to_guest(self->vm, watch);
	self->watch = addr_gva2hva(self->vm, (uintptr_t)&watch);
}

FIXTURE_TEARDOWN(reg_rules_race)
{
	kvm_vm_free(self->vm);
}

static void set_list(struct kvm_vm *vm, struct watch *w, uint64_t n)
{
	struct kvm_x86_reg_rule rules[] = {
		ignore(w->msrs[0], w->msrs[0], n),
		ignore(w->msrs[1], w->msrs[1], n),
	};
	bool odd = n % 2;

	if (w->allows_one) {
		rules[odd] = rule(w->msrs[odd], READ | WRITE, KVM_X86_REG_RULE_ALLOW);
		rules[!odd] = rule(w->msrs[!odd], READ | WRITE, KVM_X86_REG_RULE_GP);
	}

	__atomic_store_n(&w->started, n, __ATOMIC_SEQ_CST);
	set_rules(vm, rules, ARRAY_SIZE(rules), KVM_X86_REG_RULE_GP);
	__atomic_store_n(&w->finished, n, __ATOMIC_SEQ_CST);
}

/* Every other list stays until all have seen it.  Returns the number of lists. */
static uint64_t replace_lists(struct kvm_vm *vm, struct watch *w)
{
	struct timespec start, elapsed;
	uint64_t n;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (n = 2; n < MAX_ROUNDS; n++) {
		/* In an emulator, fewer rounds have to do. */
		elapsed = timespec_elapsed(start);
		if (n >= MIN_ROUNDS && timespec_to_ns(elapsed) > MAX_MS * 1000000ll)
			break;

		set_list(vm, w, n);
		for (i = 0; n % 4 < 2 && i < NR_VCPUS; i++)
			wait_for_progress(&w->tallies[i].nr, 1);
	}

	return n - 1;
}

static void expect_none_bad(struct watch *w, uint64_t lists)
{
	uint64_t nr = 0;
	int i;

	for (i = 0; i < NR_VCPUS; i++) {
		struct tally *t = &w->tallies[i];

		nr += t->nr;
		TEST_ASSERT(!t->nr_bad,
			    "vCPU %d: %lu of %lu must not be, e.g. lists %lu, %lu, %lu between %lu and %lu",
			    i, t->nr_bad, t->nr, t->bad.lists[0], t->bad.lists[1],
			    t->bad.lists[2], t->bad.finished, t->bad.started);
	}
	pr_info("# %lu lists, %lu sightings", lists, nr);
}

TEST_F(reg_rules_race, set_is_atomic_and_synchronous)
{
	struct filterer filterer = { .vm = self->vm };
	pthread_t thread;
	uint64_t lists;
	int i;

	set_list(self->vm, self->watch, 1);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_create(&self->threads[i], NULL, run_until_done, self->vcpus[i]);
	if (variant->filters)
		pthread_create(&thread, NULL, set_filters, &filterer);

	lists = replace_lists(self->vm, self->watch);

	WRITE_ONCE(filterer.stop, true);
	if (variant->filters)
		pthread_join(thread, NULL);
	WRITE_ONCE(self->watch->stop, true);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(self->threads[i], NULL);

	expect_none_bad(self->watch, lists);
	pr_info(", %d filters\n", filterer.count);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_REG_RULES));
	return test_harness_run(argc, argv);
}
