/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch between VMs: made at the start from what their settings say, with
 * queues for all VMs that there may be. A port is the same in each life of its VM.
 */
#ifndef NESTOR_VM_NETWORK_H
#define NESTOR_VM_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/switch.h"
#include "policy/scenario.h"

/* So many ports, in zeroed memory that each address space has: LIMIT_NETS for each VM that
 * there may be, and LIMIT_ALL_VFS. */
void network_make(void *ports, unsigned count);
/* Then; before the first VM is created, boot address space. False: no memory, says the log. */
bool network_create(const struct scenario *s);
/*
 * The ports of a VM that has come to a place, as its settings say. NULL, or why there is no
 * room for them; then some ports and names may be there (network_forget, network_take_back).
 */
const char *network_define(const struct scenario *s, unsigned vm);
/* Networks, by number: those that the run began with, and those of VMs that came later. */
unsigned network_count(void);
/* The first so many stay; nobody is on any of the others, or wants to be. */
void network_take_back(unsigned count);
const char *network_name(unsigned number);
bool network_find(const char *name, uint8_t *number);
/* How many ports are on it. */
unsigned network_ports(unsigned number);
/* The one that a network device of a VM shall be on. */
uint8_t network_wanted(const struct vm_images *vm, unsigned net);
/*
 * Puts the ports of a device and of its virtual functions on it (net_port_move), for whoever
 * has the VM's devices. False: they are there.
 */
bool network_move(unsigned vm, const struct net_list *l, unsigned net, uint8_t number);
/* It has gone, and no CPU runs it. */
void network_forget(unsigned vm);
/* The queues become visible in the address space of a VM, if it has network devices. */
bool network_map(uint64_t cr3, const struct vm_config *c);
/* The VM takes no frames any more. */
void network_vm_ended(unsigned vm);

struct net_switch *network_switch(void);
unsigned network_port(unsigned vm, unsigned index);
/* Of a virtual function, which the VM has counted through all its devices. */
unsigned network_vf_port(unsigned vm, unsigned vf);
const struct net_counters *network_counters(unsigned port);

#endif
