/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's command line.
 */
#ifndef NESTOR_POLICY_OPTIONS_H
#define NESTOR_POLICY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/l0_machine.h"
#include "lib/l0_selftest.h"
#include "lib/l0_serial.h"
#include "lib/log_level.h"
#include "policy/name_list.h"
#include "policy/setting.h"

struct options {
	uint8_t log; /* enum log_level */
	bool mux;
	bool ram_zeroed;
	uint8_t machine;  /* enum l0_machine */
	bool explain;     /* control records of refused VM entries and VMX instructions */
	uint32_t tsc_khz; /* 0: find out */
	uint32_t maxcpus;
	bool requests; /* the host tool asks by the first serial port (cpu/request.h) */
	bool media;    /* the host tool lends media by a disk (cpu/media.h) */
	bool keep;     /* VMs that ended can be begun again; the run ends when asked */
	struct network_list networks; /* that there are, whether VMs are on them or not */
	uint32_t places;     /* VMs that there may be at a time; 0: those of the modules */
	bool screens;        /* the pictures of displays, when a VM ends (vm/screen.h) */
	bool trace;          /* VMs are traced from their start (vm/trace.h) */
	bool posted;         /* posted interrupts even on a machine that delays notifications */
	uint8_t selftest;    /* enum l0_selftest */
	uint8_t mitigations; /* enum mitigation_mode */
	uint8_t threads;     /* enum l0_threads */
	uint8_t code_pages;  /* enum l0_code_pages */
	uint8_t branches;    /* enum l0_branches */
	struct l0_serial serial;
	uint8_t nmi;              /* enum l0_nmi */
	uint8_t dma;              /* enum l0_dma */
	uint8_t at_end;           /* enum l0_end */
	uint8_t preemption_timer; /* enum l0_preemption_timer */
	uint8_t idle;             /* enum l0_idle */
	uint8_t performance;      /* enum l0_performance */
	uint32_t watchdog; /* seconds that a CPU may stand still in L0; 0: nobody looks */
	uint64_t epoch;    /* time of day at the start, seconds since 1970; 0: the machine's */
	uint64_t limit;    /* host TSC at which VMs are stopped; UINT64_MAX: never */
};

/* A row each; all have keys. */
extern const struct setting option_settings[];

/*
 * Reads words off *line into o. False: r tells of one that is none; it is left out, and what is
 * behind it is left in *line. The caller gives the defaults before: settings_init().
 */
bool options_parse(struct text *line, struct options *o, struct refusal *r);

#endif
