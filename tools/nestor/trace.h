/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor trace`: what the vCPUs of a VM do, record by record, into a file; and what such a
 * file has, offline (docs/trace.md).
 */
#ifndef NESTOR_TRACE_H
#define NESTOR_TRACE_H

#include "status.h"

void trace_help(void);

/* The verb `trace`; returns the exit status. */
int trace_main(int argc, char **argv, struct error *e);

#endif
