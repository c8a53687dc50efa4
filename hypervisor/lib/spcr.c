/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spcr.h"

#include "lib/gas.h"

/* Both tables number the kinds alike; 1 is a 16450 with a 16550's FIFO registers. */
#define KIND_16550     0x00u
#define KIND_16450     0x01u
#define KIND_16550_GAS 0x12u

/* SPCR */
#define SPCR_KIND        36u
#define SPCR_ADDRESS     40u
#define SPCR_BAUD_CODE   58u
#define SPCR_LEAST       59u
#define SPCR_CLOCK       76u /* Hz; since revision 3 */
#define SPCR_BAUD        80u /* since revision 4 */
#define SPCR_REVISION_AT 8u

/* DBG2, and from the start of each of its devices */
#define DBG2_DEVICES   36u /* where the first one is */
#define DBG2_COUNT     40u
#define DBG2_LEAST     44u
#define DEVICE_LENGTH  1u
#define DEVICE_PORT    12u /* its type: 8000H is serial */
#define DEVICE_KIND    14u
#define DEVICE_ADDRESS 18u /* where its first address is */
#define DEVICE_LEAST   22u
#define PORT_SERIAL    0x8000u
#define DEVICES_MAX    16u /* that are looked at */

/* ACPI 6.5, 5.2.3.2 "Generic Address Structure (GAS)" */
#define GAS_MEMORY 0u
#define GAS_IO     1u

#define MEMORY_END (1ull << 52) /* of physical addresses, in any machine */

/* By the code for a rate. */
static const uint32_t rates[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static bool is_16550(uint64_t kind)
{
	return kind == KIND_16550 || kind == KIND_16450 || kind == KIND_16550_GAS;
}

/* Bits of a register in whole bytes that the processor can read at once; 0: they are none. */
static uint8_t bytes_of(uint8_t bits)
{
	return bits == 8 || bits == 16 || bits == 32 ? bits / 8 : 0;
}

/*
 * The size of an access is a code: 1 to 3 are 1, 2 and 4 bytes. Firmware leaves it out, or the
 * width of a register: the other one tells then.
 */
static bool gas_uart(const uint8_t *gas, struct uart *u)
{
	uint8_t code = gas[GAS_ACCESS], wide = bytes_of(gas[GAS_BITS]);

	*u = (struct uart){.base = get(gas + GAS_ADDRESS, 8), .width = 1, .stride = 1};
	if (u->base == 0)
		return false;
	if (gas[GAS_SPACE] == GAS_IO)
		return u->base <= UINT16_MAX - (UART_REGISTERS - 1);
	if (gas[GAS_SPACE] != GAS_MEMORY)
		return false;
	u->memory = true;
	if (code >= 1 && code <= 3)
		u->width = (uint8_t)(1u << (code - 1));
	else if (wide != 0)
		u->width = wide;
	u->stride = wide > u->width ? wide : u->width;
	return (u->base & (u->width - 1u)) == 0 && u->base <= MEMORY_END - uart_size(u);
}

/* In memory clocks are what the board has. */
static uint16_t spcr_divisor(const uint8_t *spcr, uint32_t length, bool memory)
{
	uint8_t code = spcr[SPCR_BAUD_CODE];
	uint32_t baud = code < sizeof(rates) / sizeof(rates[0]) ? rates[code] : 0, clock = 0;

	if (spcr[SPCR_REVISION_AT] >= 4 && length >= SPCR_BAUD + 4 &&
		get(spcr + SPCR_BAUD, 4) != 0)
		baud = (uint32_t)get(spcr + SPCR_BAUD, 4);
	if (spcr[SPCR_REVISION_AT] >= 3 && length >= SPCR_CLOCK + 4)
		clock = (uint32_t)get(spcr + SPCR_CLOCK, 4);
	return memory && clock == 0 ? 0 : uart_divisor(baud, clock);
}

bool spcr_uart(const uint8_t *spcr, uint32_t length, struct uart *u, uint16_t *divisor)
{
	if (length < SPCR_LEAST || !is_16550(spcr[SPCR_KIND]) ||
		!gas_uart(spcr + SPCR_ADDRESS, u))
		return false;
	*divisor = spcr_divisor(spcr, length, u->memory);
	return true;
}

/* The device has `size` bytes, its own length at least DEVICE_LEAST. */
static bool device_uart(const uint8_t *d, uint64_t size, struct uart *u)
{
	uint64_t at = get(d + DEVICE_ADDRESS, 2);

	return get(d + DEVICE_PORT, 2) == PORT_SERIAL && is_16550(get(d + DEVICE_KIND, 2)) &&
	       at <= size && size - at >= GAS_SIZE && gas_uart(d + at, u);
}

bool dbg2_uart(const uint8_t *dbg2, uint32_t length, struct uart *u)
{
	uint64_t at, count;

	if (length < DBG2_LEAST)
		return false;
	at = get(dbg2 + DBG2_DEVICES, 4);
	count = get(dbg2 + DBG2_COUNT, 4);
	for (uint64_t i = 0; i < count && i < DEVICES_MAX; i++) {
		uint64_t size;

		if (at > length || length - at < DEVICE_LEAST)
			return false;
		size = get(dbg2 + at + DEVICE_LENGTH, 2);
		if (size < DEVICE_LEAST || size > length - at)
			return false;
		if (device_uart(dbg2 + at, size, u))
			return true;
		at += size;
	}
	return false;
}
