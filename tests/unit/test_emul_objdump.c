/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder against another one: every opcode in every mode, with prefixes and forms of
 * addresses. What emul_decode knows must have the length, the registers and the address that
 * objdump finds.
 */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emul/decode.h"
#include "spec/regs.h"

#define SLOT 32u /* bytes of code for each: the instruction, and NOPs */

struct machine {
	const char *name;
	struct emul_mode mode;
};

static const struct machine machines[] = {
	{"i386:x86-64", {.long64 = true}},
	{"i386", {.default32 = true}},
	{"i8086", {0}},
};

static const uint8_t prefixes[][5] = {{0}, {1, 0x66}, {1, 0x67}, {1, 0xf2}, {1, 0xf3},
	{1, 0x64}, {1, 0x2e}, {1, 0x48}, {1, 0x44}, {1, 0x41}, {1, 0x42}, {1, 0x4f},
	{2, 0x66, 0x48}, {2, 0x48, 0x66}, {2, 0x48, 0x41}, {2, 0x66, 0xf2}, {2, 0x67, 0x66},
	{2, 0x65, 0x36}, {2, 0x36, 0x67}, {3, 0x66, 0xf3, 0x47}};

/* What comes before the opcode. */
static const uint8_t maps[][5] = {{0}, {1, 0x0f}, {2, 0x0f, 0x38}, {2, 0xc5, 0xf8},
	{2, 0xc5, 0x7d}, {2, 0xc5, 0xfa}, {2, 0xc5, 0xfb}, {2, 0xc5, 0xb9},
	{3, 0xc4, 0xe2, 0x79}, {3, 0xc4, 0xe2, 0x60}, {3, 0xc4, 0xc2, 0xe3},
	{3, 0xc4, 0x62, 0x62}, {3, 0xc4, 0xa1, 0xf9}, {3, 0xc4, 0xe3, 0x7b}};

/* ModRM without the reg field, and SIB, which is a displacement in other forms. */
static const uint8_t forms[][2] = {{0x00, 0x11}, {0x04, 0x88}, {0x04, 0x25}, {0x04, 0x24},
	{0x05, 0x81}, {0x06, 0x12}, {0x07, 0x92}, {0x41, 0xf0}, {0x44, 0x4d}, {0x45, 0x7f},
	{0x46, 0x80}, {0x82, 0x99}, {0x84, 0x65}, {0x85, 0x01}, {0x86, 0xff}, {0x87, 0x20}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what objdump says ---- */

static const char *const names[4][16] = {
	{"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b",
		"r12b", "r13b", "r14b", "r15b"},
	{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w",
		"r13w", "r14w", "r15w"},
	{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d",
		"r12d", "r13d", "r14d", "r15d"},
	{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
		"r12", "r13", "r14", "r15"}};
static const char *const high_names[4] = {"ah", "ch", "dh", "bh"};
static const char *const segments[SEG_NAMED] = {"es", "cs", "ss", "ds", "fs", "gs"};

static const char *name_of(unsigned reg, unsigned size)
{
	return names[size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3][reg];
}

/* Is this register named, as a whole word? */
static bool names_register(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = text; (at = strchr(at, '%')) != NULL; at++)
		if (strncmp(at + 1, name, len) == 0 && strchr(",) \n", at[1 + len]) != NULL)
			return true;
	return false;
}

/* The general register operand, if the kind has one. */
static bool has_register(const struct emul_insn *i)
{
	switch (i->kind) {
	case EMUL_READ:
	case EMUL_ALU_REG:
	case EMUL_XCHG:
	case EMUL_XADD:
	case EMUL_CMPXCHG:
	case EMUL_CMOV:
	case EMUL_IMUL:
	case EMUL_SCAN:
	case EMUL_CRC32:
	case EMUL_SHIFT_DOUBLE:
	case EMUL_STACK_POP:
		return true;
	case EMUL_WRITE:
	case EMUL_ALU:
	case EMUL_BIT:
	case EMUL_STACK_PUSH:
		return !i->has_imm;
	default:
		return false;
	}
}

static bool same_registers(const struct emul_insn *i, const char *text)
{
	char vector[8];

	if (has_register(i))
		return names_register(
			text, i->reg_high ? high_names[i->reg] : name_of(i->reg, i->reg_size));
	if (i->kind == EMUL_BMI || i->kind == EMUL_MULX)
		return names_register(text, name_of(i->reg2, i->size)) || i->has_imm;
	if (!emul_is_vector(i->kind))
		return true;
	snprintf(vector, sizeof(vector), "%cmm%u", i->size == 32 ? 'y' : 'x', i->reg);
	return names_register(text, vector);
}

/* The memory operand: [%segment:][displacement][(base,index,scale)]. */
struct operand {
	int segment; /* -1: not told */
	uint64_t displacement;
	char base[8], index[8];
	unsigned scale;
};

static int segment_before(const char *text, const char *colon)
{
	for (int k = 0; k < (int)SEG_NAMED; k++)
		if (colon - text >= 2 && strncmp(colon - 2, segments[k], 2) == 0)
			return k;
	return -1;
}

/* The start of a displacement or parenthesis that is no immediate. */
static const char *find_memory(const char *text)
{
	const char *paren = strchr(text, '('), *at = paren;

	if (paren != NULL) {
		while (at > text && strchr("-0123456789abcdefx", at[-1]) != NULL)
			at--;
		return at;
	}
	for (at = text; (at = strstr(at, "0x")) != NULL; at++)
		if (at == text || (at[-1] != '$' && !(at[-1] == '-' && at[-2] == '$')))
			return at > text && at[-1] == '-' ? at - 1 : at;
	return NULL;
}

static bool parse(const char *text, struct operand *o)
{
	const char *at = find_memory(text);
	char *end;

	*o = (struct operand){.segment = -1, .scale = 1};
	if (at == NULL)
		return false;
	if (at > text && at[-1] == ':')
		o->segment = segment_before(text, at - 1);
	o->displacement = *at == '-' ? -strtoull(at + 1, &end, 16) : strtoull(at, &end, 16);
	if (*at == '(')
		end = (char *)(uintptr_t)at;
	if (*end == '(' && sscanf(end, "(%%%7[a-z0-9],%%%7[a-z0-9],%u)", o->base, o->index,
				   &o->scale) == 0)
		sscanf(end, "(,%%%7[a-z0-9],%u)", o->index, &o->scale);
	if (strcmp(o->index, "riz") == 0 || strcmp(o->index, "eiz") == 0)
		o->index[0] = 0;
	return true;
}

static bool same_name(const char *got, uint8_t reg, uint8_t size)
{
	return strcmp(got, reg == EMUL_NO_REG ? "" : name_of(reg, size)) == 0;
}

static bool same_address(const struct emul_insn *i, const char *text)
{
	uint8_t size = i->address_size;
	uint64_t mask = mask_of(size);
	int implied = i->base == REG_RSP || i->base == REG_RBP ? SEG_SS : SEG_DS;
	struct operand o;

	if (!parse(text, &o))
		return false;
	if (i->segment != (o.segment >= 0 ? o.segment : implied))
		return false;
	if (i->rip)
		return strcmp(o.base, size == 8 ? "rip" : "eip") == 0 &&
		       ((o.displacement ^ i->displacement) & mask) == 0;
	return same_name(o.base, i->base, size) && same_name(o.index, i->index, size) &&
	       (i->index == EMUL_NO_REG || o.scale == 1u << i->scale) &&
	       ((o.displacement ^ i->displacement) & mask) == 0;
}

/* ---- all instructions ---- */

static struct emul_insn *found;
static unsigned count, room;
static FILE *codes;

static void add(const struct machine *m, const uint8_t *code, unsigned len)
{
	uint8_t slot[SLOT];
	struct emul_insn i;

	/* the processor ignores F2 before BSF and BSR; objdump does not */
	if (!emul_decode(code, len, m->mode, &i) || (i.kind == EMUL_SCAN && i.rep == REP_F2))
		return;
	if (count == room) {
		room = room * 2 + 1024;
		found = realloc(found, room * sizeof(*found));
		assert_non_null(found);
	}
	found[count++] = i;
	memset(slot, 0x90, sizeof(slot));
	memcpy(slot, code, i.length);
	assert_int_equal(fwrite(slot, SLOT, 1, codes), 1);
}

/* All reg fields, and all forms. */
static void add_opcode(
	const struct machine *m, const uint8_t *prefix, const uint8_t *map, unsigned op)
{
	static const uint8_t tail[] = {0x9a, 0x8b, 0x7c, 0x6d, 0x5e, 0x4f, 0x31, 0x22};

	for (unsigned k = 0; k < 8 + COUNT(forms); k++) {
		const uint8_t *form = forms[k < 8 ? (op + k) % COUNT(forms) : k - 8];
		uint8_t code[24], *to = code;

		memcpy(to, prefix + 1, prefix[0]);
		to += prefix[0];
		memcpy(to, map + 1, map[0]);
		to += map[0];
		*to++ = (uint8_t)op;
		*to++ = (uint8_t)(form[0] | (k & 7) << 3);
		*to++ = form[1];
		memcpy(to, tail, sizeof(tail));
		add(m, code, (unsigned)(to - code) + (unsigned)sizeof(tail));
	}
}

/* Prefixes and the first bytes of longer opcodes. */
static bool starts_more(unsigned byte)
{
	return (byte & 0xf0) == 0x40 || (byte & 0xe7) == 0x26 || (byte & 0xfc) == 0x64 ||
	       (byte & 0xfc) == 0xf0 || (byte & 0xfe) == 0xc4 || byte == 0x0f;
}

static void add_all(const struct machine *m)
{
	for (unsigned p = 0; p < COUNT(prefixes); p++)
		for (unsigned k = 0; k < COUNT(maps); k++)
			for (unsigned op = 0; op < 256; op++)
				if (maps[k][0] != 0 || !starts_more(op))
					add_opcode(m, prefixes[p], maps[k], op);
}

/* "  offset:\tbytes \ttext" */
static char *text_of(char *line)
{
	char *at = strchr(line, '\t');

	return at == NULL ? NULL : strchr(at + 1, '\t');
}

static unsigned length_of(const char *line, const char *text)
{
	unsigned digits = 0;

	for (const char *at = strchr(line, '\t'); at < text; at++)
		digits += *at != ' ' && *at != '\t';
	return digits / 2;
}

/* skipped: bytes that objdump shows on lines of their own. */
static void assert_same(const struct emul_insn *i, char *line, unsigned skipped)
{
	char *text = text_of(line), *comment;
	bool same;

	assert_non_null(text);
	comment = strchr(text, '#');
	same = skipped + length_of(line, text) == i->length;
	if (comment != NULL)
		strcpy(comment, "\n");
	same = same && strstr(text, "(bad)") == NULL && same_registers(i, text) &&
	       (emul_is_string(i->kind) || emul_is_stack(i->kind) || same_address(i, text));
	if (!same)
		fail_msg(
			"length %u kind %u reg %u size %u segment %u base %u index %u scale %u "
			"displacement %lx: %s",
			i->length, i->kind, i->reg, i->reg_size, i->segment, i->base, i->index,
			i->scale, i->displacement, line);
}

static bool is_one_word(const char *text)
{
	const char *behind = text + strcspn(text, " \n");

	return behind[strspn(behind, " \n")] == 0;
}

static void compare(const struct machine *m, const char *path)
{
	char command[256], line[512];
	unsigned compared = 0, skipped = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
		"objdump -D -z -w --insn-width=16 -b binary -M intel64 -m %s %s", m->name,
		path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe) != NULL) {
		char *colon, *text = text_of(line);
		unsigned long offset = strtoul(line, &colon, 16);

		if (*colon != ':' || text == NULL || offset % SLOT != skipped)
			continue;
		assert_int_equal(offset / SLOT, compared);
		if (strncmp(text, "\trex", 4) == 0 && is_one_word(text + 1)) {
			/* one that does not count */
			skipped++;
			continue;
		}
		assert_same(&found[compared++], line, skipped);
		skipped = 0;
	}
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(compared, count);
}

static void all_that_is_decoded_is_as_objdump_has_it(void **state)
{
	(void)state;
	for (unsigned k = 0; k < COUNT(machines); k++) {
		char path[] = "/tmp/test_emul_XXXXXX";
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		codes = fdopen(fd, "w");
		assert_non_null(codes);
		count = 0;
		add_all(&machines[k]);
		assert_int_equal(fclose(codes), 0);
		assert_true(count > 10000); /* the table is not empty */
		compare(&machines[k], path);
		unlink(path);
	}
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_decoded_is_as_objdump_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
