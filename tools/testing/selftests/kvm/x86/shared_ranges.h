/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of shared ranges: a guest that says which pages it shares, and KVM's list.
 */
#ifndef SELFTEST_KVM_SHARED_RANGES_H
#define SELFTEST_KVM_SHARED_RANGES_H

#include <linux/kvm_para.h>

#include "msr_test.h"

/* The most ranges that a list may be allowed. */
#define MAX_RANGES	4096

/* The first guest frame number that is none: addresses have at most 52 bits. */
#define GFN_END		BIT_ULL(40)

#define SHARED		KVM_MAP_GPA_RANGE_DECRYPTED
#define PRIVATE		KVM_MAP_GPA_RANGE_ENCRYPTED

#define MAX_VCPUS	4
#define MAX_CALLS	512

/*
 * struct map_call - a hypercall
 * @gpa, @npages, @attributes: Its arguments.
 * @ret: What it returned.
 */
struct map_call {
	uint64_t gpa;
	uint64_t npages;
	uint64_t attributes;
	int64_t ret;
};

/*
 * struct map_batch - lives in guest memory: the hypercalls that a vCPU makes in a row
 * @nr: How many.
 * @calls: The calls.
 */
struct map_batch {
	uint64_t nr;
	struct map_call calls[MAX_CALLS];
};

static struct map_batch map_batches[MAX_VCPUS];

static inline int64_t guest_map(uint64_t gpa, uint64_t npages, uint64_t attributes)
{
	return kvm_hypercall(KVM_HC_MAP_GPA_RANGE, gpa, npages, attributes, 0);
}

static inline void guest_make_calls(struct map_batch *b)
{
	struct map_call *c;

	for (c = b->calls; c < b->calls + b->nr; c++)
		c->ret = guest_map(c->gpa, c->npages, c->attributes);
}

/* vCPU 0, unless told otherwise by vcpu_args_set(). */
static inline void map_vcpu_main(struct map_batch *b)
{
	for (;;) {
		guest_make_calls(b);
		GUEST_SYNC(0);
	}
}

static inline void map_guest_main(void)
{
	map_vcpu_main(map_batches);
}

static inline struct map_batch *batch_of(struct kvm_vcpu *vcpu)
{
	struct map_batch *batches = addr_gva2hva(vcpu->vm, (uintptr_t)map_batches);

	return &batches[vcpu->id];
}

/* Until the guest has made its calls. */
static inline void run_batch(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);
}

static inline void prepare_call(struct kvm_vcpu *vcpu, uint64_t gpa, uint64_t npages,
				uint64_t attributes)
{
	struct map_batch *b = batch_of(vcpu);

	b->nr = 1;
	b->calls[0] = (struct map_call) { gpa, npages, attributes, INT64_MIN };
}

/* Returns what the guest's call returned. */
static inline int64_t map_gpa(struct kvm_vcpu *vcpu, uint64_t gpa, uint64_t npages,
			      uint64_t attributes)
{
	prepare_call(vcpu, gpa, npages, attributes);
	run_batch(vcpu);
	return batch_of(vcpu)->calls[0].ret;
}

static inline void share_pages(struct kvm_vcpu *vcpu, uint64_t gfn, uint64_t npages)
{
	TEST_ASSERT_EQ(map_gpa(vcpu, gfn * PAGE_SIZE, npages, SHARED), 0);
}

static inline void unshare_pages(struct kvm_vcpu *vcpu, uint64_t gfn, uint64_t npages)
{
	TEST_ASSERT_EQ(map_gpa(vcpu, gfn * PAGE_SIZE, npages, PRIVATE), 0);
}

/* Every second page, from @gfn on. */
static inline void share_every_second(struct kvm_vcpu *vcpu, uint64_t gfn, int nr)
{
	struct map_batch *b = batch_of(vcpu);
	int i, done;

	for (done = 0; done < nr; done += b->nr) {
		b->nr = min(nr - done, MAX_CALLS);
		for (i = 0; i < b->nr; i++)
			b->calls[i] = (struct map_call) {
				(gfn + 2 * (done + i)) * PAGE_SIZE, 1, SHARED,
			};
		run_batch(vcpu);
		for (i = 0; i < b->nr; i++)
			TEST_ASSERT_EQ(b->calls[i].ret, 0);
	}
}

static inline void enable_shared_ranges(struct kvm_vm *vm, uint64_t bound)
{
	vm_enable_cap(vm, KVM_CAP_X86_SHARED_RANGES, bound);
}

static inline void exit_on_map_gpa(struct kvm_vm *vm)
{
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
}

/*
 * struct range_list - what SET takes, and GET returns
 * @head: With a pointer to @ranges.
 * @ranges: There is room for all that there may be.
 */
struct range_list {
	struct kvm_x86_shared_ranges head;
	struct kvm_x86_shared_range ranges[MAX_RANGES];
};

static inline struct kvm_x86_shared_range range(uint64_t gfn, uint64_t npages)
{
	return (struct kvm_x86_shared_range) { gfn * PAGE_SIZE, npages * PAGE_SIZE };
}

static inline struct kvm_x86_shared_ranges ranges_head(const struct kvm_x86_shared_range *ranges,
						       uint32_t nr)
{
	return (struct kvm_x86_shared_ranges) {
		.nr_ranges = nr, .ranges = (uintptr_t)ranges,
	};
}

static inline void set_ranges(struct kvm_vm *vm, const struct kvm_x86_shared_range *ranges,
			      uint32_t nr)
{
	struct kvm_x86_shared_ranges head = ranges_head(ranges, nr);

	vm_ioctl(vm, KVM_X86_SET_SHARED_RANGES, &head);
}

static inline void fill_every_second(struct kvm_x86_shared_range *ranges, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		ranges[i] = range(2 * i, 1);
}

static inline void set_incomplete(struct kvm_vm *vm)
{
	struct kvm_x86_shared_ranges head = { .flags = KVM_X86_SHARED_RANGES_INCOMPLETE };

	vm_ioctl(vm, KVM_X86_SET_SHARED_RANGES, &head);
}

/* The list is sorted, and is the shortest: ranges neither overlap nor touch. */
static inline void get_up_to(struct kvm_vm *vm, struct range_list *list, uint32_t capacity)
{
	struct kvm_x86_shared_range *r;
	uint64_t end = 0;

	list->head = ranges_head(list->ranges, capacity);
	vm_ioctl(vm, KVM_X86_GET_SHARED_RANGES, &list->head);
	TEST_ASSERT(list->head.nr_ranges <= capacity, "%u ranges", list->head.nr_ranges);
	TEST_ASSERT(!list->head.flags || !list->head.nr_ranges,
		    "flags 0x%x, but %u ranges", list->head.flags, list->head.nr_ranges);
	for (r = list->ranges; r < list->ranges + list->head.nr_ranges; r++) {
		TEST_ASSERT((r == list->ranges || r->gpa > end) && r->size &&
			    !((r->gpa | r->size) % PAGE_SIZE) &&
			    r->gpa + r->size <= GFN_END * PAGE_SIZE,
			    "range %ld: gpa 0x%llx, size 0x%llx, after 0x%lx",
			    r - list->ranges, r->gpa, r->size, end);
		end = r->gpa + r->size;
	}
}

static inline void get_list(struct kvm_vm *vm, struct range_list *list)
{
	get_up_to(vm, list, MAX_RANGES);
}

/* What GET says of the list, without the list. */
static inline struct kvm_x86_shared_ranges get_head(struct kvm_vm *vm)
{
	struct kvm_x86_shared_ranges head = {};
	int r = __vm_ioctl(vm, KVM_X86_GET_SHARED_RANGES, &head);

	TEST_ASSERT(!r || (r == -1 && errno == E2BIG), "GET returned %d, errno %d", r, errno);
	return head;
}

static inline uint64_t generation_of(struct kvm_vm *vm)
{
	return get_head(vm).generation;
}

static inline bool is_incomplete(struct kvm_vm *vm)
{
	return get_head(vm).flags & KVM_X86_SHARED_RANGES_INCOMPLETE;
}

static inline bool same_ranges(const struct kvm_x86_shared_range *a,
			       const struct kvm_x86_shared_range *b, uint32_t nr)
{
	return !memcmp(a, b, nr * sizeof(*a));
}

static inline void expect_list(struct kvm_vm *vm, const struct kvm_x86_shared_range *want,
			       uint32_t nr)
{
	struct kvm_x86_shared_ranges head = get_head(vm);
	struct range_list got;
	uint32_t i;

	TEST_ASSERT_EQ(head.flags, 0);
	TEST_ASSERT_EQ(head.nr_ranges, nr);
	get_up_to(vm, &got, nr);
	for (i = 0; i < nr; i++)
		TEST_ASSERT(same_ranges(&got.ranges[i], &want[i], 1),
			    "range %u: gpa 0x%llx, size 0x%llx, not gpa 0x%llx, size 0x%llx",
			    i, got.ranges[i].gpa, got.ranges[i].size, want[i].gpa, want[i].size);
}

static inline void expect_none(struct kvm_vm *vm)
{
	expect_list(vm, NULL, 0);
}

static inline void expect_range(struct kvm_vm *vm, uint64_t gfn, uint64_t npages)
{
	struct kvm_x86_shared_range want = range(gfn, npages);

	expect_list(vm, &want, 1);
}

/* The list has been dropped. */
static inline void expect_incomplete(struct kvm_vm *vm)
{
	struct kvm_x86_shared_ranges head = get_head(vm);

	TEST_ASSERT_EQ(head.flags, KVM_X86_SHARED_RANGES_INCOMPLETE);
	TEST_ASSERT_EQ(head.nr_ranges, 0);
}

static inline void expect_errno(struct kvm_vm *vm, unsigned long cmd, void *arg, int err)
{
	int r = ioctl(vm->fd, cmd, arg);

	TEST_ASSERT(r == -1 && errno == err, "returned %d, errno %d, not errno %d",
		    r, errno, err);
}

#endif /* SELFTEST_KVM_SHARED_RANGES_H */
