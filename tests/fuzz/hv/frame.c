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

/* Some VMs; frames for others come, too. */
#define VMS 3u
#define OWN (VMS * (1 + LIMIT_PORTS)) /* lines that those have */

static uint8_t memory[VMS * INPUT_PLACE] __attribute__((aligned(64)));
static struct frame_reader reader;

/* Of their lines the number n. */
static unsigned own_line(unsigned n)
{
	return n < VMS ? n : l0_port_line(n % VMS, (n / VMS - 1) % LIMIT_PORTS);
}

/* Whichever, but mostly one of theirs. */
static uint16_t some_channel(struct input *in)
{
	unsigned n = (unsigned)take(in, 2);

	return (uint16_t)(n & 0x8000 ? n & 0xfff : L0_CHANNEL_VM + own_line(n % OWN));
}

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
	struct frame f = {byte(in), some_channel(in), byte(in) % (FRAME_PAYLOAD + 1), payload};
	unsigned line = f.channel - L0_CHANNEL_VM;
	size_t size;

	memset(payload, f.kind, sizeof(payload));
	if (l0_vm_of_line(line) < VMS)
		frame_put32(payload, queue_of(line)->taken + (uint32_t)take(in, 2) - 0x8000);
	if (f.size < FRAME_OFFSET)
		f.size = FRAME_OFFSET;
	size = frame_write(wire, &f);
	for (size_t i = 0; i < size; i++)
		arrives(wire[i]);
}

static void act(struct input *in)
{
	uint64_t news[INPUT_VM_WORDS];
	unsigned kind = byte(in), line = own_line(byte(in) % OWN), before = records;

	if ((kind & 3) == 0)
		arrives(byte(in));
	else if ((kind & 3) == 1)
		send_frame(in);
	for (unsigned n = byte(in); (kind & 3) == 2 && n > 0 && input_waiting(line) > 0; n--)
		input_take(line);
	if ((kind & 7) == 6 && line >= LIMIT_VMS)
		input_port_told(line, input_port_opens(line), kind & 8);
	if ((kind & 3) == 3) {
		input_take_news(news);
		input_tell();
		check(!input_pending());
	}
	check(records - before <= 256);
	for (unsigned i = 0; i < OWN; i++)
		check(input_waiting(own_line(i)) <= WINDOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	memset(&input, 0, sizeof(input));
	memset(memory, 0, sizeof(memory));
	input_make(memory, VMS);
	frame_reader_init(&reader);
	while (in.at < in.end)
		act(&in);
	return 0;
}
