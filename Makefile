# SPDX-License-Identifier: GPL-2.0
#
# Every target is a script's one line; the scripts have --help.
#
## make run         see register rules at work, on an emulated machine: learn what a
##                  Linux guest of Debian's QEMU needs, boot it again with just that,
##                  and then with a rule less
## make test        KUnit, kselftests, costs and kvm-reg, on an AMD and on an Intel
##                  machine
##                  (LANE=svm, LANE=vmx: just the one; LANE=debug: on a kernel that
##                  looks for memory errors, races and leaks; TESTS=pattern: just
##                  the kselftests whose names match)
## make exec BIN=prog [ARGS='a "b c"'] [BASE=1] [SMP=n] [ICOUNT=1] [LANE=vmx]
##                  run a static program as root on the patched kernel (BASE=1:
##                  on the unpatched one), on an emulated machine with /dev/kvm,
##                  AMD's or Intel's. Its stdout is the only stdout. make fails
##                  if the program does; scripts/exec has its exit status
## make shell       a shell on that machine
## make bench       what accesses, filters, rules and shared ranges cost, unpatched
##                  beside patched, as a table and, in out/, as a chart
## make fuzz [SECONDS=60]
##                  fuzz compile and look-up in userspace, against a model
## make fuzz-parser [SECONDS=60]
##                  fuzz what reads policies
## make fuzz-abi [SEED=n] [ROUNDS=2000] [LANE=svm|vmx]
##                  random filters and accesses, unpatched beside patched
##                  (ROUND=n: just that round of the seed, in words)
## make series      write the series to out/series-$KERNEL, for git am
## make lint        static checks: each patch builds, checkpatch, sparse, docs
## make clean       remove out/
## make distclean   remove out/ and the cache as well
##
## KERNEL=7.3       whose series: 7.3 (the default), or 6.12, the backport
## KSRC=DIR         build this kernel tree instead of Debian's linux-source-$KERNEL

MAKEFLAGS += -r
.DEFAULT_GOAL := help
.PHONY: help run test exec shell bench fuzz fuzz-abi fuzz-parser series lint clean distclean

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

run:
	@scripts/run

test:
	@scripts/test $(if $(TESTS),'$(TESTS)')

# What is set on the command line is in the scripts' environment.
exec:
	@scripts/exec

shell:
	@scripts/boot --shell

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz $(if $(SECONDS),--seconds=$(SECONDS))

fuzz-parser:
	@scripts/fuzz --parser $(if $(SECONDS),--seconds=$(SECONDS))

fuzz-abi:
	@scripts/fuzz-abi

series:
	@scripts/series

lint:
	@scripts/lint

clean:
	@rm -rf out

distclean: clean
	@bash -c '. scripts/lib.sh && clean_cache'
