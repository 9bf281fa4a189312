# What the parser says of files, and of what editors and terminals make of them
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

check()
{
	printf "== %s\n" "$*"
	printf "$@" | kvm-reg check -
	echo "exit status $?"
}

check '\357\273\277allow rw msr 5\n'
check '\357\273\277{}\n'
check '\377\376a\000l\000l\000o\000w\000\n\000'
check '\376\377\000a\000l\000l\000o\000w\000\n'
check 'allow rw msr 5\n\357\273\277allow rw msr 6\n'
check '\000\n'
check 'allow rw msr 5 \177 \n'
check 'allow rw msr 5 = \033\177\n'
check 'allow rw msr 5 \302\233 \n'
check 'allow\trw\tmsr\tMSR_X\t# \033[31m\177\n'

# A line that is cut at its end, and one that is cut at both
check 'allow rw msr MSR_X # %0100d\n' 0
check 'allow rw msr 5, %80s MSR_X # %0100d\n' '' 0

# Files
kvm-reg check ''
kvm-reg check "$(printf 'no-such-\033[31m\177-\302\233-file')"
cp msr-misspelt.regs "$tmp/$(printf 'x\033[31m')"
(cd "$tmp" && kvm-reg check x*)
kvm-reg check /proc/self/mem
echo "exit status $?"
