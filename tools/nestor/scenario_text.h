/* SPDX-License-Identifier: Apache-2.0 */
/* What a scenario file must be before it is read as one. */
#ifndef NESTOR_SCENARIO_TEXT_H
#define NESTOR_SCENARIO_TEXT_H

#include <stddef.h>

#include "status.h"

/*
 * Refuses what libyaml would take too long for. What is no YAML is left to whoever reads it.
 * @path: for messages.
 */
int scenario_check_text(const char *path, const char *text, size_t size, struct error *e);

#endif
