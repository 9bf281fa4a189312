// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Run an unmodified VMM, and have a policy installed on each VM that it creates.
 *
 * The preloaded library does that.  A VMM may not have it: it may be linked statically,
 * set-user-ID, or call the kernel itself.  A seccomp filter kills it when it creates a VM, or
 * replaces the policy.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>

#include "kvm-reg.h"
#include "launch.h"
#include "preload.h"

#define __noreturn	__attribute__((noreturn))

#define LIBRARY		"kvm-reg-preload.so"

/* Those that mean the VMM, or end kvm-reg if nothing is done about it */
static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

int launch_fail(const char *format, ...)
{
	const int err = errno;
	va_list args;

	fputs("kvm-reg: ", stderr);
	va_start(args, format);
	errno = err;
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return PRELOAD_FAILED;
}

int launch_usage(const char *usage)
{
	print_usage(usage, false);
	return PRELOAD_FAILED;
}

/* The number of ioctl() in the other ABIs */
#define X32_IOCTL	(0x40000000 + 514)
#define I386_IOCTL	54

/* An i386 program's KVM_X86_SET_MSR_FILTER, with pointers of 4 bytes */
#define I386_SET_MSR_FILTER	_IOC(_IOC_WRITE, KVMIO, 0xc6, 260)

/*
 * Kill whoever creates a VM, or installs another policy, without the library, which passes an
 * argument that these ioctls do not have.  The kernel takes the lower half of the number of an
 * ioctl.  A filter is another policy just if the kernel has no rules.
 */
static int guard_ioctls(const struct launch *launch)
{
#define FIELD(field)	offsetof(struct seccomp_data, field)
#define LOAD(offset)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IF(value, then, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, other)
#define RETURN(action)	BPF_STMT(BPF_RET | BPF_K, action)
	const __u32 filter = launch->is_filter ? KVM_X86_SET_MSR_FILTER : KVM_CREATE_VM;
	const __u32 i386_filter = launch->is_filter ? I386_SET_MSR_FILTER : KVM_CREATE_VM;
	struct sock_filter program[] = {
		LOAD(FIELD(arch)),
		IF(AUDIT_ARCH_X86_64, 0, 3),
		LOAD(FIELD(nr)),
		IF(SYS_ioctl, 3, 0),
		IF(X32_IOCTL, 2, 11),
		LOAD(FIELD(nr)),
		IF(I386_IOCTL, 0, 9),

		LOAD(FIELD(args[1])),
		IF(KVM_CREATE_VM, 3, 0),
		IF(KVM_X86_SET_REG_RULES, 2, 0),
		IF(filter, 1, 0),
		IF(i386_filter, 0, 4),
		LOAD(FIELD(args[3])),
		IF((__u32)PRELOAD_TOKEN, 0, 3),
		LOAD(FIELD(args[3]) + 4),
		IF(PRELOAD_TOKEN >> 32, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog fprog = { .len = ARRAY_SIZE(program), .filter = program };
	const int flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	/* Without the right to do this, give up that execve() may give more rights. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog) &&
	    (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog)))
		return launch_fail("seccomp: %m: a VMM could create a VM without the policy");
	return 0;
}

/* Next to this program, or where it is installed */
static int find_library(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - sizeof(LIBRARY));
	char *end = len > 0 ? memrchr(path, '/', len) : NULL;

	if (end)
		memcpy(end + 1, LIBRARY, sizeof(LIBRARY));
	if (!end || access(path, R_OK))
		snprintf(path, PATH_MAX, "%s", KVM_REG_LIBDIR "/" LIBRARY);
	if (access(path, R_OK))
		return launch_fail("%s: %m: kvm-reg is not installed completely", path);
	if (strpbrk(path, " :"))
		return launch_fail("%s: a path with a space or a colon cannot be preloaded", path);
	return 0;
}

/* A VM has one filter.  With --after, it would be the VMM's own first, maybe with exits. */
static int try_vm(struct launch *launch, int vm)
{
	struct kvmreg_error error;
	int r;

	r = kvmreg_install(vm, launch->policy, launch->install, &error);
	if (r < 0)
		return launch_fail("the policy cannot be installed, so the VMM is not started\n%s",
				   error.message);
	launch->is_filter = r == KVMREG_FILTER;
	if (launch->is_filter && launch->mark)
		return launch_fail("--after needs a kernel with register rules: this one has an\n"
				   "MSR filter only");
	if (launch->is_filter)
		fprintf(stderr, "kvm-reg: no rules in this kernel: %s becomes an MSR filter\n",
			launch->name);
	return 0;
}

/* Nobody wants to learn from a VMM that has started that the policy cannot be installed. */
static int try_policy(struct launch *launch)
{
	int kvm, vm, r;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return launch_fail("/dev/kvm: %m");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		r = launch_fail("KVM_CREATE_VM: %m");
	} else {
		r = try_vm(launch, vm);
		close(vm);
	}
	close(kvm);
	return r;
}

/* Make the file that the library maps, and the environment that tells it. */
static int prepare_library(struct launch *launch)
{
	const struct kvm_x86_reg_rules *list = kvmreg_rules(launch->policy);
	const size_t rules = list->nr_rules * sizeof(struct kvm_x86_reg_rule);
	const char *before = getenv("LD_PRELOAD");
	char library[PATH_MAX], file[64], *preload;
	int fd;

	if (find_library(library))
		return PRELOAD_FAILED;

	fd = memfd_create("kvm-reg", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(*launch->preload) + rules))
		return launch_fail("memfd: %m");
	launch->preload = mmap(NULL, sizeof(*launch->preload) + rules, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);
	if (launch->preload == MAP_FAILED)
		return launch_fail("memfd: %m");
	launch->preload->magic = PRELOAD_MAGIC;
	snprintf(launch->preload->policy, PRELOAD_MAX_MARK, "%s", launch->name);
	snprintf(launch->preload->mark, PRELOAD_MAX_MARK, "%s", launch->mark ?: "");
	launch->preload->list = *list;
	if (launch->fail_closed)
		launch->preload->list.flags |= KVM_X86_REG_RULES_FAIL_CLOSED;
	memcpy(launch->preload->rules, (void *)(uintptr_t)list->rules, rules);

	snprintf(file, sizeof(file), "/proc/%d/fd/%d", getpid(), fd);
	if (asprintf(&preload, "%s%s%s", library, before ? ":" : "", before ? before : "") < 0 ||
	    setenv("LD_PRELOAD", preload, 1) || setenv(PRELOAD_FILE, file, 1))
		return launch_fail("out of memory");
	free(preload);
	return 0;
}

/*
 * What kvm-reg leaves in tracefs is to be removed: from here on, no signal ends kvm-reg.
 * Signals that are ignored, as by nohup(1), stay so.
 */
static void block_signals(struct launch *launch)
{
	struct sigaction old;
	size_t i;

	sigemptyset(&launch->signals);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&launch->signals, signals[i]);
	sigprocmask(SIG_BLOCK, &launch->signals, &launch->mask);
	launch->sigpipe = signal(SIGPIPE, SIG_IGN);
}

int launch_prepare(struct launch *launch)
{
	if (getenv(PRELOAD_FILE))
		return launch_fail("exec and learn do not nest: $" PRELOAD_FILE
				   " says that this runs under one");
	if (launch->mark && strlen(launch->mark) >= PRELOAD_MAX_MARK)
		return launch_fail("--after: the text is longer than %d characters",
				   PRELOAD_MAX_MARK - 1);
	if (try_policy(launch) || prepare_library(launch))
		return PRELOAD_FAILED;
	block_signals(launch);
	return 0;
}

/* As env(1) and others: 127 if there is no such program, 126 if it cannot be executed */
static void __noreturn be_vmm(struct launch *launch)
{
	int err;

	signal(SIGPIPE, launch->sigpipe);
	sigprocmask(SIG_SETMASK, &launch->mask, NULL);
	if (guard_ioctls(launch))
		_exit(PRELOAD_FAILED);
	execvp(launch->command[0], launch->command);
	err = errno;
	launch_fail("%s: %m", launch->command[0]);
	_exit(err == ENOENT ? 127 : 126);
}

/* The VMM by its descriptor: its ID may be that of another process once it has ended. */
static int vmm;

static void pass_on(int signal)
{
	const int err = errno;

	syscall(SYS_pidfd_send_signal, vmm, signal, NULL, 0);
	errno = err;
}

/* A terminal sends its signals to both: the VMM decides what they mean. */
static void pass_signals(const struct launch *launch)
{
	size_t i;

	vmm = launch->pidfd;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigismember(&launch->signals, signals[i]))
			signal(signals[i], signals[i] == SIGINT || signals[i] == SIGQUIT ?
					   SIG_IGN : pass_on);
	sigprocmask(SIG_SETMASK, &launch->mask, NULL);
}

int launch_start(struct launch *launch)
{
	const struct timespec now = {};

	if (sigtimedwait(&launch->signals, NULL, &now) > 0)
		return launch_fail("interrupted before %s has started", launch->command[0]);
	if (launch->forks && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return launch_fail("prctl: %m");
	launch->pid = fork();
	if (!launch->pid)
		be_vmm(launch);
	if (launch->pid < 0)
		return launch_fail("fork: %m");
	launch->pidfd = syscall(SYS_pidfd_open, launch->pid, 0);
	if (launch->pidfd < 0) {
		kill(launch->pid, SIGKILL);
		return launch_fail("pidfd_open: %m");
	}
	pass_signals(launch);
	return 0;
}

/*
 * Wait for what the VMM has left in the background, until a signal comes.  SIGCHLD is one of
 * those that are waited for: blocked, it stays pending, though it is ignored by default.
 */
static void wait_for_background(struct launch *launch)
{
	sigset_t set = launch->signals;
	bool told = false;
	int signal;
	pid_t pid;

	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	do {
		do
			pid = waitpid(-1, NULL, WNOHANG);
		while (pid > 0);
		if (pid < 0)
			return;
		if (!told)
			fputs("kvm-reg: waiting for what is left in the background, until SIGINT\n",
			      stderr);
		told = true;
		signal = sigwaitinfo(&set, NULL);
	} while (signal == SIGCHLD || (signal < 0 && errno == EINTR));
}

/* Return the VMM's exit status. */
static int wait_for(struct launch *launch)
{
	int status = 0;

	while (waitpid(launch->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (launch->forks)
		wait_for_background(launch);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int launch_end(struct launch *launch)
{
	const int status = wait_for(launch);

	/* The library has said why. */
	if (launch->preload->failed)
		return PRELOAD_FAILED;
	if (status == 128 + SIGSYS)
		return launch_fail("%s was killed, as it created a VM without the policy,\n"
				   "or replaced that.  A VMM has to be linked dynamically, to call KVM by\n"
				   "ioctl() of libc, and not to be set-user-ID.  If it has a seccomp filter\n"
				   "of its own, switch that off: it does not know KVM_X86_SET_REG_RULES.",
				   launch->command[0]);
	if (launch->preload->waiting)
		return launch_fail("the VM had no policy: stdout has never shown '%s'",
				   launch->mark);
	if (status)
		return status;
	if (!launch->preload->installed)
		return launch_fail("%s was not used: %s has created no VM", launch->name,
				   launch->command[0]);
	return 0;
}
