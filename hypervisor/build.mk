# SPDX-License-Identifier: Apache-2.0
# The root VMM: build/nestor.elf, and the pure modules for L0 as build/hv/pure.a.
# DEBUG=1 adds undefined-behaviour checks that trap, checks of the order of locks, and a pattern in what
# is not initialised.
HV_DIRS  := boot cpu mm vmx vm control
HV_C     := $(foreach d,$(HV_DIRS),$(wildcard hypervisor/$(d)/*.c)) $(wildcard hypervisor/*.c)
HV_S     := $(foreach d,$(HV_DIRS),$(wildcard hypervisor/$(d)/*.S))
HV_OBJ   := $(HV_C:hypervisor/%.c=$(B)/hv/%.o) $(HV_S:hypervisor/%.S=$(B)/hv/%.S.o)
HV_PURE  := $(PURE_SRC:hypervisor/%.c=$(B)/hv/%.o) $(PURE_DATA)
HV_LTO   := -flto -ffat-lto-objects
# Indirect branches and returns lead through hypervisor/cpu/thunks.S. Thunks are cheap: jump tables stay.
HV_THUNK := -mindirect-branch=thunk-extern -mindirect-branch-register -mfunction-return=thunk-extern -fjump-tables
HV_DEBUG := $(if $(DEBUG),-fsanitize=undefined -fsanitize-undefined-trap-on-error -DLOCK_CHECKS=1 \
	-ftrivial-auto-var-init=pattern)
HV_LINK  := $(CC) -O2 -flto=auto $(HV_THUNK) $(HV_DEBUG) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -T hypervisor/boot/nestor.lds

.PHONY: hypervisor
## make hypervisor   L0, build/nestor.elf (DEBUG=1: with checks that trap)
hypervisor: $(B)/nestor.elf

# A change of flags rebuilds.
$(B)/hv/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(HV_CFLAGS) $(HV_LTO) $(HV_THUNK) $(HV_DEBUG)' | cmp -s - $@ || \
		echo '$(CC) $(HV_CFLAGS) $(HV_LTO) $(HV_THUNK) $(HV_DEBUG)' > $@
.PHONY: FORCE
FORCE:

$(B)/hv/%.o: hypervisor/%.c $(B)/hv/flags
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) $(HV_LTO) $(HV_THUNK) $(HV_DEBUG) -c $< -o $@

$(B)/hv/%.S.o: hypervisor/%.S $(B)/hv/flags
	@mkdir -p $(@D)
	$(CC) -g -Ihypervisor -MMD -MP -c $< -o $@

$(B)/hv/pure.a: $(HV_PURE)
	rm -f $@ && ar rcs $@ $^

# Symbols of functions, sorted, as data: see hypervisor/cpu/symbols.c.
define SYMBOL_TABLE
{ n++; a[n] = $$1; s[n] = $$3 }
END {
	print "\t.section .symbols, \"a\"\n\t.balign 8\n\t.globl symbol_table, symbol_count, symbol_names"
	print "symbol_table:"
	for (i = 1; i <= n; i++) {
		printf "\t.long 0x%s - 0x80000000, %d\n", substr(a[i], 9), o
		o += length(s[i]) + 1
	}
	print "symbol_count:\n\t.long " n "\nsymbol_names:"
	for (i = 1; i <= n; i++)
		printf "\t.asciz \"%s\"\n", s[i]
	print "\t.section .note.GNU-stack, \"\", @progbits"
}
endef
export SYMBOL_TABLE

# Calls of thunks and jumps to them, as data: see hypervisor/cpu/branches.c.
define BRANCH_SITES
$$2 ~ /^e[89] / && $$3 ~ /<__x86_(indirect|return)_thunk[a-z0-9_]*>/ { n++; a[n] = $$1 }
END {
	print "\t.section .symbols, \"a\"\n\t.balign 4\n\t.globl branch_sites, branch_site_count"
	print "branch_sites:"
	for (i = 1; i <= n; i++)
		printf "\t.long 0x%s - 0x80000000\n", substr(a[i], 9, 8)
	print "branch_site_count:\n\t.long " n + 0
}
endef
export BRANCH_SITES

$(B)/hv/symbols0.S: $(B)/hv/flags
	@{ awk "$$SYMBOL_TABLE"; awk "$$BRANCH_SITES"; } < /dev/null > $@

$(B)/hv/nestor0.elf: $(HV_OBJ) $(B)/hv/pure.a $(B)/hv/symbols0.o hypervisor/boot/nestor.lds
	$(HV_LINK) $(HV_OBJ) $(HV_EXTRA) $(B)/hv/symbols0.o $(B)/hv/pure.a -o $@

$(B)/hv/symbols1.S: $(B)/hv/nestor0.elf
	@{ nm -n $< | grep -E ' [tT] |text_end' | awk "$$SYMBOL_TABLE"; \
		objdump -d $< | awk -F'\t' "$$BRANCH_SITES"; } > $@

$(B)/hv/symbols%.o: $(B)/hv/symbols%.S
	$(CC) -c $< -o $@

$(B)/nestor.elf: $(HV_OBJ) $(B)/hv/pure.a $(B)/hv/symbols1.o hypervisor/boot/nestor.lds
	$(HV_LINK) $(HV_OBJ) $(HV_EXTRA) $(B)/hv/symbols1.o $(B)/hv/pure.a -o $@

-include $(HV_OBJ:.o=.d) $(HV_PURE:.o=.d)

# Pure files outside the pure modules that unit tests link.
UNIT_EXTRA_test_boot_multiboot2  := hypervisor/boot/boot_info.c hypervisor/boot/multiboot2.c

# The hardware ring's side of what the options name.
UNIT_EXTRA_test_policy_options := hypervisor/cpu/config.c hypervisor/cpu/machine.c

# A file of the hardware ring, on faked instructions.
UNIT_EXTRA_test_vm_sched := hypervisor/vm/sched.c hypervisor/vm/nodes.c hypervisor/vm/pick.c hypervisor/vm/balance.c hypervisor/vm/cores.c hypervisor/vm/arrived.c hypervisor/cpu/lock.c \
	hypervisor/cpu/config.c hypervisor/cpu/idle.c
UNIT_FLAGS_test_vm_sched := -Itests/unit/hw
UNIT_EXTRA_test_vm_sched_change := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_sched_change := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_vm_sched_pins := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_sched_pins := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_vm_sched_many := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_sched_many := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_vm_sched_direct := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_sched_direct := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_cpu_mux := hypervisor/cpu/mux.c hypervisor/cpu/uart.c hypervisor/cpu/text_screen.c hypervisor/cpu/config.c
UNIT_FLAGS_test_cpu_mux := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_text_screen := hypervisor/cpu/text_screen.c
UNIT_FLAGS_test_cpu_text_screen := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_media := hypervisor/cpu/media.c
UNIT_FLAGS_test_cpu_media := -Itests/unit/hw
UNIT_EXTRA_test_cpu_tsc_step := hypervisor/cpu/tsc_step.c
UNIT_FLAGS_test_cpu_tsc_step := -Itests/unit/hw
UNIT_EXTRA_test_boot_smp := hypervisor/boot/smp.c
UNIT_FLAGS_test_boot_smp := -Itests/unit/hw
UNIT_EXTRA_test_main_cpus := hypervisor/main_cpus.c
# Beside it there is the real cpu/asm.h, which comes first else.
UNIT_FLAGS_test_main_cpus := -Itests/unit/hw -D_GNU_SOURCE -include tests/unit/hw/cpu/asm.h
UNIT_FLAGS_test_cpu_leaves := -Itests/unit/hw
UNIT_EXTRA_test_cpu_acpi := hypervisor/cpu/acpi.c
UNIT_EXTRA_test_cpu_reach := hypervisor/cpu/reach.c hypervisor/cpu/acpi.c
UNIT_FLAGS_test_cpu_reach := -Itests/unit/hw
UNIT_EXTRA_test_mm_page := hypervisor/mm/page.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_mm_page := -Itests/unit/hw
UNIT_EXTRA_test_boot_memory := hypervisor/boot/memory.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_boot_memory := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_vm_place := hypervisor/vm/place.c hypervisor/mm/node.c hypervisor/mm/page.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_place := -Itests/unit/hw
UNIT_EXTRA_test_vm_sched_nodes := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_sched_nodes := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_vm_memory := hypervisor/vm/memory.c
UNIT_FLAGS_test_vm_memory := -Itests/unit/hw
UNIT_EXTRA_test_vm_device_writes := hypervisor/vm/seam_dev.c
UNIT_FLAGS_test_vm_device_writes := -Itests/unit/hw
UNIT_EXTRA_test_vm_bad_memory := $(addprefix hypervisor/vm/, bad_memory.c images_check.c memory.c) $(addprefix hypervisor/cpu/, bad_memory.c wipe.c)
UNIT_EXTRA_test_vm_iommu_bad := $(addprefix hypervisor/vm/, iommu_bad.c iommu_virtual.c) hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_iommu_bad := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_vm_renew := hypervisor/vm/renew.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_renew := -Itests/unit/hw
UNIT_FLAGS_test_vm_bad_memory := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_tsc := hypervisor/cpu/tsc.c
UNIT_FLAGS_test_cpu_tsc := -Itests/unit/hw
UNIT_EXTRA_test_vm_screen := hypervisor/vm/screen.c
UNIT_FLAGS_test_vm_screen := -Itests/unit/hw
UNIT_EXTRA_test_vm_variables := hypervisor/vm/variables.c
UNIT_FLAGS_test_vm_variables := -Itests/unit/hw
UNIT_EXTRA_test_cpu_idle := hypervisor/cpu/idle.c
UNIT_FLAGS_test_cpu_idle := -Itests/unit/hw
UNIT_EXTRA_test_cpu_mce := hypervisor/cpu/mce.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_cpu_mce := -Itests/unit/hw
UNIT_EXTRA_test_cpu_apic := hypervisor/cpu/apic.c
UNIT_FLAGS_test_cpu_apic := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_left_msrs := hypervisor/cpu/left_msrs.c
UNIT_FLAGS_test_cpu_left_msrs := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_mtrr := hypervisor/cpu/mtrr.c
UNIT_FLAGS_test_cpu_mtrr := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_vmx_probe := hypervisor/vmx/probe.c
UNIT_FLAGS_test_vmx_probe := -Itests/unit/hw
UNIT_EXTRA_test_cpu_reset := hypervisor/cpu/reset.c
UNIT_FLAGS_test_cpu_reset := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_off := hypervisor/cpu/off.c
UNIT_FLAGS_test_cpu_off := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_cpu_power := hypervisor/cpu/power.c
UNIT_FLAGS_test_cpu_power := -Itests/unit/hw
UNIT_EXTRA_test_cpu_nmi := hypervisor/cpu/nmi.c
UNIT_FLAGS_test_cpu_nmi := -Itests/unit/hw
UNIT_EXTRA_test_cpu_branches := hypervisor/cpu/branches.c
UNIT_FLAGS_test_cpu_branches := -Itests/unit/hw -D_GNU_SOURCE
UNIT_EXTRA_test_vm_mitigate := hypervisor/vm/mitigate.c
UNIT_FLAGS_test_vm_mitigate := -Itests/unit/hw
UNIT_EXTRA_test_vm_switch := hypervisor/vm/switch.c
UNIT_FLAGS_test_vm_switch := -Itests/unit/hw
UNIT_EXTRA_test_vm_ram := hypervisor/vm/ram.c hypervisor/vm/ram_give.c hypervisor/cpu/lock.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_ram := -Itests/unit/hw
UNIT_EXTRA_test_vm_cet := hypervisor/vm/cet.c
UNIT_FLAGS_test_vm_cet := -Itests/unit/hw
UNIT_EXTRA_test_cpu_wipe := hypervisor/cpu/wipe.c
UNIT_FLAGS_test_cpu_wipe := -Itests/unit/hw
UNIT_EXTRA_test_vm_memory_type := hypervisor/vm/memory_type.c
UNIT_FLAGS_test_vm_memory_type := -Itests/unit/hw
UNIT_EXTRA_test_vm_denial := hypervisor/vm/denial.c
UNIT_FLAGS_test_vm_denial := -Itests/unit/hw
UNIT_EXTRA_test_vm_translations := hypervisor/vm/translations.c hypervisor/vmx/flush.c hypervisor/cpu/lock.c
UNIT_FLAGS_test_vm_translations := -Itests/unit/hw
# L0's side of a VM's memory from end to end.
UNIT_EXTRA_test_vm_translations_own := $(UNIT_EXTRA_test_vm_sched) hypervisor/vmx/flush.c \
	$(addprefix hypervisor/vm/, translations.c life.c vm.c renew.c place.c ram.c ram_give.c ram_host.c seam_nested.c bad_memory.c) hypervisor/vmx/ept.c \
	$(addprefix hypervisor/mm/, node.c page.c paging.c pool.c) hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_translations_own := -Itests/unit/hw -D_DEFAULT_SOURCE -Wl,--wrap=spin_unlock,--wrap=page_alloc,--wrap=page_alloc_most,--wrap=page_free
UNIT_EXTRA_test_vm_translations_pat := hypervisor/cpu/percpu.c
UNIT_FLAGS_test_vm_translations_pat := -Itests/unit/hw
UNIT_EXTRA_test_vm_translations_view := $(addprefix hypervisor/vm/, apicv.c debugger_pages.c translations.c) \
	$(addprefix hypervisor/vmx/, ept.c flush.c) hypervisor/mm/pool.c hypervisor/cpu/lock.c hypervisor/cpu/config.c hypervisor/cpu/bad_memory.c
UNIT_FLAGS_test_vm_translations_view := -Itests/unit/hw
UNIT_EXTRA_tsan_vm_sched := $(UNIT_EXTRA_test_vm_sched) hypervisor/vm/life.c \
	$(wildcard hypervisor/policy/*.c hypervisor/spec/*.c) \
	$(addprefix hypervisor/lib/, text.c fmt.c idle.c) $(wildcard hypervisor/nested/caps*.c)
UNIT_EXTRA_tsan_vm_cores := $(UNIT_EXTRA_tsan_vm_sched)
UNIT_FLAGS_tsan_vm_cores := -Itests/unit/hw -Wl,--wrap=spin_unlock
UNIT_EXTRA_test_vm_cores := $(UNIT_EXTRA_test_vm_sched)
UNIT_FLAGS_test_vm_cores := $(UNIT_FLAGS_test_vm_sched)
UNIT_EXTRA_test_vm_cores_two := $(UNIT_EXTRA_test_vm_cores)
UNIT_FLAGS_test_vm_cores_two := $(UNIT_FLAGS_test_vm_cores)
UNIT_EXTRA_tsan_vm_define := $(UNIT_EXTRA_tsan_vm_sched)
UNIT_FLAGS_tsan_vm_define := -Itests/unit/hw -Wl,--wrap=spin_unlock
UNIT_FLAGS_tsan_vm_sched := -Itests/unit/hw -Wl,--wrap=spin_unlock
UNIT_EXTRA_tsan_net_switch := $(wildcard hypervisor/net/*.c) hypervisor/lib/budget.c
UNIT_EXTRA_tsan_stream := hypervisor/stream/ring.c hypervisor/stream/stream.c
UNIT_EXTRA_test_mm_paging := hypervisor/mm/paging.c
UNIT_FLAGS_test_mm_paging := -Itests/unit/hw
