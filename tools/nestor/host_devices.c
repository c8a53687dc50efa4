/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions of a machine can be given away; see host_devices.h. */
#include "host_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec/pci_find.h"
#include "vtd/judge.h"
#include "vtd/seam.h"
#include "vtd/topology.h"
#include "vtd/usb_handover.h"

#define FUNCTIONS_MAX 4096u
#define DMAR_MAX      65536u

/* A function as Linux shows it. */
struct function {
	unsigned segment;
	uint16_t bdf;
	bool is_virtual;
	unsigned vendor, device, class;
	unsigned size; /* of what could be read of its configuration space */
	uint8_t config[PCIE_CONFIG_SIZE];
};

/* One machine is looked at; vtd/ asks for functions by their numbers alone. */
static struct function *functions;
static unsigned function_count;

/* ---- files of /sys ---- */

/* The first bytes of a file, up to @size. -1: it cannot be read. */
static ssize_t read_bytes(const char *path, void *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while (n < size && (got = read(fd, (char *)to + n, size - n)) > 0)
		n += (size_t)got;
	close(fd);
	return (ssize_t)n;
}

/* A number in hexadecimal, with 0x or without. False: the file has none. */
static bool read_hex(const char *path, uint64_t *value)
{
	char text[32] = "", *end;
	ssize_t n = read_bytes(path, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	*value = strtoull(text, &end, 16);
	return end != text && (*end == '\n' || *end == 0);
}

static uint64_t hex_of(const char *folder, const char *name)
{
	char path[4096 + 64];
	uint64_t value = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_hex(path, &value) ? value : 0;
}

/* ---- what vtd/ needs; it reads no registers here ---- */

static int by_number(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->segment != y->segment ? (x->segment < y->segment ? -1 : 1)
					: (x->bdf > y->bdf) - (x->bdf < y->bdf);
}

/* vtd/ asks for each place where a function could be. */
static struct function *find(unsigned segment, uint16_t bdf)
{
	static struct function key;

	key.segment = segment;
	key.bdf = bdf;
	return bsearch(&key, functions, function_count, sizeof(*functions), by_number);
}

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	const struct function *f = find(PCI_SBDF_SEGMENT(sbdf), PCI_SBDF_BDF(sbdf));
	uint32_t value = UINT32_MAX;

	if (f != NULL && offset + size <= f->size)
		memcpy(&value, f->config + offset, size);
	return value & UINT32_MAX >> (4 - size) * 8;
}

/*
 * What L0 would set, in what was read: the machine stays as it is. The bits that are set are
 * those that the function can (ACS).
 */
void vtd_seam_set_config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value)
{
	struct function *f = find(PCI_SBDF_SEGMENT(sbdf), PCI_SBDF_BDF(sbdf));

	if (f != NULL && offset + size <= f->size)
		memcpy(f->config + offset, &value, size);
}

bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	const struct function *f = find(PCI_SBDF_SEGMENT(sbdf), PCI_SBDF_BDF(sbdf));

	if (f == NULL || (f->config[PCI_HEADER_TYPE] & PCI_HEADER_LAYOUT) != PCI_HEADER_BRIDGE)
		return false;
	*secondary = f->config[PCI_BRIDGE_SECONDARY];
	*subordinate = f->config[PCI_BRIDGE_SUBORDINATE];
	return *secondary > PCI_BDF_BUS(PCI_SBDF_BDF(sbdf));
}

/* ---- the machine ---- */

/* SSSS:BB:DD.F */
static bool name_of(const char *name, unsigned *segment, uint16_t *bdf)
{
	unsigned bus, device, function;
	char end;

	if (sscanf(name, "%x:%x:%x.%u%c", segment, &bus, &device, &function, &end) != 4 ||
		bus > 255 || device > 31 || function > 7)
		return false;
	*bdf = (uint16_t)PCI_BDF(bus, device, function);
	return true;
}

/* NULL, or why it cannot be looked at. */
static const char *read_function(const char *folder, struct function *f)
{
	char path[4096 + 64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/config", folder);
	memset(f->config, 0xff, sizeof(f->config));
	n = read_bytes(path, f->config, sizeof(f->config));
	if (n < (ssize_t)PCI_HEADER_END)
		return "what the functions' configuration spaces have cannot be read";
	if (n < (ssize_t)PCI_CONFIG_SIZE)
		return "only root can read the configuration spaces of PCI functions";
	f->size = (unsigned)n;
	snprintf(path, sizeof(path), "%s/physfn", folder);
	f->is_virtual = access(path, F_OK) == 0;
	f->vendor = (unsigned)hex_of(folder, "vendor");
	f->device = (unsigned)hex_of(folder, "device");
	f->class = (unsigned)hex_of(folder, "class") >> 8;
	return NULL;
}

static const char *read_functions(struct arena *a, const char *sys)
{
	const char *at = arena_format(a, "%s/bus/pci/devices", sys), *why = NULL;
	DIR *d = opendir(at);
	struct dirent *e;

	functions = arena_alloc(a, sizeof(*functions) * FUNCTIONS_MAX);
	function_count = 0;
	if (d == NULL)
		return arena_format(a, "%s: %s", at, strerror(errno));
	while (why == NULL && function_count < FUNCTIONS_MAX && (e = readdir(d)) != NULL) {
		struct function *f = &functions[function_count];

		if (!name_of(e->d_name, &f->segment, &f->bdf))
			continue;
		why = read_function(arena_format(a, "%s/%s", at, e->d_name), f);
		function_count += why == NULL;
	}
	closedir(d);
	qsort(functions, function_count, sizeof(*functions), by_number);
	return why;
}

/* What Linux' driver tells of the unit at these registers. */
static bool find_caps(struct arena *a, const char *sys, uint64_t registers, uint64_t caps[2])
{
	const char *at = arena_format(a, "%s/class/iommu", sys);
	DIR *d = opendir(at);
	struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		const char *folder = arena_format(a, "%s/%s/intel-iommu", at, e->d_name);

		if (hex_of(folder, "address") != registers)
			continue;
		caps[0] = hex_of(folder, "cap");
		caps[1] = hex_of(folder, "ecap");
		found = caps[0] != 0;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

/* As L0 would find it once it is on. */
static void find_unit(struct arena *a, const char *sys, const struct dmar *dmar,
	const struct dmar_unit *u, struct vtd_unit *unit)
{
	uint64_t caps[2];

	*unit = (struct vtd_unit){.registers = u->registers, .failed = u->why};
	if (unit->failed != NULL)
		return;
	if (!find_caps(a, sys, u->registers, caps)) {
		unit->failed = "this Linux does not say what its IOMMU can do: boot it with "
			       "intel_iommu=on";
		return;
	}
	unit->failed = vtd_caps_judge(caps[0], caps[1], 0, &unit->caps);
	unit->on = unit->failed == NULL;
	unit->remaps = unit->on && unit->caps.remap && dmar->flags & DMAR_FLAG_IR;
}

/* ---- what L0 would say ---- */

struct machine {
	struct dmar dmar;
	struct vtd_unit units[DMAR_UNITS];
};

static const char *why_not(const struct machine *m, const struct function *f, uint16_t *group)
{
	const char *why = NULL;
	uint32_t unit;

	if (f->segment != 0)
		return "it is in another PCI segment than 0, of which VMs have no devices";
	if (f->is_virtual)
		return "it is a virtual function that this Linux has made; Nestor makes its own, as "
		       "in pci:01:00.0/vf0";
	if (f->class >> 8 == PCI_CLASS_BRIDGE)
		return "it is a bridge";
	unit = dmar_unit_of(&m->dmar, 0, f->bdf, &why);
	if (unit == DMAR_NONE)
		return why;
	why = vtd_judge_function(&m->dmar, &m->units[unit], f->bdf,
		&(struct vtd_wish){.given_up = usb_is_asked_for(f->bdf)});
	return why != NULL ? why : topology_group(f->bdf, group);
}

static const char *pci_name(struct arena *a, unsigned segment, uint16_t bdf)
{
	return segment != 0 ? arena_format(a, "%04x:%02x:%02x.%u", segment, PCI_BDF_BUS(bdf),
				      PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf))
			    : arena_format(a, "pci:%02x:%02x.%u", PCI_BDF_BUS(bdf),
				      PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf));
}

/* How many virtual functions it can have. */
static unsigned virtual_functions(const struct function *f)
{
	unsigned at = f->segment != 0 ? 0
				      : pcie_find(vtd_seam_config, f->bdf, PCIE_EXTENDED_SRIOV,
						PCIE_SRIOV_SIZE);

	return at != 0 ? vtd_seam_config(f->bdf, at + PCIE_SRIOV_TOTAL, 2) : 0;
}

/* What has PCI Express has extended configuration space. */
static bool is_cut(const struct function *f)
{
	return f->segment == 0 && f->size < PCIE_CONFIG_SIZE &&
	       pci_find(vtd_seam_config, f->bdf, PCI_CAP_EXPRESS) != 0;
}

static void judge_all(struct arena *a, const struct machine *m, struct host_devices *d)
{
	topology_separate();
	d->count = function_count;
	d->all = arena_alloc(a, sizeof(*d->all) * (function_count + 1));
	for (unsigned i = 0; i < function_count; i++) {
		const struct function *f = &functions[i];
		uint16_t group = 0;
		const char *why = why_not(m, f, &group);

		d->all[i] = (struct host_device){.name = pci_name(a, f->segment, f->bdf),
			.vendor = f->vendor,
			.device = f->device,
			.class = f->class,
			.vfs = why == NULL ? virtual_functions(f) : 0,
			.group = why == NULL ? pci_name(a, 0, group) : NULL,
			.why = why};
		d->is_cut = d->is_cut || is_cut(f);
	}
}

void host_devices_read(struct arena *a, const char *sys, struct host_devices *d)
{
	const char *at = arena_format(a, "%s/firmware/acpi/tables/DMAR", sys);
	struct machine *m = arena_alloc(a, sizeof(*m));
	uint8_t *table = arena_alloc(a, DMAR_MAX);
	ssize_t size;

	*d = (struct host_devices){.why = read_functions(a, sys)};
	if (d->why != NULL)
		return;
	errno = 0;
	size = read_bytes(at, table, DMAR_MAX);
	if (size < 0 && errno != ENOENT) {
		d->why = errno == EACCES ? "only root can read the ACPI table DMAR"
					 : arena_format(a, "%s: %s", at, strerror(errno));
		return;
	}
	dmar_read(size < 0 ? NULL : table, size < 0 ? 0 : (size_t)size, &m->dmar);
	dmar_follow(&m->dmar);
	d->unit_count = m->dmar.unit_count;
	for (unsigned i = 0; i < m->dmar.unit_count; i++)
		find_unit(a, sys, &m->dmar, &m->dmar.units[i], &m->units[i]);
	judge_all(a, m, d);
}

/* ---- what is told ---- */

void host_devices_show(const struct host_devices *d)
{
	if (d->why) {
		printf("\nWhich devices a VM could have is not known: %s\n", d->why);
		return;
	}
	printf("\n%-14s %-10s %-6s %-14s %s\n", "device", "id", "class", "group", "for a VM");
	for (unsigned i = 0; i < d->count; i++) {
		const struct host_device *f = &d->all[i];

		printf("%-14s %04x:%04x  %04x   %-14s %s%s", f->name, f->vendor, f->device,
			f->class, f->group ? f->group : "-", f->why ? "no: " : "yes",
			f->why ? f->why : "");
		if (f->vfs != 0)
			printf(", or its virtual functions %s/vf0 to vf%u", f->name,
				f->vfs - 1);
		printf("\n");
	}
	if (d->is_cut)
		printf("ACS and SR-IOV could not be read: the configuration space of some "
		       "functions has fewer than 4096 bytes here. Groups may be too large.\n");
}

json_t *host_devices_json(const struct host_devices *d)
{
	json_t *all = json_array();
	char id[16], class[8];

	for (unsigned i = 0; i < d->count; i++) {
		const struct host_device *f = &d->all[i];
		json_t *row;

		snprintf(id, sizeof(id), "%04x:%04x", f->vendor & 0xffff, f->device & 0xffff);
		snprintf(class, sizeof(class), "%04x", f->class & 0xffff);
		row = json_pack("{s:s, s:s, s:s, s:b}", "device", f->name, "id", id, "class",
			class, "vm", f->why == NULL);
		if (f->vfs != 0)
			json_object_set_new(row, "vfs", json_integer(f->vfs));
		if (f->group)
			json_object_set_new(row, "group", json_string(f->group));
		if (f->why)
			json_object_set_new(row, "why", json_string(f->why));
		json_array_append_new(all, row);
	}
	return all;
}
