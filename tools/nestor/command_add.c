/* SPDX-License-Identifier: Apache-2.0 */
/* Options whose values have parts; see command.h. */
#include "command_int.h"

#include <string.h>

int command_usage(struct parser *p, const char *text)
{
	return fail(p->e, STATUS_USAGE, "%s", text);
}

/* --module FILE[,COMMAND LINE] */
int command_add_module(struct parser *p, const char *value)
{
	const char *comma = strchr(value, ',');
	struct module_spec *m = &p->vm.modules[p->vm.module_count];

	if (p->vm.module_count == SCENARIO_MAX_MODULES)
		return command_usage(p, "--module: too many modules");
	if (!*value || comma == value)
		return command_usage(p, "--module: must be FILE or FILE,COMMAND-LINE");
	p->vm.module_count++;
	m->file.where = "--module";
	m->file.path = comma ? arena_format(p->a, "%.*s", (int)(comma - value), value)
			     : arena_copy(p->a, value);
	m->cmdline = comma ? arena_copy(p->a, comma + 1) : "";
	if (strlen(m->cmdline) > LIMIT_LINE)
		return command_usage(p,
			arena_format(p->a, "--module: the command line is longer than %d bytes",
				LIMIT_LINE));
	return 0;
}

/* KEY=VALUE of a disk; a usage error if it is none. */
static int set_disk(struct parser *p, const struct option *o, struct disk_spec *disk,
	const char *key, const char *value)
{
	const struct setting *s = setting_find(disk_keys, key);

	if (!s || !value)
		return fail(p->e, STATUS_USAGE, "%s: '%.60s': must be one of %s, and a value",
			o->name, key, setting_names(disk_keys, p->a));
	if (setting_apply(s, disk, value, o->name, NULL, p->a, p->e))
		p->e->status = STATUS_USAGE;
	return p->e->status;
}

#define DISK_WORDS 16u /* more than a disk has settings */

/* One of the first `count` words. */
static bool is_among(const char *const *words, unsigned count, const char *word)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* --disk FILE[,KEY=VALUE...], --scratch SIZE[,KEY=VALUE...] */
int command_add_disk(struct parser *p, const struct option *o, const char *value)
{
	struct disk_spec *disk = scenario_add_disk(&p->vm, o->name);
	const char *words[DISK_WORDS] = {o->setting};
	unsigned count = 1;
	char *rest = arena_copy(p->a, value), *next = strchr(rest, ',');

	if (!disk)
		return command_usage(p, "--disk, --scratch: too many disks");
	if (next)
		*next++ = 0;
	if (set_disk(p, o, disk, o->setting, rest))
		return p->e->status;
	while (next) {
		char *key = next, *equals;

		next = strchr(key, ',');
		if (next)
			*next++ = 0;
		equals = strchr(key, '=');
		if (equals)
			*equals++ = 0;
		if (is_among(words, count, key) || count == DISK_WORDS)
			return command_usage(
				p, arena_format(p->a, "%s: %s is given twice", o->name, key));
		words[count++] = key;
		if (set_disk(p, o, disk, key, equals))
			return p->e->status;
	}
	return 0;
}

/* --cd FILE */
int command_add_cdrom(struct parser *p, const struct option *o, const char *value)
{
	struct cdrom_spec *cdrom = scenario_add_cdrom(&p->vm, o->name);

	if (!cdrom)
		return command_usage(p, "--cd: too many CD-ROM drives");
	if (setting_apply(setting_find(cdrom_keys, o->setting), cdrom, value, o->name, NULL,
		    p->a, p->e))
		p->e->status = STATUS_USAGE;
	return p->e->status;
}

static int add_place(struct parser *p, const char *vm, const char *port, const char *place)
{
	struct console_places *l = &p->o->consoles;

	if (l->count == L0_LINES)
		return command_usage(
			p, "--console, --port: there are more than consoles and ports");
	l->place[l->count++] = (struct console_place){vm, port, arena_copy(p->a, place)};
	return 0;
}

/* --console VM=PLACE */
int command_add_console(struct parser *p, const char *value)
{
	const char *equals = strchr(value, '=');

	if (!equals || equals == value || !equals[1])
		return command_usage(p,
			"--console: must be VM=pty, VM=unix:PATH, VM=file:OUT or VM=file:OUT,IN");
	return add_place(
		p, arena_format(p->a, "%.*s", (int)(equals - value), value), NULL, equals + 1);
}

/* --port VM:PORT=PLACE */
int command_add_port(struct parser *p, const char *value)
{
	const char *colon = strchr(value, ':'), *equals = strchr(value, '=');

	if (!colon || !equals || colon == value || equals <= colon + 1 || !equals[1])
		return command_usage(p,
			"--port: must be VM:PORT=PLACE, with a place as of --console: pty, "
			"unix:PATH, file:OUT or file:OUT,IN");
	return add_place(p, arena_format(p->a, "%.*s", (int)(colon - value), value),
		arena_format(p->a, "%.*s", (int)(equals - colon - 1), colon + 1), equals + 1);
}

/* --screenshot VM=FILE */
int command_add_screenshot(struct parser *p, const char *value)
{
	struct screenshot_places *l = &p->o->screenshots;
	const char *equals = strchr(value, '=');

	if (!equals || equals == value || !screenshot_file_ok(equals + 1))
		return command_usage(p, "--screenshot: must be VM=FILE.png or VM=FILE.txt");
	if (l->count == SCREENSHOT_PLACES)
		return command_usage(p, "--screenshot: there are more than two for each VM");
	l->place[l->count].vm = arena_format(p->a, "%.*s", (int)(equals - value), value);
	l->place[l->count].file = arena_copy(p->a, equals + 1);
	l->count++;
	return 0;
}
