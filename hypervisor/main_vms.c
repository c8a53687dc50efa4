/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/log.h"
#include "policy/scenario.h"
#include "vm/life.h"
#include "vm/network.h"
#include "vm/passed.h"

static struct scenario scenario;

/* What the modules ask for. */
static bool read_scenario(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->module_count; i++) {
		const struct boot_module *m = &info->modules[i];

		if (scenario_add(&scenario, m->cmdline, m->range.start, m->range.size))
			continue;
		log_error("module %u: '%.*s': %s", i, (int)scenario.refusal.where.len,
			scenario.refusal.where.s, scenario.refusal.why);
		return false;
	}
	if (scenario.vm_count == 0)
		log_error("no module describes a VM (kernel vm=NAME memory=SIZE -- ...)");
	return scenario.vm_count != 0;
}

bool vms_start(const struct boot_info *info)
{
	if (!read_scenario(info) || !passed_claim(&scenario) || !network_create(&scenario))
		return false;
	for (unsigned i = 0; i < scenario.vm_count; i++) {
		const char *error = life_begin(i, &scenario.vms[i]);

		if (error == NULL)
			continue;
		if (*error != '\0')
			log_error("'%s': %s", scenario.vms[i].config.name, error);
		return false; /* all of them, or none */
	}
	life_start(scenario.vm_count);
	return true;
}
