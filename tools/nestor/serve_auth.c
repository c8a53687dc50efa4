/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask; see serve_auth.h. */
#include "serve_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>

bool serve_same(const char *given, const char *secret)
{
	size_t length = strlen(secret), size = strlen(given);
	volatile unsigned char different = size != length;

	for (size_t i = 0; i < size; i++)
		different |= (unsigned char)(given[i] ^ secret[length ? i % length : 0]);
	return !different;
}

/* ---- roles ---- */

static const char *const role_words[] = {
	[ROLE_READ] = "read",
	[ROLE_OPERATE] = "operate",
	[ROLE_ADMIN] = "admin",
};

const char *serve_role_word(enum serve_role role)
{
	return role_words[role];
}

/* Memory has what a guest keeps to itself; a port is its client's alone. */
enum serve_role serve_role_needed(enum serve_id id)
{
	switch (id) {
	case SERVE_DEFINE:
	case SERVE_DESTROY:
	case SERVE_POKE:
		return ROLE_ADMIN;
	case SERVE_MEMORY:
	case SERVE_PORT:
		return ROLE_OPERATE;
	case SERVE_RF_LOGOUT: /* of one's own */
		return ROLE_READ;
	default:
		return strcmp(serve_routes[id].method, "GET") == 0 ? ROLE_READ : ROLE_OPERATE;
	}
}

/* ---- tokens ---- */

/* False: the library has none, and then nobody is known. */
static bool hash_of(const char *token, uint8_t hash[AUTH_HASH])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), hash) == 0;
}

bool serve_tokens_know(const struct serve_tokens *t, const char *token, struct serve_who *who)
{
	uint8_t hash[AUTH_HASH];
	bool known = false;

	if (!hash_of(token, hash))
		return false;
	for (unsigned i = 0; i < t->count; i++)
		if (gnutls_memcmp(hash, t->at[i].hash, AUTH_HASH) == 0) {
			*who = t->at[i].who;
			known = true;
		}
	return known;
}

void serve_tokens_add(struct serve_tokens *t, const char *token)
{
	t->at[t->count].who = (struct serve_who){.role = ROLE_ADMIN};
	t->count += hash_of(token, t->at[t->count].hash);
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* RFC 4648; false: it is none, or longer than there is room. */
static bool base64(const char *text, char *out, size_t size)
{
	unsigned bits = 0, count = 0;
	size_t n = 0;

	for (; base64_value(*text) >= 0; text++) {
		bits = bits << 6 | (unsigned)base64_value(*text);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (n + 1 >= size)
			return false;
		out[n++] = (char)(bits >> count);
	}
	out[n] = 0;
	return text[strspn(text, "=")] == 0 && strlen(out) == n;
}

bool serve_authorized(const char *header, const struct serve_tokens *t, struct serve_who *who)
{
	char decoded[2 * AUTH_TOKEN_MAX];
	const char *rest = strchr(header, ' '), *password;

	if (!rest)
		return false;
	rest += strspn(rest, " ");
	if (strncasecmp(header, "Bearer ", 7) == 0)
		return serve_tokens_know(t, rest, who);
	if (strncasecmp(header, "Basic ", 6) != 0 || !base64(rest, decoded, sizeof(decoded)))
		return false;
	password = strchr(decoded, ':');
	return password && serve_tokens_know(t, password + 1, who);
}

static int bad(const char *path, const char *why, struct error *e)
{
	return fail(e, STATUS_USAGE, "--token-file: '%s' %s", path, why);
}

int serve_read_token(const char *path, char token[AUTH_TOKEN_MAX + 1], struct error *e)
{
	struct stat st;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || (n = read(fd, token, AUTH_TOKEN_MAX)) < 0) {
		fail(e, STATUS_USAGE, "--token-file: cannot read '%s': %s", path,
			strerror(errno));
		if (fd >= 0)
			close(fd);
		return e->status;
	}
	close(fd);
	if (st.st_mode & 077)
		return bad(path, "can be read by others: chmod 600 it", e);
	token[n] = 0;
	token[strcspn(token, "\r\n")] = 0;
	if (strlen(token) < AUTH_TOKEN_MIN || (size_t)n == AUTH_TOKEN_MAX)
		return bad(path, "has no token in its first line: 16 to 254 characters", e);
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p > '~')
			return bad(path, "has more than letters, digits and signs", e);
	return 0;
}

/* ---- a file of tokens ---- */

static bool read_hash(const char *text, uint8_t hash[AUTH_HASH])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != (size_t)2 * AUTH_HASH || text[strspn(text, digits)] != 0)
		return false;
	for (unsigned i = 0; i < AUTH_HASH; i++)
		hash[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
				    (strchr(digits, text[2 * i + 1]) - digits));
	return true;
}

/* NULL, or what is wrong with a line that has something. */
static const char *read_line(struct serve_tokens *t, const char *line)
{
	char name[64], role[64], hash[80], more[2];
	struct serve_who who = {.role = ROLE_READ};
	unsigned r = 0;

	if (sscanf(line, "%63s %63s %79s %1s", name, role, hash, more) != 3)
		return "must be NAME ROLE SHA-256";
	if (strlen(name) >= AUTH_NAME || !serve_is_name(name))
		return "a name has 1 to 32 letters, digits, '-', '_' and '.'";
	if (strcmp(name, "-") == 0)
		return "the name '-' is nobody's: the log has it for requests without one";
	while (r <= ROLE_ADMIN && strcmp(role, role_words[r]) != 0)
		r++;
	if (r > ROLE_ADMIN)
		return "a role is read, operate or admin";
	if (t->count >= AUTH_TOKENS)
		return "there are 64 tokens at most";
	if (!read_hash(hash, t->at[t->count].hash))
		return "SHA-256 has 64 digits, 0 to 9 and a to f (printf %s TOKEN | sha256sum)";
	for (unsigned i = 0; i < t->count; i++) {
		if (strcmp(t->at[i].who.name, name) == 0)
			return "the name is there twice";
		if (memcmp(t->at[i].hash, t->at[t->count].hash, AUTH_HASH) == 0)
			return "the token is there twice";
	}
	strcpy(who.name, name);
	who.role = (enum serve_role)r;
	t->at[t->count++].who = who;
	return NULL;
}

static int read_lines(FILE *f, const char *path, struct serve_tokens *t, struct error *e)
{
	unsigned count = t->count;
	char line[256];

	for (unsigned n = 1; fgets(line, sizeof(line), f); n++) {
		const char *why = strlen(line) == sizeof(line) - 1 ? "is too long" : NULL;

		line[strcspn(line, "#\r\n")] = 0;
		if (!why && line[strspn(line, " \t")] != 0)
			why = read_line(t, line);
		if (why)
			return fail(e, STATUS_USAGE, "--tokens: %s:%u: %s", path, n, why);
	}
	if (t->count == count)
		return fail(e, STATUS_USAGE, "--tokens: '%s' has no token", path);
	return 0;
}

int serve_read_tokens(const char *path, struct serve_tokens *t, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would hold it up */
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st;

	if (!f || fstat(fd, &st) < 0)
		fail(e, STATUS_USAGE, "--tokens: cannot read '%s': %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		fail(e, STATUS_USAGE, "--tokens: '%s' is no file", path);
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		fail(e, STATUS_USAGE, "--tokens: '%s' belongs to another user: chown it", path);
	else if (st.st_mode & 022)
		fail(e, STATUS_USAGE, "--tokens: '%s' can be written by others: chmod go-w it",
			path);
	else
		read_lines(f, path, t, e);
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	return e->status;
}
