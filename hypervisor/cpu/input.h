/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host tool sends to the consoles and ports of VMs, which are lines (lib/l0_stream.h;
 * a VM's number is its console's): a queue for each, between the frames that arrive and the
 * guests that read, and what the tool is told of it. Of a port also who has it open at its two
 * ends, and how much its other end takes. Bytes are counted from the
 * start of the run, modulo 2^32; the tool sends a byte only once it is told that there is room,
 * and again when it is told that it is missing. Likewise that it wants to see a display. Not
 * here: the line (cpu/request.c), devices.
 */
#ifndef NESTOR_CPU_INPUT_H
#define NESTOR_CPU_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/frame.h"
#include "lib/set.h"

#define INPUT_VM_WORDS SET_WORDS((unsigned)LIMIT_VMS)
/* Bytes for a VM. */
#define INPUT_PLACE (21u << 10)

/* So many VMs have lines, in zeroed memory that each address space has, INPUT_PLACE bytes for
 * each. Before all else: no line of another VM gets anything. */
void input_make(void *memory, unsigned vms);

/* One at a time, in an NMI, too: a frame of a line's channel. */
void input_frame(const struct frame *f);
/* Likewise: something was lost. */
void input_lost(void);

/* Tells the tool that input is understood, and how. */
void input_hello(void);

/* Is there something for input_take_news or input_tell? Any CPU. */
bool input_pending(void);
/* VMs (bit: number) for which something came since the last call. Any CPU. */
void input_take_news(uint64_t vms[INPUT_VM_WORDS]);
/* Tells the tool what came, as far as it does not know. Any CPU, not in an NMI. */
void input_tell(void);

/* Bytes that wait for the line's VM. One CPU at a time for each VM, like what follows. */
uint32_t input_waiting(unsigned line);
/* The next byte, of those that wait. */
uint8_t input_take(unsigned line);
/* Some of them, `size` at most; how many. 0: none waits, or size is 0. */
uint32_t input_read(unsigned line, void *bytes, uint32_t size);
/* Whether the tool has asked for what the VM's display shows, since the last call. */
bool input_take_screen(unsigned vm);
/* There is another VM now: what waits for its console was for the one before. */
void input_forget(unsigned vm);
/* The size of the VM's terminal, if the tool told it. */
bool input_size(unsigned vm, uint16_t *columns, uint16_t *rows);

/* ---- of a port's line ---- */

/* How many bytes its VM may have sent since the start of the run. */
uint32_t input_port_limit(unsigned line);
/* How often its other end was opened and closed; odd: somebody is there. */
uint32_t input_port_opens(unsigned line);
/* The guest knows of so many of these, and has the port open: a record if it is news. */
bool input_port_is(unsigned line, uint32_t opens, bool guest);
void input_port_told(unsigned line, uint32_t opens, bool guest);
/* There is no guest. */
void input_port_left(unsigned line);

#endif
