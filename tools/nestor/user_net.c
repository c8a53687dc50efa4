/* SPDX-License-Identifier: Apache-2.0 */
/* The network `user`; see user_net.h. */
#include "user_net.h"

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "machine_int.h"
#include "spec/pci.h"

#define FOLDER "debian-service"
#define MEMORY (128ULL << 20)

/* Besides what it does: nothing that takes an emulated kernel long to start. */
#define CMDLINE                                                                      \
	"console=ttyS0 quiet tsc=reliable no_timer_check mitigations=off "           \
	"init_on_alloc=0 random.trust_cpu=on nowatchdog cryptomgr.notests end=stay " \
	"address=none"

static const struct net_config *device_of(const struct vm_spec *vm, const char **where)
{
	for (unsigned i = 0; i < vm->config.nets.count; i++)
		if (strcmp(vm->config.nets.at[i].network, USER_NETWORK) == 0) {
			*where = vm->net_where[i] ? vm->net_where[i] : "--net";
			return &vm->config.nets.at[i];
		}
	return NULL;
}

static const char *where_used(const struct scenario_spec *s)
{
	const char *where = NULL;

	for (unsigned i = 0; i < s->vm_count && !where; i++)
		device_of(&s->vms[i], &where);
	return where;
}

bool user_net_is_used(const struct scenario_spec *s)
{
	return where_used(s) != NULL;
}

/* Beside this program, or where it was installed. */
static const char *find_part(struct arena *a, const char *name)
{
	const char *own = file_own_folder(a);
	const char *path = arena_format(a, "%s/" FOLDER "/%s", own, name);

	if (access(path, R_OK) < 0)
		path = arena_format(a, "%s/../lib/nestor/" FOLDER "/%s", own, name);
	return access(path, R_OK) == 0 ? path : NULL;
}

static int find_parts(struct vm_spec *vm, struct arena *a, struct error *e)
{
	vm->kernel = (struct place){find_part(a, "vmlinuz"), vm->where};
	vm->initrd = (struct place){find_part(a, "service.cpio"), vm->where};
	if (vm->kernel.path && vm->initrd.path)
		return 0;
	return fail(e, STATUS_HOST_ERROR,
		"%s: the network '" USER_NETWORK "' needs a service VM, whose %s is missing: "
		"run `make service-vm`",
		vm->where, vm->kernel.path ? "service.cpio" : "vmlinuz");
}

static void configure(struct vm_spec *vm)
{
	struct net_list *nets = &vm->config.nets;

	strcpy(vm->config.name, USER_NET_VM);
	vm->cmdline = CMDLINE;
	vm->hidden = true;
	vm->config.memory = MEMORY;
	vm->config.background = true;
	vm->config.restart = RESTART_ON_FAILURE;
	vm->config.weight = 4 * WEIGHT_NORMAL; /* it is to be there when the others ask */
	vm->config.rng = false;
	vm->config.vmx = false;
	vm->config.devices = (struct device_list){
		.count = 1, .at = {{.bdf = PCI_BDF(0, MACHINE_NET_DEVICE, 0)}}};
	vm->config.iommu = IOMMU_NONE;
	nets->count = 1;
	settings_init(net_settings, &nets->at[0]);
	strcpy(nets->at[0].network, USER_NETWORK);
	nets->at[0].spoof = true; /* it passes on what others send */
}

/* The run waits for all VMs if all are in the background; but not for the one that is added. */
static void wait_for_some(struct scenario_spec *s)
{
	for (unsigned i = 0; i < s->vm_count; i++)
		if (!s->vms[i].config.background)
			return;
	for (unsigned i = 0; i < s->vm_count; i++)
		s->vms[i].config.background = false;
}

int user_net_add(struct scenario_spec *s, struct arena *a, struct error *e)
{
	const char *where = where_used(s);
	struct vm_spec *vm;

	if (!where)
		return 0;
	if (s->machine.kind == MACHINE_QEMU)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the network '" USER_NETWORK "' needs --machine bochs: on QEMU's "
			"machine Nestor does not know the interrupt of the network card",
			where);
	wait_for_some(s);
	vm = scenario_add_vm(s, where);
	if (!vm)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the network '" USER_NETWORK "' needs a service VM, but there are "
			"%d VMs already",
			where, SCENARIO_MAX_VMS);
	configure(vm);
	s->machine.net = MACHINE_NET_USER;
	s->machine.bochs_only = true;
	return find_parts(vm, a, e);
}
