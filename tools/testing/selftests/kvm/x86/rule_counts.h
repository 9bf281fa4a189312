/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How often the policy did not simply allow an access: a vCPU's statistics.
 */
#ifndef SELFTEST_KVM_RULE_COUNTS_H
#define SELFTEST_KVM_RULE_COUNTS_H

#include <unistd.h>

#include "kvm_util.h"
#include "test_util.h"

#define HITS	"reg_policy_hits"

static inline uint64_t read_stat(struct kvm_vcpu *vcpu, const char *name)
{
	struct kvm_stats_desc *descs, *desc = NULL;
	int fd = vcpu_get_stats_fd(vcpu), i;
	struct kvm_stats_header header;
	uint64_t value = 0;
	bool found = false;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc && !found; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(fd, &header, desc, &value, 1);
	}
	TEST_ASSERT(found, "there is no statistic %s", name);
	TEST_ASSERT_EQ(desc->flags & KVM_STATS_TYPE_MASK, KVM_STATS_TYPE_CUMULATIVE);
	free(descs);
	close(fd);
	return value;
}

static inline uint64_t read_hits(struct kvm_vcpu *vcpu)
{
	return read_stat(vcpu, HITS);
}

#endif /* SELFTEST_KVM_RULE_COUNTS_H */
