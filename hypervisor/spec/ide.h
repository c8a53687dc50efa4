/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDE controllers on PCI: where their two channels are (PCI IDE Controller Specification 1.0,
 * section 2; Programming Interface for Bus Master IDE Controller 1.0, section 2), and the
 * registers of a channel (ATA/ATAPI-6, chapter 7).
 */
#ifndef NESTOR_SPEC_IDE_H
#define NESTOR_SPEC_IDE_H

#include "lib/bits.h"

#define IDE_CHANNELS 2

/* Of the interface byte: the channel is behind base address registers, and uses the pin. */
#define IDE_NATIVE(channel) (1u << 2 * (channel))
/* Else it is in compatibility mode: at these ports, and at this line of ISA, by edges. */
#define IDE_COMMAND_PORT(channel) (0x1f0u - 0x80u * (channel))
#define IDE_CONTROL_PORT(channel) (0x3f6u - 0x80u * (channel))
#define IDE_LINE(channel)         (14u + (channel))

/* Base address registers of a channel in native mode, and that of both channels' DMA. */
#define IDE_BAR_COMMAND(channel) (2u * (channel))
#define IDE_BAR_CONTROL(channel) (2u * (channel) + 1)
#define IDE_BAR_MASTER           4u
#define IDE_COMMAND_SIZE         8u
#define IDE_CONTROL_SIZE         4u
#define IDE_MASTER_SIZE          8u /* of a channel */

/* In these blocks: status is command when written. */
#define IDE_DATA           0u
#define IDE_COUNT          2u
#define IDE_LBA            3u /* and the two behind it: bits 23:0 */
#define IDE_DRIVE          6u
#define IDE_STATUS         7u
#define IDE_CONTROL        2u /* in native mode; a port by itself else */
#define IDE_MASTER_COMMAND 0u

#define IDE_DRIVE_LBA    0xe0u /* the first drive, and bits 27:24 of the sector's number */
#define IDE_READ_SECTORS 0x20u
#define IDE_STATUS_ERR   BIT(0)
#define IDE_STATUS_DRQ   BIT(3)
#define IDE_STATUS_FAULT BIT(5)
#define IDE_STATUS_READY BIT(6)
#define IDE_STATUS_BUSY  BIT(7)

#define IDE_CONTROL_NIEN BIT(1) /* no interrupts */
#define IDE_CONTROL_SRST BIT(2) /* both drives are in reset while it is set */

#endif
