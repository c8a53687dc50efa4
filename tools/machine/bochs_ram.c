/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the emulated machine beyond what Bochs keeps (2 GiB) is in a file. A piece of it
 * that was never written lies behind the file's end, where Bochs reads nothing, and goes on
 * with what another piece has left in the buffer: RAM that nobody has written would not be
 * zero. So the file is as long as it may ever be from the beginning, without taking room on
 * the disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#define LONGEST (1ll << 41) /* more than a machine can have; shorter where a file cannot be */

FILE *tmpfile64(void);

FILE *tmpfile64(void)
{
	FILE *(*make)(void) = (FILE * (*)(void)) dlsym(RTLD_NEXT, "tmpfile64");
	FILE *f = make != NULL ? make() : NULL;
	off64_t length = LONGEST;

	while (f != NULL && length > 0 && ftruncate64(fileno(f), length) != 0)
		length /= 2;
	return f;
}
