/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/ring.h"

#include <stddef.h>

#include "dev/dev.h"
#include "dev/platform.h"
#include "spec/virtio.h"

#define DESC_SIZE   16u
#define LENGTH_MAX  UINT32_MAX /* of a chain: 2.7.4 "The Virtqueue Descriptor Table" */
#define PLACE_INDEX 0x7fffu

_Static_assert(sizeof(struct virtio_desc) == DESC_SIZE, "");
_Static_assert(sizeof(struct virtio_packed_desc) == DESC_SIZE, "");

/* Words of rings change under our eyes: each is read once, and in the order of the program. */
static uint16_t load(const uint16_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *word, uint16_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* What we wrote is visible before what we read next. */
static void fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- areas ---- */

/*
 * An area of a queue is a page long at most: it touches two of them, which a virtual
 * IOMMU may have anywhere. What is aligned to its size lies in one.
 */
static inline __attribute__((always_inline)) void *place(
	const struct virtq_area *a, uint32_t offset)
{
	return offset < a->first ? a->at + offset : a->rest + (offset - a->first);
}

static uint16_t *word(const struct virtq_area *a, uint32_t number)
{
	return place(a, number * (uint32_t)sizeof(uint16_t));
}

static void read_area(const struct virtq_area *a, uint32_t offset, void *dst, uint32_t size)
{
	uint32_t n = offset < a->first ? a->first - offset : size;

	n = n < size ? n : size;
	__builtin_memcpy(dst, place(a, offset), n);
	if (n < size && a->rest != NULL)
		__builtin_memcpy((uint8_t *)dst + n, a->rest, size - n);
}

static __attribute__((noinline)) bool open_pages(
	struct virtq *q, uint64_t gpa, uint32_t size, bool write, struct virtq_area *a)
{
	a->first = (uint32_t)vvtd_contiguous(q->platform, q->bdf, gpa, size, write);
	a->at = dev_memory(q->platform, q->bdf, gpa, a->first, write);
	if (a->at == NULL || a->first == size)
		return a->at != NULL;
	a->rest = dev_memory(q->platform, q->bdf, gpa + a->first, size - a->first, write);
	return a->rest != NULL;
}

static inline bool open_area(
	struct virtq *q, uint64_t gpa, uint32_t size, bool write, struct virtq_area *a)
{
	a->rest = NULL;
	if (q->paged)
		return open_pages(q, gpa, size, write, a);
	a->first = size;
	a->at = dev_memory(q->platform, q->bdf, gpa, size, write);
	return a->at != NULL;
}

/* ---- the words of a split ring ---- */

static uint16_t avail_flags(const struct virtq *q)
{
	return load(word(&q->driver, 0));
}

static uint16_t avail_index(const struct virtq *q)
{
	return load(word(&q->driver, 1));
}

static uint16_t avail_entry(const struct virtq *q, uint16_t index)
{
	return load(word(&q->driver, 2u + index % q->s.size));
}

static uint16_t used_event(const struct virtq *q)
{
	return load(word(&q->driver, 2u + q->s.size));
}

static uint16_t *used_flags(const struct virtq *q)
{
	return word(&q->device, 0);
}

static uint16_t *used_index(const struct virtq *q)
{
	return word(&q->device, 1);
}

/* An entry is aligned to 4 bytes only: its halves may be apart. */
static uint32_t *used_entry(const struct virtq *q, uint16_t index, bool length)
{
	return place(&q->device, 4u + 8u * (uint32_t)(index % q->s.size) + (length ? 4u : 0u));
}

static uint16_t *avail_event(const struct virtq *q)
{
	return word(&q->device, 2 + 4u * q->s.size);
}

/* ---- those of a packed one: event suppression structures, 4 bytes each, in one page ---- */

static struct virtio_event *event(const struct virtq_area *a)
{
	return (struct virtio_event *)(void *)a->at;
}

/* ---- set-up ---- */

void virtq_reset(struct virtq *q, uint16_t max)
{
	q->s = (struct virtq_state){.size = max, .vector = VIRTIO_PCI_NO_VECTOR};
}

static bool power_of_two(uint16_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

bool virtq_state_valid(const struct virtq_state *s, bool packed, uint16_t max)
{
	if (s->size == 0 || s->size > max || s->reserved[0] || s->reserved[1])
		return false;
	if (packed)
		return !(s->desc & 15) && !(s->driver & 3) && !(s->device & 3) &&
		       s->avail < s->size && s->used < s->size;
	return power_of_two(s->size) && !(s->desc & 15) && !(s->driver & 1) && !(s->device & 3);
}

bool virtq_enable(struct virtq *q)
{
	q->s.avail = q->s.used = q->s.signalled = 0;
	q->s.avail_wrap = q->s.used_wrap = true;
	q->s.has_signalled = false;
	q->s.enabled = true;
	return virtq_state_valid(&q->s, q->packed, VIRTQ_SIZE);
}

/* What the device only reads. The descriptors of a packed ring are written. */
static bool open_driver(struct virtq *q)
{
	const struct virtq_state *s = &q->s;
	uint32_t driver = q->packed ? sizeof(struct virtio_event) : VIRTIO_AVAIL_SIZE(s->size);
	uint64_t stamp = q->packed ? 0 : vvtd_stamp(q->platform, q->bdf);

	if (stamp != 0 && stamp == q->kept.stamp && s->desc == q->kept.desc &&
		s->driver == q->kept.driver && s->size == q->kept.size)
		return true;
	q->kept.stamp = 0;
	if (!open_area(q, s->desc, DESC_SIZE * (uint32_t)s->size, q->packed, &q->desc) ||
		!open_area(q, s->driver, driver, false, &q->driver))
		return false;
	q->kept.stamp = stamp;
	q->kept.desc = s->desc;
	q->kept.driver = s->driver;
	q->kept.size = s->size;
	return true;
}

/* What is written is asked for each time: somebody may look for written pages. */
bool virtq_open(struct virtq *q)
{
	uint32_t device = q->packed ? sizeof(struct virtio_event) : VIRTIO_USED_SIZE(q->s.size);

	return open_driver(q) && open_area(q, q->s.device, device, true, &q->device);
}

/* ---- chains ---- */

/* Everything that a descriptor says of its buffer, whatever kind of ring it is in. */
static bool add_buffer(struct virtq_chain *c, uint64_t gpa, uint32_t length, uint16_t flags)
{
	bool write = flags & VIRTIO_DESC_WRITE;
	struct virtq_cursor *part = write ? &c->write : &c->read;

	if (c->count == VIRTQ_SIZE || (!write && c->write.end != c->write.buffer) ||
		c->read.left + c->write.left + length > LENGTH_MAX)
		return false;
	c->at[c->count++] = (struct virtq_buffer){gpa, length};
	part->left += length;
	part->end = c->count;
	if (!write)
		c->write.buffer = c->write.end = c->count;
	return true;
}

/* A descriptor of a table in guest memory, aligned or not; it is read once. */
static struct virtio_desc read_desc(const struct virtq_area *table, unsigned index)
{
	struct virtio_desc d;

	read_area(table, DESC_SIZE * index, &d, sizeof(d));
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler does not read it again */
	return d;
}

static bool indirect_table(struct virtq *q, uint64_t gpa, uint32_t length,
	struct virtq_area *table, unsigned *entries)
{
	*entries = length / DESC_SIZE;
	if (!q->indirect || *entries == 0 || *entries > VIRTQ_SIZE || length % DESC_SIZE)
		return false;
	return open_area(q, gpa, length, false, table);
}

/*
 * 2.7.5.3 "Indirect Descriptors": the chain goes on in a table of its own, and ends there. Its
 * first entry is the first of the table.
 */
static bool walk_split(struct virtq *q, struct virtq_chain *c, uint16_t head)
{
	struct virtq_area table = q->desc;
	unsigned entries = q->s.size, at = head;
	bool inside = false;

	for (unsigned n = 0; n <= VIRTQ_SIZE; n++) {
		struct virtio_desc d;

		if (at >= entries)
			return false;
		d = read_desc(&table, at);
		if (d.flags & VIRTIO_DESC_INDIRECT) {
			if (inside || d.flags & VIRTIO_DESC_NEXT)
				return false;
			if (!indirect_table(q, d.address, d.length, &table, &entries))
				return false;
			inside = true;
			at = 0;
			continue;
		}
		if (!add_buffer(c, d.address, d.length, d.flags))
			return false;
		if (!(d.flags & VIRTIO_DESC_NEXT))
			return true;
		at = d.next;
	}
	return false;
}

static void begin_chain(struct virtq_chain *c)
{
	c->count = c->descriptors = 0;
	c->bad = false;
	c->written = 0;
	c->read = c->write = (struct virtq_cursor){0};
}

static enum virtq_result next_split(struct virtq *q, struct virtq_chain *c)
{
	uint16_t waiting = (uint16_t)(avail_index(q) - q->s.avail);
	uint16_t head;

	if (waiting == 0)
		return VIRTQ_EMPTY;
	if (waiting > q->s.size)
		return VIRTQ_BAD;
	head = avail_entry(q, q->s.avail);
	c->id = head;
	c->descriptors = 1;
	if (!walk_split(q, c, head))
		return VIRTQ_BAD;
	q->s.avail++;
	return VIRTQ_TAKEN;
}

/* ---- packed ---- */

static struct virtio_packed_desc *packed_at(const struct virtq *q, uint16_t index)
{
	return place(&q->desc, DESC_SIZE * (uint32_t)index);
}

static bool packed_is_available(const struct virtq *q, uint16_t flags)
{
	bool avail = flags & VIRTIO_PACKED_AVAIL, used = flags & VIRTIO_PACKED_USED;

	return avail == q->s.avail_wrap && used != q->s.avail_wrap;
}

/* 2.8.7 "Indirect Flag: Scatter-Gather Support": all entries of the table are the chain. */
static bool walk_indirect(
	struct virtq *q, struct virtq_chain *c, const struct virtio_packed_desc *d)
{
	unsigned entries;
	struct virtq_area table;

	if (!indirect_table(q, d->address, d->length, &table, &entries))
		return false;
	for (unsigned i = 0; i < entries; i++) {
		struct virtio_desc e = read_desc(&table, i);

		/* Where a split descriptor has `flags` a packed one has its id, unused here. */
		if (!add_buffer(c, e.address, e.length, e.next))
			return false;
	}
	return true;
}

static bool walk_packed(struct virtq *q, struct virtq_chain *c)
{
	uint16_t at = q->s.avail;

	while (c->descriptors < q->s.size) {
		struct virtio_desc d = read_desc(&q->desc, at);
		struct virtio_packed_desc p = {d.address, d.length, d.flags, d.next};

		c->id = p.id;
		c->descriptors++;
		if (p.flags & VIRTIO_DESC_INDIRECT) {
			if (p.flags & VIRTIO_DESC_NEXT || !walk_indirect(q, c, &p))
				return false;
		} else if (!add_buffer(c, p.address, p.length, p.flags)) {
			return false;
		}
		if (!(p.flags & VIRTIO_DESC_NEXT))
			return true;
		at = (uint16_t)((at + 1) % q->s.size);
	}
	return false;
}

static void advance(const struct virtq *q, uint16_t *index, bool *wrap, uint16_t by)
{
	unsigned next = *index + (unsigned)by;

	if (next >= q->s.size) {
		next -= q->s.size;
		*wrap = !*wrap;
	}
	*index = (uint16_t)next;
}

static enum virtq_result next_packed(struct virtq *q, struct virtq_chain *c)
{
	if (!packed_is_available(q, load(&packed_at(q, q->s.avail)->flags)))
		return VIRTQ_EMPTY;
	if (!walk_packed(q, c))
		return VIRTQ_BAD;
	advance(q, &q->s.avail, &q->s.avail_wrap, c->descriptors);
	return VIRTQ_TAKEN;
}

enum virtq_result virtq_next(struct virtq *q, struct virtq_chain *c)
{
	begin_chain(c);
	return q->packed ? next_packed(q, c) : next_split(q, c);
}

void virtq_put_back(struct virtq *q, const struct virtq_chain *c)
{
	if (!q->packed) {
		q->s.avail--;
		return;
	}
	if (q->s.avail < c->descriptors) {
		q->s.avail = (uint16_t)(q->s.avail + q->s.size);
		q->s.avail_wrap = !q->s.avail_wrap;
	}
	q->s.avail = (uint16_t)(q->s.avail - c->descriptors);
}

/* ---- giving back ---- */

static void give_split(struct virtq *q, const struct virtq_given *g, unsigned n)
{
	for (unsigned i = 0; i < n; i++, q->s.used++) {
		*used_entry(q, q->s.used, false) = g[i].id;
		*used_entry(q, q->s.used, true) = g[i].written;
	}
	store(used_index(q), q->s.used);
}

/* Its flags; they are the driver's sign that it is there. */
static uint16_t give_packed_one(struct virtq *q, const struct virtq_given *g)
{
	struct virtio_packed_desc *d = packed_at(q, q->s.used);
	unsigned flags = q->s.used_wrap ? VIRTIO_PACKED_AVAIL | VIRTIO_PACKED_USED : 0;

	d->id = g->id;
	d->length = g->written;
	advance(q, &q->s.used, &q->s.used_wrap, g->descriptors);
	if (q->s.used < g->descriptors) /* seen from the new lap */
		q->s.signalled = (uint16_t)(q->s.signalled - q->s.size);
	return (uint16_t)(flags | (g->written ? VIRTIO_DESC_WRITE : 0));
}

/* 2.8.8 "In-use Descriptors": flags are written last, those of the first one after all. */
static void give_packed(struct virtq *q, const struct virtq_given *g, unsigned n)
{
	struct virtio_packed_desc *first = packed_at(q, q->s.used);
	uint16_t flags = give_packed_one(q, g);

	for (unsigned i = 1; i < n; i++) {
		struct virtio_packed_desc *d = packed_at(q, q->s.used);

		store(&d->flags, give_packed_one(q, &g[i]));
	}
	store(&first->flags, flags);
}

void virtq_give(struct virtq *q, const struct virtq_given *g, unsigned n)
{
	if (q->packed)
		give_packed(q, g, n);
	else
		give_split(q, g, n);
}

void virtq_done(struct virtq *q, const struct virtq_chain *c)
{
	const struct virtq_given g = {c->id, c->descriptors, c->written};

	virtq_give(q, &g, 1);
}

/* ---- notifications ---- */

/* Whether going from `old` to `new` passed the event. */
static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool split_wants(const struct virtq *q, uint16_t old)
{
	if (!q->event_idx)
		return !(avail_flags(q) & VIRTIO_AVAIL_NO_INTERRUPT);
	return passed(used_event(q), q->s.used, old);
}

static bool packed_wants(const struct virtq *q, uint16_t old)
{
	const struct virtio_event *e = event(&q->driver);
	uint16_t flags = load(&e->flags), place = load(&e->place);
	uint16_t event = place & PLACE_INDEX;

	if (flags != VIRTIO_EVENT_DESC || !q->event_idx)
		return flags != VIRTIO_EVENT_DISABLE;
	if (((place & VIRTIO_EVENT_WRAP) != 0) != q->s.used_wrap)
		event = (uint16_t)(event - q->s.size);
	return passed(event, q->s.used, old);
}

bool virtq_wants_interrupt(struct virtq *q)
{
	uint16_t old = q->s.signalled;
	bool known = q->s.has_signalled, wants;

	fence(); /* the index before the question */
	wants = q->packed ? packed_wants(q, old) : split_wants(q, old);
	q->s.signalled = q->s.used;
	q->s.has_signalled = true;
	if (!known && q->event_idx) /* nothing to compare with: unless it wants none at all */
		return !q->packed || load(&event(&q->driver)->flags) != VIRTIO_EVENT_DISABLE;
	return wants;
}

void virtq_quiet(struct virtq *q)
{
	if (q->packed)
		store(&event(&q->device)->flags, VIRTIO_EVENT_DISABLE);
	else if (!q->event_idx)
		store(used_flags(q), VIRTIO_USED_NO_NOTIFY);
}

static void listen_packed(struct virtq *q)
{
	struct virtio_event *e = event(&q->device);

	store(&e->place, (uint16_t)(q->s.avail | (q->s.avail_wrap ? VIRTIO_EVENT_WRAP : 0)));
	store(&e->flags, q->event_idx ? VIRTIO_EVENT_DESC : VIRTIO_EVENT_ENABLE);
}

bool virtq_listen(struct virtq *q)
{
	if (q->packed)
		listen_packed(q);
	else if (q->event_idx)
		store(avail_event(q), q->s.avail);
	else
		store(used_flags(q), 0);
	fence(); /* who added something meanwhile did not notify */
	if (q->packed)
		return packed_is_available(q, load(&packed_at(q, q->s.avail)->flags));
	return avail_index(q) != q->s.avail;
}
