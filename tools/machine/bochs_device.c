/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI device for tests, a plugin of Bochs 3.0, of whose devices hardly one has MSI: registers
 * behind a 64-bit base address register and ports, MSI with eight messages and masks, MSI-X,
 * DMA, events at a time and in bursts, a pin, a function-level reset, D3hot, SR-IOV.
 * docs/machine-device.md has its registers. Here is what they do, alike in each function.
 */
#define _GNU_SOURCE
#include "bochs_device.h"
#include "bochs_requests.h"

#include <stdlib.h>

#define ID 0x0154534eu /* NST, 1 */

#define DMA_COPY    1u
#define DMA_FILL    2u
#define DMA_SUM     3u
#define DMA_KIND    0xffu
#define DMA_EVENT   0x100u /* at its end, this one */
#define DMA_EVENT_N 16

/* ---- interrupts ---- */

bool msi_on(struct function *f)
{
	return get(config(f, MSI + 2), 2) & ENABLE_MSI;
}

bool msix_on(struct function *f)
{
	return get(config(f, MSIX + 2), 2) & ENABLE_MSIX;
}

void update_pin(struct function *f)
{
	void *bridge = *(void **)(void *)(bx_devices + DEVICES_BRIDGE);
	void (**slots)(void *, uint8_t, unsigned, bool) = *(void **)bridge;
	uint32_t command = get(config(f, COMMAND), 2);
	bool level = (*reg(f, REG_EVENTS) & *reg(f, REG_ENABLE)) && !sleeps(f);

	*config(f, STATUS) =
		(uint8_t)((*config(f, STATUS) & ~STATUS_INTX) | (level ? STATUS_INTX : 0));
	if (f->is_virtual) /* has none */
		return;
	slots[SLOT_SET_IRQ](bridge, (uint8_t)f->source, *config(f, 0x3d),
		level && !(command & COMMAND_NOINTX) && !msi_on(f) && !msix_on(f));
}

static void send(struct function *f, uint64_t address, uint32_t data)
{
	request_interrupt(f->source, address, data);
}

static bool send_msix(struct function *f, unsigned n)
{
	const uint32_t *e = f->d.entry[n];

	if (e[3] & 1 || get(config(f, MSIX + 2), 2) & MASK_ALL)
		return false;
	send(f, (uint64_t)e[1] << 32 | e[0], e[2]);
	return true;
}

static bool send_msi(struct function *f, unsigned n)
{
	uint32_t numbers = (1u << (*config(f, MSI + 2) >> 4 & 7)) - 1;
	uint32_t message = n & numbers & (MSI_VECTORS - 1);

	if (get(config(f, MSI + 0x10), 4) >> message & 1) {
		put(config(f, MSI + 0x14), 4, get(config(f, MSI + 0x14), 4) | 1u << message);
		return true;
	}
	send(f, (uint64_t)get(config(f, MSI + 8), 4) << 32 | get(config(f, MSI + 4), 4),
		(get(config(f, MSI + 0xc), 2) & ~numbers) | message);
	return true;
}

static void raise_event(struct function *f, unsigned n)
{
	f->d.reg[REG_COUNTS / 4 + n]++;
	if (!(*config(f, COMMAND) & COMMAND_MASTER) || sleeps(f) ||
		(!msix_on(f) && !msi_on(f))) {
		*reg(f, REG_EVENTS) |= 1u << n;
		update_pin(f);
	} else if (!msix_on(f)) {
		send_msi(f, n);
	} else if (!send_msix(f, n)) {
		f->d.pending |= 1u << n;
	}
}

/* What waits for masks that are no more. */
void send_pending(struct function *f)
{
	uint32_t waits = get(config(f, MSI + 0x14), 4) & ~get(config(f, MSI + 0x10), 4);

	for (unsigned n = 0; msix_on(f) && n < VECTORS; n++)
		if (f->d.pending >> n & 1 && send_msix(f, n))
			f->d.pending &= ~(1u << n);
	if (!msi_on(f))
		return;
	put(config(f, MSI + 0x14), 4, get(config(f, MSI + 0x14), 4) & ~waits);
	for (; waits != 0; waits &= waits - 1)
		send_msi(f, (unsigned)__builtin_ctz(waits));
}

static void owe(struct function *f, unsigned n)
{
	if (f->d.owed[n] == 0)
		return;
	f->d.owed[n]--;
	raise_event(f, n);
}

static void burst(struct function *f, uint32_t count)
{
	for (unsigned n = 0; n < VECTORS; n++)
		if (*reg(f, REG_WHICH) >> n & 1) {
			f->d.owed[n] = count;
			owe(f, n);
		}
}

static void storm(void *self)
{
	struct function *f = self;

	for (unsigned n = 0; n < VECTORS; n++)
		if (*reg(f, REG_STORM) >> n & 1)
			raise_event(f, n);
}

static void set_storm(struct function *f)
{
	if (*reg(f, REG_STORM) != 0 && *reg(f, REG_PERIOD) != 0)
		start_timer(bx_pc_system, (unsigned)f->storm_timer, *reg(f, REG_PERIOD), true);
	else
		stop_timer(bx_pc_system, (unsigned)f->storm_timer);
}

/* ---- DMA ---- */

static uint64_t address(struct function *f, enum reg r)
{
	return (uint64_t)*reg(f, r + 4) << 32 | *reg(f, r);
}

/* A piece that leaves no page, neither where it is read nor where it is written. */
static unsigned piece(uint64_t from, uint64_t to, unsigned left)
{
	unsigned a = PAGE - (unsigned)(from % PAGE), b = PAGE - (unsigned)(to % PAGE);

	a = a < b ? a : b;
	return a < left ? a : left;
}

static void transfer(
	struct function *f, uint32_t kind, uint64_t from, uint64_t to, unsigned size)
{
	uint8_t buffer[PAGE];

	if (kind == DMA_FILL)
		memset(buffer, (int)(*reg(f, REG_FILL) & 0xff), size);
	else
		*reg(f, REG_BLOCKED) += !request_memory(f->source, from, buffer, size, false);
	for (unsigned i = 0; kind == DMA_SUM && i < size; i++)
		*reg(f, REG_SUM) += buffer[i];
	if (kind != DMA_SUM)
		*reg(f, REG_BLOCKED) += !request_memory(f->source, to, buffer, size, true);
}

static void dma(void *self)
{
	struct function *f = self;
	uint64_t from = address(f, REG_SOURCE), to = address(f, REG_TARGET);
	unsigned left = *reg(f, REG_LENGTH) < DMA_MAX ? *reg(f, REG_LENGTH) : DMA_MAX, size;
	uint32_t how = *reg(f, REG_DMA), kind = how & DMA_KIND;

	*reg(f, REG_BUSY) = 0;
	if (!(*config(f, COMMAND) & COMMAND_MASTER) || sleeps(f) || kind < DMA_COPY ||
		kind > DMA_SUM)
		return;
	*reg(f, REG_SUM) = 0;
	for (; left != 0; left -= size, from += size, to += size) {
		size = piece(from, to, left);
		transfer(f, kind, from, to, size);
	}
	if (how & DMA_EVENT)
		raise_event(f, how >> DMA_EVENT_N & (VECTORS - 1));
}

/* A byte each tick, so that a driver can find it busy. */
static void start_dma(struct function *f)
{
	*reg(f, REG_BUSY) = 1;
	start_timer(bx_pc_system, (unsigned)f->dma_timer, 16 + *reg(f, REG_LENGTH) % DMA_MAX,
		false);
}

/* ---- what firmware has left ---- */

#define LEFT_TICKS 20000u

static uint64_t left_at[2], left_virtual;

static void go_on(void *self)
{
	struct function *f = self;
	static uint64_t count;

	if (!(*config(f, COMMAND) & COMMAND_MASTER) || (f->is_virtual && !sriov_is_enabled(f)))
		return;
	count++;
	for (unsigned i = 0; i < 2; i++)
		*reg(f, REG_BLOCKED) += !request_memory(f->source,
			f->is_virtual ? left_virtual : left_at[i], &count, sizeof(count), true);
	if (msi_on(f))
		send_msi(f, 0);
}

void leave_running(struct function *f)
{
	const char *left = getenv("NESTOR_DEVICE");
	uint64_t vector;
	char *end;

	if (left == NULL || *left == 0)
		return;
	left_at[0] = strtoull(left, &end, 0);
	left_at[1] = *end == ',' ? strtoull(end + 1, &end, 0) : left_at[0];
	vector = *end == ',' ? strtoull(end + 1, &end, 0) : 0;
	left_virtual = *end == ',' ? strtoull(end + 1, &end, 0) : 0;
	*config(f, COMMAND) |= COMMAND_MASTER;
	if (vector != 0) {
		put(config(f, MSI + 4), 4, 0xfee00000);
		put(config(f, MSI + 0xc), 2, (uint32_t)vector);
		*config(f, MSI + 2) |= ENABLE_MSI;
	}
	start_timer(bx_pc_system, (unsigned)f->left_timer, LEFT_TICKS, true);
	f = left_virtual != 0 ? sriov_leave_on() : NULL;
	if (f == NULL)
		return;
	*config(f, COMMAND) |= COMMAND_MASTER;
	start_timer(bx_pc_system, (unsigned)f->left_timer, LEFT_TICKS, true);
}

/* ---- registers ---- */

void reset_registers(struct function *f)
{
	memset(&f->d, 0, sizeof(f->d));
	for (unsigned n = 0; n < VECTORS; n++)
		f->d.entry[n][3] = 1;
	*reg(f, REG_ID) = ID;
	stop_timer(bx_pc_system, (unsigned)f->storm_timer);
	stop_timer(bx_pc_system, (unsigned)f->dma_timer);
}

static void clear_events(struct function *f, uint32_t events)
{
	*reg(f, REG_EVENTS) &= ~events;
	update_pin(f);
}

static void write_register(struct function *f, unsigned at, uint32_t v)
{
	switch (at) {
	case REG_CONTROL:
		if (v & 1) {
			reset_registers(f);
			update_pin(f);
		}
		break;
	case REG_EVENTS:
		clear_events(f, v);
		break;
	case REG_RAISE:
		raise_event(f, v % VECTORS);
		break;
	case REG_ACK:
		owe(f, v % VECTORS);
		break;
	case REG_BURST:
		burst(f, v);
		break;
	case REG_ID:
	case REG_BUSY:
	case REG_SUM:
	case REG_OWED:
	case REG_BLOCKED:
		break;
	default:
		if (at < REG_COUNTS)
			f->d.reg[at / 4] = v;
		if (at == REG_DMA)
			start_dma(f);
		if (at == REG_STORM || at == REG_PERIOD)
			set_storm(f);
		if (at == REG_ENABLE)
			update_pin(f);
		break;
	}
}

static uint32_t read_register(struct function *f, unsigned at)
{
	uint32_t owed = 0;

	if (at >= sizeof(f->d.reg))
		return 0;
	for (unsigned n = 0; at == REG_OWED && n < VECTORS; n++)
		owed += f->d.owed[n];
	return at == REG_OWED ? owed : f->d.reg[at / 4];
}

static uint32_t read_word(struct function *f, unsigned at)
{
	if (at < TABLE)
		return read_register(f, at);
	if (at - TABLE < sizeof(f->d.entry))
		return f->d.entry[(at - TABLE) / 16][at / 4 % 4];
	if (at >= MEMORY)
		return get(&f->d.memory[at - MEMORY], 4);
	return at == PENDING ? f->d.pending : 0;
}

static void write_word(struct function *f, unsigned at, uint32_t v)
{
	if (at < TABLE) {
		write_register(f, at, v);
	} else if (at - TABLE < sizeof(f->d.entry)) {
		f->d.entry[(at - TABLE) / 16][at / 4 % 4] = v;
		send_pending(f);
	}
}

/* Words and pairs of them; of the memory at its end, any size. */
void read_memory(struct function *f, unsigned offset, unsigned size, void *data)
{
	memset(data, 0xff, size);
	if (offset >= MEMORY && offset + size <= BAR_SIZE)
		memcpy(data, &f->d.memory[offset - MEMORY], size);
	else
		for (unsigned i = 0; offset % 4 == 0 && i + 4 <= size; i += 4)
			put((uint8_t *)data + i, 4, read_word(f, offset + i));
}

void write_memory(struct function *f, unsigned offset, unsigned size, const void *data)
{
	if (offset >= MEMORY && offset + size <= BAR_SIZE)
		memcpy(&f->d.memory[offset - MEMORY], data, size);
	else
		for (unsigned i = 0; offset % 4 == 0 && i + 4 <= size; i += 4)
			write_word(f, offset + i, get((const uint8_t *)data + i, 4));
}

uint32_t read_port(void *self, uint32_t port, unsigned size)
{
	struct function *f = self;

	return size == 4 && !sleeps(f) ? read_word(f, port & (PORTS - 1) & ~3u) : UINT32_MAX;
}

void write_port(void *self, uint32_t port, uint32_t value, unsigned size)
{
	struct function *f = self;

	if (size == 4 && !sleeps(f))
		write_word(f, port & (PORTS - 1) & ~3u, value);
}

void add_timers(struct function *f)
{
	f->storm_timer = register_timer(bx_pc_system, f, storm, 1, true, false, "nestordev");
	f->left_timer = register_timer(bx_pc_system, f, go_on, 1, true, false, "nestordev");
	f->dma_timer = register_timer(bx_pc_system, f, dma, 1, false, false, "nestordev");
}
