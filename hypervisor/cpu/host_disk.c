/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/host_disk.h"

#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/lock.h"
#include "mm/layout.h"

static struct spinlock lock = {.rank = LOCK_MACHINE};
static struct host_disk_request request __attribute__((aligned(64)));

/* The device writes to the request while the instruction runs. */
uint32_t host_disk_do(
	uint32_t disk, enum host_disk_op op, uint64_t *at, const void *bytes, uint64_t size)
{
	uint32_t status;

	spin_lock(&lock);
	request = (struct host_disk_request){
		.op = op,
		.disk = disk,
		.at = *at,
		.address = bytes != NULL ? hpa_of(bytes).v : 0,
		.size = size,
		.status = HOST_DISK_EIO,
	};
	__asm__ volatile("" : : : "memory");
	outl(HOST_DISK_REQUEST, (uint32_t)hpa_of(&request).v);
	__asm__ volatile("" : : : "memory");
	status = request.status;
	*at = request.at;
	spin_unlock(&lock);
	return status;
}

uint64_t host_disk_size(uint32_t disk)
{
	uint64_t size = 0;

	if (inl(HOST_DISK_ID) != HOST_DISK_MAGIC ||
		host_disk_do(disk, HOST_DISK_SIZE, &size, NULL, 0) != 0)
		return 0;
	return size;
}

bool host_disk_open(uint32_t disk)
{
	uint64_t size = 0;

	return inl(HOST_DISK_ID) == HOST_DISK_MAGIC &&
	       host_disk_do(disk, HOST_DISK_OPEN, &size, NULL, 0) == 0;
}
