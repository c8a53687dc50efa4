/* A child process whose output we read, and the signals that matter meanwhile. */
#ifndef NESTOR_PROCESS_H
#define NESTOR_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "status.h"

struct process {
	pid_t pid;
	int output;  /* reads its standard output */
	int signals; /* a signalfd of SIGINT, SIGTERM and SIGHUP to us, which are blocked */
};

/*
 * Starts @argv in a process group of its own, without input, with its standard error in the
 * file @error_path. It dies with us, however we end.
 */
int process_start(
	struct process *p, const char *const *argv, const char *error_path, struct error *e);

/* Kills what still runs of it, waits for it, and unblocks the signals. */
void process_end(struct process *p);

/* Runs @argv to its end, its output and errors to the file @log; fails unless it succeeds. */
int process_run(const char *const *argv, const char *log, struct error *e);

#endif
