/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PC's firmware does with devices, where no firmware runs that does it: PICs and PIT are
 * handed over as by its writes, and a processor that is reset may go on where CMOS says.
 */
#include "dev/platform.h"
#include "spec/bios.h"

#define PIT        0x40u
#define MASK_ALL   0xfbu
#define MASK_TIMER 0x01u

struct port_write {
	uint16_t port;
	uint8_t value;
};

static const struct port_write pics[] = {
	{0x20, 0x11},
	{0x21, 0x08},
	{0x21, 0x04},
	{0x21, 0x01}, /* vectors from 08H on */
	{0xa0, 0x11},
	{0xa1, 0x70},
	{0xa1, 0x02},
	{0xa1, 0x01}, /* and from 70H on */
	{0xa1, 0xff}, /* all masked, but for the second PIC */
	{0x21, MASK_ALL},
};

/* Channel 0: mode 2, 18.2 Hz. */
static const struct port_write timer_on[] = {
	{0x43, 0x34}, {0x40, 0x00}, {0x40, 0x00}, {0x21, MASK_ALL & ~MASK_TIMER}};

/* Not by platform_io: with one caller, exits for ports have it inline. */
static void out(struct platform *p, uint16_t port, uint32_t value)
{
	if ((port & ~3u) == PIT)
		(void)vpit_io(p, port, true, 1, &value);
	else
		(void)vpic_io(p, port, true, 1, &value);
}

/*
 * A kernel that is not started in real mode sets up the timer if it wants it, and does not
 * expect a tick that a PIC has latched before.
 */
void platform_hand_over(struct platform *p, bool timer)
{
	dev_lock(p);
	for (unsigned i = 0; i < sizeof(pics) / sizeof(pics[0]); i++)
		out(p, pics[i].port, pics[i].value);
	for (unsigned i = 0; timer && i < sizeof(timer_on) / sizeof(timer_on[0]); i++)
		out(p, timer_on[i].port, timer_on[i].value);
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

bool platform_shuts_down(struct platform *p)
{
	bool resumes;

	dev_lock(p);
	resumes = platform_resumes(p);
	dev_unlock(p);
	return resumes;
}
