/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of the virtual DMA-remapping unit: software writes registers, tables and descriptors,
 * functions access memory and send messages, pins of the IOAPIC change. What a function is
 * given lies in memory and is the same when it asks again; work ends, in pieces; the state can
 * be taken and put back at any time.
 */
#include "fake_dev.h"

#include "dev/state.h"
#include "input.h"

#define PAGE  4096u
#define PAGES 16u
#define AT(n) ((uint64_t)(n)*PAGE)

static uint8_t ram[PAGES * PAGE] __attribute__((aligned(PAGE)));

static void write_register(struct input *in)
{
	static const uint16_t words[] = {VTD_GCMD, VTD_RTADDR, VTD_CCMD, VTD_CCMD + 4, VTD_FSTS,
		VTD_FECTL, VTD_FEDATA, VTD_FEADDR, VTD_FEUADDR, VTD_IQT, VTD_IQA, VTD_ICS,
		VTD_IECTL, VTD_IRTA, VVTD_IOTLB, VVTD_IOTLB + 8, VVTD_IOTLB + 12,
		VVTD_FRCD + 12};
	unsigned kind = byte(in), size = 1u << (kind & 3);
	uint64_t v, at = words[byte(in) % (sizeof(words) / sizeof(words[0]))];

	if (kind & 4)
		at = take(in, 2) % VVTD_SIZE;
	v = kind & 8 ? take(in, 8) : (uint64_t)byte(in) << (kind >> 4) * 4;
	if (kind & 0x80)
		v = AT(kind >> 4 & 7) | (v & 0x80f);
	platform_mmio(&machine, 0, VVTD_BASE + at, true, size, &v);
}

static void read_register(struct input *in)
{
	uint64_t v;
	unsigned size = 1u << (byte(in) & 3);

	check(platform_mmio(
		&machine, 0, VVTD_BASE + take(in, 2) % (VVTD_SIZE - 8), false, size, &v));
	check(size == 8 || v >> size * 8 == 0);
}

/* Entries and descriptors. */
static void write_memory(struct input *in)
{
	unsigned kind = byte(in);
	uint64_t at = take(in, 2) % (sizeof(ram) / 8) * 8, v = take(in, 1 + (kind & 7));

	if (kind & 8)
		v = AT(kind >> 4) | (v & 0xfff);
	if (kind & 0x80)
		at = AT(kind >> 4 & 7) + at % 64;
	memcpy(ram + at, &v, 8);
}

static void *reach(uint16_t function, uint64_t at, uint64_t size, bool write)
{
	void *there;

	dev_lock(&machine);
	size = vvtd_contiguous(&machine, function, at, size, write);
	there = dev_memory(&machine, function, at, size, write);
	dev_unlock(&machine);
	check(there == NULL || ((uint8_t *)there >= ram && size <= sizeof(ram) &&
				       (uint8_t *)there + size <= ram + sizeof(ram)));
	return there;
}

static void access(struct input *in)
{
	unsigned kind = byte(in);
	uint16_t function = PCI_BDF(0, 1 + (kind & 3), kind >> 2 & 1);
	uint64_t at = kind & 8 ? take(in, 8) : take(in, 3), size = 1 + take(in, 2) % (2 * PAGE);
	void *there = reach(function, at, size, kind & 16);

	if (there != NULL && kind & 16)
		*(volatile uint8_t *)there = (uint8_t)kind;
	if (kind & 32 && there != NULL)
		check(reach(function, at, size, kind & 16) == there);
}

static void message(struct input *in)
{
	unsigned kind = byte(in);
	uint64_t address = 0xfee00000 | (take(in, 2) & ~UINT64_C(3)) << (kind & 1);

	dev_lock(&machine);
	if (kind & 2)
		platform_set_irq(&machine, kind >> 2 & 15, kind & 0x40);
	else
		vpci_message(&machine, (uint16_t)take(in, 2), address, (uint32_t)take(in, 4));
	dev_unlock(&machine);
}

static void entry(struct input *in)
{
	unsigned index = 0x10 + (unsigned)byte(in) % 48;

	fake_ioapic_write((uint8_t)index, (uint32_t)take(in, 4));
}

static void take_and_put_back(void)
{
	static struct platform_state s, again;

	platform_get_state(&machine, &s);
	check(platform_set_state(&machine, &s));
	platform_get_state(&machine, &again);
	check(memcmp(&s, &again, sizeof(s)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input *) = {write_register, write_register,
		read_register, write_memory, write_memory, access, message, entry};
	struct input in = {data, data + size};

	fake_vtd = true;
	fake_ram = ram;
	fake_ram_size = sizeof(ram);
	memset(ram, 0, sizeof(ram));
	fake_start(1);
	fake_enable_apics();
	while (in.at < in.end) {
		unsigned kind = byte(&in);
		unsigned turns = 0;

		steps[kind % 8](&in);
		if (kind & 0x80)
			take_and_put_back();
		while (kind & 0x40 && platform_work(&machine) == VPCI_WORK_MORE)
			check(turns++ <= 128 * 256 / 16);
	}
	return 0;
}
