/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a virtual platform, ready to travel: for snapshot, restore and migration.
 *
 * Each device has a structure X_state of fixed-width members, without pointers, host addresses
 * and padding; flags are bytes of 0 or 1. It holds what a guest can observe and what decides
 * what the device does next. Not in it: configuration, which source and target share; what
 * follows from the rest, which set computes.
 *
 * Times are values of the guest TSC, also the base of the RTC's time of day. The guest TSC of
 * the target goes on from `tsc`: vm/ sets its offset so, before or after; nothing here depends
 * on the host's TSC or on the time that passed in between, so that a set converts no times.
 *
 * A local APIC's state is that of its registers whether the CPU virtualizes it or not: requests
 * on their way (posted-interrupt descriptor) are in IRR.
 */
#ifndef NESTOR_DEV_STATE_H
#define NESTOR_DEV_STATE_H

#include "dev/platform.h"

#define PLATFORM_STATE_VERSION 9

struct platform_state {
	uint32_t size;    /* of the structure */
	uint32_t version; /* PLATFORM_STATE_VERSION */
	uint32_t vcpus;   /* these two are the target's, too, or it refuses */
	uint32_t tsc_khz;
	uint64_t tsc;                             /* dev_now() when it was taken */
	uint64_t deadline;                        /* of the devices that are not LAPICs */
	struct vlapic_state lapic[DEV_MAX_VCPUS]; /* zero from `vcpus` on */
	struct vioapic_state ioapic;
	struct vpit_state pit;
	struct vrtc_state rtc;
	struct vpm_state pm;
	struct vpic_state pic;
	struct vuart_state uart;
	struct vpci_state pci;
	uint32_t reserved; /* 0 */
	struct vfwcfg_state fwcfg;
	struct vflash_state flash;
	struct vramfb_state ramfb;
	struct vvga_state vga;
	struct vvtd_state vtd;
	struct vhpet_state hpet;
};

/* The state of all devices. No vCPU runs, and each exit is handled to its end. */
void platform_get_state(struct platform *p, struct platform_state *s);

/*
 * Makes the devices go on from a state. After platform_reset with the configuration of the
 * source; no vCPU runs. Nothing is believed: false, and nothing changed, for a state that the
 * devices cannot be in. All vCPUs are kicked, since deadlines and interrupts are others.
 */
bool platform_set_state(struct platform *p, const struct platform_state *s);

#endif
