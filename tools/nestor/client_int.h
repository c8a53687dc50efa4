/* SPDX-License-Identifier: Apache-2.0 */
/* A verb that manages a run, with its command line. Between client.c and client_options.c. */
#ifndef NESTOR_CLIENT_INT_H
#define NESTOR_CLIENT_INT_H

#include <stdbool.h>

#include "client_link.h"
#include "client_multiply.h"
#include "client_show.h"
#include "status.h"

enum verb_takes {
	TAKES_VCPU = 1,
	TAKES_LEVEL = 2,
	TAKES_PHYSICAL = 4,
	TAKES_COUNT = 8,
	TAKES_LISTEN = 16,
	TAKES_LIKE = 32, /* and settings behind the words */
	TAKES_FORCE = 64,
	TAKES_ONCE = 128,
	TAKES_FILE = 256, /* in place of its last word */
	TAKES_PORT = 512,
	TAKES_DISK = 1024,
	TAKES_NET = 2048
};

struct client;
typedef int verb_run(struct client *c);

/* What a verb asks for, and how its answer is shown. */
struct verb {
	const char *name, *word;
	unsigned words; /* that it needs behind it */
	unsigned takes;
	enum client_shape shape;
	const char *usage, *about;
	verb_run *run; /* NULL: asks */
};

struct client {
	const struct verb *verb;
	const char *at, *host;
	char elsewhere[512]; /* both, as one address */
	bool json;
	const char *vcpu, *level, *count, *listen, *like, *file, *port, *disk, *net;
	bool physical, help, force, once, keep;
	char **words;
	unsigned count_words; /* that are needed here */
	unsigned settings;    /* words behind those that the verb needs */
	struct client_link link;
	struct client_show show;
	struct multiply *multiply; /* of `stat`, for people */
	struct error *e;
};

/* What is wrong with a value of the command line. */
int client_usage(struct client *c, const char *what, const char *value);
/* Reads the command line: its verb is known. */
int client_parse(struct client *c, int argc, char **argv);

#endif
