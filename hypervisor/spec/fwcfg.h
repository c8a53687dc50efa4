/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device of QEMU's machines, as firmware finds it on a PC: ports,
 * keys, its file directory, DMA. Selector and files are big-endian, values little-endian.
 */
#ifndef NESTOR_SPEC_FWCFG_H
#define NESTOR_SPEC_FWCFG_H

#define FWCFG_PORT_SELECTOR 0x510 /* 16 bits, little-endian, write-only */
#define FWCFG_PORT_DATA     0x511 /* 8 bits */
#define FWCFG_PORT_DMA      0x514 /* 64 bits, big-endian: writing the low half starts */

/* Keys of items that are no files. Values of 32 bits unless said. */
enum fwcfg_key {
	FWCFG_SIGNATURE = 0x00, /* "QEMU" */
	FWCFG_ID = 0x01,
	FWCFG_UUID = 0x02,      /* 16 bytes */
	FWCFG_RAM_SIZE = 0x03,  /* 64 bits */
	FWCFG_NOGRAPHIC = 0x04, /* 16 bits: the console is serial */
	FWCFG_NB_CPUS = 0x05,   /* 16 bits */
	FWCFG_KERNEL_SIZE = 0x08,
	FWCFG_INITRD_SIZE = 0x0b,
	FWCFG_NUMA = 0x0d,      /* 64 bits: how many nodes */
	FWCFG_BOOT_MENU = 0x0e, /* 16 bits: 0 is none */
	FWCFG_MAX_CPUS = 0x0f,  /* 16 bits: above all APIC ids */
	FWCFG_KERNEL_DATA = 0x11,
	FWCFG_INITRD_DATA = 0x12,
	FWCFG_CMDLINE_SIZE = 0x14, /* with the final NUL */
	FWCFG_CMDLINE_DATA = 0x15,
	FWCFG_SETUP_SIZE =
		0x17, /* the real-mode part of a bzImage, which is not in KERNEL_DATA */
	FWCFG_SETUP_DATA = 0x18,
	FWCFG_FILE_DIR = 0x19,
	FWCFG_FILE_FIRST = 0x20
};

#define FWCFG_ID_PORTS 0x1 /* the selector and the data port */
#define FWCFG_ID_DMA   0x2

/* A file of the directory, which begins with their number: size, key, reserved, name. */
#define FWCFG_FILE_NAME  56u
#define FWCFG_FILE_ENTRY 64u

/* The descriptor in guest memory: control, length, address; 32, 32 and 64 bits. */
#define FWCFG_DMA_SIZE      16u
#define FWCFG_DMA_ERROR     0x01u
#define FWCFG_DMA_READ      0x02u
#define FWCFG_DMA_SKIP      0x04u
#define FWCFG_DMA_SELECT    0x08u /* bits 31:16 are the key */
#define FWCFG_DMA_WRITE     0x10u
#define FWCFG_DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG": what the port reads as */

/*
 * The file etc/ramfb, which the guest writes: where in its RAM there is a picture. Big-endian:
 * address (64 bits), format, flags, width, height, bytes from a row to the next (0: none lie
 * between them). Formats are fourcc codes.
 */
#define RAMFB_FILE     "etc/ramfb"
#define RAMFB_SIZE     28u
#define RAMFB_ADDRESS  0u
#define RAMFB_FORMAT   8u
#define RAMFB_WIDTH    16u
#define RAMFB_HEIGHT   20u
#define RAMFB_STRIDE   24u
#define RAMFB_XRGB8888 0x34325258u /* "XR24": blue, green, red, nothing */
#define RAMFB_ARGB8888 0x34325241u /* "AR24": blue, green, red, opacity */
#define RAMFB_PIXEL    4u          /* bytes of a pixel in both */

/* The linker and loader of ACPI tables: entries of 128 bytes that the firmware executes. */
#define LOADER_ENTRY 128u

enum loader_command {
	LOADER_ALLOCATE = 1,     /* file, alignment, zone */
	LOADER_ADD_POINTER = 2,  /* file of the pointer, file it points into, offset, size */
	LOADER_ADD_CHECKSUM = 3, /* file, offset of the checksum, start, length */
};

enum loader_zone {
	LOADER_ZONE_HIGH = 1,
	LOADER_ZONE_FSEG = 2 /* below 1 MiB, where an RSDP is looked for */
};

#endif
