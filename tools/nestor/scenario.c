/* Scenarios: their values, defaults and joint checks; see scenario.h. */
#include "scenario.h"

#include <string.h>

#define MIB (1ULL << 20)

const char *const machine_names[] = {"auto", "qemu", "bochs", NULL};
const char *const log_names[] = {"error", "warn", "info", "debug", NULL};

static const char *const restart_names[] = {"never", "on-reset", "on-failure", "always", NULL};

#define WEIGHT_MAX 10000

#define AT(type, member) offsetof(struct type, member)

const struct setting vm_settings[] = {
	{"name", SETTING_NAME, AT(vm_spec, name), 0, 0, NULL},
	{"kernel", SETTING_FILE, AT(vm_spec, kernel), 0, 0, NULL},
	{"initrd", SETTING_FILE, AT(vm_spec, initrd), 0, 0, NULL},
	{"cmdline", SETTING_LINE, AT(vm_spec, cmdline), 0, 2047, NULL},
	{"memory", SETTING_SIZE, AT(vm_spec, memory), 2 * MIB, 1024 * 1024 * MIB, NULL},
	{"cpus", SETTING_NUMBER, AT(vm_spec, cpus), 1, 64, NULL},
	{"vmx", SETTING_SWITCH, AT(vm_spec, vmx), 0, 0, NULL},
	{"shadow", SETTING_SWITCH, AT(vm_spec, shadow), 0, 0, NULL},
	{"apicv", SETTING_SWITCH, AT(vm_spec, apicv), 0, 0, NULL},
	{"vmx-features", SETTING_VMX_FEATURES, AT(vm_spec, vmx_features), 0, 0, NULL},
	{"restart", SETTING_CHOICE, AT(vm_spec, restart), 0, 0, restart_names},
	{"restart-limit", SETTING_NUMBER, AT(vm_spec, restart_limit), 0, UINT32_MAX, NULL},
	{"weight", SETTING_NUMBER, AT(vm_spec, weight), 1, WEIGHT_MAX, NULL},
	{"pin", SETTING_CPU_LIST, AT(vm_spec, pin), 0, 0, NULL},
	{"argv0", SETTING_SWITCH, AT(vm_spec, argv0), 0, 0, NULL},
	{NULL, SETTING_SIZE, 0, 0, 0, NULL},
};

const struct setting machine_settings[] = {
	{"kind", SETTING_CHOICE, AT(machine_spec, kind), 0, 0, machine_names},
	{"cpus", SETTING_NUMBER, AT(machine_spec, cpus), 1, 64, NULL},
	{"memory", SETTING_SIZE, AT(machine_spec, memory), 2 * MIB, 1024 * 1024 * MIB, NULL},
	{"ips", SETTING_NUMBER, AT(machine_spec, ips), 1000000, 4000000000, NULL},
	{"option", SETTING_LINE, AT(machine_spec, option), 0, 2047, NULL},
	{NULL, SETTING_SIZE, 0, 0, 0, NULL},
};

const struct setting scenario_settings[] = {
	{"timeout", SETTING_NUMBER, AT(scenario_spec, timeout), 1, 1000000, NULL},
	{"log", SETTING_CHOICE, AT(scenario_spec, log), 0, 0, log_names},
	{NULL, SETTING_SIZE, 0, 0, 0, NULL},
};

const char *scenario_restart_name(const struct vm_spec *vm)
{
	return restart_names[vm->restart];
}

void scenario_init(struct scenario_spec *s)
{
	memset(s, 0, sizeof(*s));
	s->machine.kind = MACHINE_AUTO;
	s->machine.ips = 50000000;
	s->log = LOG_INFO;
}

struct vm_spec *scenario_add_vm(struct scenario_spec *s, const char *where)
{
	struct vm_spec *vm;

	if (s->vm_count == SCENARIO_MAX_VMS)
		return NULL;
	vm = &s->vms[s->vm_count++];
	memset(vm, 0, sizeof(*vm));
	vm->where = where;
	vm->cmdline = "";
	vm->memory = 512 * MIB;
	vm->cpus = 1;
	vm->vmx = 1;
	vm->shadow = 1;
	vm->apicv = 1;
	vm->argv0 = 1;
	vm->weight = SCENARIO_WEIGHT;
	return vm;
}

int scenario_check(const struct scenario_spec *s, struct error *e)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];

		if (!vm->name)
			return fail(e, STATUS_BAD_INPUT, "%s: the VM has no 'name'", vm->where);
		if (!vm->kernel.path)
			return fail(e, STATUS_BAD_INPUT, "%s: the VM '%s' has no 'kernel'",
				vm->where, vm->name);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(vm->name, s->vms[j].name) == 0)
				return fail(e, STATUS_BAD_INPUT,
					"%s: name: there is a VM '%s' already", vm->where,
					vm->name);
	}
	return 0;
}
