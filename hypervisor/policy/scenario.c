/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scenario.h"

#include <stddef.h>

static struct vm_images *find(struct scenario *s, const char *name)
{
	struct text t = text_of(name, VM_NAME_SIZE);

	for (unsigned i = 0; i < s->vm_count; i++) {
		if (text_is(t, s->vms[i].config.name))
			return &s->vms[i];
	}
	return NULL;
}

/* Words up to "--"; *rest is what follows it, without the one space. */
static bool parse_settings(struct scenario *s, struct text *rest, struct vm_config *c)
{
	struct text word;

	while ((word = text_word(rest)).len > 0) {
		if (text_is(word, "--")) {
			if (rest->len > 0) {
				rest->s++;
				rest->len--;
			}
			return true;
		}
		if (!settings_parse(vm_settings, word, c, &s->refusal))
			return false;
	}
	return true;
}

/* Why not; NULL when it was added. */
static const char *add_kernel(
	struct scenario *s, const struct vm_config *c, const struct vm_file *file)
{
	if (find(s, c->name) != NULL)
		return "there is a VM of this name already";
	if (s->vm_count == SCENARIO_MAX_VMS)
		return "too many VMs";
	s->vms[s->vm_count++] = (struct vm_images){.config = *c, .kernel = *file};
	return NULL;
}

static const char *add_initrd(struct vm_images *vm, const struct vm_file *file)
{
	vm->initrd = *file;
	return NULL;
}

static const char *add_module(struct vm_images *vm, const struct vm_file *file)
{
	if (vm->module_count == SCENARIO_MAX_MODULES)
		return "too many modules of this VM";
	vm->modules[vm->module_count++] = *file;
	return NULL;
}

static const char *add(struct scenario *s, struct text kind, const struct vm_config *c,
	const struct vm_file *file)
{
	struct vm_images *vm = find(s, c->name);
	bool initrd = text_is(kind, "initrd");

	if (text_is(kind, "kernel"))
		return add_kernel(s, c, file);
	if (!initrd && !text_is(kind, "module"))
		return "must begin with kernel, initrd or module";
	if (vm == NULL)
		return "there is no kernel for this VM before it";
	return initrd ? add_initrd(vm, file) : add_module(vm, file);
}

bool scenario_add(struct scenario *s, struct text line, uint64_t start, uint64_t size)
{
	struct text rest = line, kind = text_word(&rest);
	struct vm_file file = {start, size, {NULL, 0}};
	struct vm_config c = {.name = ""};
	const char *error;

	settings_init(vm_settings, &c);
	if (!parse_settings(s, &rest, &c))
		return false;
	file.cmdline = rest;
	error = vm_config_error(&c);
	if (error == NULL)
		error = add(s, kind, &c, &file);
	return error == NULL || refusal_set(&s->refusal, line, "%s", error);
}
