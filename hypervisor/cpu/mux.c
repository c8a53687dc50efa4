/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/mux.h"

#include <stdbool.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/percpu.h"
#include "cpu/text_screen.h"
#include "cpu/tsc.h"
#include "cpu/uart.h"
#include "lib/fmt.h"
#include "spec/uart.h"

#define PORT_E9 0xe9

#define SELECT     0xff
#define NO_CHANNEL 0xffff

#define UART_FIFO 16u

/* A FIFO that has been full for so long stays so: at 300 baud it is empty after 0.5 s. */
#define STUCK_MS 2000u

/* Bytes that wait for the UART; how many of a VM's console or port may, if there are not many.
 * A log line never has to, as long as the VMs keep to that: they have half of it. */
#define RING_SIZE     131072u
#define CONSOLE_SHARE 1024u
#define PORT_SHARE    256u
#define PICTURE_SHARE 1024u /* of displays and variables, which wait for all else */
#define PICTURE_LIMIT (RING_SIZE / 4 * 3)

#define CROWD 8192u /* of log and records */

/* Cells of the screen that are drawn in a millisecond: the largest are 8 KiB each, of memory
 * behind a slow bus. */
#define SCREEN_SHARE 64u

_Static_assert(RING_SIZE / 2 / LIMIT_VMS >= 2 * LIMIT_PORTS, "a share is a byte and more");

/* Nobody polls the port but when the ring is full: it takes its FIFO's worth whenever somebody
 * looks. */
static struct {
	bool use_e9;      /* a port that takes all at once: nothing waits */
	struct uart uart; /* else by this; base 0: nothing goes anywhere */
	uint32_t next;    /* tickets of the lock, as in cpu/lock.c */
	uint32_t owner;
	uint16_t channel;               /* selected last */
	uint32_t console, line;         /* shares of a console, of a port; constant */
	uint32_t in, out;               /* counts of what went in and out; atomic */
	uint32_t waiting[MUX_CHANNELS]; /* bytes in the ring by channel; atomic */
	uint64_t busy_since;            /* TSC when the UART was first seen so; 0: it was not */
	bool silent;                    /* it takes nothing, and is given nothing */
	uint32_t lost;                  /* bytes that were for it since then */
	bool polled;                    /* the screen waits for it */
	uint64_t drawn;                 /* TSC when it was drawn on last */
	uint8_t ring[RING_SIZE];
	uint16_t channels[RING_SIZE]; /* of the bytes there */
} mux;

void mux_init(void)
{
	mux.channel = NO_CHANNEL;
	mux.use_e9 = inb(PORT_E9) == PORT_E9;
	mux_share(1);
	mux_use_uart(&(struct uart){.base = COM1}, 1);
}

static uint32_t at_most(uint32_t share, uint32_t limit)
{
	return share < limit ? share : limit;
}

/* Half of it for the console, half for all ports. */
void mux_share(unsigned vms)
{
	uint32_t half = RING_SIZE / 2 / vms / 2;

	mux.console = at_most(half, CONSOLE_SHARE);
	mux.line = at_most(half / LIMIT_PORTS, PORT_SHARE);
}

/* What waits has nowhere to go. */
static void drop_waiting(void)
{
	for (unsigned i = 0; i < MUX_CHANNELS; i++)
		mux.waiting[i] = 0;
	mux.out = mux.in;
}

void mux_use_uart(const struct uart *u, uint16_t divisor)
{
	mux.uart = *u;
	mux.busy_since = 0;
	mux.silent = false;
	if (u->base == 0)
		drop_waiting();
	if (!mux.use_e9 && u->base != 0)
		uart_set_up(u, divisor);
}

bool mux_uart_meets(bool memory, uint64_t first, uint64_t size)
{
	return !mux.use_e9 && uart_meets(&mux.uart, memory, first, size);
}

/* ---- the lock: fair, below all others, and not of struct percpu.held ---- */

static void lock(void)
{
	struct percpu *c = this_cpu();

	/* An exception that comes in between writes nothing: it looks at in_mux. */
	c->in_mux = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	c->mux_ticket = __atomic_fetch_add(&mux.next, 1, __ATOMIC_RELAXED);
	c->mux_drawn = true;
	while (__atomic_load_n(&mux.owner, __ATOMIC_ACQUIRE) != c->mux_ticket)
		cpu_pause();
}

/* False: another CPU has it. */
static bool try_lock(void)
{
	struct percpu *c = this_cpu();
	uint32_t ticket = __atomic_load_n(&mux.owner, __ATOMIC_ACQUIRE);

	c->in_mux = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_compare_exchange_n(&mux.next, &ticket, ticket + 1, false,
		    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		c->in_mux = false;
		return false;
	}
	c->mux_ticket = ticket;
	c->mux_drawn = true;
	return true;
}

static void unlock(void)
{
	struct percpu *c = this_cpu();

	c->mux_drawn = false;
	__atomic_store_n(&mux.owner, c->mux_ticket + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	c->in_mux = false;
}

void mux_break_lock(void)
{
	struct percpu *c = this_cpu();

	if (c->in_mux && c->mux_drawn) {
		while (__atomic_load_n(&mux.owner, __ATOMIC_ACQUIRE) != c->mux_ticket)
			cpu_pause();
		unlock();
	}
	c->in_mux = false;
}

void mux_stop(void)
{
	const struct percpu *c = this_cpu();

	/* It was no fault of the screen's memory that this CPU does not come to its end. */
	if (c->in_mux && c->mux_drawn &&
		__atomic_load_n(&mux.owner, __ATOMIC_ACQUIRE) == c->mux_ticket)
		text_screen_interrupted();
	mux_break_lock();
}

/* ---- the ring; the lock is held ---- */

static bool bytes_wait(void)
{
	return __atomic_load_n(&mux.in, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&mux.out, __ATOMIC_RELAXED);
}

bool mux_pending(void)
{
	return bytes_wait() || text_screen_pending();
}

static bool port_empty(void)
{
	return uart_read(&mux.uart, UART_LSR) & LSR_THRE;
}

static void send_fifo(void)
{
	for (unsigned i = 0; i < UART_FIFO && bytes_wait(); i++) {
		unsigned at = mux.out % RING_SIZE;

		uart_write(&mux.uart, UART_DATA, mux.ring[at]);
		__atomic_fetch_sub(&mux.waiting[mux.channels[at]], 1, __ATOMIC_RELAXED);
		__atomic_store_n(&mux.out, mux.out + 1, __ATOMIC_RELAXED);
	}
}

/*
 * The UART is there and does not send: a management controller that hangs, a chip without a
 * clock. What waits is lost, and nobody waits for it any more, least of all VMs for their
 * consoles. On the screen, if there is one, since the log has nowhere else to go.
 */
static void give_up_port(void)
{
	char line[128];
	size_t n = fmt(line, sizeof(line),
		"nestor: warn: the UART at 0x%lx has sent nothing for %u ms: it is given no "
		"more until it does\n",
		mux.uart.base, STUCK_MS);

	mux.silent = true;
	mux.lost = mux.in - mux.out;
	drop_waiting();
	text_screen_write(line, n);
}

/* Asked with bytes that wait; there may be none of them afterwards. */
static bool port_takes(void)
{
	uint64_t now;

	if (port_empty()) {
		mux.busy_since = 0;
		return true;
	}
	now = rdtsc(); /* which may be a little behind that of who looked before */
	if (mux.busy_since == 0)
		mux.busy_since = now;
	else if (now > mux.busy_since && now - mux.busy_since > (uint64_t)tsc_khz * STUCK_MS)
		give_up_port();
	return false;
}

static void serve_port(void)
{
	if (bytes_wait() && port_takes())
		send_fifo();
}

/* Bounded: a port that is not there must not stop L0. */
static void send_waiting(void)
{
	while (!port_takes() && bytes_wait())
		cpu_pause();
	send_fifo();
}

static void raw(unsigned channel, uint8_t byte)
{
	unsigned at = mux.in % RING_SIZE;

	if (mux.use_e9)
		outb(PORT_E9, byte);
	if (mux.use_e9 || mux.uart.base == 0)
		return;
	if (mux.in - mux.out == RING_SIZE)
		send_waiting();
	if (mux.silent) {
		mux.lost++;
		return;
	}
	mux.channels[at] = (uint16_t)channel;
	mux.ring[at] = byte;
	__atomic_fetch_add(&mux.waiting[channel], 1, __ATOMIC_RELAXED);
	__atomic_store_n(&mux.in, mux.in + 1, __ATOMIC_RELAXED);
}

static void choose(unsigned channel)
{
	raw(channel, SELECT);
	if (channel >= L0_CHANNEL_LONG)
		raw(channel, (uint8_t)(L0_CHANNEL_LONG | channel >> 8));
	raw(channel, (uint8_t)channel);
	mux.channel = (uint16_t)channel;
}

static void put(unsigned channel, const char *s, size_t len)
{
	bool channels = l0_config()->mux;

	if (channels && mux.channel != channel)
		choose(channel);
	for (size_t i = 0; i < len; i++) {
		if (channels && (uint8_t)s[i] == SELECT)
			raw(channel, SELECT);
		raw(channel, (uint8_t)s[i]);
	}
}

/* What is lost began and ended anywhere, in a frame, too. */
static void take_up_port(void)
{
	char line[128];
	size_t n = fmt(line, sizeof(line),
		"\nnestor: warn: the UART at 0x%lx sends again; %u bytes of output were lost\n",
		mux.uart.base, mux.lost);

	mux.silent = false;
	mux.busy_since = 0;
	mux.channel = NO_CHANNEL;
	put(MUX_LOG, line, n);
}

void mux_write(unsigned channel, const char *s, size_t len)
{
	lock();
	if (mux.silent && port_empty())
		take_up_port();
	put(channel, s, len);
	if (channel == L0_CHANNEL_LOG)
		text_screen_write(s, len);
	if (!mux.polled)
		text_screen_draw(TEXT_SCREEN_ALL);
	serve_port();
	unlock();
}

static void draw_share(void)
{
	uint64_t now = rdtsc();

	if (now - mux.drawn < tsc_khz)
		return;
	mux.drawn = now;
	text_screen_draw(SCREEN_SHARE);
}

void mux_poll(void)
{
	/* Drawing takes long: who has the lock does what is to be done, and others go on. */
	if (!mux_pending() || !try_lock())
		return;
	serve_port();
	draw_share();
	unlock();
}

void mux_is_polled(void)
{
	mux.polled = true;
}

void mux_leave_screen(void)
{
	lock();
	text_screen_draw(TEXT_SCREEN_ALL);
	text_screen_use(NULL, 0, 0);
	unlock();
}

void mux_flush(void)
{
	lock();
	text_screen_draw(TEXT_SCREEN_ALL);
	while (bytes_wait())
		send_waiting();
	unlock();
}

static uint32_t all_waiting(void)
{
	return __atomic_load_n(&mux.in, __ATOMIC_RELAXED) -
	       __atomic_load_n(&mux.out, __ATOMIC_RELAXED);
}

static uint32_t share_of(unsigned channel)
{
	if (channel < L0_CHANNEL_PORT)
		return mux.console;
	if (channel < L0_CHANNEL_SCREEN)
		return mux.line;
	return all_waiting() < PICTURE_LIMIT ? PICTURE_SHARE : 0;
}

uint32_t mux_room(unsigned channel)
{
	uint32_t waiting = __atomic_load_n(&mux.waiting[channel], __ATOMIC_RELAXED);
	uint32_t share = share_of(channel);

	return waiting < share ? share - waiting : 0;
}

bool mux_is_slow(void)
{
	return !mux.use_e9;
}

bool mux_crowded(void)
{
	return __atomic_load_n(&mux.waiting[MUX_LOG], __ATOMIC_RELAXED) +
		       __atomic_load_n(&mux.waiting[MUX_CONTROL], __ATOMIC_RELAXED) >=
	       CROWD;
}

bool mux_congested(unsigned channel)
{
	return mux_room(channel) == 0;
}

void mux_record_v(const char *format, va_list args)
{
	char line[896];
	size_t n = fmt_v(line, sizeof(line) - 1, format, args);

	line[n++] = '\n';
	mux_write(MUX_CONTROL, line, n);
}

void mux_record(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mux_record_v(format, args);
	va_end(args);
}
