for command in check explain compile diff subset; do
	kvm-reg $command --help
	echo "exit status $?"
	kvm-reg $command --no-such-option 2>&1 | tail -n +2 | head -n 1
done
kvm-reg frobnicate
echo "exit status $?"
