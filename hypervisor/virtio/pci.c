/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/pci.h"

#include "dev/dev.h"
#include "virtio/virtio.h"

/* Where the structures lie behind the base address register. */
#define BAR          0u
#define BAR_SIZE     0x4000u
#define COMMON       0x0000u
#define ISR          0x0800u
#define CONFIG       0x1000u
#define NOTIFY       0x2000u
#define NOTIFY_UNIT  4u
#define MSIX_TABLE   0x3000u
#define MSIX_PENDING 0x3800u

/* ---- common configuration ---- */

static struct virtq *selected(struct virtio *v)
{
	return v->queue_select < v->kind->queues ? &v->queue[v->queue_select] : NULL;
}

static void put(uint8_t *buf, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		buf[offset + i] = (uint8_t)(value >> i * 8);
}

static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

/* A queue that is not there has size 0. */
static void fill_queue(const struct virtio *v, const struct virtq_state *q, uint8_t *buf)
{
	put(buf, VIRTIO_COMMON_QUEUE_SIZE, 2, q->size);
	put(buf, VIRTIO_COMMON_QUEUE_VECTOR, 2, q->vector);
	put(buf, VIRTIO_COMMON_QUEUE_ENABLE, 2, q->enabled);
	put(buf, VIRTIO_COMMON_QUEUE_NOTIFY, 2, v->queue_select);
	put(buf, VIRTIO_COMMON_QUEUE_DESC, 8, q->desc);
	put(buf, VIRTIO_COMMON_QUEUE_DRIVER, 8, q->driver);
	put(buf, VIRTIO_COMMON_QUEUE_DEVICE, 8, q->device);
	put(buf, VIRTIO_COMMON_QUEUE_DATA, 2, v->queue_select);
}

static void fill_common(struct virtio *v, uint8_t buf[VIRTIO_COMMON_SIZE])
{
	const struct virtq *q = selected(v);

	put(buf, VIRTIO_COMMON_DEVICE_SELECT, 4, v->device_select);
	put(buf, VIRTIO_COMMON_DEVICE_FEATURES, 4, half(v->offered, v->device_select));
	put(buf, VIRTIO_COMMON_DRIVER_SELECT, 4, v->driver_select);
	put(buf, VIRTIO_COMMON_DRIVER_FEATURES, 4, half(v->features, v->driver_select));
	put(buf, VIRTIO_COMMON_CONFIG_VECTOR, 2, v->config_vector);
	put(buf, VIRTIO_COMMON_QUEUES, 2, v->kind->queues);
	put(buf, VIRTIO_COMMON_STATUS, 1, v->status);
	put(buf, VIRTIO_COMMON_GENERATION, 1, v->generation);
	put(buf, VIRTIO_COMMON_QUEUE_SELECT, 2, v->queue_select);
	if (q != NULL)
		fill_queue(v, &q->s, buf);
}

static uint64_t bytes(const uint8_t *buf, uint64_t length, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && offset + i < length; i++)
		value |= (uint64_t)buf[offset + i] << i * 8;
	return value;
}

static uint64_t common_read(struct virtio *v, uint64_t offset, unsigned size)
{
	uint8_t buf[VIRTIO_COMMON_SIZE] = {0};

	if (offset == VIRTIO_COMMON_STATUS && size == 1)
		return v->status;
	fill_common(v, buf);
	return bytes(buf, sizeof(buf), offset, size);
}

static void write_features(struct virtio *v, uint32_t value)
{
	unsigned shift = 32 * v->driver_select;

	if (v->status & VIRTIO_FEATURES_OK)
		return;
	if (v->driver_select < 2)
		v->features = (v->features & ~(0xffffffffull << shift)) | (uint64_t)value
										  << shift;
}

/* 4.1.5.1.2.1: what cannot be mapped reads as NO_VECTOR. */
static uint16_t vector_of(const struct virtio *v, uint64_t value)
{
	return value < v->function->vectors ? (uint16_t)value : VIRTIO_PCI_NO_VECTOR;
}

static void write_address(uint64_t *address, bool high, uint64_t value)
{
	unsigned shift = high ? 32 : 0;

	*address = (*address & ~(0xffffffffull << shift)) | (value & 0xffffffff) << shift;
}

/* Of a queue that is not enabled: size and addresses. */
static void write_setup(
	struct virtio *v, struct virtq_state *q, uint64_t offset, uint64_t value)
{
	bool high = offset & 4;

	if (q->enabled)
		return;
	switch (offset & ~4ull) {
	case VIRTIO_COMMON_QUEUE_SIZE:
		if (value != 0 && value <= v->kind->queue_size)
			q->size = (uint16_t)value;
		break;
	case VIRTIO_COMMON_QUEUE_DESC:
		write_address(&q->desc, high, value);
		break;
	case VIRTIO_COMMON_QUEUE_DRIVER:
		write_address(&q->driver, high, value);
		break;
	case VIRTIO_COMMON_QUEUE_DEVICE:
		write_address(&q->device, high, value);
		break;
	default:
		break;
	}
}

static void write_queue(struct virtio *v, struct virtq *q, uint64_t offset, uint64_t value)
{
	switch (offset) {
	case VIRTIO_COMMON_QUEUE_VECTOR:
		q->s.vector = vector_of(v, value);
		break;
	case VIRTIO_COMMON_QUEUE_ENABLE:
		if (value == 1)
			virtio_enable_queue(v, v->queue_select);
		break;
	case VIRTIO_COMMON_QUEUE_RESET:
		if (value == 1 && virtio_has(v, VIRTIO_F_RING_RESET))
			virtio_reset_queue(v, v->queue_select);
		break;
	default:
		write_setup(v, &q->s, offset, value);
	}
}

static void write_global(struct virtio *v, uint64_t offset, uint64_t value)
{
	switch (offset) {
	case VIRTIO_COMMON_DEVICE_SELECT:
		v->device_select = (uint32_t)value;
		break;
	case VIRTIO_COMMON_DRIVER_SELECT:
		v->driver_select = (uint32_t)value;
		break;
	case VIRTIO_COMMON_DRIVER_FEATURES:
		write_features(v, (uint32_t)value);
		break;
	case VIRTIO_COMMON_CONFIG_VECTOR:
		v->config_vector = vector_of(v, value);
		break;
	case VIRTIO_COMMON_STATUS:
		virtio_set_status(v, (uint8_t)value);
		break;
	case VIRTIO_COMMON_QUEUE_SELECT:
		v->queue_select = (uint16_t)value;
		break;
	default: /* read-only */
		break;
	}
}

/* How wide the field that begins at this offset is; 0: none does. */
static unsigned width_of(uint64_t offset)
{
	if (offset == VIRTIO_COMMON_STATUS || offset == VIRTIO_COMMON_GENERATION)
		return 1;
	if (offset < VIRTIO_COMMON_CONFIG_VECTOR ||
		(offset >= VIRTIO_COMMON_QUEUE_DESC && offset < VIRTIO_COMMON_QUEUE_DATA))
		return offset & 3 ? 0 : 4;
	return offset & 1 || offset >= VIRTIO_COMMON_SIZE ? 0 : 2;
}

/*
 * 4.1.3.1 "Driver Requirements: PCI Device Layout": fields are accessed by their width, those
 * of 64 bits by halves; whole ones are taken, too. Others are ignored.
 */
static void common_write(struct virtio *v, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned width = width_of(offset);

	if (size == 8 && width == 4 && offset >= VIRTIO_COMMON_QUEUE_DESC && !(offset & 7)) {
		common_write(v, offset, 4, value & 0xffffffff);
		common_write(v, offset + 4, 4, value >> 32);
		return;
	}
	if (width != size)
		return;
	value &= UINT64_MAX >> (64 - 8 * size);
	if (offset <= VIRTIO_COMMON_QUEUE_SELECT)
		write_global(v, offset, value);
	else if (selected(v) != NULL)
		write_queue(v, selected(v), offset, value);
}

/* ---- the other structures ---- */

void virtio_pci_update_pin(struct virtio *v)
{
	vpci_set_intx(v->function, v->isr != 0);
}

static uint64_t isr_read(struct virtio *v)
{
	uint64_t value = v->isr;

	v->isr = 0;
	virtio_pci_update_pin(v);
	return value;
}

static void interrupt(struct virtio *v, uint16_t vector, uint8_t isr)
{
	if (vpci_messages(v->function) != VPCI_PIN) {
		if (vector != VIRTIO_PCI_NO_VECTOR)
			vpci_interrupt(v->function, vector);
		return;
	}
	v->isr |= isr;
	virtio_pci_update_pin(v);
}

void virtio_interrupt_queue(struct virtio *v, unsigned queue)
{
	interrupt(v, v->queue[queue].s.vector, VIRTIO_ISR_QUEUE);
}

void virtio_interrupt_config(struct virtio *v)
{
	interrupt(v, v->config_vector, VIRTIO_ISR_CONFIG);
}

static uint64_t bar_read(void *device, unsigned bar, uint64_t offset, unsigned size)
{
	struct virtio *v = device;

	(void)bar;
	if (offset < VIRTIO_COMMON_SIZE)
		return common_read(v, offset, size);
	if (offset == ISR)
		return isr_read(v);
	if (offset - CONFIG < v->kind->config_size)
		return bytes(v->config, v->kind->config_size, offset - CONFIG, size);
	return 0;
}

static void bar_write(
	void *device, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio *v = device;
	uint64_t in_config = offset - CONFIG, in_notify = offset - NOTIFY;

	(void)bar;
	if (offset < VIRTIO_COMMON_SIZE)
		common_write(v, offset, size, value);
	else if (in_notify < NOTIFY_UNIT * v->kind->queues)
		virtio_kick(v, (unsigned)(in_notify / NOTIFY_UNIT));
	else if (in_config < v->kind->config_size && v->kind->ops->config_written != NULL)
		v->kind->ops->config_written(v, (unsigned)in_config, size, value);
}

/* ---- 4.1.4.9 "PCI configuration access capability" ---- */

struct access {
	uint64_t offset;
	unsigned size;
	bool valid;
};

static struct access access_of(const struct virtio *v)
{
	struct access a = {
		.offset = vpci_config_get(v->function, v->access + VIRTIO_CAP_OFFSET, 4),
		.size = vpci_config_get(v->function, v->access + VIRTIO_CAP_LENGTH, 4),
	};

	a.valid = vpci_config_get(v->function, v->access + VIRTIO_CAP_BAR, 1) == BAR &&
		  (a.size == 1 || a.size == 2 || a.size == 4) && a.offset % a.size == 0 &&
		  a.offset < MSIX_TABLE;
	return a;
}

static bool touches_data(const struct virtio *v, unsigned offset, unsigned size)
{
	unsigned data = v->access + (unsigned)VIRTIO_CAP_DATA;

	return offset < data + 4 && offset + size > data;
}

static void config_reading(void *device, unsigned offset, unsigned size)
{
	struct virtio *v = device;
	struct access a = access_of(v);

	if (a.valid && touches_data(v, offset, size))
		vpci_config_set(v->function, v->access + VIRTIO_CAP_DATA, a.size,
			(uint32_t)bar_read(v, BAR, a.offset, a.size));
}

static void config_written(void *device, unsigned offset, unsigned size)
{
	struct virtio *v = device;
	struct access a = access_of(v);

	if (offset <= PCI_COMMAND && (v->kicked != 0 || v->asked || v->later != 0))
		vpci_ask_work(v->function); /* what waits for bus mastering */
	if (a.valid && touches_data(v, offset, size))
		bar_write(v, BAR, a.offset, a.size,
			vpci_config_get(v->function, v->access + VIRTIO_CAP_DATA, a.size));
}

static void reset(void *device)
{
	virtio_reset(device);
}

/* ---- set-up ---- */

static const struct vpci_ops ops = {
	.read = bar_read,
	.write = bar_write,
	.config_reading = config_reading,
	.config_written = config_written,
	.reset = reset,
	.work = virtio_work,
};

/* Behind the two bytes that every capability begins with. */
static uint8_t add_capability(struct virtio *v, enum virtio_pci_structure type, uint32_t offset,
	uint32_t length, uint8_t size)
{
	uint8_t body[VIRTIO_CAP_LONG_SIZE - 2] = {0};

	put(body, 0, 1, size);
	put(body, VIRTIO_CAP_TYPE - 2, 1, type);
	put(body, VIRTIO_CAP_BAR - 2, 1, BAR);
	put(body, VIRTIO_CAP_OFFSET - 2, 4, offset);
	put(body, VIRTIO_CAP_LENGTH - 2, 4, length);
	if (type == VIRTIO_PCI_NOTIFY)
		put(body, VIRTIO_CAP_MULTIPLIER - 2, 4, NOTIFY_UNIT);
	return vpci_add_capability(v->function, PCI_CAP_VENDOR, body, size);
}

static bool add_capabilities(struct virtio *v)
{
	const struct virtio_kind *k = v->kind;

	v->access = add_capability(v, VIRTIO_PCI_ACCESS, 0, 0, VIRTIO_CAP_LONG_SIZE);
	if (v->access == 0)
		return false;
	vpci_set_writable(v->function, v->access + VIRTIO_CAP_BAR, 0xff, 1);
	vpci_set_writable(v->function, v->access + VIRTIO_CAP_OFFSET, ~0u, 4);
	vpci_set_writable(v->function, v->access + VIRTIO_CAP_LENGTH, ~0u, 4);
	vpci_set_writable(v->function, v->access + VIRTIO_CAP_DATA, ~0u, 4);
	return add_capability(
		       v, VIRTIO_PCI_COMMON, COMMON, VIRTIO_COMMON_SIZE, VIRTIO_CAP_SIZE) &&
	       add_capability(v, VIRTIO_PCI_NOTIFY, NOTIFY, NOTIFY_UNIT * k->queues,
		       VIRTIO_CAP_LONG_SIZE) &&
	       add_capability(v, VIRTIO_PCI_ISR, ISR, 1, VIRTIO_CAP_SIZE) &&
	       (k->config_size == 0 || add_capability(v, VIRTIO_PCI_CONFIG, CONFIG,
					       k->config_size, VIRTIO_CAP_SIZE)) &&
	       vpci_add_msix(v->function, BAR, MSIX_TABLE, MSIX_PENDING, k->queues + 1u);
}

/* A virtual function has its identifiers from the capability of the physical one. */
bool virtio_pci_add(struct virtio *v, uint16_t bdf, struct vpci_function *physical)
{
	uint16_t device = (uint16_t)(VIRTIO_PCI_DEVICE + v->kind->type);
	bool virtual = physical != NULL;
	const struct vpci_id id = {
		.bdf = bdf,
		.vendor = virtual ? PCI_NO_VENDOR : VIRTIO_PCI_VENDOR,
		.device = virtual ? PCI_NO_VENDOR : device,
		.subvendor = VIRTIO_PCI_VENDOR,
		.subsystem = device,
		.class = v->kind->class,
		.revision = VIRTIO_PCI_REVISION,
		.pin = virtual ? 0 : 1,
		.physical = physical,
	};

	v->function = vpci_add(v->platform, &id, &ops, v);
	if (v->function == NULL)
		return false;
	vpci_add_bar(v->function, BAR, VPCI_BAR_64, BAR_SIZE);
	return add_capabilities(v);
}
