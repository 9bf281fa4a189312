# What cannot be written is no answer.
for command in '--help' '--version' 'check --help' 'check policy.regs' \
	'explain policy.regs msr:MSR_EFER r' 'compile --to rules policy.regs' \
	'diff diff-a.regs diff-b.regs' 'subset diff-a.regs diff-b.regs' 'map policy.regs'; do
	kvm-reg $command 2>&1 >/dev/full
	echo "exit status $? of kvm-reg $command"
done
