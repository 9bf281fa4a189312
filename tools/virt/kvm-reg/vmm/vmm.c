// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm_para.h>

#include "vmm.h"

#define KVM_PATH	"/dev/kvm"
#define GP_VECTOR	13
#define NR_VECTORS	256
#define RFLAGS_FIXED	0x2	/* bit 1 is always set */
#define CR4_OSXSAVE	(1u << 18)

/* Below the BIOS, where Intel without unrestricted guest wants three pages */
#define TSS_ADDRESS	0xfffbd000UL

/* KVM_GET_SUPPORTED_CPUID stays well below. */
#define MAX_CPUID	256

#define CPUID_1_ECX_TSC_DEADLINE	(1u << 24)

#define HYPERV_INTERFACE_LEAF	0x40000001
#define HYPERV_SIGNATURE	0x31237648	/* "Hv#1" */

static_assert(GUEST_MAP_GPA_RANGE == KVM_HC_MAP_GPA_RANGE, "");
static_assert(GUEST_SHARED == KVM_MAP_GPA_RANGE_DECRYPTED, "");
static_assert(GUEST_PRIVATE == KVM_MAP_GPA_RANGE_ENCRYPTED, "");

static bool parse_option(const char *arg, const struct vmm_option *option)
{
	const size_t length = strlen(option->name);
	char *end;

	if (option->name[length - 1] != '=') {
		if (strcmp(arg, option->name))
			return false;
		*option->value = 1;
		return true;
	}
	if (strncmp(arg, option->name, length))
		return false;

	errno = 0;
	*option->value = strtoull(arg + length, &end, 0);
	if (errno || end == arg + length || *end)
		vmm_fail("%s: not a number: try --help", arg);
	return true;
}

char **vmm_parse(int argc, char **argv, const char *usage, const struct vmm_option *options,
		 bool names)
{
	const struct vmm_option *option;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			exit(0);
		}
		option = options;
		while (option && option->name && !parse_option(argv[i], option))
			option++;
		if (!option || !option->name)
			break;
	}
	if (i < argc && (!names || argv[i][0] == '-'))
		vmm_fail("unknown argument %s: try --help", argv[i]);
	return argv + i;
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

/* Each vector is the IP, then the CS, of its handler, which is @offset into the code. */
static void set_vector(unsigned char *memory, int vector, size_t offset)
{
	__u16 ip = GUEST_CODE + offset;

	memcpy(memory + GUEST_IVT + vector * 4, &ip, sizeof(ip));
}

void vmm_load(struct vmm *vm, const unsigned char *begin, const unsigned char *end,
	      const unsigned char *gp, const unsigned char *lost)
{
	int vector;

	memcpy(vm->memory + GUEST_CODE, begin, end - begin);
	for (vector = 0; vector < NR_VECTORS; vector++)
		set_vector(vm->memory, vector, lost - begin);
	set_vector(vm->memory, GP_VECTOR, gp - begin);
}

static void add_memory(struct vmm *vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };

	vm->memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		fail_errno("mmap of guest memory", "free some memory");

	vmm_load(vm, guest_begin, guest_end, guest_gp, guest_lost);
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
	vcpu->stats_fd = vmm_ioctl(vcpu->fd, KVM_GET_STATS_FD, 0, "use Linux 5.14 or later");
	set_real_mode(vcpu);
	vm->nr_vcpus++;
	return vcpu;
}

void vmm_set_supported_cpuid(struct vmm *vm, struct vmm_vcpu *vcpu)
{
	union {
		struct kvm_cpuid2 list;
		char room[sizeof(struct kvm_cpuid2) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];
	} cpuid;
	__u32 i;

	memset(&cpuid, 0, sizeof(cpuid));
	cpuid.list.nent = MAX_CPUID;

	vmm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid, "if E2BIG, enlarge MAX_CPUID");
	for (i = 0; i < cpuid.list.nent; i++) {
		/* KVM leaves it to the VMM, for it takes KVM's own APICs. */
		if (cpuid.list.entries[i].function == 1 && vm->irqchip)
			cpuid.list.entries[i].ecx |= CPUID_1_ECX_TSC_DEADLINE;
	}
	vmm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid, "see dmesg");
}

void vmm_create_supported(struct vmm *vm)
{
	vmm_create(vm);
	vmm_set_supported_cpuid(vm, vmm_add_vcpu(vm));
}

void vmm_set_hyperv_cpuid(struct vmm_vcpu *vcpu)
{
	union {
		struct kvm_cpuid2 list;
		char room[sizeof(struct kvm_cpuid2) + sizeof(struct kvm_cpuid_entry2)];
	} cpuid;

	memset(&cpuid, 0, sizeof(cpuid));
	cpuid.list.nent = 1;
	cpuid.list.entries[0].function = HYPERV_INTERFACE_LEAF;
	cpuid.list.entries[0].eax = HYPERV_SIGNATURE;
	vmm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid, "see dmesg");
}

void vmm_set_msr(struct vmm_vcpu *vcpu, __u32 index, __u64 value)
{
	union {
		struct kvm_msrs list;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs;

	memset(&msrs, 0, sizeof(msrs));
	msrs.list.nmsrs = 1;
	msrs.list.entries[0].index = index;
	msrs.list.entries[0].data = value;
	/* The ioctl returns how many it has set. */
	if (vmm_ioctl(vcpu->fd, KVM_SET_MSRS, &msrs, "see dmesg") != 1)
		vmm_fail("KVM_SET_MSRS: KVM refuses 0x%llx for MSR 0x%08x", value, index);
}

void vmm_set_controls(struct vmm_vcpu *vcpu, const struct vmm_controls *controls)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = controls->xcr0 };
	struct kvm_sregs sregs;

	vmm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs, "see dmesg");
	sregs.cr0 = controls->cr0;
	sregs.cr4 = controls->cr4;
	vmm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs, "does the vCPU have such bits?");
	if (controls->cr4 & CR4_OSXSAVE)
		vmm_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs, "does the vCPU have such bits?");
}

struct vmm_controls vmm_get_controls(struct vmm_vcpu *vcpu)
{
	struct kvm_xcrs xcrs = { 0 };
	struct kvm_sregs sregs;

	vmm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs, "see dmesg");
	if (sregs.cr4 & CR4_OSXSAVE)
		vmm_ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs, "see dmesg");
	return (struct vmm_controls) { sregs.cr0, sregs.cr4, xcrs.xcrs[0].value };
}

struct vmm_reg_write *vmm_reg_write(struct vmm_vcpu *vcpu)
{
	return (struct vmm_reg_write *)vcpu->run->padding;
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

/* What KVM_CHECK_EXTENSION says of a capability, 0 if KVM does not have it */
static __u32 check_extension(long cap)
{
	int fd = open_kvm(), nr = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	close(fd);
	return nr > 0 ? nr : 0;
}

__u32 vmm_max_reg_rules(void)
{
	return check_extension(KVM_CAP_X86_REG_RULES);
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

void vmm_set_share_exits(struct vmm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	vmm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap, "use Linux 5.14 or later");
}

__u32 vmm_max_shared_ranges(void)
{
	return check_extension(KVM_CAP_X86_SHARED_RANGES);
}

void vmm_enable_shared_ranges(struct vmm *vm, __u32 max_ranges)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_SHARED_RANGES,
		.args[0] = max_ranges,
	};

	vmm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap,
		  "if EINVAL, this kernel has no lists of shared ranges, or none so long");
}

void vmm_set_shared_ranges(struct vmm *vm, const struct kvm_x86_shared_ranges *ranges)
{
	vmm_ioctl(vm->vm_fd, KVM_X86_SET_SHARED_RANGES, ranges,
		  "if E2BIG, the VM's list may not be so long; if EINVAL, KVM refuses a range");
}

void vmm_get_shared_ranges(struct vmm *vm, struct kvm_x86_shared_ranges *ranges)
{
	vmm_ioctl(vm->vm_fd, KVM_X86_GET_SHARED_RANGES, ranges, "if E2BIG, enlarge the array");
}

static const unsigned char *guest_entry(const struct vmm_access *access)
{
	switch (access->control) {
	case VMM_MOV_CR0:
		return guest_mov_cr0;
	case VMM_MOV_CR4:
		return guest_mov_cr4;
	case VMM_CLTS:
		return guest_clts;
	case VMM_XSETBV:
		return guest_xsetbv;
	case VMM_NONE:
		break;
	}
	if (access->emulated)
		return access->write ? guest_emulated_wrmsr : guest_emulated_rdmsr;
	return access->write ? guest_wrmsr : guest_rdmsr;
}

/* The bytes of the instruction, less a prefix that KVM takes for itself */
static int guest_length(const struct vmm_access *access)
{
	return access->control == VMM_NONE || access->control == VMM_CLTS ? 2 : 3;
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
		.rbx = access->toggle,
		.rsi = access->times ?: 1,
		.rdi = guest_length(access),
	};

	memset(vm->memory + GUEST_FAULTS, 0, sizeof(__u32));
	vmm_ioctl(vcpu->fd, KVM_SET_REGS, &regs, "see dmesg");
}

void vmm_start_sharing(struct vmm_vcpu *vcpu, __u32 gpa, __u32 times)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE + (guest_share - guest_begin),
		.rsp = GUEST_STACK,
		.rflags = RFLAGS_FIXED,
		.rbx = gpa,
		.rcx = 1,
		.rsi = times,
	};

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
		vmm_fail("KVM_RUN: an access gave the guest an exception other than #GP");
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

	if (run->exit_reason == KVM_EXIT_X86_RDMSR || run->exit_reason == KVM_EXIT_X86_WRMSR ||
	    run->exit_reason == KVM_EXIT_X86_REG_WRITE || run->exit_reason == KVM_EXIT_HYPERCALL)
		return true;
	check_done(run);
	return false;
}

static struct kvm_regs get_regs(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vmm_ioctl(vcpu->fd, KVM_GET_REGS, &regs, "see dmesg");
	return regs;
}

/* Is the guest where it has to be, with one access made? */
static void check_guest(const struct vmm *vm, struct vmm_vcpu *vcpu, __u32 index)
{
	const struct kvm_regs regs = get_regs(vcpu);

	if (regs.rsi || regs.rcx != index || regs.rsp != GUEST_STACK || vmm_faults(vm) > 1)
		vmm_fail("KVM_RUN: the guest is lost: RSI 0x%llx, RCX 0x%llx, RSP 0x%llx, %u #GPs",
			 regs.rsi, regs.rcx, regs.rsp, vmm_faults(vm));
}

struct vmm_outcome vmm_make_access(struct vmm *vm, const struct vmm_access *access,
				   vmm_answer *answer, const void *arg)
{
	struct vmm_vcpu *vcpu = &vm->vcpus[0];
	struct kvm_run *run = vcpu->run;
	struct vmm_outcome o = { 0 };

	vmm_start(vm, vcpu, access);
	while (vmm_run(vcpu)) {
		const bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;

		if (!answer || o.exited || write != access->write ||
		    run->msr.index != access->index)
			vmm_fail("KVM_RUN: exit %u for MSR 0x%08x during an access to 0x%08x",
				 run->exit_reason, run->msr.index, access->index);
		o.exited = true;
		o.error = run->msr.error;
		o.reason = run->msr.reason;
		o.data = run->msr.data;
		answer(vcpu, arg);
	}

	check_guest(vm, vcpu, access->index);
	o.gp = vmm_faults(vm);
	if (!access->write && !o.gp)
		o.value = vmm_value(vcpu);
	return o;
}

void vmm_describe(bool write, const struct vmm_outcome *o, char *s, size_t size)
{
	if (o->gp)
		snprintf(s, size, "#GP");
	else if (write)
		snprintf(s, size, "done");
	else
		snprintf(s, size, "value 0x%llx", o->value);
}

__u32 vmm_faults(const struct vmm *vm)
{
	__u32 faults;

	memcpy(&faults, vm->memory + GUEST_FAULTS, sizeof(faults));
	return faults;
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

__u32 vmm_results(struct vmm_vcpu *vcpu)
{
	return get_regs(vcpu).rdi;
}

__u64 vmm_stat(struct vmm_vcpu *vcpu, const char *name)
{
	__u64 value;

	if (!vcpu->stat || strcmp(vcpu->stat, name)) {
		vcpu->stat = name;
		vcpu->stat_offset = find_stat(vcpu, name);
	}
	read_stats(vcpu, &value, sizeof(value), vcpu->stat_offset);
	return value;
}
