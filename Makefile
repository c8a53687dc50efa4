# SPDX-License-Identifier: Apache-2.0
# Nestor. `make help` lists the targets; see README.md.
B        := build
# Of L0 and the host tool; CHANGELOG.md says what came with which.
VERSION  := 0.2
CC       := gcc
HOSTCC   := clang
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
SHELL    := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# V=1 shows every command.
ifndef V
.SILENT:
endif

WARN := -std=c17 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla \
	-Wcast-qual -Wmissing-prototypes -Wimplicit-fallthrough -Werror

HV_CFLAGS := $(WARN) -O2 -g -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-common \
	-fno-omit-frame-pointer -fno-stack-protector -fno-pic -fno-pie -mcmodel=kernel \
	-fcf-protection=none -fno-asynchronous-unwind-tables -DNESTOR_VERSION='"$(VERSION)"' -Ihypervisor -MMD -MP
HOST_CFLAGS := $(WARN) -O1 -g -fno-omit-frame-pointer -MMD -MP
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

PURE_MODULES := lib spec nested emul load policy net stream dev virtio vtd
PURE_SRC := $(foreach m,$(PURE_MODULES),$(wildcard hypervisor/$(m)/*.c))
# Guests' code, data for L0: the same object in each archive.
PURE_DATA := $(patsubst hypervisor/%.S,$(B)/hv/%.S.o,$(wildcard $(PURE_MODULES:%=hypervisor/%/*.S)))

include hypervisor/build.mk
include tools/build.mk
include guests/build.mk
include docs/build.mk
include tests/build.mk

.PHONY: all clean distclean help
## make              build/nestor (the host tool) and build/nestor.elf (L0); V=1 shows every command
all: hypervisor tools

# What is downloaded: neither changes with the sources.
DOWNLOADS := machine debian debian-i386 debian-service debian-io debian-xen debian-xen-trixie debian-vbox debian-selftests debian-libvirt debian-incus debian-servers debian-work $(SUITES:%=debian-%) web promtool

## make clean        removes what was built; what was downloaded stays
clean:
	@[ ! -d $(B) ] || find $(B) -mindepth 1 -maxdepth 1 $(DOWNLOADS:%=! -name %) -exec rm -rf {} +
	@rm -f $(foreach d,$(filter debian%,$(DOWNLOADS)),$(B)/$(d)/*.cpio $(B)/$(d)/*.disk)

## make distclean    removes all of build/, the emulator and Debian's packages too
distclean:
	rm -rf $(B)

## make help         lists the targets
help:
	@sed -n 's/^## //p' Makefile */build.mk
