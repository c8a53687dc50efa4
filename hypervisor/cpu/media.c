/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/media.h"

#include "cpu/asm.h"
#include "cpu/mem.h"
#include "cpu/tsc.h"
#include "lib/media.h"
#include "spec/ide.h"

#define PORT(reg) ((uint16_t)(IDE_COMMAND_PORT(MEDIA_CHANNEL) + (reg)))
#define CONTROL   ((uint16_t)IDE_CONTROL_PORT(MEDIA_CHANNEL))

/* An emulated drive moves its heads, some milliseconds at most. One that is not there reads as
 * ones: busy. */
#define PATIENCE_MS 50u

static struct {
	bool there;
	bool busy; /* a CPU reads; atomic */
} media;

/*
 * Until it is not busy and its status has the flag. False: it takes too long, or the status has
 * one of @wrong.
 */
static bool wait_for(uint8_t flag, uint8_t wrong)
{
	uint64_t ends = rdtsc() + (uint64_t)tsc_khz * PATIENCE_MS;

	do {
		uint8_t status = inb(PORT(IDE_STATUS));

		if (!(status & IDE_STATUS_BUSY) && status & (flag | wrong))
			return !(status & wrong);
		cpu_pause();
	} while (rdtsc() < ends);
	return false;
}

/* What a read that failed left would be the data of the next one. */
static void reset_drive(void)
{
	uint64_t ends = rdtsc() + tsc_khz / 50; /* it takes 5 us */

	outb(CONTROL, IDE_CONTROL_SRST | IDE_CONTROL_NIEN);
	while (rdtsc() < ends)
		cpu_pause();
	outb(CONTROL, IDE_CONTROL_NIEN);
}

/* 256 sectors are said as 0. An error stays in the status until the next command. */
static bool read_sectors(uint32_t first, uint8_t *to, uint32_t count)
{
	if (!wait_for(IDE_STATUS_READY, IDE_STATUS_DRQ))
		return false;
	outb(PORT(IDE_DRIVE), (uint8_t)(IDE_DRIVE_LBA | first >> 24));
	if (!wait_for(IDE_STATUS_READY, IDE_STATUS_DRQ))
		return false;
	outb(PORT(IDE_COUNT), (uint8_t)count);
	for (unsigned i = 0; i < 3; i++)
		outb(PORT(IDE_LBA + i), (uint8_t)(first >> 8 * i));
	outb(PORT(IDE_STATUS), IDE_READ_SECTORS);
	for (; count > 0; count--, to += MEDIA_SECTOR) {
		if (!wait_for(IDE_STATUS_DRQ, IDE_STATUS_ERR | IDE_STATUS_FAULT))
			return false;
		insw(PORT(IDE_DATA), to, MEDIA_SECTOR / 2);
	}
	return true;
}

bool media_init(void)
{
	uint8_t label[MEDIA_SECTOR];

	outb(CONTROL, IDE_CONTROL_NIEN);
	media.there =
		read_sectors(0, label, 1) && memcmp(label, MEDIA_LABEL, MEDIA_LABEL_SIZE) == 0;
	return media.there;
}

bool media_there(void)
{
	return media.there;
}

enum media_result media_read(uint64_t at, void *to, uint32_t size)
{
	bool ok;

	if (!media.there || size > MEDIA_READ_MAX || at > MEDIA_DISK_SIZE - size)
		return MEDIA_FAILED;
	if (__atomic_exchange_n(&media.busy, true, __ATOMIC_ACQUIRE))
		return MEDIA_BUSY;
	ok = read_sectors((uint32_t)(at / MEDIA_SECTOR), to, size / MEDIA_SECTOR);
	if (!ok)
		reset_drive();
	__atomic_store_n(&media.busy, false, __ATOMIC_RELEASE);
	return ok ? MEDIA_READ : MEDIA_FAILED;
}
