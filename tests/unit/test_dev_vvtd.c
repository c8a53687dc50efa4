/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual DMA-remapping unit as its driver meets it: accesses of each size, commands,
 * events, the queue and its errors, the IOAPIC behind it, its state. That it translates as the
 * specification says is test_dev_vvtd_model's.
 */
#include "fake_dev.h"

#include "dev/state.h"
#include "spec/apic.h"

#define PAGE         4096u
#define PAGES        160u
#define ROOT         0u
#define CONTEXT      1u
#define IRTES        2u
#define STATUS       (3 * PAGE)
#define QUEUE        32u /* 128 pages of it: the largest */
#define FUNCTION     PCI_BDF(0, 4, 0)
#define LEVEL        (1u << 15)
#define MASKED       (1u << 16)
#define REMOTE_IRR   (1u << 14)
#define FAULT_VECTOR 0x31u
#define WAIT_VECTOR  0x32u

static uint8_t ram[PAGES * PAGE] __attribute__((aligned(PAGE)));

static int set_up(void **state)
{
	(void)state;
	fake_vtd = true;
	fake_ram = ram;
	fake_ram_size = sizeof(ram);
	memset(ram, 0, sizeof(ram));
	fake_start(1);
	fake_enable_apics();
	return 0;
}

static uint64_t reg(unsigned at, unsigned size)
{
	uint64_t v;

	assert_true(platform_mmio(&machine, 0, VVTD_BASE + at, false, size, &v));
	return v;
}

static void set(unsigned at, uint64_t value, unsigned size)
{
	assert_true(platform_mmio(&machine, 0, VVTD_BASE + at, true, size, &value));
}

static void store(uint64_t at, uint64_t v)
{
	memcpy(ram + at, &v, 8);
}

static uint32_t load(uint64_t at)
{
	uint32_t v;

	memcpy(&v, ram + at, 4);
	return v;
}

static bool reaches(uint16_t function, uint64_t at, bool write)
{
	bool there;

	dev_lock(&machine);
	there = dev_memory(&machine, function, at, 1, write) != NULL;
	dev_unlock(&machine);
	return there;
}

static void translation_on(void)
{
	set(VTD_RTADDR, ROOT * PAGE, 8);
	set(VTD_GCMD, VTD_RTP, 4);
	set(VTD_GCMD, VTD_TE, 4);
}

static void event(unsigned control, unsigned vector)
{
	set(control + 4, vector, 4);
	set(control + 8, 0xfee00000, 4);
	set(control + 12, 0, 4);
	set(control, 0, 4);
}

/* ---- registers ---- */

static void registers_are_read_in_any_part_and_written_whole(void **state)
{
	uint64_t cap = reg(VTD_CAP, 8);

	(void)state;
	assert_int_equal(reg(VTD_VER, 4), 0x10);
	assert_true(cap & VTD_CAP_CM);
	assert_int_equal(VTD_CAP_MGAW(cap), VVTD_BITS);
	assert_int_equal(VTD_CAP_FRO(cap), VVTD_FRCD);
	assert_int_equal(VTD_CAP_NFR(cap), VVTD_RECORDS);
	assert_int_equal(VTD_ECAP_IRO(reg(VTD_ECAP, 8)), VVTD_IOTLB);
	assert_false(reg(VTD_ECAP, 8) & VTD_ECAP_SMTS);
	assert_true(cap & VTD_CAP_PI);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(reg(VTD_CAP + i, 1), cap >> i * 8 & 0xff);
	assert_int_equal(reg(VTD_CAP + 2, 4), cap >> 16 & UINT32_MAX);
	set(VTD_CAP, 0, 8);
	assert_int_equal(reg(VTD_CAP, 8), cap);
	set(VTD_RTADDR, UINT64_C(0x123456789abcdef0), 8);
	assert_int_equal(reg(VTD_RTADDR, 8), UINT64_C(0x123456789abcd000));
	set(VTD_RTADDR + 4, 0x11, 4);
	assert_int_equal(reg(VTD_RTADDR, 8), UINT64_C(0x119abcd000));
	set(VTD_RTADDR, 0xff, 1);
	set(VTD_RTADDR, 0xffff, 2);
	set(VTD_RTADDR + 4, UINT64_MAX, 8);
	set(VTD_RTADDR + 1, UINT32_MAX, 4);
	assert_int_equal(reg(VTD_RTADDR, 8), UINT64_C(0x119abcd000));
	assert_int_equal(reg(VVTD_END, 8), 0);
	set(VVTD_END, UINT64_MAX, 8);
	assert_int_equal(reg(0xff8, 8), 0);
}

static void commands_are_answered_in_the_status(void **state)
{
	(void)state;
	set(VTD_GCMD, VTD_RTP, 4);
	assert_int_equal(reg(VTD_GSTS, 4), VTD_RTP);
	set(VTD_GCMD, VTD_TE | VTD_QIE, 4);
	assert_int_equal(reg(VTD_GSTS, 4), VTD_RTP | VTD_TE | VTD_QIE);
	set(VTD_GCMD, VTD_IRTP | VTD_QIE, 4);
	assert_int_equal(reg(VTD_GSTS, 4), VTD_RTP | VTD_IRTP | VTD_QIE);
	set(VTD_GCMD, VTD_AFL | VTD_WBF | VTD_FLP, 4); /* not there */
	assert_int_equal(reg(VTD_GSTS, 4), VTD_RTP | VTD_IRTP);
	assert_int_equal(reg(VTD_GCMD, 4), 0);
}

static void invalidation_by_registers_tells_what_it_did(void **state)
{
	(void)state;
	set(VTD_CCMD, VTD_CCMD_ICC | UINT64_C(1) << VTD_CCMD_CIRG_SHIFT, 8);
	assert_int_equal(reg(VTD_CCMD, 8),
		UINT64_C(1) << VTD_CCMD_CIRG_SHIFT | UINT64_C(1) << VTD_CCMD_CAIG_SHIFT);
	set(VVTD_IOTLB + VTD_IOTLB_REG, VTD_IOTLB_IVT | UINT64_C(2) << VTD_IOTLB_IIRG_SHIFT, 8);
	assert_int_equal(reg(VVTD_IOTLB + VTD_IOTLB_REG, 8) >> VTD_IOTLB_IAIG_SHIFT & 3, 2);
	assert_false(reg(VVTD_IOTLB + VTD_IOTLB_REG, 8) & VTD_IOTLB_IVT);
	set(VTD_GCMD, VTD_QIE, 4); /* then it is not done */
	set(VTD_CCMD, VTD_CCMD_ICC | UINT64_C(1) << VTD_CCMD_CIRG_SHIFT, 8);
	assert_int_equal(reg(VTD_CCMD, 8) >> VTD_CCMD_CAIG_SHIFT & 3, 0);
}

/* ---- faults ---- */

static void faults_fill_the_records_and_overflow_with_one_event(void **state)
{
	(void)state;
	event(VTD_FECTL, FAULT_VECTOR);
	translation_on();
	for (unsigned i = 0; i < VVTD_RECORDS + 3; i++) {
		assert_false(reaches((uint16_t)(FUNCTION + i), i * PAGE, i & 1));
		if (i == 0)
			assert_int_equal(platform_irq_ack(&machine, 0), FAULT_VECTOR);
		else
			assert_int_equal(fake_pending(0), -1);
		platform_eoi(&machine, 0);
	}
	assert_int_equal(reg(VTD_FSTS, 4), VTD_PPF | VTD_PFO);
	for (unsigned i = 0; i < VVTD_RECORDS; i++) {
		assert_int_equal(reg(VVTD_FRCD + 16 * i, 8), i * PAGE);
		assert_int_equal(reg(VVTD_FRCD + 16 * i + 8, 8),
			VTD_FRCD_F | (i & 1 ? 0 : VTD_FRCD_READ) |
				(uint64_t)VTD_FAULT_ROOT_ABSENT << VTD_FRCD_REASON_SHIFT |
				(FUNCTION + i));
	}
	/* With all read, it begins again, and tells of the first one. */
	for (unsigned i = 0; i < VVTD_RECORDS; i++)
		set(VVTD_FRCD + 16 * i + 8, VTD_FRCD_F, 8);
	assert_int_equal(reg(VTD_FSTS, 4), VTD_PFO);
	set(VTD_FSTS, VTD_PFO, 4);
	assert_int_equal(reg(VTD_FSTS, 4), 0);
	assert_false(reaches(FUNCTION, 0, false));
	assert_int_equal(fake_pending(0), FAULT_VECTOR);
}

static void a_masked_event_comes_when_it_is_unmasked(void **state)
{
	(void)state;
	event(VTD_FECTL, FAULT_VECTOR);
	set(VTD_FECTL, VTD_EVENT_IM, 4);
	translation_on();
	assert_false(reaches(FUNCTION, 0, false));
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(reg(VTD_FECTL, 4), VTD_EVENT_IM | VTD_EVENT_IP);
	set(VTD_FECTL, 0, 4);
	assert_int_equal(fake_pending(0), FAULT_VECTOR);
	assert_int_equal(reg(VTD_FECTL, 4), 0);
}

static void fpd_silences_what_the_specification_lets_it(void **state)
{
	(void)state;
	translation_on();
	store(ROOT * PAGE, CONTEXT * PAGE | 1);
	store(CONTEXT * PAGE + 16 * FUNCTION, VTD_CONTEXT_FPD);
	assert_false(reaches(FUNCTION, 0, false));
	assert_int_equal(reg(VTD_FSTS, 4), 0);
	store(CONTEXT * PAGE + 16 * FUNCTION, 0);
	assert_false(reaches(FUNCTION, 0, false));
	assert_int_equal(reg(VTD_FSTS, 4), VTD_PPF);
}

static void what_is_no_function_is_not_translated(void **state)
{
	(void)state;
	translation_on();
	assert_true(reaches(0, STATUS, true));
	assert_false(reaches(FUNCTION, STATUS, true));
	set(VTD_GCMD, 0, 4);
	assert_true(reaches(FUNCTION, STATUS, true));
}

static struct vvtd_run run_of(uint64_t page, uint64_t end)
{
	static const struct vvtd_context c = {.levels = 3, .tables = 4 * PAGE};
	struct vvtd_run run;

	dev_lock(&machine);
	vvtd_run_of(&machine, &c, page * PAGE, end * PAGE, &run);
	dev_unlock(&machine);
	return run;
}

#define EXPECT_RUN(run, first, count, from, may)                        \
	do {                                                            \
		struct vvtd_run r = (run);                              \
		assert_int_equal(r.at, (uint64_t)(first)*PAGE);         \
		assert_int_equal(r.size, (uint64_t)(count)*PAGE);       \
		assert_int_equal(r.rights, may);                        \
		if ((may) != 0)                                         \
			assert_int_equal(r.gpa, (uint64_t)(from)*PAGE); \
	} while (0)

static void pages_one_behind_the_other_are_one_answer(void **state)
{
	(void)state;
	store(4 * PAGE, 5 * PAGE | VTD_SL_RIGHTS);
	store(5 * PAGE, 6 * PAGE | VTD_SL_RIGHTS);
	for (unsigned i = 0; i < 10; i++)
		store(6 * PAGE + 8 * i, (8 + i) * PAGE | VTD_SL_RIGHTS);
	store(6 * PAGE + 8 * 10, 18 * PAGE | VTD_SL_READ);
	store(6 * PAGE + 8 * 11, 20 * PAGE | VTD_SL_READ);
	EXPECT_RUN(run_of(0, 512), 0, 10, 8, VTD_SL_RIGHTS);
	EXPECT_RUN(run_of(0, 3), 0, 3, 8, VTD_SL_RIGHTS);
	EXPECT_RUN(run_of(7, 512), 7, 3, 15, VTD_SL_RIGHTS);
	EXPECT_RUN(run_of(10, 512), 10, 1, 18, VTD_SL_READ);
	EXPECT_RUN(run_of(12, 512), 12, 64, 0, 0); /* more is not looked at */
	EXPECT_RUN(run_of(12, 20), 12, 8, 0, 0);
	EXPECT_RUN(run_of(510, 4096), 510, 2, 0, 0); /* the end of the table */
}

/* What lies behind the end of a table is none of its business, nor what no table is in. */
static void a_hole_is_as_large_as_the_table_that_is_nowhere(void **state)
{
	(void)state;
	store(4 * PAGE, 5 * PAGE | VTD_SL_RIGHTS);
	store(5 * PAGE, (UINT64_C(1) << 40) | VTD_SL_RIGHTS);
	store(5 * PAGE + 8, VTD_SL_LARGE | PAGE | VTD_SL_RIGHTS); /* not aligned */
	store(5 * PAGE + 16, VTD_SL_LARGE | VTD_SL_RIGHTS);
	store(5 * PAGE + 24, VTD_SL_LARGE | 512 * PAGE | VTD_SL_RIGHTS);
	EXPECT_RUN(run_of(0, 4096), 0, 512, 0, 0);
	EXPECT_RUN(run_of(100, 105), 100, 5, 0, 0);
	EXPECT_RUN(run_of(600, 4096), 512, 512, 0, 0);
	EXPECT_RUN(run_of(1100, 1101), 1024, 512, 0, VTD_SL_RIGHTS);
	EXPECT_RUN(run_of(1024, 4096), 1024, 1024, 0, VTD_SL_RIGHTS);
}

/* ---- the queue ---- */

static void put_descriptor(unsigned n, uint64_t low, uint64_t high)
{
	store(QUEUE * PAGE + 16 * n, low);
	store(QUEUE * PAGE + 16 * n + 8, high);
}

static void wait_for(unsigned n, uint32_t data)
{
	put_descriptor(n,
		VTD_INV_WAIT | VTD_WAIT_SW | VTD_WAIT_IF |
			(uint64_t)data << VTD_WAIT_DATA_SHIFT,
		STATUS);
}

static void a_wait_writes_its_status_and_interrupts(void **state)
{
	(void)state;
	event(VTD_IECTL, WAIT_VECTOR);
	set(VTD_IQA, QUEUE * PAGE, 8);
	set(VTD_GCMD, VTD_QIE, 4);
	put_descriptor(0, VTD_INV_IOTLB | VTD_GLOBAL << VTD_INV_G_SHIFT, 0);
	wait_for(1, 0x12345678);
	set(VTD_IQT, 32, 8);
	assert_int_equal(reg(VTD_IQH, 8), 32);
	assert_int_equal(load(STATUS), 0x12345678);
	assert_int_equal(reg(VTD_ICS, 4), VTD_IWC);
	assert_int_equal(platform_irq_ack(&machine, 0), WAIT_VECTOR);
	platform_eoi(&machine, 0);
	wait_for(2, 1); /* until software has seen the first one there is no other */
	set(VTD_IQT, 48, 8);
	assert_int_equal(load(STATUS), 1);
	assert_int_equal(fake_pending(0), -1);
	set(VTD_ICS, VTD_IWC, 4);
	wait_for(3, 2);
	set(VTD_IQT, 64, 8);
	assert_int_equal(fake_pending(0), WAIT_VECTOR);
}

static void a_bad_descriptor_stops_the_queue_until_it_is_cleared(void **state)
{
	static const struct {
		uint64_t low, high;
		unsigned error;
	} bad[] = {
		{0, 0, VTD_IQEI_TYPE},
		{VTD_INV_DEVICE_TLB, 0, VTD_IQEI_TYPE},
		{0xf, 0, VTD_IQEI_TYPE},
		{VTD_INV_IOTLB, 0, VTD_IQEI_RESERVED},
		{VTD_INV_IOTLB | VTD_PAGES << VTD_INV_G_SHIFT, 19, VTD_IQEI_RESERVED},
		{VTD_INV_WAIT | VTD_WAIT_SW, STATUS + 1, VTD_IQEI_RESERVED},
		{VTD_INV_WAIT | VTD_WAIT_SW, 0xfee00000, VTD_IQEI_RESERVED},
		{VTD_INV_IRTE | UINT64_C(16) << VTD_INV_IM_SHIFT, 0, VTD_IQEI_RESERVED},
	};

	(void)state;
	event(VTD_FECTL, FAULT_VECTOR);
	set(VTD_IQA, QUEUE * PAGE, 8);
	set(VTD_GCMD, VTD_QIE, 4);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_descriptor(i, bad[i].low, bad[i].high);
		set(VTD_IQT, 16 * i + 16, 8);
		assert_int_equal(reg(VTD_IQH, 8), 16 * i);
		assert_int_equal(reg(VTD_FSTS, 4), VTD_IQE);
		assert_int_equal(reg(VTD_IQERCD, 8), bad[i].error);
		assert_int_equal(platform_irq_ack(&machine, 0), FAULT_VECTOR);
		platform_eoi(&machine, 0);
		wait_for(i, i + 1);
		set(VTD_FSTS, VTD_IQE, 4);
		assert_int_equal(reg(VTD_IQH, 8), 16 * i + 16);
		assert_int_equal(load(STATUS), i + 1);
		assert_int_equal(reg(VTD_IQERCD, 8), 0);
	}
	set(VTD_IQT, 256 * 16, 8); /* beyond the queue */
	assert_int_equal(reg(VTD_IQERCD, 8), VTD_IQEI_TAIL);
	set(VTD_IQA, UINT64_C(1) << 40, 8); /* nothing is there */
	set(VTD_IQT, 0, 8);
	set(VTD_FSTS, VTD_IQE, 4);
	assert_int_equal(reg(VTD_IQERCD, 8), VTD_IQEI_FETCH);
}

/* The largest queue, full: in pieces, between which others have their turn. */
static void the_longest_queue_is_done_in_bounded_pieces(void **state)
{
	unsigned pieces = 0, works = fake_works;
	uint64_t before = 0, now;

	(void)state;
	for (unsigned i = 0; i < 128 * 256; i++)
		wait_for(i, i);
	set(VTD_IQA, QUEUE * PAGE | 7, 8);
	set(VTD_IQT, 128 * 256 * 16 - 16, 8);
	set(VTD_GCMD, VTD_QIE, 4);
	do {
		now = reg(VTD_IQH, 8);
		assert_true(now - before <= 16 * 16);
		before = now;
		pieces++;
	} while (platform_work(&machine) == VPCI_WORK_MORE);
	assert_int_equal(reg(VTD_IQH, 8), 128 * 256 * 16 - 16);
	assert_in_range(pieces, 128 * 256 / 16 - 1, 128 * 256 / 16);
	assert_true(fake_works > works);
	assert_int_equal(load(STATUS), 128 * 256 - 2);
}

/* ---- the IOAPIC ---- */

/* Entry `index` of the table: to vCPU 0. */
static void put_irte(unsigned index, uint8_t vector, bool level)
{
	store(IRTES * PAGE + 16 * index, VTD_PRESENT | (level ? VTD_IRTE_TM : 0) |
						 (uint64_t)vector << VTD_IRTE_VECTOR_SHIFT);
	store(IRTES * PAGE + 16 * index + 8,
		VTD_SVT_SOURCE << VTD_IRTE_SVT_SHIFT | VVTD_IOAPIC_SOURCE);
}

static void remapping_on(void)
{
	set(VTD_IRTA, IRTES * PAGE | 7, 8);
	set(VTD_GCMD, VTD_IRTP, 4);
	set(VTD_GCMD, VTD_IRE, 4);
}

/* In remappable format; the vector is that by which the pin is ended. */
static void entry(unsigned pin, unsigned index, uint8_t vector, uint32_t flags)
{
	fake_ioapic_write((uint8_t)(0x11 + 2 * pin),
		(uint32_t)(index & 0x7fff) << 17 | (uint32_t)(VTD_RTE_REMAPPABLE >> 32));
	fake_ioapic_write((uint8_t)(0x10 + 2 * pin), (index >> 15) << 11 | vector | flags);
}

static void line(unsigned pin, bool level)
{
	dev_lock(&machine);
	platform_set_irq(&machine, pin, level);
	dev_unlock(&machine);
}

static uint32_t low_word(unsigned pin)
{
	return fake_ioapic_read((uint8_t)(0x10 + 2 * pin));
}

static void an_edge_of_the_ioapic_is_remapped(void **state)
{
	(void)state;
	remapping_on();
	put_irte(9, 0x61, false);
	entry(4, 9, 4, 0);
	line(4, true);
	line(4, false);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x61);
}

static void an_entry_in_the_old_format_is_blocked(void **state)
{
	(void)state;
	remapping_on();
	fake_ioapic_entry(4, 0, 0x41);
	line(4, true);
	line(4, false);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(
		VTD_FRCD_REASON(reg(VVTD_FRCD + 8, 8)), VTD_FAULT_COMPATIBILITY_BLOCKED);
	assert_int_equal(VTD_FRCD_SOURCE(reg(VVTD_FRCD + 8, 8)), VVTD_IOAPIC_SOURCE);
	set(VTD_GCMD, VTD_IRE | VTD_CFI, 4);
	line(4, true);
	line(4, false);
	assert_int_equal(fake_pending(0), 0x41);
}

static void in_extended_mode_an_entry_reaches_ids_of_32_bits(void **state)
{
	static const uint32_t destinations[] = {287, 17u << 16 | 0x8000};

	(void)state;
	fake_start(288);
	assert_true(fake_wrmsr(287, MSR_X2APIC_FIRST + APIC_NUMBER(APIC_SVR), 0x1ff));
	set(VTD_IRTA, IRTES * PAGE | VTD_IRTA_EIME | 7, 8);
	set(VTD_GCMD, VTD_IRTP, 4);
	set(VTD_GCMD, VTD_IRE, 4);
	for (unsigned i = 0; i < 2; i++) {
		put_irte(9 + i, 0, false);
		store(IRTES * PAGE + 16 * (9 + i),
			(uint64_t)destinations[i] << 32 | 1 |
				(0x61ull + i) << VTD_IRTE_VECTOR_SHIFT | (i ? VTD_IRTE_DM : 0));
		entry(4, 9 + i, 4, 0);
		line(4, true);
		line(4, false);
		assert_int_equal(platform_irq_ack(&machine, 287), 0x61 + i);
		assert_true(fake_wrmsr(287, MSR_X2APIC_FIRST + APIC_NUMBER(APIC_EOI), 0));
	}
}

/* As Linux does it: the entry's vector is the pin, ended by the register of the IOAPIC. */
static void a_level_is_ended_by_the_register_with_the_vector_of_the_entry(void **state)
{
	uint64_t pin = 11;

	(void)state;
	assert_int_equal(fake_ioapic_read(1) & 0xff, 0x20);
	remapping_on();
	put_irte(9, 0x61, true);
	entry(11, 9, 11, LEVEL);
	line(11, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x61);
	assert_true(low_word(11) & REMOTE_IRR);
	platform_eoi(&machine, 0);
	assert_true(low_word(11) & REMOTE_IRR);
	assert_int_equal(fake_pending(0), -1);
	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE + 0x40, true, 4, &pin));
	assert_int_equal(platform_irq_ack(&machine, 0), 0x61); /* the line is still high */
	line(11, false);
	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE + 0x40, true, 4, &pin));
	assert_false(low_word(11) & REMOTE_IRR);
	assert_int_equal(fake_pending(0), -1);
}

/* As the specification asks for it: both have the same vector. */
static void a_level_is_ended_by_its_local_apic_if_both_entries_have_its_vector(void **state)
{
	(void)state;
	remapping_on();
	put_irte(9, 0x61, true);
	entry(11, 9, 0x61, LEVEL);
	line(11, true);
	assert_int_equal(platform_irq_ack(&machine, 0), 0x61);
	line(11, false);
	platform_eoi(&machine, 0);
	assert_false(low_word(11) & REMOTE_IRR);
	assert_int_equal(fake_pending(0), -1);
}

static void without_a_unit_the_ioapic_is_the_old_one(void **state)
{
	uint64_t v = 11;

	(void)state;
	fake_vtd = false;
	fake_start(1);
	fake_enable_apics();
	assert_int_equal(fake_ioapic_read(1) & 0xff, 0x11);
	fake_ioapic_write(0x11, UINT32_MAX);
	assert_int_equal(fake_ioapic_read(0x11), 0xff000000);
	fake_ioapic_entry(11, 0, 0x61 | LEVEL);
	line(11, true);
	v = 0x61;
	assert_true(platform_mmio(&machine, 0, DEV_IOAPIC_BASE + 0x40, true, 4, &v));
	assert_true(low_word(11) & REMOTE_IRR);
}

/* ---- state ---- */

static void its_state_goes_on_and_what_cannot_be_is_refused(void **state)
{
	static struct platform_state good, s, again;

	(void)state;
	translation_on();
	assert_false(reaches(FUNCTION, PAGE, true));
	set(VTD_IQA, QUEUE * PAGE | 7, 8);
	for (unsigned i = 0; i < 20; i++)
		wait_for(i, i);
	set(VTD_IQT, 20 * 16, 8);
	set(VTD_GCMD, VTD_TE | VTD_QIE, 4); /* 16 of them are done */
	platform_get_state(&machine, &good);
	fake_start(1);
	assert_true(platform_set_state(&machine, &good));
	platform_get_state(&machine, &again);
	assert_memory_equal(&again, &good, sizeof(good));
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(load(STATUS), 19);
	assert_false(reaches(FUNCTION, PAGE, true));
	assert_int_equal(reg(VVTD_FRCD + 16, 8), PAGE); /* the next record */
	for (unsigned i = 0; i < 8; i++) {
		s = good;
		uint32_t *words[] = {&s.vtd.reg[VTD_CAP / 4], &s.vtd.reg[VTD_VER / 4],
			&s.vtd.reg[VTD_GCMD / 4], &s.vtd.reg[VTD_IQH / 4],
			&s.vtd.reg[VTD_FSTS / 4], &s.vtd.next, &s.vtd.reserved,
			(uint32_t *)&s.vtd.root};

		*words[i] ^= i == 4 ? VTD_PPF : i == 5 ? 8 : 1;
		assert_false(platform_set_state(&machine, &s));
	}
	fake_vtd = false;
	fake_start(1);
	assert_false(platform_set_state(&machine, &good));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			registers_are_read_in_any_part_and_written_whole, set_up),
		cmocka_unit_test_setup(commands_are_answered_in_the_status, set_up),
		cmocka_unit_test_setup(invalidation_by_registers_tells_what_it_did, set_up),
		cmocka_unit_test_setup(
			faults_fill_the_records_and_overflow_with_one_event, set_up),
		cmocka_unit_test_setup(a_masked_event_comes_when_it_is_unmasked, set_up),
		cmocka_unit_test_setup(fpd_silences_what_the_specification_lets_it, set_up),
		cmocka_unit_test_setup(what_is_no_function_is_not_translated, set_up),
		cmocka_unit_test_setup(pages_one_behind_the_other_are_one_answer, set_up),
		cmocka_unit_test_setup(a_hole_is_as_large_as_the_table_that_is_nowhere, set_up),
		cmocka_unit_test_setup(a_wait_writes_its_status_and_interrupts, set_up),
		cmocka_unit_test_setup(
			a_bad_descriptor_stops_the_queue_until_it_is_cleared, set_up),
		cmocka_unit_test_setup(the_longest_queue_is_done_in_bounded_pieces, set_up),
		cmocka_unit_test_setup(an_edge_of_the_ioapic_is_remapped, set_up),
		cmocka_unit_test_setup(an_entry_in_the_old_format_is_blocked, set_up),
		cmocka_unit_test_setup(
			in_extended_mode_an_entry_reaches_ids_of_32_bits, set_up),
		cmocka_unit_test_setup(
			a_level_is_ended_by_the_register_with_the_vector_of_the_entry, set_up),
		cmocka_unit_test_setup(
			a_level_is_ended_by_its_local_apic_if_both_entries_have_its_vector,
			set_up),
		cmocka_unit_test_setup(without_a_unit_the_ioapic_is_the_old_one, set_up),
		cmocka_unit_test_setup(its_state_goes_on_and_what_cannot_be_is_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
