/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual DMA-remapping unit of a VM (VT-d, legacy mode; spec/vtd.h): what its functions do
 * to memory, and all interrupt requests, go through the guest's tables.
 *
 * Its walk gives guest-physical addresses, which whoever asked takes to memory with the checks
 * that all others have: nothing here, right or wrong, reaches more than the VM. What is cached
 * is what a real unit may cache; caching mode (CM) is on, so that a guest invalidates after
 * each change, and the hypervisor may keep tables of its own that follow from the guest's.
 *
 * A requester is a source-id: bus, device, function as the guest has numbered them. A place is
 * that of a function in vpci.h, whose bus is the number of its port.
 *
 * With the lock of the platform held.
 */
#ifndef NESTOR_DEV_VVTD_H
#define NESTOR_DEV_VVTD_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vtd.h"

#define VVTD_BASE      VTD_REGISTERS_BASE
#define VVTD_SIZE      VTD_REGISTERS_SIZE
#define VVTD_HOST_BITS 46u /* of guest-physical addresses in tables, for DMAR, too */
#define VVTD_BITS      48u /* of the functions' addresses, at most */

/* Requesters that are no PCI functions, on a bus of their own: DMAR tells. */
#define VVTD_IOAPIC_BUS    0xf0u
#define VVTD_IOAPIC_DEVICE 0x1fu
#define VVTD_IOAPIC_SOURCE ((uint16_t)(VVTD_IOAPIC_BUS << 8 | VVTD_IOAPIC_DEVICE << 3))

#define VVTD_RECORDS 8u
#define VVTD_FRCD    0x200u /* offset of the fault records */
#define VVTD_IOTLB   0x100u /* offset of the IOTLB registers */
#define VVTD_END     (VVTD_FRCD + VTD_FRCD_SIZE * VVTD_RECORDS)

#define VVTD_CONTEXTS 64u
#define VVTD_PAGES    256u
#define VVTD_ENTRIES  64u
#define VVTD_NEAR     256u

struct platform;
struct vlapic_message;

struct vvtd_state {
	uint32_t reg[VVTD_END / 4]; /* as they read */
	uint64_t root, irta;        /* as the last commands took them over */
	uint32_t next;              /* the record of the next fault */
	uint32_t reserved;          /* 0 */
};

/* Of a requester: what its context entry says, which is present and right. */
struct vvtd_context {
	bool valid, silent; /* FPD */
	bool passes;        /* nothing is translated */
	uint8_t levels;     /* of its tables */
	uint16_t source, domain;
	uint64_t tables;
};

/* A page that can be read or written. */
struct vvtd_page {
	bool valid;
	uint8_t shift;  /* 12, 21 or 30 */
	uint8_t rights; /* VTD_SL_RIGHTS */
	uint16_t domain;
	uint64_t at, gpa; /* multiples of its size */
};

/*
 * Both at once for 4 KiB that a requester accessed, and where L0 has them; for VMs whose RAM
 * stays where it is. It goes with any invalidation of the others.
 */
struct vvtd_near {
	uint64_t at, gpa; /* of the first byte */
	uint8_t *host;
	uint64_t age; /* of the unit then; 0: none */
	uint16_t source;
	uint8_t rights;
};

struct vvtd_entry {
	bool valid;
	uint16_t index;
	uint64_t low, high;
};

struct vvtd {
	struct vvtd_state s;
	bool switches; /* the last command turned translation on or off */
	/* Caches; each entry has one place. */
	struct vvtd_context contexts[VVTD_CONTEXTS];
	struct vvtd_page pages[VVTD_PAGES];
	struct vvtd_entry entries[VVTD_ENTRIES];
	struct vvtd_near near[VVTD_NEAR];
	uint64_t age; /* 1 and up: how often something of contexts or pages was forgotten */
};

/* Whether the VM has one: config.vtd. Without, nothing of it answers. */
bool vvtd_exists(const struct platform *p);
void vvtd_reset(struct platform *p);

/* ---- registers ---- */

/* Whether an access meets its registers. */
bool vvtd_claims(const struct platform *p, uint64_t gpa, uint64_t size);

/*
 * One access in [VVTD_BASE, VVTD_BASE + VVTD_SIZE). Software must use aligned 32 or 64 bits:
 * other writes are ignored.
 */
uint64_t vvtd_read(struct platform *p, uint64_t gpa, unsigned size);
void vvtd_write(struct platform *p, uint64_t gpa, unsigned size, uint64_t value);
/* A piece of the invalidation queue, bounded. True: there is more (dev_work was called). */
bool vvtd_work(struct platform *p);

/* ---- translation ---- */

struct vvtd_place {
	uint64_t gpa;
	uint64_t left;  /* bytes from there on that belong to the same page */
	uint8_t shift;  /* of the page: 12, 21, 30; 63: all is passed through */
	uint8_t rights; /* VTD_SL_RIGHTS */
	bool silent;    /* a fault is not to be recorded (FPD), if it is one of those */
};

/*
 * Where a requester's address leads, as the caches and tables have it, with translation on.
 * Records nothing. What *to has is defined if there is no fault, and `silent` always.
 */
enum vtd_reason vvtd_translate(
	struct platform *p, uint16_t source, uint64_t iova, bool write, struct vvtd_place *to);

/*
 * The context entry of a requester, with translation on; c->passes: its addresses are memory's.
 * Records nothing.
 */
enum vtd_reason vvtd_context_of(struct platform *p, uint16_t source, struct vvtd_context *c);

/*
 * What such tables have from an address on that they reach: pages one behind the other with the
 * same rights, or (rights 0) that there are none. It begins where a page does, or the hole of
 * an entry, and goes beyond `end` with its last one only. Not by the caches.
 */
struct vvtd_run {
	uint64_t at, size, gpa;
	uint8_t rights; /* VTD_SL_RIGHTS */
};
void vvtd_run_of(struct platform *p, const struct vvtd_context *c, uint64_t at, uint64_t end,
	struct vvtd_run *run);

/*
 * A function of the machine's was kept from a page: recorded as what the guest's tables say, if
 * they do not allow it. False: they do.
 */
bool vvtd_blocked(struct platform *p, uint16_t source, uint64_t iova, bool read);

/*
 * For the seam of devices to memory, with translation on: dev_memory for the function in this
 * place. NULL, and recorded, if it is blocked; NULL also when it is not contiguous in
 * guest-physical memory.
 */
void *vvtd_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write);
/* The same where that is known. NULL: vvtd_memory has to look. *gpa: what it is in memory. */
void *vvtd_near_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size,
	bool write, uint64_t *gpa);
/*
 * While this is the same, and not 0, dev_memory's answers to reads of the function in this
 * place are, too.
 */
uint64_t vvtd_stamp(const struct platform *p, uint16_t place);
/*
 * How much of [iova, iova + size) one dev_memory takes for this function, from the start on: at
 * least to the end of its page of 4 KiB.
 */
uint64_t vvtd_contiguous_far(
	struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write);

/* ---- invalidation ---- */

enum vvtd_invalidated {
	VVTD_OF_CONTEXTS,
	VVTD_OF_PAGES,
	VVTD_OF_ENTRIES
};

/* What software asks to be forgotten, by registers or descriptors. */
struct vvtd_invalidation {
	enum vvtd_invalidated what;
	/* VTD_GLOBAL, VTD_DOMAIN, VTD_DEVICE, VTD_PAGES; of entries VTD_GLOBAL, VTD_PAGES */
	unsigned granularity;
	uint16_t domain;
	uint16_t source, functions; /* VTD_DEVICE; `functions` bits do not count */
	uint64_t at;                /* VTD_PAGES: multiple of a page */
	uint16_t index;
	unsigned mask; /* 2^mask pages or entries */
};

/*
 * Seam, provided by vm/: functions of the machine that the VM owns have tables that follow from
 * the guest's. Software has said that these may be other ones; NULL: translation begins or
 * ends, or there are other root tables.
 */
void dev_remap_changed(struct platform *p, const struct vvtd_invalidation *i);
/*
 * A piece of what follows from that, from *most entries on, which become less. True: there is
 * more, and what was said has not been done yet.
 */
bool dev_remap_work(struct platform *p, unsigned *most);
/* Whether there is. */
bool dev_remap_waits(const struct platform *p);
/* Software looks at what was blocked: what the machine knows of it is recorded now. */
void dev_remap_faults(struct platform *p);

/* Whether something cached, with these, is to be forgotten. */
bool vvtd_covers_context(const struct vvtd_invalidation *i, uint16_t source, uint16_t domain);
bool vvtd_covers_page(
	const struct vvtd_invalidation *i, uint16_t domain, uint64_t at, unsigned shift);
bool vvtd_covers_entry(const struct vvtd_invalidation *i, uint16_t index);
/* Forgets it. What else follows from the guest's tables must be forgotten here, too. */
void vvtd_forget(struct platform *p, const struct vvtd_invalidation *i);

/* ---- interrupt requests ---- */

/* Whether they are remapped. */
bool vvtd_remaps(const struct platform *p);
/*
 * A write of data to an address of interrupt requests: the message that it leads to. False: to
 * none, since it is blocked, and recorded, or has been posted where nobody is to be notified.
 */
bool vvtd_message(struct platform *p, uint16_t source, uint64_t address, uint32_t data,
	struct vlapic_message *m);

/*
 * The message that such a write would lead to, until software has entries forgotten or
 * switches remapping. False: to none, or more happens than a message: somebody must write.
 */
bool vvtd_route(struct platform *p, uint16_t source, uint64_t address, uint32_t data,
	struct vlapic_message *m);

/* Taken and put back: state.h. Valid: whether the unit can be in it; set checks the same. */
void vvtd_get_state(const struct platform *p, struct vvtd_state *s);
bool vvtd_valid_state(const struct platform *p, const struct vvtd_state *s);
bool vvtd_set_state(struct platform *p, const struct vvtd_state *s);

#endif
