/* SPDX-License-Identifier: Apache-2.0 */
/* GDB's packets, and registers in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb_packet.h"
#include "gdb_regs.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct gdb_reader reader;

static int begin(void **state)
{
	(void)state;
	memset(&reader, 0, sizeof(reader));
	return 0;
}

/* What the last byte gives; those before it give nothing. */
static enum gdb_in take(const char *bytes, size_t size)
{
	enum gdb_in in = GDB_IN_NOTHING;

	for (size_t i = 0; i < size; i++) {
		assert_int_equal(in, GDB_IN_NOTHING);
		in = gdb_reader_take(&reader, bytes[i]);
	}
	return in;
}

static enum gdb_in take_text(const char *text)
{
	return take(text, strlen(text));
}

static void a_packet_with_its_checksum_is_taken_behind_acknowledgements(void **state)
{
	(void)state;
	assert_int_equal(take_text("++$m100,8#62"), GDB_IN_PACKET);
	assert_int_equal(take_text("$m100,8#5e"), GDB_IN_BAD);
	assert_int_equal(take_text("+$OK#9a"), GDB_IN_PACKET);
	assert_string_equal(reader.data, "OK");
	assert_int_equal(take_text("$OK#9A"), GDB_IN_PACKET);
	assert_int_equal(take_text("$#00"), GDB_IN_PACKET);
	assert_int_equal(reader.size, 0);
	assert_int_equal(take_text("$OK#9g"), GDB_IN_BAD);
}

static void ctrl_c_and_a_refusal_are_told_between_packets_and_not_in_them(void **state)
{
	(void)state;
	assert_int_equal(take_text("\x03"), GDB_IN_INTERRUPT);
	assert_int_equal(take_text("-"), GDB_IN_NAK);
	assert_int_equal(take_text("$\x03-#30"), GDB_IN_PACKET);
}

static void a_packet_that_is_cut_off_by_the_next_one_is_forgotten(void **state)
{
	(void)state;
	assert_int_equal(take_text("$m1234$OK#9a"), GDB_IN_PACKET);
	assert_string_equal(reader.data, "OK");
}

static void a_packet_that_ends_in_an_escape_is_refused(void **state)
{
	(void)state;
	assert_int_equal(take_text("$}#7d"), GDB_IN_BAD);
}

static void all_bytes_come_back_as_they_were_sent(void **state)
{
	char data[GDB_PACKET], framed[GDB_FRAMED];
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)i;
	size = gdb_packet_make(framed, data, sizeof(data));
	assert_int_equal(take(framed, size), GDB_IN_PACKET);
	assert_int_equal(reader.size, sizeof(data));
	assert_memory_equal(reader.data, data, sizeof(data));
	memset(data, '#', sizeof(data));
	assert_int_equal(gdb_packet_make(framed, data, sizeof(data)), GDB_FRAMED);
}

static void a_packet_that_is_too_long_is_refused_and_the_next_one_is_not(void **state)
{
	(void)state;
	assert_int_equal(take_text("$"), GDB_IN_NOTHING);
	for (unsigned i = 0; i <= GDB_PACKET; i++)
		assert_int_equal(take_text("@"), GDB_IN_NOTHING); /* 2,049 times 0x40 */
	assert_int_equal(take_text("#40"), GDB_IN_BAD);
	assert_int_equal(take_text("$OK#9a"), GDB_IN_PACKET);
}

static void numbers_have_one_to_sixteen_digits(void **state)
{
	const char *good = "fFffffffffffffff,", *long_one = "10000000000000000", *none = ",1";
	uint64_t value;

	(void)state;
	assert_true(gdb_number(&good, &value));
	assert_int_equal(value, UINT64_MAX);
	assert_int_equal(*good, ',');
	assert_false(gdb_number(&long_one, &value));
	assert_false(gdb_number(&none, &value));
}

/* ---- registers ---- */

/* What an attribute of the register at @p is. */
static size_t attribute(const char *p, const char *name)
{
	return strtoul(strstr(p, name) + strlen(name), NULL, 10);
}

/*
 * Where a register is among the digits of all, as GDB finds it: by the sizes of those whose
 * numbers are smaller. Without a name: behind the last one.
 */
static size_t place_of(const char *xml, const char *name)
{
	char word[40];
	const char *p, *wanted;
	size_t bits = 0;

	snprintf(word, sizeof(word), "<reg name=\"%s\"", name);
	wanted = strstr(xml, word);
	if (*name && !wanted)
		return SIZE_MAX;
	for (p = strstr(xml, "<reg name="); p; p = strstr(p + 1, "<reg name="))
		if (!*name || attribute(p, "regnum=\"") < attribute(wanted, "regnum=\""))
			bits += attribute(p, "bitsize=\"");
	return bits / 4;
}

#define ALL_HEX (GDB_REGS_HEX + 8 * 20 + 8 * 8 + 16 * 32 + 8 + 16 * 32)

static void assert_register(
	const char *digits, const char *xml, const char *name, const char *value)
{
	size_t at = place_of(xml, name);

	assert_true(at + strlen(value) <= ALL_HEX);
	assert_memory_equal(digits + at, value, strlen(value));
}

static void registers_are_where_the_description_has_them(void **state)
{
	static const char *const items[] = {"item id=1 level=2 current=1",
		"item id=1 register=rbx value=0x1122334455667788",
		"item id=1 register=rip value=0x100010",
		"item id=1 register=rflags value=0x202",
		"item id=1 segment=cs selector=0x10 base=0x99 limit=0xffff rights=0xa09b",
		"item id=1 segment=gs selector=0x28 base=0xffff888000000000 limit=0 rights=0",
		"item id=1 register=cr3 value=0xabc000", "item id=1 register=nonsense value=1",
		"item id=1 register="};
	struct gdb_regs r = {.known = {false}};
	char digits[ALL_HEX + 1], xml[GDB_XML];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		gdb_regs_item(&r, items[i]);
	for (unsigned i = 0; i < GDB_REGS; i++)
		n += gdb_reg_put(&r, i, digits + n);
	gdb_regs_xml(xml);
	assert_int_equal(n, ALL_HEX);
	assert_int_equal(place_of(xml, ""), ALL_HEX);
	assert_int_equal(place_of(xml, "st0"), GDB_REGS_HEX);
	assert_register(digits, xml, "rbx", "8877665544332211");
	assert_register(digits, xml, "rip", "1000100000000000");
	assert_register(digits, xml, "eflags", "02020000");
	assert_register(digits, xml, "cs", "10000000");
	assert_register(digits, xml, "gs", "28000000");
	assert_register(digits, xml, "gs_base", "000000008088ffff");
	assert_register(digits, xml, "cr3", "00c0ab0000000000");
	assert_register(digits, xml, "rax", "xxxxxxxxxxxxxxxx");
	assert_register(digits, xml, "st7", "xxxxxxxxxxxxxxxxxxxx");
	assert_string_equal(
		xml + strlen(xml) - strlen("</feature></target>"), "</feature></target>");
}

/* ---- x87, SSE, AVX ---- */

/*
 * FXSAVE's image: top of stack 7 with 1.0, and nothing else; XMM3, MXCSR; YMM15's upper half.
 */
static struct gdb_fpu some_fpu(bool avx)
{
	struct gdb_fpu f = {.legacy = false};
	char item[2 * GDB_FPU_LEGACY + 64];
	uint8_t image[GDB_FPU_LEGACY] = {0x7f, 0x03, 0, 7 << 3, 0x80};
	size_t n = (size_t)sprintf(item, "item id=1 at=0 data=");

	image[24] = 0x80;
	image[25] = 0x1f;
	image[32 + 7] = 0x80;
	image[32 + 8] = 0xff;
	image[32 + 9] = 0x3f;
	image[160 + 3 * 16] = 0x12;
	image[160 + 3 * 16 + 15] = 0x34;
	for (unsigned i = 0; i < 256; i++)
		n += (size_t)sprintf(item + n, "%02x", image[i]);
	gdb_fpu_item(&f, item);
	n = (size_t)sprintf(item, "item id=1 at=256 data=");
	for (unsigned i = 256; i < GDB_FPU_LEGACY; i++)
		n += (size_t)sprintf(item + n, "%02x", image[i]);
	gdb_fpu_item(&f, item);
	n = (size_t)sprintf(item, "item id=1 at=576 data=");
	for (unsigned i = 0; i < 256; i++)
		n += (size_t)sprintf(item + n, "%02x", i == 15 * 16 ? 0x56 : 0);
	if (avx)
		gdb_fpu_item(&f, item);
	return f;
}

static void assert_fpu(const struct gdb_fpu *f, const char *name, const char *value)
{
	struct gdb_regs r = {.known = {false}};
	char digits[ALL_HEX + 1], xml[GDB_XML];
	size_t n = 0;

	gdb_regs_fpu(&r, f);
	for (unsigned i = 0; i < GDB_REGS; i++)
		n += gdb_reg_put(&r, i, digits + n);
	gdb_regs_xml(xml);
	assert_register(digits, xml, name, value);
}

static void registers_of_x87_sse_and_avx_are_those_of_xsave(void **state)
{
	struct gdb_fpu f = some_fpu(true), none = some_fpu(false);

	(void)state;
	assert_fpu(&f, "st0", "0000000000000080ff3f");
	assert_fpu(&f, "fctrl", "7f030000");
	assert_fpu(&f, "fstat", "00380000");
	assert_fpu(&f, "ftag", "ff3f0000"); /* register 7 is valid, the others are empty */
	assert_fpu(&f, "mxcsr", "801f0000");
	assert_fpu(&f, "xmm3", "12000000000000000000000000000034");
	assert_fpu(&f, "ymm15h", "56000000000000000000000000000000");
	assert_fpu(&none, "ymm15h", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_fpu(&none, "xmm3", "12000000000000000000000000000034");
	assert_fpu(&none, "rax", "xxxxxxxxxxxxxxxx");
}

static void what_is_written_of_them_is_a_piece_of_xsave(void **state)
{
	struct gdb_fpu f = some_fpu(false);
	struct gdb_fpu_piece p;
	unsigned xmm3 = 32 + 16 + 3, ftag = 32 + 10, ymm15h = GDB_REGS - 1;

	(void)state;
	assert_false(gdb_reg_is_fpu(31));
	assert_true(gdb_reg_is_fpu(32));
	assert_true(gdb_reg_piece(xmm3, "000102030405060708090a0b0c0d0e0f", &f, &p));
	assert_int_equal(p.at, 160 + 3 * 16);
	assert_int_equal(p.size, 16);
	assert_int_equal(p.data[15], 15);
	assert_true(gdb_reg_piece(ftag, "fd3f0000", &f, &p));
	assert_int_equal(p.size, 1);
	assert_int_equal(p.data[0], 0x81);
	assert_false(gdb_reg_piece(xmm3, "00", &f, &p));
	assert_false(gdb_reg_piece(xmm3, "xx0102030405060708090a0b0c0d0e0f", &f, &p));
	assert_false(gdb_reg_piece(ymm15h, "000102030405060708090a0b0c0d0e0f", &f, &p));
}

static void items_of_xsave_that_make_no_sense_are_no_trouble(void **state)
{
	static const char *const items[] = {"item at=5000 data=00", "item at=831 data=0000",
		"item at=0 data=zz", "item at=18446744073709551615 data=00",
		"item data=", "item at=415 data=0g", "item at=0"};
	struct gdb_fpu f = {.legacy = false};

	(void)state;
	for (unsigned i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		gdb_fpu_item(&f, items[i]);
	assert_false(f.legacy);
	assert_false(f.avx);
}

static void a_vcpu_that_is_not_at_the_level_has_rip_zero_and_nothing_else(void **state)
{
	struct gdb_regs r;
	char digits[ALL_HEX + 1], xml[GDB_XML];
	size_t n = 0;

	(void)state;
	gdb_regs_absent(&r);
	for (unsigned i = 0; i < GDB_REGS; i++)
		n += gdb_reg_put(&r, i, digits + n);
	gdb_regs_xml(xml);
	assert_register(digits, xml, "rip", "0000000000000000xxxxxxxx");
	assert_register(digits, xml, "r15", "xxxxxxxxxxxxxxxx");
	assert_register(digits, xml, "cr3", "xxxxxxxxxxxxxxxx");
}

static void values_of_registers_are_little_endian_digits(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(gdb_reg_take("8877665544332211", &value));
	assert_true(value == 0x1122334455667788);
	assert_true(gdb_reg_take("46000000", &value));
	assert_int_equal(value, 0x46);
	assert_false(gdb_reg_take("", &value));
	assert_false(gdb_reg_take("123", &value));
	assert_false(gdb_reg_take("xxxxxxxx", &value));
	assert_false(gdb_reg_take("887766554433221100", &value));
}

static void registers_that_are_changed_have_the_words_of_the_request(void **state)
{
	static const char *const words[] = {[0] = "rax",
		[16] = "rip",
		[17] = "rflags",
		[18] = "cs",
		[24] = "fs_base",
		[30] = "cr8"};

	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i])
			assert_string_equal(gdb_reg_word(i), words[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_packet_with_its_checksum_is_taken_behind_acknowledgements, begin),
		cmocka_unit_test_setup(
			ctrl_c_and_a_refusal_are_told_between_packets_and_not_in_them, begin),
		cmocka_unit_test_setup(
			a_packet_that_is_cut_off_by_the_next_one_is_forgotten, begin),
		cmocka_unit_test_setup(a_packet_that_ends_in_an_escape_is_refused, begin),
		cmocka_unit_test_setup(all_bytes_come_back_as_they_were_sent, begin),
		cmocka_unit_test_setup(
			a_packet_that_is_too_long_is_refused_and_the_next_one_is_not, begin),
		cmocka_unit_test(numbers_have_one_to_sixteen_digits),
		cmocka_unit_test(registers_are_where_the_description_has_them),
		cmocka_unit_test(values_of_registers_are_little_endian_digits),
		cmocka_unit_test(registers_of_x87_sse_and_avx_are_those_of_xsave),
		cmocka_unit_test(what_is_written_of_them_is_a_piece_of_xsave),
		cmocka_unit_test(items_of_xsave_that_make_no_sense_are_no_trouble),
		cmocka_unit_test(registers_that_are_changed_have_the_words_of_the_request),
		cmocka_unit_test(a_vcpu_that_is_not_at_the_level_has_rip_zero_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
