/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For payloads that program a remapping unit: that of the emulated machine
 * (docs/machine-vtd.md), whose test device (docs/machine-device.md) they let reach memory and
 * interrupt, or QEMU's, by another device (tests/vtd).
 */
#ifndef NESTOR_TESTS_BOOT_VTD_UNIT_H
#define NESTOR_TESTS_BOOT_VTD_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vtd.h"

#define UNIT   0xfed90000u
#define SOURCE 0x10u /* the device: 00:02.0 */
#define BUS    0u

#define CAP    0x08u
#define ECAP   0x10u
#define GCMD   0x18u
#define GSTS   0x1cu
#define RTADDR 0x20u
#define CCMD   0x28u
#define FSTS   0x34u
#define FECTL  0x38u
#define FEDATA 0x3cu
#define FEADDR 0x40u
#define IQH    0x80u
#define IQT    0x88u
#define IQA    0x90u
#define ICS    0x9cu
#define IECTL  0xa0u
#define IEDATA 0xa4u
#define IEADDR 0xa8u
#define IQERCD 0xb0u
#define IRTA   0xb8u
/* Where the unit says that they are, and how many. */
#define IVA     VTD_ECAP_IRO(unit64(ECAP))
#define IOTLB   (IVA + 8)
#define FRCD    VTD_CAP_FRO(unit64(CAP))
#define RECORDS VTD_CAP_NFR(unit64(CAP))

/* Of GCMD and GSTS. */
#define TRANSLATE (1u << 31)
#define SRTP      (1u << 30)
#define QIE       (1u << 26)
#define IRE       (1u << 25)
#define SIRTP     (1u << 24)
#define CFI       (1u << 23)

/* Of FSTS. */
#define PFO 1u
#define PPF 2u
#define IQE 16u

#define READ_OK  1u
#define WRITE_OK 2u
#define BOTH     3u
#define LARGE    0x80u

/* Granularities of invalidation. */
#define ALL       1u
#define OF_DOMAIN 2u
#define SELECTED  3u

static inline uint32_t unit32(unsigned at)
{
	return *(volatile uint32_t *)(uintptr_t)(UNIT + at);
}

static inline uint64_t unit64(unsigned at)
{
	return *(volatile uint64_t *)(uintptr_t)(UNIT + at);
}

static inline void set_unit32(unsigned at, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)(UNIT + at) = v;
}

static inline void set_unit64(unsigned at, uint64_t v)
{
	*(volatile uint64_t *)(uintptr_t)(UNIT + at) = v;
}

/* One line a case; failed counts. */
extern unsigned failed;
void expect(const char *what, uint64_t got, uint64_t want);

/* ---- the device ---- */

#define BLOCKED 0x58u

/* Finds it, gives its registers a place, lets it be bus master; ends the payload if it is not
 * there. */
void device_start(void);
volatile uint32_t *device(unsigned offset);
uint32_t device_config(unsigned offset);
void device_set_config(unsigned offset, uint32_t v);
/* Copies by DMA. How many pieces were blocked. */
uint32_t device_copy(uint64_t from, uint64_t to, uint32_t size);
/* Event 0 as a message to this address, by MSI-X. */
void device_message(uint32_t address, uint32_t data);
/* The same of any function of the device's, whose registers are there. */
uint32_t function_copy(volatile uint32_t *regs, uint64_t from, uint64_t to, uint32_t size);
void function_message(volatile uint32_t *regs, uint32_t address, uint32_t data);

void wait_ticks(uint64_t ticks);

/* ---- the unit ---- */

extern uint64_t *root, *contexts; /* contexts: of bus 0 */

/* Sets state bits beside the ones that are on; once: SRTP, SIRTP. */
void unit_on(uint32_t bits);
void unit_off(uint32_t bits);
/* Root table with a context table for bus 0, empty. Translation stays off. */
void unit_tables(void);
/* A context entry of the device's: levels 3 or 4; type 2 passes through, with tables 0. */
void unit_context(unsigned domain, unsigned levels, unsigned type, uint64_t tables);
void unit_context_of(
	unsigned source, unsigned domain, unsigned levels, unsigned type, uint64_t tables);
/* Maps one page of 4 KiB (level 1), 2 MiB (2) or 1 GiB (3). */
void unit_map(uint64_t *tables, unsigned levels, uint64_t at, uint64_t to, unsigned level,
	uint64_t rights);
/* The entry of level `level` for this address. */
uint64_t *unit_entry(uint64_t *tables, unsigned levels, uint64_t at, unsigned level);

/* By registers, or by the queue if that is on; done when they return. */
void forget_contexts(unsigned granularity, unsigned domain, unsigned source);
void forget_pages(unsigned granularity, unsigned domain, uint64_t at, unsigned mask, bool hint);
void forget_all(void);
void queue_start(void);
void queue_put(uint64_t low, uint64_t high);
/* Puts a wait descriptor, and waits. */
void queue_wait(void);
extern uint64_t *queue;

/* The reason of the fault that is recorded first, with its record; 0: none. Clears all. */
struct fault {
	unsigned reason, count;
	uint16_t source;
	bool read;
	uint64_t information;
};
struct fault take_fault(void);

#endif
