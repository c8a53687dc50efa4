/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DMA-remapping unit: registers, legacy-mode translation, its caches, queued invalidation,
 * interrupt remapping and posting, as Intel's "Virtualization Technology for Directed I/O" has
 * them (docs/machine-vtd.md). Nothing of an emulator is in it: memory and interrupts are a
 * seam, which the plugin of Bochs and the unit test define.
 */
#ifndef NESTOR_TOOLS_BOCHS_VTD_UNIT_H
#define NESTOR_TOOLS_BOCHS_VTD_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers: VT-d "Register Descriptions", by their offsets. */
enum vtd_register {
	VTD_VER = 0x00,
	VTD_CAP = 0x08,
	VTD_ECAP = 0x10,
	VTD_GCMD = 0x18,
	VTD_GSTS = 0x1c,
	VTD_RTADDR = 0x20,
	VTD_CCMD = 0x28,
	VTD_FSTS = 0x34,
	VTD_FECTL = 0x38, /* then data, address, upper address; the same for IECTL */
	VTD_IQH = 0x80,
	VTD_IQT = 0x88,
	VTD_IQA = 0x90,
	VTD_ICS = 0x9c,
	VTD_IECTL = 0xa0,
	VTD_IQERCD = 0xb0,
	VTD_IRTA = 0xb8,
	VTD_IVA = 0x100,
	VTD_IOTLB = 0x108,
	VTD_FRCD = 0x200 /* 16 bytes each */
};
#define VTD_SIZE    0x1000u
#define VTD_RECORDS 8u
#define VTD_END     (VTD_FRCD + 16 * VTD_RECORDS)

/* Of GCMD and GSTS. */
#define VTD_TRANSLATE     (1u << 31)
#define VTD_SET_ROOT      (1u << 30)
#define VTD_QUEUE         (1u << 26)
#define VTD_REMAP         (1u << 25)
#define VTD_SET_IRTA      (1u << 24)
#define VTD_COMPATIBILITY (1u << 23)

/* Of FSTS. */
#define VTD_OVERFLOW         (1u << 0)
#define VTD_PENDING          (1u << 1)
#define VTD_QUEUE_ERROR      (1u << 4)
#define VTD_COMPLETION_ERROR (1u << 5)
#define VTD_TIMEOUT_ERROR    (1u << 6)

/* Of FECTL and IECTL. */
#define VTD_EVENT_MASK    (1u << 31)
#define VTD_EVENT_PENDING (1u << 30)

/* Host addresses have so many bits, addresses of devices at most so many. */
#define VTD_HOST_BITS  40u
#define VTD_GUEST_BITS 48u
#define VTD_MASK_MAX   18u /* of page-selective invalidation */

/* Where writes of 32 bits are interrupt requests. */
static inline bool vtd_is_message(uint64_t at)
{
	return at >> 20 == 0xfee;
}

enum vtd_reason {
	VTD_OK = 0,
#define R(code, name, silenced, words) VTD_##name = (code),
#include "../../hypervisor/spec/vtd_reasons.def"
#undef R
};

#define VTD_READ  1u
#define VTD_WRITE 2u

/* Cached entries. What is there is used until it is invalidated, whatever memory has. */
struct vtd_context {
	bool valid;
	bool silent;    /* FPD */
	uint8_t reason; /* with caching mode: why there is none */
	uint16_t source, domain;
	uint64_t low, high; /* as in memory */
};

struct vtd_page {
	bool valid;
	uint8_t shift;  /* 12, 21 or 30 */
	uint8_t rights; /* 0 only with caching mode */
	uint16_t domain;
	uint64_t at, host; /* multiples of its size */
};

/* A table of level `level`, for addresses that agree from the bit above it on. */
struct vtd_table {
	bool valid;
	uint8_t level, rights;
	uint16_t domain;
	uint64_t at, table;
};

struct vtd_irte {
	bool valid;
	uint8_t reason;
	uint16_t index;
	uint64_t low, high;
};

#define VTD_CONTEXTS 256u
#define VTD_PAGES    1024u
#define VTD_TABLES   256u
#define VTD_IRTES    1024u

struct vtd {
	uint32_t reg[VTD_END / 4];
	bool caching;        /* CAP.CM: what is absent is cached, too */
	uint64_t root, irta; /* as the last command took them over */
	unsigned next;       /* the record of the next fault */
	struct vtd_context contexts[VTD_CONTEXTS];
	struct vtd_page pages[VTD_PAGES];
	struct vtd_table tables[VTD_TABLES];
	struct vtd_irte irtes[VTD_IRTES];
};

struct vtd_interrupt {
	uint8_t vector, mode;
	bool logical, level;
	uint32_t destination;
};

/* ---- the seam ---- */

/* False where there is no memory. An access is at most a page, and leaves none. */
bool vtd_memory_read(uint64_t at, void *to, unsigned size);
bool vtd_memory_write(uint64_t at, const void *from, unsigned size);
void vtd_deliver(const struct vtd_interrupt *i);

/* ---- the unit ---- */

void vtd_reset(struct vtd *u, bool caching);

/* @size is 4 or 8, @at a multiple of it below VTD_SIZE. */
uint64_t vtd_read(const struct vtd *u, unsigned at, unsigned size);
void vtd_write(struct vtd *u, unsigned at, uint64_t value, unsigned size);

/*
 * Where device @source's access to @at goes: *host, with *room bytes from there on that belong
 * to the same page. VTD_OK, or the reason why it is blocked, which is recorded.
 */
enum vtd_reason vtd_translate(struct vtd *u, uint16_t source, uint64_t at, bool write,
	uint64_t *host, uint64_t *room);

/* An interrupt request: delivered, remapped, or blocked and recorded. */
enum vtd_reason vtd_message(struct vtd *u, uint16_t source, uint64_t address, uint32_t data);

/*
 * Descriptors of the invalidation queue, @most of them. True: more wait. Until then nothing of
 * theirs has happened.
 */
bool vtd_queue_run(struct vtd *u, unsigned most);

/* ---- between its files ---- */

static inline uint64_t vtd_get64(const struct vtd *u, unsigned at)
{
	return (uint64_t)u->reg[at / 4 + 1] << 32 | u->reg[at / 4];
}

static inline void vtd_set64(struct vtd *u, unsigned at, uint64_t v)
{
	u->reg[at / 4] = (uint32_t)v;
	u->reg[at / 4 + 1] = (uint32_t)(v >> 32);
}

static inline bool vtd_is_on(const struct vtd *u, uint32_t what)
{
	return u->reg[VTD_GSTS / 4] & what;
}

/* Bits first to last, all ones. */
static inline uint64_t vtd_bits(unsigned first, unsigned last)
{
	return (UINT64_MAX >> (63 - last)) & (UINT64_MAX << first);
}

/* Records a fault of a request, unless it is silenced and may be. Returns @reason. */
enum vtd_reason vtd_fault(struct vtd *u, enum vtd_reason reason, bool silent, uint16_t source,
	uint64_t information, bool read);
/* Sets bits of FSTS, with an event if none was set. */
void vtd_set_fault_status(struct vtd *u, uint32_t bits);
/* After records or FSTS were cleared. */
void vtd_faults_cleared(struct vtd *u);
/* The event whose control register is at @control happens, or may be sent at last. */
void vtd_raise_event(struct vtd *u, unsigned control);
void vtd_event_unmasked(struct vtd *u, unsigned control);

/* Invalidation: granularities as in the registers and descriptors. */
enum vtd_granularity {
	VTD_GLOBAL = 1,
	VTD_DOMAIN = 2,
	VTD_SELECTIVE = 3 /* device or page */
};

void vtd_forget_contexts(struct vtd *u, unsigned granularity, uint16_t domain, uint16_t source,
	unsigned function_mask);
/* Pages that touch the 2^mask ones at @at; @hint: not the tables. */
void vtd_forget_pages(struct vtd *u, unsigned granularity, uint16_t domain, uint64_t at,
	unsigned mask, bool hint);
void vtd_forget_irtes(struct vtd *u, bool selective, uint16_t index, unsigned mask);

/* NULL: not cached. */
struct vtd_context *vtd_cached_context(struct vtd *u, uint16_t source);
void vtd_cache_context(struct vtd *u, const struct vtd_context *c);
const struct vtd_page *vtd_cached_page(const struct vtd *u, uint16_t domain, uint64_t at);
void vtd_cache_page(struct vtd *u, const struct vtd_page *p);
const struct vtd_table *vtd_cached_table(
	const struct vtd *u, uint16_t domain, unsigned level, uint64_t at);
void vtd_cache_table(struct vtd *u, const struct vtd_table *t);
const struct vtd_irte *vtd_cached_irte(const struct vtd *u, uint16_t index);
void vtd_cache_irte(struct vtd *u, const struct vtd_irte *e);

#endif
