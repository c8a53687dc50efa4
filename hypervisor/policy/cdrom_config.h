/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CD-ROM drive is asked to be: the settings that L0 and the host tool share.
 */
#ifndef NESTOR_POLICY_CDROM_CONFIG_H
#define NESTOR_POLICY_CDROM_CONFIG_H

#include <stdint.h>

#include "lib/limits.h"
#include "policy/disk_config.h"

/* Ranges and defaults: cdrom_settings. */
struct cdrom_config {
	char vm[LIMIT_NAME];       /* whose it is */
	char name[DISK_NAME_SIZE]; /* also its serial number; none: L0 gives it one */
};

/* A row each; all have keys. */
extern const struct setting cdrom_settings[];

/* What is wrong with an image of so many bytes; NULL: nothing. */
const char *cdrom_size_error(uint64_t size);

#endif
