/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel that was started without firmware finds in real mode: an interrupt table whose
 * calls all return "not supported", with nothing else changed; interrupts of the PICs that are
 * acknowledged; the BIOS data area; the restart at FFFF:0.
 *
 * Code is data here: the instruction of each row is its comment, by which
 * tests/checks/bios.sh assembles it again.
 */
#include "load/load_int.h"

#include "spec/uart.h"

#define VECTORS      256u
#define BIOS_SEGMENT (LOAD_BIOS >> 4)
#define RESET_VECTOR 0xffff0u

#define BDA_COM1      0x400u
#define BDA_EBDA      0x40eu /* segment */
#define BDA_EQUIPMENT 0x410u
#define BDA_MEMORY    0x413u  /* KiB */
#define EQUIPMENT     0x0202u /* one serial port, an FPU; a display: vga.c */

/* One behind the other from LOAD_BIOS on: only jumps within a handler. */
enum handler {
	UNSUPPORTED,
	IGNORED,
	EQUIPMENT_LIST,
	MEMORY_SIZE,
	PIC1,
	PIC2,
	RESTART,
	NOTHING_TO_BOOT,
	HANDLERS
};

/* Carry, and AH, say that there is no such function; zero says "no key" to INT 16H. */
static const uint8_t unsupported[] = {
	0x55,                   /* push %bp */
	0x89, 0xe5,             /* mov %sp, %bp */
	0x80, 0x4e, 0x06, 0x41, /* orb $0x41, 6(%bp) */
	0x5d,                   /* pop %bp */
	0xb4, 0x86,             /* mov $0x86, %ah */
	0xcf,                   /* iretw */
};

static const uint8_t ignored[] = {
	0xcf, /* iretw */
};

static const uint8_t equipment_list[] = {
	0x1e,             /* push %ds */
	0x31, 0xc0,       /* xor %ax, %ax */
	0x8e, 0xd8,       /* mov %ax, %ds */
	0xa1, 0x10, 0x04, /* mov 0x410, %ax */
	0x1f,             /* pop %ds */
	0xcf,             /* iretw */
};

static const uint8_t memory_size[] = {
	0xb8, 0x7f, 0x02, /* mov $639, %ax */
	0xcf,             /* iretw */
};

static const uint8_t pic1[] = {
	0x50,       /* push %ax */
	0xb0, 0x20, /* mov $0x20, %al */
	0xe6, 0x20, /* out %al, $0x20 */
	0x58,       /* pop %ax */
	0xcf,       /* iretw */
};

static const uint8_t pic2[] = {
	0x50,       /* push %ax */
	0xb0, 0x20, /* mov $0x20, %al */
	0xe6, 0xa0, /* out %al, $0xa0 */
	0xe6, 0x20, /* out %al, $0x20 */
	0x58,       /* pop %ax */
	0xcf,       /* iretw */
};

static const uint8_t restart[] = {
	0xba, 0xf9, 0x0c, /* mov $0xcf9, %dx */
	0xb0, 0x06,       /* mov $6, %al */
	0xee,             /* out %al, %dx */
	0xf4,             /* hlt */
	0xeb, 0xfd,       /* jmp . - 1 */
};

/* With interrupts disabled, as INT leaves them: a VM that waits for nothing. */
static const uint8_t nothing_to_boot[] = {
	0xf4,       /* hlt */
	0xeb, 0xfd, /* jmp . - 1 */
};

static const struct {
	const uint8_t *code;
	uint16_t size;
} code[HANDLERS] = {
#define ROW(handler, bytes) [handler] = {bytes, sizeof(bytes)}
	ROW(UNSUPPORTED, unsupported),
	ROW(IGNORED, ignored),
	ROW(EQUIPMENT_LIST, equipment_list),
	ROW(MEMORY_SIZE, memory_size),
	ROW(PIC1, pic1),
	ROW(PIC2, pic2),
	ROW(RESTART, restart),
	ROW(NOTHING_TO_BOOT, nothing_to_boot),
#undef ROW
};

static const struct {
	uint8_t first, last;
	enum handler handler;
} vectors[] = {
	{0x00, 0x07, IGNORED}, /* exceptions, print screen */
	{0x08, 0x0f, PIC1},
	{0x11, 0x11, EQUIPMENT_LIST},
	{0x12, 0x12, MEMORY_SIZE},
	{0x18, 0x18, NOTHING_TO_BOOT},
	{0x19, 0x19, RESTART},
	{0x1b, 0x1c, IGNORED}, /* called, not asked: break key, timer tick */
	{0x4a, 0x4a, IGNORED}, /* alarm */
	{0x70, 0x77, PIC2},
};

static enum handler handler_of(unsigned vector)
{
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		if (vector >= vectors[i].first && vector <= vectors[i].last)
			return vectors[i].handler;
	return UNSUPPORTED;
}

static void put16(const struct load_target *t, uint64_t gpa, uint16_t v)
{
	(void)ram_write(t, gpa, &v, sizeof(v));
}

void bios_put(const struct load_target *t)
{
	uint16_t offset[HANDLERS], at = 0;
	const uint8_t far_jump = 0xea, ebda_kib = 1;

	for (unsigned i = 0; i < HANDLERS; i++) {
		offset[i] = at;
		(void)ram_write(t, LOAD_BIOS + at, code[i].code, code[i].size);
		at = (uint16_t)(at + code[i].size);
	}
	for (unsigned i = 0; i < VECTORS; i++)
		ram_put32(t, 4 * i, BIOS_SEGMENT << 16 | offset[handler_of(i)]);
	(void)ram_write(t, RESET_VECTOR, &far_jump, sizeof(far_jump));
	ram_put32(t, RESET_VECTOR + 1, BIOS_SEGMENT << 16 | offset[RESTART]);
	put16(t, BDA_COM1, COM1);
	put16(t, BDA_EBDA, LOAD_EBDA >> 4);
	put16(t, BDA_EQUIPMENT, EQUIPMENT);
	put16(t, BDA_MEMORY, LOAD_LOW_KIB);
	(void)ram_write(t, LOAD_EBDA, &ebda_kib, sizeof(ebda_kib));
}
