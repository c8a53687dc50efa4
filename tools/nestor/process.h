/* SPDX-License-Identifier: Apache-2.0 */
/* A child process whose output we read, and the signals that matter meanwhile. */
#ifndef NESTOR_PROCESS_H
#define NESTOR_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "status.h"

struct process {
	pid_t pid;
	int output;  /* reads its standard output */
	int signals; /* readable when we were told to end */
};

/*
 * Holds back the signals that would end us, as SIGINT and SIGTERM, from now on, so that no
 * process or temporary folder stays behind: process_start() makes them readable. SIGPIPE is
 * ignored for the same reason.
 */
void process_hold_signals(void);

/* A descriptor that is readable when one of them has come; -1: there is none. The caller's. */
int process_signals(void);

/*
 * Starts @argv in a process group of its own, without input, with its standard error in the
 * file @error_path. It dies with us, however we end.
 */
int process_start(
	struct process *p, const char *const *argv, const char *error_path, struct error *e);

/*
 * Lets it end by itself for @grace milliseconds, kills what still runs of it, and returns
 * waitpid()'s status.
 */
int process_end(struct process *p, int grace);

/* Runs @argv to its end, its errors to the file @log; fails unless it succeeds. */
int process_run(const char *const *argv, const char *log, struct error *e);

#endif
