/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCSI as far as a CD-ROM drive needs it: SCSI Primary Commands (SPC-3), Multi-Media Commands
 * (MMC-5). Numbers of several bytes are big-endian.
 */
#ifndef NESTOR_SPEC_SCSI_H
#define NESTOR_SPEC_SCSI_H

#include <stdint.h>

#include "lib/bits.h"

enum scsi_opcode {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_START_STOP_UNIT = 0x1b,
	SCSI_PREVENT_ALLOW = 0x1e,
	SCSI_READ_CAPACITY = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_SEEK_10 = 0x2b,
	SCSI_READ_TOC = 0x43,
	SCSI_GET_CONFIGURATION = 0x46,
	SCSI_GET_EVENT_STATUS = 0x4a,
	SCSI_READ_DISC_INFORMATION = 0x51,
	SCSI_MODE_SENSE_10 = 0x5a,
	SCSI_READ_16 = 0x88,
	SCSI_SERVICE_ACTION_IN_16 = 0x9e,
	SCSI_REPORT_LUNS = 0xa0,
	SCSI_READ_12 = 0xa8,
	SCSI_READ_CD_MSF = 0xb9,
	SCSI_SET_CD_SPEED = 0xbb,
	SCSI_MECHANISM_STATUS = 0xbd,
	SCSI_READ_CD = 0xbe
};

#define SCSI_READ_CAPACITY_16 0x10   /* service action */
#define SCSI_CONTROL_NACA     BIT(2) /* of the last byte of a command */

enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02
};

/* SPC-3 "Sense data", the fixed format */
#define SCSI_SENSE_SIZE    18u
#define SCSI_SENSE_CURRENT 0x70
enum scsi_sense_offset {
	SCSI_SENSE_KEY = 2,
	SCSI_SENSE_MORE = 7, /* bytes behind it */
	SCSI_SENSE_ASC = 12  /* and the qualifier */
};

enum scsi_sense_key {
	SCSI_NO_SENSE = 0x0,
	SCSI_NOT_READY = 0x2,
	SCSI_MEDIUM_ERROR = 0x3,
	SCSI_ILLEGAL_REQUEST = 0x5,
	SCSI_UNIT_ATTENTION = 0x6
};

/* Additional sense code << 8 | its qualifier */
enum scsi_additional {
	SCSI_NO_ADDITIONAL = 0x0000,
	SCSI_UNRECOVERED_READ_ERROR = 0x1100,
	SCSI_INVALID_OPCODE = 0x2000,
	SCSI_LBA_OUT_OF_RANGE = 0x2100,
	SCSI_INVALID_FIELD = 0x2400,
	SCSI_UNIT_NOT_SUPPORTED = 0x2500,
	SCSI_MEDIUM_MAY_HAVE_CHANGED = 0x2800,
	SCSI_WAS_RESET = 0x2900,
	SCSI_SAVING_NOT_SUPPORTED = 0x3900,
	SCSI_NO_MEDIUM_TRAY_CLOSED = 0x3a01,
	SCSI_NO_MEDIUM_TRAY_OPEN = 0x3a02,
	SCSI_REMOVAL_PREVENTED = 0x5302,
	SCSI_ILLEGAL_MODE = 0x6400
};

/* SPC-3 "INQUIRY command" */
#define SCSI_TYPE_CDROM       0x05
#define SCSI_NO_UNIT          0x7f /* no peripheral device can be there */
#define SCSI_INQUIRY_SIZE     36u
#define SCSI_INQUIRY_EVPD     BIT(0)
#define SCSI_INQUIRY_OBSOLETE BIT(1)
#define SCSI_REMOVABLE        BIT(7)
#define SCSI_VERSION_SPC3     5
#define SCSI_DATA_FORMAT      2
#define SCSI_COMMAND_QUEUE    BIT(1)
enum scsi_inquiry_offset {
	SCSI_INQUIRY_MORE = 4,
	SCSI_INQUIRY_FLAGS = 7,
	SCSI_INQUIRY_VENDOR = 8,
	SCSI_INQUIRY_PRODUCT = 16,
	SCSI_INQUIRY_REVISION = 32
};

enum scsi_vpd_page {
	SCSI_VPD_PAGES = 0x00,
	SCSI_VPD_SERIAL = 0x80,
	SCSI_VPD_IDENTIFICATION = 0x83
};

#define SCSI_CODE_SET_ASCII    2
#define SCSI_DESIGNATOR_VENDOR 1

/* SPC-3 "MODE SENSE(6) command" */
#define SCSI_MODE_PAGE(b)     ((b)&0x3fu)
#define SCSI_MODE_CONTROL(b)  ((unsigned)(b) >> 6) /* which values */
#define SCSI_MODE_CHANGEABLE  1
#define SCSI_MODE_SAVED       3
#define SCSI_MODE_ALL         0x3f
#define SCSI_MODE_ALL_SUBPAGE 0xff
enum scsi_mode_page {
	SCSI_MODE_ERROR_RECOVERY = 0x01,
	SCSI_MODE_POWER = 0x1a,
	SCSI_MODE_CD_CAPABILITIES = 0x2a
};

/* MMC-5 "START STOP UNIT Command", "PREVENT ALLOW MEDIUM REMOVAL Command" */
#define SCSI_START           BIT(0)
#define SCSI_LOAD_EJECT      BIT(1)
#define SCSI_POWER_CONDITION 0xf0u
#define SCSI_PREVENT         BIT(0)

/* Sectors of a CD: user data of mode 1; time is counted from two seconds before block 0. */
#define SCSI_CD_BLOCK       2048u
#define SCSI_CD_FRAMES      75u /* in a second */
#define SCSI_CD_PREGAP      150u
#define SCSI_CD_MINUTES_MAX 255u /* in a byte */

/* MMC-5 "READ TOC/PMA/ATIP Command" */
#define SCSI_TOC_MSF        BIT(1)
#define SCSI_TOC_DATA_TRACK 0x14 /* Q subchannel with position; data, no copy permitted */
#define SCSI_TOC_LEAD_OUT   0xaa
enum scsi_toc_format {
	SCSI_TOC_TRACKS = 0,
	SCSI_TOC_SESSIONS = 1,
	SCSI_TOC_RAW = 2
};

/* MMC-5 "GET CONFIGURATION Command", "Feature Definitions" */
#define SCSI_PROFILE_CD_ROM     0x0008
#define SCSI_FEATURE_CURRENT    BIT(0)
#define SCSI_FEATURE_PERSISTENT BIT(1)
#define SCSI_FEATURE_VERSION(v) ((v) << 2)
enum scsi_feature {
	SCSI_FEATURE_PROFILES = 0x0000,
	SCSI_FEATURE_CORE = 0x0001,
	SCSI_FEATURE_MORPHING = 0x0002,
	SCSI_FEATURE_REMOVABLE = 0x0003,
	SCSI_FEATURE_RANDOM_READ = 0x0010,
	SCSI_FEATURE_CD_READ = 0x001e,
	SCSI_FEATURE_POWER = 0x0100
};

enum scsi_feature_request {
	SCSI_FEATURES_ALL = 0,
	SCSI_FEATURES_CURRENT = 1,
	SCSI_FEATURES_ONE = 2
};

/* A tray that can be locked and opened, in this feature and in the capabilities page. */
#define SCSI_MECHANISM_TRAY  0x20
#define SCSI_MECHANISM_EJECT BIT(3)
#define SCSI_MECHANISM_LOCK  BIT(0)

/* MMC-5 "GET EVENT STATUS NOTIFICATION Command" */
#define SCSI_EVENT_POLLED  BIT(0)
#define SCSI_EVENT_NONE    BIT(7) /* no class that was asked for */
#define SCSI_EVENT_MEDIA   4      /* class */
#define SCSI_DOOR_OPEN     BIT(0)
#define SCSI_MEDIA_PRESENT BIT(1)
enum scsi_media_event {
	SCSI_MEDIA_NO_CHANGE = 0,
	SCSI_MEDIA_EJECT_REQUEST = 1, /* by the button, while removal is prevented */
	SCSI_MEDIA_NEW = 2,
	SCSI_MEDIA_REMOVED = 3
};

/* MMC-5 "READ DISC INFORMATION Command" */
#define SCSI_DISC_INFORMATION_SIZE 34u
#define SCSI_DISC_COMPLETE         0x0e /* and its last session, too */
#define SCSI_DISC_UNRESTRICTED     BIT(5)

/* MMC-5 "READ CD Command" */
#define SCSI_SECTOR_TYPE(b)   ((unsigned)(b) >> 2 & 7)
#define SCSI_SECTOR_ANY       0
#define SCSI_SECTOR_MODE_1    2
#define SCSI_SECTOR_USER_DATA 0x10
#define SCSI_SUBCHANNEL(b)    ((b)&7u)

/* MMC-5 "MECHANISM STATUS Command" */
#define SCSI_MECHANISM_STATUS_SIZE 8u
#define SCSI_MECHANISM_DOOR_OPEN   BIT(4) /* of its second byte */

#endif
