#include "cpu/power.h"

#include "cpu/asm.h"

enum power_mode power_mode = POWER_NONE;

#define PORT_BOCHS_SHUTDOWN  0x8900
#define PORT_QEMU_DEBUG_EXIT 0x501

void machine_off(void)
{
	if (power_mode == POWER_BOCHS) {
		for (const char *s = "Shutdown"; *s != '\0'; s++)
			outb(PORT_BOCHS_SHUTDOWN, (uint8_t)*s);
	}
	if (power_mode == POWER_QEMU)
		outb(PORT_QEMU_DEBUG_EXIT, 0);
	halt_forever();
}
