/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of displays; see screenshot.h. */
#include "screenshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "png.h"
#include "reading.h"
#include "record.h"

#define PNG_ENDING  ".png"
#define TEXT_ENDING ".txt"

/* ---- names ---- */

static bool ends_with(const char *file, const char *ending)
{
	size_t length = strlen(file), tail = strlen(ending);

	return length > tail && strcmp(file + length - tail, ending) == 0;
}

bool screenshot_file_ok(const char *file)
{
	return ends_with(file, PNG_ENDING) || ends_with(file, TEXT_ENDING);
}

static const char *name_of(const struct screenshots *x, unsigned vm)
{
	return x->s->vms[vm].config.name;
}

static int check_folder(const struct screenshot_place *place, struct error *e)
{
	struct arena a = {NULL};

	file_check_new(place->file,
		arena_format(&a, "--screenshot %s=%s", place->vm, place->file), STATUS_USAGE,
		e);
	arena_free(&a);
	return e->status;
}

static int check_place(
	const struct screenshots *x, const struct screenshot_place *place, struct error *e)
{
	for (unsigned vm = 0; vm < x->s->vm_count; vm++) {
		if (strcmp(name_of(x, vm), place->vm) != 0)
			continue;
		x->screen[vm].wanted = true;
		if (x->s->vms[vm].config.display != DISPLAY_NONE)
			return check_folder(place, e);
		return fail(e, STATUS_USAGE,
			"--screenshot %s: the VM has no display: it needs 'display: ramfb' or 'display: text'",
			place->vm);
	}
	return fail(e, STATUS_USAGE, "--screenshot %s: there is no such VM", place->vm);
}

/* ---- start and end ---- */

int screenshots_open(struct screenshots *x, struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct screenshot_places *places, struct error *e)
{
	*x = (struct screenshots){.s = s, .files = files, .places = places};
	if (!places->count)
		return 0;
	x->screen = arena_alloc(a, sizeof(*x->screen) * LIMIT_VMS);
	for (unsigned i = 0; i < places->count; i++)
		if (check_place(x, &places->place[i], e))
			return e->status;
	x->open = true;
	return 0;
}

int screenshots_close(struct screenshots *x, struct error *e)
{
	for (unsigned vm = 0; x->screen && vm < x->s->vm_count; vm++) {
		struct screen *screen = &x->screen[vm];

		free(screen->pixels);
		screen->pixels = NULL;
		screen->coming = false;
		if (x->open && screen->wanted && !screen->seen)
			fprintf(stderr, "nestor: the display of '%s' showed nothing\n",
				name_of(x, vm));
	}
	x->open = false;
	if (x->e.status)
		fail(e, (enum exit_status)x->e.status, "%s", x->e.text);
	return x->e.status;
}

bool screenshots_ask(const struct screenshots *x, struct sender *sender)
{
	bool any = false;

	for (unsigned vm = 0; x->screen && vm < x->s->vm_count; vm++) {
		if (!x->screen[vm].wanted)
			continue;
		sender_screen(sender, vm);
		any = true;
	}
	return any;
}

/* ---- writing ---- */

static void load_fonts(const struct screenshots *x, unsigned vm, struct arena *a)
{
	const struct vm_files *f = &x->files[vm];
	struct screen *screen = &x->screen[vm];

	if (screen->loaded)
		return;
	screen->loaded = true;
	fonts_init(&screen->fonts);
	fonts_add(&screen->fonts, a, &f->vgabios);
	fonts_add(&screen->fonts, a, &f->firmware);
	fonts_add(&screen->fonts, a, &f->kernel.image);
}

static int write_text(const struct screenshots *x, unsigned vm, struct arena *a, FILE *out)
{
	struct screen *screen = &x->screen[vm];
	struct raster r = {screen->width, screen->height, screen->pixels};
	const char *text;

	if (!screen->text)
		load_fonts(x, vm, a);
	text = screen->text ? cells_text(a, &screen->cells) : reading_of(a, &r, &screen->fonts);
	return fputs(text, out) < 0 ? -1 : 0;
}

static int write_png(const struct screenshots *x, unsigned vm, struct arena *a, FILE *out)
{
	struct screen *screen = &x->screen[vm];
	struct raster r = {screen->width, screen->height, screen->pixels};

	if (screen->text) {
		load_fonts(x, vm, a);
		r = cells_draw(a, &screen->cells, &screen->fonts);
	}
	return png_write(out, &r);
}

/* A new file takes the place of the one before: there is never half a picture. */
static int write_file(
	const struct screenshots *x, unsigned vm, const char *file, struct error *e)
{
	struct arena a = {NULL};
	const char *partial = arena_format(&a, "%s.partial", file);
	FILE *out = fopen(partial, "we");
	int status = out ? 0 : -1;

	if (out)
		status = ends_with(file, PNG_ENDING) ? write_png(x, vm, &a, out)
						     : write_text(x, vm, &a, out);
	if (out && fclose(out) != 0)
		status = -1;
	if (!status)
		status = rename(partial, file);
	if (status) {
		fail(e, STATUS_HOST_ERROR, "--screenshot: cannot write '%s': %s", file,
			strerror(errno));
		unlink(partial);
	}
	arena_free(&a);
	return status;
}

static void write_files(struct screenshots *x, unsigned vm)
{
	struct screen *screen = &x->screen[vm];

	screen->seen = true;
	screen->cells.cell = screen->pixels;
	for (unsigned i = 0; i < x->places->count; i++) {
		const struct screenshot_place *place = &x->places->place[i];

		if (strcmp(place->vm, name_of(x, vm)) != 0 ||
			write_file(x, vm, place->file, &x->e))
			continue;
		fprintf(stderr, "nestor: '%s' shows %ux%u %s: %s\n", place->vm, screen->width,
			screen->height, screen->text ? "characters" : "pixels", place->file);
	}
}

/* ---- what comes ---- */

void screenshots_record(struct screenshots *x, const char *line)
{
	uint64_t vm = record_number(line, "channel") - L0_CHANNEL_SCREEN;
	uint32_t width = (uint32_t)record_number(line, "width");
	uint32_t height = (uint32_t)record_number(line, "height");
	struct screen *screen;

	if (!x->screen || vm >= x->s->vm_count || !x->screen[vm].wanted)
		return;
	screen = &x->screen[vm];
	screen->coming = false;
	if (!width || width > PICTURE_SIDE || height > PICTURE_SIDE)
		return;
	screen->text = record_number(line, "lines") != 0;
	if (screen->text && !cells_of_record(line, &screen->cells))
		return;
	free(screen->pixels);
	screen->pixels = malloc((size_t)width * height * sizeof(*screen->pixels) + 1);
	screen->width = width;
	screen->height = height;
	screen->coming = screen->pixels &&
			 picture_decode_start(&screen->decoder, width, height, screen->pixels);
}

bool screenshots_take(struct screenshots *x, unsigned vm, const uint8_t *bytes, size_t size)
{
	struct screen *screen = x->screen && vm < x->s->vm_count ? &x->screen[vm] : NULL;

	for (size_t i = 0; screen && screen->coming && i < size; i++)
		switch (picture_decode(&screen->decoder, bytes[i])) {
		case PICTURE_MORE:
			break;
		case PICTURE_COMPLETE:
			screen->coming = false;
			write_files(x, vm);
			return true;
		case PICTURE_BAD:
			screen->coming = false;
			fprintf(stderr, "nestor: the picture of '%s' is damaged\n",
				name_of(x, vm));
		}
	return screen && screen->coming;
}
