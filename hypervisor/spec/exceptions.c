/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/exceptions.h"

#include "spec/regs.h"
#include "spec/vmx.h"

enum exception_class {
	CLASS_BENIGN,
	CLASS_CONTRIBUTORY,
	CLASS_PAGE_FAULT,
	CLASS_DOUBLE_FAULT
};

static enum exception_class class_of(uint8_t vector)
{
	switch (vector) {
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP:
	case VEC_CP: /* newer than the pinned edition: contributory */
		return CLASS_CONTRIBUTORY;
	case VEC_PF:
	case VEC_VE:
		return CLASS_PAGE_FAULT;
	case VEC_DF:
		return CLASS_DOUBLE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

enum exception_outcome exception_combine(uint32_t first, uint8_t second)
{
	enum exception_class old = CLASS_BENIGN, new = class_of(second);

	/* Interrupts, INT n, INT3 and INTO are benign whatever their vector. */
	if (first & INTR_INFO_VALID && INTR_INFO_TYPE(first) == INTR_HW_EXCEPTION)
		old = class_of((uint8_t)INTR_INFO_VECTOR(first));
	if (old == CLASS_BENIGN || new == CLASS_BENIGN)
		return OUTCOME_SERIAL;
	if (old == CLASS_DOUBLE_FAULT)
		return OUTCOME_SHUTDOWN;
	if (old == CLASS_CONTRIBUTORY && new == CLASS_PAGE_FAULT)
		return OUTCOME_SERIAL;
	return OUTCOME_DOUBLE;
}

uint64_t dr6_after(uint64_t dr6, uint64_t conditions)
{
	return (dr6 & ~DR6_B0_B3) | (conditions & (DR6_B0_B3 | DR6_BD | DR6_BS | DR6_BT));
}
