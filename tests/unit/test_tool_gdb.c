/* SPDX-License-Identifier: Apache-2.0 */
/* GDB's packets, and registers in its order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

/*
 * Where a register is among the digits of a packet `g`, as GDB finds it: by the sizes of those
 * before it in the description.
 */
static size_t place_of(const char *xml, const char *name)
{
	size_t bits = 0;
	const char *p = xml;

	while ((p = strstr(p, "<reg name=\""))) {
		size_t length = strlen(name);

		p += strlen("<reg name=\"");
		if (strncmp(p, name, length) == 0 && p[length] == '"')
			return bits / 4;
		bits += strtoul(strstr(p, "bitsize=\"") + strlen("bitsize=\""), NULL, 10);
	}
	return *name ? SIZE_MAX : bits / 4;
}

static void assert_register(
	const char *digits, const char *xml, const char *name, const char *value)
{
	size_t at = place_of(xml, name);

	assert_true(at + strlen(value) <= GDB_REGS_HEX);
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
	char digits[GDB_REGS_HEX + 1], xml[GDB_XML];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		gdb_regs_item(&r, items[i]);
	for (unsigned i = 0; i < GDB_REGS; i++)
		n += gdb_reg_put(&r, i, digits + n);
	gdb_regs_xml(xml);
	assert_int_equal(n, GDB_REGS_HEX);
	assert_int_equal(place_of(xml, ""), GDB_REGS_HEX);
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

static void a_vcpu_that_is_not_at_the_level_has_rip_zero_and_nothing_else(void **state)
{
	struct gdb_regs r;
	char digits[GDB_REGS_HEX + 1], xml[GDB_XML];
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
	static const char *const words[] = {
		[0] = "rax", [16] = "rip", [17] = "rflags", [18] = "cs", [40] = "fs_base"};

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
		cmocka_unit_test(registers_that_are_changed_have_the_words_of_the_request),
		cmocka_unit_test(a_vcpu_that_is_not_at_the_level_has_rip_zero_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
