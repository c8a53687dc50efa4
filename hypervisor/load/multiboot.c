/* SPDX-License-Identifier: Apache-2.0 */
#include "load/multiboot_int.h"

#include "spec/addr.h"
#include "spec/vga.h"

#define SCREEN_EGA_TEXT 2u

const struct multiboot_screen multiboot_text_screen = {
	VGA_TEXT, 2 * VGA_COLUMNS, VGA_COLUMNS, VGA_ROWS, 16, SCREEN_EGA_TEXT};

const char *multiboot_load_flat(const struct load_target *t, const struct load_image *i,
	uint64_t header, const struct multiboot_addresses *a, struct loaded *l)
{
	uint64_t offset, size, end;

	if (a->load > a->header || header < a->header - a->load)
		return "the Multiboot header's addresses contradict each other";
	offset = header - (a->header - a->load);
	size = a->load_end != 0 ? (uint64_t)a->load_end - a->load : i->size - offset;
	if (a->load_end != 0 && (a->load_end < a->load || size > i->size - offset))
		return "the Multiboot header's load addresses lie outside the file";
	end = a->load + size > a->bss_end ? a->load + size : a->bss_end;
	if (ram_at(t, a->load, end - a->load) == NULL)
		return "the kernel does not fit into the VM's memory";
	(void)ram_write(t, a->load, i->data + offset, size);
	l->end = end;
	return NULL;
}

const char *multiboot_load_elf(
	const struct load_target *t, const struct load_image *i, struct loaded *l)
{
	const char *error;

	if (!elf_is(i))
		return "a Multiboot kernel that is no ELF file";
	error = elf_load(t, i, l);
	if (error != NULL)
		return error;
	return l->entry >> 32 == 0 ? NULL : "the entry point lies above 4 GiB";
}

/* *at: the first byte that is free, before and after. */
static bool place_module(const struct load_target *t, const struct load_image *i, uint64_t *at,
	struct placed_module *m)
{
	uint64_t start = (*at + PAGE_MASK) & ~PAGE_MASK, top = t->ram[0].size;

	if (start < LOAD_LOW_END)
		start = LOAD_LOW_END;
	if (start > top || i->size > top - start)
		return false;
	if (i->size != 0 && !ram_write(t, start, i->data, i->size))
		return false;
	*at = start + i->size;
	m->start = start;
	m->end = *at;
	m->cmdline = i->cmdline;
	return true;
}

const char *multiboot_place_modules(const struct load_target *t, const struct load_request *r,
	uint64_t at, struct placed_module m[MULTIBOOT_MODULES], unsigned *count)
{
	*count = 0;
	for (unsigned k = 0; k < r->module_count + 1; k++) {
		const struct load_image *i = k == 0 ? &r->initrd : &r->modules[k - 1];

		if (k == 0 && i->size == 0)
			continue;
		if (!place_module(t, i, &at, &m[*count]))
			return "the modules do not fit into the VM's memory";
		m[*count].name = !r->cmdline0 ? NULL : k == 0 ? "initrd" : "module";
		(*count)++;
	}
	return NULL;
}

uint32_t multiboot_put_text(
	const struct load_target *t, uint64_t gpa, const char *name, struct text text)
{
	size_t size = name != NULL ? text_of(name, LOAD_NAME).len : 0;

	if (size != 0) {
		(void)ram_write(t, gpa, name, size);
		if (text.len != 0)
			(void)ram_write(t, gpa + size++, " ", 1);
	}
	ram_put_text(t, gpa + size, text, text.len + 1);
	return (uint32_t)(size + text.len + 1);
}

uint32_t multiboot_put_cmdline(const struct load_target *t, const struct load_request *r)
{
	return multiboot_put_text(
		t, LOAD_CMDLINE, r->cmdline0 ? "kernel" : NULL, r->kernel.cmdline);
}

uint32_t multiboot_high_kib(const struct load_target *t)
{
	return (uint32_t)((t->ram[0].size - LOAD_LOW_END) >> 10);
}

void multiboot_finish(const struct load_target *t, uint32_t magic, uint32_t info,
	uint64_t entry, struct entry_state *e)
{
	e->mode = ENTRY_MODE_PROTECTED;
	e->rip = entry;
	e->rax = magic;
	e->rbx = info;
	ram_put_gdt(t, e, GDT_CODE32);
}
