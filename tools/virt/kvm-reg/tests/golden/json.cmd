# What is wrong with JSON
check()
{
	printf "== '%s'\n" "$1"
	printf '%s' "$1" | kvm-reg check -
	echo "exit status $?"
}

# A list of $1 rules
rules()
{
	echo '{ "rules": ['
	i=1
	while [ $i -le "$1" ]; do
		echo "{ \"action\": \"gp\", \"access\": \"r\", \"register\": \"msr\", \"first\": $((i + 65536)) },"
		i=$((i + 1))
	done
	echo '{ "action": "gp", "access": "r", "register": "msr", "first": 5 } ] }'
}

# JSON is JSON after blanks, too.
check '
	 {}'
check '{}{}'
check '{ "default":
"gp",
 "rules": [ { ] }'
check '{ "rules": [ "x'
check '{ "rules": [], }'
check "{ \"default\": 'gp' }"
printf '{ "default": "gp\377" }' | kvm-reg check -
printf '{ "default": "g\302\233p" }' | kvm-reg check -
check '{ "default": "gp\u0000x" }'
check '{ "default": "gp\u007f" }'
check '{ "default": "gpp" }'
check '{ "default": 1 }'
check '{ "fail-closed": "yes" }'
check '{ "fail_closed": true }'
check '{ "rule": [] }'
check '{ "rules": [ 1 ] }'
check '{ "rules": [ null ] }'
check '{ "rules": [ { "action": "gp", "access": "r", "register": "msr", "first": 4294967296 } ] }'
check '{ "rules": [ { "action": "gp", "access": "r", "register": "msr", "first": -1 } ] }'
check '{ "rules": [ { "action": "gp", "access": "r", "register": "msr", "first": 6, "last": 5 } ] }'
check '{ "rules": [ { "action": "gp", "access": "r", "register": "cr0" } ] }'
check '{ "rules": [ { "action": "gp", "access": "r", "register": "msr", "first": 5, "changing": 1 } ] }'
check '{ "rules": [ { "action": "ignore", "access": "w", "register": "cr0" } ] }'
check '{ "rules": [ { "action": "ignore", "access": "r", "register": "msr", "first": 5, "value": true } ] }'
check '{ "rules": [ { "action": "gp", "access": "w", "register": "msr", "first": 192, "frist": 5 } ] }'
check "{ \"rules\": [ { \"action\": \"$(printf '%0300d' 0)\" } ] }"
check "{ \"rules\": [ { \"action\": \"gp\", \"access\": \"r\", \"register\": \"msr\", \"first\": \"MSR_EFFER\", \"last\": \"$(printf '%0300d' 0)\" } ] }"
check '{ "rules": [ { "action": "gp", "access": "rw", "register": "msr", "first": "0x800" } ] }'
rules 4095 | kvm-reg check -
rules 4096 | kvm-reg check -
echo "exit status $?"
{ printf '{ "rules": ['; head -c 20000000 /dev/zero | tr '\0' ' '; echo ']}'; } | kvm-reg check -
echo "exit status $?"
# What is no object does not start with "{": it is text.
check '[]'
check '"gp"'
