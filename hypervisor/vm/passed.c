/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/passed.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/ioapic.h"
#include "cpu/log.h"
#include "cpu/pci.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/fmt.h"
#include "mm/layout.h"
#include "mm/paging.h"
#include "spec/apic.h"
#include "spec/ide.h"
#include "vm/create.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

/*
 * Ticks that an exit for messages and the way back take beside it, and the guest's interrupt.
 */
#define MESSAGE_TICKS 1200u

/* Of a device that sends without end, the guest has so many times what its messages cost. */
#define GUEST_SHARE 4u

#define PLACE_FIRST 20 /* devices on bus 0 of the VM; below are L0's own */

/* For devices that nobody gave addresses: those machines have no RAM and no screen there. */
#define FREE_MEMORY UINT64_C(0xf0000000)
#define FREE_PORTS  0xc000u

static struct passed {
	struct vpass_function f;
	unsigned vm;
	uint8_t wanted;              /* vectors of L0's that it could use */
	uint8_t messages;            /* that it has, from f.messages.first on */
	struct sched_node *listener; /* who is told of them; atomic */
	uint8_t pin;                 /* that its INTx comes in at */
	uint64_t ready_at;           /* host TSC before which it must be left alone */
} passed[PASSED_MAX];
static unsigned passed_count;
static uint64_t next_memory = FREE_MEMORY, next_port = FREE_PORTS;

/* In struct sched_node: pins, and messages behind them. */
#define MESSAGE_BIT(n) BIT64(IOAPIC_PINS + (n))
_Static_assert(IOAPIC_PINS + MESSAGE_VECTORS <= 64, "each has a bit of struct sched_node");

static uint64_t vectors_taken; /* of MESSAGE_VECTORS; by functions, for the whole run */
static struct passed *sender[MESSAGE_VECTORS]; /* set before VMs run */
static struct spinlock messages_lock = {.rank = LOCK_MESSAGES};

/* By pin: who is told. */
static struct sched_node *listeners[IOAPIC_PINS];
static uint32_t edge_pins; /* those of IDE channels; set before VMs run */

/* ---- who has what ---- */

/* PASSED_NO_PIN: it has none, or (with a pin) nobody knows. */
static uint8_t pin_of(const struct vpass_function *f)
{
	if (!vpass_has_pin(f))
		return PASSED_NO_PIN;
	if (l0_config()->machine.piix_pins && PCI_BDF_BUS(f->id.bdf) == 0)
		return (uint8_t)(16 + ((PCI_BDF_DEVICE(f->id.bdf) + f->id.pin - 2u) & 3));
	return f->line != 0 && f->line < PCI_LINES ? f->line : PASSED_NO_PIN;
}

static uint32_t edges_of(const struct passed *p)
{
	return (uint32_t)p->f.fixed << IDE_LINE(0);
}

static uint32_t pins_of(const struct passed *p)
{
	return edges_of(p) | (p->pin != PASSED_NO_PIN ? 1u << p->pin : 0);
}

static const char *collision(const struct passed *a, const struct passed *b)
{
	uint32_t both = pins_of(a) & pins_of(b);

	if (a->f.fixed & b->f.fixed)
		return "its fixed ports are those of another function, too";
	if (both != 0 && a->vm != b->vm)
		return "it shares its interrupt with a device of another VM";
	if (both & (edges_of(a) | edges_of(b)))
		return "it shares its interrupt with an IDE channel";
	return NULL;
}

static const char *find_pins(struct passed *p)
{
	const char *why = NULL;

	p->pin = pin_of(&p->f);
	if (p->pin == PASSED_NO_PIN && vpass_has_pin(&p->f))
		return "firmware does not tell the line of its interrupt";
	for (unsigned i = 0; i < passed_count && why == NULL; i++)
		why = collision(&passed[i], p);
	return why;
}

static const char *place_bars(struct vpass_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct vpass_bar *bar = &f->bar[i];
		uint64_t *next = bar->kind == VPCI_BAR_IO ? &next_port : &next_memory;

		if (bar->kind == VPCI_BAR_NONE || bar->address != 0)
			continue;
		if (!l0_config()->machine.no_firmware)
			return "firmware has given it no addresses";
		*next = (*next + bar->size - 1) & ~(bar->size - 1);
		if (bar->kind == VPCI_BAR_IO ? *next + bar->size > BIT64(16)
					     : *next + bar->size > IOAPIC_DEFAULT_BASE)
			return "there are no addresses left for it";
		vpass_place(f, i, *next);
		*next += bar->size;
	}
	return NULL;
}

/* A free range of vectors that begins as MSI needs it; MESSAGE_VECTORS: there is none. */
static unsigned find_vectors(unsigned count)
{
	unsigned step = 1;

	while (step < count)
		step *= 2;
	for (unsigned at = 0; at + count <= MESSAGE_VECTORS; at += step)
		if (!(vectors_taken >> at & (BIT64(count) - 1)))
			return at;
	return MESSAGE_VECTORS;
}

/* As many as it wants, or half as many, and so on. Without any it uses its pin. */
static const char *give_vectors(struct passed *p)
{
	unsigned count = vpass_vectors_wanted(&p->f), at = 0;

	p->wanted = (uint8_t)count;
	if (count == 0)
		return NULL;
	while (count != 0 && (at = find_vectors(count)) == MESSAGE_VECTORS)
		count /= 2;
	if (count == 0 && p->pin == PASSED_NO_PIN)
		return "no interrupt vectors are left for it, and it has no pin";
	vpass_give_vectors(&p->f, (uint8_t)(VECTOR_MESSAGES + at), count);
	p->messages = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		sender[at + i] = p;
	vectors_taken |= (BIT64(count) - 1) << at;
	return NULL;
}

static const char *claim(unsigned vm, uint16_t bdf)
{
	struct passed *p = &passed[passed_count];
	const char *why;

	if (passed_count == PASSED_MAX)
		return "all VMs together have too many";
	*p = (struct passed){.vm = vm};
	why = vpass_probe(bdf, &p->f);
	if (why == NULL)
		why = find_pins(p);
	if (why == NULL)
		why = place_bars(&p->f);
	if (why == NULL)
		why = give_vectors(p);
	if (why != NULL)
		return why;
	edge_pins |= edges_of(p);
	passed_count++;
	return NULL;
}

static const char *pin_names(const struct passed *p, char *out, size_t size)
{
	size_t n = 0;

	for (uint32_t pins = pins_of(p); pins != 0; pins &= pins - 1)
		n += fmt(out + n, size - n, "%s %d", n == 0 ? "" : ",", __builtin_ctz(pins));
	return n == 0 ? " none" : out;
}

/* Fewer than it could use: L0 has no more vectors. */
static const char *message_count(const struct passed *p, char *out, size_t size)
{
	if (p->wanted == 0)
		return "";
	if (p->messages == p->wanted)
		fmt(out, size, ", %u messages", p->messages);
	else
		fmt(out, size, ", %u messages of %u: L0 has no more vectors", p->messages,
			p->wanted);
	return out;
}

static void tell(const struct vm_config *c, uint16_t bdf, const char *why)
{
	const struct passed *p = &passed[passed_count - 1];
	unsigned bus = PCI_BDF_BUS(bdf), device = PCI_BDF_DEVICE(bdf);
	char names[IOAPIC_PINS * 4], messages[64];

	if (why != NULL)
		log_info("'%s': pci:%02x:%02x.%u stays without owner: %s", c->name, bus, device,
			PCI_BDF_FUNCTION(bdf), why);
	else
		log_info("'%s' owns pci:%02x:%02x.%u (%04x:%04x), line%s%s", c->name, bus,
			device, PCI_BDF_FUNCTION(bdf), p->f.id.vendor, p->f.id.device,
			pin_names(p, names, sizeof(names)),
			message_count(p, messages, sizeof(messages)));
}

static bool claim_listed(const struct vm_config *c, unsigned vm)
{
	for (uint64_t list = c->devices; list != 0; list >>= 16) {
		uint16_t bdf = (uint16_t)list;
		const char *why = claim(vm, bdf);

		if (why == NULL) {
			tell(c, bdf, NULL);
			continue;
		}
		log_error("'%s': it cannot have pci:%02x:%02x.%u: %s", c->name,
			PCI_BDF_BUS(bdf), PCI_BDF_DEVICE(bdf), PCI_BDF_FUNCTION(bdf), why);
		return false;
	}
	return true;
}

/* All but the bridges. */
static void claim_device(const struct vm_config *c, unsigned vm, uint16_t first)
{
	unsigned functions =
		pci_read(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION ? 8 : 1;

	for (unsigned i = 0; i < functions; i++) {
		uint16_t bdf = (uint16_t)(first + i);

		if (pci_read(bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR &&
			pci_read(bdf, PCI_CLASS_CODE, 2) >> 8 != PCI_CLASS_BRIDGE)
			tell(c, bdf, claim(vm, bdf));
	}
}

static bool claim_all(const struct vm_config *c, unsigned vm)
{
	for (unsigned bdf = 0; bdf <= UINT16_MAX; bdf += 8)
		if (pci_read((uint16_t)bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR)
			claim_device(c, vm, (uint16_t)bdf);
	if (passed_count == 0)
		log_error("'%s': this machine has no device that a VM can have", c->name);
	return passed_count != 0;
}

bool passed_claim(const struct scenario *s)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_config *c = &s->vms[i].config;

		if (c->devices == 0)
			continue;
		log_warn("'%s' has devices without an IOMMU: it can read and write all memory, "
			 "that of L0 and of other VMs, too",
			c->name);
		if (c->devices == SETTING_ALL_FUNCTIONS ? !claim_all(c, i)
							: !claim_listed(c, i))
			return false;
	}
	return true;
}

bool passed_has_ide(unsigned channel)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].f.fixed >> channel & 1)
			return true;
	return false;
}

/* ---- a VM's ---- */

bool passed_map(unsigned vm, uint64_t cr3)
{
	for (unsigned i = 0; i < passed_count; i++)
		for (unsigned k = 0; k < PCI_BARS && passed[i].vm == vm; k++) {
			const struct vpass_bar *bar = &passed[i].f.bar[k];
			uint64_t first = bar->address & ~PAGE_MASK;
			uint64_t end = (bar->address + bar->size + PAGE_MASK) & ~PAGE_MASK;

			if (bar->kind != VPCI_BAR_NONE && !vpci_bar_is_io(bar->kind) &&
				!paging_map_direct(cr3, (struct hpa){first}, end - first,
					PT_RW_DATA | PT_UC))
				return false;
		}
	return true;
}

bool passed_add(struct vm *vm)
{
	struct passed_devices *d = &vm->devices->passed;

	d->count = 0;
	for (unsigned i = 0; i < passed_count; i++) {
		uint16_t bdf = PCI_BDF(0, PLACE_FIRST + d->count, 0);

		if (passed[i].vm != vm->id)
			continue;
		if (!vpass_add(&d->device[d->count], &passed[i].f, vm->platform, bdf))
			return false;
		d->pin[d->count++] = passed[i].pin;
	}
	return true;
}

bool passed_ready(unsigned vm)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && rdtsc() < passed[i].ready_at)
			return false;
	return true;
}

void passed_begin(unsigned vm)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm)
			vpass_begin(&passed[i].f);
}

static uint32_t pins_of_vm(unsigned vm)
{
	uint32_t pins = 0;

	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm)
			pins |= pins_of(&passed[i]);
	return pins;
}

/* PCI's interrupts are level-triggered, and a low level is active; ISA's are rising edges. */
static uint32_t trigger_of(unsigned pin)
{
	return edge_pins >> pin & 1 ? 0 : IOAPIC_LEVEL | IOAPIC_ACTIVE_LOW;
}

static void set_listeners(unsigned vm, struct sched_node *node)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm)
			__atomic_store_n(&passed[i].listener, node, __ATOMIC_SEQ_CST);
}

void passed_listen(unsigned vm, struct sched_node *node)
{
	set_listeners(vm, node);
	for (uint32_t pins = pins_of_vm(vm); pins != 0; pins &= pins - 1) {
		unsigned pin = (unsigned)__builtin_ctz(pins);

		__atomic_store_n(&listeners[pin], node, __ATOMIC_SEQ_CST);
		ioapic_set(pin, (VECTOR_LINES + pin) | trigger_of(pin), percpus[0].apic_id);
	}
}

void passed_end(unsigned vm)
{
	set_listeners(vm, NULL);
	for (unsigned i = 0; i < passed_count; i++) {
		struct passed *p = &passed[i];

		if (p->vm == vm && vpass_end(&p->f))
			p->ready_at = rdtsc() + (uint64_t)tsc_khz * PCI_FLR_MS;
	}
	for (uint32_t pins = pins_of_vm(vm); pins != 0; pins &= pins - 1) {
		unsigned pin = (unsigned)__builtin_ctz(pins);

		ioapic_mask(pin, true);
		__atomic_store_n(&listeners[pin], NULL, __ATOMIC_SEQ_CST);
	}
}

/* ---- interrupts ---- */

/*
 * The vCPU's events are in memory of its VM, which may not be mapped here. Its CPU looks at the
 * lines when it picks the vCPU, and when it is kicked: by an NMI wherever it is, since it reads
 * only the events on its way into the guest.
 */
static void raise(struct sched_node *n, uint64_t lines)
{
	unsigned cpu = __atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST);

	__atomic_fetch_or(&n->lines, lines, __ATOMIC_SEQ_CST);
	if (!__atomic_exchange_n(&n->runnable, true, __ATOMIC_SEQ_CST))
		sched_notify(cpu);
	if (cpu != this_cpu()->index)
		apic_send_nmi(percpus[cpu].apic_id);
}

/*
 * A level waits where it is until the pin is open again. An edge is lost at a masked pin, so it
 * is masked only when one waits for the vCPU already: after that one the pin opens, and then
 * the guest looks at the drive.
 */
void fault_line(unsigned pin)
{
	struct sched_node *n = __atomic_load_n(&listeners[pin], __ATOMIC_SEQ_CST);

	if (n == NULL || !(edge_pins >> pin & 1) ||
		__atomic_load_n(&n->lines, __ATOMIC_SEQ_CST) >> pin & 1)
		ioapic_mask(pin, true);
	if (n != NULL)
		raise(n, 1u << pin);
}

/*
 * A second message of a vector before the vCPU took the first: the function is silenced until
 * it does, and what it has to say waits in it. Before the bit is set, so that who takes it
 * opens the function again. So a CPU takes two messages of a vector at most for each turn of
 * the vCPU, which messages go to the CPU of.
 */
void fault_message(unsigned k)
{
	struct passed *p = sender[k];
	struct sched_node *n =
		p != NULL ? __atomic_load_n(&p->listener, __ATOMIC_SEQ_CST) : NULL;

	if (n == NULL)
		return;
	if (__atomic_load_n(&n->lines, __ATOMIC_SEQ_CST) & MESSAGE_BIT(k)) {
		dev_pass_lock();
		vpass_hush(&p->f);
		dev_pass_unlock();
	}
	raise(n, MESSAGE_BIT(k));
}

static uint32_t messages_of(const struct vpass *v, uint64_t lines)
{
	unsigned shift = IOAPIC_PINS + v->machine->messages.first - VECTOR_MESSAGES;

	return (uint32_t)(lines >> shift);
}

/* The pin first: an edge before the guest's interrupt may be lost, one after it may not. */
static void take_edges(struct vpass *v, uint64_t lines)
{
	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		if (!(v->machine->fixed >> i & 1) || !(lines >> IDE_LINE(i) & 1))
			continue;
		ioapic_mask(IDE_LINE(i), false);
		vpass_edge(v, i);
	}
}

/* Messages that wait at this CPU come along: one exit for all of them. */
static uint64_t take_lines(struct vcpu *vcpu)
{
	uint64_t lines = __atomic_exchange_n(&vcpu->node->lines, 0, __ATOMIC_SEQ_CST);

	if (lines >> IOAPIC_PINS == 0)
		return lines;
	sti_nop_cli();
	vcpu_add_events(vcpu, EVENT_IRQ); /* a notification may have been among them */
	return lines | __atomic_exchange_n(&vcpu->node->lines, 0, __ATOMIC_SEQ_CST);
}

static unsigned count_bits(uint64_t v)
{
	unsigned count = 0;

	for (; v != 0; v &= v - 1)
		count++;
	return count;
}

static void tell_devices(struct passed_devices *d, uint64_t lines, bool again)
{
	for (unsigned i = 0; i < d->count; i++) {
		struct vpass *v = &d->device[i];

		if (d->pin[i] != PASSED_NO_PIN && lines >> d->pin[i] & 1)
			vpass_interrupt(v);
		take_edges(v, lines);
		if (v->machine->messages.on != VPCI_PIN)
			vpass_message(v, messages_of(v, lines), again);
	}
}

/*
 * Messages that come as fast as they are taken leave the guest time: when some come too early
 * behind those before, the next ones may come when the guest has had some times what these
 * cost.
 */
bool passed_take(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t lines = take_lines(vcpu), now = rdtsc(), cost;
	bool early = vcpu->state == VCPU_RUNNABLE && now < vcpu->messages_pause;

	dev_lock(vm->platform);
	tell_devices(&vm->devices->passed, lines, !early);
	dev_unlock(vm->platform);
	if (lines >> IOAPIC_PINS == 0 && !early)
		return false;
	now = rdtsc();
	cost = now - vcpu->exit_tsc + MESSAGE_TICKS * (1 + count_bits(lines >> IOAPIC_PINS));
	vcpu->messages_pause = now + cost * GUEST_SHARE;
	vcpu->messages_at = early ? vcpu->messages_pause : DEV_NEVER;
	return true;
}

bool passed_polls(void)
{
	return passed_count != 0 && l0_config()->machine.late_notifications;
}

/*
 * A notification of the vCPU that is loaded here may be among them: it looks itself then. Only
 * then: one that halts would never sleep.
 */
void passed_poll(void)
{
	struct sched_node *n = sched_this_cpu()->node;

	if (!passed_polls())
		return;
	this_cpu()->notified = false;
	sti_nop_cli();
	if (n != NULL && this_cpu()->notified)
		__atomic_fetch_or(&n->posted, EVENT_IRQ, __ATOMIC_SEQ_CST);
}

/* ---- the seam of dev/vpass; the rest of it is seam_pass.c ---- */

void dev_pass_lock(void)
{
	spin_lock(&messages_lock);
}

void dev_pass_unlock(void)
{
	spin_unlock(&messages_lock);
}

/* Of xAPIC, and the first 255 of x2APIC: others need interrupt remapping. */
uint8_t dev_pass_target(void)
{
	return (uint8_t)(this_cpu()->apic_id <= UINT8_MAX ? this_cpu()->apic_id
							  : percpus[0].apic_id);
}

void dev_pass_listen(uint16_t bdf)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].f.id.bdf == bdf && passed[i].pin != PASSED_NO_PIN)
			ioapic_mask(passed[i].pin, false);
}
