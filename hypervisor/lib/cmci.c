/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cmci.h"

uint64_t cmci_control(uint64_t value, bool on)
{
	value &= ~(MCI_CTL2_THRESHOLD | MCI_CTL2_CMCI_EN);
	return on ? value | MCI_CTL2_CMCI_EN | 1 : value;
}

bool cmci_error(struct cmci *c, unsigned bank, uint64_t now, uint32_t khz)
{
	uint32_t bit = UINT32_C(1) << bank;

	if (!(c->owned & bit))
		return false;
	c->last[bank] = now;
	if (c->off & bit)
		return false;
	if (budget_spend(&c->budget[bank], now, (uint64_t)khz * CMCI_PERIOD_MS, CMCI_BURST))
		return false;
	c->off |= bit;
	return true;
}

uint32_t cmci_calm(struct cmci *c, uint64_t now, uint32_t khz)
{
	uint32_t calm = 0;

	for (unsigned i = 0; i < MCE_BANKS_MAX; i++)
		if (c->off >> i & 1 && now - c->last[i] >= (uint64_t)khz * CMCI_QUIET_MS)
			calm |= UINT32_C(1) << i;
	c->off &= ~calm;
	return calm;
}
