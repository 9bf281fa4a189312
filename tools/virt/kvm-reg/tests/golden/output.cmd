# An error leaves a file as it is, and nothing beside it.
policy=$PWD/policy.regs
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
cd "$dir" || exit
umask 027
kvm-reg compile --to text -o new "$policy"
echo "exit status $?"
stat -c '%n %a' new
echo old >file
chmod 604 file
for command in 'compile --to c' map; do
	echo "== $command"
	message=$(trap '' XFSZ; ulimit -f 0; kvm-reg $command -o file "$policy" 2>&1)
	echo "exit status $?"
	echo "$message"
	cat file
	ls
done
echo '== by a link'
ln -s file link
kvm-reg compile --to text --output link "$policy"
stat -c '%n %a %F' file link
cmp file new
echo '== read-only'
drop=
[ "$(id -u)" != 0 ] || drop='setpriv --bounding-set=-dac_override'
chmod 444 file
$drop kvm-reg compile --to json -o file "$policy"
echo "exit status $?"
cmp file new
echo '== no regular file'
kvm-reg compile --to text -o /dev/full "$policy"
echo "exit status $?"
kvm-reg compile --to text -o /dev/stdout "$policy" | cmp - new
kvm-reg compile --to text -o . "$policy"
echo "exit status $?"
ls
