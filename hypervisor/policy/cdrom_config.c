/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cdrom_config.h"

#include <stddef.h>

#include "spec/scsi.h"

#define ROW(key, name, kind, member) key, name, kind, SETTING_AT(struct cdrom_config, member)

const struct setting cdrom_settings[] = {
	{ROW("vm", NULL, SETTING_NAME, vm), .help = "the VM that it is for"},
	{ROW("cdrom", "name", SETTING_NAME, name), .help = "its name and serial number"},
	{.kind = SETTING_END},
};

const char *cdrom_size_error(uint64_t size)
{
	if (size != 0 && size % SCSI_CD_BLOCK == 0)
		return NULL;
	return "the image of a CD-ROM must be a multiple of 2048 bytes long, and not empty";
}
