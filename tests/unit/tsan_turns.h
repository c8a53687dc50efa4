/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests in threads, where a lock is released: there another thread gets its turn now and
 * then, so that it meets what this one still does with what the lock no longer keeps. Left to
 * the host's scheduler, such a race shows itself once in hundreds of runs.
 */
#ifndef NESTOR_TESTS_TSAN_TURNS_H
#define NESTOR_TESTS_TSAN_TURNS_H

#include <sched.h>
#include <stdint.h>
#include <threads.h>

static inline void give_turn(void)
{
	static _Thread_local uint64_t state;

	if (state == 0) /* each thread its own */
		state = (uintptr_t)&state;
	state = state * 6364136223846793005u + 1442695040888963407u;
	if (state >> 58 == 0)
		thrd_sleep(&(struct timespec){.tv_nsec = 1000}, NULL);
	else if (state >> 61 == 0)
		sched_yield();
}

#endif
