/* SPDX-License-Identifier: Apache-2.0 */
/* Files of this host as disks; see host_disk.h. */
#include "host_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "machine_disk.h"
#include "spec/virtio_blk.h"

static bool keeps(const struct disk_spec *d)
{
	return d->changes == DISK_CHANGES_KEEP && !d->config.readonly;
}

/* ---- which they are ---- */

static int check_size(const struct disk_spec *d, uint64_t size, struct error *e)
{
	if (size != 0 && size % VIRTIO_BLK_SECTOR == 0)
		return 0;
	return fail(e, STATUS_BAD_INPUT,
		"%s: '%s' has %llu bytes: must be a multiple of %u, and more than 0",
		d->image.where, d->image.path, (unsigned long long)size, VIRTIO_BLK_SECTOR);
}

static int number_disk(
	const struct vm_spec *vm, struct disk_spec *d, uint32_t *count, struct error *e)
{
	bool wanted = d->changes == DISK_CHANGES_KEEP;
	struct stat st;
	uint64_t size;

	if (d->config.host) /* looked at before */
		d->config.size = d->config.host = 0;
	if (d->config.bay && vm->config.reserve)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the memory of '%s' moves ('reserve'), which does not go together with "
			"a 'bay'",
			d->where, vm->config.name);
	if (d->config.bay)
		d->config.host = ++*count;
	if (!d->image.path)
		return wanted ? fail(e, STATUS_BAD_INPUT,
					"%s: 'changes: keep' is for a disk with an 'image'",
					d->where)
			      : 0;
	if (stat(d->image.path, &st) < 0)
		return wanted ? fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", d->image.where,
					d->image.path, strerror(errno))
			      : 0;
	size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) && wanted)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s' is not a file", d->image.where,
			d->image.path);
	if (!S_ISREG(st.st_mode) || (!wanted && size <= HOST_DISK_LOADED_MAX))
		return 0;
	if (d->config.cow)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is not loaded (%s): 'cow' is for changes in memory, leave it out",
			d->where, d->image.path,
			wanted ? "its changes are kept" : "it has more than 1024M");
	if (vm->config.reserve)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is not loaded (%s), and the memory of '%s' moves ('reserve'), "
			"which does not go together",
			d->where, d->image.path,
			wanted ? "its changes are kept" : "it has more than 1024M",
			vm->config.name);
	d->config.host = ++*count;
	d->config.size = size;
	return check_size(d, size, e);
}

int host_disks_number(struct scenario_spec *s, struct error *e)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < s->vm_count; i++)
		for (unsigned k = 0; k < s->vms[i].disk_count; k++)
			if (number_disk(&s->vms[i], &s->vms[i].disks[k], &count, e))
				return e->status;
	s->machine.host_disks = count;
	return 0;
}

int host_disks_refuse(const struct vm_spec *vm, struct error *e)
{
	for (unsigned k = 0; k < vm->disk_count; k++)
		if (vm->disks[k].config.bay)
			return fail(e, STATUS_BAD_INPUT,
				"%s: an image has no bay: what it has comes from `nestor attach`",
				vm->disks[k].where);
		else if (vm->disks[k].config.host)
			return fail(e, STATUS_BAD_INPUT,
				"%s: '%s': an image has no disk whose changes are kept, nor one "
				"of more than 1024M: let another VM serve it ('nbd')",
				vm->disks[k].image.where, vm->disks[k].image.path);
	return 0;
}

/* ---- two of the same ---- */

static bool is_at(const struct place *p, const struct stat *file)
{
	struct stat st;

	return p->path && stat(p->path, &st) == 0 && st.st_dev == file->st_dev &&
	       st.st_ino == file->st_ino;
}

/* Where a VM names this file; NULL: nowhere, or at `but` only. */
static const struct place *find_in_vm(
	const struct vm_spec *vm, const struct stat *file, const struct place *but)
{
	const struct place *one[] = {&vm->variables, &vm->kernel, &vm->initrd, &vm->firmware};

	for (unsigned k = 0; k < vm->disk_count; k++)
		if (&vm->disks[k].image != but && is_at(&vm->disks[k].image, file))
			return &vm->disks[k].image;
	for (unsigned k = 0; k < vm->cdrom_count; k++)
		if (is_at(&vm->cdroms[k].image, file))
			return &vm->cdroms[k].image;
	for (unsigned k = 0; k < vm->module_count; k++)
		if (is_at(&vm->modules[k].file, file))
			return &vm->modules[k].file;
	for (unsigned k = 0; k < sizeof(one) / sizeof(one[0]); k++)
		if (is_at(one[k], file))
			return one[k];
	return NULL;
}

/* The same of all VMs, and of what is the machine's or the run's. */
static const struct place *find_place(
	const struct scenario_spec *s, const struct stat *file, const struct place *but)
{
	const struct place *found = NULL;

	for (unsigned i = 0; i < s->vm_count && !found; i++)
		found = find_in_vm(&s->vms[i], file, but);
	for (unsigned i = 0; i < s->image_count && !found; i++)
		if (is_at(&s->images[i].file, file))
			found = &s->images[i].file;
	return !found && is_at(&s->machine.disk, file) ? &s->machine.disk : found;
}

static int check_kept(const struct disk_spec *d, const struct scenario_spec *s,
	const struct place *iso, struct error *e)
{
	const struct place *other;
	struct stat st;

	if (!d->config.host || !d->image.path || !keeps(d) || stat(d->image.path, &st) < 0)
		return 0;
	other = find_place(s, &st, &d->image);
	if (!other && is_at(iso, &st))
		other = iso;
	return other ? fail(e, STATUS_BAD_INPUT,
			       "%s: '%s' is used twice, and its changes are kept: %s names it, too",
			       d->image.where, d->image.path, other->where)
		     : 0;
}

int host_disks_check(const struct scenario_spec *s, const struct place *iso, struct error *e)
{
	for (unsigned i = 0; i < s->vm_count; i++)
		for (unsigned k = 0; k < s->vms[i].disk_count; k++)
			if (check_kept(&s->vms[i].disks[k], s, iso, e))
				return e->status;
	return 0;
}

/* ---- for the machine ---- */

static int lock_disk(const struct disk_spec *d, struct error *e)
{
	bool keep = keeps(d);
	int fd = open(d->image.path, (keep ? O_RDWR : O_RDONLY) | O_CLOEXEC);

	if (fd < 0)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", d->image.where, d->image.path,
			strerror(errno));
	/* It stays open, for its lock. */
	if (flock(fd, (keep ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: '%s' is the disk of another run", d->image.where,
		d->image.path);
}

static const char *const uses[] = {"keep", "read", "discard", "bay"};

#define USE_BAY 3u

static const char *link_name(struct arena *a, const char *folder, uint32_t disk, unsigned use)
{
	return arena_format(a, "%s/disk%u.%s", folder, disk, uses[use]);
}

/* What a run left whose folder was kept: the device takes whatever is there. */
static void forget_disks(struct arena *a, const char *folder)
{
	for (uint32_t disk = 1; disk <= LIMIT_VMS * LIMIT_DISKS; disk++)
		for (unsigned use = 0; use < sizeof(uses) / sizeof(uses[0]); use++)
			unlink(link_name(a, folder, disk, use));
}

static int link_disk(
	struct arena *a, const struct disk_spec *d, const char *folder, struct error *e)
{
	unsigned use = keeps(d) ? 0 : d->config.readonly ? 1 : 2;
	const char *name = link_name(a, folder, d->config.host, use);
	char *whole = realpath(d->image.path, NULL);

	if (!whole || symlink(whole, name) < 0)
		fail(e, STATUS_HOST_ERROR, "cannot create '%s': %s", name, strerror(errno));
	free(whole);
	return e->status;
}

static int make_bay(
	struct arena *a, const struct disk_spec *d, const char *folder, struct error *e)
{
	return file_write_text(link_name(a, folder, d->config.host, USE_BAY), "", e);
}

static int prepare(struct arena *a, const struct disk_spec *d, enum machine_kind kind,
	const char *folder, struct error *e)
{
	if (!d->config.host)
		return 0;
	if (d->config.bay)
		return kind == MACHINE_BOCHS ? make_bay(a, d, folder, e)
					     : fail(e, STATUS_BAD_INPUT,
						       "%s: a 'bay' needs the emulated machine "
						       "(--machine bochs)",
						       d->where);
	if (kind != MACHINE_BOCHS)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s': a disk whose changes are kept, or of more than 1024M, needs the "
			"emulated machine (--machine bochs); elsewhere let another VM serve it "
			"('nbd')",
			d->image.where, d->image.path);
	if (lock_disk(d, e))
		return e->status;
	return link_disk(a, d, folder, e);
}

int host_disks_prepare(struct arena *a, const struct scenario_spec *s, enum machine_kind kind,
	const char *folder, struct error *e)
{
	if (s->machine.host_disks)
		forget_disks(a, folder);
	for (unsigned i = 0; i < s->vm_count; i++)
		for (unsigned k = 0; k < s->vms[i].disk_count; k++)
			if (prepare(a, &s->vms[i].disks[k], kind, folder, e))
				return e->status;
	return 0;
}

/* ---- bays ---- */

void host_bays_begin(struct host_bays *b, const struct scenario_spec *s, const char *folder)
{
	*b = (struct host_bays){.s = s, .folder = folder};
	for (unsigned i = 0; i < HOST_BAYS; i++)
		b->file[i] = b->next[i] = -1;
}

void host_bays_end(struct host_bays *b)
{
	for (unsigned i = 0; i < HOST_BAYS; i++) {
		host_bay_settle(b, i + 1, false);
		if (b->file[i] >= 0)
			close(b->file[i]);
		b->file[i] = -1;
	}
}

uint32_t host_bay_find(const struct host_bays *b, const char *vm, unsigned port)
{
	for (unsigned i = 0; b->s && i < b->s->vm_count; i++) {
		const struct vm_spec *v = &b->s->vms[i];

		if (strcmp(v->config.name, vm) != 0)
			continue;
		for (unsigned k = 0; k < v->disk_count; k++)
			if (v->disks[k].config.bay && v->disks[k].config.root_port == port)
				return v->disks[k].config.host;
	}
	return 0;
}

/* Is it what is in the bay already? Its lock is that of the bay then. */
static bool is_same(int file, int in_bay)
{
	struct stat st, was;

	return in_bay >= 0 && fstat(file, &st) == 0 && fstat(in_bay, &was) == 0 &&
	       st.st_dev == was.st_dev && st.st_ino == was.st_ino;
}

static bool lock(int file, bool keep)
{
	return flock(file, (keep ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0;
}

/* A file that was in the bay and is kept from now on needs more of its lock; less waits until
 * Nestor has looked. A lock that cannot be had is lost, and so taken again. */
static bool lock_again(const struct host_bays *b, uint32_t bay, bool keep)
{
	int file = b->file[bay - 1];

	if (!keep || b->keeps[bay - 1] || lock(file, true))
		return true;
	lock(file, false);
	return false;
}

static const char *judge(const struct host_bays *b, uint32_t bay, int file, bool keep)
{
	struct stat st;
	int mode;

	if (file < 0)
		return "no file came with it: is the run on another machine?";
	mode = fcntl(file, F_GETFL) & O_ACCMODE;
	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode) || mode == O_WRONLY)
		return "what came with it is no file that can be read";
	if (keep && mode != O_RDWR)
		return "what came with it cannot be written";
	if (keep && find_place(b->s, &st, NULL))
		return "the run has it for something else, and its changes would be kept";
	if (st.st_size == 0 || st.st_size % VIRTIO_BLK_SECTOR != 0)
		return "a disk has a multiple of 512 bytes, and more than 0";
	if (is_same(file, b->file[bay - 1]) ? lock_again(b, bay, keep) : lock(file, keep))
		return NULL;
	return "it is the disk of another VM or run";
}

static void bay_path(
	const struct host_bays *b, uint32_t bay, bool keep, char *path, size_t size)
{
	snprintf(path, size, "%s/disk%u.%s", b->folder, bay, uses[keep ? 0 : 2]);
}

/* The lock of what the bay has, if that was offered anew, is for what it is used for now. */
static bool settle_lock(const struct host_bays *b, uint32_t bay, int offered, bool keep)
{
	int file = b->file[bay - 1];

	if (!is_same(offered, file))
		return false;
	lock(file, keep);
	return true;
}

/* The device opens what its link leads to: the same file, whatever its name or none. */
const char *host_bay_offer(struct host_bays *b, uint32_t bay, int file, bool keep)
{
	char path[512], target[64];
	const char *why;

	if (b->next[bay - 1] >= 0)
		return "another file is put there just now";
	why = judge(b, bay, file, keep);
	if (why)
		return why;
	bay_path(b, bay, keep, path, sizeof(path));
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)getpid(), file);
	if (symlink(target, path) < 0) {
		settle_lock(b, bay, file, b->keeps[bay - 1]);
		return "there is no room in the machine's folder";
	}
	b->next[bay - 1] = file;
	b->next_keeps[bay - 1] = keep;
	return NULL;
}

void host_bay_settle(struct host_bays *b, uint32_t bay, bool taken)
{
	int *next = &b->next[bay - 1], *file = &b->file[bay - 1];
	bool *keeps = &b->keeps[bay - 1];
	char path[512];

	if (*next < 0)
		return;
	for (unsigned keep = 0; keep < 2; keep++) {
		bay_path(b, bay, keep, path, sizeof(path));
		unlink(path);
	}
	if (taken)
		*keeps = b->next_keeps[bay - 1];
	if (settle_lock(b, bay, *next, *keeps) || !taken) {
		close(*next);
	} else {
		if (*file >= 0)
			close(*file);
		*file = *next;
	}
	*next = -1;
}
