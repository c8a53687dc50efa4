/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/exits.h"

#include <stddef.h>

#define LENGTH EXIT_DEFINES_LENGTH
#define INFO   EXIT_DEFINES_INFO
#define LINEAR EXIT_DEFINES_LINEAR

const struct exit_reason_row exit_reasons[EXIT_REASON_COUNT] = {
#define X(number, name, defines) [EXIT_##name] = {#name, defines},
#include "spec/exit_reasons.def"
};

const char *exit_reason_name(uint32_t reason)
{
	if (reason >= EXIT_REASON_COUNT || exit_reasons[reason].name == NULL)
		return "unknown";
	return exit_reasons[reason].name;
}

enum exit_unasked exit_unasked(uint32_t reason)
{
	switch (reason) {
	case EXIT_INIT: /* of the machine, like the following */
	case EXIT_SIPI:
	case EXIT_IO_SMI:
	case EXIT_OTHER_SMI:
	case EXIT_INTERRUPT_WINDOW:
	case EXIT_NMI_WINDOW:
	case EXIT_MTF:
	case EXIT_TPR_BELOW_THRESHOLD: /* traps: the instruction is complete */
	case EXIT_VIRTUALIZED_EOI:
	case EXIT_APIC_WRITE:
	case EXIT_PREEMPTION_TIMER:
	case EXIT_PML_FULL:
	case EXIT_BUS_LOCK:
	case EXIT_NOTIFY:
		return UNASKED_GO_ON;
	case EXIT_INVALID_GUEST_STATE:
	case EXIT_MSR_LOADING:
	case EXIT_MACHINE_CHECK_ENTRY:
	case EXIT_EPT_VIOLATION:
	case EXIT_EPT_MISCONFIG:
	case EXIT_SPP_EVENT:
		return UNASKED_BROKEN;
	default:
		return UNASKED_UNDEFINED;
	}
}
