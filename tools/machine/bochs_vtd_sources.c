/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which device it is that reads or writes memory. Plugins of Bochs call functions of its binary
 * for that, through slots that the loader filled: the slots get functions of ours, which know
 * for which plugin they are. A plugin's source-id is that of its function on bus 0.
 */
#define _GNU_SOURCE
#include "bochs_plugin.h"
#include "bochs_vtd.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FUNCTIONS   256u
#define NO_FUNCTION 0xffffu

/*
 * The plugins that reach memory. One that is not here, of a later Bochs, is taken for UNKNOWN:
 * no function, so that the unit blocks it, and tells.
 */
#define PLUGINS(P)                   \
	P(0, "pci_ide", 0x70108086)  \
	P(1, "e1000", 0x100e8086)    \
	P(2, "dma", 0x70008086)      \
	P(3, "es1370", 0x50001274)   \
	P(4, "hpet", 0)              \
	P(5, "usb_uhci", 0x70208086) \
	P(6, "usb_ohci", 0x00221033) \
	P(7, "usb_ehci", 0x24cd8086) \
	P(8, "usb_xhci", 0x01941033) \
	P(9, "unknown", 0)
#define UNKNOWN 9u

static struct {
	const char *name;
	uint32_t id;     /* vendor and device */
	uint16_t source; /* once it is known */
} plugins[] = {
#define ROW(n, name, id) {name, id, NO_FUNCTION},
	PLUGINS(ROW)
#undef ROW
};
#define COUNT (sizeof(plugins) / sizeof(plugins[0]))

/* ---- source-ids ---- */

static uint16_t find_function(uint32_t id)
{
	uint32_t index = devices_inp(bx_devices, PCI_INDEX, 4);
	uint16_t found = NO_FUNCTION;

	for (unsigned n = 0; n < FUNCTIONS && found == NO_FUNCTION; n++) {
		devices_outp(bx_devices, PCI_INDEX, 0x80000000u | n << 8, 4);
		if (devices_inp(bx_devices, PCI_DATA, 4) == id)
			found = (uint16_t)n;
	}
	devices_outp(bx_devices, PCI_INDEX, index, 4);
	return found;
}

static uint16_t source_of(unsigned plugin)
{
	uint16_t *source = &plugins[plugin].source;

	if (*source == NO_FUNCTION && plugins[plugin].id != 0)
		*source = find_function(plugins[plugin].id);
	return *source;
}

/* ---- what they call ---- */

static void request(unsigned plugin, uint64_t at, unsigned size, void *data, bool write)
{
	(void)nestor_unit_dma(source_of(plugin), at, data, size, write);
}

/* What a slot held, and for each plugin what it gets. */
struct stubs {
	const char *symbol;
	void *of[COUNT];
};

#define STUBS(n, name, id)                                                           \
	static void read_##n(uint64_t at, unsigned size, void *to)                   \
	{                                                                            \
		request(n, at, size, to, false);                                     \
	}                                                                            \
	static void write_##n(uint64_t at, unsigned size, void *from)                \
	{                                                                            \
		request(n, at, size, from, true);                                    \
	}                                                                            \
	static void cpu_read_##n(void *cpu, uint64_t at, unsigned size, void *to)    \
	{                                                                            \
		(void)cpu;                                                           \
		request(n, at, size, to, false);                                     \
	}                                                                            \
	static void cpu_write_##n(void *cpu, uint64_t at, unsigned size, void *from) \
	{                                                                            \
		(void)cpu;                                                           \
		request(n, at, size, from, true);                                    \
	}
PLUGINS(STUBS)

#define READ(n, name, id)      (void *)read_##n,
#define WRITE(n, name, id)     (void *)write_##n,
#define CPU_READ(n, name, id)  (void *)cpu_read_##n,
#define CPU_WRITE(n, name, id) (void *)cpu_write_##n,
static const struct stubs stubs[] = {
	{"_ZN8BX_MEM_C19dmaReadPhysicalPageEmjPh", {PLUGINS(READ)}},
	{"_ZN8BX_MEM_C20dmaWritePhysicalPageEmjPh", {PLUGINS(WRITE)}},
	{"_ZN8BX_MEM_C16readPhysicalPageEP8BX_CPU_CmjPv", {PLUGINS(CPU_READ)}},
	{"_ZN8BX_MEM_C17writePhysicalPageEP8BX_CPU_CmjPv", {PLUGINS(CPU_WRITE)}},
};

/* ---- slots ---- */

/* Ours have the unit in mind; the host bridge is no requester. */
static bool is_left_alone(const char *file)
{
	return strncmp(file, "libbx_", 6) != 0 || strncmp(file + 6, "nestor", 6) == 0 ||
	       strncmp(file + 6, "pci.", 4) == 0;
}

static unsigned plugin_of(const char *file)
{
	for (unsigned n = 0; n < UNKNOWN; n++) {
		size_t length = strlen(plugins[n].name);

		if (strncmp(file + 6, plugins[n].name, length) == 0 && file[6 + length] == '.')
			return n;
	}
	return UNKNOWN;
}

static void set_slot(void **slot, void *to)
{
	void *page = (void *)((uintptr_t)slot & ~UINT64_C(0xfff));

	if (mprotect(page, 0x1000, PROT_READ | PROT_WRITE) != 0) {
		perror("nestorvtd: mprotect");
		exit(1);
	}
	*slot = to;
	(void)mprotect(page, 0x1000, PROT_READ);
}

struct imports {
	const ElfW(Rela) * relocations;
	size_t count;
	const ElfW(Sym) * symbols;
	const char *names;
};

static struct imports find_imports(const struct dl_phdr_info *i)
{
	const ElfW(Dyn) *d = NULL;
	struct imports out = {0};

	for (int k = 0; k < i->dlpi_phnum; k++)
		if (i->dlpi_phdr[k].p_type == PT_DYNAMIC)
			d = (const void *)(i->dlpi_addr + i->dlpi_phdr[k].p_vaddr);
	for (; d != NULL && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_JMPREL)
			out.relocations = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_PLTRELSZ)
			out.count = d->d_un.d_val / sizeof(ElfW(Rela));
		else if (d->d_tag == DT_SYMTAB)
			out.symbols = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_STRTAB)
			out.names = (const void *)d->d_un.d_ptr;
	}
	return out;
}

static int take_slots(struct dl_phdr_info *i, size_t size, void *context)
{
	const char *slash = strrchr(i->dlpi_name, '/'), *file = slash ? slash + 1 : "";
	struct imports f;

	(void)size, (void)context;
	if (is_left_alone(file))
		return 0;
	f = find_imports(i);
	for (size_t n = 0; f.relocations != NULL && n < f.count; n++) {
		const ElfW(Rela) *r = &f.relocations[n];
		const char *name = f.names + f.symbols[ELF64_R_SYM(r->r_info)].st_name;

		for (size_t k = 0; k < sizeof(stubs) / sizeof(stubs[0]); k++)
			if (strcmp(name, stubs[k].symbol) == 0)
				set_slot((void **)(i->dlpi_addr + r->r_offset),
					stubs[k].of[plugin_of(file)]);
	}
	return 0;
}

void sources_init(void)
{
	plugins[4].source = HPET_SOURCE;
	(void)dl_iterate_phdr(take_slots, NULL);
}
