/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/network.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "net/seam.h"
#include "policy/changes.h"
#include "policy/memory.h"
#include "vm/life.h"
#include "vm/sched.h"
#include "vm/vcpu.h"

#define NETWORKS 144u /* of a run */

_Static_assert(NETWORKS <= NET_NOWHERE && NETWORKS == 144, "numbers of networks; a text");

/* Each VM's address space has it; queues are mapped there. */
static struct net_switch all;
static struct spinlock locks[NET_PORTS + 1];
static unsigned first_vf_port; /* ports of devices are before */
static uint16_t vcpus[LIMIT_VMS];
static uint16_t vf_port[LIMIT_VMS][LIMIT_VM_VFS]; /* 0: it has no port */
static uint8_t vf_vm[LIMIT_ALL_VFS];              /* whose the ports behind those are */
static char names[NETWORKS][LIMIT_NAME];
static unsigned name_count; /* atomic; it only grows */
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
	unsigned vm = port < first_vf_port ? port / LIMIT_NETS : vf_vm[port - first_vf_port];

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

unsigned network_vf_port(unsigned vm, unsigned vf)
{
	return vf_port[vm][vf];
}

const struct net_counters *network_counters(unsigned port)
{
	return &all.port[port].counters;
}

/* ---- networks: a number is a name's for good, whoever is on it ---- */

unsigned network_count(void)
{
	return __atomic_load_n(&name_count, __ATOMIC_ACQUIRE);
}

const char *network_name(unsigned number)
{
	return names[number];
}

bool network_find(const char *name, uint8_t *number)
{
	unsigned count = network_count();
	unsigned i = name_list_find(names[0], count, text_of(name, LIMIT_NAME));

	*number = (uint8_t)i;
	return i < count;
}

unsigned network_ports(unsigned number)
{
	unsigned count = 0;

	for (unsigned i = 0; i < all.ports; i++)
		count += net_port_network(&all, i) == number;
	return count;
}

void network_take_back(unsigned count)
{
	__atomic_store_n(&name_count, count, __ATOMIC_RELEASE);
}

/* Also of one that nobody has named before. False: there are too many. */
static bool take_number(const char *name, uint8_t *number)
{
	if (network_find(name, number))
		return true;
	if (name_count == NETWORKS)
		return false;
	memcpy(names[name_count], name, LIMIT_NAME);
	__atomic_store_n(&name_count, name_count + 1, __ATOMIC_RELEASE);
	return true;
}

uint8_t network_wanted(const struct vm_images *vm, unsigned net)
{
	uint8_t number;

	if (!changes_network(vm, net, &number))
		network_find(vm->config.nets.at[net].network, &number);
	return number;
}

bool network_move(unsigned vm, const struct net_list *l, unsigned net, uint8_t number)
{
	if (net_port_network(&all, network_port(vm, net)) == number)
		return false;
	net_port_move(&all, network_port(vm, net), number);
	for (unsigned i = net_list_vfs(l, net); i < net_list_vfs(l, net + 1); i++)
		net_port_move(&all, vf_port[vm][i], number);
	return true;
}

/* ---- ports ---- */

/* With `count` pairs of queues and this address; the rest is as the device's settings say. */
static void create_port(const struct net_config *n, uint8_t network, unsigned port,
	unsigned count, uint64_t mac, uint8_t *ring)
{
	struct net_setup setup = {
		.network = network,
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
	net_port_create(&all, port, &setup, ring, MEMORY_NET_QUEUE);
}

/* A port for a virtual function; false: there is none. */
static bool take_vf_port(unsigned vm, unsigned vf)
{
	unsigned i = 0;

	while (i < LIMIT_ALL_VFS && all.port[first_vf_port + i].used)
		i++;
	if (i == LIMIT_ALL_VFS)
		return false;
	vf_vm[i] = (uint8_t)vm;
	vf_port[vm][vf] = (uint16_t)(first_vf_port + i);
	return true;
}

static uint8_t *ring_of(unsigned queue)
{
	return (uint8_t *)direct_va(queues) + (uint64_t)queue * MEMORY_NET_QUEUE;
}

/* The ports of a device and its virtual functions, which have a pair of queues each. */
static const char *create_ports(
	const struct scenario *s, unsigned vm, unsigned i, unsigned *next)
{
	const struct vm_config *c = &s->vms[vm].config;
	const struct net_config *n = &c->nets.at[i];
	unsigned count = net_config_queues(n, c->cpus), first = net_list_vfs(&c->nets, i);
	uint64_t mac = net_config_mac(&c->nets, i, c->name);
	uint8_t network;

	if (count + n->vfs > first_queue[vm + 1] - *next)
		return "its network devices need more queues than a place has";
	if (!take_number(n->network, &network))
		return "it names a new network, and a run has 144 at most";
	create_port(n, network, network_port(vm, i), count, mac, ring_of(*next));
	*next += count;
	for (unsigned k = 0; k < n->vfs; k++, (*next)++) {
		if (!take_vf_port(vm, first + k))
			return "it needs more virtual functions than are left";
		create_port(n, network, vf_port[vm][first + k], 1, net_config_vf_mac(mac, k),
			ring_of(*next));
	}
	return NULL;
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

const char *network_define(const struct scenario *s, unsigned vm)
{
	const struct vm_config *c = &s->vms[vm].config;
	unsigned next = first_queue[vm];
	const char *why = NULL;

	vcpus[vm] = (uint16_t)c->cpus;
	for (unsigned i = 0; i < c->nets.count && why == NULL; i++)
		why = create_ports(s, vm, i, &next);
	return why;
}

void network_forget(unsigned vm)
{
	for (unsigned i = 0; i < LIMIT_NETS; i++)
		net_port_destroy(&all, network_port(vm, i));
	for (unsigned i = 0; i < LIMIT_VM_VFS && vf_port[vm][i] != 0; i++) {
		net_port_destroy(&all, vf_port[vm][i]);
		vf_port[vm][i] = 0;
	}
}

#define RDRAND_TRIES 10 /* SDM vol. 1, 7.3.17.1 "RDRAND" */

/* What no guest knows. An emulator's runs repeat: there it is the time of the start. */
static uint64_t secret(void)
{
	uint64_t now = rdtsc(), random;

	if (l0_config()->machine.is_emulator || !cpu_has_rdrand())
		return now;
	for (unsigned i = 0; i < RDRAND_TRIES; i++)
		if (rdrand(&random))
			return now ^ random;
	return now;
}

void network_make(void *ports, unsigned count)
{
	all.port = ports;
	all.ports = count;
	first_vf_port = count - LIMIT_ALL_VFS;
}

bool network_create(const struct scenario *s)
{
	if (!take_queues(s))
		return false;
	all.second = (uint64_t)tsc_khz * 1000;
	all.secret[0] = secret();
	all.secret[1] = secret();
	for (unsigned i = 0; i < all.ports; i++)
		all.port[i].setup.network = NET_NOWHERE;
	for (unsigned i = 0; i <= NET_PORTS; i++)
		locks[i].rank = LOCK_NET;
	for (unsigned i = 0; i < s->networks.count; i++)
		memcpy(names[i], s->networks.name[i], LIMIT_NAME);
	name_count = s->networks.count;
	for (unsigned vm = 0; vm < s->vm_count; vm++)
		if (network_define(s, vm) != NULL)
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
	for (unsigned i = 0; i < LIMIT_VM_VFS && vf_port[vm][i] != 0; i++)
		net_port_close(&all, vf_port[vm][i], 0);
}
