/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR of L1 and L2. Each exit saves L2's (SDM
 * 27.3.1, 27.3.3); whether an entry or an exit loads what the VMCS12 has, or leaves what the
 * other level had, is L1's choice. Called for VMs with nested_vm.cet only.
 */
#include "nested/nested_int.h"

#define CET_FIELDS 3u

_Static_assert(FID_GUEST_SSP_TABLE == FID_GUEST_S_CET + CET_FIELDS - 1 &&
		       FID_HOST_SSP_TABLE == FID_HOST_S_CET + CET_FIELDS - 1,
	"their rows follow each other");

static inline enum vmcs_fid nth(enum vmcs_fid first, unsigned i)
{
	return (enum vmcs_fid)(first + i);
}

/* SSP and IA32_S_CET have 64 bits in IA-32e mode only; the table's address always has. */
static bool has_halves(const struct nvmcs *v, unsigned i)
{
	return nth(FID_GUEST_S_CET, i) != FID_GUEST_SSP_TABLE &&
	       !(v->f[FID_ENTRY_CONTROLS] & ENTRY_IA32E_GUEST);
}

/* For an L1 that does not load them they come from VMCS01: other entries shall not pay. */
void cet_to_02(struct nested *n, const struct nvmcs *v)
{
	const uint64_t *value = &v->f[FID_GUEST_S_CET];
	uint64_t of_l1[CET_FIELDS];

	if (!(v->f[FID_ENTRY_CONTROLS] & ENTRY_LOAD_CET)) {
		seam_use_vmcs01(n);
		for (unsigned i = 0; i < CET_FIELDS; i++)
			of_l1[i] = seam_vmread(nth(FID_GUEST_S_CET, i)) &
				   (has_halves(v, i) ? UINT32_MAX : UINT64_MAX);
		seam_use_vmcs02(n, v);
		value = of_l1;
	}
	for (unsigned i = 0; i < CET_FIELDS; i++)
		seam_vmwrite(nth(FID_GUEST_S_CET, i), value[i]);
}

void cet_from_02(struct nvmcs *v)
{
	for (unsigned i = 0; i < CET_FIELDS; i++)
		seam_vmread_to(nth(FID_GUEST_S_CET, i), &v->f[nth(FID_GUEST_S_CET, i)]);
}

void cet_load_l1(const struct nvmcs *v, bool l2_ran)
{
	bool load = v->f[FID_EXIT_CONTROLS] & EXIT_LOAD_CET;
	bool loaded = v->f[FID_ENTRY_CONTROLS] & ENTRY_LOAD_CET;

	for (unsigned i = 0; (load || l2_ran) && i < CET_FIELDS; i++) {
		enum vmcs_fid fid = nth(FID_GUEST_S_CET, i);
		uint64_t value = v->f[nth(load ? FID_HOST_S_CET : FID_GUEST_S_CET, i)];

		if (!load && !loaded && has_halves(v, i)) /* L2 had the lower one only */
			value = (seam_vmread(fid) & ~(uint64_t)UINT32_MAX) | (uint32_t)value;
		seam_vmwrite(fid, value);
	}
}
