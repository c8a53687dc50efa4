/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the machine with configuration space of 4 KiB that says whatever it likes: lists
 * of capabilities, an SR-IOV capability, registers of which any bits can be written. L0 reads
 * so much of it and no more, and what it believes fits together; and the table MCFG.
 */
#include "fake_dev.h"
#include "pass_idle.h"

#include "dev/vpass_sriov.h"
#include "spec/pci_find.h"
#include "vtd/mcfg.h"

#include "input.h"

#define DEVICE    PCI_BDF(0, 2, 0)
#define READS_MAX 4000u /* of one question: both lists and all places */

static uint8_t space[PCIE_CONFIG_SIZE], writable[PCIE_CONFIG_SIZE];
static unsigned reads;

uint32_t dev_pass_config_read(uint32_t bdf, unsigned offset, unsigned size)
{
	uint32_t v = 0;

	check(++reads < READS_MAX && offset % size == 0 && offset + size <= sizeof(space));
	if (bdf == DEVICE)
		memcpy(&v, space + offset, size);
	return bdf == DEVICE ? v : UINT32_MAX >> (4 - size) * 8;
}

void dev_pass_config_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	check(bdf == DEVICE && offset % size == 0 && offset + size <= sizeof(space));
	for (unsigned i = 0; i < size; i++)
		space[offset + i] = (uint8_t)((space[offset + i] & ~writable[offset + i]) |
					      (value >> i * 8 & writable[offset + i]));
}

uint64_t dev_pass_read(bool io, uint64_t address, unsigned size)
{
	check(io && address + size == 0);
	return 0;
}

void dev_pass_write(bool io, uint64_t address, unsigned size, uint64_t value)
{
	check(io && address + size + value == 0);
}

void dev_pass_listen(uint16_t bdf)
{
	(void)bdf;
}

struct vpass_message_to dev_pass_message_to(const struct vpass_function *f)
{
	(void)f;
	return (struct vpass_message_to){0, 0};
}

/* Likely places of what is looked for, and rubbish anywhere. */
static void fill(struct input *in)
{
	static const uint16_t places[] = {0x34, 0x40, 0x50, 0x100, 0x140, 0xffc, 0x164, 0x150};

	memset(space, 0, sizeof(space));
	memset(writable, 0, sizeof(writable));
	space[PCI_VENDOR] = 0x34;
	space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
	space[PCI_CAPABILITIES] = 0x40;
	space[0x40] = PCI_CAP_EXPRESS;
	space[PCIE_EXTENDED] = PCIE_EXTENDED_SRIOV;
	space[PCIE_EXTENDED + 2] = 1;
	memset(writable + PCIE_EXTENDED + PCIE_SRIOV_CONTROL, 0xff,
		PCIE_SRIOV_SIZE - PCIE_SRIOV_CONTROL);
	for (unsigned i = byte(in) % 64; i > 0; i--) {
		unsigned at = byte(in), value = (unsigned)take(in, 2);

		at = at < 8 ? places[at] : PCIE_EXTENDED + (at & 0xfeu);
		if (byte(in) & 1)
			memcpy(space + at, &value, 2);
		else
			memcpy(writable + at, &value, 2);
	}
}

static void believed(const struct vpass_physical *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		unsigned place = p->bdf + p->first + p->stride * i;

		check(place <= UINT16_MAX && place != p->bdf);
		check(i == 0 || place != vpass_virtual_place(p, i - 1));
	}
	for (unsigned i = 0; i < PCI_BARS; i++)
		check(p->bar[i].kind == VPCI_BAR_NONE ||
			(p->bar[i].kind != VPCI_BAR_IO && p->bar[i].size >= 4096 &&
				p->bar[i].size <= VPASS_BAR_MAX &&
				(p->bar[i].size & (p->bar[i].size - 1)) == 0));
}

static void make(unsigned count)
{
	struct vpass_physical p;
	struct vpass_function f;

	reads = 0;
	if (vpass_physical_find(DEVICE, &p) != NULL || vpass_physical_ask(&p) != NULL)
		return;
	check(p.at >= PCIE_EXTENDED && p.at + PCIE_SRIOV_SIZE <= PCIE_CONFIG_SIZE);
	if (vpass_physical_count(&p, count, count & 1) != NULL)
		return;
	believed(&p);
	vpass_physical_on(&p);
	for (unsigned i = 0; i < p.count; i++)
		check(vpass_probe_virtual(&p, i, &f) != NULL); /* none answers here */
	vpass_physical_off(&p);
}

static uint32_t any_word(uint16_t bdf)
{
	return bdf;
}

static uint32_t any_memory(uint64_t address)
{
	return (uint32_t)(address >> 12);
}

/* A function of a range that is used is in its memory, and no other range has it. */
static void range(const struct mcfg *m, const struct mcfg_range *r)
{
	uint32_t sbdf = PCI_SBDF(r->segment, PCI_BDF(r->last, 3, 1));
	uint64_t at = 0;

	if (m->why != NULL || r->why != NULL)
		return;
	check(mcfg_find(m, sbdf) == r && mcfg_address(m, sbdf, 0xffc, &at));
	check(at >= mcfg_start(r) && at < mcfg_start(r) + mcfg_size(r));
	check(mcfg_size(r) <= 256u << 20 && mcfg_start(r) + mcfg_size(r) <= UINT64_C(1) << 46);
	for (unsigned i = 0; i < m->count; i++) {
		const struct mcfg_range *o = &m->ranges[i];

		check(o == r || o->why != NULL ||
			mcfg_start(o) >= mcfg_start(r) + mcfg_size(r) ||
			mcfg_start(r) >= mcfg_start(o) + mcfg_size(o));
	}
}

static void table(const uint8_t *data, size_t size)
{
	static struct mcfg m;

	mcfg_read(data, (uint32_t)size, &m);
	for (unsigned i = 0; i < m.count; i++)
		range(&m, &m.ranges[i]);
	mcfg_check(&m, any_word, any_memory);
	for (unsigned i = 0; i < m.count; i++)
		range(&m, &m.ranges[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	fill(&in);
	make(1 + byte(&in));
	reads = 0;
	for (unsigned id = 0; id < 32; id++, reads = 0) {
		unsigned found = pcie_find(dev_pass_config_read, DEVICE, id, 0x10);

		check(found == 0 || (found >= PCIE_EXTENDED && found + 0x10 <= sizeof(space)));
	}
	table(data, size);
	return 0;
}
