/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of PCI functions: messages (MSI, MSI-X) to local APICs, and pins by PIRQs to the
 * IOAPIC and the PICs.
 */
#include "dev/vpci_int.h"

#include "dev/state_check.h"
#include "spec/apic.h"

#define PIRQ_FIRST_PIN 16u

/* ---- messages ---- */

bool vpci_deliver(struct platform *p, const struct vlapic_message *m)
{
	if (m->mode == DELIVER_STARTUP || m->mode == DELIVER_EXTINT ||
		(m->mode <= DELIVER_LOWEST && m->vector < 16))
		return false;
	return vlapic_send(p, m);
}

void vpci_message(struct platform *p, uint16_t requester, uint64_t address, uint32_t data)
{
	struct vlapic_message m;

	if ((address & ~(uint64_t)~MSI_ADDRESS_FIXED) == MSI_ADDRESS_BASE &&
		vvtd_message(p, requester, address, data, &m))
		(void)vpci_deliver(p, &m);
}

void vpci_routes_changed(struct platform *p)
{
	for (unsigned i = 0; p->pci.routes && i < VPCI_FUNCTIONS; i++) {
		const struct vpci_function *f = &p->pci.functions[i];

		if (f->present && f->ops != NULL && f->ops->routes_changed != NULL)
			f->ops->routes_changed(f->device);
	}
}

struct write {
	uint64_t address;
	uint32_t data;
};

static void message(struct vpci_function *f, const struct write *w)
{
	vpci_message(
		f->platform, vpci_requester(&f->platform->pci, f->bdf), w->address, w->data);
}

static uint32_t msix_control(const struct vpci_function *f)
{
	return f->msix != 0 ? vpci_config_get(f, f->msix + PCI_MSIX_CONTROL, 2) : 0;
}

static uint32_t msi_control(const struct vpci_function *f)
{
	return f->msi != 0 ? vpci_config_get(f, f->msi + PCI_MSI_CONTROL, 2) : 0;
}

/* Both on at once is undefined. */
enum vpci_messages vpci_messages(const struct vpci_function *f)
{
	if (msix_control(f) & PCI_MSIX_ENABLE)
		return VPCI_MSIX;
	return msi_control(f) & PCI_MSI_ENABLE ? VPCI_MSI : VPCI_PIN;
}

unsigned vpci_msi_allowed(const struct vpci_function *f)
{
	unsigned allowed = PCI_MSI_ENABLED(msi_control(f));
	unsigned capable = PCI_MSI_CAPABLE(msi_control(f));

	return allowed < capable ? allowed : capable;
}

bool vpci_masked(const struct vpci_function *f, unsigned vector)
{
	uint32_t control = msix_control(f);

	if (control & PCI_MSIX_ENABLE)
		return control & PCI_MSIX_MASK_ALL ||
		       vpci_state_of(f)->msix[vector][3] & PCI_MSIX_ENTRY_MASKED;
	return f->msi_masks && vpci_config_get(f, f->msi + PCI_MSI_MASK, 4) >> vector & 1;
}

/* The low bits of the data are the vector's number, as many as software allows. */
static struct write msi_write(const struct vpci_function *f, unsigned vector)
{
	uint32_t low = vpci_config_get(f, f->msi + PCI_MSI_ADDRESS, 4);
	uint32_t high = vpci_config_get(f, f->msi + PCI_MSI_ADDRESS + 4, 4);
	uint32_t data = vpci_config_get(f, f->msi + PCI_MSI_DATA, 2);
	uint32_t numbers = (1u << vpci_msi_allowed(f)) - 1;

	return (struct write){
		(uint64_t)high << 32 | low, (data & ~numbers) | (vector & numbers)};
}

static struct write write_of(const struct vpci_function *f, unsigned vector)
{
	const uint32_t *entry = vpci_state_of(f)->msix[vector];

	if (msix_control(f) & PCI_MSIX_ENABLE)
		return (struct write){(uint64_t)entry[1] << 32 | entry[0], entry[2]};
	return msi_write(f, vector);
}

static void send(struct vpci_function *f, unsigned vector)
{
	struct write w = write_of(f, vector);

	message(f, &w);
}

bool vpci_may_post(struct vpci_function *f, unsigned vector, struct vpci_posted *to)
{
	struct platform *p = f->platform;
	struct vlapic_message m;
	struct write w;
	int vcpu;

	if (vector >= f->vectors || vpci_messages(f) == VPCI_PIN || !vpci_master(f) ||
		vpci_masked(f, vector))
		return false;
	w = write_of(f, vector);
	if ((w.address & ~(uint64_t)~MSI_ADDRESS_FIXED) != MSI_ADDRESS_BASE ||
		!vvtd_route(p, vpci_requester(&p->pci, f->bdf), w.address, w.data, &m))
		return false;
	vcpu = vlapic_route(p, &m);
	*to = (struct vpci_posted){(uint16_t)vcpu, m.vector};
	return vcpu >= 0;
}

static void set_pending(struct vpci_function *f, uint32_t pending)
{
	vpci_state_of(f)->pending = pending;
	if (f->msi_masks)
		vpci_config_set(f, f->msi + PCI_MSI_PENDING, 4, pending);
}

void vpci_interrupt(struct vpci_function *f, unsigned vector)
{
	if (vector >= f->vectors || vpci_messages(f) == VPCI_PIN || !vpci_master(f))
		return;
	if (vpci_masked(f, vector))
		set_pending(f, vpci_state_of(f)->pending | 1u << vector);
	else
		send(f, vector);
}

void vpci_forget_interrupts(struct vpci_function *f)
{
	set_pending(f, 0);
}

static void send_pending(struct vpci_function *f)
{
	uint32_t pending = vpci_state_of(f)->pending;

	if (pending == 0 || vpci_messages(f) == VPCI_PIN || !vpci_master(f))
		return;
	for (unsigned i = 0; i < f->vectors; i++) {
		if (!(pending >> i & 1) || vpci_masked(f, i))
			continue;
		set_pending(f, vpci_state_of(f)->pending & ~(1u << i));
		send(f, i);
	}
}

/* ---- MSI and MSI-X capabilities ---- */

static void note_vectors(struct vpci_function *f, unsigned vectors)
{
	if (vectors > f->vectors)
		f->vectors = (uint8_t)vectors;
}

bool vpci_add_msi(struct vpci_function *f, unsigned vectors, bool masks)
{
	uint8_t body[PCI_MSI_SIZE - 2] = {0};
	uint32_t capable = (uint32_t)__builtin_ctz(vectors);

	vpci_put(body, PCI_MSI_CONTROL - 2, 2,
		PCI_MSI_64 | (masks ? PCI_MSI_MASKING : 0) | capable << PCI_MSI_CAPABLE_SHIFT);
	f->msi = vpci_add_capability(
		f, PCI_CAP_MSI, body, masks ? PCI_MSI_SIZE : PCI_MSI_PLAIN_SIZE);
	if (f->msi == 0)
		return false;
	f->msi_masks = masks;
	note_vectors(f, vectors);
	vpci_set_writable(
		f, f->msi + PCI_MSI_CONTROL, PCI_MSI_ENABLE | 7u << PCI_MSI_ENABLED_SHIFT, 2);
	vpci_set_writable(f, f->msi + PCI_MSI_ADDRESS, ~3u, 4);
	vpci_set_writable(f, f->msi + PCI_MSI_ADDRESS + 4, ~0u, 4);
	vpci_set_writable(f, f->msi + PCI_MSI_DATA, 0xffff, 2);
	if (masks)
		vpci_set_writable(
			f, f->msi + PCI_MSI_MASK, vectors == 32 ? ~0u : (1u << vectors) - 1, 4);
	return true;
}

bool vpci_add_msix(struct vpci_function *f, unsigned bar, uint32_t table, uint32_t pending,
	unsigned vectors)
{
	uint8_t body[PCI_MSIX_SIZE - 2];

	vpci_put(body, PCI_MSIX_CONTROL - 2, 2, vectors - 1);
	vpci_put(body, PCI_MSIX_TABLE - 2, 4, table | bar);
	vpci_put(body, PCI_MSIX_PENDING - 2, 4, pending | bar);
	f->msix = vpci_add_capability(f, PCI_CAP_MSIX, body, PCI_MSIX_SIZE);
	if (f->msix == 0)
		return false;
	note_vectors(f, vectors);
	f->msix_vectors = (uint8_t)vectors;
	f->msix_bar = f->pending_bar = (uint8_t)bar;
	f->msix_table = table;
	f->msix_pending = pending;
	vpci_set_writable(
		f, f->msix + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL, 2);
	for (unsigned i = 0; i < vectors; i++)
		vpci_state_of(f)->msix[i][3] = PCI_MSIX_ENTRY_MASKED;
	return true;
}

void vpci_set_pending_bar(struct vpci_function *f, unsigned bar)
{
	f->pending_bar = (uint8_t)bar;
	vpci_config_set(f, f->msix + PCI_MSIX_PENDING, 4, f->msix_pending | bar);
}

static uint32_t msix_writable(unsigned word)
{
	switch (word) {
	case 0:
		return ~3u;
	case 3:
		return PCI_MSIX_ENTRY_MASKED;
	default:
		return ~0u;
	}
}

static void send_and_tell(struct vpci_function *f)
{
	send_pending(f);
	if (f->ops != NULL && f->ops->messages_changed != NULL)
		f->ops->messages_changed(f->device);
}

/* Software must use whole words, or pairs of them; others are undefined. */
static void table_access(
	struct vpci_function *f, uint32_t offset, bool write, unsigned size, uint64_t *value)
{
	struct vpci_function_state *s = vpci_state_of(f);
	uint64_t result = 0;

	if (size < 4 || offset & (size - 1)) {
		*value = write ? *value : 0;
		return;
	}
	for (unsigned i = 0; i < size / 4; i++) {
		unsigned at = offset / 4 + i;
		uint32_t *word = &s->msix[at / 4][at % 4];

		if (write)
			*word = (uint32_t)(*value >> i * 32) & msix_writable(at % 4);
		result |= (uint64_t)*word << i * 32;
	}
	if (write)
		send_and_tell(f);
	else
		*value = result;
}

bool vpci_msix_access(struct vpci_function *f, unsigned bar, uint64_t offset, bool write,
	unsigned size, uint64_t *value)
{
	uint64_t table = offset - f->msix_table, bits = offset - f->msix_pending;

	if (f->msix == 0)
		return false;
	if (bar == f->msix_bar && table < f->msix_vectors * PCI_MSIX_ENTRY_SIZE) {
		table_access(f, (uint32_t)table, write, size, value);
		return true;
	}
	if (bar != f->pending_bar || bits >= 8)
		return false;
	if (!write)
		*value = (uint64_t)vpci_state_of(f)->pending >> bits * 8;
	return true;
}

/* ---- pins ---- */

/* Behind a bridge pins are rotated by the device's number, and then have the bridge's. */
unsigned vpci_pirq(const struct vpci_function *f)
{
	const struct vpci_function *port = vport_of(f);

	if (port == NULL)
		return vpci_pirq_of(f->bdf, f->pin);
	return vpci_pirq_of(
		port->bdf, (uint8_t)(((PCI_BDF_DEVICE(f->bdf) + f->pin - 1u) & 3) + 1));
}

static bool asserts(const struct vpci_function *f)
{
	return f->present && f->pin != 0 && vpci_state_of(f)->intx &&
	       !(vpci_command(f) & PCI_COMMAND_NOINTX) && vpci_messages(f) == VPCI_PIN;
}

static bool pirq_level(const struct vpci *pci, unsigned pirq)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		const struct vpci_function *f = &pci->functions[i];

		if (asserts(f) && vpci_pirq(f) == pirq)
			return true;
	}
	return false;
}

/* Pins share PIRQs, and PIRQs share lines. */
static void update_line(struct platform *p, uint8_t irq)
{
	bool level = false;

	if (irq == 0)
		return;
	for (unsigned i = 0; i < VPCI_PIRQS; i++)
		level = level || (p->pci.pirq[i] == irq && pirq_level(&p->pci, i));
	platform_set_irq(p, irq, level);
}

void vpci_update_pin(struct platform *p, unsigned pin)
{
	platform_set_irq(
		p, pin, pirq_level(&p->pci, pin - PIRQ_FIRST_PIN) || vhpet_asserts(p, pin));
}

static void update_pin(struct vpci_function *f)
{
	struct platform *p = f->platform;
	unsigned pirq;

	if (f->pin == 0)
		return;
	pirq = vpci_pirq(f);
	vpci_update_pin(p, PIRQ_FIRST_PIN + pirq);
	update_line(p, p->pci.pirq[pirq]);
}

void vpci_set_intx(struct vpci_function *f, bool level)
{
	struct vpci_function_state *s = vpci_state_of(f);

	if (s->intx == level || f->pin == 0)
		return;
	s->intx = level;
	if (level)
		s->config[PCI_STATUS] |= PCI_STATUS_INTX;
	else
		s->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX;
	update_pin(f);
}

void vpci_line_ended(struct platform *p, unsigned irq)
{
	for (unsigned i = 0; i < VPCI_FUNCTIONS; i++) {
		const struct vpci_function *f = &p->pci.functions[i];
		unsigned pirq;

		if (!f->present || f->pin == 0 || f->ops == NULL || f->ops->line_ended == NULL)
			continue;
		pirq = vpci_pirq(f);
		if (irq == PIRQ_FIRST_PIN + pirq || irq == p->pci.pirq[pirq])
			f->ops->line_ended(f->device);
	}
}

void vpci_route(struct platform *p, unsigned pirq, uint8_t irq)
{
	uint8_t old = p->pci.pirq[pirq];

	p->pci.pirq[pirq] = irq;
	update_line(p, old);
	update_line(p, irq);
}

void vpci_update_interrupts(struct vpci_function *f)
{
	send_and_tell(f);
	if (vpci_state_of(f)->intx)
		update_pin(f);
}

/* ---- state ---- */

static bool entry_valid(const uint32_t *entry)
{
	for (unsigned word = 0; word < 4; word++)
		if (entry[word] & ~msix_writable(word))
			return false;
	return true;
}

bool vpci_msix_valid(const struct vpci_function *f, const struct vpci_function_state *s)
{
	uint32_t line = s->config[PCI_STATUS] & PCI_STATUS_INTX;
	unsigned entries = f->msix_vectors;

	if (s->intx > 1 || (s->intx && f->pin == 0) || (line != 0) != (s->intx != 0))
		return false;
	if (f->vectors < 32 && s->pending >> f->vectors != 0)
		return false;
	if (f->msi_masks && vpci_get(s->config, f->msi + PCI_MSI_PENDING, 4) != s->pending)
		return false;
	for (unsigned i = 0; i < entries; i++)
		if (!entry_valid(s->msix[i]))
			return false;
	return state_zero(
		&s->msix[entries], (VPCI_MSIX_VECTORS - entries) * sizeof(s->msix[0]));
}
