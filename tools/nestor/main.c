/* SPDX-License-Identifier: Apache-2.0 */
/* nestor, the host tool: runs the verb that the command line names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "file.h"
#include "help.h"
#include "host.h"
#include "host_disk.h"
#include "image.h"
#include "machine.h"
#include "machine_disk.h"
#include "output.h"
#include "process.h"
#include "profile.h"
#include "serve.h"
#include "session.h"
#include "trace.h"
#include "variables.h"

/* Nestor's image: the one given, or the one that belongs to this program. */
static struct place l0_place(struct arena *a, const struct command *o)
{
	const char *own = file_own_folder(a);
	struct place p = {arena_format(a, "%s/nestor.elf", own), "--l0"};

	if (o->l0.path)
		return o->l0;
	if (access(p.path, R_OK) < 0) {
		const char *installed = arena_format(a, "%s/../lib/nestor/nestor.elf", own);

		p.path = access(installed, R_OK) == 0 ? installed : p.path;
	}
	return p;
}

/* Those that no VM is on, too: one may be put there. */
static void name_networks(const struct scenario_spec *s, struct network_list *l)
{
	for (l->count = 0; l->count < s->network_count; l->count++)
		strcpy(l->name[l->count], s->networks[l->count]);
}

static const char *l0_cmdline(
	struct arena *a, const struct command *o, const struct machine *m, bool control)
{
	enum machine_kind kind = m->kind;
	struct options l0 = o->scenario.l0;

	l0.mux = true;
	l0.ram_zeroed = true;
	l0.machine = kind == MACHINE_QEMU ? L0_MACHINE_QEMU : L0_MACHINE_BOCHS;
	if (kind == MACHINE_BOCHS)
		l0.tsc_khz = (uint32_t)(o->scenario.machine.ips / 1000);
	l0.requests = control;
	l0.keep = control && o->manage;
	l0.media = m->lends;
	if (l0.keep) {
		l0.places = (uint32_t)o->scenario.machine.places;
		name_networks(&o->scenario, &l0.networks);
	}
	if (o->explain)
		l0.explain = true;
	if (o->screenshots.count)
		l0.screens = true;
	return command_l0_line(a, o, &l0);
}

static int run_in_folder(struct arena *a, const struct command *o, const struct vm_files *files,
	struct boot_plan *plan, struct machine *m, const char *folder, struct error *e)
{
	struct session_options session = {
		.l0_log = o->l0_log,
		.stats = o->stats,
		.bare = o->bare,
		.raw = o->bare || o->iso.path,
		.explain = o->explain,
		.summary = o->summary,
		.progress = o->verbose || isatty(STDERR_FILENO),
		.timeout = o->scenario.timeout,
		.folder = folder,
		.manage = o->manage,
		.consoles = &o->consoles,
		.screenshots = &o->screenshots,
		.files = files,
	};

	struct place l0 = l0_place(a, o);
	struct error late = {0};
	int status;

	if (host_disks_prepare(a, &o->scenario, m->kind, folder, e) ||
		machine_prepare(a, &o->scenario.machine, plan, folder, m, e) ||
		(o->profile && profile_begin(a, l0.path, folder, e)))
		return e->status;
	status = session_run(a, &o->scenario, m, &session, e);
	if (o->profile && profile_end(a, l0.path, folder, o->profile, &late) && !e->status) {
		*e = late;
		status = late.status;
	}
	return status;
}

static int plan_memory(struct arena *a, const struct command *o, const struct machine *m,
	struct vm_files *files, struct boot_plan *plan, struct error *e)
{
	struct place l0 = l0_place(a, o);

	if (o->iso.path)
		return boot_plan_iso(a, &o->scenario, &o->iso, o->firmware, plan, e);
	if (boot_read_files(a, &o->scenario, files, e))
		return e->status;
	if (o->bare)
		return boot_plan_bare(a, &o->scenario, files, plan, e);
	return boot_plan_nestor(a, &o->scenario, files, &l0,
		l0_cmdline(a, o, m, m->control.path != NULL), plan, e);
}

/* What firmware would have left there; without a plan it is looked at alone. */
static int check_left(struct boot_plan *plan, const struct machine_spec *m, struct error *e)
{
	if (boot_set_msrs(plan, m->msr, m->msr_where, e))
		return e->status;
	return boot_check_map(plan, m->map, m->map_where, e);
}

static int make_plan(struct arena *a, const struct command *o, const struct machine *m,
	struct vm_files *files, struct boot_plan *plan, struct error *e)
{
	plan->qemu = m->kind == MACHINE_QEMU;
	if (plan_memory(a, o, m, files, plan, e))
		return e->status;
	return check_left(plan, &o->scenario.machine, e);
}

static bool has_cdroms(const struct scenario_spec *s)
{
	for (unsigned i = 0; i < s->vm_count; i++)
		if (s->vms[i].cdrom_count)
			return true;
	return false;
}

/* Has everybody what is written alone? */
static int check_shared(const struct command *o, struct error *e)
{
	if (check_left(NULL, &o->scenario.machine, e) ||
		machine_disk_check(&o->scenario, &o->iso, e) ||
		host_disks_check(&o->scenario, &o->iso, e))
		return e->status;
	return variables_check(&o->scenario, e);
}

/* It is written at the end, which is too late to say that it cannot be. */
static int check_profile(struct arena *a, const struct command *o, struct error *e)
{
	if (!o->profile)
		return 0;
	return file_check_new(arena_format(a, "%s.folded", o->profile),
		arena_format(a, "--profile %s", o->profile), STATUS_HOST_ERROR, e);
}

static int make_folder(const char *folder, struct error *e)
{
	struct stat st;

	if (mkdir(folder, 0755) == 0 || (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return fail(e, STATUS_HOST_ERROR, "--keep: cannot create the folder '%s': %s", folder,
		strerror(errno));
}

static int run(struct arena *a, struct command *o, struct error *e)
{
	struct boot_plan plan = {0};
	struct machine m = {.control = {-1, -1, NULL}};
	const char *folder = o->keep;
	struct vm_files *files = arena_alloc(a, sizeof(*files) * SCENARIO_MAX_VMS);
	int status;

	if (!o->scenario.log_given && !o->l0_log)
		o->scenario.l0.log = LOG_WARN;
	if (check_shared(o, e))
		return e->status;
	o->scenario.machine.profile = o->profile != NULL;
	machine_choose(a, &o->scenario.machine, &m);
	if (o->verbose || isatty(STDERR_FILENO) || strncmp(m.reason, "warning", 7) == 0)
		fprintf(stderr, "nestor: %s\n", m.reason);
	if (o->bare ? consoles_have_input() : !o->iso.path)
		control_open(a, &m.control);
	m.lends = m.control.path && o->manage && !o->bare && has_cdroms(&o->scenario);
	if (make_plan(a, o, &m, files, &plan, e))
		return e->status;
	if ((folder && make_folder(folder, e)) || check_profile(a, o, e))
		return e->status;
	process_hold_signals();
	if (!folder && file_make_temporary(a, &folder, e))
		return e->status;
	status = run_in_folder(a, o, files, &plan, &m, folder, e);
	control_close(&m.control);
	if (!o->keep)
		file_remove_tree(folder);
	return status;
}

/* What Nestor is told of its settings: the line of its first file. */
static void print_vm(struct arena *a, const struct vm_spec *vm, const struct vm_files *f)
{
	struct boot_file of_vm[BOOT_VM_FILES];

	boot_vm_files(a, vm, f, of_vm);
	printf("%s\n", of_vm[0].line);
}

static int check(struct arena *a, const struct command *o, struct error *e)
{
	const struct machine m = {.kind = MACHINE_BOCHS};
	struct vm_files *files = arena_alloc(a, sizeof(*files) * SCENARIO_MAX_VMS);
	struct place l0 = l0_place(a, o);

	if (o->host)
		return host_check(a,
			&(struct host_question){
				o->msrs, o->sys, o->host_features, o->json, o->report},
			e);
	if (check_shared(o, e) || boot_read_files(a, &o->scenario, files, e) ||
		boot_check_memory(a, &o->scenario, files, &l0, l0_cmdline(a, o, &m, true), e))
		return e->status;
	for (unsigned i = 0; i < o->scenario.vm_count; i++)
		print_vm(a, &o->scenario.vms[i], &files[i]);
	return 0;
}

static int image(struct arena *a, const struct command *o, struct error *e)
{
	struct vm_files *files = arena_alloc(a, sizeof(*files) * SCENARIO_MAX_VMS);
	struct place l0 = l0_place(a, o);

	if (!o->output)
		return fail(e, STATUS_USAGE, "`nestor image` needs -o FILE.iso");
	if (boot_read_files(a, &o->scenario, files, e))
		return e->status;
	return image_make(a, o, &l0, files, e);
}

static int run_verb(struct arena *a, struct command *o, struct error *e)
{
	switch (o->verb) {
	case VERB_RUN:
		return run(a, o, e);
	case VERB_CHECK:
		return check(a, o, e);
	case VERB_IMAGE:
		return image(a, o, e);
	case VERB_VERSION:
		puts("nestor " NESTOR_VERSION);
		return 0;
	case VERB_HELP:
	case VERB_COUNT:
		break;
	}
	if (o->help_features)
		help_print_features(o->help_features);
	else
		help_print(o->help_on);
	return 0;
}

int main(int argc, char **argv)
{
	struct arena a = {NULL};
	struct command *o = arena_alloc(&a, sizeof(*o));
	struct error e = {0};
	int status = 0;

	output_init();
	if (argc > 1 && client_has(argv[1]))
		status = client_run(argc, argv, &e);
	else if (argc > 2 && strcmp(argv[1], "help") == 0 && client_has(argv[2]))
		client_help(argv[2]);
	else if (argc > 1 && strcmp(argv[1], "serve") == 0)
		status = serve_main(argc, argv, &e);
	else if (argc > 2 && strcmp(argv[1], "help") == 0 && strcmp(argv[2], "serve") == 0)
		serve_help();
	else if (argc > 1 && strcmp(argv[1], "trace") == 0)
		status = trace_main(argc, argv, &e);
	else if (argc > 2 && strcmp(argv[1], "help") == 0 && strcmp(argv[2], "trace") == 0)
		trace_help();
	else if (!(status = command_parse(o, argc, argv, &a, &e)))
		status = run_verb(&a, o, &e);
	if (output_error() && output_error() != EPIPE) /* that of `| head` is no news */
		status = fail(&e, STATUS_HOST_ERROR, "cannot write standard output: %s",
			strerror(output_error()));
	if (e.status)
		fprintf(stderr, "nestor: %s\n", e.text);
	arena_free(&a);
	return status;
}
