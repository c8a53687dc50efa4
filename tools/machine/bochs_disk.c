/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the host as disks, for Nestor on Bochs 3.0: a plugin (as bochs_device.c is, and for
 * that build only) behind the ports of hypervisor/spec/host_disk.h. A request is done when the
 * instruction that asks for it is: the emulator has one thread, and runs that repeat exactly.
 *
 * The folder NESTOR_DISKS has, for each disk, numbered from 1 on, one link to its file:
 * diskN.keep is written; diskN.read is only read; diskN.discard is, too, and what is written
 * goes to a file without a name in that folder. diskN.bay, beside: the disk is empty at first,
 * and what is there is looked at anew when it is asked for.
 */
#define _GNU_SOURCE
#include "bochs_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../hypervisor/spec/host_disk.h"

#define PAGE        4096u
#define PIECE       65536u
#define DISKS       64u
#define ADDRESS_END (UINT64_C(1) << 40) /* Bochs knows no more */

struct disk {
	int file;
	bool bay;
	bool writes;      /* to the file */
	int over;         /* what has been written, else; -1: nothing can be */
	uint8_t *in_over; /* a bit for each page: it is there */
	uint64_t size;
};

static void *table[2 + SLOTS];
static uint64_t object[OBJECT_SIZE / 8];
static struct disk disks[DISKS];
static unsigned count;
static uint8_t buffer[PIECE];

/* ---- files: 0 or an error ---- */

static int read_all(int fd, uint8_t *to, uint64_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* shorter than it was */
			return n < 0 ? errno : EIO;
		to += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *from, uint64_t size, uint64_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, from, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : ENOSPC;
		from += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

static bool is_over(const struct disk *d, uint64_t page)
{
	return d->over >= 0 && d->in_over[page / 8] >> page % 8 & 1;
}

/* At most to the end of its page. */
static uint64_t in_page(uint64_t at, uint64_t size)
{
	uint64_t rest = PAGE - at % PAGE;

	return size < rest ? size : rest;
}

static int disk_read(const struct disk *d, uint8_t *to, uint64_t size, uint64_t at)
{
	int error = 0;

	if (d->over < 0)
		return read_all(d->file, to, size, at);
	for (uint64_t n; size > 0 && error == 0; to += n, at += n, size -= n) {
		n = in_page(at, size);
		error = read_all(is_over(d, at / PAGE) ? d->over : d->file, to, n, at);
	}
	return error;
}

/* A page that is written for the first time is whole in the other file then. */
static int write_over(struct disk *d, const uint8_t *from, uint64_t size, uint64_t at)
{
	uint64_t start = at - at % PAGE, rest = d->size - start;
	uint8_t page[PAGE] = {0};
	int error = 0;

	if (size < PAGE && !is_over(d, at / PAGE)) {
		error = read_all(d->file, page, rest < PAGE ? rest : PAGE, start);
		memcpy(page + at % PAGE, from, size);
		if (error == 0)
			error = write_all(d->over, page, PAGE, start);
	} else {
		error = write_all(d->over, from, size, at);
	}
	if (error == 0)
		d->in_over[at / PAGE / 8] |= (uint8_t)(1u << at / PAGE % 8);
	return error;
}

static int disk_write(struct disk *d, const uint8_t *from, uint64_t size, uint64_t at)
{
	int error = 0;

	if (d->writes)
		return write_all(d->file, from, size, at);
	if (d->over < 0)
		return EROFS;
	for (uint64_t n; size > 0 && error == 0; from += n, at += n, size -= n) {
		n = in_page(at, size);
		error = write_over(d, from, n, at);
	}
	return error;
}

static int write_zeroes(struct disk *d, uint64_t size, uint64_t at)
{
	int error = 0;

	memset(buffer, 0, PIECE);
	for (uint64_t n; size > 0 && error == 0; at += n, size -= n) {
		n = size < PIECE ? size : PIECE;
		error = disk_write(d, buffer, n, at);
	}
	return error;
}

/* Where a file cannot be asked for zeroes they are written, unless nobody needs them. */
static int zero_file(struct disk *d, bool discard, uint64_t size, uint64_t at)
{
	int how = FALLOC_FL_KEEP_SIZE | (discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);

	if (fallocate(d->file, how, (off_t)at, (off_t)size) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return errno;
	return discard ? 0 : write_zeroes(d, size, at);
}

/* Whole pages that were not written yet are holes of the other file, so they need no space. */
static int zero_over(struct disk *d, uint64_t size, uint64_t at)
{
	int error = 0;

	for (uint64_t n; size > 0 && error == 0; at += n, size -= n) {
		n = in_page(at, size);
		if (n < PAGE || is_over(d, at / PAGE))
			error = write_zeroes(d, n, at);
		else
			d->in_over[at / PAGE / 8] |= (uint8_t)(1u << at / PAGE % 8);
	}
	return error;
}

static int disk_zero(struct disk *d, bool discard, uint64_t size, uint64_t at)
{
	if (d->writes)
		return zero_file(d, discard, size, at);
	return d->over < 0 ? EROFS : zero_over(d, size, at);
}

static int disk_flush(const struct disk *d)
{
	return d->writes && fdatasync(d->file) < 0 ? errno : 0;
}

/* ---- requests ---- */

/* Pieces that leave no page of the guest's memory. */
static void copy(bool to_guest, uint64_t address, uint64_t size)
{
	uint8_t *b = buffer;

	for (uint64_t n; size > 0; address += n, b += n, size -= n) {
		n = in_page(address, size);
		if (to_guest)
			dma_write(address, (unsigned)n, b);
		else
			dma_read(address, (unsigned)n, b);
	}
}

static int transfer(struct disk *d, const struct host_disk_request *r)
{
	bool reads = r->op == HOST_DISK_READ;
	int error = 0;

	if (r->address > ADDRESS_END || r->size > ADDRESS_END - r->address)
		return EINVAL;
	for (uint64_t done = 0, n; done < r->size && error == 0; done += n) {
		n = r->size - done < PIECE ? r->size - done : PIECE;
		if (!reads)
			copy(false, r->address + done, n);
		error = reads ? disk_read(d, buffer, n, r->at + done)
			      : disk_write(d, buffer, n, r->at + done);
		if (reads && error == 0)
			copy(true, r->address + done, n);
	}
	return error;
}

static int fill_bay(unsigned number, uint64_t *size);

static int request(struct host_disk_request *r)
{
	struct disk *d;

	if (r->disk == 0 || r->disk > count)
		return EINVAL;
	d = &disks[r->disk - 1];
	if (r->op == HOST_DISK_OPEN)
		return fill_bay(r->disk, &r->at);
	if (r->op == HOST_DISK_SIZE)
		r->at = d->size;
	else if (r->at > d->size || r->size > d->size - r->at)
		return EINVAL;
	switch (r->op) {
	case HOST_DISK_SIZE:
		return 0;
	case HOST_DISK_READ:
	case HOST_DISK_WRITE:
		return transfer(d, r);
	case HOST_DISK_FLUSH:
		return disk_flush(d);
	case HOST_DISK_ZERO:
	case HOST_DISK_DISCARD:
		return disk_zero(d, r->op == HOST_DISK_DISCARD, r->size, r->at);
	default:
		return EINVAL;
	}
}

static uint32_t read_port(void *self, uint32_t port, unsigned size)
{
	(void)self;
	return size == 4 && port == HOST_DISK_ID ? HOST_DISK_MAGIC : UINT32_MAX;
}

static void write_port(void *self, uint32_t port, uint32_t value, unsigned size)
{
	struct host_disk_request r;

	(void)self;
	if (size != 4 || port != HOST_DISK_REQUEST || value % 64 != 0)
		return;
	dma_read(value, sizeof(r), &r);
	r.status = (uint32_t)request(&r);
	dma_write(value, sizeof(r), &r);
}

/* ---- the plugin ---- */

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "nestordisk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int try_open(
	char path[PATH_MAX], const char *folder, unsigned number, const char *how, int flags)
{
	snprintf(path, PATH_MAX, "%s/disk%u.%s", folder, number, how);
	return open(path, flags | O_CLOEXEC);
}

/* As long as the disk, so that what was zeroed can be read. */
static bool make_over(struct disk *d, const char *folder)
{
	d->over = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	d->in_over = calloc(d->size / PAGE / 8 + 1, 1);
	return d->over >= 0 && d->in_over != NULL &&
	       ftruncate(d->over, (off_t)((d->size + PAGE - 1) / PAGE * PAGE)) == 0;
}

static void close_disk(struct disk *d)
{
	if (d->file >= 0)
		close(d->file);
	if (d->over >= 0)
		close(d->over);
	free(d->in_over);
}

/* What is there for a disk; 0 or an error, ENOENT: nothing. */
static int open_disk(struct disk *d, const char *folder, unsigned number, char path[PATH_MAX])
{
	bool discards = false;
	struct stat st;
	int error;

	*d = (struct disk){.over = -1};
	d->file = try_open(path, folder, number, "keep", O_RDWR);
	d->writes = d->file >= 0;
	if (d->file < 0 && errno == ENOENT)
		d->file = try_open(path, folder, number, "read", O_RDONLY);
	if (d->file < 0 && errno == ENOENT) {
		d->file = try_open(path, folder, number, "discard", O_RDONLY);
		discards = true;
	}
	if (d->file < 0)
		return errno;
	if (fstat(d->file, &st) == 0) {
		d->size = (uint64_t)st.st_size;
		if (!discards || make_over(d, folder))
			return 0;
	}
	error = errno != 0 ? errno : ENOMEM;
	close_disk(d);
	return error;
}

/* Nobody uses it meanwhile. What was there stays if there is an error. */
static int fill_bay(unsigned number, uint64_t *size)
{
	struct disk *d = &disks[number - 1], fresh;
	char path[PATH_MAX];
	int error = d->bay ? open_disk(&fresh, getenv("NESTOR_DISKS"), number, path) : EINVAL;

	if (error != 0)
		return error;
	fresh.bay = true;
	close_disk(d);
	*d = fresh;
	*size = d->size;
	return 0;
}

static bool is_bay(const char *folder, unsigned number)
{
	char path[PATH_MAX];

	snprintf(path, PATH_MAX, "%s/disk%u.bay", folder, number);
	return access(path, F_OK) == 0;
}

/* False: there is no disk of this number. */
static bool begin_disk(struct disk *d, const char *folder, unsigned number)
{
	char path[PATH_MAX];
	int error;

	if (is_bay(folder, number)) {
		*d = (struct disk){.bay = true, .file = -1, .over = -1};
		return true;
	}
	error = open_disk(d, folder, number, path);
	errno = error;
	if (error != 0 && error != ENOENT)
		give_up(path);
	return error == 0;
}

static void init(void *self)
{
	const char *folder = getenv("NESTOR_DISKS");

	while (folder != NULL && count < DISKS && begin_disk(&disks[count], folder, count + 1))
		count++;
	for (uint32_t port = HOST_DISK_ID; port < HOST_DISK_ID + HOST_DISK_PORTS; port += 4)
		if (!register_read_port(bx_devices, self, read_port, port, "nestordisk", 4) ||
			!register_write_port(
				bx_devices, self, write_port, port, "nestordisk", 4))
			give_up("its ports are taken");
}

static void reset(void *self, unsigned type)
{
	(void)self, (void)type;
}

int libnestordisk_plugin_entry(void *plugin, uint16_t type, uint8_t mode);

int libnestordisk_plugin_entry(void *plugin, uint16_t type, uint8_t mode)
{
	if (mode != 1) /* 2: what is it? optional */
		return mode == 2 ? 4 : 0;
	if (!plugin_knows_bochs(sizeof(table))) {
		fprintf(stderr, "nestordisk: not the Bochs that is known\n");
		exit(1);
	}
	memcpy(table, pci_vtable, sizeof(table));
	table[2 + SLOT_INIT] = (void *)init;
	table[2 + SLOT_RESET] = (void *)reset;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	logfunctions_put(object, "nestordisk", "NDISK");
	pluginRegisterDeviceDevmodel(plugin, type, object, "nestordisk");
	return 0;
}
