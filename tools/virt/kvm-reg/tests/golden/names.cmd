# Names of bits, to numbers and back
masks()
{
	for bit; do
		echo "gp w $register changing $bit"
	done >"$tmp"
	kvm-reg compile --to rules "$tmp" | sed -n 's/^\([0-9].*\)/\1/p' | awk '{ print $7 }' |
		paste -d ' ' - "$tmp"
	kvm-reg compile --to text "$tmp"
}

tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT

register=xcr0
masks X87 SSE AVX BNDREGS BNDCSR OPMASK ZMM_HI256 HI16_ZMM PKRU TILECFG TILEDATA APX \
	0x100 0x400 0x8000000000000000 0x303 'X87|0x100|AVX'
register=cr0
masks PE MP EM TS ET NE WP AM NW CD PG 0x40 0x80000000 0x100000000
register=cr4
masks VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP LA57 VMXE SMXE FSGSBASE PCIDE \
	OSXSAVE SMEP SMAP PKE CET LAM_SUP FRED 0x8000
register='msr MSR_EFER'
masks EFER_SCE EFER_LME EFER_NX 0x1

# Up to 8 bits have names.
register=cr4
masks 0xff 0x1ff 0x80ff
