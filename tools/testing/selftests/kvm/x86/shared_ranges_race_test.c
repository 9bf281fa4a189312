// SPDX-License-Identifier: GPL-2.0
/*
 * shared_ranges_race_test - shared ranges while vCPUs run
 *
 * - GET returns what the list was at one moment, and no change is lost, be it a
 *   guest's or by SET.
 * - Single pages that a guest shares for DMA, and takes back, come and go without a
 *   trace, and the list remains short.
 * - A guest that shares as many ranges as it can costs no more memory than was
 *   promised, and its other vCPUs go on.
 * - Random hypercalls and SETs do to the list what they do to a bitmap.
 *
 * The argument "seed=N" makes other random numbers.
 */
#include <pthread.h>
#include <time.h>

#include "kvm_test_harness.h"
#include "shared_ranges.h"

/*
 * struct worker - lives in guest memory: what a vCPU does
 * @id: Which vCPU it is.
 * @first, @stride: Which pages it shares.
 * @depth: The most pages that it shares for DMA at a time.
 * @steps: How far it got.
 */
struct worker {
	uint64_t id;
	uint64_t first;
	uint64_t stride;
	uint64_t depth;
	uint64_t steps;
} __aligned(64);

/*
 * struct work - lives in guest memory, one copy for all vCPUs
 * @stop: No more steps.
 * @workers: The vCPUs' own.
 */
static struct work {
	bool stop;
	struct worker workers[MAX_VCPUS];
} work;

static void guest_map_page(uint64_t gfn, uint64_t attributes)
{
	GUEST_ASSERT_EQ(guest_map(gfn * PAGE_SIZE, 1, attributes), 0);
}

static void guest_step(struct worker *w)
{
	WRITE_ONCE(w->steps, w->steps + 1);
}

/*
 * struct guest - a VM
 * @nr: How many vCPUs it has.
 * @vcpus, @threads: These, and what runs them.
 * @work: What they share.
 */
struct guest {
	int nr;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	pthread_t threads[MAX_VCPUS];
	struct kvm_vm *vm;
	struct work *work;
};

static void create_guest(struct guest *g, int nr_vcpus)
{
	int i;

	g->nr = nr_vcpus;
	g->vm = vm_create_with_vcpus(nr_vcpus, NULL, g->vcpus);
	g->work = addr_gva2hva(g->vm, (uintptr_t)&work);
	for (i = 0; i < nr_vcpus; i++)
		g->work->workers[i].id = i;
}

static void set_guest_main(struct kvm_vcpu *vcpu, void (*main)(struct worker *w))
{
	vcpu_arch_set_entry_point(vcpu, main);
	vcpu_args_set(vcpu, 1, (uintptr_t)&work.workers[vcpu->id]);
}

static void start_vcpus(struct guest *g, void *(*run)(void *vcpu))
{
	int i;

	for (i = 0; i < g->nr; i++)
		pthread_create(&g->threads[i], NULL, run, g->vcpus[i]);
}

static void join_vcpus(struct guest *g)
{
	int i;

	for (i = 0; i < g->nr; i++)
		pthread_join(g->threads[i], NULL);
}

static void stop_vcpus(struct guest *g)
{
	WRITE_ONCE(g->work->stop, true);
	join_vcpus(g);
}

static void wait_for_workers(struct guest *g, uint64_t steps)
{
	int i;

	for (i = 0; i < g->nr; i++)
		wait_for_progress(&g->work->workers[i].steps, steps);
}

static long ms_since(struct timespec start)
{
	struct timespec elapsed = timespec_elapsed(start);

	return timespec_to_ns(elapsed) / 1000000;
}

FIXTURE(shared_ranges_race)
{
	struct guest guest;
};

FIXTURE_VARIANT(shared_ranges_race)
{
	int nr_vcpus;
};

FIXTURE_VARIANT_ADD(shared_ranges_race, one_vcpu) { 1 };
FIXTURE_VARIANT_ADD(shared_ranges_race, four_vcpus) { 4 };

FIXTURE_SETUP(shared_ranges_race)
{
	create_guest(&self->guest, variant->nr_vcpus);
}

FIXTURE_TEARDOWN(shared_ranges_race)
{
	kvm_vm_free(self->guest.vm);
}

/*
 * Each vCPU goes from one page to the next, on a ring of pages of its own: it always
 * shares one, or both.
 */
#define RING	16

static uint64_t page_of(const struct worker *w, uint64_t step)
{
	return w->first + step % RING * w->stride;
}

static void guest_move(struct worker *w)
{
	uint64_t step = 0;

	guest_map_page(page_of(w, step), SHARED);
	do {
		guest_map_page(page_of(w, step + 1), SHARED);
		guest_map_page(page_of(w, step), PRIVATE);
		step++;
		guest_step(w);
	} while (!READ_ONCE(work.stop));
	GUEST_DONE();
}

/* Is this what a vCPU has shared at one moment? */
static bool is_moment(const bool *shared, const struct worker *w)
{
	int step, now, next, nr = 0, moves = 0;

	for (step = 0; step < RING; step++) {
		now = shared[page_of(w, step)];
		next = shared[page_of(w, step + 1)];
		nr += now;
		moves += now && next;
	}
	return nr == 1 || (nr == 2 && moves == 1);
}

static void expect_moment(struct guest *g, const struct range_list *list)
{
	bool shared[MAX_VCPUS * RING] = {};
	uint64_t gfn, end;
	int i;

	TEST_ASSERT_EQ(list->head.flags, 0);
	for (i = 0; i < list->head.nr_ranges; i++) {
		gfn = list->ranges[i].gpa / PAGE_SIZE;
		end = gfn + list->ranges[i].size / PAGE_SIZE;
		TEST_ASSERT(end <= ARRAY_SIZE(shared), "pages up to %lu are shared", end);
		for (; gfn < end; gfn++)
			shared[gfn] = true;
	}
	for (i = 0; i < g->nr; i++)
		TEST_ASSERT(is_moment(shared, &g->work->workers[i]),
			    "vCPU %d never shared these pages at the same time", i);
}

#define MIN_MOVES	500
#define MAX_MS		1000

static void get_while_vcpus_move(struct guest *g)
{
	struct range_list lists[2];
	uint64_t generation = 0, moves = 0;
	int i, nr, nr_equal = 0;
	struct timespec start;

	enable_shared_ranges(g->vm, MAX_RANGES);
	start_vcpus(g, run_until_done);
	wait_for_workers(g, 1);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (nr = 0; ms_since(start) < MAX_MS; nr++) {
		struct range_list *now = &lists[nr % 2], *before = &lists[!(nr % 2)];

		get_list(g->vm, now);
		expect_moment(g, now);
		TEST_ASSERT(now->head.generation >= generation, "the generation went back");
		if (nr && now->head.generation == generation) {
			TEST_ASSERT(now->head.nr_ranges == before->head.nr_ranges &&
				    same_ranges(now->ranges, before->ranges, now->head.nr_ranges),
				    "another list, but the same generation");
			nr_equal++;
		}
		generation = now->head.generation;
	}
	wait_for_workers(g, MIN_MOVES);
	stop_vcpus(g);

	for (i = 0; i < g->nr; i++)
		moves += g->work->workers[i].steps;
	pr_info("# %lu moves, %d lists, %d of them again\n", moves, nr, nr_equal);

	/* Each call changed the list. */
	TEST_ASSERT_EQ(generation_of(g->vm), g->nr + 2 * moves);
	get_list(g->vm, &lists[0]);
	expect_moment(g, &lists[0]);
}

static void place_workers(struct guest *g, uint64_t distance, uint64_t stride)
{
	int i;

	for (i = 0; i < g->nr; i++) {
		g->work->workers[i].first = i * distance;
		g->work->workers[i].stride = stride;
		set_guest_main(g->vcpus[i], guest_move);
	}
}

TEST_F_TIMEOUT(shared_ranges_race, get_is_consistent, 120)
{
	place_workers(&self->guest, RING, 1);
	get_while_vcpus_move(&self->guest);
}

TEST_F_TIMEOUT(shared_ranges_race, get_is_consistent_with_interleaved_pages, 120)
{
	place_workers(&self->guest, 1, self->guest.nr);
	get_while_vcpus_move(&self->guest);
}

/* Enough for a list to be seen half-way. */
#define NR_RANGES	64

/*
 * struct setter - a thread that sets one list after the other
 * @vm: The VM.
 * @ranges: The list, which is followed by an incomplete or an empty one.
 * @stop: Ask it to end.
 * @count: How often it did.
 */
struct setter {
	struct kvm_vm *vm;
	struct kvm_x86_shared_range ranges[NR_RANGES];
	bool stop;
	int count;
};

static void *set_lists(void *arg)
{
	struct setter *s = arg;

	while (!READ_ONCE(s->stop)) {
		set_ranges(s->vm, s->ranges, NR_RANGES);
		set_incomplete(s->vm);
		set_ranges(s->vm, s->ranges, NR_RANGES);
		set_ranges(s->vm, NULL, 0);
		s->count += 4;
	}
	return NULL;
}

/* GET returns one of the lists, and the generation tells which. */
TEST(set_is_atomic)
{
	struct setter s = { .vm = vm_create_barebones() };
	struct timespec start;
	struct range_list list;
	pthread_t thread;
	int nr;

	fill_every_second(s.ranges, NR_RANGES);
	enable_shared_ranges(s.vm, NR_RANGES);
	pthread_create(&thread, NULL, set_lists, &s);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (nr = 0; ms_since(start) < MAX_MS; nr++) {
		get_list(s.vm, &list);
		TEST_ASSERT_EQ(list.head.nr_ranges, list.head.generation % 2 * NR_RANGES);
		TEST_ASSERT_EQ(list.head.flags, list.head.generation % 4 == 2);
		TEST_ASSERT(same_ranges(list.ranges, s.ranges, list.head.nr_ranges),
			    "GET returns other ranges than SET");
	}
	WRITE_ONCE(s.stop, true);
	pthread_join(thread, NULL);
	TEST_ASSERT_EQ(generation_of(s.vm), s.count);
	pr_info("# %d lists, %d of them read\n", s.count, nr);
	kvm_vm_free(s.vm);
}

/*
 * What a Linux guest does while it boots: ranges that stay, e.g. bounce buffers and
 * the pages that it has in common with the host, and among them single pages for DMA.
 */
#define NR_STATIC	20
#define NR_DMA		40
#define NR_BURSTS	100
#define SLOTS		64

static uint64_t static_gfn(int i)
{
	return 0x1000 + i * 0x8000;
}

static uint64_t static_pages(int i)
{
	return i % 4 ? 1 : 1ull << (i / 4 * 3);
}

/* The first pages of vCPU 0 touch the static ranges.  No page occurs twice in a burst. */
static uint64_t dma_gfn(const struct worker *w, int burst, int i)
{
	int nr = (burst * 3 + i) % NR_STATIC;

	return static_gfn(nr) + static_pages(nr) + w->id * SLOTS + (burst * 7 + i * 5) % SLOTS;
}

static void guest_do_dma(struct worker *w)
{
	int burst, nr, i;

	for (burst = 0; burst < NR_BURSTS; burst++) {
		nr = 1 + burst * 11 % w->depth;
		for (i = 0; i < nr; i++)
			guest_map_page(dma_gfn(w, burst, i), SHARED);
		guest_step(w);
		/* In another order. */
		for (i = 0; i < nr; i++)
			guest_map_page(dma_gfn(w, burst, burst % 2 ? i : nr - 1 - i), PRIVATE);
		guest_step(w);
	}
	GUEST_DONE();
}

/* Each static range is there, whatever else is. */
static void expect_static_ranges(const struct range_list *list)
{
	const struct kvm_x86_shared_range *r = list->ranges, *end = r + list->head.nr_ranges;
	struct kvm_x86_shared_range want;
	int i;

	for (i = 0; i < NR_STATIC; i++) {
		want = range(static_gfn(i), static_pages(i));
		while (r < end && r->gpa + r->size <= want.gpa)
			r++;
		TEST_ASSERT(r < end && r->gpa <= want.gpa &&
			    r->gpa + r->size >= want.gpa + want.size,
			    "static range %d is not shared", i);
	}
}

TEST_F_TIMEOUT(shared_ranges_race, dma, 120)
{
	struct kvm_x86_shared_range want[NR_STATIC];
	struct guest *g = &self->guest;
	struct range_list list;
	uint32_t most = 0;
	int i, nr = 0;

	/* If there ever were more, the list would be incomplete from then on. */
	enable_shared_ranges(g->vm, NR_STATIC + NR_DMA);
	for (i = 0; i < NR_STATIC; i++)
		want[i] = range(static_gfn(i), static_pages(i));
	set_ranges(g->vm, want, NR_STATIC);

	for (i = 0; i < g->nr; i++) {
		g->work->workers[i].depth = NR_DMA / g->nr;
		set_guest_main(g->vcpus[i], guest_do_dma);
	}
	start_vcpus(g, run_until_done);
	do {
		get_list(g->vm, &list);
		TEST_ASSERT_EQ(list.head.flags, 0);
		expect_static_ranges(&list);
		most = max(most, list.head.nr_ranges);
		nr++;
	} while (READ_ONCE(g->work->workers[0].steps) < 2 * NR_BURSTS);
	join_vcpus(g);

	pr_info("# %d lists of up to %u ranges\n", nr, most);
	expect_list(g->vm, want, NR_STATIC);
}

/* Every second page of a terabyte, near and far. */
#define TIB_PAGES	BIT_ULL(28)

static void guest_attack(struct worker *w)
{
	uint64_t i = w->first;

	do {
		guest_map(i * 2 * 0x1234567 % TIB_PAGES * PAGE_SIZE, 1, SHARED);
		i += w->stride;
		guest_step(w);
	} while (!READ_ONCE(work.stop));
	GUEST_DONE();
}

/* Another vCPU has to share pages, too. */
static void guest_work(struct worker *w)
{
	do {
		guest_map((TIB_PAGES + 2 * w->id) * PAGE_SIZE, 1, SHARED);
		guest_map((TIB_PAGES + 2 * w->id) * PAGE_SIZE, 1, PRIVATE);
		guest_step(w);
	} while (!READ_ONCE(work.stop));
	GUEST_DONE();
}

#define NR_ATTACKS	3
#define ATTACK_MS	30000

/* More than that is not charged: the list, and batches for two processors. */
#define MAX_CHARGE	(MAX_RANGES * 64 + 16 * 1024 + 2 * 256 * 1024)

/* Until the guest has made KVM drop the list.  Returns the most that was charged. */
static long watch_attack(struct guest *g, long before)
{
	struct timespec start;
	long most = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		wait_for_workers(g, 1);
		most = max(most, charged_bytes() - before);
		TEST_ASSERT(most <= MAX_CHARGE, "the guest made KVM use %ld bytes", most);
		TEST_ASSERT(ms_since(start) < ATTACK_MS || is_incomplete(g->vm),
			    "%u ranges, and no end", get_head(g->vm).nr_ranges);
	} while (!is_incomplete(g->vm));
	expect_incomplete(g->vm);
	return most;
}

/* Is it still incomplete, whatever the guest does? */
static void expect_end_of_attack(struct guest *g)
{
	uint64_t generation = generation_of(g->vm);

	wait_for_workers(g, 100);
	expect_incomplete(g->vm);
	TEST_ASSERT_EQ(generation_of(g->vm), generation);
}

TEST_F_TIMEOUT(shared_ranges_race, attack, 120)
{
	struct guest *g = &self->guest;
	long before, most = 0;
	int i;

	if (!enter_cgroup())
		SKIP(return, "needs root and cgroup v2 with memory controller at " CGROUP);

	for (i = 0; i < g->nr; i++) {
		g->work->workers[i].first = i / 2;
		g->work->workers[i].stride = 2;
		set_guest_main(g->vcpus[i], i % 2 ? guest_work : guest_attack);
	}
	/* What the guest itself takes is charged by then. */
	start_vcpus(g, run_until_done);
	wait_for_workers(g, 10);
	before = charged_bytes();
	enable_shared_ranges(g->vm, MAX_RANGES);
	for (i = 0; i < NR_ATTACKS; i++) {
		set_ranges(g->vm, NULL, 0);
		most = max(most, watch_attack(g, before));
	}
	expect_end_of_attack(g);
	stop_vcpus(g);
	leave_cgroup();

	for (i = 0; i < g->nr; i++)
		pr_info("# vCPU %d: %lu steps\n", i, g->work->workers[i].steps);
	pr_info("# up to %ld bytes\n", most);
}

/*
 * A model: a bitmap of the pages at both ends of memory, as if they were one after
 * the other, but for a page in between that is never shared.
 */
#define NR_LOW		1024
#define NR_HIGH		64
#define NR_PAGES	(NR_LOW + 1 + NR_HIGH)

/*
 * struct model - what the list has to be
 * @shared: The pages that are shared, and on either side one that is not.
 * @nr_ranges: How many runs of shared pages there are.
 * @bound: How many there may be.
 * @generation: How often it changed.
 * @incomplete: There were more.
 */
struct model {
	bool shared[1 + NR_PAGES + 1];
	uint32_t nr_ranges;
	uint32_t bound;
	uint64_t generation;
	bool incomplete;
};

static uint32_t seed = 1, random_state = 1;

/* Marsaglia's xorshift. */
static uint32_t next_random(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

static uint64_t model_gfn(int page)
{
	return page < NR_LOW ? page : GFN_END - NR_PAGES + page;
}

static void drop_model(struct model *m, bool incomplete)
{
	memset(m->shared, 0, sizeof(m->shared));
	m->nr_ranges = 0;
	m->incomplete = incomplete;
}

/* How many runs begin in these pages, or right after them? */
static int count_runs(const struct model *m, int first, int last)
{
	int i, nr = 0;

	for (i = first; i <= last + 1; i++)
		nr += m->shared[i + 1] && !m->shared[i];
	return nr;
}

static void model_call(struct model *m, int first, int last, bool shared)
{
	int i, runs;
	bool changed = false;

	if (m->incomplete)
		return;

	runs = count_runs(m, first, last);
	for (i = first; i <= last; i++) {
		changed |= m->shared[i + 1] != shared;
		m->shared[i + 1] = shared;
	}
	m->nr_ranges += count_runs(m, first, last) - runs;
	m->generation += changed;
	if (m->nr_ranges > m->bound)
		drop_model(m, true);
}

static uint32_t model_ranges(const struct model *m, struct kvm_x86_shared_range *ranges)
{
	uint32_t nr = 0;
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		if (!m->shared[i + 1])
			continue;
		if (!m->shared[i])
			ranges[nr++] = range(model_gfn(i), 0);
		ranges[nr - 1].size += PAGE_SIZE;
	}
	return nr;
}

static void expect_model(struct kvm_vm *vm, const struct model *m)
{
	struct kvm_x86_shared_range want[MAX_RANGES];
	uint32_t nr = model_ranges(m, want);

	TEST_ASSERT_EQ(nr, m->nr_ranges);
	TEST_ASSERT_EQ(is_incomplete(vm), m->incomplete);
	if (!m->incomplete)
		expect_list(vm, want, nr);
	TEST_ASSERT_EQ(generation_of(vm), m->generation);
}

/* A run of pages that does not cross the page which is never shared. */
static void random_pages(int from, int to, int *first, int *last)
{
	int most = next_random(8) ? 8 : 128, end = to;

	*first = from + next_random(to - from);
	if (*first == NR_LOW)
		++*first;
	if (*first < NR_LOW)
		end = min(end, NR_LOW);
	*last = min(*first + (int)next_random(most), end - 1);
}

/* Arguments that KVM must refuse. */
static void break_call(struct map_call *c)
{
	switch (next_random(4)) {
	case 0:
		c->gpa += 1 + next_random(PAGE_SIZE - 1);
		break;
	case 1:
		c->npages = 0;
		break;
	case 2:
		/* The end wraps to page 0. */
		c->npages = -(c->gpa / PAGE_SIZE);
		break;
	default:
		c->attributes |= BIT_ULL(5 + next_random(59));
	}
	c->ret = -KVM_EINVAL;
}

/* A call for pages from @from up to @to, and what it does to the model. */
static struct map_call random_call(struct model *m, int from, int to)
{
	bool shared = next_random(2);
	struct map_call c = {};
	int first, last;

	random_pages(from, to, &first, &last);
	c.gpa = model_gfn(first) * PAGE_SIZE;
	c.npages = last - first + 1;
	c.attributes = (shared ? SHARED : PRIVATE) | next_random(3);
	if (!next_random(32)) {
		break_call(&c);
		return c;
	}

	/* There is nothing after the last page. */
	if (last == NR_PAGES - 1)
		c.npages += next_random(2) * next_random(1000);
	model_call(m, first, last, shared);
	return c;
}

/* SET, with as many pages as there may be, none, or incomplete. */
static void random_set(struct kvm_vm *vm, struct model *m)
{
	struct kvm_x86_shared_range ranges[MAX_RANGES];
	int first, last, nr = next_random(3) ? next_random(100) : 0;
	uint64_t generation = m->generation + 1;

	if (!next_random(4)) {
		set_incomplete(vm);
		drop_model(m, true);
	} else {
		drop_model(m, false);
		while (nr-- && m->nr_ranges < m->bound) {
			random_pages(0, NR_PAGES, &first, &last);
			model_call(m, first, last, true);
		}
		nr = model_ranges(m, ranges);
		set_ranges(vm, ranges, nr);
	}
	m->generation = generation;
}

/* What the calls are to return is what they hold. */
static void fill_batch(struct map_batch *b, struct map_call *want, int nr, struct model *m,
		       int from, int to)
{
	int i;

	b->nr = nr;
	for (i = 0; i < nr; i++) {
		want[i] = random_call(m, from, to);
		b->calls[i] = want[i];
		b->calls[i].ret = INT64_MIN;
	}
}

static void expect_batch(const struct map_batch *b, const struct map_call *want)
{
	int i;

	for (i = 0; i < b->nr; i++)
		TEST_ASSERT(b->calls[i].ret == want[i].ret,
			    "gpa 0x%lx, %lu pages, attributes 0x%lx: returned %ld, not %ld",
			    want[i].gpa, want[i].npages, want[i].attributes, b->calls[i].ret,
			    want[i].ret);
}

static void *run_batch_in_thread(void *vcpu)
{
	run_batch(vcpu);
	return NULL;
}

/* A batch for each vCPU, which has pages of its own: their order does not matter. */
static void run_round(struct guest *g, struct model *m, int nr_calls)
{
	struct map_call want[MAX_VCPUS][MAX_CALLS];
	int i, pages = NR_PAGES / g->nr;

	for (i = 0; i < g->nr; i++)
		fill_batch(batch_of(g->vcpus[i]), want[i], nr_calls, m, i * pages,
			   i == g->nr - 1 ? NR_PAGES : (i + 1) * pages);
	start_vcpus(g, run_batch_in_thread);
	join_vcpus(g);
	for (i = 0; i < g->nr; i++)
		expect_batch(batch_of(g->vcpus[i]), want[i]);
	expect_model(g->vm, m);
}

FIXTURE(random_operations)
{
	struct guest guest;
};

FIXTURE_VARIANT(random_operations)
{
	int nr_vcpus;
	uint32_t bound;
	int max_batch;
	int nr_calls;
};

/* A bound that is small is soon exceeded. */
FIXTURE_VARIANT_ADD(random_operations, one_range) { 1, 1, 4, 2500 };
FIXTURE_VARIANT_ADD(random_operations, few_ranges) { 1, 8, 20, 8000 };
FIXTURE_VARIANT_ADD(random_operations, some_ranges) { 1, 40, 100, 17000 };
FIXTURE_VARIANT_ADD(random_operations, max_ranges) { 1, MAX_RANGES, 250, 22500 };

/* When it is exceeded depends on the order of the calls: do not. */
FIXTURE_VARIANT_ADD(random_operations, four_vcpus) { 4, MAX_RANGES, 250, 50000 };

FIXTURE_SETUP(random_operations)
{
	int i;

	create_guest(&self->guest, variant->nr_vcpus);
	for (i = 0; i < variant->nr_vcpus; i++) {
		vcpu_arch_set_entry_point(self->guest.vcpus[i], map_vcpu_main);
		vcpu_args_set(self->guest.vcpus[i], 1, (uintptr_t)&map_batches[i]);
	}
	enable_shared_ranges(self->guest.vm, variant->bound);
}

FIXTURE_TEARDOWN(random_operations)
{
	kvm_vm_free(self->guest.vm);
}

TEST_F_TIMEOUT(random_operations, agree_with_bitmap, 120)
{
	struct model m = { .bound = variant->bound };
	int nr = 0, sets = 0, incomplete = 0, batch;

	while (nr < variant->nr_calls) {
		batch = 1 + next_random(variant->max_batch);
		run_round(&self->guest, &m, batch);
		nr += self->guest.nr * batch;
		incomplete += m.incomplete;
		if (m.incomplete || !next_random(4)) {
			random_set(self->guest.vm, &m);
			expect_model(self->guest.vm, &m);
			sets++;
		}
	}
	pr_info("# seed %u: %d calls, %d SETs, %d times incomplete\n", seed, nr, sets,
		incomplete);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SHARED_RANGES));

	/* The rest is for the harness. */
	if (argc > 1 && sscanf(argv[1], "seed=%u", &seed) == 1 && seed) {
		random_state = seed;
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	return test_harness_run(argc, argv);
}
