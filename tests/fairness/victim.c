/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says how far it has come, by marks that L0 stamps with its TSC: one for so much work, without
 * end.
 */
#include "cpu.h"
#include "rt.h"

int payload_main(void)
{
	for (unsigned i = 0;; i++) {
		for (volatile unsigned work = 0; work < 20000; work++)
			;
		outb(0xf5, (uint8_t)i);
	}
}
