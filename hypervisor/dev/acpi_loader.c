/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/acpi_loader.h"

#include "dev/acpi_int.h"
#include "dev/chipset.h"

#define TABLES_ALIGN 64 /* FACS */
#define RSDP_ALIGN   16

/* As the script has them. */
static const char tables_name[FWCFG_FILE_NAME] = ACPI_LOADER_TABLES;
static const char rsdp_name[FWCFG_FILE_NAME] = ACPI_LOADER_RSDP;

struct script {
	struct acpi_loader *l;
	unsigned used;
	bool full;
};

static uint8_t *next(struct script *s, enum loader_command command)
{
	uint8_t *entry;

	if (s->used == ACPI_LOADER_ENTRIES) {
		s->full = true;
		return NULL;
	}
	entry = s->l->script[s->used++];
	entry[0] = (uint8_t)command;
	return entry;
}

static void put32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> i * 8);
}

static void put_name(uint8_t *to, const char *name)
{
	__builtin_memcpy(to, name, FWCFG_FILE_NAME);
}

/* Behind the command of 4 bytes: name, alignment, zone. */
static void allocate(struct script *s, const char *file, uint32_t align, enum loader_zone zone)
{
	uint8_t *e = next(s, LOADER_ALLOCATE);

	if (e == NULL)
		return;
	put_name(e + 4, file);
	put32(e + 4 + FWCFG_FILE_NAME, align);
	e[8 + FWCFG_FILE_NAME] = (uint8_t)zone;
}

/* File that has the pointer, file that it points into, offset, size. */
static void add_pointer(struct script *s, const char *file, const struct acpi_fixup *f)
{
	uint8_t *e = next(s, LOADER_ADD_POINTER);

	if (e == NULL)
		return;
	put_name(e + 4, file);
	put_name(e + 4 + FWCFG_FILE_NAME, tables_name);
	put32(e + 4 + 2 * FWCFG_FILE_NAME, f->at);
	e[8 + 2 * FWCFG_FILE_NAME] = f->size;
}

/* File, offset of the checksum, first byte and length of what it covers. */
static void add_checksum(struct script *s, const char *file, const struct acpi_fixup *f)
{
	uint8_t *e = next(s, LOADER_ADD_CHECKSUM);

	if (e == NULL)
		return;
	put_name(e + 4, file);
	put32(e + 4 + FWCFG_FILE_NAME, f->at);
	put32(e + 8 + FWCFG_FILE_NAME, f->start);
	put32(e + 12 + FWCFG_FILE_NAME, f->length);
}

/* All pointers first: checksums cover them. */
static void add_fixups(struct script *s, const char *file, const struct acpi_fixups *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->at[i].size != 0)
			add_pointer(s, file, &f->at[i]);
	for (unsigned i = 0; i < f->count; i++)
		if (f->at[i].size == 0)
			add_checksum(s, file, &f->at[i]);
	s->full = s->full || f->full;
}

bool acpi_loader_build(struct acpi_loader *l, const struct platform_config *c, uint64_t ecam)
{
	struct acpi_fixups of_tables = {.count = 0}, of_rsdp = {.count = 0};
	struct acpi_out o = {.buf = l->tables, .size = ACPI_LOADER_SIZE, .fixups = &of_tables};
	struct acpi_out rsdp = {.buf = l->rsdp, .size = ACPI_RSDP_SIZE, .fixups = &of_rsdp};
	struct script s = {.l = l};
	struct acpi_places at;

	if (ecam == CHIPSET_NO_ECAM)
		ecam = DEV_FIRMWARE_HOLE_START;
	__builtin_memset(l, 0, sizeof(*l));
	acpi_put_tables(&o, &at, c, ecam);
	acpi_put_rsdp(&rsdp, &at);
	allocate(&s, rsdp_name, RSDP_ALIGN, LOADER_ZONE_FSEG);
	allocate(&s, tables_name, TABLES_ALIGN, LOADER_ZONE_HIGH);
	add_fixups(&s, tables_name, &of_tables);
	add_fixups(&s, rsdp_name, &of_rsdp);
	if (!o.full && !rsdp.full && !s.full)
		return true;
	__builtin_memset(l, 0, sizeof(*l));
	return false;
}
