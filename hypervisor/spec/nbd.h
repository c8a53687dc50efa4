/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Network Block Device protocol (doc/proto.md of the NBD project): what a client needs of
 * the fixed newstyle handshake and of transmission with simple replies. All is big-endian.
 */
#ifndef NESTOR_SPEC_NBD_H
#define NESTOR_SPEC_NBD_H

#include "lib/bits.h"

#define NBD_PORT 10809u /* of TCP; servers use the same for other sockets */

/* ---- "Newstyle negotiation" ---- */

#define NBD_MAGIC        UINT64_C(0x4e42444d41474943)
#define NBD_OPTION_MAGIC UINT64_C(0x49484156454f5054)
#define NBD_ANSWER_MAGIC UINT64_C(0x0003e889045565a9)

#define NBD_GREETING_SIZE 18u /* two magic numbers, flags of 16 bits */
#define NBD_OPTION_SIZE   16u /* magic number, option, length of its data */
#define NBD_ANSWER_SIZE   20u /* magic number, option, type, length of its data */

/* "Handshake flags", and the client's with the same meaning. */
#define NBD_FIXED_NEWSTYLE BIT(0)
#define NBD_NO_ZEROES      BIT(1)

#define NBD_OPT_GO 7u

enum nbd_answer {
	NBD_REP_ACK = 1,
	NBD_REP_INFO = 3
};

#define NBD_REP_ERROR BIT(31)

/* "NBD_INFO" */
enum nbd_info {
	NBD_INFO_EXPORT = 0,
	NBD_INFO_BLOCK_SIZE = 3
};

#define NBD_INFO_EXPORT_SIZE     12u /* type, size, transmission flags */
#define NBD_INFO_BLOCK_SIZE_SIZE 14u /* type; minimum, preferred, maximum of a payload */

/* "Transmission flags" */
#define NBD_FLAG_READ_ONLY         BIT(1)
#define NBD_FLAG_SEND_FLUSH        BIT(2)
#define NBD_FLAG_SEND_FUA          BIT(3)
#define NBD_FLAG_SEND_TRIM         BIT(5)
#define NBD_FLAG_SEND_WRITE_ZEROES BIT(6)

/* ---- "Transmission" ---- */

#define NBD_REQUEST_MAGIC UINT32_C(0x25609513)
#define NBD_REPLY_MAGIC   UINT32_C(0x67446698)

#define NBD_REQUEST_SIZE 28u /* magic, flags, command, cookie, offset, length */
#define NBD_REPLY_SIZE   16u /* magic, error, cookie */

/* "Request types" */
enum nbd_command {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_WRITE_ZEROES = 6
};

/* "Error values": it is being shut down. */
#define NBD_ESHUTDOWN 108u

/* "Command flags" */
#define NBD_CMD_FLAG_FUA     BIT(0)
#define NBD_CMD_FLAG_NO_HOLE BIT(1)

#endif
