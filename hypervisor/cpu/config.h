/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's configuration: what its command line says, and the machine that it names. The one place
 * for it: modules read it here and keep no copy.
 */
#ifndef NESTOR_CPU_CONFIG_H
#define NESTOR_CPU_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/log.h"
#include "cpu/machine.h"
#include "lib/l0_dma.h"
#include "lib/l0_end.h"
#include "lib/l0_mitigations.h"
#include "lib/l0_nmi.h"
#include "lib/l0_power.h"
#include "lib/l0_selftest.h"
#include "lib/l0_serial.h"

struct l0_config {
	enum log_level log; /* messages above it are dropped */
	bool mux;           /* the output stream has channels */
	bool explain;       /* control records of what was refused to guests, and why */
	bool requests;      /* the host tool asks by the first serial port */
	bool media;         /* the host tool lends media by a disk */
	bool keep;          /* VMs that ended can be begun again; the run ends when asked */
	unsigned places; /* VMs that there may be at a time; 0: those that modules describe */
	bool screens;    /* what displays show when their VMs end goes to the host tool */
	bool trace;      /* VMs are traced from their start */
	bool posted;     /* posted interrupts even where notifications come late */
	bool ram_zeroed; /* free memory is known to be zero */
	enum l0_selftest selftest;
	enum mitigation_mode mitigations;
	enum l0_threads threads;
	enum l0_code_pages code_pages;
	enum l0_branches branches;
	struct l0_serial serial;
	enum l0_nmi nmi;
	enum l0_dma dma;
	enum l0_end at_end;
	enum l0_preemption_timer preemption_timer;
	enum l0_idle idle;
	enum l0_performance performance;
	uint32_t watchdog; /* seconds that a CPU may stand still in L0; 0: nobody looks */
	uint32_t tsc_khz;  /* 0: find out */
	uint32_t max_cpus;
	uint64_t epoch; /* time of day at the start, seconds since 1970; 0: the machine's */
	uint64_t time_limit; /* host TSC at which all VMs are stopped, as in error, with their
			      * state in the log; UINT64_MAX: never */
	struct machine machine; /* a copy: handlers of exits ask for its quirks */
};

/*
 * Constant after config_set, but for an end that is asked for; before, plain output without end
 * on no machine that is known.
 */
const struct l0_config *l0_config(void);

/* The one thing of it that changes (config_stop), on any CPU. */
static inline uint64_t l0_time_limit(void)
{
	return __atomic_load_n(&l0_config()->time_limit, __ATOMIC_RELAXED);
}

/* Once, boot CPU, while no other CPU runs. */
void config_set(const struct l0_config *config);

/*
 * The time limit is over for all CPUs, because the host tool asks for it: it is 0 from now on.
 */
void config_stop(void);

#endif
