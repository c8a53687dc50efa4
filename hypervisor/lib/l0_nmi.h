/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 does about an NMI that the hardware sends: the option nmi=.
 */
#ifndef NESTOR_LIB_L0_NMI_H
#define NESTOR_LIB_L0_NMI_H

enum l0_nmi {
	L0_NMI_LOG,  /* tells of it */
	L0_NMI_PASS, /* ... and the first VM gets it */
	L0_NMI_STOP  /* ... and the machine stops, with where it was */
};

#endif
