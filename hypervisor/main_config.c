/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/config.h"
#include "policy/options.h"

static struct network_list networks;

const struct network_list *config_networks(void)
{
	return &networks;
}

void config_read(struct text line)
{
	static struct refusal r;
	struct options o;

	settings_init(option_settings, &o);
	while (!options_parse(&line, &o, &r))
		log_error("command line: '%.*s' is left out: %s", (int)r.where.len, r.where.s,
			r.why);
	networks = o.networks;
	config_set(&(struct l0_config){
		.log = (enum log_level)o.log,
		.mux = o.mux,
		.explain = o.explain,
		.requests = o.requests,
		.media = o.media,
		.keep = o.keep,
		.places = o.places,
		.screens = o.screens,
		.trace = o.trace,
		.posted = o.posted,
		.ram_zeroed = o.ram_zeroed,
		.selftest = (enum l0_selftest)o.selftest,
		.dma = (enum l0_dma)o.dma,
		.nmi = (enum l0_nmi)o.nmi,
		.at_end = (enum l0_end)o.at_end,
		.idle = (enum l0_idle)o.idle,
		.performance = (enum l0_performance)o.performance,
		.watchdog = o.watchdog,
		.preemption_timer = (enum l0_preemption_timer)o.preemption_timer,
		.mitigations = (enum mitigation_mode)o.mitigations,
		.threads = (enum l0_threads)o.threads,
		.code_pages = (enum l0_code_pages)o.code_pages,
		.branches = (enum l0_branches)o.branches,
		.serial = o.serial,
		.tsc_khz = o.tsc_khz,
		.max_cpus = o.maxcpus,
		.epoch = o.epoch,
		.time_limit = o.limit,
		.machine = *machine_of((enum l0_machine)o.machine),
	});
}
