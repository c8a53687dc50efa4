/* SPDX-License-Identifier: Apache-2.0 */
/* See bochs_requests.h. */
#define _GNU_SOURCE
#include "bochs_requests.h"
#include "bochs_plugin.h"
#include "bochs_vtd.h"

#include <dlfcn.h>
#include <stddef.h>

#define ADDRESS_END (UINT64_C(1) << 40) /* Bochs knows no more */

static unit_dma unit_access; /* NULL: there is no unit */
static unit_message unit_interrupt;

/* The plugin may be there without being at work. */
bool requests_init(void)
{
	void *plugin = dlopen("libbx_nestorvtd.so", RTLD_NOW | RTLD_NOLOAD);
	const bool *on = plugin ? dlsym(plugin, "nestor_unit_on") : NULL;

	if (on == NULL || !*on)
		return false;
	*(void **)(void *)&unit_access = dlsym(plugin, "nestor_unit_dma");
	*(void **)(void *)&unit_interrupt = dlsym(plugin, "nestor_unit_message");
	return true;
}

bool request_memory(uint16_t source, uint64_t at, void *data, unsigned size, bool write)
{
	if (unit_access != NULL)
		return unit_access(source, at, data, size, write);
	if (at > ADDRESS_END - size)
		return false;
	if (write)
		dma_write(at, size, data);
	else
		dma_read(at, size, data);
	return true;
}

void request_interrupt(uint16_t source, uint64_t address, uint32_t data)
{
	if (address >> 20 != 0xfee)
		return;
	if (unit_interrupt != NULL)
		unit_interrupt(source, address, data);
	else
		deliver((uint8_t)data, (uint8_t)(address >> 12), data >> 8 & 7, address & 4,
			true, false);
}
