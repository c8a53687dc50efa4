/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/places.h"

#include "cpu/input.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/memory.h"
#include "vm/network.h"
#include "vm/sched.h"
#include "vm/streams.h"
#include "vm/vcpu.h"

_Static_assert(INPUT_PLACE + LIMIT_NETS * sizeof(struct net_port) +
			       LIMIT_DISKS * sizeof(struct stream) <=
		       MEMORY_PLACE,
	"policy/memory.h");
_Static_assert(sizeof(struct sched_node) <= MEMORY_NODE && SCHED_NODES == MEMORY_NODES,
	"policy/memory.h: vCPUs");
_Static_assert(LIMIT_ALL_VFS * sizeof(struct net_port) <= MEMORY_PLACES,
	"policy/memory.h: ports of virtual functions");
_Static_assert(INPUT_PLACE % 16 == 0 && sizeof(struct sched_node) % 8 == 0 &&
		       sizeof(struct net_port) % 8 == 0,
	"one lies behind the other");

static void hand_out(uint8_t *at, unsigned places)
{
	unsigned ports = places * LIMIT_NETS + LIMIT_ALL_VFS;
	unsigned all = places * DEV_MAX_VCPUS, vcpus = all < SCHED_NODES ? all : SCHED_NODES;

	input_make(at, places);
	at += (size_t)places * INPUT_PLACE;
	sched_make(at, vcpus);
	at += (size_t)vcpus * sizeof(struct sched_node);
	network_make(at, ports);
	at += (size_t)ports * sizeof(struct net_port);
	streams_make(at, places);
	mux_share(places);
}

bool places_make(unsigned places)
{
	uint64_t size = memory_places_size(places);
	struct hpa at;

	if (!page_alloc(size, SIZE_2M, PAGE_ANYWHERE, &at) ||
		!paging_everywhere(at, size, PT_RW_DATA)) {
		log_error("not enough memory on this machine for %lu MiB that %u VMs need",
			size >> 20, places);
		return false;
	}
	memset(direct_va(at), 0, size);
	hand_out(direct_va(at), places);
	return true;
}
