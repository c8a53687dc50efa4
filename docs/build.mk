# SPDX-License-Identifier: Apache-2.0
# Pages that are made from the hypervisor's tables.
$(B)/docs/sdm_coverage: tools/docs/sdm_coverage.c $(B)/host/pure.a $(wildcard tests/unit/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(HOST_CFLAGS) $(SANITIZE) -Ihypervisor -Itests/unit $< $(B)/host/pure.a -lcmocka -o $@

.PHONY: docs
## make docs         makes docs/sdm-coverage.md from the tables of VM-entry checks
docs: $(B)/docs/sdm_coverage
	@$< > docs/sdm-coverage.md
