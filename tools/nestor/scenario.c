/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: their values, defaults and joint checks; see scenario.h. */
#include "scenario.h"

#include <string.h>

#include "firmware.h"
#include "host_disk.h"
#include "policy/scenario.h"
#include "spec/scsi.h"

#define MIB (1ULL << 20)

static const char *const machine_words[] = {
	[MACHINE_AUTO] = "auto", [MACHINE_QEMU] = "qemu", [MACHINE_BOCHS] = "bochs", NULL};

static const char *const net_words[] = {
	[MACHINE_NET_NONE] = "none", [MACHINE_NET_USER] = "user", NULL};

static const char *const iommu_words[] = {
	"none", "vtd", "vtd-caching", "vtd-regions", "vtd-segments", NULL};
static const char *const change_words[] = {
	[DISK_CHANGES_KEEP] = "keep", [DISK_CHANGES_DISCARD] = "discard", NULL};

#define ROW(name, kind, type, member) NULL, name, kind, SETTING_AT(struct type, member)

static const struct setting vm_texts[] = {
	{ROW("firmware", SETTING_FILE, vm_spec, firmware), .words = firmware_words,
		.help = "the firmware that starts it: Debian's SeaBIOS or OVMF, or a file"},
	{ROW("variables", SETTING_FILE, vm_spec, variables),
		.help = "the file in which what firmware remembers outlives the run"},
	{ROW("kernel", SETTING_FILE, vm_spec, kernel)},
	{ROW("initrd", SETTING_FILE, vm_spec, initrd)},
	{ROW("cmdline", SETTING_LINE, vm_spec, cmdline), .max = LIMIT_LINE},
	{.kind = SETTING_END},
};

static const struct setting disk_texts[] = {
	{ROW("image", SETTING_FILE, disk_spec, image)},
	{ROW("changes", SETTING_CHOICE, disk_spec, changes), .words = change_words,
		.initial = DISK_CHANGES_DISCARD, .help = "what becomes of what is written"},
	{ROW("size", SETTING_SIZE, disk_spec, config.size), .min = 512, .max = MIB << 20,
		.unit = 512, .help = "the size of a disk that another VM serves"},
	{.kind = SETTING_END},
};

static const char *const cdrom_words[] = {CDROM_NONE, NULL};

static const struct setting cdrom_texts[] = {
	{ROW("image", SETTING_FILE, cdrom_spec, image), .words = cdrom_words},
	{.kind = SETTING_END},
};

static const struct setting image_texts[] = {
	{ROW("file", SETTING_FILE, image_spec, file)},
	{.kind = SETTING_END},
};

static const struct setting machine_rows[] = {
	{ROW("kind", SETTING_CHOICE, machine_spec, kind), .words = machine_words,
		.initial = MACHINE_AUTO},
	{ROW("cpus", SETTING_NUMBER, machine_spec, cpus), .min = 1, .max = 64},
	{ROW("memory", SETTING_SIZE, machine_spec, memory), .min = 2 * MIB, .max = MIB << 20,
		.unit = 2 * MIB},
	{ROW("vms", SETTING_NUMBER, machine_spec, places), .min = 1, .max = SCENARIO_MAX_VMS},
	{ROW("ips", SETTING_NUMBER, machine_spec, ips), .min = 1000000, .max = 4000000000,
		.initial = 50000000},
	{ROW("net", SETTING_CHOICE, machine_spec, net), .words = net_words,
		.initial = MACHINE_NET_NONE},
	{ROW("disk", SETTING_FILE, machine_spec, disk)},
	{ROW("disk-changes", SETTING_CHOICE, machine_spec, disk_changes), .words = change_words,
		.initial = DISK_CHANGES_KEEP},
	{ROW("iommu", SETTING_CHOICE, machine_spec, iommu), .words = iommu_words,
		.initial = MACHINE_IOMMU_NONE},
	{ROW("nodes", SETTING_NUMBER, machine_spec, nodes), .min = 1, .max = 8, .initial = 1},
	{ROW("option", SETTING_LINE, machine_spec, option), .max = 2047},
	{ROW("msr", SETTING_LINE, machine_spec, msr), .max = 1023},
	{ROW("map", SETTING_LINE, machine_spec, map), .max = 1023},
	{.kind = SETTING_END},
};

static const struct setting scenario_rows[] = {
	{ROW("timeout", SETTING_NUMBER, scenario_spec, timeout), .min = 1, .max = 1000000},
	{.kind = SETTING_END},
};

/* What is shared comes first in these structures, so that both tables' offsets hold. */
_Static_assert(offsetof(struct vm_spec, config) == 0, "rows of vm_settings");
_Static_assert(offsetof(struct disk_spec, config) == 0, "rows of disk_settings");
_Static_assert(offsetof(struct cdrom_spec, config) == 0, "rows of cdrom_settings");
_Static_assert(offsetof(struct image_spec, config) == 0, "rows of image_settings");
_Static_assert(offsetof(struct scenario_spec, l0) == 0, "rows of option_settings");

setting_tables vm_keys = {vm_settings, vm_texts, NULL};
setting_tables disk_keys = {disk_texts, disk_settings, NULL};
setting_tables cdrom_keys = {cdrom_texts, cdrom_settings, NULL};
setting_tables image_keys = {image_settings, image_texts, NULL};
setting_tables machine_keys = {machine_rows, NULL};
setting_tables scenario_keys = {scenario_rows, option_settings, NULL};

bool scenario_cpu_list(const char *text, char list[MANAGE_CPUS + 1])
{
	const struct setting *pin = setting_find(vm_keys, "pin");
	struct vm_config c;
	char must[SETTING_TEXT_SIZE];

	return setting_parse(pin, text_of(text, strlen(text)), &c, must) &&
	       setting_format(pin, &c, list, MANAGE_CPUS + 1) < MANAGE_CPUS;
}

void scenario_init(struct scenario_spec *s)
{
	memset(s, 0, sizeof(*s));
	settings_init(option_settings, &s->l0);
	settings_init(machine_rows, &s->machine);
}

void machine_is_told(struct machine_spec *m, const char *key, const char *where)
{
	const struct {
		const char *key, **where;
	} told[] = {{"cpus", &m->cpus_where}, {"memory", &m->memory_where},
		{"msr", &m->msr_where}, {"map", &m->map_where}};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (strcmp(key, told[i].key) == 0)
			*told[i].where = where;
}

struct vm_spec *scenario_add_vm(struct scenario_spec *s, const char *where)
{
	struct vm_spec *vm;

	if (s->vm_count == SCENARIO_MAX_VMS)
		return NULL;
	vm = &s->vms[s->vm_count++];
	memset(vm, 0, sizeof(*vm));
	settings_init(vm_settings, &vm->config);
	vm->where = where;
	vm->cmdline = "";
	return vm;
}

unsigned scenario_shown(const struct scenario_spec *s)
{
	unsigned n = s->vm_count;

	while (n > 0 && s->vms[n - 1].hidden)
		n--;
	return n;
}

struct disk_spec *scenario_add_disk(struct vm_spec *vm, const char *where)
{
	struct disk_spec *disk;

	if (vm->disk_count == SCENARIO_MAX_DISKS)
		return NULL;
	disk = &vm->disks[vm->disk_count++];
	memset(disk, 0, sizeof(*disk));
	settings_init(disk_settings, &disk->config);
	settings_init(disk_texts, disk);
	disk->where = where;
	return disk;
}

struct cdrom_spec *scenario_add_cdrom(struct vm_spec *vm, const char *where)
{
	struct cdrom_spec *cdrom;

	if (vm->cdrom_count == SCENARIO_MAX_CDROMS)
		return NULL;
	cdrom = &vm->cdroms[vm->cdrom_count++];
	memset(cdrom, 0, sizeof(*cdrom));
	settings_init(cdrom_settings, &cdrom->config);
	cdrom->where = where;
	return cdrom;
}

/* `line` has SETTING_TEXT_SIZE bytes; the length. */
static size_t cdrom_line(const struct vm_spec *vm, const struct cdrom_spec *cdrom, char *line)
{
	struct cdrom_config c = cdrom->config;
	size_t n = strlen(strcpy(line, "cdrom"));

	strcpy(c.vm, vm->config.name);
	c.empty = cdrom->image.path && strcmp(cdrom->image.path, CDROM_NONE) == 0;
	return n + settings_format(cdrom_settings, &c, line + n, SETTING_TEXT_SIZE - n);
}

const char *scenario_cdrom_line(
	struct arena *a, const struct vm_spec *vm, const struct cdrom_spec *cdrom)
{
	char line[SETTING_TEXT_SIZE];

	cdrom_line(vm, cdrom, line);
	return arena_copy(a, line);
}

static size_t image_line(const struct image_spec *image, char *line)
{
	size_t n = strlen(strcpy(line, "image"));

	return n +
	       settings_format(image_settings, &image->config, line + n, SETTING_TEXT_SIZE - n);
}

const char *scenario_image_line(struct arena *a, const struct image_spec *image)
{
	char line[SETTING_TEXT_SIZE];

	image_line(image, line);
	return arena_copy(a, line);
}

static size_t disk_line(const struct vm_spec *vm, const struct disk_spec *disk, char *line)
{
	struct disk_config c = disk->config;
	size_t n = strlen(strcpy(line, "disk"));

	strcpy(c.vm, vm->config.name);
	return n + settings_format(disk_settings, &c, line + n, SETTING_TEXT_SIZE - n);
}

const char *scenario_disk_line(
	struct arena *a, const struct vm_spec *vm, const struct disk_spec *disk)
{
	char line[SETTING_TEXT_SIZE];

	disk_line(vm, disk, line);
	return arena_copy(a, line);
}

/*
 * Whether L0 takes the VM beside those before it: its own reader is asked. As firmware, since a
 * kernel may belong to firmware before it. *where: what is wrong.
 */
static bool add_to_l0(struct scenario *l0, const struct vm_spec *vm, const char **where)
{
	char line[SETTING_TEXT_SIZE];
	size_t n;

	strcpy(line, "firmware");
	n = strlen(line);
	n += settings_format(vm_settings, &vm->config, line + n, sizeof(line) - n);
	*where = vm->where;
	if (!scenario_add(l0, (struct text){line, n}, 0, FIRMWARE_MIN))
		return false;
	for (unsigned i = 0; i < vm->disk_count; i++) {
		n = disk_line(vm, &vm->disks[i], line);
		*where = vm->disks[i].where;
		if (!scenario_add(l0, (struct text){line, n}, 0, 0))
			return false;
	}
	for (unsigned i = 0; i < vm->cdrom_count; i++) {
		n = cdrom_line(vm, &vm->cdroms[i], line);
		*where = vm->cdroms[i].where;
		if (!scenario_add(l0, (struct text){line, n}, 0, SCSI_CD_BLOCK))
			return false;
	}
	return true;
}

static int check_disks(const struct vm_spec *vm, struct error *e)
{
	for (unsigned i = 0; i < vm->disk_count; i++) {
		const struct disk_spec *d = &vm->disks[i];

		if (d->image.path && disk_config_is_remote(&d->config))
			return fail(e, STATUS_BAD_INPUT,
				"%s: the disk has both 'image' and 'nbd'", d->where);
		if (!d->image.path && !d->config.size && !d->config.bay &&
			!disk_config_is_remote(&d->config))
			return fail(e, STATUS_BAD_INPUT,
				"%s: the disk has neither 'image' nor 'scratch' nor 'nbd' nor 'bay'",
				d->where);
		if (d->image.path && d->config.bay)
			return fail(e, STATUS_BAD_INPUT,
				"%s: the disk has both 'image' and 'bay'", d->where);
		if (d->image.path && d->config.size && !d->config.host)
			return fail(e, STATUS_BAD_INPUT,
				"%s: the disk has both 'image' and a size ('scratch')",
				d->where);
	}
	return 0;
}

static int check_cdroms(const struct vm_spec *vm, struct error *e)
{
	for (unsigned i = 0; i < vm->cdrom_count; i++)
		if (!vm->cdroms[i].image.path)
			return fail(e, STATUS_BAD_INPUT, "%s: the CD-ROM drive has no 'image'",
				vm->cdroms[i].where);
	return 0;
}

/* What it shall start from is there. Network devices are looked at with the configuration. */
static int check_boot(const struct vm_spec *vm, struct error *e)
{
	if (vm->config.boot && !vm->firmware.path)
		return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': %s", vm->where,
			vm->config.name, VM_NO_BOOT);
	if (vm_boot_names(&vm->config, VM_BOOT_DISK) && vm->disk_count == 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s': 'boot' names disk, but the VM has no disk", vm->where,
			vm->config.name);
	if (vm_boot_names(&vm->config, VM_BOOT_CDROM) && vm->cdrom_count == 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s': 'boot' names cdrom, but the VM has no CD-ROM drive",
			vm->where, vm->config.name);
	return 0;
}

static int check_vm(const struct vm_spec *vm, struct error *e)
{
	if (!*vm->config.name)
		return fail(e, STATUS_BAD_INPUT, "%s: the VM has no 'name'", vm->where);
	if (!vm->kernel.path && !vm->firmware.path)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has neither a 'kernel' nor 'firmware'", vm->where,
			vm->config.name);
	if (vm->firmware.path && vm->module_count != 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has 'modules', which 'firmware' does not take",
			vm->where, vm->config.name);
	if (vm->firmware.path && vm->config.protocol != PROTOCOL_AUTO)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has 'firmware', which knows how it starts a kernel: no "
			"'protocol'",
			vm->where, vm->config.name);
	if (vm->variables.path && !vm->firmware.path)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has no 'firmware', whose variables could be kept",
			vm->variables.where, vm->config.name);
	if (vm->kernel.path && vm->firmware.path &&
		strcmp(vm->firmware.path, FIRMWARE_SEABIOS) == 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has a 'kernel', which SeaBIOS does not start",
			vm->where, vm->config.name);
	if (!vm->kernel.path && (vm->initrd.path || *vm->cmdline))
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s' has no 'kernel', which 'initrd' and 'cmdline' need",
			vm->where, vm->config.name);
	return 0;
}

static int add_images(struct scenario *l0, const struct scenario_spec *s, struct error *e)
{
	char line[SETTING_TEXT_SIZE];

	for (unsigned i = 0; i < s->image_count; i++) {
		size_t n = image_line(&s->images[i], line);

		if (!scenario_add(l0, (struct text){line, n}, 0, SCSI_CD_BLOCK))
			return fail(e, STATUS_BAD_INPUT, "%s: the image '%s': %s",
				s->images[i].file.where, s->images[i].config.name,
				l0->refusal.why);
	}
	return 0;
}

int scenario_finish(struct scenario_spec *s, struct error *e)
{
	struct scenario l0 = {.vm_count = 0};
	unsigned bad_vm, bad_disk;

	if (add_images(&l0, s, e))
		return e->status;

	for (unsigned i = 0; i < s->vm_count; i++)
		if (check_vm(&s->vms[i], e) || check_disks(&s->vms[i], e))
			return e->status;
	if (host_disks_number(s, e))
		return e->status;
	for (unsigned i = 0; i < s->vm_count; i++) {
		struct vm_spec *vm = &s->vms[i];
		const char *where;

		if (check_cdroms(vm, e) || check_boot(vm, e))
			return e->status;
		vm->config.firmware = vm->firmware.path != NULL;
		if (vm->firmware.path && !device_list_is_empty(&vm->config.devices))
			return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': %s", vm->where,
				vm->config.name, VM_NO_FIRMWARE);
		if (!vm->firmware.path && vm->config.display == DISPLAY_RAMFB)
			return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': %s", vm->where,
				vm->config.name, VM_DISPLAY_NEEDS_FIRMWARE);
		if (!add_to_l0(&l0, vm, &where))
			return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': %s", where,
				vm->config.name, l0.refusal.why);
	}
	if (!scenario_complete(&l0, &bad_vm, &bad_disk))
		return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': %s",
			s->vms[bad_vm].disks[bad_disk].where, s->vms[bad_vm].config.name,
			l0.refusal.why);
	return 0;
}
