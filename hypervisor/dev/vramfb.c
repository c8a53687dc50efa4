/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/vramfb.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"

#define ADDRESS_END (1ull << 52) /* of guest-physical memory, whatever the CPU has */

static uint64_t get_be(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

static bool side_fits(uint32_t pixels)
{
	return pixels >= VRAMFB_LEAST && pixels <= PICTURE_SIDE;
}

/* Why such a picture cannot be shown; NULL: it can. */
static const char *refusal(const struct vramfb_state *s)
{
	if (!side_fits(s->width) || !side_fits(s->height))
		return "its width and height must be from 16 to 4096 pixels";
	if (s->width * s->height > PICTURE_PIXELS)
		return "it has more than 4194304 pixels";
	if (s->stride % RAMFB_PIXEL != 0 || s->stride < s->width * RAMFB_PIXEL ||
		s->stride > VRAMFB_STRIDE)
		return "its rows must be a multiple of 4 bytes apart, no less than they are long, "
		       "65536 at most";
	if (s->address % RAMFB_PIXEL != 0 ||
		s->address >= ADDRESS_END - (uint64_t)s->stride * s->height)
		return "its address must be a multiple of 4, and its end below 2^52";
	return NULL;
}

static void read_file(const uint8_t *file, struct vramfb_state *s)
{
	*s = (struct vramfb_state){
		.address = get_be(file + RAMFB_ADDRESS, 8),
		.width = (uint32_t)get_be(file + RAMFB_WIDTH, 4),
		.height = (uint32_t)get_be(file + RAMFB_HEIGHT, 4),
		.stride = (uint32_t)get_be(file + RAMFB_STRIDE, 4),
	};
	if (s->stride == 0 && s->width <= PICTURE_SIDE)
		s->stride = s->width * RAMFB_PIXEL;
}

void vramfb_wrote(struct platform *p, const uint8_t file[RAMFB_SIZE])
{
	struct vramfb_state s;
	const char *why;
	uint64_t format;

	read_file(file, &s);
	format = get_be(file + RAMFB_FORMAT, 4);
	why = format == RAMFB_XRGB8888 || format == RAMFB_ARGB8888
		      ? refusal(&s)
		      : "its pixels must be of the format XR24 or AR24";
	if (why == NULL)
		p->ramfb.s = s;
	dev_display(p, &s, why);
}

void vramfb_reset(struct platform *p)
{
	p->ramfb = (struct vramfb){.s = {.width = 0}};
}

/* ---- state ---- */

void vramfb_get_state(const struct vramfb *v, struct vramfb_state *s)
{
	*s = v->s;
}

bool vramfb_valid_state(const struct platform *p, const struct vramfb_state *s)
{
	return state_zero(s, sizeof(*s)) ||
	       (p->config.display && s->reserved == 0 && refusal(s) == NULL);
}

bool vramfb_set_state(struct platform *p, const struct vramfb_state *s)
{
	if (!vramfb_valid_state(p, s))
		return false;
	p->ramfb.s = *s;
	return true;
}
