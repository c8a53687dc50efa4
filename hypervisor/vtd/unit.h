/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A remapping unit of the machine: bring-up, which function's requests go through which tables,
 * interrupts, invalidation, faults.
 *
 * All functions return NULL, or in words why it could not be done. A unit that does not answer
 * within VTD_PATIENCE is not waited for again: it has failed for good, and says why at once.
 * One caller at a time for each unit.
 */
#ifndef NESTOR_VTD_UNIT_H
#define NESTOR_VTD_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/caps.h"
#include "vtd/entries.h"
#include "vtd/tables.h"

#define VTD_PATIENCE 1000000u /* microseconds */
#define VTD_IRTES    256u     /* interrupt entries of a unit */
#define VTD_BUSES    256u

struct vtd_unit {
	uint64_t registers;
	struct vtd_caps caps;
	const char *failed; /* why it cannot be used; NULL: it can */
	void *pool;         /* of its own tables */
	bool on;            /* translation is, and nothing is let through by itself */
	bool remaps;        /* and interrupts go through its entries */
	bool extended;      /* to destinations of 32 bits */
	uint32_t states;    /* of GCMD */
	struct vtd_entry *root, *queue, *irtes;
	uint32_t tail;     /* of the queue, a descriptor's number */
	uint32_t sequence; /* of the last wait */
	uint32_t *status;  /* where it is written to */
};

/* Looks at what is there. levels: see vtd_caps_judge. */
const char *vtd_unit_find(struct vtd_unit *u, uint64_t registers, unsigned levels);

/*
 * Takes the unit over, in two steps, between which functions can be attached: they are never
 * kept from what they reach by that. The first one stops what firmware has left on; its tables
 * are pages of this pool, which it keeps. With the second one translation begins, and all other
 * functions are blocked; and remapping of interrupts, if the unit can: those in the old format
 * are blocked, and all entries are empty. extended: local APICs are in x2APIC mode.
 */
const char *vtd_unit_prepare(struct vtd_unit *u, void *pool);
const char *vtd_unit_begin(struct vtd_unit *u, bool extended);
/* What firmware or a caller has on is stopped: nothing is translated. */
const char *vtd_unit_stop(struct vtd_unit *u);

/* Nobody may use it any more. Returns why, which stays the first reason. */
const char *vtd_unit_fail(struct vtd_unit *u, const char *why);

/* ---- functions; domains are numbers from 1 up to caps.domains, less one ---- */

/* Requests of this function go through these tables from now on. It had none before. */
const char *vtd_unit_attach(
	struct vtd_unit *u, uint16_t source, const struct vtd_tables *t, uint16_t domain);
/* They are let through as they are. */
const char *vtd_unit_pass(struct vtd_unit *u, uint16_t source, uint16_t domain);
/* They are blocked again, and none that was let through is on its way. */
const char *vtd_unit_detach(struct vtd_unit *u, uint16_t source, uint16_t domain);
/* Mappings of the domain's tables were added, changed or taken away. */
const char *vtd_unit_flush(struct vtd_unit *u, uint16_t domain);
/* The same, of these pages only; at and size are multiples of 4 KiB. */
const char *vtd_unit_flush_pages(
	struct vtd_unit *u, uint16_t domain, uint64_t at, uint64_t size);

/* ---- interrupts; index below VTD_IRTES ---- */

/* Those from `first` on; an entry of zeros: there is none any more. */
const char *vtd_unit_set_irtes(
	struct vtd_unit *u, unsigned first, const struct vtd_entry *e, unsigned count);

/* ---- faults ---- */

struct vtd_fault {
	uint16_t source;
	uint8_t reason;   /* enum vtd_reason, or another number */
	bool read;        /* else a write, or an interrupt request */
	bool lost;        /* others had no room after it */
	uint64_t address; /* of the page; of interrupts: the index in bits 63:48 */
};

/* The oldest one that is recorded, which is forgotten then. False: there is none. */
bool vtd_unit_fault(struct vtd_unit *u, struct vtd_fault *f);
/* What was blocked: "read at", "write at" or "message with index", and that number. */
const char *vtd_fault_words(const struct vtd_fault *f, uint64_t *number);
/* Why, in words, after "blocked: "; of a number that is not known, that. */
const char *vtd_reason_words(uint8_t reason);
bool vtd_reason_is_interrupt(uint8_t reason);
/* None comes until it is not masked any more; then it does, if there is something. */
void vtd_unit_mask_event(struct vtd_unit *u, bool mask);
/* Fault events are this message. */
void vtd_unit_fault_event(
	struct vtd_unit *u, uint32_t address, uint32_t address_high, uint32_t data);

#endif
