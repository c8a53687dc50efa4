/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option serial= as text: auto, com1 to com4, none, mmio:ADDRESS, pci:BB:DD.F; behind an
 * address 8, 16 or 32, the width of a register, and behind a UART its rate, with @HZ its clock.
 */
#ifndef NESTOR_POLICY_SERIAL_CONFIG_H
#define NESTOR_POLICY_SERIAL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/l0_serial.h"
#include "lib/text.h"

#define SERIAL_TEXTS                                                                       \
	"one of auto, com1, com2, com3, com4, none, mmio:0xADDRESS, mmio:0xADDRESS,WIDTH " \
	"(8, 16 or 32 bits), pci:BB:DD.F; behind a UART a rate, as in com2,9600 or "       \
	"pci:02:00.0,115200@14745600"

/* False: the text is none; *why, what is wrong with it, or NULL. */
bool serial_parse(struct text v, struct l0_serial *s, const char **why);
/* The length, as in setting_format. */
size_t serial_format(const struct l0_serial *s, char *buf, size_t size);

#endif
