// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "msr-fuzz.h"

#define PAGE		4096

/* Bytes that KVM is not to write over */
#define UNTOUCHED	0xa5

/* Memory with an unmapped page after it */
struct room {
	unsigned char *start;
	size_t size;
};

static struct room bitmap_rooms[KVM_MSR_FILTER_MAX_RANGES];
static struct room head_room, rules_room;

/* Below 4 GiB, for 32-bit programs' ioctls */
static struct room make_room(size_t size)
{
	struct room room = { .size = (size + PAGE - 1) / PAGE * PAGE };

	room.start = mmap(NULL, room.size + PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (room.start == MAP_FAILED)
		vmm_fail("mmap: no memory below 2 GiB");
	if (mprotect(room.start + room.size, PAGE, PROT_NONE))
		vmm_fail("mprotect: %s", strerror(errno));
	return room;
}

void fuzz_map_pages(void)
{
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		bitmap_rooms[i] = make_room(PAGE);
	head_room = make_room(PAGE);
	rules_room = make_room(MAX_RULES * sizeof(struct kvm_x86_reg_rule));
}

/* Where in the room something of @size bytes stands */
static unsigned char *find_place(const struct room *room, enum fuzz_place where,
				 unsigned int offset, size_t size)
{
	unsigned char *end = room->start + room->size;

	if (where == ROOMY)
		return room->start + offset;
	if (where == NOWHERE)
		return end;
	return end - size + (where == CUT_OFF);
}

/* Put @size bytes into a room, as far as they are in it, and return their address. */
static void *place(const struct room *room, enum fuzz_place where, unsigned int offset,
		   const void *bytes, size_t size)
{
	unsigned char *to = find_place(room, where, offset, size);
	const size_t left = room->start + room->size - to;

	return memcpy(to, bytes, size < left ? size : left);
}

/* As 32-bit programs have it */
struct compat_range {
	__u32 flags;
	__u32 nmsrs;
	__u32 base;
	__u32 bitmap;
};

struct compat_filter {
	__u32 flags;
	struct compat_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define KVM_X86_SET_MSR_FILTER_COMPAT	_IOW(KVMIO, 0xc6, struct compat_filter)
#define COMPAT_NR_IOCTL			54

/* The system call, or that of 32-bit programs; returns 0 or an errno. */
static int do_ioctl(int fd, unsigned int request, void *arg, bool compat)
{
	long r;

	if (!compat)
		return ioctl(fd, request, arg) ? errno : 0;

	asm volatile("int $0x80"
		     : "=a" (r)
		     : "a" (COMPAT_NR_IOCTL), "b" (fd), "c" (request), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return -(int)r;
}

int fuzz_set_filter(int fd, const struct fuzz_filter *filter)
{
	struct compat_filter compat = { .flags = filter->abi.flags };
	struct kvm_msr_filter abi = filter->abi;
	struct kvm_msr_filter_range *range;
	const struct fuzz_bitmap *b;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		b = &filter->bitmaps[i];
		range = &abi.ranges[i];
		range->bitmap = place(&bitmap_rooms[i], b->place, b->offset, b->bytes, b->size);
		compat.ranges[i] = (struct compat_range) {
			.flags = range->flags,
			.nmsrs = range->nmsrs,
			.base = range->base,
			.bitmap = (unsigned long)range->bitmap,
		};
	}
	if (filter->compat)
		return do_ioctl(fd, KVM_X86_SET_MSR_FILTER_COMPAT,
				place(&head_room, filter->place, 0, &compat, sizeof(compat)),
				true);
	return do_ioctl(fd, KVM_X86_SET_MSR_FILTER,
			place(&head_room, filter->place, 0, &abi, sizeof(abi)), false);
}

int fuzz_set_rules(int fd, const struct fuzz_rules *rules)
{
	struct kvm_x86_reg_rules head = rules->head;

	head.rules = (unsigned long)place(&rules_room, rules->rules_place, 0, rules->rules,
					  fuzz_nr_rules(rules) * sizeof(*rules->rules));
	return do_ioctl(fd, KVM_X86_SET_REG_RULES,
			place(&head_room, rules->place, 0, &head, sizeof(head)),
			rules->compat);
}

/* What a head is to be after it has been read back */
static struct kvm_x86_reg_rules expected_head(const struct kvm_x86_reg_rules *before, int error,
					      const struct fuzz_rules *installed)
{
	struct kvm_x86_reg_rules head = *before;

	if (error && error != E2BIG)
		return head;

	head.flags = installed ? installed->head.flags : 0;
	head.nr_rules = installed ? installed->head.nr_rules : 0;
	head.msr_default = installed ? installed->head.msr_default : KVM_X86_REG_RULE_ALLOW;
	return head;
}

/* The rules that are installed if they were read, and nothing but them */
static const char *wrong_rules(const unsigned char *bytes, int error,
			       const struct fuzz_rules *installed)
{
	const size_t size = installed && !error ?
			    installed->head.nr_rules * sizeof(*installed->rules) : 0;
	const unsigned char *end = rules_room.start + rules_room.size;

	if (size && memcmp(bytes, installed->rules, size))
		return "other rules";
	if (error == EFAULT)	/* may have come after some rules */
		return NULL;
	for (bytes += size; bytes < end; bytes++)
		if (*bytes != UNTOUCHED)
			return "something after the rules";
	return NULL;
}

int fuzz_get_rules(int fd, const struct fuzz_get *get, const struct fuzz_rules *installed,
		   const char **wrong)
{
	const size_t size = (installed ? installed->head.nr_rules : 0) *
			    sizeof(struct kvm_x86_reg_rule);
	unsigned char *rules = find_place(&rules_room, get->rules_place, 0, size);
	struct kvm_x86_reg_rules head = get->head, *arg;
	int r;

	memset(rules_room.start, UNTOUCHED, rules_room.size);
	head.rules = (unsigned long)rules;
	head.nr_rules = fuzz_get_capacity(get, installed);
	arg = place(&head_room, get->place, 0, &head, sizeof(head));
	r = do_ioctl(fd, KVM_X86_GET_REG_RULES, arg, get->compat);
	*wrong = wrong_rules(rules, r, installed);
	if (get->place == CUT_OFF || get->place == NOWHERE)
		return r;

	head = expected_head(&head, r, installed);
	if (memcmp(arg, &head, sizeof(head)))
		*wrong = "another head";
	return r;
}
