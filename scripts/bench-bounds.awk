# SPDX-License-Identifier: GPL-2.0
#
# What the series promises of its costs, as TAP, for scripts/bench --check. Reads
# lines "name, unpatched, patched" and is told the lane. An access is an allowed
# RDMSR or WRMSR; what was not measured fails.

{ base[$1] = $2; patched[$1] = $3 }

function is_number(value)
{
	return value ~ /^-?[0-9]+$/
}

function at_most(value, bound, what,    good)
{
	good = is_number(value) && is_number(bound) && value + 0 <= bound + 0
	printf "%sok %d %s: %s, at most %s\n", good ? "" : "not ", ++n, what,
		is_number(value) ? value : "none", is_number(bound) ? bound : "none"
}

function over(value, less)
{
	return is_number(value) && is_number(less) ? value - less : "none"
}

# No policy, no cost.
function without_policy(name)
{
	at_most(patched[name "-no-policy"], base[name "-no-policy"], name " without a policy")
}

function with_ranges(name,    none, i)
{
	none = patched[name "-no-policy"]
	for (i = 1; i <= nr_ranges; i++)
		at_most(over(patched[name "-allow-" ranges[i]], none), 25,
			name " with " ranges[i] ", over none")
	at_most(over(patched[name "-allow-16-ranges"], patched[name "-allow-1-range"]), 0,
		name " with 16 ranges, over 1")
}

# The most that a policy of rules adds, whatever their number.
function with_rules(name, bound,    none, i)
{
	none = patched[name "-no-policy"]
	for (i = 1; i <= nr_rules; i++)
		at_most(over(patched[name "-allow-" rules[i]], none), bound,
			name " with " rules[i] ", over none")
}

# Constant cost: the most over the least.
function spread(name,    least, most, cost, i)
{
	least = most = patched[name "-allow-" rules[1]]
	for (i = 1; i <= nr_rules && is_number(least); i++) {
		cost = patched[name "-allow-" rules[i]]
		if (!is_number(cost) || cost < least)
			least = cost
		if (is_number(cost) && cost > most)
			most = cost
	}
	at_most(over(most, least), 5, name " with 1 to 4096 rules, over each other")
}

function window_accesses(    i, name)
{
	for (i = 1; i <= nr_windows; i++) {
		name = "rdmsr-" windows[i]
		with_rules(name, 25)
		spread(name)
	}
}

# Of the emulated RDMSRs that succeed, on the unpatched kernel.
function cheapest_read(    i, cost, cheapest)
{
	for (i = 1; i <= nr_windows; i++) {
		cost = base["rdmsr-" windows[i] "-no-policy"]
		if (!is_number(cost))
			return "none"
		if (cheapest == "" || cost + 0 < cheapest)
			cheapest = cost + 0
	}
	return cheapest
}

# What needs no more than the policy is served behind the VM-exit.  On Intel, the
# length of the instruction is known, and there is no emulator to save.
function short_ways(    bound, i)
{
	bound = cheapest_read()
	if (is_number(bound))
		bound = int(bound * 0.6)
	for (i = 1; i <= nr_rules; i++) {
		at_most(patched["rdmsr-0xce-gp-" rules[i]], bound,
			"rdmsr-0xce-gp-" rules[i] ", in parts of an RDMSR")
		at_most(patched["rdmsr-0xce-ignore-" rules[i]], bound,
			"rdmsr-0xce-ignore-" rules[i] ", in parts of an RDMSR")
	}
}

function exits(    i, name)
{
	name = "rdmsr-0xce-exit-"
	for (i = 1; i <= nr_ranges; i++)
		at_most(patched[name ranges[i]], base[name ranges[i]], name ranges[i])
	for (i = 1; i <= nr_rules; i++)
		at_most(patched[name rules[i]], base[name "1-range"], name rules[i])
}

function replaces(size,    i)
{
	for (i = 1; i <= nr_vms; i++)
		at_most(patched["replace-" vms[i] "-" size], 99999,
			"replace-" vms[i] "-" size)
}

function installs()
{
	at_most(patched["install-0-vcpus-4096-rules"], 1999999, "install-0-vcpus-4096-rules")
	at_most(patched["replace-1-vcpu-16-rules"], 99999, "replace-1-vcpu-16-rules")
	at_most(patched["replace-4-vcpus-16-rules"], 99999, "replace-4-vcpus-16-rules")
	replaces("1-range")
	replaces("16-full-ranges")
	at_most(patched["bytes-16-rules"], 32768, "bytes-16-rules")
	at_most(patched["bytes-4096-rules"], 524288, "bytes-4096-rules")
}

END {
	nr_ranges = split("1-range 4-ranges 16-ranges", ranges, " ")
	nr_rules = split("1-rule 16-rules 256-rules 4096-rules", rules, " ")
	nr_vms = split("0-vcpus 1-vcpu 4-vcpus 0-vcpus-after-pause 1-vcpu-after-pause" \
		" 4-vcpus-after-pause", vms, " ")
	nr_windows = split("0xce 0x40000002 0x4b564d00 0xc0000080 0xc0010015", windows, " ")

	without_policy("rdmsr-0xce")
	without_policy("wrmsr-0x277")
	with_ranges("rdmsr-0xce")
	with_ranges("wrmsr-0x277")
	window_accesses()
	with_rules("rdmsr-0x20000", 90)
	# On Intel, what exits has asked the fastpath in vain, and no emulator was saved.
	if (lane == "svm") {
		short_ways()
		exits()
	}
	installs()
	print "1.." n
}
