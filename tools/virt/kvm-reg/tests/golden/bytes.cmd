# Files that no mail carries as they are
try()
{
	printf '== %s\n' "$1"
	printf "$1" | kvm-reg check -
	echo "exit status $?"
}

try 'default gp\r\nallow rw msr 0x10 # CRLF\r\n'
try 'default gp'
try 'allow rw msr \0\n'
try '\0\n'
try '{"default":"gp"}\0, "rules": [ deny everything ]\n'
try '{"default":"gp"}\n\0'
try 'allow rw msr \033[31m\n'
try '{"default":"\\u009b31m \302\23331m \177\\u007f ig\303\266re"}\n'
