/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest goes on drawing while its picture is read: each pixel is read once, and where the
 * picture is does not change while it is sent. Pages that are no RAM are black. Text goes out
 * as it is, a pixel a character: what a character looks like is the tool's.
 */
#include "vm/screen.h"

#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "dev/platform.h"
#include "lib/fmt.h"
#include "lib/picture.h"
#include "vm/create.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define CHUNK        64u /* pixels that are read at once */
#define CELLS_A_PAGE (uint32_t)(PAGE_SIZE / 2)
#define PIECE        2048u /* pixels of a turn */

/* Of a chunk in the stream, where some bytes count twice. */
#define CHUNK_ROOM (2 * PICTURE_ENCODED(CHUNK))

struct screen {
	bool asked;   /* for one more */
	bool sending; /* what follows holds */
	uint32_t x, y;
	uint32_t width, height; /* pixels or characters */
	struct vramfb_state from;
	struct vvga_view text; /* of a VM with DISPLAY_TEXT, instead */
	struct picture_encoder encoder;
};

bool screen_create(struct vm *vm)
{
	if (vm->config.display == DISPLAY_NONE)
		return true;
	vm->screen = pool_get_run(
		&vm->pool, (unsigned)((sizeof(struct screen) + PAGE_MASK) / PAGE_SIZE));
	return vm->screen != NULL;
}

bool screen_ask(struct vm *vm)
{
	if (vm->screen == NULL || !l0_config()->mux)
		return false;
	dev_lock(vm->platform);
	vm->screen->asked = true;
	dev_unlock(vm->platform);
	return true;
}

bool screen_ask_last(struct vm *vm)
{
	if (!l0_config()->screens || !screen_ask(vm))
		return false;
	vm->screen->sending = false;
	return true;
}

static void begin_picture(struct vm *vm)
{
	struct screen *s = vm->screen;

	vramfb_get_state(&vm->platform->ramfb, &s->from);
	s->width = s->from.width;
	s->height = s->from.height;
	mux_record("screen vm=%s channel=%u width=%u height=%u", vm->config.name,
		MUX_SCREEN + vm->id, s->width, s->height);
}

static void begin_text(struct vm *vm)
{
	struct screen *s = vm->screen;
	const struct vvga_view *t = &s->text;
	char colours[VGA_COLOURS * 6 + 1];

	vvga_look(&vm->platform->vga.s, &s->text);
	s->width = t->columns;
	s->height = t->rows;
	for (unsigned i = 0; i < VGA_COLOURS; i++)
		fmt(colours + 6 * i, 7, "%06x", t->colour[i]);
	mux_record("screen vm=%s channel=%u width=%u height=%u lines=%u first=%u last=%u "
		   "blinks=%u colours=%s",
		vm->config.name, MUX_SCREEN + vm->id, s->width, s->height, t->lines, t->first,
		t->last, t->blinks, colours);
}

/* Without a picture the tool is told so. */
static void begin(struct vm *vm)
{
	struct screen *s = vm->screen;

	s->asked = false;
	if (vm->config.display == DISPLAY_TEXT)
		begin_text(vm);
	else
		begin_picture(vm);
	s->sending = s->width != 0;
	s->x = 0;
	s->y = 0;
	if (s->sending)
		picture_encode_start(&s->encoder, s->width, s->height);
}

/* The next pixels, of one row and one page; how many. */
static uint32_t read_chunk(const struct vm *vm, uint32_t pixels[CHUNK])
{
	const struct screen *s = vm->screen;
	uint64_t gpa = s->from.address + (uint64_t)s->y * s->from.stride + s->x * RAMFB_PIXEL;
	uint32_t page = (uint32_t)(PAGE_SIZE - (gpa & PAGE_MASK)) / RAMFB_PIXEL;
	uint32_t n = s->from.width - s->x;
	const void *there;

	n = n < page ? n : page;
	n = n < CHUNK ? n : CHUNK;
	there = vm_readable_va(vm, gpa, n * RAMFB_PIXEL);
	if (there != NULL)
		memcpy(pixels, there, n * RAMFB_PIXEL);
	else
		memset(pixels, 0, n * RAMFB_PIXEL);
	return n;
}

/* Characters of one row, up to the end of a page or of the text memory. */
static uint32_t read_text(const struct vm *vm, uint32_t cells[CHUNK])
{
	const struct screen *s = vm->screen;
	uint32_t first = vvga_cell(&s->text, s->x, s->y);
	uint32_t n = CELLS_A_PAGE - first % CELLS_A_PAGE;
	const uint16_t *there;

	n = n < s->width - s->x ? n : s->width - s->x;
	n = n < CHUNK ? n : CHUNK;
	there = vm_readable_va(vm, VGA_TEXT + first * sizeof(*there), n * sizeof(*there));
	for (uint32_t i = 0; i < n; i++) {
		cells[i] = there == NULL || s->text.blank ? 0 : there[i];
		if (first + i == s->text.cursor && !s->text.blank)
			cells[i] |= PICTURE_CURSOR;
	}
	return n;
}

static uint32_t send_chunk(struct vm *vm)
{
	struct screen *s = vm->screen;
	uint8_t out[PICTURE_ENCODED(CHUNK)];
	uint32_t pixels[CHUNK];
	bool text = vm->config.display == DISPLAY_TEXT;
	uint32_t n = text ? read_text(vm, pixels) : read_chunk(vm, pixels);
	size_t size = picture_encode(&s->encoder, pixels, n, out);

	if (size != 0)
		mux_write(MUX_SCREEN + vm->id, (const char *)out, size);
	s->x += n;
	if (s->x == s->width) {
		s->x = 0;
		s->y++;
	}
	s->sending = s->y < s->height;
	return n;
}

static enum vpci_work work(struct vm *vm)
{
	struct screen *s = vm->screen;
	unsigned channel = MUX_SCREEN + vm->id;

	if (!s->sending && s->asked)
		begin(vm);
	for (uint32_t done = 0; s->sending && done < PIECE;) {
		if (mux_room(channel) < CHUNK_ROOM)
			return VPCI_WORK_WAITS;
		done += send_chunk(vm);
	}
	return s->sending || s->asked ? VPCI_WORK_MORE : VPCI_WORK_DONE;
}

enum vpci_work screen_work(struct vm *vm)
{
	enum vpci_work left;

	if (vm->screen == NULL)
		return VPCI_WORK_DONE;
	dev_lock(vm->platform);
	left = work(vm);
	dev_unlock(vm->platform);
	return left;
}

void dev_display(struct platform *p, const struct vramfb_state *s, const char *why)
{
	const struct vm *vm = vm_of_platform(p);

	if (why != NULL)
		vm_log(vm, LOG_WARN,
			"'%s': a picture of %ux%u pixels at 0x%lx, rows %u bytes apart, cannot "
			"be shown: %s",
			vm->config.name, s->width, s->height, s->address, s->stride, why);
	else
		vm_log(vm, LOG_INFO, "'%s' shows %ux%u pixels, at 0x%lx", vm->config.name,
			s->width, s->height, s->address);
}
