// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: what reads policies, of text and of JSON.  What is read has to come back from
 * what is written, and what is not read has to say why.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "../kvmreg.h"

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "fuzz-parser: %s\n", #condition); \
			abort();					\
		}							\
	} while (0)

static int never(const struct kvmreg_difference *difference, void *data)
{
	(void)difference;
	(void)data;
	CHECK(!"a policy differs from itself");
	return 0;
}

static void check_message(const struct kvmreg_error *error)
{
	const size_t len = strnlen(error->message, sizeof(error->message));
	const unsigned char *c;

	CHECK(len > 0 && len < sizeof(error->message));
	CHECK(!error->column || error->line);
	for (c = (void *)error->message; *c; c++)
		CHECK(*c == '\t' || *c == '\n' || (*c >= ' ' && *c <= '~'));
}

static void check_same(const struct kvmreg_policy *a, const struct kvmreg_policy *b)
{
	const struct kvm_x86_reg_rules *x = kvmreg_rules(a), *y = kvmreg_rules(b);

	CHECK(x->flags == y->flags && x->msr_default == y->msr_default);
	CHECK(x->nr_rules == y->nr_rules);
	if (x->nr_rules)
		CHECK(!memcmp((void *)(uintptr_t)x->rules, (void *)(uintptr_t)y->rules,
			      x->nr_rules * sizeof(struct kvm_x86_reg_rule)));
}

static void check_again(const struct kvmreg_policy *policy, char *text,
			__typeof__(kvmreg_parse) *parse)
{
	struct kvmreg_policy *again;
	struct kvmreg_error error;

	CHECK(text);
	CHECK(!parse(text, strlen(text), "again", &again, &error));
	check_same(policy, again);
	kvmreg_free(again);
	free(text);
}

static void check_policy(const struct kvmreg_policy *policy)
{
	const struct kvm_x86_reg_rules *head = kvmreg_rules(policy);
	unsigned int *unused = calloc(head->nr_rules + 1, sizeof(*unused));
	struct kvm_msr_filter *filter;
	struct kvmreg_policy *again;
	struct kvmreg_error error;

	CHECK(head->nr_rules <= 4096);
	CHECK(!kvmreg_from_rules(head, "again", &again, &error));
	check_same(policy, again);
	kvmreg_free(again);

	check_again(policy, kvmreg_format(policy), kvmreg_parse);
	check_again(policy, kvmreg_format_json(policy), kvmreg_parse_json);
	/* These take long for long policies, and have a test of their own. */
	if (head->nr_rules < 32) {
		CHECK(!kvmreg_diff(policy, policy, never, NULL));
		CHECK(!kvmreg_subset(policy, policy, never, NULL));
		CHECK(kvmreg_unused_rules(policy, unused) >= 0);
	}
	free(unused);

	if (kvmreg_to_filter(policy, &filter, &error))
		check_message(&error);
	else
		free(filter);
}

static void try(const char *text, size_t size, __typeof__(kvmreg_parse) *parse)
{
	struct kvmreg_policy *policy = NULL;
	struct kvmreg_error error;

	if (parse(text, size, "input", &policy, &error)) {
		CHECK(!policy);
		check_message(&error);
		return;
	}
	check_policy(policy);
	kvmreg_free(policy);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	try((const char *)data, size, size && *data == '{' ? kvmreg_parse_json : kvmreg_parse);
	return 0;
}
