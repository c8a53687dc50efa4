# SPDX-License-Identifier: Apache-2.0
# Host tests: unit tests (cmocka, sanitizers) against the pure modules.
HOST_PURE_OBJ := $(PURE_SRC:hypervisor/%.c=$(B)/host/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)

$(B)/host/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) -Ihypervisor -c $< -o $@

$(B)/host/pure.a: $(HOST_PURE_OBJ) $(PURE_DATA)
	rm -f $@ && ar rcs $@ $^

# A test that needs more than the archive names it here: UNIT_EXTRA_test_x := file.c
# UNIT_FLAGS_test_x: -Itests/unit/hw for files of the hardware ring, whose instructions are then fakes.
# C_FILES is not in the rule, since make takes any % there for the stem.
C_FILES := %.c
.SECONDEXPANSION:
$(B)/unit/%: tests/unit/%.c $$(filter $$(C_FILES),$$(UNIT_EXTRA_$$*)) $(B)/host/pure.a \
		$(wildcard tests/unit/*.h tests/unit/hw/*/*.h hypervisor/vm/*.h hypervisor/cpu/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) $(UNIT_FLAGS_$*) -Ihypervisor -Itests/unit $< $(UNIT_EXTRA_$*) \
		$(B)/host/pure.a -lcmocka -o $@

# All 2^32 encodings in seconds.
$(B)/unit/test_spec_encodings: private SANITIZE :=
$(B)/unit/test_spec_encodings: private HOST_CFLAGS := $(filter-out -O1,$(HOST_CFLAGS)) -O2

# It includes the files.
$(B)/unit/test_cpu_trap: hypervisor/cpu/trap.S hypervisor/cpu/thunks.S

# How much virtual EPT does is counted by the branches that run (-fsanitize-coverage).
UNIT_EXTRA_test_nested_vept_bounds := $(wildcard hypervisor/nested/vept*.c)
UNIT_FLAGS_test_nested_vept_bounds := -fsanitize-coverage=trace-pc-guard
UNIT_EXTRA_tsan_nested_ipi := hypervisor/nested/ipi.c
UNIT_EXTRA_tsan_nested_views := $(wildcard hypervisor/nested/vept*.c)

# The remapping unit of the emulated machine, without Bochs.
UNIT_EXTRA_test_machine_vtd := $(filter-out %/bochs_vtd.c %/bochs_vtd_sources.c,$(wildcard tools/machine/bochs_vtd_*.c))
UNIT_FLAGS_test_machine_vtd := -iquote tools/machine
# And beside the virtual one of a VM.
UNIT_EXTRA_test_dev_vvtd_model := tests/unit/vvtd_oracle.c $(UNIT_EXTRA_test_machine_vtd)
UNIT_FLAGS_test_dev_vvtd_model := -iquote tools/machine
UNIT_EXTRA_test_vtd_driver := tests/unit/vtd_model.c $(UNIT_EXTRA_test_machine_vtd)
UNIT_FLAGS_test_vtd_driver := -iquote tools/machine

.PHONY: unit
## make unit         host unit tests
unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do $$t || exit 1; done

.PHONY: mutants
## make mutants      do tests notice each flush of translations that is missing? six minutes
mutants: $(B)/host/pure.a
	@B=$(B) tests/unit/translations_mutants.sh

# What several CPUs share, in threads.
TSAN_BIN := $(patsubst tests/unit/%.c,$(B)/tsan/%,$(wildcard tests/unit/tsan_*.c))
$(B)/tsan/%: tests/unit/%.c $$(filter $$(C_FILES),$$(UNIT_EXTRA_$$*)) \
		$(wildcard tests/unit/*.h tests/unit/hw/*/*.h hypervisor/vm/*.h hypervisor/cpu/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) -fsanitize=thread $(UNIT_FLAGS_$*) -Ihypervisor \
		-Itests/unit $< $(UNIT_EXTRA_$*) -lcmocka -lpthread -o $@

.PHONY: tsan
## make tsan         host tests in threads under ThreadSanitizer
tsan: $(TSAN_BIN)
	@for t in $(TSAN_BIN); do TSAN_OPTIONS=halt_on_error=1 $$t || exit 1; done

-include $(HOST_PURE_OBJ:.o=.d)

# --- fuzzers: of the pure modules (tests/fuzz/hv), and of the tool's parsers (tools/build.mk)
FUZZ_FLAGS := $(SANITIZE) -fsanitize=fuzzer-no-link
FUZZ_OBJ := $(patsubst hypervisor/%.c,$(B)/fuzz/obj/%.o,$(PURE_SRC) $(addprefix hypervisor/, \
	boot/multiboot2.c))
HV_FUZZ := $(patsubst tests/fuzz/hv/%.c,$(B)/fuzz/hv_%,$(wildcard tests/fuzz/hv/*.c))

$(B)/fuzz/obj/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(FUZZ_FLAGS) -Ihypervisor -c $< -o $@

$(B)/fuzz/pure.a: $(FUZZ_OBJ) $(PURE_DATA)
	rm -f $@ && ar rcs $@ $^

$(B)/fuzz/hv_%: tests/fuzz/hv/%.c $(B)/fuzz/pure.a $(wildcard tests/unit/*.h tests/fuzz/hv/*.h)
	$(HOSTCC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) $(SANITIZE) -fsanitize=fuzzer -Ihypervisor \
		-Itests/unit $< $(B)/fuzz/pure.a -lcmocka -o $@

-include $(FUZZ_OBJ:.o=.d)

.PHONY: fuzz
## make fuzz         all fuzzers, T=60 seconds each; corpora stay in build/fuzz/corpus
fuzz: $(HV_FUZZ) $(TOOL_FUZZ)
	@for f in $^; do mkdir -p $(B)/fuzz/corpus/$${f##*/}; \
		T=$(or $(T),60) RUNS=-1 CORPUS=$(B)/fuzz/corpus/$${f##*/} \
		tests/fuzz/short.sh $$f > $$f.log 2>&1 || { tail -n 40 $$f.log; exit 1; }; \
		echo "fuzz: $${f##*/}: no failure, $$(grep -c '' < <(ls $(B)/fuzz/corpus/$${f##*/})) inputs kept"; done

# --- branch coverage of nested/ by its unit tests
COVER_OBJ := $(patsubst hypervisor/%.c,$(B)/cover/%.o,$(filter-out hypervisor/dev/%,$(PURE_SRC)))
# Not the test that counts branches by instrumentation of its own.
COVER_BIN := $(patsubst tests/unit/%.c,$(B)/cover/%,$(filter-out %/test_nested_vept_bounds.c, \
	$(wildcard tests/unit/test_nested_*.c)))
COVER_FLAGS := -std=c17 -O0 -g --coverage -Ihypervisor -Itests/unit

$(B)/cover/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(CC) $(COVER_FLAGS) -MMD -MP -c $< -o $@

$(B)/cover/pure.a: $(COVER_OBJ) $(PURE_DATA)
	rm -f $@ && ar rcs $@ $^

$(B)/cover/test_%: tests/unit/test_%.c $(B)/cover/pure.a $(wildcard tests/unit/*.h)
	$(CC) $(COVER_FLAGS) $< $(B)/cover/pure.a -lcmocka -o $@

-include $(COVER_OBJ:.o=.d)

.PHONY: cover
## make cover        branch coverage of hypervisor/nested by the unit tests
cover: $(COVER_BIN)
	@find $(B)/cover -name '*.gcda' -delete
	@for t in $(COVER_BIN); do $$t > $$t.log 2>&1 || { cat $$t.log; exit 1; }; done
	@gcovr --root . --object-directory $(B)/cover --filter hypervisor/nested/ --branches \
		--exclude-unreachable-branches --gcov-executable gcov $(B)/cover

# --- uninitialised reads: the unit tests of the pure modules, and their fuzzers, with MemorySanitizer.
# Not all 2^32 encodings; not the tool, which is not part of the pure ring.
MSAN := -fsanitize=memory -fno-sanitize-recover=all -fsanitize-memory-track-origins
MSAN_OBJ := $(FUZZ_OBJ:$(B)/fuzz/obj/%=$(B)/msan/obj/%)
MSAN_UNIT := $(patsubst tests/unit/%.c,$(B)/msan/%,$(filter-out \
	%/test_spec_encodings.c $(wildcard tests/unit/test_tool_*.c),$(UNIT_SRC)))
MSAN_FUZZ := $(HV_FUZZ:$(B)/fuzz/%=$(B)/msan/%)

$(B)/msan/obj/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(MSAN) -fsanitize=fuzzer-no-link -Ihypervisor -c $< -o $@

$(B)/msan/pure.a: $(MSAN_OBJ) $(PURE_DATA)
	rm -f $@ && ar rcs $@ $^

$(B)/msan/test_%: tests/unit/test_%.c $$(filter $$(C_FILES),$$(UNIT_EXTRA_test_$$*)) \
		$(B)/msan/pure.a $(wildcard tests/unit/*.h tests/unit/hw/*/*.h hypervisor/vm/*.h \
		hypervisor/cpu/*.h)
	$(HOSTCC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) $(MSAN) $(UNIT_FLAGS_test_$*) -Ihypervisor \
		-Itests/unit $< $(UNIT_EXTRA_test_$*) $(B)/msan/pure.a -lcmocka -o $@

$(B)/msan/hv_%: tests/fuzz/hv/%.c $(B)/msan/pure.a $(wildcard tests/unit/*.h)
	$(HOSTCC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) $(MSAN) -fsanitize=fuzzer -Ihypervisor \
		-Itests/unit $< $(B)/msan/pure.a -lcmocka -o $@

-include $(MSAN_OBJ:.o=.d)

.PHONY: msan
## make msan         unit tests and fuzzers of the pure modules under MemorySanitizer
msan: $(MSAN_UNIT) $(MSAN_FUZZ)
	@for t in $(MSAN_UNIT); do $$t || exit 1; done
	@for f in $(MSAN_FUZZ); do RUNS=4000 tests/fuzz/short.sh $$f || exit 1; done

# --- machine tests
# Reads what L0 has drawn, for boot tests.
$(B)/test/read_screen: tests/screen/read.c $(B)/host/pure.a
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) -Ihypervisor $< $(B)/host/pure.a -o $@

.PHONY: conformance conformance-long boot-tests
## make conformance  payloads on the bare machine and under Nestor, outputs compared
conformance: hypervisor tools machine payloads
	@B=$(B) tests/conformance/run.sh $(NAMES)
## make conformance-long  mutated VMCSs for each of SEEDS (numbers), COUNT blocks of 32
SEEDS ?= 2 3 4 5 6 7 8 9
COUNT ?= 400
conformance-long: hypervisor tools machine payloads
	@for s in $(SEEDS); do B=$(B) LOG_SUFFIX=-long TIMEOUT=900 \
		CMDLINE="seed=$$s count=$(COUNT)" tests/conformance/run.sh mutate || exit 1; done
## make stress       stress payloads for several processors, T=60 seconds each, from SEED on
.PHONY: stress
stress: hypervisor tools machine payloads
	@B=$(B) T=$(or $(T),60) SEED=$(or $(SEED),$$(date +%s)) tests/stress/run.sh $(NAMES)
## make soak         all clocks of L1 and L2 over SOAK (1800) seconds of emulated time and 60 restarts: no drift
.PHONY: soak
SOAK ?= 1800
soak: hypervisor tools machine payloads
	@B=$(B) COUNT=$(SOAK) TIMEOUT=7200 LOG_SUFFIX=-soak tests/stress/run.sh clocks
	@B=$(B) COUNT=$(SOAK) TIMEOUT=7200 LOG_SUFFIX=-soak-state RUN_ARGS="--l0-option selftest=state" tests/stress/run.sh clocks
	@B=$(B) LIVES=60 TIMEOUT=1200 tests/boot/run.sh clocks_go_on_over_restarts
## make stress-hostile  hostile L1s for T=60 seconds, from SEED on
.PHONY: stress-hostile
stress-hostile: hypervisor tools machine payloads
	@B=$(B) T=$(or $(T),60) SEED=$(or $(SEED),$$(date +%s)) tests/stress/hostile.sh
## make fairness     a VM beside others that do their worst keeps its share
.PHONY: fairness
fairness: hypervisor tools machine payloads
	@B=$(B) tests/fairness/run.sh $(NAMES)
# What judges figures for Prometheus.
$(B)/promtool/promtool:
	tests/serve/fetch-promtool.sh $(@D)
## make boot-tests   Linux as L1 and L2, boot images, bad input
boot-tests: hypervisor tools machine payloads $(B)/test/read_screen debian-guests $(addprefix $(DEBIAN_XEN)/,xen vmlinux xen.cpio) $(SERVICE)/service.cpio $(SERVICE)/vfio.cpio $(B)/promtool/promtool
	@B=$(B) tests/boot/run.sh $(NAMES)
## make boot-tests-long  boot tests that take more than a minute
.PHONY: boot-tests-long
boot-tests-long: hypervisor tools machine payloads debian-guests xen-guests $(SERVICE)/service.cpio $(addprefix $(DEBIAN_IO)/,io.cpio qemu.cpio service.cpio) $(DEBIAN_NBD)/nbd.cpio \
		$(DEBIAN_INSTALLER)/udebs.txt $(DEBIAN_MEMTEST)/packages.txt $(DEBIAN_MEMTEST5)/packages.txt $(DEBIAN_DISK)/packages.txt \
		$(DEBIAN_IRONIC)/packages.txt
	@B=$(B) tests/boot/run.sh $$(sed -nE 's/^long_([a-z0-9_]+)\(\).*/\1/p' tests/boot/run.sh)
## make matrix        hypervisors and their guests as cells, into docs/matrix.md; CELLS=NAME...: these only
.PHONY: matrix
matrix: hypervisor tools machine payloads debian-guests suite-guests xen-guests vbox-guests libvirt-guests incus-guests
	@B=$(B) PAGE=1 tests/matrix/run.sh $(CELLS)
## make check-models  conformance on the emulator's CPU models, into docs/models.md; MODELS=NAME...: these only
.PHONY: check-models
check-models: hypervisor tools machine payloads
	@B=$(B) tests/models/run.sh $(MODELS)
## make check-kvm     Nestor on QEMU/KVM, which runs on the emulated machine; NAMES=ROW...: these only
.PHONY: check-kvm
check-kvm: hypervisor tools machine payloads $(DEBIAN)/kvm-host.cpio
	@B=$(B) tests/kvm/run.sh $(NAMES)
## make selftests     Linux's own tests of KVM in an L1; NAMES=TEST...: these only
.PHONY: selftests
selftests: hypervisor tools machine $(DEBIAN_SELFTESTS)/selftests.cpio
	@B=$(B) tests/selftests/run.sh $(NAMES)
## make check-long    what takes hours: mutants, check-models, check-kvm, selftests, boot-tests-long, matrix
.PHONY: check-long
check-long:
	@$(MAKE) --no-print-directory mutants
	@$(MAKE) --no-print-directory check-models
	@$(MAKE) --no-print-directory check-kvm
	@$(MAKE) --no-print-directory selftests
	@$(MAKE) --no-print-directory boot-tests-long
	@$(MAKE) --no-print-directory matrix
# --- end machine tests

# --- all of it
# One line a test for tests/runner.sh: name, time limit in seconds, command. By a file: it is more than a variable of the environment may have.
FUZZ_BIN = $(TOOL_FUZZ) $(HV_FUZZ)

define CHECK_LIST
edges	240	tests/checks/edges.sh $(HV_OBJ) $(HV_PURE)
pure	240	tests/checks/pure.sh $(B)/hv/pure.a
branches	120	tests/checks/branches.sh $(B)/nestor.elf $(B)/hv/symbols1.S
shape	240	tests/checks/shape.sh
headers	300	tests/checks/headers.sh
facts	240	tests/checks/facts.sh
translations	60	tests/checks/translations.sh
format	300	tests/checks/format.sh
static	600	tests/checks/static.sh
docs	240	tests/checks/docs.sh $(B)/docs/sdm_coverage
messages	60	/usr/bin/python3 tests/checks/messages.py
vtd_on_qemu	600	B=$(B) tests/vtd/run.sh
serve_events	240	/usr/bin/python3 tests/serve/events.py $(B)/nestor
$(foreach t,$(UNIT_BIN),$(notdir $(t))	300	$(t)
)$(foreach t,$(MSAN_UNIT),msan_$(notdir $(t))	240	$(t)
)$(foreach f,$(MSAN_FUZZ),msan_$(notdir $(f))	240	RUNS=4000 tests/fuzz/short.sh $(f)
)cover	300	$(MAKE) --no-print-directory B=$(B) cover
$(foreach t,$(TSAN_BIN),$(notdir $(t))	300	TSAN_OPTIONS=halt_on_error=1 $(t)
)$(foreach f,$(FUZZ_BIN),fuzz_$(notdir $(f))	300	tests/fuzz/short.sh $(f)
)$(foreach c,$(CONFORMANCE_NAMES),conformance_$(c)	600	B=$(B) tests/conformance/run.sh $(c)
)$(foreach c,$(filter-out shadow,$(CONFORMANCE_NAMES)),conformance_$(c)_unshadowed	600	B=$(B) LOG_SUFFIX=-unshadowed RUN_ARGS="--shadow off" tests/conformance/run.sh $(c)
)$(foreach c,$(filter smp%,$(CONFORMANCE_NAMES)),conformance_$(c)_timeshared	600	B=$(B) LOG_SUFFIX=-timeshared RUN_ARGS="--machine-cpus 1" tests/conformance/run.sh $(c)
)$(foreach s,$(STRESS_NAMES),stress_$(s)	600	B=$(B) tests/stress/run.sh $(s)
)stress_clocks_timeshared	600	B=$(B) LOG_SUFFIX=-timeshared MACHINE_CPUS=1 tests/stress/run.sh clocks
stress_clocks_with_its_state_put_back	600	B=$(B) LOG_SUFFIX=-state RUN_ARGS="--l0-option selftest=state" tests/stress/run.sh clocks
$(foreach p,$(FAIRNESS_NAMES),fairness_$(p)	600	B=$(B) tests/fairness/run.sh $(p)
)$(foreach c,apic events lapic nmi,conformance_$(c)_without_apicv	600	B=$(B) LOG_SUFFIX=-noapicv RUN_ARGS="--apicv off" tests/conformance/run.sh $(c)
)$(foreach c,apicvintr events guests_32 l2mce nmi shadowhabit smp_events vpid,conformance_$(c)_with_its_state_put_back	600	B=$(B) LOG_SUFFIX=-state RUN_ARGS="--l0-option selftest=state" tests/conformance/run.sh $(c)
)$(foreach c,apicvintr debug eptx events guests_32 l2cache smp_vmx taskswitch,conformance_$(c)_on_a_debuggers_pages	600	B=$(B) LOG_SUFFIX=-pages RUN_ARGS="--l0-option selftest=pages" tests/conformance/run.sh $(c)
)$(foreach c,exits events,conformance_$(c)_in_thunks	600	B=$(B) LOG_SUFFIX=-thunks RUN_ARGS="--l0-option branches=thunks" tests/conformance/run.sh $(c)
)$(foreach c,ept eptx execonly guests_32 smp_vmx,conformance_$(c)_with_small_code_pages	600	B=$(B) LOG_SUFFIX=-small RUN_ARGS="--l0-option code-pages=small" tests/conformance/run.sh $(c)
)models	900	B=$(B) NAMES="$(MODELS_CHECKED)" tests/models/run.sh corei7_sandy_bridge_2600k corei7_haswell_4770 arrow_lake
kvm	900	B=$(B) tests/kvm/run.sh $(KVM_CHECKED)
$(foreach c,$(MATRIX_CHECKED),matrix_$(c)	600	B=$(B) tests/matrix/run.sh $(c)
)$(foreach b,$(BOOT_TESTS),boot_$(b)	900	B=$(B) tests/boot/run.sh $(b)
)
endef

CONFORMANCE_NAMES := $(filter-out conf,$(basename $(notdir $(wildcard tests/conformance/*.c))))
# What make check has of check-models, check-kvm and the matrix.
MODELS_CHECKED := apicv devinsn entry events exits insn lapic
KVM_CHECKED := hello ept exits
MATRIX_CHECKED := kvm-client kvm-ept0
STRESS_NAMES := $(filter-out stress,$(basename $(notdir $(wildcard tests/stress/*.c))))
FAIRNESS_NAMES := $(shell sed -nE 's/^\t\t([a-z-]+) +[0-9] .*/\1/p' tests/fairness/run.sh | sort -u)
BOOT_TESTS := $(shell sed -nE 's/^test_([a-z0-9_]+)\(\).*/\1/p' tests/boot/run.sh)
CHECK_JOBS ?= $(shell nproc)

.PHONY: check check-run
## make check-run    the tests of make check, without installing anything
## make check        installs what is needed, builds all, runs all tests
check:
	@$(MAKE) --no-print-directory setup
	@tools/nestor/web/fetch.sh $(B)/web
	@$(MAKE) --no-print-directory -j$(CHECK_JOBS) check-run

check-run: hypervisor tools machine payloads $(B)/test/read_screen debian-guests $(addprefix $(DEBIAN_XEN)/,xen vmlinux xen.cpio) $(DEBIAN)/kvm-host.cpio $(SERVICE)/service.cpio $(SERVICE)/vfio.cpio $(B)/promtool/promtool $(UNIT_BIN) $(MSAN_UNIT) $(MSAN_FUZZ) \
		$(COVER_BIN) $(TSAN_BIN) $(FUZZ_BIN) $(B)/docs/sdm_coverage
	$(shell mkdir -p $(B)/test)$(file >$(B)/test/list,$(CHECK_LIST))
	@sed 's/^ *//; /^$$/d' $(B)/test/list | MAKEFLAGS= tests/runner.sh $(B)/test $(CHECK_JOBS)
