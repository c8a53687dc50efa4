/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/trace.h"

#include <stddef.h>

const char *trace_kind_word(unsigned kind)
{
	static const char *const words[TRACE_KINDS] = {
#define K(name, word) word,
#include "lib/trace.def"
	};

	return kind < TRACE_KINDS ? words[kind] : "unknown";
}

static uint8_t *put(uint8_t *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*out++ = (uint8_t)(value >> 8 * i);
	return out;
}

static uint64_t get(const uint8_t **in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t) * (*in)++ << 8 * i;
	return value;
}

void trace_encode(const struct trace_record *r, uint8_t *out)
{
#define F(name, bits) out = put(out, r->name, (bits) / 8);
#include "lib/trace.def"
	(void)out;
}

void trace_decode(const uint8_t *in, struct trace_record *r)
{
#define F(name, bits) r->name = (uint##bits##_t)get(&in, (bits) / 8);
#include "lib/trace.def"
}

static bool in_range(const struct trace_filter *f, uint64_t address)
{
	return address >= f->low && address <= f->high;
}

bool trace_match(const struct trace_filter *f, const struct trace_record *exit)
{
	if (f->level != 0 && exit->level != f->level)
		return false;
	if (f->by_reason && exit->reason != f->reason)
		return false;
	return in_range(f, exit->rip) || (exit->address != 0 && in_range(f, exit->address));
}

void trace_ring_init(struct trace_ring *r, struct trace_record *at, uint32_t size)
{
	*r = (struct trace_ring){.at = at, .size = size};
}

void trace_ring_restart(struct trace_ring *r)
{
	r->begin = r->end;
}

uint64_t trace_ring_first(const struct trace_ring *r)
{
	uint64_t oldest = r->end > r->size ? r->end - r->size : 0;

	return oldest > r->begin ? oldest : r->begin;
}

const struct trace_record *trace_ring_get(const struct trace_ring *r, uint64_t number)
{
	uint64_t back = r->end - number; /* 1: the newest one */

	if (number < trace_ring_first(r) || number >= r->end)
		return NULL;
	return &r->at[back <= r->next ? r->next - back : r->next + r->size - back];
}
