// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define KVM_PATH	"/dev/kvm"
#define GP_VECTOR	13
#define NR_VECTORS	256
#define RFLAGS_FIXED	0x2	/* bit 1 is always set */

/* Below the BIOS, where Intel without unrestricted guest wants three pages */
#define TSS_ADDRESS	0xfffbd000UL

/* KVM_GET_SUPPORTED_CPUID and KVM_GET_MSR_INDEX_LIST stay well below these. */
#define MAX_CPUID	256
#define MAX_MSR_LIST	1024

#define CPUID_1_ECX_TSC_DEADLINE	(1u << 24)

#define HYPERV_INTERFACE_LEAF	0x40000001
#define HYPERV_SIGNATURE	0x31237648	/* "Hv#1" */

void vmm_fail(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(VMM_FAILED);
}

/* Fail for @call, which has just set errno; @hint says what to do. */
static void __noreturn fail_errno(const char *call, const char *hint)
{
	vmm_fail("%s: %s: %s", call, strerror(errno), hint);
}

static int __ioctl(int fd, unsigned long request, void *arg, const char *call,
		   const char *hint)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		fail_errno(call, hint);
	return r;
}

#define vmm_ioctl(fd, request, arg, hint) \
	__ioctl(fd, request, (void *)(arg), #request, hint)

static const char *open_hint(void)
{
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "load kvm_amd or kvm_intel, on a CPU with SVM or VMX enabled";
	case EACCES:
	case EPERM:
		return "run as root or as a member of the group kvm";
	}
	return "see dmesg";
}

static void require_extension(int kvm_fd, int cap, const char *what)
{
	if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, (long)cap) <= 0)
		vmm_fail("KVM_CHECK_EXTENSION: no %s: use Linux 5.14 or later", what);
}

static int open_kvm(void)
{
	int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0)
		fail_errno(KVM_PATH, open_hint());

	version = vmm_ioctl(fd, KVM_GET_API_VERSION, 0, KVM_PATH " is not KVM's");
	if (version != KVM_API_VERSION)
		vmm_fail("KVM_GET_API_VERSION: %d, not %d: built for another KVM",
			 version, KVM_API_VERSION);

	require_extension(fd, KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER");
	require_extension(fd, KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR");
	require_extension(fd, KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD");
	return fd;
}

/* Each vector is the IP, then the CS, of its handler. */
static void set_vector(unsigned char *memory, int vector, const unsigned char *handler)
{
	__u16 ip = GUEST_CODE + (handler - guest_begin);

	memcpy(memory + GUEST_IVT + vector * 4, &ip, sizeof(ip));
}

static void load_guest(unsigned char *memory)
{
	int vector;

	memcpy(memory + GUEST_CODE, guest_begin, guest_end - guest_begin);
	for (vector = 0; vector < NR_VECTORS; vector++)
		set_vector(memory, vector, guest_lost);
	set_vector(memory, GP_VECTOR, guest_gp);
}

static void add_memory(struct vmm *vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };

	vm->memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		fail_errno("mmap of guest memory", "free some memory");

	load_guest(vm->memory);
	region.userspace_addr = (unsigned long)vm->memory;
	vmm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region, "see dmesg");
}

void vmm_create(struct vmm *vm)
{
	*vm = (struct vmm) { .kvm_fd = open_kvm() };
	vm->vm_fd = vmm_ioctl(vm->kvm_fd, KVM_CREATE_VM, 0,
			      "is another hypervisor using SVM or VMX? see dmesg");
	vm->run_size = vmm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0, "see dmesg");
	vmm_ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS, "see dmesg");
	add_memory(vm);
}

void vmm_create_irqchip(struct vmm *vm)
{
	vmm_ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0, "see dmesg");
	vm->irqchip = true;
}

void vmm_destroy(struct vmm *vm)
{
	int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpus[i].run, vm->run_size);
		close(vm->vcpus[i].stats_fd);
		close(vm->vcpus[i].fd);
	}
	close(vm->vm_fd);
	close(vm->kvm_fd);
	munmap(vm->memory, GUEST_SIZE);
}

static void read_stats(struct vmm_vcpu *vcpu, void *buf, size_t size, size_t offset)
{
	ssize_t got = pread(vcpu->stats_fd, buf, size, offset);

	if (got < 0)
		fail_errno("pread of KVM_GET_STATS_FD", "see dmesg");
	if ((size_t)got != size)
		vmm_fail("pread of KVM_GET_STATS_FD: %zd bytes of %zu: use Linux 5.14 or later",
			 got, size);
}

/* Where a counter is among the vCPU's statistics */
static size_t find_stat(struct vmm_vcpu *vcpu, const char *name)
{
	union {
		struct kvm_stats_desc desc;
		char bytes[sizeof(struct kvm_stats_desc) + 256];
	} u = { .bytes = "" };
	struct kvm_stats_header header;
	size_t size;
	__u32 i;

	read_stats(vcpu, &header, sizeof(header), 0);
	size = sizeof(u.desc) + header.name_size;
	if (size > sizeof(u))
		vmm_fail("KVM_GET_STATS_FD: names of %u bytes: enlarge the buffer",
			 header.name_size);

	for (i = 0; i < header.num_desc; i++) {
		read_stats(vcpu, &u, size, header.desc_offset + i * size);
		if (!strcmp(u.desc.name, name))
			return header.data_offset + u.desc.offset;
	}
	vmm_fail("KVM_GET_STATS_FD: no counter named %s: is this an x86 KVM, with the series?",
		 name);
}

static void open_stats(struct vmm_vcpu *vcpu)
{
	vcpu->stats_fd = vmm_ioctl(vcpu->fd, KVM_GET_STATS_FD, 0, "use Linux 5.14 or later");
	vcpu->exits_offset = find_stat(vcpu, "exits");
}

/* Real mode with every segment at 0; the rest is as after reset. */
static void set_real_mode(struct vmm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vmm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs, "see dmesg");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	vmm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs, "see dmesg");
}

struct vmm_vcpu *vmm_add_vcpu(struct vmm *vm)
{
	struct vmm_vcpu *vcpu = &vm->vcpus[vm->nr_vcpus];

	if (vm->nr_vcpus == VMM_MAX_VCPUS)
		vmm_fail("more than %d vCPUs: enlarge VMM_MAX_VCPUS", VMM_MAX_VCPUS);

	vcpu->fd = vmm_ioctl(vm->vm_fd, KVM_CREATE_VCPU, (long)vm->nr_vcpus, "see dmesg");
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		fail_errno("mmap of kvm_run", "free some memory");
	open_stats(vcpu);
	set_real_mode(vcpu);
	vm->nr_vcpus++;
	return vcpu;
}

void vmm_set_supported_cpuid(struct vmm *vm, struct vmm_vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[MAX_CPUID];
	} cpuid = { .head.nent = MAX_CPUID };
	__u32 i;

	vmm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid, "if E2BIG, enlarge MAX_CPUID");
	for (i = 0; i < cpuid.head.nent; i++) {
		/* KVM leaves it to the VMM, for it takes KVM's own APICs. */
		if (cpuid.entries[i].function == 1 && vm->irqchip)
			cpuid.entries[i].ecx |= CPUID_1_ECX_TSC_DEADLINE;
	}
	vmm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid, "see dmesg");
}

void vmm_set_hyperv_cpuid(struct vmm_vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[1];
	} cpuid = {
		.head.nent = 1,
		.entries[0] = {
			.function = HYPERV_INTERFACE_LEAF,
			.eax = HYPERV_SIGNATURE,
		},
	};

	vmm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid, "see dmesg");
}

bool vmm_has_msr(struct vmm *vm, __u32 index)
{
	struct {
		struct kvm_msr_list head;
		__u32 indices[MAX_MSR_LIST];
	} list = { .head.nmsrs = MAX_MSR_LIST };
	__u32 i;

	vmm_ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &list, "if E2BIG, enlarge MAX_MSR_LIST");
	for (i = 0; i < list.head.nmsrs; i++) {
		if (list.indices[i] == index)
			return true;
	}
	return false;
}

void vmm_set_msr(struct vmm_vcpu *vcpu, __u32 index, __u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[1];
	} msrs = {
		.head.nmsrs = 1,
		.entries[0] = { .index = index, .data = value },
	};

	/* The ioctl returns how many it has set. */
	if (vmm_ioctl(vcpu->fd, KVM_SET_MSRS, &msrs, "see dmesg") != 1)
		vmm_fail("KVM_SET_MSRS: KVM refuses 0x%llx for MSR 0x%08x", value, index);
}

void vmm_set_msr_filter(struct vmm *vm, const struct kvm_msr_filter *filter)
{
	vmm_ioctl(vm->vm_fd, KVM_X86_SET_MSR_FILTER, filter,
		  "if EINVAL, this kernel does not know a flag or refuses a range");
}

void vmm_set_msr_exits(struct vmm *vm, __u32 reasons)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = reasons,
	};

	vmm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap,
		  "this kernel does not know one of the KVM_MSR_EXIT_REASON_* flags");
}

__u32 vmm_max_reg_rules(struct vmm *vm)
{
	int nr = ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, (long)KVM_CAP_X86_REG_RULES);

	return nr > 0 ? nr : 0;
}

void vmm_set_reg_rules(struct vmm *vm, const struct kvm_x86_reg_rules *rules)
{
	vmm_ioctl(vm->vm_fd, KVM_X86_SET_REG_RULES, rules,
		  "if ENOTTY, this kernel has no register rules; if EINVAL, it refuses one");
}

void vmm_get_reg_rules(struct vmm *vm, struct kvm_x86_reg_rules *rules)
{
	vmm_ioctl(vm->vm_fd, KVM_X86_GET_REG_RULES, rules, "if E2BIG, enlarge the array");
}

static const unsigned char *guest_entry(const struct vmm_access *access)
{
	if (access->emulated)
		return access->write ? guest_emulated_wrmsr : guest_emulated_rdmsr;
	return access->write ? guest_wrmsr : guest_rdmsr;
}

void vmm_start(struct vmm *vm, struct vmm_vcpu *vcpu, const struct vmm_access *access)
{
	const unsigned char *entry = guest_entry(access);
	struct kvm_regs regs = {
		.rip = GUEST_CODE + (entry - guest_begin),
		.rsp = GUEST_STACK,
		.rflags = RFLAGS_FIXED,
		.rcx = access->index,
		.rax = (__u32)access->value,
		.rdx = access->value >> 32,
		.rsi = access->times,
	};

	memset(vm->memory + GUEST_FAULTS, 0, sizeof(__u32));
	vmm_ioctl(vcpu->fd, KVM_SET_REGS, &regs, "see dmesg");
}

/* The guest stopped for a reason of its own: is it the expected one? */
static void check_done(struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		vmm_fail("KVM_RUN: cannot enter the guest, hardware reason 0x%llx: see dmesg",
			 run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		vmm_fail("KVM_RUN: KVM internal error, suberror %u: see dmesg",
			 run->internal.suberror);
	if (run->exit_reason != KVM_EXIT_IO)
		vmm_fail("KVM_RUN: unexpected exit reason %u, see KVM_EXIT_* in linux/kvm.h",
			 run->exit_reason);
	if (run->io.port == PORT_LOST)
		vmm_fail("KVM_RUN: an MSR access gave the guest an exception other than #GP");
	if (run->io.port != PORT_DONE)
		vmm_fail("KVM_RUN: the guest uses port 0x%x: it runs wild", run->io.port);
}

bool vmm_run(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	while (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		if (errno != EINTR)
			fail_errno("KVM_RUN", "see dmesg");
	}

	if (run->exit_reason == KVM_EXIT_X86_RDMSR || run->exit_reason == KVM_EXIT_X86_WRMSR)
		return true;
	check_done(run);
	return false;
}

__u32 vmm_faults(const struct vmm *vm)
{
	__u32 faults;

	memcpy(&faults, vm->memory + GUEST_FAULTS, sizeof(faults));
	return faults;
}

static struct kvm_regs get_regs(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vmm_ioctl(vcpu->fd, KVM_GET_REGS, &regs, "see dmesg");
	return regs;
}

__u64 vmm_value(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = get_regs(vcpu);

	return regs.rdx << 32 | (__u32)regs.rax;
}

__u32 vmm_left(struct vmm_vcpu *vcpu)
{
	return get_regs(vcpu).rsi;
}

__u64 vmm_exits(struct vmm_vcpu *vcpu)
{
	__u64 exits;

	read_stats(vcpu, &exits, sizeof(exits), vcpu->exits_offset);
	return exits;
}

__u64 vmm_stat(struct vmm_vcpu *vcpu, const char *name)
{
	__u64 value;

	read_stats(vcpu, &value, sizeof(value), find_stat(vcpu, name));
	return value;
}
