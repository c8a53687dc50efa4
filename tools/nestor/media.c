/* SPDX-License-Identifier: Apache-2.0 */
/* What a run lends; see media.h. */
#include "media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "policy/cdrom_config.h"

#define PIECE 8388608 /* bytes that are copied while nothing else is done */
#define WHY   128u

int media_make(struct arena *a, const char *folder, const char **path, struct error *e)
{
	*path = arena_format(a, "%s/media.img", folder);
	/* What a machine that was killed left in a folder that was kept; Bochs' lock, too. */
	unlink(*path);
	unlink(arena_format(a, "%s.lock", *path));
	if (file_write_text(*path, MEDIA_LABEL, e))
		return e->status;
	if (truncate(*path, (off_t)MEDIA_DISK_SIZE) == 0)
		return 0;
	return fail(e, STATUS_HOST_ERROR,
		"cannot make '%s', a sparse file of %llu GiB for media: %s", *path,
		(unsigned long long)MEDIA_DISK_SIZE >> 30, strerror(errno));
}

int media_open(struct media *m, const char *path, struct error *e)
{
	*m = (struct media){.fd = -1};
	if (!path)
		return 0;
	m->fd = open(path, O_RDWR | O_CLOEXEC);
	if (m->fd >= 0)
		return 0;
	return fail(e, STATUS_HOST_ERROR, "cannot open '%s': %s", path, strerror(errno));
}

void media_close(struct media *m)
{
	for (unsigned i = 0; i < MEDIA_SLOTS; i++)
		media_free(m, &m->slot[i]);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

/* ---- a medium ---- */

void media_free(struct media *m, struct media_slot *s)
{
	off_t at = (off_t)media_place(s->number);

	if (s->state == MEDIA_FREE)
		return;
	/* It is only room that this gives back: what a number has said is not read again. */
	if (s->done &&
		fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			(off_t)s->done) < 0 &&
		errno != EOPNOTSUPP)
		fprintf(stderr, "nestor: a medium's memory is not given back: %s\n",
			strerror(errno));
	if (s->file >= 0)
		close(s->file);
	*s = (struct media_slot){.state = MEDIA_FREE, .file = -1};
}

static const char *judge(const struct media *m, int file, struct stat *st)
{
	if (m->fd < 0)
		return "this run takes no files: none of its VMs had a CD-ROM drive when it began";
	if (file < 0)
		return "no file came with it: is the run on another machine?";
	if (fstat(file, st) < 0 || !S_ISREG(st->st_mode) ||
		(fcntl(file, F_GETFL) & O_ACCMODE) == O_WRONLY)
		return "what came with it is no file that can be read";
	if ((uint64_t)st->st_size > MEDIA_SLOT_SIZE)
		return "the file has more than 7 GiB";
	return cdrom_size_error((uint64_t)st->st_size);
}

/* Numbers follow each other, so a slot has a new one each time. */
static struct media_slot *take_slot(struct media *m)
{
	for (unsigned i = 0; i < MEDIA_SLOTS; i++) {
		uint32_t number = m->used % MEDIA_NUMBER_MAX + 1;
		struct media_slot *s = &m->slot[number % MEDIA_SLOTS];

		m->used = number;
		if (s->state != MEDIA_FREE)
			continue;
		s->number = number;
		return s;
	}
	return NULL;
}

struct media_slot *media_begin(
	struct media *m, int file, const char *vm, const char *disk, char *why)
{
	const char *wrong;
	struct media_slot *s = NULL;
	struct stat st;

	wrong = judge(m, file, &st);
	if (!wrong && !(s = take_slot(m)))
		wrong = "as many files are lent already as can be (16)";
	if (wrong) {
		snprintf(why, WHY, "%s", wrong);
		if (file >= 0)
			close(file);
		return NULL;
	}
	*s = (struct media_slot){.state = MEDIA_COPIED,
		.number = s->number,
		.file = file,
		.size = (uint64_t)st.st_size};
	snprintf(s->vm, sizeof(s->vm), "%s", vm);
	snprintf(s->disk, sizeof(s->disk), "%s", disk);
	return s;
}

/* Where file systems cannot do it by themselves. */
static ssize_t copy_by_hand(int from, off_t *at, int to, off_t *place, size_t size)
{
	static char buffer[1 << 18];
	ssize_t got = pread(from, buffer, size < sizeof(buffer) ? size : sizeof(buffer), *at);

	if (got > 0)
		got = pwrite(to, buffer, (size_t)got, *place);
	if (got > 0) {
		*at += got;
		*place += got;
	}
	return got;
}

static ssize_t copy(int from, off_t *at, int to, off_t *place, size_t size)
{
	ssize_t n = copy_file_range(from, at, to, place, size, 0);

	if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP ||
			     errno == ENOSYS || errno == EBADF))
		n = copy_by_hand(from, at, to, place, size);
	return n;
}

bool media_copy(struct media *m, struct media_slot *s, char *why)
{
	off_t at = (off_t)s->done, place = (off_t)(media_place(s->number) + s->done);
	uint64_t left = s->size - s->done;
	ssize_t n = copy(s->file, &at, m->fd, &place, left < PIECE ? (size_t)left : PIECE);

	*why = 0;
	if (n < 0 && errno == EINTR)
		return false;
	if (n <= 0) {
		snprintf(why, WHY, "the file cannot be copied: %s",
			n ? strerror(errno) : "it is shorter than it was");
		return false;
	}
	s->done += (uint64_t)n;
	if (s->done < s->size)
		return false;
	close(s->file);
	s->file = -1;
	s->state = MEDIA_READY;
	return true;
}

/* ---- drives ---- */

void media_has(struct media *m, const char *vm, const char *disk, struct media_slot *s)
{
	for (unsigned i = 0; i < MEDIA_SLOTS; i++) {
		struct media_slot *other = &m->slot[i];

		if (other != s && other->state >= MEDIA_OFFERED && strcmp(other->vm, vm) == 0 &&
			strcmp(other->disk, disk) == 0)
			media_free(m, other);
	}
	if (s)
		s->state = MEDIA_LENT;
}

void media_gone(struct media *m, const char *vm)
{
	for (unsigned i = 0; i < MEDIA_SLOTS; i++)
		if (m->slot[i].state >= MEDIA_OFFERED && strcmp(m->slot[i].vm, vm) == 0)
			media_free(m, &m->slot[i]);
}
