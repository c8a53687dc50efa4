/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/virtio.h"

#include "dev/dev.h"
#include "dev/vvtd.h"
#include "virtio/pci.h"

/*
 * What one piece of work is, in bytes moved, and what a chain counts for by itself: a request
 * or a frame of 64 KiB, whatever its buffers are, with what comes beside it. One that needs a
 * second turn waits for the guest's.
 */
#define BESIDE (VIRTQ_SIZE * VIRTIO_BUFFER_COST + 4 * VIRTIO_CHAIN_COST)
#define BUDGET (65536u + BESIDE) /* no chain is begun with what is beside */

#define COMMON_FEATURES                                                       \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC | \
		VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_RESET | VIRTIO_F_NOTIFICATION_DATA)

static bool create(struct virtio *v, const struct virtio_kind *kind, struct platform *p,
	uint16_t bdf, struct vpci_function *physical)
{
	v->kind = kind;
	v->platform = p;
	v->offered = kind->features | COMMON_FEATURES;
	if (vvtd_exists(p))
		v->offered |= VIRTIO_F_ACCESS_PLATFORM;
	v->generation = 0;
	v->served = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		v->queue[i].platform = p;
		v->queue[i].bdf = bdf;
		v->queue[i].paged = vvtd_exists(p);
	}
	if (!virtio_pci_add(v, bdf, physical))
		return false;
	virtio_reset(v);
	return true;
}

bool virtio_create(
	struct virtio *v, const struct virtio_kind *kind, struct platform *p, uint16_t bdf)
{
	return create(v, kind, p, bdf, NULL);
}

void virtio_offer_vfs(struct virtio *v, unsigned vfs, unsigned first)
{
	vpci_add_sriov(v->function, vfs, first, (uint16_t)(VIRTIO_PCI_DEVICE + v->kind->type),
		v->function->bar);
	v->offered |= VIRTIO_F_SR_IOV;
}

bool virtio_create_vf(struct virtio *v, const struct virtio_kind *kind,
	const struct virtio *physical, unsigned number)
{
	return create(v, kind, physical->platform, vpci_vf_place(physical->function, number),
		physical->function);
}

/* ---- status ---- */

void virtio_reset_queue(struct virtio *v, unsigned queue)
{
	virtq_reset(&v->queue[queue], v->kind->queue_size);
	v->kicked &= ~(1u << queue);
	v->given &= ~(1u << queue);
	v->waits &= ~(1u << queue);
	if (v->taken == queue)
		v->taken = VIRTIO_NO_QUEUE;
	if (v->kind->ops->queue_reset != NULL)
		v->kind->ops->queue_reset(v, queue);
}

void virtio_reset(struct virtio *v)
{
	v->features = 0;
	v->device_select = v->driver_select = 0;
	v->config_vector = VIRTIO_PCI_NO_VECTOR;
	v->queue_select = 0;
	v->status = v->isr = 0;
	v->kicked = v->waits = v->given = 0;
	v->asked = false;
	v->later = 0;
	v->taken = VIRTIO_NO_QUEUE;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		virtq_reset(&v->queue[i], i < v->kind->queues ? v->kind->queue_size : 0);
	if (v->kind->ops->reset != NULL)
		v->kind->ops->reset(v);
	vpci_forget_interrupts(v->function);
	virtio_pci_update_pin(v);
}

/*
 * 6.1: a device may insist that its addresses are translated. It has to: a driver in L2 would
 * else reach all memory of L1.
 */
static bool features_valid(const struct virtio *v, uint64_t features)
{
	uint64_t needed = VIRTIO_F_VERSION_1 | (v->offered & VIRTIO_F_ACCESS_PLATFORM);

	return !(features & ~v->offered) && (features & needed) == needed;
}

static void use_features(struct virtio *v)
{
	for (unsigned i = 0; i < v->kind->queues; i++) {
		v->queue[i].packed = virtio_has(v, VIRTIO_F_RING_PACKED);
		v->queue[i].indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
		v->queue[i].event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
	}
}

/* What the driver made available before is looked at now. */
static void kick_all(struct virtio *v)
{
	for (unsigned i = 0; i < v->kind->queues; i++)
		virtio_kick(v, i);
}

/*
 * 3.1.1 "Driver Requirements: Device Initialization": a set of features that is not possible
 * does not become FEATURES_OK, and without that there is no DRIVER_OK.
 */
void virtio_set_status(struct virtio *v, uint8_t value)
{
	uint8_t before = v->status, now = value | (before & VIRTIO_NEEDS_RESET);

	if (value == 0) {
		virtio_reset(v);
		return;
	}
	if (!(before & VIRTIO_FEATURES_OK) && !features_valid(v, v->features))
		now &= (uint8_t)~VIRTIO_FEATURES_OK;
	now |= before & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
	if (!(now & VIRTIO_FEATURES_OK))
		now &= (uint8_t)~VIRTIO_DRIVER_OK;
	v->status = now;
	if (now & ~before & VIRTIO_FEATURES_OK)
		use_features(v);
	if (!(now & ~before & VIRTIO_DRIVER_OK))
		return;
	kick_all(v);
	if (v->kind->ops->begins != NULL)
		v->kind->ops->begins(v);
}

void virtio_enable_queue(struct virtio *v, unsigned queue)
{
	if (!(v->status & VIRTIO_FEATURES_OK) || v->queue[queue].s.enabled)
		return;
	if (!virtq_enable(&v->queue[queue]))
		virtio_fail(v);
	else
		virtio_kick(v, queue);
}

void virtio_fail(struct virtio *v)
{
	bool tell = virtio_live(v);

	v->status |= VIRTIO_NEEDS_RESET;
	v->kicked = v->waits = v->given = 0;
	v->asked = false;
	v->later = 0;
	v->taken = VIRTIO_NO_QUEUE;
	if (tell)
		virtio_interrupt_config(v);
}

void virtio_config_changed(struct virtio *v)
{
	v->generation++;
	if (virtio_live(v))
		virtio_interrupt_config(v);
}

/* ---- work ---- */

void virtio_kick(struct virtio *v, unsigned queue)
{
	if (!virtio_live(v) || queue >= v->kind->queues || !v->queue[queue].s.enabled)
		return;
	v->kicked |= 1u << queue;
	v->waits &= ~(1u << queue);
	vpci_ask_work(v->function);
}

/* The chain is taken: goes on with it. */
static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtq *q = &v->queue[queue];
	enum virtio_result result = v->kind->ops->handle(v, queue, budget);

	if (v->chain.bad)
		return VIRTIO_BAD;
	if (result == VIRTIO_MORE)
		return result;
	v->taken = VIRTIO_NO_QUEUE;
	if (result == VIRTIO_GIVEN)
		return VIRTIO_DONE;
	if (result == VIRTIO_HELD)
		return result;
	if (result == VIRTIO_DONE)
		virtq_done(q, &v->chain);
	else if (result != VIRTIO_BAD)
		virtq_put_back(q, &v->chain);
	return result;
}

/* The next chain; VIRTIO_DONE: there is none, and the driver will notify. */
static enum virtio_result take(struct virtio *v, unsigned queue)
{
	struct virtq *q = &v->queue[queue];
	enum virtq_result next = virtq_next(q, &v->chain);

	if (next == VIRTQ_EMPTY)
		return virtq_listen(q) ? VIRTIO_MORE : VIRTIO_DONE;
	if (next == VIRTQ_BAD)
		return VIRTIO_BAD;
	v->taken = (uint8_t)queue;
	return VIRTIO_MORE;
}

/*
 * Chains of one queue, as far as the budget goes, which also bounds how often a driver makes us
 * look in vain. VIRTIO_DONE: it is empty. *done: a chain was given back.
 */
static enum virtio_result serve(struct virtio *v, unsigned queue, bool *done)
{
	struct virtq *q = &v->queue[queue];
	enum virtio_result result = VIRTIO_MORE;

	for (uint64_t budget = BUDGET; budget > BESIDE; budget -= VIRTIO_CHAIN_COST) {
		if (v->taken == VIRTIO_NO_QUEUE)
			result = take(v, queue);
		if (v->taken == VIRTIO_NO_QUEUE && result == VIRTIO_MORE)
			continue;
		if (v->taken == VIRTIO_NO_QUEUE)
			return result;
		result = handle(v, queue, &budget);
		*done |= result == VIRTIO_DONE;
		if (result != VIRTIO_DONE && result != VIRTIO_HELD)
			return result;
		if (budget <= BESIDE)
			break;
	}
	/* A turn that would find nothing would put off what the driver adds until then. */
	if (!virtq_listen(q))
		return VIRTIO_DONE;
	virtq_quiet(q);
	return VIRTIO_MORE;
}

/* The queue whose chain is taken, or the next one that was kicked. */
static unsigned next_queue(const struct virtio *v)
{
	uint32_t behind = v->kicked & ~((2u << v->served) - 1);

	if (v->taken < VIRTIO_QUEUES)
		return v->taken;
	return (unsigned)__builtin_ctz(behind != 0 ? behind : v->kicked);
}

static enum virtio_result serve_one(struct virtio *v)
{
	unsigned i = next_queue(v);
	uint32_t bit = 1u << i % 32;
	enum virtio_result result;
	bool done = false;

	v->served = (uint8_t)i;
	if (!virtq_open(&v->queue[i]))
		return VIRTIO_BAD;
	virtq_quiet(&v->queue[i]);
	result = serve(v, i, &done);
	v->waits &= ~bit;
	if (result == VIRTIO_DONE || result == VIRTIO_KEEP)
		v->kicked &= ~bit;
	if (result == VIRTIO_WAITS)
		v->waits |= bit;
	if (done && virtq_wants_interrupt(&v->queue[i]))
		virtio_interrupt_queue(v, i);
	return result;
}

void virtio_ask(struct virtio *v)
{
	if (!virtio_live(v))
		return;
	v->asked = true;
	vpci_ask_work(v->function);
}

void virtio_ask_at(struct virtio *v, uint64_t when)
{
	if (!virtio_live(v))
		return;
	v->later = when;
	vpci_ask_work_at(v->function, when);
}

void virtio_give(struct virtio *v, unsigned queue, const struct virtq_given *g)
{
	struct virtq *q = &v->queue[queue];

	if (!virtio_live(v))
		return;
	if (!virtq_open(q)) {
		virtio_fail(v);
		return;
	}
	virtq_give(q, g, 1);
	v->given |= 1u << queue;
}

/* The device's own work; then the driver learns what was given back by it. */
static enum vpci_work work_of_its_own(struct virtio *v)
{
	enum vpci_work left;

	v->asked = false;
	v->later = 0;
	left = v->kind->ops->work(v);
	for (; v->given != 0 && virtio_live(v); v->given &= v->given - 1) {
		unsigned i = (unsigned)__builtin_ctz(v->given);

		if (virtq_open(&v->queue[i]) && virtq_wants_interrupt(&v->queue[i]))
			virtio_interrupt_queue(v, i);
	}
	v->asked |= left != VPCI_WORK_DONE;
	return v->asked || v->kicked & ~v->waits ? VPCI_WORK_MORE
	       : v->kicked != 0                  ? VPCI_WORK_WAITS
						 : VPCI_WORK_DONE;
}

/* Queues have their turns while the time has not come. The bus may have woken us too early. */
static bool asked(struct virtio *v)
{
	if (v->later != 0 && dev_now(v->platform) < v->later) {
		vpci_ask_work_at(v->function, v->later);
		return v->asked;
	}
	return v->asked || v->later != 0;
}

enum vpci_work virtio_work(void *device)
{
	struct virtio *v = device;
	enum virtio_result result;

	if (!virtio_live(v) || !vpci_master(v->function))
		return VPCI_WORK_DONE;
	if (asked(v))
		return work_of_its_own(v);
	if (v->kicked == 0)
		return VPCI_WORK_DONE;
	result = serve_one(v);
	if (result == VIRTIO_BAD)
		virtio_fail(v);
	if (v->asked || v->kicked & ~v->waits)
		return VPCI_WORK_MORE;
	return v->kicked != 0 ? VPCI_WORK_WAITS : VPCI_WORK_DONE;
}

/* ---- state ---- */

void virtio_get_state(const struct virtio *v, struct virtio_state *s)
{
	*s = (struct virtio_state){
		.features = v->features,
		.device_select = v->device_select,
		.driver_select = v->driver_select,
		.config_vector = v->config_vector,
		.queue_select = v->queue_select,
		.status = v->status,
		.generation = v->generation,
		.isr = v->isr,
	};
	__builtin_memcpy(s->config, v->config, sizeof(s->config));
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		struct virtq q = v->queue[i];

		if (v->taken == i)
			virtq_put_back(&q, &v->chain);
		s->queue[i] = q.s;
	}
}

static bool vector_valid(const struct virtio *v, uint16_t vector)
{
	return vector == VIRTIO_PCI_NO_VECTOR || vector < v->function->vectors;
}

static bool queue_valid(const struct virtio *v, unsigned i, const struct virtio_state *s)
{
	const struct virtq_state *q = &s->queue[i];
	bool packed = s->features & VIRTIO_F_RING_PACKED;

	if (!vector_valid(v, q->vector) || q->size > v->kind->queue_size)
		return false;
	if (!q->enabled)
		return true;
	return s->status & (VIRTIO_FEATURES_OK | VIRTIO_NEEDS_RESET) &&
	       (s->status & VIRTIO_NEEDS_RESET ||
		       virtq_state_valid(q, packed, v->kind->queue_size));
}

/* Flags are bytes: before, reading them is undefined. */
static bool flags_valid(const struct virtq_state *q)
{
	const uint8_t *bytes = (const uint8_t *)q;

	for (size_t i = offsetof(struct virtq_state, enabled); i < sizeof(*q); i++)
		if (bytes[i] > 1)
			return false;
	return true;
}

static bool no_queue(const struct virtq_state *q)
{
	static const struct virtq_state none = {.vector = VIRTIO_PCI_NO_VECTOR};

	return __builtin_memcmp(q, &none, sizeof(none)) == 0;
}

bool virtio_valid_state(const struct virtio *v, const struct virtio_state *s)
{
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		if (!flags_valid(&s->queue[i]))
			return false;
		if (i < v->kind->queues ? !queue_valid(v, i, s) : !no_queue(&s->queue[i]))
			return false;
	}
	if (s->status & VIRTIO_FEATURES_OK ? !features_valid(v, s->features)
					   : s->status & VIRTIO_DRIVER_OK)
		return false;
	return s->reserved == 0 && vector_valid(v, s->config_vector) &&
	       !(s->isr & ~(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG));
}

bool virtio_set_state(struct virtio *v, const struct virtio_state *s)
{
	if (!virtio_valid_state(v, s))
		return false;
	v->features = s->features;
	v->device_select = s->device_select;
	v->driver_select = s->driver_select;
	v->config_vector = s->config_vector;
	v->queue_select = s->queue_select;
	v->status = s->status;
	v->generation = s->generation;
	v->isr = s->isr;
	__builtin_memcpy(v->config, s->config, sizeof(v->config));
	v->taken = VIRTIO_NO_QUEUE;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		v->queue[i].s = s->queue[i];
	use_features(v);
	if (v->kind->ops->reset != NULL) /* what it had under way begins anew */
		v->kind->ops->reset(v);
	kick_all(v);
	return true;
}
