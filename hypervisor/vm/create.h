/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a VM comes into being: its memory, its parts, its vCPUs.
 */
#ifndef NESTOR_VM_CREATE_H
#define NESTOR_VM_CREATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/platform.h"
#include "nested/explain.h"
#include "vm/devices.h"
#include "vm/vm.h"

struct entry_state;
struct vm_images;

/* What a VM is made of, in memory of its own. */
struct vm_box {
	struct vm vm;
	struct platform platform;
	struct vm_devices devices;
	struct nested_vm nested_vm;
	struct explain_ring explain;
};

static inline struct vm *vm_of_platform(struct platform *p)
{
	return &((struct vm_box *)(void *)((uint8_t *)p - offsetof(struct vm_box, platform)))
			->vm;
}

/* ---- vm.c ---- */

/*
 * The host memory of a VM: its RAM; everything about it; and the address space that maps both,
 * and the images of its disks and CD-ROMs, to be read.
 */
struct vm_memory {
	struct mem_slot ram[VM_MAX_SLOTS]; /* all its RAM, from 0 up without the hole, but */
	unsigned ram_count;                /* one to one: where the guest has it */
	uint8_t *window;                   /* it is in several pieces, in one there */
	uint32_t home[LIMIT_NODES]; /* nodes of the machine that stand for the VM's; NODE_ANY */
	struct vm_ram *moving;      /* in place of ram, in memory that the next two describe */
	struct hpa books;
	uint64_t books_size;
	struct hpa pool;
	uint64_t pool_size; /* a multiple of SIZE_2M, like the sizes of RAM */
	uint64_t kept_size; /* of the pool's end: outlives a restart; likewise */
	bool kept_lost;     /* ... but for this one: see vm_memory_renew */
	uint64_t cr3;
	uint64_t making; /* with a window: the address space for vm_memory_enter; else 0 */
	unsigned vm;     /* whose it is: with nodes for its vCPUs (vm/sched.h) */
};

/* Takes what a configuration needs, zeroed. False when there is not so much: says so in the
 * log, nothing is taken then. Boot address space. */
bool vm_memory_take(
	const struct vm_images *images, unsigned id, bool ram_zeroed, struct vm_memory *m);
/*
 * From the boot address space into one where all that has, and the VM's window, is mapped: for
 * vm_create and vm_load_images. Only the CPU that makes the VM is ever there.
 */
void vm_memory_enter(const struct vm_memory *m);
/* Returns it; the caller has wiped it. */
void vm_memory_give_back(const struct vm_memory *m);

/*
 * Before the VM begins again: other memory where some of what it has is wrong
 * (cpu/bad_memory.h); what it keeps over a restart goes along, unless that is. NULL, or why it
 * cannot have any; it may have none then, and is to ask again. *renewed: the caller wipes it,
 * in pieces, all but what was kept if that is not lost, and asks again: it may be wrong, too.
 * Boot address space.
 */
const char *vm_memory_renew(
	const struct vm_images *images, unsigned id, struct vm_memory *m, bool *renewed);

/* Creates in memory that is zero what a configuration asks for: vCPUs in reset state, platform,
 * the ROM of firmware. What was said for one start (policy/changes.h) is over then. NULL when
 * the configuration is impossible; says so in the log. See vm_memory_enter. */
struct vm *vm_create(struct vm_images *images, unsigned id, const struct vm_memory *memory);

/* Whole pages of what is kept (struct vm_kept), or NULL: there is none or not so much. */
void *vm_keep(struct vm *vm, uint64_t size);

/* Puts all vCPUs of the VM into run queues. Boot address space. */
void vm_start(struct vm *vm);

/*
 * What L1's VT-x offers; cr4_valid: the CR4 bits that its CPUID offers. Before the vCPUs run.
 */
void vm_derive_caps(struct vm *vm, uint64_t cr4_valid, uint64_t cet_valid);

/* ---- vcpu.c ---- */

/* False or NULL of what follows: the pool of the VM is too small. */
struct vcpu *vcpu_create(struct vm *vm, unsigned index);
/* State after power-on; needs VMCS01 current, and no hardware VMCS for L2 in use. */
void vcpu_power_on(struct vcpu *vcpu);
/* From the state after power-on to that in which a boot protocol starts; VMCS01 is current. */
void vcpu_apply_entry(struct vcpu *vcpu, const struct entry_state *e);

/* ---- parts ---- */

/* Decides whether the VM uses it, and makes what all vCPUs share. */
bool apicv_create(struct vm *vm);
/* The fields of VMCS01, which is current, that never change. */
void apicv_vcpu_create(struct vcpu *vcpu);
bool cpuid_create(struct vcpu *vcpu);
/* What CPUID answers on this CPU. */
struct cpuid_leaves;
void cpuid_read_machine(struct cpuid_leaves *m);
bool msr_create(struct vcpu *vcpu);
/* What the CPU virtualizes in x2APIC mode. */
void msr_allow_x2apic(uint64_t *bitmap);

/* What is wrong with the images of a VM that has firmware, or NULL. Boot address space. */
const char *firmware_check(const struct vm_images *images);
/* Firmware that was checked: its ROM, and what it is told of the machine, for the platform. */
bool firmware_create(
	struct vm *vm, const struct vm_images *images, struct platform_config *platform);
/* RAM below 1 MiB as the ROM shadows it. VMCS01 of the first vCPU is in reset state. */
const char *firmware_start(struct vm *vm);

/* With selftest=state: what it needs. */
bool selftest_create(struct vm *vm);

#endif
