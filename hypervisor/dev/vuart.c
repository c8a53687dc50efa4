/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A. Received bytes below the trigger level are reported at once as a character timeout,
 * as if four character times had passed.
 *
 * What was typed arrives in batches of what the FIFO has room for, the next when the guest has
 * had as much time as it took to read the last: however fast the line is, it can do something
 * with it. While nobody listens nothing arrives: a driver that clears the FIFO and reads what
 * is left, as it opens the port, loses nothing.
 */
#include "dev/vuart.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"
#include "spec/uart.h"

enum {
	REG_DATA = 0, /* receive and transmit; divisor low while DLAB */
	REG_IER = 1,  /* divisor high while DLAB */
	REG_IIR = 2,  /* read; FCR when written */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCRATCH = 7
};

#define IER_TRANSMIT 0x02
#define IER_LINE     0x04
#define IER_MODEM    0x08
#define IER_MASK     0x0f

#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_TRANSMIT 0x02
#define IIR_RECEIVE  0x04
#define IIR_LINE     0x06
#define IIR_TIMEOUT  0x0c
#define IIR_FIFO     0xc0

#define FCR_CLEAR_RECEIVE 0x02
#define FCR_TRIGGER       0xc0
#define FCR_MASK          (FCR_ENABLE | FCR_TRIGGER)

/* 16 characters of 10 bits at 115200 baud. */
#define BATCH_MOST_US 1389

#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_EMPTY 0x60 /* holding register and shift register */

#define MSR_CTS         0x10
#define MSR_DSR         0x20
#define MSR_RI          0x40
#define MSR_DCD         0x80
#define MSR_DELTA_RI    0x04 /* set by the falling edge only */
#define MSR_DELTA_SHIFT 4

static unsigned trigger_level(const struct vuart_state *u)
{
	static const uint8_t level[4] = {1, 4, 8, 14};

	return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

static unsigned room(const struct vuart_state *u)
{
	return u->fcr & FCR_ENABLE ? VUART_FIFO : 1;
}

/*
 * A guest that wants input asks for interrupts, lets the other side send, or polls; unless it
 * asks the other side to wait.
 */
static bool listens(const struct vuart_state *u)
{
	return !(u->mcr & MCR_LOOP) && !u->held &&
	       ((u->ier & IER_RECEIVE) || (u->mcr & MCR_RTS) || u->polls == VUART_POLLS);
}

/* Bytes in the FIFO as the guest sees it. What it holds back may have arrived before. */
static unsigned received(struct platform *p)
{
	const struct vuart_state *u = &p->uart.s;
	unsigned count = u->count;

	if (u->batch > 0 && !(u->mcr & MCR_LOOP))
		count += u->batch <= dev_console_waiting(p) ? u->batch : dev_console_waiting(p);
	return count < room(u) ? count : room(u);
}

/* What has arrived for somebody who does not listen any more has not. */
static void arrive(struct platform *p)
{
	struct vuart_state *u = &p->uart.s;
	uint32_t waiting = u->batch == 0 && listens(u) ? dev_console_waiting(p) : 0;
	uint64_t now;

	if (!listens(u) && !u->held)
		u->batch = 0;
	if (waiting == 0)
		return;
	now = dev_now(p);
	if (now < u->next) {
		platform_deadline_changed(p);
		return;
	}
	u->batch = (uint8_t)(waiting < room(u) ? waiting : room(u));
	u->arrived = now;
}

/* The batch was read. It is not slower than 115200 baud. */
static void plan_next(struct platform *p)
{
	struct vuart_state *u = &p->uart.s;
	uint64_t now = dev_now(p), took = now - u->arrived;
	uint64_t most = (uint64_t)p->config.tsc_khz * BATCH_MOST_US / 1000;

	u->next = now + (took < most ? took : most);
	platform_deadline_changed(p);
}

uint64_t vuart_deadline(struct platform *p)
{
	const struct vuart_state *u = &p->uart.s;

	if (u->batch > 0 || !listens(u) || dev_console_waiting(p) == 0)
		return DEV_NEVER;
	return u->next;
}

/* IIR bits 3:0: the pending interrupt of the highest priority. */
static uint8_t pending(struct platform *p)
{
	const struct vuart_state *u = &p->uart.s;
	unsigned count = u->ier & IER_RECEIVE ? received(p) : 0;

	if ((u->ier & IER_LINE) && u->overrun)
		return IIR_LINE;
	if (count > 0)
		return count >= trigger_level(u) ? IIR_RECEIVE : IIR_TIMEOUT;
	if ((u->ier & IER_TRANSMIT) && u->thr_event)
		return IIR_TRANSMIT;
	if ((u->ier & IER_MODEM) && u->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

void vuart_look(struct platform *p)
{
	const struct vuart_state *u = &p->uart.s;

	arrive(p);
	platform_set_irq(p, VUART_IRQ, (u->mcr & MCR_OUT2) && pending(p) != IIR_NONE);
}

/* Modem status lines, high half of MSR. Outside loopback a terminal is always there. */
static uint8_t modem_lines(const struct vuart_state *u)
{
	unsigned lines = 0;

	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	lines |= u->mcr & MCR_RTS ? MSR_CTS : 0;
	lines |= u->mcr & MCR_DTR ? MSR_DSR : 0;
	lines |= u->mcr & MCR_OUT1 ? MSR_RI : 0;
	lines |= u->mcr & MCR_OUT2 ? MSR_DCD : 0;
	return (uint8_t)lines;
}

static void write_mcr(struct vuart_state *u, uint8_t value)
{
	unsigned before = modem_lines(u);
	unsigned after, delta;

	u->held =
		!(value & MCR_RTS) && (u->held || (u->mcr & MCR_RTS)) && (u->ier & IER_RECEIVE);
	u->mcr = value & MCR_MASK;
	after = modem_lines(u);
	delta = (before ^ after) >> MSR_DELTA_SHIFT;
	if (after & MSR_RI)
		delta &= ~(unsigned)MSR_DELTA_RI;
	u->msr_delta |= (uint8_t)delta;
}

/* Looped back. */
static bool receive(struct vuart_state *u, uint8_t byte)
{
	if (u->count >= room(u))
		return false;
	u->fifo[(u->head + u->count) % VUART_FIFO] = byte;
	u->count++;
	return true;
}

static uint8_t read_data(struct platform *p)
{
	struct vuart_state *u = &p->uart.s;
	uint8_t byte;

	if (u->count == 0 && received(p) > 0) {
		byte = dev_console_take(p);
		if (--u->batch == 0)
			plan_next(p);
		return byte;
	}
	if (u->count == 0)
		return 0;
	byte = u->fifo[u->head % VUART_FIFO];
	u->head = (uint8_t)((u->head + 1) % VUART_FIFO);
	u->count--;
	return byte;
}

static void write_data(struct platform *p, uint8_t byte)
{
	struct vuart_state *u = &p->uart.s;

	u->thr_event = false; /* the line falls, so that an edge follows */
	vuart_look(p);
	if (!(u->mcr & MCR_LOOP))
		dev_console(p, byte);
	else if (!receive(u, byte))
		u->overrun = true;
	u->thr_event = true;
}

static void write_fcr(struct vuart_state *u, uint8_t value)
{
	bool toggled = (u->fcr ^ value) & FCR_ENABLE;

	u->fcr = value & FCR_ENABLE ? value & FCR_MASK : 0;
	if (toggled || (value & FCR_CLEAR_RECEIVE))
		u->count = u->head = 0;
}

static void write_ier(struct vuart_state *u, uint8_t value)
{
	/* Enabling it while the transmitter is empty, which it always is, raises it. */
	if ((value & ~u->ier) & IER_TRANSMIT)
		u->thr_event = true;
	u->ier = value & IER_MASK;
	u->held = u->held && (u->ier & IER_RECEIVE);
}

static uint8_t read_iir(struct platform *p)
{
	struct vuart_state *u = &p->uart.s;
	uint8_t cause = pending(p);

	if (cause == IIR_TRANSMIT)
		u->thr_event = false;
	return (uint8_t)(cause | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static uint8_t read_lsr(struct platform *p)
{
	struct vuart_state *u = &p->uart.s;
	unsigned value = LSR_EMPTY;

	if (p->uart.s.polls < VUART_POLLS)
		p->uart.s.polls++;
	arrive(p);
	value |= received(p) > 0 ? LSR_DATA : 0;
	value |= u->overrun ? LSR_OVERRUN : 0;
	u->overrun = false;
	return (uint8_t)value;
}

static uint8_t read_msr(struct vuart_state *u)
{
	uint8_t value = (uint8_t)(modem_lines(u) | u->msr_delta);

	u->msr_delta = 0;
	return value;
}

static void write_register(struct platform *p, unsigned reg, uint8_t value)
{
	struct vuart_state *u = &p->uart.s;

	if (reg <= REG_IER && (u->lcr & LCR_DLAB)) {
		u->divisor[reg] = value;
		return;
	}
	switch (reg) {
	case REG_DATA:
		write_data(p, value);
		break;
	case REG_IER:
		write_ier(u, value);
		break;
	case REG_IIR:
		write_fcr(u, value);
		break;
	case REG_LCR:
		u->lcr = value;
		break;
	case REG_MCR:
		write_mcr(u, value);
		break;
	case REG_SCRATCH:
		u->scratch = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static uint8_t read_register(struct platform *p, unsigned reg)
{
	struct vuart_state *u = &p->uart.s;

	if (reg <= REG_IER && (u->lcr & LCR_DLAB))
		return u->divisor[reg];
	switch (reg) {
	case REG_DATA:
		return read_data(p);
	case REG_IER:
		return u->ier;
	case REG_IIR:
		return read_iir(p);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		return read_lsr(p);
	case REG_MSR:
		return read_msr(u);
	default:
		return u->scratch;
	}
}

void vuart_reset(struct platform *p)
{
	p->uart = (struct vuart){.s = {.divisor = {1, 0}}};
}

/*
 * A guest that polls may look at the modem's lines, too, as OVMF does, before each look at LSR.
 */
static bool is_look(unsigned reg)
{
	return reg == REG_LSR || reg == REG_MSR || reg == REG_MCR;
}

bool vuart_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	unsigned reg = port & 7;

	if (size != 1 || (port & ~7u) != VUART_PORT)
		return false;
	if ((write || !is_look(reg)) && p->uart.s.polls < VUART_POLLS)
		p->uart.s.polls = 0;
	if (write)
		write_register(p, reg, (uint8_t)*value);
	else
		*value = read_register(p, reg);
	vuart_look(p);
	return true;
}

void vuart_get_state(const struct vuart *uart, struct vuart_state *s)
{
	*s = uart->s;
}

bool vuart_valid_state(const struct vuart *uart, const struct vuart_state *s)
{
	(void)uart;
	if ((s->fcr & ~FCR_MASK) || (s->fcr && !(s->fcr & FCR_ENABLE)))
		return false;
	return STATE_FLAGS_VALID(s, struct vuart_state, overrun, thr_event) &&
	       STATE_FLAGS_VALID(s, struct vuart_state, held, held) && s->batch <= VUART_FIFO &&
	       s->polls <= VUART_POLLS && !(s->ier & ~IER_MASK) && !(s->mcr & ~MCR_MASK) &&
	       !(s->msr_delta >> MSR_DELTA_SHIFT) && s->head < VUART_FIFO &&
	       s->count <= room(s);
}

bool vuart_set_state(struct vuart *uart, const struct vuart_state *s)
{
	if (!vuart_valid_state(uart, s))
		return false;
	uart->s = *s;
	return true;
}
