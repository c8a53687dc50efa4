/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is changed of a VM while the run goes: shares of CPUs, what it starts from, media of its
 * drives, links. It holds for later starts, too; so a VM that does not run can be told as well.
 */
#include "control/manage.h"

#include "cpu/host_disk.h"
#include "cpu/media.h"
#include "cpu/mux.h"
#include "lib/fmt.h"
#include "policy/changes.h"
#include "vm/change.h"
#include "vm/devices.h"
#include "vm/life.h"
#include "vm/network.h"
#include "vm/vm.h"

#define NO_NETWORK "there is no such network in this run"

static uint32_t id_of(const struct manage_request *r)
{
	return (uint32_t)r->number[MANAGE_ARG_ID];
}

/* ---- what there is ---- */

static void tell_net(const struct vm_images *vm, const struct manage_request *r, unsigned i)
{
	const struct vm_config *c = &vm->config;
	uint64_t mac = net_config_mac(&c->nets, i, c->name);

	mux_record("item id=%u net=%u network=%s mac=%02x:%02x:%02x:%02x:%02x:%02x link=%s",
		id_of(r), i, network_name(network_wanted(vm, i)), (unsigned)(mac >> 40 & 0xff),
		(unsigned)(mac >> 32 & 0xff), (unsigned)(mac >> 24 & 0xff),
		(unsigned)(mac >> 16 & 0xff), (unsigned)(mac >> 8 & 0xff),
		(unsigned)(mac & 0xff), changes_link(vm, i) ? "up" : "down");
}

/* What a root port has, or can have. */
static void tell_slot(unsigned id, const struct manage_request *r, unsigned port)
{
	const struct vm_images *vm = life_images(id);
	static const char *const holds[] = {[CHANGES_DISK] = "disk",
		[CHANGES_NET] = "network",
		[CHANGES_DEVICE] = "device"};
	enum changes_port kind = changes_port_kind(vm, port);
	uint32_t bay = changes_port_bay(vm, port);
	char own[CHANGES_NAME_SIZE];
	const char *name = own, *holder = passed_holder(id, port);
	unsigned net;
	const char *state = changes_asked(vm, port)      ? "asked"
			    : changes_attached(vm, port) ? "attached"
							 : "detached";

	changes_port_name(vm, port, own);
	if (changes_port_net(vm, port, &net))
		name = network_name(network_wanted(vm, net));
	if (bay != 0)
		mux_record("item id=%u slot=%u holds=bay name=%s state=%s size=%lu", id_of(r),
			port, name, state, host_disk_size(bay));
	else
		mux_record("item id=%u slot=%u holds=%s name=%s state=%s%s%s", id_of(r), port,
			holds[kind], name, state, holder != NULL ? " holder=" : "",
			holder != NULL ? holder : "");
}

/* Which root ports have what they can have, and which have not: after `key`, with commas. */
static void tell_ports(unsigned id, const struct manage_request *r)
{
	const struct vm_images *vm = life_images(id);
	char in[4 * LIMIT_ROOT_PORTS] = "", out[4 * LIMIT_ROOT_PORTS] = "";
	size_t n = 0, m = 0;

	for (unsigned port = 1; port <= vm->config.root_ports; port++) {
		if (!changes_has_port(vm, port))
			continue;
		if (changes_attached(vm, port) || changes_asked(vm, port))
			n += fmt(in + n, sizeof(in) - n, "%s%u", n != 0 ? "," : "", port);
		else
			m += fmt(out + m, sizeof(out) - m, "%s%u", m != 0 ? "," : "", port);
	}
	if (n + m != 0)
		mux_record("item id=%u attached=%s detached=%s", id_of(r), n != 0 ? in : "none",
			m != 0 ? out : "none");
	for (unsigned port = 1; port <= vm->config.root_ports; port++)
		if (changes_has_port(vm, port))
			tell_slot(id, r, port);
}

static void tell_drive(const struct vm_images *vm, const struct manage_request *r, unsigned i)
{
	struct changes_content c = changes_content(vm, i, changes_medium(vm, i));

	if (c.lent == 0)
		mux_record("item id=%u disk=%s medium=%s", id_of(r), vm->cdroms[i].config.name,
			changes_medium_name(vm, i));
	else
		mux_record("item id=%u disk=%s medium=" CDROM_LENT " lent=%u size=%lu",
			id_of(r), vm->cdroms[i].config.name, c.lent, c.size);
}

/* Where its bytes are, and how many: of a bay 0, while it is empty. */
static void tell_disk(const struct vm_images *vm, const struct manage_request *r, unsigned i)
{
	const struct disk_config *c = &vm->disks[i].config;
	uint64_t size =
		c->bay ? host_disk_size(c->host) : disk_config_size(c, vm->disks[i].image.size);

	mux_record("item id=%u volume=%s is=%s size=%lu readonly=%u port=%u", id_of(r), c->name,
		disk_config_is_remote(c) ? "served"
		: c->bay                 ? "bay"
		: c->host != 0           ? "file"
					 : "memory",
		size, (unsigned)c->readonly, c->root_port);
}

static void devices(unsigned id, const struct manage_request *r)
{
	const struct vm_images *vm = life_images(id);
	enum vm_boot boot;
	bool once;

	if (vm->firmware.size != 0) {
		boot = changes_boot(vm, &once);
		mux_record("item id=%u boot=%s once=%u may=default%s%s%s", id_of(r),
			changes_boot_word(boot), (unsigned)once,
			vm->disk_count != 0 ? ",disk" : "",
			vm->cdrom_count != 0 ? ",cdrom" : "",
			vm->config.nets.count != 0 ? ",network" : "");
	}
	for (unsigned i = 0; i < vm->cdrom_count; i++)
		tell_drive(vm, r, i);
	for (unsigned i = 0; i < vm->disk_count; i++)
		tell_disk(vm, r, i);
	for (unsigned i = 0; i < vm->config.nets.count; i++)
		tell_net(vm, r, i);
	for (unsigned i = 0; i < vm->config.ports.count; i++)
		mux_record("item id=%u named=%s", id_of(r), vm->config.ports.name[i]);
	tell_ports(id, r);
}

void manage_images(const struct manage_request *r)
{
	const struct image_store *s = life_store();

	for (unsigned i = 0; i < s->count; i++)
		mux_record("item id=%u image=%s size=%lu", id_of(r), s->at[i].config.name,
			s->at[i].file.size);
}

void manage_networks(const struct manage_request *r)
{
	uint64_t from = r->number[MANAGE_ARG_FROM], i;

	for (i = from; i < network_count() && i - from < MANAGE_ITEMS; i++)
		mux_record("item id=%u network=%s ports=%u", id_of(r),
			network_name((unsigned)i), network_ports((unsigned)i));
	if (i < network_count())
		mux_record("item id=%u next=%lu", id_of(r), i);
}

/* ---- what becomes otherwise ---- */

static enum manage_status boot(
	struct vm_images *vm, const struct manage_request *r, const char **why)
{
	const char *word = r->device;
	enum vm_boot from = changes_find_boot(word);

	if (from == VM_BOOT_END &&
		!text_is(text_of(word, LIMIT_NAME), changes_boot_word(VM_BOOT_END))) {
		*why = "a device is disk, cdrom, network or default";
		return MANAGE_IS_BAD;
	}
	*why = changes_set_boot(vm, from, r->number[MANAGE_ARG_ONCE] != 0);
	return *why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE;
}

/* Where a request for a root port goes: what is there, and on which network it shall be. */
static bool find_slot(const struct vm_images *vm, const struct manage_request *r,
	unsigned *port, const char **why)
{
	uint8_t network;
	unsigned net;

	*port = (unsigned)r->number[MANAGE_ARG_SLOT];
	*why = "no disk, network device or device of the machine of it has this root port";
	if (!changes_has_port(vm, *port))
		return false;
	if (!manage_given(r, MANAGE_ARG_NETWORK))
		return true;
	*why = changes_port_net(vm, *port, &net)
		       ? NO_NETWORK
		       : "what has this root port is no network device";
	return changes_port_net(vm, *port, &net) && network_find(r->network, &network);
}

static bool find_net(const struct vm_images *vm, const struct manage_request *r, unsigned *net,
	const char **why)
{
	uint8_t network;

	*net = (unsigned)r->number[MANAGE_ARG_NET];
	*why = "it has no such network device";
	if (*net >= vm->config.nets.count)
		return false;
	*why = NO_NETWORK;
	return r->op == MANAGE_LINK || network_find(r->network, &network);
}

/* Where a request for a device goes; false: *why says what there is not. */
static bool find_device(const struct vm_images *vm, const struct manage_request *r,
	unsigned *index, uint64_t *medium, const char **why)
{
	if (r->op == MANAGE_ATTACH || r->op == MANAGE_DETACH)
		return find_slot(vm, r, index, why);
	if (r->op == MANAGE_LINK || r->op == MANAGE_NETWORK)
		return find_net(vm, r, index, why);
	*medium = CHANGES_NO_MEDIUM;
	*why = "it has no such CD-ROM drive";
	if (!changes_find_drive(vm, r->disk, index))
		return false;
	if (r->op == MANAGE_BORROW) {
		*why = "the machine has no disk for files, or no CD-ROM has this size";
		return media_there() && changes_lend(r->number[MANAGE_ARG_LENT],
						r->number[MANAGE_ARG_BYTES], medium);
	}
	*why = "there is no such image in this run";
	return r->op == MANAGE_EJECT || changes_find_medium(vm, *index, r->image, medium);
}

/* What stays where it is. */
static bool is_served(const struct vm_images *vm, const struct manage_request *r)
{
	return (r->op == MANAGE_ATTACH || r->op == MANAGE_DETACH) &&
	       changes_port_served(vm, (unsigned)r->number[MANAGE_ARG_SLOT]);
}

/* NULL, or why it cannot be attached, wherever the VM is; of what is in a bay. */
static const char *attach_error(const struct vm_images *vm, const struct manage_request *r)
{
	unsigned port = (unsigned)r->number[MANAGE_ARG_SLOT];
	uint32_t bay = changes_port_bay(vm, port);

	if (r->op != MANAGE_ATTACH)
		return NULL;
	if (r->number[MANAGE_ARG_FRESH] == 0)
		return bay == 0 || host_disk_size(bay) != 0 ? NULL : DEVICES_BAY_EMPTY;
	if (bay == 0)
		return "what is there is the scenario's: only a bay ('bay: on') takes another";
	return changes_attached(vm, port) ? "it is attached" : NULL;
}

static enum manage_status pins(
	unsigned vm, struct vm_images *images, const struct manage_request *r, const char **why)
{
	struct cpu_set cpus;

	*why = "cpus must be CPU numbers from 0 to 1023, each once, as in 0,2-3";
	if (!vm_config_cpus(text_of(r->cpus, sizeof(r->cpus)), &cpus))
		return MANAGE_IS_BAD;
	*why = "none of these CPUs runs VMs";
	return change_pins(vm, images, &cpus) ? MANAGE_IS_OK : MANAGE_IS_STATE;
}

enum manage_status manage_change(unsigned vm, const struct manage_request *r, const char **why)
{
	struct vm_images *images = life_images(vm);
	unsigned index;
	uint64_t medium;

	if (images == NULL) {
		*why = "the VM has gone";
		return MANAGE_IS_NO_VM;
	}
	switch (r->op) {
	case MANAGE_WEIGHT:
		change_weight(vm, images, (uint32_t)r->number[MANAGE_ARG_WEIGHT]);
		return MANAGE_IS_OK;
	case MANAGE_PINS:
		return pins(vm, images, r, why);
	case MANAGE_BOOT:
		return boot(images, r, why);
	case MANAGE_DEVICES:
		devices(vm, r);
		return MANAGE_IS_OK;
	default:
		if (!find_device(images, r, &index, &medium, why))
			return MANAGE_IS_NO_VM;
		*why = "another VM serves this disk: it stays";
		if (is_served(images, r))
			return MANAGE_IS_STATE;
		*why = attach_error(images, r);
		return *why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE;
	}
}

/* The number of the network that a request names, of which find_device knows. */
static uint8_t network_of(const struct manage_request *r)
{
	uint8_t number;

	network_find(r->network, &number);
	return number;
}

/* index: of find_device. The port comes there when the VM begins (vm_follow). */
static void set_network_off(
	struct vm_images *vm, const struct manage_request *r, unsigned index)
{
	unsigned net = index;

	if (!manage_given(r, MANAGE_ARG_NETWORK) ||
		(r->op == MANAGE_ATTACH && !changes_port_net(vm, index, &net)))
		return;
	changes_set_network(vm, net, network_of(r));
}

static const char *attach_off(
	unsigned vm, struct vm_images *images, const struct manage_request *r, unsigned port)
{
	const char *why = NULL;

	if (r->number[MANAGE_ARG_FRESH] != 0 && !host_disk_open(changes_port_bay(images, port)))
		why = DEVICES_NOTHING_THERE;
	if (why == NULL)
		why = passed_hold(vm, port);
	if (why != NULL)
		return why;
	set_network_off(images, r, port);
	changes_set_attached(images, port, true);
	return NULL;
}

/* In this order: if it begins just now it finds one or the other. */
static void detach_off(unsigned vm, struct vm_images *images, unsigned port)
{
	changes_set_attached(images, port, false);
	passed_drop(vm, port);
}

const char *manage_change_off(unsigned vm, const struct manage_request *r)
{
	struct vm_images *images = life_images(vm);
	const char *why;
	unsigned index;
	uint64_t medium;

	if (images == NULL)
		return "the VM has gone";
	if (!find_device(images, r, &index, &medium, &why))
		return why;
	if (r->op == MANAGE_ATTACH)
		return attach_off(vm, images, r, index);
	set_network_off(images, r, index);
	if (r->op == MANAGE_DETACH)
		detach_off(vm, images, index);
	else if (r->op == MANAGE_NETWORK)
		return NULL;
	else if (r->op == MANAGE_LINK)
		changes_set_link(images, index, r->number[MANAGE_ARG_UP] != 0);
	else
		changes_set_medium(images, index, medium);
	return NULL;
}

/*
 * The answer says whether it is gone, or the guest has been asked: then a record will say it.
 */
static const char *detach(struct vm *vm, const struct manage_request *r, unsigned port)
{
	bool gone;
	const char *why = vm_detach(vm, port, r->number[MANAGE_ARG_FORCE] != 0, &gone);

	if (why == NULL)
		mux_record(
			"item id=%u slot=%u state=%s", id_of(r), port, gone ? "gone" : "asked");
	return why;
}

static const char *attach(struct vm *vm, const struct manage_request *r, unsigned port)
{
	uint8_t network = manage_given(r, MANAGE_ARG_NETWORK) ? network_of(r) : 0;

	return vm_attach(vm, port, r->number[MANAGE_ARG_FRESH] != 0,
		manage_given(r, MANAGE_ARG_NETWORK) ? &network : NULL);
}

enum manage_status manage_change_here(
	struct vcpu *vcpu, const struct manage_request *r, const char **why)
{
	struct vm *vm = vcpu->vm;
	unsigned index;
	uint64_t medium;

	if (!find_device(life_images(vm->id), r, &index, &medium, why))
		return MANAGE_IS_NO_VM;
	if (is_served(life_images(vm->id), r))
		return MANAGE_IS_STATE;
	*why = NULL;
	if (r->op == MANAGE_ATTACH)
		*why = attach(vm, r, index);
	else if (r->op == MANAGE_DETACH)
		*why = detach(vm, r, index);
	else if (r->op == MANAGE_LINK)
		vm_change_link(vm, index, r->number[MANAGE_ARG_UP] != 0);
	else if (r->op == MANAGE_NETWORK)
		vm_change_network(vm, index, network_of(r));
	else if (!vm_change_medium(vm, index, medium, r->number[MANAGE_ARG_FORCE] != 0))
		*why = "the guest has locked the drive, and was asked to eject (force=1: at "
		       "once)";
	return *why == NULL ? MANAGE_IS_OK : MANAGE_IS_STATE;
}
