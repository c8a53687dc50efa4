/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of a VM as Redfish sees them: each is a drive, and the volume on that. */
#include <stdio.h>
#include <string.h>

#include "serve_redfish.h"

static void storage_at(const struct serve_job *j, const char *part, char *out, size_t size)
{
	snprintf(out, size, REDFISH_ROOT "/Systems/%s/Storage%s", j->request->vm, part);
}

/* Links to all disks below @part; NULL: why is in the problem. */
static json_t *links_of(struct serve_job *j, const char *part)
{
	json_t *devices = serve_devices_of(j), *links, *disk;
	char folder[160];
	size_t i;

	if (!devices)
		return NULL;
	links = json_array();
	storage_at(j, part, folder, sizeof(folder));
	json_array_foreach(json_object_get(devices, "disks"), i, disk)
	{
		json_array_append_new(links, redfish_link(folder, serve_text(disk, "name")));
	}
	json_decref(devices);
	return links;
}

/* The disk of the request, a reference of its own. */
static json_t *find(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *disk, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(devices, "disks"), i, disk)
	{
		if (strcmp(serve_text(disk, "name"), j->request->disk) == 0)
			found = json_incref(disk);
	}
	if (devices && !found)
		serve_problem(&j->problem, 404, "there is no disk '%s'", j->request->disk);
	json_decref(devices);
	return found;
}

bool serve_redfish_storages(struct serve_job *j)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm);
	char folder[160];

	if (!vm)
		return false;
	json_decref(vm);
	storage_at(j, "", folder, sizeof(folder));
	return redfish_done(
		j, redfish_collection(folder, "#StorageCollection.StorageCollection", "Storage",
			   json_pack("[o]", redfish_link(folder, "virtio"))));
}

bool serve_redfish_storage(struct serve_job *j)
{
	json_t *links = links_of(j, "/virtio/Drives"), *storage;
	char at[160];

	if (!links)
		return false;
	storage_at(j, "/virtio", at, sizeof(at));
	storage = redfish_resource(at, "#Storage.v1_7_0.Storage", "virtio", "Disks (virtio)");
	json_object_update_new(storage,
		json_pack("{s:I, s:o, s:o, s:o}", "Drives@odata.count",
			(json_int_t)json_array_size(links), "Drives", links, "Volumes",
			redfish_link(at, "Volumes"), "Status", redfish_status("Enabled")));
	return redfish_done(j, storage);
}

/* A drive or its volume, with a link to the other; a bay without a file is absent. */
static bool describe(struct serve_job *j, const char *type, const char *part, const char *other,
	const char *other_key)
{
	json_t *disk = find(j), *out;
	const char *name = j->request->disk;
	char folder[160], at[240];
	json_int_t size = (json_int_t)serve_number(disk, "size");

	if (!disk)
		return false;
	json_decref(disk);
	storage_at(j, part, folder, sizeof(folder));
	snprintf(at, sizeof(at), "%s/%s", folder, name);
	out = redfish_resource(at, type, name, name);
	storage_at(j, other, folder, sizeof(folder));
	json_object_update_new(
		out, json_pack("{s:I, s:o, s:{s:[o]}}", "CapacityBytes", size, "Status",
			     redfish_status(size ? "Enabled" : "Absent"), "Links", other_key,
			     redfish_link(folder, name)));
	return redfish_done(j, out);
}

bool serve_redfish_drive(struct serve_job *j)
{
	return describe(
		j, "#Drive.v1_7_0.Drive", "/virtio/Drives", "/virtio/Volumes", "Volumes");
}

bool serve_redfish_volumes(struct serve_job *j)
{
	json_t *links = links_of(j, "/virtio/Volumes");
	char folder[160];

	storage_at(j, "/virtio/Volumes", folder, sizeof(folder));
	return links &&
	       redfish_done(j, redfish_collection(folder, "#VolumeCollection.VolumeCollection",
				       "Volumes", links));
}

bool serve_redfish_volume(struct serve_job *j)
{
	return describe(
		j, "#Volume.v1_3_0.Volume", "/virtio/Volumes", "/virtio/Drives", "Drives");
}
