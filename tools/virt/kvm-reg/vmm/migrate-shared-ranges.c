// SPDX-License-Identifier: GPL-2.0
/*
 * Migrate a VM whose guest shares pages with its host, with the list that KVM keeps of
 * them: here between two VMs of one process.
 *
 * All from MAX_RANGES to migrate() knows no more of this program than what struct
 * migration has: copy it.  The reference, Documentation/virt/kvm/x86/shared-ranges.rst,
 * shows it as it is here.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"
#include "share-guest.h"

/* A Linux guest has some 60.  Each costs the host 48 bytes. */
#define MAX_RANGES	100
#define GUEST_PAGE	4096

struct shared_list {
	struct kvm_x86_shared_ranges head;
	struct kvm_x86_shared_range ranges[MAX_RANGES];
};

/* For each VM, before its vCPUs run: the list lacks what was shared before. */
static void enable_list(int vm)
{
	struct kvm_enable_cap cap = {};

	if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SHARED_RANGES) < MAX_RANGES)
		errx(2, "KVM_CAP_X86_SHARED_RANGES: not in this kernel");

	cap.cap = KVM_CAP_X86_SHARED_RANGES;
	cap.args[0] = MAX_RANGES;
	if (ioctl(vm, KVM_ENABLE_CAP, &cap))
		err(2, "KVM_CAP_X86_SHARED_RANGES");
}

/* Answer KVM_EXIT_HYPERCALL.  KVM records the call when KVM_RUN is called again. */
static void answer_call(struct kvm_run *run, bool is_converted)
{
	run->hypercall.ret = is_converted ? 0 : EINVAL;
}

static void get_list(int vm, struct shared_list *list)
{
	struct kvm_x86_shared_ranges head = {
		.nr_ranges = MAX_RANGES,
		.ranges = (unsigned long)list->ranges,
	};

	/* The VM cannot have more: there is no E2BIG. */
	if (ioctl(vm, KVM_X86_GET_SHARED_RANGES, &head))
		err(2, "KVM_X86_GET_SHARED_RANGES");
	list->head = head;
}

/* Before the vCPUs run.  The list may come from another process, or another machine. */
static void set_list(int vm, const struct shared_list *list)
{
	struct kvm_x86_shared_ranges head = {
		.flags = list->head.flags,
		.nr_ranges = list->head.nr_ranges,
		.ranges = (unsigned long)list->ranges,
	};

	if (ioctl(vm, KVM_X86_SET_SHARED_RANGES, &head))
		err(2, "KVM_X86_SET_SHARED_RANGES");
}

/* With stopped vCPUs.  After a reset, firmware and kernel take all for private. */
static void reset_list(int vm)
{
	struct kvm_x86_shared_ranges none = {};

	if (ioctl(vm, KVM_X86_SET_SHARED_RANGES, &none))
		err(2, "KVM_X86_SET_SHARED_RANGES");
}

/* Has the VM's list changed since get_list()? */
static bool has_changed(int vm, const struct shared_list *list)
{
	struct kvm_x86_shared_ranges head = {};

	/* Without room for the ranges, this fails, but returns all else. */
	if (ioctl(vm, KVM_X86_GET_SHARED_RANGES, &head) && errno != E2BIG)
		err(2, "KVM_X86_GET_SHARED_RANGES");

	return head.generation != list->head.generation;
}

static bool is_shared(const struct shared_list *list, __u64 gpa)
{
	__u32 low = 0, high = list->head.nr_ranges, middle;

	while (low < high) {
		const struct kvm_x86_shared_range *range;

		middle = low + (high - low) / 2;
		range = &list->ranges[middle];
		if (gpa < range->gpa)
			high = middle;
		else if (gpa - range->gpa >= range->size)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* What a VMM has for any migration */
struct migration {
	int vm;
	__u64 end;			/* of the guest's memory */
	struct shared_list list;	/* by which the pages were sent last */

	/* Get the dirty log.  False: little is left to send, stop the vCPUs. */
	bool (*next_pass)(struct migration *m);
	/* Complete their exits, too, and get the rest of the dirty log. */
	void (*stop_vcpus)(struct migration *m);
	/* Since the page was sent last */
	bool (*is_dirty)(struct migration *m, __u64 gpa);
	/* A shared page as it is, a private one by the firmware, e.g. SEV's */
	void (*send_page)(struct migration *m, __u64 gpa, bool shared);
};

/* False if nobody knows which pages are shared. */
static bool send_pass(struct migration *m, bool is_first)
{
	struct shared_list list = m->list;
	bool shared;
	__u64 gpa;

	if (is_first || has_changed(m->vm, &list))
		get_list(m->vm, &list);
	if (list.head.flags & KVM_X86_SHARED_RANGES_INCOMPLETE)
		return false;

	/* A page that was sent as private, and is now shared, was sent wrong. */
	for (gpa = 0; gpa < m->end; gpa += GUEST_PAGE) {
		shared = is_shared(&list, gpa);
		if (is_first || m->is_dirty(m, gpa) || shared != is_shared(&m->list, gpa))
			m->send_page(m, gpa, shared);
	}
	m->list = list;
	return true;
}

/*
 * With the dirty log enabled.  True: m->list is for set_list() on the destination.
 * False: let the VM run on here.
 */
static bool migrate(struct migration *m)
{
	if (!send_pass(m, true))
		return false;

	while (m->next_pass(m)) {
		if (!send_pass(m, false))
			return false;
	}

	/* vCPUs that do not run make no calls: this is the list to restore. */
	m->stop_vcpus(m);
	return send_pass(m, false);
}

#define SLOT_BYTES	(NR_BUFFERS * GUEST_PAGE)	/* of the second slot, with the buffers */
#define MEMORY_END	(BUFFERS + SLOT_BYTES)
#define NR_PAGES	(MEMORY_END / GUEST_PAGE)

#define MANY_CALLS	2000		/* share and unshare nearly all buffers */
#define TIMEOUT_S	120		/* for what takes a second on emulated machines */

static const char usage[] =
	"Usage: migrate-shared-ranges [--help]\n"
	"\n"
	"Show what KVM's list of shared ranges is for: a guest shares pages with its host and\n"
	"unshares them by the hypercall KVM_HC_MAP_GPA_RANGE, and is migrated to a second VM\n"
	"meanwhile.  There it goes on, starts another kernel, is reset, and shares so much that\n"
	"KVM drops the list.  The guest keeps an account, with which each list is compared.  All\n"
	"of it is done twice: KVM answers the hypercalls, and then userspace.\n"
	"\n"
	"Needs /dev/kvm and a kernel with KVM_CAP_X86_SHARED_RANGES.\n"
	"\n"
	"Exit status: 0 all as it has to be, 1 some not, 2 could not run.\n";

struct machine {
	struct vmm vm;
	struct vmm_vcpu *vcpu;
	unsigned char *buffers;
	pthread_t thread;
	atomic_bool stops;
	atomic_uint command;	/* that the guest gets next, and again until it is replaced */
	atomic_uint idles;	/* how often it has got DO_NOTHING */
	atomic_uint exits;	/* KVM_EXIT_HYPERCALL */
};

static int wrong;

/* Print what has to be true if it is not. */
static void check(bool is_right, const char *what)
{
	if (is_right)
		return;
	printf("  ^^^^^ not as it has to be: %s\n", what);
	wrong++;
}

static unsigned char *page(const struct machine *m, __u64 gpa)
{
	return gpa < BUFFERS ? m->vm.memory + gpa : m->buffers + (gpa - BUFFERS);
}

static __u32 nr_calls(const struct machine *m)
{
	return __atomic_load_n((__u32 *)(m->vm.memory + GUEST_CALLS), __ATOMIC_ACQUIRE);
}

static void set_slot(struct machine *m, __u32 slot, __u64 gpa, __u64 size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)page(m, gpa),
	};

	if (ioctl(m->vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		err(VMM_FAILED, "KVM_SET_USER_MEMORY_REGION");
}

static void set_slots(struct machine *m, __u32 flags)
{
	set_slot(m, 0, 0, GUEST_SIZE, flags);
	set_slot(m, 1, BUFFERS, SLOT_BYTES, flags);
}

static void create(struct machine *m, bool exits)
{
	memset(m, 0, sizeof(*m));
	vmm_create_supported(&m->vm);
	m->vcpu = &m->vm.vcpus[0];
	m->buffers = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);
	if (m->buffers == MAP_FAILED)
		err(VMM_FAILED, "mmap of guest memory");
	set_slots(m, 0);
	enable_list(m->vm.vm_fd);
	if (exits)
		vmm_set_share_exits(&m->vm);
}

static void destroy(struct machine *m)
{
	vmm_destroy(&m->vm);
	munmap(m->buffers, SLOT_BYTES);
}

static __u8 next_command(struct machine *m)
{
	unsigned int command = atomic_load(&m->command);

	if (command == DO_NOTHING) {
		atomic_fetch_add(&m->idles, 1);
		usleep(100);
	} else if (command != DO_WORK) {
		atomic_store(&m->command, DO_NOTHING);
	}
	return command;
}

static void handle_port(struct machine *m)
{
	struct kvm_run *run = m->vcpu->run;

	switch (run->io.port) {
	case PORT_COMMAND:
		*((__u8 *)run + run->io.data_offset) = next_command(m);
		return;
	case PORT_REFUSED:
		vmm_fail("a hypercall of the guest was not answered with 0");
	case PORT_CRASHED:
		vmm_fail("the guest took an exception");
	}
	vmm_fail("the guest uses port 0x%x: it runs wild", run->io.port);
}

/* Here a VMM would convert memory that is the guest's alone, as SEV-SNP and TDX have it. */
static void handle_call(struct machine *m)
{
	answer_call(m->vcpu->run, true);
	atomic_fetch_add(&m->exits, 1);
}

static void *run_vcpu(void *arg)
{
	struct machine *m = arg;

	for (;;) {
		/* With immediate_exit set, this completes an exit, records the call, and fails. */
		if (ioctl(m->vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR)
				err(VMM_FAILED, "KVM_RUN");
			if (atomic_load(&m->stops))
				return NULL;
			continue;
		}

		switch (m->vcpu->run->exit_reason) {
		case KVM_EXIT_IO:
			handle_port(m);
			break;
		case KVM_EXIT_HYPERCALL:
			handle_call(m);
			break;
		default:
			vmm_fail("KVM_RUN: unexpected exit reason %u, see linux/kvm.h",
				 m->vcpu->run->exit_reason);
		}
	}
}

static void start(struct machine *m)
{
	atomic_store(&m->stops, false);
	m->vcpu->run->immediate_exit = 0;
	if (pthread_create(&m->thread, NULL, run_vcpu, m))
		vmm_fail("pthread_create: no thread for a vCPU: free some memory");
}

static void do_nothing(int signal)
{
	(void)signal;
}

/* The signal gets the thread out of the guest, immediate_exit keeps it from going back. */
static void stop(struct machine *m)
{
	atomic_store(&m->stops, true);
	__atomic_store_n(&m->vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(m->thread, SIGUSR1);
	pthread_join(m->thread, NULL);
}

/* In a loop, until something has happened that began to be waited for at @since */
static void wait_for(const char *what, time_t since)
{
	if (time(NULL) - since > TIMEOUT_S)
		vmm_fail("%s: not in %d seconds", what, TIMEOUT_S);
	sched_yield();
}

/* Until the guest has done what it was told to do, and makes no call */
static void wait_idle(struct machine *m)
{
	const unsigned int idles = atomic_load(&m->idles);
	const time_t since = time(NULL);

	while (atomic_load(&m->idles) == idles)
		wait_for("the guest rests", since);
}

static void have_it_rest(struct machine *m)
{
	atomic_store(&m->command, DO_NOTHING);
	wait_idle(m);
}

/* Something other than DO_WORK, once */
static void have_it_do(struct machine *m, unsigned int command)
{
	const time_t since = time(NULL);

	atomic_store(&m->command, command);
	while (atomic_load(&m->command) == command)
		wait_for("the guest takes a command", since);
	wait_idle(m);
}

/* Let the guest make that many calls, and go on. */
static void have_it_work(struct machine *m, __u32 calls)
{
	const time_t since = time(NULL);
	const __u32 from = nr_calls(m);

	atomic_store(&m->command, DO_WORK);
	while (nr_calls(m) - from < calls)
		wait_for("the guest shares and unshares buffers", since);
}

/* The registers of a guest in real mode.  A VMM has more to move. */
static void move_vcpu(struct machine *to, struct machine *from)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(from->vcpu->fd, KVM_GET_REGS, &regs) ||
	    ioctl(from->vcpu->fd, KVM_GET_SREGS, &sregs) ||
	    ioctl(to->vcpu->fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(to->vcpu->fd, KVM_SET_REGS, &regs))
		err(VMM_FAILED, "the registers of a vCPU");
}

static void boot(struct machine *m)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE + (share_guest_start - share_guest_begin),
		.rsp = GUEST_STACK,
		.rflags = 0x202,	/* IF, for hosts that are emulated by Bochs */
	};

	vmm_load(&m->vm, share_guest_begin, share_guest_end, share_guest_lost, share_guest_lost);
	if (ioctl(m->vcpu->fd, KVM_SET_REGS, &regs))
		err(VMM_FAILED, "KVM_SET_REGS");
	start(m);
	have_it_rest(m);
}

/* The guest may have a call under way that KVM has recorded, and it itself has not. */
static bool is_in_call(const struct machine *m, unsigned int buffer)
{
	__u16 first, nr;

	memcpy(&first, m->vm.memory + GUEST_FIRST, sizeof(first));
	memcpy(&nr, m->vm.memory + GUEST_NR, sizeof(nr));
	return buffer >= first && buffer < (unsigned int)first + nr;
}

/* With a guest that rests, or is stopped */
static bool is_as_guest_says(const struct machine *m, const struct shared_list *list)
{
	const unsigned char *states = m->vm.memory + GUEST_STATES;
	unsigned int i;
	__u64 gpa;

	for (gpa = 0; gpa < BUFFERS; gpa += GUEST_PAGE) {
		if (is_shared(list, gpa))
			return false;
	}
	for (i = 0; i < NR_BUFFERS; i++) {
		if (!is_in_call(m, i) &&
		    is_shared(list, BUFFERS + (__u64)i * GUEST_PAGE) != states[i])
			return false;
	}
	return true;
}

/* Print @what and the machine's list, and compare that with the guest's account. */
static void show_list(const struct machine *m, const char *what)
{
	struct shared_list list;

	get_list(m->vm.vm_fd, &list);
	printf("  %-43s %3u ranges, generation %llu\n", what, list.head.nr_ranges,
	       list.head.generation);
	check(!list.head.flags, "the list is complete");
	check(is_as_guest_says(m, &list), "the list has the pages that the guest says it shares");
}

/* What the guest does meanwhile */
enum pass { WORK, WORK_ON, REST, REST_ON, WORK_A_LITTLE, STOP };

/* A migration, and what is to be shown of it */
struct demo {
	struct migration migration;		/* first, for its functions to find the rest */
	struct machine *from, *to;
	__u64 dirty[2][(NR_BUFFERS + 63) / 64];	/* for each slot */
	bool is_sent_shared[NR_PAGES];
	enum pass pass;
	__u64 generation;			/* of the pass before */
	unsigned int sent, resent, shared;	/* in this pass */
};

static void get_dirty(struct demo *d)
{
	struct kvm_dirty_log log = {};

	for (log.slot = 0; log.slot < ARRAY_SIZE(d->dirty); log.slot++) {
		log.dirty_bitmap = d->dirty[log.slot];
		if (ioctl(d->from->vm.vm_fd, KVM_GET_DIRTY_LOG, &log))
			err(VMM_FAILED, "KVM_GET_DIRTY_LOG");
	}
}

static bool is_dirty(struct migration *m, __u64 gpa)
{
	const struct demo *d = (const struct demo *)m;
	const __u64 page = (gpa < BUFFERS ? gpa : gpa - BUFFERS) / GUEST_PAGE;

	return d->dirty[gpa >= BUFFERS][page / 64] >> page % 64 & 1;
}

/* Where a VMM has a wire, with the page wrapped by the firmware unless it is shared. */
static void send_page(struct migration *m, __u64 gpa, bool shared)
{
	struct demo *d = (struct demo *)m;

	memcpy(page(d->to, gpa), page(d->from, gpa), GUEST_PAGE);
	d->is_sent_shared[gpa / GUEST_PAGE] = shared;
	d->sent++;
	d->shared += shared;
	d->resent += d->pass != WORK && !is_dirty(m, gpa);
}

static const char * const guest_does[] = {
	[WORK]		= "works",
	[WORK_ON]	= "works on",
	[REST]		= "rests",
	[REST_ON]	= "rests on",
	[WORK_A_LITTLE]	= "works a little",
	[STOP]		= "is stopped",
};

static void show_pass(struct demo *d)
{
	const struct kvm_x86_shared_ranges *head = &d->migration.list.head;
	const bool has_moved = head->generation != d->generation;

	printf("  pass %u, the guest %-15s %3u pages sent, %3u shared, %2u not dirty; %s %llu\n",
	       d->pass + 1, guest_does[d->pass], d->sent, d->shared, d->resent,
	       has_moved ? "generation" : "still", head->generation);
	check(has_moved == (d->pass != REST_ON), "the generation moves when the list changes");
	check(d->resent || d->pass != WORK_A_LITTLE,
	      "pages are sent again that are not dirty, but unshared");
	d->generation = head->generation;
	d->sent = 0;
	d->resent = 0;
	d->shared = 0;
	d->pass++;
}

static bool next_pass(struct migration *m)
{
	struct demo *d = (struct demo *)m;

	show_pass(d);
	switch (d->pass) {
	case WORK_ON:
		have_it_work(d->from, MANY_CALLS);
		break;
	case REST:
		have_it_work(d->from, MANY_CALLS);
		have_it_rest(d->from);
		break;
	case WORK_A_LITTLE:
		have_it_do(d->from, DO_LITTLE);
		break;
	case STOP:
		have_it_work(d->from, 1);
		return false;
	default:
		break;
	}
	get_dirty(d);
	return true;
}

static void stop_vcpus(struct migration *m)
{
	struct demo *d = (struct demo *)m;

	stop(d->from);
	get_dirty(d);
}

static bool is_all_sent_right(const struct demo *d)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		if (d->is_sent_shared[i] !=
		    is_shared(&d->migration.list, (__u64)i * GUEST_PAGE))
			return false;
	}
	return true;
}

/* False: the list is incomplete, and @from runs on. */
static bool move_machine(struct machine *to, struct machine *from)
{
	struct demo d = {
		.migration = {
			.vm = from->vm.vm_fd,
			.end = MEMORY_END,
			.next_pass = next_pass,
			.stop_vcpus = stop_vcpus,
			.is_dirty = is_dirty,
			.send_page = send_page,
		},
		.from = from,
		.to = to,
	};

	set_slots(from, KVM_MEM_LOG_DIRTY_PAGES);
	if (!migrate(&d.migration)) {
		set_slots(from, 0);
		return false;
	}

	show_pass(&d);
	check(is_as_guest_says(from, &d.migration.list), "the last list is the guest's");
	check(is_all_sent_right(&d), "each page was last sent as the last list has it");
	check(!memcmp(to->vm.memory, from->vm.memory, GUEST_SIZE) &&
	      !memcmp(to->buffers, from->buffers, SLOT_BYTES), "the memory has arrived");
	set_list(to->vm.vm_fd, &d.migration.list);
	move_vcpu(to, from);
	start(to);
	return true;
}

static void reset(struct machine *m)
{
	struct shared_list list;

	stop(m);
	reset_list(m->vm.vm_fd);
	get_list(m->vm.vm_fd, &list);
	check(!list.head.nr_ranges, "without ranges to set, none is left");
	boot(m);
}

/* An agent in the guest would tell.  No call is under way. */
static void ask_guest(const struct machine *m, struct shared_list *list)
{
	const unsigned char *states = m->vm.memory + GUEST_STATES;
	__u32 nr = 0;
	unsigned int i;

	memset(list, 0, sizeof(*list));
	for (i = 0; i < NR_BUFFERS; i++) {
		if (!states[i])
			continue;
		if (i && states[i - 1]) {
			list->ranges[nr - 1].size += GUEST_PAGE;
			continue;
		}
		if (nr == MAX_RANGES)
			vmm_fail("the guest shares more than %d ranges: enlarge MAX_RANGES",
				 MAX_RANGES);
		list->ranges[nr].gpa = BUFFERS + (__u64)i * GUEST_PAGE;
		list->ranges[nr].size = GUEST_PAGE;
		nr++;
	}
	list->head.nr_ranges = nr;
}

/* The guest shares more ranges than the list holds. */
static void exceed(struct machine *m, bool exits)
{
	struct shared_list list, there;
	struct machine other;

	have_it_do(m, DO_SHARE_HALF);
	get_list(m->vm.vm_fd, &list);
	printf("  the guest shares %d ranges, more than %d:    %s\n", NR_BUFFERS / 2, MAX_RANGES,
	       list.head.flags ? "INCOMPLETE, the list is dropped" : "no word");
	check(list.head.flags == KVM_X86_SHARED_RANGES_INCOMPLETE && !list.head.nr_ranges,
	      "a list that exceeds its bound is INCOMPLETE and empty");

	create(&other, exits);
	if (move_machine(&other, m))
		errx(1, "a VM with an incomplete list was migrated");
	puts("  migration is refused, and the guest runs on");
	have_it_work(m, MANY_CALLS);
	check(!has_changed(m->vm.vm_fd, &list), "KVM records nothing while INCOMPLETE");

	/* E.g. to a VMM that takes over the memory itself, and needs no list */
	set_list(other.vm.vm_fd, &list);
	get_list(other.vm.vm_fd, &there);
	puts("  INCOMPLETE is handed to another VM, which says so as well");
	check(there.head.flags == KVM_X86_SHARED_RANGES_INCOMPLETE, "INCOMPLETE can be set");
	destroy(&other);

	have_it_rest(m);
	stop(m);
	ask_guest(m, &list);
	set_list(m->vm.vm_fd, &list);
	show_list(m, "the stopped guest is asked, the list set:");
	start(m);
}

static void show(bool exits)
{
	struct machine first, second;

	create(&first, exits);
	boot(&first);
	have_it_work(&first, MANY_CALLS);

	create(&second, exits);
	if (!move_machine(&second, &first))
		vmm_fail("the list is incomplete before the guest has shared too much");
	destroy(&first);

	/* Few calls: what was shared before the move has to be in the list, too. */
	have_it_rest(&second);
	have_it_do(&second, DO_LITTLE);
	show_list(&second, "the guest goes on in the second VM:");

	have_it_do(&second, DO_KEXEC);
	show_list(&second, "kexec, for which the VMM does nothing:");

	reset(&second);
	have_it_do(&second, DO_LITTLE);
	show_list(&second, "reset, the list set to none, another boot:");

	exceed(&second, exits);
	have_it_do(&second, DO_LITTLE);
	show_list(&second, "the guest goes on:");

	stop(&second);
	check(exits == !!atomic_load(&second.exits), "userspace is asked if it wants to be");
	destroy(&second);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = do_nothing };

	vmm_parse(argc, argv, usage, NULL, false);
	sigaction(SIGUSR1, &action, NULL);
	printf("KVM answers the guest's hypercalls, and records up to %d ranges:\n", MAX_RANGES);
	show(false);
	puts("userspace answers them, as SEV-SNP and TDX need it, and KVM records:");
	show(true);
	puts(wrong ? "not all as it has to be" : "all as it has to be");
	return wrong != 0;
}
