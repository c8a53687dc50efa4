/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by boot.c, boot_bare.c, boot_fit.c and boot_tables.c. */
#ifndef NESTOR_BOOT_INT_H
#define NESTOR_BOOT_INT_H

#include "boot.h"

#define BOOT_MIB        (1ULL << 20)
#define BOOT_PAGE       4096ULL
#define BOOT_IMAGES_END (2048 * BOOT_MIB) /* images are below, whatever the machine has */
#define BOOT_RANGES     6
#define BOOT_MAP_MAX    2048u /* entries that boot_check_map lets pass */

static inline uint64_t boot_whole_pages(uint64_t size)
{
	return (size + BOOT_PAGE - 1) / BOOT_PAGE * BOOT_PAGE;
}

/* All modules of a scenario: kernel, initrd and modules of each VM. */
struct module_list {
	const struct bytes *content[LIMIT_BOOT_MODULES];
	struct boot_module modules[LIMIT_BOOT_MODULES];
	unsigned count;
};

/* Registers at the entry point. With cr3, the entry is in 64-bit mode, else in 32-bit mode. */
struct rom_parameters {
	uint32_t eax, ebx, esi, cr3;
	uint64_t entry;
};

void boot_set_rom(struct arena *a, const struct rom_parameters *p, struct boot_plan *plan);

/* The entries of a list that is right; NULL: none. Returns how many they are. boot_map.c */
unsigned boot_map_ranges(const char *list, struct memory_range ranges[BOOT_MAP_MAX]);

/* The guest's command line, its initrd's and a module's text as its protocol wants them. */
const char *boot_guest_cmdline(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel);
const char *boot_initrd_text(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel);
const char *boot_module_text(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel, unsigned i);
/* What L0 gets as the text of its module `initrd`. */
const char *boot_initrd_line(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel);

void boot_add_module(struct module_list *l, const struct bytes *content, const char *cmdline);

/* Places the modules page by page from physical address @at on, and returns that memory. */
struct bytes boot_pack_modules(struct arena *a, struct module_list *l, uint64_t at);

/* Returns an image for address @at: the Multiboot information, then the modules. */
struct boot_image boot_info_image(struct arena *a, struct module_list *l, const char *cmdline,
	unsigned version, uint64_t at, const struct boot_plan *plan);

/* ---- boot_tables.c ---- */

/* Fills @ranges for the machine's memory; returns how many they are. */
unsigned boot_memory_map(const struct boot_plan *plan, struct memory_range ranges[BOOT_RANGES]);

/*
 * Plans ACPI tables for as many CPUs as the machine has: if it is bare, or has what only they
 * tell of. Nestor else needs none, and finds its CPUs itself.
 */
void boot_plan_tables(struct arena *a, const struct machine_spec *m, struct boot_plan *plan);

/* Makes the ROM give the chipset what the planned tables say of it; without them nothing. */
void boot_set_chipset(struct boot_plan *plan);

/* ---- boot_fit.c ---- */

/* Does the VM's reserve, if it has one, hold its images? Refuses nothing that L0 takes. */
int boot_check_reserve(const struct vm_spec *vm, const struct vm_files *f, struct error *e);

/* Fails because all images together are more than BOOT_IMAGES_END; names the largest. */
int boot_too_large(
	const struct scenario_spec *s, const struct vm_files *files, struct error *e);

#endif
