/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from the host tool to L0, over a line that may lose or change bytes.
 *
 *   0x7e  version  kind  channel (2 bytes)  payload...  CRC (2 bytes)  0x7e
 *
 * Between the delimiters 0x7e and 0x7d are sent as 0x7d and the byte with bit 5 changed.
 * Numbers are little-endian. The CRC is CCITT's, over all from the version on, after the
 * escapes are undone. What is no frame of frames.def is passed over, and the next delimiter
 * begins afresh.
 */
#ifndef NESTOR_LIB_FRAME_H
#define NESTOR_LIB_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_stream.h"
#include "lib/manage.h"

#define FRAME_VERSION 2
#define FRAME_OFFSET  4u
#define FRAME_PAYLOAD 244u
#define FRAME_CONTENT (4u + FRAME_PAYLOAD + 2u) /* header, payload, CRC */
#define FRAME_WIRE    (2u * FRAME_CONTENT + 2u) /* at most, with escapes and delimiters */

enum frame_kind {
#define F(name, number, least, most, channel) FRAME_##name = (number),
#include "lib/frames.def"
#undef F
};

struct frame {
	uint8_t kind; /* enum frame_kind */
	uint16_t channel;
	uint16_t size;          /* of the payload */
	const uint8_t *payload; /* of a frame that was read: until the next byte is */
};

struct frame_reader {
	uint16_t size; /* of what came since the delimiter; more than FRAME_CONTENT: too much */
	uint16_t crc;
	bool escape;
	uint8_t content[FRAME_CONTENT];
};

enum frame_result {
	FRAME_MORE,
	FRAME_READY,
	FRAME_BAD /* what ends here was not a frame: something may be lost */
};

void frame_reader_init(struct frame_reader *r);

/* Takes a byte of the line. READY: *f is a frame that frames.def allows. */
enum frame_result frame_read(struct frame_reader *r, uint8_t byte, struct frame *f);

/* Is there such a frame: kind, channel, size? */
bool frame_valid(const struct frame *f);

/* Writes a valid frame as it is on the line; how many bytes it has. */
size_t frame_write(uint8_t out[FRAME_WIRE], const struct frame *f);

uint16_t frame_get16(const uint8_t *p);
uint32_t frame_get32(const uint8_t *p);
void frame_put16(uint8_t *p, uint16_t value);
void frame_put32(uint8_t *p, uint32_t value);

#endif
