# Host tests: unit tests (cmocka, sanitizers) against the pure modules.
HOST_PURE_OBJ := $(PURE_SRC:hypervisor/%.c=$(B)/host/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)

$(B)/host/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) -Ihypervisor -c $< -o $@

$(B)/host/pure.a: $(HOST_PURE_OBJ)
	rm -f $@ && ar rcs $@ $^

# A test that needs more than the archive names it here: UNIT_EXTRA_test_x := file.c
$(B)/unit/%: tests/unit/%.c $(B)/host/pure.a $(wildcard tests/unit/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) -Ihypervisor -Itests/unit $< $(UNIT_EXTRA_$*) \
		$(B)/host/pure.a -lcmocka -o $@

.PHONY: unit
## make unit         host unit tests
unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do $$t || exit 1; done

-include $(HOST_PURE_OBJ:.o=.d)

# --- machine tests
.PHONY: conformance boot-tests
## make conformance  payloads on the bare machine and under Nestor, outputs compared
conformance: hypervisor tools machine payloads
	@B=$(B) tests/conformance/run.sh $(NAMES)
## make boot-tests   Linux as L1 and L2, boot images, bad input
boot-tests: hypervisor tools machine payloads debian-guests
	@B=$(B) tests/boot/run.sh $(NAMES)
# --- end machine tests
