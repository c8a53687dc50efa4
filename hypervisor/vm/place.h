/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory of the machine a VM gets: from which nodes, in which pieces.
 *
 * RAM in one piece is seen in the direct map. RAM in several is seen in the VM's window
 * (vm/ram.h), where it is in one again.
 */
#ifndef NESTOR_VM_PLACE_H
#define NESTOR_VM_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"

struct platform_config;
struct vm;
struct vm_config;
struct vm_memory;

/* Which nodes of the machine stand for the VM's own: m->home. Before anything is taken. */
void place_nodes(struct vm_memory *m, const struct vm_config *c);

/*
 * A region of a VM, mapped in its address space and wiped; from its first node, or from
 * wherever there is room. False: there is none.
 */
bool place_region(struct vm_memory *m, uint64_t size, bool zeroed, struct hpa *out);

/* Zeroes, however long that takes. */
void place_wipe(struct hpa at, uint64_t size);

/* All its RAM. False: there is not so much, or it is in too many pieces. */
bool place_ram(struct vm_memory *m, const struct vm_config *c, bool zeroed);

/* Where L0 sees RAM from this offset on. Pieces are in the order of their offsets. */
uint8_t *place_host(const struct vm_memory *m, unsigned piece, uint64_t offset);

/* Nobody sees the window any more. */
void place_leave(const struct vm_memory *m);

/* A line of the log for each node of the VM, where the machine has several. */
void place_tell(const struct vm_memory *m, const struct vm_config *c);

/* What the guest is told of its nodes. */
void place_describe(const struct vm *vm, struct platform_config *p);

#endif
