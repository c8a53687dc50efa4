/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device (ports 0x510 to 0x51b): items by key, and files, which are
 * items with names. What they hold is vm/'s; here is how a guest reads them, also by DMA.
 * Items that a guest may write hold what it wrote since the reset.
 *
 * A long DMA transfer goes on in pieces by a timer, while the guest runs and looks whether it
 * has ended.
 */
#ifndef NESTOR_DEV_VFWCFG_H
#define NESTOR_DEV_VFWCFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/fwcfg.h"

#define VFWCFG_ITEMS   32
#define VFWCFG_BYTES   8192u
#define VFWCFG_WRITTEN 32u /* bytes of all items that a guest may write */

struct platform;

struct vfwcfg_item {
	const uint8_t *data;
	uint32_t size;
	uint16_t key;
	bool acpi;                  /* to be brought up to date when it is selected */
	bool writable;              /* data is NULL: its bytes are vfwcfg_state.written */
	uint8_t at;                 /* from this one on */
	bool display;               /* it is RAMFB_FILE: the guest tells of its picture */
	char name[FWCFG_FILE_NAME]; /* "": no file */
};

/* All items of a VM; zero is none. Built before the VM runs, constant then. */
struct vfwcfg_table {
	struct vfwcfg_item items[VFWCFG_ITEMS];
	unsigned count;
	uint8_t bytes[VFWCFG_BYTES]; /* of small items, and of the directory */
	size_t used;
	uint8_t written; /* bytes that the items have that a guest may write */
	bool full;
};

/*
 * Add an item: a value of 1 to 8 bytes, little-endian; or data, which stays where it is. A file
 * gets the next free key. Too much for the table is remembered in full.
 */
void vfwcfg_add_value(struct vfwcfg_table *t, uint16_t key, uint64_t value, unsigned bytes);
void vfwcfg_add_data(struct vfwcfg_table *t, uint16_t key, const void *data, uint32_t size);
struct vfwcfg_item *vfwcfg_add_file(
	struct vfwcfg_table *t, const char *name, const void *data, uint32_t size);
void vfwcfg_add_file_value(
	struct vfwcfg_table *t, const char *name, uint64_t value, unsigned bytes);
/* A file of zeros that a guest may write, by DMA. NULL: no room. */
struct vfwcfg_item *vfwcfg_add_writable(struct vfwcfg_table *t, const char *name, uint8_t size);
/* With config.display: RAMFB_FILE, which counts when its last byte is written. */
void vfwcfg_add_display(struct vfwcfg_table *t);
/* After the last file: makes the directory. False: the table was too small. */
bool vfwcfg_finish(struct vfwcfg_table *t);

struct vfwcfg_state {
	uint64_t dma_high;    /* what was written to the high half of the DMA register */
	uint64_t dma_control; /* guest-physical address of the control word of a transfer */
	uint64_t dma_address; /* where its next byte goes */
	uint32_t dma_left;    /* bytes that it still has to bring; 0: none goes on */
	uint32_t offset;      /* of the next byte of the item */
	uint16_t key;
	uint8_t reserved[6];
	uint8_t written[VFWCFG_WRITTEN]; /* of items that a guest may write; else 0 */
};

struct vfwcfg {
	struct vfwcfg_state s;
	const struct vfwcfg_table *table; /* NULL: the machine has no such device */
	bool built;                       /* the ACPI tables, since the reset */
	uint64_t ecam;                    /* for which chipset_ecam() */
};

void vfwcfg_reset(struct platform *p);

/* One access of 1, 2 or 4 bytes to 0x510..0x51b. False: nothing is there. */
bool vfwcfg_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* Goes on with a DMA transfer. */
void vfwcfg_run_timer(struct platform *p, uint64_t now);
uint64_t vfwcfg_deadline(const struct platform *p);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vfwcfg_get_state(const struct vfwcfg *f, struct vfwcfg_state *s);
bool vfwcfg_valid_state(const struct vfwcfg *f, const struct vfwcfg_state *s);
bool vfwcfg_set_state(struct vfwcfg *f, const struct vfwcfg_state *s);
/* After the states of this device and of the chipset: what the selected item shows. */
void vfwcfg_put_back(struct platform *p);

#endif
