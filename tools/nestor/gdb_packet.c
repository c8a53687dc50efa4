/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of GDB's remote protocol; see gdb_packet.h. */
#include "gdb_packet.h"

static const char digits[] = "0123456789abcdef";

int gdb_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool gdb_number(const char **p, uint64_t *value)
{
	unsigned n = 0;

	*value = 0;
	for (; gdb_digit(**p) >= 0; (*p)++) {
		if (n++ == 16)
			return false;
		*value = *value << 4 | (uint64_t)gdb_digit(**p);
	}
	return n != 0;
}

static void begin(struct gdb_reader *r)
{
	r->at = GDB_IN_DATA;
	r->sum = 0;
	r->size = 0;
	r->wrong = false;
}

static void add(struct gdb_reader *r, char byte)
{
	if (r->size == GDB_PACKET)
		r->wrong = true;
	else
		r->data[r->size++] = byte;
}

static enum gdb_in between(struct gdb_reader *r, char byte)
{
	if (byte == '$')
		begin(r);
	else if (byte == '-')
		return GDB_IN_NAK;
	else if (byte == 3)
		return GDB_IN_INTERRUPT;
	return GDB_IN_NOTHING;
}

/* A `$` in the middle: the packet before was cut off. */
static void in_data(struct gdb_reader *r, char byte)
{
	if (byte == '$') {
		begin(r);
		return;
	}
	if (byte == '#') {
		r->wrong |= r->at == GDB_IN_ESCAPE;
		r->at = GDB_IN_SUM;
		return;
	}
	r->sum = (uint8_t)(r->sum + (uint8_t)byte);
	if (r->at == GDB_IN_ESCAPE) {
		add(r, (char)(byte ^ 0x20));
		r->at = GDB_IN_DATA;
	} else if (byte == '}') {
		r->at = GDB_IN_ESCAPE;
	} else {
		add(r, byte);
	}
}

static void in_sum(struct gdb_reader *r, char byte)
{
	int d = gdb_digit(byte);

	r->wrong |= d < 0;
	r->told = (uint8_t)(r->told << 4 | (d < 0 ? 0 : d));
}

enum gdb_in gdb_reader_take(struct gdb_reader *r, char byte)
{
	switch (r->at) {
	case GDB_BETWEEN:
		return between(r, byte);
	case GDB_IN_DATA:
	case GDB_IN_ESCAPE:
		in_data(r, byte);
		return GDB_IN_NOTHING;
	case GDB_IN_SUM:
		in_sum(r, byte);
		r->at = GDB_IN_SUM_2;
		return GDB_IN_NOTHING;
	default:
		in_sum(r, byte);
		r->at = GDB_BETWEEN;
		r->data[r->size] = 0;
		return r->wrong || r->told != r->sum ? GDB_IN_BAD : GDB_IN_PACKET;
	}
}

size_t gdb_packet_make(char out[GDB_FRAMED], const char *data, size_t size)
{
	uint8_t sum = 0;
	size_t n = 0;

	out[n++] = '$';
	for (size_t i = 0; i < size; i++) {
		char c = data[i];

		if (c == '$' || c == '#' || c == '}' || c == '*') {
			out[n++] = '}';
			c = (char)(c ^ 0x20);
		}
		out[n++] = c;
	}
	for (size_t i = 1; i < n; i++)
		sum = (uint8_t)(sum + (uint8_t)out[i]);
	out[n++] = '#';
	out[n++] = digits[sum >> 4];
	out[n++] = digits[sum & 15];
	return n;
}
