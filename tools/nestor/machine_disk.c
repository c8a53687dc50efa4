/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's disk; see machine_disk.h. */
#include "machine_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool keeps(const struct machine_spec *m)
{
	return m->disk_changes == DISK_CHANGES_KEEP;
}

/* The file's descriptor, or -1 with an error. */
static int open_disk(const struct machine_spec *m, struct stat *st, struct error *e)
{
	const struct place *d = &m->disk;
	int fd = open(d->path, (keeps(m) ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		fail(e, STATUS_BAD_INPUT, "%s: '%s': %s%s", d->where, d->path, strerror(errno),
			errno == EACCES || errno == EROFS
				? keeps(m) ? ": the machine writes its disk, unless its "
					     "changes are to be discarded"
					   : ""
				: "");
		return -1;
	}
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		fail(e, STATUS_BAD_INPUT, "%s: '%s' is not a file", d->where, d->path);
	else if (st->st_size == 0 || st->st_size % MACHINE_DISK_SECTOR != 0)
		fail(e, STATUS_BAD_INPUT,
			"%s: '%s' has %llu bytes: must be a multiple of %u, and more than 0",
			d->where, d->path, (unsigned long long)st->st_size,
			MACHINE_DISK_SECTOR);
	if (!e->status)
		return fd;
	close(fd);
	return -1;
}

/* A file that the run reads must not change while it does. */
static int refuse_same(const struct machine_spec *m, const struct stat *disk,
	const struct place *other, struct error *e)
{
	struct stat st;

	if (!keeps(m) || !other->path || stat(other->path, &st) < 0 ||
		st.st_dev != disk->st_dev || st.st_ino != disk->st_ino)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: '%s' is used twice: %s names it, too",
		m->disk.where, m->disk.path, other->where);
}

int machine_disk_check(const struct scenario_spec *s, const struct place *iso, struct error *e)
{
	struct stat st;
	int fd;

	if (!s->machine.disk.path)
		return 0;
	fd = open_disk(&s->machine, &st, e);
	if (fd < 0)
		return e->status;
	close(fd);
	if (refuse_same(&s->machine, &st, iso, e))
		return e->status;
	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];

		for (unsigned k = 0; k < vm->disk_count; k++)
			if (refuse_same(&s->machine, &st, &vm->disks[k].image, e))
				return e->status;
		for (unsigned k = 0; k < vm->cdrom_count; k++)
			if (refuse_same(&s->machine, &st, &vm->cdroms[k].image, e))
				return e->status;
	}
	for (unsigned i = 0; i < s->image_count; i++)
		if (refuse_same(&s->machine, &st, &s->images[i].file, e))
			return e->status;
	return 0;
}

int machine_disk_prepare(struct arena *a, const struct machine_spec *m, const char *folder,
	const char **path, uint64_t *size, struct error *e)
{
	struct stat st;
	char *whole;
	int fd;

	*path = NULL;
	if (!m->disk.path)
		return 0;
	fd = open_disk(m, &st, e); /* stays open, for its lock */
	if (fd < 0)
		return e->status;
	if (flock(fd, (keeps(m) ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is the disk of another machine that runs", m->disk.where,
			m->disk.path);
	*size = (uint64_t)st.st_size;
	*path = arena_format(a, "%s/disk.img", folder);
	whole = realpath(m->disk.path, NULL);
	/* What a machine that was killed left in a folder that was kept; Bochs' lock, too. */
	unlink(*path);
	unlink(arena_format(a, "%s.lock", *path));
	if (!whole || symlink(whole, *path) < 0)
		fail(e, STATUS_HOST_ERROR, "cannot create '%s': %s", *path, strerror(errno));
	free(whole);
	return e->status;
}
