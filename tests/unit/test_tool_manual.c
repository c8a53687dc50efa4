/* SPDX-License-Identifier: Apache-2.0 */
/* What the manual page, the help and the page about L0's command line say is what the tables
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "help.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* An option, and the row that says what its value may be. */
struct documented {
	const char *option;
	const struct setting *row;
};

static const char *read_text(const char *path)
{
	struct bytes file;
	struct error e = {0};

	if (file_read(&arena, path, "test", &file, &e))
		fail_msg("%s", e.text);
	return arena_format(&arena, "%.*s", (int)file.size, (const char *)file.data);
}

/* A manual page without its escapes, quotes and the macros at the beginning of lines. */
static char *plain_manual(const char *page)
{
	char *plain = arena_alloc(&arena, strlen(page) + 1), *out = plain;
	bool line_start = true;

	for (const char *p = page; *p; p++) {
		if (line_start && p[0] == '.' && p[1] >= 'A' && p[1] <= 'Z' &&
			strncmp(p, ".TP", 3) != 0 && strncmp(p, ".SH", 3) != 0 &&
			strncmp(p, ".PP", 3) != 0)
			p += strcspn(p, " \n") + (p[strcspn(p, " \n")] == ' ');
		line_start = *p == '\n';
		if (p[0] == '\\' && p[1] == 'f')
			p += 2;
		else if (*p != '\\' && *p != '"')
			*out++ = *p;
	}
	return plain;
}

/* One blank between words. */
static const char *one_line(const char *text, size_t length)
{
	char *line = arena_alloc(&arena, length + 2), *out = line;

	for (size_t i = 0; i < length; i++)
		if (text[i] != ' ' && text[i] != '\n')
			*out++ = text[i];
		else if (out > line && out[-1] != ' ')
			*out++ = ' ';
	return line;
}

/* What is written of an option: from @start and its name to @end, which begins the next one. */
static const char *block(
	const char *text, const char *start, const char *option, const char *end)
{
	const char *head = arena_format(&arena, "%s%s ", start, option);
	const char *at = strstr(text, head), *stop;

	if (!at)
		fail_msg("nothing is said of %s", option);
	at += strlen(start);
	stop = strstr(at, end);
	return one_line(at, stop ? (size_t)(stop - at) : strlen(at));
}

static void expect_in(const char *text, const char *option, const char *what)
{
	if (!strstr(text, what))
		fail_msg("%s: '%s' lacks '%s'", option, text, what);
}

static void expect_default(
	const char *text, const struct documented *d, const char *word, const char *value)
{
	const char *at = strstr(text, word);
	size_t length = strlen(value);

	if (!at)
		fail_msg("%s: no default in '%s'", d->option, text);
	at += strlen(word);
	/* No longer value that begins with this one. */
	if (strncmp(at, value, length) != 0 || (at[length] && !strchr(" .;", at[length])))
		fail_msg("%s: '%s' has another default than %s", d->option, text, value);
}

/* The range or words of the option's value are there, and its default, if it has one. */
static void expect_described(const struct documented *d, const char *text, const char *word)
{
	static struct scenario_spec scenario;
	char must[SETTING_TEXT_SIZE], value[SETTING_TEXT_SIZE];
	const void *object = &scenario.machine;

	scenario_init(&scenario);
	if (setting_find(vm_keys, d->row->name) == d->row)
		object = scenario_add_vm(&scenario, "");
	setting_describe(d->row, must, sizeof(must));
	if (d->row->kind == SETTING_SWITCH)
		expect_in(text, d->option, " on|off ");
	else if (d->row->kind == SETTING_CHOICE)
		for (size_t i = 0; d->row->words[i]; i++)
			expect_in(text, d->option, d->row->words[i]);
	else if (d->row->kind != SETTING_FEATURES)
		expect_in(text, d->option, must);
	if (d->row == setting_find(vm_keys, "name"))
		expect_default(text, d, word, COMMAND_VM_NAME);
	else if (d->row->kind != SETTING_FEATURES && d->row->kind != SETTING_NAME &&
		 d->row->kind != SETTING_NETS && d->row->kind != SETTING_NAMES &&
		 d->row->kind != SETTING_ORDER &&
		 (d->row->initial != 0 || object != &scenario.machine)) {
		setting_format(d->row, object, value, sizeof(value));
		expect_default(text, d, word, value);
	}
}

/* All options whose values tables describe, but for texts and files. */
static unsigned list_documented(struct documented *all)
{
	unsigned n = 0;

	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++)
		if (s->name)
			all[n++] =
				(struct documented){arena_format(&arena, "--%s", s->name), s};
	all[n++] = (struct documented){"--machine", setting_find(machine_keys, "kind")};
	all[n++] = (struct documented){"--machine-cpus", setting_find(machine_keys, "cpus")};
	all[n++] =
		(struct documented){"--machine-memory", setting_find(machine_keys, "memory")};
	all[n++] = (struct documented){"--ips", setting_find(machine_keys, "ips")};
	all[n++] = (struct documented){"--net-device", setting_find(machine_keys, "net")};
	all[n++] = (struct documented){
		"--machine-disk-changes", setting_find(machine_keys, "disk-changes")};
	all[n++] = (struct documented){"--machine-iommu", setting_find(machine_keys, "iommu")};
	all[n++] = (struct documented){"--machine-nodes", setting_find(machine_keys, "nodes")};
	all[n++] = (struct documented){"--timeout", setting_find(scenario_keys, "timeout")};
	return n;
}

static void the_manual_page_has_each_range_and_default(void **state)
{
	const char *page = plain_manual(read_text("tools/nestor/nestor.1"));
	struct documented all[40];
	unsigned count = list_documented(all);

	(void)state;
	for (unsigned i = 0; i < count; i++)
		expect_described(
			&all[i], block(page, ".TP\n", all[i].option, "\n."), "Default: ");
}

static void the_manual_page_shows_each_key_in_a_scenario(void **state)
{
	const char *page = plain_manual(read_text("tools/nestor/nestor.1"));
	const char *example = strstr(page, "\nvms:\n");

	(void)state;
	assert_non_null(example);
	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++)
		if (s->name)
			expect_in(example, s->name, arena_format(&arena, " %s:", s->name));
}

/* What `nestor run --help` prints. */
static const char *run_help(void)
{
	FILE *terminal = stdout;
	char *text;
	size_t size;
	const char *copy;

	stdout = open_memstream(&text, &size);
	help_print(VERB_RUN);
	fclose(stdout);
	stdout = terminal;
	copy = arena_copy(&arena, text);
	free(text);
	return copy;
}

static void the_help_has_each_range_and_default(void **state)
{
	const char *help = run_help();
	struct documented all[40];
	unsigned count = list_documented(all);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		const char *text = block(help, "\n  ", all[i].option, "\n  -");

		expect_described(&all[i], text, "default: ");
	}
}

static void lines_of_the_help_fit_a_terminal(void **state)
{
	(void)state;
	for (const char *line = run_help(); *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 90);
}

static void the_page_about_booting_has_each_option_of_l0(void **state)
{
	const char *page = read_text("docs/boot.md");

	(void)state;
	for (const struct setting *s = option_settings; s->kind != SETTING_END; s++) {
		const char *word = arena_format(&arena, "`%s=", s->key);

		if (s->kind == SETTING_SWITCH)
			word = arena_format(&arena, "%son|off`", word);
		for (size_t i = 0; s->kind == SETTING_CHOICE && s->words[i]; i++)
			word = arena_format(&arena, "%s%s%s", word, s->words[i],
				s->words[i + 1] ? "|" : "`");
		expect_in(page, s->key, word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			the_manual_page_has_each_range_and_default, tear_down),
		cmocka_unit_test_teardown(
			the_manual_page_shows_each_key_in_a_scenario, tear_down),
		cmocka_unit_test_teardown(the_help_has_each_range_and_default, tear_down),
		cmocka_unit_test_teardown(lines_of_the_help_fit_a_terminal, tear_down),
		cmocka_unit_test_teardown(
			the_page_about_booting_has_each_option_of_l0, tear_down),
	};

	return cmocka_run_group_tests_name("tool_manual", tests, NULL, NULL);
}
