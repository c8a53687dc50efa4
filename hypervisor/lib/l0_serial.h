/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where L0's output goes on a machine without port E9H: the option serial=.
 */
#ifndef NESTOR_LIB_L0_SERIAL_H
#define NESTOR_LIB_L0_SERIAL_H

#include <stdint.h>

enum l0_serial_kind {
	L0_SERIAL_AUTO, /* what firmware names, else the first one */
	L0_SERIAL_COM1,
	L0_SERIAL_COM2,
	L0_SERIAL_COM3,
	L0_SERIAL_COM4,
	L0_SERIAL_NONE,
	L0_SERIAL_MMIO,
	L0_SERIAL_PCI
};

struct l0_serial {
	uint64_t address; /* L0_SERIAL_MMIO: physical, of the first register */
	uint32_t baud;    /* 0: 115200 of the first four, else as firmware has set it */
	uint32_t clock;   /* of the UART, in Hz; 0: that of a PC's */
	uint16_t bdf;     /* L0_SERIAL_PCI */
	uint8_t kind;     /* enum l0_serial_kind */
	uint8_t width;    /* L0_SERIAL_MMIO: bytes of a register: 1, 2 or 4 */
};

#endif
