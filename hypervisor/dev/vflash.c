/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programming and erasing are done at once; then the status is what is read, until a command
 * asks for the array. A status that was cleared reads 0, as firmware expects that looks whether
 * it has flash, and not "ready".
 */
#include "dev/vflash.h"

#include "dev/platform.h"
#include "dev/state_check.h"
#include "spec/flash.h"

#define SEQUENCE_LAST 2 /* writes that a sequence counts: count and bytes of a buffer */

void vflash_reset(struct platform *p)
{
	p->flash = (struct vflash){
		.s = {.command = FLASH_READ_ARRAY},
		.base = p->config.flash_base,
		.size = p->config.flash_size,
		.data = p->config.flash,
	};
}

/* ---- reading ---- */

static uint8_t read_byte(const struct vflash *f, uint64_t offset)
{
	switch (f->s.command) {
	case FLASH_READ_ARRAY:
		return f->data[offset];
	case FLASH_READ_ID:
		return offset % 2 == 0 ? FLASH_MANUFACTURER : FLASH_DEVICE;
	default:
		return f->s.status;
	}
}

/* ---- sequences ---- */

static void end_sequence(struct vflash *f, uint8_t status)
{
	f->s.command = FLASH_READ_STATUS;
	f->s.writes = 0;
	f->s.left = 0;
	f->s.status |= status;
}

/* One range has all changes: what lies between them is sent in vain, seldom. */
static void note_change(struct vflash *f, uint64_t from, uint64_t end)
{
	if (f->changed_end == 0 || from < f->changed)
		f->changed = from;
	if (end > f->changed_end)
		f->changed_end = end;
}

/* Only erasing sets bits. */
static void program(struct vflash *f, uint64_t offset, uint8_t value)
{
	f->data[offset] &= value;
	note_change(f, offset, offset + 1);
}

static void confirm_erase(struct vflash *f, uint64_t offset, uint8_t value)
{
	uint64_t block = offset - offset % FLASH_BLOCK, rest = f->size - block;

	if (value != FLASH_CONFIRM) {
		end_sequence(f, FLASH_STATUS_READY | FLASH_STATUS_ERASE);
		return;
	}
	rest = rest < FLASH_BLOCK ? rest : FLASH_BLOCK;
	__builtin_memset(f->data + block, 0xff, rest);
	note_change(f, block, block + rest);
	end_sequence(f, FLASH_STATUS_READY);
}

static void write_buffer(struct vflash *f, uint64_t offset, uint8_t value)
{
	if (f->s.writes == 1) {
		f->s.left = value + 1u;
		f->s.writes = SEQUENCE_LAST;
	} else if (f->s.left != 0) {
		program(f, offset, value);
		f->s.left--;
	} else {
		end_sequence(f, value == FLASH_CONFIRM
					? FLASH_STATUS_READY
					: FLASH_STATUS_READY | FLASH_STATUS_ERASE);
	}
}

static void go_on(struct vflash *f, uint64_t offset, uint8_t value)
{
	switch (f->s.command) {
	case FLASH_ERASE:
		confirm_erase(f, offset, value);
		break;
	case FLASH_BUFFER:
		write_buffer(f, offset, value);
		break;
	default:
		program(f, offset, value);
		end_sequence(f, FLASH_STATUS_READY);
	}
}

static void begin(struct vflash *f, uint8_t value)
{
	switch (value) {
	case FLASH_PROGRAM:
	case FLASH_PROGRAM_2:
	case FLASH_ERASE:
	case FLASH_BUFFER:
		f->s.command = value;
		f->s.writes = 1;
		if (value == FLASH_BUFFER)
			f->s.status |= FLASH_STATUS_READY;
		break;
	case FLASH_CLEAR_STATUS:
		f->s.status = 0;
		f->s.command = FLASH_READ_ARRAY;
		break;
	case FLASH_READ_STATUS:
	case FLASH_READ_ID:
		f->s.command = value;
		break;
	default: /* FLASH_READ_ARRAY, and what is none */
		f->s.command = FLASH_READ_ARRAY;
		break;
	}
}

static void write_byte(struct vflash *f, uint64_t offset, uint8_t value)
{
	if (f->s.writes != 0)
		go_on(f, offset, value);
	else
		begin(f, value);
}

/* Of the blocks that an access meets: what it is of may be any byte there. */
static bool is_wrong(const struct vflash *f, uint64_t offset, unsigned size)
{
	uint64_t from = offset - offset % FLASH_BLOCK, end = offset + size;

	end = (end + FLASH_BLOCK - 1) / FLASH_BLOCK * FLASH_BLOCK;
	return dev_is_wrong(f->data + from, (end < f->size ? end : f->size) - from);
}

bool vflash_mmio(struct platform *p, uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	struct vflash *f = &p->flash;
	uint64_t offset = gpa - f->base, result = 0;

	if (offset >= f->size || size > f->size - offset)
		return false;
	if (is_wrong(f, offset, size)) {
		dev_lost(p);
		*value = write ? *value : 0;
		return true;
	}
	for (unsigned i = 0; i < size; i++) {
		if (write)
			write_byte(f, offset + i, (uint8_t)(*value >> i * 8));
		else
			result |= (uint64_t)read_byte(f, offset + i) << i * 8;
	}
	if (!write)
		*value = result;
	else if (f->s.command == FLASH_READ_ARRAY && f->changed_end != 0)
		dev_work(p);
	return true;
}

bool vflash_take_changed(struct vflash *f, uint64_t *from, uint64_t *end)
{
	if (f->changed_end == 0)
		return false;
	*from = f->changed;
	*end = f->changed_end;
	f->changed_end = 0;
	return true;
}

/* ---- state ---- */

void vflash_get_state(const struct vflash *f, struct vflash_state *s)
{
	*s = f->s;
}

static bool sequence_valid(const struct vflash_state *s)
{
	switch (s->command) {
	case FLASH_PROGRAM:
	case FLASH_PROGRAM_2:
	case FLASH_ERASE:
		return s->writes == 1 && s->left == 0;
	case FLASH_BUFFER:
		return s->writes == 1 ? s->left == 0
				      : s->writes == SEQUENCE_LAST && s->left <= 256;
	case FLASH_READ_ARRAY:
	case FLASH_READ_STATUS:
	case FLASH_READ_ID:
		return s->writes == 0 && s->left == 0;
	default:
		return false;
	}
}

bool vflash_valid_state(const struct vflash *f, const struct vflash_state *s)
{
	if (s->reserved != 0 || s->status & ~(FLASH_STATUS_READY | FLASH_STATUS_ERASE))
		return false;
	if (f->size == 0 && s->command != FLASH_READ_ARRAY)
		return false;
	return sequence_valid(s);
}

bool vflash_set_state(struct vflash *f, const struct vflash_state *s)
{
	if (!vflash_valid_state(f, s))
		return false;
	f->s = *s;
	if (f->size != 0) /* what was to be told of is forgotten */
		note_change(f, 0, f->size);
	return true;
}
