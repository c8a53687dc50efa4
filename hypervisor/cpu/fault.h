/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts and faults of L0 itself: the IDT, and the report of what should not happen.
 */
#ifndef NESTOR_CPU_FAULT_H
#define NESTOR_CPU_FAULT_H

#include <stdint.h>

/* As cpu/trap.S pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Vectors of L0's own interrupts, above those that L0 forwards to nobody. */
#define VECTOR_MESSAGES 0x80 /* and on: what the machine's devices send; MSI needs it aligned */
#define MESSAGE_VECTORS 40u
#define VECTOR_LINES    0xc0 /* and on: pins of the machine's IOAPIC */
#define VECTOR_TIMER    0xf0
#define VECTOR_KICK     0xf1
#define VECTOR_POSTED   0xf2 /* posted-interrupt notification */
#define VECTOR_IOMMU    0xf3 /* a remapping unit of the machine has blocked something */
#define VECTOR_ARRIVED  0xf4 /* what devices post came for a vCPU that is not loaded */
#define VECTOR_CMCI     0xf5 /* a bank of machine-check registers has a corrected error */
#define VECTOR_SPURIOUS 0xff

/* Fills the IDT. Boot CPU, once, before percpu_init. */
void fault_init(void);
/* Loads the IDT on this CPU. */
void fault_init_cpu(void);
/* A gate of an IDT of someone else's, 8 bytes aligned: on the stack that is interrupted. */
void fault_make_gate(void *table, unsigned vector, const void *handler);

/* Code that an NMI interrupts for good: it goes on elsewhere. Ends with zeros; vmx/stub.S. */
struct nmi_restart {
	uint64_t start, end, to;
};
extern const struct nmi_restart nmi_restarts[];

/* Linear address of the IDT. */
uint64_t idt_base(void);

/* Called by cpu/trap.S. */
void trap_handler(struct trap_frame *f);
/*
 * How a machine check returns: mce_end() is called on the interrupted stack, where nothing of
 * the frame is needed any more; whether NMIs are blocked stays as it is. RF is lost.
 */
_Noreturn void trap_return_without_iret(const struct trap_frame *f);

/* Prints the call chain from a frame pointer on. */
void fault_backtrace(uint64_t rbp);
/* Prints `address symbol+offset`. */
void fault_print_address(uint64_t address);

/* All other CPUs stand still from their next NMI on, which they are sent. */
void fault_stop_others(void);

/* An NMI came: this CPU does not return if it was told to stand still. */
void fault_obey_stop(void);

/* The last record of a failed run, and power-off. */
_Noreturn void fault_end(void);

/*
 * Seam, provided by vm/: this pin of the machine's IOAPIC interrupts; afterwards it is quiet.
 * Any address space.
 */
void fault_line(unsigned pin);

/* Seam, provided by vm/: VECTOR_IOMMU. Any address space. */
void fault_iommu(void);

/* Seam, provided by vm/: VECTOR_ARRIVED. Any address space. */
void fault_arrived(void);

/* Seam, provided by vm/: a device has sent VECTOR_MESSAGES + n. Any address space. */
void fault_message(unsigned n);

/* What the vectors of devices are for; of others, nothing. */
void fault_device(uint64_t vector);

/* Seam, provided by vm/: prints the VM and vCPU that this CPU works for. */
void fault_print_context(void);

/*
 * Seam, provided by vm/: if the fault happened in the handling of a VM and others can go on,
 * stops that VM and continues with the next; it does not return then.
 */
void fault_contain(void);

#endif
