/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugins of the machine with a remapping unit know of each other. */
#ifndef NESTOR_TOOLS_BOCHS_VTD_H
#define NESTOR_TOOLS_BOCHS_VTD_H

#include <stdbool.h>
#include <stdint.h>

/* Places in the machine; tools/nestor/machine_acpi.c tells them to software. */
#define VTD_PLACE  0xfed90000u
#define ECAM_PLACE 0xe8000000u
#define ECAM_SIZE  0x100000u /* bus 0 */
/* Of segment 1, where the test device is alone, if the machine has such. */
#define VTD_PLACE_1   0xfeda0000u
#define ECAM_PLACE_1  (ECAM_PLACE + ECAM_SIZE)
#define IOAPIC_PLACE  0xfec00000u
#define IOAPIC_SOURCE 0xf0f8u /* f0:1f.0 */
#define HPET_SOURCE   0xf0f0u /* f0:1e.0 */

/*
 * For a plugin of ours that is a device. They are symbols of libbx_nestorvtd.so, which does not
 * have to be there, or to be at work: nestor_unit_on is false then.
 */
typedef bool (*unit_dma)(uint16_t source, uint64_t at, void *data, unsigned size, bool write);
typedef void (*unit_message)(uint16_t source, uint64_t address, uint32_t data);
extern bool nestor_unit_on;
/* Each page of it that is blocked reads as ones; false if there was any. */
bool nestor_unit_dma(uint16_t source, uint64_t at, void *data, unsigned size, bool write);
void nestor_unit_message(uint16_t source, uint64_t address, uint32_t data);

/*
 * What libbx_nestordev.so has for the unit's plugin: extended configuration space, from offset
 * 100h on. False if it has no such function.
 */
typedef bool (*device_config)(
	uint16_t source, unsigned at, unsigned size, uint32_t *value, bool write);
bool nestor_device_config(
	uint16_t source, unsigned at, unsigned size, uint32_t *value, bool write);

/* Whose too: the device is nowhere on PCI as the ports have it, while this is true. */
extern bool nestor_device_hidden;

/* ---- between files of the unit's plugin ---- */

/* Takes the place of Bochs' own IOAPIC. */
void ioapic_init(void);
void ioapic_reset(void);

/* Puts the unit between memory and the devices of other plugins. */
void sources_init(void);

#endif
