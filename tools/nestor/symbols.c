/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols of guest images; see symbols.h. */
#include "symbols.h"

#include <ctype.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

/* Without a size, a symbol of assembly counts for so much. */
#define REACH_WITHOUT_SIZE 0x10000

/* Where things are in the two classes of ELF files. */
struct layout {
	unsigned word;         /* bytes of an address */
	unsigned shoff, shnum; /* in the file header; shentsize is before shnum */
	unsigned sh_offset, sh_size, sh_link, sh_size_all;
	unsigned st_info, st_shndx, st_value, st_size, st_size_all;
};

static const struct layout layouts[] = {
	{4, 32, 48, 16, 20, 24, 40, 12, 14, 4, 8, 16},
	{8, 40, 60, 24, 32, 40, 64, 4, 6, 8, 16, 24},
};

struct table {
	const struct layout *l;
	struct bytes symbols, names;
};

/* The content of section @index. */
static struct bytes section(const struct bytes *image, const struct layout *l, uint64_t index)
{
	uint64_t at = bytes_value(image, l->shoff, l->word) + index * l->sh_size_all;

	return bytes_slice(image, bytes_value(image, at + l->sh_offset, l->word),
		bytes_value(image, at + l->sh_size, l->word));
}

static bool find_table(const struct bytes *image, struct table *t)
{
	uint64_t at, count;

	if (!bytes_match(image, 0, ELFMAG, SELFMAG))
		return false;
	t->l = &layouts[bytes_value(image, EI_CLASS, 1) == ELFCLASS64];
	at = bytes_value(image, t->l->shoff, t->l->word);
	count = bytes_value(image, t->l->shnum, 2);
	for (uint64_t i = 0; i < count; i++, at += t->l->sh_size_all) {
		if (bytes_value(image, at + 4, 4) != SHT_SYMTAB)
			continue;
		t->symbols = section(image, t->l, i);
		t->names = section(image, t->l, bytes_value(image, at + t->l->sh_link, 4));
		return t->names.size > 0 && t->names.data[t->names.size - 1] == 0;
	}
	return false;
}

/* Does the symbol at @at of the table cover the address, from the value that it sets? */
static bool covers(const struct table *t, uint64_t at, uint64_t address, uint64_t *value)
{
	uint64_t size = bytes_value(&t->symbols, at + t->l->st_size, t->l->word);
	uint64_t type = bytes_value(&t->symbols, at + t->l->st_info, 1) & 0xf;

	*value = bytes_value(&t->symbols, at + t->l->st_value, t->l->word);
	if (type > STT_FUNC || !bytes_value(&t->symbols, at, 4))
		return false;
	if (bytes_value(&t->symbols, at + t->l->st_shndx, 2) == SHN_UNDEF ||
		bytes_value(&t->symbols, at + t->l->st_shndx, 2) >= SHN_LORESERVE)
		return false;
	return address >= *value && address - *value < (size ? size : REACH_WITHOUT_SIZE);
}

const char *symbols_find(const struct bytes *image, uint64_t address, uint64_t *offset)
{
	const char *name = NULL;
	uint64_t best = 0, value;
	struct table t;

	if (!find_table(image, &t))
		return NULL;
	for (uint64_t at = 0; at < t.symbols.size; at += t.l->st_size_all) {
		uint64_t name_at = bytes_value(&t.symbols, at, 4);

		if (!covers(&t, at, address, &value) || name_at >= t.names.size ||
			(name && value < best))
			continue;
		name = (const char *)t.names.data + name_at;
		best = value;
	}
	*offset = address - best;
	return name;
}

bool symbols_value(const struct bytes *image, const char *name, uint64_t *value)
{
	struct table t;

	if (!find_table(image, &t))
		return false;
	for (uint64_t at = 0; at < t.symbols.size; at += t.l->st_size_all) {
		uint64_t name_at = bytes_value(&t.symbols, at, 4);

		if (name_at >= t.names.size ||
			strcmp((const char *)t.names.data + name_at, name) != 0)
			continue;
		*value = bytes_value(&t.symbols, at + t.l->st_value, t.l->word);
		return true;
	}
	return false;
}

void symbols_explain(const struct bytes *image, const char *text, char *out, size_t size)
{
	size_t n = 0;

	while (*text && n + 1 < size) {
		char *end = NULL;
		uint64_t offset, address;
		const char *name;

		if (*text != '@' || !isxdigit((unsigned char)text[1])) {
			out[n++] = *text++;
			continue;
		}
		address = strtoull(text + 1, &end, 16);
		name = image ? symbols_find(image, address, &offset) : NULL;
		n += (size_t)snprintf(out + n, size - n,
			name ? "0x%.*s <%.80s+0x%llx>" : "0x%.*s", (int)(end - text - 1),
			text + 1, name, (unsigned long long)(name ? offset : 0));
		text = end;
	}
	out[n < size ? n : size - 1] = 0;
}
