# SPDX-License-Identifier: GPL-2.0
#
# Every target is a script's one line; the scripts have --help.
#
## make run         see the patched kernel at work, on an emulated machine: under
##                  small VMMs that filter MSRs and that allow three by register
##                  rules, and under Debian's QEMU
## make test        KUnit, kselftests and costs, on an AMD and on an Intel machine
##                  (LANE=svm, LANE=vmx: just the one; LANE=debug: on a kernel that
##                  looks for memory errors, races and leaks; TESTS=pattern: just
##                  the kselftests whose names match)
## make exec BIN=prog [ARGS='a "b c"'] [BASE=1] [SMP=n] [ICOUNT=1] [LANE=vmx]
##                  run a static program as root on the patched kernel (BASE=1:
##                  on the unpatched one), on an emulated machine with /dev/kvm,
##                  AMD's or Intel's. Its stdout and its exit status are the
##                  command's
## make shell       a shell on that machine
## make bench       what accesses, filters and rules cost, unpatched beside patched,
##                  as a table and, in out/, as a chart
## make fuzz [SECONDS=60]
##                  fuzz compile and look-up in userspace, against a model
## make fuzz-abi [SEED=n] [ROUNDS=2000] [LANE=svm|vmx]
##                  random filters and accesses, unpatched beside patched
##                  (ROUND=n: just that round of the seed, in words)
## make series      write the series to out/series-6.12, for git am
## make lint        static checks: each patch builds, checkpatch, sparse, docs
## make clean       remove out/
## make distclean   remove out/ and the cache as well
##
## KSRC=DIR         build this 6.12 tree instead of Debian's linux-source-6.12

MAKEFLAGS += -r
.DEFAULT_GOAL := help
.PHONY: help run test exec shell bench fuzz fuzz-abi series lint clean distclean

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

run:
	@scripts/run

test:
	@scripts/test $(if $(TESTS),'$(TESTS)')

shell:
	@scripts/boot --shell

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz $(if $(SECONDS),--seconds=$(SECONDS))

fuzz-abi:
	@scripts/fuzz-abi $(foreach name,SEED ROUNDS ROUND LANE KSRC,$(if $($(name)),$(name)='$($(name))'))

series:
	@scripts/series

lint:
	@scripts/lint

clean:
	@rm -rf out

distclean: clean
	@bash -c '. scripts/lib.sh && clean_cache'

# make says 2 for every recipe that fails; for exec, it becomes the script, by a
# function that it loads (info make "Loading Objects").
ifneq ($(filter exec,$(MAKECMDGOALS)),)
ifneq ($(MAKECMDGOALS),exec)
$(error exec cannot be combined with other goals)
endif
extension := out/make-exec.so
$(shell { [ $(extension) -nt scripts/make-exec.c ] || \
	{ scripts/deps exec && mkdir -p out && \
	gcc -shared -fPIC -o $(extension).$$$$ scripts/make-exec.c && \
	mv $(extension).$$$$ $(extension); }; } >&2)
ifneq ($(.SHELLSTATUS)$(filter load,$(.FEATURES)),0load)
$(error this make cannot be extended: run scripts/exec, which takes the same settings)
endif
load $(extension)(make_exec_setup)

dry := $(findstring n,$(firstword -$(MAKEFLAGS)))
exec:
	$(if $(dry),scripts/exec,$(become scripts/exec,BIN,ARGS,BASE,SMP,MEM,ICOUNT,TIMEOUT,LANE,KSRC,KVM_REG_CACHE))
endif
