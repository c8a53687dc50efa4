/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "boot/memory.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/media.h"
#include "cpu/mem.h"
#include "cpu/request.h"
#include "policy/scenario.h"
#include "vm/life.h"
#include "vm/memory_type.h"
#include "vm/mitigate.h"
#include "vm/network.h"
#include "vm/passed.h"
#include "vm/places.h"
#include "vm/streams.h"

static struct scenario scenario;

/* What the modules ask for. */
static bool read_scenario(const struct boot_info *info)
{
	unsigned vm, disk;

	for (unsigned i = 0; i < info->module_count; i++) {
		const struct boot_module *m = &info->modules[i];

		if (scenario_add(&scenario, m->cmdline, m->range.start, m->range.size))
			continue;
		log_error("module %u: '%.*s': %s", i, (int)scenario.refusal.where.len,
			scenario.refusal.where.s, scenario.refusal.why);
		return false;
	}
	if (!scenario_complete(&scenario, &vm, &disk)) {
		log_error("'%s': %s", scenario.vms[vm].config.name, scenario.refusal.why);
		return false;
	}
	if (scenario.vm_count == 0)
		log_error("no module describes a VM (kernel vm=NAME memory=SIZE -- ...)");
	return scenario.vm_count != 0;
}

/*
 * A VM whose memory is one to one gets what is low: images shall not lie where kernels want to
 * be.
 */
static bool make_room(struct boot_info *info)
{
	bool devices = false;

	for (unsigned i = 0; i < scenario.vm_count; i++)
		devices = devices || vm_config_one_to_one(&scenario.vms[i].config);
	if (!devices)
		return true;
	memset(&scenario, 0, sizeof(scenario));
	return boot_memory_move(info) && read_scenario(info);
}

/* Who is off at first can only be started by somebody who manages the run. */
static bool all_can_start(void)
{
	for (unsigned i = 0; i < scenario.vm_count; i++)
		if (!scenario.vms[i].config.start && !l0_config()->keep) {
			log_error("'%s': 'start=off' is for a run that is managed (keep=on)",
				scenario.vms[i].config.name);
			return false;
		}
	return true;
}

/* Without it the run goes on: files cannot be lent. */
static void find_media(void)
{
	if (!l0_config()->media)
		return;
	if (passed_has_ide(MEDIA_CHANNEL))
		log_info("CD-ROM drives take no files: a VM has the IDE channel of their disk");
	else if (!media_init())
		log_warn("CD-ROM drives take no files: the disk for them is not there");
}

bool vms_start(struct boot_info *info)
{
	if (!read_scenario(info) || !make_room(info) || !all_can_start())
		return false;
	scenario.networks = *config_networks();
	life_plan(&scenario);
	if (!mitigate_allows(life_places()) || !places_make(life_places()))
		return false;
	request_init();
	if (!passed_claim(&scenario) || !network_create(&scenario) ||
		!streams_create(&scenario))
		return false;
	memory_types_find(&scenario);
	find_media();
	for (unsigned i = 0; i < scenario.vm_count; i++) {
		const char *error = life_begin(i, &scenario.vms[i]);

		if (error == NULL)
			continue;
		if (*error != '\0')
			log_error("'%s': %s", scenario.vms[i].config.name, error);
		return false; /* all of them, or none */
	}
	life_start();
	return true;
}
