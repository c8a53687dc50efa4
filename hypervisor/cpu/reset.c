/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/reset.h"

#include <stdbool.h>
#include <stdint.h>

#include "cpu/asm.h"
#include "cpu/pci.h"
#include "cpu/tsc.h"
#include "mm/layout.h"

/* "Reset Control Register" of Intel's chipsets: the kind first, and then with it the reset. */
#define PORT_RESET  0xcf9
#define RESET_HARD  0x02u
#define RESET_NOW   0x04u
#define RESET_OTHER 0xf1u

#define PATIENCE_US 100000u /* that one has to have an effect */

static struct fadt_reset firmwares;
static bool has_register;

void reset_take_register(const struct fadt_reset *r)
{
	firmwares = *r;
	has_register = true;
}

static void by_firmwares_register(void)
{
	const struct fadt_reset *r = &firmwares;

	if (r->space == FADT_PORT)
		outb((uint16_t)r->address, r->value);
	else if (r->space == FADT_PCI)
		pci_write(r->bdf, (unsigned)r->address, 1, r->value);
	else
		*(volatile uint8_t *)direct_va((struct hpa){r->address}) = r->value;
	tsc_delay_us(PATIENCE_US);
}

static void by_chipset(void)
{
	uint8_t v = (inb(PORT_RESET) & RESET_OTHER) | RESET_HARD;

	outb(PORT_RESET, v);
	outb(PORT_RESET, v | RESET_NOW);
	tsc_delay_us(PATIENCE_US);
}

void reset_machine(void)
{
	if (has_register)
		by_firmwares_register();
	by_chipset();
	triple_fault();
}
