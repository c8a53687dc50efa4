/* SPDX-License-Identifier: Apache-2.0 */
/* Files and temporary folders; see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT (1UL << 30)

static int read_all(struct arena *a, int fd, size_t size, struct bytes *out)
{
	*out = (struct bytes){arena_alloc(a, size + 1), 0};
	while (out->size < size) {
		ssize_t got = read(fd, out->data + out->size, size - out->size);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		out->size += (size_t)got;
	}
	return 0;
}

int file_read(struct arena *a, const char *path, const char *where, struct bytes *out,
	struct error *e)
{
	struct stat st;
	int status = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", where, path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		status = fail(e, STATUS_BAD_INPUT, "%s: '%s' is not a file", where, path);
	else if ((uint64_t)st.st_size > FILE_LIMIT)
		status =
			fail(e, STATUS_BAD_INPUT, "%s: '%s' is larger than 1 GiB", where, path);
	else if (read_all(a, fd, (size_t)st.st_size, out) < 0)
		status =
			fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", where, path, strerror(errno));
	close(fd);
	return status;
}

int file_read_at(struct arena *a, const char *path, const char *where, uint64_t offset,
	size_t size, struct bytes *out, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = -1;

	*out = (struct bytes){arena_alloc(a, size), 0};
	if (fd >= 0)
		got = pread(fd, out->data, size, (off_t)offset);
	if (got < 0)
		fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", where, path, strerror(errno));
	else
		out->size = (size_t)got;
	if (fd >= 0)
		close(fd);
	return got < 0 ? e->status : 0;
}

int file_check_new(
	const char *path, const char *where, enum exit_status status, struct error *e)
{
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) + 1 : 1;
	struct arena a = {NULL};
	const char *folder = arena_format(&a, "%.*s", length, slash ? path : ".");
	struct stat st;

	if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (access(folder, W_OK | X_OK) == 0)
		errno = 0;
	if (errno)
		fail(e, status, "%s: the folder '%s': %s", where, folder, strerror(errno));
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		fail(e, status, "%s: there is a folder of this name", where);
	arena_free(&a);
	return e->status;
}

static int write_all(
	const char *path, int flags, uint64_t offset, const struct bytes *b, struct error *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	size_t done = 0;

	if (fd < 0)
		return fail(
			e, STATUS_HOST_ERROR, "cannot create '%s': %s", path, strerror(errno));
	while (done < b->size) {
		ssize_t n = pwrite(fd, b->data + done, b->size - done, (off_t)(offset + done));

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (close(fd) < 0 || done < b->size)
		return fail(
			e, STATUS_HOST_ERROR, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

int file_write(const char *path, const struct bytes *content, struct error *e)
{
	return write_all(path, O_TRUNC, 0, content, e);
}

int file_write_text(const char *path, const char *text, struct error *e)
{
	struct bytes b = {(uint8_t *)(uintptr_t)text, strlen(text)};

	return file_write(path, &b, e);
}

int file_write_at(
	const char *path, uint64_t offset, const struct bytes *content, struct error *e)
{
	return write_all(path, 0, offset, content, e);
}

int file_make_temporary(struct arena *a, const char **out, struct error *e)
{
	const char *base = getenv("TMPDIR");
	char *path = arena_format(a, "%s/nestor.XXXXXX", base && *base ? base : P_tmpdir);

	if (!mkdtemp(path))
		return fail(
			e, STATUS_HOST_ERROR, "cannot create '%s': %s", path, strerror(errno));
	*out = path;
	return 0;
}

/* Not all file systems have files without a name. */
int file_make_unnamed(const char *folder, uint64_t size)
{
	char path[PATH_MAX];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600), why;

	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/nestor-XXXXXX", folder);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
		why = errno;
		close(fd);
		errno = why;
		fd = -1;
	}
	return fd;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void file_remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *file_find_program(struct arena *a, const char *name)
{
	const char *part = getenv("PATH");

	while (part && *part) {
		int length = (int)strcspn(part, ":");
		const char *path = arena_format(a, "%.*s/%s", length, part, name);

		if (access(path, X_OK) == 0)
			return path;
		part += length;
		part += *part == ':';
	}
	return NULL;
}

const char *file_own_folder(struct arena *a)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length <= 0)
		return ".";
	path[length] = 0;
	*strrchr(path, '/') = 0;
	return arena_copy(a, path);
}

const char *file_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
