// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a VMM may do, for the tests of kvm-reg exec: "exec-vmm WORD..." does what each word
 * says, one after the other.
 *
 *	create		create a VM, and print how many rules it has
 *	rules		print how many it has now, -1: the kernel has no rules
 *	set-rules	install a list of rules that is empty
 *	raw-rules	the same by the system call itself
 *	filter		install an MSR filter that denies to read MSR 0x35
 *	raw-filter	the same by the system call itself
 *	exits		ask for exits when the filter denies an access
 *	print=TEXT	print TEXT on stdout, with write()
 *	printv=TEXT	the same, with writev() and in two pieces
 *	child=TEXT	print TEXT in a child, and wait for that
 *	run		run a guest that reads MSR 0x277
 *	background	leave a child, which does the rest
 *	close		close the VM, and all descriptors from 3 to 255
 *	sleep=N		sleep for N seconds
 *	sh=COMMAND	run a command of the shell's
 *	raw		create a VM by the system call itself
 *	exit=N		exit with that status
 *	abort		end by SIGABRT
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/kvm.h>
#include <asm/kvm_reg_rules.h>

static int vm = -1;

static void print_rules(void)
{
	struct kvm_x86_reg_rules list = {};
	int r = ioctl(vm, KVM_X86_GET_REG_RULES, &list);

	if (r && errno != E2BIG)
		dprintf(STDOUT_FILENO, "no rules: %s\n", strerror(errno));
	else
		dprintf(STDOUT_FILENO, "%u rules, default %u, flags %u\n", list.nr_rules,
			list.msr_default, list.flags);
}

static void print_pieces(const char *text)
{
	const size_t len = strlen(text);
	struct iovec pieces[] = {
		{ (char *)text, len / 2 },
		{ (char *)text + len / 2, len - len / 2 },
	};

	if (writev(STDOUT_FILENO, pieces, 2) != (ssize_t)len)
		err(2, "stdout");
}

static void print_in_child(const char *text)
{
	const pid_t pid = fork();
	int status;

	if (!pid)
		_exit(write(STDOUT_FILENO, text, strlen(text)) < 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		errx(2, "the child has failed: status 0x%x", status);
}

static void run_guest(void)
{
	static const __u8 code[] = {
		0x66, 0xb9, 0x77, 0x02, 0x00, 0x00,	/* mov ecx, 0x277 */
		0x0f, 0x32,				/* rdmsr */
		0xf4,					/* hlt */
	};
	void *memory = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = 0x1000,
		.memory_size = 0x1000,
		.userspace_addr = (unsigned long)memory,
	};
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs sregs;
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	memcpy(memory, code, sizeof(code));
	if (vcpu < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(2, "vCPU");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu, KVM_RUN, 0))
		err(2, "KVM_RUN");
}

static void act(const char *word)
{
	struct kvm_x86_reg_rules rules = {};
	__u8 denied = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = { { KVM_MSR_FILTER_READ, 1, 0x35, &denied } },
	};
	struct kvm_enable_cap exits = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	const char *value = strchr(word, '=');
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	size_t len;

	if (kvm < 0)
		err(2, "/dev/kvm");
	if (!strcmp(word, "create")) {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
		if (vm < 0)
			err(2, "KVM_CREATE_VM");
		print_rules();
	} else if (!strcmp(word, "raw")) {
		vm = syscall(SYS_ioctl, kvm, KVM_CREATE_VM, 0);
		if (vm < 0)
			err(2, "KVM_CREATE_VM");
	} else if (!strcmp(word, "rules")) {
		print_rules();
	} else if (!strcmp(word, "set-rules")) {
		if (ioctl(vm, KVM_X86_SET_REG_RULES, &rules))
			err(2, "KVM_X86_SET_REG_RULES");
	} else if (!strcmp(word, "raw-rules")) {
		if (syscall(SYS_ioctl, vm, KVM_X86_SET_REG_RULES, &rules, 0))
			err(2, "KVM_X86_SET_REG_RULES");
	} else if (!strcmp(word, "raw-filter")) {
		if (syscall(SYS_ioctl, vm, KVM_X86_SET_MSR_FILTER, &filter, 0))
			err(2, "KVM_X86_SET_MSR_FILTER");
	} else if (!strcmp(word, "filter")) {
		if (ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter))
			err(2, "KVM_X86_SET_MSR_FILTER");
	} else if (!strcmp(word, "exits")) {
		if (ioctl(vm, KVM_ENABLE_CAP, &exits))
			err(2, "KVM_CAP_X86_USER_SPACE_MSR");
	} else if (!strncmp(word, "print=", 6)) {
		len = strlen(value + 1);
		if (write(STDOUT_FILENO, value + 1, len) != (ssize_t)len)
			err(2, "stdout");
	} else if (!strncmp(word, "printv=", 7)) {
		print_pieces(value + 1);
	} else if (!strncmp(word, "child=", 6)) {
		print_in_child(value + 1);
	} else if (!strcmp(word, "run")) {
		run_guest();
	} else if (!strcmp(word, "background")) {
		if (fork())
			_exit(0);
		sleep(1);
	} else if (!strcmp(word, "close")) {
		close_range(3, 255, 0);
		return;
	} else if (!strncmp(word, "sleep=", 6)) {
		sleep(atoi(value + 1));
	} else if (!strncmp(word, "sh=", 3)) {
		if (system(value + 1))
			errx(2, "%s: failed", value + 1);
	} else if (!strncmp(word, "exit=", 5)) {
		exit(atoi(value + 1));
	} else if (!strcmp(word, "abort")) {
		abort();
	} else {
		errx(2, "%s: not known", word);
	}
	close(kvm);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		act(argv[i]);
	return 0;
}
