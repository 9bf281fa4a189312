/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the files of libkvmreg share; kvm-reg, which is linked with them, uses some of it. */
#ifndef KVMREG_INTERNAL_H
#define KVMREG_INTERNAL_H

#include "../kvmreg.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(a, b)	__attribute__((format(printf, a, b)))

/* The kernel's limits */
#define MAX_RULES	4096
#define MAX_MASKED	64	/* for one MSR; and the rules for one control register */
#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

/* What to do about more than MAX_RULES */
#define KR_JOIN_RULES	"Join rules whose ranges touch, and leave to the default what it does."

#define NR_ACTIONS	(KVM_X86_REG_RULE_IGNORE_UNKNOWN + 1)

struct kvmreg_policy {
	struct kvm_x86_reg_rules head;	/* .rules is @rules */
	struct kvm_x86_reg_rule *rules;
	unsigned int *lines;
	unsigned int room;
	unsigned int default_line;	/* where these are written, or 0 */
	unsigned int fail_closed_line;
	char *name;
};

/* A word of the text: where a message points to. */
struct token {
	const char *start;
	size_t len;
};

/* A line of the text. */
struct line {
	const char *file;
	unsigned int number;
	const char *start;
	const char *end;
};

/* The parts of a rule that something can be wrong with. */
enum part { PART_ACTION, PART_ACCESS, PART_REGISTERS, PART_MASK, PART_VALUE, NR_PARTS };

struct fault {
	enum part part;
	const char *reason;
	const char *next;	/* what to do, may be NULL */
	const char *next_in_json;	/* where that is something else, or NULL */
};

/* error.c: fill in @error, which may be NULL; return -@err. */
int kr_fail(struct kvmreg_error *error, int err, const char *format, ...) __printf(3, 4);
/* About @token, or about the whole line if that is NULL.  @next may be NULL, too. */
int kr_fail_at(struct kvmreg_error *error, int err, const struct line *line,
	       const struct token *token, const char *next, const char *format, ...)
	__printf(6, 7);
/* About a rule of a policy that is complete, its default (KVMREG_DEFAULT) or "fail-closed". */
#define KR_FAIL_CLOSED	-4
int kr_fail_rule(struct kvmreg_error *error, int err, const struct kvmreg_policy *policy,
		 int rule, const char *next, const char *format, ...) __printf(6, 7);

/* policy.c */
struct kvmreg_policy *kr_policy_new(const char *name);
int kr_policy_add(struct kvmreg_policy *policy, const struct kvm_x86_reg_rule *rule,
		  unsigned int line);
/* EINVAL and why, if the kernel would reject the rule. */
int kr_check_rule(const struct kvm_x86_reg_rule *rule, struct fault *fault);
/* E2BIG if the kernel would reject the list because too many rules are for a register. */
int kr_finish(struct kvmreg_policy *policy, struct kvmreg_error *error);

/* names.c */
bool kr_parse_number(const char *word, __u64 *value);
bool kr_find_bits(__u16 space, __u32 index, const char *word, __u64 *bits);
const char *kr_nearest_bits(__u16 space, __u32 index, const char *word);
const char *kr_nearest_of(const char *word, const char *const *names, size_t nr);
/* The name of a bit of a control register, or NULL. */
const char *kr_bit_name(__u16 space, __u32 index, __u64 bit);

/* format.c */
extern const char *const kr_access_names[4];
bool kr_find_action(const char *word, __u8 *action);
const char *kr_nearest_action(const char *word);
/* "msr", "cr0", "cr4", "xcr0"; NULL if rules cannot be for it. */
const char *kr_register_name(__u16 space, __u32 index);
bool kr_find_register(const char *word, __u16 *space, __u32 *index);

/* evaluate.c */

/* The bits of a control register that a guest can change */
__u64 kr_control_bits(__u16 space, __u32 index);

/*
 * MSRs of which some bits never change, or, if @bits is 0, of which every write counts as
 * a change of all.
 */
struct msr_bits {
	__u32 first;
	__u32 last;
	__u64 bits;
};

extern const struct msr_bits kr_special_msrs[];
extern const unsigned int kr_nr_special_msrs;

/*
 * filter.c: as kvmreg_to_filter().  With @no_exits, the VM never exits for a filter: what it
 * denies gets #GP.
 */
int kr_to_filter(const struct kvmreg_policy *policy, bool no_exits,
		 struct kvm_msr_filter **filter, struct kvmreg_error *error);

/* spans.c: registers for which a policy decides alike, or several policies do */
struct span {
	__u16 space;
	__u8 access;
	__u32 first;
	__u32 last;
	__u64 bits;		/* that a write can change; 0: every write counts as such of all */
};

/*
 * What a policy decides for a span, as rules, KVMREG_DEFAULT and so on: for an access
 * for which changes do not count, or a write that changes nothing; for a write that
 * changes just one bit; and for one to an MSR that KVM cannot read.
 */
struct verdicts {
	bool masked;		/* do changes count? */
	int plain;
	int bit[64];
	int all;
};

/* All spans, MSRs first: reads, then writes, each in order; free() them. */
int kr_spans(const struct kvmreg_policy *const *policies, unsigned int nr_policies,
	     struct span **spans, unsigned int *nr);
void kr_verdicts(const struct kvmreg_policy *policy, const struct span *span,
		 struct verdicts *verdicts);
struct kvmreg_decision kr_decision(const struct kvmreg_policy *policy, const struct span *span,
				   int rule);

static inline bool is_x2apic(__u32 msr)
{
	return msr >= X2APIC_FIRST && msr <= X2APIC_LAST;
}

static inline bool has_value(__u8 action)
{
	return action == KVM_X86_REG_RULE_IGNORE || action == KVM_X86_REG_RULE_IGNORE_UNKNOWN;
}

static inline bool kr_same_decision(const struct kvmreg_decision *x,
				    const struct kvmreg_decision *y)
{
	return x->action == y->action && x->rule == y->rule && x->value == y->value;
}

#endif /* KVMREG_INTERNAL_H */
