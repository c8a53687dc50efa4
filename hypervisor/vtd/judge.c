/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/judge.h"

#include "vtd/usb_handover.h"

/*
 * What firmware does with a device by DMA goes on when a VM has it, but of USB controllers,
 * for which it was asked, or which do not work, by then.
 */
const char *vtd_judge_function(
	const struct dmar *d, const struct vtd_unit *u, uint16_t bdf, bool through)
{
	if (u->failed != NULL)
		return u->failed;
	if (!u->on)
		return "its IOMMU is not on";
	if (through)
		return u->caps.pass ? NULL
				    : "its IOMMU is on and cannot let it pass ('iommu: none')";
	if (!u->remaps)
		return "its IOMMU does not remap interrupts: it could send any to any CPU";
	if (dmar_region_of(d, 0, bdf) != NULL && !usb_is_asked_for(bdf))
		return "firmware uses it for itself, by memory that it must reach (RMRR)";
	return NULL;
}
