/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of Bochs' that is to begin with one of ours. Ours goes on with the rest of Bochs'
 * by an assembly function that has the instructions which the jump stands on.
 */
#ifndef TOOLS_MACHINE_BOCHS_PATCH_H
#define TOOLS_MACHINE_BOCHS_PATCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/**
 * Puts a jump to ours (13 bytes: movabs $ours,%r11; jmp *%r11) at the start of `function`, or
 * ends Bochs with a message if it does not begin with the `size` bytes, 13 or more, of `begin`.
 * Returns where the rest is.
 */
static inline void *patch(unsigned char *function, const unsigned char *begin, size_t size,
	uintptr_t ours, const char *name)
{
	unsigned char jump[] = {0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3};
	uintptr_t page = (uintptr_t)function & ~(uintptr_t)0xfff;
	size_t all = (uintptr_t)function - page + size;

	if (size < sizeof(jump) || memcmp(function, begin, size) != 0 ||
		mprotect((void *)page, all, PROT_READ | PROT_WRITE) != 0) {
		fprintf(stderr, "%s cannot be changed: not the Bochs that is known?\n", name);
		exit(1);
	}
	memcpy(jump + 2, &ours, sizeof(ours));
	memcpy(function, jump, sizeof(jump));
	if (mprotect((void *)page, all, PROT_READ | PROT_EXEC) != 0) {
		fprintf(stderr, "%s cannot be executed again\n", name);
		exit(1);
	}
	return function + size;
}

#endif
