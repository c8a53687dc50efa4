/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines that L0 can be told it runs on; the host tool tells them, too.
 */
#ifndef NESTOR_LIB_L0_MACHINE_H
#define NESTOR_LIB_L0_MACHINE_H

enum l0_machine {
	L0_MACHINE_NONE, /* none that is known: as the SDM says, and nobody to power it off */
	L0_MACHINE_BOCHS,
	L0_MACHINE_QEMU
};

#endif
