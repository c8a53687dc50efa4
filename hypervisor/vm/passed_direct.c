/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of devices that a VM owns, which its vCPUs access without an exit: what EPT01 has
 * of them.
 */
#include "vm/passed.h"

#include "vm/devices.h"
#include "vm/vm_int.h"

static bool meets(const struct mem_slot *s, uint64_t gpa, uint64_t size)
{
	return gpa < s->gpa + s->size && s->gpa < gpa + size;
}

static bool has_memory(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vm->slot_count; i++)
		if (meets(&vm->slots[i], gpa, size))
			return true;
	return meets(&vm->rom, gpa, size);
}

/* A page of this size around the address, which lies like its memory in the machine. */
static bool direct_page(
	struct vm *vm, uint64_t gpa, uint64_t size, struct hpa *hpa, struct dev_window *window)
{
	uint64_t start = gpa & ~(size - 1);

	return !has_memory(vm, start, size) &&
	       platform_direct(vm->platform, start, size, &hpa->v, window) &&
	       (hpa->v & (size - 1)) == 0;
}

static bool find_direct(
	struct vm *vm, uint64_t gpa, struct hpa *hpa, uint64_t *size, struct dev_window *window)
{
	if (vm->devices->passed.count == 0 || gpa >> 48 != 0)
		return false;
	*size = SIZE_2M;
	if (direct_page(vm, gpa, SIZE_2M, hpa, window))
		return true;
	*size = PAGE_SIZE;
	return direct_page(vm, gpa, PAGE_SIZE, hpa, window);
}

bool passed_translate(struct vm *vm, uint64_t gpa, struct hpa *hpa, uint64_t *size)
{
	struct dev_window window;

	if (!find_direct(vm, gpa, hpa, size, &window))
		return false;
	hpa->v |= gpa & (*size - 1);
	return true;
}

/* False: there is no room, which there is for each register. */
static bool note_mapped(struct passed_devices *d, const struct dev_window *window)
{
	for (unsigned i = 0; i < d->mapped_count; i++)
		if (d->mapped[i].first == window->first && d->mapped[i].last == window->last)
			return true;
	if (d->mapped_count == sizeof(d->mapped) / sizeof(d->mapped[0]))
		return false;
	d->mapped[d->mapped_count++] = *window;
	return true;
}

/*
 * UC, and the guest's PAT counts: so WC is what the guest makes WC, as where MTRRs say UC, and
 * nothing is cached (SDM 28.2.6.2 "Memory Type Used for Translated Guest-Physical Addresses").
 */
bool passed_map_direct(struct vm *vm, uint64_t gpa)
{
	struct dev_window window;
	struct hpa hpa;
	uint64_t size;

	if (!find_direct(vm, gpa, &hpa, &size, &window) ||
		!note_mapped(&vm->devices->passed, &window))
		return false;
	/* Other CPUs may have the table in their caches: it stays. */
	if (size > PAGE_SIZE && ept_has_table(&vm->ept01, gpa)) {
		hpa.v += gpa & (size - 1) & ~PAGE_MASK;
		size = PAGE_SIZE;
	}
	return ept_map(&vm->ept01, gpa & ~(size - 1), hpa, size, EPT_RWX, MEMTYPE_UC);
}

bool passed_unmap_direct(struct vm *vm)
{
	struct passed_devices *d = &vm->devices->passed;
	bool any = d->mapped_count != 0;

	for (unsigned i = 0; i < d->mapped_count; i++)
		if (d->mapped[i].last >> 48 == 0)
			ept_clear(&vm->ept01, d->mapped[i].first,
				d->mapped[i].last - d->mapped[i].first + 1);
	d->mapped_count = 0;
	return any;
}
