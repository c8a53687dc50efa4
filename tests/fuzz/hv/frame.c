/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of L0's end of the line from the host tool: bytes, of which some are frames with a
 * right CRC, and guests that read. What waits stays within the window, no frame comes through
 * that the table does not allow, and there are never more records than reasons for one.
 */
#include "input.h"

#include <string.h>

#include "cpu/input.c"

static unsigned records;

void mux_record(const char *format, ...)
{
	(void)format;
	records++;
}

static struct frame_reader reader;

static void arrives(uint8_t b)
{
	struct frame f;
	enum frame_result result = frame_read(&reader, b, &f);

	if (result == FRAME_BAD)
		input_lost();
	if (result != FRAME_READY)
		return;
	check(frame_valid(&f));
	if (f.kind != FRAME_STOP)
		input_frame(&f);
}

static void send_frame(struct input *in)
{
	uint8_t wire[FRAME_WIRE], payload[FRAME_PAYLOAD];
	struct frame f = {byte(in), byte(in), byte(in) % (FRAME_PAYLOAD + 1), payload};
	unsigned line = (unsigned)(f.channel - L0_CHANNEL_VM) % L0_LINES;
	size_t size;

	memset(payload, f.kind, sizeof(payload));
	frame_put32(payload, input.line[line].taken + (uint32_t)take(in, 2) - 0x8000);
	if (f.size < FRAME_OFFSET)
		f.size = FRAME_OFFSET;
	size = frame_write(wire, &f);
	for (size_t i = 0; i < size; i++)
		arrives(wire[i]);
}

static void act(struct input *in)
{
	unsigned kind = byte(in), line = byte(in) % L0_LINES, before = records;

	if ((kind & 3) == 0)
		arrives(byte(in));
	else if ((kind & 3) == 1)
		send_frame(in);
	for (unsigned n = byte(in); (kind & 3) == 2 && n > 0 && input_waiting(line) > 0; n--)
		input_take(line);
	if ((kind & 7) == 6 && line >= LIMIT_VMS)
		input_port_told(line, input_port_opens(line), kind & 8);
	if ((kind & 3) == 3) {
		(void)input_take_news();
		input_tell();
		check(!input_pending());
	}
	check(records - before <= 256);
	for (unsigned i = 0; i < L0_LINES; i++)
		check(input_waiting(i) <= WINDOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	memset(&input, 0, sizeof(input));
	frame_reader_init(&reader);
	while (in.at < in.end)
		act(&in);
	return 0;
}
