# Writes that are alike if they change something, and those that KVM cannot compare
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo 'gp w msr 5 changing 0xffffffffffffffff' >"$tmp/changes"
echo 'gp w msr 5' >"$tmp/all"
printf 'allow w msr 5 changing 1\ngp w msr 5\n' >"$tmp/one"
diff()
{
	echo "== diff $*"
	(cd "$tmp" && kvm-reg diff "$@")
	echo "exit status $?"
}

diff changes all
diff all changes
diff one all
