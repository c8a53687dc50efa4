/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PC's firmware and its devices agree on about a reset of the processor that is none of
 * the machine: CMOS says what shall be done then.
 */
#ifndef NESTOR_SPEC_BIOS_H
#define NESTOR_SPEC_BIOS_H

#define CMOS_SHUTDOWN 0x0fu /* a register, of these values: */

enum cmos_shutdown {
	CMOS_SHUTDOWN_RESUME = 0x05, /* an EOI, then on at the address in 40:67 */
	CMOS_SHUTDOWN_JUMP = 0x0a    /* on at the address in 40:67 */
};

/* Where a virtual processor begins then: a choice of ours, within the BIOS. */
#define BIOS_RESUME_VECTOR 0xffu /* of a start-up IPI: segment FF00H */

#endif
