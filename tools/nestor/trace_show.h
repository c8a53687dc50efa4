/* SPDX-License-Identifier: Apache-2.0 */
/* A trace for people, for programs, and for Perfetto's and Chrome's viewers of traces. */
#ifndef NESTOR_TRACE_SHOW_H
#define NESTOR_TRACE_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "trace_file.h"

/* A line a record; and where some were lost, one that says so. */
void trace_show_text(FILE *out, const struct trace_file *f);
/* The same as an object a line: docs/trace.md has its keys. */
void trace_show_json(FILE *out, const struct trace_file *f);
/* What L1 did between an exit of its L2 and the next entry, by the reason of that exit. */
void trace_show_summary(FILE *out, const struct trace_file *f);

/*
 * JSON of Chrome's trace events: a process a vCPU, with the tracks L0, L1 and L2. Slices of a
 * track nest, and times do not go back, whatever the records are.
 */
void trace_show_perfetto(FILE *out, const struct trace_file *f);

/* Has the kind this field? */
bool trace_has_info(unsigned kind);

#endif
