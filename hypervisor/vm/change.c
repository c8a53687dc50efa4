/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/change.h"

#include "cpu/mem.h"
#include "dev/dev.h"
#include "mm/layout.h"
#include "policy/changes.h"
#include "vm/devices.h"
#include "vm/life.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

/* With a list of CPUs that run no VMs any may run it (sched_place). */
static void follow_cpus(unsigned id, const struct vm_config *c)
{
	struct cpu_set wanted, now, cpus;
	uint32_t weight;

	/* Of two that do so at once, whoever tells last tells what holds. */
	do {
		weight = __atomic_load_n(&c->weight, __ATOMIC_SEQ_CST);
		cpu_set_load(&c->allowed_cpus, &wanted);
		cpus = wanted;
		if (!sched_can_run(&cpus))
			cpu_set_fill(&cpus);
		sched_change(id, weight, &cpus);
		cpu_set_load(&c->allowed_cpus, &now);
	} while (memcmp(&now, &wanted, sizeof(now)) != 0 ||
		 __atomic_load_n(&c->weight, __ATOMIC_SEQ_CST) != weight);
}

void change_follow_cpus(unsigned id)
{
	const struct vm_config *c = life_config(id);

	if (c != NULL)
		follow_cpus(id, c);
}

void change_weight(unsigned id, struct vm_images *vm, uint32_t weight)
{
	__atomic_store_n(&vm->config.weight, weight, __ATOMIC_SEQ_CST);
	follow_cpus(id, &vm->config);
}

bool change_pins(unsigned id, struct vm_images *vm, const struct cpu_set *cpus)
{
	if (!sched_can_run(cpus))
		return false;
	(void)cpu_set_store(&vm->config.allowed_cpus, cpus);
	follow_cpus(id, &vm->config);
	return true;
}

struct cdrom_medium vm_medium(const struct vm_images *vm, unsigned drive, uint64_t medium)
{
	struct changes_content c = changes_content(vm, drive, medium);

	return (struct cdrom_medium){
		.image = c.file != NULL ? direct_va((struct hpa){c.file->start}) : NULL,
		.lent = c.lent,
		.size = c.size,
	};
}

static bool put_medium(
	struct vm *vm, unsigned drive, const struct cdrom_medium *m, bool force, bool again)
{
	struct cdrom *c = &vm->devices->scsi.cdrom[drive];
	bool ok = true;

	dev_lock(vm->platform);
	if (again || c->medium.image != m->image || c->medium.lent != m->lent)
		ok = cdrom_change(c, m, force);
	dev_unlock(vm->platform);
	return ok;
}

bool vm_change_medium(struct vm *vm, unsigned drive, uint64_t medium, bool force)
{
	struct vm_images *images = life_images(vm->id);
	struct cdrom_medium m = vm_medium(images, drive, medium);

	if (!put_medium(vm, drive, &m, force, true))
		return false;
	changes_set_medium(images, drive, medium);
	return true;
}

static void put_link(struct vm *vm, unsigned net)
{
	struct virtio_net *n = &vm->devices->net[net];
	bool up = changes_link(life_images(vm->id), net), other;

	dev_lock(vm->platform);
	other = devices_has_net(vm, net) && virtio_net_link(n) != up;
	if (devices_has_net(vm, net))
		devices_put_link(vm, net);
	dev_unlock(vm->platform);
	if (other)
		vcpu_touched_devices(vm->vcpus[0]);
}

void vm_change_link(struct vm *vm, unsigned net, bool up)
{
	changes_set_link(life_images(vm->id), net, up);
	put_link(vm, net);
}

static void put_network(struct vm *vm, unsigned net)
{
	bool other;

	dev_lock(vm->platform);
	other = devices_put_network(vm, net);
	dev_unlock(vm->platform);
	if (other)
		vcpu_touched_devices(vm->vcpus[0]);
}

void vm_change_network(struct vm *vm, unsigned net, uint8_t number)
{
	changes_set_network(life_images(vm->id), net, number);
	put_network(vm, net);
}

const char *vm_attach(struct vm *vm, unsigned port, bool fresh, const uint8_t *network)
{
	struct vm_images *images = life_images(vm->id);
	const char *why = NULL;
	enum devices_slot is;
	unsigned net;

	dev_lock(vm->platform);
	is = devices_slot(vm, port);
	if (is == SLOT_OUT && network != NULL && changes_port_net(images, port, &net)) {
		changes_set_network(images, net, *network);
		devices_put_network(vm, net);
	}
	if (is == SLOT_OUT)
		why = devices_attach(vm, port, fresh);
	dev_unlock(vm->platform);
	if (is == SLOT_IN)
		return "it is attached";
	if (is == SLOT_LEAVES)
		return "the guest has been asked for it, and has not given it yet (detach with "
		       "force=1: at once)";
	if (why != NULL)
		return why;
	changes_set_attached(images, port, true);
	vcpu_touched_devices(vm->vcpus[0]);
	return NULL;
}

const char *vm_detach(struct vm *vm, unsigned port, bool force, bool *gone)
{
	enum devices_slot is;

	dev_lock(vm->platform);
	is = devices_slot(vm, port);
	*gone = is != SLOT_OUT && devices_detach(vm, port, force);
	dev_unlock(vm->platform);
	if (is == SLOT_OUT)
		return "it is not attached";
	changes_set_attached(life_images(vm->id), port, false);
	vcpu_touched_devices(vm->vcpus[0]);
	return NULL;
}

/* A VM that begins just now: nobody uses what goes. */
static void follow_port(struct vm *vm, unsigned port)
{
	bool wanted = changes_attached(life_images(vm->id), port), gone;
	enum devices_slot is;

	dev_lock(vm->platform);
	is = devices_slot(vm, port);
	dev_unlock(vm->platform);
	if (wanted && is == SLOT_OUT)
		vm_attach(vm, port, false, NULL);
	else if (!wanted && is == SLOT_IN)
		vm_detach(vm, port, true, &gone);
}

void vm_follow(struct vm *vm)
{
	const struct vm_images *images = life_images(vm->id);
	const struct vm_config *c = &images->config;

	for (unsigned i = 0; i < images->cdrom_count; i++) {
		struct cdrom_medium m = vm_medium(images, i, changes_medium(images, i));

		put_medium(vm, i, &m, true, false);
	}
	for (unsigned port = 1; port <= c->root_ports; port++)
		if (changes_has_port(images, port))
			follow_port(vm, port);
	for (unsigned i = 0; i < c->nets.count; i++) {
		put_network(vm, i);
		put_link(vm, i);
	}
	follow_cpus(vm->id, c);
}
