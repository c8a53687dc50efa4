/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of `nestor serve`, whose files (tools/nestor/web, and xterm.js if npm had it) are
 * parts of the program: see tools/build.mk.
 */
#include <stdlib.h>
#include <string.h>

#include "serve_api.h"

/* F(route, name of the file as the linker has it, type) */
#define FILES                                                     \
	F(PAGE, index_html, "text/html; charset=utf-8")           \
	F(PAGE_STYLE, page_css, "text/css; charset=utf-8")        \
	F(PAGE_SCRIPT, page_js, "text/javascript; charset=utf-8") \
	F(PAGE_ICON, icon_svg, "image/svg+xml")                   \
	F(PAGE_XTERM, xterm_js, "text/javascript; charset=utf-8") \
	F(PAGE_XTERM_STYLE, xterm_css, "text/css; charset=utf-8") \
	F(PAGE_XTERM_LICENSE, xterm_txt, "text/plain; charset=utf-8")

#define F(route, name, type) extern const char _binary_##name##_start[], _binary_##name##_end[];
FILES
#undef F

static const struct {
	enum serve_id route;
	const char *start, *end, *type;
} files[] = {
#define F(route, name, type) \
	{SERVE_##route, _binary_##name##_start, _binary_##name##_end, type},
	FILES
#undef F
};

bool serve_page(struct serve_job *j)
{
	size_t i = 0, size;
	char *data;

	while (files[i].route != j->request->id)
		i++;
	size = (size_t)(files[i].end - files[i].start);
	data = malloc(size + 1);
	if (!data)
		return serve_problem(&j->problem, 503, "no memory is left");
	memcpy(data, files[i].start, size);
	serve_reply_bytes(j->reply, files[i].type, data, size);
	j->reply->page = true;
	return true;
}
