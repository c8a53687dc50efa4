/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtio devices need from their VM and from this machine.
 */
#include "virtio/seam.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "vm/create.h"
#include "vm/devices.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define RANDOM_TRIES 100 /* the SDM's section on RDRAND asks for ten */

bool seam_random(void *dst, uint32_t size)
{
	for (uint32_t done = 0; done < size; done += sizeof(uint64_t)) {
		uint32_t rest = size - done;
		uint64_t word = 0;
		unsigned tries = 0;

		while (!rdrand(&word))
			if (++tries == RANDOM_TRIES)
				return false;
		memcpy((uint8_t *)dst + done, &word, rest < sizeof(word) ? rest : sizeof(word));
	}
	return true;
}

uint32_t seam_console_room(struct platform *p)
{
	return mux_room((uint8_t)(MUX_VM + vm_of_platform(p)->id));
}

void seam_console_write(struct platform *p, const void *bytes, uint32_t size)
{
	mux_write((uint8_t)(MUX_VM + vm_of_platform(p)->id), bytes, size);
}

void seam_disk_server(struct platform *p, const struct blk_remote *r, const char *why)
{
	const struct vm *vm = vm_of_platform(p);

	if (why == NULL)
		vm_log(vm, LOG_INFO, "'%s': its disk '%s' is there", vm->config.name, r->name);
	else
		vm_log(vm, LOG_WARN, "'%s': its disk '%s' waits for its server: %s (%u)",
			vm->config.name, r->name, why, r->nbd.why_code);
}

static unsigned number_of(const struct vm *vm, const struct disk *d)
{
	unsigned i = 0;

	while (i + 1 < LIMIT_DISKS && vm->devices->disk[i] != d)
		i++;
	return i;
}

void seam_disk_full(struct platform *p, const struct disk *d)
{
	struct vm *vm = vm_of_platform(p);

	if (vm_first_time(vm, WARN_DISK + number_of(vm, d)))
		vm_log(vm, LOG_WARN,
			"'%s': its disk '%s' has used up the %u KiB that may be written (cow=)",
			vm->config.name, d->name, d->page_count * (DISK_PAGE / 1024));
}
