/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI and MSI-X of a function that a VM owns. Addresses, data and masks that the guest writes
 * stay in vpci's capabilities; the machine's have vectors of L0's, which L0 takes as messages
 * of the guest (PCI Local Bus Specification 3.0, 6.8).
 *
 * The guest's masks are not passed on as they are written: the machine's vector is masked with
 * the first message that meets a mask of the guest. What a device sends meanwhile waits in its
 * own pending bits.
 */
#include "dev/platform.h"
#include "dev/vpass_int.h"

#define NO_MASK 0u

static uint32_t get(const struct vpass_function *f, unsigned offset, unsigned size)
{
	return dev_pass_config_read(f->id.bdf, offset, size);
}

static void put(const struct vpass_function *f, unsigned offset, unsigned size, uint32_t value)
{
	dev_pass_config_write(f->id.bdf, offset, size, value);
}

/* ---- what the machine has ---- */

static unsigned msi_size(uint32_t control)
{
	return (control & PCI_MSI_MASKING ? PCI_MSI_SIZE : PCI_MSI_PLAIN_SIZE) -
	       (control & PCI_MSI_64 ? 0 : PCI_MSI_SHORTER);
}

static void find_msi(struct vpass_function *f, uint8_t at)
{
	struct vpass_messages *m = &f->messages;
	uint32_t control = get(f, at + PCI_MSI_CONTROL, 2);
	unsigned capable = PCI_MSI_CAPABLE(control);

	if (capable > PCI_MSI_CAPABLE_MAX || at + msi_size(control) > PCI_CONFIG_SIZE)
		return;
	m->msi = at;
	m->msi_64 = control & PCI_MSI_64;
	m->msi_masks = control & PCI_MSI_MASKING;
	m->msi_count = (uint8_t)(1u << capable);
	m->msi_bits = (uint32_t)((UINT64_C(1) << m->msi_count) - 1);
	put(f, at + PCI_MSI_CONTROL, 2, 0);
}

static void find_msix(struct vpass_function *f, uint8_t at)
{
	struct vpass_messages *m = &f->messages;
	uint32_t table = get(f, at + PCI_MSIX_TABLE, 4);
	uint32_t pending = get(f, at + PCI_MSIX_PENDING, 4);
	unsigned entries = PCI_MSIX_ENTRIES(get(f, at + PCI_MSIX_CONTROL, 2));

	m->msix = at;
	m->msix_count = entries < VPCI_MSIX_VECTORS ? (uint8_t)entries : VPCI_MSIX_VECTORS;
	m->table = (struct vpass_part){(uint8_t)PCI_MSIX_BAR(table), PCI_MSIX_OFFSET(table),
		entries * PCI_MSIX_ENTRY_SIZE};
	m->pending = (struct vpass_part){(uint8_t)PCI_MSIX_BAR(pending),
		PCI_MSIX_OFFSET(pending), (entries + 63) / 64 * 8};
	put(f, at + PCI_MSIX_CONTROL, 2, 0);
}

void vpass_message_find(struct vpass_function *f, uint8_t id, uint8_t at)
{
	if (id == PCI_CAP_MSI)
		find_msi(f, at);
	if (id == PCI_CAP_MSIX && at + PCI_MSIX_SIZE <= PCI_CONFIG_SIZE)
		find_msix(f, at);
}

static bool is_there(const struct vpass_function *f, const struct vpass_part *p)
{
	const struct vpass_bar *b = p->bar < PCI_BARS ? &f->bar[p->bar] : NULL;

	return b != NULL && b->kind != VPCI_BAR_NONE && !vpci_bar_is_io(b->kind) &&
	       p->size <= b->size && p->offset <= b->size - p->size;
}

void vpass_message_check(struct vpass_function *f)
{
	struct vpass_messages *m = &f->messages;

	if (m->msix == 0 || (is_there(f, &m->table) && is_there(f, &m->pending)))
		return;
	m->msix = m->msix_count = 0;
	m->table.size = m->pending.size = 0;
}

unsigned vpass_vectors_wanted(const struct vpass_function *f)
{
	const struct vpass_messages *m = &f->messages;

	return m->msi_count > m->msix_count ? m->msi_count : m->msix_count;
}

void vpass_give_vectors(struct vpass_function *f, uint8_t first, unsigned count)
{
	struct vpass_messages *m = &f->messages;

	m->first = first;
	while (m->msi_count > count)
		m->msi_count /= 2;
	if (m->msix_count > count)
		m->msix_count = (uint8_t)count;
}

/* ---- the machine's capabilities; with the lock of messages ---- */

/* Where MSI's data is, and masks behind it. */
static unsigned msi_offset(const struct vpass_messages *m, unsigned offset)
{
	return m->msi + offset - (m->msi_64 ? 0 : PCI_MSI_SHORTER);
}

static void write_entry(
	const struct vpass_function *f, unsigned i, unsigned offset, uint32_t value)
{
	const struct vpass_part *t = &f->messages.table;

	dev_pass_write(false,
		f->bar[t->bar].address + t->offset + i * PCI_MSIX_ENTRY_SIZE + offset, 4,
		value);
}

static void write_control(const struct vpass_function *f)
{
	const struct vpass_messages *m = &f->messages;

	switch (m->on) {
	case VPCI_MSIX:
		put(f, m->msix + PCI_MSIX_CONTROL, 2,
			PCI_MSIX_ENABLE | (m->hushed ? PCI_MSIX_MASK_ALL : 0));
		break;
	case VPCI_MSI:
		if (m->msi_masks)
			put(f, msi_offset(m, PCI_MSI_MASK), 4,
				m->hushed ? m->msi_bits : m->quiet);
		put(f, m->msi + PCI_MSI_CONTROL, 2,
			(uint32_t)m->allowed << PCI_MSI_ENABLED_SHIFT |
				(m->hushed && !m->msi_masks ? 0 : PCI_MSI_ENABLE));
		break;
	default:
		if (m->msix != 0)
			put(f, m->msix + PCI_MSIX_CONTROL, 2, 0);
		if (m->msi != 0)
			put(f, m->msi + PCI_MSI_CONTROL, 2, 0);
		break;
	}
}

static void write_msi(const struct vpass_function *f)
{
	const struct vpass_messages *m = &f->messages;
	struct vpass_message_to to = dev_pass_message_to(f);

	put(f, m->msi + PCI_MSI_ADDRESS, 4, to.address);
	if (m->msi_64)
		put(f, m->msi + PCI_MSI_ADDRESS + 4, 4, 0);
	put(f, msi_offset(m, PCI_MSI_DATA), 2, to.data);
}

/* Entries beyond those that the VM has are masked, as they were after reset. */
static void write_table(const struct vpass_function *f)
{
	const struct vpass_messages *m = &f->messages;
	unsigned entries = m->table.size / PCI_MSIX_ENTRY_SIZE;
	struct vpass_message_to to;

	put(f, m->msix + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	to = dev_pass_message_to(f);
	for (unsigned i = 0; i < entries; i++) {
		if (i < m->msix_count) {
			write_entry(f, i, 0, to.address);
			write_entry(f, i, 4, 0);
			write_entry(f, i, PCI_MSIX_ENTRY_DATA, to.data + i);
		}
		write_entry(f, i, PCI_MSIX_ENTRY_CONTROL,
			i < m->msix_count && !(m->quiet >> i & 1) ? NO_MASK
								  : PCI_MSIX_ENTRY_MASKED);
	}
}

/* ---- straight into vCPUs ---- */

static bool same(const struct vpci_posted *a, const struct vpci_posted *b)
{
	return a->vcpu == b->vcpu && a->vector == b->vector;
}

/* to: NULL, to L0. */
static void post(struct vpass_function *f, unsigned i, const struct vpci_posted *to)
{
	struct vpass_messages *m = &f->messages;
	bool is = m->posted >> i & 1;

	if (to != NULL ? is && same(&m->to[i], to) : !is)
		return;
	if (!dev_pass_post(f, i, to))
		return;
	m->posted &= ~(1u << i);
	if (to == NULL)
		return;
	m->posted |= 1u << i;
	m->to[i] = *to;
}

static void post_none(struct vpass_function *f)
{
	for (uint32_t left = f->messages.posted; left != 0; left &= left - 1)
		post(f, (unsigned)__builtin_ctz(left), NULL);
}

static void turn_off(struct vpass_function *f)
{
	post_none(f);
	f->messages.on = VPCI_PIN;
	f->messages.quiet = 0;
	f->messages.hushed = false;
	write_control(f);
}

/* A message's address changes at once; of MSI-X, with all vectors masked. */
static void turn_on(struct vpass_function *f, enum vpci_messages on)
{
	struct vpass_messages *m = &f->messages;

	m->on = on;
	m->target = dev_pass_target(f);
	m->posted = 0; /* all go to L0 again, as dev_pass_message_to says */
	if (on == VPCI_MSIX)
		write_table(f);
	else
		write_msi(f);
	write_control(f);
}

static void set_quiet(struct vpass_function *f, unsigned vector, bool quiet)
{
	struct vpass_messages *m = &f->messages;

	m->quiet &= ~(1u << vector);
	m->quiet |= (uint32_t)quiet << vector;
	if (m->on == VPCI_MSIX)
		write_entry(f, vector, PCI_MSIX_ENTRY_CONTROL,
			quiet ? PCI_MSIX_ENTRY_MASKED : NO_MASK);
	else if (m->msi_masks)
		write_control(f);
}

/* Of MSI-X, entries; of MSI, as many as the guest allows. */
static unsigned vector_count(const struct vpass_function *f)
{
	const struct vpass_messages *m = &f->messages;

	return m->on == VPCI_MSIX ? m->msix_count : m->on == VPCI_MSI ? 1u << m->allowed : 0;
}

/* ---- what the guest wants ---- */

static void follow(struct vpass *v)
{
	struct vpass_function *f = v->machine;
	struct vpass_messages *m = &f->messages;
	enum vpci_messages wanted = vpci_messages(v->f);
	uint8_t allowed = wanted == VPCI_MSI ? (uint8_t)vpci_msi_allowed(v->f) : 0;

	if (wanted != m->on || allowed != m->allowed) {
		turn_off(f);
		m->allowed = allowed;
		if (wanted != VPCI_PIN)
			turn_on(f, wanted);
		return;
	}
	for (uint32_t left = m->quiet; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (!vpci_masked(v->f, i))
			set_quiet(f, i, false);
	}
}

/*
 * Of these vectors: a message that does no more than to make a request in one vCPU needs no
 * exit. What the guest masks comes to L0, which has the pending bits.
 */
static void post_again(struct vpass *v, uint32_t vectors)
{
	struct vpass_function *f = v->machine;
	unsigned count = vector_count(f);
	struct vpci_posted to[VPCI_MSIX_VECTORS];
	uint32_t posted = 0;

	if (!dev_pass_posts(f))
		return;
	for (unsigned i = 0; i < count; i++)
		if (vectors >> i & 1)
			posted |= (uint32_t)vpci_may_post(v->f, i, &to[i]) << i;
	dev_pass_lock();
	for (unsigned i = 0; i < count; i++)
		if (vectors >> i & 1)
			post(f, i, posted >> i & 1 ? &to[i] : NULL);
	dev_pass_unlock();
}

void vpass_messages_changed(struct vpass *v)
{
	if (v->machine->messages.on == VPCI_PIN && vpci_messages(v->f) == VPCI_PIN)
		return;
	dev_pass_lock();
	follow(v);
	dev_pass_unlock();
	post_again(v, ~0u);
}

void vpass_routes_changed(struct vpass *v)
{
	post_again(v, ~0u);
}

/* ---- messages ---- */

void vpass_hush(struct vpass_function *f)
{
	if (f->messages.on == VPCI_PIN || f->messages.hushed)
		return;
	f->messages.hushed = true;
	write_control(f);
}

/* Those that a guest masks come no more until it takes its mask away. */
static void quiet_masked(struct vpass *v, uint32_t vectors)
{
	const struct vpass_messages *m = &v->machine->messages;

	for (; vectors != 0; vectors &= vectors - 1) {
		unsigned i = (unsigned)__builtin_ctz(vectors);

		if (vpci_masked(v->f, i) && (m->on == VPCI_MSIX || m->msi_masks))
			set_quiet(v->machine, i, true);
	}
}

/* True: while the function was silent as a whole some messages may have been lost. */
static bool open_again(struct vpass *v)
{
	struct vpass_function *f = v->machine;
	struct vpass_messages *m = &f->messages;
	bool hushed = m->hushed;

	if (m->target != dev_pass_target(f))
		turn_on(f, m->on);
	m->hushed = false;
	if (hushed)
		write_control(f);
	return hushed && m->on == VPCI_MSI && !m->msi_masks;
}

void vpass_message(struct vpass *v, uint32_t vectors, bool again)
{
	unsigned count = vector_count(v->machine);
	uint32_t all = count < 32 ? (1u << count) - 1 : ~0u;

	if (count == 0 || !vpass_is_back(v))
		return;
	vectors &= all;
	dev_pass_lock();
	quiet_masked(v, vectors);
	if (!again)
		vpass_hush(v->machine);
	else if (open_again(v))
		vectors = all;
	dev_pass_unlock();
	/* Before these arrive, so that those behind them are not held up by the same. */
	post_again(v, vectors);
	for (; vectors != 0; vectors &= vectors - 1)
		vpci_interrupt(v->f, (unsigned)__builtin_ctz(vectors));
}

void vpass_message_end(struct vpass_function *f)
{
	dev_pass_lock();
	turn_off(f);
	f->messages.allowed = 0;
	dev_pass_unlock();
}

/* ---- what the VM has ---- */

bool vpass_message_add(struct vpass *v)
{
	const struct vpass_messages *m = &v->machine->messages;

	if (m->msi_count != 0 && !vpci_add_msi(v->f, m->msi_count, m->msi_masks))
		return false;
	if (m->msix_count == 0)
		return true;
	if (!vpci_add_msix(
		    v->f, m->table.bar, m->table.offset, m->pending.offset, m->msix_count))
		return false;
	vpci_set_pending_bar(v->f, m->pending.bar);
	return true;
}

static bool meets(const struct vpass_part *p, unsigned bar, uint64_t offset, uint64_t size)
{
	return bar == p->bar && offset < (uint64_t)p->offset + p->size &&
	       p->offset < offset + size;
}

bool vpass_message_meets(
	const struct vpass_function *f, unsigned bar, uint64_t offset, uint64_t size)
{
	return meets(&f->messages.table, bar, offset, size) ||
	       meets(&f->messages.pending, bar, offset, size);
}
