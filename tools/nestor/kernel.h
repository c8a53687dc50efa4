/* SPDX-License-Identifier: Apache-2.0 */
/* Guest images: recognises what a file is, and makes it ready for Nestor's loader. */
#ifndef NESTOR_KERNEL_H
#define NESTOR_KERNEL_H

#include "arena.h"
#include "bytes.h"
#include "policy/vm_config.h"
#include "setting.h"
#include "status.h"

enum kernel_kind {
	KERNEL_LINUX,      /* vmlinux, an ELF file */
	KERNEL_BZIMAGE,    /* by Linux' boot protocol, but nothing in it is compressed */
	KERNEL_REAL,       /* a bzImage or zImage as it is, by its 16-bit entry */
	KERNEL_MULTIBOOT1, /* ELF, or another file with load addresses in its header */
	KERNEL_MULTIBOOT2, /* ELF, or likewise */
	KERNEL_ELF,        /* any ELF file, entered as Multiboot 1 does; if that is asked for */
	KERNEL_PACKED,     /* a bzImage as it is, for firmware to start */
};

struct kernel {
	enum kernel_kind kind;
	struct bytes image; /* of Linux the unpacked vmlinux, else the file */
	uint64_t header;    /* offset of the Multiboot header */
	uint64_t low, high; /* the memory that it occupies when loaded */
	bool flat;          /* all of that, as its header says, even if the file is ELF */
};

/* How L0 starts an image of @kind. */
enum load_protocol kernel_protocol(enum kernel_kind kind);

/* Whether that is by one of Linux' protocols, whose initrd lies apart. */
bool kernel_is_linux(enum kernel_kind kind);

/* Where a bzImage that runs as it is has its code, and how that is entered. */
struct kernel_bzimage {
	struct bytes code;
	bool is64; /* by the 64-bit entry, else by the 32-bit one */
	uint64_t entry;
};

/* Of a KERNEL_BZIMAGE. */
void kernel_bzimage(const struct kernel *kernel, struct kernel_bzimage *out);

/* Recognises @file; returns NULL, or what is wrong with it, to follow the file's name. */
const char *kernel_parse(struct arena *a, const struct bytes *file, struct kernel *out);

/* The same, to be started by a protocol that was asked for; PROTOCOL_AUTO: as it looks. */
const char *kernel_parse_as(struct arena *a, const struct bytes *file,
	enum load_protocol protocol, struct kernel *out);

/* How many units of memory (policy/memory.h) it lies in when loaded, with the first one. */
uint64_t kernel_units(const struct kernel *kernel);

/* Reads a bzImage for firmware to start; what it occupies is unknown. */
int kernel_load_packed(
	struct arena *a, const struct place *from, struct kernel *out, struct error *e);

/* Reads and recognises a file, for a protocol as kernel_parse_as has it. */
int kernel_load(struct arena *a, const struct place *from, enum load_protocol protocol,
	struct kernel *out, struct error *e);

#endif
