/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/acpi.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/leaves.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/pci.h"
#include "cpu/text_screen.h"
#include "cpu/uart.h"
#include "mm/layout.h"
#include "mm/paging.h"
#include "spec/apic.h"
#include "spec/pci_uart.h"
#include "spec/uart.h"

#define BOOT_REACH BIT64(32) /* of the page tables of the start */

/* Everything has it in its address space, page-aligned outwards. */
static bool map_everywhere(uint64_t start, uint64_t size, uint64_t type)
{
	uint64_t first = start & ~PAGE_MASK, end = (start + size + PAGE_MASK) & ~PAGE_MASK;

	return paging_everywhere((struct hpa){first}, end - first, PT_RW_DATA | type);
}

static bool meets_page(uint64_t start, uint64_t end, uint64_t page)
{
	return start < page + PAGE_SIZE && end > page;
}

/* Registers that L0 has there itself: a large page would take the place of theirs. */
static bool is_own(uint64_t start, uint64_t end)
{
	return meets_page(start, end, APIC_DEFAULT_BASE) ||
	       meets_page(start, end, IOAPIC_DEFAULT_BASE);
}

static bool can_be_physical(uint64_t end)
{
	unsigned bits = cpuid_physical_bits();

	return bits >= 64 || end <= BIT64(bits);
}

/* ---- the UART ---- */

/* One that waits for L0's page tables; base 0: none does. */
static struct {
	struct uart uart;
	uint16_t divisor;
	const char *by, *who;
} later;

static void use_uart(const struct uart *u, uint16_t divisor, const char *by, const char *who)
{
	if (uart_read(u, UART_LSR) == 0xff) { /* it would take all for ever, to nobody */
		log_warn(
			"the UART at %s 0x%lx, as %s%s says, is not used: nobody answers there",
			u->memory ? "memory address" : "port", u->base, by, who);
		return;
	}
	mux_use_uart(u, divisor);
	log_info("the UART at %s 0x%lx is used, as %s%s says",
		u->memory ? "memory address" : "port", u->base, by, who);
}

static void open_later(void)
{
	struct uart u = later.uart;

	later.uart.base = 0;
	if (u.base != 0)
		use_uart(&u, later.divisor, later.by, later.who);
}

static bool is_ram(const struct boot_info *info, uint64_t first, uint64_t size)
{
	for (unsigned i = 0; i < info->ram_count; i++) {
		const struct boot_range *r = &info->ram[i];

		if (r->start < first + size && first < r->start + r->size)
			return true;
	}
	return false;
}

/* Which is mapped before, and as memory that combines writes. */
static bool meets_screen(const struct boot_info *info, uint64_t start, uint64_t end)
{
	const struct pixels *p = &info->pixels;

	return p->start != 0 && start < p->start + pixels_size(p) && end > p->start;
}

/* NULL, or why it cannot be used. */
static const char *open_uart(const struct boot_info *info, const struct uart *u,
	uint16_t divisor, const char *by, const char *who)
{
	uint64_t end = u->base + uart_size(u);

	if (!u->memory) {
		use_uart(u, divisor, by, who);
		return NULL;
	}
	if (end > DIRECT_SIZE || !can_be_physical(end))
		return "this machine has no such address";
	if (is_own(u->base, end) || meets_screen(info, u->base, end))
		return "L0 has something else at its address";
	if (is_ram(info, u->base, uart_size(u)))
		return "there is RAM at its address";
	if (!map_everywhere(u->base, uart_size(u), PT_UC))
		return "L0 has too many such ranges";
	later.by = by;
	later.who = who;
	later.uart = *u;
	later.divisor = divisor;
	if (end <= BOOT_REACH)
		open_later();
	return NULL;
}

/* What firmware names, where that is not what is used anyway. */
static void use_firmwares(const struct boot_info *info)
{
	struct uart u;
	uint16_t divisor;
	const char *table = acpi_uart(info->rsdp, info->rsdp_size, &u, &divisor), *why;

	if (table == NULL || (!u.memory && u.base == COM1 && divisor <= 1))
		return;
	why = open_uart(info, &u, divisor, "firmware's table ", table);
	if (why != NULL)
		log_warn("the UART of firmware's table %s, at 0x%lx, is not used: %s", table,
			u.base, why);
}

static uint32_t read_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	return pci_read(PCI_SBDF_BDF(sbdf), offset, size);
}

/* Its registers decode from now on. */
static const char *find_card(uint16_t bdf, struct uart *u)
{
	const char *why = pci_uart(read_config, bdf, u);
	uint32_t decode = u->memory ? PCI_COMMAND_MEMORY : PCI_COMMAND_IO, command;

	if (why != NULL)
		return why;
	command = pci_read(bdf, PCI_COMMAND, 2);
	if (!(command & decode))
		pci_write(bdf, PCI_COMMAND, 2, command | decode);
	return NULL;
}

static const char *find_told(const struct l0_serial *s, struct uart *u)
{
	static const uint16_t ports[] = {[L0_SERIAL_COM1] = COM1,
		[L0_SERIAL_COM2] = COM2,
		[L0_SERIAL_COM3] = COM3,
		[L0_SERIAL_COM4] = COM4};

	if (s->kind == L0_SERIAL_PCI)
		return find_card(s->bdf, u);
	if (s->kind == L0_SERIAL_MMIO)
		*u = (struct uart){s->address, true, s->width, s->width};
	else
		*u = (struct uart){.base = ports[s->kind]};
	return NULL;
}

static void use_told(const struct boot_info *info)
{
	const struct l0_serial *s = &l0_config()->serial;
	bool plain = s->kind <= L0_SERIAL_COM4 && s->baud == 0;
	struct uart u;
	const char *why = find_told(s, &u);

	if (why == NULL)
		why = open_uart(
			info, &u, plain ? 1 : uart_divisor(s->baud, s->clock), "serial=", "");
	if (why != NULL)
		log_error("the UART of serial= is not used: %s", why);
}

/* The host tool listens at the first one, by channels. */
static void choose_serial(const struct boot_info *info)
{
	uint8_t kind = l0_config()->serial.kind;

	if (l0_config()->mux) {
		if (kind != L0_SERIAL_AUTO)
			log_warn("serial= is for machines without the host tool");
	} else if (kind == L0_SERIAL_AUTO)
		use_firmwares(info);
	else if (kind == L0_SERIAL_NONE)
		mux_use_uart(&(struct uart){0}, 0);
	else
		use_told(info);
}

/* ---- the screen ---- */

static void choose_text(const struct boot_screen *s)
{
	if (s->start != 0 && map_everywhere(s->start, 2ull * s->columns * s->rows, PT_UC))
		text_screen_use(direct_va((struct hpa){s->start}), s->columns, s->rows);
}

static void choose_pixels(const struct pixels *p)
{
	uint64_t end;

	if (p->start == 0)
		return;
	end = p->start + pixels_size(p);
	if (!can_be_physical(end) || is_own(p->start, end) ||
		!map_everywhere(p->start, end - p->start, PT_WC))
		return;
	text_screen_use_pixels(p, end <= BOOT_REACH ? direct_va((struct hpa){p->start}) : NULL);
	log_info("the log is on the screen, too: %u x %u pixels of %u bits at 0x%lx", p->width,
		p->height, 8u * p->format.bytes, p->start);
}

void output_choose(const struct boot_info *info)
{
	if (!l0_config()->mux) { /* else somebody reads the stream by channels */
		choose_text(&info->screen);
		choose_pixels(&info->pixels); /* the loader tells of one of both */
	}
	choose_serial(info);
}

void output_map(const struct boot_info *info)
{
	text_screen_clear(direct_va((struct hpa){info->pixels.start}));
	open_later();
}
