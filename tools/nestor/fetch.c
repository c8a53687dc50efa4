/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching media; see fetch.h. */
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define AT_A_TIME  2        /* fetches; more are asked to come again */
#define CONNECTING 10L      /* seconds */
#define SLOW       1024L    /* bytes a second are too few, */
#define SLOW_TIME  20L      /* for so many seconds */
#define TELL       67108864 /* bytes after which the log has a line again */

#define UNREACHABLE "Base.1.8.CouldNotEstablishConnection"
#define NO_MEDIUM   "Base.1.8.ResourceAtUriInUnknownFormat"
#define FORBIDDEN   "Base.1.8.ResourceAtUriUnauthorized"

static const struct fetch_rules *rules;
static sem_t places;
static bool stopping; /* atomic */

/* One that is under way. */
struct fetch {
	const char *uri;
	int file;
	uint64_t size, told;
	bool too_large;
	int failed; /* errno of a write */
};

int fetch_allow(struct fetch_rules *r, const char *text, struct error *e)
{
	const char *wrong;

	if (r->origins == FETCH_ORIGINS)
		return fail(
			e, STATUS_USAGE, "--media-from: %u places are the most", FETCH_ORIGINS);
	wrong = fetch_url_read(text, &r->origin[r->origins]);
	if (!wrong && strchr(text, '?'))
		wrong = "a prefix has no query";
	if (wrong)
		return fail(e, STATUS_USAGE, "--media-from '%.100s': %s", text, wrong);
	r->origins++;
	return 0;
}

int fetch_begin(const struct fetch_rules *r, struct error *e)
{
	rules = r;
	sem_init(&places, 0, AT_A_TIME);
	if (r->origins && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fail(e, STATUS_HOST_ERROR, "nestor serve: libcurl cannot be set up");
	return 0;
}

bool fetch_may(void)
{
	return rules->origins != 0;
}

void fetch_stop(void)
{
	__atomic_store_n(&stopping, true, __ATOMIC_SEQ_CST);
}

/* ---- a file of this machine ---- */

/* By its real name: a link in an allowed folder leads to no other one. */
static int open_file(const struct fetch_url *u, struct serve_problem *p)
{
	char *real = realpath(u->path, NULL);
	bool allowed = false;
	struct stat st;
	int fd = -1;

	for (unsigned i = 0; real && i < rules->origins && !allowed; i++) {
		struct fetch_url is = {.scheme = FETCH_FILE};
		const struct fetch_url *origin = &rules->origin[i];
		char *folder =
			origin->scheme == FETCH_FILE ? realpath(origin->path, NULL) : NULL;

		if (folder && strlen(real) < sizeof(is.path)) {
			struct fetch_url below = {.scheme = FETCH_FILE};

			below.folder =
				(size_t)snprintf(below.path, sizeof(below.path), "%s", folder);
			is.folder = (size_t)snprintf(is.path, sizeof(is.path), "%s", real);
			allowed = fetch_url_is_below(&is, &below);
		}
		free(folder);
	}
	if (allowed)
		fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	free(real);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0) {
		p->message = UNREACHABLE;
		serve_problem(p, 400, "the file cannot be read, or is a link to elsewhere");
	}
	return fd;
}

/* ---- by HTTP ---- */

static size_t on_data(char *data, size_t one, size_t count, void *context)
{
	struct fetch *f = context;
	size_t size = one * count, done = 0;

	if (size > rules->limit - f->size) {
		f->too_large = true;
		return 0;
	}
	while (done < size) {
		ssize_t n = write(f->file, data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			f->failed = errno;
			return 0;
		}
		done += (size_t)n;
	}
	f->size += size;
	if (f->size - f->told >= TELL) {
		f->told = f->size;
		fprintf(stderr, "nestor serve: %s: %llu MiB\n", f->uri,
			(unsigned long long)f->size >> 20);
	}
	return size;
}

static int on_progress(
	void *context, curl_off_t all, curl_off_t now, curl_off_t up_all, curl_off_t up)
{
	(void)context;
	(void)all;
	(void)now;
	(void)up_all;
	(void)up;
	return __atomic_load_n(&stopping, __ATOMIC_SEQ_CST);
}

static int make_file(struct serve_problem *p)
{
	int fd = file_make_unnamed(rules->folder, 0);

	if (fd < 0)
		serve_problem(p, 503, "no file can be made in '%.100s': %s", rules->folder,
			strerror(errno));
	return fd;
}

/* What happened to it, in words and by DMTF's messages. */
static void judge(
	const struct fetch *f, CURL *c, CURLcode is, const char *why, struct serve_problem *p)
{
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	p->message = UNREACHABLE;
	if (f->too_large || is == CURLE_FILESIZE_EXCEEDED) {
		p->message = NO_MEDIUM;
		serve_problem(p, 400, "what is there has more than %llu bytes (--media-limit)",
			(unsigned long long)rules->limit);
	} else if (f->failed) {
		p->message = NULL;
		serve_problem(p, 503, "it cannot be kept in '%.100s': %s", rules->folder,
			strerror(f->failed));
	} else if (is != CURLE_OK && is != CURLE_HTTP_RETURNED_ERROR) {
		serve_problem(p, 400, "it cannot be fetched: %.160s",
			*why ? why : curl_easy_strerror(is));
	} else if (status != 200) {
		p->message = status == 401 || status == 403 ? FORBIDDEN : UNREACHABLE;
		serve_problem(p, 400, "its server answers with status %ld%s", status,
			status / 100 == 3 ? ", to go elsewhere, which is not followed" : "");
	} else {
		p->message = NULL;
	}
}

static void set_up(CURL *c, struct fetch *f, char *why)
{
	curl_easy_setopt(c, CURLOPT_URL, f->uri);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECTING);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)FETCH_TIME);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_TIME);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)rules->limit);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "nestor/" NESTOR_VERSION);
	if (rules->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, rules->ca);
}

static void transfer(struct fetch *f, struct serve_problem *p)
{
	char why[CURL_ERROR_SIZE] = "";
	CURL *c = curl_easy_init();

	if (!c) {
		serve_problem(p, 503, "no memory is left");
		return;
	}
	set_up(c, f, why);
	judge(f, c, curl_easy_perform(c), why, p);
	curl_easy_cleanup(c);
}

static int fetch(const char *uri, struct serve_problem *p)
{
	struct fetch f = {.uri = uri, .file = make_file(p)};

	if (f.file < 0)
		return -1;
	fprintf(stderr, "nestor serve: fetches %s\n", uri);
	transfer(&f, p);
	if (!p->status) {
		fprintf(stderr, "nestor serve: has fetched %s, %llu bytes\n", uri,
			(unsigned long long)f.size);
		return f.file;
	}
	fprintf(stderr, "nestor serve: %s: %s\n", uri, p->detail);
	close(f.file);
	return -1;
}

/* ---- either ---- */

static bool is_allowed(const struct fetch_url *u)
{
	for (unsigned i = 0; i < rules->origins; i++)
		if (fetch_url_is_below(u, &rules->origin[i]))
			return true;
	return false;
}

int fetch_file(const char *uri, struct serve_problem *p)
{
	struct fetch_url u;
	const char *wrong = fetch_url_read(uri, &u);
	int file;

	p->message = "Base.1.8.ActionParameterValueFormatError";
	if (wrong) {
		serve_problem(p, 400, "the URI of a medium: %s", wrong);
		return -1;
	}
	if (!is_allowed(&u)) {
		serve_problem(p, 400,
			"media may come from places that `nestor serve` was told of "
			"(--media-from) only, and this is none of them");
		return -1;
	}
	p->message = NULL;
	if (u.scheme == FETCH_FILE)
		return open_file(&u, p);
	if (sem_trywait(&places) != 0) {
		serve_problem(p, 503, "%d media are fetched already", AT_A_TIME);
		return -1;
	}
	file = fetch(uri, p);
	sem_post(&places);
	return file;
}
