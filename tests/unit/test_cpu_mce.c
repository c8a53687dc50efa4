/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine checks of a machine with simulated banks: what is read, told and cleared, who waits
 * for whom, and what ends.
 */
#include "mce_world.h"

static void each_bank_is_on_and_what_firmware_left_is_told(void **state)
{
	(void)state;
	bank[2] = (struct mce_bank){.status = MCI_VAL | MCI_ADDRV | 0x90, .address = 1};
	mcg_status = MCG_STATUS_MCIP;
	mce_cpu_init();
	assert_int_equal(lines, 1);
	assert_int_equal(bank[2].status, 0);
	assert_int_equal(mcg_status, 0);
	assert_true(mcg_ctl == UINT64_MAX);
	for (unsigned i = 0; i < BANKS; i++)
		assert_true(ctl[i] == UINT64_MAX);
	assert_int_equal(cr4, CR4_MCE);
	cap = BANKS; /* no IA32_MCG_CTL */
	mce_cpu_init();
}

static void a_machine_without_them_is_left_alone(void **state)
{
	(void)state;
	has_mca = false;
	mce_cpu_init();
	mce_poll();
	assert_int_equal(cr4, 0);
}

static void corrected_errors_are_looked_for_now_and_then(void **state)
{
	(void)state;
	mce_cpu_init();
	mce_poll();
	bank[0].status = MCI_VAL;
	mce_poll();
	assert_int_equal(lines, 0);
	hw_now += 10000 * tsc_khz;
	mce_poll();
	assert_int_equal(lines, 1);
	assert_int_equal(errors, 0);
	assert_int_equal(bank[0].status, 0);
}

/* 20 lines, then one each second. */
static void errors_without_end_do_not_fill_the_log(void **state)
{
	(void)state;
	mce_cpu_init();
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < BANKS; k++)
			bank[k].status = MCI_VAL;
		mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
		assert_int_equal(mce_exception(true), MCE_GO_ON);
		assert_int_equal(mcg_status, 0);
	}
	assert_in_range(lines, 20, 22);
	hw_now += 5000 * tsc_khz;
	lines = 0;
	bank[0].status = MCI_VAL;
	mcg_status = MCG_STATUS_RIPV;
	(void)mce_exception(true);
	assert_int_equal(lines, 2); /* with how many were left out */
}

static void an_error_that_a_guest_has_used_ends_its_vm_only(void **state)
{
	(void)state;
	bank[1] = (struct mce_bank){
		.status = UCR | MCI_AR | MCI_ADDRV | MCI_MISCV | 0x134, .address = 0x5000};
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV;
	assert_int_equal(mce_exception(true), MCE_END_VM);
	assert_int_equal(errors, 1);
	assert_int_equal(bank[1].status, 0);
	assert_int_equal(mcg_status, 0);
	assert_int_equal(ends, 0);
}

/* What stop_machine() does: 1, the CPU stands still; 2, the run ended. */
static int stops(bool in_guest)
{
	int how = setjmp(halted);

	if (how == 0) {
		(void)mce_exception(in_guest);
		return 0;
	}
	return how;
}

/* The next one would be written over its frame: cpu/trap.S lets it in later. */
static void one_that_met_l0_ends_when_it_returns(void **state)
{
	(void)state;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_true(mcg_status & MCG_STATUS_MCIP);
	mce_end();
	assert_int_equal(mcg_status, 0);
	has_mca = false;
	mce_end();
}

static void local_ones_are_on_where_firmware_lets_them(void **state)
{
	uint64_t both = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_LMCE;

	(void)state;
	feature_control = both;
	mce_local_on(); /* the processor has none: the register is #GP */
	cap |= MCG_CAP_LMCE_P;
	feature_control = FEATURE_CONTROL_LOCK;
	mce_local_on();
	feature_control = FEATURE_CONTROL_LMCE;
	mce_local_on();
	assert_int_equal(ext_ctl, 0);
	feature_control = both;
	ext_ctl = 0x100;
	mce_local_on();
	assert_int_equal(ext_ctl, 0x101);
	has_mca = false;
	mce_local_on();
	assert_false(mce_has_local());
}

/* Nor does one that comes in the midst of a round stand for a CPU that is missing there. */
static void a_local_one_waits_for_nobody_and_counts_for_nobody(void **state)
{
	(void)state;
	cpu.shared.checked = second.shared.checked = true;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_LMCE_S;
	assert_int_equal(mce_exception(true), MCE_GO_ON);
	assert_int_equal(pauses, 0);
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(true), MCE_GO_ON);
	assert_in_range(pauses, 900, 1100); /* for the other CPU, which never came */
	pauses = 0;
	second_comes = 1;
	second_is_local = true;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_int_equal(second_says, MCE_GO_ON);
	assert_in_range(pauses, 900, 1100);
	second_is_local = false;
}

#define ON (MCI_CTL2_CMCI_EN | 1)

/* Bank 1 has no interrupt; 3 is another CPU's, or firmware's. */
static void a_bank_interrupts_one_of_the_cpus_that_share_it(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	interrupting = 0xd;
	ctl2[0] = 0x1234;
	ctl2[3] = MCI_CTL2_CMCI_EN | 7;
	mce_cpu_init();
	assert_int_equal(cpu.cmci.owned, 0x5);
	assert_true(ctl2[0] == ON && ctl2[1] == 0 && ctl2[2] == ON);
	assert_true(ctl2[3] == (MCI_CTL2_CMCI_EN | 7));
	hw_cpu = &second;
	mce_cpu_init();
	assert_int_equal(second.cmci.owned, 0);
	assert_true(ctl2[0] == ON);
}

static void without_such_interrupts_no_bank_is_touched(void **state)
{
	(void)state;
	mce_cpu_init(); /* no MCG_CMCI_P: a read of the registers fails the test */
	assert_int_equal(cpu.cmci.owned, 0);
	cap |= MCG_CAP_CMCI_P;
	has_cmci = false; /* the local APIC lacks the source, or it is firmware's */
	mce_cpu_init();
	assert_true(ctl2[0] == 0 && cpu.cmci.owned == 0);
}

static void a_corrected_error_is_told_when_it_interrupts(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	hw_now += 60000 * tsc_khz;
	lines = 0;
	bank[2].status = MCI_VAL | 0x90;
	mce_interrupt();
	assert_int_equal(lines, 1);
	assert_int_equal(bank[2].status, 0);
	bank[2].status = MCI_VAL | 0x90;
	cpu.in_mux = true;
	mce_poll();
	lines = 0;
	mce_interrupt();
	cpu.in_mux = false;
	assert_int_equal(lines, 0);
}

static void a_storm_is_looked_at_now_and_then_until_it_is_over(void **state)
{
	unsigned interrupts = 0;

	(void)state;
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	hw_now += 60000 * tsc_khz;
	lines = 0;
	while (ctl2[1] == ON && interrupts < 1000) {
		bank[1].status = MCI_VAL | 0x90;
		hw_now += tsc_khz; /* one each millisecond */
		mce_interrupt();
		interrupts++;
	}
	assert_int_equal(interrupts, CMCI_BURST + 1);
	assert_in_range(lines, CMCI_BURST + 1, CMCI_BURST + 2); /* and that it is off */
	assert_true(ctl2[1] == 0 && ctl2[0] == ON && ctl2[2] == ON);
	for (unsigned s = 0; s < 100; s += 10) { /* it goes on */
		bank[1].status = MCI_VAL | 0x90;
		hw_now += 10000 * tsc_khz;
		mce_poll();
		assert_int_equal(bank[1].status, 0);
		assert_true(ctl2[1] == 0);
	}
	for (unsigned s = 0; s < 60; s += 10) {
		assert_true(ctl2[1] == 0);
		hw_now += 10000 * tsc_khz;
		mce_poll();
	}
	assert_true(ctl2[1] == ON);
	assert_int_equal(cpu.cmci.off, 0);
}

/* Such an interrupt may meet all CPUs that share the bank, who sleeps first. */
static void a_storm_in_a_shared_bank_ends_whoever_sees_it_first(void **state)
{
	unsigned errors_seen = 0;

	(void)state;
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	hw_cpu = &second;
	mce_cpu_init();
	hw_now += 60000 * tsc_khz;
	while (ctl2[1] == ON && errors_seen < 1000) {
		bank[1].status = MCI_VAL | 0x90;
		hw_now += tsc_khz;
		hw_cpu = &second;
		mce_interrupt();
		hw_cpu = &cpu;
		mce_interrupt();
		errors_seen++;
	}
	assert_int_equal(errors_seen, CMCI_BURST + 1);
}

/* The CPU that it hits may not have looked yet. */
static void what_an_exception_is_about_is_left_to_it(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	hw_now += 60000 * tsc_khz;
	bank[1].status = UCR | MCI_AR | 0x134;
	mce_interrupt();
	assert_true(bank[1].status != 0);
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV;
	assert_int_equal(mce_exception(true), MCE_END_VM);
	assert_true(bank[1].status == 0);
}

/* Nobody clears it, so it interrupts no more until it is looked at. */
static void a_bank_that_firmware_has_on_is_only_looked_at(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	ctl2[3] = MCI_CTL2_CMCI_EN | 1;
	mce_cpu_init();
	hw_now += 60000 * tsc_khz;
	bank[3].status = MCI_VAL | 0x90;
	mce_interrupt();
	assert_true(bank[3].status != 0);
	mce_poll();
	assert_true(bank[3].status == 0);
}

static void other_cpus_are_waited_for_and_no_longer_than_a_bound(void **state)
{
	(void)state;
	cpu.shared.checked = second.shared.checked = true;
	second_comes = 5;
	mcg_status = MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_int_equal(pauses, 5);
	pauses = second_comes = 0;
	mcg_status = MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_in_range(pauses, 900, 1100); /* 10 ms */
	pauses = 0;
	mcg_status = MCG_STATUS_RIPV | MCG_STATUS_LMCE_S; /* only here */
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_int_equal(pauses, 0);
	second.shared.checked = false; /* it has begun, and takes none yet */
	mcg_status = MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_int_equal(pauses, 0);
}

/* It gets exceptions as others do, and leaves the banks that all share to them. */
static void a_cpu_that_runs_nothing_takes_exceptions_and_claims_no_bank(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	hw_cpu = &second;
	bank[2] = (struct mce_bank){.status = MCI_VAL | 0x90};
	mce_cpu_park();
	assert_int_equal(cr4, CR4_MCE);
	assert_int_equal(lines, 1);
	assert_true(ctl[0] == UINT64_MAX && mcg_ctl == UINT64_MAX && ctl2[0] == 0);
	assert_true(second.shared.checked);
	assert_int_equal(second.cmci.owned, 0);
	hw_cpu = &cpu;
	mce_cpu_init();
	assert_int_equal(cpu.cmci.owned, 0xf);
	second_comes = 7; /* and is waited for */
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(true), MCE_GO_ON);
	assert_int_equal(pauses, 7);
	has_mca = false;
	mce_cpu_park();
}

/* A bank that it has alone interrupts it; one that had too many errors it has to look at. */
static void a_cpu_that_runs_nothing_claims_what_the_others_have_not(void **state)
{
	(void)state;
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	ctl2[2] = 0; /* of another core */
	hw_cpu = &second;
	mce_cpu_park();
	mce_cpu_claim();
	assert_int_equal(second.cmci.owned, 0x4);
	assert_int_equal(mce_poll_due(), 0); /* an exception may have met it on its way */
	mce_poll();
	assert_true(mce_poll_due() == UINT64_MAX);
	hw_now += 60000 * tsc_khz;
	for (unsigned i = 0; i <= CMCI_BURST; i++) {
		bank[2].status = MCI_VAL | 0x90;
		mce_interrupt();
		assert_int_equal(bank[2].status, 0);
	}
	assert_int_equal(ctl2[2], 0);
	mce_poll();
	for (unsigned i = 0; i < 6; i++) {
		assert_true(mce_poll_due() == hw_now + 10000 * tsc_khz);
		hw_now = mce_poll_due();
		mce_poll();
	}
	assert_true(ctl2[2] == ON && mce_poll_due() == UINT64_MAX);
	second.in_mux = true; /* in the midst of a line: it has to look */
	bank[0].status = MCI_VAL;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_LMCE_S;
	(void)mce_exception(false);
	second.in_mux = false;
	assert_int_equal(mce_poll_due(), 0);
	has_mca = false;
	mce_cpu_claim();
}

static void in_the_midst_of_a_line_no_other_is_written(void **state)
{
	(void)state;
	mce_cpu_init();
	mce_poll();
	bank[0].status = MCI_VAL;
	mcg_status = MCG_STATUS_RIPV;
	cpu.in_mux = true;
	assert_int_equal(mce_exception(false), MCE_GO_ON);
	assert_int_equal(lines, 0);
	cpu.in_mux = false;
	mce_poll();
	assert_int_equal(lines, 1);
	assert_int_equal(bank[0].status, 0);
}

/* Banks are shared: who was not hit leaves them as they are until who was has looked. */
static void only_who_was_hit_ends(void **state)
{
	(void)state;
	cpu.shared.checked = second.shared.checked = true;
	bank[1] = (struct mce_bank){.status = UCR | MCI_AR | 0x134};
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	second_comes = 3;
	second_says = MCE_GO_ON;
	assert_int_equal(mce_exception(true), MCE_GO_ON);
	assert_int_equal(second_says, MCE_END_VM);
	assert_int_equal(bank[1].status, 0);
	bank[1] = (struct mce_bank){.status = UCR | MCI_AR | 0x134};
	second.shared.checked = false;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(stops(false), 0);
}

/* Of a bank that is read: by an exception, a look, an interrupt; and a corrected one never. */
static void memory_that_is_wrong_is_noted_however_it_was_found(void **state)
{
	uint64_t named = MCI_ADDRV | MCI_MISCV;
	struct mce_bank b = {UCR | named | 0xc0, 0x5123, MCI_MISC_IS(MCI_MISC_PHYSICAL, 6)};
	uint64_t page;

	(void)state;
	memset(&bad_memory, 0, sizeof(bad_memory));
	cap |= MCG_CAP_CMCI_P;
	mce_cpu_init();
	mce_poll();
	hw_now += 60000 * tsc_khz;
	bank[1] = b;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV;
	assert_int_equal(mce_exception(true), MCE_GO_ON);
	assert_int_equal(bad_pages_count(&bad_memory), 1);
	assert_true(bad_memory_next(0, UINT64_MAX, &page) && page == 0x5000);
	b.status = MCI_VAL | MCI_UC | MCI_EN | named | 0x90;
	b.address = 0x7000;
	bank[2] = b;
	mce_poll();
	assert_true(bad_memory_in(0x7000, 1));
	b.address = 0x9000;
	bank[2] = b;
	mce_interrupt();
	assert_true(bad_memory_in(0x9000, 1));
	b.status = UCR | MCI_AR | named | 0x134;
	b.address = 0xb000;
	bank[0] = b;
	mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV;
	assert_int_equal(mce_exception(true), MCE_END_VM);
	assert_true(bad_memory_in(0xb000, 1));
	b.status = MCI_VAL | named | 0x90;
	b.address = 0xd000;
	bank[0] = b;
	mce_interrupt();
	assert_int_equal(bank[0].status, 0);
	assert_int_equal(bad_pages_count(&bad_memory), 4);
	memset(&bad_memory, 0, sizeof(bad_memory));
}

/* The last test: a machine that has stopped does not go on. */
static void a_corrupt_context_stops_the_machine_with_one_report(void **state)
{
	(void)state;
	bank[3].status = MCI_VAL | MCI_UC | MCI_EN | MCI_PCC;
	mcg_status = MCG_STATUS_MCIP;
	assert_int_equal(stops(true), 2);
	assert_int_equal(ends, 1);
	assert_int_equal(others_stopped, 1);
	assert_int_equal(errors, 2);
	assert_true(bank[3].status & MCI_VAL); /* for who looks after a reset */
	/* another CPU, whose own banks say nothing, and one that finds the same */
	assert_int_equal(stops(false), 1);
	bank[3].status = 0;
	mcg_status = MCG_STATUS_RIPV;
	assert_int_equal(stops(true), 1);
	assert_int_equal(ends, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_bank_is_on_and_what_firmware_left_is_told),
		TEST(a_machine_without_them_is_left_alone),
		TEST(corrected_errors_are_looked_for_now_and_then),
		TEST(errors_without_end_do_not_fill_the_log),
		TEST(an_error_that_a_guest_has_used_ends_its_vm_only),
		TEST(one_that_met_l0_ends_when_it_returns),
		TEST(local_ones_are_on_where_firmware_lets_them),
		TEST(a_local_one_waits_for_nobody_and_counts_for_nobody),
		TEST(a_bank_interrupts_one_of_the_cpus_that_share_it),
		TEST(without_such_interrupts_no_bank_is_touched),
		TEST(a_corrected_error_is_told_when_it_interrupts),
		TEST(a_storm_is_looked_at_now_and_then_until_it_is_over),
		TEST(a_storm_in_a_shared_bank_ends_whoever_sees_it_first),
		TEST(what_an_exception_is_about_is_left_to_it),
		TEST(a_bank_that_firmware_has_on_is_only_looked_at),
		TEST(other_cpus_are_waited_for_and_no_longer_than_a_bound),
		TEST(a_cpu_that_runs_nothing_takes_exceptions_and_claims_no_bank),
		TEST(a_cpu_that_runs_nothing_claims_what_the_others_have_not),
		TEST(in_the_midst_of_a_line_no_other_is_written),
		TEST(only_who_was_hit_ends),
		TEST(memory_that_is_wrong_is_noted_however_it_was_found),
		TEST(a_corrupt_context_stops_the_machine_with_one_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
