/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device (virtio 1.2, 5.3): port 0 is on the stream of the VM's console, further
 * ones are byte streams with names.
 *
 * Output goes as fast as the stream takes it: what has no room stays in the ring. What is typed
 * at the console waits in a buffer of the device until the driver has a place for it; what
 * comes for other ports stays outside (virtio/seam.h). A port whose ends are slow holds up
 * itself only.
 */
#ifndef NESTOR_VIRTIO_CONSOLE_H
#define NESTOR_VIRTIO_CONSOLE_H

#include "lib/limits.h"
#include "spec/virtio_console.h"
#include "virtio/virtio.h"

#define VIRTIO_CONSOLE_INPUT 1024u
#define VIRTIO_CONSOLE_PORTS (1u + LIMIT_PORTS) /* with the console */

_Static_assert(2 * VIRTIO_CONSOLE_PORTS + 2 <= VIRTIO_QUEUES, "two of each, and the control's");

/* Plain data. Of ports that are not there, and of all without MULTIPORT but `sent`: zero. */
struct virtio_console_port_state {
	uint32_t sent;      /* bytes of the oldest buffer that are out already */
	uint8_t pending;    /* what the driver has to be told: 1 << enum virtio_console_event */
	uint8_t ready;      /* the driver knows it */
	uint8_t guest_open; /* at the driver's end */
	uint8_t host_open;  /* at the other one, as the driver knows or will be told next */
};

/* What of it travels beside struct virtio_state. */
struct virtio_console_state {
	struct virtio_state v;
	struct virtio_console_port_state port[VIRTIO_CONSOLE_PORTS];
	uint32_t count;                      /* of input */
	uint8_t input[VIRTIO_CONSOLE_INPUT]; /* the oldest first; zero from `count` on */
	uint32_t reserved;
};

struct virtio_console {
	struct virtio v;
	struct virtio_kind kind; /* features and queues are this one's */
	bool console;            /* port 0 is announced as one */
	unsigned ports;          /* beside it */
	char (*names)[LIMIT_NAME];
	struct virtio_console_port_state port[VIRTIO_CONSOLE_PORTS];
	uint32_t known[VIRTIO_CONSOLE_PORTS]; /* of seam_line_opens, to the driver */
	uint32_t head, count;
	uint8_t input[VIRTIO_CONSOLE_INPUT]; /* a ring from `head` on */
};

/*
 * With so many ports beside the console; their names stay where they are. console false: port 0
 * is there for drivers that know one port only. False: no room on the bus.
 */
bool virtio_console_create(struct virtio_console *c, bool console, unsigned ports,
	char (*names)[LIMIT_NAME], struct platform *p, uint16_t bdf);

/* With the lock of the platform held, like the next. How many of the bytes were taken. */
uint32_t virtio_console_input(struct virtio_console *c, const uint8_t *bytes, uint32_t size);
/* The terminal has another size. */
void virtio_console_resize(struct virtio_console *c, uint16_t cols, uint16_t rows);
/* At the other ends of ports something may have changed: bytes, room, or who is there. */
void virtio_console_look(struct virtio_console *c);

void virtio_console_get_state(const struct virtio_console *c, struct virtio_console_state *s);
bool virtio_console_valid_state(
	const struct virtio_console *c, const struct virtio_console_state *s);
bool virtio_console_set_state(struct virtio_console *c, const struct virtio_console_state *s);

/* ---- console_ports.c ---- */

/* The queues of a port. */
unsigned virtio_console_receiveq(unsigned port);
unsigned virtio_console_transmitq(unsigned port);
/* A buffer of the control queue: a message to the driver, or one of its. */
enum virtio_result virtio_console_tell(struct virtio_console *c, struct virtq *q);
enum virtio_result virtio_console_hear(struct virtio_console *c, struct virtq *q);
/* Looks who is at the other end of a port. */
void virtio_console_look_at(struct virtio_console *c, unsigned port);
/* The driver shall be told of these events of a port. */
void virtio_console_pend(struct virtio_console *c, unsigned port, unsigned events);
/* All ports as after reset; or as in a state, where they can be. */
void virtio_console_reset_ports(struct virtio_console *c);
bool virtio_console_ports_valid(
	const struct virtio_console *c, const struct virtio_console_state *s);
void virtio_console_set_ports(
	struct virtio_console *c, const struct virtio_console_port_state *s);

#endif
