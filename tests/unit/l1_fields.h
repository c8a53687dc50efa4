/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMREAD and VMWRITE as an L1 executes them on a machine with VMCS shadowing: hardware serves
 * what VMCS01's bitmaps leave to it, the rest exits. Without shadowing all of it does.
 */
#ifndef NESTOR_TESTS_L1_FIELDS_H
#define NESTOR_TESTS_L1_FIELDS_H

#include "nested_world.h"

static unsigned l1_field_exits; /* VMREADs and VMWRITEs that exited */

/* The field in the shadow VMCS if hardware serves the instruction, or NULL. */
static inline uint64_t *l1_served(uint64_t encoding, bool write)
{
	const struct nested *n = &world.n;
	const uint64_t *page;
	enum vmcs_fid fid = FID_NONE;

	if (!n->vm->shadowing || !n->vmxon || !n->cur || encoding > 0x7fff)
		return NULL;
	page = write ? fake_hw.bitmaps->write : fake_hw.bitmaps->read;
	if (page[encoding / 64] & BIT64(encoding % 64))
		return NULL;
	fid = vmcs_fid_of((uint32_t)encoding);
	assert_int_not_equal(fid, FID_NONE);
	assert_true(fake_hw.vmcs01[FID_VMCS_LINK_POINTER] ==
		    FAKE_SHADOW_HPA + n->cur->hw * PAGE_SIZE);
	return &fake_hw.shadow[n->cur->hw][fid];
}

static inline enum world_outcome l1_vmread(uint64_t encoding, uint64_t *value)
{
	const uint64_t *field = l1_served(encoding, false);

	if (!field) {
		l1_field_exits++;
		return world_read_encoding(encoding, value);
	}
	*value = vmcs_is_high((uint32_t)encoding) ? *field >> 32 : *field;
	return VMSUCCEED;
}

static inline enum world_outcome l1_vmwrite(uint64_t encoding, uint64_t value)
{
	uint64_t *field = l1_served(encoding, true);

	if (!field) {
		l1_field_exits++;
		return world_write_encoding(encoding, value);
	}
	if (vmcs_is_high((uint32_t)encoding))
		value = value << 32 | (uint32_t)*field;
	*field = value & vmcs_value_mask((uint32_t)encoding);
	return VMSUCCEED;
}

#endif
