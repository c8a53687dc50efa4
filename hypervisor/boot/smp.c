/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/smp.h"

#include "cpu/apic.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "spec/vmx.h"

#define LOW_LIMIT      0xa0000u
#define STAY_GATES     32u /* entry.S */
#define INIT_WAIT_US   100u
#define ANSWER_WAIT_US 200u
#define ANSWER_ROUNDS  50u   /* that bring nothing new: nobody else begins */
#define COMING_ROUNDS  5000u /* the same while some have begun that are not there yet */

/* Used by entry.S. */
extern const uint8_t trampoline_start[], trampoline_end[], trampoline_data[];
extern uint32_t boot_efer, boot_cr3, boot_cr4;
extern const uint8_t ap_stay_check[], ap_stay_event[];
extern uint64_t ap_stay_gates[2 * STAY_GATES];
extern uint32_t ap_next, ap_limit, ap_told, ap_told_limit;
extern uint64_t ap_stacks[MAX_CPUS];
extern uint32_t ap_ids[MAX_CPUS];

uint32_t ap_next = 1, ap_told = 1;
uint32_t ap_limit, ap_told_limit;
uint64_t ap_stacks[MAX_CPUS];
uint32_t ap_ids[MAX_CPUS]; /* of those that tell; UINT32_MAX: it is about to */

/*
 * The page of the trampoline must be in the identity map of the boot page tables only. One that
 * begins on it late does what it was for.
 */
static bool place_trampoline(struct hpa *page, uint32_t only_tells)
{
	uint8_t *va, *data;

	if (!page_alloc(PAGE_SIZE, PAGE_SIZE, LOW_LIMIT, page)) {
		log_warn("no free page below 1 MiB: the other CPUs stay off");
		return false;
	}
	for (unsigned i = 0; i < STAY_GATES; i++)
		fault_make_gate(ap_stay_gates, i, i == VEC_MC ? ap_stay_check : ap_stay_event);
	va = direct_va(*page);
	data = va + (trampoline_data - trampoline_start);
	memcpy(va, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	memcpy(data, &boot_cr3, 4);
	memcpy(data + 4, &boot_efer, 4);
	memcpy(data + 14, &boot_cr4, 4);
	memcpy(data + 18, &only_tells, 4);
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

/* ---- who comes ---- */

/* How many CPUs are used, the boot CPU among them; with GATE_CLOSED no more are taken. */
#define GATE_CLOSED BIT(31)
static uint32_t gate, gate_limit;

bool smp_join(void)
{
	struct percpu *c = this_cpu();
	uint32_t n = __atomic_load_n(&gate, __ATOMIC_SEQ_CST);

	do {
		if (n & GATE_CLOSED || c->index >= gate_limit)
			return false;
	} while (!__atomic_compare_exchange_n(
		&gate, &n, n + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	__atomic_store_n(&c->shared.online, true, __ATOMIC_RELEASE);
	return true;
}

static unsigned online_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_slots; i++)
		n += __atomic_load_n(&percpus[i]->shared.online, __ATOMIC_ACQUIRE);
	return n;
}

/* Those that have said what becomes of them, the boot CPU among them. */
static unsigned settled_count(void)
{
	unsigned n = online_count();

	for (unsigned i = 0; i < cpu_slots; i++)
		n += __atomic_load_n(&percpus[i]->shared.parked, __ATOMIC_ACQUIRE);
	return n;
}

/* Those that have begun, with a stack. */
static unsigned arrived_count(void)
{
	uint32_t n = __atomic_load_n(&ap_next, __ATOMIC_ACQUIRE);

	return n < ap_limit ? n : ap_limit;
}

/*
 * One that has not begun by now is not coming. One that has and is not there yet may write its
 * caches back (a changed PAT), or be in an SMI: that takes what it takes.
 */
static void wait_for_answers(unsigned expected)
{
	unsigned arrived = 0, settled = 0, quiet = 0;

	while (settled_count() < expected &&
		quiet < (arrived > settled ? COMING_ROUNDS : ANSWER_ROUNDS)) {
		tsc_delay_us(ANSWER_WAIT_US);
		quiet = arrived == arrived_count() && settled == settled_count() ? quiet + 1
										 : 0;
		arrived = arrived_count();
		settled = settled_count();
	}
}

/* ---- starting them ---- */

/*
 * Not this one, nor all of them; of more than 254 without x2APIC mode, no message leads to. SDM
 * 10.12.9 "ICR Operation in x2APIC Mode"
 */
static bool can_start(uint32_t id)
{
	return id != this_cpu()->apic_id && (apic_is_extended() ? id != UINT32_MAX : id < 255);
}

static unsigned startable(const struct smp_ids *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += can_start(s->ids[i]);
	return n;
}

/* Not to all others: firmware may have reasons to keep one off. */
static void send_init(const struct smp_ids *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (can_start(s->ids[i]))
			apic_send_init(s->ids[i]);
}

static void send_startup(const struct smp_ids *s, uint8_t page)
{
	for (unsigned i = 0; i < s->count; i++)
		if (can_start(s->ids[i]))
			apic_send_startup(s->ids[i], page);
}

/*
 * SDM 8.4.4.1 "Typical BSP Initialization Sequence". The second start-up IPI is for processors
 * that missed the first one: others ignore it. After INIT the manual waits 10 ms, for external
 * local APICs; those that have what L0 needs of VT-x do not need it.
 */
static void start(const struct smp_ids *s, uint8_t page, unsigned expected)
{
	send_init(s);
	tsc_delay_us(INIT_WAIT_US);
	send_startup(s, page);
	wait_for_answers(expected);
	if (settled_count() >= expected)
		return;
	send_startup(s, page);
	wait_for_answers(expected);
}

/* From now on all that come are parked. */
static void close_gate(void)
{
	cpu_count = __atomic_fetch_or(&gate, GATE_CLOSED, __ATOMIC_SEQ_CST);
	while (online_count() < cpu_count) /* between two instructions */
		cpu_pause();
}

static void tell(unsigned expected)
{
	unsigned settled = settled_count(); /* first: those have arrived */
	unsigned mute = arrived_count() - settled;

	if (cpu_count < expected)
		log_warn("%u of %u CPUs that are to be used have started", cpu_count, expected);
	if (mute != 0)
		log_warn("CPUs that have begun and not come up within a second: %u", mute);
	if (settled > cpu_count)
		log_info("CPUs that are not used, sleep and take machine checks: %u",
			settled - cpu_count);
}

/* Firmware gives some no number that a message could have. */
static void tell_unreachable(const struct smp_ids *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += s->ids[i] >= 255 && !can_start(s->ids[i]) &&
		     s->ids[i] != this_cpu()->apic_id;
	if (n != 0)
		log_warn("CPUs that stay off, since their local APICs' ids are above 254 and "
			 "there is no x2APIC mode: %u",
			n);
}

static unsigned at_most(unsigned n, unsigned limit)
{
	return n < limit ? n : limit;
}

/* Without data they take machine checks, and that is all. */
static void start_without_data(const struct smp_ids *s, uint8_t page)
{
	send_init(s);
	tsc_delay_us(INIT_WAIT_US);
	send_startup(s, page);
}

void smp_start(const struct smp_ids *used, const struct smp_ids *idle)
{
	unsigned others = at_most(startable(used), MAX_CPUS - 1);
	unsigned spare = at_most(startable(idle), MAX_CPUS - 1 - others);
	unsigned expected = at_most(others + 1, l0_config()->max_cpus);
	struct hpa at;
	uint8_t page;

	tell_unreachable(used);
	if (others + spare == 0 || !place_trampoline(&at, 0))
		return;
	page = (uint8_t)(at.v >> PAGE_SHIFT);
	if (!make_data(others + spare)) {
		log_warn("no free memory below 4 GiB for %u CPUs: one is used",
			others + spare + 1);
		start_without_data(used, page);
		start_without_data(idle, page);
		return;
	}
	gate = 1;
	gate_limit = expected;
	ap_limit = 1 + others + spare;
	start(used, page, 1 + others);
	close_gate();
	if (spare != 0)
		start(idle, page, 1 + others + spare);
	tell(expected);
}

/* ---- asking who is there ---- */

/* How many have taken a place, as the trampoline counts them, the boot CPU among them. */
static unsigned begun_to_tell(void)
{
	return at_most(__atomic_load_n(&ap_told, __ATOMIC_ACQUIRE), ap_told_limit);
}

/* Those that have told, behind the boot CPU's. Their number. */
static unsigned take_told(uint32_t *ids)
{
	unsigned n = 1;

	for (unsigned i = 1; i < begun_to_tell(); i++) {
		ids[n] = __atomic_load_n(&ap_ids[i], __ATOMIC_ACQUIRE);
		n += ids[n] != UINT32_MAX;
	}
	return n;
}

unsigned smp_ask(uint32_t *ids, unsigned most)
{
	unsigned told = 1, before, quiet = 0;
	struct hpa page;

	ids[0] = this_cpu()->apic_id;
	if (!place_trampoline(&page, 1))
		return 1;
	memset(ap_ids, 0xff, sizeof(ap_ids));
	ap_told_limit = at_most(most, MAX_CPUS);
	apic_send_init_all_others();
	tsc_delay_us(INIT_WAIT_US);
	apic_send_startup_all_others((uint8_t)(page.v >> PAGE_SHIFT));
	/* SMM code may hold one up between its place and what it tells. */
	while (quiet < (told < begun_to_tell() ? COMING_ROUNDS : ANSWER_ROUNDS)) {
		tsc_delay_us(ANSWER_WAIT_US);
		before = told;
		told = take_told(ids);
		quiet = told == before ? quiet + 1 : 0;
	}
	if (told < begun_to_tell())
		log_warn("CPUs that have begun and not told who they are: %u: they stay off",
			begun_to_tell() - told);
	return told;
}
