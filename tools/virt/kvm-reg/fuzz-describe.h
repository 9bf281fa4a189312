/* SPDX-License-Identifier: GPL-2.0 */
/* What msr-fuzz does and sees, in words: for people, and to be compared. */
#ifndef FUZZ_DESCRIBE_H
#define FUZZ_DESCRIBE_H

#include "fuzz-round.h"

/* The longest description, that of a list of rules */
#define DESCRIPTION_SIZE	(FUZZ_RULES * 128)

void describe_filter(const struct fuzz_filter *filter, char *s, size_t size);
void describe_rules(const struct fuzz_rules *rules, char *s, size_t size);
void describe_get(const struct fuzz_get *get, const struct fuzz_rules *installed, char *s,
		  size_t size);
void describe_access(const struct fuzz_access *a, __u64 reasons, char *s, size_t size);
void describe_outcome(const struct fuzz_access *a, const struct fuzz_outcome *o, char *s,
		      size_t size);
/* 0 or an errno */
void describe_errno(int error, char *s, size_t size);

#endif /* FUZZ_DESCRIBE_H */
