# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts share: sourced, never run. All chatter goes to stderr.
#
#	$cache		what the scripts build, outside the checkout; safe to delete
#			(KVM_REG_CACHE, or kvm-reg-rules in the user's cache directory)
#	$here, $top	the directory of the scripts, and of the checkout
#	$kernel		whose series: KERNEL, by default the newest
#	$series, $tip	the series, each on top of the one before, and the last of them
#	$logs		where that kernel's logs go
#	DIE_STATUS	the exit status of die, 1 unless a script sets it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for the scripts that source this
top=$(dirname "$here")
cache=${KVM_REG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvm-reg-rules}

# "make exec BIN=..." must not hand its variables to the kernel's own make.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "${0##*/}: $*"
	exit "${DIE_STATUS:-1}"
}

kernel=${KERNEL:-7.3}
[ -d "$top/patches/$kernel" ] ||
	die "there is no KERNEL=$kernel; there are:$(printf ' %s' "$top"/patches/[0-9]* | sed "s,$top/patches/,,g")"
export KERNEL=$kernel
logs=$cache/log/$kernel
# shellcheck disable=SC2034
series=(fixes rules ranges tool) tip=tool

# The comment block at the top of a script is its help.
usage()
{
	sed -n '4,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
}

# True for a switch from the environment that is on: BASE=1.
on()
{
	[ "${1:-0}" != 0 ]
}

# Sleeps without a child that would outlive us.
pause()
{
	local fd

	exec {fd}<> <(:)
	read -rt "$1" -u "$fd" || true
	exec {fd}>&-
}

# Shows how long it takes, until killed: every second on a terminal.
ticker()
{
	local start=$SECONDS shown=0 now

	while pause 1 && kill -0 $$ 2>/dev/null; do
		now=$((SECONDS - start))
		if [ -t 2 ]; then
			printf '\r%s ... %d s ' "$1" "$now" >&2
		elif ((now >= shown + 30)); then
			shown=$now
			say "$1 ... $now s"
		fi
	done
}

# step "text" logname command...: runs it with all its output in a log.
step()
{
	local text=$1 log=$logs/$2.log start=$SECONDS clock rc
	shift 2

	mkdir -p "$logs"
	[ -t 2 ] || say "$text ..."
	ticker "$text" &
	clock=$!
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	kill "$clock" 2>/dev/null
	wait "$clock" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r%s ... %d s \n' "$text" $((SECONDS - start)) >&2
	((rc)) || return 0

	say "failed: $text. The errors in its log, and its last lines:"
	{
		grep -m 5 -E '(error|undefined reference):' "$log" || true
		tail -n 15 "$log"
	} | sed 's/^/    /' >&2
	say "all of it: $log"
	return "$rc"
}

# lock NAME [-s]: one writer of a part of the cache at a time, or several readers
# (-s). A script that this one starts shares the lock, and may raise or lower it;
# it is released when the last of them ends.
declare -A lock_fd=([source]=7 [patched]=8 [object]=9)
lock()
{
	local name=$1 fd=${lock_fd[${1%%-*}]} mode=${2:--x}

	case $cache in
	*[[:space:]:]*) die "the kernel cannot be built in '$cache': set KVM_REG_CACHE to a path without spaces and colons" ;;
	esac
	mkdir -p "$cache"
	[[ /proc/self/fd/$fd -ef $cache/$kernel-$name.lock ]] ||
		eval "exec $fd>\"\$cache/\$kernel-\$name.lock\""
	flock -n "$mode" "$fd" && return
	say "waiting for another use of $cache ($kernel, $name) ..."
	flock "$mode" "$fd"
}

# make_tools TARGET...: in tools/virt/kvm-reg, into $tools, with the names of the registers
# that the kernel tree $kdir knows
make_tools()
{
	make -C "$top/tools/virt/kvm-reg" -j"$(nproc)" O="$tools" KDIR="$kdir" "$@"
}

# kvm-reg, and the small VMMs: sets tools and kdir.
build_tools()
{
	"$here/deps" tools
	kdir=$("$here/fetch")
	tools=$top/out/kvm-reg/$kernel
	(lock object-tools && step "building kvm-reg" build-tools make_tools all)
}

# guest_initramfs INIT FILE: for a Linux guest, busybox and its first process, INIT.
guest_initramfs()
{
	local root

	root=$(mktemp -d)
	mkdir "$root/bin"
	cp "$(command -v busybox || echo /usr/bin/busybox)" "$root/bin/busybox"
	cp "$1" "$root/init"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$2"
	rm -rf "$root"
}

# Removes what the scripts put into the cache.
clean_cache()
{
	[ -d "$cache" ] || return 0
	for kernel in $(cd "$top/patches" && echo [0-9]*); do
		lock source
		lock patched
	done
	rm -rf "$cache"/{apt,debian,ksrc,linux}-* "$cache"/{log,fuzz,tsc-khz} "$cache"/*.lock
	rmdir --ignore-fail-on-non-empty "$cache"
}
