/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who manages a run, by a Unix socket: takes requests (lib/manage.h), a line each, from several
 * clients, sends them to Nestor one after the other, and gives each client its answers
 * (docs/management.md). What the table has for the tool it answers itself: who wants events and
 * consoles gets them, what is typed goes to its VM, and files that clients lend to drives come
 * by the socket themselves (SCM_RIGHTS).
 */
#ifndef NESTOR_BRIDGE_H
#define NESTOR_BRIDGE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "bridge_hold.h"
#include "history.h"
#include "host_disk.h"
#include "lib/manage.h"
#include "media.h"
#include "sender.h"
#include "status.h"
#include "unix_socket.h"

#define BRIDGE_CLIENTS 32
#define BRIDGE_FDS     (1 + BRIDGE_CLIENTS)
#define BRIDGE_PORTS   (LIMIT_VMS * LIMIT_PORTS)
#define BRIDGE_ROOM \
	(512u << 10) /* bytes that wait for a client; who reads no faster is cut off */

struct bridge_client {
	int fd;      /* -1: nobody */
	bool events; /* gets records that are no answers */
	/* Gets what the consoles of these VMs say, */
	uint64_t consoles[BRIDGE_VM_WORDS];
	uint64_t at[LIMIT_VMS];     /* from these bytes on */
	unsigned port;              /* 1 + the one whose other end it is; 0: of none */
	bool asks;                  /* line is a request that has not been answered */
	bool passed;                /* Nestor has it */
	uint32_t id;                /* the client's name for it */
	uint32_t passed_id;         /* Nestor's */
	bool holds;                 /* it is to end with the connection, */
	struct bridge_hold changes; /* this */
	struct bridge_hold held;    /* what does, of requests that have been answered */
	char line[2 * MANAGE_LINE]; /* as it comes, and then as it goes to Nestor */
	size_t line_size;
	bool too_long;
	int file;                   /* that came last, with a line; -1: none */
	struct media_slot *lends;   /* what is copied for it; NULL: nothing */
	bool force;                 /* as it said with that */
	uint32_t fills;             /* the bay that it puts a file into; 0: none */
	char more[2 * MANAGE_LINE]; /* what came behind it */
	size_t more_size;
	char *out;
	size_t out_size;
};

/* A port of a VM, LIMIT_PORTS of each (bridge_port.h). */
struct bridge_port {
	const char *name;         /* NULL: there is none */
	bool placed;              /* the run has a place for its other end */
	bool connected;           /* the sender knows it */
	uint64_t said;            /* bytes, since the run began */
	uint32_t received, limit; /* the same, and what it may, as the sender counts */
};

struct bridge {
	int listener; /* -1: there is none */
	struct unix_place place;
	struct arena *a;
	struct sender *sender;
	const char *name[LIMIT_VMS]; /* "", NULL: there is no such VM */
	struct history *said[LIMIT_VMS];
	struct bridge_port port[BRIDGE_PORTS];
	bool ready; /* Nestor takes requests */
	bool quit;  /* a client wants the run to end */
	unsigned turn;
	int current; /* whose request Nestor has; -1: nobody's; BRIDGE_CLIENTS: our own */
	uint32_t next_id;
	double since; /* it was sent */
	struct media *media;
	struct host_bays *bays;     /* NULL: there are none */
	struct manage_request sent; /* the last one, and its id there */
	uint32_t sent_id;
	struct bridge_hold undo;                         /* of clients that have gone */
	struct bridge_client client[BRIDGE_CLIENTS + 1]; /* the last one is nobody: us */
};

/* Listens at @path, which must not exist or must be a socket that nobody listens at; NULL: no
 * bridge. Requests and what is typed go to @sender, files that are lent to @media. */
int bridge_open(struct bridge *b, struct arena *a, struct sender *sender, struct media *media,
	const char *path, struct error *e);
/* @vm, below LIMIT_VMS, has the name that is at @name, now and later; "": there is none. */
void bridge_name(struct bridge *b, unsigned vm, const char *name);
/* @vm has a port of the name that is at @name; @placed: its other end is the run's. */
void bridge_port(struct bridge *b, unsigned vm, unsigned port, const char *name, bool placed);
void bridge_close(struct bridge *b);

/* Adds what to poll for; returns how many. */
unsigned bridge_poll(const struct bridge *b, struct pollfd *fds);
/* Takes and passes on what there is. True: a client wants the run to end. */
bool bridge_attend(struct bridge *b, double now);
/* When to attend even if nothing happens; 0: never. */
double bridge_deadline(const struct bridge *b);

/* What the console of @vm says, or a port by its line. */
void bridge_output(struct bridge *b, unsigned vm, const uint8_t *bytes, size_t size);

/* A control record of Nestor. True: it was an answer, and is nobody else's. */
bool bridge_record(struct bridge *b, const char *record);

#endif
