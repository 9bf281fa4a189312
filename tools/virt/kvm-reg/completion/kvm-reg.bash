# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# bash completion for kvm-reg.  make replaces @MSRS@ by the names of MSRs.

_kvm_reg_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# Policies: any file, but those that are called so first
_kvm_reg_policies()
{
	mapfile -t COMPREPLY < <(compgen -f -X '!*.@(regs|json)' -- "$cur"; compgen -d -S / -- "$cur")
	((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	compopt -o filenames 2>/dev/null
}

# Names of MSRs, which may be typed without what they have in common
_kvm_reg_msrs()
{
	local names="@MSRS@" prefix

	for prefix in '' MSR_ MSR_IA32_ MSR_AMD64_ MSR_KVM_ HV_X64_MSR_; do
		mapfile -t COMPREPLY < <(compgen -W "$names" -- "$prefix$1")
		((${#COMPREPLY[@]} == 0)) || return
	done
}

# REGISTER and what follows it.  A colon separates words for bash, unless it is not in
# COMP_WORDBREAKS, and is then a word by itself.
_kvm_reg_explain()
{
	local line=${COMP_LINE:0:COMP_POINT} words

	read -ra words <<<"$line"
	[[ $line != *[[:space:]] ]] || words+=('')
	case ${#words[@]} in
	3) _kvm_reg_policies ;;
	4)
		case ${words[3]} in
		msr:*)
			_kvm_reg_msrs "${words[3]#msr:}"
			[[ $COMP_WORDBREAKS == *:* ]] || COMPREPLY=("${COMPREPLY[@]/#/msr:}")
			;;
		*)
			_kvm_reg_words 'msr: cr0 cr4 xcr0'
			[[ ${COMPREPLY[*]} != msr: ]] || compopt -o nospace 2>/dev/null
			;;
		esac
		;;
	5) _kvm_reg_words 'r w' ;;
	esac
}

# The VMM's own arguments, past "--", are its own completion's.
_kvm_reg_vmm()
{
	local i

	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -f -- "$cur")
			fi
			return
		fi
	done
	if [[ $cur == -* ]]; then
		_kvm_reg_words "$1 -- --help"
	else
		_kvm_reg_policies
	fi
}

_kvm_reg()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# "=" is a word by itself, too.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if ((COMP_CWORD == 1)); then
		_kvm_reg_words 'check compile diff exec explain learn map run show subset --help --version'
		return
	fi

	case ${COMP_WORDS[1]} in
	help | -*)
		return
		;;
	explain)
		_kvm_reg_explain
		return
		;;
	exec)
		[[ $prev == --after ]] || _kvm_reg_vmm '--after --allow-exits --fail-closed'
		return
		;;
	learn)
		_kvm_reg_vmm '-o --output --add'
		return
		;;
	esac

	case ${COMP_WORDS[1]}:$prev in
	compile:--to)
		_kvm_reg_words 'rules filter json c text'
		return
		;;
	run:*)
		((COMP_CWORD == 2)) || { mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return; }
		;;
	esac

	case ${COMP_WORDS[1]}:$cur in
	check:-* | diff:-* | subset:-*) _kvm_reg_words '-q --quiet --help' ;;
	compile:-*) _kvm_reg_words '--to -o --output --help' ;;
	map:-*) _kvm_reg_words '-o --output --help' ;;
	run:-* | show:-*) _kvm_reg_words --help ;;
	show:*) mapfile -t COMPREPLY < <(cd /proc && compgen -G "${cur}[0-9]*") ;;
	*) _kvm_reg_policies ;;
	esac
}

complete -F _kvm_reg kvm-reg
