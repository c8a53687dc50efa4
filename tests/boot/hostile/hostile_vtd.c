/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hostile L1 does to its virtual VT-d, if it has one: tables and descriptors of
 * rubbish beside good ones, every register, so that its devices go anywhere and its interrupts
 * are lost. Only when it is wild.
 */
#include "hostile.h"
#include "rt.h"
#include "spec/vtd.h"

#define PAGES 8u
#define WORDS 512u

static uint64_t *pages[PAGES];

static volatile uint32_t *unit(unsigned at)
{
	return (volatile uint32_t *)(uintptr_t)(VTD_REGISTERS_BASE + at);
}

void hostile_vtd_start(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		pages[i] = page_alloc();
}

static uint64_t any_page(void)
{
	return address_of(pages[random64() % PAGES]);
}

/* An entry of some table, or half a descriptor: often one that leads on. */
static uint64_t any_entry(void)
{
	switch (random64() % 4) {
	case 0:
		return any_page() | (random64() & 0x87);
	case 1:
		return random_value(any_page());
	case 2:
		return random64() & (random64() | 0xff);
	default:
		return (random64() % 6) | (random64() & UINT64_C(0xffffffff0070));
	}
}

static void fill(void)
{
	uint64_t *page = pages[random64() % PAGES];

	for (unsigned n = 1 + random64() % 64; n > 0; n--)
		page[one_in(2) ? random64() % 32 : random64() % WORDS] = any_entry();
}

static void command(void)
{
	static const uint32_t bits[] = {VTD_TE, VTD_RTP, VTD_QIE, VTD_IRE, VTD_IRTP, VTD_CFI};
	uint32_t v = *unit(VTD_GSTS) & VTD_STATES;

	*unit(VTD_GCMD) = one_in(8) ? (uint32_t)random64() : v ^ bits[random64() % 6];
}

static void write_register(void)
{
	static const uint16_t addresses[] = {VTD_RTADDR, VTD_IQA, VTD_IRTA};
	unsigned at = (unsigned)(random64() % 0xa0) * 4;

	if (one_in(3)) {
		at = addresses[random64() % 3];
		*unit(at) = (uint32_t)(any_page() | (random64() & 0x80f));
		*unit(at + 4) = 0;
	} else if (one_in(2)) {
		*unit(VTD_IQT) = (uint32_t)random64() & (one_in(4) ? 0x7fff0 : 0xff0);
	} else {
		*unit(at) = (uint32_t)random_value(*unit(at));
	}
	if (one_in(4))
		*unit(VTD_FSTS) = UINT32_MAX;
}

void hostile_vtd(void)
{
	if (!hostile_wild || *unit(VTD_VER) != VTD_VERSION_1_0)
		return;
	for (unsigned n = 0; n < 16; n++) {
		fill();
		write_register();
		if (one_in(2))
			command();
	}
}
