/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device. The guest's descriptor is read once; each piece of a
 * transfer is bounded, and whether it lies in RAM is asked for each page.
 */
#include "dev/vfwcfg.h"

#include "dev/acpi_loader.h"
#include "dev/chipset.h"
#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"

#define PAGE_BYTES 4096u
#define PIECE      (64u << 10) /* what one exit or timer copies at most */
#define LAST_PORT  (FWCFG_PORT_DMA + 7)

/* ---- items ---- */

static struct vfwcfg_item *add(struct vfwcfg_table *t)
{
	if (t->count == VFWCFG_ITEMS) {
		t->full = true;
		return NULL;
	}
	return &t->items[t->count++];
}

static uint8_t *take_bytes(struct vfwcfg_table *t, size_t size)
{
	if (size > VFWCFG_BYTES - t->used) {
		t->full = true;
		return NULL;
	}
	t->used += size;
	return &t->bytes[t->used - size];
}

static const uint8_t *keep_value(struct vfwcfg_table *t, uint64_t value, unsigned bytes)
{
	uint8_t *to = take_bytes(t, bytes);

	for (unsigned i = 0; to != NULL && i < bytes; i++)
		to[i] = (uint8_t)(value >> i * 8);
	return to;
}

void vfwcfg_add_data(struct vfwcfg_table *t, uint16_t key, const void *data, uint32_t size)
{
	struct vfwcfg_item *i = data == NULL ? NULL : add(t);

	if (i != NULL)
		*i = (struct vfwcfg_item){.data = data, .size = size, .key = key};
}

void vfwcfg_add_value(struct vfwcfg_table *t, uint16_t key, uint64_t value, unsigned bytes)
{
	vfwcfg_add_data(t, key, keep_value(t, value, bytes), bytes);
}

static unsigned files(const struct vfwcfg_table *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->count; i++)
		n += t->items[i].name[0] != '\0';
	return n;
}

struct vfwcfg_item *vfwcfg_add_file(
	struct vfwcfg_table *t, const char *name, const void *data, uint32_t size)
{
	uint16_t key = (uint16_t)(FWCFG_FILE_FIRST + files(t));
	struct vfwcfg_item *i = add(t);

	if (i == NULL)
		return NULL;
	*i = (struct vfwcfg_item){.data = data, .size = size, .key = key};
	for (unsigned n = 0; n < FWCFG_FILE_NAME - 1 && name[n] != '\0'; n++)
		i->name[n] = name[n];
	return i;
}

void vfwcfg_add_file_value(
	struct vfwcfg_table *t, const char *name, uint64_t value, unsigned bytes)
{
	const uint8_t *data = keep_value(t, value, bytes);

	if (data != NULL)
		vfwcfg_add_file(t, name, data, bytes);
}

struct vfwcfg_item *vfwcfg_add_writable(struct vfwcfg_table *t, const char *name, uint8_t size)
{
	struct vfwcfg_item *i;

	if (size > VFWCFG_WRITTEN - t->written) {
		t->full = true;
		return NULL;
	}
	i = vfwcfg_add_file(t, name, NULL, size);
	if (i == NULL)
		return NULL;
	i->writable = true;
	i->at = t->written;
	t->written = (uint8_t)(t->written + size);
	return i;
}

void vfwcfg_add_display(struct vfwcfg_table *t)
{
	struct vfwcfg_item *i = vfwcfg_add_writable(t, RAMFB_FILE, RAMFB_SIZE);

	if (i != NULL)
		i->display = true;
}

static void put_be(uint8_t *to, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (bytes - 1 - i) * 8);
}

static void put_entry(uint8_t *to, const struct vfwcfg_item *i)
{
	put_be(to, i->size, 4);
	put_be(to + 4, i->key, 2);
	put_be(to + 6, 0, 2);
	__builtin_memcpy(to + 8, i->name, FWCFG_FILE_NAME);
}

bool vfwcfg_finish(struct vfwcfg_table *t)
{
	unsigned n = files(t);
	size_t size = 4 + (size_t)n * FWCFG_FILE_ENTRY;
	uint8_t *to = take_bytes(t, size);

	if (to == NULL)
		return false;
	vfwcfg_add_data(t, FWCFG_FILE_DIR, to, (uint32_t)size);
	put_be(to, n, 4);
	to += 4;
	for (unsigned i = 0; i < t->count; i++) {
		if (t->items[i].name[0] == '\0')
			continue;
		put_entry(to, &t->items[i]);
		to += FWCFG_FILE_ENTRY;
	}
	return !t->full;
}

static const struct vfwcfg_item *find(const struct platform *p, uint16_t key)
{
	const struct vfwcfg_table *t = p->fwcfg.table;

	for (unsigned i = 0; i < t->count; i++)
		if (t->items[i].key == key)
			return &t->items[i];
	return NULL;
}

/* ---- reading ---- */

/* Of what the tables depend on the guest can change ECAM only; building takes long. */
static void build_tables(struct platform *p)
{
	uint64_t ecam = chipset_ecam(p);

	if (p->fwcfg.built && p->fwcfg.ecam == ecam)
		return;
	acpi_loader_build(p->config.acpi, &p->config, ecam);
	p->fwcfg.ecam = ecam;
	p->fwcfg.built = true;
}

static void prepare_item(struct platform *p)
{
	const struct vfwcfg_item *i = find(p, p->fwcfg.s.key);

	if (i != NULL && i->acpi)
		build_tables(p);
}

static void select_item(struct platform *p, uint16_t key)
{
	p->fwcfg.s.key = key;
	p->fwcfg.s.offset = 0;
	prepare_item(p);
}

static void advance(struct vfwcfg_state *s, uint32_t bytes)
{
	s->offset = bytes > UINT32_MAX - s->offset ? UINT32_MAX : s->offset + bytes;
}

/* The next bytes of the selected item; zeros behind its end, and where no item is. What ports
 * give has no way to say that it is not what the item has. */
static void read_item(struct platform *p, uint8_t *to, uint32_t bytes)
{
	struct vfwcfg_state *s = &p->fwcfg.s;
	const struct vfwcfg_item *i = find(p, s->key);
	uint32_t rest = i == NULL || s->offset >= i->size ? 0 : i->size - s->offset;
	uint32_t there = bytes < rest ? bytes : rest;
	const uint8_t *from = NULL;

	if (there != 0)
		from = (i->writable ? s->written + i->at : i->data) + s->offset;
	if (there != 0 && dev_is_wrong(from, there)) {
		dev_lost(p);
		there = 0;
	}
	if (there != 0)
		__builtin_memcpy(to, from, there);
	__builtin_memset(to + there, 0, bytes - there);
	advance(s, bytes);
}

/* ---- DMA ---- */

/* Its control word becomes 0, or an error. A guest that has taken the memory away misses it. */
static void end_transfer(struct platform *p, uint32_t error)
{
	struct vfwcfg_state *s = &p->fwcfg.s;
	uint8_t *control = dev_memory(p, 0, s->dma_control, 4, true);

	s->dma_left = 0;
	s->dma_address = 0;
	if (control != NULL)
		put_be(control, error, 4);
	s->dma_control = 0;
}

static uint32_t page_rest(uint64_t gpa)
{
	return PAGE_BYTES - (uint32_t)(gpa % PAGE_BYTES);
}

/* A piece of the transfer. */
static void transfer(struct platform *p)
{
	struct vfwcfg_state *s = &p->fwcfg.s;

	for (uint32_t done = 0, n; s->dma_left != 0 && done < PIECE; done += n) {
		uint8_t *to;

		n = page_rest(s->dma_address);
		n = n < s->dma_left ? n : s->dma_left;
		to = dev_memory(p, 0, s->dma_address, n, true);
		if (to == NULL) {
			end_transfer(p, FWCFG_DMA_ERROR);
			return;
		}
		read_item(p, to, n);
		s->dma_address += n;
		s->dma_left -= n;
	}
	if (s->dma_left == 0)
		end_transfer(p, 0);
}

/* The guest's bytes are read once; all of them, or none. */
static bool read_memory(struct platform *p, uint64_t from, uint8_t *to, uint32_t bytes)
{
	for (uint32_t done = 0, n; done < bytes; done += n) {
		const uint8_t *there;

		n = page_rest(from + done);
		n = n < bytes - done ? n : bytes - done;
		there = dev_memory(p, 0, from + done, n, false);
		if (there == NULL)
			return false;
		__builtin_memcpy(to + done, there, n);
	}
	return true;
}

/* Within the item, and nothing else. False: not a byte was written. */
static bool write_item(struct platform *p, uint64_t from, uint32_t bytes)
{
	struct vfwcfg_state *s = &p->fwcfg.s;
	const struct vfwcfg_item *i = find(p, s->key);
	uint8_t copy[VFWCFG_WRITTEN];

	if (i == NULL || !i->writable || s->offset > i->size || bytes > i->size - s->offset ||
		!read_memory(p, from, copy, bytes))
		return false;
	__builtin_memcpy(s->written + i->at + s->offset, copy, bytes);
	advance(s, bytes);
	if (i->display && bytes != 0 && s->offset == i->size)
		vramfb_wrote(p, s->written + i->at);
	return true;
}

static uint64_t get_be(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | from[i];
	return value;
}

static void start_transfer(struct platform *p, uint64_t at)
{
	struct vfwcfg_state *s = &p->fwcfg.s;
	const uint8_t *there = dev_memory(p, 0, at, FWCFG_DMA_SIZE, false);
	uint8_t descriptor[FWCFG_DMA_SIZE];
	uint32_t control, length;

	if (there == NULL)
		return; /* nowhere to say so */
	__builtin_memcpy(descriptor, there, sizeof(descriptor));
	control = (uint32_t)get_be(descriptor, 4);
	length = (uint32_t)get_be(descriptor + 4, 4);
	s->dma_control = at;
	s->dma_address = get_be(descriptor + 8, 8);
	if (control & FWCFG_DMA_SELECT)
		select_item(p, (uint16_t)(control >> 16));
	if (control & FWCFG_DMA_READ) {
		s->dma_left = length;
		transfer(p);
		return;
	}
	if (control & FWCFG_DMA_WRITE) {
		end_transfer(p, write_item(p, s->dma_address, length) ? 0 : FWCFG_DMA_ERROR);
		return;
	}
	if (control & FWCFG_DMA_SKIP)
		advance(s, length);
	end_transfer(p, 0);
}

/* While a transfer goes on nothing else is begun. */
static void write_dma(struct platform *p, bool low, uint32_t value)
{
	struct vfwcfg_state *s = &p->fwcfg.s;
	uint64_t high = s->dma_high;

	if (!low) {
		s->dma_high = value;
		return;
	}
	s->dma_high = 0;
	if (s->dma_left == 0)
		start_transfer(p, high << 32 | value);
	platform_deadline_changed(p);
}

/* ---- ports ---- */

static bool io_dma(struct platform *p, unsigned offset, bool write, uint32_t *value)
{
	if (write)
		write_dma(p, offset == 4, __builtin_bswap32(*value));
	else
		*value = __builtin_bswap32(
			(uint32_t)(FWCFG_DMA_SIGNATURE >> (offset == 4 ? 0 : 32)));
	return true;
}

bool vfwcfg_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	uint8_t byte = 0;

	if (p->fwcfg.table == NULL || port > LAST_PORT)
		return false;
	if (port == FWCFG_PORT_SELECTOR && write && size == 2) {
		if (p->fwcfg.s.dma_left == 0)
			select_item(p, (uint16_t)*value);
		return true;
	}
	if (port == FWCFG_PORT_DATA && size == 1) {
		if (write)
			return true;
		if (p->fwcfg.s.dma_left == 0)
			read_item(p, &byte, 1);
		*value = byte;
		return true;
	}
	if ((port == FWCFG_PORT_DMA || port == FWCFG_PORT_DMA + 4) && size == 4)
		return io_dma(p, port - FWCFG_PORT_DMA, write, value);
	return false;
}

void vfwcfg_reset(struct platform *p)
{
	p->fwcfg = (struct vfwcfg){.table = p->config.fwcfg};
}

void vfwcfg_run_timer(struct platform *p, uint64_t now)
{
	(void)now;
	if (p->fwcfg.s.dma_left != 0)
		transfer(p);
}

/* At once: platform_bounded_deadline makes that the next time it may be. */
uint64_t vfwcfg_deadline(const struct platform *p)
{
	return p->fwcfg.s.dma_left != 0 ? 0 : DEV_NEVER;
}

/* ---- state ---- */

void vfwcfg_get_state(const struct vfwcfg *f, struct vfwcfg_state *s)
{
	*s = f->s;
}

bool vfwcfg_valid_state(const struct vfwcfg *f, const struct vfwcfg_state *s)
{
	if (f->table == NULL)
		return state_bytes_up_to(s, 0, sizeof(*s) - 1, 0);
	return s->dma_high <= UINT32_MAX && STATE_ZERO(s->reserved) &&
	       state_zero(s->written + f->table->written,
		       sizeof(s->written) - f->table->written) &&
	       (s->dma_left != 0 || (s->dma_control == 0 && s->dma_address == 0));
}

bool vfwcfg_set_state(struct vfwcfg *f, const struct vfwcfg_state *s)
{
	if (!vfwcfg_valid_state(f, s))
		return false;
	f->s = *s;
	return true;
}

/* Where the state was taken the item had been selected. */
void vfwcfg_put_back(struct platform *p)
{
	if (p->fwcfg.table != NULL)
		prepare_item(p);
}
