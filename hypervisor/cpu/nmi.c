/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/nmi.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/request.h"
#include "cpu/tsc.h"

#define LATE_MS      10u
#define PORT_B       0x61
#define PORT_B_SERR  0x80u /* PCI's SERR#, or parity */
#define PORT_B_IOCHK 0x40u

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

const char *nmi_reason(void)
{
	uint8_t b = inb(PORT_B);

	if (b & PORT_B_SERR)
		return "PCI system error or parity (port 61H, bit 7)";
	if (b & PORT_B_IOCHK)
		return "I/O channel check (port 61H, bit 6)";
	return "no reason at port 61H: a button, a watchdog or a management controller";
}
