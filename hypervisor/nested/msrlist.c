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

#define LIST_UNIT 512u

/* A.6: 512 * (bits 27:25 of IA32_VMX_MISC + 1) entries at most; what exceeds it fails. */
static uint32_t list_limit(const struct nested *n)
{
	uint64_t misc = caps_msr(&n->vm->caps, MSR_VMX_MISC);

	return LIST_UNIT * (uint32_t)(((misc >> MISC_MSR_LIST_SHIFT) & 7) + 1);
}

static bool is_beyond(const struct nested *n, uint32_t i)
{
	return i >= LIST_UNIT && i >= list_limit(n);
}

/* An entry, of which e was read as far as that went, cannot be loaded or stored. */
static void refuse_entry(
	struct nested *n, enum denial why, uint32_t i, const struct msr_entry *e)
{
	n->refused = (struct nested_refusal){.why = (uint8_t)why,
		.value = i + 1,
		.found = {(uint64_t)e->reserved << 32 | e->index, e->value}};
	if (why == DENIAL_LIST_TOO_LONG)
		n->refused.found[0] = list_limit(n);
}

/*
 * Copies an entry, once. It is aligned (SDM 26.2.1.1, 26.2.1.2, 26.2.1.3), hence in one page,
 * which is RAM but for an L1 that tries what happens.
 */
static bool fetch(struct nested *n, struct gpa_l1 at, struct msr_entry *e)
{
	const char *page = at.v % sizeof(*e) == 0 ? seam_l1_page(n, at) : NULL;
	uint64_t word[2];

	if (page) {
		const uint64_t *there = (const uint64_t *)(page + at.v % PAGE_SIZE);

		word[0] = __atomic_load_n(&there[0], __ATOMIC_RELAXED);
		word[1] = __atomic_load_n(&there[1], __ATOMIC_RELAXED);
	} else if (seam_l1_read(n, at, word, sizeof(word)) != 0) {
		return false;
	}
	*e = (struct msr_entry){(uint32_t)word[0], (uint32_t)(word[0] >> 32), word[1]};
	return true;
}

/* One entry; true, or false and n->refused is set. */
static bool load_entry(struct nested *n, struct gpa_l1 at, uint32_t i)
{
	struct msr_entry e = {0};
	enum denial why = DENIAL_LIST_NOT_RAM;

	if (fetch(n, at, &e)) {
		why = nested_msr_entry_denial(e.index, e.reserved, true);
		if (why == DENIAL_NONE && !seam_wrmsr(n, e.index, e.value))
			why = DENIAL_LIST_MSR_ACCESS;
	}
	if (why != DENIAL_NONE)
		refuse_entry(n, why, i, &e);
	return why == DENIAL_NONE;
}

/* Loads a list; 0, or the 1-based number of the entry that cannot be loaded. */
static uint32_t load_list(struct nested *n, uint64_t gpa, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct gpa_l1 at = {gpa + i * sizeof(struct msr_entry)};
		bool beyond = is_beyond(n, i);

		if (beyond)
			refuse_entry(n, DENIAL_LIST_TOO_LONG, i, &(struct msr_entry){0});
		if (beyond || !load_entry(n, at, i))
			return i + 1;
	}
	return 0;
}

/* Guest state that L2 may keep in VMCS02 alone, and MSRs of a list load. */
static const uint8_t loaded_fields[NESTED_LIST_FIELDS] = {
	FID_GUEST_SYSENTER_CS, FID_GUEST_SYSENTER_ESP, FID_GUEST_SYSENTER_EIP};

uint32_t msrlist_entry_load(struct nested *n, struct nvmcs *v)
{
	for (unsigned i = 0; i < NESTED_LIST_FIELDS; i++)
		v->before_list[i] = seam_vmread((enum vmcs_fid)loaded_fields[i]);
	return load_list(
		n, v->f[FID_ENTRY_MSR_LOAD_ADDR], (uint32_t)v->f[FID_ENTRY_MSR_LOAD_COUNT]);
}

void msrlist_entry_undo(const struct nvmcs *v)
{
	bool loaded = v->f[FID_ENTRY_MSR_LOAD_COUNT] != 0;

	for (unsigned i = 0; loaded && i < NESTED_LIST_FIELDS; i++)
		seam_vmwrite((enum vmcs_fid)loaded_fields[i], v->before_list[i]);
}

bool msrlist_exit_load(struct nested *n, const struct nvmcs *v)
{
	return load_list(n, v->f[FID_EXIT_MSR_LOAD_ADDR],
		       (uint32_t)v->f[FID_EXIT_MSR_LOAD_COUNT]) == 0;
}

static bool store_entry(struct nested *n, uint64_t at, uint32_t i)
{
	struct msr_entry e = {0};
	enum denial why = DENIAL_LIST_NOT_RAM;

	if (fetch(n, (struct gpa_l1){at}, &e)) {
		e.value = 0;
		why = nested_msr_entry_denial(e.index, e.reserved, false);
		if (why == DENIAL_NONE && !seam_rdmsr(n, e.index, &e.value))
			why = DENIAL_LIST_MSR_ACCESS;
		else if (why == DENIAL_NONE &&
			 nested_l1_write(n, (struct gpa_l1){at + 8}, &e.value, sizeof(e.value)))
			why = DENIAL_LIST_NOT_RAM;
	}
	if (why != DENIAL_NONE)
		refuse_entry(n, why, i, &e);
	return why == DENIAL_NONE;
}

bool msrlist_exit_store(struct nested *n, const struct nvmcs *v)
{
	uint32_t count = (uint32_t)v->f[FID_EXIT_MSR_STORE_COUNT];

	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = v->f[FID_EXIT_MSR_STORE_ADDR] + i * sizeof(struct msr_entry);
		bool beyond = is_beyond(n, i);

		if (beyond)
			refuse_entry(n, DENIAL_LIST_TOO_LONG, i, &(struct msr_entry){0});
		if (beyond || !store_entry(n, at, i))
			return false;
	}
	return true;
}
