/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask; see serve_auth.h. */
#include "serve_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool serve_same(const char *given, const char *secret)
{
	size_t length = strlen(secret), size = strlen(given);
	volatile unsigned char different = size != length;

	for (size_t i = 0; i < size; i++)
		different |= (unsigned char)(given[i] ^ secret[length ? i % length : 0]);
	return !different;
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

bool serve_authorized(const char *header, const char *token)
{
	char decoded[2 * AUTH_TOKEN_MAX];
	const char *rest = strchr(header, ' '), *password;

	if (!rest)
		return false;
	rest += strspn(rest, " ");
	if (strncasecmp(header, "Bearer ", 7) == 0)
		return serve_same(rest, token);
	if (strncasecmp(header, "Basic ", 6) != 0 || !base64(rest, decoded, sizeof(decoded)))
		return false;
	password = strchr(decoded, ':');
	return password && serve_same(password + 1, token);
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
