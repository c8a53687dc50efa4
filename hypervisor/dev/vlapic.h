/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC of a vCPU (SDM vol. 3A chapter 10 "Advanced Programmable Interrupt
 * Controller"), in xAPIC and x2APIC mode. Its timer counts at the frequency of the guest TSC.
 */
#ifndef NESTOR_DEV_VLAPIC_H
#define NESTOR_DEV_VLAPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/apic.h"

struct platform;

enum vlapic_lvt {
	LVT_TIMER,
	LVT_THERMAL,
	LVT_PMC,
	LVT_LINT0,
	LVT_LINT1,
	LVT_ERROR,
	LVT_COUNT
};

#define VLAPIC_PAGE 4096

/*
 * Posted-interrupt descriptor (SDM 29.6 "Posted-Interrupt Processing"): requests that reach the
 * LAPIC without its owner's help. Any CPU, atomically.
 */
struct vlapic_posted {
	uint64_t requests[4]; /* by vector */
	uint64_t control; /* bit 0: requests were added since the owner looked; else vm/'s */
	uint64_t reserved[3];
};

struct vlapic {
	/*
	 * The registers, 16 bytes each, as L1 reads them. With `hardware` this is the
	 * virtual-APIC page: while L1 runs the CPU changes IRR, ISR, TPR and PPR, and stores
	 * what L1 writes to other registers before vlapic_hardware_wrote tells of it.
	 */
	uint32_t regs[VLAPIC_PAGE / 4] __attribute__((aligned(VLAPIC_PAGE)));
	struct vlapic_posted
		posted;   /* a page of its own but for the following: Bochs wants that */
	bool hardware;    /* the CPU virtualizes it; irr_top, isr_top are not kept */
	bool changed;     /* IRR or TMR not as VMCS01 has them; nested or vm/ acts on it */
	bool isr_changed; /* ISR, too */
	bool late_waits;
	uint32_t level[8]; /* trigger mode of the latest request by vector; TMR follows */
	uint32_t late[8];  /* requests whose trigger mode must reach TMR before them */
	int16_t irr_top;   /* highest bit set, -1 when none */
	int16_t isr_top;
	uint32_t esr_pending;
	uint64_t base;        /* IA32_APIC_BASE */
	uint64_t deadline;    /* guest TSC of the next end of the timer, DEV_NEVER: it stands */
	uint64_t timer_start; /* guest TSC at which the count was written or reloaded */
	uint64_t tsc_deadline; /* IA32_TSC_DEADLINE */
	/* What the timer runs by: the registers may hold what L1 wrote a moment ago. */
	uint32_t timer_mode, initial_count, divide;
};

#define VLAPIC_REGS 64

/* Nobody's page: the registers by number (offset / 16), the same for both modes. */
struct vlapic_state {
	uint64_t base;
	uint64_t deadline, timer_start, tsc_deadline;
	uint32_t regs[VLAPIC_REGS];
	uint32_t icr_high; /* ICR bits 63:32 in x2APIC mode */
	uint32_t esr_pending;
};

/* An interrupt message, from the IOAPIC, an MSI or an IPI. */
struct vlapic_message {
	uint32_t destination;
	uint8_t vector;
	enum apic_delivery mode;
	bool logical;
	bool level;
};

void vlapic_reset(struct platform *p, unsigned vcpu);
/* After an INIT. */
void vlapic_init_reset(struct platform *p, unsigned vcpu);
/* Enabled, the PIC at LINT0 and NMI at LINT1: as firmware leaves the bootstrap processor. */
void vlapic_virtual_wire(struct platform *p, unsigned vcpu);
/* In x2APIC mode after a reset: as firmware leaves all where one has an id from 255 on. */
void vlapic_hand_over_x2apic(struct platform *p, unsigned vcpu);

/*
 * One access to the register page; offset below 4096. Registers take aligned 32-bit accesses.
 */
uint32_t vlapic_read(struct platform *p, unsigned vcpu, uint32_t offset);
void vlapic_write(struct platform *p, unsigned vcpu, uint32_t offset, uint32_t value);

/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 0x800 to 0x8ff. False: #GP. */
bool vlapic_rdmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t *value);
bool vlapic_wrmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t value);

/* True when the register page is at its address in memory (enabled, not x2APIC). */
bool vlapic_is_mapped(const struct vlapic *l);

/*
 * Sends a message to every LAPIC it addresses; one with lowest priority to one of them.
 * Destination UINT32_MAX is everybody; ff is it only as a logical one, in xAPIC mode. False
 * when nobody accepted it.
 */
bool vlapic_send(struct platform *p, const struct vlapic_message *m);
/*
 * The vCPU in whose descriptor a request would do the same as this message; -1: none does. As
 * long as vpci_routes_changed does not tell that it may be another one.
 */
int vlapic_route(const struct platform *p, const struct vlapic_message *m);

/*
 * The highest vector that may interrupt now, -1 when none; and taking it. Only the CPU that
 * owns the vCPU, outside guest mode.
 */
int vlapic_pending(struct vlapic *l);
/*
 * Whether there is one; nothing is moved. Without the platform's lock, where vlapic_owned says
 * that nobody else changes what it looks at but the descriptor.
 */
bool vlapic_has_posted(const struct vlapic *l);
bool vlapic_owned(const struct vlapic *l);
bool vlapic_waits(const struct vlapic *l);
int vlapic_take(struct vlapic *l);

/* The task priority. */
uint32_t vlapic_tpr(const struct vlapic *l);
void vlapic_set_tpr(struct vlapic *l, uint32_t value);

/* ---- hardware mode; only the owner, outside guest mode ---- */

/*
 * L1's write to the register page at this offset has been done by the CPU, but for its effects.
 */
void vlapic_hardware_wrote(struct platform *p, unsigned vcpu, uint32_t offset);
/* Moves requests that came from elsewhere into IRR. */
void vlapic_collect(struct vlapic *l);

/* Whether the LAPIC passes the PIC's interrupt on. */
bool vlapic_accepts_extint(const struct vlapic *l);

void vlapic_run_timer(struct platform *p, unsigned vcpu, uint64_t now);

/* Taken and put back: state.h. Valid: whether the LAPIC can be in it; set checks the same. */
void vlapic_get_state(const struct vlapic *l, struct vlapic_state *s);
bool vlapic_valid_state(const struct vlapic *l, unsigned vcpu, const struct vlapic_state *s);
bool vlapic_set_state(struct vlapic *l, unsigned vcpu, const struct vlapic_state *s);

#endif
