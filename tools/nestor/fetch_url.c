/* SPDX-License-Identifier: Apache-2.0 */
/* URIs of media; see fetch_url.h. */
#include "fetch_url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *prefix;
	unsigned port;
} schemes[] = {
	[FETCH_HTTP] = {"http://", 80},
	[FETCH_HTTPS] = {"https://", 443},
	[FETCH_FILE] = {"file://", 0},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* What RFC 3986 lets stand in a path or a query, and nothing that a log or a header minds. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._~!$&'()*+,;=:@/?%", *text))
			return false;
	return true;
}

/* NULL: no such digit. */
static const char *two_digits(const char *at, unsigned *value)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;

	if (at[0] != '%' || !at[1] || !at[2])
		return NULL;
	high = strchr(digits, tolower((unsigned char)at[1]));
	low = strchr(digits, tolower((unsigned char)at[2]));
	if (!high || !low)
		return NULL;
	*value = (unsigned)(high - digits) << 4 | (unsigned)(low - digits);
	return at + 3;
}

/*
 * A server, or curl, may take what these stand for as a step out of the folder, or as another
 * separator, and a prefix would say nothing of where they lead.
 */
static bool leads_elsewhere(const char *path, size_t size)
{
	char plain[FETCH_URL_MAX];
	size_t n = 0;

	for (const char *at = path; at < path + size;) {
		unsigned value;
		const char *next = two_digits(at, &value);

		if (*at == '%' && (!next || value < ' ' || value == '/' || value == '\\' ||
					  value == '%' || value == 0x7f))
			return true;
		plain[n++] = *at == '%' ? (char)value : *at;
		at = next ? next : at + 1;
	}
	plain[n] = 0;
	for (const char *at = plain; (at = strchr(at, '/')); at++) {
		size_t step = strcspn(at + 1, "/");

		if ((step == 1 && at[1] == '.') || (step == 2 && at[1] == '.' && at[2] == '.'))
			return true;
	}
	return false;
}

static const char *read_port(const char *at, unsigned *port)
{
	*port = 0;
	for (; isdigit((unsigned char)*at) && *port < 65536; at++)
		*port = *port * 10 + (unsigned)(*at - '0');
	return *port != 0 && *port < 65536 ? at : NULL;
}

/* Behind the scheme: HOST[:PORT]. NULL: it is none. An IPv6 address stands in brackets. */
static const char *read_host(const char *at, struct fetch_url *u)
{
	bool v6 = *at == '[';
	size_t n = v6 ? strspn(at + 1, "0123456789abcdefABCDEF:.") + 2
		      : strspn(at, "0123456789abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-");

	if (n == 0 || n >= sizeof(u->host) || (v6 && (n < 4 || at[n - 1] != ']')))
		return NULL;
	for (size_t i = 0; i < n; i++)
		u->host[i] = (char)tolower((unsigned char)at[i]);
	u->host[n] = 0;
	at += n;
	return *at == ':' ? read_port(at + 1, &u->port) : at;
}

const char *fetch_url_read(const char *text, struct fetch_url *u)
{
	const char *at = NULL;
	size_t i;

	*u = (struct fetch_url){.port = 0};
	if (strlen(text) >= FETCH_URL_MAX)
		return "it is too long";
	for (i = 0; i < SCHEMES; i++)
		if (strncasecmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			break;
	if (i == SCHEMES)
		return "it must begin with http://, https:// or file://";
	u->scheme = (enum fetch_scheme)i;
	u->port = schemes[i].port;
	at = text + strlen(schemes[i].prefix);
	if (u->scheme != FETCH_FILE)
		at = read_host(at, u);
	if (!at || (*at && *at != '/'))
		return u->scheme == FETCH_FILE ? "behind file:// must be a path"
					       : "its host or port is none, or it has a user";
	snprintf(u->path, sizeof(u->path), "%s", *at ? at : "/");
	u->folder = strcspn(u->path, "?");
	if (!is_plain(u->path) || (u->scheme == FETCH_FILE && strpbrk(u->path, "?%")))
		return "it has characters that none may have";
	return leads_elsewhere(u->path, u->folder)
		       ? "its path has steps or codes that lead elsewhere"
		       : NULL;
}

bool fetch_url_is_below(const struct fetch_url *u, const struct fetch_url *prefix)
{
	size_t n = prefix->folder;

	if (u->scheme != prefix->scheme || u->port != prefix->port ||
		strcmp(u->host, prefix->host) != 0 || u->folder < n ||
		strncmp(u->path, prefix->path, n) != 0)
		return false;
	return u->folder == n || prefix->path[n - 1] == '/' || u->path[n] == '/';
}
