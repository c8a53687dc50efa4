/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device (virtio 1.2, 5.3) with one port, on the stream of the VM's console.
 *
 * Output goes as fast as the stream takes it: what has no room stays in the ring. Input waits
 * in a buffer of the device until the driver has a place for it.
 */
#ifndef NESTOR_VIRTIO_CONSOLE_H
#define NESTOR_VIRTIO_CONSOLE_H

#include "spec/virtio_console.h"
#include "virtio/virtio.h"

#define VIRTIO_CONSOLE_INPUT 1024u

/* What of it travels beside struct virtio_state. */
struct virtio_console_state {
	struct virtio_state v;
	uint32_t sent;  /* bytes of the oldest buffer that are out already */
	uint32_t count; /* of input */
	uint8_t input[VIRTIO_CONSOLE_INPUT]; /* the oldest first; zero from `count` on */
};

struct virtio_console {
	struct virtio v;
	uint32_t sent, head, count;
	uint8_t input[VIRTIO_CONSOLE_INPUT]; /* a ring from `head` on */
};

/* False: no room on the bus. */
bool virtio_console_create(struct virtio_console *c, struct platform *p, uint16_t bdf);

/* With the lock of the platform held, like the next. How many of the bytes were taken. */
uint32_t virtio_console_input(struct virtio_console *c, const uint8_t *bytes, uint32_t size);
/* The terminal has another size. */
void virtio_console_resize(struct virtio_console *c, uint16_t cols, uint16_t rows);

void virtio_console_get_state(const struct virtio_console *c, struct virtio_console_state *s);
bool virtio_console_valid_state(
	const struct virtio_console *c, const struct virtio_console_state *s);
bool virtio_console_set_state(struct virtio_console *c, const struct virtio_console_state *s);

#endif
