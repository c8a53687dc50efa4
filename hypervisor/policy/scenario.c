/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scenario.h"

#include <stddef.h>

static struct vm_images *find(struct scenario *s, const char *name)
{
	struct text t = text_of(name, VM_NAME_SIZE);

	for (unsigned i = 0; i < s->vm_count; i++) {
		if (text_is(t, s->vms[i].config.name))
			return &s->vms[i];
	}
	return NULL;
}

/* Words up to "--"; *rest is what follows it, without the one space. */
static bool parse_settings(struct scenario *s, struct text *rest, struct vm_config *c)
{
	struct text word;

	while ((word = text_word(rest)).len > 0) {
		if (text_is(word, "--")) {
			if (rest->len > 0) {
				rest->s++;
				rest->len--;
			}
			return true;
		}
		if (!settings_parse(vm_settings, word, c, &s->refusal))
			return false;
	}
	return true;
}

/* Address k of a network device: its own, and those of its virtual functions. */
static uint64_t address_of(const struct vm_config *c, unsigned net, unsigned k)
{
	uint64_t mac = net_config_mac(&c->nets, net, c->name);

	return k == 0 ? mac : net_config_vf_mac(mac, k - 1);
}

static bool share_an_address(
	const struct vm_config *a, unsigned i, const struct vm_config *b, unsigned j)
{
	for (unsigned k = 0; k <= a->nets.at[i].vfs; k++)
		for (unsigned m = 0; m <= b->nets.at[j].vfs; m++)
			if (address_of(a, i, k) == address_of(b, j, m))
				return true;
	return false;
}

/* Whether a network device of the VM has an address that another one has. */
static bool address_taken(const struct vm_config *a, const struct vm_config *b)
{
	for (unsigned i = 0; i < a->nets.count; i++)
		for (unsigned j = 0; j < b->nets.count; j++)
			if ((a != b || i != j) && share_an_address(a, i, b, j))
				return true;
	return false;
}

#define TOO_MANY_VFS "all VMs together may have 32 virtual functions of network devices ('vfs')"
_Static_assert(LIMIT_ALL_VFS == 32, "the words above");

/* With those of one VM more. */
static bool too_many_vfs(const struct scenario *s, const struct vm_config *c)
{
	unsigned vfs = net_list_vfs(&c->nets, c->nets.count);

	for (unsigned i = 0; i < s->vm_count; i++)
		vfs += net_list_vfs(&s->vms[i].config.nets, s->vms[i].config.nets.count);
	return vfs > LIMIT_ALL_VFS;
}

static bool addresses_taken(const struct scenario *s, const struct vm_config *c)
{
	for (unsigned i = 0; i < s->vm_count; i++)
		if (address_taken(c, &s->vms[i].config))
			return true;
	return address_taken(c, c);
}

/* With one more, whose RAM moves. */
static bool too_many_reserves(const struct scenario *s)
{
	unsigned reserves = 1;

	for (unsigned i = 0; i < s->vm_count; i++)
		reserves += s->vms[i].config.reserve != 0;
	return reserves > LIMIT_RESERVES;
}

/* Whether its devices go with those of the others. */
static const char *devices_error(const struct scenario *s, const struct vm_config *c)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_config *other = &s->vms[i].config;
		const char *why = device_list_conflict(&other->devices, &c->devices);

		if (why != NULL)
			return why;
		if (device_list_shares(&other->devices, &c->devices) &&
			(c->iommu == IOMMU_NONE || other->iommu == IOMMU_NONE))
			return "another VM may have one of its devices: 'iommu: none' is not for "
			       "devices that move between VMs";
	}
	return NULL;
}

/* Why not; NULL when it was added. */
static const char *add_vm(
	struct scenario *s, const struct vm_config *c, struct vm_images **added)
{
	const char *why = devices_error(s, c);

	if (find(s, c->name) != NULL)
		return "there is a VM of this name already";
	if (s->vm_count == SCENARIO_MAX_VMS)
		return "too many VMs";
	if (addresses_taken(s, c))
		return "another network device has the MAC address of one of its";
	if (too_many_vfs(s, c))
		return TOO_MANY_VFS;
	if (c->reserve != 0 && too_many_reserves(s))
		return "63 VMs at most may have memory that moves ('reserve')";
	if (why != NULL)
		return why;
	*added = &s->vms[s->vm_count++];
	**added = (struct vm_images){.config = *c, .store = &s->store};
	return NULL;
}

static const char *add_firmware(
	struct scenario *s, const struct vm_config *c, const struct vm_file *file)
{
	struct vm_images *vm;
	const char *error = firmware_size_error(file->size);

	if (error == NULL)
		error = add_vm(s, c, &vm);
	if (error != NULL)
		return error;
	vm->firmware = *file;
	vm->config.firmware = true;
	return NULL;
}

static const char *add_kernel(
	struct scenario *s, const struct vm_config *c, const struct vm_file *file)
{
	struct vm_images *vm = find(s, c->name);
	const char *error = NULL;

	if (c->display == DISPLAY_RAMFB)
		return VM_DISPLAY_NEEDS_FIRMWARE;
	if (vm == NULL || vm->firmware.size == 0 || vm->has_kernel)
		error = c->boot != 0 ? VM_NO_BOOT : add_vm(s, c, &vm);
	if (error != NULL)
		return error;
	vm->kernel = *file;
	vm->has_kernel = true;
	return NULL;
}

static const char *add_vgabios(struct vm_images *vm, const struct vm_file *file)
{
	if (vm == NULL || vm->firmware.size == 0)
		return "there is no firmware for this VM before it";
	if (vm->config.display == DISPLAY_NONE)
		return "the VM has no display";
	if (file->size == 0 || file->size > VGABIOS_MAX)
		return "a VGA BIOS has 64 KiB at most";
	vm->vgabios = *file;
	return NULL;
}

static const char *add_variables(struct vm_images *vm, const struct vm_file *file)
{
	if (vm == NULL || vm->firmware.size == 0)
		return "there is no firmware for this VM before it";
	if (file->size == 0)
		return "a volume of variables is not empty";
	vm->variables = *file;
	vm->keeps_variables = true;
	return NULL;
}

static const char *add_initrd(struct vm_images *vm, const struct vm_file *file)
{
	vm->initrd = *file;
	return NULL;
}

static const char *add_module(struct vm_images *vm, const struct vm_file *file)
{
	if (vm->module_count == SCENARIO_MAX_MODULES)
		return "too many modules of this VM";
	vm->modules[vm->module_count++] = *file;
	return NULL;
}

static const char *add_boot_rom(struct vm_images *vm, const struct vm_file *file)
{
	if (vm->boot_rom.size != 0)
		return "the VM has one already";
	if (option_rom_size_error(file->size) == NULL)
		vm->boot_rom = *file;
	return option_rom_size_error(file->size);
}

/* A disk or drive without a name gets one: what it is, and its number, of a digit. */
static void name_by_number(char name[DISK_NAME_SIZE], const char *kind, unsigned number)
{
	size_t n = 0;

	if (name[0] != '\0')
		return;
	for (; kind[n] != '\0'; n++)
		name[n] = kind[n];
	name[n] = (char)('0' + number);
	name[n + 1] = '\0';
}

/* What is wrong with a disk in the slot of this root port; NULL: nothing. */
static const char *slot_error(const struct vm_images *vm, uint32_t port)
{
	if (port > vm->config.root_ports)
		return VM_NO_ROOT_PORT;
	for (unsigned i = 0; i < vm->disk_count && port != 0; i++)
		if (vm->disks[i].config.root_port == port)
			return VM_SLOT_TAKEN;
	if (port != 0 && (net_list_at_port(&vm->config.nets, port) != NULL ||
				 device_list_at_port(&vm->config.devices, port) != NULL))
		return VM_SLOT_TAKEN;
	return NULL;
}

static const char *add_disk(struct vm_images *vm, struct disk_config *c, struct vm_file file)
{
	if (vm->disk_count == SCENARIO_MAX_DISKS)
		return "too many disks of this VM";
	name_by_number(c->name, "disk", vm->disk_count);
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (text_is(text_of(c->name, DISK_NAME_SIZE), vm->disks[i].config.name))
			return "the VM has a disk of this name already";
	if (slot_error(vm, c->root_port) != NULL)
		return slot_error(vm, c->root_port);
	if (c->host != 0 && vm->config.reserve != 0)
		return "a disk that is a file of the host needs memory that does not move: no "
		       "'reserve'";
	vm->disks[vm->disk_count++] = (struct vm_disk){*c, file};
	vm->config.disk_memory += disk_config_memory(c, file.size);
	vm->config.remote_disks += disk_config_is_remote(c);
	vm->config.host_disks += c->host != 0;
	return NULL;
}

static const char *add_cdrom(struct vm_images *vm, struct cdrom_config *c, struct vm_file file)
{
	if (vm->cdrom_count == SCENARIO_MAX_CDROMS)
		return "too many CD-ROM drives of this VM";
	name_by_number(c->name, "cdrom", vm->cdrom_count);
	for (unsigned i = 0; i < vm->cdrom_count; i++)
		if (text_is(text_of(c->name, DISK_NAME_SIZE), vm->cdroms[i].config.name))
			return "the VM has a CD-ROM drive of this name already";
	vm->cdroms[vm->cdrom_count++] = (struct vm_cdrom){*c, file};
	return NULL;
}

/* All words of a line, into an object of the table. */
static bool parse_line(
	struct scenario *s, const struct setting *table, struct text words, void *object)
{
	struct text word;

	settings_init(table, object);
	while ((word = text_word(&words)).len > 0)
		if (!settings_parse(table, word, object, &s->refusal))
			return false;
	return true;
}

static bool add_disk_line(
	struct scenario *s, struct text line, struct text words, struct vm_file file)
{
	struct disk_config c = {.vm = ""};
	struct vm_images *vm;
	const char *error;

	if (!parse_line(s, disk_settings, words, &c))
		return false;
	vm = find(s, c.vm);
	error = vm == NULL ? "there is no kernel for this VM before it"
			   : disk_config_error(&c, file.size);
	if (error == NULL)
		error = add_disk(vm, &c, file);
	return error == NULL || refusal_set(&s->refusal, line, "%s", error);
}

static bool add_cdrom_line(
	struct scenario *s, struct text line, struct text words, struct vm_file file)
{
	struct cdrom_config c = {.vm = ""};
	struct vm_images *vm;
	const char *error;

	if (!parse_line(s, cdrom_settings, words, &c))
		return false;
	vm = find(s, c.vm);
	error = vm == NULL ? "there is no kernel for this VM before it" : NULL;
	if (error == NULL && !c.empty)
		error = cdrom_size_error(file.size);
	if (error == NULL)
		error = add_cdrom(vm, &c, file);
	return error == NULL || refusal_set(&s->refusal, line, "%s", error);
}

static const char *add_image(
	struct image_store *store, const struct image_config *c, struct vm_file file)
{
	if (store->count == LIMIT_IMAGES)
		return "too many images";
	for (unsigned i = 0; i < store->count; i++)
		if (text_is(text_of(c->name, LIMIT_NAME), store->at[i].config.name))
			return "there is an image of this name already";
	store->at[store->count].config = *c;
	store->at[store->count++].file = file;
	return NULL;
}

static bool add_image_line(
	struct scenario *s, struct text line, struct text words, struct vm_file file)
{
	struct image_config c = {.name = ""};
	const char *error;

	if (!parse_line(s, image_settings, words, &c))
		return false;
	error = image_config_error(&c);
	if (error == NULL)
		error = cdrom_size_error(file.size);
	if (error == NULL)
		error = add_image(&s->store, &c, file);
	return error == NULL || refusal_set(&s->refusal, line, "%s", error);
}

static const char *add(struct scenario *s, struct text kind, const struct vm_config *c,
	const struct vm_file *file)
{
	struct vm_images *vm = find(s, c->name);
	bool initrd = text_is(kind, "initrd");

	if (text_is(kind, "firmware"))
		return add_firmware(s, c, file);
	if (text_is(kind, "kernel"))
		return add_kernel(s, c, file);
	if (text_is(kind, "boot-rom"))
		return vm != NULL && vm->firmware.size != 0
			       ? add_boot_rom(vm, file)
			       : "there is no firmware for this VM before it";
	if (text_is(kind, "vgabios"))
		return add_vgabios(vm, file);
	if (text_is(kind, "variables"))
		return add_variables(vm, file);
	if (!initrd && !text_is(kind, "module"))
		return "must begin with firmware, vgabios, variables, boot-rom, kernel, initrd, module, "
		       "disk, cdrom or image";
	if (vm == NULL || !vm->has_kernel)
		return "there is no kernel for this VM before it";
	return initrd ? add_initrd(vm, file) : add_module(vm, file);
}

bool scenario_add(struct scenario *s, struct text line, uint64_t start, uint64_t size)
{
	struct text rest = line, kind = text_word(&rest);
	struct vm_file file = {start, size, {NULL, 0}};
	struct vm_config c = {.name = ""};
	const char *error;

	if (text_is(kind, "disk"))
		return add_disk_line(s, line, rest, file);
	if (text_is(kind, "cdrom"))
		return add_cdrom_line(s, line, rest, file);
	if (text_is(kind, "image"))
		return add_image_line(s, line, rest, file);
	settings_init(vm_settings, &c);
	if (!parse_settings(s, &rest, &c))
		return false;
	file.cmdline = rest;
	error = vm_config_error(&c);
	if (error == NULL)
		error = add(s, kind, &c, &file);
	return error == NULL || refusal_set(&s->refusal, line, "%s", error);
}

/* ---- all of them ---- */

unsigned scenario_server_of(const struct scenario *s, const struct disk_config *c)
{
	unsigned i = 0;

	while (i < s->vm_count &&
		!text_is(text_of(c->server, LIMIT_NAME), s->vms[i].config.name))
		i++;
	return i;
}

static bool same_export(const struct disk_config *a, const struct disk_config *b)
{
	return disk_config_is_remote(a) && disk_config_is_remote(b) && a->port == b->port &&
	       text_is(text_of(a->server, LIMIT_NAME), b->server) &&
	       text_is(text_of(disk_config_export(a), LIMIT_EXPORT), disk_config_export(b));
}

/* Whether a disk before this one is the same, and one of them is written. */
static bool written_by_two(const struct scenario *s, unsigned vm, unsigned disk)
{
	const struct disk_config *c = &s->vms[vm].disks[disk].config;

	for (unsigned i = 0; i <= vm; i++)
		for (unsigned k = 0; k < (i < vm ? s->vms[i].disk_count : disk); k++) {
			const struct disk_config *d = &s->vms[i].disks[k].config;

			if (same_export(c, d) && !(c->readonly && d->readonly))
				return true;
		}
	return false;
}

/* NULL: nothing is wrong with the disk. */
static const char *disk_error(const struct scenario *s, unsigned vm, unsigned disk)
{
	const struct disk_config *c = &s->vms[vm].disks[disk].config;
	unsigned server = scenario_server_of(s, c);

	if (!disk_config_is_remote(c))
		return NULL;
	if (server == s->vm_count)
		return "there is no VM of this name";
	if (server == vm)
		return "a VM cannot serve its own disk";
	if (!s->vms[server].config.vsock)
		return "this VM has no virtio socket device ('vsock: on')";
	return written_by_two(s, vm, disk)
		       ? "another disk is the same one: both must be readonly"
		       : NULL;
}

bool scenario_complete(struct scenario *s, unsigned *vm, unsigned *disk)
{
	for (*vm = 0; *vm < s->vm_count; (*vm)++)
		for (*disk = 0; *disk < s->vms[*vm].disk_count; (*disk)++) {
			const struct disk_config *c = &s->vms[*vm].disks[*disk].config;
			const char *error = disk_error(s, *vm, *disk);

			if (error != NULL)
				return refusal_set(&s->refusal, text_of(c->server, LIMIT_NAME),
					"disk '%s', nbd '%s': %s", c->name, c->server, error);
		}
	return true;
}

/* ---- VMs that come later ---- */

static unsigned free_place(const struct scenario *s, unsigned places)
{
	unsigned i = 0;

	while (i < places && i < s->vm_count && s->vms[i].config.name[0] != '\0')
		i++;
	return i;
}

/* Its own settings, over those that it has already. */
static bool define_settings(
	struct scenario *s, const char *name, const char *with, struct vm_config *c)
{
	struct text rest = text_of(with, SETTING_TEXT_SIZE), wanted = text_of(name, LIMIT_NAME);
	char must[SETTING_TEXT_SIZE];

	if (!setting_parse(&vm_settings[0], wanted, c, must))
		return refusal_set(&s->refusal, wanted, "its name must be %s", must);
	c->ports.count = 0;
	for (unsigned i = 0; i < c->nets.count; i++)
		c->nets.at[i].mac = 0;
	while (rest.len > 0) {
		struct text word = {rest.s, 0};

		while (word.len < rest.len && word.s[word.len] != ';')
			word.len++;
		rest.s += word.len;
		rest.len -= word.len;
		if (rest.len > 0) { /* the semicolon */
			rest.s++;
			rest.len--;
		}
		if (!settings_parse(vm_settings, word, c, &s->refusal))
			return false;
	}
	return true;
}

/* Whether the disks of the one that it is like fit its root ports and networks. */
static const char *slots_error(const struct vm_images *like, const struct vm_config *c)
{
	for (unsigned i = 0; i < like->disk_count; i++) {
		uint32_t port = like->disks[i].config.root_port;

		if (port > c->root_ports)
			return VM_NO_ROOT_PORT;
		if (port != 0 && net_list_at_port(&c->nets, port) != NULL)
			return VM_SLOT_TAKEN;
	}
	return NULL;
}

/* NULL: it may be there beside the others. */
static const char *define_error(
	const struct scenario *s, unsigned like, const struct vm_config *c, const char *name)
{
	const char *error = vm_config_error(c);

	if (error != NULL)
		return error;
	if (!text_is(text_of(name, LIMIT_NAME), c->name))
		return "its name is given twice";
	if (!device_list_is_empty(&c->devices) || c->iommu == IOMMU_NONE)
		return "devices of the machine are given away at the start only";
	if (c->reserve != 0)
		return "memory that moves ('reserve') is given away at the start only";
	if (c->ports.count != 0)
		return "named ports are connected at the start only";
	if (c->host_disks != 0)
		return "disks that are files of the host belong to one VM";
	if (c->remote_disks != 0)
		return "disks that another VM serves are connected at the start only";
	if (c->display == DISPLAY_RAMFB && !c->firmware)
		return VM_DISPLAY_NEEDS_FIRMWARE;
	if (c->boot != 0 && !c->firmware)
		return VM_NO_BOOT;
	error = slots_error(&s->vms[like], c);
	if (error != NULL)
		return error;
	if (too_many_vfs(s, c))
		return TOO_MANY_VFS;
	return addresses_taken(s, c)
		       ? "another network device has the MAC address of one of its"
		       : NULL;
}

bool scenario_define(struct scenario *s, unsigned places, unsigned like, const char *name,
	const char *with, unsigned *vm)
{
	struct vm_config c = s->vms[like].config;
	struct text where = text_of(name, LIMIT_NAME);
	const char *error;

	*vm = free_place(s, places);
	if (find(s, name) != NULL)
		return refusal_set(&s->refusal, where, "there is a VM of this name already");
	if (*vm >= places)
		return refusal_set(&s->refusal, where,
			"the run has places for %u VMs, and all are taken", places);
	if (!define_settings(s, name, with, &c))
		return false;
	error = define_error(s, like, &c, name);
	if (error != NULL)
		return refusal_set(&s->refusal, where, "%s", error);
	s->vms[*vm] = s->vms[like];
	s->vms[*vm].config = c;
	s->vms[*vm].changes = (struct vm_changes){0};
	s->vms[*vm].keeps_variables = false;
	if (*vm == s->vm_count)
		s->vm_count++;
	return true;
}

void scenario_forget(struct scenario *s, unsigned vm)
{
	s->vms[vm] = (struct vm_images){.disk_count = 0};
}
