try()
{
	echo "==${*:+ $*}"
	kvm-reg "$@"
	echo "exit status $?"
}

try diff diff-a.regs diff-b.regs
try diff diff-b.regs diff-a.regs
try diff diff-a.regs diff-a.regs
try diff -q diff-a.regs diff-b.regs
try diff json-all-forms.json diff-a.regs
try subset diff-a.regs diff-b.regs
try subset diff-b.regs diff-a.regs
try subset -q diff-a.regs diff-b.regs
try subset allow.regs allow.regs
try subset allow.regs diff-a.regs
try subset diff-a.regs allow.regs
try diff diff-a.regs msr-misspelt.regs
try diff diff-a.regs
try subset
try diff - diff-a.regs <diff-a.regs
try diff - - <diff-a.regs
try subset - - <diff-a.regs
try subset /dev/null diff-a.regs
