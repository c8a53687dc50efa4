/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/devices.h"

#include "cpu/input.h"

#include "cpu/asm.h"
#include "cpu/host_disk.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/mux.h"
#include "mm/layout.h"
#include "policy/changes.h"
#include "policy/memory.h"
#include "policy/scenario.h"
#include "spec/virtio_net.h"
#include "vm/change.h"
#include "vm/create.h"
#include "vm/life.h"
#include "vm/network.h"
#include "vm/ram.h"
#include "vm/streams.h"
#include "vm/vfs.h"
#include "vm/vm_log.h"
#include "vm/vm_int.h"

_Static_assert(sizeof(struct blk_remote) <= MEMORY_REMOTE_DISK, "policy/disk_config.c");

#define NET_OFFLOADS                                                                         \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS |    \
		VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN | \
		VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN)

/*
 * Contiguous pages for so many bytes, of what the VM keeps over a restart if it keeps anything,
 * else of its pool; *ok becomes false: there are none.
 */
static void *take(struct vm *vm, uint64_t size, bool *ok)
{
	void *p;

	if (size == 0)
		return NULL;
	p = vm->kept.size != 0
		    ? vm_keep(vm, size)
		    : pool_get_run(&vm->pool, (unsigned)((size + PAGE_MASK) / PAGE_SIZE));
	*ok = *ok && p != NULL;
	return p;
}

/* NULL: there is not so much memory. */
static struct disk *create_disk(struct vm *vm, const struct vm_disk *source)
{
	const struct vm_file *image = &source->image;
	uint32_t pages = disk_config_pages(&source->config, image->size);
	uint64_t size = disk_config_size(&source->config, image->size);
	bool ok = true;
	struct disk *d = take(vm, sizeof(*d), &ok);
	uint32_t *map = take(vm, disk_map_size(size), &ok);
	uint8_t *memory = take(vm, (uint64_t)pages * DISK_PAGE, &ok);
	uint32_t *next_free = take(vm, pages * sizeof(uint32_t), &ok);

	if (!ok)
		return NULL;
	if (vm->kept.again)
		return d; /* as it was */
	*d = (struct disk){
		.name = source->config.name,
		.size = size,
		.image = direct_va((struct hpa){image->start}),
		.image_size = image->size,
		.readonly = source->config.readonly,
	};
	disk_init(d, map, memory, next_free, pages);
	return d;
}

static bool create_remote(struct vm *vm, unsigned i, const struct vm_disk *source)
{
	const struct disk_config *c = &source->config;
	bool ok = true;
	struct blk_remote *r = take(vm, sizeof(*r), &ok);

	if (ok)
		blk_remote_create(r, c->name, disk_config_export(c), c->size, c->readonly,
			streams_of_disk(vm->id, i));
	vm->devices->backing[i].remote = r;
	return ok;
}

/* A file of the host, which the machine must have. */
static bool create_host(struct vm *vm, unsigned i, const struct vm_disk *source)
{
	const struct disk_config *c = &source->config;
	bool ok = true;
	struct blk_host *h = take(vm, sizeof(*h), &ok);

	if (!c->bay && host_disk_size(c->host) != c->size) {
		log_error(
			"'%s': its disk '%s' is file %u of the host, with %lu bytes, which this "
			"machine has not: `nestor run` gives it to the emulated machine; "
			"elsewhere another VM serves it (nbd=)",
			vm->config.name, c->name, c->host, c->size);
		return false;
	}
	if (!ok)
		return false;
	*h = (struct blk_host){
		c->name, c->host, c->bay ? host_disk_size(c->host) : c->size, c->readonly};
	vm->devices->bays |= (uint32_t)c->bay << i;
	vm->devices->backing[i].host = h;
	return true;
}

static bool create_in_memory(struct vm *vm, unsigned i, const struct vm_disk *source)
{
	vm->devices->backing[i].disk = create_disk(vm, source);
	return vm->devices->backing[i].disk != NULL;
}

static bool create_any(struct vm *vm, unsigned i, const struct vm_disk *source)
{
	if (disk_config_is_remote(&source->config))
		return create_remote(vm, i, source);
	if (source->config.host != 0)
		return create_host(vm, i, source);
	return create_in_memory(vm, i, source);
}

/* They read the boot modules themselves. */
static void create_cdroms(struct vm *vm, const struct vm_images *images)
{
	struct virtio_scsi *s = &vm->devices->scsi;

	for (s->count = 0; s->count < images->cdrom_count; s->count++)
		s->cdrom[s->count] = (struct cdrom){
			.name = images->cdroms[s->count].config.name,
			.medium = vm_medium(images, s->count, changes_medium(images, s->count)),
		};
}

static void note_ports(struct vm_devices *d, const struct vm_images *images)
{
	for (unsigned port = 1; port <= images->config.root_ports; port++)
		if (changes_has_port(images, port) && !changes_attached(images, port))
			d->out |= 1u << port;
}

bool devices_create(struct vm *vm, const struct vm_images *images)
{
	struct vm_devices *d = vm->devices;

	d->has_rng = vm->config.rng && cpu_has_rdrand();
	d->has_console = vm->config.virtio_console || vm->config.ports.count != 0;
	d->has_vsock = vm->config.vsock;
	d->net_count = vm->config.nets.count;
	for (d->disk_count = 0; d->disk_count < images->disk_count; d->disk_count++) {
		const struct vm_disk *source = &images->disks[d->disk_count];

		d->disk_port[d->disk_count] = source->config.root_port;
		if (!create_any(vm, d->disk_count, source))
			return false;
	}
	create_cdroms(vm, images);
	note_ports(d, images);
	__atomic_store_n(&life_images(vm->id)->changes.asked, 0, __ATOMIC_SEQ_CST);
	return vfs_create(vm);
}

uint16_t device_place(unsigned place, uint32_t root_port)
{
	return root_port != 0 ? PCI_BDF(root_port, 0, 0) : PCI_BDF(0, place, 0);
}

static bool add_ports(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.root_ports; i++)
		if (!vport_add(vm->platform, i + 1, PCI_BDF(0, PLACE_PORTS, i)))
			return false;
	return true;
}

static bool is_in(const struct vm_devices *d, uint32_t root_port)
{
	return !(d->out >> root_port & 1);
}

static bool has_disk(const struct vm_devices *d, unsigned i)
{
	return is_in(d, d->disk_port[i]);
}

bool devices_has_net(const struct vm *vm, unsigned net)
{
	return is_in(vm->devices, vm->config.nets.at[net].root_port);
}

/* They are there when power comes. */
static void fill_ports(struct vm *vm)
{
	for (unsigned i = 0; i < vm->devices->disk_count; i++)
		if (vm->devices->disk_port[i] != 0 && has_disk(vm->devices, i))
			vport_fill(vm->platform, vm->devices->disk_port[i]);
	for (unsigned i = 0; i < vm->devices->net_count; i++)
		if (vm->config.nets.at[i].root_port != 0 && devices_has_net(vm, i))
			vport_fill(vm->platform, vm->config.nets.at[i].root_port);
}

static uint64_t refused(const struct net_config *c)
{
	return c->offload ? 0 : NET_OFFLOADS;
}

static bool add_net(struct vm *vm, unsigned i)
{
	struct virtio_net *n = &vm->devices->net[i];
	const struct net_config *c = &vm->config.nets.at[i];

	if (!virtio_net_create(n, vm->platform, device_place(PLACE_NETS + i, c->root_port),
		    network_switch(), network_port(vm->id, i), refused(c)) ||
		!vfs_add(vm, i, refused(c)))
		return false;
	devices_put_link(vm, i);
	return true;
}

void devices_put_link(struct vm *vm, unsigned net)
{
	bool up = changes_link(life_images(vm->id), net);

	virtio_net_set_link(&vm->devices->net[net], up);
	vfs_set_link(vm, net, up);
}

bool devices_put_network(struct vm *vm, unsigned net)
{
	uint8_t number = network_wanted(life_images(vm->id), net);

	if (!network_move(vm->id, &vm->config.nets, net, number))
		return false;
	if (devices_has_net(vm, net))
		virtio_net_moved(&vm->devices->net[net]);
	vfs_moved(vm, net);
	return true;
}

static bool add_disk(struct vm *vm, unsigned i)
{
	struct vm_devices *d = vm->devices;
	uint16_t place = device_place(PLACE_DISKS + i, d->disk_port[i]);

	if (d->bays >> i & 1) /* another file may be there since the VM was made */
		d->backing[i].host->size = host_disk_size(d->backing[i].host->number);
	return virtio_blk_create(
		&d->blk[i], &d->backing[i], vm->config.cpus, vm->platform, place);
}

static bool add_vsock(struct vm *vm)
{
	return virtio_vsock_create(&vm->devices->vsock, VIRTIO_VSOCK_CID_GUESTS + vm->id,
		       vm->platform, PCI_BDF(0, PLACE_VSOCK, 0)) &&
	       streams_accept(vm->id, &vm->devices->vsock);
}

static bool add_balloon(struct vm *vm)
{
	uint64_t target = vm->config.balloon;

	return virtio_balloon_create(&vm->devices->balloon, vm->ram->balloon_bits,
		vm->ram->balloon_bytes, target != BALLOON_ON ? target : 0, vm->platform,
		PCI_BDF(0, PLACE_BALLOON, 0));
}

static bool add(struct vm *vm)
{
	struct vm_devices *d = vm->devices;

	if (!add_ports(vm))
		return false;
	if (d->has_rng && !virtio_rng_create(&d->rng, vm->platform, PCI_BDF(0, PLACE_RNG, 0)))
		return false;
	if (d->has_console && !virtio_console_create(&d->console, vm->config.virtio_console,
				      vm->config.ports.count, vm->config.ports.name,
				      vm->platform, PCI_BDF(0, PLACE_CONSOLE, 0)))
		return false;
	for (unsigned i = 0; i < d->disk_count; i++)
		if (has_disk(d, i) && !add_disk(vm, i))
			return false;
	if (d->has_vsock && !add_vsock(vm))
		return false;
	if (vm->config.balloon != BALLOON_OFF && !add_balloon(vm))
		return false;
	if (d->scsi.count != 0 &&
		!virtio_scsi_create(&d->scsi, vm->platform, PCI_BDF(0, PLACE_SCSI, 0)))
		return false;
	for (unsigned i = 0; i < d->net_count; i++)
		if (devices_has_net(vm, i) && !add_net(vm, i))
			return false;
	fill_ports(vm);
	return passed_add(vm);
}

bool devices_reset(struct vm *vm, const struct platform_config *c)
{
	platform_reset(vm->platform, c);
	if (!add(vm))
		return false;
	if (c->fwcfg == NULL) /* which does it itself */
		vpci_assign(vm->platform);
	return true;
}

bool devices_have_console(const struct vm *vm)
{
	return vm->config.virtio_console && virtio_live(&vm->devices->console.v);
}

/* As much as its buffer takes; with the lock. */
static void fill_console(struct vm *vm)
{
	struct virtio_console *c = &vm->devices->console;
	uint8_t bytes[64];
	uint16_t columns, rows;

	while (c->count < VIRTIO_CONSOLE_INPUT && input_waiting(vm->id) > 0) {
		uint32_t n = 0;

		while (n < sizeof(bytes) && c->count + n < VIRTIO_CONSOLE_INPUT &&
			input_waiting(vm->id) > 0)
			bytes[n++] = input_take(vm->id);
		virtio_console_input(c, bytes, n);
	}
	if (input_size(vm->id, &columns, &rows))
		virtio_console_resize(c, columns, rows);
}

void devices_fill_console(struct vm *vm)
{
	if (!devices_have_console(vm))
		return;
	dev_lock(vm->platform);
	fill_console(vm);
	dev_unlock(vm->platform);
}

void devices_console_came(struct vm *vm)
{
	if (!devices_have_console(vm))
		platform_console_came(vm->platform);
	devices_fill_console(vm);
	if (vm->config.ports.count == 0)
		return;
	dev_lock(vm->platform);
	virtio_console_look(&vm->devices->console);
	dev_unlock(vm->platform);
}

void devices_arrived(struct vm *vm)
{
	struct vm_devices *d = vm->devices;

	if (d->net_count == 0 && !d->has_vsock && vm->config.remote_disks == 0)
		return;
	dev_lock(vm->platform);
	if (d->has_vsock)
		virtio_vsock_arrived(&d->vsock);
	for (unsigned i = 0; i < d->disk_count; i++)
		if (has_disk(d, i))
			virtio_blk_arrived(&d->blk[i]);
	for (unsigned i = 0; i < d->net_count; i++)
		if (devices_has_net(vm, i))
			virtio_net_arrived(&d->net[i]);
	vfs_arrived(vm);
	dev_unlock(vm->platform);
}

/* ---- what comes and goes ---- */

enum devices_slot devices_slot(const struct vm *vm, unsigned port)
{
	if (!is_in(vm->devices, port))
		return SLOT_OUT;
	return vm->devices->leaving >> port & 1 ? SLOT_LEAVES : SLOT_IN;
}

/* The number of the disk there, or disk_count. */
static unsigned disk_at(const struct vm_devices *d, unsigned port)
{
	unsigned i = 0;

	while (i < d->disk_count && d->disk_port[i] != port)
		i++;
	return i;
}

static unsigned net_at(const struct vm *vm, unsigned port)
{
	return (unsigned)(net_list_at_port(&vm->config.nets, port) - vm->config.nets.at);
}

/* NULL, or why there is nothing to attach. */
static const char *look_into_bay(struct blk_host *h, bool fresh)
{
	if (fresh && !host_disk_open(h->number))
		return DEVICES_NOTHING_THERE;
	h->size = host_disk_size(h->number);
	if (h->size == 0)
		return DEVICES_BAY_EMPTY;
	return h->size % VIRTIO_BLK_SECTOR == 0
		       ? NULL
		       : "its file is no whole number of sectors of 512 bytes";
}

static bool is_machines(const struct vm *vm, unsigned port)
{
	return passed_at_port(vm, port) < vm->devices->passed.count;
}

static const char *put_in(struct vm *vm, unsigned port, bool fresh)
{
	struct vm_devices *d = vm->devices;
	unsigned disk = disk_at(d, port);
	const char *why = NULL;

	if (is_machines(vm, port))
		return passed_attach(vm, port);
	if (d->bays >> disk & 1)
		why = look_into_bay(d->backing[disk].host, fresh);
	if (why != NULL)
		return why;
	if (!(disk < d->disk_count ? add_disk(vm, disk) : add_net(vm, net_at(vm, port))))
		return "there is no room on the bus"; /* never: each has its place */
	return NULL;
}

const char *devices_attach(struct vm *vm, unsigned port, bool fresh)
{
	const char *why = put_in(vm, port, fresh);

	if (why != NULL)
		return why;
	vm->devices->out &= ~(1u << port);
	vport_plug(vm->platform, port);
	return NULL;
}

/* It has no queue, no work and no frame any more; then it has no function. */
static void take_out_virtio(struct vm *vm, unsigned port)
{
	struct vm_devices *d = vm->devices;
	unsigned disk = disk_at(d, port);
	struct virtio *v;

	if (disk == d->disk_count) {
		net_port_link(network_switch(), network_port(vm->id, net_at(vm, port)), false);
		v = &d->net[net_at(vm, port)].v;
		vfs_remove(vm, net_at(vm, port));
	} else {
		v = &d->blk[disk].v;
	}
	vport_pull(vm->platform, port);
	virtio_reset(v);
	vpci_remove(v->function);
	v->function = NULL;
	/* Once for each request: no budget, since somebody waits for it. */
	mux_record("device-gone vm=%s slot=%u tsc=%lu", vm->config.name, port, rdtsc());
}

static void take_out(struct vm *vm, unsigned port)
{
	struct vm_devices *d = vm->devices;

	if (is_machines(vm, port))
		passed_take_out(vm, port);
	else
		take_out_virtio(vm, port);
	d->out |= 1u << port;
	d->leaving &= ~(1u << port);
	changes_set_asked(life_images(vm->id), port, false);
}

bool devices_detach(struct vm *vm, unsigned port, bool force)
{
	struct vm_devices *d = vm->devices;

	if (force || !vport_powered(vm->platform, port)) {
		take_out(vm, port);
		return true;
	}
	/* A guest that starts just now may not have heard of it the first time. */
	if (!(d->leaving >> port & 1) || !vport_considers(vm->platform, port))
		vport_press(vm->platform, port);
	d->leaving |= 1u << port;
	changes_set_asked(life_images(vm->id), port, true);
	return false;
}

void devices_slot_off(struct vm *vm, unsigned port)
{
	if (devices_slot(vm, port) == SLOT_LEAVES)
		take_out(vm, port);
}

/* ---- state ---- */

void devices_get_state(struct vm *vm, struct devices_state *s)
{
	struct vm_devices *d = vm->devices;

	memset(s, 0, sizeof(*s));
	dev_lock(vm->platform);
	if (d->has_rng)
		virtio_get_state(&d->rng.v, &s->rng);
	if (d->has_console)
		virtio_console_get_state(&d->console, &s->console);
	if (d->has_vsock)
		virtio_get_state(&d->vsock.v, &s->vsock);
	for (unsigned i = 0; i < d->disk_count; i++) {
		if (!has_disk(d, i))
			continue;
		virtio_get_state(&d->blk[i].v, &s->blk[i]);
		if (d->backing[i].remote != NULL)
			blk_remote_get_state(&d->blk[i], &s->remote[i]);
	}
	if (d->scsi.count != 0)
		virtio_scsi_get_state(&d->scsi, &s->scsi);
	for (unsigned i = 0; i < d->net_count; i++) {
		if (!devices_has_net(vm, i))
			continue;
		virtio_get_state(&d->net[i].v, &s->net[i].virtio);
		virtio_net_get_state(&d->net[i], &s->net[i].net);
	}
	vfs_get_state(vm, s->vf);
	dev_unlock(vm->platform);
}

static bool set_disk(struct vm_devices *d, unsigned i, const struct devices_state *s)
{
	return virtio_set_state(&d->blk[i].v, &s->blk[i]) &&
	       (d->backing[i].remote == NULL ||
		       blk_remote_set_state(&d->blk[i], &s->remote[i]));
}

static bool set(const struct vm *vm, const struct devices_state *s)
{
	struct vm_devices *d = vm->devices;
	bool ok = !d->has_rng || virtio_set_state(&d->rng.v, &s->rng);

	ok = ok && (!d->has_console || virtio_console_set_state(&d->console, &s->console));
	ok = ok && (!d->has_vsock || virtio_vsock_set_state(&d->vsock, &s->vsock));
	for (unsigned i = 0; ok && i < d->disk_count; i++)
		ok = !has_disk(d, i) || set_disk(d, i, s);
	ok = ok && (d->scsi.count == 0 || virtio_scsi_set_state(&d->scsi, &s->scsi));
	for (unsigned i = 0; ok && i < d->net_count; i++)
		ok = !devices_has_net(vm, i) ||
		     (virtio_set_state(&d->net[i].v, &s->net[i].virtio) &&
			     virtio_net_set_state(&d->net[i], &s->net[i].net));
	return ok && vfs_set_state(vm, s->vf);
}

bool devices_set_state(struct vm *vm, const struct devices_state *s)
{
	bool ok;

	dev_lock(vm->platform);
	ok = set(vm, s);
	dev_unlock(vm->platform);
	return ok;
}
