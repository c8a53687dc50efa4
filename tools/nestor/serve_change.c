/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of /v1 that change a VM while the run goes, and what there is to change. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/manage.h"
#include "scenario.h"
#include "serve_api.h"
#include "serve_disks.h"
#include "serve_media.h"

/* Asks for what is done or refused. */
static bool ask(struct serve_job *j, const char *word, const char *more)
{
	json_t *items = serve_run_items(&j->run, word, more);

	json_decref(items);
	j->reply->status = 204;
	return items != NULL;
}

/* Who says If-Match has seen the VM as GET has it. */
static bool is_as_expected(struct serve_job *j)
{
	json_t *vm = *j->request->if_match ? serve_run_vm(&j->run, j->request->vm) : NULL;
	bool is = !*j->request->if_match || (vm && serve_meets_condition(j, vm));

	json_decref(vm);
	return is;
}

/* Both are judged before either is asked for. */
bool serve_change(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];
	char cpus[MANAGE_CPUS + 1] = "";

	if (*q->cpus && !scenario_cpu_list(q->cpus, cpus))
		return serve_problem(&j->problem, 400,
			"\"cpus\" must be a list of CPU numbers, as in \"0,2-3\"");
	if (!is_as_expected(j))
		return false;
	snprintf(more, sizeof(more), "vm=%s cpus=%s", q->vm, cpus);
	if (*q->cpus && !ask(j, "pins", more))
		return false;
	snprintf(more, sizeof(more), "vm=%s weight=%" PRIu64, q->vm, q->weight);
	return !q->weight || ask(j, "weight", more);
}

bool serve_define(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s like=%s%s%s", q->name, q->like,
		*q->with ? " with=" : "", q->with);
	snprintf(j->reply->location, sizeof(j->reply->location), "/v1/vms/%s", q->name);
	return ask(j, "define", more);
}

bool serve_destroy(struct serve_job *j)
{
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s", j->request->vm);
	return ask(j, "destroy", more);
}

bool serve_boot(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s device=%s once=%d", q->vm, q->device, q->flag);
	return ask(j, "boot", more);
}

bool serve_insert(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	if (*q->uri)
		return serve_media_insert(j, q->uri, q->flag);
	snprintf(more, sizeof(more), "vm=%s disk=%s image=%.64s force=%d", q->vm, q->disk,
		q->image, q->flag);
	return ask(j, "insert", more);
}

bool serve_eject(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s disk=%s force=1", q->vm, q->disk);
	return ask(j, "eject", more);
}

bool serve_link(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s net=%u network=%s", q->vm, q->net, q->network);
	if (*q->network && !ask(j, "network", more))
		return false;
	snprintf(more, sizeof(more), "vm=%s net=%u up=%d", q->vm, q->net, q->flag);
	return !q->flag_given || ask(j, "link", more);
}

bool serve_attach(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	if (*q->file || q->scratch)
		return serve_disks_fill(j);
	snprintf(more, sizeof(more), "vm=%s slot=%u%s%s", q->vm, q->slot,
		*q->network ? " network=" : "", q->network);
	return ask(j, "attach", more);
}

bool serve_detach(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	char more[MANAGE_LINE];

	snprintf(more, sizeof(more), "vm=%s slot=%u force=%u", q->vm, q->slot,
		(unsigned)q->arg[SERVE_ARG_FORCE]);
	return ask(j, "detach", more);
}

/* ---- what there is ---- */

/* The words of a list with commas. */
static json_t *words_of(const char *text)
{
	json_t *words = json_array();

	for (size_t n; *text; text += n + (text[n] != 0)) {
		n = strcspn(text, ",");
		json_array_append_new(words, json_stringn(text, n));
	}
	return words;
}

/* A file has a number in this run, by which it is told from others. */
static json_t *medium_of(const json_t *item)
{
	json_t *medium = json_pack("{s:s, s:s}", "disk", serve_text(item, "disk"), "image",
		serve_text(item, "medium"));

	if (serve_number(item, "lent"))
		json_object_set_new(
			medium, "lent", json_integer((json_int_t)serve_number(item, "lent")));
	return medium;
}

static json_t *disk_of(const json_t *item)
{
	json_t *disk = json_pack("{s:s, s:s, s:I, s:b}", "name", serve_text(item, "volume"),
		"is", serve_text(item, "is"), "size", (json_int_t)serve_number(item, "size"),
		"readonly", serve_number(item, "readonly") != 0);

	if (serve_number(item, "port"))
		json_object_set_new(
			disk, "slot", json_integer((json_int_t)serve_number(item, "port")));
	return disk;
}

static json_t *slot_of(const json_t *item)
{
	/* What the guest was asked for is still there. */
	bool attached = strcmp(serve_text(item, "state"), "detached") != 0;
	json_t *slot = json_pack("{s:I, s:s, s:s, s:b}", "slot",
		(json_int_t)serve_number(item, "slot"), "holds", serve_text(item, "holds"),
		"name", serve_text(item, "name"), "attached", attached);

	if (strcmp(serve_text(item, "holds"), "bay") == 0)
		json_object_set_new(
			slot, "size", json_integer((json_int_t)serve_number(item, "size")));
	/* Of a device of the machine, the VM that has it. */
	if (*serve_text(item, "holder"))
		json_object_set_new(slot, "holder", json_string(serve_text(item, "holder")));
	return slot;
}

static void add_device(json_t *out, json_t *item)
{
	const char *boot = serve_text(item, "boot");

	if (*serve_text(item, "disk")) {
		json_array_append_new(json_object_get(out, "media"), medium_of(item));
	} else if (*serve_text(item, "network")) {
		json_array_append_new(json_object_get(out, "links"),
			json_pack("{s:I, s:s, s:s, s:b}", "net",
				(json_int_t)serve_number(item, "net"), "network",
				serve_text(item, "network"), "mac", serve_text(item, "mac"),
				"up", strcmp(serve_text(item, "link"), "up") == 0));
	} else if (*serve_text(item, "volume")) {
		json_array_append_new(json_object_get(out, "disks"), disk_of(item));
	} else if (*serve_text(item, "named")) {
		json_array_append_new(
			json_object_get(out, "ports"), json_string(serve_text(item, "named")));
	} else if (*serve_text(item, "holds")) {
		json_array_append_new(json_object_get(out, "slots"), slot_of(item));
	} else if (*boot) {
		json_object_set_new(out, "boot",
			json_pack("{s:s, s:b, s:o}", "device", boot, "once",
				serve_number(item, "once") != 0, "allowed",
				words_of(serve_text(item, "may"))));
	}
}

json_t *serve_devices_of(struct serve_job *j)
{
	char more[MANAGE_LINE];
	json_t *items, *item, *out;
	size_t i;

	snprintf(more, sizeof(more), "vm=%s", j->request->vm);
	items = serve_run_items(&j->run, "devices", more);
	if (!items)
		return NULL;
	out = json_pack("{s:s, s:[], s:[], s:[], s:[], s:[]}", "vm", j->request->vm, "media",
		"links", "slots", "disks", "ports");
	json_array_foreach(items, i, item)
	{
		add_device(out, item);
	}
	json_decref(items);
	return out;
}

bool serve_devices(struct serve_job *j)
{
	json_t *out = serve_devices_of(j);

	if (!out)
		return false;
	serve_reply_json(j->reply, 200, out);
	return true;
}

/* What the run has of something by names, with a number each. */
static bool named(struct serve_job *j, const char *all, const char *name, const char *number)
{
	json_t *items = serve_run_items(&j->run, all, ""), *out = json_array(), *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		json_array_append_new(
			out, json_pack("{s:s, s:I}", "name", serve_text(item, name), number,
				     (json_int_t)serve_number(item, number)));
	}
	if (items)
		serve_reply_json(j->reply, 200, json_pack("{s:o}", all, out));
	else
		json_decref(out);
	json_decref(items);
	return items != NULL;
}

bool serve_networks(struct serve_job *j)
{
	return named(j, "networks", "network", "ports");
}

bool serve_images(struct serve_job *j)
{
	return named(j, "images", "image", "size");
}
