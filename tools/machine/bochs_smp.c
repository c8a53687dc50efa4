/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded with Bochs 3.0, which emulates several processors wrongly without: after an exception
 * was delivered, its loop for several processors goes on with what it knew of RIP and RSP
 * before, and a VM exit by an interrupt, NMI or preemption timer that comes next saves a wrong
 * RIP. Bochs leaves an exception by longjmp; here every processor takes over its RIP before, as
 * the loop for one processor does. See docs/decisions/0019-emulator-smp.md.
 *
 * The offsets are those of one build; tools/machine/fetch-bochs.sh loads this with that build
 * only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#define RIP             0xe0
#define PREVIOUS_RIP    0x118
#define SPECULATIVE_RSP 0x130 /* a flag: RSP may have to go back */

/* Bochs' own: its processors, and where an exception goes on. */
extern unsigned char **bx_cpu_array;
extern unsigned char bx_cpu_count;
extern char after_exception[] __asm__("_ZN8BX_CPU_C11jmp_buf_envE");

void __longjmp_chk(jmp_buf env, int value);

void __longjmp_chk(jmp_buf env, int value)
{
	void (*real)(jmp_buf, int);

	for (unsigned i = 0; (char *)env == after_exception && i < bx_cpu_count; i++) {
		unsigned char *cpu = bx_cpu_array[i];

		*(uint64_t *)(void *)(cpu + PREVIOUS_RIP) = *(uint64_t *)(void *)(cpu + RIP);
		cpu[SPECULATIVE_RSP] = 0;
	}
	*(void **)(void *)&real = dlsym(RTLD_NEXT, "__longjmp_chk");
	real(env, value);
	abort();
}
