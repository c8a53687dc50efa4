/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KVM virtual machine with one vCPU: set-up and the run loop. What the guest
 * does with ports and device memory is the business of the caller's handler.
 */
#ifndef NESTOR_GUESTS_KVMCLIENT_VM_H
#define NESTOR_GUESTS_KVMCLIENT_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed places in guest memory, below the kernel at 1 MiB. */
#define GUEST_GDT         0x1000u
#define GUEST_STACK       0x8000u
#define GUEST_PAGE_TABLES 0x9000u /* six pages: 4 GiB mapped to themselves */

/* KVM of a 32-bit kernel has no guests in 64-bit mode. */
#define GUEST_LONG_MODE (sizeof(void *) == 8)

struct vm {
	int kvm, fd, vcpu;
	uint8_t *memory;
	size_t size;
	struct kvm_run *run;
	bool irqchip;
	/* Returns false to end the run. data is what is read or written. */
	bool (*io)(struct vm *vm, uint16_t port, bool write, unsigned size, uint8_t *data);
	bool (*mmio)(struct vm *vm, uint64_t address, bool write, unsigned size, uint8_t *data);
};

/* Prints the text with errno's meaning and ends the program with status 1. */
_Noreturn void fatal(const char *what);

/* Opens KVM and makes a VM with this much memory; with irqchip also PIC, IOAPIC, LAPIC, PIT. */
void vm_create(struct vm *vm, size_t memory, bool irqchip);

/*
 * GDT and registers at rip, interrupts off, rsi as given: in 64-bit mode, with page tables, or
 * in protected mode without paging.
 */
void vm_set_mode(struct vm *vm, bool long_mode, uint64_t rip, uint64_t rsi);

/*
 * Runs until a handler returns false, or the guest halts without irqchip, shuts down or fails.
 * Returns the KVM exit reason that ended it; KVM_EXIT_UNKNOWN when a handler did.
 */
uint32_t vm_run(struct vm *vm);

/* Level of an interrupt line of the irqchip. */
void vm_irq(struct vm *vm, unsigned line, bool level);

/* The uses of this program; ticks_main: NAME ROUNDS COPIES COMMAND... and a null pointer. */
int probe_main(void);
int linux_main(int argc, char **argv);
int ticks_main(char **arguments);
int cost_main(void);

#endif
