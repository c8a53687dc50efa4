/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin nestorspec: a processor that is vulnerable, or free, as a run says, and a trace of
 * what is executed against that. See docs/machine-speculation.md.
 */
#ifndef NESTOR_TOOLS_BOCHS_SPECULATION_H
#define NESTOR_TOOLS_BOCHS_SPECULATION_H

#include <stdbool.h>
#include <stdint.h>

#define SPECULATION_NAME "nestorspec"
#define SPECULATION_CPUS 16u /* as many as Bochs has timers for */

/* ---- bochs_speculation_trace.c ---- */

/* Every record goes to this file, from now on. Ends Bochs if it cannot be written. */
void trace_start(const char *path);
/* A WRMSR that was done, by an instruction or an MSR list of a VMCS. No trace: nothing. */
void trace_wrmsr(unsigned cpu, uint32_t msr, uint64_t value, bool by_list);

#endif
