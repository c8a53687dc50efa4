/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMs of a run as Redfish (DMTF DSP0266) has it: each a ComputerSystem, with a Manager, in
 * one Chassis. What they have is in serve_redfish_devices.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve_api.h"
#include "serve_auth.h"
#include "serve_redfish.h"
#include "serve_session.h"

#define ROOT         REDFISH_ROOT
#define SESSION_ROOT ROOT "/SessionService/Sessions"

bool redfish_done(struct serve_job *j, json_t *object)
{
	serve_reply_json(j->reply, 200, object);
	return true;
}

/* What each resource begins with. */
json_t *redfish_resource(const char *at, const char *type, const char *id, const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "@odata.id", at, "@odata.type", type, "Id", id,
		"Name", name);
}

json_t *redfish_link(const char *folder, const char *name)
{
	char at[160];

	snprintf(at, sizeof(at), "%s/%s", folder, name);
	return json_pack("{s:s}", "@odata.id", at);
}

json_t *redfish_collection(const char *at, const char *type, const char *name, json_t *members)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:o}", "@odata.id", at, "@odata.type", type,
		"Name", name, "Members@odata.count", (json_int_t)json_array_size(members),
		"Members", members);
}

/* Links to what is named like the VMs are; NULL: the run does not tell. */
static json_t *links_to_vms(struct serve_job *j, const char *folder)
{
	json_t *vms = serve_run_vms(&j->run), *links = json_array(), *vm;
	size_t i;

	if (!vms) {
		json_decref(links);
		return NULL;
	}
	json_array_foreach(vms, i, vm)
	{
		json_array_append_new(links, redfish_link(folder, serve_text(vm, "name")));
	}
	json_decref(vms);
	return links;
}

/* ---- the service ---- */

bool serve_redfish_versions(struct serve_job *j)
{
	return redfish_done(j, json_pack("{s:s}", "v1", ROOT "/"));
}

bool serve_redfish_root(struct serve_job *j)
{
	json_t *root = redfish_resource(
		ROOT "/", "#ServiceRoot.v1_9_0.ServiceRoot", "RootService", "Nestor");

	json_object_update_new(root,
		json_pack(
			"{s:s, s:s, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:{s:s}}}",
			"RedfishVersion", "1.6.0", "Product", "Nestor " NESTOR_VERSION, "Tasks",
			"@odata.id", ROOT "/TaskService", "Systems", "@odata.id",
			ROOT "/Systems", "Managers", "@odata.id", ROOT "/Managers", "Chassis",
			"@odata.id", ROOT "/Chassis", "SessionService", "@odata.id",
			ROOT "/SessionService", "Links", "Sessions", "@odata.id",
			SESSION_ROOT));
	json_object_set_new(root, "EventService", redfish_link(ROOT, "EventService"));
	json_object_set_new(root, "AccountService", redfish_link(ROOT, "AccountService"));
	json_object_set_new(root, "Registries", redfish_link(ROOT, "Registries"));
	return redfish_done(j, root);
}

static const char *const parts[][2] = {
	/* name in the root, its schema */
	{"Systems", "ComputerSystemCollection"},
	{"Managers", "ManagerCollection"},
	{"Chassis", "ChassisCollection"},
	{"SessionService", "SessionService"},
	{"AccountService", "AccountService"},
	{"TaskService", "TaskService"},
	{"EventService", "EventService"},
	{"Registries", "MessageRegistryFileCollection"},
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

bool serve_redfish_odata(struct serve_job *j)
{
	json_t *value = json_array();

	json_array_append_new(value, json_pack("{s:s, s:s, s:s}", "name", "Service", "kind",
					     "Singleton", "url", ROOT "/"));
	for (size_t i = 0; i < PARTS; i++) {
		char url[80];

		snprintf(url, sizeof(url), ROOT "/%s", parts[i][0]);
		json_array_append_new(value, json_pack("{s:s, s:s, s:s}", "name", parts[i][0],
						     "kind", "Singleton", "url", url));
	}
	return redfish_done(j,
		json_pack("{s:s, s:o}", "@odata.context", ROOT "/$metadata", "value", value));
}

static void put_reference(FILE *out, const char *schema)
{
	fprintf(out,
		"<edmx:Reference Uri=\"http://redfish.dmtf.org/schemas/v1/%s_v1.xml\">"
		"<edmx:Include Namespace=\"%s\"/></edmx:Reference>",
		schema, schema);
}

bool serve_redfish_metadata(struct serve_job *j)
{
	static const char *const others[] = {"ServiceRoot", "ComputerSystem", "Manager",
		"Session", "SessionCollection", "VirtualMedia", "VirtualMediaCollection",
		"EthernetInterface", "EthernetInterfaceCollection", "Processor",
		"ProcessorCollection", "TaskCollection", "Memory", "MemoryCollection", "Event",
		"EventDestination", "EventDestinationCollection", "MessageRegistryFile",
		"MessageRegistry", "ManagerAccount", "ManagerAccountCollection", "Role",
		"RoleCollection", "Storage", "StorageCollection", "Drive", "Volume",
		"VolumeCollection"};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return serve_problem(&j->problem, 503, "no memory is left");
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?><edmx:Edmx "
	      "xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">",
		out);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		put_reference(out, others[i]);
	for (size_t i = 0; i < PARTS; i++)
		put_reference(out, parts[i][1]);
	put_reference(out, "Chassis");
	fputs("<edmx:DataServices><Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" "
	      "Namespace=\"Service\"><EntityContainer Name=\"Service\" "
	      "Extends=\"ServiceRoot.v1_0_0.ServiceContainer\"/></Schema></edmx:DataServices>"
	      "</edmx:Edmx>\n",
		out);
	fclose(out);
	serve_reply_bytes(j->reply, "application/xml", text, size);
	return true;
}

/* ---- systems ---- */

static const struct {
	const char *state, *power, *status; /* the run's word, and Redfish's two */
} states[] = {
	{"running", "On", "Enabled"},
	{"paused", "Paused", "Quiesced"},
	{"ending", "PoweringOff", "Enabled"},
	{"off", "Off", "StandbyOffline"},
	{"gone", "Off", "Absent"},
};

#define STATES (sizeof(states) / sizeof(states[0]))

/* What ComputerSystem.Reset may be, and what the run is asked for it. done: the state in which
 * there is nothing to do. */
static const struct {
	const char *type, *word, *done;
} resets[] = {
	{"On", "start", "running"},
	{"ForceOff", "stop", "off"},
	{"GracefulShutdown", "powerdown", "off"},
	{"ForceRestart", "reset", ""},
	{"Nmi", "nmi", ""},
	{"Pause", "pause", "paused"},
	{"Resume", "resume", "running"},
};

#define RESETS (sizeof(resets) / sizeof(resets[0]))

static size_t state_of(const json_t *vm)
{
	size_t i = 0;

	while (i + 1 < STATES && strcmp(serve_text(vm, "state"), states[i].state) != 0)
		i++;
	return i;
}

json_t *redfish_status(const char *state)
{
	return json_pack("{s:s, s:s}", "State", state, "Health", "OK");
}

static json_t *actions(const char *at)
{
	json_t *types = json_array();
	char target[160];

	for (size_t i = 0; i < RESETS; i++)
		json_array_append_new(types, json_string(resets[i].type));
	snprintf(target, sizeof(target), "%s/Actions/ComputerSystem.Reset", at);
	return json_pack("{s:{s:s, s:o}}", "#ComputerSystem.Reset", "target", target,
		"ResetType@Redfish.AllowableValues", types);
}

static const char *const folders[] = {
	"VirtualMedia", "EthernetInterfaces", "Processors", "Memory", "Storage"};

static void describe(json_t *system, const json_t *vm, const char *name, const char *at)
{
	const double gib = 1 << 30;
	size_t is = state_of(vm);

	json_object_update_new(system,
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:I}, s:{s:f}}", "SystemType",
			"Virtual", "Manufacturer", "Nestor", "Model", "VM", "PowerState",
			states[is].power, "Status", redfish_status(states[is].status),
			"ProcessorSummary", "LogicalProcessorCount",
			(json_int_t)serve_number(vm, "cpus"), "MemorySummary",
			"TotalSystemMemoryGiB", (double)serve_number(vm, "memory") / gib));
	json_object_update_new(
		system, json_pack("{s:o, s:{s:[o], s:[o]}}", "Actions", actions(at), "Links",
				"ManagedBy", redfish_link(ROOT "/Managers", name), "Chassis",
				redfish_link(ROOT "/Chassis", "nest")));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		json_object_set_new(system, folders[i], redfish_link(at, folders[i]));
}

bool serve_redfish_systems(struct serve_job *j)
{
	json_t *links = links_to_vms(j, ROOT "/Systems");

	return links &&
	       redfish_done(j, redfish_collection(ROOT "/Systems",
				       "#ComputerSystemCollection.ComputerSystemCollection",
				       "VMs", links));
}

json_t *redfish_system(struct serve_job *j, json_t *devices)
{
	const char *name = j->request->vm;
	json_t *vm = serve_run_vm(&j->run, name), *system;
	char at[160];

	if (!vm)
		return NULL;
	snprintf(at, sizeof(at), ROOT "/Systems/%s", name);
	system = redfish_resource(at, "#ComputerSystem.v1_20_0.ComputerSystem", name, name);
	describe(system, vm, name, at);
	json_object_set_new(system, "Boot", redfish_boot(devices));
	json_decref(vm);
	return system;
}

bool serve_redfish_system(struct serve_job *j)
{
	json_t *devices = serve_devices_of(j), *system;

	system = devices ? redfish_system(j, devices) : NULL;
	json_decref(devices);
	if (!system)
		return false;
	serve_etag(system, j->reply->etag, sizeof(j->reply->etag));
	return redfish_done(j, system);
}

/* What the VM is already needs no request: clients ask for it to be sure. */
static bool is_already(struct serve_job *j, const char *state, bool *already)
{
	json_t *vm = serve_run_vm(&j->run, j->request->vm);

	if (!vm)
		return false;
	*already = strcmp(serve_text(vm, "state"), state) == 0;
	json_decref(vm);
	return true;
}

bool serve_redfish_reset(struct serve_job *j)
{
	char more[MANAGE_LINE];
	bool already;
	json_t *items;
	size_t i = 0;

	while (i < RESETS && strcmp(j->request->reset, resets[i].type) != 0)
		i++;
	if (i == RESETS)
		return serve_problem(&j->problem, 400, "there is no ResetType '%.40s' here",
			j->request->reset);
	if (!is_already(j, resets[i].done, &already))
		return false;
	j->reply->status = 204;
	if (already)
		return true;
	snprintf(more, sizeof(more), "vm=%s", j->request->vm);
	items = serve_run_items(&j->run, resets[i].word, more);
	if (!items)
		return false;
	json_decref(items);
	return true;
}

/* ---- managers, the chassis ---- */

bool serve_redfish_managers(struct serve_job *j)
{
	json_t *links = links_to_vms(j, ROOT "/Managers");

	return links && redfish_done(j, redfish_collection(ROOT "/Managers",
						"#ManagerCollection.ManagerCollection",
						"Managers", links));
}

bool serve_redfish_manager(struct serve_job *j)
{
	const char *name = j->request->vm;
	json_t *vm = serve_run_vm(&j->run, name), *manager;
	char at[160];

	if (!vm)
		return false;
	json_decref(vm);
	snprintf(at, sizeof(at), ROOT "/Managers/%s", name);
	manager = redfish_resource(at, "#Manager.v1_11_0.Manager", name, name);
	json_object_update_new(
		manager, json_pack("{s:s, s:s, s:s, s:o, s:{s:[o], s:[o]}}", "ManagerType",
				 "BMC", "Model", "Nestor", "FirmwareVersion", NESTOR_VERSION,
				 "Status", redfish_status("Enabled"), "Links",
				 "ManagerForServers", redfish_link(ROOT "/Systems", name),
				 "ManagerForChassis", redfish_link(ROOT "/Chassis", "nest")));
	json_object_set_new(manager, "VirtualMedia", redfish_link(at, "VirtualMedia"));
	return redfish_done(j, manager);
}

bool serve_redfish_chassis_all(struct serve_job *j)
{
	return redfish_done(
		j, redfish_collection(ROOT "/Chassis", "#ChassisCollection.ChassisCollection",
			   "Chassis", json_pack("[o]", redfish_link(ROOT "/Chassis", "nest"))));
}

bool serve_redfish_chassis(struct serve_job *j)
{
	json_t *systems = links_to_vms(j, ROOT "/Systems"), *managers, *chassis;

	if (!systems)
		return false;
	managers = links_to_vms(j, ROOT "/Managers");
	if (!managers) {
		json_decref(systems);
		return false;
	}
	chassis = redfish_resource(
		ROOT "/Chassis/nest", "#Chassis.v1_15_0.Chassis", "nest", "The nest");
	json_object_update_new(
		chassis, json_pack("{s:s, s:s, s:o, s:{s:o, s:o}}", "ChassisType", "Other",
				 "PowerState", "On", "Status", redfish_status("Enabled"),
				 "Links", "ComputerSystems", systems, "ManagedBy", managers));
	return redfish_done(j, chassis);
}

/* ---- sessions ---- */

bool serve_redfish_session_service(struct serve_job *j)
{
	json_t *service = redfish_resource(ROOT "/SessionService",
		"#SessionService.v1_1_8.SessionService", "SessionService", "Sessions");

	json_object_update_new(service,
		json_pack("{s:b, s:i, s:o, s:{s:s}}", "ServiceEnabled", 1, "SessionTimeout",
			SESSION_TIME, "Status", redfish_status("Enabled"), "Sessions",
			"@odata.id", SESSION_ROOT));
	return redfish_done(j, service);
}

static json_t *describe_session(const struct serve_session *s)
{
	char at[160];
	json_t *session;

	snprintf(at, sizeof(at), SESSION_ROOT "/%s", s->id);
	session = redfish_resource(at, "#Session.v1_3_0.Session", s->id, "A session");
	json_object_set_new(session, "UserName", json_string(s->user));
	return session;
}

bool serve_redfish_sessions(struct serve_job *j)
{
	struct serve_session all[SESSIONS];
	unsigned n = serve_session_list(all);
	json_t *links = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(links, redfish_link(SESSION_ROOT, all[i].id));
	return redfish_done(
		j, redfish_collection(SESSION_ROOT, "#SessionCollection.SessionCollection",
			   "Sessions", links));
}

bool serve_redfish_session(struct serve_job *j)
{
	struct serve_session s;

	if (!serve_session_find(j->request->session, &s))
		return serve_problem(&j->problem, 404, "there is no such session");
	return redfish_done(j, describe_session(&s));
}

bool serve_redfish_login(struct serve_job *j)
{
	struct serve_who who = {.role = ROLE_ADMIN};
	struct serve_session s;
	const char *why;

	if (j->tokens && !serve_tokens_know(j->tokens, j->request->password, &who))
		return serve_problem(
			&j->problem, 401, "the password is no token of this service");
	j->who = who;
	why = serve_session_begin(*who.name ? who.name : j->request->user, &who, &s);
	if (why)
		return serve_problem(&j->problem, 503, "%s", why);
	serve_reply_json(j->reply, 201, describe_session(&s));
	snprintf(j->reply->location, sizeof(j->reply->location), SESSION_ROOT "/%s", s.id);
	snprintf(j->reply->session, sizeof(j->reply->session), "%s", s.secret);
	return true;
}

bool serve_redfish_logout(struct serve_job *j)
{
	struct serve_session s;

	j->reply->status = 204;
	if (j->who.role != ROLE_ADMIN && serve_session_find(j->request->session, &s) &&
		strcmp(s.who.name, j->who.name) != 0)
		return serve_problem(
			&j->problem, 403, "only the role admin ends sessions of others");
	return serve_session_end(j->request->session) ||
	       serve_problem(&j->problem, 404, "there is no such session");
}
