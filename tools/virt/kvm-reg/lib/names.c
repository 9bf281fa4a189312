// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Names of MSRs and bits, from the kernel's headers: see names.awk. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <linux/const.h>

#include "internal.h"

/* What the kernel's headers use */
#define BIT(n)			(1ULL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(high, low)	((~0ULL << (low)) & (~0ULL >> (63 - (high))))
#define GENMASK_ULL(high, low)	GENMASK(high, low)

struct name {
	const char *name;
	__u64 value;
};

#include "names.h"

/* The kernel has these in an enum that is not for userspace.  The names are Intel's. */
static const struct name xcr0_names[] = {
	{ "X87",	BIT(0) },
	{ "SSE",	BIT(1) },
	{ "AVX",	BIT(2) },
	{ "BNDREGS",	BIT(3) },
	{ "BNDCSR",	BIT(4) },
	{ "OPMASK",	BIT(5) },
	{ "ZMM_HI256",	BIT(6) },
	{ "HI16_ZMM",	BIT(7) },
	{ "PKRU",	BIT(9) },
	{ "TILECFG",	BIT(17) },
	{ "TILEDATA",	BIT(18) },
	{ "APX",	BIT(19) },
};

struct names {
	const struct name *names;
	size_t nr;
};

static struct names bits_of(__u16 space, __u32 index)
{
	if (space == KVM_X86_REG_RULE_MSR)
		return (struct names) { bit_names, ARRAY_SIZE(bit_names) };
	if (space == KVM_X86_REG_RULE_XCR)
		return (struct names) { xcr0_names, ARRAY_SIZE(xcr0_names) };
	if (index)
		return (struct names) { cr4_names, ARRAY_SIZE(cr4_names) };
	return (struct names) { cr0_names, ARRAY_SIZE(cr0_names) };
}

static bool find(struct names names, const char *word, __u64 *value)
{
	size_t i;

	for (i = 0; i < names.nr; i++) {
		if (!strcmp(names.names[i].name, word)) {
			*value = names.names[i].value;
			return true;
		}
	}
	return false;
}

bool kr_parse_number(const char *word, __u64 *value)
{
	char *end;

	/* strtoull() takes blanks and signs as well. */
	if (!isdigit((unsigned char)*word))
		return false;

	errno = 0;
	*value = strtoull(word, &end, 0);
	return !errno && !*end;
}

bool kvmreg_find_msr(const char *name, __u32 *index)
{
	__u64 value;

	if (!find((struct names) { msr_names, ARRAY_SIZE(msr_names) }, name, &value) &&
	    !kr_parse_number(name, &value))
		return false;

	*index = value;
	return value <= UINT32_MAX;
}

const char *kvmreg_name(__u32 msr)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msr_names); i++)
		if (msr_names[i].value == msr)
			return msr_names[i].name;
	return NULL;
}

bool kr_find_bits(__u16 space, __u32 index, const char *word, __u64 *bits)
{
	return find(bits_of(space, index), word, bits) || kr_parse_number(word, bits);
}

const char *kr_bit_name(__u16 space, __u32 index, __u64 bit)
{
	const struct names names = bits_of(space, index);
	size_t i;

	/* Without the MSR that they are for, names of its bits would be a guess. */
	for (i = 0; space != KVM_X86_REG_RULE_MSR && i < names.nr; i++)
		if (names.names[i].value == bit)
			return names.names[i].name;
	return NULL;
}

/* What names have in common, and people leave out, does not count. */
static const char *skip_prefixes(const char *name)
{
	static const char *const prefixes[] = {
		"X86_", "CR0_", "CR4_", "MSR_", "IA32_", "AMD64_",
	};
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		len = strlen(prefixes[i]);
		if (!strncasecmp(name, prefixes[i], len) && name[len])
			name += len;
	}
	return name;
}

#define MAX_NAME	64

/* Two characters that are swapped are nearer than one that is another, or too many, or missing. */
#define SWAP		3
#define EDIT		4

static unsigned int least_of(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static bool is_alike(char a, char b)
{
	return toupper((unsigned char)a) == toupper((unsigned char)b);
}

/* What it takes to make one word of another */
static unsigned int distance(const char *a, const char *b)
{
	const size_t len_a = strlen(a), len_b = strlen(b);
	unsigned int rows[3][MAX_NAME + 1], *row, *above;
	size_t i, j;

	for (j = 0; j <= len_b; j++)
		rows[0][j] = j * EDIT;

	for (i = 1; i <= len_a; i++) {
		row = rows[i % 3];
		above = rows[(i - 1) % 3];
		row[0] = i * EDIT;
		for (j = 1; j <= len_b; j++) {
			row[j] = above[j - 1] + (is_alike(a[i - 1], b[j - 1]) ? 0 : EDIT);
			row[j] = least_of(row[j], least_of(above[j], row[j - 1]) + EDIT);
			if (i > 1 && j > 1 && is_alike(a[i - 1], b[j - 2]) &&
			    is_alike(a[i - 2], b[j - 1]))
				row[j] = least_of(row[j], rows[(i - 2) % 3][j - 2] + SWAP);
		}
	}
	return rows[len_a % 3][len_b];
}

/* Is the word all of the name but its first part, as NX of EFER_NX? */
static bool is_rest(const char *word, const char *name)
{
	const char *rest = strchr(name, '_');

	return rest && !strcasecmp(word, rest + 1);
}

/* Keep the name if it is nearer than the nearest so far; at most a third may differ. */
static void consider(const char *word, const char *name, const char **nearest,
		     unsigned int *least)
{
	unsigned int d;

	word = skip_prefixes(word);
	if (strlen(word) > MAX_NAME || strlen(name) > MAX_NAME)
		return;

	d = distance(word, skip_prefixes(name));
	if (d && is_rest(word, skip_prefixes(name)))
		d = 1;
	if (d < *least && 3 * d <= (strlen(word) + 1) * EDIT) {
		*least = d;
		*nearest = name;
	}
}

static const char *nearest_name(struct names names, const char *word)
{
	unsigned int least = UINT_MAX;
	const char *nearest = NULL;
	size_t i;

	for (i = 0; i < names.nr; i++)
		consider(word, names.names[i].name, &nearest, &least);
	return nearest;
}

const char *kvmreg_nearest(const char *name)
{
	return nearest_name((struct names) { msr_names, ARRAY_SIZE(msr_names) }, name);
}

const char *kr_nearest_bits(__u16 space, __u32 index, const char *word)
{
	return nearest_name(bits_of(space, index), word);
}

const char *kr_nearest_of(const char *word, const char *const *names, size_t nr)
{
	unsigned int least = UINT_MAX;
	const char *nearest = NULL;
	size_t i;

	for (i = 0; i < nr; i++)
		if (names[i])
			consider(word, names[i], &nearest, &least);
	return nearest;
}
