/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/pci_uart.h"

#include <stddef.h>

static const char *read_bar(pci_reader *read, uint16_t bdf, struct uart *u)
{
	uint32_t bar = read(bdf, PCI_BAR, 4);

	*u = (struct uart){.width = 1, .stride = 1, .memory = !(bar & PCI_BAR_IO)};
	if (u->memory) {
		u->base = bar & ~PCI_BAR_MEMORY_FLAGS;
		if (bar & PCI_BAR_64)
			u->base |= (uint64_t)read(bdf, PCI_BAR + 4, 4) << 32;
	} else
		u->base = bar & ~PCI_BAR_IO_FLAGS;
	if (u->base == 0)
		return "firmware has given its BAR 0 no address";
	if (!u->memory && u->base > UINT16_MAX - (UART_REGISTERS - 1))
		return "its BAR 0 has no possible ports";
	return NULL;
}

const char *pci_uart(pci_reader *read, uint16_t bdf, struct uart *u)
{
	unsigned power;

	*u = (struct uart){0};
	if (read(bdf, PCI_VENDOR, 2) == PCI_NO_VENDOR)
		return "there is no such function";
	if (read(bdf, PCI_CLASS_CODE, 2) != PCI_CLASS_SERIAL ||
		(read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) != 0)
		return "it is no serial port: its class would be 07.00";
	power = pci_find(read, bdf, PCI_CAP_POWER);
	if (power != 0 && (read(bdf, power + PCI_POWER_CONTROL, 2) & PCI_POWER_STATE) != 0)
		return "firmware has left it in a power state that is not D0";
	return read_bar(read, bdf, u);
}
