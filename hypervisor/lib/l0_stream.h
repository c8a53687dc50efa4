/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channels between L0 and the host tool, the same in both directions. From L0: mux.h of
 * either side. To L0: frame.h.
 */
#ifndef NESTOR_LIB_L0_STREAM_H
#define NESTOR_LIB_L0_STREAM_H

#include "lib/limits.h"

enum l0_channel {
	L0_CHANNEL_LOG = 0,
	L0_CHANNEL_CONTROL = 1,
	L0_CHANNEL_VM = 2,                           /* plus the VM's number: its console */
	L0_CHANNEL_PORT = L0_CHANNEL_VM + LIMIT_VMS, /* plus LIMIT_PORTS for each VM before */
	L0_CHANNEL_SCREEN =
		L0_CHANNEL_PORT +
		LIMIT_VMS * LIMIT_PORTS, /* plus the VM's: its display; from L0 only */
	L0_CHANNEL_VARIABLES =
		L0_CHANNEL_SCREEN + LIMIT_VMS, /* likewise: its firmware's variables */
	L0_CHANNELS = L0_CHANNEL_VARIABLES + LIMIT_VMS
};

/*
 * In the stream from L0 0xff chooses a channel: its number follows, in a byte, or from
 * L0_CHANNEL_LONG on in two, the high one first, with that bit set. 0xff is data otherwise.
 */
#define L0_CHANNEL_LONG 0x80u
_Static_assert((unsigned)L0_CHANNELS <= 0x7f00, "what follows 0xff is another byte");

/* What has input: the console of each VM, then the ports of each. */
#define L0_LINES ((unsigned)(L0_CHANNEL_SCREEN - L0_CHANNEL_VM))

/* Of a VM's port, the line. The VM of a line. */
static inline unsigned l0_port_line(unsigned vm, unsigned port)
{
	return (unsigned)(L0_CHANNEL_PORT - L0_CHANNEL_VM) + vm * LIMIT_PORTS + port;
}

static inline unsigned l0_vm_of_line(unsigned line)
{
	return line < LIMIT_VMS ? line : (line - LIMIT_VMS) / LIMIT_PORTS;
}

/* Of a port's line, which port of its VM. */
static inline unsigned l0_port_of_line(unsigned line)
{
	return (line - LIMIT_VMS) % LIMIT_PORTS;
}

/* Bytes of input that L0 keeps for a line until the guest reads them. */
#define L0_INPUT_WINDOW 4096u
/* Bytes of a port's output that the host tool keeps until somebody reads them. */
#define L0_OUTPUT_WINDOW 65536u

#endif
