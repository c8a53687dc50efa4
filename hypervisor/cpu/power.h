/*
 * The end of the machine.
 */
#ifndef NESTOR_CPU_POWER_H
#define NESTOR_CPU_POWER_H

enum power_mode {
	POWER_NONE, /* halt */
	POWER_BOCHS,
	POWER_QEMU
};

extern enum power_mode power_mode;

/* Powers off as power_mode says; halts where that has no effect. */
_Noreturn void machine_off(void);

#endif
