/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/vpass_sriov.h"

#include "dev/vpass_int.h"
#include "spec/pci_find.h"

#define PAGE_4K 1u /* in PCIE_SRIOV_PAGES */

static uint32_t get(const struct vpass_physical *p, unsigned offset, unsigned size)
{
	return dev_pass_config_read(p->bdf, p->at + offset, size);
}

static void put(const struct vpass_physical *p, unsigned offset, unsigned size, uint32_t value)
{
	dev_pass_config_write(p->bdf, p->at + offset, size, value);
}

/* Their memory is mapped by pages, one function's at a time. */
static const char *find_bars(struct vpass_physical *p)
{
	const char *why = vpass_size_bars(p->bdf, p->at + PCIE_SRIOV_BAR, p->bar);

	for (unsigned i = 0; i < PCI_BARS && why == NULL; i++) {
		if (p->bar[i].kind == VPCI_BAR_NONE)
			continue;
		if (p->bar[i].kind == VPCI_BAR_IO)
			return "its virtual functions have ports, which they cannot have";
		if (p->bar[i].size < PCIE_SRIOV_PAGE_UNIT)
			return "memory of its virtual functions is smaller than a page";
	}
	return why;
}

const char *vpass_physical_ask(struct vpass_physical *p)
{
	p->vendor = (uint16_t)dev_pass_config_read(p->bdf, PCI_VENDOR, 2);
	p->device = (uint16_t)get(p, PCIE_SRIOV_DEVICE, 2);
	p->initial = (uint16_t)get(p, PCIE_SRIOV_INITIAL, 2);
	if (p->initial == 0 || p->initial > get(p, PCIE_SRIOV_TOTAL, 2))
		return "it does not say how many virtual functions it can have";
	put(p, PCIE_SRIOV_PAGE, 4, PAGE_4K);
	if (!(get(p, PCIE_SRIOV_PAGES, 4) & PAGE_4K) || get(p, PCIE_SRIOV_PAGE, 4) != PAGE_4K)
		return "its virtual functions do not have pages of 4 KiB";
	return find_bars(p);
}

const char *vpass_physical_find(uint16_t bdf, struct vpass_physical *p)
{
	*p = (struct vpass_physical){.bdf = bdf};
	if (dev_pass_config_read(bdf, PCI_VENDOR, 2) == PCI_NO_VENDOR)
		return "this machine has no such function";
	if (dev_pass_config_read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT)
		return "it is a bridge";
	p->at = (uint16_t)pcie_find(
		dev_pass_config_read, bdf, PCIE_EXTENDED_SRIOV, PCIE_SRIOV_SIZE);
	if (p->at == 0)
		return "it has no virtual functions (SR-IOV)";
	dev_pass_config_write(bdf, PCI_COMMAND, 2, PCI_COMMAND_NOINTX);
	p->was_on = get(p, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE;
	vpass_physical_off(p);
	return NULL;
}

/*
 * Places may depend on how many there are (9.3.3.9, 9.3.3.10). Functions that firmware has at
 * one of them are not displaced.
 */
static const char *find_places(struct vpass_physical *p)
{
	p->first = (uint16_t)get(p, PCIE_SRIOV_FIRST, 2);
	p->stride = (uint16_t)get(p, PCIE_SRIOV_STRIDE, 2);
	if (p->first == 0 || (p->stride == 0 && p->count > 1) ||
		p->bdf + p->first + p->stride * (p->count - 1u) > UINT16_MAX)
		return "its virtual functions have no places that PCI has";
	for (unsigned i = 0; i < p->count; i++)
		if (dev_pass_config_read(vpass_virtual_place(p, i), PCI_STATUS, 2) != 0xffff)
			return "another function is where one of its virtual functions would be";
	return NULL;
}

/* 9.3.3.3.5 "ARI Capable Hierarchy": the first function of a device says it for all. */
static void set_forward(const struct vpass_physical *p, bool forward)
{
	struct vpass_physical first = {.bdf = (uint16_t)(p->bdf & ~(PCI_FUNCTIONS - 1))};
	uint32_t control, wanted;

	while (first.bdf < p->bdf &&
		(first.at = (uint16_t)pcie_find(dev_pass_config_read, first.bdf,
			 PCIE_EXTENDED_SRIOV, PCIE_SRIOV_SIZE)) == 0)
		first.bdf++;
	if (first.bdf == p->bdf)
		first.at = p->at;
	control = get(&first, PCIE_SRIOV_CONTROL, 2);
	wanted = (control & ~PCIE_SRIOV_ARI) | (forward ? PCIE_SRIOV_ARI : 0);
	/* With functions on, which were counted with it, it stays. */
	if (wanted != control && !(control & PCIE_SRIOV_ENABLE))
		put(&first, PCIE_SRIOV_CONTROL, 2, wanted);
}

const char *vpass_physical_count(struct vpass_physical *p, unsigned count, bool forward)
{
	if (count == 0 || count > p->initial)
		return "it has not so many virtual functions";
	p->count = (uint16_t)count;
	p->forward = forward;
	set_forward(p, forward);
	put(p, PCIE_SRIOV_COUNT, 2, count);
	if (get(p, PCIE_SRIOV_COUNT, 2) != count)
		return "it does not take the number of its virtual functions";
	return find_places(p);
}

/* A reset, and D0 again, have lost what says how places are found. */
bool vpass_physical_recount(struct vpass_physical *p, unsigned count)
{
	set_forward(p, p->forward);
	put(p, PCIE_SRIOV_COUNT, 2, count);
	p->count = (uint16_t)count;
	return get(p, PCIE_SRIOV_COUNT, 2) == count &&
	       get(p, PCIE_SRIOV_FIRST, 2) == p->first &&
	       (count == 1 || get(p, PCIE_SRIOV_STRIDE, 2) == p->stride);
}

void vpass_physical_place(struct vpass_physical *p, unsigned bar, uint64_t address)
{
	p->bar[bar].address = address;
	vpass_write_bar(p->bdf, p->at + PCIE_SRIOV_BAR, p->bar, bar);
}

/* Both at once: without functions nothing answers there. */
void vpass_physical_on(const struct vpass_physical *p)
{
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (p->bar[i].kind != VPCI_BAR_NONE)
			vpass_write_bar(p->bdf, p->at + PCIE_SRIOV_BAR, p->bar, i);
	put(p, PCIE_SRIOV_COUNT, 2, p->count);
	put(p, PCIE_SRIOV_CONTROL, 2,
		get(p, PCIE_SRIOV_CONTROL, 2) | PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
}

void vpass_physical_off(const struct vpass_physical *p)
{
	put(p, PCIE_SRIOV_CONTROL, 2, get(p, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ARI);
}

uint16_t vpass_virtual_place(const struct vpass_physical *p, unsigned number)
{
	return (uint16_t)(p->bdf + p->first + p->stride * number);
}
