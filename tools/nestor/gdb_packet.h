/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of GDB's remote protocol ("Overview" of the appendix "Remote Protocol" of its
 * manual): `$DATA#SUM`, with the escapes of binary data. What packets mean is not here. Pure.
 */
#ifndef NESTOR_GDB_PACKET_H
#define NESTOR_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET 2048u /* bytes of data at most, in both directions */
#define GDB_FRAMED (2 * GDB_PACKET + 4)

enum gdb_in {
	GDB_IN_NOTHING,
	GDB_IN_PACKET,    /* data and size have it */
	GDB_IN_BAD,       /* a wrong checksum, or too long: to be sent again */
	GDB_IN_NAK,       /* the last answer is to be sent again */
	GDB_IN_INTERRUPT, /* Ctrl-C */
};

/* Zeros at first. */
struct gdb_reader {
	enum {
		GDB_BETWEEN,
		GDB_IN_DATA,
		GDB_IN_ESCAPE,
		GDB_IN_SUM,
		GDB_IN_SUM_2
	} at;
	uint8_t sum, told;
	bool wrong;
	size_t size;
	char data[GDB_PACKET + 1]; /* with a 0 behind it */
};

/* Takes the next byte. Total: any bytes may come. */
enum gdb_in gdb_reader_take(struct gdb_reader *r, char byte);

/* Makes a packet of up to GDB_PACKET bytes, and returns its size. */
size_t gdb_packet_make(char out[GDB_FRAMED], const char *data, size_t size);

/* A digit's value, or -1. */
int gdb_digit(char c);

/* A hexadecimal number of 1 to 16 digits at *p, which moves behind it. False: there is none. */
bool gdb_number(const char **p, uint64_t *value);

#endif
