/* SPDX-License-Identifier: Apache-2.0 */
/* One archive for a report; see client_bundle.h. */
#include "client_bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"
#include "process.h"
#include "record.h"

#define CODE_BEFORE 64u /* bytes before RIP */
#define CODE_SIZE   192u
#define STACK_SIZE  256u

/* A VM as the list has it. */
struct vm {
	char name[LIMIT_NAME];
	unsigned cpus;
	bool runs, was_paused;
};

struct bundle {
	struct arena arena;
	struct client_link *link;
	const char *folder;
	struct vm vms[LIMIT_VMS];
	unsigned count;
	FILE *out;
	uint64_t rip, rsp; /* of the registers that came last */
	struct error *e;
};

/* ---- items ---- */

static void keep_vm(void *context, const char *line)
{
	struct bundle *b = context;
	struct vm *vm = &b->vms[b->count];
	char state[16];

	fprintf(b->out, "%s\n", line);
	if (b->count == LIMIT_VMS || !record_text(line, "vm", vm->name, sizeof(vm->name)))
		return;
	record_text(line, "state", state, sizeof(state));
	vm->cpus = (unsigned)record_number(line, "cpus");
	vm->was_paused = strcmp(state, "paused") == 0;
	vm->runs = vm->was_paused || strcmp(state, "running") == 0;
	b->count++;
}

static void write_item(void *context, const char *line)
{
	struct bundle *b = context;
	const char *words = strchr(line, ' ');
	char name[16];

	words = words ? strchr(words + 1, ' ') : NULL; /* behind item id=N */
	fprintf(b->out, "%s\n", words ? words + 1 : line);
	if (!record_text(line, "register", name, sizeof(name)))
		return;
	if (strcmp(name, "rip") == 0)
		b->rip = record_number(line, "value");
	if (strcmp(name, "rsp") == 0)
		b->rsp = record_number(line, "value");
}

/* ---- files ---- */

/* The answer becomes a file of the bundle. */
static int collect(struct bundle *b, const char *name, const char *word, const char *more,
	client_item item)
{
	const char *path = arena_format(&b->arena, "%s/%s", b->folder, name);
	struct client_answer answer;

	b->out = fopen(path, "we");
	if (!b->out)
		return fail(b->e, STATUS_HOST_ERROR, "cannot create '%s': %s", path,
			strerror(errno));
	if (!client_link_ask_all(b->link, word, more, item, b, &answer, b->e) &&
		answer.status != MANAGE_IS_OK)
		fprintf(b->out, "%s: %s\n", manage_status_word(answer.status), answer.text);
	if (fclose(b->out) != 0)
		fail(b->e, STATUS_HOST_ERROR, "cannot write '%s': %s", path, strerror(errno));
	return b->e->status;
}

static int collect_memory(
	struct bundle *b, const char *name, const char *vcpu, uint64_t at, unsigned size)
{
	return collect(b, name, "read",
		arena_format(&b->arena, "%s at=0x%" PRIx64 " size=%u", vcpu, at, size),
		write_item);
}

static int collect_vcpu(struct bundle *b, const struct vm *vm, unsigned vcpu)
{
	const char *at = arena_format(&b->arena, "vm=%s vcpu=%u", vm->name, vcpu);
	const char *name = arena_format(&b->arena, "%s/vcpu%u", vm->name, vcpu);
	const char *l1 = arena_format(&b->arena, "%s level=1", at);
	const char *l2 = arena_format(&b->arena, "%s level=2", at);

#define NAME(part) arena_format(&b->arena, "%s." part, name)
	if (collect(b, NAME("stat"), "stat", at, write_item) ||
		collect(b, NAME("vmcs01"), "vmcs", l1, write_item) ||
		collect(b, NAME("vmcs12"), "vmcs", l2, write_item) ||
		collect(b, NAME("regs.l1"), "regs", l1, write_item) ||
		collect(b, NAME("regs"), "regs", at, write_item))
		return b->e->status;
	if (collect_memory(b, NAME("code"), at, b->rip - CODE_BEFORE, CODE_SIZE))
		return b->e->status;
	return collect_memory(b, NAME("stack"), at, b->rsp, STACK_SIZE);
#undef NAME
}

/* Nothing moves while it is looked at, nor stands still when we are no more. */
static int set_paused(struct bundle *b, const struct vm *vm, bool paused)
{
	struct client_answer answer;

	if (!vm->runs || vm->was_paused)
		return 0;
	return client_link_ask_all(b->link, paused ? "pause" : "resume",
		arena_format(&b->arena, "vm=%s%s", vm->name, paused ? " hold=1" : ""),
		write_item, b, &answer, b->e);
}

static int collect_vm(struct bundle *b, const struct vm *vm)
{
	const char *folder = arena_format(&b->arena, "%s/%s", b->folder, vm->name);
	const char *at = arena_format(&b->arena, "vm=%s", vm->name);
	int status;

	if (mkdir(folder, 0755) < 0)
		return fail(b->e, STATUS_HOST_ERROR, "cannot create '%s': %s", folder,
			strerror(errno));
	status = collect(
		b, arena_format(&b->arena, "%s/explain", vm->name), "explain", at, write_item);
	for (unsigned i = 0; !status && vm->runs && i < vm->cpus; i++)
		status = collect_vcpu(b, vm, i);
	return status;
}

/* The first @count ones, also when a signal has ended the collection. */
static int resume_all(struct bundle *b, unsigned count)
{
	struct error why = *b->e;

	if (why.status == STATUS_INTERRUPTED) {
		*b->e = (struct error){.status = 0};
		client_link_heard(b->link);
	}
	for (unsigned i = 0; i < count; i++)
		set_paused(b, &b->vms[i], false);
	if (why.status)
		*b->e = why;
	return b->e->status;
}

static int collect_all(struct bundle *b)
{
	unsigned paused = 0;
	int status;

	status = collect(b, "vms", "list", "", keep_vm);
	while (!status && paused < b->count)
		status = set_paused(b, &b->vms[paused++], true);
	for (unsigned i = 0; !status && i < b->count; i++)
		status = collect_vm(b, &b->vms[i]);
	return resume_all(b, paused) ? b->e->status : status;
}

static int pack(struct bundle *b, const char *parent, const char *file)
{
	const char *program = file_find_program(&b->arena, "tar");
	const char *const argv[] = {program, "--owner=0", "--group=0", "-czf",
		/* where a colon comes before the first slash tar asks another host */
		arena_format(&b->arena, "%s%s.partial", *file == '/' ? "" : "./", file), "-C",
		parent, "nestor-bundle", NULL};

	if (!program)
		return fail(b->e, STATUS_HOST_ERROR, "bundle: tar is not installed");
	if (process_run(argv, arena_format(&b->arena, "%s/log", parent), b->e))
		return b->e->status;
	if (rename(argv[4], file) < 0)
		return fail(b->e, STATUS_HOST_ERROR, "cannot create '%s': %s", file,
			strerror(errno));
	return 0;
}

int client_bundle(struct client_link *l, const char *file, struct error *e)
{
	struct bundle b = {.link = l, .e = e};
	const char *parent;

	if (file_check_new(
		    file, arena_format(&b.arena, "bundle %s", file), STATUS_HOST_ERROR, e) ||
		file_make_temporary(&b.arena, &parent, e)) {
		arena_free(&b.arena);
		return e->status;
	}
	b.folder = arena_format(&b.arena, "%s/nestor-bundle", parent);
	if (mkdir(b.folder, 0755) < 0)
		fail(e, STATUS_HOST_ERROR, "cannot create '%s': %s", b.folder, strerror(errno));
	else if (!file_write_text(arena_format(&b.arena, "%s/version", b.folder),
			 "nestor " NESTOR_VERSION "\n", e) &&
		 !collect_all(&b))
		pack(&b, parent, file);
	file_remove_tree(parent);
	arena_free(&b.arena);
	return e->status;
}
