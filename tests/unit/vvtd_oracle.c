/* SPDX-License-Identifier: Apache-2.0 */
#include "vvtd_oracle.h"

#include <string.h>

#include "bochs_vtd_unit.h"

uint8_t oracle_ram[ORACLE_RAM] __attribute__((aligned(4096)));
static struct vtd unit;
static struct vtd_interrupt last;
static bool delivered;

bool vtd_memory_read(uint64_t at, void *to, unsigned size)
{
	if (at >= ORACLE_RAM || size > ORACLE_RAM - at)
		return false;
	memcpy(to, oracle_ram + at, size);
	return true;
}

bool vtd_memory_write(uint64_t at, const void *from, unsigned size)
{
	if (at >= ORACLE_RAM || size > ORACLE_RAM - at)
		return false;
	memcpy(oracle_ram + at, from, size);
	return true;
}

void vtd_deliver(const struct vtd_interrupt *i)
{
	last = *i;
	delivered = true;
}

void oracle_reset(void)
{
	vtd_reset(&unit, true);
}

uint64_t oracle_read(unsigned at, unsigned size)
{
	return vtd_read(&unit, at, size);
}

void oracle_write(unsigned at, uint64_t value, unsigned size)
{
	vtd_write(&unit, at, value, size);
	while (vtd_queue_run(&unit, 64))
		;
}

void oracle_forget_all(void)
{
	vtd_forget_contexts(&unit, VTD_GLOBAL, 0, 0, 0);
	vtd_forget_pages(&unit, VTD_GLOBAL, 0, 0, 0, false);
	vtd_forget_irtes(&unit, false, 0, 0);
}

unsigned oracle_translate(
	uint16_t source, uint64_t at, bool write, uint64_t *host, uint64_t *room)
{
	return vtd_translate(&unit, source, at, write, host, room);
}

unsigned oracle_message(
	uint16_t source, uint32_t address, uint32_t data, struct oracle_message *m)
{
	unsigned reason;

	delivered = false;
	reason = vtd_message(&unit, source, address, data);
	*m = (struct oracle_message){
		delivered, last.vector, last.mode, last.logical, last.level, last.destination};
	return reason;
}
