/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/images.h"

#include "cpu/tsc.h"
#include "load/load.h"
#include "mm/layout.h"
#include "vm/create.h"
#include "vm/place.h"
#include "vm/ram.h"
#include "vm/vm_int.h"

#define ACPI_SIZE   0x10000u
#define FIRMWARE    0x20000u /* from DEV_ACPI_BASE to 1 MiB */
#define LOW_RAM_END 0xa0000u
#define HIGH_RAM    0x100000u

_Static_assert(ONE_TO_ONE_REGIONS <= LOAD_MAX_RAM,
	"each region is a range of RAM, and so is RAM in pieces on each side of the hole");
_Static_assert(
	2 * ONE_TO_ONE_REGIONS + 6 <= LOAD_MAX_RANGES, "regions, gaps, and what all VMs have");
_Static_assert(SCENARIO_MAX_MODULES <= LOAD_MAX_MODULES, "load_images takes each module");

static enum load_format format_of(uint8_t protocol)
{
	static const enum load_format formats[] = {
		[PROTOCOL_AUTO] = LOAD_AUTO,
		[PROTOCOL_LINUX] = LOAD_LINUX,
		[PROTOCOL_LINUX16] = LOAD_LINUX16,
		[PROTOCOL_ELF] = LOAD_ELF,
		[PROTOCOL_MB1] = LOAD_MULTIBOOT1,
		[PROTOCOL_MB2] = LOAD_MULTIBOOT2,
	};

	return formats[protocol];
}

static struct load_image image(const struct vm_file *f)
{
	return (struct load_image){direct_va((struct hpa){f->start}), f->size, f->cmdline};
}

static struct load_request make_request(const struct vm_images *images)
{
	struct load_request r = {
		.format = format_of(images->config.protocol),
		.cmdline0 = images->config.cmdline0,
		.kernel = image(&images->kernel),
		.initrd = image(&images->initrd),
		.module_count = images->module_count,
	};

	for (unsigned i = 0; i < images->module_count; i++)
		r.modules[i] = image(&images->modules[i]);
	return r;
}

static void add_range(
	struct load_target *t, uint64_t start, uint64_t size, enum load_range_type type)
{
	t->map[t->map_count++] = (struct load_range){start, size, type};
}

/* Slots that lie side by side, for the guest and for L0, are one. */
static void add_ram(struct load_target *t, const struct mem_slot *s)
{
	struct load_ram *last = t->ram_count != 0 ? &t->ram[t->ram_count - 1] : NULL;

	if (last != NULL && last->start + last->size == s->gpa &&
		last->host + last->size == s->host)
		last->size += s->size;
	else if (t->ram_count < LOAD_MAX_RAM)
		t->ram[t->ram_count++] = (struct load_ram){s->gpa, s->size, s->host};
}

/*
 * All RAM but the first that begins in [from, to); what is between pieces below the hole is the
 * machine's, and no place for devices of the VM.
 */
static void add_others(struct load_target *t, uint64_t from, uint64_t to)
{
	for (unsigned i = 1; i < t->ram_count; i++) {
		const struct load_ram *r = &t->ram[i], *before = r - 1;
		uint64_t gap = before->start + before->size;

		if (r->start < from || r->start >= to)
			continue;
		if (r->start > gap && r->start < DEV_PCI_HOLE_START)
			add_range(t, gap, r->start - gap, LOAD_RANGE_RESERVED);
		add_range(t, r->start, r->size, LOAD_RANGE_RAM);
	}
}

static struct load_target make_target(const struct vm *vm)
{
	struct load_target t = {
		.vm = vm, .rsdp = DEV_ACPI_BASE, .vga = vm->config.display == DISPLAY_TEXT};

	for (unsigned i = 0; i < vm->slot_count; i++)
		add_ram(&t, &vm->slots[i]);
	add_range(&t, 0, LOAD_EBDA, LOAD_RANGE_RAM);
	add_range(&t, LOAD_EBDA, LOW_RAM_END - LOAD_EBDA, LOAD_RANGE_RESERVED);
	add_range(&t, DEV_ACPI_BASE, FIRMWARE, LOAD_RANGE_RESERVED);
	/* Where memory is one to one, the first slot is not: it is for the CPU only. */
	add_range(&t, HIGH_RAM, t.ram[0].size - HIGH_RAM,
		vm_config_one_to_one(&vm->config) ? LOAD_RANGE_RESERVED : LOAD_RANGE_RAM);
	add_others(&t, 0, DEV_PCI_HOLE_START);
	add_range(&t, DEV_ECAM_BASE, DEV_ECAM_SIZE, LOAD_RANGE_RESERVED);
	if (vm->config.hpet)
		add_range(&t, HPET_DEFAULT_BASE, PAGE_SIZE, LOAD_RANGE_RESERVED);
	if (vm->config.iommu == IOMMU_VTD)
		add_range(&t, VVTD_BASE, VVTD_SIZE, LOAD_RANGE_RESERVED);
	add_others(&t, BIT64(32), UINT64_MAX);
	return t;
}

bool load_ready(const struct load_target *t, uint64_t gpa, uint64_t size)
{
	return t->vm->ram == NULL || vm_gpa_to_va(t->vm, gpa, size) != NULL;
}

static bool put_acpi(struct vm *vm)
{
	struct platform_config p = {
		.vcpus = vm->config.cpus,
		.memory = vm->config.memory,
		.root_ports = vm->config.root_ports,
		.vtd = vm->config.iommu == IOMMU_VTD,
		.hpet = vm->config.hpet,
		.tsc_khz = tsc_khz,
	};
	uint8_t *acpi = vm_gpa_to_va(vm, DEV_ACPI_BASE, ACPI_SIZE);

	place_describe(vm, &p);
	return acpi != NULL && acpi_build(acpi, ACPI_SIZE, DEV_ACPI_BASE, &p) != 0;
}

const char *vm_load_images(struct vm *vm, const struct vm_images *images)
{
	struct load_target target = make_target(vm);
	struct load_request request = make_request(images);
	struct entry_state entry;
	const char *error;

	if (images->firmware.size != 0 && !device_list_is_empty(&images->config.devices))
		return VM_NO_FIRMWARE;
	if (images->firmware.size != 0)
		return firmware_start(vm);
	if (!put_acpi(vm))
		return "the VM is too small for its ACPI tables";
	error = load_images(&target, &request, &entry);
	if (error != NULL && vm->ram != NULL && ram_is_short(vm->ram))
		return "its reserve is too small for its images";
	if (error != NULL)
		return error;
	platform_hand_over(vm->platform, entry.mode == ENTRY_MODE_REAL);
	vcpu_apply_entry(vm->vcpus[0], &entry);
	return NULL;
}
