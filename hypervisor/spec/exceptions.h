/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of an exception that occurs while an event is being delivered (SDM 6.15
 * "Exception and Interrupt Reference", tables 6-4 and 6-5).
 */
#ifndef NESTOR_SPEC_EXCEPTIONS_H
#define NESTOR_SPEC_EXCEPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* 6.13 "Error Code": the event did not come from the program */
#define ERROR_EXT 1u

enum exception_outcome {
	OUTCOME_SERIAL,  /* the second one is delivered, the first is dropped */
	OUTCOME_DOUBLE,  /* a double fault instead of both */
	OUTCOME_SHUTDOWN /* triple fault */
};

/*
 * first: the event being delivered, as in the IDT-vectoring information (24.9.3); when it is
 * not valid the outcome is OUTCOME_SERIAL. second: the vector of the exception.
 */
enum exception_outcome exception_combine(uint32_t first, uint8_t second);

/*
 * DR6 after a debug exception with these conditions (17.2.3 "Debug Status Register (DR6)"): of
 * those in the register before, B0 to B3 go and the others stay. An exit qualification has the
 * same bits (table 27-1).
 */
uint64_t dr6_after(uint64_t dr6, uint64_t conditions);

#endif
