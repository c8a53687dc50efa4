/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSR lists of VM entry and VM exit (SDM 26.4, 27.4, 27.6), processed in software.
 */
#include "nested/entry_checks.h"
#include "nested/nested_int.h"

struct msr_entry {
	uint32_t index, reserved;
	uint64_t value;
};

/* A.6: 512 * (bits 27:25 of IA32_VMX_MISC + 1) entries at most; what exceeds it fails. */
static uint32_t list_limit(const struct nested *n)
{
	uint64_t misc = caps_msr(&n->vm->caps, MSR_VMX_MISC);

	return 512 * (uint32_t)(((misc >> MISC_MSR_LIST_SHIFT) & 7) + 1);
}

/* Loads a list; 0, or the 1-based number of the entry that cannot be loaded. */
static uint32_t load_list(struct nested *n, uint64_t gpa, uint32_t count)
{
	uint32_t limit = list_limit(n);

	for (uint32_t i = 0; i < count; i++) {
		struct gpa_l1 at = {gpa + i * sizeof(struct msr_entry)};
		struct msr_entry e;

		if (i >= limit || seam_l1_read(n, at, &e, sizeof(e)) ||
			!nested_msr_entry_valid(e.index, e.reserved, true) ||
			!seam_wrmsr(n, e.index, e.value))
			return i + 1;
	}
	return 0;
}

uint32_t msrlist_entry_load(struct nested *n, const struct nvmcs *v)
{
	return load_list(
		n, v->f[FID_ENTRY_MSR_LOAD_ADDR], (uint32_t)v->f[FID_ENTRY_MSR_LOAD_COUNT]);
}

bool msrlist_exit_load(struct nested *n, const struct nvmcs *v)
{
	return load_list(n, v->f[FID_EXIT_MSR_LOAD_ADDR],
		       (uint32_t)v->f[FID_EXIT_MSR_LOAD_COUNT]) == 0;
}

bool msrlist_exit_store(struct nested *n, const struct nvmcs *v)
{
	uint32_t count = (uint32_t)v->f[FID_EXIT_MSR_STORE_COUNT];
	uint32_t limit = list_limit(n);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = v->f[FID_EXIT_MSR_STORE_ADDR] + i * sizeof(struct msr_entry);
		struct msr_entry e;

		if (i >= limit || seam_l1_read(n, (struct gpa_l1){at}, &e, 8) ||
			!nested_msr_entry_valid(e.index, e.reserved, false) ||
			!seam_rdmsr(n, e.index, &e.value) ||
			nested_l1_write(n, (struct gpa_l1){at + 8}, &e.value, sizeof(e.value)))
			return false;
	}
	return true;
}
