/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USB host controllers: what firmware's SMM code and software hand a controller over by.
 */
#ifndef NESTOR_SPEC_USB_H
#define NESTOR_SPEC_USB_H

#include "lib/bits.h"

#define PCI_CLASS_USB 0x0c03u /* of PCI_CLASS_CODE */

/* Of PCI_INTERFACE. */
#define USB_UHCI 0x00u
#define USB_OHCI 0x10u
#define USB_EHCI 0x20u
#define USB_XHCI 0x30u

/*
 * The legacy support capability of EHCI (Specification 1.0, 2.1.7 "USBLEGSUP"; in configuration
 * space) and of xHCI (Specification 1.2, 7.1.1; behind its registers).
 */
#define USB_LEGACY_ID    1u
#define USB_LEGACY_SIZE  8u
#define USB_LEGACY_NEXT  8u /* bits 15:8: the next one; of xHCI in words from this one */
#define USB_LEGACY_BIOS  BIT(16)
#define USB_LEGACY_OS    BIT(24)
#define USB_LEGACY_SMIS  4u          /* offset of USBLEGCTLSTS: EHCI 2.1.8, xHCI 7.1.2 */
#define USB_EHCI_SMIS    0x0000e03fu /* SMIs that are enabled */
#define USB_XHCI_SMIS    0x0000e011u
#define USB_SMIS_PENDING 0xe0000000u /* cleared by ones */

/* Where the lists of capabilities begin: EHCI 2.2.4 "HCCPARAMS", xHCI 5.3.6 "HCCPARAMS1". */
#define USB_EHCI_HCCPARAMS 0x08u
#define USB_EHCI_EECP      8u /* bits 15:8: in configuration space */
#define USB_XHCI_HCCPARAMS 0x10u
#define USB_XHCI_XECP      16u /* bits 31:16: in words */

/* UHCI Design Guide 1.1, 5.2.1 "LEGSUP": in configuration space; there are no semaphores. */
#define USB_UHCI_LEGSUP  0xc0u
#define USB_UHCI_SMIS    0x00bfu /* and bit 5: writes to the A20 gate pass without one */
#define USB_UHCI_PENDING 0x8f00u /* cleared by ones */
#define USB_UHCI_PIRQ    0x2000u /* its interrupt is a pin's */

/*
 * OpenHCI 1.0a, chapter 7 "Operational Registers" and appendix B "Legacy Support Interface
 * Specification". All interrupts are SMIs while HcControl has IR (5.1.1.3.3).
 */
#define USB_OHCI_REVISION  0x000u  /* HcRevision */
#define USB_OHCI_VERSION   0x10u   /* bits 7:0 */
#define USB_OHCI_LEGACY    BIT(8)  /* there is HceControl */
#define USB_OHCI_CONTROL   0x004u  /* HcControl */
#define USB_OHCI_IR        BIT(8)  /* InterruptRouting: firmware has it */
#define USB_OHCI_RWC       BIT(9)  /* RemoteWakeupConnected; HCFS, bits 7:6, is 0: USBRESET */
#define USB_OHCI_COMMAND   0x008u  /* HcCommandStatus; zeros change nothing */
#define USB_OHCI_OCR       BIT(3)  /* OwnershipChangeRequest */
#define USB_OHCI_ENABLE    0x010u  /* HcInterruptEnable; likewise */
#define USB_OHCI_DISABLE   0x014u  /* HcInterruptDisable; likewise */
#define USB_OHCI_OC        BIT(30) /* OwnershipChange, an SMI always */
#define USB_OHCI_ALL       0xc000007fu
#define USB_OHCI_EMULATION 0x100u /* HceControl */
#define USB_OHCI_EMULATES  BIT(0) /* EmulationEnable: of ports 60H and 64H */

#endif
