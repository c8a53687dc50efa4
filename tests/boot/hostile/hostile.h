/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the hostile L1 share: its random numbers, and what it does with VT-x.
 */
#ifndef NESTOR_TESTS_BOOT_HOSTILE_H
#define NESTOR_TESTS_BOOT_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#include "random.h"

/* Whether this program may destroy itself. */
extern bool hostile_wild;
/* Whether it tells what it does. */
extern bool hostile_verbose;

bool one_in(unsigned n);
/* Anything: often near the old value, or an address. */
uint64_t random_value(uint64_t old);
/* A physical address: of memory that is there for it, of devices, beyond the RAM, anywhere. */
uint64_t random_address(void);

void hostile_virtio_start(void);
/* Some steps with one of its virtio devices, if it has any. */
void hostile_virtio(void);

void hostile_vtd_start(void);
/* Some steps with its virtual VT-d, if it has one and is wild. */
void hostile_vtd(void);

void hostile_vmx_start(void);
/* Prints what happened to L2. */
void hostile_vmx_end(void);
/* A VMX instruction with whatever operand. */
void hostile_insn(void);
/* Changes the EPT12 tables, lists and bitmaps. */
void hostile_tables(void);
/* A VMCS with some random fields, and some exits of an L2 of rubbish. */
void hostile_l2(void);

#endif
