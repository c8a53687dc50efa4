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
#define TIMER_ONESHOT    (0u << 17)
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
	REG_ICR2 = 0x31,
	REG_LVT_TIMER = 0x32,
	REG_LVT_ERROR = 0x37,
	REG_INITIAL_COUNT = 0x38,
	REG_CURRENT_COUNT = 0x39,
	REG_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f
};

extern const uint32_t vlapic_lvt_writable[LVT_COUNT];

static inline bool vlapic_x2apic(const struct vlapic *l)
{
	return l->base & APIC_BASE_X2APIC;
}

static inline uint32_t vlapic_timer_mode(const struct vlapic *l)
{
	return l->lvt[LVT_TIMER] & LVT_TIMER_MODE;
}

/* ---- vlapic.c ---- */
void vlapic_accept(struct platform *p, unsigned vcpu, uint8_t vector, bool level);
void vlapic_send_ipi(struct platform *p, unsigned self);
uint32_t vlapic_read_register(struct platform *p, unsigned vcpu, uint32_t reg);
void vlapic_write_register(struct platform *p, unsigned vcpu, uint32_t reg, uint32_t value);

/* ---- vlapic_timer.c ---- */
/* The deadline that follows from the timer's registers. */
void vlapic_timer_schedule(struct vlapic *l);
uint32_t vlapic_current_count(struct platform *p, const struct vlapic *l);
void vlapic_write_initial_count(struct platform *p, struct vlapic *l, uint32_t value);
void vlapic_write_divide(struct platform *p, struct vlapic *l, uint32_t value);
void vlapic_write_tsc_deadline(struct platform *p, unsigned vcpu, uint64_t value);

#endif
