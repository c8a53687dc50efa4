/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device: status, features, queues, its configuration, what it has to do, its state.
 *
 * A device is a structure with a struct virtio in it, and a struct virtio_ops. The core hands
 * it one descriptor chain at a time, with a budget; a chain that needs more than that stays
 * taken until its next turn. The transport (pci.c) is the guest's side.
 *
 * A ring that cannot be stops the device with DEVICE_NEEDS_RESET (2.1.2), and nothing else.
 *
 * The functions are called with the lock of the platform held, but for virtio_create.
 */
#ifndef NESTOR_VIRTIO_VIRTIO_H
#define NESTOR_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dev/vpci.h"
#include "spec/virtio.h"
#include "virtio/ring.h"

/* What a chain takes of a budget in bytes, beside what is copied; and each of its buffers. */
#define VIRTIO_CHAIN_COST  1024u
#define VIRTIO_BUFFER_COST 16u

#define VIRTIO_QUEUES      18u /* of one device, at most */
#define VIRTIO_CONFIG_SIZE 64u
#define VIRTIO_NO_QUEUE    0xffu

struct virtio;

enum virtio_result {
	VIRTIO_DONE,  /* with the chain */
	VIRTIO_GIVEN, /* the same, and it was given back, maybe with others, by virtq_give */
	VIRTIO_MORE,  /* the budget was too small: goes on with the same chain soon */
	VIRTIO_WAITS, /* for something outside: the chain goes back, and comes later again */
	VIRTIO_KEEP,  /* not now: the chain goes back; virtio_kick says when */
	VIRTIO_HELD,  /* the device has it, and gives it back by virtio_give */
	VIRTIO_BAD    /* the chain is none that a driver may make */
};

struct virtio_ops {
	/* Goes on with v->chain. Takes what it did from *budget, in bytes. */
	enum virtio_result (*handle)(struct virtio *v, unsigned queue, uint64_t *budget);
	/*
	 * These may be NULL. A piece of work of its own, which virtio_ask asked for; bounded.
	 */
	enum vpci_work (*work)(struct virtio *v);
	/* The driver has set the device up. */
	void (*begins)(struct virtio *v);
	/* The driver has reset the device; or it has reset this queue. */
	void (*reset)(struct virtio *v);
	void (*queue_reset)(struct virtio *v, unsigned queue);
	/* The driver has written to the configuration, of which `config` has nothing. */
	void (*config_written)(
		struct virtio *v, unsigned offset, unsigned size, uint64_t value);
};

/* What a device is. */
struct virtio_kind {
	enum virtio_type type;
	uint32_t class;      /* of PCI */
	uint64_t features;   /* its own; those of rings and transport are added */
	uint8_t queues;      /* VIRTIO_QUEUES at most */
	uint16_t queue_size; /* a power of two, VIRTQ_SIZE at most */
	uint8_t config_size;
	const struct virtio_ops *ops;
};

/* What travels with a VM: plain data. Chains that are not done are available again. */
struct virtio_state {
	uint64_t features; /* what the driver has written, all of it */
	uint32_t device_select, driver_select;
	uint16_t config_vector, queue_select;
	uint8_t status, generation, isr, reserved;
	uint8_t config[VIRTIO_CONFIG_SIZE];
	struct virtq_state queue[VIRTIO_QUEUES];
};

struct virtio {
	const struct virtio_kind *kind;
	struct platform *platform;
	struct vpci_function *function;
	uint64_t offered; /* features */
	uint64_t features;
	uint32_t device_select, driver_select;
	uint16_t config_vector, queue_select;
	uint8_t status, generation, isr;
	uint8_t served;                     /* the queue that had its turn last */
	uint8_t taken;                      /* the queue of `chain`, or VIRTIO_NO_QUEUE */
	uint32_t kicked;                    /* queues that have to be looked at */
	uint32_t waits;                     /* of these: for something outside */
	uint32_t given;                     /* queues to which virtio_give gave something */
	bool asked;                         /* by virtio_ask */
	uint64_t later;                     /* when, by virtio_ask_at; 0: not asked */
	uint8_t access;                     /* capability of type VIRTIO_PCI_ACCESS */
	uint8_t config[VIRTIO_CONFIG_SIZE]; /* as the driver reads it; the device fills it */
	struct virtq queue[VIRTIO_QUEUES];
	struct virtq_chain chain;
};

/*
 * A device in its state after reset, as a function of the platform. False: no room there. The
 * caller has filled nothing but what is the device's own, and fills `config` afterwards.
 */
bool virtio_create(
	struct virtio *v, const struct virtio_kind *kind, struct platform *p, uint16_t bdf);
/*
 * It may have virtual functions of its kind: vpci_add_sriov. Then virtio_create_vf makes each,
 * as virtio_create does.
 */
void virtio_offer_vfs(struct virtio *v, unsigned vfs, unsigned first);
bool virtio_create_vf(struct virtio *v, const struct virtio_kind *kind,
	const struct virtio *physical, unsigned number);

/* ---- for the device ---- */

static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
	return v->features & v->offered & feature;
}

/* The driver has set the device up, and it works. */
static inline bool virtio_live(const struct virtio *v)
{
	return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

/* Takes so much off a budget, or what is left of it. */
static inline void virtio_spend(uint64_t *budget, uint64_t bytes)
{
	*budget -= *budget < bytes ? *budget : bytes;
}

/* `config` is other than it was: the driver shall know. */
void virtio_config_changed(struct virtio *v);
/* A queue has to be looked at: by the driver's notification, or because VIRTIO_KEEP ends. */
void virtio_kick(struct virtio *v, unsigned queue);
/* ops->work is called soon. */
void virtio_ask(struct virtio *v);
/* The same at dev_now `when`, if no other time is asked for meanwhile. */
void virtio_ask_at(struct virtio *v, uint64_t when);
/* In ops->work: a chain that was held goes back. */
void virtio_give(struct virtio *v, unsigned queue, const struct virtq_given *g);
/* Stops it: the driver has to reset it. */
void virtio_fail(struct virtio *v);

/* ---- for the transport ---- */

void virtio_reset(struct virtio *v);
void virtio_reset_queue(struct virtio *v, unsigned queue);
void virtio_set_status(struct virtio *v, uint8_t value);
void virtio_enable_queue(struct virtio *v, unsigned queue);
/* A piece of work. */
enum vpci_work virtio_work(void *device);
/* An interrupt of a queue; of the configuration. */
void virtio_interrupt_queue(struct virtio *v, unsigned queue);
void virtio_interrupt_config(struct virtio *v);

/* Taken and put back. Valid: whether the device can be in it; set checks the same. */
void virtio_get_state(const struct virtio *v, struct virtio_state *s);
bool virtio_valid_state(const struct virtio *v, const struct virtio_state *s);
bool virtio_set_state(struct virtio *v, const struct virtio_state *s);

#endif
