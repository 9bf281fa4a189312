// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Preloaded into a VMM by "kvm-reg exec" and "kvm-reg learn": installs a policy on each
 * VM before the VMM knows that the VM is there.
 *
 * If that fails, the process ends.  A VMM that got an error from KVM_CREATE_VM might go
 * on without KVM, and its guest without the policy.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/kvm.h>

#include "kvmreg.h"
#include "preload.h"

#define __noreturn	__attribute__((noreturn))
#define __printf(a, b)	__attribute__((format(printf, a, b)))

static struct preload *preload;

/* As libc has them: they may be cancelled.  NULL before the constructor has run. */
static ssize_t (*next_write)(int fd, const void *text, size_t size);
static ssize_t (*next_writev)(int fd, const struct iovec *iov, int nr);

/* With a mark: the VM that waits for it, and the end of what stdout has shown. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int waiting_vm = -1;
static char shown[PRELOAD_MAX_MARK];

/* The policy is the VM's MSR filter, because the kernel has no register rules. */
static bool is_filter;

/* This thread's ioctls are those of libkvmreg. */
static __thread bool installing;

/* This thread, which runs a vCPU, is in the list that kvm-reg has. */
static __thread bool noted;

static __printf(1, 2) __noreturn void fail(const char *format, ...)
{
	va_list args;

	dprintf(STDERR_FILENO, "kvm-reg: ");
	va_start(args, format);
	vdprintf(STDERR_FILENO, format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "\n");
	if (preload)
		__atomic_store_n(&preload->failed, 1, __ATOMIC_RELAXED);
	_exit(PRELOAD_FAILED);
}

/* The process that fork() has made has no VM yet, and its thread is another. */
static void start_child(void)
{
	noted = false;
	pthread_mutex_init(&lock, NULL);
	if (waiting_vm >= 0)
		close(waiting_vm);
	waiting_vm = -1;
}

/*
 * In each program that the VMM starts, too.  Whether there is a policy matters only once
 * there is a VM.
 */
__attribute__((constructor))
static void start(void)
{
	const char *path = getenv(PRELOAD_FILE);
	struct preload *map;
	struct stat st;
	int fd;

	next_write = dlsym(RTLD_NEXT, "write");
	next_writev = dlsym(RTLD_NEXT, "writev");
	pthread_atfork(NULL, NULL, start_child);

	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof(*map)) {
		map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED && map->magic == PRELOAD_MAGIC)
			preload = map;
	}
	close(fd);
}

/* KVM takes rules only from the process that has created the VM. */
static void install(int vm)
{
	struct kvm_x86_reg_rules list = preload->list;
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	int r;

	list.rules = (unsigned long)preload->rules;
	if (kvmreg_from_rules(&list, preload->policy, &policy, &error))
		fail("%s", error.message);
	installing = true;
	r = kvmreg_install(vm, policy, KVMREG_NO_EXITS, &error);
	installing = false;
	if (r < 0)
		fail("%s", error.message);
	is_filter = r == KVMREG_FILTER;
	kvmreg_free(policy);
	__atomic_add_fetch(&preload->installed, 1, __ATOMIC_RELAXED);
}

/*
 * The VMM may close its file descriptor before the guest has shown the mark.  It may also
 * close, or count on, all low ones.
 */
static void wait_for_mark(int vm)
{
	pthread_mutex_lock(&lock);
	if (waiting_vm >= 0)
		fail("%s: a process that has several VMs cannot wait for --after", preload->policy);
	waiting_vm = fcntl(vm, F_DUPFD_CLOEXEC, 512);
	if (waiting_vm < 0 && errno == EINVAL)
		waiting_vm = fcntl(vm, F_DUPFD_CLOEXEC, 0);
	if (waiting_vm < 0)
		fail("%s: cannot keep the VM: %s", preload->policy, strerror(errno));
	__atomic_add_fetch(&preload->waiting, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

static int create_vm(int kvm, unsigned long type)
{
	int vm;

	if (!preload)
		fail("cannot read the policy from $" PRELOAD_FILE ", so there is no VM");
	vm = syscall(SYS_ioctl, kvm, KVM_CREATE_VM, type, PRELOAD_TOKEN);
	if (vm < 0)
		return vm;

	if (*preload->mark)
		wait_for_mark(vm);
	else
		install(vm);
	return vm;
}

/* A VM has one list of rules: the VMM's own would replace the policy. */
static void guard_rules(unsigned int request)
{
	if (request == KVM_X86_SET_REG_RULES && preload)
		fail("%s: this VMM installs rules of its own, which would replace it",
		     preload->policy);
}

/* What a VMM may do to a policy that is its VM's MSR filter */
static void guard_filter(unsigned int request, const struct kvm_enable_cap *cap)
{
	const char *what = NULL;

	if (request == KVM_X86_SET_MSR_FILTER)
		what = "replaces it";
	else if (request == KVM_ENABLE_CAP && cap->cap == KVM_CAP_X86_USER_SPACE_MSR &&
		 cap->args[0] & KVM_MSR_EXIT_REASON_FILTER)
		what = "wants exits, not #GP";
	if (what)
		fail("%s is the VM's MSR filter, on a kernel without rules, and this VMM %s",
		     preload->policy, what);
}

/* Called very often; does something once in the life of a vCPU's thread. */
static void note_thread(void)
{
	unsigned int number;

	if (noted || !preload)
		return;
	noted = true;
	number = __atomic_fetch_add(&preload->nr_threads, 1, __ATOMIC_RELAXED);
	if (number < PRELOAD_MAX_THREADS)
		preload->threads[number] = syscall(SYS_gettid);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);

	if ((unsigned int)request == KVM_RUN)
		note_thread();
	else if ((unsigned int)request == KVM_CREATE_VM)
		return create_vm(fd, (unsigned long)arg);
	if (installing)
		return syscall(SYS_ioctl, fd, request, arg, PRELOAD_TOKEN);

	guard_rules(request);
	if (is_filter)
		guard_filter(request, arg);
	return syscall(SYS_ioctl, fd, request, arg, 0);
}

/* The mark may come in pieces of any size. */
static bool shows_mark(const char *text, size_t size)
{
	const size_t len = strlen(preload->mark);

	for (; size; text++, size--) {
		memmove(shown, shown + 1, len - 1);
		shown[len - 1] = *text;
		if (!memcmp(shown, preload->mark, len))
			return true;
	}
	return false;
}

/*
 * The thread that has written the mark goes on when the policy is installed.  If it is a
 * vCPU that writes to a serial port, so does the guest.
 */
static void look_for_mark(int fd, const char *text, size_t size)
{
	if (fd != STDOUT_FILENO || !preload || !*preload->mark)
		return;

	pthread_mutex_lock(&lock);
	if (waiting_vm >= 0 && shows_mark(text, size)) {
		install(waiting_vm);
		close(waiting_vm);
		waiting_vm = -1;
		__atomic_sub_fetch(&preload->waiting, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *text, size_t size)
{
	const ssize_t written = next_write ? next_write(fd, text, size) :
					     syscall(SYS_write, fd, text, size);

	if (written > 0)
		look_for_mark(fd, text, written);
	return written;
}

ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	const ssize_t written = next_writev ? next_writev(fd, iov, nr) :
					      syscall(SYS_writev, fd, iov, nr);
	ssize_t left;

	for (left = written; left > 0; left -= iov++->iov_len)
		look_for_mark(fd, iov->iov_base,
			      (size_t)left < iov->iov_len ? (size_t)left : iov->iov_len);
	return written;
}
