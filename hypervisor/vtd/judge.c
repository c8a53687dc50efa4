/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/judge.h"

#include "vtd/usb_handover.h"

/* What firmware does with a device by DMA goes on when a VM has it. */
static const char *judge_region(const struct dmar *d, uint16_t bdf, bool given_up)
{
	if (given_up || dmar_region_of(d, 0, bdf) == NULL)
		return NULL;
	return usb_is_asked_for(bdf)
		       ? "firmware may use it yet, by memory that it must reach (RMRR): it could "
			 "not be asked for it at the start"
		       : "firmware uses it for itself, by memory that it must reach (RMRR)";
}

const char *vtd_judge_function(const struct dmar *d, const struct vtd_unit *u, uint16_t bdf,
	const struct vtd_wish *wish)
{
	if (u->failed != NULL)
		return u->failed;
	if (!u->on)
		return "its IOMMU is not on";
	if (wish->through)
		return u->caps.pass ? NULL
				    : "its IOMMU is on and cannot let it pass ('iommu: none')";
	if (!u->remaps)
		return "its IOMMU does not remap interrupts: it could send any to any CPU";
	return judge_region(d, bdf, wish->given_up);
}
