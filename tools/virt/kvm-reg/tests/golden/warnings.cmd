# Warnings show what is written, also if that is a part of a line.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

check()
{
	printf '%s\n' "$@" >"$tmp/policy"
	(cd "$tmp" && kvm-reg check policy)
	echo "exit status $?"
}

check 'deny rw msr 0x0-0x7ff' 'audit rw msr all	# 	the rest'
check 'deny rw msr 0-0xff' 'audit rw msr 5, 6, 7'
check 'deny rw msr 6-7' 'audit rw msr 5, 6, 7, 8'
check 'deny rw msr 0x0-0x7ff' 'deny rw msr 0x900-0xffffffff' "audit rw msr all # $(printf '\033[31m\177\303\244')"
check 'ignore w msr 5 = 7' 'ignore-unknown w msr 6,8 = 7' 'ignore rw msr 7 = 7' 'ignore w msr 9 = 0'
printf 'deny rw msr 5\ndeny rw msr  0x5' | kvm-reg check -
printf 'deny rw msr 5\ndeny rw msr  0x5' >"$tmp/policy"
(cd "$tmp" && kvm-reg check policy && kvm-reg check -q policy)
mkfifo "$tmp/fifo"
cat "$tmp/policy" >"$tmp/fifo" &
(cd "$tmp" && timeout 10 kvm-reg check fifo)
echo '{ "rules": [
	{ "action": "ignore", "access": "w", "register": "msr", "first": 5, "value": 7 },
	{ "action": "gp", "access": "w", "register": "msr", "first": 5 } ] }' | kvm-reg check -
echo "exit status $?"
