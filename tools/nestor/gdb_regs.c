/* SPDX-License-Identifier: Apache-2.0 */
/* Registers as GDB wants them; see gdb_regs.h. */
#include "gdb_regs.h"

#include <stdio.h>
#include <string.h>

#include "gdb_packet.h"
#include "record.h"

/*
 * The order is GDB's ("Standard Target Features", "i386 Features"). The x87 registers must be
 * there, but L0 does not tell them. source: as the item calls it; a segment's with the key
 * that is meant.
 */
static const struct row {
	const char *feature; /* begins with this row; NULL: that of the row before */
	const char *name;
	unsigned bits;
	const char *type;
	const char *source; /* NULL: its own name */
	const char *key;    /* of an item segment=; NULL: it is a register */
} rows[] = {
	{"org.gnu.gdb.i386.core", "rax", 64, "int64", NULL, NULL},
	{NULL, "rbx", 64, "int64", NULL, NULL},
	{NULL, "rcx", 64, "int64", NULL, NULL},
	{NULL, "rdx", 64, "int64", NULL, NULL},
	{NULL, "rsi", 64, "int64", NULL, NULL},
	{NULL, "rdi", 64, "int64", NULL, NULL},
	{NULL, "rbp", 64, "data_ptr", NULL, NULL},
	{NULL, "rsp", 64, "data_ptr", NULL, NULL},
	{NULL, "r8", 64, "int64", NULL, NULL},
	{NULL, "r9", 64, "int64", NULL, NULL},
	{NULL, "r10", 64, "int64", NULL, NULL},
	{NULL, "r11", 64, "int64", NULL, NULL},
	{NULL, "r12", 64, "int64", NULL, NULL},
	{NULL, "r13", 64, "int64", NULL, NULL},
	{NULL, "r14", 64, "int64", NULL, NULL},
	{NULL, "r15", 64, "int64", NULL, NULL},
	{NULL, "rip", 64, "code_ptr", NULL, NULL},
	{NULL, "eflags", 32, "int32", "rflags", NULL},
	{NULL, "cs", 32, "int32", NULL, "selector"},
	{NULL, "ss", 32, "int32", NULL, "selector"},
	{NULL, "ds", 32, "int32", NULL, "selector"},
	{NULL, "es", 32, "int32", NULL, "selector"},
	{NULL, "fs", 32, "int32", NULL, "selector"},
	{NULL, "gs", 32, "int32", NULL, "selector"},
	{NULL, "st0", 80, "i387_ext", NULL, NULL},
	{NULL, "st1", 80, "i387_ext", NULL, NULL},
	{NULL, "st2", 80, "i387_ext", NULL, NULL},
	{NULL, "st3", 80, "i387_ext", NULL, NULL},
	{NULL, "st4", 80, "i387_ext", NULL, NULL},
	{NULL, "st5", 80, "i387_ext", NULL, NULL},
	{NULL, "st6", 80, "i387_ext", NULL, NULL},
	{NULL, "st7", 80, "i387_ext", NULL, NULL},
	{NULL, "fctrl", 32, "int", NULL, NULL},
	{NULL, "fstat", 32, "int", NULL, NULL},
	{NULL, "ftag", 32, "int", NULL, NULL},
	{NULL, "fiseg", 32, "int", NULL, NULL},
	{NULL, "fioff", 32, "int", NULL, NULL},
	{NULL, "foseg", 32, "int", NULL, NULL},
	{NULL, "fooff", 32, "int", NULL, NULL},
	{NULL, "fop", 32, "int", NULL, NULL},
	{"org.gnu.gdb.i386.segments", "fs_base", 64, "int64", "fs", "base"},
	{NULL, "gs_base", 64, "int64", "gs", "base"},
	{"nestor.control", "cr0", 64, "int64", NULL, NULL},
	{NULL, "cr2", 64, "int64", NULL, NULL},
	{NULL, "cr3", 64, "data_ptr", NULL, NULL},
	{NULL, "cr4", 64, "int64", NULL, NULL},
	{NULL, "efer", 64, "int64", NULL, NULL},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == GDB_REGS, "rows");

void gdb_regs_item(struct gdb_regs *r, const char *item)
{
	char register_is[16], segment_is[16];

	record_text(item, "register", register_is, sizeof(register_is));
	record_text(item, "segment", segment_is, sizeof(segment_is));
	for (unsigned i = 0; i < GDB_REGS; i++) {
		const struct row *row = &rows[i];

		if (strcmp(row->source ? row->source : row->name,
			    row->key ? segment_is : register_is) != 0)
			continue;
		r->known[i] = true;
		r->value[i] = record_number(item, row->key ? row->key : "value");
	}
}

void gdb_regs_absent(struct gdb_regs *r)
{
	*r = (struct gdb_regs){.known = {false}};
	for (unsigned i = 0; i < GDB_REGS; i++)
		r->known[i] = strcmp(rows[i].name, "rip") == 0;
}

size_t gdb_reg_put(const struct gdb_regs *r, unsigned n, char *out)
{
	unsigned bytes = rows[n].bits / 8;

	for (unsigned i = 0; i < bytes; i++)
		if (r->known[n])
			sprintf(out + (size_t)2 * i, "%02x",
				(unsigned)(i < 8 ? r->value[n] >> 8 * i & 0xff : 0));
		else
			memcpy(out + (size_t)2 * i, "xx", 3);
	return (size_t)2 * bytes;
}

bool gdb_reg_take(const char *digits, uint64_t *value)
{
	size_t length = strlen(digits);

	*value = 0;
	if (!length || length % 2 || length > 16)
		return false;
	for (size_t i = length; i > 0; i -= 2) {
		int high = gdb_digit(digits[i - 2]), low = gdb_digit(digits[i - 1]);

		if (high < 0 || low < 0)
			return false;
		*value = *value << 8 | (uint64_t)(high << 4 | low);
	}
	return true;
}

const char *gdb_reg_word(unsigned n)
{
	return rows[n].source && !rows[n].key ? rows[n].source : rows[n].name;
}

void gdb_regs_xml(char out[GDB_XML])
{
	size_t n = (size_t)snprintf(out, GDB_XML,
		"<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
		"<architecture>i386:x86-64</architecture>");

	for (unsigned i = 0; i < GDB_REGS; i++) {
		if (rows[i].feature)
			n += (size_t)snprintf(out + n, GDB_XML - n, "%s<feature name=\"%s\">",
				i ? "</feature>" : "", rows[i].feature);
		n += (size_t)snprintf(out + n, GDB_XML - n,
			"<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", rows[i].name,
			rows[i].bits, rows[i].type);
	}
	snprintf(out + n, GDB_XML - n, "</feature></target>");
}
