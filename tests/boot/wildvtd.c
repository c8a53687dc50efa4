/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM that programs its virtual VT-d at random, on one or several processors, while a device
 * of the machine's reads, writes and sends messages through it. Between the rounds of rubbish
 * the unit gets good registers, with tables as they are by then: what the device then reaches
 * must be what they say, neither more nor less (vtd/wild_model.c), and guards around it are as
 * they were. Other VMs must not notice: who looks at them judges that.
 *
 * All that is ever in a table leads to the arena below, or where no memory is. The device
 * copies words as they are, so that nothing else can come about by its DMA.
 *
 * Command line: seed=N, rounds=N, cpus=N; endless: no good registers, no end.
 */
#include "cmdline.h"
#include "random.h"
#include "rt.h"
#include "smp.h"
#include "spec/pci.h"
#include "spec/posted.h"
#include "spec/regs.h"
#include "vtd/vtd_unit.h"
#include "vtd/wild.h"
#include "vtd_pci.h"

#define DEVICE_ID    0x4e541234u
#define DEVICE_PLACE 0xd0000000u
#define TABLE        0x1000u
#define ACTIONS      24u
#define LOOKS        8u
#define GUARDS_EVERY 8u

/* The device's registers. */
#define EVENTS 0x10u
#define BUSY   0x14u
#define FROM   0x20u
#define TO     0x28u
#define LENGTH 0x30u
#define DMA    0x34u
#define FILL   0x38u
#define SUM    0x3cu
#define PERIOD 0x40u
#define STORM  0x44u

#define DMA_COPY 1u
#define DMA_FILL 2u
#define DMA_SUM  3u

static uint16_t wild_device;
static volatile uint8_t *regs;
static unsigned wrong;
static uint32_t allowed, kept;

PERCPU static uint64_t state = 1; /* what is zero is not copied */
PERCPU static uint32_t taken = 1;

uint64_t random64(void)
{
	return random_next(&state);
}

static bool one_in(unsigned n)
{
	return random64() % n == 0;
}

static uint32_t any(uint32_t below)
{
	return (uint32_t)(random64() % below);
}

/* NMIs, and interrupts of any vector but those of exceptions, for which an error would be due.
 */
static bool take(struct trap_frame *f)
{
	if (f->vector < 32 && f->vector != 2)
		return false;
	taken++;
	if (f->vector != 2)
		apic_eoi();
	return true;
}

/* ---- what is in memory ---- */

static uint64_t *table_page(void)
{
	return wild_words(WILD_TABLES) + any(WILD_TABLE_PAGES) * 512;
}

/* Where an entry may lead. */
static uint64_t anywhere(void)
{
	switch (random64() % 16) {
	case 0:
		return PICK(0xfee00000, 0xfed90000, 0xfec00000, 0xe0000000, DEVICE_PLACE);
	case 1:
		return PICK(WILD_END, 0x40000000, 0x100000000, 0x200000000000);
	case 2:
		return WILD_DATA | VTD_SL_LARGE;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		return WILD_DATA + any(512) * 4096;
	default:
		return (uint64_t)(uintptr_t)table_page();
	}
}

static uint64_t table_entry(void)
{
	uint64_t e = anywhere() | PICK(0, READ_OK, BOTH, BOTH, BOTH, BOTH, WRITE_OK);

	if (one_in(8))
		e |= PICK(4, 8, 0x100, VTD_SL_SNOOP, VTD_SL_LARGE, BIT64(46), BIT64(51),
			VTD_SL_TRANSIENT);
	return one_in(2) ? 0 : e; /* more, and there are too many for L0's tables */
}

/* Indices that addresses of the device have in tables. */
static unsigned index_of_entry(void)
{
	return one_in(8) ? WILD_DATA_INDEX : any(8);
}

static void fill_tables(void)
{
	for (unsigned n = 1 + any(8); n > 0; n--)
		__atomic_store_n(
			table_page() + index_of_entry(), table_entry(), __ATOMIC_RELAXED);
}

/* The device's context entry in some page, and that page as one of bus 0. */
static void fill_contexts(void)
{
	uint64_t *page = table_page(), *top = table_page();

	page[2 * (wild_device & 0xff) + 1] =
		PICK(1, 2, 2, 2, 7, 3, BIT64(7)) | PICK(0, 7 << 8, 0xffff00, BIT64(40));
	page[2 * (wild_device & 0xff)] =
		(anywhere() & ~UINT64_C(0xfff)) | PICK(1, 1, 1, 1, 3, 9, 5, 0xd, 0, 0x11);
	top[0] = ((uint64_t)(uintptr_t)page) | PICK(1, 1, 1, 1, 1, 0, 3, BIT64(50) | 1);
	top[1] = one_in(16);
}

/* No INIT: this program would be gone. */
static uint64_t delivery(void)
{
	return PICK(0, 0, 0, 1, 2, 3, 4, 6, 7);
}

static uint32_t vector(void)
{
	return 32 + any(224);
}

static void fill_entries(void)
{
	uint64_t *e = wild_words(WILD_ENTRIES) + 2 * any(WILD_ENTRY_COUNT);
	uint64_t pid = one_in(8) ? WILD_END : WILD_POSTED + any(64) * PID_SIZE;

	e[0] = 0;
	if (one_in(2)) {
		e[1] = PICK(0, 0, BIT64(18) | wild_device, random64() & 0xfffff, BIT64(40));
		e[0] = 1 | delivery() << VTD_IRTE_DLM_SHIFT | (random64() & 0x1e) |
		       (uint64_t)vector() << VTD_IRTE_VECTOR_SHIFT |
		       PICK(0, 0, 1, 0x100, UINT32_MAX, 0xff) << VTD_IRTE_DST_SHIFT;
	} else {
		e[1] = one_in(8) ? random64() & 0xfffff : 0;
		e[0] = 1 | VTD_IRTE_IM | PICK(0, 2, VTD_IRTE_URGENT, BIT64(30)) |
		       (uint64_t)vector() << VTD_IRTE_VECTOR_SHIFT |
		       pid >> 6 << VTD_IRTE_PDA_LOW_SHIFT;
	}
	wild_words(WILD_POSTED)[any(64) * 8 + PID_CONTROL] =
		PICK(0, 0, PID_ON, PID_SN) | (uint64_t)vector() << 16 |
		PICK(0, 0, 0, BIT64(25)) | PICK(0, 1, 0x100, 0xff) << 32;
}

static void fill_descriptors(void)
{
	uint64_t *d = wild_words(WILD_QUEUE) + 2 * any(WILD_DESCRIPTORS);

	for (unsigned n = 1 + any(16); n > 0; n--, d += 2) {
		if (d >= wild_words(WILD_QUEUE) + 2 * WILD_DESCRIPTORS)
			return;
		d[0] = PICK(1, 2, 2, 2, 4, 5, 5, one_in(8) ? 3 : 2) | PICK(0x10, 0x20, 0x30) |
		       PICK(0, 7 << 16, random64() & 0xffff0000);
		d[1] = 0;
		if ((d[0] & 15) == 2)
			d[1] = wild_address() | PICK(0, 0, 1, 9, 18, 63, 0x40);
		if ((d[0] & 15) == 5) {
			d[0] = PICK(5 | VTD_WAIT_SW, 5 | VTD_WAIT_IF, 5 | VTD_WAIT_FN, 0x65);
			d[0] |= random64() << VTD_WAIT_DATA_SHIFT;
			d[1] = one_in(8) ? PICK(WILD_END, 0xfee00000, WILD_STATUS | 1)
					 : WILD_STATUS + any(1024) * 4;
		}
		if (one_in(64))
			d[0] = random64();
	}
}

static void fill(void)
{
	fill_tables();
	fill_contexts();
	fill_entries();
	fill_descriptors();
}

/* ---- registers ---- */

static void command(void)
{
	uint32_t v = unit32(GSTS) & VTD_STATES;

	v ^= (uint32_t)PICK(VTD_TE, VTD_QIE, VTD_IRE, VTD_CFI, VTD_RTP, VTD_IRTP, 0);
	if (one_in(4)) /* what it is to be */
		v |= VTD_TE | VTD_QIE;
	set_unit32(GCMD, one_in(8) ? (uint32_t)random64() : v);
}

/* Addresses of tables have an arena of their own each. */
static void pointer(void)
{
	uint64_t high = one_in(16) ? random64() >> any(32) << 32 : 0;

	switch (random64() % 3) {
	case 0:
		set_unit64(RTADDR, (uint64_t)(uintptr_t)table_page() | high);
		break;
	case 1:
		set_unit64(IRTA, WILD_ENTRIES | (random64() & 0x80f) | high);
		break;
	default:
		set_unit64(IQA, (one_in(8) ? (uint64_t)(uintptr_t)table_page() : WILD_QUEUE) |
					high | (random64() & PICK(0, 0, 0, 7, 0xf)));
		break;
	}
}

static bool has_its_own(unsigned at)
{
	return at / 8 == RTADDR / 8 || at / 8 == IQA / 8 || at / 8 == IRTA / 8 ||
	       at / 8 == FECTL / 8 || at / 8 == IECTL / 8;
}

static void event(void)
{
	unsigned of = (unsigned)PICK(FECTL, IECTL);

	set_unit32(of + 4, vector() | (uint32_t)delivery() << 8);
	set_unit32(of + 8, 0xfee00000 | (uint32_t)PICK(0, 4, 0x1000, random64() & 0xfffff));
	set_unit32(of, (uint32_t)PICK(0, 0, random64()));
}

/* Any other, in any width, at any alignment. */
static void some_register(void)
{
	unsigned at = one_in(4) ? any(0x1000 - 8) : any(0x40) * 4;
	uintptr_t place = UNIT + at;
	uint64_t v = random64() >> any(64);

	if (has_its_own(at) || has_its_own(at + 7))
		return;
	switch (random64() % 6) {
	case 0:
		*(volatile uint8_t *)place = (uint8_t)v;
		break;
	case 1:
		*(volatile uint16_t *)place = (uint16_t)v;
		break;
	case 2:
		*(volatile uint32_t *)place = (uint32_t)v;
		break;
	case 3:
		*(volatile uint64_t *)place = v;
		break;
	case 4:
		(void)*(volatile uint64_t *)place;
		break;
	default:
		(void)*(volatile uint8_t *)place;
	}
}

static void queue_on(void)
{
	set_unit32(FSTS, UINT32_MAX);
	set_unit64(
		IQT, one_in(16) ? random64() & 0x7fff0 : (random64() % WILD_DESCRIPTORS) * 16);
}

static void invalidate(void)
{
	set_unit64(IVA, wild_address() | any(32));
	if (one_in(2))
		set_unit64(IOTLB, BIT64(63) | (random64() & 3) << 60 |
					  PICK(0, 7, 0xffff, random64() & 0xffff) << 32);
	else
		set_unit64(CCMD, BIT64(63) | (random64() & 3) << 61 | wild_device << 16 |
					 PICK(0, 7, 0xffff));
}

/* ---- the device ---- */

static void set_pair(unsigned at, uint64_t v)
{
	*reg32(regs, at) = (uint32_t)v;
	*reg32(regs, at + 4) = (uint32_t)(v >> 32);
}

static void dma(void)
{
	set_pair(FROM, wild_address() + any(512) * 8);
	set_pair(TO, one_in(64) ? 0xfee00000 : wild_address() + any(512) * 8);
	*reg32(regs, LENGTH) = any(512) * 8;
	*reg32(regs, FILL) = (uint32_t)PICK(0, 0xfc, 0xff);
	*reg32(regs, DMA) = (uint32_t)PICK(DMA_COPY, DMA_COPY, DMA_FILL, DMA_SUM) |
			    (one_in(4) ? 0x100 | any(16) << 16 : 0);
}

static void message(void)
{
	unsigned at = TABLE + 16 * any(16);
	uint64_t data = (one_in(8) ? any(16) : vector()) | delivery() << 8 | PICK(0, 0, 0xc000);

	*reg32(regs, at + 12) = one_in(4);
	*reg32(regs, at) = 0xfee00000 | (uint32_t)PICK(0x10, 0x10, 0x18, random64() & 0xff00c) |
			   any(2 * WILD_ENTRY_COUNT) << 5;
	*reg32(regs, at + 4) = one_in(16) ? (uint32_t)random64() : 0;
	*reg32(regs, at + 8) = (uint32_t)(one_in(2) ? any(8) : data);
	*reg32(regs, EVENTS) = any(16);
	if (one_in(8)) {
		*reg32(regs, PERIOD) = 3000 + any(100000);
		*reg32(regs, STORM) = (uint32_t)random64() & 0xffff;
	}
}

/* By two ports, of which all processors together have one pair. */
static void configure(void)
{
	static volatile uint32_t ports;
	unsigned msix;
	uint32_t v = (uint32_t)PICK(
		PCI_MSIX_ENABLE, PCI_MSIX_ENABLE, 0, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);

	lock(&ports);
	msix = pci_capability(wild_device, PCI_CAP_MSIX);
	config_write(wild_device, msix, v << 16);
	config_write(wild_device, PCI_COMMAND,
		PCI_COMMAND_MEMORY | (one_in(4) ? 0 : PCI_COMMAND_MASTER) |
			(one_in(4) ? PCI_COMMAND_NOINTX : 0));
	unlock(&ports);
}

static void rubbish(void *arg)
{
	static void (*const actions[])(void) = {fill, fill, command, pointer, some_register,
		some_register, queue_on, queue_on, event, invalidate, dma, dma, dma, message,
		message, configure};

	(void)arg;
	interrupts_on();
	for (unsigned n = 0; n < ACTIONS; n++)
		actions[random64() % (sizeof(actions) / sizeof(actions[0]))]();
	interrupts_off();
}

/* ---- good registers ---- */

static void fail(const char *what, uint64_t a, uint64_t b)
{
	print("%s: %lx, %lx: NOT\n", what, a, b);
	wrong++;
}

static void status_becomes(uint32_t want)
{
	for (unsigned n = 0; (unit32(GSTS) & VTD_STATES) != want; n++)
		if (n == 1000000) {
			fail("the unit's status", unit32(GSTS), want);
			return;
		}
}

/* A context that is right, with tables as they are. */
static void good_context(void)
{
	uint64_t *top = wild_words(wild_root), *page = table_page();

	top[0] = (uint64_t)(uintptr_t)page | 1;
	top[1] = 0;
	page[2 * (wild_device & 0xff)] = (uint64_t)(uintptr_t)table_page() | 1;
	page[2 * (wild_device & 0xff) + 1] = PICK(1, 2, 2, 2) | any(8) << 8;
}

/* Descriptors from the queue's start on, of which this is the tail, and a wait. */
static void wait_behind(unsigned tail)
{
	volatile uint32_t *status = (volatile uint32_t *)(uintptr_t)WILD_STATUS;
	uint64_t *q = wild_words(WILD_QUEUE) + tail / 8;

	q[0] = VTD_INV_WAIT | VTD_WAIT_SW | UINT64_C(0x600d) << VTD_WAIT_DATA_SHIFT;
	q[1] = WILD_STATUS;
	*status = 0;
	set_unit64(IQT, tail + 16);
	for (unsigned n = 0; *status != 0x600d; n++)
		if (n == 1000000) {
			fail("the queue's head and status", unit64(IQH), unit32(FSTS));
			return;
		}
}

static void forget_everything(void)
{
	uint64_t *q = wild_words(WILD_QUEUE);

	q[0] = VTD_INV_CONTEXT | VTD_GLOBAL << VTD_INV_G_SHIFT;
	q[2] = VTD_INV_IOTLB | VTD_GLOBAL << VTD_INV_G_SHIFT;
	q[4] = VTD_INV_IRTE;
	q[1] = q[3] = q[5] = 0;
	wait_behind(48);
}

/*
 * The entry that decides about this address becomes another one, and the device's domain is
 * told, since tables are reached by many ways. False: there is no such entry.
 */
static bool change(uint64_t at)
{
	uint64_t *q = wild_words(WILD_QUEUE) + unit64(IQT) / 8;
	uint16_t domain;
	uint64_t *e = wild_last_entry(wild_device, at, &domain);

	if (e == NULL || !wild_is_table(e) || (uint64_t)(uintptr_t)e - wild_root < 16)
		return false;
	*e = one_in(2) ? *e ^ PICK(READ_OK, WRITE_OK, BOTH) : table_entry();
	q[0] = VTD_INV_IOTLB | VTD_DOMAIN << VTD_INV_G_SHIFT | (uint64_t)domain << 16;
	q[1] = 0;
	wait_behind((unsigned)unit64(IQT) + 16);
	return true;
}

static void settle(bool translates)
{
	*reg32(regs, PERIOD) = 0;
	config_write(wild_device, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (unsigned n = 0; *reg32(regs, BUSY) && n < 1000000; n++)
		pause();
	set_unit32(GCMD, 0);
	status_becomes(0);
	set_unit32(FSTS, UINT32_MAX);
	wild_root = (uint64_t)(uintptr_t)table_page();
	wild_translates = translates;
	if (!one_in(4))
		good_context();
	set_unit64(RTADDR, wild_root);
	set_unit32(GCMD, SRTP);
	set_unit64(IRTA, WILD_ENTRIES);
	set_unit32(GCMD, SIRTP);
	set_unit32(ICS, 1);
	set_unit64(IQT, 0);
	set_unit64(IQA, WILD_QUEUE);
	set_unit32(GCMD, QIE);
	status_becomes(QIE);
	forget_everything();
	if (translates) {
		set_unit32(GCMD, QIE | TRANSLATE);
		status_becomes(QIE | TRANSLATE);
	}
	(void)take_fault();
}

static uint32_t run_dma(uint32_t what, uint64_t from, uint64_t to)
{
	uint32_t before = *reg32(regs, BLOCKED);

	set_pair(FROM, from);
	set_pair(TO, to);
	*reg32(regs, LENGTH) = 64;
	*reg32(regs, FILL) = 0xfc;
	*reg32(regs, DMA) = what;
	while (*reg32(regs, BUSY))
		pause();
	return *reg32(regs, BLOCKED) - before;
}

static uint32_t sum_of(const uint8_t *p)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 64; i++)
		sum += p[i];
	return sum;
}

static const uint8_t *bytes(uint64_t gpa)
{
	return (const uint8_t *)(uintptr_t)gpa;
}

/* What is there is read; what is no table is written, too. */
static void look(uint64_t at, bool write)
{
	uint64_t gpa = 0;
	bool may = wild_model(wild_device, at, write, &gpa);
	uint32_t blocked;

	if (write && may && gpa < WILD_DATA)
		return;
	blocked = run_dma(write ? DMA_FILL : DMA_SUM, at, at);
	if (may != (blocked == 0))
		fail(write ? "a write" : "a read", at, may);
	else if (may && !write && *reg32(regs, SUM) != sum_of(bytes(gpa)))
		fail("what was read", at, gpa);
	else if (may && write && sum_of(bytes(gpa)) != 64 * 0xfc)
		fail("what was written", at, gpa);
	*(may ? &allowed : &kept) += 1;
}

/* Two of three that the device reaches, if there are such. */
static uint64_t some_address(void)
{
	bool found = one_in(3);
	uint64_t at = wild_address(), gpa;

	for (unsigned n = 0; n < 16 && !found; n++) {
		at = wild_likely(wild_device);
		found = wild_model(wild_device, at, false, &gpa);
	}
	return at + any(64) * 64;
}

static void look_around(void)
{
	settle(!one_in(8));
	for (unsigned n = 0; n < LOOKS; n++) {
		uint64_t at = some_address();

		look(at, false);
		if (change(at))
			look(at, false);
	}
	look(some_address(), true); /* may change tables: the last one */
}

int payload_main(void)
{
	uint64_t rounds = cmdline_number("rounds", 200);
	unsigned cpus = (unsigned)cmdline_number("cpus", 1);
	bool endless = cmdline_flag("endless");

	if (!pci_find(DEVICE_ID, &wild_device) || unit32(VTD_VER) != VTD_VERSION_1_0) {
		print("no device, or no unit\n");
		return 1;
	}
	regs = pci_place(wild_device, DEVICE_PLACE);
	pci_on(wild_device);
	state = cmdline_number("seed", 1);
	trap_hook = take;
	smp_start(cpus);
	wild_begin();
	for (unsigned n = 0; n < 100; n++)
		fill();
	for (uint64_t n = 0; n < rounds || endless; n++) {
		run_on_all(cpus, rubbish, NULL);
		if (endless)
			continue;
		look_around();
		if (n % GUARDS_EVERY == 0 && !wild_guards_stand())
			fail("memory that no table leads to", n, 0);
	}
	print("wildvtd: %lu rounds, %u allowed, %u kept, %u interrupts, %s\n", rounds, allowed,
		kept, taken, wrong != 0 ? "NOT as it should be" : "all as it should be");
	return wrong != 0;
}
