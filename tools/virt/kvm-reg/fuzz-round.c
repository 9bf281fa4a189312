// SPDX-License-Identifier: GPL-2.0
/*
 * The rounds of msr-fuzz: make them up, and say what each kernel is to make of
 * them.
 */
#include <errno.h>
#include <string.h>

#include "fuzz-random.h"
#include "fuzz-round.h"
#include "vmm.h"

#define READ_WRITE	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define ALL_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
#define SPACE		(1ULL << 32)	/* registers that there are */

#define TSC_DEADLINE	0x6e0
#define EFER_LME	(1ULL << 8)
#define EFER_LMSLE	(1ULL << 13)

/* KVM has no MSR from here on: where a range may be that ends at 2^32. */
#define NO_MSRS_FROM	((__u32)(SPACE - FUZZ_NMSRS))

/* Never reached by a guest's TSC, which starts at 0, nor overflowing in nanoseconds */
#define FAR_DEADLINE	(1ULL << 48)

const struct fuzz_weakness_info fuzz_weaknesses[NR_WEAKNESSES] = {
	[ENDS_AT_2_32] = {
		"range-ends-at-2^32", false,
		"never matches; now it does",
	},
	[RANGE_WRAPS] = {
		"range-wraps", false,
		"is accepted, and never matches; now EINVAL",
	},
	[BITMAP_OVER_READ] = {
		"bitmap-over-read", false,
		"EFAULT if the 8 bytes that a bitmap ends in are not all there; now 0",
	},
	[DEADLINE_FASTPATH] = {
		"tsc-deadline-fastpath", true,
		"a denied WRMSR arms the timer; now it is denied",
	},
};

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

static __u32 random_base(const struct kvm_msr_filter_range *before)
{
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		return known_msr() - below(8);
	case 3:
		return X2APIC_FIRST - 16 + below(0x120);
	case 4:
		return edge() - below(64);
	case 5:
		return random64();
	default:
		return before->base + below(32);
	}
}

static __u32 random_nmsrs(void)
{
	switch (below(8)) {
	case 0:
		return 1;
	case 1:
		return FUZZ_NMSRS;
	case 2:
		return 1 + below(FUZZ_NMSRS);
	default:
		return 1 + below(64);
	}
}

static void fill_bitmap(struct fuzz_bitmap *bitmap, __u32 nmsrs)
{
	const unsigned int kind = below(8);
	__u64 word;
	unsigned int i;

	bitmap->place = ROOMY;
	bitmap->offset = below(16);
	bitmap->size = nmsrs > FUZZ_NMSRS ? FUZZ_BITMAP : (nmsrs + 7) / 8;
	for (i = 0; i < FUZZ_BITMAP; i += sizeof(word)) {
		word = kind < 3 ? 0 : kind == 3 ? ~0ULL : random64();
		memcpy(bitmap->bytes + i, &word, sizeof(word));
	}
}

static void make_range(struct fuzz_filter *filter, int i)
{
	struct kvm_msr_filter_range *range = &filter->abi.ranges[i];

	*range = (struct kvm_msr_filter_range) {
		.flags = 1 + below(READ_WRITE),
		.nmsrs = random_nmsrs(),
		.base = random_base(range - !!i),
	};
	/* Which ranges end at 2^32, or behind, is decided later. */
	if ((__u64)range->base + range->nmsrs >= SPACE)
		range->base = SPACE - 1 - below(64) - range->nmsrs;
	fill_bitmap(&filter->bitmaps[i], range->nmsrs);
}

static void make_ranges(struct fuzz_filter *filter)
{
	const int wanted = one_in(10) ? 0 : one_in(4) ? 1 + below(16) : 1 + below(4);
	int i, made = 0;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && made < wanted; i++) {
		if (one_in(8))
			continue;	/* an unused slot between others */
		make_range(filter, i);
		made++;
	}
}

/* A range that is used; NULL if there is none. */
static struct kvm_msr_filter_range *some_range(struct fuzz_filter *filter)
{
	unsigned int i, n = below(KVM_MSR_FILTER_MAX_RANGES);
	struct kvm_msr_filter_range *range;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[(n + i) % KVM_MSR_FILTER_MAX_RANGES];
		if (range->nmsrs)
			return range;
	}
	return NULL;
}

static void malform_range(struct fuzz_filter *filter, struct kvm_msr_filter_range *range)
{
	struct fuzz_bitmap *bitmap = &filter->bitmaps[range - filter->abi.ranges];

	switch (below(6)) {
	case 0:
		range->flags = 0;
		break;
	case 1:
		range->flags |= 1u << below(32);
		break;
	case 2:
		range->nmsrs = FUZZ_NMSRS + 1 + (one_in(2) ? below(64) : random64() >> 36);
		break;
	case 3:
		range->nmsrs = ~below(64);
		break;
	case 4:
		bitmap->place = CUT_OFF;
		break;
	default:
		bitmap->place = NOWHERE;
	}
}

/* Now and then, what KVM is to refuse; a flag may happen to be a valid one. */
static void malform(struct fuzz_filter *filter)
{
	struct kvm_msr_filter_range *range = some_range(filter);

	switch (below(4)) {
	case 0:
		filter->abi.flags |= 1u << below(32);
		break;
	case 1:
		filter->place = CUT_OFF + below(2);
		break;
	default:
		if (range)
			malform_range(filter, range);
	}
}

/* Ranges at the end of the space, and bitmaps at the end of the memory */
static void stretch(struct fuzz_filter *filter)
{
	struct kvm_msr_filter_range *range = some_range(filter);

	if (!range)
		return;

	if (one_in(4))
		range->base = SPACE - range->nmsrs;
	else if (one_in(12))
		range->base = SPACE - range->nmsrs + 1 + below(range->nmsrs);
	if (one_in(4))
		filter->bitmaps[range - filter->abi.ranges].place = AT_END;
	if (one_in(8))
		filter->place = AT_END;
}

static void make_filter(struct fuzz_filter *filter)
{
	memset(filter, 0, sizeof(*filter));
	filter->abi.flags = one_in(3) ? KVM_MSR_FILTER_DEFAULT_DENY :
					KVM_MSR_FILTER_DEFAULT_ALLOW;
	filter->compat = one_in(4);
	make_ranges(filter);
	stretch(filter);
	if (one_in(6))
		malform(filter);
}

static __u32 near_range(struct fuzz_filter *filter)
{
	const struct kvm_msr_filter_range *range = some_range(filter);

	if (!range)
		return random64();

	switch (below(5)) {
	case 0:
		return range->base - 1;
	case 1:
		return range->base;
	case 2:
		return range->base + range->nmsrs - 1;
	case 3:
		return range->base + range->nmsrs;
	default:
		return range->base + below(range->nmsrs);
	}
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
		return near_range(&round->filter);
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
	vm->has_rules = group % 2;
}

void fuzz_make_round(struct fuzz_round *round, unsigned long long seed, unsigned int number)
{
	int i;

	seed_random(seed, 2, number);
	round->seed = seed;
	round->number = number;
	round->has_rules = number / FUZZ_GROUP % 2;
	if (round->has_rules) {
		fuzz_make_rules(&round->rules);
		fuzz_make_get(&round->get);
	}
	make_filter(&round->filter);
	round->reasons = random_reasons();
	for (i = 0; i < FUZZ_ACCESSES; i++)
		make_access(round, i);
}

void fuzz_repair(struct fuzz_filter *filter)
{
	struct kvm_msr_filter_range *range;
	int i;

	filter->place = ROOMY;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		if ((__u64)range->base + range->nmsrs > SPACE)
			range->nmsrs = SPACE - range->base;
		filter->bitmaps[i].place = ROOMY;
	}
}

/* The ways in which the kernels differ, one by one */
struct ways {
	bool wrap_refused;
	bool read_exact;
	bool end_matches;
	bool fastpath_asks;
};

static const struct ways kernel_ways[FUZZ_KERNELS] = {
	[FUZZ_PATCHED] = { true, true, true, true },
};

static bool readable(enum fuzz_place place, unsigned int size, unsigned int read)
{
	return place == ROOMY || (place == AT_END && read <= size);
}

static int range_errno(const struct kvm_msr_filter_range *range,
		       const struct fuzz_bitmap *bitmap, const struct ways *ways)
{
	const unsigned int bytes = (range->nmsrs + 7ULL) / 8, words = (bytes + 7) / 8 * 8;

	if (!range->nmsrs)
		return 0;
	if (!range->flags || range->flags & ~READ_WRITE)
		return EINVAL;
	if (range->nmsrs > FUZZ_NMSRS)
		return EINVAL;
	if (ways->wrap_refused && (__u64)range->base + range->nmsrs > SPACE)
		return EINVAL;
	if (!readable(bitmap->place, bytes, ways->read_exact ? bytes : words))
		return EFAULT;
	return 0;
}

static int set_errno(const struct fuzz_filter *filter, const struct ways *ways)
{
	const struct kvm_msr_filter *abi = &filter->abi;
	bool empty = true;
	int i, r;

	if (!readable(filter->place, 0, 0))
		return EFAULT;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		empty &= !abi->ranges[i].nmsrs;
	if (abi->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return EINVAL;
	if (empty && abi->flags & KVM_MSR_FILTER_DEFAULT_DENY)
		return EINVAL;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		r = range_errno(&abi->ranges[i], &filter->bitmaps[i], ways);
		if (r)
			return r;
	}
	return 0;
}

int fuzz_set_errno(const struct fuzz_filter *filter, enum fuzz_kernel kernel)
{
	return set_errno(filter, &kernel_ways[kernel]);
}

/* The first way that makes a difference by itself */
enum fuzz_weakness fuzz_set_weakness(const struct fuzz_filter *filter)
{
	const int base = fuzz_set_errno(filter, FUZZ_BASE);

	if (fuzz_set_errno(filter, FUZZ_PATCHED) == base)
		return NO_WEAKNESS;
	if (set_errno(filter, &(struct ways){ .wrap_refused = true }) != base)
		return RANGE_WRAPS;
	return BITMAP_OVER_READ;
}

static bool matches(const struct kvm_msr_filter_range *range, const struct fuzz_access *access,
		    const struct ways *ways)
{
	const __u64 end = (__u64)range->base + range->nmsrs;

	if (!(range->flags & (access->write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ)))
		return false;
	if (end == SPACE && !ways->end_matches)
		return false;
	return range->base <= access->index && access->index < end;
}

static bool denies(const struct fuzz_filter *filter, const struct fuzz_access *access,
		   const struct ways *ways)
{
	const struct kvm_msr_filter_range *range;
	__u32 bit;
	int i;

	if (!filter || (access->index >= X2APIC_FIRST && access->index <= X2APIC_LAST))
		return false;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		range = &filter->abi.ranges[i];
		if (!matches(range, access, ways))
			continue;
		bit = access->index - range->base;
		return !(filter->bitmaps[i].bytes[bit / 8] >> bit % 8 & 1);
	}
	return filter->abi.flags & KVM_MSR_FILTER_DEFAULT_DENY;
}

bool fuzz_denies(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 enum fuzz_kernel kernel)
{
	return denies(filter, access, &kernel_ways[kernel]);
}

static bool takes_fastpath(const struct fuzz_access *access, bool vmx)
{
	return vmx && access->write && access->index == TSC_DEADLINE && !access->emulated;
}

void fuzz_fail_access(const struct fuzz_access *a, bool exits, __u32 reason, bool error,
		      struct fuzz_outcome *o)
{
	*o = (struct fuzz_outcome) { .gp = true };
	if (!exits)
		return;

	*o = (struct fuzz_outcome) {
		.exited = true,
		.error = error,
		.gp = a->answer == REFUSE || (a->answer == LEAVE && error),
		.reason = reason,
		.data = a->write ? a->value : 0,
	};
	if (!a->write && a->answer == PERFORM)
		o->value = a->answered;
}

static void failed(const struct fuzz_access *access, __u64 reasons, __u32 reason,
		   struct fuzz_outcome *o)
{
	fuzz_fail_access(access, reasons & reason, reason, false, o);
}

bool fuzz_expect(const struct fuzz_filter *filter, const struct fuzz_access *access,
		 __u64 reasons, enum fuzz_kernel kernel, bool vmx, struct fuzz_outcome *o)
{
	const struct ways *ways = &kernel_ways[kernel];

	if (!denies(filter, access, ways)) {
		if (access->index < NO_MSRS_FROM)
			return false;
		failed(access, reasons, KVM_MSR_EXIT_REASON_UNKNOWN, o);
		return true;
	}

	if (takes_fastpath(access, vmx) && !ways->fastpath_asks)
		*o = (struct fuzz_outcome) { 0 };
	else
		failed(access, reasons, KVM_MSR_EXIT_REASON_FILTER, o);
	return true;
}

enum fuzz_weakness fuzz_access_weakness(const struct fuzz_filter *filter,
					const struct fuzz_access *access, bool vmx)
{
	const bool denied = fuzz_denies(filter, access, FUZZ_PATCHED);

	if (denied != fuzz_denies(filter, access, FUZZ_BASE))
		return ENDS_AT_2_32;
	if (denied && takes_fastpath(access, vmx))
		return DEADLINE_FASTPATH;
	return NO_WEAKNESS;
}
