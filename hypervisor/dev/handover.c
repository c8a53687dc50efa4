/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PC's firmware does with devices, where no firmware runs that does it: PICs and PIT are
 * handed over as by its writes, and a processor that is reset may go on where CMOS says.
 */
#include "dev/platform.h"
#include "spec/bios.h"

static const struct {
	uint16_t port;
	uint8_t value;
} writes[] = {
	{0x20, 0x11}, {0x21, 0x08}, {0x21, 0x04}, {0x21, 0x01}, /* vectors from 08H on */
	{0xa0, 0x11}, {0xa1, 0x70}, {0xa1, 0x02}, {0xa1, 0x01}, /* and from 70H on */
	{0xa1, 0xff},                             /* all masked, but for the second PIC */
	{0x43, 0x34}, {0x40, 0x00}, {0x40, 0x00}, /* channel 0: mode 2, 18.2 Hz */
};

#define PIT        0x40u
#define MASK_PORT  0x21
#define MASK_ALL   0xfbu
#define MASK_TIMER 0x01u

/* Not by platform_io: with one caller, exits for ports have it inline. */
static void out(struct platform *p, uint16_t port, uint32_t value)
{
	if ((port & ~3u) == PIT)
		(void)vpit_io(p, port, true, 1, &value);
	else
		(void)vpic_io(p, port, true, 1, &value);
}

void platform_hand_over(struct platform *p, bool timer)
{
	dev_lock(p);
	for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		out(p, writes[i].port, writes[i].value);
	out(p, MASK_PORT, timer ? MASK_ALL & ~MASK_TIMER : MASK_ALL);
	dev_unlock(p);
}

bool platform_resumes(struct platform *p)
{
	uint8_t shutdown = p->rtc.s.nvram[CMOS_SHUTDOWN];

	if (p->config.fwcfg != NULL ||
		(shutdown != CMOS_SHUTDOWN_RESUME && shutdown != CMOS_SHUTDOWN_JUMP))
		return false;
	for (unsigned i = 0; i < p->config.vcpus; i++)
		dev_init_ipi(p, i);
	return true;
}
