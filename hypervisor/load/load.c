/* SPDX-License-Identifier: Apache-2.0 */
#include "load/load.h"

#include "load/load_int.h"

struct format {
	enum load_format format;
	bool by_looks; /* LOAD_AUTO may take it */
	bool (*is)(const struct load_image *i);
	const char *(*load)(const struct load_target *t, const struct load_request *r,
		struct entry_state *e);
};

/* The first that fits is taken. */
static const struct format formats[] = {
	{LOAD_LINUX, true, linux_is_bzimage, linux_load_bzimage},
	{LOAD_LINUX, true, linux_is_old, linux_load_real},
	{LOAD_MULTIBOOT2, true, mb2_is, mb2_load},
	{LOAD_MULTIBOOT1, true, mb1_is, mb1_load},
	{LOAD_LINUX, false, elf_is, linux_load_elf},
	{LOAD_LINUX16, false, linux_is_real, linux_load_real},
	{LOAD_ELF, false, elf_is, mb1_load},
};

static const char *no_match(enum load_format format)
{
	switch (format) {
	case LOAD_LINUX:
		return "not a Linux kernel";
	case LOAD_LINUX16:
		return "not a Linux kernel with a 16-bit entry";
	case LOAD_ELF:
		return "not an ELF file";
	case LOAD_MULTIBOOT1:
		return "no Multiboot header";
	case LOAD_MULTIBOOT2:
		return "no Multiboot 2 header";
	case LOAD_AUTO:
		break;
	}
	return "the kernel is none of bzImage, Multiboot 1, Multiboot 2";
}

_Static_assert(LIMIT_NAMED_LINE == 2303, "these three say it");

/* A line that does not fit is not cut: what would be missing is the guest's business. */
static const char *too_long(const struct load_request *r)
{
	if (r->kernel.cmdline.len > LIMIT_NAMED_LINE)
		return "the kernel's command line is longer than 2303 bytes";
	for (unsigned k = 0; k < r->module_count; k++)
		if (r->modules[k].cmdline.len > LIMIT_NAMED_LINE)
			return "a module's command line is longer than 2303 bytes";
	return r->initrd.cmdline.len > LIMIT_NAMED_LINE
		       ? "the initrd's command line is longer than 2303 bytes"
		       : NULL;
}

const char *load_images(const struct load_target *target, const struct load_request *request,
	struct entry_state *out)
{
	enum load_format wanted = request->format;

	*out = (struct entry_state){0};
	if (target->ram_count == 0 || target->ram[0].start != 0 ||
		target->ram[0].size < LOAD_LOW_END)
		return "the VM has no low memory";
	if (too_long(request) != NULL)
		return too_long(request);
	for (unsigned k = 0; k < sizeof(formats) / sizeof(formats[0]); k++) {
		const struct format *f = &formats[k];

		if ((wanted == LOAD_AUTO ? f->by_looks : wanted == f->format) &&
			f->is(&request->kernel)) {
			bios_put(target);
			vga_put(target);
			return f->load(target, request, out);
		}
	}
	return no_match(wanted);
}
