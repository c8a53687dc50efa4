/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of a run, three clients, what they were told, and no Nestor behind it: the world
 * of its tests.
 */
#ifndef NESTOR_TESTS_BRIDGE_WORLD_H
#define NESTOR_TESTS_BRIDGE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge.h"
#include "file.h"
#include "record.h"
#include "unix_socket.h"

#include <cmocka.h>

#define CLIENTS 3

static struct arena a;
static struct sender s;
static struct media media;
static struct bridge b;
static char path[64], folder[64];
static const char *disk;
static int fd[CLIENTS];
static char said[CLIENTS][1 << 20]; /* what each client was told and has not looked at */

static inline int setup(void **state)
{
	struct error e = {0};

	(void)state;
	snprintf(path, sizeof(path), "/tmp/nestor-test-bridge-%d", getpid());
	snprintf(folder, sizeof(folder), "/tmp/nestor-test-media-%d", getpid());
	sender_init(&s, &a);
	s.open = true;
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(media_make(&a, folder, &disk, &e), 0);
	assert_int_equal(media_open(&media, disk, &e), 0);
	assert_int_equal(bridge_open(&b, &a, &s, &media, path, &e), 0);
	bridge_name(&b, 0, "a");
	bridge_name(&b, 1, "b");
	for (unsigned i = 0; i < CLIENTS; i++) {
		fd[i] = unix_socket_connect(path);
		assert_true(fd[i] >= 0);
		*said[i] = 0;
	}
	bridge_attend(&b, 1);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fd[i]);
	bridge_close(&b);
	media_close(&media);
	file_remove_tree(folder);
	arena_free(&a);
	return 0;
}

/* All that has come for the client by now. */
static inline void hear(unsigned client)
{
	size_t size = strlen(said[client]);
	ssize_t n;

	do {
		bridge_attend(&b, 1);
		n = recv(fd[client], said[client] + size, sizeof(said[client]) - 1 - size,
			MSG_DONTWAIT);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	said[client][size] = 0;
}

/* The next line that the client was told; "" if there is none. */
static inline const char *line(unsigned client)
{
	static char out[8192];
	char *end;

	hear(client);
	end = strchr(said[client], '\n');
	*out = 0;
	if (end) {
		*end = 0;
		snprintf(out, sizeof(out), "%s", said[client]);
		memmove(said[client], end + 1, strlen(end + 1) + 1);
	}
	return out;
}

static inline void ask(unsigned client, const char *request)
{
	assert_int_equal(send(fd[client], request, strlen(request), 0), strlen(request));
}

static inline void greeting(unsigned client)
{
	assert_string_equal(line(client), "hello version=1");
}

static inline void goes(unsigned client)
{
	close(fd[client]);
	fd[client] = -1;
}

static inline void output(unsigned vm, const char *text)
{
	bridge_output(&b, vm, (const uint8_t *)text, strlen(text));
}

/* The next request that Nestor would get; "": none. */
static inline const char *sent(void)
{
	static char out[MANAGE_LINE + 1];
	static struct frame_reader reader;
	const uint8_t *bytes;
	struct frame f;
	size_t size;

	*out = 0;
	hear(0);
	frame_reader_init(&reader);
	while ((bytes = sender_next(&s, 1, &size))) {
		for (size_t i = 0; i < size; i++)
			if (frame_read(&reader, bytes[i], &f) == FRAME_READY &&
				f.kind == FRAME_REQUEST)
				snprintf(out, sizeof(out), "%.*s", (int)f.size,
					(const char *)f.payload);
		sender_wrote(&s, size);
	}
	return out;
}

static inline void ask_with(unsigned client, const char *request, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {(char *)(uintptr_t)request, strlen(request)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &file, sizeof(int));
	assert_int_equal(sendmsg(fd[client], &m, 0), strlen(request));
	close(file);
}

static inline void nestor_says(const char *status)
{
	char record[64];

	snprintf(record, sizeof(record), "answer id=%u status=%s", b.sent_id, status);
	assert_true(bridge_record(&b, record));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
