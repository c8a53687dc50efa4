/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets; see unix_socket.h. */
#include "unix_socket.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool make_address(const char *path, struct sockaddr_un *at)
{
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!*path || strlen(path) >= sizeof(at->sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(at->sun_path, path);
	return true;
}

int unix_socket_connect(const char *path)
{
	struct sockaddr_un at;
	int fd;

	if (!make_address(path, &at))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* Of one whose listener has gone. NULL, or why the path stays taken. */
static const char *remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		return NULL;
	if (!S_ISSOCK(st.st_mode))
		return "there is something else of this name";
	fd = unix_socket_connect(path);
	if (fd >= 0) {
		close(fd);
		return "somebody listens there already";
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	return NULL;
}

/* It has its rights from the beginning. */
static bool bind_private(int fd, const struct sockaddr_un *at)
{
	mode_t mask = umask(0177);
	bool bound = bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0;

	umask(mask);
	return bound;
}

int unix_socket_listen(
	const char *path, int backlog, bool nonblocking, const char *where, struct error *e)
{
	struct sockaddr_un at;
	const char *taken;
	int fd;

	if (!make_address(path, &at)) {
		fail(e, STATUS_USAGE, "%s: '%.60s': a socket's path has 1 to %zu characters",
			where, path, sizeof(at.sun_path) - 1);
		return -1;
	}
	taken = remove_stale(path);
	if (taken) {
		fail(e, STATUS_HOST_ERROR, "%s: cannot listen at '%s': %s", where, path, taken);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
	if (fd >= 0 && bind_private(fd, &at) && listen(fd, backlog) == 0)
		return fd;
	fail(e, STATUS_HOST_ERROR, "%s: cannot listen at '%s': %s", where, path,
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

struct unix_place unix_socket_place(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return (struct unix_place){NULL, 0, 0};
	return (struct unix_place){path, st.st_dev, st.st_ino};
}

void unix_socket_remove(struct unix_place *place)
{
	struct stat st;

	if (place->path && lstat(place->path, &st) == 0 && st.st_dev == place->device &&
		st.st_ino == place->inode)
		unlink(place->path);
	place->path = NULL;
}

/* Room for one descriptor. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

ssize_t unix_socket_receive(int fd, char *to, size_t size, int *file)
{
	union control control;
	struct iovec part = {to, size};
	/* With room for a second one the kernel would make that ours, too. */
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
		h->cmsg_len != CMSG_LEN(sizeof(int)))
		return n;
	if (*file >= 0)
		close(*file);
	memcpy(file, CMSG_DATA(h), sizeof(int));
	return n;
}

ssize_t unix_socket_send(int fd, const char *from, size_t size, int file)
{
	union control control = {.room = ""};
	struct iovec part = {(char *)(uintptr_t)from, size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (file >= 0) {
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &file, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}
