/* SPDX-License-Identifier: Apache-2.0 */
/* Names of L0's functions for profiles; see profile.h. */
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf.h"
#include "file.h"
#include "profile.h"
#include "symbols.h"

#define TOOL    "addr2line"
#define OUTSIDE "[outside of Nestor]"
#define CHAIN   32u /* functions that are inlined into each other */

extern char **environ;

struct naming {
	struct arena *a;
	struct bytes image;
	struct elf elf;
	struct profile_name *names;
	size_t count;
	size_t at;                /* the address that lines are of now; SIZE_MAX: of none */
	const char *chain[CHAIN]; /* its names, the innermost first */
	unsigned length;
	bool place; /* the next line is a name's place */
};

/* The compiler's own additions are no part of a name. */
static const char *plain(struct arena *a, const char *name)
{
	size_t length = strcspn(name, ".");

	return length ? arena_format(a, "%.*s", (int)length, name) : arena_copy(a, name);
}

/* Where the image has what executes at @address: L0 begins with physical addresses. */
static uint64_t linked_at(const struct naming *n, uint64_t address)
{
	struct elf_segment s;

	for (unsigned i = 0; i < n->elf.phnum; i++) {
		if (!elf_get_segment(&n->elf, i, &s))
			continue;
		if (address >= s.vaddr && address - s.vaddr < s.memsz)
			return address;
		if (address >= s.paddr && address - s.paddr < s.memsz)
			return address - s.paddr + s.vaddr;
	}
	return 0;
}

static const char *by_symbol(const struct naming *n, uint64_t address)
{
	uint64_t linked = linked_at(n, address), offset;
	const char *name = linked ? symbols_find(&n->image, linked, &offset) : NULL;

	return name ? plain(n->a, name) : OUTSIDE;
}

/* All lines of an address are there. */
static void finish(struct naming *n)
{
	const char **out;

	if (n->at >= n->count)
		return;
	if (!n->length)
		n->chain[n->length++] = by_symbol(n, n->names[n->at].address);
	out = arena_alloc(n->a, (n->length + 1) * sizeof(*out));
	for (unsigned i = 0; i < n->length; i++)
		out[i] = n->chain[n->length - 1 - i];
	n->names[n->at].names = out;
}

/* 0xADDRESS, then twice or more a line with a function and one with its place. */
static void take_line(struct naming *n, const char *line)
{
	if (line[0] == '0' && line[1] == 'x') {
		finish(n);
		n->at++;
		n->length = 0;
		n->place = false;
		return;
	}
	if (!n->place && line[0] != '?' && n->length < CHAIN)
		n->chain[n->length++] = plain(n->a, line);
	n->place = !n->place;
}

static void read_lines(struct naming *n, int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t got;

	while (in && (got = getline(&line, &size, in)) > 0) {
		line[strcspn(line, "\n")] = 0;
		take_line(n, line);
	}
	finish(n);
	free(line);
	if (in)
		fclose(in);
	else
		close(fd);
}

/* False: it could not be started. */
static bool start(const char *program, const char *const *argv, int *output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int ends[2], bad;

	if (pipe(ends) < 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	bad = posix_spawn(
		pid, program, &actions, NULL, (char *const *)(const void *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (bad)
		close(ends[0]);
	*output = ends[0];
	return !bad;
}

/* The names of inlined functions are in the debug information, which binutils read. */
static int by_tool(struct naming *n, const char *program, const char *l0, const char *folder,
	struct error *e)
{
	const char *list = arena_format(n->a, "%s/addresses", folder);
	const char *argv[] = {
		TOOL, "-i", "-f", "-a", "-e", l0, arena_format(n->a, "@%s", list), NULL};
	FILE *out = fopen(list, "we");
	int output;
	pid_t pid;

	for (size_t i = 0; out && i < n->count; i++)
		fprintf(out, "0x%" PRIx64 "\n", linked_at(n, n->names[i].address));
	if (!out || fclose(out) != 0)
		return fail(e, STATUS_HOST_ERROR, "cannot write '%s'", list);
	n->at = SIZE_MAX;
	if (!start(program, argv, &output, &pid))
		return fail(e, STATUS_HOST_ERROR, "cannot start %s", program);
	read_lines(n, output);
	waitpid(pid, NULL, 0);
	return 0;
}

int profile_names(struct arena *a, const char *l0, const char *folder,
	struct profile_name *names, size_t count, struct error *e)
{
	const char *program = file_find_program(a, TOOL), *why;
	struct naming n = {.a = a, .names = names, .count = count};

	if (file_read(a, l0, "--l0", &n.image, e))
		return e->status;
	why = elf_open(&n.image, &n.elf);
	if (why)
		return fail(e, STATUS_BAD_INPUT, "'%s' %s", l0, why);
	if (program && by_tool(&n, program, l0, folder, e))
		return e->status;
	if (!program)
		fprintf(stderr, "nestor: " TOOL " is not installed: --profile has no names "
				"of inlined functions\n");
	for (n.at = 0; n.at < count; n.at++)
		if (!names[n.at].names) {
			n.length = 0;
			finish(&n);
		}
	return 0;
}
