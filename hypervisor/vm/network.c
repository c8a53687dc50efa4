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
#include "vm/life.h"
#include "vm/sched.h"
#include "vm/vcpu.h"

/* In the image, so that each VM's address space has it; queues are mapped there. */
static struct net_switch all;
static struct spinlock locks[NET_PORTS + 1];
static uint8_t vcpus[LIMIT_VMS];
static struct hpa queues;
static uint64_t queues_size;
static unsigned first_queue[SCENARIO_MAX_VMS + 1]; /* of the VM in a place */

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

static bool has_number(uint8_t number)
{
	for (unsigned i = 0; i < NET_PORTS; i++)
		if (all.port[i].used && all.port[i].setup.network == number)
			return true;
	return false;
}

/* Of the network that another device is on already, or one that no network has. */
static uint8_t number_of(const struct scenario *s, const char *name)
{
	uint8_t number = 0;

	for (unsigned vm = 0; vm < s->vm_count; vm++)
		for (unsigned i = 0; i < s->vms[vm].config.nets.count; i++) {
			const struct net_port *p = &all.port[network_port(vm, i)];

			if (p->used && text_is(text_of(name, LIMIT_NAME),
					       s->vms[vm].config.nets.at[i].network))
				return p->setup.network;
		}
	while (has_number(number))
		number++;
	return number;
}

static void create_port(
	const struct scenario *s, unsigned vm, unsigned i, unsigned count, uint8_t *ring)
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
		.queues = (uint8_t)count,
		.rate = n->rate,
		.frames = n->frames,
	};

	for (unsigned b = 0; b < ETH_MAC_SIZE; b++)
		setup.mac[b] = (uint8_t)(mac >> (40 - 8 * b));
	net_port_create(&all, network_port(vm, i), &setup, ring, MEMORY_NET_QUEUE);
}

static bool take_queues(const struct scenario *s)
{
	const struct vm_config *configs[SCENARIO_MAX_VMS];
	unsigned places = life_places();

	for (unsigned i = 0; i < s->vm_count; i++)
		configs[i] = &s->vms[i].config;
	for (unsigned i = 0; i < places; i++)
		first_queue[i + 1] =
			first_queue[i] + memory_nets_queues(configs, s->vm_count, places, i);
	queues_size = memory_nets_size(configs, s->vm_count, places);
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

bool network_define(const struct scenario *s, unsigned vm)
{
	const struct vm_config *c = &s->vms[vm].config;
	unsigned next = first_queue[vm];

	vcpus[vm] = (uint8_t)c->cpus;
	for (unsigned i = 0; i < c->nets.count; i++) {
		unsigned count = net_config_queues(&c->nets.at[i], c->cpus);

		if (count > first_queue[vm + 1] - next)
			return false;
		create_port(s, vm, i, count,
			(uint8_t *)direct_va(queues) + (uint64_t)next * MEMORY_NET_QUEUE);
		next += count;
	}
	return true;
}

void network_forget(unsigned vm)
{
	for (unsigned i = 0; i < LIMIT_NETS; i++)
		net_port_destroy(&all, network_port(vm, i));
}

bool network_create(const struct scenario *s)
{
	if (!take_queues(s))
		return false;
	all.second = (uint64_t)tsc_khz * 1000;
	for (unsigned i = 0; i <= NET_PORTS; i++)
		locks[i].rank = LOCK_NET;
	for (unsigned vm = 0; vm < s->vm_count; vm++)
		if (!network_define(s, vm))
			return false;
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
