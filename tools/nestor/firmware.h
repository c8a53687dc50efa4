/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware of VMs: which Debian's packages have, and files of one's own. */
#ifndef NESTOR_FIRMWARE_H
#define NESTOR_FIRMWARE_H

#include <stdbool.h>

#include "arena.h"
#include "bytes.h"
#include "policy/vm_config.h"
#include "setting.h"
#include "status.h"

#define FIRMWARE_SEABIOS "seabios"

/* Words that stand for the firmware of packages; ended by NULL. */
extern const char *const firmware_words[];

/* Reads what @from names, a word of these or a file, and checks its size. */
int firmware_load(
	struct arena *a, const struct place *from, struct bytes *out, struct error *e);

/*
 * The option ROM with which firmware that is no UEFI starts from virtio network devices, of the
 * package ipxe-qemu.
 */
#define FIRMWARE_BOOT_ROM "/usr/lib/ipxe/qemu/pxe-virtio.rom"
bool firmware_is_uefi(const struct bytes *firmware);

/*
 * Reads the VGA BIOS that a display needs with firmware that is a BIOS. UEFI firmware has no
 * use for it; what a file is nobody knows: it gets it, if it is there.
 */
int firmware_load_vgabios(struct arena *a, const struct place *from, enum vm_display display,
	struct bytes *out, struct error *e);

/* The file that @from stands for. */
const char *firmware_path(const struct place *from);

#endif
