# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# awk -f names.awk HEADER...: makes tables of names, for names.c, of the kernel's headers:
# msr-index.h, kvm_para.h and those of Hyper-V for MSRs and their bits, and
# processor-flags.h for the bits of CR0 and CR4.  The C compiler computes the values.

# Remove comments, and join lines that are continued.
function read_line(	line)
{
	line = $0
	if (in_comment) {
		if (!sub(/^.*\*\//, "", line))
			return ""
		in_comment = 0
	}
	gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", line)
	sub(/\/\/.*/, "", line)
	if (sub(/\/\*.*/, "", line))
		in_comment = 1
	line = joined line
	if (sub(/\\[ \t]*$/, " ", line)) {
		joined = line
		return ""
	}
	joined = ""
	return line
}

function add(table, name, shown)
{
	if (!((table, name) in seen))
		rows[table] = rows[table] "\t{ \"" shown "\", " name " },\n"
	seen[table, name] = 1
}

function is_msr(name, value)
{
	if (name ~ /^HV_X64_MSR_/)
		return value ~ /^0x4[0-9A-Fa-f]+$/
	if (name !~ /^MSR_/)
		return 0
	if (value ~ /^0x[0-9A-Fa-f]+$/)
		return 1
	return base(value) in msrs
}

# Of an MSR that is the same as another, or some way after it: that other one
function base(value)
{
	gsub(/[() \t]|\+[ \t]*[0-9]+/, "", value)
	return value
}

FNR == 1 {
	in_comment = 0
	joined = ""
}

{
	line = read_line()
	# The first definition is the 64-bit kernel's.
	if (line !~ /^[ \t]*#[ \t]*define[ \t]+[A-Za-z_][A-Za-z0-9_]*[ \t]+[^ \t]/)
		next
	sub(/^[ \t]*#[ \t]*define[ \t]+/, "", line)
	name = line
	sub(/[ \t].*/, "", name)
	value = substr(line, length(name) + 1)
	gsub(/^[ \t]+|[ \t]+$/, "", value)
	if (name in defined)
		next

	if (is_msr(name, value)) {
		msrs[name] = 1
		add("msr_names", name, name)
	} else if (name ~ /^X86_CR[04]_[A-Z0-9_]+$/ && name !~ /_BITS?$/) {
		add("cr" substr(name, 7, 1) "_names", name, substr(name, 9))
	} else if (name ~ /^X86_|^__|^KVM_|^HV_|^HYPERV_|^CX86_|^CR0_/) {
		# No bits of MSRs; but those of control registers need _BIT.
		if (name !~ /^X86_CR[04]_/)
			next
	} else if (value ~ /<<|BIT|GENMASK/ || name ~ /_MASK$/) {
		add("bit_names", name, name)
	} else if (name ~ /^MSR_/ && base(value) ~ /^MSR_/) {
		# If the other one is an MSR, it is defined further down.
		defined[name] = 1
		aliases[++nr_aliases] = name
		values[name] = value
		next
	} else if (value !~ /^[0-9]+$|^_[A-Z_]+$|^0x[0-9A-Fa-f]+$/) {
		next
	}
	defined[name] = 1
	print "#define " name " " value
}

END {
	for (i = 1; i <= nr_aliases; i++) {
		if (!is_msr(aliases[i], values[aliases[i]]))
			continue
		msrs[aliases[i]] = 1
		add("msr_names", aliases[i], aliases[i])
		print "#define " aliases[i] " " values[aliases[i]]
	}
	tables = split("msr_names bit_names cr0_names cr4_names", table)
	for (i = 1; i <= tables; i++)
		print "\nstatic const struct name " table[i] "[] = {\n" rows[table[i]] "};"
}
