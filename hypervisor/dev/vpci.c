/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration space. Bytes are the unit: an access of any size is a row of byte accesses,
 * so an unaligned or crossing access cannot leave a function's space.
 */
#include "dev/vpci.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"

#define PORT_ADDRESS     0xcf8
#define PORT_DATA        0xcfc
#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu
#define ECAM_SIZE        0x10000000ull

/* Configuration header offsets. */
#define CFG_VENDOR    0x00
#define CFG_DEVICE    0x02
#define CFG_COMMAND   0x04
#define CFG_CLASS     0x0a
#define CFG_INTERRUPT 0x3c
#define CLASS_HOST    0x0600

static void put16(uint8_t *config, unsigned offset, uint16_t value)
{
	config[offset] = (uint8_t)value;
	config[offset + 1] = (uint8_t)(value >> 8);
}

/* The function's index, VPCI_FUNCTIONS when there is none. */
static unsigned find(const struct vpci *pci, uint16_t bdf)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		if (pci->functions[i].present && pci->functions[i].bdf == bdf)
			return i;
	}
	return VPCI_FUNCTIONS;
}

/* Offsets up to 4095 exist in ECAM; nobody here has extended capabilities. */
static uint8_t read_byte(const struct vpci *pci, uint16_t bdf, unsigned offset)
{
	unsigned f = find(pci, bdf);

	if (f == VPCI_FUNCTIONS)
		return 0xff;
	return offset < VPCI_CONFIG_SIZE ? pci->s.config[f][offset] : 0;
}

static void write_byte(struct vpci *pci, uint16_t bdf, unsigned offset, uint8_t value)
{
	unsigned f = find(pci, bdf);
	uint8_t *byte, mask;

	if (f == VPCI_FUNCTIONS || offset >= VPCI_CONFIG_SIZE)
		return;
	mask = pci->functions[f].writable[offset];
	byte = &pci->s.config[f][offset];
	*byte = (uint8_t)((*byte & ~mask) | (value & mask));
}

static void access(struct vpci *pci, uint16_t bdf, unsigned offset, bool write, unsigned size,
	uint64_t *value)
{
	uint64_t result = 0;

	for (unsigned i = 0; i < size && i < 8; i++) {
		if (write)
			write_byte(pci, bdf, offset + i, (uint8_t)(*value >> i * 8));
		else
			result |= (uint64_t)read_byte(pci, bdf, offset + i) << i * 8;
	}
	if (!write)
		*value = result;
}

static bool data_io(struct vpci *pci, unsigned lane, bool write, unsigned size, uint32_t *value)
{
	uint64_t wide = *value;

	if (size > 4 - lane)
		return false;
	if (!(pci->s.address & ADDRESS_ENABLE)) {
		if (!write)
			*value = (uint32_t)(0xffffffffu >> (4 - size) * 8);
		return true;
	}
	access(pci, (uint16_t)(pci->s.address >> 8), (pci->s.address & 0xfc) + lane, write,
		size, &wide);
	if (!write)
		*value = (uint32_t)wide;
	return true;
}

void vpci_reset(struct platform *p)
{
	struct vpci_function *host = &p->pci.functions[0];
	uint8_t *config = p->pci.s.config[0];

	p->pci = (struct vpci){0};
	host->present = true;
	put16(config, CFG_VENDOR, 0x8086);
	put16(config, CFG_DEVICE, 0x29c0); /* 82G33, what QEMU's q35 shows */
	put16(config, CFG_COMMAND, 0x0006);
	put16(config, CFG_CLASS, CLASS_HOST);
	put16(host->writable, CFG_COMMAND, 0x0147);
	host->writable[CFG_INTERRUPT] = 0xff;
}

bool vpci_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	if (port == PORT_ADDRESS && size == 4) {
		if (write)
			p->pci.s.address = *value & ADDRESS_WRITABLE;
		else
			*value = p->pci.s.address;
		return true;
	}
	if ((port & ~3u) != PORT_DATA || (size != 1 && size != 2 && size != 4))
		return false;
	return data_io(&p->pci, port & 3, write, size, value);
}

bool vpci_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value)
{
	uint64_t offset = gpa - DEV_ECAM_BASE;

	(void)vcpu;
	if (offset >= ECAM_SIZE)
		return false;
	access(&p->pci, (uint16_t)(offset >> 12), offset & 0xfff, write, size, value);
	return true;
}

void vpci_get_state(const struct vpci *pci, struct vpci_state *s)
{
	*s = pci->s;
}

/* Beyond what a guest writes, source and target have the same functions. */
bool vpci_valid_state(const struct vpci *pci, const struct vpci_state *s)
{
	for (unsigned f = 0; f < VPCI_FUNCTIONS; f++)
		for (unsigned i = 0; i < VPCI_CONFIG_SIZE; i++)
			if ((s->config[f][i] ^ pci->s.config[f][i]) &
				~pci->functions[f].writable[i])
				return false;
	return !(s->address & ~ADDRESS_WRITABLE);
}

bool vpci_set_state(struct vpci *pci, const struct vpci_state *s)
{
	if (!vpci_valid_state(pci, s))
		return false;
	pci->s = *s;
	return true;
}
