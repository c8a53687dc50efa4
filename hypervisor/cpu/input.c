/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/input.h"

#include "cpu/mem.h"
#include "cpu/mux.h"

#define WINDOW     L0_INPUT_WINDOW
#define TELL_AFTER (WINDOW / 4) /* bytes that were read since the tool was told */

/* Each member has one writer. The queue holds the bytes from `read` to `taken`. */
struct console_queue {
	uint32_t taken; /* count of bytes that came; atomic */
	uint32_t read;  /* count of bytes that the guest has; atomic */
	uint32_t told;  /* `read` when the tool was told last; the reader's */
	uint32_t size;  /* of the terminal: columns, rows << 16; 0: not known; atomic */
	uint8_t queue[WINDOW];
};

_Static_assert((WINDOW & (WINDOW - 1)) == 0, "counts wrap around");

static struct {
	uint32_t news;    /* VMs for which something came; atomic, like the next two */
	uint32_t tell;    /* VMs whose figures the tool does not know */
	uint32_t again;   /* VMs whose figures it must send from again */
	uint32_t screens; /* VMs whose display it wants to see; atomic */
	bool lost;        /* since the last good frame; the writer's */
	struct console_queue vm[LIMIT_VMS];
} input;

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void set(uint32_t *bits, uint32_t which)
{
	__atomic_fetch_or(bits, which, __ATOMIC_SEQ_CST);
}

/* ---- what comes ---- */

static void enqueue(struct console_queue *in, const uint8_t *bytes, uint32_t size)
{
	uint32_t at = in->taken % WINDOW;
	uint32_t part = size < WINDOW - at ? size : WINDOW - at;

	memcpy(in->queue + at, bytes, part);
	memcpy(in->queue, bytes + part, size - part);
	__atomic_store_n(&in->taken, in->taken + size, __ATOMIC_RELEASE);
}

/*
 * What was there already is passed over. What leaves a gap shows that a frame was lost; what
 * has no room was sent against the rule: both have to come again.
 */
static void bytes_came(unsigned vm, const struct frame *f)
{
	struct console_queue *in = &input.vm[vm];
	uint32_t known = in->taken - frame_get32(f->payload);
	uint32_t size = f->size - FRAME_OFFSET;
	uint32_t room = WINDOW - (in->taken - load(&in->read));

	set(&input.tell, 1u << vm);
	if (known > size && known <= WINDOW)
		return;
	if (known > size || size - known > room) {
		set(&input.again, 1u << vm);
		return;
	}
	enqueue(in, f->payload + FRAME_OFFSET + known, size - known);
	set(&input.news, 1u << vm);
}

void input_frame(const struct frame *f)
{
	unsigned vm = f->channel - L0_CHANNEL_VM;
	uint32_t size;

	input.lost = false;
	if (f->kind == FRAME_INPUT) {
		bytes_came(vm, f);
	} else if (f->kind == FRAME_SIZE) {
		size = frame_get32(f->payload);
		__atomic_store_n(&input.vm[vm].size, size, __ATOMIC_RELEASE);
		set(&input.news, 1u << vm);
	} else if (f->kind == FRAME_SCREEN) {
		set(&input.screens, 1u << vm);
		set(&input.news, 1u << vm);
	}
}

/* Once until something good comes: whoever sends rubbish is not answered for ever. */
void input_lost(void)
{
	if (input.lost)
		return;
	input.lost = true;
	for (unsigned vm = 0; vm < LIMIT_VMS; vm++)
		if (input.vm[vm].taken != 0)
			set(&input.again, 1u << vm);
	set(&input.tell, input.again);
}

/* ---- what the tool is told ---- */

void input_hello(void)
{
	mux_record("input version=%u window=%u", FRAME_VERSION, WINDOW);
}

static void tell(unsigned vm)
{
	uint32_t bit = 1u << vm;
	uint32_t again = __atomic_fetch_and(&input.again, ~bit, __ATOMIC_SEQ_CST) & bit;

	mux_record("input channel=%u taken=%u limit=%u%s", L0_CHANNEL_VM + vm,
		load(&input.vm[vm].taken), load(&input.vm[vm].read) + WINDOW,
		again != 0 ? " again=1" : "");
}

void input_tell(void)
{
	uint32_t vms = __atomic_exchange_n(&input.tell, 0, __ATOMIC_SEQ_CST);

	for (unsigned vm = 0; vm < LIMIT_VMS; vm++)
		if (vms & 1u << vm)
			tell(vm);
}

/* ---- who wants it ---- */

bool input_pending(void)
{
	return (load(&input.news) | load(&input.tell)) != 0;
}

uint32_t input_take_news(void)
{
	return __atomic_exchange_n(&input.news, 0, __ATOMIC_SEQ_CST);
}

uint32_t input_waiting(unsigned vm)
{
	return load(&input.vm[vm].taken) - input.vm[vm].read;
}

uint8_t input_take(unsigned vm)
{
	struct console_queue *in = &input.vm[vm];
	uint8_t byte = in->queue[in->read % WINDOW];

	__atomic_store_n(&in->read, in->read + 1, __ATOMIC_RELEASE);
	if (in->read - in->told >= TELL_AFTER || input_waiting(vm) == 0) {
		in->told = in->read;
		tell(vm);
	}
	return byte;
}

bool input_take_screen(unsigned vm)
{
	uint32_t bit = 1u << vm;

	return __atomic_fetch_and(&input.screens, ~bit, __ATOMIC_SEQ_CST) & bit;
}

bool input_size(unsigned vm, uint16_t *columns, uint16_t *rows)
{
	uint32_t size = load(&input.vm[vm].size);

	*columns = (uint16_t)size;
	*rows = (uint16_t)(size >> 16);
	return size != 0;
}
