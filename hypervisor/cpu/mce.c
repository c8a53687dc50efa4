/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/mce.h"

#include <stddef.h>

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/budget.h"
#include "spec/cpuid.h"
#include "spec/msr.h"
#include "spec/regs.h"
#include "spec/vmx_caps.h"

#define POLL_MS       10000u
#define RENDEZVOUS_MS 10u
#define LOG_BURST     20u /* lines at once, and one more each so many ms */
#define LOG_PERIOD_MS 1000u
/* From before the start, or from the time in which others were started. */
#define MCE_FOUND "machine check from before Nestor looked at this CPU"

enum {
	REG_CTL,
	REG_STATUS,
	REG_ADDRESS,
	REG_MISC
};

static struct budget log_budget;

/* ---- a test's bank ---- */

static struct {
	bool on;
	unsigned bank;
	struct mce_bank regs;
	uint64_t mcg_status;
} simulated;

void mce_simulate(unsigned bank, const struct mce_bank *b, uint64_t mcg_status)
{
	simulated.bank = bank;
	simulated.regs = *b;
	simulated.mcg_status = mcg_status;
	simulated.on = true;
}

static bool is_simulated(unsigned bank)
{
	return simulated.on && simulated.bank == bank;
}

/* ---- registers ---- */

static bool has_mca(void)
{
	uint32_t edx = cpuid(1, 0).edx;

	return edx & cpuid_mask(CPUID_MCE) && edx & cpuid_mask(CPUID_MCA);
}

static uint64_t capabilities(void)
{
	if (simulated.on)
		return MCE_BANKS_MAX | MCG_CAP_SER_P;
	return has_mca() ? rdmsr(MSR_MCG_CAP) : 0;
}

static unsigned bank_count(uint64_t cap)
{
	return MCG_CAP_COUNT(cap) < MCE_BANKS_MAX ? MCG_CAP_COUNT(cap) : MCE_BANKS_MAX;
}

static uint32_t msr_of(unsigned bank, unsigned reg)
{
	return MSR_MC0_CTL + 4 * bank + reg;
}

/* False: it has no error. Address and misc exist only where the status says so (15.3.2.3). */
static bool read_bank(unsigned bank, struct mce_bank *b)
{
	if (is_simulated(bank)) {
		*b = simulated.regs;
		return b->status & MCI_VAL;
	}
	if (simulated.on)
		return false;
	*b = (struct mce_bank){.status = rdmsr(msr_of(bank, REG_STATUS))};
	if (!(b->status & MCI_VAL))
		return false;
	if (b->status & MCI_ADDRV)
		b->address = rdmsr(msr_of(bank, REG_ADDRESS));
	if (b->status & MCI_MISCV)
		b->misc = rdmsr(msr_of(bank, REG_MISC));
	return true;
}

/* Writing 0 makes room for the next error (15.3.2.2 "IA32_MCi_STATUS MSRS"). */
static void clear_bank(unsigned bank)
{
	if (is_simulated(bank))
		simulated.on = false;
	else
		wrmsr(msr_of(bank, REG_STATUS), 0);
}

/* ---- the log ---- */

static bool may_log(enum mce_class class_of)
{
	uint32_t left_out;

	if (class_of >= MCE_REQUIRED)
		return true;
	if (!budget_spend(&log_budget, rdtsc(), (uint64_t)tsc_khz * LOG_PERIOD_MS, LOG_BURST))
		return false;
	left_out = budget_take_refused(&log_budget);
	if (left_out != 0)
		log_warn("%u machine-check errors were left out", left_out);
	return true;
}

/* ---- interrupts of corrected errors, SDM 15.5 ---- */

static void set_interrupt(unsigned bank, bool on)
{
	uint32_t msr = MSR_MC0_CTL2 + bank;

	wrmsr(msr, cmci_control(rdmsr(msr), on));
}

/*
 * 15.5.2.1 "CMCI Initialization": who finds the bit set shares the bank with a CPU that has it
 * already, and where it does not stay there is no interrupt. One CPU after the other.
 */
static void claim_banks(uint64_t cap)
{
	static bool claiming;
	struct cmci *c = &this_cpu()->cmci;

	while (__atomic_exchange_n(&claiming, true, __ATOMIC_ACQUIRE))
		cpu_pause();
	c->owned = c->off = 0;
	for (unsigned i = 0; i < bank_count(cap); i++) {
		if (rdmsr(MSR_MC0_CTL2 + i) & MCI_CTL2_CMCI_EN)
			continue;
		set_interrupt(i, true);
		if (rdmsr(MSR_MC0_CTL2 + i) & MCI_CTL2_CMCI_EN)
			c->owned |= UINT32_C(1) << i;
	}
	__atomic_store_n(&claiming, false, __ATOMIC_RELEASE);
}

/* Where firmware takes them as SMIs, they are left to it. */
static void interrupts_on(uint64_t cap)
{
	if (!(cap & MCG_CAP_CMCI_P) || !apic_take_cmci())
		return;
	claim_banks(cap);
	if (this_cpu()->index == 0)
		log_info("machine checks: banks 0x%x interrupt at corrected errors, all are "
			 "looked at each %u s",
			this_cpu()->cmci.owned, POLL_MS / 1000);
}

/* The bank had an error. */
static void judge_rate(unsigned bank)
{
	if (!cmci_error(&this_cpu()->cmci, bank, rdtsc(), tsc_khz))
		return;
	set_interrupt(bank, false);
	log_warn("machine check: CPU %u, bank %u has too many errors to interrupt at each: it "
		 "is looked at each %u s",
		this_cpu()->index, bank, POLL_MS / 1000);
}

static void turn_on_again(void)
{
	uint32_t calm = cmci_calm(&this_cpu()->cmci, rdtsc(), tsc_khz);

	for (unsigned i = 0; calm >> i != 0; i++)
		if (calm >> i & 1)
			set_interrupt(i, true);
}

static void tell(const char *when, unsigned bank, const struct mce_bank *b, enum mce_class c)
{
	char text[MCE_TEXT];

	if (!may_log(c))
		return;
	mce_describe(text, sizeof(text), bank, b, c);
	if (c >= MCE_OPTIONAL)
		log_error("%s: CPU %u, %s", when, this_cpu()->index, text);
	else
		log_warn("%s: CPU %u, %s", when, this_cpu()->index, text);
}

/* The worst that the banks of this CPU say. */
static enum mce_class worst_of(uint64_t cap)
{
	enum mce_class worst = MCE_NONE;

	for (unsigned i = 0; i < bank_count(cap); i++) {
		struct mce_bank b;
		enum mce_class c = read_bank(i, &b) ? mce_classify(b.status, cap) : MCE_NONE;

		worst = c > worst ? c : worst;
	}
	return worst;
}

/* Before the bank is free: who ends a VM for it looks for the page. */
static void take_memory(const struct mce_bank *b, uint64_t cap)
{
	uint64_t page;

	if (mce_bad_page(b, cap, &page))
		bad_memory_note(page);
}

/*
 * Of these banks, what is no worse than `most`: into the log, and room for the next error. What
 * is fatal stays in its bank: it survives a warm reset, and firmware may look.
 */
static void take_of(
	const char *when, uint32_t banks, enum mce_class most, uint64_t cap, bool keep_fatal)
{
	for (unsigned i = 0; i < bank_count(cap); i++) {
		struct mce_bank b;
		enum mce_class c;

		if (!(banks >> i & 1) || !read_bank(i, &b))
			continue;
		c = mce_classify(b.status, cap);
		if (c > most)
			continue;
		tell(when, i, &b, c);
		take_memory(&b, cap);
		if (c != MCE_FATAL || !keep_fatal)
			clear_bank(i);
		judge_rate(i);
	}
}

static void take(const char *when, uint64_t cap, bool keep_fatal)
{
	take_of(when, UINT32_MAX, MCE_FATAL, cap, keep_fatal);
}

/* SDM 15.8 "Machine-Check Initialization" */
static void turn_on(uint64_t cap)
{
	take(MCE_FOUND, cap, false);
	if (cap & MCG_CAP_CTL_P)
		wrmsr(MSR_MCG_CTL, UINT64_MAX);
	for (unsigned i = 0; i < bank_count(cap); i++)
		wrmsr(msr_of(i, REG_CTL), UINT64_MAX);
	wrmsr(MSR_MCG_STATUS, 0);
	write_cr4(read_cr4() | CR4_MCE);
	__atomic_store_n(&this_cpu()->shared.checked, true, __ATOMIC_RELEASE);
}

void mce_cpu_park(void)
{
	if (has_mca())
		turn_on(capabilities());
}

void mce_cpu_claim(void)
{
	uint64_t cap;

	if (!has_mca())
		return;
	cap = capabilities();
	interrupts_on(cap);
	if (this_cpu()->cmci.owned != 0) /* one that has one already interrupts no more */
		take(MCE_FOUND, cap, false);
}

void mce_cpu_init(void)
{
	mce_cpu_park();
	mce_cpu_claim();
}

bool mce_has_local(void)
{
	return has_mca() && rdmsr(MSR_MCG_CAP) & MCG_CAP_LMCE_P;
}

/* SDM 15.3.1.5: without the two bits IA32_MCG_EXT_CTL does not exist. */
void mce_local_on(void)
{
	uint64_t needed = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_LMCE;
	bool on;

	if (!mce_has_local())
		return;
	on = (rdmsr(MSR_FEATURE_CONTROL) & needed) == needed;
	if (on)
		wrmsr(MSR_MCG_EXT_CTL, rdmsr(MSR_MCG_EXT_CTL) | MCG_EXT_CTL_LMCE_EN);
	if (this_cpu()->index == 0)
		log_info(
			"machine checks: %s", on ? "what is one CPU's only meets it alone"
						 : "firmware has local ones off: all CPUs meet "
						   "each (IA32_FEATURE_CONTROL, bit 20)");
}

void mce_poll(void)
{
	struct percpu *c = this_cpu();
	uint64_t now = rdtsc();

	if (now < c->mce_poll_at)
		return;
	c->mce_poll_at = now + (uint64_t)tsc_khz * POLL_MS;
	if (!(read_cr4() & CR4_MCE))
		return;
	take("machine check", capabilities(), true);
	if (c->cmci.off != 0)
		turn_on_again();
}

/*
 * Banks that it shares others look at, too, and those of a CPU that does nothing have little to
 * tell; but one whose interrupt is off is on again some time.
 */
uint64_t mce_poll_due(void)
{
	const struct percpu *c = this_cpu();

	return c->cmci.off != 0 || c->mce_poll_at == 0 ? c->mce_poll_at : UINT64_MAX;
}

/*
 * It may meet all CPUs that share the bank: who has claimed it counts and clears, else each
 * tells of the same error, and who comes second clears the next one unseen. What an exception
 * tells of, maybe another CPU that has not looked yet, is left to it.
 */
void mce_interrupt(void)
{
	if (this_cpu()->in_mux)
		this_cpu()->mce_poll_at = 0;
	else
		take_of("machine check", this_cpu()->cmci.owned, MCE_DEFERRED, capabilities(),
			true);
}

/* ---- exceptions ---- */

/*
 * An exception meets all CPUs at once on most processors (15.10.4.1), and banks are shared: one
 * CPU may see what another cannot go on with. `inside` counts those that have not left.
 */
static struct {
	uint32_t arrived, inside, worst;
} round;

static void note_worst(uint32_t verdict)
{
	uint32_t now = __atomic_load_n(&round.worst, __ATOMIC_SEQ_CST);

	while (now < verdict && !__atomic_compare_exchange_n(&round.worst, &now, verdict, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

/* CPUs that run nothing get it, too. */
static unsigned all_checked(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_slots; i++)
		n += __atomic_load_n(&percpus[i]->shared.checked, __ATOMIC_ACQUIRE);
	return n;
}

/*
 * When all have looked at the banks: nobody may clear one before. True: some CPU says that the
 * machine stops. A local one meets nobody, and must not count in a round of others.
 */
static bool meet_others(enum mce_verdict own)
{
	uint64_t until = rdtsc() + (uint64_t)tsc_khz * RENDEZVOUS_MS;
	unsigned all = all_checked();

	__atomic_fetch_add(&round.inside, 1, __ATOMIC_SEQ_CST);
	note_worst(own == MCE_STOP ? MCE_STOP : MCE_GO_ON);
	__atomic_fetch_add(&round.arrived, 1, __ATOMIC_SEQ_CST);
	while (rdtsc() < until && __atomic_load_n(&round.arrived, __ATOMIC_SEQ_CST) < all)
		cpu_pause();
	return __atomic_load_n(&round.worst, __ATOMIC_SEQ_CST) == MCE_STOP;
}

static void leave_others(void)
{
	if (__atomic_sub_fetch(&round.inside, 1, __ATOMIC_SEQ_CST) == 0)
		__atomic_store_n(&round.arrived, 0, __ATOMIC_SEQ_CST);
}

/* One report: who finds the reason tells of it, the others stand still. */
static _Noreturn void stop_machine(enum mce_verdict own)
{
	static bool told;

	mux_stop(); /* which who tells of it waits for */
	if (own != MCE_STOP || __atomic_exchange_n(&told, true, __ATOMIC_SEQ_CST))
		halt_forever();
	fault_stop_others();
	log_error("machine check: the machine cannot go on");
	fault_print_context();
	fault_end();
}

/*
 * What interrupted L0 in the midst of a line cannot write another one: the banks stay as they
 * are, and are told when this CPU looks next, but for what ends everything.
 */
static void report(bool in_guest, uint64_t cap, enum mce_class worst, enum mce_verdict own)
{
	if (own == MCE_STOP)
		mux_break_lock();
	if (this_cpu()->in_mux) {
		this_cpu()->mce_poll_at = 0;
		return;
	}
	if (worst == MCE_NONE && may_log(MCE_CORRECTED))
		log_warn("machine check: CPU %u, no bank says why", this_cpu()->index);
	take(in_guest ? "machine check in a guest" : "machine check in L0", cap, true);
}

enum mce_verdict mce_exception(bool in_guest)
{
	bool test = simulated.on;
	uint64_t cap = capabilities();
	uint64_t status = test ? simulated.mcg_status : rdmsr(MSR_MCG_STATUS);
	enum mce_class worst = worst_of(cap);
	enum mce_verdict own = mce_judge(worst, status, in_guest);
	bool local = status & MCG_STATUS_LMCE_S;
	bool stops = local ? own == MCE_STOP : meet_others(own);

	report(in_guest, cap, worst, own);
	if (stops)
		stop_machine(own);
	if (!local)
		leave_others();
	if (in_guest && !test)
		mce_end();
	return own;
}

/* MCIP: else the next one shuts the CPU down. */
void mce_end(void)
{
	if (has_mca())
		wrmsr(MSR_MCG_STATUS, 0);
}
