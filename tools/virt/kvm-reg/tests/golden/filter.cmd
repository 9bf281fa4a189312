# What fits an MSR filter, and what does not
filter()
{
	echo "==${*:+ $*}"
	printf '%s\n' "$@" | kvm-reg compile --to filter -
	echo "exit status $?"
}

filter 'default allow'
filter 'default deny'
filter 'default deny' 'allow rw msr MSR_EFER, 0x10, 0x174-0x176'
filter 'deny rw msr MSR_PLATFORM_INFO' 'deny r msr 0x35, 0x600-0x61f' 'deny w msr 0x79'
filter 'allow rw msr 0x10' 'deny rw msr 0x0-0x2fff' 'deny r msr 0x3000-0x6fff'
filter 'deny rw msr all'
filter 'deny rw msr 0x0-0x7ff' 'deny rw msr 0x900-0x1fff'
filter 'deny r msr 0xffffffff'
filter 'deny w msr 5 changing 1' 'deny w msr 5'
filter 'allow w cr0 changing WP' 'allow w cr0'
filter 'fail-closed'
filter 'fail-closed' 'deny r msr 5'
filter 'default gp' 'allow rw msr 5'
filter 'default exit' 'gp w msr 5'
filter 'deny r msr 5' 'exit r msr 6'
filter 'ignore r msr 5'
filter 'audit r msr 5'
filter 'default ignore-unknown'
filter 'deny w msr 5 changing 1'
filter 'gp w cr0 changing WP'
filter 'allow r msr all' 'default deny'
filter "$(i=0; while [ $i -lt 20 ]; do echo "deny rw msr $((i * 16384 + 65536))"; i=$((i + 1)); done)"
filter 'gp rw msr 5-'

# MSRs that are too far apart: 8 of those that do not fit are named.
scattered()
{
	i=1
	while [ $i -le "$1" ]; do
		echo "deny rw msr 0x${i}0000"
		i=$((i + 1))
	done
}

filter "$(scattered 16)"
filter "$(scattered 24)"
filter "$(scattered 25)" 'deny r msr 0x500000-0x50000f'
filter "$(scattered 16)" 'deny r msr 0x500000-0x50ffff'
filter 'default deny' "$(scattered 17 | sed 's/deny/allow/')"
