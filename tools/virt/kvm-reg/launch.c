// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Run an unmodified VMM, and have a policy installed on each VM that it creates.
 *
 * The preloaded library does that.  A VMM may not have it: it may be linked statically,
 * set-user-ID, or call the kernel itself.  A seccomp filter kills it when it creates a VM.
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

#include "launch.h"
#include "preload.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __noreturn	__attribute__((noreturn))

#define LIBRARY		"kvm-reg-preload.so"

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

/* The number of ioctl() in the other ABIs */
#define X32_IOCTL	(0x40000000 + 514)
#define I386_IOCTL	54

/*
 * Kill whoever creates a VM without the library, which passes an argument that
 * KVM_CREATE_VM does not have.  The kernel takes the lower half of the number of an ioctl.
 */
static int guard_create_vm(void)
{
#define FIELD(field)	offsetof(struct seccomp_data, field)
#define LOAD(offset)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IF(value, then, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, other)
#define RETURN(action)	BPF_STMT(BPF_RET | BPF_K, action)
	static struct sock_filter filter[] = {
		LOAD(FIELD(arch)),
		IF(AUDIT_ARCH_X86_64, 0, 9),
		LOAD(FIELD(nr)),
		IF(SYS_ioctl, 1, 0),
		IF(X32_IOCTL, 0, 10),
		LOAD(FIELD(args[1])),
		IF(KVM_CREATE_VM, 0, 8),
		LOAD(FIELD(args[3])),
		IF((__u32)PRELOAD_TOKEN, 0, 7),
		LOAD(FIELD(args[3]) + 4),
		IF(PRELOAD_TOKEN >> 32, 4, 5),

		LOAD(FIELD(nr)),
		IF(I386_IOCTL, 0, 2),
		LOAD(FIELD(args[1])),
		IF(KVM_CREATE_VM, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };
	const int flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	/* Without the right to do this, give up that execve() may give more rights. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) &&
	    (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program)))
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

/*
 * For a kernel that has an MSR filter only: what a filter denies is #GP as long as the VMM
 * has not asked for exits, and the library ends a VMM that does.
 */
static int deny_instead_of_gp(struct launch *launch)
{
	struct kvm_x86_reg_rules list = *kvmreg_rules(launch->policy);
	struct kvm_x86_reg_rule *rules = calloc(list.nr_rules + 1, sizeof(*rules)), *rule;
	struct kvmreg_policy *policy;
	struct kvmreg_error error;
	int r = 0;

	if (!rules)
		return launch_fail("out of memory");
	memcpy(rules, rules_of(launch->policy), list.nr_rules * sizeof(*rules));
	for (rule = rules; rule < rules + list.nr_rules; rule++)
		if (rule->action == KVM_X86_REG_RULE_GP && rule->space == KVM_X86_REG_RULE_MSR)
			rule->action = KVM_X86_REG_RULE_DENY;
	if (list.msr_default == KVM_X86_REG_RULE_GP)
		list.msr_default = KVM_X86_REG_RULE_DENY;
	list.rules = (uintptr_t)rules;

	if (kvmreg_from_rules(&list, launch->name, &policy, &error))
		r = launch_fail("%s", error.message);
	else
		launch->policy = policy;
	free(rules);
	return r;
}

static int try_vm(struct launch *launch, int vm)
{
	struct kvmreg_error error;
	int r;

	if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_REG_RULES) <= 0 &&
	    deny_instead_of_gp(launch))
		return PRELOAD_FAILED;
	r = kvmreg_install(vm, launch->policy, 0, &error);
	if (r < 0)
		return launch_fail("the policy cannot be installed, so the VMM is not started\n%s",
				   error.message);
	if (r == KVMREG_FILTER)
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
	memcpy(launch->preload->rules, (void *)(uintptr_t)list->rules, rules);

	snprintf(file, sizeof(file), "/proc/%d/fd/%d", getpid(), fd);
	if (asprintf(&preload, "%s%s%s", library, before ? ":" : "", before ? before : "") < 0 ||
	    setenv("LD_PRELOAD", preload, 1) || setenv(PRELOAD_FILE, file, 1))
		return launch_fail("out of memory");
	free(preload);
	return 0;
}

int launch_prepare(struct launch *launch)
{
	if (launch->mark && strlen(launch->mark) >= PRELOAD_MAX_MARK)
		return launch_fail("--after: the text is longer than %d characters",
				   PRELOAD_MAX_MARK - 1);
	return try_policy(launch) || prepare_library(launch) ? PRELOAD_FAILED : 0;
}

/* As env(1) and others: 127 if there is no such program, 126 if it cannot be executed */
static void __noreturn be_vmm(struct launch *launch)
{
	int err;

	if (guard_create_vm())
		_exit(PRELOAD_FAILED);
	execvp(launch->command[0], launch->command);
	err = errno;
	launch_fail("%s: %m", launch->command[0]);
	_exit(err == ENOENT ? 127 : 126);
}

static pid_t vmm;

static void pass_on(int signal)
{
	kill(vmm, signal);
}

int launch_start(struct launch *launch)
{
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

	/* A terminal sends its signals to both: the VMM decides what they mean. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	vmm = launch->pid;
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);
	return 0;
}

static int wait_for(struct launch *launch)
{
	int status, vmm_status = 0;
	pid_t pid;

	for (;;) {
		pid = waitpid(launch->forks ? -1 : launch->pid, &status, 0);
		if (pid == launch->pid)
			vmm_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
							   WEXITSTATUS(status);
		if (pid < 0 ? errno != EINTR : !launch->forks)
			return vmm_status;
	}
}

int launch_end(struct launch *launch)
{
	const int status = wait_for(launch);

	/* The library has said why. */
	if (launch->preload->failed)
		return PRELOAD_FAILED;
	if (status == 128 + SIGSYS)
		return launch_fail("%s was killed, as it created a VM without the policy\n"
				   "A VMM has to be linked dynamically, to call KVM by ioctl() of libc, and\n"
				   "not to be set-user-ID.", launch->command[0]);
	if (status)
		return status;
	if (launch->preload->waiting)
		return launch_fail("the VM had no policy: stdout has never shown '%s'",
				   launch->mark);
	if (!launch->preload->installed)
		return launch_fail("%s was not used: %s has created no VM", launch->name,
				   launch->command[0]);
	return 0;
}
