/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM's RAM as the loaders see it, and what all of them write to its low memory.
 */
#include "load/load_int.h"

#include "spec/addr.h"

#define PAGE_RW    3ull
#define PAGE_LARGE 0x80ull

#define CODE32 0x00cf9b000000ffff
#define CODE64 0x00af9b000000ffff

uint8_t *ram_at(const struct load_target *t, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < t->ram_count; i++) {
		const struct load_ram *r = &t->ram[i];
		uint64_t offset = gpa - r->start; /* huge when below the range */

		if (offset < r->size && size <= r->size - offset)
			return load_ready(t, gpa, size) ? r->host + offset : NULL;
	}
	return NULL;
}

bool ram_write(const struct load_target *t, uint64_t gpa, const void *data, uint64_t size)
{
	uint8_t *to = ram_at(t, gpa, size);

	if (to == NULL)
		return false;
	__builtin_memcpy(to, data, size);
	return true;
}

void ram_put32(const struct load_target *t, uint64_t gpa, uint32_t v)
{
	(void)ram_write(t, gpa, &v, sizeof(v));
}

void ram_put64(const struct load_target *t, uint64_t gpa, uint64_t v)
{
	(void)ram_write(t, gpa, &v, sizeof(v));
}

void ram_put_text(const struct load_target *t, uint64_t gpa, struct text text, size_t size)
{
	text_copy(text, (char *)ram_at(t, gpa, size), size);
}

void ram_put_gdt(const struct load_target *t, struct entry_state *e, uint16_t code_selector)
{
	bool long_mode = e->mode == ENTRY_MODE_LONG;
	const uint64_t gdt[] = {
		[GDT_CODE32 / 8] = CODE32,
		[GDT_CODE / 8] = long_mode ? CODE64 : CODE32,
		[GDT_DATA / 8] = 0x00cf93000000ffff,
	};

	(void)ram_write(t, LOAD_GDT, gdt, sizeof(gdt));
	e->gdt_base = LOAD_GDT;
	e->gdt_limit = sizeof(gdt) - 1;
	e->code_selector = code_selector;
	e->data_selector = GDT_DATA;
}

uint64_t ram_put_identity_map(const struct load_target *t)
{
	ram_put64(t, LOAD_TABLES, (LOAD_TABLES + PAGE_SIZE) | PAGE_RW);
	for (uint64_t i = 0; i < 4; i++)
		ram_put64(t, LOAD_TABLES + PAGE_SIZE + 8 * i,
			(LOAD_TABLES + (2 + i) * PAGE_SIZE) | PAGE_RW);
	for (uint64_t i = 0; i < 2048; i++)
		ram_put64(t, LOAD_TABLES + 2 * PAGE_SIZE + 8 * i,
			i * SIZE_2M | PAGE_RW | PAGE_LARGE);
	return LOAD_TABLES;
}
