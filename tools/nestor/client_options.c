/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a verb that manages a run; see client_int.h. */
#include "client_int.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int client_usage(struct client *c, const char *what, const char *value)
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
	case 'H':
		c->host = optarg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 'v':
		c->vcpu = optarg;
		return c->verb->takes & TAKES_VCPU ? 0
						   : client_usage(c, "unknown option", word);
	case 'l':
		c->level = optarg;
		return c->verb->takes & TAKES_LEVEL ? 0
						    : client_usage(c, "unknown option", word);
	case 'c':
		c->count = optarg;
		return c->verb->takes & TAKES_COUNT ? 0
						    : client_usage(c, "unknown option", word);
	case 'n':
		c->listen = optarg;
		return c->verb->takes & TAKES_LISTEN ? 0
						     : client_usage(c, "unknown option", word);
	case 'k':
		c->like = optarg;
		return c->verb->takes & TAKES_LIKE ? 0
						   : client_usage(c, "unknown option", word);
	case 'i':
		c->file = optarg;
		return c->verb->takes & TAKES_FILE ? 0
						   : client_usage(c, "unknown option", word);
	case 'p':
		c->physical = true;
		return c->verb->takes & TAKES_PHYSICAL
			       ? 0
			       : client_usage(c, "unknown option", word);
	case 'P':
		c->port = optarg;
		return c->verb->takes & TAKES_PORT ? 0
						   : client_usage(c, "unknown option", word);
	case 'd':
		c->disk = optarg;
		return c->verb->takes & TAKES_DISK ? 0
						   : client_usage(c, "unknown option", word);
	case 'K':
		c->keep = true;
		return c->verb->takes & TAKES_DISK ? 0
						   : client_usage(c, "unknown option", word);
	case 'f':
		c->force = true;
		return c->verb->takes & TAKES_FORCE ? 0
						    : client_usage(c, "unknown option", word);
	case 'o':
		c->once = true;
		return c->verb->takes & TAKES_ONCE ? 0
						   : client_usage(c, "unknown option", word);
	case 'h':
		c->help = true;
		return 0;
	case ':':
		return client_usage(c, "a value is missing behind", word);
	default:
		return client_usage(c, "unknown option", word);
	}
}

static int go_elsewhere(struct client *c)
{
	int n = snprintf(c->elsewhere, sizeof(c->elsewhere), "ssh://%s%s", c->host, c->at);

	if (*c->at != '/' || n < 0 || (size_t)n >= sizeof(c->elsewhere))
		return fail(c->e, STATUS_USAGE,
			"nestor %s: with --host the socket is a path on that machine that begins with '/', not '%.100s'",
			c->verb->name, c->at);
	c->at = c->elsewhere;
	return 0;
}

int client_parse(struct client *c, int argc, char **argv)
{
	static const struct option options[] = {{"at", required_argument, NULL, 'a'},
		{"count", required_argument, NULL, 'c'}, {"file", required_argument, NULL, 'i'},
		{"host", required_argument, NULL, 'H'}, {"like", required_argument, NULL, 'k'},
		{"port", required_argument, NULL, 'P'}, {"disk", required_argument, NULL, 'd'},
		{"keep", no_argument, NULL, 'K'}, {"listen", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'}, {"vcpu", required_argument, NULL, 'v'},
		{"level", required_argument, NULL, 'l'}, {"physical", no_argument, NULL, 'p'},
		{"force", no_argument, NULL, 'f'}, {"once", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	unsigned count;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		if (take_option(c, option, argv[optind - 1]))
			return c->e->status;
	if (c->help)
		return 0;
	c->words = argv + optind;
	count = (unsigned)(argc - optind);
	c->count_words = c->verb->words - (c->file != NULL);
	if (count < c->count_words ||
		(count > c->count_words && !(c->verb->takes & TAKES_LIKE)))
		return client_usage(c, "wrong number of words behind", c->verb->name);
	c->settings = count - c->count_words;
	if (!c->at)
		c->at = getenv("NESTOR_AT");
	if (!c->at || !*c->at)
		return fail(c->e, STATUS_USAGE,
			"nestor %s: which run? --at PATH, as of `nestor run --manage PATH`",
			c->verb->name);
	if (c->host && go_elsewhere(c))
		return c->e->status;
	for (unsigned i = 0; i < c->count_words; i++)
		if (!*c->words[i] || strpbrk(c->words[i], " \t\n=") ||
			strlen(c->words[i]) > 128)
			return client_usage(c, "not possible:", c->words[i]);
	return 0;
}
