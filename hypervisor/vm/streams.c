/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/streams.h"

#include "cpu/log.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/memory.h"
#include "stream/seam.h"
#include "virtio/vsock.h"
#include "vm/sched.h"
#include "vm/vcpu.h"

#define MEMORY (2ull * MEMORY_STREAM_RING) /* of a stream */

/* Each VM's address space has them; rings are mapped in two of them. */
static struct stream *all;
static unsigned count;
static struct hpa rings;

void stream_arrived(unsigned vm)
{
	sched_post(vm, 0, EVENT_NET);
}

static unsigned index_of(unsigned vm, unsigned disk)
{
	return vm * LIMIT_DISKS + disk;
}

void streams_make(void *memory, unsigned vms)
{
	all = memory;
	count = vms * LIMIT_DISKS;
}

static bool take_rings(const struct scenario *s)
{
	const struct vm_config *configs[SCENARIO_MAX_VMS];
	uint64_t size;

	for (unsigned i = 0; i < s->vm_count; i++)
		configs[i] = &s->vms[i].config;
	size = memory_streams_size(configs, s->vm_count);
	if (size == 0)
		return true;
	if (!page_alloc(size, SIZE_2M, PAGE_ANYWHERE, &rings)) {
		log_error("not enough memory on this machine for %lu MiB of streams to the "
			  "servers of disks",
			size >> 20);
		return false;
	}
	memset(direct_va(rings), 0, size);
	return true;
}

bool streams_create(const struct scenario *s)
{
	uint8_t *at;

	if (!take_rings(s))
		return false;
	at = direct_va(rings);
	for (unsigned vm = 0; vm < s->vm_count; vm++)
		for (unsigned i = 0; i < s->vms[vm].disk_count; i++) {
			const struct disk_config *c = &s->vms[vm].disks[i].config;

			if (!disk_config_is_remote(c))
				continue;
			stream_create(&all[index_of(vm, i)], vm, scenario_server_of(s, c),
				c->port, at, MEMORY_STREAM_RING);
			at += MEMORY;
		}
	return true;
}

bool streams_map(unsigned vm, uint64_t cr3)
{
	for (unsigned i = 0; i < count; i++) {
		const struct stream *s = &all[i];

		if (!s->used || (s->vm[STREAM_OPENER] != vm && s->vm[STREAM_ACCEPTOR] != vm))
			continue;
		if (!paging_map_direct(cr3, hpa_of(s->to[0].bytes), MEMORY, PT_RW_DATA))
			return false;
	}
	return true;
}

void streams_vm_ended(unsigned vm, bool again)
{
	for (unsigned i = 0; i < count; i++) {
		if (!all[i].used)
			continue;
		if (all[i].vm[STREAM_OPENER] == vm)
			stream_close(&all[i]);
		if (all[i].vm[STREAM_ACCEPTOR] == vm)
			stream_acceptor_ended(&all[i], !again);
	}
}

bool streams_has(unsigned vm)
{
	for (unsigned i = 0; i < count; i++)
		if (all[i].used &&
			(all[i].vm[STREAM_OPENER] == vm || all[i].vm[STREAM_ACCEPTOR] == vm))
			return true;
	return false;
}

struct stream *streams_of_disk(unsigned vm, unsigned disk)
{
	return &all[index_of(vm, disk)];
}

bool streams_accept(unsigned vm, struct virtio_vsock *d)
{
	for (unsigned i = 0; i < count; i++)
		if (all[i].used && all[i].vm[STREAM_ACCEPTOR] == vm &&
			!virtio_vsock_add(d, &all[i]))
			return false;
	return true;
}
