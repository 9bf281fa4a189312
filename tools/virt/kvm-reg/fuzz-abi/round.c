// SPDX-License-Identifier: GPL-2.0
/* The rounds of msr-fuzz: make up all but their filters and rules. */
#include "msr-fuzz.h"

#define ALL_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)

#define EFER_LME	(1ULL << 8)
#define EFER_LMSLE	(1ULL << 13)

/* For a guest to be told to write to: memory that it does not use otherwise */
#define FUZZ_SCRATCH	0xe000

/* Never reached by a guest's TSC, which starts at 0, nor overflowing in nanoseconds */
#define FAR_DEADLINE	(1ULL << 48)

/* What a guest may write where any value would do harm to the comparison */
enum values {
	ANY,
	NONE,		/* no writes: they exit, reset, or send interrupts */
	SCRATCH,	/* an address that KVM writes to, with bit 0 to enable it */
	SMALL,		/* moves the TSC, which must not reach FAR_DEADLINE */
	DEADLINE,
	LVT_TIMER,	/* masked, or to fire at the deadline */
	ZERO,
	APIC_BASE,	/* every mode, at the usual address */
	EFER,		/* less what QEMU, in real mode, does not enter a guest with */
	LOW_BITS,
};

/* MSRs that are not as the others; the first entry to match holds. */
static const struct special {
	__u32 first;
	__u32 last;
	enum values values;
	bool masked;	/* what it reads depends on time, or on how fast the host is */
} specials[] = {
	{ 0x00000010, 0x00000010, SMALL, true },	/* TSC */
	{ 0x00000011, 0x00000012, SCRATCH, false },	/* KVM's old clocks */
	{ 0x0000001b, 0x0000001b, APIC_BASE, false },
	{ 0x0000003b, 0x0000003b, SMALL, true },	/* TSC_ADJUST, also by writing TSC */
	{ 0x000000e7, 0x000000e8, ANY, true },		/* MPERF, APERF */
	{ 0x000001d9, 0x000001d9, LOW_BITS, false },	/* DEBUGCTL */
	{ 0x000006e0, 0x000006e0, DEADLINE, false },
	{ 0x00000808, 0x00000808, ZERO, false },	/* TPR */
	{ 0x0000080b, 0x0000080b, ZERO, false },	/* EOI */
	{ 0x00000832, 0x00000832, LVT_TIMER, false },
	{ 0x00000838, 0x00000838, ZERO, false },	/* initial count */
	{ 0x00000839, 0x00000839, NONE, true },		/* current count */
	{ X2APIC_FIRST, X2APIC_LAST, NONE, false },
	{ 0x40000001, 0x40000001, SCRATCH, false },	/* Hyper-V: hypercall page */
	{ 0x40000003, 0x40000003, NONE, false },	/* reset */
	{ 0x40000010, 0x40000010, ANY, true },		/* runtime */
	{ 0x40000020, 0x40000020, ANY, true },		/* reference counter */
	{ 0x40000021, 0x40000021, SCRATCH, false },	/* reference TSC page */
	{ 0x40000022, 0x40000022, ANY, true },		/* TSC frequency */
	{ 0x40000073, 0x40000073, SCRATCH, false },	/* VP assist page */
	{ 0x40000080, 0x400000b7, NONE, false },	/* SynIC and its timers */
	{ 0x40000100, 0x40000105, NONE, false },	/* crash */
	{ 0x4b564d00, 0x4b564d04, SCRATCH, false },	/* KVM: clocks, async PF, steal time */
	{ 0xc0000080, 0xc0000080, EFER, false },
};

static const struct special *find_special(__u32 index)
{
	const struct special *s;

	for (s = specials; s < specials + ARRAY_SIZE(specials); s++)
		if (s->first <= index && index <= s->last)
			return s;
	return NULL;
}

static __u32 random_index(struct fuzz_round *round)
{
	if (round->has_rules && one_in(2))
		return one_in(3) ? kept_msr() : fuzz_near_rule(&round->rules);

	switch (below(10)) {
	case 0:
		return X2APIC_FIRST + below(0x40);
	case 1:
		return ~below(64);
	case 2:
		return one_in(2) ? edge() - 4 + below(8) : random64();
	case 3:
	case 4:
	case 5:
		return fuzz_near_range(&round->filter);
	default:
		return known_msr() + (one_in(8) ? below(4) : 0);
	}
}

static __u64 random_value(enum values values)
{
	static const __u32 apic_bases[] = { 0xfee00100, 0xfee00900, 0xfee00d00 };

	switch (values) {
	case SCRATCH:
		return one_in(3) ? 0 : FUZZ_SCRATCH | below(2);
	case SMALL:
		return below(1 << 20);
	case DEADLINE:
		return one_in(3) ? 0 : FAR_DEADLINE + below(1 << 20);
	case LVT_TIMER:
		return one_in(4) ? 0x10000 : 0x40020;
	case APIC_BASE:
		return pick(apic_bases);
	case EFER:
		return any_value() & ~(EFER_LME | EFER_LMSLE);
	case LOW_BITS:
		return below(4);
	case ZERO:
		return 0;
	default:
		return any_value();
	}
}

/* With FILTER, denied and allowed accesses differ whatever the MSR: so mostly with. */
static __u64 random_reasons(void)
{
	if (one_in(8))
		return random64();
	return below(ALL_REASONS + 1) | (one_in(4) ? 0 : KVM_MSR_EXIT_REASON_FILTER);
}

/* What depends on time cannot be compared with a mask. */
static bool may_write(const struct fuzz_round *round, const struct special *s)
{
	return !s || (s->values != NONE && !(round->has_rules && s->masked));
}

/*
 * With rules, KVM may intercept an MSR for the VM that hardware handles for its twin.
 * Emulated processors then keep other bits than KVM, and refuse less.
 */
static __u64 agreed_value(__u32 index, __u64 value)
{
	switch (index) {
	case 0x00000174:			/* SYSENTER_CS */
		return (__u16)value;
	case 0x00000175 ... 0x00000176:		/* SYSENTER_ESP, SYSENTER_EIP */
	case 0xc0000103:			/* TSC_AUX */
		return (__u32)value;
	case 0xc0000082 ... 0xc0000083:		/* LSTAR, CSTAR */
	case 0xc0000100 ... 0xc0000102:		/* bases of FS and GS: canonical */
		return (__s64)(value << 17) >> 17;
	default:
		return value;
	}
}

/* Now and then of the MSR of the access before: to read or change what was written */
static void make_access(struct fuzz_round *round, int i)
{
	struct fuzz_access *a = &round->accesses[i];
	const bool again = i && one_in(round->has_rules ? 2 : 4);
	const __u32 index = again ? a[-1].index : random_index(round);
	const struct special *s = find_special(index);
	const bool write = one_in(2);
	__u64 value = random_value(s ? s->values : ANY);

	/* Another bit than in the access before: what masks are about */
	if (round->has_rules && again && !s && !one_in(3))
		value = a[-1].value ^ (one_in(4) ? 0 : 1ULL << below(64));
	if (round->has_rules)
		value = agreed_value(index, value);

	*a = (struct fuzz_access) {
		.write = write && may_write(round, s),
		.emulated = one_in(4),
		.masked = s && s->masked,
		.index = index,
		.value = value,
		.answer = below(3),
		.answered = random64(),
	};
}

void fuzz_make_vm(struct fuzz_vm *vm, unsigned long long seed, unsigned int group)
{
	seed_random(seed, 1, group);
	vm->cpuid = one_in(4) ? HYPERV_CPUID : one_in(8) ? NO_CPUID : SUPPORTED_CPUID;
	vm->irqchip = !one_in(4);
	vm->x2apic = vm->irqchip && vm->cpuid == SUPPORTED_CPUID && !one_in(3);
}

void fuzz_make_accesses(struct fuzz_round *round)
{
	int i;

	for (i = 0; i < FUZZ_ACCESSES; i++)
		make_access(round, i);
	for (i = 0; i < FUZZ_WRITES; i++)
		fuzz_make_write(&round->writes[i]);
}

void fuzz_make_round(struct fuzz_round *round, unsigned long long seed, unsigned int number)
{
	seed_random(seed, 2, number);
	round->has_rules = fuzz_has_rules(number / FUZZ_GROUP);
	if (round->has_rules) {
		fuzz_make_rules(&round->rules);
		fuzz_make_get(&round->get);
	}
	fuzz_make_filter(&round->filter);
	round->reasons = random_reasons();
	fuzz_make_accesses(round);
}
