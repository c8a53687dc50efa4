/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kvmclient ticks NAME ROUNDS COPIES COMMAND...`: what a command takes, in ticks of the time
 * stamp counter, from its start to the end of its last copy. It has nothing to do with KVM, and
 * runs at each level alike. A command that measures itself leaves a file `took` with
 * nanoseconds; that counts then.
 */
#include "vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_COPIES 64

/* Copy i works in /tmp/copy<i>; what it prints is there in the file `output`. */
static _Noreturn void copy_main(unsigned i, char **command)
{
	char folder[32];
	int out;

	snprintf(folder, sizeof(folder), "/tmp/copy%u", i);
	mkdir(folder, 0755);
	if (chdir(folder) < 0)
		fatal(folder);
	out = open("output", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (out < 0)
		fatal("output");
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(command[0], command);
	fatal(command[0]);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The most that a copy says to have taken; 0: none says so. */
static double took_ns(unsigned copies)
{
	double most = 0;

	for (unsigned i = 0; i < copies; i++) {
		char name[40];
		double ns = 0;

		snprintf(name, sizeof(name), "/tmp/copy%u/took", i);
		FILE *file = fopen(name, "r");

		if (file == NULL)
			continue;
		if (fscanf(file, "%lf", &ns) == 1 && ns > most)
			most = ns;
		fclose(file);
		unlink(name);
	}
	return most;
}

/* One round; *status becomes that of a copy that failed, if one did. */
static uint64_t round_ticks(unsigned copies, char **command, int *status)
{
	uint64_t begin_ns = now_ns(), begin = __rdtsc();

	for (unsigned i = 0; i < copies; i++) {
		pid_t child = fork();

		if (child < 0)
			fatal("fork");
		if (child == 0)
			copy_main(i, command);
	}
	for (unsigned i = 0; i < copies; i++) {
		int ended;

		if (wait(&ended) < 0)
			fatal("wait");
		if (ended != 0)
			*status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
	}
	double ticks = (double)(__rdtsc() - begin), ns = (double)(now_ns() - begin_ns);
	double took = took_ns(copies);

	/* Whatever rate the clock has. */
	return (uint64_t)(took > 0 ? took * ticks / ns : ticks);
}

/*
 * Prints `ticks NAME STATUS TICKS...`: of each round but a first one, which brings into memory
 * what the others find there.
 */
int ticks_main(char **arguments)
{
	unsigned long rounds = strtoul(arguments[1], NULL, 10);
	unsigned long copies = strtoul(arguments[2], NULL, 10);
	int status = 0;

	if (rounds == 0 || rounds > 1000 || copies == 0 || copies > MAX_COPIES) {
		fprintf(stderr,
			"kvmclient: ticks wants 1 to 1000 rounds of 1 to %d copies, "
			"not %s of %s\n",
			MAX_COPIES, arguments[1], arguments[2]);
		return 64;
	}
	(void)round_ticks((unsigned)copies, arguments + 3, &status);
	uint64_t *ticks = calloc(rounds, sizeof(*ticks));

	if (ticks == NULL)
		fatal("calloc");
	for (unsigned long r = 0; r < rounds; r++)
		ticks[r] = round_ticks((unsigned)copies, arguments + 3, &status);
	printf("ticks %s %d", arguments[0], status);
	for (unsigned long r = 0; r < rounds; r++)
		printf(" %llu", (unsigned long long)ticks[r]);
	putchar('\n');
	free(ticks);
	return status;
}
