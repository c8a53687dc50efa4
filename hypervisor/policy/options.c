#include "policy/options.h"

#include <stddef.h>

static const char *const log_words[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
	NULL,
};

static const char *const poweroff_words[] = {
	[POWEROFF_NONE] = "none",
	[POWEROFF_BOCHS] = "bochs",
	[POWEROFF_QEMU] = "qemu",
	NULL,
};

static const char *const ram_words[] = {"any", "zeroed", NULL};
static const char *const selftest_words[] = {"none", "fault", NULL};

#define ROW(key, kind, member) key, NULL, kind, SETTING_AT(struct options, member)

const struct setting option_settings[] = {
	{"log", "log", SETTING_CHOICE, SETTING_AT(struct options, log), .words = log_words,
		.initial = LOG_INFO, .help = "what Nestor logs"},
	{ROW("mux", SETTING_SWITCH, mux), .help = "output in frames, for the host tool"},
	{ROW("ram", SETTING_CHOICE, ram_zeroed), .words = ram_words,
		.help = "memory is known to be zero at the start"},
	{ROW("poweroff", SETTING_CHOICE, poweroff), .words = poweroff_words,
		.initial = POWEROFF_NONE, .help = "how the machine is turned off"},
	{ROW("explain", SETTING_SWITCH, explain),
		.help = "say why VM entries and VMX instructions failed"},
	{ROW("tsc_khz", SETTING_NUMBER, tsc_khz), .max = UINT32_MAX,
		.help = "frequency of the TSC; 0: measure it"},
	{ROW("maxcpus", SETTING_NUMBER, maxcpus), .max = UINT32_MAX, .initial = UINT32_MAX,
		.help = "CPUs that are used at most"},
	{ROW("posted", SETTING_SWITCH, posted),
		.help = "posted interrupts even on a machine that delays notifications"},
	{ROW("epoch", SETTING_NUMBER, epoch), .max = UINT64_MAX,
		.help = "time of day at the start, in seconds since 1970; 0: the machine's"},
	{ROW("limit", SETTING_NUMBER, limit), .max = UINT64_MAX, .initial = UINT64_MAX,
		.help = "TSC at which all VMs are stopped"},
	{ROW("selftest", SETTING_CHOICE, selftest_fault), .words = selftest_words,
		.help = "fault: take a page fault at the start"},
	{.kind = SETTING_END},
};

bool options_parse(struct text *line, struct options *o, struct refusal *r)
{
	struct text word;

	while ((word = text_word(line)).len > 0)
		if (!settings_parse(option_settings, word, o, r))
			return false;
	return true;
}
