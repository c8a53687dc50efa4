/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What VMs have, as Redfish sees it: what they are started from, CD-ROM drives as virtual
 * media, network devices, processors; and tasks, of which there are none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/manage.h"
#include "fetch.h"
#include "serve_media.h"
#include "serve_redfish.h"

/* ---- what it is started from ---- */

static const struct {
	const char *device, *target; /* the run's word, and Redfish's */
} targets[] = {
	{"default", "None"},
	{"network", "Pxe"},
	{"cdrom", "Cd"},
	{"disk", "Hdd"},
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static const char *target_of(const char *device)
{
	for (size_t i = 1; i < TARGETS; i++)
		if (is(targets[i].device, device))
			return targets[i].target;
	return targets[0].target;
}

/* A VM without firmware has no choice. */
json_t *redfish_boot(const json_t *devices)
{
	const json_t *boot = json_object_get(devices, "boot");
	const char *target = target_of(serve_text(boot, "device")), *enabled = "Disabled";
	json_t *allowed = json_array(), *word;
	size_t i;

	json_array_foreach(json_object_get(boot, "allowed"), i, word)
	{
		json_array_append_new(allowed, json_string(target_of(json_string_value(word))));
	}
	if (!boot)
		json_array_append_new(allowed, json_string("None"));
	if (!is(target, "None"))
		enabled = json_is_true(json_object_get(boot, "once")) ? "Once" : "Continuous";
	return json_pack("{s:s, s:s, s:o, s:[s, s, s]}", "BootSourceOverrideTarget", target,
		"BootSourceOverrideEnabled", enabled,
		"BootSourceOverrideTarget@Redfish.AllowableValues", allowed,
		"BootSourceOverrideEnabled@Redfish.AllowableValues", "Disabled", "Once",
		"Continuous");
}

/* Is the system as a client thinks that it is? */
static bool meets_condition(struct serve_job *j, json_t *devices)
{
	json_t *system = *j->request->if_match ? redfish_system(j, devices) : NULL;
	bool is = !*j->request->if_match || (system && serve_meets_condition(j, system));

	json_decref(system);
	return is;
}

/* What of the two the client has not said stays as it is; a target alone is for once. */
static bool choose(struct serve_job *j, const json_t *now, const char **device, bool *once)
{
	const char *enabled = j->request->enabled, *target = j->request->target;
	size_t i = 0;

	if (!*target)
		target = serve_text(now, "BootSourceOverrideTarget");
	if (!*enabled)
		enabled = is(serve_text(now, "BootSourceOverrideEnabled"), "Continuous")
				  ? "Continuous"
				  : "Once";
	while (i < TARGETS && !is(targets[i].target, target))
		i++;
	j->problem.message = "Base.1.8.PropertyValueNotInList";
	if (i == TARGETS)
		return serve_problem(&j->problem, 400,
			"BootSourceOverrideTarget '%.40s': None, Pxe, Cd or Hdd", target);
	if (!is(enabled, "Disabled") && !is(enabled, "Once") && !is(enabled, "Continuous"))
		return serve_problem(&j->problem, 400,
			"BootSourceOverrideEnabled '%.40s': Disabled, Once or Continuous",
			enabled);
	j->problem.message = NULL;
	*device = is(enabled, "Disabled") ? "default" : targets[i].device;
	*once = is(enabled, "Once") && !is(*device, "default");
	return true;
}

bool serve_redfish_boot(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *now, *items = NULL;
	const char *device;
	char more[MANAGE_LINE];
	bool once;

	if (!devices)
		return false;
	now = redfish_boot(devices);
	if (meets_condition(j, devices) && choose(j, now, &device, &once)) {
		snprintf(more, sizeof(more), "vm=%s device=%s once=%d", j->request->vm, device,
			once);
		items = serve_run_items(&j->run, "boot", more);
	}
	json_decref(now);
	json_decref(devices);
	j->reply->status = 204;
	json_decref(items);
	return items != NULL;
}

/* ---- virtual media ---- */

/* Where the request's drives are: below its manager, or its system. */
static void media_folder(const struct serve_job *j, char *out, size_t size)
{
	bool manager = strstr(serve_routes[j->request->id].path, "/Managers/");

	snprintf(out, size, REDFISH_ROOT "/%s/%s/VirtualMedia",
		manager ? "Managers" : "Systems", j->request->vm);
}

bool serve_redfish_media(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *links = json_array(), *medium;
	char folder[160];
	size_t i;

	media_folder(j, folder, sizeof(folder));
	json_array_foreach(json_object_get(devices, "media"), i, medium)
	{
		json_array_append_new(links, redfish_link(folder, serve_text(medium, "disk")));
	}
	if (devices)
		redfish_done(j, redfish_collection(folder,
					"#VirtualMediaCollection.VirtualMediaCollection",
					"CD-ROM drives", links));
	else
		json_decref(links);
	json_decref(devices);
	return devices != NULL;
}

/* What Image may be beside the URI of what is fetched. */
static json_t *images_of(struct serve_job *j)
{
	json_t *items = serve_run_items(&j->run, "images", ""), *uris = json_array(), *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		char uri[SERVE_WORD + 16];

		snprintf(uri, sizeof(uri), REDFISH_IMAGE "%.64s", serve_text(item, "image"));
		json_array_append_new(uris, json_string(uri));
	}
	if (!items) {
		json_decref(uris);
		return NULL;
	}
	json_decref(items);
	return uris;
}

static json_t *media_actions(const char *at, json_t *images)
{
	char insert[256], eject[256];

	snprintf(insert, sizeof(insert), "%s/Actions/VirtualMedia.InsertMedia", at);
	snprintf(eject, sizeof(eject), "%s/Actions/VirtualMedia.EjectMedia", at);
	if (fetch_may()) { /* these are not all */
		json_decref(images);
		images = NULL;
	}
	return json_pack("{s:{s:s, s:o*}, s:{s:s}}", "#VirtualMedia.InsertMedia", "target",
		insert, "Image@Redfish.AllowableValues", images, "#VirtualMedia.EjectMedia",
		"target", eject);
}

/* Of a file that another process fetched or a verb inserted nobody knows from where it is. */
static void put_image(json_t *medium, const struct serve_job *j, const json_t *drive)
{
	const char *image = serve_text(drive, "image"), *slash;
	uint64_t lent = serve_number(drive, "lent");
	char uri[FETCH_URL_MAX] = "";

	if (is(image, "none"))
		return;
	if (lent)
		serve_media_origin(j->request->vm, j->request->disk, lent, uri);
	else
		snprintf(uri, sizeof(uri), REDFISH_IMAGE "%.64s", image);
	slash = lent ? strrchr(uri, '/') : NULL;
	if (*uri)
		json_object_set_new(medium, "Image", json_string(uri));
	json_object_set_new(medium, "ImageName", json_string(slash ? slash + 1 : image));
}

static json_t *describe_medium(
	const struct serve_job *j, const char *folder, const json_t *drive, json_t *images)
{
	bool inserted = !is(serve_text(drive, "image"), "none");
	const char *disk = j->request->disk;
	char at[256];
	json_t *medium;

	snprintf(at, sizeof(at), "%s/%s", folder, disk);
	medium = redfish_resource(at, "#VirtualMedia.v1_4_0.VirtualMedia", disk, disk);
	json_object_update_new(medium,
		json_pack("{s:[s, s], s:n, s:n, s:s, s:b, s:b, s:s, s:s, s:o}", "MediaTypes",
			"CD", "DVD", "Image", "ImageName", "ConnectedVia",
			inserted ? "URI" : "NotConnected", "Inserted", inserted,
			"WriteProtected", 1, "TransferMethod", "Upload", "TransferProtocolType",
			"HTTP", "Actions", media_actions(at, images)));
	put_image(medium, j, drive);
	return medium;
}

bool serve_redfish_medium(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *medium, *drive = NULL, *images;
	char folder[160];
	size_t i;

	if (!devices)
		return false;
	json_array_foreach(json_object_get(devices, "media"), i, medium)
	{
		if (is(serve_text(medium, "disk"), j->request->disk))
			drive = medium;
	}
	images = drive ? images_of(j) : NULL;
	media_folder(j, folder, sizeof(folder));
	if (images) {
		medium = describe_medium(j, folder, drive, images);
		serve_etag(medium, j->reply->etag, sizeof(j->reply->etag));
		redfish_done(j, medium);
	} else if (!drive) {
		serve_problem(
			&j->problem, 404, "there is no CD-ROM drive '%s'", j->request->disk);
	}
	json_decref(devices);
	return images != NULL;
}

/* What a client may say of how it comes, it cannot be otherwise. */
static bool transfer_is_ours(struct serve_job *j)
{
	const struct serve_request *q = j->request;

	j->problem.message = "Base.1.8.ActionParameterValueFormatError";
	if (*q->protocol && !is(q->protocol, "HTTP") && !is(q->protocol, "HTTPS"))
		return serve_problem(&j->problem, 400,
			"TransferProtocolType '%.40s': HTTP or HTTPS", q->protocol);
	if (*q->method && !is(q->method, "Stream") && !is(q->method, "Upload"))
		return serve_problem(
			&j->problem, 400, "TransferMethod '%.40s': Upload", q->method);
	j->problem.message = NULL;
	return true;
}

bool serve_redfish_insert(struct serve_job *j)
{
	const struct serve_request *q = j->request;
	const char *name = q->uri + strlen(REDFISH_IMAGE);
	char more[MANAGE_LINE];
	json_t *items;

	if (!transfer_is_ours(j))
		return false;
	if (strncmp(q->uri, REDFISH_IMAGE, strlen(REDFISH_IMAGE)) != 0)
		return serve_media_insert(j, q->uri, false);
	if (!serve_is_name(name)) {
		j->problem.message = "Base.1.8.ActionParameterValueFormatError";
		return serve_problem(&j->problem, 400,
			"behind " REDFISH_IMAGE " must be the name of an image of the run");
	}
	snprintf(more, sizeof(more), "vm=%s disk=%s image=%.64s", q->vm, q->disk, name);
	items = serve_run_items(&j->run, "insert", more);
	json_decref(items);
	j->reply->status = 204;
	return items != NULL;
}

bool serve_redfish_eject(struct serve_job *j)
{
	return serve_eject(j);
}

/* ---- network devices ---- */

static void net_folder(const struct serve_job *j, char *out, size_t size)
{
	snprintf(out, size, REDFISH_ROOT "/Systems/%s/EthernetInterfaces", j->request->vm);
}

bool serve_redfish_nets(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *links = json_array();
	size_t count = json_array_size(json_object_get(devices, "links"));
	char folder[160];

	net_folder(j, folder, sizeof(folder));
	for (size_t i = 0; i < count; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%zu", i);
		json_array_append_new(links, redfish_link(folder, number));
	}
	if (devices)
		redfish_done(
			j, redfish_collection(folder,
				   "#EthernetInterfaceCollection.EthernetInterfaceCollection",
				   "Network devices", links));
	else
		json_decref(links);
	json_decref(devices);
	return devices != NULL;
}

static json_t *describe_net(const struct serve_job *j, const json_t *link)
{
	bool up = json_is_true(json_object_get(link, "up"));
	const char *mac = serve_text(link, "mac");
	char folder[160], number[16], at[256];
	json_t *net;

	net_folder(j, folder, sizeof(folder));
	snprintf(number, sizeof(number), "%u", j->request->net);
	snprintf(at, sizeof(at), "%s/%s", folder, number);
	net = redfish_resource(at, "#EthernetInterface.v1_9_0.EthernetInterface", number,
		serve_text(link, "network"));
	json_object_update_new(
		net, json_pack("{s:s, s:s, s:b, s:s, s:o}", "MACAddress", mac,
			     "PermanentMACAddress", mac, "InterfaceEnabled", 1, "LinkStatus",
			     up ? "LinkUp" : "LinkDown", "Status", redfish_status("Enabled")));
	return net;
}

bool serve_redfish_net(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *link;

	if (!devices)
		return false;
	link = json_array_get(json_object_get(devices, "links"), j->request->net);
	if (link)
		redfish_done(j, describe_net(j, link));
	else
		serve_problem(
			&j->problem, 404, "there is no network device %u", j->request->net);
	json_decref(devices);
	return link != NULL;
}

/* ---- processors ---- */

static bool processor_at(struct serve_job *j, uint64_t *cpus, char *folder, size_t size)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm);

	snprintf(folder, size, REDFISH_ROOT "/Systems/%s/Processors", j->request->vm);
	*cpus = serve_number(vm, "cpus");
	json_decref(vm);
	return vm != NULL;
}

bool serve_redfish_processors(struct serve_job *j)
{
	char folder[160];
	uint64_t cpus;

	return processor_at(j, &cpus, folder, sizeof(folder)) &&
	       redfish_done(
		       j, redfish_collection(folder, "#ProcessorCollection.ProcessorCollection",
				  "Processors", json_pack("[o]", redfish_link(folder, "cpu"))));
}

bool serve_redfish_processor(struct serve_job *j)
{
	char folder[160], at[256];
	json_t *processor;
	uint64_t cpus;

	if (!processor_at(j, &cpus, folder, sizeof(folder)))
		return false;
	snprintf(at, sizeof(at), "%s/cpu", folder);
	processor = redfish_resource(at, "#Processor.v1_16_0.Processor", "cpu", "vCPUs");
	json_object_update_new(
		processor, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "ProcessorType", "CPU",
				   "ProcessorArchitecture", "x86", "InstructionSet", "x86-64",
				   "TotalCores", (json_int_t)cpus, "TotalThreads",
				   (json_int_t)cpus, "Status", redfish_status("Enabled")));
	return redfish_done(j, processor);
}

/* ---- memory ---- */

static void memory_folder(const struct serve_job *j, char *out, size_t size)
{
	snprintf(out, size, REDFISH_ROOT "/Systems/%s/Memory", j->request->vm);
}

bool serve_redfish_memories(struct serve_job *j)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm);
	char folder[160];

	if (!vm)
		return false;
	json_decref(vm);
	memory_folder(j, folder, sizeof(folder));
	return redfish_done(
		j, redfish_collection(folder, "#MemoryCollection.MemoryCollection", "Memory",
			   json_pack("[o]", redfish_link(folder, "ram"))));
}

bool serve_redfish_memory(struct serve_job *j)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm), *memory;
	char folder[160], at[256];

	if (!vm)
		return false;
	memory_folder(j, folder, sizeof(folder));
	snprintf(at, sizeof(at), "%s/ram", folder);
	memory = redfish_resource(at, "#Memory.v1_9_0.Memory", "ram", "RAM");
	json_object_update_new(
		memory, json_pack("{s:s, s:I, s:o}", "MemoryType", "DRAM", "CapacityMiB",
				(json_int_t)(serve_number(vm, "memory") >> 20), "Status",
				redfish_status("Enabled")));
	json_decref(vm);
	return redfish_done(j, memory);
}

/* ---- tasks ---- */

bool serve_redfish_task_service(struct serve_job *j)
{
	json_t *service = redfish_resource(REDFISH_ROOT "/TaskService",
		"#TaskService.v1_2_0.TaskService", "TaskService", "Tasks");

	json_object_update_new(
		service, json_pack("{s:b, s:o, s:o}", "ServiceEnabled", 1, "Status",
				 redfish_status("Enabled"), "Tasks",
				 redfish_link(REDFISH_ROOT "/TaskService", "Tasks")));
	return redfish_done(j, service);
}

bool serve_redfish_tasks(struct serve_job *j)
{
	return redfish_done(
		j, redfish_collection(REDFISH_ROOT "/TaskService/Tasks",
			   "#TaskCollection.TaskCollection", "Tasks", json_array()));
}
