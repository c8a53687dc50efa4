/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run lends to CD-ROM drives while it goes: the machine's disk for that (lib/media.h), a
 * sparse file, into which each medium is copied, and out of which it goes when no drive has it
 * any more. Does not own: what drives and Nestor say of it (bridge.h).
 */
#ifndef NESTOR_MEDIA_H
#define NESTOR_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "lib/media.h"
#include "lib/manage.h"
#include "status.h"

enum media_state {
	MEDIA_FREE,
	MEDIA_COPIED,  /* a part of it, as yet */
	MEDIA_READY,   /* all of it, but Nestor has not been told */
	MEDIA_OFFERED, /* whether its drive has it nobody has said */
	MEDIA_LENT
};

struct media_slot {
	enum media_state state;
	uint32_t number;                       /* of the medium */
	char vm[LIMIT_NAME], disk[LIMIT_NAME]; /* the drive */
	int file;                              /* while it is copied */
	uint64_t size, done;
};

struct media {
	int fd;        /* of the disk; -1: there is none */
	uint32_t used; /* numbers that were given */
	struct media_slot slot[MEDIA_SLOTS];
};

/* Makes the file of a disk with nothing on it in a folder; its path. */
int media_make(struct arena *a, const char *folder, const char **path, struct error *e);

/* @path NULL: there is none. */
int media_open(struct media *m, const char *path, struct error *e);
void media_close(struct media *m);

/*
 * A medium for a drive, from a file that becomes ours. NULL: it cannot be, as @why says, 128
 * bytes.
 */
struct media_slot *media_begin(
	struct media *m, int file, const char *vm, const char *disk, char *why);
/* Copies some of it. True: all of it is there. Else @why says what failed, or is empty. */
bool media_copy(struct media *m, struct media_slot *s, char *why);
void media_free(struct media *m, struct media_slot *s);

/* The drive has this medium now, or none of ours (NULL): what it had is free. */
void media_has(struct media *m, const char *vm, const char *disk, struct media_slot *s);
/* The VM has gone for good. */
void media_gone(struct media *m, const char *vm);

#endif
