/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/machine.h"

#include <stddef.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/mux.h"
#include "cpu/off.h"
#include "cpu/reset.h"

#define PORT_BOCHS_SHUTDOWN  0x8900
#define PORT_QEMU_DEBUG_EXIT 0x501

static void bochs_off(void)
{
	for (const char *s = "Shutdown"; *s != '\0'; s++)
		outb(PORT_BOCHS_SHUTDOWN, (uint8_t)*s);
}

static void qemu_off(void)
{
	outb(PORT_QEMU_DEBUG_EXIT, 0);
}

static const struct machine machines[] = {
	[L0_MACHINE_NONE] = {.name = "none"},
	[L0_MACHINE_BOCHS] = {.name = "bochs",
		.power_off = bochs_off,
		.is_emulator = true,
		.piix_pins = true,
		.no_firmware = true,
		.late_notifications = true},
	[L0_MACHINE_QEMU] = {.name = "qemu", .power_off = qemu_off},
};

const struct machine *machine_of(enum l0_machine kind)
{
	return &machines[kind];
}

void machine_off(void)
{
	const struct machine *m = &l0_config()->machine;

	mux_flush();
	if (m->power_off != NULL)
		m->power_off();
	halt_forever();
}

void machine_end(void)
{
	mux_flush();
	if (l0_config()->at_end == L0_END_RESET)
		reset_machine();
	if (l0_config()->at_end == L0_END_OFF)
		off_try();
	machine_off();
}
