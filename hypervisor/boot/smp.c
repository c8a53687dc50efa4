/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/smp.h"

#include "cpu/apic.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"

#define LOW_LIMIT      0xa0000u
#define ANSWER_WAIT_US 200u
#define ANSWER_ROUNDS  50u
#define UNTOLD_CPUS    16u /* at most, where firmware does not tell how many there are */

/* Used by entry.S. */
extern const uint8_t trampoline_start[], trampoline_end[], trampoline_data[];
extern uint32_t boot_efer, boot_cr3, boot_cr4;
extern uint32_t ap_next, ap_limit;
extern uint64_t ap_stacks[MAX_CPUS];

uint32_t ap_next = 1;
uint32_t ap_limit;
uint64_t ap_stacks[MAX_CPUS];

/* The page of the trampoline must be in the identity map of the boot page tables only. */
static bool place_trampoline(struct hpa *page)
{
	uint8_t *va, *data;

	if (!page_alloc(PAGE_SIZE, PAGE_SIZE, LOW_LIMIT, page))
		return false;
	va = direct_va(*page);
	data = va + (trampoline_data - trampoline_start);
	memcpy(va, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	memcpy(data, &boot_cr3, 4);
	memcpy(data + 4, &boot_efer, 4);
	memcpy(data + 14, &boot_cr4, 4);
	return true;
}

/* Where the boot page tables reach it, on which these CPUs start; large pages for many. */
static bool make_data(unsigned others)
{
	uint64_t size = (others * sizeof(struct percpu) + PAGE_MASK) & ~PAGE_MASK;
	struct hpa at;

	if (!page_alloc(size, size < SIZE_2M ? PAGE_SIZE : SIZE_2M, BIT64(32), &at) ||
		!paging_everywhere(at, size, PT_RW_DATA))
		return false;
	memset(direct_va(at), 0, size);
	percpu_make(direct_va(at), others);
	for (unsigned i = 1; i < cpu_slots; i++)
		ap_stacks[i] = (uint64_t)(uintptr_t)percpus[i]->stack + STACK_SIZE;
	return true;
}

static unsigned online_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_slots; i++)
		n += __atomic_load_n(&percpus[i]->shared.online, __ATOMIC_ACQUIRE);
	return n;
}

static void wait_for_answers(unsigned expected)
{
	unsigned seen = online_count();

	for (unsigned quiet = 0; quiet < ANSWER_ROUNDS && online_count() < expected; quiet++) {
		tsc_delay_us(ANSWER_WAIT_US);
		if (online_count() != seen)
			quiet = 0;
		seen = online_count();
	}
}

/* Not this one; of more than 254 without x2APIC mode, no message leads to. */
static bool can_start(uint32_t id)
{
	return id != this_cpu()->apic_id && (id < 255 || apic_is_extended());
}

/* To all that are known, or to all others: firmware may have reasons to keep one off. */
static void send_init(const uint32_t *ids, unsigned count)
{
	if (count == 0)
		apic_send_init_all_others();
	for (unsigned i = 0; i < count; i++)
		if (can_start(ids[i]))
			apic_send_init(ids[i]);
}

static void send_startup(const uint32_t *ids, unsigned count, uint8_t page)
{
	if (count == 0)
		apic_send_startup_all_others(page);
	for (unsigned i = 0; i < count; i++)
		if (can_start(ids[i]))
			apic_send_startup(ids[i], page);
}

/*
 * SDM 8.4.4.1 "Typical BSP Initialization Sequence". The second start-up IPI is for processors
 * that missed the first one: others ignore it. After INIT the manual waits 10 ms, for external
 * local APICs; those that have what L0 needs of VT-x do not need it.
 */
void smp_start(const uint32_t *ids, unsigned count)
{
	uint32_t limit = l0_config()->max_cpus;
	unsigned expected = count != 0 ? count : UNTOLD_CPUS;
	struct hpa page;

	expected = expected < limit ? expected : limit;
	if (expected <= 1)
		return;
	if (!make_data(expected - 1)) {
		log_warn("no free memory below 4 GiB for %u CPUs: one is used", expected);
		return;
	}
	if (!place_trampoline(&page)) {
		log_warn("no free page below 1 MiB: the other CPUs stay off");
		return;
	}
	ap_limit = expected;
	send_init(ids, count);
	tsc_delay_us(100);
	send_startup(ids, count, (uint8_t)(page.v >> PAGE_SHIFT));
	wait_for_answers(expected);
	if (count != 0 && online_count() < expected) {
		send_startup(ids, count, (uint8_t)(page.v >> PAGE_SHIFT));
		wait_for_answers(expected);
	}
	cpu_count = online_count();
	if (count != 0 && cpu_count < expected)
		log_warn("%u of %u CPUs that the firmware tells of have started", cpu_count,
			expected);
}
