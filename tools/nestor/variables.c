/* SPDX-License-Identifier: Apache-2.0 */
/* Variables of firmware in files; see variables.h. */
#include "variables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "lib/l0_stream.h"
#include "record.h"
#include "spec/flash.h"

/* ---- what there is ---- */

int variables_load(struct arena *a, const struct vm_spec *vm, const struct bytes *firmware,
	struct bytes *out, struct error *e)
{
	const struct place *p = &vm->variables;
	size_t size = (size_t)flash_volume_size(firmware->data, firmware->size);

	if (!size)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the firmware of the VM '%s', '%s', keeps no variables", p->where,
			vm->config.name, vm->firmware.path);
	if (access(p->path, F_OK) < 0 && errno == ENOENT) {
		*out = (struct bytes){arena_alloc(a, size), size};
		memcpy(out->data, firmware->data, size);
		return 0;
	}
	if (file_read(a, p->path, p->where, out, e))
		return e->status;
	if (out->size == size)
		return 0;
	return fail(e, STATUS_BAD_INPUT,
		"%s: '%s' has %zu bytes: the variables of '%s' have %zu", p->where, p->path,
		out->size, vm->firmware.path, size);
}

/* The folder of a path, and what it is called there. */
static const char *split(const char *path, char folder[PATH_MAX])
{
	const char *name = file_base_name(path);

	snprintf(folder, PATH_MAX, "%.*s", (int)(name - path), path);
	if (name == path)
		strcpy(folder, ".");
	return name;
}

/* Files that are not there yet are the same if their folder and name are. */
static bool same_file(const char *one, const char *other)
{
	char a[PATH_MAX], b[PATH_MAX];
	struct stat sa, sb;

	if (stat(one, &sa) == 0 && stat(other, &sb) == 0)
		return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
	return strcmp(split(one, a), split(other, b)) == 0 && stat(a, &sa) == 0 &&
	       stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int variables_check(const struct scenario_spec *s, struct error *e)
{
	for (unsigned i = 0; i < s->vm_count; i++)
		for (unsigned k = 0; k < i; k++) {
			const struct place *p = &s->vms[i].variables, *o = &s->vms[k].variables;

			if (p->path && o->path && same_file(p->path, o->path))
				return fail(e, STATUS_BAD_INPUT,
					"%s: '%s' has the variables of the VM '%s' already (%s)",
					p->where, p->path, s->vms[k].config.name, o->where);
		}
	return 0;
}

/* ---- start and end ---- */

static int fail_at(const struct vm_variables *v, const char *what, struct error *e)
{
	return fail(e, STATUS_HOST_ERROR, "%s: cannot %s '%s': %s", v->file->where, what,
		v->file->path, strerror(errno));
}

/* All of it, on the disk; -1 with errno. */
static int fill(const struct vm_variables *v, int fd)
{
	struct stat st;
	ssize_t written;

	mode_t mask = umask(0);

	umask(mask);
	(void)fchmod(fd,
		v->lock >= 0 && fstat(v->lock, &st) == 0 ? st.st_mode & 0777 : 0644 & ~mask);
	written = write(fd, v->written, v->size);
	if (written >= 0 && (size_t)written < v->size)
		errno = ENOSPC;
	return written == (ssize_t)v->size ? fsync(fd) : -1;
}

/* Gives the file its name; a new one takes none that somebody else has given meanwhile. */
static int name_file(const struct vm_variables *v, const char *partial)
{
	if (v->lock >= 0)
		return rename(partial, v->path);
	if (link(partial, v->file->path) < 0)
		return -1;
	return unlink(partial);
}

/* Beside the file and renamed: it is never half written. Its lock comes with it. */
static int write_file(struct vm_variables *v, struct error *e)
{
	char partial[PATH_MAX];
	int fd;

	snprintf(partial, sizeof(partial), "%s.XXXXXX", v->path ? v->path : v->file->path);
	fd = mkostemp(partial, O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fill(v, fd) < 0 ||
		name_file(v, partial) < 0) {
		fail_at(v, "write", e);
		if (fd >= 0) {
			unlink(partial);
			close(fd);
		}
		return e->status;
	}
	if (v->lock >= 0)
		close(v->lock);
	v->lock = fd;
	v->changed = false;
	return 0;
}

/* Its name without links: what is renamed shall not take the place of one. */
static int find_path(struct vm_variables *v, struct error *e)
{
	v->path = realpath(v->file->path, NULL);
	return v->path ? 0 : fail_at(v, "find", e);
}

/*
 * Another run may have replaced the file since it was opened: then what is locked has no name
 * any more.
 */
static int lock_file(struct vm_variables *v, struct error *e)
{
	struct stat locked, named;

	v->lock = open(v->file->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (v->lock < 0)
		return errno != ENOENT         ? fail_at(v, "open", e)
		       : write_file(v, e) != 0 ? e->status
					       : find_path(v, e);
	if (flock(v->lock, LOCK_EX | LOCK_NB) < 0 || fstat(v->lock, &locked) < 0 ||
		stat(v->file->path, &named) < 0 || locked.st_ino != named.st_ino)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' has the variables of a VM of another run", v->file->where,
			v->file->path);
	if (pread(v->lock, v->coming, v->size, 0) != (ssize_t)v->size ||
		memcmp(v->coming, v->written, v->size) != 0)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s' was changed while it was read",
			v->file->where, v->file->path);
	return find_path(v, e);
}

int variables_open(struct variables *x, const struct scenario_spec *s,
	const struct vm_files *files, struct error *e)
{
	*x = (struct variables){.open = true};
	for (unsigned i = 0; i < s->vm_count; i++) {
		struct vm_variables *v = &x->vm[i];

		if (!s->vms[i].variables.path)
			continue;
		*v = (struct vm_variables){.file = &s->vms[i].variables, .lock = -1};
		v->size = files[i].variables.size;
		v->written = malloc(v->size);
		v->coming = malloc(v->size);
		if (!v->written || !v->coming)
			return fail_at(v, "read", e);
		memcpy(v->written, files[i].variables.data, v->size);
		if (lock_file(v, e))
			return e->status;
		memcpy(v->coming, v->written, v->size);
	}
	return 0;
}

int variables_close(struct variables *x, struct error *e)
{
	struct error first = {0};

	for (unsigned i = 0; x->open && i < LIMIT_VMS; i++) {
		struct vm_variables *v = &x->vm[i];

		if (!v->file)
			continue;
		if (v->changed)
			write_file(v, &first);
		if (v->lock >= 0)
			close(v->lock);
		free((char *)(uintptr_t)v->path);
		free(v->written);
		free(v->coming);
	}
	x->open = false;
	if (first.status && !e->status)
		*e = first;
	return first.status;
}

/* ---- what comes ---- */

static struct vm_variables *of_record(struct variables *x, const char *line)
{
	uint64_t vm = record_number(line, "channel") - L0_CHANNEL_VARIABLES;

	return x->open && vm < LIMIT_VMS && x->vm[vm].file ? &x->vm[vm] : NULL;
}

bool variables_record(struct variables *x, const char *line)
{
	struct vm_variables *v = of_record(x, line);
	uint64_t at = record_number(line, "at"), size = record_number(line, "size");

	if (record_is(line, "variables")) {
		if (v && at <= v->size && size <= v->size - at) {
			v->at = (size_t)at;
			v->left = (size_t)size;
		}
		return true;
	}
	if (!record_is(line, "variables-whole"))
		return false;
	if (v && v->left == 0 && memcmp(v->written, v->coming, v->size) != 0) {
		memcpy(v->written, v->coming, v->size);
		v->changed = true;
	}
	return true;
}

void variables_take(struct variables *x, unsigned vm, const uint8_t *bytes, size_t size)
{
	struct vm_variables *v = x->open && vm < LIMIT_VMS ? &x->vm[vm] : NULL;

	if (!v || !v->file)
		return;
	size = size < v->left ? size : v->left;
	memcpy(v->coming + v->at, bytes, size);
	v->at += size;
	v->left -= size;
}
