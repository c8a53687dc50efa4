/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of settings: rows and what follows from them (setting.c), values that are
 * lists of numbers as text (setting_lists.c).
 */
#ifndef NESTOR_POLICY_SETTING_INT_H
#define NESTOR_POLICY_SETTING_INT_H

#include "lib/cpu_set.h"
#include "policy/setting.h"

/* Takes off *rest what is before the separator, and it. False: it is the last one. */
bool setting_cut(struct text *rest, char separator, struct text *before);

/* False: the text is none; the value is not to be used then. */
bool setting_parse_cpu_list(struct text v, struct cpu_set *cpus);
bool setting_parse_mac(struct text v, uint64_t *mac);

/* The length, as in setting_format. */
size_t setting_put_cpu_list(const struct cpu_set *cpus, char *buf, size_t size);
size_t setting_put_mac(uint64_t mac, char *buf, size_t size);

#endif
