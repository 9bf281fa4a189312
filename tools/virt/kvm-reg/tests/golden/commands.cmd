# kvm-reg itself, and what its commands say of arguments and files that are wrong
try()
{
	echo "== kvm-reg${*:+ $*}"
	kvm-reg "$@"
	echo "exit status $?"
}

# Just the reason, and that usage follows
reason()
{
	echo "== kvm-reg${*:+ $*}"
	kvm-reg "$@" 2>&1 | sed -n '1p; 2,$ { /^Usage/p }'
}

try
try --help
try -h
try help
kvm-reg --version | sed 's/[0-9][0-9.]*/VERSION/'
for command in map run show; do
	try $command --help
done
for command in exec learn; do
	reason $command --help
done
try show -h

reason compile
reason compile policy.regs
reason compile --to foo policy.regs
reason compile --to text
reason compile --to text policy.regs nothing.regs
reason explain
reason explain policy.regs
reason explain policy.regs msr:5
reason explain policy.regs msr:5 x
reason explain policy.regs msr:5 r 1 2
reason explain policy.regs msr:5 w 1
reason explain policy.regs msr:5 w 1 2 3
reason diff
reason diff policy.regs
reason diff policy.regs nothing.regs diff-a.regs
reason subset policy.regs
reason run
reason run policy.regs
reason run policy.regs image more
reason run --no-such-option policy.regs image 2>&1 | grep -v Usage
reason show --no-such-option 2>&1 | grep -v Usage
reason show x
reason show 1 2
reason show 12x

for command in "explain no-such-file msr:5 r" "compile --to text no-such-file" \
		"map no-such-file" "run no-such-file image" "diff no-such-file no-such-file-either" \
		"subset policy.regs no-such-file" "diff msr-misspelt.regs policy.regs" \
		"run msr-misspelt.regs image" "map msr-misspelt.regs"; do
	try $command
done

# Rules of JSON have numbers, not lines.
try explain json-all-forms.json msr:MSR_EFER w
try explain json-all-forms.json msr:MSR_EFER r
try explain json-all-forms.json cr4 w
try diff json-all-forms.json policy.regs

# What cannot be written
for form in rules filter json c text; do
	kvm-reg compile --to $form nothing.regs >/dev/full
	echo "exit status $?"
done
try compile --to text -o /dev/full nothing.regs
try compile --to text -o . nothing.regs
