/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM of a VM that moves (`reserve` in its configuration): in chunks of 2 MiB, which are there
 * from the first access to the time that the guest gives them up. What is not there is zero.
 *
 * L0 reaches it in a window of the VM's address space, where it is contiguous; a chunk that is
 * not there is not mapped. docs/decisions/0039-memory-that-moves.md has the reasons.
 */
#ifndef NESTOR_VM_RAM_H
#define NESTOR_VM_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/lock.h"
#include "lib/limits.h"
#include "spec/addr.h"

struct vcpu;
struct vm;
struct vm_config;
struct vm_memory;

#define RAM_MOVES 64u /* chunks that are on their way at one time */

struct ram_chunk {
	uint32_t frame; /* host-physical address / 2 MiB; 0: none */
	uint8_t state;  /* enum ram_state; may be read without the lock */
	uint8_t flags;  /* enum ram_flag */
	uint8_t reserved[2];
};

/* Chunks on their way, by index. */
struct ram_list {
	uint32_t at[RAM_MOVES];
	unsigned count;
};

struct ram_stats {
	uint32_t there, peak; /* chunks */
	uint64_t given, kept; /* that went, and that were to go and stayed */
	uint64_t waits;       /* of vCPUs, for a chunk */
};

/* In memory of the VM that outlives a restart, with its tables and chunks behind it. */
struct vm_ram {
	struct spinlock lock;
	unsigned vm;
	uint32_t count, low; /* chunks; those below 4 GiB, from guest-physical 0 on */
	uint8_t *window;
	uint64_t *pdpt, *pde; /* page tables of the window: one entry for each chunk */
	uint64_t pde_flags;
	struct ram_chunk *chunk;
	uint64_t *balloon_bits;
	uint64_t balloon_bytes; /* of guest-physical addresses that these are for */
	struct ram_list asked, going, left;
	bool forgets; /* EPT02 is not yet without what goes */
	/* A vCPU that has seen a round has dropped all translations and pointers of before. */
	uint32_t round, seen[LIMIT_VCPUS];
	struct ram_stats stats;
};

/* What a vCPU waits for before it goes on. Bits of vcpu->starving. */
enum ram_want {
	RAM_WANTS_SPARE = 1, /* L0 took of the VM's spare for it */
	RAM_WANTS_CHUNK = 2  /* its guest needs a chunk */
};

/* ---- at set-up, in the boot address space ---- */

/*
 * Takes what the configuration promises the VM, from the nodes that stand for its own, as far
 * as they have some; and makes its window in its address space. The memory of the VM has its
 * books, which are zero. NULL: there is not so much.
 */
struct vm_ram *ram_create(
	const struct vm_memory *m, const struct vm_config *c, unsigned vm, bool zeroed);
/* All VMs are there: what is left of the host's memory is for those that have such RAM. */
void ram_take_rest(bool zeroed);
/* The VM will not run again; nothing is there any more. No CPU has the address space. */
void ram_destroy(struct vm_ram *r, uint64_t cr3);
/* Before the VM is made. */
void ram_begin(struct vm_ram *r, uint64_t low);

/* One that nobody has; NULL, with a line of the log: there are LIMIT_RESERVES. */
uint8_t *ram_take_window(const char *vm);
/* Nobody has it any more. */
void ram_give_window(const uint8_t *window);
/* What the second address space has there is in the first, which no CPU has loaded, too. */
void ram_show_window(const uint8_t *window, uint64_t cr3, uint64_t of);

/* ---- after the end of the VM ---- */

/* A piece of what it has goes. False: nothing was left. */
bool ram_drop(struct vm_ram *r);
/* Has it used up what it is promised? */
bool ram_is_short(const struct vm_ram *r);
/* Has all of that been wiped? */
bool ram_is_whole(const struct vm_ram *r);

/* ---- any CPU, in the boot address space after it ---- */

/* Wipes a chunk, and lets those who wait for one know. False: there is none to be wiped. */
bool ram_wipe(void);

/* ---- accesses by L0, in the address space of the VM ---- */

/* [offset, offset + size) of its RAM is there and stays until this CPU has handled the exit.
 * False: no chunk is to be had, not even of its spare. */
bool ram_there(const struct vm *vm, uint64_t offset, uint64_t size);
/* Where to read a range: zeros where nothing is. NULL: as before. */
const void *ram_readable(const struct vm *vm, uint64_t offset, uint64_t size);
/* The host-physical address of RAM; false: as before. EPT02 is going to map it. */
bool ram_translate(const struct vm *vm, uint64_t offset, struct hpa *hpa);
/* EPT01 maps it from now on, if it is there. With vm_lock. */
void ram_map(struct vm *vm, uint64_t offset);
/* Hardware has the address: the chunk never goes. */
void ram_pin(const struct vm *vm, uint64_t offset);
/* Memory that is wrong (vm/bad_memory.h): has the VM some; is some in [gpa, gpa + size)? */
bool ram_has_bad(const struct vm *vm);
bool ram_is_bad(const struct vm *vm, uint64_t gpa, uint64_t size);
/* EPT01 maps it no more. With vm_lock. False: the pool is too small. */
bool ram_unmap_bad(struct vm *vm);
/* The page, which is there, holds a table of EPT12: EPT01 maps it. With vm_lock. */
void ram_holds_table(struct vm *vm, uint64_t offset);

/* ---- the guest ---- */

/* The guest accesses RAM that EPT01 does not map: from now on it does, or the vCPU waits. */
void ram_touch(struct vcpu *vcpu, uint64_t offset);

/* For the balloon: see virtio/seam.h. */
bool ram_give(struct vm *vm, uint64_t offset);
void ram_keep(struct vm *vm, uint64_t offset, uint64_t size);
bool ram_settled(struct vm *vm);

/* ---- events ---- */

/* EVENT_MEMORY: chunks go on their way as far as they can. No lock is held. */
void ram_move_on(struct vcpu *vcpu);
/* True: the vCPU must wait on; EVENT_MEMORY comes when it is worth to look again. */
bool ram_starves(struct vcpu *vcpu);

/* This CPU may have translations of a time when a vCPU of the VM was here before. */
void ram_flush_window(const struct vm *vm);

#endif
