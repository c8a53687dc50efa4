/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the payload vtd_rules. */
#ifndef NESTOR_TESTS_VTD_RULES_H
#define NESTOR_TESTS_VTD_RULES_H

#include <stdint.h>

/* With the queue on. */
void rules_of_the_queue(void);
/* And translation off. */
void rules_of_interrupts(void);

/* As expect(), with a name of two parts: lines that differ are told apart by their names. */
void expect_of(const char *of, const char *what, uint64_t got, uint64_t want);

#endif
