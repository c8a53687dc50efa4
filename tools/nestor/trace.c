/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `trace`: its command line, and files that it shows; see trace.h. */
#include "trace.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "lib/manage.h"
#include "lib/text.h"
#include "spec/exits.h"
#include "trace_record.h"
#include "trace_show.h"

#define SECONDS_MAX 86400u

struct command_line {
	struct trace_wish wish;
	const char *decode, *perfetto, *output;
	bool json, summary, help;
	struct error *e;
};

void trace_help(void)
{
	puts("usage: nestor trace VM [OPTION]...\n"
	     "       nestor trace --decode FILE [--json | --summary | --perfetto OUT.json]\n\n"
	     "what the vCPUs of a VM do, exit by exit, into a file; and what is in such a file.\n\n"
	     "options:\n"
	     "  --at PATH           the socket of the run (nestor run --manage PATH), or on another\n"
	     "                      machine ssh://[USER@]HOST[:PORT]/PATH;\n"
	     "                      default: the environment's NESTOR_AT\n"
	     "  --for SECONDS       how long; default: 1\n"
	     "  --level 1|2         exits of this level only\n"
	     "  --reason NAME|N     exits for this reason only, as `nestor stat` has it\n"
	     "  --address FROM-TO   exits at these instructions, or for these guest-physical\n"
	     "                      addresses, only\n"
	     "  -o, --output FILE   default: VM.trace\n"
	     "  --decode FILE       shows what the file has, a line a record\n"
	     "  --json              an object a line\n"
	     "  --summary           what L1 did for each exit of its L2\n"
	     "  --perfetto FILE     for the viewers of Perfetto and Chrome\n"
	     "\n"
	     "Exit statuses: 0; 64 bad command line; 66 there is no such VM, or the file is no\n"
	     "trace; 72 the VM does not run; 74 the run cannot be reached, or the file not be\n"
	     "written; 124 no answer in a minute.");
}

static int usage(struct error *e, const char *what, const char *value)
{
	return fail(e, STATUS_USAGE, "nestor trace: %s '%.80s'; see `nestor trace --help`",
		what, value);
}

static bool number(const char *s, size_t size, uint64_t *value)
{
	return text_number(text_of(s, size), value);
}

static int take_reason(struct command_line *c, const char *word)
{
	uint64_t value;

	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		if (strcmp(exit_reason_name(i), word) == 0 && strcmp(word, "unknown") != 0) {
			c->wish.reason = (int)i;
			return 0;
		}
	if (!number(word, strlen(word), &value) || value >= EXIT_REASON_COUNT)
		return usage(c->e,
			"--reason wants a name as CPUID, or a number below 78, which is not",
			word);
	c->wish.reason = (int)value;
	return 0;
}

static int take_address(struct command_line *c, const char *word)
{
	const char *dash = strchr(word, '-');

	if (!dash || !number(word, (size_t)(dash - word), &c->wish.low) ||
		!number(dash + 1, strlen(dash + 1), &c->wish.high) ||
		c->wish.low > c->wish.high)
		return usage(c->e, "--address wants FROM-TO, which is not", word);
	return 0;
}

static int take_option(struct command_line *c, int option, const char *word)
{
	switch (option) {
	case 'a':
		c->wish.at = optarg;
		return 0;
	case 'f':
		if (number(optarg, strlen(optarg), &c->wish.seconds) && c->wish.seconds != 0 &&
			c->wish.seconds <= SECONDS_MAX)
			return 0;
		return usage(c->e, "--for wants seconds from 1 to 86400, not", optarg);
	case 'l':
		c->wish.level = (unsigned)(*optarg - '0');
		if (strcmp(optarg, "1") == 0 || strcmp(optarg, "2") == 0)
			return 0;
		return usage(c->e, "--level wants 1 or 2, not", optarg);
	case 'r':
		return take_reason(c, optarg);
	case 'A':
		return take_address(c, optarg);
	case 'o':
		c->output = optarg;
		return 0;
	case 'd':
		c->decode = optarg;
		return 0;
	case 'p':
		c->perfetto = optarg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	case 's':
		c->summary = true;
		return 0;
	case 'h':
		c->help = true;
		return 0;
	case ':':
		return usage(c->e, "a value is missing behind", word);
	default:
		return usage(c->e, "unknown option", word);
	}
}

static int check(struct command_line *c, int argc, char **argv)
{
	unsigned words = (unsigned)(argc - optind);
	unsigned shapes = c->json + c->summary + (c->perfetto != NULL);

	if (c->help)
		return 0;
	if (c->decode && words == 0 && shapes <= 1)
		return 0;
	if (c->decode)
		return usage(c->e, "one of --json, --summary and --perfetto, and no VM, with",
			c->decode);
	if (shapes != 0)
		return usage(
			c->e, "without --decode there is no", "--json, --summary, --perfetto");
	if (words != 1)
		return usage(
			c->e, "one VM is to be traced, not", words ? argv[optind + 1] : "");
	c->wish.vm = argv[optind];
	if (!*c->wish.vm || strlen(c->wish.vm) >= LIMIT_NAME || strpbrk(c->wish.vm, " \t\n=/"))
		return usage(c->e, "no VM's name:", c->wish.vm);
	if (!c->wish.at)
		c->wish.at = getenv("NESTOR_AT");
	if (!c->wish.at || !*c->wish.at)
		return fail(c->e, STATUS_USAGE,
			"nestor trace: which run? --at PATH, as of `nestor run --manage PATH`");
	return 0;
}

static int parse(struct command_line *c, int argc, char **argv)
{
	static const struct option options[] = {{"at", required_argument, NULL, 'a'},
		{"for", required_argument, NULL, 'f'}, {"level", required_argument, NULL, 'l'},
		{"reason", required_argument, NULL, 'r'},
		{"address", required_argument, NULL, 'A'},
		{"output", required_argument, NULL, 'o'},
		{"decode", required_argument, NULL, 'd'},
		{"perfetto", required_argument, NULL, 'p'}, {"json", no_argument, NULL, 'j'},
		{"summary", no_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":ho:", options, NULL)) != -1)
		if (take_option(c, option, argv[optind - 1]))
			return c->e->status;
	return check(c, argc, argv);
}

/* ---- files ---- */

static int perfetto(const char *path, const struct trace_file *f, struct error *e)
{
	FILE *out = fopen(path, "we");

	if (!out)
		return fail(
			e, STATUS_HOST_ERROR, "cannot write '%s': %s", path, strerror(errno));
	trace_show_perfetto(out, f);
	if (fclose(out) != 0)
		return fail(
			e, STATUS_HOST_ERROR, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

static int decode(const struct command_line *c)
{
	struct arena a = {NULL};
	struct bytes content;
	struct trace_file f;

	if (file_read(&a, c->decode, "--decode", &content, c->e) == 0 &&
		trace_file_parse(&a, c->decode, &content, &f, c->e) == 0) {
		if (c->perfetto)
			perfetto(c->perfetto, &f, c->e);
		else if (c->json)
			trace_show_json(stdout, &f);
		else if (c->summary)
			trace_show_summary(stdout, &f);
		else
			trace_show_text(stdout, &f);
	}
	arena_free(&a);
	return c->e->status;
}

static int record(struct command_line *c)
{
	char name[LIMIT_NAME + 8];
	struct trace_result r;

	snprintf(name, sizeof(name), "%s.trace", c->wish.vm);
	c->wish.output = c->output ? c->output : name;
	if (trace_record_vm(&c->wish, &r, c->e))
		return c->e->status;
	printf("%" PRIu64 " records of %u vCPUs in %s", r.records, r.vcpus, c->wish.output);
	if (r.lost)
		printf("; %" PRIu64 " were overwritten before they could be read", r.lost);
	putchar('\n');
	return 0;
}

int trace_main(int argc, char **argv, struct error *e)
{
	struct command_line c = {
		.wish = {.seconds = 1, .reason = -1, .high = UINT64_MAX}, .e = e};

	if (parse(&c, argc - 1, argv + 1))
		return e->status;
	if (c.help) {
		trace_help();
		return 0;
	}
	return c.decode ? decode(&c) : record(&c);
}
