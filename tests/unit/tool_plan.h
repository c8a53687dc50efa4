/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of what the tool plans for a machine's start: a scenario with a VM, its files, the
 * plan that comes of it, and what memory and the ROM hold then.
 */
#ifndef TESTS_UNIT_TOOL_PLAN_H
#define TESTS_UNIT_TOOL_PLAN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot.h"
#include "boot_int.h"
#include "policy/memory.h"
#include "tool_images.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define MIB            (1ULL << 20)
#define ROM_PARAMETERS 0xff00
#define ROM_MSRS       0xfe00
#define ROM_PCI        0xfd00

static struct arena arena;
static struct scenario_spec scenario;
static struct vm_files files[SCENARIO_MAX_VMS];
static struct boot_plan plan;
static struct error error;

static inline int set_up(void **state)
{
	struct vm_spec *vm;

	(void)state;
	scenario_init(&scenario);
	memset(files, 0, sizeof(files));
	plan = (struct boot_plan){0};
	error = (struct error){0};
	vm = scenario_add_vm(&scenario, "here");
	strcpy(vm->config.name, "a");
	vm->kernel = (struct place){"dir/image.elf", "here: kernel"};
	vm->config.memory = 64 * MIB;
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* A byte of the planned memory; 0 where nothing is loaded. */
static inline uint8_t byte_at(uint64_t address)
{
	for (unsigned i = 0; i < BOOT_IMAGES; i++) {
		const struct boot_image *image = &plan.images[i];

		if (address >= image->at && address - image->at < image->content.size)
			return image->content.data[address - image->at];
	}
	return 0;
}

static inline uint64_t value_at(uint64_t address, unsigned size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | byte_at(address + size);
	return value;
}

static inline const char *text_at(uint64_t address)
{
	char *text = arena_alloc(&arena, 4096);

	for (unsigned i = 0; i < 4095 && (text[i] = (char)byte_at(address + i)); i++)
		;
	return text;
}

static inline uint64_t rom_value(unsigned offset, unsigned size)
{
	return bytes_value(&plan.rom, ROM_PARAMETERS + offset, size);
}

/* Finds the tag number @index of @type in the Multiboot 2 information; 0 if it is not there. */
static inline uint64_t find_tag(uint64_t info, uint32_t type, unsigned index)
{
	uint64_t end = info + value_at(info, 4);

	for (uint64_t at = info + 8; at < end; at += (value_at(at + 4, 4) + 7) & ~7ULL) {
		if (value_at(at, 4) == type && index-- == 0)
			return at;
		if (value_at(at + 4, 4) < 8)
			break;
	}
	return 0;
}

static inline struct place write_l0(char *path)
{
	struct bytes elf = image_elf64(&arena, 0x200000, 0x5000);
	int fd = mkstemp(path);

	image_put_multiboot2(&elf, 1200, 16);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, elf.data, elf.size), elf.size);
	close(fd);
	return (struct place){path, "--l0"};
}

#endif
