/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/frame.h"

#define DELIMITER  0x7e
#define ESCAPE     0x7d
#define ESCAPE_BIT 0x20

#define HEADER    4u
#define CRC_SIZE  2u
#define CRC_START 0xffff
#define CRC_RIGHT 0xf0b8 /* of what has its own CRC at its end */

/* Half a byte at a time: a byte costs the same few instructions always. */
static uint16_t crc_of(uint16_t crc, uint8_t byte)
{
	static const uint16_t table[16] = {0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285,
		0x6306, 0x7387, 0x8408, 0x9489, 0xa50a, 0xb58b, 0xc60c, 0xd68d, 0xe70e, 0xf78f};

	crc = (uint16_t)(crc >> 4 ^ table[(crc ^ byte) & 15]);
	return (uint16_t)(crc >> 4 ^ table[(crc ^ byte >> 4) & 15]);
}

uint16_t frame_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t frame_get32(const uint8_t *p)
{
	return frame_get16(p) | (uint32_t)frame_get16(p + 2) << 16;
}

void frame_put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

void frame_put32(uint8_t *p, uint32_t value)
{
	frame_put16(p, (uint16_t)value);
	frame_put16(p + 2, (uint16_t)(value >> 16));
}

/* ---- what there is ---- */

enum channel_class {
	CHANNEL_CONTROL,
	CHANNEL_VM,
	CHANNEL_PORT,
	CHANNEL_LINE
};

static bool channel_is(unsigned channel, enum channel_class class)
{
	switch (class) {
	case CHANNEL_CONTROL:
		return channel == L0_CHANNEL_CONTROL;
	case CHANNEL_VM:
		return channel >= L0_CHANNEL_VM && channel < L0_CHANNEL_PORT;
	case CHANNEL_PORT:
		return channel >= L0_CHANNEL_PORT && channel < L0_CHANNEL_SCREEN;
	default:
		return channel >= L0_CHANNEL_VM && channel < L0_CHANNEL_SCREEN;
	}
}

#define F(name, number, least, most, class) \
	_Static_assert((least) <= (most) && (most) <= FRAME_PAYLOAD, "no such " #name);
#include "lib/frames.def"
#undef F

bool frame_valid(const struct frame *f)
{
	switch (f->kind) {
#define F(name, number, least, most, class)                       \
	case FRAME_##name:                                        \
		return f->size >= (least) && f->size <= (most) && \
		       channel_is(f->channel, CHANNEL_##class);
#include "lib/frames.def"
#undef F
	default:
		return false;
	}
}

/* ---- reading ---- */

void frame_reader_init(struct frame_reader *r)
{
	r->size = 0;
	r->crc = CRC_START;
	r->escape = false;
}

static enum frame_result end(const struct frame_reader *r, struct frame *f)
{
	if (r->size == 0 && !r->escape)
		return FRAME_MORE; /* two delimiters: between frames */
	if (r->escape || r->size < HEADER + CRC_SIZE || r->size > FRAME_CONTENT ||
		r->crc != CRC_RIGHT || r->content[0] != FRAME_VERSION)
		return FRAME_BAD;
	*f = (struct frame){
		.kind = r->content[1],
		.channel = frame_get16(r->content + 2),
		.size = (uint16_t)(r->size - HEADER - CRC_SIZE),
		.payload = r->content + HEADER,
	};
	return frame_valid(f) ? FRAME_READY : FRAME_BAD;
}

enum frame_result frame_read(struct frame_reader *r, uint8_t byte, struct frame *f)
{
	enum frame_result result;

	if (byte == DELIMITER) {
		result = end(r, f);
		frame_reader_init(r);
		return result;
	}
	if (byte == ESCAPE && !r->escape) {
		r->escape = true;
		return FRAME_MORE;
	}
	if (r->escape)
		byte ^= ESCAPE_BIT;
	r->escape = false;
	if (r->size < FRAME_CONTENT)
		r->content[r->size] = byte;
	if (r->size <= FRAME_CONTENT)
		r->size++;
	r->crc = crc_of(r->crc, byte);
	return FRAME_MORE;
}

/* ---- writing ---- */

struct writer {
	uint8_t *out;
	size_t size;
	uint16_t crc;
};

static void put(struct writer *w, uint8_t byte)
{
	w->crc = crc_of(w->crc, byte);
	if (byte == DELIMITER || byte == ESCAPE) {
		w->out[w->size++] = ESCAPE;
		byte ^= ESCAPE_BIT;
	}
	w->out[w->size++] = byte;
}

size_t frame_write(uint8_t out[FRAME_WIRE], const struct frame *f)
{
	struct writer w = {out, 0, CRC_START};
	uint16_t crc;

	out[w.size++] = DELIMITER;
	put(&w, FRAME_VERSION);
	put(&w, f->kind);
	put(&w, (uint8_t)f->channel);
	put(&w, (uint8_t)(f->channel >> 8));
	for (unsigned i = 0; i < f->size; i++)
		put(&w, f->payload[i]);
	crc = (uint16_t)~w.crc;
	put(&w, (uint8_t)crc);
	put(&w, (uint8_t)(crc >> 8));
	out[w.size++] = DELIMITER;
	return w.size;
}
