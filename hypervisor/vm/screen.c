/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest goes on drawing while its picture is read: each pixel is read once, and where the
 * picture is does not change while it is sent. Pages that are no RAM are black.
 */
#include "vm/screen.h"

#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "dev/platform.h"
#include "lib/picture.h"
#include "vm/create.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define CHUNK 64u   /* pixels that are read at once */
#define PIECE 2048u /* pixels of a turn */

/* Of a chunk in the stream, where some bytes count twice. */
#define CHUNK_ROOM (2 * PICTURE_ENCODED(CHUNK))

struct screen {
	bool asked;   /* for one more */
	bool sending; /* what follows holds */
	uint32_t x, y;
	struct vramfb_state from;
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

/* Without a picture the tool is told so. */
static void begin(struct vm *vm)
{
	struct screen *s = vm->screen;

	s->asked = false;
	vramfb_get_state(&vm->platform->ramfb, &s->from);
	mux_record("screen vm=%s channel=%u width=%u height=%u", vm->config.name,
		MUX_SCREEN + vm->id, s->from.width, s->from.height);
	s->sending = s->from.width != 0;
	s->x = 0;
	s->y = 0;
	if (s->sending)
		picture_encode_start(&s->encoder, s->from.width, s->from.height);
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

static uint32_t send_chunk(struct vm *vm)
{
	struct screen *s = vm->screen;
	uint8_t out[PICTURE_ENCODED(CHUNK)];
	uint32_t pixels[CHUNK];
	uint32_t n = read_chunk(vm, pixels);
	size_t size = picture_encode(&s->encoder, pixels, n, out);

	if (size != 0)
		mux_write(MUX_SCREEN + vm->id, (const char *)out, size);
	s->x += n;
	if (s->x == s->from.width) {
		s->x = 0;
		s->y++;
	}
	s->sending = s->y < s->from.height;
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
