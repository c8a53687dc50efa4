/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/network.h"

#include "cpu/asm.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "net/seam.h"
#include "policy/memory.h"
#include "vm/sched.h"
#include "vm/vcpu.h"

/* In the image, so that each VM's address space has it; queues are mapped there. */
static struct net_switch all;
static struct spinlock locks[NET_PORTS + 1];
static uint8_t vcpus[LIMIT_VMS];
static struct hpa queues;
static uint64_t queues_size;

/* ---- seam ---- */

void net_lock(unsigned number)
{
	spin_lock(&locks[number]);
}

void net_unlock(unsigned number)
{
	spin_unlock(&locks[number]);
}

uint64_t net_now(void)
{
	return rdtsc();
}

/* Drivers have the queue of a pair's number on the vCPU of that number. */
void net_arrived(unsigned port, unsigned queue)
{
	unsigned vm = port / LIMIT_NETS;

	sched_post(vm, queue % vcpus[vm], EVENT_NET);
}

/* ---- set-up ---- */

struct net_switch *network_switch(void)
{
	return &all;
}

unsigned network_port(unsigned vm, unsigned index)
{
	return vm * LIMIT_NETS + index;
}

const struct net_counters *network_counters(unsigned vm, unsigned index)
{
	return &all.port[network_port(vm, index)].counters;
}

/* The first device on a network gives it its number. */
static uint8_t number_of(const struct scenario *s, const char *name)
{
	for (unsigned vm = 0; vm < s->vm_count; vm++)
		for (unsigned i = 0; i < s->vms[vm].config.nets.count; i++)
			if (text_is(text_of(name, LIMIT_NAME),
				    s->vms[vm].config.nets.at[i].network))
				return (uint8_t)network_port(vm, i);
	return 0;
}

/* Its queues begin at an offset; the bytes that they have. */
static uint64_t create_port(const struct scenario *s, unsigned vm, unsigned i, uint64_t offset)
{
	const struct vm_config *c = &s->vms[vm].config;
	const struct net_config *n = &c->nets.at[i];
	uint64_t mac = net_config_mac(&c->nets, i, c->name);
	struct net_setup setup = {
		.network = number_of(s, n->network),
		.trunk = n->trunk,
		.spoof = n->spoof,
		.vlan = (uint16_t)n->vlan,
		.mtu = (uint16_t)n->mtu,
		.queues = (uint8_t)net_config_queues(n, c->cpus),
		.rate = n->rate,
		.frames = n->frames,
	};

	for (unsigned b = 0; b < ETH_MAC_SIZE; b++)
		setup.mac[b] = (uint8_t)(mac >> (40 - 8 * b));
	net_port_create(&all, network_port(vm, i), &setup,
		(uint8_t *)direct_va(queues) + offset, MEMORY_NET_QUEUE);
	return (uint64_t)setup.queues * MEMORY_NET_QUEUE;
}

static bool take_queues(const struct scenario *s)
{
	const struct vm_config *configs[SCENARIO_MAX_VMS];

	for (unsigned i = 0; i < s->vm_count; i++)
		configs[i] = &s->vms[i].config;
	queues_size = memory_nets_size(configs, s->vm_count);
	if (queues_size == 0)
		return true;
	if (!page_alloc(queues_size, SIZE_2M, PAGE_ANYWHERE, &queues)) {
		log_error("not enough memory on this machine for the queues of %lu MiB of "
			  "network devices",
			queues_size >> 20);
		return false;
	}
	memset(direct_va(queues), 0, queues_size);
	return true;
}

bool network_create(const struct scenario *s)
{
	uint64_t offset = 0;

	if (!take_queues(s))
		return false;
	all.second = (uint64_t)tsc_khz * 1000;
	for (unsigned i = 0; i <= NET_PORTS; i++)
		locks[i].rank = LOCK_NET;
	for (unsigned vm = 0; vm < s->vm_count; vm++) {
		vcpus[vm] = (uint8_t)s->vms[vm].config.cpus;
		for (unsigned i = 0; i < s->vms[vm].config.nets.count; i++)
			offset += create_port(s, vm, i, offset);
	}
	return true;
}

bool network_map(uint64_t cr3, const struct vm_config *c)
{
	return c->nets.count == 0 || paging_map_direct(cr3, queues, queues_size, PT_RW_DATA);
}

void network_vm_ended(unsigned vm)
{
	for (unsigned i = 0; i < LIMIT_NETS; i++)
		for (unsigned q = 0; q < all.port[network_port(vm, i)].setup.queues; q++)
			net_port_close(&all, network_port(vm, i), q);
}
