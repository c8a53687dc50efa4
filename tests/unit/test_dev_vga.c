/* SPDX-License-Identifier: Apache-2.0 */
/* The text mode of a VGA: registers, what is seen by them, and what a guest may make of it. */
#include "fake_dev.h"

#include "dev/state.h"
#include "dev/vvga.h"
#include "random.h"

static struct vvga_view view;

static int start(void **state)
{
	(void)state;
	fake_vga = true;
	fake_start(2);
	return 0;
}

static uint32_t in_of(uint16_t port, unsigned size)
{
	uint32_t v = 0x5a5a5a5a;

	platform_io(&machine, port, false, size, &v);
	return v;
}

static uint8_t in(uint16_t port)
{
	return (uint8_t)in_of(port, 1);
}

static void out_of(uint16_t port, unsigned size, uint32_t v)
{
	platform_io(&machine, port, true, size, &v);
}

static void out(uint16_t port, uint8_t value)
{
	out_of(port, 1, value);
}

/* A register behind an index. */
static void set(uint16_t index_port, uint8_t index, uint8_t value)
{
	out(index_port, index);
	out((uint16_t)(index_port + 1), value);
}

static uint8_t get(uint16_t index_port, uint8_t index)
{
	out(index_port, index);
	return in((uint16_t)(index_port + 1));
}

static void set_attribute(uint8_t index, uint8_t value)
{
	in(0x3da);
	out(0x3c0, index);
	out(0x3c0, value);
	out(0x3c0, 0x20);
}

static uint8_t get_attribute(uint8_t index)
{
	uint8_t value;

	in(0x3da);
	out(0x3c0, index);
	value = in(0x3c1);
	in(0x3da);
	out(0x3c0, 0x20);
	return value;
}

static void look(void)
{
	vvga_look(&machine.vga.s, &view);
}

/* ---- registers ---- */

static void it_starts_as_a_bios_leaves_it(void **state)
{
	static const uint32_t colours[16] = {0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000,
		0xaa00aa, 0xaa5500, 0xaaaaaa, 0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555,
		0xff55ff, 0xffff55, 0xffffff};

	(void)state;
	look();
	assert_int_equal(view.columns, 80);
	assert_int_equal(view.rows, 25);
	assert_int_equal(view.start, 0);
	assert_int_equal(view.pitch, 80);
	assert_int_equal(view.lines, 16);
	assert_int_equal(view.cursor, 0);
	assert_int_equal(view.first, 13);
	assert_int_equal(view.last, 14);
	assert_false(view.blank);
	assert_true(view.blinks);
	assert_memory_equal(view.colour, colours, sizeof(colours));
	assert_int_equal(in(0x3cc), 0x67);
}

static void without_a_display_nobody_is_at_its_ports(void **state)
{
	uint32_t v = 14;

	(void)state;
	fake_vga = false;
	fake_start(2);
	for (uint16_t port = 0x3b0; port < 0x3e0; port++) {
		assert_false(platform_io(&machine, port, true, 1, &v));
		assert_false(platform_io(&machine, port, false, 1, &v));
		assert_int_equal(v, 0xff);
	}
	assert_true(machine.vga.s.misc == 0 && machine.vga.s.crtc_index == 0);
}

static void registers_keep_the_bits_that_a_vga_has(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t index, bits;
	} some[] = {{0x3c4, 0, 0x03}, {0x3c4, 1, 0x3d}, {0x3c4, 4, 0x0e}, {0x3c4, 5, 0},
		{0x3ce, 3, 0x1f}, {0x3ce, 5, 0x7b}, {0x3ce, 6, 0x0f}, {0x3ce, 8, 0xff},
		{0x3ce, 9, 0}, {0x3d4, 8, 0x7f}, {0x3d4, 0x0a, 0x3f}, {0x3d4, 0x0b, 0x7f},
		{0x3d4, 0x0e, 0xff}, {0x3d4, 0x14, 0x7f}, {0x3d4, 0x17, 0xef},
		{0x3d4, 0x18, 0xff}, {0x3d4, 0x19, 0}, {0x3d4, 0xff, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		set(some[i].port, some[i].index, 0xff);
		assert_int_equal(get(some[i].port, some[i].index), some[i].bits);
		set(some[i].port, some[i].index, 0x2a);
		assert_int_equal(get(some[i].port, some[i].index), some[i].bits & 0x2a);
	}
	assert_int_equal(in(0x3d4), 0xff);
	out(0x3c2, 0xff);
	assert_int_equal(in(0x3cc), 0xef);
	out(0x3c6, 0x5a);
	assert_int_equal(in(0x3c6), 0x5a);
}

static void a_word_is_an_index_and_its_value(void **state)
{
	(void)state;
	out_of(0x3d4, 2, 0x120e);
	out_of(0x3d4, 2, 0x340f);
	assert_int_equal(get(0x3d4, 0x0e), 0x12);
	assert_int_equal(in_of(0x3d4, 2), 0x120e);
	look();
	assert_int_equal(view.cursor, 0x1234);
	assert_int_equal(in_of(0x3da, 4) >> 8, 0xffffff); /* behind the last one */
	assert_int_equal(in_of(0x3cf, 2) >> 8, 0xff);
}

static void registers_0_to_7_can_be_protected(void **state)
{
	(void)state;
	set(0x3d4, 1, 0x27);
	assert_int_equal(get(0x3d4, 1), 0x4f);
	set(0x3d4, 7, 0xef);
	assert_int_equal(get(0x3d4, 7), 0x0f); /* bit 4 is not of them */
	set(0x3d4, 7, 0x10);
	assert_int_equal(get(0x3d4, 7), 0x1f);
	set(0x3d4, 0x11, 0x0e);
	set(0x3d4, 1, 0x27);
	assert_int_equal(get(0x3d4, 1), 0x27);
	look();
	assert_int_equal(view.columns, 40);
}

static void the_attribute_port_takes_index_and_data_in_turn(void **state)
{
	(void)state;
	set_attribute(1, 0x3a);
	assert_int_equal(get_attribute(1), 0x3a);
	in(0x3da);
	out(0x3c0, 0x22);
	assert_int_equal(in(0x3c0), 0x22);
	in(0x3da); /* an index again, whatever was expected */
	out(0x3c0, 0x23);
	assert_int_equal(in(0x3c1), 3);
	out(0x3c0, 0xff);
	assert_int_equal(in(0x3c1), 0x3f);
	out(0x3c0, 0x35);
	assert_int_equal(in(0x3c1), 0); /* there is no such register */
	out(0x3c0, 0xff);
}

static void the_palette_is_read_and_written_by_three(void **state)
{
	(void)state;
	out(0x3c8, 0xfe);
	for (uint8_t i = 1; i <= 9; i++)
		out(0x3c9, (uint8_t)(0xc0 | i));
	assert_int_equal(in(0x3c8), 1); /* behind 0xff comes 0 */
	assert_int_equal(in(0x3c7), 0);
	out(0x3c7, 0xfe);
	assert_int_equal(in(0x3c7), 3);
	for (unsigned i = 1; i <= 9; i++)
		assert_int_equal(in(0x3c9), i);
	look();
	assert_int_equal(view.colour[0], 0x1c2024);
	out(0x3c7, 0xff);
	assert_int_equal(in(0x3c9), 4);
	out(0x3c7, 0xff); /* red comes first, whatever was next */
	assert_int_equal(in(0x3c9), 4);
}

static void colours_go_through_both_palettes(void **state)
{
	(void)state;
	out(0x3c8, 0x95);
	out(0x3c9, 0x3f);
	out(0x3c9, 0x20);
	out(0x3c9, 0x01);
	set_attribute(4, 0x05);
	set_attribute(0x10, 0x8c);
	set_attribute(0x14, 0x09); /* bits 7:6 and 5:4 */
	look();
	assert_int_equal(view.colour[4], 0xff8204);
	out(0x3c6, 0x0f);
	look();
	assert_int_equal(view.colour[4], 0xaa00aa);
	set_attribute(0x12, 0x03); /* planes */
	look();
	assert_int_equal(view.colour[4], view.colour[0]);
	set_attribute(0x10, 0x04);
	look();
	assert_false(view.blinks);
}

static void the_ports_of_the_crtc_are_where_misc_says(void **state)
{
	(void)state;
	assert_int_equal(in(0x3b4), 0xff);
	out(0x3c2, 0x66);
	assert_int_equal(in(0x3d4), 0xff);
	assert_int_equal(in_of(0x3da, 1), 0xff);
	set(0x3b4, 0x0f, 0x77);
	assert_int_equal(get(0x3b4, 0x0f), 0x77);
	assert_int_not_equal(in(0x3ba), 0xff);
	out(0x3c2, 0x67);
	assert_int_equal(get(0x3d4, 0x0f), 0x77);
}

/* Each state of both bits comes and goes within a frame. */
static void waiting_for_the_retrace_comes_to_an_end(void **state)
{
	static const uint8_t wanted[] = {0x08, 0x00, 0x08, 0x01, 0x00};

	(void)state;
	fake.now = 12345678901234567;
	for (size_t i = 0; i < sizeof(wanted); i++) {
		uint64_t until = fake.now + 15000000; /* a frame has 14.3 ms */
		uint8_t bit = wanted[i] ? wanted[i] : 0x09;

		while ((in(0x3da) & bit) != wanted[i] && fake.now < until)
			fake.now += 5000;
		assert_true(fake.now < until);
	}
}

/* Each of 400 lines ends with what is not seen: a loop may wait for that of a line. */
static void lines_end_unseen(void **state)
{
	unsigned ends = 0;
	uint8_t last = 0, now;

	(void)state;
	for (fake.now = 0; fake.now < 1000000000; fake.now += 1000) {
		now = in(0x3da);
		ends += now == 1 && last == 0;
		last = now;
	}
	assert_in_range(ends, 70 * 400, 70 * 401);
}

static void a_second_has_70_frames(void **state)
{
	unsigned frames = 0;
	uint8_t last = 0, now;

	(void)state;
	for (fake.now = 0; fake.now < 10000000000; fake.now += 100000) {
		now = in(0x3da) & 8;
		frames += now && !last;
		last = now;
	}
	assert_in_range(frames, 700, 701);
}

/* ---- what is seen ---- */

static void the_screen_begins_where_the_start_address_says(void **state)
{
	(void)state;
	out_of(0x3d4, 2, 0x050c);
	out_of(0x3d4, 2, 0x0a0d);
	out_of(0x3d4, 2, 0x3213); /* rows of 100 */
	look();
	assert_int_equal(vvga_cell(&view, 0, 0), 0x50a);
	assert_int_equal(vvga_cell(&view, 3, 2), 0x50a + 203);
	out_of(0x3d4, 2, 0xff0c);
	look();
	assert_int_equal(vvga_cell(&view, 0, 0), 0x3f0a); /* of 16,384 cells */
	assert_int_equal(vvga_cell(&view, 79, 24), (0x3f0a + 2479) % 0x4000);
}

static void lines_of_a_character_make_the_rows(void **state)
{
	(void)state;
	set(0x3d4, 9, 0x47);
	look();
	assert_int_equal(view.rows, 50);
	assert_int_equal(view.lines, 8);
	set(0x3d4, 9, 0x87); /* each line twice */
	look();
	assert_int_equal(view.rows, 25);
	set(0x3d4, 0x11, 0);
	set(0x3d4, 9, 0x4f);
	set(0x3d4, 7, 0x42);
	set(0x3d4, 0x12, 0xff);
	look();
	assert_int_equal(view.rows, 64);
}

static void a_cursor_may_be_off(void **state)
{
	(void)state;
	set(0x3d4, 0x0a, 0x2d);
	look();
	assert_int_equal(view.cursor, VVGA_NONE);
	set(0x3d4, 0x0a, 0x00);
	set(0x3d4, 0x0b, 0x1f); /* more lines than there are */
	look();
	assert_int_equal(view.cursor, 0);
	assert_int_equal(view.last, 15);
	set(0x3d4, 0x0a, 0x10);
	look();
	assert_int_equal(view.cursor, VVGA_NONE);
}

static void the_screen_may_be_off(void **state)
{
	(void)state;
	set(0x3c4, 1, 0x20);
	look();
	assert_true(view.blank);
	set(0x3c4, 1, 0x00);
	in(0x3da);
	out(0x3c0, 0x00); /* the palette is the CPU's */
	look();
	assert_true(view.blank);
	in(0x3da);
	out(0x3c0, 0x20);
	look();
	assert_false(view.blank);
}

static void graphics_are_not_seen(void **state)
{
	(void)state;
	set(0x3ce, 6, 0x05);
	look();
	assert_int_equal(view.columns | view.rows, 0);
	set(0x3ce, 6, 0x0e);
	set_attribute(0x10, 0x41);
	look();
	assert_int_equal(view.columns | view.rows, 0);
}

/* Whatever is in the registers: nothing outside of the text memory, and a bounded screen. */
static void no_registers_lead_out_of_the_text_memory(void **state)
{
	uint64_t seed = 1;
	unsigned shown = 0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t *bytes = machine.vga.s.crtc;
		uint32_t x, y;

		for (unsigned k = 0; k < VGA_CRTC_COUNT; k++)
			bytes[k] = (uint8_t)random_next(&seed);
		look();
		assert_true((view.columns == 0) == (view.rows == 0));
		assert_in_range(view.columns * view.rows, 0, VVGA_CELLS);
		assert_in_range(view.lines, 1, 32);
		assert_true(view.cursor == VVGA_NONE ||
			    (view.cursor < VVGA_CELLS && view.first <= view.last &&
				    view.last < view.lines));
		x = (uint32_t)random_next(&seed);
		y = (uint32_t)random_next(&seed);
		assert_in_range(vvga_cell(&view, x, y), 0, VVGA_CELLS - 1);
		shown += view.columns != 0;
	}
	assert_in_range(shown, 100000, 200000);
}

/* ---- state ---- */

static void it_goes_on_elsewhere_as_it_was(void **state)
{
	static struct platform_state s;

	(void)state;
	set(0x3d4, 0x0f, 0x99);
	out(0x3c7, 7);
	in(0x3c9);
	in(0x3da);
	out(0x3c0, 0x25);
	platform_get_state(&machine, &s);
	fake_start(2);
	assert_true(platform_set_state(&machine, &s));
	out(0x3c0, 0x11); /* data: the index was there */
	assert_int_equal(get_attribute(5), 0x11);
	assert_int_equal(get(0x3d4, 0x0f), 0x99);
	assert_int_equal(in(0x3c9), 0x2a); /* entry 7, green */
	fake_vga = false;
	fake_start(2);
	assert_false(platform_set_state(&machine, &s));
}

#define AT(member) offsetof(struct vvga_state, member)

static void a_state_that_cannot_be_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} bad[] = {{AT(crtc[8]), 0x80}, {AT(crtc[0x17]), 0x10}, {AT(sequencer[0]), 4},
		{AT(graphics[4]), 4}, {AT(attribute[0x14]), 0x10}, {AT(misc), 0x10},
		{AT(attribute_index), 0x40}, {AT(attribute_data), 2}, {AT(dac_part), 3},
		{AT(dac_reads), 2}, {AT(reserved[1]), 1}, {AT(dac[255][2]), 0x40}};
	struct vvga_state good, s;

	(void)state;
	vvga_get_state(&machine.vga, &good);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s = good;
		((uint8_t *)&s)[bad[i].at] = bad[i].value;
		if (vvga_set_state(&machine, &s))
			fail_msg("number %zu was taken", i);
	}
	assert_memory_equal(&machine.vga.s, &good, sizeof(good));
	assert_true(vvga_set_state(&machine, &good));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_starts_as_a_bios_leaves_it, start),
		cmocka_unit_test_setup(without_a_display_nobody_is_at_its_ports, start),
		cmocka_unit_test_setup(registers_keep_the_bits_that_a_vga_has, start),
		cmocka_unit_test_setup(a_word_is_an_index_and_its_value, start),
		cmocka_unit_test_setup(registers_0_to_7_can_be_protected, start),
		cmocka_unit_test_setup(the_attribute_port_takes_index_and_data_in_turn, start),
		cmocka_unit_test_setup(the_palette_is_read_and_written_by_three, start),
		cmocka_unit_test_setup(colours_go_through_both_palettes, start),
		cmocka_unit_test_setup(the_ports_of_the_crtc_are_where_misc_says, start),
		cmocka_unit_test_setup(waiting_for_the_retrace_comes_to_an_end, start),
		cmocka_unit_test_setup(lines_end_unseen, start),
		cmocka_unit_test_setup(a_second_has_70_frames, start),
		cmocka_unit_test_setup(the_screen_begins_where_the_start_address_says, start),
		cmocka_unit_test_setup(lines_of_a_character_make_the_rows, start),
		cmocka_unit_test_setup(a_cursor_may_be_off, start),
		cmocka_unit_test_setup(the_screen_may_be_off, start),
		cmocka_unit_test_setup(graphics_are_not_seen, start),
		cmocka_unit_test_setup(no_registers_lead_out_of_the_text_memory, start),
		cmocka_unit_test_setup(it_goes_on_elsewhere_as_it_was, start),
		cmocka_unit_test_setup(a_state_that_cannot_be_is_refused, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
