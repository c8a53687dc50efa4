/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a machine; see session.h. */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aside.h"
#include "bridge.h"
#include "lines.h"
#include "mux.h"
#include "output.h"
#include "process.h"
#include "record.h"
#include "session_vms.h"
#include "summary.h"
#include "symbols.h"
#include "variables.h"

#define END_GRACE   2.0  /* seconds from the last record to the machine's own end */
#define STOP_GRACE  10.0 /* seconds that Nestor has to stop the VMs and report */
#define COM1_PERIOD 100  /* milliseconds between looks at its file */

struct session {
	const struct scenario_spec *s;
	const struct session_options *o;
	const struct machine *m;
	struct mux mux;
	char line[1024]; /* a control record under way */
	size_t line_length;
	struct summary summary;
	FILE *log;
	FILE *stats;
	FILE *com1;
	struct consoles consoles;
	struct screenshots screenshots;
	struct variables variables;
	struct bridge bridge;
	struct media media;
	struct host_bays bays;
	unsigned banner;    /* lines of = to come before a raw machine's output */
	struct lines lines; /* of several VMs */
	struct aside aside; /* of one */
	struct session_vms vms;
	double start;
	double deadline; /* 0: none */
	bool quitting;   /* as somebody wished who manages the run: no reports */
	bool stopping;   /* Nestor was asked to stop; status says why */
	bool told;       /* bare: status is what the machine said of its end, if that comes */
	bool ended;
	int status;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Progress, with wall time and the machine's ticks. */
static void milestone(struct session *x, uint64_t tsc, const char *what)
{
	if (x->o->progress)
		fprintf(stderr, "nestor: %7.2f s %9.1f M ticks  %s\n", now() - x->start,
			(double)tsc / 1e6, what);
}

/* What the VMs said comes before what is said of them. */
static void before_message(struct session *x)
{
	lines_flush(&x->lines, true);
	aside_flush(&x->aside);
	fflush(stdout);
}

/* A line on where a virtual CPU is and how it came there. */
static void dump(struct session *x, const char *line)
{
	const char *words = record_rest(line, "text");
	char vm[64], text[2048];

	record_text(line, "vm", vm, sizeof(vm));
	if (!words || x->quitting || session_vms_hides(&x->vms, vm))
		return;
	symbols_explain(session_vms_image(&x->vms, vm), words, text, sizeof(text));
	before_message(x);
	fprintf(stderr, "%s vcpu %llu: %s\n", vm,
		(unsigned long long)record_number(line, "vcpu"), text);
}

/* What was refused to a guest, and why; with several VMs, to whose. */
static void explain(struct session *x, const char *line)
{
	const char *words = record_rest(line, "text");
	char vm[64], text[2048];

	record_text(line, "vm", vm, sizeof(vm));
	if (!x->o->explain || !words || session_vms_hides(&x->vms, vm))
		return;
	symbols_explain(session_vms_image(&x->vms, vm), words, text, sizeof(text));
	before_message(x);
	if (x->vms.several)
		fprintf(stderr, "%s: %s\n", vm, text);
	else
		fprintf(stderr, "%s\n", text);
}

static void tell_restart(struct session *x, const char *line)
{
	char vm[64], kind[32];

	record_text(line, "vm", vm, sizeof(vm));
	record_text(line, "kind", kind, sizeof(kind));
	before_message(x);
	fprintf(stderr, "nestor: the VM '%s' ended (%s) and is started again\n", vm, kind);
}

/* VMs come and go. */
static void tell_place(struct session *x, const char *line)
{
	unsigned place;

	before_message(x); /* with the name of who said it */
	place = session_vms_record(&x->vms, line);
	if (place == SCENARIO_MAX_VMS)
		return;
	lines_name(&x->lines, place, x->vms.at[place].name);
	if (!*x->vms.at[place].name)
		consoles_vm_gone(&x->consoles, place);
}

static void handle_end(struct session *x, const char *line)
{
	/*
	 * A bare guest can write all that a record is: it says how, when the machine has ended.
	 */
	if (x->o->bare) {
		x->status = record_end_status(line);
		x->told = true;
		return;
	}
	x->ended = true;
	if (!x->stopping)
		x->status = record_end_status(line);
	x->deadline = now() + END_GRACE;
}

/* What somebody asked for, with symbols in its words. False: it is no answer. */
static bool answer(struct session *x, const char *line)
{
	const char *words = record_rest(line, "text");
	char vm[64], text[2048], all[sizeof(text) + sizeof(x->line)];

	if (!words || !record_is(line, "item"))
		return bridge_record(&x->bridge, line);
	record_text(line, "vm", vm, sizeof(vm));
	symbols_explain(session_vms_image(&x->vms, vm), words, text, sizeof(text));
	snprintf(all, sizeof(all), "%.*s%s", (int)(words - line), line, text);
	return bridge_record(&x->bridge, all);
}

static void handle_record(struct session *x, const char *line)
{
	if (answer(x, line))
		return;
	if (record_is(line, "dump")) {
		dump(x, line);
		return;
	}
	if (record_is(line, "explain")) {
		explain(x, line);
		return;
	}
	if (strncmp(line, "stat ", 5) == 0) {
		summary_add(&x->summary, line + strlen("stat "));
		if (x->stats)
			fprintf(x->stats, "%s\n", line + strlen("stat "));
		return;
	}
	if (record_is(line, "input") || record_is(line, "port")) {
		consoles_report(&x->consoles, line, now(), x->o->progress);
		return;
	}
	if (record_is(line, "screen")) {
		screenshots_record(&x->screenshots, line);
		return;
	}
	if (variables_record(&x->variables, line))
		return;
	milestone(x, record_number(line, "tsc"), line);
	if (x->stats)
		fprintf(x->stats, "# %s wall=%.3f\n", line, now() - x->start);
	if (record_is(line, "vm-defined") || record_is(line, "vm-gone"))
		tell_place(x, line);
	if (record_is(line, "vm-end") && record_number(line, "restart"))
		tell_restart(x, line);
	if (record_is(line, "end") && !x->ended)
		handle_end(x, line);
}

static void feed_control(struct session *x, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			x->line[x->line_length] = 0;
			x->line_length = 0;
			handle_record(x, x->line);
		} else if (x->line_length < sizeof(x->line) - 1) {
			x->line[x->line_length++] = (char)data[i];
		}
	}
}

/* With several VMs, each line tells whose it is. */
static void feed_console(struct session *x, unsigned vm, const uint8_t *data, size_t size)
{
	bool later = vm < SCENARIO_MAX_VMS && x->vms.at[vm].later;

	bridge_output(&x->bridge, vm, data, size);
	/* What was in the place before may have had a place of its own for its output. */
	if (!later && consoles_output(&x->consoles, vm, data, size))
		return;
	if (!later && vm < x->s->vm_count && x->s->vms[vm].hidden)
		return;
	if (x->vms.several && vm < SCENARIO_MAX_VMS)
		lines_add(&x->lines, vm, (const char *)data, size, now());
	else
		aside_console(&x->aside, data, size, now());
}

/*
 * Output without channels: of a bare guest, or of Nestor with mux=off. It follows the
 * emulator's banner, which ends with its second line of =. Of Nestor, a line that is an `end`
 * record counts as one.
 */
static void feed_raw(struct session *x, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!x->banner)
			fputc(data[i], stdout);
		if (data[i] != '\n') {
			if (x->line_length < sizeof(x->line) - 1)
				x->line[x->line_length++] = (char)data[i];
			continue;
		}
		x->line[x->line_length] = 0;
		x->line_length = 0;
		if (x->banner)
			x->banner -= x->line[0] == '=';
		else if (!x->o->bare && strncmp(x->line, "end kind=", 9) == 0)
			handle_record(x, x->line);
	}
}

/* As long as pictures come after a stop, Nestor is at work. */
static void feed_screen(struct session *x, unsigned vm, const uint8_t *data, size_t size)
{
	screenshots_take(&x->screenshots, vm, data, size);
	if (x->stopping && !x->ended) /* also for one that nobody wants */
		x->deadline = now() + STOP_GRACE;
}

static void feed(void *context, unsigned channel, const uint8_t *data, size_t size)
{
	struct session *x = context;

	if (channel == MUX_LOG)
		aside_log(&x->aside, data, size, now());
	else if (channel == MUX_CONTROL)
		feed_control(x, data, size);
	else if (channel >= MUX_VARIABLES && channel != MUX_NONE)
		variables_take(&x->variables, channel - MUX_VARIABLES, data, size);
	else if (channel >= MUX_SCREEN && channel != MUX_NONE)
		feed_screen(x, channel - MUX_SCREEN, data, size);
	else if (channel != MUX_NONE)
		feed_console(x, channel - MUX_CONSOLE, data, size);
	else if (x->o->raw)
		feed_raw(x, data, size);
}

static void show_com1(struct session *x)
{
	char buffer[4096];
	size_t got;

	while (x->m->control.path && x->o->bare) {
		ssize_t n = read(x->m->control.master, buffer, sizeof(buffer));

		if (n <= 0)
			break;
		fwrite(buffer, 1, (size_t)n, stdout);
	}
	clearerr(x->com1);
	while ((got = fread(buffer, 1, sizeof(buffer), x->com1)) > 0)
		fwrite(buffer, 1, got, stdout);
	fflush(stdout);
}

/* Reads what there is; false at the end of the machine's output. */
static bool read_output(struct session *x, int fd)
{
	uint8_t buffer[65536];
	ssize_t got = read(fd, buffer, sizeof(buffer));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	mux_feed(&x->mux, buffer, (size_t)got, feed, x);
	fflush(stdout);
	fflush(x->log);
	return true;
}

/* The earlier of two times; 0 is none. */
static double earlier(double a, double b)
{
	return a > 0 && (b <= 0 || a < b) ? a : b;
}

static int poll_timeout(const struct session *x)
{
	double deadline = consoles_deadline(&x->consoles, now()), left;

	if (x->o->raw)
		return COM1_PERIOD;
	deadline = earlier(earlier(x->deadline, deadline), lines_deadline(&x->lines));
	deadline = earlier(bridge_deadline(&x->bridge), deadline);
	deadline = earlier(aside_deadline(&x->aside), deadline);
	if (deadline <= 0)
		return -1;
	left = deadline - now();
	return left <= 0 ? 0 : left > 1000 ? 1000000 : (int)(left * 1000) + 1;
}

/*
 * The run shall end for a reason of ours. Nestor is asked first, so that it says where the VMs
 * are; at the second time, or when it cannot be asked, the machine is ended. True: now.
 */
static bool stop(struct session *x, enum exit_status why)
{
	if (x->ended)
		return true;
	if (!x->stopping)
		x->status = (int)why;
	if (!x->stopping && !x->o->raw && x->m->control.path) {
		sender_stop(&x->consoles.sender);
		x->stopping = true;
		x->deadline = now() + STOP_GRACE;
		return false;
	}
	if (x->stopping)
		fprintf(stderr, "nestor: Nestor did not report on the VMs\n");
	x->ended = true;
	return true;
}

/* Who manages the run ends it: in order, once. True: now. */
static bool quit(struct session *x)
{
	x->bridge.quit = false;
	x->quitting = true;
	return !x->stopping && stop(x, STATUS_OK);
}

/* True: it ends the run. */
static bool take_signal(struct session *x, const struct process *p)
{
	struct signalfd_siginfo info = {0};

	while (read(p->signals, &info, sizeof(info)) < 0 && errno == EINTR)
		;
	return info.ssi_signo != SIGUSR1 ||
	       !screenshots_ask(&x->screenshots, &x->consoles.sender);
}

/* While a console takes no more, the machine waits with what it has to say. */
static unsigned poll_for(struct session *x, const struct process *p, struct pollfd *fds)
{
	bool full = consoles_are_full(&x->consoles);
	unsigned n;

	fds[0] = (struct pollfd){full ? -1 : p->output, POLLIN, 0};
	fds[1] = (struct pollfd){p->signals, POLLIN, 0};
	n = 2 + consoles_poll(&x->consoles, now(), fds + 2);
	return n + bridge_poll(&x->bridge, fds + n);
}

static void follow(struct session *x, struct process *p)
{
	struct pollfd fds[2 + CONSOLES_FDS + BRIDGE_FDS];

	for (;;) {
		unsigned n = poll_for(x, p, fds);

		if (poll(fds, n, poll_timeout(x)) < 0)
			continue;
		if (fds[0].revents && !read_output(x, p->output))
			return;
		if (bridge_attend(&x->bridge, now()) && quit(x))
			return;
		if (consoles_attend(&x->consoles, now()) && stop(x, STATUS_INTERRUPTED))
			return;
		if (x->o->raw)
			show_com1(x);
		lines_attend(&x->lines, now());
		aside_attend(&x->aside, now());
		if (output_error()) {
			x->status = STATUS_INTERRUPTED;
			x->ended = true;
			return;
		}
		if (fds[1].revents) {
			if (take_signal(x, p) && stop(x, STATUS_INTERRUPTED))
				return;
		}
		if (x->deadline > 0 && now() >= x->deadline && stop(x, STATUS_TIMEOUT))
			return;
	}
}

/*
 * QEMU's own failure has a status that a guest may ask for, too: 1, as for V = 0, and 127 when
 * it cannot be started. It is one when QEMU complains; its words are shown.
 */
static bool qemu_failed(struct arena *a, const struct session *x, int how)
{
	const char *complaint;

	if (WEXITSTATUS(how) != 1 && WEXITSTATUS(how) != 127)
		return false;
	complaint = machine_complaint(a, x->m);
	if (complaint)
		fprintf(stderr, "%s", complaint);
	return complaint != NULL;
}

/* The machine ended without a word from Nestor. */
static int judge_silent_end(struct session *x, struct arena *a, int how, struct error *e)
{
	const char *words = machine_last_words(a, x->m);
	bool triple = words && strstr(words, "exception with no resolution");
	bool qemu_ended = x->m->kind == MACHINE_QEMU && WIFEXITED(how);

	if (x->o->bare && x->told &&
		(qemu_ended || (words && strstr(words, "shutdown requested"))))
		return x->status;
	if (x->o->bare && qemu_ended && qemu_failed(a, x, how))
		return fail(e, STATUS_VM_ERROR, "the machine itself failed, with status %d",
			WEXITSTATUS(how));
	if (x->o->bare && qemu_ended && (WEXITSTATUS(how) == 0 || WEXITSTATUS(how) % 2))
		return WEXITSTATUS(how); /* port 0xf4 */
	if (x->o->raw && words &&
		(strstr(words, "shutdown requested") || strstr(words, "soft power off")))
		return STATUS_OK;
	if (x->o->raw && triple)
		return STATUS_TRIPLE_FAULT;
	if (triple)
		return fail(e, STATUS_L0_FAULT, "Nestor itself ended in a triple fault");
	if (WIFSIGNALED(how))
		return fail(e, STATUS_VM_ERROR, "the machine's process was ended by signal %d",
			WTERMSIG(how));
	return fail(e, STATUS_VM_ERROR, "the machine ended unexpectedly: %s",
		words ? words : "no message");
}

static int open_files(struct session *x, const struct machine *m, struct error *e)
{
	x->log = x->o->l0_log ? fopen(x->o->l0_log, "we") : stderr;
	if (!x->log)
		return fail(e, STATUS_HOST_ERROR, "--l0-log: cannot create '%s': %s",
			x->o->l0_log, strerror(errno));
	aside_init(&x->aside, stdout, x->log, isatty(fileno(x->log)));
	x->stats = x->o->stats ? fopen(x->o->stats, "we") : NULL;
	if (x->o->stats && !x->stats)
		return fail(e, STATUS_HOST_ERROR, "--stats: cannot create '%s': %s",
			x->o->stats, strerror(errno));
	x->com1 = fopen(m->com1_path, "re");
	if (!x->com1)
		return fail(e, STATUS_HOST_ERROR, "cannot read '%s'", m->com1_path);
	return 0;
}

/* What was written late fails late. */
static int close_output(FILE *f, const char *path, struct error *e)
{
	bool bad = ferror(f) != 0;

	errno = bad ? EIO : 0;
	if (fclose(f) != 0 || bad)
		return fail(
			e, STATUS_HOST_ERROR, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

static int close_files(struct session *x, struct error *e)
{
	if (x->log && x->log != stderr)
		close_output(x->log, x->o->l0_log, e);
	if (x->stats)
		close_output(x->stats, x->o->stats, e);
	if (x->com1)
		fclose(x->com1);
	return e->status;
}

static int run(struct session *x, struct arena *a, const struct machine *m, struct error *e)
{
	struct process p;
	int how;

	if (process_start(&p, m->argv, m->error_path, e))
		return e->status;
	follow(x, &p);
	lines_flush(&x->lines, false);
	aside_flush(&x->aside);
	fflush(stdout);
	how = process_end(&p, x->ended ? 0 : 2000);
	if (x->o->raw)
		show_com1(x);
	if (output_error() && output_error() != EPIPE) /* main.c tells it */
		return STATUS_HOST_ERROR;
	if (x->status == STATUS_TIMEOUT)
		return fail(e, STATUS_TIMEOUT, "the time limit of %llu s is over",
			(unsigned long long)x->o->timeout);
	if (!x->ended && x->o->raw && m->kind == MACHINE_QEMU && how == 0)
		return STATUS_OK;
	return x->ended ? x->status : judge_silent_end(x, a, how, e);
}

static void name_ports(struct session *x, unsigned vm)
{
	const struct port_list *ports = &x->s->vms[vm].config.ports;

	for (unsigned i = 0; i < ports->count; i++)
		bridge_port(&x->bridge, vm, i, ports->name[i],
			x->consoles.endpoint[l0_port_line(vm, i)] != NULL);
}

int session_run(struct arena *a, const struct scenario_spec *s, const struct machine *m,
	const struct session_options *o, struct error *e)
{
	struct session *x = arena_alloc(a, sizeof(*x));
	int status;

	*x = (struct session){.s = s, .o = o, .m = m, .start = now(), .media = {.fd = -1}};
	x->banner = m->kind == MACHINE_BOCHS ? 2 : 0;
	x->deadline = o->timeout ? x->start + (double)o->timeout : 0;
	mux_init(&x->mux);
	lines_init(&x->lines, stdout);
	session_vms_init(&x->vms, s, o->files);
	for (unsigned i = 0; i < s->vm_count; i++)
		lines_name(&x->lines, i, x->vms.at[i].name);
	status = open_files(x, m, e);
	if (!status)
		status =
			consoles_open(&x->consoles, a, s, o->consoles, &m->control, o->bare, e);
	if (!status)
		status = media_open(&x->media, m->media, e);
	if (!status)
		status = bridge_open(
			&x->bridge, a, &x->consoles.sender, &x->media, o->manage, e);
	host_bays_begin(&x->bays, s, o->folder);
	x->bridge.bays = &x->bays;
	for (unsigned i = 0; !status && i < SCENARIO_MAX_VMS; i++)
		bridge_name(&x->bridge, i, x->vms.at[i].name);
	for (unsigned i = 0; !status && i < s->vm_count; i++)
		name_ports(x, i);
	if (!status)
		status = screenshots_open(&x->screenshots, a, s, o->files, o->screenshots, e);
	if (!status && !o->raw)
		status = variables_open(&x->variables, s, o->files, e);
	if (!status)
		status = run(x, a, m, e);
	if (variables_close(&x->variables, e))
		status = e->status;
	bridge_close(&x->bridge);
	host_bays_end(&x->bays);
	media_close(&x->media);
	consoles_close(&x->consoles);
	if (screenshots_close(&x->screenshots, e) && !status)
		status = e->status;
	if (close_files(x, e) && !status)
		status = e->status;
	if (o->summary)
		summary_print(&x->summary, stderr);
	return status;
}
