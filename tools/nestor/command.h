/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which verb, on what scenario, with which options. */
#ifndef NESTOR_COMMAND_H
#define NESTOR_COMMAND_H

#include "console.h"
#include "scenario.h"
#include "screenshot.h"

/* The VM of --l1, when it gets no --name. */
#define COMMAND_VM_NAME "l1"

enum verb {
	VERB_RUN,
	VERB_CHECK,
	VERB_IMAGE,
	VERB_HELP,
	VERB_VERSION,
	VERB_COUNT
};

struct command {
	enum verb verb;
	enum verb help_on; /* with VERB_HELP; VERB_COUNT: the tool */
	/* With VERB_HELP: the words of --vmx-features or --cpu-features instead. */
	const struct feature_family *help_features;
	const char *scenario_path; /* NULL: from --l1 */
	struct scenario_spec scenario;
	struct place l0;       /* path NULL: not given */
	struct place iso;      /* run: boot this image, without a scenario */
	uint64_t firmware;     /* enum firmware, for it */
	const char *l0_option; /* more of Nestor's command line; NULL: no more */
	struct console_places consoles;
	struct screenshot_places screenshots;
	const char *l0_log;
	const char *stats;
	const char *keep;
	const char *manage;
	const char *profile; /* the name of its two files; NULL: none */
	const char *output;
	uint64_t bare;
	uint64_t explain;
	uint64_t summary;
	uint64_t verbose;
	uint64_t host; /* check: this machine, or the one of @msrs, in place of a scenario */
	uint64_t host_features; /* of --vmx-features */
	uint64_t json;
	uint64_t report;
	const char *msrs;
	const char *sys; /* of check --host */
};

/* L0's command line: @l0 with the words of --l0-option, which are the last ones. */
const char *command_l0_line(struct arena *a, const struct command *o, const struct options *l0);

/* Parses the arguments and loads the scenario. What is wrong names what is allowed. */
int command_parse(struct command *o, int argc, char **argv, struct arena *a, struct error *e);

#endif
