/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has happened lately: events of the run, numbered, for streams and subscriptions. One
 * thread has them from the run; however many read them, the run tells once. Does not own how
 * they look.
 */
#ifndef NESTOR_SERVE_LOG_H
#define NESTOR_SERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_LOG_KEPT   256u  /* events */
#define SERVE_LOG_RECORD 1024u /* characters of one, with its NUL: a longer one is cut */

enum serve_log_next {
	LOG_EVENT,   /* here it is */
	LOG_NOTHING, /* none in this time */
	LOG_ENDED /* the run is out of reach, or the log ends: none will come for this reader */
};

/* Who reads: all events behind a number, for as long as the run can be reached. */
struct serve_log_reader {
	uint64_t after; /* the number of the last one that it has */
	uint64_t run;   /* which connection to the run it began with */
	int64_t when;   /* the last one came, in seconds since 1970 */
};

void serve_log_begin(const char *at);
/* All readers are told LOG_ENDED, and the thread ends. */
void serve_log_end(void);

/* Which connection to the run this is, from 1 up: what was known of another is not of this. */
uint64_t serve_log_run(void);

/*
 * A reader of what comes from now on, or, with @last as in "id:" of an earlier event, of what
 * came behind that one and is still there. NULL, "": from now on. False: the run cannot be
 * reached.
 */
bool serve_log_read(struct serve_log_reader *r, const char *last);

/* The next event, waiting at most so many milliseconds; then r->after is its number. */
enum serve_log_next serve_log_next(
	struct serve_log_reader *r, int milliseconds, char record[SERVE_LOG_RECORD]);

/* The name of event @number: of this server alone. */
void serve_log_name(uint64_t number, char *out, size_t size);

#endif
