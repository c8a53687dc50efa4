/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI transport of virtio devices (virtio 1.2, 4.1 "Virtio Over PCI Bus"), without the
 * legacy interface: one memory region with the structures that the capabilities name, MSI-X,
 * and a pin.
 */
#ifndef NESTOR_VIRTIO_PCI_H
#define NESTOR_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

struct virtio;
struct vpci_function;

/*
 * Adds the function; physical: it is a virtual one of that, else NULL. False: no room on the
 * bus.
 */
bool virtio_pci_add(struct virtio *v, uint16_t bdf, struct vpci_function *physical);
/* The pin follows the ISR status. */
void virtio_pci_update_pin(struct virtio *v);

#endif
