/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM makes L0 say: lines of the log and control records. A guest decides how often, so
 * each VM has a budget for either, which outlives its restarts; a line says how many were left
 * out.
 */
#ifndef NESTOR_VM_VM_LOG_H
#define NESTOR_VM_VM_LOG_H

#include <stdbool.h>

#include "cpu/log.h"

struct vm;

/* A line of the log, like log_line; the budget pays for those of the levels that are shown. */
void vm_log(const struct vm *vm, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, in any address space, for a VM of this number and name. */
void vm_log_named(unsigned vm, const char *name, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* May a message of several lines be written with log_line? It counts as one. */
bool vm_may_log(const struct vm *vm);

/* May a record be written with mux_record? */
bool vm_may_record(const struct vm *vm);

/* A control record, like mux_record. */
void vm_record(const struct vm *vm, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The VM has ended: says what was left out since it was said last. */
void vm_log_end(const struct vm *vm);

#endif
