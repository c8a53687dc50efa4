/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOR flash with Intel's command set, as firmware finds it on a PC: 8 bits wide; and the volume
 * of variables at the start of a UEFI image (PI specification, volume 3, 3.2.1 "Firmware Volume
 * Header").
 */
#ifndef NESTOR_SPEC_FLASH_H
#define NESTOR_SPEC_FLASH_H

#include <stdint.h>

enum flash_command {
	FLASH_READ_ARRAY_0 = 0x00,
	FLASH_PROGRAM = 0x10, /* then a byte */
	FLASH_ERASE = 0x20,   /* then FLASH_CONFIRM, in the block */
	FLASH_PROGRAM_2 = 0x40,
	FLASH_CLEAR_STATUS = 0x50,
	FLASH_READ_STATUS = 0x70,
	FLASH_READ_ID = 0x90,
	FLASH_CONFIRM = 0xd0,
	FLASH_BUFFER = 0xe8, /* then a count less 1, so many bytes, FLASH_CONFIRM */
	FLASH_READ_ARRAY = 0xff
};

#define FLASH_STATUS_READY 0x80u
#define FLASH_STATUS_ERASE 0x20u /* a sequence that is none */
#define FLASH_BLOCK        4096u
#define FLASH_MANUFACTURER 0x89u /* Intel */
#define FLASH_DEVICE       0x18u

enum volume_header {
	VOLUME_GUID = 16,
	VOLUME_LENGTH = 32,   /* 64 bits */
	VOLUME_SIGNATURE = 40 /* "_FVH" */
};

/* EFI_SYSTEM_NV_DATA_FV_GUID */
#define VOLUME_NV_DATA_GUID                                                                   \
	{                                                                                     \
		0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, \
			0x5b, 0x4f, 0x50                                                      \
	}

/* How long the volume of variables is at the start of an image; 0: there is none. */
uint64_t flash_volume_size(const uint8_t *image, uint64_t size);

#endif
