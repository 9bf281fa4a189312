# kvm-reg exec and learn, up to where they need KVM
run()
{
	echo "==${*:+ $*}"
	kvm-reg "$@"
	echo "exit status $?"
}

for command in exec learn; do
	run $command --help
	kvm-reg $command --no-such-option >/dev/null 2>&1
	echo "exit status $?"
	kvm-reg $command >/dev/null 2>&1
	echo "exit status $?"
done
export KVM_REG_PRELOAD=/none
run exec --allow-exits policy.regs -- true
dir=$(mktemp -d)
: >"$dir/empty"
for file in empty new; do
	kvm-reg learn -o "$dir/$file" -- true
	echo "exit status $?"
done
ls "$dir"
rm -r "$dir"
