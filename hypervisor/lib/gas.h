/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where ACPI's tables say that a register is (ACPI 6.5, 5.2.3.2 "Generic Address Structure
 * (GAS)", table 5.1).
 */
#ifndef NESTOR_LIB_GAS_H
#define NESTOR_LIB_GAS_H

/* Offsets in it. */
enum gas {
	GAS_SPACE = 0,
	GAS_BITS = 1, /* its width */
	GAS_ACCESS = 3,
	GAS_ADDRESS = 4, /* 64 bits */
	GAS_SIZE = 12
};

#endif
