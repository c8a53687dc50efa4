/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM's display shows, on its way to the host tool: in pieces, whatever the guest does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/config.h"
#include "cpu/mux.h"
#include "lib/picture.h"
#include "random.h"
#include "vm/create.h"
#include "vm/screen.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define RAM     (4u << 20)
#define ID      3u
#define CHANNEL (L0_CHANNEL_SCREEN + ID)
#define TURN    (2048u + 64u) /* pixels */

static struct vm_box box;
static struct vm *const vm = &box.vm;
static uint32_t ram[RAM / 4], pixels[PICTURE_PIXELS];
static struct l0_config config;
static struct picture_decoder decoder;
static enum picture_result result;
static uint32_t width, height;
static char record[300];
static unsigned records, written, room, read_pixels, locked, refusals;
static uint64_t seed = 1;
static bool scramble;

/* ---- what it calls ---- */

const struct l0_config *l0_config(void)
{
	return &config;
}

void *pool_get_run(struct page_pool *p, unsigned pages)
{
	static uint8_t memory[16 * 4096];

	assert_ptr_equal(p, &vm->pool);
	memset(memory, 0, sizeof(memory));
	return pages <= 16 ? memory : NULL;
}

uint64_t dev_now(struct platform *p)
{
	(void)p;
	fail_msg("nobody asks for the time");
	return 0;
}

void dev_lock(struct platform *p)
{
	assert_ptr_equal(p, &box.platform);
	assert_int_equal(locked++, 0);
}

void dev_unlock(struct platform *p)
{
	(void)p;
	assert_int_equal(locked--, 1);
}

/* Within a page, as a page may be the last one. */
const void *vm_readable_va(const struct vm *v, uint64_t gpa, uint64_t size)
{
	assert_ptr_equal(v, vm);
	assert_in_range(size, 1, 4096 - gpa % 4096);
	read_pixels += (unsigned)size / 4;
	if (gpa >= RAM || size > RAM - gpa)
		return NULL;
	for (uint64_t i = 0; scramble && i < size / 4; i++)
		ram[gpa / 4 + i] = (uint32_t)random_next(&seed);
	return (const uint8_t *)ram + gpa;
}

uint32_t mux_room(unsigned channel)
{
	assert_int_equal(channel, CHANNEL);
	return room;
}

void mux_write(unsigned channel, const char *s, size_t len)
{
	assert_int_equal(channel, CHANNEL);
	assert_in_range(2 * len, 1, room);
	written += (unsigned)len;
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(result, PICTURE_MORE);
		result = picture_decode(&decoder, (uint8_t)s[i]);
	}
}

void mux_record(const char *format, ...)
{
	va_list args;
	unsigned channel;

	va_start(args, format);
	vsnprintf(record, sizeof(record), format, args);
	va_end(args);
	assert_int_equal(sscanf(record, "screen vm=v channel=%u width=%u height=%u", &channel,
				 &width, &height),
		3);
	assert_int_equal(channel, CHANNEL);
	records++;
	result = PICTURE_MORE;
	if (width != 0)
		assert_true(picture_decode_start(&decoder, width, height, pixels));
}

void vm_log(const struct vm *v, enum log_level level, const char *format, ...)
{
	assert_ptr_equal(v, vm);
	(void)format;
	refusals += level == LOG_WARN;
}

/* ---- tests ---- */

static void show(uint64_t address, uint32_t w, uint32_t h, uint32_t stride)
{
	box.platform.ramfb.s = (struct vramfb_state){address, w, h, stride, 0};
}

static int start(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	strcpy(vm->config.name, "v");
	vm->config.display = DISPLAY_RAMFB;
	vm->id = ID;
	vm->platform = &box.platform;
	config = (struct l0_config){.mux = true, .screens = true};
	for (size_t i = 0; i < RAM / 4; i++)
		ram[i] = (uint32_t)random_next(&seed) & (i % 3 ? 0xffffff : 0xff);
	records = written = refusals = 0;
	room = 1024;
	scramble = false;
	assert_true(screen_create(vm));
	return 0;
}

/* Each turn is bounded, and the last one says so; how many there were. */
static unsigned all_turns(void)
{
	unsigned n = 0;
	enum vpci_work left;

	do {
		read_pixels = 0;
		left = screen_work(vm);
		assert_int_not_equal(left, VPCI_WORK_WAITS);
		assert_in_range(read_pixels, 0, TURN);
		n++;
	} while (left == VPCI_WORK_MORE);
	return n;
}

static void is_memory(uint64_t address, uint32_t stride)
{
	assert_int_equal(result, PICTURE_COMPLETE);
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++) {
			uint64_t at = address + (uint64_t)y * stride + x * 4;
			uint32_t want = at < RAM ? ram[at / 4] & 0xffffff : 0;

			if (pixels[y * width + x] != want)
				fail_msg("another pixel at %u, %u", x, y);
		}
}

static void a_picture_is_sent_as_it_is_in_memory(void **state)
{
	static const struct vramfb_state some[] = {{0x1000, 640, 480, 2560, 0},
		{0x1ffc, 333, 77, 4100, 0}, {0, 4096, 64, 16384, 0}, {0xff4, 16, 4096, 64, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		box.platform.ramfb.s = some[i];
		assert_true(screen_ask(vm));
		all_turns();
		assert_int_equal(width, some[i].width);
		is_memory(some[i].address, some[i].stride);
	}
	assert_int_equal(records, 4);
}

static void what_is_not_in_ram_is_black(void **state)
{
	(void)state;
	show(RAM - 20 * 2560 - 256, 640, 480, 2560);
	screen_ask(vm);
	all_turns();
	is_memory(RAM - 20 * 2560 - 256, 2560);
	show((1ull << 52) - (64 << 20), 2048, 2048, 8192);
	screen_ask(vm);
	assert_in_range(all_turns(), 2048 * 2048 / TURN, UINT32_MAX);
	assert_int_equal(result, PICTURE_COMPLETE);
	assert_int_equal(pixels[0] | pixels[2048 * 2048 - 1], 0);
}

static void it_waits_for_room_in_the_stream(void **state)
{
	unsigned before;

	(void)state;
	show(0, 640, 480, 2560);
	screen_ask(vm);
	assert_int_equal(screen_work(vm), VPCI_WORK_MORE);
	before = written;
	room = 400;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(screen_work(vm), VPCI_WORK_WAITS);
	assert_int_equal(written, before);
	room = 1024;
	all_turns();
	is_memory(0, 2560);
}

static void who_asks_again_meanwhile_gets_one_more(void **state)
{
	(void)state;
	show(0, 640, 480, 2560);
	screen_ask(vm);
	screen_work(vm);
	for (unsigned i = 0; i < 5; i++)
		screen_ask(vm);
	all_turns();
	assert_int_equal(records, 2);
	is_memory(0, 2560);
	assert_int_equal(screen_work(vm), VPCI_WORK_DONE);
	assert_int_equal(records, 2);
}

static void a_guest_that_changes_its_picture_meanwhile_confuses_nobody(void **state)
{
	(void)state;
	show(0, 640, 480, 2560);
	scramble = true;
	screen_ask(vm);
	assert_int_equal(screen_work(vm), VPCI_WORK_MORE);
	show(RAM, 4096, 1024, 65536);
	all_turns();
	assert_int_equal(result, PICTURE_COMPLETE);
	assert_int_equal(width, 640);
	show(0, 0, 0, 0);
	screen_ask(vm);
	assert_int_equal(screen_work(vm), VPCI_WORK_DONE);
	assert_int_equal(width, 0); /* the tool is told that there is none */
}

static void at_the_end_a_picture_begins_anew(void **state)
{
	(void)state;
	show(0, 640, 480, 2560);
	screen_ask(vm);
	screen_work(vm);
	assert_true(screen_ask_last(vm));
	screen_work(vm);
	assert_int_equal(records, 2); /* at once */
	all_turns();
	assert_int_equal(records, 2);
	is_memory(0, 2560);
	config.screens = false;
	assert_false(screen_ask_last(vm));
}

/* ---- text ---- */

#define CELL(i) (((const uint16_t *)ram)[VGA_TEXT / 2 + (i) % VVGA_CELLS])

static int start_text(void **state)
{
	start(state);
	vm->config.display = DISPLAY_TEXT;
	box.platform.config.vga = true;
	vvga_reset(&box.platform);
	return 0;
}

static void set_crtc(uint8_t index, uint8_t value)
{
	box.platform.vga.s.crtc[index] = value;
}

static void shows_cells(uint32_t first, uint32_t pitch, uint32_t cursor)
{
	screen_ask(vm);
	all_turns();
	assert_int_equal(result, PICTURE_COMPLETE);
	for (uint32_t i = 0; i < width * height; i++) {
		uint32_t at = first + i / width * pitch + i % width;
		uint32_t want = CELL(at) | (at % VVGA_CELLS == cursor ? PICTURE_CURSOR : 0);

		if (pixels[i] != want)
			fail_msg("another cell at %u, %u", i % width, i / width);
	}
}

static void text_is_sent_as_it_is_in_memory(void **state)
{
	(void)state;
	set_crtc(CRTC_CURSOR_HIGH, 0x03);
	shows_cells(0, 80, 0x300);
	assert_int_equal(width, 80);
	assert_int_equal(height, 25);
	assert_non_null(strstr(record, " lines=16 first=13 last=14 blinks=1 "
				       "colours=0000000000aa00aa0000aaaaaa0000aa00aaaa5500"
				       "aaaaaa5555555555ff55ff5555ffffff5555ff55ffffff55"
				       "ffffff"));
	set_crtc(CRTC_CURSOR_START, 0x20);
	shows_cells(0, 80, VVGA_NONE);
}

/* From wherever the screen begins, over the end of the text memory, and in odd sizes. */
static void text_never_comes_from_elsewhere(void **state)
{
	(void)state;
	set_crtc(CRTC_START_HIGH, 0x3f);
	set_crtc(CRTC_START_LOW, 0x81);
	shows_cells(0x3f81, 80, 0);
	set_crtc(CRTC_ROW, 0xff);
	set_crtc(CRTC_START_HIGH, 0xff);
	shows_cells(0xff81, 510, 0);
	set_crtc(CRTC_ROW, 0);
	set_crtc(CRTC_LAST_COLUMN, 0xff);
	set_crtc(CRTC_CHARACTER, 6);
	shows_cells(0xff81, 0, VVGA_NONE); /* no cursor: it would begin below */
	assert_int_equal(width, 256);
	assert_int_equal(height, 57);
}

static void a_screen_that_is_off_is_empty(void **state)
{
	(void)state;
	box.platform.vga.s.sequencer[SEQ_CLOCKING] = CLOCKING_SCREEN_OFF;
	screen_ask(vm);
	all_turns();
	assert_int_equal(result, PICTURE_COMPLETE);
	assert_int_equal(width * height, 2000);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(pixels[i], 0);
}

static void who_draws_graphics_shows_nothing(void **state)
{
	(void)state;
	box.platform.vga.s.graphics[GFX_MISC] |= GFX_MISC_GRAPHICS;
	screen_ask(vm);
	assert_int_equal(screen_work(vm), VPCI_WORK_DONE);
	assert_int_equal(width | height, 0);
	assert_int_equal(written, 0);
}

static void registers_that_change_meanwhile_change_no_screen_that_is_sent(void **state)
{
	(void)state;
	set_crtc(CRTC_LAST_COLUMN, 0xff);
	screen_ask(vm);
	assert_int_equal(screen_work(vm), VPCI_WORK_MORE);
	set_crtc(CRTC_LAST_COLUMN, 0x10);
	set_crtc(CRTC_LAST_LINE, 0x10);
	set_crtc(CRTC_START_HIGH, 0x20);
	all_turns();
	assert_int_equal(result, PICTURE_COMPLETE);
	for (uint32_t i = 0; i < 256 * 25; i++)
		if ((pixels[i] & 0xffff) != CELL(i / 256 * 80 + i % 256))
			fail_msg("another cell at %u", i);
}

static void nobody_asks_a_vm_without_a_display(void **state)
{
	(void)state;
	config.mux = false;
	assert_false(screen_ask(vm));
	config.mux = true;
	vm->screen = NULL;
	vm->config.display = DISPLAY_NONE;
	assert_true(screen_create(vm));
	assert_null(vm->screen);
	assert_false(screen_ask(vm));
	assert_false(screen_ask_last(vm));
	assert_int_equal(screen_work(vm), VPCI_WORK_DONE);
	assert_int_equal(records, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_picture_is_sent_as_it_is_in_memory, start),
		cmocka_unit_test_setup(what_is_not_in_ram_is_black, start),
		cmocka_unit_test_setup(it_waits_for_room_in_the_stream, start),
		cmocka_unit_test_setup(who_asks_again_meanwhile_gets_one_more, start),
		cmocka_unit_test_setup(
			a_guest_that_changes_its_picture_meanwhile_confuses_nobody, start),
		cmocka_unit_test_setup(at_the_end_a_picture_begins_anew, start),
		cmocka_unit_test_setup(text_is_sent_as_it_is_in_memory, start_text),
		cmocka_unit_test_setup(text_never_comes_from_elsewhere, start_text),
		cmocka_unit_test_setup(a_screen_that_is_off_is_empty, start_text),
		cmocka_unit_test_setup(who_draws_graphics_shows_nothing, start_text),
		cmocka_unit_test_setup(
			registers_that_change_meanwhile_change_no_screen_that_is_sent,
			start_text),
		cmocka_unit_test_setup(nobody_asks_a_vm_without_a_display, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
