/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/passed_virtual.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/tsc.h"
#include "dev/vpass_sriov.h"
#include "lib/fmt.h"
#include "mm/page.h"
#include "spec/apic.h"
#include "spec/pcie.h"
#include "vm/ecam.h"
#include "vm/passed_int.h"
#include "vtd/topology.h"

#define LOW_MEMORY (UINT64_C(1) << 20) /* below is what no device has */
#define REACHED    (UINT64_C(1) << 46) /* by L0's direct map, and more */

struct passed_physical {
	struct vpass_physical p;
	bool on;
	unsigned holders;  /* functions that VMs have, or will have */
	uint64_t ready_at; /* host TSC before which they, or the capability, are left alone */
	struct vpass_vfs made; /* a VM owns it, and makes them; p is ours then */
};

static struct passed_physical all[PASSED_MAX];
static unsigned count;
static struct spinlock lock = {.rank = LOCK_VIRTUAL}; /* what changes after the claims */

uint16_t passed_physical_bdf(const struct passed_physical *p)
{
	return p->p.bdf;
}

static uint64_t after(unsigned ms)
{
	return rdtsc() + (uint64_t)tsc_khz * ms;
}

static void wait(unsigned ms)
{
	for (uint64_t end = after(ms); rdtsc() < end;)
		cpu_pause();
}

/* ---- where their memory is ---- */

static bool meets(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static bool meets_bars(const struct vpass_bar *bar, uint64_t scale, uint64_t at, uint64_t size)
{
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (bar[i].kind != VPCI_BAR_NONE && !vpci_bar_is_io(bar[i].kind) &&
			meets(bar[i].address, bar[i].size * scale, at, size))
			return true;
	return false;
}

const char *passed_memory_why_not(const struct vpass_bar bar[PCI_BARS], uint64_t scale)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint64_t at = bar[i].address, size = bar[i].size * scale;

		if (bar[i].kind == VPCI_BAR_NONE || vpci_bar_is_io(bar[i].kind))
			continue;
		if (at & (bar[i].size - 1) || at >= REACHED || size > REACHED - at)
			return "its memory is where no memory of a device can be";
		if (page_known(at, size) || iommu_meets(at, size))
			return "its memory is where the machine has RAM, an IOMMU, or memory of firmware's";
	}
	return NULL;
}

/* Of what L0 knows: its own registers, and devices that were claimed before. */
static bool meets_others(uint64_t at, uint64_t size)
{
	if (at < LOW_MEMORY || ecam_meets(at, size) ||
		meets(at, size, IOAPIC_DEFAULT_BASE,
			MSI_ADDRESS_BASE + LOW_MEMORY - IOAPIC_DEFAULT_BASE))
		return true;
	for (unsigned i = 0; i < passed_count; i++)
		if (meets_bars(passed[i].f.bar, 1, at, size))
			return true;
	for (unsigned i = 0; i < count; i++)
		if (meets_bars(all[i].p.bar, all[i].p.count, at, size))
			return true;
	return false;
}

bool passed_virtual_meets(const struct vpass_function *f)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < PCI_BARS; k++)
			if (f->bar[k].kind != VPCI_BAR_NONE &&
				!vpci_bar_is_io(f->bar[k].kind) &&
				meets_bars(all[i].p.bar, all[i].p.count, f->bar[k].address,
					f->bar[k].size))
				return true;
	return false;
}

/* As firmware has it for all that it has left room for, or from what nobody has. */
static const char *place_bar(struct vpass_physical *p, unsigned i)
{
	struct vpass_bar *bar = &p->bar[i];
	uint64_t size = bar->size * p->count;

	if (bar->kind == VPCI_BAR_NONE)
		return NULL;
	if (bar->address == 0) {
		uint64_t at;

		if (!l0_config()->machine.no_firmware)
			return "firmware has given its virtual functions no addresses";
		at = passed_free_memory(size, bar->size);
		if (at == 0)
			return "there are no addresses left for its virtual functions";
		vpass_physical_place(p, i, at);
	}
	if (bar->address + size < size ||
		(bar->kind == VPCI_BAR_32 && bar->address + size > UINT64_C(1) << 32))
		return "memory of its virtual functions ends behind what its register can say";
	return NULL;
}

static const char *place_bars(struct vpass_physical *p)
{
	const char *why = NULL;

	for (unsigned i = 0; i < PCI_BARS && why == NULL; i++)
		why = place_bar(p, i);
	if (why == NULL)
		why = passed_memory_why_not(p->bar, p->count);
	for (unsigned i = 0; i < PCI_BARS && why == NULL; i++) {
		if (p->bar[i].kind == VPCI_BAR_NONE)
			continue;
		if (meets_others(p->bar[i].address, p->bar[i].size * p->count))
			why = "memory of its virtual functions is another device's, too";
		for (unsigned k = 0; k < i && why == NULL; k++)
			if (meets_bars(&p->bar[k], p->count, p->bar[i].address,
				    p->bar[i].size * p->count))
				why = "memory of its virtual functions overlaps";
	}
	return why;
}

/* ---- claims ---- */

static unsigned wanted(const struct scenario *s, uint16_t bdf)
{
	unsigned most = 0;

	for (unsigned i = 0; i < s->vm_count; i++) {
		unsigned n = device_list_vfs(&s->vms[i].config.devices, bdf);

		most = n > most ? n : most;
	}
	return most;
}

/* Boot CPU only. */
static const char *too_many(const struct vpass_physical *p)
{
	static char text[48];

	fmt(text, sizeof(text), "it has vf0 to vf%u only", p->initial - 1u);
	return text;
}

/*
 * A VM decides how many of them there are: each must be where it was claimed (9.3.3.9 and
 * 9.3.3.10 let places depend on the number).
 */
static const char *find_counts(struct vpass_physical *p, unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		if (!vpass_physical_recount(p, i))
			return "places of its virtual functions depend on their number";
	return NULL;
}

/* changes: their number will. */
static const char *make(struct vpass_physical *p, uint16_t bdf, unsigned n, bool changes)
{
	const char *why = ecam_why_not(PCI_BDF_BUS(bdf));

	if (why != NULL)
		return why;
	why = vpass_physical_find(bdf, p);
	if (why == NULL && p->was_on)
		wait(PCIE_SRIOV_OFF_MS);
	if (why == NULL)
		why = vpass_physical_ask(p);
	if (why == NULL && n > p->initial)
		why = too_many(p);
	if (why == NULL)
		why = vpass_physical_count(p, n, topology_forward(bdf));
	if (why == NULL && changes)
		why = find_counts(p, n);
	for (unsigned i = 0; i < p->count && why == NULL; i++)
		why = topology_reaches(bdf, vpass_virtual_place(p, i));
	if (why == NULL)
		why = place_bars(p);
	if (why == NULL && !ecam_keep(bdf))
		why = "all VMs together have virtual functions of too many devices";
	if (why != NULL)
		return why;
	vpass_physical_on(p);
	wait(PCIE_SRIOV_ON_MS);
	topology_separate_function(bdf);
	for (unsigned i = 0; i < p->count; i++)
		topology_separate_function(vpass_virtual_place(p, i));
	return NULL;
}

struct passed_physical *passed_physical_claim(
	const struct scenario *s, uint16_t bdf, bool changes, const char **why)
{
	struct passed_physical *p = &all[count];

	for (unsigned i = 0; i < count; i++)
		if (all[i].p.bdf == bdf)
			return &all[i];
	*why = "all VMs together have virtual functions of too many devices";
	if (count == PASSED_MAX)
		return NULL;
	*p = (struct passed_physical){.on = true};
	*why = make(&p->p, bdf, wanted(s, bdf), changes);
	if (*why != NULL)
		return NULL;
	count++;
	log_info(
		"pci:%02x:%02x.%u has %u virtual functions of %u: %02x:%02x.%u, and so on by %u",
		PCI_BDF_BUS(bdf), PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf), p->p.count,
		p->p.initial, PCI_BDF_BUS(vpass_virtual_place(&p->p, 0)),
		PCI_BDF_DEVICE(vpass_virtual_place(&p->p, 0)),
		PCI_BDF_FUNCTION(vpass_virtual_place(&p->p, 0)), p->p.stride);
	return p;
}

const char *passed_virtual_claim(
	struct passed_physical *p, unsigned number, struct vpass_function *f)
{
	const char *why = vpass_probe_virtual(&p->p, number, f);

	p->holders += why == NULL;
	return why;
}

void passed_virtual_share(struct passed_physical *p)
{
	p->holders++;
}

struct vpass_vfs *passed_vfs_claim(
	const struct scenario *s, const struct vpass_function *f, const char **why)
{
	struct passed_physical *p;

	*why = vpass_has_flr(f) ? NULL
				: "it has no function-level reset, as it must with SR-IOV";
	if (*why != NULL)
		return NULL;
	p = passed_physical_claim(s, f->id.bdf, true, why);
	if (p == NULL)
		return NULL;
	p->made = (struct vpass_vfs){.p = &p->p, .most = p->p.count};
	return &p->made;
}

const char *passed_vfs_probe(struct vpass_vfs *v, unsigned number, struct vpass_function *f)
{
	v->vf[number] = f;
	return vpass_probe_virtual(v->p, number, f);
}

void passed_vfs_claimed(struct vpass_vfs *v)
{
	for (unsigned i = 0; i < v->most; i++)
		vpass_vf_gone(v->vf[i]);
	vpass_physical_off(v->p);
	v->ready_at = after(PCIE_SRIOV_OFF_MS);
}

void passed_virtual_off(void)
{
	for (unsigned i = 0; i < count; i++)
		vpass_physical_off(&all[i].p);
}

/* ---- lives of VMs ---- */

static void say(const struct passed_physical *p, const char *what)
{
	log_info("virtual functions of pci:%02x:%02x.%u are %s", PCI_BDF_BUS(p->p.bdf),
		PCI_BDF_DEVICE(p->p.bdf), PCI_BDF_FUNCTION(p->p.bdf), what);
}

static void turn_on(struct passed_physical *p)
{
	say(p, "there again");
	vpass_physical_on(&p->p);
	p->on = true;
	p->ready_at = after(PCIE_SRIOV_ON_MS);
}

bool passed_virtual_ready(struct passed_physical *p, bool *holds)
{
	bool ready;

	spin_lock(&lock);
	if (!p->on && rdtsc() >= p->ready_at)
		turn_on(p);
	ready = p->on && rdtsc() >= p->ready_at;
	if (ready && !*holds) {
		*holds = true;
		p->holders++;
	}
	spin_unlock(&lock);
	return ready;
}

void passed_virtual_leave(struct passed_physical *p, bool *holds)
{
	spin_lock(&lock);
	if (*holds) {
		*holds = false;
		p->holders--;
	}
	if (p->holders == 0 && p->on) {
		say(p, "gone: no VM that may run has one");
		vpass_physical_off(&p->p);
		p->on = false;
		p->ready_at = after(PCIE_SRIOV_OFF_MS);
	}
	spin_unlock(&lock);
}
