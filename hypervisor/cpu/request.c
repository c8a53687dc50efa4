/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/request.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/input.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "cpu/ioapic.h"
#include "cpu/nmi.h"
#include "cpu/tsc.h"
#include "lib/frame.h"
#include "spec/apic.h"
#include "spec/uart.h"

#define MCR_LINES (MCR_DTR | MCR_RTS | MCR_OUT2)

/* At an interrupt the port has no more than its FIFO; one that never empties is not there. */
#define BYTES_AT_ONCE 64u

/* The boot CPU's, which takes bytes with NMIs blocked only. */
static struct frame_reader reader;
static bool quick;

/* A request in words: one at a time, since the tool waits for the answer. */
enum slot_state {
	SLOT_FREE,
	SLOT_FULL,
	SLOT_TAKEN /* and not answered */
};

static struct {
	uint32_t state; /* enum slot_state; atomic */
	uint32_t size;
	char line[MANAGE_LINE];
} slot;

void request_init(void)
{
	if (!l0_config()->requests)
		return;
	frame_reader_init(&reader);
	outb(COM1 + UART_LCR, LCR_DLAB);
	outb(COM1 + 0, 1); /* 115200 */
	outb(COM1 + 1, 0);
	outb(COM1 + UART_LCR, LCR_8N1);
	outb(COM1 + UART_MCR, MCR_LINES);
	outb(COM1 + UART_IER, IER_RECEIVE);
	ioapic_set(COM1_IRQ, DELIVER_NMI << DELIVER_SHIFT, this_cpu()->apic_id);
	input_hello();
	if (inb(COM1 + UART_LSR) & LSR_DATA) /* its edge may have been before the pin's setup */
		nmi_kick(this_cpu()->index);
}

static void stop(void)
{
	config_stop();
	nmi_kick_all(1);
}

/*
 * Somebody types: an NMI for each 14 bytes. Before, without FIFO, the emulator looks for a byte
 * ten times a second only, which costs a run that gets no input nothing.
 */
static void be_quick(void)
{
	if (quick)
		return;
	quick = true;
	outb(COM1 + UART_FCR, FCR_ENABLE | FCR_TRIGGER_14);
}

/*
 * Bytes are missing, or wrong. The tool is told from time to time only, so that a line that is
 * nothing but noise costs nothing.
 */
#define TELL_LOST_MS 20u

static struct {
	uint64_t next; /* host TSC before which it is not told again; the boot CPU's */
	bool tell;     /* atomic */
} lost;

static void note_lost(void)
{
	input_lost();
	if (rdtsc() < lost.next)
		return;
	lost.next = rdtsc() + (uint64_t)tsc_khz * TELL_LOST_MS;
	__atomic_store_n(&lost.tell, true, __ATOMIC_RELEASE);
}

bool request_take_lost(void)
{
	return __atomic_load_n(&lost.tell, __ATOMIC_ACQUIRE) &&
	       __atomic_exchange_n(&lost.tell, false, __ATOMIC_ACQ_REL);
}

/* One that comes too early is lost, and comes again. */
static void request_came(const struct frame *f)
{
	if (__atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != SLOT_FREE)
		return;
	memcpy(slot.line, f->payload, f->size);
	slot.size = f->size;
	__atomic_store_n(&slot.state, SLOT_FULL, __ATOMIC_RELEASE);
}

bool request_waits(void)
{
	return __atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) == SLOT_FULL;
}

size_t request_take(char line[MANAGE_LINE])
{
	uint32_t full = SLOT_FULL;

	if (!__atomic_compare_exchange_n(
		    &slot.state, &full, SLOT_TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return 0;
	memcpy(line, slot.line, slot.size);
	return slot.size;
}

void request_done(void)
{
	__atomic_store_n(&slot.state, SLOT_FREE, __ATOMIC_RELEASE);
}

static void take(uint8_t byte)
{
	struct frame f;

	switch (frame_read(&reader, byte, &f)) {
	case FRAME_MORE:
		return;
	case FRAME_BAD:
		note_lost();
		return;
	case FRAME_READY:
		break;
	}
	if (f.kind == FRAME_STOP) {
		stop();
		return;
	}
	be_quick();
	if (f.kind == FRAME_REQUEST)
		request_came(&f);
	else
		input_frame(&f);
}

bool request_poll(void)
{
	bool any = false;
	uint8_t status;

	if (!l0_config()->requests || this_cpu()->index != 0)
		return false;
	for (unsigned i = 0; i < BYTES_AT_ONCE; i++) {
		status = inb(COM1 + UART_LSR);
		if (status & LSR_OVERRUN)
			note_lost();
		if (!(status & LSR_DATA))
			return any;
		take(inb(COM1 + UART_DATA));
		any = true;
	}
	return any;
}
