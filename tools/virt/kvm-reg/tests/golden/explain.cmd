# What decides, and why, in each way that there is
explain()
{
	echo "==${*:+ $*}"
	kvm-reg explain policy.regs "$@"
	echo "exit status $?"
}

explain msr:MSR_EFER r
explain msr:MSR_EFER w
explain msr:MSR_EFER w 0xd01 0x501
explain msr:MSR_EFER w 0x501 0x500
explain msr:MSR_EFER w - 0
explain msr:0x176 w 0 1
explain msr:MSR_PLATFORM_INFO r
explain msr:MSR_PLATFORM_INFO w
explain msr:0x17 r
explain msr:0x2000 r
explain msr:0x10 w 0 0
explain msr:0x808 r
explain msr:0x8ff w 5 6
explain msr:0x900 w
explain cr4 w
explain cr4 w 0x300000 0x100000
explain cr4 w 0x300000 0x300000
explain cr4 w 0x300000 0x300001
explain cr4 r
explain cr0 w
explain cr0 w 0x80050033 0x80040033
explain cr0 w 0x80050033 0x80050023
explain xcr0 w 1 3
explain msr:EFER r
explain EFER r
explain MSR_EFER r
explain cr3 w
explain msr:0x100000000 r
explain msr:5 x
explain msr:5 r 1 2
explain msr:5 w 1
explain msr:5 w 1 two
explain msr:5 w 1 0x10000000000000000
kvm-reg explain access-unknown.regs cr0 w
echo "exit status $?"
