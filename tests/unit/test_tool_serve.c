/* SPDX-License-Identifier: Apache-2.0 */
/* What `nestor serve` makes of requests, before the run is asked: routes, queries, bodies,
 * tokens; how problems look; that its page has the routes of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "serve_api.h"
#include "serve_auth.h"
#include "serve_session.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct serve_request q;
static struct serve_problem p;

static bool reads(const char *method, const char *target)
{
	return serve_route_read(method, target, &q, &p);
}

/* ---- routes ---- */

static void a_path_leads_to_its_route_with_its_parts(void **state)
{
	(void)state;
	assert_true(reads("GET", "/v1/vms"));
	assert_int_equal(q.id, SERVE_VMS);
	assert_true(reads("HEAD", "/v1/vms/"));
	assert_int_equal(q.id, SERVE_VMS);
	assert_true(reads("POST", "/v1/vms/web-1.a_b/reset"));
	assert_int_equal(q.id, SERVE_RESET);
	assert_string_equal(q.vm, "web-1.a_b");
	assert_true(reads("GET", "/v1/vms/%77eb/vcpus/7/stat"));
	assert_int_equal(q.id, SERVE_STAT);
	assert_string_equal(q.vm, "web");
	assert_int_equal(q.vcpu, 7);
}

static void each_route_is_reached_by_its_own_path(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERVE_ROUTES; i++) {
		uint32_t wants = serve_routes[i].needs;
		const char *needs = wants & 1u << SERVE_ARG_SIZE ? "?at=0&size=1"
				    : wants                      ? "?at=0"
								 : "";
		char path[200] = "";

		for (const char *at = serve_routes[i].path; *at; at++) {
			size_t n = strlen(path);

			if (*at != '{') {
				path[n] = *at;
				continue;
			}
			path[n] = strncmp(at, "{n}", 3) == 0 || strncmp(at, "{net}", 5) == 0 ||
						  strncmp(at, "{slot}", 6) == 0
					  ? '1'
					  : 'x';
			at = strchr(at, '}');
		}
		strcat(path, needs);
		if (!reads(serve_routes[i].method, path) || q.id != i)
			fail_msg("%s %s: %u %s", serve_routes[i].method, path, q.id, p.detail);
	}
}

static void what_is_no_path_is_not_found(void **state)
{
	static const char *const wrong[] = {"", "//", "*", "/v1", "/v2/vms", "/v1/vms/a/vcpus",
		"/v1/vms/a/vcpus/288/stat", "/v1/vms/a/vcpus/-1/stat", "/v1/vms//stop",
		"/v1/vms/a%20b", "/v1/vms/a%0ab", "/v1/vms/a%00", "/v1/vms/a=b", "/v1/vms/a/b",
		"/v1/vms/a%2fstop", "/v1/vms/%", "/v1/vms/%4", "/v1/vms/%zz", "//v1/vms",
		"/v1/vms//", "/v1/vms/abcdefghijklmnopqrstuvwxyz0123456789"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (reads("GET", wrong[i]))
			fail_msg("'%s' was taken for %u", wrong[i], q.id);
		assert_int_equal(p.status, 404);
		assert_string_not_equal(p.detail, "");
	}
}

static void another_method_is_told_those_that_there_are(void **state)
{
	(void)state;
	assert_false(reads("PUT", "/v1/vms/a"));
	assert_int_equal(p.status, 405);
	assert_string_equal(p.allow, "GET, DELETE, PATCH");
	assert_false(reads("GET", "/v1/vms/a/stop"));
	assert_int_equal(p.status, 405);
	assert_string_equal(p.allow, "POST");
	assert_false(reads("PUT", "/redfish/v1/SessionService/Sessions"));
	assert_string_equal(p.allow, "GET, POST");
	assert_true(reads("POST", "/redfish/v1/SessionService/Sessions"));
	assert_string_equal(p.allow, "");
	assert_false(reads("get", "/v1/vms"));
	assert_int_equal(p.status, 405);
}

static void arguments_of_a_query_are_in_their_ranges(void **state)
{
	static const char *const wrong[] = {"", "?at=1", "?size=1", "?at=1&size=0",
		"?at=1&size=65537", "?at=1&size=1&level=0", "?at=1&size=1&level=3",
		"?at=1&size=1&at=1", "?at=x&size=1", "?at=&size=1", "?at&size=1",
		"?at=1&size=1&other=1", "?at=1&size=1&physical=2", "?at=%&size=1",
		"?at=18446744073709551616&size=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char target[100] = "/v1/vms/a/vcpus/0/memory";

		strcat(target, wrong[i]);
		if (reads("GET", target))
			fail_msg("'%s' was taken", wrong[i]);
		assert_int_equal(p.status, 400);
	}
	assert_true(reads("GET", "/v1/vms/a/vcpus/0/memory?at=0xffffffffffffffff&size=65536&"
				 "level=2&physical=1"));
	assert_true(q.arg[SERVE_ARG_AT] == UINT64_MAX && q.arg[SERVE_ARG_SIZE] == 65536);
	assert_true(q.arg[SERVE_ARG_LEVEL] == 2 && q.arg[SERVE_ARG_PHYSICAL] == 1);
	assert_int_equal(q.given, (1u << SERVE_ARG_SINCE) - 1);
	assert_true(reads("GET", "/v1/vms/a/console?since=18446744073709551615"));
	assert_true(q.arg[SERVE_ARG_SINCE] == UINT64_MAX);
	assert_true(reads("DELETE", "/v1/vms/a/slots/1?force=1"));
	assert_int_equal(q.arg[SERVE_ARG_FORCE], 1);
	assert_true(reads("DELETE", "/v1/vms/a/slots/1"));
	assert_int_equal(q.arg[SERVE_ARG_FORCE], 0);
	assert_false(reads("DELETE", "/v1/vms/a/slots/1?force=2"));
	assert_false(reads("PUT", "/v1/vms/a/vcpus/0/memory?at=1&size=1"));
	assert_false(reads("PUT", "/v1/vms/a/vcpus/0/memory"));
	assert_false(reads("GET", "/v1/vms?level=1"));
	assert_int_equal(p.status, 400);
}

static void a_target_that_is_too_long_is_refused(void **state)
{
	char target[SERVE_TARGET_MAX + 100];

	(void)state;
	memset(target, '&', sizeof(target));
	memcpy(target, "/v1/vms?", 8);
	target[SERVE_TARGET_MAX] = 0;
	assert_true(reads("GET", target));
	target[SERVE_TARGET_MAX] = '&';
	target[SERVE_TARGET_MAX + 1] = 0;
	assert_false(reads("GET", target));
	assert_int_equal(p.status, 400);
}

/* ---- bodies ---- */

static char raw[300]; /* the body, where it is decoded */

static int method_status(
	const char *method, const char *target, const char *type, const char *body)
{
	if (!reads(method, target))
		fail_msg("%s: %s", target, p.detail);
	strcpy(raw, body);
	serve_body_read(&q, type, raw, strlen(body), &p);
	return p.status;
}

static int body_status(const char *target, const char *type, const char *body)
{
	return method_status("POST", target, type, body);
}

static void a_body_has_what_its_route_takes(void **state)
{
	static const char json[] = "application/json", nmi[] = "/v1/vms/a/nmi";

	(void)state;
	assert_int_equal(body_status(nmi, NULL, ""), 0);
	assert_false(q.vcpu_given);
	assert_int_equal(body_status(nmi, json, "{}"), 0);
	assert_int_equal(
		body_status(nmi, "Application/JSON; charset=utf-8", "{\"vcpu\":7}"), 0);
	assert_true(q.vcpu_given && q.vcpu == 7);
	assert_int_equal(body_status(nmi, json, "{\"vcpu\":288}"), 400);
	assert_int_equal(body_status(nmi, json, "{\"vcpu\":-1}"), 400);
	assert_int_equal(body_status(nmi, json, "{\"vcpu\":\"1\"}"), 400);
	assert_int_equal(body_status(nmi, json, "{\"vcpu\":1,\"vcpu\":1}"), 400);
	assert_int_equal(body_status(nmi, json, "{\"cpu\":1}"), 400);
	assert_int_equal(body_status(nmi, json, "[]"), 400);
	assert_int_equal(body_status(nmi, json, "{"), 400);
	assert_int_equal(body_status("/v1/vms/a/stop", json, "{}"), 0);
	assert_int_equal(body_status("/v1/vms/a/stop", json, "{\"vcpu\":1}"), 400);
}

static void what_changes_has_its_members_and_they_are_names(void **state)
{
	static const struct {
		const char *method, *target, *body;
		int status;
	} cases[] = {
		{"PATCH", "/v1/vms/a", "{\"weight\":10000}", 0},
		{"PATCH", "/v1/vms/a", "{\"cpus\":\"0,2-3\"}", 0},
		{"PATCH", "/v1/vms/a", "{}", 400},
		{"PATCH", "/v1/vms/a", "{\"weight\":0}", 400},
		{"PATCH", "/v1/vms/a", "{\"weight\":10001}", 400},
		{"PATCH", "/v1/vms/a", "{\"weight\":\"1\"}", 400},
		{"PATCH", "/v1/vms/a", "{\"name\":\"b\"}", 400},
		{"PUT", "/v1/vms/a/boot", "{\"device\":\"cdrom\",\"once\":true}", 0},
		{"PUT", "/v1/vms/a/boot", "{\"once\":true}", 400},
		{"PUT", "/v1/vms/a/boot", "{\"device\":\"cdrom\",\"once\":1}", 400},
		{"PUT", "/v1/vms/a/boot", "{\"device\":\"disk once=1\"}", 400},
		{"PUT", "/v1/vms/a/media/cd", "{\"image\":\"debian-12.iso\"}", 0},
		{"PUT", "/v1/vms/a/media/cd", "{\"uri\":\"https://h/a.iso\",\"force\":true}",
			0},
		{"PUT", "/v1/vms/a/media/cd", "{\"uri\":\"https://h/a\",\"image\":\"x\"}", 400},
		{"PUT", "/v1/vms/a/media/cd", "{\"force\":true}", 400},
		{"PUT", "/v1/vms/a/media/cd", "{\"image\":\"x force=1\"}", 400},
		{"PUT", "/v1/vms/a/media/cd", "{\"image\":\"x\\nstop vm=a\"}", 400},
		{"PUT", "/v1/vms/a/media/cd", "{\"image\":null}", 400},
		{"PUT", "/v1/vms/a/media/cd", "", 400},
		{"DELETE", "/v1/vms/a/media/cd", "", 0},
		{"DELETE", "/v1/vms/a/media/cd", "{}", 400},
		{"PUT", "/v1/vms/a/links/3", "{\"up\":false}", 0},
		{"PUT", "/v1/vms/a/links/3", "{}", 400},
		{"PUT", "/v1/vms/a/links/3", "{\"network\":\"lan\"}", 0},
		{"PUT", "/v1/vms/a/links/3", "{\"network\":\"lan up=0\"}", 400},
		{"PUT", "/v1/vms/a/links/3", "{\"up\":0}", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (method_status(cases[i].method, cases[i].target, "application/json",
			    cases[i].body) != cases[i].status)
			fail_msg("%s %s %s: %d %s", cases[i].method, cases[i].target,
				cases[i].body, p.status, p.detail);
	method_status("PUT", "/v1/vms/a/media/c.1", "application/json",
		"{\"image\":\"debian\",\"force\":true}");
	assert_string_equal(q.disk, "c.1");
	assert_string_equal(q.image, "debian");
	assert_true(q.flag);
	method_status("PUT", "/v1/vms/a/links/3", "application/json", "{\"up\":false}");
	assert_int_equal(q.net, 3);
	assert_false(q.flag);
	assert_false(reads("PUT", "/v1/vms/a/links/4"));
	assert_true(reads("DELETE", "/v1/vms/a/slots/8"));
	assert_int_equal(q.slot, 8);
	assert_false(reads("PUT", "/v1/vms/a/slots/9"));
	assert_false(reads("PUT", "/v1/vms/a/slots/0"));
	assert_false(reads("PUT", "/v1/vms/a/media/a%20b"));
}

static void a_bay_is_given_a_disk_or_an_empty_one_or_nothing(void **state)
{
	static const char json[] = "application/json", slot[] = "/v1/vms/a/slots/3";
	static const char *const good[] = {"", "{}", "{\"disk\":\"a.img\"}",
		"{\"scratch\":512}", "{\"network\":\"lan\"}",
		"{\"disk\":\"a.img\",\"keep\":true}"};
	static const char *const wrong[] = {"{\"scratch\":513}", "{\"scratch\":0}",
		"{\"scratch\":-512}", "{\"scratch\":\"1M\"}", "{\"keep\":true}",
		"{\"scratch\":512,\"keep\":true}", "{\"scratch\":512,\"disk\":\"a\"}",
		"{\"disk\":\"../a\"}", "{\"disk\":\"a keep=1\"}",
		"{\"disk\":\"a\",\"network\":\"lan\"}", "{\"network\":\"lan\",\"keep\":true}"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (method_status("PUT", slot, json, wrong[i]) != 400)
			fail_msg("%s was taken", wrong[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (method_status("PUT", slot, json, good[i]) != 0)
			fail_msg("%s: %s", good[i], p.detail);
	assert_string_equal(q.file, "a.img");
	assert_true(q.slot == 3 && q.flag && q.scratch == 0);
}

static int define(const char *settings)
{
	char body[300];

	snprintf(body, sizeof(body), "{\"name\":\"w2\",\"like\":\"w\",\"settings\":%s}",
		settings);
	return body_status("/v1/vms", "application/json", body);
}

static void a_new_vm_has_a_model_and_settings_of_its_own(void **state)
{
	static const char *const wrong[] = {"[]", "{\"memory\":\"1 M\"}", "{\"a\":\"1;b=2\"}",
		"{\"memory\":\"\"}", "{\"memory\":null}", "{\"x y\":1}"};

	(void)state;
	assert_int_equal(define("{\"memory\":\"64M\",\"cpus\":2,\"vmx\":false}"), 0);
	assert_string_equal(q.name, "w2");
	assert_string_equal(q.like, "w");
	assert_string_equal(q.with, "memory=64M;cpus=2;vmx=off");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(define(wrong[i]), 400);
	assert_int_equal(body_status("/v1/vms", "application/json", "{\"name\":\"a\"}"), 400);
	assert_true(reads("DELETE", "/v1/vms/a"));
}

static void a_boot_override_is_an_object_in_an_object(void **state)
{
	static const char json[] = "application/json", system[] = "/redfish/v1/Systems/a";
	static const char *const wrong[] = {"{}", "{\"Boot\":{}}", "{\"Boot\":[]}",
		"{\"Boot\":{\"BootSourceOverrideTarget\":1}}",
		"{\"Boot\":{\"BootSourceOverrideTarget\":\"Cd\",\"BootOrder\":[]}}",
		"{\"BootSourceOverrideTarget\":\"Cd\"}"};

	(void)state;
	assert_int_equal(method_status("PATCH", system, json,
				 "{\"Boot\":{\"BootSourceOverrideTarget\":\"Cd\","
				 "\"BootSourceOverrideEnabled\":\"Once\"}}"),
		0);
	assert_string_equal(q.target, "Cd");
	assert_string_equal(q.enabled, "Once");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(method_status("PATCH", system, json, wrong[i]), 400);
}

/* Of what can be said of a medium, only what it is anyway. */
static void an_image_is_inserted_and_cannot_be_written(void **state)
{
	static const char json[] = "application/json",
			  insert[] = "/redfish/v1/Managers/a/VirtualMedia/cdrom0/Actions/"
				     "VirtualMedia.InsertMedia";

	(void)state;
	assert_int_equal(body_status(insert, json,
				 "{\"Image\":\"nestor:x\",\"Inserted\":true,"
				 "\"WriteProtected\":true}"),
		0);
	assert_string_equal(q.uri, "nestor:x");
	assert_int_equal(
		body_status(insert, json,
			"{\"Image\":\"https://h/x.iso?y\",\"TransferMethod\":\"Upload\","
			"\"TransferProtocolType\":\"HTTPS\"}"),
		0);
	assert_string_equal(q.uri, "https://h/x.iso?y");
	assert_string_equal(q.protocol, "HTTPS");
	assert_int_equal(body_status(insert, json, "{\"Inserted\":true}"), 400);
	assert_int_equal(
		body_status(insert, json, "{\"Image\":\"x\",\"WriteProtected\":false}"), 400);
	assert_int_equal(
		body_status(insert, json, "{\"Image\":\"x\",\"UserName\":\"u\"}"), 400);
}

/* What a page of another site can make a browser send is none of these types. */
static void a_body_of_another_type_is_refused(void **state)
{
	(void)state;
	assert_int_equal(body_status("/v1/vms/a/nmi", NULL, "{}"), 415);
	assert_int_equal(body_status("/v1/vms/a/nmi", "text/plain", "{}"), 415);
	assert_int_equal(body_status("/v1/vms/a/nmi", "application/jsonp", "{}"), 415);
}

static void a_body_that_is_too_large_is_refused(void **state)
{
	char *body = malloc(SERVE_BODY_MAX + 2);

	(void)state;
	memset(body, ' ', SERVE_BODY_MAX + 1);
	memcpy(body, "{}", 2);
	assert_true(reads("POST", "/v1/vms/a/stop"));
	assert_true(serve_body_read(&q, "application/json", body, SERVE_BODY_MAX, &p));
	assert_false(serve_body_read(&q, "application/json", body, SERVE_BODY_MAX + 1, &p));
	assert_int_equal(p.status, 413);
	free(body);
}

static void bytes_come_as_they_are_or_in_json(void **state)
{
	static const char json[] = "application/json", octets[] = "application/octet-stream",
			  console[] = "/v1/vms/a/console",
			  memory[] = "/v1/vms/a/vcpus/0/memory?at=0x1000";

	(void)state;
	assert_int_equal(body_status(console, octets, "{}\n\377"), 0);
	assert_int_equal(q.size, 4);
	assert_memory_equal(q.data, "{}\n\377", 4);
	assert_int_equal(body_status(console, json, "{\"text\":\"l\\ns \\u00e4\"}"), 0);
	assert_int_equal(q.size, 6);
	assert_memory_equal(q.data, "l\ns \303\244", 6);
	assert_int_equal(method_status("PUT", memory, json, "{\"data\":\"00fF7e\"}"), 0);
	assert_int_equal(q.size, 3);
	assert_memory_equal(q.data, "\0\377\176", 3);
	assert_int_equal(method_status("PUT", memory, octets, "x"), 0);
	assert_int_equal(method_status("PUT", memory, json, "{\"data\":\"0\"}"), 400);
	assert_int_equal(method_status("PUT", memory, json, "{\"data\":\"0g\"}"), 400);
	assert_int_equal(method_status("PUT", memory, json, "{\"data\":\"\"}"), 400);
	assert_int_equal(method_status("PUT", memory, json, "{\"text\":\"x\"}"), 400);
	assert_int_equal(method_status("PUT", memory, NULL, ""), 400);
	assert_int_equal(body_status(console, octets, ""), 400);
	assert_int_equal(body_status(console, json, "{}"), 400);
	assert_int_equal(body_status(console, json, "{\"text\":1}"), 400);
	assert_int_equal(body_status(console, "text/plain", "x"), 415);
	assert_int_equal(body_status("/v1/vms/a/stop", octets, "x"), 415);
}

static void a_balloon_has_a_target(void **state)
{
	static const char json[] = "application/json", balloon[] = "/v1/vms/a/balloon";

	(void)state;
	assert_int_equal(body_status(balloon, json, "{\"target\":1099511627776}"), 0);
	assert_true(q.balloon == 1099511627776);
	assert_int_equal(body_status(balloon, json, "{\"target\":-1}"), 400);
	assert_int_equal(body_status(balloon, json, "{\"target\":\"1\"}"), 400);
	assert_int_equal(body_status(balloon, json, "{}"), 400);
	assert_int_equal(body_status(balloon, NULL, ""), 400);
}

static void redfishs_bodies_have_what_they_must(void **state)
{
	static const char json[] = "application/json",
			  login[] = "/redfish/v1/SessionService/Sessions",
			  reset[] = "/redfish/v1/Systems/a/Actions/ComputerSystem.Reset",
			  events[] = "/redfish/v1/EventService/Subscriptions";

	(void)state;
	assert_int_equal(body_status(reset, json, "{\"ResetType\":\"ForceOff\"}"), 0);
	assert_string_equal(q.reset, "ForceOff");
	assert_int_equal(body_status(reset, json, "{}"), 400);
	assert_int_equal(body_status(reset, NULL, ""), 400);
	assert_int_equal(body_status(reset, json, "{\"ResetType\":1}"), 400);
	assert_int_equal(body_status(reset, json, "{\"ResetType\":\"\"}"), 400);
	assert_int_equal(
		body_status(login, json, "{\"UserName\":\"u\",\"Password\":\"p\"}"), 0);
	assert_string_equal(q.user, "u");
	assert_string_equal(q.password, "p");
	assert_int_equal(body_status(login, json, "{\"UserName\":\"u\"}"), 400);
	assert_int_equal(
		body_status(events, json,
			"{\"Destination\":\"http://h/\",\"Protocol\":\"Redfish\","
			"\"Context\":\"\",\"EventTypes\":[\"StatusChange\",\"Alert\"]}"),
		0);
	assert_string_equal(q.destination, "http://h/");
	assert_int_equal(q.types, 1 | 1 << 4);
	assert_int_equal(body_status(events, json, "{\"Destination\":\"http://h/\"}"), 400);
	assert_int_equal(body_status(events, json, "{\"Protocol\":\"Redfish\"}"), 400);
	assert_int_equal(body_status(events, json, "{\"Protocol\":\"SNMPv2c\"}"), 400);
	assert_int_equal(body_status(events, json, "{\"EventTypes\":\"Alert\"}"), 400);
	assert_int_equal(body_status(events, json, "{\"EventTypes\":[1]}"), 400);
	assert_int_equal(
		body_status(events, json, "{\"Destination\":\"http://h/\\u0000\"}"), 400);
	assert_int_equal(body_status(events, json, "{\"Destination\":\"http://h/ \"}"), 400);
	assert_false(reads("GET", "/redfish/v1/Systems?$expand=."));
	assert_int_equal(p.status, 501);
	assert_true(reads("GET", "/redfish/v1/Systems/?other=1"));
}

/* ---- problems ---- */

static void a_problem_says_what_is_wrong_as_json(void **state)
{
	struct serve_reply r = {0};
	json_t *is;

	(void)state;
	assert_false(serve_problem(&p, 409, "\"%s\" \\ runs\n", "a"));
	serve_reply_problem(&r, &p, false);
	assert_int_equal(r.status, 409);
	assert_string_equal(r.type, "application/problem+json");
	is = json_loadb(r.data, r.size, 0, NULL);
	assert_string_equal(serve_text(is, "title"), "Conflict");
	assert_int_equal(serve_number(is, "status"), 409);
	assert_string_equal(serve_text(is, "detail"), "\"a\" \\ runs\n");
	json_decref(is);
	serve_reply_clear(&r);
	serve_reply_problem(&r, &p, true);
	is = json_loadb(r.data, r.size, 0, NULL);
	assert_string_equal(
		serve_text(json_object_get(is, "error"), "message"), "\"a\" \\ runs\n");
	json_decref(is);
	serve_reply_clear(&r);
}

static struct serve_who anybody = {.role = ROLE_ADMIN};

static void a_run_that_cannot_be_reached_is_a_problem_of_its_own(void **state)
{
	struct serve_reply r = {0};

	(void)state;
	serve_run_setup();
	assert_true(reads("GET", "/metrics"));
	serve_answer(&q, "/nowhere/at/all", NULL, &anybody, false, &r);
	assert_int_equal(r.status, 503);
	assert_non_null(memmem(r.data, r.size, "/nowhere/at/all", 15));
	serve_reply_clear(&r);
	assert_true(reads("GET", "/v1/events"));
	for (unsigned i = 0; i < 2 * SERVE_STREAMS; i++) { /* none is lost */
		serve_answer(&q, "/nowhere/at/all", NULL, &anybody, false, &r);
		assert_int_equal(r.status, 503);
		assert_non_null(memmem(r.data, r.size, "/nowhere/at/all", 15));
		serve_reply_clear(&r);
	}
}

/* ---- its pages ---- */

static void files_of_the_page_need_no_run_and_no_token(void **state)
{
	struct serve_reply r = {0};

	(void)state;
	for (unsigned i = 0; i < SERVE_ROUTES; i++) {
		if (serve_routes[i].answer != ANSWER_PAGE)
			continue;
		assert_true(serve_routes[i].open);
		assert_true(reads("GET", serve_routes[i].path));
		serve_answer(&q, "/nowhere/at/all", NULL, &anybody, false, &r);
		assert_int_equal(r.status, 200);
		assert_true(r.page);
		serve_reply_clear(&r);
	}
	assert_true(reads("GET", "/"));
	serve_answer(&q, "/nowhere/at/all", NULL, &anybody, false, &r);
	assert_string_equal(r.type, "text/html; charset=utf-8");
	assert_memory_equal(r.data, "<!doctype html>", 15);
	serve_reply_clear(&r);
}

static void the_page_has_the_routes_of_the_table(void **state)
{
	struct arena a = {NULL};
	struct error e = {0};
	struct bytes file;
	char row[400];

	(void)state;
	assert_int_equal(file_read(&a, "docs/serve.md", "test", &file, &e), 0);
	for (unsigned i = 0; i < SERVE_ROUTES; i++) {
		const struct serve_route *r = &serve_routes[i];
		int n = snprintf(
			row, sizeof(row), "| %s `%s` | %s |\n", r->method, r->path, r->about);

		if (!memmem(file.data, file.size, row, (size_t)n))
			fail_msg("docs/serve.md lacks: %s", row);
	}
	arena_free(&a);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_path_leads_to_its_route_with_its_parts),
		T(each_route_is_reached_by_its_own_path),
		T(what_is_no_path_is_not_found),
		T(another_method_is_told_those_that_there_are),
		T(arguments_of_a_query_are_in_their_ranges),
		T(a_target_that_is_too_long_is_refused),
		T(a_body_has_what_its_route_takes),
		T(bytes_come_as_they_are_or_in_json),
		T(a_balloon_has_a_target),
		T(what_changes_has_its_members_and_they_are_names),
		T(a_bay_is_given_a_disk_or_an_empty_one_or_nothing),
		T(a_new_vm_has_a_model_and_settings_of_its_own),
		T(a_boot_override_is_an_object_in_an_object),
		T(an_image_is_inserted_and_cannot_be_written),
		T(redfishs_bodies_have_what_they_must),
		T(a_body_of_another_type_is_refused),
		T(a_body_that_is_too_large_is_refused),
		T(a_problem_says_what_is_wrong_as_json),
		T(a_run_that_cannot_be_reached_is_a_problem_of_its_own),
		T(files_of_the_page_need_no_run_and_no_token),
		T(the_page_has_the_routes_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
