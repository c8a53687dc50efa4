/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points of the C code, called from boot/entry.S.
 */
#ifndef NESTOR_MAIN_H
#define NESTOR_MAIN_H

#include <stdint.h>

/* EAX and EBX as the loader left them. */
_Noreturn void nestor_main(uint32_t magic, uint32_t block);

/* Another CPU, on its own stack. */
_Noreturn void ap_main(uint32_t index);

#endif
