/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/request.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/percpu.h"
#include "lib/l0_request.h"
#include "mm/layout.h"
#include "spec/apic.h"
#include "spec/uart.h"

#define IOAPIC_PIN 0x10 /* index of a pin's two registers */
#define MCR_LINES  (MCR_DTR | MCR_RTS | MCR_OUT2)

/* Slow, because the emulator looks for a byte four times in the time that one takes. */
#define DIVISOR (115200 / 50)

static void ioapic_write(uint32_t index, uint32_t value)
{
	volatile uint32_t *io = direct_va((struct hpa){IOAPIC_DEFAULT_BASE});

	io[0] = index;
	io[4] = value;
}

void request_init(void)
{
	if (!l0_config()->requests)
		return;
	ioapic_write(IOAPIC_PIN + 2 * COM1_IRQ + 1, this_cpu()->apic_id << 24);
	ioapic_write(IOAPIC_PIN + 2 * COM1_IRQ, DELIVER_NMI << DELIVER_SHIFT);
	outb(COM1 + UART_LCR, LCR_DLAB);
	outb(COM1 + 0, DIVISOR & 0xff);
	outb(COM1 + 1, DIVISOR >> 8);
	outb(COM1 + UART_LCR, LCR_8N1);
	outb(COM1 + UART_FCR, 0);
	outb(COM1 + UART_MCR, MCR_LINES);
	outb(COM1 + UART_IER, IER_RECEIVE);
	request_poll();
}

void request_poll(void)
{
	if (!l0_config()->requests || this_cpu()->index != 0 ||
		!(inb(COM1 + UART_LSR) & LSR_DATA))
		return;
	if (inb(COM1) != REQUEST_STOP)
		return;
	config_stop();
	for (unsigned i = 1; i < cpu_count; i++)
		apic_send_nmi(percpus[i].apic_id);
}
