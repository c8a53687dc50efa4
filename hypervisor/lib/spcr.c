/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spcr.h"

#define KIND      36u /* 0: 16550, 1: 16450 with a 16550's FIFO registers */
#define SPACE     40u /* of the address: 1: I/O ports */
#define ADDRESS   44u
#define BAUD_RATE 58u
#define SIZE      59u

/* By the code for a rate: 9600, 19200, 57600, 115200. */
static const uint8_t divisors[] = {[3] = 12, [4] = 6, [6] = 2, [7] = 1};

bool spcr_uart(const uint8_t *spcr, uint32_t length, uint16_t *port, uint8_t *divisor)
{
	uint64_t address = 0;

	if (length < SIZE || spcr[KIND] > 1 || spcr[SPACE] != 1)
		return false;
	for (unsigned i = 0; i < 8; i++)
		address |= (uint64_t)spcr[ADDRESS + i] << 8 * i;
	if (address == 0 || address > UINT16_MAX - 7)
		return false;
	*port = (uint16_t)address;
	*divisor = spcr[BAUD_RATE] < sizeof(divisors) ? divisors[spcr[BAUD_RATE]] : 0;
	return true;
}
