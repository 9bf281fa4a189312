// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_lifetime_test - KVM_X86_SET_MSR_FILTER while vCPUs and VMs come and go
 *
 * - A vCPU that is created while the filter is set obeys it, whichever comes first.
 * - So do the vCPUs of a VM in which creations fail.
 * - The ioctl may outlive the VM's file descriptors, and the filter does as long as
 *   a vCPU does.
 * - Threads may be killed in the midst of it all.
 *
 * No vCPU runs while the filter is set; for that, see msr_filter_race_test.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm_test_harness.h"
#include "msr_test.h"

/* Passed through to hardware, so that intercepts have to follow. */
#define MSR_DENIED	MSR_KERNEL_GS_BASE
#define MSR_ALLOWED	MSR_FS_BASE

/* An emulator may take 100 times as long as hardware: bound time, not rounds. */
#define MAX_S		4
#define MAX_CREATION_S	8
#define MAX_US		2000
#define MAX_LAG_NS	50000

static struct kvm_msr_filter none, deny_read = {
	.ranges[0] = { .flags = READ, .base = MSR_DENIED, .nmsrs = 1,
		       .bitmap = msr_filter_no_bits },
	/* Out of the way, but long to copy. */
	.ranges[1] = { .flags = WRITE, .base = 0x10000000, .nmsrs = MAX_NMSRS,
		       .bitmap = msr_filter_no_bits },
};

static void expect_denied(struct kvm_vcpu *vcpu)
{
	expect_gp(vcpu, MSR_DENIED);
	expect_read(vcpu, MSR_ALLOWED, 0);
}

static bool in_time(time_t start, int seconds)
{
	return time(NULL) < start + seconds;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return timespec_to_ns(now);
}

/*
 * struct creation - of a vCPU, by another thread
 * @vm: The VM.
 * @id: The vCPU's number.
 * @started: Set by the thread when it starts.
 * @held: Set by the thread that is about to hold the VM's lock.
 * @took_ns: How long it took, the last time.
 */
static struct creation {
	struct kvm_vm *vm;
	uint32_t id;
	bool started;
	bool held;
	uint64_t took_ns;
} creation;

static void *create_vcpu(void *arg)
{
	struct creation *c = arg;
	uint64_t start = now_ns();
	struct kvm_vcpu *vcpu;

	WRITE_ONCE(c->started, true);
	vcpu = vm_vcpu_add(c->vm, c->id, msr_guest_main);
	c->took_ns = now_ns() - start;
	return vcpu;
}

/*
 * Creation derives the intercepts long before it takes the VM's lock to make the vCPU
 * known.  To get a filter in between, have something else hold that lock for long:
 * creating a PIT does, as it starts a thread.
 */
static void *hold_lock(void *arg)
{
	struct kvm_pit_config pit = {};
	struct creation *c = arg;

	WRITE_ONCE(c->held, true);
	vm_ioctl(c->vm, KVM_CREATE_PIT2, &pit);
	return NULL;
}

static void spin_until(uint64_t ns)
{
	while (now_ns() < ns)
		continue;
}

static void wait_for(bool *flag)
{
	while (!READ_ONCE(*flag))
		sched_yield();
}

static void set_filter_while_creating(struct creation *c)
{
	uint64_t pause_ns = random() % (c->took_ns + 1);
	pthread_t creator, holder;
	struct kvm_vcpu *vcpu;

	c->started = false;
	c->held = false;
	pthread_create(&creator, NULL, create_vcpu, c);
	wait_for(&c->started);
	spin_until(now_ns() + pause_ns);
	pthread_create(&holder, NULL, hold_lock, c);
	wait_for(&c->held);
	spin_until(now_ns() + random() % MAX_LAG_NS);
	set_filter(c->vm, deny_read);
	pthread_join(holder, NULL);
	pthread_join(creator, (void **)&vcpu);

	expect_denied(vcpu);
}

/* The first of a VM's vCPUs, or the second: the ioctl waits only if there is one. */
TEST(vcpu_being_created)
{
	time_t start = time(NULL);
	int rounds;

	for (rounds = 0; in_time(start, MAX_CREATION_S); rounds++) {
		creation.vm = vm_create(2);
		creation.id = rounds % 2;
		if (creation.id)
			vm_vcpu_add(creation.vm, 0, msr_guest_main);
		set_filter_while_creating(&creation);
		kvm_vm_free(creation.vm);
	}

	pr_info("# %d vCPUs created\n", rounds);
}

/*
 * struct setter - a thread that sets filters
 * @fd: The VM's file descriptor.
 * @stop: Ask it to end.
 * @count: How many filters it set.
 */
struct setter {
	int fd;
	bool stop;
	int count;
};

/* The last filter denies.  A descriptor that is closed ends it as well. */
static void *set_filters(void *arg)
{
	struct setter *s = arg;
	int r = 0;

	while (!r && !READ_ONCE(s->stop)) {
		r = ioctl(s->fd, KVM_X86_SET_MSR_FILTER, &none);
		if (!r)
			r = ioctl(s->fd, KVM_X86_SET_MSR_FILTER, &deny_read);
		s->count++;
	}

	TEST_ASSERT(!r || errno == EBADF, "KVM_X86_SET_MSR_FILTER failed: %d", errno);
	return NULL;
}

static void expect_no_vcpu(int fd, unsigned long id, int err)
{
	int r = ioctl(fd, KVM_CREATE_VCPU, id);

	TEST_ASSERT(r == -1 && errno == err, "vCPU %lu: returned %d, errno %d",
		    id, r, errno);
}

#define MORE_VCPUS	8

TEST(creation_fails)
{
	struct kvm_vcpu *vcpus[1 + MORE_VCPUS];
	struct kvm_vm *vm = vm_create(1 + MORE_VCPUS);
	struct setter setter = { .fd = vm->fd };
	time_t start = time(NULL);
	int i, nr = 0, rounds = 0;
	pthread_t thread;

	vcpus[nr++] = vm_vcpu_add(vm, 0, msr_guest_main);
	pthread_create(&thread, NULL, set_filters, &setter);
	for (; in_time(start, MAX_S); rounds++) {
		/* Late, when all but making the vCPU known is done, and early. */
		expect_no_vcpu(vm->fd, 0, EEXIST);
		expect_no_vcpu(vm->fd, INT_MAX, EINVAL);
		if (nr < ARRAY_SIZE(vcpus)) {
			vcpus[nr] = vm_vcpu_add(vm, nr, msr_guest_main);
			nr++;
		}
	}
	WRITE_ONCE(setter.stop, true);
	pthread_join(thread, NULL);

	for (i = 0; i < nr; i++)
		expect_denied(vcpus[i]);
	kvm_vm_free(vm);
	pr_info("# %d filters, %d creations failed\n", 2 * setter.count, 2 * rounds);
}

/* The VM lives as long as one of its vCPUs, and its policy does. */
TEST(vcpu_outlives_vm_fd)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, msr_guest_main);

	set_filter(vm, deny_read);
	close(vm->fd);
	expect_denied(vcpu);
	expect_denied(vcpu);

	/* The library's own goodbye needs the descriptor; the process's end does not. */
}

/* A VM by its descriptors: itself twice, and a vCPU. */
struct fds {
	int vm;
	int dup;
	int vcpu;
};

static struct fds open_fds(void)
{
	int kvm = open_kvm_dev_path_or_exit();
	struct fds fds = { .vm = ioctl(kvm, KVM_CREATE_VM, 0) };

	TEST_ASSERT(fds.vm >= 0, "KVM_CREATE_VM failed: %d", errno);
	fds.dup = dup(fds.vm);
	fds.vcpu = ioctl(fds.vm, KVM_CREATE_VCPU, 0);
	TEST_ASSERT(fds.dup >= 0 && fds.vcpu >= 0, "dup() or KVM_CREATE_VCPU failed: %d",
		    errno);
	close(kvm);
	return fds;
}

/* Close the descriptors in one of six orders, while a filter is being set through one. */
static void tear_down(int round, int *filters)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	const int *order = orders[round % ARRAY_SIZE(orders)];
	struct fds fds = open_fds();
	int all[] = { fds.vm, fds.dup, fds.vcpu };
	struct setter setter = { .fd = round & 1 ? fds.vm : fds.dup };
	pthread_t thread;
	int i;

	pthread_create(&thread, NULL, set_filters, &setter);
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		usleep(random() % MAX_US);
		close(all[order[i]]);
	}
	pthread_join(thread, NULL);
	*filters += setter.count;
}

TEST(teardown)
{
	time_t start = time(NULL);
	int rounds, filters = 0;

	for (rounds = 0; in_time(start, MAX_S); rounds++)
		tear_down(rounds, &filters);

	pr_info("# %d VMs, %d filters\n", rounds, 2 * filters);
	TEST_ASSERT(filters > rounds, "the filter was hardly ever being set");
}

/* Everything at once: filters, creations that fail and that succeed, teardown. */
static void live_dangerously(void)
{
	struct fds fds = open_fds();
	struct setter setters[] = { { .fd = fds.vm }, { .fd = fds.dup } };
	unsigned long id = 1;
	pthread_t threads[2];
	int i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, set_filters, &setters[i]);

	for (i = 0; i < 20; i++) {
		expect_no_vcpu(fds.dup, 0, EEXIST);
		ioctl(fds.dup, KVM_CREATE_VCPU, id++);
	}

	close(fds.vm);
	close(fds.dup);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	/* Their descriptors go with the process. */
}

static void kill_child(void)
{
	int status;
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, "fork() failed: %d", errno);
	if (!pid) {
		for (;;)
			live_dangerously();
	}

	usleep(random() % 50000);
	kill(pid, SIGKILL);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed: %d", errno);
	TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		    "the child ended by itself, with status 0x%x", status);
}

TEST(sigkill)
{
	time_t start = time(NULL);
	int rounds;

	for (rounds = 0; in_time(start, MAX_S); rounds++)
		kill_child();

	pr_info("# %d children killed\n", rounds);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
