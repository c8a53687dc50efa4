/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which function of the machine: found, judged and made quiet before any VM is made.
 */
#include "vm/life.h"
#include "vm/passed_int.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/pci.h"
#include "cpu/text_screen.h"
#include "lib/fmt.h"
#include "mm/paging.h"
#include "spec/apic.h"
#include "vm/ecam.h"
#include "vtd/topology.h"

/* For devices that nobody gave addresses: those machines have no RAM and no screen there. */
#define FREE_MEMORY UINT64_C(0xf0000000)
#define FREE_PORTS  0xc000u

struct passed passed[PASSED_MAX];
unsigned passed_count;
struct passed *passed_sender[MESSAGE_VECTORS];

static uint64_t next_memory = FREE_MEMORY, next_port = FREE_PORTS;
static uint64_t vectors_taken; /* of MESSAGE_VECTORS; by functions, for the whole run */

/* PASSED_NO_PIN: it has none, or (with a pin) nobody knows. */
static uint8_t pin_of(const struct vpass_function *f)
{
	if (!vpass_has_pin(f))
		return PASSED_NO_PIN;
	if (l0_config()->machine.piix_pins && PCI_BDF_BUS(f->id.bdf) == 0)
		return (uint8_t)(16 + ((PCI_BDF_DEVICE(f->id.bdf) + f->id.pin - 2u) & 3));
	return f->line != 0 && f->line < PCI_LINES ? f->line : PASSED_NO_PIN;
}

static const char *collision(const struct passed *a, const struct passed *b)
{
	uint32_t both = passed_pins(a) & passed_pins(b);

	if (a->first == b->first)
		return NULL;
	if (a->f.fixed & b->f.fixed)
		return "its fixed ports are those of another function, too";
	if (both != 0 && a->vm != b->vm)
		return "it shares its interrupt with a device of another VM";
	if (both & (passed_edges(a) | passed_edges(b)))
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

/* 0: none are left below the end. */
static uint64_t take(uint64_t *next, uint64_t size, uint64_t alignment, uint64_t end)
{
	uint64_t at = (*next + alignment - 1) & ~(alignment - 1);

	if (at + size > end)
		return 0;
	*next = at + size;
	return at;
}

uint64_t passed_free_memory(uint64_t size, uint64_t alignment)
{
	return take(&next_memory, size, alignment, IOAPIC_DEFAULT_BASE);
}

static const char *place_bars(struct vpass_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct vpass_bar *bar = &f->bar[i];
		uint64_t at;

		if (bar->kind == VPCI_BAR_NONE || bar->address != 0)
			continue;
		if (!l0_config()->machine.no_firmware)
			return "firmware has given it no addresses";
		at = bar->kind == VPCI_BAR_IO
			     ? take(&next_port, bar->size, bar->size, BIT64(16))
			     : passed_free_memory(bar->size, bar->size);
		if (at == 0)
			return "there are no addresses left for it";
		vpass_place(f, i, at);
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

/* What each of so many functions gets that share what is left alike. */
static unsigned share_of(unsigned functions)
{
	unsigned left = 0, share = 1;

	for (unsigned i = 0; i < MESSAGE_VECTORS; i++)
		left += !(vectors_taken >> i & 1);
	while (2 * share * functions <= left)
		share *= 2;
	return share * functions <= left ? share : 0;
}

/*
 * As many as it wants, or half as many, and so on, `most` at most. Without any it uses its pin.
 */
static const char *give_vectors(struct passed *p, unsigned most)
{
	unsigned count = vpass_vectors_wanted(&p->f), at = 0;

	p->wanted = (uint8_t)count;
	if (count == 0)
		return NULL;
	while (count > most)
		count /= 2;
	while (count != 0 && (at = find_vectors(count)) == MESSAGE_VECTORS)
		count /= 2;
	if (count == 0 && p->pin == PASSED_NO_PIN)
		return "no interrupt vectors are left for it, and it has no pin";
	vpass_give_vectors(&p->f, (uint8_t)(VECTOR_MESSAGES + at), count);
	p->messages = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		passed_sender[at + i] = p;
	vectors_taken |= (BIT64(count) - 1) << at;
	return NULL;
}

/* Functions that the machine may not keep apart are one VM's, or nobody's. */
static const char *find_group(struct passed *p)
{
	uint16_t bdf = p->f.id.bdf;
	uint16_t of = p->physical != NULL ? passed_physical_bdf(p->physical)
		      : p->owner != NULL  ? p->owner->f.id.bdf
					  : bdf;
	const char *why = of != bdf ? topology_group_of_virtual(of, bdf, &p->group)
				    : topology_group(bdf, &p->group);

	for (unsigned i = 0; i < passed_count && why == NULL; i++)
		if (passed[i].group == p->group && passed[i].vm != p->vm &&
			passed[i].first != p->first)
			why = "the machine does not keep it apart from a device of another VM";
	return why;
}

/* Of a virtual function, its device's (VT-d 8.3.3 "Implications for SR-IOV"). */
static const char *find_unit(struct passed *p, const struct vm_config *c, uint16_t bdf)
{
	const struct vtd_wish wish = {
		.through = c->iommu == IOMMU_NONE, .given_up = passed_handed_over(bdf)};
	const char *why = iommu_find(bdf, &wish, &p->place);

	if (why == NULL && c->iommu == IOMMU_VTD &&
		iommu_caps(&p->place)->domains < IOMMU_DOMAIN_VMS + life_places() + PASSED_MAX)
		return "its IOMMU has too few domains for functions that follow a virtual VT-d";
	return why;
}

/* Nothing of the device is touched before it is known to be behind a unit. */
static const char *find_virtual(struct passed *p, const struct vm_config *c,
	const struct scenario *s, struct machine_device d)
{
	const char *why = find_unit(p, c, d.bdf);

	if (why != NULL)
		return why;
	p->physical = passed_physical_claim(s, d.bdf, false, &why);
	if (p->physical == NULL)
		return why;
	p->number = (uint16_t)(d.vf - 1);
	p->holds = true;
	return passed_virtual_claim(p->physical, p->number, &p->f);
}

static bool has_uart(const struct vpass_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (f->bar[i].kind != VPCI_BAR_NONE &&
			mux_uart_meets(!vpci_bar_is_io(f->bar[i].kind), f->bar[i].address,
				f->bar[i].size))
			return true;
	return false;
}

/* Its driver makes of it what it likes, and of a VGA's text, too. */
static bool has_screen(const struct vpass_function *f)
{
	if (text_screen_is_vga() && pci_read(f->id.bdf, PCI_CLASS_CODE, 2) == PCI_CLASS_VGA)
		return true;
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (f->bar[i].kind != VPCI_BAR_NONE && !vpci_bar_is_io(f->bar[i].kind) &&
			text_screen_meets(f->bar[i].address, f->bar[i].size))
			return true;
	return false;
}

/*
 * What L0's log is on decodes as before, for that log: the UART is no VM's, the screen is until
 * its VM begins.
 */
static const char *keep_log(const struct vpass_function *f, uint32_t command)
{
	uint32_t decode = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);

	if (has_uart(f)) {
		pci_write(f->id.bdf, PCI_COMMAND, 2, command);
		return "L0's log goes by it";
	}
	if (has_screen(f))
		pci_write(f->id.bdf, PCI_COMMAND, 2, decode | PCI_COMMAND_NOINTX);
	return NULL;
}

static const char *find_function(
	struct passed *p, const struct vm_config *c, struct machine_device d)
{
	uint32_t command = pci_read(d.bdf, PCI_COMMAND, 2);
	const char *why = vpass_probe(d.bdf, &p->f);

	if (why == NULL)
		why = keep_log(&p->f, command);
	else if (command != 0xffff) /* that is told by it, perhaps */
		pci_write(d.bdf, PCI_COMMAND, 2, command);
	while (why == NULL && !vpass_settle(&p->f)) /* it was asleep */
		cpu_pause();
	return why != NULL ? why : find_unit(p, c, d.bdf);
}

/* What it has fits with what others have, and L0 has for it what it needs. */
static const char *judge(struct passed *p, const struct vm_config *c, unsigned messages)
{
	const char *why = NULL;

	if (c->iommu != IOMMU_NONE || iommu_is_on())
		why = find_group(p);
	if (why == NULL)
		why = find_pins(p);
	if (why == NULL)
		why = place_bars(&p->f);
	if (why == NULL)
		why = passed_memory_why_not(p->f.bar, 1);
	if (why == NULL && !p->f.is_virtual && passed_virtual_meets(&p->f))
		why = "its memory is that of virtual functions of another device, too";
	if (why == NULL)
		why = give_vectors(p, messages);
	if (why == NULL && !ecam_keep(p->f.id.bdf))
		why = "all VMs together have too many";
	return why;
}

/* NULL: all VMs together have too many. */
static struct passed *next(unsigned vm, const struct vm_config *c, struct machine_device d)
{
	struct passed *p = &passed[passed_count];

	if (passed_count == PASSED_MAX)
		return NULL;
	*p = (struct passed){
		.first = p, .vm = vm, .name = c->name, .device = d, .root_port = d.root_port};
	return p;
}

static void keep(struct passed *p, bool is_there)
{
	if (is_there)
		p->first->holder = passed_mark(p);
	passed_count++;
}

/* One that its VM makes of @owner, when it likes. */
static const char *claim_made(
	struct passed *owner, const struct vm_config *c, unsigned number, unsigned messages)
{
	struct passed *p = next(owner->vm, c, owner->device);
	const char *why;

	if (p == NULL)
		return "all VMs together have too many";
	p->owner = owner;
	p->place = owner->place;
	why = passed_vfs_probe(owner->f.vfs, number, &p->f);
	if (why == NULL)
		why = judge(p, c, messages);
	if (why == NULL)
		keep(p, true);
	return why;
}

/* After the function itself. Those that were claimed when one cannot be go with the run. */
static const char *claim_vfs(const struct scenario *s, struct passed *owner)
{
	const struct vm_config *c = &s->vms[owner->vm].config;
	unsigned messages;
	const char *why;
	struct vpass_vfs *vfs = passed_vfs_claim(s, &owner->f, &why);

	if (vfs == NULL)
		return why;
	owner->f.vfs = vfs;
	messages = share_of(vfs->most);
	for (unsigned i = 0; i < vfs->most && why == NULL; i++)
		why = claim_made(owner, c, i, messages);
	if (why == NULL)
		passed_vfs_claimed(vfs);
	return why;
}

/* Of one that another VM may have, too: the unit has to do for this one. */
static const char *claim_again(struct passed *p, const struct scenario *s, struct passed *first)
{
	const struct vm_config *c = &s->vms[p->vm].config;
	const char *name = p->name, *why;
	unsigned vm = p->vm;
	uint8_t root_port = p->root_port;

	*p = *first;
	p->name = name;
	p->vm = vm;
	p->root_port = root_port;
	if (!vpass_has_reset(&p->f))
		return "it has no reset, so that it cannot move between VMs";
	why = find_unit(
		p, c, p->physical != NULL ? passed_physical_bdf(p->physical) : p->f.id.bdf);
	if (why == NULL)
		why = find_group(p);
	if (why == NULL)
		why = find_pins(p);
	if (why == NULL && p->physical != NULL)
		passed_virtual_share(p->physical);
	return why;
}

/* The claim of a VM before. NULL: it is the first one. */
static struct passed *find_first(struct machine_device d)
{
	struct device_list one = {.count = 1, .at = {d}};

	for (unsigned i = 0; i < passed_count; i++) {
		struct device_list other = {.count = 1, .at = {passed[i].device}};

		if (passed[i].owner == NULL && device_list_shares(&one, &other))
			return passed[i].first;
	}
	return NULL;
}

static const char *claim_new(
	struct passed *p, const struct scenario *s, struct machine_device d)
{
	const struct vm_config *c = &s->vms[p->vm].config;
	const char *why = d.vf != 0 ? find_virtual(p, c, s, d) : find_function(p, c, d);

	return why == NULL ? judge(p, c, MESSAGE_VECTORS) : why;
}

static const char *claim(const struct scenario *s, unsigned vm, struct machine_device d)
{
	struct passed *first = find_first(d), *p = next(vm, &s->vms[vm].config, d);
	const char *why;

	if (p == NULL)
		return "all VMs together have too many";
	why = first == NULL ? claim_new(p, s, d) : claim_again(p, s, first);
	if (why == NULL && d.root_port != 0)
		why = vpass_slot_error(&p->f);
	if (why != NULL)
		return why;
	keep(p, !d.absent);
	return d.vfs != 0 ? claim_vfs(s, p) : NULL;
}

static const char *pin_names(const struct passed *p, char *out, size_t size)
{
	size_t n = 0;

	for (uint32_t pins = passed_pins(p); pins != 0; pins &= pins - 1)
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

static const char *name_of(struct machine_device d, char *out, size_t size)
{
	(void)device_name(d, out, size);
	return out;
}

static void tell_vfs(const struct vm_config *c, const struct passed *p)
{
	log_info("'%s' may make %u virtual functions of pci:%02x:%02x.%u, each with %u "
		 "messages of %u",
		c->name, p->f.vfs->most, PCI_BDF_BUS(p->f.id.bdf), PCI_BDF_DEVICE(p->f.id.bdf),
		PCI_BDF_FUNCTION(p->f.id.bdf), p[1].messages, p[1].wanted);
}

static void tell(const struct vm_config *c, struct machine_device d, const char *why)
{
	const struct passed *p = &passed[passed_count - 1 - d.vfs];
	char name[32], names[IOAPIC_PINS * 4], messages[64], place[32] = "";

	if (why != NULL) {
		log_info("'%s': %s stays without owner: %s", c->name,
			name_of(d, name, sizeof(name)), why);
		return;
	}
	if (d.vf != 0)
		fmt(place, sizeof(place), ", which is %02x:%02x.%u", PCI_BDF_BUS(p->f.id.bdf),
			PCI_BDF_DEVICE(p->f.id.bdf), PCI_BDF_FUNCTION(p->f.id.bdf));
	log_info("'%s' %s %s (%04x:%04x)%s, line%s%s", c->name, d.absent ? "may have" : "owns",
		name_of(d, name, sizeof(name)), p->f.id.vendor, p->f.id.device, place,
		pin_names(p, names, sizeof(names)),
		message_count(p, messages, sizeof(messages)));
	if (d.vfs != 0)
		tell_vfs(c, p);
}

/* Whether @why is that no unit is there for it: else it would be refused without one, too. */
static bool lacks_unit(const struct vm_config *c, struct machine_device d, const char *why)
{
	const struct vtd_wish wish = {.through = false};
	struct iommu_place place;

	return vm_config_has_iommu(c) && !iommu_is_on() && d.vf == 0 &&
	       iommu_find(d.bdf, &wish, &place) == why;
}

static bool claim_listed(const struct scenario *s, unsigned vm)
{
	const struct vm_config *c = &s->vms[vm].config;
	char name[32];

	for (unsigned i = 0; i < c->devices.count; i++) {
		struct machine_device d = c->devices.at[i];
		const char *why = claim(s, vm, d);

		if (why == NULL) {
			tell(c, d, NULL);
			continue;
		}
		log_error("'%s': it cannot have %s: %s%s", c->name,
			name_of(d, name, sizeof(name)), why,
			lacks_unit(c, d, why)
				? "; 'iommu: none' would give it without one, and with it all memory"
				: "");
		return false;
	}
	return true;
}

/* All but the bridges. */
static void claim_device(const struct scenario *s, unsigned vm, uint16_t first)
{
	unsigned functions =
		pci_read(first, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTIFUNCTION ? 8 : 1;

	for (unsigned i = 0; i < functions; i++) {
		struct machine_device d = {.bdf = (uint16_t)(first + i)};

		if (pci_read(d.bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR &&
			pci_read(d.bdf, PCI_CLASS_CODE, 2) >> 8 != PCI_CLASS_BRIDGE)
			tell(&s->vms[vm].config, d, claim(s, vm, d));
	}
}

static bool claim_all(const struct scenario *s, unsigned vm)
{
	for (unsigned bdf = 0; bdf <= UINT16_MAX; bdf += 8)
		if (pci_read((uint16_t)bdf, PCI_VENDOR, 2) != PCI_NO_VENDOR)
			claim_device(s, vm, (uint16_t)bdf);
	if (passed_count == 0)
		log_error("'%s': this machine has no device that a VM can have",
			s->vms[vm].config.name);
	return passed_count != 0;
}

/*
 * Devices with an IOMMU need it; others must not meet what firmware has made of it. Without any
 * it keeps from memory what firmware has left running.
 */
static void set_up_units(const struct scenario *s)
{
	bool wanted = false, devices = false, stop = l0_config()->dma == L0_DMA_STOP;

	for (unsigned i = 0; i < s->vm_count; i++) {
		wanted = wanted || vm_config_has_iommu(&s->vms[i].config);
		devices = devices || !device_list_is_empty(&s->vms[i].config.devices);
	}
	if (devices || stop) {
		ecam_open();
		passed_hand_over(s);
	}
	if (wanted || (!devices && stop))
		iommu_start();
	else if (devices)
		iommu_stop();
	if (wanted && iommu_is_on())
		topology_separate();
}

static bool claim_for_all(const struct scenario *s)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_config *c = &s->vms[i].config;

		if (device_list_is_empty(&c->devices))
			continue;
		if (c->iommu == IOMMU_NONE)
			log_warn("'%s' has devices without an IOMMU: it can read and write all "
				 "memory, that of L0 and of other VMs, too",
				c->name);
		if (c->devices.all ? !claim_all(s, i) : !claim_listed(s, i))
			return false;
	}
	return true;
}

/* Before VMs have address spaces: the screen shall be in none of them. */
static void give_screen(void)
{
	for (unsigned i = 0; i < passed_count; i++) {
		const struct vpass_function *f = &passed[i].f;

		if (!has_screen(f))
			continue;
		log_info("the screen is of pci:%02x:%02x.%u, which a VM has: the log is not on "
			 "it any more",
			PCI_BDF_BUS(f->id.bdf), PCI_BDF_DEVICE(f->id.bdf),
			PCI_BDF_FUNCTION(f->id.bdf));
		paging_nowhere((struct hpa){text_screen_start()});
		mux_leave_screen();
	}
}

/* What is left belongs to nobody: it stands still, or reaches what firmware has for it. */
static void end_strays(void)
{
	for (unsigned i = 0; i < passed_count; i++)
		iommu_regions_release(passed[i].f.id.bdf);
	if (l0_config()->dma == L0_DMA_STOP)
		passed_stop_strays();
}

bool passed_claim(const struct scenario *s)
{
	bool done;

	set_up_units(s);
	done = claim_for_all(s);
	if (done) {
		give_screen();
		end_strays();
	} else
		passed_virtual_off();
	ecam_close();
	return done;
}
