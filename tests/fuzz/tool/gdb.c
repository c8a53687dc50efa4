/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what GDB sends, and what the run answers to that. The first byte chooses the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdb_packet.h"
#include "gdb_regs.h"
#include "gdb_target.h"

#define ANSWERS 40u /* more than any packet asks for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void *context, const char *data, size_t size)
{
	char framed[GDB_FRAMED];

	(void)context;
	if (gdb_packet_make(framed, data, size) > sizeof(framed))
		abort();
}

/* A run that has said all its answers already, in one of several ways. */
static int answers(uint8_t how, uint32_t id)
{
	static const char *const items[] = {"vm=a state=running cpus=3",
		"vm=a state=paused cpus=3", "vm=a state=off cpus=3",
		"register=rip value=0x1234", "data=41424344",
		"segment=cs selector=8 base=0 limit=0 rights=0", "data=4142",
		"level=1 current=0", "vcpu=2 level=2 why=execute rip=0x1000 at=0x1000 tsc=1",
		"vcpu=0 level=1 why=write rip=0x1000 at=0x2000 tsc=1"};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		abort();
	for (uint32_t i = 1; i <= ANSWERS; i++) {
		char line[256];
		int n = snprintf(line, sizeof(line), "item id=%u %s\nanswer id=%u status=%s\n",
			id + i, items[(how & 7) + (how >> 6 & 2)], id + i,
			how & 8 ? "wrong-state" : "ok");

		if (write(fds[1], line, (size_t)n) != n)
			abort();
	}
	shutdown(fds[1], SHUT_WR);
	dup2(fds[1], 1000); /* open until the next one, so that requests can be sent */
	close(fds[1]);
	return fds[0];
}

static void serve(struct gdb_target *t, const struct gdb_reader *r, uint8_t how)
{
	t->link->fd = answers(how, t->link->id);
	t->link->size = t->link->line = 0;
	gdb_target_packet(t, r->data, r->size);
	if (t->size >= sizeof(t->out) || t->vcpu >= t->cpus)
		abort();
	tell(NULL, t->out, t->size);
	client_link_close(t->link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = {0};
	struct client_link link = {.at = "fuzz", .fd = -1};
	struct gdb_target t = {.link = &link, .e = &e, .vm = "a", .cpus = 3, .tell = tell};
	static struct gdb_reader r;
	char text[512];

	memset(&r, 0, sizeof(r));
	for (size_t i = 1; i < size && !e.status; i++) {
		t.level = data[0] >> 4 & 3;
		if (gdb_reader_take(&r, (char)data[i]) == GDB_IN_PACKET)
			serve(&t, &r, data[0]);
	}
	/* Without a checksum that fuzzers would have to find. */
	memset(&r, 0, sizeof(r));
	r.size = size > 1 ? size - 1 : 0;
	r.size = r.size < GDB_PACKET ? r.size : GDB_PACKET;
	if (size > 1)
		memcpy(r.data, data + 1, r.size);
	if (!e.status)
		serve(&t, &r, size ? data[0] : 0);
	snprintf(text, sizeof(text), "%.*s", (int)(size & 0x1ff), (const char *)data);
	gdb_regs_item(&(struct gdb_regs){.known = {false}}, text);
	gdb_fpu_item(&(struct gdb_fpu){.legacy = false}, text);
	return 0;
}
