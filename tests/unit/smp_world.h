/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine whose CPUs begin some time after their start-up IPI, and have come up some time
 * after that; time passes as the boot CPU waits.
 */
#ifndef NESTOR_TESTS_SMP_WORLD_H
#define NESTOR_TESTS_SMP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/smp.h"
#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "spec/vmx.h"

#define NEVER UINT64_MAX
#define MOST  20u

extern uint32_t ap_next, ap_limit, ap_told, ap_told_limit, ap_ids[MAX_CPUS];
uint32_t boot_efer = 0x900, boot_cr3 = 0x5000, boot_cr4 = 0x20;

__asm__(".section .rodata\n"
	".globl trampoline_start, trampoline_data, trampoline_end\n"
	"trampoline_start: .skip 32\n"
	"trampoline_data: .skip 22\n"
	"trampoline_end:\n"
	".globl ap_stay_check, ap_stay_event\n"
	"ap_stay_check: .skip 1\n"
	"ap_stay_event: .skip 1\n"
	".text\n");

uint64_t hw_now; /* microseconds */
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu boot;
struct percpu *percpus[MAX_CPUS] = {&boot};
unsigned cpu_slots, cpu_count;

static struct ap {
	uint32_t id;
	unsigned misses; /* start-up IPIs */
	uint64_t begins, comes;
	enum {
		ELSEWHERE, /* where firmware has it */
		WAITS,     /* for a start-up IPI */
		STARTED,
		BEGUN,
		UP,
		STAYS, /* without data */
		TOLD
	} is;
	uint64_t since;
	uint64_t held; /* between its place and what it tells, us: SMM code */
	unsigned index;
	bool used;
	bool only_tells;
} aps[MOST];

static unsigned ap_count, strays, warnings, infos;
static uint32_t ids[MOST + 1], idle_ids[MOST];
static bool x2apic;
static struct l0_config config;
static void *memory;
static bool no_memory;
static uint8_t low_pages[2][4096] __attribute__((aligned(4096)));
static unsigned low_taken, gates[2]; /* of machine checks, of others */
uint64_t ap_stay_gates[64];
extern const uint8_t ap_stay_check[], ap_stay_event[], trampoline_start[], trampoline_data[];

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	warnings += level == LOG_WARN;
	infos += level == LOG_INFO;
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	if (limit <= 0xa0000) {
		assert_int_equal(size, sizeof(low_pages[0]));
		if (low_taken == 2)
			return false;
		*out = hpa_of(low_pages[low_taken++]);
		return true;
	}
	if (no_memory)
		return false;
	assert_null(memory);
	memory = aligned_alloc(align, (size + align - 1) & ~(align - 1));
	*out = hpa_of(memory);
	return true;
}

void fault_make_gate(void *table, unsigned vector, const void *handler)
{
	assert_ptr_equal(table, ap_stay_gates);
	assert_true(vector < 32);
	assert_ptr_equal(handler, vector == VEC_MC ? ap_stay_check : ap_stay_event);
	gates[vector == VEC_MC]++;
}

bool paging_everywhere(struct hpa pa, uint64_t size, uint64_t flags)
{
	(void)pa;
	(void)size;
	(void)flags;
	return true;
}

void percpu_make(void *at, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		percpus[cpu_slots] = (struct percpu *)at + i;
		percpus[cpu_slots++]->index = i + 1;
	}
}

bool apic_is_extended(void)
{
	return x2apic;
}

void hw_pause(void)
{
	fail(); /* nobody stops between joining and being online here */
}

/* ---- messages ---- */

/* Where the page of a start-up IPI is, and what it is for. */
static void get_page(struct ap *a, uint8_t page)
{
	bool found = false;

	for (unsigned i = 0; i < low_taken; i++)
		if (page == (uint8_t)(hpa_of(low_pages[i]).v >> 12)) {
			a->only_tells = low_pages[i][trampoline_data - trampoline_start + 18];
			found = true;
		}
	assert_true(found);
}

static void get(struct ap *a, bool init)
{
	if (init) {
		a->is = WAITS;
	} else if (a->is == WAITS && a->misses != 0) {
		a->misses--;
	} else if (a->is == WAITS) {
		a->is = STARTED;
		a->since = hw_now;
	}
}

static void send(uint32_t id, bool init, uint8_t page)
{
	bool found = false;

	assert_int_not_equal(id, boot.apic_id);
	assert_true(x2apic ? id != UINT32_MAX : id < 0xff);
	for (unsigned i = 0; i < ap_count; i++)
		if (aps[i].id == id) {
			if (!init && aps[i].is == WAITS)
				get_page(&aps[i], page);
			get(&aps[i], init);
			found = true;
		}
	strays += !found;
}

void apic_send_init(uint32_t id)
{
	send(id, true, 0);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
	send(id, false, page);
}

void apic_send_init_all_others(void)
{
	for (unsigned i = 0; i < ap_count; i++)
		get(&aps[i], true);
}

void apic_send_startup_all_others(uint8_t page)
{
	for (unsigned i = 0; i < ap_count; i++) {
		get_page(&aps[i], page);
		get(&aps[i], false);
	}
}

/* ---- time ---- */

/* As boot/entry.S does it. */
static void begin(struct ap *a)
{
	a->since = hw_now;
	if (!a->only_tells) {
		a->index = ap_next++;
		a->is = a->index < ap_limit ? BEGUN : STAYS;
		return;
	}
	a->index = ap_told++;
	a->is = a->index < ap_told_limit ? TOLD : STAYS;
	if (a->is == TOLD && a->held == 0)
		ap_ids[a->index] = a->id;
}

/* And ap_main. */
static void come_up(struct ap *a)
{
	struct percpu *c = percpus[a->index];

	c->apic_id = a->id;
	hw_cpu = c;
	a->used = smp_join();
	if (!a->used)
		c->shared.parked = true;
	hw_cpu = &boot;
	a->is = UP;
}

void tsc_delay_us(uint64_t us)
{
	hw_now += us;
	for (unsigned i = 0; i < ap_count; i++) {
		struct ap *a = &aps[i];

		if (a->is == STARTED && a->begins != NEVER && hw_now - a->since >= a->begins)
			begin(a);
		if (a->is == BEGUN && a->comes != NEVER && hw_now - a->since >= a->comes)
			come_up(a);
		if (a->is == TOLD && a->held != 0 && hw_now - a->since >= a->held)
			ap_ids[a->index] = a->id;
	}
}

#endif
