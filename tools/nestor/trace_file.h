/* SPDX-License-Identifier: Apache-2.0 */
/* Files of traces (docs/trace.md): written as records come, read as a whole. */
#ifndef NESTOR_TRACE_FILE_H
#define NESTOR_TRACE_FILE_H

#include <stdio.h>

#include "arena.h"
#include "bytes.h"
#include "lib/limits.h"
#include "lib/trace.h"
#include "status.h"

/* What begins a file, and what begins a piece of it. */
struct trace_head {
	uint64_t tsc_khz;
	char vm[LIMIT_NAME];
};

struct trace_chunk {
	uint32_t vcpu, count;
	uint64_t first; /* number of the first record */
	uint64_t lost;  /* so many before it were overwritten before they were read */
};

/* A record where it belongs. */
struct trace_event {
	struct trace_record r;
	uint64_t number;
	size_t place;  /* in the file */
	uint64_t lost; /* before it; UINT64_MAX: nobody knows, the file has a gap */
};

struct trace_file {
	struct trace_head head;
	struct trace_event *events; /* in the order of time; of a vCPU, of their numbers */
	size_t count;
	uint64_t lost[LIMIT_VCPUS];
};

/* For a writer; out has TRACE_HEADER_SIZE and TRACE_CHUNK_SIZE bytes. */
void trace_file_put_head(const struct trace_head *h, uint8_t *out);
void trace_file_put_chunk(const struct trace_chunk *c, uint8_t *out);

/*
 * Total: any bytes are a trace or get an error that says where what is wrong. Each record has a
 * known kind, a level and a vCPU; times of a vCPU do not go back. @path is for errors.
 */
int trace_file_parse(struct arena *a, const char *path, const struct bytes *content,
	struct trace_file *out, struct error *e);

#endif
