/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded with Bochs 3.0, too: VM entries and exits change CR4.LA57. Bochs checks what they load
 * into CR4 as it does for MOV, for which LA57 cannot change in IA-32e mode, and ends with a
 * message; and it goes on with the width of linear addresses of before. Here, when one of these
 * two asks whether CR4 may be so, LA57 and that width are changed first; what is left of the
 * check and of the transition finds them as they will be. See
 * docs/decisions/0098-five-level-paging.md.
 *
 * Offsets and instructions are those of one build, as in bochs_smp.c.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bochs_patch.h"

/* Places in an emulated processor. */
#define CR4          0x2b8
#define LINEAR_WIDTH 0x2c0

#define CR4_LA57 0x1000u

/* Where the two transitions go on behind their calls. */
#define BEHIND_ENTRY 0x14c1
#define BEHIND_EXIT  0x95

extern unsigned char check_cr4[] __asm__("_ZN8BX_CPU_C9check_CR4Em");
extern unsigned char vm_entry[] __asm__("_ZN8BX_CPU_C26VMenterLoadCheckGuestStateEPm");
extern unsigned char vm_exit[] __asm__("_ZN8BX_CPU_C19VMexitLoadHostStateEv");

/* The check begins so: endbr64; sub $8,%rsp; mov 0x2bc(%rdi),%eax. */
static const unsigned char begin[] = {
	0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 0x08, 0x8b, 0x87, 0xbc, 0x02, 0x00, 0x00};

void *check_cr4_rest;
bool check_cr4_all(unsigned char *cpu, uint64_t cr4);
__asm__(".text\n"
	"check_cr4_all:\n\t"
	"sub $8,%rsp\n\t"
	"mov 0x2bc(%rdi),%eax\n\t"
	"mov check_cr4_rest@GOTPCREL(%rip),%r11\n\t"
	"jmp *(%r11)\n");

static bool check(unsigned char *cpu, uint64_t cr4)
{
	unsigned char *back = __builtin_return_address(0);
	uint32_t now, width;

	if (back == vm_entry + BEHIND_ENTRY || back == vm_exit + BEHIND_EXIT) {
		memcpy(&now, cpu + CR4, sizeof(now));
		now = (now & ~CR4_LA57) | ((uint32_t)cr4 & CR4_LA57);
		width = cr4 & CR4_LA57 ? 57 : 48;
		memcpy(cpu + CR4, &now, sizeof(now));
		memcpy(cpu + LINEAR_WIDTH, &width, sizeof(width));
	}
	return check_cr4_all(cpu, cr4);
}

__attribute__((constructor)) static void replace(void)
{
	check_cr4_rest =
		patch(check_cr4, begin, sizeof(begin), (uintptr_t)check, "the check of CR4");
}
