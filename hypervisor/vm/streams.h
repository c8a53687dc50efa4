/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams between VMs: made at the start from what their settings say, for the whole run.
 * Each disk that another VM serves has one, of which that VM's virtio socket is the acceptor.
 */
#ifndef NESTOR_VM_STREAMS_H
#define NESTOR_VM_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/scenario.h"
#include "stream/stream.h"

struct virtio_vsock;

/* For so many VMs, in zeroed memory that each address space has. */
void streams_make(void *memory, unsigned vms);
/* Then; before the first VM is created, boot address space. False: no memory, says the log. */
bool streams_create(const struct scenario *s);
/* Those of a VM become visible in its address space. */
bool streams_map(unsigned vm, uint64_t cr3);
/* A life of the VM has ended. */
void streams_vm_ended(unsigned vm, bool again);

/* Does the VM have disks that another one serves, or serve some? */
bool streams_has(unsigned vm);

/* The opener's side of a disk's stream. */
struct stream *streams_of_disk(unsigned vm, unsigned disk);
/* Gives the VM's socket device all that it accepts. False: it takes no more. */
bool streams_accept(unsigned vm, struct virtio_vsock *d);

#endif
