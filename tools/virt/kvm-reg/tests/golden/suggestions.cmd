# What was meant by words that are almost right
check()
{
	printf "== %s\n" "$*"
	printf '%s\n' "$@" | kvm-reg check -
}

# Names of bits as the kernel and manuals write them
check 'gp w cr4 changing X86_CR4_SMEP'
check 'gp w cr4 changing CR4_SMEP'
check 'gp w cr0 changing CR0_WP'
check 'gp w cr0 changing x86_cr0_wp'
check 'gp w msr MSR_EFER changing SCE'
check 'gp w msr MSR_EFER changing nx'
check 'gp w msr MSR_EFER changing EFER_SEC'

# Swapped characters
check 'gp w cr4 changing SMPE'
check 'gp w cr4 changing SMXP'
check 'lalow rw msr 5'

# Parts that names have, and people leave out
check 'allow rw msr IA32_LSTAR'
check 'allow rw msr VM_HSAVE_PA'
check 'allow rw msr DE_CFG'
check 'allow rw msr DE_CF'
check 'allow rw msr SYSTEM_TIME_NEW'

# Too far from any, or too long for a name
check 'allow rw msr MSR_XYZZY'
check "allow rw msr $(printf 'MSR_%063d' 0)"
check "allow rw msr $(printf 'MSR_%0100d' 0)"

# Other words of the language
check 'allow rw all'
check 'allow rw 0x10'
check 'fail-close'
check 'failclosed'
check 'defualt gp'
check 'default ignoreunknown'

# Ranges as others write them
check 'allow rw msr 0x10..0x20'
check 'allow rw msr 0x10:0x20'
check 'allow rw msr 0x10-0x20-0x30'
check 'allow rw msr 0x10 0x20'
check 'allow rw msr all 0x20'

# Numbers
check 'ignore r msr 5 = 08'
check 'ignore r msr 5 = 007'
check 'ignore r msr 009'
check 'gp w msr 5 changing 0x1|09'
check 'ignore r msr 5 = 18446744073709551616'
check 'ignore r msr 5 = 0x'
check 'ignore r msr 5 = 12a'
echo "exit status $?"
