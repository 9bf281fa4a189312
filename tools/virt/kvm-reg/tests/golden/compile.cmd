for form in rules json c text; do
	echo "== $form"
	kvm-reg compile --to $form policy.regs
	echo "exit status $?"
done
kvm-reg compile --to text json-all-forms.json
kvm-reg compile --to rules allow.regs
kvm-reg compile --to c allow.regs
kvm-reg compile --to svg policy.regs
echo "exit status $?"
kvm-reg compile policy.regs
echo "exit status $?"
kvm-reg compile --to c -o /nonexistent/x policy.regs
echo "exit status $?"
kvm-reg compile -t text policy.regs 2>&1 | head -n 1
kvm-reg compile --to text msr-misspelt.regs
echo "exit status $?"
