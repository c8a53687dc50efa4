/* SPDX-License-Identifier: Apache-2.0 */
/* Flame graphs; see flame.h. */
#include "flame.h"

#include <stdbool.h>
#include <string.h>

#define WIDTH      1200.0
#define MARGIN     10.0
#define ROW        17.0
#define HEAD       40.0
#define LETTER     6.7 /* pixels of a letter, at most */
#define LEAST      0.2 /* pixels: narrower frames are left out */
#define DEPTH_MAX  200u
#define LINE_BYTES 8192

struct flame *flame_child(struct arena *a, struct flame *parent, const char *name)
{
	struct flame **at = &parent->children;

	for (; *at; at = &(*at)->next)
		if (strcmp((*at)->name, name) == 0)
			return *at;
	*at = arena_alloc(a, sizeof(**at));
	(*at)->name = name;
	return *at;
}

static void insert_sorted(struct flame **list, struct flame *f)
{
	while (*list && strcmp((*list)->name, f->name) < 0)
		list = &(*list)->next;
	f->next = *list;
	*list = f;
}

void flame_sum(struct flame *root)
{
	struct flame *rest = root->children;

	root->children = NULL;
	root->total = root->self;
	while (rest) {
		struct flame *f = rest;

		rest = f->next;
		flame_sum(f);
		root->total += f->total;
		insert_sorted(&root->children, f);
	}
}

static void write_folded(const struct flame *f, char *line, size_t length, FILE *out)
{
	for (; f; f = f->next) {
		int more = snprintf(
			line + length, LINE_BYTES - length, "%s%s", length ? ";" : "", f->name);
		size_t end = length + (size_t)more;

		if (end >= LINE_BYTES)
			end = LINE_BYTES - 1;
		if (f->self)
			fprintf(out, "%s %llu\n", line, (unsigned long long)f->self);
		write_folded(f->children, line, end, out);
		line[length] = 0;
	}
}

void flame_write_folded(const struct flame *root, FILE *out)
{
	char line[LINE_BYTES] = "";

	write_folded(root->children, line, 0, out);
}

/* ---- SVG ---- */

struct picture {
	FILE *out;
	double scale; /* pixels of a tick */
	double height;
	uint64_t total;
};

static void put_escaped(const char *text, size_t length, FILE *out)
{
	for (size_t i = 0; i < length && text[i]; i++)
		switch (text[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(text[i], out);
			break;
		}
}

/* Levels have colours of their own; a function has the same one wherever it is. */
static void put_colour(const struct flame *f, unsigned depth, FILE *out)
{
	unsigned h = 0;

	for (const char *p = f->name; *p; p++)
		h = h * 31 + (unsigned char)*p;
	if (depth == 0)
		fputs("#d8d8d8", out);
	else if (depth == 1 && strcmp(f->name, "L1") == 0)
		fputs("#8fc98f", out);
	else if (depth == 1 && strcmp(f->name, "L2") == 0)
		fputs("#86b6e0", out);
	else
		fprintf(out, "rgb(%u,%u,%u)", 215 + h % 35, 120 + h / 35 % 90,
			60 + h / 3150 % 45);
}

static unsigned depth_of(const struct flame *f, double scale)
{
	unsigned deepest = 0;

	for (const struct flame *c = f->children; c; c = c->next) {
		unsigned d = (double)c->total * scale < LEAST ? 0 : 1 + depth_of(c, scale);

		deepest = d > deepest ? d : deepest;
	}
	return deepest;
}

static void put_frame(const struct picture *p, const struct flame *f, double x, unsigned depth)
{
	double width = (double)f->total * p->scale;
	double y = p->height - MARGIN - (depth + 1) * ROW;
	size_t letters = width > 3 * LETTER ? (size_t)((width - 4) / LETTER) : 0;

	fprintf(p->out, "<g><title>");
	put_escaped(f->name, strlen(f->name), p->out);
	fprintf(p->out, " (%llu ticks, %.2f %%; itself %llu)</title>",
		(unsigned long long)f->total, 100.0 * (double)f->total / (double)p->total,
		(unsigned long long)f->self);
	fprintf(p->out, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"", x,
		y, width, ROW - 1);
	put_colour(f, depth, p->out);
	fprintf(p->out, "\" rx=\"1\"/>");
	if (letters) {
		bool cut = strlen(f->name) > letters;

		fprintf(p->out, "<text x=\"%.2f\" y=\"%.1f\">", x + 2, y + ROW - 5);
		put_escaped(f->name, cut ? letters - 2 : letters, p->out);
		fprintf(p->out, "%s</text>", cut ? ".." : "");
	}
	fprintf(p->out, "</g>\n");
}

static void put_tree(const struct picture *p, const struct flame *f, double x, unsigned depth)
{
	if ((double)f->total * p->scale < LEAST || depth == DEPTH_MAX)
		return;
	put_frame(p, f, x, depth);
	for (const struct flame *c = f->children; c; c = c->next) {
		put_tree(p, c, x, depth + 1);
		x += (double)c->total * p->scale;
	}
}

void flame_write_svg(const struct flame *root, const char *title, FILE *out)
{
	struct picture p = {.out = out, .total = root->total ? root->total : 1};
	unsigned rows;

	p.scale = (WIDTH - 2 * MARGIN) / (double)p.total;
	rows = 1 + depth_of(root, p.scale);
	rows = rows > DEPTH_MAX ? DEPTH_MAX : rows;
	p.height = HEAD + rows * ROW + 2 * MARGIN;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
		"height=\"%.0f\" font-family=\"monospace\" font-size=\"11\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fafafa\"/>\n"
		"<text x=\"%.0f\" y=\"24\" font-size=\"15\">",
		WIDTH, p.height, WIDTH, p.height, MARGIN);
	put_escaped(title, strlen(title), out);
	fprintf(out, "</text>\n");
	put_tree(&p, root, MARGIN, 0);
	fprintf(out, "</svg>\n");
}
