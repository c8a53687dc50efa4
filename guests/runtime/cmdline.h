/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a payload's command line, which spaces separate: `name=value`, or a word
 * alone. Words that nobody asks for do not matter; the line may begin with the image's name.
 */
#ifndef NESTOR_GUESTS_RUNTIME_CMDLINE_H
#define NESTOR_GUESTS_RUNTIME_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

/* Is this word there? */
bool cmdline_flag(const char *word);
/* The decimal number behind `name=`; `otherwise` where the name is not there. */
uint64_t cmdline_number(const char *name, uint64_t otherwise);

#endif
