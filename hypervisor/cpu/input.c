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

/* All atomic. */
struct port {
	uint32_t limit, opens; /* what the tool says: FRAME_PORT */
	uint32_t told;         /* of `opens`, what the guest knows; its VM's, like the next */
	bool guest;            /* has it open */
};

/* Of a VM: its console, and its ports. */
struct lines {
	struct console_queue console, port_queue[LIMIT_PORTS];
	struct port port[LIMIT_PORTS];
};

_Static_assert(sizeof(struct lines) <= INPUT_PLACE, "no room for a VM's");

#define WORDS SET_WORDS(L0_LINES)

/* The sets and what tells of them are atomic. */
static struct {
	bool came;                        /* there may be VMs in `news`; set after them */
	bool untold;                      /* likewise lines in `tell` */
	uint64_t news[INPUT_VM_WORDS];    /* VMs for which something came */
	uint64_t tell[WORDS];             /* lines whose figures the tool does not know */
	uint64_t again[WORDS];            /* lines whose figures it must send from again */
	uint64_t screens[INPUT_VM_WORDS]; /* VMs whose display it wants to see */
	bool lost;                        /* since the last good frame; the writer's */
	unsigned vms;
	uint8_t *lines; /* struct lines of each VM, INPUT_PLACE bytes apart */
} input;

void input_make(void *memory, unsigned vms)
{
	input.lines = memory;
	input.vms = vms;
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void set_untold(unsigned line)
{
	set_add_shared(input.tell, line);
	__atomic_store_n(&input.untold, true, __ATOMIC_SEQ_CST);
}

static void set_news(unsigned line)
{
	set_add_shared(input.news, l0_vm_of_line(line));
	__atomic_store_n(&input.came, true, __ATOMIC_SEQ_CST);
}

static struct lines *lines_of(unsigned vm)
{
	return (void *)(input.lines + (size_t)vm * INPUT_PLACE);
}

static struct console_queue *queue_of(unsigned line)
{
	struct lines *l = lines_of(l0_vm_of_line(line));

	return line < LIMIT_VMS ? &l->console : &l->port_queue[l0_port_of_line(line)];
}

static struct port *port_of(unsigned line)
{
	return &lines_of(l0_vm_of_line(line))->port[l0_port_of_line(line)];
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
static void bytes_came(unsigned line, const struct frame *f)
{
	struct console_queue *in = queue_of(line);
	uint32_t known = in->taken - frame_get32(f->payload);
	uint32_t size = f->size - FRAME_OFFSET;
	uint32_t room = WINDOW - (in->taken - load(&in->read));

	set_untold(line);
	if (known > size && known <= WINDOW)
		return;
	if (known > size || size - known > room) {
		set_add_shared(input.again, line);
		return;
	}
	enqueue(in, f->payload + FRAME_OFFSET + known, size - known);
	set_news(line);
}

/* A frame that was overtaken by a newer one does not make the limit less. */
static void port_came(unsigned line, const struct frame *f)
{
	struct port *p = port_of(line);
	uint32_t limit = frame_get32(f->payload), opens = frame_get32(f->payload + 4);

	if (limit - p->limit <= L0_OUTPUT_WINDOW)
		__atomic_store_n(&p->limit, limit, __ATOMIC_RELEASE);
	if (opens - p->opens <= INT32_MAX)
		__atomic_store_n(&p->opens, opens, __ATOMIC_RELEASE);
	set_untold(line);
	set_news(line);
}

void input_frame(const struct frame *f)
{
	unsigned line = f->channel - L0_CHANNEL_VM;
	uint32_t size;

	input.lost = false;
	if (l0_vm_of_line(line) >= input.vms)
		return;
	if (f->kind == FRAME_INPUT) {
		bytes_came(line, f);
	} else if (f->kind == FRAME_PORT) {
		port_came(line, f);
	} else if (f->kind == FRAME_SIZE) {
		size = frame_get32(f->payload);
		__atomic_store_n(&queue_of(line)->size, size, __ATOMIC_RELEASE);
		set_news(line);
	} else if (f->kind == FRAME_SCREEN) {
		set_add_shared(input.screens, line);
		set_news(line);
	}
}

/* Once until something good comes: whoever sends rubbish is not answered for ever. */
void input_lost(void)
{
	if (input.lost)
		return;
	input.lost = true;
	for (unsigned line = 0; line < L0_LINES; line++) {
		if (l0_vm_of_line(line) >= input.vms || queue_of(line)->taken == 0)
			continue;
		set_add_shared(input.again, line);
		set_untold(line);
	}
}

/* ---- what the tool is told ---- */

void input_hello(void)
{
	mux_record("input version=%u window=%u", FRAME_VERSION, WINDOW);
}

/* Again, if another CPU has said something newer meanwhile: that record may have been first. */
static void tell_port(unsigned line)
{
	const struct port *p = port_of(line);
	uint32_t told = load(&p->told);
	bool guest = __atomic_load_n(&p->guest, __ATOMIC_ACQUIRE);

	mux_record("port channel=%u limit=%u opens=%u told=%u guest=%u", L0_CHANNEL_VM + line,
		load(&p->limit), load(&p->opens), told, guest);
	if (load(&p->told) != told || __atomic_load_n(&p->guest, __ATOMIC_ACQUIRE) != guest)
		set_untold(line);
}

static void tell(unsigned line)
{
	const struct console_queue *in = queue_of(line);
	bool again = set_drop_shared(input.again, line);

	mux_record("input channel=%u taken=%u limit=%u%s", L0_CHANNEL_VM + line,
		load(&in->taken), load(&in->read) + WINDOW, again ? " again=1" : "");
}

void input_tell(void)
{
	uint64_t lines[WORDS];

	if (!__atomic_exchange_n(&input.untold, false, __ATOMIC_SEQ_CST))
		return;
	set_take_shared(input.tell, lines, WORDS);
	for (unsigned line = 0; (line = set_next(lines, line, L0_LINES)) < L0_LINES; line++) {
		tell(line);
		if (line >= LIMIT_VMS)
			tell_port(line);
	}
}

/* ---- who wants it ---- */

bool input_pending(void)
{
	return __atomic_load_n(&input.came, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&input.untold, __ATOMIC_ACQUIRE);
}

void input_take_news(uint64_t vms[INPUT_VM_WORDS])
{
	if (__atomic_exchange_n(&input.came, false, __ATOMIC_SEQ_CST))
		set_take_shared(input.news, vms, INPUT_VM_WORDS);
	else
		memset(vms, 0, INPUT_VM_WORDS * sizeof(*vms));
}

uint32_t input_waiting(unsigned line)
{
	const struct console_queue *in = queue_of(line);

	return load(&in->taken) - in->read;
}

static void has_read(unsigned line, uint32_t size)
{
	struct console_queue *in = queue_of(line);

	__atomic_store_n(&in->read, in->read + size, __ATOMIC_RELEASE);
	if (in->read - in->told >= TELL_AFTER || input_waiting(line) == 0) {
		in->told = in->read;
		tell(line);
	}
}

uint8_t input_take(unsigned line)
{
	struct console_queue *in = queue_of(line);
	uint8_t byte = in->queue[in->read % WINDOW];

	has_read(line, 1);
	return byte;
}

bool input_take_screen(unsigned vm)
{
	return set_drop_shared(input.screens, vm);
}

uint32_t input_read(unsigned line, void *bytes, uint32_t size)
{
	struct console_queue *in = queue_of(line);
	uint32_t at = in->read % WINDOW, waiting = input_waiting(line);

	size = size < waiting ? size : waiting;
	size = size < WINDOW - at ? size : WINDOW - at;
	memcpy(bytes, in->queue + at, size);
	if (size != 0)
		has_read(line, size);
	return size;
}

void input_forget(unsigned vm)
{
	uint32_t waiting = input_waiting(vm);

	if (waiting != 0)
		has_read(vm, waiting);
	(void)input_take_screen(vm);
}

bool input_size(unsigned vm, uint16_t *columns, uint16_t *rows)
{
	uint32_t size = load(&queue_of(vm)->size);

	*columns = (uint16_t)size;
	*rows = (uint16_t)(size >> 16);
	return size != 0;
}

/* ---- ports ---- */

uint32_t input_port_limit(unsigned line)
{
	return load(&port_of(line)->limit);
}

uint32_t input_port_opens(unsigned line)
{
	return load(&port_of(line)->opens);
}

bool input_port_is(unsigned line, uint32_t opens, bool guest)
{
	const struct port *p = port_of(line);

	return load(&p->told) == opens && __atomic_load_n(&p->guest, __ATOMIC_ACQUIRE) == guest;
}

void input_port_told(unsigned line, uint32_t opens, bool guest)
{
	struct port *p = port_of(line);

	if (input_port_is(line, opens, guest))
		return;
	__atomic_store_n(&p->told, opens, __ATOMIC_RELEASE);
	__atomic_store_n(&p->guest, guest, __ATOMIC_RELEASE);
	tell_port(line);
}

void input_port_left(unsigned line)
{
	input_port_told(line, load(&port_of(line)->told), false);
}
