/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ioctls as 32-bit userspace makes them.
 */
#ifndef SELFTEST_KVM_COMPAT_IOCTL_H
#define SELFTEST_KVM_COMPAT_IOCTL_H

#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_IA32_IOCTL	54

/* An ioctl as 32-bit userspace makes it; the registers hold 32 bits each. */
static inline int compat_ioctl(int fd, unsigned int request, void *arg)
{
	int r;

	asm volatile("int $0x80" : "=a"(r)
		     : "a"(SYSCALL_IA32_IOCTL), "b"(fd), "c"(request), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* Where 32-bit system calls are compiled out or disabled, int $0x80 is fatal. */
static inline bool has_compat_syscalls(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		compat_ioctl(-1, 0, NULL);
		_exit(0);
	}

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status);
}

#endif /* SELFTEST_KVM_COMPAT_IOCTL_H */
