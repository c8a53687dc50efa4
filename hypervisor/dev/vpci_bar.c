/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base address registers: sizes, which addresses reach which function, and first addresses.
 */
#include "dev/vpci_int.h"

#define FIRST_PORT 0xc000u
#define PORTS_END  0x10000u

bool vpci_bar_is_64(enum vpci_bar_kind kind)
{
	return kind == VPCI_BAR_64 || kind == VPCI_BAR_64_PREFETCH;
}

uint32_t vpci_bar_flags(enum vpci_bar_kind kind)
{
	if (kind == VPCI_BAR_IO)
		return PCI_BAR_IO;
	return (vpci_bar_is_64(kind) ? PCI_BAR_64 : 0) |
	       (kind == VPCI_BAR_64_PREFETCH ? PCI_BAR_PREFETCH : 0);
}

/* What software finds out by writing ones: the bits that it can write are those of addresses.
 */
void vpci_add_bar(struct vpci_function *f, unsigned bar, enum vpci_bar_kind kind, uint64_t size)
{
	unsigned offset = PCI_BAR + 4 * bar;
	uint64_t mask = ~(size - 1);

	f->bar[bar] = (struct vpci_bar){kind, size, 0};
	if (f->physical != NULL) /* they are the capability's */
		return;
	vpci_config_set(f, offset, 4, vpci_bar_flags(kind));
	vpci_set_writable(f, offset, (uint32_t)(kind == VPCI_BAR_IO ? mask & 0xffff : mask), 4);
	if (vpci_bar_is_64(kind))
		vpci_set_writable(f, offset + 4, (uint32_t)(mask >> 32), 4);
}

void vpci_add_fixed(struct vpci_function *f, unsigned bar, uint16_t first, uint64_t size)
{
	f->bar[bar] = (struct vpci_bar){VPCI_BAR_FIXED, size, first};
}

static uint64_t address_of(const uint8_t *config, unsigned bar, enum vpci_bar_kind kind)
{
	unsigned offset = PCI_BAR + 4 * bar;
	uint64_t low = vpci_get(config, offset, 4);

	if (kind == VPCI_BAR_IO)
		return low & ~(uint64_t)PCI_BAR_IO_FLAGS;
	low &= ~(uint64_t)PCI_BAR_MEMORY_FLAGS;
	return vpci_bar_is_64(kind) ? low | (uint64_t)vpci_get(config, offset + 4, 4) << 32
				    : low;
}

/* Whether the register's addresses reach the function, but for a port in front of it. */
static bool decodes(const struct vpci_function *f, unsigned bar, uint64_t *first)
{
	enum vpci_bar_kind kind = f->bar[bar].kind;
	uint32_t on = vpci_bar_is_io(kind) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	if (kind == VPCI_BAR_NONE || vpci_sleeps(f))
		return false;
	if (f->physical != NULL)
		return vpci_vf_address(f, bar, first);
	*first = kind == VPCI_BAR_FIXED ? f->bar[bar].first
					: address_of(vpci_state_of(f)->config, bar, kind);
	return vpci_command(f) & on;
}

/* ---- windows ---- */

static void insert(struct vpci_windows *w, struct vpci_window new)
{
	unsigned at = w->count;

	if (at == sizeof(w->at) / sizeof(w->at[0])) /* never: one for each register */
		return;
	w->count++;
	while (at > 0 && w->at[at - 1].first > new.first) {
		w->at[at] = w->at[at - 1];
		at--;
	}
	w->at[at] = new;
}

static void add_windows(struct vpci *pci, unsigned index)
{
	const struct vpci_function *f = &pci->functions[index], *port = vport_of(f);

	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		bool io = vpci_bar_is_io(f->bar[bar].kind);
		uint64_t first;

		if (!decodes(f, bar, &first))
			continue;
		if (port != NULL &&
			!vport_passes(port, io, first, first + f->bar[bar].size - 1))
			continue;
		insert(io ? &pci->io : &pci->memory,
			(struct vpci_window){first, first + f->bar[bar].size - 1,
				(uint8_t)index, (uint8_t)bar});
	}
}

void vpci_update_windows(struct vpci *pci)
{
	pci->memory.count = pci->io.count = 0;
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++)
		if (pci->functions[i].present)
			add_windows(pci, i);
}

void vpci_windows_changed(struct platform *p)
{
	vpci_update_windows(&p->pci);
	dev_windows_changed(p);
}

/*
 * The one that begins last at or below the address. Where a guest lets windows overlap, one of
 * them answers.
 */
static const struct vpci_window *window_of(const struct vpci_windows *w, uint64_t address)
{
	unsigned low = 0, high = w->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (w->at[middle].first <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address > w->at[low - 1].last)
		return NULL;
	return &w->at[low - 1];
}

bool vpci_claims(const struct vpci *pci, uint64_t gpa)
{
	return window_of(&pci->memory, gpa) != NULL;
}

bool vpci_direct(const struct vpci *pci, uint64_t gpa, uint64_t size, uint64_t *host,
	struct dev_window *window)
{
	const struct vpci_window *w = window_of(&pci->memory, gpa);
	const struct vpci_function *f;

	if (w == NULL || window_of(&pci->memory, gpa + size - 1) != w)
		return false;
	f = &pci->functions[w->function];
	*window = (struct dev_window){w->first, w->last};
	return f->ops != NULL && f->ops->direct != NULL &&
	       f->ops->direct(f->device, w->bar, gpa - w->first, size, host);
}

static bool access(struct platform *p, const struct vpci_window *w, uint64_t address,
	bool write, unsigned size, uint64_t *value)
{
	struct vpci_function *f;
	uint64_t offset;

	if (w == NULL)
		return false;
	f = &p->pci.functions[w->function];
	offset = address - w->first;
	if (size > w->last - address + 1) { /* it leaves the register's range */
		if (!write)
			*value = UINT64_MAX;
		return true;
	}
	if (vpci_msix_access(f, w->bar, offset, write, size, value))
		return true;
	if (write && f->ops->write != NULL)
		f->ops->write(f->device, w->bar, offset, size, *value);
	else if (!write)
		*value = f->ops->read != NULL ? f->ops->read(f->device, w->bar, offset, size)
					      : UINT64_MAX;
	return true;
}

bool vpci_bar_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	uint64_t wide = *value;

	if (!access(p, window_of(&p->pci.io, port), port, write, size, &wide))
		return false;
	if (!write)
		*value = (uint32_t)wide & (UINT32_MAX >> (4 - size) * 8);
	return true;
}

bool vpci_bar_mmio(struct platform *p, uint64_t gpa, bool write, unsigned size, uint64_t *value)
{
	return access(p, window_of(&p->pci.memory, gpa), gpa, write, size, value);
}

/* ---- first addresses ---- */

static uint64_t align(uint64_t at, uint64_t size)
{
	return (at + size - 1) & ~(size - 1);
}

static void assign(struct vpci_function *f, unsigned bar, uint64_t *next)
{
	uint64_t size = f->bar[bar].size;

	*next = align(*next, size);
	vpci_config_set(
		f, PCI_BAR + 4 * bar, 4, (uint32_t)*next | vpci_bar_flags(f->bar[bar].kind));
	if (vpci_bar_is_64(f->bar[bar].kind))
		vpci_config_set(f, PCI_BAR + 4 * bar + 4, 4, 0);
	*next += size;
}

void vpci_assign_function(struct vpci_function *f, uint64_t *port, uint64_t *memory)
{
	uint32_t command = vpci_command(f);

	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		if (f->bar[bar].kind == VPCI_BAR_NONE)
			continue;
		if (vpci_bar_is_io(f->bar[bar].kind)) {
			if (f->bar[bar].kind == VPCI_BAR_IO && *port < PORTS_END)
				assign(f, bar, port);
			command |= PCI_COMMAND_IO;
		} else {
			assign(f, bar, memory);
			command |= PCI_COMMAND_MEMORY;
		}
	}
	vpci_config_set(f, PCI_COMMAND, 2, command);
	if (f->vfs != 0)
		vpci_sriov_assign(f, memory);
	if (f->pin != 0)
		vpci_config_set(f, PCI_INTERRUPT_LINE, 1, f->platform->pci.pirq[vpci_pirq(f)]);
}

void vpci_assign(struct platform *p)
{
	uint64_t port = FIRST_PORT, memory = DEV_PCI_HOLE_START;

	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		struct vpci_function *f = &p->pci.functions[i];

		if (f->present && f->physical == NULL && PCI_BDF_BUS(f->bdf) == 0)
			vpci_assign_function(f, &port, &memory);
	}
	vport_assign(p, &port, &memory);
	vpci_update_windows(&p->pci);
}
