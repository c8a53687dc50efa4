/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of vCPUs, as they are asked for: on, off, and what the ring has. Records go out in
 * hexadecimal, whole ones; what was overwritten before it was asked for is counted.
 */
#include "control/manage.h"

#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "lib/fmt.h"
#include "vm/trace.h"

#define A_LINE (MANAGE_BYTES / TRACE_RECORD_SIZE)

_Static_assert(EXIT_REASON_COUNT <= MANAGE_REASONS, "a filter can name each reason");

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

static struct trace_filter filter_of(const struct manage_request *r)
{
	struct trace_filter f = TRACE_ALL;

	f.level = (uint8_t)r->number[MANAGE_ARG_LEVEL];
	f.by_reason = manage_given(r, MANAGE_ARG_REASON);
	f.reason = (uint8_t)r->number[MANAGE_ARG_REASON];
	f.low = r->number[MANAGE_ARG_LOW];
	if (manage_given(r, MANAGE_ARG_HIGH))
		f.high = r->number[MANAGE_ARG_HIGH];
	return f;
}

enum manage_status manage_trace(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	struct trace_filter f = filter_of(r);

	if (r->number[MANAGE_ARG_ON] == 0) {
		vcpu_trace_off(vcpu);
	} else if (!vcpu_trace_on(vcpu, &f)) {
		*why = "there is no memory for the records";
		return MANAGE_IS_NO_MEMORY;
	}
	mux_record("item id=%u on=%u size=%u from=%lu tsc_khz=%u", id_of(r), vcpu_traced(vcpu),
		vcpu->tracing != NULL ? vcpu->tracing->ring.size : 0,
		vcpu->tracing != NULL ? vcpu->tracing->ring.end : 0, tsc_khz);
	return MANAGE_IS_OK;
}

static uint64_t tell_line(
	const struct trace_ring *ring, const struct manage_request *r, uint64_t at)
{
	char text[2 * MANAGE_BYTES + 1] = "";
	uint8_t bytes[TRACE_RECORD_SIZE];
	const struct trace_record *record;
	size_t used = 0;

	for (unsigned n = 0; n < A_LINE; n++, at++) {
		record = trace_ring_get(ring, at);
		if (record == NULL)
			break;
		trace_encode(record, bytes);
		for (unsigned i = 0; i < TRACE_RECORD_SIZE; i++)
			used += fmt(text + used, 3, "%02x", bytes[i]);
	}
	mux_record("item id=%u data=%s", id_of(r), text);
	return at;
}

enum manage_status manage_records(
	const struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	uint64_t from = r->number[MANAGE_ARG_FROM], first, at;
	const struct trace_ring *ring;

	if (vcpu->tracing == NULL) {
		*why = "it was never traced";
		return MANAGE_IS_STATE;
	}
	ring = &vcpu->tracing->ring;
	first = trace_ring_first(ring);
	at = from > first ? from : first;
	mux_record("item id=%u first=%lu end=%lu lost=%lu", id_of(r), at, ring->end, at - from);
	for (unsigned told = 1; at < ring->end && told < MANAGE_ITEMS; told++)
		at = tell_line(ring, r, at);
	if (at < ring->end)
		mux_record("item id=%u next=%lu", id_of(r), at);
	return MANAGE_IS_OK;
}
