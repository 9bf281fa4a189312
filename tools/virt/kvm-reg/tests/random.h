/* SPDX-License-Identifier: GPL-2.0 */
/* Random rules, and what a write changes by the words of the reference, for tests. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define MAX_LIST	40

static __u64 state;

/* splitmix64: the same everywhere */
static inline __u64 random64(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline unsigned int below(unsigned int n)
{
	return random64() % n;
}

static inline bool chance(unsigned int one_in)
{
	return !below(one_in);
}

/* Where something ends or is special, or may be in a test's rules */
static const __u32 corners[] = {
	0, 1, 0x10, 0x11, 0x49, 0xc1, 0xc8, 0xc9, 0x174, 0x175, 0x200, 0x277, 0x2ff, 0x561, 0x6e0,
	0x6e1, 0x7ff, 0x800, 0x808, 0x8ff, 0x900, 0x1fff, 0x2000, 0x2fff, 0x3000, 0x12345678,
	0x400000af, 0x400000b0, 0x400000b7, 0x400000b8, 0x4b564d00, 0xc0000080, 0xc0000081,
	0xc0000082, 0xc0000102, 0xc0000103, 0xc0001fff, 0xc0010000, 0xc0011fff, 0xfffffffe,
	0xffffffff,
};

/* Few bits, so that all that may change can be tried; LMA, and one above TSC_AUX's */
static const unsigned int bit_pool[] = { 0, 1, 10, 11, 33 };

static inline __u32 random_msr(void)
{
	__u32 msr = corners[below(ARRAY_SIZE(corners))];

	switch (below(4)) {
	case 0:
		return msr + below(3) - 1;
	case 1:
		return random64();
	default:
		return msr;
	}
}

static inline __u64 random_bits(void)
{
	__u64 bits = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bit_pool); i++)
		if (chance(2))
			bits |= 1ULL << bit_pool[i];
	return chance(16) ? ~0ULL : bits;
}

static inline struct kvm_x86_reg_rule random_control_rule(void)
{
	const struct model_control_info *control = &model_controls[below(MODEL_NR_CONTROLS)];
	struct kvm_x86_reg_rule rule = {
		.space = control->space,
		.access = WR,
		.first = control->index,
		.last = control->index,
		.mask = random_bits(),
	};

	do {
		rule.action = below(NR_ACTIONS);
	} while (model_has_value(rule.action));
	return rule;
}

/* A rule that the kernel takes */
static inline struct kvm_x86_reg_rule random_rule(unsigned int nr_actions)
{
	struct kvm_x86_reg_rule rule = { .access = 1 + below(3), .action = below(nr_actions) };
	__u32 other;

	if (nr_actions == NR_ACTIONS && chance(4))
		return random_control_rule();

	do {
		rule.first = random_msr();
		other = chance(2) ? rule.first : chance(2) ? random_msr() : rule.first + below(64);
		rule.last = other < rule.first ? rule.first : other;
		if (other < rule.first)
			rule.first = other;
	} while (rule.action && rule.first <= X2APIC_LAST && rule.last >= X2APIC_FIRST);

	if (rule.access == WR && chance(3))
		rule.mask = random_bits();
	if (model_has_value(rule.action) && chance(2))
		rule.value = random64() >> below(64);
	return rule;
}

static inline unsigned int random_rules(struct kvm_x86_reg_rule *rules, unsigned int nr_actions)
{
	unsigned int i, nr = below(chance(2) ? 4 : MAX_LIST);

	for (i = 0; i < nr; i++)
		rules[i] = random_rule(nr_actions);
	return nr;
}

/* What changes as far as KVM sees: see "Masks" in kvm/x86/reg-rules.rst */
static inline __u64 model_changed(__u32 msr, bool readable, __u64 old, __u64 new)
{
	if (!readable || msr == 0x10 || msr == 0x6e0 || msr == 0x561 ||
	    (msr >= 0xc1 && msr <= 0xc8) || (msr >= 0x400000b0 && msr <= 0x400000b7))
		return ~0ULL;
	if (msr == 0xc0000080)
		return (old ^ new) & ~0x400ULL;
	if (msr == 0xc0000103)
		return (__u32)(old ^ new);
	return old ^ new;
}

#endif /* RANDOM_H */
