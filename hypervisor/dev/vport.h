/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root ports: PCI Express bridges on bus 0 with a slot each (PCI Express Base Specification
 * 4.0, 6.7 "PCI Express Hot-Plug Support"), and the PCI Express capability of what is in a
 * slot.
 *
 * A port's configuration space is its whole state. What is behind it is reached by its bus
 * number and through its windows, as software has set them, while the link is up: the slot has
 * power, the link is not disabled, the bus is not in reset. When the link goes down what is
 * behind it is reset. A port has an attention button and a power controller; presence, the
 * button, the link and completed commands are events, with MSI or INTA# to INTD#.
 *
 * With the lock of the platform held, but for set-up.
 */
#ifndef NESTOR_DEV_VPORT_H
#define NESTOR_DEV_VPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"

#define VPORTS LIMIT_ROOT_PORTS

struct platform;
struct vpci;
struct vpci_function;
struct vpci_state;

/* What a slot may need for registers of what comes into it. */
struct vport_room {
	uint64_t memory, alignment; /* bytes, a power of two */
	bool ports;
};

struct vport {
	struct vpci_function *f; /* NULL: it is not there */
	bool event;              /* what it interrupts for; follows from its registers */
	bool pressed;            /* the guest has not shown that it heard the button */
	bool listens;            /* the button is enabled as an event */
	uint8_t bus;             /* its secondary bus, by which devices behind it are known */
	struct vport_room room;  /* beyond what there is without it */
};

/* ---- set-up ---- */

/* The port with this number, from 1 up, in this place on bus 0. False: no room there. */
bool vport_add(struct platform *p, unsigned number, uint16_t bdf);
/* As it is when power comes: a function is in the slot, which is on. */
void vport_fill(struct platform *p, unsigned number);
/* Before vport_assign: there will be windows of that size, whatever is there. */
void vport_reserve(struct platform *p, unsigned number, const struct vport_room *room);
/* Bus numbers and windows, for a guest that starts without firmware (vpci_assign). */
void vport_assign(struct platform *p, uint64_t *port, uint64_t *memory);

/* ---- while the VM runs ---- */

/* A function has come into the slot: vpci_add was called. */
void vport_plug(struct platform *p, unsigned number);
/* The attention button of the slot is pressed. */
void vport_press(struct platform *p, unsigned number);
/* Whether the guest has heard the button and waits: pressed again, it takes it back. */
bool vport_considers(const struct platform *p, unsigned number);
/*
 * What was in the slot is not there any more, with or without the guest: vpci_remove follows.
 */
void vport_pull(struct platform *p, unsigned number);
/* Whether something is in the slot; whether the slot has power. */
bool vport_filled(const struct platform *p, unsigned number);
bool vport_powered(const struct platform *p, unsigned number);

/* ---- for vpci ---- */

/* The port in front of this function, or NULL. */
struct vpci_function *vport_of(const struct vpci_function *f);
/* The bus behind the port with this number, as software has numbered it; 0: not yet. */
unsigned vport_bus(const struct vpci *pci, unsigned number);
/* The number of the port through which this bus is reached now; 0: none. */
unsigned vport_of_bus(const struct vpci *pci, unsigned bus);
/* Whether the port passes on accesses to these addresses, of memory or ports. */
bool vport_passes(const struct vpci_function *port, bool io, uint64_t first, uint64_t last);
/* Whether it passes on what comes from behind. */
bool vport_masters(const struct vpci_function *port);
/* The capability of a function that is behind one. */
void vport_add_endpoint(struct vpci_function *f);
/* Bits of this byte of a port's configuration space that it changes itself. */
uint8_t vport_own_bits(const struct vpci_function *f, unsigned offset);
/* The states of the ports are as they can be; what follows from them. */
bool vport_valid_state(const struct vpci *pci, const struct vpci_state *s);
void vport_put_back(struct vpci *pci);

#endif
