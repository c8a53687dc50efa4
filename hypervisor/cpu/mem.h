/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory functions of L0; the prototypes are those of the C library.
 */
#ifndef NESTOR_CPU_MEM_H
#define NESTOR_CPU_MEM_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memset(void *dst, int c, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
