/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs look at each other: one that stands still in L0 is told of, with where it stands.
 */
#ifndef NESTOR_VM_WATCH_H
#define NESTOR_VM_WATCH_H

#include <stdint.h>

/* Looks at all other CPUs, if it is time and nobody else has. Each CPU, now and then. */
void watch_work(void);

/* Until when this CPU may sleep, who would until `deadline`: so that somebody looks. */
uint64_t watch_sleep_end(uint64_t deadline);

#endif
