/*
 * L0's command line.
 */
#ifndef NESTOR_POLICY_OPTIONS_H
#define NESTOR_POLICY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/text.h"

struct options {
	uint8_t log; /* enum log_level */
	bool mux;
	bool ram_zeroed;
	uint8_t poweroff; /* enum power_mode */
	bool explain;     /* control records of refused VM entries and VMX instructions */
	uint32_t tsc_khz; /* 0: find out */
	uint32_t maxcpus;
	bool posted; /* posted interrupts even on a machine that delays notifications */
	bool selftest_fault;
	uint64_t epoch; /* time of day at the start, seconds since 1970; 0: the machine's */
	uint64_t limit; /* host TSC at which VMs are stopped; UINT64_MAX: never */
};

/* The word that could not be understood, for the message; called once per such word. */
typedef void (*options_error_fn)(struct text word);

/* Defaults, then the words of the line in order. Pure. */
void options_parse(struct text line, struct options *o, options_error_fn bad);

#endif
