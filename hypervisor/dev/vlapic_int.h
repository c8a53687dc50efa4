/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the local APIC; nobody else includes it.
 */
#ifndef NESTOR_DEV_VLAPIC_INT_H
#define NESTOR_DEV_VLAPIC_INT_H

#include "dev/vlapic.h"
#include "spec/apic.h"

/* The registers are known by their numbers here. */
enum apic_register {
	REG_ID = APIC_NUMBER(APIC_ID),
	REG_VERSION = APIC_NUMBER(APIC_VERSION),
	REG_TPR = APIC_NUMBER(APIC_TPR),
	REG_APR = APIC_NUMBER(APIC_APR),
	REG_PPR = APIC_NUMBER(APIC_PPR),
	REG_EOI = APIC_NUMBER(APIC_EOI),
	REG_REMOTE_READ = APIC_NUMBER(APIC_REMOTE_READ),
	REG_LDR = APIC_NUMBER(APIC_LDR),
	REG_DFR = APIC_NUMBER(APIC_DFR),
	REG_SVR = APIC_NUMBER(APIC_SVR),
	REG_ISR = APIC_NUMBER(APIC_ISR),
	REG_TMR = APIC_NUMBER(APIC_TMR),
	REG_IRR = APIC_NUMBER(APIC_IRR),
	REG_ESR = APIC_NUMBER(APIC_ESR),
	REG_ICR = APIC_NUMBER(APIC_ICR),
	REG_ICR2 = APIC_NUMBER(APIC_ICR_HIGH),
	REG_LVT_TIMER = APIC_NUMBER(APIC_LVT_TIMER),
	REG_LVT_ERROR = APIC_NUMBER(APIC_LVT_ERROR),
	REG_INITIAL_COUNT = APIC_NUMBER(APIC_INITIAL_COUNT),
	REG_CURRENT_COUNT = APIC_NUMBER(APIC_CURRENT_COUNT),
	REG_DIVIDE = APIC_NUMBER(APIC_DIVIDE),
	REG_SELF_IPI = APIC_NUMBER(APIC_SELF_IPI)
};

extern const uint32_t vlapic_lvt_writable[LVT_COUNT];

#define ESR_POSSIBLE \
	(ESR_SEND_ILLEGAL_VECTOR | ESR_RECEIVE_ILLEGAL_VECTOR | ESR_ILLEGAL_REGISTER)

/* Bits that software may set. */
#define TPR_WRITABLE    0xffu
#define LDR_WRITABLE    0xff000000u
#define DFR_WRITABLE    0xf0000000u
#define SVR_WRITABLE    0x1ffu
#define ICR_WRITABLE    0xccfffu
#define ICR2_WRITABLE   0xff000000u
#define DIVIDE_WRITABLE 0xbu

static inline uint32_t vlapic_reg(const struct vlapic *l, uint32_t reg)
{
	return l->regs[reg * 4];
}

static inline void vlapic_set(struct vlapic *l, uint32_t reg, uint32_t value)
{
	l->regs[reg * 4] = value;
}

static inline bool vlapic_x2apic(const struct vlapic *l)
{
	return l->base & APIC_BASE_X2APIC;
}

/* Enabled globally and by software. */
static inline bool vlapic_enabled(const struct vlapic *l)
{
	return (l->base & APIC_BASE_ENABLE) && (vlapic_reg(l, REG_SVR) & SVR_ENABLE);
}

/* ---- vlapic_vectors.c ---- */
/* The highest bit set in a 256-bit register, -1 when none. */
int vlapic_top(const struct vlapic *l, uint32_t reg);
/*
 * With hardware: the descriptor as it is without requests; whether it has some. A unit of the
 * machine may post there meanwhile.
 */
void vlapic_posted_reset(struct vlapic *l);
/* Whether a request in the descriptor is like an edge-triggered message of this vector. */
bool vlapic_takes_posted(const struct vlapic *l, uint8_t vector);
/* Word i of IRR with the requests that wait elsewhere. */
uint32_t vlapic_requests(const struct vlapic *l, uint32_t i);
uint32_t vlapic_ppr(const struct vlapic *l);
/* A request for the vector. Any CPU that holds the platform's lock. */
void vlapic_accept(struct platform *p, unsigned vcpu, uint8_t vector, bool level);
void vlapic_error(struct platform *p, unsigned vcpu, uint32_t esr_bit);
void vlapic_eoi(struct platform *p, unsigned vcpu);

/* ---- vlapic_ipi.c ---- */
/* What the ICR says. */
void vlapic_send_ipi(struct platform *p, unsigned self);

/* ---- vlapic.c ---- */
/* What a register is after a change of the mode: ID, LDR and DFR follow from it; 0 for most. */
uint32_t vlapic_mode_value(uint32_t reg, unsigned vcpu, bool x2apic);
/* Registers that follow from the mode. */
void vlapic_mode_changed(struct vlapic *l, unsigned vcpu);
uint32_t vlapic_read_register(struct platform *p, unsigned vcpu, uint32_t reg);
void vlapic_write_register(struct platform *p, unsigned vcpu, uint32_t reg, uint32_t value);

/* ---- vlapic_timer.c ---- */
/* The deadline that follows from the timer's registers. */
void vlapic_timer_schedule(struct vlapic *l);
uint32_t vlapic_current_count(struct platform *p, const struct vlapic *l);
void vlapic_write_initial_count(struct platform *p, struct vlapic *l, uint32_t value);
/* To or from TSC-deadline mode: disarms the timer. */
void vlapic_write_timer_mode(struct vlapic *l, uint32_t mode);
void vlapic_write_divide(struct platform *p, struct vlapic *l, uint32_t value);
void vlapic_write_tsc_deadline(struct platform *p, unsigned vcpu, uint64_t value);

#endif
