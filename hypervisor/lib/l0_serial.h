/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where L0's output goes on a machine without port E9H: the option serial=.
 */
#ifndef NESTOR_LIB_L0_SERIAL_H
#define NESTOR_LIB_L0_SERIAL_H

enum l0_serial {
	L0_SERIAL_AUTO, /* what firmware names, else the first one */
	L0_SERIAL_COM1,
	L0_SERIAL_COM2,
	L0_SERIAL_COM3,
	L0_SERIAL_COM4,
	L0_SERIAL_NONE
};

#endif
