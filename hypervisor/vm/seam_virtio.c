/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtio devices need from their VM and from this machine.
 */
#include "virtio/seam.h"

#include "cpu/asm.h"
#include "cpu/host_disk.h"
#include "cpu/input.h"
#include "cpu/media.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "lib/media.h"
#include "vm/create.h"
#include "vm/devices.h"
#include "vm/ram.h"
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
	return mux_room(MUX_VM + vm_of_platform(p)->id);
}

void seam_console_write(struct platform *p, const void *bytes, uint32_t size)
{
	mux_write(MUX_VM + vm_of_platform(p)->id, bytes, size);
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

/* ---- ports ---- */

/*
 * Bytes of output since the start of the run, over all lives of a VM, which has its own alone.
 */
static uint32_t sent[LIMIT_VMS][LIMIT_PORTS];

static unsigned line_of(struct platform *p, unsigned port)
{
	return l0_port_line(vm_of_platform(p)->id, port);
}

uint32_t seam_line_credit(struct platform *p, unsigned port)
{
	return input_port_limit(line_of(p, port)) - sent[vm_of_platform(p)->id][port];
}

uint32_t seam_line_room(struct platform *p, unsigned port)
{
	uint32_t room = mux_room(MUX_VM + line_of(p, port));
	uint32_t credit = seam_line_credit(p, port);

	return room < credit ? room : credit;
}

void seam_line_write(struct platform *p, unsigned port, const void *bytes, uint32_t size)
{
	mux_write(MUX_VM + line_of(p, port), bytes, size);
	sent[vm_of_platform(p)->id][port] += size;
}

uint32_t seam_line_waiting(struct platform *p, unsigned port)
{
	return input_waiting(line_of(p, port));
}

void seam_line_read(struct platform *p, unsigned port, void *bytes, uint32_t size)
{
	uint32_t part;

	for (uint32_t done = 0; done < size; done += part) {
		part = input_read(line_of(p, port), (uint8_t *)bytes + done, size - done);
		if (part == 0)
			return;
	}
}

uint32_t seam_line_opens(struct platform *p, unsigned port)
{
	return input_port_opens(line_of(p, port));
}

void seam_line_told(struct platform *p, unsigned port, uint32_t opens, bool guest)
{
	unsigned line = line_of(p, port);

	/* What is left out is said when the device looks next. */
	if (!input_port_is(line, opens, guest) && vm_may_record(vm_of_platform(p)))
		input_port_told(line, opens, guest);
}

void devices_vm_ended(unsigned vm)
{
	for (unsigned port = 0; port < LIMIT_PORTS; port++)
		input_port_left(l0_port_line(vm, port));
}

/* ---- memory ---- */

bool seam_balloon_give(struct platform *p, uint64_t gpa)
{
	struct vm *vm = vm_of_platform(p);
	uint64_t offset;

	return !vm_ram_offset(vm, gpa, SIZE_2M, &offset) || ram_give(vm, offset);
}

/* More than one slot: all of it. */
void seam_balloon_keep(struct platform *p, uint64_t gpa, uint64_t size)
{
	struct vm *vm = vm_of_platform(p);
	uint64_t offset;

	if (vm_ram_offset(vm, gpa, size, &offset))
		ram_keep(vm, offset, size);
	else
		ram_keep(vm, 0, vm->config.memory);
}

bool seam_balloon_settled(struct platform *p)
{
	return ram_settled(vm_of_platform(p));
}

/* ---- disks ---- */

static unsigned number_of(const struct vm *vm, const struct disk *d)
{
	unsigned i = 0;

	while (i + 1 < LIMIT_DISKS && vm->devices->backing[i].disk != d)
		i++;
	return i;
}

static const char *host_error(uint32_t error)
{
	switch (error) {
	case HOST_DISK_EIO:
		return "an I/O error";
	case HOST_DISK_EFBIG:
		return "the file may not grow";
	case HOST_DISK_ENOSPC:
	case HOST_DISK_EDQUOT:
		return "no space is left";
	case HOST_DISK_EROFS:
		return "it is read-only";
	default:
		return "an error";
	}
}

bool seam_host_disk(struct platform *p, const struct blk_host *d, enum host_disk_op op,
	uint64_t at, void *bytes, uint64_t size)
{
	struct vm *vm = vm_of_platform(p);
	uint64_t place = at;
	uint32_t error = host_disk_do(d->number, op, &place, bytes, size);
	unsigned i = 0;

	if (error == 0)
		return true;
	while (i + 1 < LIMIT_DISKS && vm->devices->backing[i].host != d)
		i++;
	if (vm_first_time(vm, WARN_DISK + i))
		vm_log(vm, LOG_WARN,
			"'%s': the file of its disk '%s' could not be %s at byte %lu: %s (%u)",
			vm->config.name, d->name, op == HOST_DISK_READ ? "read" : "written", at,
			host_error(error), error);
	return false;
}

enum seam_medium seam_medium_read(
	struct platform *p, uint32_t lent, uint64_t at, void *to, uint32_t size)
{
	struct vm *vm = vm_of_platform(p);

	switch (at <= MEDIA_SLOT_SIZE - size ? media_read(media_place(lent) + at, to, size)
					     : MEDIA_FAILED) {
	case MEDIA_READ:
		return SEAM_MEDIUM_READ;
	case MEDIA_BUSY:
		return SEAM_MEDIUM_BUSY;
	default:
		if (vm_first_time(vm, WARN_MEDIUM))
			vm_log(vm, LOG_WARN,
				"'%s': the file in its CD-ROM drive cannot be read",
				vm->config.name);
		return SEAM_MEDIUM_FAILED;
	}
}

void seam_disk_full(struct platform *p, const struct disk *d)
{
	struct vm *vm = vm_of_platform(p);

	if (vm_first_time(vm, WARN_DISK + number_of(vm, d)))
		vm_log(vm, LOG_WARN,
			"'%s': its disk '%s' has used up the %u KiB that may be written (cow=)",
			vm->config.name, d->name, d->page_count * (DISK_PAGE / 1024));
}
