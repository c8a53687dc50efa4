/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk is asked to be: the settings that L0 and the host tool share, and what
 * follows from them.
 */
#ifndef NESTOR_POLICY_DISK_CONFIG_H
#define NESTOR_POLICY_DISK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "policy/setting.h"
#include "spec/virtio_blk.h"

#define DISK_NAME_SIZE (VIRTIO_BLK_ID_SIZE + 1u) /* with the final NUL */

/* Ranges and defaults: disk_settings. */
struct disk_config {
	char vm[LIMIT_NAME];       /* whose it is */
	char name[DISK_NAME_SIZE]; /* also its serial number; none: L0 gives it one */
	char server[LIMIT_NAME];   /* the VM that serves it by NBD; none: it is in memory */
	char export[LIMIT_EXPORT]; /* its name there; none: its own */
	uint32_t port;             /* of the server's virtio socket */
	uint32_t host;             /* the file of the host that it is; 0: none */
	uint64_t size;             /* bytes; 0: that of its image */
	uint64_t cow;              /* bytes that may be written; 0: DISK_COW_DEFAULT */
	uint32_t root_port;        /* it is in that slot; 0: on bus 0 */
	bool attached;             /* it is there from the start */
	bool bay;                  /* `host` is empty until somebody puts a file there */
	bool readonly;
};

#define DISK_COW_DEFAULT (64ull << 20)

/* A row each; all have keys. */
extern const struct setting disk_settings[];

static inline bool disk_config_is_remote(const struct disk_config *c)
{
	return c->server[0] != '\0';
}

/* Neither a file of the host nor at another VM. */
static inline bool disk_config_is_in_memory(const struct disk_config *c)
{
	return c->host == 0 && !disk_config_is_remote(c);
}

static inline const char *disk_config_export(const struct disk_config *c)
{
	return c->export[0] != '\0' ? c->export : c->name;
}

/* `image`: the size of the image, in bytes, as in all of the following. */
uint64_t disk_config_size(const struct disk_config *c, uint64_t image);
/* Pages that may be written. */
uint32_t disk_config_pages(const struct disk_config *c, uint64_t image);
/* Bytes of its VM's pool that it needs. */
uint64_t disk_config_memory(const struct disk_config *c, uint64_t image);

/* Why values that are right by themselves do not go together; NULL when they do. */
const char *disk_config_error(const struct disk_config *c, uint64_t image);

#endif
