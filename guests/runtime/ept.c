/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended page tables of a payload's L2 (SDM 28.2.2 "EPT Translation Mechanism").
 */
#include "cpu.h"
#include "rt.h"
#include "vmx.h"

void ept_init(struct ept *e)
{
	e->root = page_alloc();
	e->eptp = address_of(e->root) | EPTP_WALK_4 | MEMTYPE_WB;
}

static unsigned table_index(uint64_t gpa, int level)
{
	return (gpa >> (12 + 9 * (level - 1))) & 511;
}

void ept_map(struct ept *e, uint64_t gpa, uint64_t hpa, int level, uint64_t flags)
{
	uint64_t *table = e->root;

	for (int at = 4; at > level; at--) {
		uint64_t *entry = &table[table_index(gpa, at)];

		if (!*entry)
			*entry = address_of(page_alloc()) | EPT_RWX;
		table = (uint64_t *)(uintptr_t)(*entry & EPT_ADDRESS);
	}
	table[table_index(gpa, level)] = hpa | flags | (level > 1 ? EPT_LARGE : 0);
}

uint64_t *ept_entry(struct ept *e, uint64_t gpa, int level)
{
	uint64_t *table = e->root;

	for (int at = 4; at > level; at--) {
		uint64_t entry = table[table_index(gpa, at)];

		if (!entry || (entry & EPT_LARGE))
			return NULL;
		table = (uint64_t *)(uintptr_t)(entry & EPT_ADDRESS);
	}
	return &table[table_index(gpa, level)];
}

void ept_identity(struct ept *e, uint64_t bytes, int level)
{
	uint64_t step = 1ull << (12 + 9 * (level - 1));

	for (uint64_t a = 0; a < bytes; a += step)
		ept_map(e, a, a, level, EPT_RWX | EPT_WB);
}

void ept_use(const struct ept *e)
{
	ctl_set(VMCS_PROC2_CONTROLS, PROC2_ENABLE_EPT);
	vmwrite(VMCS_EPT_POINTER, e->eptp);
}

enum vmx_status invept_single(const struct ept *e)
{
	uint64_t descriptor[2] = {e->eptp, 0};

	return vmx_invept(1, descriptor);
}

enum vmx_status invept_global(void)
{
	uint64_t descriptor[2] = {0, 0};

	return vmx_invept(2, descriptor);
}
