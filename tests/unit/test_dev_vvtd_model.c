/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual DMA-remapping unit against that of the emulated machine: the same random tables,
 * the same random software, the same outcome. Left out is what only one of them has: snoop
 * control, and the bits between the widths of their host addresses.
 */
#include "fake_dev.h"
#include "dev/vvtd_int.h"
#include "random.h"
#include "spec/posted.h"
#include "vvtd_oracle.h"

#define PAGE    4096u
#define PAGES   (ORACLE_RAM / PAGE)
#define SOURCE  0x0810u
#define DOMAIN  5u
#define ROOT    0u /* pages of memory with a purpose; the others are tables and whatever */
#define CONTEXT 1u
#define TABLE   2u /* the topmost one */
#define FIRST   3u
#define QUEUE   50u
#define ENTRIES 51u
/* Host addresses beyond 40 bits are reserved for one, beyond 46 for the other. */
#define NOT_BOTH (VTD_BITS(40, VVTD_HOST_BITS - 1) | VTD_SL_SNOOP)

static uint8_t ram[ORACLE_RAM] __attribute__((aligned(PAGE)));

static int set_up(void **state)
{
	(void)state;
	fake_vtd = true;
	fake_ram = ram;
	fake_ram_size = sizeof(ram);
	memset(ram, 0, sizeof(ram));
	memset(oracle_ram, 0, sizeof(oracle_ram));
	fake_start(1);
	oracle_reset();
	return 0;
}

static void store(uint64_t at, uint64_t v)
{
	memcpy(ram + at, &v, 8);
	memcpy(oracle_ram + at, &v, 8);
}

static void write_both(unsigned at, uint64_t value, unsigned size)
{
	uint64_t v = value;

	assert_true(platform_mmio(&machine, 0, VVTD_BASE + at, true, size, &v));
	while (platform_work(&machine) == VPCI_WORK_MORE)
		;
	oracle_write(at, value, size);
}

static uint64_t read_ours(unsigned at, unsigned size)
{
	uint64_t v;

	assert_true(platform_mmio(&machine, 0, VVTD_BASE + at, false, size, &v));
	return v;
}

static void forget_all(void)
{
	static const struct vvtd_invalidation all[] = {
		{.what = VVTD_OF_CONTEXTS, .granularity = VTD_GLOBAL},
		{.what = VVTD_OF_PAGES, .granularity = VTD_GLOBAL},
		{.what = VVTD_OF_ENTRIES, .granularity = VTD_GLOBAL},
	};

	for (unsigned i = 0; i < 3; i++)
		vvtd_forget(&machine, &all[i]);
	oracle_forget_all();
}

/* With the record that an access makes. The reason. */
static unsigned translate_ours(
	uint16_t source, uint64_t at, bool write, struct vvtd_place *place)
{
	unsigned reason;

	dev_lock(&machine);
	*place = (struct vvtd_place){.gpa = at, .left = PAGE};
	reason = vvtd_translates(&machine) ? vvtd_translate(&machine, source, at, write, place)
					   : 0;
	if (reason != 0)
		vvtd_fault(&machine, reason, place->silent, source, at & ~(PAGE - UINT64_C(1)),
			!write);
	dev_unlock(&machine);
	return reason;
}

static unsigned compare_access(uint16_t source, uint64_t at, bool write)
{
	struct vvtd_place place;
	uint64_t host, room;
	unsigned reason;

	if (VTD_MSI_RANGE(at)) /* who asks looks at that first */
		return 0;
	reason = translate_ours(source, at, write, &place);
	assert_int_equal(reason, oracle_translate(source, at, write, &host, &room));
	if (reason != 0)
		return reason;
	assert_int_equal(place.gpa, host);
	/* One that is passed through has no pages; without translation nobody asks. */
	if (vvtd_translates(&machine) && place.shift < 63)
		assert_int_equal(place.left, room);
	return 0;
}

/* All but the capabilities, which differ. */
static void compare_registers(void)
{
	for (unsigned at = 0; at < VVTD_END; at += 4)
		if (at < VTD_CAP || at >= VTD_GCMD)
			assert_int_equal(read_ours(at, 4), oracle_read(at, 4));
}

/* ---- tables ---- */

static uint64_t random_entry(uint64_t *seed, unsigned level)
{
	uint64_t r = random_next(seed), e = (r >> 8) % (PAGES - FIRST) + FIRST;

	e = e * PAGE | (r & 3);
	if (level > 1 && (r >> 16) % 4 == 0)
		e = (e >> 30 << 30) | 0x80 | (r & 3);
	if ((r >> 20) % 64 == 0)
		e |= UINT64_C(1) << (r >> 32) % 64;
	return e & ~NOT_BOTH;
}

static void random_tables(uint64_t *seed)
{
	for (unsigned n = TABLE; n < PAGES; n++)
		for (unsigned i = 0; i < 512; i += 1 + random_next(seed) % 3)
			store(n * PAGE + 8 * i, random_entry(seed, n % 4 + 1));
}

static void set_context(uint64_t low, uint64_t high)
{
	store(ROOT * PAGE + 16 * (SOURCE >> 8), CONTEXT * PAGE | 1);
	store(CONTEXT * PAGE + 16 * (SOURCE & 0xff), low);
	store(CONTEXT * PAGE + 16 * (SOURCE & 0xff) + 8, high);
}

static void translation_on(void)
{
	write_both(VTD_RTADDR, ROOT * PAGE, 8);
	write_both(VTD_GCMD, VTD_RTP, 4);
	write_both(VTD_GCMD, VTD_TE, 4);
}

static void clear_faults(void)
{
	for (unsigned i = 0; i < VVTD_RECORDS; i++)
		write_both(VVTD_FRCD + 16 * i + 12, UINT32_C(1) << 31, 4);
	write_both(VTD_FSTS, VTD_PFO, 4);
}

static void random_tables_translate_alike(void **state)
{
	unsigned reasons[256] = {0};
	uint64_t seed = 1;

	(void)state;
	translation_on();
	for (unsigned round = 0; round < 100; round++) {
		random_tables(&seed);
		set_context(TABLE * PAGE | 1, DOMAIN << 8 | (1 + round % 2));
		forget_all();
		for (unsigned i = 0; i < 500; i++) {
			uint64_t r = random_next(&seed);

			reasons[compare_access(
				SOURCE, r >> (16 + round % 2 * 9), random_next(&seed) & 1)]++;
		}
		compare_registers();
		clear_faults();
	}
	assert_true(reasons[0] > 500);
	assert_true(reasons[VTD_FAULT_PAGING_RESERVED] > 50);
	assert_true(reasons[VTD_FAULT_READ_DENIED] > 500);
	assert_true(reasons[VTD_FAULT_WRITE_DENIED] > 500);
}

static void random_root_and_context_entries_are_read_alike(void **state)
{
	unsigned reasons[256] = {0};
	uint64_t seed = 3;

	(void)state;
	random_tables(&seed);
	translation_on();
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t r = random_next(&seed), flip = UINT64_C(1) << (r >> 8) % 64;
		uint64_t low = TABLE * PAGE | 1, high = DOMAIN << 8 | 2;

		set_context(low ^ (r & 1 ? flip & ~NOT_BOTH : 0) ^ (r >> 1 & 6),
			high ^ (r & 64 ? flip : 0));
		if (r >> 20 & 1)
			store(ROOT * PAGE + 16 * (SOURCE >> 8),
				(CONTEXT * PAGE | 1) ^ (flip & ~NOT_BOTH));
		forget_all();
		reasons[compare_access(SOURCE, random_next(&seed) >> 30, r >> 21 & 1)]++;
		compare_registers();
		if (r >> 22 & 1)
			clear_faults();
	}
	assert_true(reasons[VTD_FAULT_ROOT_RESERVED] > 10);
	assert_true(reasons[VTD_FAULT_ROOT_ABSENT] > 10);
	assert_true(reasons[VTD_FAULT_CONTEXT_RESERVED] > 10);
	assert_true(reasons[VTD_FAULT_CONTEXT_INVALID] > 10);
	assert_true(reasons[VTD_FAULT_CONTEXT_ABSENT] > 10);
}

/* ---- interrupts ---- */

#define DESCRIPTORS 52u /* a page of them; those behind it are beyond all memory */

/* One that is posted, which may have one bit too many. */
static void random_posted_irte(uint64_t *seed, unsigned i)
{
	uint64_t r = random_next(seed), at = DESCRIPTORS * PAGE + (r & 15) * PID_SIZE;
	uint64_t low = VTD_PRESENT | VTD_IRTE_IM | (r & 0x00ff0f00) |
		       (r >> 4 & VTD_IRTE_URGENT),
		 high = SOURCE | UINT64_C(1) << VTD_IRTE_SVT_SHIFT;

	if ((r >> 24 & 7) == 0)
		at += (uint64_t)ORACLE_RAM << (r >> 28 & 7);
	low |= at << (VTD_IRTE_PDA_LOW_SHIFT - 6) | (r >> 32 & VTD_IRTE_FPD);
	if ((r >> 40 & 7) == 0)
		low |= UINT64_C(1) << (r >> 44) % 38;
	if ((r >> 52 & 7) == 0)
		high |= UINT64_C(1) << (20 + (r >> 56) % 12);
	store(ENTRIES * PAGE + 16 * i, low);
	store(ENTRIES * PAGE + 16 * i + 8, high);
}

/* Requests that are there, ON, SN, and in one of four a bit that must not be. */
static void random_descriptors(uint64_t *seed)
{
	for (unsigned i = 0; i < 16; i++) {
		uint64_t at = DESCRIPTORS * PAGE + i * PID_SIZE, r = random_next(seed);

		for (unsigned word = 0; word < PID_PIR_WORDS; word++)
			store(at + 8 * word, random_next(seed) & random_next(seed));
		store(at + 8 * PID_CONTROL,
			(r & ~PID_RESERVED) |
				((r >> 8 & 3) == 0 ? UINT64_C(4) << (r >> 10) % 14 : 0));
	}
}

/* An entry that is right, with a bit or two that make it otherwise. */
static void random_irtes(uint64_t *seed)
{
	random_descriptors(seed);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t r = random_next(seed), low = random_next(seed);

		if (r >> 62 == 0) {
			random_posted_irte(seed, i);
			continue;
		}
		low &= VTD_BITS(32, 63) | 0xff00ff;
		low |= (r & 7) != 0;
		if (r & 8)
			low &= ~VTD_IRTE_RESERVED_8BIT;
		if ((r >> 4 & 7) == 0)
			low |= UINT64_C(1) << (r >> 8) % 32;
		store(ENTRIES * PAGE + 16 * i, low & ~VTD_IRTE_IM);
		store(ENTRIES * PAGE + 16 * i + 8,
			((r >> 16 & 15) << 16 | (r >> 20 & 1 ? SOURCE : r >> 32 & 0xffff)) |
				((r >> 24 & 15) == 0 ? UINT64_C(1) << (r >> 48) % 64 : 0));
	}
}

static void compare_message(uint32_t address, uint32_t data, unsigned *reasons)
{
	struct vlapic_message m = {.vector = 0};
	struct oracle_message o;
	unsigned reason;
	bool goes;

	dev_lock(&machine);
	goes = vvtd_message(&machine, SOURCE, address, data, &m);
	dev_unlock(&machine);
	reason = oracle_message(SOURCE, address, data, &o);
	reasons[reason]++;
	assert_memory_equal(ram + DESCRIPTORS * PAGE, oracle_ram + DESCRIPTORS * PAGE, PAGE);
	assert_int_equal(goes, o.goes);
	if (!goes)
		return;
	assert_int_equal(m.vector, o.vector);
	assert_int_equal(m.mode, o.mode);
	assert_int_equal(m.logical, o.logical);
	assert_int_equal(m.level, o.level);
	/* Everybody is 32 ones, whatever the width was. */
	assert_true(m.destination == o.destination ||
		    (m.destination == UINT32_MAX && o.destination == 0xff));
}

static void random_interrupt_requests_are_remapped_alike(void **state)
{
	unsigned reasons[256] = {0};
	uint64_t seed = 5;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		uint64_t r = random_next(&seed);

		random_irtes(&seed);
		write_both(VTD_IRTA, ENTRIES * PAGE | 6 | (r & 1 ? (unsigned)VTD_IRTA_EIME : 0),
			8);
		write_both(VTD_GCMD, VTD_IRTP, 4);
		write_both(VTD_GCMD, VTD_IRE | (r & 2 ? VTD_CFI : 0), 4);
		for (unsigned i = 0; i < 300; i++) {
			uint64_t x = random_next(&seed);
			uint32_t data = (uint32_t)(x >> 32 & 0x47ff);

			forget_all();
			if (x >> 16 & 1)
				data = x >> 17 & 3 ? data & 3 : (uint32_t)(x >> 32);
			if (!(x & VTD_MSI_REMAPPABLE))
				data &= 0x7ff; /* a level without assertion is none */
			compare_message(0xfee00000 | (uint32_t)(x & 0x3ffc), data, reasons);
			compare_registers();
		}
		clear_faults();
	}
	for (unsigned i = VTD_FAULT_REQUEST_RESERVED; i <= VTD_FAULT_DESCRIPTOR_RESERVED; i++)
		assert_true(i == VTD_FAULT_IRTE_ACCESS || reasons[i] > 10);
	assert_true(reasons[0] > 1000);
}

/* ---- invalidation ---- */

#define TRIES 48u /* consecutive pages, all of them cached */

static void map_pages(bool there)
{
	store(TABLE * PAGE, FIRST * PAGE | 3);
	store(FIRST * PAGE, (FIRST + 1) * PAGE | 3);
	store((FIRST + 1) * PAGE, (FIRST + 2) * PAGE | 3);
	for (unsigned i = 0; i < TRIES; i++)
		store((FIRST + 2) * PAGE + 8 * i, there ? (uint64_t)i * PAGE | 3 : 0);
}

static void queue_on(void)
{
	write_both(VTD_IQA, QUEUE * PAGE, 8);
	write_both(VTD_GCMD, VTD_TE | VTD_QIE, 4);
}

static void queue_one(uint64_t low, uint64_t high)
{
	uint64_t head = read_ours(VTD_IQH, 8);

	store(QUEUE * PAGE + head, low);
	store(QUEUE * PAGE + head + 8, high);
	write_both(VTD_IQT, (head + 16) % PAGE, 8);
}

/* A descriptor that is mostly right, often for what is cached. */
static void random_descriptor(uint64_t *seed)
{
	uint64_t r = random_next(seed), low, high = 0;
	uint64_t domain = (r >> 8 & 3) != 0 ? DOMAIN : r >> 16 & 7;

	low = (r & 3) << VTD_INV_G_SHIFT | domain << VTD_INV_DID_SHIFT;
	if (r & 4) {
		low |= VTD_INV_CONTEXT | (uint64_t)(SOURCE ^ (r >> 24 & 7)) << 32 |
		       (r >> 28 & 3) << VTD_INV_FM_SHIFT;
	} else {
		low |= VTD_INV_IOTLB;
		high = (r >> 32) % TRIES * PAGE | (r >> 40) % 8 | (r & 8 ? VTD_INV_IH : 0);
	}
	if ((r >> 44 & 31) == 0)
		low |= UINT64_C(1) << (r >> 50) % 64;
	queue_one(low, high);
	write_both(VTD_FSTS, VTD_IQE, 4);
	if (read_ours(VTD_IQH, 8) != read_ours(VTD_IQT, 8)) { /* it stays at the bad one */
		write_both(VTD_GCMD, VTD_TE, 4);
		write_both(VTD_IQT, 0, 8);
		queue_on();
	}
}

static void an_invalidation_forgets_the_same_pages(void **state)
{
	unsigned stale = 0, gone = 0;
	uint64_t seed = 7;

	(void)state;
	set_context(TABLE * PAGE | 1, DOMAIN << 8 | 2);
	translation_on();
	queue_on();
	for (unsigned round = 0; round < 3000; round++) {
		map_pages(true);
		forget_all();
		for (unsigned i = 0; i < TRIES; i++)
			assert_int_equal(compare_access(SOURCE, (uint64_t)i * PAGE, false), 0);
		map_pages(false);
		random_descriptor(&seed);
		for (unsigned i = 0; i < TRIES; i++) {
			unsigned reason = compare_access(SOURCE, (uint64_t)i * PAGE, false);

			stale += reason == 0;
			gone += reason == VTD_FAULT_READ_DENIED;
		}
		compare_registers();
		clear_faults();
	}
	assert_true(stale > 1000 && gone > 1000);
}

/* ---- anything ---- */

static void random_access(uint64_t *seed)
{
	uint64_t r = random_next(seed), value = random_next(seed);
	unsigned size = r & 1 ? 4 : 8, at = (unsigned)(r >> 8) % VVTD_END / size * size;

	if (r & 2)
		at %= 0x120;
	if (r & 4) /* something of the memory */
		value = (value & 0x3ffff) | (r & 8 ? UINT64_C(15) << 60 : 0);
	if (at == VTD_GCMD)
		value &= UINT32_MAX;
	switch (r >> 32 & 3) {
	case 0:
	case 1:
		write_both(at, value, size);
		break;
	default:
		forget_all();
		compare_access((uint16_t)(r >> 40 & 0x1fff), value, r & 16);
		break;
	}
}

static void random_software_has_the_same_outcome(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		set_up(NULL);
		for (unsigned i = 0; i < sizeof(ram); i += 8 * (1 + random_next(&seed) % 64))
			store(i, random_next(&seed) & random_next(&seed) & 0xf8 & ~NOT_BOTH);
		random_tables(&seed);
		set_context(TABLE * PAGE | 1, DOMAIN << 8 | 2);
		for (unsigned i = 0; i < 3000; i++) {
			random_access(&seed);
			compare_registers();
		}
		assert_memory_equal(ram, oracle_ram, sizeof(ram));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(random_tables_translate_alike, set_up),
		cmocka_unit_test_setup(random_root_and_context_entries_are_read_alike, set_up),
		cmocka_unit_test_setup(random_interrupt_requests_are_remapped_alike, set_up),
		cmocka_unit_test_setup(an_invalidation_forgets_the_same_pages, set_up),
		cmocka_unit_test_setup(random_software_has_the_same_outcome, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
