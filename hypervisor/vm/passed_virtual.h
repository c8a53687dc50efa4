/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions of the machine's devices: made when the first VM that has one is claimed
 * for, gone when no VM that may run has one, and back before such a VM starts again.
 */
#ifndef NESTOR_VM_PASSED_VIRTUAL_H
#define NESTOR_VM_PASSED_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/vpass_sriov.h"
#include "policy/scenario.h"

struct passed_physical;

/*
 * The device of which VMs want virtual functions, all of which are there then; or NULL, and why
 * not. changes: a VM will say how many there are. Boot CPU and address space, with units on.
 */
struct passed_physical *passed_physical_claim(
	const struct scenario *s, uint16_t bdf, bool changes, const char **why);
/* Number n of them, and what it has. NULL, or why a VM cannot have it. Likewise. */
const char *passed_virtual_claim(
	struct passed_physical *p, unsigned number, struct vpass_function *f);
/*
 * Those of a function that a VM owns, which it may make; all are there then. NULL, and why not.
 * Each is looked at: NULL, or why a VM cannot have it. Then they go, until the VM makes them.
 * Likewise.
 */
struct vpass_vfs *passed_vfs_claim(
	const struct scenario *s, const struct vpass_function *f, const char **why);
const char *passed_vfs_probe(struct vpass_vfs *v, unsigned number, struct vpass_function *f);
void passed_vfs_claimed(struct vpass_vfs *v);
/* Whether memory of a function is that of virtual ones. Likewise. */
bool passed_virtual_meets(const struct vpass_function *f);
/* Nothing runs: they all go. Likewise. */
void passed_virtual_off(void);
/* One of them is another VM's, too, which holds it as well. For claims. */
void passed_virtual_share(struct passed_physical *p);

uint16_t passed_physical_bdf(const struct passed_physical *p);

/* Is it there, so that a VM may start with it? It will be. holds: whose it is. */
bool passed_virtual_ready(struct passed_physical *p, bool *holds);
/* Its VM has ended, and does not start again by itself. */
void passed_virtual_leave(struct passed_physical *p, bool *holds);

/*
 * Registers of @scale functions, one behind the other: NULL, or why a VM cannot have what is
 * there. A device whose firmware somebody changed may say what it likes.
 */
const char *passed_memory_why_not(const struct vpass_bar bar[PCI_BARS], uint64_t scale);

#endif
