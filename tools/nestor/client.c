/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that manage a run; see client.h. */
#include "client.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client_show.h"
#include "lib/manage.h"
#include "record.h"

#define PATIENCE_MS 60000 /* for an answer; an emulated machine may be slow */
#define MEMORY_MAX  (16u << 20)

enum verb_takes {
	TAKES_VCPU = 1,
	TAKES_LEVEL = 2,
	TAKES_PHYSICAL = 4
};

/* What a verb asks for, and how its answer is shown. */
static const struct verb {
	const char *name, *word;
	unsigned words; /* that it needs behind it */
	unsigned takes;
	enum client_shape shape;
	const char *usage, *about;
} verbs[] = {
	{"ps", "list", 0, 0, SHAPE_TABLE, "", "the VMs, and how they are"},
	{"start", "start", 1, 0, SHAPE_NONE, " VM", "begins a VM again that has ended"},
	{"stop", "stop", 1, 0, SHAPE_NONE, " VM", "ends a VM at once"},
	{"powerdown", "powerdown", 1, 0, SHAPE_NONE, " VM", "presses a VM's power button"},
	{"reset", "reset", 1, 0, SHAPE_NONE, " VM", "ends a VM at once and begins it again"},
	{"pause", "pause", 1, 0, SHAPE_NONE, " VM", "a VM's vCPUs stand still"},
	{"resume", "resume", 1, 0, SHAPE_NONE, " VM", "they go on"},
	{"nmi", "nmi", 1, TAKES_VCPU, SHAPE_NONE, " VM",
		"an NMI for all vCPUs of a VM, or one"},
	{"stat", "stat", 1, TAKES_VCPU, SHAPE_LINES, " VM",
		"ticks, and exits by level and reason, of a vCPU"},
	{"regs", "regs", 1, TAKES_VCPU | TAKES_LEVEL, SHAPE_LINES, " VM",
		"registers of a vCPU, at the level that it is in, or at L1"},
	{"vmcs", "vmcs", 1, TAKES_VCPU | TAKES_LEVEL, SHAPE_LINES, " VM",
		"fields of the VMCS of L1 (--level 1), or of the one that L1 has for L2 (2)"},
	{"mem", "read", 3, TAKES_VCPU | TAKES_LEVEL | TAKES_PHYSICAL, SHAPE_MEMORY,
		" VM ADDRESS SIZE",
		"memory of a VM, of the level that the vCPU is in, or of L1"},
	{"poke", "write", 3, TAKES_VCPU | TAKES_LEVEL | TAKES_PHYSICAL, SHAPE_NONE,
		" VM ADDRESS HEX", "writes up to 64 bytes"},
	{"events", "events", 0, 0, SHAPE_EVENTS, "",
		"what happens, as it happens, until the run ends"},
	{"quit", "quit", 0, 0, SHAPE_NONE, "", "ends the run"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

struct client {
	const struct verb *verb;
	const char *at;
	bool json;
	const char *vcpu, *level;
	bool physical, help;
	char **words;
	int fd;
	uint32_t id;
	char buffer[8192];
	size_t size, line; /* bytes in it; of the line that was taken last */
	struct client_show show;
	struct error *e;
};

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
	static char text[256];

	*text = 0;
	for (size_t i = 0; i < VERBS; i++) {
		strcat(text, i ? ", " : "");
		strcat(text, verbs[i].name);
	}
	return text;
}

void client_help(const char *name)
{
	const struct verb *v = find(name);

	printf("usage: nestor %s%s [OPTION]...\n\n%s.\n\noptions:\n"
	       "  --at PATH           the socket of the run (nestor run --manage PATH);\n"
	       "                      default: the environment's NESTOR_AT\n"
	       "  --json              for programs\n",
		v->name, v->usage, v->about);
	if (v->takes & TAKES_VCPU)
		puts("  --vcpu N            of which vCPU; default: 0");
	if (v->takes & TAKES_LEVEL)
		puts("  --level 1|2         of which level");
	if (v->takes & TAKES_PHYSICAL)
		puts("  --physical          the address is a physical one of that level");
	puts("\nExit statuses: 0; 64 bad command line; 66 there is no such VM, vCPU or address;\n"
	     "72 the VM is in a state that does not allow it; 74 the run cannot be reached;\n"
	     "124 no answer in a minute.");
}

/* ---- the command line ---- */

static int usage(struct client *c, const char *what, const char *value)
{
	return fail(c->e, STATUS_USAGE, "%s '%.60s': `nestor %s%s`, see `nestor %s --help`",
		what, value, c->verb->name, c->verb->usage, c->verb->name);
}

static int take_option(struct client *c, int option, const char *word)
{
	switch (option) {
	case 'a':
		c->at = optarg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'v':
		c->vcpu = optarg;
		return c->verb->takes & TAKES_VCPU ? 0 : usage(c, "unknown option", word);
	case 'l':
		c->level = optarg;
		return c->verb->takes & TAKES_LEVEL ? 0 : usage(c, "unknown option", word);
	case 'p':
		c->physical = true;
		return c->verb->takes & TAKES_PHYSICAL ? 0 : usage(c, "unknown option", word);
	case 'h':
		c->help = true;
		return 0;
	case ':':
		return usage(c, "a value is missing behind", word);
	default:
		return usage(c, "unknown option", word);
	}
}

static int parse(struct client *c, int argc, char **argv)
{
	static const struct option options[] = {{"at", required_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'}, {"vcpu", required_argument, NULL, 'v'},
		{"level", required_argument, NULL, 'l'}, {"physical", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		if (take_option(c, option, argv[optind - 1]))
			return c->e->status;
	if (c->help)
		return 0;
	c->words = argv + optind;
	if ((unsigned)(argc - optind) != c->verb->words)
		return usage(c, "wrong number of words behind", c->verb->name);
	if (!c->at)
		c->at = getenv("NESTOR_AT");
	if (!c->at || !*c->at)
		return fail(c->e, STATUS_USAGE,
			"nestor %s: which run? --at PATH, as of `nestor run --manage PATH`",
			c->verb->name);
	for (unsigned i = 0; i < c->verb->words; i++)
		if (!*c->words[i] || strpbrk(c->words[i], " \t\n=") ||
			strlen(c->words[i]) > 128)
			return usage(c, "not possible:", c->words[i]);
	return 0;
}

/* ---- talking ---- */

static int lost(struct client *c, const char *why)
{
	return fail(c->e, STATUS_HOST_ERROR, "the run at '%s': %s", c->at, why);
}

static int connect_to(struct client *c)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(c->at) >= sizeof(at.sun_path))
		return lost(c, "the path is too long");
	strcpy(at.sun_path, c->at);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return fail(c->e, STATUS_HOST_ERROR, "no run can be reached at '%s': %s", c->at,
			strerror(errno));
	return 0;
}

/* The next line, good until the next call; NULL: why is in c->e. */
static char *next_line(struct client *c, int patience)
{
	for (;;) {
		char *end;
		ssize_t n;
		struct pollfd p = {c->fd, POLLIN, 0};

		c->size -= c->line;
		memmove(c->buffer, c->buffer + c->line, c->size);
		c->line = 0;
		end = memchr(c->buffer, '\n', c->size);
		if (end) {
			*end = 0;
			c->line = (size_t)(end - c->buffer) + 1;
			return c->buffer;
		}
		if (c->size == sizeof(c->buffer)) {
			lost(c, "it says what is no answer");
			return NULL;
		}
		if (poll(&p, 1, patience) == 0) {
			fail(c->e, STATUS_TIMEOUT, "the run at '%s' gave no answer", c->at);
			return NULL;
		}
		n = recv(c->fd, c->buffer + c->size, sizeof(c->buffer) - c->size, 0);
		if (n <= 0) {
			lost(c, n ? strerror(errno) : "it has ended");
			return NULL;
		}
		c->size += (size_t)n;
	}
}

static int say(struct client *c, const char *line, size_t size)
{
	return send(c->fd, line, size, MSG_NOSIGNAL) == (ssize_t)size
		       ? 0
		       : lost(c, strerror(errno));
}

/* What went wrong, as an exit status. */
static int refused(struct client *c, const char *answer)
{
	const char *text = record_rest(answer, "text");
	char status[32];
	enum exit_status is = STATUS_VM_ERROR;

	record_text(answer, "status", status, sizeof(status));
	if (strcmp(status, manage_status_word(MANAGE_IS_NO_VM)) == 0 ||
		strcmp(status, manage_status_word(MANAGE_IS_NO_MEMORY)) == 0)
		is = STATUS_BAD_INPUT;
	else if (strcmp(status, manage_status_word(MANAGE_IS_BAD)) == 0)
		is = STATUS_USAGE;
	return fail(c->e, is, "%s%s%s: %s", c->verb->name, c->verb->words ? " " : "",
		c->verb->words ? c->words[0] : "", text ? text : status);
}

/* One request with its answer; *next: where the next one goes on, or 0. */
static int ask(struct client *c, const char *more, uint64_t *next)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s id=%u%s%s%s%s%s%s%s%s%s\n", c->verb->word,
		++c->id, c->verb->words ? " vm=" : "", c->verb->words ? c->words[0] : "",
		c->vcpu ? " vcpu=" : "", c->vcpu ? c->vcpu : "", c->level ? " level=" : "",
		c->level ? c->level : "", c->physical ? " physical=1" : "", more, "");
	char *answer;

	*next = 0;
	if (n < 0 || (size_t)n >= sizeof(line))
		return lost(c, "the request is too long");
	if (say(c, line, (size_t)n))
		return c->e->status;
	while ((answer = next_line(c, PATIENCE_MS))) {
		if (record_is(answer, "hello") || record_number(answer, "id") != c->id)
			continue;
		if (record_is(answer, "answer")) {
			char status[32];

			record_text(answer, "status", status, sizeof(status));
			return strcmp(status, "ok") == 0 ? 0 : refused(c, answer);
		}
		if (record_number(answer, "next"))
			*next = record_number(answer, "next");
		else
			client_show_item(&c->show, answer);
	}
	return c->e->status;
}

/* All items, a piece at a time. */
static int ask_all(struct client *c)
{
	uint64_t next = 0;

	do {
		char more[40] = "";

		if (next)
			snprintf(more, sizeof(more), " from=%" PRIu64, next);
		if (ask(c, more, &next))
			return c->e->status;
	} while (next);
	return 0;
}

static bool number(const char *word, uint64_t *value)
{
	return text_number(text_of(word, strlen(word)), value);
}

static int ask_memory(struct client *c)
{
	uint64_t at, size;

	if (!number(c->words[1], &at))
		return usage(c, "no address:", c->words[1]);
	if (!number(c->words[2], &size) || !size || size > MEMORY_MAX)
		return usage(c, "no size from 1 to 16M:", c->words[2]);
	c->show.at = at;
	while (size) {
		uint64_t part = size < MANAGE_BYTES ? size : MANAGE_BYTES, next;
		char more[80];

		snprintf(more, sizeof(more), " at=0x%" PRIx64 " size=%" PRIu64, at, part);
		if (ask(c, more, &next))
			return c->e->status;
		at += part;
		size -= part;
	}
	return 0;
}

static int ask_poke(struct client *c)
{
	char more[300];
	uint64_t at, next;

	if (!number(c->words[1], &at))
		return usage(c, "no address:", c->words[1]);
	snprintf(more, sizeof(more), " at=0x%" PRIx64 " data=%s", at, c->words[2]);
	return ask(c, more, &next);
}

static int follow_events(struct client *c)
{
	uint64_t next;
	char *line;

	if (ask(c, "", &next))
		return c->e->status;
	while ((line = next_line(c, -1)))
		if (record_is(line, "event")) {
			client_show_event(&c->show, line + strlen("event "));
			fflush(stdout);
		}
	if (c->e->status == STATUS_HOST_ERROR)
		c->e->status = 0; /* the end of the run is that of its events */
	return c->e->status;
}

int client_run(int argc, char **argv, struct error *e)
{
	struct client c = {.verb = find(argv[1]), .fd = -1, .e = e};

	if (parse(&c, argc - 1, argv + 1))
		return e->status;
	if (c.help) {
		client_help(c.verb->name);
		return 0;
	}
	if (connect_to(&c))
		return e->status;
	client_show_begin(&c.show, c.verb->shape, c.json);
	if (c.verb->shape == SHAPE_EVENTS)
		follow_events(&c);
	else if (c.verb->shape == SHAPE_MEMORY)
		ask_memory(&c);
	else if (strcmp(c.verb->word, "write") == 0)
		ask_poke(&c);
	else
		ask_all(&c);
	client_show_end(&c.show, e->status == 0);
	close(c.fd);
	return e->status;
}
