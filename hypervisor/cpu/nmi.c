/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/nmi.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/request.h"
#include "cpu/tsc.h"

#define LATE_MS 10u

/* "NMI Status and Control" of Intel's chipsets. A machine without reads as all ones. */
#define PORT_B           0x61
#define PORT_B_SERR      0x80u /* PCI's SERR#, or parity */
#define PORT_B_IOCHK     0x40u
#define PORT_B_IOCHK_OFF 0x08u
#define PORT_B_SERR_OFF  0x04u
#define PORT_B_WRITABLE  0x0fu /* and of channel 2 of the PIT, and the speaker */

/*
 * A kick is counted before it is sent, and one NMI may stand for several: the count says
 * whether there was a reason, not how many NMIs will come. One that was counted already, and
 * arrives while or after the one before was looked at, finds no new reason; so does one for
 * bytes that were taken. Those come at once, or not at all.
 */
void nmi_arrived(void)
{
	struct percpu *c = this_cpu();
	uint32_t kicks = __atomic_load_n(&c->shared.kicks, __ATOMIC_SEQ_CST);
	uint32_t fresh = kicks - c->kicks_seen;
	uint64_t now = rdtsc();
	bool bytes;

	fault_obey_stop();
	c->kicks_seen = kicks;
	bytes = request_poll();
	if (fresh == 0 && !bytes && now >= c->late_until)
		c->foreign_nmis++;
	if (fresh > 1 || bytes)
		c->late_until = now + (uint64_t)tsc_khz * LATE_MS;
}

uint32_t nmi_take(void)
{
	return __atomic_exchange_n(&this_cpu()->foreign_nmis, 0, __ATOMIC_RELAXED);
}

/*
 * A latch is cleared by its bit that disables the source, which then enables it again; bits 7:4
 * are read-only, and written as 0.
 */
static void clear_latch(uint8_t b, uint8_t off)
{
	b &= PORT_B_WRITABLE;
	outb(PORT_B, b | off);
	outb(PORT_B, b & (uint8_t)~off);
}

const char *nmi_take_reason(void)
{
	static const struct {
		uint8_t latch, off;
		const char *text;
	} reasons[] = {
		{PORT_B_SERR, PORT_B_SERR_OFF, "PCI system error or parity (port 61H, bit 7)"},
		{PORT_B_IOCHK, PORT_B_IOCHK_OFF, "I/O channel check (port 61H, bit 6)"},
	};
	const char *text =
		"no reason at port 61H: a button, a watchdog or a management controller";
	uint8_t b = inb(PORT_B);

	for (unsigned i = sizeof(reasons) / sizeof(reasons[0]); i-- > 0;) {
		if (!(b & reasons[i].latch))
			continue;
		clear_latch(b, reasons[i].off);
		text = reasons[i].text;
	}
	return text;
}
