/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine that no VM has, and firmware or the loader has left running: those
 * that no IOMMU keeps from memory and interrupts are stopped.
 */
#include "vm/passed_int.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/text_screen.h"
#include "cpu/tsc.h"
#include "spec/pcie.h"
#include "vm/ecam.h"
#include "vm/iommu_int.h"
#include "vtd/strays.h"
#include "vtd/usb_handover.h"

/* Of its virtual functions L0 or its VM has all, or nobody has any. */
static bool is_owned(uint16_t bdf, bool *virtual)
{
	for (unsigned i = 0; i < passed_count; i++) {
		const struct passed *p = &passed[i];
		bool physical = p->physical != NULL && passed_physical_bdf(p->physical) == bdf;

		if (p->f.id.bdf != bdf && !physical)
			continue;
		*virtual = physical || p->f.vfs != NULL || p->owner != NULL;
		return true;
	}
	return false;
}

/* A serial card, by where its registers begin: sizes cannot be asked for while it is used. */
static bool has_log(uint32_t sbdf)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint32_t v = ecam_read(sbdf, PCI_BAR + 4 * i, 4);
		uint64_t at = v & ~(v & PCI_BAR_IO ? PCI_BAR_IO_FLAGS : PCI_BAR_MEMORY_FLAGS);

		if (!(v & PCI_BAR_IO) && v & PCI_BAR_64 && i + 1 < PCI_BARS)
			at |= (uint64_t)ecam_read(sbdf, PCI_BAR + 4 * ++i, 4) << 32;
		if (at != 0 && mux_uart_meets(!(v & PCI_BAR_IO), at, 1))
			return true;
	}
	return false;
}

/* What shows the screen that L0's log is on may read it by DMA, wherever it is. */
static bool is_l0s(uint32_t sbdf)
{
	uint32_t class = ecam_read(sbdf, PCI_CLASS_CODE, 2);

	if (class >> 8 == PCI_CLASS_DISPLAY)
		return text_screen_is_vga() || text_screen_start() != 0;
	return class == PCI_CLASS_SERIAL && has_log(sbdf);
}

/* Devices of VMs and of L0's are in segment 0; displays elsewhere may show the screen, too. */
static enum stray judge(uint32_t sbdf)
{
	bool messages, first = PCI_SBDF_SEGMENT(sbdf) == 0, virtual = false;
	bool held = iommu_holds(sbdf, &messages);

	if (held && messages)
		return STRAY_LEAVE;
	if (first && is_owned(PCI_SBDF_BDF(sbdf), &virtual))
		return virtual ? STRAY_LEAVE : STRAY_VIRTUAL;
	if (is_l0s(sbdf))
		return STRAY_VIRTUAL;
	return held ? STRAY_SILENCE : STRAY_STOP;
}

/* ---- USB controllers in firmware's care ---- */

static struct usb_handover usb; /* more than the stack shall hold */

/* Those of VMs are silenced when they are claimed, whatever becomes of others. */
static bool is_wanted(const struct scenario *s, uint32_t sbdf)
{
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct device_list *l = &s->vms[i].config.devices;

		for (unsigned k = 0; k < l->count; k++)
			if (l->at[k].bdf == sbdf)
				return true;
		if (l->all && PCI_SBDF_SEGMENT(sbdf) == 0)
			return true;
	}
	return false;
}

static void ask_for_usb(uint32_t sbdf, void *with)
{
	if (l0_config()->dma == L0_DMA_STOP || is_wanted(with, sbdf))
		usb_handover_ask(&usb, sbdf);
}

bool passed_handed_over(uint16_t bdf)
{
	return usb_handover_has(&usb, bdf);
}

void passed_hand_over(const struct scenario *s)
{
	char name[IOMMU_NAME];

	ecam_visit(ask_for_usb, (void *)(uintptr_t)s);
	usb_handover_end(&usb);
	if (usb.asked != 0 || usb.ended != 0)
		log_info("USB controllers that firmware had: %u; that have no SMIs any more: "
			 "%u",
			usb.asked, usb.ended);
	for (unsigned i = 0; i < usb.count; i++)
		if (usb.all[i].silent)
			log_warn("firmware does not give up the USB controller %s: it was "
				 "taken after a second",
				iommu_name(usb.all[i].sbdf, name));
	if (usb.left_out != 0)
		log_warn("firmware was not asked for %u USB controllers of more than %u",
			usb.left_out, USB_CONTROLLERS);
}

/* ---- what goes on ---- */

static void stop(uint32_t sbdf, void *with)
{
	if (!iommu_holds_segment(PCI_SBDF_SEGMENT(sbdf)))
		strays_stop(sbdf, judge, with);
}

static void tell(const struct strays *s)
{
	if (s->stopped != 0 || s->stuck != 0)
		log_info(
			"%u function%s of PCI that no VM has %s left running by firmware: stopped",
			s->stopped, s->stopped == 1 ? "" : "s",
			s->stopped == 1 ? "was" : "were");
	if (s->stuck != 0)
		log_warn(
			"%u of PCI stay bus masters, whatever is written to them: they reach all memory",
			s->stuck);
	if (s->virtual != 0)
		log_info("virtual functions of %u device%s, which firmware had turned on, are "
			 "off",
			s->virtual, s->virtual == 1 ? "" : "s");
}

/* Of segment 0 functions are reached by ports, but not all of what they have. */
static const char *what_may(uint16_t segment)
{
	return segment == 0 ? "virtual functions that firmware has left on"
			    : "what firmware has left running there";
}

static void tell_lost_table(void)
{
	const char *why = ecam_refused();

	if (why != NULL && !iommu_holds_segment(0))
		log_warn("virtual functions that firmware has left on, and all functions of "
			 "segments other than 0, may reach all memory: the table MCFG is not "
			 "used: %s",
			why);
	if (ecam_beyond() != 0 && !iommu_holds_segment(0))
		log_warn("virtual functions that firmware has left on may reach all memory: "
			 "the table MCFG does not have the buses of %u functions",
			ecam_beyond());
}

/* What can neither be looked at nor is blocked. */
static void tell_lost(void)
{
	struct stray_buses b;
	const char *why;
	uint16_t segment;

	tell_lost_table();
	for (unsigned i = 0; ecam_lost(i, &b, &why); i++)
		if (!iommu_holds_segment(b.segment))
			log_warn("PCI segment %u, buses %02x to %02x: %s may reach all memory: "
				 "the table MCFG's entry is not used: %s",
				b.segment, b.first, b.last, what_may(b.segment), why);
	for (unsigned i = 0; iommu_segment(i, &segment); i++) {
		why = segment == 0 ? NULL : ecam_segment_why_not(segment);
		if (why != NULL && !iommu_holds_segment(segment))
			log_warn("PCI segment %u: %s may reach all memory: %s", segment,
				what_may(segment), why);
	}
}

/* Until virtual functions are gone, and what they had sent has arrived. */
static void wait_for_virtual(void)
{
	uint64_t end = rdtsc() + (uint64_t)tsc_khz * PCIE_SRIOV_OFF_MS;

	while (rdtsc() < end)
		cpu_pause();
}

void passed_stop_strays(void)
{
	struct strays s = {0};

	ecam_visit(stop, &s);
	if (s.virtual != 0)
		wait_for_virtual();
	tell(&s);
	tell_lost();
}
