/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a virtual platform, and the services its devices give each other. Only the files
 * of dev/ and whoever embeds the structure look inside.
 */
#ifndef NESTOR_DEV_PLATFORM_H
#define NESTOR_DEV_PLATFORM_H

#include "dev/dev.h"
#include "dev/vflash.h"
#include "dev/vfwcfg.h"
#include "dev/vhpet.h"
#include "dev/vioapic.h"
#include "dev/vlapic.h"
#include "dev/vpci.h"
#include "dev/vpic.h"
#include "dev/vpit.h"
#include "dev/vpm.h"
#include "dev/vramfb.h"
#include "dev/vrtc.h"
#include "dev/vuart.h"
#include "dev/vvga.h"
#include "dev/vvtd.h"
#include "spec/addr.h"

struct platform {
	struct vlapic *lapic; /* one for each vCPU: given before the first reset */
	struct platform_config config;
	struct vioapic ioapic;
	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vhpet hpet;
	struct vuart uart;
	struct vpm pm;
	struct vpci pci;
	struct vfwcfg fwcfg;
	struct vflash flash;
	struct vramfb ramfb;
	struct vvga vga;
	struct vvtd vtd;
	uint64_t deadline; /* earliest of the devices that are not LAPICs */
};

/* Whether the HPET has taken the interrupts of PIT and RTC: both bits are set (2.3.5). */
static inline bool vhpet_replaces(const struct platform *p)
{
	return (p->hpet.s.config & (HPET_ENABLE | HPET_LEGACY)) == (HPET_ENABLE | HPET_LEGACY);
}

/* Whether functions' accesses to memory go through tables: vvtd.h. Asked at each of them. */
static inline bool vvtd_translates(const struct platform *p)
{
	return p->vtd.s.reg[VTD_GSTS / 4] & VTD_TE;
}

/* The same with translation on or off: all then. */
static inline uint64_t vvtd_contiguous(
	struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write)
{
	if (!vvtd_translates(p) || size <= PAGE_SIZE - iova % PAGE_SIZE)
		return size;
	return vvtd_contiguous_far(p, place, iova, size, write);
}

/*
 * Drives an interrupt line. Lines 0 to 15 are ISA's: they reach the PIC and the IOAPIC (line 0
 * at pin 2); 16 to 23 are IOAPIC pins.
 */
void platform_set_irq(struct platform *p, unsigned irq, bool level);
/* A rising edge. */
void platform_pulse_irq(struct platform *p, unsigned irq);
/* Whether an edge on the line could become an interrupt as things are set up. */
bool platform_irq_visible(const struct platform *p, unsigned irq);

/* Timers that fire more often than 20000 times a second are slowed down. */
#define PLATFORM_TIMER_KHZ 20u

/* A periodic timer's next deadline, such that a tiny period keeps nobody busy. */
uint64_t platform_bounded_deadline(const struct platform *p, uint64_t deadline, uint64_t now);

/* The task priority of a vCPU's LAPIC changes. */
void platform_write_tpr(struct platform *p, unsigned vcpu, uint32_t tpr);

/*
 * The processors are reset, and not the machine (keyboard controller, ports 92H, CF9H). True:
 * without firmware, and as CMOS says, vCPU 0 goes on in the BIOS of load/; false: to be made a
 * reset of the VM.
 */
bool platform_resumes(struct platform *p);

/* A device that is no LAPIC has another deadline. */
void platform_deadline_changed(struct platform *p);

/* From now on what dev_memory answers for an address may change, or be nothing: what is known
 * of it is forgotten, by devices of the machine, too. Without the lock. */
void platform_ram_moves(struct platform *p);

#endif
