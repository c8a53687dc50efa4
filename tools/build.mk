# SPDX-License-Identifier: Apache-2.0
# The host tool, the machine it starts, and what must be installed.
# SAN=1 builds the tool with sanitizers.
TOOL_SRC := $(wildcard tools/nestor/*.c)
TOOL_SHARED := $(addprefix hypervisor/,policy/setting.c policy/setting_lists.c policy/device_list.c policy/serial_config.c policy/net_config.c policy/name_list.c policy/vm_config.c policy/options.c policy/nodes.c policy/memory.c policy/disk_config.c policy/cdrom_config.c policy/scenario.c policy/mitigations.c policy/cpuid.c spec/cpuid.c \
	spec/flash.c spec/pci_find.c spec/exits.c spec/cpu_features.c spec/feature_names.c spec/vmx_features.c spec/vmx_needs.c spec/vmcs.c nested/caps.c vtd/dmar.c vtd/caps.c vtd/judge.c vtd/topology.c lib/text.c lib/fmt.c lib/frame.c lib/glyphs.c lib/manage.c lib/picture.c lib/trace.c)
TOOL_OBJ := $(TOOL_SRC:tools/nestor/%.c=$(B)/tool/%.o) $(TOOL_SHARED:hypervisor/%.c=$(B)/tool/%.o)
TOOL_LIB := -lcurl-gnutls -lgnutls -ljansson -lmicrohttpd -lpthread -lpng -lyaml -lz -llzma -lzstd -llz4
TOOL_CFLAGS := $(HOST_CFLAGS) -D_GNU_SOURCE -DNESTOR_VERSION='"$(VERSION)"' -iquote tools/nestor -iquote hypervisor \
	$(if $(SAN),$(SANITIZE),-D_FORTIFY_SOURCE=2)

$(B)/tool/%.o: tools/nestor/%.c $(B)/tool/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(HOSTCC) $(TOOL_CFLAGS) -c $< -o $@

# What L0 and the tool share.
$(B)/tool/%.o: hypervisor/%.c $(B)/tool/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(HOSTCC) $(TOOL_CFLAGS) -c $< -o $@

# Changes when the flags do.
$(B)/tool/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(TOOL_CFLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(TOOL_CFLAGS))' > $@

$(B)/tool/rom.bin: tools/nestor/rom.S
	@mkdir -p $(@D)
	@$(CC) -c $< -o $(B)/tool/rom.elf.o
	@objcopy -O binary -j .text $(B)/tool/rom.elf.o $@

$(B)/tool/rom.o: $(B)/tool/rom.bin
	@cd $(@D) && ld -r -b binary -z noexecstack rom.bin -o rom.o

# The page of `nestor serve`: its files, with what npm's registry has for it, or empty ones instead.
PAGE_FILES := index.html page.css page.js icon.svg
PAGE_FETCHED := xterm.js xterm.css xterm.txt
$(B)/web/xterm.js: tools/nestor/web/package-lock.json tools/nestor/web/fetch.sh
	@tools/nestor/web/fetch.sh $(B)/web
	@touch $@

$(B)/tool/page.o: $(PAGE_FILES:%=tools/nestor/web/%) $(B)/web/xterm.js
	@mkdir -p $(@D)/page
	@cp $(PAGE_FILES:%=tools/nestor/web/%) $(PAGE_FETCHED:%=$(B)/web/%) $(@D)/page/
	@cd $(@D)/page && ld -r -b binary -z noexecstack $(PAGE_FILES) $(PAGE_FETCHED) -o ../page.o

TOOL_DATA := $(B)/tool/rom.o $(B)/tool/page.o

$(B)/nestor: $(TOOL_OBJ) $(TOOL_DATA)
	@echo '  LD    $@'
	@$(HOSTCC) $(TOOL_CFLAGS) -Wl,-z,relro,-z,now $^ $(TOOL_LIB) -o $@

-include $(TOOL_OBJ:.o=.d)

.PHONY: tools machine setup web FORCE
## make tools        the host tool, build/nestor (SAN=1: with sanitizers)
tools: $(B)/nestor

## make web          fetches xterm.js by npm for the page of nestor serve, if make tools could not
web:
	@tools/nestor/web/fetch.sh $(B)/web must

## make machine      the emulated machine, build/machine: Bochs 3.0 or newer
machine:
	@tools/machine/fetch-bochs.sh $(B)/machine

## make setup        installs the packages that building, the demo and the tests need
setup:
	@tools/setup.sh

# The tool without main(), with sanitizers, for its unit tests.
TOOL_TEST_OBJ := $(filter-out $(B)/host/tool/main.o,$(TOOL_SRC:tools/nestor/%.c=$(B)/host/tool/%.o))
TOOL_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_tool_*.c))
$(foreach t,$(TOOL_TESTS),$(eval UNIT_EXTRA_$(t) := \
	-D_GNU_SOURCE -iquote tools/nestor -iquote hypervisor $(B)/host/tool.a $(TOOL_LIB)))
$(TOOL_TESTS:%=$(B)/unit/%): $(B)/host/tool.a
# Both ends of the line to L0, together.
UNIT_EXTRA_test_tool_input += hypervisor/cpu/input.c
UNIT_EXTRA_test_tool_ports += hypervisor/cpu/input.c

$(B)/host/tool/%.o: tools/nestor/%.c $(B)/tool/flags
	@mkdir -p $(@D)
	@$(HOSTCC) $(filter-out $(SANITIZE),$(TOOL_CFLAGS)) $(SANITIZE) -c $< -o $@

$(B)/host/tool.a: $(TOOL_TEST_OBJ) $(TOOL_DATA)
	@rm -f $@ && ar rcs $@ $^

-include $(TOOL_TEST_OBJ:.o=.d)

# Fuzzers of the tool's parsers: T seconds each.
TOOL_FUZZ := $(patsubst tests/fuzz/tool/%.c,$(B)/fuzz/tool_%,$(wildcard tests/fuzz/tool/*.c))
$(B)/fuzz/tool_%: tests/fuzz/tool/%.c tests/unit/tool_agreement.h $(TOOL_SRC) $(TOOL_SHARED) $(TOOL_DATA)
	@mkdir -p $(@D)
	@echo '  FUZZ  $@'
	@$(HOSTCC) $(filter-out -MMD -MP,$(TOOL_CFLAGS)) $(filter-out $(if $(SAN),$(SANITIZE)),$(SANITIZE)) \
		-fsanitize=fuzzer -iquote tests/unit $< $(filter-out %/main.c,$(TOOL_SRC)) $(TOOL_SHARED) $(TOOL_DATA) $(TOOL_LIB) -o $@

.PHONY: fuzz-tool
## make fuzz-tool    fuzzes the tool's parsers, T=20 seconds each
fuzz-tool: $(TOOL_FUZZ)
	@for f in $(TOOL_FUZZ); do mkdir -p $(B)/fuzz/corpus/$${f##*/}; \
		$$f -max_total_time=$(or $(T),20) -timeout=10 -rss_limit_mb=3000 \
		-artifact_prefix=$(B)/fuzz/ $(B)/fuzz/corpus/$${f##*/} >$$f.log 2>&1 || \
			{ tail -n 40 $$f.log; exit 1; }; \
		echo "fuzz: $${f##*/}: no failure"; done

# --- installation
PREFIX  ?= /usr/local
BINDIR  := $(DESTDIR)$(PREFIX)/bin
LIBDIR  := $(DESTDIR)$(PREFIX)/lib/nestor
MANDIR  := $(DESTDIR)$(PREFIX)/share/man/man1
COMPDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  := $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions

.PHONY: install uninstall
## make install      the tool, nestor.elf, manual page and completion to PREFIX=/usr/local, below DESTDIR
install: hypervisor tools
	install -D -m 755 $(B)/nestor $(BINDIR)/nestor
	install -D -m 644 $(B)/nestor.elf $(LIBDIR)/nestor.elf
	install -D -m 644 tools/nestor/nestor.1 $(MANDIR)/nestor.1
	install -D -m 644 tools/nestor/nestor.bash $(COMPDIR)/nestor
	install -D -m 644 tools/nestor/nestor.zsh $(ZSHDIR)/_nestor
	@[ -x $(B)/machine/bochs ] && cp -r $(B)/machine $(LIBDIR)/ || \
		echo 'no emulator: run `make machine` before, or set NESTOR_BOCHS'
	@[ -e $(B)/debian-service/service.cpio ] && install -D -m 644 -t $(LIBDIR)/debian-service $(B)/debian-service/vmlinuz \
		$(B)/debian-service/service.cpio || echo 'no service VM: run `make service-vm` before, for --net user'

# What the Debian package has: all but what is downloaded.
.PHONY: install-package deb
install-package:
	install -D -m 755 $(B)/nestor $(BINDIR)/nestor
	install -D -m 644 $(B)/nestor.elf $(LIBDIR)/nestor.elf
	install -D -m 644 tools/nestor/nestor.1 $(MANDIR)/nestor.1
	install -D -m 644 tools/nestor/nestor.bash $(COMPDIR)/nestor
	install -D -m 644 tools/nestor/nestor.zsh $(ZSHDIR)/_nestor
	install -D -m 755 packaging/45_nestor $(DESTDIR)/etc/grub.d/45_nestor
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system packaging/nestor@.service packaging/nestor-serve@.service
	install -D -m 644 -t $(DESTDIR)/usr/share/doc/nestor README.md SECURITY.md docs/management.md docs/serve.md docs/web.md docs/gdb.md docs/LIMITATIONS.md

## make deb          Debian's package, build/deb/nestor_VERSION_amd64.deb, judged by lintian
deb: hypervisor tools
	@packaging/deb.sh $(B) $(VERSION)

## make uninstall    removes what make install put there
uninstall:
	rm -f $(BINDIR)/nestor $(MANDIR)/nestor.1 $(COMPDIR)/nestor $(ZSHDIR)/_nestor
	rm -rf $(LIBDIR)
