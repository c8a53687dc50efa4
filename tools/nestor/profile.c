/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of L0; see profile.h. */
#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf.h"
#include "file.h"
#include "profile_raw.h"
#include "spec/exits.h"
#include "symbols.h"

static const char *raw_path(struct arena *a, const char *folder)
{
	return arena_format(a, "%s/profile.raw", folder);
}

/* The content of L0's data at @address. */
static struct bytes data_at(const struct elf *elf, uint64_t address, size_t size)
{
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++)
		if (elf_get_segment(elf, i, &s) && address >= s.vaddr &&
			address - s.vaddr < s.memsz)
			return bytes_slice(&s.content, address - s.vaddr, size);
	return (struct bytes){NULL, 0};
}

static int read_layout(
	struct arena *a, const char *l0, struct l0_profile_layout *out, struct error *e)
{
	struct bytes image, data = {NULL, 0};
	struct elf elf;
	uint64_t address;
	const char *why;

	if (file_read(a, l0, "--l0", &image, e))
		return e->status;
	why = elf_open(&image, &elf);
	if (why)
		return fail(e, STATUS_BAD_INPUT, "'%s' %s", l0, why);
	if (symbols_value(&image, L0_PROFILE_SYMBOL, &address))
		data = data_at(&elf, address, sizeof(*out));
	if (data.size != sizeof(*out))
		return fail(e, STATUS_BAD_INPUT,
			"'%s' has no symbol " L0_PROFILE_SYMBOL
			": --profile needs a Nestor of the same version, with its symbols",
			l0);
	memcpy(out, data.data, sizeof(*out));
	return 0;
}

int profile_begin(struct arena *a, const char *l0, const char *folder, struct error *e)
{
	struct profile_raw *head = arena_alloc(a, sizeof(*head));
	struct bytes start = {(uint8_t *)head, offsetof(struct profile_raw, nodes)};
	struct bytes last = {(uint8_t *)head->slots, 1};
	const char *path = raw_path(a, folder);

	head->magic = PROFILE_RAW_MAGIC;
	if (read_layout(a, l0, &head->layout, e) || file_write(path, &start, e) ||
		file_write_at(path, sizeof(*head) - 1, &last, e))
		return e->status;
	if (setenv(PROFILE_RAW_ENV, path, 1) != 0)
		return fail(e, STATUS_HOST_ERROR, "the environment is full");
	return 0;
}

/* ---- names ---- */

static int compare(const void *a, const void *b)
{
	const struct profile_name *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* A call is the byte before what it returns to. */
static uint64_t site_of(const struct profile_node *n)
{
	return n->site - 1;
}

static bool is_node(const struct profile_raw *raw, unsigned n)
{
	return n >= PROFILE_ROOTS && raw->nodes[n].site && raw->nodes[n].parent < n;
}

/* All addresses, once each, sorted. */
static size_t collect(const struct profile_raw *raw, struct profile_name *out)
{
	size_t count = 0, kept = 0;

	for (unsigned n = 0; n < PROFILE_NODES; n++)
		if (is_node(raw, n))
			out[count++].address = site_of(&raw->nodes[n]);
	for (unsigned i = 0; i < PROFILE_SLOTS; i++)
		if (raw->slots[i].ticks)
			out[count++].address = raw->slots[i].rip;
	qsort(out, count, sizeof(*out), compare);
	for (size_t i = 0; i < count; i++)
		if (!kept || out[kept - 1].address != out[i].address)
			out[kept++] = out[i];
	return kept;
}

/* ---- stacks ---- */

struct stacks {
	struct arena *a;
	const struct profile_raw *raw;
	const struct profile_name *names;
	size_t count;
	struct flame *of_node[PROFILE_NODES];
};

static struct flame *add_names(const struct stacks *s, struct flame *on, uint64_t address)
{
	struct profile_name key = {.address = address};
	const struct profile_name *found =
		bsearch(&key, s->names, s->count, sizeof(key), compare);

	for (const char **p = found->names; *p; p++)
		on = flame_child(s->a, on, *p);
	return on;
}

/* L0 by what it ran for: the exit of a level, or none yet. */
static struct flame *add_root(const struct stacks *s, struct flame *root, unsigned n)
{
	struct flame *l0 = flame_child(s->a, root, "L0");
	unsigned row = n - 1;

	if (n == PROFILE_ROOT_START)
		return flame_child(s->a, l0, "start");
	return flame_child(s->a, l0,
		arena_format(s->a, "L%u:%s", 1 + row / PROFILE_REASONS,
			exit_reason_name(row % PROFILE_REASONS)));
}

static struct flame *frame_of(struct stacks *s, struct flame *root, unsigned n)
{
	if (s->of_node[n])
		return s->of_node[n];
	if (n < PROFILE_ROOTS)
		s->of_node[n] = add_root(s, root, n);
	else if (is_node(s->raw, n))
		s->of_node[n] = add_names(s, frame_of(s, root, s->raw->nodes[n].parent),
			site_of(&s->raw->nodes[n]));
	else
		s->of_node[n] = root;
	return s->of_node[n];
}

static void add_slots(struct stacks *s, struct flame *root)
{
	for (unsigned i = 0; i < PROFILE_SLOTS; i++) {
		const struct profile_slot *slot = &s->raw->slots[i];

		if (slot->ticks)
			add_names(s, frame_of(s, root, slot->node % PROFILE_NODES), slot->rip)
				->self += slot->ticks;
	}
	for (unsigned level = 1; level <= 2; level++)
		flame_child(s->a, root, level == 1 ? "L1" : "L2")->self +=
			s->raw->guest[level - 1];
	if (s->raw->lost)
		flame_child(s->a, flame_child(s->a, root, "L0"), "[not kept]")->self +=
			s->raw->lost;
}

int profile_stacks(struct arena *a, const char *l0, const char *folder, const struct bytes *raw,
	struct flame *root, struct error *e)
{
	struct stacks *s = arena_alloc(a, sizeof(*s));
	struct profile_name *names;

	s->a = a;
	s->raw = (const struct profile_raw *)(const void *)raw->data;
	if (raw->size != sizeof(*s->raw) || s->raw->magic != PROFILE_RAW_MAGIC)
		return fail(e, STATUS_HOST_ERROR, "the profile's counts are damaged");
	if (!s->raw->ready)
		return fail(e, STATUS_HOST_ERROR,
			"the emulator did not count: the machine's "
			"log says why (--keep)");
	names = arena_alloc(a, sizeof(*names) * (PROFILE_NODES + PROFILE_SLOTS));
	s->count = collect(s->raw, names);
	s->names = names;
	if (profile_names(a, l0, folder, names, s->count, e))
		return e->status;
	add_slots(s, root);
	flame_sum(root);
	return 0;
}

/* ---- files ---- */

static int write_files(
	struct arena *a, const char *name, const struct flame *root, struct error *e)
{
	const char *paths[] = {
		arena_format(a, "%s.folded", name), arena_format(a, "%s.svg", name)};
	FILE *out;

	for (unsigned i = 0; i < 2; i++) {
		bool bad;

		out = fopen(paths[i], "we");
		if (!out)
			return fail(e, STATUS_HOST_ERROR, "--profile: cannot create '%s': %s",
				paths[i], strerror(errno));
		if (i == 0)
			flame_write_folded(root, out);
		else
			flame_write_svg(root, "Instructions of Nestor and its guests", out);
		bad = ferror(out) != 0;
		if (fclose(out) != 0 || bad)
			return fail(
				e, STATUS_HOST_ERROR, "--profile: cannot write '%s'", paths[i]);
	}
	return 0;
}

int profile_end(
	struct arena *a, const char *l0, const char *folder, const char *name, struct error *e)
{
	struct flame root = {.name = "all"};
	struct bytes raw = {MAP_FAILED, sizeof(struct profile_raw)};
	int fd = open(raw_path(a, folder), O_RDONLY | O_CLOEXEC), status;

	if (fd >= 0) {
		raw.data = mmap(NULL, raw.size, PROT_READ, MAP_PRIVATE, fd, 0);
		close(fd);
	}
	if (raw.data == MAP_FAILED)
		return fail(e, STATUS_HOST_ERROR, "cannot read '%s': %s", raw_path(a, folder),
			strerror(errno));
	status = profile_stacks(a, l0, folder, &raw, &root, e);
	munmap(raw.data, raw.size);
	return status ? status : write_files(a, name, &root, e);
}
