/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices as one platform: who is at which address, interrupt lines, deadlines.
 */
#include "dev/platform.h"

#include "dev/chipset.h"

#define PAGE 4096u

typedef bool (*port_handler)(
	struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

static const struct port_range {
	uint16_t first, last;
	port_handler handler;
} ports[] = {
	{0x20, 0x21, vpic_io}, {0x40, 0x43, vpit_io}, {0x60, 0x60, vpm_io},
	{0x61, 0x61, vpit_io}, {0x64, 0x64, vpm_io}, {0x70, 0x71, vrtc_io},
	{0x80, 0x80, vpm_io}, {0x92, 0x92, vpm_io}, {0xa0, 0xa1, vpic_io}, {0xe9, 0xe9, vpm_io},
	{0xed, 0xed, vpm_io}, {0xf4, 0xf4, vpm_io}, {0x3f8, 0x3ff, vuart_io},
	{0x402, 0x402, vpm_io}, {0x4d0, 0x4d1, vpic_io},
	{FWCFG_PORT_SELECTOR, FWCFG_PORT_DMA + 7, vfwcfg_io},
	{VPM_PORT_EVENT, VPM_PORT_EVENT + VPM_PORT_SIZE - 1, vpm_io}, {0xcf8, 0xcff, vpci_io},
	{VPM_PORT_RESET, VPM_PORT_RESET, vpm_io}, /* what PCI does not claim */
	{VGA_CRTC_INDEX - VGA_MONO_OFFSET, VGA_INPUT_STATUS_1, vvga_io},
	{0, UINT16_MAX, vpci_io}, /* behind base address registers */
};

static bool io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port >= ports[i].first && port <= ports[i].last &&
			ports[i].handler(p, port, write, size, value))
			return true;
	if (!write)
		*value = size == 4 ? UINT32_MAX : (1u << size * 8) - 1;
	return false;
}

bool platform_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	bool claimed;

	dev_lock(p);
	claimed = io(p, port, write, size, value);
	dev_unlock(p);
	return claimed;
}

static void lapic_access(
	struct platform *p, unsigned vcpu, uint32_t offset, bool write, uint64_t *value)
{
	if (write)
		vlapic_write(p, vcpu, offset & 0xff0u, (uint32_t)*value);
	else
		*value = vlapic_read(p, vcpu, offset & 0xff0u) >> (offset & 3) * 8;
}

static bool mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value)
{
	if (gpa - DEV_LAPIC_BASE < PAGE) {
		if (!vlapic_is_mapped(&p->lapic[vcpu]))
			return false;
		/* Writes are 32 bits wide and aligned (10.4.1); others are undefined. */
		if (!write || (size == 4 && !(gpa & 15)))
			lapic_access(p, vcpu, (uint32_t)(gpa - DEV_LAPIC_BASE), write, value);
		return true;
	}
	if (gpa - DEV_IOAPIC_BASE < PAGE) {
		uint32_t offset = (uint32_t)(gpa - DEV_IOAPIC_BASE);

		if (write)
			vioapic_write(p, offset, (uint32_t)*value);
		else
			*value = vioapic_read(p, offset);
		return true;
	}
	if (vhpet_claims(p, gpa, size)) {
		if (write)
			vhpet_write(p, gpa, size, *value);
		else
			*value = vhpet_read(p, gpa, size);
		return true;
	}
	if (vvtd_claims(p, gpa, size)) {
		if (write)
			vvtd_write(p, gpa, size, *value);
		else
			*value = vvtd_read(p, gpa, size);
		return true;
	}
	if (vflash_mmio(p, gpa, write, size, value))
		return true;
	return vpci_mmio(p, vcpu, gpa, write, size, value);
}

bool platform_mmio(struct platform *p, unsigned vcpu, uint64_t gpa, bool write, unsigned size,
	uint64_t *value)
{
	bool claimed;

	if (!write)
		*value = UINT64_MAX;
	dev_lock(p);
	claimed = mmio(p, vcpu, gpa, write, size, value);
	dev_unlock(p);
	if (!write && size < 8)
		*value &= (1ull << size * 8) - 1;
	return claimed;
}

bool platform_has_device(struct platform *p, uint64_t gpa)
{
	bool there;

	dev_lock(p);
	there = gpa - chipset_ecam(p) < DEV_ECAM_SIZE || gpa - DEV_IOAPIC_BASE < PAGE ||
		gpa - DEV_LAPIC_BASE < PAGE || vhpet_claims(p, gpa, 1) ||
		vvtd_claims(p, gpa, 1) || gpa - p->flash.base < p->flash.size ||
		vpci_claims(&p->pci, gpa);
	dev_unlock(p);
	return there;
}

static bool meets(uint64_t gpa, uint64_t size, uint64_t base, uint64_t length)
{
	return gpa < base + length && base < gpa + size;
}

bool platform_direct(struct platform *p, uint64_t gpa, uint64_t size, uint64_t *host,
	struct dev_window *window)
{
	bool direct;

	dev_lock(p);
	direct = !meets(gpa, size, chipset_ecam(p), DEV_ECAM_SIZE) &&
		 !meets(gpa, size, DEV_IOAPIC_BASE, PAGE) &&
		 !meets(gpa, size, DEV_LAPIC_BASE, PAGE) && !vhpet_claims(p, gpa, size) &&
		 !vvtd_claims(p, gpa, size) &&
		 !meets(gpa, size, p->flash.base, p->flash.size) &&
		 vpci_direct(&p->pci, gpa, size, host, window);
	dev_unlock(p);
	return direct;
}

enum vpci_work platform_work(struct platform *p)
{
	enum vpci_work left;

	dev_lock(p);
	left = vpci_work(p);
	if (p->config.vtd && vvtd_work(p))
		left = VPCI_WORK_MORE;
	dev_unlock(p);
	return left;
}

bool platform_rdmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t *value)
{
	bool ok;

	dev_lock(p);
	ok = vlapic_rdmsr(p, vcpu, msr, value);
	dev_unlock(p);
	return ok;
}

bool platform_wrmsr(struct platform *p, unsigned vcpu, uint32_t msr, uint64_t value)
{
	bool ok;

	dev_lock(p);
	ok = vlapic_wrmsr(p, vcpu, msr, value);
	dev_unlock(p);
	return ok;
}

uint64_t platform_get_cr8(const struct platform *p, unsigned vcpu)
{
	return vlapic_tpr(&p->lapic[vcpu]) >> 4;
}

static int irq_pending(struct platform *p, unsigned vcpu);

void platform_write_tpr(struct platform *p, unsigned vcpu, uint32_t tpr)
{
	vlapic_set_tpr(&p->lapic[vcpu], tpr);
	if (irq_pending(p, vcpu) >= 0 || p->lapic[vcpu].changed)
		dev_kick(p, vcpu);
}

void platform_set_cr8(struct platform *p, unsigned vcpu, uint64_t cr8)
{
	dev_lock(p);
	platform_write_tpr(p, vcpu, (uint32_t)(cr8 & 0xf) << 4);
	dev_unlock(p);
}

/* ---- interrupts ---- */

void platform_set_irq(struct platform *p, unsigned irq, bool level)
{
	if (irq < 16)
		vpic_set(p, irq, level);
	if (irq < VIOAPIC_PINS)
		vioapic_set(p, irq == 0 ? 2 : irq, level);
}

void platform_pulse_irq(struct platform *p, unsigned irq)
{
	platform_set_irq(p, irq, true);
	platform_set_irq(p, irq, false);
}

/* The PIC reaches vCPU 0 only. An ExtINT passes the priority by. */
bool platform_extint_pending(const struct platform *p, unsigned vcpu)
{
	return vcpu == 0 && __atomic_load_n(&p->pic.intr, __ATOMIC_RELAXED) &&
	       (vlapic_accepts_extint(&p->lapic[0]) || vioapic_passes_extint(&p->ioapic));
}

bool platform_irq_visible(const struct platform *p, unsigned irq)
{
	if (irq < 16 && !vpic_masked(&p->pic, irq))
		return true;
	return irq < VIOAPIC_PINS && !vioapic_masked(&p->ioapic, irq == 0 ? 2 : irq);
}

static int irq_pending(struct platform *p, unsigned vcpu)
{
	if (platform_extint_pending(p, vcpu))
		return vpic_vector(&p->pic);
	return vlapic_pending(&p->lapic[vcpu]);
}

int platform_irq_pending(struct platform *p, unsigned vcpu)
{
	int vector;

	dev_lock(p);
	vector = irq_pending(p, vcpu);
	dev_unlock(p);
	return vector;
}

bool platform_irq_waits(struct platform *p, unsigned vcpu)
{
	const struct vlapic *l = &p->lapic[vcpu];

	if (!vlapic_owned(l))
		return platform_irq_pending(p, vcpu) >= 0;
	if (platform_extint_pending(p, vcpu) || vlapic_waits(l))
		return true;
	/* What is held back and stays in the descriptor would keep the next request from being
	 * told: who makes one tells it if none was outstanding. */
	return vlapic_has_posted(l) && platform_irq_pending(p, vcpu) >= 0;
}

static int irq_ack(struct platform *p, unsigned vcpu)
{
	return platform_extint_pending(p, vcpu) ? vpic_acknowledge(p)
						: vlapic_take(&p->lapic[vcpu]);
}

int platform_irq_ack(struct platform *p, unsigned vcpu)
{
	int vector;

	dev_lock(p);
	vector = irq_ack(p, vcpu);
	dev_unlock(p);
	return vector;
}

int platform_irq_take(struct platform *p, unsigned vcpu, int notification, bool *more)
{
	int vector;

	dev_lock(p);
	vector = irq_ack(p, vcpu);
	if (vector >= 0 && vector == notification)
		vlapic_write(p, vcpu, APIC_EOI, 0);
	*more = irq_pending(p, vcpu) >= 0;
	dev_unlock(p);
	return vector;
}

void platform_eoi(struct platform *p, unsigned vcpu)
{
	dev_lock(p);
	vlapic_write(p, vcpu, APIC_EOI, 0);
	dev_unlock(p);
}

void platform_console_came(struct platform *p)
{
	dev_lock(p);
	vuart_look(p);
	dev_unlock(p);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t platform_bounded_deadline(const struct platform *p, uint64_t deadline, uint64_t now)
{
	uint64_t least = now + p->config.tsc_khz / PLATFORM_TIMER_KHZ;

	return deadline < least ? least : deadline;
}

void platform_deadline_changed(struct platform *p)
{
	uint64_t others = earlier(vpm_deadline(p), vfwcfg_deadline(p));

	others = earlier(others, earlier(vuart_deadline(p), vpci_deadline(p)));
	others = earlier(others, vhpet_deadline(p));
	p->deadline = earlier(vpit_deadline(p), earlier(vrtc_deadline(p), others));
}

/* Without the lock: whoever changes a deadline of another CPU's vCPU tells it (dev_kick's
 * like). */
uint64_t platform_deadline(const struct platform *p, unsigned vcpu)
{
	uint64_t lapic = __atomic_load_n(&p->lapic[vcpu].deadline, __ATOMIC_RELAXED);

	return vcpu == 0 ? earlier(__atomic_load_n(&p->deadline, __ATOMIC_RELAXED), lapic)
			 : lapic;
}

static void run_device_timers(struct platform *p, uint64_t now)
{
	vpit_run_timer(p, now);
	vrtc_run_timer(p, now);
	vhpet_run_timer(p, now);
	vpm_run_timer(p, now);
	vfwcfg_run_timer(p, now);
	vpci_run_timer(p, now);
	vuart_look(p);
	platform_deadline_changed(p);
	p->deadline = platform_bounded_deadline(p, p->deadline, now);
}

void platform_run_timers(struct platform *p, unsigned vcpu, uint64_t now)
{
	dev_lock(p);
	if (p->lapic[vcpu].deadline <= now)
		vlapic_run_timer(p, vcpu, now);
	if (vcpu == 0 && p->deadline <= now)
		run_device_timers(p, now);
	dev_unlock(p);
}

void platform_power_button(struct platform *p)
{
	dev_lock(p);
	vpm_press_button(p, dev_now(p));
	dev_unlock(p);
}

void platform_init_vcpu(struct platform *p, unsigned vcpu)
{
	dev_lock(p);
	vlapic_init_reset(p, vcpu);
	dev_unlock(p);
}

void platform_reset(struct platform *p, const struct platform_config *c)
{
	p->config = *c;
	vpci_reset(p); /* first: nobody waits for what local APICs tell */
	for (unsigned i = 0; i < c->vcpus; i++) {
		vlapic_reset(p, i);
		if (c->fwcfg == NULL && c->vcpus > DEV_XAPIC_VCPUS)
			vlapic_hand_over_x2apic(p, i);
	}
	vlapic_virtual_wire(p, 0);
	vioapic_reset(p);
	vpic_reset(p);
	vpit_reset(p);
	vrtc_reset(p);
	vhpet_reset(p);
	vuart_reset(p);
	vpm_reset(p);
	chipset_reset(p);
	vfwcfg_reset(p);
	vflash_reset(p);
	vramfb_reset(p);
	vvga_reset(p);
	vvtd_reset(p);
	platform_deadline_changed(p);
}

void platform_ram_moves(struct platform *p)
{
	dev_lock(p);
	p->config.ram_stays = false;
	p->vtd.age++; /* pages that were near are not, and queues open their areas again */
	if (p->config.vtd)
		dev_remap_changed(p, NULL);
	dev_unlock(p);
	if (p->config.vtd)
		dev_work(p);
}
