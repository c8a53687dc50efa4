/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USB controllers that firmware's SMM code drives, for keyboards on USB: it is asked for them
 * before anything is blocked or stopped, since code that waits for a controller that reaches no
 * memory may wait for ever, where nobody can see it.
 */
#ifndef NESTOR_VTD_USB_HANDOVER_H
#define NESTOR_VTD_USB_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/pci.h"
#include "spec/usb.h"
#include "vtd/seam.h"

#define USB_CONTROLLERS 64u
#define USB_PATIENCE    1000000u /* microseconds, for all of them together */

/* One with a legacy support capability. */
struct usb_controller {
	uint32_t sbdf;
	uint64_t registers; /* of xHCI */
	uint32_t at;        /* of the capability: in configuration space, or behind those */
	bool xhci;
	bool silent; /* firmware had it, and did not answer */
};

struct usb_handover {
	unsigned count;    /* all of the first two kinds */
	unsigned asked;    /* firmware had them */
	unsigned ended;    /* had SMIs, that it has not any more; of UHCI at once */
	unsigned left_out; /* there was no room for them */
	struct usb_controller all[USB_CONTROLLERS];
};

/*
 * Is the function, PCI_SBDF, a controller that firmware is asked for? What firmware did with it
 * needs no memory (RMRR) any more then.
 */
static inline bool usb_is_asked_for(uint32_t sbdf)
{
	uint32_t kind = vtd_seam_config(sbdf, PCI_INTERFACE, 1);

	return vtd_seam_config(sbdf, PCI_CLASS_CODE, 2) == PCI_CLASS_USB &&
	       (vtd_seam_config(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) == 0 &&
	       (kind == USB_UHCI || kind == USB_EHCI || kind == USB_XHCI);
}

/* Asks for the function, if it is such a controller and decodes its memory. */
void usb_handover_ask(struct usb_handover *h, uint32_t sbdf);

/*
 * Waits until firmware has given up all that were asked for, USB_PATIENCE at most: from who
 * does not answer they are taken. Then none of them sends SMIs.
 */
void usb_handover_end(struct usb_handover *h);

#endif
