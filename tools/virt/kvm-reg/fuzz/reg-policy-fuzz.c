// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz the register policy: compile and look up, in userspace, against a model
 * that walks the lists of rules for each access.  See model.c for the inputs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "model.h"

/*
 * The model takes steps in proportion to the number of rules; for long lists
 * not all of them are probed, nor whole windows compared with it.
 */
#define SHORT_LIST	8
#define LONG_LIST	300
#define PROBED_RULES	40
#define RANDOM_PROBES	64
#define CHECKED_SEGMENTS 100

/* The kernel's kvmalloc() gives no more than that. */
#define MAX_ALLOC	INT_MAX

/* More than the fuzzer ever holds at once */
#define MAX_LIVE	16

/* What the documentation promises of the memory that a policy takes */
#define MAX_BYTES	(512 << 10)
#define MAX_BYTES_SHORT	(32 << 10)	/* up to 16 rules, and no bitmaps */
#define SHORT_POLICY	17		/* with the x2APIC's exemption */

/* All entries of all chains, and those of one: each bit, and the end */
#define MAX_CHAINS	0x7fff
#define MAX_CHAIN	65

/* The windows, spelled out once more: first register, how many, first slot */
static const struct window {
	uint32_t first;
	uint32_t nr;
	uint32_t slot;
} windows[] = {
	{ 0x00000000, 0x2000, 0x0000 },
	{ 0x40000000, 0x0200, 0x2000 },
	{ 0x4b564d00, 0x0100, 0x2200 },
	{ 0xc0000000, 0x2000, 0x2300 },
	{ 0xc0010000, 0x2000, 0x4300 },
};

static const unsigned int accesses[] = { KVM_REG_READ, KVM_REG_WRITE };

static struct {
	const void *p;
	size_t size;
} live[MAX_LIVE];

static unsigned int until_failure;	/* allocations up to the one to fail; 0: none fails */
static unsigned int warnings;

bool fuzz_warn(bool condition)
{
	warnings += condition;
	return condition;
}

/* Print what is wrong, with the lists, and end. */
#define fail(...) do {						\
	fprintf(stderr, "reg-policy-fuzz: " __VA_ARGS__);	\
	fprintf(stderr, "\n");					\
	model_print();						\
	abort();						\
} while (0)

#define check(condition, ...) do {	\
	if (!(condition))		\
		fail(__VA_ARGS__);	\
} while (0)

/* The entry for @p; NULL finds a free one. */
static unsigned int find_live(const void *p)
{
	unsigned int i;

	for (i = 0; i < MAX_LIVE; i++)
		if (live[i].p == p)
			return i;
	fail("%p is not allocated, or too much is", p);
}

static void *allocate(size_t size, bool zeroed)
{
	unsigned int i;

	if (size > MAX_ALLOC || (until_failure && !--until_failure))
		return NULL;

	i = find_live(NULL);
	live[i].p = zeroed ? calloc(1, size) : malloc(size);
	live[i].size = size;
	if (!live[i].p)
		abort();
	return (void *)live[i].p;
}

void *kvzalloc(size_t size, gfp_t flags)
{
	return allocate(size, true);
}

/* Not zeroed, and seen not to be */
void *kvmalloc(size_t size, gfp_t flags)
{
	void *p = allocate(size, false);

	if (p)
		memset(p, 0xa5, size);
	return p;
}

void *__vmalloc(size_t size, gfp_t flags)
{
	return kvzalloc(size, flags);
}

void kvfree(const void *p)
{
	if (!p)
		return;
	live[find_live(p)].p = NULL;
	free((void *)p);
}

static size_t live_bytes(void)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < MAX_LIVE; i++)
		bytes += live[i].p ? live[i].size : 0;
	return bytes;
}

static unsigned int nr_rules(void)
{
	return lists[KVM_REG_LAYER_RULES].nr + lists[KVM_REG_LAYER_FILTER].nr;
}

/* The bits that a write changes: none, all, one, some, those of a rule, those not */
static uint64_t random_changed(void)
{
	const struct model_list *rules = &lists[KVM_REG_LAYER_RULES];
	const uint64_t some = (uint64_t)next_random() << 32 | next_random();
	const uint64_t mask = rules->nr ? rules->rules[next_random() % rules->nr].mask : 0;

	switch (next_random() % 6) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return 1ULL << next_random() % 64;
	case 3:
		return some;
	case 4:
		return mask;
	default:
		return ~mask;
	}
}

static void check_verdict(const struct kvm_reg_policy *policy, uint32_t index,
			  unsigned int access, uint64_t changed)
{
	const struct model_verdict want = model_verdict(index, access, changed);
	const struct kvm_reg_verdict got = kvm_reg_policy_lookup(policy, index, access, changed);

	check(got.action == want.action, "access %u of 0x%08x changing 0x%llx: action %u, not %u",
	      access, index, (unsigned long long)changed, got.action, want.action);
	if (got.action == KVM_REG_ALLOW && !got.rule)
		return;
	check(got.layer == want.layer && got.rule == policy->rules[want.layer] + want.rule,
	      "access %u of 0x%08x changing 0x%llx: layer %u rule %td, not layer %u rule %u",
	      access, index, (unsigned long long)changed, got.layer,
	      got.rule - policy->rules[got.layer], want.layer, want.rule);
}

/* An allowed bit may be missing only where a mask had to be looked at. */
static void check_plain(const struct kvm_reg_policy *policy, uint32_t index,
			unsigned int access)
{
	const bool plain = kvm_reg_policy_allows_plainly(policy, index, access);
	const bool want = kvm_reg_slot(index) >= 0 && model_is_plain(index, access);

	check(plain == want, "access %u of 0x%08x is%s allowed plainly", access, index,
	      plain ? "" : " not");
}

static void check_register(const struct kvm_reg_policy *policy, uint32_t index)
{
	const bool compares = kvm_reg_policy_compares(policy, index);
	const unsigned int changes = model_compares(index) ? 5 : 1;
	unsigned int i;

	check(compares == model_compares(index), "0x%08x: %s with the old value", index,
	      compares ? "compares" : "does not compare");
	check_verdict(policy, index, KVM_REG_READ, 0);
	check_verdict(policy, index, KVM_REG_READ, random_changed());
	check_verdict(policy, index, KVM_REG_WRITE, ~0ULL);
	for (i = 0; i < changes; i++)
		check_verdict(policy, index, KVM_REG_WRITE, random_changed());
	check_plain(policy, index, KVM_REG_READ);
	check_plain(policy, index, KVM_REG_WRITE);
}

/* Wraps on purpose: the neighbours of 0 are 1 and 2^32 - 1. */
static void check_around(const struct kvm_reg_policy *policy, uint32_t index)
{
	check_register(policy, index - 1);
	check_register(policy, index);
	check_register(policy, index + 1);
}

static void check_rule(const struct kvm_reg_policy *policy, const struct model_rule *r)
{
	const uint64_t nr = r->last - r->first + 1;

	check_around(policy, r->first);
	check_around(policy, r->last);
	check_register(policy, r->first + next_random() % nr);
	if (r->bits)	/* where the bitmap's words meet */
		check_around(policy, r->first + next_random() % nr / 64 * 64);
}

static void check_rules(const struct kvm_reg_policy *policy, const struct model_list *list)
{
	const unsigned int step = list->nr / (list->nr > LONG_LIST ? PROBED_RULES / 4 :
					      PROBED_RULES) + 1;
	unsigned int i;

	for (i = next_random() % step; i < list->nr; i += step)
		check_rule(policy, &list->rules[i]);
}

static void check_verdicts(const struct kvm_reg_policy *policy)
{
	const unsigned int probes = nr_rules() > LONG_LIST ? RANDOM_PROBES / 8 : RANDOM_PROBES;
	unsigned int i;

	check_rules(policy, &lists[KVM_REG_LAYER_RULES]);
	check_rules(policy, &lists[KVM_REG_LAYER_FILTER]);
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		check_around(policy, windows[i].first);
		check_around(policy, windows[i].first + windows[i].nr - 1);
	}

	check_around(policy, U32_MAX);
	for (i = 0; i < probes; i++)
		check_register(policy, next_random());
}

/* As the look-up has it, which the model was compared with elsewhere */
static bool lookup_allows(const struct kvm_reg_policy *policy, uint32_t index,
			  unsigned int access)
{
	if (access == KVM_REG_WRITE && kvm_reg_policy_compares(policy, index))
		return false;
	return kvm_reg_policy_lookup(policy, index, access, 0).action == KVM_REG_ALLOW;
}

static void check_slot(const struct kvm_reg_policy *policy, uint32_t index, int slot)
{
	bool bit, allowed;
	unsigned int i;

	check(kvm_reg_slot(index) == slot, "0x%08x has slot %d, not %d",
	      index, kvm_reg_slot(index), slot);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		bit = policy->allowed[i][slot / 64] >> slot % 64 & 1;
		allowed = nr_rules() <= SHORT_LIST ? model_is_plain(index, accesses[i]) :
			  lookup_allows(policy, index, accesses[i]);
		check(bit == allowed, "access %u of 0x%08x: the window's bit is %d",
		      accesses[i], index, bit);
	}
}

static void check_windows(const struct kvm_reg_policy *policy)
{
	const struct window *w;
	uint32_t i;

	for (w = windows; w < windows + ARRAY_SIZE(windows); w++) {
		for (i = 0; i < w->nr; i++)
			check_slot(policy, w->first + i, w->slot + i);
		check(kvm_reg_slot(w->first + w->nr) < 0, "0x%08x has a slot",
		      w->first + w->nr);
	}
}

/* Each rule that some write can come to, and no other; the last is not masked. */
static void check_chain(const struct kvm_reg_policy *policy, uint32_t index, u16 source)
{
	static unsigned int chain[MAX_RULES + 1];
	const unsigned int nr = model_chain(index, chain);
	const u16 *link = policy->chains + (source & ~KVM_REG_CHAIN);
	unsigned int i;

	check(nr <= MAX_CHAIN, "0x%08x: a chain of %u", index, nr);
	for (i = 0; i < nr; i++)
		check(link[i] == chain[i], "0x%08x: link %u of the chain is rule %u, not %u",
		      index, i, link[i], chain[i]);
	check(!policy->rules[KVM_REG_LAYER_RULES][link[nr - 1]].mask,
	      "0x%08x: the chain ends at rule %u, which has a mask", index, link[nr - 1]);
}

/* Do the rules decide, whatever a write changes, so that the filter is not asked? */
static bool rules_decide(const struct kvm_reg_policy *policy, uint32_t index, unsigned int a)
{
	const struct kvm_reg_rule *rules = policy->rules[KVM_REG_LAYER_RULES];
	unsigned int rule = model_next(&lists[KVM_REG_LAYER_RULES], 0, index, accesses[a]);

	if (accesses[a] == KVM_REG_WRITE && model_compares(index))
		return false;

	return rules[rule].action != KVM_REG_ALLOW && rules[rule].action != KVM_REG_AUDIT;
}

static unsigned int wanted_source(const struct kvm_reg_policy *policy, uint32_t index,
				  unsigned int layer, unsigned int a)
{
	const unsigned int rule = model_next(&lists[layer], 0, index, accesses[a]);

	if (policy->rules[layer][rule].action == KVM_REG_ALLOW)
		return KVM_REG_PLAIN;

	if (layer == KVM_REG_LAYER_FILTER && rules_decide(policy, index, a))
		return KVM_REG_PLAIN;

	return rule;
}

static void check_source(const struct kvm_reg_policy *policy, uint32_t index,
			 unsigned int layer, unsigned int a, u16 source)
{
	unsigned int want;

	if (layer == KVM_REG_LAYER_RULES && accesses[a] == KVM_REG_WRITE &&
	    model_compares(index)) {
		check(source & KVM_REG_CHAIN && source != KVM_REG_PLAIN,
		      "0x%08x: no chain, but 0x%x", index, source);
		check_chain(policy, index, source);
		return;
	}
	want = wanted_source(policy, index, layer, a);
	check(source == want, "access %u of 0x%08x: layer %u by rule %u, not %u",
	      accesses[a], index, layer, source, want);
}

static void check_sources(const struct kvm_reg_policy *policy, uint32_t index,
			  const struct kvm_reg_source *source)
{
	unsigned int layer, a;

	for (a = 0; a < ARRAY_SIZE(accesses); a++)
		for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++)
			check_source(policy, index, layer, a, source->rule[layer][a]);
}

/* Both ends, as the model has them */
static void check_segment(const struct kvm_reg_policy *policy, unsigned int i)
{
	const bool is_last = i + 1 == policy->nr_segments;

	check_sources(policy, policy->first[i], &policy->sources[i]);
	check_sources(policy, is_last ? U32_MAX : policy->first[i + 1] - 1, &policy->sources[i]);
}

static void check_segments(const struct kvm_reg_policy *policy)
{
	const unsigned int step = policy->nr_segments / CHECKED_SEGMENTS + 1;
	unsigned int i;

	check(policy->nr_segments >= 1 && policy->nr_segments <= 2 * nr_rules() + 1,
	      "%u segments for %u rules", policy->nr_segments, nr_rules());
	check(!policy->first[0], "the first segment begins at 0x%x", policy->first[0]);
	for (i = 1; i < policy->nr_segments; i++) {
		check(policy->first[i - 1] < policy->first[i],
		      "segments %u and %u begin at 0x%x and 0x%x", i - 1, i,
		      policy->first[i - 1], policy->first[i]);
		check(memcmp(&policy->sources[i - 1], &policy->sources[i],
			     sizeof(*policy->sources)), "segments %u and %u are one", i - 1, i);
	}
	for (i = next_random() % step; i < policy->nr_segments; i += step)
		check_segment(policy, i);
}

/* An array must be in its owner's allocation, and overlap none before it. */
static size_t check_array(const void *owner, const char *name, const void *array, size_t size,
			  size_t behind)
{
	const size_t offset = (const char *)array - (const char *)owner;
	const size_t all = live[find_live(owner)].size;

	check(offset >= behind && offset <= all && size <= all - offset,
	      "%s: bytes %zu to %zu, of %zu to %zu", name, offset, offset + size, behind, all);
	return offset + size;
}

static void check_list_room(const struct kvm_rule_list *list, size_t room, size_t longs)
{
	size_t behind;

	check(list->max_rules == room, "room for %u rules, not %zu", list->max_rules, room);
	check(list->size == live[find_live(list)].size, "a list of %zu bytes", list->size);
	behind = check_array(list, "rules", list->rules, (room + 1) * sizeof(*list->rules),
			     sizeof(*list));
	check_array(list, "bitmaps", list->bitmaps, longs * sizeof(long), behind);
}

/* Chains may be shared, but take no more than if neighbours alone shared them. */
static void check_nr_chains(const struct kvm_reg_policy *policy)
{
	const size_t size = policy->chains ? live[find_live(policy->chains)].size : 0;
	unsigned int most;

	check(size <= MAX_CHAINS * sizeof(u16), "chains of %zu bytes", size);
	if (nr_rules() > LONG_LIST)
		return;
	most = model_chains(MAX_CHAINS);
	check(!size == !most && size <= most * sizeof(u16), "chains of %zu bytes, not %u",
	      size, most * 2);
}

static void check_room(const struct kvm_reg_policy *policy, struct kvm_rule_list *const *mine)
{
	const size_t chains = policy->chains ? live[find_live(policy->chains)].size : 0;
	size_t behind = sizeof(*policy), bytes = policy->size, longs = 0;
	unsigned int i;

	behind = check_array(policy, "sources", policy->sources,
			     policy->nr_segments * sizeof(*policy->sources), behind);
	check_array(policy, "first", policy->first,
		    policy->nr_segments * sizeof(*policy->first), behind);
	check(policy->size == live[find_live(policy)].size + chains,
	      "a policy of %zu bytes, %zu in chains", policy->size, chains);

	for (i = 0; i < KVM_REG_NR_LAYERS; i++)
		bytes += mine[i] ? mine[i]->size : 0;
	for (i = 0; i < lists[KVM_REG_LAYER_FILTER].nr; i++)
		longs += lists[KVM_REG_LAYER_FILTER].rules[i].longs;
	check(bytes <= MAX_BYTES, "%zu bytes in all", bytes);
	check(longs || nr_rules() > SHORT_POLICY || bytes <= MAX_BYTES_SHORT,
	      "%zu bytes in all", bytes);
	check_nr_chains(policy);
}

/* The engine's copy of a rule's bitmap: exactly as long as it has to be */
static const unsigned long *engine_bitmap(const struct model_rule *r, unsigned long **room)
{
	unsigned long *bitmap;

	if (!r->bits)
		return NULL;

	if (r->inside) {
		bitmap = *room;
		*room += r->longs;
	} else {
		bitmap = malloc(r->longs * sizeof(*bitmap));
		if (!bitmap)
			abort();
	}
	memcpy(bitmap, r->bits, r->longs * sizeof(*bitmap));
	return bitmap;
}

static void add_rules(struct kvm_rule_list *list, const struct model_list *from)
{
	unsigned long *room = list->bitmaps;
	const struct model_rule *r = from->rules;
	unsigned int i;

	for (i = 0; i < from->nr; i++, r++)
		kvm_rule_list_add(list, (struct kvm_reg_rule) {
			.first = r->first,
			.last = r->last,
			.access = r->access,
			.action = r->action,
			.number = i,
			.mask = r->mask,
			.value = r->value,
			.bitmap = engine_bitmap(r, &room),
		});
}

/* What does not fit is refused with a warning, and changes nothing. */
static void add_too_many(struct kvm_rule_list *list)
{
	const struct kvm_reg_rule rule = { .last = U32_MAX, .access = 3, .action = 1 };
	const u32 nr = list->nr_rules;

	while (list->nr_rules < list->max_rules)
		list->rules[list->nr_rules++] = rule;
	warnings = 0;
	kvm_rule_list_add(list, rule);
	check(warnings == 1, "a rule too many: %u warnings", warnings);
	list->nr_rules = nr;
}

static size_t longs_inside(const struct model_list *list)
{
	size_t longs = 0;
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		longs += list->rules[i].inside ? list->rules[i].longs : 0;
	return longs;
}

static struct kvm_rule_list *make_list(const struct model_list *from, uint8_t options)
{
	const bool spare = options & OPTION_SPARE;
	const size_t room = from->nr + (spare ? next_random() % 16 : 0);
	const size_t longs = longs_inside(from) + (spare ? next_random() % 64 : 0);
	struct kvm_rule_list *list;

	if (!from->present)
		return NULL;

	list = kvm_rule_list_alloc(room, longs);
	check(list, "no room for %zu rules and %zu longs", room, longs);
	check_list_room(list, room, longs);
	add_rules(list, from);
	if (options & OPTION_TOO_MANY)
		add_too_many(list);
	kvm_rule_list_finish(list, from->default_action);
	return list;
}

/* Lists are their makers': compiling changes nothing in them. */
static void check_list(const struct kvm_rule_list *list, const struct model_list *from)
{
	const struct kvm_reg_rule *r = list->rules;
	const struct model_rule *m = from->rules;
	unsigned int i;

	check(list->nr_rules == from->nr, "%u rules, not %u", list->nr_rules, from->nr);
	for (i = 0; i < from->nr; i++, r++, m++)
		check(r->first == m->first && r->last == m->last && r->access == m->access &&
		      r->action == m->action && r->number == i && r->mask == m->mask &&
		      r->value == m->value && !r->bitmap == !m->bits &&
		      (!r->bitmap || !memcmp(r->bitmap, m->bits, m->longs * 8)),
		      "rule %u has changed", i);
	check(!r->first && r->last == U32_MAX && r->access == KVM_REG_ACCESS_MASK &&
	      r->action == from->default_action && r->number == KVM_REG_NO_NUMBER &&
	      !r->mask && !r->bitmap, "the default is wrong");
}

static void check_users(struct kvm_rule_list *const *mine, unsigned int users)
{
	unsigned int i;

	for (i = 0; i < KVM_REG_NR_LAYERS; i++)
		check(!mine[i] || refcount_read(&mine[i]->users) == users,
		      "list %u has %u users, not %u", i, refcount_read(&mine[i]->users), users);
}

/* Give up the fuzzer's own reference; bitmaps that are not inside are the fuzzer's. */
static void put_list(struct kvm_rule_list *list, const struct model_list *from)
{
	unsigned int i;

	for (i = 0; i < from->nr; i++)
		if (list && !from->rules[i].inside)
			free((void *)list->rules[i].bitmap);
	kvm_rule_list_put(list);
}

static void check_refused(u32 rules, size_t longs)
{
	const size_t before = live_bytes();

	check(!kvm_rule_list_alloc(rules, longs), "room for %u rules and %zu longs",
	      rules, longs);
	check(live_bytes() == before, "%zu bytes are left", live_bytes() - before);
}

/* From what no kernel has to the numbers that wrap all sums */
static void check_huge(void)
{
	const unsigned int bits = next_random() % 36;

	check_refused(nr_rules(), SIZE_MAX >> bits);
	check_refused(nr_rules(), (SIZE_MAX >> bits) - next_random() % 0x10000);
	check_refused(nr_rules(), (SIZE_MAX >> 3) + next_random() % 0x10000);
	check_refused(KVM_REG_CHAIN / 2 + next_random() % 0x10000, 0);
	check_refused(U32_MAX - next_random() % 0x10000, 0);
}

/* A compilation that fails leaves nothing, and the lists to their owner alone. */
static void check_failed(struct kvm_rule_list *const *mine, long want)
{
	const size_t before = live_bytes();
	struct kvm_reg_policy *policy;

	policy = kvm_reg_policy_compile(mine[KVM_REG_LAYER_RULES], mine[KVM_REG_LAYER_FILTER]);
	check(IS_ERR(policy) && PTR_ERR(policy) == want, "compiled, or not with error %ld", want);
	check(live_bytes() == before, "%zd bytes are left", live_bytes() - before);
	check_users(mine, 1);
}

/* For the policy, for what compiling takes, and for the chains if there are any */
static void check_no_mem(struct kvm_rule_list *const *mine, bool chains)
{
	unsigned int i;

	for (i = 1; i <= 2 + chains; i++) {
		until_failure = i;
		check_failed(mine, -ENOMEM);
		until_failure = 0;
	}
}

static void check_too_big(struct kvm_rule_list *const *mine)
{
	const unsigned int most = model_chains(MAX_CHAINS);

	/* A chain is made before it is found to be like its neighbour. */
	check(most + MAX_CHAIN > MAX_CHAINS, "refused for chains of %u", most);
	check_failed(mine, -E2BIG);
}

static void check_policy(struct kvm_reg_policy *policy, struct kvm_rule_list *const *mine,
			 uint8_t options)
{
	unsigned int i;

	for (i = 0; i < KVM_REG_NR_LAYERS; i++) {
		check(policy->lists[i] == mine[i] && policy->nr_rules[i] == lists[i].nr,
		      "list %u is not the policy's", i);
		if (mine[i])
			check_list(mine[i], &lists[i]);
	}
	check_segments(policy);
	check_room(policy, mine);
	check_verdicts(policy);
	if (options & OPTION_WINDOWS)
		check_windows(policy);
}

/* Policies that share a list, as while one replaces the other */
static void check_replace(struct kvm_reg_policy *policy, struct kvm_rule_list *const *mine)
{
	struct kvm_rule_list *rules = mine[KVM_REG_LAYER_RULES];
	struct kvm_rule_list *filter = mine[KVM_REG_LAYER_FILTER];
	struct kvm_reg_policy *a, *b;

	a = kvm_reg_policy_compile(rules, NULL);
	b = kvm_reg_policy_compile(NULL, filter);
	check(!IS_ERR(a) && !IS_ERR(b), "the lists compile only together");
	check_users(mine, 3);
	kvm_reg_policy_free(a);
	kvm_reg_policy_free(b);
	kvm_reg_policy_free(NULL);
	check_verdicts(policy);
}

static void fuzz_policy(struct kvm_rule_list *const *mine, uint8_t options)
{
	const size_t before = live_bytes();
	struct kvm_reg_policy *policy;

	warnings = 0;
	policy = kvm_reg_policy_compile(mine[KVM_REG_LAYER_RULES], mine[KVM_REG_LAYER_FILTER]);
	if (IS_ERR(policy)) {
		check(PTR_ERR(policy) == -E2BIG, "not compiled: %ld", PTR_ERR(policy));
		check_too_big(mine);
		return;
	}

	check(live_bytes() == before + policy->size, "%zu bytes, not %zu",
	      live_bytes() - before, policy->size);
	check_users(mine, 2);
	check_policy(policy, mine, options);
	if (options & OPTION_REPLACE)
		check_replace(policy, mine);
	if (options & OPTION_NO_MEM) {
		const bool chains = policy->chains;

		kvm_reg_policy_free(policy);
		check_no_mem(mine, chains);
		return;
	}
	kvm_reg_policy_free(policy);
	check(!warnings, "%u warnings", warnings);
}

static void fuzz_lists(uint8_t options)
{
	struct kvm_rule_list *mine[KVM_REG_NR_LAYERS];
	unsigned int i;

	until_failure = options & OPTION_NO_MEM;
	if (until_failure) {
		until_failure = 1;
		check_refused(nr_rules(), 0);
	}
	if (options & OPTION_HUGE)
		check_huge();

	for (i = 0; i < KVM_REG_NR_LAYERS; i++)
		mine[i] = make_list(&lists[i], options);
	fuzz_policy(mine, options);
	check_users(mine, 1);
	for (i = 0; i < KVM_REG_NR_LAYERS; i++)
		put_list(mine[i], &lists[i]);
	check(!live_bytes(), "%zu bytes are left", live_bytes());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEADER_SIZE)
		return 0;

	model_decode(data, size);
	fuzz_lists(data[0]);
	model_free();
	return 0;
}
