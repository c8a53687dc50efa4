/* SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

#include "cpu/acpi.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/text_screen.h"
#include "mm/layout.h"
#include "mm/paging.h"
#include "spec/uart.h"

#define BOOT_REACH BIT64(32) /* of the page tables of the start */

/* The host tool listens at the first one, by channels. */
static void choose_serial(const struct boot_info *info)
{
	static const uint16_t ports[] = {[L0_SERIAL_COM1] = COM1,
		[L0_SERIAL_COM2] = COM2,
		[L0_SERIAL_COM3] = COM3,
		[L0_SERIAL_COM4] = COM4,
		[L0_SERIAL_NONE] = 0};
	enum l0_serial serial = l0_config()->serial;
	uint16_t port;
	uint8_t divisor;

	if (l0_config()->mux) {
		if (serial != L0_SERIAL_AUTO)
			log_warn("serial= is for machines without the host tool");
	} else if (serial != L0_SERIAL_AUTO)
		mux_use_uart(ports[serial], 1);
	else if (acpi_uart(info->rsdp, info->rsdp_size, &port, &divisor) && port != COM1) {
		mux_use_uart(port, divisor);
		log_info("the UART at 0x%x is used, as firmware's table SPCR says", port);
	}
}

/* Everything has it in its address space, page-aligned outwards. */
static bool map_everywhere(uint64_t start, uint64_t size, uint64_t type)
{
	uint64_t first = start & ~PAGE_MASK, end = (start + size + PAGE_MASK) & ~PAGE_MASK;

	return paging_everywhere((struct hpa){first}, end - first, PT_RW_DATA | type);
}

static bool can_be_physical(uint64_t end)
{
	unsigned bits =
		cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;

	return bits >= 64 || end <= BIT64(bits);
}

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
	if (!can_be_physical(end) || !map_everywhere(p->start, end - p->start, PT_WC))
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
}
