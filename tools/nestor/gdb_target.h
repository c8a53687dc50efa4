/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GDB's packets ask of a VM, as requests to its run. The socket of GDB is not here
 * (gdb.h).
 */
#ifndef NESTOR_GDB_TARGET_H
#define NESTOR_GDB_TARGET_H

#include "client_link.h"
#include "gdb_packet.h"
#include "gdb_regs.h"

enum gdb_then {
	GDB_STAY,     /* the answer is in out */
	GDB_GOES_ON,  /* the VM runs: no answer until it stands still again */
	GDB_DETACHED, /* the answer is in out, and the VM goes on */
	GDB_KILLED,   /* no answer; the VM goes on */
};

/* Why a vCPU stands still, as `stops` tells it. */
struct gdb_stop {
	bool any;
	uint64_t at;
	char why[12];
};

/* The breakpoints that GDB calls software breakpoints: it wants to hear that word again. L0 has
 * no more. */
#define GDB_SOFT 256u

struct gdb_target {
	struct client_link *link;
	struct error *e; /* its status is not 0 when the run cannot be reached any more */
	char vm[LIMIT_NAME];
	unsigned vcpu, cpus;
	unsigned level; /* 0: that where the vCPU is */
	uint64_t l2;    /* breakpoints count only in this L2, as `regs` calls it; 0: in all */
	uint64_t restarts;                 /* of the VM, when GDB came */
	struct gdb_stop stop[LIMIT_VCPUS]; /* that GDB has not heard of */
	uint64_t soft[GDB_SOFT];
	unsigned softs;
	bool ours;             /* it stands still because GDB wants that */
	bool ended;            /* the VM runs no more */
	char why[MANAGE_LINE]; /* the last request was refused */
	bool fpu_known;        /* fpu has what the selected vCPU has */
	struct gdb_fpu fpu;
	bool no_ack; /* GDB wants packets without `+` */
	char out[GDB_PACKET];
	size_t size;
	/* Text for GDB's console, before the answer. */
	void (*tell)(void *context, const char *data, size_t size);
	void *context;
};

/* Finds the VM, of VM[:VCPU]. */
int gdb_target_open(struct gdb_target *t, const char *vm);

/* The VM stands still: out is why, for GDB. @signal: if it does because of this call. */
void gdb_target_stop(struct gdb_target *t, unsigned signal);
/*
 * Takes what the run has said by itself. False: it is not there any more, which t->e says
 * (STATUS_HOST_ERROR).
 */
bool gdb_target_drain(struct gdb_target *t);
/* It stands still, for a breakpoint or without GDB, or has ended: out is filled. */
bool gdb_target_stopped(struct gdb_target *t);
/* Nothing of GDB's is left in L0: breakpoints, steps. */
void gdb_target_clear(struct gdb_target *t);
/* It goes on, if GDB is why it stands still. */
void gdb_target_go(struct gdb_target *t);

/* Serves a packet of GDB, of any bytes, with a 0 behind them. */
enum gdb_then gdb_target_packet(struct gdb_target *t, const char *data, size_t size);

#endif
