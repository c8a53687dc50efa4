/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/devices.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "policy/vm_config.h"
#include "vm/create.h"
#include "vm/vm_int.h"

/* Places on bus 0, the same in every VM. The host bridge is device 0. */
enum device_place {
	PLACE_RNG = 3
};

bool devices_create(struct vm *vm)
{
	vm->devices->has_rng = vm->config.rng && cpu_has_rdrand();
	return true;
}

static bool add(struct vm *vm)
{
	struct vm_devices *d = vm->devices;

	if (d->has_rng && !virtio_rng_create(&d->rng, vm->platform, PCI_BDF(0, PLACE_RNG, 0)))
		return false;
	return true;
}

bool devices_reset(struct vm *vm, const struct platform_config *c)
{
	platform_reset(vm->platform, c);
	if (!add(vm))
		return false;
	vpci_assign(vm->platform);
	return true;
}

/* ---- state ---- */

void devices_get_state(struct vm *vm, struct devices_state *s)
{
	struct vm_devices *d = vm->devices;

	memset(s, 0, sizeof(*s));
	dev_lock(vm->platform);
	if (d->has_rng)
		virtio_get_state(&d->rng.v, &s->rng);
	dev_unlock(vm->platform);
}

static bool set(struct vm_devices *d, const struct devices_state *s)
{
	return !d->has_rng || virtio_set_state(&d->rng.v, &s->rng);
}

bool devices_set_state(struct vm *vm, const struct devices_state *s)
{
	bool ok;

	dev_lock(vm->platform);
	ok = set(vm->devices, s);
	dev_unlock(vm->platform);
	return ok;
}
