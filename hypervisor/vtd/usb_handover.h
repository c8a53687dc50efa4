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

/* One that firmware can have. */
struct usb_controller {
	const struct usb_kind *kind; /* by which words it is handed over; usb_handover.c */
	uint32_t sbdf;
	uint64_t registers; /* where its BAR leads; 0: they are not needed */
	uint32_t at;        /* of its words: in configuration space, or behind those */
	bool had;           /* by firmware, when it was asked */
	bool silent;        /* firmware had it, and did not answer */
};

struct usb_handover {
	unsigned count;    /* of `all` */
	unsigned asked;    /* firmware had them */
	unsigned ended;    /* had SMIs, that it has not any more */
	unsigned left_out; /* there was no room for them */
	struct usb_controller all[USB_CONTROLLERS];
};

/* Is the function, PCI_SBDF, a controller of a kind that firmware is asked for? */
static inline bool usb_is_asked_for(uint32_t sbdf)
{
	uint32_t kind = vtd_seam_config(sbdf, PCI_INTERFACE, 1);

	return vtd_seam_config(sbdf, PCI_CLASS_CODE, 2) == PCI_CLASS_USB &&
	       (vtd_seam_config(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) == 0 &&
	       (kind == USB_UHCI || kind == USB_OHCI || kind == USB_EHCI || kind == USB_XHCI);
}

/*
 * Has firmware been asked for the function? What it did with it needs no memory (RMRR) any more
 * then. Not so one that slept, or whose registers were nowhere: firmware may have it yet.
 */
bool usb_handover_has(const struct usb_handover *h, uint32_t sbdf);

/* Asks for the function, if it is such a controller, is awake and decodes its memory. */
void usb_handover_ask(struct usb_handover *h, uint32_t sbdf);

/*
 * Waits until firmware has given up all that were asked for, USB_PATIENCE at most: from who
 * does not answer they are taken. Then none of them sends SMIs.
 */
void usb_handover_end(struct usb_handover *h);

#endif
