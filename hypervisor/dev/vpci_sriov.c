/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single Root I/O Virtualization (PCI Express Base Specification 4.0, chapter 9): a physical
 * function's capability, and its virtual functions, which are where the capability says.
 *
 * All of them exist from the start, hidden and as after reset; the physical function's
 * configuration space alone says which can be seen, and where their registers are. They have
 * the functions behind the physical one, so no bus but its own is needed.
 */
#include "dev/state_check.h"
#include "dev/vpci_int.h"

#define AT     PCIE_EXTENDED
#define FIRST  1u /* from the physical function's routing ID to the first virtual one's */
#define STRIDE 1u

_Static_assert(LIMIT_VFS <= 7, "functions of one device");

static uint32_t get(const struct vpci_function *f, unsigned offset, unsigned size)
{
	return vpci_config_get(f, AT + offset, size);
}

static void put(struct vpci_function *f, unsigned offset, unsigned size, uint32_t value)
{
	vpci_config_set(f, AT + offset, size, value);
}

struct vpci_function *vpci_vf(const struct vpci_function *f, unsigned number)
{
	return &f->platform->pci.functions[f->first_vf + number];
}

uint16_t vpci_vf_place(const struct vpci_function *f, unsigned number)
{
	return (uint16_t)(f->bdf + FIRST + STRIDE * number);
}

static bool appears(const uint8_t *capability, unsigned number)
{
	return vpci_get(capability, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE &&
	       number < vpci_get(capability, PCIE_SRIOV_COUNT, 2);
}

bool vpci_hidden(const struct vpci_function *f)
{
	return f->physical != NULL &&
	       !appears(vpci_state_of(f->physical)->config + AT, f->number);
}

/* ---- addresses ---- */

/*
 * What one function takes of the addresses behind a register: 9.3.3.14 "VF BAR0", aligned to
 * the page size, so that each can be mapped by itself.
 */
static uint64_t stride_of(const struct vpci_function *f, unsigned bar, uint32_t page)
{
	uint64_t size = f->vf_bar[bar].size, least = (uint64_t)PCIE_SRIOV_PAGE_UNIT * page;

	return size > least ? size : least;
}

static uint64_t stride_now(const struct vpci_function *f, unsigned bar)
{
	return stride_of(f, bar, get(f, PCIE_SRIOV_PAGE, 4));
}

static unsigned bar_at(unsigned bar)
{
	return PCIE_SRIOV_BAR + 4 * bar;
}

bool vpci_vf_address(const struct vpci_function *f, unsigned bar, uint64_t *first)
{
	const struct vpci_function *physical = f->physical;
	uint64_t base = get(physical, bar_at(bar), 4) & ~PCI_BAR_MEMORY_FLAGS;

	if (vpci_hidden(f) || !(get(physical, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_MEMORY))
		return false;
	if (vpci_bar_is_64(f->bar[bar].kind))
		base |= (uint64_t)get(physical, bar_at(bar) + 4, 4) << 32;
	*first = base + stride_now(physical, bar) * f->number;
	return *first >= base && *first + f->bar[bar].size - 1 >= *first;
}

void vpci_sriov_assign(struct vpci_function *f, uint64_t *memory)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		uint64_t stride;

		if (f->vf_bar[bar].kind == VPCI_BAR_NONE || vpci_bar_is_io(f->vf_bar[bar].kind))
			continue;
		stride = stride_now(f, bar);
		*memory = (*memory + stride - 1) & ~(stride - 1);
		/* No room: the guest finds some, or has none. */
		if (*memory + stride * f->vfs > DEV_ECAM_BASE)
			continue;
		put(f, bar_at(bar), 4, (uint32_t)*memory | vpci_bar_flags(f->vf_bar[bar].kind));
		*memory += stride * f->vfs;
	}
}

/* ---- set-up ---- */

static void add_bar(struct vpci_function *f, unsigned bar)
{
	enum vpci_bar_kind kind = f->vf_bar[bar].kind;
	uint64_t mask = ~(stride_now(f, bar) - 1);

	if (kind == VPCI_BAR_NONE || vpci_bar_is_io(kind))
		return;
	put(f, bar_at(bar), 4, vpci_bar_flags(kind));
	vpci_set_writable(f, AT + bar_at(bar), (uint32_t)mask, 4);
	if (vpci_bar_is_64(kind))
		vpci_set_writable(f, AT + bar_at(bar) + 4, (uint32_t)(mask >> 32), 4);
}

static void put_header(struct vpci_function *f, unsigned at, uint32_t id, unsigned next)
{
	vpci_config_set(f, at, 4, id | PCIE_EXTENDED_VERSION | PCIE_EXTENDED_NEXT(next));
}

/*
 * No function follows in a row of ARI's: software finds virtual ones by the capability. What is
 * integrated in the root complex has no ARI (7.8.7).
 */
static void add_sriov(struct vpci_function *f, unsigned vfs, uint16_t device)
{
	bool ari = vport_of(f) != NULL;

	put_header(f, AT, PCIE_EXTENDED_SRIOV, ari ? AT + PCIE_SRIOV_SIZE : 0);
	if (ari)
		put_header(f, AT + PCIE_SRIOV_SIZE, PCIE_EXTENDED_ARI, 0);
	put(f, PCIE_SRIOV_INITIAL, 2, vfs);
	put(f, PCIE_SRIOV_TOTAL, 2, vfs);
	put(f, PCIE_SRIOV_FIRST, 2, FIRST);
	put(f, PCIE_SRIOV_STRIDE, 2, STRIDE);
	put(f, PCIE_SRIOV_DEVICE, 2, device);
	put(f, PCIE_SRIOV_PAGES, 4, PCIE_SRIOV_PAGES_ALL);
	put(f, PCIE_SRIOV_PAGE, 4, 1);
	vpci_set_writable(f, AT + PCIE_SRIOV_CONTROL,
		PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY | PCIE_SRIOV_ARI, 2);
	vpci_set_writable(f, AT + PCIE_SRIOV_COUNT, 0xffff, 2);
	vpci_set_writable(f, AT + PCIE_SRIOV_PAGE, PCIE_SRIOV_PAGES_ALL, 4);
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		add_bar(f, bar);
}

void vpci_add_sriov(struct vpci_function *f, unsigned vfs, unsigned first, uint16_t device,
	const struct vpci_bar *bar)
{
	__builtin_memcpy(f->vf_bar, bar, sizeof(f->vf_bar));
	f->vfs = (uint8_t)vfs;
	f->first_vf = (uint8_t)(VPCI_FIRST_VF + first);
	add_sriov(f, vfs, device);
}

void vpci_sriov_add_vf(struct vpci_function *f)
{
	if (vport_of(f) != NULL)
		put_header(f, AT, PCIE_EXTENDED_ARI, 0);
}

/* ---- what software writes ---- */

struct vpci_sriov vpci_sriov_of(const struct vpci_function *f)
{
	if (f->vfs == 0)
		return (struct vpci_sriov){.control = 0};
	return (struct vpci_sriov){
		.control = get(f, PCIE_SRIOV_CONTROL, 2),
		.count = get(f, PCIE_SRIOV_COUNT, 2),
		.page = get(f, PCIE_SRIOV_PAGE, 4),
	};
}

static void reset_vfs(struct vpci_function *f)
{
	for (unsigned i = 0; i < f->vfs; i++)
		if (vpci_vf(f, i)->present)
			vpci_reset_function(vpci_vf(f, i));
}

static bool page_valid(uint32_t page)
{
	return page != 0 && (page & (page - 1)) == 0 && page & PCIE_SRIOV_PAGES_ALL;
}

/* Addresses are multiples of what a function takes, and that grows with pages. */
static void align_bars(struct vpci_function *f)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		uint32_t mask = (uint32_t)(stride_now(f, bar) - 1) & ~PCI_BAR_MEMORY_FLAGS;

		if (f->vf_bar[bar].kind != VPCI_BAR_NONE &&
			!vpci_bar_is_io(f->vf_bar[bar].kind))
			put(f, bar_at(bar), 4, get(f, bar_at(bar), 4) & ~mask);
	}
}

/* While functions are there, neither their number nor their places change. */
void vpci_sriov_written(struct vpci_function *f, unsigned offset, unsigned size,
	const struct vpci_sriov *before)
{
	bool was = before->control & PCIE_SRIOV_ENABLE;

	if (offset >= AT + PCIE_SRIOV_SIZE || offset + size <= AT)
		return;
	if (was || get(f, PCIE_SRIOV_COUNT, 2) > f->vfs)
		put(f, PCIE_SRIOV_COUNT, 2, before->count);
	if (was || !page_valid(get(f, PCIE_SRIOV_PAGE, 4)))
		put(f, PCIE_SRIOV_PAGE, 4, before->page);
	align_bars(f);
	if (was && !(get(f, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE))
		reset_vfs(f);
	vpci_windows_changed(f->platform);
}

void vpci_sriov_reset(struct vpci_function *f)
{
	put(f, PCIE_SRIOV_PAGE, 4, 1);
	reset_vfs(f);
}

unsigned vpci_vfs_wanted(const struct vpci_function *f)
{
	return get(f, PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE ? get(f, PCIE_SRIOV_COUNT, 2)
								 : 0;
}

/* ---- state ---- */

static bool capability_valid(const struct vpci_function *f, const uint8_t *capability)
{
	uint32_t page = vpci_get(capability, PCIE_SRIOV_PAGE, 4);

	if (vpci_get(capability, PCIE_SRIOV_COUNT, 2) > f->vfs || !page_valid(page))
		return false;
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (f->vf_bar[bar].kind != VPCI_BAR_NONE &&
			!vpci_bar_is_io(f->vf_bar[bar].kind) &&
			vpci_get(capability, bar_at(bar), 4) & ~PCI_BAR_MEMORY_FLAGS &
				(uint32_t)(stride_of(f, bar, page) - 1))
			return false;
	return true;
}

static bool as_after_reset(const struct vpci_function *f, const struct vpci_function_state *s)
{
	for (unsigned i = 0; i < VPCI_CONFIG_SIZE; i++)
		if (s->config[i] & (f->writable[i] | f->clears[i]))
			return false;
	for (unsigned i = 0; i < f->msix_vectors; i++)
		if (s->msix[i][0] != 0 || s->msix[i][1] != 0 || s->msix[i][2] != 0 ||
			s->msix[i][3] != PCI_MSIX_ENTRY_MASKED)
			return false;
	return s->pending == 0;
}

bool vpci_sriov_valid(const struct vpci_function *f, const struct vpci_state *s)
{
	if (f->vfs != 0)
		return capability_valid(f, s->f[vpci_index(f)].config + AT);
	return f->physical == NULL ||
	       appears(s->f[vpci_index(f->physical)].config + AT, f->number) ||
	       as_after_reset(f, &s->f[vpci_index(f)]);
}
