/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/passed_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/ioapic.h"
#include "cpu/log.h"
#include "cpu/nmi.h"
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
#include "vm/vm_log.h"
#include "vtd/topology.h"
#include "vtd/unit.h"

/*
 * Ticks that an exit for messages and the way back take beside it, and the guest's interrupt.
 */
#define MESSAGE_TICKS 1200u

/* Of a device that sends without end, the guest has so many times what its messages cost. */
#define GUEST_SHARE 4u

#define PLACE_FIRST 20 /* devices on bus 0 of the VM; below are L0's own */

/* In struct sched_node: pins, and messages behind them. */
#define MESSAGE_BIT(n) BIT64(IOAPIC_PINS + (n))
_Static_assert(IOAPIC_PINS + MESSAGE_VECTORS <= 64, "each has a bit of struct sched_node");

static struct spinlock messages_lock = {.rank = LOCK_MESSAGES};

/* By pin: who is told. */
static struct sched_node *listeners[IOAPIC_PINS];

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

static bool create_tables(struct vm *vm, const struct passed *p)
{
	const char *why = iommu_create(vm, &p->place);

	if (why != NULL)
		log_error("'%s': the IOMMU of pci:%02x:%02x.%u: %s", p->name,
			PCI_BDF_BUS(p->f.id.bdf), PCI_BDF_DEVICE(p->f.id.bdf),
			PCI_BDF_FUNCTION(p->f.id.bdf), why);
	return why == NULL;
}

/* Where APIC virtualization of its VM takes posted interrupts, and its unit posts. */
static void find_descriptors(struct vm *vm, struct passed *p)
{
	p->posts = vm->apicv.posted && iommu_posts(&p->place) && p->messages != 0;
	vm->apicv.direct = vm->apicv.direct || p->posts;
	for (unsigned i = 0; i < vm->config.cpus; i++)
		p->descriptor[i] = hpa_of(platform_apic_posted(vm->platform, i));
}

/* Where they are on the VM's PCI: devices on bus 0, rows of virtual functions. */
struct places {
	unsigned device, row;
};

/* Those that the VM makes come right behind the function that it makes them of. */
static bool add_on_bus_0(struct vm *vm, struct vpass *v, struct passed *p, struct places *next)
{
	(void)passed_change(p, passed_mark(p), passed_mark(p) | PASSED_USED);
	if (p->owner != NULL) {
		unsigned number = (unsigned)(p - p->owner) - 1;

		return vpass_add_vf(v, v - 1 - number, number);
	}
	if (!vpass_add(v, &p->f, vm->platform, PCI_BDF(0, next->device++, 0)))
		return false;
	if (p->f.vfs == NULL)
		return true;
	next->row += p->f.vfs->most;
	return vpass_add_vfs(v, next->row - p->f.vfs->most);
}

static bool add(struct vm *vm, struct vpass *v, struct passed *p, struct places *next)
{
	*v = (struct vpass){.machine = &p->f};
	if (!create_tables(vm, p))
		return false;
	find_descriptors(vm, p);
	return p->root_port != 0 ? passed_add_in_slot(vm, v, p) : add_on_bus_0(vm, v, p, next);
}

bool passed_add(struct vm *vm)
{
	struct passed_devices *d = &vm->devices->passed;
	struct places next = {
		PLACE_FIRST, net_list_vfs(&vm->config.nets, vm->config.nets.count)};

	d->count = 0;
	d->pending = 0;
	iommu_forget(vm->id);
	for (unsigned i = 0; i < passed_count; i++) {
		if (passed[i].vm != vm->id)
			continue;
		if (!add(vm, &d->device[d->count], &passed[i], &next))
			return false;
		d->pin[d->count++] = passed[i].pin;
	}
	return true;
}

/* That of another VM's now is not waited for. */
static bool is_in_reset(struct passed *p)
{
	return passed_is_held(p) && !vpass_settle(&p->f);
}

static bool is_made(struct passed *p)
{
	return p->physical == NULL || passed_virtual_ready(p->physical, &p->holds);
}

bool passed_ready(unsigned vm)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && (is_in_reset(&passed[i]) || !is_made(&passed[i])))
			return false;
	return true;
}

void passed_say(const struct passed *p, const char *what, const char *why)
{
	vm_log_named(p->vm, p->name, LOG_ERROR, "'%s': pci:%02x:%02x.%u %s: %s", p->name,
		PCI_BDF_BUS(p->f.id.bdf), PCI_BDF_DEVICE(p->f.id.bdf),
		PCI_BDF_FUNCTION(p->f.id.bdf), what, why);
}

/* What cannot be attached is blocked, as it was. */
static void reach(struct passed *p)
{
	const char *why = iommu_attach(&p->place, p->f.id.bdf, p->vm);

	if (why != NULL)
		passed_say(p, "reaches no memory", why);
}

/* A reset has turned off what keeps it apart. */
static void attach(struct passed *p)
{
	dev_pass_separate(&p->f);
	reach(p);
}

static void set_sender(struct passed *p, struct passed *sender)
{
	unsigned first = p->f.messages.first - VECTOR_MESSAGES;

	for (unsigned i = 0; i < p->messages; i++)
		__atomic_store_n(&passed_sender[first + i], sender, __ATOMIC_SEQ_CST);
}

/*
 * One that its VM has been given since passed_ready may be in a reset yet: it is away then, as
 * if it had come while the VM runs.
 */
void passed_begin(struct vm *vm)
{
	struct passed_devices *d = &vm->devices->passed;

	for (unsigned i = 0; i < d->count; i++) {
		struct passed *p = passed_of(d->device[i].machine);

		if (d->device[i].f == NULL)
			continue;
		if (!vpass_settle(&p->f)) {
			reach(p);
			vpass_come(&d->device[i]);
			continue;
		}
		attach(p);
		vpass_begin(&p->f);
	}
}

/* Those of IDE channels. */
static uint32_t edge_pins(void)
{
	uint32_t pins = 0;

	for (unsigned i = 0; i < passed_count; i++)
		pins |= passed_edges(&passed[i]);
	return pins;
}

static uint32_t pins_of_vm(unsigned vm)
{
	uint32_t pins = 0;

	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && passed_is_used(&passed[i]))
			pins |= passed_pins(&passed[i]);
	return pins;
}

/* PCI's interrupts are level-triggered, and a low level is active; ISA's are rising edges. */
static uint32_t trigger_of(unsigned pin)
{
	return edge_pins() >> pin & 1 ? 0 : IOAPIC_LEVEL | IOAPIC_ACTIVE_LOW;
}

void passed_open_pins(uint32_t pins, struct sched_node *node)
{
	for (; pins != 0; pins &= pins - 1) {
		unsigned pin = (unsigned)__builtin_ctz(pins);

		__atomic_store_n(&listeners[pin], node, __ATOMIC_SEQ_CST);
		iommu_set_pin(pin, (VECTOR_LINES + pin) | trigger_of(pin), passed_low_target());
	}
}

void passed_close_pins(uint32_t pins)
{
	for (; pins != 0; pins &= pins - 1) {
		unsigned pin = (unsigned)__builtin_ctz(pins);

		ioapic_mask(pin, true);
		__atomic_store_n(&listeners[pin], NULL, __ATOMIC_SEQ_CST);
	}
}

void passed_set_listener(struct passed *p, struct sched_node *node)
{
	set_sender(p, node != NULL ? p : NULL);
	__atomic_store_n(&p->listener, node, __ATOMIC_SEQ_CST);
}

void passed_listen(unsigned vm, struct sched_node *node)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && passed_is_used(&passed[i]))
			passed_set_listener(&passed[i], node);
	passed_open_pins(pins_of_vm(vm), node);
}

/* Its unit knows nothing of it any more: no page of the VM, no message. */
static void detach(struct passed *p)
{
	const char *why;

	iommu_virtual_end(p);
	why = iommu_detach(&p->place, p->f.id.bdf, p->vm);
	passed_clear_messages(p);
	if (why != NULL)
		passed_say(p, PASSED_NOT_FORGOTTEN, why);
}

void passed_leave(unsigned vm)
{
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && passed[i].physical != NULL)
			passed_virtual_leave(passed[i].physical, &passed[i].holds);
}

static void end(struct passed *p)
{
	if (!passed_is_used(p)) {
		iommu_virtual_end(p); /* tables of before, in memory that goes */
		return;
	}
	vpass_end(&p->f);
	detach(p);
}

void passed_end(unsigned vm, bool keeps)
{
	uint32_t pins = pins_of_vm(vm);

	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm && passed_is_used(&passed[i]))
			passed_set_listener(&passed[i], NULL);
	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm)
			end(&passed[i]);
	iommu_forget(vm);
	iommu_poll(true);
	if (!keeps)
		passed_leave(vm);
	passed_close_pins(pins);
	passed_rest(vm, keeps);
}

/* ---- what its unit blocked ---- */

bool passed_blocked(const struct vtd_fault *f)
{
	uint64_t number;
	const char *what = vtd_fault_words(f, &number);

	for (unsigned i = 0; i < passed_count; i++) {
		struct passed *p = &passed[i];

		if (p->f.id.bdf != f->source || !passed_is_held(p))
			continue;
		__atomic_fetch_add(&p->blocked, 1, __ATOMIC_RELAXED);
		if (iommu_virtual_fault(p, f))
			return true;
		vm_log_named(p->vm, p->name, LOG_WARN,
			"'%s': pci:%02x:%02x.%u was kept from a %s 0x%lx: %s%s", p->name,
			PCI_BDF_BUS(f->source), PCI_BDF_DEVICE(f->source),
			PCI_BDF_FUNCTION(f->source), what, number, vtd_reason_words(f->reason),
			f->lost ? "; more was not recorded" : "");
		return true;
	}
	return false;
}

uint64_t passed_blocked_count(unsigned vm)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < passed_count; i++)
		if (passed[i].vm == vm)
			count += __atomic_load_n(&passed[i].blocked, __ATOMIC_RELAXED);
	return count;
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
		nmi_kick(cpu);
}

/*
 * A level waits where it is until the pin is open again. An edge is lost at a masked pin, so it
 * is masked only when one waits for the vCPU already: after that one the pin opens, and then
 * the guest looks at the drive.
 */
void fault_line(unsigned pin)
{
	struct sched_node *n = __atomic_load_n(&listeners[pin], __ATOMIC_SEQ_CST);

	if (n == NULL || !(edge_pins() >> pin & 1) ||
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
	struct passed *p = __atomic_load_n(&passed_sender[k], __ATOMIC_SEQ_CST);
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
	uint32_t open = 0, kept = 0;

	for (unsigned i = 0; i < d->count; i++) {
		struct vpass *v = &d->device[i];

		if (v->f == NULL)
			continue;
		if (d->pin[i] != PASSED_NO_PIN && lines >> d->pin[i] & 1) {
			open |= 1u << d->pin[i];
			kept |= (uint32_t)vpass_interrupt(v) << d->pin[i];
		}
		take_edges(v, lines);
		if (v->machine->messages.on != VPCI_PIN)
			vpass_message(v, messages_of(v, lines), again);
	}
	for (open &= ~kept; open != 0; open &= open - 1)
		ioapic_mask((unsigned)__builtin_ctz(open), false);
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

static bool notices_late(void)
{
	return passed_count != 0 && l0_config()->machine.late_notifications;
}

bool passed_polls(void)
{
	return notices_late() ||
	       (iommu_is_on() && (passed_count != 0 || iommu_waits_for_poll()));
}

/* What a unit has posted wakes the vCPU that is loaded here, too. */
static void take_notification(struct sched_node *n)
{
	if (n == NULL || !this_cpu()->notified)
		return;
	this_cpu()->notified = false;
	if (n->direct)
		sched_arrived(n);
	else
		__atomic_fetch_or(&n->posted, EVENT_IRQ, __ATOMIC_SEQ_CST);
}

/*
 * A notification of the vCPU that is loaded here may be among them: it looks itself then. Only
 * then: one that halts would never sleep.
 */
void passed_poll(void)
{
	struct sched_node *n = sched_this_cpu()->node;

	iommu_poll(false);
	if (n != NULL && n->direct)
		take_notification(n);
	if (!notices_late())
		return;
	this_cpu()->notified = false;
	sti_nop_cli();
	take_notification(n);
}

uint64_t passed_sleep_end(void)
{
	return iommu_is_on() ? rdtsc() + iommu_patience() : DEV_NEVER;
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
