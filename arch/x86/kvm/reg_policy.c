// SPDX-License-Identifier: GPL-2.0
/*
 * Register policy: compile lists of rules, look up the verdict for an access.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <kunit/static_stub.h>

#include "reg_policy.h"

/* Sources and the sweep name rules and segments in 15 and 16 bits. */
#define KVM_REG_MAX_RULES	0x3ffe

/*
 * A rule cuts the space at its first register and behind its last one, and one
 * segment stands before the first cut.
 */
#define KVM_REG_MAX_SEGMENTS(nr_rules)	(2 * (nr_rules) + 1)

/* What sources can name; it takes masked rules that lie over many others to exceed it. */
#define KVM_REG_MAX_CHAINS	(KVM_REG_PLAIN - KVM_REG_CHAIN)

/* All layers' rules and defaults. */
static_assert(KVM_REG_MAX_SEGMENTS(KVM_REG_NR_LAYERS * (KVM_REG_MAX_RULES + 1)) < U16_MAX);
static_assert(KVM_REG_MAX_RULES < KVM_REG_CHAIN);

/* Blocks lie within a window. */
static_assert(!((KVM_REG_WINDOW_LOW_NR | KVM_REG_WINDOW_HV_NR | KVM_REG_WINDOW_KVM_NR |
		 KVM_REG_WINDOW_HIGH_NR | KVM_REG_WINDOW_AMD_NR) % KVM_REG_BLOCK_NR));

static const struct kvm_reg_window {
	u32 first;
	u32 nr;
	u32 slot;
} kvm_reg_windows[] = {
	{ KVM_REG_WINDOW_LOW, KVM_REG_WINDOW_LOW_NR, KVM_REG_SLOT_LOW },
	{ KVM_REG_WINDOW_HV, KVM_REG_WINDOW_HV_NR, KVM_REG_SLOT_HV },
	{ KVM_REG_WINDOW_KVM, KVM_REG_WINDOW_KVM_NR, KVM_REG_SLOT_KVM },
	{ KVM_REG_WINDOW_HIGH, KVM_REG_WINDOW_HIGH_NR, KVM_REG_SLOT_HIGH },
	{ KVM_REG_WINDOW_AMD, KVM_REG_WINDOW_AMD_NR, KVM_REG_SLOT_AMD },
};

/* Takes @size bytes behind those taken already; returns where they start. */
static size_t take(size_t *total, size_t size)
{
	size_t start = *total;

	*total = size_add(start, size);
	return start;
}

/* Beyond, rounding up to a power of two, as kmalloc() does, wastes too much. */
#define MAX_KMALLOC	(32 * 1024)

/* Zeroed memory for what is kept, charged to the caller; kvfree() frees it. */
static void *keep_zalloc(size_t size)
{
	if (size > MAX_KMALLOC)
		return __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	return kvzalloc(size, GFP_KERNEL_ACCOUNT);
}

/**
 * kvm_rule_list_alloc - make room for a list of rules
 * @nr_rules: The most rules that will be added.
 * @nr_longs: Total length of their bitmaps.
 *
 * The memory is zeroed and charged to the memory cgroup of the caller.
 *
 * Return: an empty list, owned by the caller, or NULL.
 */
struct kvm_rule_list *kvm_rule_list_alloc(u32 nr_rules, size_t nr_longs)
{
	size_t total = sizeof(struct kvm_rule_list), bitmaps;
	struct kvm_rule_list *list;

	KUNIT_STATIC_STUB_REDIRECT(kvm_rule_list_alloc, nr_rules, nr_longs);

	if (nr_rules > KVM_REG_MAX_RULES)
		return NULL;

	/* One more for the default, which only kvm_rule_list_finish() adds. */
	take(&total, array_size(nr_rules + 1, sizeof(*list->rules)));
	bitmaps = take(&total, array_size(nr_longs, sizeof(*list->bitmaps)));
	list = keep_zalloc(total);
	if (!list)
		return NULL;

	refcount_set(&list->users, 1);
	list->size = total;
	list->max_rules = nr_rules;
	list->bitmaps = (void *)list + bitmaps;
	return list;
}

/* Give up a reference; the last one frees the list.  NULL is fine. */
void kvm_rule_list_put(struct kvm_rule_list *list)
{
	KUNIT_STATIC_STUB_REDIRECT(kvm_rule_list_put, list);

	if (list && refcount_dec_and_test(&list->users))
		kvfree(list);
}

/**
 * kvm_rule_list_finish - make a list ready to be compiled
 * @list: All its rules have been added, and their bitmaps filled.
 * @default_action: What becomes of an access that no rule matches.
 */
void kvm_rule_list_finish(struct kvm_rule_list *list, enum kvm_reg_action default_action)
{
	list->rules[list->nr_rules] = (struct kvm_reg_rule) {
		.first = 0,
		.last = U32_MAX,
		.access = KVM_REG_ACCESS_MASK,
		.action = default_action,
		.number = KVM_REG_NO_NUMBER,
	};
}

/* The rules of a layer that has no list. */
static const struct kvm_reg_rule allow_all = {
	.first = 0,
	.last = U32_MAX,
	.access = KVM_REG_ACCESS_MASK,
	.action = KVM_REG_ALLOW,
	.number = KVM_REG_NO_NUMBER,
};

static void set_layer(struct kvm_reg_policy *policy, enum kvm_reg_layer_id layer,
		      struct kvm_rule_list *list)
{
	policy->rules[layer] = list ? list->rules : &allow_all;
	policy->nr_rules[layer] = list ? list->nr_rules : 0;
	policy->lists[layer] = list;
	if (list)
		refcount_inc(&list->users);
}

static struct kvm_reg_policy *policy_alloc(struct kvm_rule_list *rules,
					   struct kvm_rule_list *filter)
{
	size_t total = sizeof(struct kvm_reg_policy), sources, first, tree;
	u32 nr = KVM_REG_NR_LAYERS, nr_segments, nr_leaves;
	struct kvm_reg_policy *policy;

	nr += rules ? rules->nr_rules : 0;
	nr += filter ? filter->nr_rules : 0;
	nr_segments = KVM_REG_MAX_SEGMENTS(nr);
	nr_leaves = 4;
	while (nr_leaves < nr_segments)
		nr_leaves *= 4;

	sources = take(&total, array_size(nr_segments, sizeof(*policy->sources)));
	first = take(&total, array_size(nr_segments, sizeof(*policy->first)));
	tree = take(&total, array_size(nr_leaves, sizeof(*policy->tree)));
	policy = keep_zalloc(total);
	if (!policy)
		return NULL;

	policy->size = total;
	policy->sources = (void *)policy + sources;
	policy->first = (void *)policy + first;
	policy->tree = (void *)policy + tree;
	policy->nr_leaves = nr_leaves;
	set_layer(policy, KVM_REG_LAYER_RULES, rules);
	set_layer(policy, KVM_REG_LAYER_FILTER, filter);
	return policy;
}

/**
 * kvm_reg_policy_free - free a policy, and lists that nobody else owns
 * @policy: From kvm_reg_policy_compile(), or NULL.
 */
void kvm_reg_policy_free(struct kvm_reg_policy *policy)
{
	if (!policy)
		return;

	kvm_rule_list_put(policy->lists[KVM_REG_LAYER_RULES]);
	kvm_rule_list_put(policy->lists[KVM_REG_LAYER_FILTER]);
	kvfree(policy->chains);
	kvfree(policy);
}

/*
 * Where a rule starts to apply, or no longer does: in a word, which sorts by place,
 * the first register there, the set that the rule is in, and its index.
 */
typedef u64 cut_t;

static cut_t make_cut(u32 at, u32 set, u32 rule)
{
	return (u64)at << 32 | set << 16 | rule;
}

static u32 cut_at(cut_t cut)
{
	return cut >> 32;
}

static u32 cut_set(cut_t cut)
{
	return (u16)(cut >> 16);
}

static u32 cut_rule(cut_t cut)
{
	return (u16)cut;
}

/* There is a set of rules for each layer and mask of accesses. */
#define NR_MASKS	(KVM_REG_ACCESS_MASK + 1)
#define NR_SETS		(KVM_REG_NR_LAYERS * NR_MASKS)

/* Behind all rules, in a word of its own. */
#define NO_RULE		(BITS_TO_LONGS(KVM_REG_MAX_RULES) * BITS_PER_LONG)

/*
 * The rules that apply at some place, as a bitmap in order of precedence, with
 * a bit above for each word that is not zero.  NO_RULE is always in the set.
 */
struct rule_set {
	unsigned long words[BIT_WORD(NO_RULE) + 1];
	unsigned long used[BITS_TO_LONGS(BIT_WORD(NO_RULE) + 1)];
	u32 first;
};

/* The radix sort takes three digits of a place, the last of them a bit smaller. */
#define DIGIT_BITS	11
#define NR_DIGITS	3
#define NR_DIGIT_VALUES	BIT(DIGIT_BITS)

static_assert(NR_DIGITS * DIGIT_BITS >= 32);

/* Often enough to not hold up others. */
#define STEPS_PER_RESCHED	64

/* For fewer cuts, to go through the values of digits takes longer than to insert. */
#define MANY_CUTS	64

/**
 * struct sweep - what compiling takes, and the policy does not keep
 * @sets: By layer and mask of accesses, the rules that apply at the place reached.
 * @source: Where verdicts come from at the place reached.
 * @nr_cuts: Number of cuts.
 * @cuts: All cuts, sorted by place.
 * @spare: As long as @cuts, to sort.
 * @start: By digit and its value, how many cuts have it, then where they go.
 * @chains: Chains so far; KVM_REG_MAX_CHAINS entries if a rule has a mask, else none.
 * @nr_chains: Number of entries in @chains.
 * @chain: Where the latest chain starts.
 */
struct sweep {
	struct rule_set sets[NR_SETS];
	struct kvm_reg_source source;
	u32 nr_cuts;
	cut_t *cuts;
	cut_t *spare;
	u32 (*start)[NR_DIGIT_VALUES];
	u16 *chains;
	u32 nr_chains;
	u32 chain;
};

/* The first rule of the set from @rule on; @bits has those of its word. */
static __always_inline u32 rule_set_scan(const struct rule_set *set, u32 rule,
					 unsigned long bits)
{
	u32 word = BIT_WORD(rule), i = BIT_WORD(word + 1);
	unsigned long used;

	if (!bits) {
		used = set->used[i] & BITMAP_FIRST_WORD_MASK(word + 1);
		while (!used)
			used = set->used[++i];

		word = i * BITS_PER_LONG + __ffs(used);
		bits = set->words[word];
	}

	return word * BITS_PER_LONG + __ffs(bits);
}

static u32 rule_set_from(const struct rule_set *set, u32 rule)
{
	return rule_set_scan(set, rule,
			     set->words[BIT_WORD(rule)] & BITMAP_FIRST_WORD_MASK(rule));
}

static void rule_set_init(struct rule_set *set)
{
	__set_bit(NO_RULE, set->words);
	__set_bit(BIT_WORD(NO_RULE), set->used);
	set->first = NO_RULE;
}

/* A rule starts to apply, or no longer does. */
static __always_inline void rule_set_toggle(struct rule_set *set, u32 rule)
{
	unsigned long *word = &set->words[BIT_WORD(rule)], old = *word;

	__change_bit(rule % BITS_PER_LONG, word);
	if (!old || !*word)
		__change_bit(BIT_WORD(rule), set->used);

	if (rule < set->first)
		set->first = rule;
	else if (rule == set->first)
		set->first = rule_set_scan(set, rule, *word);
}

/* Cut the space wherever a rule starts, or no longer applies. */
static void add_cuts(struct sweep *sweep, const struct kvm_reg_policy *policy)
{
	const struct kvm_reg_rule *rule;
	cut_t *cut = sweep->cuts;
	u32 layer, i, set;

	for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++) {
		for (i = 0; i <= policy->nr_rules[layer]; i++) {
			rule = &policy->rules[layer][i];
			set = layer * NR_MASKS + rule->access;
			*cut++ = make_cut(rule->first, set, i);
			if (rule->last != U32_MAX)
				*cut++ = make_cut(rule->last + 1, set, i);
		}
	}

	sweep->nr_cuts = cut - sweep->cuts;
}

/* By insertion. */
static void sort_few_cuts(struct sweep *sweep)
{
	cut_t *cuts = sweep->cuts, cut;
	u32 i, to;

	for (i = 1; i < sweep->nr_cuts; i++) {
		cut = cuts[i];
		for (to = i; to && cuts[to - 1] > cut; to--)
			cuts[to] = cuts[to - 1];
		cuts[to] = cut;
	}
}

static __always_inline u32 cut_digit(cut_t cut, u32 digit)
{
	return cut_at(cut) >> (digit * DIGIT_BITS) & (NR_DIGIT_VALUES - 1);
}

static void count_digits(struct sweep *sweep)
{
	const cut_t *cuts = sweep->cuts, *end = cuts + sweep->nr_cuts;
	u32 (*count)[NR_DIGIT_VALUES] = sweep->start;
	cut_t cut;

	memset(count, 0, NR_DIGITS * sizeof(*count));
	while (cuts < end) {
		cut = *cuts++;
		count[0][cut_digit(cut, 0)]++;
		count[1][cut_digit(cut, 1)]++;
		count[2][cut_digit(cut, 2)]++;
	}
}

/* Sort by a digit, stable: one pass of a radix sort. */
static __always_inline void sort_cuts_by_digit(struct sweep *sweep, u32 digit)
{
	const cut_t *cuts = sweep->cuts, *end = cuts + sweep->nr_cuts;
	u32 *start = sweep->start[digit], sum = 0, i;
	cut_t *spare = sweep->spare, cut;

	for (i = 0; i < NR_DIGIT_VALUES; i++) {
		swap(start[i], sum);
		sum += start[i];
	}

	while (cuts < end) {
		cut = *cuts++;
		spare[start[cut_digit(cut, digit)]++] = cut;
	}

	swap(sweep->cuts, sweep->spare);
}

/* sort() takes several times as long, which counts with thousands of rules. */
static void sort_cuts(struct sweep *sweep)
{
	if (sweep->nr_cuts < MANY_CUTS) {
		sort_few_cuts(sweep);
		return;
	}

	count_digits(sweep);
	sort_cuts_by_digit(sweep, 0);
	sort_cuts_by_digit(sweep, 1);
	sort_cuts_by_digit(sweep, 2);
}

/* The first rule from @rule on that applies to @access; the default always does. */
static u32 next_rule(const struct rule_set *sets, u32 access, u32 rule)
{
	return min(rule_set_from(&sets[access], rule),
		   rule_set_from(&sets[KVM_REG_ACCESS_MASK], rule));
}

static __always_inline u32 first_rule(const struct rule_set *sets, u32 access)
{
	return min(sets[access].first, sets[KVM_REG_ACCESS_MASK].first);
}

/*
 * Collect the rules that can apply to a write, up to the one that does in any
 * case.  A rule whose bits have all been tested before cannot.
 */
static int add_chain(struct sweep *sweep, const struct kvm_reg_rule *rules,
		     const struct rule_set *sets, u32 rule)
{
	u32 start = sweep->nr_chains, nr, n = 0;
	u64 mask, tested = 0;

	for (;; rule = next_rule(sets, KVM_REG_WRITE, rule + 1)) {
		if (!(++n % STEPS_PER_RESCHED))
			cond_resched();

		mask = rules[rule].mask;
		if (mask && !(mask & ~tested))
			continue;

		if (sweep->nr_chains == KVM_REG_MAX_CHAINS)
			return -E2BIG;

		sweep->chains[sweep->nr_chains++] = rule;
		if (!mask)
			break;

		tested |= mask;
	}

	/* Neighbours often have the same, e.g. when one rule starts as another ends. */
	nr = sweep->nr_chains - start;
	if (start && !memcmp(&sweep->chains[sweep->chain], &sweep->chains[start],
			     nr * sizeof(*sweep->chains)))
		sweep->nr_chains = start;
	else
		sweep->chain = start;

	return KVM_REG_CHAIN + sweep->chain;
}

/* What allows the access has nothing to say. */
static __always_inline u16 rule_source(const struct kvm_reg_rule *rules, u32 rule)
{
	return rules[rule].action == KVM_REG_ALLOW ? KVM_REG_PLAIN : rule;
}

static __always_inline int find_layer_source(struct sweep *sweep,
					     const struct kvm_reg_policy *policy, int layer)
{
	const struct rule_set *sets = &sweep->sets[layer * NR_MASKS];
	u32 read = first_rule(sets, KVM_REG_READ), write = first_rule(sets, KVM_REG_WRITE);
	const struct kvm_reg_rule *rules = policy->rules[layer];
	u16 *source = sweep->source.rule[layer];
	int r;

	source[0] = rule_source(rules, read);
	source[1] = rule_source(rules, write);
	if (!rules[write].mask)
		return 0;

	r = add_chain(sweep, rules, sets, write);
	source[1] = r;
	return min(r, 0);
}

/* Is there no need to ask the next layer? */
static bool is_final(enum kvm_reg_action action)
{
	return action != KVM_REG_ALLOW && action != KVM_REG_AUDIT;
}

/* Drop the filter where the rules decide, so that it costs neither time nor segments. */
static void drop_filter(const struct kvm_reg_policy *policy, struct kvm_reg_source *source,
			enum kvm_reg_access access)
{
	u16 rules = source->rule[KVM_REG_LAYER_RULES][access >> 1];
	const struct kvm_reg_rule *rule;

	if (rules & KVM_REG_CHAIN)
		return;

	rule = &policy->rules[KVM_REG_LAYER_RULES][rules];
	if (is_final(rule->action) && !rule->bitmap)
		source->rule[KVM_REG_LAYER_FILTER][access >> 1] = KVM_REG_PLAIN;
}

static __always_inline int find_source(struct sweep *sweep,
				       const struct kvm_reg_policy *policy)
{
	int r = find_layer_source(sweep, policy, KVM_REG_LAYER_RULES);

	/* Most policies have no filter. */
	if (r || !policy->lists[KVM_REG_LAYER_FILTER])
		return r;

	r = find_layer_source(sweep, policy, KVM_REG_LAYER_FILTER);
	drop_filter(policy, &sweep->source, KVM_REG_READ);
	drop_filter(policy, &sweep->source, KVM_REG_WRITE);
	return r;
}

static __always_inline void add_segment(struct kvm_reg_policy *policy, u32 first,
					const struct kvm_reg_source *source)
{
	u32 n = policy->nr_segments;

	if (n && !memcmp(&policy->sources[n - 1], source, sizeof(*source)))
		return;

	policy->first[n] = first;
	policy->sources[n] = *source;
	policy->nr_segments++;
}

/* Go through the space from cut to cut; note where sources change. */
static int make_segments(struct kvm_reg_policy *policy, struct sweep *sweep)
{
	const cut_t *cut = sweep->cuts, *end = cut + sweep->nr_cuts;
	u32 at, n = 0;
	int r;

	while (cut < end) {
		at = cut_at(*cut);
		do {
			rule_set_toggle(&sweep->sets[cut_set(*cut)], cut_rule(*cut));
		} while (++cut < end && cut_at(*cut) == at);

		r = find_source(sweep, policy);
		if (r)
			return r;

		add_segment(policy, at, &sweep->source);
		if (!(++n % STEPS_PER_RESCHED))
			cond_resched();
	}

	return 0;
}

static u32 segment_last(const struct kvm_reg_policy *policy, u32 i)
{
	return i + 1 < policy->nr_segments ? policy->first[i + 1] - 1 : U32_MAX;
}

/* Copy the bits of the registers from @first to @last, which are in @window. */
static void copy_bits(unsigned long *allowed, const struct kvm_reg_window *window,
		      const struct kvm_reg_rule *rule, u32 first, u32 last)
{
	u32 dst = first - window->first + window->slot;
	u32 src = first - rule->first;
	u32 nr = last - first + 1;
	u32 done, n;

	for (done = 0; done < nr; done += n) {
		n = min_t(u32, nr - done, BITS_PER_LONG);
		bitmap_write(allowed, bitmap_read(rule->bitmap, src + done, n),
			     dst + done, n);
	}
}

static bool is_chain(u16 source)
{
	return source != KVM_REG_PLAIN && (source & KVM_REG_CHAIN);
}

/* The bits of a segment's registers, from @first to @last, which are in @window. */
static void fill_bits(struct kvm_reg_policy *policy, int a,
		      const struct kvm_reg_window *window, u32 i, u32 first, u32 last)
{
	const struct kvm_reg_source *source = &policy->sources[i];
	u16 filter = source->rule[KVM_REG_LAYER_FILTER][a];
	const struct kvm_reg_rule *rule;

	/* What the rules don't allow stays to be looked up. */
	if (source->rule[KVM_REG_LAYER_RULES][a] != KVM_REG_PLAIN)
		return;

	if (filter == KVM_REG_PLAIN) {
		bitmap_set(policy->allowed[a], first - window->first + window->slot,
			   last - first + 1);
		return;
	}

	/* Unless it depends on what is written. */
	if (is_chain(filter))
		return;

	rule = &policy->rules[KVM_REG_LAYER_FILTER][filter];
	if (rule->bitmap)
		copy_bits(policy->allowed[a], window, rule, first, last);
}

/* Segment @i has the slots from @slot to @last, which are in one window. */
static void fill_blocks(struct kvm_reg_policy *policy, u32 i, u32 slot, u32 last)
{
	u32 block = slot / KVM_REG_BLOCK_NR, bit = slot % KVM_REG_BLOCK_NR;

	if (bit)
		policy->block_cuts[block++] |= BIT_ULL(bit);

	for (; block <= last / KVM_REG_BLOCK_NR; block++)
		policy->block_start[block] = i;
}

/*
 * From a node of the tree to a child: to the right one if @index is beyond what is
 * to the left.  The compiler does not find these two instructions, and a branch
 * would be mispredicted half the time.
 */
static __always_inline unsigned long descend(const u32 *tree, unsigned long i, u32 index)
{
	asm("cmpl %[index], %[node]\n\t"
	    "adc %[i], %[i]"
	    : [i] "+r" (i)
	    : [index] "r" (index), [node] "m" (tree[i])
	    : "cc");
	return i;
}

/* The number of steps depends on that of segments only, as does the place speculated. */
static __always_inline u32 find_anywhere(const struct kvm_reg_policy *policy, u32 index)
{
	unsigned long i = 1;

	do {
		i = descend(policy->tree, i, index);
		i = descend(policy->tree, i, index);
	} while (i < policy->nr_leaves);

	return i - policy->nr_leaves;
}

static void fill_tree(struct kvm_reg_policy *policy)
{
	u32 leaves = policy->nr_leaves, nr = policy->nr_segments, i;
	u32 *tree = policy->tree, *first = policy->first;

	/* Nodes that nothing is to the right of. */
	memset32(tree, U32_MAX, leaves);

	/* In the order of what they divide, nodes are on the lowest level every other. */
	for (i = 1; i < nr; i++)
		tree[(leaves + i) >> (__ffs(i) + 1)] = first[i] - 1;
}

static void fill_window(struct kvm_reg_policy *policy, const struct kvm_reg_window *window)
{
	u32 i = find_anywhere(policy, window->first);
	u32 window_last = window->first + window->nr - 1, first, last;
	int a;

	for (; i < policy->nr_segments && policy->first[i] <= window_last; i++) {
		first = max(policy->first[i], window->first);
		last = min(segment_last(policy, i), window_last);
		fill_blocks(policy, i, first - window->first + window->slot,
			    last - window->first + window->slot);
		for (a = 0; a < KVM_REG_NR_ACCESS; a++)
			fill_bits(policy, a, window, i, first, last);
	}
}

static bool has_masks(const struct kvm_reg_policy *policy)
{
	u32 layer, i;

	for (layer = 0; layer < KVM_REG_NR_LAYERS; layer++)
		for (i = 0; i < policy->nr_rules[layer]; i++)
			if (policy->rules[layer][i].mask)
				return true;

	return false;
}

static void init_sets(struct sweep *sweep)
{
	int i;

	for (i = 0; i < NR_SETS; i++)
		rule_set_init(&sweep->sets[i]);
}

static struct sweep *sweep_alloc(const struct kvm_reg_policy *policy)
{
	u32 nr = policy->nr_rules[KVM_REG_LAYER_RULES] +
		 policy->nr_rules[KVM_REG_LAYER_FILTER] + KVM_REG_NR_LAYERS;
	u32 nr_chains = has_masks(policy) ? KVM_REG_MAX_CHAINS : 0;
	size_t size = sizeof(struct sweep), cuts, spare, start, chains;
	struct sweep *sweep;

	cuts = take(&size, array3_size(nr, 2, sizeof(*sweep->cuts)));
	spare = take(&size, array3_size(nr, 2, sizeof(*sweep->spare)));
	start = take(&size, array_size(NR_DIGITS, sizeof(*sweep->start)));
	chains = take(&size, array_size(nr_chains, sizeof(*sweep->chains)));
	sweep = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!sweep)
		return NULL;

	memset(sweep, 0, sizeof(*sweep));
	/* A layer without a list keeps its KVM_REG_PLAIN. */
	memset(&sweep->source, 0xff, sizeof(sweep->source));
	sweep->chains = (void *)sweep + chains;
	sweep->cuts = (void *)sweep + cuts;
	sweep->spare = (void *)sweep + spare;
	sweep->start = (void *)sweep + start;
	init_sets(sweep);
	return sweep;
}

static int keep_chains(struct kvm_reg_policy *policy, const struct sweep *sweep)
{
	size_t size = array_size(sweep->nr_chains, sizeof(*policy->chains));

	if (!size)
		return 0;

	policy->chains = keep_zalloc(size);
	if (!policy->chains)
		return -ENOMEM;

	memcpy(policy->chains, sweep->chains, size);
	policy->size += size;
	return 0;
}

static int compile(struct kvm_reg_policy *policy)
{
	struct sweep *sweep;
	int r, i;

	sweep = sweep_alloc(policy);
	if (!sweep)
		return -ENOMEM;

	add_cuts(sweep, policy);
	sort_cuts(sweep);
	r = make_segments(policy, sweep);
	if (!r)
		r = keep_chains(policy, sweep);
	if (!r) {
		fill_tree(policy);
		for (i = 0; i < ARRAY_SIZE(kvm_reg_windows); i++)
			fill_window(policy, &kvm_reg_windows[i]);
	}

	kvfree(sweep);
	return r;
}

/**
 * kvm_reg_policy_compile - make a policy from lists of rules
 * @rules: The rules, finished; NULL if they allow everything.
 * @filter: The filter, asked for what the rules let through; NULL likewise.
 *
 * The policy comes to own the lists in addition to those who own them already.
 *
 * Return: the policy, or an ERR_PTR: ENOMEM; or E2BIG, if masked rules lie over too
 * many others.
 */
struct kvm_reg_policy *kvm_reg_policy_compile(struct kvm_rule_list *rules,
					      struct kvm_rule_list *filter)
{
	struct kvm_reg_policy *policy = policy_alloc(rules, filter);
	int r;

	if (!policy)
		return ERR_PTR(-ENOMEM);

	r = compile(policy);
	if (r) {
		kvm_reg_policy_free(policy);
		return ERR_PTR(r);
	}

	return policy;
}

/* Count the segments that start in the block up to the slot. */
static __always_inline u32 find_in_block(const struct kvm_reg_policy *policy, u32 slot)
{
	u32 block = slot / KVM_REG_BLOCK_NR;
	u64 cuts = policy->block_cuts[block] << (~slot % KVM_REG_BLOCK_NR);

	return policy->block_start[block] + hweight64(cuts);
}

static __always_inline const struct kvm_reg_source *
find_source_of(const struct kvm_reg_policy *policy, u32 index, long slot)
{
	u32 i = slot < 0 ? find_anywhere(policy, index) : find_in_block(policy, slot);

	return &policy->sources[i];
}

static inline enum kvm_reg_action rule_action(const struct kvm_reg_rule *rule, u32 index)
{
	u32 bit = index - rule->first;

	if (rule->bitmap) {
		bit = array_index_nospec(bit, rule->last - rule->first + 1);
		if (test_bit(bit, rule->bitmap))
			return KVM_REG_ALLOW;
	}

	return rule->action;
}

/* The rule of a chain that applies to a write which changes the bits @changed. */
static u16 chain_rule(const struct kvm_reg_policy *policy,
		      enum kvm_reg_layer_id layer, u16 chain, u64 changed)
{
	const u16 *link = &policy->chains[chain];
	u16 rule;
	u64 mask;

	/* Ends at a rule without a mask. */
	do {
		rule = array_index_nospec(*link++, policy->nr_rules[layer] + 1);
		mask = policy->rules[layer][rule].mask;
	} while (mask && !(mask & changed));

	return rule;
}

static __always_inline struct kvm_reg_verdict
ask_layer(const struct kvm_reg_policy *policy, enum kvm_reg_layer_id layer,
	  u16 index_of_rule, u32 index, u64 changed)
{
	const struct kvm_reg_rule *rule;

	if (index_of_rule & KVM_REG_CHAIN)
		index_of_rule = chain_rule(policy, layer, index_of_rule & ~KVM_REG_CHAIN,
					   changed);

	rule = &policy->rules[layer][index_of_rule];
	return (struct kvm_reg_verdict) {
		.action = rule_action(rule, index),
		.layer = layer,
		.rule = rule,
	};
}

/**
 * kvm_reg_policy_allows_elsewhere - is an access outside of the windows allowed?
 * @policy: A compiled policy.
 * @index: The register.
 * @access: KVM_REG_READ or KVM_REG_WRITE, not a mask of both.
 *
 * Return: true if the access is allowed, whatever it changes, without a trace;
 * false if it takes kvm_reg_policy_lookup() to know.
 */
bool kvm_reg_policy_allows_elsewhere(const struct kvm_reg_policy *policy, u32 index,
				     enum kvm_reg_access access)
{
	const struct kvm_reg_source *source;
	u16 filter;

	source = &policy->sources[find_anywhere(policy, index)];
	if (source->rule[KVM_REG_LAYER_RULES][access >> 1] != KVM_REG_PLAIN)
		return false;

	filter = source->rule[KVM_REG_LAYER_FILTER][access >> 1];
	if (filter == KVM_REG_PLAIN)
		return true;

	return !(filter & KVM_REG_CHAIN) &&
	       rule_action(&policy->rules[KVM_REG_LAYER_FILTER][filter], index) ==
	       KVM_REG_ALLOW;
}

/**
 * kvm_reg_policy_compares - does the verdict for a write depend on the old value?
 * @policy: A compiled policy.
 * @index: The register.
 *
 * Return: true if kvm_reg_policy_lookup() needs to know the changed bits.
 */
bool kvm_reg_policy_compares(const struct kvm_reg_policy *policy, u32 index)
{
	const struct kvm_reg_source *source;

	if (!policy->chains)
		return false;

	source = find_source_of(policy, index, kvm_reg_slot(index));
	return is_chain(source->rule[KVM_REG_LAYER_RULES][KVM_REG_WRITE >> 1]) ||
	       is_chain(source->rule[KVM_REG_LAYER_FILTER][KVM_REG_WRITE >> 1]);
}

/* See kvm_reg_policy_lookup(); @slot is the register's slot, or -1. */
struct kvm_reg_verdict __kvm_reg_policy_lookup(const struct kvm_reg_policy *policy,
					       u32 index, long slot,
					       enum kvm_reg_access access, u64 changed)
{
	const struct kvm_reg_source *source = find_source_of(policy, index, slot);
	u16 rules = source->rule[KVM_REG_LAYER_RULES][access >> 1];
	u16 filter = source->rule[KVM_REG_LAYER_FILTER][access >> 1];
	struct kvm_reg_verdict verdict = { .action = KVM_REG_ALLOW }, second;

	if (rules != KVM_REG_PLAIN) {
		verdict = ask_layer(policy, KVM_REG_LAYER_RULES, rules, index, changed);
		if (is_final(verdict.action))
			return verdict;
	}

	if (filter == KVM_REG_PLAIN)
		return verdict;

	second = ask_layer(policy, KVM_REG_LAYER_FILTER, filter, index, changed);
	return second.action != KVM_REG_ALLOW ? second : verdict;
}
