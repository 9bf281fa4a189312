for form in rules json c text; do
	echo "== $form"
	kvm-reg compile --to $form policy.regs
	echo "exit status $?"
done
kvm-reg compile --to text json-all-forms.json
kvm-reg compile --to rules empty.regs
kvm-reg compile --to c empty.regs
kvm-reg compile --to svg policy.regs
echo "exit status $?"
kvm-reg compile policy.regs
echo "exit status $?"
kvm-reg compile --to c -o /nonexistent/x policy.regs
echo "exit status $?"
kvm-reg compile --to text msr-misspelt.regs
echo "exit status $?"
