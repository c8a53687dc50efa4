/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's end of the socket at which a run listens (bridge.h, docs/management.md): requests
 * in words, one at a time, and their answers.
 */
#ifndef NESTOR_CLIENT_LINK_H
#define NESTOR_CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/manage.h"
#include "status.h"

#define CLIENT_LINK_PATIENCE 60000  /* milliseconds for an answer; emulated machines are slow */
#define CLIENT_LINK_COPY     600000 /* and until a file is copied */
#define CLIENT_LINK_TIDYING  3000   /* the same, after a signal */

struct client_link {
	const char *at; /* the socket's path, or that of a run elsewhere (client_ssh.h) */
	int fd;         /* -1: not connected */
	pid_t child;    /* 0: none; what connects to a run elsewhere */
	int patience;   /* milliseconds for each line of an answer */
	int wake;       /* a signalfd that ends waiting, with STATUS_INTERRUPTED; -1: none */
	uint32_t id;    /* of the last request */
	int file;       /* that goes with the next one; -1: none */
	char buffer[8192];
	size_t size, line; /* bytes in it; of the line that was taken last */
};

struct client_answer {
	enum manage_status status;
	char text[MANAGE_LINE]; /* why, unless it is MANAGE_IS_OK */
	uint64_t next;          /* more comes with from=; 0: that was all */
};

/* A line `item id=N key=value...`, good until it returns. */
typedef void (*client_item)(void *context, const char *line);

/* Connects to the run at @at, which must outlive the link; patience is CLIENT_LINK_PATIENCE. */
int client_link_open(struct client_link *l, const char *at, struct error *e);
void client_link_close(struct client_link *l);

/* May a file go with a request? Not to another machine; @what is the file for the error. */
int client_link_takes_files(const struct client_link *l, const char *what, struct error *e);
/* A file, opened for writing too if it @writes, goes with the next request, whose answer may
 * take as long as copying it does. */
int client_link_file(struct client_link *l, const char *path, bool writes, struct error *e);

/*
 * The signal of `wake` is taken: what has to be put in order is asked with little patience, and
 * the next signal ends that, too.
 */
void client_link_heard(struct client_link *l);

/*
 * The next line, good until the next call. NULL: why is in @e; STATUS_TIMEOUT: none came in so
 * many milliseconds (-1: no bound); STATUS_INTERRUPTED: `wake`; STATUS_HOST_ERROR: none comes
 * any more.
 */
char *client_link_line(struct client_link *l, int patience, struct error *e);

/* Sends `WORD id=N MORE`, whose answer is for client_link_line(). */
int client_link_say(struct client_link *l, const char *word, const char *more, struct error *e);
/* What a line `answer id=N status=STATUS` says. */
void client_link_answer(const char *line, struct client_answer *answer);

/*
 * Asks `WORD id=N MORE`; @more has the arguments, or is empty. Each item goes to @item. 0:
 * there is an answer, be it a refusal; else the link is of no use any more.
 */
int client_link_ask(struct client_link *l, const char *word, const char *more, client_item item,
	void *context, struct client_answer *answer, struct error *e);

/* The same, for all that there is, a piece at a time. */
int client_link_ask_all(struct client_link *l, const char *word, const char *more,
	client_item item, void *context, struct client_answer *answer, struct error *e);

#endif
