/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM, for all who have to do with one: what it is, its end, and the figures of its vCPUs.
 */
#ifndef NESTOR_VM_VM_H
#define NESTOR_VM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/lock.h"
#include "lib/budget.h"
#include "mm/pool.h"
#include "policy/one_to_one.h"
#include "policy/vm_config.h"
#include "spec/addr.h"
#include "vm/variables.h"
#include "vm/vcpu.h"
#include "vmx/ept.h"

#define VM_MAX           ((unsigned)LIMIT_VMS)
#define VM_MAX_SLOTS     32u /* of RAM */
#define VM_VOIDS         64u
#define VM_FIRMWARE_LINE 160
#define VM_PORT_BLOCK    16u /* ports that have one line of the log */
#define VM_PORT_BLOCKS   (0x10000u / VM_PORT_BLOCK)
#define VM_WATCHED       4096u /* bits of `watched` */

_Static_assert(VM_MAX_SLOTS >= ONE_TO_ONE_REGIONS, "a slot for each region");

struct vm_ram;
struct vm_state;
struct debugger_code;
struct debugger_pages;

struct mem_slot {
	uint64_t gpa;
	uint64_t size;   /* 0: none */
	struct hpa hpa;  /* not of RAM that moves */
	uint8_t *host;   /* in the VM's address space */
	uint64_t offset; /* of RAM that moves: from the start of all of it */
};

enum vm_end {
	VM_RUNS,
	VM_END_DEBUG_EXIT,
	VM_END_POWEROFF,
	VM_END_RESET,
	VM_END_TRIPLE_FAULT,
	VM_END_STOPPED, /* the host tool asked for it */
	VM_END_OVER,    /* no VM is left that the run waits for */
	VM_END_ERROR,   /* Nestor could not go on with it */
	VM_END_L0_FAULT /* L0 took a fault in its handling */
};

/* Local APICs that the CPU virtualizes. */
struct vm_apicv {
	bool on;
	bool posted;            /* with posted interrupts */
	bool direct;            /* units of the machine post, too */
	bool met_l2;            /* an L2 has run on EPT01 */
	unsigned hidden;        /* reasons why EPT01 does not have access_page */
	struct hpa access_page; /* what EPT01 has at the address of the local APIC */
	uint64_t *msr_bitmap;   /* for VMCS01 of vCPUs in x2APIC mode */
};

/*
 * Memory of a VM with firmware that outlives a restart. It is given away in the same order at
 * each start, and so at the same addresses.
 */
struct vm_kept {
	uint8_t *start; /* its first page says whether there was a start before */
	uint64_t size, used;
	bool again; /* there was: it is as it was left, else zero */
};

/* Locks of the machine's bus that its guests have taken (vm/denial.c). */
struct vm_locks {
	struct budget budget;
	uint64_t count, late; /* all, and those that cost a wait; atomic */
};

/* What the end of devices' work is for, beside nothing. */
enum vm_unlock {
	UNLOCK_LOCK = 1,  /* there are other vCPUs */
	UNLOCK_WRITES = 2 /* devices have writes on record (vept_device_writes) */
};

struct vm {
	struct vm_config config;
	unsigned id;         /* console channel 2 + id */
	uint16_t first_vpid; /* VPIDS_PER_VCPU for each vCPU */
	struct vcpu *vcpus[DEV_MAX_VCPUS];
	struct mem_slot slots[VM_MAX_SLOTS];
	unsigned slot_count;
	/* Of these, whose RAM does not move: all, or none, also once some is wrong; atomic. */
	unsigned fixed_count;
	bool bad_memory; /* some of its RAM is wrong (vm/bad_memory.h); atomic */
	uint32_t
		home[LIMIT_NODES]; /* nodes of the machine (mm/node.h) that stand for its own */
	struct mem_slot rom; /* firmware, up to 4 GiB; its host memory is the boot module's */
	struct vm_ram *ram;  /* that moves; NULL: it is all there */
	struct vm_kept kept;
	struct page_pool pool;
	struct ept ept01;
	uint64_t host_cr3;
	uint64_t tsc_offset;  /* time of the VM = host TSC + offset; vm/tsc.c for vCPUs */
	struct spinlock lock; /* EPT01, virtual EPT, explanations */
	struct spinlock platform_lock;
	uint64_t *msr_bitmap; /* for VMCS01 of all vCPUs, but see apicv */
	/* The same and apicv.msr_bitmap, with IA32_SPEC_CTRL; NULL: nobody has it yet. */
	uint64_t *spec_ctrl_bitmap[2];
	struct vm_apicv apicv;
	struct platform *platform;
	struct vm_devices *devices; /* that are PCI functions */
	struct screen *screen;      /* with a display; else NULL */
	struct variables variables; /* of firmware */
	struct nested_vm *nested_vm;
	struct explain_ring *explain; /* what was refused to L1 and L2 */
	/* Ones: what is behind addresses of L1 without memory, where it must be mapped. */
	struct hpa void_page;
	uint64_t void_at[VM_VOIDS]; /* where EPT01 has it; 0: nowhere */
	unsigned void_next;
	bool paused;    /* its vCPUs stand still; atomic */
	unsigned alone; /* 1 + the vCPU that does not, if the VM is not paused; atomic */
	struct debugger_points points; /* with `lock`, like the next three */
	uint64_t pool_spare;           /* pages of the pool that nobody else will need */
	struct debugger_code *code;    /* NULL: there were never any */
	struct debugger_pages *debug_pages[DEV_MAX_VCPUS]; /* likewise */
	uint32_t points_generation;                        /* atomic */
	uint32_t debug_epoch; /* steps of another one are forgotten; atomic */
	bool windows_changed; /* of PCI, since somebody looked; atomic */
	struct vm_locks locks;
	/* A bit of a page's number modulo their count: virtual EPT watches such a page, or did
	 * (seam_l1_page_watch); atomic. */
	uint64_t watched[VM_WATCHED / 64];
	bool watches;           /* any of them; atomic */
	uint8_t at_unlock;      /* of devices, enum vm_unlock; with their lock */
	struct vm_state *saved; /* with selftest=state, like the next */
	unsigned selftests;     /* asked for */
	enum vm_end end;
	uint32_t end_value;
	char firmware_line[VM_FIRMWARE_LINE]; /* as far as it has come */
	unsigned firmware_line_used;
	uint64_t warned[4]; /* bitmap: things logged once, enum vm_warning and exit reasons */
	uint64_t no_device[VM_PORT_BLOCKS / 64]; /* bitmap: ports that no device has, logged */
};

static inline uint64_t *vm_watched_word(struct vm *vm, uint64_t gpa)
{
	return &vm->watched[gpa / PAGE_SIZE % VM_WATCHED / 64];
}

/* From now on a device's write to this page is to be marked (EPT_DIRTY of its leaf). True: not
 * so before; a device that is at work does not know yet. */
static inline bool vm_watches(struct vm *vm, uint64_t gpa)
{
	uint64_t bit = BIT64(gpa / PAGE_SIZE % 64);

	__atomic_store_n(&vm->watches, true, __ATOMIC_SEQ_CST);
	return !(__atomic_fetch_or(vm_watched_word(vm, gpa), bit, __ATOMIC_SEQ_CST) & bit);
}

/* False: nobody asks for it. */
static inline bool vm_watched(struct vm *vm, uint64_t gpa)
{
	return __atomic_load_n(vm_watched_word(vm, gpa), __ATOMIC_RELAXED) &
	       BIT64(gpa / PAGE_SIZE % 64);
}

static inline bool vm_has_bad_memory(const struct vm *vm)
{
	return __atomic_load_n(&vm->bad_memory, __ATOMIC_RELAXED);
}

/* Ends the VM: all its vCPUs stop at their next entry. `why` is for the log. */
void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why);

/* How many exits a level had for a reason, with the one under way; the vCPU is not in guest
 * mode. */
uint64_t vcpu_exits(const struct vcpu *vcpu, unsigned level, unsigned reason);

/* The vCPU that this CPU runs now, or NULL. */
struct vcpu *vcpu_current(void);

/* Seam, provided by control/: all vCPUs of the VM have stopped; its address space is current.
 * again: it will be started again. */
void vm_ended(const struct vm *vm, bool again);
/* Seam, provided by control/: no VM runs any more. Reports and ends the machine. */
_Noreturn void all_vms_ended(void);

#endif
