/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/off.h"

#include <stdbool.h>

#include "cpu/asm.h"
#include "cpu/tsc.h"

#define MODE_US     10000u /* between two looks whether ACPI mode is on */
#define MODE_ROUNDS 300u
#define PATIENCE_US 1000000u /* that it has to be off */

/* Bits of PM1 status that are cleared by ones: what waits there would wake it up again. */
#define STATUS_ALL 0xc731u

static struct power_off off;
static bool known;

void off_take(const struct power_off *p)
{
	off = *p;
	known = true;
}

/* In legacy mode these registers are firmware's (4.8.2.5 "Legacy/ACPI Select and the SCI"). */
static void enter_acpi_mode(void)
{
	if (off.smi_port == 0 || inw(off.control[0]) & PM1_SCI_EN)
		return;
	outb(off.smi_port, off.smi_enable);
	for (unsigned i = 0; i < MODE_ROUNDS && !(inw(off.control[0]) & PM1_SCI_EN); i++)
		tsc_delay_us(MODE_US);
}

void off_try(void)
{
	uint16_t v[2];

	if (!known)
		return;
	enter_acpi_mode();
	for (unsigned i = 0; i < 2; i++) {
		if (off.status[i] != 0)
			outw(off.status[i], STATUS_ALL);
		if (off.control[i] == 0)
			continue;
		v[i] = power_off_control(inw(off.control[i]), off.type[i]);
		outw(off.control[i], v[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		if (off.control[i] != 0)
			outw(off.control[i], v[i] | PM1_SLP_EN);
	tsc_delay_us(PATIENCE_US);
}
