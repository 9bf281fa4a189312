kvm-reg check --quiet unused.regs policy.regs
echo "exit status $?"
kvm-reg check policy.regs msr-misspelt.regs allow.regs no-such-file.regs
echo "exit status $?"
kvm-reg check
echo "exit status $?"
kvm-reg check - <policy.regs
kvm-reg check - <json-all-forms.json
kvm-reg check .
echo "exit status $?"
kvm-reg check /dev/zero
echo "exit status $?"
kvm-reg check - - <policy.regs
echo "exit status $?"
