// SPDX-License-Identifier: GPL-2.0
/*
 * Pins CR0.WP and CR4.UMIP, SMEP and SMAP under a VMM that knows nothing of it, once its
 * guest has booted:
 *
 *	LD_PRELOAD=pin-preload.so PIN_AFTER=login: qemu-system-x86_64 -serial stdio ...
 *
 * The guest has booted when it has written the text PIN_AFTER, to a console that the VMM
 * writes on with writev(), as QEMU does.  The instruction that writes the last character
 * ends when the bits are pinned; a program in the guest that wants to know waits until its
 * terminal has sent everything.  From then on a guest that changes the bits gets #GP; the
 * VMM sees nothing of it.  Processors that are started later cannot set them, either: for
 * that, and for kexec, a VMM has to decide itself, as pin-control-registers does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <linux/kvm.h>
#include <asm/kvm_reg_rules.h>

#include "pin.h"

#define PIN(cr, bits)					\
	{						\
		.space = KVM_X86_REG_RULE_CR,		\
		.access = KVM_X86_REG_RULE_WRITE,	\
		.action = KVM_X86_REG_RULE_GP,		\
		.first = cr,				\
		.last = cr,				\
		.mask = bits,				\
	}

static int vm = -1;

/* The text comes in pieces of any size; no part of it but its whole repeats its start. */
static void pin_after(const char *console, size_t size)
{
	static const struct kvm_x86_reg_rule rules[] = {
		PIN(0, CR0_PINNED),
		PIN(4, CR4_PINNED),
	};
	struct kvm_x86_reg_rules policy = {
		.nr_rules = sizeof(rules) / sizeof(rules[0]),
		.msr_default = KVM_X86_REG_RULE_ALLOW,
		.rules = (unsigned long)rules,
	};
	static size_t seen;
	const char *text = getenv("PIN_AFTER");

	for (; text && size && text[seen]; console++, size--) {
		if (*console != text[seen])
			seen = 0;
		if (*console != text[seen] || text[++seen])
			continue;
		/* KVM takes rules only from the process that has made the VM. */
		if (ioctl(vm, KVM_X86_SET_REG_RULES, &policy))
			err(1, "KVM_X86_SET_REG_RULES");
		fputs("pin-preload: CR0.WP and CR4.UMIP, SMEP and SMAP are pinned\n", stderr);
	}
}

ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	static ssize_t (*next)(int fd, const struct iovec *iov, int nr);
	ssize_t written, left;

	if (!next)
		next = dlsym(RTLD_NEXT, "writev");
	written = next(fd, iov, nr);
	for (left = written; left > 0; left -= iov++->iov_len)
		pin_after(iov->iov_base, (size_t)left < iov->iov_len ? (size_t)left : iov->iov_len);
	return written;
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int fd, unsigned long request, ...);
	va_list args;
	void *arg;
	int r;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!next)
		next = dlsym(RTLD_NEXT, "ioctl");
	r = next(fd, request, arg);
	if (request == KVM_CREATE_VM && r >= 0)
		vm = r;
	return r;
}
