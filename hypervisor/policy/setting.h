/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: named values of a structure, a table row each. A row says under which key a value
 * is written, what it may be, where it lies and what it is when nothing is said. Defaults,
 * parsing, messages and the way back to text follow from the rows.
 *
 * Pure. Owns no table: those are in vm_config.c, options.c and the host tool.
 */
#ifndef NESTOR_POLICY_SETTING_H
#define NESTOR_POLICY_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text.h"
#include "spec/feature_names.h"

enum setting_kind {
	SETTING_END,      /* ends a table */
	SETTING_SIZE,     /* bytes, as in 512M: from min to max, a multiple of unit; or index in
			    * words, where there are some */
	SETTING_NUMBER,   /* from min to max */
	SETTING_SWITCH,   /* on 1, off 0 */
	SETTING_CHOICE,   /* index in words */
	SETTING_NAME,     /* char[size] with a final NUL: letters, digits, '-', '_' and '.' */
	SETTING_CPU_LIST, /* struct cpu_set, all at first, as in 0,2-3 */
	SETTING_MAC,      /* 48 bits, as in 52:54:00:12:34:56 */
	SETTING_NETS,     /* struct net_list, as in lan,vlan=5+wan */
	SETTING_NAMES,    /* a structure of name_list.h, as in org.example.agent,log */
	SETTING_FEATURES, /* mask of features of the row's family, as in haswell,-vpid */
	SETTING_FUNCTIONS, /* struct device_list: PCI functions of the machine, as in
			    * pci:00:03.0 */
	SETTING_SERIAL, /* struct l0_serial: a UART of the machine, as in pci:02:00.0,115200 */
	SETTING_ORDER, /* words, each once: index + 1 in 8 bits each, the first lowest; 0: none;
			    * as in cdrom,disk */
	/* Texts of any length: only the host tool has such rows, and reads them itself. */
	SETTING_LINE, /* const char *: printable text of at most max bytes */
	SETTING_FILE  /* struct place: a file name, or one of words */
};

struct setting {
	const char *key; /* in L0's command line and those of modules; NULL: not there */
	const char
		*name; /* in scenario files, and with -- in front an option; NULL: not there */
	enum setting_kind kind;
	unsigned offset, size; /* of the value in its structure: SETTING_AT() */
	uint64_t min, max;
	uint64_t unit;
	uint64_t initial;         /* the default; of SETTING_FEATURES: features_default() */
	const char *const *words; /* end with NULL */
	const struct feature_family *family; /* of SETTING_FEATURES */
	const char *help;
};

#define SETTING_AT(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* Enough for each text that says what a value must be. */
#define SETTING_TEXT_SIZE 1920

/* Why a text is refused. */
struct refusal {
	struct text where; /* the word at fault */
	char why[SETTING_TEXT_SIZE];
};

/* Fills in the reason. Returns false, for the caller to return. */
__attribute__((format(printf, 3, 4))) bool refusal_set(
	struct refusal *r, struct text where, const char *format, ...);

/* Gives the values of all rows their defaults. */
void settings_init(const struct setting *table, void *object);

/*
 * Parses value by the row and stores it. False: nothing is stored, and must (of
 * SETTING_TEXT_SIZE bytes) says what the value must be. Not for SETTING_LINE and SETTING_FILE.
 */
bool setting_parse(const struct setting *s, struct text value, void *object, char *must);

/* The same for a word KEY=VALUE and the row with that key. All rows have one. */
bool settings_parse(
	const struct setting *table, struct text word, void *object, struct refusal *r);

/* What a value must be, for messages and help: "a number from 1 to 8". Cut at size. */
void setting_describe(const struct setting *s, char *buf, size_t size);

/*
 * The value as a text that setting_parse() takes for the same value; returns its length. Cut at
 * size, which SETTING_TEXT_SIZE is always enough for.
 */
size_t setting_format(const struct setting *s, const void *object, char *buf, size_t size);

/*
 * " KEY=VALUE" for each row whose value is not its default; returns the length. Cut at size.
 */
size_t settings_format(const struct setting *table, const void *object, char *buf, size_t size);

/* Whether the value is the row's default. */
bool setting_is_default(const struct setting *s, const void *object);

#endif
