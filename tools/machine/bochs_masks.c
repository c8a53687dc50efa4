/* SPDX-License-Identifier: Apache-2.0 */
/*
 * External interrupts make a guest exit when it was entered with interrupts disabled by a host
 * that has them disabled, too: a plugin of Bochs 3.0. At a VM entry Bochs decides which events
 * are masked before the processor counts as in a guest, and only if RFLAGS.IF changes; here it
 * decides again behind VMLAUNCH and VMRESUME. A host that always enters with interrupts
 * disabled, as Linux' KVM, has no timer of its own otherwise while such a guest runs. See
 * docs/decisions/0077-kvm-as-a-machine.md.
 *
 * Offsets are those of one build: tools/machine/fetch-bochs.sh makes this for that build only.
 */
#define _GNU_SOURCE
#include "bochs_hooks.h"

/* What executes VMLAUNCH and VMRESUME, in a table of what executes each instruction. */
void enter(unsigned char *cpu, void *insn) __asm__("_ZN8BX_CPU_C8VMLAUNCHEP15bxInstruction_c");
extern uintptr_t instructions[] __asm__("BxOpcodesTable");
/* Masks events by RFLAGS.IF, and in a guest by its external-interrupt exiting. */
void decide_masks(void *cpu) __asm__("_ZN8BX_CPU_C25handleInterruptMaskChangeEv");

static void enter_and_decide(unsigned char *cpu, void *insn)
{
	enter(cpu, insn);
	if (cpu[IN_GUEST])
		decide_masks(cpu);
}

static void fail(const char *why)
{
	plugin_fail("nestormasks", why);
}

/* Ours in the table instead; it is read when an instruction is decoded, thus not yet. */
static void replace(void)
{
	Dl_info info;
	const ElfW(Sym) *s = NULL;
	unsigned found = 0;
	uintptr_t page = (uintptr_t)instructions & ~(uintptr_t)0xfff;
	size_t size;

	if (!dladdr1(instructions, &info, (void **)&s, RTLD_DL_SYMENT) || s == NULL)
		fail("there is no table of instructions");
	size = (uintptr_t)instructions - page + s->st_size;
	if (mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0)
		fail("the table of instructions cannot be changed");
	for (size_t i = 0; i < s->st_size / sizeof(instructions[0]); i++)
		if (instructions[i] == (uintptr_t)enter) {
			instructions[i] = (uintptr_t)enter_and_decide;
			found++;
		}
	if (found < 2)
		fail("not the Bochs that is known");
}

int libnestormasks_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestormasks_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	if (mode != 1) /* 2: what is it? optional */
		return mode == 2 ? 4 : 0;
	replace();
	register_watcher(plugin, type, "nestormasks", "MASKS", NULL, NULL);
	return 0;
}
