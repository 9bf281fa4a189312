// SPDX-License-Identifier: GPL-2.0
#include "msr-fuzz.h"

/* MSRs that KVM has on at least one vendor */
static const __u32 known[] = {
	0x00000000, 0x00000010, 0x00000011, 0x00000017, 0x0000001b, 0x00000034, 0x00000035,
	0x0000003a, 0x0000003b, 0x00000048, 0x00000049, 0x00000079, 0x0000008b, 0x000000ce,
	0x000000e7, 0x000000fe, 0x0000010a, 0x0000010b, 0x00000122, 0x00000140, 0x00000174,
	0x00000175, 0x00000176, 0x00000179, 0x0000017a, 0x0000017b, 0x00000186, 0x00000198,
	0x000001a0, 0x000001b0, 0x000001c9, 0x000001d9, 0x000001db, 0x000001dd, 0x00000200,
	0x00000201, 0x00000250, 0x00000268, 0x00000277, 0x000002ff, 0x00000345, 0x0000038f,
	0x00000400, 0x00000401, 0x0000047f, 0x00000480, 0x00000485, 0x00000491, 0x00000560,
	0x00000570, 0x000006e0, 0x000006e0, 0x000006e0, 0x00000da0, 0x000001fc,
	0x40000000, 0x40000001, 0x40000002, 0x40000020, 0x40000022, 0x40000073, 0x40000118,
	0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06,
	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
	0xc0000102, 0xc0000103, 0xc0000104, 0xc0010000, 0xc0010004, 0xc0010007, 0xc0010015,
	0xc001001f, 0xc0010055, 0xc0010062, 0xc0010063, 0xc0010064, 0xc0010114, 0xc0010117,
	0xc001011f, 0xc0010140, 0xc0010200, 0xc0011022, 0xc0011023, 0xc0011029,
};

/* MSRs that keep what is written, on either vendor: the SYSENTER, PAT, SYSCALL, bases */
static const __u32 kept[] = {
	0x00000174, 0x00000175, 0x00000176, 0x00000277, 0xc0000081, 0xc0000082, 0xc0000083,
	0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
};

/* Where the windows of the engine begin and end, and where the x2APIC does */
static const __u32 edges[] = {
	0x00000000, 0x00000800, 0x00000900, 0x00002000, 0x40000000, 0x40000200, 0x4b564d00,
	0x4b564e00, 0x80000000, 0xc0000000, 0xc0002000, 0xc0010000, 0xc0012000, 0xffffffff,
};

/* splitmix64 */
static unsigned long long random_state;

__u64 random64(void)
{
	__u64 z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

__u32 below(__u32 n)
{
	return random64() % n;
}

bool one_in(__u32 n)
{
	return !below(n);
}

void seed_random(unsigned long long seed, unsigned int what, unsigned int number)
{
	random_state = seed;
	random_state = random64() + what;
	random_state = random64() + number;
}

__u32 known_msr(void)
{
	return pick(known);
}

__u32 kept_msr(void)
{
	return pick(kept);
}

__u32 edge(void)
{
	return pick(edges);
}

__u64 any_value(void)
{
	const __u64 pat = 0x0007040600070406, any = random64();
	const __u64 values[] = { 0, 1, ~0ULL, pat, 1ULL << any % 64, any };

	return pick(values);
}
