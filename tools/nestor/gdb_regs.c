/* SPDX-License-Identifier: Apache-2.0 */
/* Registers as GDB wants them; see gdb_regs.h. */
#include "gdb_regs.h"

#include <stdio.h>
#include <string.h>

#include "gdb_packet.h"
#include "record.h"

#define CORE "org.gnu.gdb.i386.core"
#define SSE  "org.gnu.gdb.i386.sse"
#define AVX  "org.gnu.gdb.i386.avx"
#define SEG  "org.gnu.gdb.i386.segments"
#define CTRL "nestor.control"

/* Where FXSAVE has what GDB calls so, in 64-bit mode. */
#define AT_FTW   4u
#define AT_ST    32u
#define AT_XMM   160u
#define AT_MXCSR 24u

/*
 * A register's number is its row; those of `regs` come first. GDB wants each feature in one
 * piece ("Standard Target Features", "i386 Features"), so the description gives numbers.
 * source: as the item calls it; a segment's with the key that is meant.
 */
static const struct row {
	const char *feature;
	const char *name;
	unsigned bits;
	const char *type;
	const char *source; /* NULL: its own name */
	const char *key;    /* of an item segment=; NULL: it is a register */
	unsigned at, size;  /* in `fpu`; size 0: in `regs` */
} rows[] = {
#define R(name, bits, type, source)                        \
	{                                                  \
		CORE, name, bits, type, source, NULL, 0, 0 \
	}
#define S(name)                                                 \
	{                                                       \
		CORE, name, 32, "int32", NULL, "selector", 0, 0 \
	}
#define C(name, type)                                  \
	{                                              \
		CTRL, name, 64, type, NULL, NULL, 0, 0 \
	}
#define F(name, bits, type, at, size)                        \
	{                                                    \
		CORE, name, bits, type, NULL, NULL, at, size \
	}
#define X(n)                                                                    \
	{                                                                       \
		SSE, "xmm" #n, 128, "vec128", NULL, NULL, AT_XMM + 16 * (n), 16 \
	}
#define Y(n)                                                                              \
	{                                                                                 \
		AVX, "ymm" #n "h", 128, "uint128", NULL, NULL, GDB_FPU_AVX + 16 * (n), 16 \
	}
	R("rax", 64, "int64", NULL),
	R("rbx", 64, "int64", NULL),
	R("rcx", 64, "int64", NULL),
	R("rdx", 64, "int64", NULL),
	R("rsi", 64, "int64", NULL),
	R("rdi", 64, "int64", NULL),
	R("rbp", 64, "data_ptr", NULL),
	R("rsp", 64, "data_ptr", NULL),
	R("r8", 64, "int64", NULL),
	R("r9", 64, "int64", NULL),
	R("r10", 64, "int64", NULL),
	R("r11", 64, "int64", NULL),
	R("r12", 64, "int64", NULL),
	R("r13", 64, "int64", NULL),
	R("r14", 64, "int64", NULL),
	R("r15", 64, "int64", NULL),
	R("rip", 64, "code_ptr", NULL),
	R("eflags", 32, "int32", "rflags"),
	S("cs"),
	S("ss"),
	S("ds"),
	S("es"),
	S("fs"),
	S("gs"),
	{SEG, "fs_base", 64, "int64", "fs", "base", 0, 0},
	{SEG, "gs_base", 64, "int64", "gs", "base", 0, 0},
	C("cr0", "int64"),
	C("cr2", "int64"),
	C("cr3", "data_ptr"),
	C("cr4", "int64"),
	C("cr8", "int64"),
	C("efer", "int64"),
	/* Here a packet `g` ends. */
	F("st0", 80, "i387_ext", AT_ST, 10),
	F("st1", 80, "i387_ext", AT_ST + 16, 10),
	F("st2", 80, "i387_ext", AT_ST + 32, 10),
	F("st3", 80, "i387_ext", AT_ST + 48, 10),
	F("st4", 80, "i387_ext", AT_ST + 64, 10),
	F("st5", 80, "i387_ext", AT_ST + 80, 10),
	F("st6", 80, "i387_ext", AT_ST + 96, 10),
	F("st7", 80, "i387_ext", AT_ST + 112, 10),
	F("fctrl", 32, "int", 0, 2),
	F("fstat", 32, "int", 2, 2),
	F("ftag", 32, "int", AT_FTW, 1),
	F("fiseg", 32, "int", 12, 2),
	F("fioff", 32, "int", 8, 4),
	F("foseg", 32, "int", 20, 2),
	F("fooff", 32, "int", 16, 4),
	F("fop", 32, "int", 6, 2),
	X(0),
	X(1),
	X(2),
	X(3),
	X(4),
	X(5),
	X(6),
	X(7),
	X(8),
	X(9),
	X(10),
	X(11),
	X(12),
	X(13),
	X(14),
	X(15),
	{SSE, "mxcsr", 32, "int", NULL, NULL, AT_MXCSR, 4},
	Y(0),
	Y(1),
	Y(2),
	Y(3),
	Y(4),
	Y(5),
	Y(6),
	Y(7),
	Y(8),
	Y(9),
	Y(10),
	Y(11),
	Y(12),
	Y(13),
	Y(14),
	Y(15),
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == GDB_REGS, "rows");

/* ---- from items ---- */

void gdb_regs_item(struct gdb_regs *r, const char *item)
{
	char register_is[16], segment_is[16];

	record_text(item, "register", register_is, sizeof(register_is));
	record_text(item, "segment", segment_is, sizeof(segment_is));
	for (unsigned i = 0; i < GDB_REGS_MAIN; i++) {
		const struct row *row = &rows[i];
		uint64_t value;

		if (strcmp(row->source ? row->source : row->name,
			    row->key ? segment_is : register_is) != 0)
			continue;
		value = record_number(item, row->key ? row->key : "value");
		r->known[i] = true;
		for (unsigned b = 0; b < sizeof(value); b++)
			r->value[i][b] = (uint8_t)(value >> 8 * b);
	}
}

/* Two hexadecimal digits; -1: they are none. */
static int byte_of(const char *digits)
{
	int high = gdb_digit(digits[0]), low = high < 0 ? -1 : gdb_digit(digits[1]);

	return low < 0 ? -1 : high << 4 | low;
}

void gdb_fpu_item(struct gdb_fpu *f, const char *item)
{
	char digits[2 * GDB_FPU_AVX_SIZE + 1];
	uint64_t at = record_number(item, "at");
	size_t size;

	if (!record_text(item, "data", digits, sizeof(digits)))
		return;
	size = strlen(digits) / 2;
	if (at > sizeof(f->data) || size > sizeof(f->data) - at)
		return;
	for (size_t i = 0; i < size; i++) {
		int byte = byte_of(digits + 2 * i);

		if (byte < 0)
			return;
		f->data[at + i] = (uint8_t)byte;
	}
	f->legacy |= at + size == GDB_FPU_LEGACY;
	f->avx |= at == GDB_FPU_AVX && size == GDB_FPU_AVX_SIZE;
}

/* The tag of what a register of x87 has: valid, zero, special. */
static unsigned tag_of(const uint8_t st[10])
{
	unsigned exponent = (st[8] | (unsigned)st[9] << 8) & 0x7fff;
	bool fraction = false;

	for (unsigned i = 0; i < 8; i++)
		fraction |= st[i] != 0;
	if (exponent == 0 && !fraction)
		return 1;
	return exponent == 0 || exponent == 0x7fff || !(st[7] & 0x80) ? 2 : 0;
}

/* FXSAVE says of each register only whether it is empty. */
static unsigned tag_word(const struct gdb_fpu *f)
{
	unsigned top = f->data[3] >> 3 & 7, word = 0;

	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = f->data + AT_ST + (size_t)16 * ((i - top) & 7);

		word |= (f->data[AT_FTW] >> i & 1 ? tag_of(st) : 3u) << 2 * i;
	}
	return word;
}

static bool is_there(const struct gdb_fpu *f, const struct row *row)
{
	return row->at < GDB_FPU_AVX ? f->legacy : f->avx;
}

void gdb_regs_fpu(struct gdb_regs *r, const struct gdb_fpu *f)
{
	for (unsigned i = GDB_REGS_MAIN; i < GDB_REGS; i++) {
		const struct row *row = &rows[i];

		r->known[i] = is_there(f, row);
		memcpy(r->value[i], f->data + row->at, row->size);
		if (row->at != AT_FTW || row->size != 1)
			continue;
		r->value[i][0] = (uint8_t)tag_word(f);
		r->value[i][1] = (uint8_t)(tag_word(f) >> 8);
	}
}

void gdb_regs_absent(struct gdb_regs *r)
{
	*r = (struct gdb_regs){.known = {false}};
	for (unsigned i = 0; i < GDB_REGS; i++)
		r->known[i] = strcmp(rows[i].name, "rip") == 0;
}

/* ---- GDB's digits ---- */

size_t gdb_reg_put(const struct gdb_regs *r, unsigned n, char *out)
{
	unsigned bytes = rows[n].bits / 8;

	for (unsigned i = 0; i < bytes; i++)
		if (r->known[n])
			sprintf(out + (size_t)2 * i, "%02x", (unsigned)r->value[n][i]);
		else
			memcpy(out + (size_t)2 * i, "xx", 3);
	return (size_t)2 * bytes;
}

bool gdb_reg_is_fpu(unsigned n)
{
	return rows[n].size != 0;
}

bool gdb_reg_piece(
	unsigned n, const char *digits, const struct gdb_fpu *f, struct gdb_fpu_piece *out)
{
	const struct row *row = &rows[n];
	uint8_t bytes[GDB_REG_BYTES] = {0}, full = 0;

	if (!is_there(f, row) || strlen(digits) != row->bits / 4)
		return false;
	for (unsigned i = 0; i < row->bits / 8; i++) {
		int byte = byte_of(digits + (size_t)2 * i);

		if (byte < 0)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	for (unsigned i = 0; i < 8; i++)
		full |= (uint8_t)(((bytes[i / 4] >> i % 4 * 2 & 3) != 3) << i);
	if (row->at == AT_FTW && row->size == 1)
		bytes[0] = full;
	*out = (struct gdb_fpu_piece){.at = row->at, .size = row->size};
	memcpy(out->data, bytes, row->size);
	return true;
}

bool gdb_reg_take(const char *digits, uint64_t *value)
{
	size_t length = strlen(digits);

	*value = 0;
	if (!length || length % 2 || length > 16)
		return false;
	for (size_t i = length; i > 0; i -= 2) {
		int byte = byte_of(digits + i - 2);

		if (byte < 0)
			return false;
		*value = *value << 8 | (uint64_t)byte;
	}
	return true;
}

const char *gdb_reg_word(unsigned n)
{
	return rows[n].source && !rows[n].key ? rows[n].source : rows[n].name;
}

/* ---- the description ---- */

/* What XMM registers can be looked at as. */
static const char vectors[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
	"<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
	"<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
	"<field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/></union>";

static size_t put_feature(char out[GDB_XML], size_t n, const char *feature)
{
	/* `call` leaves control registers alone. */
	const char *kept = strcmp(feature, CTRL) == 0 ? " save-restore=\"no\"" : "";

	n += (size_t)snprintf(out + n, GDB_XML - n, "<feature name=\"%s\">%s", feature,
		strcmp(feature, SSE) == 0 ? vectors : "");
	for (unsigned i = 0; i < GDB_REGS; i++)
		if (strcmp(rows[i].feature, feature) == 0)
			n += (size_t)snprintf(out + n, GDB_XML - n,
				"<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"%s/>",
				rows[i].name, rows[i].bits, rows[i].type, i, kept);
	return n + (size_t)snprintf(out + n, GDB_XML - n, "</feature>");
}

void gdb_regs_xml(char out[GDB_XML])
{
	static const char *const features[] = {CORE, SSE, AVX, SEG, CTRL};
	size_t n = (size_t)snprintf(out, GDB_XML,
		"<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
		"<architecture>i386:x86-64</architecture>");

	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		n = put_feature(out, n, features[i]);
	snprintf(out + n, GDB_XML - n, "</target>");
}
