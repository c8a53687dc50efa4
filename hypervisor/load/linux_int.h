/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux' boot protocol (the kernel's Documentation/arch/x86/boot.rst), for the files that load
 * by it.
 */
#ifndef NESTOR_LOAD_LINUX_INT_H
#define NESTOR_LOAD_LINUX_INT_H

#include "load/load_int.h"

/*
 * Offsets in struct boot_params, which is the protocol's "zero page"; from BP_HEADER on in the
 * file, too.
 */
#define BP_VIDEO_MODE   0x006u
#define BP_VIDEO_COLS   0x007u
#define BP_VIDEO_EGA    0x00au
#define BP_VIDEO_LINES  0x00eu
#define BP_VIDEO_IS_VGA 0x00fu
#define BP_VIDEO_POINTS 0x010u
#define BP_ACPI_RSDP    0x070u
#define BP_E820_COUNT   0x1e8u
#define BP_HEADER       0x1f1u
#define BP_SETUP_SECTS  0x1f1u
#define BP_SYS_SIZE     0x1f4u /* of the protected-mode part, in units of 16 bytes */
#define BP_BOOT_FLAG    0x1feu
#define BP_JUMP_OFFSET  0x201u
#define BP_MAGIC        0x202u
#define BP_VERSION      0x206u
#define BP_LOADER_TYPE  0x210u
#define BP_LOADFLAGS    0x211u
#define BP_MOVE_SIZE    0x212u
#define BP_RAMDISK      0x218u
#define BP_RAMDISK_SIZE 0x21cu
#define BP_HEAP_END     0x224u
#define BP_CMDLINE      0x228u
#define BP_INITRD_MAX   0x22cu
#define BP_XLOADFLAGS   0x236u
#define BP_CMDLINE_SIZE 0x238u
#define BP_PREF_ADDRESS 0x258u
#define BP_INIT_SIZE    0x260u
#define BP_E820         0x2d0u

#define MAGIC_HDRS   0x53726448u
#define BOOT_FLAG    0xaa55u
#define LOADED_HIGH  0x01u
#define CAN_USE_HEAP 0x80u
#define LOADER_OTHER 0xffu
#define INITRD_LIMIT 0x7fffffffu
#define INITRD_LIMIT32 \
	0x37ffffffu /* what a 32-bit kernel maps with its usual split of addresses */

/* Versions from which on the header has something; before the first it has no magic. */
#define VERSION_HEADER       0x0200u
#define VERSION_HEAP         0x0201u
#define VERSION_CMDLINE      0x0202u /* its address */
#define VERSION_INITRD_MAX   0x0203u
#define VERSION_CMDLINE_SIZE 0x0206u
#define VERSION_PLACE        0x020au /* preferred address, and what it needs there */

/*
 * Of an image with a boot sector: that and the setup code behind it, bytes; the image may end
 * before.
 */
uint32_t linux_setup_size(const struct load_image *i);

/*
 * Puts an initrd (not empty) as high as it may end, so that the kernel's own growth never
 * reaches it. NULL and where it is, or what is wrong.
 */
const char *linux_place_initrd(const struct load_target *t, const struct load_image *initrd,
	uint32_t limit, uint64_t kernel_end, uint64_t *at);

#endif
