/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cdrom_config.h"

#include <stddef.h>

#include "spec/scsi.h"

#define ROW(key, name, kind, member) key, name, kind, SETTING_AT(struct cdrom_config, member)

const struct setting cdrom_settings[] = {
	{ROW("vm", NULL, SETTING_NAME, vm), .help = "the VM that it is for"},
	{ROW("cdrom", "name", SETTING_NAME, name), .help = "its name and serial number"},
	{ROW("empty", NULL, SETTING_SWITCH, empty), .initial = false,
		.help = "it begins without a medium"},
	{.kind = SETTING_END},
};

const struct setting image_settings[] = {
	{.key = "image",
		.name = "name",
		.kind = SETTING_NAME,
		SETTING_AT(struct image_config, name),
		.help = "its name"},
	{.kind = SETTING_END},
};

const char *image_config_error(const struct image_config *c)
{
	struct text name = text_of(c->name, sizeof(c->name));

	if (name.len == 0)
		return "the image has no name";
	if (text_is(name, CDROM_OWN) || text_is(name, CDROM_NONE) || text_is(name, CDROM_LENT))
		return "an image cannot have the name 'own', 'none' or 'file'";
	return NULL;
}

const char *cdrom_size_error(uint64_t size)
{
	if (size != 0 && size % SCSI_CD_BLOCK == 0)
		return NULL;
	return "the image of a CD-ROM must be a multiple of 2048 bytes long, and not empty";
}
