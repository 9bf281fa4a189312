// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel without register rules: libkvmreg installs policies as MSR filters that do the
 * same, or nothing.  Random policies, and what a guest gets under them.  Output is TAP.
 * Needs /dev/kvm.  See kernel-verdict.c for kernels that have the rules.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../kvmreg.h"
#include "model.h"
#include "../vmm/vmm.h"
#include "random.h"

#define POLICIES_PER_VM	32
#define ACCESSES	8

#define TSC_ADJUST	0x3b
#define TSC_DEADLINE	0x6e0

static unsigned long long nr_policies = 10000, seed = 1;

static const struct vmm_option options[] = {
	{ "--policies=", &nr_policies },
	{ "--seed=", &seed },
	{ }
};

static const char usage[] =
	"Usage: fallback [--policies=N] [--seed=N]\n"
	"\n"
	"Install random policies on a kernel without register rules, and compare what a guest\n"
	"gets with what libkvmreg says.\n";

/* MSRs that a test can write without harm: some that hold what is written... */
static const struct settable {
	__u32 index;
	__u64 value;
} settable[] = {
	{ 0x174, 0x10 }, { 0x200, 0 }, { 0x277, 0x0007040600070406 }, { 0x2ff, 0 },
	{ 0xc0000080, 0 }, { 0xc0000081, 0x12 }, { 0xc0000082, 0x12345000 },
	{ 0xc0000102, 0x12345000 }, { 0xc0000103, 5 },
};

/* ...and some that cannot be read, written or compared, or are not there */
static const __u32 others[] = {
	0x10, 0x17, 0x49, 0x79, 0xc1, 0xc8, 0xc9, 0xfe, 0x561, 0x7ff, 0x808, 0x8ff, 0x900, 0x1fff,
	0x2000, 0x12345678, 0xc0001fff, 0xfffffffe, 0xffffffff,
};

struct lane {
	struct vmm vm;
	struct vmm twin;		/* without a policy */
	bool exits;			/* what the filter denies is an exit, not #GP */
};

struct subject {
	struct kvm_x86_reg_rule rules[MAX_LIST];
	struct kvmreg_policy *policy;
	struct model_list list;
	bool installed;
};

static unsigned long long accesses, denied, filters, refused;

/* Let KVM do what it does if nobody answers. */
static void leave(struct vmm_vcpu *vcpu, const void *arg)
{
	(void)vcpu;
	(void)arg;
}

static void create(struct lane *lane)
{
	vmm_create_supported(&lane->vm);
	vmm_create_supported(&lane->twin);
	lane->exits = chance(2);
	vmm_set_msr_exits(&lane->vm, lane->exits ? KVM_MSR_EXIT_REASON_FILTER : 0);
}

static void destroy(struct lane *lane)
{
	vmm_destroy(&lane->vm);
	vmm_destroy(&lane->twin);
}

/* Mostly rules that a filter may express: no action after @last */
static void make_policy(struct subject *s, unsigned int last)
{
	const unsigned int nr_actions = chance(8) ? NR_ACTIONS : last + 1;
	struct kvm_x86_reg_rules head = { .rules = (uintptr_t)s->rules };
	struct kvmreg_error error;

	/* First, mostly, what has to be allowed */
	memset(s, 0, sizeof(*s));
	s->rules[0].access = chance(8) ? RD : WR;
	s->rules[0].first = TSC_DEADLINE;
	s->rules[0].last = TSC_DEADLINE;
	head.nr_rules = 1 + random_rules(s->rules + 1, nr_actions);
	head.msr_default = below(nr_actions);
	head.flags = chance(8) ? KVM_X86_REG_RULES_FAIL_CLOSED : 0;
	s->list = (struct model_list) { head.nr_rules, head.msr_default, s->rules, NULL };
	if (kvmreg_from_rules(&head, "random", &s->policy, &error))
		vmm_fail("a valid list is rejected: %s", error.message);
}

/* What does a policy that is installed as a filter decide?  It allows or denies. */
static bool is_denied(const struct subject *s, __u32 msr, unsigned int access)
{
	struct model_list lists[MODEL_NR_LISTS] = { [MODEL_RULES] = s->list };
	const __u8 action = model_decide(lists, msr, access, ~0ULL).action;

	return action == KVM_X86_REG_RULE_DENY || action == KVM_X86_REG_RULE_GP;
}

/* Is there a filter?  Without exits, GP is as DENY, and nothing needs to be fail-closed. */
static bool has_filter(const struct lane *lane, const struct subject *s)
{
	struct kvm_x86_reg_rules head = *kvmreg_rules(s->policy);
	struct kvm_x86_reg_rule rules[MAX_LIST];
	struct kvm_msr_filter *filter = NULL;
	struct kvmreg_policy *policy;
	unsigned int i;
	int err;

	memcpy(rules, s->rules, sizeof(rules));
	head.rules = (uintptr_t)rules;
	if (!lane->exits) {
		head.flags = 0;
		if (head.msr_default == KVM_X86_REG_RULE_GP)
			head.msr_default = KVM_X86_REG_RULE_DENY;
		for (i = 0; i < head.nr_rules; i++)
			if (rules[i].action == KVM_X86_REG_RULE_GP)
				rules[i].action = KVM_X86_REG_RULE_DENY;
	}
	if (kvmreg_from_rules(&head, "denies", &policy, NULL))
		vmm_fail("a valid list is rejected");
	err = kvmreg_to_filter(policy, &filter, NULL);
	free(filter);
	kvmreg_free(policy);
	return !err;
}

/* A policy is installed just if there is a filter that this kernel gets right. */
static bool install(struct lane *lane, struct subject *s)
{
	static const char text[] = "default allow";
	const int flags = lane->exits ? 0 : KVMREG_NO_EXITS;
	struct kvmreg_policy *nothing;
	struct kvmreg_error error;
	bool expected;
	int r;

	if (kvmreg_parse(text, strlen(text), "nothing", &nothing, &error) ||
	    kvmreg_install(lane->vm.vm_fd, nothing, 0, &error) != KVMREG_FILTER)
		vmm_fail("a policy that does nothing: %s", error.message);
	kvmreg_free(nothing);

	r = kvmreg_install(lane->vm.vm_fd, s->policy, flags, &error);
	s->installed = r == KVMREG_FILTER;
	filters += s->installed;
	refused += r == -EOPNOTSUPP;
	if (r != KVMREG_FILTER && r != -EOPNOTSUPP) {
		printf("# kvmreg_install: %d\n", r);
		return false;
	}
	expected = has_filter(lane, s) && !is_denied(s, TSC_DEADLINE, WR) &&
		   (s->installed || !strstr(error.message, "0xffffffff"));
	if (s->installed != expected) {
		printf("# kvmreg_install: %d, expected %d\n", r, expected);
		return false;
	}
	r = kvmreg_install(lane->vm.vm_fd, s->policy, flags | KVMREG_NO_FILTER, &error);
	if (r != -EOPNOTSUPP)
		printf("# kvmreg_install with KVMREG_NO_FILTER: %d\n", r);
	return r == -EOPNOTSUPP;
}

static void set_both(struct lane *lane, const struct settable *set)
{
	vmm_set_msr(&lane->vm.vcpus[0], set->index, set->value);
	vmm_set_msr(&lane->twin.vcpus[0], set->index, set->value);
}

static bool is_expected(const struct lane *lane, const struct vmm_access *make, bool deny,
			const struct vmm_outcome *o, const struct vmm_outcome *by_kvm)
{
	/* Time goes by, and writes of the TSC change TSC_ADJUST, too. */
	const bool with_value = !make->write && make->index != TSC_ADJUST &&
				model_changed(make->index, true, 0, 0) != ~0ULL;

	if (!deny)
		return !o->exited && o->gp == by_kvm->gp &&
		       (!with_value || o->value == by_kvm->value);
	if (lane->exits)
		return o->exited && o->reason == KVM_MSR_EXIT_REASON_FILTER && !o->error && !o->gp;
	return !o->exited && o->gp;
}

static bool check_access(struct lane *lane, const struct subject *s)
{
	const struct settable *set = &settable[below(ARRAY_SIZE(settable))];
	struct vmm_access make = { .write = chance(2), .index = set->index };
	struct vmm_outcome o, by_kvm;
	bool deny;

	if (chance(2))
		make.index = others[below(ARRAY_SIZE(others))];
	else if (!make.write && s->list.nr && chance(2))
		make.index = s->rules[below(s->list.nr)].last + below(3) - 1;
	make.value = make.write ? set->value ^ random_bits() : 0;

	set_both(lane, set);
	deny = s->installed && is_denied(s, make.index, make.write ? WR : RD);
	by_kvm = vmm_make_access(&lane->twin, &make, leave, NULL);
	o = vmm_make_access(&lane->vm, &make, leave, NULL);
	set_both(lane, set);
	accesses++;
	denied += deny;
	if (is_expected(lane, &make, deny, &o, &by_kvm))
		return true;

	printf("# msr 0x%x, write %d, 0x%llx, %s: exited %d, gp %d, value 0x%llx, not %d 0x%llx\n",
	       make.index, make.write, make.value, deny ? "denied" : "allowed", o.exited, o.gp,
	       o.value, by_kvm.gp, by_kvm.value);
	return false;
}

static bool check_policy(struct lane *lane, struct subject *s)
{
	bool ok = install(lane, s);
	int i;

	for (i = 0; ok && i < ACCESSES; i++)
		ok = check_access(lane, s);
	return ok;
}

static void show(const struct kvmreg_policy *policy)
{
	char *text = kvmreg_format(policy), *line;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("#   %s\n", line);
	free(text);
}

static bool check_all(void)
{
	unsigned long long i;
	struct lane lane;
	struct subject s;
	bool ok = true;

	for (i = 0; ok && i < nr_policies; i++) {
		if (i % POLICIES_PER_VM == 0) {
			if (i)
				destroy(&lane);
			create(&lane);
		}
		make_policy(&s, lane.exits ? KVM_X86_REG_RULE_DENY : KVM_X86_REG_RULE_GP);
		ok = check_policy(&lane, &s);
		if (!ok) {
			printf("# policy %llu of seed %llu, denied is %s:\n", i, seed,
			       lane.exits ? "an exit" : "#GP");
			show(s.policy);
		}
		kvmreg_free(s.policy);
	}
	destroy(&lane);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok;

	vmm_parse(argc, argv, usage, options, false);
	if (vmm_max_reg_rules()) {
		puts("TAP version 13\n1..0 # SKIP this kernel has register rules");
		return 0;
	}

	state = seed;
	puts("TAP version 13\n1..1");
	ok = nr_policies && check_all();
	printf("%s 1 - policies are MSR filters, or refused\n", ok ? "ok" : "not ok");
	printf("# %llu policies: %llu filters, %llu refused; %llu accesses, %llu denied\n",
	       nr_policies, filters, refused, accesses, denied);
	return ok ? 0 : 1;
}
