/*
 * Shared by the files of the local APIC; nobody else includes it.
 */
#ifndef NESTOR_DEV_VLAPIC_INT_H
#define NESTOR_DEV_VLAPIC_INT_H

#include "dev/vlapic.h"

#define APIC_BASE_BSP    (1ull << 8)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)
#define LVT_MASKED       (1u << 16)
#define LVT_TIMER_MODE   (3u << 17)
#define TIMER_PERIODIC   (1u << 17)
#define TIMER_DEADLINE   (2u << 17)

/* Register numbers: offset / 16, the same as the x2APIC MSR's. */
enum apic_register {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TPR = 0x08,
	REG_APR = 0x09,
	REG_PPR = 0x0a,
	REG_EOI = 0x0b,
	REG_REMOTE_READ = 0x0c,
	REG_LDR = 0x0d,
	REG_DFR = 0x0e,
	REG_SVR = 0x0f,
	REG_ISR = 0x10,
	REG_TMR = 0x18,
	REG_IRR = 0x20,
	REG_ESR = 0x28,
	REG_ICR = 0x30,
	REG_ICR2 = 0x31, /* xAPIC; x2APIC has the upper half beside the lower one */
	REG_LVT_TIMER = 0x32,
	REG_LVT_ERROR = 0x37,
	REG_INITIAL_COUNT = 0x38,
	REG_CURRENT_COUNT = 0x39,
	REG_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f
};

extern const uint32_t vlapic_lvt_writable[LVT_COUNT];

#define SVR_ENABLE                 (1u << 8)
#define ESR_SEND_ILLEGAL_VECTOR    (1u << 5)
#define ESR_RECEIVE_ILLEGAL_VECTOR (1u << 6)
#define ESR_ILLEGAL_REGISTER       (1u << 7)
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
/* With hardware: the descriptor as it is without requests; whether it has some. */
void vlapic_posted_reset(struct vlapic *l);
bool vlapic_has_posted(const struct vlapic *l);
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
