/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine that no VM has, and firmware or the loader has left running: those
 * that no IOMMU keeps from memory and interrupts are stopped.
 */
#include "vm/passed_int.h"

#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/pci.h"
#include "cpu/text_screen.h"
#include "vtd/strays.h"

static bool is_owned(uint16_t bdf)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].f.id.bdf == bdf ||
			(passed[i].physical != NULL &&
				passed_physical_bdf(passed[i].physical) == bdf))
			return true;
	return false;
}

/* A serial card, by where its registers begin: sizes cannot be asked for while it is used. */
static bool has_log(uint16_t bdf)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint32_t v = pci_read(bdf, PCI_BAR + 4 * i, 4);
		uint64_t at = v & ~(v & PCI_BAR_IO ? PCI_BAR_IO_FLAGS : PCI_BAR_MEMORY_FLAGS);

		if (!(v & PCI_BAR_IO) && v & PCI_BAR_64 && i + 1 < PCI_BARS)
			at |= (uint64_t)pci_read(bdf, PCI_BAR + 4 * ++i, 4) << 32;
		if (at != 0 && mux_uart_meets(!(v & PCI_BAR_IO), at, 1))
			return true;
	}
	return false;
}

/* What shows the screen that L0's log is on may read it by DMA, wherever it is. */
static bool is_l0s(uint16_t bdf)
{
	uint32_t class = pci_read(bdf, PCI_CLASS_CODE, 2);

	if (class >> 8 == PCI_CLASS_DISPLAY)
		return text_screen_is_vga() || text_screen_start() != 0;
	return class == PCI_CLASS_SERIAL && has_log(bdf);
}

static enum stray judge(uint16_t bdf)
{
	bool messages;

	if (is_owned(bdf) || is_l0s(bdf))
		return STRAY_LEAVE;
	if (!iommu_holds(bdf, &messages))
		return STRAY_STOP;
	return messages ? STRAY_LEAVE : STRAY_SILENCE;
}

void passed_stop_strays(void)
{
	struct strays s;

	if (iommu_holds_all())
		return;
	s = strays_stop(judge);
	if (s.stopped == 0 && s.stuck == 0)
		return;
	log_info("%u function%s of PCI that no VM has %s left running by firmware: stopped",
		s.stopped, s.stopped == 1 ? "" : "s", s.stopped == 1 ? "was" : "were");
	if (s.stuck != 0)
		log_warn(
			"%u of PCI stay bus masters, whatever is written to them: they reach all memory",
			s.stuck);
}
