/* SPDX-License-Identifier: GPL-2.0 */
/* Hand filters and rules over to KVM, wherever a round wants them in memory. */
#ifndef FUZZ_IOCTL_H
#define FUZZ_IOCTL_H

#include "fuzz-round.h"

/* To be called once, first */
void fuzz_map_pages(void);

/* Each returns 0 or an errno. */
int fuzz_set_filter(int vm_fd, const struct fuzz_filter *filter);
int fuzz_set_rules(int vm_fd, const struct fuzz_rules *rules);

/*
 * Read the list back that is in force, @installed, NULL for none.  @wrong says what of
 * it is not as it was installed, or what was written that had not to be; it is NULL if
 * all is well.
 */
int fuzz_get_rules(int vm_fd, const struct fuzz_get *get, const struct fuzz_rules *installed,
		   const char **wrong);

#endif /* FUZZ_IOCTL_H */
