/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel that was started without firmware finds in real mode: an interrupt table whose
 * calls answer (bios.S), the BIOS data area, the restart at FFFF:0.
 */
#include "load/load_int.h"

#include "lib/bits.h"
#include "spec/bios.h"
#include "spec/uart.h"

#define VECTORS      256u
#define BIOS_SEGMENT (LOAD_BIOS >> 4)
#define RESET_VECTOR 0xffff0u
#define RESUME       (BIOS_RESUME_VECTOR << 12)
#define MODEL        0xffffeu
#define MODEL_AT     0xfcu

#define KEYS_START 0x1eu
#define KEYS_END   0x3eu
#define EQUIPMENT  0x0202u /* one serial port, an FPU; a display: vga.c */

#define SIZE_16M           (16u << 20)
#define EXTENDED_KIB_LIMIT 0xfc00u /* callers of the old function count up to 64 MiB */

/* bios.S: the code, with places in it that bios_put fills. */
extern const uint8_t bios_code[], bios_map[], bios_sizes[], bios_restart[], bios_end[];

/* Handlers, as offsets in the code; a later row counts. The last has first > last. */
struct bios_vectors {
	uint16_t first, last, handler;
};

extern const struct bios_vectors bios_vectors[];

/* At bios_map: a row of what INT 15H, AX = E820H tells. */
struct map_row {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

/* At bios_sizes. */
struct sizes {
	uint16_t map_count;
	uint16_t extended_kib; /* AH = 88H: behind 1 MiB */
	uint16_t low_kib;      /* AX = E801H: from 1 to 16 MiB, */
	uint16_t high_blocks;  /* of 64 KiB behind these */
};

_Static_assert(LOAD_MAX_RANGES == 30, "bios.S has room for so many rows");

/* Offset of a place in the code. */
static uint16_t offset_of(const uint8_t *place)
{
	return (uint16_t)((uintptr_t)place - (uintptr_t)bios_code);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where the RAM that begins at or below 1 MiB ends; 1 MiB where there is none. */
static uint64_t memory_end(const struct load_target *t)
{
	for (unsigned i = 0; i < t->map_count; i++) {
		const struct load_range *r = &t->map[i];

		if (r->type == LOAD_RANGE_RAM && r->start <= LOAD_LOW_END &&
			r->size > LOAD_LOW_END - r->start)
			return least(r->start + r->size, BIT64(32));
	}
	return LOAD_LOW_END;
}

static void put_memory(const struct load_target *t)
{
	uint64_t end = memory_end(t), kib = (end - LOAD_LOW_END) >> 10;
	struct sizes s = {
		.map_count = (uint16_t)t->map_count,
		.extended_kib = (uint16_t)least(kib, EXTENDED_KIB_LIMIT),
		.low_kib = (uint16_t)least(kib, (SIZE_16M - LOAD_LOW_END) >> 10),
		.high_blocks = (uint16_t)(end > SIZE_16M ? (end - SIZE_16M) >> 16 : 0),
	};

	for (unsigned i = 0; i < t->map_count; i++) {
		const struct load_range *r = &t->map[i];
		struct map_row row = {r->start, r->size, r->type};

		(void)ram_write(t, LOAD_BIOS + offset_of(bios_map) + sizeof(row) * i, &row,
			sizeof(row));
	}
	(void)ram_write(t, LOAD_BIOS + offset_of(bios_sizes), &s, sizeof(s));
}

static void put16(const struct load_target *t, uint64_t gpa, uint16_t v)
{
	(void)ram_write(t, gpa, &v, sizeof(v));
}

static void put_vectors(const struct load_target *t)
{
	for (const struct bios_vectors *v = bios_vectors; v->first <= v->last; v++)
		for (unsigned i = v->first; i <= v->last && i < VECTORS; i++)
			ram_put32(t, 4 * i, BIOS_SEGMENT << 16 | v->handler);
}

/* After a reset a processor is here, or somebody jumps here. */
static void put_restart(const struct load_target *t, uint64_t at)
{
	const uint8_t far_jump = 0xea;

	(void)ram_write(t, at, &far_jump, sizeof(far_jump));
	ram_put32(t, at + 1, BIOS_SEGMENT << 16 | offset_of(bios_restart));
}

void bios_put(const struct load_target *t)
{
	const uint8_t model = MODEL_AT, ebda_kib = 1;

	(void)ram_write(t, LOAD_BIOS, bios_code, offset_of(bios_end));
	put_memory(t);
	put_vectors(t);
	put_restart(t, RESET_VECTOR);
	put_restart(t, RESUME);
	(void)ram_write(t, MODEL, &model, sizeof(model));
	put16(t, bda_at(BDA_COM1), COM1);
	put16(t, bda_at(BDA_EBDA), LOAD_EBDA >> 4);
	put16(t, bda_at(BDA_EQUIPMENT), EQUIPMENT);
	put16(t, bda_at(BDA_MEMORY), LOAD_LOW_KIB);
	put16(t, bda_at(BDA_KEY_HEAD), KEYS_START);
	put16(t, bda_at(BDA_KEY_TAIL), KEYS_START);
	put16(t, bda_at(BDA_KEYS_START), KEYS_START);
	put16(t, bda_at(BDA_KEYS_END), KEYS_END);
	(void)ram_write(t, LOAD_EBDA, &ebda_kib, sizeof(ebda_kib));
}
