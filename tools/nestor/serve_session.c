/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of clients of Redfish; see serve_session.h. */
#include "serve_session.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "serve_auth.h"
#include "serve_run.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct serve_session sessions[SESSIONS];

static bool random_hex(char *out, unsigned bytes)
{
	unsigned char random[32];

	if (getrandom(random, bytes, 0) != (ssize_t)bytes)
		return false;
	for (unsigned i = 0; i < bytes; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", random[i]);
	return true;
}

static bool lives(const struct serve_session *s)
{
	return *s->id && serve_now() < s->used + SESSION_TIME;
}

/* For one more of this name; NULL: others have all places. */
static struct serve_session *find_place(const char *name)
{
	struct serve_session *empty = NULL, *oldest = NULL;
	unsigned count = 0;

	for (struct serve_session *s = sessions; s < sessions + SESSIONS; s++) {
		if (!lives(s)) {
			empty = s;
			continue;
		}
		if (strcmp(s->who.name, name) != 0)
			continue;
		count++;
		if (!oldest || s->used < oldest->used)
			oldest = s;
	}
	return empty && count < SESSIONS_EACH ? empty : oldest;
}

const char *serve_session_begin(
	const char *user, const struct serve_who *who, struct serve_session *s)
{
	struct serve_session *place;

	*s = (struct serve_session){.used = serve_now(), .who = *who};
	if (!random_hex(s->id, 8) || !random_hex(s->secret, 24))
		return "there are no random numbers";
	snprintf(s->user, sizeof(s->user), "%s", user);
	pthread_mutex_lock(&lock);
	place = find_place(who->name);
	if (place)
		*place = *s;
	pthread_mutex_unlock(&lock);
	return place ? NULL : "others have all sessions that there may be";
}

bool serve_session_known(const char *secret, struct serve_who *who)
{
	bool known = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct serve_session *s = &sessions[i];

		if (!lives(s) || !serve_same(secret, s->secret))
			continue;
		s->used = serve_now();
		*who = s->who;
		known = true;
	}
	pthread_mutex_unlock(&lock);
	return known;
}

unsigned serve_session_list(struct serve_session s[SESSIONS])
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SESSIONS; i++)
		if (lives(&sessions[i])) {
			s[n] = sessions[i];
			*s[n++].secret = 0;
		}
	pthread_mutex_unlock(&lock);
	return n;
}

bool serve_session_find(const char *id, struct serve_session *s)
{
	struct serve_session all[SESSIONS];
	unsigned n = serve_session_list(all);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(all[i].id, id) == 0) {
			*s = all[i];
			return true;
		}
	return false;
}

bool serve_session_end(const char *id)
{
	bool was = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SESSIONS; i++)
		if (lives(&sessions[i]) && strcmp(sessions[i].id, id) == 0) {
			sessions[i] = (struct serve_session){.used = 0};
			was = true;
		}
	pthread_mutex_unlock(&lock);
	return was;
}
