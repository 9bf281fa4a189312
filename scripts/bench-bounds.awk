# SPDX-License-Identifier: GPL-2.0
#
# What the series promises of its costs, as TAP, for scripts/bench --check. Reads
# lines "name, unpatched, patched". An access is an allowed RDMSR or WRMSR; what was
# not measured fails.

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

# The most that a policy adds; with flat, whether it is the same for each size.
function with_policies(name, bound, flat, nr, sizes,    none, i, first)
{
	none = patched[name "-no-policy"]
	first = patched[name "-allow-" sizes[1]]
	for (i = 1; i <= nr; i++)
		at_most(over(patched[name "-allow-" sizes[i]], none), bound,
			name " with " sizes[i] ", over none")
	for (i = 2; i <= nr && flat; i++)
		at_most(over(patched[name "-allow-" sizes[i]], first), 0,
			name " with " sizes[i] ", over " sizes[1])
}

# A write to a control register that changes no guarded bit, over the unpatched kernel.
# What is hardware's stays so; where KVM makes the write there as well, it takes at most
# @none more without a policy, and @policy with one, whatever that has rules for.
function control(name, none, policy,    bare)
{
	bare = base[name "-no-policy"]
	if (bare + 0 < 100)
		none = policy = 0
	at_most(over(patched[name "-no-policy"], bare), none,
		name " without a policy, over unpatched")
	at_most(over(patched[name "-allow-msr-rule"], bare), policy,
		name " with a rule on an MSR, over unpatched")
	at_most(over(patched[name "-allow-pinned-bits"], bare), policy,
		name " with other bits pinned, over unpatched")
}

function window_accesses(    i)
{
	for (i = 1; i <= nr_windows; i++)
		with_policies("rdmsr-" windows[i], 25, 1, nr_rules, rules)
}

# What KVM knows costs what it costs with a rule that allows it.
function known(name,    allowed, i)
{
	allowed = patched[name "-allow-1-rule"]
	for (i = 1; i <= nr_unknown; i++)
		at_most(over(patched[name "-ignore-unknown-" unknown[i]], allowed), 0,
			name "-ignore-unknown-" unknown[i] ", over one rule that allows")
}

function known_accesses(    i)
{
	for (i = 1; i <= nr_windows; i++)
		known("rdmsr-" windows[i])
	known("wrmsr-0x277")
	known("rdmsr-0x174")	# passed through
}

# An allowed access that the unpatched kernel emulates, with as many ranges as there
# may be; a #GP may take what the injection of one takes more there.
function emulated(name, effect,    bound, gp)
{
	bound = base[name "-allow-16-ranges"]
	gp = base[name "-gp-16-ranges"]
	if ((effect == "gp" || effect == "deny") && is_number(bound) && is_number(gp) && gp > bound)
		bound = gp
	return bound
}

function decided_accesses(name,    i, j)
{
	for (i = 1; i <= nr_effects; i++)
		for (j = 1; j <= nr_rules; j++)
			at_most(patched[name "-" effects[i] "-" rules[j]],
				emulated(name, effects[i]),
				name "-" effects[i] "-" rules[j] ", as one that is emulated")
}

# To userspace and back: with one range or rule, 3 % over one range on the unpatched
# kernel; with more, no more than 16 ranges take there.
function exits(name,    one, many, i)
{
	one = base[name "-exit-1-range"]
	if (is_number(one))
		one = int(one * 1.03)
	many = base[name "-exit-16-ranges"]
	for (i = 1; i <= nr_ranges; i++)
		at_most(patched[name "-exit-" ranges[i]], i == 1 ? one : many,
			name "-exit-" ranges[i])
	for (i = 1; i <= nr_rules; i++)
		at_most(patched[name "-exit-" rules[i]], i == 1 ? one : many,
			name "-exit-" rules[i])
}

function replaces(size,    i)
{
	for (i = 1; i <= nr_vms; i++)
		at_most(patched["replace-" vms[i] "-" size], 99999,
			"replace-" vms[i] "-" size)
}

function installs(    i)
{
	at_most(patched["install-0-vcpus-4096-rules"], 11999999, "install-0-vcpus-4096-rules")
	for (i = 1; i <= nr_worst; i++)
		at_most(patched["install-0-vcpus-4096-" worst[i] "-rules"], 59999999,
			"install-0-vcpus-4096-" worst[i] "-rules")
	at_most(patched["replace-1-vcpu-16-rules"], 99999, "replace-1-vcpu-16-rules")
	at_most(patched["replace-4-vcpus-16-rules"], 99999, "replace-4-vcpus-16-rules")
	replaces("1-range")
	replaces("16-full-ranges")
}

function bytes(    i)
{
	at_most(patched["bytes-16-rules"], 32768, "bytes-16-rules")
	at_most(patched["bytes-4096-rules"], 524288, "bytes-4096-rules")
	for (i = 1; i <= nr_worst; i++)
		at_most(patched["bytes-4096-" worst[i] "-rules"], 524288,
			"bytes-4096-" worst[i] "-rules")
}

# A page that is shared and unshared, for each number of ranges beside it: 60 % of what
# two exits to userspace take on the unpatched kernel, and a third of what they take over
# two hypercalls that KVM refuses.  Only the latter can hold where those alone take more
# than half of the exits: on AMD, where QEMU makes KVM decode each hypercall.
function shared(    name, refused, pair, third, i)
{
	name = "share-unshare-"
	refused = base[name "no-list"]
	pair = base[name "exit-no-list"]
	third = over(pair, refused)
	if (is_number(third))
		third = int(third / 3)

	at_most(over(patched[name "no-list"], refused), 20,
		name "no-list, over unpatched")
	at_most(over(patched[name "exit-no-list"], pair), 40,
		name "exit-no-list, over unpatched")
	for (i = 1; i <= nr_shared; i++) {
		at_most(over(patched[name shared_ranges[i]], patched[name "no-list"]), third,
			name shared_ranges[i] ", over no-list")
		if (refused * 2 <= pair)
			at_most(patched[name shared_ranges[i]], int(pair * 0.6),
				name shared_ranges[i])
	}
	at_most(patched[name "4000-ranges"], int(patched[name "0-ranges"] * 1.3),
		name "4000-ranges, as 0-ranges")
	at_most(patched["bytes-60-shared-ranges"], 16384, "bytes-60-shared-ranges")
	at_most(patched["bytes-4096-shared-ranges"], 64 * 4096 + 16384,
		"bytes-4096-shared-ranges")
}

END {
	nr_ranges = split("1-range 4-ranges 16-ranges", ranges, " ")
	nr_rules = split("1-rule 16-rules 256-rules 4096-rules", rules, " ")
	nr_effects = split("gp deny ignore audit", effects, " ")
	nr_worst = split("nested staggered-masked wide-masked", worst, " ")
	nr_vms = split("0-vcpus 1-vcpu 4-vcpus 0-vcpus-after-pause 1-vcpu-after-pause" \
		" 4-vcpus-after-pause", vms, " ")
	nr_unknown = split("0-rules 1-rule 4096-rules", unknown, " ")
	nr_windows = split("0xce 0x40000002 0x4b564d00 0xc0000080 0xc0010015", windows, " ")

	nr_shared = split("0-ranges 60-ranges 1000-ranges 4000-ranges 4095-ranges",
			  shared_ranges, " ")

	without_policy("rdmsr-0xce")
	without_policy("wrmsr-0x277")
	control("mov-cr0-ts", 0, 0)
	control("mov-cr0-clts", 0, 0)
	control("mov-cr4-pge", 0, 0)
	control("xsetbv-sse", 0, 0)
	with_policies("rdmsr-0xce", 25, 1, nr_ranges, ranges)
	with_policies("wrmsr-0x277", 25, 1, nr_ranges, ranges)
	window_accesses()
	with_policies("rdmsr-0x20000", 150, 0, nr_rules, rules)
	known_accesses()
	decided_accesses("rdmsr-0xce")
	decided_accesses("wrmsr-0x277")
	exits("rdmsr-0xce")
	exits("wrmsr-0x277")
	installs()
	bytes()
	shared()
	print "1.." n
}
