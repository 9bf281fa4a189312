# KVM compares no values of these
kvm-reg explain counters.regs msr:0x10 w 5 5
