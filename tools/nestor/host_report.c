/* SPDX-License-Identifier: Apache-2.0 */
/* A report of a machine; see host_report.h. */
#include "host_report.h"

#include <cpuid.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/bits.h"
#include "spec/cpuid.h"
#include "spec/msr.h"

#define NODES_MAX  64
#define FILE_MAX   65536u /* bytes of a file that are told */
#define LEAVES_MAX 64u    /* of CPUID, basic and extended each; of subleaves likewise */

/* ---- files ---- */

/* The first bytes of a file, as a text; NULL: it cannot be read. */
static char *content_of(struct arena *a, const char *root, const char *name, size_t *size)
{
	char *path = arena_format(a, "%s/%s", root, name), *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	*size = 0;
	if (fd < 0)
		return NULL;
	text = arena_alloc(a, FILE_MAX + 1);
	while (*size < FILE_MAX && (got = read(fd, text + *size, FILE_MAX - *size)) > 0)
		*size += (size_t)got;
	close(fd);
	text[*size] = '\0';
	return text;
}

static const char *line_of(struct arena *a, const char *root, const char *name)
{
	size_t size;
	char *text = content_of(a, root, name, &size);

	if (!text || !size)
		return "not known";
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Its lines as comments; @keep, unless it is NULL, says which, and cuts them. */
static void put_lines(FILE *out, struct arena *a, const char *root, const char *name,
	bool (*keep)(char *line))
{
	size_t size;
	char *text = content_of(a, root, name, &size), *line;
	unsigned count = 0;

	while (text && (line = strsep(&text, "\n")) != NULL)
		if (*line && (!keep || keep(line))) {
			fprintf(out, "#   %s\n", line);
			count++;
		}
	if (count == 0)
		fprintf(out, "#   nothing that could be read: is this root?\n");
}

/* ---- head ---- */

static void put_brand(FILE *out)
{
	unsigned brand[13] = {0}, *r = brand;

	for (unsigned leaf = 0x80000002; leaf <= 0x80000004; leaf++, r += 4)
		if (!__get_cpuid(leaf, &r[0], &r[1], &r[2], &r[3]))
			return;
	fprintf(out, "# processor: %.48s\n", (const char *)brand);
}

static void put_microcode(FILE *out, struct arena *a, const char *proc)
{
	size_t size;
	const char *text = content_of(a, proc, "cpuinfo", &size);
	const char *at = text ? strstr(text, "\nmicrocode") : NULL;

	if (at && (at = strchr(at, ':')) != NULL)
		fprintf(out, "# microcode: %.*s\n", (int)strcspn(at + 2, "\n"), at + 2);
}

/* "Node 0 MemTotal:   16384 kB" */
static bool is_total(char *line)
{
	return strstr(line, "MemTotal:") != NULL;
}

/* Their numbers may have gaps. */
static void put_nodes(FILE *out, struct arena *a, const char *sys)
{
	for (unsigned i = 0; i < NODES_MAX; i++) {
		const char *folder = arena_format(a, "devices/system/node/node%u", i);
		size_t size;

		if (!content_of(a, sys, arena_format(a, "%s/meminfo", folder), &size))
			continue;
		fprintf(out, "# node %u: processors %s, distances %s\n", i,
			line_of(a, sys, arena_format(a, "%s/cpulist", folder)),
			line_of(a, sys, arena_format(a, "%s/distance", folder)));
		put_lines(out, a, sys, arena_format(a, "%s/meminfo", folder), is_total);
	}
}

void host_report_head(FILE *out, struct arena *a, const char *proc, const char *sys)
{
	struct utsname u = {.release = "not known"};

	uname(&u);
	fprintf(out,
		"# A report of a machine, by nestor %s. `nestor check --host --msrs FILE` with this\n"
		"# file says what Nestor makes of it. No names, serial numbers or addresses of\n"
		"# networks are in here; what begins with # is for people.\n",
		NESTOR_VERSION);
	put_brand(out);
	put_microcode(out, a, proc);
	fprintf(out, "# kernel: %s %s\n", u.sysname, u.release);
	fprintf(out, "# processors: %s, nodes: %s\n",
		line_of(a, sys, "devices/system/cpu/online"),
		line_of(a, sys, "devices/system/node/online"));
	put_nodes(out, a, sys);
}

/* ---- the processor ---- */

void host_report_caps(FILE *out, const struct vmx_caps *caps)
{
	fprintf(out, "maxphyaddr %u\n", caps->maxphyaddr);
	for (unsigned i = 0; i < CAPS_MSR_COUNT; i++)
		if (caps->msr[i])
			fprintf(out, "0x%x 0x%016" PRIx64 "\n", MSR_VMX_BASIC + i,
				caps->msr[i]);
}

/* Of leaves whose subleaves are of several kinds: how many are asked for. */
static unsigned subleaves(unsigned leaf)
{
	switch (leaf) {
	case 4:
	case 7:
	case 0xb:
	case 0xd:
	case 0xf:
	case 0x10:
	case 0x12:
	case 0x14:
	case 0x18:
	case 0x1f:
		return leaf == 0xd ? LEAVES_MAX : 8;
	default:
		return 1;
	}
}

static void put_leaves(FILE *out, unsigned base)
{
	unsigned r[4], most = (unsigned)__get_cpuid_max(base, NULL);

	for (unsigned leaf = base; leaf <= most && leaf - base < LEAVES_MAX; leaf++)
		for (unsigned sub = 0; sub < subleaves(leaf); sub++) {
			__cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
			if (r[0] | r[1] | r[2] | r[3])
				fprintf(out, "#   %08x.%u: %08x %08x %08x %08x\n", leaf, sub,
					r[0], r[1], r[2], r[3]);
		}
}

void host_report_cpuid(FILE *out)
{
	fprintf(out, "# CPUID, as eax ebx ecx edx:\n");
	put_leaves(out, 0);
	put_leaves(out, CPUID_EXT_BASE);
}

/* ---- the machine ---- */

/* What of its tables Nestor reads. */
static const char *const tables[] = {"APIC", "MCFG", "DMAR", "SRAT", "SLIT", "SPCR"};

static void put_table(FILE *out, struct arena *a, const char *sys, const char *name)
{
	size_t size;
	const char *bytes =
		content_of(a, sys, arena_format(a, "firmware/acpi/tables/%s", name), &size);

	if (!bytes) {
		fprintf(out, "#   %s: none, or not to be read\n", name);
		return;
	}
	fprintf(out, "#   %s: %zu bytes\n", name, size);
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%s%02x%s", i % 32 == 0 ? "#    " : "", (uint8_t)bytes[i],
			i % 32 == 31 || i + 1 == size ? "\n" : "");
}

/* Of the first level: RAM and what is none. Others but root see zeros. */
static bool is_range(char *line)
{
	return line[0] != ' ' && strncmp(line, "00000000-00000000", 17) != 0;
}

/* A UART that is there; not how much went through it. */
static bool is_uart(char *line)
{
	char *figures = strstr(line, " tx:");

	if (!strstr(line, "uart:") || strstr(line, "uart:unknown"))
		return false;
	if (figures)
		*figures = '\0';
	return true;
}

static const char *secure_boot(struct arena *a, const char *sys)
{
	size_t size;
	const char *v = content_of(a, sys,
		"firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &size);

	if (!v || size < 5) /* attributes, and a byte */
		return "not known";
	return v[4] ? "on: nestor.elf is not signed" : "off";
}

void host_report_machine(FILE *out, struct arena *a, const char *proc, const char *sys)
{
	struct stat st;

	if (stat(arena_format(a, "%s/firmware/efi", sys), &st) == 0)
		fprintf(out, "# firmware: UEFI, secure boot %s\n", secure_boot(a, sys));
	else
		fprintf(out, "# firmware: BIOS\n");
	fprintf(out, "# memory map:\n");
	put_lines(out, a, proc, "iomem", is_range);
	fprintf(out, "# serial ports:\n");
	put_lines(out, a, proc, "tty/driver/serial", is_uart);
	fprintf(out, "# ACPI tables:\n");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		put_table(out, a, sys, tables[i]);
}

void host_report_devices(FILE *out, const struct host_devices *d)
{
	if (d->why)
		fprintf(out, "# devices: %s\n", d->why);
	else
		fprintf(out, "# devices behind %u IOMMU unit%s, %s:\n", d->unit_count,
			d->unit_count == 1 ? "" : "s",
			d->is_cut ? "without what only root can read" : "with their groups");
	for (unsigned i = 0; !d->why && i < d->count; i++) {
		const struct host_device *f = &d->all[i];

		fprintf(out, "#   %s %04x:%04x class %06x%s%s%s%s\n", f->name, f->vendor,
			f->device, f->class, f->group ? " group " : "",
			f->group ? f->group : "", f->why ? ": " : "", f->why ? f->why : "");
	}
}
