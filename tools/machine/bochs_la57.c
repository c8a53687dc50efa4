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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

/* Ours instead of the check: movabs $ours,%r11; jmp *%r11. */
__attribute__((constructor)) static void replace(void)
{
	unsigned char jump[] = {0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3};
	uintptr_t ours = (uintptr_t)check, page = (uintptr_t)check_cr4 & ~(uintptr_t)0xfff;
	size_t size = (uintptr_t)check_cr4 - page + sizeof(begin);

	if (memcmp(check_cr4, begin, sizeof(begin)) != 0 ||
		mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0) {
		fprintf(stderr, "la57: the check of CR4 cannot be changed\n");
		exit(1);
	}
	check_cr4_rest = check_cr4 + sizeof(begin);
	memcpy(jump + 2, &ours, sizeof(ours));
	memcpy(check_cr4, jump, sizeof(jump));
	if (mprotect((void *)page, size, PROT_READ | PROT_EXEC) != 0) {
		fprintf(stderr, "la57: the check of CR4 cannot be executed again\n");
		exit(1);
	}
}
