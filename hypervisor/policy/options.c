/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/options.h"

#include <stddef.h>

#include "lib/l0_dma.h"
#include "lib/l0_end.h"
#include "lib/l0_nmi.h"
#include "lib/l0_power.h"
#include "lib/limits.h"
#include "policy/mitigations.h"

static const char *const log_words[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
	NULL,
};

static const char *const machine_words[] = {
	[L0_MACHINE_NONE] = "none",
	[L0_MACHINE_BOCHS] = "bochs",
	[L0_MACHINE_QEMU] = "qemu",
	NULL,
};

static const char *const ram_words[] = {"any", "zeroed", NULL};
static const char *const selftest_words[] = {
	[L0_SELFTEST_NONE] = "none",
	[L0_SELFTEST_FAULT] = "fault",
	[L0_SELFTEST_STATE] = "state",
	[L0_SELFTEST_DEBUGGER] = "debugger",
	[L0_SELFTEST_PAGES] = "pages",
	[L0_SELFTEST_MCE] = "machine-check",
	[L0_SELFTEST_MCE_FATAL] = "fatal-machine-check",
	[L0_SELFTEST_MEMORY] = "bad-memory",
	[L0_SELFTEST_NMI] = "nmi",
	[L0_SELFTEST_TSC] = "tsc",
	[L0_SELFTEST_DRIFT] = "drift",
	[L0_SELFTEST_STALL] = "stall",
	NULL,
};

static const char *const nmi_words[] = {
	[L0_NMI_LOG] = "log",
	[L0_NMI_PASS] = "pass",
	[L0_NMI_STOP] = "stop",
	NULL,
};

static const char *const dma_words[] = {
	[L0_DMA_STOP] = "stop",
	[L0_DMA_LEAVE] = "leave",
	NULL,
};

static const char *const end_words[] = {
	[L0_END_HALT] = "halt",
	[L0_END_RESET] = "reset",
	[L0_END_OFF] = "off",
	NULL,
};

static const char *const mitigation_words[] = {
	[MITIGATIONS_AUTO] = "auto",
	[MITIGATIONS_OFF] = "off",
	[MITIGATIONS_NOSMT] = "nosmt",
	[MITIGATIONS_STRICT] = "strict",
	NULL,
};

static const char *const thread_words[] = {
	[L0_THREADS_ONE_VM] = "one-vm",
	[L0_THREADS_ANY] = "any",
	NULL,
};

static const char *const code_page_words[] = {
	[L0_CODE_PAGES_AUTO] = "auto",
	[L0_CODE_PAGES_SMALL] = "small",
	[L0_CODE_PAGES_LARGE] = "large",
	NULL,
};

static const char *const branch_words[] = {
	[L0_BRANCHES_AUTO] = "auto",
	[L0_BRANCHES_THUNKS] = "thunks",
	NULL,
};

static const char *const preemption_timer_words[] = {
	[L0_PREEMPTION_TIMER_AUTO] = "auto",
	[L0_PREEMPTION_TIMER_OFF] = "off",
	NULL,
};

static const char *const idle_words[] = {
	[L0_IDLE_AUTO] = "auto",
	[L0_IDLE_HLT] = "hlt",
	[L0_IDLE_C1] = "c1",
	[L0_IDLE_DEEP] = "deep",
	NULL,
};

static const char *const performance_words[] = {
	[L0_PERFORMANCE_FIRMWARE] = "firmware",
	[L0_PERFORMANCE_BALANCED] = "balanced",
	[L0_PERFORMANCE_MOST] = "most",
	NULL,
};

#define ROW(key, kind, member) key, NULL, kind, SETTING_AT(struct options, member)

const struct setting option_settings[] = {
	{"log", "log", SETTING_CHOICE, SETTING_AT(struct options, log), .words = log_words,
		.initial = LOG_INFO, .help = "what Nestor logs"},
	{ROW("mux", SETTING_SWITCH, mux), .help = "output in frames, for the host tool"},
	{ROW("ram", SETTING_CHOICE, ram_zeroed), .words = ram_words,
		.help = "memory is known to be zero at the start"},
	{ROW("machine", SETTING_CHOICE, machine), .words = machine_words,
		.initial = L0_MACHINE_NONE,
		.help = "the machine that this is: how it is turned off, and its quirks"},
	{ROW("explain", SETTING_SWITCH, explain),
		.help = "say why VM entries and VMX instructions failed"},
	{ROW("tsc_khz", SETTING_NUMBER, tsc_khz), .max = UINT32_MAX,
		.help = "frequency of the TSC; 0: find it out"},
	{ROW("maxcpus", SETTING_NUMBER, maxcpus), .max = UINT32_MAX, .initial = UINT32_MAX,
		.help = "CPUs that are used at most"},
	{ROW("posted", SETTING_SWITCH, posted),
		.help = "posted interrupts even on a machine that delays notifications"},
	{ROW("requests", SETTING_SWITCH, requests),
		.help = "the host tool may ask for an end, and type at consoles, by the first serial port"},
	{ROW("media", SETTING_SWITCH, media),
		.help = "the first drive of the second IDE channel is where the host tool puts what CD-ROM drives are given while the run goes"},
	{ROW("keep", SETTING_SWITCH, keep),
		.help = "VMs that ended can be begun again; the run ends when it is asked to"},
	{ROW("networks", SETTING_NAMES, networks),
		.help = "networks that VMs may be put on while the run goes, beside those that a VM is on from its start"},
	{ROW("places", SETTING_NUMBER, places), .max = LIMIT_VMS,
		.help = "VMs that there may be at a time, with those that are defined later; 0: as many as modules describe"},
	{ROW("screens", SETTING_SWITCH, screens),
		.help = "send the host tool what each display shows when its VM ends"},
	{ROW("trace", SETTING_SWITCH, trace),
		.help = "trace all VMs from their start; `nestor trace` has what they did last"},
	{ROW("epoch", SETTING_NUMBER, epoch), .max = UINT64_MAX,
		.help = "time of day at the start, in seconds since 1970; 0: the machine's"},
	{ROW("limit", SETTING_NUMBER, limit), .max = UINT64_MAX, .initial = UINT64_MAX,
		.help = "TSC at which all VMs are stopped"},
	{ROW("nmi", SETTING_CHOICE, nmi), .words = nmi_words,
		.help = "what an NMI of the hardware does: a line of the log, the same and an NMI for the first VM, the end of all"},
	{ROW("dma", SETTING_CHOICE, dma), .words = dma_words,
		.help = "devices of the machine that no VM has and firmware has left running: they reach no memory, by the machine's IOMMU or turned off (stop), or go on, where no VM needs the IOMMU (leave)"},
	{ROW("at-end", SETTING_CHOICE, at_end), .words = end_words,
		.help = "what becomes of the machine at the end of a run: it is powered off as machine= says, or stands still (halt), begins anew (reset), or is switched off as firmware's tables say (off)"},
	{ROW("mitigations", SETTING_CHOICE, mitigations), .words = mitigation_words,
		.help = "against vulnerabilities of speculative execution: what the processor needs (auto), that and one thread of each core (nosmt), that and no second VM where something stays open (strict), nothing (off)"},
	{ROW("serial", SETTING_SERIAL, serial),
		.help = "the UART for output: what firmware names, else the first one (auto), one of four, one in memory or on PCI, or none"},
	{ROW("threads", SETTING_CHOICE, threads), .words = thread_words,
		.help = "what threads of a core run at a time: vCPUs of one VM, or of any"},
	{ROW("code-pages", SETTING_CHOICE, code_pages), .words = code_page_words,
		.help = "pages that guests execute: small ones where the processor needs it (auto, iTLB multihit), always (small), large ones, too (large)"},
	{ROW("branches", SETTING_CHOICE, branches), .words = branch_words,
		.help = "Nestor's own indirect branches and returns: in aligned thunks where the processor needs it (auto, Indirect Target Selection), or always (thunks)"},
	{ROW("preemption_timer", SETTING_CHOICE, preemption_timer),
		.words = preemption_timer_words,
		.help = "what ends a vCPU's time: the VMX-preemption timer, where the processor has one without errata (auto), or the local APIC's timer (off)"},
	{ROW("idle", SETTING_CHOICE, idle), .words = idle_words,
		.help = "how CPUs wait that have nothing to run: MWAIT where there is one, deeper states for long sleeps (auto), HLT, no state behind C1, or deeper ones soon"},
	{ROW("performance", SETTING_CHOICE, performance), .words = performance_words,
		.help = "the processor's speed: as firmware has set it, chosen by the processor (balanced), or the most that it has"},
	{ROW("watchdog", SETTING_NUMBER, watchdog), .max = 3600, .initial = 10,
		.help = "seconds after which a CPU that stands still in Nestor is told of; 0: never"},
	{ROW("selftest", SETTING_CHOICE, selftest), .words = selftest_words,
		.help = "fault: take a page fault at the start; state: put each vCPU's state back all the time"},
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
