/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an HTTP request to a route of `nestor serve` with its arguments, or to what is wrong
 * with it. Knows no sockets and asks nobody: what comes from a client is judged here.
 */
#ifndef NESTOR_SERVE_ROUTE_H
#define NESTOR_SERVE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/manage.h"

#define SERVE_TARGET_MAX  2048u       /* characters of path and query */
#define SERVE_BODY_MAX    16384u      /* bytes */
#define SERVE_MEMORY_MAX  (64u << 10) /* bytes that one request reads */
#define SERVE_WORD        64u         /* characters of a part of a path, with the NUL */
#define SERVE_SECRET      256u        /* of a name or password, with the NUL */
#define SERVE_DESTINATION 512u        /* of a URL that events are sent to; likewise */
#define SERVE_FILE        128u        /* of a file of a folder, with the NUL */
#define SERVE_URI         1024u       /* of where a medium is, with the NUL */

enum serve_id {
#define R(id, ...) SERVE_##id,
#include "serve_route.def"
	SERVE_ROUTES
};

enum serve_arg {
#define Q(name, ...) SERVE_ARG_##name,
#include "serve_route.def"
	SERVE_ARGS
};

enum serve_body {
	BODY_NONE,  /* the method has none */
	BODY_EMPTY, /* none, or {} */
	BODY_NMI,   /* none, or {"vcpu": N} */
	/* {"name": NAME, "like": NAME, "settings": {KEY: VALUE}}, which may be missing */
	BODY_DEFINE,
	BODY_BALLOON, /* {"target": BYTES} */
	BODY_DATA,    /* bytes, or {"data": HEX} */
	BODY_TEXT,    /* bytes, or {"text": TEXT} */
	BODY_RESET,   /* {"ResetType": TYPE} */
	BODY_SESSION, /* {"UserName": NAME, "Password": SECRET} */
	BODY_CHANGE,  /* {"weight": N, "cpus": LIST}, one of them or both */
	BODY_ORDER,   /* {"device": WORD, "once": BOOL}, the second one may be missing */
	BODY_MEDIUM,  /* {"image": NAME, "force": BOOL}, likewise; or "uri": URI */
	BODY_LINK,    /* {"up": BOOL, "network": NAME}, one of them or both */
	/* {"disk": NAME, "keep": BOOL}, {"scratch": BYTES} or {"network": NAME}; or nothing */
	BODY_SLOT,
	BODY_BOOT,  /* {"Boot": {...}}, of Redfish */
	BODY_IMAGE, /* {"Image": URI}, with what is so anyway */
	/*
	 * {"Destination": URL, "Context": TEXT, "EventTypes": [TYPE]}, with what is so anyway
	 */
	BODY_SUBSCRIPTION,
	BODIES
};

enum serve_answer {
	ANSWER_NOTHING,
	ANSWER_VERSION,
	ANSWER_VMS,
	ANSWER_VM,
	ANSWER_STAT,
	ANSWER_REGISTERS,
	ANSWER_VMCS,
	ANSWER_MEMORY,
	ANSWER_VM_STAT,
	ANSWER_EXPLAIN,
	ANSWER_BUNDLE,
	ANSWER_PAGE, /* a file of the page: no part of the API */
	ANSWER_EVENTS,
	ANSWER_METRICS,
	ANSWER_OPENAPI,
	ANSWER_REDFISH, /* as DMTF describes it */
	ANSWER_DEVICES,
	ANSWER_IMAGES,
	ANSWER_DISKS,
	ANSWER_NETWORKS,
};

struct serve_route {
	const char *name, *method, *path, *word;
	uint32_t needs, may; /* 1 << enum serve_arg */
	enum serve_body body;
	enum serve_answer answer;
	bool open; /* needs no token */
	const char *about;
};

/* In Redfish, what is behind it is the name of an image of the run. */
#define REDFISH_IMAGE "nestor:"

extern const struct serve_route serve_routes[SERVE_ROUTES];

struct serve_query_arg {
	const char *key;
	uint64_t least, most;
	const char *about;
};

extern const struct serve_query_arg serve_args[SERVE_ARGS];

/* What is wrong with a request, or with what it wanted; status 0: nothing. */
struct serve_problem {
	int status; /* of HTTP */
	char detail[256];
	char allow[32];      /* with 405: the methods that there are */
	const char *message; /* of DMTF's Base registry; NULL: by the status */
};

struct serve_request {
	enum serve_id id;
	char vm[LIMIT_NAME];
	char session[SERVE_WORD], account[SERVE_WORD];
	unsigned vcpu;
	char reset[SERVE_WORD]; /* of the body, as are these */
	char user[SERVE_WORD], password[SERVE_SECRET];
	bool balloon_given;
	uint64_t balloon;
	const uint8_t *data; /* bytes of the body, which must stay */
	size_t size;
	bool vcpu_given;       /* in the body */
	char disk[SERVE_WORD]; /* of the path, like the next */
	char port[LIMIT_NAME];
	unsigned net, slot;
	char file[SERVE_FILE]; /* of the body, to `flag`; empty, 0, false: not given */
	char image[SERVE_WORD], network[LIMIT_NAME];
	char uri[SERVE_URI], protocol[SERVE_WORD], method[SERVE_WORD];
	char device[SERVE_WORD], cpus[SERVE_SECRET];
	char name[SERVE_WORD], like[SERVE_WORD];
	char with[MANAGE_WITH + 1]; /* KEY=VALUE;KEY=VALUE..., as the run takes it */
	char target[SERVE_WORD], enabled[SERVE_WORD];
	uint64_t weight;
	uint64_t scratch;            /* bytes */
	bool flag, flag_given;       /* once, force, up, keep */
	char if_match[SERVE_WORD];   /* the header; empty: there is none */
	char last_event[SERVE_WORD]; /* Last-Event-ID; likewise */
	char destination[SERVE_DESTINATION], context[SERVE_SECRET]; /* of a subscription */
	uint32_t types;                                             /* likewise, a bit each */
	uint32_t given;                                             /* 1 << enum serve_arg */
	uint64_t arg[SERVE_ARGS];                                   /* 0 where not given */
};

/* Fills @p and returns false. */
__attribute__((format(printf, 3, 4))) bool serve_problem(
	struct serve_problem *p, int status, const char *format, ...);

/* Reads a method and a target, `/path?query` as it came, without its body. */
bool serve_route_read(const char *method, const char *target, struct serve_request *r,
	struct serve_problem *p);

/*
 * Reads the body of a request whose route is known; @type: its Content-Type, or NULL. What
 * stands for bytes is decoded in place.
 */
bool serve_body_read(struct serve_request *r, const char *type, void *body, size_t size,
	struct serve_problem *p);

/* The value of a hexadecimal digit; -1: it is none. */
int serve_hex(char c);

/* Whether it can be the name of something of a run: nothing else is sent there. */
bool serve_is_name(const char *word);

/* Does a query's address or path belong to Redfish, whose errors look otherwise? */
bool serve_is_redfish(const char *target);

#endif
