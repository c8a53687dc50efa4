/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stress payloads share: `seed=N count=N cpus=N` of the command line, random numbers, the
 * verdict. A payload checks its invariants itself; what it prints at the end is `ok`, or what
 * broke.
 */
#ifndef NESTOR_TESTS_STRESS_H
#define NESTOR_TESTS_STRESS_H

#include <stdint.h>

#include "cpu.h"
#include "random.h"
#include "rt.h"
#include "smp.h"
#include "vmx.h"

struct stress {
	uint64_t seed, count;
	unsigned cpus;
};

extern struct stress stress;

/* Reads the command line; count is what it has when nothing is said. Starts the processors. */
void stress_start(uint64_t count);

/* For random_next: a sequence of its own for each user. */
uint64_t stress_seed(unsigned user);

/* An invariant does not hold: says so, once, and ends the payload. */
_Noreturn void stress_broke(const char *what, uint64_t found, uint64_t wanted);

/* Ends payload_main. */
int stress_ok(void);

#endif
