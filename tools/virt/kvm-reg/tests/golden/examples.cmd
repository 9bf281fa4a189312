# The policies that ship: what each is as rules and, if one does the same, as an MSR filter
for policy in cloud-hypervisor hyperlight linux-pinned qemu unikernel virtualbox; do
	echo "== $policy"
	kvm-reg check "../../examples/$policy.regs"
	kvm-reg compile --to filter "../../examples/$policy.regs"
	echo "exit status $?"
	kvm-reg compile --to rules "../../examples/$policy.regs"
	echo "exit status $?"
done
