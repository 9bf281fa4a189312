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

#define RD		KVM_X86_REG_RULE_READ
#define WR		KVM_X86_REG_RULE_WRITE
#define ALLOW		KVM_X86_REG_RULE_ALLOW
#define DENY		KVM_X86_REG_RULE_DENY
#define AUDIT		KVM_X86_REG_RULE_AUDIT
#define NR_ACTIONS	6

#define HEADER_SIZE	5
#define RECORD_SIZE	20

/* As many rules as KVM_X86_SET_REG_RULES takes, with a mask for one register */
#define MAX_RULES	4096
#define MAX_MASKED	64
/* As many ranges as KVM_X86_SET_MSR_FILTER takes */
#define MAX_FILTER	16

/* Larger than any window, so that a bitmap can reach across one at both ends */
#define MAX_BITMAP	0x4000

/* What an input asks for beside its lists */
#define OPTION_WINDOWS	0x01	/* compare every register of every window */
#define OPTION_NO_MEM	0x02	/* let each of the allocations fail */
#define OPTION_BITMAPS	0x04	/* the filter has bitmaps */
#define OPTION_HUGE	0x10	/* first ask for more than there can be */
#define OPTION_NO_RULES	0x20	/* there is no list of rules */
#define OPTION_NO_FILTER 0x40	/* there is no filter */
#define OPTION_REPLACE	0x80	/* make policies of the one list or the other as well */

/* A rule as the model sees it */
struct model_rule {
	uint64_t first;
	uint64_t last;
	unsigned int access;	/* the filter's may have none */
	unsigned int action;
	uint64_t mask;
	uint64_t value;
	uint8_t *bits;		/* what the rule allows; NULL: nothing */
	size_t longs;		/* length of bits */
};

struct model_list {
	bool present;		/* if not, the list allows everything */
	bool bitmaps;		/* all rules have bits */
	unsigned int nr;
	unsigned int default_action;
	struct model_rule rules[MAX_RULES];
};

extern struct model_list lists[KVM_REG_NR_LISTS];

/* The model's decision: @rule is the list's nr for its default. */
struct model_decision {
	unsigned int action;
	unsigned int list;
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
struct model_decision model_decide(uint64_t index, unsigned int access, uint64_t changed);

/* Does what becomes of a write depend on what it changes, as far as the rules go? */
bool model_compares(uint64_t index);
/* Is the access allowed without a look at a mask? */
bool model_is_plain(uint64_t index, unsigned int access);
/* Are there more rules with a mask for a register than there may be? */
bool model_overlaps(void);

#endif /* FUZZ_MODEL_H */
