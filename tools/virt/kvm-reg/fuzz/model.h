/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzer's inputs say, and a model of what the engine is to make of it:
 * it walks the lists of rules for each access, and shares no code with the engine.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "reg_policy.h"

#define HEADER_SIZE	5
#define RECORD_SIZE	20

/* As many rules as KVM_X86_SET_REG_RULES takes, and the x2APIC's exemption */
#define MAX_RULES	4097
/* As many ranges as KVM_X86_SET_MSR_FILTER takes, and the x2APIC's exemption */
#define MAX_FILTER	17

/* Larger than any window, so that a bitmap can reach across one at both ends */
#define MAX_BITMAP	0x4000

/* What an input asks for beside its lists */
#define OPTION_WINDOWS	0x01	/* compare every register of every window */
#define OPTION_NO_MEM	0x02	/* let each of the allocations fail */
#define OPTION_SPARE	0x04	/* allocate more than the lists take */
#define OPTION_TOO_MANY	0x08	/* add a rule for which there is no room */
#define OPTION_HUGE	0x10	/* first ask for more than there can be */
#define OPTION_NO_RULES	0x20	/* there is no list of rules */
#define OPTION_NO_FILTER 0x40	/* there is no filter */
#define OPTION_REPLACE	0x80	/* compile the lists again without each other */

/* A rule as the model sees it */
struct model_rule {
	uint64_t first;
	uint64_t last;
	unsigned int access;
	unsigned int action;
	uint64_t mask;
	uint64_t value;
	uint8_t *bits;		/* NULL: none */
	size_t longs;		/* length of bits */
	bool inside;		/* the bitmap is in the list's own room for bitmaps */
};

struct model_list {
	bool present;		/* if not, the layer allows everything */
	unsigned int nr;
	unsigned int default_action;
	struct model_rule rules[MAX_RULES];
};

/* By enum kvm_reg_layer_id */
extern struct model_list lists[KVM_REG_NR_LAYERS];

/* The model's verdict: @rule is nr of the layer for its default. */
struct model_verdict {
	unsigned int action;
	unsigned int layer;
	unsigned int rule;
};

/* All that follows from an input follows from it alone. */
uint32_t next_random(void);

/* Make @lists of an input of HEADER_SIZE bytes at least; free what they hold. */
void model_decode(const uint8_t *data, size_t size);
void model_free(void);
void model_print(void);

/* The first rule to apply to the register and access from @rule on, whatever its mask */
unsigned int model_next(const struct model_list *list, unsigned int rule, uint64_t index,
			unsigned int access);
struct model_verdict model_verdict(uint64_t index, unsigned int access, uint64_t changed);

/* Does a write's verdict depend on what it changes, as far as the rules go? */
bool model_compares(uint64_t index);
/* Does the layer allow the access without a look at a mask or a bitmap? */
bool model_allows_all(unsigned int layer, uint64_t index, unsigned int access);
/* Do both layers allow the access without a look at a mask? */
bool model_is_plain(uint64_t index, unsigned int access);

/*
 * The rules that some write to the register can come to, in order; returns how
 * many.  One that tests no bit that is not tested before it cannot be come to.
 */
unsigned int model_chain(uint64_t index, unsigned int *chain);
/* The total length of all chains, neighbours that are the same counted once, or > @max */
unsigned int model_chains(unsigned int max);

#endif /* FUZZ_MODEL_H */
