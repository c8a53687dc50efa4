/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a running VM, into a file; see trace.h. */
#ifndef NESTOR_TRACE_RECORD_H
#define NESTOR_TRACE_RECORD_H

#include <stdint.h>

#include "status.h"

struct trace_wish {
	const char *at, *vm; /* the run's socket; the VM's name */
	uint64_t seconds;
	unsigned level; /* 0: any */
	int reason;     /* -1: any */
	uint64_t low, high;
	const char *output;
};

struct trace_result {
	unsigned vcpus;
	uint64_t records, lost;
};

/*
 * Begins a trace of all vCPUs of the VM, reads it while it goes on, and ends it. What came
 * before an error is in the file.
 */
int trace_record_vm(const struct trace_wish *w, struct trace_result *r, struct error *e);

#endif
