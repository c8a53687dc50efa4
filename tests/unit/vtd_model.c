/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_model.h"

#include <string.h>

#include "bochs_vtd_unit.h"

#define BUFFERED UINT64_C(0x10) /* of CAP */
#define COHERENT UINT64_C(1)    /* of ECAP */
#define FLUSH    0x08000000u    /* of GCMD */

uint8_t model_memory[MODEL_PAGES * 4096];
struct model model;
static uint8_t written_back[MODEL_PAGES * 4096];
static struct vtd unit;

bool vtd_memory_read(uint64_t at, void *to, unsigned size)
{
	if (at >= sizeof(model_memory) || size > sizeof(model_memory) - at)
		return false;
	memcpy(to, (model.incoherent ? written_back : model_memory) + at, size);
	return true;
}

bool vtd_memory_write(uint64_t at, const void *from, unsigned size)
{
	if (at >= sizeof(model_memory) || size > sizeof(model_memory) - at)
		return false;
	memcpy(model_memory + at, from, size);
	memcpy(written_back + at, from, size);
	return true;
}

void vtd_deliver(const struct vtd_interrupt *i)
{
	model.delivered++;
	model.vector = i->vector;
	model.mode = i->mode;
	model.target = i->destination;
}

void model_reset(bool caching)
{
	model = (struct model){0};
	memset(written_back, 0, sizeof(written_back));
	vtd_reset(&unit, caching);
}

uint64_t model_read(unsigned at, unsigned size)
{
	uint64_t v = vtd_read(&unit, at, size);

	if (at == VTD_CAP && model.buffered)
		v |= BUFFERED;
	if (at == VTD_ECAP && model.incoherent)
		v &= ~COHERENT;
	return at == VTD_FSTS ? v | model.status : v;
}

void model_write(unsigned at, uint64_t value, unsigned size)
{
	if (at == VTD_GCMD && value & FLUSH)
		model.flushes++;
	if (!model.dead)
		vtd_write(&unit, at, value, size);
}

void model_write_back(uint64_t address, unsigned size)
{
	uint64_t first = address & ~UINT64_C(63), end = (address + size + 63) & ~UINT64_C(63);

	memcpy(written_back + first, model_memory + first, end - first);
}

void model_work(void)
{
	if (!model.dead)
		vtd_queue_run(&unit, 2);
}

unsigned model_access(uint16_t source, uint64_t at, bool write, uint64_t *host)
{
	uint64_t room;

	return vtd_translate(&unit, source, at, write, host, &room);
}

unsigned model_message(uint16_t source, uint32_t address, uint32_t data)
{
	return vtd_message(&unit, source, address, data);
}
