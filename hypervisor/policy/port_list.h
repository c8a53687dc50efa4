/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of a VM, byte streams beside its console, as its settings say: NAME[,NAME...].
 */
#ifndef NESTOR_POLICY_PORT_LIST_H
#define NESTOR_POLICY_PORT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/text.h"

struct port_list {
	uint32_t count;
	char name[LIMIT_PORTS][LIMIT_NAME]; /* all different */
};

/* The number of the port of this name; l->count: there is none. */
unsigned port_list_find(const struct port_list *l, struct text name);

/* For setting.c: a list from its text, and back. False: *must (SETTING_TEXT_SIZE) says why. */
bool port_list_parse(struct text value, struct port_list *l, char *must);
size_t port_list_format(const struct port_list *l, char *buf, size_t size);

#endif
