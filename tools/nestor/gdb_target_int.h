/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that serve GDB's packets share. */
#ifndef NESTOR_GDB_TARGET_INT_H
#define NESTOR_GDB_TARGET_INT_H

#include "gdb_target.h"

#define ERROR_STATE "E16"

/* Adds to the answer, as far as there is room. */
__attribute__((format(printf, 2, 3))) void gdb_put(
	struct gdb_target *t, const char *format, ...);

/* The same in hexadecimal. */
void gdb_put_hex(struct gdb_target *t, const char *text);

/* A request to the run. False: refused, or there is no run any more. */
__attribute__((format(printf, 5, 6))) bool gdb_ask(struct gdb_target *t, const char *word,
	client_item item, void *context, const char *format, ...);
/* For a request without items that matter. */
void gdb_no_item(void *context, const char *line);

/* The number of the vCPU of a thread, of all of @p up to @end. */
bool gdb_thread(const struct gdb_target *t, const char *p, const char *end, unsigned *vcpu);

/* ---- gdb_target.c ---- */

/* The answer is that the VM has ended. */
void gdb_put_end(struct gdb_target *t);
/* The registers of x87, SSE and AVX of the selected vCPU. */
const struct gdb_fpu *gdb_fpu(struct gdb_target *t);
/* GDB's user wants the VM to go on, whoever made it stand still. */
enum gdb_then gdb_go_on(struct gdb_target *t, const char *which);

/* ---- gdb_monitor.c ---- */

/* `qRcmd`: a command in hexadecimal digits. */
void gdb_monitor(struct gdb_target *t, const char *hex);

/* ---- gdb_run.c ---- */

/* The VM stands still: which vCPUs do for GDB. */
void gdb_take_stops(struct gdb_target *t);
/* Whether GDB has not heard of one; it is the answer then, and its vCPU the selected one. */
bool gdb_put_next_stop(struct gdb_target *t);

/* Packets `s` and `c`, and what follows `vCont`. */
enum gdb_then gdb_step(struct gdb_target *t);
enum gdb_then gdb_continue(struct gdb_target *t);
enum gdb_then gdb_vcont(struct gdb_target *t, const char *p);
/* `Z` (@set) and `z`: TYPE,ADDRESS,KIND. */
void gdb_point(struct gdb_target *t, const char *p, bool set);
/* `P`: NUMBER=VALUE */
void gdb_write_register(struct gdb_target *t, const char *p);

#endif
