// SPDX-License-Identifier: GPL-2.0
/*
 * msr_filter_bitmap_test - hardware's MSR bitmap under KVM_X86_SET_MSR_FILTER
 *
 * Whatever filters were set, and whatever else changed that moves KVM's own
 * intercepts (CPUID, APIC mode, EFER, long mode, other MSRs), in whatever order:
 * a register is passed through to hardware if and only if KVM would pass it
 * through without a filter, and the filter allows it.  x2APIC registers are KVM's
 * alone.
 *
 * What KVM would do is what it does for the control, a vCPU of another VM that
 * undergoes the same changes, but for the filters.  What hardware does shows in
 * the tracepoint kvm:kvm_msr, which fires once for each access that exits, be it
 * performed or denied.  The guest accesses a span of registers; where fewer events
 * are counted than accesses made, halves of the span tell which did not exit.
 */
#include <linux/perf_event.h>
#include <sys/syscall.h>

#include "apic.h"
#include "kvm_test_harness.h"
#include "msr_test.h"
#include "pmu.h"

#define DENY		KVM_MSR_FILTER_DEFAULT_DENY

/* What the bitmaps cover: two windows with VMX, and one more with SVM. */
#define WINDOW_SIZE	0x2000
#define MAX_WINDOWS	3
#define MAX_REGS	(MAX_WINDOWS * WINDOW_SIZE)

static const uint32_t windows[MAX_WINDOWS] = { 0, 0xc0000000, 0xc0010000 };

/*
 * Longer spans make fewer entries from userspace, shorter ones fewer accesses to
 * find the registers that are passed through.
 */
#define SPAN		128

#define X86_FEATURE_INTEL_PT	KVM_X86_CPU_FEATURE(0x7, 0, EBX, 25)

/* Registers are numbered from 0, through all windows. */
static int nr_regs(void)
{
	return (host_cpu_is_intel ? 2 : 3) * WINDOW_SIZE;
}

static uint32_t reg_to_msr(int reg)
{
	return windows[reg / WINDOW_SIZE] + reg % WINDOW_SIZE;
}

static bool is_x2apic(uint32_t msr)
{
	return msr >= APIC_BASE_MSR && msr <= APIC_BASE_MSR + 0xff;
}

/*
 * struct span - what the guest is to access; lives in its memory
 * @first: The first MSR.
 * @nr: How many.
 * @write: WRMSR rather than RDMSR.
 * @values: What to write.
 */
static struct span {
	uint32_t first;
	uint32_t nr;
	bool write;
	uint64_t values[SPAN];
} span;

static void guest_main(void)
{
	uint64_t value;
	uint32_t i;

	for (;;) {
		for (i = 0; i < span.nr; i++) {
			if (span.write)
				wrmsr_safe(span.first + i, span.values[i]);
			else
				rdmsr_safe(span.first + i, &value);
		}
		GUEST_SYNC(0);
	}
}

/* The registers that are passed through, for reads and for writes. */
struct bitmap {
	bool read[MAX_REGS];
	bool write[MAX_REGS];
};

/* Counts the events of kvm:kvm_msr in this thread; negative if that cannot be done. */
static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	char id[16];

	if (!read_file("/sys/kernel/tracing/events/kvm/kvm_msr/id", id, sizeof(id)) &&
	    !read_file("/sys/kernel/debug/tracing/events/kvm/kvm_msr/id", id, sizeof(id)))
		return -1;

	attr.config = atoi(id);
	return syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t read_counter(int fd)
{
	uint64_t count;

	TEST_ASSERT(read(fd, &count, sizeof(count)) == sizeof(count),
		    "cannot read the event's counter: %d", errno);
	return count;
}

/* What registers are written with, by their number. */
static uint64_t values[MAX_REGS];

static int msr_to_reg(uint32_t msr)
{
	int i;

	for (i = 0; i < nr_regs() / WINDOW_SIZE; i++)
		if (msr - windows[i] < WINDOW_SIZE)
			return i * WINDOW_SIZE + msr - windows[i];

	return -1;
}

static void write_back(struct kvm_vcpu *vcpu, uint32_t msr)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} msrs = { .header.nmsrs = 1, .entry.index = msr };
	int reg = msr_to_reg(msr);

	/* A vCPU need not have all MSRs that KVM has. */
	if (reg >= 0 && __vcpu_ioctl(vcpu, KVM_GET_MSRS, &msrs.header) == 1)
		values[reg] = msrs.entry.data;
}

/*
 * Choose values without consequences.
 *
 * Registers that userspace saves and restores, and the two that it does elsewhere,
 * are written with the value that they have.  Those of the x2APIC are written with
 * bits that are reserved in all of them: an EOI, an IPI or a disabled APIC would
 * be consequences.  The rest is zero, or can be written with it.
 */
static void choose_values(struct kvm_vcpu *vcpu)
{
	const struct kvm_msr_list *saved = kvm_get_msr_index_list();
	int i;

	memset(values, 0, sizeof(values));
	for (i = 0; i < saved->nmsrs; i++)
		write_back(vcpu, saved->indices[i]);
	write_back(vcpu, MSR_EFER);
	write_back(vcpu, MSR_IA32_APICBASE);

	for (i = 0; i < nr_regs(); i++)
		if (is_x2apic(reg_to_msr(i)))
			values[i] = ~0ull;
}

/* Returns how many of the accesses exited. */
static int access_span(struct kvm_vcpu *vcpu, int counter, int first, int nr, bool write)
{
	struct span *s = addr_gva2hva(vcpu->vm, (uintptr_t)&span);
	uint64_t before;
	struct ucall uc;
	int exits;

	s->first = reg_to_msr(first);
	s->nr = nr;
	s->write = write;
	memcpy(s->values, values + first, nr * sizeof(*values));

	before = read_counter(counter);
	vcpu_run(vcpu);
	exits = read_counter(counter) - before;

	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT(exits <= nr, "%d exits for %d accesses from 0x%x", exits, nr, s->first);
	return exits;
}

static void walk_span(struct kvm_vcpu *vcpu, int counter, int first, int nr, bool write,
		      bool *passed)
{
	int half = nr / 2, exits = access_span(vcpu, counter, first, nr, write);

	if (!exits || exits == nr) {
		memset(passed + first, !exits, nr);
		return;
	}

	walk_span(vcpu, counter, first, half, write, passed);
	walk_span(vcpu, counter, first + half, nr - half, write, passed);
}

/* An emulated machine may take four seconds for a walk. */
#define MAX_S		300

/* Find out what is passed through. */
static void walk(struct kvm_vcpu *vcpu, int counter, struct bitmap *bitmap)
{
	int i;

	choose_values(vcpu);
	for (i = 0; i < nr_regs(); i += SPAN) {
		walk_span(vcpu, counter, i, SPAN, false, bitmap->read);
		walk_span(vcpu, counter, i, SPAN, true, bitmap->write);
	}
}

/*
 * struct policy - a filter, with its bitmaps
 * @name: For messages.
 * @filter: As KVM gets it.
 * @nr: How many ranges it has.
 * @bits: The ranges' bitmaps.
 */
struct policy {
	const char *name;
	struct kvm_msr_filter filter;
	int nr;
	uint8_t bits[KVM_MSR_FILTER_MAX_RANGES][KVM_MSR_FILTER_MAX_BITMAP_SIZE];
};

static void start_policy(struct policy *p, const char *name, uint32_t flags)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->filter.flags = flags;
}

/* Returns the range's bitmap, in which no bit is set. */
static uint8_t *add_range(struct policy *p, uint32_t base, uint32_t nmsrs, uint32_t flags)
{
	TEST_ASSERT(p->nr < KVM_MSR_FILTER_MAX_RANGES && nmsrs <= MAX_NMSRS,
		    "no such range: %u MSRs in number %d", nmsrs, p->nr);
	p->filter.ranges[p->nr] = (struct kvm_msr_filter_range) {
		.flags = flags, .nmsrs = nmsrs, .base = base, .bitmap = p->bits[p->nr],
	};
	return p->bits[p->nr++];
}

static void allow(uint8_t *bits, uint32_t bit)
{
	bits[bit / 8] |= 1 << bit % 8;
}

/* The filter's documentation in code: the first range that matches decides. */
static bool allows(const struct policy *p, uint32_t msr, uint32_t access)
{
	uint32_t bit;
	int i;

	if (is_x2apic(msr))
		return true;

	for (i = 0; i < p->nr; i++) {
		const struct kvm_msr_filter_range *r = &p->filter.ranges[i];

		bit = msr - r->base;
		if (r->flags & access && msr >= r->base && bit < r->nmsrs)
			return p->bits[i][bit / 8] & (1 << bit % 8);
	}

	return !(p->filter.flags & DENY);
}

static void no_policy(struct policy *p)
{
	start_policy(p, "none", 0);
}

/* A filter that denies by default needs a range; that one is out of the way. */
static void deny_all(struct policy *p)
{
	start_policy(p, "deny all", DENY);
	allow(add_range(p, 0xdeadbeef, 1, READ | WRITE), 0);
}

static void deny_access(struct policy *p, const char *name, uint32_t access)
{
	int i;

	start_policy(p, name, 0);
	for (i = 0; i < MAX_WINDOWS; i++)
		add_range(p, windows[i], WINDOW_SIZE, access);
}

static void read_only(struct policy *p)
{
	deny_access(p, "read-only", WRITE);
}

static void write_only(struct policy *p)
{
	deny_access(p, "write-only", READ);
}

/* Every other MSR, so that neighbours differ. */
static void allow_list(struct policy *p)
{
	uint8_t *bits;
	int i, bit;

	start_policy(p, "allow-list", DENY);
	for (i = 0; i < MAX_WINDOWS; i++) {
		bits = add_range(p, windows[i], WINDOW_SIZE, READ | WRITE);
		for (bit = i % 2; bit < WINDOW_SIZE; bit += 2)
			allow(bits, bit);
	}
}

static void random_range(struct policy *p)
{
	uint32_t base = windows[random() % MAX_WINDOWS], nmsrs = MAX_NMSRS, i;
	unsigned int density = random() % 9;
	uint8_t *bits;

	if (random() % 2) {
		base += random() % WINDOW_SIZE;
		nmsrs = 1 + random() % MAX_NMSRS;
	}

	bits = add_range(p, base, nmsrs, 1 + random() % (READ | WRITE));
	for (i = 0; i < nmsrs; i++)
		if (random() % 8 < density)
			allow(bits, i);
}

static void random_policy(struct policy *p)
{
	int n = 1 + random() % KVM_MSR_FILTER_MAX_RANGES;

	start_policy(p, "random", random() % 2 ? DENY : 0);
	while (n--)
		random_range(p);
}

static void (*const policies[])(struct policy *) = {
	deny_all, read_only, write_only, allow_list, random_policy, no_policy,
};

/*
 * Other things that move intercepts.  Each is done to the control and to the
 * filtered vCPU alike, on the same random argument.
 */
static void change_vendor(struct kvm_vcpu *vcpu, uint32_t arg)
{
	const char *vendor = arg % 2 ? "GenuineIntel" : "AuthenticAMD";
	struct kvm_cpuid_entry2 *entry = vcpu_get_cpuid_entry(vcpu, 0);

	memcpy(&entry->ebx, vendor, 4);
	memcpy(&entry->edx, vendor + 4, 4);
	memcpy(&entry->ecx, vendor + 8, 4);
	vcpu_set_cpuid(vcpu);
}

static void change_features(struct kvm_vcpu *vcpu, uint32_t arg)
{
	const struct kvm_x86_cpu_feature features[] = {
		X86_FEATURE_SPEC_CTRL, X86_FEATURE_AMD_IBPB, X86_FEATURE_XFD,
		X86_FEATURE_XSAVES, X86_FEATURE_RDTSCP, X86_FEATURE_SHSTK,
		X86_FEATURE_PDCM, X86_FEATURE_ARCH_CAPABILITIES,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (kvm_cpu_has(features[i]))
			vcpu_set_or_clear_cpuid_feature(vcpu, features[i], arg & BIT(i));
}

static void change_apic_mode(struct kvm_vcpu *vcpu, uint32_t arg)
{
	const uint64_t modes[] = {
		0,
		MSR_IA32_APICBASE_ENABLE,
		MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE,
	};
	uint64_t base = vcpu_get_msr(vcpu, MSR_IA32_APICBASE);

	base &= ~(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE);
	vcpu_set_msr(vcpu, MSR_IA32_APICBASE, base | modes[arg % ARRAY_SIZE(modes)]);
}

static void change_efer(struct kvm_vcpu *vcpu, uint32_t arg)
{
	uint64_t efer = vcpu_get_msr(vcpu, MSR_EFER) & ~(EFER_SCE | EFER_SVME);

	if (arg & 1)
		efer |= EFER_SCE;
	if (arg & 2 && vcpu_cpuid_has(vcpu, X86_FEATURE_SVM))
		efer |= EFER_SVME;
	vcpu_set_msr(vcpu, MSR_EFER, efer);
}

/* Out of long mode, and back. */
static void change_long_mode(struct kvm_vcpu *vcpu, uint32_t arg)
{
	struct kvm_sregs long_mode, sregs;

	vcpu_sregs_get(vcpu, &long_mode);
	sregs = long_mode;
	sregs.cr0 &= ~X86_CR0_PG;
	sregs.cr4 &= ~X86_CR4_PAE;
	sregs.efer &= ~(EFER_LME | EFER_LMA);
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_sregs_set(vcpu, &long_mode);
}

/* KVM passes some registers through from when they are first used. */
static void change_msrs(struct kvm_vcpu *vcpu, uint32_t arg)
{
	if (vcpu_cpuid_has(vcpu, X86_FEATURE_SPEC_CTRL))
		vcpu_set_msr(vcpu, MSR_IA32_SPEC_CTRL, arg & 1 ? SPEC_CTRL_IBRS : 0);
	if (vcpu_cpuid_has(vcpu, X86_FEATURE_INTEL_PT))
		_vcpu_set_msr(vcpu, MSR_IA32_RTIT_CTL, arg & 2 ? RTIT_CTL_TRACEEN : 0);
	if (host_cpu_is_amd)
		_vcpu_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, arg & 4 ? DEBUGCTLMSR_LBR : 0);
}

/*
 * struct change - something that moves intercepts
 * @name: For messages.
 * @apply: Do it.
 * @before_run: Whether it is possible only as long as the vCPU has not run.
 */
static const struct change {
	const char *name;
	void (*apply)(struct kvm_vcpu *vcpu, uint32_t arg);
	bool before_run;
} changes[] = {
	{ "vendor", change_vendor, true },
	{ "features", change_features, true },
	{ "APIC mode", change_apic_mode },
	{ "EFER", change_efer },
	{ "long mode", change_long_mode },
	{ "MSRs", change_msrs },
};

FIXTURE(msr_bitmap)
{
	struct kvm_vcpu *control;
	struct kvm_vcpu *filtered;
	int counter;
	struct policy policy;
	struct bitmap expected;
	struct bitmap found;
	/* Whether the control has changed since it was walked. */
	bool changed;
};

static void create_vcpus(struct _test_data_msr_bitmap *self)
{
	vm_create_with_one_vcpu(&self->control, guest_main);
	vm_create_with_one_vcpu(&self->filtered, guest_main);
	no_policy(&self->policy);
	self->changed = true;
}

static void free_vcpus(struct _test_data_msr_bitmap *self)
{
	kvm_vm_free(self->control->vm);
	kvm_vm_free(self->filtered->vm);
}

FIXTURE_SETUP(msr_bitmap)
{
	self->counter = open_counter();
	if (self->counter < 0)
		SKIP(return, "needs root, perf events, and tracefs with kvm:kvm_msr");

	create_vcpus(self);
}

FIXTURE_TEARDOWN(msr_bitmap)
{
	free_vcpus(self);
	close(self->counter);
}

static void set_policy(struct _test_data_msr_bitmap *self, void (*make)(struct policy *))
{
	make(&self->policy);
	set_filter(self->filtered->vm, self->policy.filter);
}

/* Returns 1 if the register is not passed through as it should be. */
static int is_wrong(struct _test_data_msr_bitmap *self, int reg, uint32_t access)
{
	bool write = access == WRITE;
	bool by_kvm = write ? self->expected.write[reg] : self->expected.read[reg];
	bool found = write ? self->found.write[reg] : self->found.read[reg];
	bool allowed = allows(&self->policy, reg_to_msr(reg), access);

	if (found == (by_kvm && allowed))
		return 0;

	pr_info("# %s of 0x%x: %s, which KVM %s and the policy %s\n",
		write ? "write" : "read", reg_to_msr(reg),
		found ? "passed through" : "intercepted",
		by_kvm ? "passes through" : "intercepts", allowed ? "allows" : "denies");
	return 1;
}

/* Compare the bitmap that was found with what the control and the policy ask for. */
static void check_bitmap(struct _test_data_msr_bitmap *self, const char *when)
{
	int i, wrong = 0;

	for (i = 0; i < nr_regs(); i++)
		wrong += is_wrong(self, i, READ) + is_wrong(self, i, WRITE);

	TEST_ASSERT(!wrong, "%d intercepts are wrong after changes (the last: %s), policy: %s",
		    wrong, when, self->policy.name);
}

static void walk_control(struct _test_data_msr_bitmap *self)
{
	walk(self->control, self->counter, &self->expected);
	self->changed = false;
	TEST_ASSERT(self->expected.read[msr_to_reg(MSR_FS_BASE)] &&
		    self->expected.write[msr_to_reg(MSR_FS_BASE)],
		    "without a policy, FS_BASE is intercepted");
}

static void expect_policy(struct _test_data_msr_bitmap *self, const char *when)
{
	walk(self->filtered, self->counter, &self->found);
	check_bitmap(self, when);
}

TEST_F_TIMEOUT(msr_bitmap, each_policy, MAX_S)
{
	int i;

	walk_control(self);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		set_policy(self, policies[i]);
		expect_policy(self, "policy");
	}
}

static void expect_policy_at(struct _test_data_msr_bitmap *self, int reg)
{
	int first = reg - reg % SPAN;

	choose_values(self->filtered);
	walk_span(self->filtered, self->counter, first, SPAN, false, self->found.read);
	walk_span(self->filtered, self->counter, first, SPAN, true, self->found.write);
}

/* Deny what is passed through, one register and one kind of access at a time. */
TEST_F_TIMEOUT(msr_bitmap, each_register, MAX_S)
{
	uint32_t access;
	int i;

	walk_control(self);
	self->found = self->expected;
	for (i = 0; i < nr_regs(); i++) {
		if (!self->expected.read[i] && !self->expected.write[i])
			continue;

		for (access = READ; access <= (READ | WRITE); access++) {
			start_policy(&self->policy, "one register", 0);
			add_range(&self->policy, reg_to_msr(i), 1, access);
			set_filter(self->filtered->vm, self->policy.filter);
			expect_policy_at(self, i);
			check_bitmap(self, "policy");
		}
		/* What the walk does not visit is to be allowed again. */
		self->found = self->expected;
	}
}

/* Returns what was changed. */
static const char *random_change(struct _test_data_msr_bitmap *self, bool has_run)
{
	const struct change *c = &changes[random() % ARRAY_SIZE(changes)];
	uint32_t arg = random();

	if (random() % 2 || (has_run && c->before_run)) {
		set_policy(self, policies[random() % ARRAY_SIZE(policies)]);
		return "policy";
	}

	c->apply(self->control, arg);
	c->apply(self->filtered, arg);
	self->changed = true;
	return c->name;
}

#define SEEDS		2
#define CHANGES_BEFORE	6
#define CHANGES_AFTER	5

/* A vCPU's life: changes before it runs, and after.  A walk follows each. */
static void random_life(struct _test_data_msr_bitmap *self)
{
	const char *what = NULL;
	int i;

	for (i = 0; i < CHANGES_BEFORE; i++)
		what = random_change(self, false);

	for (i = 0; i <= CHANGES_AFTER; i++) {
		if (i)
			what = random_change(self, true);
		if (self->changed)
			walk_control(self);
		expect_policy(self, what);
	}
}

static void print_sums(struct _test_data_msr_bitmap *self, int seed)
{
	int i, control = 0, filtered = 0;

	for (i = 0; i < nr_regs(); i++) {
		control += self->expected.read[i] + self->expected.write[i];
		filtered += self->found.read[i] + self->found.write[i];
	}

	pr_info("# seed %d: KVM passes %d accesses through, and policy \"%s\" leaves %d\n",
		seed, control, self->policy.name, filtered);
}

TEST_F_TIMEOUT(msr_bitmap, random_changes, MAX_S)
{
	int seed;

	for (seed = 1; seed <= SEEDS; seed++) {
		srandom(seed);
		random_life(self);
		print_sums(self, seed);
		free_vcpus(self);
		create_vcpus(self);
	}
}

/*
 * Intel's LBR registers are passed through while the guest records branches.  A
 * thread has them but once: the filtered vCPU is its own control.
 */
TEST_F_TIMEOUT(msr_bitmap, lbr, MAX_S)
{
	struct kvm_vcpu *vcpu = self->filtered;
	int i;

	if (!host_cpu_is_intel || !kvm_cpu_has(X86_FEATURE_PDCM) ||
	    !(kvm_get_feature_msr(MSR_IA32_PERF_CAPABILITIES) & PMU_CAP_LBR_FMT))
		SKIP(return, "needs a PMU with Intel's LBR");

	vcpu_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, DEBUGCTLMSR_LBR);
	walk(vcpu, self->counter, &self->expected);
	if (!self->expected.read[msr_to_reg(MSR_LBR_TOS)])
		SKIP(return, "needs LBR that nobody else uses");

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		set_policy(self, policies[i]);
		expect_policy(self, "policy");
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_MSR_FILTER));
	return test_harness_run(argc, argv);
}
