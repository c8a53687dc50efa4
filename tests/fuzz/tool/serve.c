/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of HTTP requests as `nestor serve` judges them: a method, a target, a type, a body and
 * an Authorization header, a line each. What is taken has all that its route needs, in its
 * ranges, and goes to the run as words; what is not has a status and a reason.
 */
#include "serve_route.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch_url.h"
#include "serve_auth.h"

#define LINES 5

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_problem(const struct serve_problem *p)
{
	check(p->status >= 400 && p->status < 600);
	check(*p->detail && memchr(p->detail, 0, sizeof(p->detail)));
	check(p->status != 405 || *p->allow);
}

static void check_request(const struct serve_request *q)
{
	const struct serve_route *row = &serve_routes[q->id];

	check(q->id < SERVE_ROUTES);
	check((*q->vm != 0) == (strstr(row->path, "{name}") != NULL));
	check(strcspn(q->vm, " \t\r\n=%/") == strlen(q->vm));
	check(strlen(q->vm) < LIMIT_NAME && q->vcpu < LIMIT_VCPUS && q->net < LIMIT_NETS);
	check((*q->disk != 0) == (strstr(row->path, "{disk}") != NULL));
	check(!*q->disk || serve_is_name(q->disk));
	check(q->weight <= LIMIT_WEIGHT);
	check((q->given & row->needs) == row->needs);
	check(!(q->given & ~(row->needs | row->may)));
	for (unsigned i = 0; i < SERVE_ARGS; i++)
		check(!(q->given & 1u << i) ||
			(q->arg[i] >= serve_args[i].least && q->arg[i] <= serve_args[i].most));
}

/* What is fetched is below what is allowed, and cannot be something else to somebody else. */
static void check_uri(const char *uri)
{
	struct fetch_url u, allowed;

	check(!fetch_url_read("http://127.0.0.1:8080/nodes", &allowed));
	if (fetch_url_read(uri, &u))
		return;
	check(u.folder > 0 && u.folder <= strlen(u.path) && *u.path == '/');
	check(strcspn(uri, " \t\r\n\\#\"<>") == strlen(uri));
	check(!fetch_url_is_below(&u, &allowed) ||
		(strncasecmp(uri, "http://127.0.0.1:8080/nodes", 27) == 0 &&
			(uri[27] == 0 || uri[27] == '/' || uri[27] == '?')));
}

static void judge(char *const line[LINES])
{
	struct serve_tokens tokens = {.count = 0};
	struct serve_request q;
	struct serve_problem p;
	struct serve_who who;
	size_t size;

	serve_tokens_add(&tokens, "0123456789abcdef");
	check(!serve_authorized(line[4], &tokens, &who) || strncasecmp(line[4], "B", 1) == 0);
	if (!serve_route_read(line[0], line[1], &q, &p)) {
		check_problem(&p);
		return;
	}
	check_request(&q);
	size = strlen(line[3]);
	if (serve_body_read(&q, line[2], line[3], size, &p)) {
		check_request(&q);
		check(serve_routes[q.id].body != BODY_RESET || *q.reset);
		check((serve_routes[q.id].body != BODY_DATA &&
			      serve_routes[q.id].body != BODY_TEXT) ||
			q.size);
		check(q.size <= size);
		check(!*q.device || serve_is_name(q.device));
		check(serve_routes[q.id].body != BODY_MEDIUM || *q.uri ||
			serve_is_name(q.image));
		check_uri(q.uri);
		check(serve_routes[q.id].body != BODY_SESSION || (*q.user && *q.password));
	} else {
		check_problem(&p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *line[LINES];

	memcpy(text, data, size);
	text[size] = 0;
	for (unsigned i = 0; i < LINES; i++) {
		line[i] = rest;
		rest += strcspn(rest, "\n");
		if (*rest)
			*rest++ = 0;
	}
	judge(line);
	free(text);
	return 0;
}
