/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded with Bochs 3.0, too. A virtual interrupt waits for RFLAGS.IF (SDM 29.2.2); Bochs masks
 * it until then, but when an external interrupt ends such a guest, it looks only whether a
 * virtual one is pending, and delivers that instead, with interrupts disabled. Here one that is
 * masked is out of sight while an external interrupt is handled. If the guest goes on, which it
 * does behind posted-interrupt processing, it is pending as before.
 *
 * And an exit during the delivery of a virtual interrupt has that as IDT-vectoring information
 * (27.2.4), not what was delivered before.
 *
 * Offsets and instructions are those of one build, as in bochs_smp.c.
 */
#include <stdint.h>
#include <string.h>

#include "bochs_patch.h"

/* Places in an emulated processor: 32 bits with a bit an event, the current VMCS' RVI, and what
 * exits save, 32 bits each. */
#define PENDING              0x91d8
#define MASKED               0x91dc
#define RVI                  0x8ff9
#define VECTORING_INFO       0x90a8
#define VECTORING_ERROR_CODE 0x90ac

#define VIRTUAL_INTERRUPT 0x200u

extern unsigned char handle[] __asm__("_ZN8BX_CPU_C18HandleExtInterruptEv");

/* It begins so: endbr64; push %rbp; push %rbx; mov %rdi,%rbx; sub $8,%rsp. */
static const unsigned char begin[] = {
	0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x53, 0x48, 0x89, 0xfb, 0x48, 0x83, 0xec, 0x08};

void *handle_rest;
void handle_all(unsigned char *cpu);
__asm__(".text\n"
	"handle_all:\n\t"
	"push %rbp\n\t"
	"push %rbx\n\t"
	"mov %rdi,%rbx\n\t"
	"sub $8,%rsp\n\t"
	"mov handle_rest@GOTPCREL(%rip),%r11\n\t"
	"jmp *(%r11)\n");

static uint32_t get(const unsigned char *cpu, unsigned place)
{
	uint32_t value;

	memcpy(&value, cpu + place, sizeof(value));
	return value;
}

static void put(unsigned char *cpu, unsigned place, uint32_t value)
{
	memcpy(cpu + place, &value, sizeof(value));
}

/* A VM exit does not return here: it clears what is pending for the guest itself. */
static void handle_external(unsigned char *cpu)
{
	uint32_t requested = get(cpu, PENDING) & VIRTUAL_INTERRUPT;
	uint32_t waits = requested & get(cpu, MASKED);

	if (requested & ~waits) {
		put(cpu, VECTORING_INFO, cpu[RVI]); /* its type is 0: an external interrupt */
		put(cpu, VECTORING_ERROR_CODE, 0);
	}
	put(cpu, PENDING, get(cpu, PENDING) & ~waits);
	handle_all(cpu);
	put(cpu, PENDING, get(cpu, PENDING) | waits);
}

__attribute__((constructor)) static void replace(void)
{
	handle_rest = patch(handle, begin, sizeof(begin), (uintptr_t)handle_external,
		"what handles external interrupts");
}
