/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/watch.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/nmi.h"
#include "cpu/tsc.h"
#include "cpu/tsc_step.h"
#include "lib/watch.h"
#include "vm/sched.h"

#define PERIOD_MS 1000u

static struct watched watched[MAX_CPUS]; /* of who looks; one does in a period */
static uint64_t next_at;                 /* host TSC; atomic */

static uint64_t period(void)
{
	return (uint64_t)tsc_khz * PERIOD_MS;
}

static bool watches(void)
{
	return l0_config()->watchdog != 0 && cpu_count > 1;
}

static bool is_in_l0(unsigned cpu)
{
	return __atomic_load_n(&sched_cpu(cpu)->shared.guest, __ATOMIC_SEQ_CST) == NULL &&
	       __atomic_load_n(&percpus[cpu]->shared.sleep, __ATOMIC_SEQ_CST) == CPU_WAKES;
}

static void tell(unsigned cpu, uint32_t seconds)
{
	struct cpu_place *p = &percpus[cpu]->place;
	bool answers = !__atomic_load_n(&p->asked, __ATOMIC_ACQUIRE);

	log_error("CPU %u has stood still in Nestor for %u s%s", cpu, seconds,
		answers ? ", at:" : ", and takes no NMI");
	for (unsigned i = 0; answers && i < p->count; i++)
		fault_print_address(p->at[i]);
}

static void look(unsigned cpu, uint32_t limit)
{
	uint32_t progress = __atomic_load_n(&percpus[cpu]->shared.progress, __ATOMIC_RELAXED);

	switch (watch_look(&watched[cpu], is_in_l0(cpu), progress, limit)) {
	case WATCH_FINE:
		break;
	case WATCH_ASK:
		__atomic_store_n(&percpus[cpu]->place.asked, true, __ATOMIC_SEQ_CST);
		nmi_kick(cpu);
		break;
	case WATCH_PROBE:
		nmi_kick(cpu);
		break;
	case WATCH_TELL:
		tell(cpu, limit);
		break;
	case WATCH_GOES_ON:
		log_warn("CPU %u goes on", cpu);
		break;
	}
}

void watch_work(void)
{
	uint64_t now, next = __atomic_load_n(&next_at, __ATOMIC_RELAXED);

	tsc_step_look();
	now = rdtsc();
	if (now < next || !watches() ||
		!__atomic_compare_exchange_n(&next_at, &next, now + period(), false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	for (unsigned i = 0; i < cpu_slots; i++)
		if (i != this_cpu()->index &&
			__atomic_load_n(&percpus[i]->shared.usable, __ATOMIC_ACQUIRE))
			look(i, l0_config()->watchdog);
}

uint64_t watch_sleep_end(uint64_t deadline)
{
	uint64_t next;

	if (!watches())
		return deadline;
	next = rdtsc() + period();
	return deadline < next ? deadline : next;
}
