/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/errata.h"

#include <stddef.h>

/* Reserved bits, the processor type, which overdrives and second sockets have had, and the
 * stepping are no part of a model. SDM vol. 2A "CPUID", figure 3-6 */
#define MODEL_BITS    0x0fff0ff0u
#define STEPPING_BITS 0xfu

static bool is(uint32_t signature, uint32_t model, uint32_t first, uint32_t last)
{
	uint32_t stepping = signature & STEPPING_BITS;

	return (signature & MODEL_BITS) == model && stepping >= first && stepping <= last;
}

const char *errata_timer_rate(uint32_t signature)
{
#define TIMER_RATE(model, first, last, errata) \
	if (is(signature, model, first, last)) \
		return errata;
#define DEADLINE(model, first, last, revision)
#define MONITOR_DEAF(model, first, last, erratum)
#define TWO_TYPES(model, first, last, name)
#include "spec/errata.def"
	return NULL;
}

uint32_t errata_deadline_revision(uint32_t signature)
{
#define TIMER_RATE(model, first, last, errata)
#define DEADLINE(model, first, last, revision) \
	if (is(signature, model, first, last)) \
		return revision;
#define MONITOR_DEAF(model, first, last, erratum)
#define TWO_TYPES(model, first, last, name)
#include "spec/errata.def"
	return 0;
}

bool errata_monitor_deaf(uint32_t signature)
{
#define TIMER_RATE(model, first, last, errata)
#define DEADLINE(model, first, last, revision)
#define MONITOR_DEAF(model, first, last, erratum) \
	if (is(signature, model, first, last))    \
		return true;
#define TWO_TYPES(model, first, last, name)
#include "spec/errata.def"
	return false;
}

bool errata_two_types(uint32_t signature)
{
#define TIMER_RATE(model, first, last, errata)
#define DEADLINE(model, first, last, revision)
#define MONITOR_DEAF(model, first, last, erratum)
#define TWO_TYPES(model, first, last, name)    \
	if (is(signature, model, first, last)) \
		return true;
#include "spec/errata.def"
	return false;
}

uint32_t errata_timer_most(uint32_t denominator, uint32_t numerator)
{
	uint64_t most;

	if (denominator == 0 || numerator == 0)
		return UINT32_MAX;
	most = ((uint64_t)numerator << 25) / denominator;
	return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most - 1;
}
