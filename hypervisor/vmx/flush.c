/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CPU has cached of guests' translations goes.
 */
#include "vmx/vmx.h"

#include "vmx/asm.h"

/*
 * Guest-physical mappings by INVEPT; combined ones by either; linear ones of a guest do not
 * exist, since each runs with EPT (SDM 28.3.3.1 "Operations that Invalidate Cached Mappings").
 */
void vmx_flush_all(void)
{
	invept(INVEPT_GLOBAL, 0);
	invvpid(INVVPID_ALL, 0, 0);
}
