/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fadt.h"

#include "lib/bits.h"

/* Table 5.9 "FADT Format"; 5.2.3.2 "Generic Address Structure (GAS)" */
#define RESET_SUP     BIT(10)
#define RESET_REG     116u
#define RESET_VALUE   128u
#define REG_WIDTH     1u
#define REG_OFFSET    2u
#define REG_ADDRESS   4u
#define ADDRESSES     (1ull << 52) /* physical, in any machine */
#define PORTS         0x10000u
#define CONFIG_OFFSET 0xffffu
#define CONFIG_SIZE   256u

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* Table 5.1: bits 47:32 are the device on bus 0, 31:16 its function, 15:0 the offset. */
static bool take_config(uint64_t address, struct fadt_reset *r)
{
	uint64_t device = address >> 32, function = address >> 16 & 0xffff;

	r->address = address & CONFIG_OFFSET;
	r->bdf = (uint16_t)(device << 3 | function);
	return device < 32 && function < 8 && r->address < CONFIG_SIZE;
}

bool fadt_reset_register(const uint8_t *fadt, uint32_t length, struct fadt_reset *r)
{
	const uint8_t *reg = fadt + RESET_REG;
	uint64_t address;

	if (length <= RESET_VALUE || !(get(fadt + FADT_FLAGS, 4) & RESET_SUP) ||
		reg[REG_WIDTH] != 8 || reg[REG_OFFSET] != 0)
		return false;
	address = get(reg + REG_ADDRESS, 8);
	*r = (struct fadt_reset){
		.space = reg[0], .value = fadt[RESET_VALUE], .address = address};
	switch (r->space) {
	case FADT_MEMORY:
		return address != 0 && address < ADDRESSES;
	case FADT_PORT:
		return address != 0 && address < PORTS;
	case FADT_PCI:
		return take_config(address, r);
	default:
		return false;
	}
}
