/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the command line; nobody else includes it. */
#ifndef NESTOR_COMMAND_INT_H
#define NESTOR_COMMAND_INT_H

#include "command.h"

/* What an option sets, and so the structure and table that its value goes to. */
enum target {
	TO_VM,      /* the VM of --l1 */
	TO_ALL_VMS, /* the VM of --l1, or all VMs of the scenario */
	TO_MODULE,
	TO_DISK,
	TO_CDROM,
	TO_CONSOLE,
	TO_SCREENSHOT,
	TO_PORT,
	TO_MACHINE,
	TO_SCENARIO,
	TO_TOOL,
	TO_FLAG, /* as TO_TOOL, without a value */
};

struct option {
	const char *name;
	enum target target;
	const char *setting; /* in the target's table */
	unsigned verbs;
};

#define COMMAND_OPTIONS 96

struct parser {
	struct command *o;
	struct vm_spec vm;           /* what options say of the VM */
	const char *vm_option;       /* one that needs --l1 */
	bool given[COMMAND_OPTIONS]; /* by index in option_table */
	struct arena *a;
	struct error *e;
};

/* A usage error; its status. */
int command_usage(struct parser *p, const char *text);

/* ---- command_add.c: each takes one option's value ---- */
int command_add_module(struct parser *p, const char *value);
int command_add_disk(struct parser *p, const struct option *o, const char *value);
int command_add_cdrom(struct parser *p, const struct option *o, const char *value);
int command_add_console(struct parser *p, const char *value);
int command_add_port(struct parser *p, const char *value);
int command_add_screenshot(struct parser *p, const char *value);

#endif
