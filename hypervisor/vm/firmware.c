/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs that start with firmware: its image as ROM below 4 GiB, and what it is told of the
 * machine by the configuration device (dev/vfwcfg.h). The image stays in the boot module, which
 * all VMs share read-only, so that each start finds it as it was.
 */
#include "dev/acpi_loader.h"
#include "dev/vfwcfg.h"
#include "dev/vuart.h"
#include "lib/fmt.h"
#include "policy/memory.h"
#include "policy/scenario.h"
#include "spec/flash.h"
#include "vm/create.h"
#include "vm/devices.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#include "cpu/log.h"
#include "cpu/mem.h"
#include "mm/layout.h"
#include "mm/paging.h"

#define SHADOW_END  0x100000u
#define SHADOW_SIZE 0x20000u /* of the end of the ROM: what the chipset shows below 1 MiB */

/* The real-mode part of a bzImage (the kernel's Documentation/x86/boot.rst). */
#define SETUP_SECTS   0x1f1u
#define SETUP_DEFAULT 4u
#define SETUP_SECTOR  512u

#define E820_RAM 1u

struct e820_entry {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

/* Everything of a VM that the configuration device shows. */
struct firmware_data {
	struct vfwcfg_table table;
	struct acpi_loader acpi;
	struct e820_entry e820[VM_MAX_SLOTS];
	char order[(LIMIT_DISKS + LIMIT_CDROMS + LIMIT_NETS) * 64];
};

/* Variables at the start of the image become flash, which is not mapped: all else is ROM. */
static bool map_rom(struct vm *vm, const struct vm_file *file, uint64_t flash_size)
{
	struct hpa hpa = {file->start + flash_size};
	uint64_t size = file->size - flash_size;

	vm->rom = (struct mem_slot){BIT64(32) - size, size, hpa, direct_va(hpa), 0};
	return paging_map_direct(vm->host_cr3, hpa, size, PT_P | PT_XD) &&
	       ept_map(&vm->ept01, vm->rom.gpa, hpa, size, EPT_READ | EPT_EXEC, MEMTYPE_WB);
}

static uint64_t volume_size(const struct vm_file *firmware)
{
	return flash_volume_size(direct_va((struct hpa){firmware->start}), firmware->size);
}

/* The variables, as they were before the last restart, or as the tool or the image has them. */
static void create_flash(
	struct vm *vm, const struct vm_images *images, struct platform_config *p)
{
	const struct vm_file *file = &images->firmware;
	const struct vm_file *from = images->variables.size != 0 ? &images->variables : file;
	uint64_t size = volume_size(file);
	/* What is kept beside the disks is MEMORY_UNIT, of which other things have a part. */
	uint8_t *flash = size != 0 && size <= MEMORY_UNIT / 2 ? vm_keep(vm, size) : NULL;

	if (size != 0 && flash == NULL)
		log_warn("'%s': no room for %lu KiB of firmware variables: they are read-only",
			vm->config.name, size >> 10);
	if (flash == NULL)
		return;
	if (!vm->kept.again)
		memcpy(flash, direct_va((struct hpa){from->start}), size);
	p->flash_base = BIT64(32) - file->size;
	p->flash_size = size;
	p->flash = flash;
}

static void add_machine(struct firmware_data *d, const struct vm_config *c)
{
	struct vfwcfg_table *t = &d->table;

	vfwcfg_add_data(t, FWCFG_SIGNATURE, "QEMU", 4);
	vfwcfg_add_value(t, FWCFG_ID, FWCFG_ID_PORTS | FWCFG_ID_DMA, 4);
	vfwcfg_add_value(t, FWCFG_RAM_SIZE, c->memory, 8);
	vfwcfg_add_value(t, FWCFG_NOGRAPHIC, c->display == DISPLAY_NONE, 2);
	vfwcfg_add_value(t, FWCFG_NB_CPUS, c->cpus, 2);
	vfwcfg_add_value(t, FWCFG_MAX_CPUS, c->cpus, 2);
	/* SeaBIOS then stops instead of trying again for ever. */
	vfwcfg_add_file_value(t, "etc/boot-fail-wait", UINT32_MAX, 4);
}

static void add_memory(struct firmware_data *d, const struct platform_config *p)
{
	uint64_t low = platform_low_memory(p);
	uint32_t size = sizeof(d->e820[0]);

	d->e820[0] = (struct e820_entry){0, low, E820_RAM};
	if (p->memory > low) {
		d->e820[1] = (struct e820_entry){BIT64(32), p->memory - low, E820_RAM};
		size += (uint32_t)sizeof(d->e820[1]);
	}
	vfwcfg_add_file(&d->table, "etc/e820", d->e820, size);
}

static void add_acpi(struct firmware_data *d)
{
	struct {
		const char *name;
		const void *data;
		uint32_t size;
	} const files[] = {
		{ACPI_LOADER_TABLES, d->acpi.tables, sizeof(d->acpi.tables)},
		{ACPI_LOADER_RSDP, d->acpi.rsdp, sizeof(d->acpi.rsdp)},
		{ACPI_LOADER_SCRIPT, d->acpi.script, sizeof(d->acpi.script)},
	};

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct vfwcfg_item *item =
			vfwcfg_add_file(&d->table, files[i].name, files[i].data, files[i].size);

		if (item != NULL)
			item->acpi = true;
	}
}

/* On bus 0, or behind a root port: the way to it, and its number there. */
static size_t put_bus(char *to, size_t size, uint32_t port, unsigned place, unsigned *device)
{
	size_t n = fmt(to, size, "/pci@i0cf8");

	*device = port != 0 ? 0 : place;
	if (port == 1)
		n += fmt(to + n, size - n, "/pci-bridge@%x", PLACE_PORTS);
	else if (port != 0)
		n += fmt(to + n, size - n, "/pci-bridge@%x,%x", PLACE_PORTS, port - 1);
	return n;
}

/* The line of one device of a kind, as Open Firmware names it. */
static size_t put_boot_device(
	char *to, size_t size, const struct vm_images *images, enum vm_boot from, unsigned i)
{
	unsigned device;
	size_t n;

	switch (from) {
	case VM_BOOT_DISK:
		n = put_bus(
			to, size, images->disks[i].config.root_port, PLACE_DISKS + i, &device);
		return n + fmt(to + n, size - n, "/scsi@%x/disk@0,0\n", device);
	case VM_BOOT_CDROM:
		return fmt(to, size, "/pci@i0cf8/scsi@%x/channel@0/disk@%x,0\n", PLACE_SCSI, i);
	default:
		n = put_bus(
			to, size, images->config.nets.at[i].root_port, PLACE_NETS + i, &device);
		return n + fmt(to + n, size - n, "/ethernet@%x/ethernet-phy@0\n", device);
	}
}

/*
 * Kinds in the VM's order, devices of a kind in the scenario's. When the configuration says the
 * order, nothing else is tried: the word HALT says so.
 */
static void add_boot_order(
	struct firmware_data *d, const struct vm_config *c, const struct vm_images *images)
{
	const unsigned counts[] = {
		[VM_BOOT_DISK] = images->disk_count,
		[VM_BOOT_CDROM] = images->cdrom_count,
		[VM_BOOT_NETWORK] = c->nets.count,
	};
	enum vm_boot from;
	size_t used = 0;

	for (unsigned n = 0; (from = vm_boot_at(c, n)) != VM_BOOT_END; n++)
		for (unsigned i = 0; i < counts[from]; i++)
			used += put_boot_device(
				d->order + used, sizeof(d->order) - used, images, from, i);
	if (c->boot != 0)
		used += fmt(d->order + used, sizeof(d->order) - used, "HALT\n");
	if (used == 0)
		return;
	d->order[used - 1] = '\0';
	vfwcfg_add_file(&d->table, "bootorder", d->order, (uint32_t)used);
}

/* A file that the device shows: its module, readable in the VM's address space. */
static const uint8_t *map_file(struct vm *vm, const struct vm_file *f)
{
	uint64_t start = f->start & ~PAGE_MASK;
	uint64_t size = (f->start + f->size - start + PAGE_MASK) & ~PAGE_MASK;

	if (!paging_map_direct(vm->host_cr3, (struct hpa){start}, size, PT_P | PT_XD))
		return NULL;
	return direct_va((struct hpa){f->start});
}

static bool add_blob(struct vm *vm, struct vfwcfg_table *t, uint16_t size_key,
	uint16_t data_key, const struct vm_file *f)
{
	const uint8_t *data = map_file(vm, f);

	if (data == NULL || f->size > UINT32_MAX)
		return false;
	vfwcfg_add_value(t, size_key, f->size, 4);
	vfwcfg_add_data(t, data_key, data, (uint32_t)f->size);
	return true;
}

/*
 * By this name SeaBIOS takes the file for the option ROM of all virtio network devices. Without
 * it SeaBIOS does not try networks, as it shall not unless the order names them.
 */
static bool add_boot_rom(struct vm *vm, struct firmware_data *d, const struct vm_file *rom)
{
	const uint8_t *data;
	char name[32];

	if (rom->size == 0 || !vm_boot_names(&vm->config, VM_BOOT_NETWORK))
		return true;
	data = map_file(vm, rom);
	fmt(name, sizeof(name), "pci%04x,%04x.rom", VIRTIO_PCI_VENDOR,
		VIRTIO_PCI_DEVICE + VIRTIO_NET);
	return data != NULL &&
	       vfwcfg_add_file(&d->table, name, data, (uint32_t)rom->size) != NULL;
}

/*
 * A display, with what a BIOS needs for it. SeaBIOS then uses the serial port only if it is
 * told to, beside the display.
 */
static bool add_display(struct vm *vm, struct vfwcfg_table *t, const struct vm_images *images)
{
	const struct vm_file *bios = &images->vgabios;
	const uint8_t *data = bios->size != 0 ? map_file(vm, bios) : NULL;
	const char *name = vm->config.display == DISPLAY_TEXT ? "vgaroms/vgabios-isavga.bin"
							      : "vgaroms/vgabios-ramfb.bin";

	if (vm->config.display == DISPLAY_NONE)
		return true;
	if (vm->config.display == DISPLAY_RAMFB)
		vfwcfg_add_display(t);
	vfwcfg_add_file_value(t, "etc/sercon-port", VUART_PORT, 2);
	if (bios->size == 0)
		return true;
	if (data != NULL)
		vfwcfg_add_file(t, name, data, (uint32_t)bios->size);
	return data != NULL;
}

/* The length of a bzImage's real-mode part; 0: it is none. */
static uint64_t setup_size(const struct vm_file *f)
{
	const uint8_t *image = direct_va((struct hpa){f->start});
	uint64_t size;

	if (f->size <= SETUP_SECTS)
		return 0;
	size = image[SETUP_SECTS] == 0 ? SETUP_DEFAULT : image[SETUP_SECTS];
	size = (size + 1) * SETUP_SECTOR;
	return size < f->size ? size : 0;
}

const char *firmware_check(const struct vm_images *images)
{
	if (images->firmware.size == 0)
		return NULL;
	if (images->firmware.start % PAGE_SIZE != 0)
		return "its firmware does not lie at a page: the loader must align modules";
	if (images->has_kernel && setup_size(&images->kernel) == 0)
		return "its kernel is no bzImage, which firmware could start";
	if (images->variables.size != 0 &&
		images->variables.size != volume_size(&images->firmware))
		return "its variables are not as long as its firmware has them";
	return firmware_size_error(images->firmware.size);
}

/* The kernel in two parts, as firmware expects a bzImage. */
static bool add_kernel(struct vm *vm, struct vfwcfg_table *t, const struct vm_images *images)
{
	struct vm_file setup = images->kernel, rest = images->kernel;
	const struct text *line = &images->kernel.cmdline;
	char *copy = pool_get(&vm->pool); /* it ends with a NUL */

	if (copy == NULL || line->len >= PAGE_SIZE)
		return false;
	setup.size = setup_size(&images->kernel);
	rest.start += setup.size;
	rest.size -= setup.size;
	memcpy(copy, line->s, line->len);
	vfwcfg_add_value(t, FWCFG_CMDLINE_SIZE, line->len + 1, 4);
	vfwcfg_add_data(t, FWCFG_CMDLINE_DATA, copy, (uint32_t)line->len + 1);
	if (images->initrd.size != 0 &&
		!add_blob(vm, t, FWCFG_INITRD_SIZE, FWCFG_INITRD_DATA, &images->initrd))
		return false;
	return add_blob(vm, t, FWCFG_SETUP_SIZE, FWCFG_SETUP_DATA, &setup) &&
	       add_blob(vm, t, FWCFG_KERNEL_SIZE, FWCFG_KERNEL_DATA, &rest);
}

bool firmware_create(
	struct vm *vm, const struct vm_images *images, struct platform_config *platform)
{
	unsigned pages = (sizeof(struct firmware_data) + PAGE_SIZE - 1) / PAGE_SIZE;
	struct firmware_data *d = pool_get_run(&vm->pool, pages);
	const struct vm_file *image = &images->firmware;

	if (d == NULL)
		return false;
	create_flash(vm, images, platform);
	vm->variables.kept = images->keeps_variables && platform->flash_size != 0;
	if (!map_rom(vm, image, platform->flash_size))
		return false;
	platform->fwcfg = &d->table;
	platform->acpi = &d->acpi;
	add_machine(d, &vm->config);
	add_memory(d, platform);
	add_acpi(d);
	add_boot_order(d, &vm->config, images);
	if (!add_boot_rom(vm, d, &images->boot_rom) || !add_display(vm, &d->table, images))
		return false;
	if (images->has_kernel && !add_kernel(vm, &d->table, images))
		return false;
	return vfwcfg_finish(&d->table);
}

const char *firmware_start(struct vm *vm)
{
	uint64_t size = vm->rom.size < SHADOW_SIZE ? vm->rom.size : SHADOW_SIZE;
	uint8_t *to = vm_gpa_to_va(vm, SHADOW_END - size, size);

	if (to == NULL)
		return "the VM is too small for its firmware";
	memcpy(to, (const uint8_t *)direct_va(vm->rom.hpa) + vm->rom.size - size, size);
	return NULL;
}

void firmware_log_byte(struct vm *vm, uint8_t byte)
{
	unsigned n = vm->firmware_line_used;

	if (byte >= ' ' && byte < 0x7f)
		vm->firmware_line[n++] = (char)byte;
	if (byte == '\n' || n == VM_FIRMWARE_LINE) {
		vm_log(vm, LOG_INFO, "'%s' firmware: %.*s", vm->config.name, (int)n,
			vm->firmware_line);
		n = 0;
	}
	vm->firmware_line_used = n;
}
