// SPDX-License-Identifier: GPL-2.0
/* The VMs of msr-fuzz: make them, and have their guests access MSRs. */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "msr-fuzz.h"

#define TSC		0x10
#define COUNTER0	0xc1
#define COUNTER7	0xc8
#define SYSENTER_ESP	0x175
#define SYSENTER_EIP	0x176
#define PT_OUTPUT_MASK	0x561
#define STIMER0_CONFIG	0x400000b0
#define STIMER3_COUNT	0x400000b7
#define EFER		0xc0000080
#define EFER_LMA	(1ULL << 10)
#define TSC_AUX		0xc0000103

#define CPUID_1_ECX_VMX		(1u << 5)
#define CPUID_7_ECX_LA57	(1u << 16)
#define APIC_X2APIC	0xc00	/* in APIC_BASE: enabled, as an x2APIC */

bool fuzz_has_vmx(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	return c & CPUID_1_ECX_VMX;
}

static void enable_x2apic(struct vmm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		vmm_fail("KVM_GET_SREGS: %s", strerror(errno));
	sregs.apic_base |= APIC_X2APIC;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		vmm_fail("KVM_SET_SREGS: no x2APIC: %s", strerror(errno));
}

void fuzz_create_vm(struct vmm *vm, const struct fuzz_vm *input)
{
	struct vmm_vcpu *vcpu;

	vmm_create(vm);
	if (input->irqchip)
		vmm_create_irqchip(vm);
	vcpu = vmm_add_vcpu(vm);
	if (input->cpuid == SUPPORTED_CPUID)
		vmm_set_supported_cpuid(vm, vcpu);
	else if (input->cpuid == HYPERV_CPUID)
		vmm_set_hyperv_cpuid(vcpu);
	if (input->x2apic)
		enable_x2apic(vcpu);
	fuzz_load_guest(vm);
}

static void answer_exit(struct vmm_vcpu *vcpu, const void *access)
{
	const struct fuzz_access *a = access;
	struct kvm_run *run = vcpu->run;

	if (a->answer == LEAVE)
		return;

	run->msr.error = a->answer == REFUSE;
	if (a->answer == PERFORM && !a->write)
		run->msr.data = a->answered;
}

struct vmm_outcome fuzz_make_access(struct vmm *vm, const struct fuzz_access *a)
{
	const struct vmm_access access = {
		.write = a->write,
		.emulated = a->emulated,
		.index = a->index,
		.value = a->value,
	};

	return vmm_make_access(vm, &access, answer_exit, a);
}

bool fuzz_read_msr(struct vmm *twin, __u32 index, __u64 *value)
{
	const struct fuzz_access read = { .index = index, .answer = REFUSE };
	const struct vmm_outcome o = fuzz_make_access(twin, &read);

	*value = o.value;
	return !o.exited && !o.gp;
}

/* As KVM makes an address canonical, for hosts that have 48 or 57 bits */
static __u64 canonical(__u64 address)
{
	unsigned int a, b, c = 0, d, shift;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	shift = c & CPUID_7_ECX_LA57 ? 64 - 57 : 64 - 48;
	return (__u64)((__s64)(address << shift) >> shift);
}

__u64 fuzz_compare(bool amd_guest, __u32 index, __u64 old, __u64 value)
{
	switch (index) {
	case TSC:
	case TSC_DEADLINE:
	case COUNTER0 ... COUNTER7:
	case PT_OUTPUT_MASK:
	case STIMER0_CONFIG ... STIMER3_COUNT:
		return ~0ULL;
	case EFER:
		return (old ^ value) & ~EFER_LMA;
	case TSC_AUX:
		return (__u32)(old ^ value);
	case SYSENTER_ESP:
	case SYSENTER_EIP:
		return (old ^ canonical(value)) | (amd_guest ? old ^ (__u32)value : 0);
	default:
		return old ^ value;
	}
}

bool fuzz_is_unknown(struct vmm *twin, const struct fuzz_access *a, __u64 reasons,
		     struct vmm_outcome *o)
{
	vmm_set_msr_exits(twin, reasons | KVM_MSR_EXIT_REASON_UNKNOWN);
	*o = fuzz_make_access(twin, a);
	vmm_set_msr_exits(twin, reasons);
	return o->exited && o->reason == KVM_MSR_EXIT_REASON_UNKNOWN;
}
