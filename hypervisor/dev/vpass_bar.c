/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base address registers of the machine's functions: those of a header, and those of virtual
 * functions in a capability. Sizes are found while nothing decodes.
 */
#include "dev/vpass_int.h"
#include "dev/vpci_int.h"

#define PORTS_MAX 256u /* behind a register, in the PCI specification, too */

static enum vpci_bar_kind kind_of(uint32_t low)
{
	if (low & PCI_BAR_IO)
		return VPCI_BAR_IO;
	if (!(low & PCI_BAR_64))
		return VPCI_BAR_32;
	return low & PCI_BAR_PREFETCH ? VPCI_BAR_64_PREFETCH : VPCI_BAR_64;
}

/* What a register reads as after ones were written to it; it is put back. */
static uint32_t ones(uint16_t bdf, unsigned offset)
{
	uint32_t was = dev_pass_config_read(bdf, offset, 4), v;

	dev_pass_config_write(bdf, offset, 4, ~0u);
	v = dev_pass_config_read(bdf, offset, 4);
	dev_pass_config_write(bdf, offset, 4, was);
	return v;
}

static const char *size_bar(uint16_t bdf, unsigned at, struct vpass_bar *all, unsigned i)
{
	unsigned offset = at + 4 * i;
	struct vpass_bar *bar = &all[i];
	uint32_t low = dev_pass_config_read(bdf, offset, 4);
	uint64_t mask = ones(bdf, offset);

	if (mask == 0)
		return NULL;
	bar->kind = kind_of(low);
	if (bar->kind == VPCI_BAR_IO) {
		bar->address = low & ~PCI_BAR_IO_FLAGS & 0xffff;
		mask = (mask & ~(uint64_t)PCI_BAR_IO_FLAGS) | ~UINT64_C(0xffff);
		bar->size = ~mask + 1;
		return bar->size > PORTS_MAX ? "it has more ports than PCI allows" : NULL;
	}
	bar->address = low & ~PCI_BAR_MEMORY_FLAGS;
	mask &= ~(uint64_t)PCI_BAR_MEMORY_FLAGS;
	if (vpci_bar_is_64(bar->kind)) {
		if (i + 1 == PCI_BARS)
			return "its last base address register says that it has 64 bits";
		bar->address |= (uint64_t)dev_pass_config_read(bdf, offset + 4, 4) << 32;
		mask |= (uint64_t)ones(bdf, offset + 4) << 32;
	} else {
		mask |= ~UINT64_C(0xffffffff);
	}
	bar->size = ~mask + 1;
	if (bar->size < 16 || bar->size > VPASS_BAR_MAX || bar->size & (bar->size - 1))
		return "the size of its memory is not possible here";
	return NULL;
}

const char *vpass_size_bars(uint16_t bdf, unsigned at, struct vpass_bar *bar)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const char *why =
			bar[i].kind == VPCI_BAR_NONE ? size_bar(bdf, at, bar, i) : NULL;

		if (why != NULL)
			return why;
		i += vpci_bar_is_64(bar[i].kind);
	}
	return NULL;
}

void vpass_write_bar(uint16_t bdf, unsigned at, const struct vpass_bar *bar, unsigned i)
{
	dev_pass_config_write(bdf, at + 4 * i, 4, (uint32_t)bar[i].address);
	if (vpci_bar_is_64(bar[i].kind))
		dev_pass_config_write(bdf, at + 4 * i + 4, 4, (uint32_t)(bar[i].address >> 32));
}
