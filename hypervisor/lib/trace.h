/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU does, record by record: the ring that keeps the last ones, the filter before it,
 * and the bytes in which records leave L0. Both sides link this; the format is one table. Pure.
 */
#ifndef NESTOR_LIB_TRACE_H
#define NESTOR_LIB_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_VERSION 2

enum trace_kind {
#define K(name, word) TRACE_##name,
#include "lib/trace.def"
	TRACE_KINDS
};

struct trace_record {
#define F(name, bits) uint##bits##_t name;
#include "lib/trace.def"
};

/* Bytes of a record outside L0. */
enum {
	TRACE_RECORD_SIZE = 0
#define F(name, bits) +(bits) / 8
#include "lib/trace.def"
};

/* How a file begins; struct trace_chunk and records follow, again and again. */
#define TRACE_MAGIC "NESTRACE"
enum {
	TRACE_HEADER_SIZE = 8 + 4 + 4 + 8 + 64, /* magic, version, record size, kHz, VM */
	TRACE_CHUNK_SIZE = 4 + 4 + 8 + 8        /* vCPU, records, number of the first, lost */
};

/* "unknown" for any number that is none. */
const char *trace_kind_word(unsigned kind);

/* out has TRACE_RECORD_SIZE bytes, little-endian whatever the machine. */
void trace_encode(const struct trace_record *r, uint8_t *out);
/* Total: any bytes are a record, though one of an unknown kind. */
void trace_decode(const uint8_t *in, struct trace_record *r);

/* Which exits are recorded, with what L0 does about them until the next entry. */
struct trace_filter {
	uint8_t level;  /* 0: any */
	bool by_reason; /* only `reason` */
	uint8_t reason;
	uint64_t low, high; /* RIP or the guest-physical address is in this range */
};

/* A filter that lets everything through. */
#define TRACE_ALL                  \
	{                          \
		.high = UINT64_MAX \
	}

bool trace_match(const struct trace_filter *f, const struct trace_record *exit);

/* The last records of a vCPU. Records have numbers from 0 on, which do not wrap. */
struct trace_ring {
	struct trace_record *at;
	uint32_t size;  /* records that it has room for, not 0 */
	uint32_t next;  /* where the next one goes */
	uint64_t begin; /* number of the first one of this trace */
	uint64_t end;   /* of the next one */
};

void trace_ring_init(struct trace_ring *r, struct trace_record *at, uint32_t size);

/* What was recorded before is no part of it any more. Numbers go on. */
void trace_ring_restart(struct trace_ring *r);

/* The oldest one gives way when there is no room. */
static inline struct trace_record *trace_ring_add(struct trace_ring *r)
{
	struct trace_record *at = &r->at[r->next];

	r->next = r->next + 1 < r->size ? r->next + 1 : 0;
	r->end++;
	return at;
}

/* The number of the oldest one that is still there; r->end: there is none. */
uint64_t trace_ring_first(const struct trace_ring *r);
/* NULL: it is not there any more, or not yet. */
const struct trace_record *trace_ring_get(const struct trace_ring *r, uint64_t number);

#endif
