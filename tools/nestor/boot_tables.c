/* SPDX-License-Identifier: Apache-2.0 */
/* What firmware would have told of the machine, and set in it; see boot_int.h. */
#include "boot_int.h"

#include "machine_acpi.h"
#include "policy/memory.h"

/* ---- the chipset ---- */

/* In the ROM (rom.S): how many, and each as the two double words for PCI's ports. */
#define ROM_PCI_COUNT  0xfe02
#define ROM_PCI_WRITES 0xfd00

/* Configuration space of the 440FX's south bridge, a PIIX3 or 4: function 3 has ACPI. */
#define ISA_ROUTES 0x80000860u /* of 00:01.0: which IRQ each pin of PCI is */
#define PM_BASE    0x80000b40u /* of 00:01.3 */
#define PM_ENABLE  0x80000b80u

struct pci_write {
	uint32_t index, value;
};

/* The tables say where these registers are. */
static const struct pci_write chipset[] = {
	{PM_BASE, MACHINE_PM_PORTS | 1},
	{PM_ENABLE, 1},
};

/* QEMU has pins of PCI at those of the first 16 only. */
static const struct pci_write qemu_routes = {ISA_ROUTES, 0x0b0b0a0a};
static const uint8_t qemu_pins[MACHINE_PINS] = {10, 10, 11, 11};
static const uint8_t bochs_pins[MACHINE_PINS] = {16, 17, 18, 19};

static void add_write(struct boot_plan *plan, const struct pci_write *w)
{
	uint64_t count = bytes_value(&plan->rom, ROM_PCI_COUNT, 2);

	bytes_put(&plan->rom, ROM_PCI_WRITES + 8 * count, 4, w->index);
	bytes_put(&plan->rom, ROM_PCI_WRITES + 8 * count + 4, 4, w->value);
	bytes_put(&plan->rom, ROM_PCI_COUNT, 2, count + 1);
}

void boot_set_chipset(struct boot_plan *plan)
{
	if (!plan->images[BOOT_ACPI].content.size)
		return;
	for (size_t i = 0; i < sizeof(chipset) / sizeof(chipset[0]); i++)
		add_write(plan, &chipset[i]);
	if (plan->qemu)
		add_write(plan, &qemu_routes);
}

/* ---- tables and the memory map ---- */

void boot_plan_tables(struct arena *a, const struct machine_spec *m, struct boot_plan *plan)
{
	struct machine_tables t = {.cpus = plan->cpus,
		.memory = plan->memory,
		.nodes = m->nodes,
		.unit = m->iommu != MACHINE_IOMMU_NONE,
		.regions = m->iommu == MACHINE_IOMMU_VTD_REGIONS,
		.segments = m->iommu == MACHINE_IOMMU_VTD_SEGMENTS,
		.pins = plan->qemu ? qemu_pins : bochs_pins};

	plan->unit = t.unit;
	plan->regions = t.regions;
	plan->segments = t.segments;
	plan->map = m->map;
	plan->images[BOOT_ACPI] = (struct boot_image){0};
	plan->images[BOOT_ACPI_PLACE] = (struct boot_image){0};
	if (!plan->bare && !t.unit && t.nodes <= 1)
		return;
	plan->images[BOOT_ACPI] = (struct boot_image){MACHINE_ACPI_PLACE, machine_acpi(a, &t)};
	plan->images[BOOT_ACPI_PLACE] =
		(struct boot_image){MACHINE_ACPI_EBDA, machine_acpi_ebda(a)};
}

unsigned boot_memory_map(const struct boot_plan *plan, struct memory_range ranges[BOOT_RANGES])
{
	bool tables = plan->images[BOOT_ACPI].content.size != 0;
	uint64_t memory = plan->memory, low = memory_below_hole(memory);
	uint64_t base = plan->regions ? MACHINE_REGION_PLACE
			: tables      ? MACHINE_ACPI_PLACE
				      : 0xa0000;
	uint64_t ecam_size = MACHINE_ECAM_SIZE * (plan->segments ? 2 : 1);
	unsigned n = 0;

	ranges[n++] = (struct memory_range){0, base, MEMORY_USABLE};
	ranges[n++] = (struct memory_range){base, 0x100000 - base, MEMORY_RESERVED};
	ranges[n++] = (struct memory_range){0x100000, low - 0x100000, MEMORY_USABLE};
	if (plan->unit)
		ranges[n++] =
			(struct memory_range){MACHINE_ECAM_PLACE, ecam_size, MEMORY_RESERVED};
	if (memory > low)
		ranges[n++] = (struct memory_range){1ULL << 32, memory - low, MEMORY_USABLE};
	return n;
}
