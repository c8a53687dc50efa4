/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/strays.h"

#include <stdbool.h>

#include "spec/pci.h"
#include "spec/pci_find.h"
#include "vtd/seam.h"

#define SLOTS (256u * PCI_DEVICES)

static uint32_t get(uint16_t bdf, unsigned offset, unsigned size)
{
	return vtd_seam_config(bdf, offset, size);
}

static bool is_there(uint16_t bdf)
{
	return get(bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR;
}

static unsigned functions_of(uint16_t first)
{
	return get(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION ? PCI_FUNCTIONS : 1;
}

void strays_visit(void (*visit)(uint16_t bdf, void *with), void *with)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		uint16_t first = (uint16_t)(slot * PCI_FUNCTIONS);
		unsigned count = is_there(first) ? functions_of(first) : 0;

		for (unsigned i = 0; i < count; i++)
			if (i == 0 || is_there((uint16_t)(first + i)))
				visit((uint16_t)(first + i), with);
	}
}

/* Host bridges, and others without a header of type 1, by their class. */
static bool is_bridge(uint16_t bdf)
{
	return (get(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) != 0 ||
	       get(bdf, PCI_CLASS_CODE, 2) >> 8 == PCI_CLASS_BRIDGE;
}

/* Bits of two bytes; STATUS, whose bits are cleared by ones, is behind those of COMMAND. */
static bool clear(uint16_t bdf, unsigned offset, uint32_t bits)
{
	uint32_t was = get(bdf, offset, 2);

	if ((was & bits) == 0)
		return false;
	vtd_seam_set_config(bdf, offset, 2, was & ~bits);
	return (get(bdf, offset, 2) & bits) == 0;
}

static bool clear_in(uint16_t bdf, enum pci_capability id, unsigned offset, uint32_t bits)
{
	unsigned at = pci_find(vtd_seam_config, bdf, id);

	return at != 0 && clear(bdf, at + offset, bits);
}

struct stopper {
	stray_judge *judge;
	struct strays s;
};

static void stop(uint16_t bdf, void *with)
{
	struct stopper *all = with;
	enum stray what = is_bridge(bdf) ? STRAY_LEAVE : all->judge(bdf);
	bool done = what == STRAY_STOP && clear(bdf, PCI_COMMAND, PCI_COMMAND_MASTER);

	if (what == STRAY_LEAVE)
		return;
	done |= clear_in(bdf, PCI_CAP_MSI, PCI_MSI_CONTROL, PCI_MSI_ENABLE);
	done |= clear_in(bdf, PCI_CAP_MSIX, PCI_MSIX_CONTROL, PCI_MSIX_ENABLE);
	all->s.stopped += done;
	all->s.stuck += what == STRAY_STOP && get(bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

struct strays strays_stop(stray_judge *judge)
{
	struct stopper all = {.judge = judge};

	strays_visit(stop, &all);
	return all.s;
}
