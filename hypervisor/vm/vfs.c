/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vfs.h"

#include "policy/memory.h"
#include "vm/devices.h"
#include "vm/network.h"
#include "vm/vm_int.h"

_Static_assert(sizeof(struct virtio_net) <= MEMORY_VF, "policy/memory.c");

/* The functions of a network device: [first, end) of all that the VM has. */
struct range {
	unsigned first, end;
};

static struct range of_net(const struct vm *vm, unsigned net)
{
	const struct net_list *l = &vm->config.nets;

	return (struct range){net_list_vfs(l, net), net_list_vfs(l, net + 1)};
}

/* None while it is out of its slot. */
static struct range there(const struct vm *vm, unsigned net)
{
	return devices_has_net(vm, net) ? of_net(vm, net) : (struct range){0, 0};
}

bool vfs_create(struct vm *vm)
{
	unsigned vfs = net_list_vfs(&vm->config.nets, vm->config.nets.count);
	uint64_t size = vfs * sizeof(struct virtio_net);

	if (vfs == 0)
		return true;
	vm->devices->vf = pool_get_run(&vm->pool, (unsigned)((size + PAGE_MASK) / PAGE_SIZE));
	return vm->devices->vf != NULL;
}

bool vfs_add(struct vm *vm, unsigned net, uint64_t refused)
{
	struct virtio_net *physical = &vm->devices->net[net];
	struct range r = of_net(vm, net);

	if (r.first == r.end)
		return true;
	virtio_offer_vfs(&physical->v, r.end - r.first, r.first);
	for (unsigned i = r.first; i < r.end; i++)
		if (!virtio_net_create_vf(&vm->devices->vf[i], physical, i - r.first,
			    network_vf_port(vm->id, i), refused))
			return false;
	return true;
}

void vfs_remove(struct vm *vm, unsigned net)
{
	struct range r = of_net(vm, net);

	for (unsigned i = r.first; i < r.end; i++) {
		struct virtio *v = &vm->devices->vf[i].v;

		net_port_link(network_switch(), network_vf_port(vm->id, i), false);
		virtio_reset(v);
		vpci_remove(v->function);
		v->function = NULL;
	}
}

void vfs_set_link(struct vm *vm, unsigned net, bool up)
{
	struct range r = of_net(vm, net);

	for (unsigned i = r.first; i < r.end; i++)
		virtio_net_set_link(&vm->devices->vf[i], up);
}

void vfs_moved(struct vm *vm, unsigned net)
{
	struct range r = there(vm, net);

	for (unsigned i = r.first; i < r.end; i++)
		virtio_net_moved(&vm->devices->vf[i]);
}

void vfs_arrived(struct vm *vm)
{
	for (unsigned net = 0; net < vm->config.nets.count; net++) {
		struct range r = there(vm, net);

		for (unsigned i = r.first; i < r.end; i++)
			virtio_net_arrived(&vm->devices->vf[i]);
	}
}

/* ---- state ---- */

void vfs_get_state(const struct vm *vm, struct device_net_state *s)
{
	for (unsigned net = 0; net < vm->config.nets.count; net++) {
		struct range r = there(vm, net);

		for (unsigned i = r.first; i < r.end; i++) {
			virtio_get_state(&vm->devices->vf[i].v, &s[i].virtio);
			virtio_net_get_state(&vm->devices->vf[i], &s[i].net);
		}
	}
}

/* What cannot be seen is as after reset: the platform's state, which is there, says which. */
static bool set_vf(struct virtio_net *vf, const struct device_net_state *s)
{
	return (!vpci_hidden(vf->v.function) || s->virtio.status == 0) &&
	       virtio_set_state(&vf->v, &s->virtio) && virtio_net_set_state(vf, &s->net);
}

bool vfs_set_state(const struct vm *vm, const struct device_net_state *s)
{
	bool ok = true;

	for (unsigned net = 0; net < vm->config.nets.count; net++) {
		struct range r = there(vm, net);

		for (unsigned i = r.first; ok && i < r.end; i++)
			ok = set_vf(&vm->devices->vf[i], &s[i]);
	}
	return ok;
}
