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
