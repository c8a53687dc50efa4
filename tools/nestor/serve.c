/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `serve`: its command line, where it listens, and its end; see serve.h. */
#include "client_ssh.h"
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "fetch.h"
#include "file.h"
#include "lib/media.h"
#include "serve_auth.h"
#include "serve_conn.h"
#include "serve_disks.h"
#include "serve_http.h"
#include "serve_push.h"
#include "unix_socket.h"
#include "lib/text.h"

#define LISTEN       "127.0.0.1:8410"
#define MEDIA_FOLDER "/var/tmp"
#define MEDIA_LIMIT  (UINT64_C(4) << 30)

struct serve {
	struct arena *a;
	const char *at, *listen, *token_file, *tokens_file, *key_file, *cert_file, *events_to;
	bool help;
	struct serve_tokens tokens;
	char where[160];          /* as a URL */
	struct unix_place socket; /* that we have made */
	const char *media_limit, *media_folder, *disks_from, *scratch_limit;
	struct fetch_rules media;
	struct serve_http http;
	struct error *e;
};

void serve_help(void)
{
	puts("usage: nestor serve [OPTION]...\n\n"
	     "The VMs of a run by HTTP and JSON, for programs: docs/serve.md.\n\n"
	     "options:\n"
	     "  --at PATH           the socket of the run (nestor run --manage PATH);\n"
	     "                      default: the environment's NESTOR_AT\n"
	     "  --listen WHERE      ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; port 0: any\n"
	     "                      free one; default: " LISTEN "\n"
	     "  --token-file FILE   its first line is what clients must know, 16 to 254\n"
	     "                      characters; needed unless WHERE is a Unix socket\n"
	     "  --tokens FILE       more of them, each with a name and a role: a line each,\n"
	     "                      NAME read|operate|admin SHA-256 (of the token)\n"
	     "  --tls-cert FILE     TLS with this certificate (PEM); needed, with its key,\n"
	     "  --tls-key FILE      where ADDRESS is not a loopback one\n"
	     "  --media-from URI    media may be fetched from below this http://, https:// or\n"
	     "                      file:// URI, also several times; default: from nowhere\n"
	     "  --media-limit SIZE  of what is fetched; default: 4G, at most 7G\n"
	     "  --media-folder DIR  where it is until the run has it; default: /var/tmp\n"
	     "  --media-ca FILE     who certifies https servers (PEM); default: the system's\n"
	     "  --disks-from DIR    bays may be given the files of this folder; default: none\n"
	     "  --scratch-limit SIZE  and empty disks of up to this size, at most 1024G, which\n"
	     "                      are in the folder of media; default: none\n"
	     "  --events-to URL,... where clients of Redfish may have events sent to: one of\n"
	     "                      these, or what is in it; default: nowhere\n\n"
	     "Exit statuses: 0, a signal ended it; 64 bad command line; 74 it cannot listen.");
}

/* ---- the command line ---- */

static int usage(struct serve *s, const char *what, const char *value)
{
	return fail(s->e, STATUS_USAGE, "%s '%.100s': see `nestor serve --help`", what, value);
}

static int parse(struct serve *s, int argc, char **argv)
{
	static const struct option options[] = {{"at", required_argument, NULL, 'a'},
		{"listen", required_argument, NULL, 'l'},
		{"token-file", required_argument, NULL, 't'},
		{"tokens", required_argument, NULL, 'T'},
		{"tls-cert", required_argument, NULL, 'c'},
		{"events-to", required_argument, NULL, 'e'},
		{"tls-key", required_argument, NULL, 'k'},
		{"media-from", required_argument, NULL, 'm'},
		{"media-limit", required_argument, NULL, 'L'},
		{"media-folder", required_argument, NULL, 'F'},
		{"media-ca", required_argument, NULL, 'C'},
		{"disks-from", required_argument, NULL, 'D'},
		{"scratch-limit", required_argument, NULL, 'S'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		const char **to = option == 'a'   ? &s->at
				  : option == 'l' ? &s->listen
				  : option == 't' ? &s->token_file
				  : option == 'T' ? &s->tokens_file
				  : option == 'c' ? &s->cert_file
				  : option == 'k' ? &s->key_file
				  : option == 'L' ? &s->media_limit
				  : option == 'F' ? &s->media_folder
				  : option == 'C' ? &s->media.ca
				  : option == 'e' ? &s->events_to
				  : option == 'D' ? &s->disks_from
				  : option == 'S' ? &s->scratch_limit
						  : NULL;

		if (option == 'h')
			s->help = true;
		else if (option == 'm' && fetch_allow(&s->media, optarg, s->e))
			return s->e->status;
		else if (option == 'm')
			continue;
		else if (!to)
			return usage(s,
				option == ':' ? "a value is missing behind" : "unknown option",
				argv[optind - 1]);
		else
			*to = optarg;
	}
	if (optind < argc && !s->help)
		return usage(s, "unknown word", argv[optind]);
	return 0;
}

/* ---- where it listens ---- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} a;
	socklen_t size;
	bool loopback; /* or a Unix socket */
};

static int bad_listen(struct serve *s)
{
	return fail(s->e, STATUS_USAGE,
		"--listen: '%.100s' must be ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH",
		s->listen);
}

static int read_path(struct serve *s, const char *path, struct address *to)
{
	if (!*path || strlen(path) >= sizeof(to->a.local.sun_path))
		return fail(s->e, STATUS_USAGE,
			"--listen: '%.60s': a socket's path has 1 to %zu characters", path,
			sizeof(to->a.local.sun_path) - 1);
	to->a.local.sun_family = AF_UNIX;
	strcpy(to->a.local.sun_path, path);
	to->size = sizeof(to->a.local);
	to->loopback = true;
	return 0;
}

static int read_address(struct serve *s, struct address *to)
{
	const char *colon = strrchr(s->listen, ':');
	bool v6 = *s->listen == '[';
	char host[64];
	uint64_t port;
	size_t n;

	*to = (struct address){.size = 0};
	if (strncmp(s->listen, "unix:", 5) == 0)
		return read_path(s, s->listen + 5, to);
	if (!colon || !text_number(text_of(colon + 1, 8), &port) || port > UINT16_MAX)
		return bad_listen(s);
	n = (size_t)(colon - s->listen);
	if (n >= sizeof(host) || (v6 && (n < 3 || colon[-1] != ']')))
		return bad_listen(s);
	snprintf(host, sizeof(host), "%.*s", (int)(v6 ? n - 2 : n), s->listen + v6);
	if (v6 && inet_pton(AF_INET6, host, &to->a.v6.sin6_addr) == 1) {
		to->a.v6.sin6_family = AF_INET6;
		to->a.v6.sin6_port = htons((uint16_t)port);
		to->size = sizeof(to->a.v6);
		to->loopback = IN6_IS_ADDR_LOOPBACK(&to->a.v6.sin6_addr);
		return 0;
	}
	if (v6 || inet_pton(AF_INET, host, &to->a.v4.sin_addr) != 1)
		return bad_listen(s);
	to->a.v4.sin_family = AF_INET;
	to->a.v4.sin_port = htons((uint16_t)port);
	to->size = sizeof(to->a.v4);
	to->loopback = ntohl(to->a.v4.sin_addr.s_addr) >> 24 == 127;
	return 0;
}

/* As a URL; a port that was left to the system is known now. */
static void name_place(struct serve *s, const struct address *at, int fd)
{
	const char *scheme = s->cert_file ? "https" : "http", *colon = strrchr(s->listen, ':');
	struct address is = {.size = sizeof(is.a)};
	unsigned port;

	if (at->a.any.sa_family == AF_UNIX) {
		snprintf(s->where, sizeof(s->where), "%s", s->listen);
		return;
	}
	getsockname(fd, &is.a.any, &is.size);
	port = is.a.any.sa_family == AF_INET ? is.a.v4.sin_port : is.a.v6.sin6_port;
	snprintf(s->where, sizeof(s->where), "%s://%.*s:%u", scheme, (int)(colon - s->listen),
		s->listen, ntohs((uint16_t)port));
}

static int listen_at(struct serve *s, const struct address *at)
{
	int on = 1, fd;

	if (at->a.any.sa_family == AF_UNIX) {
		fd = unix_socket_listen(
			at->a.local.sun_path, SERVE_CONNECTIONS, false, "--listen", s->e);
		if (fd >= 0)
			s->socket = unix_socket_place(at->a.local.sun_path);
	} else {
		fd = socket(at->a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (fd < 0 || bind(fd, &at->a.any, at->size) < 0 ||
			listen(fd, SERVE_CONNECTIONS) < 0)
			return fail(s->e, STATUS_HOST_ERROR,
				"--listen: cannot listen at '%s': %s", s->listen,
				strerror(errno));
	}
	if (fd < 0)
		return s->e->status;
	name_place(s, at, fd);
	s->http.listener = fd;
	return 0;
}

/* ---- what it needs ---- */

static int check_safety(struct serve *s, const struct address *at)
{
	if (!s->token_file && !s->tokens_file && at->a.any.sa_family != AF_UNIX)
		return fail(s->e, STATUS_USAGE,
			"nestor serve: whoever can connect to '%s' would have all VMs: "
			"--token-file FILE, --tokens FILE, or --listen unix:PATH",
			s->listen);
	if (!s->cert_file != !s->key_file)
		return fail(s->e, STATUS_USAGE, "--tls-cert and --tls-key need each other");
	if (!at->loopback && !s->cert_file)
		return fail(s->e, STATUS_USAGE,
			"nestor serve: '%s' is no loopback address: the token would be seen on "
			"its way: --tls-cert FILE --tls-key FILE",
			s->listen);
	return 0;
}

static int read_pem(struct serve *s, const char *path, const char *option, char **to)
{
	struct bytes file;

	if (!path)
		return 0;
	if (file_read(s->a, path, option, &file, s->e))
		return s->e->status;
	*to = arena_format(s->a, "%.*s", (int)file.size, (const char *)file.data);
	return 0;
}

/* What is wrong shows now, and not when somebody wants a medium. */
static int prepare_media(struct serve *s)
{
	const char *folder = s->media_folder ? s->media_folder : MEDIA_FOLDER;

	s->media.folder = folder;
	s->media.limit = MEDIA_LIMIT;
	if (s->media_limit && (!text_number(text_of(s->media_limit, strlen(s->media_limit)),
				       &s->media.limit) ||
				      !s->media.limit || s->media.limit > MEDIA_SLOT_SIZE))
		return fail(s->e, STATUS_USAGE, "--media-limit: '%.40s': a size from 1 to 7G",
			s->media_limit);
	if (s->media.origins && access(folder, W_OK | X_OK) < 0)
		return fail(s->e, STATUS_USAGE, "--media-folder: '%.100s': %s", folder,
			strerror(errno));
	if (s->media.ca && access(s->media.ca, R_OK) < 0)
		return fail(s->e, STATUS_USAGE, "--media-ca: '%.100s': %s", s->media.ca,
			strerror(errno));
	return fetch_begin(&s->media, s->e);
}

static int read_tokens(struct serve *s)
{
	char token[AUTH_TOKEN_MAX + 1];

	if (s->tokens_file && serve_read_tokens(s->tokens_file, &s->tokens, s->e))
		return s->e->status;
	if (!s->token_file)
		return 0;
	if (serve_read_token(s->token_file, token, s->e))
		return s->e->status;
	serve_tokens_add(&s->tokens, token);
	return 0;
}

static int prepare(struct serve *s, struct address *at)
{
	if (!s->at || !*s->at)
		return fail(s->e, STATUS_USAGE,
			"nestor serve: which run? --at PATH, as of `nestor run --manage PATH`");
	if (client_ssh_is(s->at))
		return fail(s->e, STATUS_USAGE,
			"nestor serve: --at '%.100s': it serves a run of its own machine",
			s->at);
	if (read_address(s, at) || check_safety(s, at))
		return s->e->status;
	if (serve_push_allow(s->events_to, s->e))
		return s->e->status;
	if (read_tokens(s))
		return s->e->status;
	if (read_pem(s, s->key_file, "--tls-key", &s->http.key) ||
		read_pem(s, s->cert_file, "--tls-cert", &s->http.cert))
		return s->e->status;
	if (prepare_media(s) ||
		serve_disks_begin(s->disks_from, s->scratch_limit, s->media.folder, s->e))
		return s->e->status;
	s->http.at = s->at;
	s->http.tokens = s->tokens.count ? &s->tokens : NULL;
	s->http.logs = s->tokens_file != NULL;
	return 0;
}

/* ---- and its end ---- */

static void until_a_signal(const sigset_t *signals)
{
	const struct timespec second = {1, 0};

	while (sigtimedwait(signals, NULL, &second) < 0)
		serve_conn_tick();
}

static int serve(struct serve *s)
{
	struct address at;
	sigset_t signals;

	if (prepare(s, &at))
		return s->e->status;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!listen_at(s, &at) && !serve_http_begin(&s->http, s->e)) {
		printf("serving %s at %s\n", s->at, s->where);
		fflush(stdout);
		until_a_signal(&signals);
		unix_socket_remove(&s->socket);
		serve_http_end(&s->http);
	}
	unix_socket_remove(&s->socket);
	return s->e->status;
}

int serve_main(int argc, char **argv, struct error *e)
{
	struct arena a = {NULL};
	struct serve s = {.a = &a, .at = getenv("NESTOR_AT"), .listen = LISTEN, .e = e};

	if (!parse(&s, argc - 1, argv + 1)) {
		if (s.help)
			serve_help();
		else
			serve(&s);
	}
	arena_free(&a);
	return e->status;
}
