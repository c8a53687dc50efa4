/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that copies memory by DMA and interrupts by message or pin: the test device of the
 * emulated machine (docs/machine-device.md), or QEMU's `edu`. One payload runs on both.
 */
#ifndef NESTOR_TESTS_VTD_COPIER_H
#define NESTOR_TESTS_VTD_COPIER_H

#include <stdbool.h>
#include <stdint.h>

extern uint16_t copier;    /* its source-id */
extern uint8_t copier_pin; /* of the IOAPIC, with ID 0 */

/* False: there is none. Interrupts must be on by apic_take_all(). */
bool copier_start(void);
/* Up to 4 KiB; done when it returns. What cannot be read or written, is not. */
void copier_copy(uint64_t from, uint64_t to, uint32_t size);
/* Writes the data to this address as an interrupt message, and waits until it is there. */
void copier_message(uint32_t address, uint32_t data);
/* Asserts its pin, until copier_lower(). */
void copier_raise(void);
void copier_lower(void);

/* Halts for some microseconds by the clock of the local APIC. */
void rest(unsigned microseconds);

#endif
