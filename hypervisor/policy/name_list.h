/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of names, NAME[,NAME...], all different: the ports of a VM, byte streams beside its
 * console, as its settings say; the networks of a run.
 */
#ifndef NESTOR_POLICY_NAME_LIST_H
#define NESTOR_POLICY_NAME_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/text.h"

struct port_list {
	uint32_t count;
	char name[LIMIT_PORTS][LIMIT_NAME];
};

struct network_list {
	uint32_t count;
	char name[LIMIT_NETWORKS][LIMIT_NAME];
};

/* The number of the name among so many; count: it is not there. */
unsigned name_list_find(const char *names, uint32_t count, struct text name);

/*
 * For setting.c: names, LIMIT_NAME bytes each, `most` at most, from their text, and back.
 * False: *must (SETTING_TEXT_SIZE) says why.
 */
bool name_list_parse(
	struct text value, char *names, uint32_t most, uint32_t *count, char *must);
size_t name_list_format(const char *names, uint32_t count, char *buf, size_t size);

#endif
