/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenario files: YAML read with libyaml into its document form, whose nodes know their
 * line, and walked by the tables of settings.
 */
#include "scenario.h"

#include <string.h>
#include <yaml.h>

#include "file.h"
#include "policy/net_config.h"
#include "scenario_text.h"

struct loader {
	struct scenario_spec *s;
	yaml_document_t *doc;
	const char *path; /* of the file, for messages */
	const char *base; /* its folder, for relative file names */
	struct arena *a;
	struct error *e;
};

/* Called for each key of a mapping. */
typedef int (*key_fn)(struct loader *l, void *object, const char *key, yaml_node_t *value);

static const char *node_where(struct loader *l, const yaml_node_t *node, const char *key)
{
	return arena_format(l->a, "%s:%zu: %s", l->path, node->start_mark.line + 1, key);
}

static int wrong_kind(
	struct loader *l, const yaml_node_t *node, const char *key, const char *wanted)
{
	return fail(l->e, STATUS_BAD_INPUT, "%s: must be %s", node_where(l, node, key), wanted);
}

static int unknown_key(struct loader *l, const yaml_node_t *value, const char *key,
	setting_tables keys, const char *more)
{
	return fail(l->e, STATUS_BAD_INPUT, "%s:%zu: unknown key '%.60s': must be one of %s%s",
		l->path, value->start_mark.line + 1, key, setting_names(keys, l->a), more);
}

/* The text of a scalar node; NULL if it is none, or contains a NUL. */
static const char *scalar_text(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length)
		return NULL;
	return text;
}

static int check_duplicates(struct loader *l, const yaml_node_t *mapping,
	const yaml_node_pair_t *pair, const char *key)
{
	const yaml_node_pair_t *p;

	for (p = mapping->data.mapping.pairs.start; p < pair; p++) {
		const yaml_node_t *node = yaml_document_get_node(l->doc, p->key);

		if (strcmp(scalar_text(node), key) == 0)
			return fail(l->e, STATUS_BAD_INPUT, "%s: the key is there twice",
				node_where(l, yaml_document_get_node(l->doc, pair->key), key));
	}
	return 0;
}

static int for_each_key(
	struct loader *l, yaml_node_t *mapping, const char *what, void *object, key_fn handle)
{
	yaml_node_pair_t *pair;

	if (mapping->type != YAML_MAPPING_NODE)
		return wrong_kind(l, mapping, what, "a mapping of keys to values");
	for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
		pair++) {
		yaml_node_t *key_node = yaml_document_get_node(l->doc, pair->key);
		yaml_node_t *value = yaml_document_get_node(l->doc, pair->value);
		const char *key = scalar_text(key_node);
		int status;

		if (!key)
			return wrong_kind(l, key_node, what, "a mapping with words as keys");
		status = check_duplicates(l, mapping, pair, key);
		if (!status)
			status = handle(l, object, key, value);
		if (status)
			return status;
	}
	return 0;
}

static int apply(struct loader *l, const struct setting *s, void *object, yaml_node_t *value)
{
	const char *text = scalar_text(value);

	if (!text)
		return wrong_kind(l, value, s->name, "a single value");
	return setting_apply(
		s, object, text, node_where(l, value, s->name), l->base, l->a, l->e);
}

static int module_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	static const struct setting rows[] = {
		{NULL, "file", SETTING_FILE, SETTING_AT(struct module_spec, file)},
		{NULL, "cmdline", SETTING_LINE, SETTING_AT(struct module_spec, cmdline),
			.max = LIMIT_LINE},
		{.kind = SETTING_END},
	};
	static setting_tables keys = {rows, NULL};
	const struct setting *s = setting_find(keys, key);

	return s ? apply(l, s, object, value) : unknown_key(l, value, key, keys, "");
}

static int load_modules(struct loader *l, struct vm_spec *vm, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "modules", "a list of {file, cmdline}");
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++) {
		yaml_node_t *node = yaml_document_get_node(l->doc, *item);
		struct module_spec *module = &vm->modules[vm->module_count];

		if (vm->module_count == SCENARIO_MAX_MODULES)
			return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d modules",
				node_where(l, node, "modules"), SCENARIO_MAX_MODULES);
		vm->module_count++;
		module->cmdline = "";
		if (for_each_key(l, node, "modules", module, module_key))
			return l->e->status;
		if (!module->file.path)
			return fail(l->e, STATUS_BAD_INPUT, "%s: the module has no 'file'",
				node_where(l, node, "modules"));
	}
	return 0;
}

static int disk_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(disk_keys, key);

	return s ? apply(l, s, object, value) : unknown_key(l, value, key, disk_keys, "");
}

static int load_disks(struct loader *l, struct vm_spec *vm, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "disks", "a list of {image} or {scratch}");
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++) {
		yaml_node_t *node = yaml_document_get_node(l->doc, *item);
		struct disk_spec *disk = scenario_add_disk(vm, node_where(l, node, "disks"));

		if (!disk)
			return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d disks",
				node_where(l, node, "disks"), SCENARIO_MAX_DISKS);
		if (for_each_key(l, node, "disks", disk, disk_key))
			return l->e->status;
	}
	return 0;
}

static int cdrom_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(cdrom_keys, key);

	return s ? apply(l, s, object, value) : unknown_key(l, value, key, cdrom_keys, "");
}

static int load_cdroms(struct loader *l, struct vm_spec *vm, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "cdroms", "a list of {image}");
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++) {
		yaml_node_t *node = yaml_document_get_node(l->doc, *item);
		struct cdrom_spec *cdrom =
			scenario_add_cdrom(vm, node_where(l, node, "cdroms"));

		if (!cdrom)
			return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d CD-ROM drives",
				node_where(l, node, "cdroms"), SCENARIO_MAX_CDROMS);
		if (for_each_key(l, node, "cdroms", cdrom, cdrom_key))
			return l->e->status;
	}
	return 0;
}

/* NAME: FILE */
static int image_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	struct scenario_spec *s = object;
	struct image_spec *image = &s->images[s->image_count];

	if (s->image_count == LIMIT_IMAGES)
		return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d images",
			node_where(l, value, key), LIMIT_IMAGES);
	s->image_count++;
	if (setting_apply(setting_find(image_keys, "name"), image, key,
		    node_where(l, value, "images"), l->base, l->a, l->e))
		return l->e->status;
	return apply(l, setting_find(image_keys, "file"), image, value);
}

/* ---- networks ---- */

static const struct setting network_rows[] = {
	{NULL, "name", SETTING_NAME, .offset = 0, .size = LIMIT_NAME},
	{.kind = SETTING_END},
};
static setting_tables network_keys = {network_rows, NULL};
static setting_tables net_keys = {net_settings, NULL};

static int network_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(network_keys, key);

	return s ? apply(l, s, object, value) : unknown_key(l, value, key, network_keys, "");
}

static bool has_network(const struct scenario_spec *s, const char *name)
{
	if (strcmp(name, USER_NETWORK) == 0)
		return true;
	for (unsigned i = 0; i < s->network_count; i++)
		if (strcmp(s->networks[i], name) == 0)
			return true;
	return false;
}

/* NAME, or {name: NAME} */
static int load_network(struct loader *l, yaml_node_t *node)
{
	char name[LIMIT_NAME] = "";
	int status;

	if (l->s->network_count == LIMIT_NETWORKS)
		return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d networks",
			node_where(l, node, "networks"), LIMIT_NETWORKS);
	status = node->type == YAML_SCALAR_NODE
			 ? apply(l, network_rows, name, node)
			 : for_each_key(l, node, "networks", name, network_key);
	if (status)
		return status;
	if (!*name)
		return fail(l->e, STATUS_BAD_INPUT, "%s: the network has no 'name'",
			node_where(l, node, "networks"));
	if (strcmp(name, USER_NETWORK) == 0)
		return 0; /* it always is */
	if (has_network(l->s, name))
		return fail(l->e, STATUS_BAD_INPUT, "%s: the network '%s' is there twice",
			node_where(l, node, "networks"), name);
	strcpy(l->s->networks[l->s->network_count++], name);
	return 0;
}

static int load_networks(struct loader *l, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "networks", "a list of names");
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++)
		if (load_network(l, yaml_document_get_node(l->doc, *item)))
			return l->e->status;
	return 0;
}

static int net_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(net_keys, key);

	return s ? apply(l, s, object, value) : unknown_key(l, value, key, net_keys, "");
}

/* NAME of the network, or a mapping */
static int load_net(struct loader *l, struct vm_spec *vm, yaml_node_t *node)
{
	struct net_list *nets = &vm->config.nets;
	struct net_config *c = &nets->at[nets->count];
	const char *error;
	int status;

	if (nets->count == LIMIT_NETS)
		return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d network devices",
			node_where(l, node, "nets"), LIMIT_NETS);
	vm->net_where[nets->count++] = node_where(l, node, "nets");
	settings_init(net_settings, c);
	status = node->type == YAML_SCALAR_NODE ? apply(l, net_settings, c, node)
						: for_each_key(l, node, "nets", c, net_key);
	if (status)
		return status;
	error = net_config_error(c);
	return error ? fail(l->e, STATUS_BAD_INPUT, "%s: %s", node_where(l, node, "nets"),
			       error)
		     : 0;
}

static int load_nets(struct loader *l, struct vm_spec *vm, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "nets", "a list of {network, ...}");
	if (vm->config.nets.count != 0)
		return fail(l->e, STATUS_BAD_INPUT, "%s: does not go with 'net'",
			node_where(l, list, "nets"));
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++)
		if (load_net(l, vm, yaml_document_get_node(l->doc, *item)))
			return l->e->status;
	return 0;
}

/* net: NETWORK,KEY=VALUE,...+... as on the command line */
static int load_net_line(struct loader *l, struct vm_spec *vm, yaml_node_t *value)
{
	if (vm->config.nets.count != 0)
		return fail(l->e, STATUS_BAD_INPUT, "%s: does not go with 'nets'",
			node_where(l, value, "net"));
	for (unsigned i = 0; i < LIMIT_NETS; i++)
		vm->net_where[i] = node_where(l, value, "net");
	return apply(l, setting_find(vm_keys, "net"), vm, value);
}

/* Each device is on a network that the scenario has. */
static int check_nets(struct loader *l, const struct vm_spec *vm)
{
	for (unsigned i = 0; i < vm->config.nets.count; i++)
		if (!has_network(l->s, vm->config.nets.at[i].network))
			return fail(l->e, STATUS_BAD_INPUT,
				"%s: unknown network '%s': must be one of 'networks', or " USER_NETWORK,
				vm->net_where[i], vm->config.nets.at[i].network);
	return 0;
}

/* ---- VMs ---- */

/* vmx: {shadow: off, features: "-ept"} */
static int vmx_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	if (strcmp(key, "shadow") == 0)
		return apply(l, setting_find(vm_keys, "shadow"), object, value);
	if (strcmp(key, "features") == 0)
		return apply(l, setting_find(vm_keys, "vmx-features"), object, value);
	return fail(l->e, STATUS_BAD_INPUT,
		"%s:%zu: unknown key '%.60s' in vmx: must be one of shadow, features", l->path,
		value->start_mark.line + 1, key);
}

/* What an item of a list of words is on the command line; NULL: it is none. */
typedef const char *word_of(struct loader *l, yaml_node_t *node);

static const char *plain_word(struct loader *l, yaml_node_t *node)
{
	const char *text = scalar_text(node);

	(void)l;
	return text && !strchr(text, ',') ? text : NULL;
}

/* pci:00:03.0,root-port=1,attached=off, or {pci: 00:03.0, root-port: 1, attached: off} */
static const char *device_word(struct loader *l, yaml_node_t *node)
{
	const char *name = NULL, *options = "";
	yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return scalar_text(node);
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
		pair++) {
		const char *key = plain_word(l, yaml_document_get_node(l->doc, pair->key));
		const char *value = plain_word(l, yaml_document_get_node(l->doc, pair->value));

		if (!key || !value || (name && strcmp(key, "pci") == 0))
			return NULL;
		if (strcmp(key, "pci") == 0)
			name = value;
		else
			options = arena_format(l->a, "%s,%s=%s", options, key, value);
	}
	return name ? arena_format(l->a, "%s%s", name, options) : NULL;
}

/* A list of words, in place of one text: devices: [pci:00:03.0, pci:00:1f.2]. */
static int load_words(struct loader *l, const struct setting *s, struct vm_spec *vm,
	yaml_node_t *list, word_of *word, const char *kind, const char *none)
{
	const char *all = NULL, *text;
	yaml_node_item_t *item;

	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++) {
		text = word(l, yaml_document_get_node(l->doc, *item));
		if (!text || (all ? strlen(all) : 0) + strlen(text) >= SETTING_TEXT_SIZE)
			return wrong_kind(l, list, s->name, kind);
		all = all ? arena_format(l->a, "%s,%s", all, text) : text;
	}
	return setting_apply(
		s, vm, all ? all : none, node_where(l, list, s->name), l->base, l->a, l->e);
}

/* Other names of keys. */
static const char *usual_key(const char *key)
{
	return strcmp(key, "pci") == 0 ? "devices" : key;
}

static int vm_key(struct loader *l, void *object, const char *name, yaml_node_t *value)
{
	const char *key = usual_key(name);
	const struct setting *s = setting_find(vm_keys, key);

	if (strcmp(key, "modules") == 0)
		return load_modules(l, object, value);
	if (strcmp(key, "disks") == 0)
		return load_disks(l, object, value);
	if (strcmp(key, "cdroms") == 0)
		return load_cdroms(l, object, value);
	if (strcmp(key, "nets") == 0)
		return load_nets(l, object, value);
	if (strcmp(key, "net") == 0)
		return load_net_line(l, object, value);
	if (strcmp(key, "devices") == 0 && value->type == YAML_SEQUENCE_NODE)
		return load_words(l, s, object, value, device_word,
			"a list of PCI functions, each its name or {pci, root-port, attached}",
			"none");
	if (strcmp(key, "boot") == 0 && value->type == YAML_SEQUENCE_NODE)
		return load_words(l, s, object, value, plain_word, "a list of words", "");
	if (strcmp(key, "ports") == 0 && value->type == YAML_SEQUENCE_NODE)
		return value->data.sequence.items.start == value->data.sequence.items.top
			       ? 0
			       : load_words(l, s, object, value, plain_word, "a list of names",
					 "");
	if (strcmp(key, "vmx") == 0 && value->type == YAML_MAPPING_NODE)
		return for_each_key(l, value, "vmx", object, vmx_key);
	return s ? apply(l, s, object, value)
		 : unknown_key(l, value, key, vm_keys, ", modules, disks, cdroms, nets, pci");
}

static int load_vms(struct loader *l, yaml_node_t *list)
{
	yaml_node_item_t *item;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong_kind(l, list, "vms", "a list of VMs");
	for (item = list->data.sequence.items.start; item < list->data.sequence.items.top;
		item++) {
		yaml_node_t *node = yaml_document_get_node(l->doc, *item);
		struct vm_spec *vm = scenario_add_vm(l->s, node_where(l, node, "vms"));

		if (!vm)
			return fail(l->e, STATUS_BAD_INPUT, "%s: more than %d VMs",
				node_where(l, node, "vms"), SCENARIO_MAX_VMS);
		if (for_each_key(l, node, "vms", vm, vm_key))
			return l->e->status;
	}
	return 0;
}

static int machine_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(machine_keys, key);
	struct machine_spec *machine = object;

	machine_is_told(machine, key, node_where(l, value, key));
	return s ? apply(l, s, object, value) : unknown_key(l, value, key, machine_keys, "");
}

static int top_key(struct loader *l, void *object, const char *key, yaml_node_t *value)
{
	const struct setting *s = setting_find(scenario_keys, key);
	struct scenario_spec *scenario = object;

	if (strcmp(key, "vms") == 0)
		return load_vms(l, value);
	if (strcmp(key, "networks") == 0)
		return load_networks(l, value);
	if (strcmp(key, "images") == 0)
		return for_each_key(l, value, key, scenario, image_key);
	if (strcmp(key, "machine") == 0 && value->type == YAML_SCALAR_NODE)
		return apply(l, setting_find(machine_keys, "kind"), &scenario->machine, value);
	if (strcmp(key, "machine") == 0)
		return for_each_key(l, value, key, &scenario->machine, machine_key);
	if (strcmp(key, "log") == 0)
		scenario->log_given = true;
	return s ? apply(l, s, object, value)
		 : unknown_key(
			   l, value, key, scenario_keys, ", vms, machine, networks, images");
}

static int load_document(struct loader *l)
{
	yaml_node_t *root = yaml_document_get_root_node(l->doc);

	if (!root)
		return fail(l->e, STATUS_BAD_INPUT, "%s: the scenario is empty: it needs 'vms'",
			l->path);
	if (for_each_key(l, root, "scenario", l->s, top_key))
		return l->e->status;
	if (l->s->vm_count == 0)
		return fail(l->e, STATUS_BAD_INPUT, "%s: the scenario needs 'vms' with a VM",
			l->path);
	for (unsigned i = 0; i < l->s->vm_count; i++)
		if (check_nets(l, &l->s->vms[i]))
			return l->e->status;
	return scenario_finish(l->s, l->e);
}

static const char *folder_of(const char *path, struct arena *a)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_format(a, "%.*s", (int)(slash - path), path) : ".";
}

/* One document is a scenario. */
static int check_end(yaml_parser_t *parser, const char *path, struct error *e)
{
	yaml_document_t more;
	bool ended;
	size_t line;

	if (!yaml_parser_load(parser, &more))
		return fail(e, STATUS_BAD_INPUT, "%s:%zu: not YAML: %s", path,
			parser->problem_mark.line + 1,
			parser->problem ? parser->problem : "unreadable");
	ended = !yaml_document_get_root_node(&more);
	line = more.start_mark.line + 1;
	yaml_document_delete(&more);
	return ended ? 0
		     : fail(e, STATUS_BAD_INPUT, "%s:%zu: a second document: a scenario is one",
			       path, line);
}

int scenario_parse(struct scenario_spec *s, const char *path, const char *text, size_t size,
	struct arena *a, struct error *e)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	struct loader l = {s, &doc, path, folder_of(path, a), a, e};
	int status;

	if (scenario_check_text(path, text, size, e))
		return e->status;
	if (!yaml_parser_initialize(&parser))
		return fail(e, STATUS_HOST_ERROR, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (yaml_parser_load(&parser, &doc)) {
		status = load_document(&l);
		yaml_document_delete(&doc);
		if (!status)
			status = check_end(&parser, path, e);
	} else {
		status = fail(e, STATUS_BAD_INPUT, "%s:%zu: not YAML: %s", path,
			parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "unreadable");
	}
	yaml_parser_delete(&parser);
	return status;
}

int scenario_load(struct scenario_spec *s, const char *path, struct arena *a, struct error *e)
{
	struct bytes text;

	if (file_read(a, path, "scenario", &text, e))
		return e->status;
	return scenario_parse(s, path, (const char *)text.data, text.size, a, e);
}
