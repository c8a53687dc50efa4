/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/picture.h"

enum token_kind {
	TOKEN_PIXEL,
	TOKEN_LAST,
	TOKEN_ABOVE,
	TOKEN_OTHER
};

#define KIND_SHIFT 6
#define NUMBER     63u
#define LONG_RUN   UINT16_MAX

static void start(struct picture *p, uint32_t width, uint32_t height)
{
	p->width = width;
	p->left = width * height;
	p->x = 0;
	p->last = 0;
	p->other = 0;
	for (uint32_t i = 0; i < width; i++)
		p->row[i] = 0;
}

static void pass(struct picture *p, uint32_t colour)
{
	if (colour != p->last) {
		p->other = p->last;
		p->last = colour;
	}
	p->row[p->x] = colour;
	p->x = p->x + 1 == p->width ? 0 : p->x + 1;
	p->left--;
}

/* ---- L0's end ---- */

void picture_encode_start(struct picture_encoder *e, uint32_t width, uint32_t height)
{
	start(&e->p, width, height);
	e->count = 0;
}

static size_t end_run(struct picture_encoder *e, uint8_t *out)
{
	uint32_t count = e->count;

	e->count = 0;
	if (count == 0)
		return 0;
	out[0] = (uint8_t)((uint32_t)e->kind << KIND_SHIFT |
			   (count <= NUMBER ? count - 1 : NUMBER));
	if (count <= NUMBER)
		return 1;
	out[1] = (uint8_t)count;
	out[2] = (uint8_t)(count >> 8);
	return 3;
}

static bool goes_on(const struct picture_encoder *e, uint32_t colour)
{
	if (e->count == 0 || e->count == LONG_RUN)
		return false;
	return colour == (e->kind == TOKEN_ABOVE ? e->p.row[e->p.x] : e->p.last);
}

static size_t begin(struct picture_encoder *e, uint32_t colour, uint8_t *out)
{
	e->count = 1;
	if (colour == e->p.row[e->p.x]) {
		e->kind = TOKEN_ABOVE;
	} else if (colour == e->p.last) {
		e->kind = TOKEN_LAST;
	} else if (colour == e->p.other) {
		e->kind = TOKEN_OTHER;
	} else {
		e->count = 0;
		out[0] = TOKEN_PIXEL;
		out[1] = (uint8_t)(colour >> 16);
		out[2] = (uint8_t)(colour >> 8);
		out[3] = (uint8_t)colour;
		return 4;
	}
	return 0;
}

size_t picture_encode(
	struct picture_encoder *e, const uint32_t *pixels, size_t count, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t colour = pixels[i] & 0xffffff;

		if (goes_on(e, colour)) {
			e->count++;
		} else {
			n += end_run(e, out + n);
			n += begin(e, colour, out + n);
		}
		pass(&e->p, colour);
	}
	return e->p.left == 0 ? n + end_run(e, out + n) : n;
}

/* ---- the host tool's ---- */

bool picture_decode_start(
	struct picture_decoder *d, uint32_t width, uint32_t height, uint32_t *pixels)
{
	if (width == 0 || width > PICTURE_SIDE || height == 0 || height > PICTURE_SIDE ||
		width * height > PICTURE_PIXELS)
		return false;
	start(&d->p, width, height);
	d->have = 0;
	d->out = pixels;
	return true;
}

static unsigned token_size(uint8_t first)
{
	if (first >> KIND_SHIFT == TOKEN_PIXEL)
		return 4;
	return (first & NUMBER) == NUMBER ? 3 : 1;
}

static uint32_t run_of(const uint8_t *token)
{
	uint32_t n = token[0] & NUMBER;

	return n == NUMBER ? (uint32_t)(token[1] | token[2] << 8) : n + 1;
}

static void put(struct picture_decoder *d, uint32_t colour)
{
	*d->out++ = colour;
	pass(&d->p, colour);
}

static bool put_run(struct picture_decoder *d, unsigned kind, uint32_t count)
{
	uint32_t colour = kind == TOKEN_OTHER ? d->p.other : d->p.last;

	if (count == 0 || count > d->p.left)
		return false;
	for (uint32_t i = 0; i < count; i++)
		put(d, kind == TOKEN_ABOVE ? d->p.row[d->p.x] : colour);
	return true;
}

enum picture_result picture_decode(struct picture_decoder *d, uint8_t byte)
{
	const uint8_t *t = d->token;
	unsigned kind;

	d->token[d->have++] = byte;
	if (d->have < token_size(t[0]))
		return PICTURE_MORE;
	d->have = 0;
	kind = t[0] >> KIND_SHIFT;
	if (kind == TOKEN_PIXEL && (t[0] & NUMBER) == 0)
		put(d, (uint32_t)(t[1] << 16 | t[2] << 8 | t[3]));
	else if (kind == TOKEN_PIXEL || !put_run(d, kind, run_of(t)))
		return PICTURE_BAD;
	return d->p.left == 0 ? PICTURE_COMPLETE : PICTURE_MORE;
}
