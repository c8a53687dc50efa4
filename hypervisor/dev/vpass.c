/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/vpass.h"

#include "dev/vpass_int.h"
#include "dev/vpass_sriov.h"
#include "dev/vpci_int.h"

/* What the VM sees of the machine's capabilities. What has no row is hidden. */
static const struct {
	uint8_t id;
	bool shown; /* read-only */
} capability_rules[] = {
	{PCI_CAP_VENDOR, true},    /* where a driver finds its device's registers (virtio) */
	{PCI_CAP_MSI, false},      /* the VM has vpci's: vpass_message.c */
	{PCI_CAP_MSIX, false},     /* the same */
	{PCI_CAP_POWER, false},    /* likewise: vpass_power.c */
	{PCI_CAP_EXPRESS, false},  /* likewise; errors and links are the machine's */
	{PCI_CAP_ADVANCED, false}, /* likewise */
};

/*
 * Devices whose functions have no reset: what makes them leave memory alone and be silent, by
 * registers behind the first base address register.
 */
static const struct {
	uint16_t vendor, device;
	struct {
		uint16_t offset;
		uint32_t value;
	} write[4];
} quiet_rules[] = {
	/* 82540EM: interrupts masked, receiver and transmitter off, reset */
	{0x8086, 0x100e, {{0xd8, 0xffffffff}, {0x100, 0}, {0x400, 0}, {0x0, 0x04000000}}},
};

/* Registers of devices that their drivers need: the VM reads and writes the machine's. */
static const struct {
	uint16_t vendor, class;
	uint8_t first, size;
} own_rules[] = {
	/* Intel's, from the PIIX on: channels that are on, their timing and modes of DMA */
	{0x8086, PCI_CLASS_IDE, 0x40, 0x18},
};

static uint32_t get(const struct vpass_function *f, unsigned offset, unsigned size)
{
	return dev_pass_config_read(f->id.bdf, offset, size);
}

static void put(const struct vpass_function *f, unsigned offset, unsigned size, uint32_t value)
{
	dev_pass_config_write(f->id.bdf, offset, size, value);
}

/* ---- what the machine has ---- */

static bool is_shown(uint8_t id)
{
	for (unsigned i = 0; i < sizeof(capability_rules) / sizeof(capability_rules[0]); i++)
		if (capability_rules[i].id == id)
			return capability_rules[i].shown;
	return false;
}

static void note_capability(struct vpass_function *f, uint8_t id, uint8_t at)
{
	uint8_t size = (uint8_t)get(f, at + 2u, 1);

	vpass_power_find(f, id, at);
	vpass_message_find(f, id, at);
	/* of those that are shown the third byte is the length */
	if (!is_shown(id) || f->shown_count == VPASS_SHOWN || size < 4 ||
		at + size > PCI_CONFIG_SIZE)
		return;
	f->shown[f->shown_count].id = id;
	f->shown[f->shown_count].at = at;
	f->shown[f->shown_count++].size = size;
}

/* A list that has no end has been walked often enough. */
static void find_capabilities(struct vpass_function *f)
{
	uint8_t at;

	if (!(get(f, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES))
		return;
	at = get(f, PCI_CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= PCI_HEADER_END; i++) {
		note_capability(f, (uint8_t)get(f, at, 1), at);
		at = get(f, at + 1u, 1) & 0xfc;
	}
}

static void find_own(struct vpass_function *f)
{
	for (unsigned i = 0; i < sizeof(own_rules) / sizeof(own_rules[0]); i++)
		if (own_rules[i].vendor == f->id.vendor &&
			own_rules[i].class == f->id.class >> 8) {
			f->own = own_rules[i].first;
			f->own_size = own_rules[i].size;
		}
}

static void identify(struct vpass_function *f)
{
	f->id.vendor = (uint16_t)get(f, PCI_VENDOR, 2);
	f->id.device = (uint16_t)get(f, PCI_DEVICE, 2);
	f->id.class = get(f, PCI_CLASS_CODE, 2) << 8 | get(f, PCI_INTERFACE, 1);
	f->id.revision = (uint8_t)get(f, PCI_REVISION, 1);
	f->id.subvendor = (uint16_t)get(f, PCI_SUBVENDOR, 2);
	f->id.subsystem = (uint16_t)get(f, PCI_SUBSYSTEM, 2);
	f->id.pin = (uint8_t)get(f, PCI_INTERRUPT_PIN, 1);
	f->line = (uint8_t)get(f, PCI_INTERRUPT_LINE, 1);
}

const char *vpass_probe(uint16_t bdf, struct vpass_function *f)
{
	const char *why;

	*f = (struct vpass_function){.id = {.bdf = bdf}, .now = &f->first};
	if (get(f, PCI_VENDOR, 2) == PCI_NO_VENDOR)
		return "this machine has no such function";
	identify(f);
	if (get(f, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT ||
		f->id.class >> 16 == PCI_CLASS_BRIDGE)
		return "it is a bridge";
	if (f->id.pin > 4)
		return "it has an interrupt pin that PCI does not have";
	put(f, PCI_COMMAND, 2, PCI_COMMAND_NOINTX);
	f->disables = get(f, PCI_COMMAND, 2) & PCI_COMMAND_NOINTX;
	find_capabilities(f);
	vpass_power_found(f);
	find_own(f);
	vpass_ide_find(f);
	why = vpass_size_bars(bdf, PCI_BAR, f->bar);
	vpass_message_check(f);
	return why;
}

/* Where it is in its device is the capability's to say, and who it is (9.3.4.1). */
const char *vpass_probe_virtual(
	const struct vpass_physical *p, unsigned number, struct vpass_function *f)
{
	*f = (struct vpass_function){.id = {.bdf = vpass_virtual_place(p, number)},
		.now = &f->first,
		.is_virtual = true};
	if (get(f, PCI_STATUS, 2) == 0xffff)
		return "it does not answer after it was enabled";
	identify(f);
	f->id.vendor = p->vendor;
	f->id.device = p->device;
	f->id.pin = 0;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		f->bar[i] = p->bar[i];
		f->bar[i].address += p->bar[i].size * number;
	}
	put(f, PCI_COMMAND, 2, PCI_COMMAND_NOINTX);
	find_capabilities(f);
	vpass_message_check(f);
	return vpass_has_flr(f) ? NULL : "it has no function-level reset, as each must";
}

bool vpass_has_pin(const struct vpass_function *f)
{
	return f->id.pin != 0 && f->fixed != VPASS_ALL_FIXED;
}

void vpass_place(struct vpass_function *f, unsigned bar, uint64_t address)
{
	f->bar[bar].address = address;
	vpass_write_bar(f->id.bdf, PCI_BAR, f->bar, bar);
}

/* IO and memory decoding, as far as there are registers for it. */
static uint32_t decoding(const struct vpass_function *f)
{
	uint32_t command = 0;

	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (vpci_bar_is_io(f->bar[i].kind))
			command |= PCI_COMMAND_IO;
		else if (f->bar[i].kind != VPCI_BAR_NONE)
			command |= PCI_COMMAND_MEMORY;
	}
	return command;
}

/* After a reset of the function its registers are empty. A virtual one has none. */
void vpass_begin(const struct vpass_function *f)
{
	if (f->now->phase == VPASS_GONE)
		return;
	for (unsigned i = 0; i < PCI_BARS && !f->is_virtual; i++)
		if (f->bar[i].kind != VPCI_BAR_NONE && f->bar[i].kind != VPCI_BAR_FIXED)
			vpass_write_bar(f->id.bdf, PCI_BAR, f->bar, i);
	put(f, PCI_INTERRUPT_LINE, 1, f->line);
	put(f, PCI_COMMAND, 2, decoding(f));
	vpass_ide_begin(f);
}

static bool is_quieted(const struct vpass_function *f, unsigned rule)
{
	return quiet_rules[rule].vendor == f->id.vendor &&
	       quiet_rules[rule].device == f->id.device;
}

bool vpass_has_quiet_rule(const struct vpass_function *f)
{
	for (unsigned i = 0; i < sizeof(quiet_rules) / sizeof(quiet_rules[0]); i++)
		if (is_quieted(f, i))
			return true;
	return false;
}

static void quiet(const struct vpass_function *f)
{
	const struct vpass_bar *bar = &f->bar[0];

	for (unsigned i = 0; i < sizeof(quiet_rules) / sizeof(quiet_rules[0]); i++) {
		if (!is_quieted(f, i))
			continue;
		for (unsigned k = 0; k < 4; k++)
			if (quiet_rules[i].write[k].offset + 4u <= bar->size)
				dev_pass_write(bar->kind == VPCI_BAR_IO,
					bar->address + quiet_rules[i].write[k].offset, 4,
					quiet_rules[i].write[k].value);
	}
}

/* In any other phase than D0 it is silent. */
void vpass_end(struct vpass_function *f)
{
	bool held;

	vpass_vfs_forget(f);
	if (f->now->phase == VPASS_GONE)
		return;
	if (f->now->phase != VPASS_AWAKE) {
		f->now->ends = f->now->phase != VPASS_RESETS;
		(void)vpass_settle(f);
		return;
	}
	held = vpass_ide_end(f);
	vpass_message_end(f);
	quiet(f);
	put(f, PCI_COMMAND, 2, PCI_COMMAND_NOINTX);
	vpass_reset(f, held);
}

/* ---- what the VM has ---- */

static uint64_t read(void *device, unsigned bar, uint64_t offset, unsigned size)
{
	struct vpass *v = device;
	const struct vpass_bar *b = &v->machine->bar[bar];
	uint64_t value;

	if (!vpass_is_back(v))
		return UINT64_MAX;
	if (vpass_message_meets(v->machine, bar, offset, size))
		return 0;
	value = dev_pass_read(vpci_bar_is_io(b->kind), b->address + offset, size);
	if (b->kind == VPCI_BAR_FIXED)
		vpass_ide_was_read(v, bar, (unsigned)offset, size);
	return value;
}

static void write(void *device, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpass *v = device;
	const struct vpass_bar *b = &v->machine->bar[bar];

	if (!vpass_is_back(v) || vpass_message_meets(v->machine, bar, offset, size))
		return;
	/* Before: what the write leads to may raise the line at once. */
	if (b->kind == VPCI_BAR_FIXED)
		vpass_ide_writing(v, bar, (unsigned)offset, size, value);
	dev_pass_write(vpci_bar_is_io(b->kind), b->address + offset, size, value);
}

static bool direct(void *device, unsigned bar, uint64_t offset, uint64_t size, uint64_t *host)
{
	const struct vpass *v = device;

	if (!vpass_is_back(v) || vpass_message_meets(v->machine, bar, offset, size))
		return false;
	*host = v->machine->bar[bar].address + offset;
	return true;
}

static bool is_own(const struct vpass *v, unsigned at)
{
	return at - v->machine->own < v->machine->own_size;
}

/*
 * The device's own registers, and what is shown of the machine's capabilities but for
 * identifier and link, are read anew.
 */
static void config_reading(void *device, unsigned offset, unsigned size)
{
	struct vpass *v = device;

	if (v->away)
		return;
	vpass_power_reading(v, offset, size);
	for (unsigned at = offset; at < offset + size; at++)
		if (is_own(v, at))
			vpci_config_set(v->f, at, 1, get(v->machine, at, 1));
	for (unsigned i = 0; i < v->machine->shown_count; i++)
		for (unsigned at = offset; at < offset + size; at++) {
			unsigned k = at - v->at[i]; /* huge when below it */

			if (k >= 2 && k < v->machine->shown[i].size)
				vpci_config_set(v->f, at, 1,
					get(v->machine, v->machine->shown[i].at + k, 1));
		}
}

/*
 * Decoding stays on in the machine, where nobody else hears of it; the pin is off while
 * messages are on. It is bus master where what is in front of it in the VM passes that on.
 */
static void write_command(const struct vpass *v)
{
	uint32_t wanted = (vpci_command(v->f) & PCI_COMMAND_NOINTX) |
			  (vpci_master(v->f) ? PCI_COMMAND_MASTER : 0);

	if (vpci_messages(v->f) != VPCI_PIN)
		wanted |= PCI_COMMAND_NOINTX;
	put(v->machine, PCI_COMMAND, 2, decoding(v->machine) | wanted);
}

static bool is_disabled(const struct vpass *v)
{
	return vpci_command(v->f) & PCI_COMMAND_NOINTX;
}

/*
 * Interrupt Disable ends what the line says; what is still to be said raises it again when the
 * line may be. Until then a function that does not disable it in the machine is not listened
 * to.
 */
static void line_switched(struct vpass *v)
{
	if (is_disabled(v) && v->raised) {
		v->raised = false;
		v->waits = true;
		vpci_set_intx(v->f, false);
	}
	if (v->waits && (!is_disabled(v) || v->machine->disables)) {
		v->waits = false;
		dev_pass_listen(v->machine->id.bdf);
	}
}

static void config_written(void *device, unsigned offset, unsigned size)
{
	struct vpass *v = device;

	if (!vpass_is_back(v)) /* it hears of it when it is: vpass_came_back */
		return;
	for (unsigned at = offset; at < offset + size; at++)
		if (is_own(v, at))
			put(v->machine, at, 1, vpci_config_get(v->f, at, 1));
	if (size == 0 || (offset < PCI_COMMAND + 2 && offset + size > PCI_COMMAND)) {
		write_command(v);
		line_switched(v);
	}
	vpass_vfs_follow(v);
}

/* Lowered first: what the device still has to say raises it again. */
static void line_ended(void *device)
{
	struct vpass *v = device;

	if (!v->raised || v->away)
		return;
	v->raised = false;
	vpci_set_intx(v->f, false);
	dev_pass_listen(v->machine->id.bdf);
}

void vpass_came_back(struct vpass *v)
{
	dev_pass_separate(v->machine);
	vpass_begin(v->machine);
	write_command(v);
	vpass_messages_changed(v);
	vpass_vfs_wake(v);
	vpass_vfs_follow(v);
	if (vpci_sleeps(v->f)) /* since then */
		vpass_power_changed(v, true);
}

/* With messages the line has no EOI any more. */
static void messages_changed(void *device)
{
	struct vpass *v = device;
	enum vpci_messages was = v->machine->messages.on, now = vpci_messages(v->f);

	if (!vpass_is_back(v))
		return;
	if ((was == VPCI_PIN) != (now == VPCI_PIN))
		write_command(v);
	if (now != VPCI_PIN) {
		v->raised = v->raised || v->waits;
		v->waits = false;
		line_ended(v);
	}
	vpass_messages_changed(v);
}

static void routes_changed(void *device)
{
	vpass_routes_changed(device);
}

/* ---- power states ---- */

/* Silent, it raises no line, and nobody waits for its EOI. */
static void lower_line(struct vpass *v)
{
	v->raised = v->raised || v->waits;
	v->waits = false;
	line_ended(v);
}

void vpass_power_changed(void *device, bool sleeps)
{
	struct vpass *v = device;

	if (v->away) /* vpass_came_back */
		return;
	if (sleeps) {
		vpass_vfs_sleep(v);
		vpass_message_end(v->machine);
		put(v->machine, PCI_COMMAND, 2, decoding(v->machine) | PCI_COMMAND_NOINTX);
		vpass_fall(v->machine);
		lower_line(v);
	} else {
		if (!v->machine->keeps)
			vpass_vfs_forget(v->machine);
		vpass_wake(v->machine);
	}
	vpass_look_later(v);
}

static const struct vpci_ops ops = {
	.read = read,
	.write = write,
	.direct = direct,
	.config_reading = config_reading,
	.config_written = config_written,
	.line_ended = line_ended,
	.messages_changed = messages_changed,
	.routes_changed = routes_changed,
	.reset = vpass_reset_asked,
	.power_changed = vpass_power_changed,
	.answers = vpass_answers,
	.work = vpass_work,
};

/* What is in them is read when the VM reads it: the machine's function may not answer now. */
static bool show_capabilities(struct vpass *v)
{
	for (unsigned i = 0; i < v->machine->shown_count; i++) {
		uint8_t size = v->machine->shown[i].size, body[PCI_CONFIG_SIZE] = {size};

		v->at[i] = vpci_add_capability(
			v->f, (enum pci_capability)v->machine->shown[i].id, body, size);
		if (v->at[i] == 0)
			return false;
	}
	return true;
}

static bool add(struct vpass *v, struct platform *p, const struct vpci_id *id)
{
	const struct vpass_function *machine = v->machine;

	v->f = vpci_add(p, id, &ops, v);
	if (v->f == NULL)
		return false;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct vpass_bar *b = &machine->bar[i];

		if (b->kind == VPCI_BAR_FIXED)
			vpci_add_fixed(v->f, i, (uint16_t)b->address, b->size);
		else if (b->kind != VPCI_BAR_NONE)
			vpci_add_bar(v->f, i, b->kind, b->size);
	}
	if (machine->own_size != 0)
		vpci_add_own(v->f, machine->own, machine->own_size);
	if (!show_capabilities(v) || !vpass_message_add(v))
		return false;
	vpass_power_add(v);
	return true;
}

bool vpass_add(
	struct vpass *v, struct vpass_function *machine, struct platform *p, uint16_t bdf)
{
	struct vpci_id id = machine->id;

	id.bdf = bdf;
	*v = (struct vpass){.machine = machine};
	return add(v, p, &id);
}

/* Who it is its physical function says (9.3.4.1). */
bool vpass_add_vf(struct vpass *v, struct vpass *physical, unsigned number)
{
	struct vpass_function *machine = physical->machine->vfs->vf[number];
	struct vpci_id id = machine->id;

	id.vendor = id.device = PCI_NO_VENDOR;
	id.bdf = vpci_vf_place(physical->f, number);
	id.physical = physical->f;
	*v = (struct vpass){.machine = machine, .physical = physical};
	return add(v, physical->f->platform, &id);
}

/* Of a line that is disabled, or not used any more, there would be no EOI. */
bool vpass_interrupt(struct vpass *v)
{
	if (v->away) {
		v->waits = true;
		return true;
	}
	if (vpci_messages(v->f) != VPCI_PIN || !vpass_is_awake(v))
		return false;
	if (is_disabled(v)) {
		v->waits = !v->machine->disables;
		return v->waits;
	}
	v->raised = true;
	vpci_set_intx(v->f, true);
	return true;
}
