/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What whoever manages a VM can do to it and see of it. Everything here is called in the VM's
 * address space; what concerns a vCPU, by the CPU that has it, with one of its VMCSs current.
 */
#ifndef NESTOR_VM_OPERATE_H
#define NESTOR_VM_OPERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"

struct vcpu;
struct vm;

/* Seams, provided by control/. */
/* Takes what was asked, if something was. Any CPU, any address space; not in an NMI. */
void manage_work(void);
/* EVENT_MANAGE: the vCPU was asked for something, or has just begun. */
void manage_vcpu(struct vcpu *vcpu);
/* The VM's vCPUs have all stopped, as life_view() says by now: a request that waits for one is
 * answered. */
void manage_vm_ended(unsigned vm);

/*
 * All vCPUs stand still from now on: none is in guest mode on return. What comes for the VM
 * waits; its clocks go on. False: they do already.
 */
bool vm_pause(struct vm *vm);
/* They go on, or only one of them, with 1 + its number. False: they do already. */
bool vm_resume(struct vm *vm, unsigned alone);
/* Does this vCPU stand still? */
bool vm_holds(const struct vcpu *vcpu);
/* Posts an event to all vCPUs; wait: none is in guest mode without having looked at it. */
void vm_tell_all(struct vm *vm, uint32_t event, bool wait);

/* An NMI for one vCPU, as from the outside. */
void vm_nmi(struct vm *vm, unsigned vcpu);

/* The power button is pressed: a fixed event of ACPI. */
void vm_power_button(struct vm *vm);

/* The guest is asked to give up so many bytes, all in all. False: it has no balloon, or not so
 * much memory. */
bool vm_balloon_ask(struct vm *vm, uint64_t bytes);

/* The level that the vCPU is in: 1 or 2. */
unsigned vcpu_level(const struct vcpu *vcpu);

/*
 * Makes the VMCS current that has the state of a level: the one that the vCPU is in, or 1 while
 * it is in 2. L1 then is at the VM entry by which it went to L2, and its general registers are
 * not known. False: the vCPU is not in L2. vcpu_level_left makes the vCPU's own current again.
 */
bool vcpu_level_enter(struct vcpu *vcpu, unsigned level);
void vcpu_level_left(struct vcpu *vcpu);

/*
 * The registers of x87, SSE and AVX, which are those of the level where the vCPU is, as in the
 * standard format of XSAVE (SDM volume 1, 13.4): @legacy has FPU_LEGACY bytes, and @avx, which
 * is NULL while the guest has AVX off, FPU_AVX_SIZE. Valid until the vCPU goes on.
 */
#define FPU_LEGACY   416u /* up to XMM15 */
#define FPU_AVX      576u /* what stands for the beginning of AVX, wherever the CPU has it */
#define FPU_AVX_SIZE 256u /* the upper halves of YMM0 to YMM15 */
void vcpu_fpu_read(struct vcpu *vcpu, const uint8_t **legacy, const uint8_t **avx);
/*
 * Changes bytes of them, from FPU_LEGACY or from FPU_AVX on. False: they are not all there, or
 * MXCSR would have reserved bits.
 */
bool vcpu_fpu_write(struct vcpu *vcpu, uint64_t at, const uint8_t *data, uint32_t size);

/*
 * Memory of the level whose VMCS is current, as its supervisor sees it, up to a page: at a
 * linear address, or at a physical one. False: nothing is there, or not all of it. Sets
 * accessed and dirty flags.
 */
bool vcpu_peek(struct vcpu *vcpu, unsigned level, bool physical, uint64_t at, void *dst,
	uint32_t size);
bool vcpu_poke(struct vcpu *vcpu, unsigned level, bool physical, uint64_t at, const void *src,
	uint32_t size);
/* Where in L1's memory a linear address is, likewise. */
bool vcpu_find(struct vcpu *vcpu, unsigned level, uint64_t at, struct gpa_l1 *found);
/* The walk of EPT01 for an address of 48 bits; as ept_look. */
unsigned vm_look_at_ept01(struct vm *vm, uint64_t gpa, uint64_t entry[5]);

#endif
