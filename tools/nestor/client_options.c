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

/* Options that not all verbs take. */
static bool takes(const struct verb *v, int option)
{
	static const struct {
		int option;
		unsigned takes;
	} needs[] = {
		{'v', TAKES_VCPU},
		{'l', TAKES_LEVEL},
		{'c', TAKES_COUNT},
		{'n', TAKES_LISTEN},
		{'k', TAKES_LIKE},
		{'i', TAKES_FILE},
		{'p', TAKES_PHYSICAL},
		{'P', TAKES_PORT},
		{'d', TAKES_DISK},
		{'N', TAKES_NET},
		{'K', TAKES_DISK},
		{'f', TAKES_FORCE},
		{'o', TAKES_ONCE},
	};

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].option == option)
			return v->takes & needs[i].takes;
	return true;
}

/* Where the value of an option goes; NULL: it has none. */
static const char **value_of(struct client *c, int option)
{
	return option == 'a'   ? &c->at
	       : option == 'H' ? &c->host
	       : option == 'v' ? &c->vcpu
	       : option == 'l' ? &c->level
	       : option == 'c' ? &c->count
	       : option == 'n' ? &c->listen
	       : option == 'k' ? &c->like
	       : option == 'i' ? &c->file
	       : option == 'P' ? &c->port
	       : option == 'd' ? &c->disk
	       : option == 'N' ? &c->net
			       : NULL;
}

static int take_option(struct client *c, int option, const char *word)
{
	const char **value = value_of(c, option);

	if (option == ':')
		return client_usage(c, "a value is missing behind", word);
	if (option == '?' || !takes(c->verb, option))
		return client_usage(c, "unknown option", word);
	if (value)
		*value = optarg;
	c->json |= option == 'j';
	c->physical |= option == 'p';
	c->force |= option == 'f';
	c->once |= option == 'o';
	c->keep |= option == 'K';
	c->help |= option == 'h';
	return 0;
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
		{"net", required_argument, NULL, 'N'}, {"keep", no_argument, NULL, 'K'},
		{"listen", required_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'},
		{"vcpu", required_argument, NULL, 'v'}, {"level", required_argument, NULL, 'l'},
		{"physical", no_argument, NULL, 'p'}, {"force", no_argument, NULL, 'f'},
		{"once", no_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
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
