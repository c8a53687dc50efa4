/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue as the device sees it, split or packed (virtio 1.2, 2.7 and 2.8).
 *
 * All that a guest wrote is hostile: each word of a ring and each descriptor is read once, into
 * a chain of ours, and checked; a chain has at most VIRTQ_SIZE buffers, so that loops end.
 * Buffers are copied to and from by virtq_take alone. What is impossible is VIRTQ_BAD: the
 * device has to be stopped.
 *
 * Not its own: when a queue is looked at, and what its buffers mean.
 */
#ifndef NESTOR_VIRTIO_RING_H
#define NESTOR_VIRTIO_RING_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTQ_SIZE 256u /* descriptors, at most */

struct platform;

/* What travels with the VM. */
struct virtq_state {
	uint64_t desc, driver, device; /* guest-physical addresses of its areas */
	uint16_t size;                 /* descriptors */
	uint16_t vector;
	uint16_t avail;     /* the next to be taken: index of the ring, or of descriptors */
	uint16_t used;      /* the next to be given back */
	uint16_t signalled; /* what `used` was at the last interrupt, modulo 2^16 */
	bool enabled;
	bool avail_wrap, used_wrap; /* packed: wrap counters */
	bool has_signalled;         /* false: the next one needs an interrupt */
	uint8_t reserved[2];
};

/* Memory of a queue that may lie in two pages of the host, apart from each other. */
struct virtq_area {
	uint8_t *at, *rest; /* NULL: it is not there */
	uint32_t first;     /* bytes at `at`; the others are at `rest` */
};

struct virtq {
	struct virtq_state s;
	struct platform *platform;
	uint16_t bdf;
	bool packed, indirect, event_idx; /* features */
	bool paged;                       /* a virtual IOMMU may have its pages anywhere */
	/* Between virtq_open and the end of the lock. */
	struct virtq_area desc, driver, device;
	/* What desc and driver were opened for; they are kept while all that is the same. */
	struct {
		uint64_t stamp, desc, driver; /* of vvtd_stamp; 0: for nothing */
		uint16_t size;
	} kept;
};

struct virtq_buffer {
	uint64_t gpa;
	uint32_t length;
};

/* How far a part of a chain has been taken. */
struct virtq_cursor {
	uint16_t buffer; /* index in `at` */
	uint16_t end;    /* the first one that is not of this part */
	uint32_t offset;
	uint64_t left; /* bytes */
};

/* A descriptor chain: first what the device reads, then what it writes. */
struct virtq_chain {
	uint16_t id;          /* by which the driver knows it */
	uint16_t descriptors; /* of the ring */
	uint16_t count;       /* buffers */
	bool bad;             /* one of them is not in memory */
	uint32_t written;     /* bytes that were taken to be written */
	struct virtq_cursor read, write;
	struct virtq_buffer at[VIRTQ_SIZE];
};

/* What the driver is told of a chain that the device has done with. */
struct virtq_given {
	uint16_t id, descriptors;
	uint32_t written;
};

enum virtq_result {
	VIRTQ_EMPTY,
	VIRTQ_TAKEN,
	VIRTQ_BAD
};

/* Before it is enabled; max: how many descriptors it may have. */
void virtq_reset(struct virtq *q, uint16_t max);
/* Whether it may be enabled as it is set up: size, alignment. Starts at its beginning. */
bool virtq_enable(struct virtq *q);
/* Whether an enabled queue can be in this state. */
bool virtq_state_valid(const struct virtq_state *s, bool packed, uint16_t max);

/*
 * With the lock of the platform taken, before the functions below: false when an area is not in
 * memory.
 */
bool virtq_open(struct virtq *q);
enum virtq_result virtq_next(struct virtq *q, struct virtq_chain *c);
/* The newest chain that was taken is available again. */
void virtq_put_back(struct virtq *q, const struct virtq_chain *c);
/* The device has done with a chain: c->written says how much it wrote. */
void virtq_done(struct virtq *q, const struct virtq_chain *c);
/* The same for the oldest chains that were taken, all at once for the driver; n > 0. */
void virtq_give(struct virtq *q, const struct virtq_given *g, unsigned n);
/* Takes back virtq_next: s is as it was before. */
static inline void virtq_rewind(struct virtq *q, const struct virtq_state *s)
{
	q->s.avail = s->avail;
	q->s.avail_wrap = s->avail_wrap;
}
/* Whether the driver wants an interrupt for what was given back since the last one. */
bool virtq_wants_interrupt(struct virtq *q);
/* The driver need not notify; it shall. After the latter: true when something is there. */
void virtq_quiet(struct virtq *q);
bool virtq_listen(struct virtq *q);

/*
 * The next piece of the part that the device reads (or writes): at most `most` bytes, *size of
 * them. NULL: nothing is left, or c->bad.
 */
void *virtq_take(
	struct virtq *q, struct virtq_chain *c, bool write, uint64_t most, uint64_t *size);
/* Copies; false when there is less, or c->bad. */
bool virtq_read(struct virtq *q, struct virtq_chain *c, void *dst, uint64_t size);
bool virtq_write(struct virtq *q, struct virtq_chain *c, const void *src, uint64_t size);
/* What is left of the buffer where a part goes on, without taking it. False: nothing. */
bool virtq_peek(struct virtq_chain *c, bool write, struct virtq_buffer *rest);
/* Goes on behind so many bytes of a part, or at its end. */
void virtq_skip(struct virtq_chain *c, bool write, uint64_t size);

#endif
