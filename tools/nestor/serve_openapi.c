/* SPDX-License-Identifier: Apache-2.0 */
/* The API of `nestor serve` as OpenAPI 3.1: paths from the table of routes, and schemas. */
#include <stdio.h>
#include <string.h>

#include "serve_api.h"

#define WORD   "{\"type\":\"string\"}"
#define COUNT  "{\"type\":\"integer\",\"minimum\":0}"
#define LEVEL  "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2}"
#define HEX    "{\"type\":\"string\",\"pattern\":\"^0x[0-9a-f]+$\"}"
#define BOOL   "{\"type\":\"boolean\"}"
#define OBJECT "\"type\":\"object\",\"additionalProperties\":false,"
#define VCPU   "\"vm\":" WORD ",\"vcpu\":" COUNT ","
#define STATE                                                                       \
	"{\"type\":\"string\",\"enum\":[\"running\",\"paused\",\"ending\",\"off\"," \
	"\"gone\"]}"
#define FIGURES                                                                          \
	"\"figures\":{\"type\":\"object\",\"additionalProperties\":" COUNT "},"          \
	"\"exits\":{\"type\":\"array\",\"items\":{" OBJECT                               \
	"\"required\":[\"level\",\"reason\",\"count\"],\"properties\":{\"level\":" LEVEL \
	",\"reason\":" WORD ",\"count\":" COUNT ",\"to_l1\":" COUNT "}}}"

/* By the name that a route's answer has here. */
static const struct schema {
	const char *name, *json;
} schemas[] = {
	{"Problem", "{\"type\":\"object\",\"required\":[\"title\",\"status\",\"detail\"],"
		    "\"properties\":{\"title\":" WORD ",\"status\":" COUNT ",\"detail\":" WORD
		    "}}"},
	{"Nothing", "{" OBJECT "\"properties\":{}}"},
	{"OneVcpu", "{" OBJECT "\"properties\":{\"vcpu\":" COUNT "}}"},
	{"Change", "{" OBJECT "\"properties\":{\"weight\":{\"type\":\"integer\",\"minimum\":1,"
		   "\"maximum\":10000},\"cpus\":" WORD "}}"},
	{"Order",
		"{" OBJECT "\"required\":[\"device\"],\"properties\":{\"device\":{\"type\":"
		"\"string\",\"enum\":[\"disk\",\"cdrom\",\"network\",\"default\"]},\"once\":" BOOL
		"}}"},
	{"Medium", "{" OBJECT "\"oneOf\":[{\"required\":[\"image\"]},{\"required\":[\"uri\"]}],"
		   "\"properties\":{\"image\":" WORD ",\"uri\":" WORD ",\"force\":" BOOL "}}"},
	{"Link", "{" OBJECT "\"anyOf\":[{\"required\":[\"up\"]},{\"required\":[\"network\"]}],"
		 "\"properties\":{\"up\":" BOOL ",\"network\":" WORD "}}"},
	{"Slot",
		"{" OBJECT "\"not\":{\"anyOf\":[{\"required\":[\"disk\",\"scratch\"]},{"
		"\"required\":[\"disk\",\"network\"]},{\"required\":[\"scratch\",\"network\"]}]},"
		"\"properties\":{\"disk\":" WORD ",\"network\":" WORD ",\"keep\":" BOOL
		",\"scratch\":{\"type\":\"integer\","
		"\"minimum\":512,\"multipleOf\":512}}}"},
	{"Networks",
		"{" OBJECT "\"required\":[\"networks\"],\"properties\":{\"networks\":{\"type\":"
		"\"array\",\"items\":{" OBJECT
		"\"required\":[\"name\",\"ports\"],\"properties\":{\"name\":" WORD
		",\"ports\":" COUNT "}}}}}"},
	{"Disks", "{" OBJECT "\"required\":[\"disks\",\"scratch\"],\"properties\":{\"disks\":"
		  "{\"type\":\"array\",\"items\":{" OBJECT
		  "\"required\":[\"name\",\"size\"],\"properties\":{\"name\":" WORD
		  ",\"size\":" COUNT "}}},\"scratch\":" COUNT "}}"},
	{"Devices",
		"{" OBJECT
		"\"required\":[\"vm\",\"media\",\"links\",\"slots\",\"disks\",\"ports\"],"
		"\"properties\":{\"vm\":" WORD ",\"ports\":{\"type\":\"array\",\"items\":" WORD
		"}"
		",\"media\":{\"type\":\"array\",\"items\":{" OBJECT
		"\"required\":[\"disk\",\"image\"],\"properties\":{\"disk\":" WORD
		",\"image\":" WORD ",\"lent\":" COUNT
		"}}},\"links\":{\"type\":\"array\",\"items\":{" OBJECT
		"\"required\":[\"net\",\"network\",\"mac\",\"up\"],\"properties\":{\"net\":" COUNT
		",\"network\":" WORD ",\"mac\":" WORD ",\"up\":" BOOL "}}},\"slots\":{"
		"\"type\":\"array\",\"items\":{" OBJECT
		"\"required\":[\"slot\",\"holds\",\"name\",\"attached\"],\"properties\":{"
		"\"slot\":" COUNT ",\"holds\":{\"enum\":[\"disk\",\"network\",\"bay\","
		"\"device\"]},"
		"\"name\":" WORD ",\"attached\":" BOOL ",\"holder\":" WORD ",\"size\":" COUNT
		"}}},\"disks\":{\"type\":\"array\",\"items\":{" OBJECT
		"\"required\":[\"name\",\"is\",\"size\",\"readonly\"],\"properties\":{"
		"\"name\":" WORD ",\"is\":{\"enum\":[\"memory\",\"file\",\"served\",\"bay\"]},"
		"\"size\":" COUNT ",\"readonly\":" BOOL ",\"slot\":" COUNT
		"}}},\"boot\":{" OBJECT
		"\"required\":[\"device\",\"once\",\"allowed\"],\"properties\":{\"device\":" WORD
		",\"once\":" BOOL ",\"allowed\":{\"type\":\"array\",\"items\":" WORD "}}}}}"},
	{"Images", "{" OBJECT "\"required\":[\"images\"],\"properties\":{\"images\":{\"type\":"
		   "\"array\",\"items\":{" OBJECT
		   "\"required\":[\"name\",\"size\"],\"properties\":{\"name\":" WORD
		   ",\"size\":" COUNT "}}}}}"},
	{"Version", "{" OBJECT "\"required\":[\"nestor\",\"api\",\"protocol\"],\"properties\":"
		    "{\"nestor\":" WORD ",\"api\":" WORD ",\"protocol\":" COUNT "}}"},
	{"Vm", "{" OBJECT "\"required\":[\"name\",\"state\",\"cpus\",\"memory\",\"weight\","
	       "\"restarts\"],\"properties\":{\"name\":" WORD ",\"state\":" STATE
	       ",\"cpus\":" COUNT ",\"memory\":" COUNT ",\"weight\":" COUNT
	       ",\"restarts\":" COUNT "}}"},
	{"Vms", "{" OBJECT "\"required\":[\"vms\"],\"properties\":{\"vms\":{\"type\":\"array\","
		"\"items\":{\"$ref\":\"#/components/schemas/Vm\"}}}}"},
	{"Stat", "{" OBJECT "\"required\":[\"vm\",\"vcpu\",\"figures\",\"exits\"],"
		 "\"properties\":{" VCPU FIGURES "}}"},
	{"Registers", "{" OBJECT "\"required\":[\"vm\",\"vcpu\",\"level\",\"current\","
		      "\"registers\",\"segments\"],\"properties\":{" VCPU "\"level\":" LEVEL
		      ",\"current\":" BOOL ",\"registers\":{\"type\":\"object\","
		      "\"additionalProperties\":" HEX "},\"segments\":{\"type\":\"object\","
		      "\"additionalProperties\":{" OBJECT "\"required\":[\"selector\",\"base\","
		      "\"limit\",\"rights\"],\"properties\":{\"selector\":" HEX ",\"base\":" HEX
		      ",\"limit\":" HEX ",\"rights\":" HEX "}}}}}"},
	{"Vmcs", "{" OBJECT "\"required\":[\"vm\",\"vcpu\",\"level\",\"fields\"],"
		 "\"properties\":{" VCPU "\"level\":" LEVEL ",\"fields\":{\"type\":\"array\","
		 "\"items\":{" OBJECT "\"required\":[\"field\",\"encoding\",\"value\"],"
		 "\"properties\":{\"field\":" WORD ",\"encoding\":" HEX ",\"value\":" HEX
		 "}}}}}"},
	{"VmStat",
		"{" OBJECT "\"required\":[\"name\",\"state\",\"cpus\",\"memory\","
		"\"weight\",\"restarts\",\"seconds\",\"vcpus\"],\"properties\":{\"name\":" WORD
		",\"state\":" STATE ",\"cpus\":" COUNT ",\"memory\":" COUNT ",\"weight\":" COUNT
		",\"restarts\":" COUNT ",\"seconds\":{\"type\":\"number\",\"description\":"
		"\"of the service's clock, when they were asked\"},\"vcpus\":{\"type\":\"array\","
		"\"items\":{" OBJECT "\"required\":[\"vcpu\",\"figures\",\"exits\"],"
		"\"properties\":{\"vcpu\":" COUNT "," FIGURES "}}}}}"},
	{"Refusals",
		"{" OBJECT "\"required\":[\"vm\",\"refusals\"],\"properties\":{\"vm\":" WORD
		",\"refusals\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":"
		"[\"vcpu\",\"level\",\"rule\",\"text\"],\"properties\":{\"vcpu\":" COUNT
		",\"level\":" LEVEL ",\"rule\":" WORD ",\"text\":" WORD "}}}}}"},
	{"Definition",
		"{" OBJECT "\"required\":[\"name\",\"like\"],\"properties\":{\"name\":" WORD
		",\"like\":" WORD ",\"settings\":{\"type\":\"object\","
		"\"additionalProperties\":{},"
		"\"description\":\"as in L0's module lines: memory, cpus, weight, ...\"}}}"},
	{"Target",
		"{" OBJECT "\"required\":[\"target\"],\"properties\":{\"target\":" COUNT "}}"},
	{"Data", "{" OBJECT "\"required\":[\"data\"],\"properties\":{\"data\":{\"type\":"
		 "\"string\",\"pattern\":\"^([0-9A-Fa-f]{2})+$\"}}}"},
	{"Text", "{" OBJECT "\"required\":[\"text\"],\"properties\":{\"text\":{\"type\":"
		 "\"string\",\"minLength\":1}}}"},
	{"Memory",
		"{" OBJECT "\"required\":[\"vm\",\"vcpu\",\"level\",\"at\",\"size\",\"data\"],"
		"\"properties\":{" VCPU "\"level\":" LEVEL ",\"at\":" HEX ",\"size\":" COUNT
		",\"data\":{\"type\":\"string\",\"pattern\":\"^([0-9a-f]{2})+$\"}}}"},
};

static const struct {
	const char *type, *schema; /* NULL: a string */
} answers[] = {
	[ANSWER_NOTHING] = {NULL, NULL},
	[ANSWER_VERSION] = {"application/json", "Version"},
	[ANSWER_VMS] = {"application/json", "Vms"},
	[ANSWER_VM] = {"application/json", "Vm"},
	[ANSWER_STAT] = {"application/json", "Stat"},
	[ANSWER_REGISTERS] = {"application/json", "Registers"},
	[ANSWER_VMCS] = {"application/json", "Vmcs"},
	[ANSWER_MEMORY] = {"application/json", "Memory"},
	[ANSWER_VM_STAT] = {"application/json", "VmStat"},
	[ANSWER_EXPLAIN] = {"application/json", "Refusals"},
	[ANSWER_BUNDLE] = {"application/gzip", NULL},
	[ANSWER_PAGE] = {NULL, NULL},
	[ANSWER_EVENTS] = {"text/event-stream", NULL},
	[ANSWER_METRICS] = {"text/plain", NULL},
	[ANSWER_OPENAPI] = {"application/json", NULL},
	[ANSWER_REDFISH] = {"application/json", NULL},
	[ANSWER_DEVICES] = {"application/json", "Devices"},
	[ANSWER_IMAGES] = {"application/json", "Images"},
	[ANSWER_NETWORKS] = {"application/json", "Networks"},
	[ANSWER_DISKS] = {"application/json", "Disks"},
};

/* Of what JSON has; a body of bytes may come as it is, too. */
static const struct {
	const char *schema;
	bool needed, octets;
} bodies[BODIES] = {
	[BODY_EMPTY] = {"Nothing", false, false},
	[BODY_NMI] = {"OneVcpu", false, false},
	[BODY_DEFINE] = {"Definition", true, false},
	[BODY_BALLOON] = {"Target", true, false},
	[BODY_DATA] = {"Data", true, true},
	[BODY_TEXT] = {"Text", true, true},
	[BODY_CHANGE] = {"Change", true, false},
	[BODY_ORDER] = {"Order", true, false},
	[BODY_MEDIUM] = {"Medium", true, false},
	[BODY_LINK] = {"Link", true, false},
	[BODY_SLOT] = {"Slot", false, false},
};

static json_t *refer(const char *schema)
{
	char to[80];

	snprintf(to, sizeof(to), "#/components/schemas/%s", schema);
	return json_pack("{s:s}", "$ref", to);
}

/* ---- a route ---- */

static json_t *parameter(
	const char *name, const char *in, bool needed, const char *about, json_t *schema)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "in", in, "required",
		needed, "description", about, "schema", schema);
}

static void add_path_parameters(json_t *parameters, const char *path)
{
	if (strstr(path, "{name}"))
		json_array_append_new(parameters,
			parameter("name", "path", true, "a VM",
				json_pack("{s:s, s:s, s:i}", "type", "string", "pattern",
					"^[A-Za-z0-9._-]+$", "maxLength", LIMIT_NAME - 1)));
	if (strstr(path, "{n}"))
		json_array_append_new(
			parameters, parameter("n", "path", true, "one of its vCPUs",
					    json_pack("{s:s, s:i, s:i}", "type", "integer",
						    "minimum", 0, "maximum", LIMIT_VCPUS - 1)));
}

static void add_device_parameters(json_t *parameters, const char *path)
{
	if (strstr(path, "{disk}"))
		json_array_append_new(
			parameters, parameter("disk", "path", true, "one of its CD-ROM drives",
					    json_pack("{s:s, s:s}", "type", "string", "pattern",
						    "^[A-Za-z0-9._-]+$")));
	if (strstr(path, "{port}"))
		json_array_append_new(parameters,
			parameter("port", "path", true, "one of its named ports",
				json_pack("{s:s, s:s, s:i}", "type", "string", "pattern",
					"^[A-Za-z0-9._-]+$", "maxLength", LIMIT_NAME - 1)));
	if (strstr(path, "{net}"))
		json_array_append_new(
			parameters, parameter("net", "path", true, "one of its network devices",
					    json_pack("{s:s, s:i, s:i}", "type", "integer",
						    "minimum", 0, "maximum", LIMIT_NETS - 1)));
	if (strstr(path, "{slot}"))
		json_array_append_new(parameters,
			parameter("slot", "path", true, "one of its root ports",
				json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1,
					"maximum", LIMIT_ROOT_PORTS)));
}

static json_t *query_schema(const struct serve_query_arg *arg)
{
	if (arg->most > INT32_MAX)
		return json_pack(
			"{s:s, s:s}", "type", "string", "pattern", "^(0x[0-9A-Fa-f]+|[0-9]+)$");
	return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
		(json_int_t)arg->least, "maximum", (json_int_t)arg->most);
}

static json_t *parameters_of(const struct serve_route *row)
{
	json_t *parameters = json_array();

	add_path_parameters(parameters, row->path);
	add_device_parameters(parameters, row->path);
	for (unsigned i = 0; i < SERVE_ARGS; i++) {
		const struct serve_query_arg *arg = &serve_args[i];

		if ((row->needs | row->may) & 1u << i)
			json_array_append_new(
				parameters, parameter(arg->key, "query", row->needs & 1u << i,
						    arg->about, query_schema(arg)));
	}
	return parameters;
}

static json_t *content(const char *type, json_t *schema)
{
	return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *octets(void)
{
	return json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "format", "binary");
}

static json_t *answer_of(const struct serve_route *row)
{
	const char *type = answers[row->answer].type, *schema = answers[row->answer].schema;
	json_t *plain =
		json_pack("{s:s}", "type", row->answer == ANSWER_OPENAPI ? "object" : "string");
	json_t *is;

	if (!type) {
		json_decref(plain);
		return json_pack("{s:s}", "description", "it is done, or has begun");
	}
	if (schema) {
		json_decref(plain);
		plain = refer(schema);
	}
	is = content(type, plain);
	if (row->answer == ANSWER_MEMORY)
		json_object_set_new(is, "application/octet-stream", octets());
	return json_pack("{s:s, s:o}", "description", row->about, "content", is);
}

static json_t *body_of(const struct serve_route *row)
{
	json_t *is = content("application/json", refer(bodies[row->body].schema));

	if (bodies[row->body].octets)
		json_object_set_new(is, "application/octet-stream", octets());
	return json_pack("{s:b, s:o}", "required", bodies[row->body].needed, "content", is);
}

static json_t *operation(const struct serve_route *row)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:{s:o, s:{s:s}}}", "operationId", row->name,
		"summary", row->about, "parameters", parameters_of(row), "responses",
		answers[row->answer].type ? "200" : "204", answer_of(row), "default", "$ref",
		"#/components/responses/Problem");

	if (row->body != BODY_NONE)
		json_object_set_new(o, "requestBody", body_of(row));
	if (row->open)
		json_object_set_new(o, "security", json_array());
	return o;
}

/* ---- the document ---- */

static json_t *paths(void)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < SERVE_ROUTES; i++) {
		const struct serve_route *row = &serve_routes[i];
		json_t *path = json_object_get(all, row->path);
		char method[8] = "";

		/* DMTF describes Redfish; the page is for people. */
		if (serve_is_redfish(row->path) || row->answer == ANSWER_PAGE)
			continue;
		if (!path) {
			path = json_object();
			json_object_set_new(all, row->path, path);
		}
		for (size_t k = 0; row->method[k] && k + 1 < sizeof(method); k++)
			method[k] = (char)(row->method[k] | 0x20);
		json_object_set_new(path, method, operation(row));
	}
	return all;
}

static json_t *components(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++)
		json_object_set_new(all, schemas[i].name, json_loads(schemas[i].json, 0, NULL));
	return json_pack("{s:o, s:{s:{s:s, s:o}}, s:{s:{s:s, s:s}, s:{s:s, s:s}}}", "schemas",
		all, "responses", "Problem", "description", "what went wrong", "content",
		content("application/problem+json", refer("Problem")), "securitySchemes",
		"bearer", "type", "http", "scheme", "bearer", "basic", "type", "http", "scheme",
		"basic");
}

bool serve_openapi(struct serve_job *j)
{
	json_t *document = json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:[]}, {s:[]}], s:o, s:o}",
		"openapi", "3.1.0", "info", "title", "Nestor", "version", NESTOR_VERSION,
		"description",
		"VMs of a run of Nestor: their lives, figures, registers, memory", "license",
		"name", "Apache-2.0", "url", "https://www.apache.org/licenses/LICENSE-2.0",
		"security", "bearer", "basic", "paths", paths(), "components", components());

	serve_reply_json(j->reply, 200, document);
	return true;
}
