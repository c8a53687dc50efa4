/* SPDX-License-Identifier: Apache-2.0 */
/* The command line; see command.h. */
#include "command_int.h"

#include <string.h>

#include "client.h"
#include "help.h"
#include "spec/cpu_features.h"
#include "spec/vmx_features.h"
#include "user_net.h"

#define RUN   (1U << VERB_RUN)
#define CHECK (1U << VERB_CHECK)
#define IMAGE (1U << VERB_IMAGE)
#define VERBS "run, check, image, serve, trace, help, version"

static const struct option option_table[] = {
	{"--l1", TO_VM, "kernel", RUN | CHECK | IMAGE},
	{"--l1-firmware", TO_VM, "firmware", RUN | CHECK | IMAGE},
	{"--variables", TO_VM, "variables", RUN | CHECK},
	{"--firmware-log", TO_VM, "firmware-log", RUN | CHECK | IMAGE},
	{"--name", TO_VM, "name", RUN | CHECK | IMAGE},
	{"--cmdline", TO_VM, "cmdline", RUN | CHECK | IMAGE},
	{"--initrd", TO_VM, "initrd", RUN | CHECK | IMAGE},
	{"--module", TO_MODULE, NULL, RUN | CHECK | IMAGE},
	{"--disk", TO_DISK, "image", RUN | CHECK | IMAGE},
	{"--scratch", TO_DISK, "scratch", RUN | CHECK | IMAGE},
	{"--cd", TO_CDROM, "image", RUN | CHECK | IMAGE},
	{"--boot", TO_VM, "boot", RUN | CHECK | IMAGE},
	{"--memory", TO_VM, "memory", RUN | CHECK | IMAGE},
	{"--cpus", TO_VM, "cpus", RUN | CHECK | IMAGE},
	{"--nodes", TO_VM, "nodes", RUN | CHECK | IMAGE},
	{"--restart", TO_VM, "restart", RUN | CHECK | IMAGE},
	{"--restart-limit", TO_VM, "restart-limit", RUN | CHECK | IMAGE},
	{"--start", TO_VM, "start", RUN | CHECK},
	{"--background", TO_VM, "background", RUN | CHECK | IMAGE},
	{"--weight", TO_VM, "weight", RUN | CHECK | IMAGE},
	{"--pin", TO_VM, "pin", RUN | CHECK | IMAGE},
	{"--display", TO_VM, "display", RUN | CHECK | IMAGE},
	{"--reserve", TO_VM, "reserve", RUN | CHECK | IMAGE},
	{"--balloon", TO_VM, "balloon", RUN | CHECK | IMAGE},
	{"--rng", TO_VM, "rng", RUN | CHECK | IMAGE},
	{"--virtio-console", TO_VM, "virtio-console", RUN | CHECK | IMAGE},
	{"--vsock", TO_VM, "vsock", RUN | CHECK | IMAGE},
	{"--ports", TO_VM, "ports", RUN | CHECK | IMAGE},
	{"--hpet", TO_VM, "hpet", RUN | CHECK | IMAGE},
	{"--root-ports", TO_VM, "root-ports", RUN | CHECK | IMAGE},
	{"--net", TO_VM, "net", RUN | CHECK | IMAGE},
	{"--devices", TO_VM, "devices", RUN | CHECK | IMAGE},
	{"--iommu", TO_VM, "iommu", RUN | CHECK | IMAGE},
	{"--protocol", TO_VM, "protocol", RUN | CHECK | IMAGE},
	{"--argv0", TO_ALL_VMS, "argv0", RUN | CHECK | IMAGE},
	{"--vmx", TO_ALL_VMS, "vmx", RUN | CHECK | IMAGE},
	{"--shadow", TO_ALL_VMS, "shadow", RUN | CHECK | IMAGE},
	{"--apicv", TO_ALL_VMS, "apicv", RUN | CHECK | IMAGE},
	{"--cpu-features", TO_ALL_VMS, "cpu-features", RUN | CHECK | IMAGE},
	{"--vmx-features", TO_ALL_VMS, "vmx-features", RUN | CHECK | IMAGE},
	{"--machine", TO_MACHINE, "kind", RUN},
	{"--machine-cpus", TO_MACHINE, "cpus", RUN},
	{"--machine-memory", TO_MACHINE, "memory", RUN},
	{"--machine-vms", TO_MACHINE, "vms", RUN},
	{"--machine-iommu", TO_MACHINE, "iommu", RUN},
	{"--machine-nodes", TO_MACHINE, "nodes", RUN},
	{"--machine-option", TO_MACHINE, "option", RUN},
	{"--machine-msr", TO_MACHINE, "msr", RUN},
	{"--machine-map", TO_MACHINE, "map", RUN},
	{"--ips", TO_MACHINE, "ips", RUN},
	{"--net-device", TO_MACHINE, "net", RUN},
	{"--machine-disk", TO_MACHINE, "disk", RUN},
	{"--machine-disk-changes", TO_MACHINE, "disk-changes", RUN},
	{"--timeout", TO_SCENARIO, "timeout", RUN},
	{"--log-level", TO_SCENARIO, "log", RUN | IMAGE},
	{"--console", TO_CONSOLE, NULL, RUN},
	{"--screenshot", TO_SCREENSHOT, NULL, RUN},
	{"--port", TO_PORT, NULL, RUN},
	{"--iso", TO_TOOL, "iso", RUN},
	{"--firmware", TO_TOOL, "firmware", RUN},
	{"--l0", TO_TOOL, "l0", RUN | IMAGE},
	{"--l0-option", TO_TOOL, "l0-option", RUN | IMAGE},
	{"--l0-log", TO_TOOL, "l0-log", RUN},
	{"--stats", TO_TOOL, "stats", RUN},
	{"--keep", TO_TOOL, "keep", RUN},
	{"--profile", TO_TOOL, "profile", RUN},
	{"--manage", TO_TOOL, "manage", RUN},
	{"--output", TO_TOOL, "output", IMAGE},
	{"-o", TO_TOOL, "output", IMAGE},
	{"--bare", TO_FLAG, "bare", RUN},
	{"--explain", TO_FLAG, "explain", RUN},
	{"--summary", TO_FLAG, "summary", RUN},
	{"--verbose", TO_FLAG, "verbose", RUN | IMAGE},
	{"--host", TO_FLAG, "host", CHECK},
	{"--msrs", TO_TOOL, "msrs", CHECK},
	{"--sys", TO_TOOL, "sys", CHECK},
	{"--json", TO_FLAG, "json", CHECK},
	{"--report", TO_FLAG, "report", CHECK},
};

#define OPTION_COUNT (sizeof(option_table) / sizeof(option_table[0]))
_Static_assert(OPTION_COUNT <= COMMAND_OPTIONS, "struct parser has a flag for each");

static const char *const firmware_names[] = {"bios", "uefi", NULL};

#define ROW(name, kind, member) NULL, name, kind, SETTING_AT(struct command, member)

static const struct setting tool_rows[] = {
	{ROW("l0", SETTING_FILE, l0)},
	{ROW("l0-option", SETTING_LINE, l0_option), .max = 1023},
	{ROW("iso", SETTING_FILE, iso)},
	{ROW("firmware", SETTING_CHOICE, firmware), .words = firmware_names},
	{ROW("l0-log", SETTING_LINE, l0_log), .max = 4095},
	{ROW("stats", SETTING_LINE, stats), .max = 4095},
	{ROW("keep", SETTING_LINE, keep), .max = 4095},
	{ROW("manage", SETTING_LINE, manage), .max = 107},
	{ROW("profile", SETTING_LINE, profile), .max = 4095},
	{ROW("output", SETTING_LINE, output), .max = 4095},
	{ROW("bare", SETTING_SWITCH, bare)},
	{ROW("explain", SETTING_SWITCH, explain)},
	{ROW("summary", SETTING_SWITCH, summary)},
	{ROW("verbose", SETTING_SWITCH, verbose)},
	{ROW("host", SETTING_SWITCH, host)},
	{ROW("json", SETTING_SWITCH, json)},
	{ROW("report", SETTING_SWITCH, report)},
	{ROW("msrs", SETTING_LINE, msrs), .max = 4095},
	{ROW("sys", SETTING_LINE, sys), .max = 4095},
	{.kind = SETTING_END},
};

static setting_tables tool_keys = {tool_rows, NULL};

/* Options that mean nothing together are told, not ignored. */
static const struct {
	const char *with; /* needs this one, or must not be with it */
	bool needs;
	const char *names[20];
	const char *instead; /* what to say further, or NULL */
} option_rules[] = {
	{"--bare", false,
		{"--l0", "--l0-option", "--l0-log", "--log-level", "--explain", "--summary",
			"--stats", "--iso", "--console", "--port", "--screenshot",
			"--l1-firmware", "--manage", "--profile", NULL},
		NULL},
	{"--bare", false, {"--machine-cpus", NULL}, ": --cpus says how many it has"},
	{"--bare", false, {"--machine-memory", NULL}, ": --memory says how much it has"},
	{"--iso", false,
		{"--l0", "--l0-option", "--l0-log", "--log-level", "--explain", "--summary",
			"--stats", "--argv0", "--vmx", "--shadow", "--apicv", "--cpu-features",
			"--vmx-features", "--console", "--port", "--screenshot", "--manage",
			"--profile", NULL},
		NULL},
	{"--iso", true, {"--firmware", NULL}, NULL},
	{"--host", true, {"--msrs", "--sys", "--json", "--report", NULL}, NULL},
	{"--report", false, {"--msrs", "--sys", "--json", NULL}, NULL},
	{"--manage", true, {"--machine-vms", NULL}, NULL},
};

static const char *const verb_names[VERB_COUNT] = {
	[VERB_RUN] = "run",
	[VERB_CHECK] = "check",
	[VERB_IMAGE] = "image",
	[VERB_HELP] = "help",
	[VERB_VERSION] = "version",
};

static enum verb find_verb(const char *word)
{
	enum verb v = 0;

	while (v < VERB_COUNT && strcmp(verb_names[v], word) != 0)
		v++;
	return v;
}

static const char *option_names(struct parser *p)
{
	const char *all = "";

	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_table[i].verbs & 1U << p->o->verb && option_table[i].name[1] == '-')
			all = arena_format(p->a, "%s%s ", all, option_table[i].name);
	return arena_format(p->a, "%s--help", all);
}

static const struct option *find_option(struct parser *p, const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_table[i].verbs & 1U << p->o->verb &&
			strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	fail(p->e, STATUS_USAGE, "unknown option '%.60s': `nestor %s` has %s", name,
		verb_names[p->o->verb], option_names(p));
	return NULL;
}

static int apply_option(struct parser *p, const struct option *o, const char *value)
{
	const struct setting *const *keys = tool_keys;
	void *object = p->o;

	switch (o->target) {
	case TO_MODULE:
		return command_add_module(p, value);
	case TO_DISK:
		return command_add_disk(p, o, value);
	case TO_CDROM:
		return command_add_cdrom(p, o, value);
	case TO_CONSOLE:
		return command_add_console(p, value);
	case TO_SCREENSHOT:
		return command_add_screenshot(p, value);
	case TO_PORT:
		return command_add_port(p, value);
	case TO_VM:
	case TO_ALL_VMS:
		keys = vm_keys;
		object = &p->vm;
		break;
	case TO_MACHINE:
		keys = machine_keys;
		object = &p->o->scenario.machine;
		machine_is_told(object, o->setting, o->name);
		break;
	case TO_SCENARIO:
		keys = scenario_keys;
		object = &p->o->scenario;
		break;
	case TO_TOOL:
		/* Words add up: who names one more loses none. */
		if (strcmp(o->setting, "l0-option") == 0 && p->o->l0_option)
			value = arena_format(p->a, "%s %s", p->o->l0_option, value);
		break;
	case TO_FLAG:
		break;
	}
	if (setting_apply(
		    setting_find(keys, o->setting), object, value, o->name, NULL, p->a, p->e))
		p->e->status = STATUS_USAGE;
	return p->e->status;
}

/* For the options that go to all VMs of a scenario, too. */
static void apply_to_vms(struct parser *p, const struct option *o, const char *value)
{
	struct scenario_spec *s = &p->o->scenario;

	for (unsigned i = 0; i < s->vm_count; i++)
		setting_apply(setting_find(vm_keys, o->setting), &s->vms[i], value, o->name,
			NULL, p->a, p->e);
}

/*
 * Takes the option at argv[*at] with its value, which may follow after '='. @apply false: only
 * checks that it exists and has its value.
 */
static int take_option(struct parser *p, char **argv, int *at, bool apply)
{
	char *word = arena_copy(p->a, argv[*at]);
	char *equals = strchr(word, '=');
	const char *value = equals ? equals + 1 : NULL;
	const struct option *o;

	if (equals)
		*equals = 0;
	o = find_option(p, word);
	if (!o)
		return p->e->status;
	if (o->target == TO_FLAG && value)
		return fail(p->e, STATUS_USAGE, "%s takes no value", o->name);
	if (o->target == TO_FLAG)
		value = "on";
	else if (!value)
		value = argv[++*at];
	if (!value)
		return fail(p->e, STATUS_USAGE, "%s needs a value", o->name);
	p->given[o - option_table] = true;
	if (!apply)
		return 0;
	if (o->target == TO_VM || o->target == TO_MODULE || o->target == TO_DISK ||
		o->target == TO_CDROM)
		p->vm_option = o->name;
	if (o->target == TO_ALL_VMS)
		apply_to_vms(p, o, value);
	if (o->setting && strcmp(o->setting, "log") == 0)
		p->o->scenario.log_given = true;
	return apply_option(p, o, value);
}

static int take_words(struct parser *p, int argc, char **argv, bool apply)
{
	bool only_words = false;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0 && !only_words) {
			only_words = true;
		} else if (argv[i][0] == '-' && argv[i][1] && !only_words) {
			if (take_option(p, argv, &i, apply))
				return p->e->status;
		} else if (p->o->scenario_path && !apply) {
			return fail(p->e, STATUS_USAGE,
				"'%.60s': there is a scenario already: '%.60s'", argv[i],
				p->o->scenario_path);
		} else {
			p->o->scenario_path = argv[i];
		}
	}
	return 0;
}

static bool is_given(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (p->given[i] && strcmp(option_table[i].name, name) == 0)
			return true;
	return false;
}

static int check_together(struct parser *p)
{
	for (size_t r = 0; r < sizeof(option_rules) / sizeof(option_rules[0]); r++) {
		const char *with = option_rules[r].with;

		if (is_given(p, with) == option_rules[r].needs)
			continue;
		for (const char *const *n = option_rules[r].names; *n; n++)
			if (is_given(p, *n))
				return fail(p->e, STATUS_USAGE, "%s %s %s%s", *n,
					option_rules[r].needs ? "needs" : "does not go with",
					with,
					option_rules[r].instead ? option_rules[r].instead : "");
	}
	return 0;
}

static int use_l1(struct parser *p)
{
	struct vm_spec *vm = scenario_add_vm(&p->o->scenario, "--l1");

	if (!p->vm.kernel.path && !p->vm.firmware.path)
		return fail(p->e, STATUS_USAGE,
			"`nestor %s` needs a SCENARIO.yaml, --l1 IMAGE or --l1-firmware "
			"FILE: see `nestor %s --help`",
			verb_names[p->o->verb], verb_names[p->o->verb]);
	*vm = p->vm;
	if (!*vm->config.name)
		strcpy(vm->config.name, COMMAND_VM_NAME);
	return scenario_finish(&p->o->scenario, p->e);
}

/* The network `user` and what belongs to it. */
static int add_user_net(struct parser *p)
{
	struct scenario_spec *s = &p->o->scenario;

	if (p->o->bare || !user_net_is_used(s))
		return 0;
	if (p->o->verb == VERB_IMAGE)
		return fail(p->e, STATUS_BAD_INPUT,
			"the network '" USER_NETWORK "' is the emulated machine's: an image "
			"has none");
	if (user_net_add(s, p->a, p->e))
		return p->e->status;
	return scenario_finish(s, p->e);
}

static bool add_l0_option(const struct command *o, struct options *l0, struct refusal *r)
{
	const char *line = o->l0_option ? o->l0_option : "";
	struct text rest = text_of(line, strlen(line));

	return options_parse(&rest, l0, r);
}

const char *command_l0_line(struct arena *a, const struct command *o, const struct options *l0)
{
	char line[SETTING_TEXT_SIZE];
	struct options all = *l0;
	struct refusal r;

	add_l0_option(o, &all, &r);
	settings_format(option_settings, &all, line, sizeof(line));
	return arena_copy(a, line + (*line == ' '));
}

/* A word that L0 would leave out is told before the machine starts. */
static int check_l0_option(struct parser *p)
{
	struct options l0;
	struct refusal r;

	settings_init(option_settings, &l0);
	if (add_l0_option(p->o, &l0, &r))
		return 0;
	return fail(p->e, STATUS_USAGE, "--l0-option: '%.*s' is not allowed: %s",
		r.where.len < 60 ? (int)r.where.len : 60, r.where.s, r.why);
}

/* Only the emulated machine has a unit, and nodes. */
static int check_iommu(struct parser *p)
{
	const struct machine_spec *m = &p->o->scenario.machine;

	if (m->kind != MACHINE_QEMU)
		return 0;
	if (m->nodes > 1)
		return fail(p->e, STATUS_USAGE,
			"the machine's nodes: QEMU's machine has one: needs --machine bochs");
	if (m->iommu == MACHINE_IOMMU_NONE)
		return 0;
	return fail(p->e, STATUS_USAGE,
		"the machine's iommu: QEMU's machine has none: needs --machine bochs");
}

/* A VM that is off at first is begun by whoever manages the run. */
static int check_start(struct parser *p)
{
	const struct scenario_spec *s = &p->o->scenario;

	for (unsigned i = 0; i < s->vm_count && p->o->verb != VERB_CHECK && !p->o->manage; i++)
		if (!s->vms[i].config.start)
			return fail(p->e, STATUS_BAD_INPUT,
				"%s: '%s' has 'start: off', and nobody could start it: that is for `nestor run` with --manage",
				s->vms[i].where, s->vms[i].config.name);
	return 0;
}

static int parse_verb(struct parser *p, int argc, char **argv)
{
	struct scenario_spec defaults;

	scenario_init(&defaults);
	p->vm = *scenario_add_vm(&defaults, "--l1");
	if (take_words(p, argc, argv, false))
		return p->e->status;
	if (is_given(p, "--host") && p->o->scenario_path)
		return command_usage(p, "--host does not go with a scenario");
	if (p->o->scenario_path &&
		scenario_load(&p->o->scenario, p->o->scenario_path, p->a, p->e))
		return p->e->status;
	if (take_words(p, argc, argv, true) || check_together(p) || check_l0_option(p) ||
		check_iommu(p))
		return p->e->status;
	if (p->o->iso.path && (p->o->scenario_path || p->vm_option))
		return command_usage(p, "--iso does not go with a scenario or options of a VM");
	if (p->o->host && p->vm_option)
		return command_usage(p, "--host does not go with options of a VM");
	p->o->host_features = p->vm.config.vmx_features;
	if (p->o->iso.path || p->o->host)
		return 0;
	if (p->o->scenario_path && p->vm_option)
		return fail(p->e, STATUS_USAGE, "%s does not go with a scenario: say it there",
			p->vm_option);
	if (!p->o->scenario_path && use_l1(p))
		return p->e->status;
	return check_start(p) ? p->e->status : add_user_net(p);
}

static bool asks_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* OPTION help */
static bool asks_words(int argc, char **argv, const char *option)
{
	size_t len = strlen(option);

	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if ((strncmp(argv[i], option, len) == 0 &&
			    strcmp(argv[i] + len, "=help") == 0) ||
			(strcmp(argv[i], "help") == 0 && strcmp(argv[i - 1], option) == 0))
			return true;
	return false;
}

/* The family of features whose words are asked for; NULL: none. */
static const struct feature_family *asks_features(int argc, char **argv)
{
	if (asks_words(argc, argv, "--vmx-features"))
		return &vmx_feature_family;
	return asks_words(argc, argv, "--cpu-features") ? &cpu_feature_family : NULL;
}

int command_parse(struct command *o, int argc, char **argv, struct arena *a, struct error *e)
{
	struct parser p = {.o = o, .a = a, .e = e};

	memset(o, 0, sizeof(*o));
	scenario_init(&o->scenario);
	o->help_on = VERB_COUNT;
	if (argc < 2)
		return fail(e, STATUS_USAGE, "no verb: must be one of " VERBS ", %s",
			client_verbs());
	o->verb = find_verb(argv[1]);
	o->help_features = asks_features(argc, argv);
	if (o->help_features || asks_help(argc, argv)) {
		o->help_on = o->verb;
		o->verb = VERB_HELP;
	} else if (strcmp(argv[1], "--version") == 0) {
		o->verb = VERB_VERSION;
	}
	if (o->verb == VERB_HELP && o->help_on >= VERB_HELP && argc > 2)
		o->help_on = find_verb(argv[2]);
	if (o->verb == VERB_COUNT)
		return fail(e, STATUS_USAGE,
			"unknown verb '%.60s': must be one of " VERBS ", %s", argv[1],
			client_verbs());
	return o->verb < VERB_HELP ? parse_verb(&p, argc, argv) : 0;
}
