/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of `nestor serve`, so that none of them is in another's way: who takes too long
 * to ask or to read is cut off, and who has asked nothing yet makes room when many come.
 */
#ifndef NESTOR_SERVE_CONN_H
#define NESTOR_SERVE_CONN_H

#include <stdbool.h>

#define SERVE_CONNECTIONS \
	256                /* at a time, with those that have been cut off and take a moment */
#define SERVE_CROWD     48 /* from here on the one that has been silent longest goes */
#define SERVE_ASKING    10 /* seconds for a whole request, or until the next one */
#define SERVE_ANSWERING 90 /* seconds for an answer, with its way */
#define SERVE_FETCHING  1000 /* and with what is fetched and copied for it */

enum serve_phase {
	PHASE_ASKS,    /* nothing has come, or not all */
	PHASE_ANSWERS, /* it has asked, and gets its answer */
	PHASE_FETCHES, /* the same, from elsewhere */
	PHASE_STREAMS, /* that goes on for as long as it likes */
};

struct serve_conn;

/* A connection begins; NULL: it cannot be had. */
struct serve_conn *serve_conn_begin(int fd);
void serve_conn_phase(struct serve_conn *c, enum serve_phase phase);
void serve_conn_end(struct serve_conn *c);

/* To be called each second: cuts off who takes too long. */
void serve_conn_tick(void);

#endif
