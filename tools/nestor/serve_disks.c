/* SPDX-License-Identifier: Apache-2.0 */
/* Disks for bays; see serve_disks.h. */
#include "serve_disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "host_disk.h"
#include "lib/text.h"
#include "spec/virtio_blk.h"

#define SHOWN   1000 /* of the files of a folder */
#define SECONDS 30   /* the run does not copy it */

/* As the command line has it: set before anybody asks. */
static int from_folder = -1;
static uint64_t scratch_limit;
static const char *scratch_folder;

static int bad(const char *option, const char *value, const char *why, struct error *e)
{
	return fail(e, STATUS_USAGE, "%s: '%.100s': %s", option, value, why);
}

int serve_disks_begin(const char *from, const char *limit, const char *folder, struct error *e)
{
	if (from) {
		from_folder = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (from_folder < 0)
			return bad("--disks-from", from, strerror(errno), e);
	}
	if (!limit)
		return 0;
	if (!text_number(text_of(limit, strlen(limit)), &scratch_limit) ||
		scratch_limit < VIRTIO_BLK_SECTOR || scratch_limit > HOST_DISK_SCRATCH_MAX)
		return bad("--scratch-limit", limit, "a size from 512 to 1024G", e);
	if (access(folder, W_OK | X_OK) < 0)
		return bad("--media-folder", folder, strerror(errno), e);
	scratch_folder = folder;
	return 0;
}

/* A name that starts with a dot is hidden, or leads elsewhere. */
static bool is_disk_name(const char *name)
{
	return *name != '.' && strlen(name) < SERVE_FILE && serve_is_name(name);
}

/* Neither a link, which might lead out of the folder, nor what blocks whoever opens it. */
static int open_disk(const char *name, bool keep, struct serve_problem *p)
{
	int fd = -1, why = ENOENT;
	struct stat st;

	if (from_folder < 0) {
		serve_problem(p, 400,
			"bays are given disks of the folder that `nestor serve` was told of "
			"(--disks-from), and it was told of none");
		return -1;
	}
	/* What is no file is not even opened: somebody may wait at its other end. */
	if (is_disk_name(name) && fstatat(from_folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode)) {
		fd = openat(from_folder, name,
			(keep ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
		why = errno;
	}
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
		why = ENOENT;
	}
	if (fd < 0 && (why == ENOENT || why == ELOOP || why == EISDIR || why == ENXIO))
		serve_problem(p, 404, "there is no disk '%.60s' in the folder", name);
	else if (fd < 0)
		serve_problem(p, why == EACCES || why == EROFS ? 409 : 503,
			"the disk '%.60s' cannot be %s: %s", name, keep ? "written" : "read",
			strerror(why));
	return fd;
}

static int make_scratch(uint64_t size, struct serve_problem *p)
{
	int fd;

	if (size > scratch_limit) {
		serve_problem(p, 400,
			"an empty disk has at most %" PRIu64 " bytes here (--scratch-limit)",
			scratch_limit);
		return -1;
	}
	fd = file_make_unnamed(scratch_folder, size);
	if (fd < 0)
		serve_problem(p, 503, "no file can be made in '%.100s': %s", scratch_folder,
			strerror(errno));
	return fd;
}

/* An empty disk is nobody else's: what is written stays as long as it is in its bay. */
bool serve_disks_fill(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];
	bool done;
	int file = *q->file ? open_disk(q->file, q->flag, &j->problem)
			    : make_scratch(q->scratch, &j->problem);

	if (file < 0)
		return false;
	snprintf(more, sizeof(more), "vm=%s slot=%u keep=%d", q->vm, q->slot,
		q->flag || !*q->file);
	done = serve_run_lend(&j->run, "fill", more, file, SECONDS);
	close(file);
	if (done)
		fprintf(stderr, "nestor serve: %s, slot %u: %s%s\n", q->vm, q->slot,
			*q->file ? q->file : "an empty disk", q->flag ? ", kept" : "");
	j->reply->status = 204;
	return done;
}

/* ---- what there is ---- */

static int is_shown(const struct dirent *entry)
{
	return is_disk_name(entry->d_name);
}

static void add_disk(json_t *disks, const char *name)
{
	struct stat st;

	if (fstatat(from_folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		json_array_size(disks) < SHOWN)
		json_array_append_new(disks,
			json_pack("{s:s, s:I}", "name", name, "size", (json_int_t)st.st_size));
}

bool serve_disks(struct serve_job *j)
{
	json_t *disks = json_array();
	struct dirent **list = NULL;
	int n = from_folder < 0 ? 0 : scandirat(from_folder, ".", &list, is_shown, alphasort);

	if (n < 0) {
		json_decref(disks);
		return serve_problem(&j->problem, 503, "the folder of disks cannot be read: %s",
			strerror(errno));
	}
	for (int i = 0; i < n; i++) {
		add_disk(disks, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	serve_reply_json(j->reply, 200,
		json_pack("{s:o, s:I}", "disks", disks, "scratch", (json_int_t)scratch_limit));
	return true;
}
