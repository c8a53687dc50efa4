/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers keep what is written of the bits that they have, and nothing follows from it before
 * somebody looks at the screen: no write does work.
 */
#include "dev/vvga.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"

/* Of a frame: 449 lines, 31,469 a second; 400 of them are seen, and 4/5 of each of those. */
#define LINES_A_SECOND 31469ull
#define FRAME_LINES    449u
#define SEEN_LINES     400u
#define LINE_PARTS     100u
#define SEEN_PARTS     80u

struct registers {
	uint8_t count;
	const uint8_t *mask; /* bits that there are */
	const uint8_t *text; /* as a BIOS leaves them: 80 x 25 characters of 16 lines */
};

static const uint8_t crtc_mask[VGA_CRTC_COUNT] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	0xff, 0xff, 0xef, 0xff};
static const uint8_t crtc_text[VGA_CRTC_COUNT] = {VGA_TEXT_CRTC};
static const uint8_t sequencer_mask[VGA_SEQ_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t sequencer_text[VGA_SEQ_COUNT] = {VGA_TEXT_SEQUENCER};
static const uint8_t graphics_mask[VGA_GFX_COUNT] = {
	0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t graphics_text[VGA_GFX_COUNT] = {VGA_TEXT_GRAPHICS};
static const uint8_t attribute_mask[VGA_ATTR_COUNT] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
	0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};
static const uint8_t attribute_text[VGA_ATTR_COUNT] = {VGA_TEXT_ATTRIBUTE};

static const struct registers crtc = {VGA_CRTC_COUNT, crtc_mask, crtc_text};
static const struct registers sequencer = {VGA_SEQ_COUNT, sequencer_mask, sequencer_text};
static const struct registers graphics = {VGA_GFX_COUNT, graphics_mask, graphics_text};
static const struct registers attribute = {VGA_ATTR_COUNT, attribute_mask, attribute_text};

#define OUTPUT_MASK     0xefu
#define ATTR_INDEX_MASK (ATTR_INDEX | ATTR_PALETTE_SHOWN)
#define DAC_BITS        0x3fu

static void put(const struct registers *r, uint8_t *at, unsigned index, uint8_t value)
{
	if (index < r->count)
		at[index] = value & r->mask[index];
}

static uint8_t get(const struct registers *r, const uint8_t *at, unsigned index)
{
	return index < r->count ? at[index] : 0;
}

/* ---- registers ---- */

static void write_crtc(struct vvga_state *s, uint8_t value)
{
	uint8_t *overflow = &s->crtc[CRTC_OVERFLOW];

	if (!(s->crtc[CRTC_RETRACE_END] & RETRACE_END_PROTECT) || s->crtc_index > CRTC_OVERFLOW)
		put(&crtc, s->crtc, s->crtc_index, value);
	else if (s->crtc_index == CRTC_OVERFLOW)
		*overflow = (uint8_t)((*overflow & ~OVERFLOW_COMPARE_8) |
				      (value & OVERFLOW_COMPARE_8));
}

static void write_attribute(struct vvga_state *s, uint8_t value)
{
	if (s->attribute_data)
		put(&attribute, s->attribute, s->attribute_index & ATTR_INDEX, value);
	else
		s->attribute_index = value & ATTR_INDEX_MASK;
	s->attribute_data ^= 1;
}

static void set_dac_index(struct vvga_state *s, uint8_t index, bool reads)
{
	s->dac_index = index;
	s->dac_part = 0;
	s->dac_reads = reads;
}

/* The next colour of the palette of 256. */
static uint8_t *step_dac(struct vvga_state *s)
{
	uint8_t *at = &s->dac[s->dac_index][s->dac_part];

	if (++s->dac_part == 3) {
		s->dac_part = 0;
		s->dac_index++;
	}
	return at;
}

static bool write_byte(struct vvga_state *s, uint16_t port, uint8_t value)
{
	switch (port) {
	case VGA_ATTRIBUTE_INDEX:
		write_attribute(s, value);
		return true;
	case VGA_MISC_WRITE:
		s->misc = value & OUTPUT_MASK;
		return true;
	case VGA_SEQ_INDEX:
		s->sequencer_index = value;
		return true;
	case VGA_SEQ_DATA:
		put(&sequencer, s->sequencer, s->sequencer_index, value);
		return true;
	case VGA_DAC_MASK:
		s->dac_mask = value;
		return true;
	case VGA_DAC_READ:
	case VGA_DAC_WRITE:
		set_dac_index(s, value, port == VGA_DAC_READ);
		return true;
	case VGA_DAC_DATA:
		*step_dac(s) = value & DAC_BITS;
		return true;
	case VGA_GFX_INDEX:
		s->graphics_index = value;
		return true;
	case VGA_GFX_DATA:
		put(&graphics, s->graphics, s->graphics_index, value);
		return true;
	case VGA_CRTC_INDEX:
		s->crtc_index = value;
		return true;
	case VGA_CRTC_DATA:
		write_crtc(s, value);
		return true;
	default: /* those that are only read, and FEATURE, which no monitor has */
		return port == VGA_ATTRIBUTE_READ || port == VGA_FEATURE_READ ||
		       port == VGA_MISC_READ || port == VGA_INPUT_STATUS_1;
	}
}

/*
 * Where the beam would be, by the clock: a loop that waits for the retrace or for its end goes
 * on after a frame, and one that counts frames counts 70 a second.
 */
static uint8_t input_status_1(struct platform *p)
{
	uint64_t second = p->config.tsc_khz * 1000ull, ticks = dev_now(p) % second;
	uint64_t parts = ticks * LINE_PARTS / 1000 * LINES_A_SECOND / p->config.tsc_khz;
	uint64_t line = parts / LINE_PARTS % FRAME_LINES;

	p->vga.s.attribute_data = 0;
	if (line >= SEEN_LINES)
		return STATUS_1_OFF | STATUS_1_RETRACE;
	return parts % LINE_PARTS >= SEEN_PARTS ? STATUS_1_OFF : 0;
}

static bool read_byte(struct platform *p, uint16_t port, uint8_t *value)
{
	struct vvga_state *s = &p->vga.s;

	switch (port) {
	case VGA_ATTRIBUTE_INDEX:
		*value = s->attribute_index;
		return true;
	case VGA_ATTRIBUTE_READ:
		*value = get(&attribute, s->attribute, s->attribute_index & ATTR_INDEX);
		return true;
	case VGA_MISC_WRITE:
		*value = STATUS_0_SENSE;
		return true;
	case VGA_SEQ_INDEX:
		*value = s->sequencer_index;
		return true;
	case VGA_SEQ_DATA:
		*value = get(&sequencer, s->sequencer, s->sequencer_index);
		return true;
	case VGA_DAC_MASK:
		*value = s->dac_mask;
		return true;
	case VGA_DAC_READ:
		*value = s->dac_reads ? DAC_READS : 0;
		return true;
	case VGA_DAC_WRITE:
		*value = s->dac_index;
		return true;
	case VGA_DAC_DATA:
		*value = *step_dac(s);
		return true;
	case VGA_FEATURE_READ:
		*value = 0;
		return true;
	case VGA_MISC_READ:
		*value = s->misc;
		return true;
	case VGA_GFX_INDEX:
		*value = s->graphics_index;
		return true;
	case VGA_GFX_DATA:
		*value = get(&graphics, s->graphics, s->graphics_index);
		return true;
	case VGA_CRTC_INDEX:
		*value = s->crtc_index;
		return true;
	case VGA_CRTC_DATA:
		*value = get(&crtc, s->crtc, s->crtc_index);
		return true;
	case VGA_INPUT_STATUS_1:
		*value = input_status_1(p);
		return true;
	default:
		return false;
	}
}

/* The port as it is with VGA_MISC_COLOUR; 0: nothing is there now. */
static uint16_t colour_port(const struct vvga_state *s, uint16_t port)
{
	bool mono = port < VGA_ATTRIBUTE_INDEX;

	if (port >= VGA_ATTRIBUTE_INDEX && port <= VGA_GFX_DATA)
		return port;
	if (mono == (bool)(s->misc & VGA_MISC_COLOUR))
		return 0;
	return (uint16_t)(mono ? port + VGA_MONO_OFFSET : port);
}

bool vvga_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	uint32_t read = 0;
	bool claimed = false;

	if (!p->config.vga)
		return false;
	for (unsigned i = 0; i < size; i++) {
		uint16_t at = colour_port(&p->vga.s, (uint16_t)(port + i));
		uint8_t byte = 0xff;

		claimed |= write ? write_byte(&p->vga.s, at, (uint8_t)(*value >> 8 * i))
				 : read_byte(p, at, &byte);
		read |= (uint32_t)byte << 8 * i;
	}
	if (!write && claimed)
		*value = read;
	return claimed;
}

/* ---- reset ---- */

static uint8_t intensity(unsigned entry, unsigned high, unsigned low)
{
	return (uint8_t)(((entry >> high & 1) * 2 + (entry >> low & 1)) * VGA_DAC_THIRD);
}

/* What the BIOS sets in a text mode; the rest is black. */
static void set_dac(struct vvga_state *s)
{
	s->dac_mask = 0xff;
	for (unsigned i = 0; i < VGA_DAC_TEXT_COUNT; i++) {
		s->dac[i][0] = intensity(i, 2, 5);
		s->dac[i][1] = intensity(i, 1, 4);
		s->dac[i][2] = intensity(i, 0, 3);
	}
}

/* As a BIOS leaves it: a guest without firmware finds the text mode, too. */
void vvga_reset(struct platform *p)
{
	struct vvga_state *s = &p->vga.s;

	*s = (struct vvga_state){.misc = 0};
	if (!p->config.vga)
		return;
	__builtin_memcpy(s->crtc, crtc_text, sizeof(crtc_text));
	__builtin_memcpy(s->sequencer, sequencer_text, sizeof(sequencer_text));
	__builtin_memcpy(s->graphics, graphics_text, sizeof(graphics_text));
	__builtin_memcpy(s->attribute, attribute_text, sizeof(attribute_text));
	s->attribute_index = ATTR_PALETTE_SHOWN;
	s->misc = VGA_TEXT_MISC;
	set_dac(s);
}

/* ---- what is seen ---- */

static uint32_t two(const struct vvga_state *s, unsigned high, unsigned low)
{
	return (uint32_t)s->crtc[high] << 8 | s->crtc[low];
}

static uint32_t last_line(const struct vvga_state *s)
{
	uint8_t overflow = s->crtc[CRTC_OVERFLOW];

	return s->crtc[CRTC_LAST_LINE] | (overflow & OVERFLOW_LAST_LINE_8 ? 0x100u : 0) |
	       (overflow & OVERFLOW_LAST_LINE_9 ? 0x200u : 0);
}

static void look_at_size(const struct vvga_state *s, struct vvga_view *v)
{
	uint32_t lines = last_line(s) + 1;

	v->lines = (s->crtc[CRTC_CHARACTER] & CHARACTER_LINES) + 1u;
	if (s->crtc[CRTC_CHARACTER] & CHARACTER_TWICE)
		lines /= 2;
	v->columns = s->crtc[CRTC_LAST_COLUMN] + 1u;
	v->rows = lines / v->lines;
	if (s->graphics[GFX_MISC] & GFX_MISC_GRAPHICS ||
		s->attribute[ATTR_MODE] & ATTR_MODE_GRAPHICS || v->rows == 0 ||
		v->columns * v->rows > VVGA_CELLS)
		v->columns = v->rows = 0;
}

static void look_at_cursor(const struct vvga_state *s, struct vvga_view *v)
{
	v->first = s->crtc[CRTC_CURSOR_START] & CURSOR_LINE;
	v->last = s->crtc[CRTC_CURSOR_END] & CURSOR_LINE;
	v->last = v->last < v->lines ? v->last : v->lines - 1;
	v->cursor = s->crtc[CRTC_CURSOR_START] & CURSOR_OFF || v->first > v->last
			    ? VVGA_NONE
			    : two(s, CRTC_CURSOR_HIGH, CRTC_CURSOR_LOW) % VVGA_CELLS;
}

/* Through the palette of 16, then that of 256. */
static uint32_t colour(const struct vvga_state *s, unsigned i)
{
	uint8_t select = s->attribute[ATTR_COLOUR_SELECT];
	uint8_t entry = s->attribute[i & s->attribute[ATTR_PLANES] & 0xf];
	const uint8_t *rgb;
	uint32_t value = 0;

	if (s->attribute[ATTR_MODE] & ATTR_MODE_SELECT)
		entry = (uint8_t)((entry & 0xf) | (select & 3) << 4);
	entry |= (uint8_t)((select & 0xc) << 4);
	rgb = s->dac[entry & s->dac_mask];
	for (unsigned k = 0; k < 3; k++)
		value = value << 8 | (uint32_t)(rgb[k] << 2 | rgb[k] >> 4);
	return value;
}

void vvga_look(const struct vvga_state *s, struct vvga_view *v)
{
	*v = (struct vvga_view){
		.start = two(s, CRTC_START_HIGH, CRTC_START_LOW),
		.pitch = s->crtc[CRTC_ROW] * 2u,
		.blank = s->sequencer[SEQ_CLOCKING] & CLOCKING_SCREEN_OFF ||
			 !(s->attribute_index & ATTR_PALETTE_SHOWN),
		.blinks = s->attribute[ATTR_MODE] & ATTR_MODE_BLINK,
	};
	look_at_size(s, v);
	look_at_cursor(s, v);
	for (unsigned i = 0; i < VGA_COLOURS; i++)
		v->colour[i] = colour(s, i);
}

uint32_t vvga_cell(const struct vvga_view *v, uint32_t x, uint32_t y)
{
	return (v->start + y * v->pitch + x) % VVGA_CELLS;
}

/* ---- state ---- */

void vvga_get_state(const struct vvga *v, struct vvga_state *s)
{
	*s = v->s;
}

static bool within(const struct registers *r, const uint8_t *at)
{
	for (unsigned i = 0; i < r->count; i++)
		if (at[i] & ~r->mask[i])
			return false;
	return true;
}

bool vvga_valid_state(const struct platform *p, const struct vvga_state *s)
{
	if (!p->config.vga)
		return state_zero(s, sizeof(*s));
	return within(&crtc, s->crtc) && within(&sequencer, s->sequencer) &&
	       within(&graphics, s->graphics) && within(&attribute, s->attribute) &&
	       !(s->misc & ~OUTPUT_MASK) && !(s->attribute_index & ~ATTR_INDEX_MASK) &&
	       s->attribute_data <= 1 && s->dac_part <= 2 && s->dac_reads <= 1 &&
	       STATE_ZERO(s->reserved) &&
	       state_bytes_up_to(s->dac, 0, sizeof(s->dac) - 1, DAC_BITS);
}

bool vvga_set_state(struct platform *p, const struct vvga_state *s)
{
	if (!vvga_valid_state(p, s))
		return false;
	p->vga.s = *s;
	return true;
}
