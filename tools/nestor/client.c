/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that manage a run; see client.h. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_bundle.h"
#include "client_int.h"
#include "client_console.h"
#include "client_link.h"
#include "client_multiply.h"
#include "client_show.h"
#include "client_ssh.h"
#include "client_top.h"
#include "file.h"
#include "gdb.h"
#include "host_disk.h"
#include "lib/manage.h"
#include "process.h"
#include "record.h"
#include "scenario.h"

#define MEMORY_MAX     (16u << 20)
#define SCRATCH_FOLDER "/var/tmp"

/* What asks, where it is more than one request with all of its answer. */
static verb_run ask_memory, ask_poke, ask_balloon, ask_define, ask_stat, ask_weight, ask_pins,
	ask_boot, ask_medium, ask_link, ask_network, ask_slot, ask_attach, follow_events,
	run_top, run_bundle, run_gdb, run_dial, run_console;

static const struct verb verbs[] = {
	{"ps", "list", 0, 0, SHAPE_TABLE, "", "the VMs, and how they are", NULL},
	{"define", "define", 1, TAKES_LIKE, SHAPE_NONE, " VM --like VM [KEY=VALUE]...",
		"a new VM, which is off, with the images and settings of another one, but for those given",
		ask_define},
	{"destroy", "destroy", 1, 0, SHAPE_NONE, " VM",
		"ends a VM for good: its memory and its name are free", NULL},
	{"start", "start", 1, 0, SHAPE_NONE, " VM", "begins a VM that is off", NULL},
	{"stop", "stop", 1, 0, SHAPE_NONE, " VM", "ends a VM at once", NULL},
	{"powerdown", "powerdown", 1, 0, SHAPE_NONE, " VM", "presses a VM's power button",
		NULL},
	{"reset", "reset", 1, 0, SHAPE_NONE, " VM", "ends a VM at once and begins it again",
		NULL},
	{"pause", "pause", 1, 0, SHAPE_NONE, " VM", "a VM's vCPUs stand still", NULL},
	{"resume", "resume", 1, 0, SHAPE_NONE, " VM", "they go on", NULL},
	{"nmi", "nmi", 1, TAKES_VCPU, SHAPE_NONE, " VM", "an NMI for all vCPUs of a VM, or one",
		NULL},
	{"balloon", "balloon", 2, 0, SHAPE_NONE, " VM SIZE",
		"asks a VM's guest to give up so much memory, all in all", ask_balloon},
	{"weight", "weight", 2, 0, SHAPE_NONE, " VM N",
		"a VM's share of a CPU that several want, from now on", ask_weight},
	{"pins", "pins", 2, 0, SHAPE_NONE, " VM CPUS",
		"the CPUs that may run a VM from now on, as in 0,2-3", ask_pins},
	{"devices", "devices", 1, 0, SHAPE_LINES, " VM",
		"what can be changed of a VM's devices, and how it is", NULL},
	{"images", "images", 0, 0, SHAPE_LINES, "",
		"the images that CD-ROM drives may be given", NULL},
	{"boot", "boot", 2, TAKES_ONCE, SHAPE_NONE, " VM disk|cdrom|network|default",
		"what a VM's firmware starts it from, at its next starts", ask_boot},
	{"eject", "eject", 2, TAKES_FORCE, SHAPE_NONE, " VM DRIVE",
		"takes the medium out of a VM's CD-ROM drive", ask_medium},
	{"insert", "insert", 3, TAKES_FORCE | TAKES_FILE, SHAPE_NONE,
		" VM DRIVE {IMAGE | --file PATH}",
		"puts an image of the run, or a file, into a VM's CD-ROM drive", ask_medium},
	{"link", "link", 3, 0, SHAPE_NONE, " VM NET up|down",
		"the link of a VM's network device, by its number", ask_link},
	{"network", "network", 3, 0, SHAPE_NONE, " VM NET NETWORK",
		"a VM's network device, by its number, is on another network of the run",
		ask_network},
	{"networks", "networks", 0, 0, SHAPE_LINES, "", "the networks of the run", NULL},
	{"attach", "attach", 2, TAKES_DISK | TAKES_NET, SHAPE_NONE,
		" VM PORT [--disk {FILE | scratch:SIZE} [--keep] | --net NETWORK]",
		"the disk or network device of a root port comes into its slot; or a file, into a bay",
		ask_attach},
	{"detach", "detach", 2, TAKES_FORCE, SHAPE_LINES, " VM PORT",
		"it goes, when the guest has turned its slot off", ask_slot},
	{"stat", "stat", 1, TAKES_VCPU, SHAPE_LINES, " VM",
		"ticks, and exits by level and reason, of a vCPU", ask_stat},
	{"latency", "latency", 1, TAKES_VCPU, SHAPE_LINES, " VM",
		"how long L0 took for exits of a vCPU, as histograms by level and reason",
		NULL},
	{"explain", "explain", 1, 0, SHAPE_LINES, " VM",
		"what was refused to a VM's L1 and L2 last, and why", NULL},
	{"regs", "regs", 1, TAKES_VCPU | TAKES_LEVEL, SHAPE_LINES, " VM",
		"registers of a vCPU, at the level that it is in, or at L1", NULL},
	{"vmcs", "vmcs", 1, TAKES_VCPU | TAKES_LEVEL, SHAPE_LINES, " VM",
		"fields of the VMCS of L1 (--level 1), or of the one that L1 has for L2 (2)",
		NULL},
	{"mem", "read", 3, TAKES_VCPU | TAKES_LEVEL | TAKES_PHYSICAL, SHAPE_MEMORY,
		" VM ADDRESS SIZE",
		"memory of a VM, of the level that the vCPU is in, or of L1", ask_memory},
	{"poke", "write", 3, TAKES_VCPU | TAKES_LEVEL | TAKES_PHYSICAL, SHAPE_NONE,
		" VM ADDRESS HEX", "writes up to 64 bytes", ask_poke},
	{"top", "list", 0, TAKES_COUNT, SHAPE_NONE, "",
		"what the vCPUs do, second by second, until the run ends", run_top},
	{"console", "console", 1, TAKES_PORT, SHAPE_NONE, " VM",
		"a VM's console: what it says, from a while ago on, and what is typed; Ctrl-] "
		"and then ? tells the keys",
		run_console},
	{"events", "events", 0, 0, SHAPE_EVENTS, "",
		"what happens, as it happens, until the run ends", follow_events},
	{"bundle", "list", 1, 0, SHAPE_NONE, " FILE.tar.gz",
		"all that a report on the run needs, in one archive; VMs are paused meanwhile",
		run_bundle},
	{"gdb", "list", 1, TAKES_LEVEL | TAKES_LISTEN, SHAPE_NONE, " VM[:VCPU]",
		"a VM as a target of GDB, which debugs L1 or L2", run_gdb},
	{"dial", "list", 0, 0, SHAPE_NONE, "",
		"passes on what standard input says to the run's socket, and back", run_dial},
	{"quit", "quit", 0, 0, SHAPE_NONE, "", "ends the run", NULL},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool client_has(const char *verb)
{
	return find(verb) != NULL;
}

const char *client_verbs(void)
{
	static char text[16 * VERBS];

	*text = 0;
	for (size_t i = 0; i < VERBS; i++) {
		strcat(text, i ? ", " : "");
		strncat(text, verbs[i].name, 13);
	}
	return text;
}

void client_list(void)
{
	for (size_t i = 0; i < VERBS; i++) {
		int n = printf("  %s%s", verbs[i].name, verbs[i].usage);

		if (n > 34)
			n = printf("\n") - 1;
		printf("%*s%s\n", 36 - n, "", verbs[i].about);
	}
}

void client_help(const char *name)
{
	const struct verb *v = find(name);

	printf("usage: nestor %s%s [OPTION]...\n\n%s.\n\noptions:\n"
	       "  --at PATH           the socket of the run (nestor run --manage PATH), or\n"
	       "                      ssh://[USER@]HOST[:PORT]/PATH of one on another machine;\n"
	       "                      default: the environment's NESTOR_AT\n"
	       "  --host [USER@]HOST[:PORT]  the socket is on another machine\n"
	       "  --json              for programs\n",
		v->name, v->usage, v->about);
	if (v->takes & TAKES_VCPU)
		puts("  --vcpu N            of which vCPU; default: 0");
	if (v->takes & TAKES_LEVEL)
		puts("  --level 1|2         of which level");
	if (v->takes & TAKES_PHYSICAL)
		puts("  --physical          the address is a physical one of that level");
	if (v->takes & TAKES_COUNT)
		puts("  --count N           so many times; default: until the run ends");
	if (v->takes & TAKES_LIKE)
		puts("  --like VM           whose images and settings it has");
	if (v->takes & TAKES_LISTEN)
		puts("  --listen WHERE      127.0.0.1:PORT or unix:PATH; default: " GDB_LISTEN);
	if (v->takes & TAKES_PORT)
		puts("  --port NAME         a port of the VM, which is this client's meanwhile");
	if (v->takes & TAKES_ONCE)
		puts("  --once              at the next start only");
	if (v->takes & TAKES_FILE)
		puts("  --file PATH         a file of this machine, which the run copies: a CD's\n"
		     "                      image, 7 GiB at most");
	if (v->takes & TAKES_DISK)
		puts("  --disk FILE         what a bay has from now on (`bay: on` of a disk): a file of\n"
		     "                      this machine; what is written is not kept\n"
		     "  --disk scratch:SIZE  the same, an empty one\n"
		     "  --keep              what is written is kept in FILE");
	if (v->takes & TAKES_NET)
		puts("  --net NETWORK       which network of the run a network device is on from now on");
	if (v->takes & TAKES_FORCE)
		puts("  --force             even when the guest has locked the drive, or has not\n"
		     "                      turned the slot off");
	puts("\nExit statuses: 0; 64 bad command line; 66 there is no such VM, vCPU or address;\n"
	     "72 the VM is in a state that does not allow it; 74 the run cannot be reached;\n"
	     "124 no answer in a minute.");
}

/* ---- talking ---- */

/* What went wrong, as an exit status. */
static int refused(struct client *c, const struct client_answer *answer)
{
	enum exit_status is = STATUS_VM_ERROR;

	if (answer->status == MANAGE_IS_NO_VM || answer->status == MANAGE_IS_NO_MEMORY)
		is = STATUS_BAD_INPUT;
	else if (answer->status == MANAGE_IS_BAD)
		is = STATUS_USAGE;
	return fail(c->e, is, "%s%s%s: %s", c->verb->name, c->verb->words ? " " : "",
		c->verb->words ? c->words[0] : "", answer->text);
}

static void show_item(void *context, const char *line)
{
	struct client *c = context;

	client_show_item(&c->show, line);
	if (c->multiply)
		multiply_take(c->multiply, line);
}

/* With a file that goes along it is another one. */
static const char *word_of(const struct client *c)
{
	return c->file ? "lend" : c->disk ? "fill" : c->verb->word;
}

/* A request with all of its answer; @more: what only this verb says. */
static int ask(struct client *c, const char *more)
{
	char line[512];
	struct client_answer answer;

	snprintf(line, sizeof(line), "%s%s%s%s%s%s%s%s", c->verb->words ? "vm=" : "",
		c->verb->words ? c->words[0] : "", c->vcpu ? " vcpu=" : "",
		c->vcpu ? c->vcpu : "", c->level ? " level=" : "", c->level ? c->level : "",
		c->physical ? " physical=1" : "", more);
	if (client_link_ask_all(&c->link, word_of(c), line, show_item, c, &answer, c->e))
		return c->e->status;
	return answer.status == MANAGE_IS_OK ? 0 : refused(c, &answer);
}

static bool number(const char *word, uint64_t *value)
{
	return text_number(text_of(word, strlen(word)), value);
}

static int ask_memory(struct client *c)
{
	uint64_t at, size;

	if (!number(c->words[1], &at))
		return client_usage(c, "no address:", c->words[1]);
	if (!number(c->words[2], &size) || !size || size > MEMORY_MAX)
		return client_usage(c, "no size from 1 to 16M:", c->words[2]);
	c->show.at = at;
	while (size) {
		uint64_t part = size < MANAGE_BYTES ? size : MANAGE_BYTES;
		char more[80];

		snprintf(more, sizeof(more), " at=0x%" PRIx64 " size=%" PRIu64, at, part);
		if (ask(c, more))
			return c->e->status;
		at += part;
		size -= part;
	}
	return 0;
}

static int ask_poke(struct client *c)
{
	char more[300];
	uint64_t at;

	if (!number(c->words[1], &at))
		return client_usage(c, "no address:", c->words[1]);
	snprintf(more, sizeof(more), " at=0x%" PRIx64 " data=%s", at, c->words[2]);
	return ask(c, more);
}

static int ask_balloon(struct client *c)
{
	char more[64];
	uint64_t size;

	if (!number(c->words[1], &size))
		return client_usage(c, "no size:", c->words[1]);
	snprintf(more, sizeof(more), " target=%" PRIu64, size);
	return ask(c, more);
}

/* Settings go over as one word. */
static int ask_define(struct client *c)
{
	char more[MANAGE_LINE] = "";
	int n;

	if (!c->like)
		return client_usage(c, "like which VM (--like VM) is", c->words[0]);
	n = snprintf(more, sizeof(more), " like=%s", c->like);
	for (unsigned i = 0; i < c->settings && (size_t)n < sizeof(more); i++) {
		const char *word = c->words[c->verb->words + i];

		if (strpbrk(word, " \t\n;") || !strchr(word, '='))
			return client_usage(c, "no setting KEY=VALUE:", word);
		n += snprintf(
			more + n, sizeof(more) - (size_t)n, "%s%s", i ? ";" : " with=", word);
	}
	if ((size_t)n >= sizeof(more))
		return fail(c->e, STATUS_USAGE,
			"define %s: settings of more than %u characters", c->words[0],
			MANAGE_WITH);
	return ask(c, more);
}

static int ask_stat(struct client *c)
{
	struct multiply m = {.l2 = 0};

	c->multiply = c->json ? NULL : &m;
	if (ask(c, "") == 0 && !c->json)
		multiply_show(stdout, &m);
	c->multiply = NULL;
	return c->e->status;
}

static int ask_weight(struct client *c)
{
	char more[64];
	uint64_t weight;

	if (!number(c->words[1], &weight) || !weight || weight > WEIGHT_MAX)
		return client_usage(c, "no number from 1 to 10000:", c->words[1]);
	snprintf(more, sizeof(more), " weight=%" PRIu64, weight);
	return ask(c, more);
}

/* A list, as `pin` of a scenario has it. */
static int ask_pins(struct client *c)
{
	char more[MANAGE_LINE], cpus[MANAGE_CPUS + 1];

	if (!scenario_cpu_list(c->words[1], cpus))
		return client_usage(
			c, "no list of CPUs, or one of too many pieces:", c->words[1]);
	snprintf(more, sizeof(more), " cpus=%s", cpus);
	return ask(c, more);
}

static int ask_boot(struct client *c)
{
	char more[160];

	snprintf(more, sizeof(more), " device=%s%s", c->words[1], c->once ? " once=1" : "");
	return ask(c, more);
}

static int ask_medium(struct client *c)
{
	bool named = c->count_words == 3;
	char more[320];

	snprintf(more, sizeof(more), " disk=%s%s%s%s", c->words[1], named ? " image=" : "",
		named ? c->words[2] : "", c->force ? " force=1" : "");
	if (c->file && client_link_file(&c->link, c->file, false, c->e))
		return c->e->status;
	return ask(c, more);
}

static int ask_link(struct client *c)
{
	bool up = strcmp(c->words[2], "up") == 0;
	char more[64];
	uint64_t net;

	if (!number(c->words[1], &net))
		return client_usage(c, "no number of a network device:", c->words[1]);
	if (!up && strcmp(c->words[2], "down") != 0)
		return client_usage(c, "neither up nor down:", c->words[2]);
	snprintf(more, sizeof(more), " net=%" PRIu64 " up=%d", net, up);
	return ask(c, more);
}

static int ask_network(struct client *c)
{
	char more[160];
	uint64_t net;

	if (!number(c->words[1], &net))
		return client_usage(c, "no number of a network device:", c->words[1]);
	snprintf(more, sizeof(more), " net=%" PRIu64 " network=%s", net, c->words[2]);
	return ask(c, more);
}

static int ask_slot(struct client *c)
{
	char more[160];
	uint64_t port;

	if (!number(c->words[1], &port))
		return client_usage(c, "no number of a root port:", c->words[1]);
	snprintf(more, sizeof(more), " slot=%" PRIu64 "%s%s%.64s", port,
		c->force ? " force=1" : "", c->net ? " network=" : "", c->net ? c->net : "");
	return ask(c, more);
}

/* An empty file without a name, which is gone with the run. */
static int lend_scratch(struct client *c, const char *size)
{
	uint64_t bytes;

	if (!number(size, &bytes) || !bytes || bytes % 512 || bytes > HOST_DISK_SCRATCH_MAX)
		return client_usage(c, "no size, a multiple of 512 up to 1024G:", c->disk);
	if (client_link_takes_files(&c->link, c->disk, c->e))
		return c->e->status;
	c->link.file = file_make_unnamed(SCRATCH_FOLDER, bytes);
	if (c->link.file < 0)
		return fail(c->e, STATUS_HOST_ERROR, "a file in " SCRATCH_FOLDER ": %s",
			strerror(errno));
	c->keep = true;
	return 0;
}

/* What a bay shall have goes with the request. */
static int ask_attach(struct client *c)
{
	bool scratch = c->disk && strncmp(c->disk, "scratch:", 8) == 0;
	char more[64];
	uint64_t port;

	if (c->net && (!*c->net || strpbrk(c->net, " \t\n=") || strlen(c->net) >= LIMIT_NAME))
		return client_usage(c, "no name of a network:", c->net);
	if (c->net && (c->disk || c->keep))
		return fail(c->e, STATUS_USAGE, "nestor attach: --net is for no disk");
	if (!c->disk && !c->keep)
		return ask_slot(c);
	if (!c->disk)
		return fail(c->e, STATUS_USAGE, "nestor attach: --keep needs --disk FILE");
	if (c->keep && scratch)
		return client_usage(c, "--keep is for a file:", c->disk);
	if (!number(c->words[1], &port))
		return client_usage(c, "no number of a root port:", c->words[1]);
	if (scratch ? lend_scratch(c, c->disk + 8)
		    : client_link_file(&c->link, c->disk, c->keep, c->e))
		return c->e->status;
	snprintf(more, sizeof(more), " slot=%" PRIu64 " keep=%d", port, c->keep);
	return ask(c, more);
}

static int follow_events(struct client *c)
{
	char *line;

	if (ask(c, ""))
		return c->e->status;
	while ((line = client_link_line(&c->link, -1, c->e)))
		if (record_is(line, "event")) {
			client_show_event(&c->show, line + strlen("event "));
			fflush(stdout);
		}
	if (c->e->status == STATUS_HOST_ERROR)
		c->e->status = 0; /* the end of the run is that of its events */
	return c->e->status;
}

static int run_top(struct client *c)
{
	uint64_t count = 0;

	if (c->count && (!number(c->count, &count) || !count))
		return client_usage(c, "no number of times:", c->count);
	return client_top(&c->link, count, c->e);
}

/* Signals are this program's here; in `nestor serve` they are for its own end. */
static int run_bundle(struct client *c)
{
	process_hold_signals();
	c->link.wake = process_signals();
	if (!client_bundle(&c->link, c->words[0], c->e))
		puts(c->words[0]);
	return c->e->status;
}

static int run_gdb(struct client *c)
{
	return gdb_serve(
		&c->link, c->words[0], c->level, c->listen ? c->listen : GDB_LISTEN, c->e);
}

static int run_dial(struct client *c)
{
	return client_ssh_dial(c->link.fd, c->e);
}

static int run_console(struct client *c)
{
	if (c->port && (strpbrk(c->port, " \t\n=") || strlen(c->port) >= LIMIT_NAME))
		return client_usage(c, "no name of a port:", c->port);
	return client_console(&c->link, c->words[0], c->port, c->e);
}

int client_run(int argc, char **argv, struct error *e)
{
	struct client c = {.verb = find(argv[1]), .e = e};

	if (client_parse(&c, argc - 1, argv + 1))
		return e->status;
	if (c.help) {
		client_help(c.verb->name);
		return 0;
	}
	if (client_link_open(&c.link, c.at, e))
		return e->status;
	client_show_begin(&c.show, c.verb->shape, c.json);
	if (c.verb->run)
		c.verb->run(&c);
	else
		ask(&c, "");
	client_show_end(&c.show, e->status == 0);
	client_link_close(&c.link);
	return e->status;
}
