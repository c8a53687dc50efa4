/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd_acpi.h"

#include <stdbool.h>
#include <stddef.h>

#include "rt.h"

#define RSDP_V1     20u /* bytes of the checksum that every version has */
#define RSDP_XSDT   24u
#define RSDP_RSDT   16u
#define EBDA        0x40eu /* a segment */
#define BIOS        0xe0000u
#define BIOS_END    0x100000u
#define HEADER      36u
#define MB_MAGIC    0x2badb002u
#define MB_MAP      (1u << 6)
#define MAP_RECLAIM 3u
#define MAP_NVS     4u

extern uint32_t mb_magic, mb_info;

static uint64_t get(const uint8_t *at, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* The compiler takes a pointer to the first page for a mistake. */
static const uint8_t *low_memory(uintptr_t address)
{
	__asm__("" : "+r"(address));
	return (const uint8_t *)address;
}

static const uint8_t *search(uintptr_t from, uintptr_t end)
{
	for (uintptr_t a = (from + 15) & ~(uintptr_t)15; a + HEADER <= end; a += 16) {
		const uint8_t *p = (const uint8_t *)a;
		uint8_t sum = 0;

		if (memcmp(p, "RSD PTR ", 8) != 0)
			continue;
		for (unsigned i = 0; i < RSDP_V1; i++)
			sum = (uint8_t)(sum + p[i]);
		if (sum == 0)
			return p;
	}
	return NULL;
}

/*
 * UEFI tells where it is by a table that Multiboot 1 does not hand on: then it is looked for in
 * what the memory map says is ACPI's.
 */
static const uint8_t *search_map(void)
{
	const uint8_t *info = (const uint8_t *)(uintptr_t)mb_info, *entry;
	uint64_t left;

	if (mb_magic != MB_MAGIC || !(get(info, 4) & MB_MAP))
		return NULL;
	left = get(info + 44, 4);
	entry = (const uint8_t *)(uintptr_t)get(info + 48, 4);
	while (left >= 24) {
		uint64_t size = get(entry, 4) + 4, base = get(entry + 4, 8);
		uint64_t type = get(entry + 20, 4);
		const uint8_t *found = NULL;

		if ((type == MAP_RECLAIM || type == MAP_NVS) && base >> 32 == 0)
			found = search((uintptr_t)base, (uintptr_t)(base + get(entry + 12, 8)));
		if (found != NULL || size > left)
			return found;
		left -= size;
		entry += size;
	}
	return NULL;
}

static const uint8_t *rsdp(void)
{
	uintptr_t ebda = (uintptr_t)get(low_memory(EBDA), 2) << 4;
	const uint8_t *p = ebda != 0 ? search(ebda, ebda + 1024) : NULL;

	if (p == NULL)
		p = search(BIOS, BIOS_END);
	return p != NULL ? p : search_map();
}

const uint8_t *acpi_table(const char *signature)
{
	const uint8_t *p = rsdp(), *root;
	unsigned width = 4;

	if (p == NULL)
		return NULL;
	root = (const uint8_t *)(uintptr_t)get(p + RSDP_RSDT, 4);
	if (p[15] >= 2 && get(p + RSDP_XSDT, 8) != 0) {
		root = (const uint8_t *)(uintptr_t)get(p + RSDP_XSDT, 8);
		width = 8;
	}
	for (const uint8_t *e = root + HEADER; e + width <= root + acpi_size(root);
		e += width) {
		const uint8_t *table = (const uint8_t *)(uintptr_t)get(e, width);

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}
