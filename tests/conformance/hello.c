/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest payload: shows that the runtime, the console and fault recovery work.
 */
#include "conf.h"

int payload_main(void)
{
	print("hello: %s\n", vmx_supported() ? "VT-x offered" : "no VT-x");
	__asm__ volatile(TRY_BEGIN "ud2" TRY_END : : : "memory");
	print("ud2: vector %d\n", trap.vector);
	return 0;
}
