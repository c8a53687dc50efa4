/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine behind root ports: they come into a VM that runs, go out of it, and
 * on to another one; and their guest may reset them.
 *
 * A word of each function says who has it, whether that VM runs or not, and whether it runs
 * with it. What changes the machine's function waits until no vCPU reaches its registers.
 */
#include "vm/passed_int.h"

#include "cpu/asm.h"
#include "cpu/ioapic.h"
#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "lib/fmt.h"
#include "policy/changes.h"
#include "vm/create.h"
#include "vm/life.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vtd/topology.h"

/* ---- who has it ---- */

/* NULL: the VM has none there. */
static struct passed *find(unsigned vm, unsigned port)
{
	for (unsigned i = 0; i < passed_count && port != 0; i++)
		if (passed[i].vm == vm && passed[i].root_port == port)
			return &passed[i];
	return NULL;
}

static const char *name_of_holder(const struct passed *p)
{
	uint32_t mark = passed_holder_of(p) & ~PASSED_USED;

	return mark != PASSED_NOBODY ? passed[mark - 1].name : NULL;
}

const char *passed_holder(unsigned vm, unsigned port)
{
	const struct passed *p = find(vm, port);

	return p != NULL ? name_of_holder(p) : NULL;
}

/* Nobody else has it, and its VM has it as `wanted` says. NULL, or why not. */
static const char *take(struct passed *p, uint32_t wanted)
{
	const char *name;

	if (passed_change(p, PASSED_NOBODY, wanted) || passed_change(p, passed_mark(p), wanted))
		return NULL;
	if (passed_is_used(p))
		return "it is on its way out of the VM";
	name = name_of_holder(p);
	if (name == NULL)
		return "another VM has given it up just now";
	fmt(p->refusal, sizeof(p->refusal), "'%s' has it (detach it there first)", name);
	return p->refusal;
}

const char *passed_hold(unsigned vm, unsigned port)
{
	struct passed *p = find(vm, port);

	if (p == NULL || passed_is_held(p))
		return NULL;
	return take(p, passed_mark(p));
}

/* In a VM that begins just now it stays in use until that has taken it out. */
void passed_drop(unsigned vm, unsigned port)
{
	struct passed *p = find(vm, port);

	if (p != NULL)
		(void)passed_change(p, passed_mark(p), PASSED_NOBODY);
}

/* What the guest was asked for, and has not given, goes with the VM's end. */
static uint32_t left_with(const struct passed *p, bool keeps)
{
	if (p->root_port == 0)
		return passed_mark(p);
	return keeps && changes_attached(life_images(p->vm), p->root_port) ? passed_mark(p)
									   : PASSED_NOBODY;
}

void passed_rest(unsigned vm, bool keeps)
{
	for (unsigned i = 0; i < passed_count; i++) {
		struct passed *p = &passed[i];

		if (p->vm != vm)
			continue;
		if (p->root_port != 0)
			changes_set_asked(life_images(vm), p->root_port, false);
		(void)passed_change(p, passed_mark(p) | PASSED_USED, left_with(p, keeps));
	}
}

void passed_wait(unsigned vm)
{
	passed_rest(vm, true);
	passed_leave(vm);
}

/* ---- a VM that is made ---- */

/* In its slot, if the VM has it now. */
bool passed_add_in_slot(struct vm *vm, struct vpass *v, struct passed *p)
{
	struct vport_room room = vpass_room(&p->f);
	unsigned port = p->root_port;
	bool is_there = passed_change(p, passed_mark(p), passed_mark(p) | PASSED_USED);

	vport_reserve(vm->platform, port, &room);
	vm->devices->out &= ~(1u << port);
	vm->devices->out |= (uint32_t)!is_there << port;
	if (!is_there)
		return true;
	if (!vpass_add(v, &p->f, vm->platform, PCI_BDF(port, 0, 0)))
		return false;
	vport_fill(vm->platform, port);
	return true;
}

/* ---- interrupts ---- */

/* Bits of struct sched_node: its messages, and these pins. */
static uint64_t lines_of(const struct passed *p, uint32_t pins)
{
	unsigned shift = IOAPIC_PINS + p->f.messages.first - VECTOR_MESSAGES;
	uint64_t messages = p->messages != 0 ? (BIT64(p->messages) - 1) << shift : 0;

	return messages | pins;
}

/* Pins that others of its VM are at stay as they are, but for one that waits for its EOI. */
static void hear(struct passed *p, struct sched_node *node)
{
	uint32_t pins = passed_pins(p), others = 0;

	for (unsigned i = 0; i < passed_count; i++)
		if (&passed[i] != p && passed[i].vm == p->vm && passed_is_used(&passed[i]))
			others |= passed_pins(&passed[i]);
	if (node != NULL) /* of before: nobody waits for these */
		__atomic_fetch_and(
			&node->lines, ~lines_of(p, pins & ~others), __ATOMIC_SEQ_CST);
	passed_set_listener(p, node);
	if (node != NULL)
		passed_open_pins(pins & ~others, node);
	else
		passed_close_pins(pins & ~others);
	for (pins &= others; node == NULL && pins != 0; pins &= pins - 1)
		ioapic_mask((unsigned)__builtin_ctz(pins), false);
}

/* ---- in and out ---- */

/* Its unit has no message of it any more. */
void passed_clear_messages(const struct passed *p)
{
	if (p->messages != 0)
		iommu_clear_messages(&p->place,
			&(struct iommu_messages){.first = p->f.messages.first - VECTOR_MESSAGES,
				.count = p->messages});
}

unsigned passed_at_port(const struct vm *vm, unsigned port)
{
	const struct passed_devices *d = &vm->devices->passed;
	unsigned i = 0;

	while (i < d->count &&
		(port == 0 || passed_of(d->device[i].machine)->root_port != port))
		i++;
	return i;
}

const char *passed_attach(struct vm *vm, unsigned port)
{
	struct vpass *v = &vm->devices->passed.device[passed_at_port(vm, port)];
	struct passed *p = passed_of(v->machine);
	const char *why = take(p, passed_mark(p) | PASSED_USED);

	if (why != NULL)
		return why;
	if (!vpass_add(v, &p->f, vm->platform, PCI_BDF(port, 0, 0))) {
		if (v->f != NULL)
			vpci_remove(v->f);
		v->f = NULL;
		(void)passed_change(p, passed_mark(p) | PASSED_USED, PASSED_NOBODY);
		return "there is no room in its configuration space";
	}
	iommu_virtual_begin(p, vm, vpci_requester(&vm->platform->pci, v->f->bdf));
	hear(p, vm->vcpus[0]->node);
	vpass_come(v);
	return NULL;
}

/* Until it is released its unit lets it reach the VM's memory, as before. */
void passed_take_out(struct vm *vm, unsigned port)
{
	struct passed_devices *d = &vm->devices->passed;
	unsigned n = passed_at_port(vm, port);
	struct vpass *v = &d->device[n];

	vpass_leave(v);
	vport_pull(vm->platform, port);
	vpci_remove(v->f);
	v->f = NULL;
	__atomic_fetch_or(&d->pending, BIT(n), __ATOMIC_SEQ_CST);
	dev_windows_changed(vm->platform); /* who looks because of it finds the bit */
}

void dev_pass_ask_reset(struct platform *p, const struct vpass_function *f)
{
	struct passed_devices *d = &vm_of_platform(p)->devices->passed;

	for (unsigned n = 0; n < d->count; n++)
		if (d->device[n].machine == f)
			__atomic_fetch_or(&d->pending, BIT(n), __ATOMIC_SEQ_CST);
	dev_windows_changed(p); /* after the bits */
}

uint32_t passed_take_pending(struct vm *vm)
{
	uint32_t *pending = &vm->devices->passed.pending;

	if (__atomic_load_n(pending, __ATOMIC_SEQ_CST) == 0)
		return 0;
	return __atomic_exchange_n(pending, 0, __ATOMIC_SEQ_CST);
}

/* Nobody has it then, and what it still sends is blocked. */
static void release(struct passed *p)
{
	const char *why;

	vpass_end(&p->f);
	hear(p, NULL);
	why = iommu_virtual_leave(p);
	passed_clear_messages(p);
	if (why == NULL)
		(void)passed_change(p, passed_mark(p) | PASSED_USED, PASSED_NOBODY);
	else /* nobody else shall have it: it may reach what its unit has not forgotten */
		passed_say(p, PASSED_NOT_FORGOTTEN, why);
}

/* True: it has gone. It may have come again since, or somebody else has seen to it. */
static bool do_one(struct vpass *v)
{
	struct passed *p = passed_of(v->machine);
	bool gone = v->f == NULL && passed_is_used(p);

	if (gone)
		release(p);
	if (v->f == NULL || !v->away || v->comes)
		return gone;
	vpass_end(&p->f);
	vpass_come(v);
	return gone;
}

void passed_do_pending(struct vm *vm, uint32_t pending)
{
	for (uint32_t left = pending; left != 0; left &= left - 1) {
		struct vpass *v = &vm->devices->passed.device[__builtin_ctz(left)];
		bool gone;

		dev_lock(vm->platform);
		gone = do_one(v);
		if (dev_remap_waits(vm->platform)) /* tables of before */
			dev_work(vm->platform);
		dev_unlock(vm->platform);
		/* Once for each request: no budget, since somebody waits for it. */
		if (gone)
			mux_record("device-gone vm=%s slot=%u tsc=%lu", vm->config.name,
				passed_of(v->machine)->root_port, rdtsc());
	}
	if (pending != 0) /* its deadline may be another one */
		vcpu_post(vm->vcpus[0], EVENT_TIMER);
}
