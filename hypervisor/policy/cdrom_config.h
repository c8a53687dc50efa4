/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CD-ROM drive is asked to be, and the images that a run has for them: the settings that
 * L0 and the host tool share.
 */
#ifndef NESTOR_POLICY_CDROM_CONFIG_H
#define NESTOR_POLICY_CDROM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "policy/disk_config.h"

/* Ranges and defaults: cdrom_settings. */
struct cdrom_config {
	char vm[LIMIT_NAME];       /* whose it is */
	char name[DISK_NAME_SIZE]; /* also its serial number; none: L0 gives it one */
	bool empty;                /* it begins without a medium */
};

/* An image that a drive may be given while the run goes. */
struct image_config {
	char name[LIMIT_NAME];
};

/* Words for media that are no names of images: what the drive began with, nothing, a file that
 * is lent. */
#define CDROM_OWN  "own"
#define CDROM_NONE "none"
#define CDROM_LENT "file"

/* A row each; all have keys. */
extern const struct setting cdrom_settings[];
extern const struct setting image_settings[];

/* What is wrong with the name; NULL: nothing. */
const char *image_config_error(const struct image_config *c);

/* What is wrong with an image of so many bytes; NULL: nothing. */
const char *cdrom_size_error(uint64_t size);

#endif
