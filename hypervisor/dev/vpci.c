/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI configuration space. Bytes are the unit: an access of any size is a row of byte accesses,
 * so an unaligned or crossing access cannot leave a function's space.
 */
#include "dev/vpci_int.h"

#include "dev/chipset.h"
#include "dev/state_check.h"

#define ADDRESS_WRITABLE 0x80fffffcu

#define COMMAND_WRITABLE                                                                 \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
		PCI_COMMAND_SERR | PCI_COMMAND_NOINTX)

/* 82G33, what QEMU's q35 shows. It decodes memory, and that cannot be turned off. */
static const struct vpci_id host_bridge = {
	.vendor = 0x8086, .device = 0x29c0, .class = 0x060000};
#define HOST_COMMAND (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define HOST_COMMAND_WRITABLE \
	(PCI_COMMAND_IO | HOST_COMMAND | PCI_COMMAND_PARITY | PCI_COMMAND_SERR)

struct vpci_function *vpci_find(struct vpci *pci, uint16_t place)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		if (pci->functions[i].present && pci->functions[i].bdf == place)
			return &pci->functions[i];
	}
	return NULL;
}

uint16_t vpci_requester(const struct vpci *pci, uint16_t place)
{
	unsigned port = PCI_BDF_BUS(place);

	if (port == 0)
		return place;
	return PCI_BDF(vport_bus(pci, port), PCI_BDF_DEVICE(place), PCI_BDF_FUNCTION(place));
}

/* The function that answers there now. */
static struct vpci_function *reach(struct vpci *pci, uint16_t bdf)
{
	unsigned bus = PCI_BDF_BUS(bdf), port = 0;

	if (bus != 0) {
		port = vport_of_bus(pci, bus);
		if (port == 0)
			return NULL;
	}
	return vpci_find(pci, PCI_BDF(port, PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf)));
}

/* Only functions of PCI Express have more than 256 bytes. */
static uint8_t byte_at(const struct vpci_function *f, unsigned offset)
{
	if (f->express == 0 && offset >= PCI_CONFIG_SIZE)
		return 0xff;
	return offset < VPCI_CONFIG_SIZE ? vpci_state_of(f)->config[offset] : 0;
}

static uint64_t read(struct vpci_function *f, unsigned offset, unsigned size)
{
	uint64_t value = 0;

	if (f->ops != NULL && f->ops->config_reading != NULL)
		f->ops->config_reading(f->device, offset, size);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)byte_at(f, offset + i) << i * 8;
	return value;
}

/* Bits of the header that addresses follow from. */
static uint8_t places_at(unsigned offset)
{
	if (offset == PCI_COMMAND)
		return PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	return offset >= PCI_BAR && offset < PCI_HEADER_END ? 0xff : 0;
}

static void write(struct vpci_function *f, unsigned offset, unsigned size, uint64_t value)
{
	uint8_t *config = vpci_state_of(f)->config, moved = 0;
	struct vpci_sriov before = vpci_sriov_of(f);
	bool slept = vpci_sleeps(f);

	for (unsigned i = 0; i < size && offset + i < VPCI_CONFIG_SIZE; i++) {
		uint8_t mask = f->writable[offset + i], new = (uint8_t)(value >> i * 8);
		uint8_t *byte = &config[offset + i], old = *byte;

		*byte = (uint8_t)((old & ~mask & ~(new & f->clears[offset + i])) | (new &mask));
		moved |= (uint8_t)(old ^ *byte) & places_at(offset + i);
	}
	if (moved != 0)
		vpci_windows_changed(f->platform);
	vpci_power_written(f, slept);
	if (f->vfs != 0)
		vpci_sriov_written(f, offset, size, &before);
	vpci_update_interrupts(f);
	if (f->ops != NULL && f->ops->config_written != NULL)
		f->ops->config_written(f->device, offset, size);
}

static bool answers(const struct vpci_function *f)
{
	return !vpci_hidden(f) &&
	       (f->ops == NULL || f->ops->answers == NULL || f->ops->answers(f->device));
}

static void access(struct vpci *pci, uint16_t bdf, unsigned offset, bool writes, unsigned size,
	uint64_t *value)
{
	struct vpci_function *f = reach(pci, bdf);

	if (f == NULL || !answers(f)) {
		if (!writes)
			*value = UINT64_MAX >> (8 - size) * 8;
		return;
	}
	if (writes)
		write(f, offset, size, *value);
	else
		*value = read(f, offset, size);
}

static bool data_io(struct vpci *pci, unsigned lane, bool write, unsigned size, uint32_t *value)
{
	uint64_t wide = *value;

	if (size > 4 - lane)
		return false;
	if (!(pci->s.address & PCI_ADDRESS_ENABLE)) {
		if (!write)
			*value = (uint32_t)(0xffffffffu >> (4 - size) * 8);
		return true;
	}
	access(pci, (uint16_t)(pci->s.address >> 8), (pci->s.address & 0xfc) + lane, write,
		size, &wide);
	if (!write)
		*value = (uint32_t)wide;
	return true;
}

/* ---- set-up ---- */

static void put_id(struct vpci_function *f, const struct vpci_id *id)
{
	uint8_t *config = vpci_state_of(f)->config;

	vpci_put(config, PCI_VENDOR, 2, id->vendor);
	vpci_put(config, PCI_DEVICE, 2, id->device);
	vpci_put(config, PCI_REVISION, 1, id->revision);
	vpci_put(config, PCI_CLASS, 3, id->class);
	vpci_put(config, PCI_SUBVENDOR, 2, id->subvendor);
	vpci_put(config, PCI_SUBSYSTEM, 2, id->subsystem);
	vpci_put(config, PCI_INTERRUPT_PIN, 1, id->pin);
	if (id->multifunction)
		config[PCI_HEADER_TYPE] = PCI_HEADER_MULTIFUNCTION;
	vpci_set_writable(f, PCI_COMMAND,
		id->physical != NULL ? PCI_COMMAND_MASTER : COMMAND_WRITABLE, 2);
	if (id->physical == NULL)
		vpci_set_writable(f, PCI_INTERRUPT_LINE, 0xff, 1);
}

static uint8_t number_of(const struct vpci_id *id)
{
	return id->physical != NULL ? (uint8_t)(id->bdf - vpci_vf_place(id->physical, 0)) : 0;
}

/* What comes behind a port has the same one each time: a state goes by their numbers. */
static struct vpci_function *free_function(struct vpci *pci, const struct vpci_id *id)
{
	unsigned i = 0, port = PCI_BDF_BUS(id->bdf);

	if (port > VPORTS || (id->physical != NULL && number_of(id) >= id->physical->vfs))
		return NULL;
	if (id->physical != NULL)
		i = id->physical->first_vf + number_of(id);
	else if (port != 0)
		i = VPCI_ON_BUS_0 + port - 1;
	while (port == 0 && i < VPCI_ON_BUS_0 && pci->functions[i].present)
		i++;
	if (i == VPCI_ON_BUS_0 && port == 0)
		return NULL;
	return i < VPCI_FUNCTIONS && !pci->functions[i].present ? &pci->functions[i] : NULL;
}

struct vpci_function *vpci_add(
	struct platform *p, const struct vpci_id *id, const struct vpci_ops *ops, void *device)
{
	struct vpci_function *f = free_function(&p->pci, id);

	if (f == NULL || vpci_find(&p->pci, id->bdf) != NULL)
		return NULL;
	*f = (struct vpci_function){
		.platform = p,
		.ops = ops,
		.device = device,
		.present = true,
		.bdf = id->bdf,
		.pin = id->pin,
		.free = PCI_HEADER_END,
		.physical = id->physical,
		.number = number_of(id),
	};
	p->pci.routes = p->pci.routes || (ops != NULL && ops->routes_changed != NULL);
	put_id(f, id);
	if (PCI_BDF_BUS(id->bdf) != 0)
		vport_add_endpoint(f);
	if (f->physical != NULL)
		vpci_sriov_add_vf(f);
	return f;
}

static void forget_work(struct vpci_function *f)
{
	struct vpci *pci = &f->platform->pci;
	uint64_t mask = ~BIT64(vpci_index(f));

	pci->work &= mask;
	pci->waits &= mask;
	pci->later &= mask;
}

void vpci_remove(struct vpci_function *f)
{
	struct platform *p = f->platform;

	vpci_set_intx(f, false);
	forget_work(f);
	__builtin_memset(vpci_state_of(f), 0, sizeof(struct vpci_function_state));
	*f = (struct vpci_function){.present = false};
	vpci_windows_changed(p);
}

void vpci_forget_function(struct vpci_function *f)
{
	struct vpci_function_state *s = vpci_state_of(f);

	for (unsigned i = 0; i < VPCI_CONFIG_SIZE; i++)
		s->config[i] &= (uint8_t) ~(f->writable[i] | f->clears[i]);
	for (unsigned i = 0; i < f->msix_vectors; i++)
		__builtin_memcpy(s->msix[i], (uint32_t[4]){[3] = PCI_MSIX_ENTRY_MASKED},
			sizeof(s->msix[i]));
	if (f->express != 0 && f->physical == NULL)
		vpci_config_set(
			f, f->express + PCI_EXPRESS_CONTROL, 2, PCIE_DEVICE_CONTROL_RESET);
	if (f->vfs != 0)
		vpci_sriov_reset(f);
	vpci_forget_interrupts(f);
	vpci_set_intx(f, false);
	forget_work(f);
}

void vpci_tell_reset(struct vpci_function *f)
{
	if (f->ops != NULL && f->ops->reset != NULL)
		f->ops->reset(f->device);
}

void vpci_reset_function(struct vpci_function *f)
{
	vpci_forget_function(f);
	vpci_tell_reset(f);
}

void vpci_set_writable(struct vpci_function *f, unsigned offset, uint32_t mask, unsigned size)
{
	vpci_put(f->writable, offset, size, mask);
}

void vpci_set_clears(struct vpci_function *f, unsigned offset, uint32_t mask, unsigned size)
{
	vpci_put(f->clears, offset, size, mask);
}

void vpci_add_own(struct vpci_function *f, uint8_t offset, uint8_t size)
{
	for (unsigned i = 0; i < size; i++)
		vpci_set_writable(f, offset + i, 0xff, 1);
	f->free = (uint8_t)((offset + size + 3u) & 0xfcu);
}

uint8_t vpci_add_capability(
	struct vpci_function *f, enum pci_capability id, const void *body, uint8_t size)
{
	uint8_t *config = vpci_state_of(f)->config;
	uint8_t offset = f->free;

	if (size > PCI_CONFIG_SIZE - offset)
		return 0;
	config[f->last_capability == 0 ? PCI_CAPABILITIES : f->last_capability + 1u] = offset;
	config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
	config[offset] = (uint8_t)id;
	__builtin_memcpy(&config[offset + 2u], body, size - 2u);
	f->last_capability = offset;
	f->free = (uint8_t)((offset + size + 3u) & 0xfcu);
	if (offset + size > 0xfcu) /* the space is used up, and its size is no byte */
		f->free = UINT8_MAX;
	return offset;
}

uint32_t vpci_config_get(const struct vpci_function *f, unsigned offset, unsigned size)
{
	return vpci_get(vpci_state_of(f)->config, offset, size);
}

void vpci_config_set(struct vpci_function *f, unsigned offset, unsigned size, uint32_t value)
{
	vpci_put(vpci_state_of(f)->config, offset, size, value);
}

bool vpci_master(const struct vpci_function *f)
{
	const struct vpci_function *port = vport_of(f);

	return vpci_command(f) & PCI_COMMAND_MASTER && !vpci_sleeps(f) &&
	       (port == NULL || vport_masters(port));
}

void vpci_reset(struct platform *p)
{
	struct vpci_function *host;

	p->pci = (struct vpci){0};
	for (unsigned i = 0; i < VPCI_PIRQS; i++)
		p->pci.pirq[i] = vpci_pirq_line(i);
	host = vpci_add(p, &host_bridge, NULL, NULL);
	vpci_config_set(host, PCI_COMMAND, 2, HOST_COMMAND);
	vpci_set_writable(host, PCI_COMMAND, HOST_COMMAND_WRITABLE, 2);
}

/* ---- accesses ---- */

bool vpci_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	if (port == PCI_PORT_ADDRESS && size == 4) {
		if (write)
			p->pci.s.address = *value & ADDRESS_WRITABLE;
		else
			*value = p->pci.s.address;
		return true;
	}
	if ((port & ~3u) != PCI_PORT_DATA)
		return vpci_bar_io(p, port, write, size, value);
	if (size != 1 && size != 2 && size != 4)
		return false;
	return data_io(&p->pci, port & 3, write, size, value);
}

bool vpci_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value)
{
	uint64_t offset = gpa - chipset_ecam(p);

	(void)vcpu;
	if (offset >= DEV_ECAM_SIZE)
		return vpci_bar_mmio(p, gpa, write, size, value);
	access(&p->pci, (uint16_t)(offset >> 12), offset & 0xfff, write, size, value);
	return true;
}

/* ---- work ---- */

void vpci_ask_work(struct vpci_function *f)
{
	f->platform->pci.work |= BIT64(vpci_index(f));
	f->platform->pci.waits &= ~BIT64(vpci_index(f));
	dev_work(f->platform);
}

/* All have the earliest time: who is too early asks again. */
void vpci_ask_work_at(struct vpci_function *f, uint64_t when)
{
	struct vpci *pci = &f->platform->pci;

	if (pci->later == 0 || when < pci->later_at)
		pci->later_at = when;
	pci->later |= BIT64(vpci_index(f));
	platform_deadline_changed(f->platform);
}

uint64_t vpci_deadline(const struct platform *p)
{
	return p->pci.later != 0 ? p->pci.later_at : DEV_NEVER;
}

void vpci_run_timer(struct platform *p, uint64_t now)
{
	struct vpci *pci = &p->pci;

	if (pci->later == 0 || now < pci->later_at)
		return;
	pci->work |= pci->later;
	pci->waits &= ~pci->later;
	pci->later = 0;
	dev_work(p);
}

/* The function whose turn it is: the next one behind that which had it last. */
static unsigned next_worker(const struct vpci *pci)
{
	uint64_t behind = pci->work & ~((UINT64_C(2) << pci->worked) - 1);

	return (unsigned)__builtin_ctzll(behind != 0 ? behind : pci->work);
}

/* Those that wait have a turn, too, each time that somebody looks. */
enum vpci_work vpci_work(struct platform *p)
{
	struct vpci *pci = &p->pci;
	unsigned i;
	enum vpci_work left;

	if (pci->work == 0)
		return VPCI_WORK_DONE;
	i = next_worker(pci);
	pci->worked = (uint8_t)i;
	pci->work &= ~BIT64(i);
	pci->waits &= ~BIT64(i);
	left = pci->functions[i].ops->work(pci->functions[i].device);
	if (left != VPCI_WORK_DONE)
		pci->work |= BIT64(i);
	if (left == VPCI_WORK_WAITS)
		pci->waits |= BIT64(i);
	if (pci->work & ~pci->waits)
		return VPCI_WORK_MORE;
	return pci->work != 0 ? VPCI_WORK_WAITS : VPCI_WORK_DONE;
}

/* ---- state ---- */

void vpci_get_state(const struct vpci *pci, struct vpci_state *s)
{
	*s = pci->s;
}

/* The status register follows from the level of the pin. */
static bool config_valid(const struct vpci_function *f, const uint8_t *now, const uint8_t *then)
{
	for (unsigned i = 0; i < VPCI_CONFIG_SIZE; i++) {
		uint8_t fixed =
			(uint8_t) ~(f->writable[i] | f->clears[i] | vport_own_bits(f, i));

		if (i == PCI_STATUS)
			fixed &= (uint8_t)~PCI_STATUS_INTX;
		if (f->msi_masks && i - f->msi - PCI_MSI_PENDING < 4)
			continue;
		if ((now[i] ^ then[i]) & fixed)
			return false;
	}
	return true;
}

/* Beyond what a guest writes, source and target have the same functions. */
bool vpci_valid_state(const struct vpci *pci, const struct vpci_state *s)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		const struct vpci_function *f = &pci->functions[i];

		if (!f->present) {
			if (!state_zero(&s->f[i], sizeof(s->f[i])))
				return false;
			continue;
		}
		if (!config_valid(f, pci->s.f[i].config, s->f[i].config) ||
			!vpci_msix_valid(f, &s->f[i]) || !vpci_sriov_valid(f, s))
			return false;
	}
	return !(s->address & ~ADDRESS_WRITABLE) && vport_valid_state(pci, s);
}

bool vpci_set_state(struct vpci *pci, const struct vpci_state *s)
{
	if (!vpci_valid_state(pci, s))
		return false;
	pci->s = *s;
	vport_put_back(pci);
	vpci_update_windows(pci);
	return true;
}
